/* SPDX-License-Identifier: MIT */
/* What is known of the algorithms, and which backend is the best on this machine. */
#include "tls/aead.h"

size_t aead_key_size(enum aead_algorithm algorithm)
{
	switch (algorithm) {
	case AEAD_AES_128_GCM:
		return 16;
	case AEAD_AES_256_GCM:
	case AEAD_CHACHA20_POLY1305:
		return 32;
	}
	return 0;
}

const char *aead_name(enum aead_algorithm algorithm)
{
	switch (algorithm) {
	case AEAD_AES_128_GCM:
		return "AES-128-GCM";
	case AEAD_AES_256_GCM:
		return "AES-256-GCM";
	case AEAD_CHACHA20_POLY1305:
		return "ChaCha20-Poly1305";
	}
	return "?";
}

const struct aead_backend *aead_backend(void)
{
	return &aead_mbedtls;
}
