/* SPDX-License-Identifier: MIT */
/*
 * The policy: what this program agrees to in a TLS handshake, in one function, and how it judges
 * the strength of keys. Private to this folder.
 *
 * TLS 1.2 and 1.3; ECDHE with an AEAD; X25519, P-256, P-384; signatures with SHA-256 and longer;
 * certificates required both ways, of RSA from 2048 bits, P-256 or P-384. No tickets, resumption,
 * renegotiation, compression, early data or PSK.
 */
#ifndef TLS_POLICY_H
#define TLS_POLICY_H

#include <mbedtls/pk.h>
#include <mbedtls/ssl.h>

#include "tls/admission.h"
#include "tls/aead.h"
#include "tls/library.h"

struct credentials;

enum { POLICY_SUITES_MAX = 3 * 3 + 1, POLICY_RSA_BITS_MIN = 2048, POLICY_RSA_BITS_MAX = 8192 };

/* What the configuration points at; it lives as long as that. */
struct policy {
	struct library_random random;
	int suites[POLICY_SUITES_MAX];
};

/* Configure one side. ssl and policy are zeroed or initialised; policy_done afterwards in any case.
 * 0, -ENOMEM or -EIO. */
int policy_configure(struct policy *policy, mbedtls_ssl_config *ssl, enum admission_side side,
		     const struct credentials *credentials, const struct aead_backend *backend);
void policy_done(struct policy *policy);

/* Suites in the order of the backend; ends with 0. */
void policy_list_suites(const struct aead_backend *backend, int suites[POLICY_SUITES_MAX]);
/* The AEAD of a suite that the policy has, by the library's name. Return: false for any other. */
bool policy_find_suite(const char *name, enum aead_algorithm *ret_algorithm);

bool policy_key_is_strong(const mbedtls_pk_context *key);
/* enum admission_flag of what the library found wrong with a certificate; what pins make irrelevant
 * is left out. */
unsigned policy_flags(uint32_t verify_flags);

#endif
