/* SPDX-License-Identifier: MIT */
/* Threads with a purpose. */
#include "loop/worker.h"

#include <assert.h>
#include <errno.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "loop/loop.h"

enum { NAME_SIZE = 16, JOBS_MAX = 16 };

/* No signal is delivered to our threads: they are for the host's own, or for a signalfd. */
static int make_thread(pthread_t *thread, const pthread_attr_t *attributes,
		       void *(*function)(void *), void *user)
{
	sigset_t all, old;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	r = pthread_create(thread, attributes, function, user);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -r;
}

/*
 * What runs beside the loop touches bytes from the network or waits for names, and needs none of the
 * privileges that the program may have. Capabilities are a thread's own, so only it can give them up.
 */
static void give_up_capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	static const struct __user_cap_data_struct nothing[_LINUX_CAPABILITY_U32S_3];

	/* Fewer capabilities are always allowed. */
	(void)syscall(SYS_capset, &header, nothing);
}

struct worker {
	struct lw_loop *loop;
	pthread_t thread;
	struct loop_post last; /* the post that stops it */
	char name[NAME_SIZE];
};

static void *run_worker(void *user)
{
	struct worker *worker = user;
	int r;

	pthread_setname_np(pthread_self(), worker->name);
	give_up_capabilities();
	r = lw_loop_run(worker->loop);
	if (r < 0)
		log_error("worker %s ended: %s", worker->name, strerror(-r));
	return NULL;
}

/* On a loop that it owns in any case. */
static int start_worker(const char *name, struct lw_loop *loop, struct worker **ret_worker)
{
	struct worker *worker;
	int r = 0;

	worker = strlen(name) < NAME_SIZE ? calloc(1, sizeof(*worker)) : NULL;
	if (!worker) {
		lw_loop_free(loop);
		return strlen(name) < NAME_SIZE ? -ENOMEM : -EINVAL;
	}
	memcpy(worker->name, name, strlen(name) + 1);
	worker->loop = loop;
	r = make_thread(&worker->thread, NULL, run_worker, worker);
	if (r < 0) {
		lw_loop_free(worker->loop);
		free(worker);
		return r;
	}
	*ret_worker = worker;
	return 0;
}

int worker_new(const char *name, struct worker **ret_worker)
{
	struct lw_loop *loop;
	int r = lw_loop_new(NULL, &loop);

	return r < 0 ? r : start_worker(name, loop, ret_worker);
}

int worker_new_holdable(const char *name, const struct lw_loop *model, unsigned number,
			struct worker **ret_worker)
{
	struct lw_loop *loop;
	int r = loop_new_holdable(model, number, &loop);

	return r < 0 ? r : start_worker(name, loop, ret_worker);
}

struct lw_loop *worker_loop(struct worker *worker)
{
	return worker->loop;
}

static void stop_worker(void *user)
{
	struct worker *worker = user;

	lw_loop_stop(worker->loop);
}

void worker_free(struct worker *worker)
{
	if (!worker)
		return;
	assert(!pthread_equal(worker->thread, pthread_self()));
	worker->last.function = stop_worker;
	worker->last.user = worker;
	loop_post(worker->loop, &worker->last);
	pthread_join(worker->thread, NULL);
	lw_loop_free(worker->loop);
	free(worker);
}

struct start {
	char name[NAME_SIZE];
	void *(*function)(void *user);
	void *user;
};

static void *run_thread(void *user)
{
	struct start start = *(struct start *)user;

	free(user);
	pthread_setname_np(pthread_self(), start.name);
	give_up_capabilities();
	return start.function(start.user);
}

int thread_start(const char *name, void *(*function)(void *user), void *user, pthread_t *ret_thread)
{
	struct start *start = calloc(1, sizeof(*start));
	int r;

	if (!start)
		return -ENOMEM;
	snprintf(start->name, sizeof(start->name), "%s", name);
	start->function = function;
	start->user = user;
	r = make_thread(ret_thread, NULL, run_thread, start);
	if (r < 0)
		free(start);
	return r;
}

/*
 * A job is owned by its thread until the work is done, then by the post on the loop. An abandoned
 * one touches the loop only if it was posted before: the lock decides which.
 */
struct job {
	pthread_mutex_t lock;
	bool is_abandoned;
	struct lw_loop *loop;
	struct loop_post post;
	void (*work)(void *data);
	void (*done)(void *data);
	void (*discard)(void *data);
	void *data;
};

static atomic_uint jobs_under_way;

static void free_job(struct job *job)
{
	pthread_mutex_destroy(&job->lock);
	free(job);
}

/* On the loop's thread. */
static void finish_job(void *user)
{
	struct job *job = user;
	void (*then)(void *data);
	void *data = job->data;

	/* Taken once more, so that the thread has left the lock before it goes. */
	pthread_mutex_lock(&job->lock);
	then = job->is_abandoned ? job->discard : job->done;
	pthread_mutex_unlock(&job->lock);
	free_job(job);
	then(data);
}

static void *run_job(void *user)
{
	struct job *job = user;
	bool is_abandoned;

	give_up_capabilities();
	job->work(job->data);
	/* Before the result is told: who learns it may start the next at once. */
	atomic_fetch_sub(&jobs_under_way, 1);
	pthread_mutex_lock(&job->lock);
	is_abandoned = job->is_abandoned;
	if (!is_abandoned)
		loop_post(job->loop, &job->post);
	pthread_mutex_unlock(&job->lock);
	if (is_abandoned) {
		job->discard(job->data);
		free_job(job);
	}
	return NULL;
}

static int start_thread(struct job *job)
{
	pthread_attr_t attributes;
	pthread_t thread;
	int r;

	if (atomic_fetch_add(&jobs_under_way, 1) >= JOBS_MAX) {
		atomic_fetch_sub(&jobs_under_way, 1);
		return -EAGAIN;
	}
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	r = make_thread(&thread, &attributes, run_job, job);
	pthread_attr_destroy(&attributes);
	if (r < 0)
		atomic_fetch_sub(&jobs_under_way, 1);
	return r;
}

int job_start(struct lw_loop *loop, void (*work)(void *data), void (*done)(void *data),
	      void (*discard)(void *data), void *data, struct job **ret_job)
{
	struct job *job = calloc(1, sizeof(*job));
	int r;

	if (!job)
		return -ENOMEM;
	pthread_mutex_init(&job->lock, NULL);
	job->loop = loop;
	job->post = (struct loop_post){ .function = finish_job, .user = job };
	job->work = work;
	job->done = done;
	job->discard = discard;
	job->data = data;
	r = start_thread(job);
	if (r < 0) {
		free_job(job);
		return r;
	}
	*ret_job = job;
	return 0;
}

void job_abandon(struct job *job)
{
	if (!job)
		return;
	pthread_mutex_lock(&job->lock);
	job->is_abandoned = true;
	pthread_mutex_unlock(&job->lock);
}
