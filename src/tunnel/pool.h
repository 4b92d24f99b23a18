/* SPDX-License-Identifier: MIT */
/*
 * Addresses for clients that were given none: chosen from prefixes by the client's name, so that a
 * name gets the same address again after a restart unless somebody else holds it. Pure but for the
 * question "is it taken?".
 */
#ifndef TUNNEL_POOL_H
#define TUNNEL_POOL_H

#include <stdbool.h>

#include "base/address.h"

typedef bool pool_is_taken_fn(const struct ip_address *address, void *user);

/*
 * Choose an address of prefix that is neither its network, router-anycast or broadcast address nor
 * taken. -ENOSPC: none (at most 65 536 are looked at).
 */
int pool_choose(const struct ip_prefix *prefix, const char *name, pool_is_taken_fn *is_taken,
		void *user, struct ip_address *ret_address);

#endif
