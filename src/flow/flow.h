/* SPDX-License-Identifier: MIT */
/*
 * The packet flow, as the rest of the house sees it. The public face is longwire/flow.h.
 *
 * Theory of operation. A flow is a device in batches: a read is armed once and delivers once,
 * everything that the device has (until EAGAIN, 64 packets, or the byte budget) as borrowed views
 * into one buffer that the flow owns; a write hands a batch to the device and counts what the
 * device would not take, by reason. It is where device-in and device-out are captured: read and
 * accepted, and where what the flow drops is shown. Nothing is allocated, logged or decided per packet. A device that is down (EIO) is
 * waited for without spinning (polled at 4 Hz); one that is gone ends the flow: the pending read is
 * called with n = 0 and -ENODEV.
 *
 * A packet may come with an offload, if the device was opened for them, and may be written with one
 * to any flow: what contradicts the packet is dropped, and what the device cannot take is segmented
 * or completed into a scratch buffer of the queue. Captures of device-out see what the device got.
 *
 * Cards, and bridges from them, may give the segments of a TCP transfer one by one. Where the device
 * coalesces, those that one reading brought are joined to the super-frame that they can have been
 * cut from (segment.h), which is sealed, sent and written to the far device at once: a third more
 * throughput and a third less CPU. Nothing is waited for: what was read alone goes alone. Captures of
 * device-in see what the device gave.
 *
 * Each queue of a device has its own loop: the flow's, until it is moved to a worker's
 * (loop/crew.h). Queues share nothing that packets change, so that each may be read and written on
 * its own thread; everything else, also the end of the flow, is control code with all of them moved
 * back.
 */
#ifndef FLOW_FLOW_H
#define FLOW_FLOW_H

#include <longwire/flow.h>

struct lw_capture_set;
struct device;

enum { FLOW_BATCH_MAX = 64, FLOW_BUDGET_DEFAULT = 256 * 1024 };

/* Make a flow over a device that it owns from success on. */
int packet_flow_new(struct lw_loop *loop, struct device *device, struct lw_packet_flow **ret_flow);
/* lw_packet_flow_pair with so many queues at each end: what is written to one comes out of the one
 * of the same number. */
int packet_flow_pair(struct lw_loop *loop, enum lw_layer layer, uint32_t depth, uint16_t queues,
		     struct lw_packet_flow **ret_a, struct lw_packet_flow **ret_b);
/* Control code: the queue lives on loop from now on, and has no read armed. 0 or a negative errno. */
int packet_flow_move_queue(struct lw_packet_flow *flow, uint16_t index, struct lw_loop *loop);
struct device *packet_flow_device(struct lw_packet_flow *flow);
/* What its packets may leave undone, and may be written undone at no cost: bits of enum
 * device_offload, which are those of a hello. */
uint32_t packet_flow_offloads(const struct lw_packet_flow *flow);
/* Captures of device-in and device-out; NULL: none. Borrowed; set to NULL before the set goes. */
void packet_flow_set_captures(struct lw_packet_flow *flow, struct lw_capture_set *captures);
/* lw_packet_flow_open without the loop's objects: what a connection does at each start. */
struct lw_loop *packet_flow_loop(struct lw_packet_flow *flow);

#endif
