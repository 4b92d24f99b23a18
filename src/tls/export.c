/* SPDX-License-Identifier: MIT */
/* The secrets of a handshake, as the library exports them, and the record secrets made of them. */
#include "tls/export.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "tls/compat.h"
#include "tls/record_cipher.h"

/* AES blocks of Finished in TLS 1.2: 16 bytes and the tag. */
enum { FINISHED_BLOCKS = 2 };

static void keep_master(struct export *export, const uint8_t *master, const uint8_t *client_random,
			const uint8_t *server_random, mbedtls_tls_prf_types prf)
{
	memcpy(export->master, master, EXPORT_MASTER_SIZE);
	memcpy(export->randoms, server_random, EXPORT_RANDOM_SIZE);
	memcpy(export->randoms + EXPORT_RANDOM_SIZE, client_random, EXPORT_RANDOM_SIZE);
	export->prf = prf;
	export->has_master = true;
	key_log_write(export->key_log, "CLIENT_RANDOM", client_random, master, EXPORT_MASTER_SIZE);
}

#if COMPAT_MBEDTLS_3

static void keep_secret(uint8_t *secret, uint8_t *length, const uint8_t *data, size_t data_length)
{
	if (data_length > RECORD_SECRET_MAX)
		return;
	memcpy(secret, data, data_length);
	*length = (uint8_t)data_length;
}

/* What a dissector calls a secret of TLS 1.3 (RFC 9850 2.1), or NULL. */
static const char *label_of(mbedtls_ssl_key_export_type type)
{
	switch (type) {
	case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_HANDSHAKE_TRAFFIC_SECRET:
		return "CLIENT_HANDSHAKE_TRAFFIC_SECRET";
	case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_HANDSHAKE_TRAFFIC_SECRET:
		return "SERVER_HANDSHAKE_TRAFFIC_SECRET";
	case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_APPLICATION_TRAFFIC_SECRET:
		return "CLIENT_TRAFFIC_SECRET_0";
	case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_APPLICATION_TRAFFIC_SECRET:
		return "SERVER_TRAFFIC_SECRET_0";
	default:
		return NULL;
	}
}

static void exported(void *user, mbedtls_ssl_key_export_type type, const unsigned char *secret,
		     size_t length, const unsigned char client_random[32],
		     const unsigned char server_random[32], mbedtls_tls_prf_types prf)
{
	struct export *export = user;
	const char *label = label_of(type);

	if (label)
		key_log_write(export->key_log, label, client_random, secret, length);
	switch (type) {
	case MBEDTLS_SSL_KEY_EXPORT_TLS12_MASTER_SECRET:
		if (length == EXPORT_MASTER_SIZE)
			keep_master(export, secret, client_random, server_random, prf);
		break;
	case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_CLIENT_APPLICATION_TRAFFIC_SECRET:
		keep_secret(export->client, &export->client_length, secret, length);
		break;
	case MBEDTLS_SSL_KEY_EXPORT_TLS1_3_SERVER_APPLICATION_TRAFFIC_SECRET:
		keep_secret(export->server, &export->server_length, secret, length);
		break;
	default:
		break; /* of the handshake and of early data: not ours to know */
	}
}

void export_configure(mbedtls_ssl_config *config, struct export **owner)
{
	(void)config;
	(void)owner;
}

void export_attach(mbedtls_ssl_context *ssl, struct export *export)
{
	mbedtls_ssl_set_export_keys_cb(ssl, exported, export);
}

#else

static int exported(void *user, const unsigned char *master, const unsigned char *key_block,
		    size_t mac_length, size_t key_length, size_t iv_length,
		    const unsigned char client_random[32], const unsigned char server_random[32],
		    mbedtls_tls_prf_types prf)
{
	struct export **owner = user;

	(void)key_block;
	(void)mac_length;
	(void)key_length;
	(void)iv_length;
	if (!*owner)
		return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	keep_master(*owner, master, client_random, server_random, prf);
	return 0;
}

void export_configure(mbedtls_ssl_config *config, struct export **owner)
{
	mbedtls_ssl_conf_export_keys_ext_cb(config, exported, owner);
}

void export_attach(mbedtls_ssl_context *ssl, struct export *export)
{
	(void)ssl;
	(void)export;
}

#endif

/* RFC 5246 6.3: no MAC keys with an AEAD; the salt of GCM has 4 bytes, ChaCha20-Poly1305 uses all
 * 12 (RFC 7905). */
static int derive_tls12(const struct export *export, struct export_pair *pair)
{
	size_t key = aead_key_size(pair->client.algorithm);
	size_t iv = pair->client.algorithm == AEAD_CHACHA20_POLY1305 ? AEAD_NONCE_SIZE : 4;
	uint8_t block[2 * (AEAD_KEY_MAX + AEAD_NONCE_SIZE)];
	int r;

	if (!export->has_master)
		return -EPROTO;
	r = mbedtls_ssl_tls_prf(export->prf, export->master, EXPORT_MASTER_SIZE, "key expansion",
				export->randoms, sizeof(export->randoms), block, 2 * (key + iv));
	if (!r) {
		memcpy(pair->client.key, block, key);
		memcpy(pair->server.key, block + key, key);
		memcpy(pair->client.iv, block + 2 * key, iv);
		memcpy(pair->server.iv, block + 2 * key + iv, iv);
		pair->client.sequence = 1; /* Finished was 0 */
		pair->server.sequence = 1;
		pair->client.blocks = FINISHED_BLOCKS;
		pair->server.blocks = FINISHED_BLOCKS;
	}
	memory_erase(block, sizeof(block));
	return r ? -EPROTO : 0;
}

static int derive_tls13(const struct export *export, struct export_pair *pair)
{
	if (!export->client_length || !export->server_length)
		return -EPROTO;
	memcpy(pair->client.secret, export->client, export->client_length);
	memcpy(pair->server.secret, export->server, export->server_length);
	pair->client.secret_length = export->client_length;
	pair->server.secret_length = export->server_length;
	if (record_secrets_derive(&pair->client) || record_secrets_derive(&pair->server))
		return -EPROTO;
	return 0;
}

int export_derive(const struct export *export, uint16_t version, enum aead_algorithm algorithm,
		  struct export_pair *ret_pair)
{
	struct export_pair pair = { 0 };
	int r;

	pair.client.version = pair.server.version = version;
	pair.client.algorithm = pair.server.algorithm = algorithm;
	if (version == RECORD_VERSION_TLS12)
		r = derive_tls12(export, &pair);
	else
		r = derive_tls13(export, &pair);
	if (!r)
		*ret_pair = pair;
	memory_erase(&pair, sizeof(pair));
	return r;
}

void export_erase(struct export *export)
{
	memory_erase(export, sizeof(*export));
}
