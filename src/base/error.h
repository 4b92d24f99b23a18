/* SPDX-License-Identifier: MIT */
/* Filling struct lw_error where the cause is known. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <longwire/error.h>

/*
 * Fill *error (which may be NULL) and return result, so that one line says and returns the failure:
 *	return error_set(e, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL, "%s: no such key", path);
 * Text that does not fit is cut; control characters in it become '?'.
 */
int error_set(struct lw_error *error, int result, enum lw_error_domain domain, int code,
	      const char *format, ...) LW_PRINTF(5, 6);

/* Domain SYSTEM with errno value code > 0; ": strerror" is appended. Return: -code. */
int error_errno(struct lw_error *error, int code, const char *format, ...) LW_PRINTF(3, 4);

#endif
