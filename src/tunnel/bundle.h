/* SPDX-License-Identifier: MIT */
/*
 * A bundle: the streams of one peer's presence, of which each packet takes one.
 *
 * Theory of operation. The client asks for a number of streams in its hello, the hub grants as many
 * or fewer, and both then know it. The first hello makes the bundle, and its session id, which only
 * the hub's answer tells; each further connection names that id and the number of its stream, and is
 * believed only from the same peer. A stream of the bundle is a session of its own (session.h): with
 * its keys, scheduler, probes and succession. What belongs to the peer as a whole (settings, the
 * address that is shown, the goodbye that counts) is the first one's.
 *
 * A packet takes stream number flow_hash() mod streams, at both ends, so that a flow keeps its order
 * and its answers come back by the same one. To keep it so when streams come and go:
 *
 *   - no packet is sent before every stream is there (PORT_DOWN): the number never grows;
 *   - a stream that is lost is opened again under its number by the client; until then what would
 *     take it is dropped (PORT_DOWN), because on another it could overtake what the other end has
 *     not read yet. A client that cannot do so within BUNDLE_AWAY_MS begins anew, with as many
 *     streams as it can get;
 *   - the loss of the first is the loss of all.
 *
 * Stream i lives on worker (home + i) mod workers; all of this is control code (loop/crew.h), and
 * choosing is packet code.
 */
#ifndef TUNNEL_BUNDLE_H
#define TUNNEL_BUNDLE_H

#include <stdbool.h>
#include <stdint.h>

#include <longwire/packet.h>

#include "wire/message.h"

struct crew;
struct session;

enum { BUNDLE_AWAY_MS = 10000 };

struct bundle {
	struct crew *crew; /* borrowed; NULL: one worker */
	unsigned home;
	uint32_t wanted; /* streams: asked for or granted at most */
	uint32_t n;      /* agreed on; 0: nobody is there */
	bool is_complete;
	uint8_t id[SESSION_ID_SIZE];
	struct session *members[STREAMS_MAX]; /* who carries each stream; NULL: nobody */
};

void bundle_init(struct bundle *bundle, struct crew *crew, unsigned home, uint32_t wanted);
/* Hub: whether what a hello says of session, stream and succession is true here. */
bool bundle_admits(const struct bundle *bundle, const struct hello *hello);
/* The streams that are agreed on with a peer who said hello. */
uint32_t bundle_agree(const struct bundle *bundle, const struct hello *hello);
/* Whether the presence that a session with a good hello belongs to is still there; the first of a
 * bundle begins one. */
bool bundle_awaits(const struct bundle *bundle, const struct session *session);
/* session is up, and awaited: it carries the stream of its number from now on. Who carried it before
 * is finished, but for the one that it succeeds. */
void bundle_join(struct bundle *bundle, struct session *session);
/* session has ended. Idempotent. */
void bundle_leave(struct bundle *bundle, struct session *session);
/* Whether what session receives is of this presence: it carries a stream, or did until its
 * successor. From any worker. */
bool bundle_has(const struct bundle *bundle, const struct session *session);
/* How many of its streams are there now. */
uint32_t bundle_count(const struct bundle *bundle);
/* The worker that stream number index lives on. */
unsigned bundle_worker(const struct bundle *bundle, uint32_t index);

/* Who sends this packet; NULL: nobody can. From any worker. */
struct session *bundle_choose(const struct bundle *bundle, const struct lw_packet *packet);
/* The worker that has to send it; this one, if nobody can. */
unsigned bundle_choose_worker(const struct bundle *bundle, const struct lw_packet *packet);
/* Flush those that live on this worker. */
void bundle_flush(struct bundle *bundle);

#endif
