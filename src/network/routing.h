/* SPDX-License-Identifier: MIT */
/*
 * Which packets go into the tunnel: a table of routes of our own, and rules that lead to it.
 *
 * Theory of operation. No route of ours is ever put among the machine's own (main) routes. Included
 * routes are in a table that belongs to the interface (its number has the interface's index), and so
 * are excluded ones, as throw: who meets them there goes on looking in the main table, wherever that
 * leads at the moment, so roaming needs no care. Rules say who looks into the table, and when:
 *
 *   Connections outside the tunnel bear LW_OUTER_MARK, and no rule is for packets that do. That is
 *   all of loop prevention; no route to the hub's address is needed, so none can be missing after a
 *   change of the path, and none lets other packets to that address out in clear (TunnelCrack).
 *
 *   Plain routes lose to routes of the machine that are as long or longer, as if they were all in
 *   one table: for each length L among the included routes, longest first, the main table's routes of
 *   at least L bits are looked at (suppress_prefixlength), then ours. Only a default route of ours
 *   wins over that of the machine.
 *
 *   Enforced routes are looked at before the main table, so whatever a DHCP server of the outer link
 *   says (TunnelVision, CVE-2024-3661) cannot pull packets out of the tunnel. The networks of the
 *   tunnel's own addresses are enforced with them. With exclude_local the networks that this machine
 *   is connected to by other interfaces are excluded routes, too, but only those of private or
 *   link-local addresses: an access point that calls itself 8.8.8.0/24 (TunnelCrack) gets nothing,
 *   and one that calls itself 10.0.0.0/8 nothing that a longer included route has. include_all is a default route of both families, enforced; the kill switch that goes
 *   with it is fence.h's.
 *
 *   Priorities go by length over all tunnels of the machine, so of several tunnels the one with the
 *   longest route has a packet.
 *
 *   A tunnel that has a default route of one family and nothing of the other makes that other
 *   unreachable, since half of the traffic would else go outside.
 *
 * The rules of a tunnel that was killed stay behind, and so do its throw and unreachable routes. Each
 * rule says whose it is: its table, or the mark that it pretends to leave out, has the index of the
 * interface. Who starts next removes those of interfaces that are no more.
 */
#ifndef NETWORK_ROUTING_H
#define NETWORK_ROUTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct changes;
struct facts;
struct ip_prefix;
struct network_plan;
struct route;
struct rule;

enum {
	ROUTING_ENFORCED_PRIORITY = 20100, /* and 128 more */
	ROUTING_PLAIN_PRIORITY = 20300,    /* and 257 more */
	ROUTING_LOCALS_MAX = 64,
};

/* Whether routes are looked at before the machine's own. */
bool routing_is_enforced(const struct network_plan *plan);
/* The index of the interface that this was made for; 0: it is none of ours. */
uint32_t routing_owner(const struct rule *rule);
/* Whether this is the route of a network that the machine is connected to, of addresses that only
 * mean something there. */
bool routing_is_local(const struct route *route);
/* Append the routes, then the rules. 0, -ENOMEM or -E2BIG. */
int routing_append(const struct network_plan *plan, const struct facts *facts,
		   struct changes *changes);

#endif
