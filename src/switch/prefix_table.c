/* SPDX-License-Identifier: MIT */
/*
 * Longest-prefix match.
 *
 * Theory of operation. One path-compressed binary trie for each family, over keys of 128 bits (IPv4
 * in the highest 32). A node has a prefix and two children, whose prefixes continue its own with a
 * 0 or a 1; nodes without a value exist only where two children part. So k prefixes need at most 2k
 * − 1 nodes, and a pool of twice the capacity never runs out. Nodes are numbers in that pool (0:
 * none), freed ones are chained through their first child.
 */
#include "switch/prefix_table.h"

#include <errno.h>
#include <netinet/in.h>

#include "base/bytes.h"
#include "base/memory.h"

struct bits {
	uint64_t high, low;
};

struct node {
	struct bits bits;
	void *value; /* NULL: only a fork */
	uint32_t children[2];
	uint8_t length;
	uint8_t root;
	bool is_used;
};

enum { ROOT_IPV4, ROOT_IPV6, ROOTS };

struct prefix_table {
	uint32_t roots[ROOTS];
	uint32_t capacity, count;
	uint32_t touched; /* nodes from here on were never used; 0 is never used at all */
	uint32_t unused;  /* chain of freed nodes */
	struct node *nodes;
};

static size_t pool_size(uint32_t capacity)
{
	return (2 * (size_t)capacity + 1) * sizeof(struct node);
}

int prefix_table_new(uint32_t capacity, struct prefix_table **ret_table)
{
	struct prefix_table *table;

	if (capacity < 1 || capacity > PREFIX_TABLE_CAPACITY_MAX)
		return -EINVAL;
	table = calloc(1, sizeof(*table));
	if (!table)
		return -ENOMEM;
	table->capacity = capacity;
	table->touched = 1;
	table->nodes = memory_map(pool_size(capacity));
	if (!table->nodes) {
		free(table);
		return -ENOMEM;
	}
	*ret_table = table;
	return 0;
}

void prefix_table_free(struct prefix_table *table)
{
	if (!table)
		return;
	memory_unmap(table->nodes, pool_size(table->capacity));
	free(table);
}

static int root_of(const struct ip_address *address)
{
	return address->family == AF_INET    ? ROOT_IPV4
	       : address->family == AF_INET6 ? ROOT_IPV6
					     : -1;
}

static struct bits bits_of(const struct ip_address *address)
{
	if (address->family == AF_INET)
		return (struct bits){ .high = (uint64_t)load_be32(address->bytes) << 32 };
	return (struct bits){
		.high = load_be64(address->bytes),
		.low = load_be64(address->bytes + 8),
	};
}

static struct bits bits_cut(struct bits bits, uint8_t length)
{
	if (length == 0)
		return (struct bits){ 0 };
	if (length <= 64)
		return (struct bits){ .high = bits.high & ~0ULL << (64 - length) };
	return (struct bits){ .high = bits.high, .low = bits.low & ~0ULL << (128 - length) };
}

/* Return: how many leading bits agree, at most limit. */
static uint8_t bits_common(struct bits a, struct bits b, uint8_t limit)
{
	uint64_t high = a.high ^ b.high, low = a.low ^ b.low;
	uint8_t n = 128;

	if (high)
		n = (uint8_t)__builtin_clzll(high);
	else if (low)
		n = (uint8_t)(64 + __builtin_clzll(low));
	return MIN(n, limit);
}

/* Whether the first length bits agree: what bits_common says, without counting. */
static bool bits_match(struct bits a, struct bits b, uint8_t length)
{
	uint64_t high = a.high ^ b.high, low = a.low ^ b.low;

	if (length <= 64)
		return length == 0 || high >> (64 - length) == 0;
	return high == 0 && low >> (128 - length) == 0;
}

/* Bit number at, counted from the highest; at < 128. */
static unsigned bits_at(struct bits bits, uint8_t at)
{
	return (at < 64 ? bits.high : bits.low) >> (63 - at % 64) & 1;
}

static uint32_t take_node(struct prefix_table *table, int root, struct bits bits, uint8_t length,
			  void *value)
{
	uint32_t number = table->unused;

	if (number)
		table->unused = table->nodes[number].children[0];
	else
		number = table->touched++;
	table->nodes[number] = (struct node){
		.bits = bits_cut(bits, length),
		.length = length,
		.root = (uint8_t)root,
		.value = value,
		.is_used = true,
	};
	return number;
}

static void give_node(struct prefix_table *table, uint32_t number)
{
	table->nodes[number] = (struct node){ .children = { table->unused } };
	table->unused = number;
}

/* Put a new prefix where link leads now: above what is there, or beside it under a fork, or
 * alone. */
static void hang(struct prefix_table *table, uint32_t *link, int root, struct bits bits,
		 uint8_t length, void *value)
{
	uint32_t there = *link, new, fork;
	const struct node *old = &table->nodes[there];
	uint8_t common;

	new = take_node(table, root, bits, length, value);
	if (!there) {
		*link = new;
		return;
	}
	common = bits_common(bits, old->bits, MIN(length, old->length));
	if (common == length) {
		table->nodes[new].children[bits_at(old->bits, length)] = there;
		*link = new;
		return;
	}
	fork = take_node(table, root, bits, common, NULL);
	table->nodes[fork].children[bits_at(old->bits, common)] = there;
	table->nodes[fork].children[bits_at(bits, common)] = new;
	*link = fork;
}

int prefix_table_insert(struct prefix_table *table, const struct ip_prefix *prefix, void *value)
{
	int root = root_of(&prefix->address);
	uint8_t length = prefix->length;
	struct bits bits;
	uint32_t *link;

	if (root < 0 || length > (root == ROOT_IPV4 ? 32 : 128) || !value)
		return -EINVAL;
	bits = bits_cut(bits_of(&prefix->address), length);
	link = &table->roots[root];
	while (*link) {
		struct node *node = &table->nodes[*link];

		if (node->length > length || !bits_match(bits, node->bits, node->length))
			break;
		if (node->length < length) {
			link = &node->children[bits_at(bits, node->length)];
			continue;
		}
		if (node->value)
			return -EEXIST;
		if (table->count == table->capacity)
			return -ENOSPC;
		node->value = value;
		table->count++;
		return 0;
	}
	if (table->count == table->capacity)
		return -ENOSPC;
	hang(table, link, root, bits, length, value);
	table->count++;
	return 0;
}

/* The links that lead to the node of exactly this prefix and to its parent. */
struct place {
	uint32_t *link, *parent; /* parent NULL: at the root */
};

static bool find_exact(const struct prefix_table *table, const struct ip_prefix *prefix,
		       struct place *ret_place)
{
	int root = root_of(&prefix->address);
	uint32_t *parent = NULL, *link;
	struct bits bits;

	if (root < 0)
		return false;
	bits = bits_of(&prefix->address);
	link = (uint32_t *)&table->roots[root];
	while (*link) {
		struct node *node = &table->nodes[*link];

		if (node->length > prefix->length || !bits_match(bits, node->bits, node->length))
			return false;
		if (node->length == prefix->length) {
			*ret_place = (struct place){ link, parent };
			return node->value != NULL;
		}
		parent = link;
		link = &node->children[bits_at(bits, node->length)];
	}
	return false;
}

/* A node that has neither a value nor two children is taken out; its only child, if any, takes its
 * place. */
static void prune(struct prefix_table *table, uint32_t *link)
{
	struct node *node = &table->nodes[*link];
	uint32_t number = *link;

	if (node->value || (node->children[0] && node->children[1]))
		return;
	*link = node->children[0] ? node->children[0] : node->children[1];
	give_node(table, number);
}

void *prefix_table_remove(struct prefix_table *table, const struct ip_prefix *prefix)
{
	struct place place;
	void *value;

	if (!find_exact(table, prefix, &place))
		return NULL;
	value = table->nodes[*place.link].value;
	table->nodes[*place.link].value = NULL;
	prune(table, place.link);
	if (place.parent)
		prune(table, place.parent);
	table->count--;
	return value;
}

void *prefix_table_get(const struct prefix_table *table, const struct ip_prefix *prefix)
{
	struct place place;

	return find_exact(table, prefix, &place) ? table->nodes[*place.link].value : NULL;
}

void *prefix_table_lookup(const struct prefix_table *table, const struct ip_address *address)
{
	int root = root_of(address);
	void *value = NULL;
	struct bits bits;
	uint32_t number;

	if (root < 0)
		return NULL;
	bits = bits_of(address);
	number = table->roots[root];
	while (number) {
		const struct node *node = &table->nodes[number];

		/* Forks are not compared: who takes a wrong turn meets no value that agrees. */
		if (node->value && bits_match(bits, node->bits, node->length))
			value = node->value;
		if (node->length == 128)
			break;
		number = node->children[bits_at(bits, node->length)];
	}
	return value;
}

static struct ip_prefix prefix_of(const struct node *node)
{
	struct ip_prefix prefix = { .length = node->length };

	prefix.address.family = node->root == ROOT_IPV4 ? AF_INET : AF_INET6;
	if (node->root == ROOT_IPV4) {
		store_be32(prefix.address.bytes, (uint32_t)(node->bits.high >> 32));
	} else {
		store_be64(prefix.address.bytes, node->bits.high);
		store_be64(prefix.address.bytes + 8, node->bits.low);
	}
	return prefix;
}

uint32_t prefix_table_remove_value(struct prefix_table *table, const void *value)
{
	uint32_t removed = 0;

	for (uint32_t i = 1; i < table->touched; i++) {
		struct ip_prefix prefix;

		if (!table->nodes[i].is_used || !value || table->nodes[i].value != value)
			continue;
		prefix = prefix_of(&table->nodes[i]);
		prefix_table_remove(table, &prefix);
		removed++;
	}
	return removed;
}

uint32_t prefix_table_count(const struct prefix_table *table)
{
	return table->count;
}
