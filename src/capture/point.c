/* SPDX-License-Identifier: MIT */
/* Sets of captures, and the packets that the path shows them. */
#include "capture/point.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>

#include "capture/capture.h"
#include "capture/thread.h"

_Thread_local struct capture_origin capture_origin;

static void update_points(struct lw_capture_set *set)
{
	unsigned points = 0, n = 0;

	for (unsigned i = 0; i < CAPTURE_SET_MAX; i++) {
		const struct lw_capture *capture = atomic_load(&set->slots[i].capture);

		if (!capture)
			continue;
		points |= capture->attention;
		n = i + 1;
	}
	atomic_store(&set->n, n);
	atomic_store(&set->points, points);
}

int capture_attach(struct lw_capture_set *set, struct lw_capture *capture)
{
	if (capture->set)
		return -EBUSY;
	for (unsigned i = 0; i < CAPTURE_SET_MAX; i++) {
		if (atomic_load(&set->slots[i].capture))
			continue;
		capture->set = set;
		capture->slot = i;
		atomic_store(&set->slots[i].capture, capture);
		update_points(set);
		return 0;
	}
	return -ENOSPC;
}

void lw_capture_detach(struct lw_capture *capture)
{
	struct lw_capture_set *set = capture->set;

	if (!set)
		return;
	atomic_store(&set->slots[capture->slot].capture, NULL);
	update_points(set);
	while (atomic_load(&set->slots[capture->slot].users) != 0)
		sched_yield();
	capture->set = NULL;
}

void capture_set_clear(struct lw_capture_set *set)
{
	for (unsigned i = 0; i < CAPTURE_SET_MAX; i++) {
		struct lw_capture *capture = atomic_load(&set->slots[i].capture);

		if (capture)
			lw_capture_detach(capture);
	}
}

void capture_write(struct lw_capture_set *set, enum lw_capture_point point,
		   const struct lw_packet *packet, const struct capture_context *context)
{
	static const struct capture_context nobody = { .port = NULL };
	unsigned n = atomic_load_explicit(&set->n, memory_order_relaxed);

	for (unsigned i = 0; i < n; i++) {
		struct capture_slot *slot = &set->slots[i];
		struct lw_capture *capture;

		/* In this order, and detaching in the other. */
		atomic_fetch_add(&slot->users, 1);
		capture = atomic_load(&slot->capture);
		if (capture && capture->attention & point)
			capture_take(capture, point, packet, context ? context : &nobody);
		atomic_fetch_sub_explicit(&slot->users, 1, memory_order_release);
	}
}

void lw_capture_event(struct lw_capture_set *set, enum lw_capture_event event, const char *port)
{
	if (!set)
		return;
	for (unsigned i = 0; i < CAPTURE_SET_MAX; i++) {
		struct capture_slot *slot = &set->slots[i];
		struct lw_capture *capture;

		atomic_fetch_add(&slot->users, 1);
		capture = atomic_load(&slot->capture);
		if (capture && capture->events & event &&
		    selector_wants_port(&capture->selector, port ? port : "", false))
			thread_trigger(capture->thread, (unsigned)event);
		atomic_fetch_sub_explicit(&slot->users, 1, memory_order_release);
	}
}

void lw_capture_show(struct lw_capture_set *set, enum lw_capture_point point,
		     const struct lw_packet *packet, const char *port, enum lw_drop reason)
{
	const struct capture_context context = { .port = port, .reason = reason };

	capture_see(set, point, packet, &context);
}
