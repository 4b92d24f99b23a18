/* SPDX-License-Identifier: MIT */
/*
 * The control socket of an instance: requests, replies, and events.
 *
 * Theory of operation. A stream socket, mode 0600, that answers root and the instance's own user.
 * Each line is a JSON map, at most CONTROL_REQUEST_MAX bytes of it in a request. A request names a
 * verb and whatever that verb wants beside it; it is answered once:
 *
 *   → {"verb":"status"}		← {"ok":true,"verb":"status","status":{…}}
 *   → {"verb":"observe"}		← {"ok":true,"verb":"observe"}, then the present state and
 *				  each change of it: {"event":"status","status":{…}}
 *   → anything unknown		← {"ok":false,"error":"…"}
 *
 * Those two are here; all others are rows that the instance adds with control_add_verbs(). A verb
 * runs with a call, which it answers exactly once, by control_reply() or control_refuse(), at once
 * or later: meanwhile its client waits, and so does what that client asked next. The call stays
 * valid until it is answered, also when the client or the control have gone; the answer then goes
 * nowhere. Instead of a plain reply, control_stream() makes the connection a stream of events,
 * which control_tell() sends until either side ends it: one stream for each connection, on which
 * requests are answered as before.
 *
 * A request may bring one descriptor (SCM_RIGHTS, with any of its bytes) to a verb that takes one;
 * it belongs to the first request that is whole after it came. Whatever is not taken from the call
 * is closed with the answer.
 *
 * Clients cost a bounded amount, whatever they do: CONTROL_CLIENTS_MAX of them; one that neither
 * asks nor takes its answer within CONTROL_PATIENCE_MS is dropped (unless a call of its is
 * unanswered or it has a stream), as is one that leaves more than CONTROL_OUTPUT_MAX unread. A line
 * that is too long or no JSON is answered and ends the connection, because nobody knows where the
 * next begins.
 */
#ifndef PROGRAM_CONTROL_H
#define PROGRAM_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include <longwire/api.h>

struct control;
struct control_call;
struct control_stream;
struct lw_error;
struct lw_loop;
struct tree;

enum {
	CONTROL_CLIENTS_MAX = 24,
	CONTROL_TABLES_MAX = 8,
	CONTROL_REQUEST_MAX = 4096,
	CONTROL_OUTPUT_MAX = 4 * 1024 * 1024,
	CONTROL_PATIENCE_MS = 10000,
};

/* The present state, which the caller frees. 0 or -ENOMEM. */
typedef int control_status_fn(void *user, struct tree **ret_status);

struct control_verb {
	const char *name;
	/* request: the whole map, borrowed. */
	void (*run)(struct control_call *call, const struct tree *request, void *user);
	bool takes_descriptor;
};

/* path must not exist. */
int control_new(struct lw_loop *loop, const char *path, control_status_fn *status, void *user,
		struct control **ret_control, struct lw_error *ret_error);
/* Ends every stream. Does not remove path: that is the instance's. Accepts NULL. */
void control_free(struct control *control);
/* verbs must stay valid; user is given to each. -ENOSPC above CONTROL_TABLES_MAX. */
int control_add_verbs(struct control *control, const struct control_verb *verbs, size_t n,
		      void *user);
/* The listening socket. */
int control_listener(const struct control *control);
/* The state changed: tell those who observe it. */
void control_publish(struct control *control);

/* ---- for verbs */

/* {"ok":true,"verb":…,key:value}; value is taken, also on failure. key NULL: nothing more. */
void control_reply(struct control_call *call, const char *key, struct tree *value);
/* {"ok":false,"error":…} */
void control_refuse(struct control_call *call, const char *format, ...) LW_PRINTF(2, 3);
/* The descriptor that came with the request, from now on the caller's; -1: none. */
int control_take_descriptor(struct control_call *call);
/*
 * Reply ok and go on with events. gone runs once, when the client has ended the stream or the
 * control is freed, never from within control_tell() and not after control_stream_end(). Return:
 * the stream, valid until then; NULL: refused, because the connection has one or its client is no
 * longer there; then gone does not run.
 */
struct control_stream *control_stream(struct control_call *call, void (*gone)(void *user),
				      void *user);
/* Send an event, which stays the caller's. A client that leaves too much unread is gone soon. */
void control_tell(struct control_stream *stream, const struct tree *event);
/* What was told is still sent; then the connection ends. */
void control_stream_end(struct control_stream *stream);

#endif
