/* SPDX-License-Identifier: MIT */
/* Sets of captures, and the packets that the path shows them. */
#include "capture/point.h"

#include <errno.h>
#include <stdbool.h>

#include "capture/capture.h"

static void update_points(struct lw_capture_set *set)
{
	set->points = 0;
	for (size_t i = 0; i < set->n; i++)
		set->points |= set->captures[i]->points;
}

int capture_attach(struct lw_capture_set *set, struct lw_capture *capture)
{
	if (capture->set)
		return -EBUSY;
	if (set->n == CAPTURE_SET_MAX)
		return -ENOSPC;
	set->captures[set->n++] = capture;
	capture->set = set;
	update_points(set);
	return 0;
}

void capture_detach(struct lw_capture *capture)
{
	struct lw_capture_set *set = capture->set;
	size_t kept = 0;

	if (!set)
		return;
	for (size_t i = 0; i < set->n; i++) {
		if (set->captures[i] != capture)
			set->captures[kept++] = set->captures[i];
	}
	set->n = kept;
	capture->set = NULL;
	update_points(set);
}

void capture_set_clear(struct lw_capture_set *set)
{
	while (set->n > 0)
		capture_detach(set->captures[set->n - 1]);
}

/* The savefile has no place for port and reason; they are there for formats that do. */
void capture_write(struct lw_capture_set *set, enum lw_capture_point point,
		   const struct lw_packet *packet, const struct capture_context *context)
{
	(void)context;
	for (size_t i = 0; i < set->n; i++) {
		if (set->captures[i]->points & point)
			capture_take(set->captures[i], packet);
	}
}

void lw_capture_show(struct lw_capture_set *set, enum lw_capture_point point,
		     const struct lw_packet *packet, const char *port, enum lw_drop reason)
{
	const struct capture_context context = { .port = port, .reason = reason };

	capture_see(set, point, packet, &context);
}
