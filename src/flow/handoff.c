/* SPDX-License-Identifier: MIT */
/* Rings of packets between workers. */
#include "flow/handoff.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "base/memory.h"
#include "loop/crew.h"

enum { CACHE_LINE = 64, ENTRY_ALIGNMENT = 16 };

/* What stands before a packet's bytes. Both are padded, so that the next one is aligned. */
struct entry {
	void *target;  /* NULL: struck out, or nothing but the rest of the ring */
	uint32_t size; /* with this and the padding */
	uint32_t length;
	uint64_t mark;
	struct lw_offload offload;
	enum lw_layer layer;
	enum lw_direction direction;
	uint16_t ether_type;
	bool has_offload;
};

/* Positions count for ever; what each side writes has a cache line of its own. */
struct ring {
	alignas(CACHE_LINE) _Atomic uint64_t head; /* the consumer's */
	alignas(CACHE_LINE) _Atomic uint64_t tail; /* the producer's */
	uint64_t seen_head;
	uint8_t *bytes;
};

struct inbox {
	alignas(CACHE_LINE) struct loop_source source; /* an eventfd */
	struct handoff *handoff;
	atomic_bool is_woken;
	struct ring from[CREW_MAX];
};

struct outbox {
	alignas(CACHE_LINE) uint32_t touched; /* a bit for each worker that got something */
};

struct handoff {
	struct crew *crew;
	const struct handoff_ops *ops;
	void *user;
	unsigned n;
	struct outbox outboxes[CREW_MAX];
	struct inbox inboxes[CREW_MAX];
};

static struct entry *entry_at(const struct ring *ring, uint64_t position)
{
	return (struct entry *)(ring->bytes + position % HANDOFF_BYTES);
}

static uint64_t room(struct ring *ring, uint64_t tail, uint64_t wanted)
{
	if (tail + wanted - ring->seen_head > HANDOFF_BYTES)
		ring->seen_head = atomic_load_explicit(&ring->head, memory_order_acquire);
	return HANDOFF_BYTES - (tail - ring->seen_head);
}

static void write_entry(struct entry *entry, uint32_t size, void *target,
			const struct lw_packet *packet, uint64_t mark)
{
	*entry = (struct entry){
		.target = target,
		.size = size,
		.length = (uint32_t)packet->length,
		.mark = mark,
		.layer = packet->layer,
		.direction = packet->direction,
		.ether_type = packet->ether_type,
		.has_offload = packet->offload != NULL,
	};
	if (packet->offload)
		entry->offload = *packet->offload;
	memcpy(entry + 1, packet->data, packet->length);
}

bool handoff_put(struct handoff *handoff, unsigned to, void *target, const struct lw_packet *packet,
		 uint64_t mark)
{
	struct ring *ring = &handoff->inboxes[to].from[crew_self()];
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
	uint64_t before_end = HANDOFF_BYTES - tail % HANDOFF_BYTES;
	size_t size = (sizeof(struct entry) + packet->length + ENTRY_ALIGNMENT - 1) /
		      ENTRY_ALIGNMENT * ENTRY_ALIGNMENT;
	/* An entry is never split: what is left at the end is skipped. */
	uint64_t skipped = size <= before_end ? 0 : before_end;

	if (packet->length > LW_PACKET_MAX || room(ring, tail, skipped + size) < skipped + size)
		return false;
	/* The rest may be too small for all of an entry, but never for its first 16 bytes. */
	if (skipped) {
		entry_at(ring, tail)->target = NULL;
		entry_at(ring, tail)->size = (uint32_t)skipped;
	}
	write_entry(entry_at(ring, tail + skipped), (uint32_t)size, target, packet, mark);
	atomic_store_explicit(&ring->tail, tail + skipped + size, memory_order_release);
	handoff->outboxes[crew_self()].touched |= 1u << to;
	return true;
}

void handoff_flush(struct handoff *handoff)
{
	uint32_t touched = handoff->outboxes[crew_self()].touched;
	uint64_t one = 1;

	if (likely(!touched))
		return;
	handoff->outboxes[crew_self()].touched = 0;
	for (unsigned i = 0; i < handoff->n; i++) {
		struct inbox *inbox = &handoff->inboxes[i];

		/* An eventfd of ours cannot fill. */
		if (touched & 1u << i && !atomic_exchange(&inbox->is_woken, true) &&
		    write(inbox->source.fd, &one, sizeof(one)) < 0)
			continue;
	}
}

/* What is there now: who produces without end does not keep us. Return: whether anything was. */
static bool empty_ring(struct handoff *handoff, struct ring *ring)
{
	uint64_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);

	if (head == tail)
		return false;
	while (head != tail) {
		const struct entry *entry = entry_at(ring, head);

		if (entry->target) {
			const struct lw_packet packet = {
				.data = (const uint8_t *)(entry + 1),
				.length = entry->length,
				.layer = entry->layer,
				.ether_type = entry->ether_type,
				.direction = entry->direction,
				.offload = entry->has_offload ? &entry->offload : NULL,
			};

			handoff->ops->give(entry->target, &packet, entry->mark, handoff->user);
		}
		head += entry->size;
		atomic_store_explicit(&ring->head, head, memory_order_release);
	}
	return true;
}

static void woken(struct loop_source *source, uint32_t events)
{
	struct inbox *inbox = container_of(source, struct inbox, source);
	struct handoff *handoff = inbox->handoff;
	bool is_any = false;
	uint64_t count;

	(void)events;
	if (read(source->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	/* First, so that whoever puts something behind our back wakes us again. */
	atomic_store(&inbox->is_woken, false);
	for (unsigned i = 0; i < handoff->n; i++)
		if (inbox->from[i].bytes)
			is_any |= empty_ring(handoff, &inbox->from[i]);
	if (is_any)
		handoff->ops->given(handoff->user);
}

void handoff_forget(struct handoff *handoff, const void *target)
{
	if (!handoff)
		return;
	for (unsigned to = 0; to < handoff->n; to++) {
		for (unsigned from = 0; from < handoff->n; from++) {
			struct ring *ring = &handoff->inboxes[to].from[from];
			uint64_t at = atomic_load(&ring->head), tail = atomic_load(&ring->tail);

			for (; at != tail; at += entry_at(ring, at)->size)
				if (entry_at(ring, at)->target == target)
					entry_at(ring, at)->target = NULL;
		}
	}
}

static int open_inbox(struct handoff *handoff, unsigned worker)
{
	struct inbox *inbox = &handoff->inboxes[worker];
	int r;

	inbox->handoff = handoff;
	inbox->source = (struct loop_source){ .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
					      .function = woken };
	if (inbox->source.fd < 0)
		return -errno;
	for (unsigned from = 0; from < handoff->n; from++) {
		if (from == worker)
			continue;
		inbox->from[from].bytes = memory_map(HANDOFF_BYTES);
		if (!inbox->from[from].bytes)
			return -ENOMEM;
	}
	crew_hold(handoff->crew);
	r = loop_add(crew_loop(handoff->crew, worker), &inbox->source, EPOLLIN);
	crew_release(handoff->crew);
	return r;
}

int handoff_new(struct crew *crew, const struct handoff_ops *ops, void *user,
		struct handoff **ret_handoff)
{
	struct handoff *handoff = aligned_alloc(CACHE_LINE, sizeof(*handoff));
	int r = 0;

	if (!handoff)
		return -ENOMEM;
	memset(handoff, 0, sizeof(*handoff));
	handoff->crew = crew;
	handoff->ops = ops;
	handoff->user = user;
	handoff->n = crew_size(crew);
	for (unsigned i = 0; i < handoff->n; i++)
		handoff->inboxes[i].source.fd = -1;
	for (unsigned i = 0; i < handoff->n && r == 0; i++)
		r = open_inbox(handoff, i);
	if (r < 0) {
		handoff_free(handoff);
		return r;
	}
	*ret_handoff = handoff;
	return 0;
}

void handoff_free(struct handoff *handoff)
{
	if (!handoff)
		return;
	crew_hold(handoff->crew);
	for (unsigned i = 0; i < handoff->n; i++)
		loop_remove(&handoff->inboxes[i].source);
	crew_release(handoff->crew);
	for (unsigned i = 0; i < handoff->n; i++) {
		close_fd(&handoff->inboxes[i].source.fd);
		for (unsigned from = 0; from < handoff->n; from++)
			memory_unmap(handoff->inboxes[i].from[from].bytes, HANDOFF_BYTES);
	}
	free(handoff);
}
