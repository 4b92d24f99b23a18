/* SPDX-License-Identifier: MIT */
/* Impairments between a port and its switch. */
#include "tunnel/port_link.h"

#include <errno.h>
#include <stdlib.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/packet.h"
#include "base/value.h"
#include "device/segment.h"
#include "flow/impairment.h"
#include "tunnel/replay.h"

enum way { WAY_IN, WAY_OUT };

/* Its type is read again: a flipped bit may be there. */
static struct lw_packet packet_of(const struct port_link *link, enum way way, const uint8_t *data,
				  size_t length)
{
	return packet_view(link->layer, data, length, link->directions[way]);
}

static void leave(struct port_link *link, enum way way, const struct lw_packet *packet,
		  uint64_t mark, uint64_t now_ns)
{
	if (way == WAY_OUT)
		vswitch_emit(link->port, packet, mark);
	else
		vswitch_forward(link->port->vswitch, link->port, packet, mark, now_ns);
}

/* Let out what is due at until_ns. */
static void drain(struct port_link *link, enum way way, uint64_t until_ns)
{
	struct impairment *impairment = link->ways[way];
	struct impairment_packet waited;
	bool has_left = false;

	if (!impairment)
		return;
	while (impairment_next(impairment, until_ns, &waited)) {
		struct lw_packet packet = packet_of(link, way, waited.data, waited.length);

		leave(link, way, &packet, waited.mark, lw_loop_now_ns(link->loop));
		impairment_pop(impairment);
		has_left = true;
	}
	if (has_left && way == WAY_OUT)
		vswitch_emitted(link->port);
}

static void set_timer(struct port_link *link)
{
	uint64_t due_ns = UINT64_MAX;

	for (int way = 0; way < PORT_LINK_WAYS; way++)
		if (link->ways[way])
			due_ns = MIN(due_ns, impairment_due_ns(link->ways[way]));
	if (due_ns == UINT64_MAX)
		loop_timer_cancel(&link->timer);
	else
		loop_timer_set(link->loop, &link->timer, due_ns);
}

static void timer_due(struct loop_timer *timer)
{
	struct port_link *link = container_of(timer, struct port_link, timer);
	uint64_t now_ns = lw_loop_now_ns(link->loop);

	drain(link, WAY_IN, now_ns);
	drain(link, WAY_OUT, now_ns);
	set_timer(link);
}

/* ---- entering */

static void enter_plain(struct port_link *link, enum way way, const struct lw_packet *packet)
{
	enum lw_drop drop = impairment_enter(link->ways[way], packet->data, packet->length,
					     vswitch_mark(), lw_loop_now_ns(link->loop));

	if (drop != LW_DROP_NONE)
		vswitch_drop(link->port->vswitch, link->port, packet, drop);
}

static void enter_segments(struct port_link *link, enum way way, const struct lw_packet *packet)
{
	struct lw_packet segment = *packet;
	struct segmenter segmenter;

	if (segmenter_init(&segmenter, packet) < 0 || segmenter_room(&segmenter) > LW_PACKET_MAX) {
		vswitch_drop(link->port->vswitch, link->port, packet, LW_DROP_OFFLOAD);
		return;
	}
	segment.data = link->segment;
	segment.offload = NULL;
	while ((segment.length = segmenter_next(&segmenter, link->segment)))
		enter_plain(link, way, &segment);
}

static void enter(struct port_link *link, enum way way, const struct lw_packet *packet)
{
	link->directions[way] = packet->direction;
	/* What the switch would refuse is not made up for here. */
	if (packet->length < packet_shortest(link->layer))
		vswitch_drop(link->port->vswitch, link->port, packet, LW_DROP_SHORT);
	else if (offload_is_work(packet->offload))
		enter_segments(link, way, packet);
	else
		enter_plain(link, way, packet);
}

static void output(struct vport_link *vlink, const struct lw_packet *packet)
{
	enter(container_of(vlink, struct port_link, link), WAY_OUT, packet);
}

static void flush(struct vport_link *vlink)
{
	struct port_link *link = container_of(vlink, struct port_link, link);

	drain(link, WAY_OUT, lw_loop_now_ns(link->loop));
	set_timer(link);
}

static void input(struct vport_link *vlink, const struct lw_packet *packets, size_t n)
{
	struct port_link *link = container_of(vlink, struct port_link, link);

	for (size_t i = 0; i < n; i++)
		enter(link, WAY_IN, &packets[i]);
	drain(link, WAY_IN, lw_loop_now_ns(link->loop));
	set_timer(link);
}

/* ---- being there */

/* The vport has a link only while a way is impaired: off costs one branch. */
static void stand(struct port_link *link, bool is_in, bool is_out)
{
	if (link->port)
		vswitch_set_link(link->port, is_in || is_out ? &link->link : NULL, is_in, is_out);
}

static void update(struct port_link *link)
{
	stand(link, link->ways[WAY_IN], link->ways[WAY_OUT]);
}

int port_link_attach(struct port_link *link, struct lw_loop *loop, enum lw_layer layer,
		     struct vport *port)
{
	int result = loop_timer_init(loop, &link->timer, timer_due);

	if (result < 0)
		return result;
	link->loop = loop;
	link->layer = layer;
	link->port = port;
	link->link = (struct vport_link){ .output = output, .flush = flush, .input = input };
	update(link);
	return 0;
}

static void drop_waiting(struct port_link *link, enum way way)
{
	struct impairment *impairment = link->ways[way];
	struct impairment_packet waited;

	while (impairment && impairment_next(impairment, UINT64_MAX, &waited)) {
		struct lw_packet packet = packet_of(link, way, waited.data, waited.length);

		vswitch_drop(link->port->vswitch, link->port, &packet, LW_DROP_PORT_DOWN);
		impairment_pop(impairment);
	}
}

void port_link_detach(struct port_link *link)
{
	if (!link->port)
		return;
	replay_end(link->replay);
	stand(link, false, false);
	for (int way = 0; way < PORT_LINK_WAYS; way++)
		drop_waiting(link, (enum way)way);
	loop_timer_done(link->loop, &link->timer);
	link->port = NULL;
}

void port_link_done(struct port_link *link)
{
	port_link_detach(link);
	for (int way = 0; way < PORT_LINK_WAYS; way++)
		impairment_free(take_pointer(link->ways[way]));
	free(take_pointer(link->segment));
}

static bool is_among(unsigned ways, int way)
{
	return ways & (way == WAY_IN ? LW_PORT_IN : LW_PORT_OUT);
}

/* Nothing enters any more; then what waits comes out. */
static void clear(struct port_link *link, unsigned ways)
{
	struct impairment *gone[PORT_LINK_WAYS] = { NULL };

	for (int way = 0; way < PORT_LINK_WAYS; way++)
		if (is_among(ways, way))
			gone[way] = link->ways[way];
	stand(link, link->ways[WAY_IN] && !gone[WAY_IN], link->ways[WAY_OUT] && !gone[WAY_OUT]);
	for (int way = 0; way < PORT_LINK_WAYS; way++) {
		if (gone[way] && link->port)
			drain(link, (enum way)way, UINT64_MAX);
		if (gone[way])
			impairment_free(take_pointer(link->ways[way]));
	}
	if (link->port)
		set_timer(link);
}

int port_link_set(struct port_link *link, unsigned ways, const struct lw_impairment *given,
		  struct lw_error *ret_error)
{
	struct impairment *fresh[PORT_LINK_WAYS] = { NULL };
	struct lw_impairment settings;
	int result = 0;

	if (!ways || ways & ~(unsigned)(LW_PORT_IN | LW_PORT_OUT))
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "an impairment is for in, out or both");
	if (!given) {
		clear(link, ways);
		return 0;
	}
	if (!value_take(&settings, sizeof(settings), given))
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "the size of the impairment is not set");
	result = impairment_check(&settings, ret_error);
	if (result < 0)
		return result;
	if (!link->segment)
		link->segment = malloc(LW_PACKET_MAX);
	if (!link->segment)
		result = -ENOMEM;
	for (int way = 0; way < PORT_LINK_WAYS && result == 0; way++)
		if (is_among(ways, way) && !link->ways[way])
			result = impairment_new(&settings, (unsigned)way, &fresh[way]);
	if (result < 0) {
		impairment_free(fresh[WAY_IN]);
		impairment_free(fresh[WAY_OUT]);
		return error_errno(ret_error, -result, "impairment");
	}
	for (int way = 0; way < PORT_LINK_WAYS; way++) {
		if (fresh[way])
			link->ways[way] = fresh[way];
		else if (is_among(ways, way))
			impairment_set(link->ways[way], &settings);
	}
	update(link);
	return 0;
}

bool port_link_get(const struct port_link *link, enum lw_port_way way,
		   struct lw_impairment *ret_settings, struct lw_impairment_counters *ret_counters)
{
	const struct impairment *impairment = link->ways[way == LW_PORT_OUT ? WAY_OUT : WAY_IN];
	struct lw_impairment_counters counters;

	if (!impairment)
		return false;
	if (ret_settings)
		value_give(ret_settings, impairment_settings(impairment),
			   sizeof(*impairment_settings(impairment)));
	if (ret_counters) {
		impairment_counters(impairment, &counters);
		value_give(ret_counters, &counters, sizeof(counters));
	}
	return true;
}
