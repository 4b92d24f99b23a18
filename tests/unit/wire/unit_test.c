/* SPDX-License-Identifier: MIT */
/* Units: every limit from both sides, every split, and no body waited for that is not allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "wire/message.h"
#include "wire/unit.h"

enum { FRAME_MAX = 1522 };

static enum unit_result decode_header(uint8_t type, uint32_t length, size_t *ret_needed)
{
	uint8_t header[UNIT_HEADER_SIZE];
	struct unit unit;

	unit_encode_header(header, type, length);
	return unit_decode(header, sizeof(header), FRAME_MAX, &unit, ret_needed);
}

static void decode__lengths_of_each_type__are_limited(void **state)
{
	static const struct {
		uint8_t type;
		uint32_t min, max;
		enum unit_result above;
	} rows[] = {
		{ UNIT_FRAME, 0, FRAME_MAX, UNIT_TOO_LONG },
		{ UNIT_OFFLOAD_FRAME, UNIT_OFFLOAD_SIZE, FRAME_MAX + UNIT_OFFLOAD_SIZE,
		  UNIT_TOO_LONG },
		{ UNIT_HELLO, 0, UNIT_HELLO_MAX, UNIT_TOO_LONG },
		{ UNIT_SETTINGS, 0, UNIT_SETTINGS_MAX, UNIT_TOO_LONG },
		{ UNIT_MESSAGE, 0, UNIT_MESSAGE_MAX, UNIT_TOO_LONG },
		{ UNIT_JOIN, 0, UNIT_JOIN_MAX, UNIT_TOO_LONG },
		{ UNIT_GOODBYE, 0, UNIT_GOODBYE_MAX, UNIT_TOO_LONG },
		{ UNIT_PROBE, PROBE_SIZE, PROBE_SIZE, UNIT_TOO_SHORT },
		{ UNIT_LAST, 0, 0, UNIT_TOO_SHORT },
		{ UNIT_OPTIONAL, 0, UNIT_OPTIONAL_MAX, UNIT_TOO_LONG },
		{ 0xff, 0, UNIT_OPTIONAL_MAX, UNIT_TOO_LONG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		size_t needed = 0;

		assert_int_equal(decode_header(rows[i].type, rows[i].max + 1, &needed),
				 rows[i].above);
		assert_int_equal(decode_header(rows[i].type, 0xffffff, &needed), rows[i].above);
		if (rows[i].min > 0)
			assert_int_equal(decode_header(rows[i].type, rows[i].min - 1, &needed),
					 UNIT_TOO_SHORT);
		assert_int_equal(needed, 0);
		if (rows[i].max == 0) {
			assert_int_equal(decode_header(rows[i].type, 0, &needed), UNIT_OK);
			continue;
		}
		assert_int_equal(decode_header(rows[i].type, rows[i].max, &needed), UNIT_NEED_MORE);
		assert_int_equal(needed, UNIT_HEADER_SIZE + rows[i].max);
	}
}

static void decode__unknown_types__are_refused_below_0x80(void **state)
{
	size_t needed = 0;

	(void)state;
	assert_int_equal(decode_header(0, 0, &needed), UNIT_UNKNOWN_TYPE);
	for (unsigned type = UNIT_LAST + 1; type < UNIT_OPTIONAL; type++)
		assert_int_equal(decode_header((uint8_t)type, 0, &needed), UNIT_UNKNOWN_TYPE);
	for (unsigned type = UNIT_OPTIONAL; type < 256; type++)
		assert_int_equal(decode_header((uint8_t)type, 0, &needed), UNIT_OK);
}

static void decode__every_cut__needs_exactly_what_is_missing(void **state)
{
	uint8_t data[UNIT_HEADER_SIZE + 60] = { 0 };
	struct unit unit = { .type = 99 };
	size_t needed;

	(void)state;
	unit_encode_header(data, UNIT_FRAME, 60);
	for (size_t n = 0; n < sizeof(data); n++) {
		needed = 0;
		assert_int_equal(unit_decode(data, n, FRAME_MAX, &unit, &needed), UNIT_NEED_MORE);
		assert_int_equal(needed, n < UNIT_HEADER_SIZE ? UNIT_HEADER_SIZE : sizeof(data));
		assert_int_equal(unit.type, 99);
	}
	needed = 7;
	assert_int_equal(unit_decode(data, sizeof(data), FRAME_MAX, &unit, &needed), UNIT_OK);
	assert_int_equal(needed, 7);
	assert_int_equal(unit.type, UNIT_FRAME);
	assert_int_equal(unit.length, 60);
	assert_ptr_equal(unit.body, data + UNIT_HEADER_SIZE);
}

static void decode__more_than_one_unit__is_the_first(void **state)
{
	uint8_t data[UNIT_HEADER_SIZE * 2 + 1] = { 0 };
	struct unit unit;
	size_t needed;

	(void)state;
	unit_encode_header(data, UNIT_FRAME, 1);
	unit_encode_header(data + 5, UNIT_LAST, 0);
	assert_int_equal(unit_decode(data, sizeof(data), FRAME_MAX, &unit, &needed), UNIT_OK);
	assert_int_equal(unit.length, 1);
	assert_int_equal(unit_decode(data + 5, 4, FRAME_MAX, &unit, &needed), UNIT_OK);
	assert_int_equal(unit.type, UNIT_LAST);
	assert_int_equal(unit.length, 0);
}

static void decode__largest_frame__is_the_largest_unit(void **state)
{
	size_t needed = 0;
	uint8_t header[UNIT_HEADER_SIZE];
	struct unit unit;

	(void)state;
	unit_encode_header(header, UNIT_OFFLOAD_FRAME, UNIT_SIZE_MAX - UNIT_HEADER_SIZE);
	assert_int_equal(unit_decode(header, sizeof(header), 65535 + 22, &unit, &needed),
			 UNIT_NEED_MORE);
	assert_int_equal(needed, UNIT_SIZE_MAX);
}

static void result_text__each_result__has_its_own(void **state)
{
	(void)state;
	for (int i = UNIT_TOO_SHORT; i <= UNIT_NEED_MORE; i++)
		for (int j = UNIT_TOO_SHORT; j < i; j++)
			assert_string_not_equal(unit_result_text((enum unit_result)i),
						unit_result_text((enum unit_result)j));
	assert_string_equal(unit_result_text(UNIT_UNKNOWN_TYPE), "unknown unit type");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decode__lengths_of_each_type__are_limited),
		cmocka_unit_test(decode__unknown_types__are_refused_below_0x80),
		cmocka_unit_test(decode__every_cut__needs_exactly_what_is_missing),
		cmocka_unit_test(decode__more_than_one_unit__is_the_first),
		cmocka_unit_test(decode__largest_frame__is_the_largest_unit),
		cmocka_unit_test(result_text__each_result__has_its_own),
	};

	return cmocka_run_group_tests_name("wire/unit", tests, NULL, NULL);
}
