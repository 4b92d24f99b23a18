/* SPDX-License-Identifier: MIT */
/* The queue, the chances and the two lines of an impaired link. */
#include "flow/impairment.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/random.h"

#define NOWHERE UINT32_MAX

/* In the store, before its packet. */
struct stored {
	uint64_t due_ns;
	uint64_t mark;
	uint32_t length, size; /* of the packet; of all of it in the store */
	uint32_t next;         /* in its line */
	bool is_gone;
};

struct line {
	uint32_t first, last; /* in the store, or NOWHERE */
};

/* A packet that waits for the rate: when its last bit leaves. */
struct departure {
	uint64_t at_ns;
	uint32_t length;
};

struct impairment {
	struct lw_impairment settings;
	unsigned stream;
	uint64_t random[4];
	struct lw_impairment_counters counters;

	/* The rate and its queue: a ring. */
	struct departure *departures;
	uint32_t first_departure, n_departures, queued_bytes;
	uint64_t free_ns, remainder; /* when the last of them leaves; of the division by rate */

	/* The medium. */
	bool is_burst;
	double deviation;    /* the last one */
	double keep, renew;  /* correlation, and what makes up for it */
	uint32_t since_jump; /* packets since the last that overtook */
	uint64_t last_due_ns;

	/* Packets: a ring, used from head to tail, or from head to end and from 0 to tail. */
	uint8_t *store;
	uint32_t head, tail, end;
	bool is_wrapped;
	uint32_t n_stored; /* also those that are gone and not yet passed by head */
	struct line ordered, jumping;
};

/* ---- Chance */

static uint64_t rotate(uint64_t value, int bits)
{
	return value << bits | value >> (64 - bits);
}

static uint64_t draw(struct impairment *impairment)
{
	uint64_t *s = impairment->random, result = rotate(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

static void plant(struct impairment *impairment, uint64_t seed)
{
	static const uint64_t golden = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t x = seed + impairment->stream * UINT64_C(0xd1342543de82ef95);

	for (size_t i = 0; i < ARRAY_SIZE(impairment->random); i++) {
		uint64_t z = x += golden;

		z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
		z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
		impairment->random[i] = z ^ z >> 31;
	}
	impairment->is_burst = false;
	impairment->deviation = 0;
	impairment->since_jump = 0;
}

/* Uniform in [0, 1). */
static double draw_unit(struct impairment *impairment)
{
	return (double)(draw(impairment) >> 11) * 0x1p-53;
}

/* Nothing is drawn for what never or always happens. */
static bool happens(struct impairment *impairment, uint32_t ppm)
{
	if (ppm == 0 || ppm >= LW_PPM_ALL)
		return ppm > 0;
	return (draw(impairment) >> 32) * LW_PPM_ALL >> 32 < ppm;
}

static double draw_normal(struct impairment *impairment)
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += draw_unit(impairment);
	return sum;
}

/*
 * P = (1 - kU)^(-1/3) with k = 1 - 10^-3 is Pareto of shape 3 between 1 and 10; its mean is
 * 3/2 (1 - 10^-2) / k, that of its square 3 (1 - 10^-1) / k.
 */
static double draw_pareto(struct impairment *impairment)
{
	static const double k = 0.999, mean = 1.485 / 0.999, square = 2.7 / 0.999;
	double v = 1 - k * draw_unit(impairment), root = (v + 2) / 3;

	/* The cube root by Newton's rule: libm's may differ in its last bit between machines. */
	for (int i = 0; i < 12; i++)
		root -= (root - v / (root * root)) / 3;
	return (1 / root - mean) / sqrt(square - mean * mean);
}

static double draw_deviation(struct impairment *impairment)
{
	double fresh;

	switch (impairment->settings.distribution) {
	case LW_DISTRIBUTION_NORMAL:
		fresh = draw_normal(impairment);
		break;
	case LW_DISTRIBUTION_PARETO:
		fresh = draw_pareto(impairment);
		break;
	case LW_DISTRIBUTION_UNIFORM:
	default:
		fresh = 2 * draw_unit(impairment) - 1;
		break;
	}
	impairment->deviation =
		impairment->keep * impairment->deviation + impairment->renew * fresh;
	return impairment->deviation;
}

static uint64_t draw_delay_ns(struct impairment *impairment)
{
	const struct lw_impairment *settings = &impairment->settings;
	double ns = settings->delay_us * 1e3;

	if (settings->jitter_us)
		ns += settings->jitter_us * 1e3 * draw_deviation(impairment);
	return ns > 0 ? (uint64_t)ns : 0;
}

/* Gilbert-Elliott, or one state of it. */
static bool is_lost(struct impairment *impairment)
{
	const struct lw_impairment *settings = &impairment->settings;

	if (!settings->burst)
		return happens(impairment, settings->loss);
	impairment->is_burst = impairment->is_burst ? !happens(impairment, settings->burst_end)
						    : happens(impairment, settings->burst);
	return happens(impairment, impairment->is_burst ? settings->burst_loss : settings->loss);
}

/* ---- The store */

static struct stored *stored_at(const struct impairment *impairment, uint32_t at)
{
	return (struct stored *)(void *)(impairment->store + at);
}

/* Return: where size bytes are free in one piece, or NOWHERE. */
static uint32_t find_room(struct impairment *impairment, uint32_t size)
{
	if (impairment->n_stored == 0) {
		impairment->head = impairment->tail = 0;
		impairment->is_wrapped = false;
	}
	if (impairment->is_wrapped)
		return impairment->head - impairment->tail >= size ? impairment->tail : NOWHERE;
	if (IMPAIRMENT_STORE_BYTES - impairment->tail >= size)
		return impairment->tail;
	if (impairment->head < size)
		return NOWHERE;
	impairment->end = impairment->tail;
	impairment->is_wrapped = true;
	return 0;
}

static struct stored *store(struct impairment *impairment, const uint8_t *data, size_t length,
			    uint64_t mark)
{
	uint32_t size = (uint32_t)(sizeof(struct stored) + length + 7) & ~7u;
	uint32_t at = find_room(impairment, size);
	struct stored *stored;

	if (at == NOWHERE)
		return NULL;
	stored = stored_at(impairment, at);
	*stored = (struct stored){
		.mark = mark, .length = (uint32_t)length, .size = size, .next = NOWHERE
	};
	memcpy(stored + 1, data, length);
	impairment->tail = at + size;
	impairment->n_stored++;
	impairment->counters.waiting_packets++;
	impairment->counters.waiting_bytes += (uint32_t)length;
	return stored;
}

/* Room is free again when everything before it has left. */
static void pass_gone(struct impairment *impairment)
{
	while (impairment->n_stored > 0) {
		if (impairment->is_wrapped && impairment->head == impairment->end) {
			impairment->head = 0;
			impairment->is_wrapped = false;
		}
		if (!stored_at(impairment, impairment->head)->is_gone)
			return;
		impairment->head += stored_at(impairment, impairment->head)->size;
		impairment->n_stored--;
	}
}

static void stand_in_line(struct impairment *impairment, struct line *line, struct stored *stored)
{
	uint32_t at = (uint32_t)((uint8_t *)stored - impairment->store);

	if (line->first == NOWHERE)
		line->first = at;
	else
		stored_at(impairment, line->last)->next = at;
	line->last = at;
}

/* ---- The rate */

static void let_depart(struct impairment *impairment, uint64_t now_ns)
{
	while (impairment->n_departures > 0) {
		const struct departure *first =
			&impairment->departures[impairment->first_departure];

		if (first->at_ns > now_ns)
			return;
		impairment->queued_bytes -= first->length;
		impairment->first_departure =
			(impairment->first_departure + 1) % LW_IMPAIRMENT_QUEUE_PACKETS_MAX;
		impairment->n_departures--;
	}
	if (impairment->free_ns < now_ns)
		impairment->remainder = 0; /* it was idle: nothing adds up across that */
}

static bool is_queue_full(const struct impairment *impairment, size_t length)
{
	const struct lw_impairment *settings = &impairment->settings;

	if (impairment->n_departures == 0)
		return false;
	if (impairment->n_departures >= LW_IMPAIRMENT_QUEUE_PACKETS_MAX)
		return true;
	return (settings->queue_packets && impairment->n_departures >= settings->queue_packets) ||
	       (settings->queue_bytes && impairment->queued_bytes + length > settings->queue_bytes);
}

/* When its last bit leaves; it is in the queue until then. */
static uint64_t depart(struct impairment *impairment, size_t length, uint64_t now_ns)
{
	uint64_t rate = impairment->settings.rate;
	uint64_t bits_ns = length * UINT64_C(8000000000) + impairment->remainder;
	uint32_t slot = (impairment->first_departure + impairment->n_departures) %
			LW_IMPAIRMENT_QUEUE_PACKETS_MAX;

	impairment->free_ns = MAX(impairment->free_ns, now_ns) + bits_ns / rate;
	impairment->remainder = bits_ns % rate;
	impairment->departures[slot] =
		(struct departure){ .at_ns = impairment->free_ns, .length = (uint32_t)length };
	impairment->n_departures++;
	impairment->queued_bytes += (uint32_t)length;
	return impairment->free_ns;
}

/* ---- The medium */

static void corrupt(struct impairment *impairment, struct stored *stored)
{
	uint64_t bit;

	if (!happens(impairment, impairment->settings.corrupt))
		return;
	bit = (uint64_t)((draw(impairment) >> 32) * stored->length * 8 >> 32);
	((uint8_t *)(stored + 1))[bit / 8] ^= (uint8_t)(1u << bit % 8);
	impairment->counters.corrupted++;
}

static bool jumps(struct impairment *impairment)
{
	const struct lw_impairment *settings = &impairment->settings;

	if (!settings->reorder || ++impairment->since_jump < settings->reorder_gap ||
	    !happens(impairment, settings->reorder))
		return false;
	impairment->since_jump = 0;
	return true;
}

/* Send one copy on its way. Return: false, without room for it. */
static bool launch(struct impairment *impairment, const uint8_t *data, size_t length, uint64_t mark,
		   uint64_t leaves_ns)
{
	struct stored *stored = store(impairment, data, length, mark);
	uint64_t due_ns;

	if (!stored)
		return false;
	corrupt(impairment, stored);
	if (jumps(impairment)) {
		stored->due_ns = leaves_ns;
		impairment->counters.reordered +=
			impairment->ordered.first != NOWHERE && impairment->last_due_ns > leaves_ns;
		stand_in_line(impairment, &impairment->jumping, stored);
		return true;
	}
	due_ns = leaves_ns + draw_delay_ns(impairment);
	impairment->last_due_ns = MAX(impairment->last_due_ns, due_ns);
	stored->due_ns = impairment->last_due_ns;
	stand_in_line(impairment, &impairment->ordered, stored);
	return true;
}

enum lw_drop impairment_enter(struct impairment *impairment, const uint8_t *data, size_t length,
			      uint64_t mark, uint64_t now_ns)
{
	uint64_t leaves_ns = now_ns;

	let_depart(impairment, now_ns);
	if (impairment->settings.rate) {
		if (is_queue_full(impairment, length)) {
			impairment->counters.full++;
			return LW_DROP_LINK_FULL;
		}
		leaves_ns = depart(impairment, length, now_ns);
	}
	if (is_lost(impairment)) {
		impairment->counters.lost++;
		return LW_DROP_LINK_LOST;
	}
	if (!launch(impairment, data, length, mark, leaves_ns)) {
		impairment->counters.full++;
		return LW_DROP_LINK_FULL;
	}
	if (happens(impairment, impairment->settings.duplicate))
		impairment->counters.duplicated +=
			launch(impairment, data, length, mark, leaves_ns);
	return LW_DROP_NONE;
}

/* ---- The other end */

/* The line whose first is due first; at the same time nobody overtakes. */
static struct line *next_line(struct impairment *impairment)
{
	if (impairment->jumping.first == NOWHERE)
		return &impairment->ordered;
	if (impairment->ordered.first == NOWHERE ||
	    stored_at(impairment, impairment->jumping.first)->due_ns <
		    stored_at(impairment, impairment->ordered.first)->due_ns)
		return &impairment->jumping;
	return &impairment->ordered;
}

uint64_t impairment_due_ns(const struct impairment *impairment)
{
	uint64_t due_ns = UINT64_MAX;

	if (impairment->ordered.first != NOWHERE)
		due_ns = stored_at(impairment, impairment->ordered.first)->due_ns;
	if (impairment->jumping.first != NOWHERE)
		due_ns = MIN(due_ns, stored_at(impairment, impairment->jumping.first)->due_ns);
	return due_ns;
}

bool impairment_next(struct impairment *impairment, uint64_t now_ns,
		     struct impairment_packet *ret_packet)
{
	const struct line *line = next_line(impairment);
	struct stored *stored;

	if (line->first == NOWHERE)
		return false;
	stored = stored_at(impairment, line->first);
	if (stored->due_ns > now_ns)
		return false;
	*ret_packet = (struct impairment_packet){ .data = (const uint8_t *)(stored + 1),
						  .length = stored->length,
						  .mark = stored->mark };
	return true;
}

void impairment_pop(struct impairment *impairment)
{
	struct line *line = next_line(impairment);
	struct stored *stored = stored_at(impairment, line->first);

	line->first = stored->next;
	stored->is_gone = true;
	impairment->counters.waiting_packets--;
	impairment->counters.waiting_bytes -= stored->length;
	impairment->counters.passed_packets++;
	impairment->counters.passed_bytes += stored->length;
	pass_gone(impairment);
}

void impairment_counters(const struct impairment *impairment,
			 struct lw_impairment_counters *ret_counters)
{
	*ret_counters = impairment->counters;
	ret_counters->size = sizeof(*ret_counters);
}

/* ---- Making */

void impairment_set(struct impairment *impairment, const struct lw_impairment *settings)
{
	uint64_t seed = impairment->settings.seed;
	double keep = settings->correlation / (double)LW_PPM_ALL;

	impairment->settings = *settings;
	if (!settings->burst_loss)
		impairment->settings.burst_loss = LW_PPM_ALL;
	if (settings->rate && !settings->queue_bytes && !settings->queue_packets)
		impairment->settings.queue_packets = LW_IMPAIRMENT_QUEUE_PACKETS;
	if (!settings->rate)
		impairment->free_ns = impairment->remainder = 0;
	impairment->keep = keep;
	impairment->renew = sqrt(1 - keep * keep);
	if (settings->seed)
		plant(impairment, settings->seed);
	else
		impairment->settings.seed = seed;
}

int impairment_new(const struct lw_impairment *settings, unsigned stream,
		   struct impairment **ret_impairment)
{
	struct impairment *impairment = calloc(1, sizeof(*impairment));

	if (!impairment)
		return -ENOMEM;
	impairment->stream = stream;
	impairment->ordered.first = impairment->jumping.first = NOWHERE;
	impairment->store = memory_map(IMPAIRMENT_STORE_BYTES);
	impairment->departures =
		memory_map(LW_IMPAIRMENT_QUEUE_PACKETS_MAX * sizeof(*impairment->departures));
	if (!impairment->store || !impairment->departures) {
		impairment_free(impairment);
		return -ENOMEM;
	}
	/* 1 to 999999: to be read, and typed again. */
	impairment->settings.seed = random_below(999999) + 1;
	plant(impairment, impairment->settings.seed);
	impairment_set(impairment, settings);
	*ret_impairment = impairment;
	return 0;
}

void impairment_free(struct impairment *impairment)
{
	if (!impairment)
		return;
	memory_unmap(impairment->store, IMPAIRMENT_STORE_BYTES);
	memory_unmap(impairment->departures,
		     LW_IMPAIRMENT_QUEUE_PACKETS_MAX * sizeof(*impairment->departures));
	free(impairment);
}

const struct lw_impairment *impairment_settings(const struct impairment *impairment)
{
	return &impairment->settings;
}
