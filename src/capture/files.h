/* SPDX-License-Identifier: MIT */
/* The files of a capture: made with care for what is there already. */
#ifndef CAPTURE_FILES_H
#define CAPTURE_FILES_H

struct lw_error;

/*
 * Make path anew, mode 0600, to be read and written. An old regular file is unlinked first, so that
 * its other names keep their content; a symbolic link (-ELOOP) and everything else that is not a
 * regular file (-EEXIST) is refused.
 */
int files_create(const char *path, int *ret_fd, struct lw_error *ret_error);

#endif
