/* SPDX-License-Identifier: MIT */
/* Network settings as owned values: copy, compare, validate. The borrowed form is struct
 * lw_network_settings. */
#ifndef BASE_SETTINGS_H
#define BASE_SETTINGS_H

#include <stdbool.h>

#include <longwire/settings.h>

#include "base/address.h"

struct dns_settings;
struct lw_error;
struct proxy_settings;

/* Everything parsed; no strings to read again. An absent MAC, bridge or MTU is all zero. */
struct network_settings {
	char remote_address[80];
	uint8_t ethernet_address[6];
	bool has_ethernet_address;
	uint32_t mtu, tunnel_overhead; /* one of them at most */
	char bridge[16];
	enum lw_carrier carrier;
	struct ip_prefix *addresses;
	size_t n_addresses;
	struct ip_prefix *included_routes;
	size_t n_included_routes;
	struct ip_prefix *excluded_routes;
	size_t n_excluded_routes;
	struct ip_address routers[LW_SETTINGS_ROUTERS_MAX];
	size_t n_routers;
	enum lw_addressing ipv4, ipv6; /* never LW_ADDRESSING_DEFAULT */
	struct dns_settings *dns;      /* NULL: none */
	struct proxy_settings *proxy;  /* NULL: none */
};

/*
 * Parse and validate for a layer. 0, -ENOMEM, or -EINVAL with ret_error (domain TUNNEL,
 * SETTINGS_INVALID) naming the field and what is allowed. Refused: Ethernet-only fields on IP,
 * bridge together with addresses or routes, MTU outside 576 … 65535, group or zero MACs, special
 * addresses, routes with host bits set, more than the maxima, duplicates, a router that is not in the
 * network of an address, two routers of one family.
 */
int network_settings_parse(enum lw_layer layer, const struct lw_network_settings *from,
			   struct network_settings *ret_settings, struct lw_error *ret_error);
/*
 * Whether everything of a family goes through the tunnel: it is a full tunnel, and its name servers
 * may be asked for every name.
 */
bool network_settings_are_full(const struct network_settings *settings);
/*
 * What can be said of DNS only when all other settings are known: servers that would be asked for
 * nothing, or for every name by a tunnel that carries only a part. 0 or -EINVAL with ret_error.
 */
int network_settings_check_dns(const struct network_settings *settings, struct lw_error *ret_error);
int network_settings_copy(const struct network_settings *from, struct network_settings *ret_copy);
bool network_settings_equal(const struct network_settings *a, const struct network_settings *b);
void network_settings_done(struct network_settings *settings);

#endif
