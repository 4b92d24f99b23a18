/* SPDX-License-Identifier: MIT */
/*
 * The scheduler between flow and seal: units of one peer that wait for their turn.
 *
 * Theory of operation. The kernel gives no back-pressure behind a TAP, so the device is always read
 * and what cannot be sent now waits here, bounded in bytes, or is dropped and counted (QUEUE_FULL).
 * A slow peer costs its own queue and nobody else's. What is enqueued is a whole unit (header and
 * body, written by the caller into the room it is given), what is dequeued is bytes: whole units,
 * contiguous, ready to be sealed. Order is kept within a flow (flow_hash). Memory is mapped at the
 * first unit and given back when a queue has been empty for a while (scheduler_trim), so that an
 * idle peer costs nothing.
 *
 * Today one first-in, first-out queue; the flow hash is already part of the call, and flow queues
 * with deficit round robin, sparse flows first and CoDel take its place behind the same functions.
 */
#ifndef FLOW_SCHEDULER_H
#define FLOW_SCHEDULER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct scheduler;

enum { SCHEDULER_BYTES_DEFAULT = 512 * 1024 };

int scheduler_new(size_t bytes_max,
		  struct scheduler **ret_scheduler); /* 64 KiB + a unit … 64 MiB */
void scheduler_free(struct scheduler *scheduler);

/* Room for a unit of length bytes, or NULL: full (count it). It is queued by scheduler_commit,
 * which must follow a success. */
uint8_t *scheduler_reserve(struct scheduler *scheduler, uint32_t flow_hash, size_t length);
void scheduler_commit(struct scheduler *scheduler, size_t length, uint64_t now_ns);

/* The next bytes, contiguous, at most max (but at least one whole unit when there is any); NULL and
 * 0 when empty. */
const uint8_t *scheduler_peek(struct scheduler *scheduler, size_t max, size_t *ret_length);
/* They were sealed. Any number up to what was peeked: records cut units where they like. */
void scheduler_consume(struct scheduler *scheduler, size_t length);

size_t scheduler_bytes(const struct scheduler *scheduler);
bool scheduler_is_empty(const struct scheduler *scheduler);
/* Drop everything (a session ended). Return: units dropped, for the counter. */
uint32_t scheduler_clear(struct scheduler *scheduler);
void scheduler_trim(struct scheduler *scheduler);

#endif
