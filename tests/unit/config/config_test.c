/* SPDX-License-Identifier: MIT */
/* Files of hubs and clients: the samples, every rule across keys, clients.d, kinds of files. */
#include "config/config.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <longwire/capture.h>
#include <longwire/tunnel.h>

#include "base/memory.h"

#define PIN_A "SHA256:XuwNxBmqgze/cl8Cb9qceMHLHGQu6v+dbhES83eD6UI"
#define PIN_B "SHA256:84x2TIqgC2V49CVKTcbZtQ+I+pJuJw6nhZvRtwfNhmI"

#define HUB    "listen: '[::]:8443'\nidentity: hub.pem\n"
#define TUNNEL "identity: c.pem\nhub: {address: 'h:1', pin: " PIN_A "}\n"
#define ETHER  "layer: ethernet\n"
#define IP     "layer: ip\n"
#define DEVICE "interface: {name: lw0}\n"

static int parse(const char *text, struct config *ret_config, struct schema_errors *errors)
{
	return config_parse("f", "/etc/lw", text, strlen(text), ret_config, errors);
}

static void assert_parsed(const char *text, struct config *ret_config)
{
	struct schema_errors errors = { 0 };

	if (parse(text, ret_config, &errors) != 0)
		fail_msg("%s%s", text, errors.text);
	assert_null(errors.text);
}

/* Refused with exactly these lines. */
static void assert_refused(const char *text, const char *lines)
{
	struct schema_errors errors = { 0 };
	struct config config = { .kind = 77 };

	assert_int_equal(parse(text, &config, &errors), -EINVAL);
	assert_string_equal(errors.text, lines);
	assert_int_equal(config.kind, 77);
	schema_errors_done(&errors);
}

/* ---- Samples ---- */

static void load_sample(const char *name, struct config *ret_config)
{
	struct schema_errors errors = { 0 };
	_cleanup_free_ char *path = NULL, *text = NULL;
	FILE *file;
	size_t n;

	assert_true(asprintf(&path, "%s/configs/%s", LW_SOURCE_DIR, name) > 0);
	/* A checkout may belong to anybody; config_load is tested on files of our own. */
	file = fopen(path, "re");
	assert_non_null(file);
	text = calloc(1, CONFIG_FILE_MAX);
	n = fread(text, 1, CONFIG_FILE_MAX, file);
	fclose(file);
	if (config_parse(name, "/etc/lw", text, n, ret_config, &errors) != 0)
		fail_msg("%s", errors.text);
}

static void sample__hub_ethernet__read(void **state)
{
	const struct client_config *branch;
	const struct capture_config *capture;
	struct config config;

	(void)state;
	load_sample("hub-ethernet.yaml", &config);
	assert_int_equal(config.kind, CONFIG_HUB);
	assert_int_equal(config.hub.layer, LW_LAYER_ETHERNET);
	assert_string_equal(config.hub.listen.items[0], "[::]:8443");
	assert_string_equal(config.hub.identity, "/etc/lw/hub.pem");
	assert_int_equal(config.hub.mtu, 1500);
	assert_string_equal(config.hub.interface.name, "lw0");
	assert_string_equal(config.hub.interface.bridge, "br0");
	assert_false(config.hub.gateway.is_set);
	assert_int_equal(config.hub.between_clients, LW_BETWEEN_DIRECT);
	assert_int_equal(config.hub.clients.n, 2);
	branch = config.hub.clients.items[1];
	assert_string_equal(branch->name, "branch");
	assert_int_equal(branch->behind, LW_BEHIND_LAN);
	assert_int_equal(branch->pin.n, 2);
	assert_int_equal(branch->macs_max, 1000);
	assert_int_equal(branch->broadcast, 500);
	assert_int_equal(branch->multicast, 5000);
	assert_int_equal(branch->unknown_unicast, 500);
	assert_int_equal(((const struct client_config *)config.hub.clients.items[0])->behind,
			 LW_BEHIND_HOST);
	capture = config.hub.captures.items[0];
	assert_string_equal(capture->file, "/etc/lw/hub.pcap");
	assert_int_equal(capture->points, LW_CAPTURE_DEVICE_IN | LW_CAPTURE_DEVICE_OUT);
	assert_string_equal(capture->filter, "arp or port 67");
	assert_int_equal(capture->snap_length, 256);
	assert_int_equal(((const struct capture_config *)config.hub.captures.items[1])->snap_length,
			 262144);
	config_done(&config);
	config_done(&config);
	config_done(NULL);
}

static void sample__laboratory__read(void **state)
{
	static const struct {
		const char *port;
		int ways;
		uint64_t rate;
		uint32_t delay_us, burst_end;
	} links[] = {
		{ "branch", LW_PORT_IN, 1000000, 12000, 0 },
		{ "branch", LW_PORT_OUT, 16000000, 12000, 0 },
		{ "laptop", LW_PORT_IN | LW_PORT_OUT, 0, 800, 200000 },
	};
	struct config config;

	(void)state;
	load_sample("laboratory.yaml", &config);
	assert_true(config.hub.inject);
	assert_null(config.hub.interface.name);
	assert_int_equal(config.hub.captures.n, 2);
	assert_int_equal(config.hub.impairments.n, ARRAY_SIZE(links));
	for (size_t i = 0; i < ARRAY_SIZE(links); i++) {
		const struct impairment_config *link = config.hub.impairments.items[i];

		assert_string_equal(link->port, links[i].port);
		assert_int_equal(link->ways, links[i].ways);
		assert_int_equal(link->settings.rate, links[i].rate);
		assert_int_equal(link->settings.delay_us, links[i].delay_us);
		assert_int_equal(link->settings.burst_end, links[i].burst_end);
		assert_int_equal(link->settings.seed, 7);
	}
	config_done(&config);
}

static void sample__hub_ip__read(void **state)
{
	const struct client_config *branch;
	struct config config;

	(void)state;
	load_sample("hub-ip.yaml", &config);
	assert_int_equal(config.hub.layer, LW_LAYER_IP);
	assert_int_equal(config.hub.interface.addresses.n, 2);
	assert_true(config.hub.gateway.is_set);
	assert_true(config.hub.gateway.masquerade);
	assert_string_equal(config.hub.gateway.to.items[0], "10.0.0.0/8");
	assert_int_equal(config.hub.between_clients, LW_BETWEEN_ISOLATED);
	assert_string_equal(config.hub.settings.included_routes.items[0], "10.0.0.0/8");
	branch = config.hub.clients.items[1];
	assert_string_equal(branch->addresses.items[0], "10.86.0.3");
	assert_string_equal(branch->networks.items[0], "192.168.7.0/24");
	config_done(&config);
}

static void sample__clients__read(void **state)
{
	struct config config;

	(void)state;
	load_sample("client-ethernet.yaml", &config);
	assert_int_equal(config.kind, CONFIG_TUNNEL);
	assert_string_equal(config.tunnel.hub_address.items[0], "hub.example.net:8443");
	assert_string_equal(config.tunnel.identity, "/etc/lw/branch.pem");
	assert_int_equal(config.tunnel.interface.carrier, LW_CARRIER_HOLD);
	assert_int_equal(config.tunnel.accept, 0);
	assert_int_equal(config.tunnel.mtu, 0);
	config_done(&config);
	load_sample("client-ip.yaml", &config);
	assert_int_equal(config.tunnel.hub_address.n, 3);
	assert_int_equal(config.tunnel.accept, LW_ACCEPT_ADDRESSES | LW_ACCEPT_MTU |
						       LW_ACCEPT_INCLUDED_ROUTES | LW_ACCEPT_DNS);
	assert_string_equal(config.tunnel.settings.excluded_routes.items[0], "10.9.0.0/16");
	assert_false(config.tunnel.enforce_routes);
	config_done(&config);
	load_sample("isolated-network.yaml", &config);
	assert_true(config.tunnel.enforce_routes);
	assert_false(config.tunnel.include_all_networks);
	assert_int_equal(config.tunnel.settings.included_routes.n, 2);
	config_done(&config);
	load_sample("insecure-network.yaml", &config);
	assert_true(config.tunnel.include_all_networks);
	assert_true(config.tunnel.exclude_local_networks);
	assert_int_equal(config.tunnel.hub_address.n, 2);
	config_done(&config);
}

/* ---- Kinds and layers ---- */

static void kind__both_or_neither__said(void **state)
{
	(void)state;
	assert_refused(ETHER HUB "hub: {address: 'h:1', pin: " PIN_A "}\n",
		       "f:4:1: hub: makes this a client's file, but listen makes it a hub's: only "
		       "one of them is allowed\n");
	assert_refused(ETHER "identity: x\n",
		       "f:1:1: neither listen nor hub is here; a hub's file has listen, a client's "
		       "has hub\n");
	assert_refused("{}", "f:1:1: neither listen nor hub is here; a hub's file has listen, a "
			     "client's has hub\n");
}

static void kind__misspelt_listen_or_hub__guessed_and_suggested(void **state)
{
	struct schema_errors errors = { 0 };
	struct config config;

	(void)state;
	assert_int_equal(parse(ETHER "lisen: '[::]:1'\nidentity: a\n", &config, &errors), -EINVAL);
	assert_non_null(strstr(errors.text, "f:2:1: lisen: unknown key, did you mean \"listen\"?"));
	assert_non_null(strstr(errors.text, "listen: is missing"));
	schema_errors_done(&errors);
	assert_int_equal(parse(ETHER DEVICE "hbu: {}\nidentity: a\n", &config, &errors), -EINVAL);
	assert_non_null(strstr(errors.text, "f:3:1: hbu: unknown key, did you mean \"hub\"?"));
	schema_errors_done(&errors);
}

static void keys__of_the_other_kind__refused(void **state)
{
	static const char *const hub_lines[] = { "accept: [mtu]", "on-demand: []",
						 "enforce-routes: true",
						 "settings: {excluded-routes: []}",
						 "settings: {ethernet-address: x}" };
	static const char *const tunnel_lines[] = { "clients: {}", "gateway: {}",
						    "between-clients: direct" };
	struct schema_errors errors = { 0 };
	struct config config;
	char text[512];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(hub_lines); i++) {
		snprintf(text, sizeof(text), IP HUB "%s\n", hub_lines[i]);
		assert_int_equal(parse(text, &config, &errors), -EINVAL);
		assert_non_null(strstr(errors.text, "belongs into a client's file"));
		assert_int_equal(errors.n, 1);
		schema_errors_done(&errors);
	}
	for (size_t i = 0; i < ARRAY_SIZE(tunnel_lines); i++) {
		snprintf(text, sizeof(text), IP TUNNEL DEVICE "%s\n", tunnel_lines[i]);
		assert_int_equal(parse(text, &config, &errors), -EINVAL);
		assert_non_null(strstr(errors.text, "belongs into a hub's file"));
		assert_int_equal(errors.n, 1);
		schema_errors_done(&errors);
	}
}

static void keys__of_later_versions__said_so(void **state)
{
	static const char *const texts[] = {
		ETHER HUB "vlans: 1\n",
		ETHER HUB "ca: x\n",
		ETHER HUB "crl: x\n",
		ETHER HUB "clients: {a: {pin: '" PIN_A "', vlans: {untagged: 10}}}\n",
		IP TUNNEL DEVICE "on-demand: [{action: connect}]\n",
		IP DEVICE "identity: a\nhub: {address: 'h:1', pin: '" PIN_A "', ca: x}\n",
		IP DEVICE "identity: a\nhub: {address: 'h:1', pin: '" PIN_A "', name: x}\n",
		IP DEVICE "identity: a\nhub: {address: 'h:1', pin: '" PIN_A "', crl: x}\n",
	};
	struct schema_errors errors = { 0 };
	struct config config;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_int_equal(parse(texts[i], &config, &errors), -EINVAL);
		assert_non_null(strstr(errors.text, "is not supported by this version"));
		assert_int_equal(errors.n, 1);
		schema_errors_done(&errors);
	}
}

/* What Apple's model has and this machine cannot have, and what is called otherwise here. */
static void keys__of_the_model_without_a_counterpart__say_so(void **state)
{
	static const char *const keys[][2] = {
		{ "exclude-cellular-services", "has no counterpart on Linux" },
		{ "exclude-apns", "has no counterpart on Linux" },
		{ "exclude-device-communication", "has no counterpart on Linux" },
		{ "slice-uuid", "has no counterpart on Linux" },
		{ "safari-domains", "has no counterpart on Linux" },
		{ "mail-domains", "has no counterpart on Linux" },
		{ "calendar-domains", "has no counterpart on Linux" },
		{ "contacts-domains", "has no counterpart on Linux" },
		{ "associated-domains", "has no counterpart on Linux" },
		{ "excluded-domains", "has no counterpart on Linux" },
		{ "username", "knows peers by their keys" },
		{ "password", "knows peers by their keys" },
		{ "password-reference", "knows peers by their keys" },
		{ "identity-data", "secrets stand in a file of their own" },
		{ "server-address", "is called hub.address" },
		{ "provider-bundle-identifier", "a program with liblongwire" },
		{ "provider-configuration", "a program with liblongwire" },
		{ "app-rules", "is not supported by this version" },
		{ "routing-method", "is not supported by this version" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		struct schema_errors errors = { 0 };
		struct config config;
		char text[512];

		snprintf(text, sizeof(text),
			 ETHER DEVICE "hub: {address: 'h:1', pin: " PIN_A "}\nidentity: a\n%s: x\n",
			 keys[i][0]);
		assert_int_equal(parse(text, &config, &errors), -EINVAL);
		if (errors.n != 1 || !strstr(errors.text, keys[i][0]) ||
		    !strstr(errors.text, keys[i][1]))
			fail_msg("%s: %s", keys[i][0], errors.text);
		schema_errors_done(&errors);
	}
}

static void routing__contradictions__refused(void **state)
{
	static const struct {
		const char *text, *line;
	} rows[] = {
		{ IP TUNNEL DEVICE "exclude-local-networks: true\n",
		  "exclude-local-networks: means nothing without enforce-routes" },
		{ IP TUNNEL DEVICE "include-all-networks: maybe\n", "include-all-networks: " },
		{ IP TUNNEL DEVICE "mtu: 1400\nsettings: {tunnel-overhead: 80}\n",
		  "settings.tunnel-overhead: is another way to say mtu" },
		{ IP TUNNEL DEVICE "settings: {mtu: 1400, tunnel-overhead: 80}\n",
		  "settings.tunnel-overhead: is another way to say mtu" },
		{ IP TUNNEL DEVICE "settings: {tunnel-overhead: 1001}\n",
		  "settings.tunnel-overhead: " },
		{ IP TUNNEL DEVICE "settings: {router: 10.20.0.1}\n",
		  "settings.router: is a key of layer: ethernet" },
		{ ETHER TUNNEL DEVICE "settings: {router: 10.20.0.0/24}\n", "settings.router" },
		{ ETHER TUNNEL "interface: {name: lw0, bridge: br0}\nenforce-routes: true\n",
		  "enforce-routes: a bridge's port has no addresses and routes" },
		{ ETHER TUNNEL "interface: {name: lw0, bridge: br0}\ninclude-all-networks: true\n",
		  "include-all-networks: a bridge's port has no addresses and routes" },
		{ ETHER TUNNEL "interface: {name: lw0, bridge: br0}\n"
			       "settings: {router: 10.20.0.1}\n",
		  "settings.router: a bridge's port has no addresses and routes" },
		{ IP HUB "enforce-routes: true\n", "enforce-routes: belongs into a client's file" },
		{ IP HUB "include-all-networks: true\n",
		  "include-all-networks: belongs into a client's file" },
		{ IP HUB "settings: {router: 10.20.0.1}\n",
		  "settings.router: belongs into a client's file" },
		{ IP HUB "settings: {tunnel-overhead: 80}\n",
		  "settings.tunnel-overhead: belongs into a client's file" },
	};

	struct schema_errors errors = { 0 };
	struct config config;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(parse(rows[i].text, &config, &errors), -EINVAL);
		if (!strstr(errors.text, rows[i].line))
			fail_msg("\"%s\" does not say \"%s\"", errors.text, rows[i].line);
		schema_errors_done(&errors);
	}
}

static void keys__of_the_other_layer__refused(void **state)
{
	static const struct {
		const char *text, *line;
	} rows[] = {
		{ ETHER HUB DEVICE "gateway: {to: 10.0.0.0/8}\n",
		  "f:5:1: gateway: is a key of layer: ip" },
		{ ETHER HUB "settings: {included-routes: 10.0.0.0/8}\n",
		  "f:4:12: settings.included-routes: is a key of layer: ip" },
		{ ETHER HUB "clients: {a: {pin: '" PIN_A "', addresses: 10.0.0.1}}\n",
		  "clients.a.addresses: is a key of layer: ip" },
		{ ETHER HUB "clients: {a: {pin: '" PIN_A "', networks: 10.0.0.0/8}}\n",
		  "clients.a.networks: is a key of layer: ip" },
		{ ETHER HUB DEVICE "between-clients: kernel\n",
		  "f:5:1: between-clients: kernel goes with layer: ip" },
		{ IP HUB "interface: {name: lw0, bridge: br0}\n",
		  "f:4:24: interface.bridge: is a key of layer: ethernet" },
		{ IP HUB "clients: {a: {pin: '" PIN_A "', addresses: 10.0.0.1, behind: lan}}\n",
		  "clients.a.behind: is a key of layer: ethernet" },
		{ IP HUB "clients: {a: {pin: '" PIN_A
			 "', addresses: 10.0.0.1, limits: {macs: 1}}}\n",
		  "clients.a.limits: is a key of layer: ethernet" },
		{ IP TUNNEL "interface: {name: lw0, bridge: br0}\n",
		  "interface.bridge: is a key of layer: ethernet" },
		{ IP TUNNEL DEVICE "settings: {ethernet-address: '02:0:0:0:0:1'}\n",
		  "settings.ethernet-address: is a key of layer: ethernet" },
		{ IP TUNNEL DEVICE "settings: {ipv4: automatic}\n",
		  "settings.ipv4: is a key of layer: ethernet" },
		{ IP TUNNEL DEVICE "settings: {ipv6: off}\n",
		  "settings.ipv6: is a key of layer: ethernet" },
		{ ETHER HUB "settings: {dns: {servers: 10.0.0.53}}\n",
		  "settings.dns: is a key of layer: ip" },
		{ ETHER HUB "settings: {proxy: {http-server: 'h:1'}}\n",
		  "settings.proxy: is a key of layer: ip" },
		{ ETHER HUB "settings: {ipv4: automatic}\n",
		  "settings.ipv4: belongs into a client" },
	};
	struct schema_errors errors = { 0 };
	struct config config;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		assert_int_equal(parse(rows[i].text, &config, &errors), -EINVAL);
		if (!strstr(errors.text, rows[i].line) || errors.n != 1)
			fail_msg("%s is not %s", errors.text, rows[i].line);
		schema_errors_done(&errors);
	}
}

/* ---- Rules across keys ---- */

static void rules__across_keys__refused(void **state)
{
	static const char *const texts[] = {
		ETHER HUB "interface: {name: lw0, bridge: br0, addresses: 10.0.0.1/24}\n",
		ETHER TUNNEL "interface: {name: lw0, bridge: br0, addresses: 10.0.0.1/24}\n",
		ETHER TUNNEL
		"interface: {name: lw0, bridge: br0}\nsettings: {addresses: 10.0.0.1/24}\n",
		ETHER TUNNEL "interface: {name: lw0, bridge: br0}\n"
			     "settings: {included-routes: 10.0.0.0/8}\n",
		ETHER TUNNEL "interface: {name: lw0, bridge: br0}\n"
			     "settings: {excluded-routes: 10.0.0.0/8}\n",
		ETHER TUNNEL "interface: {name: lw0, bridge: br0}\nsettings: {ipv4: automatic}\n",
		ETHER TUNNEL "interface: {name: lw0, bridge: br0}\nsettings: {ipv6: link-local}\n",
		ETHER TUNNEL "interface: {name: lw0, bridge: br0}\n"
			     "settings: {dns: {servers: 10.0.0.53}}\n",
		IP TUNNEL DEVICE "settings: {dns: {match-domains: a.example}}\n",
		ETHER TUNNEL DEVICE "mtu: 1400\nsettings: {mtu: 1400}\n",
		IP TUNNEL "interface: {name: lw0, addresses: 10.0.0.1/24}\n"
			  "settings: {addresses: 10.0.0.2/24}\n",
		IP HUB "gateway: {to: 10.0.0.0/8}\n",
		IP HUB "between-clients: kernel\n",
		IP HUB DEVICE "gateway: {masquerade: true}\n",
		IP HUB DEVICE "clients: {a: {pin: '" PIN_A "'}}\n",
		ETHER HUB "capture: [{file: x}, {file: x}]\n",
		ETHER HUB "interface: {bridge: br0}\n",
		ETHER TUNNEL,
		HUB,
		ETHER "listen: '[::]:1'\n",
	};
	struct schema_errors errors = { 0 };
	struct config config;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		if (parse(texts[i], &config, &errors) != -EINVAL || errors.n != 1)
			fail_msg("%s: %s", texts[i], errors.text);
		schema_errors_done(&errors);
	}
}

static void rules__shared_between_clients__refused(void **state)
{
	(void)state;
	assert_refused(ETHER HUB "clients:\n  a: {pin: " PIN_A "}\n  b: {pin: [" PIN_B ", " PIN_A
				 "=]}\n",
		       "f:6:65: clients.b.pin: " PIN_A " is already a's (f:5)\n");
	assert_refused(IP HUB "clients:\n  a: {pin: " PIN_A ", addresses: 'fd86::2'}\n"
			      "  b: {pin: " PIN_B ", addresses: 'fd86:0::0002'}\n",
		       "f:6:75: clients.b.addresses: fd86::2 is already a's (f:5)\n");
	assert_refused(IP HUB "clients:\n  a: {pin: " PIN_A ", addresses: 10.0.0.2, networks: "
			      "10.1.0.0/16}\n"
			      "  b: {pin: " PIN_B ", addresses: 10.0.0.3, networks: 10.1.0.0/16}\n",
		       "f:6:95: clients.b.networks: 10.1.0.0/16 is already a's (f:5)\n");
	assert_refused(IP HUB "interface: {name: lw0, addresses: 10.0.0.1/24}\n"
			      "clients: {a: {pin: '" PIN_A "', addresses: 10.0.0.1}}\n",
		       "f:5:85: clients.a.addresses: 10.0.0.1 is already the hub's (f:4)\n");
}

static void rules__defaults__as_documented(void **state)
{
	struct config config;

	(void)state;
	assert_parsed(ETHER HUB, &config);
	assert_null(config.hub.interface.name);
	assert_int_equal(config.hub.mtu, 1500);
	assert_int_equal(config.hub.between_clients, 0);
	assert_int_equal(config.hub.clients.n, 0);
	assert_int_equal(config.hub.captures.n, 0);
	config_done(&config);
	assert_parsed(IP TUNNEL DEVICE "accept: []\ncapture: [{file: /a/b}]\n", &config);
	assert_int_equal(config.tunnel.accept, (unsigned)LW_ACCEPT_NOTHING);
	assert_int_equal(((struct capture_config *)config.tunnel.captures.items[0])->points,
			 LW_CAPTURE_DEVICE_IN | LW_CAPTURE_DEVICE_OUT);
	assert_string_equal(((struct capture_config *)config.tunnel.captures.items[0])->file,
			    "/a/b");
	config_done(&config);
	assert_parsed(IP TUNNEL DEVICE "accept: mtu\nsettings: {mtu: 1400}\n", &config);
	assert_int_equal(config.tunnel.accept, LW_ACCEPT_MTU);
	assert_int_equal(config.tunnel.mtu, 1400);
	config_done(&config);
}

static void values__both_sides_of_every_bound(void **state)
{
	static const struct {
		const char *format, *good[10], *bad[12];
	} rows[] = {
		{ ETHER HUB "mtu: %s\n",
		  { "576", "1500", "9216" },
		  { "575", "9217", "0", "-1", "0x240", "01500", "1_500", "1e3", "''", "~",
		    "'1500 '" } },
		{ ETHER HUB "workers: %s\n",
		  { "1", "8", "auto" },
		  { "0", "9", "-1", "many", "''", "Auto", "[1]" } },
		{ ETHER HUB "streams: %s\n", { "1", "8" }, { "0", "9", "-1", "auto", "''" } },
		{ ETHER TUNNEL DEVICE "workers: %s\n",
		  { "1", "8", "auto" },
		  { "0", "9", "-1", "many", "''" } },
		{ ETHER TUNNEL DEVICE "streams: %s\n",
		  { "1", "8" },
		  { "0", "9", "-1", "auto", "''" } },
		{ ETHER "identity: a\nlisten: %s\n",
		  { "0.0.0.0:1", "'[::1]:65535'", "[0.0.0.0:1, 0.0.0.0:2]" },
		  { "host:1", "0.0.0.0:0", "':1'", "'*:1'", "8443", "0.0.0.0", "[]", "{}",
		    "[0.0.0.0:1, 0.0.0.0:1]", "0.0.0.0:65536" } },
		{ ETHER "listen: 0.0.0.0:1\nidentity: %s\n",
		  { "a", "/a/b.pem", "../x", "'a b'", "~" },
		  { "''", "a/", "\"a\\nb\"", "[]" } },
		{ ETHER HUB "interface: {name: %s}\n",
		  { "a", "123456789012345" },
		  { "1234567890123456", "''", "a/b", "..", "\"lw\\n0\"", "'a b'" } },
		{ ETHER HUB "interface: {name: lw0, carrier: %s}\n",
		  { "hold", "follow" },
		  { "Hold", "''", "true" } },
		{ ETHER HUB "interface: {name: lw0, coalesce: %s}\n",
		  { "true", "false" },
		  { "yes", "''", "1" } },
		{ ETHER HUB "interface: {name: lw0, addresses: %s}\n",
		  { "10.0.0.1/24", "'fd86::1/64'", "10.0.0.1", "[]" },
		  { "127.0.0.1/8", "10.0.0.1/0", "224.0.0.1/24", "'::1'", "10.0.0.1/33", "lw0" } },
		{ ETHER HUB "clients: {%s: {pin: " PIN_A "}}\n",
		  { "a", "A.b_c-9" },
		  { "''", "../x", ".x", "-x", "'a b'", "a/b" } },
		{ ETHER HUB "clients: {a: {pin: %s}}\n",
		  { PIN_A, PIN_A "=", "[" PIN_A ", " PIN_B "]" },
		  { "''", "[]", "SHA256:", "sha256:XuwNxBmqgze/cl8Cb9qceMHLHGQu6v+dbhES83eD6UI",
		    "XuwNxBmqgze/cl8Cb9qceMHLHGQu6v+dbhES83eD6UI", PIN_A "==", PIN_A "A",
		    "SHA256:XuwNxBmqgze/cl8Cb9qceMHLHGQu6v+dbhES83eD6U",
		    "SHA256:XuwNxBmqgze/cl8Cb9qceMHLHGQu6v+dbhES83eD6UJ",
		    "SHA256:XuwNxBmqgze_cl8Cb9qceMHLHGQu6v-dbhES83eD6UI", "~" } },
		{ ETHER HUB "clients: {a: {pin: " PIN_A ", limits: {macs: %s}}}\n",
		  { "1", "65536" },
		  { "0", "65537" } },
		{ ETHER HUB "clients: {a: {pin: " PIN_A ", limits: {broadcast: %s}}}\n",
		  { "1", "1000000" },
		  { "0", "1000001" } },
		{ ETHER HUB "capture: [{file: x, snap-length: %s}]\n",
		  { "1", "262144" },
		  { "0", "262145" } },
		{ ETHER HUB "capture: [{file: x, points: %s}]\n",
		  { "drop", "[session-in, session-out]" },
		  { "[]", "all", "[drop, drop]" } },
		{ ETHER HUB "capture: [{file: x, filter: %s}]\n",
		  { "arp or port 67" },
		  { "''", "' '", "\"a\\nb\"", "[arp]" } },
		{ IP HUB DEVICE "gateway: {to: %s}\n",
		  { "0.0.0.0/0", "[10.0.0.0/8, 'fd86::/64']" },
		  { "10.0.0.1/8", "[]", "all", "'::/129'" } },
		{ IP HUB DEVICE "gateway: {to: 10.0.0.0/8, masquerade: %s}\n",
		  { "true", "false" },
		  { "yes", "no", "1", "True", "''" } },
		{ IP HUB "clients: {a: {pin: " PIN_A ", addresses: %s}}\n",
		  { "10.0.0.2", "['fd86::2', 10.0.0.2]" },
		  { "10.0.0.2/24", "0.0.0.0", "255.255.255.255", "'ff02::1'",
		    "[1.0.0.1,1.0.0.2,1.0.0.3,1.0.0.4,1.0.0.5,1.0.0.6,1.0.0.7,1.0.0.8,1.0.0.9]" } },
		{ ETHER DEVICE "identity: a\nhub: {pin: " PIN_A ", address: %s}\n",
		  { "'h:1'", "['h:1', '1.2.3.4:2', '[::1]:3']" },
		  { "h", "'h:0'", "'::1:1'", "'127.1:1'", "[]", "'h:1,g:1'", "'h :1'" } },
		{ ETHER TUNNEL DEVICE "settings: {ethernet-address: %s}\n",
		  { "'02:5e:1c:12:34:56'" },
		  { "'01:0:5e:0:0:1'", "'ff:ff:ff:ff:ff:ff'", "'0:0:0:0:0:0'",
		    "02-5e-1c-12-34-56" } },
		{ ETHER TUNNEL DEVICE "settings: {ipv4: %s}\n",
		  { "manual", "automatic", "link-local", "off" },
		  { "dhcp", "linklocal", "''", "[automatic]", "Automatic" } },
		{ ETHER TUNNEL DEVICE "settings: {ipv6: %s}\n",
		  { "manual", "automatic", "link-local", "off" },
		  { "slaac", "''", "{}" } },
		{ IP TUNNEL DEVICE "settings: {dns: {servers: %s}}\n",
		  { "10.0.0.53", "[10.0.0.53, 'fd86::53']" },
		  { "[]", "10.0.0.53/24", "127.0.0.53", "'[::1]:53'", "dns.example.net",
		    "[1.0.0.1,1.0.0.2,1.0.0.3,1.0.0.4,1.0.0.5,1.0.0.6,1.0.0.7,1.0.0.8,1.0.0.9]" } },
		{ IP TUNNEL DEVICE "settings: {dns: {servers: 10.0.0.53, %s}}\n",
		  { "match-domains: corp.example", "match-domains: ['', corp.example.]",
		    "search-domains: [corp.example, a_b.example]", "match-domains-no-search: true",
		    "protocol: tls", "protocol: cleartext", "server-name: dns.example.net" },
		  { "match-domains: 'a b'", "match-domains: .", "match-domains: a..b",
		    "match-domains: -a.example", "search-domains: ''", "search-domains: '*.a'",
		    "match-domains-no-search: yes", "protocol: https", "server-name: ''",
		    "default-route: true" } },
		{ IP TUNNEL DEVICE "settings: {proxy: {%s}}\n",
		  { "http-server: 'proxy.example:3128'", "https-server: '[fd86::1]:3128'",
		    "auto-configuration-url: 'http://h/p.pac'",
		    "exception-list: ['*.a', 10.0.0.0/8]", "exclude-simple-hostnames: true",
		    "match-domains: corp.example" },
		  { "http-server: proxy.example", "match-domains: ''", "password: a",
		    "exclude-simple-hostnames: 1" } },
		{ ETHER TUNNEL DEVICE "disconnect-on-sleep: %s\n",
		  { "true", "false" },
		  { "yes", "''", "[true]" } },
		{ ETHER TUNNEL DEVICE "accept: %s\n",
		  { "[]", "addresses", "[mtu, included-routes]", "[dns, proxy]" },
		  { "all", "''", "https", "[mtu, mtu]", "{}" } },
		{ "listen: '[::]:1'\nidentity: a\nlayer: %s\n",
		  { "ip", "ethernet" },
		  { "IP", "''", "3", "tap" } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct schema_errors errors = { 0 };
		struct config config;
		char text[1024];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		for (const char *const *v = rows[i].good; *v; v++) {
			snprintf(text, sizeof(text), rows[i].format, *v);
			assert_parsed(text, &config);
			config_done(&config);
		}
		for (const char *const *v = rows[i].bad; *v; v++) {
			snprintf(text, sizeof(text), rows[i].format, *v);
			if (parse(text, &config, &errors) != -EINVAL)
				fail_msg("read: %s", text);
			schema_errors_done(&errors);
		}
#pragma GCC diagnostic pop
	}
}

/* ---- Files ---- */

struct folder {
	char path[64];
};

static void write_file(const struct folder *folder, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	file = fopen(path, "we");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, 0644), 0);
}

static int make_folder(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));
	char path[128];

	strcpy(folder->path, "/tmp/longwire-config-XXXXXX");
	assert_non_null(mkdtemp(folder->path));
	snprintf(path, sizeof(path), "%s/clients.d", folder->path);
	assert_int_equal(mkdir(path, 0755), 0);
	assert_int_equal(chmod(path, 0755), 0);
	*state = folder;
	return 0;
}

static void empty_folder(const char *path)
{
	DIR *stream = opendir(path);
	struct dirent *entry;
	char name[512];

	if (!stream)
		return;
	while ((entry = readdir(stream))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (unlink(name) < 0 && errno == EISDIR) {
			empty_folder(name);
			rmdir(name);
		}
	}
	closedir(stream);
}

static int remove_folder(void **state)
{
	struct folder *folder = *state;

	empty_folder(folder->path);
	rmdir(folder->path);
	free(folder);
	return 0;
}

static int load(const struct folder *folder, const char *name, struct config *ret_config,
		struct schema_errors *errors)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder->path, name);
	return config_load(path, ret_config, errors);
}

static void load__clients_folder__merged_in_order(void **state)
{
	const struct folder *folder = *state;
	struct schema_errors errors = { 0 };
	struct client_config *b;
	struct config config;
	char expected[128];

	write_file(folder, "hub.yaml", ETHER HUB "clients: {z: {pin: " PIN_A "}}\n");
	write_file(folder, "clients.d/b.yaml", "pin: " PIN_B "\nbehind: lan\nlimits: {macs: 7}\n");
	write_file(folder, "clients.d/.hidden.yaml", "nonsense");
	write_file(folder, "clients.d/README", "nonsense");
	if (load(folder, "hub.yaml", &config, &errors) != 0)
		fail_msg("%s", errors.text);
	assert_int_equal(config.hub.clients.n, 2);
	b = config.hub.clients.items[1];
	assert_string_equal(b->name, "b");
	assert_string_equal(b->pin.items[0], PIN_B);
	assert_int_equal(b->behind, LW_BEHIND_LAN);
	assert_int_equal(b->macs_max, 7);
	snprintf(expected, sizeof(expected), "%s/hub.pem", folder->path);
	assert_string_equal(config.hub.identity, expected);
	config_done(&config);
}

static void assert_load_refused(const struct folder *folder, const char *part)
{
	struct schema_errors errors = { 0 };
	struct config config = { .kind = 77 };

	assert_int_equal(load(folder, "hub.yaml", &config, &errors), -EINVAL);
	if (!strstr(errors.text, part))
		fail_msg("%s does not say %s", errors.text, part);
	assert_int_equal(config.kind, 77);
	schema_errors_done(&errors);
}

static void load__clients_folder__errors_name_their_file(void **state)
{
	const struct folder *folder = *state;
	char text[512];

	write_file(folder, "hub.yaml", ETHER HUB "clients: {z: {pin: " PIN_A "}}\n");
	write_file(folder, "clients.d/b.yaml", "pinn: " PIN_B "\n");
	assert_load_refused(folder,
			    "clients.d/b.yaml:1:1: pinn: unknown key, did you mean \"pin\"?");
	write_file(folder, "clients.d/b.yaml", "");
	assert_load_refused(folder, "clients.d/b.yaml: the file is empty\n");
	write_file(folder, "clients.d/b.yaml", "pin: " PIN_A "\n");
	assert_load_refused(folder,
			    "clients.d/b.yaml:1:6: clients.b.pin: " PIN_A " is already z's");
	write_file(folder, "clients.d/b.yaml", "pin: " PIN_B "\naddresses: 10.0.0.1\n");
	assert_load_refused(folder, "clients.d/b.yaml:2:1: addresses: is a key of layer: ip");
	write_file(folder, "clients.d/b.yaml", "pin: " PIN_B "\n");
	write_file(folder, "clients.d/z.yaml", "pin: " PIN_B "\n");
	snprintf(text, sizeof(text),
		 "z.yaml:1:1: clients.z: this name is already used at %s/hub.yaml:4", folder->path);
	assert_load_refused(folder, text);
}

static void load__clients_folder__names_checked(void **state)
{
	const struct folder *folder = *state;

	write_file(folder, "hub.yaml", ETHER HUB);
	write_file(folder, "clients.d/b.yml", "pin: " PIN_B "\n");
	assert_load_refused(folder, "clients.d/b.yml: the file's name must end with .yaml");
	write_file(folder, "clients.d/a b.yaml", "pin: " PIN_A "\n");
	assert_load_refused(folder, "clients.d/a b.yaml: the file is named after its client: ");
}

static void load__clients_folder__untrusted_refused(void **state)
{
	const struct folder *folder = *state;
	char path[128];

	write_file(folder, "hub.yaml", ETHER HUB);
	write_file(folder, "clients.d/b.yaml", "pin: " PIN_B "\n");
	snprintf(path, sizeof(path), "%s/clients.d", folder->path);
	assert_int_equal(chmod(path, 0777), 0);
	assert_load_refused(folder, "clients.d: must belong to root or this user");
	assert_int_equal(chmod(path, 0755), 0);
	snprintf(path, sizeof(path), "%s/clients.d/b.yaml", folder->path);
	assert_int_equal(chmod(path, 0666), 0);
	assert_load_refused(folder, "clients.d/b.yaml: can be written by others");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_load_refused(folder, "clients.d/b.yaml: is not a regular file");
}

static void load__clients_folder__not_a_folder_refused(void **state)
{
	const struct folder *folder = *state;
	char path[128];

	write_file(folder, "hub.yaml", ETHER HUB);
	snprintf(path, sizeof(path), "%s/clients.d", folder->path);
	assert_int_equal(rmdir(path), 0);
	write_file(folder, "clients.d", "");
	assert_load_refused(folder, "clients.d: ");
}

static void load__most_clients__read_and_one_more_refused(void **state)
{
	const struct folder *folder = *state;
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct schema_errors errors = { 0 };
	struct config config;
	_cleanup_free_ char *text = calloc(1, 400000);
	char *p = text + sprintf(text, ETHER HUB "clients:\n");

	for (int i = 0; i < LW_HUB_CLIENTS_MAX; i++)
		p += sprintf(p, "  c%d: {pin: SHA256:%c%c%s}\n", i, digits[i % 64], digits[i / 64],
			     &PIN_A[9]);
	write_file(folder, "hub.yaml", text);
	if (load(folder, "hub.yaml", &config, &errors) != 0)
		fail_msg("%s", errors.text);
	assert_int_equal(config.hub.clients.n, LW_HUB_CLIENTS_MAX);
	config_done(&config);
	write_file(folder, "clients.d/more.yaml", "pin: " PIN_B "\n");
	assert_load_refused(folder, "clients.d: there are 4097 clients with it, at most 4096");
	strcpy(p, "  more: {pin: " PIN_B "}\n");
	write_file(folder, "hub.yaml", text);
	assert_load_refused(folder, "clients: has 4097 items, must have 0 to 4096");
}

static void load__kinds_of_files__refused_without_waiting(void **state)
{
	const struct folder *folder = *state;
	struct schema_errors errors = { 0 };
	struct config config;
	char path[128], other[128];

	assert_load_refused(folder, "hub.yaml: No such file or directory\n");
	write_file(folder, "hub.yaml", "");
	assert_load_refused(folder, "hub.yaml: the file is empty\n");
	snprintf(path, sizeof(path), "%s/hub.yaml", folder->path);
	assert_int_equal(chmod(path, 0622), 0);
	assert_load_refused(folder, "hub.yaml: can be written by others");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_load_refused(folder, "hub.yaml: is not a regular file\n");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_load_refused(folder, "hub.yaml: is not a regular file\n");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink("/dev/zero", path), 0);
	assert_load_refused(folder, "hub.yaml: is not a regular file\n");
	assert_int_equal(unlink(path), 0);
	write_file(folder, "real.yaml", ETHER HUB);
	snprintf(other, sizeof(other), "%s/real.yaml", folder->path);
	assert_int_equal(symlink(other, path), 0);
	assert_int_equal(load(folder, "hub.yaml", &config, &errors), 0);
	config_done(&config);
	if (geteuid() == 0) {
		assert_int_equal(chown(other, 65534, 65534), 0);
		assert_load_refused(folder, "hub.yaml: belongs to somebody else");
	}
}

static void load__size__bounded(void **state)
{
	const struct folder *folder = *state;
	static const char head[] = ETHER HUB "#";
	struct schema_errors errors = { 0 };
	_cleanup_free_ char *text = malloc(CONFIG_FILE_MAX + 2);
	struct config config;

	memset(text, 'x', CONFIG_FILE_MAX + 1);
	text[CONFIG_FILE_MAX] = '\0';
	memcpy(text, head, sizeof(head) - 1);
	write_file(folder, "hub.yaml", text);
	assert_int_equal(load(folder, "hub.yaml", &config, &errors), 0);
	config_done(&config);
	text[CONFIG_FILE_MAX] = 'x';
	text[CONFIG_FILE_MAX + 1] = '\0';
	write_file(folder, "hub.yaml", text);
	assert_load_refused(folder, "hub.yaml: is larger than the 1048576 bytes allowed\n");
	assert_int_equal(parse(text, &config, &errors), -EINVAL);
	schema_errors_done(&errors);
}

static void reference__every_key__of_both_kinds(void **state)
{
	_cleanup_free_ char *text = config_reference();

	(void)state;
	assert_non_null(strstr(text, "### A hub's file"));
	assert_non_null(strstr(text, "### A client's file"));
	assert_non_null(strstr(text, "| `clients.NAME.limits.unknown-unicast` |"));
	assert_non_null(strstr(text, "| `capture[].snap-length` |"));
	assert_non_null(strstr(text, "| `accept` |"));
	assert_null(strstr(text, "on-demand"));
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sample__hub_ethernet__read),
		cmocka_unit_test(sample__laboratory__read),
		cmocka_unit_test(sample__hub_ip__read),
		cmocka_unit_test(sample__clients__read),
		cmocka_unit_test(kind__both_or_neither__said),
		cmocka_unit_test(kind__misspelt_listen_or_hub__guessed_and_suggested),
		cmocka_unit_test(keys__of_the_other_kind__refused),
		cmocka_unit_test(keys__of_later_versions__said_so),
		cmocka_unit_test(keys__of_the_model_without_a_counterpart__say_so),
		cmocka_unit_test(keys__of_the_other_layer__refused),
		cmocka_unit_test(routing__contradictions__refused),
		cmocka_unit_test(rules__across_keys__refused),
		cmocka_unit_test(rules__shared_between_clients__refused),
		cmocka_unit_test(rules__defaults__as_documented),
		cmocka_unit_test(values__both_sides_of_every_bound),
		IN_FOLDER(load__clients_folder__merged_in_order),
		IN_FOLDER(load__clients_folder__errors_name_their_file),
		IN_FOLDER(load__clients_folder__names_checked),
		IN_FOLDER(load__clients_folder__untrusted_refused),
		IN_FOLDER(load__clients_folder__not_a_folder_refused),
		IN_FOLDER(load__most_clients__read_and_one_more_refused),
		IN_FOLDER(load__kinds_of_files__refused_without_waiting),
		IN_FOLDER(load__size__bounded),
		cmocka_unit_test(reference__every_key__of_both_kinds),
	};

	return cmocka_run_group_tests_name("config/config", tests, NULL, NULL);
}
