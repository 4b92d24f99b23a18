/* SPDX-License-Identifier: MIT */
/* What the forwarding halves of a switch share: its struct, and giving a packet to a port. Private
 * to src/switch. */
#ifndef SWITCH_FORWARD_H
#define SWITCH_FORWARD_H

#include <pthread.h>

#include "base/memory.h"
#include "loop/crew.h"
#include "switch/icmp.h"
#include "switch/vswitch.h"

struct capture_origin;
struct fdb;
struct handoff;
struct prefix_table;

enum {
	ETHERNET_HEADER_SIZE = 14,
	ETHERNET_ROOM = 22, /* more than IP bytes: the header and two tags */
	OWN_MACS_MAX = 8,
	OWN_ADDRESSES_MAX = 64,
	LIMIT_BURST_SECONDS = 2,
	ICMP_BURST_SECONDS = 1,
	FLOODED_MAX = 64,
};

typedef void forward_fn(struct vswitch *vswitch, struct vport *ingress,
			const struct lw_packet *packet, uint64_t now_ns);

/* What a worker needs of a switch for itself. */
struct vswitch_lane {
	/* Ports that got something in this batch; NULL: removed meanwhile. The lane's index of a port is
	 * the place here. */
	struct vport *dirty[VSWITCH_PORTS_MAX];
	uint32_t n_dirty;
	/* Of the batch under way: consecutive packets that go to everybody (ethernet.c). */
	const struct lw_packet *flooded[FLOODED_MAX];
	uint32_t n_flooded;
	uint8_t icmp[ICMP_IPV6_MAX];
};

struct vswitch {
	struct vswitch_options options;
	forward_fn *forward; /* by layer and shape, chosen once */
	struct list ports;
	uint32_t n_ports;
	struct vport *places[VSWITCH_PORTS_MAX]; /* NULL: free */
	uint32_t n_added;                        /* ports, ever */
	struct vport *device;

	struct handoff *handoff; /* of a crew of two or more */
	pthread_mutex_t buckets; /* taken for token buckets, of such a crew */
	uint64_t refresh_ns;     /* how much later a MAC must be seen to be written again */

	struct fdb *fdb; /* Ethernet, unless a pipe */
	struct mac_address own_macs[OWN_MACS_MAX];
	uint32_t n_own_macs;

	struct prefix_table *prefixes; /* IP; values are ports, or &own: this machine's addresses */
	uint32_t n_device_prefixes;
	struct vport own;
	struct ip_address own_addresses[OWN_ADDRESSES_MAX];
	uint32_t n_own_addresses;

	struct vswitch_lane lanes[]; /* of each worker */
};

static inline struct vswitch_lane *forward_lane(struct vswitch *vswitch)
{
	return &vswitch->lanes[crew_self()];
}

static inline struct vport_lane *forward_port_lane(struct vport *port)
{
	return likely(!crew_self()) ? &port->lane : &port->others[crew_self() - 1];
}

/* One writer, readers anywhere. */
static inline void forward_count(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

/* As a writer of the FDB; n may be -1. */
static inline void forward_count_macs(struct vport *port, uint32_t n)
{
	__atomic_store_n(&port->macs, port->macs + n, __ATOMIC_RELAXED);
}

/* limit_take() for a bucket that several workers may take from. */
bool forward_take(struct vswitch *vswitch, struct token_bucket *bucket, uint32_t per_second,
		  uint32_t burst_seconds, uint64_t now_ns);

forward_fn ethernet_forward, ip_forward, pipe_forward_ethernet, pipe_forward_ip;

/* Give packet to egress, here or on its worker, if it is not too big for it. false: TOO_BIG, counted
 * there. */
bool forward_output(struct vswitch *vswitch, struct vport *egress, const struct lw_packet *packet);
/* Nothing more comes for egress in this batch. */
void forward_flush(struct vswitch *vswitch, struct vport *egress);
/* What waits to be flooded goes out before anything else does. is_last: of the batch. */
void ethernet_flood_waiting(struct vswitch *vswitch, struct vport *ingress, bool is_last);

/* What to note of a packet with this mark; of one that came in at this port, which is under way. */
struct capture_origin forward_origin(const struct vswitch *vswitch, uint64_t mark);
struct capture_origin forward_origin_of(const struct vport *ingress);
/* A port is added, with a place of its own; or goes. Held. */
void forward_take_place(struct vswitch *vswitch, struct vport *port);
void forward_leave_place(struct vswitch *vswitch, struct vport *port);

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
