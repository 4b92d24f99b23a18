/* SPDX-License-Identifier: MIT */
/* Whether two trees say the same, places aside. */
#ifndef SUPPORT_TREES_H
#define SUPPORT_TREES_H

#include <stdbool.h>
#include <string.h>

#include "base/tree.h"

static inline bool trees_equal_text(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static inline bool trees_equal(const struct tree *a, const struct tree *b)
{
	const struct tree *x, *y;

	if (a->kind != b->kind || a->scalar != b->scalar || a->n != b->n ||
	    !trees_equal_text(a->key, b->key) || !trees_equal_text(a->text, b->text))
		return false;
	for (x = a->first, y = b->first; x && y; x = x->next, y = y->next)
		if (!trees_equal(x, y))
			return false;
	return !x && !y;
}

#endif
