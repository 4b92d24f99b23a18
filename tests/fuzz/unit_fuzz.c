/* SPDX-License-Identifier: MIT */
/* Units: any split of a stream yields the same units and the same end. The first two bytes: the
 * largest frame and the pieces' size. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "wire/unit.h"

enum { UNITS_MAX = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	size_t n, consumed;
	enum unit_result end;
	struct unit units[UNITS_MAX];
};

static void fail(const char *what)
{
	fprintf(stderr, "units: %s\n", what);
	abort();
}

/* Show the decoder only the first `shown` bytes, then more each time it asks, at most step at
 * once. */
static void decode_all(const uint8_t *data, size_t size, uint32_t frame_max, size_t step,
		       struct outcome *outcome)
{
	size_t shown = 0;

	outcome->n = outcome->consumed = 0;
	while (outcome->n < UNITS_MAX) {
		size_t needed = 0, available = shown - outcome->consumed;
		struct unit unit;

		outcome->end =
			unit_decode(data + outcome->consumed, available, frame_max, &unit, &needed);
		if (outcome->end == UNIT_NEED_MORE) {
			if (needed <= available || needed > UNIT_SIZE_MAX)
				fail("asks for what it has, or for more than any unit");
			if (shown == size)
				return;
			shown = MIN(size, shown + step);
			continue;
		}
		if (outcome->end != UNIT_OK)
			return;
		if (unit.body != data + outcome->consumed + UNIT_HEADER_SIZE ||
		    unit.length > available - UNIT_HEADER_SIZE)
			fail("a body outside of the buffer");
		outcome->units[outcome->n++] = unit;
		outcome->consumed += UNIT_HEADER_SIZE + unit.length;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct outcome whole, pieces;
	uint32_t frame_max;
	size_t step;

	if (size < 2)
		return 0;
	frame_max = 14 + data[0] * 256u;
	step = 1u + data[1] % 64;
	decode_all(data + 2, size - 2, frame_max, size, &whole);
	decode_all(data + 2, size - 2, frame_max, step, &pieces);
	if (whole.n != pieces.n || whole.consumed != pieces.consumed || whole.end != pieces.end)
		fail("a split changes what is read");
	for (size_t i = 0; i < whole.n; i++)
		if (whole.units[i].type != pieces.units[i].type ||
		    whole.units[i].body != pieces.units[i].body ||
		    whole.units[i].length != pieces.units[i].length)
			fail("a split changes a unit");
	return 0;
}
