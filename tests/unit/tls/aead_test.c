/* SPDX-License-Identifier: MIT */
/* AEAD backends against the published vectors, and what they promise when they say no. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "tls/aead.h"

struct vector {
	enum aead_algorithm algorithm;
	const char *key, *nonce, *ad, *plain, *sealed; /* hexadecimal; sealed: with the tag */
};

static const struct vector vectors[] = {
	/* McGrew and Viega, the GCM specification, test cases 1 and 13: nothing but a tag */
	{ AEAD_AES_128_GCM, "00000000000000000000000000000000", "000000000000000000000000", "", "",
	  "58e2fccefa7e3061367f1d57a4e7455a" },
	{ AEAD_AES_256_GCM, "0000000000000000000000000000000000000000000000000000000000000000",
	  "000000000000000000000000", "", "", "530f8afbc74536b9a963b4f1c4cb738b" },
	/* McGrew and Viega, the GCM specification, test cases 2, 4, 14 and 16 */
	{ AEAD_AES_128_GCM, "00000000000000000000000000000000", "000000000000000000000000", "",
	  "00000000000000000000000000000000",
	  "0388dace60b6a392f328c2b971b2fe78ab6e47d42cec13bdf53a67b21257bddf" },
	{ AEAD_AES_128_GCM, "feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
	  "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e24"
	  "49a6b525b16aedf5aa0de657ba637b39",
	  "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5a"
	  "ac84aa051ba30b396a0aac973d58e0915bc94fbc3221a5db94fae95ae7121a47" },
	{ AEAD_AES_256_GCM, "0000000000000000000000000000000000000000000000000000000000000000",
	  "000000000000000000000000", "", "00000000000000000000000000000000",
	  "cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919" },
	{ AEAD_AES_256_GCM, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308",
	  "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
	  "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e24"
	  "49a6b525b16aedf5aa0de657ba637b39",
	  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b10"
	  "56828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b" },
	/* RFC 8439 2.8.2 */
	{ AEAD_CHACHA20_POLY1305,
	  "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
	  "070000004041424344454647", "50515253c0c1c2c3c4c5c6c7",
	  "4c616469657320616e642047656e746c656d656e206f662074686520636c617373206f66202739393a204966"
	  "204920636f756c64206f6666657220796f75206f6e6c79206f6e652074697020666f72207468652066757475"
	  "72652c2073756e73637265656e20776f756c642062652069742e",
	  "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69"
	  "da92728b1a71de0a9e060b2905d6a5b67ecd3b3692ddbd7f2d778b8c9803aee328091b58fab324e4fad67594"
	  "5585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691" },
};

static size_t bytes_of(const char *hex, uint8_t *out)
{
	size_t n = strlen(hex) / 2;

	for (size_t i = 0; i < 2 * n; i++) {
		int digit = hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10;

		out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | digit : digit << 4);
	}
	return n;
}

struct prepared {
	struct aead *aead;
	uint8_t nonce[AEAD_NONCE_SIZE], ad[32], plain[128], sealed[160];
	size_t ad_length, length;
};

static void prepare(const struct aead_backend *backend, const struct vector *v, struct prepared *p)
{
	uint8_t key[AEAD_KEY_MAX];

	assert_int_equal(bytes_of(v->key, key), aead_key_size(v->algorithm));
	bytes_of(v->nonce, p->nonce);
	p->ad_length = bytes_of(v->ad, p->ad);
	p->length = bytes_of(v->plain, p->plain);
	assert_int_equal(bytes_of(v->sealed, p->sealed), p->length + AEAD_TAG_SIZE);
	assert_int_equal(backend->open_key(v->algorithm, key, &p->aead), 0);
	assert_ptr_equal(p->aead->backend, backend);
}

static void vectors__seal_and_open__as_published(void **state)
{
	const struct aead_backend *backend = *state;
	struct prepared p;
	uint8_t out[160];

	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		prepare(backend, &vectors[i], &p);
		assert_int_equal(backend->seal(p.aead, p.nonce, p.ad, p.ad_length, p.plain,
					       p.length, out),
				 0);
		assert_memory_equal(out, p.sealed, p.length + AEAD_TAG_SIZE);
		assert_int_equal(backend->open(p.aead, p.nonce, p.ad, p.ad_length, p.sealed,
					       p.length, out),
				 0);
		assert_memory_equal(out, p.plain, p.length);
		/* In place, as the record engine does. */
		memcpy(out, p.plain, p.length);
		assert_int_equal(
			backend->seal(p.aead, p.nonce, p.ad, p.ad_length, out, p.length, out), 0);
		assert_memory_equal(out, p.sealed, p.length + AEAD_TAG_SIZE);
		/* The last byte as the type behind the rest, as in TLS 1.3. */
		if (p.length) {
			assert_int_equal(backend->seal_typed(p.aead, p.nonce, p.ad, p.ad_length,
							     p.plain, p.length - 1,
							     p.plain[p.length - 1], out),
					 0);
			assert_memory_equal(out, p.sealed, p.length + AEAD_TAG_SIZE);
		}
		backend->free_key(p.aead);
	}
}

static void refuse(const struct aead_backend *backend, struct prepared *p)
{
	static const uint8_t zeros[128];
	uint8_t out[128];

	memset(out, 0xa5, sizeof(out));
	assert_int_equal(backend->open(p->aead, p->nonce, p->ad, p->ad_length, p->sealed, p->length,
				       out),
			 -EBADMSG);
	assert_memory_equal(out, zeros, p->length);
}

static void open__any_bit_changed__refused_and_erased(void **state)
{
	const struct aead_backend *backend = *state;
	struct prepared p;
	uint8_t out[160];

	for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
		prepare(backend, &vectors[i], &p);
		/* In place, and then from elsewhere. */
		memcpy(out, p.sealed, p.length + AEAD_TAG_SIZE);
		out[p.length] ^= 1;
		assert_int_equal(backend->open(p.aead, p.nonce, p.ad, p.ad_length, out, p.length,
					       out),
				 -EBADMSG);
		for (size_t n = 0; n < p.length; n++)
			assert_int_equal(out[n], 0);
		for (size_t bit = 0; bit < 8 * (p.length + AEAD_TAG_SIZE); bit++) {
			p.sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
			refuse(backend, &p);
			p.sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
		p.nonce[11] ^= 1;
		refuse(backend, &p);
		p.nonce[11] ^= 1;
		if (p.ad_length) {
			p.ad_length--;
			refuse(backend, &p);
		}
		backend->free_key(p.aead);
	}
}

static void open_key__unknown_algorithm__refused(void **state)
{
	const struct aead_backend *backend = *state;
	struct aead *aead = NULL;
	uint8_t key[AEAD_KEY_MAX] = { 0 };

	assert_false(backend->supports(0));
	assert_false(backend->supports(4));
	assert_int_equal(backend->open_key(4, key, &aead), -EINVAL);
	assert_null(aead);
	backend->free_key(NULL);
}

static void preference__of_each_backend__names_what_it_supports(void **state)
{
	const struct aead_backend *backend = *state;

	assert_in_range(backend->n_preference, 1, 3);
	for (size_t i = 0; i < backend->n_preference; i++)
		assert_true(backend->supports(backend->preference[i]));
	assert_string_equal(aead_name(AEAD_AES_256_GCM), "AES-256-GCM");
	assert_string_equal(aead_name(9), "?");
	assert_int_equal(aead_key_size(9), 0);
	assert_non_null(aead_backend());
}

/* The backend that is not under test, or the same where there is one only. */
static const struct aead_backend *other_than(const struct aead_backend *backend)
{
	const struct aead_backend *backends[AEAD_BACKENDS_MAX];
	size_t n = aead_backends(backends);

	return backends[0] == backend ? backends[n - 1] : backends[0];
}

enum { LONGEST = 16384 + 256 };

/* A key of each backend, and room for a record and a guard behind it. */
struct pair {
	enum aead_algorithm algorithm;
	const struct aead_backend *one, *other;
	struct aead *one_key, *other_key;
	uint8_t nonce[AEAD_NONCE_SIZE], ad[13];
	uint8_t plain[LONGEST], sealed[LONGEST + 64], expected[LONGEST + 64];
};

static void pair_check(struct pair *p, size_t length, size_t ad_length)
{
	enum { GUARD = 32, FILL = 0xa5 };
	size_t sealed = length + AEAD_TAG_SIZE;

	memset(p->sealed, FILL, sealed + GUARD);
	assert_int_equal(p->other->seal(p->other_key, p->nonce, p->ad, ad_length, p->plain, length,
					p->expected),
			 0);
	assert_int_equal(p->one->seal(p->one_key, p->nonce, p->ad, ad_length, p->plain, length,
				      p->sealed),
			 0);
	assert_memory_equal(p->sealed, p->expected, sealed);
	memset(p->sealed, FILL, sealed);
	if (length) {
		assert_int_equal(p->one->seal_typed(p->one_key, p->nonce, p->ad, ad_length,
						    p->plain, length - 1, p->plain[length - 1],
						    p->sealed),
				 0);
		assert_memory_equal(p->sealed, p->expected, sealed);
		memset(p->sealed, FILL, sealed);
	}
	assert_int_equal(p->one->open(p->one_key, p->nonce, p->ad, ad_length, p->expected, length,
				      p->sealed),
			 0);
	assert_memory_equal(p->sealed, p->plain, length);
	for (size_t i = length; i < sealed + GUARD; i++)
		assert_int_equal(p->sealed[i], FILL);
}

static void each_length__both_backends__say_the_same(void **state)
{
	static const size_t long_ones[] = { 1399, 1400, 1401,  2047,  2048,  2049,  4095,   4096,
					    4097, 8191, 16368, 16383, 16384, 16385, LONGEST };
	static const size_t ad_lengths[] = { 5, 13 };
	static struct pair pair;
	uint8_t key[AEAD_KEY_MAX];

	memset(key, 0x42, sizeof(key));
	for (size_t i = 0; i < LONGEST; i++)
		pair.plain[i] = (uint8_t)(i * 31 + i / 256);
	pair.one = *state;
	pair.other = other_than(pair.one);
	for (int a = AEAD_AES_128_GCM; a <= AEAD_CHACHA20_POLY1305; a++) {
		pair.algorithm = (enum aead_algorithm)a;
		assert_int_equal(pair.one->open_key(pair.algorithm, key, &pair.one_key), 0);
		assert_int_equal(pair.other->open_key(pair.algorithm, key, &pair.other_key), 0);
		for (size_t i = 0; i < 600 + ARRAY_SIZE(long_ones); i++) {
			pair.nonce[3] = (uint8_t)i;
			pair_check(&pair, i < 600 ? i : long_ones[i - 600],
				   ad_lengths[i % ARRAY_SIZE(ad_lengths)]);
		}
		pair.one->free_key(pair.one_key);
		pair.other->free_key(pair.other_key);
	}
}

static void backends__on_this_machine__the_best_first_and_mbedtls_always(void **state)
{
	const struct aead_backend *backends[AEAD_BACKENDS_MAX];
	size_t n = aead_backends(backends);

	(void)state;
	assert_in_range(n, 1, AEAD_BACKENDS_MAX);
	assert_ptr_equal(aead_backend(), backends[0]);
	assert_ptr_equal(backends[n - 1], &aead_mbedtls);
	if (n > 1) /* with AES instructions nothing is faster than the shorter key */
		assert_int_equal(backends[0]->preference[0], AEAD_AES_128_GCM);
}

static const struct aead_backend *under_test;

static int setup(void **state)
{
	*state = (void *)under_test;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors__seal_and_open__as_published),
		cmocka_unit_test(open__any_bit_changed__refused_and_erased),
		cmocka_unit_test(open_key__unknown_algorithm__refused),
		cmocka_unit_test(preference__of_each_backend__names_what_it_supports),
		cmocka_unit_test(each_length__both_backends__say_the_same),
		cmocka_unit_test(backends__on_this_machine__the_best_first_and_mbedtls_always),
	};
	const struct aead_backend *backends[AEAD_BACKENDS_MAX];
	size_t n = aead_backends(backends);
	int failed = 0;

	for (size_t i = 0; i < n; i++) {
		under_test = backends[i];
		failed += cmocka_run_group_tests_name(under_test->name, tests, setup, NULL);
	}
	return failed;
}
