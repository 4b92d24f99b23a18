/* SPDX-License-Identifier: MIT */
/*
 * Threads with a purpose.
 *
 * A worker is a thread with a loop of its own; what is posted to that loop runs there. It is how
 * the handshake role lives beside the packet role. A job is one blocking call (name resolution) on
 * a thread of its own, whose result comes back to the asker's loop; a job that was abandoned
 * finishes by itself and is then forgotten.
 */
#ifndef LOOP_WORKER_H
#define LOOP_WORKER_H

#include <pthread.h>

struct lw_loop;
struct worker;
struct job;

int worker_new(const char *name, struct worker **ret_worker); /* name ≤ 15 bytes, for ps and perf */
/* On a loop that can be held (loop/loop.h). */
int worker_new_holdable(const char *name, const struct lw_loop *model, unsigned number,
			struct worker **ret_worker);
struct lw_loop *worker_loop(struct worker *worker);
/* Stop its loop and join the thread. What was posted before runs first. */
void worker_free(struct worker *worker);

/* A thread of its own making: it gets no signals and has no capabilities. Join it. */
int thread_start(const char *name, void *(*function)(void *user), void *user,
		 pthread_t *ret_thread);

/*
 * Run work(data) on a thread, then done(data) on the loop, then nothing more: done owns data. If it
 * is abandoned, discard(data) runs instead of done (on either thread). At most 16 jobs are under
 * way: -EAGAIN.
 */
int job_start(struct lw_loop *loop, void (*work)(void *data), void (*done)(void *data),
	      void (*discard)(void *data), void *data, struct job **ret_job);
/* Before done has run; the job pointer is gone after done or this. Accepts NULL. */
void job_abandon(struct job *job);

#endif
