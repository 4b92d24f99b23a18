/* SPDX-License-Identifier: MIT */
/* What the hub offers, as far as it is accepted, becomes settings. */
#include <stdio.h>
#include <string.h>

#include <longwire/provider.h>

#include "base/log.h"
#include "tunnel/client.h"
#include "tunnel/dialer.h"

static void forget_prefixes(struct lw_tunnel *tunnel)
{
	if (tunnel->layer == LW_LAYER_IP)
		vswitch_clear_prefixes(tunnel->vswitch, &tunnel->device);
}

/* From now on only what is addressed to this machine, or to the networks it speaks for, comes
 * in. */
static void learn_prefixes(struct lw_tunnel *tunnel, const struct accepted *accepted)
{
	if (tunnel->layer != LW_LAYER_IP)
		return;
	forget_prefixes(tunnel);
	for (size_t i = 0; i < accepted->n_addresses; i++) {
		struct ip_prefix host = accepted->addresses[i];

		host.length = ip_address_bits(&host.address);
		(void)vswitch_add_prefix(tunnel->vswitch, &tunnel->device, &host);
	}
	for (size_t i = 0; i < tunnel->n_networks; i++)
		(void)vswitch_add_prefix(tunnel->vswitch, &tunnel->device, &tunnel->networks[i]);
}

static bool settings_come_too_fast(struct lw_tunnel *tunnel)
{
	uint64_t now = lw_loop_now_ns(tunnel->loop);

	if (now - tunnel->settings_window_ns > UINT64_C(10000000000)) {
		tunnel->settings_window_ns = now;
		tunnel->settings_seen = 0;
	}
	return ++tunnel->settings_seen > TUNNEL_SETTINGS_PER_10S;
}

/*
 * The hub's own name is never looked up through the tunnel: while name servers in there are asked
 * for it, it has the addresses that it had before. They are the resolver's answer from outside, and
 * the tunnel that would have to carry the question is the one that is to be reached.
 */
static void keep_hub_addresses(struct lw_tunnel *tunnel, const struct accepted *accepted)
{
	char host[ENDPOINT_HOST_SIZE];
	bool is_inside = client_hub_is_named_inside(tunnel);
	uint16_t port;

	for (size_t i = 0; i < tunnel->n_hubs; i++)
		if (endpoint_parse(tunnel->hubs[i], false, host, &port) == 0 &&
		    dns_settings_take(accepted->dns_value, accepted->is_full, host))
			is_inside = true;
	if (tunnel->dialer)
		dialer_keep_addresses(tunnel->dialer, is_inside);
}

static void apply_offer(struct lw_tunnel *tunnel, const struct offer *offer)
{
	struct ip_address hub = { 0 };
	const struct acceptance acceptance = {
		.layer = tunnel->layer,
		.accept = tunnel->accept,
		.includes_all = lw_provider_includes_all_networks(tunnel->provider),
		.mtu = tunnel->mtu,
		.local = &tunnel->local,
		.hub = ip_address_of_sockaddr((const struct sockaddr *)&tunnel->peer, &hub) < 0
			       ? NULL
			       : &hub,
		.identity = &tunnel->identity,
	};
	struct accepted accepted;
	char text[IP_TEXT_SIZE];

	if (acceptance_decide(&acceptance, offer, &accepted) < 0) {
		session_finish(tunnel->session, GOODBYE_RESOURCES, "out of memory");
		return;
	}
	if (acceptance.hub)
		accepted.settings.remote_address = ip_address_format(&hub, text);
	if (strcmp(tunnel->refused, accepted.refused) && accepted.refused[0])
		log_warning("of what the hub offered, this was not accepted: %s", accepted.refused);
	snprintf(tunnel->refused, sizeof(tunnel->refused), "%s", accepted.refused);
	crew_hold(tunnel->crew);
	learn_prefixes(tunnel, &accepted);
	keep_hub_addresses(tunnel, &accepted);
	if (accepted.settings.mtu)
		tunnel->device.mtu = accepted.settings.mtu;
	crew_release(tunnel->crew);
	tunnel->is_applying = true;
	lw_provider_set_network_settings(tunnel->provider, &accepted.settings,
					 client_settings_applied, tunnel);
	accepted_done(&accepted);
}

void client_take_offer(struct session *session, const uint8_t *data, size_t length)
{
	struct lw_tunnel *tunnel = session->user;
	struct lw_error error;
	struct offer offer;

	if (tunnel->session != session)
		return;
	if (settings_come_too_fast(tunnel)) {
		snprintf(tunnel->refused, sizeof(tunnel->refused), "more than %d settings in 10 s",
			 TUNNEL_SETTINGS_PER_10S);
		return;
	}
	if (offer_decode(data, length, &offer, &error) < 0) {
		session_finish(session, GOODBYE_PROTOCOL, error.text);
		return;
	}
	/* One at a time; of those that come meanwhile the newest is what the hub means. */
	offer_done(&tunnel->next_offer);
	tunnel->next_offer = offer;
	tunnel->has_next_offer = true;
	client_apply_next(tunnel);
}

void client_apply_next(struct lw_tunnel *tunnel)
{
	if (tunnel->is_applying || !tunnel->has_next_offer || !tunnel->session)
		return;
	tunnel->has_next_offer = false;
	apply_offer(tunnel, &tunnel->next_offer);
	offer_done(&tunnel->next_offer);
}

void client_forget_next(struct lw_tunnel *tunnel)
{
	tunnel->has_next_offer = false;
	offer_done(&tunnel->next_offer);
}
