/* SPDX-License-Identifier: MIT */
/* Whole files, read within limits and with care for what they are. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

static int refuse(struct lw_error *error, int code, const char *path, const char *why)
{
	return error_set(error, -code, LW_DOMAIN_SYSTEM, code, "%s: %s", path, why);
}

static int judge(const struct stat *st, const char *path, size_t max, enum file_trust trust,
		 struct lw_error *ret_error)
{
	if (!S_ISREG(st->st_mode))
		return refuse(ret_error, EINVAL, path, "is not a regular file");
	if (st->st_size < 0 || (uintmax_t)st->st_size > max)
		return error_set(ret_error, -EFBIG, LW_DOMAIN_SYSTEM, EFBIG,
				 "%s: is larger than the %zu bytes allowed", path, max);
	if (trust == FILE_ANY)
		return 0;
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return refuse(ret_error, EPERM, path,
			      "belongs to somebody else; it must be root's or this user's");
	if (st->st_mode & 022)
		return refuse(ret_error, EPERM, path,
			      "can be written by others; allow its owner only (chmod go-w)");
	if (trust == FILE_SECRET && (st->st_mode & 077))
		return refuse(ret_error, EPERM, path,
			      "holds a secret and can be read by others; chmod 600 it");
	return 0;
}

/* Return: bytes read, at most size; or a negative errno. */
static ssize_t read_up_to(int descriptor, char *data, size_t size)
{
	size_t length = 0;

	while (length < size) {
		ssize_t n = read(descriptor, data + length, size - length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		length += (size_t)n;
	}
	return (ssize_t)length;
}

static int read_whole(int descriptor, const char *path, size_t expected, char **ret_data,
		      size_t *ret_length, struct lw_error *ret_error)
{
	/* One byte more than expected is asked for, so that a file that grows is noticed; it
	 * becomes the NUL. */
	char *data = malloc(expected + 1);
	ssize_t n;
	int r;

	if (!data)
		return error_errno(ret_error, ENOMEM, "%s", path);
	n = read_up_to(descriptor, data, expected + 1);
	if (n >= 0 && (size_t)n <= expected) {
		data[n] = '\0';
		*ret_data = data;
		*ret_length = (size_t)n;
		return 0;
	}
	r = n < 0 ? error_errno(ret_error, (int)-n, "%s", path)
		  : refuse(ret_error, EAGAIN, path, "changed while it was read");
	memory_erase(data, expected + 1);
	free(data);
	return r;
}

int file_read(const char *path, size_t max, enum file_trust trust, char **ret_data,
	      size_t *ret_length, struct lw_error *ret_error)
{
	/* Neither a FIFO without a writer nor a terminal may hold us up before it is looked at. */
	int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
	_cleanup_close_ int descriptor = -1;
	struct stat st;
	int r;

	descriptor = open(path, trust == FILE_SECRET ? flags | O_NOFOLLOW : flags);
	if (descriptor < 0 && errno == ELOOP && trust == FILE_SECRET)
		return refuse(ret_error, ELOOP, path,
			      "is a symbolic link; a secret must be the file itself");
	if (descriptor < 0)
		return error_errno(ret_error, errno, "%s", path);
	if (fstat(descriptor, &st) < 0)
		return error_errno(ret_error, errno, "%s", path);
	r = judge(&st, path, max, trust, ret_error);
	if (r < 0)
		return r;
	return read_whole(descriptor, path, (size_t)st.st_size, ret_data, ret_length, ret_error);
}

static int write_all(int descriptor, const char *data, size_t length)
{
	while (length > 0) {
		ssize_t n = write(descriptor, data, length);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		length -= (size_t)n;
	}
	return 0;
}

/* The name, too, must survive a power cut; file systems that cannot sync a folder are forgiven. */
static void sync_folder(const char *path)
{
	_cleanup_close_ int descriptor = -1;
	size_t length = strlen(path);
	char copy[PATH_MAX];

	if (length >= sizeof(copy))
		return;
	memcpy(copy, path, length + 1);
	descriptor = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (descriptor >= 0)
		(void)fsync(descriptor);
}

int file_create(const char *path, mode_t mode, const void *data, size_t length,
		struct lw_error *ret_error)
{
	int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
	int r;

	if (descriptor < 0)
		return error_errno(ret_error, errno, "%s", path);
	/* open() took the umask off; the caller's mode is meant as it is. */
	r = fchmod(descriptor, mode) < 0 ? -errno : write_all(descriptor, data, length);
	if (r == 0 && fsync(descriptor) < 0)
		r = -errno;
	if (close(descriptor) < 0 && r == 0)
		r = -errno;
	if (r < 0) {
		unlink(path);
		return error_errno(ret_error, -r, "%s", path);
	}
	sync_folder(path);
	return 0;
}
