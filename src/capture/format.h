/* SPDX-License-Identifier: MIT */
/*
 * Formats of capture files: what is written at the beginning, for a port, for a packet, at the end.
 *
 * A format encodes into an output (capture/output.h), one whole block at a time, and knows nothing
 * of threads, lanes or files. Where the output has failed it does nothing; who writes looks at the
 * output's error.
 *
 * pcapng says whose a packet is by its interface block: one for each port, with the peer's name, by
 * which Wireshark filters. There is no name resolution block. The addresses that belong to peers are
 * those outside, which no captured packet has; those inside belong to hosts, of which a peer may
 * have a LAN full, that come, go and move within a file, while such a block gives an address one
 * name for all of it, which Wireshark (where asked to resolve) shows in place of the address.
 */
#ifndef CAPTURE_FORMAT_H
#define CAPTURE_FORMAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <longwire/capture.h>

struct output;

/* Counters of a port since the capture began, as packets were carried. */
struct format_statistics {
	uint64_t seen, matched, dropped, written;
};

/* What all blocks of a file share. Strings are borrowed. */
struct format_file {
	struct output *output;
	enum lw_layer layer;
	uint32_t snap_length;
	const char *filter; /* NULL: none */
	const char *why;    /* a comment on the file; NULL: none */
	uint64_t begin_ns;  /* of the capture; wall clock, as all times here */
	void *state;        /* the format's own */
};

struct format_port {
	uint32_t index; /* 0, 1, 2, … in the order of port() calls in this file */
	const char *name;
	bool is_device;
};

struct format_packet {
	uint64_t time_ns;
	uint32_t port; /* index */
	enum lw_capture_point point;
	enum lw_drop reason;
	/* The port where it came in, always at the same place; NULL: unknown, or not on its way out. */
	const char *from;
	bool is_flooded, is_replayed;
	const uint8_t *data;
	uint32_t kept, length;
	bool is_last; /* of its super-frame, or the only one */
};

struct format {
	/* 0 or a negative errno. */
	int (*begin)(struct format_file *file);
	void (*port)(struct format_file *file, const struct format_port *port);
	/* Where the data of the next packet, kept bytes at most, may be put so that packet() need not
	 * copy it; NULL: nowhere. May be NULL itself. */
	uint8_t *(*room)(struct format_file *file, size_t kept);
	void (*packet)(struct format_file *file, const struct format_packet *packet);
	void (*statistics)(struct format_file *file, uint32_t port, uint64_t now_ns,
			   const struct format_statistics *statistics);
	void (*end)(struct format_file *file); /* also after begin() failed; idempotent */
};

extern const struct format pcap_format;   /* libpcap's savefile; knows neither ports nor reasons */
extern const struct format pcapng_format; /* draft-ietf-opsawg-pcapng */

/* AUTO: by the ending of the file's name; of a descriptor (NULL), pcapng. */
enum lw_capture_format format_choose(enum lw_capture_format format, const char *file);
const struct format *format_get(enum lw_capture_format format);

/*
 * Where the last whole block of a file of either format ends that a killed process left behind, read
 * through fd. Return: that offset, 0 when it does not even have a header, or a negative errno.
 */
int64_t format_find_end(int fd);
/*
 * Cut off what is behind that. The kernel writes page by page and SIGKILL ends it between two of
 * them, so a process that was killed may leave half a block, whatever it did; whoever outlives it
 * cuts. Return: bytes cut off, or a negative errno for what is no regular file with a header, to be
 * read and written.
 */
int64_t format_mend(int fd);

#endif
