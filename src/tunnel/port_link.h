/* SPDX-License-Identifier: MIT */
/*
 * A port's link with faults: an impairment for each way, the loop that wakes them, and the switch
 * and port on their two sides.
 *
 * Theory of operation. A port whose link is not impaired knows nothing of this: its vport has no
 * link. One that is has the struct below between itself and the switch, for the ways that are
 * impaired. A packet that enters is cut and completed if it has work left (a wire would see the
 * segments), copied, and comes out when it is due: at once in the same batch, or when the timer
 * says, which is set for the earliest of both ways. Everything that enters is let out, lost or
 * refused, and the last two are counted at the port; what still waits when the impairment is taken
 * away comes out then, in its order; what waits when the port itself goes is dropped (PORT_DOWN).
 * The counters of the port count at the port: received before its link, sent behind it.
 *
 * One thread: worker 0's. The switch hands it what other workers have, and hands on behind it.
 */
#ifndef TUNNEL_PORT_LINK_H
#define TUNNEL_PORT_LINK_H

#include <stdint.h>

#include <longwire/impairment.h>

#include "loop/loop.h"
#include "switch/vswitch.h"

struct impairment;
struct lw_error;
struct lw_replay;

enum { PORT_LINK_WAYS = 2 };

/* Zeroed: not attached, not impaired. */
struct port_link {
	struct vport_link link;
	struct vport *port; /* NULL: not attached */
	struct lw_loop *loop;
	enum lw_layer layer;
	struct loop_timer timer;
	struct impairment *ways[PORT_LINK_WAYS];      /* in, out; NULL: not impaired */
	enum lw_direction directions[PORT_LINK_WAYS]; /* of the packets */
	struct lw_replay *replay;                     /* under way; NULL: none */
	uint8_t *segment;                             /* LW_PACKET_MAX */
};

/* The port is part of a switch now. 0, or a negative errno. */
int port_link_attach(struct port_link *link, struct lw_loop *loop, enum lw_layer layer,
		     struct vport *port);
/* The port goes; what waits is dropped, impairments stay. Idempotent. */
void port_link_detach(struct port_link *link);
/* Detach and forget. */
void port_link_done(struct port_link *link);

/* settings NULL: none any more. Attached or not. ways: enum lw_port_way, or-ed. 0, or a negative
 * errno and nothing changed. */
int port_link_set(struct port_link *link, unsigned ways, const struct lw_impairment *settings,
		  struct lw_error *ret_error);
/* Return: whether that way is impaired; then both outputs (which may be NULL) are filled in. */
bool port_link_get(const struct port_link *link, enum lw_port_way way,
		   struct lw_impairment *ret_settings, struct lw_impairment_counters *ret_counters);

#endif
