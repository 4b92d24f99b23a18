/* SPDX-License-Identifier: MIT */
/* Identities and pins: what is read, what is made, and what is refused with which words. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <longwire/error.h>

#include "base/memory.h"
#include "support/tls_identities.h"
#include "tls/credentials.h"

#define PIN_43 "GiHE53h3ZXWhxcapqOePBUljK4MnqfRB4FYWEKScQqw"

static void pin__good_texts__parsed_and_formatted(void **state)
{
	static const char *texts[] = { "SHA256:" PIN_43, "SHA256:" PIN_43 "=" };
	char text[PIN_TEXT_SIZE];
	struct pin pin;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		memset(&pin, 0, sizeof(pin));
		assert_int_equal(pin_parse(texts[i], &pin), 0);
		assert_int_equal(pin.sha256[0], 0x1a);
		assert_int_equal(pin.sha256[31], 0xac);
		assert_string_equal(pin_format(&pin, text), "SHA256:" PIN_43);
	}
}

static void pin__bad_texts__refused(void **state)
{
	static const char *texts[] = {
		"",
		"SHA256:",
		PIN_43,
		"sha256:" PIN_43,
		"SHA256 " PIN_43,
		"SHA1:" PIN_43,
		"SHA256:" PIN_43 "==",
		"SHA256:" PIN_43 "w",
		"SHA256:GiHE53h3ZXWhxcapqOePBUljK4MnqfRB4FYWEKScQq",  /* 42 */
		"SHA256:GiHE53h3ZXWhxcapqOePBUljK4MnqfRB4FYWEKScQqx", /* surplus bits */
		"SHA256:GiHE53h3ZXWhxcapqOePBUljK4MnqfRB4FYWEKScQ=w",
		"SHA256:GiHE53h3ZXWhxcapqOePBUljK4MnqfRB4FYWEKScQ-w", /* base64url */
		"SHA256:GiHE53h3ZXWhxcapqOePB\nljK4MnqfRB4FYWEKScQqw",
		"SHA256:GiHE53h3ZXWhxcapqOePB ljK4MnqfRB4FYWEKScQqw",
		" SHA256:" PIN_43,
		"SHA256:" PIN_43 " ",
	};
	struct pin pin;

	(void)state;
	memset(&pin, 0xa5, sizeof(pin));
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(pin_parse(texts[i], &pin), -EINVAL);
		assert_int_equal(pin.sha256[0], 0xa5);
	}
}

static void pin__equal__sees_every_bit(void **state)
{
	struct pin a, b;

	(void)state;
	memset(&a, 0x5a, sizeof(a));
	b = a;
	assert_true(pin_equal(&a, &b));
	for (size_t bit = 0; bit < 256; bit++) {
		b.sha256[bit / 8] ^= (uint8_t)(1 << bit % 8);
		assert_false(pin_equal(&a, &b));
		b = a;
	}
}

/* The pins are openssl's. */
static void parse__good_identities__have_the_known_pin(void **state)
{
	static const struct {
		const char *pem, *pin;
	} rows[] = {
		{ IDENTITY_P256, IDENTITY_P256_PIN },       { IDENTITY_P384, IDENTITY_P384_PIN },
		{ IDENTITY_RSA2048, IDENTITY_RSA2048_PIN }, { IDENTITY_EXPIRED, IDENTITY_P256_PIN },
		{ IDENTITY_SHA1, IDENTITY_SHA1_PIN }, /* our own wrapper; who refuses it is the peer */
	};
	struct credentials *credentials;
	char text[PIN_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(credentials_parse("id.pem", rows[i].pem, strlen(rows[i].pem),
						   &credentials, NULL),
				 0);
		assert_string_equal(pin_format(credentials_pin(credentials), text), rows[i].pin);
		credentials_free(credentials);
	}
	credentials_free(NULL);
}

static char *cut(const char *pem, const char *upto)
{
	const char *end = strstr(pem, upto);

	return strndup(pem, (size_t)(end - pem));
}

static void refused(const char *pem, int result, const char *words)
{
	struct credentials *credentials = NULL;
	struct lw_error error = { 0 };

	assert_int_equal(credentials_parse("some/id.pem", pem, strlen(pem), &credentials, &error),
			 result);
	assert_null(credentials);
	assert_int_equal(error.domain, LW_DOMAIN_CONFIGURATION);
	assert_non_null(strstr(error.text, "some/id.pem: "));
	if (!strstr(error.text, words))
		print_error("%s\n", error.text);
	assert_non_null(strstr(error.text, words));
}

static void parse__bad_identities__refused_with_the_reason(void **state)
{
	char *key_only = cut(IDENTITY_P256, "-----BEGIN CERTIFICATE");
	const char *certificate_only = strstr(IDENTITY_P256, "-----BEGIN CERTIFICATE");
	char *mixed, *broken;
	char *long_one = calloc(1, IDENTITY_FILE_MAX + 2);

	(void)state;
	refused("", -EINVAL, "no private key");
	refused("hello", -EINVAL, "no private key");
	refused(certificate_only, -EINVAL, "no private key");
	refused(key_only, -EINVAL, "no certificate");
	refused(IDENTITY_ENCRYPTED, -EINVAL, "encrypted");
	refused(IDENTITY_RSA1024, -EINVAL, "allowed are P-256, P-384 and RSA");
	refused(IDENTITY_P192, -EINVAL, "allowed are P-256, P-384 and RSA");
	refused(IDENTITY_P521, -EINVAL, "allowed are P-256, P-384 and RSA");
	refused(IDENTITY_ED25519, -EINVAL, "private key");
	assert_true(asprintf(&mixed, "%s%s", key_only,
			     strstr(IDENTITY_P384, "-----BEGIN CERTIFICATE")) > 0);
	refused(mixed, -EINVAL, "does not belong");
	assert_true(asprintf(&broken,
			     "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
			     IDENTITY_P256) > 0);
	refused(broken, -EINVAL, "cannot be read");
	memset(long_one, ' ', IDENTITY_FILE_MAX);
	refused(long_one, -EINVAL, "no private key");
	long_one[IDENTITY_FILE_MAX] = ' ';
	refused(long_one, -EFBIG, "65536");
	free(long_one);
	free(mixed);
	free(broken);
	free(key_only);
}

static void parse__every_truncation__refused(void **state)
{
	static const char pem[] = IDENTITY_P256;
	struct credentials *credentials;

	(void)state;
	/* The last line needs no newline. */
	for (size_t length = 0; length < sizeof(pem) - 2; length += 7)
		assert_int_equal(credentials_parse("id", pem, length, &credentials, NULL), -EINVAL);
}

static void generate__twice__two_identities_that_can_be_read(void **state)
{
	char *pem[2];
	size_t length[2];
	struct pin pin[2];
	struct credentials *credentials;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(credentials_generate(&pem[i], &length[i], &pin[i], NULL), 0);
		assert_int_equal(length[i], strlen(pem[i]));
		assert_non_null(strstr(pem[i], "PRIVATE KEY-----"));
		assert_non_null(strstr(pem[i], "-----BEGIN CERTIFICATE-----"));
		assert_int_equal(credentials_parse("new", pem[i], length[i], &credentials, NULL),
				 0);
		assert_true(pin_equal(credentials_pin(credentials), &pin[i]));
		credentials_free(credentials);
	}
	assert_false(pin_equal(&pin[0], &pin[1]));
	free(pem[0]);
	free(pem[1]);
}

static void write_identity(const char *path, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(IDENTITY_P256, file);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static void load__mode_of_the_file__only_the_owner_may_read(void **state)
{
	static const struct {
		mode_t mode;
		bool is_good;
	} rows[] = {
		{ 0600, true },  { 0400, true },  { 0640, false }, { 0604, false },
		{ 0620, false }, { 0644, false }, { 0666, false },
	};
	char path[] = "/tmp/longwire-identity-XXXXXX";
	struct credentials *credentials;
	struct lw_error error;
	int descriptor = mkstemp(path);

	(void)state;
	assert_true(descriptor >= 0);
	close(descriptor);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int r;

		write_identity(path, rows[i].mode);
		r = credentials_load(path, &credentials, &error);
		if (rows[i].is_good) {
			assert_int_equal(r, 0);
			credentials_free(credentials);
		} else {
			assert_true(r < 0);
			assert_non_null(strstr(error.text, path));
		}
	}
	unlink(path);
	assert_int_equal(credentials_load(path, &credentials, &error), -ENOENT);
	assert_non_null(strstr(error.text, path));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pin__good_texts__parsed_and_formatted),
		cmocka_unit_test(pin__bad_texts__refused),
		cmocka_unit_test(pin__equal__sees_every_bit),
		cmocka_unit_test(parse__good_identities__have_the_known_pin),
		cmocka_unit_test(parse__bad_identities__refused_with_the_reason),
		cmocka_unit_test(parse__every_truncation__refused),
		cmocka_unit_test(generate__twice__two_identities_that_can_be_read),
		cmocka_unit_test(load__mode_of_the_file__only_the_owner_may_read),
	};

	return cmocka_run_group_tests_name("tls/credentials", tests, NULL, NULL);
}
