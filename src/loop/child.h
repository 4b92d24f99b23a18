/* SPDX-License-Identifier: MIT */
/*
 * Programs of the system, run as children: never a shell between, always an absolute path, an
 * environment of PATH alone, no descriptor of ours but the three, the usual umask and no blocked
 * signals.
 *
 * A child leads a process group, so that what it started ends with it; and it ends when we do,
 * however that happens.
 */
#ifndef LOOP_CHILD_H
#define LOOP_CHILD_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct child;
struct lw_loop;

enum { CHILD_LINE_MAX = 4096 };

/*
 * Run argv (ended by NULL; argv[0] is the path) to its end, with input at its standard input, and
 * no longer than timeout_ms; the caller waits. 0 when it exits with 0; -ETIMEDOUT when it had to be
 * killed; -EIO for any other end, with the last line that it said in detail; or why it could not
 * begin.
 */
int child_run(const char *const *argv, const char *input, uint32_t timeout_ms, char *detail,
	      size_t size);

struct child_ops {
	/* A line of its standard output or error (without the newline), which is cut at CHILD_LINE_MAX. */
	void (*line)(struct child *child, const char *line, void *user);
	/* It has ended, by itself, and what it said was told. status as of waitpid(2). The last call. */
	void (*ended)(struct child *child, int status, void *user);
};

/* Start a child that runs beside the loop. 0 or a negative errno. */
int child_start(struct lw_loop *loop, const char *const *argv, const struct child_ops *ops,
		void *user, struct child **ret_child);
/* Kill it and what it started, and wait for it; no call comes any more. Accepts NULL. Not from
 * within ops->line. */
void child_free(struct child *child);
pid_t child_pid(const struct child *child);

#endif
