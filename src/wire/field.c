/* SPDX-License-Identifier: MIT */
/* Fields of control messages, to and from trees. */
#include "wire/field.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/parse.h"
#include "base/tree.h"

int field_error(struct lw_error *error, const char *format, ...)
{
	char text[LW_ERROR_TEXT_SIZE];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	return error_set(error, -EBADMSG, LW_DOMAIN_SYSTEM, EBADMSG, "%s", text);
}

int field_uint(const struct tree *map, const char *key, enum field_presence presence, uint64_t min,
	       uint64_t max, uint32_t *ret_value, struct lw_error *error)
{
	const struct tree *node = tree_get(map, key);
	uint64_t value;

	if (!node && presence == FIELD_OPTIONAL)
		return 0;
	if (!node)
		return field_error(error, "%s is missing", key);
	if (node->kind != TREE_SCALAR || node->scalar != TREE_NUMBER ||
	    parse_uint(node->text, min, max, &value) < 0)
		return field_error(error, "%s is not a number from %llu to %llu", key,
				   (unsigned long long)min, (unsigned long long)max);
	*ret_value = (uint32_t)value;
	return 0;
}

int field_bool(const struct tree *map, const char *key, bool *ret_value, struct lw_error *error)
{
	const struct tree *node = tree_get(map, key);

	if (!node)
		return 0;
	if (node->kind != TREE_SCALAR || node->scalar != TREE_BOOL ||
	    parse_bool(node->text, ret_value) < 0)
		return field_error(error, "%s is not true or false", key);
	return 0;
}

static bool is_text(const struct tree *node)
{
	return node->kind == TREE_SCALAR && node->scalar == TREE_TEXT;
}

int field_text(const struct tree *map, const char *key, enum field_presence presence,
	       const char **ret_text, struct lw_error *error)
{
	const struct tree *node = tree_get(map, key);

	if (!node && presence == FIELD_REQUIRED)
		return field_error(error, "%s is missing", key);
	if (node && !is_text(node))
		return field_error(error, "%s is not a text", key);
	*ret_text = node ? node->text : NULL;
	return 0;
}

int field_texts(const struct tree *map, const char *key, size_t max, const struct tree **ret_list,
		struct lw_error *error)
{
	const struct tree *node = tree_get(map, key);

	if (!node) {
		*ret_list = NULL;
		return 0;
	}
	if (node->kind != TREE_LIST)
		return field_error(error, "%s is not a list", key);
	if (node->n > max)
		return field_error(error, "%s has %zu items, more than %zu", key, node->n, max);
	for_each_child(child, node)
		if (!is_text(child))
			return field_error(error, "%s has an item that is not a text", key);
	*ret_list = node;
	return 0;
}

int field_finish(struct tree *map, uint8_t *data, size_t size)
{
	_cleanup_free_ char *text = NULL;
	size_t length;
	int r;

	if (!map)
		return -ENOMEM;
	r = json_write(map, 0, &text, &length);
	tree_free(map);
	if (r < 0)
		return r;
	if (length > size)
		return -ENOSPC;
	memcpy(data, text, length);
	return (int)length;
}
