/* SPDX-License-Identifier: MIT */
/* The tree of maps, lists and scalars that documents are read into and written from. */
#include "base/tree.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tree *tree_new(enum tree_kind kind)
{
	struct tree *tree = calloc(1, sizeof(*tree));

	if (tree)
		tree->kind = kind;
	return tree;
}

void tree_free(struct tree *tree)
{
	/* Children are put before the next sibling, so that no depth of a document is a depth of
	 * the stack. */
	if (tree)
		tree->next = NULL;
	while (tree) {
		struct tree *next = tree->next;

		if (tree->first) {
			tree->last->next = next;
			next = tree->first;
		}
		free(tree->key);
		free(tree->text);
		free(tree);
		tree = next;
	}
}

int tree_append(struct tree *parent, const char *key, struct tree *child)
{
	if (key) {
		child->key = strdup(key);
		if (!child->key) {
			tree_free(child);
			return -ENOMEM;
		}
	}
	child->next = NULL;
	if (parent->last)
		parent->last->next = child;
	else
		parent->first = child;
	parent->last = child;
	parent->n++;
	return 0;
}

const struct tree *tree_get(const struct tree *map, const char *key)
{
	if (!map || map->kind != TREE_MAP)
		return NULL;
	for_each_child(child, map)
		if (strcmp(child->key, key) == 0)
			return child;
	return NULL;
}

const char *tree_get_text(const struct tree *map, const char *key)
{
	const struct tree *child = tree_get(map, key);

	return child && child->kind == TREE_SCALAR ? child->text : NULL;
}

static int add_scalar(struct tree *parent, const char *key, const char *text,
		      enum tree_scalar scalar)
{
	struct tree *child = tree_new(TREE_SCALAR);

	if (!child)
		return -ENOMEM;
	child->scalar = scalar;
	child->text = strdup(text);
	if (!child->text) {
		tree_free(child);
		return -ENOMEM;
	}
	return tree_append(parent, key, child);
}

int tree_add_text(struct tree *parent, const char *key, const char *text)
{
	return add_scalar(parent, key, text, TREE_TEXT);
}

int tree_add_uint(struct tree *parent, const char *key, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, value);
	return add_scalar(parent, key, text, TREE_NUMBER);
}

int tree_add_int(struct tree *parent, const char *key, int64_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, value);
	return add_scalar(parent, key, text, TREE_NUMBER);
}

int tree_add_bool(struct tree *parent, const char *key, bool value)
{
	return add_scalar(parent, key, value ? "true" : "false", TREE_BOOL);
}

int tree_add_null(struct tree *parent, const char *key)
{
	return add_scalar(parent, key, "null", TREE_NULL);
}

static int add_branch(struct tree *parent, const char *key, enum tree_kind kind,
		      struct tree **ret_branch)
{
	struct tree *child = tree_new(kind);
	int r;

	if (!child)
		return -ENOMEM;
	r = tree_append(parent, key, child);
	if (r < 0)
		return r;
	*ret_branch = child;
	return 0;
}

int tree_add_map(struct tree *parent, const char *key, struct tree **ret_map)
{
	return add_branch(parent, key, TREE_MAP, ret_map);
}

int tree_add_list(struct tree *parent, const char *key, struct tree **ret_list)
{
	return add_branch(parent, key, TREE_LIST, ret_list);
}
