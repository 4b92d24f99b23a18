/* SPDX-License-Identifier: MIT */
/* The errors of a document: collected as lines, in the order of reading. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/schema.h"
#include "base/text.h"
#include "base/tree.h"

enum { PATH_ROOM = 256 }; /* of a line, for where the error is */

static void line_format(char *text, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void line_format(char *text, size_t size, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	text_format(text, size, format, arguments);
	va_end(arguments);
}

static void add_line(struct schema_errors *errors, const char *line)
{
	size_t old = errors->text ? strlen(errors->text) : 0, length = strlen(line);
	char *text;

	if (errors->n++ >= SCHEMA_ERRORS_MAX)
		return;
	text = realloc(errors->text, old + length + 2);
	if (!text) {
		errors->no_memory = true;
		return;
	}
	snprintf(text + old, length + 2, "%s\n", line);
	errors->text = text;
}

void schema_error(struct schema_errors *errors, const struct tree *at, const char *path,
		  const char *format, ...)
{
	const char *within = errors->within ? errors->within : "";
	char message[TEXT_MAX - PATH_ROOM], place[32] = "", line[TEXT_MAX];
	va_list arguments;

	va_start(arguments, format);
	text_format(message, sizeof(message), format, arguments);
	va_end(arguments);
	if (at && at->line)
		snprintf(place, sizeof(place), ":%u:%u", at->line, at->column);
	if (!path || !path[0])
		line_format(line, sizeof(line), "%.400s%s: %s%s%s",
			    errors->file ? errors->file : "?", place, within, within[0] ? ": " : "",
			    message);
	else
		line_format(line, sizeof(line), "%.400s%s: %s%s%.200s: %s",
			    errors->file ? errors->file : "?", place, within, within[0] ? "." : "",
			    path, message);
	add_line(errors, line);
}

void schema_errors_done(struct schema_errors *errors)
{
	free(errors->text);
	errors->text = NULL;
	errors->n = 0;
	errors->no_memory = false;
}
