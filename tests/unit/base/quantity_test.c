/* SPDX-License-Identifier: MIT */
/* Numbers with units: what is read, what is not, and that what is written is read back. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/quantity.h"

static void parse__good__is_exact(void **state)
{
	static const struct {
		const struct quantity_unit *units;
		const char *text;
		uint64_t value;
	} cases[] = {
		{ quantity_duration, "0us", 0 },        { quantity_duration, "50ms", 50000 },
		{ quantity_duration, "1.5s", 1500000 }, { quantity_duration, "0.001ms", 1 },
		{ quantity_share, "1%", 10000 },        { quantity_share, "0.0001%", 1 },
		{ quantity_share, "100%", 1000000 },    { quantity_share, "33.3300%", 333300 },
		{ quantity_rate, "10mbit", 10000000 },  { quantity_rate, "1.5gbit", 1500000000 },
		{ quantity_rate, "9600bit", 9600 },     { quantity_size, "64k", 65536 },
		{ quantity_size, "1.5k", 1536 },        { quantity_size, "1500", 1500 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t value = 99;

		assert_int_equal(quantity_parse(cases[i].text, cases[i].units, UINT64_MAX, &value),
				 0);
		assert_int_equal(value, cases[i].value);
	}
}

static void parse__bad__is_refused_and_changes_nothing(void **state)
{
	static const struct {
		const struct quantity_unit *units;
		const char *text;
	} cases[] = {
		{ quantity_duration, "" },      { quantity_duration, "50" },
		{ quantity_duration, "ms" },    { quantity_duration, "50 ms" },
		{ quantity_duration, " 50ms" }, { quantity_duration, "50ms " },
		{ quantity_duration, "-1ms" },  { quantity_duration, "+1ms" },
		{ quantity_duration, "1.ms" },  { quantity_duration, ".5ms" },
		{ quantity_duration, "1.5us" }, { quantity_duration, "1.2.3ms" },
		{ quantity_duration, "1e3ms" }, { quantity_duration, "50MS" },
		{ quantity_duration, "50min" }, { quantity_duration, "9999999999999999s" },
		{ quantity_share, "0.00001%" }, { quantity_share, "1" },
		{ quantity_share, "1%%" },      { quantity_rate, "10mbits" },
		{ quantity_rate, "0x10bit" },   { quantity_size, "1.3k" },
		{ quantity_size, "1kb" },       { quantity_size, "999999999999999m" },
	};
	uint64_t value = 99;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		if (quantity_parse(cases[i].text, cases[i].units, UINT64_MAX, &value) != -EINVAL)
			fail_msg("\"%s\" was taken", cases[i].text);
	assert_int_equal(quantity_parse("61s", quantity_duration, 60000000, &value), -ERANGE);
	assert_int_equal(value, 99);
}

static void format__any_value__is_read_back(void **state)
{
	static const struct quantity_unit *const all[] = { quantity_duration, quantity_share,
							   quantity_rate, quantity_size };
	static const uint64_t values[] = { 0,       1,        999,      1000,    1001,
					   1024,    1500,     65536,    66000,   1000000,
					   1234567, 10000000, 10500000, 1048576, 100000000000 };
	char text[QUANTITY_TEXT_SIZE];

	(void)state;
	for (size_t u = 0; u < sizeof(all) / sizeof(*all); u++)
		for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
			uint64_t value;

			assert_int_equal(quantity_parse(quantity_format(values[i], all[u], text),
							all[u], UINT64_MAX, &value),
					 0);
			assert_int_equal(value, values[i]);
		}
	assert_string_equal(quantity_format(50000, quantity_duration, text), "50ms");
	assert_string_equal(quantity_format(1500000, quantity_duration, text), "1.5s");
	assert_string_equal(quantity_format(10000, quantity_share, text), "1%");
	assert_string_equal(quantity_format(500, quantity_share, text), "0.05%");
	assert_string_equal(quantity_format(10000000, quantity_rate, text), "10mbit");
	assert_string_equal(quantity_format(65536, quantity_size, text), "64k");
	assert_string_equal(quantity_format(15000, quantity_size, text), "15000");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__good__is_exact),
		cmocka_unit_test(parse__bad__is_refused_and_changes_nothing),
		cmocka_unit_test(format__any_value__is_read_back),
	};

	return cmocka_run_group_tests_name("base/quantity", tests, NULL, NULL);
}
