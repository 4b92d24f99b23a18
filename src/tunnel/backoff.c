/* SPDX-License-Identifier: MIT */
/* The intervals between attempts. */
#include "tunnel/backoff.h"

#include "base/memory.h"

void backoff_reset(struct backoff *backoff)
{
	*backoff = (struct backoff){ 0 };
}

void backoff_lasted(struct backoff *backoff, uint64_t up_ns)
{
	if (up_ns >= BACKOFF_LASTING_S * UINT64_C(1000000000))
		backoff_reset(backoff);
}

/* base/2 … base: spread out who failed together, and never exceed what was promised. */
static uint32_t jitter_below(uint32_t base, uint32_t random)
{
	return base - (uint32_t)((uint64_t)random * (base / 2) >> 32);
}

uint32_t backoff_next_ms(struct backoff *backoff, enum backoff_class class, uint64_t now_ns,
			 uint32_t random)
{
	uint32_t limit = BACKOFF_SHORT_MAX_MS, base;

	if (!backoff->failures || backoff->class != class)
		*backoff = (struct backoff){ .first_ns = now_ns, .class = class };
	backoff->failures++;
	if (class != BACKOFF_LOST)
		return BACKOFF_REFUSED_MS +
		       (uint32_t)((uint64_t)random * (BACKOFF_REFUSED_MS / 2) >> 32);
	if (now_ns - backoff->first_ns > BACKOFF_PATIENCE_S * UINT64_C(1000000000))
		limit = BACKOFF_LONG_MAX_MS;
	base = (uint32_t)BACKOFF_FIRST_MS << MIN(backoff->failures - 1, 10U);
	return jitter_below(MIN(base, limit), random);
}
