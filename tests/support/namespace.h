/* SPDX-License-Identifier: MIT */
/* A fresh network namespace for the running test, with or without root. Include after
 * <cmocka.h>. */
#ifndef SUPPORT_NAMESPACE_H
#define SUPPORT_NAMESPACE_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static inline bool namespace_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool is_written = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return is_written;
}

/* Without root: become root of a user namespace, in which network namespaces can be made. */
static inline bool namespace_become_root(void)
{
	char uid[64], gid[64];

	snprintf(uid, sizeof(uid), "0 %u 1", (unsigned)geteuid());
	snprintf(gid, sizeof(gid), "0 %u 1", (unsigned)getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	return namespace_write("/proc/self/setgroups", "deny") &&
	       namespace_write("/proc/self/uid_map", uid) &&
	       namespace_write("/proc/self/gid_map", gid);
}

/* For main: whether this user can have namespaces and devices in them; if not, says why they are skipped. */
static inline bool namespace_is_possible(void)
{
	const char *what = "no network namespace for this user";
	bool is_possible = unshare(CLONE_NEWNET) == 0 || namespace_become_root();

	if (is_possible) {
		what = "/dev/net/tun";
		is_possible = access(what, R_OK | W_OK) == 0;
	}
	if (!is_possible)
		printf("SKIP: %s: %s\n", what, strerror(errno));
	return is_possible;
}

/* cmocka's setup for each test: the process moves into a namespace of its own and the one before disappears. */
static inline int namespace_setup(void **state)
{
	(void)state;
	return unshare(CLONE_NEWNET);
}

/* Run a command line; the test fails if it does. */
static inline void __attribute__((format(printf, 1, 2))) run(const char *format, ...)
{
	char command[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(command, sizeof(command), format, arguments);
	va_end(arguments);
	if (system(command) != 0)
		fail_msg("command failed: %s", command);
}

/* The output of a command line, malloc'd; the test fails if it cannot be run. */
static inline char *run_and_read(const char *command)
{
	enum { SIZE = 1 << 18 };
	char *text = calloc(1, SIZE);
	FILE *pipe = popen(command, "re");
	size_t n;

	assert_non_null(text);
	assert_non_null(pipe);
	n = fread(text, 1, SIZE - 1, pipe);
	text[n] = '\0';
	pclose(pipe);
	return text;
}

#endif
