/* SPDX-License-Identifier: MIT */
/* The switch: its ports, and the batch around each packet. */
#include "switch/vswitch.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "capture/point.h"
#include "flow/handoff.h"
#include "switch/fdb.h"
#include "switch/forward.h"
#include "switch/limit.h"
#include "switch/prefix_table.h"

static const uint64_t shared_refresh_ns = 1000000000;

static const struct handoff_ops handoff_ops;

/* What is handed over for a port leaves by it, unless the target is this: then it came in there,
 * and is on its way to the port's link. */
static void *ingress_of(struct vport *port)
{
	return (char *)port + 1;
}

static struct vport *port_of(void *target)
{
	return (struct vport *)((uintptr_t)target & ~(uintptr_t)1);
}

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
	vswitch = calloc(1, sizeof(*vswitch) + crew_size(options->crew) * sizeof(*vswitch->lanes));
	if (!vswitch)
		return -ENOMEM;
	pthread_mutex_init(&vswitch->buckets, NULL);
	vswitch->options = *options;
	vswitch->forward = choose_forward(options);
	list_init(&vswitch->ports);
	if (options->layer == LW_LAYER_IP)
		r = prefix_table_new(VSWITCH_PREFIXES_MAX, &vswitch->prefixes);
	else if (!options->is_pipe)
		r = fdb_new(VSWITCH_MACS_MAX, &vswitch->fdb);
	if (r == 0 && crew_size(options->crew) > 1) {
		vswitch->refresh_ns = shared_refresh_ns;
		r = handoff_new(options->crew, &handoff_ops, vswitch, &vswitch->handoff);
	}
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
	handoff_free(vswitch->handoff);
	pthread_mutex_destroy(&vswitch->buckets);
	fdb_free(vswitch->fdb);
	prefix_table_free(vswitch->prefixes);
	free(vswitch);
}

void vswitch_set_captures(struct vswitch *vswitch, struct lw_capture_set *captures)
{
	crew_hold(vswitch->options.crew);
	vswitch->options.captures = captures;
	crew_release(vswitch->options.crew);
}

/* ---- ports */

static uint64_t load(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static void add_lane(struct vport_lane *sum, const struct vport_lane *lane)
{
	sum->received_packets += load(&lane->received_packets);
	sum->received_bytes += load(&lane->received_bytes);
	sum->sent_packets += load(&lane->sent_packets);
	sum->sent_bytes += load(&lane->sent_bytes);
	for (int i = 0; i < LW_DROP_COUNT; i++)
		sum->drops[i] += load(&lane->drops[i]);
}

void vport_counters(const struct vport *port, struct vport_lane *ret_sum)
{
	struct vport_lane sum = { 0 };

	add_lane(&sum, &port->lane);
	for (unsigned i = 1; port->others && i < crew_size(port->vswitch->options.crew); i++)
		add_lane(&sum, &port->others[i - 1]);
	*ret_sum = sum;
}

uint32_t vport_macs(const struct vport *port)
{
	return __atomic_load_n(&port->macs, __ATOMIC_RELAXED);
}

static int make_lanes(const struct vswitch *vswitch, struct vport *port)
{
	unsigned n = crew_size(vswitch->options.crew) - 1;

	if (!n)
		return 0;
	port->others = calloc(n, sizeof(*port->others));
	return port->others ? 0 : -ENOMEM;
}

static void fill_buckets(struct vport *port)
{
	limit_fill(&port->broadcast, port->policy.broadcast_per_second, LIMIT_BURST_SECONDS);
	limit_fill(&port->multicast, port->policy.multicast_per_second, LIMIT_BURST_SECONDS);
	limit_fill(&port->unknown, port->policy.unknown_per_second, LIMIT_BURST_SECONDS);
	limit_fill(&port->icmp, VSWITCH_ICMP_PER_SECOND, ICMP_BURST_SECONDS);
}

int vswitch_add(struct vswitch *vswitch, struct vport *port)
{
	uint32_t max = vswitch->options.is_pipe ? 2 : VSWITCH_PORTS_MAX;

	assert(!port->vswitch);
	if (vswitch->n_ports == max || (port->is_device && vswitch->device))
		return -ENOSPC;
	if (make_lanes(vswitch, port) < 0)
		return -ENOMEM;
	if (port->is_device)
		port->policy.behind = LW_BEHIND_LAN;
	vport_policy_complete(&port->policy);
	fill_buckets(port);
	port->vswitch = vswitch;
	port->macs = 0;
	port->lane.is_dirty = false;
	crew_hold(vswitch->options.crew);
	list_append(&vswitch->ports, &port->list);
	forward_take_place(vswitch, port);
	vswitch->n_ports++;
	if (port->is_device)
		vswitch->device = port;
	crew_release(vswitch->options.crew);
	return 0;
}

void vswitch_remove(struct vswitch *vswitch, struct vport *port)
{
	if (port->vswitch != vswitch)
		return;
	crew_hold(vswitch->options.crew);
	vswitch_flush_port(vswitch, port);
	vswitch_clear_prefixes(vswitch, port);
	handoff_forget(vswitch->handoff, port);
	handoff_forget(vswitch->handoff, ingress_of(port));
	/* Only this worker can be within a batch. */
	if (port->lane.is_dirty)
		vswitch->lanes[0].dirty[port->lane.index] = NULL;
	port->lane.is_dirty = false;
	list_remove(&port->list);
	forward_leave_place(vswitch, port);
	vswitch->n_ports--;
	if (vswitch->device == port)
		vswitch->device = NULL;
	crew_release(vswitch->options.crew);
	vport_counters(port, &port->lane);
	free(take_pointer(port->others));
	port->vswitch = NULL;
}

void vswitch_drop(struct vswitch *vswitch, struct vport *port, const struct lw_packet *packet,
		  enum lw_drop reason)
{
	const struct capture_context context = { .port = port ? port->name : NULL,
						 .reason = reason,
						 .is_device = port && port->is_device };

	if (port)
		forward_count(&forward_port_lane(port)->drops[reason], 1);
	capture_see(vswitch->options.captures, LW_CAPTURE_DROP, packet, &context);
}

/* A super-frame is measured by what it will be cut into. */
static size_t longest_of(const struct lw_packet *packet)
{
	enum { UDP_HEADER = 8, TCP_DATA_OFFSET = 12 };
	const struct lw_offload *offload = packet->offload;
	size_t headers;

	if (likely(!offload || offload->gso == LW_GSO_NONE))
		return packet->length;
	headers = offload->checksum_start;
	if (offload->gso == LW_GSO_UDP)
		headers += UDP_HEADER;
	else if (headers + TCP_DATA_OFFSET < packet->length)
		headers += (size_t)(packet->data[headers + TCP_DATA_OFFSET] >> 4) * 4;
	return headers + offload->gso_size;
}

static bool is_too_big(const struct vport *egress, const struct lw_packet *packet)
{
	size_t room = packet->layer == LW_LAYER_ETHERNET ? ETHERNET_ROOM : 0;

	return egress->mtu != 0 && longest_of(packet) > egress->mtu + room;
}

bool forward_take(struct vswitch *vswitch, struct token_bucket *bucket, uint32_t per_second,
		  uint32_t burst_seconds, uint64_t now_ns)
{
	bool is_taken;

	if (!vswitch->handoff)
		return limit_take(bucket, per_second, burst_seconds, now_ns);
	pthread_mutex_lock(&vswitch->buckets);
	is_taken = limit_take(bucket, per_second, burst_seconds, now_ns);
	pthread_mutex_unlock(&vswitch->buckets);
	return is_taken;
}

/* ---- the batch around each packet */

static void mark_dirty(struct vswitch *vswitch, struct vport *egress)
{
	struct vport_lane *lane = forward_port_lane(egress);
	struct vswitch_lane *ours = forward_lane(vswitch);

	if (lane->is_dirty)
		return;
	lane->is_dirty = true;
	lane->index = ours->n_dirty;
	ours->dirty[ours->n_dirty++] = egress;
}

static void output_here(struct vswitch *vswitch, struct vport *egress,
			const struct lw_packet *packet)
{
	mark_dirty(vswitch, egress);
	egress->ops->output(egress, packet);
}

static void hand_over(struct vswitch *vswitch, unsigned worker, void *target, struct vport *port,
		      const struct lw_packet *packet)
{
	if (!handoff_put(vswitch->handoff, worker, target, packet, vswitch_mark()))
		vswitch_drop(vswitch, port, packet, LW_DROP_HANDOFF_FULL);
}

static unsigned worker_of(const struct vswitch *vswitch, struct vport *egress,
			  const struct lw_packet *packet)
{
	if (unlikely(vswitch->handoff) && egress->ops->worker)
		return egress->ops->worker(egress, packet);
	return crew_self();
}

/* By the worker that has to send it. */
static void output(struct vswitch *vswitch, struct vport *egress, const struct lw_packet *packet)
{
	unsigned worker = worker_of(vswitch, egress, packet);

	if (likely(worker == crew_self()))
		output_here(vswitch, egress, packet);
	else
		hand_over(vswitch, worker, egress, egress, packet);
}

static void count_sent(struct vport *egress, const struct lw_packet *packet)
{
	struct vport_lane *lane = forward_port_lane(egress);

	forward_count(&lane->sent_packets, 1);
	forward_count(&lane->sent_bytes, packet->length);
}

/* ---- links */

static bool is_linked_out(const struct vport *port)
{
	return port->link && port->link->is_out;
}

static bool is_linked_in(const struct vport *port)
{
	return port->link && port->link->is_in;
}

static void output_to_link(struct vswitch *vswitch, struct vport *egress,
			   const struct lw_packet *packet)
{
	if (crew_self() > 0) {
		hand_over(vswitch, 0, egress, egress, packet);
		return;
	}
	mark_dirty(vswitch, egress);
	egress->link->output(egress->link, packet);
}

static void input_to_link(struct vswitch *vswitch, struct vport *ingress,
			  const struct lw_packet *packets, size_t n)
{
	if (crew_self() == 0) {
		ingress->link->input(ingress->link, packets, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		hand_over(vswitch, 0, ingress_of(ingress), ingress, &packets[i]);
	handoff_flush(vswitch->handoff);
}

void vswitch_set_link(struct vport *port, struct vport_link *link, bool is_in, bool is_out)
{
	struct crew *crew = port->vswitch->options.crew;

	crew_hold(crew);
	if (link) {
		link->is_in = is_in;
		link->is_out = is_out;
	}
	port->link = link;
	crew_release(crew);
}

void vswitch_emit(struct vport *egress, const struct lw_packet *packet, uint64_t mark)
{
	struct vswitch *vswitch = egress->vswitch;
	unsigned worker = worker_of(vswitch, egress, packet);
	/* It may be one of an earlier batch. */
	struct capture_origin before = capture_set_origin(forward_origin(vswitch, mark));

	count_sent(egress, packet);
	if (worker == crew_self())
		egress->ops->output(egress, packet);
	else
		hand_over(vswitch, worker, egress, egress, packet);
	(void)capture_set_origin(before);
}

void vswitch_emitted(struct vport *egress)
{
	if (egress->ops->flush)
		egress->ops->flush(egress);
	if (unlikely(egress->vswitch->handoff))
		handoff_flush(egress->vswitch->handoff);
}

bool forward_output(struct vswitch *vswitch, struct vport *egress, const struct lw_packet *packet)
{
	if (unlikely(is_too_big(egress, packet))) {
		vswitch_drop(vswitch, egress, packet, LW_DROP_TOO_BIG);
		return false;
	}
	if (unlikely(is_linked_out(egress))) {
		output_to_link(vswitch, egress, packet);
		return true;
	}
	count_sent(egress, packet);
	output(vswitch, egress, packet);
	return true;
}

static void flush_port(struct vport *port)
{
	/* Clean first: from here on a removal has nothing to strike out. */
	forward_port_lane(port)->is_dirty = false;
	if (unlikely(is_linked_out(port)) && crew_self() == 0)
		port->link->flush(port->link);
	else if (port->ops->flush)
		port->ops->flush(port);
}

/* One that got something earlier in this batch waits for the others. */
void forward_flush(struct vswitch *vswitch, struct vport *egress)
{
	struct vswitch_lane *lane = forward_lane(vswitch);

	if (!lane->n_dirty || lane->dirty[lane->n_dirty - 1] != egress)
		return;
	lane->n_dirty--;
	flush_port(egress);
}

static void flush_dirty(struct vswitch *vswitch)
{
	struct vswitch_lane *lane = forward_lane(vswitch);

	for (uint32_t i = 0; i < lane->n_dirty; i++)
		if (lane->dirty[i])
			flush_port(lane->dirty[i]);
	lane->n_dirty = 0;
	if (unlikely(vswitch->handoff))
		handoff_flush(vswitch->handoff);
}

static void was_handed_in(struct vswitch *vswitch, struct vport *ingress,
			  const struct lw_packet *packet)
{
	if (is_linked_in(ingress))
		ingress->link->input(ingress->link, packet, 1);
	else /* the link has gone meanwhile */
		vswitch_drop(vswitch, ingress, packet, LW_DROP_PORT_DOWN);
}

/* What another than worker 0 is handed for a port with a link has come through it. */
static void was_handed(void *target, const struct lw_packet *packet, uint64_t mark, void *user)
{
	struct capture_origin before = capture_set_origin(forward_origin(user, mark));
	struct vport *port = port_of(target);

	if (port != target)
		was_handed_in(user, port, packet);
	else if (unlikely(is_linked_out(port)) && crew_self() == 0)
		output_to_link(user, port, packet);
	else
		output(user, port, packet);
	(void)capture_set_origin(before);
}

static void was_handed_all(void *user)
{
	flush_dirty(user);
}

static const struct handoff_ops handoff_ops = { .give = was_handed, .given = was_handed_all };

static void forward_batch(struct vswitch *vswitch, struct vport *ingress,
			  const struct lw_packet *packets, size_t n, uint64_t now_ns)
{
	struct capture_origin before = capture_set_origin(forward_origin_of(ingress));

	for (size_t i = 0; i < n; i++)
		vswitch->forward(vswitch, ingress, &packets[i], now_ns);
	ethernet_flood_waiting(vswitch, ingress, true);
	(void)capture_set_origin(before);
	flush_dirty(vswitch);
}

void vswitch_forward(struct vswitch *vswitch, struct vport *ingress, const struct lw_packet *packet,
		     uint64_t mark, uint64_t now_ns)
{
	struct capture_origin before = capture_set_origin(forward_origin(vswitch, mark));

	forward_batch(vswitch, ingress, packet, 1, now_ns);
	(void)capture_set_origin(before);
}

void vswitch_input(struct vswitch *vswitch, struct vport *ingress, const struct lw_packet *packets,
		   size_t n, uint64_t now_ns)
{
	struct vport_lane *lane = forward_port_lane(ingress);

	for (size_t i = 0; i < n; i++) {
		forward_count(&lane->received_packets, 1);
		forward_count(&lane->received_bytes, packets[i].length);
	}
	if (unlikely(is_linked_in(ingress)))
		input_to_link(vswitch, ingress, packets, n);
	else
		forward_batch(vswitch, ingress, packets, n, now_ns);
}

void vswitch_output(struct vswitch *vswitch, struct vport *egress, const struct lw_packet *packet)
{
	(void)forward_output(vswitch, egress, packet);
	flush_dirty(vswitch);
}
