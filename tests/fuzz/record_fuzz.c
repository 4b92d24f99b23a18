/* SPDX-License-Identifier: MIT */
/*
 * The record opener: a script of records, authentic ones of any type and content, and raw bytes
 * between them.
 *
 * Oracle: what comes out is the beginning of the authentic data that went in; the same by every
 * AEAD backend as by mbedTLS, which seals; and the same whether the stream comes at once or in
 * pieces into a buffer of the least size.
 *
 * Input: kind, size of pieces, then instructions: 0 n bytes… (raw), 1 n bytes… (data), 2 type n
 * bytes… (any content type), 3 (the sender goes on with its next key), 4 n (that many zeros of
 * padding on the next record).
 */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "tls/record_cipher.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STREAM_MAX = 1 << 17, KINDS = 6 };

struct script {
	struct record_cipher cipher;
	uint8_t stream[STREAM_MAX], said[STREAM_MAX];
	size_t length, n_said;
	size_t padding;
};

struct outcome {
	enum record_status status;
	int alert;
	uint8_t plain[STREAM_MAX];
	size_t length;
};

static void check(bool is_true)
{
	if (!is_true)
		abort();
}

static struct record_secrets secrets_of(uint8_t kind)
{
	struct record_secrets secrets = { .max_plain = RECORD_PLAIN_MAX };

	secrets.algorithm = (enum aead_algorithm)(kind % 3 + 1);
	secrets.version = kind % KINDS < 3 ? RECORD_VERSION_TLS12 : RECORD_VERSION_TLS13;
	memset(secrets.key, 1, sizeof(secrets.key));
	memset(secrets.iv, 2, sizeof(secrets.iv));
	memset(secrets.secret, 3, sizeof(secrets.secret));
	secrets.sequence = 1;
	if (secrets.version == RECORD_VERSION_TLS13) {
		secrets.secret_length = 32;
		secrets.sequence = 0;
		check(!record_secrets_derive(&secrets));
	}
	return secrets;
}

static void forge(struct script *s, uint8_t type, const uint8_t *content, size_t length)
{
	struct record_cipher *cipher = &s->cipher;
	bool is_tls13 = record_cipher_is_tls13(cipher);
	uint8_t *out = s->stream + s->length;
	size_t prefix = record_cipher_prefix(cipher), inner = length;
	uint8_t nonce[RECORD_NONCE_ROOM], ad[RECORD_AD_ROOM];
	size_t length_told;

	if (s->length + length + s->padding + 64 > STREAM_MAX)
		return;
	memcpy(out + prefix, content, length);
	if (is_tls13) {
		out[prefix + inner++] = type;
		/* The type 0 is padding: what is in front of it is content and type. */
		for (; !type && length; type = content[--length])
			;
		memset(out + prefix + inner, 0, s->padding);
		inner += s->padding;
	}
	s->padding = 0;
	out[0] = is_tls13 ? RECORD_TYPE_DATA : type;
	store_be16(out + 1, 0x0303);
	store_be16(out + 3, (uint16_t)(prefix - RECORD_HEADER_SIZE + inner + AEAD_TAG_SIZE));
	if (prefix > RECORD_HEADER_SIZE)
		store_be64(out + RECORD_HEADER_SIZE, cipher->secrets.sequence);
	record_cipher_nonce(cipher, cipher->secrets.sequence, nonce);
	length_told = record_cipher_is_tls13(cipher) ? inner + AEAD_TAG_SIZE : inner;
	check(!cipher->backend->seal(cipher->aead, nonce, ad,
				     record_cipher_ad(cipher, out[0], 0x0303, length_told, ad),
				     out + prefix, inner, out + prefix));
	cipher->secrets.sequence++;
	s->length += prefix + inner + AEAD_TAG_SIZE;
	if (type == RECORD_TYPE_DATA) {
		memcpy(s->said + s->n_said, content, length);
		s->n_said += length;
	}
}

static void raw(struct script *s, const uint8_t *bytes, size_t length)
{
	if (s->length + length > STREAM_MAX)
		return;
	memcpy(s->stream + s->length, bytes, length);
	s->length += length;
}

static void follow(struct script *s, struct reader *r)
{
	while (reader_left(r)) {
		uint8_t op = reader_u8(r) % 5, type = RECORD_TYPE_DATA;
		const uint8_t *bytes;
		size_t n;

		if (op == 3) {
			(void)record_cipher_renew(&s->cipher);
			continue;
		}
		if (op == 2)
			type = reader_u8(r);
		n = reader_u8(r);
		if (op == 4) {
			s->padding = n * 64;
			continue;
		}
		n = MIN(n, reader_left(r));
		bytes = reader_take(r, n);
		if (!bytes)
			return;
		if (op == 0)
			raw(s, bytes, n);
		else
			forge(s, type, bytes, n);
	}
}

/*
 * As a caller does: pieces of the stream arrive, and plaintext is taken away from a buffer of the
 * least size.
 */
static void open_all(const struct script *s, const struct record_secrets *secrets,
		     const struct aead_backend *backend, size_t piece, struct outcome *outcome)
{
	static uint8_t plain[RECORD_PLAIN_MAX];
	struct record_opener *opener;
	struct record_opened opened;
	size_t begin = 0, end = 0;

	check(!record_opener_new(secrets, backend, &opener));
	outcome->length = 0;
	outcome->status = RECORD_MORE;
	while (outcome->status == RECORD_FULL ||
	       (outcome->status == RECORD_MORE && end < s->length)) {
		if (outcome->status == RECORD_MORE)
			end += MIN(piece, s->length - end);
		outcome->status = record_open(opener, s->stream + begin, end - begin, plain,
					      sizeof(plain), &opened);
		check(opened.taken <= end - begin && opened.plain <= sizeof(plain));
		check(outcome->status != RECORD_FULL || opened.plain > 0);
		check((outcome->status == RECORD_BROKEN) == (opened.reason != NULL));
		check(outcome->length + opened.plain <= STREAM_MAX);
		memcpy(outcome->plain + outcome->length, plain, opened.plain);
		outcome->length += opened.plain;
		begin += opened.taken;
	}
	outcome->alert = opened.alert;
	if (!s->length)
		outcome->alert = 0;
	record_opener_free(opener);
}

static void check_same(const struct outcome *a, const struct outcome *b)
{
	check(a->status == b->status && a->alert == b->alert);
	check(a->length == b->length);
	check(memcmp(a->plain, b->plain, a->length) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct script script;
	static struct outcome whole, cut;
	const struct aead_backend *backends[AEAD_BACKENDS_MAX];
	size_t n_backends = aead_backends(backends);
	struct reader r = reader_over(data, size);
	struct record_secrets secrets = secrets_of(reader_u8(&r));
	size_t piece = 1 + (size_t)reader_u8(&r);

	if (r.failed)
		return 0;
	script.length = script.n_said = script.padding = 0;
	check(!record_cipher_init(&script.cipher, &secrets, &aead_mbedtls));
	follow(&script, &r);
	record_cipher_done(&script.cipher);
	open_all(&script, &secrets, &aead_mbedtls, STREAM_MAX, &whole);
	for (size_t i = 0; i < n_backends; i++) {
		open_all(&script, &secrets, backends[i], piece, &cut);
		check_same(&whole, &cut);
		open_all(&script, &secrets, backends[i], STREAM_MAX, &cut);
		check_same(&whole, &cut);
	}
	check(whole.length <= script.n_said);
	check(memcmp(whole.plain, script.said, whole.length) == 0);
	return 0;
}
