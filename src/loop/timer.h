/* SPDX-License-Identifier: MIT */
/* The heap of a loop's timers: order by due time, then by the order of arming. For loop.c alone. */
#ifndef LOOP_TIMER_H
#define LOOP_TIMER_H

#include <stdint.h>

struct loop_timer;

struct timer_heap {
	struct loop_timer **entries;
	uint32_t n;
	uint32_t reserved; /* timers that may be armed at once: room for them is there */
	uint32_t size;
	uint64_t sequence; /* of the last arming */
};

/* Make room for one timer more. 0, -ENOSPC or -ENOMEM. */
int timer_heap_reserve(struct timer_heap *heap);
void timer_heap_release(struct timer_heap *heap);
/* Insert, or move where it is already in. */
void timer_heap_put(struct timer_heap *heap, struct loop_timer *timer);
void timer_heap_remove(struct timer_heap *heap, struct loop_timer *timer);
/* Return: the next to run, or NULL. */
struct loop_timer *timer_heap_first(const struct timer_heap *heap);

#endif
