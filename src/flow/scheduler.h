/* SPDX-License-Identifier: MIT */
/*
 * The scheduler between flow and seal: units of one peer that wait for their turn.
 *
 * Theory of operation. The kernel gives no back-pressure behind a TAP, so the device is always read
 * and what cannot be sent now waits here, bounded in bytes and in time, or is dropped and counted. A
 * slow peer costs its own queue and nobody else's.
 *
 * Who waits is sorted into flows by flow_hash (order is kept within a flow) and served as FQ-CoDel
 * does (RFC 8290): flows take turns by deficit round robin in bytes; one that has just begun to
 * wait goes first until it has had its share, so that a ping passes a transfer; a flow whose units
 * have waited longer than SCHEDULER_TARGET_MS for SCHEDULER_INTERVAL_MS loses some (QUEUE_LATE);
 * and when all together exceed the bound, the one with the most bytes loses its oldest, or the
 * newcomer, if that is of the same flow (QUEUE_FULL).
 *
 * Units lie in one ring, each contiguous and ready to be sealed, in the order in which they came;
 * they leave in another, and their room is free again when everything before them has left. The
 * ring has room for half as much again for that. Its memory is mapped at the first unit and given
 * back by scheduler_trim(), so that an idle peer costs nothing.
 */
#ifndef FLOW_SCHEDULER_H
#define FLOW_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <longwire/packet.h>

struct scheduler;

enum {
	SCHEDULER_BYTES_DEFAULT = 1024 * 1024,
	SCHEDULER_FLOWS = 256,
	SCHEDULER_QUANTUM = 4096, /* bytes of a flow's turn */
	SCHEDULER_TARGET_MS = 5,
	SCHEDULER_INTERVAL_MS = 100,
};

/* A queued unit was given up: QUEUE_FULL or QUEUE_LATE. Borrowed. */
typedef void scheduler_dropped_fn(const uint8_t *unit, size_t length, enum lw_drop reason,
				  void *user);

/* bytes_max: 64 KiB and a unit … 64 MiB. dropped may be NULL. */
int scheduler_new(size_t bytes_max, scheduler_dropped_fn *dropped, void *user,
		  struct scheduler **ret_scheduler);
void scheduler_free(struct scheduler *scheduler);

/*
 * Room for a unit of length bytes, or NULL: it cannot be queued (count it as QUEUE_FULL). It is
 * queued by scheduler_commit(), which must follow a success.
 */
uint8_t *scheduler_reserve(struct scheduler *scheduler, uint32_t flow_hash, size_t length);
void scheduler_commit(struct scheduler *scheduler, uint64_t now_ns);

/* The unit whose turn it is, which stays until scheduler_pop(); NULL and 0 when there is none. */
const uint8_t *scheduler_next(struct scheduler *scheduler, uint64_t now_ns, size_t *ret_length);
/* It was sealed. */
void scheduler_pop(struct scheduler *scheduler);

size_t scheduler_bytes(const struct scheduler *scheduler);
bool scheduler_is_empty(const struct scheduler *scheduler);
/* Drop everything (a session ended), without calling dropped. Return: units dropped. */
uint32_t scheduler_clear(struct scheduler *scheduler);
/* Give the memory back, if nothing waits and nothing has since the last call. */
void scheduler_trim(struct scheduler *scheduler);

#endif
