/* SPDX-License-Identifier: MIT */
/* Identities: the key pairs by which hubs and clients know each other. */
#ifndef LONGWIRE_IDENTITY_H
#define LONGWIRE_IDENTITY_H

#include <longwire/api.h>

LW_BEGIN

struct lw_error;

/* "SHA256:" and 43 characters of base64 with a NUL: SHA-256 of the public key (RFC 7469, 2.4). */
enum { LW_PIN_SIZE = 7 + 43 + 1 };

/*
 * Make a new identity (P-256 key and certificate, PEM) in file, which must not exist; mode 0600.
 * ret_pin may be NULL. -EEXIST, or what the file system said.
 */
LW_API LW_MUST_CHECK int lw_identity_create(const char *file, char ret_pin[LW_PIN_SIZE],
					    struct lw_error *ret_error);

/* The pin of an identity's public key, which the other side is told. Refuses what a hub or client
 * would refuse to load. */
LW_API LW_MUST_CHECK int lw_identity_pin(const char *file, char ret_pin[LW_PIN_SIZE],
					 struct lw_error *ret_error);

LW_END

#endif
