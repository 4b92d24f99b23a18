/* SPDX-License-Identifier: MIT */
/*
 * The ports that a capture met, in whatever lane, under one number each.
 *
 * Used by the capture's thread alone. Names and counters are the lanes' own: a lane's table only
 * grows, and what is below its n_ports does not change but for the counters.
 */
#ifndef CAPTURE_BOOK_H
#define CAPTURE_BOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/lane.h"

struct format_statistics;

struct book_port {
	const struct lane_port *met; /* the first of that name */
	uint64_t written;            /* packets */
};

struct book {
	const struct lanes *lanes;
	struct book_port *ports;
	uint32_t n, size;
	uint16_t *map; /* of each lane and its ports: number + 1 */
};

/* 0 or -ENOMEM. */
int book_init(struct book *book, const struct lanes *lanes);
void book_done(struct book *book);
/* Return: the number of a lane's port, or -ENOMEM. */
int32_t book_find(struct book *book, size_t lane, uint16_t port);
/* Meet the ports that were seen and gave no packet. */
void book_find_all(struct book *book);
/* Sum up over the lanes. */
struct format_statistics book_count(const struct book *book, uint32_t number);

#endif
