/* SPDX-License-Identifier: MIT */
/*
 * An impaired link, one direction of it: packets in, the same packets out, later, or not, or not
 * the same. See longwire/impairment.h for what can be asked of it.
 *
 * Theory of operation. Pure: the time is what the caller says, chance is a generator seeded by the
 * caller, and nothing is allocated after impairment_new. A packet that enters
 *
 *   1. waits for the rate: the moment at which its last bit leaves is computed at once, in whole
 *      nanoseconds with the remainder carried on, so that no rounding adds up. Those that have not
 *      left yet are the queue; one that would exceed its bound is dropped (LINK_FULL), but for a
 *      lone packet, which is always let in;
 *   2. may be lost (LINK_LOST): what is lost has used the rate, as on a wire;
 *   3. may be doubled, which costs no rate: the network beyond makes the second;
 *   4. may have one bit flipped, and is given its delay, each copy for itself;
 *   5. is stored in one ring of IMPAIRMENT_STORE_BYTES (LINK_FULL when that has no room), in one of
 *      two lines by due time. Times in a line only grow: in the first because a packet is never due
 *      before the one ahead of it, in the second, of those that overtake, because they leave when
 *      the rate lets them. So nothing has to be sorted.
 *
 * Chance: xoshiro256** (Blackman, Vigna 2018), its state filled by splitmix64 from the seed and the
 * number of the stream, so that two directions with one seed do not repeat each other. Numbers are
 * drawn in a fixed order and only for what is asked for: the same settings, seed, packets and times
 * give the same faults on every machine. Deviations have mean 0: uniform in [-1, 1); normal as the
 * sum of twelve uniform ones less 6, which has the variance 1 and no value beyond ±6; Pareto of shape
 * 3 cut at ten times its least value, scaled to variance 1: from -0.69 to 12.1. With a correlation
 * c, a deviation is c times the one before plus sqrt(1 - c²) times a fresh one, which keeps mean and
 * variance. A delay below zero is none.
 */
#ifndef FLOW_IMPAIRMENT_H
#define FLOW_IMPAIRMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <longwire/impairment.h>
#include <longwire/packet.h>

struct impairment;
struct lw_error;

enum { IMPAIRMENT_STORE_BYTES = 64 * 1024 * 1024 }; /* mapped, and there when it is touched */

/* Whether these settings make sense; 0 or -EINVAL with the key and what is allowed. */
int impairment_check(const struct lw_impairment *settings, struct lw_error *ret_error);
/* settings have been checked. 0 or -ENOMEM. */
int impairment_new(const struct lw_impairment *settings, unsigned stream,
		   struct impairment **ret_impairment);
void impairment_free(struct impairment *impairment);
/* Other settings from the next packet on. What is on its way arrives as it would have; counters go
 * on; so does the generator, unless seed is given. */
void impairment_set(struct impairment *impairment, const struct lw_impairment *settings);
/* With the seed in use. */
const struct lw_impairment *impairment_settings(const struct impairment *impairment);

/* A packet without work left, and a mark that comes out with it and its copies. NONE: it was taken, or
 * LINK_LOST, LINK_FULL. */
enum lw_drop impairment_enter(struct impairment *impairment, const uint8_t *data, size_t length,
			      uint64_t mark, uint64_t now_ns);
/* One that has come through. */
struct impairment_packet {
	const uint8_t *data; /* until impairment_pop */
	size_t length;
	uint64_t mark;
};
/* Return: whether one is due at now_ns (UINT64_MAX: at any time); it stays until impairment_pop. */
bool impairment_next(struct impairment *impairment, uint64_t now_ns,
		     struct impairment_packet *ret_packet);
void impairment_pop(struct impairment *impairment);
/* When the next is due; UINT64_MAX: nothing waits. */
uint64_t impairment_due_ns(const struct impairment *impairment);

void impairment_counters(const struct impairment *impairment,
			 struct lw_impairment_counters *ret_counters);

#endif
