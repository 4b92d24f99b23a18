/* SPDX-License-Identifier: MIT */
/*
 * What our ClientHello offers, byte by byte, and how the list of suites follows the AEAD backend.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "support/tls_identities.h"
#include "support/tls_reference.h"

enum {
	SERVER_NAME = 0,
	SUPPORTED_GROUPS = 10,
	SIGNATURE_ALGORITHMS = 13,
	ALPN = 16,
	SESSION_TICKET = 35,
	PRE_SHARED_KEY = 41,
	EARLY_DATA = 42,
	SUPPORTED_VERSIONS = 43,
	PSK_KEY_EXCHANGE_MODES = 45,
	EXTENSIONS_MAX = 64,
};

struct hello {
	uint8_t bytes[2048];
	uint16_t version;
	struct reader suites, compressions, extensions[EXTENSIONS_MAX];
	bool has[EXTENSIONS_MAX];
};

static struct reader sub(struct reader *r, size_t length)
{
	const uint8_t *data = reader_take(r, length);

	assert_non_null(data);
	return reader_over(data, length);
}

/* The first flight of our client. */
static void read_hello(struct hello *hello)
{
	struct credentials *own = tls_reference_identity(IDENTITY_P256);
	struct tls_handshake *client;
	struct tls_config *config;
	const uint8_t *data;
	struct reader r, rest;
	size_t length;

	memset(hello, 0, sizeof(*hello));
	assert_int_equal(tls_config_new(ADMISSION_CLIENT, own, &config, NULL), 0);
	assert_int_equal(tls_handshake_new(config, NULL, 0, &client), 0);
	assert_int_equal(tls_handshake_step(client, NULL, 0), TLS_WANT_INPUT);
	tls_handshake_output(client, &data, &length);
	assert_in_range(length, 50, sizeof(hello->bytes));
	memcpy(hello->bytes, data, length);
	assert_int_equal(tls_looks_like_client_hello(data, length), 1);
	tls_handshake_free(client);
	tls_config_free(config);
	credentials_free(own);

	r = reader_over(hello->bytes + 9, length - 9);
	hello->version = reader_be16(&r);
	reader_take(&r, 32);
	reader_take(&r, reader_u8(&r));
	hello->suites = sub(&r, reader_be16(&r));
	hello->compressions = sub(&r, reader_u8(&r));
	rest = sub(&r, reader_be16(&r));
	assert_false(r.failed);
	assert_int_equal(reader_left(&r), 0);
	while (reader_left(&rest)) {
		uint16_t type = reader_be16(&rest);
		struct reader body = sub(&rest, reader_be16(&rest));

		if (type < EXTENSIONS_MAX) {
			hello->has[type] = true;
			hello->extensions[type] = body;
		}
	}
}

static bool is_among(uint16_t value, const uint16_t *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i] == value)
			return true;
	return false;
}

static void hello__suites__only_ecdhe_with_an_aead(void **state)
{
	static const uint16_t allowed[] = {
		0x1301, 0x1302, 0x1303, /* TLS 1.3 */
		0xc02b, 0xc02c, 0xcca9, /* ECDHE-ECDSA */
		0xc02f, 0xc030, 0xcca8, /* ECDHE-RSA */
		0x00ff,                 /* renegotiation_info as a suite */
	};
	struct hello hello;
	size_t n = 0;

	(void)state;
	read_hello(&hello);
	while (reader_left(&hello.suites)) {
		assert_true(is_among(reader_be16(&hello.suites), allowed, ARRAY_SIZE(allowed)));
		n++;
	}
	assert_int_equal(n, TLS_REFERENCE_HAS_TLS13 ? 10 : 7);
	/* No compression. */
	assert_int_equal(reader_left(&hello.compressions), 1);
	assert_int_equal(reader_u8(&hello.compressions), 0);
}

static void hello__versions__1_2_and_1_3(void **state)
{
	struct hello hello;

	(void)state;
	read_hello(&hello);
	assert_int_equal(hello.version, 0x0303);
	assert_int_equal(hello.has[SUPPORTED_VERSIONS], TLS_REFERENCE_HAS_TLS13);
	if (TLS_REFERENCE_HAS_TLS13) {
		struct reader *r = &hello.extensions[SUPPORTED_VERSIONS];

		assert_int_equal(reader_u8(r), 4);
		assert_int_equal(reader_be16(r), 0x0304);
		assert_int_equal(reader_be16(r), 0x0303);
	}
}

static void hello__groups_and_signatures__strong_ones(void **state)
{
	static const uint16_t groups[] = { 29, 23, 24 };
	struct hello hello;
	struct reader *r;
	size_t length;

	(void)state;
	read_hello(&hello);
	r = &hello.extensions[SUPPORTED_GROUPS];
	assert_int_equal(reader_be16(r), 6);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(reader_be16(r), groups[i]);
	r = &hello.extensions[SIGNATURE_ALGORITHMS];
	length = reader_be16(r);
	assert_int_equal(length, reader_left(r));
	assert_true(length >= 8);
	while (reader_left(r)) {
		uint16_t scheme = reader_be16(r);
		/* SHA-256 … SHA-512 with RSA or ECDSA, or RSA-PSS. */
		bool is_old_style = scheme >> 8 >= 4 && scheme >> 8 <= 6 &&
				    ((scheme & 0xff) == 1 || (scheme & 0xff) == 3);

		assert_true(is_old_style || (scheme >= 0x0804 && scheme <= 0x0806));
	}
}

static void hello__name_and_protocol__ours(void **state)
{
	static const uint8_t alpn[] = "\0\13\12longwire/1";
	static const uint8_t name[] = "\0\13\0\0\10longwire";
	struct hello hello;
	struct reader *r;

	(void)state;
	read_hello(&hello);
	r = &hello.extensions[ALPN];
	assert_int_equal(reader_left(r), sizeof(alpn) - 1);
	assert_memory_equal(reader_take(r, sizeof(alpn) - 1), alpn, sizeof(alpn) - 1);
	r = &hello.extensions[SERVER_NAME];
	assert_int_equal(reader_left(r), sizeof(name) - 1);
	assert_memory_equal(reader_take(r, sizeof(name) - 1), name, sizeof(name) - 1);
}

static void hello__resumption__not_asked_for(void **state)
{
	struct hello hello;

	(void)state;
	read_hello(&hello);
	assert_false(hello.has[SESSION_TICKET]);
	assert_false(hello.has[PRE_SHARED_KEY]);
	assert_false(hello.has[PSK_KEY_EXCHANGE_MODES]);
	assert_false(hello.has[EARLY_DATA]);
}

static void suites__of_a_backend__in_its_order(void **state)
{
	static const enum aead_algorithm orders[][3] = {
		{ AEAD_AES_128_GCM, AEAD_AES_256_GCM, AEAD_CHACHA20_POLY1305 },
		{ AEAD_CHACHA20_POLY1305, AEAD_AES_128_GCM, AEAD_AES_256_GCM },
		{ AEAD_AES_256_GCM, AEAD_CHACHA20_POLY1305, AEAD_AES_128_GCM },
	};
	enum { EACH = TLS_REFERENCE_HAS_TLS13 ? 3 : 2 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		/* A backend may leave one out. */
		for (size_t n = 1; n <= 3; n++) {
			struct aead_backend backend = { .preference = orders[i],
							.n_preference = n };
			int suites[POLICY_SUITES_MAX];

			policy_list_suites(&backend, suites);
			for (size_t j = 0; j < n * EACH; j++) {
				const char *name = mbedtls_ssl_get_ciphersuite_name(suites[j]);
				enum aead_algorithm algorithm = 0;

				assert_true(policy_find_suite(name, &algorithm));
				assert_int_equal(algorithm, orders[i][j / EACH]);
			}
			assert_int_equal(suites[n * EACH], 0);
		}
	}
}

static void find_suite__not_of_the_policy__refused(void **state)
{
	enum aead_algorithm algorithm;

	(void)state;
	assert_false(policy_find_suite(NULL, &algorithm));
	assert_false(policy_find_suite("", &algorithm));
	assert_false(policy_find_suite("TLS-RSA-WITH-AES-128-GCM-SHA256", &algorithm));
	assert_false(policy_find_suite("TLS-ECDHE-ECDSA-WITH-AES-128-CBC-SHA256", &algorithm));
	assert_false(policy_find_suite("TLS-ECDHE-ECDSA-WITH-AES-128-CCM", &algorithm));
	assert_true(policy_find_suite("TLS-ECDHE-RSA-WITH-AES-256-GCM-SHA384", &algorithm));
	assert_int_equal(algorithm, AEAD_AES_256_GCM);
}

static void version__of_the_library__named(void **state)
{
	(void)state;
	assert_memory_equal(tls_library_version(), COMPAT_MBEDTLS_3 ? "mbedTLS 3." : "mbedTLS 2.28",
			    10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello__suites__only_ecdhe_with_an_aead),
		cmocka_unit_test(hello__versions__1_2_and_1_3),
		cmocka_unit_test(hello__groups_and_signatures__strong_ones),
		cmocka_unit_test(hello__name_and_protocol__ours),
		cmocka_unit_test(hello__resumption__not_asked_for),
		cmocka_unit_test(suites__of_a_backend__in_its_order),
		cmocka_unit_test(find_suite__not_of_the_policy__refused),
		cmocka_unit_test(version__of_the_library__named),
	};

	return cmocka_run_group_tests_name("tls/policy", tests, NULL, NULL);
}
