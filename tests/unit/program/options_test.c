/* SPDX-License-Identifier: MIT */
/* Command lines: what is taken, what is refused and how that is told; help from the same rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/error.h>

#include "base/log.h"
#include "base/memory.h"
#include "program/command.h"

static const struct option_row rows[] = {
	{ "hub", "ADDRESS:PORT", OPTION_TEXT, offsetof(struct arguments, hub), 0, "the hub" },
	{ "client", "NAME", OPTION_LIST, offsetof(struct arguments, clients), 0, "a client" },
	{ "wait", "SECONDS", OPTION_NUMBER, offsetof(struct arguments, wait), 60, "how long" },
	{ "once", NULL, OPTION_FLAG, offsetof(struct arguments, once), 0, "once only" },
	{ "log", "LEVEL", OPTION_LOG, offsetof(struct arguments, log_level), 0, "how much" },
	{ 0 },
};

static const struct command subject = {
	.name = "subject",
	.arguments = "FILE...",
	.help = "does it",
	.details = "in detail",
	.words_min = 1,
	.words_max = 2,
	.options = rows,
	.letter = 'H',
};

static int parse(const char *const *words, struct arguments *arguments, struct lw_error *error)
{
	char *argv[COMMAND_WORDS_MAX + 8];
	int argc = 0;

	while (words[argc]) {
		argv[argc] = (char *)(uintptr_t)words[argc];
		argc++;
	}
	return options_parse(&subject, argc, argv, arguments, error);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void options_parse__every_kind__stored(void **state)
{
	struct arguments a;
	struct lw_error error;

	(void)state;
	assert_int_equal(parse(WORDS("--hub", "h:1", "f", "--client", "a", "--client=b", "--wait",
				     "60", "--once", "--log", "debug", "g"),
			       &a, &error),
			 0);
	assert_string_equal(a.hub, "h:1");
	assert_int_equal(a.n_words, 2);
	assert_string_equal(a.words[0], "f");
	assert_string_equal(a.words[1], "g");
	assert_int_equal(a.clients.n, 2);
	assert_string_equal(a.clients.items[1], "b");
	assert_true(a.wait.is_set);
	assert_int_equal(a.wait.value, 60);
	assert_true(a.once);
	assert_int_equal(a.log_level, LOG_LEVEL_DEBUG);
}

static void options_parse__nothing_said__defaults(void **state)
{
	struct arguments a;

	(void)state;
	assert_int_equal(parse(WORDS("f"), &a, NULL), 0);
	assert_null(a.hub);
	assert_false(a.wait.is_set || a.once || a.json || a.help);
	assert_int_equal(a.log_level, LOG_LEVEL_INFO);
}

static void options_parse__double_dash__words_only(void **state)
{
	struct arguments a;

	(void)state;
	assert_int_equal(parse(WORDS("--", "--once", "-x"), &a, NULL), 0);
	assert_false(a.once);
	assert_string_equal(a.words[0], "--once");
}

static void options_parse__help__excuses_missing_words(void **state)
{
	struct arguments a;

	(void)state;
	assert_int_equal(parse(WORDS("--help"), &a, NULL), 0);
	assert_true(a.help);
	assert_int_equal(parse(WORDS("-h"), &a, NULL), 0);
	assert_true(a.help);
}

static void options_parse__wrong__refused_with_reason(void **state)
{
	static const struct {
		const char *words[8];
		const char *reason;
	} cases[] = {
		{ { NULL }, "too few arguments: it takes FILE..." },
		{ { "a", "b", "c" }, "unexpected argument \"c\"" },
		{ { "f", "--hubb", "x" }, "unknown option --hubb; did you mean --hub?" },
		{ { "f", "--entirely-other" }, "unknown option --entirely-other" },
		{ { "f", "--=x" }, "unknown option --" },
		{ { "f", "-o" }, "unknown option -o" },
		{ { "f", "--hub" }, "--hub needs a value: ADDRESS:PORT" },
		{ { "f", "--hub=" }, "--hub needs a value" },
		{ { "f", "--hub", "a", "--hub", "b" }, "--hub may be given once" },
		{ { "f", "--once=yes" }, "--once takes no value" },
		{ { "f", "--wait", "61" }, "--wait takes a number from 0 to 60, not \"61\"" },
		{ { "f", "--wait", "-1" }, "--wait takes a number" },
		{ { "f", "--wait", "1s" }, "--wait takes a number" },
		{ { "f", "--log", "loud" }, "--log takes error, warning, info or debug" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct arguments a = { .n_words = 77 };
		struct lw_error error = { 0 };

		assert_int_equal(parse(cases[i].words, &a, &error), -EINVAL);
		if (!strstr(error.text, cases[i].reason))
			fail_msg("case %zu: \"%s\"", i, error.text);
		assert_int_equal(a.n_words, 77);
	}
}

static void options_parse__too_many__refused(void **state)
{
	const char *words[2 * COMMAND_LIST_MAX + 4] = { "f" };
	struct arguments a;
	struct lw_error error;

	(void)state;
	for (size_t i = 0; i < COMMAND_LIST_MAX; i++) {
		words[1 + 2 * i] = "--client";
		words[2 + 2 * i] = "x";
	}
	assert_int_equal(parse(words, &a, &error), 0);
	assert_int_equal(a.clients.n, COMMAND_LIST_MAX);
	words[1 + 2 * COMMAND_LIST_MAX] = "--client=y";
	assert_int_equal(parse(words, &a, &error), -EINVAL);
	assert_non_null(strstr(error.text, "64 times at most"));
}

static void help_command__rows__all_there(void **state)
{
	char *text = help_command(&subject);

	(void)state;
	assert_non_null(text);
	assert_non_null(strstr(text, "usage: longwire subject FILE... [OPTION]..."));
	assert_non_null(strstr(text, "does it\nin detail\n"));
	for (const struct option_row *row = rows; row->name; row++)
		assert_non_null(strstr(text, row->help));
	assert_non_null(strstr(text, "--wait SECONDS"));
	assert_non_null(strstr(text, "--help"));
	free(text);
}

static void help_program__hidden_command__left_out(void **state)
{
	const struct command commands[] = {
		subject,
		{ .name = "secret", .arguments = "", .help = "hush", .is_hidden = true },
	};
	char *text = help_program(commands, ARRAY_SIZE(commands));

	(void)state;
	assert_non_null(strstr(text, "does it"));
	assert_null(strstr(text, "hush"));
	free(text);
}

static void options_parse__letter__is_the_first_option(void **state)
{
	static const struct {
		const char *words[4], *text;
	} refused[] = {
		{ { "f", "-H" }, "--hub needs a value: ADDRESS:PORT" },
		{ { "f", "-H", "" }, "--hub needs a value: ADDRESS:PORT" },
		{ { "f", "-Hx" }, "unknown option -Hx" },
		{ { "f", "-h1" }, "unknown option -h1" },
		{ { "f", "-w", "x" }, "unknown option -w" },
	};
	struct lw_error error;
	struct arguments a;
	char *help;

	(void)state;
	assert_int_equal(parse(WORDS("f", "-H", "-"), &a, &error), 0);
	assert_string_equal(a.hub, "-");
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		assert_int_equal(parse(refused[i].words, &a, &error), -EINVAL);
		assert_string_equal(error.text, refused[i].text);
	}
	help = help_command(&subject);
	assert_non_null(strstr(help, "  -H, --hub ADDRESS:PORT "));
	assert_null(strstr(help, "-H, --client"));
	free(help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(options_parse__letter__is_the_first_option),
		cmocka_unit_test(options_parse__every_kind__stored),
		cmocka_unit_test(options_parse__nothing_said__defaults),
		cmocka_unit_test(options_parse__double_dash__words_only),
		cmocka_unit_test(options_parse__help__excuses_missing_words),
		cmocka_unit_test(options_parse__wrong__refused_with_reason),
		cmocka_unit_test(options_parse__too_many__refused),
		cmocka_unit_test(help_command__rows__all_there),
		cmocka_unit_test(help_program__hidden_command__left_out),
	};

	return cmocka_run_group_tests_name("program/options", tests, NULL, NULL);
}
