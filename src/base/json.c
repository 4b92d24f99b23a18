/* SPDX-License-Identifier: MIT */
/* JSON to and from trees, by jansson. */
#include "base/json.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/tree.h"

/* Nodes and depth that a document may still use. */
struct budget {
	size_t nodes;
	unsigned depth;
};

static int from_json(const json_t *json, struct budget *budget, struct tree **ret_tree);

static int fill_map(const json_t *json, struct budget *budget, struct tree *map)
{
	/* jansson's iteration macros want a mutable pointer; nothing is changed through it. */
	json_t *object = (json_t *)(uintptr_t)json;
	const char *key;
	json_t *value;
	int r;

	json_object_foreach(object, key, value)
	{
		struct tree *child;

		r = from_json(value, budget, &child);
		if (r < 0)
			return r;
		r = tree_append(map, key, child);
		if (r < 0)
			return r;
	}
	return 0;
}

static int fill_list(const json_t *json, struct budget *budget, struct tree *list)
{
	int r;

	for (size_t i = 0; i < json_array_size(json); i++) {
		struct tree *child;

		r = from_json(json_array_get(json, i), budget, &child);
		if (r < 0)
			return r;
		r = tree_append(list, NULL, child);
		if (r < 0)
			return r;
	}
	return 0;
}

static int fill_scalar(const json_t *json, struct tree *scalar)
{
	if (json_is_string(json)) {
		scalar->scalar = TREE_TEXT;
		scalar->text = strdup(json_string_value(json));
	} else {
		scalar->scalar = json_is_number(json)    ? TREE_NUMBER
				 : json_is_boolean(json) ? TREE_BOOL
							 : TREE_NULL;
		scalar->text = json_dumps(json, JSON_ENCODE_ANY);
	}
	return scalar->text ? 0 : -ENOMEM;
}

static int from_json(const json_t *json, struct budget *budget, struct tree **ret_tree)
{
	bool is_map = json_is_object(json), is_list = json_is_array(json);
	struct tree *tree;
	int r;

	if (budget->nodes == 0 || (budget->depth == 0 && (is_map || is_list)))
		return -E2BIG;
	tree = tree_new(is_map ? TREE_MAP : is_list ? TREE_LIST : TREE_SCALAR);
	if (!tree)
		return -ENOMEM;
	budget->nodes--;
	if (is_map || is_list) {
		budget->depth--;
		r = is_map ? fill_map(json, budget, tree) : fill_list(json, budget, tree);
		budget->depth++;
	} else {
		r = fill_scalar(json, tree);
	}
	if (r < 0) {
		tree_free(tree);
		return r;
	}
	*ret_tree = tree;
	return 0;
}

static int refuse(struct lw_error *ret_error, const char *reason)
{
	return error_set(ret_error, -EBADMSG, LW_DOMAIN_SYSTEM, EBADMSG, "JSON: %s", reason);
}

/*
 * Whether no bracket stands deeper than we take. jansson itself would go 2048 deep before saying
 * no, and a peer should not choose how much of the stack is used.
 */
static bool is_shallow(const char *data, size_t length)
{
	bool in_string = false;
	unsigned depth = 0;

	for (size_t i = 0; i < length; i++) {
		if (in_string && data[i] == '\\')
			i++;
		else if (data[i] == '"')
			in_string = !in_string;
		else if (!in_string && (data[i] == '[' || data[i] == '{') &&
			 ++depth > TREE_JSON_DEPTH_MAX)
			return false;
		else if (!in_string && (data[i] == ']' || data[i] == '}') && depth > 0)
			depth--;
	}
	return true;
}

int json_parse(const void *data, size_t length, struct tree **ret_tree, struct lw_error *ret_error)
{
	struct budget budget = { .nodes = TREE_NODES_MAX, .depth = TREE_JSON_DEPTH_MAX };
	json_error_t error;
	json_t *json;
	int r;

	if (!is_shallow(data, length))
		return refuse(ret_error, "nested too deeply");
	json = json_loadb(data, length, JSON_REJECT_DUPLICATES, &error);
	if (!json) {
		if (json_error_code(&error) == json_error_out_of_memory)
			return -ENOMEM;
		if (json_error_code(&error) == json_error_null_character)
			return refuse(ret_error, "a NUL character in a string or key");
		return error_set(ret_error, -EBADMSG, LW_DOMAIN_SYSTEM, EBADMSG,
				 "JSON: %s, at byte %d", error.text, error.position);
	}
	if (!json_is_object(json))
		r = refuse(ret_error, "the top level must be an object");
	else
		r = from_json(json, &budget, ret_tree);
	json_decref(json);
	return r == -E2BIG ? refuse(ret_error, "too many values, or nested too deeply") : r;
}

/* Length of the well-formed UTF-8 sequence at p (RFC 3629), or 0. */
static size_t sequence_length(const unsigned char *p)
{
	unsigned min = 0x80, max = 0xbf;
	size_t length;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	length = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		min = 0xa0;
	else if (p[0] == 0xed)
		max = 0x9f;
	else if (p[0] == 0xf0)
		min = 0x90;
	else if (p[0] == 0xf4)
		max = 0x8f;
	if (p[1] < min || p[1] > max)
		return 0;
	for (size_t i = 2; i < length; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return length;
}

/* A string for text that came from anywhere: bytes that are no UTF-8 become U+FFFD. NULL: no
 * memory. */
static json_t *to_string(const char *text)
{
	static const char replacement[] = "\xef\xbf\xbd";
	char *clean = malloc(3 * strlen(text) + 1);
	json_t *string;
	size_t n = 0;

	if (!clean)
		return NULL;
	while (*text) {
		size_t length = sequence_length((const unsigned char *)text);

		memcpy(clean + n, length ? text : replacement, length ? length : 3);
		n += length ? length : 3;
		text += length ? length : 1;
	}
	string = json_stringn_nocheck(clean, n);
	free(clean);
	return string;
}

static json_t *to_scalar(const struct tree *scalar)
{
	json_t *number;

	switch (scalar->scalar) {
	case TREE_NULL:
		return json_null();
	case TREE_BOOL:
		return json_boolean(scalar->text[0] == 't');
	case TREE_NUMBER:
		/* What jansson cannot hold (beyond 63 bits) is told as text, not as something near
		 * it. */
		number = json_loads(scalar->text, JSON_DECODE_ANY, NULL);
		return number ? number : to_string(scalar->text);
	case TREE_TEXT:
		break;
	}
	return to_string(scalar->text);
}

static json_t *to_json(const struct tree *tree)
{
	json_t *json;

	if (tree->kind == TREE_SCALAR)
		return to_scalar(tree);
	json = tree->kind == TREE_MAP ? json_object() : json_array();
	if (!json)
		return NULL;
	for_each_child(child, tree) {
		json_t *value = to_json(child);
		int r;

		/* Both take the value over, also when they fail. */
		if (tree->kind == TREE_MAP)
			r = json_object_set_new_nocheck(json, child->key, value);
		else
			r = json_array_append_new(json, value);
		if (r < 0) {
			json_decref(json);
			return NULL;
		}
	}
	return json;
}

int json_write(const struct tree *tree, unsigned indent, char **ret_text, size_t *ret_length)
{
	size_t flags = JSON_ENCODE_ANY | (indent ? JSON_INDENT(indent) : JSON_COMPACT);
	json_t *json = to_json(tree);
	char *text;

	if (!json)
		return -ENOMEM;
	text = json_dumps(json, flags);
	json_decref(json);
	if (!text)
		return -ENOMEM;
	*ret_text = text;
	*ret_length = strlen(text);
	return 0;
}
