/* SPDX-License-Identifier: MIT */
/* What no two clients of a hub may have, found by sorting. */
#include "config/claims.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/schema.h"
#include "base/tree.h"
#include "config/rules.h"

enum claim_kind { CLAIM_NAME, CLAIM_PIN, CLAIM_ADDRESS, CLAIM_NETWORK };

struct claim {
	enum claim_kind kind;
	char key[64];   /* in one form, whatever the document's */
	char owner[64]; /* empty: the hub's interface */
	size_t order, file;
	uint32_t line, column;
};

int claims_begin_file(struct claims *claims, const char *file)
{
	char **files = reallocarray(claims->files, claims->n_files + 1, sizeof(*files));

	if (!files)
		return -ENOMEM;
	claims->files = files;
	files[claims->n_files] = strdup(file);
	if (!files[claims->n_files])
		return -ENOMEM;
	claims->n_files++;
	return 0;
}

static int grow(struct claims *claims)
{
	size_t size = claims->size ? 2 * claims->size : 64;
	struct claim *items;

	if (claims->n < claims->size)
		return 0;
	items = reallocarray(claims->items, size, sizeof(*items));
	if (!items)
		return -ENOMEM;
	claims->items = items;
	claims->size = size;
	return 0;
}

/* Into one form: "10.86.0.2" and "10.86.0.2/24" are the same address, a pin's '=' says nothing. */
static int normalise(enum claim_kind kind, const char *text, char *key, size_t size)
{
	struct ip_prefix prefix;
	char buffer[IP_PREFIX_TEXT_SIZE];

	switch (kind) {
	case CLAIM_NAME:
		snprintf(key, size, "%s", text);
		return rules_name(text) ? -EINVAL : 0;
	case CLAIM_PIN:
		snprintf(key, size, "%.50s", text);
		return rules_pin(text) ? -EINVAL : 0;
	case CLAIM_ADDRESS:
		if (ip_prefix_parse(text, &prefix) < 0)
			return -EINVAL;
		snprintf(key, size, "%s", ip_address_format(&prefix.address, buffer));
		return 0;
	case CLAIM_NETWORK:
		if (ip_prefix_parse(text, &prefix) < 0)
			return -EINVAL;
		snprintf(key, size, "%s", ip_prefix_format(&prefix, buffer));
		return 0;
	}
	return -EINVAL;
}

static int add(struct claims *claims, enum claim_kind kind, const char *text, const char *owner,
	       const struct tree *at)
{
	struct claim *claim;

	if (grow(claims) < 0)
		return -ENOMEM;
	claim = &claims->items[claims->n];
	memset(claim, 0, sizeof(*claim));
	if (normalise(kind, text, claim->key, sizeof(claim->key)) < 0)
		return 0;
	claim->kind = kind;
	snprintf(claim->owner, sizeof(claim->owner), "%s", owner);
	claim->order = claims->n++;
	claim->file = claims->n_files - 1;
	claim->line = at->line;
	claim->column = at->column;
	return 0;
}

/* A list of scalars, or one. */
static int add_all(struct claims *claims, enum claim_kind kind, const struct tree *values,
		   const char *owner)
{
	int r = 0;

	if (!values)
		return 0;
	if (values->kind == TREE_SCALAR)
		return add(claims, kind, values->text, owner, values);
	for_each_child(value, values)
		if (r == 0 && value->kind == TREE_SCALAR)
			r = add(claims, kind, value->text, owner, value);
	return r;
}

int claims_add_client(struct claims *claims, const char *name, const struct tree *entry)
{
	int r;

	r = add(claims, CLAIM_NAME, name, name, entry);
	if (r == 0)
		r = add_all(claims, CLAIM_PIN, tree_get(entry, "pin"), name);
	if (r == 0)
		r = add_all(claims, CLAIM_ADDRESS, tree_get(entry, "addresses"), name);
	if (r == 0)
		r = add_all(claims, CLAIM_NETWORK, tree_get(entry, "networks"), name);
	return r;
}

int claims_add_interface(struct claims *claims, const struct tree *addresses)
{
	return add_all(claims, CLAIM_ADDRESS, addresses, "");
}

static int compare(const void *a, const void *b)
{
	const struct claim *x = a, *y = b;
	int order;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	order = strcmp(x->key, y->key);
	if (order != 0)
		return order;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void refuse(const struct claims *claims, const struct claim *first,
		   const struct claim *second, struct schema_errors *errors)
{
	static const char *const keys[] = { "", ".pin", ".addresses", ".networks" };
	struct tree at = { .line = second->line, .column = second->column };
	const char *file = errors->file, *owner = first->owner;
	char path[96] = "interface.addresses";

	if (second->owner[0])
		snprintf(path, sizeof(path), "clients.%s%s", second->owner, keys[second->kind]);
	errors->file = claims->files[second->file];
	if (second->kind == CLAIM_NAME)
		schema_error(errors, &at, path, "this name is already used at %s:%u",
			     claims->files[first->file], first->line);
	else
		schema_error(errors, &at, path, "%s is already %s%s's (%s:%u)", second->key,
			     owner[0] ? "" : "the hub", owner, claims->files[first->file],
			     first->line);
	errors->file = file;
}

void claims_check(struct claims *claims, struct schema_errors *errors)
{
	if (claims->n == 0)
		return;
	qsort(claims->items, claims->n, sizeof(*claims->items), compare);
	for (size_t i = 1; i < claims->n; i++) {
		const struct claim *first = &claims->items[i - 1], *second = &claims->items[i];

		/* Twice in one client's own list is told where the list is read. */
		if (first->kind == second->kind && strcmp(first->key, second->key) == 0 &&
		    (first->kind == CLAIM_NAME || strcmp(first->owner, second->owner) != 0))
			refuse(claims, first, second, errors);
	}
}

void claims_done(struct claims *claims)
{
	for (size_t i = 0; i < claims->n_files; i++)
		free(claims->files[i]);
	free(claims->files);
	free(claims->items);
	*claims = (struct claims){ 0 };
}
