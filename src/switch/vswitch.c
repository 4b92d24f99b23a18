/* SPDX-License-Identifier: MIT */
/* The switch: its ports, its tables, and the batch around each packet. */
#include "switch/vswitch.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "capture/point.h"
#include "switch/fdb.h"
#include "switch/forward.h"
#include "switch/limit.h"
#include "switch/prefix_table.h"

static const uint64_t age_ns = VSWITCH_AGE_SECONDS * 1000000000ULL;

static void complete(uint32_t *limit, uint32_t standard)
{
	if (*limit == 0)
		*limit = standard;
}

void vport_policy_complete(struct vport_policy *policy)
{
	bool is_lan;

	if (policy->behind == 0)
		policy->behind = LW_BEHIND_HOST;
	is_lan = policy->behind == LW_BEHIND_LAN;
	complete(&policy->macs_max, is_lan ? 4096 : 16);
	complete(&policy->broadcast_per_second, is_lan ? 1000 : 100);
	complete(&policy->multicast_per_second, is_lan ? 5000 : 500);
	complete(&policy->unknown_per_second, is_lan ? 2000 : 100);
	policy->macs_max = MIN(policy->macs_max, VSWITCH_MACS_MAX);
}

static forward_fn *choose_forward(const struct vswitch_options *options)
{
	if (options->layer == LW_LAYER_ETHERNET)
		return options->is_pipe ? pipe_forward_ethernet : ethernet_forward;
	return options->is_pipe ? pipe_forward_ip : ip_forward;
}

static bool is_valid(const struct vswitch_options *options)
{
	if (options->layer == LW_LAYER_IP)
		return options->is_pipe || (options->between >= LW_BETWEEN_ISOLATED &&
					    options->between <= LW_BETWEEN_KERNEL);
	return options->layer == LW_LAYER_ETHERNET &&
	       (options->is_pipe || options->between == LW_BETWEEN_ISOLATED ||
		options->between == LW_BETWEEN_DIRECT);
}

int vswitch_new(const struct vswitch_options *options, struct vswitch **ret_switch)
{
	struct vswitch *vswitch;
	int r = 0;

	if (!is_valid(options))
		return -EINVAL;
	vswitch = calloc(1, sizeof(*vswitch));
	if (!vswitch)
		return -ENOMEM;
	vswitch->options = *options;
	vswitch->forward = choose_forward(options);
	list_init(&vswitch->ports);
	if (options->layer == LW_LAYER_IP)
		r = prefix_table_new(VSWITCH_PREFIXES_MAX, &vswitch->prefixes);
	else if (!options->is_pipe)
		r = fdb_new(VSWITCH_MACS_MAX, &vswitch->fdb);
	if (r < 0) {
		vswitch_free(vswitch);
		return r;
	}
	*ret_switch = vswitch;
	return 0;
}

void vswitch_free(struct vswitch *vswitch)
{
	if (!vswitch)
		return;
	assert(list_is_empty(&vswitch->ports));
	fdb_free(vswitch->fdb);
	prefix_table_free(vswitch->prefixes);
	free(vswitch);
}

void vswitch_set_captures(struct vswitch *vswitch, struct lw_capture_set *captures)
{
	vswitch->options.captures = captures;
}

int vswitch_add(struct vswitch *vswitch, struct vport *port)
{
	uint32_t max = vswitch->options.is_pipe ? 2 : VSWITCH_PORTS_MAX;

	assert(!port->vswitch);
	if (vswitch->n_ports == max || (port->is_device && vswitch->device))
		return -ENOSPC;
	if (port->is_device)
		port->policy.behind = LW_BEHIND_LAN;
	vport_policy_complete(&port->policy);
	limit_fill(&port->broadcast, port->policy.broadcast_per_second, LIMIT_BURST_SECONDS);
	limit_fill(&port->multicast, port->policy.multicast_per_second, LIMIT_BURST_SECONDS);
	limit_fill(&port->unknown, port->policy.unknown_per_second, LIMIT_BURST_SECONDS);
	limit_fill(&port->icmp, VSWITCH_ICMP_PER_SECOND, ICMP_BURST_SECONDS);
	port->vswitch = vswitch;
	port->macs = 0;
	port->is_dirty = false;
	list_append(&vswitch->ports, &port->list);
	vswitch->n_ports++;
	if (port->is_device)
		vswitch->device = port;
	return 0;
}

void vswitch_remove(struct vswitch *vswitch, struct vport *port)
{
	if (port->vswitch != vswitch)
		return;
	vswitch_flush_port(vswitch, port);
	vswitch_clear_prefixes(vswitch, port);
	if (port->is_dirty)
		vswitch->dirty[port->index] = NULL;
	port->is_dirty = false;
	list_remove(&port->list);
	vswitch->n_ports--;
	if (vswitch->device == port)
		vswitch->device = NULL;
	port->vswitch = NULL;
}

static bool is_learned_from(const struct fdb_entry *entry, void *user)
{
	return entry->port == user;
}

void vswitch_flush_port(struct vswitch *vswitch, struct vport *port)
{
	if (!vswitch->fdb || port->vswitch != vswitch)
		return;
	if (port->macs)
		fdb_remove_if(vswitch->fdb, is_learned_from, port);
	port->macs = 0;
}

static bool is_old(const struct fdb_entry *entry, void *user)
{
	const uint64_t *now_ns = user;

	if (*now_ns < entry->seen_ns + age_ns)
		return false;
	entry->port->macs--;
	return true;
}

void vswitch_age(struct vswitch *vswitch, uint64_t now_ns)
{
	if (vswitch->fdb)
		fdb_remove_if(vswitch->fdb, is_old, &now_ns);
}

uint32_t vswitch_macs(const struct vswitch *vswitch)
{
	return vswitch->fdb ? fdb_count(vswitch->fdb) : 0;
}

int vswitch_add_own_mac(struct vswitch *vswitch, const struct mac_address *mac)
{
	for (uint32_t i = 0; i < vswitch->n_own_macs; i++)
		if (memcmp(&vswitch->own_macs[i], mac, sizeof(*mac)) == 0)
			return 0;
	if (vswitch->n_own_macs == OWN_MACS_MAX)
		return -ENOSPC;
	vswitch->own_macs[vswitch->n_own_macs++] = *mac;
	return 0;
}

static int add_prefix(struct vswitch *vswitch, const struct ip_prefix *prefix, struct vport *value)
{
	int r;

	if (!vswitch->prefixes)
		return -EINVAL;
	r = prefix_table_insert(vswitch->prefixes, prefix, value);
	if (r == -EEXIST && prefix_table_get(vswitch->prefixes, prefix) == value)
		return 0;
	if (r == 0 && value->is_device)
		vswitch->n_device_prefixes++;
	return r;
}

int vswitch_add_prefix(struct vswitch *vswitch, struct vport *port, const struct ip_prefix *prefix)
{
	assert(port->vswitch == vswitch);
	return add_prefix(vswitch, prefix, port);
}

void vswitch_clear_prefixes(struct vswitch *vswitch, struct vport *port)
{
	if (!vswitch->prefixes || port->vswitch != vswitch)
		return;
	prefix_table_remove_value(vswitch->prefixes, port);
	if (port->is_device)
		vswitch->n_device_prefixes = 0;
}

struct vport *vswitch_find_address(const struct vswitch *vswitch, const struct ip_address *address)
{
	struct vport *port;

	if (!vswitch->prefixes)
		return NULL;
	port = prefix_table_lookup(vswitch->prefixes, address);
	return port == &vswitch->own ? vswitch->device : port;
}

int vswitch_add_own_address(struct vswitch *vswitch, const struct ip_address *address)
{
	struct ip_prefix prefix = { .address = *address, .length = ip_address_bits(address) };
	int r;

	for (uint32_t i = 0; i < vswitch->n_own_addresses; i++)
		if (ip_address_equal(&vswitch->own_addresses[i], address))
			return 0;
	if (vswitch->n_own_addresses == OWN_ADDRESSES_MAX)
		return -ENOSPC;
	r = add_prefix(vswitch, &prefix, &vswitch->own);
	if (r == 0)
		vswitch->own_addresses[vswitch->n_own_addresses++] = *address;
	return r;
}

void vswitch_drop(struct vswitch *vswitch, struct vport *port, const struct lw_packet *packet,
		  enum lw_drop reason)
{
	const struct capture_context context = { .port = port ? port->name : NULL,
						 .reason = reason,
						 .is_device = port && port->is_device };

	if (port)
		port->drops[reason]++;
	capture_see(vswitch->options.captures, LW_CAPTURE_DROP, packet, &context);
}

/* A super-frame is measured by what it will be cut into. */
static bool is_too_big(const struct vport *egress, const struct lw_packet *packet)
{
	size_t room = packet->layer == LW_LAYER_ETHERNET ? ETHERNET_ROOM : 0;

	if (egress->mtu == 0)
		return false;
	if (packet->offload && packet->offload->gso != LW_GSO_NONE)
		return packet->offload->gso_size > egress->mtu;
	return packet->length > egress->mtu + room;
}

bool forward_output(struct vswitch *vswitch, struct vport *egress, const struct lw_packet *packet)
{
	if (unlikely(is_too_big(egress, packet))) {
		vswitch_drop(vswitch, egress, packet, LW_DROP_TOO_BIG);
		return false;
	}
	egress->sent_packets++;
	egress->sent_bytes += packet->length;
	if (!egress->is_dirty) {
		egress->is_dirty = true;
		egress->index = vswitch->n_dirty;
		vswitch->dirty[vswitch->n_dirty++] = egress;
	}
	egress->ops->output(egress, packet);
	return true;
}

static void flush_dirty(struct vswitch *vswitch)
{
	for (uint32_t i = 0; i < vswitch->n_dirty; i++) {
		struct vport *port = vswitch->dirty[i];

		if (!port)
			continue;
		/* Clean first: from here on a removal has nothing to strike out. */
		port->is_dirty = false;
		if (port->ops->flush)
			port->ops->flush(port);
	}
	vswitch->n_dirty = 0;
}

void vswitch_input(struct vswitch *vswitch, struct vport *ingress, const struct lw_packet *packets,
		   size_t n, uint64_t now_ns)
{
	for (size_t i = 0; i < n; i++) {
		ingress->received_packets++;
		ingress->received_bytes += packets[i].length;
		vswitch->forward(vswitch, ingress, &packets[i], now_ns);
	}
	flush_dirty(vswitch);
}
