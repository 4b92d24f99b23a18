/* SPDX-License-Identifier: MIT */
/* Lanes: rings of records between the path and a capture's thread. */
#include "capture/lane.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"

enum { SLOTS = 2 * LANE_PORTS, ALIGNMENT = 8 };

static size_t tables_size(void)
{
	return LANE_PORTS * sizeof(struct lane_port) + SLOTS * sizeof(uint16_t);
}

int lanes_init(struct lanes *lanes, size_t size)
{
	size_t each = size + tables_size();
	uint8_t *memory = memory_map(LANES * each);

	if (!memory)
		return -ENOMEM;
	lanes->memory = memory;
	lanes->memory_size = LANES * each;
	for (size_t i = 0; i < LANES; i++, memory += each) {
		struct lane *lane = &lanes->lane[i];

		lane->data = memory;
		lane->size = size;
		lane->ports = (struct lane_port *)(void *)(memory + size);
		lane->slots = (uint16_t *)(void *)(lane->ports + LANE_PORTS);
	}
	return 0;
}

void lanes_done(struct lanes *lanes)
{
	memory_unmap(lanes->memory, lanes->memory_size);
	lanes->memory = NULL;
}

/* ---- The path */

/* Threads are numbered as they come. */
static unsigned thread_number(void)
{
	static atomic_uint next;
	static _Thread_local unsigned number; /* from 1 */

	if (unlikely(number == 0))
		number = atomic_fetch_add_explicit(&next, 1, memory_order_relaxed) + 1;
	return number;
}

struct lane *lanes_enter(struct lanes *lanes)
{
	unsigned number = thread_number();

	for (unsigned i = 0; i < LANES; i++) {
		struct lane *lane = &lanes->lane[(number + i) % LANES];

		if (!atomic_exchange_explicit(&lane->is_held, true, memory_order_acquire))
			return lane;
	}
	return NULL;
}

void lane_leave(struct lane *lane)
{
	atomic_store_explicit(&lane->is_held, false, memory_order_release);
}

static uint32_t hash_name(const char *name)
{
	uint32_t hash = 2166136261U; /* FNV-1a: the names are the administrator's */

	for (; *name; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619U;
	return hash;
}

static void add_port(struct lane *lane, uint16_t index, const char *name, bool is_device,
		     void (*choose)(struct lane_port *port, const void *user), const void *user)
{
	struct lane_port *port = &lane->ports[index];

	memcpy(port->name, name, strlen(name));
	port->is_device = is_device;
	choose(port, user);
	/* The consumer, which reads names, sees this or less. */
	atomic_store_explicit(&lane->n_ports, index + 1U, memory_order_release);
}

struct lane_port *lane_port(struct lane *lane, const char *name, bool is_device,
			    void (*choose)(struct lane_port *port, const void *user),
			    const void *user)
{
	uint32_t n = atomic_load_explicit(&lane->n_ports, memory_order_relaxed);
	uint32_t slot;

	if (unlikely(n == 0)) {
		add_port(lane, 0, "", false, choose, user);
		n = 1;
	}
	if (!name || !*name || strlen(name) >= LANE_NAME_SIZE)
		return &lane->ports[0];
	for (slot = hash_name(name) % SLOTS; lane->slots[slot]; slot = (slot + 1) % SLOTS) {
		struct lane_port *port = &lane->ports[lane->slots[slot]];

		if (port->is_device == is_device && strcmp(port->name, name) == 0)
			return port;
	}
	if (n == LANE_PORTS)
		return &lane->ports[0];
	add_port(lane, (uint16_t)n, name, is_device, choose, user);
	lane->slots[slot] = (uint16_t)n;
	return &lane->ports[n];
}

struct lane_record *lane_reserve(struct lane *lane, uint32_t kept)
{
	size_t size =
		(sizeof(struct lane_record) + kept + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
	uint64_t tail = atomic_load_explicit(&lane->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&lane->head, memory_order_acquire);
	size_t at = tail & (lane->size - 1);
	size_t to_end = lane->size - at;
	size_t skipped = size > to_end ? to_end : 0;
	struct lane_record *record;

	if (size + skipped > lane->size - (tail - head))
		return NULL;
	if (skipped) {
		/* Anything shorter than a header is skipped without a word. */
		if (to_end >= sizeof(*record)) {
			record = (struct lane_record *)(void *)(lane->data + at);
			record->flags = LANE_IS_SKIP;
		}
		atomic_store_explicit(&lane->tail, tail + skipped, memory_order_release);
		at = 0;
	}
	record = (struct lane_record *)(void *)(lane->data + at);
	record->size = (uint32_t)size;
	record->kept = kept;
	record->flags = 0;
	record->from = 0;
	return record;
}

void lane_commit(struct lane *lane, const struct lane_record *record)
{
	uint64_t tail = atomic_load_explicit(&lane->tail, memory_order_relaxed);

	/* In one order with the consumer's falling asleep (see thread.c). */
	atomic_store_explicit(&lane->tail, tail + record->size, memory_order_seq_cst);
}

bool lane_is_crowded(const struct lane *lane)
{
	return atomic_load_explicit(&lane->tail, memory_order_relaxed) -
		       atomic_load_explicit(&lane->head, memory_order_relaxed) >
	       lane->size / 2;
}

/* ---- The consumer */

const struct lane_record *lane_peek(struct lane *lane)
{
	while (true) {
		uint64_t head = atomic_load_explicit(&lane->head, memory_order_relaxed);
		size_t at = head & (lane->size - 1);
		size_t to_end = lane->size - at;
		const struct lane_record *record = (const void *)(lane->data + at);

		if (head == atomic_load_explicit(&lane->tail, memory_order_seq_cst))
			return NULL;
		if (to_end >= sizeof(*record) && !(record->flags & LANE_IS_SKIP))
			return record;
		atomic_store_explicit(&lane->head, head + to_end, memory_order_release);
	}
}

void lane_release(struct lane *lane, const struct lane_record *record)
{
	uint64_t head = atomic_load_explicit(&lane->head, memory_order_relaxed);

	atomic_store_explicit(&lane->head, head + record->size, memory_order_release);
}

bool lanes_are_empty(struct lanes *lanes)
{
	for (size_t i = 0; i < LANES; i++)
		if (lane_peek(&lanes->lane[i]))
			return false;
	return true;
}
