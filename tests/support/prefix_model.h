/* SPDX-License-Identifier: MIT */
/* A list that does what a prefix table does, and a stream of operations on both that must agree;
 * aborts where they do not. */
#ifndef SUPPORT_PREFIX_MODEL_H
#define SUPPORT_PREFIX_MODEL_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "switch/prefix_table.h"

enum { PREFIX_MODEL_CAPACITY = 24, PREFIX_MODEL_OPERATION = 8, PREFIX_MODEL_VALUES = 4 };

struct prefix_model {
	struct {
		struct ip_prefix prefix;
		const char *value;
	} rows[PREFIX_MODEL_CAPACITY];
	size_t n;
};

static const char prefix_model_values[PREFIX_MODEL_VALUES];

static inline void prefix_model_expect(bool is_right, const char *what)
{
	if (is_right)
		return;
	fprintf(stderr, "prefix table and list disagree: %s\n", what);
	abort();
}

/* Bit by bit, sharing nothing with the table. */
static inline bool prefix_model_matches(const struct ip_prefix *prefix,
					const struct ip_address *address)
{
	if (prefix->address.family != address->family)
		return false;
	for (unsigned i = 0; i < prefix->length; i++) {
		unsigned mask = 0x80u >> i % 8;

		if ((prefix->address.bytes[i / 8] & mask) != (address->bytes[i / 8] & mask))
			return false;
	}
	return true;
}

/* Return: its row, or n. */
static inline size_t prefix_model_find(const struct prefix_model *model,
				       const struct ip_prefix *prefix)
{
	for (size_t i = 0; i < model->n; i++)
		if (model->rows[i].prefix.length == prefix->length &&
		    prefix_model_matches(prefix, &model->rows[i].prefix.address))
			return i;
	return model->n;
}

static inline const char *prefix_model_lookup(const struct prefix_model *model,
					      const struct ip_address *address)
{
	const char *value = NULL;
	int longest = -1;

	for (size_t i = 0; i < model->n; i++) {
		if (!prefix_model_matches(&model->rows[i].prefix, address) ||
		    model->rows[i].prefix.length <= longest)
			continue;
		longest = model->rows[i].prefix.length;
		value = model->rows[i].value;
	}
	return value;
}

static inline const char *prefix_model_remove(struct prefix_model *model, size_t row)
{
	const char *value;

	if (row == model->n)
		return NULL;
	value = model->rows[row].value;
	model->rows[row] = model->rows[--model->n];
	return value;
}

static inline int prefix_model_insert(struct prefix_model *model, const struct ip_prefix *prefix,
				      const char *value)
{
	if (prefix_model_find(model, prefix) < model->n)
		return -EEXIST;
	if (model->n == PREFIX_MODEL_CAPACITY)
		return -ENOSPC;
	model->rows[model->n].prefix = *prefix;
	model->rows[model->n++].value = value;
	return 0;
}

static inline uint32_t prefix_model_remove_value(struct prefix_model *model, const char *value)
{
	uint32_t removed = 0;

	for (size_t i = model->n; i-- > 0;) {
		if (model->rows[i].value != value)
			continue;
		prefix_model_remove(model, i);
		removed++;
	}
	return removed;
}

/* Few addresses close together, and some far away, so that operations meet. */
static inline struct ip_prefix prefix_model_read(const uint8_t *op)
{
	struct ip_prefix prefix = { .address = { .family = op[1] & 1 ? AF_INET6 : AF_INET } };
	uint8_t bits = op[1] & 1 ? 128 : 32;

	prefix.address.bytes[0] = op[2] & 0xc0;
	prefix.address.bytes[bits / 8 - 2] = op[3] & 0x81;
	prefix.address.bytes[bits / 8 - 1] = op[4];
	if (op[1] & 1)
		prefix.address.bytes[7] = op[5] & 3, prefix.address.bytes[8] = op[5] & 0xc0;
	prefix.length = op[6] % (bits + 1);
	return prefix;
}

static inline void prefix_model_step(struct prefix_table *table, struct prefix_model *model,
				     const uint8_t *op)
{
	const char *value = &prefix_model_values[op[7] % PREFIX_MODEL_VALUES];
	struct ip_prefix prefix = prefix_model_read(op);
	size_t row = prefix_model_find(model, &prefix);

	switch (op[0] % 8) {
	case 0:
	case 1:
	case 2:
		prefix_model_expect(prefix_table_insert(table, &prefix, (void *)(uintptr_t)value) ==
					    prefix_model_insert(model, &prefix, value),
				    "insert");
		break;
	case 3:
		prefix_model_expect(prefix_table_remove(table, &prefix) ==
					    prefix_model_remove(model, row),
				    "remove");
		break;
	case 4:
		prefix_model_expect(prefix_table_get(table, &prefix) ==
					    (row < model->n ? model->rows[row].value : NULL),
				    "get");
		break;
	case 5:
		if (op[1] < 16)
			prefix_model_expect(prefix_table_remove_value(table, value) ==
						    prefix_model_remove_value(model, value),
					    "remove_value");
		break;
	}
	prefix_model_expect(prefix_table_lookup(table, &prefix.address) ==
				    prefix_model_lookup(model, &prefix.address),
			    "lookup");
	prefix_model_expect(prefix_table_count(table) == model->n, "count");
}

static inline void prefix_model_run(const uint8_t *data, size_t size)
{
	struct prefix_model model = { .n = 0 };
	struct prefix_table *table;

	if (prefix_table_new(PREFIX_MODEL_CAPACITY, &table) < 0)
		return;
	for (size_t i = 0; i + PREFIX_MODEL_OPERATION <= size; i += PREFIX_MODEL_OPERATION)
		prefix_model_step(table, &model, data + i);
	prefix_table_free(table);
}

#endif
