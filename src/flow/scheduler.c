/* SPDX-License-Identifier: MIT */
/* Fair queues over one ring of units. */
#include "flow/scheduler.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/memory.h"

enum {
	UNIT_MAX = LW_PACKET_MAX + 32, /* a frame with the headers of its unit */
	BYTES_MIN = 64 * 1024 + UNIT_MAX,
	BYTES_MAX = 64 * 1024 * 1024,
	ALIGNMENT = 32,
};

static const uint32_t none = UINT32_MAX;
static const uint64_t ns_per_ms = 1000000;

/* In the ring before each unit. */
struct node {
	uint64_t queued_ns;
	uint32_t span; /* bytes of the ring, this header and what is behind the unit included */
	uint32_t length;
	uint32_t next; /* offset of the next of its flow */
	bool is_free;  /* it has left; its room is taken back in order */
	uint8_t unit[];
};
static_assert(sizeof(struct node) <= ALIGNMENT, "a node fits into what is left at the end");

enum flow_place { FLOW_IDLE = 0, FLOW_NEW, FLOW_OLD };

struct flow {
	uint32_t head, tail; /* nodes; none: empty */
	uint32_t bytes;
	int32_t deficit;
	uint16_t next; /* in its list */
	uint8_t place;
	/* CoDel (RFC 8289) */
	bool is_dropping;
	uint32_t count;
	uint64_t first_above_ns, drop_next_ns;
};

struct flow_list {
	uint16_t first, last;
	bool is_used;
};

/* Everything that an idle peer does without: one mapping. */
struct field {
	struct flow flows[SCHEDULER_FLOWS];
	_Alignas(ALIGNMENT) uint8_t ring[];
};

struct scheduler {
	struct field *field; /* NULL until the first unit */
	size_t ring_size, bytes_max, bytes;
	uint32_t units, largest;
	uint32_t head, tail; /* offsets: oldest node, first free byte */
	bool is_full;        /* head == tail means full, not empty */
	uint32_t reserved;   /* the node that is being written */
	uint16_t reserved_flow;
	int32_t current; /* the flow whose unit scheduler_next() gave; -1: none */
	struct flow_list fresh, old;
	bool was_used;
	scheduler_dropped_fn *dropped;
	void *user;
};

int scheduler_new(size_t bytes_max, scheduler_dropped_fn *dropped, void *user,
		  struct scheduler **ret_scheduler)
{
	struct scheduler *scheduler;

	if (bytes_max < BYTES_MIN || bytes_max > BYTES_MAX)
		return -EINVAL;
	scheduler = calloc(1, sizeof(*scheduler));
	if (!scheduler)
		return -ENOMEM;
	scheduler->bytes_max = bytes_max;
	scheduler->ring_size = (bytes_max + bytes_max / 2 + UNIT_MAX) & ~(size_t)(ALIGNMENT - 1);
	scheduler->current = -1;
	scheduler->dropped = dropped;
	scheduler->user = user;
	*ret_scheduler = scheduler;
	return 0;
}

static size_t field_size(const struct scheduler *scheduler)
{
	return sizeof(struct field) + scheduler->ring_size;
}

void scheduler_free(struct scheduler *scheduler)
{
	if (!scheduler)
		return;
	memory_unmap(scheduler->field, field_size(scheduler));
	free(scheduler);
}

static void reset(struct scheduler *scheduler)
{
	scheduler->bytes = scheduler->units = scheduler->head = scheduler->tail = 0;
	scheduler->is_full = false;
	scheduler->current = -1;
	scheduler->fresh.is_used = scheduler->old.is_used = false;
	for (size_t i = 0; i < SCHEDULER_FLOWS; i++)
		scheduler->field->flows[i] = (struct flow){ .head = none, .tail = none };
}

static bool map(struct scheduler *scheduler)
{
	if (scheduler->field)
		return true;
	scheduler->field = memory_map(field_size(scheduler));
	if (scheduler->field)
		reset(scheduler);
	return scheduler->field;
}

/* ---- the ring */

static struct node *node_at(struct scheduler *scheduler, uint32_t offset)
{
	return (struct node *)(void *)(scheduler->field->ring + offset);
}

static bool ring_is_empty(const struct scheduler *scheduler)
{
	return scheduler->head == scheduler->tail && !scheduler->is_full;
}

static void advance_tail(struct scheduler *scheduler, uint32_t span)
{
	scheduler->tail += span;
	if (scheduler->tail == scheduler->ring_size)
		scheduler->tail = 0;
	scheduler->is_full = scheduler->tail == scheduler->head;
}

/* Contiguous room from the tail on; the end of the ring is filled up when a unit begins anew. */
static bool make_contiguous(struct scheduler *scheduler, uint32_t span)
{
	uint32_t size = (uint32_t)scheduler->ring_size, rest = size - scheduler->tail;

	if (ring_is_empty(scheduler))
		scheduler->head = scheduler->tail = 0;
	else if (scheduler->is_full)
		return false;
	else if (scheduler->tail < scheduler->head)
		return scheduler->head - scheduler->tail >= span;
	else if (rest < span && scheduler->head < span)
		return false;
	else if (rest < span) {
		*node_at(scheduler, scheduler->tail) =
			(struct node){ .span = rest, .is_free = true };
		advance_tail(scheduler, rest);
	}
	return true;
}

/* Take back the room of whatever has left, oldest first. */
static void reclaim(struct scheduler *scheduler)
{
	while (!ring_is_empty(scheduler)) {
		const struct node *oldest = node_at(scheduler, scheduler->head);

		if (!oldest->is_free)
			return;
		scheduler->head += oldest->span;
		if (scheduler->head == scheduler->ring_size)
			scheduler->head = 0;
		scheduler->is_full = false;
	}
}

/* ---- lists of flows */

static struct flow *flow_at(struct scheduler *scheduler, uint16_t index)
{
	return &scheduler->field->flows[index];
}

static void list_put(struct scheduler *scheduler, struct flow_list *list, uint16_t index,
		     enum flow_place place)
{
	if (list->is_used)
		flow_at(scheduler, list->last)->next = index;
	else
		list->first = index;
	list->last = index;
	list->is_used = true;
	flow_at(scheduler, index)->place = (uint8_t)place;
}

static uint16_t list_take(struct scheduler *scheduler, struct flow_list *list)
{
	uint16_t index = list->first;

	list->is_used = index != list->last;
	list->first = flow_at(scheduler, index)->next;
	return index;
}

/* ---- units of a flow */

/* The oldest unit of a flow leaves. */
static void flow_shift(struct scheduler *scheduler, struct flow *flow)
{
	struct node *node = node_at(scheduler, flow->head);

	flow->head = node->next;
	if (flow->head == none) {
		flow->tail = none;
		flow->first_above_ns = 0; /* who waits next begins to wait then */
	}
	flow->bytes -= node->length;
	scheduler->bytes -= node->length;
	scheduler->units--;
	node->is_free = true;
	reclaim(scheduler);
}

static void drop_oldest(struct scheduler *scheduler, struct flow *flow, enum lw_drop reason)
{
	const struct node *node = node_at(scheduler, flow->head);

	if (scheduler->dropped)
		scheduler->dropped(node->unit, node->length, reason, scheduler->user);
	flow_shift(scheduler, flow);
}

static uint16_t fattest(struct scheduler *scheduler)
{
	uint16_t best = 0;

	for (int i = 1; i < SCHEDULER_FLOWS; i++)
		if (flow_at(scheduler, i)->bytes > flow_at(scheduler, best)->bytes)
			best = (uint16_t)i;
	return best;
}

/* Return: whether length more bytes are within the bound, after the fattest flow has paid. */
static bool make_bytes(struct scheduler *scheduler, uint16_t index, size_t length)
{
	while (scheduler->bytes + length > scheduler->bytes_max) {
		uint16_t payer = fattest(scheduler);

		/* The newcomer's own flow pays with the newcomer; a unit that is being sealed stays. */
		if (payer == index || payer == scheduler->current)
			return false;
		drop_oldest(scheduler, flow_at(scheduler, payer), LW_DROP_QUEUE_FULL);
	}
	return true;
}

uint8_t *scheduler_reserve(struct scheduler *scheduler, uint32_t flow_hash, size_t length)
{
	uint16_t index = (uint16_t)(flow_hash % SCHEDULER_FLOWS);
	uint32_t span = (uint32_t)((sizeof(struct node) + length + ALIGNMENT - 1) &
				   ~(size_t)(ALIGNMENT - 1));

	if (length == 0 || length > UNIT_MAX || !map(scheduler) ||
	    !make_bytes(scheduler, index, length) || !make_contiguous(scheduler, span))
		return NULL;
	scheduler->reserved = scheduler->tail;
	scheduler->reserved_flow = index;
	*node_at(scheduler, scheduler->tail) = (struct node){
		.span = span,
		.length = (uint32_t)length,
		.next = none,
	};
	return node_at(scheduler, scheduler->tail)->unit;
}

void scheduler_commit(struct scheduler *scheduler, uint64_t now_ns)
{
	struct node *node = node_at(scheduler, scheduler->reserved);
	struct flow *flow = flow_at(scheduler, scheduler->reserved_flow);

	node->queued_ns = now_ns;
	advance_tail(scheduler, node->span);
	if (flow->tail == none)
		flow->head = scheduler->reserved;
	else
		node_at(scheduler, flow->tail)->next = scheduler->reserved;
	flow->tail = scheduler->reserved;
	flow->bytes += node->length;
	scheduler->bytes += node->length;
	scheduler->units++;
	scheduler->largest = MAX(scheduler->largest, node->length);
	scheduler->was_used = true;
	if (flow->place == FLOW_IDLE) {
		flow->deficit = SCHEDULER_QUANTUM;
		list_put(scheduler, &scheduler->fresh, scheduler->reserved_flow, FLOW_NEW);
	}
}

/* ---- CoDel */

static uint64_t control_law(uint64_t from_ns, uint32_t count)
{
	return from_ns + (uint64_t)(SCHEDULER_INTERVAL_MS * (double)ns_per_ms / sqrt(count));
}

/* Whether the oldest unit of the flow has been late for an interval. */
static bool is_late(struct scheduler *scheduler, struct flow *flow, uint64_t now_ns)
{
	const struct node *node;

	if (flow->head == none)
		return false;
	node = node_at(scheduler, flow->head);
	/* A flow with a single unit is never late: nothing would be won by dropping it. */
	if (now_ns - node->queued_ns < SCHEDULER_TARGET_MS * ns_per_ms ||
	    flow->bytes <= scheduler->largest) {
		flow->first_above_ns = 0;
		return false;
	}
	if (!flow->first_above_ns) {
		flow->first_above_ns = now_ns + SCHEDULER_INTERVAL_MS * ns_per_ms;
		return false;
	}
	return now_ns >= flow->first_above_ns;
}

/* RFC 8289, 5.5, on the head of the flow. */
static void drop_late(struct scheduler *scheduler, struct flow *flow, uint64_t now_ns)
{
	bool late = is_late(scheduler, flow, now_ns);

	if (!late) {
		flow->is_dropping = false;
	} else if (!flow->is_dropping) {
		bool is_soon = now_ns - flow->drop_next_ns < SCHEDULER_INTERVAL_MS * ns_per_ms;

		drop_oldest(scheduler, flow, LW_DROP_QUEUE_LATE);
		flow->is_dropping = true;
		flow->count = flow->count > 2 && is_soon ? flow->count - 2 : 1;
		flow->drop_next_ns = control_law(now_ns, flow->count);
	} else {
		while (late && now_ns >= flow->drop_next_ns) {
			drop_oldest(scheduler, flow, LW_DROP_QUEUE_LATE);
			flow->count++;
			flow->drop_next_ns = control_law(flow->drop_next_ns, flow->count);
			late = is_late(scheduler, flow, now_ns);
		}
	}
}

/* ---- turns */

/* The flow whose turn it is, or -1. RFC 8290, 4.2. */
static int32_t take_turn(struct scheduler *scheduler, uint64_t now_ns)
{
	while (scheduler->fresh.is_used || scheduler->old.is_used) {
		struct flow_list *list =
			scheduler->fresh.is_used ? &scheduler->fresh : &scheduler->old;
		uint16_t index = list->first;
		struct flow *flow = flow_at(scheduler, index);

		if (flow->deficit <= 0) {
			flow->deficit += SCHEDULER_QUANTUM;
			list_put(scheduler, &scheduler->old, list_take(scheduler, list), FLOW_OLD);
			continue;
		}
		drop_late(scheduler, flow, now_ns);
		if (flow->head != none)
			return index;
		(void)list_take(scheduler, list);
		/* A new flow that is empty waits behind the old ones once, lest it starve them. */
		if (list == &scheduler->fresh && scheduler->old.is_used)
			list_put(scheduler, &scheduler->old, index, FLOW_OLD);
		else
			flow->place = FLOW_IDLE;
	}
	return -1;
}

const uint8_t *scheduler_next(struct scheduler *scheduler, uint64_t now_ns, size_t *ret_length)
{
	const struct node *node;

	*ret_length = 0;
	if (!scheduler->units)
		return NULL;
	if (scheduler->current < 0)
		scheduler->current = take_turn(scheduler, now_ns);
	if (scheduler->current < 0)
		return NULL;
	node = node_at(scheduler, flow_at(scheduler, (uint16_t)scheduler->current)->head);
	*ret_length = node->length;
	return node->unit;
}

void scheduler_pop(struct scheduler *scheduler)
{
	struct flow *flow;

	if (scheduler->current < 0)
		return;
	flow = flow_at(scheduler, (uint16_t)scheduler->current);
	flow->deficit -= (int32_t)node_at(scheduler, flow->head)->length;
	flow_shift(scheduler, flow);
	scheduler->current = -1;
}

size_t scheduler_bytes(const struct scheduler *scheduler)
{
	return scheduler->bytes;
}

bool scheduler_is_empty(const struct scheduler *scheduler)
{
	return !scheduler->units;
}

uint32_t scheduler_clear(struct scheduler *scheduler)
{
	uint32_t units = scheduler->units;

	if (scheduler->field)
		reset(scheduler);
	return units;
}

void scheduler_trim(struct scheduler *scheduler)
{
	if (scheduler->was_used || scheduler->units) {
		scheduler->was_used = false;
		return;
	}
	memory_unmap(scheduler->field, field_size(scheduler));
	scheduler->field = NULL;
}
