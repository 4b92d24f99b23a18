/* SPDX-License-Identifier: MIT */
/*
 * Lines of the take-over contract that a well-behaved library never breaks. To break them, the
 * object is opened: the source is part of this test.
 */
#include "tls/handshake.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <mbedtls/ssl_ticket.h>

#include "support/tls_identities.h"
#include "support/tls_reference.h"

struct scene {
	struct credentials *ours, *theirs;
	struct tls_config *config;
	struct admission_book *book;
	struct tls_handshake *handshake;
	struct tls_reference *reference;
	struct lw_error error;
};

static void make(struct scene *s, enum admission_side side, tls_reference_adjust_fn *adjust)
{
	struct admission_entry entry = { .name = "other" };

	memset(s, 0, sizeof(*s));
	s->ours = tls_reference_identity(IDENTITY_P256);
	s->theirs = tls_reference_identity(IDENTITY_P384);
	entry.pin = *credentials_pin(s->theirs);
	assert_int_equal(admission_book_new(&entry, 1, &s->book), 0);
	assert_int_equal(tls_config_new(side, s->ours, &s->config, NULL), 0);
	s->reference = tls_reference_new(side == ADMISSION_HUB ? ADMISSION_CLIENT : ADMISSION_HUB,
					 s->theirs, adjust);
}

static void begin(struct scene *s)
{
	assert_int_equal(tls_handshake_new(s->config, s->book, 0, &s->handshake), 0);
}

static void unmake(struct scene *s)
{
	tls_handshake_free(s->handshake);
	tls_reference_free(s->reference);
	tls_config_free(s->config);
	admission_book_free(s->book);
	credentials_free(s->ours);
	credentials_free(s->theirs);
}

static void expect_breach(struct scene *s, const char *line)
{
	struct tls_session session;

	assert_int_equal(tls_handshake_take(s->handshake, &session, &s->error), -EPROTO);
	assert_int_equal(s->error.domain, LW_DOMAIN_CONNECTION);
	if (!strstr(s->error.text, line))
		print_error("%s\n", s->error.text);
	assert_non_null(strstr(s->error.text, line));
}

static void take__library_wrote_a_record__refused(void **state)
{
	struct scene s;

	(void)state;
	for (int side = ADMISSION_HUB; side <= ADMISSION_CLIENT; side++) {
		make(&s, side, NULL);
		begin(&s);
		assert_int_equal(tls_reference_connect(s.reference, s.handshake, 0), TLS_ADMITTED);
		assert_int_equal(mbedtls_ssl_write(&s.handshake->ssl, (const uint8_t *)"x", 1), 1);
		expect_breach(&s, "sent a record of its own");
		unmake(&s);
	}
}

static void take__library_holds_input__refused(void **state)
{
	struct scene s;
	uint8_t byte;

	(void)state;
	make(&s, ADMISSION_CLIENT, tls_reference_only_tls12);
	s.reference->early = "two";
	begin(&s);
	assert_int_equal(tls_reference_connect(s.reference, s.handshake, 0), TLS_ADMITTED);
	assert_int_equal(mbedtls_ssl_read(&s.handshake->ssl, &byte, 1), 1);
	expect_breach(&s, "still holds bytes of the peer");
	unmake(&s);
}

static void take__secrets_not_exported__refused(void **state)
{
	struct scene s;

	(void)state;
	make(&s, ADMISSION_HUB, NULL);
	begin(&s);
	assert_int_equal(tls_reference_connect(s.reference, s.handshake, 0), TLS_ADMITTED);
	export_erase(&s.handshake->export);
	expect_breach(&s, "not what the record engine does");
	unmake(&s);
}

static void take__not_admitted__refused(void **state)
{
	struct scene s;

	(void)state;
	make(&s, ADMISSION_HUB, NULL);
	begin(&s);
	s.handshake->book = NULL;
	assert_int_equal(tls_reference_connect(s.reference, s.handshake, 0), TLS_REFUSED);
	expect_breach(&s, "not admitted");
	unmake(&s);
}

#if TLS_REFERENCE_HAS_TLS13
static void with_tickets(mbedtls_ssl_config *config)
{
	mbedtls_ssl_conf_session_tickets(config, MBEDTLS_SSL_SESSION_TICKETS_ENABLED);
	mbedtls_ssl_conf_tls13_key_exchange_modes(config, MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_ALL);
}

/* Tickets are off by policy; were they on, a ticket would spend the first nonce of the new keys. */
static void take__tickets_switched_on__refused(void **state)
{
	mbedtls_ssl_ticket_context tickets;
	struct scene s;

	(void)state;
	make(&s, ADMISSION_HUB, with_tickets);
	mbedtls_ssl_ticket_init(&tickets);
	assert_int_equal(mbedtls_ssl_ticket_setup(&tickets, mbedtls_ctr_drbg_random,
						  &s.config->policy.random.drbg,
						  MBEDTLS_CIPHER_AES_128_GCM, 3600),
			 0);
	mbedtls_ssl_conf_session_tickets_cb(&s.config->ssl, mbedtls_ssl_ticket_write,
					    mbedtls_ssl_ticket_parse, &tickets);
	mbedtls_ssl_conf_new_session_tickets(&s.config->ssl, 1);
	mbedtls_ssl_conf_tls13_key_exchange_modes(&s.config->ssl,
						  MBEDTLS_SSL_TLS1_3_KEY_EXCHANGE_MODE_ALL);
	begin(&s);
	assert_int_equal(tls_reference_connect(s.reference, s.handshake, 0), TLS_ADMITTED);
	expect_breach(&s, "sent a record of its own");
	unmake(&s);
	mbedtls_ssl_ticket_free(&tickets);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(take__library_wrote_a_record__refused),
		cmocka_unit_test(take__library_holds_input__refused),
		cmocka_unit_test(take__secrets_not_exported__refused),
		cmocka_unit_test(take__not_admitted__refused),
#if TLS_REFERENCE_HAS_TLS13
		cmocka_unit_test(take__tickets_switched_on__refused),
#endif
	};

	return cmocka_run_group_tests_name("tls/breach", tests, NULL, NULL);
}
