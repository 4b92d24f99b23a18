/* SPDX-License-Identifier: MIT */
/* The packet flow: packets of a virtual interface, in batches (Apple: NEPacketTunnelFlow). */
#ifndef LONGWIRE_FLOW_H
#define LONGWIRE_FLOW_H

#include <longwire/api.h>
#include <longwire/packet.h>

LW_BEGIN

struct lw_capture_set;
struct lw_error;
struct lw_loop;
struct lw_packet_flow;

enum lw_device_kind {
	LW_DEVICE_KERNEL = 1,  /* open /dev/net/tun and attach to name; made unless it exists */
	LW_DEVICE_ADOPTED = 2, /* descriptor is a TAP or TUN that somebody else opened */
};

struct lw_device_options {
	size_t size;
	enum lw_device_kind kind;
	enum lw_layer layer;
	const char *name; /* interface name, 1 … 15 bytes; NULL: the kernel chooses lw%d */
	int descriptor;   /* LW_DEVICE_ADOPTED: owned by the flow from success on */
	uint16_t queues;  /* 1 … 16; 0 means 1 */
	/*
	 * Ask the kernel for super-frames and unfinished checksums: packets that are read may then
	 * have an offload. (Packets with one can be written to any flow: what its device does not
	 * take is finished in software.) An adopted descriptor needs IFF_VNET_HDR for it.
	 */
	bool offloads;
	/*
	 * With offloads: join TCP segments of one transfer that were read at once, whose headers and
	 * checksums are those that segmenting would make, to one super-frame.
	 */
	bool coalesce;
};

/* Everything that a taker of the descriptor must know to read and write it by himself. */
struct lw_descriptor {
	size_t size;
	int descriptor;
	enum lw_layer layer;
	uint16_t header_length; /* bytes of virtio-net header before each packet; 0: none */
	char name[16];          /* interface name; empty: not a kernel interface */
};

/*
 * Open a kernel device as a flow. An existing device that was made persistent for this user needs
 * no capability; a new one needs CAP_NET_ADMIN. Nothing of it is configured: see
 * lw_network_settings. On failure ret_error says what to do (for a wrongly made persistent device,
 * the right command).
 */
LW_API LW_MUST_CHECK int lw_packet_flow_open(struct lw_loop *loop,
					     const struct lw_device_options *options,
					     struct lw_packet_flow **ret_flow,
					     struct lw_error *ret_error);

/*
 * Two flows back to back, in memory: what is written to one is read from the other. Each holds at
 * most depth packets (0: 1024) and 4 MiB unread, then refuses more. The stand-in for a device in
 * tests.
 */
LW_API LW_MUST_CHECK int lw_packet_flow_pair(struct lw_loop *loop, enum lw_layer layer,
					     uint32_t depth, struct lw_packet_flow **ret_a,
					     struct lw_packet_flow **ret_b);
LW_API void lw_packet_flow_free(struct lw_packet_flow *flow);

LW_API enum lw_layer lw_packet_flow_layer(const struct lw_packet_flow *flow);
LW_API uint16_t lw_packet_flow_queues(const struct lw_packet_flow *flow);
/* Return: the interface's name, or "" when it has none (memory). It follows a rename. */
LW_API const char *lw_packet_flow_name(const struct lw_packet_flow *flow);

/* packets[0 … n) are borrowed until the callback returns; n ≥ 1, or 0 with error when the flow
 * ended. */
typedef void lw_packets_fn(struct lw_packet_flow *flow, uint16_t queue,
			   const struct lw_packet *packets, size_t n, int error, void *user);

/*
 * Arm one read: one call, one callback. The batch ends when it has reached byte_budget (0, and at
 * most: 256 KiB), so that only its last packet can go beyond. Read again, in the callback if you
 * like, for more. Return: 0; -EBUSY while a read is pending on that queue; -EINVAL for a queue that
 * is not there; -ENODEV after the descriptor was taken.
 */
LW_API LW_MUST_CHECK int lw_packet_flow_read(struct lw_packet_flow *flow, uint16_t queue,
					     size_t byte_budget, lw_packets_fn *callback,
					     void *user);
/* Disarm; the callback will not run. Idempotent. */
LW_API void lw_packet_flow_cancel_read(struct lw_packet_flow *flow, uint16_t queue);

/*
 * Write a batch. Return: how many were accepted; every other was dropped and counted by reason (see
 * lw_packet_flow_counters): singly what was refused, the whole rest once the device is busy or
 * down. -EINVAL, and nothing written, for a packet of another layer or too long; -ENODEV after the
 * descriptor was taken.
 *
 * -EPERM, nothing written, and all of them counted as LW_DROP_REINJECTED when one of them is a packet
 * that was read from this very flow. What is read is meant for the other end of the tunnel; to look
 * at it and put it back is the work of a packet filter, not of a tunnel provider (Apple's TN3120):
 * use nftables, which does it in the kernel. Views into what the flow has read are found out; a copy
 * cannot be told from a packet that came from afar, and is no more allowed.
 */
LW_API ssize_t lw_packet_flow_write(struct lw_packet_flow *flow, uint16_t queue,
				    const struct lw_packet *packets, size_t n);

/*
 * Take the descriptor of a queue: the flow gives up reading and writing that queue and the taker
 * does it. The flow must outlive the use. Refused with -EBUSY while a read is pending, -ENOTSUP for
 * memory.
 */
LW_API LW_MUST_CHECK int lw_packet_flow_take(struct lw_packet_flow *flow, uint16_t queue,
					     struct lw_descriptor *ret_descriptor);

/* The captures of the tunnel that this flow belongs to, for lw_capture_show(); NULL: none, which
 * that accepts. */
LW_API struct lw_capture_set *lw_packet_flow_captures(struct lw_packet_flow *flow);

struct lw_flow_counters {
	size_t size;
	uint64_t read_packets, read_bytes;
	uint64_t written_packets, written_bytes;
	uint64_t drops[LW_DROP_COUNT];
};

LW_API void lw_packet_flow_counters(const struct lw_packet_flow *flow,
				    struct lw_flow_counters *ret_counters);

LW_END

#endif
