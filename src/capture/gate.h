/* SPDX-License-Identifier: MIT */
/*
 * A gate that opens when a processor has nothing better to do.
 *
 * Theory of operation. A thread that is SCHED_IDLE gives way to everybody; but whoever waits for it,
 * to flush or to end, then waits for everybody too, and only CAP_SYS_NICE or RLIMIT_NICE bring a
 * thread back from there. So work that shall give way is done by a thread like others, in pieces,
 * and before each of them it asks the gate. That is a thread of its own, SCHED_IDLE, which holds
 * nothing and only answers: late, where the processors are busy. Who is in a hurry does not wait for
 * the answer.
 *
 * Nobody waits for the gate's end either. Its thread is detached and shares a small object with the
 * owner; whoever lets go of it last frees it.
 */
#ifndef CAPTURE_GATE_H
#define CAPTURE_GATE_H

#include <stdbool.h>
#include <stdint.h>

struct gate;

/* 0 or a negative errno. */
int gate_new(struct gate **ret_gate);
/* Accepts NULL. */
void gate_free(struct gate *gate);

/* By one thread: ask, unless the answer to an earlier question is still to come. */
void gate_ask(struct gate *gate);
/* Whether it has opened since; that is used up then. */
bool gate_pass(struct gate *gate);
/* Until it opens, or somebody says gate_wake(). May end for nothing. */
void gate_wait(struct gate *gate);
/* The same, without asking: until somebody says gate_wake(), at most so long. */
void gate_wait_for(struct gate *gate, uint64_t ns);
/* From any thread. */
void gate_wake(struct gate *gate);

#endif
