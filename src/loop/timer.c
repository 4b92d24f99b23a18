/* SPDX-License-Identifier: MIT */
/* The timer heap, and the public timers over it. */
#include "loop/timer.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/memory.h"
#include "loop/loop.h"

enum { FIRST_SIZE = 16 };

int timer_heap_reserve(struct timer_heap *heap)
{
	struct loop_timer **entries;
	uint32_t size;

	if (heap->reserved == LOOP_TIMERS_MAX)
		return -ENOSPC;
	if (heap->reserved == heap->size) {
		size = heap->size ? heap->size * 2 : FIRST_SIZE;
		entries = reallocarray(heap->entries, size, sizeof(struct loop_timer *));
		if (!entries)
			return -ENOMEM;
		heap->entries = entries;
		heap->size = size;
	}
	heap->reserved++;
	return 0;
}

void timer_heap_release(struct timer_heap *heap)
{
	heap->reserved--;
}

static bool is_before(const struct loop_timer *a, const struct loop_timer *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->sequence < b->sequence;
}

static void place(struct timer_heap *heap, uint32_t slot, struct loop_timer *timer)
{
	heap->entries[slot] = timer;
	timer->slot = slot;
}

/* Let the timer sink or rise from the slot that is free for it. */
static void settle(struct timer_heap *heap, uint32_t slot, struct loop_timer *timer)
{
	while (slot > 0 && is_before(timer, heap->entries[(slot - 1) / 2])) {
		place(heap, slot, heap->entries[(slot - 1) / 2]);
		slot = (slot - 1) / 2;
	}
	for (;;) {
		uint32_t child = 2 * slot + 1;

		if (child + 1 < heap->n &&
		    is_before(heap->entries[child + 1], heap->entries[child]))
			child++;
		if (child >= heap->n || is_before(timer, heap->entries[child]))
			break;
		place(heap, slot, heap->entries[child]);
		slot = child;
	}
	place(heap, slot, timer);
}

void timer_heap_put(struct timer_heap *heap, struct loop_timer *timer)
{
	timer->sequence = ++heap->sequence;
	if (!timer->loop)
		timer->slot = heap->n++;
	settle(heap, timer->slot, timer);
}

void timer_heap_remove(struct timer_heap *heap, struct loop_timer *timer)
{
	struct loop_timer *last = heap->entries[--heap->n];

	if (last != timer)
		settle(heap, timer->slot, last);
}

struct loop_timer *timer_heap_first(const struct timer_heap *heap)
{
	return heap->n ? heap->entries[0] : NULL;
}

struct lw_timer {
	struct loop_timer entry;
	struct lw_loop *loop;
	void (*function)(void *user);
	void *user;
};

static void run_public(struct loop_timer *entry)
{
	struct lw_timer *timer = container_of(entry, struct lw_timer, entry);

	timer->function(timer->user);
}

int lw_timer_new(struct lw_loop *loop, void (*function)(void *user), void *user,
		 struct lw_timer **ret_timer)
{
	struct lw_timer *timer;
	int r;

	if (!loop || !function || !ret_timer)
		return -EINVAL;
	timer = calloc(1, sizeof(*timer));
	if (!timer)
		return -ENOMEM;
	r = loop_timer_init(loop, &timer->entry, run_public);
	if (r < 0) {
		free(timer);
		return r;
	}
	timer->loop = loop;
	timer->function = function;
	timer->user = user;
	*ret_timer = timer;
	return 0;
}

void lw_timer_set_ms(struct lw_timer *timer, uint64_t after_ms)
{
	loop_timer_set_in_ms(timer->loop, &timer->entry, after_ms);
}

void lw_timer_cancel(struct lw_timer *timer)
{
	loop_timer_cancel(&timer->entry);
}

void lw_timer_free(struct lw_timer *timer)
{
	if (!timer)
		return;
	loop_timer_done(timer->loop, &timer->entry);
	free(timer);
}
