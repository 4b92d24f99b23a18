/* SPDX-License-Identifier: MIT */
/*
 * Every kind of peer that is refused, on either side, and the sentence that the user is told about
 * it.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <longwire/error.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "support/tls_identities.h"
#include "support/tls_reference.h"

enum { OUT_MAX = 70000 };

static struct credentials *own;
static struct tls_config *configs[3]; /* by side */

static size_t goodbye(const struct admission *admission, uint8_t *data, size_t size)
{
	int n = snprintf((char *)data + 4, size - 4, "{\"code\":1,\"text\":\"%s\"}",
			 admission->peer_text);

	data[0] = 0x07;
	store_be24(data + 1, (uint32_t)n);
	return 4 + (size_t)n;
}

static int setup(void **state)
{
	(void)state;
	own = tls_reference_identity(IDENTITY_P256);
	for (int side = ADMISSION_HUB; side <= ADMISSION_CLIENT; side++)
		assert_int_equal(tls_config_new(side, own, &configs[side], NULL), 0);
	tls_config_set_refusal(configs[ADMISSION_HUB], goodbye);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tls_config_free(configs[ADMISSION_HUB]);
	tls_config_free(configs[ADMISSION_CLIENT]);
	credentials_free(own);
	return 0;
}

static struct admission_book *book_of(const char *pin)
{
	struct admission_entry entry = { .name = "peer" };
	struct admission_book *book;

	assert_int_equal(pin_parse(pin, &entry.pin), 0);
	assert_int_equal(admission_book_new(&entry, 1, &book), 0);
	return book;
}

static void expect_text(const struct tls_handshake *handshake, int code, const char *words)
{
	struct lw_error error;

	tls_handshake_error(handshake, &error);
	if (error.domain != LW_DOMAIN_CONNECTION || error.code != code ||
	    !strstr(error.text, words))
		print_error("%d %d: %s\n", error.domain, error.code, error.text);
	assert_int_equal(error.domain, LW_DOMAIN_CONNECTION);
	assert_int_equal(error.code, code);
	assert_non_null(strstr(error.text, words));
}

static bool has_output(const struct tls_handshake *handshake)
{
	const uint8_t *data;
	size_t length;

	tls_handshake_output(handshake, &data, &length);
	return length > 0;
}

/* ---- Two of ours. */

static void introduce(struct admission_book *client_book, struct admission_book *hub_book,
		      struct tls_handshake **ret_client, struct tls_handshake **ret_hub,
		      enum tls_progress results[2])
{
	assert_int_equal(tls_handshake_new(configs[ADMISSION_CLIENT], client_book, 0, ret_client),
			 0);
	assert_int_equal(tls_handshake_new(configs[ADMISSION_HUB], hub_book, 0, ret_hub), 0);
	tls_reference_introduce(*ret_client, *ret_hub, 0, &results[0], &results[1]);
}

static void client__hub_with_another_key__tells_both_pins_and_sends_nothing_of_its_own(void **state)
{
	struct admission_book *client_book = book_of(IDENTITY_P384_PIN);
	struct admission_book *hub_book = book_of(IDENTITY_P256_PIN);
	struct tls_handshake *client, *hub;
	enum tls_progress results[2];

	(void)state;
	introduce(client_book, hub_book, &client, &hub, results);
	assert_int_equal(results[0], TLS_FAILED);
	assert_int_equal(results[1], TLS_FAILED);
	expect_text(client, LW_CONNECTION_ERROR_SERVER_CERTIFICATE_INVALID,
		    "the hub showed " IDENTITY_P256_PIN
		    ", which is not the pinned key " IDENTITY_P384_PIN);
	assert_int_equal(tls_handshake_admission(client)->verdict, ADMISSION_REFUSED);
	/* The hub learns why, and never saw a certificate. */
	expect_text(hub, LW_CONNECTION_ERROR_SERVER_CERTIFICATE_INVALID,
		    "the client does not accept this hub's key " IDENTITY_P256_PIN);
	assert_int_equal(tls_handshake_admission(hub)->verdict, 0);
	assert_string_equal(tls_handshake_admission(hub)->text, "");
	tls_handshake_free(client);
	tls_handshake_free(hub);
	admission_book_free(client_book);
	admission_book_free(hub_book);
}

static void hub__unknown_client__told_by_a_goodbye(void **state)
{
	struct admission_book *client_book = book_of(IDENTITY_P256_PIN);
	struct admission_book *hub_book = book_of(IDENTITY_P384_PIN);
	struct tls_handshake *client, *hub;
	struct record_opener *opener;
	struct tls_session session;
	struct record_opened opened;
	enum tls_progress results[2];
	uint8_t plain[1000];
	const uint8_t *rest;
	size_t length;

	(void)state;
	introduce(client_book, hub_book, &client, &hub, results);
	assert_int_equal(results[1], TLS_REFUSED);
	expect_text(hub, LW_CONNECTION_ERROR_AUTHENTICATION_FAILED,
		    "the client showed " IDENTITY_P256_PIN ", which no client here is pinned to");
	/* For the client all is well, until it reads. */
	assert_int_equal(results[0], TLS_ADMITTED);
	assert_int_equal(tls_handshake_take(client, &session, NULL), 0);
	assert_int_equal(record_opener_new(&session.open, NULL, &opener), 0);
	tls_handshake_output(hub, &rest, &length);
	if (session.early_length) {
		rest = session.early;
		length = session.early_length;
	}
	assert_int_equal(record_open(opener, rest, length, plain, sizeof(plain) - 1, &opened),
			 RECORD_CLOSED);
	plain[opened.plain] = '\0';
	assert_int_equal(plain[0], 0x07);
	assert_int_equal(load_be24(plain + 1), opened.plain - 4);
	assert_non_null(strstr((char *)plain + 4, "\"code\":1"));
	assert_non_null(strstr((char *)plain + 4, IDENTITY_P256_PIN));
	assert_null(strstr((char *)plain + 4, IDENTITY_P384_PIN));
	record_opener_free(opener);
	tls_session_done(&session);
	tls_handshake_free(client);
	tls_handshake_free(hub);
	admission_book_free(client_book);
	admission_book_free(hub_book);
}

/* ---- One of ours and a reference with other wishes. */

static void no_certificate(mbedtls_ssl_config *config)
{
	free(config->MBEDTLS_PRIVATE(key_cert));
	config->MBEDTLS_PRIVATE(key_cert) = NULL;
}

static void no_certificate_tls12(mbedtls_ssl_config *config)
{
	tls_reference_only_tls12(config);
	no_certificate(config);
}

static void other_alpn(mbedtls_ssl_config *config)
{
	static const char *protocols[] = { "h2", "longwire/2", NULL };

	mbedtls_ssl_conf_alpn_protocols(config, protocols);
}

static void no_alpn(mbedtls_ssl_config *config)
{
	config->MBEDTLS_PRIVATE(alpn_list) = NULL;
}

static void no_alpn_tls12(mbedtls_ssl_config *config)
{
	tls_reference_only_tls12(config);
	no_alpn(config);
}

static void only_cbc(mbedtls_ssl_config *config)
{
	static const int suites[] = { MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
				      MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, 0 };

	tls_reference_only_tls12(config);
	mbedtls_ssl_conf_ciphersuites(config, suites);
}

static void only_static_rsa(mbedtls_ssl_config *config)
{
	static const int suites[] = { MBEDTLS_TLS_RSA_WITH_AES_128_GCM_SHA256, 0 };

	tls_reference_only_tls12(config);
	mbedtls_ssl_conf_ciphersuites(config, suites);
}

/* All that the library has, for peers whose key needs it. */
static void any_curve_tls12(mbedtls_ssl_config *config)
{
#if COMPAT_MBEDTLS_3
	static const uint16_t groups[] = { MBEDTLS_SSL_IANA_TLS_GROUP_SECP256R1,
					   MBEDTLS_SSL_IANA_TLS_GROUP_SECP192R1,
					   MBEDTLS_SSL_IANA_TLS_GROUP_SECP521R1,
					   MBEDTLS_SSL_IANA_TLS_GROUP_NONE };

	mbedtls_ssl_conf_groups(config, groups);
#else
	static const mbedtls_ecp_group_id curves[] = { MBEDTLS_ECP_DP_SECP256R1,
						       MBEDTLS_ECP_DP_SECP192R1,
						       MBEDTLS_ECP_DP_SECP521R1,
						       MBEDTLS_ECP_DP_NONE };

	mbedtls_ssl_conf_curves(config, curves);
#endif
	tls_reference_only_tls12(config);
}

static const struct row {
	const char *name;
	const char *identity; /* of the reference */
	tls_reference_adjust_fn *adjust;
	enum admission_side side; /* ours */
	enum tls_progress progress;
	int code;
	const char *words;
} rows[] = {
	{ "no certificate", IDENTITY_P384, no_certificate, ADMISSION_HUB, TLS_FAILED, 9,
	  "the client showed no certificate" },
	{ "no certificate, TLS 1.2", IDENTITY_P384, no_certificate_tls12, ADMISSION_HUB, TLS_FAILED,
	  9, "the client showed no certificate" },
	{ "RSA 1024", IDENTITY_RSA1024, NULL, ADMISSION_HUB, TLS_REFUSED, 9,
	  "the client has a weak key" },
	{ "RSA 1024, TLS 1.2", IDENTITY_RSA1024, tls_reference_only_tls12, ADMISSION_HUB,
	  TLS_REFUSED, 9, "the client has a weak key" },
	{ "RSA 1024 hub", IDENTITY_RSA1024, NULL, ADMISSION_CLIENT, TLS_FAILED, 17,
	  "the hub has a weak key" },
	{ "RSA 1024 hub, TLS 1.2", IDENTITY_RSA1024, tls_reference_only_tls12, ADMISSION_CLIENT,
	  TLS_FAILED, 17, "the hub has a weak key" },
	{ "P-192", IDENTITY_P192, any_curve_tls12, ADMISSION_HUB, TLS_FAILED, 9,
	  "the client has a weak key" },
	{ "P-521", IDENTITY_P521, any_curve_tls12, ADMISSION_HUB, TLS_FAILED, 9,
	  "the client has a weak key" },
	{ "SHA-1", IDENTITY_SHA1, NULL, ADMISSION_HUB, TLS_REFUSED, 9, "signed with SHA-1" },
	{ "SHA-1, TLS 1.2", IDENTITY_SHA1, tls_reference_only_tls12, ADMISSION_HUB, TLS_REFUSED, 9,
	  "signed with SHA-1" },
	{ "SHA-1 hub", IDENTITY_SHA1, NULL, ADMISSION_CLIENT, TLS_FAILED, 17, "signed with SHA-1" },
	{ "SHA-1 hub, TLS 1.2", IDENTITY_SHA1, tls_reference_only_tls12, ADMISSION_CLIENT,
	  TLS_FAILED, 17, "signed with SHA-1" },
	{ "other protocol", IDENTITY_P384, other_alpn, ADMISSION_HUB, TLS_FAILED, 15,
	  "the client speaks TLS but not longwire/1" },
	{ "other protocol of the hub", IDENTITY_P384, other_alpn, ADMISSION_CLIENT, TLS_FAILED, 15,
	  "the hub speaks TLS but not longwire/1" },
	{ "no protocol", IDENTITY_P384, no_alpn, ADMISSION_HUB, TLS_REFUSED, 15,
	  "the client speaks TLS but not longwire/1" },
	{ "no protocol, TLS 1.2", IDENTITY_P384, no_alpn_tls12, ADMISSION_HUB, TLS_REFUSED, 15,
	  "the client speaks TLS but not longwire/1" },
	{ "no protocol of the hub", IDENTITY_P384, no_alpn, ADMISSION_CLIENT, TLS_FAILED, 15,
	  "the hub speaks TLS but not longwire/1" },
	{ "no protocol of the hub, TLS 1.2", IDENTITY_P384, no_alpn_tls12, ADMISSION_CLIENT,
	  TLS_FAILED, 15, "the hub speaks TLS but not longwire/1" },
	{ "CBC only", IDENTITY_P384, only_cbc, ADMISSION_HUB, TLS_FAILED, 15,
	  "the client shares no cipher suite" },
	{ "CBC only at the hub", IDENTITY_P384, only_cbc, ADMISSION_CLIENT, TLS_FAILED, 15,
	  "the hub found nothing to agree on" },
	{ "RSA key exchange", IDENTITY_RSA2048, only_static_rsa, ADMISSION_HUB, TLS_FAILED, 15,
	  "the client shares no cipher suite" },
};

/*
 * A refused client gets our unit and a close_notify, who does not speak our protocol the latter
 * alone.
 */
static void expect_goodbye(struct tls_reference *client, bool is_ours)
{
	uint8_t heard[1000];
	size_t n = tls_reference_hear(client, heard, sizeof(heard));

	assert_int_equal(client->result, MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
	assert_int_equal(n > 0, is_ours);
	if (is_ours) {
		assert_int_equal(heard[0], 0x07);
		assert_int_equal(load_be24(heard + 1), n - 4);
	}
}

static void check_row(const struct row *row)
{
	enum admission_side other = row->side == ADMISSION_HUB ? ADMISSION_CLIENT : ADMISSION_HUB;
	struct credentials *theirs = tls_reference_identity(row->identity);
	struct tls_reference *reference = tls_reference_new(other, theirs, row->adjust);
	struct admission_entry entry = { .pin = *credentials_pin(theirs), .name = "peer" };
	struct tls_session session;
	struct tls_handshake *handshake;
	struct admission_book *book;
	enum tls_progress progress;

	/* Its key would be welcome. */
	assert_int_equal(admission_book_new(&entry, 1, &book), 0);
	assert_int_equal(tls_handshake_new(configs[row->side], book, 0, &handshake), 0);
	progress = tls_reference_connect(reference, handshake, 0);
	if (progress != row->progress)
		print_error("%s: %d\n", row->name, progress);
	assert_int_equal(progress, row->progress);
	expect_text(handshake, row->code, row->words);
	if (progress == TLS_REFUSED)
		expect_goodbye(reference, strstr(row->words, "longwire/1") == NULL);
	assert_int_equal(tls_handshake_take(handshake, &session, NULL), -EPROTO);
	assert_int_equal(tls_handshake_step(handshake, NULL, 0), row->progress);
	tls_handshake_free(handshake);
	tls_reference_free(reference);
	admission_book_free(book);
	credentials_free(theirs);
}

static void peer__not_good_enough__refused_with_a_sentence(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		check_row(&rows[i]);
}

/* With pins the certificate is a wrapper. */
static void peer__expired_certificate_of_a_pinned_key__admitted(void **state)
{
	struct admission_book *book = book_of(IDENTITY_P256_PIN);

	(void)state;
	for (int side = ADMISSION_HUB; side <= ADMISSION_CLIENT; side++) {
		struct credentials *theirs = tls_reference_identity(IDENTITY_EXPIRED);
		struct tls_reference *reference = tls_reference_new(3 - side, theirs, NULL);
		struct tls_handshake *handshake;

		assert_int_equal(tls_handshake_new(configs[side], book, 0, &handshake), 0);
		assert_int_equal(tls_reference_connect(reference, handshake, 0), TLS_ADMITTED);
		assert_string_equal(tls_handshake_admission(handshake)->name, "peer");
		tls_handshake_free(handshake);
		tls_reference_free(reference);
		credentials_free(theirs);
	}
	admission_book_free(book);
}

/* An RSA identity of allowed size works both ways. */
static void peer__rsa_2048__admitted(void **state)
{
	struct admission_book *book = book_of(IDENTITY_RSA2048_PIN);

	(void)state;
	for (int side = ADMISSION_HUB; side <= ADMISSION_CLIENT; side++) {
		struct credentials *theirs = tls_reference_identity(IDENTITY_RSA2048);
		struct tls_reference *reference = tls_reference_new(3 - side, theirs, NULL);
		struct tls_handshake *handshake;

		assert_int_equal(tls_handshake_new(configs[side], book, 0, &handshake), 0);
		assert_int_equal(tls_reference_connect(reference, handshake, 0), TLS_ADMITTED);
		tls_handshake_free(handshake);
		tls_reference_free(reference);
		credentials_free(theirs);
	}
	admission_book_free(book);
}

/* ---- Strangers. */

/* A whole ClientHello, as a TLS 1.1 client sends it. */
static const uint8_t hello_tls11[] = {
	22, 3,  1,    0,    49,   1,    0,    0,    45, 3,  2, /* version 3.2 */
	1,  2,  3,    4,    5,    6,    7,    8,    9,  10, 11, 12, 13, 14, 15, 16, 17,
	18, 19, 20,   21,   22,   23,   24,   25,   26, 27, 28, 29, 30, 31, 32, 0, /* no session */
	0,  6,  0xc0, 0x09, 0xc0, 0x0a, 0x00, 0xff, /* two suites, and secure renegotiation */
	1,  0,                                      /* no compression */
};

static void hear(enum admission_side side, const void *data, size_t length, int code,
		 const char *words)
{
	struct admission_book *book = book_of(IDENTITY_P256_PIN);
	struct tls_handshake *handshake;
	enum tls_progress progress;

	/* Whole, and byte by byte. */
	for (int way = 0; way < 2; way++) {
		assert_int_equal(tls_handshake_new(configs[side], book, 0, &handshake), 0);
		progress = tls_handshake_step(handshake, NULL, 0);
		for (size_t i = 0; i < length && progress == TLS_WANT_INPUT;)
			if (way == 0) {
				progress = tls_handshake_step(handshake, data, length);
				i = length;
			} else {
				progress = tls_handshake_step(handshake,
							      (const uint8_t *)data + i++, 1);
			}
		assert_int_equal(progress, TLS_FAILED);
		expect_text(handshake, code, words);
		assert_true(has_output(handshake));
		tls_handshake_free(handshake);
	}
	admission_book_free(book);
}

static void stranger__at_the_hub__named(void **state)
{
	static const char http[] = "GET / HTTP/1.1\r\nHost: hub\r\n\r\n";
	static const char ssh[] = "SSH-2.0-OpenSSH_9.2p1\r\n";
	static const uint8_t garbage[] = { 0xde, 0xad, 0xbe, 0xef, 0, 1, 2, 3 };
	static const uint8_t empty[] = { 22, 3, 1, 0, 0 };

	(void)state;
	hear(ADMISSION_HUB, http, sizeof(http) - 1, 15, "the client speaks plain HTTP, not TLS");
	hear(ADMISSION_HUB, ssh, sizeof(ssh) - 1, 15, "the client speaks SSH, not TLS");
	hear(ADMISSION_HUB, garbage, sizeof(garbage), 15, "the client does not speak TLS");
	hear(ADMISSION_HUB, hello_tls11, sizeof(hello_tls11), 15,
	     "the client speaks only a TLS older than 1.2");
	hear(ADMISSION_HUB, empty, sizeof(empty), 15, "the client");
}

static void stranger__instead_of_the_hub__named(void **state)
{
	static const char http[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";
	static const uint8_t garbage[] = { 0xde, 0xad, 0xbe, 0xef, 0, 1, 2, 3 };
	static const uint8_t server_tls11[] = {
		22, 3,  2,  0,  42, 2,  0,  0,  38, 3,  2, /* ServerHello, version 3.2 */
		1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,   17,   18,
		19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 0,  0xc0, 0x09, 0,
	};

	(void)state;
	hear(ADMISSION_CLIENT, http, sizeof(http) - 1, 15, "the hub speaks plain HTTP, not TLS");
	hear(ADMISSION_CLIENT, garbage, sizeof(garbage), 15, "the hub does not speak TLS");
	hear(ADMISSION_CLIENT, server_tls11, sizeof(server_tls11), 15,
	     "the hub speaks only a TLS older than 1.2");
}

/* A TLS 1.2 client that could be brought to renegotiate (RFC 5746) is none of ours. */
static void hub__client_without_secure_renegotiation__refused(void **state)
{
	static const uint8_t hello_tls12[] = {
		22, 3,  1,    0,    65,   1,    0,  0,  61, 3,  3, /* version 3.3 */
		1,  2,  3,    4,    5,    6,    7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17,
		18, 19, 20,   21,   22,   23,   24, 25, 26, 27, 28, 29, 30, 31, 32, 0, /* no session */
		0,  4,  0xc0, 0x2b, 0x00, 0xff, /* a suite of ours; the sign that it is secure */
		1,  0,                          /* no compression */
		0,  16,                         /* extensions: P-256; ECDSA with SHA-256 */
		0,  10, 0,    4,    0,    2,    0,  23, 0,  13, 0,  4,  0,  2,  4,  3,
	};
	enum { SUITE_AT = 11 + 32 + 1 + 2 + 2 };
	struct admission_book *book = book_of(IDENTITY_P256_PIN);
	struct tls_handshake *hub;
	uint8_t insecure[sizeof(hello_tls12)];

	(void)state;
	assert_int_equal(tls_handshake_new(configs[ADMISSION_HUB], book, 0, &hub), 0);
	assert_int_equal(tls_handshake_step(hub, hello_tls12, sizeof(hello_tls12)), TLS_WANT_INPUT);
	assert_true(has_output(hub));
	tls_handshake_free(hub);
	memcpy(insecure, hello_tls12, sizeof(insecure));
	store_be16(insecure + SUITE_AT, 0xc02c);
	hear(ADMISSION_HUB, insecure, sizeof(insecure), 15, "the client");
	admission_book_free(book);
}

/* What a hub says in clear when it ends a handshake. */
static void alert__from_the_hub__put_in_words(void **state)
{
	static const struct {
		uint8_t alert;
		int code;
		const char *words;
	} alerts[] = {
		{ 40, 15, "the hub found nothing to agree on" },
		{ 42, 9,
		  "the hub does not accept our key " IDENTITY_P256_PIN " (bad_certificate)" },
		{ 48, 9, "(unknown_ca)" },
		{ 49, 9, "(access_denied)" },
		{ 70, 15, "the hub does not take TLS 1.2 or 1.3" },
		{ 80, 15, "the hub has a trouble of its own" },
		{ 120, 15, "the hub speaks TLS but not longwire/1" },
		{ 10, 15, "the hub ended the handshake: unexpected_message (alert 10)" },
		{ 200, 15, "the hub ended the handshake: unknown alert (alert 200)" },
	};
	struct admission_book *book = book_of(IDENTITY_P256_PIN);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(alerts); i++) {
		uint8_t record[] = { 21, 3, 3, 0, 2, 2, alerts[i].alert };
		struct tls_handshake *handshake;
		const uint8_t *data;
		size_t length;

		assert_int_equal(tls_handshake_new(configs[ADMISSION_CLIENT], book, 0, &handshake),
				 0);
		assert_int_equal(tls_handshake_step(handshake, NULL, 0), TLS_WANT_INPUT);
		tls_handshake_output(handshake, &data, &length);
		tls_handshake_sent(handshake, length);
		assert_int_equal(tls_handshake_step(handshake, record, sizeof(record)), TLS_FAILED);
		expect_text(handshake, alerts[i].code, alerts[i].words);
		assert_false(has_output(handshake)); /* an alert is not answered by one */
		tls_handshake_free(handshake);
	}
	admission_book_free(book);
}

/* Carry the handshake to where the hub waits for the client's answer. */
static void hub_after_hello(struct tls_handshake *hub, struct tls_reference *client)
{
	uint8_t out[OUT_MAX];
	size_t n;

	tls_reference_step(client);
	n = tls_reference_collect(client, out, sizeof(out));
	assert_int_equal(tls_handshake_step(hub, out, n), TLS_WANT_INPUT);
}

static void hub__warnings_without_end__refused_at_the_bound(void **state)
{
	/* unrecognized_name: the library passes over it. */
	static const uint8_t warning[] = { 21, 3, 3, 0, 2, 1, 112 };
	struct admission_book *book = book_of(IDENTITY_P384_PIN);
	struct credentials *theirs = tls_reference_identity(IDENTITY_P384);
	struct tls_reference *client =
		tls_reference_new(ADMISSION_CLIENT, theirs, tls_reference_only_tls12);
	struct tls_handshake *hub;
	enum tls_progress progress = TLS_WANT_INPUT;
	size_t fed = 0;

	(void)state;
	assert_int_equal(tls_handshake_new(configs[ADMISSION_HUB], book, 0, &hub), 0);
	hub_after_hello(hub, client);
	while (progress == TLS_WANT_INPUT && fed < 2 * TLS_PREAUTH_INPUT_MAX) {
		progress = tls_handshake_step(hub, warning, sizeof(warning));
		fed += sizeof(warning);
	}
	assert_int_equal(progress, TLS_FAILED);
	assert_in_range(fed, TLS_PREAUTH_INPUT_MAX - 1000, TLS_PREAUTH_INPUT_MAX);
	expect_text(hub, 15, "the client sent more than 65536 bytes without finishing");
	assert_true(has_output(hub));
	tls_handshake_free(hub);
	tls_reference_free(client);
	admission_book_free(book);
	credentials_free(theirs);
}

/* One bit of the client's last flight, anywhere: never admitted, and every sentence has words. */
static void hub__altered_on_its_way__never_admitted(void **state)
{
	struct admission_book *book = book_of(IDENTITY_P384_PIN);
	struct credentials *theirs = tls_reference_identity(IDENTITY_P384);
	size_t length = 1;

	(void)state;
	for (size_t at = 0; at < length; at += 41) {
		struct tls_reference *client = tls_reference_new(ADMISSION_CLIENT, theirs, NULL);
		struct tls_handshake *hub;
		struct lw_error error;
		uint8_t out[OUT_MAX];
		const uint8_t *data;
		enum tls_progress progress;

		assert_int_equal(tls_handshake_new(configs[ADMISSION_HUB], book, 0, &hub), 0);
		hub_after_hello(hub, client);
		tls_handshake_output(hub, &data, &length);
		tls_reference_feed(client, data, length);
		tls_reference_step(client);
		length = tls_reference_collect(client, out, sizeof(out));
		assert_true(length > 100);
		out[MIN(at, length - 1)] ^= 0x10; /* signatures differ in length */
		progress = tls_handshake_step(hub, out, length);
		assert_true(progress == TLS_FAILED || progress == TLS_WANT_INPUT);
		if (progress == TLS_FAILED) {
			tls_handshake_error(hub, &error);
			assert_int_equal(error.domain, LW_DOMAIN_CONNECTION);
			assert_non_null(strstr(error.text, "client"));
		}
		tls_handshake_free(hub);
		tls_reference_free(client);
	}
	admission_book_free(book);
	credentials_free(theirs);
}

static void client_hello__first_bytes__plausible_or_not(void **state)
{
	static const struct {
		uint8_t bytes[6];
		size_t length;
		int result;
	} hellos[] = {
		{ { 0 }, 0, 0 },
		{ { 22 }, 1, 0 },
		{ { 23 }, 1, -1 },
		{ { 'G', 'E', 'T' }, 3, -1 },
		{ { 0x80, 0x2e }, 2, -1 }, /* SSL 2 */
		{ { 22, 3 }, 2, 0 },
		{ { 22, 2 }, 2, -1 },
		{ { 22, 4 }, 2, -1 },
		{ { 22, 3, 0 }, 3, -1 }, /* SSL 3 */
		{ { 22, 3, 1 }, 3, 0 },
		{ { 22, 3, 3 }, 3, 0 },
		{ { 22, 3, 4 }, 3, -1 },
		{ { 22, 3, 1, 0 }, 4, 0 },
		{ { 22, 3, 1, 0, 37 }, 5, -1 },
		{ { 22, 3, 1, 0, 38 }, 5, 0 },
		{ { 22, 3, 1, 64, 0 }, 5, 0 },
		{ { 22, 3, 1, 64, 1 }, 5, -1 },
		{ { 22, 3, 1, 2, 0, 1 }, 6, 1 },
		{ { 22, 3, 1, 2, 0, 2 }, 6, -1 },
		{ { 22, 3, 1, 2, 0, 0 }, 6, -1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hellos); i++)
		assert_int_equal(tls_looks_like_client_hello(hellos[i].bytes, hellos[i].length),
				 hellos[i].result);
	/* Ours is one. */
	assert_int_equal(tls_looks_like_client_hello(hello_tls11, sizeof(hello_tls11)), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			client__hub_with_another_key__tells_both_pins_and_sends_nothing_of_its_own),
		cmocka_unit_test(hub__unknown_client__told_by_a_goodbye),
		cmocka_unit_test(peer__not_good_enough__refused_with_a_sentence),
		cmocka_unit_test(peer__expired_certificate_of_a_pinned_key__admitted),
		cmocka_unit_test(peer__rsa_2048__admitted),
		cmocka_unit_test(stranger__at_the_hub__named),
		cmocka_unit_test(stranger__instead_of_the_hub__named),
		cmocka_unit_test(hub__client_without_secure_renegotiation__refused),
		cmocka_unit_test(alert__from_the_hub__put_in_words),
		cmocka_unit_test(hub__warnings_without_end__refused_at_the_bound),
		cmocka_unit_test(hub__altered_on_its_way__never_admitted),
		cmocka_unit_test(client_hello__first_bytes__plausible_or_not),
	};

	return cmocka_run_group_tests_name("tls/refusal", tests, setup, teardown);
}
