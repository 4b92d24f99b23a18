/* SPDX-License-Identifier: MIT */
/* IP mode: who gets which address, and whose packets go where. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/rig.h"

static const char *const fixed_a[] = { "10.86.0.2" };
static const char *const fixed_b[] = { "10.86.0.3" };
static const char *const behind_b[] = { "192.168.7.0/24" };

static void put(struct rig_host *host, const char *from, const char *to)
{
	uint8_t packet[200];
	size_t length = rig_packet(packet, from, to, 100);

	rig_write(host, packet, length);
	rig_pass(host->rig, 20);
}

static size_t got(const struct rig_host *host, const char *from, const char *to)
{
	uint8_t packet[200];
	size_t length = rig_packet(packet, from, to, 100);

	return rig_count(host, packet, length);
}

static void client__with_fixed_address__talks_with_the_hub(void **state)
{
	const struct lw_peer_options peer = { .addresses = fixed_a, .n_addresses = 1 };
	struct rig *rig = rig_new(LW_LAYER_IP, true);
	struct rig_client *a = rig_add(rig, "a", &peer, NULL);
	struct lw_tunnel_status status = { .size = sizeof(status) };

	(void)state;
	rig_connect(a);
	put(&a->host, "10.86.0.2", "10.86.0.1");
	assert_int_equal(got(&rig->host, "10.86.0.2", "10.86.0.1"), 1);
	put(&rig->host, "10.86.0.1", "10.86.0.2");
	assert_int_equal(got(&a->host, "10.86.0.1", "10.86.0.2"), 1);
	lw_tunnel_status(a->tunnel, &status);
	assert_non_null(strstr(status.refused_offers, "10.0.0.0/8 (not in accept)"));
	rig_free(rig);
}

static void client__without_address__gets_one_of_the_pool(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_IP, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	struct lw_port_status status = { .size = sizeof(status) };
	char address[240];

	(void)state;
	rig_connect(a);
	lw_port_status(a->port, &status);
	assert_non_null(strstr(status.addresses, "10.86.0."));
	assert_non_null(strstr(status.addresses, "fd86::"));
	memcpy(address, status.addresses, sizeof(address));
	*strchr(address, '/') = '\0';
	put(&a->host, address, "10.86.0.1");
	assert_int_equal(got(&rig->host, address, "10.86.0.1"), 1);
	rig_free(rig);
}

static void source__of_somebody_else__is_dropped_at_both_ends(void **state)
{
	const struct lw_peer_options peer_a = { .addresses = fixed_a, .n_addresses = 1 };
	const struct lw_peer_options peer_b = { .addresses = fixed_b, .n_addresses = 1 };
	/* One that speaks for a network the hub does not know of: its packets leave it, and end at
	 * the hub. */
	const struct lw_tunnel_options liar = { .networks = behind_b, .n_networks = 1 };
	struct rig *rig = rig_new(LW_LAYER_IP, true);
	struct rig_client *a = rig_add(rig, "a", &peer_a, NULL);
	struct rig_client *b = rig_add(rig, "b", &peer_b, &liar);
	struct lw_tunnel_status status = { .size = sizeof(status) };

	(void)state;
	rig_connect(a);
	rig_connect(b);
	put(&a->host, "10.86.0.3", "10.86.0.1");
	assert_int_equal(rig->host.n, 0);
	lw_tunnel_status(a->tunnel, &status);
	assert_int_equal(status.drops[LW_DROP_SOURCE_ADDRESS], 1);
	put(&b->host, "192.168.7.9", "10.86.0.1");
	assert_int_equal(rig->host.n, 0);
	assert_int_equal(rig_drops(b, LW_DROP_SOURCE_ADDRESS), 1);
	rig_free(rig);
}

static void networks__behind_a_client__are_reached_when_it_speaks_for_them(void **state)
{
	const struct lw_peer_options peer = {
		.addresses = fixed_b, .n_addresses = 1, .networks = behind_b, .n_networks = 1
	};
	const struct lw_tunnel_options speaks = { .networks = behind_b, .n_networks = 1 };
	struct rig *rig = rig_new(LW_LAYER_IP, true);
	struct rig_client *b = rig_add(rig, "b", &peer, &speaks);

	(void)state;
	rig_connect(b);
	put(&rig->host, "10.86.0.1", "192.168.7.9");
	assert_int_equal(got(&b->host, "10.86.0.1", "192.168.7.9"), 1);
	put(&b->host, "192.168.7.9", "10.86.0.1");
	assert_int_equal(got(&rig->host, "192.168.7.9", "10.86.0.1"), 1);
	rig_free(rig);
}

static void networks__client_does_not_speak_for_them__a_hub_cannot_pivot(void **state)
{
	const struct lw_peer_options peer = {
		.addresses = fixed_b, .n_addresses = 1, .networks = behind_b, .n_networks = 1
	};
	struct rig *rig = rig_new(LW_LAYER_IP, true);
	struct rig_client *b = rig_add(rig, "b", &peer, NULL);
	struct lw_tunnel_status status = { .size = sizeof(status) };

	(void)state;
	rig_connect(b);
	put(&rig->host, "10.86.0.1", "192.168.7.9");
	assert_int_equal(b->host.n, 0);
	lw_tunnel_status(b->tunnel, &status);
	assert_int_equal(status.drops[LW_DROP_DESTINATION_ADDRESS], 1);
	rig_free(rig);
}

static void clients__by_default__are_isolated(void **state)
{
	const struct lw_peer_options peer_a = { .addresses = fixed_a, .n_addresses = 1 };
	const struct lw_peer_options peer_b = { .addresses = fixed_b, .n_addresses = 1 };
	struct rig *rig = rig_new(LW_LAYER_IP, true);
	struct rig_client *a = rig_add(rig, "a", &peer_a, NULL);
	struct rig_client *b = rig_add(rig, "b", &peer_b, NULL);

	(void)state;
	rig_connect(a);
	rig_connect(b);
	put(&a->host, "10.86.0.2", "10.86.0.3");
	assert_int_equal(b->host.n, 0);
	assert_int_equal(rig->host.n, 0);
	assert_int_equal(rig_drops(a, LW_DROP_ISOLATED), 1);
	rig_free(rig);
}

static void address__of_another_client__cannot_be_configured_twice(void **state)
{
	const struct lw_peer_options peer = { .addresses = fixed_a, .n_addresses = 1 };
	struct rig *rig = rig_new(LW_LAYER_IP, false);
	static const char *const pins[] = { "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };
	struct lw_peer_options second = { .size = sizeof(second),
					  .name = "b",
					  .pins = pins,
					  .n_pins = 1,
					  .addresses = fixed_a,
					  .n_addresses = 1 };
	struct lw_error error;

	(void)state;
	rig_add(rig, "a", &peer, NULL);
	assert_int_equal(lw_hub_add_peer(rig->hub, &second, NULL, &error), -17 /* -EEXIST */);
	assert_non_null(strstr(error.text, "clients.b.addresses: 10.86.0.2/32"));
	second.addresses = fixed_b;
	assert_int_equal(lw_hub_add_peer(rig->hub, &second, NULL, &error), 0);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(client__with_fixed_address__talks_with_the_hub),
		cmocka_unit_test(client__without_address__gets_one_of_the_pool),
		cmocka_unit_test(source__of_somebody_else__is_dropped_at_both_ends),
		cmocka_unit_test(networks__behind_a_client__are_reached_when_it_speaks_for_them),
		cmocka_unit_test(networks__client_does_not_speak_for_them__a_hub_cannot_pivot),
		cmocka_unit_test(clients__by_default__are_isolated),
		cmocka_unit_test(address__of_another_client__cannot_be_configured_twice),
	};

	return cmocka_run_group_tests_name("component/ip", tests, NULL, NULL);
}
