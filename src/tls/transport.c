/* SPDX-License-Identifier: MIT */
/* The library's transport in memory, and what can be seen of the records that pass. */
#include "tls/transport.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <mbedtls/ssl.h>

#include "base/bytes.h"
#include "base/memory.h"

enum { HEADER_SIZE = 5, TYPE_ALERT = 21, ALERT_SIZE = 2, ALLOCATION_MIN = 4096 };

void transport_done(struct transport *transport)
{
	/* Bytes of the peer and ciphertext: nothing to erase. */
	free(transport->input.data);
	free(transport->output.data);
	transport->input = transport->output = (struct transport_buffer){ 0 };
}

static int append(struct transport_buffer *buffer, const uint8_t *data, size_t length)
{
	size_t needed = buffer->length + length;

	if (buffer->offset + needed > buffer->size) {
		size_t size = MAX(2 * needed, (size_t)ALLOCATION_MIN);
		uint8_t *moved = malloc(size);

		if (!moved)
			return -ENOMEM;
		if (buffer->length)
			memcpy(moved, buffer->data + buffer->offset, buffer->length);
		free(buffer->data);
		buffer->data = moved;
		buffer->size = size;
		buffer->offset = 0;
	}
	if (length)
		memcpy(buffer->data + buffer->offset + buffer->length, data, length);
	buffer->length = needed;
	return 0;
}

static void drop(struct transport_buffer *buffer, size_t length)
{
	buffer->offset += length;
	buffer->length -= length;
	if (!buffer->length)
		buffer->offset = 0;
}

/* Take what belongs to the present record's head, then skip its body. */
static size_t watch_some(struct transport_watch *watch, const uint8_t *data, size_t length)
{
	size_t n;

	if (watch->have < HEADER_SIZE) {
		n = MIN(length, HEADER_SIZE - watch->have);
		memcpy(watch->head + watch->have, data, n);
		watch->have += n;
		if (watch->have == HEADER_SIZE) {
			watch->left = load_be16(watch->head + 3);
			watch->records++;
		}
	} else {
		n = MIN(length, watch->left);
		for (size_t i = 0; i < n && watch->have < sizeof(watch->head); i++)
			watch->head[watch->have++] = data[i];
		watch->left -= n;
	}
	if (watch->have < HEADER_SIZE || watch->left)
		return n;
	/* A record has ended. One that is encrypted is longer than an alert in clear. */
	if (watch->head[0] == TYPE_ALERT && load_be16(watch->head + 3) == ALERT_SIZE) {
		watch->has_alert = true;
		watch->alert = watch->head[6];
	}
	watch->have = 0;
	return n;
}

static void watch(struct transport_watch *seen, const uint8_t *data, size_t length)
{
	size_t n = MIN(length, sizeof(seen->first) - seen->n_first);

	memcpy(seen->first + seen->n_first, data, n);
	seen->n_first += n;
	while (length) {
		n = watch_some(seen, data, length);
		data += n;
		length -= n;
	}
}

int transport_feed(struct transport *transport, const uint8_t *data, size_t length)
{
	return append(&transport->input, data, length);
}

void transport_sent(struct transport *transport, size_t length)
{
	drop(&transport->output, MIN(length, transport->output.length));
}

int transport_write(void *user, const unsigned char *data, size_t length)
{
	struct transport *transport = user;

	if (length > TRANSPORT_OUTPUT_MAX - transport->output.length)
		return MBEDTLS_ERR_SSL_INTERNAL_ERROR;
	if (append(&transport->output, data, length))
		return MBEDTLS_ERR_SSL_ALLOC_FAILED;
	watch(&transport->written, data, length);
	return (int)length;
}

int transport_read(void *user, unsigned char *data, size_t size)
{
	struct transport *transport = user;
	size_t n = MIN(size, transport->input.length);

	if (!n)
		return MBEDTLS_ERR_SSL_WANT_READ;
	memcpy(data, transport->input.data + transport->input.offset, n);
	watch(&transport->read, data, n);
	drop(&transport->input, n);
	transport->consumed += n;
	return (int)n;
}
