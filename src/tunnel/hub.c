/* SPDX-License-Identifier: MIT */
/* The hub: a switch, its device, its clients' ports, and the book of who may come in. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <longwire/flow.h>

#include "base/dns_settings.h"
#include "base/error.h"
#include "base/proxy_settings.h"
#include "base/value.h"
#include "flow/flow.h"
#include "tls/key_log.h"
#include "tunnel/device_queues.h"
#include "tunnel/hub_internal.h"

enum { HUB_MTU_DEFAULT = 1500, HUB_MTU_MIN = 576, HUB_MTU_MAX = 9216, PARTING_MS = 250 };

/* ---- the device's port */

static void device_output(struct vport *vport, const struct lw_packet *packet)
{
	struct lw_hub *hub = container_of(vport, struct lw_port, vport)->hub;

	/* The flow counts what the kernel refuses, by reason. */
	(void)lw_packet_flow_write(hub->flow, (uint16_t)crew_self(), packet, 1);
}

static unsigned device_worker(struct vport *vport, const struct lw_packet *packet)
{
	(void)packet;
	return device_queues_worker(container_of(vport, struct lw_port, vport)->hub->flow);
}

static const struct vport_ops device_ops = { .output = device_output, .worker = device_worker };

static void device_packets(struct lw_packet_flow *flow, uint16_t queue,
			   const struct lw_packet *packets, size_t n, int error, void *user)
{
	struct lw_hub *hub = user;

	if (!n) {
		log_error("the hub's interface is gone: %s", strerror(-error));
		return;
	}
	vswitch_input(hub->vswitch, &hub->device.vport, packets, n,
		      lw_loop_now_ns(crew_loop(hub->crew, crew_self())));
	if (lw_packet_flow_read(flow, queue, 0, device_packets, hub) < 0)
		log_error("the hub's interface cannot be read");
}

static int attach_device(struct lw_hub *hub, struct lw_packet_flow *flow)
{
	const char *name = lw_packet_flow_name(flow);
	int result;

	hub->flow = flow;
	hub->device.hub = hub;
	snprintf(hub->device.name, sizeof(hub->device.name), "%s", *name ? name : "device");
	hub->device.vport = (struct vport){
		.ops = &device_ops,
		.name = hub->device.name,
		.is_device = true,
		.mtu = hub->mtu,
		.policy = { .behind = LW_BEHIND_LAN },
	};
	vport_policy_complete(&hub->device.vport.policy);
	result = vswitch_add(hub->vswitch, &hub->device.vport);
	if (result >= 0)
		result = port_link_attach(&hub->device.link, hub->loop, hub->layer,
					  &hub->device.vport);
	if (result < 0)
		return result;
	packet_flow_set_captures(flow, &hub->captures);
	return device_queues_open(flow, hub->crew, device_packets, hub);
}

/* ---- making */

static int parse_prefixes(const char *const *texts, size_t n, struct ip_prefix *ret_prefixes,
			  size_t max, const char *key, struct lw_error *ret_error)
{
	if (n > max)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "%s: at most %zu", key, max);
	for (size_t i = 0; i < n; i++)
		if (ip_prefix_parse(texts[i], &ret_prefixes[i]) < 0)
			return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
					 "%s: '%s' is not a prefix like 10.86.0.1/24", key,
					 texts[i]);
	return 0;
}

static int copy_routes(struct lw_hub *hub, const struct lw_hub_options *options,
		       struct lw_error *ret_error)
{
	if (options->n_included_routes > OFFER_ROUTES_MAX)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "settings.included-routes: at most %d", OFFER_ROUTES_MAX);
	if (!options->n_included_routes)
		return 0;
	hub->routes = calloc(options->n_included_routes, sizeof(*hub->routes));
	if (!hub->routes)
		return error_errno(ret_error, ENOMEM, "hub");
	for (size_t i = 0; i < options->n_included_routes; i++) {
		struct ip_prefix prefix;
		char text[IP_PREFIX_TEXT_SIZE];

		if (ip_prefix_parse(options->included_routes[i], &prefix) < 0)
			return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
					 "settings.included-routes: '%s' is not a prefix",
					 options->included_routes[i]);
		snprintf(hub->routes[i], sizeof(hub->routes[i]), "%s",
			 ip_prefix_format(&prefix, text));
	}
	hub->n_routes = options->n_included_routes;
	return 0;
}

static int copy_services(struct lw_hub *hub, const struct lw_hub_options *options,
			 struct lw_error *ret_error)
{
	int r = 0;

	if (options->dns)
		r = dns_settings_parse(options->dns, &hub->dns, ret_error);
	if (r == 0 && options->proxy)
		r = proxy_settings_parse(options->proxy, &hub->proxy, ret_error);
	return r == -ENOMEM ? error_errno(ret_error, ENOMEM, "hub") : r;
}

static int check_options(const struct lw_hub_options *options, struct lw_error *ret_error)
{
	if (options->layer != LW_LAYER_ETHERNET && options->layer != LW_LAYER_IP)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "layer: ethernet or ip");
	if (options->mtu && (options->mtu < HUB_MTU_MIN || options->mtu > HUB_MTU_MAX))
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "mtu: %u is not allowed: 576 to 9216", options->mtu);
	if (options->workers > LW_WORKERS_MAX)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "workers: %u is not allowed: 1 to %d", options->workers,
				 LW_WORKERS_MAX);
	if (options->streams > LW_STREAMS_MAX)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "streams: %u is not allowed: 1 to %d", options->streams,
				 LW_STREAMS_MAX);
	if (options->layer == LW_LAYER_ETHERNET &&
	    (options->between == LW_BETWEEN_KERNEL || options->n_pool || options->n_own_addresses ||
	     options->n_included_routes || options->dns || options->proxy))
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "pools, addresses, routes, dns, proxy and between-clients: kernel "
				 "belong to layer: ip");
	if (options->between == LW_BETWEEN_KERNEL && !options->flow)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "between-clients: kernel needs an interface");
	if (options->flow && lw_packet_flow_layer(options->flow) != options->layer)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "the hub's interface carries another layer");
	return 0;
}

static int parse_options(struct lw_hub *hub, const struct lw_hub_options *options,
			 struct lw_error *ret_error)
{
	int result = check_options(options, ret_error);

	if (result < 0)
		return result;
	hub->layer = options->layer;
	hub->mtu = options->mtu ? options->mtu : HUB_MTU_DEFAULT;
	hub->between = options->between                ? options->between
		       : options->layer == LW_LAYER_IP ? LW_BETWEEN_ISOLATED
						       : LW_BETWEEN_DIRECT;
	result = parse_prefixes(options->pool, options->n_pool, hub->pools, HUB_POOLS_MAX, "pool",
				ret_error);
	if (result < 0)
		return result;
	hub->n_pools = options->n_pool;
	result = parse_prefixes(options->own_addresses, options->n_own_addresses, hub->own,
				HUB_OWN_MAX, "interface.addresses", ret_error);
	if (result < 0)
		return result;
	hub->n_own = options->n_own_addresses;
	hub->streams = MAX(options->streams, 1u);
	result = copy_routes(hub, options, ret_error);
	return result < 0 ? result : copy_services(hub, options, ret_error);
}

static void second_passed(struct loop_timer *timer)
{
	struct lw_hub *hub = container_of(timer, struct lw_hub, second);

	vswitch_age(hub->vswitch, lw_loop_now_ns(hub->loop));
	loop_timer_set_in_ms(hub->loop, &hub->second, 1000);
}

static void stop_due(struct loop_timer *timer);

static int make_switch(struct lw_hub *hub)
{
	const struct vswitch_options options = {
		.layer = hub->layer,
		.between = hub->between,
		.captures = &hub->captures,
		.crew = hub->crew,
	};
	int result = vswitch_new(&options, &hub->vswitch);

	for (size_t i = 0; i < hub->n_own && result >= 0; i++)
		result = vswitch_add_own_address(hub->vswitch, &hub->own[i].address);
	if (result >= 0)
		result = loop_timer_init(hub->loop, &hub->second, second_passed);
	if (result >= 0)
		result = loop_timer_init(hub->loop, &hub->stopping, stop_due);
	if (result >= 0)
		result = hub_listen_init(hub);
	return result;
}

static int make_handshaker(struct lw_hub *hub, const struct lw_hub_options *options,
			   struct lw_error *ret_error)
{
	struct credentials *credentials;
	int result = credentials_load(options->identity_file, &credentials, ret_error);

	if (result < 0)
		return result;
	result = handshaker_new(hub->loop, ADMISSION_HUB, options->inline_handshakes, credentials,
				&hub->handshaker, ret_error);
	if (result < 0) {
		credentials_free(credentials);
		return result;
	}
	if (options->key_log_file)
		result = key_log_open(options->key_log_file, &hub->key_log, ret_error);
	handshaker_log_keys(hub->handshaker, hub->key_log);
	return result;
}

int hub_update_book(struct lw_hub *hub)
{
	size_t n = 0, i = 0;
	struct admission_entry *entries;
	struct admission_book *book;
	int result;

	if (!hub->is_book_stale)
		return 0;
	list_for_each(node, &hub->ports)
		n += list_entry(node, struct lw_port, list)->n_pins;
	entries = calloc(n + 1, sizeof(*entries));
	if (!entries)
		return -ENOMEM;
	list_for_each(node, &hub->ports) {
		struct lw_port *port = list_entry(node, struct lw_port, list);

		for (size_t k = 0; k < port->n_pins; k++, i++) {
			entries[i].pin = port->pins[k];
			snprintf(entries[i].name, sizeof(entries[i].name), "%s", port->name);
		}
	}
	result = admission_book_new(entries, n, &book);
	free(entries);
	if (result >= 0)
		result = handshaker_set_book(hub->handshaker, book);
	hub->is_book_stale = result < 0;
	return result;
}

int lw_hub_new(struct lw_loop *loop, const struct lw_hub_options *given, struct lw_hub **ret_hub,
	       struct lw_error *ret_error)
{
	struct lw_hub_options taken, *options = &taken;
	struct lw_hub *hub;
	int result;

	if (!loop || !given || !value_take(options, sizeof(*options), given) ||
	    !options->identity_file)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "a hub needs a loop and an identity");
	hub = calloc(1, sizeof(*hub));
	if (!hub)
		return error_errno(ret_error, ENOMEM, "hub");
	hub->loop = loop;
	list_init(&hub->ports);
	list_init(&hub->lingers);
	list_init(&hub->sessions);
	result = parse_options(hub, options, ret_error);
	if (result >= 0)
		result = make_handshaker(hub, options, ret_error);
	if (result >= 0) {
		result = crew_new(loop, options->workers ? options->workers : 1, &hub->crew);
		if (result >= 0)
			result = make_switch(hub);
		if (result >= 0 && options->flow)
			result = attach_device(hub, options->flow);
		if (result < 0)
			error_errno(ret_error, -result, "cannot make the hub");
	}
	if (result < 0) {
		lw_hub_free(hub);
		return result;
	}
	loop_timer_set_in_ms(loop, &hub->second, 1000);
	*ret_hub = hub;
	return 0;
}

static void port_free(struct lw_port *port)
{
	port_link_done(&port->link);
	vswitch_remove(port->hub->vswitch, &port->vport);
	list_remove(&port->list);
	port->hub->n_ports--;
	free(port->networks);
	free(port);
}

void lw_hub_free(struct lw_hub *hub)
{
	if (!hub)
		return;
	hub_listen_done(hub);
	handshaker_free(hub->handshaker);
	key_log_close(hub->key_log);
	list_for_each_safe(node, &hub->ports) {
		struct lw_port *port = list_entry(node, struct lw_port, list);

		port_drop_sessions(port, GOODBYE_SHUTDOWN, "the hub is closing");
		port_free(port);
	}
	lingers_free(&hub->lingers);
	if (hub->flow) {
		device_queues_close(hub->flow, hub->crew);
		port_link_done(&hub->device.link);
		packet_flow_set_captures(hub->flow, NULL);
		vswitch_remove(hub->vswitch, &hub->device.vport);
	}
	capture_set_clear(&hub->captures);
	loop_timer_done(hub->loop, &hub->second);
	loop_timer_done(hub->loop, &hub->stopping);
	vswitch_free(hub->vswitch);
	crew_free(hub->crew);
	free(hub->routes);
	free(hub->dns);
	free(hub->proxy);
	free(hub);
}

/* ---- stopping */

static void stop_due(struct loop_timer *timer)
{
	struct lw_hub *hub = container_of(timer, struct lw_hub, stopping);
	void (*stopped)(void *user) = hub->stopped;

	lingers_free(&hub->lingers);
	hub->stopped = NULL;
	if (stopped)
		stopped(hub->stopped_user);
}

void lw_hub_stop(struct lw_hub *hub, void (*stopped)(void *user), void *user)
{
	bool is_idle = true;

	if (hub->is_stopping)
		return;
	hub->is_stopping = true;
	hub->stopped = stopped;
	hub->stopped_user = user;
	hub_listen_close(hub);
	list_for_each(node, &hub->ports) {
		struct lw_port *port = list_entry(node, struct lw_port, list);

		is_idle &= !port->session && !port->n_joining;
		port_end_sessions(port, GOODBYE_SHUTDOWN, "the hub is shutting down");
	}
	/* Goodbyes are on their way within this time, or will not arrive. */
	loop_timer_set_in_ms(hub->loop, &hub->stopping, is_idle ? 0 : PARTING_MS);
}

/* ---- peers */

static int check_free(struct lw_hub *hub, const struct lw_port *candidate,
		      struct lw_error *ret_error)
{
	if (hub->n_ports == LW_HUB_CLIENTS_MAX)
		return error_set(ret_error, -ENOSPC, LW_DOMAIN_CONFIGURATION, ENOSPC,
				 "clients: at most %d", LW_HUB_CLIENTS_MAX);
	list_for_each(node, &hub->ports) {
		const struct lw_port *port = list_entry(node, struct lw_port, list);

		if (!strcmp(port->name, candidate->name))
			return error_set(ret_error, -EEXIST, LW_DOMAIN_CONFIGURATION, EEXIST,
					 "clients.%s: there is one of that name", port->name);
		for (size_t i = 0; i < port->n_pins; i++)
			for (size_t k = 0; k < candidate->n_pins; k++)
				if (pin_equal(&port->pins[i], &candidate->pins[k]))
					return error_set(ret_error, -EEXIST,
							 LW_DOMAIN_CONFIGURATION, EEXIST,
							 "clients.%s.pin: belongs to %s already",
							 candidate->name, port->name);
	}
	return 0;
}

int lw_hub_add_peer(struct lw_hub *hub, const struct lw_peer_options *given,
		    struct lw_port **ret_port, struct lw_error *ret_error)
{
	struct lw_peer_options taken, *options = &taken;
	struct lw_port *port;
	int result;

	if (!hub || !given || !value_take(options, sizeof(*options), given))
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "clients: the size of the options is not set");
	port = calloc(1, sizeof(*port));
	if (!port)
		return error_errno(ret_error, ENOMEM, "clients");
	result = port_parse(hub, options, port, ret_error);
	if (result >= 0)
		result = check_free(hub, port, ret_error);
	if (result >= 0)
		result = port_attach(port, ret_error);
	if (result < 0) {
		free(port->networks);
		free(port);
		return result;
	}
	list_append(&hub->ports, &port->list);
	hub->n_ports++;
	hub->homes++;
	hub->is_book_stale = true;
	if (ret_port)
		*ret_port = port;
	return 0;
}

void lw_hub_remove_peer(struct lw_hub *hub, struct lw_port *port)
{
	port_drop_sessions(port, GOODBYE_REMOVED, "this client is no longer configured");
	port_free(port);
	/* At once: who is shaking hands must not come in by the old one. */
	hub->is_book_stale = true;
	if (hub_update_book(hub) < 0)
		log_error("no memory for the list of clients: the old one stays until the next "
			  "connection");
}

/* ---- what is shown */

struct lw_port *lw_hub_next_port(struct lw_hub *hub, struct lw_port *port)
{
	struct list *next;

	if (!port && hub->flow)
		return &hub->device;
	next = !port || port == &hub->device ? hub->ports.next : port->list.next;
	return next == &hub->ports ? NULL : list_entry(next, struct lw_port, list);
}

static void add_device_drops(const struct lw_hub *hub, struct lw_port_status *status)
{
	struct lw_flow_counters counters = { .size = sizeof(counters) };

	lw_packet_flow_counters(hub->flow, &counters);
	for (int i = 0; i < LW_DROP_COUNT; i++)
		status->drops[i] += counters.drops[i];
}

static void format_prefixes(const struct ip_prefix *prefixes, size_t n, char *text, size_t size)
{
	for (size_t i = 0; i < n; i++) {
		char one[IP_PREFIX_TEXT_SIZE];
		size_t used = strlen(text);

		snprintf(text + used, size - used, "%s%s", used ? " " : "",
			 ip_prefix_format(&prefixes[i], one));
	}
}

void lw_port_status(const struct lw_port *port, struct lw_port_status *ret_status)
{
	const struct session *session = port->session;
	const struct vport *vport = &port->vport;
	struct vport_lane counters;
	struct lw_port_status status = {
		.size = sizeof(status),
		.is_device = vport->is_device,
		.connected = session || vport->is_device,
		.behind = vport->policy.behind,
		.since = port->since,
		.sessions = port->sessions,
		.rtt_us = session ? session->rtt_us : 0,
		.peer_mtu = session ? session->peer_hello.mtu : 0,
		.macs = vport_macs(vport),
		.streams = port->bundle.n,
		.streams_up = bundle_count(&port->bundle),
	};

	snprintf(status.name, sizeof(status.name), "%s", port->name);
	snprintf(status.address, sizeof(status.address), "%s", port->address);
	snprintf(status.tls, sizeof(status.tls), "%s", session ? session->tls : "");
	snprintf(status.last_end, sizeof(status.last_end), "%s", port->last_end.text);
	vport_counters(vport, &counters);
	status.received_packets = counters.received_packets;
	status.received_bytes = counters.received_bytes;
	status.sent_packets = counters.sent_packets;
	status.sent_bytes = counters.sent_bytes;
	memcpy(status.drops, counters.drops, sizeof(status.drops));
	if (vport->is_device)
		add_device_drops(port->hub, &status);
	format_prefixes(port->addresses, port->n_addresses, status.addresses,
			sizeof(status.addresses));
	format_prefixes(port->networks, port->n_networks, status.addresses,
			sizeof(status.addresses));
	value_give(ret_status, &status, sizeof(status));
}

void lw_hub_status(const struct lw_hub *hub, struct lw_hub_status *ret_status)
{
	struct lw_hub_status status = {
		.size = sizeof(status),
		.clients = hub->n_ports,
		.workers = crew_size(hub->crew),
		.macs = vswitch_macs(hub->vswitch),
		.handshakes_accepted = hub->accepted,
		.handshakes_refused = hub->refused,
		.handshakes_expired = hub->expired,
		.handshakes_pending = handshaker_pending(hub->handshaker),
	};
	struct key_log_counters keys;

	key_log_counters(hub->key_log, &keys);
	status.key_log_lines = keys.lines;
	status.key_log_failed = keys.failed;
	status.key_log_error = keys.error;
	list_for_each(node, &hub->ports)
		status.connected += list_entry(node, struct lw_port, list)->session != NULL;
	snprintf(status.last_refusal, sizeof(status.last_refusal), "%s", hub->last_refusal);
	value_give(ret_status, &status, sizeof(status));
}

int lw_hub_attach_capture(struct lw_hub *hub, struct lw_capture *capture)
{
	return capture_attach(&hub->captures, capture);
}
