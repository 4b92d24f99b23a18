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
#include "network/routing.h"

struct lw_error;
struct network_plan;

enum { PLAN_LISTENERS_MAX = 64, PLAN_STALE_MAX = 512 };
/* The protocol number of our routes and rules: 'l'. */
enum { PLAN_ROUTE_PROTOCOL = 0x6c };

struct facts {
	struct link link, bridge;
	char master_name[IFNAMSIZ];
	bool has_bridge;
	uint8_t port_mac[6]; /* for a bridge's port */
	bool has_ipv6;       /* the kernel does IPv6 at all */
	bool is_ipv6_disabled;
	char accept_ra[SYSCTL_TEXT_SIZE], autoconf[SYSCTL_TEXT_SIZE],
		accept_ra_defrtr[SYSCTL_TEXT_SIZE], ip4_forward[SYSCTL_TEXT_SIZE],
		ip6_forward[SYSCTL_TEXT_SIZE], src_valid_mark[SYSCTL_TEXT_SIZE];
	/* Interfaces that listen to router advertisements only while the machine does not
	 * forward. */
	char listeners[PLAN_LISTENERS_MAX][IFNAMSIZ];
	size_t n_listeners;
	bool has_strict_filter; /* some interface believes only packets that come the way back */
	uint32_t path_mtu;      /* of the path to the hub; 0: unknown */
	/* Networks of private addresses that other interfaces are connected to. */
	struct ip_prefix locals[ROUTING_LOCALS_MAX];
	size_t n_locals;
	/* What tunnels that were killed have left behind: their interfaces are no more. */
	struct changes stale;
	enum dns_way dns_way; /* what there is, where name servers are to be set */
};

/* 0, -ENOMEM, or what is wrong with the plan on this machine, told in ret_error. */
int plan_build(const char *name, const struct network_plan *plan, const struct facts *facts,
	       struct changes *ret_changes, struct lw_error *ret_error);

#endif
