/* SPDX-License-Identifier: MIT */
/*
 * The secrets of a handshake, as the library exports them, and the record secrets made of them.
 * Private to this folder.
 *
 * The library exports before the handshake has succeeded: what is here means nothing until that,
 * and admission, are done.
 */
#ifndef TLS_EXPORT_H
#define TLS_EXPORT_H

#include <stdbool.h>

#include <mbedtls/ssl.h>

#include "tls/key_log.h"
#include "tls/record.h"

enum { EXPORT_MASTER_SIZE = 48, EXPORT_RANDOM_SIZE = 32 };

struct export
{
	struct key_log *key_log; /* that is told every secret; NULL: none */
	/* TLS 1.2 */
	bool has_master;
	uint8_t master[EXPORT_MASTER_SIZE];
	uint8_t randoms[2 * EXPORT_RANDOM_SIZE]; /* the server's, then the client's */
	mbedtls_tls_prf_types prf;
	/* TLS 1.3: of application data */
	uint8_t client[RECORD_SECRET_MAX], server[RECORD_SECRET_MAX];
	uint8_t client_length, server_length;
};

/*
 * Have the library export. The callback of 2.28 belongs to the configuration, so *owner names the
 * handshake in progress and is NULL between steps; 3.6 has one for each connection. owner must
 * outlive the configuration.
 */
void export_configure(mbedtls_ssl_config *config, struct export **owner);
void export_attach(mbedtls_ssl_context *ssl, struct export *export);

struct export_pair {
	struct record_secrets client, server; /* what each of them seals with */
};

/* version 0x0303 or 0x0304. 0, or -EPROTO: the secrets were not exported, or do not fit. */
int export_derive(const struct export *export, uint16_t version, enum aead_algorithm algorithm,
		  struct export_pair *ret_pair);
void export_erase(struct export *export);

#endif
