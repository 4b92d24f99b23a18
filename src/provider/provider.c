/* SPDX-License-Identifier: MIT */
/* The life of a provider. */
#include "provider/provider.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <longwire/flow.h>

#include "base/address.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/value.h"
#include "network/path.h"

static const char *const state_names[] = {
	[PROVIDER_IDLE] = "idle",         [PROVIDER_STARTING] = "starting",
	[PROVIDER_RUNNING] = "running",   [PROVIDER_REASSERTING] = "reasserting",
	[PROVIDER_STOPPING] = "stopping",
};
static_assert(ARRAY_SIZE(state_names) == PROVIDER_STATE_COUNT, "a name for each state");

#define BIT(state) (1U << PROVIDER_##state)
static const unsigned successors[] = {
	[PROVIDER_IDLE] = BIT(STARTING),
	[PROVIDER_STARTING] = BIT(RUNNING) | BIT(STOPPING),
	[PROVIDER_RUNNING] = BIT(REASSERTING) | BIT(STOPPING),
	[PROVIDER_REASSERTING] = BIT(RUNNING) | BIT(STOPPING),
	[PROVIDER_STOPPING] = BIT(IDLE),
};
static_assert(ARRAY_SIZE(successors) == PROVIDER_STATE_COUNT, "a row for each state");
#undef BIT

const char *lw_stop_reason_name(enum lw_stop_reason reason)
{
	static const char *const names[] = {
		[LW_STOP_NONE] = "none",
		[LW_STOP_USER_INITIATED] = "user-initiated",
		[LW_STOP_PROVIDER_FAILED] = "provider-failed",
		[LW_STOP_NO_NETWORK_AVAILABLE] = "no-network-available",
		[LW_STOP_UNRECOVERABLE_NETWORK_CHANGE] = "unrecoverable-network-change",
		[LW_STOP_PROVIDER_DISABLED] = "provider-disabled",
		[LW_STOP_AUTHENTICATION_CANCELED] = "authentication-canceled",
		[LW_STOP_CONFIGURATION_FAILED] = "configuration-failed",
		[LW_STOP_IDLE_TIMEOUT] = "idle-timeout",
		[LW_STOP_CONFIGURATION_DISABLED] = "configuration-disabled",
		[LW_STOP_CONFIGURATION_REMOVED] = "configuration-removed",
		[LW_STOP_SUPERSEDED] = "superseded",
		[LW_STOP_USER_LOGOUT] = "user-logout",
		[LW_STOP_USER_SWITCH] = "user-switch",
		[LW_STOP_CONNECTION_FAILED] = "connection-failed",
		[LW_STOP_SLEEP] = "sleep",
		[LW_STOP_APP_UPDATE] = "app-update",
		[LW_STOP_INTERNAL_ERROR] = "internal-error",
	};

	return (unsigned)reason < ARRAY_SIZE(names) ? names[reason] : "?";
}

const char *lw_start_origin_name(enum lw_start_origin origin)
{
	static const char *const names[] = { "?", "user", "on-demand", "boot", "api" };

	return names[(unsigned)origin < ARRAY_SIZE(names) ? (unsigned)origin : 0];
}

const char *provider_state_name(enum provider_state state)
{
	return (unsigned)state < PROVIDER_STATE_COUNT ? state_names[state] : "?";
}

bool provider_may_become(enum provider_state old, enum provider_state next)
{
	return successors[old] >> next & 1;
}

static const char *name_of(const struct lw_provider *provider)
{
	const char *name = provider->flow ? lw_packet_flow_name(provider->flow) : "";

	return name[0] ? name : provider->ops.name;
}

static void provider_set_state(struct lw_provider *provider, enum provider_state next,
			       const char *why)
{
	enum provider_state old = provider->state;

	assert(provider_may_become(old, next));
	log_debug("%s: %s -> %s (%s)", name_of(provider), state_names[old], state_names[next], why);
	provider->state = next;
	interface_set_running(&provider->interface, next == PROVIDER_RUNNING);
	provider->owner->changed(provider, old);
	loop_defer(provider->loop, &provider->pass);
}

bool provider_has_run(const struct lw_provider *provider)
{
	return provider->state == PROVIDER_STARTING || provider->state == PROVIDER_RUNNING ||
	       provider->state == PROVIDER_REASSERTING;
}

/* ---- starting and stopping */

void provider_set_error(struct lw_provider *provider, const struct lw_error *error)
{
	provider->last_error = *error;
	history_add(&provider->history, error, true, (int64_t)time(NULL));
}

static int begin_stopping(struct lw_provider *provider, enum lw_stop_reason reason,
			  const struct lw_error *error, const char *why)
{
	static const struct lw_error none = { .domain = LW_DOMAIN_NONE };

	if (!provider_has_run(provider))
		return 0;
	completion_disarm(provider->starting);
	provider->reason = reason;
	provider->last_error = none;
	if (error)
		provider_set_error(provider, error);
	provider_set_state(provider, PROVIDER_STOPPING, why);
	return 1;
}

/* The watchdog knows only that it took too long; the provider may have said why. */
static void explain(const struct lw_provider *provider, struct lw_error *error)
{
	const struct lw_connection_incident *last = history_get(&provider->history, 0);
	char text[LW_ERROR_TEXT_SIZE];

	if (!last || last->was_ending || last->date < provider->run_date)
		return;
	memcpy(text, error->text, sizeof(text));
	error_set(error, 0, error->domain, error->code, "%.100s: %s", text, last->error.text);
}

static void start_answered(void *owner, const struct lw_error *error, const void *data,
			   size_t length)
{
	struct lw_provider *provider = owner;
	bool is_failed = error && completion_is_finished(provider->starting);

	(void)data;
	(void)length;
	if (provider->state == PROVIDER_STARTING && !error) {
		provider_set_state(provider, PROVIDER_RUNNING, "started");
	} else if (provider->state == PROVIDER_STARTING) {
		struct lw_error why = *error;

		if (!is_failed)
			explain(provider, &why);
		begin_stopping(provider, LW_STOP_CONNECTION_FAILED, &why, "start failed");
	}
	/* A provider that says itself that its start failed has nothing left to stop. */
	if (is_failed && !provider->is_stop_called)
		provider->is_over = true;
}

static void stop_answered(void *owner, const struct lw_error *error, const void *data,
			  size_t length)
{
	struct lw_provider *provider = owner;

	(void)data;
	(void)length;
	if (error && provider->last_error.domain == LW_DOMAIN_NONE)
		provider_set_error(provider, error);
	provider->is_over = true;
	loop_defer(provider->loop, &provider->pass);
}

int provider_start(struct lw_provider *provider, struct lw_packet_flow *flow,
		   const struct lw_start_options *options)
{
	struct lw_completion *starting, *stopping;
	int r;

	if (provider->state != PROVIDER_IDLE)
		return -EALREADY;
	if (provider->is_asleep)
		return -EBUSY;
	r = completion_new(provider->loop, "start", start_answered, provider, &starting);
	if (r < 0)
		return r;
	/* Made now, so that no stop can fail for want of memory. */
	r = completion_new(provider->loop, "stop", stop_answered, provider, &stopping);
	if (r < 0) {
		completion_let_go(starting);
		return r;
	}
	provider->starting = starting;
	provider->stopping = stopping;
	provider->flow = flow;
	provider->is_stop_called = provider->is_over = false;
	provider->origin = options->origin;
	provider->run_date = (int64_t)time(NULL);
	interface_open(&provider->interface, provider->loop, flow, &provider->options);
	provider_set_state(provider, PROVIDER_STARTING, "start");
	completion_issue(starting, provider->timeouts.start_ms);
	provider->ops.start(provider, options, starting, provider->user);
	return 0;
}

bool provider_is_stop_reason(enum lw_stop_reason reason)
{
	return (unsigned)reason <= LW_STOP_INTERNAL_ERROR;
}

int provider_stop(struct lw_provider *provider, enum lw_stop_reason reason,
		  const struct lw_error *error)
{
	return begin_stopping(provider, reason, error, "stop");
}

static void call_stop(struct lw_provider *provider)
{
	provider->is_stop_called = true;
	completion_issue(provider->stopping, provider->timeouts.stop_ms);
	provider->ops.stop(provider, provider->reason, provider->stopping, provider->user);
}

/* ---- sleeping */

static void sleep_answered(void *owner, const struct lw_error *error, const void *data,
			   size_t length)
{
	struct lw_provider *provider = owner;

	(void)error; /* who could not quiesce will find out when he wakes */
	(void)data;
	(void)length;
	provider->is_sleep_due = true;
	loop_defer(provider->loop, &provider->pass);
}

/* Return: whether an answer will come. */
static bool ask_to_sleep(struct lw_provider *provider)
{
	if (!provider_has_run(provider) || !provider->ops.sleep ||
	    completion_new(provider->loop, "sleep", sleep_answered, provider, &provider->sleeping) <
		    0)
		return false;
	completion_issue(provider->sleeping, provider->timeouts.sleep_ms);
	provider->ops.sleep(provider, provider->sleeping, provider->user);
	return true;
}

int provider_sleep(struct lw_provider *provider, bool disconnect, void (*done)(void *user),
		   void *user)
{
	if (provider->is_asleep)
		return -EALREADY;
	provider->is_asleep = true;
	provider->slept = done;
	provider->slept_user = user;
	if (disconnect)
		begin_stopping(provider, LW_STOP_SLEEP, NULL, "the machine sleeps");
	else if (!ask_to_sleep(provider))
		provider->is_sleep_due = true;
	loop_defer(provider->loop, &provider->pass);
	return 0;
}

/* Whoever waits for us to be quiet is told that we are, or that he need not wait. */
static void tell_slept(struct lw_provider *provider)
{
	void (*done)(void *user) = provider->slept;

	if (!provider->is_sleep_due && provider->state != PROVIDER_IDLE)
		return;
	provider->slept = NULL;
	provider->is_sleep_due = false;
	completion_retire(&provider->drawer, take_pointer(provider->sleeping));
	if (done)
		done(provider->slept_user);
}

void provider_wake(struct lw_provider *provider)
{
	if (!provider->is_asleep)
		return;
	provider->is_asleep = false;
	if (provider_has_run(provider) && provider->ops.wake)
		provider->ops.wake(provider, provider->user);
	/* Now: the next sleep may begin before the loop runs, and has a done of its own. */
	provider->is_sleep_due = true;
	tell_slept(provider);
}

/* ---- the deferred pass */

static void give_answers(struct lw_provider *provider)
{
	while (provider->n_answers > 0) {
		struct settings_answer answer = provider->answers[0];

		provider->n_answers--;
		memmove(&provider->answers[0], &provider->answers[1],
			provider->n_answers * sizeof(provider->answers[0]));
		answer.done(answer.error.domain != LW_DOMAIN_NONE ? &answer.error : NULL,
			    answer.user);
	}
}

static void end_run(struct lw_provider *provider)
{
	messages_deliver(provider, true);
	completion_retire(&provider->drawer, take_pointer(provider->starting));
	completion_retire(&provider->drawer, take_pointer(provider->stopping));
	interface_close(&provider->interface);
	provider->owner->ended(provider);
	provider->flow = NULL;
	provider_set_state(provider, PROVIDER_IDLE, "ended");
}

static void run_pass(struct loop_deferred *pass)
{
	struct lw_provider *provider = container_of(pass, struct lw_provider, pass);

	give_answers(provider);
	if (provider->state == PROVIDER_STOPPING && !provider->is_over && !provider->is_stop_called)
		call_stop(provider);
	if (provider->state == PROVIDER_STOPPING && provider->is_over)
		end_run(provider);
	messages_deliver(provider, false);
	tell_slept(provider);
	provider->owner->told(provider);
}

void provider_abandon(struct lw_provider *provider)
{
	messages_deliver(provider, true);
	begin_stopping(provider, LW_STOP_USER_INITIATED, NULL, "abandoned");
	if (provider->state == PROVIDER_STOPPING && !provider->is_over && !provider->is_stop_called)
		call_stop(provider);
	provider->n_answers = 0;
	interface_close(&provider->interface);
	provider->is_sleep_due = true;
	tell_slept(provider);
}

static void path_changed(void *user)
{
	struct lw_provider *provider = user;

	if (provider_has_run(provider) && provider->ops.path_changed)
		provider->ops.path_changed(provider, provider->user);
}

void provider_init(struct lw_provider *provider, struct lw_loop *loop,
		   const struct lw_provider_ops *ops, void *user,
		   const struct provider_owner *owner, const struct provider_timeouts *timeouts)
{
	*provider = (struct lw_provider){
		.loop = loop,
		.ops = *ops,
		.user = user,
		.owner = owner,
		.timeouts = *timeouts,
		.state = PROVIDER_IDLE,
		.pass.function = run_pass,
		.options = { .path_changed = path_changed, .user = provider },
	};
}

void provider_drop(struct lw_provider *provider)
{
	if (provider->state == PROVIDER_IDLE)
		return;
	completion_let_go(take_pointer(provider->starting));
	completion_let_go(take_pointer(provider->stopping));
	provider->flow = NULL;
	provider_set_state(provider, PROVIDER_IDLE, "dropped");
}

void provider_done(struct lw_provider *provider)
{
	assert(provider->state == PROVIDER_IDLE);
	loop_undefer(provider->loop, &provider->pass);
	completion_drawer_empty(&provider->drawer);
}

/* ---- what a provider calls */

struct lw_packet_flow *lw_provider_packet_flow(struct lw_provider *provider)
{
	return provider->flow;
}

struct lw_loop *lw_provider_loop(struct lw_provider *provider)
{
	return provider->loop;
}

const char *lw_provider_interface(struct lw_provider *provider)
{
	return provider->flow ? lw_packet_flow_name(provider->flow) : "";
}

bool lw_provider_includes_all_networks(const struct lw_provider *provider)
{
	return provider->options.routing.include_all;
}

int lw_provider_seek_peer(struct lw_provider *provider, char (*ret_peers)[LW_PEER_TEXT_SIZE],
			  size_t max)
{
	return provider_has_run(provider)
		       ? interface_seek_peer(&provider->interface, ret_peers, max)
		       : -ENOTCONN;
}

int lw_provider_found_peer(struct lw_provider *provider, const char *const *peers, size_t n)
{
	return provider_has_run(provider) ? interface_found_peer(&provider->interface, peers, n)
					  : -ENOTCONN;
}

int lw_provider_path(struct lw_provider *provider, const char *address, struct lw_path *ret_path)
{
	struct lw_path told = { .size = sizeof(told) };
	struct ip_address to;
	struct path path = { 0 };
	int r = ip_address_parse(address, &to);

	(void)provider;
	if (r == 0)
		r = path_get(&to, &path);
	if (r < 0)
		return r;
	told.is_reachable = path.is_reachable;
	told.index = path.index;
	told.mtu = path.mtu;
	memcpy(told.interface, path.interface, sizeof(told.interface));
	if (path.source.family)
		ip_address_format(&path.source, told.source);
	if (path.gateway.family)
		ip_address_format(&path.gateway, told.gateway);
	value_give(ret_path, &told, sizeof(told));
	return 0;
}

void lw_provider_set_network_settings(struct lw_provider *provider,
				      const struct lw_network_settings *settings,
				      void (*done)(const struct lw_error *error, void *user),
				      void *user)
{
	struct settings_answer answer = { .done = done, .user = user };
	bool is_full = done && provider->n_answers == PROVIDER_ANSWERS_MAX;

	if (is_full)
		error_set(&answer.error, 0, LW_DOMAIN_TUNNEL, LW_TUNNEL_ERROR_SETTINGS_CANCELED,
			  "settings are set faster than the loop can tell of it");
	else if (!provider_has_run(provider))
		error_set(&answer.error, 0, LW_DOMAIN_TUNNEL, LW_TUNNEL_ERROR_SETTINGS_CANCELED,
			  "the tunnel is %s", state_names[provider->state]);
	else
		interface_apply(&provider->interface, settings, &answer.error);
	if (!done)
		return;
	/* Above the bound there is no room to wait: a provider that does this is told at once. */
	if (is_full) {
		done(&answer.error, user);
		return;
	}
	provider->answers[provider->n_answers++] = answer;
	loop_defer(provider->loop, &provider->pass);
}

void lw_provider_set_reasserting(struct lw_provider *provider, bool reasserting)
{
	if (reasserting && provider->state == PROVIDER_RUNNING)
		provider_set_state(provider, PROVIDER_REASSERTING, "the provider reconnects");
	else if (!reasserting && provider->state == PROVIDER_REASSERTING)
		provider_set_state(provider, PROVIDER_RUNNING, "the provider is back");
}

void lw_provider_cancel(struct lw_provider *provider, enum lw_stop_reason reason,
			const struct lw_error *error)
{
	struct lw_error unsaid;

	if (error && error->domain == LW_DOMAIN_NONE)
		error = NULL;
	/* An end without an error is an end; a start that fails without one would look like nothing
	 * at all. */
	if (!error && provider->state == PROVIDER_STARTING) {
		error_set(&unsaid, 0, LW_DOMAIN_CONNECTION, LW_CONNECTION_ERROR_PLUGIN_FAILED,
			  "the provider %s gave up and did not say why", provider->ops.name);
		error = &unsaid;
	}
	if (reason == LW_STOP_NONE)
		reason = LW_STOP_PROVIDER_FAILED;
	else if (!provider_is_stop_reason(reason))
		reason = LW_STOP_INTERNAL_ERROR;
	begin_stopping(provider, reason, error, "the provider cancelled");
}

void lw_provider_note_error(struct lw_provider *provider, const struct lw_error *error)
{
	if (error && error->domain != LW_DOMAIN_NONE && provider_has_run(provider))
		history_add(&provider->history, error, false, (int64_t)time(NULL));
}
