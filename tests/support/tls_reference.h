/* SPDX-License-Identifier: MIT */
/*
 * A peer that is mbedTLS alone: mbedtls_ssl_handshake, _read and _write over memory, under our own
 * policy or a changed one. What the record engine does is measured against it.
 */
#ifndef SUPPORT_TLS_REFERENCE_H
#define SUPPORT_TLS_REFERENCE_H

#include <stdbool.h>

#include "tls/compat.h"
#include "tls/credentials_private.h"
#include "tls/handshake.h"
#include "tls/policy.h"
#include "tls/transport.h"

/* Parsed without any of our rules about strength. Aborts the test if the library cannot. */
struct credentials *tls_reference_identity(const char *pem);

struct tls_reference {
	struct policy policy;
	mbedtls_ssl_config config;
	mbedtls_ssl_context ssl;
	struct transport transport;
	int result;        /* of the handshake: 0, or what the library returned */
	const char *early; /* said as soon as it has finished, in one go with its last flight */
};

/* Changes the policy of a peer before it begins; NULL changes nothing. */
typedef void tls_reference_adjust_fn(mbedtls_ssl_config *config);

/* The peer does not look at certificates; its wishes come from adjust. */
struct tls_reference *tls_reference_new(enum admission_side side,
					const struct credentials *credentials,
					tls_reference_adjust_fn *adjust);
void tls_reference_free(struct tls_reference *reference);

/*
 * Carry bytes between the two, at most piece at a time (0: all there is), until neither has any.
 * Return: what the handshake says at the end (TLS_WANT_INPUT: it is stuck).
 */
enum tls_progress tls_reference_connect(struct tls_reference *reference,
					struct tls_handshake *handshake, size_t piece);
/* The same for two of ours; each result by pointer. */
void tls_reference_introduce(struct tls_handshake *client, struct tls_handshake *hub, size_t piece,
			     enum tls_progress *ret_client, enum tls_progress *ret_hub);

/* The reference's turn, until it has nothing more to do with what it has got. */
void tls_reference_step(struct tls_reference *reference);

/* Everything that the reference has to send is moved to buffer. Return: how much. */
size_t tls_reference_collect(struct tls_reference *reference, uint8_t *buffer, size_t size);
void tls_reference_feed(struct tls_reference *reference, const uint8_t *data, size_t length);

/* mbedtls_ssl_write of all; mbedtls_ssl_read of all there is, with what ended it in result. */
void tls_reference_say(struct tls_reference *reference, const void *data, size_t length);
size_t tls_reference_hear(struct tls_reference *reference, void *data, size_t size);

/* Whether the library under test speaks TLS 1.3. */
#define TLS_REFERENCE_HAS_TLS13 COMPAT_MBEDTLS_3
void tls_reference_only_tls12(mbedtls_ssl_config *config);

#endif
