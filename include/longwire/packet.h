/* SPDX-License-Identifier: MIT */
/* A packet: a borrowed view of one Ethernet frame or IP packet and what is known of it. */
#ifndef LONGWIRE_PACKET_H
#define LONGWIRE_PACKET_H

#include <longwire/api.h>

LW_BEGIN

/* Apple's numbers: NETrafficDirection, seen from this machine. */
enum lw_direction {
	LW_DIRECTION_ANY = 0,
	LW_DIRECTION_INBOUND = 1,  /* from the tunnel to the device */
	LW_DIRECTION_OUTBOUND = 2, /* from the device into the tunnel */
};

/* What kind of segmentation a super-frame still needs: the values of virtio-net's gso_type. */
enum lw_gso {
	LW_GSO_NONE = 0,
	LW_GSO_TCPV4 = 1,
	LW_GSO_TCPV6 = 4,
	LW_GSO_UDP = 5, /* UDP_L4: each segment is a datagram */
};

/* Work left to do on a packet. NULL instead of this: none, every checksum is complete. */
struct lw_offload {
	bool needs_checksum;      /* the checksum at start + offset covers start … end */
	uint16_t checksum_start;  /* bytes from the first byte of the packet */
	uint16_t checksum_offset; /* bytes from checksum_start */
	enum lw_gso gso;
	uint16_t gso_size; /* payload bytes of each segment */
};

/*
 * Borrowed: valid until the callback that got it returns, or, when given to a write, during the
 * call.
 */
struct lw_packet {
	const uint8_t *data;
	size_t length; /* bytes; Ethernet: 14 … LW_PACKET_MAX, IP: 20 … LW_PACKET_MAX */
	enum lw_layer layer;
	uint16_t ether_type; /* host order; outermost (a tag's TPID); IP: 0x0800 or 0x86dd */
	enum lw_direction direction;
	const struct lw_offload *offload; /* NULL: none */
};

/* The longest packet that any flow carries: a 64 KiB super-frame with two tags. */
enum { LW_PACKET_MAX = 65535 + 22 };

/*
 * Why a packet was dropped. Every drop on the path has one of these, a counter of its own at the
 * port where it happened, and a name (lw_drop_name) that status, captures and tests share.
 */
#define LW_DROP_REASONS(X)                                                                   \
	X(NONE, "none", "not dropped")                                                       \
	X(SHORT, "short", "shorter than its own header")                                     \
	X(TOO_BIG, "too-big", "larger than the MTU of the port that it leaves by")           \
	X(MALFORMED, "malformed", "an IP header or tag that contradicts its length")         \
	X(OFFLOAD, "offload", "offload metadata that contradicts the frame")                 \
	X(SOURCE_MULTICAST, "source-multicast", "a source MAC that is a group or zero")      \
	X(SOURCE_CONFLICT, "source-conflict", "a source MAC that is held by another port")   \
	X(SOURCE_OWN, "source-own", "a source MAC that is this switch's own")                \
	X(SOURCE_ADDRESS, "source-address", "an IP source that is not the peer's")           \
	X(DESTINATION_ADDRESS, "destination-address", "an IP destination that is not ours")  \
	X(NO_ROUTE, "no-route", "an IP destination that no port has")                        \
	X(SAME_PORT, "same-port", "it would leave by the port it came from")                 \
	X(ISOLATED, "isolated", "between clients that are isolated from each other")         \
	X(UNKNOWN_UNICAST, "unknown-unicast", "unknown destination while the table is full") \
	X(LIMIT_BROADCAST, "limit-broadcast", "above the broadcast limit of its port")       \
	X(LIMIT_MULTICAST, "limit-multicast", "above the multicast limit of its port")       \
	X(LIMIT_UNKNOWN, "limit-unknown", "above the unknown-unicast limit of its port")     \
	X(GUARD_DHCP, "guard-dhcp", "a DHCP server's message from one that may not serve")   \
	X(GUARD_RA, "guard-ra", "a router advertisement from one that may not route")        \
	X(GUARD_BPDU, "guard-bpdu", "a spanning-tree frame from a single host")              \
	X(QUEUE_FULL, "queue-full", "the peer's queue is full")                              \
	X(QUEUE_LATE, "queue-late", "it waited too long in the peer's queue")                \
	X(HANDOFF_FULL, "handoff-full", "the worker that would send it has too much to do")  \
	X(PORT_DOWN, "port-down", "the port has no session")                                 \
	X(DEVICE_BUSY, "device-busy", "the kernel would not take it now")                    \
	X(DEVICE_DOWN, "device-down", "the interface is down or gone")                       \
	X(DEVICE_REFUSED, "device-refused", "the kernel called it invalid")                  \
	X(REINJECTED, "reinjected", "read from the flow that it was to be written to")       \
	X(LINK_LOST, "link-lost", "lost by the impairment of its port")                      \
	X(LINK_FULL, "link-full", "the queue of an impaired port's rate is full")

#define LW_DROP_ENUM(id, name, text) LW_DROP_##id,
enum lw_drop { LW_DROP_REASONS(LW_DROP_ENUM) LW_DROP_COUNT };
#undef LW_DROP_ENUM

/* Return: the reason's name as in the list above ("queue-full"), "?" outside it. */
LW_API const char *lw_drop_name(enum lw_drop reason);
/* Return: the reason of that name; LW_DROP_NONE: there is none. */
LW_API enum lw_drop lw_drop_find(const char *name);
/* Return: the reason's sentence. */
LW_API const char *lw_drop_text(enum lw_drop reason);

LW_END

#endif
