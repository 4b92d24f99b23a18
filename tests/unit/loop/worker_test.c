/* SPDX-License-Identifier: MIT */
/* Threads: workers, jobs and signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/memory.h"
#include "loop/loop.h"
#include "loop/signals.h"
#include "loop/worker.h"

static struct lw_loop *loop;

static int make_loop(void **state)
{
	(void)state;
	return lw_loop_new(NULL, &loop);
}

static int free_loop(void **state)
{
	(void)state;
	lw_loop_free(loop);
	return 0;
}

/* ---- workers */

static pthread_t ran_on;
static int runs;

static void note_thread(void *user)
{
	(void)user;
	ran_on = pthread_self();
	runs++;
}

static void worker__posts_before_free__all_run_on_its_thread(void **state)
{
	struct worker *worker = NULL;

	(void)state;
	runs = 0;
	assert_int_equal(worker_new("handshake", &worker), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(lw_loop_post(worker_loop(worker), note_thread, NULL), 0);
	worker_free(worker);
	assert_int_equal(runs, 100);
	assert_false(pthread_equal(ran_on, pthread_self()));
	worker_free(NULL);
}

static void worker_new__name_too_long__refused(void **state)
{
	struct worker *worker = NULL;

	(void)state;
	assert_int_equal(worker_new("0123456789abcdef", &worker), -EINVAL);
	assert_null(worker);
	assert_int_equal(worker_new("0123456789abcde", &worker), 0);
	worker_free(worker);
}

/* ---- jobs */

struct errand {
	sem_t go, gone; /* the work waits for go, discard says gone */
	atomic_int works, dones, discards;
	bool stop_when_done;
};

static void make_errand(struct errand *errand)
{
	*errand = (struct errand){ .stop_when_done = true };
	sem_init(&errand->go, 0, 0);
	sem_init(&errand->gone, 0, 0);
}

static void work(void *data)
{
	struct errand *errand = data;

	sem_wait(&errand->go);
	errand->works++;
}

static void done(void *data)
{
	struct errand *errand = data;

	errand->dones++;
	if (errand->stop_when_done)
		lw_loop_stop(loop);
}

static void discard(void *data)
{
	struct errand *errand = data;

	errand->discards++;
	sem_post(&errand->gone);
}

static void job__finished__done_on_the_loop_once(void **state)
{
	struct errand errand;
	struct job *job = NULL;

	(void)state;
	make_errand(&errand);
	assert_int_equal(job_start(loop, work, done, discard, &errand, &job), 0);
	sem_post(&errand.go);
	assert_int_equal(lw_loop_run(loop), 0);
	assert_int_equal(errand.works, 1);
	assert_int_equal(errand.dones, 1);
	assert_int_equal(errand.discards, 0);
}

static void job_abandon__while_it_works__discarded_without_the_loop(void **state)
{
	struct errand errand;
	struct job *job = NULL;

	(void)state;
	make_errand(&errand);
	assert_int_equal(job_start(loop, work, done, discard, &errand, &job), 0);
	job_abandon(job);
	sem_post(&errand.go);
	sem_wait(&errand.gone);
	assert_int_equal(errand.dones, 0);
	assert_int_equal(errand.discards, 1);
	assert_int_equal(lw_loop_dispatch(loop), 0);
	job_abandon(NULL);
}

static void job_abandon__after_the_work_before_done__discarded_on_the_loop(void **state)
{
	struct pollfd in = { .fd = lw_loop_fd(loop), .events = POLLIN };
	struct errand errand;
	struct job *job = NULL;

	(void)state;
	make_errand(&errand);
	assert_int_equal(job_start(loop, work, done, discard, &errand, &job), 0);
	sem_post(&errand.go);
	/* Readable: the job was posted, and done waits for a dispatch. */
	assert_int_equal(poll(&in, 1, -1), 1);
	job_abandon(job);
	assert_int_equal(errand.discards, 0);
	assert_int_equal(lw_loop_dispatch(loop), 1);
	assert_int_equal(errand.dones, 0);
	assert_int_equal(errand.discards, 1);
}

static void job_start__seventeenth__refused_until_one_ends(void **state)
{
	struct errand errands[17];
	struct job *jobs[17];
	int r;

	(void)state;
	for (int i = 0; i < 17; i++)
		make_errand(&errands[i]);
	for (int i = 0; i < 16; i++) {
		errands[i].stop_when_done = false;
		/* Jobs of earlier tests may still be on their last instructions. */
		do
			r = job_start(loop, work, done, discard, &errands[i], &jobs[i]);
		while (r == -EAGAIN);
		assert_int_equal(r, 0);
	}
	assert_int_equal(job_start(loop, work, done, discard, &errands[16], &jobs[16]), -EAGAIN);
	errands[0].stop_when_done = true;
	sem_post(&errands[0].go);
	assert_int_equal(lw_loop_run(loop), 0);
	assert_int_equal(job_start(loop, work, done, discard, &errands[16], &jobs[16]), 0);
	for (int i = 1; i < 17; i++)
		sem_post(&errands[i].go);
	for (int i = 1; i < 17; i++)
		while (errands[i].dones == 0)
			assert_true(lw_loop_dispatch(loop) >= 0);
}

/* ---- signals */

static int signalled[2];

static void note_signal(int number, void *user)
{
	(void)user;
	signalled[number == SIGUSR2]++;
}

static void signals__raised__delivered_on_the_loop_and_mask_restored(void **state)
{
	static const int wanted[] = { SIGUSR1, SIGUSR2, 0 };
	struct signals *signals = NULL;
	struct sigaction pipe_action;
	sigset_t before, after;

	(void)state;
	pthread_sigmask(SIG_SETMASK, NULL, &before);
	assert_int_equal(signals_new(loop, wanted, note_signal, NULL, &signals), 0);
	sigaction(SIGPIPE, NULL, &pipe_action);
	assert_true(pipe_action.sa_handler == SIG_IGN);
	raise(SIGUSR1);
	raise(SIGUSR2);
	assert_int_equal(lw_loop_dispatch(loop), 1);
	assert_int_equal(lw_loop_dispatch(loop), 1);
	assert_int_equal(signalled[0], 1);
	assert_int_equal(signalled[1], 1);
	/* One that is still waiting must not end the program as soon as the mask is as before. */
	raise(SIGUSR1);
	signals_free(signals);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	assert_int_equal(sigismember(&after, SIGUSR1), sigismember(&before, SIGUSR1));
	sigaction(SIGPIPE, NULL, &pipe_action);
	assert_true(pipe_action.sa_handler == SIG_DFL);
	signals_free(NULL);
}

int main(void)
{
#define LOOP_TEST(name) cmocka_unit_test_setup_teardown(name, make_loop, free_loop)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(worker__posts_before_free__all_run_on_its_thread),
		cmocka_unit_test(worker_new__name_too_long__refused),
		LOOP_TEST(job__finished__done_on_the_loop_once),
		LOOP_TEST(job_abandon__while_it_works__discarded_without_the_loop),
		LOOP_TEST(job_abandon__after_the_work_before_done__discarded_on_the_loop),
		LOOP_TEST(job_start__seventeenth__refused_until_one_ends),
		LOOP_TEST(signals__raised__delivered_on_the_loop_and_mask_restored),
	};

	return cmocka_run_group_tests_name("loop/worker", tests, NULL, NULL);
}
