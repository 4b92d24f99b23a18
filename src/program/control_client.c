/* SPDX-License-Identifier: MIT */
/* The asking side of the control socket. */
#include "program/control_client.h"

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

enum { FIRST_BUFFER = 16384 };

struct control_peer {
	int fd;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *buffer;
	size_t length, size;
};

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

int control_dial(const char *path, struct control_peer **ret_peer, struct lw_error *ret_error)
{
	struct control_peer *peer = calloc(1, sizeof(*peer));
	int fd = peer ? dial(path) : -ENOMEM;

	if (fd < 0) {
		free(peer);
		error_errno(ret_error, -fd, "%s", path);
		return fd;
	}
	peer->fd = fd;
	snprintf(peer->path, sizeof(peer->path), "%s", path);
	*ret_peer = peer;
	return 0;
}

void control_hang_up(struct control_peer *peer)
{
	if (!peer)
		return;
	close(peer->fd);
	free(peer->buffer);
	free(peer);
}

int control_peer_fd(const struct control_peer *peer)
{
	return peer->fd;
}

bool control_has_heard(const struct control_peer *peer)
{
	return peer->length && memchr(peer->buffer, '\n', peer->length);
}

/* ---- saying */

static int send_line(struct control_peer *peer, char *line, size_t length, int descriptor)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec data = { .iov_base = line, .iov_len = length };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };
	ssize_t n;

	if (descriptor >= 0) {
		message.msg_control = &control;
		message.msg_controllen = sizeof(control);
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&control.header), &descriptor, sizeof(descriptor));
	}
	n = sendmsg(peer->fd, &message, MSG_NOSIGNAL);
	if (n < 0)
		return errno == EPIPE ? -ECONNRESET : -errno;
	return (size_t)n == length ? 0 : -EAGAIN; /* the socket takes far more than a request */
}

int control_say(struct control_peer *peer, const struct tree *request, int descriptor,
		struct lw_error *ret_error)
{
	_cleanup_free_ char *line = NULL;
	size_t length;
	int r = json_write(request, 0, &line, &length);

	if (r < 0)
		return error_errno(ret_error, -r, "%s", peer->path);
	if (length >= CONTROL_REQUEST_MAX)
		return error_set(ret_error, -EMSGSIZE, LW_DOMAIN_CONFIGURATION, EMSGSIZE,
				 "a request of %zu bytes is too long: %d are allowed", length,
				 CONTROL_REQUEST_MAX - 1);
	line[length++] = '\n'; /* in the place of the terminator */
	r = send_line(peer, line, length, descriptor);
	return r < 0 ? error_errno(ret_error, -r, "%s", peer->path) : 0;
}

/* ---- hearing */

static int wait_readable(int fd, int64_t until_ms)
{
	struct pollfd item = { .fd = fd, .events = POLLIN };
	int64_t left = until_ms < 0 ? -1 : MAX(until_ms - now_ms(), 0);
	int r = poll(&item, 1, (int)left);

	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	return r == 0 && left == 0 ? -ETIMEDOUT : 0;
}

static int make_room(struct control_peer *peer)
{
	size_t size = peer->size ? peer->size * 2 : FIRST_BUFFER;
	char *larger;

	if (peer->length < peer->size)
		return 0;
	if (peer->size >= CONTROL_OUTPUT_MAX)
		return -EMSGSIZE;
	larger = realloc(peer->buffer, size);
	if (!larger)
		return -ENOMEM;
	peer->buffer = larger;
	peer->size = size;
	return 0;
}

/* Read up to the end of a line. Return: its length, or a negative errno. */
static ssize_t read_line(struct control_peer *peer, int64_t until_ms)
{
	const char *end = peer->length ? memchr(peer->buffer, '\n', peer->length) : NULL;

	while (!end) {
		int r = make_room(peer);
		ssize_t n;

		if (r < 0)
			return r;
		n = recv(peer->fd, peer->buffer + peer->length, peer->size - peer->length, 0);
		if (n == 0)
			return -ECONNRESET;
		if (n > 0) {
			end = memchr(peer->buffer + peer->length, '\n', (size_t)n);
			peer->length += (size_t)n;
			continue;
		}
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
		r = wait_readable(peer->fd, until_ms);
		if (r < 0)
			return r;
	}
	return end - peer->buffer;
}

static bool is_refusal(const struct tree *line)
{
	const char *ok = tree_get_text(line, "ok");

	/* A line that is neither a reply nor an event says nothing either. */
	return !tree_get_text(line, "event") && (!ok || strcmp(ok, "true") != 0);
}

int control_hear(struct control_peer *peer, int timeout_ms, struct tree **ret_line,
		 struct lw_error *ret_error)
{
	ssize_t length = read_line(peer, timeout_ms < 0 ? -1 : now_ms() + timeout_ms);
	struct tree *line;
	int r;

	if (length < 0)
		return error_errno(ret_error, (int)-length, "%s", peer->path);
	r = json_parse(peer->buffer, (size_t)length, &line, ret_error);
	peer->length -= (size_t)length + 1;
	memmove(peer->buffer, peer->buffer + length + 1, peer->length);
	if (r < 0)
		return r == -ENOMEM ? error_errno(ret_error, ENOMEM, "%s", peer->path) : r;
	if (is_refusal(line)) {
		const char *text = tree_get_text(line, "error");

		r = error_set(ret_error, -EPERM, LW_DOMAIN_SYSTEM, EPERM, "%s: %s", peer->path,
			      text ? text : "an answer that says nothing");
		tree_free(line);
		return r;
	}
	*ret_line = line;
	return 0;
}

/* ---- both */

struct tree *control_ask(const char *verb)
{
	struct tree *request = tree_new(TREE_MAP);

	if (request && tree_add_text(request, "verb", verb) < 0) {
		tree_free(request);
		return NULL;
	}
	return request;
}

static int exchange(struct control_peer *peer, const struct tree *request, int timeout_ms,
		    struct tree **ret_reply, struct lw_error *ret_error)
{
	int r = control_say(peer, request, -1, ret_error);

	return r < 0 ? r : control_hear(peer, timeout_ms, ret_reply, ret_error);
}

int control_request(const char *path, struct tree *request, int timeout_ms, struct tree **ret_reply,
		    struct lw_error *ret_error)
{
	struct control_peer *peer = NULL;
	int r;

	if (!request)
		return error_errno(ret_error, ENOMEM, "%s", path);
	r = control_dial(path, &peer, ret_error);
	if (r == 0)
		r = exchange(peer, request, timeout_ms, ret_reply, ret_error);
	control_hang_up(peer);
	tree_free(request);
	return r;
}
