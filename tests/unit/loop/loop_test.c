/* SPDX-License-Identifier: MIT */
/* The loop: sources, timers by a fake clock, deferred functions, posts from other threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/memory.h"
#include "loop/loop.h"

static struct lw_loop *loop;
static uint64_t fake_ns;
static int trace[64];
static int n_trace;

static void note(int what)
{
	assert_true(n_trace < (int)ARRAY_SIZE(trace));
	trace[n_trace++] = what;
}

static uint64_t fake_clock(void *user)
{
	return *(uint64_t *)user;
}

static int with_fake_clock(void **state)
{
	static const struct lw_loop_options options = { .size = sizeof(options),
							.now_ns = fake_clock,
							.user = &fake_ns };

	(void)state;
	fake_ns = 1000000000;
	n_trace = 0;
	return lw_loop_new(&options, &loop);
}

static int with_real_clock(void **state)
{
	(void)state;
	n_trace = 0;
	return lw_loop_new(NULL, &loop);
}

static int free_loop(void **state)
{
	(void)state;
	lw_loop_free(loop);
	loop = NULL;
	return 0;
}

static void assert_trace(const int *wanted, int n)
{
	assert_int_equal(n_trace, n);
	for (int i = 0; i < n; i++)
		assert_int_equal(trace[i], wanted[i]);
	n_trace = 0;
}

#define assert_trace_is(...) \
	assert_trace((const int[]){ __VA_ARGS__ }, (int)ARRAY_SIZE(((const int[]){ __VA_ARGS__ })))

/* ---- sources */

struct gate {
	struct loop_source source;
	int number;
	void (*then)(struct gate *gate);
};

static struct gate gates[3];

static void gate_opened(struct loop_source *source, uint32_t events)
{
	struct gate *gate = container_of(source, struct gate, source);

	assert_true(events & EPOLLIN);
	note(gate->number);
	if (gate->then)
		gate->then(gate);
}

static void open_gates(void (*then)(struct gate *gate))
{
	for (int i = 0; i < (int)ARRAY_SIZE(gates); i++) {
		gates[i] = (struct gate){ .number = i, .then = then };
		gates[i].source.fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
		gates[i].source.function = gate_opened;
		assert_int_equal(loop_add(loop, &gates[i].source, EPOLLIN), 0);
	}
}

static void close_gates(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(gates); i++) {
		loop_remove(&gates[i].source);
		loop_remove(&gates[i].source);
		close_fd(&gates[i].source.fd);
	}
}

static void remove_the_others(struct gate *gate)
{
	for (int i = 0; i < (int)ARRAY_SIZE(gates); i++)
		if (i != gate->number)
			loop_remove(&gates[i].source);
}

static void mute_the_others(struct gate *gate)
{
	for (int i = 0; i < (int)ARRAY_SIZE(gates); i++)
		if (i != gate->number)
			loop_modify(&gates[i].source, 0);
}

static void replace_the_next(struct gate *gate)
{
	struct gate *next = &gates[(gate->number + 1) % 3];
	uint64_t count;

	gate->then = NULL;
	loop_remove(&next->source);
	assert_int_equal(read(next->source.fd, &count, sizeof(count)), sizeof(count));
	assert_int_equal(loop_add(loop, &next->source, EPOLLIN), 0);
}

static void loop__ready_sources__each_called_once_and_counted(void **state)
{
	(void)state;
	open_gates(NULL);
	assert_int_equal(lw_loop_dispatch(loop), 3);
	assert_trace_is(0, 1, 2);
	close_gates();
	assert_int_equal(lw_loop_dispatch(loop), 0);
}

static void loop_remove__during_the_wakeup__fetched_events_discarded(void **state)
{
	(void)state;
	open_gates(remove_the_others);
	assert_int_equal(lw_loop_dispatch(loop), 1);
	assert_trace_is(0);
	close_gates();
}

static void loop_remove__and_added_anew_during_the_wakeup__old_event_not_delivered(void **state)
{
	(void)state;
	open_gates(NULL);
	gates[0].then = replace_the_next;
	assert_int_equal(lw_loop_dispatch(loop), 2);
	assert_trace_is(0, 2);
	close_gates();
}

static void loop_modify__interest_gone_during_the_wakeup__not_delivered(void **state)
{
	(void)state;
	open_gates(mute_the_others);
	assert_int_equal(lw_loop_dispatch(loop), 1);
	assert_trace_is(0);
	loop_modify(&gates[2].source, EPOLLIN);
	gates[0].then = gates[2].then = NULL;
	assert_int_equal(lw_loop_dispatch(loop), 2);
	close_gates();
}

static void loop_add__what_cannot_be_waited_for__refused(void **state)
{
	struct loop_source source = { .function = gate_opened };

	(void)state;
	source.fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	assert_int_equal(loop_add(loop, &source, EPOLLIN), -EPERM);
	assert_null(source.loop);
	close_fd(&source.fd);
	assert_int_equal(loop_add(loop, &source, EPOLLIN), -EBADF);
	open_gates(NULL);
	assert_int_equal(loop_add(loop, &gates[0].source, EPOLLIN), -EEXIST);
	close_gates();
}

/* ---- timers */

struct alarm {
	struct loop_timer timer;
	int number;
	uint64_t again_ms; /* armed anew from its own callback; UINT64_MAX: not */
};

static struct alarm alarms[32];

static void alarm_rang(struct loop_timer *timer)
{
	struct alarm *alarm = container_of(timer, struct alarm, timer);

	note(alarm->number);
	if (alarm->again_ms != UINT64_MAX)
		loop_timer_set_in_ms(loop, timer, alarm->again_ms);
}

static void init_alarms(int n)
{
	for (int i = 0; i < n; i++) {
		alarms[i] = (struct alarm){ .number = i, .again_ms = UINT64_MAX };
		assert_int_equal(loop_timer_init(loop, &alarms[i].timer, alarm_rang), 0);
	}
}

static void done_alarms(int n)
{
	for (int i = 0; i < n; i++)
		loop_timer_done(loop, &alarms[i].timer);
}

static void timers__armed_in_any_order__run_by_time_then_by_arming(void **state)
{
	(void)state;
	init_alarms(5);
	loop_timer_set_in_ms(loop, &alarms[0].timer, 30);
	loop_timer_set_in_ms(loop, &alarms[1].timer, 10);
	loop_timer_set_in_ms(loop, &alarms[2].timer, 20);
	loop_timer_set_in_ms(loop, &alarms[3].timer, 10);
	loop_timer_set_in_ms(loop, &alarms[4].timer, 31);
	fake_ns += 9999999;
	assert_int_equal(lw_loop_timeout_ms(loop), -1);
	assert_int_equal(lw_loop_dispatch(loop), 0);
	fake_ns += 1;
	assert_int_equal(lw_loop_timeout_ms(loop), 0);
	assert_int_equal(lw_loop_dispatch(loop), 2);
	assert_trace_is(1, 3);
	fake_ns += 20000000;
	assert_int_equal(lw_loop_dispatch(loop), 2);
	assert_trace_is(2, 0);
	done_alarms(5);
}

static void timers__set_again__moved_not_doubled(void **state)
{
	(void)state;
	init_alarms(2);
	loop_timer_set_in_ms(loop, &alarms[0].timer, 1);
	loop_timer_set_in_ms(loop, &alarms[1].timer, 2);
	loop_timer_set_in_ms(loop, &alarms[0].timer, 3);
	fake_ns += 5000000;
	assert_int_equal(lw_loop_dispatch(loop), 2);
	assert_trace_is(1, 0);
	done_alarms(2);
}

static void timers__cancelled_one_by_another__does_not_run(void **state)
{
	(void)state;
	init_alarms(2);
	loop_timer_set_in_ms(loop, &alarms[0].timer, 1);
	loop_timer_set_in_ms(loop, &alarms[1].timer, 1);
	loop_timer_cancel(&alarms[0].timer);
	loop_timer_cancel(&alarms[0].timer);
	fake_ns += 1000000;
	assert_int_equal(lw_loop_dispatch(loop), 1);
	assert_trace_is(1);
	done_alarms(2);
}

static void timers__armed_for_now_by_itself__next_wakeup(void **state)
{
	(void)state;
	init_alarms(1);
	alarms[0].again_ms = 0;
	loop_timer_set_in_ms(loop, &alarms[0].timer, 0);
	assert_int_equal(lw_loop_dispatch(loop), 1);
	assert_int_equal(lw_loop_timeout_ms(loop), 0);
	assert_int_equal(lw_loop_dispatch(loop), 1);
	assert_trace_is(0, 0);
	done_alarms(1);
}

static void timers__armed_in_the_past_by_another__rest_of_the_due_still_run(void **state)
{
	(void)state;
	init_alarms(3);
	alarms[0].again_ms = 0;
	for (int i = 0; i < 3; i++)
		loop_timer_set_in_ms(loop, &alarms[i].timer, (uint64_t)i);
	fake_ns += 2000000;
	assert_int_equal(lw_loop_dispatch(loop), 3);
	assert_trace_is(0, 1, 2);
	done_alarms(3);
}

static void timers__farthest_time__does_not_wrap(void **state)
{
	(void)state;
	init_alarms(1);
	loop_timer_set_in_ms(loop, &alarms[0].timer, UINT64_MAX);
	assert_int_equal(lw_loop_dispatch(loop), 0);
	assert_true(alarms[0].timer.due_ns > UINT64_MAX / 2);
	done_alarms(1);
}

static void timers__random_order_and_removals__always_sorted(void **state)
{
	uint64_t last = 0;
	uint32_t seed = 12345;

	(void)state;
	for (int round = 0; round < 200; round++) {
		init_alarms(32);
		for (int i = 0; i < 32; i++) {
			seed = seed * 1103515245 + 12345;
			loop_timer_set_in_ms(loop, &alarms[i].timer, seed >> 16 & 15);
			if (seed >> 24 & 1)
				loop_timer_cancel(&alarms[seed >> 16 & 31 & i].timer);
		}
		fake_ns += 16000000;
		assert_true(lw_loop_dispatch(loop) >= 0);
		last = 0;
		for (int i = 0; i < n_trace; i++) {
			assert_true(alarms[trace[i]].timer.due_ns >= last);
			last = alarms[trace[i]].timer.due_ns;
		}
		n_trace = 0;
		done_alarms(32);
		assert_int_equal(lw_loop_timeout_ms(loop), -1);
	}
}

static void timer_init__more_than_allowed__refused_and_room_given_back(void **state)
{
	struct loop_timer *many = calloc(LOOP_TIMERS_MAX + 1, sizeof(*many));

	(void)state;
	assert_non_null(many);
	for (uint32_t i = 0; i < LOOP_TIMERS_MAX; i++)
		assert_int_equal(loop_timer_init(loop, &many[i], alarm_rang), 0);
	assert_int_equal(loop_timer_init(loop, &many[LOOP_TIMERS_MAX], alarm_rang), -ENOSPC);
	loop_timer_done(loop, &many[LOOP_TIMERS_MAX]);
	loop_timer_done(loop, &many[0]);
	assert_int_equal(loop_timer_init(loop, &many[LOOP_TIMERS_MAX], alarm_rang), 0);
	for (uint32_t i = 0; i <= LOOP_TIMERS_MAX; i++)
		loop_timer_done(loop, &many[i]);
	free(many);
}

static void ring_public(void *user)
{
	struct lw_timer **timer = user;

	note(7);
	lw_timer_free(*timer);
	*timer = NULL;
}

static void lw_timer__freed_in_its_own_callback__fine(void **state)
{
	struct lw_timer *timer = NULL;

	(void)state;
	assert_int_equal(lw_timer_new(NULL, ring_public, NULL, &timer), -EINVAL);
	assert_int_equal(lw_timer_new(loop, ring_public, &timer, &timer), 0);
	lw_timer_set_ms(timer, 5);
	lw_timer_cancel(timer);
	fake_ns += 5000000;
	assert_int_equal(lw_loop_dispatch(loop), 0);
	lw_timer_set_ms(timer, 0);
	assert_int_equal(lw_loop_dispatch(loop), 1);
	assert_null(timer);
	lw_timer_free(NULL);
}

/* ---- time */

static void keep_time(void *user)
{
	*(uint64_t *)user = lw_loop_now_ns(loop);
	fake_ns += 1000;
	assert_true(lw_loop_now_ns(loop) == *(uint64_t *)user);
}

static void now__inside_a_wakeup__stands_still(void **state)
{
	uint64_t seen = 0;

	(void)state;
	assert_true(lw_loop_now_ns(loop) == fake_ns);
	assert_int_equal(lw_loop_post(loop, keep_time, &seen), 0);
	assert_int_equal(lw_loop_dispatch(loop), 1);
	assert_true(seen == fake_ns - 1000);
	assert_true(lw_loop_now_ns(loop) == fake_ns);
}

static void timeout__real_clock__rounded_up_and_never_beyond_int(void **state)
{
	int timeout;

	(void)state;
	init_alarms(1);
	assert_int_equal(lw_loop_timeout_ms(loop), -1);
	loop_timer_set_in_ms(loop, &alarms[0].timer, 3600000);
	timeout = lw_loop_timeout_ms(loop);
	assert_true(timeout > 0 && timeout <= 3600000);
	loop_timer_set(loop, &alarms[0].timer, UINT64_MAX);
	assert_int_equal(lw_loop_timeout_ms(loop), INT32_MAX);
	loop_timer_set_in_ms(loop, &alarms[0].timer, 0);
	assert_int_equal(lw_loop_timeout_ms(loop), 0);
	done_alarms(1);
}

/* ---- deferred functions */

struct later {
	struct loop_deferred deferred;
	int number;
	struct later *then_defer, *then_undefer;
};

static struct later laters[3];

static void run_later(struct loop_deferred *deferred)
{
	struct later *later = container_of(deferred, struct later, deferred);

	note(later->number);
	if (later->then_defer)
		loop_defer(loop, &later->then_defer->deferred);
	if (later->then_undefer)
		loop_undefer(loop, &later->then_undefer->deferred);
}

static void init_laters(void)
{
	for (int i = 0; i < 3; i++)
		laters[i] = (struct later){ .deferred.function = run_later, .number = 10 + i };
}

static void defer_first_then_note(void *user)
{
	loop_defer(loop, &laters[0].deferred);
	loop_defer(loop, &laters[0].deferred);
	note(*(int *)user);
}

static void defer__from_a_post__after_all_posts_and_once(void **state)
{
	static int one = 1, two = 2;

	(void)state;
	init_laters();
	assert_int_equal(lw_loop_post(loop, defer_first_then_note, &one), 0);
	assert_int_equal(lw_loop_post(loop, defer_first_then_note, &two), 0);
	assert_int_equal(lw_loop_dispatch(loop), 3);
	assert_trace_is(1, 2, 10);
}

static void defer__outside_a_wakeup__next_one_without_waiting(void **state)
{
	(void)state;
	init_laters();
	loop_defer(loop, &laters[1].deferred);
	assert_int_equal(lw_loop_timeout_ms(loop), 0);
	assert_int_equal(lw_loop_dispatch(loop), 1);
	assert_trace_is(11);
	assert_int_equal(lw_loop_timeout_ms(loop), -1);
}

static void defer__by_itself_in_the_pass__next_wakeup(void **state)
{
	(void)state;
	init_laters();
	laters[0].then_defer = &laters[0];
	loop_defer(loop, &laters[0].deferred);
	assert_int_equal(lw_loop_dispatch(loop), 1);
	assert_int_equal(lw_loop_dispatch(loop), 1);
	laters[0].then_defer = NULL;
	assert_int_equal(lw_loop_dispatch(loop), 1);
	assert_int_equal(lw_loop_dispatch(loop), 0);
}

static void undefer__before_or_during_the_pass__not_run(void **state)
{
	(void)state;
	init_laters();
	for (int i = 0; i < 3; i++)
		loop_defer(loop, &laters[i].deferred);
	loop_undefer(loop, &laters[2].deferred);
	loop_undefer(loop, &laters[2].deferred);
	laters[0].then_undefer = &laters[1];
	assert_int_equal(lw_loop_dispatch(loop), 1);
	assert_trace_is(10);
	loop_defer(loop, &laters[1].deferred);
	loop_defer(loop, &laters[2].deferred);
	assert_int_equal(lw_loop_dispatch(loop), 2);
	assert_trace_is(11, 12);
}

static void loop_free__something_deferred_and_posted__runs_first(void **state)
{
	static int one = 1;

	(void)state;
	init_laters();
	assert_int_equal(lw_loop_post(loop, defer_first_then_note, &one), 0);
	lw_loop_free(loop);
	loop = NULL;
	assert_trace_is(1, 10);
	lw_loop_free(NULL);
}

static void loop_at_end__left_or_taken_back__runs_last_or_never(void **state)
{
	static int one = 1;

	(void)state;
	init_laters();
	loop_at_end(loop, &laters[1].deferred);
	loop_at_end(loop, &laters[2].deferred);
	laters[1].then_defer = &laters[0];
	loop_undefer(loop, &laters[2].deferred);
	assert_int_equal(lw_loop_timeout_ms(loop), -1);
	assert_int_equal(lw_loop_dispatch(loop), 0);
	assert_int_equal(lw_loop_post(loop, defer_first_then_note, &one), 0);
	lw_loop_free(loop);
	loop = NULL;
	assert_trace_is(1, 10, 11, 10);
}

/* ---- posts */

enum { THREADS = 4, POSTS_EACH = 5000 };

struct poster {
	pthread_t thread;
	int next; /* of the loop's thread */
	int *done;
};

static void count_post(void *user)
{
	struct poster *poster = user;

	if (++poster->next == POSTS_EACH && ++*poster->done == THREADS)
		lw_loop_stop(loop);
}

static void *post_many(void *user)
{
	for (int i = 0; i < POSTS_EACH; i++)
		while (lw_loop_post(loop, count_post, user) < 0)
			;
	return NULL;
}

static void post__from_four_threads__every_one_arrives(void **state)
{
	struct poster posters[THREADS];
	int done = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++) {
		posters[i] = (struct poster){ .done = &done };
		assert_int_equal(pthread_create(&posters[i].thread, NULL, post_many, &posters[i]),
				 0);
	}
	assert_int_equal(lw_loop_run(loop), 0);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(posters[i].thread, NULL);
		assert_int_equal(posters[i].next, POSTS_EACH);
	}
}

static void do_nothing(void *user)
{
	(void)user;
}

static void post__more_than_allowed__refused_with_nothing_queued(void **state)
{
	(void)state;
	for (int i = 0; i < LOOP_POSTS_MAX; i++)
		assert_int_equal(lw_loop_post(loop, do_nothing, NULL), 0);
	assert_int_equal(lw_loop_post(loop, do_nothing, NULL), -ENOMEM);
	assert_int_equal(lw_loop_dispatch(loop), LOOP_POSTS_MAX);
	assert_int_equal(lw_loop_post(loop, do_nothing, NULL), 0);
	assert_int_equal(lw_loop_dispatch(loop), 1);
}

static void post__as_a_guest__descriptor_becomes_readable(void **state)
{
	struct pollfd in = { .fd = lw_loop_fd(loop), .events = POLLIN };

	(void)state;
	assert_int_equal(poll(&in, 1, 0), 0);
	assert_int_equal(lw_loop_post(loop, do_nothing, NULL), 0);
	assert_int_equal(poll(&in, 1, 0), 1);
	assert_int_equal(lw_loop_dispatch(loop), 1);
	assert_int_equal(poll(&in, 1, 0), 0);
}

static void stop(void *user)
{
	(void)user;
	note(99);
	lw_loop_stop(loop);
}

static void run__stopped_by_a_timer__returns_and_can_run_again(void **state)
{
	struct lw_timer *timer = NULL;

	(void)state;
	assert_int_equal(lw_timer_new(loop, stop, NULL, &timer), 0);
	for (int i = 0; i < 2; i++) {
		lw_timer_set_ms(timer, 1);
		assert_int_equal(lw_loop_run(loop), 0);
	}
	assert_trace_is(99, 99);
	lw_timer_free(timer);
	lw_loop_stop(loop);
	assert_int_equal(lw_loop_run(loop), 0);
}

static void lw_loop_new__options_without_a_size__refused(void **state)
{
	struct lw_loop_options options = { .size = 0 };
	struct lw_loop *other = NULL;

	(void)state;
	assert_int_equal(lw_loop_new(&options, &other), -EINVAL);
	assert_int_equal(lw_loop_new(NULL, NULL), -EINVAL);
	assert_null(other);
}

int main(void)
{
#define FAKE(name) cmocka_unit_test_setup_teardown(name, with_fake_clock, free_loop)
#define REAL(name) cmocka_unit_test_setup_teardown(name, with_real_clock, free_loop)
	static const struct CMUnitTest tests[] = {
		FAKE(loop__ready_sources__each_called_once_and_counted),
		FAKE(loop_remove__during_the_wakeup__fetched_events_discarded),
		FAKE(loop_remove__and_added_anew_during_the_wakeup__old_event_not_delivered),
		FAKE(loop_modify__interest_gone_during_the_wakeup__not_delivered),
		FAKE(loop_add__what_cannot_be_waited_for__refused),
		FAKE(timers__armed_in_any_order__run_by_time_then_by_arming),
		FAKE(timers__set_again__moved_not_doubled),
		FAKE(timers__cancelled_one_by_another__does_not_run),
		FAKE(timers__armed_for_now_by_itself__next_wakeup),
		FAKE(timers__armed_in_the_past_by_another__rest_of_the_due_still_run),
		FAKE(timers__farthest_time__does_not_wrap),
		FAKE(timers__random_order_and_removals__always_sorted),
		FAKE(timer_init__more_than_allowed__refused_and_room_given_back),
		FAKE(lw_timer__freed_in_its_own_callback__fine),
		FAKE(now__inside_a_wakeup__stands_still),
		REAL(timeout__real_clock__rounded_up_and_never_beyond_int),
		FAKE(defer__from_a_post__after_all_posts_and_once),
		FAKE(defer__outside_a_wakeup__next_one_without_waiting),
		FAKE(defer__by_itself_in_the_pass__next_wakeup),
		FAKE(undefer__before_or_during_the_pass__not_run),
		FAKE(loop_free__something_deferred_and_posted__runs_first),
		FAKE(loop_at_end__left_or_taken_back__runs_last_or_never),
		REAL(post__from_four_threads__every_one_arrives),
		FAKE(post__more_than_allowed__refused_with_nothing_queued),
		FAKE(post__as_a_guest__descriptor_becomes_readable),
		REAL(run__stopped_by_a_timer__returns_and_can_run_again),
		cmocka_unit_test(lw_loop_new__options_without_a_size__refused),
	};

	return cmocka_run_group_tests_name("loop/loop", tests, NULL, NULL);
}
