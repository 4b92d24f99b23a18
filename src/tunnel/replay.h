/* SPDX-License-Identifier: MIT */
/*
 * A replay: a savefile on its way through a port. See longwire/replay.h.
 *
 * Theory of operation. A timer walks through the file: each packet is due at the start of its loop
 * plus its distance from the file's first packet, divided by the speed; one whose time stamp goes
 * back is due at once. At most REPLAY_BATCH packets go in a wake-up, so that a file cannot keep the
 * loop. A port has one replay at most, which ends with it (-ENODEV); its end is told from the timer
 * or from there, and its memory stays until it is freed.
 *
 * Worker 0's, as the port's link is. Packets enter where the port's own do: vswitch_input() and
 * vswitch_output(), before impairments. Captures see them where the port's own are seen, and say that
 * they are of a replay, there and where they leave.
 */
#ifndef TUNNEL_REPLAY_H
#define TUNNEL_REPLAY_H

#include <longwire/replay.h>

struct port_link;

enum { REPLAY_BATCH = 64 };

/* link is attached. As lw_port_replay(). */
int replay_start(struct port_link *link, const struct lw_replay_options *options,
		 struct lw_replay **ret_replay, struct lw_error *ret_error);
/* The port goes. */
void replay_end(struct lw_replay *replay);

#endif
