/* SPDX-License-Identifier: MIT */
/* A capture from within: what capture.c makes and point.c feeds. */
#ifndef CAPTURE_CAPTURE_H
#define CAPTURE_CAPTURE_H

#include <stdint.h>

#include <longwire/capture.h>

struct lw_capture_set;
struct filter;
struct lw_packet;
struct savefile;

struct lw_capture {
	struct lw_capture_set *set; /* NULL: attached nowhere */
	unsigned points;
	enum lw_layer layer;
	struct filter *filter; /* NULL: everything */
	struct savefile *savefile;
	uint64_t matched;
};

/* Filter and write. A packet of the other layer, for which the file has no link type, is not
 * seen. */
void capture_take(struct lw_capture *capture, const struct lw_packet *packet);

#endif
