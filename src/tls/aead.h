/* SPDX-License-Identifier: MIT */
/* AEAD backends: authenticated encryption of one record. Chosen at run time, per suite. */
#ifndef TLS_AEAD_H
#define TLS_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum aead_algorithm { AEAD_AES_128_GCM = 1, AEAD_AES_256_GCM = 2, AEAD_CHACHA20_POLY1305 = 3 };
enum { AEAD_NONCE_SIZE = 12, AEAD_TAG_SIZE = 16, AEAD_KEY_MAX = 32 };

struct aead; /* a key, ready for use on one thread at a time */

struct aead_backend {
	const char *name;
	bool (*supports)(enum aead_algorithm algorithm);
	int (*open_key)(enum aead_algorithm algorithm, const uint8_t *key, struct aead **ret_aead);
	void (*free_key)(struct aead *aead); /* erases it */
	/* out: length bytes of ciphertext, then the tag. in and out are equal or do not overlap.
	 * Return: 0 or -EIO. */
	int (*seal)(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], const uint8_t *ad,
		    size_t ad_length, const uint8_t *in, size_t length, uint8_t *out);
	/* The same of in with type behind it (TLS 1.3), without having both in one place: out is
	 * one byte longer. in and out do not overlap. */
	int (*seal_typed)(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE],
			  const uint8_t *ad, size_t ad_length, const uint8_t *in, size_t length,
			  uint8_t type, uint8_t *out);
	/*
	 * in: length bytes of ciphertext, then the tag. Compares in constant time; on -EBADMSG out
	 * has been erased before it returns.
	 */
	int (*open)(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], const uint8_t *ad,
		    size_t ad_length, const uint8_t *in, size_t length, uint8_t *out);
	/* suites in the order in which this backend is fast */
	const enum aead_algorithm *preference;
	size_t n_preference;
};

struct aead {
	const struct aead_backend *backend;
};

size_t aead_key_size(enum aead_algorithm algorithm);
const char *aead_name(enum aead_algorithm algorithm); /* "AES-128-GCM" */
/* The best backend on this machine; never NULL (mbedTLS's is always there). */
const struct aead_backend *aead_backend(void);
extern const struct aead_backend aead_mbedtls;
extern const struct aead_backend aead_ipsecmb; /* where it was built: see aead_backends() */
/* Every backend that works on this machine, the best first. Return: how many, at least 1. */
enum { AEAD_BACKENDS_MAX = 2 };
size_t aead_backends(const struct aead_backend *ret_backends[AEAD_BACKENDS_MAX]);

#endif
