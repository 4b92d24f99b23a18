/* SPDX-License-Identifier: MIT */
/*
 * Capture points: where the path shows its packets. Off costs one predictable branch.
 *
 * A capture_set belongs to a hub or a tunnel and lists the captures attached to it. The path calls
 * capture_see() with the point, the packet, and what is known of it, from as many threads as carry
 * packets; each capture selects, filters, cuts and copies for itself.
 *
 * One thread attaches and detaches, meanwhile. A slot counts the threads that are in its capture:
 * who finds the slot empty leaves at once, so that detaching, which empties the slot first, waits
 * for those few only, each for the time that copying a packet takes.
 *
 * Where a packet leaves, a capture also says where it came in and whether it was flooded; at any
 * point, whether it is of a replay. The switch notes that for its thread, once a batch and around
 * what it floods, whether or not anybody captures; egress points further down, which know nothing of
 * a switch, are told by nobody else. What waits in a link with faults or is handed to another worker
 * has a mark with it, by which it is noted again (switch/vswitch.h). Nothing is noted, and nothing
 * said, of what the switch made itself.
 */
#ifndef CAPTURE_POINT_H
#define CAPTURE_POINT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <longwire/capture.h>
#include <longwire/packet.h>

#include "base/list.h"
#include "base/memory.h"

struct lw_capture;

enum { CAPTURE_SET_MAX = 32 };

struct lw_capture_set {
	atomic_uint points; /* or-ed over all that are attached: the branch */
	atomic_uint n;      /* slots in use are below it */
	struct capture_slot {
		_Atomic(struct lw_capture *) capture; /* NULL: free */
		atomic_uint users;                    /* threads that are in it */
	} slots[CAPTURE_SET_MAX];
};

/* Who and why, for the formats that can say it. port may be NULL. */
struct capture_context {
	const char *port; /* name of the port or device */
	enum lw_drop reason;
	bool is_device; /* the port is this machine's own */
};

/* Of the packets that this thread gives out just now. */
struct capture_origin {
	const char *port; /* borrowed; NULL: unknown */
	bool is_device;   /* as in a context */
	bool is_flooded;  /* else the way was known */
	bool is_replayed; /* also without a port */
	uint64_t place;   /* the port, in the switch's own words */
};

extern _Thread_local struct capture_origin capture_origin;

/* Return: what was noted before. */
static inline struct capture_origin capture_set_origin(struct capture_origin origin)
{
	struct capture_origin before = capture_origin;

	capture_origin = origin;
	return before;
}

/* 0, -ENOSPC when CAPTURE_SET_MAX are attached, -EBUSY if the capture is attached somewhere
 * already. */
int capture_attach(struct lw_capture_set *set, struct lw_capture *capture);
/* Detach all: before the set goes. */
void capture_set_clear(struct lw_capture_set *set);

void capture_write(struct lw_capture_set *set, enum lw_capture_point point,
		   const struct lw_packet *packet, const struct capture_context *context);

static inline bool capture_is_on(const struct lw_capture_set *set, enum lw_capture_point point)
{
	return set && unlikely(atomic_load_explicit(&set->points, memory_order_relaxed) & point);
}

/* set may be NULL; context, too. */
static inline void capture_see(struct lw_capture_set *set, enum lw_capture_point point,
			       const struct lw_packet *packet,
			       const struct capture_context *context)
{
	if (capture_is_on(set, point))
		capture_write(set, point, packet, context);
}

#endif
