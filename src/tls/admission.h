/* SPDX-License-Identifier: MIT */
/*
 * Admission: the one place that lets a peer in.
 *
 * Theory of operation. The handshake proves that the peer has the key of the certificate it showed.
 * Whether that key may come in is decided here, by one pure function of facts (certificate, flags,
 * pins, CA result, protocol, time) and the book (who is expected). It refuses by default, runs
 * before anything is allocated for the peer, and gives a sentence for the log and one for the peer.
 * With pinned keys the certificate is only a wrapper: its dates, names and usages are not looked
 * at; its key is, and the strength of that. CA mode will add facts (chain, name, EKU, validity,
 * CRL) that are judged here and nowhere else.
 */
#ifndef TLS_ADMISSION_H
#define TLS_ADMISSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tls/credentials.h"

enum admission_flag {
	ADMISSION_NO_CERTIFICATE = 1 << 0,
	ADMISSION_WEAK_KEY = 1 << 1,       /* RSA < 2048, curve not P-256 / P-384 */
	ADMISSION_WEAK_SIGNATURE = 1 << 2, /* the certificate is signed with MD5 or SHA-1 */
	ADMISSION_WRONG_ALPN = 1 << 3,     /* negotiated none, or another than ours */
	ADMISSION_OLD_PROTOCOL = 1 << 4,   /* below TLS 1.2 */
	ADMISSION_WRONG_SUITE = 1 << 5,    /* not ECDHE + AEAD */
};

enum admission_side { ADMISSION_HUB = 1, ADMISSION_CLIENT = 2 }; /* who judges */

struct admission_facts {
	enum admission_side side;
	unsigned flags;
	struct pin pin; /* of the peer's key, unless ADMISSION_NO_CERTIFICATE */
	int64_t now;    /* wall clock, seconds: for certificates in CA mode */
};

enum { ADMISSION_NAME_SIZE = 64, ADMISSION_TEXT_SIZE = 200 };

struct admission_entry {
	struct pin pin;
	char name[ADMISSION_NAME_SIZE];
};

/* Immutable once given to the handshake role; sorted by pin (admission_book_new sorts). */
struct admission_book {
	struct admission_entry *entries;
	size_t n;
};

/* 0, -ENOMEM, or -EEXIST: one pin with two names. */
int admission_book_new(const struct admission_entry *entries, size_t n,
		       struct admission_book **ret_book);
void admission_book_free(struct admission_book *book);

enum admission_verdict {
	ADMISSION_REFUSED = 0,
	ADMISSION_ADMITTED = 1,
	ADMISSION_MAY_JOIN = 2, /* ALPN longwire-join/1 with an open invitation; nobody yet */
};

struct admission {
	enum admission_verdict verdict;
	char name[ADMISSION_NAME_SIZE]; /* admitted: whose key it is ("hub" at a client) */
	int connection_error;           /* enum lw_connection_error; 0 when admitted */
	/* refused: for our user and log, with the pin that was shown; for the peer, nothing that it
	 * does not know */
	char text[ADMISSION_TEXT_SIZE];
	char peer_text[ADMISSION_TEXT_SIZE];
};

void admission_judge(const struct admission_facts *facts, const struct admission_book *book,
		     struct admission *ret_admission);

#endif
