/* SPDX-License-Identifier: MIT */
/*
 * The symmetric flow hash.
 *
 * Each end of a flow (an address and a port, or a MAC address) is mixed to 64 bits on its own; the
 * two are added, so that their order does not matter; the protocol is added and all is mixed once
 * more. IPv6 extension headers are not walked: the first Next Header stands for the protocol, and
 * ports count only where it is TCP, UDP or SCTP itself.
 */
#include "wire/flow_hash.h"

#include <netinet/in.h>
#include <stdbool.h>

#include "base/bytes.h"

enum {
	ETHERNET_HEADER = 14,
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	TAGS_MAX = 2,
	SHORT_MAX = 64, /* of a packet that is not what it says, this much is looked at */
};

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0x9e3779b97f4a7c15;
	x ^= x >> 29;
	x *= 0xbf58476d1ce4e5b9;
	x ^= x >> 32;
	return x;
}

static uint32_t finish(uint64_t ends, uint32_t protocol)
{
	return (uint32_t)mix(ends + protocol);
}

static bool has_ports(uint8_t protocol)
{
	return protocol == IPPROTO_TCP || protocol == IPPROTO_UDP || protocol == IPPROTO_SCTP;
}

static bool hash_ipv4(const uint8_t *p, size_t length, uint32_t *ret_hash)
{
	uint64_t source, target;
	size_t header;

	if (length < IPV4_HEADER || p[0] >> 4 != 4)
		return false;
	header = (size_t)(p[0] & 15) * 4;
	source = (uint64_t)load_be32(p + 12) << 16;
	target = (uint64_t)load_be32(p + 16) << 16;
	/* Ports only where every packet of the flow shows them: neither MF nor an offset. */
	if (has_ports(p[9]) && (load_be16(p + 6) & 0x3fff) == 0 && header >= IPV4_HEADER &&
	    length >= header + 4) {
		source |= load_be16(p + header);
		target |= load_be16(p + header + 2);
	}
	*ret_hash = finish(mix(source) + mix(target), p[9]);
	return true;
}

static uint64_t mix_ipv6(const uint8_t address[16], uint64_t port)
{
	return mix((mix(load_be64(address)) ^ load_be64(address + 8)) + port * 0x9e3779b97f4a7c15);
}

static bool hash_ipv6(const uint8_t *p, size_t length, uint32_t *ret_hash)
{
	uint16_t source = 0, target = 0;

	if (length < IPV6_HEADER || p[0] >> 4 != 6)
		return false;
	if (has_ports(p[6]) && length >= IPV6_HEADER + 4) {
		source = load_be16(p + IPV6_HEADER);
		target = load_be16(p + IPV6_HEADER + 2);
	}
	*ret_hash = finish(mix_ipv6(p + 8, source) + mix_ipv6(p + 24, target), p[6]);
	return true;
}

static uint32_t hash_bytes(const uint8_t *p, size_t length)
{
	size_t n = length < SHORT_MAX ? length : SHORT_MAX;
	uint64_t hash = n;

	for (size_t i = 0; i < n; i++)
		hash = mix(hash + p[i]);
	return (uint32_t)hash;
}

static uint64_t mix_mac(const uint8_t *p)
{
	return mix((uint64_t)load_be32(p) << 16 | load_be16(p + 4));
}

static bool is_tag(uint16_t type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

static uint32_t hash_ethernet(const uint8_t *p, size_t length)
{
	size_t header = ETHERNET_HEADER;
	uint16_t type;
	uint32_t hash;

	if (length < ETHERNET_HEADER)
		return hash_bytes(p, length);
	type = load_be16(p + 12);
	for (int tags = 0; tags < TAGS_MAX && is_tag(type) && length >= header + 4; tags++) {
		type = load_be16(p + header + 2);
		header += 4;
	}
	if (type == 0x0800 && hash_ipv4(p + header, length - header, &hash))
		return hash;
	if (type == 0x86dd && hash_ipv6(p + header, length - header, &hash))
		return hash;
	return finish(mix_mac(p) + mix_mac(p + 6), type);
}

uint32_t flow_hash(enum lw_layer layer, const uint8_t *data, size_t length)
{
	uint32_t hash;

	if (layer == LW_LAYER_ETHERNET)
		return hash_ethernet(data, length);
	if (hash_ipv4(data, length, &hash) || hash_ipv6(data, length, &hash))
		return hash;
	return hash_bytes(data, length);
}
