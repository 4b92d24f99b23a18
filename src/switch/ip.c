/* SPDX-License-Identifier: MIT */
/* Forwarding of IP packets: whose source it is, where the longest prefix leads, and ICMP for what
 * cannot go there. */
#include <netinet/in.h>
#include <string.h>

#include "base/bytes.h"
#include "capture/point.h"
#include "switch/forward.h"
#include "switch/icmp.h"
#include "switch/ipv6.h"
#include "switch/prefix_table.h"

enum { IPV4_HEADER = 20 };

static enum lw_drop parse_ipv4(const uint8_t *p, size_t length, struct ip_ends *ret_ends)
{
	size_t header = (size_t)(p[0] & 15) * 4, total = load_be16(p + 2);

	if (header < IPV4_HEADER || total < header || total > length)
		return LW_DROP_MALFORMED;
	*ret_ends = (struct ip_ends){
		.source.family = AF_INET,
		.destination.family = AF_INET,
	};
	memcpy(ret_ends->source.bytes, p + 12, 4);
	memcpy(ret_ends->destination.bytes, p + 16, 4);
	return LW_DROP_NONE;
}

static enum lw_drop parse_ipv6(const uint8_t *p, size_t length, struct ip_ends *ret_ends)
{
	if (length < IPV6_HEADER_SIZE)
		return LW_DROP_SHORT;
	if ((size_t)IPV6_HEADER_SIZE + load_be16(p + 4) > length)
		return LW_DROP_MALFORMED;
	*ret_ends = (struct ip_ends){
		.source.family = AF_INET6,
		.destination.family = AF_INET6,
	};
	memcpy(ret_ends->source.bytes, p + 8, 16);
	memcpy(ret_ends->destination.bytes, p + 24, 16);
	return LW_DROP_NONE;
}

enum lw_drop ip_parse(const struct lw_packet *packet, struct ip_ends *ret_ends)
{
	if (packet->length < IPV4_HEADER)
		return LW_DROP_SHORT;
	if (packet->data[0] >> 4 == 4)
		return parse_ipv4(packet->data, packet->length, ret_ends);
	if (packet->data[0] >> 4 == 6)
		return parse_ipv6(packet->data, packet->length, ret_ends);
	return LW_DROP_MALFORMED;
}

bool ip_is_unroutable(const struct ip_address *address)
{
	const uint8_t *b = address->bytes;

	if (address->family == AF_INET)
		return b[0] == 0 || b[0] == 127 || b[0] >= 224 || (b[0] == 169 && b[1] == 254);
	return (b[0] == 0xfe && (b[1] & 0xc0) == 0x80) || ip_address_is_special(address);
}

/* An address of this machine's, or NULL: the answer then comes from where the packet was going. */
static const struct ip_address *own_address(const struct vswitch *vswitch, uint8_t family)
{
	for (uint32_t i = 0; i < vswitch->n_own_addresses; i++)
		if (vswitch->own_addresses[i].family == family)
			return &vswitch->own_addresses[i];
	return NULL;
}

static void answer(struct vswitch *vswitch, struct vport *ingress, const struct lw_packet *packet,
		   enum icmp_error error, uint32_t mtu, uint64_t now_ns)
{
	uint8_t family = packet->data[0] >> 4 == 4 ? AF_INET : AF_INET6;
	/* Where ingress takes less than IPv6 must, the answer quotes less. */
	size_t limit = ingress->mtu ? MAX(ingress->mtu, (uint32_t)ICMP_IPV4_MAX) : ICMP_IPV6_MAX;
	const struct ip_address *from = NULL;
	struct lw_packet reply = {
		.data = forward_lane(vswitch)->icmp,
		.layer = LW_LAYER_IP,
		.ether_type = family == AF_INET ? 0x0800 : 0x86dd,
		.direction = ingress->is_device ? LW_DIRECTION_INBOUND : LW_DIRECTION_OUTBOUND,
	};

	/* The kernel refuses its own address as a source that comes in by a device. */
	if (!ingress->is_device)
		from = own_address(vswitch, family);
	reply.length = icmp_build(error, packet->data, packet->length, mtu, from, limit,
				  forward_lane(vswitch)->icmp);
	if (reply.length == 0)
		return;
	if (forward_take(vswitch, &ingress->icmp, VSWITCH_ICMP_PER_SECOND, ICMP_BURST_SECONDS,
			 now_ns)) {
		/* It came in nowhere. */
		struct capture_origin origin =
			capture_set_origin((struct capture_origin){ .port = NULL });

		forward_output(vswitch, ingress, &reply);
		(void)capture_set_origin(origin);
	}
}

void ip_output(struct vswitch *vswitch, struct vport *ingress, struct vport *egress,
	       const struct lw_packet *packet, uint64_t now_ns)
{
	if (!forward_output(vswitch, egress, packet))
		answer(vswitch, ingress, packet, ICMP_ERROR_TOO_BIG, egress->mtu, now_ns);
}

/* Where the destination leads, for a packet of ingress; on failure a reason. */
static enum lw_drop route(const struct vswitch *vswitch, const struct vport *ingress,
			  const struct ip_address *destination, struct vport **ret_egress)
{
	struct vport *egress = prefix_table_lookup(vswitch->prefixes, destination);

	if (egress == &vswitch->own || (!egress && !ingress->is_device))
		egress = vswitch->device;
	if (!egress)
		return LW_DROP_NO_ROUTE;
	if (egress == ingress)
		return LW_DROP_SAME_PORT;
	if (!ingress->is_device && !egress->is_device) {
		if (vswitch->options.between == LW_BETWEEN_ISOLATED)
			return LW_DROP_ISOLATED;
		if (vswitch->options.between == LW_BETWEEN_KERNEL)
			egress = vswitch->device;
		if (!egress)
			return LW_DROP_NO_ROUTE;
	}
	*ret_egress = egress;
	return LW_DROP_NONE;
}

static enum lw_drop check(const struct vswitch *vswitch, const struct vport *ingress,
			  const struct ip_ends *ends)
{
	if (!ingress->is_device &&
	    (ip_is_unroutable(&ends->source) ||
	     prefix_table_lookup(vswitch->prefixes, &ends->source) != ingress))
		return LW_DROP_SOURCE_ADDRESS;
	return ip_is_unroutable(&ends->destination) ? LW_DROP_NO_ROUTE : LW_DROP_NONE;
}

void ip_forward(struct vswitch *vswitch, struct vport *ingress, const struct lw_packet *packet,
		uint64_t now_ns)
{
	struct vport *egress = NULL;
	struct ip_ends ends;
	enum lw_drop reason;

	reason = ip_parse(packet, &ends);
	if (reason == LW_DROP_NONE)
		reason = check(vswitch, ingress, &ends);
	if (reason != LW_DROP_NONE) {
		vswitch_drop(vswitch, ingress, packet, reason);
		return;
	}
	reason = route(vswitch, ingress, &ends.destination, &egress);
	if (likely(reason == LW_DROP_NONE)) {
		ip_output(vswitch, ingress, egress, packet, now_ns);
		return;
	}
	vswitch_drop(vswitch, ingress, packet, reason);
	if (reason == LW_DROP_NO_ROUTE)
		answer(vswitch, ingress, packet, ICMP_ERROR_UNREACHABLE, 0, now_ns);
}
