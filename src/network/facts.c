/* SPDX-License-Identifier: MIT */
/* Asking the machine for what a plan needs to know. */
#include "network/facts.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/parse.h"
#include "base/random.h"
#include "base/settings.h"
#include "network/network.h"
#include "network/nftables.h"
#include "network/path.h"
#include "network/routing.h"

/* What is asked, of whom, and where the answers go. */
struct inquiry {
	struct rtnetlink *rtnetlink;
	const char *name;
	const struct network_plan *plan;
	const struct changes *applied;
	struct facts *facts;
	struct lw_error *error;
};

static const struct change *find_applied(const struct inquiry *q, enum change_kind kind)
{
	struct change key = { .kind = kind };

	return changes_find(q->applied, &key);
}

/* ---- Links */

static void forget_our_changes(const struct inquiry *q, struct link *link)
{
	const struct change *change = find_applied(q, CHANGE_MTU);

	if (change)
		link->mtu = change->before.number;
	change = find_applied(q, CHANGE_QUEUE_LENGTH);
	if (change)
		link->queue_length = change->before.number;
	change = find_applied(q, CHANGE_MAC);
	if (change)
		memcpy(link->mac, change->before.mac, sizeof(link->mac));
	change = find_applied(q, CHANGE_MASTER);
	if (change)
		link->master = (int)change->before.number;
	change = find_applied(q, CHANGE_ADDRESS_GENERATION);
	if (change)
		link->address_generation = (uint8_t)change->before.number;
	change = find_applied(q, CHANGE_UP);
	if (change && !change->before.number)
		link->flags &= ~(uint32_t)IFF_UP;
}

static int ask_link(const struct inquiry *q)
{
	struct link *link = &q->facts->link;
	int r = rtnetlink_get_link(q->rtnetlink, q->name, link);

	if (r == -ENODEV)
		return error_set(q->error, -ENODEV, LW_DOMAIN_SYSTEM, ENODEV,
				 "%s: there is no such interface", q->name);
	if (r < 0)
		return error_errno(q->error, -r, "%s: cannot ask for the interface", q->name);
	forget_our_changes(q, link);
	if (link->master)
		if_indextoname((unsigned)link->master, q->facts->master_name);
	return 0;
}

/*
 * A bridge takes the lowest MAC of its ports. Ours begins with fe, as the kernel's own convention
 * for such ports, and is above the bridge's present one even where that is of the same kind.
 */
static void choose_port_mac(const struct inquiry *q)
{
	const struct change *chosen = find_applied(q, CHANGE_MAC);
	uint8_t *mac = q->facts->port_mac;

	if (chosen && find_applied(q, CHANGE_MASTER)) {
		memcpy(mac, chosen->value.mac, 6);
		return;
	}
	random_bytes(mac, 6);
	mac[0] = 0xfe;
	if (memcmp(mac, q->facts->bridge.mac, 6) <= 0)
		mac[1] = 0xff;
}

static int ask_bridge(const struct inquiry *q)
{
	const char *name = q->plan->settings->bridge;
	int r = rtnetlink_get_link(q->rtnetlink, name, &q->facts->bridge);

	if (r < 0 && r != -ENODEV)
		return error_errno(q->error, -r, "%s: cannot ask for the bridge", name);
	q->facts->has_bridge = r == 0;
	choose_port_mac(q);
	return 0;
}

/* ---- Settings of the kernel */

/* As it was before us; "" where there is none. */
static int ask_sysctl(const struct inquiry *q, const char *path, char ret_text[SYSCTL_TEXT_SIZE])
{
	struct change key = { .kind = CHANGE_SYSCTL };
	const struct change *change;
	int r;

	snprintf(key.path, sizeof(key.path), "%s", path);
	change = changes_find(q->applied, &key);
	if (change) {
		memcpy(ret_text, change->before.text, SYSCTL_TEXT_SIZE);
		return 0;
	}
	r = sysctl_read(path, ret_text);
	if (r < 0 && r != -ENOENT)
		return error_errno(q->error, -r, "%s: cannot read /proc/sys/%s", q->name, path);
	return 0;
}

static int ask_ipv6_sysctl(const struct inquiry *q, const char *interface, const char *setting,
			   char ret_text[SYSCTL_TEXT_SIZE])
{
	char path[SYSCTL_PATH_SIZE];

	snprintf(path, sizeof(path), "net/ipv6/conf/%.15s/%s", interface, setting);
	return ask_sysctl(q, path, ret_text);
}

static int ask_ipv6(const struct inquiry *q)
{
	struct facts *facts = q->facts;
	char path[SYSCTL_PATH_SIZE], disabled[SYSCTL_TEXT_SIZE] = "";
	const char *interface = q->name;
	int r;

	facts->has_ipv6 = sysctl_exists("net/ipv6/conf/all");
	if (!facts->has_ipv6)
		return 0;
	/* An interface whose MTU is too small for IPv6 gets the standard settings when it grows. */
	snprintf(path, sizeof(path), "net/ipv6/conf/%s", q->name);
	if (!sysctl_exists(path))
		interface = "default";
	r = ask_ipv6_sysctl(q, interface, "disable_ipv6", disabled);
	facts->is_ipv6_disabled = strcmp(disabled, "1") == 0;
	if (r == 0)
		r = ask_ipv6_sysctl(q, interface, "accept_ra", facts->accept_ra);
	if (r == 0)
		r = ask_ipv6_sysctl(q, interface, "autoconf", facts->autoconf);
	if (r == 0)
		r = ask_ipv6_sysctl(q, interface, "accept_ra_defrtr", facts->accept_ra_defrtr);
	return r;
}

static int ask_listener(const struct inquiry *q, const char *interface)
{
	struct facts *facts = q->facts;
	char text[SYSCTL_TEXT_SIZE] = "";
	int r = ask_ipv6_sysctl(q, interface, "accept_ra", text);

	if (r < 0 || strcmp(text, "1") != 0)
		return r;
	if (facts->n_listeners == PLAN_LISTENERS_MAX)
		return error_set(q->error, -E2BIG, LW_DOMAIN_SYSTEM, E2BIG,
				 "%s: more than %d interfaces listen to router advertisements; set "
				 "their accept_ra to 2 or 0 before forwarding IPv6",
				 q->name, PLAN_LISTENERS_MAX);
	snprintf(facts->listeners[facts->n_listeners++], IFNAMSIZ, "%.15s", interface);
	return 0;
}

static int ask_listeners(const struct inquiry *q)
{
	DIR *directory = opendir("/proc/sys/net/ipv6/conf");
	struct dirent *entry;
	int r = 0;

	if (!directory)
		return 0;
	while (r == 0 && (entry = readdir(directory))) {
		const char *interface = entry->d_name;

		if (parse_is_interface_name(interface) && strcmp(interface, "all") != 0 &&
		    strcmp(interface, "default") != 0 && strcmp(interface, "lo") != 0 &&
		    strcmp(interface, q->name) != 0)
			r = ask_listener(q, interface);
	}
	closedir(directory);
	return r;
}

static int ask_gateway(const struct inquiry *q)
{
	struct facts *facts = q->facts;
	int r = ask_sysctl(q, "net/ipv4/ip_forward", facts->ip4_forward);

	if (r < 0 || !facts->has_ipv6 || !nftables_has_family(q->plan->gateway, AF_INET6))
		return r;
	r = ask_ipv6_sysctl(q, "all", "forwarding", facts->ip6_forward);
	/* A machine that forwards already has made its arrangements. */
	if (r < 0 || strcmp(facts->ip6_forward, "1") == 0)
		return r;
	return ask_listeners(q);
}

/* An interface's own and the setting for all: the larger counts. 1 is strict, 2 loose. */
static int ask_filter(const struct inquiry *q, const char *interface, bool all_is_strict)
{
	char path[SYSCTL_PATH_SIZE], text[SYSCTL_TEXT_SIZE] = "";
	int r;

	snprintf(path, sizeof(path), "net/ipv4/conf/%.15s/rp_filter", interface);
	r = ask_sysctl(q, path, text);
	if (r == 0 && (strcmp(text, "1") == 0 || (all_is_strict && strcmp(text, "2") != 0)))
		q->facts->has_strict_filter = true;
	return r;
}

static int ask_filters(const struct inquiry *q)
{
	static const char setting[] = "net/ipv4/conf/all/rp_filter";
	char text[SYSCTL_TEXT_SIZE] = "";
	struct if_nameindex *links;
	int r = ask_sysctl(q, setting, text);

	if (r == 0)
		r = ask_sysctl(q, "net/ipv4/conf/all/src_valid_mark", q->facts->src_valid_mark);
	if (r < 0 || strcmp(text, "2") == 0)
		return r;
	links = if_nameindex();
	if (!links)
		return error_errno(q->error, errno, "%s: cannot list the interfaces", q->name);
	for (size_t i = 0; r == 0 && links[i].if_index; i++)
		if (strcmp(links[i].if_name, "lo") != 0 && strcmp(links[i].if_name, q->name) != 0)
			r = ask_filter(q, links[i].if_name, strcmp(text, "1") == 0);
	if_freenameindex(links);
	return r;
}

/* ---- Routes */

static const uint8_t families[] = { AF_INET, AF_INET6 };

/* Of an interface that is no more; or of ours, but not made by us: by one who was killed, and whose
 * persistent device is still there. */
static bool is_stale(const struct inquiry *q, uint32_t owner, const struct change *change)
{
	char name[IFNAMSIZ];

	if (!owner || changes_find(q->applied, change))
		return false;
	return owner == (uint32_t)q->facts->link.index || !if_indextoname(owner, name);
}

static void take_stale(const struct inquiry *q, uint32_t owner, const struct change *change)
{
	/* What there is no room for is found the next time. */
	if (is_stale(q, owner, change) && q->facts->stale.n < PLAN_STALE_MAX)
		(void)changes_append(&q->facts->stale, change);
}

static void visit_rule(const struct rule *rule, void *user)
{
	const struct change change = { .kind = CHANGE_RULE, .value.rule = *rule };

	take_stale(user, routing_owner(rule), &change);
}

static void visit_route(const struct route *route, void *user)
{
	const struct change change = { .kind = CHANGE_ROUTE, .value.route = *route };
	const struct inquiry *q = user;
	struct facts *facts = q->facts;

	if (route->table)
		take_stale(q, route->table & RTNETLINK_OWN_INDEX, &change);
	else if (route->index != facts->link.index && facts->n_locals < ROUTING_LOCALS_MAX &&
		 routing_is_local(route))
		facts->locals[facts->n_locals++] = route->destination;
}

static bool wants_locals(const struct inquiry *q)
{
	return routing_is_enforced(q->plan) && q->plan->routing->exclude_local;
}

static int ask_routes(struct inquiry *q, bool all)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++)
		r = rtnetlink_each_rule(q->rtnetlink, families[i], PLAN_ROUTE_PROTOCOL, visit_rule,
					q);
	/* There may be many routes, and nobody looks into a table that no rule leads to. */
	if (r == 0 && !all && !q->facts->stale.n)
		return 0;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++)
		r = rtnetlink_each_route(q->rtnetlink, families[i], visit_route, q);
	return r < 0 ? error_errno(q->error, -r, "%s: cannot read the routes", q->name) : 0;
}

/* Where the path is unknown, or leads nowhere at the moment, the MTU stays as it is. */
static int ask_path(const struct inquiry *q)
{
	const struct network_settings *settings = q->plan->settings;
	struct ip_address hub;
	struct path path;
	int r;

	if (!settings->tunnel_overhead || ip_address_parse(settings->remote_address, &hub) < 0)
		return 0;
	r = path_get(&hub, &path);
	if (r < 0)
		return error_errno(q->error, -r, "%s: cannot ask for the path to the hub", q->name);
	q->facts->path_mtu = path.mtu;
	return 0;
}

static int ask_settings(struct inquiry *q)
{
	int r = ask_routes(q, wants_locals(q));

	if (r == 0)
		r = ask_path(q);
	if (r == 0 && q->plan->routing && q->plan->settings->n_addresses)
		r = ask_filters(q);
	return r;
}

int facts_collect(struct rtnetlink *rtnetlink, const char *name, const struct network_plan *plan,
		  const struct changes *applied, struct facts *ret_facts,
		  struct lw_error *ret_error)
{
	struct facts facts = { 0 };
	struct inquiry q = { rtnetlink, name, plan, applied, &facts, ret_error };
	int r = ask_link(&q);

	if (r == 0)
		r = ask_ipv6(&q);
	if (r == 0 && plan->settings && plan->settings->bridge[0])
		r = ask_bridge(&q);
	if (r == 0 && plan->settings)
		r = ask_settings(&q);
	if (r == 0 && plan->gateway)
		r = ask_gateway(&q);
	if (r == 0 && plan->settings && plan->settings->dns)
		facts.dns_way = dns_find();
	if (r < 0) {
		facts_done(&facts);
		return r;
	}
	*ret_facts = facts;
	return 0;
}

int facts_collect_stale(struct rtnetlink *rtnetlink, struct facts *ret_facts,
			struct lw_error *ret_error)
{
	static const struct changes none;
	struct facts facts = { 0 };
	struct inquiry q = { rtnetlink, "longwire", NULL, &none, &facts, ret_error };
	int r = ask_routes(&q, true);

	if (r < 0)
		facts_done(&facts);
	else
		*ret_facts = facts;
	return r;
}

void facts_done(struct facts *facts)
{
	changes_done(&facts->stale);
	*facts = (struct facts){ 0 };
}
