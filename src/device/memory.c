/* SPDX-License-Identifier: MIT */
/*
 * Two devices back to back in memory.
 *
 * Each direction is a pipe: a ring of packet descriptions and a ring of bytes, mapped once and
 * touched as they fill. An eventfd is readable exactly while packets wait, or for ever once the
 * writer is gone; it costs a system call only when the pipe becomes empty or stops being so. What is
 * written to a queue comes out of the queue of the same number. Each pipe has a lock, so that the
 * workers of one end need not know of the other's.
 */
#include "device/device.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/memory.h"

enum { PIPE_BYTES = 4 << 20, DEPTH_STANDARD = 1024, DEPTH_MAX = 65536 };
enum { ETHERNET_MIN = 14, IP_MIN = 20 };

struct entry {
	uint32_t length;
	struct lw_offload offload;
};

struct pipe {
	pthread_mutex_t lock;
	struct entry *entries;
	uint32_t depth, first, n; /* entries in use: [first, first + n) modulo depth */
	uint8_t *bytes;
	size_t start, used; /* bytes in use, modulo PIPE_BYTES */
	int event;          /* the reader's; -1 when he is gone */
	bool is_writer_gone;
};

struct memory_pair {
	uint16_t queues;
	unsigned references;
	struct pipe pipes[][2]; /* of each queue */
};

/* An end reads pipes[queue][side] and writes the other. Ends are freed by one thread. */
struct memory_device {
	struct device device;
	struct memory_pair *pair;
	unsigned side;
};

/* An eventfd that nobody else holds neither fills nor blocks. */
static void raise_event(const struct pipe *pipe)
{
	uint64_t one = 1;

	if (pipe->event >= 0 && write(pipe->event, &one, sizeof(one)) < 0)
		return;
}

static void lower_event(const struct pipe *pipe)
{
	uint64_t count;

	if (read(pipe->event, &count, sizeof(count)) < 0)
		return;
}

static void copy_in(struct pipe *pipe, const uint8_t *data, size_t length)
{
	size_t at = (pipe->start + pipe->used) % PIPE_BYTES;
	size_t before_end = MIN(length, PIPE_BYTES - at);

	memcpy(pipe->bytes + at, data, before_end);
	memcpy(pipe->bytes, data + before_end, length - before_end);
}

static void copy_out(const struct pipe *pipe, uint8_t *data, size_t length)
{
	size_t before_end = MIN(length, PIPE_BYTES - pipe->start);

	memcpy(data, pipe->bytes + pipe->start, before_end);
	memcpy(data + before_end, pipe->bytes, length - before_end);
}

static ssize_t take_packet(struct pipe *pipe, uint8_t *data, size_t size,
			   struct lw_offload *ret_offload)
{
	const struct entry *entry = &pipe->entries[pipe->first];
	ssize_t r;

	if (!pipe->n)
		return pipe->is_writer_gone ? -ENODEV : -EAGAIN;
	if (entry->length > size) {
		r = -EMSGSIZE;
	} else {
		copy_out(pipe, data, entry->length);
		*ret_offload = entry->offload;
		r = entry->length;
	}
	pipe->start = (pipe->start + entry->length) % PIPE_BYTES;
	pipe->used -= entry->length;
	pipe->first = (pipe->first + 1) % pipe->depth;
	pipe->n--;
	if (!pipe->n && !pipe->is_writer_gone)
		lower_event(pipe);
	return r;
}

static ssize_t read_packet(struct device *device, uint16_t queue, uint8_t *data, size_t size,
			   struct lw_offload *ret_offload)
{
	struct memory_device *end = container_of(device, struct memory_device, device);
	struct pipe *pipe = &end->pair->pipes[queue][end->side];
	ssize_t r;

	pthread_mutex_lock(&pipe->lock);
	r = take_packet(pipe, data, size, ret_offload);
	pthread_mutex_unlock(&pipe->lock);
	return r;
}

/* What the kernel refuses on a descriptor of this kind. */
static bool is_refused(const struct device *device, const struct lw_packet *packet)
{
	if (packet->layer != device->layer || packet->length > LW_PACKET_MAX)
		return true;
	if (device_missing_offloads(device, packet->offload))
		return true;
	if (device->layer == LW_LAYER_ETHERNET)
		return packet->length < ETHERNET_MIN;
	return packet->length < IP_MIN || (packet->data[0] >> 4 != 4 && packet->data[0] >> 4 != 6);
}

static int put_packet(struct pipe *pipe, const struct lw_packet *packet)
{
	struct entry *entry = &pipe->entries[(pipe->first + pipe->n) % pipe->depth];

	if (pipe->event < 0)
		return -ENODEV;
	if (pipe->n == pipe->depth || packet->length > PIPE_BYTES - pipe->used)
		return -ENOBUFS;
	copy_in(pipe, packet->data, packet->length);
	entry->length = (uint32_t)packet->length;
	entry->offload = packet->offload ? *packet->offload : (struct lw_offload){ 0 };
	pipe->used += packet->length;
	if (!pipe->n++)
		raise_event(pipe);
	return 0;
}

static int write_packet(struct device *device, uint16_t queue, const struct lw_packet *packet)
{
	struct memory_device *end = container_of(device, struct memory_device, device);
	struct pipe *pipe = &end->pair->pipes[queue][!end->side];
	int r;

	if (is_refused(device, packet))
		return -EINVAL;
	pthread_mutex_lock(&pipe->lock);
	r = put_packet(pipe, packet);
	pthread_mutex_unlock(&pipe->lock);
	return r;
}

static void free_pair(struct memory_pair *pair)
{
	for (unsigned i = 0; i < 2u * pair->queues; i++) {
		struct pipe *pipe = &pair->pipes[i / 2][i % 2];

		memory_unmap(pipe->entries, pipe->depth * sizeof(struct entry));
		memory_unmap(pipe->bytes, PIPE_BYTES);
		pthread_mutex_destroy(&pipe->lock);
	}
	free(pair);
}

static void leave_queue(struct memory_pair *pair, uint16_t queue, unsigned side)
{
	struct pipe *ours = &pair->pipes[queue][side], *theirs = &pair->pipes[queue][!side];

	pthread_mutex_lock(&ours->lock);
	ours->event = -1;
	pthread_mutex_unlock(&ours->lock);
	pthread_mutex_lock(&theirs->lock);
	theirs->is_writer_gone = true;
	raise_event(theirs);
	pthread_mutex_unlock(&theirs->lock);
}

static void free_device(struct device *device)
{
	struct memory_device *end = container_of(device, struct memory_device, device);
	struct memory_pair *pair = end->pair;

	for (uint16_t i = 0; i < device->queues; i++) {
		leave_queue(pair, i, end->side);
		close_fd(&device->descriptors[i]);
	}
	if (!--pair->references)
		free_pair(pair);
	free(end);
}

static const struct device_ops memory_ops = { "memory", read_packet, write_packet, free_device };

static bool open_pipe(struct pipe *pipe, uint32_t depth)
{
	pthread_mutex_init(&pipe->lock, NULL);
	pipe->depth = depth;
	pipe->event = -1;
	pipe->entries = memory_map(depth * sizeof(struct entry));
	pipe->bytes = memory_map(PIPE_BYTES);
	return pipe->entries && pipe->bytes;
}

static struct memory_pair *make_pair(uint32_t depth, uint16_t queues)
{
	struct memory_pair *pair = calloc(1, sizeof(*pair) + queues * sizeof(pair->pipes[0]));
	bool is_made = true;

	if (!pair)
		return NULL;
	pair->queues = queues;
	for (unsigned i = 0; i < 2u * queues; i++)
		is_made &= open_pipe(&pair->pipes[i / 2][i % 2], depth);
	if (!is_made) {
		free_pair(pair);
		return NULL;
	}
	return pair;
}

static bool open_events(struct device *device, uint16_t queues)
{
	while (device->queues < queues) {
		int event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

		if (event < 0)
			return false;
		device->descriptors[device->queues++] = event;
	}
	return true;
}

static struct device *make_end(enum lw_layer layer, struct memory_pair *pair, unsigned side)
{
	struct memory_device *end = calloc(1, sizeof(*end));

	if (!end)
		return NULL;
	if (!open_events(&end->device, pair->queues)) {
		while (end->device.queues)
			close_fd(&end->device.descriptors[--end->device.queues]);
		free(end);
		return NULL;
	}
	end->device.ops = &memory_ops;
	end->device.layer = layer;
	end->pair = pair;
	end->side = side;
	for (uint16_t i = 0; i < pair->queues; i++)
		pair->pipes[i][side].event = end->device.descriptors[i];
	pair->references++;
	return &end->device;
}

int device_memory_pair(enum lw_layer layer, uint32_t depth, uint16_t queues, struct device **ret_a,
		       struct device **ret_b)
{
	struct memory_pair *pair;
	struct device *a, *b;

	if (depth > DEPTH_MAX || queues < 1 || queues > DEVICE_QUEUES_MAX ||
	    (layer != LW_LAYER_ETHERNET && layer != LW_LAYER_IP))
		return -EINVAL;
	pair = make_pair(depth ? depth : DEPTH_STANDARD, queues);
	if (!pair)
		return -ENOMEM;
	a = make_end(layer, pair, 0);
	if (!a) {
		free_pair(pair);
		return -ENOMEM;
	}
	b = make_end(layer, pair, 1);
	if (!b) {
		device_free(a);
		return -ENOMEM;
	}
	*ret_a = a;
	*ret_b = b;
	return 0;
}
