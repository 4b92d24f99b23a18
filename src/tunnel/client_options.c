/* SPDX-License-Identifier: MIT */
/* Making a tunnel from its options, and telling its status. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <longwire/flow.h>

#include "base/error.h"
#include "base/value.h"
#include "tls/key_log.h"
#include "tunnel/client.h"
#include "tunnel/dialer.h"
#include "tunnel/replay.h"

static int parse_pins(struct lw_tunnel *tunnel, const struct lw_tunnel_options *options,
		      struct lw_error *ret_error)
{
	if (!options->n_pins || options->n_pins > TUNNEL_PINS_MAX)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "hub.pin: 1 to %d pins", TUNNEL_PINS_MAX);
	for (size_t i = 0; i < options->n_pins; i++)
		if (pin_parse(options->pins[i], &tunnel->pins[i]) < 0)
			return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
					 "hub.pin: '%s' is not allowed: SHA256: and 43 characters "
					 "of base64",
					 options->pins[i]);
	tunnel->n_pins = options->n_pins;
	return 0;
}

static int parse_networks(struct lw_tunnel *tunnel, const struct lw_tunnel_options *options,
			  struct lw_error *ret_error)
{
	if (options->n_networks > TUNNEL_NETWORKS_MAX ||
	    (options->n_networks && options->layer != LW_LAYER_IP))
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "networks: at most %d, with layer: ip", TUNNEL_NETWORKS_MAX);
	for (size_t i = 0; i < options->n_networks; i++)
		if (ip_prefix_parse(options->networks[i], &tunnel->networks[i]) < 0)
			return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
					 "networks: '%s' is not a prefix like 192.168.7.0/24",
					 options->networks[i]);
	tunnel->n_networks = options->n_networks;
	return 0;
}

static int copy_hubs(struct lw_tunnel *tunnel, const struct lw_tunnel_options *options,
		     struct lw_error *ret_error)
{
	char host[ENDPOINT_HOST_SIZE];
	uint16_t port;

	if (options->dial)
		return 0;
	if (!options->n_hubs || options->n_hubs > ARRAY_SIZE(tunnel->hubs))
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "hub.address: 1 to %zu addresses", ARRAY_SIZE(tunnel->hubs));
	for (size_t i = 0; i < options->n_hubs; i++) {
		if (endpoint_parse(options->hubs[i], false, host, &port) < 0)
			return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
					 "hub.address: '%s' is not allowed: host:port or [v6]:port",
					 options->hubs[i]);
		tunnel->hubs[i] = strdup(options->hubs[i]);
		if (!tunnel->hubs[i])
			return error_errno(ret_error, ENOMEM, "hub.address");
		tunnel->n_hubs++;
	}
	return 0;
}

static int parse_options(struct lw_tunnel *tunnel, const struct lw_tunnel_options *options,
			 struct lw_error *ret_error)
{
	int result;

	if (options->layer != LW_LAYER_ETHERNET && options->layer != LW_LAYER_IP)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "layer: ethernet or ip");
	tunnel->layer = options->layer;
	tunnel->mtu = options->mtu;
	tunnel->accept = options->accept;
	tunnel->once = options->once;
	tunnel->inline_handshakes = options->inline_handshakes;
	if (options->workers > LW_WORKERS_MAX)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "workers: %u is not allowed: 1 to %d", options->workers,
				 LW_WORKERS_MAX);
	if (options->streams > LW_STREAMS_MAX)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "streams: %u is not allowed: 1 to %d", options->streams,
				 LW_STREAMS_MAX);
	tunnel->workers = MAX(options->workers, 1u);
	tunnel->streams = MAX(options->streams, 1u);
	tunnel->dial = options->dial;
	tunnel->dial_user = options->dial_user;
	result = parse_pins(tunnel, options, ret_error);
	if (result >= 0)
		result = parse_networks(tunnel, options, ret_error);
	if (result >= 0)
		result = copy_hubs(tunnel, options, ret_error);
	if (result >= 0 && options->settings)
		result = network_settings_parse(options->layer, options->settings, &tunnel->local,
						ret_error);
	return result;
}

int lw_tunnel_new(const struct lw_tunnel_options *given, struct lw_tunnel **ret_tunnel,
		  struct lw_error *ret_error)
{
	struct lw_tunnel_options taken, *options = &taken;
	struct lw_tunnel *tunnel;
	int result;

	if (!given || !value_take(options, sizeof(*options), given) || !options->identity_file)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "a tunnel needs an identity");
	tunnel = calloc(1, sizeof(*tunnel));
	if (!tunnel)
		return error_errno(ret_error, ENOMEM, "tunnel");
	result = parse_options(tunnel, options, ret_error);
	if (result >= 0)
		result = credentials_load(options->identity_file, &tunnel->credentials, ret_error);
	if (result >= 0 && options->key_log_file)
		result = key_log_open(options->key_log_file, &tunnel->key_log, ret_error);
	if (result < 0) {
		lw_tunnel_free(tunnel);
		return result;
	}
	tunnel->identity = *credentials_pin(tunnel->credentials);
	*ret_tunnel = tunnel;
	return 0;
}

void lw_tunnel_free(struct lw_tunnel *tunnel)
{
	if (!tunnel)
		return;
	if (tunnel->stopping)
		client_end_parting(tunnel);
	else if (tunnel->provider)
		client_dismantle(tunnel);
	handshaker_free(tunnel->handshaker);
	credentials_free(tunnel->credentials);
	key_log_close(tunnel->key_log);
	network_settings_done(&tunnel->local);
	port_link_done(&tunnel->device_link);
	port_link_done(&tunnel->hub_link);
	for (size_t i = 0; i < tunnel->n_hubs; i++)
		free(tunnel->hubs[i]);
	free(tunnel);
}

static enum lw_link_state told_link(const struct lw_tunnel *tunnel)
{
	if (tunnel->link == LW_LINK_RESOLVING && dialer_is_connecting(tunnel->dialer))
		return LW_LINK_CONNECTING;
	return tunnel->link;
}

void lw_tunnel_status(const struct lw_tunnel *tunnel, struct lw_tunnel_status *ret_status)
{
	const struct session *session = tunnel->session;
	struct key_log_counters keys;
	uint64_t now = tunnel->loop ? lw_loop_now_ns(tunnel->loop) : 0;
	struct lw_tunnel_status status = {
		.size = sizeof(status),
		.link = told_link(tunnel),
		.mtu = session ? session->peer_hello.mtu : 0,
		.rtt_us = session ? session->rtt_us : 0,
		.workers = tunnel->workers,
		.streams = tunnel->bundle.n,
		.streams_up = bundle_count(&tunnel->bundle),
		.connects = tunnel->connects,
		.retry_ms = tunnel->retry_due_ns > now ? (tunnel->retry_due_ns - now) / 1000000 : 0,
	};
	struct vport_lane hub, device;

	key_log_counters(tunnel->key_log, &keys);
	status.key_log_lines = keys.lines;
	status.key_log_failed = keys.failed;
	status.key_log_error = keys.error;
	vport_counters(&tunnel->hub, &hub);
	vport_counters(&tunnel->device, &device);
	status.received_packets = hub.received_packets;
	status.received_bytes = hub.received_bytes;
	status.sent_packets = hub.sent_packets;
	status.sent_bytes = hub.sent_bytes;
	for (int i = 0; i < LW_DROP_COUNT; i++)
		status.drops[i] = hub.drops[i] + device.drops[i];
	if (tunnel->flow) {
		struct lw_flow_counters counters = { .size = sizeof(counters) };

		lw_packet_flow_counters(tunnel->flow, &counters);
		for (int i = 0; i < LW_DROP_COUNT; i++)
			status.drops[i] += counters.drops[i];
	}
	snprintf(status.hub, sizeof(status.hub), "%s", tunnel->address);
	snprintf(status.tls, sizeof(status.tls), "%s", session ? session->tls : "");
	snprintf(status.last_failure, sizeof(status.last_failure), "%s", tunnel->last_failure);
	snprintf(status.refused_offers, sizeof(status.refused_offers), "%s", tunnel->refused);
	value_give(ret_status, &status, sizeof(status));
}

int lw_tunnel_impair(struct lw_tunnel *tunnel, enum lw_tunnel_port port, unsigned ways,
		     const struct lw_impairment *impairment, struct lw_error *ret_error)
{
	if (port != LW_TUNNEL_DEVICE && port != LW_TUNNEL_HUB)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "a tunnel has two ports: the device and the hub");
	return port_link_set(port == LW_TUNNEL_HUB ? &tunnel->hub_link : &tunnel->device_link, ways,
			     impairment, ret_error);
}

bool lw_tunnel_impairment(const struct lw_tunnel *tunnel, enum lw_tunnel_port port,
			  enum lw_port_way way, struct lw_impairment *ret_impairment,
			  struct lw_impairment_counters *ret_counters)
{
	return port_link_get(port == LW_TUNNEL_HUB ? &tunnel->hub_link : &tunnel->device_link, way,
			     ret_impairment, ret_counters);
}

int lw_tunnel_replay(struct lw_tunnel *tunnel, int port, const struct lw_replay_options *options,
		     struct lw_replay **ret_replay, struct lw_error *ret_error)
{
	struct port_link *link = port == LW_TUNNEL_HUB      ? &tunnel->hub_link
				 : port == LW_TUNNEL_DEVICE ? &tunnel->device_link
							    : NULL;

	if (!link)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "a tunnel has two ports: the device and the hub");
	if (!link->port)
		return error_set(ret_error, -ENOTCONN, LW_DOMAIN_CONNECTION, ENOTCONN,
				 "the tunnel is not started");
	return replay_start(link, options, ret_replay, ret_error);
}
