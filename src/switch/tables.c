/* SPDX-License-Identifier: MIT */
/* What a switch knows of who is where: MACs, prefixes, and this machine's own addresses. */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "switch/fdb.h"
#include "switch/forward.h"
#include "switch/prefix_table.h"

static const uint64_t age_ns = VSWITCH_AGE_SECONDS * 1000000000ULL;

static bool is_learned_from(const struct fdb_entry *entry, void *user)
{
	return entry->port == user;
}

void vswitch_flush_port(struct vswitch *vswitch, struct vport *port)
{
	if (!vswitch->fdb || port->vswitch != vswitch)
		return;
	fdb_lock(vswitch->fdb);
	if (port->macs)
		fdb_remove_if(vswitch->fdb, is_learned_from, port);
	forward_count_macs(port, -port->macs);
	fdb_unlock(vswitch->fdb);
}

static bool is_old(const struct fdb_entry *entry, void *user)
{
	const uint64_t *now_ns = user;

	if (*now_ns < entry->seen_ns + age_ns)
		return false;
	forward_count_macs(entry->port, -1u);
	return true;
}

void vswitch_age(struct vswitch *vswitch, uint64_t now_ns)
{
	if (!vswitch->fdb)
		return;
	fdb_lock(vswitch->fdb);
	fdb_remove_if(vswitch->fdb, is_old, &now_ns);
	fdb_unlock(vswitch->fdb);
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
	crew_hold(vswitch->options.crew);
	vswitch->own_macs[vswitch->n_own_macs++] = *mac;
	crew_release(vswitch->options.crew);
	return 0;
}

static int add_prefix(struct vswitch *vswitch, const struct ip_prefix *prefix, struct vport *value)
{
	int r;

	if (!vswitch->prefixes)
		return -EINVAL;
	crew_hold(vswitch->options.crew);
	r = prefix_table_insert(vswitch->prefixes, prefix, value);
	if (r == 0 && value->is_device)
		vswitch->n_device_prefixes++;
	else if (r == -EEXIST && prefix_table_get(vswitch->prefixes, prefix) == value)
		r = 0;
	crew_release(vswitch->options.crew);
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
	crew_hold(vswitch->options.crew);
	prefix_table_remove_value(vswitch->prefixes, port);
	if (port->is_device)
		vswitch->n_device_prefixes = 0;
	crew_release(vswitch->options.crew);
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
	crew_hold(vswitch->options.crew);
	r = add_prefix(vswitch, &prefix, &vswitch->own);
	if (r == 0)
		vswitch->own_addresses[vswitch->n_own_addresses++] = *address;
	crew_release(vswitch->options.crew);
	return r;
}
