/* SPDX-License-Identifier: MIT */
/* A switch of two ports: what comes from one leaves by the other. */
#include "switch/forward.h"

static struct vport *other_port(const struct vswitch *vswitch, const struct vport *ingress)
{
	list_for_each(node, &vswitch->ports) {
		struct vport *port = list_entry(node, struct vport, list);

		if (port != ingress)
			return port;
	}
	return NULL;
}

void pipe_forward_ethernet(struct vswitch *vswitch, struct vport *ingress,
			   const struct lw_packet *packet, uint64_t now_ns)
{
	struct vport *egress = other_port(vswitch, ingress);

	(void)now_ns;
	if (packet->length < ETHERNET_HEADER_SIZE)
		vswitch_drop(vswitch, ingress, packet, LW_DROP_SHORT);
	else if (!egress)
		vswitch_drop(vswitch, ingress, packet, LW_DROP_PORT_DOWN);
	else
		forward_output(vswitch, egress, packet);
}

/* Whether the packet is this client's: from it where the device sent it, else to it. Before its
 * prefixes are known, every one is. */
static enum lw_drop check(const struct vswitch *vswitch, const struct vport *ingress,
			  const struct ip_ends *ends)
{
	const struct ip_address *ours = ingress->is_device ? &ends->source : &ends->destination;

	if (vswitch->n_device_prefixes > 0 &&
	    vswitch_find_address(vswitch, ours) != vswitch->device)
		return ingress->is_device ? LW_DROP_SOURCE_ADDRESS : LW_DROP_DESTINATION_ADDRESS;
	return ip_is_unroutable(&ends->destination) ? LW_DROP_NO_ROUTE : LW_DROP_NONE;
}

void pipe_forward_ip(struct vswitch *vswitch, struct vport *ingress, const struct lw_packet *packet,
		     uint64_t now_ns)
{
	struct vport *egress = other_port(vswitch, ingress);
	enum lw_drop reason;
	struct ip_ends ends;

	reason = ip_parse(packet, &ends);
	if (reason == LW_DROP_NONE)
		reason = check(vswitch, ingress, &ends);
	if (reason == LW_DROP_NONE && !egress)
		reason = LW_DROP_PORT_DOWN;
	if (reason == LW_DROP_NONE)
		ip_output(vswitch, ingress, egress, packet, now_ns);
	else
		vswitch_drop(vswitch, ingress, packet, reason);
}
