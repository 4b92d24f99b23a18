/* SPDX-License-Identifier: MIT */
/* Whole files, read within limits and with care for what they are. */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stddef.h>
#include <sys/types.h>

struct lw_error;

enum file_trust {
	FILE_ANY = 0,    /* readable by us is enough */
	FILE_CONFIG = 1, /* owned by root or us, not writable by group or others */
	FILE_SECRET = 2, /* the same, and not readable by group or others */
};

/*
 * Read a regular file of at most max bytes. Never blocks on FIFOs or devices (they are refused);
 * symbolic links are followed for FILE_ANY and FILE_CONFIG only. *ret_data is malloc'd with a NUL
 * behind it (not counted); erase secrets with memory_erase before free. Errors name the file and
 * what is allowed. 0 or a negative errno.
 */
int file_read(const char *path, size_t max, enum file_trust trust, char **ret_data,
	      size_t *ret_length, struct lw_error *ret_error);

/*
 * Create path with the mode, which must not exist (-EEXIST), and write all of it, synced; on
 * failure nothing is left.
 */
int file_create(const char *path, mode_t mode, const void *data, size_t length,
		struct lw_error *ret_error);

#endif
