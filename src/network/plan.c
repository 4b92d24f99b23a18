/* SPDX-License-Identifier: MIT */
/* From a plan and the facts of the machine to the list of changes, without touching anything. */
#include "network/plan.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>

#include "base/dns_settings.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/settings.h"
#include "network/guard.h"
#include "network/lease.h"
#include "network/link_local_client.h"
#include "network/network.h"
#include "network/nftables.h"

/* IPv6 without its own minimum is no IPv6: the kernel takes it off the interface. */
enum { IPV6_MTU_MIN = 1280, MTU_MIN = 576 };
/* The kernel drops what the reader of a TAP or TUN has not fetched; its 500 for a TUN is a few
 * milliseconds. */
enum { QUEUE_LENGTH = 1000 };

static const struct network_settings no_settings;

struct builder {
	const char *name;
	const struct network_plan *plan;
	const struct network_settings *settings;
	const struct facts *facts;
	struct changes changes;
	struct lw_error *error;
};

static int refuse(const struct builder *b, int code, const char *text)
{
	return error_set(b->error, -code, LW_DOMAIN_TUNNEL, LW_TUNNEL_ERROR_SETTINGS_INVALID,
			 "%s: %s", b->name, text);
}

/* ---- Looking at it */

static bool has_bridge(const struct builder *b)
{
	return b->settings->bridge[0];
}

static bool has_addresses_of(const struct builder *b, uint8_t family)
{
	for (size_t i = 0; i < b->settings->n_addresses; i++)
		if (b->settings->addresses[i].address.family == family)
			return true;
	return false;
}

static bool has_default_of(const struct builder *b, uint8_t family)
{
	for (size_t i = 0; i < b->settings->n_included_routes; i++)
		if (b->settings->included_routes[i].length == 0 &&
		    b->settings->included_routes[i].address.family == family)
			return true;
	return false;
}

static uint32_t mtu_of(const struct builder *b)
{
	if (has_bridge(b))
		return b->facts->bridge.mtu;
	if (b->settings->mtu)
		return b->settings->mtu;
	if (b->settings->tunnel_overhead && b->facts->path_mtu > b->settings->tunnel_overhead)
		return b->facts->path_mtu - b->settings->tunnel_overhead;
	return b->facts->link.mtu;
}

/* An administrator's persistent device that is up has the IPv6 that he gave it. */
static bool is_configured_by_others(const struct builder *b)
{
	return b->plan->is_persistent && b->facts->link.flags & IFF_UP;
}

/* ---- Refusals */

static int check_bridge(const struct builder *b)
{
	const struct link *bridge = &b->facts->bridge;
	const char *name = b->settings->bridge;
	char text[160];

	if (b->plan->layer != LW_LAYER_ETHERNET)
		return refuse(b, EINVAL, "an IP tunnel cannot join a bridge");
	if (!b->facts->has_bridge) {
		snprintf(text, sizeof(text), "there is no bridge %s: ip link add %s type bridge",
			 name, name);
		return refuse(b, ENODEV, text);
	}
	if (strcmp(bridge->kind, "bridge") != 0) {
		snprintf(text, sizeof(text), "%s is not a bridge but %s%s", name,
			 bridge->kind[0] ? "of kind " : "another interface", bridge->kind);
		return refuse(b, EINVAL, text);
	}
	if (b->settings->n_addresses || b->settings->n_included_routes ||
	    routing_is_enforced(b->plan))
		return refuse(b, EINVAL, "a bridge's port has no addresses and routes of its own");
	return 0;
}

static int check_link(const struct builder *b)
{
	const struct link *link = &b->facts->link;
	bool is_ethernet = link->type == ARPHRD_ETHER;
	bool is_used = b->settings->n_addresses || b->settings->n_included_routes || has_bridge(b);
	char text[160];
	uint32_t mtu = mtu_of(b);

	if (is_ethernet != (b->plan->layer == LW_LAYER_ETHERNET))
		return refuse(b, EINVAL,
			      is_ethernet ? "it is an Ethernet interface and the tunnel carries IP"
					  : "it is no Ethernet interface");
	if (link->master && is_used && link->master != b->facts->bridge.index) {
		snprintf(text, sizeof(text), "it is already a port of %s", b->facts->master_name);
		return refuse(b, EBUSY, text);
	}
	if (mtu < link->mtu_min || (link->mtu_max && mtu > link->mtu_max)) {
		snprintf(text, sizeof(text),
			 "an MTU of %" PRIu32 " is not possible, %" PRIu32 " to %" PRIu32 " are",
			 mtu, link->mtu_min, link->mtu_max);
		return refuse(b, EINVAL, text);
	}
	return 0;
}

static int check_addresses(const struct builder *b)
{
	if (!has_addresses_of(b, AF_INET6))
		return 0;
	if (!b->facts->has_ipv6 || b->facts->is_ipv6_disabled)
		return refuse(b, EAFNOSUPPORT,
			      "IPv6 is off on this machine: leave its addresses out, or set "
			      "net.ipv6.conf.all.disable_ipv6 to 0");
	if (mtu_of(b) < IPV6_MTU_MIN)
		return refuse(b, EINVAL, "IPv6 addresses need an MTU of at least 1280");
	return 0;
}

/* tunnel-overhead: what the path leaves. */
static int check_overhead(const struct builder *b)
{
	uint32_t overhead = b->settings->tunnel_overhead;
	char text[160];

	if (b->settings->mtu || !overhead || !b->facts->path_mtu ||
	    b->facts->path_mtu >= overhead + MTU_MIN)
		return 0;
	snprintf(text, sizeof(text),
		 "tunnel-overhead: %" PRIu32 " of the %" PRIu32
		 " bytes of the path to the hub leave less than %d",
		 overhead, b->facts->path_mtu, MTU_MIN);
	return refuse(b, EINVAL, text);
}

static int check_routes(const struct builder *b)
{
	for (size_t i = 0; i < b->settings->n_excluded_routes; i++)
		for (size_t k = 0; k < b->settings->n_included_routes; k++)
			if (ip_prefix_equal(&b->settings->excluded_routes[i],
					    &b->settings->included_routes[k]))
				return refuse(b, EINVAL, "a route is both included and excluded");
	return 0;
}

static bool is_full(const struct builder *b)
{
	return network_settings_are_full(b->settings) ||
	       (b->plan->routing && b->plan->routing->include_all);
}

static int check_dns(const struct builder *b)
{
	const char *reason;

	if (!b->settings->dns)
		return 0;
	reason = dns_refusal(b->facts->dns_way, b->settings->dns, is_full(b));
	return reason ? refuse(b, EOPNOTSUPP, reason) : 0;
}

static int check_addressing(const struct builder *b)
{
	const char *reason = NULL;

	if (b->settings->ipv4 == LW_ADDRESSING_LINK_LOCAL)
		reason = link_local_refusal();
	else if (b->settings->ipv4 == LW_ADDRESSING_AUTOMATIC)
		reason = lease_refusal();
	return reason ? refuse(b, EOPNOTSUPP, reason) : 0;
}

static int check_gateway(const struct builder *b)
{
	const struct network_gateway *gateway = b->plan->gateway;

	if (!gateway || nftables_has_family(gateway, AF_INET) ||
	    nftables_has_family(gateway, AF_INET6))
		return 0;
	return refuse(
		b, EINVAL,
		"a gateway needs networks to forward to, and addresses of the tunnel of the same "
		"kind (IPv4 or IPv6)");
}

static int check(const struct builder *b)
{
	int r = has_bridge(b) ? check_bridge(b) : 0;

	if (r == 0)
		r = check_link(b);
	if (r == 0)
		r = check_overhead(b);
	if (r == 0)
		r = check_addresses(b);
	if (r == 0)
		r = check_routes(b);
	if (r == 0)
		r = check_dns(b);
	if (r == 0)
		r = check_addressing(b);
	return r < 0 ? r : check_gateway(b);
}

/* ---- The list */

static int append_number(struct builder *b, enum change_kind kind, uint32_t value, uint32_t before)
{
	struct change change = { .kind = kind, .is_found = value == before };

	change.value.number = value;
	change.before.number = before;
	return changes_append(&b->changes, &change);
}

static int append_sysctl(struct builder *b, const char *value, const char *before,
			 const char *interface, const char *path)
{
	struct change change = { .kind = CHANGE_SYSCTL, .is_found = strcmp(value, before) == 0 };

	if (interface)
		snprintf(change.path, sizeof(change.path), "net/ipv6/conf/%s/%s", interface, path);
	else
		snprintf(change.path, sizeof(change.path), "%s", path);
	snprintf(change.value.text, sizeof(change.value.text), "%s", value);
	snprintf(change.before.text, sizeof(change.before.text), "%s", before);
	return changes_append(&b->changes, &change);
}

static int append_mac(struct builder *b, const uint8_t mac[6])
{
	struct change change = { .kind = CHANGE_MAC };

	memcpy(change.value.mac, mac, 6);
	memcpy(change.before.mac, b->facts->link.mac, 6);
	change.is_found = memcmp(mac, b->facts->link.mac, 6) == 0;
	return changes_append(&b->changes, &change);
}

/*
 * What routers there advertise: prefixes, from which the kernel makes addresses, also on a machine
 * that forwards. A default route only where one was included: an advertisement cannot make this a
 * full tunnel.
 */
static int append_automatic_ipv6(struct builder *b)
{
	bool is_automatic = b->settings->ipv6 == LW_ADDRESSING_AUTOMATIC;
	const struct facts *facts = b->facts;
	int r;

	if (!facts->has_ipv6 || facts->is_ipv6_disabled)
		return refuse(b, EAFNOSUPPORT,
			      "ipv6: IPv6 is off on this machine: say off, or set "
			      "net.ipv6.conf.all.disable_ipv6 to 0");
	if (mtu_of(b) < IPV6_MTU_MIN)
		return refuse(b, EINVAL, "ipv6: it needs an MTU of at least 1280");
	r = append_number(b, CHANGE_ADDRESS_GENERATION, IN6_ADDR_GEN_MODE_EUI64,
			  facts->link.address_generation);
	if (r == 0)
		r = append_sysctl(b, is_automatic ? "2" : "0", facts->accept_ra, b->name,
				  "accept_ra");
	if (r < 0 || !is_automatic)
		return r;
	r = append_sysctl(b, "1", facts->autoconf, b->name, "autoconf");
	return r < 0 ? r
		     : append_sysctl(b, has_default_of(b, AF_INET6) ? "1" : "0",
				     facts->accept_ra_defrtr, b->name, "accept_ra_defrtr");
}

static bool has_kernel_ipv6(const struct builder *b)
{
	return b->settings->ipv6 == LW_ADDRESSING_AUTOMATIC ||
	       b->settings->ipv6 == LW_ADDRESSING_LINK_LOCAL;
}

/*
 * No address by itself, not even a link-local one; and no listening to router advertisements, with
 * which a hub could else give itself routes. A bridge's port and a TUN behind our own destination
 * checks hear none.
 */
static int append_quiet_ipv6(struct builder *b)
{
	int r;

	if (!b->facts->has_ipv6 || mtu_of(b) < IPV6_MTU_MIN || is_configured_by_others(b))
		return 0;
	r = append_number(b, CHANGE_ADDRESS_GENERATION, IN6_ADDR_GEN_MODE_NONE,
			  b->facts->link.address_generation);
	if (r < 0 || has_bridge(b) || b->plan->layer != LW_LAYER_ETHERNET ||
	    b->facts->is_ipv6_disabled)
		return r;
	return append_sysctl(b, "0", b->facts->accept_ra, b->name, "accept_ra");
}

static int append_link(struct builder *b)
{
	const struct link *link = &b->facts->link;
	bool joins = has_bridge(b) && link->master != b->facts->bridge.index;
	int r = 0;

	if (joins || (!has_bridge(b) && (b->settings->mtu || b->settings->tunnel_overhead)))
		r = append_number(b, CHANGE_MTU, mtu_of(b), link->mtu);
	if (r == 0 && !b->plan->is_persistent)
		r = append_number(b, CHANGE_QUEUE_LENGTH, MAX(QUEUE_LENGTH, link->queue_length),
				  link->queue_length);
	if (r == 0)
		r = has_kernel_ipv6(b) ? append_automatic_ipv6(b) : append_quiet_ipv6(b);
	if (r == 0 && joins)
		r = append_mac(b, b->facts->port_mac);
	else if (r == 0 && !has_bridge(b) && b->settings->has_ethernet_address)
		r = append_mac(b, b->settings->ethernet_address);
	if (r == 0 && has_bridge(b))
		r = append_number(b, CHANGE_MASTER, (uint32_t)b->facts->bridge.index,
				  (uint32_t)link->master);
	if (r == 0 && b->plan->up)
		r = append_number(b, CHANGE_UP, 1, link->flags & IFF_UP ? 1 : 0);
	return r;
}

static int append_address(struct builder *b, const struct ip_prefix *address)
{
	struct change change = { .kind = CHANGE_ADDRESS, .value.address = *address };

	return changes_append(&b->changes, &change);
}

/* RFC 4291, appendix A; the kernel makes none, see append_quiet_ipv6, and neighbour discovery wants
 * one. */
static struct ip_prefix link_local(const uint8_t mac[6])
{
	struct ip_prefix prefix = { .address.family = AF_INET6, .length = 64 };
	uint8_t *bytes = prefix.address.bytes;

	bytes[0] = 0xfe;
	bytes[1] = 0x80;
	memcpy(bytes + 8, mac, 3);
	bytes[8] ^= 2;
	bytes[11] = 0xff;
	bytes[12] = 0xfe;
	memcpy(bytes + 13, mac + 3, 3);
	return prefix;
}

static int append_addresses(struct builder *b)
{
	const struct network_settings *settings = b->settings;
	int r = 0;

	if (b->plan->layer == LW_LAYER_ETHERNET && has_addresses_of(b, AF_INET6) &&
	    !has_kernel_ipv6(b) && !is_configured_by_others(b)) {
		struct ip_prefix address =
			link_local(settings->has_ethernet_address ? settings->ethernet_address
								  : b->facts->link.mac);

		r = append_address(b, &address);
	}
	for (size_t i = 0; r == 0 && i < settings->n_addresses; i++)
		r = append_address(b, &settings->addresses[i]);
	return r;
}

/* Before the first packet can come, and only for a client: who reaches a hub's own address through
 * its LAN may do so. */
static int append_guard(struct builder *b)
{
	struct change guard = { .kind = CHANGE_GUARD };
	const struct facts *facts = b->facts;
	int r;

	if (!b->plan->routing || !b->settings->n_addresses)
		return 0;
	r = guard_script(b->name, b->settings->addresses, b->settings->n_addresses,
			 facts->has_strict_filter, &guard.value.script);
	if (r < 0)
		return r;
	r = changes_append(&b->changes, &guard);
	if (r < 0) {
		free(guard.value.script);
		return r;
	}
	return facts->has_strict_filter ? append_sysctl(b, "1", facts->src_valid_mark, NULL,
							"net/ipv4/conf/all/src_valid_mark")
					: 0;
}

/*
 * The firewall is there before anything is forwarded. A machine that begins to forward IPv6 forgets
 * what routers advertised to it, its own default route with it, unless its interfaces are told to
 * listen nevertheless.
 */
static int append_gateway(struct builder *b)
{
	const struct network_gateway *gateway = b->plan->gateway;
	const struct facts *facts = b->facts;
	struct change firewall = { .kind = CHANGE_FIREWALL };
	int r = nftables_script(b->name, gateway, &firewall.value.script);

	if (r < 0)
		return r;
	r = changes_append(&b->changes, &firewall);
	if (r < 0) {
		free(firewall.value.script);
		return r;
	}
	if (nftables_has_family(gateway, AF_INET))
		r = append_sysctl(b, "1", facts->ip4_forward, NULL, "net/ipv4/ip_forward");
	if (r < 0 || !nftables_has_family(gateway, AF_INET6))
		return r;
	if (!facts->has_ipv6)
		return refuse(b, EAFNOSUPPORT,
			      "IPv6 is off on this machine: the gateway cannot forward it");
	for (size_t i = 0; r == 0 && i < facts->n_listeners; i++)
		r = append_sysctl(b, "2", "1", facts->listeners[i], "accept_ra");
	return r < 0 ? r : append_sysctl(b, "1", facts->ip6_forward, "all", "forwarding");
}

/* Last, when there is a way to the servers; and first to be taken back. */
static int append_dns(struct builder *b)
{
	struct change change = { .kind = CHANGE_DNS };
	int r;

	if (!b->settings->dns)
		return 0;
	change.value.dns.way = b->facts->dns_way;
	change.value.dns.is_full = is_full(b);
	r = dns_settings_copy(b->settings->dns, &change.value.dns.settings);
	if (r == 0)
		r = changes_append(&b->changes, &change);
	if (r < 0)
		change_done(&change);
	return r;
}

int plan_build(const char *name, const struct network_plan *plan, const struct facts *facts,
	       struct changes *ret_changes, struct lw_error *ret_error)
{
	struct builder b = { .name = name,
			     .plan = plan,
			     .settings = plan->settings ? plan->settings : &no_settings,
			     .facts = facts,
			     .error = ret_error };
	int r = check(&b);

	if (r < 0)
		return r;
	r = append_link(&b);
	/* An interface that is down has no use for addresses, and the kernel takes routes off
	 * it. */
	if (r == 0 && plan->up)
		r = append_guard(&b);
	if (r == 0 && plan->up)
		r = append_addresses(&b);
	if (r == 0 && plan->up)
		r = routing_append(plan, facts, &b.changes);
	if (r == 0 && plan->up && plan->gateway)
		r = append_gateway(&b);
	if (r == 0 && plan->up)
		r = append_dns(&b);
	if (r < 0) {
		changes_done(&b.changes);
		if (r == -ENOMEM || r == -E2BIG)
			return error_errno(ret_error, -r, "%s: the changes of its network", name);
		return r;
	}
	*ret_changes = b.changes;
	return 0;
}
