/* SPDX-License-Identifier: MIT */
/* Plans: what configurations mean for the library and the machine, and what is refused before
 * anything is done. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <longwire/error.h>

#include "base/file.h"
#include "base/memory.h"
#include "program/plan.h"
#include "tls/credentials.h"

static char folder[64], identity[96], pin_text[PIN_TEXT_SIZE];

static int make_identity(void **state)
{
	struct pin pin;
	size_t length;
	char *pem;
	int r;

	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/longwire-plan-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(identity, sizeof(identity), "%s/me.pem", folder);
	if (credentials_generate(&pem, &length, &pin, NULL) < 0)
		return -1;
	r = file_create(identity, 0600, pem, length, NULL);
	free(pem);
	pin_format(&pin, pin_text);
	return r;
}

static int remove_identity(void **state)
{
	(void)state;
	unlink(identity);
	return rmdir(folder);
}

/* A configuration from text in which @PIN@ is a pin; valid for the configuration's own rules. */
static void parse(const char *text, struct config *config)
{
	struct schema_errors errors = { .file = "test" };
	char *whole = NULL;
	size_t length;
	FILE *stream = open_memstream(&whole, &length);

	for (const char *c = text; *c; c++)
		if (*c == '@')
			fputs(pin_text, stream);
		else
			fputc(*c, stream);
	fclose(stream);
	if (config_parse("test", folder, whole, length, config, &errors) < 0)
		fail_msg("%s", errors.text);
	free(whole);
}

static const char hub_ip[] =
	"layer: ip\n"
	"listen: [\"[::]:8443\"]\n"
	"identity: me.pem\n"
	"interface: {name: lw0, addresses: [10.86.0.1/24, \"fd86::1/64\"]}\n"
	"gateway: {to: [10.0.0.0/8, 192.168.1.0/24], masquerade: true}\n"
	"between-clients: direct\n"
	"settings: {included-routes: [10.0.0.0/8]}\n"
	"clients:\n"
	"  branch: {pin: \"@\", addresses: [10.86.0.3, 10.99.0.3], networks: [192.168.7.0/24, "
	"10.86.0.128/25]}\n";

static void plan_hub__ip__options_routes_and_gateway(void **state)
{
	struct schema_errors errors = { .file = "test" };
	struct lw_peer_options peer;
	struct hub_plan plan;
	struct config config;

	(void)state;
	parse(hub_ip, &config);
	assert_int_equal(plan_hub(&config.hub, &plan, &errors), 0);
	assert_int_equal(plan.hub.layer, LW_LAYER_IP);
	assert_int_equal(plan.hub.between, LW_BETWEEN_DIRECT);
	assert_int_equal(plan.hub.n_pool, 2);
	assert_string_equal(plan.hub.pool[0], "10.86.0.1/24");
	assert_int_equal(plan.hub.n_own_addresses, 2);
	assert_int_equal(plan.hub.n_included_routes, 1);
	assert_string_equal(plan.hub.identity_file, identity);
	assert_true(plan.has_interface);
	assert_string_equal(plan.device.name, "lw0");
	assert_int_equal(plan.device.layer, LW_LAYER_IP);
	assert_int_equal(plan.settings.mtu, 1500);
	assert_int_equal(plan.settings.n_addresses, 2);
	assert_null(plan.settings.ethernet_address);
	/* What the interface's own networks cover needs no route. */
	assert_int_equal(plan.settings.n_included_routes, 2);
	assert_string_equal(plan.settings.included_routes[0], "10.99.0.3");
	assert_string_equal(plan.settings.included_routes[1], "192.168.7.0/24");
	assert_true(plan.has_gateway && plan.gateway.masquerade);
	assert_int_equal(plan.gateway.n_to, 2);
	assert_int_equal(plan.gateway.n_from, 4);
	assert_int_equal(plan.gateway.from[0].address.bytes[3], 0);
	plan_peer(config.hub.clients.items[0], &peer);
	assert_string_equal(peer.name, "branch");
	assert_int_equal(peer.n_pins, 1);
	assert_int_equal(peer.n_addresses, 2);
	assert_int_equal(peer.n_networks, 2);
	plan_hub_done(&plan);
	config_done(&config);
}

static void plan_hub__bridge__mtu_and_mac_are_the_bridges_business(void **state)
{
	struct schema_errors errors = { .file = "test" };
	struct hub_plan plan;
	struct config config;

	(void)state;
	parse("layer: ethernet\nlisten: [\"[::]:1\"]\nidentity: me.pem\nmtu: 9000\n"
	      "interface: {name: lw0, bridge: br0, carrier: hold, coalesce: false}\n",
	      &config);
	assert_int_equal(plan_hub(&config.hub, &plan, &errors), 0);
	assert_false(plan.device.coalesce);
	assert_int_equal(plan.hub.mtu, 9000);
	assert_int_equal(plan.settings.mtu, 0);
	assert_string_equal(plan.settings.bridge, "br0");
	assert_int_equal(plan.settings.carrier, LW_CARRIER_HOLD);
	assert_null(plan.settings.ethernet_address);
	assert_int_equal(plan.hub.n_pool, 0);
	plan_hub_done(&plan);
	config_done(&config);
}

static void plan_hub__ethernet_host__same_mac_each_time(void **state)
{
	struct schema_errors errors = { .file = "test" };
	struct config config;
	struct mac_address mac;
	char first[MAC_TEXT_SIZE] = "";

	(void)state;
	parse("layer: ethernet\nlisten: [\"[::]:1\"]\nidentity: me.pem\ninterface: {name: lw0}\n",
	      &config);
	for (int i = 0; i < 2; i++) {
		struct hub_plan plan;

		assert_int_equal(plan_hub(&config.hub, &plan, &errors), 0);
		assert_non_null(plan.settings.ethernet_address);
		if (i == 0)
			snprintf(first, sizeof(first), "%s", plan.settings.ethernet_address);
		assert_string_equal(plan.settings.ethernet_address, first);
		plan_hub_done(&plan);
	}
	assert_int_equal(mac_address_parse(first, &mac), 0);
	assert_int_equal(mac.bytes[0] & 3, 2);
	config_done(&config);
}

static void plan_hub__no_interface__nothing_of_the_machine(void **state)
{
	struct schema_errors errors = { .file = "test" };
	struct hub_plan plan;
	struct config config;

	(void)state;
	parse("layer: ethernet\nlisten: [\"[::]:1\"]\nidentity: me.pem\n", &config);
	assert_int_equal(plan_hub(&config.hub, &plan, &errors), 0);
	assert_false(plan.has_interface || plan.has_gateway);
	plan_hub_done(&plan);
	config_done(&config);
}

static void plan_tunnel__settings__mapped(void **state)
{
	struct schema_errors errors = { .file = "test" };
	struct tunnel_plan plan;
	struct config config;

	(void)state;
	parse("layer: ip\nhub: {address: [\"a:1\", \"b:2\"], pin: \"@\"}\nidentity: me.pem\n"
	      "interface: {name: lw3, addresses: [10.0.0.2/24]}\naccept: [mtu]\n"
	      "networks: [192.168.7.0/24]\n"
	      "settings: {mtu: 1400, included-routes: [10.8.0.0/16], excluded-routes: "
	      "[10.8.1.0/24]}\n",
	      &config);
	assert_int_equal(plan_tunnel(&config.tunnel, &plan, &errors), 0);
	assert_int_equal(plan.tunnel.n_hubs, 2);
	assert_string_equal(plan.tunnel.hubs[1], "b:2");
	assert_int_equal(plan.tunnel.n_pins, 1);
	assert_int_equal(plan.tunnel.accept, LW_ACCEPT_MTU);
	assert_int_equal(plan.tunnel.n_networks, 1);
	assert_string_equal(plan.tunnel.networks[0], "192.168.7.0/24");
	assert_int_equal(plan.tunnel.mtu, 1400);
	assert_ptr_equal(plan.tunnel.settings, &plan.settings);
	assert_int_equal(plan.settings.mtu, 1400);
	assert_int_equal(plan.settings.n_addresses, 1);
	assert_string_equal(plan.settings.included_routes[0], "10.8.0.0/16");
	assert_string_equal(plan.settings.excluded_routes[0], "10.8.1.0/24");
	assert_string_equal(plan.device.name, "lw3");
	plan_tunnel_done(&plan);
	config_done(&config);
}

static void plan_tunnel__everything_wrong__everything_told(void **state)
{
	static const char *const reasons[] = { "identity: ", "capture.filter: ", "chmod 600" };
	struct schema_errors errors = { .file = "test" };
	struct tunnel_plan plan;
	struct config config;

	(void)state;
	parse("layer: ethernet\nhub: {address: \"a:1\", pin: \"@\"}\nidentity: me.pem\n"
	      "interface: {name: lw0}\ncapture: [{file: a.pcap, filter: arp arp}]\n",
	      &config);
	assert_int_equal(chmod(identity, 0644), 0);
	assert_int_equal(plan_tunnel(&config.tunnel, &plan, &errors), -EINVAL);
	assert_int_equal(chmod(identity, 0600), 0);
	assert_int_equal(errors.n, 2);
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (!strstr(errors.text, reasons[i]))
			fail_msg("no \"%s\" in: %s", reasons[i], errors.text);
	schema_errors_done(&errors);
	config_done(&config);
}

static void plan_tunnel__servers_of_every_name__only_where_everything_goes(void **state)
{
	static const struct {
		const char *keys;
		bool is_taken;
	} rows[] = {
		{ "settings: {dns: {servers: [10.0.0.53], match-domains: [\"\"]}}\n", false },
		{ "settings: {dns: {servers: [10.0.0.53]}}\n", false },
		{ "settings: {dns: {servers: [10.0.0.53], match-domains: [\"\"]}}\n"
		  "include-all-networks: true\n",
		  true },
		{ "settings: {dns: {servers: [10.0.0.53]}}\ninclude-all-networks: true\n", true },
		{ "settings: {included-routes: [0.0.0.0/0], dns: {servers: [10.0.0.53]}}\n", true },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct schema_errors errors = { .file = "test" };
		struct tunnel_plan plan;
		struct config config;
		char text[512];

		snprintf(text, sizeof(text),
			 "layer: ip\nhub: {address: \"192.0.2.1:1\", pin: \"@\"}\n"
			 "identity: me.pem\ninterface: {name: lw3}\n%s",
			 rows[i].keys);
		parse(text, &config);
		assert_int_equal(plan_tunnel(&config.tunnel, &plan, &errors),
				 rows[i].is_taken ? 0 : -EINVAL);
		if (rows[i].is_taken)
			plan_tunnel_done(&plan);
		else
			assert_non_null(strstr(errors.text, "dns.match-domains: "));
		schema_errors_done(&errors);
		config_done(&config);
	}
}

/* The ports that a link can be of, as each side calls them; and what an impairment cannot be. */
static void plan__impairments__of_ports_that_there_are(void **state)
{
	static const struct {
		bool is_hub;
		const char *item, *said; /* NULL: nothing */
	} cases[] = {
		{ true, "{port: branch, loss: 1%}", NULL },
		{ true, "{port: device, direction: in, delay: 300us}", NULL },
		{ true, "{port: lw0, delay: 300us}", NULL },
		{ true, "{port: lw1, delay: 300us}", "no port is called \"lw1\"" },
		{ true, "{port: hub, loss: 1%}", "or a client's name" },
		{ true, "{port: branch, jitter: 1ms}", "branch: jitter: at most the delay" },
		{ false, "{port: device, direction: out, rate: 1mbit}", NULL },
		{ false, "{port: hub, delay: 50ms, reorder: 1%}", NULL },
		{ false, "{port: branch, loss: 1%}",
		  "no port is called \"branch\": device or hub" },
		{ false, "{port: hub}", "hub: nothing that would impair" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct schema_errors errors = { .file = "test" };
		struct tunnel_plan tunnel;
		struct hub_plan hub;
		struct config config;
		char text[1200];
		int r;

		snprintf(text, sizeof(text), "%simpairments: [%s]\n",
			 cases[i].is_hub ? hub_ip
					 : "layer: ip\nhub: {address: \"a:1\", pin: \"@\"}\n"
					   "identity: me.pem\ninterface: {name: lw0}\n",
			 cases[i].item);
		parse(text, &config);
		r = cases[i].is_hub ? plan_hub(&config.hub, &hub, &errors)
				    : plan_tunnel(&config.tunnel, &tunnel, &errors);
		assert_int_equal(r, cases[i].said ? -EINVAL : 0);
		if (cases[i].said && !strstr(errors.text, cases[i].said))
			fail_msg("%s: %s", cases[i].item, errors.text);
		if (r == 0 && cases[i].is_hub)
			plan_hub_done(&hub);
		else if (r == 0)
			plan_tunnel_done(&tunnel);
		schema_errors_done(&errors);
		config_done(&config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plan_hub__ip__options_routes_and_gateway),
		cmocka_unit_test(plan_hub__bridge__mtu_and_mac_are_the_bridges_business),
		cmocka_unit_test(plan_hub__ethernet_host__same_mac_each_time),
		cmocka_unit_test(plan_hub__no_interface__nothing_of_the_machine),
		cmocka_unit_test(plan_tunnel__settings__mapped),
		cmocka_unit_test(plan_tunnel__everything_wrong__everything_told),
		cmocka_unit_test(plan_tunnel__servers_of_every_name__only_where_everything_goes),
		cmocka_unit_test(plan__impairments__of_ports_that_there_are),
	};

	return cmocka_run_group_tests_name("program/plan", tests, make_identity, remove_identity);
}
