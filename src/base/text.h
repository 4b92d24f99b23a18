/* SPDX-License-Identifier: MIT */
/* Text for people that may carry what strangers wrote: one line, nothing that a terminal would
 * obey. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * vsnprintf, then: control characters become '?', and a cut never leaves half a UTF-8 character.
 * size ≥ 1. The result is built beside text, so that text itself may be among the arguments. size ≤
 * TEXT_MAX.
 */
void text_format(char *text, size_t size, const char *format, va_list arguments)
	__attribute__((format(printf, 3, 0)));

enum { TEXT_MAX = 1024 };

#endif
