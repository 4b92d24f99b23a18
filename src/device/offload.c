/* SPDX-License-Identifier: MIT */
/* Offload metadata: checked against the frame, rebuilt from it, and carried out. */
#include "device/offload.h"

#include <errno.h>
#include <netinet/in.h>

#include "base/bytes.h"
#include "device/checksum.h"

enum {
	ETHERNET_HEADER = 14,
	TAG = 4,
	TAGS_MAX = 2,
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	TCP_HEADER = 20,
	UDP_HEADER = 8,
	FRAGMENT_BITS = 0x3fff, /* more fragments, and the offset */
};

/* Tags as the kernel knows them: it would not look behind any other. */
static bool is_tag(uint16_t type)
{
	return type == 0x8100 || type == 0x88a8;
}

/* Return: the version of IP that the EtherType says, 0 for another protocol. */
static int find_network(const uint8_t *data, size_t length, size_t *ret_network)
{
	size_t header = ETHERNET_HEADER;
	uint16_t type;

	if (length < ETHERNET_HEADER)
		return 0;
	type = load_be16(data + 12);
	for (int tags = 0; tags < TAGS_MAX && is_tag(type); tags++) {
		if (length < header + TAG)
			return 0;
		type = load_be16(data + header + 2);
		header += TAG;
	}
	*ret_network = header;
	return type == 0x0800 ? 4 : type == 0x86dd ? 6 : 0;
}

/* p: the length bytes of an IPv4 packet. Return: its protocol and the length of its header, or -1. */
static int parse_ipv4(const uint8_t *p, size_t length, size_t *ret_header)
{
	size_t header;

	if (length < IPV4_HEADER || p[0] >> 4 != 4)
		return -1;
	header = (size_t)(p[0] & 15) * 4;
	if (header < IPV4_HEADER || header > length || load_be16(p + 2) != length)
		return -1;
	if (load_be16(p + 6) & FRAGMENT_BITS)
		return -1;
	*ret_header = header;
	return p[9];
}

static int parse_ipv6(const uint8_t *p, size_t length, size_t *ret_header)
{
	if (length < IPV6_HEADER || p[0] >> 4 != 6 || load_be16(p + 4) != length - IPV6_HEADER)
		return -1;
	*ret_header = IPV6_HEADER;
	return p[6];
}

/* p: the length bytes of a TCP or UDP packet. Return: the length of its header, 0 if it is wrong. */
static size_t parse_transport(const uint8_t *p, size_t length, bool is_tcp)
{
	size_t header;

	if (!is_tcp)
		return length >= UDP_HEADER && load_be16(p + 4) == length ? UDP_HEADER : 0;
	if (length < TCP_HEADER)
		return 0;
	header = (size_t)(p[12] >> 4) * 4;
	return header >= TCP_HEADER && header <= length ? header : 0;
}

int offload_parse(enum lw_layer layer, const uint8_t *data, size_t length,
		  struct offload_layout *ret_layout)
{
	struct offload_layout layout = { 0 };
	size_t header = 0;
	int version, protocol;

	if (layer == LW_LAYER_ETHERNET)
		version = find_network(data, length, &layout.network);
	else
		version = length > 0 ? data[0] >> 4 : 0;
	if (version != 4 && version != 6)
		return -EBADMSG;
	layout.is_ipv6 = version == 6;
	protocol = (layout.is_ipv6 ? parse_ipv6 : parse_ipv4)(data + layout.network,
							      length - layout.network, &header);
	if (protocol != IPPROTO_TCP && protocol != IPPROTO_UDP)
		return -EBADMSG;
	layout.is_tcp = protocol == IPPROTO_TCP;
	layout.transport = layout.network + header;
	header = parse_transport(data + layout.transport, length - layout.transport, layout.is_tcp);
	if (header == 0)
		return -EBADMSG;
	layout.payload = layout.transport + header;
	*ret_layout = layout;
	return 0;
}

static bool is_gso_of(const struct offload_layout *layout, enum lw_gso gso)
{
	switch (gso) {
	case LW_GSO_TCPV4:
		return layout->is_tcp && !layout->is_ipv6;
	case LW_GSO_TCPV6:
		return layout->is_tcp && layout->is_ipv6;
	case LW_GSO_UDP:
		return !layout->is_tcp;
	case LW_GSO_NONE:
		break;
	}
	return false;
}

static int check_gso(const struct offload_layout *layout, size_t length, uint32_t mtu,
		     const struct lw_offload *claimed)
{
	size_t payload = length - layout->payload, size = claimed->gso_size;

	if (!is_gso_of(layout, claimed->gso))
		return -EBADMSG;
	if (size < OFFLOAD_SIZE_MIN || layout->payload - layout->network + size > mtu)
		return -EBADMSG;
	if (payload < size || payload > size * OFFLOAD_SEGMENTS_MAX)
		return -EBADMSG;
	return 0;
}

int offload_check(enum lw_layer layer, const uint8_t *data, size_t length, uint32_t mtu,
		  const struct lw_offload *claimed, struct lw_offload *ret_rebuilt,
		  uint16_t *ret_header_length)
{
	struct lw_offload rebuilt = { .needs_checksum = true };
	struct offload_layout layout;

	if (!claimed->needs_checksum) {
		if (claimed->gso != LW_GSO_NONE)
			return -EBADMSG;
		*ret_rebuilt = (struct lw_offload){ 0 };
		*ret_header_length = 0;
		return 0;
	}
	if (length > LW_PACKET_MAX || offload_parse(layer, data, length, &layout) < 0)
		return -EBADMSG;
	rebuilt.checksum_start = (uint16_t)layout.transport;
	rebuilt.checksum_offset = layout.is_tcp ? OFFLOAD_TCP_CHECKSUM : OFFLOAD_UDP_CHECKSUM;
	if (claimed->checksum_start != rebuilt.checksum_start ||
	    claimed->checksum_offset != rebuilt.checksum_offset)
		return -EBADMSG;
	if (claimed->gso != LW_GSO_NONE) {
		if (check_gso(&layout, length, mtu, claimed) < 0)
			return -EBADMSG;
		/* The kernel calls a UDP super-frame of one datagram invalid. */
		if (length - layout.payload > claimed->gso_size) {
			rebuilt.gso = claimed->gso;
			rebuilt.gso_size = claimed->gso_size;
		}
	}
	*ret_rebuilt = rebuilt;
	*ret_header_length = (uint16_t)layout.payload;
	return 0;
}

int offload_complete_checksum(uint8_t *data, size_t length, const struct lw_offload *offload)
{
	size_t start = offload->checksum_start, field = start + offload->checksum_offset;
	uint16_t checksum;

	if (field + 2 > length)
		return -EBADMSG;
	checksum = (uint16_t)~checksum_add(0, data + start, length - start);
	/* UDP says with 0 that there is none. */
	if (checksum == 0 && offload->checksum_offset == OFFLOAD_UDP_CHECKSUM)
		checksum = 0xffff;
	store_be16(data + field, checksum);
	return 0;
}
