/* SPDX-License-Identifier: MIT */
/* What the path does for a capture: select, filter, copy. */
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "capture/capture.h"
#include "capture/filter.h"
#include "capture/point.h"
#include "capture/thread.h"
#include "device/offload.h"
#include "device/segment.h"

enum { CACHE_LINE = 64 };

/* What to keep of a packet. */
struct cut {
	uint32_t kept;
	bool is_gathered;
	size_t headers, per_segment, segment, segments;
};

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void choose_port(struct lane_port *port, const void *user)
{
	const struct lw_capture *capture = user;

	port->is_wanted = selector_wants_port(&capture->selector, port->name, port->is_device);
}

/* A super-frame whose segments are longer than the snap length leaves little of each. */
static bool cut_segments(const struct lw_capture *capture, const struct lw_packet *packet,
			 struct cut *cut)
{
	struct offload_layout layout;
	size_t payload, last;

	if (!packet->offload || packet->offload->gso == LW_GSO_NONE ||
	    packet->offload->gso_size == 0 || capture->has_whole_super_frames ||
	    offload_parse(packet->layer, packet->data, packet->length, &layout) < 0)
		return false;
	cut->segment = packet->offload->gso_size;
	cut->headers = layout.payload;
	if (layout.payload >= packet->length || cut->headers + cut->segment <= capture->snap_length)
		return false;
	payload = packet->length - layout.payload;
	cut->segments = (payload + cut->segment - 1) / cut->segment;
	if (cut->segments > SEGMENTS_MAX)
		return false;
	cut->per_segment =
		capture->snap_length > cut->headers ? capture->snap_length - cut->headers : 0;
	last = payload - (cut->segments - 1) * cut->segment;
	cut->kept = (uint32_t)(cut->headers + (cut->segments - 1) * cut->per_segment +
			       MIN(last, cut->per_segment));
	cut->is_gathered = true;
	return true;
}

static struct cut choose_cut(const struct lw_capture *capture, const struct lw_packet *packet)
{
	bool is_super = packet->offload && packet->offload->gso != LW_GSO_NONE;
	struct cut cut = { .kept = (uint32_t)MIN(packet->length, (size_t)capture->snap_length) };

	/* One that fits segment by segment has to be there whole. */
	if (is_super && !cut_segments(capture, packet, &cut) && !capture->has_whole_super_frames)
		cut.kept = (uint32_t)packet->length;
	return cut;
}

static void copy_segments(const struct cut *cut, const struct lw_packet *packet, uint8_t *to)
{
	const uint8_t *from = packet->data + cut->headers;
	size_t left = packet->length - cut->headers;

	/* The capture's thread read these bytes last, on another processor: ask for all of them at
	 * once, not for one after the other. */
	for (size_t i = 0; i < cut->kept; i += CACHE_LINE)
		__builtin_prefetch(to + i, 1);
	memcpy(to, packet->data, cut->headers);
	to += cut->headers;
	for (size_t i = 0; i < cut->segments; i++) {
		size_t n = MIN(left, cut->segment);
		size_t kept = MIN(n, cut->per_segment);

		memcpy(to, from, kept);
		to += kept;
		from += n;
		left -= n;
	}
}

static void set_offload(struct lane_record *record, const struct lw_offload *offload)
{
	if (!offload)
		return;
	record->flags |= LANE_HAS_OFFLOAD;
	if (offload->needs_checksum)
		record->flags |= LANE_NEEDS_CHECKSUM;
	record->checksum_start = offload->checksum_start;
	record->checksum_offset = offload->checksum_offset;
	record->gso = (uint16_t)offload->gso;
	record->gso_size = offload->gso_size;
}

/* A port for which the lane has no name is none. */
static void set_origin(struct lw_capture *capture, struct lane *lane, struct lane_record *record)
{
	const struct capture_origin *origin = &capture_origin;
	uint16_t from =
		(uint16_t)(lane_port(lane, origin->port, origin->is_device, choose_port, capture) -
			   lane->ports);

	if (from == 0)
		return;
	record->from = from + 1;
	if (origin->is_flooded)
		record->flags |= LANE_IS_FLOODED;
}

static bool copy_packet(struct lw_capture *capture, struct lane *lane, uint16_t port,
			enum lw_capture_point point, const struct lw_packet *packet,
			enum lw_drop reason)
{
	struct cut cut = choose_cut(capture, packet);
	struct lane_record *record = lane_reserve(lane, cut.kept);

	if (!record)
		return false;
	record->stamp_ns = now_ns();
	record->length = (uint32_t)packet->length;
	record->port = port;
	record->point = (uint16_t)point;
	record->reason = (uint8_t)reason;
	set_offload(record, packet->offload);
	if (capture_origin.is_replayed)
		record->flags |= LANE_IS_REPLAYED;
	if (point & (LW_CAPTURE_DEVICE_OUT | LW_CAPTURE_SESSION_OUT) && capture_origin.port)
		set_origin(capture, lane, record);
	if (cut.is_gathered) {
		record->flags |= LANE_IS_GATHERED;
		record->per_segment = (uint16_t)cut.per_segment;
		copy_segments(&cut, packet, record->data);
	} else if (cut.kept) {
		memcpy(record->data, packet->data, cut.kept);
	}
	lane_commit(lane, record);
	return true;
}

static bool is_limit(enum lw_drop reason)
{
	return reason == LW_DROP_LIMIT_BROADCAST || reason == LW_DROP_LIMIT_MULTICAST ||
	       reason == LW_DROP_LIMIT_UNKNOWN;
}

static void keep(struct lw_capture *capture, struct lane *lane, struct lane_port *port,
		 enum lw_capture_point point, const struct lw_packet *packet, enum lw_drop reason)
{
	lane_count(&port->seen);
	if (capture->filter && !filter_matches(capture->filter, packet->data, packet->length))
		return;
	lane_count(&port->matched);
	if (atomic_load_explicit(&capture->phase, memory_order_relaxed) != CAPTURE_RUNNING ||
	    !copy_packet(capture, lane, (uint16_t)(port - lane->ports), point, packet, reason))
		lane_count(&port->dropped);
	if (capture->trigger && filter_matches(capture->trigger, packet->data, packet->length))
		thread_trigger(capture->thread, THREAD_TRIGGER);
}

static void take_into(struct lw_capture *capture, struct lane *lane, enum lw_capture_point point,
		      const struct lw_packet *packet, const struct capture_context *context)
{
	bool is_drop = point == LW_CAPTURE_DROP;
	struct lane_port *port =
		lane_port(lane, context->port, context->is_device, choose_port, capture);

	if (!port->is_wanted)
		return;
	if (capture->points & point &&
	    (!is_drop || selector_wants_reason(&capture->selector, context->reason)))
		keep(capture, lane, port, point, packet, context->reason);
	if (is_drop && capture->events & LW_CAPTURE_LIMIT_HIT && is_limit(context->reason))
		thread_trigger(capture->thread, LW_CAPTURE_LIMIT_HIT);
}

void capture_take(struct lw_capture *capture, enum lw_capture_point point,
		  const struct lw_packet *packet, const struct capture_context *context)
{
	bool is_crowded;
	struct lane *lane;

	if (packet->layer != capture->layer ||
	    atomic_load_explicit(&capture->phase, memory_order_relaxed) == CAPTURE_FINISHED)
		return;
	lane = lanes_enter(&capture->lanes);
	if (unlikely(!lane)) {
		atomic_fetch_add_explicit(&capture->homeless, 1, memory_order_relaxed);
		return;
	}
	take_into(capture, lane, point, packet, context);
	is_crowded = lane_is_crowded(lane);
	lane_leave(lane);
	thread_wake(capture->thread, is_crowded);
}
