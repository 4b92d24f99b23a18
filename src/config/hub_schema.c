/* SPDX-License-Identifier: MIT */
/* The schema of a hub's file. */
#include <stdio.h>

#include "base/tree.h"
#include "config/clients.h"
#include "config/config.h"
#include "config/schemas.h"

#define OFFSET(member) offsetof(struct hub_config, member)
#define CLIENT_ONLY    "belongs into a client's file; this one is a hub's, because it has listen"

const struct schema_word layer_words[] = {
	{ "ethernet", LW_LAYER_ETHERNET },
	{ "ip", LW_LAYER_IP },
	{ NULL, 0 },
};

const struct schema_word carrier_words[] = {
	{ "hold", LW_CARRIER_HOLD },
	{ "follow", LW_CARRIER_FOLLOW },
	{ NULL, 0 },
};

const struct schema_word dns_protocol_words[] = {
	{ "cleartext", LW_DNS_CLEARTEXT },
	{ "tls", LW_DNS_TLS },
	{ NULL, 0 },
};

const struct schema_word workers_words[] = {
	{ "1", 1 },  { "2", 2 }, { "3", 3 },
	{ "4", 4 },  { "5", 5 }, { "6", 6 },
	{ "7", 7 },  { "8", 8 }, { "auto", CONFIG_WORKERS_AUTO },
	{ NULL, 0 },
};

_Static_assert(LW_WORKERS_MAX == 8, "workers_words names each number of workers");

static const struct schema_word between_words[] = {
	{ "isolated", LW_BETWEEN_ISOLATED },
	{ "direct", LW_BETWEEN_DIRECT },
	{ "kernel", LW_BETWEEN_KERNEL },
	{ NULL, 0 },
};

static const struct schema_row rows[] = {
	LAYER_ROW(struct hub_config),
	{ .path = "listen",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(listen),
	  .required = true,
	  .min = 1,
	  .max = LW_HUB_LISTEN_MAX,
	  .check = rules_listen,
	  .help = "addresses and ports that clients connect to; [::] is IPv4 too" },
	IDENTITY_ROW(struct hub_config),
	{ .path = "mtu",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(mtu),
	  .min = CONFIG_MTU_MIN,
	  .max = CONFIG_MTU_MAX,
	  .standard = "1500",
	  .help = "of the whole network, in bytes of an IP packet; every client is told" },
	{ .path = "interface",
	  .kind = SCHEMA_MAP,
	  .help = "the hub's own port; without it the hub needs no privilege" },
	INTERFACE_ROWS(struct hub_config),
	{ .path = "between-clients",
	  .kind = SCHEMA_WORD,
	  .offset = OFFSET(between_clients),
	  .words = between_words,
	  .help = "packets from client to client: none, inside the hub, or (IP) where this machine's "
		  "firewall decides; default: direct in Ethernet, isolated in IP" },
	{ .path = "gateway",
	  .kind = SCHEMA_MAP,
	  .help = "IP: forward clients beyond this machine; default: hub only" },
	{ .path = "gateway.to",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(gateway.to),
	  .required = true,
	  .min = 1,
	  .max = 64,
	  .check = rules_network,
	  .help = "networks that clients may reach" },
	{ .path = "gateway.masquerade",
	  .kind = SCHEMA_BOOL,
	  .offset = OFFSET(gateway.masquerade),
	  .standard = "false",
	  .help = "clients appear there under this machine's own address" },
	{ .path = "settings", .kind = SCHEMA_MAP, .help = "IP: what the hub offers its clients" },
	{ .path = "settings.included-routes",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(settings.included_routes),
	  .max = LW_SETTINGS_ROUTES_MAX,
	  .check = rules_network,
	  .help = "networks that clients should reach through the tunnel" },
	SERVICE_ROWS(struct hub_config),
	{ .path = "clients",
	  .kind = SCHEMA_MAP_OF,
	  .offset = OFFSET(clients),
	  .max = LW_HUB_CLIENTS_MAX,
	  .check = rules_name,
	  .item = &clients_schema,
	  .help = "who is admitted; also clients.d/NAME.yaml, one file with these keys for each" },
	CAPTURE_ROW(struct hub_config),
	IMPAIRMENTS_ROW(struct hub_config),
	INJECT_ROW(struct hub_config),
	KEY_LOG_ROW(struct hub_config),
	WORKERS_ROW(struct hub_config),
	STREAMS_ROW(struct hub_config, "connections that each client may have at once"),
	{ .path = "settings.mtu",
	  .kind = SCHEMA_REFUSED,
	  .help = "a hub offers its own mtu: write it at the top level" },
	{ .path = "settings.addresses",
	  .kind = SCHEMA_REFUSED,
	  .help = "a hub's own are interface.addresses, a client's are clients.NAME.addresses" },
	{ .path = "settings.excluded-routes", .kind = SCHEMA_REFUSED, .help = CLIENT_ONLY },
	{ .path = "settings.ethernet-address", .kind = SCHEMA_REFUSED, .help = CLIENT_ONLY },
	{ .path = "settings.ipv4", .kind = SCHEMA_REFUSED, .help = CLIENT_ONLY },
	{ .path = "settings.ipv6", .kind = SCHEMA_REFUSED, .help = CLIENT_ONLY },
	{ .path = "settings.router", .kind = SCHEMA_REFUSED, .help = CLIENT_ONLY },
	{ .path = "settings.tunnel-overhead", .kind = SCHEMA_REFUSED, .help = CLIENT_ONLY },
	{ .path = "hub",
	  .kind = SCHEMA_REFUSED,
	  .help = "makes this a client's file, but listen makes it a hub's: only one of them is "
		  "allowed" },
	{ .path = "accept", .kind = SCHEMA_REFUSED, .help = CLIENT_ONLY },
	{ .path = "enforce-routes", .kind = SCHEMA_REFUSED, .help = CLIENT_ONLY },
	{ .path = "include-all-networks", .kind = SCHEMA_REFUSED, .help = CLIENT_ONLY },
	{ .path = "exclude-local-networks", .kind = SCHEMA_REFUSED, .help = CLIENT_ONLY },
	{ .path = "on-demand", .kind = SCHEMA_REFUSED, .help = CLIENT_ONLY },
	{ .path = "vlans", .kind = SCHEMA_REFUSED, .help = LATER },
	{ .path = "ca", .kind = SCHEMA_REFUSED, .help = LATER },
	{ .path = "crl", .kind = SCHEMA_REFUSED, .help = LATER },
	{ .path = "name", .kind = SCHEMA_REFUSED, .help = LATER },
	{ .path = NULL },
};

static const struct layer_rule layer_rules[] = {
	{ LW_LAYER_IP, "interface", "bridge",
	  "is a key of layer: ethernet; IP packets cannot be bridged" },
	{ LW_LAYER_ETHERNET, NULL, "gateway",
	  "is a key of layer: ip; in Ethernet bridge the interface or forward on a router" },
	{ LW_LAYER_ETHERNET, "settings", "included-routes",
	  "is a key of layer: ip; an Ethernet hub offers no routes" },
	{ LW_LAYER_ETHERNET, "settings", "dns",
	  "is a key of layer: ip; in Ethernet the network's own DHCP server tells" },
	{ LW_LAYER_ETHERNET, "settings", "proxy", "is a key of layer: ip" },
	{ 0, NULL, NULL, NULL },
};

static void check_interface(const struct hub_config *hub, const struct tree *tree,
			    struct schema_errors *errors)
{
	bool has_interface = tree_get(tree, "interface");

	if (rules_find(tree, "interface", "bridge"))
		rules_refuse(
			errors, rules_find(tree, "interface", "addresses"), "interface.addresses",
			"a bridge's port has no addresses of its own: give them to the bridge");
	if (!has_interface)
		rules_refuse(errors, tree_get(tree, "gateway"), "gateway",
			     "needs an interface to forward from");
	if (hub->between_clients != LW_BETWEEN_KERNEL)
		return;
	if (hub->layer == LW_LAYER_ETHERNET)
		rules_refuse(
			errors, tree_get(tree, "between-clients"), "between-clients",
			"kernel goes with layer: ip, in Ethernet it must be isolated or direct");
	else if (!has_interface)
		rules_refuse(errors, tree_get(tree, "between-clients"), "between-clients",
			     "kernel needs an interface");
}

static void validate(void *output, const struct tree *tree, struct schema_errors *errors)
{
	bool has_pool = rules_find(tree, "interface", "addresses");
	const struct tree *clients = tree_get(tree, "clients");
	struct hub_config *hub = output;
	char within[96];

	hub->gateway.is_set = tree_get(tree, "gateway");
	hub->settings.dns.is_set = rules_find(tree, "settings", "dns");
	hub->settings.proxy.is_set = rules_find(tree, "settings", "proxy");
	rules_check_layer(layer_rules, hub->layer, tree, errors);
	check_interface(hub, tree, errors);
	if (!clients || clients->kind != TREE_MAP)
		return;
	for_each_child(client, clients) {
		snprintf(within, sizeof(within), "clients.%.63s", client->key);
		errors->within = within;
		clients_check(hub->layer, has_pool, client, errors);
	}
	errors->within = NULL;
}

const struct schema hub_schema = {
	.rows = rows,
	.size = sizeof(struct hub_config),
	.validate = validate,
};
