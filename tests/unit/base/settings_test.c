/* SPDX-License-Identifier: MIT */
/* Network settings: every rule from both sides, copies, comparison. */
#include "base/settings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <longwire/error.h>

#include "base/address.h"
#include "base/memory.h"

static struct lw_network_settings full_ip(void)
{
	static const char *const addresses[] = { "10.86.0.2/24", "fd86::2/64" };
	static const char *const included[] = { "10.0.0.0/8", "::/0" };
	static const char *const excluded[] = { "10.9.0.0/16" };

	return (struct lw_network_settings){
		.size = sizeof(struct lw_network_settings),
		.remote_address = "192.0.2.1",
		.mtu = 1400,
		.carrier = LW_CARRIER_FOLLOW,
		.addresses = addresses,
		.n_addresses = 2,
		.included_routes = included,
		.n_included_routes = 2,
		.excluded_routes = excluded,
		.n_excluded_routes = 1,
	};
}

static void parse__full__owned(void **state)
{
	struct lw_network_settings from = full_ip();
	struct network_settings settings;

	(void)state;
	assert_int_equal(network_settings_parse(LW_LAYER_IP, &from, &settings, NULL), 0);
	assert_string_equal(settings.remote_address, "192.0.2.1");
	assert_int_equal(settings.mtu, 1400);
	assert_int_equal(settings.carrier, LW_CARRIER_FOLLOW);
	assert_int_equal(settings.n_addresses, 2);
	assert_int_equal(settings.addresses[0].length, 24);
	assert_int_equal(settings.addresses[0].address.bytes[3], 2);
	assert_int_equal(settings.n_included_routes, 2);
	assert_int_equal(settings.n_excluded_routes, 1);
	assert_false(settings.has_ethernet_address);
	network_settings_done(&settings);
	assert_null(settings.addresses);
	network_settings_done(NULL);
}

static void parse__ethernet__mac_and_bridge(void **state)
{
	struct lw_network_settings from = { .size = sizeof(from),
					    .ethernet_address = "02:5e:1c:12:34:56",
					    .bridge = "br0" };
	struct network_settings settings;

	(void)state;
	assert_int_equal(network_settings_parse(LW_LAYER_ETHERNET, &from, &settings, NULL), 0);
	assert_true(settings.has_ethernet_address);
	assert_memory_equal(settings.ethernet_address, "\x02\x5e\x1c\x12\x34\x56", 6);
	assert_string_equal(settings.bridge, "br0");
	network_settings_done(&settings);
}

static void assert_refused(enum lw_layer layer, const struct lw_network_settings *from,
			   const char *field)
{
	struct lw_network_settings sized = *from;
	struct network_settings settings = { .mtu = 77 };
	struct lw_error error = { 0 };

	sized.size = sizeof(sized);
	assert_int_equal(network_settings_parse(layer, &sized, &settings, &error), -EINVAL);
	assert_int_equal(error.domain, LW_DOMAIN_TUNNEL);
	assert_int_equal(error.code, LW_TUNNEL_ERROR_SETTINGS_INVALID);
	if (strncmp(error.text, field, strlen(field)) != 0)
		fail_msg("%s was blamed, not %s", error.text, field);
	assert_int_equal(settings.mtu, 77);
	assert_null(settings.addresses);
}

static void parse__wrong_layer__refused(void **state)
{
	(void)state;
	assert_refused(LW_LAYER_IP,
		       &(struct lw_network_settings){ .ethernet_address = "02:0:0:0:0:1" },
		       "ethernet-address");
	assert_refused(LW_LAYER_IP, &(struct lw_network_settings){ .bridge = "br0" }, "bridge");
}

static void parse__bridge_with_addresses_or_routes__refused(void **state)
{
	const char *address[] = { "10.0.0.1/24" }, *route[] = { "10.0.0.0/24" };
	struct lw_network_settings from = { .bridge = "br0" };

	(void)state;
	from.addresses = address;
	from.n_addresses = 1;
	assert_refused(LW_LAYER_ETHERNET, &from, "bridge");
	from = (struct lw_network_settings){ .bridge = "br0" };
	from.included_routes = route;
	from.n_included_routes = 1;
	assert_refused(LW_LAYER_ETHERNET, &from, "bridge");
	from = (struct lw_network_settings){ .bridge = "br0" };
	from.excluded_routes = route;
	from.n_excluded_routes = 1;
	assert_refused(LW_LAYER_ETHERNET, &from, "bridge");
	assert_refused(LW_LAYER_ETHERNET, &(struct lw_network_settings){ .bridge = "a b" },
		       "bridge");
	assert_refused(LW_LAYER_ETHERNET, &(struct lw_network_settings){ .bridge = "" }, "bridge");
}

static void parse__mtu__bounds(void **state)
{
	static const struct {
		uint32_t mtu;
		bool allowed;
	} rows[] = { { 0, true },     { 1, false },     { 67, false },
		     { 575, false },  { 576, true },    { 1500, true },
		     { 65535, true }, { 65536, false }, { UINT32_MAX, false } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lw_network_settings from = { .size = sizeof(from), .mtu = rows[i].mtu };
		struct network_settings settings;

		if (!rows[i].allowed)
			assert_refused(LW_LAYER_IP, &from, "mtu");
		else
			assert_int_equal(
				network_settings_parse(LW_LAYER_IP, &from, &settings, NULL), 0);
	}
}

static void parse__mac__group_zero_and_nonsense_refused(void **state)
{
	static const char *const bad[] = { "", "0:0:0:0:0:0", "ff:ff:ff:ff:ff:ff", "01:0:5e:0:0:1",
					   "02:5e:1c:12:34" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_refused(LW_LAYER_ETHERNET,
			       &(struct lw_network_settings){ .ethernet_address = bad[i] },
			       "ethernet-address");
}

static void parse__addresses__special_refused(void **state)
{
	static const char *const bad[] = {
		"",   "x",       "0.0.0.0/8", "127.0.0.1/8",    "224.0.0.1",  "255.255.255.255",
		"::", "::1/128", "ff02::1",   "::ffff:1.2.3.4", "10.0.0.1/0", "10.0.0.1/33"
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_refused(LW_LAYER_IP,
			       &(struct lw_network_settings){ .addresses = &bad[i],
							      .n_addresses = 1 },
			       "addresses");
}

static void parse__routes__host_bits_refused(void **state)
{
	static const char *const bad[] = { "", "10.0.0.1/8", "fd86::1/64", "10.0.0.0/33",
					   "default" };
	static const char *const good[] = { "0.0.0.0/0", "::/0", "10.0.0.1", "fd86::/64" };
	struct network_settings settings;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_refused(LW_LAYER_IP,
			       &(struct lw_network_settings){ .included_routes = &bad[i],
							      .n_included_routes = 1 },
			       "included-routes");
		assert_refused(LW_LAYER_IP,
			       &(struct lw_network_settings){ .excluded_routes = &bad[i],
							      .n_excluded_routes = 1 },
			       "excluded-routes");
	}
	assert_int_equal(network_settings_parse(LW_LAYER_IP,
						&(struct lw_network_settings){
							.size = sizeof(struct lw_network_settings),
							.included_routes = good,
							.n_included_routes = ARRAY_SIZE(good) },
						&settings, NULL),
			 0);
	network_settings_done(&settings);
}

static void parse__duplicates__refused(void **state)
{
	static const char *const addresses[] = { "10.0.0.1/24", "10.0.0.1/16" };
	static const char *const routes[] = { "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/8" };

	(void)state;
	assert_refused(LW_LAYER_IP,
		       &(struct lw_network_settings){ .addresses = addresses, .n_addresses = 2 },
		       "addresses");
	assert_refused(LW_LAYER_IP,
		       &(struct lw_network_settings){ .included_routes = routes,
						      .n_included_routes = 3 },
		       "included-routes");
}

static void parse__routers__of_networks_that_are_there(void **state)
{
	static const char *const addresses[] = { "10.20.0.2/24", "fd20::2/64" };
	static const char *const routers[] = { "10.20.0.1", "fe80::1" };
	static const char *const wrong[] = { "10.21.0.1", "fd21::1",  "10.20.0.0/24",
					     "224.0.0.1", "nonsense", "::" };
	struct lw_network_settings from = { .size = sizeof(from),
					    .addresses = addresses,
					    .n_addresses = 2,
					    .routers = routers,
					    .n_routers = 2 };
	struct network_settings settings, copy;

	(void)state;
	assert_int_equal(network_settings_parse(LW_LAYER_ETHERNET, &from, &settings, NULL), 0);
	assert_int_equal(settings.n_routers, 2);
	assert_int_equal(settings.routers[0].bytes[3], 1);
	assert_int_equal(network_settings_copy(&settings, &copy), 0);
	assert_true(network_settings_equal(&settings, &copy));
	copy.routers[0].bytes[3] = 9;
	assert_false(network_settings_equal(&settings, &copy));
	copy.n_routers = 1;
	assert_false(network_settings_equal(&settings, &copy));
	network_settings_done(&copy);
	network_settings_done(&settings);
	assert_refused(LW_LAYER_IP, &from, "router");
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		from.routers = &wrong[i];
		from.n_routers = 1;
		assert_refused(LW_LAYER_ETHERNET, &from, "router");
	}
	from.routers = (const char *const[]){ "10.20.0.1", "10.20.0.3" };
	from.n_routers = 2;
	assert_refused(LW_LAYER_ETHERNET, &from, "router");
	from.n_routers = 3;
	assert_refused(LW_LAYER_ETHERNET, &from, "router");
	from.n_addresses = from.n_routers = 0;
	from.bridge = "br0";
	from.n_routers = 1;
	assert_refused(LW_LAYER_ETHERNET, &from, "bridge");
}

static void parse__overhead__instead_of_mtu(void **state)
{
	struct lw_network_settings from = { .size = sizeof(from), .tunnel_overhead = 1000 };
	struct network_settings settings, other;

	(void)state;
	assert_int_equal(network_settings_parse(LW_LAYER_IP, &from, &settings, NULL), 0);
	assert_int_equal(settings.tunnel_overhead, 1000);
	from.tunnel_overhead = 80;
	assert_int_equal(network_settings_parse(LW_LAYER_IP, &from, &other, NULL), 0);
	assert_false(network_settings_equal(&settings, &other));
	network_settings_done(&settings);
	network_settings_done(&other);
	from.mtu = 1400;
	assert_refused(LW_LAYER_IP, &from, "tunnel-overhead");
	from.mtu = 0;
	from.tunnel_overhead = 1001;
	assert_refused(LW_LAYER_IP, &from, "tunnel-overhead");
}

static void parse__maxima__both_sides(void **state)
{
	static char texts[LW_SETTINGS_ROUTES_MAX + 1][24];
	const char *routes[LW_SETTINGS_ROUTES_MAX + 1], *null = NULL;
	struct lw_network_settings from = { .size = sizeof(from) };
	struct network_settings settings;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(routes); i++) {
		snprintf(texts[i], sizeof(texts[i]), "10.%u.%u.1", i / 256, i % 256);
		routes[i] = texts[i];
	}
	from.included_routes = from.addresses = routes;
	from.n_included_routes = LW_SETTINGS_ROUTES_MAX;
	from.n_addresses = LW_SETTINGS_ADDRESSES_MAX;
	assert_int_equal(network_settings_parse(LW_LAYER_IP, &from, &settings, NULL), 0);
	network_settings_done(&settings);
	from.n_addresses++;
	assert_refused(LW_LAYER_IP, &from, "addresses");
	from.n_addresses = 0;
	from.n_included_routes++;
	assert_refused(LW_LAYER_IP, &from, "included-routes");
	from = (struct lw_network_settings){ .addresses = &null, .n_addresses = 1 };
	assert_refused(LW_LAYER_IP, &from, "addresses");
}

static void parse__other_fields__bounded(void **state)
{
	char remote[81];

	(void)state;
	memset(remote, 'x', sizeof(remote));
	remote[80] = '\0';
	assert_refused(LW_LAYER_IP, &(struct lw_network_settings){ .remote_address = remote },
		       "remote-address");
	assert_refused(LW_LAYER_IP, &(struct lw_network_settings){ .carrier = 3 }, "carrier");
}

static void parse__older_struct__rest_not_read(void **state)
{
	struct lw_network_settings from = full_ip();
	struct network_settings settings;

	(void)state;
	from.size = offsetof(struct lw_network_settings, included_routes);
	assert_int_equal(network_settings_parse(LW_LAYER_IP, &from, &settings, NULL), 0);
	assert_int_equal(settings.n_addresses, 2);
	assert_int_equal(settings.n_included_routes, 0);
	network_settings_done(&settings);
	from.size = 0;
	assert_int_equal(network_settings_parse(LW_LAYER_IP, &from, &settings, NULL), -EINVAL);
}

static void copy__full__equal_and_independent(void **state)
{
	struct lw_network_settings from = full_ip();
	struct network_settings settings, copy, other;

	(void)state;
	assert_int_equal(network_settings_parse(LW_LAYER_IP, &from, &settings, NULL), 0);
	assert_int_equal(network_settings_copy(&settings, &copy), 0);
	assert_true(network_settings_equal(&settings, &copy));
	copy.addresses[1].length = 63;
	assert_false(network_settings_equal(&settings, &copy));
	copy.addresses[1].length = 64;
	copy.n_excluded_routes = 0;
	assert_false(network_settings_equal(&settings, &copy));
	copy.n_excluded_routes = 1;
	copy.mtu++;
	assert_false(network_settings_equal(&settings, &copy));
	copy.mtu--;
	copy.has_ethernet_address = true;
	assert_false(network_settings_equal(&settings, &copy));
	network_settings_done(&settings);
	network_settings_done(&copy);
	memset(&settings, 0, sizeof(settings));
	assert_int_equal(network_settings_copy(&settings, &other), 0);
	assert_true(network_settings_equal(&settings, &other));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__full__owned),
		cmocka_unit_test(parse__ethernet__mac_and_bridge),
		cmocka_unit_test(parse__wrong_layer__refused),
		cmocka_unit_test(parse__bridge_with_addresses_or_routes__refused),
		cmocka_unit_test(parse__mtu__bounds),
		cmocka_unit_test(parse__mac__group_zero_and_nonsense_refused),
		cmocka_unit_test(parse__addresses__special_refused),
		cmocka_unit_test(parse__routes__host_bits_refused),
		cmocka_unit_test(parse__duplicates__refused),
		cmocka_unit_test(parse__routers__of_networks_that_are_there),
		cmocka_unit_test(parse__overhead__instead_of_mtu),
		cmocka_unit_test(parse__maxima__both_sides),
		cmocka_unit_test(parse__other_fields__bounded),
		cmocka_unit_test(parse__older_struct__rest_not_read),
		cmocka_unit_test(copy__full__equal_and_independent),
	};

	return cmocka_run_group_tests_name("base/settings", tests, NULL, NULL);
}
