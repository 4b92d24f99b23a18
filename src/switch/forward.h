/* SPDX-License-Identifier: MIT */
/* What the forwarding halves of a switch share: its struct, and giving a packet to a port. Private
 * to src/switch. */
#ifndef SWITCH_FORWARD_H
#define SWITCH_FORWARD_H

#include "switch/icmp.h"
#include "switch/vswitch.h"

struct fdb;
struct prefix_table;

enum {
	ETHERNET_HEADER_SIZE = 14,
	ETHERNET_ROOM = 22, /* more than IP bytes: the header and two tags */
	OWN_MACS_MAX = 8,
	OWN_ADDRESSES_MAX = 64,
	LIMIT_BURST_SECONDS = 2,
	ICMP_BURST_SECONDS = 1,
};

typedef void forward_fn(struct vswitch *vswitch, struct vport *ingress,
			const struct lw_packet *packet, uint64_t now_ns);

struct vswitch {
	struct vswitch_options options;
	forward_fn *forward; /* by layer and shape, chosen once */
	struct list ports;
	uint32_t n_ports;
	struct vport *device;
	/* Ports that got something in this batch; NULL: removed meanwhile. vport.index is the place
	 * here. */
	struct vport *dirty[VSWITCH_PORTS_MAX];
	uint32_t n_dirty;

	struct fdb *fdb; /* Ethernet, unless a pipe */
	struct mac_address own_macs[OWN_MACS_MAX];
	uint32_t n_own_macs;

	struct prefix_table *prefixes; /* IP; values are ports, or &own: this machine's addresses */
	uint32_t n_device_prefixes;
	struct vport own;
	struct ip_address own_addresses[OWN_ADDRESSES_MAX];
	uint32_t n_own_addresses;
	uint8_t icmp[ICMP_IPV6_MAX];
};

forward_fn ethernet_forward, ip_forward, pipe_forward_ethernet, pipe_forward_ip;

/* Give packet to egress, if it is not too big for it. false: TOO_BIG, counted there. */
bool forward_output(struct vswitch *vswitch, struct vport *egress, const struct lw_packet *packet);

/* An IP packet's addresses and what its header says of it. NONE, SHORT or MALFORMED. */
struct ip_ends {
	struct ip_address source, destination;
};
enum lw_drop ip_parse(const struct lw_packet *packet, struct ip_ends *ret_ends);
/* Nothing that a host on the tunnel can be reached by or speak as: multicast, broadcast, loopback,
 * link-local, unspecified. */
bool ip_is_unroutable(const struct ip_address *address);
/* As forward_output; what is too big is answered to ingress. */
void ip_output(struct vswitch *vswitch, struct vport *ingress, struct vport *egress,
	       const struct lw_packet *packet, uint64_t now_ns);

#endif
