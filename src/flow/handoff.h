/* SPDX-License-Identifier: MIT */
/*
 * The handoff: packets from the worker that has one to the worker that must send it.
 *
 * Theory of operation. A ring of bytes for each pair of workers, with one producer and one consumer
 * and no lock: a packet is copied into it once, with its offload, its target and a mark of the
 * caller's, and the consumer is given a view of it there. So packets that one worker hands to another
 * stay in order. A full ring refuses (the caller counts the drop). Who was handed something is woken
 * once for a batch, and not at all if he was woken before and has not looked yet.
 *
 * What waits for a target that goes away is struck out by control code (loop/crew.h).
 */
#ifndef FLOW_HANDOFF_H
#define FLOW_HANDOFF_H

#include <stdbool.h>
#include <stdint.h>

#include <longwire/packet.h>

struct crew;
struct handoff;

enum { HANDOFF_BYTES = 1 << 20 };

struct handoff_ops {
	/* A packet for target, borrowed. On the consumer, as the following one. */
	void (*give)(void *target, const struct lw_packet *packet, uint64_t mark, void *user);
	void (*given)(void *user); /* all that there was */
};

/* For a crew of two or more. 0, -ENOMEM or what descriptors came to. */
int handoff_new(struct crew *crew, const struct handoff_ops *ops, void *user,
		struct handoff **ret_handoff);
/* Control code. Accepts NULL. */
void handoff_free(struct handoff *handoff);

/* From this worker to another; false: no room. Target ≠ NULL. */
bool handoff_put(struct handoff *handoff, unsigned to, void *target, const struct lw_packet *packet,
		 uint64_t mark);
/* After a batch of this worker. */
void handoff_flush(struct handoff *handoff);
/* Control code: nothing is given to target any more. */
void handoff_forget(struct handoff *handoff, const void *target);

#endif
