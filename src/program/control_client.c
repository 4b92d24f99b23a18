/* SPDX-License-Identifier: MIT */
/* The asking side of the control socket: one request, one reply, within a time. */
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/tree.h"
#include "program/control.h"

enum { FIRST_BUFFER = 16384 };

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Return: a connected, non-blocking socket, or a negative errno. */
static int dial(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	_cleanup_close_ int fd = -1;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return -errno;
	return take_fd(&fd);
}

static int wait_readable(int fd, int64_t until_ms)
{
	struct pollfd item = { .fd = fd, .events = POLLIN };
	int64_t left = until_ms - now_ms();
	int r = poll(&item, 1, left > 0 ? (int)left : 0);

	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	return r == 0 && left <= 0 ? -ETIMEDOUT : 0;
}

/* Read up to the end of a line. Return: its length, or a negative errno; *buffer grows. */
static ssize_t read_line(int fd, int64_t until_ms, char **buffer)
{
	size_t size = 0, length = 0;

	for (;;) {
		ssize_t n;
		int r;

		if (length == size) {
			char *larger;

			if (size >= CONTROL_OUTPUT_MAX)
				return -EMSGSIZE;
			size = size ? size * 2 : FIRST_BUFFER;
			larger = realloc(*buffer, size);
			if (!larger)
				return -ENOMEM;
			*buffer = larger;
		}
		n = recv(fd, *buffer + length, size - length, 0);
		if (n == 0)
			return -ECONNRESET;
		if (n > 0) {
			char *end = memchr(*buffer + length, '\n', (size_t)n);

			length += (size_t)n;
			if (end)
				return end - *buffer;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = wait_readable(fd, until_ms);
		if (r < 0)
			return r;
	}
}

static ssize_t exchange(const char *path, const char *verb, unsigned timeout_ms, char **buffer)
{
	int64_t until_ms = now_ms() + timeout_ms;
	_cleanup_close_ int fd = dial(path);
	char request[128];
	int n = snprintf(request, sizeof(request), "{\"verb\":\"%s\"}\n", verb);

	if (fd < 0)
		return fd;
	if (n >= (int)sizeof(request))
		return -EINVAL;
	if (send(fd, request, (size_t)n, MSG_NOSIGNAL) != n)
		return errno == EPIPE ? -ECONNRESET : -errno;
	return read_line(fd, until_ms, buffer);
}

int control_request(const char *path, const char *verb, unsigned timeout_ms,
		    struct tree **ret_reply, struct lw_error *ret_error)
{
	_cleanup_free_ char *buffer = NULL;
	ssize_t length = exchange(path, verb, timeout_ms, &buffer);
	struct tree *reply;
	const char *ok;
	int r;

	if (length < 0)
		return error_errno(ret_error, (int)-length, "%s", path);
	r = json_parse(buffer, (size_t)length, &reply, ret_error);
	if (r < 0)
		return r;
	ok = tree_get_text(reply, "ok");
	if (!ok || strcmp(ok, "true") != 0) {
		const char *text = tree_get_text(reply, "error");

		r = error_set(ret_error, -EPERM, LW_DOMAIN_SYSTEM, EPERM, "%s: %s", path,
			      text ? text : "an answer that says nothing");
		tree_free(reply);
		return r;
	}
	*ret_reply = reply;
	return 0;
}
