/* SPDX-License-Identifier: MIT */
/*
 * The switch: ports, and which of them a packet leaves by.
 *
 * Theory of operation. One data path for clients and hubs, frames and packets. A switch is made for
 * a layer; Ethernet learns MACs in an FDB, IP looks prefixes up, and a switch told to be a pipe
 * (two ports: a client) does neither. Owners embed struct vport, fill in its ops and policy, and
 * add it. vswitch_input() takes a batch from one port; for each packet it checks the source,
 * learns, decides the egress ports, and calls their output; then it calls flush once for each port
 * that got something. Outputs copy or send at once: packets are borrowed. Every packet that does
 * not arrive anywhere is counted at its ingress port under one reason (at the egress port where the
 * egress refuses: TOO_BIG, QUEUE_FULL, PORT_DOWN, DEVICE_…) and shown to drop captures.
 *
 * Flooding (Ethernet): broadcast, multicast and unknown unicast each have a token bucket at the
 * ingress port. Known unicast is never flooded, also when the table is full: a full table stops
 * learning, and unknown destinations still flood within the limit. A learned MAC moves to another
 * port at once between ports of behind: lan (the device is one of them), but at most five times in
 * ten seconds; where the old or the new port is behind: host, after a hold time of 5 s without a
 * frame from its owner (SOURCE_CONFLICT until then). Ageing: 300 s. A frame with nobody to go to (a
 * lone port floods) is a drop SAME_PORT. Ports of behind: host are guarded (switch/guard.h); the
 * device never is.
 *
 * IP: the longest prefix decides; a packet from a peer whose source is not one of that port's
 * prefixes is dropped; unmatched from a client goes to the device port, from the device nowhere
 * (NO_ROUTE, answered with ICMP unreachable), and never back to its ingress (SAME_PORT). Too big:
 * answered by ICMP fragmentation needed / ICMPv6 packet too big, at most 100 a second for each port
 * (IPv4 without DF too: nothing here fragments). A router of unicast only: multicast, broadcast,
 * loopback and link-local destinations are dropped as NO_ROUTE, unanswered; such sources, from a
 * peer, as SOURCE_ADDRESS.
 *
 * Pipe: what comes from one port leaves by the other (PORT_DOWN while there is none). No learning,
 * no limits, no guards. In IP, prefixes of the device port say who this client is: as soon as one
 * is known, a packet to anybody else (DESTINATION_ADDRESS) or from anybody else (SOURCE_ADDRESS) is
 * dropped; while none is, nothing is.
 *
 * Workers: a switch of a crew (loop/crew.h) takes packets from any of its workers at once. Adding,
 * removing, prefixes and settings are control code, and hold the crew themselves; the FDB and the
 * token buckets, which packets change, have locks that the known case never takes; each worker
 * counts in a lane of its own. A packet is forwarded where it came in, and its egress port says
 * which worker has to send it: where that is another, it is handed over (flow/handoff.h;
 * HANDOFF_FULL, counted at the egress port, when there is no room). What came in on one worker for
 * one egress worker stays in order.
 *
 * Marks: captures say of what goes out where it came in, whether it was flooded, and whether it is
 * of a replay (capture/point.h). That is noted for the thread while a packet is under way; what
 * leaves the thread's hands before it goes out, to another worker or into a link, takes it along as
 * a mark: the port's place in the switch with the number of its being added. So of a port that has
 * gone meanwhile nothing is said, nor of another in its place.
 *
 * Pure: no clock but the now_ns that the caller gives, and without a crew no descriptors.
 */
#ifndef SWITCH_VSWITCH_H
#define SWITCH_VSWITCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <longwire/hub.h>
#include <longwire/packet.h>

#include "base/address.h"
#include "base/list.h"

struct crew;
struct lw_capture_set;
struct vport;
struct vswitch;

enum {
	VSWITCH_PORTS_MAX = LW_HUB_CLIENTS_MAX + 1,
	VSWITCH_MACS_MAX = 65536,
	VSWITCH_PREFIXES_MAX = 65536,
	VSWITCH_AGE_SECONDS = 300,
	VSWITCH_HOLD_SECONDS = 5,
	VSWITCH_ICMP_PER_SECOND = 100,
};

/* Pass lw_layer for a learning switch or a router; is_pipe for a client's two ports. */
struct vswitch_options {
	enum lw_layer layer;
	bool is_pipe;
	enum lw_between between;         /* clients among each other; never 0 */
	struct lw_capture_set *captures; /* borrowed; NULL: none */
	struct crew *crew;               /* borrowed; NULL: one thread has it */
};

struct vport_ops {
	/* Take one packet (borrowed) or count the drop itself in port->drops. Never calls back into
	 * the switch. */
	void (*output)(struct vport *port, const struct lw_packet *packet);
	/* After a batch in which output was called. May be NULL. */
	void (*flush)(struct vport *port);
	/* Which worker has to send it; NULL: the one that has it. Asked of ports of a crew. */
	unsigned (*worker)(struct vport *port, const struct lw_packet *packet);
};

/*
 * A link with faults between the switch and a port, for one or both ways (tunnel/port_link.h). It
 * gets what would go straight on, and gives it back later, with the vswitch_mark() that it had:
 * towards the port by vswitch_emit(), towards the switch by vswitch_forward(). A link is worker 0's: what others have for it is handed
 * over first, and handed on behind it.
 */
struct vport_link {
	bool is_in, is_out; /* which ways it stands in */
	/* As vport_ops. */
	void (*output)(struct vport_link *link, const struct lw_packet *packet);
	void (*flush)(struct vport_link *link);
	/* A batch that came from the port. */
	void (*input)(struct vport_link *link, const struct lw_packet *packets, size_t n);
};

struct vport_policy {
	enum lw_behind behind;
	uint32_t macs_max;
	uint32_t broadcast_per_second, multicast_per_second, unknown_per_second; /* burst: twice */
};

/* The defaults of behind: host or lan (see lw_peer_options), for everything that is 0 in the
 * policy. */
void vport_policy_complete(struct vport_policy *policy);

struct token_bucket {
	uint64_t tokens_ns; /* credit: nanoseconds times rate, 10^9 a token */
	uint64_t last_ns;
};

/* What a worker counts at a port, by vport_count(); and its own mark. */
struct vport_lane {
	uint8_t before[64]; /* no cache line of one is another worker's as well */
	uint64_t received_packets, received_bytes;
	uint64_t sent_packets, sent_bytes; /* given to output */
	uint64_t drops[LW_DROP_COUNT];
	bool is_dirty;
	uint32_t index;
	uint8_t behind[64];
};

struct vport {
	/* Set by the owner before vswitch_add. */
	const struct vport_ops *ops;
	const char *name; /* must outlive the port; for captures */
	bool is_device;   /* the machine's own side: trusted as a LAN, never isolated, default route
			     of clients */
	uint32_t mtu;     /* IP bytes; a frame may have 22 more, for its header and two tags. 0: no
			     limit */
	struct vport_policy policy;
	struct vport_link *link; /* by vswitch_set_link(); NULL: none */
	/* Written by the switch. Of a crew, read the sum: vport_counters(). */
	struct vport_lane lane;    /* of worker 0 */
	struct vport_lane *others; /* of the others, in a crew */
	uint32_t macs;             /* learned now; vport_macs() */
	/* The switch's own. */
	struct vswitch *vswitch;
	uint64_t place;
	struct list list;
	struct token_bucket broadcast, multicast, unknown, icmp;
};

/* From any thread; lane, as the sum of all workers. */
void vport_counters(const struct vport *port, struct vport_lane *ret_sum);
uint32_t vport_macs(const struct vport *port);

/* 0, -ENOMEM, or -EINVAL: between clients of an Ethernet switch the kernel cannot decide. */
int vswitch_new(const struct vswitch_options *options, struct vswitch **ret_switch);
void vswitch_free(struct vswitch *vswitch); /* without ports */
void vswitch_set_captures(struct vswitch *vswitch, struct lw_capture_set *captures);

/* 0, -ENOMEM, -ENOSPC (also for a second device, and for a third port of a pipe). The port keeps its
 * counters across remove and add. */
int vswitch_add(struct vswitch *vswitch, struct vport *port);
void vswitch_remove(struct vswitch *vswitch,
		    struct vport *port); /* forgets its MACs and prefixes; idempotent */
/* A session ended: forget learned MACs, keep prefixes and policy. */
void vswitch_flush_port(struct vswitch *vswitch, struct vport *port);

void vswitch_input(struct vswitch *vswitch, struct vport *ingress, const struct lw_packet *packets,
		   size_t n, uint64_t now_ns);
/* A packet that nobody sent, for egress: as if the switch had decided so. */
void vswitch_output(struct vswitch *vswitch, struct vport *egress, const struct lw_packet *packet);
/* Put a link in, in the ways that it is for, or (NULL) take it out. */
void vswitch_set_link(struct vport *port, struct vport_link *link, bool is_in, bool is_out);
/* Of the packet that this thread has under way. */
uint64_t vswitch_mark(void);
/* For a link: a packet has come through it from the port. */
void vswitch_forward(struct vswitch *vswitch, struct vport *ingress, const struct lw_packet *packet,
		     uint64_t mark, uint64_t now_ns);
/* One has come through to the port. vswitch_emitted() follows the last, except in its flush. */
void vswitch_emit(struct vport *egress, const struct lw_packet *packet, uint64_t mark);
void vswitch_emitted(struct vport *egress);
/* Show captures a packet where the port's own are seen: of one that comes by another way. */
void vswitch_show_in(const struct vport *port, const struct lw_packet *packet);

/* IP: prefix (host bits cleared) leads to port. 0 (also when it does so already); -EEXIST when
 * another port has the same, -ENOSPC. */
int vswitch_add_prefix(struct vswitch *vswitch, struct vport *port, const struct ip_prefix *prefix);
void vswitch_clear_prefixes(struct vswitch *vswitch, struct vport *port);
/* IP: who has the address; NULL: nobody. */
struct vport *vswitch_find_address(const struct vswitch *vswitch, const struct ip_address *address);
/* IP: addresses from which the hub itself answers (ICMP errors); also what clients may reach on the
 * device with between isolated. */
int vswitch_add_own_address(struct vswitch *vswitch, const struct ip_address *address);
/* Ethernet: a MAC of the device itself: never learned, always behind the device, SOURCE_OWN from
 * any other port. -ENOSPC: after eight. */
int vswitch_add_own_mac(struct vswitch *vswitch, const struct mac_address *mac);

uint32_t vswitch_macs(const struct vswitch *vswitch);
/* Expire entries; call about once a second. O(table), bounded work. */
void vswitch_age(struct vswitch *vswitch, uint64_t now_ns);

/* Count a drop at a port and show it to captures. port NULL: captures only. */
void vswitch_drop(struct vswitch *vswitch, struct vport *port, const struct lw_packet *packet,
		  enum lw_drop reason);

#endif
