/* SPDX-License-Identifier: MIT */
/* Longest-prefix match against a plain list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "support/prefix_model.h"
#include "switch/prefix_table.h"

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;

	assert_int_equal(ip_prefix_parse(text, &p), 0);
	return p;
}

static const char *lookup(const struct prefix_table *table, const char *text)
{
	struct ip_address address;

	assert_int_equal(ip_address_parse(text, &address), 0);
	return prefix_table_lookup(table, &address);
}

static void add(struct prefix_table *table, const char *text)
{
	struct ip_prefix p = prefix(text);

	assert_int_equal(prefix_table_insert(table, &p, (void *)(uintptr_t)text), 0);
}

static void lookup__nested_prefixes__longest_wins(void **state)
{
	static const struct {
		const char *address, *expected;
	} rows[] = {
		{ "10.86.0.2", "10.86.0.2/32" },    { "10.86.0.3", "10.86.0.0/24" },
		{ "10.86.1.2", "10.0.0.0/8" },      { "11.0.0.1", "0.0.0.0/0" },
		{ "255.255.255.255", "0.0.0.0/0" }, { "fd86::2", "fd86::2/128" },
		{ "fd86::3", "fd86::/64" },         { "fd86:0:0:1::3", NULL },
		{ "::ffff:10.86.0.2", NULL },       { "::", NULL },
	};
	struct prefix_table *table;

	(void)state;
	assert_int_equal(prefix_table_new(16, &table), 0);
	add(table, "0.0.0.0/0");
	add(table, "10.86.0.2/32");
	add(table, "10.0.0.0/8");
	add(table, "10.86.0.0/24");
	add(table, "fd86::2/128");
	add(table, "fd86::/64");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *got = lookup(table, rows[i].address);

		if (rows[i].expected)
			assert_string_equal(got, rows[i].expected);
		else
			assert_null(got);
	}
	assert_int_equal(prefix_table_count(table), 6);
	prefix_table_free(table);
}

static void insert__same_prefix_with_other_host_bits__exists(void **state)
{
	struct ip_prefix a = prefix("10.1.2.3/16"), b = prefix("10.1.200.1/16"), c = a;
	struct prefix_table *table;
	int value;

	(void)state;
	assert_int_equal(prefix_table_new(2, &table), 0);
	assert_int_equal(prefix_table_insert(table, &a, &value), 0);
	assert_int_equal(prefix_table_insert(table, &b, &value), -EEXIST);
	assert_ptr_equal(prefix_table_get(table, &b), &value);
	c.length = 17;
	assert_null(prefix_table_get(table, &c));
	assert_null(prefix_table_remove(table, &c));
	assert_ptr_equal(prefix_table_remove(table, &b), &value);
	assert_null(prefix_table_remove(table, &b));
	assert_int_equal(prefix_table_count(table), 0);
	prefix_table_free(table);
}

static void insert__nonsense__is_refused(void **state)
{
	struct ip_prefix p = prefix("10.0.0.0/8");
	struct prefix_table *table;
	int value;

	(void)state;
	assert_int_equal(prefix_table_new(0, &table), -EINVAL);
	assert_int_equal(prefix_table_new(PREFIX_TABLE_CAPACITY_MAX + 1, &table), -EINVAL);
	assert_int_equal(prefix_table_new(4, &table), 0);
	assert_int_equal(prefix_table_insert(table, &p, NULL), -EINVAL);
	p.length = 33;
	assert_int_equal(prefix_table_insert(table, &p, &value), -EINVAL);
	p.length = 32;
	assert_int_equal(prefix_table_insert(table, &p, &value), 0);
	p.address.family = AF_INET6;
	p.length = 129;
	assert_int_equal(prefix_table_insert(table, &p, &value), -EINVAL);
	p.length = 128;
	assert_int_equal(prefix_table_insert(table, &p, &value), 0);
	p.address.family = AF_UNIX;
	assert_int_equal(prefix_table_insert(table, &p, &value), -EINVAL);
	assert_null(prefix_table_get(table, &p));
	assert_null(prefix_table_lookup(table, &p.address));
	prefix_table_free(table);
	prefix_table_free(NULL);
}

/* The worst for the pool of nodes: prefixes that all part from each other, filled, emptied and
 * filled again. */
static void insert__up_to_capacity__again_and_again(void **state)
{
	enum { CAPACITY = 64 };
	struct prefix_table *table;
	struct ip_prefix p = { .length = 32 };
	int value;

	(void)state;
	p.address.family = AF_INET;
	assert_int_equal(prefix_table_new(CAPACITY, &table), 0);
	for (int round = 0; round < 5; round++) {
		for (uint8_t i = 0; i < CAPACITY; i++) {
			p.address.bytes[0] = (uint8_t)(i << 2);
			assert_int_equal(prefix_table_insert(table, &p, &value), 0);
		}
		p.address.bytes[0] = 1;
		assert_int_equal(prefix_table_insert(table, &p, &value), -ENOSPC);
		p.length = 6;
		assert_int_equal(prefix_table_insert(table, &p, &value), -ENOSPC);
		p.length = 32;
		assert_int_equal(prefix_table_remove_value(table, &round), 0);
		assert_int_equal(prefix_table_remove_value(table, &value), CAPACITY);
		assert_int_equal(prefix_table_count(table), 0);
	}
	prefix_table_free(table);
}

/* Forks go with the prefixes that made them; else the pool, meant for two prefixes, would be outgrown. */
static void remove__of_ever_new_prefixes__leaves_no_forks(void **state)
{
	struct prefix_table *table;
	struct ip_prefix a = { .length = 32 }, b;
	uint32_t number = 1;
	int value;

	(void)state;
	a.address.family = AF_INET;
	assert_int_equal(prefix_table_new(2, &table), 0);
	for (int i = 0; i < 100000; i++) {
		number = number * 1103515245 + 12345;
		store_be32(a.address.bytes, number);
		b = a;
		b.address.bytes[i % 4] ^= 0x10;
		assert_int_equal(prefix_table_insert(table, &a, &value), 0);
		assert_int_equal(prefix_table_insert(table, &b, &value), 0);
		assert_ptr_equal(prefix_table_remove(table, i % 2 ? &a : &b), &value);
		assert_ptr_equal(prefix_table_remove(table, i % 2 ? &b : &a), &value);
	}
	assert_int_equal(prefix_table_count(table), 0);
	prefix_table_free(table);
}

static void random_operations__compared_with_a_list__agree(void **state)
{
	static uint8_t data[60000];
	unsigned seed = (unsigned)getpid();

	(void)state;
	print_message("seed %u\n", seed);
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < sizeof(data); i++) {
			seed = seed * 1103515245 + 12345;
			data[i] = (uint8_t)(seed >> 16);
		}
		prefix_model_run(data, sizeof(data));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lookup__nested_prefixes__longest_wins),
		cmocka_unit_test(insert__same_prefix_with_other_host_bits__exists),
		cmocka_unit_test(insert__nonsense__is_refused),
		cmocka_unit_test(insert__up_to_capacity__again_and_again),
		cmocka_unit_test(remove__of_ever_new_prefixes__leaves_no_forks),
		cmocka_unit_test(random_operations__compared_with_a_list__agree),
	};

	return cmocka_run_group_tests_name("switch/prefix_table", tests, NULL, NULL);
}
