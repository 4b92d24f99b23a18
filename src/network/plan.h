/* SPDX-License-Identifier: MIT */
/*
 * From a plan and the facts of the machine to the list of changes, without touching anything.
 *
 * Facts describe the machine as it is without us: what we have changed is told as it was before. So
 * the same plan gives the same list whenever it is asked, and comparing lists is enough to know
 * what to do.
 */
#ifndef NETWORK_PLAN_H
#define NETWORK_PLAN_H

#include "network/change.h"

struct lw_error;
struct network_plan;

enum { PLAN_LISTENERS_MAX = 64, PLAN_STALE_MAX = 64 };
/* The protocol number of our routes: 'l'. */
enum { PLAN_ROUTE_PROTOCOL = 0x6c };

/* What the main table says of a destination: the longest route that covers it whole, none of
 * ours. */
struct route_lookup {
	struct ip_prefix destination;
	struct route best;
	bool has_best;
};

struct facts {
	struct link link, bridge;
	char master_name[IFNAMSIZ];
	bool has_bridge;
	uint8_t port_mac[6]; /* for a bridge's port */
	bool has_ipv6;       /* the kernel does IPv6 at all */
	bool is_ipv6_disabled;
	char accept_ra[SYSCTL_TEXT_SIZE], ip4_forward[SYSCTL_TEXT_SIZE],
		ip6_forward[SYSCTL_TEXT_SIZE];
	/* Interfaces that listen to router advertisements only while the machine does not
	 * forward. */
	char listeners[PLAN_LISTENERS_MAX][IFNAMSIZ];
	size_t n_listeners;
	struct route_lookup
		*lookups; /* one for each excluded route, then the hub's address if it is known */
	size_t n_lookups;
	/* Detours of a tunnel that was killed: its interface is no more. */
	struct route stale[PLAN_STALE_MAX];
	size_t n_stale;
};

void plan_visit_route(struct route_lookup *lookup, const struct route *route);
/* 0, -ENOMEM, or what is wrong with the plan on this machine, told in ret_error. */
int plan_build(const char *name, const struct network_plan *plan, const struct facts *facts,
	       struct changes *ret_changes, struct lw_error *ret_error);

#endif
