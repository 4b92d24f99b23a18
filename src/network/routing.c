/* SPDX-License-Identifier: MIT */
/* Which packets go into the tunnel. */
#include "network/routing.h"

#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include <longwire/provider.h>

#include "base/address.h"
#include "base/memory.h"
#include "base/settings.h"
#include "network/change.h"
#include "network/network.h"
#include "network/plan.h"

enum { LENGTHS = 129 };

struct routing {
	const struct network_plan *plan;
	const struct network_settings *settings;
	const struct facts *facts;
	struct changes *changes;
	uint32_t table;
	bool is_enforced;
	bool has_length[2][LENGTHS]; /* of routes that draw packets; [1]: IPv6 */
};

bool routing_is_enforced(const struct network_plan *plan)
{
	return plan->routing && (plan->routing->enforce || plan->routing->include_all);
}

static bool includes_all(const struct routing *routing)
{
	return routing->plan->routing && routing->plan->routing->include_all;
}

uint32_t routing_owner(const struct rule *rule)
{
	uint32_t own = rule->table ? rule->table : rule->not_mark;

	return rtnetlink_is_own_table(own) ? own & RTNETLINK_OWN_INDEX : 0;
}

static struct ip_prefix default_of(uint8_t family)
{
	return (struct ip_prefix){ .address.family = family };
}

static bool covers(const struct ip_prefix *outer, const struct ip_prefix *inner)
{
	return outer->length <= inner->length && ip_prefix_contains(outer, &inner->address);
}

/* RFC 1918, 3927, 6598; RFC 4193 and 4291. */
static bool is_private(const struct ip_prefix *prefix)
{
	static const char *const networks[] = { "10.0.0.0/8",     "172.16.0.0/12", "192.168.0.0/16",
						"169.254.0.0/16", "100.64.0.0/10", "fc00::/7",
						"fe80::/10" };
	struct ip_prefix network;

	for (size_t i = 0; i < ARRAY_SIZE(networks); i++)
		if (ip_prefix_parse(networks[i], &network) == 0 && covers(&network, prefix))
			return true;
	return false;
}

bool routing_is_local(const struct route *route)
{
	return !route->table && route->type == RTN_UNICAST && route->protocol == RTPROT_KERNEL &&
	       !route->via.family && is_private(&route->destination);
}

/* ---- What the settings mean for a family */

static bool has_addresses(const struct routing *routing, uint8_t family)
{
	const struct network_settings *settings = routing->settings;

	enum lw_addressing way = family == AF_INET ? settings->ipv4 : settings->ipv6;

	/* They will come; in IPv6 those of the link alone carry nothing. */
	if (way == LW_ADDRESSING_AUTOMATIC ||
	    (way == LW_ADDRESSING_LINK_LOCAL && family == AF_INET))
		return true;
	for (size_t i = 0; i < settings->n_addresses; i++)
		if (settings->addresses[i].address.family == family)
			return true;
	return false;
}

static bool is_included(const struct routing *routing, uint8_t family, bool only_default)
{
	const struct network_settings *settings = routing->settings;

	for (size_t i = 0; i < settings->n_included_routes; i++)
		if (settings->included_routes[i].address.family == family &&
		    (!only_default || settings->included_routes[i].length == 0))
			return true;
	return false;
}

/* Nothing of this family goes through a tunnel that is to carry everything. */
static bool is_lacking(const struct routing *routing, uint8_t family)
{
	uint8_t other = family == AF_INET ? AF_INET6 : AF_INET;

	if (family == AF_INET6 && !routing->facts->has_ipv6)
		return false;
	if (has_addresses(routing, family))
		return false;
	if (includes_all(routing))
		return !is_included(routing, family, true);
	return is_included(routing, other, true) && !is_included(routing, family, false);
}

static const struct ip_address *router_of(const struct routing *routing, uint8_t family)
{
	for (size_t i = 0; i < routing->settings->n_routers; i++)
		if (routing->settings->routers[i].family == family)
			return &routing->settings->routers[i];
	return NULL;
}

static bool is_connected(const struct routing *routing, const struct ip_prefix *network)
{
	for (size_t i = 0; i < routing->settings->n_addresses; i++) {
		struct ip_prefix own = ip_prefix_network(&routing->settings->addresses[i]);

		if (ip_prefix_equal(&own, network))
			return true;
	}
	return false;
}

static bool is_drawn(const struct routing *routing, const struct ip_prefix *prefix)
{
	if (includes_all(routing))
		return true;
	for (size_t i = 0; i < routing->settings->n_included_routes; i++)
		if (covers(&routing->settings->included_routes[i], prefix))
			return true;
	return false;
}

/* ---- Routes */

/* IPv6 has no order within a metric, and its standard one would be added to the key by the kernel. */
static int append_route(struct routing *routing, const struct ip_prefix *to, uint8_t type)
{
	struct change change = { .kind = CHANGE_ROUTE };
	struct route *route = &change.value.route;

	route->table = routing->table;
	route->destination = *to;
	route->type = type;
	route->protocol = PLAN_ROUTE_PROTOCOL;
	route->metric = to->address.family == AF_INET6;
	if (changes_find(routing->changes, &change))
		return 0; /* included, and the network of an address too */
	if (type == RTN_UNICAST) {
		const struct ip_address *router = router_of(routing, to->address.family);

		route->index = routing->facts->link.index;
		/* The router itself, and its neighbours, are on the link. */
		if (router && !is_connected(routing, to))
			route->via = *router;
	}
	if (type != RTN_THROW)
		routing->has_length[to->address.family == AF_INET6][to->length] = true;
	return changes_append(routing->changes, &change);
}

static int append_excluded(struct routing *routing)
{
	const struct network_settings *settings = routing->settings;
	int r = 0;

	for (size_t i = 0; r == 0 && i < settings->n_excluded_routes; i++)
		if (is_drawn(routing, &settings->excluded_routes[i]))
			r = append_route(routing, &settings->excluded_routes[i], RTN_THROW);
	if (!routing->is_enforced || !routing->plan->routing->exclude_local)
		return r;
	for (size_t i = 0; r == 0 && i < routing->facts->n_locals; i++)
		if (is_drawn(routing, &routing->facts->locals[i]))
			r = append_route(routing, &routing->facts->locals[i], RTN_THROW);
	return r;
}

/* The kernel makes the route of an address's own network; what is enforced is so before the
 * machine's routes, that one included. */
static int append_included(struct routing *routing)
{
	const struct network_settings *settings = routing->settings;
	int r = 0;

	for (size_t i = 0; r == 0 && i < settings->n_included_routes; i++)
		if (routing->is_enforced || !is_connected(routing, &settings->included_routes[i]))
			r = append_route(routing, &settings->included_routes[i], RTN_UNICAST);
	for (size_t i = 0; r == 0 && routing->is_enforced && i < settings->n_addresses; i++) {
		struct ip_prefix network = ip_prefix_network(&settings->addresses[i]);

		r = append_route(routing, &network, RTN_UNICAST);
	}
	return r;
}

static int append_defaults(struct routing *routing)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++) {
		struct ip_prefix all = default_of(families[i]);

		if (is_lacking(routing, families[i]))
			r = append_route(routing, &all, RTN_UNREACHABLE);
		else if (includes_all(routing) && has_addresses(routing, families[i]))
			r = append_route(routing, &all, RTN_UNICAST);
	}
	return r;
}

/* ---- Rules */

static int append_rule(struct routing *routing, const struct rule *rule)
{
	struct change change = { .kind = CHANGE_RULE, .value.rule = *rule };

	change.value.rule.protocol = PLAN_ROUTE_PROTOCOL;
	return changes_append(routing->changes, &change);
}

/* Look into the main table, at routes longer than suppress. The mark is nobody's, and says whose the
 * rule is. */
static int append_main_rule(struct routing *routing, uint8_t family, uint32_t priority,
			    int suppress)
{
	const struct rule rule = { .family = family,
				   .priority = priority,
				   .not_mark = routing->table,
				   .not_mask = UINT32_MAX,
				   .suppress = suppress };

	return append_rule(routing, &rule);
}

static int append_own_rule(struct routing *routing, uint8_t family, uint32_t priority, int suppress)
{
	const struct rule rule = { .family = family,
				   .priority = priority,
				   .table = routing->table,
				   .not_mark = LW_OUTER_MARK,
				   .not_mask = UINT32_MAX,
				   .suppress = suppress };

	return append_rule(routing, &rule);
}

static int append_rules_of_length(struct routing *routing, uint8_t family, int length)
{
	uint32_t rank = (uint32_t)(LENGTHS - 1 - length);
	int r = 0;

	if (routing->is_enforced)
		return append_own_rule(routing, family, ROUTING_ENFORCED_PRIORITY + rank,
				       length - 1);
	r = append_main_rule(routing, family, ROUTING_PLAIN_PRIORITY + 2 * rank,
			     MAX(length - 1, 0));
	if (r < 0)
		return r;
	return append_own_rule(routing, family, ROUTING_PLAIN_PRIORITY + 2 * rank + 1, length - 1);
}

static int append_rules(struct routing *routing)
{
	int r = 0;

	for (int family = 0; family < 2; family++)
		for (int length = LENGTHS - 1; r == 0 && length >= 0; length--)
			if (routing->has_length[family][length])
				r = append_rules_of_length(routing, family ? AF_INET6 : AF_INET,
							   length);
	return r;
}

int routing_append(const struct network_plan *plan, const struct facts *facts,
		   struct changes *changes)
{
	struct routing routing = {
		.plan = plan,
		.settings = plan->settings,
		.facts = facts,
		.changes = changes,
		.table = RTNETLINK_OWN_TABLES | ((uint32_t)facts->link.index & RTNETLINK_OWN_INDEX),
		.is_enforced = routing_is_enforced(plan),
	};
	int r;

	if (!plan->settings || plan->settings->bridge[0])
		return 0;
	if (!plan->settings->n_included_routes && !routing.is_enforced)
		return 0;
	r = append_excluded(&routing);
	if (r == 0)
		r = append_included(&routing);
	if (r == 0)
		r = append_defaults(&routing);
	return r < 0 ? r : append_rules(&routing);
}
