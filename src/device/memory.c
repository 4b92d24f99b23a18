/* SPDX-License-Identifier: MIT */
/*
 * Two devices back to back in memory.
 *
 * Each direction is a pipe: a ring of packet descriptions and a ring of bytes, mapped once and
 * touched as they fill. An eventfd is readable exactly while packets wait, or for ever once the
 * writer is gone; it costs a system call only when the pipe becomes empty or stops being so. A pair
 * lives on one thread, as the flows that are made of it.
 */
#include "device/device.h"

#include <errno.h>
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
	struct entry *entries;
	uint32_t depth, first, n; /* entries in use: [first, first + n) modulo depth */
	uint8_t *bytes;
	size_t start, used; /* bytes in use, modulo PIPE_BYTES */
	int event;          /* the reader's; -1 when he is gone */
	bool is_writer_gone;
};

struct memory_pair {
	struct pipe pipes[2];
	unsigned references;
};

/* An end reads pipes[side] and writes the other. */
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

static ssize_t read_packet(struct device *device, uint16_t queue, uint8_t *data, size_t size,
			   struct lw_offload *ret_offload)
{
	struct memory_device *end = container_of(device, struct memory_device, device);
	struct pipe *pipe = &end->pair->pipes[end->side];
	const struct entry *entry = &pipe->entries[pipe->first];
	ssize_t r;

	(void)queue;
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

static int write_packet(struct device *device, uint16_t queue, const struct lw_packet *packet)
{
	struct memory_device *end = container_of(device, struct memory_device, device);
	struct pipe *pipe = &end->pair->pipes[!end->side];
	struct entry *entry = &pipe->entries[(pipe->first + pipe->n) % pipe->depth];

	(void)queue;
	if (is_refused(device, packet))
		return -EINVAL;
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

static void free_pair(struct memory_pair *pair)
{
	for (unsigned i = 0; i < 2; i++) {
		memory_unmap(pair->pipes[i].entries, pair->pipes[i].depth * sizeof(struct entry));
		memory_unmap(pair->pipes[i].bytes, PIPE_BYTES);
	}
	free(pair);
}

static void free_device(struct device *device)
{
	struct memory_device *end = container_of(device, struct memory_device, device);
	struct memory_pair *pair = end->pair;

	if (pair) {
		pair->pipes[end->side].event = -1;
		pair->pipes[!end->side].is_writer_gone = true;
		raise_event(&pair->pipes[!end->side]);
		if (!--pair->references)
			free_pair(pair);
	}
	close_fd(&device->descriptors[0]);
	free(end);
}

static const struct device_ops memory_ops = { "memory", read_packet, write_packet, free_device };

static struct memory_pair *make_pair(uint32_t depth)
{
	struct memory_pair *pair = calloc(1, sizeof(*pair));

	if (!pair)
		return NULL;
	for (unsigned i = 0; i < 2; i++) {
		struct pipe *pipe = &pair->pipes[i];

		pipe->depth = depth;
		pipe->event = -1;
		pipe->entries = memory_map(depth * sizeof(struct entry));
		pipe->bytes = memory_map(PIPE_BYTES);
		if (!pipe->entries || !pipe->bytes) {
			free_pair(pair);
			return NULL;
		}
	}
	return pair;
}

static struct device *make_end(enum lw_layer layer, struct memory_pair *pair, unsigned side)
{
	struct memory_device *end = calloc(1, sizeof(*end));
	int event;

	if (!end)
		return NULL;
	event = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (event < 0) {
		free(end);
		return NULL;
	}
	end->device.ops = &memory_ops;
	end->device.layer = layer;
	end->device.queues = 1;
	end->device.descriptors[0] = event;
	end->pair = pair;
	end->side = side;
	pair->pipes[side].event = event;
	pair->references++;
	return &end->device;
}

int device_memory_pair(enum lw_layer layer, uint32_t depth, struct device **ret_a,
		       struct device **ret_b)
{
	struct memory_pair *pair;
	struct device *a, *b;

	if (depth > DEPTH_MAX || (layer != LW_LAYER_ETHERNET && layer != LW_LAYER_IP))
		return -EINVAL;
	pair = make_pair(depth ? depth : DEPTH_STANDARD);
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
