/* SPDX-License-Identifier: MIT */
/* The chain of IPv6 extension headers (RFC 8200, 4) up to what is not one. */
#ifndef SWITCH_IPV6_H
#define SWITCH_IPV6_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { IPV6_HEADER_SIZE = 40, IPV6_CHAIN_MAX = 32 };

struct ipv6_chain {
	uint8_t protocol; /* the first Next Header that is no extension header; ESP and "none" end a
			     chain too */
	size_t offset;    /* of what protocol says, from the first byte of the packet; ≤ length */
	bool is_later_fragment; /* not the first: protocol and offset say nothing */
};

/* false: the packet ends within a header, or has more than IPV6_CHAIN_MAX of them. length ≥
 * IPV6_HEADER_SIZE. */
bool ipv6_walk(const uint8_t *packet, size_t length, struct ipv6_chain *ret_chain);

#endif
