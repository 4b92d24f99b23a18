/* SPDX-License-Identifier: MIT */
/* Where mbedTLS 2.28 and 3.6 differ: the one place that asks for the version. Private to this
 * folder. */
#ifndef TLS_COMPAT_H
#define TLS_COMPAT_H

#include <stdbool.h>
#include <stddef.h>

#include <mbedtls/ecp.h>
#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#define COMPAT_MBEDTLS_3 (MBEDTLS_VERSION_NUMBER >= 0x03000000)

#if COMPAT_MBEDTLS_3
#include <psa/crypto.h>
#else
#define MBEDTLS_PRIVATE(member)              member
#define MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION
#define MBEDTLS_ERR_SSL_BAD_CERTIFICATE      MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE
#define MBEDTLS_ERR_SSL_HANDSHAKE_FAILURE    MBEDTLS_ERR_SSL_NO_CIPHER_CHOSEN
#endif

/* Where AES is slow, ChaCha20-Poly1305 is 1.3 times as fast on 2.28; 3.6 has the better AES-GCM. */
#if COMPAT_MBEDTLS_3
#define COMPAT_AEAD_PREFERENCE                                             \
	{                                                                  \
		AEAD_AES_128_GCM, AEAD_AES_256_GCM, AEAD_CHACHA20_POLY1305 \
	}
#else
#define COMPAT_AEAD_PREFERENCE                                             \
	{                                                                  \
		AEAD_CHACHA20_POLY1305, AEAD_AES_128_GCM, AEAD_AES_256_GCM \
	}
#endif

typedef int compat_random_fn(void *user, unsigned char *out, size_t length);

/* TLS 1.3 of 3.6 computes through PSA, which has to be started. */
static inline int compat_start(void)
{
#if COMPAT_MBEDTLS_3
	return psa_crypto_init() == PSA_SUCCESS ? 0 : -1;
#else
	return 0;
#endif
}

static inline int compat_parse_key(mbedtls_pk_context *key, const unsigned char *pem, size_t size,
				   compat_random_fn *random, void *user)
{
#if COMPAT_MBEDTLS_3
	return mbedtls_pk_parse_key(key, pem, size, NULL, 0, random, user);
#else
	(void)random;
	(void)user;
	return mbedtls_pk_parse_key(key, pem, size, NULL, 0);
#endif
}

static inline int compat_check_pair(const mbedtls_pk_context *public_key,
				    const mbedtls_pk_context *private_key, compat_random_fn *random,
				    void *user)
{
#if COMPAT_MBEDTLS_3
	return mbedtls_pk_check_pair(public_key, private_key, random, user);
#else
	(void)random;
	(void)user;
	return mbedtls_pk_check_pair(public_key, private_key);
#endif
}

/* Of a key of an EC type. */
static inline mbedtls_ecp_group_id compat_curve(const mbedtls_pk_context *key)
{
	return mbedtls_pk_ec(*key)->MBEDTLS_PRIVATE(grp).id;
}

static inline int compat_set_serial(mbedtls_x509write_cert *certificate, unsigned char *serial,
				    size_t length)
{
#if COMPAT_MBEDTLS_3
	return mbedtls_x509write_crt_set_serial_raw(certificate, serial, length);
#else
	mbedtls_mpi number;
	int r;

	mbedtls_mpi_init(&number);
	r = mbedtls_mpi_read_binary(&number, serial, length);
	if (!r)
		r = mbedtls_x509write_crt_set_serial(certificate, &number);
	mbedtls_mpi_free(&number);
	return r;
#endif
}

static inline int compat_state(const mbedtls_ssl_context *ssl)
{
	return ssl->MBEDTLS_PRIVATE(state);
}

/* In 3.6 a hub goes through a state beyond OVER for clients that know of tickets, and back: without
 * tickets nothing is written in it. */
static inline bool compat_is_over(const mbedtls_ssl_context *ssl)
{
	return compat_state(ssl) == MBEDTLS_SSL_HANDSHAKE_OVER;
}

/* A record that is written but not yet given to the transport: 3.6 does that with the next step
 * only. */
static inline bool compat_has_unsent(const mbedtls_ssl_context *ssl)
{
	return ssl->MBEDTLS_PRIVATE(out_left) != 0;
}

/* The most plaintext that a record of the peer may have, as negotiated. */
static inline size_t compat_max_in(const mbedtls_ssl_context *ssl)
{
#if COMPAT_MBEDTLS_3
	int max = mbedtls_ssl_get_max_in_record_payload(ssl);

	return max > 0 ? (size_t)max : 0;
#else
	return mbedtls_ssl_get_input_max_frag_len(ssl);
#endif
}

/* X25519, P-256, P-384. */
static inline void compat_conf_groups(mbedtls_ssl_config *config)
{
#if COMPAT_MBEDTLS_3
	static const uint16_t groups[] = { MBEDTLS_SSL_IANA_TLS_GROUP_X25519,
					   MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
					   MBEDTLS_SSL_IANA_TLS_GROUP_SECP384R1,
					   MBEDTLS_SSL_IANA_TLS_GROUP_NONE };

	mbedtls_ssl_conf_groups(config, groups);
#else
	static const mbedtls_ecp_group_id curves[] = { MBEDTLS_ECP_DP_CURVE25519,
						       MBEDTLS_ECP_DP_SECP256R1,
						       MBEDTLS_ECP_DP_SECP384R1,
						       MBEDTLS_ECP_DP_NONE };

	mbedtls_ssl_conf_curves(config, curves);
#endif
}

/* What handshakes are signed with: SHA-256 and longer. */
static inline void compat_conf_signatures(mbedtls_ssl_config *config)
{
#if COMPAT_MBEDTLS_3
	static const uint16_t algorithms[] = {
		MBEDTLS_TLS1_3_SIG_ECDSA_SECP256R1_SHA256,
		MBEDTLS_TLS1_3_SIG_ECDSA_SECP384R1_SHA384,
		MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA256,
		MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA384,
		MBEDTLS_TLS1_3_SIG_RSA_PSS_RSAE_SHA512,
		MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA256,
		MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA384,
		MBEDTLS_TLS1_3_SIG_RSA_PKCS1_SHA512,
		MBEDTLS_TLS1_3_SIG_NONE,
	};

	mbedtls_ssl_conf_sig_algs(config, algorithms);
#else
	static const int hashes[] = { MBEDTLS_MD_SHA256, MBEDTLS_MD_SHA384, MBEDTLS_MD_SHA512,
				      MBEDTLS_MD_NONE };

	mbedtls_ssl_conf_sig_hashes(config, hashes);
#endif
}

static inline void compat_conf_versions(mbedtls_ssl_config *config)
{
#if COMPAT_MBEDTLS_3
	mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
	mbedtls_ssl_conf_max_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_3);
	mbedtls_ssl_conf_tls13_key_exchange_modes(config,
						  MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_EPHEMERAL);
#else
	mbedtls_ssl_conf_min_version(config, MBEDTLS_SSL_MAJOR_VERSION_3,
				     MBEDTLS_SSL_MINOR_VERSION_3);
	mbedtls_ssl_conf_max_version(config, MBEDTLS_SSL_MAJOR_VERSION_3,
				     MBEDTLS_SSL_MINOR_VERSION_3);
#endif
}

/* Neither asked for nor given: a ticket would spend a nonce, and resumption skips every check of
 * the peer. */
static inline void compat_conf_no_tickets(mbedtls_ssl_config *config, bool is_client)
{
	if (is_client)
		mbedtls_ssl_conf_session_tickets(config, MBEDTLS_SSL_SESSION_TICKETS_DISABLED);
#if COMPAT_MBEDTLS_3
	else
		mbedtls_ssl_conf_new_session_tickets(config, 0);
#endif
}

#endif
