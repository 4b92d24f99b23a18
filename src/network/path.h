/* SPDX-License-Identifier: MIT */
/*
 * The path outside the tunnel: where the machine would send a packet of the outer connection now.
 *
 * Outer connections are marked with PATH_MARK, and every rule by which a tunnel draws packets into
 * itself leaves marked ones out; so what the kernel answers to path_get() is the path without any
 * tunnel of ours, whatever routes there are. When to ask again an observer says (observer.h).
 */
#ifndef NETWORK_PATH_H
#define NETWORK_PATH_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <longwire/provider.h>

#include "base/address.h"

enum { PATH_MARK = LW_OUTER_MARK };

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

#endif
