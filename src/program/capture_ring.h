/* SPDX-License-Identifier: MIT */
/*
 * Files in turn for an attached capture: written by whoever captures.
 *
 * Theory of operation. The instance writes one stream of pcapng blocks into a pipe, as into any
 * other; here they are cut into files, by a thread, until the pipe ends. So the instance opens
 * nothing, files are made with the rights of whoever asks, and not a packet is lost or doubled
 * between two of them. Every file begins with what the stream said of itself before: its section and
 * its interfaces. A file ends before the packet that would make it larger or older than was said;
 * names, and which of them are removed, are those of the configuration's files (capture/files.h).
 * When a file cannot be written the pipe is closed, and with it the capture ends.
 */
#ifndef PROGRAM_CAPTURE_RING_H
#define PROGRAM_CAPTURE_RING_H

#include <stdint.h>

struct capture_ring;
struct lw_error;

struct capture_ring_limits {
	uint32_t size; /* MiB; 0: any */
	uint32_t seconds, packets;
	uint32_t count; /* of files; 0: LW_CAPTURE_FILES_DEFAULT */
};

/* "size=10,count=5". 0, or -EINVAL with a sentence. */
int capture_ring_parse(const char *text, struct capture_ring_limits *ret_limits,
		       struct lw_error *ret_error);

/* path is what the names are made of. *ret_descriptor: where the stream is written to, the
 * caller's. */
int capture_ring_new(const char *path, const struct capture_ring_limits *limits,
		     struct capture_ring **ret_ring, int *ret_descriptor,
		     struct lw_error *ret_error);
/* Wait until the stream has ended, and free. 0, or the negative errno that ended it. Accepts NULL. */
int capture_ring_end(struct capture_ring *ring);

#endif
