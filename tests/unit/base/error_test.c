/* SPDX-License-Identifier: MIT */
/* Errors and their text: filled, cut, made harmless. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/error.h"

static void error_set__all_fields__filled_and_result_returned(void **state)
{
	struct lw_error error = { .domain = LW_DOMAIN_NONE };

	(void)state;
	assert_int_equal(error_set(&error, -EINVAL, LW_DOMAIN_TUNNEL, 7, "mtu: %d", 12), -EINVAL);
	assert_int_equal(error.domain, LW_DOMAIN_TUNNEL);
	assert_int_equal(error.code, 7);
	assert_string_equal(error.text, "mtu: 12");
}

static void error_set__no_error_wanted__only_result(void **state)
{
	(void)state;
	assert_int_equal(error_set(NULL, -3, LW_DOMAIN_SYSTEM, 3, "x"), -3);
	assert_int_equal(error_errno(NULL, EIO, "x"), -EIO);
}

static void error_errno__code__reason_appended(void **state)
{
	struct lw_error error;

	(void)state;
	assert_int_equal(error_errno(&error, ENOENT, "%s", "hub.yaml"), -ENOENT);
	assert_int_equal(error.domain, LW_DOMAIN_SYSTEM);
	assert_int_equal(error.code, ENOENT);
	assert_string_equal(error.text, "hub.yaml: No such file or directory");
}

static void error_set__own_text_as_argument__kept(void **state)
{
	struct lw_error error;

	(void)state;
	error_set(&error, 0, LW_DOMAIN_SYSTEM, 1, "inner");
	error_set(&error, 0, LW_DOMAIN_SYSTEM, 1, "outer: %s", error.text);
	assert_string_equal(error.text, "outer: inner");
}

static void error_set__control_characters__become_question_marks(void **state)
{
	struct lw_error error;

	(void)state;
	error_set(&error, 0, LW_DOMAIN_SYSTEM, 1, "a\nb\x1b[2J\x7f\xc3\xa9");
	assert_string_equal(error.text, "a?b?[2J?\xc3\xa9");
}

static void error_set__text_of_every_length_around_the_limit__cut_and_terminated(void **state)
{
	char text[LW_ERROR_TEXT_SIZE + 8];
	struct lw_error error;

	(void)state;
	for (size_t n = LW_ERROR_TEXT_SIZE - 2; n < sizeof(text); n++) {
		size_t kept = n < LW_ERROR_TEXT_SIZE ? n : LW_ERROR_TEXT_SIZE - 1;

		memset(text, 'a', n);
		text[n] = '\0';
		error_set(&error, 0, LW_DOMAIN_SYSTEM, 1, "%s", text);
		assert_int_equal(strlen(error.text), kept);
	}
}

static void error_set__cut_inside_a_character__whole_character_left_out(void **state)
{
	static const struct {
		const char *character;
		size_t before, kept; /* bytes before the character, bytes of text */
	} rows[] = {
		{ "\xc3\xa9", LW_ERROR_TEXT_SIZE - 3, LW_ERROR_TEXT_SIZE - 1 },
		{ "\xc3\xa9", LW_ERROR_TEXT_SIZE - 2, LW_ERROR_TEXT_SIZE - 2 },
		{ "\xe2\x82\xac", LW_ERROR_TEXT_SIZE - 4, LW_ERROR_TEXT_SIZE - 1 },
		{ "\xe2\x82\xac", LW_ERROR_TEXT_SIZE - 3, LW_ERROR_TEXT_SIZE - 3 },
		{ "\xe2\x82\xac", LW_ERROR_TEXT_SIZE - 2, LW_ERROR_TEXT_SIZE - 2 },
		{ "\xf0\x9f\x98\x80", LW_ERROR_TEXT_SIZE - 4, LW_ERROR_TEXT_SIZE - 4 },
	};
	char text[LW_ERROR_TEXT_SIZE];
	struct lw_error error;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(text, 'a', rows[i].before);
		text[rows[i].before] = '\0';
		error_set(&error, 0, LW_DOMAIN_SYSTEM, 1, "%s%sb", text, rows[i].character);
		assert_int_equal(strlen(error.text), rows[i].kept);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(error_set__all_fields__filled_and_result_returned),
		cmocka_unit_test(error_set__no_error_wanted__only_result),
		cmocka_unit_test(error_errno__code__reason_appended),
		cmocka_unit_test(error_set__own_text_as_argument__kept),
		cmocka_unit_test(error_set__control_characters__become_question_marks),
		cmocka_unit_test(
			error_set__text_of_every_length_around_the_limit__cut_and_terminated),
		cmocka_unit_test(error_set__cut_inside_a_character__whole_character_left_out),
	};

	return cmocka_run_group_tests_name("base/error", tests, NULL, NULL);
}
