/* SPDX-License-Identifier: MIT */
/* What sealing and opening have in common: one direction's key, nonces and header. Private to the
 * record engine. */
#ifndef TLS_RECORD_CIPHER_H
#define TLS_RECORD_CIPHER_H

#include "tls/record.h"

enum {
	RECORD_VERSION_TLS12 = 0x0303,
	RECORD_VERSION_TLS13 = 0x0304,
	RECORD_EXPLICIT_SIZE = 8, /* of the nonce of TLS 1.2 AES-GCM */
};

enum record_type {
	RECORD_TYPE_CHANGE_CIPHER_SPEC = 20,
	RECORD_TYPE_ALERT = 21,
	RECORD_TYPE_HANDSHAKE = 22,
	RECORD_TYPE_DATA = 23,
};

enum record_handshake_type { RECORD_NEW_SESSION_TICKET = 4, RECORD_KEY_UPDATE = 24 };

struct record_cipher {
	struct record_secrets secrets;
	const struct aead_backend *backend;
	struct aead *aead;
};

/* What a record carries beyond its content: in front of the ciphertext, and in all. */
size_t record_cipher_prefix(const struct record_cipher *cipher);
size_t record_cipher_overhead(const struct record_cipher *cipher);
bool record_cipher_is_tls13(const struct record_cipher *cipher);
bool record_cipher_is_gcm(const struct record_cipher *cipher);

/* backend NULL: aead_backend(). 0, -EINVAL, -ENOMEM. */
int record_cipher_init(struct record_cipher *cipher, const struct record_secrets *secrets,
		       const struct aead_backend *backend);
void record_cipher_done(struct record_cipher *cipher);
/* TLS 1.3: go on with the next generation of keys. On failure the old one stays. */
int record_cipher_renew(struct record_cipher *cipher);

/* explicit_part: the 8 bytes of TLS 1.2 AES-GCM, else unused. */
void record_cipher_nonce(const struct record_cipher *cipher, const uint8_t *explicit_part,
			 uint8_t nonce[AEAD_NONCE_SIZE]);

enum { RECORD_AD_MAX = 13 };

/*
 * The additional data of the record with this header; length: of the content (TLS 1.2).
 * Return: how many bytes of ad.
 */
size_t record_cipher_ad(const struct record_cipher *cipher,
			const uint8_t header[RECORD_HEADER_SIZE], size_t length,
			uint8_t ad[RECORD_AD_MAX]);

#endif
