/* SPDX-License-Identifier: MIT */
/*
 * An "AEAD" that copies: what the path costs without sealing, for the benchmark.
 *
 * It takes the place of aead_backend() in longwire_copy alone, by the linker's --wrap: the product
 * has no null cipher, and no build of it can be told to have one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "tls/aead.h"

const struct aead_backend *__wrap_aead_backend(void);
static const struct aead_backend aead_copy;

static bool supports(enum aead_algorithm algorithm)
{
	return aead_key_size(algorithm) != 0;
}

static void free_key(struct aead *aead)
{
	free(aead);
}

static int open_key(enum aead_algorithm algorithm, const uint8_t *key, struct aead **ret_aead)
{
	struct aead *aead = calloc(1, sizeof(*aead));

	(void)algorithm;
	(void)key;
	if (!aead)
		return -ENOMEM;
	aead->backend = &aead_copy;
	*ret_aead = aead;
	return 0;
}

static int seal(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], const uint8_t *ad,
		size_t ad_length, const uint8_t *in, size_t length, uint8_t *out)
{
	(void)aead;
	(void)nonce;
	(void)ad;
	(void)ad_length;
	memmove(out, in, length);
	memset(out + length, 0, AEAD_TAG_SIZE);
	return 0;
}

static int seal_typed(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], const uint8_t *ad,
		      size_t ad_length, const uint8_t *in, size_t length, uint8_t type,
		      uint8_t *out)
{
	(void)seal(aead, nonce, ad, ad_length, in, length, out);
	out[length] = type;
	memset(out + length + 1, 0, AEAD_TAG_SIZE);
	return 0;
}

static int open(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], const uint8_t *ad,
		size_t ad_length, const uint8_t *in, size_t length, uint8_t *out)
{
	(void)aead;
	(void)nonce;
	(void)ad;
	(void)ad_length;
	memmove(out, in, length);
	return 0;
}

static const enum aead_algorithm preference[] = { AEAD_AES_128_GCM };

static const struct aead_backend aead_copy = {
	.name = "copy",
	.supports = supports,
	.open_key = open_key,
	.free_key = free_key,
	.seal = seal,
	.seal_typed = seal_typed,
	.open = open,
	.preference = preference,
	.n_preference = ARRAY_SIZE(preference),
};

const struct aead_backend *__wrap_aead_backend(void)
{
	return &aead_copy;
}
