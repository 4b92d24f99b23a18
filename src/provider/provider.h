/* SPDX-License-Identifier: MIT */
/*
 * The life of a provider: one state machine for all that may be asked of it and all that it may
 * say.
 *
 * Theory of operation. A provider is made once for each connection and runs many times, each run
 * with a flow of its own.
 *
 *   state         means                             leaves it                           to
 *   IDLE          no run; no call goes to the ops   provider_start                      STARTING
 *   STARTING      ops->start was called             its completion: success             RUNNING
 *                                                   … error, watchdog, stop, cancel     STOPPING
 *   RUNNING       packets flow                      reasserting true                    REASSERTING
 *                                                   stop, cancel                        STOPPING
 *   REASSERTING   the way to the peer is sought     reasserting false                   RUNNING
 *                                                   stop, cancel                        STOPPING
 *   STOPPING      the run ends                      stop finished, its watchdog, or     IDLE
 *                                                   start finished with an error before
 *                                                   stop was called
 *
 * What does not stand in a state's row does nothing there: a provider may say things late. Settings
 * can be set from STARTING to REASSERTING, elsewhere they are answered with SETTINGS_CANCELED;
 * messages are taken in the same states, and those that are unanswered when the run is over are
 * answered with nothing.
 *
 * Sleep is no state of its own: a machine may fall asleep in any. While is_asleep, which lasts from
 * provider_sleep to provider_wake, nothing is started; a run goes on and is told (ops->sleep, then
 * ops->wake), or is stopped for it and stays stopped.
 *
 * provider_set_state() is the only writer of the state: it checks the table, logs, lets the carrier
 * follow and tells the owner. Calls that change the state only change it; what calls anybody back
 * (ops->stop, answers to settings, replies, the owner's told(), the end of the flow) comes from one
 * deferred pass, so that no provider and no observer is entered again from within its own call. The
 * exceptions are ops->start, ops->message, ops->sleep and ops->wake, called by who asks for them, and
 * whoever waits for a sleep that provider_wake() or provider_abandon() ends.
 */
#ifndef PROVIDER_PROVIDER_H
#define PROVIDER_PROVIDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <longwire/connection.h>
#include <longwire/provider.h>

#include "loop/loop.h"
#include "provider/completion.h"
#include "provider/history.h"
#include "provider/interface.h"

struct message;

enum provider_state {
	PROVIDER_IDLE,
	PROVIDER_STARTING,
	PROVIDER_RUNNING,
	PROVIDER_REASSERTING,
	PROVIDER_STOPPING,
	PROVIDER_STATE_COUNT,
};

/* Settings whose answer waits for the loop: what a caller may pile up. */
enum { PROVIDER_ANSWERS_MAX = 8 };

struct provider_owner {
	/* The state has changed. Facts only: nothing may be called from here. */
	void (*changed)(struct lw_provider *provider, enum provider_state old);
	/* The run is over, the flow is not used any more. The state becomes IDLE next. */
	void (*ended)(struct lw_provider *provider);
	/* The end of a deferred pass: the time to tell observers. */
	void (*told)(struct lw_provider *provider);
};

struct provider_timeouts {
	uint32_t start_ms, stop_ms, sleep_ms; /* UINT32_MAX: none */
};

/* The answer to a call of lw_provider_set_network_settings. */
struct settings_answer {
	void (*done)(const struct lw_error *error, void *user);
	void *user;
	struct lw_error error; /* domain NONE: none */
};

/* Embedded in its owner. */
struct lw_provider {
	struct lw_loop *loop;
	struct lw_provider_ops ops;
	void *user;
	const struct provider_owner *owner;
	struct provider_timeouts timeouts;

	enum provider_state state; /* written by provider_set_state alone */
	struct lw_packet_flow *flow;
	struct interface_options
		options; /* of the interface; the owner's to fill in before a start */
	struct interface interface;
	struct lw_completion *starting, *stopping;
	struct completion_drawer drawer;
	enum lw_start_origin origin; /* of the last start */
	enum lw_stop_reason reason;  /* of the last stop */
	struct lw_error last_error;
	struct history history;
	int64_t run_date; /* of the last start, wall clock */
	bool is_stop_called;
	bool is_over; /* while STOPPING: nothing more is waited for */

	bool is_asleep;
	bool is_sleep_due; /* slept is to be called */
	struct lw_completion *sleeping;
	void (*slept)(void *user); /* NULL: nobody waits */
	void *slept_user;

	struct loop_deferred pass;
	struct settings_answer answers[PROVIDER_ANSWERS_MAX];
	unsigned n_answers;
	struct message *messages[LW_MESSAGES_MAX]; /* in the order of sending */
	unsigned n_messages;
};

const char *provider_state_name(enum provider_state state);
/* Whether the table above has it. */
bool provider_may_become(enum provider_state old, enum provider_state next);

void provider_init(struct lw_provider *provider, struct lw_loop *loop,
		   const struct lw_provider_ops *ops, void *user,
		   const struct provider_owner *owner, const struct provider_timeouts *timeouts);
/* In IDLE only. Completions that a provider still holds stay his. */
void provider_done(struct lw_provider *provider);

/* Begin a run. The flow is used until owner->ended. 0; -EALREADY unless IDLE; -EBUSY while asleep;
 * -ENOMEM or -ENOSPC. */
int provider_start(struct lw_provider *provider, struct lw_packet_flow *flow,
		   const struct lw_start_options *options);
/* Begin to end; error (may be NULL) becomes the last error. Return: 1, or 0 when there is nothing
 * to end. */
int provider_stop(struct lw_provider *provider, enum lw_stop_reason reason,
		  const struct lw_error *error);
bool provider_is_stop_reason(enum lw_stop_reason reason);
/* Whether a run is under way that has not begun to end. */
bool provider_has_run(const struct lw_provider *provider);
/* Remember why the run ends, or could not begin. */
void provider_set_error(struct lw_provider *provider, const struct lw_error *error);
/* 0, or -EALREADY. done (may be NULL) is called once: see lw_connection_sleep. */
int provider_sleep(struct lw_provider *provider, bool disconnect, void (*done)(void *user),
		   void *user);
void provider_wake(struct lw_provider *provider);
/*
 * Begin to end, without waiting for the loop: ops->stop is called now if it has to be, settings are
 * undone now, answers to settings are dropped, and messages are answered with nothing.
 */
void provider_abandon(struct lw_provider *provider);
/* After provider_abandon: give up waiting for a stop that nobody can finish any more. */
void provider_drop(struct lw_provider *provider);
/* 0; -ENOTCONN without a run; -EAGAIN above LW_MESSAGES_MAX; -EMSGSIZE; -ENOMEM. reply may be NULL. */
int provider_send(struct lw_provider *provider, const void *data, size_t length,
		  void (*reply)(const void *data, size_t length, void *user), void *user);
/* message.c: give the answers that are there; even_unanswered: and nothing to all others. */
void messages_deliver(struct lw_provider *provider, bool even_unanswered);

#endif
