/* SPDX-License-Identifier: MIT */
/*
 * The machine's network, changed in transactions that can be undone. By rtnetlink (libmnl) and
 * libnftables; never a program.
 *
 * Theory of operation. A network object stands for one interface of ours. network_apply() brings
 * the machine from what this object set before to what the plan says: it validates first, computes
 * the difference, and makes the changes in order, remembering for each how to undo it. If one
 * fails, those made in this call are undone in reverse and the machine is as it was before the
 * call, and the error names the step. network_undo() takes back everything that was ever applied,
 * also what the kernel would not (a sysctl, the nftables table, a bridge port), and is called on
 * every exit. What was there before us is left as it was found.
 *
 * What others do meanwhile: a table of ours that they remove is made again, and name servers that a
 * resolver forgot are told it again. Whoever hears of changes asks network_restore() for addresses and
 * routes. An interface that they rename is followed by the next call: it is the same, and what bears
 * its name is made anew. One that they delete took
 * with it what was on it.
 *
 * Bridging: a TAP enslaved to a bridge gets a random MAC beginning with fe, the bridge's own MTU,
 * no IPv6 address (addr_gen_mode none), and is enslaved before it is up. Refused: a bridge that
 * does not exist or is none, an interface that is already somebody's port.
 *
 * Routes: see routing.h. The guard of a client's addresses: guard.h. The kill switch is no part of a
 * transaction, since it must outlive it: fence.h.
 */
#ifndef NETWORK_NETWORK_H
#define NETWORK_NETWORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <longwire/settings.h>

struct ip_address;
struct ip_prefix;
struct lw_error;
struct lw_loop;
struct network;
struct network_settings;

/* gateway: forward what comes from the interface into these networks. */
struct network_gateway {
	const struct ip_prefix *to;
	size_t n_to;
	bool masquerade;
	const struct ip_prefix *from; /* the tunnel's own networks, to be masqueraded */
	size_t n_from;
};

/* What a client's user has decided about its routes, and no hub can. */
struct network_routing {
	bool enforce;       /* included routes win over the machine's own */
	bool include_all;   /* everything goes into the tunnel; implies enforce */
	bool exclude_local; /* of either: but for the networks that this machine is connected to */
};

struct network_plan {
	enum lw_layer layer;
	const struct network_settings *settings; /* NULL: nothing but up */
	bool up;
	const struct network_gateway *gateway; /* hub; NULL: none */
	const struct network_routing *routing; /* of a client; NULL: a hub */
	struct lw_loop
		*loop;      /* where is heard that the resolver began anew, or that others removed a
				 table of ours; NULL: nowhere */
	bool is_persistent; /* link attributes are put back on undo, not just left */
};

/* name: the interface, which must exist at network_apply. */
int network_new(const char *name, struct network **ret_network);
int network_apply(struct network *network, const struct network_plan *plan,
		  struct lw_error *ret_error);
/* What others removed of its addresses and routes, as who takes the interface down does, is set again
 * where the kernel lets it be. */
void network_restore(struct network *network);
/* Undo everything; failures are logged and the rest goes on. Return: 0 or the first negative
 * errno. */
int network_undo(struct network *network);
/* Undoes, too. */
void network_free(struct network *network);

/* Which resolver has name servers of ours: "systemd-resolved", "resolvconf"; "": none. */
const char *network_resolver(const struct network *network);
/* Remove the routes and rules of tunnels that were killed: of interfaces that are no more. 0 or a
 * negative errno with a sentence. */
int network_clean(struct lw_error *ret_error);

/* What the kernel says of an interface. */
struct network_link {
	int index;
	uint32_t mtu;
	uint8_t mac[6];
	bool is_up, has_carrier, is_bridge;
	int master; /* index of its bridge; 0: none */
	char master_name[16];
};

/* 0, or -ENODEV. */
int network_link_get(const char *name, struct network_link *ret_link, struct lw_error *ret_error);

/* Test hook: fail the n-th kernel request from now with this errno (0: never). */
void network_inject_failure(unsigned nth, int error);

#endif
