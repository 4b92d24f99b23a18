/* SPDX-License-Identifier: MIT */
/*
 * The event loop, as the rest of the house sees it. The public face is longwire/loop.h.
 *
 * Theory of operation. One epoll set, level-triggered; a source embeds its callback and is
 * recovered with container_of. A wake-up runs: cache the time → ready descriptors (at most 64) →
 * due timers → posted functions → deferred functions. Objects are never freed under a callback that
 * may be on the stack: loop_defer() runs after everything else of the wake-up. Removing a source
 * during a wake-up is safe: an event already fetched for it is discarded. Timers are a binary heap
 * of embedded entries, in nanoseconds of the loop's clock, and waited for to the microsecond
 * (loop/wait.h); with a fake clock they fire when the test has moved it and dispatches: such a loop
 * never waits for them. The loop's clock counts while the machine sleeps; the time that epoll waits
 * does not, so a timerfd that the kernel cancels when the machine wakes ends the wait. What is armed
 * or deferred by a timer or a deferred function waits for the next wake-up, so that none can keep
 * the loop from its descriptors. lw_loop_free() first runs what is still deferred or posted, since
 * that may be what frees an object.
 *
 * A loop of a worker can be held by another thread: loop_hold() waits until its wake-up is over,
 * and until loop_release() it sleeps, or waits where its next wake-up would begin. The holder is
 * then its thread: it may add and remove sources, set timers and touch whatever only that loop's
 * callbacks touch, with no other lock. A loop that waits in the kernel is held at once; one that
 * works pays one uncontended lock for each wake-up.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include <longwire/loop.h>

struct loop_source;
struct loop_timer;
struct loop_deferred;

typedef void loop_source_fn(struct loop_source *source, uint32_t events); /* EPOLL… bits */
typedef void loop_timer_fn(struct loop_timer *timer);
typedef void loop_deferred_fn(struct loop_deferred *deferred);

/* Zero-initialised is "not added". The owner sets fd and function and keeps the struct until it is
 * removed. */
struct loop_source {
	int fd;
	uint32_t events;
	loop_source_fn *function;
	struct lw_loop *loop; /* NULL: not added */
};

struct loop_timer {
	loop_timer_fn *function;
	uint64_t due_ns;
	uint64_t sequence; /* of its arming: equal times run in the order in which they were set */
	struct lw_loop *loop; /* NULL: not armed */
	uint32_t slot;
};

struct loop_deferred {
	loop_deferred_fn *function;
	struct loop_deferred *next;
	bool is_queued;
};

/* A post whose room is the poster's: it cannot fail. Kept by the poster until it has run. */
struct loop_post {
	void (*function)(void *user);
	void *user;
	struct loop_post *next;
	bool is_allocated; /* by lw_loop_post, which frees it */
};

enum {
	LOOP_SOURCES_MAX = 16384,
	LOOP_TIMERS_MAX = 65536,
	LOOP_EVENTS_PER_WAKEUP = 64,
	LOOP_POSTS_MAX = 65536, /* by lw_loop_post, waiting */
};

/* Register source->fd for events. 0, or a negative errno (-EPERM: a regular file; -ENOSPC,
 * -ENOMEM). */
int loop_add(struct lw_loop *loop, struct loop_source *source, uint32_t events);
/* Change interest; cheap when nothing changes. The source must be added. */
void loop_modify(struct loop_source *source, uint32_t events);
/* Idempotent. Does not close the descriptor. */
void loop_remove(struct loop_source *source);

/*
 * Arm or move; cannot fail: room for a timer is reserved by loop_timer_init and given back by
 * loop_timer_done.
 */
int loop_timer_init(struct lw_loop *loop, struct loop_timer *timer, loop_timer_fn *function);
void loop_timer_set(struct lw_loop *loop, struct loop_timer *timer, uint64_t due_ns);
void loop_timer_set_in_ms(struct lw_loop *loop, struct loop_timer *timer, uint64_t after_ms);
void loop_timer_cancel(struct loop_timer *timer);
void loop_timer_done(struct lw_loop *loop,
		     struct loop_timer *timer); /* cancels; accepts one never initialised */

/* Run after everything else of this wake-up (or of the next, if none is under way). Once per call;
 * idempotent while queued. */
void loop_defer(struct lw_loop *loop, struct loop_deferred *deferred);
void loop_undefer(struct lw_loop *loop, struct loop_deferred *deferred);
/* Run when the loop is freed, unless undeferred before: the last chance of what waits for an answer
 * that never came. */
void loop_at_end(struct lw_loop *loop, struct loop_deferred *deferred);

/* lw_loop_post() without an allocation; from any thread. post->function and ->user are set by the
 * poster. */
void loop_post(struct lw_loop *loop, struct loop_post *post);

/* A loop that can be held, with the clock of model, for a thread whose loop_worker_number it is. */
int loop_new_holdable(const struct lw_loop *model, unsigned number, struct lw_loop **ret_loop);
/* From one thread that is not its own; it must not be held already. */
void loop_hold(struct lw_loop *loop);
void loop_release(struct lw_loop *loop);

/* The number of the loop that this thread runs; 0 for any but a worker's. */
extern _Thread_local unsigned loop_worker_number;

/* One object of whoever works on this loop's thread, to be found by the loop; taken away again before
 * the loop is freed. */
void *loop_local(const struct lw_loop *loop);
void loop_set_local(struct lw_loop *loop, void *local);

static inline uint64_t loop_now_ms(const struct lw_loop *loop)
{
	return lw_loop_now_ns(loop) / 1000000;
}

/* Asserts, in debug builds, that the caller is on the loop's thread. */
void loop_assert_thread(const struct lw_loop *loop);

#endif
