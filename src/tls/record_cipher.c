/* SPDX-License-Identifier: MIT */
/* What sealing and opening have in common: one direction's key, nonces and header. */
#include "tls/record_cipher.h"

#include <errno.h>

#include "base/bytes.h"

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

static void describe(struct record_cipher *cipher)
{
	const uint8_t *iv = cipher->secrets.iv;

	cipher->iv_head = __builtin_bswap32(load_be32(iv));
	cipher->iv_tail = load_be64(iv + 4);
	cipher->is_tls13 = cipher->secrets.version == RECORD_VERSION_TLS13;
	cipher->is_gcm = cipher->secrets.algorithm != AEAD_CHACHA20_POLY1305;
	cipher->has_explicit_nonce = !cipher->is_tls13 && cipher->is_gcm;
	cipher->prefix = RECORD_HEADER_SIZE;
	if (cipher->has_explicit_nonce)
		cipher->prefix += RECORD_EXPLICIT_SIZE;
	cipher->overhead = (uint8_t)(cipher->prefix + AEAD_TAG_SIZE + (cipher->is_tls13 ? 1 : 0));
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
	describe(cipher);
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
		describe(cipher);
	}
	record_secrets_erase(&next);
	return r;
}
