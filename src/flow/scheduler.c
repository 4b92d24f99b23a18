/* SPDX-License-Identifier: MIT */
/* The scheduler between flow and seal: a first-in, first-out ring of bytes in which every unit is
 * contiguous. */
#include "flow/scheduler.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/types.h>

#include <longwire/packet.h>

#include "base/memory.h"

/*
 * Units lie in the ring one after the other. One that does not fit behind the last goes to the
 * beginning if the oldest has left room there, and wrap_at remembers where the bytes at the end
 * cease. The lengths of the units are a ring beside it, because what is peeked must end between two
 * of them.
 *
 *	not wrapped:	[ … | head ..... tail | … ]
 *	wrapped:	[ ..... tail | … | head ..... wrap_at | … ]
 */
enum {
	UNIT_MAX = LW_PACKET_MAX + 32, /* a frame with the headers of its unit */
	BYTES_MIN = 64 * 1024 + UNIT_MAX,
	BYTES_MAX = 64 * 1024 * 1024,
	BYTES_PER_LENGTH =
		64, /* of the smallest frame: its length takes no more room than its share */
};

struct scheduler {
	uint8_t *data; /* NULL until the first unit */
	size_t size;
	size_t head, tail, wrap_at;
	size_t bytes;           /* queued */
	size_t reserved;        /* offset of the unit that is being written */
	size_t reserved_length; /* 0: none */
	bool is_wrapped, was_used;

	uint32_t *lengths; /* what is left of each unit, oldest first */
	uint32_t n_lengths, first_length, units;
};

int scheduler_new(size_t bytes_max, struct scheduler **ret_scheduler)
{
	struct scheduler *scheduler;

	if (bytes_max < BYTES_MIN || bytes_max > BYTES_MAX)
		return -EINVAL;
	scheduler = calloc(1, sizeof(*scheduler));
	if (!scheduler)
		return -ENOMEM;
	scheduler->size = bytes_max;
	scheduler->n_lengths = (uint32_t)(bytes_max / BYTES_PER_LENGTH);
	*ret_scheduler = scheduler;
	return 0;
}

static size_t lengths_size(const struct scheduler *scheduler)
{
	return scheduler->n_lengths * sizeof(scheduler->lengths[0]);
}

void scheduler_free(struct scheduler *scheduler)
{
	if (!scheduler)
		return;
	memory_unmap(scheduler->data, scheduler->size);
	memory_unmap(scheduler->lengths, lengths_size(scheduler));
	free(scheduler);
}

static bool map(struct scheduler *scheduler)
{
	if (!scheduler->data)
		scheduler->data = memory_map(scheduler->size);
	if (!scheduler->lengths)
		scheduler->lengths = memory_map(lengths_size(scheduler));
	return scheduler->data && scheduler->lengths;
}

/* Return: the offset at which length contiguous bytes are free, or -ENOSPC. */
static ssize_t find_room(const struct scheduler *scheduler, size_t length)
{
	if (scheduler->is_wrapped) {
		bool fits = scheduler->head - scheduler->tail >= length;

		return fits ? (ssize_t)scheduler->tail : -ENOSPC;
	}
	if (scheduler->size - scheduler->tail >= length)
		return (ssize_t)scheduler->tail;
	return scheduler->head >= length ? 0 : -ENOSPC;
}

uint8_t *scheduler_reserve(struct scheduler *scheduler, uint32_t flow_hash, size_t length)
{
	ssize_t offset;

	(void)flow_hash; /* every flow is in the one queue */
	if (length == 0 || length > UNIT_MAX || scheduler->units == scheduler->n_lengths)
		return NULL;
	offset = find_room(scheduler, length);
	if (offset < 0 || !map(scheduler))
		return NULL;
	scheduler->reserved = (size_t)offset;
	scheduler->reserved_length = length;
	return scheduler->data + offset;
}

void scheduler_commit(struct scheduler *scheduler, size_t length, uint64_t now_ns)
{
	uint32_t last;

	(void)now_ns; /* nothing is dropped for its age */
	if (length == 0 || length > scheduler->reserved_length)
		return;
	if (scheduler->bytes == 0) {
		scheduler->head = scheduler->reserved;
	} else if (scheduler->reserved != scheduler->tail) {
		scheduler->wrap_at = scheduler->tail;
		scheduler->is_wrapped = true;
	}
	scheduler->tail = scheduler->reserved + length;
	scheduler->reserved_length = 0;
	scheduler->bytes += length;
	last = (scheduler->first_length + scheduler->units) % scheduler->n_lengths;
	scheduler->lengths[last] = (uint32_t)length;
	scheduler->units++;
	scheduler->was_used = true;
}

const uint8_t *scheduler_peek(struct scheduler *scheduler, size_t max, size_t *ret_length)
{
	size_t end = scheduler->is_wrapped ? scheduler->wrap_at : scheduler->tail;
	size_t run = end - scheduler->head;

	if (scheduler->bytes == 0) {
		*ret_length = 0;
		return NULL;
	}
	if (run > max) {
		uint32_t at = scheduler->first_length;

		run = scheduler->lengths[at];
		for (uint32_t i = 1; i < scheduler->units; i++) {
			at = at + 1 == scheduler->n_lengths ? 0 : at + 1;
			if (run + scheduler->lengths[at] > max)
				break;
			run += scheduler->lengths[at];
		}
	}
	*ret_length = run;
	return scheduler->data + scheduler->head;
}

static void forget_units(struct scheduler *scheduler, size_t length)
{
	while (length > 0 && scheduler->units > 0) {
		uint32_t *first = &scheduler->lengths[scheduler->first_length];
		size_t part = MIN(length, (size_t)*first);

		*first -= (uint32_t)part;
		length -= part;
		if (*first == 0) {
			scheduler->first_length =
				(scheduler->first_length + 1) % scheduler->n_lengths;
			scheduler->units--;
		}
	}
}

static void reset(struct scheduler *scheduler)
{
	scheduler->head = scheduler->tail = 0;
	scheduler->is_wrapped = false;
	scheduler->bytes = 0;
	scheduler->units = scheduler->first_length = 0;
}

void scheduler_consume(struct scheduler *scheduler, size_t length)
{
	length = MIN(length, scheduler->bytes);
	forget_units(scheduler, length);
	scheduler->head += length;
	scheduler->bytes -= length;
	if (scheduler->is_wrapped && scheduler->head == scheduler->wrap_at) {
		scheduler->head = 0;
		scheduler->is_wrapped = false;
	}
	/* A unit that is being written keeps its place. */
	if (scheduler->bytes == 0 && scheduler->reserved_length == 0)
		reset(scheduler);
}

size_t scheduler_bytes(const struct scheduler *scheduler)
{
	return scheduler->bytes;
}

bool scheduler_is_empty(const struct scheduler *scheduler)
{
	return scheduler->bytes == 0;
}

uint32_t scheduler_clear(struct scheduler *scheduler)
{
	uint32_t units = scheduler->units;

	reset(scheduler);
	scheduler->reserved_length = 0;
	return units;
}

/* Called at intervals: one whole interval without a unit is "a while". */
void scheduler_trim(struct scheduler *scheduler)
{
	if (scheduler->bytes == 0 && scheduler->reserved_length == 0 && !scheduler->was_used) {
		memory_unmap(scheduler->data, scheduler->size);
		memory_unmap(scheduler->lengths, lengths_size(scheduler));
		scheduler->data = NULL;
		scheduler->lengths = NULL;
	}
	scheduler->was_used = false;
}
