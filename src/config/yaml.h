/* SPDX-License-Identifier: MIT */
/*
 * YAML to tree, by libyaml's event API: the only place that names it.
 *
 * Refused with place and reason: aliases, anchors, tags, directives, a second document, duplicate
 * keys, keys that are not scalars, NUL, depth over TREE_DEPTH_MAX (libyaml is quadratic in depth,
 * so parsing stops there), more than TREE_NODES_MAX nodes, an empty document, a top level that is
 * not a map.
 */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include <stddef.h>

struct schema_errors;
struct tree;

/* 0, -EINVAL with errors appended, -ENOMEM. */
int yaml_parse(const char *data, size_t length, struct tree **ret_tree,
	       struct schema_errors *errors);

#endif
