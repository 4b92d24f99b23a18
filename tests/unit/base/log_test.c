/* SPDX-License-Identifier: MIT */
/* Log lines: levels, sinks, the limit, and standard error that nobody reads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static struct seen {
	int n;
	enum log_level level;
	char line[2048];
} seen;

static void keep(enum log_level level, const char *line, void *user)
{
	struct seen *to = user;

	to->n++;
	to->level = level;
	snprintf(to->line, sizeof(to->line), "%s", line);
}

static int quiet(void **state)
{
	(void)state;
	memset(&seen, 0, sizeof(seen));
	log_set_sink(NULL, LOG_LEVEL_ERROR, NULL);
	return 0;
}

static void log__no_sink__silent(void **state)
{
	(void)state;
	log_error("nobody hears %d", 1);
	assert_int_equal(seen.n, 0);
}

static void log__levels__only_up_to_the_wanted_one(void **state)
{
	(void)state;
	log_set_sink(keep, LOG_LEVEL_WARNING, &seen);
	log_error("e");
	log_warning("w");
	log_info("i");
	log_debug("d");
	assert_int_equal(seen.n, 2);
	assert_int_equal(seen.level, LOG_LEVEL_WARNING);
	assert_string_equal(seen.line, "w");
}

static void log__hostile_text__one_harmless_line_and_errno_kept(void **state)
{
	(void)state;
	log_set_sink(keep, LOG_LEVEL_DEBUG, &seen);
	errno = EPROTO;
	log_info("name %s", "x\nforged: line\r");
	assert_int_equal(errno, EPROTO);
	assert_string_equal(seen.line, "name x?forged: line?");
}

static void log_limit__burst__ten_a_second_and_the_rest_is_told(void **state)
{
	struct log_limit limit = { 0 };

	(void)state;
	log_set_sink(keep, LOG_LEVEL_DEBUG, &seen);
	for (int i = 0; i < 47; i++)
		log_limited(&limit, 2000000000, LOG_LEVEL_INFO, "refused");
	assert_int_equal(seen.n, 10);
	log_limited(&limit, 2999999999, LOG_LEVEL_INFO, "refused");
	assert_int_equal(seen.n, 10);
	log_limited(&limit, 3000000000, LOG_LEVEL_INFO, "refused");
	assert_int_equal(seen.n, 11);
	assert_string_equal(seen.line, "refused (38 more)");
	log_limited(&limit, 3000000000, LOG_LEVEL_INFO, "refused");
	assert_string_equal(seen.line, "refused");
}

static void log_limit__unwanted_level__not_counted(void **state)
{
	struct log_limit limit = { 0 };

	(void)state;
	log_set_sink(keep, LOG_LEVEL_ERROR, &seen);
	for (int i = 0; i < 20; i++)
		log_limited(&limit, 5, LOG_LEVEL_INFO, "x");
	assert_int_equal(limit.lines, 0);
	assert_int_equal(limit.suppressed, 0);
}

static void log_level_parse__table__matches(void **state)
{
	static const struct {
		const char *name;
		int level;
	} rows[] = {
		{ "error", LOG_LEVEL_ERROR },
		{ "warning", LOG_LEVEL_WARNING },
		{ "info", LOG_LEVEL_INFO },
		{ "debug", LOG_LEVEL_DEBUG },
		{ "", -EINVAL },
		{ "Error", -EINVAL },
		{ "debugging", -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(log_level_parse(rows[i].name), rows[i].level);
}

/* Run log_to_stderr with the write end of a pipe in the place of standard error. */
static void with_stderr(int descriptor, enum log_level level, const char *line, void *user)
{
	int saved = dup(STDERR_FILENO);

	dup2(descriptor, STDERR_FILENO);
	log_to_stderr(level, line, user);
	dup2(saved, STDERR_FILENO);
	close(saved);
}

static void log_to_stderr__plain_and_journal__prefixed(void **state)
{
	char text[64] = "";
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	with_stderr(ends[1], LOG_LEVEL_WARNING, "tea is cold", NULL);
	with_stderr(ends[1], LOG_LEVEL_ERROR, "no tea", &seen);
	assert_true(read(ends[0], text, sizeof(text) - 1) > 0);
	assert_string_equal(text, "warning: tea is cold\n<3>no tea\n");
	close(ends[0]);
	close(ends[1]);
}

static void log_to_stderr__pipe_that_is_full__returns(void **state)
{
	static const char filler[4096];
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	fcntl(ends[1], F_SETFL, O_NONBLOCK);
	while (write(ends[1], filler, sizeof(filler)) > 0)
		;
	fcntl(ends[1], F_SETFL, 0);
	with_stderr(ends[1], LOG_LEVEL_ERROR, "lost", NULL);
	close(ends[0]);
	close(ends[1]);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(log__no_sink__silent, quiet),
		cmocka_unit_test_setup(log__levels__only_up_to_the_wanted_one, quiet),
		cmocka_unit_test_setup(log__hostile_text__one_harmless_line_and_errno_kept, quiet),
		cmocka_unit_test_setup(log_limit__burst__ten_a_second_and_the_rest_is_told, quiet),
		cmocka_unit_test_setup(log_limit__unwanted_level__not_counted, quiet),
		cmocka_unit_test(log_level_parse__table__matches),
		cmocka_unit_test(log_to_stderr__plain_and_journal__prefixed),
		cmocka_unit_test(log_to_stderr__pipe_that_is_full__returns),
	};

	return cmocka_run_group_tests_name("base/log", tests, NULL, NULL);
}
