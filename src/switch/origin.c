/* SPDX-License-Identifier: MIT */
/* What captures are told of where packets came in, and the marks that wait with a packet. */
#include "capture/point.h"
#include "switch/forward.h"

/* A place with these two bits free is a port's; together with them, a mark. Its number is in the
 * lower half, that of the port's being added in the upper. */
enum { MARK_FLOODED = 1, MARK_REPLAYED = 2, MARK_FLAGS = 3, PLACE_BITS = 2, ADDED_BITS = 32 };

static uint32_t number_of(uint64_t mark)
{
	return (uint32_t)mark >> PLACE_BITS;
}

void forward_take_place(struct vswitch *vswitch, struct vport *port)
{
	uint32_t number = vswitch->n_ports % VSWITCH_PORTS_MAX;

	while (vswitch->places[number])
		number = (number + 1) % VSWITCH_PORTS_MAX;
	vswitch->places[number] = port;
	port->place = (uint64_t)++vswitch->n_added << ADDED_BITS | number << PLACE_BITS;
}

void forward_leave_place(struct vswitch *vswitch, struct vport *port)
{
	vswitch->places[number_of(port->place)] = NULL;
}

struct capture_origin forward_origin_of(const struct vport *ingress)
{
	return (struct capture_origin){
		.port = ingress->name,
		.is_device = ingress->is_device,
		.is_replayed = capture_origin.is_replayed,
		.place = ingress->place,
	};
}

uint64_t vswitch_mark(void)
{
	const struct capture_origin *origin = &capture_origin;

	return (origin->port ? origin->place : 0) | (origin->is_flooded ? MARK_FLOODED : 0) |
	       (origin->is_replayed ? MARK_REPLAYED : 0);
}

struct capture_origin forward_origin(const struct vswitch *vswitch, uint64_t mark)
{
	const struct vport *port = vswitch->places[number_of(mark)];
	struct capture_origin origin = { .is_replayed = mark & MARK_REPLAYED };

	if (!port || port->place != (mark & ~(uint64_t)MARK_FLAGS))
		return origin;
	origin.port = port->name;
	origin.is_device = port->is_device;
	origin.is_flooded = mark & MARK_FLOODED;
	origin.place = port->place;
	return origin;
}

void vswitch_show_in(const struct vport *port, const struct lw_packet *packet)
{
	const struct capture_context context = { .port = port->name, .is_device = port->is_device };

	capture_see(port->vswitch->options.captures,
		    port->is_device ? LW_CAPTURE_DEVICE_IN : LW_CAPTURE_SESSION_IN, packet,
		    &context);
}
