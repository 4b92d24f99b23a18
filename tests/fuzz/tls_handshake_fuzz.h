/* SPDX-License-Identifier: MIT */
/*
 * What the two handshake targets share. Input: size of the pieces in 64 bytes, then what the peer
 * sends.
 */
#ifndef FUZZ_TLS_HANDSHAKE_FUZZ_H
#define FUZZ_TLS_HANDSHAKE_FUZZ_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/error.h>

#include "../support/tls_identities.h"
#include "base/memory.h"
#include "tls/credentials.h"
#include "tls/handshake.h"

enum { FUZZ_OUTPUT_MAX = 65536 };

static void fuzz_check(bool is_true)
{
	if (!is_true)
		abort();
}

static struct tls_config *fuzz_config(enum admission_side side)
{
	static struct tls_config *config;
	static struct credentials *credentials;

	if (config)
		return config;
	fuzz_check(!credentials_parse("fuzz", IDENTITY_P256, strlen(IDENTITY_P256), &credentials,
				      NULL));
	fuzz_check(!tls_config_new(side, credentials, &config, NULL));
	return config;
}

/* The key that would be admitted is one that the input cannot sign with. */
static struct admission_book *fuzz_book(void)
{
	static struct admission_book *book;
	struct admission_entry entry = { .name = "peer" };

	if (book)
		return book;
	fuzz_check(!pin_parse(IDENTITY_P384_PIN, &entry.pin));
	fuzz_check(!admission_book_new(&entry, 1, &book));
	return book;
}

static void fuzz_handshake(enum admission_side side, const uint8_t *data, size_t size)
{
	enum tls_progress progress;
	struct tls_handshake *handshake;
	struct tls_session session;
	struct lw_error error = { 0 };
	const uint8_t *output;
	size_t piece, length;

	if (!size)
		return;
	piece = (size_t)data[0] * 64 + 1;
	data++;
	size--;
	fuzz_check(!tls_handshake_new(fuzz_config(side), fuzz_book(), 0, &handshake));
	progress = tls_handshake_step(handshake, NULL, 0);
	while (size && progress == TLS_WANT_INPUT) {
		length = MIN(piece, size);
		progress = tls_handshake_step(handshake, data, length);
		data += length;
		size -= length;
	}
	fuzz_check(progress == TLS_WANT_INPUT || progress == TLS_FAILED);
	fuzz_check(tls_handshake_take(handshake, &session, NULL) < 0);
	tls_handshake_output(handshake, &output, &length);
	fuzz_check(length <= FUZZ_OUTPUT_MAX);
	tls_handshake_error(handshake, &error);
	fuzz_check((progress == TLS_FAILED) == (error.text[0] != '\0'));
	tls_handshake_free(handshake);
}

#endif
