/* SPDX-License-Identifier: MIT */
/* Identities: a private key with its certificate, and the pins of public keys. */
#include "tls/credentials.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/base64.h>
#include <mbedtls/sha256.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "tls/compat.h"
#include "tls/credentials_private.h"
#include "tls/policy.h"

#define PIN_PREFIX "SHA256:"

enum {
	PIN_PREFIX_SIZE = sizeof(PIN_PREFIX) - 1,
	PIN_BASE64_SIZE = 43, /* of 32 bytes, without the padding */
	PEM_SIZE = 4096,      /* of a P-256 key, and of a certificate around it: below 1 000 each */
};

#define ALLOWED_KEYS "allowed are P-256, P-384 and RSA of 2048 to 8192 bits"

const char *pin_format(const struct pin *pin, char text[PIN_TEXT_SIZE])
{
	unsigned char base64[PIN_BASE64_SIZE + 2];
	size_t length;

	/* Cannot fail: the room for 32 bytes is there. */
	mbedtls_base64_encode(base64, sizeof(base64), &length, pin->sha256, sizeof(pin->sha256));
	snprintf(text, PIN_TEXT_SIZE, PIN_PREFIX "%.43s", (const char *)base64);
	return text;
}

int pin_parse(const char *text, struct pin *ret_pin)
{
	unsigned char base64[PIN_BASE64_SIZE + 1];
	char again[PIN_TEXT_SIZE];
	struct pin pin;
	size_t length = strlen(text), decoded;

	if (length == PIN_PREFIX_SIZE + PIN_BASE64_SIZE + 1 && text[length - 1] == '=')
		length--;
	if (length != PIN_PREFIX_SIZE + PIN_BASE64_SIZE ||
	    memcmp(text, PIN_PREFIX, PIN_PREFIX_SIZE) != 0)
		return -EINVAL;
	memcpy(base64, text + PIN_PREFIX_SIZE, PIN_BASE64_SIZE);
	base64[PIN_BASE64_SIZE] = '=';
	if (mbedtls_base64_decode(pin.sha256, sizeof(pin.sha256), &decoded, base64,
				  sizeof(base64)) ||
	    decoded != sizeof(pin.sha256))
		return -EINVAL;
	/* One text for one pin: the decoder overlooks white space and surplus bits. */
	if (memcmp(pin_format(&pin, again), text, length) != 0)
		return -EINVAL;
	*ret_pin = pin;
	return 0;
}

bool pin_equal(const struct pin *a, const struct pin *b)
{
	uint8_t different = 0;

	for (size_t i = 0; i < sizeof(a->sha256); i++)
		different |= a->sha256[i] ^ b->sha256[i];
	return different == 0;
}

static void hash_key(const unsigned char *key_info, size_t length, struct pin *ret_pin)
{
#if COMPAT_MBEDTLS_3
	(void)mbedtls_sha256(key_info, length, ret_pin->sha256, 0);
#else
	(void)mbedtls_sha256_ret(key_info, length, ret_pin->sha256, 0);
#endif
}

void credentials_pin_of(const mbedtls_x509_crt *certificate, struct pin *ret_pin)
{
	hash_key(certificate->pk_raw.p, certificate->pk_raw.len, ret_pin);
}

const struct pin *credentials_pin(const struct credentials *credentials)
{
	return &credentials->pin;
}

void credentials_free(struct credentials *credentials)
{
	if (!credentials)
		return;
	if (credentials->key)
		mbedtls_pk_free(credentials->key);
	if (credentials->certificate)
		mbedtls_x509_crt_free(credentials->certificate);
	free(credentials->key);
	free(credentials->certificate);
	free(credentials);
}

static struct credentials *new_credentials(void)
{
	struct credentials *credentials = calloc(1, sizeof(*credentials));

	if (!credentials)
		return NULL;
	credentials->key = calloc(1, sizeof(*credentials->key));
	credentials->certificate = calloc(1, sizeof(*credentials->certificate));
	if (!credentials->key || !credentials->certificate) {
		credentials_free(credentials);
		return NULL;
	}
	mbedtls_pk_init(credentials->key);
	mbedtls_x509_crt_init(credentials->certificate);
	return credentials;
}

/* In the words of who has to mend the file. */
static const char *key_fault(int r)
{
	switch (r) {
	case MBEDTLS_ERR_PK_PASSWORD_REQUIRED:
	case MBEDTLS_ERR_PK_PASSWORD_MISMATCH:
		return "the private key is encrypted; store it without a passphrase, in a file that "
		       "only its owner can read";
	case MBEDTLS_ERR_PK_UNKNOWN_NAMED_CURVE:
	case MBEDTLS_ERR_PK_UNKNOWN_PK_ALG:
	case MBEDTLS_ERR_PK_FEATURE_UNAVAILABLE:
		return "a private key of a kind that is not known; " ALLOWED_KEYS;
	default:
		return "no private key in it that could be read; a PEM block \"PRIVATE KEY\" and its "
		       "\"CERTIFICATE\" are needed";
	}
}

static const char *fault(struct credentials *credentials, const char *pem, size_t size,
			 struct library_random *random)
{
	int r = compat_parse_key(credentials->key, (const unsigned char *)pem, size,
				 mbedtls_ctr_drbg_random, &random->drbg);

	if (r)
		return key_fault(r);
	if (!policy_key_is_strong(credentials->key))
		return "the private key is too weak or of a kind that is not used; " ALLOWED_KEYS;
	r = mbedtls_x509_crt_parse(credentials->certificate, (const unsigned char *)pem, size);
	if (r > 0)
		return "a certificate in it cannot be read";
	if (r < 0)
		return "no certificate in it that could be read; a PEM block \"CERTIFICATE\" of the "
		       "private key is needed";
	if (compat_check_pair(&credentials->certificate->pk, credentials->key,
			      mbedtls_ctr_drbg_random, &random->drbg))
		return "the private key does not belong to the (first) certificate";
	return NULL;
}

/* pem is terminated, and size counts that: the library wants it so. */
static int parse_terminated(const char *name, const char *pem, size_t size,
			    struct credentials **ret_credentials, struct lw_error *ret_error)
{
	struct credentials *credentials = new_credentials();
	struct library_random random;
	const char *wrong;

	if (!credentials)
		return error_errno(ret_error, ENOMEM, "%s", name);
	if (library_random_init(&random))
		wrong = "the random number generator could not be seeded";
	else
		wrong = fault(credentials, pem, size, &random);
	library_random_done(&random);
	if (wrong) {
		credentials_free(credentials);
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL, "%s: %s",
				 name, wrong);
	}
	credentials_pin_of(credentials->certificate, &credentials->pin);
	*ret_credentials = credentials;
	return 0;
}

int credentials_parse(const char *name, const char *pem, size_t length,
		      struct credentials **ret_credentials, struct lw_error *ret_error)
{
	char *copy;
	int r;

	if (length > IDENTITY_FILE_MAX)
		return error_set(ret_error, -EFBIG, LW_DOMAIN_CONFIGURATION, EFBIG,
				 "%s: longer than the %d bytes that an identity may have", name,
				 IDENTITY_FILE_MAX);
	copy = malloc(length + 1);
	if (!copy)
		return error_errno(ret_error, ENOMEM, "%s", name);
	memcpy(copy, pem, length);
	copy[length] = '\0';
	r = parse_terminated(name, copy, length + 1, ret_credentials, ret_error);
	memory_erase(copy, length);
	free(copy);
	return r;
}

int credentials_load(const char *file, struct credentials **ret_credentials,
		     struct lw_error *ret_error)
{
	char *pem;
	size_t length;
	int r = file_read(file, IDENTITY_FILE_MAX, FILE_SECRET, &pem, &length, ret_error);

	if (r)
		return r;
	r = parse_terminated(file, pem, length + 1, ret_credentials, ret_error);
	memory_erase(pem, length);
	free(pem);
	return r;
}

static int make_key(mbedtls_pk_context *key, struct library_random *random)
{
	if (mbedtls_pk_setup(key, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY)))
		return -ENOMEM;
	if (mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*key),
				mbedtls_ctr_drbg_random, &random->drbg))
		return -EIO;
	return 0;
}

static void make_pin(const mbedtls_pk_context *key, struct pin *ret_pin)
{
	unsigned char der[256];
	/* Written at the end of der; a P-256 key has 91 bytes. */
	int length = mbedtls_pk_write_pubkey_der((mbedtls_pk_context *)key, der, sizeof(der));

	if (length > 0)
		hash_key(der + sizeof(der) - length, (size_t)length, ret_pin);
}

/*
 * The wrapper: a name, and a validity that says nothing. Each has a name of its own, or the library
 * would take the peer's certificate for one that ours has issued and spend 3 ms on its signature.
 */
static int write_certificate(mbedtls_pk_context *key, struct library_random *random, char *pem,
			     size_t size)
{
	mbedtls_x509write_cert certificate;
	unsigned char serial[8];
	char name[48];
	int r = -EIO;

	mbedtls_x509write_crt_init(&certificate);
	if (mbedtls_ctr_drbg_random(&random->drbg, serial, sizeof(serial)))
		goto out;
	serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and always of this length */
	snprintf(name, sizeof(name), "CN=longwire-%02x%02x%02x%02x%02x%02x", serial[0], serial[1],
		 serial[2], serial[3], serial[4], serial[5]);
	mbedtls_x509write_crt_set_version(&certificate, MBEDTLS_X509_CRT_VERSION_3);
	mbedtls_x509write_crt_set_md_alg(&certificate, MBEDTLS_MD_SHA256);
	mbedtls_x509write_crt_set_subject_key(&certificate, key);
	mbedtls_x509write_crt_set_issuer_key(&certificate, key);
	if (!compat_set_serial(&certificate, serial, sizeof(serial)) &&
	    !mbedtls_x509write_crt_set_subject_name(&certificate, name) &&
	    !mbedtls_x509write_crt_set_issuer_name(&certificate, name) &&
	    !mbedtls_x509write_crt_set_validity(&certificate, "20200101000000", "99991231235959") &&
	    !mbedtls_x509write_crt_pem(&certificate, (unsigned char *)pem, size,
				       mbedtls_ctr_drbg_random, &random->drbg))
		r = 0;
out:
	mbedtls_x509write_crt_free(&certificate);
	return r;
}

static int generate(struct library_random *random, mbedtls_pk_context *key, char *pem, size_t size)
{
	size_t length;
	int r = library_random_init(random);

	if (!r)
		r = make_key(key, random);
	if (!r && mbedtls_pk_write_key_pem(key, (unsigned char *)pem, size))
		r = -EIO;
	if (r)
		return r;
	length = strlen(pem);
	return write_certificate(key, random, pem + length, size - length);
}

int credentials_generate(char **ret_pem, size_t *ret_length, struct pin *ret_pin,
			 struct lw_error *ret_error)
{
	struct library_random random;
	mbedtls_pk_context key;
	char *pem = calloc(1, PEM_SIZE);
	int r;

	if (!pem)
		return error_errno(ret_error, ENOMEM, "no identity could be made");
	mbedtls_pk_init(&key);
	r = generate(&random, &key, pem, PEM_SIZE);
	if (r) {
		memory_erase(pem, PEM_SIZE);
		free(pem);
		error_errno(ret_error, -r, "no identity could be made");
	} else {
		make_pin(&key, ret_pin);
		*ret_pem = pem;
		*ret_length = strlen(pem);
	}
	mbedtls_pk_free(&key);
	library_random_done(&random);
	return r;
}
