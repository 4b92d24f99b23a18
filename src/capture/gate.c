/* SPDX-License-Identifier: MIT */
/* A gate that opens when a processor has nothing better to do. */
#include "capture/gate.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "loop/worker.h"

enum gate_state { GATE_CLOSED = 0, GATE_ASKED, GATE_OPEN };

struct gate {
	sem_t asked, answered;
	atomic_uint state; /* enum gate_state */
	atomic_bool is_ending;
	atomic_uint owners;
};

static void let_go(struct gate *gate)
{
	if (atomic_fetch_sub(&gate->owners, 1) > 1)
		return;
	sem_destroy(&gate->asked);
	sem_destroy(&gate->answered);
	free(gate);
}

static void wait_for(sem_t *semaphore)
{
	while (sem_wait(semaphore) < 0 && errno == EINTR)
		;
}

static void *keep(void *user)
{
	const struct sched_param none = { 0 };
	struct gate *gate = user;

	/* Everybody may. */
	(void)pthread_setschedparam(pthread_self(), SCHED_IDLE, &none);
	for (wait_for(&gate->asked); !atomic_load(&gate->is_ending); wait_for(&gate->asked)) {
		atomic_store(&gate->state, GATE_OPEN);
		sem_post(&gate->answered);
	}
	let_go(gate);
	return NULL;
}

int gate_new(struct gate **ret_gate)
{
	struct gate *gate = calloc(1, sizeof(*gate));
	pthread_t thread;
	int r;

	if (!gate)
		return -ENOMEM;
	sem_init(&gate->asked, 0, 0);
	sem_init(&gate->answered, 0, 0);
	atomic_store(&gate->owners, 2);
	r = thread_start("lw-capture-gate", keep, gate, &thread);
	if (r < 0) {
		atomic_store(&gate->owners, 1);
		let_go(gate);
		return r;
	}
	pthread_detach(thread);
	*ret_gate = gate;
	return 0;
}

void gate_free(struct gate *gate)
{
	if (!gate)
		return;
	atomic_store(&gate->is_ending, true);
	sem_post(&gate->asked);
	let_go(gate);
}

void gate_ask(struct gate *gate)
{
	unsigned closed = GATE_CLOSED;

	if (atomic_compare_exchange_strong(&gate->state, &closed, GATE_ASKED))
		sem_post(&gate->asked);
}

bool gate_pass(struct gate *gate)
{
	unsigned open = GATE_OPEN;

	return atomic_compare_exchange_strong(&gate->state, &open, GATE_CLOSED);
}

void gate_wait(struct gate *gate)
{
	wait_for(&gate->answered);
}

void gate_wait_for(struct gate *gate, uint64_t ns)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	ns += (uint64_t)until.tv_nsec;
	until.tv_sec += (time_t)(ns / 1000000000);
	until.tv_nsec = (long)(ns % 1000000000);
	(void)sem_clockwait(&gate->answered, CLOCK_MONOTONIC, &until);
}

void gate_wake(struct gate *gate)
{
	sem_post(&gate->answered);
}
