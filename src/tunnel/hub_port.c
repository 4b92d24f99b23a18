/* SPDX-License-Identifier: MIT */
/* A client's place at the hub: its policy, and the sessions that come and go on it. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/parse.h"
#include "tunnel/hub_internal.h"
#include "tunnel/pool.h"
#include "tunnel/replay.h"

static int refuse_option(struct lw_error *error, const char *name, const char *key,
			 const char *value, const char *allowed)
{
	return error_set(error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
			 "clients.%s.%s: '%s' is not allowed: %s", name, key, value, allowed);
}

static int parse_pins(const struct lw_peer_options *options, struct lw_port *port,
		      struct lw_error *ret_error)
{
	if (!options->n_pins || options->n_pins > LW_PORT_PINS_MAX)
		return refuse_option(ret_error, port->name, "pin", "", "1 to 8 pins");
	for (size_t i = 0; i < options->n_pins; i++)
		if (pin_parse(options->pins[i], &port->pins[i]) < 0)
			return refuse_option(ret_error, port->name, "pin", options->pins[i],
					     "SHA256: and 43 characters of base64");
	port->n_pins = options->n_pins;
	return 0;
}

static int parse_addresses(const struct lw_peer_options *options, struct lw_port *port,
			   struct lw_error *ret_error)
{
	if (options->n_addresses > PORT_ADDRESSES_MAX)
		return refuse_option(ret_error, port->name, "addresses", "", "at most 8");
	for (size_t i = 0; i < options->n_addresses; i++) {
		struct ip_prefix *prefix = &port->addresses[i];

		if (ip_address_parse(options->addresses[i], &prefix->address) < 0 ||
		    ip_address_is_special(&prefix->address))
			return refuse_option(ret_error, port->name, "addresses",
					     options->addresses[i],
					     "an IP address without /length");
		prefix->length = ip_address_bits(&prefix->address);
	}
	port->n_addresses = options->n_addresses;
	return 0;
}

static int parse_networks(const struct lw_peer_options *options, struct lw_port *port,
			  struct lw_error *ret_error)
{
	if (options->n_networks > PORT_NETWORKS_MAX)
		return refuse_option(ret_error, port->name, "networks", "", "at most 64");
	if (options->n_networks)
		port->networks = calloc(options->n_networks, sizeof(*port->networks));
	if (options->n_networks && !port->networks)
		return error_errno(ret_error, ENOMEM, "clients.%s", port->name);
	for (size_t i = 0; i < options->n_networks; i++)
		if (ip_prefix_parse(options->networks[i], &port->networks[i]) < 0 ||
		    ip_address_is_special(&port->networks[i].address))
			return refuse_option(ret_error, port->name, "networks",
					     options->networks[i], "a prefix like 192.168.7.0/24");
	port->n_networks = options->n_networks;
	return 0;
}

int port_parse(struct lw_hub *hub, const struct lw_peer_options *options, struct lw_port *port,
	       struct lw_error *ret_error)
{
	int result;

	if (!options->name || !parse_is_name(options->name))
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "clients: '%s' is not a name: 1 to 63 of A-Z a-z 0-9 . _ -",
				 options->name ? options->name : "");
	snprintf(port->name, sizeof(port->name), "%s", options->name);
	if (hub->layer == LW_LAYER_ETHERNET && (options->n_addresses || options->n_networks))
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "clients.%s: addresses and networks belong to layer: ip",
				 port->name);
	result = parse_pins(options, port, ret_error);
	if (result >= 0)
		result = parse_addresses(options, port, ret_error);
	if (result >= 0)
		result = parse_networks(options, port, ret_error);
	if (result < 0)
		return result;
	port->hub = hub;
	bundle_init(&port->bundle, hub->crew, hub->homes, hub->streams);
	port->vport = (struct vport){
		.ops = &port_vport_ops,
		.name = port->name,
		.mtu = hub->mtu,
		.policy = {
			.behind = options->behind ? options->behind : LW_BEHIND_HOST,
			.macs_max = options->macs_max,
			.broadcast_per_second = options->broadcast_per_second,
			.multicast_per_second = options->multicast_per_second,
			.unknown_per_second = options->unknown_per_second,
		},
	};
	vport_policy_complete(&port->vport.policy);
	return 0;
}

static int add_prefixes(struct lw_port *port, const struct ip_prefix *prefixes, size_t n,
			const char *key, struct lw_error *ret_error)
{
	char text[IP_PREFIX_TEXT_SIZE];
	int result = 0;

	for (size_t i = 0; i < n && result >= 0; i++) {
		result = vswitch_add_prefix(port->hub->vswitch, &port->vport, &prefixes[i]);
		if (result == -EEXIST)
			error_set(ret_error, 0, LW_DOMAIN_CONFIGURATION, EEXIST,
				  "clients.%s.%s: %s belongs to another client or to the hub",
				  port->name, key, ip_prefix_format(&prefixes[i], text));
		else if (result < 0)
			error_errno(ret_error, -result, "clients.%s.%s", port->name, key);
	}
	return result;
}

int port_attach(struct lw_port *port, struct lw_error *ret_error)
{
	struct lw_hub *hub = port->hub;
	int result = vswitch_add(hub->vswitch, &port->vport);

	if (result < 0)
		return error_errno(ret_error, -result, "clients.%s", port->name);
	if (hub->layer == LW_LAYER_IP) {
		result = add_prefixes(port, port->addresses, port->n_addresses, "addresses",
				      ret_error);
		if (result >= 0)
			result = add_prefixes(port, port->networks, port->n_networks, "networks",
					      ret_error);
	}
	if (result >= 0) {
		result = port_link_attach(&port->link, hub->loop, hub->layer, &port->vport);
		if (result < 0)
			error_errno(ret_error, -result, "clients.%s", port->name);
	}
	if (result < 0)
		vswitch_remove(hub->vswitch, &port->vport);
	return result;
}

static bool is_address_taken(const struct ip_address *address, void *user)
{
	struct lw_hub *hub = user;

	for (size_t i = 0; i < hub->n_own; i++)
		if (ip_address_equal(&hub->own[i].address, address))
			return true;
	list_for_each(node, &hub->ports) {
		struct lw_port *port = list_entry(node, struct lw_port, list);

		for (size_t i = 0; i < port->n_addresses; i++)
			if (ip_address_equal(&port->addresses[i].address, address))
				return true;
	}
	return false;
}

/* At the first session, when every configured address is known: one of each pool. */
static void take_pool_addresses(struct lw_port *port)
{
	struct lw_hub *hub = port->hub;

	if (hub->layer != LW_LAYER_IP || port->n_addresses)
		return;
	for (size_t i = 0; i < hub->n_pools; i++) {
		struct ip_prefix *prefix = &port->addresses[port->n_addresses];

		if (pool_choose(&hub->pools[i], port->name, is_address_taken, hub,
				&prefix->address) < 0) {
			log_warning("%s: no address is left in the pool", port->name);
			continue;
		}
		prefix->length = ip_address_bits(&prefix->address);
		if (vswitch_add_prefix(hub->vswitch, &port->vport, prefix) >= 0)
			port->n_addresses++;
	}
}

/* The length under which the hub's own interface has the network of this address: then the client
 * is on-link with it. */
static uint8_t link_length(const struct lw_hub *hub, const struct ip_prefix *address)
{
	for (size_t i = 0; i < hub->n_own; i++)
		if (ip_prefix_contains(&hub->own[i], &address->address))
			return hub->own[i].length;
	return address->length;
}

static void send_offer(struct lw_port *port, struct session *session)
{
	struct lw_hub *hub = port->hub;
	char addresses[PORT_ADDRESSES_MAX][OFFER_TEXT];
	struct offer offer = {
		.mtu = hub->mtu,
		.addresses = addresses,
		.included_routes = hub->routes,
		.n_included_routes = hub->n_routes,
		.dns = hub->dns,
		.proxy = hub->proxy,
	};

	for (size_t i = 0; i < port->n_addresses; i++) {
		struct ip_prefix prefix = port->addresses[i];
		char text[IP_PREFIX_TEXT_SIZE];

		prefix.length = link_length(hub, &prefix);
		snprintf(addresses[i], sizeof(addresses[i]), "%s", ip_prefix_format(&prefix, text));
	}
	offer.n_addresses = port->n_addresses;
	if (session_send_settings(session, &offer) < 0)
		session_finish(session, GOODBYE_RESOURCES, "the settings cannot be sent");
}

/* Return: whether it was one of those, with where it came from. */
static bool has_joined(struct lw_port *port, const struct session *session, char address[80])
{
	for (size_t i = 0; i < port->n_joining; i++) {
		if (port->joining[i].session != session)
			continue;
		memcpy(address, port->joining[i].address, sizeof(port->joining[i].address));
		port->n_joining--;
		memmove(&port->joining[i], &port->joining[i + 1],
			(port->n_joining - i) * sizeof(port->joining[0]));
		return true;
	}
	return false;
}

static void session_up(struct session *session)
{
	struct lw_port *port = session->user;
	char address[80] = "";

	(void)has_joined(port, session, address);
	if (session->index == 0) {
		port->session = session;
		memcpy(port->address, address, sizeof(port->address));
	}
	if (session->predecessor || session->index > 0) { /* the peer's presence goes on */
		log_debug("%s: stream %u of %u from %s (%s)", port->name, session->index + 1,
			  port->bundle.n, address, session->tls);
		return;
	}
	port->since = time(NULL);
	port->sessions++;
	vswitch_flush_port(port->hub->vswitch, &port->vport);
	take_pool_addresses(port);
	send_offer(port, session);
	log_info("%s: connected from %s (%s)", port->name, port->address, session->tls);
	if (session->peer_hello.mtu < port->hub->mtu)
		log_warning("%s: its MTU of %u is below the network's %u", port->name,
			    session->peer_hello.mtu, port->hub->mtu);
}

static void session_packets(struct session *session, const struct lw_packet *packets, size_t n)
{
	struct lw_port *port = session->user;
	struct lw_hub *hub = port->hub;
	const struct capture_context context = { .port = port->name };

	if (!bundle_has(&port->bundle, session)) { /* replaced: it belongs to nobody */
		for (size_t i = 0; i < n; i++)
			vswitch_drop(hub->vswitch, &port->vport, &packets[i], LW_DROP_PORT_DOWN);
		return;
	}
	if (capture_is_on(&hub->captures, LW_CAPTURE_SESSION_IN))
		for (size_t i = 0; i < n; i++)
			capture_see(&hub->captures, LW_CAPTURE_SESSION_IN, &packets[i], &context);
	vswitch_input(hub->vswitch, &port->vport, packets, n, lw_loop_now_ns(session->stream.loop));
}

static void ignore_settings(struct session *session, const uint8_t *data, size_t length)
{
	/* A hub's session never delivers them: they break the rules. */
	(void)session;
	(void)data;
	(void)length;
}

static void session_ended(struct session *session, const struct session_end *end)
{
	struct lw_port *port = session->user;
	struct lw_hub *hub = port->hub;
	char address[80];

	if (port->session == session) {
		port->session = NULL;
		port->since = time(NULL);
		vswitch_flush_port(hub->vswitch, &port->vport);
		port->last_end = *end;
		if (session_end_is_loss(end))
			lw_capture_event(&hub->captures, LW_CAPTURE_PEER_LOST, port->name);
		log_info("%s: disconnected%s: %s", port->name, end->by_peer ? " by the peer" : "",
			 end->text);
	} else if (has_joined(port, session, address)) {
		port->last_end = *end;
		log_info("%s: came no further than the handshake from %s: %s", port->name, address,
			 end->text);
	} else if (session->index > 0) {
		log_debug("%s: stream %u ended: %s", port->name, session->index + 1, end->text);
	}
	session_free(session, &hub->lingers);
}

static void session_dropped(struct session *session, const struct lw_packet *packet,
			    enum lw_drop reason)
{
	struct lw_port *port = session->user;

	vswitch_drop(port->hub->vswitch, &port->vport, packet, reason);
}

static const struct session_ops hub_session_ops = {
	.dropped = session_dropped,
	.up = session_up,
	.packets = session_packets,
	.settings = ignore_settings,
	.ended = session_ended,
};

void port_accept(struct lw_port *port, int fd, struct tls_session *tls, const char *address)
{
	const struct session_options options = {
		.side = ADMISSION_HUB,
		.layer = port->hub->layer,
		.mtu = port->hub->mtu,
		.bundle = &port->bundle,
		.ops = &hub_session_ops,
		.user = port,
	};
	struct port_joining *joining;
	struct session *oldest;
	char address_of_oldest[80];

	/* An identity has as many connections on their way in as it may have streams: the newest. */
	if (port->n_joining == port->bundle.wanted) {
		oldest = port->joining[0].session;
		(void)has_joined(port, oldest, address_of_oldest);
		session_finish(oldest, GOODBYE_REPLACED, "the same identity connected again");
	}
	joining = &port->joining[port->n_joining];
	if (session_new(port->hub->loop, fd, tls, &options, &joining->session) < 0) {
		log_error("%s: no memory for a session", port->name);
		close(fd);
		return;
	}
	port->n_joining++;
	list_append(&port->hub->sessions, &joining->session->list);
	snprintf(joining->address, sizeof(joining->address), "%s", address);
}

void port_end_sessions(struct lw_port *port, enum goodbye_code code, const char *text)
{
	for (size_t i = 0; i < port->n_joining; i++)
		session_finish(port->joining[i].session, code, text);
	if (port->session)
		session_finish(port->session, code, text);
}

void port_drop_sessions(struct lw_port *port, enum goodbye_code code, const char *text)
{
	port_end_sessions(port, code, text);
	port->session = NULL;
	port->n_joining = 0;
	list_for_each_safe(node, &port->hub->sessions) {
		struct session *session = list_entry(node, struct session, list);

		if (session->user == port)
			session_free(session, &port->hub->lingers);
	}
}

static void output(struct vport *vport, const struct lw_packet *packet)
{
	struct lw_port *port = container_of(vport, struct lw_port, vport);
	struct lw_hub *hub = port->hub;
	const struct capture_context context = { .port = port->name };
	struct session *session = bundle_choose(&port->bundle, packet);
	enum lw_drop drop = session ? session_output(session, packet) : LW_DROP_PORT_DOWN;

	if (unlikely(drop != LW_DROP_NONE))
		vswitch_drop(hub->vswitch, vport, packet, drop);
	else
		capture_see(&hub->captures, LW_CAPTURE_SESSION_OUT, packet, &context);
}

static void flush(struct vport *vport)
{
	struct lw_port *port = container_of(vport, struct lw_port, vport);

	bundle_flush(&port->bundle);
}

static unsigned worker(struct vport *vport, const struct lw_packet *packet)
{
	return bundle_choose_worker(&container_of(vport, struct lw_port, vport)->bundle, packet);
}

const struct vport_ops port_vport_ops = { .output = output, .flush = flush, .worker = worker };

int lw_port_impair(struct lw_port *port, unsigned ways, const struct lw_impairment *impairment,
		   struct lw_error *ret_error)
{
	return port_link_set(&port->link, ways, impairment, ret_error);
}

bool lw_port_impairment(const struct lw_port *port, enum lw_port_way way,
			struct lw_impairment *ret_impairment,
			struct lw_impairment_counters *ret_counters)
{
	return port_link_get(&port->link, way, ret_impairment, ret_counters);
}

int lw_port_replay(struct lw_port *port, const struct lw_replay_options *options,
		   struct lw_replay **ret_replay, struct lw_error *ret_error)
{
	return replay_start(&port->link, options, ret_replay, ret_error);
}
