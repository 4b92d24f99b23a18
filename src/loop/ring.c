/* SPDX-License-Identifier: MIT */
/* A bounded single-producer, single-consumer ring. */
#include "loop/ring.h"

#include <errno.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { CACHE_LINE = 64, CAPACITY_MIN = 2, CAPACITY_MAX = 65536 };

/*
 * Positions count for ever and wrap; what each side writes has a cache line of its own, with the
 * side's last look at the other's position beside it, so that most operations touch nothing that
 * the other core writes.
 */
struct ring {
	alignas(CACHE_LINE) atomic_uint head; /* consumer's */
	uint32_t seen_tail;
	alignas(CACHE_LINE) atomic_uint tail; /* producer's */
	uint32_t seen_head;
	alignas(CACHE_LINE) uint32_t mask;
	void *items[];
};

int ring_new(uint32_t capacity, struct ring **ret_ring)
{
	struct ring *ring;
	size_t size;

	if (capacity < CAPACITY_MIN || capacity > CAPACITY_MAX || (capacity & (capacity - 1)))
		return -EINVAL;
	size = sizeof(*ring) + capacity * sizeof(ring->items[0]);
	ring = aligned_alloc(CACHE_LINE, (size + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
	if (!ring)
		return -ENOMEM;
	atomic_init(&ring->head, 0);
	atomic_init(&ring->tail, 0);
	ring->seen_head = ring->seen_tail = 0;
	ring->mask = capacity - 1;
	*ret_ring = ring;
	return 0;
}

void ring_free(struct ring *ring)
{
	free(ring);
}

bool ring_push(struct ring *ring, void *item)
{
	uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

	if (tail - ring->seen_head > ring->mask) {
		ring->seen_head = atomic_load_explicit(&ring->head, memory_order_acquire);
		if (tail - ring->seen_head > ring->mask)
			return false;
	}
	ring->items[tail & ring->mask] = item;
	atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
	return true;
}

void *ring_pop(struct ring *ring)
{
	uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
	void *item;

	if (head == ring->seen_tail) {
		ring->seen_tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
		if (head == ring->seen_tail)
			return NULL;
	}
	item = ring->items[head & ring->mask];
	atomic_store_explicit(&ring->head, head + 1, memory_order_release);
	return item;
}
