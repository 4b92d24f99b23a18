/* SPDX-License-Identifier: MIT */
/* The schema of a client's file. */
#include <string.h>

#include <longwire/tunnel.h>

#include "base/address.h"
#include "base/tree.h"
#include "config/config.h"
#include "config/schemas.h"

enum { NETWORKS_MAX = 64, TIMEOUT_MAX = 86400 };

#define OFFSET(member) offsetof(struct tunnel_config, member)
#define NO_PHONE \
	"has no counterpart on Linux: there are no such services to leave out; name networks in settings.excluded-routes"
#define NO_DOMAINS \
	"has no counterpart on Linux: applications are told apart by control group or network namespace, not by name"
#define NO_PASSWORDS "is not used: this tunnel knows peers by their keys; see identity and hub.pin"
#define HUB_ONLY     "belongs into a hub's file; this one is a client's, because it has hub"

static const struct schema_word accept_words[] = {
	{ "addresses", LW_ACCEPT_ADDRESSES },
	{ "mtu", LW_ACCEPT_MTU },
	{ "included-routes", LW_ACCEPT_INCLUDED_ROUTES },
	{ "dns", LW_ACCEPT_DNS },
	{ "proxy", LW_ACCEPT_PROXY },
	{ NULL, 0 },
};

static const struct schema_word addressing_words[] = {
	{ "manual", LW_ADDRESSING_MANUAL },
	{ "automatic", LW_ADDRESSING_AUTOMATIC },
	{ "link-local", LW_ADDRESSING_LINK_LOCAL },
	{ "off", LW_ADDRESSING_OFF },
	{ NULL, 0 },
};

static const struct schema_row rows[] = {
	LAYER_ROW(struct tunnel_config),
	{ .path = "hub", .kind = SCHEMA_MAP, .required = true, .help = "the hub to connect to" },
	{ .path = "hub.address",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(hub_address),
	  .required = true,
	  .min = 1,
	  .max = CONFIG_HUBS_MAX,
	  .check = rules_hub_address,
	  .help = "where it listens; a list is tried in turn" },
	{ .path = "hub.pin",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(hub_pin),
	  .required = true,
	  .min = 1,
	  .max = LW_PORT_PINS_MAX,
	  .check = rules_pin,
	  .help = "of the hub's public key; a list while a key is being replaced" },
	IDENTITY_ROW(struct tunnel_config),
	{ .path = "mtu",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(mtu),
	  .min = CONFIG_MTU_MIN,
	  .max = CONFIG_MTU_MAX,
	  .help = "largest IP packet in the tunnel; default: what the hub says" },
	{ .path = "interface",
	  .kind = SCHEMA_MAP,
	  .required = true,
	  .help = "the tunnel's interface on this machine" },
	INTERFACE_ROWS(struct tunnel_config),
	{ .path = "accept",
	  .kind = SCHEMA_WORDS,
	  .offset = OFFSET(accept),
	  .words = accept_words,
	  .help = "what the hub may set on this machine; default: addresses and mtu in IP, nothing "
		  "in Ethernet; [] is nothing" },
	{ .path = "networks",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(networks),
	  .max = NETWORKS_MAX,
	  .check = rules_network,
	  .help = "IP: networks behind this machine that the hub may reach through it; the hub names "
		  "them as well" },
	{ .path = "start-timeout",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(start_timeout),
	  .min = 1,
	  .max = TIMEOUT_MAX,
	  .help = "seconds after which a start that has not connected has failed; default: never, "
		  "with --once 60" },
	{ .path = "stop-timeout",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(stop_timeout),
	  .min = 1,
	  .max = TIMEOUT_MAX,
	  .help = "seconds after which a stop that has not ended is not waited for; default: 20" },
	{ .path = "disconnect-on-sleep",
	  .kind = SCHEMA_BOOL,
	  .offset = OFFSET(disconnect_on_sleep),
	  .standard = "false",
	  .help = "end in order before the machine sleeps, instead of going on when it wakes" },
	{ .path = "enforce-routes",
	  .kind = SCHEMA_BOOL,
	  .offset = OFFSET(enforce_routes),
	  .standard = "false",
	  .help = "included routes win over every route of this machine, also longer ones" },
	{ .path = "include-all-networks",
	  .kind = SCHEMA_BOOL,
	  .offset = OFFSET(include_all_networks),
	  .standard = "false",
	  .help = "kill switch: everything goes into the tunnel or nowhere, also while there is "
		  "none, until Ctrl-C or longwire unlock" },
	{ .path = "exclude-local-networks",
	  .kind = SCHEMA_BOOL,
	  .offset = OFFSET(exclude_local_networks),
	  .standard = "false",
	  .help = "of these two: but for the networks of private addresses that this machine is "
		  "connected to" },
	{ .path = "settings",
	  .kind = SCHEMA_MAP,
	  .help = "what is set here wins over what the hub offers" },
	{ .path = "settings.ethernet-address",
	  .kind = SCHEMA_TEXT,
	  .offset = OFFSET(settings.ethernet_address),
	  .check = rules_ethernet_address,
	  .help = "Ethernet: the interface's MAC address; default: derived from the identity" },
	{ .path = "settings.mtu",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(settings.mtu),
	  .min = CONFIG_MTU_MIN,
	  .max = CONFIG_MTU_MAX,
	  .help = "the same as mtu" },
	{ .path = "settings.tunnel-overhead",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(settings.tunnel_overhead),
	  .min = 1,
	  .max = 1000,
	  .help = "instead of mtu: that of the path to the hub less so many bytes" },
	{ .path = "settings.router",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(settings.router),
	  .max = LW_SETTINGS_ROUTERS_MAX,
	  .check = rules_client_address,
	  .help = "Ethernet: the next hop of included routes, one of each family" },
	{ .path = "settings.addresses",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(settings.addresses),
	  .max = LW_SETTINGS_ADDRESSES_MAX,
	  .check = rules_own_address,
	  .help = "the same as interface.addresses" },
	{ .path = "settings.included-routes",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(settings.included_routes),
	  .max = LW_SETTINGS_ROUTES_MAX,
	  .check = rules_network,
	  .help = "networks that are reached through the tunnel" },
	{ .path = "settings.excluded-routes",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(settings.excluded_routes),
	  .max = LW_SETTINGS_ROUTES_MAX,
	  .check = rules_network,
	  .help = "networks within those that are not" },
	{ .path = "settings.ipv4",
	  .kind = SCHEMA_WORD,
	  .offset = OFFSET(settings.ipv4),
	  .words = addressing_words,
	  .help = "Ethernet: where the interface's IPv4 addresses come from: this file (manual, the "
		  "default), DHCP, or a choice of 169.254.0.0/16 that nobody else has" },
	{ .path = "settings.ipv6",
	  .kind = SCHEMA_WORD,
	  .offset = OFFSET(settings.ipv6),
	  .words = addressing_words,
	  .help = "Ethernet: the same for IPv6: this file, the advertisements of routers there, or "
		  "fe80::/64 alone" },
	SERVICE_ROWS(struct tunnel_config),
	CAPTURE_ROW(struct tunnel_config),
	IMPAIRMENTS_ROW(struct tunnel_config),
	INJECT_ROW(struct tunnel_config),
	KEY_LOG_ROW(struct tunnel_config),
	WORKERS_ROW(struct tunnel_config),
	STREAMS_ROW(struct tunnel_config,
		    "connections to the hub, if it grants them; each flow takes one of them"),
	{ .path = "hub.ca", .kind = SCHEMA_REFUSED, .help = LATER },
	{ .path = "hub.crl", .kind = SCHEMA_REFUSED, .help = LATER },
	{ .path = "hub.name", .kind = SCHEMA_REFUSED, .help = LATER },
	{ .path = "on-demand", .kind = SCHEMA_REFUSED, .help = LATER },
	{ .path = "app-rules", .kind = SCHEMA_REFUSED, .help = LATER },
	{ .path = "routing-method", .kind = SCHEMA_REFUSED, .help = LATER },
	{ .path = "exclude-cellular-services", .kind = SCHEMA_REFUSED, .help = NO_PHONE },
	{ .path = "exclude-apns", .kind = SCHEMA_REFUSED, .help = NO_PHONE },
	{ .path = "exclude-device-communication", .kind = SCHEMA_REFUSED, .help = NO_PHONE },
	{ .path = "slice-uuid",
	  .kind = SCHEMA_REFUSED,
	  .help = "has no counterpart on Linux: there are no slices of a cellular network" },
	{ .path = "safari-domains", .kind = SCHEMA_REFUSED, .help = NO_DOMAINS },
	{ .path = "mail-domains", .kind = SCHEMA_REFUSED, .help = NO_DOMAINS },
	{ .path = "calendar-domains", .kind = SCHEMA_REFUSED, .help = NO_DOMAINS },
	{ .path = "contacts-domains", .kind = SCHEMA_REFUSED, .help = NO_DOMAINS },
	{ .path = "associated-domains", .kind = SCHEMA_REFUSED, .help = NO_DOMAINS },
	{ .path = "excluded-domains", .kind = SCHEMA_REFUSED, .help = NO_DOMAINS },
	{ .path = "username", .kind = SCHEMA_REFUSED, .help = NO_PASSWORDS },
	{ .path = "password", .kind = SCHEMA_REFUSED, .help = NO_PASSWORDS },
	{ .path = "password-reference", .kind = SCHEMA_REFUSED, .help = NO_PASSWORDS },
	{ .path = "identity-data",
	  .kind = SCHEMA_REFUSED,
	  .help = "is not taken: secrets stand in a file of their own, which identity names" },
	{ .path = "server-address", .kind = SCHEMA_REFUSED, .help = "is called hub.address" },
	{ .path = "provider-bundle-identifier",
	  .kind = SCHEMA_REFUSED,
	  .help = "has no counterpart: a provider of one's own is a program with liblongwire" },
	{ .path = "provider-configuration",
	  .kind = SCHEMA_REFUSED,
	  .help = "has no counterpart: a provider of one's own is a program with liblongwire, and "
		  "reads what it likes" },
	{ .path = "vlans", .kind = SCHEMA_REFUSED, .help = LATER },
	{ .path = "ca", .kind = SCHEMA_REFUSED, .help = LATER },
	{ .path = "crl", .kind = SCHEMA_REFUSED, .help = LATER },
	{ .path = "name", .kind = SCHEMA_REFUSED, .help = LATER },
	{ .path = "listen", .kind = SCHEMA_REFUSED, .help = HUB_ONLY },
	{ .path = "clients", .kind = SCHEMA_REFUSED, .help = HUB_ONLY },
	{ .path = "gateway", .kind = SCHEMA_REFUSED, .help = HUB_ONLY },
	{ .path = "between-clients", .kind = SCHEMA_REFUSED, .help = HUB_ONLY },
	{ .path = NULL },
};

static const struct layer_rule layer_rules[] = {
	{ LW_LAYER_IP, "interface", "bridge",
	  "is a key of layer: ethernet; IP packets cannot be bridged" },
	{ LW_LAYER_IP, "settings", "ethernet-address",
	  "is a key of layer: ethernet; an IP tunnel has none" },
	{ LW_LAYER_IP, "settings", "ipv4",
	  "is a key of layer: ethernet; an IP tunnel's addresses are in settings.addresses or the "
	  "hub's" },
	{ LW_LAYER_IP, "settings", "ipv6",
	  "is a key of layer: ethernet; an IP tunnel's addresses are in settings.addresses or the "
	  "hub's" },
	{ LW_LAYER_IP, "settings", "router",
	  "is a key of layer: ethernet; packets of an IP tunnel go to the hub as they are" },
	{ LW_LAYER_ETHERNET, NULL, "networks",
	  "is a key of layer: ip; in Ethernet the hub learns what is behind this machine" },
	{ 0, NULL, NULL, NULL },
};

static void check_bridge(const struct tree *tree, struct schema_errors *errors)
{
	static const char reason[] = "a bridge's port has no addresses and routes of its own: give "
				     "them to the bridge";

	if (!rules_find(tree, "interface", "bridge"))
		return;
	rules_refuse(errors, rules_find(tree, "interface", "addresses"), "interface.addresses",
		     reason);
	rules_refuse(errors, rules_find(tree, "settings", "addresses"), "settings.addresses",
		     reason);
	rules_refuse(errors, rules_find(tree, "settings", "included-routes"),
		     "settings.included-routes", reason);
	rules_refuse(errors, rules_find(tree, "settings", "excluded-routes"),
		     "settings.excluded-routes", reason);
	rules_refuse(errors, rules_find(tree, "settings", "ipv4"), "settings.ipv4", reason);
	rules_refuse(errors, rules_find(tree, "settings", "ipv6"), "settings.ipv6", reason);
	rules_refuse(errors, rules_find(tree, "settings", "dns"), "settings.dns", reason);
	rules_refuse(errors, rules_find(tree, "settings", "router"), "settings.router", reason);
	rules_refuse(errors, tree_get(tree, "enforce-routes"), "enforce-routes", reason);
	rules_refuse(errors, tree_get(tree, "include-all-networks"), "include-all-networks",
		     reason);
}

static void check_routing(const struct tunnel_config *tunnel, const struct tree *tree,
			  struct schema_errors *errors)
{
	if (tunnel->exclude_local_networks && !tunnel->enforce_routes &&
	    !tunnel->include_all_networks)
		rules_refuse(errors, tree_get(tree, "exclude-local-networks"),
			     "exclude-local-networks",
			     "means nothing without enforce-routes or include-all-networks: plain "
			     "routes lose to local networks anyway");
	if (tree_get(tree, "mtu") || tunnel->settings.mtu)
		rules_refuse(errors, rules_find(tree, "settings", "tunnel-overhead"),
			     "settings.tunnel-overhead",
			     "is another way to say mtu, only one of them is allowed");
}

static void validate(void *output, const struct tree *tree, struct schema_errors *errors)
{
	struct tunnel_config *tunnel = output;

	tunnel->settings.dns.is_set = rules_find(tree, "settings", "dns");
	tunnel->settings.proxy.is_set = rules_find(tree, "settings", "proxy");
	rules_check_layer(layer_rules, tunnel->layer, tree, errors);
	check_bridge(tree, errors);
	check_routing(tunnel, tree, errors);
	if (tree_get(tree, "mtu"))
		rules_refuse(errors, rules_find(tree, "settings", "mtu"), "settings.mtu",
			     "is the same as mtu, only one of them is allowed");
	if (rules_find(tree, "interface", "addresses"))
		rules_refuse(errors, rules_find(tree, "settings", "addresses"),
			     "settings.addresses",
			     "is the same as interface.addresses, only one of them is allowed");
	if (tunnel->mtu == 0)
		tunnel->mtu = tunnel->settings.mtu;
	if (tree_get(tree, "accept") && tunnel->accept == 0)
		tunnel->accept = (unsigned)LW_ACCEPT_NOTHING;
}

const struct schema tunnel_schema = {
	.rows = rows,
	.size = sizeof(struct tunnel_config),
	.validate = validate,
};
