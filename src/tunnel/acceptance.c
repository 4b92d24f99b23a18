/* SPDX-License-Identifier: MIT */
/* Offers weighed against accept: and local settings. */
#include "tunnel/acceptance.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <longwire/tunnel.h>

#include "base/address.h"
#include "base/memory.h"
#include "tls/credentials.h"

enum {
	MTU_MIN = 576,
	MTU_MAX = 9216,
	LENGTH_MIN_4 = 8,
	LENGTH_MIN_6 = 16,
	TEXTS_MAX = 2 + LW_SETTINGS_ADDRESSES_MAX + 2 * LW_SETTINGS_ROUTES_MAX +
		    LW_SETTINGS_ROUTERS_MAX,
};

struct decision {
	const struct acceptance *acceptance;
	unsigned accept;
	struct accepted *accepted;
	const char **addresses, **included, **excluded, **routers;
	bool no_memory;
};

static void refuse(struct decision *decision, const char *what, const char *why)
{
	char *text = decision->accepted->refused;
	size_t used = strlen(text);

	snprintf(text + used, ACCEPTANCE_TEXT_SIZE - used, "%s%s (%s)", used ? ", " : "", what,
		 why);
}

static const char *keep(struct decision *decision, const char *text)
{
	struct accepted *accepted = decision->accepted;
	char *copy = strdup(text);

	if (!copy)
		decision->no_memory = true;
	else
		accepted->texts[accepted->n_texts++] = copy;
	return copy;
}

static unsigned effective_accept(const struct acceptance *acceptance)
{
	if (acceptance->accept)
		return acceptance->accept;
	return acceptance->layer == LW_LAYER_IP ? LW_ACCEPT_ADDRESSES | LW_ACCEPT_MTU : 0;
}

static void decide_mtu(struct decision *decision, const struct offer *offer)
{
	const struct network_settings *local = decision->acceptance->local;
	struct lw_network_settings *settings = &decision->accepted->settings;
	char text[24];

	settings->mtu = local && local->mtu ? local->mtu : decision->acceptance->mtu;
	if (local && !settings->mtu)
		settings->tunnel_overhead = local->tunnel_overhead;
	if (settings->mtu || settings->tunnel_overhead || !offer->mtu)
		return;
	snprintf(text, sizeof(text), "mtu %u", offer->mtu);
	if (offer->mtu < MTU_MIN || offer->mtu > MTU_MAX)
		refuse(decision, text, "allowed: 576 to 9216");
	else if (decision->accept & LW_ACCEPT_MTU)
		settings->mtu = offer->mtu;
	else if (offer->mtu != 1500)
		refuse(decision, text, "not in accept");
}

static const char *address_fault(const struct decision *decision, const struct ip_prefix *prefix)
{
	const struct ip_address *hub = decision->acceptance->hub;

	if (ip_address_is_special(&prefix->address))
		return "not an address that a host can have";
	if (hub && ip_address_equal(hub, &prefix->address))
		return "the hub's own address";
	if (prefix->length < (prefix->address.family == AF_INET6 ? LENGTH_MIN_6 : LENGTH_MIN_4))
		return "its network is absurdly large";
	return NULL;
}

static void add_address(struct decision *decision, const struct ip_prefix *prefix)
{
	struct accepted *accepted = decision->accepted;
	char text[IP_PREFIX_TEXT_SIZE];

	if (accepted->n_addresses == LW_SETTINGS_ADDRESSES_MAX)
		return;
	decision->addresses[accepted->n_addresses] = keep(decision, ip_prefix_format(prefix, text));
	accepted->addresses[accepted->n_addresses++] = *prefix;
}

static void decide_addresses(struct decision *decision, const struct offer *offer)
{
	const struct network_settings *local = decision->acceptance->local;

	if (local && (local->n_addresses || local->bridge[0])) {
		for (size_t i = 0; i < local->n_addresses; i++)
			add_address(decision, &local->addresses[i]);
		return;
	}
	for (size_t i = 0; i < offer->n_addresses; i++) {
		const char *text = offer->addresses[i], *fault;
		struct ip_prefix prefix;

		if (!(decision->accept & LW_ACCEPT_ADDRESSES))
			fault = "not in accept";
		else if (ip_prefix_parse(text, &prefix) < 0)
			fault = "not an address";
		else
			fault = address_fault(decision, &prefix);
		if (fault)
			refuse(decision, text, fault);
		else
			add_address(decision, &prefix);
	}
}

static const char *route_fault(const struct decision *decision, const char *text,
			       struct ip_prefix *ret_prefix)
{
	const struct ip_address *hub = decision->acceptance->hub;

	if (!(decision->accept & LW_ACCEPT_INCLUDED_ROUTES))
		return "not in accept";
	if (ip_prefix_parse(text, ret_prefix) < 0)
		return "not a prefix";
	*ret_prefix = ip_prefix_network(ret_prefix);
	if (hub && ret_prefix->length == ip_address_bits(hub) &&
	    ip_address_equal(hub, &ret_prefix->address))
		return "the hub's own address";
	if (ret_prefix->length && ip_address_is_special(&ret_prefix->address))
		return "nothing that can be routed";
	return NULL;
}

static bool is_listed(const struct decision *decision, size_t n, const char *text)
{
	for (size_t i = 0; i < n; i++)
		if (decision->included[i] && !strcmp(decision->included[i], text))
			return true;
	return false;
}

static void decide_routes(struct decision *decision, const struct offer *offer)
{
	const struct network_settings *local = decision->acceptance->local;
	struct lw_network_settings *settings = &decision->accepted->settings;
	char text[IP_PREFIX_TEXT_SIZE];

	for (size_t i = 0; local && i < local->n_excluded_routes; i++)
		decision->excluded[settings->n_excluded_routes++] =
			keep(decision, ip_prefix_format(&local->excluded_routes[i], text));
	for (size_t i = 0; local && i < local->n_included_routes; i++)
		decision->included[settings->n_included_routes++] =
			keep(decision, ip_prefix_format(&local->included_routes[i], text));
	if (settings->n_included_routes)
		return; /* what is written here wins */
	for (size_t i = 0; i < offer->n_included_routes; i++) {
		struct ip_prefix prefix;
		const char *fault = route_fault(decision, offer->included_routes[i], &prefix);

		if (fault) {
			refuse(decision, offer->included_routes[i], fault);
			continue;
		}
		ip_prefix_format(&prefix, text);
		if (settings->n_included_routes < LW_SETTINGS_ROUTES_MAX &&
		    !is_listed(decision, settings->n_included_routes, text))
			decision->included[settings->n_included_routes++] = keep(decision, text);
	}
}

/* Whether a default route is among those that were decided. */
static bool is_full(const struct decision *decision)
{
	struct ip_prefix prefix;

	for (size_t i = 0; i < decision->accepted->settings.n_included_routes; i++)
		if (decision->included[i] && ip_prefix_parse(decision->included[i], &prefix) == 0 &&
		    prefix.length == 0)
			return true;
	return false;
}

static const char *dns_fault(const struct decision *decision, const struct dns_settings *dns)
{
	const struct ip_address *hub = decision->acceptance->hub;

	if (!(decision->accept & LW_ACCEPT_DNS))
		return "not in accept";
	for (size_t i = 0; hub && i < dns->n_servers; i++)
		if (ip_address_equal(hub, &dns->servers[i]))
			return "a server that is not in the tunnel: the hub's own address";
	if (decision->accepted->is_full)
		return NULL;
	if (dns->matches_all)
		return "every name, of a tunnel that carries only a part of the traffic";
	if (!dns->match.n && !dns->search.n)
		return "no match-domains, and the tunnel carries only a part of the traffic";
	return NULL;
}

static void decide_dns(struct decision *decision, const struct offer *offer)
{
	const struct network_settings *local = decision->acceptance->local;
	struct accepted *accepted = decision->accepted;
	const struct dns_settings *dns = local ? local->dns : NULL;

	accepted->is_full = decision->acceptance->includes_all || is_full(decision);
	if (!dns && offer->dns_fault[0]) {
		refuse(decision, "dns", offer->dns_fault);
	} else if (!dns && offer->dns) {
		const char *fault = dns_fault(decision, offer->dns);

		if (fault)
			refuse(decision, "dns", fault);
		else
			dns = offer->dns;
	}
	accepted->dns_value = dns;
}

static void decide_proxy(struct decision *decision, const struct offer *offer)
{
	const struct network_settings *local = decision->acceptance->local;
	struct accepted *accepted = decision->accepted;
	const struct proxy_settings *proxy = local ? local->proxy : NULL;

	if (!proxy && offer->proxy_fault[0])
		refuse(decision, "proxy", offer->proxy_fault);
	else if (!proxy && offer->proxy && !(decision->accept & LW_ACCEPT_PROXY))
		refuse(decision, "proxy", "not in accept");
	else if (!proxy)
		proxy = offer->proxy;
	accepted->proxy_value = proxy;
}

static void decide_addressing(struct decision *decision)
{
	const struct network_settings *local = decision->acceptance->local;
	struct lw_network_settings *settings = &decision->accepted->settings;

	if (!local)
		return;
	settings->ipv4 = local->ipv4;
	settings->ipv6 = local->ipv6;
}

/* Only what is written here: where packets go next is not the hub's to say. */
static void decide_routers(struct decision *decision)
{
	const struct network_settings *local = decision->acceptance->local;
	struct lw_network_settings *settings = &decision->accepted->settings;
	char text[IP_TEXT_SIZE];

	for (size_t i = 0; local && i < local->n_routers; i++)
		decision->routers[settings->n_routers++] =
			keep(decision, ip_address_format(&local->routers[i], text));
}

static void decide_ethernet(struct decision *decision)
{
	const struct acceptance *acceptance = decision->acceptance;
	const struct network_settings *local = acceptance->local;
	struct lw_network_settings *settings = &decision->accepted->settings;
	struct mac_address mac;
	char text[MAC_TEXT_SIZE];

	if (local)
		settings->carrier = local->carrier;
	if (acceptance->layer != LW_LAYER_ETHERNET)
		return;
	if (local && local->bridge[0]) {
		settings->bridge = keep(decision, local->bridge);
		settings->mtu = 0; /* the bridge's */
		return;
	}
	if (local && local->has_ethernet_address) {
		memcpy(mac.bytes, local->ethernet_address, sizeof(mac.bytes));
	} else {
		memcpy(mac.bytes, acceptance->identity->sha256, sizeof(mac.bytes));
		mac.bytes[0] =
			(uint8_t)((mac.bytes[0] & 0xfc) | 0x02); /* unicast, locally administered */
	}
	settings->ethernet_address = keep(decision, mac_address_format(&mac, text));
}

int acceptance_decide(const struct acceptance *acceptance, const struct offer *offer,
		      struct accepted *ret_accepted)
{
	struct accepted accepted = { .settings.size = sizeof(accepted.settings) };
	struct decision decision = { .acceptance = acceptance,
				     .accept = effective_accept(acceptance),
				     .accepted = &accepted };

	/* One block for the strings' owners and the three lists that point to them. */
	accepted.texts = calloc(TEXTS_MAX, 2 * sizeof(char *));
	if (!accepted.texts)
		return -ENOMEM;
	decision.addresses = (const char **)accepted.texts + TEXTS_MAX;
	decision.included = decision.addresses + LW_SETTINGS_ADDRESSES_MAX;
	decision.excluded = decision.included + LW_SETTINGS_ROUTES_MAX;
	decision.routers = decision.excluded + LW_SETTINGS_ROUTES_MAX;
	decide_mtu(&decision, offer);
	decide_addresses(&decision, offer);
	decide_routes(&decision, offer);
	decide_routers(&decision);
	decide_ethernet(&decision);
	decide_addressing(&decision);
	decide_dns(&decision, offer);
	decide_proxy(&decision, offer);
	if (offer->has_unknown)
		refuse(&decision, "excluded-routes", "not supported by this version");
	accepted.settings.addresses = decision.addresses;
	accepted.settings.n_addresses = accepted.n_addresses;
	accepted.settings.included_routes = decision.included;
	accepted.settings.excluded_routes = decision.excluded;
	accepted.settings.routers = decision.routers;
	if (decision.no_memory) {
		accepted_done(&accepted);
		return -ENOMEM;
	}
	*ret_accepted = accepted;
	/* Now that it stands where it stays: these point into it. */
	if (accepted.dns_value)
		ret_accepted->settings.dns =
			dns_settings_view(accepted.dns_value, &ret_accepted->dns);
	if (accepted.proxy_value)
		ret_accepted->settings.proxy =
			proxy_settings_view(accepted.proxy_value, &ret_accepted->proxy);
	return 0;
}

void accepted_done(struct accepted *accepted)
{
	for (size_t i = 0; i < accepted->n_texts; i++)
		free(accepted->texts[i]);
	free(accepted->texts);
	*accepted = (struct accepted){ 0 };
}
