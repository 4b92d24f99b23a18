/* SPDX-License-Identifier: MIT */
/* What sealing and opening have in common: one direction's key, nonces and header. */
#include "tls/record_cipher.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"

bool record_cipher_is_tls13(const struct record_cipher *cipher)
{
	return cipher->secrets.version == RECORD_VERSION_TLS13;
}

bool record_cipher_is_gcm(const struct record_cipher *cipher)
{
	return cipher->secrets.algorithm != AEAD_CHACHA20_POLY1305;
}

static bool has_explicit_nonce(const struct record_cipher *cipher)
{
	return !record_cipher_is_tls13(cipher) && record_cipher_is_gcm(cipher);
}

size_t record_cipher_prefix(const struct record_cipher *cipher)
{
	return RECORD_HEADER_SIZE + (has_explicit_nonce(cipher) ? RECORD_EXPLICIT_SIZE : 0);
}

size_t record_cipher_overhead(const struct record_cipher *cipher)
{
	return record_cipher_prefix(cipher) + (record_cipher_is_tls13(cipher) ? 1 : 0) +
	       AEAD_TAG_SIZE;
}

static bool are_usable(const struct record_secrets *secrets)
{
	if (!aead_key_size(secrets->algorithm))
		return false;
	if (secrets->max_plain < 1 || secrets->max_plain > RECORD_PLAIN_MAX)
		return false;
	if (secrets->version == RECORD_VERSION_TLS12)
		return secrets->secret_length == 0;
	return secrets->version == RECORD_VERSION_TLS13 &&
	       (secrets->secret_length == 32 || secrets->secret_length == 48);
}

int record_cipher_init(struct record_cipher *cipher, const struct record_secrets *secrets,
		       const struct aead_backend *backend)
{
	struct aead *aead;
	int r;

	if (!backend)
		backend = aead_backend();
	if (!are_usable(secrets) || !backend->supports(secrets->algorithm))
		return -EINVAL;
	r = backend->open_key(secrets->algorithm, secrets->key, &aead);
	if (r)
		return r;
	cipher->secrets = *secrets;
	cipher->backend = backend;
	cipher->aead = aead;
	return 0;
}

void record_cipher_done(struct record_cipher *cipher)
{
	if (cipher->backend)
		cipher->backend->free_key(cipher->aead);
	record_secrets_erase(&cipher->secrets);
	cipher->aead = NULL;
}

int record_cipher_renew(struct record_cipher *cipher)
{
	struct record_secrets next = cipher->secrets;
	struct aead *aead;
	int r = record_secrets_update(&next);

	if (!r)
		r = cipher->backend->open_key(next.algorithm, next.key, &aead);
	if (!r) {
		cipher->backend->free_key(cipher->aead);
		cipher->aead = aead;
		cipher->secrets = next;
	}
	record_secrets_erase(&next);
	return r;
}

void record_cipher_nonce(const struct record_cipher *cipher, const uint8_t *explicit_part,
			 uint8_t nonce[AEAD_NONCE_SIZE])
{
	uint8_t sequence[8];

	memcpy(nonce, cipher->secrets.iv, AEAD_NONCE_SIZE);
	if (has_explicit_nonce(cipher)) {
		memcpy(nonce + 4, explicit_part, RECORD_EXPLICIT_SIZE);
		return;
	}
	store_be64(sequence, cipher->secrets.sequence);
	for (size_t i = 0; i < sizeof(sequence); i++)
		nonce[4 + i] ^= sequence[i];
}

size_t record_cipher_ad(const struct record_cipher *cipher,
			const uint8_t header[RECORD_HEADER_SIZE], size_t length,
			uint8_t ad[RECORD_AD_MAX])
{
	if (record_cipher_is_tls13(cipher)) {
		memcpy(ad, header, RECORD_HEADER_SIZE);
		return RECORD_HEADER_SIZE;
	}
	store_be64(ad, cipher->secrets.sequence);
	memcpy(ad + 8, header, 3);
	store_be16(ad + 11, (uint16_t)length);
	return RECORD_AD_MAX;
}
