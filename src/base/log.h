/* SPDX-License-Identifier: MIT */
/*
 * Log lines of the control path. The packet path never logs. One failure, one line, written by
 * whoever decides what happens next. A cause that can be triggered from outside logs through
 * log_limited().
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <longwire/api.h>

enum log_level { LOG_LEVEL_ERROR = 0, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Lines go to sink(level, line without newline, user); NULL: nowhere (a library is silent by
 * default). Any thread. */
typedef void log_sink_fn(enum log_level level, const char *line, void *user);
void log_set_sink(log_sink_fn *sink, enum log_level max_level, void *user);
/* The program's sink: "level: line" to stderr (with journald priorities "<3>" when user is
 * non-NULL). Never blocks for ever. */
log_sink_fn log_to_stderr;
/* Return: the level of "error" | "warning" | "info" | "debug", or -EINVAL. */
int log_level_parse(const char *name);

void log_line(enum log_level level, const char *format, ...) LW_PRINTF(2, 3);
#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* At most 10 lines a second for each cause; what was left out is told in the next line ("… (37
 * more)"). */
struct log_limit {
	uint64_t window_start_ns;
	uint32_t lines, suppressed;
};
/* Return: whether to log now; counts what is suppressed. */
bool log_limit_pass(struct log_limit *limit, uint64_t now_ns);
void log_limited(struct log_limit *limit, uint64_t now_ns, enum log_level level, const char *format,
		 ...) LW_PRINTF(4, 5);

#endif
