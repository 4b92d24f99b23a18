/* SPDX-License-Identifier: MIT */
/*
 * Writing records as a file: ports described as they are met, super-frames cut, statistics at the
 * end. One file after another may be written; the counters go on.
 */
#ifndef CAPTURE_WRITING_H
#define CAPTURE_WRITING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/format.h"
#include "capture/output.h"

struct book;
struct lane_record;
struct lw_capture;

struct writing {
	const struct lw_capture *capture;
	struct book *book;
	const struct format *format;
	struct output output;
	struct format_file file;
	bool is_open;
	uint64_t begun_ns;           /* CLOCK_BOOTTIME */
	uint64_t offset_ns, last_ns; /* wall clock minus CLOCK_BOOTTIME; the last time written */
	uint64_t packets, records;   /* given to the format */
	uint64_t file_records;       /* of this file */
	uint32_t *indices;           /* of the book's ports in this file, from 1 */
	uint32_t n_indices, n_in_file;
	uint8_t *segment;
};

/* 0 or -ENOMEM. interrupt: see output.h. */
int writing_init(struct writing *writing, const struct lw_capture *capture, struct book *book,
		 int interrupt);
/* Ends what is open. */
void writing_done(struct writing *writing);

/*
 * Begin a file on fd, which is taken. why: a comment on the file, or NULL. Return: 0, or a negative
 * errno when there is no memory; what the file refuses shows in output.error.
 */
int writing_begin(struct writing *writing, int fd, const char *why);
/* port: in the book. from: likewise, and 1 more; 0: unknown. */
void writing_packet(struct writing *writing, const struct lane_record *record, uint32_t port,
		    uint16_t from);
/* Let go of a file that could not be begun. */
void writing_abandon(struct writing *writing);
/* Statistics, everything out, closed. Idempotent. */
void writing_end(struct writing *writing);

/* Whether the capture has all the records that it was to have. */
bool writing_is_complete(const struct writing *writing);
/* Return: bytes that the file has at most when this record and its end are in it. */
uint64_t writing_size_with(const struct writing *writing, const struct lane_record *record);

#endif
