/* SPDX-License-Identifier: MIT */
/* The library as a whole: what must happen once, and its random numbers. */
#include "tls/library.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include <mbedtls/aes.h>
#include <mbedtls/version.h>

#include "tls/compat.h"
#include "tls/handshake.h"

static pthread_once_t started = PTHREAD_ONCE_INIT;
static int start_result;

/*
 * mbedTLS 2.28 looks for AES-NI in the first AES operation without a lock: two threads in it at
 * once could use tables and instructions for one key. One operation before there are others settles
 * it.
 */
static void start(void)
{
	static const uint8_t zeros[16];
	mbedtls_aes_context aes;
	uint8_t block[16];

	mbedtls_aes_init(&aes);
	if (mbedtls_aes_setkey_enc(&aes, zeros, 128) ||
	    mbedtls_aes_crypt_ecb(&aes, MBEDTLS_AES_ENCRYPT, zeros, block))
		start_result = -EIO;
	mbedtls_aes_free(&aes);
	if (compat_start())
		start_result = -EIO;
}

int library_start(void)
{
	pthread_once(&started, start);
	return start_result;
}

int library_random_init(struct library_random *random)
{
	static const unsigned char purpose[] = "longwire";

	mbedtls_entropy_init(&random->entropy);
	mbedtls_ctr_drbg_init(&random->drbg);
	if (library_start())
		return -EIO;
	if (mbedtls_ctr_drbg_seed(&random->drbg, mbedtls_entropy_func, &random->entropy, purpose,
				  sizeof(purpose) - 1))
		return -EIO;
	return 0;
}

void library_random_done(struct library_random *random)
{
	mbedtls_ctr_drbg_free(&random->drbg);
	mbedtls_entropy_free(&random->entropy);
}

const char *tls_library_version(void)
{
	static char text[32];
	char number[16] = "";

	if (!text[0]) {
		mbedtls_version_get_string(number);
		snprintf(text, sizeof(text), "mbedTLS %.15s", number);
	}
	return text;
}
