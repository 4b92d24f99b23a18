/* SPDX-License-Identifier: MIT */
/* A flight recorder's memory. */
#include "capture/recorder.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "capture/lane.h"

int recorder_init(struct recorder *recorder, size_t size)
{
	*recorder = (struct recorder){ .size = size, .data = memory_map(size) };
	return recorder->data ? 0 : -ENOMEM;
}

void recorder_done(struct recorder *recorder)
{
	memory_unmap(recorder->data, recorder->size);
	recorder->data = NULL;
}

static size_t to_end(const struct recorder *recorder, uint64_t position)
{
	return recorder->size - position % recorder->size;
}

/* A record does not go around the end: what is too short for it is skipped. */
const struct lane_record *recorder_read(const struct recorder *recorder, uint64_t *position)
{
	while (*position != recorder->tail) {
		const struct lane_record *record =
			(const void *)(recorder->data + *position % recorder->size);
		size_t left = to_end(recorder, *position);

		if (left >= sizeof(*record) && !(record->flags & LANE_IS_SKIP)) {
			*position += record->size;
			return record;
		}
		*position += left;
	}
	return NULL;
}

static void forget_oldest(struct recorder *recorder)
{
	if (recorder_read(recorder, &recorder->head)) {
		recorder->held--;
		recorder->forgotten++;
	}
}

void recorder_keep(struct recorder *recorder, const struct lane_record *record, uint16_t port,
		   uint16_t from)
{
	size_t left = to_end(recorder, recorder->tail);
	size_t skipped = record->size > left ? left : 0;
	struct lane_record *kept;

	while (recorder->tail - recorder->head + skipped + record->size > recorder->size)
		forget_oldest(recorder);
	if (skipped >= sizeof(*kept)) {
		kept = (void *)(recorder->data + recorder->tail % recorder->size);
		kept->flags = LANE_IS_SKIP;
	}
	recorder->tail += skipped;
	kept = (void *)(recorder->data + recorder->tail % recorder->size);
	memcpy(kept, record, record->size);
	kept->port = port;
	kept->from = from;
	recorder->tail += record->size;
	recorder->held++;
}

void recorder_clear(struct recorder *recorder)
{
	recorder->head = recorder->tail;
	recorder->held = 0;
}
