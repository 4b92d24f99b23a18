/* SPDX-License-Identifier: MIT */
/*
 * The AEAD backend that is fast: libipsec-mb, for x86-64 with AES instructions.
 *
 * Theory of operation. The library's manager is made once, tells which functions suit this machine,
 * and is thrown away: the direct functions that are used here keep nothing but what a key of ours
 * holds. They write plaintext and return a tag, and judge nothing: comparing and erasing is done
 * here.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <intel-ipsec-mb.h>

#include "base/memory.h"
#include "tls/aead.h"

enum {
	KEY_ALIGNMENT = 64,
	/* Up to here a copy costs less than the calls that seal in two segments. */
	GATHER_MAX = 2048,
};

struct gcm_functions {
	aes_gcm_pre_t expand;
	aes_gcm_enc_dec_t seal, open;
	aes_gcm_init_t begin;
	aes_gcm_enc_dec_update_t update; /* sealing */
	aes_gcm_enc_dec_finalize_t finish;
};

struct chacha_functions {
	chacha_poly_init_t begin;
	chacha_poly_enc_dec_update_t seal, open;
	chacha_poly_finalize_t finish;
};

/* What the manager said. Written once, before it is_usable. */
static struct {
	bool is_usable;
	struct gcm_functions gcm_128, gcm_256;
	struct chacha_functions chacha;
} machine;

struct ipsecmb_key {
	struct aead aead;
	const struct gcm_functions *gcm; /* NULL: ChaCha20-Poly1305 */
	union {
		struct {
			struct gcm_key_data expanded;
			struct gcm_context_data context;
		} aes;
		struct {
			uint8_t bytes[AEAD_KEY_MAX];
			struct chacha20_poly1305_context_data context;
		} chacha;
	} u __attribute__((aligned(KEY_ALIGNMENT)));
};

static struct ipsecmb_key *key_of(struct aead *aead)
{
	return container_of(aead, struct ipsecmb_key, aead);
}

static void keep_functions(const IMB_MGR *manager)
{
	machine.gcm_128 = (struct gcm_functions){
		.expand = manager->gcm128_pre,
		.seal = manager->gcm128_enc,
		.open = manager->gcm128_dec,
		.begin = manager->gcm128_init,
		.update = manager->gcm128_enc_update,
		.finish = manager->gcm128_enc_finalize,
	};
	machine.gcm_256 = (struct gcm_functions){
		.expand = manager->gcm256_pre,
		.seal = manager->gcm256_enc,
		.open = manager->gcm256_dec,
		.begin = manager->gcm256_init,
		.update = manager->gcm256_enc_update,
		.finish = manager->gcm256_enc_finalize,
	};
	machine.chacha = (struct chacha_functions){
		.begin = manager->chacha20_poly1305_init,
		.seal = manager->chacha20_poly1305_enc_update,
		.open = manager->chacha20_poly1305_dec_update,
		.finish = manager->chacha20_poly1305_finalize,
	};
}

/* The instructions that make it fast, and the library's own known answers. */
static bool is_good(IMB_MGR *manager)
{
	const uint64_t needed = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;

	if (imb_get_errno(manager) || (manager->features & needed) != needed)
		return false;
	return !(manager->features & IMB_FEATURE_SELF_TEST) ||
	       manager->features & IMB_FEATURE_SELF_TEST_PASS;
}

static void look_at_machine(void)
{
	IMB_MGR *manager = alloc_mb_mgr(0);

	if (!manager)
		return;
	init_mb_mgr_auto(manager, NULL);
	if (is_good(manager)) {
		keep_functions(manager);
		machine.is_usable = true;
	}
	free_mb_mgr(manager);
}

static bool supports(enum aead_algorithm algorithm)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	return aead_key_size(algorithm) != 0 && !pthread_once(&once, look_at_machine) &&
	       machine.is_usable;
}

static void free_key(struct aead *aead)
{
	struct ipsecmb_key *key;

	if (!aead)
		return;
	key = key_of(aead);
	memory_erase(key, sizeof(*key));
	free(key);
}

static int open_key(enum aead_algorithm algorithm, const uint8_t *bytes, struct aead **ret_aead)
{
	struct ipsecmb_key *key;

	if (!supports(algorithm))
		return -EINVAL;
	key = aligned_alloc(KEY_ALIGNMENT, sizeof(*key));
	if (!key)
		return -ENOMEM;
	memset(key, 0, sizeof(*key));
	key->aead.backend = &aead_ipsecmb;
	if (algorithm == AEAD_CHACHA20_POLY1305) {
		memcpy(key->u.chacha.bytes, bytes, AEAD_KEY_MAX);
	} else {
		key->gcm = algorithm == AEAD_AES_128_GCM ? &machine.gcm_128 : &machine.gcm_256;
		key->gcm->expand(bytes, &key->u.aes.expanded);
	}
	*ret_aead = &key->aead;
	return 0;
}

static void chacha_begin(struct ipsecmb_key *key, const uint8_t *nonce, const uint8_t *ad,
			 size_t ad_length)
{
	machine.chacha.begin(key->u.chacha.bytes, &key->u.chacha.context, nonce, ad, ad_length);
}

static void chacha_seal(struct ipsecmb_key *key, const uint8_t *in, size_t length, uint8_t *out)
{
	if (length)
		machine.chacha.seal(key->u.chacha.bytes, &key->u.chacha.context, out, in, length);
}

static int seal(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], const uint8_t *ad,
		size_t ad_length, const uint8_t *in, size_t length, uint8_t *out)
{
	struct ipsecmb_key *key = key_of(aead);

	if (likely(key->gcm)) {
		key->gcm->seal(&key->u.aes.expanded, &key->u.aes.context, out, in, length, nonce,
			       ad, ad_length, out + length, AEAD_TAG_SIZE);
		return 0;
	}
	chacha_begin(key, nonce, ad, ad_length);
	chacha_seal(key, in, length, out);
	machine.chacha.finish(&key->u.chacha.context, out + length, AEAD_TAG_SIZE);
	return 0;
}

/* Not in out, which is rarely aligned: what was copied there with other alignment than it is read
 * with would have to reach the cache first. */
static _Thread_local uint8_t gathered[GATHER_MAX + 1] __attribute__((aligned(KEY_ALIGNMENT)));

static int seal_typed(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], const uint8_t *ad,
		      size_t ad_length, const uint8_t *in, size_t length, uint8_t type,
		      uint8_t *out)
{
	struct ipsecmb_key *key = key_of(aead);

	if (length <= GATHER_MAX) {
		memcpy(gathered, in, length);
		gathered[length] = type;
		return seal(aead, nonce, ad, ad_length, gathered, length + 1, out);
	}
	if (key->gcm) {
		struct gcm_context_data *context = &key->u.aes.context;
		const struct gcm_key_data *expanded = &key->u.aes.expanded;

		key->gcm->begin(expanded, context, nonce, ad, ad_length);
		key->gcm->update(expanded, context, out, in, length);
		key->gcm->update(expanded, context, out + length, &type, 1);
		key->gcm->finish(expanded, context, out + length + 1, AEAD_TAG_SIZE);
		return 0;
	}
	chacha_begin(key, nonce, ad, ad_length);
	chacha_seal(key, in, length, out);
	chacha_seal(key, &type, 1, out + length);
	machine.chacha.finish(&key->u.chacha.context, out + length + 1, AEAD_TAG_SIZE);
	return 0;
}

/* In a time that does not depend on where they differ. */
static bool are_equal(const uint8_t a[AEAD_TAG_SIZE], const uint8_t b[AEAD_TAG_SIZE])
{
	volatile uint64_t difference;
	uint64_t x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	difference = (x[0] ^ y[0]) | (x[1] ^ y[1]);
	return !difference;
}

static int open(struct aead *aead, const uint8_t nonce[AEAD_NONCE_SIZE], const uint8_t *ad,
		size_t ad_length, const uint8_t *in, size_t length, uint8_t *out)
{
	struct ipsecmb_key *key = key_of(aead);
	uint8_t tag[AEAD_TAG_SIZE];
	bool is_authentic;

	if (likely(key->gcm)) {
		key->gcm->open(&key->u.aes.expanded, &key->u.aes.context, out, in, length, nonce,
			       ad, ad_length, tag, sizeof(tag));
	} else {
		chacha_begin(key, nonce, ad, ad_length);
		if (length)
			machine.chacha.open(key->u.chacha.bytes, &key->u.chacha.context, out, in,
					    length);
		machine.chacha.finish(&key->u.chacha.context, tag, sizeof(tag));
	}
	is_authentic = are_equal(tag, in + length);
	if (likely(is_authentic))
		return 0;
	/* The right tag of a forged record would be a forged record. */
	memory_erase(tag, sizeof(tag));
	memory_erase(out, length);
	return -EBADMSG;
}

/* With AES instructions the shorter key is the faster one, and nothing else comes near. */
static const enum aead_algorithm preference[] = { AEAD_AES_128_GCM, AEAD_AES_256_GCM,
						  AEAD_CHACHA20_POLY1305 };

const struct aead_backend aead_ipsecmb = {
	.name = "ipsec-mb",
	.supports = supports,
	.open_key = open_key,
	.free_key = free_key,
	.seal = seal,
	.seal_typed = seal_typed,
	.open = open,
	.preference = preference,
	.n_preference = ARRAY_SIZE(preference),
};
