/* SPDX-License-Identifier: MIT */
/* The event loop: our own thread of control, or a guest in the host program's. */
#ifndef LONGWIRE_LOOP_H
#define LONGWIRE_LOOP_H

#include <longwire/api.h>

LW_BEGIN

struct lw_loop;
struct lw_timer;

struct lw_loop_options {
	size_t size;
	/* Nanoseconds that never go back; NULL: CLOCK_BOOTTIME. A test gives its own and moves
	 * it. */
	uint64_t (*now_ns)(void *user);
	void *user;
};

/* Make a loop; options may be NULL. Free it last: objects made on it hold it. */
LW_API LW_MUST_CHECK int lw_loop_new(const struct lw_loop_options *options,
				     struct lw_loop **ret_loop);
LW_API void lw_loop_free(struct lw_loop *loop);

/* Dispatch until lw_loop_stop(). Meanwhile the thread has little timer slack (prctl(2)). Return: 0,
 * or a negative errno when the kernel refused to wait. */
LW_API LW_MUST_CHECK int lw_loop_run(struct lw_loop *loop);
LW_API void lw_loop_stop(struct lw_loop *loop);

/*
 * As a guest: wait until lw_loop_fd() is readable or the timeout has passed (-1: no limit), then
 * lw_loop_dispatch(), which never blocks. In milliseconds it is rounded up: who impairs a link by
 * less, or by a high rate, wants nanoseconds. Return of dispatch: the number of callbacks run, or a
 * negative errno.
 */
LW_API int lw_loop_fd(const struct lw_loop *loop);
LW_API int lw_loop_timeout_ms(struct lw_loop *loop);
LW_API int64_t lw_loop_timeout_ns(struct lw_loop *loop);
LW_API LW_MUST_CHECK int lw_loop_dispatch(struct lw_loop *loop);

/* Time of the present wake-up, in nanoseconds of the loop's clock. */
LW_API uint64_t lw_loop_now_ns(const struct lw_loop *loop);

/*
 * Run function(user) on the loop's thread, soon. The only call that any thread may make.
 * Return: 0, or -ENOMEM with nothing queued.
 */
LW_API LW_MUST_CHECK int lw_loop_post(struct lw_loop *loop, void (*function)(void *user),
				      void *user);

/* A one-shot timer; setting it again moves it. after_ms 0 means the next wake-up. */
LW_API LW_MUST_CHECK int lw_timer_new(struct lw_loop *loop, void (*function)(void *user),
				      void *user, struct lw_timer **ret_timer);
LW_API void lw_timer_set_ms(struct lw_timer *timer, uint64_t after_ms);
LW_API void lw_timer_cancel(struct lw_timer *timer);
LW_API void lw_timer_free(struct lw_timer *timer);

LW_END

#endif
