/* SPDX-License-Identifier: MIT */
/*
 * The path outside the tunnel: where the machine would send a packet of the outer connection now,
 * and being told when that may have changed.
 *
 * Theory of operation. Outer connections are marked with PATH_MARK, and every rule by which a tunnel
 * draws packets into itself leaves marked ones out; so what the kernel answers to path_get() is the
 * path without any tunnel of ours, whatever routes there are. The observer listens to links,
 * addresses, routes and rules (rtnetlink groups; RFC 3549). The kernel tells of each change in many
 * messages, and of changes that concern nobody: the observer reads them all without looking into
 * them, and calls once when none has come for PATH_SETTLE_MS, at the latest PATH_SETTLE_MAX_MS after
 * the first. It says only that something changed: whoever is called asks path_get() and compares
 * with path_equal(). Messages that were lost (the socket's buffer overran) count as a change.
 *
 * Ownership: an observer belongs to its loop's thread; the callback may free it.
 */
#ifndef NETWORK_PATH_H
#define NETWORK_PATH_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <longwire/provider.h>

#include "base/address.h"

struct lw_loop;
struct path_observer;

enum { PATH_MARK = LW_OUTER_MARK, PATH_SETTLE_MS = 50, PATH_SETTLE_MAX_MS = 250 };

struct path {
	bool is_reachable; /* false: the rest is zero */
	int index;         /* of the interface that it leaves by */
	char interface[IFNAMSIZ];
	struct ip_address source;  /* that the kernel would choose */
	struct ip_address gateway; /* family 0: the address is a neighbour */
	uint32_t mtu;              /* of IP packets on this path */
};

/* 0, also when there is none, which ret_path says; or a negative errno: the kernel did not answer. */
int path_get(const struct ip_address *to, struct path *ret_path);
bool path_equal(const struct path *a, const struct path *b);

typedef void path_changed_fn(void *user);

/* 0 or a negative errno. changed runs from the loop. */
int path_observer_new(struct lw_loop *loop, path_changed_fn *changed, void *user,
		      struct path_observer **ret_observer);
void path_observer_free(struct path_observer *observer);

#endif
