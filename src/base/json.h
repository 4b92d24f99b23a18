/* SPDX-License-Identifier: MIT */
/* JSON (RFC 8259) to and from trees, by jansson: the only place that names it. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include <stddef.h>

struct lw_error;
struct tree;

/*
 * Parse one document: UTF-8, no duplicate keys, no NUL inside strings, depth ≤ TREE_JSON_DEPTH_MAX,
 * top level a map. Numbers become their decimal text. 0, -EBADMSG (ret_error says where), or
 * -ENOMEM.
 */
int json_parse(const void *data, size_t length, struct tree **ret_tree, struct lw_error *ret_error);

/* Write compactly (indent 0) or for people. *ret_text is malloc'd and terminated. 0 or -ENOMEM. */
int json_write(const struct tree *tree, unsigned indent, char **ret_text, size_t *ret_length);

#endif
