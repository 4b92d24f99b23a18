/* SPDX-License-Identifier: MIT */
/* What credentials are made of. Private to this folder. */
#ifndef TLS_CREDENTIALS_PRIVATE_H
#define TLS_CREDENTIALS_PRIVATE_H

#include <mbedtls/pk.h>
#include <mbedtls/x509_crt.h>

#include "tls/credentials.h"

/* By pointer, because the library wants its objects writable: it fills tables of the curve in them
 * as it goes. */
struct credentials {
	mbedtls_pk_context *key;
	mbedtls_x509_crt *certificate; /* ours first, then any that lead to its CA */
	struct pin pin;
};

/* The pin of the key in a certificate. */
void credentials_pin_of(const mbedtls_x509_crt *certificate, struct pin *ret_pin);

#endif
