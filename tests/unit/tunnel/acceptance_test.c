/* SPDX-License-Identifier: MIT */
/* Tests of what becomes of a hub's offer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <longwire/tunnel.h>

#include "tls/credentials.h"
#include "tunnel/acceptance.h"

static const struct pin identity = { .sha256 = { 0xff, 1, 2, 3, 4, 5 } };
static struct ip_address hub;

static struct accepted decide(enum lw_layer layer, unsigned accept,
			      const struct network_settings *local, const char *address,
			      const char *route, uint32_t mtu)
{
	char addresses[1][OFFER_TEXT], routes[1][OFFER_TEXT];
	const struct offer offer = { .mtu = mtu,
				     .addresses = addresses,
				     .n_addresses = address ? 1 : 0,
				     .included_routes = routes,
				     .n_included_routes = route ? 1 : 0 };
	const struct acceptance acceptance = {
		.layer = layer, .accept = accept, .local = local, .hub = &hub, .identity = &identity
	};
	struct accepted accepted;

	snprintf(addresses[0], OFFER_TEXT, "%s", address ? address : "");
	snprintf(routes[0], OFFER_TEXT, "%s", route ? route : "");
	assert_int_equal(acceptance_decide(&acceptance, &offer, &accepted), 0);
	return accepted;
}

static void ip__default__takes_address_and_mtu_only(void **state)
{
	struct accepted a = decide(LW_LAYER_IP, 0, NULL, "10.86.0.2/24", "10.0.0.0/8", 1400);

	(void)state;
	assert_int_equal(a.settings.n_addresses, 1);
	assert_string_equal(a.settings.addresses[0], "10.86.0.2/24");
	assert_int_equal(a.settings.mtu, 1400);
	assert_int_equal(a.settings.n_included_routes, 0);
	assert_non_null(strstr(a.refused, "10.0.0.0/8 (not in accept)"));
	accepted_done(&a);
}

static void ethernet__default__takes_nothing(void **state)
{
	struct accepted a = decide(LW_LAYER_ETHERNET, 0, NULL, "10.86.0.2/24", "0.0.0.0/0", 1400);

	(void)state;
	assert_int_equal(a.settings.n_addresses, 0);
	assert_int_equal(a.settings.mtu, 0);
	assert_int_equal(a.settings.n_included_routes, 0);
	assert_non_null(strstr(a.refused, "10.86.0.2/24 (not in accept)"));
	assert_non_null(strstr(a.refused, "0.0.0.0/0 (not in accept)"));
	accepted_done(&a);
}

static void accept_nothing__ip__takes_nothing(void **state)
{
	struct accepted a =
		decide(LW_LAYER_IP, LW_ACCEPT_NOTHING, NULL, "10.86.0.2/24", NULL, 1400);

	(void)state;
	assert_int_equal(a.settings.n_addresses, 0);
	assert_int_equal(a.settings.mtu, 0);
	accepted_done(&a);
}

static void absurd_addresses__all__are_refused_by_name(void **state)
{
	static const char *const absurd[] = { "127.0.0.1/8",
					      "224.0.0.1/24",
					      "0.0.0.0/24",
					      "::1/128",
					      "ff02::1/64",
					      "10.0.0.1/4",
					      "fd00::1/8",
					      "192.0.2.1/24", /* the hub's own */
					      "255.255.255.255/32",
					      "nonsense",
					      "",
					      "10.0.0.1/33" };

	(void)state;
	for (size_t i = 0; i < sizeof(absurd) / sizeof(*absurd); i++) {
		struct accepted a = decide(LW_LAYER_IP, 0, NULL, absurd[i], NULL, 0);

		assert_int_equal(a.settings.n_addresses, 0);
		assert_non_null(strstr(a.refused, absurd[i]));
		accepted_done(&a);
	}
}

static void absurd_mtu__all__are_refused(void **state)
{
	static const uint32_t absurd[] = { 1, 67, 575, 9217, 65536, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < sizeof(absurd) / sizeof(*absurd); i++) {
		struct accepted a = decide(LW_LAYER_IP, 0, NULL, NULL, NULL, absurd[i]);

		assert_int_equal(a.settings.mtu, 0);
		assert_non_null(strstr(a.refused, "allowed: 576 to 9216"));
		accepted_done(&a);
	}
}

static void routes__accepted__but_not_the_hub_nor_multicast(void **state)
{
	static const struct {
		const char *route, *taken;
	} cases[] = {
		{ "10.0.0.0/8", "10.0.0.0/8" }, { "0.0.0.0/0", "0.0.0.0/0" },
		{ "10.1.2.3/8", "10.0.0.0/8" }, { "192.0.2.1/32", NULL },
		{ "224.0.0.0/4", NULL },        { "127.0.0.0/8", NULL },
		{ "ff00::/8", NULL },           { "x", NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct accepted a = decide(LW_LAYER_IP, LW_ACCEPT_INCLUDED_ROUTES, NULL, NULL,
					   cases[i].route, 0);

		assert_int_equal(a.settings.n_included_routes, cases[i].taken ? 1 : 0);
		if (cases[i].taken)
			assert_string_equal(a.settings.included_routes[0], cases[i].taken);
		else
			assert_non_null(strstr(a.refused, cases[i].route));
		accepted_done(&a);
	}
}

static void local_settings__all__win(void **state)
{
	struct ip_prefix address, route;
	struct network_settings local = { .mtu = 1300,
					  .addresses = &address,
					  .n_addresses = 1,
					  .included_routes = &route,
					  .n_included_routes = 1 };
	struct accepted a;

	(void)state;
	assert_int_equal(ip_prefix_parse("10.9.0.7/24", &address), 0);
	assert_int_equal(ip_prefix_parse("172.16.0.0/12", &route), 0);
	a = decide(LW_LAYER_IP, LW_ACCEPT_ADDRESSES | LW_ACCEPT_MTU | LW_ACCEPT_INCLUDED_ROUTES,
		   &local, "10.86.0.2/24", "10.0.0.0/8", 1400);
	assert_int_equal(a.settings.mtu, 1300);
	assert_string_equal(a.settings.addresses[0], "10.9.0.7/24");
	assert_string_equal(a.settings.included_routes[0], "172.16.0.0/12");
	assert_int_equal(a.settings.n_included_routes, 1);
	assert_string_equal(a.refused, "");
	accepted_done(&a);
}

static void router_and_overhead__only_what_is_written_here(void **state)
{
	struct network_settings local = { .tunnel_overhead = 80 };
	struct accepted a;

	(void)state;
	local.addresses = calloc(1, sizeof(*local.addresses));
	assert_non_null(local.addresses);
	assert_int_equal(ip_prefix_parse("10.20.0.2/24", &local.addresses[0]), 0);
	local.n_addresses = local.n_routers = 1;
	assert_int_equal(ip_address_parse("10.20.0.1", &local.routers[0]), 0);
	a = decide(LW_LAYER_ETHERNET, LW_ACCEPT_MTU, &local, NULL, NULL, 1400);
	assert_int_equal(a.settings.n_routers, 1);
	assert_string_equal(a.settings.routers[0], "10.20.0.1");
	assert_int_equal(a.settings.tunnel_overhead, 80);
	assert_int_equal(a.settings.mtu, 0);
	accepted_done(&a);
	local.mtu = 1300;
	local.tunnel_overhead = 0;
	a = decide(LW_LAYER_ETHERNET, LW_ACCEPT_MTU, &local, NULL, NULL, 1400);
	assert_int_equal(a.settings.tunnel_overhead, 0);
	assert_int_equal(a.settings.mtu, 1300);
	accepted_done(&a);
	free(local.addresses);
}

static void host__ethernet__gets_a_mac_of_its_identity(void **state)
{
	struct accepted a = decide(LW_LAYER_ETHERNET, 0, NULL, NULL, NULL, 1500);

	(void)state;
	assert_string_equal(a.settings.ethernet_address, "fe:01:02:03:04:05");
	accepted_done(&a);
}

static void bridged__ethernet__gets_neither_mac_nor_addresses(void **state)
{
	struct network_settings local = { .bridge = "br0", .mtu = 1400 };
	struct accepted a =
		decide(LW_LAYER_ETHERNET, LW_ACCEPT_ADDRESSES, &local, "10.86.0.2/24", NULL, 0);

	(void)state;
	assert_string_equal(a.settings.bridge, "br0");
	assert_null(a.settings.ethernet_address);
	assert_int_equal(a.settings.n_addresses, 0);
	assert_int_equal(a.settings.mtu, 0);
	accepted_done(&a);
}

/* Offered servers, whose match domain is "", without a default route. */
static void dns_of_every_name__table__only_where_everything_goes(void **state)
{
	static char routes[1][OFFER_TEXT] = { "10.0.0.0/8" };
	const unsigned accept = LW_ACCEPT_DNS | LW_ACCEPT_INCLUDED_ROUTES;

	(void)state;
	for (int i = 0; i < 4; i++) {
		bool includes_all = i & 1, has_domains = i & 2;
		struct dns_settings dns = { .n_servers = 1, .matches_all = !has_domains };
		const struct offer offer = { .included_routes = routes,
					     .n_included_routes = 1,
					     .dns = &dns };
		const struct acceptance acceptance = { .layer = LW_LAYER_IP,
						       .accept = accept,
						       .includes_all = includes_all,
						       .hub = &hub,
						       .identity = &identity };
		struct accepted a;

		assert_int_equal(ip_address_parse("10.0.0.53", &dns.servers[0]), 0);
		if (has_domains)
			assert_int_equal(
				domain_parse("corp.example", dns.match.items[dns.match.n++]), 0);
		assert_int_equal(acceptance_decide(&acceptance, &offer, &a), 0);
		assert_int_equal(a.dns_value != NULL, includes_all || has_domains);
		assert_int_equal(strstr(a.refused, "every name, of a tunnel") != NULL, i == 0);
		/* The hub's own name is one of those that would be asked of them. */
		assert_int_equal(dns_settings_take(a.dns_value, a.is_full, "hub.example.net"),
				 includes_all);
		accepted_done(&a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ip__default__takes_address_and_mtu_only),
		cmocka_unit_test(ethernet__default__takes_nothing),
		cmocka_unit_test(accept_nothing__ip__takes_nothing),
		cmocka_unit_test(absurd_addresses__all__are_refused_by_name),
		cmocka_unit_test(absurd_mtu__all__are_refused),
		cmocka_unit_test(routes__accepted__but_not_the_hub_nor_multicast),
		cmocka_unit_test(local_settings__all__win),
		cmocka_unit_test(router_and_overhead__only_what_is_written_here),
		cmocka_unit_test(host__ethernet__gets_a_mac_of_its_identity),
		cmocka_unit_test(bridged__ethernet__gets_neither_mac_nor_addresses),
		cmocka_unit_test(dns_of_every_name__table__only_where_everything_goes),
	};

	if (ip_address_parse("192.0.2.1", &hub) < 0)
		return 1;
	return cmocka_run_group_tests_name("tunnel/acceptance", tests, NULL, NULL);
}
