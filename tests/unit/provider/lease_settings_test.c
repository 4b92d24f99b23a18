/* SPDX-License-Identifier: MIT */
/* What a lease adds to settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>

#include <longwire/error.h>
#include <longwire/settings.h>

#include "base/dns_settings.h"
#include "base/memory.h"
#include "base/settings.h"
#include "network/lease.h"
#include "provider/lease_settings.h"

static const char *const all[] = { "10.9.0.0/16", "0.0.0.0/0" };
static const char *const only_ipv6[] = { "::/0" };
static const char *const servers[] = { "10.1.0.53" };

/* The settings with a lease of 10.1.0.5/24. */
static void add_lease(const struct lw_network_settings *given, bool includes_all,
		      struct network_settings *ret_sum)
{
	struct network_settings settings;
	struct lw_error error = { 0 };
	struct lease lease;

	assert_int_equal(lease_parse("lease\tbound\tip=10.1.0.5\tmask=24\trouter=10.1.0.1\t"
				     "dns=10.1.0.2 10.1.0.3\tdomain=corp.example\tmtu=1300",
				     &lease),
			 1);
	if (network_settings_parse(LW_LAYER_ETHERNET, given, &settings, &error) < 0)
		fail_msg("%s", error.text);
	assert_int_equal(lease_settings(&settings, &lease, includes_all, ret_sum), 0);
	network_settings_done(&settings);
}

static struct lw_network_settings automatic(const char *const *routes, size_t n)
{
	return (struct lw_network_settings){
		.size = sizeof(struct lw_network_settings),
		.ipv4 = LW_ADDRESSING_AUTOMATIC,
		.included_routes = routes,
		.n_included_routes = n,
	};
}

static void lease_settings__nothing_given__address_router_and_mtu(void **state)
{
	struct lw_network_settings given = automatic(NULL, 0);
	struct network_settings sum;
	char text[IP_PREFIX_TEXT_SIZE];

	(void)state;
	add_lease(&given, false, &sum);
	assert_int_equal(sum.n_addresses, 1);
	assert_string_equal(ip_prefix_format(&sum.addresses[0], text), "10.1.0.5/24");
	assert_int_equal(sum.n_routers, 1);
	assert_string_equal(ip_address_format(&sum.routers[0], text), "10.1.0.1");
	assert_int_equal(sum.mtu, 1300);
	network_settings_done(&sum);
}

static void lease_settings__what_was_given__counts_more(void **state)
{
	struct lw_network_settings given = automatic(all, ARRAY_SIZE(all));
	const struct lw_dns_settings dns = { .size = sizeof(dns),
					     .servers = servers,
					     .n_servers = 1 };
	struct network_settings sum;
	char text[IP_PREFIX_TEXT_SIZE];

	(void)state;
	given.dns = &dns;
	given.mtu = 1280;
	add_lease(&given, true, &sum);
	assert_int_equal(sum.mtu, 1280);
	assert_int_equal(sum.dns->n_servers, 1);
	assert_string_equal(ip_address_format(&sum.dns->servers[0], text), "10.1.0.53");
	network_settings_done(&sum);
}

static void lease_settings__servers_table__where_all_of_ipv4_goes(void **state)
{
	static const struct {
		const char *const *routes;
		size_t n;
		bool includes_all, has_servers;
	} rows[] = {
		{ NULL, 0, false, false }, { all, 1, false, false }, { only_ipv6, 1, false, false },
		{ all, 2, false, true },   { NULL, 0, true, true },  { all, 1, true, true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lw_network_settings given = automatic(rows[i].routes, rows[i].n);
		struct network_settings sum;

		add_lease(&given, rows[i].includes_all, &sum);
		assert_int_equal(!!sum.dns, rows[i].has_servers);
		if (sum.dns) {
			assert_int_equal(sum.dns->n_servers, 2);
			assert_string_equal(sum.dns->search.items[0], "corp.example");
		}
		network_settings_done(&sum);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lease_settings__nothing_given__address_router_and_mtu),
		cmocka_unit_test(lease_settings__what_was_given__counts_more),
		cmocka_unit_test(lease_settings__servers_table__where_all_of_ipv4_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
