/* SPDX-License-Identifier: MIT */
/*
 * The library's transport in memory, and what can be seen of the records that pass. Private to this
 * folder.
 *
 * Watching the record headers tells what the library does not: how many records it wrote, the alert
 * that came in clear, and what kind of stranger it was that does not speak TLS.
 */
#ifndef TLS_TRANSPORT_H
#define TLS_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct transport_buffer {
	uint8_t *data;
	size_t offset, length, size; /* length bytes, from offset */
};

struct transport_watch {
	uint8_t head[7]; /* of the present record: header and two bytes */
	size_t have;
	size_t left;    /* of the present record's body */
	size_t records; /* begun */
	bool has_alert;
	uint8_t alert;    /* the last one in clear */
	uint8_t first[8]; /* bytes of all */
	size_t n_first;
};

enum { TRANSPORT_OUTPUT_MAX = 131072 };

struct transport {
	struct transport_buffer input, output;
	struct transport_watch read, written; /* by the library */
	size_t consumed;                      /* by the library */
};

void transport_done(struct transport *transport);
/* 0 or -ENOMEM. */
int transport_feed(struct transport *transport, const uint8_t *data, size_t length);
void transport_sent(struct transport *transport, size_t length);

/* For mbedtls_ssl_set_bio; user is the transport. */
int transport_write(void *user, const unsigned char *data, size_t length);
int transport_read(void *user, unsigned char *data, size_t size);

#endif
