/* SPDX-License-Identifier: MIT */
/*
 * A flight recorder's memory: the newest records within a budget of bytes.
 *
 * A ring of the records of lane.h, with the ports of the capture's book instead of the lane's. One
 * thread uses it. The budget is all that it takes; memory that is not yet used costs nothing.
 */
#ifndef CAPTURE_RECORDER_H
#define CAPTURE_RECORDER_H

#include <stddef.h>
#include <stdint.h>

struct lane_record;

struct recorder {
	uint8_t *data;
	size_t size;
	uint64_t head, tail; /* bytes ever forgotten or taken, ever recorded */
	uint64_t held, forgotten;
};

/* 0 or -ENOMEM. */
int recorder_init(struct recorder *recorder, size_t size);
void recorder_done(struct recorder *recorder);

/* Keep a record, with these for its own, if need be by forgetting the oldest. size is a lane's most
 * and less than ours. */
void recorder_keep(struct recorder *recorder, const struct lane_record *record, uint16_t port,
		   uint16_t from);
/* Return: the record at *position, which is moved to the one behind it, or NULL. Begin with
 * recorder->head. */
const struct lane_record *recorder_read(const struct recorder *recorder, uint64_t *position);
/* Forget everything, without counting it as forgotten. */
void recorder_clear(struct recorder *recorder);

#endif
