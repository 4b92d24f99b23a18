/* SPDX-License-Identifier: MIT */
/* Blocks that the sessions of a loop share. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tunnel/scratch.h"

static uint64_t now_ns = 1000000000;
static struct lw_loop *loop;

static uint64_t test_clock(void *user)
{
	(void)user;
	return now_ns;
}

static int make_loop(void **state)
{
	const struct lw_loop_options options = { .size = sizeof(options), .now_ns = test_clock };

	(void)state;
	return lw_loop_new(&options, &loop);
}

static int free_loop(void **state)
{
	(void)state;
	lw_loop_free(loop); /* asserts that nothing is left on it */
	return 0;
}

static void pass(unsigned trims)
{
	for (unsigned i = 0; i < trims; i++) {
		now_ns += (uint64_t)SCRATCH_TRIM_MS * 1000000;
		assert_true(lw_loop_dispatch(loop) >= 0);
	}
}

static void use__one_loop__shares_and_the_last_frees(void **state)
{
	struct scratch *a = scratch_use(loop), *b = scratch_use(loop);

	(void)state;
	assert_non_null(a);
	assert_ptr_equal(a, b);
	scratch_leave(a);
	assert_ptr_equal(loop_local(loop), b);
	scratch_leave(b);
	assert_null(loop_local(loop));
	scratch_leave(NULL);
}

static void take__given_back_last__comes_first(void **state)
{
	struct scratch *scratch = scratch_use(loop);
	struct scratch_inward *a = scratch_take_inward(scratch), *b = scratch_take_inward(scratch);
	struct scratch_outward *c = scratch_take_outward(scratch);

	(void)state;
	assert_ptr_not_equal(a, b);
	a->receive[SCRATCH_RECEIVE_SIZE - 1] = a->plain[SCRATCH_PLAIN_SIZE - 1] = 1;
	c->control[SCRATCH_CONTROL_SIZE - 1] = 1;
	scratch_give_inward(scratch, b);
	scratch_give_inward(scratch, a);
	scratch_give_outward(scratch, c);
	scratch_give_outward(scratch, NULL);
	scratch_give_inward(scratch, NULL);
	assert_ptr_equal(scratch_take_inward(scratch), a);
	assert_ptr_equal(scratch_take_inward(scratch), b);
	assert_ptr_equal(scratch_take_outward(scratch), c);
	scratch_give_inward(scratch, b);
	scratch_give_inward(scratch, a);
	scratch_give_outward(scratch, c);
	scratch_leave(scratch);
}

enum { MANY = 40 };

static void trim__free_all_the_while__is_unmapped_but_for_one(void **state)
{
	struct scratch *scratch = scratch_use(loop);
	struct scratch_outward *blocks[MANY];

	(void)state;
	for (int i = 0; i < MANY; i++)
		blocks[i] = scratch_take_outward(scratch);
	for (int i = 0; i < MANY; i++)
		scratch_give_outward(scratch, blocks[i]);
	assert_int_equal(scratch->outward.n_free, MANY);
	pass(1); /* some of the time since the last look they were in use */
	assert_int_equal(scratch->outward.n_free, MANY);
	/* Ten are in use again and again: those stay. */
	for (int i = 0; i < 10; i++)
		blocks[i] = scratch_take_outward(scratch);
	for (int i = 0; i < 10; i++)
		scratch_give_outward(scratch, blocks[i]);
	pass(1);
	assert_in_range(scratch->outward.n_free, 10, 11);
	pass(1);
	assert_int_equal(scratch->outward.n_free, 1);
	/* And then nobody is woken up for it any more. */
	assert_null(scratch->trim.loop);
	scratch_leave(scratch);
}

static void crowd__beyond_the_bound__is_told(void **state)
{
	static struct scratch_outward *blocks[SCRATCH_CROWD + 1];
	struct scratch *scratch = scratch_use(loop);

	(void)state;
	for (int i = 0; i <= SCRATCH_CROWD; i++) {
		assert_false(scratch_is_crowded(scratch));
		blocks[i] = scratch_take_outward(scratch);
	}
	assert_true(scratch_is_crowded(scratch));
	scratch_give_outward(scratch, blocks[0]);
	assert_false(scratch_is_crowded(scratch));
	for (int i = 1; i <= SCRATCH_CROWD; i++)
		scratch_give_outward(scratch, blocks[i]);
	scratch_leave(scratch);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(use__one_loop__shares_and_the_last_frees, make_loop,
						free_loop),
		cmocka_unit_test_setup_teardown(take__given_back_last__comes_first, make_loop,
						free_loop),
		cmocka_unit_test_setup_teardown(trim__free_all_the_while__is_unmapped_but_for_one,
						make_loop, free_loop),
		cmocka_unit_test_setup_teardown(crowd__beyond_the_bound__is_told, make_loop,
						free_loop),
	};

	return cmocka_run_group_tests_name("tunnel/scratch", tests, NULL, NULL);
}
