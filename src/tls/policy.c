/* SPDX-License-Identifier: MIT */
/* The policy: what this program agrees to in a TLS handshake, and how it judges the strength of
 * keys. */
#include "tls/policy.h"

#include <errno.h>
#include <string.h>

#include <mbedtls/ssl_ciphersuites.h>

#include "base/memory.h"
#include "tls/compat.h"
#include "tls/credentials_private.h"
#include "tls/handshake.h"

static const struct suite {
	int id;
	enum aead_algorithm algorithm;
} known_suites[] = {
#if COMPAT_MBEDTLS_3
	{ MBEDTLS_TLS1_3_AES_128_GCM_SHA256, AEAD_AES_128_GCM },
	{ MBEDTLS_TLS1_3_AES_256_GCM_SHA384, AEAD_AES_256_GCM },
	{ MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256, AEAD_CHACHA20_POLY1305 },
#endif
	{ MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, AEAD_AES_128_GCM },
	{ MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, AEAD_AES_256_GCM },
	{ MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, AEAD_CHACHA20_POLY1305 },
	{ MBEDTLS_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, AEAD_AES_128_GCM },
	{ MBEDTLS_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, AEAD_AES_256_GCM },
	{ MBEDTLS_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, AEAD_CHACHA20_POLY1305 },
};

_Static_assert(ARRAY_SIZE(known_suites) < POLICY_SUITES_MAX, "the list ends with 0");

/* What a certificate may be made of. Weaker ones are flagged, not refused here: admission says the
 * sentence. */
static const mbedtls_x509_crt_profile profile = {
	.allowed_mds = MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA256) |
		       MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA384) |
		       MBEDTLS_X509_ID_FLAG(MBEDTLS_MD_SHA512),
	.allowed_pks = MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_RSA) |
		       MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECKEY) |
		       MBEDTLS_X509_ID_FLAG(MBEDTLS_PK_ECDSA),
	.allowed_curves = MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP256R1) |
			  MBEDTLS_X509_ID_FLAG(MBEDTLS_ECP_DP_SECP384R1),
	.rsa_min_bitlen = POLICY_RSA_BITS_MIN,
};

void policy_list_suites(const struct aead_backend *backend, int suites[POLICY_SUITES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < backend->n_preference; i++)
		for (size_t j = 0; j < ARRAY_SIZE(known_suites); j++)
			if (known_suites[j].algorithm == backend->preference[i] &&
			    n < POLICY_SUITES_MAX - 1)
				suites[n++] = known_suites[j].id;
	suites[n] = 0;
}

bool policy_find_suite(const char *name, enum aead_algorithm *ret_algorithm)
{
	int id = name ? mbedtls_ssl_get_ciphersuite_id(name) : 0;

	for (size_t i = 0; i < ARRAY_SIZE(known_suites); i++) {
		if (known_suites[i].id != id)
			continue;
		*ret_algorithm = known_suites[i].algorithm;
		return true;
	}
	return false;
}

bool policy_key_is_strong(const mbedtls_pk_context *key)
{
	size_t bits = mbedtls_pk_get_bitlen(key);

	switch (mbedtls_pk_get_type(key)) {
	case MBEDTLS_PK_RSA:
		return bits >= POLICY_RSA_BITS_MIN && bits <= POLICY_RSA_BITS_MAX;
	case MBEDTLS_PK_ECKEY:
	case MBEDTLS_PK_ECDSA:
		return compat_curve(key) == MBEDTLS_ECP_DP_SECP256R1 ||
		       compat_curve(key) == MBEDTLS_ECP_DP_SECP384R1;
	default:
		return false;
	}
}

unsigned policy_flags(uint32_t verify_flags)
{
	unsigned flags = 0;

	if (verify_flags & (MBEDTLS_X509_BADCERT_BAD_KEY | MBEDTLS_X509_BADCERT_BAD_PK))
		flags |= ADMISSION_WEAK_KEY;
	if (verify_flags & MBEDTLS_X509_BADCERT_BAD_MD)
		flags |= ADMISSION_WEAK_SIGNATURE;
	if (verify_flags & MBEDTLS_X509_BADCERT_MISSING)
		flags |= ADMISSION_NO_CERTIFICATE;
	return flags;
}

int policy_configure(struct policy *policy, mbedtls_ssl_config *ssl, enum admission_side side,
		     const struct credentials *credentials, const struct aead_backend *backend)
{
	static const char *alpn[] = { TLS_ALPN, NULL };
	bool is_client = side == ADMISSION_CLIENT;

	mbedtls_ssl_config_init(ssl);
	if (library_random_init(&policy->random))
		return -EIO;
	if (mbedtls_ssl_config_defaults(ssl,
					is_client ? MBEDTLS_SSL_IS_CLIENT : MBEDTLS_SSL_IS_SERVER,
					MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT))
		return -ENOMEM;
	mbedtls_ssl_conf_rng(ssl, mbedtls_ctr_drbg_random, &policy->random.drbg);
	compat_conf_versions(ssl);
	policy_list_suites(backend, policy->suites);
	mbedtls_ssl_conf_ciphersuites(ssl, policy->suites);
	compat_conf_groups(ssl);
	compat_conf_signatures(ssl);
	mbedtls_ssl_conf_cert_profile(ssl, &profile);
	mbedtls_ssl_conf_authmode(ssl, MBEDTLS_SSL_VERIFY_REQUIRED);
	/* The library verifies against something only if there is a CA; with pins what it says of
	 * the chain is not looked at. */
	mbedtls_ssl_conf_ca_chain(ssl, credentials->certificate, NULL);
	if (!is_client)
		mbedtls_ssl_conf_cert_req_ca_list(ssl, MBEDTLS_SSL_CERT_REQ_CA_LIST_DISABLED);
	compat_conf_no_tickets(ssl, is_client);
	mbedtls_ssl_conf_renegotiation(ssl, MBEDTLS_SSL_RENEGOTIATION_DISABLED);
	mbedtls_ssl_conf_legacy_renegotiation(ssl, MBEDTLS_SSL_LEGACY_BREAK_HANDSHAKE);
	if (mbedtls_ssl_conf_own_cert(ssl, credentials->certificate, credentials->key) ||
	    mbedtls_ssl_conf_alpn_protocols(ssl, alpn))
		return -ENOMEM;
	return 0;
}

void policy_done(struct policy *policy)
{
	library_random_done(&policy->random);
}
