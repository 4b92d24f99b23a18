/* SPDX-License-Identifier: MIT */
/* The scheduler: order within flows, fair turns, bounds in bytes and time, and the ring beneath. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "flow/scheduler.h"

enum { SIZE = 256 * 1024, UNIT_MAX = LW_PACKET_MAX + 32, FLOWS = 8 };

static const uint64_t ms = 1000000;

/* What a unit says of itself: its flow, its number in it, its length; then a pattern. */
struct label {
	uint32_t flow, number, length;
};

struct desk {
	struct scheduler *scheduler;
	uint32_t put[FLOWS], got[FLOWS]; /* numbers of each flow */
	uint32_t dropped_full, dropped_late;
	uint64_t dropped_bytes;
};

static void check_unit(const uint8_t *unit, size_t length, struct label *ret_label)
{
	memcpy(ret_label, unit, sizeof(*ret_label));
	assert_int_equal(ret_label->length, length);
	for (size_t i = sizeof(*ret_label); i < length; i += 97)
		assert_int_equal(unit[i], (uint8_t)(i + ret_label->number));
}

/* Numbers of a flow only rise; those that are missing were dropped, and told. */
static void count_unit(struct desk *desk, const uint8_t *unit, size_t length)
{
	struct label label;

	check_unit(unit, length, &label);
	assert_int_equal(label.number, desk->got[label.flow]);
	desk->got[label.flow]++;
}

static void dropped(const uint8_t *unit, size_t length, enum lw_drop reason, void *user)
{
	struct desk *desk = user;

	count_unit(desk, unit, length);
	desk->dropped_bytes += length;
	if (reason == LW_DROP_QUEUE_LATE)
		desk->dropped_late++;
	else
		desk->dropped_full++;
}

static int make(void **state)
{
	struct desk *desk = calloc(1, sizeof(*desk));

	assert_non_null(desk);
	*state = desk;
	return scheduler_new(SIZE, dropped, desk, &desk->scheduler);
}

static int drop(void **state)
{
	struct desk *desk = *state;

	scheduler_free(desk->scheduler);
	free(desk);
	return 0;
}

static bool put(struct desk *desk, uint32_t flow, size_t length, uint64_t now_ns)
{
	const struct label label = { flow, desk->put[flow], (uint32_t)length };
	uint8_t *room = scheduler_reserve(desk->scheduler, flow, length);

	if (!room)
		return false;
	memcpy(room, &label, sizeof(label));
	for (size_t i = sizeof(label); i < length; i++)
		room[i] = (uint8_t)(i + label.number);
	scheduler_commit(desk->scheduler, now_ns);
	desk->put[flow]++;
	return true;
}

/* Return: the flow of the unit whose turn it was, or -1. */
static int take(struct desk *desk, uint64_t now_ns, size_t *ret_length)
{
	size_t length;
	const uint8_t *unit = scheduler_next(desk->scheduler, now_ns, &length);
	struct label label;

	if (!unit)
		return -1;
	count_unit(desk, unit, length);
	memcpy(&label, unit, sizeof(label));
	scheduler_pop(desk->scheduler);
	if (ret_length)
		*ret_length = length;
	return (int)label.flow;
}

static void new__size__is_bounded_on_both_sides(void **state)
{
	const size_t min = 64 * 1024 + UNIT_MAX, max = 64 * 1024 * 1024;
	struct scheduler *scheduler = NULL;

	(void)state;
	assert_int_equal(scheduler_new(min - 1, NULL, NULL, &scheduler), -EINVAL);
	assert_int_equal(scheduler_new(max + 1, NULL, NULL, &scheduler), -EINVAL);
	assert_null(scheduler);
	assert_int_equal(scheduler_new(min, NULL, NULL, &scheduler), 0);
	scheduler_free(scheduler);
	scheduler_free(NULL);
}

static void unit__no_bytes_or_too_many__is_refused(void **state)
{
	struct desk *desk = *state;

	assert_null(scheduler_reserve(desk->scheduler, 0, 0));
	assert_null(scheduler_reserve(desk->scheduler, 0, UNIT_MAX + 1));
	assert_true(put(desk, 0, UNIT_MAX, 0));
	assert_int_equal(scheduler_bytes(desk->scheduler), UNIT_MAX);
	assert_int_equal(take(desk, 0, NULL), 0);
	assert_true(scheduler_is_empty(desk->scheduler));
	assert_int_equal(take(desk, 0, NULL), -1);
}

static void next__until_popped__is_the_same(void **state)
{
	struct desk *desk = *state;
	size_t length;
	const uint8_t *unit;

	assert_true(put(desk, 1, 100, 0));
	unit = scheduler_next(desk->scheduler, 0, &length);
	assert_true(put(desk, 2, 100, 0));
	assert_ptr_equal(scheduler_next(desk->scheduler, 0, &length), unit);
	assert_int_equal(take(desk, 0, NULL), 1);
	assert_int_equal(take(desk, 0, NULL), 2);
}

static void sparse__behind_a_transfer__goes_first(void **state)
{
	struct desk *desk = *state;

	for (int i = 0; i < 100; i++)
		assert_true(put(desk, 1, 1500, 0));
	for (int i = 0; i < 10; i++)
		assert_int_equal(take(desk, 0, NULL), 1);
	assert_true(put(desk, 2, 100, 0));
	assert_int_equal(take(desk, 0, NULL), 2);
	assert_int_equal(take(desk, 0, NULL), 1);
}

static void sparse__again_and_again__does_not_starve_the_transfer(void **state)
{
	struct desk *desk = *state;
	int bulk = 0;

	for (int i = 0; i < 100; i++)
		assert_true(put(desk, 1, 1500, 0));
	for (int i = 0; i < 200; i++) {
		assert_true(put(desk, 2, 1500, 0));
		bulk += take(desk, 0, NULL) == 1;
	}
	assert_in_range(bulk, 80, 120); /* half of the turns */
}

static void flows__of_other_packet_sizes__share_bytes_evenly(void **state)
{
	static const size_t sizes[] = { 64, 1500, 30000 };
	struct desk *desk = *state;
	uint64_t bytes[3] = { 0 };
	size_t length;

	for (int round = 0; round < 20000; round++) {
		int flow;

		for (uint32_t i = 0; i < 3; i++)
			while (desk->put[i] - desk->got[i] < (i == 0 ? 200 : i == 1 ? 20 : 3))
				assert_true(put(desk, i, sizes[i], 0));
		flow = take(desk, 0, &length);
		assert_in_range(flow, 0, 2);
		bytes[flow] += length;
	}
	for (int i = 1; i < 3; i++)
		assert_in_range(bytes[i] * 100 / bytes[0], 85, 115);
	assert_int_equal(desk->dropped_full + desk->dropped_late, 0);
}

static void bound__reached__the_fattest_flow_pays(void **state)
{
	struct desk *desk = *state;
	uint32_t before;

	while (put(desk, 1, 1500, 0))
		;
	assert_in_range(scheduler_bytes(desk->scheduler), SIZE - 1500, SIZE);
	assert_int_equal(desk->dropped_full, 0); /* its own newcomer was refused */
	before = desk->put[1] - desk->got[1];
	assert_true(put(desk, 2, 1400, 0));
	assert_int_equal(desk->dropped_full, 1);
	assert_int_equal(desk->put[1] - desk->got[1], before - 1);
	assert_true(scheduler_bytes(desk->scheduler) <= SIZE);
	assert_int_equal(take(desk, 0, NULL), 1); /* it was there first */
}

static void unit_whose_turn_it_is__never_pays(void **state)
{
	struct desk *desk = *state;
	size_t length;
	const uint8_t *unit;

	while (put(desk, 1, 1500, 0))
		;
	unit = scheduler_next(desk->scheduler, 0, &length);
	assert_non_null(unit);
	assert_false(put(desk, 2, 1500, 0));
	assert_ptr_equal(scheduler_next(desk->scheduler, 0, &length), unit);
	scheduler_pop(desk->scheduler);
	desk->got[1]++;
	assert_true(put(desk, 2, 1500, 0));
}

static void wait__below_target__loses_nothing(void **state)
{
	struct desk *desk = *state;

	for (uint64_t now = 0; now < 5000 * ms; now += ms) {
		assert_true(put(desk, 1, 1500, now));
		if (now >= 4 * ms)
			assert_int_equal(take(desk, now, NULL), 1);
	}
	assert_int_equal(desk->dropped_late, 0);
}

static void wait__above_target_for_long__loses_more_and_more(void **state)
{
	struct desk *desk = *state;
	uint32_t after_second = 0;

	for (uint64_t now = 0; now < 5000 * ms; now += ms) {
		if (desk->put[1] - desk->got[1] < 100)
			assert_true(put(desk, 1, 1500, now));
		if (now % (2 * ms) == 0 && now >= 50 * ms)
			(void)take(desk, now, NULL);
		if (now == 100 * ms)
			assert_int_equal(desk->dropped_late, 0);
		if (now == 1000 * ms)
			after_second = desk->dropped_late;
	}
	assert_true(after_second > 0);
	assert_true(desk->dropped_late > 8 * after_second);
	assert_true(desk->put[1] - desk->got[1] < 100); /* and the queue is short in the end */
}

static void wait__that_ended_with_an_empty_queue__begins_anew(void **state)
{
	struct desk *desk = *state;

	for (int i = 0; i < 3; i++)
		assert_true(put(desk, 1, 1500, 0));
	assert_int_equal(take(desk, 10 * ms, NULL), 1);
	assert_int_equal(take(desk, 120 * ms, NULL), 1);
	assert_int_equal(desk->dropped_late, 1);
	assert_true(scheduler_is_empty(desk->scheduler));
	for (int i = 0; i < 3; i++)
		assert_true(put(desk, 1, 1500, 1000 * ms));
	for (int i = 0; i < 3; i++)
		assert_int_equal(take(desk, 1010 * ms, NULL), 1);
	assert_int_equal(desk->dropped_late, 1);
}

static void wait__of_a_single_unit__is_not_late(void **state)
{
	struct desk *desk = *state;

	for (uint64_t now = 0; now < 20000 * ms; now += 500 * ms) {
		assert_true(put(desk, 1, 60000, now));
		assert_int_equal(take(desk, now + 400 * ms, NULL), 1);
	}
	assert_int_equal(desk->dropped_late, 0);
}

static void clear__anything__is_empty_and_counts(void **state)
{
	struct desk *desk = *state;

	for (uint32_t i = 0; i < FLOWS; i++)
		assert_true(put(desk, i, 1000, 0));
	assert_int_equal(scheduler_clear(desk->scheduler), FLOWS);
	assert_int_equal(scheduler_clear(desk->scheduler), 0);
	assert_true(scheduler_is_empty(desk->scheduler));
	assert_int_equal(desk->dropped_full + desk->dropped_late, 0);
	memcpy(desk->got, desk->put, sizeof(desk->got));
	assert_true(put(desk, 3, 1000, 0));
	assert_int_equal(take(desk, 0, NULL), 3);
}

static void trim__in_use__keeps_what_waits(void **state)
{
	struct desk *desk = *state;

	assert_true(put(desk, 1, 1000, 0));
	scheduler_trim(desk->scheduler);
	scheduler_trim(desk->scheduler);
	assert_int_equal(take(desk, 0, NULL), 1);
	scheduler_trim(desk->scheduler);
	scheduler_trim(desk->scheduler);
	assert_true(put(desk, 1, 1000, 0));
	assert_int_equal(take(desk, 0, NULL), 1);
}

/* Any sequence: order and content hold, every unit is taken, dropped or refused, the bound holds. */
static void random__long__keeps_every_promise(void **state)
{
	struct desk *desk = *state;
	unsigned seed = (unsigned)time(NULL);
	uint64_t now = 0;

	print_message("seed %u\n", seed);
	srandom(seed);
	for (int i = 0; i < 200000; i++) {
		long choice = random() % 100;
		size_t length =
			sizeof(struct label) + (size_t)(random() % (random() % 10 ? 1500 : 65000));

		now += (uint64_t)(random() % 2000000);
		if (choice < 52)
			(void)put(desk, (uint32_t)(random() % FLOWS), length, now);
		else
			(void)take(desk, now, NULL);
		assert_true(scheduler_bytes(desk->scheduler) <= SIZE);
	}
	while (take(desk, now, NULL) >= 0)
		;
	assert_memory_equal(desk->put, desk->got, sizeof(desk->put));
	assert_int_equal(scheduler_bytes(desk->scheduler), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(new__size__is_bounded_on_both_sides),
		TEST(unit__no_bytes_or_too_many__is_refused),
		TEST(next__until_popped__is_the_same),
		TEST(sparse__behind_a_transfer__goes_first),
		TEST(sparse__again_and_again__does_not_starve_the_transfer),
		TEST(flows__of_other_packet_sizes__share_bytes_evenly),
		TEST(bound__reached__the_fattest_flow_pays),
		TEST(unit_whose_turn_it_is__never_pays),
		TEST(wait__below_target__loses_nothing),
		TEST(wait__above_target_for_long__loses_more_and_more),
		TEST(wait__that_ended_with_an_empty_queue__begins_anew),
		TEST(wait__of_a_single_unit__is_not_late),
		TEST(clear__anything__is_empty_and_counts),
		TEST(trim__in_use__keeps_what_waits),
		TEST(random__long__keeps_every_promise),
	};

	return cmocka_run_group_tests_name("flow/scheduler", tests, NULL, NULL);
}
