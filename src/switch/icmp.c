/* SPDX-License-Identifier: MIT */
/* Building ICMP errors. */
#include "switch/icmp.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "switch/ipv6.h"

enum {
	IPV4_HEADER = 20,
	ICMP_HEADER = 8,
	HOPS = 64,
	TOS_CONTROL = 0xc0, /* internetwork control: RFC 1812, 4.3.2.5 */
	ICMP_UNREACHABLE = 3,
	ICMP_UNREACHABLE_HOST = 1,
	ICMP_UNREACHABLE_FRAGMENT = 4,
	ICMPV6_UNREACHABLE = 1,
	ICMPV6_UNREACHABLE_ADDRESS = 3,
	ICMPV6_TOO_BIG = 2,
	ICMPV6_INFORMATIONAL = 128,
	ICMPV6_REDIRECT = 137,
};

static uint32_t sum_bytes(uint32_t sum, const uint8_t *data, size_t length)
{
	for (; length >= 2; data += 2, length -= 2)
		sum += load_be16(data);
	return length ? sum + ((uint32_t)data[0] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

/* Queries and their answers; every other type is or may become an error (RFC 1812, 4.3.2.7). */
static bool is_icmp_query(uint8_t type)
{
	return type == 0 || type == 8 || type == 13 || type == 14;
}

static bool is_host_ipv4(const uint8_t *address)
{
	return address[0] != 0 && address[0] != 127 && address[0] < 224;
}

static bool may_answer_ipv4(const uint8_t *packet, size_t length)
{
	size_t header;

	if (length < IPV4_HEADER)
		return false;
	header = (size_t)(packet[0] & 15) * 4;
	if (header < IPV4_HEADER || header > length || (load_be16(packet + 6) & 0x1fff) != 0)
		return false;
	if (!is_host_ipv4(packet + 12) || !is_host_ipv4(packet + 16))
		return false;
	return packet[9] != IPPROTO_ICMP || (length > header && is_icmp_query(packet[header]));
}

static bool is_host_ipv6(const uint8_t *address)
{
	static const uint8_t zero[15];

	/* Neither a group, nor :: or ::1. */
	return address[0] != 0xff && (memcmp(address, zero, sizeof(zero)) != 0 || address[15] > 1);
}

static bool may_answer_ipv6(const uint8_t *packet, size_t length)
{
	struct ipv6_chain chain;
	uint8_t type;

	if (length < IPV6_HEADER_SIZE || !is_host_ipv6(packet + 8) || !is_host_ipv6(packet + 24))
		return false;
	if (!ipv6_walk(packet, length, &chain) || chain.is_later_fragment)
		return false;
	if (chain.protocol != IPPROTO_ICMPV6)
		return true;
	if (chain.offset == length)
		return false;
	type = packet[chain.offset];
	return type >= ICMPV6_INFORMATIONAL && type != ICMPV6_REDIRECT;
}

static size_t build_ipv4(enum icmp_error error, const uint8_t *packet, size_t length, uint32_t mtu,
			 const struct ip_address *from, uint8_t *data)
{
	size_t quoted = MIN(length, ICMP_IPV4_MAX - IPV4_HEADER - ICMP_HEADER);
	uint8_t *icmp = data + IPV4_HEADER;
	bool is_too_big = error == ICMP_ERROR_TOO_BIG;

	memset(data, 0, IPV4_HEADER + ICMP_HEADER);
	memcpy(icmp + ICMP_HEADER, packet, quoted);
	icmp[0] = ICMP_UNREACHABLE;
	icmp[1] = is_too_big ? ICMP_UNREACHABLE_FRAGMENT : ICMP_UNREACHABLE_HOST;
	if (is_too_big)
		store_be16(icmp + 6, (uint16_t)MIN(mtu, UINT16_MAX));
	store_be16(icmp + 2, fold(sum_bytes(0, icmp, ICMP_HEADER + quoted)));

	data[0] = 0x45;
	data[1] = TOS_CONTROL;
	store_be16(data + 2, (uint16_t)(IPV4_HEADER + ICMP_HEADER + quoted));
	data[8] = HOPS;
	data[9] = IPPROTO_ICMP;
	memcpy(data + 12, from ? from->bytes : packet + 16, 4);
	memcpy(data + 16, packet + 12, 4);
	store_be16(data + 10, fold(sum_bytes(0, data, IPV4_HEADER)));
	return IPV4_HEADER + ICMP_HEADER + quoted;
}

static size_t build_ipv6(enum icmp_error error, const uint8_t *packet, size_t length, uint32_t mtu,
			 const struct ip_address *from, size_t limit, uint8_t *data)
{
	size_t room = MIN(limit, (size_t)ICMP_IPV6_MAX) - IPV6_HEADER_SIZE - ICMP_HEADER;
	size_t quoted = MIN(length, room);
	uint16_t payload = (uint16_t)(ICMP_HEADER + quoted);
	uint8_t *icmp = data + IPV6_HEADER_SIZE;

	memset(data, 0, IPV6_HEADER_SIZE + ICMP_HEADER);
	memcpy(icmp + ICMP_HEADER, packet, quoted);
	icmp[0] = error == ICMP_ERROR_TOO_BIG ? ICMPV6_TOO_BIG : ICMPV6_UNREACHABLE;
	icmp[1] = error == ICMP_ERROR_TOO_BIG ? 0 : ICMPV6_UNREACHABLE_ADDRESS;
	if (error == ICMP_ERROR_TOO_BIG)
		store_be32(icmp + 4, mtu);

	data[0] = 0x60;
	store_be16(data + 4, payload);
	data[6] = IPPROTO_ICMPV6;
	data[7] = HOPS;
	memcpy(data + 8, from ? from->bytes : packet + 24, 16);
	memcpy(data + 24, packet + 8, 16);
	/* The pseudo-header: both addresses, the length and the protocol. */
	store_be16(icmp + 2, fold(sum_bytes(sum_bytes(payload + IPPROTO_ICMPV6, data + 8, 32), icmp,
					    payload)));
	return IPV6_HEADER_SIZE + payload;
}

size_t icmp_build(enum icmp_error error, const uint8_t *packet, size_t length, uint32_t mtu,
		  const struct ip_address *from, size_t limit, uint8_t ret_data[ICMP_IPV6_MAX])
{
	assert(limit >= ICMP_IPV4_MAX);
	if (length == 0)
		return 0;
	if (packet[0] >> 4 == 4 && may_answer_ipv4(packet, length))
		return build_ipv4(error, packet, length, mtu, from, ret_data);
	if (packet[0] >> 4 == 6 && may_answer_ipv6(packet, length))
		return build_ipv6(error, packet, length, mtu, from, limit, ret_data);
	return 0;
}
