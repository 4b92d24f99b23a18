/* SPDX-License-Identifier: MIT */
/* Files made together. */
#include "program/creation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

/* Room for one more, before it is made: what cannot be remembered could not be undone. */
static int remember(struct creation *creation, const char *path, int is_folder,
		    struct lw_error *error)
{
	char *copy;

	if (creation->n == CREATION_MAX)
		return error_errno(error, ENOSPC, "%s: too many files at once", path);
	copy = strdup(path);
	if (!copy)
		return error_errno(error, ENOMEM, "%s", path);
	creation->made[creation->n].path = copy;
	creation->made[creation->n++].is_folder = is_folder;
	return 0;
}

static void forget(struct creation *creation)
{
	free(creation->made[--creation->n].path);
}

int creation_folder(struct creation *creation, const char *path, mode_t mode,
		    struct lw_error *ret_error)
{
	int r = remember(creation, path, 1, ret_error);
	struct stat st;

	if (r < 0 || mkdir(path, mode) == 0)
		return r;
	r = errno;
	forget(creation);
	if (r == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	return error_errno(ret_error, r, "cannot make %s", path);
}

int creation_file(struct creation *creation, const char *path, mode_t mode, const char *text,
		  size_t length, struct lw_error *ret_error)
{
	int r = remember(creation, path, 0, ret_error);

	if (r < 0)
		return r;
	r = file_create(path, mode, text, length, ret_error);
	if (r < 0)
		forget(creation);
	return r;
}

void creation_undo(struct creation *creation)
{
	while (creation->n > 0) {
		const char *path = creation->made[creation->n - 1].path;

		/* A folder that somebody used meanwhile stays: it is not empty. */
		if (creation->made[creation->n - 1].is_folder)
			rmdir(path);
		else
			unlink(path);
		forget(creation);
	}
}

void creation_done(struct creation *creation)
{
	while (creation->n > 0)
		forget(creation);
}
