/* SPDX-License-Identifier: MIT */
/* The guard of ports with a single host behind them. */
#include "switch/guard.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>

#include "base/bytes.h"
#include "switch/ipv6.h"

enum {
	ETHERNET_HEADER = 14,
	TYPE_MIN = 0x600, /* below: a length, LLC follows */
	LLC_STP = 0x42,
	SNAP_SIZE = 8, /* AA AA 03, organization, type */
	IPV4_HEADER = 20,
	PORT_DHCP_SERVER = 67,
	PORT_DHCP_CLIENT = 68,
	PORT_DHCPV6_SERVER = 547,
	PORT_DHCPV6_CLIENT = 546,
	ICMPV6_ROUTER_ADVERTISEMENT = 134,
};

static bool is_tag(uint16_t type)
{
	return type == 0x8100 || type == 0x88a8 || type == 0x9100 || type == 0x9200;
}

/* Addresses that only bridges listen to: STP of customers and providers, and Cisco's per-VLAN
 * STP. */
static bool is_bridge_address(const uint8_t *target)
{
	static const uint8_t stp[5] = { 0x01, 0x80, 0xc2, 0x00, 0x00 };
	static const uint8_t pvst[6] = { 0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd };

	if (memcmp(target, stp, sizeof(stp)) == 0)
		return target[5] == 0x00 || target[5] == 0x08;
	return memcmp(target, pvst, sizeof(pvst)) == 0;
}

/* SNAP with an organization that means "an EtherType follows" (RFC 1042; 802.1H). */
static bool is_snap_type(const uint8_t *llc)
{
	static const uint8_t rfc1042[6] = { 0xaa, 0xaa, 0x03, 0x00, 0x00, 0x00 };
	static const uint8_t tunnel[6] = { 0xaa, 0xaa, 0x03, 0x00, 0x00, 0xf8 };

	return memcmp(llc, rfc1042, sizeof(rfc1042)) == 0 ||
	       memcmp(llc, tunnel, sizeof(tunnel)) == 0;
}

static enum lw_drop classify_udp(const uint8_t *udp, size_t length, uint16_t server,
				 uint16_t client)
{
	if (length < 4 || load_be16(udp) == server || load_be16(udp + 2) == client)
		return LW_DROP_GUARD_DHCP;
	return LW_DROP_NONE;
}

static enum lw_drop classify_ipv4(const uint8_t *packet, size_t length)
{
	size_t header;

	if (length < IPV4_HEADER)
		return LW_DROP_MALFORMED;
	header = (size_t)(packet[0] & 15) * 4;
	if (header < IPV4_HEADER || header > length)
		return LW_DROP_MALFORMED;
	if (packet[9] != IPPROTO_UDP || (load_be16(packet + 6) & 0x1fff) != 0)
		return LW_DROP_NONE;
	return classify_udp(packet + header, length - header, PORT_DHCP_SERVER, PORT_DHCP_CLIENT);
}

static enum lw_drop classify_ipv6(const uint8_t *packet, size_t length)
{
	struct ipv6_chain chain;

	if (length < IPV6_HEADER_SIZE)
		return LW_DROP_MALFORMED;
	if (!ipv6_walk(packet, length, &chain))
		return LW_DROP_GUARD_RA;
	if (chain.is_later_fragment)
		return LW_DROP_NONE;
	if (chain.protocol == IPPROTO_UDP)
		return classify_udp(packet + chain.offset, length - chain.offset,
				    PORT_DHCPV6_SERVER, PORT_DHCPV6_CLIENT);
	if (chain.protocol == IPPROTO_ICMPV6 &&
	    (chain.offset == length || packet[chain.offset] == ICMPV6_ROUTER_ADVERTISEMENT))
		return LW_DROP_GUARD_RA;
	return LW_DROP_NONE;
}

enum lw_drop guard_classify(const uint8_t *frame, size_t length)
{
	size_t offset = ETHERNET_HEADER;
	uint16_t type = load_be16(frame + 12);

	if (is_bridge_address(frame))
		return LW_DROP_GUARD_BPDU;
	for (int layers = 0;; layers++) {
		size_t left = length - offset;

		if (type == 0x0800)
			return classify_ipv4(frame + offset, left);
		if (type == 0x86dd)
			return classify_ipv6(frame + offset, left);
		if (type < TYPE_MIN && left >= 2 && frame[offset] == LLC_STP)
			return LW_DROP_GUARD_BPDU;
		if (is_tag(type) && left >= 4) {
			type = load_be16(frame + offset + 2);
			offset += 4;
		} else if (type < TYPE_MIN && left >= SNAP_SIZE && is_snap_type(frame + offset)) {
			type = load_be16(frame + offset + 6);
			offset += SNAP_SIZE;
		} else {
			return LW_DROP_NONE;
		}
		if (layers == GUARD_LAYERS_MAX)
			return LW_DROP_MALFORMED;
	}
}
