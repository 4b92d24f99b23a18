/* SPDX-License-Identifier: MIT */
/* Longest-prefix match over IPv4 and IPv6: path-compressed binary tries, values are pointers. */
#ifndef SWITCH_PREFIX_TABLE_H
#define SWITCH_PREFIX_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

struct prefix_table;

enum { PREFIX_TABLE_CAPACITY_MAX = 1 << 20 };

/* capacity: 1 … PREFIX_TABLE_CAPACITY_MAX. 0, -EINVAL or -ENOMEM. */
int prefix_table_new(uint32_t capacity, struct prefix_table **ret_table);
void prefix_table_free(struct prefix_table *table);
/* 0; -EEXIST when that exact prefix is there; -ENOSPC; -EINVAL for a family or length that does not
 * exist. Host bits are ignored. value ≠ NULL. */
int prefix_table_insert(struct prefix_table *table, const struct ip_prefix *prefix, void *value);
/* Return: its value, or NULL. */
void *prefix_table_remove(struct prefix_table *table, const struct ip_prefix *prefix);
void *prefix_table_get(const struct prefix_table *table,
		       const struct ip_prefix *prefix); /* exact */
void *prefix_table_lookup(const struct prefix_table *table, const struct ip_address *address);
/* Return: how many prefixes led to value. */
uint32_t prefix_table_remove_value(struct prefix_table *table, const void *value);
uint32_t prefix_table_count(const struct prefix_table *table);

#endif
