/* SPDX-License-Identifier: MIT */
/* Network settings as owned values: parsing with every rule, copying, comparing. */
#include "base/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <longwire/error.h>

#include "base/address.h"
#include "base/dns_settings.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/parse.h"
#include "base/proxy_settings.h"
#include "base/value.h"

enum { MTU_MIN = 576, MTU_MAX = 65535, OVERHEAD_MAX = 1000 };

/* A list of prefixes with the rule that each of them must keep. */
struct list_rule {
	const char *field;
	size_t max;
	const char *(*refusal)(const struct ip_prefix *prefix); /* NULL: allowed */
};

static int refuse(struct lw_error *ret_error, const char *field, const char *reason)
{
	return error_set(ret_error, -EINVAL, LW_DOMAIN_TUNNEL, LW_TUNNEL_ERROR_SETTINGS_INVALID,
			 "%s: %s", field, reason);
}

static int refuse_item(struct lw_error *ret_error, const char *field, const char *item,
		       const char *reason)
{
	return error_set(ret_error, -EINVAL, LW_DOMAIN_TUNNEL, LW_TUNNEL_ERROR_SETTINGS_INVALID,
			 "%s: \"%.64s\" %s", field, item, reason);
}

static const char *address_refusal(const struct ip_prefix *prefix)
{
	if (ip_address_is_special(&prefix->address))
		return "is unspecified, loopback, multicast, broadcast or IPv4-mapped: no address "
		       "of a host";
	if (prefix->length == 0)
		return "would make every address a neighbour: give the length of its network";
	return NULL;
}

static const char *route_refusal(const struct ip_prefix *prefix)
{
	struct ip_prefix network = ip_prefix_network(prefix);

	return ip_prefix_equal(prefix, &network)
		       ? NULL
		       : "has bits set beyond its length: give the network's own address";
}

/* Two addresses are the same whatever their length says; two routes only with the same length. */
static bool is_twice(const struct ip_prefix *prefixes, size_t n, bool is_route)
{
	for (size_t i = 0; i < n; i++)
		if (is_route ? ip_prefix_equal(&prefixes[i], &prefixes[n])
			     : ip_address_equal(&prefixes[i].address, &prefixes[n].address))
			return true;
	return false;
}

static const struct list_rule address_rule = { "addresses", LW_SETTINGS_ADDRESSES_MAX,
					       address_refusal };
static const struct list_rule included_rule = { "included-routes", LW_SETTINGS_ROUTES_MAX,
						route_refusal };
static const struct list_rule excluded_rule = { "excluded-routes", LW_SETTINGS_ROUTES_MAX,
						route_refusal };

static int parse_list(const struct list_rule *rule, const char *const *texts, size_t n,
		      struct ip_prefix **ret_prefixes, size_t *ret_n, struct lw_error *ret_error)
{
	_cleanup_free_ struct ip_prefix *prefixes = NULL;

	if (n == 0)
		return 0;
	if (n > rule->max)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_TUNNEL,
				 LW_TUNNEL_ERROR_SETTINGS_INVALID,
				 "%s: %zu of them, at most %zu are allowed", rule->field, n,
				 rule->max);
	prefixes = calloc(n, sizeof(*prefixes));
	if (!prefixes)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const char *text = texts[i] ? texts[i] : "", *reason;

		if (ip_prefix_parse(text, &prefixes[i]) < 0)
			return refuse_item(ret_error, rule->field, text,
					   "is no address or network such as 10.86.0.0/24 or "
					   "fd86::/64");
		reason = rule->refusal(&prefixes[i]);
		if (reason)
			return refuse_item(ret_error, rule->field, text, reason);
		if (is_twice(prefixes, i, rule != &address_rule))
			return refuse_item(ret_error, rule->field, text, "is there twice");
	}
	*ret_prefixes = take_pointer(prefixes);
	*ret_n = n;
	return 0;
}

static int parse_ethernet_address(const char *text, struct network_settings *settings,
				  struct lw_error *ret_error)
{
	struct mac_address mac;

	if (mac_address_parse(text, &mac) < 0 || mac_address_is_group(&mac) ||
	    mac_address_is_zero(&mac))
		return refuse_item(ret_error, "ethernet-address", text,
				   "is no unicast MAC address such as 02:5e:1c:12:34:56");
	memcpy(settings->ethernet_address, mac.bytes, sizeof(mac.bytes));
	settings->has_ethernet_address = true;
	return 0;
}

static int parse_bridge(const struct lw_network_settings *from, struct network_settings *settings,
			struct lw_error *ret_error)
{
	if (!parse_is_interface_name(from->bridge))
		return refuse_item(ret_error, "bridge", from->bridge,
				   "is no interface name: 1 to 15 of letters, digits, . _ -");
	if (from->n_addresses || from->n_included_routes || from->n_excluded_routes ||
	    from->n_routers)
		return refuse(ret_error, "bridge",
			      "a bridge's port has no addresses and routes of its own: give them "
			      "to the bridge");
	snprintf(settings->bridge, sizeof(settings->bridge), "%s", from->bridge);
	return 0;
}

static bool is_neighbour(const struct network_settings *settings, const struct ip_address *router)
{
	if (router->family == AF_INET6 && router->bytes[0] == 0xfe &&
	    (router->bytes[1] & 0xc0) == 0x80)
		return true; /* link-local */
	for (size_t i = 0; i < settings->n_addresses; i++)
		if (ip_prefix_contains(&settings->addresses[i], router))
			return true;
	return false;
}

static int parse_router(const char *text, struct network_settings *settings,
			struct lw_error *ret_error)
{
	struct ip_address router;

	if (ip_address_parse(text, &router) < 0 || ip_address_is_special(&router))
		return refuse_item(ret_error, "router", text,
				   "is no address of a host such as 10.20.0.1 or fd20::1");
	if (settings->n_routers && settings->routers[0].family == router.family)
		return refuse_item(ret_error, "router", text,
				   "is a second one of its kind: one IPv4 and one IPv6 address "
				   "are allowed");
	if (!is_neighbour(settings, &router))
		return refuse_item(ret_error, "router", text,
				   "is not in the network of any of the addresses");
	settings->routers[settings->n_routers++] = router;
	return 0;
}

static int parse_routers(enum lw_layer layer, const struct lw_network_settings *from,
			 struct network_settings *settings, struct lw_error *ret_error)
{
	int r = 0;

	if (from->n_routers && layer != LW_LAYER_ETHERNET)
		return refuse(ret_error, "router",
			      "an IP tunnel has none: packets go to the hub as they are");
	if (from->n_routers > LW_SETTINGS_ROUTERS_MAX)
		return refuse(ret_error, "router", "one IPv4 and one IPv6 address are allowed");
	for (size_t i = 0; r == 0 && i < from->n_routers; i++)
		r = parse_router(from->routers[i] ? from->routers[i] : "", settings, ret_error);
	return r;
}

static int parse_scalars(enum lw_layer layer, const struct lw_network_settings *from,
			 struct network_settings *settings, struct lw_error *ret_error)
{
	int r = 0;

	if (layer != LW_LAYER_ETHERNET && from->ethernet_address)
		return refuse(ret_error, "ethernet-address", "an IP tunnel has none");
	if (layer != LW_LAYER_ETHERNET && from->bridge)
		return refuse(ret_error, "bridge", "an IP tunnel cannot be a bridge's port");
	if (from->mtu != 0 && (from->mtu < MTU_MIN || from->mtu > MTU_MAX))
		return refuse(ret_error, "mtu", "must be 576 to 65535 bytes");
	if (from->tunnel_overhead > OVERHEAD_MAX)
		return refuse(ret_error, "tunnel-overhead", "must be 1 to 1000 bytes");
	if (from->mtu && from->tunnel_overhead)
		return refuse(ret_error, "tunnel-overhead",
			      "is another way to say mtu, only one of them is allowed");
	if ((unsigned)from->carrier > LW_CARRIER_FOLLOW)
		return refuse(ret_error, "carrier", "must be hold or follow");
	if (from->remote_address &&
	    strlen(from->remote_address) >= sizeof(settings->remote_address))
		return refuse(ret_error, "remote-address", "must be at most 79 bytes");
	if (from->remote_address)
		snprintf(settings->remote_address, sizeof(settings->remote_address), "%s",
			 from->remote_address);
	settings->mtu = from->mtu;
	settings->tunnel_overhead = from->tunnel_overhead;
	settings->carrier = from->carrier;
	if (from->ethernet_address)
		r = parse_ethernet_address(from->ethernet_address, settings, ret_error);
	if (r == 0 && from->bridge)
		r = parse_bridge(from, settings, ret_error);
	return r;
}

static enum lw_addressing said(enum lw_addressing addressing)
{
	return addressing == LW_ADDRESSING_DEFAULT ? LW_ADDRESSING_MANUAL : addressing;
}

static int check_addressing(enum lw_layer layer, const struct lw_network_settings *from,
			    const char *field, enum lw_addressing addressing, uint8_t family,
			    struct lw_error *ret_error)
{
	struct ip_prefix prefix;

	if ((unsigned)addressing > LW_ADDRESSING_OFF)
		return refuse(ret_error, field, "must be manual, automatic, link-local or off");
	if (said(addressing) == LW_ADDRESSING_MANUAL)
		return 0;
	if (layer != LW_LAYER_ETHERNET && addressing != LW_ADDRESSING_OFF)
		return refuse(ret_error, field,
			      "an IP tunnel's addresses are manual or the hub's: nobody there "
			      "answers DHCP or advertises a network");
	if (from->bridge && addressing != LW_ADDRESSING_OFF)
		return refuse(ret_error, field,
			      "a bridge's port has no addresses: say this of the bridge");
	for (size_t i = 0; i < from->n_addresses; i++)
		if (from->addresses[i] && ip_prefix_parse(from->addresses[i], &prefix) == 0 &&
		    prefix.address.family == family)
			return refuse_item(ret_error, field, from->addresses[i],
					   "is given by hand: addresses go with manual");
	return 0;
}

static int parse_addressing(enum lw_layer layer, const struct lw_network_settings *from,
			    struct network_settings *settings, struct lw_error *ret_error)
{
	int r = check_addressing(layer, from, "ipv4", from->ipv4, AF_INET, ret_error);

	if (r == 0)
		r = check_addressing(layer, from, "ipv6", from->ipv6, AF_INET6, ret_error);
	settings->ipv4 = said(from->ipv4);
	settings->ipv6 = said(from->ipv6);
	return r;
}

static int parse_services(const struct lw_network_settings *from, struct network_settings *settings,
			  struct lw_error *ret_error)
{
	int r = 0;

	if (from->dns && from->bridge)
		return refuse(ret_error, "dns", "a bridge's port has no name servers of its own");
	if (from->dns)
		r = dns_settings_parse(from->dns, &settings->dns, ret_error);
	if (r == 0 && from->proxy)
		r = proxy_settings_parse(from->proxy, &settings->proxy, ret_error);
	return r;
}

static int parse_lists(const struct lw_network_settings *from, struct network_settings *settings,
		       struct lw_error *ret_error)
{
	int r;

	r = parse_list(&address_rule, from->addresses, from->n_addresses, &settings->addresses,
		       &settings->n_addresses, ret_error);
	if (r < 0)
		return r;
	r = parse_list(&included_rule, from->included_routes, from->n_included_routes,
		       &settings->included_routes, &settings->n_included_routes, ret_error);
	if (r < 0)
		return r;
	return parse_list(&excluded_rule, from->excluded_routes, from->n_excluded_routes,
			  &settings->excluded_routes, &settings->n_excluded_routes, ret_error);
}

int network_settings_parse(enum lw_layer layer, const struct lw_network_settings *from,
			   struct network_settings *ret_settings, struct lw_error *ret_error)
{
	struct network_settings settings = { 0 };
	struct lw_network_settings known;
	int r;

	if (!value_take(&known, sizeof(known), from))
		return refuse(ret_error, "size", "must be the size of struct lw_network_settings");
	r = parse_scalars(layer, &known, &settings, ret_error);
	if (r == 0)
		r = parse_lists(&known, &settings, ret_error);
	if (r == 0)
		r = parse_routers(layer, &known, &settings, ret_error);
	if (r == 0)
		r = parse_addressing(layer, &known, &settings, ret_error);
	if (r == 0)
		r = parse_services(&known, &settings, ret_error);
	if (r < 0) {
		network_settings_done(&settings);
		return r;
	}
	*ret_settings = settings;
	return 0;
}

bool network_settings_are_full(const struct network_settings *settings)
{
	for (size_t i = 0; i < settings->n_included_routes; i++)
		if (settings->included_routes[i].length == 0)
			return true;
	return false;
}

int network_settings_check_dns(const struct network_settings *settings, struct lw_error *ret_error)
{
	const struct dns_settings *dns = settings->dns;

	if (!dns || network_settings_are_full(settings))
		return 0;
	if (dns->matches_all)
		return refuse(ret_error, "dns.match-domains",
			      "\"\" takes every name into a tunnel that carries only a part of the "
			      "traffic: name the domains, or include the route 0.0.0.0/0 or ::/0");
	if (!dns->match.n && !dns->search.n)
		return refuse(ret_error, "dns.match-domains",
			      "without them the servers of a split tunnel would be asked for "
			      "nothing: name the domains that they know");
	return 0;
}

static int copy_list(const struct ip_prefix *from, size_t n, struct ip_prefix **ret_copy)
{
	struct ip_prefix *copy;

	if (n == 0)
		return 0;
	copy = malloc(n * sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	memcpy(copy, from, n * sizeof(*copy));
	*ret_copy = copy;
	return 0;
}

int network_settings_copy(const struct network_settings *from, struct network_settings *ret_copy)
{
	struct network_settings copy = *from;

	copy.addresses = copy.included_routes = copy.excluded_routes = NULL;
	copy.dns = NULL;
	copy.proxy = NULL;
	if (copy_list(from->addresses, from->n_addresses, &copy.addresses) < 0 ||
	    copy_list(from->included_routes, from->n_included_routes, &copy.included_routes) < 0 ||
	    copy_list(from->excluded_routes, from->n_excluded_routes, &copy.excluded_routes) < 0 ||
	    dns_settings_copy(from->dns, &copy.dns) < 0 ||
	    proxy_settings_copy(from->proxy, &copy.proxy) < 0) {
		network_settings_done(&copy);
		return -ENOMEM;
	}
	*ret_copy = copy;
	return 0;
}

static bool lists_equal(const struct ip_prefix *a, size_t n_a, const struct ip_prefix *b,
			size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (!ip_prefix_equal(&a[i], &b[i]))
			return false;
	return true;
}

static bool routers_equal(const struct network_settings *a, const struct network_settings *b)
{
	if (a->n_routers != b->n_routers)
		return false;
	for (size_t i = 0; i < a->n_routers; i++)
		if (!ip_address_equal(&a->routers[i], &b->routers[i]))
			return false;
	return true;
}

bool network_settings_equal(const struct network_settings *a, const struct network_settings *b)
{
	return strcmp(a->remote_address, b->remote_address) == 0 &&
	       a->has_ethernet_address == b->has_ethernet_address &&
	       memcmp(a->ethernet_address, b->ethernet_address, sizeof(a->ethernet_address)) == 0 &&
	       a->mtu == b->mtu && a->tunnel_overhead == b->tunnel_overhead &&
	       routers_equal(a, b) && strcmp(a->bridge, b->bridge) == 0 &&
	       a->carrier == b->carrier &&
	       lists_equal(a->addresses, a->n_addresses, b->addresses, b->n_addresses) &&
	       lists_equal(a->included_routes, a->n_included_routes, b->included_routes,
			   b->n_included_routes) &&
	       lists_equal(a->excluded_routes, a->n_excluded_routes, b->excluded_routes,
			   b->n_excluded_routes) &&
	       a->ipv4 == b->ipv4 && a->ipv6 == b->ipv6 && dns_settings_equal(a->dns, b->dns) &&
	       proxy_settings_equal(a->proxy, b->proxy);
}

void network_settings_done(struct network_settings *settings)
{
	if (!settings)
		return;
	free(settings->addresses);
	free(settings->included_routes);
	free(settings->excluded_routes);
	free(settings->dns);
	free(settings->proxy);
	memset(settings, 0, sizeof(*settings));
}
