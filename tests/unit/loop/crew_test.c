/* SPDX-License-Identifier: MIT */
/* Worker threads that are held while what they share changes. Worth most under TSan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "loop/crew.h"

enum { WORKERS = 4, CHANGES = 300 };

struct scene {
	struct lw_loop *loop;
	struct crew *crew;
};

/* A descriptor that is always readable, on a worker. */
struct busy {
	struct loop_source source;
	struct loop_deferred deferred;
	struct loop_timer timer;
	struct scene *scene;
	unsigned worker;
	uint64_t *shared; /* [2]: equal at all times, of which only a holder may say otherwise */
	uint64_t wakeups, wrong, timers, deferrals;
	struct crew_ask ask;
	unsigned served;
};

static void set_up(struct scene *scene, unsigned n)
{
	assert_int_equal(lw_loop_new(NULL, &scene->loop), 0);
	assert_int_equal(crew_new(scene->loop, n, &scene->crew), 0);
}

static void tear_down(struct scene *scene)
{
	crew_free(scene->crew);
	lw_loop_free(scene->loop);
}

static void look(struct loop_source *source, uint32_t events)
{
	struct busy *busy = container_of(source, struct busy, source);

	(void)events;
	busy->wakeups++;
	busy->wrong += busy->shared[0] != busy->shared[1] || crew_self() != busy->worker;
	crew_ask(busy->scene->crew, &busy->ask);
}

static void count_deferral(struct loop_deferred *deferred)
{
	struct busy *busy = container_of(deferred, struct busy, deferred);

	busy->deferrals += 1 + (crew_self() != busy->worker);
}

static void count_timer(struct loop_timer *timer)
{
	struct busy *busy = container_of(timer, struct busy, timer);

	busy->timers += 1 + (crew_self() != busy->worker);
}

static void serve(struct crew_ask *ask)
{
	struct busy *busy = container_of(ask, struct busy, ask);

	assert_int_equal(crew_self(), 0);
	busy->served++;
	busy->shared[0]++;
	busy->shared[1]++;
}

static void make_busy(struct scene *scene, struct busy *busy, unsigned worker, uint64_t *shared)
{
	*busy = (struct busy){
		.source = { .fd = eventfd(1, EFD_CLOEXEC), .function = look },
		.deferred = { .function = count_deferral },
		.ask = { .function = serve },
		.scene = scene,
		.worker = worker,
		.shared = shared,
	};
	crew_hold(scene->crew);
	assert_int_equal(loop_timer_init(crew_loop(scene->crew, worker), &busy->timer, count_timer),
			 0);
	assert_int_equal(loop_add(crew_loop(scene->crew, worker), &busy->source, EPOLLIN), 0);
	crew_release(scene->crew);
}

static void end_busy(struct scene *scene, struct busy *busy)
{
	struct lw_loop *loop = crew_loop(scene->crew, busy->worker);

	crew_hold(scene->crew);
	loop_remove(&busy->source);
	loop_undefer(loop, &busy->deferred);
	loop_timer_done(loop, &busy->timer);
	crew_withdraw(scene->crew, &busy->ask);
	crew_withdraw(scene->crew, &busy->ask);
	crew_release(scene->crew);
	close(busy->source.fd);
}

static void new__sizes__have_bounds(void **state)
{
	struct crew *crew = NULL;
	struct scene scene;

	(void)state;
	assert_int_equal(lw_loop_new(NULL, &scene.loop), 0);
	assert_int_equal(crew_new(scene.loop, 0, &crew), -EINVAL);
	assert_int_equal(crew_new(scene.loop, CREW_MAX + 1, &crew), -EINVAL);
	assert_null(crew);
	crew_free(NULL);
	assert_int_equal(crew_size(NULL), 1);
	crew_hold(NULL);
	crew_release(NULL);
	assert_int_equal(crew_new(scene.loop, CREW_MAX, &scene.crew), 0);
	assert_int_equal(crew_size(scene.crew), CREW_MAX);
	assert_ptr_equal(crew_loop(scene.crew, 0), scene.loop);
	tear_down(&scene);
}

static void hold__busy_workers__see_no_change_half_made(void **state)
{
	struct busy busy[WORKERS - 1];
	uint64_t shared[2] = { 0, 0 };
	struct scene scene;
	bool is_served;

	(void)state;
	set_up(&scene, WORKERS);
	for (unsigned i = 1; i < WORKERS; i++)
		make_busy(&scene, &busy[i - 1], i, shared);
	for (unsigned n = 0; n < CHANGES; n++) {
		crew_hold(scene.crew);
		crew_hold(scene.crew);
		shared[0]++;
		for (unsigned i = 0; i < WORKERS - 1; i++)
			loop_defer(crew_loop(scene.crew, i + 1), &busy[i].deferred);
		crew_release(scene.crew);
		shared[1]++;
		crew_release(scene.crew);
		assert_true(lw_loop_dispatch(scene.loop) >= 0);
	}
	do {
		is_served = true;
		assert_true(lw_loop_dispatch(scene.loop) >= 0);
		for (unsigned i = 0; i < WORKERS - 1; i++)
			is_served &= busy[i].served > 0;
	} while (!is_served);
	for (unsigned i = 0; i < WORKERS - 1; i++) {
		end_busy(&scene, &busy[i]);
		assert_true(busy[i].wakeups > 0);
		assert_int_equal(busy[i].wrong, 0);
	}
	/* Nobody is told any more of what was withdrawn. */
	for (unsigned i = 0; i < WORKERS - 1; i++)
		busy[i].served = 0;
	assert_true(lw_loop_dispatch(scene.loop) >= 0);
	for (unsigned i = 0; i < WORKERS - 1; i++)
		assert_int_equal(busy[i].served, 0);
	tear_down(&scene);
}

static void release__timer_set_and_deferred_while_it_slept__wakes_the_worker(void **state)
{
	uint64_t shared[2] = { 0, 0 };
	struct busy busy;
	struct scene scene;
	uint64_t timers = 0, deferrals = 0;

	(void)state;
	set_up(&scene, 2);
	make_busy(&scene, &busy, 1, shared);
	crew_hold(scene.crew);
	loop_remove(&busy.source); /* nothing else wakes it */
	crew_release(scene.crew);
	usleep(1000);
	crew_hold(scene.crew);
	loop_timer_set_in_ms(crew_loop(scene.crew, 1), &busy.timer, 1);
	loop_defer(crew_loop(scene.crew, 1), &busy.deferred);
	crew_release(scene.crew);
	while (!timers || !deferrals) {
		usleep(1000);
		crew_hold(scene.crew);
		timers = busy.timers;
		deferrals = busy.deferrals;
		crew_release(scene.crew);
	}
	assert_int_equal(timers, 1);
	assert_int_equal(deferrals, 1);
	end_busy(&scene, &busy);
	tear_down(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new__sizes__have_bounds),
		cmocka_unit_test(hold__busy_workers__see_no_change_half_made),
		cmocka_unit_test(release__timer_set_and_deferred_while_it_slept__wakes_the_worker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
