/* SPDX-License-Identifier: MIT */
/*
 * The files of a capture: made with care for what is there already; one, or some in turn.
 *
 * Theory of operation. A turn of files is a folder, the two halves of a name, and a count. Each file
 * is named STEM_NUMBER_TIME.ENDING, so that an `ls` sorts them by age; numbers count on. At most
 * that many exist: before one is made the oldest go, and those that an earlier run left are counted
 * from the beginning, so that a service that dies again and again fills no disk. Of these the newest
 * may end in half a record, which is cut off. Files are found by exactly such names, and nothing
 * else is touched. The folder is opened once: who moves it moves the capture.
 */
#ifndef CAPTURE_FILES_H
#define CAPTURE_FILES_H

#include <stdint.h>
#include <sys/types.h>

struct lw_error;

/*
 * Make path anew, mode 0600, to be read and written. An old regular file is unlinked first, so that
 * its other names keep their content; a symbolic link (-ELOOP) and everything else that is not a
 * regular file (-EEXIST) is refused.
 */
int files_create(const char *path, int *ret_fd, struct lw_error *ret_error);

enum { FILES_TIME_SIZE = 16 }; /* 20261122T010203 */

struct files_name {
	uint32_t number;
	char time[FILES_TIME_SIZE];
};

struct files {
	int folder;
	char *stem, *ending; /* "c", ".pcapng" */
	struct files_name *names;
	uint32_t n, max, next; /* names that exist, oldest first; the next number */
};

/* 0, or a negative errno, with an error that names the folder. */
int files_open(const char *path, uint32_t max, struct files **ret_files,
	       struct lw_error *ret_error);
void files_close(struct files *files);
/* Make room, then the next file. Return: a descriptor or a negative errno. */
int files_next(struct files *files);
/* Remove the newest again, which has nothing in it. */
void files_undo(struct files *files);

#endif
