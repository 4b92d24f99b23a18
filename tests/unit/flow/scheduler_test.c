/* SPDX-License-Identifier: MIT */
/* The scheduler: order, contiguity, bounds, against a model that is a plain list of bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/packet.h>

#include "flow/scheduler.h"

enum { SIZE = 256 * 1024, UNIT_MAX = LW_PACKET_MAX + 32 };

static int make(void **state)
{
	return scheduler_new(SIZE, (struct scheduler **)state);
}

static int drop(void **state)
{
	scheduler_free(*state);
	return 0;
}

static bool add(struct scheduler *scheduler, uint8_t value, size_t length)
{
	uint8_t *room = scheduler_reserve(scheduler, 0, length);

	if (!room)
		return false;
	memset(room, value, length);
	scheduler_commit(scheduler, length, 0);
	return true;
}

static void scheduler_new__size__bounded_on_both_sides(void **state)
{
	const size_t min = 64 * 1024 + UNIT_MAX, max = 64 * 1024 * 1024;
	struct scheduler *scheduler = NULL;

	(void)state;
	assert_int_equal(scheduler_new(min - 1, &scheduler), -EINVAL);
	assert_int_equal(scheduler_new(max + 1, &scheduler), -EINVAL);
	assert_null(scheduler);
	assert_int_equal(scheduler_new(min, &scheduler), 0);
	scheduler_free(scheduler);
	assert_int_equal(scheduler_new(max, &scheduler), 0);
	scheduler_free(scheduler);
	scheduler_free(NULL);
}

static void scheduler_peek__empty__nothing(void **state)
{
	size_t length = 7;

	assert_true(scheduler_is_empty(*state));
	assert_null(scheduler_peek(*state, 1000, &length));
	assert_int_equal(length, 0);
	scheduler_consume(*state, 5);
	assert_int_equal(scheduler_bytes(*state), 0);
}

static void scheduler_peek__whole_units_up_to_max_and_at_least_one(void **state)
{
	static const struct {
		size_t max, expected;
	} rows[] = { { 0, 100 },   { 99, 100 },  { 100, 100 }, { 299, 100 }, { 300, 300 },
		     { 599, 300 }, { 600, 600 }, { 601, 600 }, { 9999, 600 } };
	size_t length;

	assert_true(add(*state, 1, 100) && add(*state, 2, 200) && add(*state, 3, 300));
	assert_int_equal(scheduler_bytes(*state), 600);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint8_t *data = scheduler_peek(*state, rows[i].max, &length);

		assert_non_null(data);
		assert_int_equal(data[0], 1);
		assert_int_equal(length, rows[i].expected);
	}
}

static void scheduler_consume__inside_a_unit__rest_comes_first(void **state)
{
	const uint8_t *data;
	size_t length;

	assert_true(add(*state, 1, 100) && add(*state, 2, 200));
	scheduler_consume(*state, 150);
	data = scheduler_peek(*state, 10, &length);
	assert_int_equal(length, 150);
	assert_int_equal(data[0], 2);
	scheduler_consume(*state, 150);
	assert_true(scheduler_is_empty(*state));
	assert_int_equal(scheduler_clear(*state), 0);
}

static void scheduler_commit__less_than_reserved__only_that_much(void **state)
{
	size_t length;

	assert_non_null(scheduler_reserve(*state, 0, 500));
	scheduler_commit(*state, 20, 0);
	assert_non_null(scheduler_peek(*state, 1000, &length));
	assert_int_equal(length, 20);
}

static void scheduler_reserve__unit_length__bounded_on_both_sides(void **state)
{
	assert_null(scheduler_reserve(*state, 0, 0));
	assert_null(scheduler_reserve(*state, 0, UNIT_MAX + 1));
	assert_non_null(scheduler_reserve(*state, 0, UNIT_MAX));
}

static void scheduler_reserve__full__refused_and_order_kept(void **state)
{
	size_t length;

	for (unsigned i = 0; i < 4; i++)
		assert_true(add(*state, (uint8_t)i, SIZE / 4));
	assert_false(add(*state, 9, 1));
	assert_int_equal(scheduler_bytes(*state), SIZE);
	scheduler_consume(*state, SIZE / 4);
	assert_true(add(*state, 4, SIZE / 4));
	assert_false(add(*state, 9, 1));
	for (unsigned i = 1; i < 5; i++) {
		const uint8_t *data = scheduler_peek(*state, 1, &length);

		assert_int_equal(length, SIZE / 4);
		assert_int_equal(data[0], i);
		assert_int_equal(data[SIZE / 4 - 1], i);
		scheduler_consume(*state, length);
	}
	assert_true(scheduler_is_empty(*state));
}

static void scheduler_reserve__tiny_units__bounded_in_number(void **state)
{
	uint32_t n = 0;

	while (add(*state, 1, 1))
		n++;
	assert_int_equal(n, SIZE / 64);
	assert_int_equal(scheduler_clear(*state), n);
	assert_true(scheduler_is_empty(*state));
}

static void scheduler_clear__units__counted_and_gone(void **state)
{
	assert_true(add(*state, 1, 100) && add(*state, 2, 200) && add(*state, 3, 300));
	scheduler_consume(*state, 150);
	assert_int_equal(scheduler_clear(*state), 2);
	assert_int_equal(scheduler_bytes(*state), 0);
	assert_true(add(*state, 1, UNIT_MAX));
}

static void scheduler_consume__between_reserve_and_commit__unit_kept(void **state)
{
	const uint8_t *data;
	uint8_t *room;
	size_t length;

	for (unsigned i = 0; i < 5; i++)
		assert_true(add(*state, 1, 50000));
	scheduler_consume(*state, 100000);
	room = scheduler_reserve(*state, 0, 50000);
	assert_non_null(room);
	memset(room, 7, 50000);
	scheduler_consume(*state, 150000);
	scheduler_commit(*state, 50000, 0);
	data = scheduler_peek(*state, 1, &length);
	assert_int_equal(length, 50000);
	assert_int_equal(data[0], 7);
	scheduler_consume(*state, length);
	assert_true(scheduler_is_empty(*state));
	assert_true(add(*state, 1, UNIT_MAX));
}

static void scheduler_trim__unused_for_an_interval__memory_given_back_and_usable(void **state)
{
	size_t length;

	scheduler_trim(*state);
	assert_true(add(*state, 1, 1000));
	scheduler_trim(*state);
	scheduler_trim(*state);
	assert_non_null(scheduler_peek(*state, 1, &length));
	assert_int_equal(length, 1000);
	scheduler_consume(*state, 1000);
	scheduler_trim(*state);
	scheduler_trim(*state);
	assert_true(add(*state, 2, 1000));
	assert_int_equal(scheduler_peek(*state, 1, &length)[999], 2);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* Bytes are numbered through: what comes out is what went in, in order, and never more than what is
 * there. */
static void scheduler__random_units_and_records__as_a_plain_queue(void **state)
{
	struct scheduler *scheduler = *state;
	uint64_t in = 0, out = 0;
	uint32_t seed = 1;

	for (unsigned step = 0; step < 20000; step++) {
		size_t length = next_random(&seed) % 100 == 0 ? next_random(&seed) % 70000
							      : next_random(&seed) % 1600;
		uint8_t *room = length ? scheduler_reserve(scheduler, step, length) : NULL;
		size_t max = next_random(&seed) % 20000, got;
		const uint8_t *data;

		for (size_t i = 0; room && i < length; i++)
			room[i] = (uint8_t)((in + i) * 31 >> 3);
		if (room) {
			scheduler_commit(scheduler, length, step);
			in += length;
		}
		assert_int_equal(scheduler_bytes(scheduler), in - out);
		if (next_random(&seed) % 3)
			continue;
		data = scheduler_peek(scheduler, max, &got);
		assert_int_equal(!data, in == out);
		got = max % 7 ? got : got / 2;
		for (size_t i = 0; i < got; i++) {
			if (data[i] != (uint8_t)((out + i) * 31 >> 3))
				fail_msg("byte %zu of step %u", i, step);
		}
		scheduler_consume(scheduler, got);
		out += got;
	}
	assert_true(out > SIZE * 10);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(scheduler_new__size__bounded_on_both_sides),
		TEST(scheduler_peek__empty__nothing),
		TEST(scheduler_peek__whole_units_up_to_max_and_at_least_one),
		TEST(scheduler_consume__inside_a_unit__rest_comes_first),
		TEST(scheduler_commit__less_than_reserved__only_that_much),
		TEST(scheduler_reserve__unit_length__bounded_on_both_sides),
		TEST(scheduler_reserve__full__refused_and_order_kept),
		TEST(scheduler_reserve__tiny_units__bounded_in_number),
		TEST(scheduler_clear__units__counted_and_gone),
		TEST(scheduler_consume__between_reserve_and_commit__unit_kept),
		TEST(scheduler_trim__unused_for_an_interval__memory_given_back_and_usable),
		TEST(scheduler__random_units_and_records__as_a_plain_queue),
	};

	return cmocka_run_group_tests_name("flow/scheduler", tests, NULL, NULL);
}
