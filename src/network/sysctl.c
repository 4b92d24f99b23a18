/* SPDX-License-Identifier: MIT */
/* Kernel settings under /proc/sys. */
#include "network/sysctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"
#include "network/fault.h"

enum { FULL_PATH_SIZE = SYSCTL_PATH_SIZE + 16 };

static const char *full_path(const char *path, char full[FULL_PATH_SIZE])
{
	snprintf(full, FULL_PATH_SIZE, "/proc/sys/%s", path);
	return full;
}

bool sysctl_exists(const char *path)
{
	char full[FULL_PATH_SIZE];

	return access(full_path(path, full), F_OK) == 0;
}

int sysctl_read(const char *path, char ret_text[SYSCTL_TEXT_SIZE])
{
	char full[FULL_PATH_SIZE], text[SYSCTL_TEXT_SIZE];
	_cleanup_close_ int fd = -1;
	ssize_t n;
	int r = fault_check();

	if (r < 0)
		return r;
	fd = open(full_path(path, full), O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return -errno;
	text[n] = '\0';
	text[strcspn(text, "\n")] = '\0';
	memcpy(ret_text, text, sizeof(text));
	return 0;
}

int sysctl_write(const char *path, const char *text)
{
	char full[FULL_PATH_SIZE];
	_cleanup_close_ int fd = -1;
	int r = fault_check();

	if (r < 0)
		return r;
	fd = open(full_path(path, full), O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	return write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

int sysctl_check_writable(const char *path, const char *text, struct lw_error *ret_error)
{
	char full[FULL_PATH_SIZE];
	int code;

	if (access(full_path(path, full), W_OK) == 0)
		return 0;
	code = errno;
	/* Not there yet: an interface gets its IPv6 settings when its MTU allows it. */
	if (code == ENOENT)
		return 0;
	return error_set(ret_error, -code, LW_DOMAIN_SYSTEM, code,
			 "%s cannot be written (%s): make it writable, or set it to %s beforehand",
			 full, code == EROFS ? "/proc/sys is read-only" : strerror(code), text);
}
