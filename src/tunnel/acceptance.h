/* SPDX-License-Identifier: MIT */
/*
 * Acceptance: what becomes of the settings that a hub offers. Pure.
 *
 * Pinning proves who the hub is, not that it means well. Local settings win; what they leave open
 * is taken from the offer where accept: allows it and the offer is sane; everything else is left
 * out and said in refused. Never taken, whatever accept: says: the hub's own address, loopback,
 * multicast, unspecified or broadcast addresses, an MTU outside 576 … 9216, addresses whose prefix
 * would swallow the world (shorter than /8, or /16 in IPv6), name servers that would be asked for
 * every name although the tunnel carries only a part of the traffic.
 *
 * A host's TAP (not bridged) gets a MAC derived from its identity unless settings give one, so that
 * leases and ARP caches survive.
 */
#ifndef TUNNEL_ACCEPTANCE_H
#define TUNNEL_ACCEPTANCE_H

#include <longwire/settings.h>

#include "base/address.h"
#include "base/dns_settings.h"
#include "base/proxy_settings.h"
#include "base/settings.h"
#include "wire/message.h"

struct ip_address;
struct pin;

enum { ACCEPTANCE_TEXT_SIZE = 240 };

struct acceptance {
	enum lw_layer layer;
	unsigned accept;   /* enum lw_accept; 0: the layer's default */
	bool includes_all; /* everything goes into the tunnel, whatever its routes */
	uint32_t mtu;      /* the tunnel's own; 0: none */
	const struct network_settings *local; /* may be NULL */
	const struct ip_address *hub;         /* outer address; NULL: unknown */
	const struct pin *identity;
};

/* Owned strings behind settings. What dns and proxy point to is the offer's or the local settings':
 * both must outlive this. */
struct accepted {
	struct lw_network_settings settings;
	char **texts; /* every string that settings points to */
	size_t n_texts;
	struct ip_prefix addresses[LW_SETTINGS_ADDRESSES_MAX]; /* the same as settings.addresses */
	size_t n_addresses;
	struct dns_view dns;
	struct proxy_view proxy;
	const struct dns_settings *dns_value;     /* NULL: none */
	const struct proxy_settings *proxy_value; /* NULL: none */
	bool is_full; /* everything of a family goes through the tunnel */
	char refused[ACCEPTANCE_TEXT_SIZE];
};

/* 0 or -ENOMEM. */
int acceptance_decide(const struct acceptance *acceptance, const struct offer *offer,
		      struct accepted *ret_accepted);
void accepted_done(struct accepted *accepted);

#endif
