/* SPDX-License-Identifier: MIT */
/* Walking IPv6 extension headers. */
#include "switch/ipv6.h"

#include <netinet/in.h>

#include "base/bytes.h"

enum { PROTOCOL_HIP = 139, PROTOCOL_SHIM6 = 140, NEXT_HEADER = 6 };

/* Return: bytes of an extension header whose second byte is given, or 0: it is none. */
static size_t header_size(uint8_t protocol, uint8_t second)
{
	switch (protocol) {
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_MH:
	case PROTOCOL_HIP:
	case PROTOCOL_SHIM6:
		return ((size_t)second + 1) * 8;
	case IPPROTO_FRAGMENT:
		return 8;
	case IPPROTO_AH:
		return ((size_t)second + 2) * 4;
	default:
		return 0;
	}
}

bool ipv6_walk(const uint8_t *packet, size_t length, struct ipv6_chain *ret_chain)
{
	struct ipv6_chain chain = { .protocol = packet[NEXT_HEADER], .offset = IPV6_HEADER_SIZE };

	for (int n = 0; n <= IPV6_CHAIN_MAX; n++) {
		const uint8_t *header = packet + chain.offset;
		size_t left = length - chain.offset, size;

		if (header_size(chain.protocol, 0) == 0) {
			*ret_chain = chain;
			return true;
		}
		if (left < 8)
			return false;
		size = header_size(chain.protocol, header[1]);
		if (chain.protocol == IPPROTO_FRAGMENT && (load_be16(header + 2) & 0xfff8) != 0) {
			chain.is_later_fragment = true;
			*ret_chain = chain;
			return true;
		}
		if (left < size)
			return false;
		chain.protocol = header[0];
		chain.offset += size;
	}
	return false;
}
