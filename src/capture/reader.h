/* SPDX-License-Identifier: MIT */
/*
 * A savefile read back: pcap or pcapng, packet by packet, by libpcap.
 *
 * It must be a regular file, so that reading waits for a disk at most and never for somebody, and
 * its link type must be the layer's. libpcap bounds a packet at 256 KiB whatever the file says.
 */
#ifndef CAPTURE_READER_H
#define CAPTURE_READER_H

#include <stddef.h>
#include <stdint.h>

#include <longwire/api.h>

struct lw_error;
struct reader;

struct reader_packet {
	const uint8_t *data; /* valid until the next call */
	size_t length;       /* in the file */
	size_t whole;        /* on the wire */
	uint64_t at_ns;      /* wall clock */
};

/* fd stays the caller's, and is read from its beginning. 0, or a negative errno with a sentence. */
int reader_new(int fd, enum lw_layer layer, struct reader **ret_reader, struct lw_error *ret_error);
void reader_free(struct reader *reader);
/* Return: 1; 0 at the end; a negative errno with a sentence where the file is damaged. */
int reader_next(struct reader *reader, struct reader_packet *ret_packet,
		struct lw_error *ret_error);

#endif
