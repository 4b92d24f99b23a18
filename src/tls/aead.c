/* SPDX-License-Identifier: MIT */
/* What is known of the algorithms, and which backend is the best on this machine. */
#include "tls/aead.h"

#include "base/memory.h"

static const struct aead_backend *const built[] = {
#ifdef LW_HAVE_IPSEC_MB
	&aead_ipsecmb,
#endif
	&aead_mbedtls,
};

_Static_assert(ARRAY_SIZE(built) <= AEAD_BACKENDS_MAX, "room for each");

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

size_t aead_backends(const struct aead_backend *ret_backends[AEAD_BACKENDS_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(built); i++)
		if (built[i]->supports(AEAD_AES_128_GCM))
			ret_backends[n++] = built[i];
	return n;
}

const struct aead_backend *aead_backend(void)
{
	const struct aead_backend *backends[AEAD_BACKENDS_MAX] = { NULL };

	(void)aead_backends(backends);
	return backends[0];
}
