/* SPDX-License-Identifier: MIT */
/* Configuration to options, settings and plans. */
#include "program/plan.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/error.h>

#include "base/dns_settings.h"
#include "base/memory.h"
#include "base/proxy_settings.h"
#include "base/schema.h"
#include "capture/filter.h"
#include "flow/impairment.h"
#include "program/command.h"
#include "tls/credentials.h"

/* The strings of a list as the library wants them; an array of char * may be read as one of const
 * char *. */
static const char *const *strings(const struct string_list *list)
{
	return (const char *const *)list->items;
}

static int add_text(struct plan_texts *texts, const char *text)
{
	if (texts->n == texts->room) {
		size_t room = texts->room ? texts->room * 2 : 16;
		const char **items = reallocarray(texts->items, room, sizeof(*items));

		if (!items)
			return -ENOMEM;
		texts->items = items;
		texts->room = room;
	}
	texts->items[texts->n++] = text;
	return 0;
}

static int add_texts(struct plan_texts *texts, const struct string_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (add_text(texts, list->items[i]) < 0)
			return -ENOMEM;
	return 0;
}

static void check_pins(const struct string_list *pins, const char *path,
		       struct schema_errors *errors)
{
	struct pin pin;

	for (size_t i = 0; i < pins->n; i++)
		if (pin_parse(pins->items[i], &pin) < 0)
			schema_error(errors, NULL, path, "\"%.80s\" is not a pin: SHA256:...",
				     pins->items[i]);
}

static void check_filter(int layer, const char *text, const char *path,
			 struct schema_errors *errors)
{
	struct filter *filter;
	struct lw_error error;

	if (!text)
		return;
	if (filter_new((enum lw_layer)layer, text, &filter, &error) < 0)
		schema_error(errors, NULL, path, "%s", error.text);
	else
		filter_free(filter);
}

static void check_captures(int layer, const struct item_list *captures,
			   struct schema_errors *errors)
{
	for (size_t i = 0; i < captures->n; i++) {
		const struct capture_config *capture = captures->items[i];

		check_filter(layer, capture->filter, "capture.filter", errors);
		check_filter(layer, capture->recorder.trigger, "capture.recorder.trigger", errors);
	}
}

static bool is_hub_port(const struct hub_config *config, const char *name)
{
	if (config->interface.name &&
	    (!strcmp(name, "device") || !strcmp(name, config->interface.name)))
		return true;
	for (size_t i = 0; i < config->clients.n; i++)
		if (!strcmp(((const struct client_config *)config->clients.items[i])->name, name))
			return true;
	return false;
}

/* hub NULL: a client's. */
static void check_impairments(const struct hub_config *hub, const struct item_list *impairments,
			      struct schema_errors *errors)
{
	for (size_t i = 0; i < impairments->n; i++) {
		const struct impairment_config *config = impairments->items[i];
		struct lw_error error;

		if (hub && !is_hub_port(hub, config->port))
			schema_error(
				errors, NULL, "impairments.port",
				"no port is called \"%s\": device if there is an interface, or "
				"a client's name",
				config->port);
		if (!hub && strcmp(config->port, "device") != 0 && strcmp(config->port, "hub") != 0)
			schema_error(errors, NULL, "impairments.port",
				     "no port is called \"%s\": device or hub", config->port);
		if (impairment_check(&config->settings, &error) < 0)
			schema_error(errors, NULL, "impairments", "%s: %s", config->port,
				     error.text);
	}
}

/*
 * Load an identity to see that it can be used. A host's TAP gets a MAC that is derived from it, so
 * that leases and neighbours' caches survive a restart: ret_mac is that, locally administered.
 */
static void check_identity(const char *file, char ret_mac[MAC_TEXT_SIZE],
			   struct schema_errors *errors)
{
	struct credentials *credentials;
	struct lw_error error;
	struct mac_address mac;

	if (credentials_load(file, &credentials, &error) < 0) {
		schema_error(errors, NULL, "identity", "%s", error.text);
		return;
	}
	memcpy(mac.bytes, credentials_pin(credentials)->sha256, sizeof(mac.bytes));
	mac.bytes[0] = (uint8_t)((mac.bytes[0] & 0xfc) | 0x02);
	/* Those that begin with fe are for bridge ports. */
	if (mac.bytes[0] == 0xfe)
		mac.bytes[0] = 0x02;
	mac_address_format(&mac, ret_mac);
	credentials_free(credentials);
}

static int check_settings(int layer, const struct lw_network_settings *settings,
			  struct network_settings *parsed, struct schema_errors *errors)
{
	struct lw_error error;
	int r = network_settings_parse((enum lw_layer)layer, settings, parsed, &error);

	if (r == -EINVAL)
		schema_error(errors, NULL, "settings", "%s", error.text);
	return r == -ENOMEM ? r : 0;
}

/* Return: NULL where the section is not there. */
static const struct lw_dns_settings *plan_dns(const struct dns_config *config,
					      struct plan_services *services)
{
	services->dns = (struct lw_dns_settings){
		.size = sizeof(services->dns),
		.protocol = (enum lw_dns_protocol)config->protocol,
		.servers = strings(&config->servers),
		.n_servers = config->servers.n,
		.search_domains = strings(&config->search_domains),
		.n_search_domains = config->search_domains.n,
		.match_domains = strings(&config->match_domains),
		.n_match_domains = config->match_domains.n,
		.match_domains_no_search = config->match_domains_no_search,
		.server_name = config->server_name,
	};
	return config->is_set ? &services->dns : NULL;
}

static const struct lw_proxy_settings *plan_proxy(const struct proxy_config *config,
						  struct plan_services *services)
{
	services->proxy = (struct lw_proxy_settings){
		.size = sizeof(services->proxy),
		.http_server = config->http_server,
		.https_server = config->https_server,
		.auto_configuration_url = config->auto_configuration_url,
		.exclude_simple_hostnames = config->exclude_simple_hostnames,
		.exception_list = strings(&config->exception_list),
		.n_exceptions = config->exception_list.n,
		.match_domains = strings(&config->match_domains),
		.n_match_domains = config->match_domains.n,
	};
	return config->is_set ? &services->proxy : NULL;
}

/* What a hub offers keeps the same rules as what a client sets. */
static int check_services(const struct hub_plan *plan, struct schema_errors *errors)
{
	struct proxy_settings *proxy = NULL;
	struct dns_settings *dns = NULL;
	struct lw_error error;
	int r = 0;

	if (plan->hub.dns)
		r = dns_settings_parse(plan->hub.dns, &dns, &error);
	if (r == 0 && plan->hub.proxy)
		r = proxy_settings_parse(plan->hub.proxy, &proxy, &error);
	free(dns);
	free(proxy);
	if (r == -EINVAL)
		schema_error(errors, NULL, "settings", "%s", error.text);
	return r == -ENOMEM ? r : 0;
}

/* As many as processors that this process may use. */
static uint32_t plan_workers(int workers)
{
	cpu_set_t set;

	if (workers != CONFIG_WORKERS_AUTO)
		return (uint32_t)workers;
	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return MIN((uint32_t)CPU_COUNT(&set), (uint32_t)LW_WORKERS_MAX);
}

static void plan_device(struct lw_device_options *device, int layer, uint32_t workers,
			const struct interface_config *interface)
{
	*device = (struct lw_device_options){
		.size = sizeof(*device),
		.offloads = true,
		.coalesce = interface->coalesce,
		.kind = LW_DEVICE_KERNEL,
		.layer = (enum lw_layer)layer,
		.name = interface->name,
		.queues = (uint16_t)workers,
	};
}

/* Whether the kernel routes this prefix to the interface already, because of the interface's own
 * addresses. */
static bool is_connected(const struct hub_config *config, const char *text)
{
	struct ip_prefix prefix, own;

	if (ip_prefix_parse(text, &prefix) < 0)
		return true;
	for (size_t i = 0; i < config->interface.addresses.n; i++)
		if (ip_prefix_parse(config->interface.addresses.items[i], &own) == 0 &&
		    own.length <= prefix.length && ip_prefix_contains(&own, &prefix.address))
			return true;
	return false;
}

static int plan_client_routes(const struct hub_config *config, const struct string_list *list,
			      struct plan_texts *routes)
{
	for (size_t i = 0; i < list->n; i++)
		if (!is_connected(config, list->items[i]) && add_text(routes, list->items[i]) < 0)
			return -ENOMEM;
	return 0;
}

/* The kernel must know that what clients have, and what is behind them, is behind our interface. */
static int plan_routes(const struct hub_config *config, struct hub_plan *plan)
{
	for (size_t i = 0; i < config->clients.n; i++) {
		const struct client_config *client = config->clients.items[i];
		int r = plan_client_routes(config, &client->addresses, &plan->routes);

		if (r == 0)
			r = plan_client_routes(config, &client->networks, &plan->routes);
		if (r < 0)
			return r;
	}
	return 0;
}

static int plan_interface(const struct hub_config *config, struct hub_plan *plan)
{
	int r = config->layer == LW_LAYER_IP ? plan_routes(config, plan) : 0;

	if (r < 0)
		return r;
	plan->has_interface = true;
	plan_device(&plan->device, config->layer, plan_workers(config->workers),
		    &config->interface);
	plan->settings = (struct lw_network_settings){
		.size = sizeof(plan->settings),
		.ethernet_address = config->settings.ethernet_address,
		.mtu = config->interface.bridge ? 0 : config->mtu,
		.bridge = config->interface.bridge,
		.carrier = (enum lw_carrier)config->interface.carrier,
		.addresses = strings(&config->interface.addresses),
		.n_addresses = config->interface.addresses.n,
		.included_routes = plan->routes.items,
		.n_included_routes = plan->routes.n,
	};
	if (config->layer == LW_LAYER_ETHERNET && !config->interface.bridge &&
	    !config->settings.ethernet_address && *plan->ethernet_address)
		plan->settings.ethernet_address = plan->ethernet_address;
	return 0;
}

/* What is to be masqueraded: the tunnel's networks and those behind clients. Room for all must be
 * there. */
static void plan_from(const struct hub_config *config, struct hub_plan *plan)
{
	struct ip_prefix prefix;

	for (size_t i = 0; i < config->interface.addresses.n; i++)
		if (ip_prefix_parse(config->interface.addresses.items[i], &prefix) == 0)
			plan->from[plan->gateway.n_from++] = ip_prefix_network(&prefix);
	for (size_t i = 0; i < plan->routes.n; i++)
		if (ip_prefix_parse(plan->routes.items[i], &prefix) == 0)
			plan->from[plan->gateway.n_from++] = ip_prefix_network(&prefix);
}

static int plan_gateway(const struct hub_config *config, struct hub_plan *plan)
{
	size_t n_from = config->interface.addresses.n + plan->routes.n;

	plan->to = calloc(config->gateway.to.n + 1, sizeof(*plan->to));
	plan->from = calloc(n_from + 1, sizeof(*plan->from));
	if (!plan->to || !plan->from)
		return -ENOMEM;
	plan->has_gateway = true;
	plan->gateway.masquerade = config->gateway.masquerade;
	plan->gateway.to = plan->to;
	plan->gateway.from = plan->from;
	for (size_t i = 0; i < config->gateway.to.n; i++)
		if (ip_prefix_parse(config->gateway.to.items[i], &plan->to[plan->gateway.n_to]) ==
		    0)
			plan->gateway.n_to++;
	plan_from(config, plan);
	return 0;
}

static void plan_hub_options(const struct hub_config *config, struct lw_hub_options *hub)
{
	*hub = (struct lw_hub_options){
		.size = sizeof(*hub),
		.layer = (enum lw_layer)config->layer,
		.identity_file = config->identity,
		.key_log_file = config->key_log,
		.workers = plan_workers(config->workers),
		.streams = config->streams,
		.mtu = config->mtu,
		.between = (enum lw_between)config->between_clients,
		.included_routes = strings(&config->settings.included_routes),
		.n_included_routes = config->settings.included_routes.n,
	};
	if (config->layer != LW_LAYER_IP)
		return;
	hub->pool = hub->own_addresses = strings(&config->interface.addresses);
	hub->n_pool = hub->n_own_addresses = config->interface.addresses.n;
}

int plan_hub(const struct hub_config *config, struct hub_plan *plan, struct schema_errors *errors)
{
	size_t before = errors->n;
	int r = 0;

	memset(plan, 0, sizeof(*plan));
	check_identity(config->identity, plan->ethernet_address, errors);
	check_captures(config->layer, &config->captures, errors);
	check_impairments(config, &config->impairments, errors);
	for (size_t i = 0; i < config->clients.n; i++) {
		const struct client_config *client = config->clients.items[i];

		check_pins(&client->pin, "clients.pin", errors);
	}
	plan_hub_options(config, &plan->hub);
	plan->hub.dns = plan_dns(&config->settings.dns, &plan->services);
	plan->hub.proxy = plan_proxy(&config->settings.proxy, &plan->services);
	r = check_services(plan, errors);
	if (r == 0 && config->interface.name)
		r = plan_interface(config, plan);
	if (r == 0 && plan->has_interface)
		r = check_settings(config->layer, &plan->settings, &plan->parsed, errors);
	if (r == 0 && plan->has_interface && config->gateway.is_set)
		r = plan_gateway(config, plan);
	if (r == 0 && errors->n > before)
		r = -EINVAL;
	if (r < 0)
		plan_hub_done(plan);
	return r;
}

void plan_hub_done(struct hub_plan *plan)
{
	network_settings_done(&plan->parsed);
	free(take_pointer(plan->routes.items));
	free(take_pointer(plan->to));
	free(take_pointer(plan->from));
}

void plan_peer(const struct client_config *client, struct lw_peer_options *ret_options)
{
	*ret_options = (struct lw_peer_options){
		.size = sizeof(*ret_options),
		.name = client->name,
		.pins = strings(&client->pin),
		.n_pins = client->pin.n,
		.behind = (enum lw_behind)client->behind,
		.addresses = strings(&client->addresses),
		.n_addresses = client->addresses.n,
		.networks = strings(&client->networks),
		.n_networks = client->networks.n,
		.macs_max = client->macs_max,
		.broadcast_per_second = client->broadcast,
		.multicast_per_second = client->multicast,
		.unknown_per_second = client->unknown_unicast,
	};
}

static void plan_tunnel_settings(const struct tunnel_config *config, struct tunnel_plan *plan)
{
	const struct settings_config *settings = &config->settings;

	plan->settings = (struct lw_network_settings){
		.size = sizeof(plan->settings),
		.ethernet_address = settings->ethernet_address,
		.mtu = settings->mtu,
		.bridge = config->interface.bridge,
		.carrier = (enum lw_carrier)config->interface.carrier,
		.addresses = plan->addresses.items,
		.n_addresses = plan->addresses.n,
		.included_routes = strings(&settings->included_routes),
		.n_included_routes = settings->included_routes.n,
		.excluded_routes = strings(&settings->excluded_routes),
		.n_excluded_routes = settings->excluded_routes.n,
		.ipv4 = (enum lw_addressing)settings->ipv4,
		.ipv6 = (enum lw_addressing)settings->ipv6,
		.dns = plan_dns(&settings->dns, &plan->services),
		.proxy = plan_proxy(&settings->proxy, &plan->services),
		.routers = strings(&settings->router),
		.n_routers = settings->router.n,
		.tunnel_overhead = settings->tunnel_overhead,
	};
	if (config->layer == LW_LAYER_ETHERNET && !config->interface.bridge &&
	    !settings->ethernet_address && *plan->ethernet_address)
		plan->settings.ethernet_address = plan->ethernet_address;
}

static void plan_tunnel_options(const struct tunnel_config *config, struct tunnel_plan *plan)
{
	plan->tunnel = (struct lw_tunnel_options){
		.size = sizeof(plan->tunnel),
		.layer = (enum lw_layer)config->layer,
		.hubs = strings(&config->hub_address),
		.n_hubs = config->hub_address.n,
		.pins = strings(&config->hub_pin),
		.n_pins = config->hub_pin.n,
		.identity_file = config->identity,
		.key_log_file = config->key_log,
		.workers = plan_workers(config->workers),
		.streams = config->streams,
		.mtu = config->mtu,
		.accept = config->accept,
		.networks = strings(&config->networks),
		.n_networks = config->networks.n,
		.settings = &plan->settings,
	};
	plan_device(&plan->device, config->layer, plan->tunnel.workers, &config->interface);
}

int plan_tunnel(const struct tunnel_config *config, struct tunnel_plan *plan,
		struct schema_errors *errors)
{
	size_t before = errors->n;
	struct lw_error error;
	int r;

	memset(plan, 0, sizeof(*plan));
	check_identity(config->identity, plan->ethernet_address, errors);
	check_captures(config->layer, &config->captures, errors);
	check_impairments(NULL, &config->impairments, errors);
	check_pins(&config->hub_pin, "hub.pin", errors);
	r = add_texts(&plan->addresses, &config->interface.addresses);
	if (r == 0)
		r = add_texts(&plan->addresses, &config->settings.addresses);
	if (r == 0) {
		plan_tunnel_settings(config, plan);
		plan_tunnel_options(config, plan);
		r = check_settings(config->layer, &plan->settings, &plan->parsed, errors);
	}
	/* Routes that the hub may add can make it a full tunnel: then it is known only later. */
	if (r == 0 && errors->n == before && !config->include_all_networks &&
	    !(config->accept & LW_ACCEPT_INCLUDED_ROUTES) &&
	    network_settings_check_dns(&plan->parsed, &error) < 0)
		schema_error(errors, NULL, "settings", "%s", error.text);
	if (r == 0 && errors->n > before)
		r = -EINVAL;
	if (r < 0)
		plan_tunnel_done(plan);
	return r;
}

void plan_tunnel_done(struct tunnel_plan *plan)
{
	network_settings_done(&plan->parsed);
	free(take_pointer(plan->addresses.items));
}

int plan_tell(struct schema_errors *errors)
{
	int r = errors->n > 0 ? -EINVAL : 0;

	if (errors->text)
		fputs(errors->text, stderr);
	if (errors->n > SCHEMA_ERRORS_MAX)
		fprintf(stderr, "%s: and %zu more\n", errors->file, errors->n - SCHEMA_ERRORS_MAX);
	schema_errors_done(errors);
	return r;
}

int plan_load(const char *file, enum config_kind kind, struct config *ret_config)
{
	struct schema_errors errors = { .file = file };
	int r = config_load(file, ret_config, &errors);

	if (r == -ENOMEM) {
		schema_errors_done(&errors);
		command_fail(PROGRAM_FAILED, "%s: no memory", file);
		return r;
	}
	if (plan_tell(&errors) < 0 || r < 0)
		return -EINVAL;
	if (!kind || ret_config->kind == kind)
		return 0;
	command_fail(PROGRAM_USAGE, "%s: is a %s; use 'longwire %s %s'", file,
		     ret_config->kind == CONFIG_HUB ? "hub's" : "tunnel's",
		     ret_config->kind == CONFIG_HUB ? "hub" : "up", file);
	config_done(ret_config);
	return -EINVAL;
}
