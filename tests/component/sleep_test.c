/* SPDX-License-Identifier: MIT */
/* The machine of a client sleeps and wakes. The rig's clock is one that counts meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rig.h"

static void on_asleep(void *user)
{
	(*(unsigned *)user)++;
}

static unsigned put_to_sleep(struct rig_client *client, bool disconnect)
{
	static unsigned calls;

	calls = 0;
	assert_int_equal(lw_connection_sleep(client->connection, disconnect, on_asleep, &calls), 0);
	rig_settle(client->rig);
	return calls;
}

static bool is_reasserting(void *user)
{
	const struct rig_client *client = user;

	return lw_connection_status(client->connection) == LW_STATUS_REASSERTING;
}

/* The clock jumps, and nothing runs meanwhile. */
static void sleep_ms(struct rig *rig, uint64_t ms)
{
	rig->now_ns += ms * 1000000;
}

static uint64_t connects(const struct rig_client *client)
{
	struct lw_tunnel_status status = { .size = sizeof(status) };

	lw_tunnel_status(client->tunnel, &status);
	return status.connects;
}

static void sleep__short__same_session(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);

	(void)state;
	rig_connect(a);
	rig_pass(rig, 1000);
	assert_int_equal(put_to_sleep(a, false), 1);
	sleep_ms(rig, 3000);
	lw_connection_wake(a->connection);
	rig_pass(rig, 20000);
	assert_true(rig_is_up(a));
	assert_int_equal(connects(a), 1);
	rig_free(rig);
}

static void wake__hub_is_gone__noticed_without_ten_seconds_of_silence(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	uint64_t begin;

	(void)state;
	rig_connect(a);
	rig_pass(rig, 1000);
	put_to_sleep(a, false);
	a->is_black_hole_up = a->is_black_hole_down = true;
	sleep_ms(rig, 1000);
	begin = rig->now_ns;
	lw_connection_wake(a->connection);
	assert_true(rig_until(rig, is_reasserting, a, 5000));
	assert_in_range((rig->now_ns - begin) / 1000000, 3900, 4600);
	a->is_black_hole_up = a->is_black_hole_down = false;
	assert_true(rig_until(rig, rig_is_up, a, 5000));
	rig_free(rig);
}

static void wake__after_an_hour__reconnects_at_once(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);

	(void)state;
	rig_connect(a);
	rig_pass(rig, 1000);
	put_to_sleep(a, false);
	sleep_ms(rig, 3600 * 1000);
	lw_connection_wake(a->connection);
	assert_true(rig_until(rig, is_reasserting, a, 500));
	assert_true(rig_until(rig, rig_is_up, a, 3000));
	assert_int_equal(connects(a), 2);
	rig_free(rig);
}

static void wake__while_waiting_for_the_next_attempt__tries_now(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	unsigned dials;

	(void)state;
	rig_connect(a);
	a->is_unreachable = true;
	rig_cut(a);
	rig_pass(rig, 3600 * 1000); /* half a minute apart by now */
	put_to_sleep(a, false);
	a->is_unreachable = false;
	dials = a->dials;
	lw_connection_wake(a->connection);
	rig_settle(rig);
	assert_int_equal(a->dials, dials + 1);
	assert_true(rig_until(rig, rig_is_up, a, 1000));
	rig_free(rig);
}

static void sleep__disconnects__ended_and_stays_so(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	static unsigned calls;

	(void)state;
	rig_connect(a);
	rig_pass(rig, 1000);
	calls = 0;
	assert_int_equal(lw_connection_sleep(a->connection, true, on_asleep, &calls), 0);
	assert_true(rig_until(rig, rig_is_down, a, 1000));
	rig_settle(rig);
	assert_int_equal(calls, 1);
	lw_connection_wake(a->connection);
	rig_pass(rig, 60000);
	assert_true(rig_is_down(a));
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sleep__short__same_session),
		cmocka_unit_test(wake__hub_is_gone__noticed_without_ten_seconds_of_silence),
		cmocka_unit_test(wake__after_an_hour__reconnects_at_once),
		cmocka_unit_test(wake__while_waiting_for_the_next_attempt__tries_now),
		cmocka_unit_test(sleep__disconnects__ended_and_stays_so),
	};

	return cmocka_run_group_tests_name("component/sleep", tests, NULL, NULL);
}
