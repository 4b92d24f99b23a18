/* SPDX-License-Identifier: MIT */
/*
 * The guard of a client's addresses in the tunnel: tables of nftables named longwire_guard_<interface>.
 *
 * Linux answers for every address of its own on every interface. So a neighbour on the outer link
 * could send packets to the tunnel's address from there, and learn from what comes back which
 * connections are in the tunnel, and their sequence numbers (CVE-2019-14899). Packets to these
 * addresses that do not come out of the tunnel are dropped before anything else looks at them, and
 * nobody on other links is told by ARP who has them. (In IPv6 the kernel itself answers on the
 * right link only.)
 *
 * Where the kernel checks that sources could be reached the same way back (strict rp_filter), the
 * answers to the outer connection would be dropped, since an unmarked packet to that address would
 * go into the tunnel. Then their connection's mark is given back to them, as wg-quick(8) does;
 * plan.c sets src_valid_mark beside it.
 */
#ifndef NETWORK_GUARD_H
#define NETWORK_GUARD_H

#include <stdbool.h>
#include <stddef.h>

struct ip_prefix;

/* The script that makes the tables anew. *ret_script is malloc'd. 0 or -ENOMEM. */
int guard_script(const char *name, const struct ip_prefix *addresses, size_t n,
		 bool has_strict_filter, char **ret_script);
/* 0 also when there are none. On failure detail has what nftables says first. */
int guard_remove(const char *name, char *detail, size_t size);

#endif
