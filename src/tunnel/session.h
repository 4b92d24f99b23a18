/* SPDX-License-Identifier: MIT */
/*
 * A session: a peer's presence, from the take-over to the goodbye.
 *
 * States, and what may be called in each:
 *
 *   HELLO     the client has sent its hello, or the hub waits for it. Frames that come now break
 *             the rules; frames to be sent are dropped (PORT_DOWN). → UP when the peer's hello is
 *             good, ENDED
 *   UP        frames, settings, messages and probes flow. → DRAINING, ENDED
 *   DRAINING  a successor is up: what waits is sent, then UNIT_LAST, and no more is taken; frames
 *             still come. → ENDED, without a word, when the peer's UNIT_LAST has come as well
 *   ENDED     ended() has been or will be told, once. Only session_free() is left.
 *
 * A hello has to come within SESSION_DEAD_MS, whatever else does.
 * session_set_state() is the only writer. Probes go every 3 s each way; any byte counts as life;
 * nothing for 10 s ends it. Every end has a goodbye code and a sentence, ours or the peer's.
 *
 * A peer may be present by several connections: each is a session with one stream, and a bundle
 * (bundle.h) makes one of them. All of this is control code (loop/crew.h) that holds the crew itself,
 * but for frames, in and out, which are handled on the worker that the stream lives on. A new session
 * begins on worker 0 and moves to the worker of its stream's number before it is up.
 *
 * Succession: make before break, for keys that cannot be renewed in place. A client whose key has
 * come far opens another session, whose hello names this one (which only its own peer can); from
 * that hello on each end sends on the successor alone. Order and number of the frames are kept
 * because each end reads nothing from the successor's socket until the predecessor's UNIT_LAST has
 * come, or it has died; and where a path has gone with its link, nobody says so: one that drains and
 * is silent for a second is dead. One succession at a time. When the successor ends first, so does its
 * predecessor, which has promised to say no more.
 */
#ifndef TUNNEL_SESSION_H
#define TUNNEL_SESSION_H

#include <longwire/packet.h>

#include "tunnel/bundle.h"
#include "tunnel/stream.h"
#include "wire/message.h"

struct session;

enum session_state { SESSION_HELLO = 1, SESSION_UP, SESSION_DRAINING, SESSION_ENDED };

enum {
	SESSION_PROBE_MS = 3000,
	SESSION_DEAD_MS = 10000,
	SESSION_CHECK_MS = 4000, /* a peer sends something at least every SESSION_PROBE_MS */
	SESSION_DRAIN_DEAD_MS = 1000,
};

struct session_end {
	enum goodbye_code code;
	bool by_peer; /* it said goodbye, or closed; else we ended it or the connection was lost */
	bool is_lost; /* no goodbye at all */
	char text[GOODBYE_TEXT_SIZE];
};

/* Whether the peer is gone without having wanted to be. */
static inline bool session_end_is_loss(const struct session_end *end)
{
	return end->is_lost || end->code == GOODBYE_DEAD || end->code == GOODBYE_STALLED;
}

struct session_ops {
	/* The peer's hello is good (session->peer_hello). Has it a predecessor, then that drains from
	 * now on: the owner sends on this one. */
	void (*up)(struct session *session);
	/* Client, or NULL: a successor is wanted. Again with every probe while that is so. */
	void (*worn)(struct session *session);
	/* Borrowed until it returns. On the session's worker, as dropped. */
	void (*packets)(struct session *session, const struct lw_packet *packets, size_t n);
	void (*settings)(struct session *session, const uint8_t *data, size_t length); /* client */
	/* A packet that was taken was given up while it waited. */
	void (*dropped)(struct session *session, const struct lw_packet *packet,
			enum lw_drop reason);
	void (*ended)(struct session *session, const struct session_end *end); /* once, deferred */
};

struct session_options {
	enum admission_side side;
	enum lw_layer layer;
	uint32_t mtu;                /* told in hello */
	struct bundle *bundle;       /* the peer's; borrowed; NULL: it stands alone */
	uint32_t index;              /* client: the number of its stream, from 0 */
	struct session *predecessor; /* client: one that is up and session_may_be_succeeded() */
	const struct session_ops *ops;
	void *user;
};

struct session {
	struct list list; /* the owner's */
	const struct session_ops *ops;
	void *user;
	struct lw_loop *loop; /* worker 0's */
	enum session_state state;
	enum admission_side side;
	enum lw_layer layer;
	uint32_t mtu, network_mtu; /* ours; the hub's, which is the network's */
	struct hello peer_hello;
	uint8_t id[SESSION_ID_SIZE]; /* given by the hub; the bundle's */
	struct bundle *bundle;
	uint32_t index;  /* of its stream in the bundle */
	unsigned worker; /* that the stream lives on */
	struct loop_deferred moving;
	char tls[64];
	bool is_tls13;
	uint64_t rtt_us;

	struct session *predecessor, *successor; /* each other's, while both are there */
	bool got_last;                           /* the peer's UNIT_LAST has come */

	struct stream stream;
	struct scheduler *scheduler;
	struct loop_timer timer; /* probes and death */
	uint64_t checked_ns;     /* when the peer was doubted; 0: never */
	uint64_t hello_due_ns, next_probe_ns, got_probe_us, got_probe_at_us;
	struct session_end end;
};

/* fd and session (TLS) are taken on success. 0 or a negative errno. */
int session_new(struct lw_loop *loop, int fd, struct tls_session *tls,
		const struct session_options *options, struct session **ret_session);
/* At any time but within its own callbacks other than ended; sockets of an ended session go to
 * lingers if it is not NULL. */
void session_free(struct session *session, struct list *lingers);

/* The peer may have gone meanwhile: ask it now, and do not wait SESSION_DEAD_MS for an answer. */
void session_check(struct session *session);
/* Say goodbye and end. Idempotent. */
void session_finish(struct session *session, enum goodbye_code code, const char *text);
/* Queue one packet for the peer. Return: LW_DROP_NONE, or why it was not taken. */
enum lw_drop session_output(struct session *session, const struct lw_packet *packet);
void session_flush(struct session *session);
bool session_may_be_succeeded(const struct session *session);
/* Hub: offer settings. */
int session_send_settings(struct session *session, const struct offer *offer);
/* A unit that waited was given up; scheduler_dropped_fn with the session as user. */
void session_unit_dropped(const uint8_t *unit, size_t length, enum lw_drop reason, void *user);
/* It has ended: what has not been sealed never will be, and is counted as PORT_DOWN. */
void session_drop_waiting(struct session *session);
/* session_life.c: a probe came; the timer is due: a probe goes, or the session is dead. */
void session_got_probe(struct session *session, const struct unit *unit);
void session_look_after(struct session *session);
const char *session_state_name(enum session_state state);

#endif
