/* SPDX-License-Identifier: MIT */
/* Sealing: plaintext into records. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "tls/record_cipher.h"

enum {
	/* Blocks that data leaves below the limit, so that a spent sealer can still renew its key
	   or say goodbye: eight such records of two blocks. */
	CONTROL_RESERVE = 16,
};

struct record_sealer {
	struct record_cipher cipher;
	uint64_t renew_at, limit; /* in blocks */
};

int record_sealer_new(const struct record_secrets *secrets, const struct aead_backend *backend,
		      struct record_sealer **ret_sealer)
{
	struct record_sealer *sealer = calloc(1, sizeof(*sealer));
	int r;

	if (!sealer)
		return -ENOMEM;
	r = record_cipher_init(&sealer->cipher, secrets, backend);
	if (r) {
		record_sealer_free(sealer);
		return r;
	}
	sealer->renew_at = RECORD_RENEW_AT;
	sealer->limit = RECORD_LIMIT;
	/* ChaCha20-Poly1305 has no bound within reach (RFC 8446 5.5). */
	if (!record_cipher_is_gcm(&sealer->cipher)) {
		sealer->renew_at = UINT64_MAX / 4;
		sealer->limit = UINT64_MAX / 2;
	}
	*ret_sealer = sealer;
	return 0;
}

void record_sealer_free(struct record_sealer *sealer)
{
	if (!sealer)
		return;
	record_cipher_done(&sealer->cipher);
	memory_erase(sealer, sizeof(*sealer));
	free(sealer);
}

void record_sealer_set_limits(struct record_sealer *sealer, uint64_t renew_at, uint64_t limit)
{
	sealer->renew_at = renew_at;
	sealer->limit = limit;
}

/* Of so much content: TLS 1.3 encrypts its type with it. */
static size_t inner_size(const struct record_cipher *cipher, size_t length)
{
	return length + record_cipher_is_tls13(cipher);
}

bool record_sealer_wants_renewal(const struct record_sealer *sealer)
{
	return sealer->cipher.secrets.blocks >= sealer->renew_at;
}

bool record_sealer_is_spent(const struct record_sealer *sealer)
{
	const struct record_cipher *cipher = &sealer->cipher;
	uint64_t full = record_cipher_blocks(inner_size(cipher, cipher->secrets.max_plain));

	return cipher->secrets.blocks + full + CONTROL_RESERVE > sealer->limit;
}

size_t record_sealed_size(const struct record_sealer *sealer, size_t length)
{
	size_t max_plain = sealer->cipher.secrets.max_plain;
	/* Asked for each packet: without a division for nearly everybody. */
	size_t records = likely(max_plain == RECORD_PLAIN_MAX)
				 ? (length + RECORD_PLAIN_MAX - 1) / RECORD_PLAIN_MAX
				 : (length + max_plain - 1) / max_plain;

	return length + records * record_cipher_overhead(&sealer->cipher);
}

/* One record, which fits. TLS 1.3 hides the type behind the content. */
static int seal_one(struct record_cipher *cipher, enum record_type type, const uint8_t *plain,
		    size_t length, uint8_t *out)
{
	const struct aead_backend *backend = cipher->backend;
	bool is_tls13 = record_cipher_is_tls13(cipher);
	size_t prefix = record_cipher_prefix(cipher);
	size_t size = length + record_cipher_overhead(cipher) - RECORD_HEADER_SIZE;
	uint8_t outer_type = is_tls13 ? RECORD_TYPE_DATA : (uint8_t)type;
	uint8_t nonce[RECORD_NONCE_ROOM], ad[RECORD_AD_ROOM];
	size_t ad_length;
	int r;

	out[0] = outer_type;
	store_be16(out + 1, RECORD_VERSION_TLS12);
	store_be16(out + 3, (uint16_t)size);
	if (prefix > RECORD_HEADER_SIZE)
		store_be64(out + RECORD_HEADER_SIZE, cipher->secrets.sequence);
	record_cipher_nonce(cipher, cipher->secrets.sequence, nonce);
	ad_length = record_cipher_ad(cipher, outer_type, RECORD_VERSION_TLS12,
				     is_tls13 ? size : length, ad);
	if (is_tls13)
		r = backend->seal_typed(cipher->aead, nonce, ad, ad_length, plain, length,
					(uint8_t)type, out + prefix);
	else
		r = backend->seal(cipher->aead, nonce, ad, ad_length, plain, length, out + prefix);
	if (unlikely(r)) {
		memory_erase(out, RECORD_HEADER_SIZE + size);
		return -EIO;
	}
	record_cipher_count(cipher, inner_size(cipher, length));
	return 0;
}

ssize_t record_seal(struct record_sealer *sealer, const uint8_t *plain, size_t length, uint8_t *out,
		    size_t size, size_t *ret_taken)
{
	size_t overhead = record_cipher_overhead(&sealer->cipher);
	size_t taken = 0, written = 0;

	while (taken < length && !record_sealer_is_spent(sealer)) {
		size_t piece = MIN(length - taken, (size_t)sealer->cipher.secrets.max_plain);

		if (size - written < piece + overhead)
			break;
		if (seal_one(&sealer->cipher, RECORD_TYPE_DATA, plain + taken, piece,
			     out + written))
			return -EIO;
		taken += piece;
		written += piece + overhead;
	}
	*ret_taken = taken;
	return (ssize_t)written;
}

static ssize_t seal_control(struct record_sealer *sealer, enum record_type type,
			    const uint8_t *content, size_t length, uint8_t *out, size_t size)
{
	size_t needed = length + record_cipher_overhead(&sealer->cipher);

	if (length > sealer->cipher.secrets.max_plain)
		return -EIO;
	if (size < needed)
		return -ENOSPC;
	if (sealer->cipher.secrets.blocks +
		    record_cipher_blocks(inner_size(&sealer->cipher, length)) >
	    sealer->limit)
		return -EIO;
	if (seal_one(&sealer->cipher, type, content, length, out))
		return -EIO;
	return (ssize_t)needed;
}

ssize_t record_seal_alert(struct record_sealer *sealer, enum record_alert alert, uint8_t *out,
			  size_t size)
{
	enum { WARNING = 1, FATAL = 2 };
	uint8_t content[2] = { alert == RECORD_ALERT_CLOSE_NOTIFY ? WARNING : FATAL,
			       (uint8_t)alert };

	return seal_control(sealer, RECORD_TYPE_ALERT, content, sizeof(content), out, size);
}

ssize_t record_seal_key_update(struct record_sealer *sealer, bool request, uint8_t *out,
			       size_t size)
{
	uint8_t message[5] = { RECORD_KEY_UPDATE, 0, 0, 1, request };
	ssize_t written;

	if (!record_cipher_is_tls13(&sealer->cipher))
		return -EOPNOTSUPP;
	written = seal_control(sealer, RECORD_TYPE_HANDSHAKE, message, sizeof(message), out, size);
	if (written < 0)
		return written;
	/* The peer renews when it reads this, so the record must not go out unless we do the
	 * same. */
	if (record_cipher_renew(&sealer->cipher)) {
		memory_erase(out, (size_t)written);
		return -EIO;
	}
	return written;
}
