/* SPDX-License-Identifier: MIT */
/* Why a handshake failed, and whose fault that is, in a sentence. */
#include "tls/blame.h"

#include <errno.h>
#include <string.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/memory.h"
#include "tls/compat.h"

/*
 * An alert says the reason in every version of the library, which its codes do not: the one that we
 * sent or the one that came. NULL: the general sentence.
 */
static const struct saying {
	uint8_t alert;
	const char *name;
	const char *sent;     /* behind "the hub" or "the client", when we found the fault */
	const char *received; /* behind "the hub" or "the client", when it did */
} sayings[] = {
	{ MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE, "unexpected_message",
	  "sent a message that has no place there", NULL },
	{ MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC, "bad_record_mac",
	  "sent a record that is not authentic: it was altered on its way", NULL },
	{ MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE, "handshake_failure",
	  "shares no cipher suite or curve with us: ECDHE on X25519, P-256 or P-384 with AES-GCM or "
	  "ChaCha20-Poly1305 is needed",
	  "found nothing to agree on: it does not take TLS 1.2 or 1.3 with ECDHE and an AEAD, or it "
	  "refuses our certificate" },
	{ MBEDTLS_SSL_ALERT_MSG_ILLEGAL_PARAMETER, "illegal_parameter",
	  "sent a handshake that contradicts itself", NULL },
	{ MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR, "decode_error",
	  "sent a handshake that cannot be read", NULL },
	{ MBEDTLS_SSL_ALERT_MSG_DECRYPT_ERROR, "decrypt_error",
	  "could not prove that it has the key of its certificate", NULL },
	{ MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION, "protocol_version",
	  "speaks only a TLS older than 1.2; 1.2 is the least",
	  "does not take TLS 1.2 or 1.3, the only versions that we speak" },
	{ MBEDTLS_SSL_ALERT_MSG_NO_APPLICATION_PROTOCOL, "no_application_protocol",
	  "speaks TLS but not longwire/1 in it (ALPN): it is another program, or another version",
	  "speaks TLS but not longwire/1 in it (ALPN): it is another program, or another version" },
	{ MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR, "internal_error", NULL,
	  "has a trouble of its own (internal_error)" },
	{ MBEDTLS_SSL_ALERT_MSG_NO_CERT, "no_certificate", NULL, NULL },
	{ MBEDTLS_SSL_ALERT_MSG_BAD_CERT, "bad_certificate", NULL, NULL },
	{ MBEDTLS_SSL_ALERT_MSG_UNSUPPORTED_CERT, "unsupported_certificate", NULL, NULL },
	{ MBEDTLS_SSL_ALERT_MSG_CERT_REVOKED, "certificate_revoked", NULL, NULL },
	{ MBEDTLS_SSL_ALERT_MSG_CERT_EXPIRED, "certificate_expired", NULL, NULL },
	{ MBEDTLS_SSL_ALERT_MSG_CERT_UNKNOWN, "certificate_unknown", NULL, NULL },
	{ MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA, "unknown_ca", NULL, NULL },
	{ MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED, "access_denied", NULL, NULL },
};

static const struct saying *find(uint8_t alert)
{
	for (size_t i = 0; i < ARRAY_SIZE(sayings); i++)
		if (sayings[i].alert == alert)
			return &sayings[i];
	return NULL;
}

static const char *peer_of(enum admission_side side)
{
	return side == ADMISSION_HUB ? "client" : "hub";
}

static void say(struct lw_error *error, int code, const char *peer, const char *what)
{
	error_set(error, -code, LW_DOMAIN_CONNECTION, code, "the %s %s", peer, what);
}

/* What a stranger's first bytes are. NULL: a TLS record. */
static const char *stranger(const struct transport_watch *seen)
{
	static const struct {
		const char *begin, *what;
	} known[] = {
		{ "GET ", "speaks plain HTTP, not TLS" },  { "POST", "speaks plain HTTP, not TLS" },
		{ "HEAD", "speaks plain HTTP, not TLS" },  { "HTTP", "speaks plain HTTP, not TLS" },
		{ "CONN", "speaks plain HTTP, not TLS" },  { "SSH-", "speaks SSH, not TLS" },
		{ "220 ", "speaks SMTP or FTP, not TLS" },
	};
	const uint8_t *first = seen->first;

	if (!seen->n_first)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (seen->n_first >= 4 && memcmp(first, known[i].begin, 4) == 0)
			return known[i].what;
	if (first[0] < MBEDTLS_SSL_MSG_CHANGE_CIPHER_SPEC ||
	    first[0] > MBEDTLS_SSL_MSG_APPLICATION_DATA)
		return "does not speak TLS";
	if (seen->n_first >= 2 && first[1] != 3)
		return "does not speak TLS";
	return NULL;
}

static bool is_about_certificate(uint8_t alert)
{
	return (alert >= MBEDTLS_SSL_ALERT_MSG_NO_CERT &&
		alert <= MBEDTLS_SSL_ALERT_MSG_CERT_UNKNOWN) ||
	       alert == MBEDTLS_SSL_ALERT_MSG_UNKNOWN_CA ||
	       alert == MBEDTLS_SSL_ALERT_MSG_ACCESS_DENIED ||
	       alert == MBEDTLS_SSL_ALERT_MSG_DECRYPT_ERROR;
}

static void blame_received(enum admission_side side, uint8_t alert, const struct pin *own,
			   struct lw_error *error)
{
	const struct saying *saying = find(alert);
	const char *name = saying ? saying->name : "unknown alert";
	char text[PIN_TEXT_SIZE];
	int code;

	if (is_about_certificate(alert)) {
		code = side == ADMISSION_HUB ? LW_CONNECTION_ERROR_SERVER_CERTIFICATE_INVALID
					     : LW_CONNECTION_ERROR_CLIENT_CERTIFICATE_INVALID;
		error_set(
			error, -code, LW_DOMAIN_CONNECTION, code,
			side == ADMISSION_HUB
				? "the client does not accept this hub's key %s (%s): put that pin into "
				  "its hub.pin"
				: "the hub does not accept our key %s (%s): its administrator can put "
				  "that pin under clients:",
			pin_format(own, text), name);
		return;
	}
	code = LW_CONNECTION_ERROR_NEGOTIATION_FAILED;
	if (saying && saying->received)
		say(error, code, peer_of(side), saying->received);
	else
		error_set(error, -code, LW_DOMAIN_CONNECTION, code,
			  "the %s ended the handshake: %s (alert %u)", peer_of(side), name, alert);
}

void blame_failure(enum admission_side side, int library_error, const struct transport *transport,
		   const struct pin *own, struct lw_error *ret_error)
{
	const struct saying *saying =
		transport->written.has_alert ? find(transport->written.alert) : NULL;
	const char *what = stranger(&transport->read);
	int code = LW_CONNECTION_ERROR_NEGOTIATION_FAILED;

	if (library_error == MBEDTLS_ERR_SSL_ALLOC_FAILED)
		error_set(ret_error, -ENOMEM, LW_DOMAIN_SYSTEM, ENOMEM,
			  "no memory for a TLS handshake");
	else if (what)
		say(ret_error, code, peer_of(side), what);
	else if (transport->read.has_alert)
		blame_received(side, transport->read.alert, own, ret_error);
	else if (library_error == MBEDTLS_ERR_SSL_BAD_PROTOCOL_VERSION)
		say(ret_error, code, peer_of(side),
		    find(MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION)->sent);
	else if (saying && saying->sent)
		say(ret_error, code, peer_of(side), saying->sent);
	else if (library_error == MBEDTLS_ERR_SSL_INVALID_MAC)
		say(ret_error, code, peer_of(side),
		    find(MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC)->sent);
	else
		error_set(ret_error, -code, LW_DOMAIN_CONNECTION, code,
			  "the TLS handshake with the %s failed (mbedTLS -0x%04x)", peer_of(side),
			  (unsigned)-library_error);
}
