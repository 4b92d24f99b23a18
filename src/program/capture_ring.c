/* SPDX-License-Identifier: MIT */
/* A stream of pcapng blocks into files in turn. */
#include "program/capture_ring.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <longwire/capture.h>
#include <longwire/error.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/schema.h"
#include "base/tree.h"
#include "capture/files.h"

/* pcapng, in the order of bytes of this machine, on which both ends run. */
enum {
	BLOCK_SECTION = 0x0a0d0d0a,
	BLOCK_INTERFACE = 1,
	BLOCK_PACKET = 6,
	BLOCK_HEAD = 8,
	BLOCK_MIN = 12,
	BLOCK_MAX = 512 * 1024,
	HEAD_MAX = 1024 * 1024, /* section and interfaces: a thousand ports have their place */
	MIB = 1024 * 1024,
};

struct capture_ring {
	struct files *files;
	struct capture_ring_limits limits;
	int from, fd;
	pthread_t thread;
	uint64_t bytes, packets; /* in the file */
	time_t since;
	uint8_t *head; /* what every file begins with */
	size_t head_length;
	uint8_t *block;
	int error; /* negative errno */
};

/* ---- limits */

#define OFFSET(member) offsetof(struct capture_ring_limits, member)

static const struct schema_row rows[] = {
	{ .path = "size", .kind = SCHEMA_UINT, .offset = OFFSET(size), .min = 1, .max = 1048576 },
	{ .path = "seconds",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(seconds),
	  .min = 1,
	  .max = 2592000 },
	{ .path = "packets",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(packets),
	  .min = 1,
	  .max = UINT32_MAX },
	{ .path = "count",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(count),
	  .min = 1,
	  .max = LW_CAPTURE_FILES_MAX },
	{ .path = NULL },
};

static const struct schema schema = { .rows = rows, .size = sizeof(struct capture_ring_limits) };

static int refuse(struct lw_error *error, const char *text)
{
	return error_set(error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
			 "--ring takes size=MIB, seconds=N, packets=N and count=FILES, separated "
			 "by commas%s%s",
			 *text ? ": " : "", text);
}

static int split(const char *text, struct tree *tree)
{
	char key[16], value[16];
	int r = 0;

	while (r == 0 && *text) {
		size_t length = strcspn(text, ","), name = strcspn(text, "=");

		if (name >= length || name >= sizeof(key) || length - name > sizeof(value))
			return -EINVAL;
		memcpy(key, text, name);
		key[name] = '\0';
		memcpy(value, text + name + 1, length - name - 1);
		value[length - name - 1] = '\0';
		if (tree_get(tree, key))
			return -EINVAL;
		r = tree_add_text(tree, key, value);
		text += length + (text[length] == ',');
	}
	return r;
}

static const char *first_line(struct schema_errors *errors)
{
	if (!errors->text)
		return "";
	errors->text[strcspn(errors->text, "\n")] = '\0';
	return errors->text;
}

int capture_ring_parse(const char *text, struct capture_ring_limits *ret_limits,
		       struct lw_error *ret_error)
{
	struct schema_errors errors = { .file = "--ring" };
	struct capture_ring_limits limits = { 0 };
	struct tree *tree = tree_new(TREE_MAP);
	int r = tree ? split(text, tree) : -ENOMEM;

	if (r == 0)
		r = schema_read(&schema, tree, &limits, &errors);
	tree_free(tree);
	if (r == -EINVAL)
		r = refuse(ret_error, first_line(&errors));
	else if (r < 0)
		r = error_errno(ret_error, -r, "--ring");
	else if (!limits.size && !limits.seconds && !limits.packets)
		r = refuse(ret_error, "size, seconds or packets end a file");
	else
		*ret_limits = limits;
	schema_errors_done(&errors);
	return r;
}

/* ---- files */

static int write_all(struct capture_ring *ring, const uint8_t *data, size_t length)
{
	size_t done = 0;

	while (done < length) {
		ssize_t n = write(ring->fd, data + done, length - done);

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n < 0 ? 0 : (size_t)n;
	}
	ring->bytes += length;
	return 0;
}

/* Whole blocks only: what a full disk cut short is taken back. */
static int write_block(struct capture_ring *ring, const uint8_t *data, size_t length)
{
	off_t whole = (off_t)ring->bytes;
	int r = write_all(ring, data, length);

	if (r < 0 && ftruncate(ring->fd, whole) < 0)
		log_warning("the capture ends within a block: %s", strerror(errno));
	return r;
}

static int next_file(struct capture_ring *ring)
{
	close_fd(&ring->fd);
	ring->fd = files_next(ring->files);
	if (ring->fd < 0)
		return ring->fd;
	ring->bytes = ring->packets = 0;
	ring->since = time(NULL);
	return write_block(ring, ring->head, ring->head_length);
}

/* Whether the packet begins another file. */
static bool is_full(const struct capture_ring *ring, size_t length)
{
	const struct capture_ring_limits *limits = &ring->limits;

	return ring->fd < 0 ||
	       (limits->size && ring->packets &&
		ring->bytes + length > (uint64_t)limits->size * MIB) ||
	       (limits->packets && ring->packets >= limits->packets) ||
	       (limits->seconds && time(NULL) - ring->since >= (time_t)limits->seconds);
}

static int keep_head(struct capture_ring *ring, const uint8_t *block, size_t length)
{
	if (length > HEAD_MAX - ring->head_length)
		return -ENOBUFS;
	memcpy(ring->head + ring->head_length, block, length);
	ring->head_length += length;
	return 0;
}

static int take_block(struct capture_ring *ring, uint32_t type, const uint8_t *block, size_t length)
{
	int r = 0;

	if (type == BLOCK_SECTION || type == BLOCK_INTERFACE)
		r = keep_head(ring, block, length);
	if (r == 0 && (ring->fd < 0 || type == BLOCK_PACKET) && is_full(ring, length)) {
		r = next_file(ring);
		/* The head had it already. */
		if (r == 0 && type != BLOCK_PACKET &&
		    (type == BLOCK_SECTION || type == BLOCK_INTERFACE))
			return 0;
	}
	if (r == 0)
		r = write_block(ring, block, length);
	ring->packets += type == BLOCK_PACKET;
	return r;
}

/* ---- the stream */

/* Return: bytes, fewer at the end; or a negative errno. */
static ssize_t read_all(int fd, uint8_t *data, size_t length)
{
	size_t done = 0;

	while (done < length) {
		ssize_t n = read(fd, data + done, length - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : (ssize_t)done;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

/* Return: 1, 0 at the end, or a negative errno. */
static int take_next(struct capture_ring *ring)
{
	ssize_t n = read_all(ring->from, ring->block, BLOCK_HEAD);
	uint32_t type, length;

	if (n < BLOCK_HEAD)
		return n < 0 ? (int)n : 0;
	memcpy(&type, ring->block, sizeof(type));
	memcpy(&length, ring->block + sizeof(type), sizeof(length));
	if (length < BLOCK_MIN || length > BLOCK_MAX)
		return -EBADMSG;
	n = read_all(ring->from, ring->block + BLOCK_HEAD, length - BLOCK_HEAD);
	if (n < (ssize_t)(length - BLOCK_HEAD))
		return n < 0 ? (int)n : 0; /* what is not whole is not written */
	n = take_block(ring, type, ring->block, length);
	return n < 0 ? (int)n : 1;
}

static void *run(void *user)
{
	struct capture_ring *ring = user;
	int r;

	while ((r = take_next(ring)) > 0)
		;
	ring->error = r;
	close_fd(&ring->from); /* nobody reads on: the capture ends */
	return NULL;
}

/* Signals are for the thread that waits for them. */
static int start(struct capture_ring *ring)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&ring->thread, NULL, run, ring);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

static void ring_free(struct capture_ring *ring)
{
	files_close(ring->files);
	close_fd(&ring->from);
	close_fd(&ring->fd);
	free(ring->head);
	free(ring->block);
	free(ring);
}

int capture_ring_new(const char *path, const struct capture_ring_limits *limits,
		     struct capture_ring **ret_ring, int *ret_descriptor,
		     struct lw_error *ret_error)
{
	struct capture_ring *ring = calloc(1, sizeof(*ring));
	int ends[2] = { -1, -1 }, r;

	if (!ring)
		return error_errno(ret_error, ENOMEM, "%s", path);
	ring->limits = *limits;
	ring->fd = ring->from = -1;
	ring->head = malloc(HEAD_MAX);
	ring->block = malloc(BLOCK_MAX);
	r = files_open(path, limits->count ? limits->count : LW_CAPTURE_FILES_DEFAULT, &ring->files,
		       ret_error);
	if (r == 0) {
		r = !ring->head || !ring->block ? -ENOMEM : pipe2(ends, O_CLOEXEC) < 0 ? -errno : 0;
		ring->from = ends[0];
		if (r == 0)
			r = start(ring);
		if (r < 0)
			error_errno(ret_error, -r, "%s", path);
	}
	if (r < 0) {
		close_fd(&ends[1]);
		ring_free(ring);
		return r;
	}
	*ret_ring = ring;
	*ret_descriptor = ends[1];
	return 0;
}

int capture_ring_end(struct capture_ring *ring)
{
	int r;

	if (!ring)
		return 0;
	pthread_join(ring->thread, NULL);
	r = ring->error;
	ring_free(ring);
	return r;
}
