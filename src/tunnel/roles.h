/* SPDX-License-Identifier: MIT */
/*
 * The table of messages between the packet role and the handshake role. Private to handshaker.c and
 * handshake_role.c.
 *
 *   packet → handshake   REQUEST  a socket and the peer's address
 *                        BOOK     who may come in from now on
 *                        CANCEL   a request whose result nobody wants any more
 *                        CLOSE    end everything; the last message
 *   handshake → packet   RESULT   the request, with its outcome
 */
#ifndef TUNNEL_ROLES_H
#define TUNNEL_ROLES_H

#include <semaphore.h>
#include <stdatomic.h>

#include "loop/mailbox.h"
#include "tunnel/handshaker.h"

struct handshake_role;

enum role_message_type { ROLE_REQUEST = 1, ROLE_BOOK, ROLE_CANCEL, ROLE_CLOSE };

struct role_message {
	struct list letter;
	enum role_message_type type;
};

struct handshake_request {
	struct role_message message;
	int fd; /* until the result takes it */
	struct sockaddr_storage peer;
	struct handshake_result result;
	atomic_bool is_cancelled; /* a hint to the role; the asker's own word is done == NULL */
	/* The asker's. */
	struct handshaker *handshaker;
	struct list outstanding;
	handshake_done_fn *done;
	void *user;
};

struct role_book {
	struct role_message message;
	struct admission_book *book;
};

struct role_cancel {
	struct role_message message;
	/* To be found, never followed: it may be gone. It cannot be another, because that would have
	 * been submitted later than this. */
	const struct handshake_request *request;
};

struct role_close {
	struct role_message message;
	sem_t closed;
};

/* Results go into results. config and book are the role's. */
int handshake_role_new(struct mailbox *results, enum admission_side side, struct tls_config *config,
		       struct handshake_role **ret_role);
/* On the role's thread. */
int handshake_role_open(struct handshake_role *role, struct lw_loop *loop);
struct mailbox *handshake_role_requests(struct handshake_role *role);
/* After ROLE_CLOSE was handled, or before open. Requests that were never read are given back as
 * results. */
void handshake_role_free(struct handshake_role *role);

#endif
