/* SPDX-License-Identifier: MIT */
/*
 * The control verb "replay": a savefile, whose descriptor comes with the request, goes through a
 * port.
 *
 *   {"verb":"replay","port":NAME,"direction":"in"|"out","speed":N,"fast":true,"loop":N}
 *
 * speed is in thousandths. The reply makes a stream of the connection, which tells one event, the
 * end: {"event":"replay","packets":N,"bytes":N,"skipped":N,"loops":N,"error":TEXT or null}. Whoever
 * hangs up before has ended the replay.
 *
 * Who may use the control socket is root or the instance's own user, who holds its key: packets of
 * his choice are nothing that he could not send otherwise. What must be said in the configuration,
 * inject: true, is that this instance is a laboratory's: so nobody replays a recorded DHCP server
 * into a network at work by a wrong name, and on an instance without it, every packet that a
 * capture shows was sent by somebody.
 */
#ifndef PROGRAM_REPLAYS_H
#define PROGRAM_REPLAYS_H

#include <stdbool.h>

#include "program/links.h"

struct replays {
	const struct links *links;
	bool is_allowed; /* inject: */
};

extern const struct control_verb replay_verbs[]; /* user: struct replays */
extern const size_t n_replay_verbs;

#endif
