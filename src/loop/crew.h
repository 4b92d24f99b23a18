/* SPDX-License-Identifier: MIT */
/*
 * A crew: the threads that share the packets of one hub or client.
 *
 * Theory of operation. Worker 0 is the loop that everything else runs on; the others have threads
 * and loops of their own, without capabilities. There are two kinds of code:
 *
 *   packet code   runs on any worker, in that worker's loop. It touches what is that worker's own
 *                 (its sockets, its queue of the device, its lane of the counters), reads what
 *                 control code writes, and shares nothing else but what says so (the FDB, rings).
 *   control code  runs on worker 0 while the crew is held: no other worker is within a wake-up. It
 *                 may touch everything, without a lock.
 *
 * So sessions, ports, prefixes and settings are written for one thread, and packet code reads them
 * without a lock: a change waits until each worker has finished its wake-up (microseconds; one that
 * sleeps is not woken), which is the grace period. Holds nest. What packet code finds that only
 * control code can handle, it asks for: the asker embeds a crew_ask, which is served on worker 0,
 * held. It allocates nothing, and asking twice before it was served is asking once.
 *
 * A crew of one has no threads, no locks and nothing to hold.
 */
#ifndef LOOP_CREW_H
#define LOOP_CREW_H

#include "base/list.h"
#include "loop/loop.h"

struct crew;
struct crew_ask;

enum { CREW_MAX = 8 };

typedef void crew_ask_fn(struct crew_ask *ask); /* control code */

struct crew_ask {
	struct list letter;
	crew_ask_fn *function;
	bool is_asked;
};

/* n: 1 … CREW_MAX workers with main; 0, -EINVAL, or what making threads came to. */
int crew_new(struct lw_loop *main, unsigned n, struct crew **ret_crew);
/* When nothing of anybody is left on the workers' loops. While it is held: at the release. Accepts
 * NULL. */
void crew_free(struct crew *crew);

unsigned crew_size(const struct crew *crew); /* NULL: 1 */
struct lw_loop *crew_loop(struct crew *crew, unsigned worker);

/* The worker that runs this. */
static inline unsigned crew_self(void)
{
	return loop_worker_number;
}

/* On worker 0. NULL: nothing. */
void crew_hold(struct crew *crew);
void crew_release(struct crew *crew);

/* From any worker (not worker 0 of a crew of one: what it would ask for, it can do). */
void crew_ask(struct crew *crew, struct crew_ask *ask);
/* Control code: it will not be served. Idempotent. */
void crew_withdraw(struct crew *crew, struct crew_ask *ask);

#endif
