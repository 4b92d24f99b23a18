/* SPDX-License-Identifier: MIT */
/*
 * longwire hub: a hub in the foreground.
 *
 * Order matters. Everything that can be wrong with the configuration is found first (exit 2), then
 * the name is taken, then the machine is changed: interface, addresses or bridge, gateway. Threads
 * are made only when most privileges are gone. The way back is the same in reverse, from wherever
 * it was that something failed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/parse.h"
#include "network/network.h"
#include "program/command.h"
#include "program/plan.h"
#include "program/privileges.h"
#include "program/service.h"

/* A port as it was at the last tick. */
struct seen {
	struct service_rate received, sent;
	struct report_rtts rtts;
	uint64_t sessions;
	bool connected;
};

struct running_hub {
	struct service service;
	const struct hub_config *config;
	struct hub_plan plan;
	struct lw_packet_flow *flow;
	struct network *network;
	struct lw_hub *hub;
	struct seen *seen;         /* of each port, in the hub's order */
	struct report_port *ports; /* room for each */
	size_t n_ports;
	struct lw_hub_status status;
};

static const char *interface_name(const struct running_hub *running)
{
	return running->flow ? lw_packet_flow_name(running->flow) : NULL;
}

static int report_hub(void *user, struct report *report)
{
	struct running_hub *running = user;
	struct lw_port *port = NULL;
	size_t n = 0;

	report->kind = "hub";
	report->state = "running";
	report->layer = running->plan.hub.layer;
	service_report_interface(&running->service, interface_name(running), report);
	running->status.size = sizeof(running->status);
	lw_hub_status(running->hub, &running->status);
	report->hub = &running->status;
	report->key_log.lines = running->status.key_log_lines;
	report->key_log.failed = running->status.key_log_failed;
	report->key_log.error = running->status.key_log_error;
	while (n < running->n_ports && (port = lw_hub_next_port(running->hub, port))) {
		struct report_port *reported = &running->ports[n];

		reported->status.size = sizeof(reported->status);
		lw_port_status(port, &reported->status);
		reported->rtts = &running->seen[n].rtts;
		reported->received_rate = running->seen[n].received.per_second;
		reported->sent_rate = running->seen[n].sent.per_second;
		n++;
	}
	report->ports = running->ports;
	report->n_ports = n;
	return 0;
}

static void describe(const struct running_hub *running, char *text, size_t size)
{
	struct lw_hub_status status = { .size = sizeof(status) };

	lw_hub_status(running->hub, &status);
	snprintf(text, size, "%" PRIu32 " of %" PRIu32 " clients connected", status.connected,
		 status.clients);
}

/* Measure, and tell observers if a client came or went since the last tick. */
static void tick_hub(void *user)
{
	struct running_hub *running = user;
	struct lw_port_status status = { .size = sizeof(status) };
	struct lw_port *port = NULL;
	bool is_changed = false;
	char text[80];

	for (size_t i = 0; i < running->n_ports; i++) {
		struct seen *seen = &running->seen[i];

		port = lw_hub_next_port(running->hub, port);
		if (!port)
			break;
		lw_port_status(port, &status);
		is_changed |=
			seen->connected != status.connected || seen->sessions != status.sessions;
		seen->connected = status.connected;
		seen->sessions = status.sessions;
		report_add_rtt(&seen->rtts, status.rtt_us);
		service_measure(&seen->received, status.received_bytes);
		service_measure(&seen->sent, status.sent_bytes);
	}
	if (!is_changed)
		return;
	describe(running, text, sizeof(text));
	service_changed(&running->service, text);
}

static void hub_stopped(void *user)
{
	struct running_hub *running = user;

	service_end(&running->service, PROGRAM_DONE);
}

static void stop_hub(void *user)
{
	struct running_hub *running = user;

	lw_hub_stop(running->hub, hub_stopped, running);
}

static int attach_to_hub(void *user, struct lw_capture *capture)
{
	struct running_hub *running = user;

	return lw_hub_attach_capture(running->hub, capture);
}

static const struct service_ops service_ops = {
	.attach = attach_to_hub,
	.report = report_hub,
	.stop = stop_hub,
	.tick = tick_hub,
};

/* A bridge has an MTU of its own; what does not fit through it would be lost without a word. */
static void compare_mtu(const struct running_hub *running)
{
	struct network_link link;

	if (network_link_get(interface_name(running), &link, NULL) < 0)
		return;
	if (link.mtu < running->config->mtu)
		log_warning("%s has an MTU of %u, the network %u: larger packets are lost there",
			    interface_name(running), link.mtu, running->config->mtu);
}

static int open_interface(struct running_hub *running, struct lw_error *error)
{
	struct network_plan plan = {
		.layer = running->plan.hub.layer,
		.settings = &running->plan.parsed,
		.up = true,
		.gateway = running->plan.has_gateway ? &running->plan.gateway : NULL,
		.loop = running->service.loop,
	};
	struct network_link link;
	int r;

	plan.is_persistent = network_link_get(running->plan.device.name, &link, NULL) == 0;
	/* A device that was made for this user is used as it is. */
	if (!privileges_has_net_admin() &&
	    running->plan.settings.ethernet_address == running->plan.ethernet_address)
		running->plan.parsed.has_ethernet_address = false;
	r = lw_packet_flow_open(running->service.loop, &running->plan.device, &running->flow,
				error);
	if (r < 0)
		return r;
	r = network_new(interface_name(running), &running->network);
	if (r < 0)
		return error_errno(error, -r, "%s", interface_name(running));
	r = network_apply(running->network, &plan, error);
	if (r < 0)
		return r;
	running->plan.hub.flow = running->flow;
	compare_mtu(running);
	return 0;
}

static int add_peers(struct running_hub *running, struct lw_error *error)
{
	const struct item_list *clients = &running->config->clients;
	struct lw_peer_options options;
	struct lw_port *port;

	for (size_t i = 0; i < clients->n; i++) {
		int r;

		plan_peer(clients->items[i], &options);
		r = lw_hub_add_peer(running->hub, &options, &port, error);
		if (r < 0)
			return r;
	}
	if (!clients->n)
		log_warning("no client is configured: nobody can connect");
	running->n_ports = clients->n + (running->flow != NULL);
	running->seen = calloc(running->n_ports + 1, sizeof(*running->seen));
	running->ports = calloc(running->n_ports + 1, sizeof(*running->ports));
	if (!running->seen || !running->ports)
		return error_errno(error, ENOMEM, "clients");
	return 0;
}

static int listen_all(struct running_hub *running, struct lw_error *error)
{
	const struct string_list *listen = &running->config->listen;

	for (size_t i = 0; i < listen->n; i++) {
		const char *address = listen->items[i], *colon = strrchr(address, ':');
		uint16_t port;
		int r = lw_hub_listen(running->hub, address, &port, error);

		if (r < 0)
			return r;
		log_info("listening on %.*s:%u", colon ? (int)(colon - address) : 0, address, port);
	}
	return 0;
}

static int attach_captures(struct running_hub *running, struct lw_error *error)
{
	struct captures *captures = &running->service.captures;

	for (size_t i = 0; i < captures->n; i++) {
		int r = lw_hub_attach_capture(running->hub, captures->items[i].capture);

		if (r < 0)
			return error_errno(error, -r, "capture %s", captures->items[i].file);
	}
	return 0;
}

/* From a taken name to a hub that listens. */
static int start_hub(struct running_hub *running, struct lw_error *error)
{
	unsigned kept = running->plan.has_interface ? PRIVILEGE_NET_ADMIN : 0;
	int r = captures_open(&running->service.captures, running->plan.hub.layer,
			      &running->config->captures, error);

	if (r == 0 && running->plan.has_interface)
		r = open_interface(running, error);
	if (r == 0)
		r = privileges_drop(kept | PRIVILEGE_LOW_PORTS | PRIVILEGE_READ_ANY, error);
	if (r == 0)
		r = lw_hub_new(running->service.loop, &running->plan.hub, &running->hub, error);
	if (r == 0)
		service_warn_key_log(&running->service, running->plan.hub.key_log_file);
	if (r == 0)
		r = add_peers(running, error);
	if (r == 0)
		r = attach_captures(running, error);
	running->service.links.hub = running->hub;
	running->service.replays.is_allowed = running->config->inject;
	if (r == 0)
		r = links_apply(&running->service.links, &running->config->impairments, error);
	if (r == 0)
		r = listen_all(running, error);
	if (r == 0)
		r = privileges_drop(kept, error);
	return r;
}

static void close_hub(struct running_hub *running)
{
	service_hang_up(&running->service);
	captures_close(&running->service.captures);
	lw_hub_free(running->hub);
	network_free(running->network);
	lw_packet_flow_free(running->flow);
	free(running->seen);
	free(running->ports);
	service_close(&running->service);
	plan_hub_done(&running->plan);
}

static int run_hub(const struct arguments *arguments, struct running_hub *running)
{
	struct lw_error error;
	char text[80];
	int r;

	running->service.layer = running->plan.hub.layer;
	r = service_open(&running->service, arguments, &service_ops, running, &error);

	if (r < 0) {
		log_error("%s", error.text);
		return error.domain == LW_DOMAIN_CONFIGURATION ? PROGRAM_USAGE : PROGRAM_FAILED;
	}
	r = start_hub(running, &error);
	if (r < 0) {
		log_error("%s", error.text);
		return PROGRAM_FAILED;
	}
	describe(running, text, sizeof(text));
	service_ready(text);
	return service_run(&running->service);
}

int command_hub(const struct arguments *arguments)
{
	struct schema_errors errors = { .file = arguments->words[0] };
	struct running_hub *running;
	struct config config;
	int r, status = PROGRAM_USAGE;

	service_prepare(arguments);
	if (plan_load(arguments->words[0], CONFIG_HUB, &config) < 0)
		return PROGRAM_USAGE;
	running = calloc(1, sizeof(*running));
	if (!running) {
		config_done(&config);
		return command_fail(PROGRAM_FAILED, "no memory");
	}
	running->config = &config.hub;
	r = plan_hub(&config.hub, &running->plan, &errors);
	if (arguments->key_log)
		running->plan.hub.key_log_file = arguments->key_log;
	if (plan_tell(&errors) == 0 && r == 0)
		status = run_hub(arguments, running);
	if (status == PROGRAM_FAILED)
		service_name_doctor(&running->service, arguments->words[0]);
	close_hub(running);
	free(running);
	config_done(&config);
	return status;
}
