/* SPDX-License-Identifier: MIT */
/* What a tls_config is made of. Private to this folder. */
#ifndef TLS_TLS_CONFIG_H
#define TLS_TLS_CONFIG_H

#include <mbedtls/ssl.h>

#include "tls/export.h"
#include "tls/handshake.h"
#include "tls/policy.h"

struct tls_config {
	enum admission_side side;
	const struct credentials *credentials;
	mbedtls_ssl_config ssl;
	struct policy policy;
	struct export **exporting; /* the handshake in progress, for the library's callback */
	tls_refusal_fn *refusal;
	struct key_log *key_log;
};

#endif
