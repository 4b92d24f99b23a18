/* SPDX-License-Identifier: MIT */
/* The AEAD backend that is always there. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/chachapoly.h>
#include <mbedtls/gcm.h>

#include "base/memory.h"
#include "tls/aead.h"
#include "tls/compat.h"
#include "tls/library.h"

struct mbedtls_key {
	struct aead aead;
	enum aead_algorithm algorithm;
	mbedtls_gcm_context gcm;
	mbedtls_chachapoly_context chachapoly;
};

static struct mbedtls_key *key_of(struct aead *aead)
{
	return container_of(aead, struct mbedtls_key, aead);
}

static bool supports(enum aead_algorithm algorithm)
{
	return aead_key_size(algorithm) != 0;
}

static void free_key(struct aead *aead)
{
	struct mbedtls_key *key;

	if (!aead)
		return;
	key = key_of(aead);
	mbedtls_gcm_free(&key->gcm);
	mbedtls_chachapoly_free(&key->chachapoly);
	memory_erase(key, sizeof(*key));
	free(key);
}

static int set_key(struct mbedtls_key *key, const uint8_t *bytes)
{
	if (key->algorithm == AEAD_CHACHA20_POLY1305)
		return mbedtls_chachapoly_setkey(&key->chachapoly, bytes);
	return mbedtls_gcm_setkey(&key->gcm, MBEDTLS_CIPHER_ID_AES, bytes,
				  (unsigned)aead_key_size(key->algorithm) * 8);
}

static int open_key(enum aead_algorithm algorithm, const uint8_t *bytes, struct aead **ret_aead)
{
	struct mbedtls_key *key;

	if (!supports(algorithm))
		return -EINVAL;
	if (library_start())
		return -EIO;
	key = calloc(1, sizeof(*key));
	if (!key)
		return -ENOMEM;
	key->aead.backend = &aead_mbedtls;
	key->algorithm = algorithm;
	mbedtls_gcm_init(&key->gcm);
	mbedtls_chachapoly_init(&key->chachapoly);
	if (set_key(key, bytes)) {
		free_key(&key->aead);
		return -ENOMEM; /* the one thing that can fail with a key of the right size */
	}
	*ret_aead = &key->aead;
	return 0;
}

static int seal(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], const uint8_t *ad,
		size_t ad_length, const uint8_t *in, size_t length, uint8_t *out)
{
	struct mbedtls_key *key = key_of(aead);
	int r;

	if (key->algorithm == AEAD_CHACHA20_POLY1305)
		r = mbedtls_chachapoly_encrypt_and_tag(&key->chachapoly, length, nonce, ad,
						       ad_length, in, out, out + length);
	else
		r = mbedtls_gcm_crypt_and_tag(&key->gcm, MBEDTLS_GCM_ENCRYPT, length, nonce,
					      AEAD_NONCE_SIZE, ad, ad_length, in, out,
					      AEAD_TAG_SIZE, out + length);
	return r ? -EIO : 0;
}

static int seal_typed(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], const uint8_t *ad,
		      size_t ad_length, const uint8_t *in, size_t length, uint8_t type,
		      uint8_t *out)
{
	memcpy(out, in, length);
	out[length] = type;
	return seal(aead, nonce, ad, ad_length, out, length + 1, out);
}

/* Both functions of the library compare in constant time and erase themselves; what we promise does
 * not rest on that. */
static int open(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], const uint8_t *ad,
		size_t ad_length, const uint8_t *in, size_t length, uint8_t *out)
{
	struct mbedtls_key *key = key_of(aead);
	int r;

	if (key->algorithm == AEAD_CHACHA20_POLY1305)
		r = mbedtls_chachapoly_auth_decrypt(&key->chachapoly, length, nonce, ad, ad_length,
						    in + length, in, out);
	else
		r = mbedtls_gcm_auth_decrypt(&key->gcm, length, nonce, AEAD_NONCE_SIZE, ad,
					     ad_length, in + length, AEAD_TAG_SIZE, in, out);
	if (!r)
		return 0;
	memory_erase(out, length);
	return -EBADMSG;
}

static const enum aead_algorithm preference[] = COMPAT_AEAD_PREFERENCE;

const struct aead_backend aead_mbedtls = {
	.name = "mbedTLS",
	.supports = supports,
	.open_key = open_key,
	.free_key = free_key,
	.seal = seal,
	.seal_typed = seal_typed,
	.open = open,
	.preference = preference,
	.n_preference = ARRAY_SIZE(preference),
};
