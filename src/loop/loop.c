/* SPDX-License-Identifier: MIT */
/* The event loop. */
#include "loop/loop.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>

#include "base/memory.h"
#include "base/value.h"
#include "loop/timer.h"
#include "loop/wait.h"

struct posts {
	pthread_mutex_t lock;
	struct loop_post *first, **last;
	uint32_t n_allocated;
};

struct deferred_queue {
	struct loop_deferred *first, **last;
};

struct lw_loop {
	int epoll;
	struct loop_source wake;   /* an eventfd: something was posted */
	struct loop_source resume; /* a timerfd: the machine has slept, or its clock was set */
	uint32_t n_sources;

	struct epoll_event events[LOOP_EVENTS_PER_WAKEUP];
	int n_events; /* of the present wake-up */

	struct timer_heap timers;
	struct deferred_queue deferred; /* waiting */
	struct deferred_queue running;  /* taken by the present pass, not yet run */
	struct deferred_queue ending;   /* waiting for lw_loop_free */
	struct posts posts;
	void *local;

	uint64_t (*clock)(void *user);
	void *clock_user;
	uint64_t now_ns; /* valid while is_dispatching */
	bool is_dispatching;
	bool is_stopped;
	_Atomic(pthread_t) thread;

	/* Of a loop that can be held: pass is taken for each wake-up, and by the holder. */
	bool is_holdable;
	unsigned number;
	atomic_bool is_wanted;
	pthread_mutex_t pass, gate;
	pthread_t owner;
	uint32_t removals;      /* of sources */
	uint64_t held_sequence; /* of timers, when it was held */
};

_Thread_local unsigned loop_worker_number;

static uint64_t boot_clock(void *user)
{
	struct timespec now;

	(void)user;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- posts */

static void queue_post(struct lw_loop *loop, struct loop_post *post)
{
	bool was_empty = !loop->posts.first;
	uint64_t one = 1;

	post->next = NULL;
	*loop->posts.last = post;
	loop->posts.last = &post->next;
	/* Written under the lock, so that the loop cannot be freed between the two. It cannot
	 * block: its count is tiny. */
	if (was_empty && write(loop->wake.fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
}

void loop_post(struct lw_loop *loop, struct loop_post *post)
{
	post->is_allocated = false;
	pthread_mutex_lock(&loop->posts.lock);
	queue_post(loop, post);
	pthread_mutex_unlock(&loop->posts.lock);
}

int lw_loop_post(struct lw_loop *loop, void (*function)(void *user), void *user)
{
	struct loop_post *post = malloc(sizeof(*post));
	bool is_full;

	if (!post)
		return -ENOMEM;
	*post = (struct loop_post){ .function = function, .user = user, .is_allocated = true };
	pthread_mutex_lock(&loop->posts.lock);
	is_full = loop->posts.n_allocated == LOOP_POSTS_MAX;
	if (!is_full) {
		loop->posts.n_allocated++;
		queue_post(loop, post);
	}
	pthread_mutex_unlock(&loop->posts.lock);
	if (is_full)
		free(post);
	return is_full ? -ENOMEM : 0;
}

static void drain_wake(struct loop_source *source, uint32_t events)
{
	uint64_t count;

	(void)events;
	/* Only a wake-up: the list says what there is, also when there is nothing to read. */
	if (read(source->fd, &count, sizeof(count)) < 0)
		return;
}

/*
 * A timer at the end of time, which the kernel cancels whenever the wall clock moves against the
 * monotonic one. It does when the machine wakes.
 */
static void arm_resume(struct lw_loop *loop)
{
	const struct itimerspec never = { .it_value.tv_sec = INT64_C(9000000000) };

	(void)timerfd_settime(loop->resume.fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never,
			      NULL);
}

/* Only a wake-up: timers are looked at by the clock. */
static void drain_resume(struct loop_source *source, uint32_t events)
{
	uint64_t count;

	(void)events;
	if (read(source->fd, &count, sizeof(count)) < 0 && errno == ECANCELED)
		arm_resume(source->loop);
}

static int run_posts(struct lw_loop *loop)
{
	struct loop_post *post;
	int n = 0;

	pthread_mutex_lock(&loop->posts.lock);
	post = loop->posts.first;
	loop->posts.first = NULL;
	loop->posts.last = &loop->posts.first;
	loop->posts.n_allocated = 0;
	pthread_mutex_unlock(&loop->posts.lock);

	while (post) {
		struct loop_post present = *post;

		/* The function may free what its post stands in. */
		if (present.is_allocated)
			free(post);
		present.function(present.user);
		post = present.next;
		n++;
	}
	return n;
}

/* ---- deferred functions */

static void queue_init(struct deferred_queue *queue)
{
	queue->first = NULL;
	queue->last = &queue->first;
}

static struct loop_deferred *queue_take(struct deferred_queue *queue)
{
	struct loop_deferred *first = queue->first;

	if (!first)
		return NULL;
	queue->first = first->next;
	if (!queue->first)
		queue->last = &queue->first;
	return first;
}

static bool queue_remove(struct deferred_queue *queue, struct loop_deferred *deferred)
{
	struct loop_deferred **at = &queue->first;

	while (*at && *at != deferred)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = deferred->next;
	if (queue->last == &deferred->next)
		queue->last = at;
	return true;
}

static void queue_append(struct deferred_queue *queue, struct loop_deferred *deferred)
{
	if (deferred->is_queued)
		return;
	deferred->is_queued = true;
	deferred->next = NULL;
	*queue->last = deferred;
	queue->last = &deferred->next;
}

void loop_defer(struct lw_loop *loop, struct loop_deferred *deferred)
{
	loop_assert_thread(loop);
	queue_append(&loop->deferred, deferred);
}

void loop_at_end(struct lw_loop *loop, struct loop_deferred *deferred)
{
	loop_assert_thread(loop);
	queue_append(&loop->ending, deferred);
}

void loop_undefer(struct lw_loop *loop, struct loop_deferred *deferred)
{
	if (!deferred->is_queued)
		return;
	deferred->is_queued = false;
	if (!queue_remove(&loop->running, deferred) && !queue_remove(&loop->deferred, deferred))
		queue_remove(&loop->ending, deferred);
}

/* Run all of queue; what is queued meanwhile waits for the next time. */
static int run_queue(struct lw_loop *loop, struct deferred_queue *queue)
{
	struct loop_deferred *deferred;
	int n = 0;

	if (!queue->first)
		return 0;
	loop->running = *queue;
	queue_init(queue);
	while ((deferred = queue_take(&loop->running))) {
		deferred->is_queued = false;
		deferred->function(deferred);
		n++;
	}
	return n;
}

/* ---- timers */

int loop_timer_init(struct lw_loop *loop, struct loop_timer *timer, loop_timer_fn *function)
{
	int r = timer_heap_reserve(&loop->timers);

	if (r < 0)
		return r;
	*timer = (struct loop_timer){ .function = function };
	return 0;
}

void loop_timer_set(struct lw_loop *loop, struct loop_timer *timer, uint64_t due_ns)
{
	loop_assert_thread(loop);
	/* Never before now: what is armed while timers run must come behind all that are due. */
	timer->due_ns = MAX(due_ns, lw_loop_now_ns(loop));
	timer_heap_put(&loop->timers, timer);
	timer->loop = loop;
}

void loop_timer_set_in_ms(struct lw_loop *loop, struct loop_timer *timer, uint64_t after_ms)
{
	uint64_t now_ns = lw_loop_now_ns(loop);
	uint64_t most_ms = (UINT64_MAX - now_ns) / 1000000;

	loop_timer_set(loop, timer, now_ns + MIN(after_ms, most_ms) * 1000000);
}

void loop_timer_cancel(struct loop_timer *timer)
{
	if (!timer->loop)
		return;
	timer_heap_remove(&timer->loop->timers, timer);
	timer->loop = NULL;
}

void loop_timer_done(struct lw_loop *loop, struct loop_timer *timer)
{
	if (!timer->function)
		return;
	loop_timer_cancel(timer);
	timer_heap_release(&loop->timers);
	timer->function = NULL;
}

/* Run what is due and was armed before this wake-up (up to the sequence number). */
static int run_timers(struct lw_loop *loop, uint64_t sequence)
{
	struct loop_timer *timer;
	int n = 0;

	while ((timer = timer_heap_first(&loop->timers)) && timer->due_ns <= loop->now_ns &&
	       timer->sequence <= sequence) {
		loop_timer_cancel(timer);
		timer->function(timer);
		n++;
	}
	return n;
}

/* ---- sources */

int loop_add(struct lw_loop *loop, struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	loop_assert_thread(loop);
	if (source->loop)
		return -EEXIST;
	if (loop->n_sources == LOOP_SOURCES_MAX)
		return -ENOSPC;
	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, source->fd, &event) < 0)
		return -errno;
	source->events = events;
	source->loop = loop;
	loop->n_sources++;
	return 0;
}

void loop_modify(struct loop_source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	assert(source->loop);
	if (source->events == events)
		return;
	source->events = events;
	/* The descriptor is in the set; there is nothing that could be refused. */
	if (epoll_ctl(source->loop->epoll, EPOLL_CTL_MOD, source->fd, &event) < 0)
		assert(!"a source's descriptor was closed before it was removed");
}

void loop_remove(struct loop_source *source)
{
	struct lw_loop *loop = source->loop;

	if (!loop)
		return;
	loop_assert_thread(loop);
	/* It fails only for a descriptor that is closed, which left the set by itself. */
	(void)epoll_ctl(loop->epoll, EPOLL_CTL_DEL, source->fd, NULL);
	for (int i = 0; i < loop->n_events; i++)
		if (loop->events[i].data.ptr == source)
			loop->events[i].data.ptr = NULL;
	source->loop = NULL;
	loop->n_sources--;
	loop->removals++;
}

static int run_sources(struct lw_loop *loop)
{
	int n = 0;

	for (int i = 0; i < loop->n_events; i++) {
		struct loop_source *source = loop->events[i].data.ptr;
		uint32_t events = loop->events[i].events;

		if (!source)
			continue;
		/* Interest may have gone since the event was fetched. */
		events &= source->events | EPOLLERR | EPOLLHUP;
		if (!events)
			continue;
		source->function(source, events);
		if (source != &loop->wake && source != &loop->resume)
			n++;
	}
	loop->n_events = 0;
	return n;
}

/* ---- the loop */

static int open_descriptors(struct lw_loop *loop)
{
	int r;

	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0)
		return -errno;
	loop->wake.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->wake.fd < 0)
		return -errno;
	loop->wake.function = drain_wake;
	loop->resume.fd = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop->resume.fd < 0)
		return -errno;
	loop->resume.function = drain_resume;
	arm_resume(loop);
	r = loop_add(loop, &loop->wake, EPOLLIN);
	return r < 0 ? r : loop_add(loop, &loop->resume, EPOLLIN);
}

int lw_loop_new(const struct lw_loop_options *given, struct lw_loop **ret_loop)
{
	struct lw_loop_options options = { 0 };
	struct lw_loop *loop;
	int r;

	if (!ret_loop || (given && !value_take(&options, sizeof(options), given)))
		return -EINVAL;
	loop = calloc(1, sizeof(*loop));
	if (!loop)
		return -ENOMEM;
	loop->epoll = loop->wake.fd = loop->resume.fd = -1;
	loop->clock = boot_clock;
	if (options.now_ns) {
		loop->clock = options.now_ns;
		loop->clock_user = options.user;
	}
	queue_init(&loop->deferred);
	queue_init(&loop->running);
	queue_init(&loop->ending);
	pthread_mutex_init(&loop->posts.lock, NULL);
	pthread_mutex_init(&loop->pass, NULL);
	pthread_mutex_init(&loop->gate, NULL);
	loop->posts.last = &loop->posts.first;
	atomic_store(&loop->thread, pthread_self());
	r = open_descriptors(loop);
	if (r < 0) {
		lw_loop_free(loop);
		return r;
	}
	*ret_loop = loop;
	return 0;
}

void lw_loop_free(struct lw_loop *loop)
{
	if (!loop)
		return;
	assert(!loop->is_dispatching);
	atomic_store(&loop->thread, pthread_self());
	do
		while (run_posts(loop) + run_queue(loop, &loop->deferred) > 0)
			;
	while (run_queue(loop, &loop->ending) > 0);
	loop_remove(&loop->wake);
	loop_remove(&loop->resume);
	assert(loop->n_sources == 0 && loop->timers.n == 0 && !loop->local);
	close_fd(&loop->wake.fd);
	close_fd(&loop->resume.fd);
	close_fd(&loop->epoll);
	pthread_mutex_destroy(&loop->posts.lock);
	pthread_mutex_destroy(&loop->pass);
	pthread_mutex_destroy(&loop->gate);
	free(loop->timers.entries);
	free(loop);
}

void *loop_local(const struct lw_loop *loop)
{
	return loop->local;
}

void loop_set_local(struct lw_loop *loop, void *local)
{
	loop->local = local;
}

int lw_loop_fd(const struct lw_loop *loop)
{
	return loop->epoll;
}

uint64_t lw_loop_now_ns(const struct lw_loop *loop)
{
	/* Between wake-ups a cached time would be old: a guest may call us after an hour of
	 * silence. */
	return loop->is_dispatching ? loop->now_ns : loop->clock(loop->clock_user);
}

int64_t lw_loop_timeout_ns(struct lw_loop *loop)
{
	const struct loop_timer *first = timer_heap_first(&loop->timers);
	uint64_t now_ns;

	if (loop->deferred.first || loop->is_stopped)
		return 0;
	if (!first)
		return -1;
	now_ns = lw_loop_now_ns(loop);
	if (first->due_ns <= now_ns)
		return 0;
	if (loop->clock != boot_clock)
		return -1;
	return (int64_t)MIN(first->due_ns - now_ns, (uint64_t)INT64_MAX);
}

int lw_loop_timeout_ms(struct lw_loop *loop)
{
	return wait_in_ms(lw_loop_timeout_ns(loop));
}

/* ---- being held */

/* Before and after a wake-up's work. Who wants the loop goes first: a lock alone would favour the
 * thread that had it last. */
static void enter_pass(struct lw_loop *loop)
{
	if (!loop->is_holdable)
		return;
	if (atomic_load(&loop->is_wanted)) {
		pthread_mutex_lock(&loop->gate);
		pthread_mutex_unlock(&loop->gate);
	}
	pthread_mutex_lock(&loop->pass);
}

static void leave_pass(struct lw_loop *loop)
{
	if (loop->is_holdable)
		pthread_mutex_unlock(&loop->pass);
}

int loop_new_holdable(const struct lw_loop *model, unsigned number, struct lw_loop **ret_loop)
{
	struct lw_loop *loop;
	int r = lw_loop_new(NULL, &loop);

	if (r < 0)
		return r;
	loop->clock = model->clock;
	loop->clock_user = model->clock_user;
	loop->is_holdable = true;
	loop->number = number;
	*ret_loop = loop;
	return 0;
}

void loop_hold(struct lw_loop *loop)
{
	assert(loop->is_holdable);
	pthread_mutex_lock(&loop->gate);
	atomic_store(&loop->is_wanted, true);
	pthread_mutex_lock(&loop->pass);
	loop->owner = atomic_load(&loop->thread);
	atomic_store(&loop->thread, pthread_self());
	loop->held_sequence = loop->timers.sequence;
}

void loop_release(struct lw_loop *loop)
{
	/* It may be waiting, and for longer than it should now. */
	bool is_late = loop->deferred.first || loop->timers.sequence != loop->held_sequence;
	uint64_t one = 1;

	atomic_store(&loop->thread, loop->owner);
	if (is_late && write(loop->wake.fd, &one, sizeof(one)) < 0)
		assert(errno == EAGAIN);
	pthread_mutex_unlock(&loop->pass);
	atomic_store(&loop->is_wanted, false);
	pthread_mutex_unlock(&loop->gate);
}

/* ---- the loop */

static int dispatch_events(struct lw_loop *loop, int n_events)
{
	uint64_t sequence;
	int n;

	loop->n_events = n_events;
	loop->now_ns = loop->clock(loop->clock_user);
	loop->is_dispatching = true;
	sequence = loop->timers.sequence;
	n = run_sources(loop);
	n += run_timers(loop, sequence);
	n += run_posts(loop);
	n += run_queue(loop, &loop->deferred);
	loop->is_dispatching = false;
	return n;
}

/* Within a pass, which is left while the kernel waits. */
static int wait_and_dispatch(struct lw_loop *loop, int64_t timeout_ns)
{
	uint32_t removals = loop->removals;
	int n;

	assert(!loop->is_dispatching);
	leave_pass(loop);
	n = wait_for_events(loop->epoll, loop->events, LOOP_EVENTS_PER_WAKEUP, timeout_ns);
	if (n == -EINTR)
		n = 0;
	enter_pass(loop);
	atomic_store_explicit(&loop->thread, pthread_self(), memory_order_relaxed);
	if (n < 0)
		return n;
	/* One of them may be of a source that a holder took out: the others will be told again. */
	if (loop->removals != removals)
		n = 0;
	return dispatch_events(loop, n);
}

int lw_loop_dispatch(struct lw_loop *loop)
{
	int n;

	enter_pass(loop);
	n = wait_and_dispatch(loop, 0);
	leave_pass(loop);
	return n;
}

int lw_loop_run(struct lw_loop *loop)
{
	int slack_ns = wait_set_slack(WAIT_SLACK_NS), r = 0;

	loop_worker_number = loop->number;
	enter_pass(loop);
	while (!loop->is_stopped && r >= 0)
		r = wait_and_dispatch(loop, lw_loop_timeout_ns(loop));
	if (r >= 0)
		loop->is_stopped = false;
	leave_pass(loop);
	if (slack_ns > 0)
		(void)wait_set_slack(slack_ns);
	return MIN(r, 0);
}

void lw_loop_stop(struct lw_loop *loop)
{
	loop->is_stopped = true;
}

void loop_assert_thread(const struct lw_loop *loop)
{
	assert(pthread_equal(atomic_load_explicit(&loop->thread, memory_order_relaxed),
			     pthread_self()));
	(void)loop;
}
