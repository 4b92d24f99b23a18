/* SPDX-License-Identifier: MIT */
/* Network settings and carrier of a run. */
#include "provider/interface.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/connection.h>
#include <longwire/error.h>
#include <longwire/flow.h>

#include "base/address.h"
#include "base/dns_settings.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/proxy_settings.h"
#include "device/device.h"
#include "flow/flow.h"
#include "network/dns.h"
#include "network/fence.h"
#include "network/network.h"
#include "network/observer.h"
#include "provider/lease_settings.h"

static bool is_in_kernel(const struct interface *interface)
{
	return interface->flow && lw_packet_flow_name(interface->flow)[0];
}

/* settings NULL: none, and the carrier is not ours to take. */
static bool wants_carrier(const struct interface *interface,
			  const struct network_settings *settings)
{
	if (!settings || settings->carrier == LW_CARRIER_HOLD)
		return true;
	if (settings->carrier == LW_CARRIER_DEFAULT && settings->bridge[0])
		return true;
	return interface->is_running;
}

static void set_carrier(struct interface *interface, bool on)
{
	int r;

	if (on != interface->is_carrier_off || !is_in_kernel(interface))
		return;
	r = device_set_carrier(packet_flow_device(interface->flow), on);
	if (r < 0)
		log_warning("%s: the carrier cannot be set %s: %s",
			    lw_packet_flow_name(interface->flow), on ? "on" : "off", strerror(-r));
	else
		interface->is_carrier_off = !on;
}

static const struct network_settings *present_settings(const struct interface *interface)
{
	return interface->has_settings ? &interface->settings : NULL;
}

static void update_carrier(struct interface *interface)
{
	set_carrier(interface, wants_carrier(interface, present_settings(interface)));
}

/* ---- The kill switch */

static int lock(const struct interface_options *options, const char *name,
		const struct network_settings *settings, struct lw_error *ret_error)
{
	struct fence_policy policy = { .interface = name,
				       .exclude_local = options->routing.exclude_local };

	if (!options->fence)
		return 0;
	if (settings) {
		policy.excluded = settings->excluded_routes;
		policy.n_excluded = settings->n_excluded_routes;
	}
	return fence_close(options->fence, &policy, ret_error);
}

int interface_lock(const struct interface_options *options, const struct lw_packet_flow *flow,
		   struct lw_error *ret_error)
{
	if (options->fence && !lw_packet_flow_name(flow)[0])
		return error_set(ret_error, -EOPNOTSUPP, LW_DOMAIN_SYSTEM, EOPNOTSUPP,
				 "include_all_networks: needs an interface of the kernel, and this "
				 "flow has none");
	if (options->fence) {
		int r = fence_recall(options->fence, lw_packet_flow_name(flow), ret_error);

		if (r < 0)
			return r;
	}
	return lock(options, lw_packet_flow_name(flow), NULL, ret_error);
}

/* What is known of the peer has changed. */
static int lock_again(struct interface *interface)
{
	struct lw_error error;
	int r = lock(&interface->options, lw_packet_flow_name(interface->flow),
		     present_settings(interface), &error);

	if (r < 0)
		log_error("%s", error.text);
	return r;
}

int interface_seek_peer(struct interface *interface, char (*ret_peers)[LW_PEER_TEXT_SIZE],
			size_t max)
{
	struct fence *fence = interface->options.fence;
	const struct fence_peer *peers;
	size_t n;

	if (!fence)
		return 0;
	n = fence_peers(fence, &peers);
	for (size_t i = 0; i < n && i < max; i++)
		fence_peer_format(&peers[i], ret_peers[i]);
	if (n)
		return (int)MIN(n, max);
	fence_ask_names(fence);
	return lock_again(interface);
}

int interface_found_peer(struct interface *interface, const char *const *peers, size_t n)
{
	struct fence_peer found[FENCE_PEERS_MAX];
	char host[ENDPOINT_HOST_SIZE];

	if (!n || n > FENCE_PEERS_MAX)
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (!peers[i] || endpoint_parse(peers[i], false, host, &found[i].port) < 0 ||
		    ip_address_parse(host, &found[i].address) < 0)
			return -EINVAL;
	if (!interface->options.fence)
		return 0;
	fence_set_peers(interface->options.fence, found, n);
	return lock_again(interface);
}

/* ---- What the machine does meanwhile */

static int change_machine(struct interface *interface, const struct network_settings *settings,
			  struct lw_error *ret_error);

static void path_changed(void *user)
{
	struct interface *interface = user;
	const struct network_settings *settings = present_settings(interface);
	struct lw_error error;

	if (interface->network)
		network_restore(interface->network);
	if (settings && (lock(&interface->options, lw_packet_flow_name(interface->flow), settings,
			      &error) < 0 ||
			 change_machine(interface, settings, &error) < 0))
		log_warning("the network has changed, and the settings did not follow: %s",
			    error.text);
	if (interface->options.path_changed)
		interface->options.path_changed(interface->options.user);
}

/* The domain that a provider expects, around whatever the machine said. */
static int failed(int result, const struct lw_error *cause, struct lw_error *ret_error)
{
	if (cause->domain == LW_DOMAIN_TUNNEL)
		return error_set(ret_error, result, LW_DOMAIN_TUNNEL, cause->code, "%s",
				 cause->text);
	return error_set(ret_error, result, LW_DOMAIN_TUNNEL, LW_TUNNEL_ERROR_SETTINGS_FAILED, "%s",
			 cause->text);
}

/* Bring the machine to the settings (NULL: to none). */
static int apply_settings(struct interface *interface, const struct network_settings *settings,
			  struct lw_error *ret_error)
{
	struct device *device = packet_flow_device(interface->flow);
	struct network_plan plan = {
		.layer = lw_packet_flow_layer(interface->flow),
		.settings = settings,
		.up = true,
		.loop = interface->loop,
		.is_persistent = device->is_persistent,
		.routing = &interface->options.routing,
	};
	struct lw_error error = { 0 };
	int r;

	if (!interface->network) {
		r = network_new(lw_packet_flow_name(interface->flow), &interface->network);
		if (r < 0) {
			error_errno(&error, -r, "network settings");
			return failed(r, &error, ret_error);
		}
	}
	r = network_apply(interface->network, &plan, &error);
	return r < 0 ? failed(r, &error, ret_error) : 0;
}

/* A lease is of use without its name servers, and nobody chose them: they are not insisted on. */
static void drop_unusable_servers(struct network_settings *settings)
{
	const char *reason = dns_refusal(dns_find(), settings->dns, true);

	if (!reason)
		return;
	log_warning("the lease's name servers are not set: %s", reason);
	free(take_pointer(settings->dns));
}

/* The same, with what a lease adds to them. */
static int change_machine(struct interface *interface, const struct network_settings *settings,
			  struct lw_error *ret_error)
{
	struct network_settings sum;
	int r;

	if (!settings || !automatic_is(settings->ipv4) || !interface->automatic.has_lease)
		return apply_settings(interface, settings, ret_error);
	r = lease_settings(settings, &interface->automatic.lease,
			   interface->options.routing.include_all, &sum);
	if (r < 0)
		return error_set(ret_error, r, LW_DOMAIN_TUNNEL, LW_TUNNEL_ERROR_SETTINGS_FAILED,
				 "no memory for a lease");
	if (sum.dns && !settings->dns)
		drop_unusable_servers(&sum);
	r = apply_settings(interface, &sum, ret_error);
	network_settings_done(&sum);
	return r;
}

static void forget_settings(struct interface *interface)
{
	if (interface->has_settings)
		network_settings_done(&interface->settings);
	interface->has_settings = false;
}

static int clear(struct interface *interface, struct lw_error *ret_error)
{
	struct lw_error error;
	int r = 0;

	if (!interface->has_settings)
		return 0;
	if (is_in_kernel(interface))
		r = change_machine(interface, NULL, ret_error);
	if (r < 0)
		return r;
	if (lock(&interface->options, lw_packet_flow_name(interface->flow), NULL, &error) < 0)
		log_warning("%s", error.text);
	forget_settings(interface);
	update_carrier(interface);
	return 0;
}

static int replace(struct interface *interface, const struct network_settings *settings,
		   struct lw_error *ret_error)
{
	const char *name = lw_packet_flow_name(interface->flow);
	struct lw_error error;
	int r;

	/*
	 * Before the interface comes up: nobody on it shall see a carrier that goes at once. It
	 * comes on afterwards only, when there is something behind it.
	 */
	if (!wants_carrier(interface, settings))
		set_carrier(interface, false);
	if (!is_in_kernel(interface))
		return 0;
	r = lock(&interface->options, name, settings, &error);
	if (r < 0)
		return failed(r, &error, ret_error);
	r = change_machine(interface, settings, ret_error);
	if (r < 0 && lock(&interface->options, name, present_settings(interface), &error) < 0)
		log_warning("%s", error.text);
	return r;
}

/* ---- addresses that come by themselves */

static void addresses_changed(void *user)
{
	struct interface *interface = user;
	struct lw_error error;

	if (interface->has_settings && change_machine(interface, &interface->settings, &error) < 0)
		log_error("%s: the address that came cannot be applied: %s",
			  lw_packet_flow_name(interface->flow), error.text);
}

static void update_addresses(struct interface *interface)
{
	bool is_wanted = interface->has_settings && is_in_kernel(interface);

	if (is_wanted)
		automatic_update(&interface->automatic, lw_packet_flow_name(interface->flow),
				 interface->settings.ipv4, interface->is_running);
	else
		automatic_end(&interface->automatic);
}

/* ---- opening */

void interface_open(struct interface *interface, struct lw_loop *loop, struct lw_packet_flow *flow,
		    const struct interface_options *options)
{
	int r = 0;

	*interface = (struct interface){
		.loop = loop,
		.flow = flow,
		.options = *options,
		.automatic = { .loop = loop, .changed = addresses_changed, .user = interface },
	};
	if (is_in_kernel(interface))
		r = observer_new(loop, OBSERVE_PATHS, path_changed, interface,
				 &interface->observer);
	if (r < 0)
		log_warning("%s: changes of the network cannot be followed: %s",
			    lw_packet_flow_name(flow), strerror(-r));
}

/* ---- settings */

int interface_apply(struct interface *interface, const struct lw_network_settings *settings,
		    struct lw_error *ret_error)
{
	struct network_settings parsed;
	struct lw_error error = { 0 };
	int r;

	if (!settings)
		return clear(interface, ret_error);
	r = network_settings_parse(lw_packet_flow_layer(interface->flow), settings, &parsed,
				   &error);
	if (r == -ENOMEM)
		error_errno(&error, ENOMEM, "network settings");
	if (r < 0)
		return failed(r, &error, ret_error);
	/* With the kill switch everything goes into the tunnel, whatever the routes. */
	if (!interface->options.routing.include_all)
		r = network_settings_check_dns(&parsed, &error);
	if (r < 0) {
		network_settings_done(&parsed);
		return failed(r, &error, ret_error);
	}
	if (interface->has_settings && network_settings_equal(&interface->settings, &parsed)) {
		network_settings_done(&parsed);
		return 0;
	}
	r = replace(interface, &parsed, ret_error);
	if (r < 0) {
		network_settings_done(&parsed);
	} else {
		/* Who chose an address did so under the former one. */
		if (interface->has_settings &&
		    memcmp(interface->settings.ethernet_address, parsed.ethernet_address,
			   sizeof(parsed.ethernet_address)) != 0)
			automatic_end(&interface->automatic);
		forget_settings(interface);
		interface->settings = parsed;
		interface->has_settings = true;
	}
	update_carrier(interface);
	update_addresses(interface);
	return r;
}

void interface_set_running(struct interface *interface, bool is_running)
{
	bool is_back = is_running && !interface->is_running;

	interface->is_running = is_running;
	update_carrier(interface);
	/* Who was away may be elsewhere. */
	if (is_back)
		automatic_again(&interface->automatic);
	update_addresses(interface);
}

/* Add a word to a list of them, if it fits whole. */
static void add_word(char *list, size_t size, const char *word)
{
	size_t used = strlen(list);

	if (used + strlen(word) + 2 <= size)
		snprintf(list + used, size - used, "%s%s", used ? " " : "", word);
}

static void add_domains(char *list, size_t size, const struct domain_list *domains)
{
	for (size_t i = 0; i < domains->n; i++)
		add_word(list, size, domains->items[i]);
}

static void tell_dns(const struct interface *interface, const struct dns_settings *dns,
		     struct lw_network_status *status)
{
	char text[IP_TEXT_SIZE];

	if (interface->network)
		snprintf(status->resolver, sizeof(status->resolver), "%s",
			 network_resolver(interface->network));
	for (size_t i = 0; i < dns->n_servers; i++)
		add_word(status->name_servers, sizeof(status->name_servers),
			 ip_address_format(&dns->servers[i], text));
	add_domains(status->match_domains, sizeof(status->match_domains), &dns->match);
	add_domains(status->search_domains, sizeof(status->search_domains), &dns->search);
	status->all_names = interface->options.routing.include_all ||
			    network_settings_are_full(&interface->settings);
}

static void tell_proxy(const struct proxy_settings *proxy, struct lw_network_status *status)
{
	snprintf(status->http_proxy, sizeof(status->http_proxy), "%s", proxy->http_server);
	snprintf(status->https_proxy, sizeof(status->https_proxy), "%s", proxy->https_server);
	snprintf(status->proxy_configuration_url, sizeof(status->proxy_configuration_url), "%s",
		 proxy->auto_configuration_url);
	add_domains(status->proxy_exceptions, sizeof(status->proxy_exceptions), &proxy->exceptions);
	add_domains(status->proxy_domains, sizeof(status->proxy_domains), &proxy->match);
	status->proxy_excludes_simple_hostnames = proxy->exclude_simple_hostnames;
}

void interface_network_status(const struct interface *interface,
			      struct lw_network_status *ret_status)
{
	struct lw_network_status *status = ret_status;

	if (!interface->has_settings)
		return;
	automatic_status(&interface->automatic, status);
	if (interface->settings.dns)
		tell_dns(interface, interface->settings.dns, status);
	if (interface->settings.proxy)
		tell_proxy(interface->settings.proxy, status);
}

void interface_close(struct interface *interface)
{
	observer_free(take_pointer(interface->observer));
	automatic_end(&interface->automatic);
	network_free(take_pointer(interface->network));
	forget_settings(interface);
	/* An interface that outlives us is left as it was found. */
	set_carrier(interface, true);
	interface->flow = NULL;
}
