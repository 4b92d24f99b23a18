/* SPDX-License-Identifier: MIT */
/* Log lines, to wherever the host program wants them. */
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/text.h"

enum { LINES_PER_WINDOW = 10, STDERR_PATIENCE_MS = 50 };
static const uint64_t window_ns = 1000000000;

static const char *const level_names[] = { "error", "warning", "info", "debug" };

/* Held while the sink runs: lines do not mix, and after log_set_sink the old sink is never run
 * again. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static log_sink_fn *present_sink;
static void *present_user;
/* -1 while there is no sink; read without the lock, so that an unwanted line costs one load. */
static atomic_int present_level = -1;

void log_set_sink(log_sink_fn *sink, enum log_level max_level, void *user)
{
	pthread_mutex_lock(&lock);
	present_sink = sink;
	present_user = user;
	atomic_store(&present_level, sink ? (int)max_level : -1);
	pthread_mutex_unlock(&lock);
}

static bool is_wanted(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&present_level, memory_order_relaxed);
}

static void give(enum log_level level, const char *line)
{
	pthread_mutex_lock(&lock);
	if (present_sink && is_wanted(level))
		present_sink(level, line, present_user);
	pthread_mutex_unlock(&lock);
}

void log_line(enum log_level level, const char *format, ...)
{
	int saved_errno = errno;
	char line[TEXT_MAX];
	va_list arguments;

	if (!is_wanted(level))
		return;
	va_start(arguments, format);
	text_format(line, sizeof(line), format, arguments);
	va_end(arguments);
	give(level, line);
	errno = saved_errno;
}

bool log_limit_pass(struct log_limit *limit, uint64_t now_ns)
{
	if (now_ns - limit->window_start_ns >= window_ns) {
		limit->window_start_ns = now_ns;
		limit->lines = 0;
	}
	if (limit->lines >= LINES_PER_WINDOW) {
		limit->suppressed++;
		return false;
	}
	limit->lines++;
	return true;
}

void log_limited(struct log_limit *limit, uint64_t now_ns, enum log_level level, const char *format,
		 ...)
{
	char line[TEXT_MAX];
	uint32_t more;
	va_list arguments;

	if (!is_wanted(level) || !log_limit_pass(limit, now_ns))
		return;
	va_start(arguments, format);
	text_format(line, sizeof(line), format, arguments);
	va_end(arguments);
	more = limit->suppressed;
	limit->suppressed = 0;
	if (more)
		log_line(level, "%s (%u more)", line, more);
	else
		log_line(level, "%s", line);
}

void log_to_stderr(enum log_level level, const char *line, void *user)
{
	/* syslog's numbers: error 3, warning 4, info 6, debug 7. */
	static const int priorities[] = { 3, 4, 6, 7 };
	struct pollfd out = { .fd = STDERR_FILENO, .events = POLLOUT };
	char text[TEXT_MAX + 16];
	int n;

	if (user)
		n = snprintf(text, sizeof(text), "<%d>%s\n", priorities[level], line);
	else
		n = snprintf(text, sizeof(text), "%s: %s\n", level_names[level], line);
	if (n <= 0)
		return;
	/* A line is shorter than PIPE_BUF, so that a pipe that is ready takes it whole; a reader
	 * that sleeps loses it. */
	if (poll(&out, 1, STDERR_PATIENCE_MS) == 1 && (out.revents & POLLOUT))
		if (write(STDERR_FILENO, text, MIN((size_t)n, sizeof(text) - 1)) < 0)
			return;
}

int log_level_parse(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(level_names); i++)
		if (strcmp(name, level_names[i]) == 0)
			return (int)i;
	return -EINVAL;
}
