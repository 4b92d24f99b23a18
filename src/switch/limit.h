/* SPDX-License-Identifier: MIT */
/* Token buckets, exact: credit is counted in nanoseconds times rate, so that no rate is rounded. */
#ifndef SWITCH_LIMIT_H
#define SWITCH_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct token_bucket;

/* A full bucket: burst_seconds (≤ 2) of rate. */
void limit_fill(struct token_bucket *bucket, uint32_t per_second, uint32_t burst_seconds);
/* Take one token. false: none left. A now_ns before the last one adds nothing. */
bool limit_take(struct token_bucket *bucket, uint32_t per_second, uint32_t burst_seconds,
		uint64_t now_ns);

#endif
