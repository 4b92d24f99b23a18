/* SPDX-License-Identifier: MIT */
/* Filling struct lw_error. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

int error_set(struct lw_error *error, int result, enum lw_error_domain domain, int code,
	      const char *format, ...)
{
	va_list arguments;

	if (!error)
		return result;
	va_start(arguments, format);
	text_format(error->text, sizeof(error->text), format, arguments);
	va_end(arguments);
	error->domain = domain;
	error->code = code;
	return result;
}

int error_errno(struct lw_error *error, int code, const char *format, ...)
{
	char what[LW_ERROR_TEXT_SIZE];
	char why[128];
	va_list arguments;

	if (!error)
		return -code;
	va_start(arguments, format);
	text_format(what, sizeof(what), format, arguments);
	va_end(arguments);
	return error_set(error, -code, LW_DOMAIN_SYSTEM, code, "%s: %s", what,
			 strerror_r(code, why, sizeof(why)));
}
