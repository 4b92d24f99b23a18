/* SPDX-License-Identifier: MIT */
/* Token buckets. */
#include "switch/limit.h"

#include "base/memory.h"
#include "switch/vswitch.h"

static const uint64_t second_ns = 1000000000;

/* burst ≤ 2 s times a rate of 32 bits is below 2^63, so that twice of it can still be added. */
static uint64_t full(uint32_t per_second, uint32_t burst_seconds)
{
	return burst_seconds * second_ns * per_second;
}

void limit_fill(struct token_bucket *bucket, uint32_t per_second, uint32_t burst_seconds)
{
	*bucket = (struct token_bucket){ .tokens_ns = full(per_second, burst_seconds) };
}

bool limit_take(struct token_bucket *bucket, uint32_t per_second, uint32_t burst_seconds,
		uint64_t now_ns)
{
	uint64_t burst = full(per_second, burst_seconds);

	if (now_ns > bucket->last_ns) {
		uint64_t elapsed = MIN(now_ns - bucket->last_ns, burst_seconds * second_ns);

		bucket->tokens_ns += elapsed * per_second;
		bucket->last_ns = now_ns;
	}
	bucket->tokens_ns = MIN(bucket->tokens_ns, burst);
	if (bucket->tokens_ns < second_ns)
		return false;
	bucket->tokens_ns -= second_ns;
	return true;
}
