/* SPDX-License-Identifier: MIT */
/* TCP and UDP packets of any shape, and a slow checksum that shares nothing with the product's. */
#ifndef SUPPORT_PACKET_BUILDER_H
#define SUPPORT_PACKET_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <longwire/packet.h>

#include "base/bytes.h"

struct shape {
	bool is_ip_layer; /* no Ethernet header, no tags */
	unsigned tags;
	bool is_ipv6, is_udp;
	size_t ip_options, tcp_options; /* bytes, multiples of 4 */
	size_t payload;
	uint32_t sequence;
	uint16_t id;
	uint8_t flags;   /* of TCP */
	bool is_partial; /* the checksum is the pseudo-header's sum */
};

struct built {
	uint8_t data[LW_PACKET_MAX + 64];
	size_t length, network, transport, payload;
};

static inline uint16_t slow_sum(uint32_t sum, const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

static inline uint16_t slow_pseudo(const uint8_t *ip, uint8_t protocol, size_t length)
{
	uint32_t sum = (uint32_t)(length >> 16) + (length & 0xffff) + protocol;

	return ip[0] >> 4 == 6 ? slow_sum(sum, ip + 8, 32) : slow_sum(sum, ip + 12, 8);
}

static inline size_t build_ethernet(const struct shape *shape, uint8_t *p)
{
	size_t n = 12;

	memcpy(p, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
	for (unsigned i = 0; i < shape->tags; i++) {
		store_be16(p + n, i == 0 && shape->tags > 1 ? 0x88a8 : 0x8100);
		store_be16(p + n + 2, (uint16_t)(100 + i));
		n += 4;
	}
	store_be16(p + n, shape->is_ipv6 ? 0x86dd : 0x0800);
	return n + 2;
}

static inline void build_network(const struct shape *shape, uint8_t *ip, size_t length)
{
	size_t header = 20 + shape->ip_options;

	if (shape->is_ipv6) {
		store_be32(ip, 0x60000000);
		store_be16(ip + 4, (uint16_t)(length - 40));
		ip[6] = shape->is_udp ? 17 : 6;
		ip[7] = 64;
		for (unsigned i = 0; i < 32; i++)
			ip[8 + i] = (uint8_t)(0x20 + i);
		return;
	}
	ip[0] = (uint8_t)(0x40 | header / 4);
	store_be16(ip + 2, (uint16_t)length);
	store_be16(ip + 4, shape->id);
	store_be16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = shape->is_udp ? 17 : 6;
	memcpy(ip + 12, "\x0a\x56\0\x01\x0a\x56\0\x02", 8);
	memset(ip + 20, 1, shape->ip_options);
	store_be16(ip + 10, (uint16_t)~slow_sum(0, ip, header));
}

static inline void build_transport(const struct shape *shape, uint8_t *p, size_t length)
{
	store_be16(p, 40000);
	store_be16(p + 2, 443);
	if (shape->is_udp) {
		store_be16(p + 4, (uint16_t)length);
		return;
	}
	store_be32(p + 4, shape->sequence);
	store_be32(p + 8, 0x01020304);
	p[12] = (uint8_t)((20 + shape->tcp_options) / 4 << 4);
	p[13] = shape->flags;
	store_be16(p + 14, 0x7210);
	memset(p + 20, 1, shape->tcp_options);
}

/* Payload bytes follow from the sequence number, so that segments join to the same bytes. */
static inline void build(const struct shape *shape, struct built *ret)
{
	uint8_t *ip, *transport;
	size_t field, end;
	uint16_t sum;

	memset(ret->data, 0, sizeof(ret->data));
	ret->network = shape->is_ip_layer ? 0 : build_ethernet(shape, ret->data);
	ret->transport = ret->network + (shape->is_ipv6 ? 40 : 20 + shape->ip_options);
	ret->payload = ret->transport + (shape->is_udp ? 8 : 20 + shape->tcp_options);
	ret->length = end = ret->payload + shape->payload;
	ip = ret->data + ret->network;
	transport = ret->data + ret->transport;
	build_network(shape, ip, end - ret->network);
	build_transport(shape, transport, end - ret->transport);
	for (size_t i = 0; i < shape->payload; i++) {
		uint32_t at = shape->sequence + (uint32_t)i;

		ret->data[ret->payload + i] = (uint8_t)(at * 7 + (at >> 8) * 13);
	}
	field = shape->is_udp ? 6 : 16;
	sum = slow_pseudo(ip, shape->is_udp ? 17 : 6, end - ret->transport);
	if (!shape->is_partial) {
		sum = (uint16_t)~slow_sum(sum, transport, end - ret->transport);
		if (shape->is_udp && sum == 0)
			sum = 0xffff;
	}
	store_be16(transport + field, sum);
}

/* Whether the checksums of a TCP or UDP packet are right, headers where its shape says. */
static inline bool is_complete(const uint8_t *data, size_t length, size_t network, size_t transport)
{
	const uint8_t *ip = data + network;
	uint8_t protocol = ip[0] >> 4 == 6 ? ip[6] : ip[9];

	if (ip[0] >> 4 == 4 && slow_sum(0, ip, transport - network) != 0xffff)
		return false;
	return slow_sum(slow_pseudo(ip, protocol, length - transport), data + transport,
			length - transport) == 0xffff;
}

#endif
