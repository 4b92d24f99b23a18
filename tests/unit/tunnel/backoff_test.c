/* SPDX-License-Identifier: MIT */
/* Tests of the intervals between attempts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tunnel/backoff.h"

static const uint64_t second = 1000000000;

static void lost__first_attempts__come_soon_and_double(void **state)
{
	static const uint32_t longest[] = { 200, 400, 800, 1600, 2000, 2000, 2000 };
	struct backoff backoff = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(longest) / sizeof(*longest); i++)
		assert_int_equal(backoff_next_ms(&backoff, BACKOFF_LOST, second, 0), longest[i]);
}

static void lost__any_jitter__stays_between_half_and_whole(void **state)
{
	(void)state;
	for (uint64_t random = 0; random <= UINT32_MAX; random += UINT32_MAX / 97) {
		struct backoff backoff = { .failures = 20, .first_ns = second };
		uint32_t wait = backoff_next_ms(&backoff, BACKOFF_LOST, second, (uint32_t)random);

		assert_in_range(wait, 1000, 2000);
	}
}

static void lost__after_ten_minutes__is_patient(void **state)
{
	struct backoff backoff = { .failures = 20, .first_ns = second };

	(void)state;
	assert_int_equal(backoff_next_ms(&backoff, BACKOFF_LOST, 601 * second, 0), 2000);
	assert_int_equal(backoff_next_ms(&backoff, BACKOFF_LOST, 602 * second, 0), 30000);
}

static void refused__any__waits_thirty_seconds_at_least(void **state)
{
	struct backoff backoff = { 0 };

	(void)state;
	assert_int_equal(backoff_next_ms(&backoff, BACKOFF_REFUSED, second, 0), 30000);
	assert_in_range(backoff_next_ms(&backoff, BACKOFF_REFUSED, second, UINT32_MAX), 44000,
			45000);
	assert_int_equal(backoff_next_ms(&backoff, BACKOFF_REPLACED, second, 0), 30000);
}

static void lasted__ten_seconds_or_less__row_ends_or_goes_on(void **state)
{
	struct backoff backoff = { .failures = 5, .first_ns = second };

	(void)state;
	backoff_lasted(&backoff, 10 * second - 1);
	assert_int_equal(backoff_next_ms(&backoff, BACKOFF_LOST, second, 0), 2000);
	backoff_lasted(&backoff, 10 * second);
	assert_int_equal(backoff_next_ms(&backoff, BACKOFF_LOST, second, 0), 200);
}

static void class__changes__begins_a_new_row(void **state)
{
	struct backoff backoff = { .failures = 9, .first_ns = second, .class = BACKOFF_LOST };

	(void)state;
	(void)backoff_next_ms(&backoff, BACKOFF_REFUSED, second, 0);
	assert_int_equal(backoff_next_ms(&backoff, BACKOFF_LOST, 2 * second, 0), 200);
	backoff_reset(&backoff);
	assert_int_equal(backoff_next_ms(&backoff, BACKOFF_LOST, 3 * second, 0), 200);
}

static void lost__very_many__does_not_overflow(void **state)
{
	struct backoff backoff = { .failures = UINT32_MAX - 1, .first_ns = second };

	(void)state;
	assert_int_equal(backoff_next_ms(&backoff, BACKOFF_LOST, second, 0), 2000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost__first_attempts__come_soon_and_double),
		cmocka_unit_test(lost__any_jitter__stays_between_half_and_whole),
		cmocka_unit_test(lost__after_ten_minutes__is_patient),
		cmocka_unit_test(refused__any__waits_thirty_seconds_at_least),
		cmocka_unit_test(lasted__ten_seconds_or_less__row_ends_or_goes_on),
		cmocka_unit_test(class__changes__begins_a_new_row),
		cmocka_unit_test(lost__very_many__does_not_overflow),
	};

	return cmocka_run_group_tests_name("tunnel/backoff", tests, NULL, NULL);
}
