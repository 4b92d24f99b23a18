/* SPDX-License-Identifier: MIT */
/*
 * The tree that YAML and JSON are read into, and that JSON is written from.
 *
 * Scalars are text until a schema reads them: "010" is no number and "no" no boolean before a row
 * says so. Each node knows its place, so that every later error can name it. Nodes are owned by
 * their tree and freed with it.
 */
#ifndef BASE_TREE_H
#define BASE_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tree_kind { TREE_SCALAR = 1, TREE_LIST, TREE_MAP };

/* What the writer of JSON puts around a scalar; readers of YAML always say TREE_TEXT. */
enum tree_scalar { TREE_TEXT = 0, TREE_NUMBER, TREE_BOOL, TREE_NULL };

struct tree {
	enum tree_kind kind;
	enum tree_scalar scalar;
	uint32_t line, column; /* 1-based; 0: unknown (JSON) */
	char *key;             /* in a map; else NULL */
	uint32_t key_line, key_column;
	char *text;                /* scalars; NUL-terminated, no NUL inside */
	struct tree *first, *next; /* children in order; siblings */
	struct tree *last;
	size_t n; /* children */
};

enum { TREE_DEPTH_MAX = 16, TREE_JSON_DEPTH_MAX = 8, TREE_NODES_MAX = 100000 };

struct tree *tree_new(enum tree_kind kind); /* NULL: no memory */
void tree_free(struct tree *tree);
/* Append child (owned from then on, also on failure) under key (copied; NULL in lists). 0 or
 * -ENOMEM. */
int tree_append(struct tree *parent, const char *key, struct tree *child);
/* Return: the child of a map by key, or NULL. */
const struct tree *tree_get(const struct tree *map, const char *key);
/* Return: the text of a scalar child, or NULL. */
const char *tree_get_text(const struct tree *map, const char *key);

/* Builders for writing; each returns 0 or -ENOMEM. key NULL in lists. */
int tree_add_text(struct tree *parent, const char *key, const char *text);
int tree_add_uint(struct tree *parent, const char *key, uint64_t value);
int tree_add_int(struct tree *parent, const char *key, int64_t value);
int tree_add_bool(struct tree *parent, const char *key, bool value);
int tree_add_null(struct tree *parent, const char *key);
int tree_add_map(struct tree *parent, const char *key, struct tree **ret_map);
int tree_add_list(struct tree *parent, const char *key, struct tree **ret_list);

#define for_each_child(child, parent) \
	for (const struct tree *child = (parent)->first; child; child = child->next)

#endif
