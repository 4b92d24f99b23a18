/* SPDX-License-Identifier: MIT */
/* Fields of control messages: typed reads from a tree that say what is wrong, and a tree written
 * into a unit's body. */
#ifndef WIRE_FIELD_H
#define WIRE_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lw_error;
struct tree;

/* Fill error with "MESSAGE: …". Return: -EBADMSG. */
int field_error(struct lw_error *error, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A number within min … max. Without the key: *ret_value is left as it is (its default) unless
 * is_required. 0 or -EBADMSG. */
enum field_presence { FIELD_OPTIONAL, FIELD_REQUIRED };

int field_uint(const struct tree *map, const char *key, enum field_presence presence, uint64_t min,
	       uint64_t max, uint32_t *ret_value, struct lw_error *error);
/* true or false; without the key *ret_value is left as it is. */
int field_bool(const struct tree *map, const char *key, bool *ret_value, struct lw_error *error);
/* *ret_text: borrowed from map, NULL without the key. */
int field_text(const struct tree *map, const char *key, enum field_presence presence,
	       const char **ret_text, struct lw_error *error);
/* *ret_list: borrowed from map, NULL without the key. A list of texts with at most max items. */
int field_texts(const struct tree *map, const char *key, size_t max, const struct tree **ret_list,
		struct lw_error *error);

/* Write map as JSON into data and free it (accepts NULL: -ENOMEM). Return: bytes, -ENOSPC or
 * -ENOMEM. */
int field_finish(struct tree *map, uint8_t *data, size_t size);

#endif
