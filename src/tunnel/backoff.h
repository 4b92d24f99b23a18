/* SPDX-License-Identifier: MIT */
/*
 * When to try again: a pure function of what happened, how long ago it began, and a random number.
 *
 *   lost, unreachable, reset, hub shutting down   0.1 … 0.2 s at first, doubling to at most 2 s
 *                                                 apart for ten minutes, then to at most 30 s
 *   refused (not admitted, wrong version)         30 … 45 s
 *   replaced (the same identity elsewhere)        30 … 45 s
 */
#ifndef TUNNEL_BACKOFF_H
#define TUNNEL_BACKOFF_H

#include <stdint.h>

enum backoff_class { BACKOFF_LOST = 0, BACKOFF_REFUSED = 1, BACKOFF_REPLACED = 2 };

struct backoff {
	uint32_t failures; /* in a row, of the class below */
	uint64_t first_ns; /* of this row */
	enum backoff_class class;
};

enum {
	BACKOFF_FIRST_MS = 200,
	BACKOFF_SHORT_MAX_MS = 2000,
	BACKOFF_LONG_MAX_MS = 30000,
	BACKOFF_REFUSED_MS = 30000,
	BACKOFF_PATIENCE_S = 600,
	BACKOFF_LASTING_S = 10, /* a session that was worth it */
};

/* A new row. */
void backoff_reset(struct backoff *backoff);
/* A session that was up has ended. Where it lasted, the next failure is the first of a row; a hub
 * that admits and at once says goodbye is no better than one that is away. */
void backoff_lasted(struct backoff *backoff, uint64_t up_ns);
/* A failure at now_ns; random: any 32 bits. Return: milliseconds until the next attempt. */
uint32_t backoff_next_ms(struct backoff *backoff, enum backoff_class class, uint64_t now_ns,
			 uint32_t random);

#endif
