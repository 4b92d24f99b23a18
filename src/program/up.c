/* SPDX-License-Identifier: MIT */
/*
 * longwire up: one tunnel in the foreground.
 *
 * The tunnel itself tries again for as long as it takes, with device and settings in place. What
 * ends a connection nevertheless (the device was removed, settings that could not be applied to a
 * network that changed) is tried again from here, later and later; only a connection that never
 * came up ends the program, if its reason is on this machine, because trying again would not help.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/connection.h>
#include <longwire/error.h>
#include <longwire/tunnel.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/tree.h"
#include "network/fence.h"
#include "network/lease.h"
#include "network/link_local_client.h"
#include "network/logind.h"
#include "program/command.h"
#include "program/plan.h"
#include "program/privileges.h"
#include "program/proxies.h"
#include "program/service.h"

enum {
	RESTART_MS_MIN = 2000,
	RESTART_MS_MAX = 30000,
};

struct running_tunnel {
	struct service service;
	const struct tunnel_config *config;
	struct tunnel_plan plan;
	struct lw_tunnel *tunnel;
	struct lw_connection *connection;
	struct loop_timer wait, restart;
	uint64_t restart_ms;
	bool once, is_waiting, was_connected;
	enum lw_status observed;
	struct service_rate received, sent;
	struct report_rtts rtts;
	struct report_connection reported;
	struct lw_tunnel_status link;
	struct lw_network_status network;
	struct report_lock lock;
	struct proxies proxies;
	enum lw_start_origin origin;
	struct lw_tunnel_status published; /* what observers know */
	struct logind *logind;             /* NULL: nobody tells of sleep */
	bool ends_for_sleep;
	bool awaits_lease; /* connected, but not ready: it has no address yet */
};

static void update_network(struct running_tunnel *running)
{
	running->network.size = sizeof(running->network);
	lw_connection_network(running->connection, &running->network);
	proxies_update(&running->proxies, &running->network);
	if (!running->awaits_lease || running->network.awaits_lease)
		return;
	running->awaits_lease = false;
	loop_timer_cancel(&running->wait);
	if (running->is_waiting)
		service_ready("connected");
}

static void fill_connection(const struct lw_connection *connection,
			    struct report_connection *reported)
{
	reported->status = lw_connection_status(connection);
	reported->connected_date = lw_connection_connected_date(connection);
	reported->origin = lw_connection_origin(connection);
	reported->stop_reason = lw_connection_stop_reason(connection);
	lw_connection_last_error(connection, &reported->last_error);
	reported->n_incidents = 0;
	for (size_t i = 0; i < LW_CONNECTION_ERRORS_MAX; i++) {
		reported->incidents[i].size = sizeof(reported->incidents[i]);
		if (lw_connection_incident(connection, i, &reported->incidents[i]))
			reported->n_incidents++;
	}
}

/* What is closed can be opened by anybody who may; so the kernel is asked. */
static void fill_lock(const struct running_tunnel *running, struct report_lock *lock)
{
	struct lw_error error;

	lock->status.size = sizeof(lock->status);
	lw_connection_lock_status(running->connection, &lock->status);
	lock->is_opened =
		lock->status.is_closed && fence_is_closed(lock->status.interface, &error) == 0;
}

static int report_tunnel(void *user, struct report *report)
{
	struct running_tunnel *running = user;

	fill_connection(running->connection, &running->reported);
	running->link.size = sizeof(running->link);
	lw_tunnel_status(running->tunnel, &running->link);
	report->kind = "tunnel";
	report->state = lw_status_name(running->reported.status);
	report->layer = running->plan.tunnel.layer;
	report->connection = &running->reported;
	report->link = &running->link;
	update_network(running);
	report->network = &running->network;
	fill_lock(running, &running->lock);
	report->lock = &running->lock;
	report->key_log.lines = running->link.key_log_lines;
	report->key_log.failed = running->link.key_log_failed;
	report->key_log.error = running->link.key_log_error;
	report->rtts = &running->rtts;
	report->received_rate = running->received.per_second;
	report->sent_rate = running->sent.per_second;
	service_report_interface(&running->service, running->plan.device.name, report);
	return 0;
}

/* The status is told when it changes; what the link does beneath it, here. */
static void publish_link(struct running_tunnel *running, const struct lw_tunnel_status *status)
{
	if (status->link == running->published.link &&
	    !strcmp(status->last_failure, running->published.last_failure))
		return;
	running->published = *status;
	control_publish(running->service.control);
}

static void tick_tunnel(void *user)
{
	struct running_tunnel *running = user;
	struct lw_tunnel_status status = { .size = sizeof(status) };

	lw_tunnel_status(running->tunnel, &status);
	report_add_rtt(&running->rtts, status.rtt_us);
	service_measure(&running->received, status.received_bytes);
	service_measure(&running->sent, status.sent_bytes);
	update_network(running);
	publish_link(running, &status);
}

static void stop_tunnel(void *user)
{
	struct running_tunnel *running = user;

	if (!lw_connection_stop(running->connection, running->service.stop_reason) &&
	    lw_connection_status(running->connection) == LW_STATUS_DISCONNECTED)
		service_end(&running->service, PROGRAM_DONE);
}

static int attach_to_tunnel(void *user, struct lw_capture *capture)
{
	struct running_tunnel *running = user;

	return lw_connection_attach_capture(running->connection, capture);
}

static const struct service_ops service_ops = {
	.attach = attach_to_tunnel,
	.report = report_tunnel,
	.stop = stop_tunnel,
	.tick = tick_tunnel,
};

/* ---- sleep and wake */

static void on_asleep(void *user)
{
	struct running_tunnel *running = user;

	logind_may_sleep(running->logind);
}

static void on_sleep(void *user)
{
	struct running_tunnel *running = user;
	bool disconnects = running->config->disconnect_on_sleep;

	log_info("the machine goes to sleep%s", disconnects ? ": ending" : "");
	running->ends_for_sleep = disconnects;
	loop_timer_cancel(&running->restart);
	if (lw_connection_sleep(running->connection, disconnects, on_asleep, running) < 0)
		on_asleep(running);
	else if (disconnects && lw_connection_status(running->connection) == LW_STATUS_DISCONNECTED)
		service_end(&running->service, PROGRAM_DONE);
}

static void start_connection(struct running_tunnel *running);

static void on_wake(void *user)
{
	struct running_tunnel *running = user;

	log_info("the machine is awake");
	lw_connection_wake(running->connection);
	if (!running->service.is_stopping && !running->ends_for_sleep &&
	    lw_connection_status(running->connection) == LW_STATUS_DISCONNECTED)
		start_connection(running);
}

static const struct logind_ops logind_ops = { .sleep = on_sleep, .wake = on_wake };

/* Without logind a tunnel notices by the clock that the machine has slept. */
static void hear_of_sleep(struct running_tunnel *running)
{
	int r = logind_new(running->service.loop, &logind_ops, running, &running->logind);

	if (r < 0)
		log_debug("nobody tells of sleep: %s", strerror(-r));
}

static void on_restart(struct loop_timer *timer)
{
	start_connection(container_of(timer, struct running_tunnel, restart));
}

static void on_wait(struct loop_timer *timer)
{
	struct running_tunnel *running = container_of(timer, struct running_tunnel, wait);
	struct lw_tunnel_status status = { .size = sizeof(status) };

	lw_tunnel_status(running->tunnel, &status);
	log_error("not %s within the time given with --wait (%s%s%s)",
		  running->awaits_lease ? "given an address" : "connected",
		  lw_link_state_name(status.link), *status.hub ? " " : "", status.hub);
	running->service.exit_status = PROGRAM_FAILED;
	if (lw_connection_status(running->connection) == LW_STATUS_DISCONNECTED)
		service_end(&running->service, PROGRAM_FAILED);
	else
		lw_connection_stop(running->connection, LW_STOP_USER_INITIATED);
}

static void connected(struct running_tunnel *running)
{
	bool is_first = !running->was_connected;

	running->was_connected = true;
	running->restart_ms = RESTART_MS_MIN;
	if (!running->network.awaits_lease)
		loop_timer_cancel(&running->wait);
	running->awaits_lease = is_first && running->network.awaits_lease;
	if (is_first && running->is_waiting && !running->awaits_lease)
		service_ready("connected");
}

/* Whether it would be the same another time, because the reason is here. */
static bool is_local(const struct lw_error *error)
{
	return error->domain == LW_DOMAIN_TUNNEL || error->domain == LW_DOMAIN_SYSTEM ||
	       error->domain == LW_DOMAIN_CONFIGURATION;
}

static void disconnected(struct running_tunnel *running)
{
	struct lw_error error;

	lw_connection_last_error(running->connection, &error);
	if (running->service.is_stopping || running->ends_for_sleep) {
		service_end(&running->service, PROGRAM_DONE);
		return;
	}
	if (error.domain != LW_DOMAIN_NONE)
		log_error("%s", error.text);
	if (running->service.exit_status || running->once ||
	    (!running->was_connected && is_local(&error))) {
		service_end(&running->service, PROGRAM_FAILED);
		return;
	}
	log_info("connecting again in %u s", (unsigned)(running->restart_ms / 1000));
	loop_timer_set_in_ms(running->service.loop, &running->restart, running->restart_ms);
	running->restart_ms = MIN(running->restart_ms * 2, (uint64_t)RESTART_MS_MAX);
}

/* With --once a connection that is lost has failed, although the tunnel would bring it back. */
static void reasserting(struct running_tunnel *running)
{
	if (!running->once || running->service.is_stopping)
		return;
	log_error("the connection was lost");
	running->service.exit_status = PROGRAM_FAILED;
	lw_connection_stop(running->connection, LW_STOP_CONNECTION_FAILED);
}

static void on_status(struct lw_connection *connection, enum lw_status status, void *user)
{
	struct running_tunnel *running = user;
	enum lw_status before = running->observed;

	(void)connection;
	/* The first call says the present state, of which nothing is news. */
	if (status == before)
		return;
	running->observed = status;
	update_network(running);
	log_info("%s", lw_status_name(status));
	service_changed(&running->service, lw_status_name(status));
	if (status == LW_STATUS_CONNECTED)
		connected(running);
	else if (status == LW_STATUS_REASSERTING)
		reasserting(running);
	else if (status == LW_STATUS_DISCONNECTED)
		disconnected(running);
}

static void start_connection(struct running_tunnel *running)
{
	const struct lw_start_options options = {
		.size = sizeof(options),
		.origin = running->origin,
	};
	struct lw_error error;

	if (lw_connection_start(running->connection, &options, &error) == 0)
		return;
	log_error("%s", error.text);
	if (running->once || !running->was_connected) {
		service_end(&running->service, PROGRAM_FAILED);
		return;
	}
	loop_timer_set_in_ms(running->service.loop, &running->restart, running->restart_ms);
	running->restart_ms = MIN(running->restart_ms * 2, (uint64_t)RESTART_MS_MAX);
}

static int attach_captures(struct running_tunnel *running, struct lw_error *error)
{
	struct captures *captures = &running->service.captures;

	for (size_t i = 0; i < captures->n; i++) {
		int r = lw_connection_attach_capture(running->connection,
						     captures->items[i].capture);

		if (r < 0)
			return error_errno(error, -r, "capture %s", captures->items[i].file);
	}
	return 0;
}

static int make_connection(struct running_tunnel *running, struct lw_error *error)
{
	struct lw_connection_options options = {
		.size = sizeof(options),
		.device = &running->plan.device,
		/* The hub may be away for as long as it likes: --wait is the user's own limit. */
		.start_timeout_ms = running->once ? 0 : UINT32_MAX,
		.stop_timeout_ms = running->config->stop_timeout * 1000,
		.enforce_routes = running->config->enforce_routes,
		.include_all_networks = running->config->include_all_networks,
		.exclude_local_networks = running->config->exclude_local_networks,
	};
	int r;

	if (running->config->start_timeout)
		options.start_timeout_ms = running->config->start_timeout * 1000;
	/* A device that was made for this user is used as it is. */
	if (!privileges_has_net_admin() &&
	    running->plan.settings.ethernet_address == running->plan.ethernet_address)
		running->plan.settings.ethernet_address = NULL;
	r = lw_tunnel_new(&running->plan.tunnel, &running->tunnel, error);
	if (r < 0)
		return r;
	service_warn_key_log(&running->service, running->plan.tunnel.key_log_file);
	options.ops = lw_tunnel_provider_ops(running->tunnel);
	options.user = running->tunnel;
	return lw_connection_new(running->service.loop, &options, &running->connection, error);
}

/* ---- messages: {"verb":"message","text":…} is answered with "answer" */

static void message_answered(const void *data, size_t length, void *user)
{
	struct tree *text = tree_new(TREE_SCALAR);

	if (text && data)
		text->text = strndup(data, length);
	if (text && !data)
		text->scalar = TREE_NULL;
	if (text && !text->text)
		text->text = strdup("null");
	control_reply(user, "answer", text);
}

static void do_message(struct control_call *call, const struct tree *request, void *user)
{
	const struct running_tunnel *running = user;
	const char *text = tree_get_text(request, "text");
	int r;

	if (!text) {
		control_refuse(call, "a message has a \"text\"");
		return;
	}
	r = lw_connection_send_message(running->connection, text, strlen(text), message_answered,
				       call);
	if (r < 0)
		control_refuse(call, "%s",
			       r == -ENOTCONN ? "the tunnel is disconnected" : strerror(-r));
}

static const struct control_verb tunnel_verbs[] = {
	{ .name = "message", .run = do_message },
};

/* One that was closed when this file still said so, by a tunnel that did not open it at its end. */
static int open_former_lock(const struct running_tunnel *running, struct lw_error *error)
{
	const char *interface = running->plan.device.name;
	int r;

	if (running->config->include_all_networks || !privileges_has_net_admin())
		return 0;
	r = fence_is_closed(interface, error);
	/* Nobody has closed anything where there is no nftables. */
	if (r < 0)
		log_debug("%s", error->text);
	if (r <= 0)
		return 0;
	log_info("%s: include-all-networks is off: the kill switch is opened", interface);
	return fence_open(interface, error);
}

/* Only who ends the tunnel himself wants what it kept in to go out. */
static void leave_lock(const struct running_tunnel *running)
{
	struct lw_error error;

	if (!running->connection || !lw_connection_is_locked(running->connection))
		return;
	if (!running->service.is_by_user)
		log_warning("the kill switch stays closed: nothing leaves this machine until the "
			    "tunnel is up again, or 'longwire unlock %s'",
			    running->plan.device.name);
	else if (lw_connection_unlock(running->connection, &error) < 0)
		log_error("%s", error.text);
}

/* Where the kernel cannot, we do not listen all the same. */
static int forbid_listening(const struct running_tunnel *running, struct lw_error *error)
{
	int r = privileges_forbid_listening(control_listener(running->service.control), error);

	if (r != -ENOTSUP)
		return r;
	log_debug("%s", error->text);
	return 0;
}

static int open_tunnel(struct running_tunnel *running, struct lw_error *error)
{
	struct lw_loop *loop = running->service.loop;
	int r = loop_timer_init(loop, &running->wait, on_wait);

	if (r == 0)
		r = loop_timer_init(loop, &running->restart, on_restart);
	if (r < 0)
		return error_errno(error, -r, "timers");
	r = control_add_verbs(running->service.control, tunnel_verbs, ARRAY_SIZE(tunnel_verbs),
			      running);
	if (r < 0)
		return error_errno(error, -r, "control socket");
	r = captures_open(&running->service.captures, running->plan.tunnel.layer,
			  &running->config->captures, error);
	if (r == 0)
		r = open_former_lock(running, error);
	if (r == 0)
		r = make_connection(running, error);
	if (r == 0)
		r = attach_captures(running, error);
	running->service.links.tunnel = running->tunnel;
	running->service.replays.is_allowed = running->config->inject;
	if (r == 0)
		r = links_apply(&running->service.links, &running->config->impairments, error);
	if (r == 0 && running->plan.settings.ipv4 == LW_ADDRESSING_LINK_LOCAL)
		/* A failure is told when the settings are applied. */
		(void)link_local_prepare();
	if (r == 0)
		r = privileges_drop(PRIVILEGE_NET_ADMIN |
					    (running->plan.settings.ipv4 == LW_ADDRESSING_AUTOMATIC
						     ? PRIVILEGE_DHCP
						     : 0U),
				    error);
	return r < 0 ? r : forbid_listening(running, error);
}

static void close_tunnel(struct running_tunnel *running)
{
	service_hang_up(&running->service);
	captures_close(&running->service.captures);
	proxies_close(&running->proxies);
	logind_free(running->logind);
	leave_lock(running);
	lw_connection_free(running->connection);
	lw_tunnel_free(running->tunnel);
	if (running->service.loop) {
		loop_timer_done(running->service.loop, &running->wait);
		loop_timer_done(running->service.loop, &running->restart);
	}
	service_close(&running->service);
	plan_tunnel_done(&running->plan);
}

static int run_tunnel(const struct arguments *arguments, struct running_tunnel *running)
{
	struct lw_error error;
	int r;

	running->service.layer = running->plan.tunnel.layer;
	r = service_open(&running->service, arguments, &service_ops, running, &error);

	if (r < 0) {
		log_error("%s", error.text);
		return error.domain == LW_DOMAIN_CONFIGURATION ? PROGRAM_USAGE : PROGRAM_FAILED;
	}
	r = open_tunnel(running, &error);
	if (r < 0) {
		log_error("%s", error.text);
		return PROGRAM_FAILED;
	}
	running->observed = LW_STATUS_DISCONNECTED;
	proxies_open(&running->proxies, running->service.instance);
	lw_connection_observe(running->connection, on_status, running);
	hear_of_sleep(running);
	if (arguments->wait.is_set)
		loop_timer_set_in_ms(running->service.loop, &running->wait,
				     (uint64_t)arguments->wait.value * 1000);
	if (!running->is_waiting)
		service_ready("connecting");
	start_connection(running);
	return service_run(&running->service);
}

/* 0 for a word that is none. */
static enum lw_start_origin parse_origin(const char *word)
{
	if (!word)
		return LW_START_USER;
	for (int origin = LW_START_USER; origin <= LW_START_API; origin++)
		if (!strcmp(word, lw_start_origin_name((enum lw_start_origin)origin)))
			return (enum lw_start_origin)origin;
	return 0;
}

/* Beside the program, where it was built; else where it was installed. */
static void find_lease_helper(void)
{
	char path[256];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *end;

	path[MAX(n, 0)] = '\0';
	end = strrchr(path, '/');
	if (!end || end + sizeof("/longwire-lease") > path + sizeof(path))
		return;
	memcpy(end, "/longwire-lease", sizeof("/longwire-lease"));
	if (access(path, X_OK) == 0)
		lease_set_helper(path);
}

int command_up(const struct arguments *arguments)
{
	enum lw_start_origin origin = parse_origin(arguments->origin);
	struct schema_errors errors = { .file = arguments->words[0] };
	struct running_tunnel *running;
	struct config config;
	int r, status = PROGRAM_USAGE;

	if (!origin)
		return command_fail(PROGRAM_USAGE,
				    "up: --origin takes user, on-demand, boot or api, not \"%s\"",
				    arguments->origin);
	service_prepare(arguments);
	find_lease_helper();
	if (plan_load(arguments->words[0], CONFIG_TUNNEL, &config) < 0)
		return PROGRAM_USAGE;
	running = calloc(1, sizeof(*running));
	if (!running) {
		config_done(&config);
		return command_fail(PROGRAM_FAILED, "no memory");
	}
	running->config = &config.tunnel;
	running->restart_ms = RESTART_MS_MIN;
	running->once = arguments->once;
	running->origin = origin;
	running->is_waiting = arguments->wait.is_set;
	r = plan_tunnel(&config.tunnel, &running->plan, &errors);
	running->plan.tunnel.once = arguments->once;
	if (arguments->key_log)
		running->plan.tunnel.key_log_file = arguments->key_log;
	if (plan_tell(&errors) == 0 && r == 0)
		status = run_tunnel(arguments, running);
	if (status == PROGRAM_FAILED)
		service_name_doctor(&running->service, arguments->words[0]);
	close_tunnel(running);
	free(running);
	config_done(&config);
	return status;
}
