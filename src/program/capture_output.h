/* SPDX-License-Identifier: MIT */
/*
 * Where a command's capture goes.
 *
 * A regular file is made under a name of its own and takes the name that was asked for only when
 * that is certain to be of use, so that a refusal leaves an old file as it was. A signal that ends the
 * command before that removes it; one that cannot be caught leaves FILE. and six letters. Everything
 * else that can be written to (a FIFO, a device) is opened as it is.
 */
#ifndef PROGRAM_CAPTURE_OUTPUT_H
#define PROGRAM_CAPTURE_OUTPUT_H

#include <stdbool.h>

struct lw_error;

struct capture_output {
	const char *path; /* "-": standard output, which must not be a terminal */
	char *made;       /* the name that it has until it may have its own; NULL: it has */
	int fd;
};

/* 0, or a negative errno with a sentence. */
int capture_output_open(struct capture_output *output, const char *path,
			struct lw_error *ret_error);
/* Let it have its name. */
int capture_output_keep(struct capture_output *output, struct lw_error *ret_error);
/* What was not kept is removed. Idempotent. */
void capture_output_close(struct capture_output *output);
bool capture_output_is_standard(const struct capture_output *output);

#endif
