/* SPDX-License-Identifier: MIT */
/* Signals as events: blocked for every thread, read from a signalfd on the loop. */
#ifndef LOOP_SIGNALS_H
#define LOOP_SIGNALS_H

struct lw_loop;
struct signals;

/* Block the signals (ended by 0) for this thread and those made later, ignore SIGPIPE, and call
 * function on the loop for each. */
int signals_new(struct lw_loop *loop, const int *numbers, void (*function)(int number, void *user),
		void *user, struct signals **ret_signals);
void signals_free(struct signals *signals); /* restores the mask */

#endif
