/* SPDX-License-Identifier: MIT */
/* The ports that a capture met. */
#include "capture/book.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "capture/format.h"

enum { MAP_SIZE = sizeof(uint16_t) * LANES * LANE_PORTS, STEP = 16, BOOK_PORTS = UINT16_MAX - 1 };

int book_init(struct book *book, const struct lanes *lanes)
{
	*book = (struct book){ .lanes = lanes, .map = memory_map(MAP_SIZE) };
	return book->map ? 0 : -ENOMEM;
}

void book_done(struct book *book)
{
	memory_unmap(book->map, MAP_SIZE);
	free(book->ports);
	*book = (struct book){ .map = NULL };
}

static int32_t add_port(struct book *book, const struct lane_port *met)
{
	if (book->n == BOOK_PORTS)
		return -ENOMEM;
	if (book->n == book->size) {
		struct book_port *ports =
			realloc(book->ports, (book->size + STEP) * sizeof(*ports));

		if (!ports)
			return -ENOMEM;
		book->ports = ports;
		book->size += STEP;
	}
	book->ports[book->n] = (struct book_port){ .met = met };
	return (int32_t)book->n++;
}

static int32_t find_name(struct book *book, const struct lane_port *met)
{
	for (uint32_t i = 0; i < book->n; i++)
		if (book->ports[i].met->is_device == met->is_device &&
		    strcmp(book->ports[i].met->name, met->name) == 0)
			return (int32_t)i;
	return add_port(book, met);
}

int32_t book_find(struct book *book, size_t lane, uint16_t port)
{
	uint16_t *known = &book->map[lane * LANE_PORTS + port];
	int32_t number;

	if (*known)
		return *known - 1;
	number = find_name(book, &book->lanes->lane[lane].ports[port]);
	if (number >= 0)
		*known = (uint16_t)(number + 1);
	return number;
}

void book_find_all(struct book *book)
{
	for (size_t i = 0; i < LANES; i++) {
		const struct lane *lane = &book->lanes->lane[i];
		unsigned n = atomic_load_explicit(&lane->n_ports, memory_order_acquire);

		for (unsigned k = 0; k < n; k++)
			if (atomic_load(&lane->ports[k].seen))
				(void)book_find(book, i, (uint16_t)k);
	}
}

struct format_statistics book_count(const struct book *book, uint32_t number)
{
	struct format_statistics sum = { .written = book->ports[number].written };

	for (size_t i = 0; i < LANES; i++) {
		const struct lane *lane = &book->lanes->lane[i];
		unsigned n = atomic_load_explicit(&lane->n_ports, memory_order_acquire);

		for (unsigned k = 0; k < n; k++) {
			if (book->map[i * LANE_PORTS + k] != number + 1)
				continue;
			sum.seen += atomic_load(&lane->ports[k].seen);
			sum.matched += atomic_load(&lane->ports[k].matched);
			sum.dropped += atomic_load(&lane->ports[k].dropped);
		}
	}
	return sum;
}
