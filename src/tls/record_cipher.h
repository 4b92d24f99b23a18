/* SPDX-License-Identifier: MIT */
/* What sealing and opening have in common: one direction's key, nonces and header. Private to the
 * record engine. */
#ifndef TLS_RECORD_CIPHER_H
#define TLS_RECORD_CIPHER_H

#include <endian.h>
#include <string.h>

#include "tls/record.h"

enum {
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
	/* What follows from version and algorithm, for every record. */
	bool is_tls13, is_gcm, has_explicit_nonce;
	uint8_t prefix, overhead;
	uint32_t iv_head; /* the first 4 bytes as they are, little-endian */
	uint64_t iv_tail; /* the last 8 as a number */
};

/* What a record carries beyond its content: in front of the ciphertext, and in all. */
static inline size_t record_cipher_prefix(const struct record_cipher *cipher)
{
	return cipher->prefix;
}

static inline size_t record_cipher_overhead(const struct record_cipher *cipher)
{
	return cipher->overhead;
}

static inline bool record_cipher_is_tls13(const struct record_cipher *cipher)
{
	return cipher->is_tls13;
}

static inline bool record_cipher_is_gcm(const struct record_cipher *cipher)
{
	return cipher->is_gcm;
}

/* What a record costs its key, in AES blocks. inner: the bytes that are encrypted. */
static inline uint64_t record_cipher_blocks(size_t inner)
{
	return (inner + 15) / 16 + 1;
}

/* One more record went through the key. */
static inline void record_cipher_count(struct record_cipher *cipher, size_t inner)
{
	cipher->secrets.sequence++;
	cipher->secrets.blocks += record_cipher_blocks(inner);
}

/* backend NULL: aead_backend(). 0, -EINVAL, -ENOMEM. */
int record_cipher_init(struct record_cipher *cipher, const struct record_secrets *secrets,
		       const struct aead_backend *backend);
void record_cipher_done(struct record_cipher *cipher);
/* TLS 1.3: go on with the next generation of keys. On failure the old one stays. */
int record_cipher_renew(struct record_cipher *cipher);

/*
 * Nonces and additional data have 16 bytes of room because they are written by one store each: an
 * AEAD reads them with one wide load, and a load that has to gather several stores waits until all
 * of them, and the ciphertext before them, are in the cache.
 */
enum { RECORD_NONCE_ROOM = 16, RECORD_AD_ROOM = 16 };

/* low and high in little-endian order. */
static inline void record_cipher_store(uint8_t out[16], uint64_t low, uint64_t high)
{
	uint64_t __attribute__((vector_size(16))) both = { htole64(low), htole64(high) };

	memcpy(out, &both, sizeof(both));
}

/* explicit_part: what a record of TLS 1.2 AES-GCM carries of its nonce, else unused. */
static inline void record_cipher_nonce(const struct record_cipher *cipher, uint64_t explicit_part,
				       uint8_t nonce[RECORD_NONCE_ROOM])
{
	uint64_t tail = cipher->has_explicit_nonce ? explicit_part
						   : cipher->iv_tail ^ cipher->secrets.sequence;

	tail = __builtin_bswap64(tail);
	record_cipher_store(nonce, cipher->iv_head | tail << 32, tail >> 32);
}

/*
 * The additional data of a record with this header.
 * length: of the content (TLS 1.2), of the record (TLS 1.3). Return: how many bytes of ad.
 */
static inline size_t record_cipher_ad(const struct record_cipher *cipher, uint8_t type,
				      uint16_t version, size_t length, uint8_t ad[RECORD_AD_ROOM])
{
	uint64_t header = type | (uint64_t)__builtin_bswap16(version) << 8 |
			  (uint64_t)__builtin_bswap16((uint16_t)length) << 24;

	if (cipher->is_tls13) {
		record_cipher_store(ad, header, 0);
		return RECORD_HEADER_SIZE;
	}
	record_cipher_store(ad, __builtin_bswap64(cipher->secrets.sequence), header);
	return 8 + RECORD_HEADER_SIZE;
}

#endif
