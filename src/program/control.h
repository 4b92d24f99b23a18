/* SPDX-License-Identifier: MIT */
/*
 * The control socket of an instance: requests, replies, and events that begin with the present
 * state.
 *
 * Theory of operation. A stream socket, mode 0600, that answers root and the instance's own user.
 * Each line is a JSON map, at most CONTROL_REQUEST_MAX bytes of it in a request:
 *
 *   → {"verb":"status"}		← {"ok":true,"verb":"status","status":{…}}
 *   → {"verb":"capture-flush"}	← {"ok":true,"verb":"capture-flush"}
 *   → {"verb":"stop"}		← {"ok":true,"verb":"stop"}, then it ends in order
 *   → {"verb":"observe"}		← {"ok":true,"verb":"observe"}, then the present state and
 *				  each change of it: {"event":"status","status":{…}}
 *   → anything else		← {"ok":false,"error":"…"}
 *
 * Clients cost a bounded amount, whatever they do: CONTROL_CLIENTS_MAX of them; one that neither
 * asks nor takes its answer within CONTROL_PATIENCE_MS is dropped, as is an observer that leaves
 * more than CONTROL_OUTPUT_MAX unread. A line that is too long or no JSON is answered and ends the
 * connection, because nobody knows where the next begins.
 */
#ifndef PROGRAM_CONTROL_H
#define PROGRAM_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

struct control;
struct lw_error;
struct lw_loop;
struct tree;

enum {
	CONTROL_CLIENTS_MAX = 8,
	CONTROL_REQUEST_MAX = 4096,
	CONTROL_OUTPUT_MAX = 4 * 1024 * 1024,
	CONTROL_PATIENCE_MS = 10000,
};

/* What an instance does for its clients. */
struct control_ops {
	/* The present state, which the caller frees. 0 or -ENOMEM. */
	int (*status)(void *user, struct tree **ret_status);
	/* Bring captures to their files. 0 or a negative errno. */
	int (*capture_flush)(void *user);
	void (*stop)(void *user);
};

/* path must not exist. ops is borrowed. */
int control_new(struct lw_loop *loop, const char *path, const struct control_ops *ops, void *user,
		struct control **ret_control, struct lw_error *ret_error);
/* Does not remove path: that is the instance's. */
void control_free(struct control *control);

/* The state changed: tell those who observe it. */
void control_publish(struct control *control);

/*
 * A client's side, blocking for at most timeout_ms: one verb, one reply. 0, or a negative errno
 * with a sentence.
 */
int control_request(const char *path, const char *verb, unsigned timeout_ms,
		    struct tree **ret_reply, struct lw_error *ret_error);

#endif
