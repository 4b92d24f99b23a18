/* SPDX-License-Identifier: MIT */
/* The life of a connection and its provider: every state with every event, completions, messages,
 * settings, freeing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <longwire/longwire.h>

#include "base/error.h"
#include "base/memory.h"
#include "flow/flow.h"
#include "provider/provider.h"

/* ---- a provider that does what the test says, and a connection over a memory flow with a fake
 * clock */

static struct lw_loop *loop;
static struct lw_packet_flow *flow, *far_end;
static struct lw_connection *connection;
static uint64_t fake_ns;

static struct actor {
	struct lw_provider *provider;
	struct lw_completion *starting, *stopping, *messaging, *sleeping;
	int starts, stops, messages, sleeps, wakes, slept;
	enum lw_start_origin origin;
	enum lw_stop_reason reason;
	void (*in_start)(void), (*in_stop)(void);
	int settled; /* answers to settings */
	struct lw_error settled_error;
} actor;

static enum lw_status told[64];
static int n_told;
static void (*when_told)(enum lw_status status);

static uint64_t fake_clock(void *user)
{
	return *(uint64_t *)user;
}

static void start(struct lw_provider *provider, const struct lw_start_options *options,
		  struct lw_completion *done, void *user)
{
	assert_ptr_equal(user, &actor);
	assert_non_null(lw_provider_packet_flow(provider));
	assert_ptr_equal(lw_provider_loop(provider), loop);
	assert_string_equal(lw_provider_interface(provider), "");
	actor.provider = provider;
	actor.starting = done;
	actor.origin = options->origin;
	actor.starts++;
	if (actor.in_start)
		actor.in_start();
}

static void stop(struct lw_provider *provider, enum lw_stop_reason reason,
		 struct lw_completion *done, void *user)
{
	(void)provider;
	(void)user;
	actor.stopping = done;
	actor.reason = reason;
	actor.stops++;
	if (actor.in_stop)
		actor.in_stop();
}

static void message(struct lw_provider *provider, const void *data, size_t length,
		    struct lw_completion *done, void *user)
{
	(void)provider;
	(void)data;
	(void)length;
	(void)user;
	actor.messaging = done;
	actor.messages++;
}

static void sleep_now(struct lw_provider *provider, struct lw_completion *done, void *user)
{
	(void)provider;
	(void)user;
	actor.sleeping = done;
	actor.sleeps++;
}

static void wake_up(struct lw_provider *provider, void *user)
{
	(void)provider;
	(void)user;
	actor.wakes++;
}

static struct lw_provider_ops ops = {
	.size = sizeof(ops),
	.name = "actor",
	.layer = LW_LAYER_ETHERNET,
	.start = start,
	.stop = stop,
	.message = message,
	.sleep = sleep_now,
	.wake = wake_up,
};

static void observer(struct lw_connection *of, enum lw_status status, void *user)
{
	assert_ptr_equal(of, connection);
	assert_ptr_equal(user, &n_told);
	assert_true(n_told < (int)ARRAY_SIZE(told));
	told[n_told++] = status;
	if (when_told)
		when_told(status);
}

static void dispatch(void)
{
	int n;

	do {
		n = lw_loop_dispatch(loop);
		assert_true(n >= 0);
	} while (n > 0 || lw_loop_timeout_ms(loop) == 0);
}

static struct lw_connection_options usual_options(void)
{
	return (struct lw_connection_options){
		.size = sizeof(struct lw_connection_options),
		.ops = &ops,
		.user = &actor,
		.flow = flow,
	};
}

static int set_up(void **state)
{
	const struct lw_loop_options clock = { .size = sizeof(clock),
					       .now_ns = fake_clock,
					       .user = &fake_ns };
	struct lw_connection_options options;

	(void)state;
	memset(&actor, 0, sizeof(actor));
	fake_ns = 1000000000;
	n_told = 0;
	when_told = NULL;
	ops.message = message;
	ops.sleep = sleep_now;
	ops.wake = wake_up;
	assert_int_equal(lw_loop_new(&clock, &loop), 0);
	assert_int_equal(lw_packet_flow_pair(loop, LW_LAYER_ETHERNET, 0, &flow, &far_end), 0);
	options = usual_options();
	assert_int_equal(lw_connection_new(loop, &options, &connection, NULL), 0);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	lw_connection_free(connection);
	connection = NULL;
	lw_packet_flow_free(flow);
	lw_packet_flow_free(far_end);
	lw_loop_free(loop);
	return 0;
}

static void observe(void)
{
	lw_connection_observe(connection, observer, &n_told);
}

static void assert_told(const enum lw_status *wanted, int n)
{
	assert_int_equal(n_told, n);
	for (int i = 0; i < n; i++)
		assert_int_equal(told[i], wanted[i]);
	n_told = 0;
}

#define assert_told_is(...)                                  \
	assert_told((const enum lw_status[]){ __VA_ARGS__ }, \
		    (int)ARRAY_SIZE(((const enum lw_status[]){ __VA_ARGS__ })))

static void make_error(struct lw_error *error, int code)
{
	error_set(error, 0, LW_DOMAIN_PROVIDER, code, "error %d", code);
}

static void finish(struct lw_completion **completion, int code)
{
	struct lw_error error;

	make_error(&error, code);
	lw_completion_finish(take_pointer(*completion), code ? &error : NULL);
}

static int last_code(void)
{
	struct lw_error error;

	lw_connection_last_error(connection, &error);
	return error.domain == LW_DOMAIN_NONE ? 0 : error.code;
}

static void begin(void)
{
	assert_int_equal(lw_connection_start(connection, NULL, NULL), 0);
}

static void connect_it(void)
{
	begin();
	finish(&actor.starting, 0);
	dispatch();
	assert_int_equal(lw_connection_status(connection), LW_STATUS_CONNECTED);
}

/* ---- states and events */

static void go_idle(void)
{
}

static void go_reasserting(void)
{
	connect_it();
	lw_provider_set_reasserting(actor.provider, true);
}

static void go_stopping(void)
{
	connect_it();
	assert_int_equal(lw_connection_stop(connection, LW_STOP_IDLE_TIMEOUT), 1);
	dispatch();
}

static void go_stopping_while_starting(void)
{
	begin();
	assert_int_equal(lw_connection_stop(connection, LW_STOP_IDLE_TIMEOUT), 1);
	dispatch();
}

static void count_slept(void *user)
{
	assert_ptr_equal(user, &actor);
	actor.slept++;
}

static void go_asleep(void)
{
	connect_it();
	assert_int_equal(lw_connection_sleep(connection, false, count_slept, &actor), 0);
	dispatch();
}

static void go_asleep_idle(void)
{
	assert_int_equal(lw_connection_sleep(connection, false, count_slept, &actor), 0);
	dispatch();
}

static void go_stopped_for_sleep(void)
{
	connect_it();
	assert_int_equal(lw_connection_sleep(connection, true, count_slept, &actor), 0);
	dispatch();
}

static void (*const ways[])(void) = {
	go_idle,        begin,          connect_it,
	go_reasserting, go_stopping,    go_stopping_while_starting,
	go_asleep,      go_asleep_idle, go_stopped_for_sleep,
};
enum { WAYS = ARRAY_SIZE(ways) };

static int start_again(void)
{
	return lw_connection_start(connection, NULL, NULL);
}

static int stop_it(void)
{
	return lw_connection_stop(connection, LW_STOP_USER_INITIATED);
}

static int start_succeeds(void)
{
	if (actor.starting)
		finish(&actor.starting, 0);
	return 0;
}

static int start_fails(void)
{
	if (actor.starting)
		finish(&actor.starting, 11);
	return 0;
}

static int stop_finishes(void)
{
	if (actor.stopping)
		finish(&actor.stopping, 0);
	return 0;
}

static int reassert(void)
{
	if (actor.provider)
		lw_provider_set_reasserting(actor.provider, true);
	return 0;
}

static int reassert_no_more(void)
{
	if (actor.provider)
		lw_provider_set_reasserting(actor.provider, false);
	return 0;
}

static int cancel(void)
{
	struct lw_error error;

	make_error(&error, 22);
	if (actor.provider)
		lw_provider_cancel(actor.provider, LW_STOP_NONE, &error);
	return 0;
}

static int four_seconds_pass(void)
{
	fake_ns += 4000000000;
	return 0;
}

static int twenty_seconds_pass(void)
{
	fake_ns += 20000000000;
	return 0;
}

static int a_minute_passes(void)
{
	fake_ns += 60000000000;
	return 0;
}

static int send_something(void)
{
	return lw_connection_send_message(connection, "x", 1, NULL, NULL);
}

static int fall_asleep(void)
{
	return lw_connection_sleep(connection, false, count_slept, &actor);
}

static int disconnect_to_sleep(void)
{
	return lw_connection_sleep(connection, true, count_slept, &actor);
}

static int quiesced(void)
{
	if (actor.sleeping)
		finish(&actor.sleeping, 0);
	return 0;
}

static int wake(void)
{
	lw_connection_wake(connection);
	return 0;
}

static int set_no_settings(void)
{
	if (actor.provider)
		lw_provider_set_network_settings(actor.provider, NULL, NULL, NULL);
	return 0;
}

#define D LW_STATUS_DISCONNECTED
#define C LW_STATUS_CONNECTING
#define U LW_STATUS_CONNECTED
#define R LW_STATUS_REASSERTING
#define S LW_STATUS_DISCONNECTING

/* For each way to a state: what the call returns, the status when the loop is quiet, and how often
 * stop, sleep and wake were called and the sleeper was let go. */
static const struct {
	const char *name;
	int (*happen)(void);
	int result[WAYS];
	enum lw_status status[WAYS];
	int stops[WAYS], sleeps[WAYS], wakes[WAYS], slept[WAYS];
} events[] = {
/* what nothing has happened to */
#define STOPS                             \
	{                                 \
		0, 0, 0, 0, 1, 1, 0, 0, 1 \
	}
#define SLEEPS                            \
	{                                 \
		0, 0, 0, 0, 0, 0, 1, 0, 0 \
	}
#define WAKES     \
	{         \
		0 \
	}
#define SLEPT                             \
	{                                 \
		0, 0, 0, 0, 0, 0, 0, 1, 0 \
	}
	/* idle, starting, running, reasserting, stopping, stopping while starting, asleep, asleep
	 * and idle, stopping for sleep */
	{ "start",
	  start_again,
	  { 0, -EALREADY, -EALREADY, -EALREADY, -EALREADY, -EALREADY, -EALREADY, -EBUSY,
	    -EALREADY },
	  { C, C, U, R, S, S, U, D, S },
	  STOPS,
	  SLEEPS,
	  WAKES,
	  SLEPT },
	{ "stop",
	  stop_it,
	  { 0, 1, 1, 1, 0, 0, 1, 0, 0 },
	  { D, S, S, S, S, S, S, D, S },
	  { 0, 1, 1, 1, 1, 1, 1, 0, 1 },
	  SLEEPS,
	  WAKES,
	  SLEPT },
	{ "start succeeds",
	  start_succeeds,
	  { 0 },
	  { D, U, U, R, S, S, U, D, S },
	  STOPS,
	  SLEEPS,
	  WAKES,
	  SLEPT },
	{ "start fails",
	  start_fails,
	  { 0 },
	  { D, D, U, R, S, S, U, D, S },
	  STOPS,
	  SLEEPS,
	  WAKES,
	  SLEPT },
	{ "stop finishes",
	  stop_finishes,
	  { 0 },
	  { D, C, U, R, D, D, U, D, D },
	  STOPS,
	  SLEEPS,
	  WAKES,
	  { 0, 0, 0, 0, 0, 0, 0, 1, 1 } },
	{ "reasserting",
	  reassert,
	  { 0 },
	  { D, C, R, R, S, S, R, D, S },
	  STOPS,
	  SLEEPS,
	  WAKES,
	  SLEPT },
	{ "back",
	  reassert_no_more,
	  { 0 },
	  { D, C, U, U, S, S, U, D, S },
	  STOPS,
	  SLEEPS,
	  WAKES,
	  SLEPT },
	{ "cancel",
	  cancel,
	  { 0 },
	  { D, S, S, S, S, S, S, D, S },
	  { 0, 1, 1, 1, 1, 1, 1, 0, 1 },
	  SLEEPS,
	  WAKES,
	  SLEPT },
	{ "4 s",
	  four_seconds_pass,
	  { 0 },
	  { D, C, U, R, S, S, U, D, S },
	  STOPS,
	  SLEEPS,
	  WAKES,
	  { 0, 0, 0, 0, 0, 0, 1, 1, 0 } },
	{ "20 s",
	  twenty_seconds_pass,
	  { 0 },
	  { D, C, U, R, D, D, U, D, D },
	  STOPS,
	  SLEEPS,
	  WAKES,
	  { 0, 0, 0, 0, 0, 0, 1, 1, 1 } },
	{ "60 s",
	  a_minute_passes,
	  { 0 },
	  { D, S, U, R, D, D, U, D, D },
	  { 0, 1, 0, 0, 1, 1, 0, 0, 1 },
	  SLEEPS,
	  WAKES,
	  { 0, 0, 0, 0, 0, 0, 1, 1, 1 } },
	{ "message",
	  send_something,
	  { -ENOTCONN, 0, 0, 0, -ENOTCONN, -ENOTCONN, 0, -ENOTCONN, -ENOTCONN },
	  { D, C, U, R, S, S, U, D, S },
	  STOPS,
	  SLEEPS,
	  WAKES,
	  SLEPT },
	{ "settings",
	  set_no_settings,
	  { 0 },
	  { D, C, U, R, S, S, U, D, S },
	  STOPS,
	  SLEEPS,
	  WAKES,
	  SLEPT },
	{ "sleep",
	  fall_asleep,
	  { 0, 0, 0, 0, 0, 0, -EALREADY, -EALREADY, -EALREADY },
	  { D, C, U, R, S, S, U, D, S },
	  STOPS,
	  { 0, 1, 1, 1, 0, 0, 1, 0, 0 },
	  WAKES,
	  { 1, 0, 0, 0, 1, 1, 0, 1, 0 } },
	{ "sleep, disconnected",
	  disconnect_to_sleep,
	  { 0, 0, 0, 0, 0, 0, -EALREADY, -EALREADY, -EALREADY },
	  { D, S, S, S, S, S, U, D, S },
	  { 0, 1, 1, 1, 1, 1, 0, 0, 1 },
	  SLEEPS,
	  WAKES,
	  { 1, 0, 0, 0, 0, 0, 0, 1, 0 } },
	{ "quiesced",
	  quiesced,
	  { 0 },
	  { D, C, U, R, S, S, U, D, S },
	  STOPS,
	  SLEEPS,
	  WAKES,
	  { 0, 0, 0, 0, 0, 0, 1, 1, 0 } },
	{ "wake",
	  wake,
	  { 0 },
	  { D, C, U, R, S, S, U, D, S },
	  STOPS,
	  SLEEPS,
	  { 0, 0, 0, 0, 0, 0, 1, 0, 0 },
	  { 0, 0, 0, 0, 0, 0, 1, 1, 1 } },
};

#undef D
#undef C
#undef U
#undef R
#undef S

static void states__every_event__as_the_table_says(void **state)
{
	for (size_t e = 0; e < ARRAY_SIZE(events); e++) {
		for (size_t w = 0; w < WAYS; w++) {
			int result;

			set_up(state);
			ways[w]();
			result = events[e].happen();
			dispatch();
			if (result != events[e].result[w] ||
			    lw_connection_status(connection) != events[e].status[w] ||
			    actor.stops != events[e].stops[w] ||
			    actor.sleeps != events[e].sleeps[w] ||
			    actor.wakes != events[e].wakes[w] || actor.slept != events[e].slept[w])
				fail_msg("%s, way %zu: result %d, status %s, %d stops, %d sleeps, "
					 "%d wakes, %d slept",
					 events[e].name, w, result,
					 lw_status_name(lw_connection_status(connection)),
					 actor.stops, actor.sleeps, actor.wakes, actor.slept);
			tear_down(state);
		}
	}
}

static void provider_may_become__every_pair__only_those_of_the_table(void **state)
{
	static const bool may[PROVIDER_STATE_COUNT][PROVIDER_STATE_COUNT] = {
		[PROVIDER_IDLE][PROVIDER_STARTING] = true,
		[PROVIDER_STARTING][PROVIDER_RUNNING] = true,
		[PROVIDER_STARTING][PROVIDER_STOPPING] = true,
		[PROVIDER_RUNNING][PROVIDER_REASSERTING] = true,
		[PROVIDER_RUNNING][PROVIDER_STOPPING] = true,
		[PROVIDER_REASSERTING][PROVIDER_RUNNING] = true,
		[PROVIDER_REASSERTING][PROVIDER_STOPPING] = true,
		[PROVIDER_STOPPING][PROVIDER_IDLE] = true,
	};

	(void)state;
	for (int old = 0; old < PROVIDER_STATE_COUNT; old++)
		for (int next = 0; next < PROVIDER_STATE_COUNT; next++)
			assert_int_equal(provider_may_become((enum provider_state)old,
							     (enum provider_state)next),
					 may[old][next]);
	assert_string_equal(provider_state_name(PROVIDER_STOPPING), "stopping");
	assert_string_equal(provider_state_name(PROVIDER_STATE_COUNT), "?");
	assert_string_equal(lw_status_name(LW_STATUS_REASSERTING), "reasserting");
	assert_string_equal(lw_status_name((enum lw_status)6), "?");
}

/* ---- what the observer is told */

static void observer__whole_life__every_status_once_in_order(void **state)
{
	(void)state;
	observe();
	assert_int_equal(n_told, 0);
	dispatch();
	assert_told_is(LW_STATUS_DISCONNECTED);
	connect_it();
	lw_provider_set_reasserting(actor.provider, true);
	lw_provider_set_reasserting(actor.provider, true);
	lw_provider_set_reasserting(actor.provider, false);
	lw_connection_stop(connection, LW_STOP_USER_INITIATED);
	dispatch();
	finish(&actor.stopping, 0);
	dispatch();
	assert_told_is(LW_STATUS_CONNECTING, LW_STATUS_CONNECTED, LW_STATUS_REASSERTING,
		       LW_STATUS_CONNECTED, LW_STATUS_DISCONNECTING, LW_STATUS_DISCONNECTED);
}

static void fail_at_once(void)
{
	finish(&actor.starting, 33);
}

static void observer__start_that_fails_inside_the_call__still_told_of_each(void **state)
{
	(void)state;
	actor.in_start = fail_at_once;
	observe();
	begin();
	assert_int_equal(n_told, 0);
	dispatch();
	assert_told_is(LW_STATUS_DISCONNECTED, LW_STATUS_CONNECTING, LW_STATUS_DISCONNECTING,
		       LW_STATUS_DISCONNECTED);
	assert_int_equal(actor.stops, 0);
	assert_int_equal(last_code(), 33);
}

static void observer__more_changes_than_are_kept__last_is_the_present(void **state)
{
	(void)state;
	connect_it();
	observe();
	for (int i = 0; i < 101; i++)
		lw_provider_set_reasserting(actor.provider, i % 2 == 0);
	dispatch();
	assert_true(n_told <= 8);
	assert_int_equal(told[n_told - 1], LW_STATUS_REASSERTING);
}

static void start_when_disconnected(enum lw_status status)
{
	if (status == LW_STATUS_DISCONNECTED && actor.starts == 1)
		begin();
}

static void observer__starts_again_when_disconnected__fresh_run(void **state)
{
	(void)state;
	when_told = start_when_disconnected;
	connect_it();
	observe();
	cancel();
	dispatch();
	finish(&actor.stopping, 0);
	dispatch();
	assert_int_equal(actor.starts, 2);
	assert_int_equal(lw_connection_status(connection), LW_STATUS_CONNECTING);
	finish(&actor.starting, 0);
	dispatch();
	assert_int_equal(lw_connection_status(connection), LW_STATUS_CONNECTED);
}

static void free_when_connected(enum lw_status status)
{
	if (status != LW_STATUS_CONNECTED)
		return;
	lw_connection_free(connection);
	finish(&actor.stopping, 0);
}

static void observer__frees_the_connection__told_no_more(void **state)
{
	(void)state;
	observe();
	when_told = free_when_connected;
	begin();
	finish(&actor.starting, 0);
	dispatch();
	assert_told_is(LW_STATUS_DISCONNECTED, LW_STATUS_CONNECTING, LW_STATUS_CONNECTED);
	connection = NULL;
}

/* ---- errors, reasons, dates, origins */

static void stop__reason__handed_to_the_provider(void **state)
{
	(void)state;
	connect_it();
	lw_connection_stop(connection, LW_STOP_SLEEP);
	lw_connection_stop(connection, LW_STOP_IDLE_TIMEOUT);
	dispatch();
	assert_int_equal(actor.reason, LW_STOP_SLEEP);
	assert_int_equal(actor.stops, 1);
	finish(&actor.stopping, 0);
	dispatch();
	assert_int_equal(last_code(), 0);
}

static void cancel__reasons__default_is_provider_failed(void **state)
{
	static const struct {
		enum lw_stop_reason given, called;
	} rows[] = {
		{ LW_STOP_NONE, LW_STOP_PROVIDER_FAILED },
		{ LW_STOP_IDLE_TIMEOUT, LW_STOP_IDLE_TIMEOUT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lw_error error;

		connect_it();
		make_error(&error, 44);
		lw_provider_cancel(actor.provider, rows[i].given, &error);
		/* Never from within the provider's own call. */
		assert_int_equal(actor.stops, (int)i);
		dispatch();
		assert_int_equal(actor.reason, rows[i].called);
		finish(&actor.stopping, 0);
		dispatch();
		assert_int_equal(last_code(), 44);
	}
}

static void cancel__without_an_error__none_when_running_but_one_when_starting(void **state)
{
	struct lw_error error;

	(void)state;
	connect_it();
	lw_provider_cancel(actor.provider, LW_STOP_IDLE_TIMEOUT, NULL);
	dispatch();
	finish(&actor.stopping, 0);
	dispatch();
	assert_int_equal(last_code(), 0);
	begin();
	lw_provider_cancel(actor.provider, LW_STOP_NONE, NULL);
	dispatch();
	lw_connection_last_error(connection, &error);
	assert_int_equal(error.domain, LW_DOMAIN_CONNECTION);
	assert_int_equal(error.code, LW_CONNECTION_ERROR_PLUGIN_FAILED);
	finish(&actor.starting, 1);
	finish(&actor.stopping, 0);
}

static void cancel__while_starting__start_fails_with_that_error(void **state)
{
	(void)state;
	observe();
	begin();
	cancel();
	dispatch();
	assert_int_equal(actor.stops, 1);
	finish(&actor.starting, 55);
	finish(&actor.stopping, 0);
	dispatch();
	assert_told_is(LW_STATUS_DISCONNECTED, LW_STATUS_CONNECTING, LW_STATUS_DISCONNECTING,
		       LW_STATUS_DISCONNECTED);
	assert_int_equal(last_code(), 22);
}

static void cancel__and_start_failed_before_the_loop_came__stop_not_called(void **state)
{
	(void)state;
	begin();
	cancel();
	finish(&actor.starting, 55);
	dispatch();
	assert_int_equal(actor.stops, 0);
	assert_int_equal(lw_connection_status(connection), LW_STATUS_DISCONNECTED);
	assert_int_equal(last_code(), 22);
}

static void stop__while_starting_and_start_finished_after__dropped(void **state)
{
	(void)state;
	go_stopping_while_starting();
	finish(&actor.stopping, 0);
	dispatch();
	assert_int_equal(lw_connection_status(connection), LW_STATUS_DISCONNECTED);
	finish(&actor.starting, 66);
	dispatch();
	assert_int_equal(lw_connection_status(connection), LW_STATUS_DISCONNECTED);
	assert_int_equal(last_code(), 0);
}

static void stop__called_and_start_fails_then__still_waits_for_stop(void **state)
{
	(void)state;
	go_stopping_while_starting();
	finish(&actor.starting, 66);
	observe();
	dispatch();
	assert_told_is(LW_STATUS_DISCONNECTING);
	finish(&actor.stopping, 0);
	dispatch();
	assert_told_is(LW_STATUS_DISCONNECTED);
}

static void last_error__of_a_disconnect__kept_until_the_next(void **state)
{
	(void)state;
	actor.in_start = fail_at_once;
	begin();
	dispatch();
	assert_int_equal(last_code(), 33);
	actor.in_start = NULL;
	connect_it();
	assert_int_equal(last_code(), 33);
	stop_it();
	assert_int_equal(last_code(), 0);
	dispatch();
	finish(&actor.stopping, 0);
}

static void connected_date__life__only_while_up_and_through_reasserting(void **state)
{
	int64_t date;

	(void)state;
	begin();
	assert_int_equal(lw_connection_connected_date(connection), 0);
	finish(&actor.starting, 0);
	date = lw_connection_connected_date(connection);
	assert_true(date > 1600000000);
	reassert();
	assert_int_equal(lw_connection_connected_date(connection), date);
	reassert_no_more();
	assert_int_equal(lw_connection_connected_date(connection), date);
	stop_it();
	assert_int_equal(lw_connection_connected_date(connection), 0);
}

static void start__origin__told_and_api_by_default(void **state)
{
	const struct lw_start_options options = { .size = sizeof(options),
						  .origin = LW_START_ON_DEMAND };
	struct lw_start_options wrong = options;

	(void)state;
	wrong.size = 0;
	assert_int_equal(lw_connection_start(connection, &wrong, NULL), -EINVAL);
	assert_int_equal(actor.starts, 0);
	assert_int_equal(lw_connection_start(connection, &options, NULL), 0);
	assert_int_equal(actor.origin, LW_START_ON_DEMAND);
	finish(&actor.starting, 1);
	dispatch();
	begin();
	assert_int_equal(actor.origin, LW_START_API);
}

/* ---- watchdogs */

static void watchdog__start_of_a_provider_that_said_why__told(void **state)
{
	struct lw_error error;

	(void)state;
	begin();
	make_error(&error, 7);
	lw_provider_note_error(actor.provider, &error);
	fake_ns += 60000000000;
	dispatch();
	lw_connection_last_error(connection, &error);
	assert_int_equal(error.code, ETIMEDOUT);
	assert_string_equal(error.text, "start was not finished within 60.000 s: error 7");
	finish(&actor.starting, 1);
	finish(&actor.stopping, 0);
	dispatch();
}

static void watchdog__start__fails_after_sixty_seconds_and_drops_what_comes_later(void **state)
{
	struct lw_error error;

	(void)state;
	begin();
	fake_ns += 59999999999;
	dispatch();
	assert_int_equal(lw_connection_status(connection), LW_STATUS_CONNECTING);
	fake_ns += 1;
	dispatch();
	assert_int_equal(lw_connection_status(connection), LW_STATUS_DISCONNECTING);
	assert_int_equal(actor.stops, 1);
	lw_connection_last_error(connection, &error);
	assert_int_equal(error.domain, LW_DOMAIN_SYSTEM);
	assert_int_equal(error.code, ETIMEDOUT);
	assert_string_equal(error.text, "start was not finished within 60.000 s");
	finish(&actor.starting, 0);
	dispatch();
	assert_int_equal(lw_connection_status(connection), LW_STATUS_DISCONNECTING);
	finish(&actor.stopping, 0);
	dispatch();
	assert_int_equal(lw_connection_status(connection), LW_STATUS_DISCONNECTED);
}

static void watchdog__of_what_was_finished__silent(void **state)
{
	(void)state;
	connect_it();
	a_minute_passes();
	dispatch();
	stop_it();
	dispatch();
	assert_int_equal(actor.stops, 1);
	finish(&actor.stopping, 0);
	dispatch();
	a_minute_passes();
	dispatch();
	assert_int_equal(lw_connection_status(connection), LW_STATUS_DISCONNECTED);
	assert_int_equal(last_code(), 0);
}

static void watchdog__stop__ends_after_twenty_seconds_and_late_finish_hits_nothing(void **state)
{
	struct lw_completion *late_start, *late_stop;

	(void)state;
	go_stopping_while_starting();
	late_start = take_pointer(actor.starting);
	late_stop = take_pointer(actor.stopping);
	fake_ns += 20000000000;
	dispatch();
	assert_int_equal(lw_connection_status(connection), LW_STATUS_DISCONNECTED);
	assert_int_equal(last_code(), ETIMEDOUT);
	connect_it();
	lw_completion_finish(late_start, NULL);
	lw_completion_finish(late_stop, NULL);
	dispatch();
	assert_int_equal(lw_connection_status(connection), LW_STATUS_CONNECTED);
}

static void watchdog__own_times_and_none__kept(void **state)
{
	struct lw_connection_options options = usual_options();

	(void)state;
	lw_connection_free(connection);
	options.start_timeout_ms = UINT32_MAX;
	options.stop_timeout_ms = 1500;
	assert_int_equal(lw_connection_new(loop, &options, &connection, NULL), 0);
	begin();
	fake_ns += (uint64_t)1000 * 86400 * 1000000000;
	dispatch();
	assert_int_equal(lw_connection_status(connection), LW_STATUS_CONNECTING);
	stop_it();
	dispatch();
	fake_ns += 1499999999;
	dispatch();
	assert_int_equal(lw_connection_status(connection), LW_STATUS_DISCONNECTING);
	fake_ns += 1;
	dispatch();
	assert_int_equal(lw_connection_status(connection), LW_STATUS_DISCONNECTED);
}

/* Whether the function ends the program by a signal, tried in a child. */
static bool aborts(void (*function)(void))
{
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		signal(SIGABRT, SIG_DFL);
		function();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static struct lw_completion *finished_before;

static void finish_again(void)
{
	lw_completion_finish(finished_before, NULL);
}

static void completion__finished_twice__aborts_also_in_a_later_run(void **state)
{
	(void)state;
	begin();
	finished_before = actor.starting;
	assert_false(aborts(finish_again));
	finish(&actor.starting, 0);
	assert_true(aborts(finish_again));
	stop_it();
	dispatch();
	finish(&actor.stopping, 0);
	dispatch();
	assert_true(aborts(finish_again));
	connect_it();
	assert_true(aborts(finish_again));
}

/* ---- settings */

static void settled(const struct lw_error *error, void *user)
{
	assert_ptr_equal(user, &actor);
	actor.settled++;
	memset(&actor.settled_error, 0, sizeof(actor.settled_error));
	if (error)
		actor.settled_error = *error;
}

static int set_settings(const struct lw_network_settings *settings)
{
	actor.settled = 0;
	lw_provider_set_network_settings(actor.provider, settings, settled, &actor);
	assert_int_equal(actor.settled, 0);
	dispatch();
	assert_int_equal(actor.settled, 1);
	return actor.settled_error.domain == LW_DOMAIN_NONE ? 0 : actor.settled_error.code;
}

static const char *const addresses[] = { "10.86.0.2/24" };
static const char *const wrong_addresses[] = { "10.86.0.300/24" };

static void settings__by_state__applied_or_cancelled(void **state)
{
	static const struct lw_network_settings good = {
		.size = sizeof(good), .mtu = 1400, .addresses = addresses, .n_addresses = 1
	};
	static const int results[WAYS] = { 0,
					   0,
					   0,
					   0,
					   LW_TUNNEL_ERROR_SETTINGS_CANCELED,
					   LW_TUNNEL_ERROR_SETTINGS_CANCELED,
					   0,
					   0,
					   LW_TUNNEL_ERROR_SETTINGS_CANCELED };

	for (size_t w = 0; w < WAYS; w++) {
		/* Not from idle: no provider has been entered yet. */
		if (ways[w] == go_idle || ways[w] == go_asleep_idle)
			continue;
		set_up(state);
		ways[w]();
		assert_int_equal(set_settings(&good), results[w]);
		assert_int_equal(set_settings(&good), results[w]);
		assert_int_equal(set_settings(NULL), results[w]);
		assert_int_equal(set_settings(NULL), results[w]);
		assert_int_equal(actor.settled_error.domain,
				 results[w] ? LW_DOMAIN_TUNNEL : LW_DOMAIN_NONE);
		tear_down(state);
	}
}

static void settings__invalid__refused_with_the_field_and_the_old_ones_stay(void **state)
{
	static const struct lw_network_settings good = { .size = sizeof(good), .mtu = 1400 };
	struct lw_network_settings bad = { .size = sizeof(bad),
					   .addresses = wrong_addresses,
					   .n_addresses = 1 };

	(void)state;
	connect_it();
	assert_int_equal(set_settings(&good), 0);
	assert_int_equal(set_settings(&bad), LW_TUNNEL_ERROR_SETTINGS_INVALID);
	assert_int_equal(actor.settled_error.domain, LW_DOMAIN_TUNNEL);
	assert_non_null(strstr(actor.settled_error.text, "10.86.0.300"));
	assert_int_equal(actor.provider->interface.settings.mtu, 1400);
	bad = good;
	bad.mtu = 575;
	assert_int_equal(set_settings(&bad), LW_TUNNEL_ERROR_SETTINGS_INVALID);
	assert_int_equal(actor.provider->interface.settings.mtu, 1400);
}

static void settings__more_at_once_than_wait__each_answered_once(void **state)
{
	struct lw_network_settings settings = { .size = sizeof(settings) };

	(void)state;
	connect_it();
	for (uint32_t i = 0; i < PROVIDER_ANSWERS_MAX + 2; i++) {
		settings.mtu = 1000 + i;
		lw_provider_set_network_settings(actor.provider, &settings, settled, &actor);
	}
	assert_int_equal(actor.settled, 2);
	assert_int_equal(actor.settled_error.code, LW_TUNNEL_ERROR_SETTINGS_CANCELED);
	dispatch();
	assert_int_equal(actor.settled, PROVIDER_ANSWERS_MAX + 2);
	assert_int_equal(actor.provider->interface.settings.mtu, 1000 + PROVIDER_ANSWERS_MAX - 1);
}

static void settings__stop_and_start__forgotten(void **state)
{
	static const struct lw_network_settings good = { .size = sizeof(good), .mtu = 1400 };

	(void)state;
	connect_it();
	assert_int_equal(set_settings(&good), 0);
	stop_it();
	dispatch();
	finish(&actor.stopping, 0);
	dispatch();
	begin();
	assert_false(actor.provider->interface.has_settings);
}

/* ---- messages */

static int replies;
static char last_reply[16];

static void replied(const void *data, size_t length, void *user)
{
	assert_ptr_equal(user, &replies);
	assert_true(length < sizeof(last_reply));
	assert_int_equal(data == NULL, length == 0);
	if (length)
		memcpy(last_reply, data, length);
	last_reply[length] = '\0';
	replies++;
}

static int send_message(void)
{
	return lw_connection_send_message(connection, "?", 1, replied, &replies);
}

static void message__answered__reply_from_the_loop_with_its_own_bytes(void **state)
{
	char answer[] = "pong";

	(void)state;
	replies = 0;
	connect_it();
	assert_int_equal(send_message(), 0);
	lw_completion_reply(take_pointer(actor.messaging), answer, 4);
	memset(answer, 'x', sizeof(answer));
	assert_int_equal(replies, 0);
	dispatch();
	assert_int_equal(replies, 1);
	assert_string_equal(last_reply, "pong");
	dispatch();
	assert_int_equal(replies, 1);
}

static void message__answered_with_an_error_or_by_nobody__nothing(void **state)
{
	struct lw_connection_options options;

	(void)state;
	replies = 0;
	connect_it();
	assert_int_equal(send_message(), 0);
	finish(&actor.messaging, 9);
	dispatch();
	assert_int_equal(replies, 1);
	assert_string_equal(last_reply, "");
	tear_down(state);
	set_up(state);
	lw_connection_free(connection);
	dispatch();
	ops.message = NULL;
	options = usual_options();
	assert_int_equal(lw_connection_new(loop, &options, &connection, NULL), 0);
	connect_it();
	assert_int_equal(send_message(), 0);
	assert_int_equal(replies, 1);
	dispatch();
	assert_int_equal(replies, 2);
}

static void message__run_ends_before_the_answer__nothing_and_late_answer_dropped(void **state)
{
	(void)state;
	replies = 0;
	connect_it();
	assert_int_equal(send_message(), 0);
	stop_it();
	dispatch();
	assert_int_equal(replies, 0);
	finish(&actor.stopping, 0);
	dispatch();
	assert_int_equal(replies, 1);
	assert_string_equal(last_reply, "");
	lw_completion_reply(take_pointer(actor.messaging), "late", 4);
	dispatch();
	assert_int_equal(replies, 1);
}

static void message__more_than_may_wait__refused(void **state)
{
	(void)state;
	replies = 0;
	connect_it();
	for (int i = 0; i < LW_MESSAGES_MAX; i++)
		assert_int_equal(send_message(), 0);
	assert_int_equal(send_message(), -EAGAIN);
	assert_int_equal(lw_connection_send_message(connection, "", LW_MESSAGE_MAX + 1, NULL, NULL),
			 -EMSGSIZE);
	lw_connection_free(connection);
	connection = NULL;
	assert_int_equal(replies, LW_MESSAGES_MAX);
}

/* ---- flows, captures, options, freeing */

static void ignore_packets(struct lw_packet_flow *of, uint16_t queue,
			   const struct lw_packet *packets, size_t n, int error, void *user)
{
	(void)of;
	(void)queue;
	(void)packets;
	(void)n;
	(void)error;
	(void)user;
}

static void borrowed_flow__run_over__free_of_reads_and_captures(void **state)
{
	(void)state;
	connect_it();
	assert_ptr_equal(lw_provider_packet_flow(actor.provider), flow);
	assert_non_null(lw_packet_flow_captures(flow));
	assert_int_equal(lw_packet_flow_read(flow, 0, 0, ignore_packets, NULL), 0);
	stop_it();
	dispatch();
	assert_int_equal(lw_packet_flow_read(flow, 0, 0, ignore_packets, NULL), -EBUSY);
	finish(&actor.stopping, 0);
	dispatch();
	assert_null(lw_packet_flow_captures(flow));
	assert_int_equal(lw_packet_flow_read(flow, 0, 0, ignore_packets, NULL), 0);
	lw_packet_flow_cancel_read(flow, 0);
}

static void start__device_that_cannot_be_opened__returned_and_remembered(void **state)
{
	const struct lw_device_options device = { .size = sizeof(device),
						  .kind = LW_DEVICE_ADOPTED,
						  .layer = LW_LAYER_ETHERNET,
						  .descriptor = open("/dev/null", O_RDWR) };
	struct lw_connection_options options = usual_options();
	struct lw_error error = { 0 };

	(void)state;
	lw_connection_free(connection);
	options.flow = NULL;
	options.device = &device;
	assert_int_equal(lw_connection_new(loop, &options, &connection, NULL), 0);
	for (int i = 0; i < 2; i++) {
		assert_true(lw_connection_start(connection, NULL, &error) < 0);
		assert_true(error.domain != LW_DOMAIN_NONE);
		assert_true(strlen(error.text) > 0);
		assert_int_equal(last_code(), error.code);
		assert_int_equal(lw_connection_status(connection), LW_STATUS_DISCONNECTED);
		assert_int_equal(actor.starts, 0);
	}
}

/* Options of another version: the caller's struct is smaller, or larger. */
struct later_options {
	struct lw_connection_options known;
	uint64_t later;
};

static void
lw_connection_new__options_of_other_versions__taken_unless_they_ask_for_more(void **state)
{
	struct later_options later = { .known = usual_options() };
	struct lw_connection_options earlier = usual_options();
	struct lw_connection *none = NULL;
	struct lw_provider_ops earlier_ops = ops;

	(void)state;
	/* Before there were sleep and wake; what lies behind is not looked at. */
	earlier_ops.size = offsetof(struct lw_provider_ops, sleep);
	earlier.ops = &earlier_ops;
	earlier.size = offsetof(struct lw_connection_options, start_timeout_ms);
	earlier.start_timeout_ms = 1;
	assert_int_equal(lw_connection_new(loop, &earlier, &none, NULL), 0);
	assert_int_equal(lw_connection_start(none, NULL, NULL), 0);
	assert_int_equal(lw_connection_sleep(none, false, count_slept, &actor), 0);
	fake_ns += 59000000000;
	dispatch();
	assert_int_equal(lw_connection_status(none), LW_STATUS_CONNECTING);
	assert_int_equal(actor.sleeps, 0);
	assert_int_equal(actor.slept, 1);
	finish(&actor.starting, 5);
	lw_connection_free(none);
	dispatch();
	later.known.size = sizeof(later);
	assert_int_equal(lw_connection_new(loop, &later.known, &none, NULL), 0);
	lw_connection_free(none);
	none = NULL;
	later.later = 1;
	assert_int_equal(lw_connection_new(loop, &later.known, &none, NULL), -EINVAL);
	assert_null(none);
}

static void start__options_that_cannot_be__refused(void **state)
{
	static const char *const words[LW_START_OPTIONS_MAX + 1] = { "a" };
	const struct lw_start_options rows[] = {
		{ .size = 0 },
		{ .size = sizeof(rows[0]), .origin = 5 },
		{ .size = sizeof(rows[0]), .keys = words, .values = words, .n = 2 },
		{ .size = sizeof(rows[0]), .keys = words, .n = 1 },
		{ .size = sizeof(rows[0]),
		  .keys = words,
		  .values = words,
		  .n = LW_START_OPTIONS_MAX + 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lw_error error = { 0 };

		assert_int_equal(lw_connection_start(connection, &rows[i], &error), -EINVAL);
		assert_memory_equal(error.text, "start options", 13);
		assert_int_equal(actor.starts, 0);
	}
}

static void reasons_and_origins__every_one__has_its_name_and_goes_through(void **state)
{
	(void)state;
	tear_down(state);
	assert_int_equal(LW_STOP_INTERNAL_ERROR, 17);
	for (int reason = 0; reason <= LW_STOP_INTERNAL_ERROR; reason++) {
		set_up(state);
		connect_it();
		assert_int_equal(lw_connection_stop(connection, (enum lw_stop_reason)reason), 1);
		dispatch();
		assert_int_equal(actor.reason, reason);
		assert_int_equal(lw_connection_stop_reason(connection), reason);
		assert_string_not_equal(lw_stop_reason_name((enum lw_stop_reason)reason), "?");
		finish(&actor.stopping, 0);
		tear_down(state);
	}
	set_up(state);
	assert_string_equal(lw_stop_reason_name((enum lw_stop_reason)18), "?");
	assert_string_equal(lw_start_origin_name((enum lw_start_origin)0), "?");
	assert_string_equal(lw_start_origin_name(LW_START_BOOT), "boot");
	assert_string_equal(lw_start_origin_name((enum lw_start_origin)5), "?");
	assert_int_equal(lw_connection_origin(connection), 0);
	connect_it();
	assert_int_equal(lw_connection_origin(connection), LW_START_API);
	assert_int_equal(lw_connection_stop(connection, (enum lw_stop_reason)18), -EINVAL);
	assert_int_equal(lw_connection_stop(connection, (enum lw_stop_reason) - 1), -EINVAL);
	assert_int_equal(lw_connection_status(connection), LW_STATUS_CONNECTED);
	lw_provider_cancel(actor.provider, (enum lw_stop_reason)99, NULL);
	dispatch();
	assert_int_equal(actor.reason, LW_STOP_INTERNAL_ERROR);
	finish(&actor.stopping, 0);
	dispatch();
}

/* ---- sleep */

static void sleep__freed_while_asking__let_go_once(void **state)
{
	(void)state;
	connect_it();
	assert_int_equal(lw_connection_sleep(connection, false, count_slept, &actor), 0);
	lw_connection_free(take_pointer(connection));
	assert_int_equal(actor.slept, 1);
	finish(&actor.sleeping, 0);
	finish(&actor.stopping, 0);
	dispatch();
	assert_int_equal(actor.slept, 1);
}

static void sleep__twice_with_wake_between__told_twice(void **state)
{
	(void)state;
	connect_it();
	for (int i = 1; i <= 2; i++) {
		assert_int_equal(lw_connection_sleep(connection, false, count_slept, &actor), 0);
		dispatch();
		assert_int_equal(actor.slept, i - 1);
		finish(&actor.sleeping, 0);
		dispatch();
		assert_int_equal(actor.slept, i);
		lw_connection_wake(connection);
		lw_connection_wake(connection);
		dispatch();
		assert_int_equal(actor.sleeps, i);
		assert_int_equal(actor.wakes, i);
		assert_int_equal(actor.slept, i);
	}
}

static void sleep__again_before_the_loop_ran__each_is_told_of_its_own(void **state)
{
	struct lw_completion *former;

	(void)state;
	go_asleep();
	former = take_pointer(actor.sleeping);
	lw_connection_wake(connection);
	assert_int_equal(lw_connection_sleep(connection, false, count_slept, &actor), 0);
	dispatch();
	assert_int_equal(actor.slept, 1);
	finish(&former, 0);
	dispatch();
	assert_int_equal(actor.slept, 1);
	finish(&actor.sleeping, 0);
	dispatch();
	assert_int_equal(actor.slept, 2);
}

static void sleep__disconnected_for_it__stays_so_until_started_after_waking(void **state)
{
	(void)state;
	go_stopped_for_sleep();
	assert_int_equal(actor.reason, LW_STOP_SLEEP);
	assert_int_equal(actor.slept, 0);
	finish(&actor.stopping, 0);
	dispatch();
	assert_int_equal(actor.slept, 1);
	assert_int_equal(lw_connection_start(connection, NULL, NULL), -EBUSY);
	lw_connection_wake(connection);
	dispatch();
	assert_int_equal(actor.wakes, 0);
	assert_int_equal(lw_connection_status(connection), LW_STATUS_DISCONNECTED);
	connect_it();
}

/* ---- the history */

static void incidents__more_than_are_kept__newest_first_and_rows_counted(void **state)
{
	struct lw_connection_incident incident = { .size = sizeof(incident) };
	struct lw_error error;

	(void)state;
	assert_false(lw_connection_incident(connection, 0, &incident));
	connect_it();
	make_error(&error, 1);
	for (int i = 0; i < 3; i++)
		lw_provider_note_error(actor.provider, &error);
	assert_true(lw_connection_incident(connection, 0, &incident));
	assert_int_equal(incident.times, 3);
	assert_int_equal(incident.error.code, 1);
	assert_false(incident.was_ending);
	assert_true(incident.date > 0);
	assert_false(lw_connection_incident(connection, 1, &incident));
	lw_provider_cancel(actor.provider, LW_STOP_NONE, &error);
	lw_provider_note_error(actor.provider, &error); /* too late */
	dispatch();
	finish(&actor.stopping, 0);
	dispatch();
	assert_true(lw_connection_incident(connection, 0, &incident));
	assert_true(incident.was_ending);
	assert_int_equal(incident.times, 1);
	connect_it(); /* kept from run to run, though the last error is */
	assert_true(lw_connection_incident(connection, 1, &incident));
	assert_int_equal(incident.times, 3);
	for (int i = 2; i < 40; i++) {
		make_error(&error, i);
		lw_provider_note_error(actor.provider, &error);
	}
	for (int i = 0; i < LW_CONNECTION_ERRORS_MAX; i++) {
		assert_true(lw_connection_incident(connection, (size_t)i, &incident));
		assert_int_equal(incident.error.code, 39 - i);
	}
	assert_false(lw_connection_incident(connection, LW_CONNECTION_ERRORS_MAX, &incident));
}

static void lw_connection_new__options_table__refused(void **state)
{
	struct lw_provider_ops no_start = ops, no_stop = ops, no_layer = ops, other_layer = ops;
	struct lw_connection_options wrong[7];
	struct lw_device_options device;
	struct lw_connection *none = NULL;
	struct lw_error error;

	(void)state;
	no_start.start = NULL;
	no_stop.stop = NULL;
	no_layer.layer = 0;
	other_layer.layer = LW_LAYER_IP;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		wrong[i] = usual_options();
	wrong[0].size = 0;
	wrong[1].ops = NULL;
	wrong[2].ops = &no_start;
	wrong[3].ops = &no_stop;
	wrong[4].ops = &no_layer;
	wrong[5].ops = &other_layer;
	wrong[6].flow = NULL;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		assert_int_equal(lw_connection_new(loop, &wrong[i], &none, &error), -EINVAL);
		assert_memory_equal(error.text, "a connection needs ", 19);
	}
	device = (struct lw_device_options){ .size = sizeof(device),
					     .kind = LW_DEVICE_KERNEL,
					     .layer = LW_LAYER_ETHERNET,
					     .name = "sixteen-letters-" };
	wrong[6].device = &device;
	assert_int_equal(lw_connection_new(loop, &wrong[6], &none, &error), -EINVAL);
	device.name = "fifteen-letters";
	assert_int_equal(lw_connection_new(loop, &wrong[6], &none, &error), 0);
	lw_connection_free(none);
	lw_connection_free(NULL);
}

static void finish_both(void)
{
	if (actor.starting)
		finish(&actor.starting, 1);
	finish(&actor.stopping, 0);
}

/* stop is called where it has to be, and nothing is left whether the provider ever finishes or
 * not. */
static void lw_connection_free__in_every_state__stopped_at_once_and_nothing_left(void **state)
{
	static const int stops[WAYS] = { 0, 1, 1, 1, 1, 1, 1, 0, 1 };

	for (int manner = 0; manner < 4; manner++) {
		for (size_t w = 0; w < WAYS; w++) {
			set_up(state);
			observe();
			ways[w]();
			if (manner == 0)
				actor.in_stop = finish_both;
			n_told = 0;
			lw_connection_free(connection);
			connection = NULL;
			assert_int_equal(actor.stops, stops[w]);
			if (manner == 1 && actor.stopping)
				finish_both();
			if (manner != 2)
				dispatch();
			if (manner == 3 && actor.stopping)
				finish_both();
			assert_int_equal(n_told, 0);
			tear_down(state);
		}
	}
}

static void lw_connection_free__provider_stops_slowly__its_flow_and_provider_stay(void **state)
{
	(void)state;
	connect_it();
	lw_connection_free(connection);
	connection = NULL;
	dispatch();
	/* What a provider may still say, and to whom nobody listens. */
	lw_provider_set_reasserting(actor.provider, true);
	cancel();
	assert_ptr_equal(lw_provider_packet_flow(actor.provider), flow);
	assert_int_equal(set_settings(NULL), LW_TUNNEL_ERROR_SETTINGS_CANCELED);
	finish(&actor.stopping, 0);
	dispatch();
}

static void free_it(void)
{
	lw_connection_free(connection);
	finish_both();
}

static void lw_connection_free__inside_start__fine(void **state)
{
	(void)state;
	actor.in_start = free_it;
	assert_int_equal(lw_connection_start(connection, NULL, NULL), 0);
	connection = NULL;
	dispatch();
	assert_int_equal(actor.stops, 1);
}

int main(void)
{
#define LIFE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(states__every_event__as_the_table_says),
		cmocka_unit_test(provider_may_become__every_pair__only_those_of_the_table),
		LIFE(observer__whole_life__every_status_once_in_order),
		LIFE(observer__start_that_fails_inside_the_call__still_told_of_each),
		LIFE(observer__more_changes_than_are_kept__last_is_the_present),
		LIFE(observer__starts_again_when_disconnected__fresh_run),
		LIFE(observer__frees_the_connection__told_no_more),
		LIFE(stop__reason__handed_to_the_provider),
		LIFE(cancel__reasons__default_is_provider_failed),
		LIFE(cancel__without_an_error__none_when_running_but_one_when_starting),
		LIFE(cancel__while_starting__start_fails_with_that_error),
		LIFE(cancel__and_start_failed_before_the_loop_came__stop_not_called),
		LIFE(stop__while_starting_and_start_finished_after__dropped),
		LIFE(stop__called_and_start_fails_then__still_waits_for_stop),
		LIFE(last_error__of_a_disconnect__kept_until_the_next),
		LIFE(connected_date__life__only_while_up_and_through_reasserting),
		LIFE(start__origin__told_and_api_by_default),
		LIFE(watchdog__start__fails_after_sixty_seconds_and_drops_what_comes_later),
		LIFE(watchdog__start_of_a_provider_that_said_why__told),
		LIFE(watchdog__of_what_was_finished__silent),
		LIFE(watchdog__stop__ends_after_twenty_seconds_and_late_finish_hits_nothing),
		LIFE(watchdog__own_times_and_none__kept),
		LIFE(completion__finished_twice__aborts_also_in_a_later_run),
		cmocka_unit_test(settings__by_state__applied_or_cancelled),
		LIFE(settings__invalid__refused_with_the_field_and_the_old_ones_stay),
		LIFE(settings__more_at_once_than_wait__each_answered_once),
		LIFE(settings__stop_and_start__forgotten),
		LIFE(message__answered__reply_from_the_loop_with_its_own_bytes),
		LIFE(message__answered_with_an_error_or_by_nobody__nothing),
		LIFE(message__run_ends_before_the_answer__nothing_and_late_answer_dropped),
		LIFE(message__more_than_may_wait__refused),
		LIFE(borrowed_flow__run_over__free_of_reads_and_captures),
		LIFE(start__device_that_cannot_be_opened__returned_and_remembered),
		LIFE(lw_connection_new__options_of_other_versions__taken_unless_they_ask_for_more),
		LIFE(start__options_that_cannot_be__refused),
		LIFE(reasons_and_origins__every_one__has_its_name_and_goes_through),
		LIFE(sleep__freed_while_asking__let_go_once),
		LIFE(sleep__twice_with_wake_between__told_twice),
		LIFE(sleep__again_before_the_loop_ran__each_is_told_of_its_own),
		LIFE(sleep__disconnected_for_it__stays_so_until_started_after_waking),
		LIFE(incidents__more_than_are_kept__newest_first_and_rows_counted),
		LIFE(lw_connection_new__options_table__refused),
		cmocka_unit_test(
			lw_connection_free__in_every_state__stopped_at_once_and_nothing_left),
		LIFE(lw_connection_free__provider_stops_slowly__its_flow_and_provider_stay),
		LIFE(lw_connection_free__inside_start__fine),
	};

	return cmocka_run_group_tests_name("provider/connection", tests, NULL, NULL);
}
