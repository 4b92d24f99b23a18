/* SPDX-License-Identifier: MIT */
/* The key schedule behind the handshake: HKDF-Expand-Label and what TLS 1.3 makes of a traffic
 * secret. */
#include <errno.h>
#include <string.h>

#include <mbedtls/hkdf.h>
#include <mbedtls/md.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "tls/record.h"

enum { VERSION_TLS13 = 0x0304, LABEL_MAX = 16 };

/* RFC 8446 7.1 with an empty context. */
static int expand_label(const struct record_secrets *secrets, const char *label, uint8_t *out,
			size_t length)
{
	const mbedtls_md_info_t *hash = mbedtls_md_info_from_type(
		secrets->secret_length == 48 ? MBEDTLS_MD_SHA384 : MBEDTLS_MD_SHA256);
	uint8_t info[2 + 1 + 6 + LABEL_MAX + 1];
	struct writer w = writer_over(info, sizeof(info));

	writer_be16(&w, (uint16_t)length);
	writer_u8(&w, (uint8_t)(6 + strlen(label)));
	writer_bytes(&w, "tls13 ", 6);
	writer_bytes(&w, label, strlen(label));
	writer_u8(&w, 0);
	if (w.failed || mbedtls_hkdf_expand(hash, secrets->secret, secrets->secret_length, info,
					    w.length, out, length))
		return -EINVAL;
	return 0;
}

static bool has_traffic_secret(const struct record_secrets *secrets)
{
	return secrets->version == VERSION_TLS13 && aead_key_size(secrets->algorithm) &&
	       (secrets->secret_length == 32 || secrets->secret_length == 48);
}

int record_secrets_derive(struct record_secrets *secrets)
{
	uint8_t key[AEAD_KEY_MAX] = { 0 };
	uint8_t iv[AEAD_NONCE_SIZE];
	int r = -EINVAL;

	if (!has_traffic_secret(secrets))
		return -EINVAL;
	if (!expand_label(secrets, "key", key, aead_key_size(secrets->algorithm)) &&
	    !expand_label(secrets, "iv", iv, sizeof(iv))) {
		memcpy(secrets->key, key, sizeof(key));
		memcpy(secrets->iv, iv, sizeof(iv));
		r = 0;
	}
	memory_erase(key, sizeof(key));
	memory_erase(iv, sizeof(iv));
	return r;
}

int record_secrets_update(struct record_secrets *secrets)
{
	struct record_secrets next = *secrets;
	int r = -EINVAL;

	if (has_traffic_secret(secrets) &&
	    !expand_label(secrets, "traffic upd", next.secret, secrets->secret_length) &&
	    !record_secrets_derive(&next)) {
		next.sequence = 0;
		next.blocks = 0;
		*secrets = next;
		r = 0;
	}
	record_secrets_erase(&next);
	return r;
}

void record_secrets_erase(struct record_secrets *secrets)
{
	memory_erase(secrets, sizeof(*secrets));
}
