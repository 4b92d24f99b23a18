/* SPDX-License-Identifier: MIT */
/* Identities: a private key with its certificate, and the pins of public keys. */
#ifndef TLS_CREDENTIALS_H
#define TLS_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lw_error;
struct credentials;

/* SHA-256 of a DER SubjectPublicKeyInfo (RFC 7469, section 2.4). Text: "SHA256:" and 43 characters
 * of base64, "=" optional. */
struct pin {
	uint8_t sha256[32];
};

enum { PIN_TEXT_SIZE = 7 + 43 + 1, IDENTITY_FILE_MAX = 65536 };

int pin_parse(const char *text, struct pin *ret_pin); /* 0 or -EINVAL */
const char *pin_format(const struct pin *pin, char text[PIN_TEXT_SIZE]);
/* Constant time. */
bool pin_equal(const struct pin *a, const struct pin *b);

/*
 * Load a PEM file of one private key and its certificate (FILE_SECRET rules). Refused with what is
 * allowed: other permissions (T46), an encrypted key, a key that does not belong to the
 * certificate, RSA below 2048 bits, curves other than P-256 and P-384, nothing at all. Used by the
 * handshake role only, after this.
 */
int credentials_load(const char *file, struct credentials **ret_credentials,
		     struct lw_error *ret_error);
/* The same from memory; name stands for the file in errors. */
int credentials_parse(const char *name, const char *pem, size_t length,
		      struct credentials **ret_credentials, struct lw_error *ret_error);
void credentials_free(struct credentials *credentials);
const struct pin *credentials_pin(const struct credentials *credentials);

/* A new P-256 key and a self-signed certificate around it, as PEM (malloc'd, terminated; erase it
 * after use). */
int credentials_generate(char **ret_pem, size_t *ret_length, struct pin *ret_pin,
			 struct lw_error *ret_error);

#endif
