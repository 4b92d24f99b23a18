/* SPDX-License-Identifier: MIT */
/* TLS handshakes without I/O. */
#include "tls/handshake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/error.h>

#include "base/bytes.h"
#include "base/error.h"
#include "base/memory.h"
#include "tls/blame.h"
#include "tls/compat.h"
#include "tls/credentials_private.h"
#include "tls/record_cipher.h"
#include "tls/tls_config.h"

/* With pins no name is looked at, but 2.28 accepts any certificate of the CA from a server that it
 * has no name for. */
#define SERVER_NAME "longwire"

/* What the verify callback saw of the peer's own certificate. */
struct peer {
	bool is_seen;
	unsigned flags; /* enum admission_flag */
	struct pin pin;
};

struct tls_handshake {
	const struct tls_config *config;
	const struct admission_book *book;
	int64_t now;
	mbedtls_ssl_context ssl;
	struct transport transport;
	struct export export;
	struct peer peer;
	enum tls_progress progress;
	bool is_judged, is_taken;
	struct admission admission;
	struct lw_error error;
	size_t records_at_finished; /* written up to and with our own Finished */
};

/* A suite is not known before the end; then it must be one of ours. */
static unsigned protocol_flags(const struct tls_handshake *handshake)
{
	const char *alpn = mbedtls_ssl_get_alpn_protocol(&handshake->ssl);
	const char *suite = mbedtls_ssl_get_ciphersuite(&handshake->ssl);
	const char *version = mbedtls_ssl_get_version(&handshake->ssl);
	enum aead_algorithm algorithm;
	unsigned flags = 0;

	if (!alpn || strcmp(alpn, TLS_ALPN) != 0)
		flags |= ADMISSION_WRONG_ALPN;
	if (!compat_is_over(&handshake->ssl))
		return flags;
	if (!policy_find_suite(suite, &algorithm))
		flags |= ADMISSION_WRONG_SUITE;
	if (strcmp(version, "TLSv1.2") != 0 && strcmp(version, "TLSv1.3") != 0)
		flags |= ADMISSION_OLD_PROTOCOL;
	return flags;
}

static void judge(struct tls_handshake *handshake)
{
	struct admission_facts facts = {
		.side = handshake->config->side,
		.flags = handshake->peer.flags | protocol_flags(handshake),
		.pin = handshake->peer.pin,
		.now = handshake->now,
	};

	if (!handshake->peer.is_seen)
		facts.flags |= ADMISSION_NO_CERTIFICATE;
	admission_judge(&facts, handshake->book, &handshake->admission);
	handshake->is_judged = true;
}

/*
 * The library asks for each certificate of the chain, the peer's own last. With pins only that
 * one's key counts; what else was found is cleared, or the library would end the handshake before
 * admission could say why. The client judges here, before it sends anything of its own.
 */
static int verify(void *user, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
	struct tls_handshake *handshake = user;

	if (depth == 0) {
		handshake->peer.is_seen = true;
		handshake->peer.flags = policy_flags(*flags);
		if (!policy_key_is_strong(&certificate->pk))
			handshake->peer.flags |= ADMISSION_WEAK_KEY;
		credentials_pin_of(certificate, &handshake->peer.pin);
	}
	*flags = 0;
	if (depth == 0 && handshake->config->side == ADMISSION_CLIENT) {
		judge(handshake);
		if (handshake->admission.verdict != ADMISSION_ADMITTED)
			*flags = MBEDTLS_X509_BADCERT_NOT_TRUSTED;
	}
	return 0;
}

int tls_handshake_new(const struct tls_config *config, const struct admission_book *book,
		      int64_t unix_now, struct tls_handshake **ret_handshake)
{
	struct tls_handshake *handshake = calloc(1, sizeof(*handshake));

	if (!handshake)
		return -ENOMEM;
	handshake->config = config;
	handshake->book = book;
	handshake->now = unix_now;
	handshake->progress = TLS_WANT_INPUT;
	mbedtls_ssl_init(&handshake->ssl);
	if (mbedtls_ssl_setup(&handshake->ssl, &config->ssl))
		goto fail;
	if (config->side == ADMISSION_CLIENT &&
	    mbedtls_ssl_set_hostname(&handshake->ssl, SERVER_NAME))
		goto fail;
	mbedtls_ssl_set_bio(&handshake->ssl, &handshake->transport, transport_write, transport_read,
			    NULL);
	mbedtls_ssl_set_verify(&handshake->ssl, verify, handshake);
	handshake->export.key_log = config->key_log;
	export_attach(&handshake->ssl, &handshake->export);
	*ret_handshake = handshake;
	return 0;
fail:
	tls_handshake_free(handshake);
	return -ENOMEM;
}

void tls_handshake_free(struct tls_handshake *handshake)
{
	if (!handshake)
		return;
	mbedtls_ssl_free(&handshake->ssl);
	transport_done(&handshake->transport);
	export_erase(&handshake->export);
	free(handshake);
}

/* Step by step, to see which record is our Finished. Return: 0 at the end, or what the library
 * returned. */
static int advance(struct tls_handshake *handshake)
{
	int finished = handshake->config->side == ADMISSION_HUB ? MBEDTLS_SSL_SERVER_FINISHED
								: MBEDTLS_SSL_CLIENT_FINISHED;
	int r = 0;

	*handshake->config->exporting = &handshake->export;
	while (!r && !compat_is_over(&handshake->ssl)) {
		int state = compat_state(&handshake->ssl);

		r = mbedtls_ssl_handshake_step(&handshake->ssl);
		if (state == finished && compat_state(&handshake->ssl) != finished)
			handshake->records_at_finished = handshake->transport.written.records +
							 compat_has_unsent(&handshake->ssl);
	}
	*handshake->config->exporting = NULL;
	return r;
}

static void say_goodbye(struct tls_handshake *handshake)
{
	const struct tls_config *config = handshake->config;
	uint8_t data[TLS_REFUSAL_MAX];
	size_t length = 0, sent = 0;

	/* Who does not speak our protocol is not told anything in it. */
	if (config->refusal && !(protocol_flags(handshake) & ADMISSION_WRONG_ALPN))
		length = config->refusal(&handshake->admission, data, sizeof(data));
	while (sent < length) {
		int r = mbedtls_ssl_write(&handshake->ssl, data + sent, length - sent);

		if (r <= 0)
			break;
		sent += (size_t)r;
	}
	mbedtls_ssl_close_notify(&handshake->ssl);
}

static enum tls_progress conclude(struct tls_handshake *handshake)
{
	const struct admission *admission = &handshake->admission;

	judge(handshake);
	if (admission->verdict == ADMISSION_ADMITTED)
		return TLS_ADMITTED;
	say_goodbye(handshake);
	error_set(&handshake->error, 0, LW_DOMAIN_CONNECTION, admission->connection_error, "%s",
		  admission->text);
	return TLS_REFUSED;
}

static void send_alert(struct tls_handshake *handshake, int library_error)
{
	mbedtls_ssl_send_alert_message(&handshake->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
				       library_error == MBEDTLS_ERR_SSL_ALLOC_FAILED
					       ? MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR
					       : MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE);
}

/* The peer's certificate, or that there was none, explains a failure better than what the library
 * made of it. */
static bool is_certificate_fault(struct tls_handshake *handshake, int library_error)
{
	if (handshake->is_judged)
		return handshake->admission.verdict != ADMISSION_ADMITTED;
	if (library_error != MBEDTLS_ERR_SSL_NO_CLIENT_CERTIFICATE &&
	    !(handshake->peer.is_seen && handshake->peer.flags))
		return false;
	judge(handshake);
	return handshake->admission.verdict != ADMISSION_ADMITTED;
}

static enum tls_progress fail(struct tls_handshake *handshake, int library_error,
			      size_t records_before)
{
	const struct transport *transport = &handshake->transport;

	/* At most one alert: the library's own, which was then written in the step that failed, or
	 * ours. */
	if (transport->written.records == records_before && !transport->read.has_alert)
		send_alert(handshake, library_error);
	if (is_certificate_fault(handshake, library_error))
		error_set(&handshake->error, 0, LW_DOMAIN_CONNECTION,
			  handshake->admission.connection_error, "%s", handshake->admission.text);
	else
		blame_failure(handshake->config->side, library_error, transport,
			      credentials_pin(handshake->config->credentials), &handshake->error);
	return TLS_FAILED;
}

static enum tls_progress fail_size(struct tls_handshake *handshake)
{
	send_alert(handshake, 0);
	error_set(&handshake->error, 0, LW_DOMAIN_CONNECTION,
		  LW_CONNECTION_ERROR_NEGOTIATION_FAILED,
		  "the %s sent more than %d bytes without finishing its handshake",
		  handshake->config->side == ADMISSION_HUB ? "client" : "hub",
		  TLS_PREAUTH_INPUT_MAX);
	return TLS_FAILED;
}

static bool wants_input(int library_result)
{
	return library_result == MBEDTLS_ERR_SSL_WANT_READ ||
	       library_result == MBEDTLS_ERR_SSL_WANT_WRITE;
}

enum tls_progress tls_handshake_step(struct tls_handshake *handshake, const uint8_t *data,
				     size_t length)
{
	struct transport *transport = &handshake->transport;
	size_t records = transport->written.records;
	int r;

	if (handshake->progress != TLS_WANT_INPUT)
		return handshake->progress;
	if (transport_feed(transport, data, length))
		r = MBEDTLS_ERR_SSL_ALLOC_FAILED;
	else
		r = advance(handshake);
	if (!r)
		handshake->progress = conclude(handshake);
	else if (!wants_input(r))
		handshake->progress = fail(handshake, r, records);
	else if (transport->consumed + transport->input.length > TLS_PREAUTH_INPUT_MAX)
		handshake->progress = fail_size(handshake);
	return handshake->progress;
}

void tls_handshake_output(const struct tls_handshake *handshake, const uint8_t **ret_data,
			  size_t *ret_length)
{
	const struct transport_buffer *output = &handshake->transport.output;

	*ret_data = output->length ? output->data + output->offset : NULL;
	*ret_length = output->length;
}

void tls_handshake_sent(struct tls_handshake *handshake, size_t length)
{
	transport_sent(&handshake->transport, length);
}

const struct admission *tls_handshake_admission(const struct tls_handshake *handshake)
{
	return &handshake->admission;
}

void tls_handshake_error(const struct tls_handshake *handshake, struct lw_error *ret_error)
{
	*ret_error = handshake->error;
}

/* The take-over contract but for the secrets. Return: the line of it that is not met, or NULL. */
static const char *breach(const struct tls_handshake *handshake)
{
	const mbedtls_ssl_context *ssl = &handshake->ssl;

	if (handshake->progress != TLS_ADMITTED || handshake->is_taken)
		return "the peer was not admitted";
	if (compat_state(ssl) != MBEDTLS_SSL_HANDSHAKE_OVER)
		return "the library has not ended the handshake";
	if (!handshake->records_at_finished ||
	    handshake->transport.written.records != handshake->records_at_finished)
		return "the library has sent a record of its own after the handshake";
	if (compat_has_unsent(ssl))
		return "the library still holds bytes for the peer";
	if (mbedtls_ssl_get_bytes_avail(ssl) || mbedtls_ssl_check_pending(ssl))
		return "the library still holds bytes of the peer";
	return NULL;
}

static int derive(struct tls_handshake *handshake, struct export_pair *pair)
{
	mbedtls_ssl_context *ssl = &handshake->ssl;
	int max_out = mbedtls_ssl_get_max_out_record_payload(ssl);
	size_t max_in = compat_max_in(ssl);
	uint16_t version = strcmp(mbedtls_ssl_get_version(ssl), "TLSv1.3") == 0
				   ? RECORD_VERSION_TLS13
				   : RECORD_VERSION_TLS12;
	bool is_hub = handshake->config->side == ADMISSION_HUB;
	enum aead_algorithm algorithm;

	if (max_out < 1 || max_out > RECORD_PLAIN_MAX || max_in < 1 || max_in > RECORD_PLAIN_MAX)
		return -EPROTO;
	if (!policy_find_suite(mbedtls_ssl_get_ciphersuite(ssl), &algorithm) ||
	    export_derive(&handshake->export, version, algorithm, pair))
		return -EPROTO;
	pair->server.max_plain = (uint16_t)(is_hub ? (size_t)max_out : max_in);
	pair->client.max_plain = (uint16_t)(is_hub ? max_in : (size_t)max_out);
	return 0;
}

/* The bytes behind the handshake. 0 or -ENOMEM. */
static int copy_early(const struct transport_buffer *input, uint8_t **ret_data, size_t *ret_length)
{
	uint8_t *early = NULL;

	if (input->length) {
		early = malloc(input->length);
		if (!early)
			return -ENOMEM;
		memcpy(early, input->data + input->offset, input->length);
	}
	*ret_data = early;
	*ret_length = input->length;
	return 0;
}

static int refuse_take(struct lw_error *error, const char *line)
{
	return error_set(error, -EPROTO, LW_DOMAIN_CONNECTION,
			 LW_CONNECTION_ERROR_NEGOTIATION_FAILED,
			 "the connection cannot be taken over from the TLS library: %s", line);
}

int tls_handshake_take(struct tls_handshake *handshake, struct tls_session *ret_session,
		       struct lw_error *ret_error)
{
	bool is_hub = handshake->config->side == ADMISSION_HUB;
	struct tls_session session = { .admission = handshake->admission,
				       .peer_pin = handshake->peer.pin };
	const char *line = breach(handshake);
	struct export_pair pair = { 0 };
	int r;

	if (line)
		return refuse_take(ret_error, line);
	r = derive(handshake, &pair);
	if (r)
		return refuse_take(ret_error, "what was agreed is not what the record engine does");
	r = copy_early(&handshake->transport.input, &session.early, &session.early_length);
	if (!r) {
		session.seal = is_hub ? pair.server : pair.client;
		session.open = is_hub ? pair.client : pair.server;
		snprintf(session.description, sizeof(session.description), "%s, %s",
			 mbedtls_ssl_get_version(&handshake->ssl),
			 aead_name(session.seal.algorithm));
		handshake->is_taken = true;
		export_erase(&handshake->export);
		*ret_session = session;
	} else {
		error_errno(ret_error, -r, "no memory to take a connection over");
	}
	memory_erase(&pair, sizeof(pair));
	memory_erase(&session.seal, sizeof(session.seal));
	memory_erase(&session.open, sizeof(session.open));
	return r;
}

void tls_session_done(struct tls_session *session)
{
	if (!session)
		return;
	free(session->early);
	memory_erase(session, sizeof(*session));
}

/* Type 22, version 3.1 … 3.3, a length that a record may have, and the message type 1. */
int tls_looks_like_client_hello(const uint8_t *data, size_t length)
{
	enum { HANDSHAKE = 22, CLIENT_HELLO = 1, HELLO_SIZE_MIN = 4 + 2 + 32 };
	size_t body;

	if (length >= 1 && data[0] != HANDSHAKE)
		return -1;
	if (length >= 2 && data[1] != 3)
		return -1;
	if (length >= 3 && (data[2] < 1 || data[2] > 3))
		return -1;
	if (length >= 5) {
		body = load_be16(data + 3);
		if (body < HELLO_SIZE_MIN || body > RECORD_PLAIN_MAX)
			return -1;
	}
	if (length < 6)
		return 0;
	return data[5] == CLIENT_HELLO ? 1 : -1;
}
