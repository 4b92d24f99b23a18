/* SPDX-License-Identifier: MIT */
/* JSON → tree → JSON → tree: what was read is written so that it is read again as the same. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/error.h>

#include "base/json.h"

#include "../support/trees.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned depth_of(const struct tree *tree)
{
	unsigned deepest = 0;

	for_each_child(child, tree) {
		unsigned depth = depth_of(child);

		deepest = depth > deepest ? depth : deepest;
	}
	return deepest + (tree->kind != TREE_SCALAR);
}

static void check_round_trip(const struct tree *tree, unsigned indent)
{
	struct tree *again;
	size_t length;
	char *text;

	if (json_write(tree, indent, &text, &length) != 0 || strlen(text) != length)
		abort();
	if (json_parse(text, length, &again, NULL) != 0 || !trees_equal(tree, again))
		abort();
	tree_free(again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lw_error error = { .domain = LW_DOMAIN_NONE };
	struct tree *tree = NULL;
	int r = json_parse(data, size, &tree, &error);

	if (r != 0) {
		if (r != -EBADMSG || tree || !error.text[0])
			abort();
		return 0;
	}
	if (tree->kind != TREE_MAP || depth_of(tree) > TREE_JSON_DEPTH_MAX)
		abort();
	check_round_trip(tree, 0);
	check_round_trip(tree, 2);
	tree_free(tree);
	return 0;
}
