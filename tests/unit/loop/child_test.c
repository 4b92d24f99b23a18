/* SPDX-License-Identifier: MIT */
/* Programs run as children: what they say, and their end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/wait.h>

#include "base/memory.h"
#include "loop/child.h"
#include "loop/loop.h"

enum { PATIENCE_MS = 10000, DETAIL_SIZE = 64 };

static struct lw_loop *loop;
static struct child *child;
static unsigned lines, lines_after_end;
static size_t longest;
static bool has_ended;
static int status;

static int make_loop(void **state)
{
	(void)state;
	lines = lines_after_end = 0;
	longest = 0;
	has_ended = false;
	return lw_loop_new(NULL, &loop);
}

static int free_loop(void **state)
{
	(void)state;
	child_free(take_pointer(child));
	lw_loop_free(loop);
	return 0;
}

static void line_came(struct child *of, const char *line, void *user)
{
	(void)of;
	assert_ptr_equal(user, &loop);
	lines++;
	lines_after_end += has_ended;
	longest = MAX(longest, strlen(line));
}

static void child_ended(struct child *of, int how, void *user)
{
	(void)of;
	assert_ptr_equal(user, &loop);
	assert_false(has_ended);
	has_ended = true;
	status = how;
}

static const struct child_ops ops = { .line = line_came, .ended = child_ended };

static void start_shell(const char *script)
{
	const char *argv[] = { "/bin/sh", "-c", script, NULL };

	assert_int_equal(child_start(loop, argv, &ops, &loop, &child), 0);
}

/* Nobody looks at the child until it is gone. */
static void await_end(void)
{
	siginfo_t info;

	assert_int_equal(waitid(P_PID, (id_t)child_pid(child), &info, WEXITED | WNOWAIT), 0);
	while (!has_ended)
		assert_true(lw_loop_dispatch(loop) >= 0);
	/* What might still come. */
	assert_true(lw_loop_dispatch(loop) >= 0);
}

static void child_start__all_it_said_comes_before_its_end(void **state)
{
	(void)state;
	start_shell("i=0; while [ $i -lt 3000 ]; do echo a word; i=$((i+1)); done; exit 3");
	await_end();
	assert_int_equal(lines, 3000);
	assert_int_equal(lines_after_end, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 3);
}

static void child_start__line_above_the_bound__cut(void **state)
{
	(void)state;
	start_shell("printf '%05000d\\nnext\\n' 0");
	await_end();
	assert_int_equal(lines, 2);
	assert_int_equal(longest, CHILD_LINE_MAX - 1);
}

static void child_start__no_program__refused(void **state)
{
	const char *argv[] = { "/nonexistent/program", NULL };

	(void)state;
	assert_int_equal(child_start(loop, argv, &ops, &loop, &child), -ENOENT);
	assert_null(child);
}

static void child_run__ends_table__as_they_ended(void **state)
{
	static const struct {
		const char *script, *input;
		uint32_t timeout_ms;
		int result;
		const char *detail;
	} rows[] = {
		{ "cat; echo last", "first\n", PATIENCE_MS, 0, "last" },
		{ "echo why >&2; exit 1", NULL, PATIENCE_MS, -EIO, "why" },
		{ "kill -9 $$", NULL, PATIENCE_MS, -EIO, "" },
		{ "sleep 100", NULL, 50, -ETIMEDOUT, "no end of it in time" },
		{ "exec >&- 2>&-; sleep 100", NULL, 50, -ETIMEDOUT, "no end of it in time" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *argv[] = { "/bin/sh", "-c", rows[i].script, NULL };
		char detail[DETAIL_SIZE];

		assert_int_equal(child_run(argv, rows[i].input, rows[i].timeout_ms, detail,
					   sizeof(detail)),
				 rows[i].result);
		assert_string_equal(detail, rows[i].detail);
	}
}

#define CHILD(test) cmocka_unit_test_setup_teardown(test, make_loop, free_loop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CHILD(child_start__all_it_said_comes_before_its_end),
		CHILD(child_start__line_above_the_bound__cut),
		CHILD(child_start__no_program__refused),
		CHILD(child_run__ends_table__as_they_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
