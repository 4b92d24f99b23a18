/* SPDX-License-Identifier: MIT */
/* The files of a capture. */
#include "capture/files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <longwire/error.h>

#include "base/error.h"

static int remove_old(const char *path, struct lw_error *ret_error)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		return errno == ENOENT ? 0 : error_errno(ret_error, errno, "capture: %s", path);
	if (S_ISLNK(status.st_mode))
		return error_set(ret_error, -ELOOP, LW_DOMAIN_SYSTEM, ELOOP,
				 "capture: %s is a symbolic link; allowed is a regular file", path);
	if (!S_ISREG(status.st_mode))
		return error_set(ret_error, -EEXIST, LW_DOMAIN_SYSTEM, EEXIST,
				 "capture: %s exists and is not a regular file", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(ret_error, errno, "capture: %s", path);
	return 0;
}

int files_create(const char *path, int *ret_fd, struct lw_error *ret_error)
{
	int fd, r;

	r = remove_old(path, ret_error);
	if (r < 0)
		return r;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return error_errno(ret_error, errno, "capture: %s", path);
	*ret_fd = fd;
	return 0;
}
