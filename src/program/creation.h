/* SPDX-License-Identifier: MIT */
/* Files made together: all of them, or none. Nothing that was there before is overwritten or
 * removed. */
#ifndef PROGRAM_CREATION_H
#define PROGRAM_CREATION_H

#include <stddef.h>
#include <sys/types.h>

struct lw_error;

enum { CREATION_MAX = 256 };

struct creation {
	struct {
		char *path;
		int is_folder;
	} made[CREATION_MAX];
	size_t n;
};

/* A folder that may be there already; then it is not ours. */
int creation_folder(struct creation *creation, const char *path, mode_t mode,
		    struct lw_error *ret_error);
/* A file that may not be there: -EEXIST. */
int creation_file(struct creation *creation, const char *path, mode_t mode, const char *text,
		  size_t length, struct lw_error *ret_error);
/* Remove what was made, the last first. */
void creation_undo(struct creation *creation);
/* It stays. */
void creation_done(struct creation *creation);

#endif
