/* SPDX-License-Identifier: MIT */
/*
 * The take-over contract, line by line, and the record engine against mbedTLS itself: whatever one
 * seals the other opens, both ways, in every version and with every AEAD, whatever way the bytes
 * are cut.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <longwire/error.h>

#include "base/memory.h"
#include "support/tls_identities.h"
#include "support/tls_reference.h"
#include "tls/tls_config.h"

/* One of ours, at either side, and a reference opposite. */
struct pairing {
	struct credentials *ours, *theirs;
	struct tls_config *config;
	struct admission_book *book;
	struct tls_handshake *handshake;
	struct tls_reference *reference;
	struct tls_session session;
	struct record_sealer *sealer;
	struct record_opener *opener;
};

static void pair_up(struct pairing *p, enum admission_side side, tls_reference_adjust_fn *adjust)
{
	enum admission_side other = side == ADMISSION_HUB ? ADMISSION_CLIENT : ADMISSION_HUB;
	struct admission_entry entry = { .name = "other" };

	memset(p, 0, sizeof(*p));
	p->ours = tls_reference_identity(IDENTITY_P256);
	p->theirs = tls_reference_identity(IDENTITY_P384);
	entry.pin = *credentials_pin(p->theirs);
	assert_int_equal(admission_book_new(&entry, 1, &p->book), 0);
	assert_int_equal(tls_config_new(side, p->ours, &p->config, NULL), 0);
	assert_int_equal(tls_handshake_new(p->config, p->book, 0, &p->handshake), 0);
	p->reference = tls_reference_new(other, p->theirs, adjust);
}

static void part(struct pairing *p)
{
	record_sealer_free(p->sealer);
	record_opener_free(p->opener);
	tls_session_done(&p->session);
	tls_handshake_free(p->handshake);
	tls_reference_free(p->reference);
	tls_config_free(p->config);
	admission_book_free(p->book);
	credentials_free(p->ours);
	credentials_free(p->theirs);
}

static void take(struct pairing *p)
{
	struct lw_error error = { 0 };
	int r = tls_handshake_take(p->handshake, &p->session, &error);

	if (r)
		print_error("%s\n", error.text);
	assert_int_equal(r, 0);
	assert_int_equal(record_sealer_new(&p->session.seal, NULL, &p->sealer), 0);
	assert_int_equal(record_opener_new(&p->session.open, NULL, &p->opener), 0);
}

static void tls12(mbedtls_ssl_config *config)
{
	tls_reference_only_tls12(config);
}

#define ONLY(name, version, suite)                             \
	static void name(mbedtls_ssl_config *config)           \
	{                                                      \
		static const int suites[] = { suite, 0 };      \
                                                               \
		version(config);                               \
		mbedtls_ssl_conf_ciphersuites(config, suites); \
	}

ONLY(tls12_aes128, tls12, MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)
ONLY(tls12_aes256, tls12, MBEDTLS_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)
ONLY(tls12_chacha, tls12, MBEDTLS_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256)
#if TLS_REFERENCE_HAS_TLS13
static void tls13(mbedtls_ssl_config *config)
{
	mbedtls_ssl_conf_min_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_3);
}

ONLY(tls13_aes128, tls13, MBEDTLS_TLS1_3_AES_128_GCM_SHA256)
ONLY(tls13_aes256, tls13, MBEDTLS_TLS1_3_AES_256_GCM_SHA384)
ONLY(tls13_chacha, tls13, MBEDTLS_TLS1_3_CHACHA20_POLY1305_SHA256)
#endif

static const struct flavour {
	const char *description;
	tls_reference_adjust_fn *adjust;
	uint16_t version;
} flavours[] = {
	{ "TLSv1.2, AES-128-GCM", tls12_aes128, 0x0303 },
	{ "TLSv1.2, AES-256-GCM", tls12_aes256, 0x0303 },
	{ "TLSv1.2, ChaCha20-Poly1305", tls12_chacha, 0x0303 },
#if TLS_REFERENCE_HAS_TLS13
	{ "TLSv1.3, AES-128-GCM", tls13_aes128, 0x0304 },
	{ "TLSv1.3, AES-256-GCM", tls13_aes256, 0x0304 },
	{ "TLSv1.3, ChaCha20-Poly1305", tls13_chacha, 0x0304 },
#endif
};

enum { WORDS_MAX = 50000, WIRE_MAX = 60000 };

static uint8_t wire[WIRE_MAX], words[WORDS_MAX], heard[WORDS_MAX];

static void fill(uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		data[i] = (uint8_t)(i * 7 + i / 251);
}

/* Ours to mbedTLS. */
static void say_ours(struct pairing *p, size_t length)
{
	size_t taken;
	ssize_t n = record_seal(p->sealer, words, length, wire, WIRE_MAX, &taken);

	assert_int_equal(taken, length);
	tls_reference_feed(p->reference, wire, (size_t)n);
	memset(heard, 0, length);
	assert_int_equal(tls_reference_hear(p->reference, heard, length), length);
	assert_memory_equal(heard, words, length);
}

/* mbedTLS to ours. */
static void say_theirs(struct pairing *p, size_t length)
{
	struct record_opened opened;
	size_t n;

	tls_reference_say(p->reference, words, length);
	n = tls_reference_collect(p->reference, wire, WIRE_MAX);
	memset(heard, 0, length);
	assert_int_equal(record_open(p->opener, wire, n, heard, WORDS_MAX, &opened), RECORD_MORE);
	assert_int_equal(opened.taken, n);
	assert_int_equal(opened.plain, length);
	assert_memory_equal(heard, words, length);
}

static void converse(struct pairing *p)
{
	static const size_t sizes[] = { 1, 1400, 16384, 16385, 40000, 5 };

	fill(words, sizeof(words));
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		say_ours(p, sizes[i]);
		say_theirs(p, sizes[i]);
	}
}

static void connect(struct pairing *p, size_t piece)
{
	enum tls_progress progress = tls_reference_connect(p->reference, p->handshake, piece);
	struct lw_error error;

	tls_handshake_error(p->handshake, &error);
	if (progress != TLS_ADMITTED)
		print_error("%s (reference -0x%x)\n", error.text, (unsigned)-p->reference->result);
	assert_int_equal(progress, TLS_ADMITTED);
	assert_int_equal(p->reference->result, 0);
}

static void each_flavour_and_side(void (*check)(struct pairing *p, const struct flavour *flavour))
{
	struct pairing p;

	for (size_t i = 0; i < ARRAY_SIZE(flavours); i++) {
		for (int side = ADMISSION_HUB; side <= ADMISSION_CLIENT; side++) {
			pair_up(&p, side, flavours[i].adjust);
			check(&p, &flavours[i]);
			part(&p);
		}
	}
}

static void check_interoperation(struct pairing *p, const struct flavour *flavour)
{
	connect(p, 0);
	take(p);
	assert_string_equal(p->session.description, flavour->description);
	assert_int_equal(p->session.admission.verdict, ADMISSION_ADMITTED);
	assert_string_equal(p->session.admission.name, "other");
	assert_true(pin_equal(&p->session.peer_pin, credentials_pin(p->theirs)));
	converse(p);
}

static void take__each_version_aead_and_side__interoperates(void **state)
{
	(void)state;
	each_flavour_and_side(check_interoperation);
}

static void check_sequence(struct pairing *p, const struct flavour *flavour)
{
	uint64_t first = flavour->version == 0x0303 ? 1 : 0;

	connect(p, 0);
	take(p);
	assert_int_equal(p->session.seal.version, flavour->version);
	assert_int_equal(p->session.open.version, flavour->version);
	assert_int_equal(p->session.seal.sequence, first);
	assert_int_equal(p->session.open.sequence, first);
	/* Finished is the one record before it: 16 bytes and a tag. */
	assert_int_equal(p->session.seal.blocks, 2 * first);
	assert_int_equal(p->session.open.blocks, 2 * first);
	/* mbedTLS 3.6 keeps a byte of its largest TLS 1.3 record for the type; nothing is lost by
	 * doing the same. */
	assert_in_range(p->session.seal.max_plain, RECORD_PLAIN_MAX - 1, RECORD_PLAIN_MAX);
	assert_int_equal(p->session.open.max_plain, RECORD_PLAIN_MAX);
	assert_memory_not_equal(p->session.seal.key, p->session.open.key, 16);
}

static void take__sequence__begins_at_1_in_tls12_and_0_in_tls13(void **state)
{
	(void)state;
	each_flavour_and_side(check_sequence);
}

static void check_byte_by_byte(struct pairing *p, const struct flavour *flavour)
{
	(void)flavour;
	connect(p, 1);
	take(p);
	assert_int_equal(p->session.early_length, 0);
	converse(p);
}

static void handshake__byte_by_byte__is_the_same(void **state)
{
	(void)state;
	each_flavour_and_side(check_byte_by_byte);
}

/* Nothing is lost that came with the last flight, and nothing stays in the library. */
static void check_early(struct pairing *p, const struct flavour *flavour)
{
	bool is_hub = p->config->side == ADMISSION_HUB;
	struct record_opened opened;

	/* A TLS 1.2 client and a TLS 1.3 server finish last: what they say first comes when ours
	 * has ended. */
	if (is_hub == (flavour->version == 0x0303))
		return;
	p->reference->early = "before you asked";
	connect(p, 0);
	take(p);
	assert_true(p->session.early_length > 0);
	assert_int_equal(record_open(p->opener, p->session.early, p->session.early_length, heard,
				     WORDS_MAX, &opened),
			 RECORD_MORE);
	assert_int_equal(opened.taken, p->session.early_length);
	assert_int_equal(opened.plain, 16);
	assert_memory_equal(heard, "before you asked", 16);
	converse(p);
}

static void take__bytes_behind_the_handshake__are_handed_over(void **state)
{
	(void)state;
	each_flavour_and_side(check_early);
}

static void check_goodbyes(struct pairing *p, const struct flavour *flavour)
{
	struct record_opened opened;
	size_t length;
	ssize_t n;

	(void)flavour;
	connect(p, 0);
	take(p);
	mbedtls_ssl_close_notify(&p->reference->ssl);
	length = tls_reference_collect(p->reference, wire, WIRE_MAX);
	assert_int_equal(record_open(p->opener, wire, length, heard, WORDS_MAX, &opened),
			 RECORD_CLOSED);
	n = record_seal_alert(p->sealer, RECORD_ALERT_CLOSE_NOTIFY, wire, WIRE_MAX);
	tls_reference_feed(p->reference, wire, (size_t)n);
	assert_int_equal(tls_reference_hear(p->reference, heard, 1), 0);
	assert_int_equal(p->reference->result, MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
}

static void close_notify__both_ways__understood(void **state)
{
	(void)state;
	each_flavour_and_side(check_goodbyes);
}

static void check_alert(struct pairing *p, const struct flavour *flavour)
{
	struct record_opened opened;
	size_t length;
	ssize_t n;

	(void)flavour;
	connect(p, 0);
	take(p);
	mbedtls_ssl_send_alert_message(&p->reference->ssl, MBEDTLS_SSL_ALERT_LEVEL_FATAL,
				       MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR);
	length = tls_reference_collect(p->reference, wire, WIRE_MAX);
	assert_int_equal(record_open(p->opener, wire, length, heard, WORDS_MAX, &opened),
			 RECORD_ALERTED);
	assert_int_equal(opened.alert, MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR);
	n = record_seal_alert(p->sealer, RECORD_ALERT_BAD_RECORD_MAC, wire, WIRE_MAX);
	tls_reference_feed(p->reference, wire, (size_t)n);
	assert_int_equal(tls_reference_hear(p->reference, heard, 1), 0);
	assert_int_equal(p->reference->result, MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE);
}

static void alert__both_ways__understood(void **state)
{
	(void)state;
	each_flavour_and_side(check_alert);
}

static void short_records(mbedtls_ssl_config *config)
{
	tls12(config);
	mbedtls_ssl_conf_max_frag_len(config, MBEDTLS_SSL_MAX_FRAG_LEN_1024);
}

static void take__smaller_record_size_negotiated__is_kept(void **state)
{
	struct pairing p;

	(void)state;
	pair_up(&p, ADMISSION_HUB, short_records);
	connect(&p, 0);
	take(&p);
	assert_int_equal(p.session.seal.max_plain, 1024);
	assert_int_equal(p.session.open.max_plain, 1024);
	converse(&p);
	part(&p);
}

/* Exchange one byte from the reference and all of ours. Return: whether there was anything. */
static bool exchange(struct pairing *p, enum tls_progress *progress)
{
	const uint8_t *data;
	size_t length;
	uint8_t byte;

	tls_handshake_output(p->handshake, &data, &length);
	tls_reference_feed(p->reference, data, length);
	tls_handshake_sent(p->handshake, length);
	tls_reference_step(p->reference);
	if (!tls_reference_collect(p->reference, &byte, 1))
		return false;
	*progress = tls_handshake_step(p->handshake, &byte, 1);
	return true;
}

/* The keys are exported long before the end: they are not to be had until it. */
static void take__before_the_end__refused(void **state)
{
	struct tls_session session;
	struct lw_error error;
	struct pairing p;

	(void)state;
	for (int side = ADMISSION_HUB; side <= ADMISSION_CLIENT; side++) {
		enum tls_progress progress = TLS_WANT_INPUT;

		pair_up(&p, side, NULL);
		tls_handshake_step(p.handshake, NULL, 0);
		do {
			assert_int_equal(progress, TLS_WANT_INPUT);
			assert_int_equal(tls_handshake_take(p.handshake, &session, &error),
					 -EPROTO);
			assert_non_null(strstr(error.text, "not admitted"));
		} while (exchange(&p, &progress) && progress == TLS_WANT_INPUT);
		assert_int_equal(progress, TLS_ADMITTED);
		take(&p);
		part(&p);
	}
}

/* In 2.28 the library's callback belongs to the configuration: secrets of one must not reach the
 * other. */
static void handshakes__of_one_configuration_interleaved__each_has_its_own_keys(void **state)
{
	enum tls_progress progress[2] = { TLS_WANT_INPUT, TLS_WANT_INPUT };
	struct pairing p[2];
	struct tls_config *own;

	(void)state;
	for (int side = ADMISSION_HUB; side <= ADMISSION_CLIENT; side++) {
		progress[0] = progress[1] = TLS_WANT_INPUT;
		pair_up(&p[0], side, NULL);
		pair_up(&p[1], side, NULL);
		tls_handshake_free(p[1].handshake);
		own = p[1].config;
		p[1].config = p[0].config;
		assert_int_equal(tls_handshake_new(p[1].config, p[1].book, 0, &p[1].handshake), 0);
		tls_handshake_step(p[0].handshake, NULL, 0);
		tls_handshake_step(p[1].handshake, NULL, 0);
		while (progress[0] == TLS_WANT_INPUT || progress[1] == TLS_WANT_INPUT)
			for (int i = 0; i < 2; i++)
				if (progress[i] == TLS_WANT_INPUT)
					assert_true(exchange(&p[i], &progress[i]));
		for (int i = 0; i < 2; i++) {
			bool more;

			do {
				const uint8_t *data;
				size_t length;

				tls_handshake_output(p[i].handshake, &data, &length);
				more = length > 0;
				tls_reference_feed(p[i].reference, data, length);
				tls_handshake_sent(p[i].handshake, length);
				tls_reference_step(p[i].reference);
			} while (more);
			take(&p[i]);
			converse(&p[i]);
		}
		assert_memory_not_equal(p[0].session.seal.key, p[1].session.seal.key, 16);
		p[1].config = own;
		part(&p[1]);
		part(&p[0]);
	}
}

static void take__twice__refused(void **state)
{
	struct tls_session session;
	struct lw_error error;
	struct pairing p;

	(void)state;
	pair_up(&p, ADMISSION_HUB, NULL);
	connect(&p, 0);
	take(&p);
	assert_int_equal(tls_handshake_take(p.handshake, &session, &error), -EPROTO);
	part(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(take__each_version_aead_and_side__interoperates),
		cmocka_unit_test(take__sequence__begins_at_1_in_tls12_and_0_in_tls13),
		cmocka_unit_test(handshake__byte_by_byte__is_the_same),
		cmocka_unit_test(take__bytes_behind_the_handshake__are_handed_over),
		cmocka_unit_test(close_notify__both_ways__understood),
		cmocka_unit_test(alert__both_ways__understood),
		cmocka_unit_test(take__smaller_record_size_negotiated__is_kept),
		cmocka_unit_test(take__before_the_end__refused),
		cmocka_unit_test(
			handshakes__of_one_configuration_interleaved__each_has_its_own_keys),
		cmocka_unit_test(take__twice__refused),
	};

	return cmocka_run_group_tests_name("tls/takeover", tests, NULL, NULL);
}
