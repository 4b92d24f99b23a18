/* SPDX-License-Identifier: MIT */
/* The key log: a line for each secret, appended. */
#include "tls/key_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/memory.h"

enum {
	LABEL_MAX = 40,
	/* a line break to end what was cut short, label, random, secret, two blanks, line break */
	LINE_MAX_SIZE = 1 + LABEL_MAX + 2 * KEY_LOG_RANDOM_SIZE + 2 * KEY_LOG_SECRET_MAX + 3,
};

struct key_log {
	int fd;
	bool is_torn; /* the last line has no end */
	atomic_uint_fast64_t lines, failed;
	atomic_int error;
};

static int refuse(struct lw_error *error, int code, const char *file, const char *why)
{
	return error_set(error, -code, LW_DOMAIN_SYSTEM, code, "key log: %s: %s", file, why);
}

static int judge(const struct stat *st, const char *file, struct lw_error *error)
{
	if (!S_ISREG(st->st_mode))
		return refuse(error, EINVAL, file, "is not a regular file");
	if (st->st_uid != 0 && st->st_uid != geteuid())
		return refuse(error, EPERM, file,
			      "belongs to somebody else; it must be root's or this user's");
	if (st->st_mode & 077)
		return refuse(error, EPERM, file,
			      "would hold secrets and is open to others; chmod 600 it");
	return 0;
}

/* Whether somebody was cut short before us. */
static bool ends_within_line(int fd, off_t size)
{
	char last = '\n';

	return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

int key_log_open(const char *file, struct key_log **ret_log, struct lw_error *ret_error)
{
	/* A FIFO without a reader must not hold us up before it is looked at. */
	int flags = O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
	_cleanup_close_ int fd = open(file, flags, 0600);
	struct key_log *log;
	struct stat st;
	int r;

	if (fd < 0 && errno == ELOOP)
		return refuse(ret_error, ELOOP, file,
			      "is a symbolic link; it must be the file itself");
	if (fd < 0 || fstat(fd, &st) < 0)
		return error_errno(ret_error, errno, "key log: %s", file);
	r = judge(&st, file, ret_error);
	if (r < 0)
		return r;
	log = calloc(1, sizeof(*log));
	if (!log)
		return error_errno(ret_error, ENOMEM, "key log: %s", file);
	log->is_torn = ends_within_line(fd, st.st_size);
	log->fd = take_fd(&fd);
	*ret_log = log;
	return 0;
}

void key_log_close(struct key_log *log)
{
	if (!log)
		return;
	close_fd(&log->fd);
	free(log);
}

static size_t put_hex(char *p, const uint8_t *data, size_t length)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < length; i++) {
		p[2 * i] = digits[data[i] >> 4];
		p[2 * i + 1] = digits[data[i] & 15];
	}
	return 2 * length;
}

/* All of it, in one go. 0 or an errno. */
static int append(struct key_log *log, const char *line, size_t length)
{
	struct stat st;
	ssize_t n;

	if (fstat(log->fd, &st) < 0)
		return errno;
	if (st.st_size + (off_t)length > KEY_LOG_SIZE_MAX)
		return EFBIG;
	do {
		n = write(log->fd, line, length);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno;
	if ((size_t)n == length) {
		log->is_torn = false;
		return 0;
	}
	/* Of one byte it may have been the end of the line before. */
	if (n > 0)
		log->is_torn = n > 1 || !log->is_torn;
	return ENOSPC;
}

void key_log_write(struct key_log *log, const char *label,
		   const uint8_t client_random[KEY_LOG_RANDOM_SIZE], const uint8_t *secret,
		   size_t length)
{
	char line[LINE_MAX_SIZE];
	size_t n = 0;
	int error;

	if (!log || length > KEY_LOG_SECRET_MAX || strlen(label) > LABEL_MAX)
		return;
	if (log->is_torn)
		line[n++] = '\n';
	n += (size_t)snprintf(line + n, sizeof(line) - n, "%s ", label);
	n += put_hex(line + n, client_random, KEY_LOG_RANDOM_SIZE);
	line[n++] = ' ';
	n += put_hex(line + n, secret, length);
	line[n++] = '\n';
	error = append(log, line, n);
	if (error) {
		log->failed++;
		log->error = error;
	} else {
		log->lines++;
	}
	memory_erase(line, sizeof(line));
}

void key_log_counters(const struct key_log *log, struct key_log_counters *ret_counters)
{
	*ret_counters = (struct key_log_counters){ 0 };
	if (!log)
		return;
	ret_counters->lines = log->lines;
	ret_counters->failed = log->failed;
	ret_counters->error = log->error;
}
