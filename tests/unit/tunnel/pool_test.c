/* SPDX-License-Identifier: MIT */
/* Tests of addresses chosen by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tunnel/pool.h"

struct taken {
	struct ip_address addresses[300];
	size_t n;
};

static bool is_taken(const struct ip_address *address, void *user)
{
	const struct taken *taken = user;

	for (size_t i = 0; i < taken->n; i++)
		if (ip_address_equal(&taken->addresses[i], address))
			return true;
	return false;
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;

	assert_int_equal(ip_prefix_parse(text, &p), 0);
	return p;
}

static void name__again__has_the_same_address(void **state)
{
	struct ip_prefix pool = prefix("10.86.0.1/24");
	struct ip_address one, two, other;
	struct taken none = { .n = 0 };

	(void)state;
	assert_int_equal(pool_choose(&pool, "laptop", is_taken, &none, &one), 0);
	assert_int_equal(pool_choose(&pool, "laptop", is_taken, &none, &two), 0);
	assert_int_equal(pool_choose(&pool, "branch", is_taken, &none, &other), 0);
	assert_true(ip_address_equal(&one, &two));
	assert_false(ip_address_equal(&one, &other));
}

static void pool__until_empty__gives_each_host_once_and_no_more(void **state)
{
	struct ip_prefix pool = prefix("10.86.0.1/24"), network = ip_prefix_network(&pool);
	struct taken taken = { .n = 0 };
	char name[16];

	(void)state;
	for (int i = 0; i < 254; i++) {
		struct ip_address address;

		snprintf(name, sizeof(name), "c%d", i);
		assert_int_equal(pool_choose(&pool, name, is_taken, &taken, &address), 0);
		assert_false(is_taken(&address, &taken));
		assert_true(ip_prefix_contains(&network, &address));
		assert_in_range(address.bytes[3], 1, 254);
		taken.addresses[taken.n++] = address;
	}
	assert_int_equal(pool_choose(&pool, "late", is_taken, &taken, &taken.addresses[299]),
			 -28 /* -ENOSPC */);
}

static void pool__too_small_or_ipv6__is_handled(void **state)
{
	struct ip_prefix tiny = prefix("10.0.0.0/31"), six = prefix("fd86::1/64");
	struct ip_prefix network = ip_prefix_network(&six);
	struct taken none = { .n = 0 };
	struct ip_address address;

	(void)state;
	assert_int_equal(pool_choose(&tiny, "a", is_taken, &none, &address), -28);
	assert_int_equal(pool_choose(&six, "a", is_taken, &none, &address), 0);
	assert_true(ip_prefix_contains(&network, &address));
	assert_false(ip_address_equal(&address, &network.address));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(name__again__has_the_same_address),
		cmocka_unit_test(pool__until_empty__gives_each_host_once_and_no_more),
		cmocka_unit_test(pool__too_small_or_ipv6__is_handled),
	};

	return cmocka_run_group_tests_name("tunnel/pool", tests, NULL, NULL);
}
