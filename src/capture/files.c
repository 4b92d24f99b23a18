/* SPDX-License-Identifier: MIT */
/* The files of a capture. */
#include "capture/files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/parse.h"
#include "capture/format.h"

enum { DIGITS = 5, NAME_SIZE = 320 };

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

enum { CREATE_FLAGS = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC };

int files_create(const char *path, int *ret_fd, struct lw_error *ret_error)
{
	int fd, r;

	r = remove_old(path, ret_error);
	if (r < 0)
		return r;
	fd = open(path, CREATE_FLAGS, 0600);
	if (fd < 0)
		return error_errno(ret_error, errno, "capture: %s", path);
	*ret_fd = fd;
	return 0;
}

/* ---- In turn */

static void write_name(const struct files *files, const struct files_name *name,
		       char text[NAME_SIZE])
{
	snprintf(text, NAME_SIZE, "%s_%0*u_%s%s", files->stem, DIGITS, name->number, name->time,
		 files->ending);
}

static bool is_time(const char *text)
{
	for (size_t i = 0; i < FILES_TIME_SIZE - 1; i++)
		if (i == 8 ? text[i] != 'T' : text[i] < '0' || text[i] > '9')
			return false;
	return text[FILES_TIME_SIZE - 1] == '\0';
}

/* Whether text is the name of one of these files. */
static bool parse_name(const struct files *files, const char *text, struct files_name *ret_name)
{
	size_t stem = strlen(files->stem), length = strlen(text), ending = strlen(files->ending);
	char middle[32], *end;
	uint64_t number;

	if (length < stem + 1 + ending || length - stem - 1 - ending >= sizeof(middle) ||
	    strncmp(text, files->stem, stem) != 0 || text[stem] != '_' ||
	    strcmp(text + length - ending, files->ending) != 0)
		return false;
	memset(middle, 0, sizeof(middle));
	memcpy(middle, text + stem + 1, length - stem - 1 - ending);
	end = strchr(middle, '_');
	if (!end || end - middle < DIGITS || !is_time(end + 1))
		return false;
	*end = '\0';
	if (parse_uint(middle + strspn(middle, "0"), 1, UINT32_MAX - 1, &number) < 0)
		return false;
	ret_name->number = (uint32_t)number;
	memcpy(ret_name->time, end + 1, sizeof(ret_name->time));
	return true;
}

static void remove_oldest(struct files *files)
{
	char text[NAME_SIZE];

	write_name(files, &files->names[0], text);
	/* One that somebody else removed is gone as well. */
	(void)unlinkat(files->folder, text, 0);
	memmove(files->names, files->names + 1, --files->n * sizeof(*files->names));
}

/* Kept in order of their numbers; when there are too many the oldest goes. */
static void adopt(struct files *files, const struct files_name *name)
{
	uint32_t i = files->n++;

	for (; i > 0 && files->names[i - 1].number > name->number; i--)
		files->names[i] = files->names[i - 1];
	files->names[i] = *name;
	if (name->number >= files->next)
		files->next = name->number + 1;
	if (files->n > files->max)
		remove_oldest(files);
}

static int find_left(struct files *files)
{
	int fd = openat(files->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *folder = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	struct files_name name;

	if (!folder) {
		int r = -errno;

		close_fd(&fd);
		return r;
	}
	while ((entry = readdir(folder)))
		if (parse_name(files, entry->d_name, &name))
			adopt(files, &name);
	closedir(folder);
	return 0;
}

/* Half a record at its end is what a killed process left. */
static void mend_newest(const struct files *files)
{
	_cleanup_close_ int fd = -1;
	char text[NAME_SIZE];

	if (files->n == 0)
		return;
	write_name(files, &files->names[files->n - 1], text);
	fd = openat(files->folder, text, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0)
		(void)format_mend(fd); /* else it is as readable as it was */
}

static int open_folder(struct files *files, const char *path, size_t length)
{
	char *folder = strndup(path, length);

	if (!folder)
		return -ENOMEM;
	files->folder = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(folder);
	/* A recorder makes its first file much later: what can be known is said now. */
	if (files->folder < 0 || faccessat(files->folder, ".", W_OK | X_OK, AT_EACCESS) < 0)
		return -errno;
	return 0;
}

/* path = folder/stem.ending */
static int split(struct files *files, const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	const char *dot = strrchr(base, '.');

	if (!dot || dot == base)
		dot = base + strlen(base);
	files->stem = strndup(base, (size_t)(dot - base));
	files->ending = strdup(dot);
	files->names = calloc(files->max + 1, sizeof(*files->names));
	if (!files->stem || !files->ending || !files->names)
		return -ENOMEM;
	if (*base == '\0' || strlen(base) > 200)
		return -ENAMETOOLONG;
	return open_folder(files, slash ? path : "./", slash ? (size_t)(slash - path) + 1 : 2);
}

int files_open(const char *path, uint32_t max, struct files **ret_files, struct lw_error *ret_error)
{
	struct files *files = calloc(1, sizeof(*files));
	int r;

	if (!files)
		return error_errno(ret_error, ENOMEM, "capture: %s", path);
	files->folder = -1;
	files->max = max;
	files->next = 1;
	r = split(files, path);
	if (r == 0)
		r = find_left(files);
	if (r < 0) {
		files_close(files);
		return error_errno(ret_error, -r, "capture: %s", path);
	}
	mend_newest(files);
	*ret_files = files;
	return 0;
}

void files_close(struct files *files)
{
	if (!files)
		return;
	close_fd(&files->folder);
	free(files->stem);
	free(files->ending);
	free(files->names);
	free(files);
}

int files_next(struct files *files)
{
	struct files_name *name;
	time_t now = time(NULL);
	char text[NAME_SIZE];
	struct tm utc;
	int fd;

	while (files->n >= files->max)
		remove_oldest(files);
	name = &files->names[files->n];
	name->number = files->next;
	gmtime_r(&now, &utc);
	strftime(name->time, sizeof(name->time), "%Y%m%dT%H%M%S", &utc);
	write_name(files, name, text);
	fd = openat(files->folder, text, CREATE_FLAGS, 0600);
	if (fd < 0)
		return -errno;
	files->n++;
	files->next++;
	return fd;
}

void files_undo(struct files *files)
{
	char text[NAME_SIZE];

	write_name(files, &files->names[--files->n], text);
	(void)unlinkat(files->folder, text, 0);
}
