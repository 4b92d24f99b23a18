/* SPDX-License-Identifier: MIT */
/*
 * What the sessions of one loop need for the time of a batch, and share.
 *
 * Theory of operation. A hub may have thousands of sessions, of which a handful are busy at any
 * moment: one that is idle keeps its keys, its counters and nothing else. The large buffers are
 * blocks, one kind for what comes and one for what goes. A stream takes a block when it has
 * something to read or to say, and gives it back as soon as nothing is left in it, mostly within
 * the same wake-up. The beginning of a record or unit, or sealed bytes that the socket did not take,
 * stay where they are and the block with them, so that nothing is copied for it. The block given
 * back last is taken next: its pages are in the cache.
 *
 * Free blocks are kept, so that a busy loop maps nothing: whenever SCRATCH_TRIM_MS have passed,
 * those that were free all the while go back to the kernel, but for one of each kind. There are
 * never more blocks than streams. When many sessions have something to say at once (a broadcast),
 * only SCRATCH_CROWD of them collect it until the end of the batch: scratch_is_crowded() tells the
 * others to send at once and give their block back.
 *
 * What is used within one call only is there once: a packet being cut, the packets of a batch.
 *
 * One for each loop, made by the first session on it and freed with the last; one thread.
 */
#ifndef TUNNEL_SCRATCH_H
#define TUNNEL_SCRATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <longwire/packet.h>

#include "loop/loop.h"
#include "tls/record.h"
#include "wire/unit.h"

enum {
	SCRATCH_RECEIVE_SIZE = 256 * 1024,
	SCRATCH_PLAIN_SIZE = UNIT_SIZE_MAX + SCRATCH_RECEIVE_SIZE + RECORD_PLAIN_MAX,
	SCRATCH_STAGING_SIZE = 2 * RECORD_PLAIN_MAX, /* where small units become whole records */
	SCRATCH_SEND_SIZE = 256 * 1024,
	SCRATCH_CONTROL_SIZE = 256 * 1024,
	SCRATCH_PACKETS = 64,
	SCRATCH_CROWD = 256,
	SCRATCH_TRIM_MS = 2000,
};

struct scratch_inward {
	uint8_t receive[SCRATCH_RECEIVE_SIZE]; /* records as they came */
	uint8_t plain[SCRATCH_PLAIN_SIZE];     /* what was in them */
};

struct scratch_outward {
	uint8_t staging[SCRATCH_STAGING_SIZE];
	uint8_t send[SCRATCH_SEND_SIZE];       /* sealed */
	uint8_t control[SCRATCH_CONTROL_SIZE]; /* units to be sealed */
};

struct scratch_block;

struct scratch_pool {
	size_t size; /* of a block's data */
	struct scratch_block *free;
	uint32_t n_free, least_free; /* since the last trimming */
	uint32_t n_taken;
};

struct scratch {
	struct lw_loop *loop;
	uint32_t users;
	struct scratch_pool inward, outward;
	struct loop_timer trim;
	/* The batch under way, of one session. */
	struct lw_packet packets[SCRATCH_PACKETS];
	struct lw_offload offloads[SCRATCH_PACKETS];
	size_t n_packets;
	uint8_t segment[LW_PACKET_MAX];
};

/* The loop's; one use more. NULL: no memory. */
struct scratch *scratch_use(struct lw_loop *loop);
/* One use less. Accepts NULL. */
void scratch_leave(struct scratch *scratch);

/* NULL: no memory. What is in a block is undefined. */
struct scratch_inward *scratch_take_inward(struct scratch *scratch);
struct scratch_outward *scratch_take_outward(struct scratch *scratch);
/* Both accept NULL. */
void scratch_give_inward(struct scratch *scratch, struct scratch_inward *block);
void scratch_give_outward(struct scratch *scratch, struct scratch_outward *block);
/* The blocks of a stream that leaves from for to, both held; either may be NULL. */
void scratch_move(struct scratch *from, struct scratch *to, const struct scratch_inward *inward,
		  const struct scratch_outward *outward);
/* More than SCRATCH_CROWD collect what they will send. */
bool scratch_is_crowded(const struct scratch *scratch);

#endif
