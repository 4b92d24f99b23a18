/* SPDX-License-Identifier: MIT */
/* A peer that is mbedTLS alone. */
#include "support/tls_reference.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

static void require(bool is_true)
{
	if (!is_true)
		abort();
}

struct credentials *tls_reference_identity(const char *pem)
{
	struct credentials *credentials = calloc(1, sizeof(*credentials));
	struct library_random random;
	const unsigned char *bytes = (const unsigned char *)pem;
	size_t size = strlen(pem) + 1;

	require(credentials);
	credentials->key = calloc(1, sizeof(*credentials->key));
	credentials->certificate = calloc(1, sizeof(*credentials->certificate));
	require(credentials->key && credentials->certificate);
	mbedtls_pk_init(credentials->key);
	mbedtls_x509_crt_init(credentials->certificate);
	require(!library_random_init(&random));
	require(!compat_parse_key(credentials->key, bytes, size, mbedtls_ctr_drbg_random,
				  &random.drbg));
	require(!mbedtls_x509_crt_parse(credentials->certificate, bytes, size));
	library_random_done(&random);
	credentials_pin_of(credentials->certificate, &credentials->pin);
	return credentials;
}

static int accept_any(void *user, mbedtls_x509_crt *certificate, int depth, uint32_t *flags)
{
	(void)user;
	(void)certificate;
	(void)depth;
	*flags = 0;
	return 0;
}

void tls_reference_only_tls12(mbedtls_ssl_config *config)
{
#if COMPAT_MBEDTLS_3
	mbedtls_ssl_conf_max_tls_version(config, MBEDTLS_SSL_VERSION_TLS1_2);
#else
	(void)config;
#endif
}

struct tls_reference *tls_reference_new(enum admission_side side,
					const struct credentials *credentials,
					tls_reference_adjust_fn *adjust)
{
	struct tls_reference *reference = calloc(1, sizeof(*reference));

	require(reference);
	require(!policy_configure(&reference->policy, &reference->config, side, credentials,
				  aead_backend()));
	mbedtls_ssl_conf_verify(&reference->config, accept_any, NULL);
	if (adjust)
		adjust(&reference->config);
	mbedtls_ssl_init(&reference->ssl);
	require(!mbedtls_ssl_setup(&reference->ssl, &reference->config));
	if (side == ADMISSION_CLIENT)
		require(!mbedtls_ssl_set_hostname(&reference->ssl, "longwire"));
	mbedtls_ssl_set_bio(&reference->ssl, &reference->transport, transport_write, transport_read,
			    NULL);
	reference->result = MBEDTLS_ERR_SSL_WANT_READ;
	return reference;
}

void tls_reference_free(struct tls_reference *reference)
{
	if (!reference)
		return;
	mbedtls_ssl_free(&reference->ssl);
	mbedtls_ssl_config_free(&reference->config);
	policy_done(&reference->policy);
	transport_done(&reference->transport);
	free(reference);
}

void tls_reference_feed(struct tls_reference *reference, const uint8_t *data, size_t length)
{
	require(!transport_feed(&reference->transport, data, length));
}

size_t tls_reference_collect(struct tls_reference *reference, uint8_t *buffer, size_t size)
{
	const struct transport_buffer *output = &reference->transport.output;
	size_t n = MIN(size, output->length);

	if (n)
		memcpy(buffer, output->data + output->offset, n);
	transport_sent(&reference->transport, n);
	return n;
}

void tls_reference_say(struct tls_reference *reference, const void *data, size_t length)
{
	const uint8_t *bytes = data;
	size_t said = 0;

	while (said < length) {
		int r = mbedtls_ssl_write(&reference->ssl, bytes + said, length - said);

		require(r > 0);
		said += (size_t)r;
	}
}

size_t tls_reference_hear(struct tls_reference *reference, void *data, size_t size)
{
	uint8_t *bytes = data;
	size_t heard = 0;

	while (heard < size) {
		int r = mbedtls_ssl_read(&reference->ssl, bytes + heard, size - heard);

		if (r <= 0) {
			reference->result = r;
			break;
		}
		heard += (size_t)r;
	}
	return heard;
}

void tls_reference_step(struct tls_reference *reference)
{
	if (reference->result != MBEDTLS_ERR_SSL_WANT_READ)
		return;
	reference->result = mbedtls_ssl_handshake(&reference->ssl);
	if (!reference->result && reference->early)
		tls_reference_say(reference, reference->early, strlen(reference->early));
}

/* Move bytes of ours to a function's taker. Return: whether there were any. */
static bool move_to_reference(struct tls_handshake *from, struct tls_reference *to, size_t piece)
{
	const uint8_t *data;
	size_t length;

	tls_handshake_output(from, &data, &length);
	if (piece)
		length = MIN(length, piece);
	if (!length)
		return false;
	tls_reference_feed(to, data, length);
	tls_handshake_sent(from, length);
	tls_reference_step(to);
	return true;
}

static bool move_from_reference(struct tls_reference *from, struct tls_handshake *to, size_t piece,
				enum tls_progress *progress)
{
	const struct transport_buffer *output = &from->transport.output;
	size_t length = piece ? MIN(output->length, piece) : output->length;

	/* What comes behind the end stays with the reference, for whoever opens records. */
	if (!length || *progress != TLS_WANT_INPUT)
		return false;
	*progress = tls_handshake_step(to, output->data + output->offset, length);
	transport_sent(&from->transport, length);
	return true;
}

enum tls_progress tls_reference_connect(struct tls_reference *reference,
					struct tls_handshake *handshake, size_t piece)
{
	enum tls_progress progress = tls_handshake_step(handshake, NULL, 0);
	bool moved = true;

	tls_reference_step(reference);
	while (moved) {
		moved = move_to_reference(handshake, reference, piece);
		moved |= move_from_reference(reference, handshake, piece, &progress);
	}
	return progress;
}

static bool move(struct tls_handshake *from, struct tls_handshake *to, size_t piece,
		 enum tls_progress *progress)
{
	const uint8_t *data;
	size_t length;

	tls_handshake_output(from, &data, &length);
	if (piece)
		length = MIN(length, piece);
	if (!length || *progress != TLS_WANT_INPUT)
		return false;
	*progress = tls_handshake_step(to, data, length);
	tls_handshake_sent(from, length);
	return true;
}

void tls_reference_introduce(struct tls_handshake *client, struct tls_handshake *hub, size_t piece,
			     enum tls_progress *ret_client, enum tls_progress *ret_hub)
{
	bool moved = true;

	*ret_client = tls_handshake_step(client, NULL, 0);
	*ret_hub = tls_handshake_step(hub, NULL, 0);
	while (moved) {
		moved = move(client, hub, piece, ret_hub);
		moved |= move(hub, client, piece, ret_client);
	}
}
