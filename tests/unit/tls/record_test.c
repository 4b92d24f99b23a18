/* SPDX-License-Identifier: MIT */
/* The record engine: the key schedule, both sides of every bound, and everything that a peer must
 * not say. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "tls/record_cipher.h"

/* RESERVE: the blocks that data leaves for last words. */
enum { STREAM_MAX = 4 * RECORD_SIZE_MAX, RESERVE = 16 };

static const struct kind {
	uint16_t version;
	enum aead_algorithm algorithm;
} kinds[] = {
	{ RECORD_VERSION_TLS12, AEAD_AES_128_GCM },
	{ RECORD_VERSION_TLS12, AEAD_AES_256_GCM },
	{ RECORD_VERSION_TLS12, AEAD_CHACHA20_POLY1305 },
	{ RECORD_VERSION_TLS13, AEAD_AES_128_GCM },
	{ RECORD_VERSION_TLS13, AEAD_AES_256_GCM },
	{ RECORD_VERSION_TLS13, AEAD_CHACHA20_POLY1305 },
};

static struct record_secrets secrets_of(const struct kind *kind)
{
	struct record_secrets secrets = { .version = kind->version,
					  .algorithm = kind->algorithm,
					  .max_plain = RECORD_PLAIN_MAX };

	memset(secrets.key, 0x11, sizeof(secrets.key));
	memset(secrets.iv, 0x22, sizeof(secrets.iv));
	if (kind->version == RECORD_VERSION_TLS12) {
		secrets.sequence = 1;
		return secrets;
	}
	memset(secrets.secret, 0x33, sizeof(secrets.secret));
	secrets.secret_length = kind->algorithm == AEAD_AES_256_GCM ? 48 : 32;
	assert_int_equal(record_secrets_derive(&secrets), 0);
	return secrets;
}

/* A sealer of the engine, a cipher that can seal anything at all, and the opener of either. */
struct bench {
	const struct kind *kind;
	struct record_sealer *sealer;
	struct record_cipher forge;
	struct record_opener *opener;
	uint8_t stream[STREAM_MAX], plain[STREAM_MAX];
	size_t length;
	struct record_opened opened;
};

static struct bench bench;

/* Every test runs with each backend at either end. */
static struct ends {
	const struct aead_backend *sealing, *opening;
} ends;

static void begin_with(const struct kind *kind, const struct record_secrets *secrets)
{
	memset(&bench, 0, sizeof(bench));
	bench.kind = kind;
	assert_int_equal(record_sealer_new(secrets, ends.sealing, &bench.sealer), 0);
	assert_int_equal(record_opener_new(secrets, ends.opening, &bench.opener), 0);
	assert_int_equal(record_cipher_init(&bench.forge, secrets, ends.sealing), 0);
}

/* With so many blocks on the key already. */
static void begin_at(const struct kind *kind, uint64_t blocks, uint16_t max_plain)
{
	struct record_secrets secrets = secrets_of(kind);

	secrets.blocks = blocks;
	secrets.max_plain = max_plain;
	begin_with(kind, &secrets);
}

static void begin(const struct kind *kind)
{
	begin_at(kind, 0, RECORD_PLAIN_MAX);
}

static void end(void)
{
	record_sealer_free(bench.sealer);
	record_opener_free(bench.opener);
	record_cipher_done(&bench.forge);
}

static bool is_tls13(void)
{
	return bench.kind->version == RECORD_VERSION_TLS13;
}

/* An authentic record of any type and content behind the stream; TLS 1.3: with padding zeros behind
 * the type (type 0: none). */
static void forge(uint8_t type, const void *content, size_t length, size_t padding)
{
	struct record_cipher *cipher = &bench.forge;
	uint8_t *out = bench.stream + bench.length;
	size_t prefix = record_cipher_prefix(cipher), inner = length;
	uint8_t nonce[RECORD_NONCE_ROOM], ad[RECORD_AD_ROOM];
	size_t length_told;
	uint8_t *body = out + prefix;

	assert_true(bench.length + length + padding + 64 <= STREAM_MAX);
	memcpy(body, content, length);
	if (is_tls13()) {
		if (type)
			body[inner++] = type;
		memset(body + inner, 0, padding);
		inner += padding;
	}
	out[0] = is_tls13() ? RECORD_TYPE_DATA : type;
	store_be16(out + 1, 0x0303);
	store_be16(out + 3, (uint16_t)(prefix - RECORD_HEADER_SIZE + inner + AEAD_TAG_SIZE));
	if (prefix > RECORD_HEADER_SIZE)
		store_be64(out + RECORD_HEADER_SIZE, cipher->secrets.sequence);
	record_cipher_nonce(cipher, cipher->secrets.sequence, nonce);
	length_told = record_cipher_is_tls13(cipher) ? inner + AEAD_TAG_SIZE : inner;
	assert_int_equal(
		cipher->backend->seal(cipher->aead, nonce, ad,
				      record_cipher_ad(cipher, out[0], 0x0303, length_told, ad),
				      body, inner, body),
		0);
	cipher->secrets.sequence++;
	bench.length += prefix + inner + AEAD_TAG_SIZE;
}

static enum record_status open_into(size_t size)
{
	return record_open(bench.opener, bench.stream, bench.length, bench.plain, size,
			   &bench.opened);
}

static void expect_broken(enum record_status status, int alert)
{
	assert_int_equal(status, RECORD_BROKEN);
	assert_int_equal(bench.opened.alert, alert);
	assert_non_null(bench.opened.reason);
	/* The end is told again, and nothing more is read. */
	assert_int_equal(open_into(STREAM_MAX), RECORD_BROKEN);
	assert_int_equal(bench.opened.alert, alert);
	assert_int_equal(bench.opened.taken, 0);
	assert_int_equal(bench.opened.plain, 0);
}

static void fill(uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
}

static void secrets__of_rfc_8448__key_iv_and_next(void **state)
{
	static const uint8_t secret[32] = {
		0x9e, 0x40, 0x64, 0x6c, 0xe7, 0x9a, 0x7f, 0x9d, 0xc0, 0x5a, 0xf8,
		0x88, 0x9b, 0xce, 0x65, 0x52, 0x87, 0x5a, 0xfa, 0x0b, 0x06, 0xdf,
		0x00, 0x87, 0xf7, 0x92, 0xeb, 0xb7, 0xc1, 0x75, 0x04, 0xa5,
	};
	static const uint8_t key[16] = { 0x17, 0x42, 0x2d, 0xda, 0x59, 0x6e, 0xd5, 0xd9,
					 0xac, 0xd8, 0x90, 0xe3, 0xc6, 0x3f, 0x50, 0x51 };
	static const uint8_t iv[12] = { 0x5b, 0x78, 0x92, 0x3d, 0xee, 0x08,
					0x57, 0x90, 0x33, 0xe5, 0x23, 0xd9 };
	static const uint8_t record[] = {
		0x17, 0x03, 0x03, 0x00, 0x43, 0xa2, 0x3f, 0x70, 0x54, 0xb6, 0x2c, 0x94,
		0xd0, 0xaf, 0xfa, 0xfe, 0x82, 0x28, 0xba, 0x55, 0xcb, 0xef, 0xac, 0xea,
		0x42, 0xf9, 0x14, 0xaa, 0x66, 0xbc, 0xab, 0x3f, 0x2b, 0x98, 0x19, 0xa8,
		0xa5, 0xb4, 0x6b, 0x39, 0x5b, 0xd5, 0x4a, 0x9a, 0x20, 0x44, 0x1e, 0x2b,
		0x62, 0x97, 0x4e, 0x1f, 0x5a, 0x62, 0x92, 0xa2, 0x97, 0x70, 0x14, 0xbd,
		0x1e, 0x3d, 0xea, 0xe6, 0x3a, 0xee, 0xbb, 0x21, 0x69, 0x49, 0x15, 0xe4,
	};
	/* The RFC has no KeyUpdate: computed with another implementation of HKDF. */
	static const uint8_t next_key[16] = { 0x38, 0x79, 0xd8, 0x2f, 0x5f, 0x14, 0x05, 0x6e,
					      0x62, 0x3f, 0x2c, 0xe5, 0xbf, 0xc6, 0x6f, 0xce };
	static const uint8_t next_iv[12] = { 0x5d, 0xfb, 0x2c, 0x59, 0x38, 0xc3,
					     0x37, 0x9b, 0x6c, 0xc5, 0xd1, 0xf2 };
	struct record_secrets s = { .version = RECORD_VERSION_TLS13,
				    .algorithm = AEAD_AES_128_GCM,
				    .secret_length = 32,
				    .max_plain = RECORD_PLAIN_MAX };
	struct record_opened opened;
	struct record_opener *opener;
	uint8_t plain[100];

	(void)state;
	memcpy(s.secret, secret, sizeof(secret));
	assert_int_equal(record_secrets_derive(&s), 0);
	assert_memory_equal(s.key, key, sizeof(key));
	assert_memory_equal(s.iv, iv, sizeof(iv));
	/* The RFC's client sends its 50 bytes in this record, the first on that key. */
	assert_int_equal(record_opener_new(&s, ends.opening, &opener), 0);
	assert_int_equal(record_open(opener, record, sizeof(record), plain, sizeof(plain), &opened),
			 RECORD_MORE);
	assert_int_equal(opened.plain, 50);
	for (size_t i = 0; i < 50; i++)
		assert_int_equal(plain[i], i);
	record_opener_free(opener);
	s.sequence = 99;
	s.blocks = 999;
	assert_int_equal(record_secrets_update(&s), 0);
	assert_memory_equal(s.key, next_key, sizeof(next_key));
	assert_memory_equal(s.iv, next_iv, sizeof(next_iv));
	assert_int_equal(s.sequence, 0);
	assert_int_equal(s.blocks, 0);
}

static void secrets__of_sha_384__key_and_next(void **state)
{
	/* Computed with another implementation of HKDF. */
	static const uint8_t key[8] = { 0x68, 0x77, 0xd0, 0x22, 0xf1, 0xc6, 0x1d, 0x24 };
	static const uint8_t next_key[8] = { 0xeb, 0x35, 0x4f, 0x3b, 0x48, 0x92, 0x4e, 0xd7 };
	struct record_secrets s = { .version = RECORD_VERSION_TLS13,
				    .algorithm = AEAD_AES_256_GCM,
				    .secret_length = 48 };

	(void)state;
	for (size_t i = 0; i < 48; i++)
		s.secret[i] = (uint8_t)i;
	assert_int_equal(record_secrets_derive(&s), 0);
	assert_memory_equal(s.key, key, sizeof(key));
	assert_int_equal(record_secrets_update(&s), 0);
	assert_memory_equal(s.key, next_key, sizeof(next_key));
}

static void secrets__without_a_traffic_secret__refused(void **state)
{
	static const struct record_secrets bad[] = {
		{ .version = RECORD_VERSION_TLS12,
		  .algorithm = AEAD_AES_128_GCM,
		  .secret_length = 32 },
		{ .version = RECORD_VERSION_TLS13,
		  .algorithm = AEAD_AES_128_GCM,
		  .secret_length = 0 },
		{ .version = RECORD_VERSION_TLS13,
		  .algorithm = AEAD_AES_128_GCM,
		  .secret_length = 33 },
		{ .version = RECORD_VERSION_TLS13, .algorithm = 0, .secret_length = 32 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct record_secrets s = bad[i];

		assert_int_equal(record_secrets_derive(&s), -EINVAL);
		assert_int_equal(record_secrets_update(&s), -EINVAL);
		assert_memory_equal(&s, &bad[i], sizeof(s));
	}
}

static void new__unusable_secrets__refused(void **state)
{
	struct record_sealer *sealer = NULL;
	struct record_opener *opener = NULL;
	struct record_secrets good = secrets_of(&kinds[0]), bad[6];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		bad[i] = good;
	bad[0].version = 0x0302;
	bad[1].version = 0x0305;
	bad[2].algorithm = 0;
	bad[3].max_plain = 0;
	bad[4].max_plain = RECORD_PLAIN_MAX + 1;
	bad[5].version = RECORD_VERSION_TLS13; /* without a secret */
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(record_sealer_new(&bad[i], NULL, &sealer), -EINVAL);
		assert_int_equal(record_opener_new(&bad[i], NULL, &opener), -EINVAL);
	}
	assert_null(sealer);
	assert_null(opener);
	record_sealer_free(NULL);
	record_opener_free(NULL);
}

static void seal__every_size__opens_to_the_same(void **state)
{
	static const size_t sizes[] = { 1, 2, 63, 64, 1400, 16383, 16384, 16385, 40000 };
	static uint8_t plain[40000];

	(void)state;
	fill(plain, sizeof(plain));
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		begin(&kinds[k]);
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			size_t taken = 0;
			ssize_t n = record_seal(bench.sealer, plain, sizes[i], bench.stream,
						STREAM_MAX, &taken);

			assert_int_equal(n, record_sealed_size(bench.sealer, sizes[i]));
			assert_int_equal(taken, sizes[i]);
			bench.length = (size_t)n;
			assert_int_equal(open_into(STREAM_MAX), RECORD_MORE);
			assert_int_equal(bench.opened.taken, n);
			assert_int_equal(bench.opened.plain, sizes[i]);
			assert_memory_equal(bench.plain, plain, sizes[i]);
		}
		end();
	}
}

static void seal__room_for_one_byte_less__takes_whole_records_only(void **state)
{
	static uint8_t plain[RECORD_PLAIN_MAX + 100];
	size_t taken, one;
	ssize_t n;

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		begin(&kinds[k]);
		one = record_sealed_size(bench.sealer, RECORD_PLAIN_MAX);
		assert_int_equal(one, RECORD_PLAIN_MAX + record_cipher_overhead(&bench.forge));
		assert_int_equal(record_seal(bench.sealer, plain, sizeof(plain), bench.stream,
					     one - 1, &taken),
				 0);
		assert_int_equal(taken, 0);
		n = record_seal(bench.sealer, plain, sizeof(plain), bench.stream, one, &taken);
		assert_int_equal(n, one);
		assert_int_equal(taken, RECORD_PLAIN_MAX);
		n = record_seal(bench.sealer, plain, 0, bench.stream, one, &taken);
		assert_int_equal(n, 0);
		assert_int_equal(record_sealed_size(bench.sealer, 0), 0);
		end();
	}
}

static void seal__smaller_record_size_agreed__is_kept(void **state)
{
	uint8_t plain[1000];
	size_t taken;
	ssize_t n;

	(void)state;
	fill(plain, sizeof(plain));
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		begin_at(&kinds[k], 0, 512);
		n = record_seal(bench.sealer, plain, sizeof(plain), bench.stream, STREAM_MAX,
				&taken);
		assert_int_equal(n, 1000 + 2 * record_cipher_overhead(&bench.forge));
		bench.length = (size_t)n;
		assert_int_equal(open_into(STREAM_MAX), RECORD_MORE);
		assert_memory_equal(bench.plain, plain, sizeof(plain));
		end();
	}
}

static void opener__after_as_many_blocks__wants_renewal(void **state)
{
	static const struct {
		enum aead_algorithm algorithm;
		uint64_t blocks;
		bool wants;
	} rows[] = {
		{ AEAD_AES_128_GCM, 2, false },
		{ AEAD_AES_128_GCM, RECORD_RENEW_AT - 1, false },
		{ AEAD_AES_128_GCM, RECORD_RENEW_AT, true },
		{ AEAD_CHACHA20_POLY1305, RECORD_RENEW_AT, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct record_secrets secrets = { .version = RECORD_VERSION_TLS12,
							.algorithm = rows[i].algorithm,
							.sequence = 1,
							.blocks = rows[i].blocks,
							.max_plain = RECORD_PLAIN_MAX };
		struct record_opener *opener;

		assert_int_equal(record_opener_new(&secrets, NULL, &opener), 0);
		assert_int_equal(record_opener_wants_renewal(opener), rows[i].wants);
		record_opener_free(opener);
	}
}

static ssize_t seal_close(void)
{
	return record_seal_alert(bench.sealer, RECORD_ALERT_CLOSE_NOTIFY, bench.stream, 100);
}

static void sealer__at_its_limits__wants_renewal_then_is_spent(void **state)
{
	/* A byte costs 2 blocks, the 64 that were agreed would cost 6. */
	enum { RENEW = 20, LIMIT = 100, SPENT = LIMIT - RESERVE - 6 };
	uint8_t byte = 0;
	size_t taken;
	unsigned blocks;

	(void)state;
	begin_at(&kinds[3], 0, 64);
	record_sealer_set_limits(bench.sealer, RENEW, LIMIT);
	for (blocks = 0; !record_sealer_is_spent(bench.sealer); blocks += 2) {
		assert_int_equal(record_sealer_wants_renewal(bench.sealer), blocks >= RENEW);
		assert_true(record_seal(bench.sealer, &byte, 1, bench.stream, 100, &taken) > 0);
	}
	assert_int_equal(blocks, SPENT + 2);
	assert_int_equal(record_seal(bench.sealer, &byte, 1, bench.stream, 100, &taken), 0);
	assert_int_equal(taken, 0);
	/* A renewal makes it good again. */
	assert_true(record_seal_key_update(bench.sealer, false, bench.stream, 100) > 0);
	assert_false(record_sealer_is_spent(bench.sealer));
	assert_false(record_sealer_wants_renewal(bench.sealer));
	end();
}

static void sealer__spent__has_room_for_last_words_and_no_more(void **state)
{
	static const uint8_t plain[10 * 64];
	size_t taken;

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		unsigned full = kinds[k].version == RECORD_VERSION_TLS13 ? 6 : 5;

		begin_at(&kinds[k], 0, 64);
		record_sealer_set_limits(bench.sealer, 0, 3 * full + RESERVE);
		assert_true(record_seal(bench.sealer, plain, sizeof(plain), bench.stream,
					STREAM_MAX, &taken) > 0);
		assert_int_equal(taken, 3 * 64);
		for (int i = 0; i < RESERVE / 2; i++)
			assert_true(seal_close() > 0);
		assert_int_equal(seal_close(), -EIO);
		if (is_tls13())
			assert_int_equal(record_seal_key_update(bench.sealer, false, bench.stream,
								100),
					 -EIO);
		end();
	}
}

static void sealer__record_of_a_size__costs_its_blocks_and_the_tag(void **state)
{
	static const struct {
		size_t kind, length;
		uint64_t blocks;
	} rows[] = {
		{ 0, 1, 2 },  { 0, 16, 2 }, { 0, 17, 3 }, { 0, RECORD_PLAIN_MAX, 1025 },
		{ 1, 32, 3 }, { 3, 1, 2 },  { 3, 15, 2 }, { 3, 16, 3 },
		{ 3, 31, 3 }, { 3, 32, 4 }, { 4, 16, 3 }, { 3, RECORD_PLAIN_MAX, 1026 },
	};
	static const uint8_t plain[RECORD_PLAIN_MAX];
	size_t taken;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		begin(&kinds[rows[i].kind]);
		assert_true(record_seal(bench.sealer, plain, rows[i].length, bench.stream,
					STREAM_MAX, &taken) > 0);
		record_sealer_set_limits(bench.sealer, rows[i].blocks + 1, RECORD_LIMIT);
		assert_false(record_sealer_wants_renewal(bench.sealer));
		record_sealer_set_limits(bench.sealer, rows[i].blocks, RECORD_LIMIT);
		assert_true(record_sealer_wants_renewal(bench.sealer));
		end();
	}
}

static void sealer__of_aes_gcm__renews_at_2_33_and_ends_at_2_34_5_blocks(void **state)
{
	enum { FULL_12 = 1025 + RESERVE, FULL_13 = 1026 + RESERVE };
	static const struct {
		size_t kind;
		uint64_t blocks;
		bool wants, is_spent;
	} rows[] = {
		{ 3, RECORD_RENEW_AT - 1, false, false },
		{ 3, RECORD_RENEW_AT, true, false },
		{ 3, RECORD_LIMIT - FULL_13, true, false },
		{ 3, RECORD_LIMIT - FULL_13 + 1, true, true },
		{ 4, RECORD_LIMIT - FULL_13 + 1, true, true },
		{ 0, RECORD_LIMIT - FULL_12, true, false },
		{ 0, RECORD_LIMIT - FULL_12 + 1, true, true },
		{ 5, RECORD_LIMIT, false, false },
		{ 2, RECORD_LIMIT, false, false },
	};

	(void)state;
	assert_int_equal(RECORD_RENEW_AT, UINT64_C(8589934592));
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		begin_at(&kinds[rows[i].kind], rows[i].blocks, RECORD_PLAIN_MAX);
		assert_int_equal(record_sealer_wants_renewal(bench.sealer), rows[i].wants);
		assert_int_equal(record_sealer_is_spent(bench.sealer), rows[i].is_spent);
		end();
	}
}

static void open__beyond_2_34_5_blocks_on_one_aes_key__broken(void **state)
{
	static const struct {
		size_t kind, length;
		uint64_t blocks; /* of such a record */
	} rows[] = { { 0, 16, 2 }, { 0, 17, 3 }, { 1, 17, 3 }, { 3, 15, 2 }, { 3, 16, 3 } };
	static const uint8_t content[32];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct kind *kind = &kinds[rows[i].kind];

		begin_at(kind, RECORD_LIMIT - rows[i].blocks, RECORD_PLAIN_MAX);
		forge(RECORD_TYPE_DATA, content, rows[i].length, 0);
		assert_int_equal(open_into(STREAM_MAX), RECORD_MORE);
		bench.length = 0;
		forge(RECORD_TYPE_DATA, "x", 1, 0);
		expect_broken(open_into(STREAM_MAX), RECORD_ALERT_UNEXPECTED_MESSAGE);
		end();
		begin_at(kind, RECORD_LIMIT - rows[i].blocks + 1, RECORD_PLAIN_MAX);
		forge(RECORD_TYPE_DATA, content, rows[i].length, 0);
		expect_broken(open_into(STREAM_MAX), RECORD_ALERT_UNEXPECTED_MESSAGE);
		end();
	}
	begin_at(&kinds[5], RECORD_LIMIT, RECORD_PLAIN_MAX);
	forge(RECORD_TYPE_DATA, "x", 1, 0);
	assert_int_equal(open_into(STREAM_MAX), RECORD_MORE);
	end();
}

static void open__key_update_at_the_limit__begins_anew(void **state)
{
	(void)state;
	begin_at(&kinds[3], RECORD_LIMIT - 2, RECORD_PLAIN_MAX);
	forge(RECORD_TYPE_HANDSHAKE, "\30\0\0\1\0", 5, 0);
	assert_int_equal(record_cipher_renew(&bench.forge), 0);
	assert_int_equal(bench.forge.secrets.blocks, 0);
	forge(RECORD_TYPE_DATA, "new", 3, 0);
	assert_int_equal(open_into(STREAM_MAX), RECORD_MORE);
	assert_memory_equal(bench.plain, "new", 3);
	end();
}

/* It is the blocks that count, however many the records. */
static void small_records__more_than_2_24_5__go_on(void **state)
{
	enum { RECORDS = 1 << 25 };
	size_t taken;

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		struct record_secrets secrets = secrets_of(&kinds[k]);

		secrets.sequence = RECORDS;
		secrets.blocks = 6 * (uint64_t)RECORDS;
		begin_with(&kinds[k], &secrets);
		assert_false(record_sealer_wants_renewal(bench.sealer));
		assert_false(record_sealer_is_spent(bench.sealer));
		bench.length = (size_t)record_seal(bench.sealer, (const uint8_t *)"on", 2,
						   bench.stream, STREAM_MAX, &taken);
		assert_int_equal(open_into(STREAM_MAX), RECORD_MORE);
		assert_int_equal(bench.opened.plain, 2);
		end();
	}
}

/* What a peer may or must not say, each as an authentic record after one of data. */
struct saying {
	const char *name;
	uint16_t version; /* 0: both */
	uint8_t type;
	const char *content;
	size_t length, padding;
	enum record_status status;
	int alert;
};

#define C(text) text, sizeof(text) - 1
static const struct saying sayings[] = {
	{ "data", 0, 23, C("hello"), 0, RECORD_MORE, 0 },
	{ "empty data", 0, 23, C(""), 0, RECORD_MORE, 0 },
	{ "padded data", 0x0304, 23, C("hello"), 200, RECORD_MORE, 0 },
	{ "close_notify", 0, 21, C("\1\0"), 0, RECORD_CLOSED, 0 },
	{ "close_notify called fatal", 0, 21, C("\2\0"), 0, RECORD_CLOSED, 0 },
	{ "fatal alert", 0, 21, C("\2\50"), 0, RECORD_ALERTED, 40 },
	{ "warning", 0x0303, 21, C("\1\144"), 0, RECORD_BROKEN, 10 },
	{ "warning", 0x0304, 21, C("\1\144"), 0, RECORD_ALERTED, 100 },
	{ "alert of level 3", 0, 21, C("\3\50"), 0, RECORD_BROKEN, 47 },
	{ "short alert", 0, 21, C("\2"), 0, RECORD_BROKEN, 50 },
	{ "long alert", 0, 21, C("\1\0\1\0"), 0, RECORD_BROKEN, 50 },
	{ "empty alert", 0, 21, C(""), 0, RECORD_BROKEN, 50 },
	{ "HelloRequest", 0, 22, C("\0\0\0\0"), 0, RECORD_BROKEN, 10 },
	{ "ClientHello", 0, 22, C("\1\0\0\1x"), 0, RECORD_BROKEN, 10 },
	{ "CertificateRequest", 0x0304, 22, C("\15\0\0\1x"), 0, RECORD_BROKEN, 10 },
	{ "Finished", 0x0304, 22, C("\24\0\0\1x"), 0, RECORD_BROKEN, 10 },
	{ "ticket", 0x0303, 22, C("\4\0\0\1x"), 0, RECORD_BROKEN, 10 },
	{ "ticket", 0x0304, 22, C("\4\0\0\1x"), 0, RECORD_MORE, 0 },
	{ "ticket in part", 0x0304, 22, C("\4\0\0\2x"), 0, RECORD_MORE, 0 },
	{ "longest ticket in part", 0x0304, 22, C("\4\1\0\0x"), 0, RECORD_MORE, 0 },
	{ "ticket too long", 0x0304, 22, C("\4\1\0\1x"), 0, RECORD_BROKEN, 10 },
	{ "KeyUpdate", 0x0303, 22, C("\30\0\0\1\0"), 0, RECORD_BROKEN, 10 },
	{ "KeyUpdate", 0x0304, 22, C("\30\0\0\1\0"), 0, RECORD_MORE, 0 },
	{ "KeyUpdate in part", 0x0304, 22, C("\30\0\0"), 0, RECORD_MORE, 0 },
	{ "KeyUpdate of 2", 0x0304, 22, C("\30\0\0\1\2"), 0, RECORD_BROKEN, 47 },
	{ "empty KeyUpdate", 0x0304, 22, C("\30\0\0\0"), 0, RECORD_BROKEN, 50 },
	{ "long KeyUpdate", 0x0304, 22, C("\30\0\0\2\0\0"), 0, RECORD_BROKEN, 50 },
	{ "KeyUpdate, then more", 0x0304, 22, C("\30\0\0\1\0\4"), 0, RECORD_BROKEN, 10 },
	{ "two KeyUpdates", 0x0304, 22, C("\30\0\0\1\0\30\0\0\1\0"), 0, RECORD_BROKEN, 10 },
	{ "ticket, then KeyUpdate", 0x0304, 22, C("\4\0\0\1x\30\0\0\1\0"), 0, RECORD_MORE, 0 },
	{ "empty handshake", 0, 22, C(""), 0, RECORD_BROKEN, 10 },
	{ "ChangeCipherSpec", 0, 20, C("\1"), 0, RECORD_BROKEN, 10 },
	{ "heartbeat", 0, 24, C("x"), 0, RECORD_BROKEN, 10 },
	{ "unknown type", 0, 255, C("x"), 0, RECORD_BROKEN, 10 },
	{ "all zero", 0x0304, 0, C("\0\0\0"), 0, RECORD_BROKEN, 10 },
	{ "nothing but padding", 0x0304, 0, C(""), 16385, RECORD_BROKEN, 10 },
	{ "nothing at all", 0x0304, 0, C(""), 0, RECORD_BROKEN, 50 },
};

static void check_saying(const struct kind *kind, const struct saying *s)
{
	enum record_status status;

	begin(kind);
	forge(RECORD_TYPE_DATA, "first", 5, 0);
	forge(s->type, s->content, s->length, s->padding);
	status = open_into(STREAM_MAX);
	if (status != s->status || bench.opened.alert != s->alert)
		print_error("%s\n", s->name);
	assert_int_equal(status, s->status);
	assert_int_equal(bench.opened.alert, s->alert);
	/* What was authentic and came before stands. */
	assert_memory_equal(bench.plain, "first", 5);
	if (s->type == RECORD_TYPE_DATA) {
		assert_int_equal(bench.opened.plain, 5 + s->length);
		assert_memory_equal(bench.plain + 5, s->content, s->length);
	} else {
		assert_int_equal(bench.opened.plain, 5);
	}
	if (status == RECORD_BROKEN)
		expect_broken(status, s->alert);
	else if (status != RECORD_MORE)
		assert_int_equal(open_into(STREAM_MAX), status);
	end();
}

static void open__each_saying__ends_as_it_must(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
		for (size_t i = 0; i < ARRAY_SIZE(sayings); i++)
			if (!sayings[i].version || sayings[i].version == kinds[k].version)
				check_saying(&kinds[k], &sayings[i]);
}

static void open__any_bit_changed__nothing_comes_out(void **state)
{
	static const char text[] = "do not let this out";
	size_t bits;

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		begin(&kinds[k]);
		forge(RECORD_TYPE_DATA, text, sizeof(text), 0);
		bits = 8 * bench.length;
		end();
		for (size_t bit = 0; bit < bits; bit++) {
			enum record_status status;

			begin(&kinds[k]);
			forge(RECORD_TYPE_DATA, text, sizeof(text), 0);
			bench.stream[bit / 8] ^= (uint8_t)(1 << bit % 8);
			status = open_into(STREAM_MAX);
			/* A longer length field waits for more. */
			assert_true(status == RECORD_BROKEN ||
				    (status == RECORD_MORE && bit / 8 >= 3 && bit / 8 <= 4));
			assert_int_equal(bench.opened.plain, 0);
			for (size_t i = 0; i < sizeof(text); i++)
				assert_int_equal(bench.plain[i], 0);
			end();
		}
	}
}

static void open__record_repeated_or_out_of_order__broken(void **state)
{
	size_t first;

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		begin(&kinds[k]);
		forge(RECORD_TYPE_DATA, "1", 1, 0);
		first = bench.length;
		memcpy(bench.stream + first, bench.stream, first);
		bench.length += first;
		expect_broken(open_into(STREAM_MAX), RECORD_ALERT_BAD_RECORD_MAC);
		end();
		begin(&kinds[k]);
		forge(RECORD_TYPE_DATA, "1", 1, 0);
		bench.length = 0;
		forge(RECORD_TYPE_DATA, "2", 1, 0);
		expect_broken(open_into(STREAM_MAX), RECORD_ALERT_BAD_RECORD_MAC);
		end();
	}
}

/* By header alone: before the body has come. */
static void open__headers__both_sides_of_every_bound(void **state)
{
	enum { MORE = -1 };
	static const struct {
		size_t kind;
		uint8_t type;
		uint16_t version, length;
		int alert; /* MORE: none */
	} rows[] = {
		{ 0, 23, 0x0303, 24, MORE },    { 0, 23, 0x0303, 23, 50 },
		{ 0, 23, 0x0303, 16408, MORE }, { 0, 23, 0x0303, 16409, 22 },
		{ 0, 23, 0x0302, 100, 70 },     { 0, 21, 0x0303, 26, MORE },
		{ 0, 22, 0x0303, 100, 10 },     { 0, 20, 0x0303, 100, 10 },
		{ 0, 0, 0x0303, 100, 10 },      { 2, 23, 0x0303, 16, MORE },
		{ 2, 23, 0x0303, 15, 50 },      { 2, 23, 0x0303, 16400, MORE },
		{ 2, 23, 0x0303, 16401, 22 },   { 3, 23, 0x0303, 17, MORE },
		{ 3, 23, 0x0303, 16, 50 },      { 3, 23, 0x0303, 16640, MORE },
		{ 3, 23, 0x0303, 16641, 22 },   { 3, 23, 0x0301, 100, MORE },
		{ 3, 21, 0x0303, 2, 10 },       { 3, 20, 0x0303, 1, 10 },
		{ 3, 22, 0x0303, 100, 10 },     { 3, 23, 0x0303, 65535, 22 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		begin(&kinds[rows[i].kind]);
		bench.stream[0] = rows[i].type;
		store_be16(bench.stream + 1, rows[i].version);
		store_be16(bench.stream + 3, rows[i].length);
		bench.length = 4;
		assert_int_equal(open_into(STREAM_MAX), RECORD_MORE);
		bench.length = 5;
		if (rows[i].alert == MORE) {
			assert_int_equal(open_into(STREAM_MAX), RECORD_MORE);
			assert_int_equal(bench.opened.taken, 0);
		} else {
			expect_broken(open_into(STREAM_MAX), rows[i].alert);
		}
		end();
	}
}

static void open__content_longer_than_agreed__broken(void **state)
{
	static uint8_t content[RECORD_PLAIN_MAX + 1];

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		begin_at(&kinds[k], 0, 512);
		forge(RECORD_TYPE_DATA, content, 512, 0);
		assert_int_equal(open_into(STREAM_MAX), RECORD_MORE);
		bench.length = 0;
		memset(content, 0xee, 513);
		forge(RECORD_TYPE_DATA, content, 513, 0);
		expect_broken(open_into(STREAM_MAX), RECORD_ALERT_RECORD_OVERFLOW);
		/* Authentic, but not good enough: it is erased all the same. */
		memset(content, 0, 513);
		assert_memory_equal(bench.plain, content, 513);
		end();
	}
	begin(&kinds[3]);
	forge(RECORD_TYPE_DATA, content, RECORD_PLAIN_MAX + 1, 0);
	expect_broken(open_into(STREAM_MAX), RECORD_ALERT_RECORD_OVERFLOW);
	end();
	/* TLS 1.3: content, type and padding together have a bound too. */
	begin(&kinds[3]);
	forge(RECORD_TYPE_DATA, content, 1, RECORD_PLAIN_MAX - 1);
	assert_int_equal(open_into(STREAM_MAX), RECORD_MORE);
	bench.length = 0;
	forge(RECORD_TYPE_DATA, content, 1, RECORD_PLAIN_MAX);
	expect_broken(open_into(STREAM_MAX), RECORD_ALERT_RECORD_OVERFLOW);
	end();
}

static void open__no_room_for_the_next_record__full_and_goes_on(void **state)
{
	static uint8_t content[RECORD_PLAIN_MAX];
	size_t first;

	(void)state;
	fill(content, sizeof(content));
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		begin(&kinds[k]);
		forge(RECORD_TYPE_DATA, "abc", 3, 0);
		first = bench.length;
		forge(RECORD_TYPE_DATA, content, sizeof(content), 0);
		assert_int_equal(open_into(3 + RECORD_PLAIN_MAX - 1), RECORD_FULL);
		assert_int_equal(bench.opened.taken, first);
		assert_int_equal(bench.opened.plain, 3);
		memmove(bench.stream, bench.stream + first, bench.length - first);
		bench.length -= first;
		/* Exactly its size is enough, though TLS 1.3 has a byte more to decrypt; nothing
		 * behind it is touched. */
		bench.plain[RECORD_PLAIN_MAX] = 0xee;
		assert_int_equal(open_into(RECORD_PLAIN_MAX), RECORD_MORE);
		assert_int_equal(bench.opened.plain, RECORD_PLAIN_MAX);
		assert_memory_equal(bench.plain, content, RECORD_PLAIN_MAX);
		assert_int_equal(bench.plain[RECORD_PLAIN_MAX], 0xee);
		end();
	}
}

static void open__empty_records_in_a_row__four_are_borne(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		begin(&kinds[k]);
		for (int i = 0; i < RECORD_EMPTY_MAX; i++)
			forge(RECORD_TYPE_DATA, "", 0, 0);
		forge(RECORD_TYPE_DATA, "x", 1, 0);
		for (int i = 0; i < RECORD_EMPTY_MAX; i++)
			forge(RECORD_TYPE_DATA, "", 0, 0);
		assert_int_equal(open_into(STREAM_MAX), RECORD_MORE);
		bench.length = 0;
		forge(RECORD_TYPE_DATA, "", 0, 0);
		expect_broken(open_into(STREAM_MAX), RECORD_ALERT_UNEXPECTED_MESSAGE);
		end();
	}
}

static void open__tickets__eight_are_ignored(void **state)
{
	(void)state;
	begin(&kinds[3]);
	for (int i = 0; i < RECORD_TICKETS_MAX; i++)
		forge(RECORD_TYPE_HANDSHAKE, "\4\0\0\3abc", 7, 0);
	forge(RECORD_TYPE_DATA, "x", 1, 0);
	assert_int_equal(open_into(STREAM_MAX), RECORD_MORE);
	assert_int_equal(bench.opened.plain, 1);
	bench.length = 0;
	forge(RECORD_TYPE_HANDSHAKE, "\4\0\0\3abc", 7, 0);
	expect_broken(open_into(STREAM_MAX), RECORD_ALERT_UNEXPECTED_MESSAGE);
	end();
}

static void open__ticket_in_pieces__ignored_but_not_interleaved(void **state)
{
	static const char ticket[] = "\4\0\0\7abcdefg";

	(void)state;
	for (size_t cut = 1; cut < sizeof(ticket) - 2; cut++) {
		begin(&kinds[3]);
		forge(RECORD_TYPE_HANDSHAKE, ticket, cut, 0);
		forge(RECORD_TYPE_HANDSHAKE, ticket + cut, sizeof(ticket) - 1 - cut, 0);
		forge(RECORD_TYPE_DATA, "x", 1, 0);
		assert_int_equal(open_into(STREAM_MAX), RECORD_MORE);
		assert_int_equal(bench.opened.plain, 1);
		end();
		begin(&kinds[3]);
		forge(RECORD_TYPE_HANDSHAKE, ticket, cut, 0);
		forge(RECORD_TYPE_DATA, "x", 1, 0);
		expect_broken(open_into(STREAM_MAX), RECORD_ALERT_UNEXPECTED_MESSAGE);
		end();
	}
}

static void open__key_update_in_pieces__renews_once(void **state)
{
	(void)state;
	for (size_t cut = 1; cut < 5; cut++) {
		begin(&kinds[3]);
		forge(RECORD_TYPE_HANDSHAKE, "\30\0\0\1\1", cut, 0);
		forge(RECORD_TYPE_HANDSHAKE, &"\30\0\0\1\1"[cut], 5 - cut, 0);
		assert_int_equal(record_cipher_renew(&bench.forge), 0);
		forge(RECORD_TYPE_DATA, "new", 3, 0);
		assert_int_equal(open_into(STREAM_MAX), RECORD_MORE);
		assert_true(bench.opened.answer_update);
		assert_memory_equal(bench.plain, "new", 3);
		end();
	}
}

static size_t seal_more(const char *text)
{
	size_t taken;
	ssize_t n = record_seal(bench.sealer, (const uint8_t *)text, strlen(text),
				bench.stream + bench.length, STREAM_MAX - bench.length, &taken);

	assert_true(n > 0);
	return bench.length += (size_t)n;
}

static void key_update__sealed__is_followed_and_answered_if_asked(void **state)
{
	ssize_t n;

	(void)state;
	for (size_t k = 3; k < ARRAY_SIZE(kinds); k++) {
		for (int request = 0; request < 2; request++) {
			begin(&kinds[k]);
			seal_more("old ");
			n = record_seal_key_update(bench.sealer, request,
						   bench.stream + bench.length, 100);
			assert_int_equal(n, 5 + record_cipher_overhead(&bench.forge));
			bench.length += (size_t)n;
			seal_more("new");
			assert_int_equal(open_into(STREAM_MAX), RECORD_MORE);
			assert_int_equal(bench.opened.plain, 7);
			assert_memory_equal(bench.plain, "old new", 7);
			assert_int_equal(bench.opened.answer_update, request);
			/* It is told once. */
			bench.length = 0;
			seal_more("more");
			assert_int_equal(open_into(STREAM_MAX), RECORD_MORE);
			assert_false(bench.opened.answer_update);
			end();
		}
	}
}

static void key_update__refused__where_it_cannot_be(void **state)
{
	(void)state;
	begin(&kinds[0]);
	assert_int_equal(record_seal_key_update(bench.sealer, false, bench.stream, 100),
			 -EOPNOTSUPP);
	end();
	begin(&kinds[3]);
	assert_int_equal(record_seal_key_update(bench.sealer, false, bench.stream, 5 + 22 - 1),
			 -ENOSPC);
	assert_int_equal(record_seal_key_update(bench.sealer, false, bench.stream, 5 + 22), 27);
	end();
}

static void key_update__flood_without_data__broken_at_33(void **state)
{
	ssize_t n;

	(void)state;
	begin(&kinds[3]);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < RECORD_UPDATES_MAX; i++) {
			n = record_seal_key_update(bench.sealer, false, bench.stream + bench.length,
						   100);
			assert_true(n > 0);
			bench.length += (size_t)n;
		}
		if (round == 0)
			seal_more("x");
	}
	assert_int_equal(open_into(STREAM_MAX), RECORD_MORE);
	bench.length = 0;
	bench.length = (size_t)record_seal_key_update(bench.sealer, false, bench.stream, 100);
	expect_broken(open_into(STREAM_MAX), RECORD_ALERT_UNEXPECTED_MESSAGE);
	end();
}

static void alert__sealed__opens_as_it_was_meant(void **state)
{
	ssize_t n;

	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		begin(&kinds[k]);
		seal_more("last words");
		n = record_seal_alert(bench.sealer, RECORD_ALERT_CLOSE_NOTIFY,
				      bench.stream + bench.length, 100);
		assert_int_equal(n, 2 + record_cipher_overhead(&bench.forge));
		bench.length += (size_t)n;
		seal_more("behind the end");
		assert_int_equal(open_into(STREAM_MAX), RECORD_CLOSED);
		assert_int_equal(bench.opened.plain, 10);
		assert_null(bench.opened.reason);
		end();
		begin(&kinds[k]);
		n = record_seal_alert(bench.sealer, RECORD_ALERT_DECODE_ERROR, bench.stream, 100);
		bench.length = (size_t)n;
		assert_int_equal(open_into(STREAM_MAX), RECORD_ALERTED);
		assert_int_equal(bench.opened.alert, RECORD_ALERT_DECODE_ERROR);
		assert_int_equal(record_seal_alert(bench.sealer, RECORD_ALERT_DECODE_ERROR,
						   bench.stream, (size_t)n - 1),
				 -ENOSPC);
		end();
	}
}

/* Feed a stream in two pieces, keeping what was not taken as a caller does. Return: bytes of
 * plaintext. */
static size_t open_in_two(size_t cut, enum record_status *ret_status)
{
	static uint8_t pending[STREAM_MAX];
	size_t have = 0, plain = 0, fed = 0;

	for (int piece = 0; piece < 2; piece++) {
		size_t upto = piece ? bench.length : cut;

		memcpy(pending + have, bench.stream + fed, upto - fed);
		have += upto - fed;
		fed = upto;
		*ret_status = record_open(bench.opener, pending, have, bench.plain + plain,
					  STREAM_MAX - plain, &bench.opened);
		plain += bench.opened.plain;
		have -= bench.opened.taken;
		memmove(pending, pending + bench.opened.taken, have);
	}
	return plain;
}

static void open__stream_cut_anywhere__same_result(void **state)
{
	(void)state;
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		size_t length = SIZE_MAX;

		for (size_t cut = 0; cut <= length; cut++) {
			enum record_status status;

			begin(&kinds[k]);
			seal_more("one ");
			if (is_tls13())
				bench.length += (size_t)record_seal_key_update(
					bench.sealer, true, bench.stream + bench.length, 100);
			seal_more("two ");
			seal_more("three");
			bench.length +=
				(size_t)record_seal_alert(bench.sealer, RECORD_ALERT_CLOSE_NOTIFY,
							  bench.stream + bench.length, 100);
			length = bench.length;
			assert_int_equal(open_in_two(cut, &status), 13);
			assert_int_equal(status, RECORD_CLOSED);
			assert_memory_equal(bench.plain, "one two three", 13);
			end();
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(secrets__of_rfc_8448__key_iv_and_next),
		cmocka_unit_test(secrets__of_sha_384__key_and_next),
		cmocka_unit_test(secrets__without_a_traffic_secret__refused),
		cmocka_unit_test(new__unusable_secrets__refused),
		cmocka_unit_test(seal__every_size__opens_to_the_same),
		cmocka_unit_test(seal__room_for_one_byte_less__takes_whole_records_only),
		cmocka_unit_test(seal__smaller_record_size_agreed__is_kept),
		cmocka_unit_test(opener__after_as_many_blocks__wants_renewal),
		cmocka_unit_test(sealer__at_its_limits__wants_renewal_then_is_spent),
		cmocka_unit_test(sealer__spent__has_room_for_last_words_and_no_more),
		cmocka_unit_test(sealer__record_of_a_size__costs_its_blocks_and_the_tag),
		cmocka_unit_test(sealer__of_aes_gcm__renews_at_2_33_and_ends_at_2_34_5_blocks),
		cmocka_unit_test(open__beyond_2_34_5_blocks_on_one_aes_key__broken),
		cmocka_unit_test(open__key_update_at_the_limit__begins_anew),
		cmocka_unit_test(small_records__more_than_2_24_5__go_on),
		cmocka_unit_test(open__each_saying__ends_as_it_must),
		cmocka_unit_test(open__any_bit_changed__nothing_comes_out),
		cmocka_unit_test(open__record_repeated_or_out_of_order__broken),
		cmocka_unit_test(open__headers__both_sides_of_every_bound),
		cmocka_unit_test(open__content_longer_than_agreed__broken),
		cmocka_unit_test(open__no_room_for_the_next_record__full_and_goes_on),
		cmocka_unit_test(open__empty_records_in_a_row__four_are_borne),
		cmocka_unit_test(open__tickets__eight_are_ignored),
		cmocka_unit_test(open__ticket_in_pieces__ignored_but_not_interleaved),
		cmocka_unit_test(open__key_update_in_pieces__renews_once),
		cmocka_unit_test(key_update__sealed__is_followed_and_answered_if_asked),
		cmocka_unit_test(key_update__refused__where_it_cannot_be),
		cmocka_unit_test(key_update__flood_without_data__broken_at_33),
		cmocka_unit_test(alert__sealed__opens_as_it_was_meant),
		cmocka_unit_test(open__stream_cut_anywhere__same_result),
	};

	const struct aead_backend *backends[AEAD_BACKENDS_MAX];
	size_t n = aead_backends(backends);
	int failed = 0;

	for (size_t i = 0; i < n * n; i++) {
		char name[80];

		ends = (struct ends){ backends[i / n], backends[i % n] };
		snprintf(name, sizeof(name), "tls/record, sealed by %s, opened by %s",
			 ends.sealing->name, ends.opening->name);
		failed += cmocka_run_group_tests_name(name, tests, NULL, NULL);
	}
	return failed;
}
