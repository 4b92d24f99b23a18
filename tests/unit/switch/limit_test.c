/* SPDX-License-Identifier: MIT */
/* Token buckets, exact to the nanosecond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "switch/limit.h"
#include "switch/vswitch.h"

static const uint64_t second = 1000000000;

static uint32_t drain(struct token_bucket *bucket, uint32_t rate, uint32_t burst, uint64_t now)
{
	uint32_t n = 0;

	while (n < 1000000 && limit_take(bucket, rate, burst, now))
		n++;
	return n;
}

static void take__full_bucket__gives_exactly_the_burst(void **state)
{
	static const uint32_t rates[] = { 1, 3, 100, 5000, 99999 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rates); i++) {
		for (uint32_t burst = 1; burst <= 2; burst++) {
			struct token_bucket bucket;

			limit_fill(&bucket, rates[i], burst);
			assert_int_equal(drain(&bucket, rates[i], burst, 0), burst * rates[i]);
		}
	}
}

static void take__rate_of_three__comes_back_to_the_nanosecond(void **state)
{
	struct token_bucket bucket;
	uint64_t now = 77 * second;

	(void)state;
	limit_fill(&bucket, 3, 2);
	assert_int_equal(drain(&bucket, 3, 2, now), 6);
	assert_false(limit_take(&bucket, 3, 2, now + 333333333));
	assert_true(limit_take(&bucket, 3, 2, now + 333333334));
	assert_false(limit_take(&bucket, 3, 2, now + 666666666));
	assert_true(limit_take(&bucket, 3, 2, now + 666666667));
	/* Nothing was rounded away: three tokens in a second, not 2.999. */
	assert_false(limit_take(&bucket, 3, 2, now + second - 1));
	assert_true(limit_take(&bucket, 3, 2, now + second));
}

static void take__long_silence__gives_no_more_than_the_burst(void **state)
{
	struct token_bucket bucket;

	(void)state;
	limit_fill(&bucket, 100, 2);
	drain(&bucket, 100, 2, second);
	assert_int_equal(drain(&bucket, 100, 2, UINT64_MAX), 200);
}

static void take__clock_backwards__adds_nothing(void **state)
{
	struct token_bucket bucket;

	(void)state;
	limit_fill(&bucket, 10, 1);
	assert_int_equal(drain(&bucket, 10, 1, 5 * second), 10);
	assert_false(limit_take(&bucket, 10, 1, 0));
	assert_false(limit_take(&bucket, 10, 1, 5 * second));
	assert_int_equal(drain(&bucket, 10, 1, 6 * second), 10);
}

static void take__largest_rate__does_not_overflow(void **state)
{
	struct token_bucket bucket;

	(void)state;
	limit_fill(&bucket, UINT32_MAX, 2);
	assert_true(limit_take(&bucket, UINT32_MAX, 2, 0));
	assert_true(limit_take(&bucket, UINT32_MAX, 2, UINT64_MAX));
	assert_int_equal(drain(&bucket, UINT32_MAX, 2, UINT64_MAX), 1000000);
	assert_true(bucket.tokens_ns <= 2 * second * UINT32_MAX);
}

static void take__rate_of_zero__never_gives(void **state)
{
	struct token_bucket bucket;

	(void)state;
	limit_fill(&bucket, 0, 2);
	assert_false(limit_take(&bucket, 0, 2, UINT64_MAX));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(take__full_bucket__gives_exactly_the_burst),
		cmocka_unit_test(take__rate_of_three__comes_back_to_the_nanosecond),
		cmocka_unit_test(take__long_silence__gives_no_more_than_the_burst),
		cmocka_unit_test(take__clock_backwards__adds_nothing),
		cmocka_unit_test(take__largest_rate__does_not_overflow),
		cmocka_unit_test(take__rate_of_zero__never_gives),
	};

	return cmocka_run_group_tests_name("switch/limit", tests, NULL, NULL);
}
