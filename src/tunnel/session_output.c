/* SPDX-License-Identifier: MIT */
/* Packets on their way to the peer: whole if it takes them so, else finished here. */
#include <string.h>

#include "base/packet.h"
#include "capture/point.h"
#include "device/offload.h"
#include "device/segment.h"
#include "flow/scheduler.h"
#include "tunnel/session.h"
#include "wire/flow_hash.h"
#include "wire/offload.h"

void session_unit_dropped(const uint8_t *unit, size_t length, enum lw_drop reason, void *user)
{
	struct session *session = user;
	size_t header = unit[0] == UNIT_OFFLOAD_FRAME ? UNIT_HEADER_SIZE + UNIT_OFFLOAD_SIZE
						      : UNIT_HEADER_SIZE;
	struct lw_packet packet =
		packet_view(session->layer, unit + header, length - header, LW_DIRECTION_OUTBOUND);
	/* Not the packet that is under way, if any. */
	struct capture_origin before = capture_set_origin((struct capture_origin){ .port = NULL });
	struct lw_offload offload;

	if (unit[0] == UNIT_OFFLOAD_FRAME &&
	    wire_offload_decode(unit + UNIT_HEADER_SIZE, &offload) == 0)
		packet.offload = &offload;
	session->ops->dropped(session, &packet, reason);
	(void)capture_set_origin(before);
}

void session_drop_waiting(struct session *session)
{
	const uint8_t *unit;
	size_t length;

	if (!session->scheduler)
		return;
	while ((unit = scheduler_next(session->scheduler, lw_loop_now_ns(session->loop),
				      &length))) {
		session_unit_dropped(unit, length, LW_DROP_PORT_DOWN, session);
		scheduler_pop(session->scheduler);
	}
}

/* One unit: at once if nothing waits before it, else behind what does. */
static enum lw_drop output_unit(struct session *session, const uint8_t *header,
				size_t header_length, const uint8_t *data, size_t length)
{
	uint8_t *p;

	if (header_length + length > session->peer_hello.max_unit)
		return LW_DROP_TOO_BIG;
	if (stream_offer(&session->stream, header, header_length, data, length))
		return LW_DROP_NONE;
	p = scheduler_reserve(session->scheduler, flow_hash(session->layer, data, length),
			      header_length + length);
	if (!p)
		return LW_DROP_QUEUE_FULL;
	memcpy(p, header, header_length);
	memcpy(p + header_length, data, length);
	scheduler_commit(session->scheduler, lw_loop_now_ns(session->stream.loop));
	return LW_DROP_NONE;
}

static enum lw_drop output_plain(struct session *session, const uint8_t *data, size_t length)
{
	uint8_t header[UNIT_HEADER_SIZE];

	unit_encode_header(header, UNIT_FRAME, (uint32_t)length);
	return output_unit(session, header, sizeof(header), data, length);
}

/* The peer cannot take it as it is, or may not be told: finish it here. */
static enum lw_drop output_segments(struct session *session, const struct lw_packet *packet)
{
	uint8_t *segment = session->stream.scratch->segment;
	enum lw_drop drop = LW_DROP_NONE;
	struct segmenter segmenter;
	size_t length;

	if (segmenter_init(&segmenter, packet) < 0 || segmenter_room(&segmenter) > LW_PACKET_MAX)
		return LW_DROP_OFFLOAD;
	while ((length = segmenter_next(&segmenter, segment)) && drop == LW_DROP_NONE)
		drop = output_plain(session, segment, length);
	return drop;
}

static enum lw_drop output_offload(struct session *session, const struct lw_packet *packet)
{
	uint8_t header[UNIT_HEADER_SIZE + UNIT_OFFLOAD_SIZE];
	struct lw_offload rebuilt;
	uint16_t header_length;
	uint32_t needs = wire_offload_needs(packet->offload);

	/* The hub's own kernel may say more than a peer may be told: that is finished here, too. */
	if ((session->peer_hello.offloads & needs) != needs ||
	    offload_check(session->layer, packet->data, packet->length, session->network_mtu,
			  packet->offload, &rebuilt, &header_length) < 0)
		return output_segments(session, packet);
	if (!offload_is_work(&rebuilt))
		return output_plain(session, packet->data, packet->length);
	unit_encode_header(header, UNIT_OFFLOAD_FRAME,
			   (uint32_t)(UNIT_OFFLOAD_SIZE + packet->length));
	wire_offload_encode(&rebuilt, header + UNIT_HEADER_SIZE);
	return output_unit(session, header, sizeof(header), packet->data, packet->length);
}

enum lw_drop session_output(struct session *session, const struct lw_packet *packet)
{
	if (session->state != SESSION_UP || unlikely(session->stream.end))
		return LW_DROP_PORT_DOWN;
	if (offload_is_work(packet->offload))
		return output_offload(session, packet);
	return output_plain(session, packet->data, packet->length);
}
