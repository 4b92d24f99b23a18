/* SPDX-License-Identifier: MIT */
/* Numbers, words, names and the nearest word. */
#include "base/parse.h"

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"

static void parse_uint__table__as_said(void **state)
{
	static const struct {
		const char *text;
		uint64_t min, max;
		int result;
		uint64_t value;
	} rows[] = {
		{ "0", 0, 0, 0, 0 },
		{ "576", 576, 9216, 0, 576 },
		{ "9216", 576, 9216, 0, 9216 },
		{ "575", 576, 9216, -ERANGE, 0 },
		{ "9217", 576, 9216, -ERANGE, 0 },
		{ "18446744073709551615", 0, UINT64_MAX, 0, UINT64_MAX },
		{ "18446744073709551616", 0, UINT64_MAX, -ERANGE, 0 },
		{ "18446744073709551620", 0, UINT64_MAX, -ERANGE, 0 },
		{ "99999999999999999999999", 0, UINT64_MAX, -ERANGE, 0 },
		{ "", 0, 9, -EINVAL, 0 },
		{ "00", 0, 9, -EINVAL, 0 },
		{ "01", 0, 9, -EINVAL, 0 },
		{ "+1", 0, 9, -EINVAL, 0 },
		{ "-1", 0, UINT64_MAX, -EINVAL, 0 },
		{ " 1", 0, 9, -EINVAL, 0 },
		{ "1 ", 0, 9, -EINVAL, 0 },
		{ "1_0", 0, 99, -EINVAL, 0 },
		{ "0x1", 0, 9, -EINVAL, 0 },
		{ "1e3", 0, 9999, -EINVAL, 0 },
		{ "1.0", 0, 9, -EINVAL, 0 },
		{ ".inf", 0, 9, -EINVAL, 0 },
		{ "99999999999999999999999x", 0, 9, -EINVAL, 0 },
		{ "\xd9\xa1", 0, 9, -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t value = 77;
		int r = parse_uint(rows[i].text, rows[i].min, rows[i].max, &value);

		if (r != rows[i].result || value != (r < 0 ? 77 : rows[i].value))
			fail_msg("\"%s\": %d, %" PRIu64, rows[i].text, r, value);
	}
}

static void parse_bool__words__only_two(void **state)
{
	static const char *const bad[] = { "",     "yes",  "no",    "on", "1",
					   "True", "TRUE", "true ", "tru" };
	bool value;

	(void)state;
	assert_int_equal(parse_bool("true", &value), 0);
	assert_true(value);
	assert_int_equal(parse_bool("false", &value), 0);
	assert_false(value);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(parse_bool(bad[i], &value), -EINVAL);
}

static void parse_nearest__misspelt__found(void **state)
{
	static const char *const words[] = { "listen",          "layer", "mtu",  "hub",
					     "between-clients", "to",    "file", "filter" };
	static const struct {
		const char *text, *nearest;
	} rows[] = {
		{ "listen", "listen" },
		{ "lisen", "listen" },
		{ "listne", "listen" },
		{ "lyer", "layer" },
		{ "LAYER", NULL },
		{ "m", "mtu" },
		{ "mut", "mtu" },
		{ "hbu", "hub" },
		{ "filte", "filter" },
		{ "fil", "file" },
		{ "lsietn", "listen" },
		{ "xyz", NULL },
		{ "between_clients", "between-clients" },
		{ "betweenclient", "between-clients" },
		{ "between-cli", NULL },
		{ "t", "to" },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *nearest = parse_nearest(rows[i].text, words, ARRAY_SIZE(words));

		if (!nearest != !rows[i].nearest ||
		    (nearest && strcmp(nearest, rows[i].nearest) != 0))
			fail_msg("\"%s\": %s", rows[i].text, nearest ? nearest : "none");
	}
}

static void parse_nearest__long_text__none(void **state)
{
	static const char *const words[] = { "listen" };
	char text[70000];

	(void)state;
	memset(text, 'l', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	assert_null(parse_nearest(text, words, 1));
	assert_null(parse_nearest("listen", NULL, 0));
}

static void parse_is_interface_name__table__agrees(void **state)
{
	static const char *const good[] = { "a", "lw0", "a.b-c_D9", "123456789012345", "..." };
	static const char *const bad[] = { "",    ".",   "..",  "1234567890123456", "a b",
					   "a/b", "a\n", "a%d", "\xc3\xbc" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_true(parse_is_interface_name(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(parse_is_interface_name(bad[i]));
}

static void parse_is_name__table__agrees(void **state)
{
	char long_name[65];

	(void)state;
	memset(long_name, 'x', sizeof(long_name));
	long_name[63] = '\0';
	assert_true(parse_is_name(long_name));
	long_name[63] = 'x';
	long_name[64] = '\0';
	assert_false(parse_is_name(long_name));
	assert_true(parse_is_name("Branch_1.example-x"));
	assert_true(parse_is_name("_x"));
	assert_false(parse_is_name(""));
	assert_false(parse_is_name(".x"));
	assert_false(parse_is_name("-x"));
	assert_false(parse_is_name("a/b"));
	assert_false(parse_is_name("../b"));
	assert_false(parse_is_name("a b"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse_uint__table__as_said),
		cmocka_unit_test(parse_bool__words__only_two),
		cmocka_unit_test(parse_nearest__misspelt__found),
		cmocka_unit_test(parse_nearest__long_text__none),
		cmocka_unit_test(parse_is_interface_name__table__agrees),
		cmocka_unit_test(parse_is_name__table__agrees),
	};

	return cmocka_run_group_tests_name("base/parse", tests, NULL, NULL);
}
