/* SPDX-License-Identifier: MIT */
/*
 * The asking side of the control socket.
 *
 * A control_peer is one connection to an instance: say a request, hear what comes, line by line:
 * first the reply, then, after a verb that makes a stream of it, events. Everything blocks within
 * the time that is given; control_peer_fd() is for those who wait for other things as well.
 */
#ifndef PROGRAM_CONTROL_CLIENT_H
#define PROGRAM_CONTROL_CLIENT_H

#include "program/control.h"

struct control_peer;

int control_dial(const char *path, struct control_peer **ret_peer, struct lw_error *ret_error);
/* Accepts NULL. */
void control_hang_up(struct control_peer *peer);
int control_peer_fd(const struct control_peer *peer);
/* Whether a line is there that control_hear() returns without reading. */
bool control_has_heard(const struct control_peer *peer);

/* request is a map with a verb, written as it is; descriptor is sent along and stays the caller's,
 * -1: none. */
int control_say(struct control_peer *peer, const struct tree *request, int descriptor,
		struct lw_error *ret_error);
/* The next line, within timeout_ms (-1: for ever). 0; -ETIMEDOUT; -ECONNRESET at the end; -EPERM with
 * the instance's own sentence when it refused; other errors with a sentence. */
int control_hear(struct control_peer *peer, int timeout_ms, struct tree **ret_line,
		 struct lw_error *ret_error);

/* {"verb":verb}, freed by the caller; NULL: no memory. More is added to it. */
struct tree *control_ask(const char *verb);
/* Dial, say, hear one reply, hang up. request is freed; NULL is told as no memory. */
int control_request(const char *path, struct tree *request, int timeout_ms, struct tree **ret_reply,
		    struct lw_error *ret_error);

#endif
