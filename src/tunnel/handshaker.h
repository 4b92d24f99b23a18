/* SPDX-License-Identifier: MIT */
/*
 * The handshake role: whole TLS handshakes on sockets given to it.
 *
 * Theory of operation. The role owns the private key and every mbedTLS object and lives on a loop
 * of its own (a thread today, a process when the sandbox comes; in tests the asker's own loop). It
 * speaks two messages. A request brings a socket; the result brings it back with record secrets and
 * the peer's identity, or says why not. Nothing else crosses.
 *
 * Before authentication a connection costs a struct and a descriptor. A hub's connection first
 * waits for bytes that can be a ClientHello; only then, and only while there is a place among the
 * active (64 in all, 8 for an address, an IPv6 /64 counting as one), does it get a TLS context.
 * Those who wait are evicted oldest first when there are HANDSHAKE_WAITING_MAX, or
 * HANDSHAKE_WAITING_PER_ADDRESS_MAX of one address; the newest that is ready is the first to get a
 * place, because under an attack the oldest have waited in vain already. An active one whose last
 * whole flight came more than 1 s ago gives its place to one that is ready. Each has 10 s from
 * accept to admission, in all, and may not send more than TLS_PREAUTH_INPUT_MAX. A refused or failed
 * peer is sent its goodbye or alert, and the socket lingers up to 1 s so that these are not lost to
 * a reset. The asker stops accepting while HANDSHAKE_OUTSTANDING_MAX results are awaited.
 */
#ifndef TUNNEL_HANDSHAKER_H
#define TUNNEL_HANDSHAKER_H

#include <stdint.h>
#include <sys/socket.h>

#include <longwire/error.h>

#include "base/list.h"
#include "tls/handshake.h"

struct admission_book;
struct credentials;
struct handshaker;
struct key_log;
struct lw_loop;

enum {
	HANDSHAKE_OUTSTANDING_MAX = 1024,
	HANDSHAKE_WAITING_MAX = 512,
	HANDSHAKE_WAITING_PER_ADDRESS_MAX = 64,
	HANDSHAKE_ACTIVE_MAX = 64,
	HANDSHAKE_PER_ADDRESS_MAX = 8,
	HANDSHAKE_DEADLINE_MS = 10000,
	HANDSHAKE_LINGERING_MAX = 128,
	HANDSHAKE_STALL_MS = 1000,
	HANDSHAKE_LINGER_MS = 1000,
};

enum handshake_outcome {
	HANDSHAKE_ADMITTED = 1,
	HANDSHAKE_REFUSED = 2, /* the peer was judged and may not come in, or it told us so */
	HANDSHAKE_FAILED = 3,  /* TLS or the connection broke */
	HANDSHAKE_EXPIRED = 4, /* deadline, eviction, or never a ClientHello */
};

struct handshake_result {
	enum handshake_outcome outcome;
	int fd;                     /* admitted: the taker's; else -1 */
	struct tls_session session; /* admitted: the taker's */
	struct lw_error error;      /* otherwise */
	struct sockaddr_storage peer;
};

typedef void handshake_done_fn(struct handshake_result *result, void *user);

struct handshake_request;

/*
 * Results come on asker; the role runs on a thread of its own unless is_inline. credentials are
 * owned from success on.
 */
int handshaker_new(struct lw_loop *asker, enum admission_side side, bool is_inline,
		   struct credentials *credentials, struct handshaker **ret_handshaker,
		   struct lw_error *ret_error);
/* Ends everything under way without calling done. */
void handshaker_free(struct handshaker *handshaker);

/* Before the first request: tell the secrets of all handshakes; borrowed until handshaker_free. */
void handshaker_log_keys(struct handshaker *handshaker, struct key_log *key_log);

/* Who may come in from now on; the book is owned from the call on. */
int handshaker_set_book(struct handshaker *handshaker, struct admission_book *book);

/*
 * Give a connected non-blocking socket (owned from success on). done runs once on the asker's loop,
 * unless cancelled.
 */
int handshaker_submit(struct handshaker *handshaker, int fd, const struct sockaddr_storage *peer,
		      handshake_done_fn *done, void *user, struct handshake_request **ret_request);
/* done will not run. Accepts NULL. The request is gone after done or this. */
void handshaker_cancel(struct handshake_request *request);

/* Requests whose result is outstanding. */
uint32_t handshaker_pending(const struct handshaker *handshaker);

#endif
