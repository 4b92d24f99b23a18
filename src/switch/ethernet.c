/* SPDX-License-Identifier: MIT */
/* Forwarding of Ethernet frames: check the source, learn it, and find who gets the frame (IEEE
 * 802.1Q, 8.6 and 8.7). */
#include <string.h>

#include "capture/point.h"
#include "switch/fdb.h"
#include "switch/forward.h"
#include "switch/guard.h"

static const uint64_t hold_ns = VSWITCH_HOLD_SECONDS * 1000000000ULL;
/* A MAC may move five times in ten seconds: each move costs two, and eight may be owed. */
static const uint64_t move_cost_ns = 2000000000, move_debt_ns = 8000000000;

static bool is_own_mac(const struct vswitch *vswitch, const struct mac_address *mac)
{
	for (uint32_t i = 0; i < vswitch->n_own_macs; i++)
		if (memcmp(&vswitch->own_macs[i], mac, sizeof(*mac)) == 0)
			return true;
	return false;
}

static bool may_move(struct fdb_entry *entry, const struct vport *port, uint64_t now_ns)
{
	if (entry->port->policy.behind == LW_BEHIND_HOST || port->policy.behind == LW_BEHIND_HOST)
		return now_ns >= entry->seen_ns + hold_ns;
	if (entry->moves_ns > now_ns + move_debt_ns)
		return false;
	entry->moves_ns = MAX(entry->moves_ns, now_ns) + move_cost_ns;
	return true;
}

/* As a writer of the FDB. Return: NONE, or SOURCE_CONFLICT. A source that finds no room is not
 * learned and not refused. */
static enum lw_drop learn_locked(struct vswitch *vswitch, struct vport *port,
				 const struct mac_address *source, uint64_t now_ns)
{
	struct fdb_entry *entry = fdb_find(vswitch->fdb, source, 0);

	if (entry && entry->port == port) {
		fdb_set(entry, port, MAX(entry->seen_ns, now_ns));
		return LW_DROP_NONE;
	}
	if (entry && !may_move(entry, port, now_ns))
		return LW_DROP_SOURCE_CONFLICT;
	if (port->macs >= port->policy.macs_max)
		return LW_DROP_NONE;
	if (entry)
		forward_count_macs(entry->port, -1u);
	else
		entry = fdb_insert(vswitch->fdb, source, 0);
	if (!entry)
		return LW_DROP_NONE;
	fdb_set(entry, port, now_ns);
	forward_count_macs(port, 1);
	return LW_DROP_NONE;
}

/* What is known and was seen just now is not written again: its cache line stays everybody's. */
static enum lw_drop learn(struct vswitch *vswitch, struct vport *port,
			  const struct mac_address *source, uint64_t now_ns)
{
	enum lw_drop reason;
	struct fdb_view view;

	if (likely(fdb_look(vswitch->fdb, source, 0, &view) && view.port == port &&
		   now_ns <= view.seen_ns + vswitch->refresh_ns))
		return LW_DROP_NONE;
	fdb_lock(vswitch->fdb);
	reason = learn_locked(vswitch, port, source, now_ns);
	fdb_unlock(vswitch->fdb);
	return reason;
}

static enum lw_drop check_source(struct vswitch *vswitch, struct vport *ingress,
				 const struct lw_packet *packet, uint64_t now_ns)
{
	struct mac_address source;

	if (packet->length < ETHERNET_HEADER_SIZE)
		return LW_DROP_SHORT;
	memcpy(&source, packet->data + sizeof(source), sizeof(source));
	if (mac_address_is_group(&source) || mac_address_is_zero(&source))
		return LW_DROP_SOURCE_MULTICAST;
	if (is_own_mac(vswitch, &source))
		return ingress->is_device ? LW_DROP_NONE : LW_DROP_SOURCE_OWN;
	if (ingress->policy.behind == LW_BEHIND_HOST) {
		enum lw_drop reason = guard_classify(packet->data, packet->length);

		if (reason != LW_DROP_NONE)
			return reason;
	}
	return learn(vswitch, ingress, &source, now_ns);
}

static bool is_isolated(const struct vswitch *vswitch, const struct vport *a, const struct vport *b)
{
	return vswitch->options.between == LW_BETWEEN_ISOLATED && !a->is_device && !b->is_device;
}

/*
 * Port by port, not packet by packet: the second port finds the packets in the cache, and each has
 * its buffers to itself from the first packet to the seal, which the next port then finds there.
 */
void ethernet_flood_waiting(struct vswitch *vswitch, struct vport *ingress, bool is_last)
{
	struct vswitch_lane *lane = forward_lane(vswitch);
	struct list *node, *next;
	uint32_t n = lane->n_flooded;

	if (likely(!n))
		return;
	lane->n_flooded = 0;
	capture_origin.is_flooded = true;
	for (node = vswitch->ports.next; node != &vswitch->ports; node = next) {
		struct vport *egress = list_entry(node, struct vport, list);

		next = node->next;
		if (egress == ingress || is_isolated(vswitch, ingress, egress))
			continue;
		for (uint32_t i = 0; i < n; i++)
			forward_output(vswitch, egress, lane->flooded[i]);
		if (is_last)
			forward_flush(vswitch, egress);
		if (likely(egress->vswitch)) /* a flush may remove a port: this one or another */
			next = node->next;
	}
	capture_origin.is_flooded = false;
}

/* To everybody else. Return: NONE if there is a port that it goes to, or that refuses and counts it. */
static enum lw_drop flood(struct vswitch *vswitch, struct vport *ingress,
			  const struct lw_packet *packet)
{
	struct vswitch_lane *lane = forward_lane(vswitch);
	enum lw_drop reason = LW_DROP_SAME_PORT;

	list_for_each(node, &vswitch->ports) {
		struct vport *egress = list_entry(node, struct vport, list);

		if (egress == ingress)
			continue;
		if (is_isolated(vswitch, ingress, egress)) {
			reason = LW_DROP_ISOLATED;
			continue;
		}
		if (lane->n_flooded == FLOODED_MAX)
			ethernet_flood_waiting(vswitch, ingress, false);
		lane->flooded[lane->n_flooded++] = packet;
		return LW_DROP_NONE;
	}
	return reason;
}

static bool is_within(struct vswitch *vswitch, struct token_bucket *bucket, uint32_t per_second,
		      uint64_t now_ns)
{
	return forward_take(vswitch, bucket, per_second, LIMIT_BURST_SECONDS, now_ns);
}

static enum lw_drop forward_group(struct vswitch *vswitch, struct vport *ingress,
				  const struct lw_packet *packet, uint64_t now_ns)
{
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (memcmp(packet->data, broadcast, sizeof(broadcast)) == 0) {
		if (!is_within(vswitch, &ingress->broadcast, ingress->policy.broadcast_per_second,
			       now_ns))
			return LW_DROP_LIMIT_BROADCAST;
	} else if (!is_within(vswitch, &ingress->multicast, ingress->policy.multicast_per_second,
			      now_ns)) {
		return LW_DROP_LIMIT_MULTICAST;
	}
	return flood(vswitch, ingress, packet);
}

static enum lw_drop forward_unicast(struct vswitch *vswitch, struct vport *ingress,
				    const struct lw_packet *packet,
				    const struct mac_address *target, uint64_t now_ns)
{
	struct vport *egress = NULL;
	struct fdb_view view;

	if (fdb_look(vswitch->fdb, target, 0, &view))
		egress = view.port;
	if (!egress && vswitch->device && is_own_mac(vswitch, target))
		egress = vswitch->device;
	if (!egress) {
		if (!is_within(vswitch, &ingress->unknown, ingress->policy.unknown_per_second,
			       now_ns))
			return LW_DROP_LIMIT_UNKNOWN;
		return flood(vswitch, ingress, packet);
	}
	if (egress == ingress)
		return LW_DROP_SAME_PORT;
	if (is_isolated(vswitch, ingress, egress))
		return LW_DROP_ISOLATED;
	ethernet_flood_waiting(vswitch, ingress, false);
	forward_output(vswitch, egress, packet);
	return LW_DROP_NONE;
}

void ethernet_forward(struct vswitch *vswitch, struct vport *ingress,
		      const struct lw_packet *packet, uint64_t now_ns)
{
	enum lw_drop reason = check_source(vswitch, ingress, packet, now_ns);
	struct mac_address target;

	if (likely(reason == LW_DROP_NONE)) {
		memcpy(&target, packet->data, sizeof(target));
		reason = mac_address_is_group(&target)
				 ? forward_group(vswitch, ingress, packet, now_ns)
				 : forward_unicast(vswitch, ingress, packet, &target, now_ns);
	}
	if (unlikely(reason != LW_DROP_NONE))
		vswitch_drop(vswitch, ingress, packet, reason);
}
