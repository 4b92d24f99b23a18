/* SPDX-License-Identifier: MIT */
/*
 * Where a capture's bytes go: a file, pipe or socket that gets whole blocks, whatever the disk does.
 *
 * Theory of operation. A format asks for room, encodes one block into it and commits. Blocks gather
 * in a buffer that is written out when it is full and when the capture's thread has nothing else to
 * do. When a write to a regular file fails (ENOSPC, EIO, a quota) the file is cut behind the last
 * block that reached it whole, what is left is discarded, and the output has failed for ever. A
 * file that was unlinked (its folder was deleted) or made shorter by somebody has failed as well:
 * going on would fill a disk where nobody can read it. A pipe or socket is written in pieces that it
 * has room for, so that the thread never hangs in a write: while its reader does not read, interrupt
 * ends the waiting, and RELEASE_MS later the output fails. Terminals promise no such room and are not
 * for this.
 */
#ifndef CAPTURE_OUTPUT_H
#define CAPTURE_OUTPUT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	OUTPUT_BUFFER_SIZE = 512 * 1024,
	OUTPUT_BLOCKS = 8192,
	OUTPUT_RELEASE_MS = 1000,
};

struct output_block {
	uint32_t end; /* in the buffer */
	bool is_record;
	bool is_last; /* of its packet */
};

struct output_counters {
	uint64_t records, packets, bytes; /* whole in the file */
};

struct output {
	int fd;          /* owned; -1: none */
	int interrupt;   /* borrowed: readable when waiting shall end; -1: never */
	int patience_ms; /* for a reader that does not read; -1: for ever */
	bool is_regular;
	bool is_named; /* was, when it was opened: a memfd never is */
	int error;     /* negative errno; 0: going on */
	off_t whole;   /* where the file ends, in it */
	uint8_t *data;
	size_t used;
	struct output_block *blocks;
	size_t n_blocks;
	struct output_counters counters; /* over all files that it was opened on */
};

/* 0 or -ENOMEM. */
int output_init(struct output *output, int interrupt);
/* Flushes and closes. */
void output_done(struct output *output);
/* Take fd; blocks go there from now on. A regular file is written from its present place, or from its
 * end (O_APPEND). */
void output_open(struct output *output, int fd);
/* Flush, and let go of the file. */
void output_close(struct output *output);

/* Return: room for n bytes (≤ OUTPUT_BUFFER_SIZE), or NULL when it has failed. */
uint8_t *output_room(struct output *output, size_t n);
/* n bytes of the room are a block. */
void output_commit(struct output *output, size_t n, bool is_record, bool is_last);
/* Return: 0, or the negative errno that ended it. */
int output_flush(struct output *output);

#endif
