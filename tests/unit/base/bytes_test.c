/* SPDX-License-Identifier: MIT */
/* Readers and writers: every width, and one byte beyond the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/memory.h"

static const uint8_t sample[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18 };

static void reader__every_width__big_endian_in_order(void **state)
{
	struct reader r = reader_over(sample, sizeof(sample));

	(void)state;
	assert_int_equal(reader_u8(&r), 1);
	assert_int_equal(reader_be16(&r), 0x0203);
	assert_int_equal(reader_be24(&r), 0x040506);
	assert_int_equal(reader_be32(&r), 0x0708090a);
	assert_true(reader_be64(&r) == 0x0b0c0d0e0f101112);
	assert_int_equal(reader_left(&r), 0);
	assert_false(r.failed);
}

static void reader__every_width_one_byte_short__fails_and_stays_failed(void **state)
{
	static const size_t widths[] = { 1, 2, 3, 4, 8 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(widths); i++) {
		struct reader r = reader_over(sample, widths[i] - 1);
		uint64_t value = widths[i] == 1   ? reader_u8(&r)
				 : widths[i] == 2 ? reader_be16(&r)
				 : widths[i] == 3 ? reader_be24(&r)
				 : widths[i] == 4 ? reader_be32(&r)
						  : reader_be64(&r);

		assert_int_equal(value, 0);
		assert_true(r.failed);
		assert_int_equal(reader_left(&r), 0);
		assert_null(reader_take(&r, 0));
		assert_int_equal(reader_u8(&r), 0);
	}
}

static void reader_take__length_that_would_overflow__fails(void **state)
{
	struct reader r = reader_over(sample, sizeof(sample));

	(void)state;
	assert_ptr_equal(reader_take(&r, 4), sample);
	assert_null(reader_take(&r, SIZE_MAX - 2));
	assert_true(r.failed);
}

static void reader_take__nothing_of_nothing__succeeds(void **state)
{
	struct reader r = reader_over(NULL, 0);

	(void)state;
	assert_non_null(reader_take(&r, 0));
	assert_false(r.failed);
}

static void writer__every_width__read_back(void **state)
{
	uint8_t data[sizeof(sample)] = { 0 };
	struct writer w = writer_over(data, sizeof(data));

	(void)state;
	writer_u8(&w, 1);
	writer_be16(&w, 0x0203);
	writer_be24(&w, 0x040506);
	writer_be32(&w, 0x0708090a);
	writer_be64(&w, 0x0b0c0d0e0f101112);
	assert_false(w.failed);
	assert_int_equal(w.length, sizeof(data));
	assert_memory_equal(data, sample, sizeof(data));
	writer_bytes(&w, NULL, 0);
	assert_false(w.failed);
	writer_u8(&w, 1);
	assert_true(w.failed);
}

static void writer__value_that_does_not_fit__nothing_written_then_failed_for_ever(void **state)
{
	uint8_t data[4] = { 0 };
	struct writer w = writer_over(data, 3);

	(void)state;
	writer_be32(&w, 0xffffffff);
	assert_true(w.failed);
	assert_int_equal(w.length, 0);
	writer_u8(&w, 0xff);
	writer_bytes(&w, sample, 1);
	assert_int_equal(load_be32(data), 0);
	assert_null(writer_room(&w, 0));
}

static void load_and_store__every_width__inverse(void **state)
{
	uint8_t data[8];

	(void)state;
	store_be16(data, 0xfedc);
	assert_int_equal(load_be16(data), 0xfedc);
	store_le16(data, 0xfedc);
	assert_int_equal(data[0], 0xdc);
	assert_int_equal(load_le16(data), 0xfedc);
	store_be24(data, 0xfedcba);
	assert_int_equal(load_be24(data), 0xfedcba);
	store_be32(data, 0xfedcba98);
	assert_true(load_be32(data) == 0xfedcba98);
	store_be64(data, 0xfedcba9876543210);
	assert_true(load_be64(data) == 0xfedcba9876543210);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader__every_width__big_endian_in_order),
		cmocka_unit_test(reader__every_width_one_byte_short__fails_and_stays_failed),
		cmocka_unit_test(reader_take__length_that_would_overflow__fails),
		cmocka_unit_test(reader_take__nothing_of_nothing__succeeds),
		cmocka_unit_test(writer__every_width__read_back),
		cmocka_unit_test(
			writer__value_that_does_not_fit__nothing_written_then_failed_for_ever),
		cmocka_unit_test(load_and_store__every_width__inverse),
	};

	return cmocka_run_group_tests_name("base/bytes", tests, NULL, NULL);
}
