/* SPDX-License-Identifier: MIT */
/* Numbers and words from text, the whole text or nothing. */
#ifndef BASE_PARSE_H
#define BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits only (no sign, space, 0x, underscore or leading zero but "0"). 0, -EINVAL, or
 * -ERANGE outside min … max. */
int parse_uint(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value);
/* "true" or "false". */
int parse_bool(const char *text, bool *ret_value);
/* The nearest of words within 3 edits (a swap of neighbours is one) and fewer than its length, or
 * NULL. */
const char *parse_nearest(const char *text, const char *const *words, size_t n);
/* Interface names: 1 … 15 bytes of [A-Za-z0-9._-], not "." or "..". */
bool parse_is_interface_name(const char *text);
/* Names of peers and instances: 1 … 63 of [A-Za-z0-9._-], not beginning with '.' or '-'. */
bool parse_is_name(const char *text);

#endif
