/* SPDX-License-Identifier: MIT */
/*
 * Capture points: where the path shows its packets. Off costs one predictable branch.
 *
 * A capture_set belongs to a switch (or to a flow that has none) and lists the captures attached to
 * it. The path calls capture_see() with the point, the packet, and what is known of it; each
 * capture filters, cuts and writes for itself.
 */
#ifndef CAPTURE_POINT_H
#define CAPTURE_POINT_H

#include <stddef.h>
#include <stdint.h>

#include <longwire/capture.h>
#include <longwire/packet.h>

#include "base/list.h"
#include "base/memory.h"

struct lw_capture;

enum { CAPTURE_SET_MAX = 16 };

struct lw_capture_set {
	unsigned points; /* or-ed over all that are attached: the branch */
	struct lw_capture *captures[CAPTURE_SET_MAX];
	size_t n;
};

/* Who and why, for the writers that can say it. port may be NULL. */
struct capture_context {
	const char *port; /* name of the port or device */
	enum lw_drop reason;
};

/* 0, -ENOSPC when CAPTURE_SET_MAX are attached, -EBUSY if the capture is attached somewhere
 * already. */
int capture_attach(struct lw_capture_set *set, struct lw_capture *capture);
void capture_detach(struct lw_capture *capture);
/* Detach all: before the set goes. */
void capture_set_clear(struct lw_capture_set *set);

void capture_write(struct lw_capture_set *set, enum lw_capture_point point,
		   const struct lw_packet *packet, const struct capture_context *context);

/* set may be NULL. */
static inline void capture_see(struct lw_capture_set *set, enum lw_capture_point point,
			       const struct lw_packet *packet,
			       const struct capture_context *context)
{
	if (set && unlikely(set->points & point))
		capture_write(set, point, packet, context);
}

#endif
