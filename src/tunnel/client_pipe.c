/* SPDX-License-Identifier: MIT */
/* The client's switch of two ports: its device, and the hub at the other end of the session. */
#include <string.h>

#include <longwire/capture.h>
#include <longwire/flow.h>
#include <longwire/provider.h>

#include "base/error.h"
#include "base/log.h"
#include "tunnel/client.h"
#include "tunnel/device_queues.h"

static void hub_output(struct vport *vport, const struct lw_packet *packet)
{
	struct lw_tunnel *tunnel = container_of(vport, struct lw_tunnel, hub);
	struct session *session = bundle_choose(&tunnel->bundle, packet);
	enum lw_drop drop = session ? session_output(session, packet) : LW_DROP_PORT_DOWN;

	if (unlikely(drop != LW_DROP_NONE))
		vswitch_drop(tunnel->vswitch, vport, packet, drop);
	else
		lw_capture_show(lw_packet_flow_captures(tunnel->flow), LW_CAPTURE_SESSION_OUT,
				packet, vport->name, LW_DROP_NONE);
}

static void hub_flush(struct vport *vport)
{
	struct lw_tunnel *tunnel = container_of(vport, struct lw_tunnel, hub);

	bundle_flush(&tunnel->bundle);
}

static unsigned hub_worker(struct vport *vport, const struct lw_packet *packet)
{
	return bundle_choose_worker(&container_of(vport, struct lw_tunnel, hub)->bundle, packet);
}

static void device_output(struct vport *vport, const struct lw_packet *packet)
{
	struct lw_tunnel *tunnel = container_of(vport, struct lw_tunnel, device);

	if (unlikely(!tunnel->flow)) /* it waited for this worker until the tunnel was stopped */
		vswitch_drop(tunnel->vswitch, vport, packet, LW_DROP_DEVICE_DOWN);
	else
		(void)lw_packet_flow_write(tunnel->flow, (uint16_t)crew_self(), packet, 1);
}

static unsigned device_worker(struct vport *vport, const struct lw_packet *packet)
{
	const struct lw_tunnel *tunnel = container_of(vport, struct lw_tunnel, device);

	(void)packet;
	return tunnel->flow ? device_queues_worker(tunnel->flow) : crew_self();
}

static const struct vport_ops hub_ops = {
	.output = hub_output,
	.flush = hub_flush,
	.worker = hub_worker,
};
static const struct vport_ops device_ops = { .output = device_output, .worker = device_worker };

int client_make_pipe(struct lw_tunnel *tunnel)
{
	const struct vswitch_options options = {
		.layer = tunnel->layer,
		.is_pipe = true,
		.between = LW_BETWEEN_DIRECT,
		.captures = lw_packet_flow_captures(tunnel->flow),
		.crew = tunnel->crew,
	};
	const char *name = lw_packet_flow_name(tunnel->flow);
	int result = vswitch_new(&options, &tunnel->vswitch);

	tunnel->device = (struct vport){ .ops = &device_ops,
					 .name = *name ? name : "device",
					 .is_device = true,
					 .mtu = tunnel->mtu,
					 .policy.behind = LW_BEHIND_LAN };
	tunnel->hub =
		(struct vport){ .ops = &hub_ops, .name = "hub", .policy.behind = LW_BEHIND_LAN };
	vport_policy_complete(&tunnel->device.policy);
	vport_policy_complete(&tunnel->hub.policy);
	if (result >= 0)
		result = vswitch_add(tunnel->vswitch, &tunnel->device);
	if (result >= 0)
		result = vswitch_add(tunnel->vswitch, &tunnel->hub);
	if (result >= 0)
		result = port_link_attach(&tunnel->device_link, tunnel->loop, tunnel->layer,
					  &tunnel->device);
	if (result >= 0)
		result = port_link_attach(&tunnel->hub_link, tunnel->loop, tunnel->layer,
					  &tunnel->hub);
	return result;
}

static void device_gone(struct lw_tunnel *tunnel, int error)
{
	struct lw_error gone;

	error_set(&gone, 0, LW_DOMAIN_SYSTEM, -error, "the tunnel's interface is gone: %s",
		  strerror(-error));
	lw_provider_cancel(tunnel->provider, LW_STOP_PROVIDER_FAILED, &gone);
}

static void device_packets(struct lw_packet_flow *flow, uint16_t queue,
			   const struct lw_packet *packets, size_t n, int error, void *user)
{
	struct lw_tunnel *tunnel = user;

	/* All queues go together; the first one's worker can do something about it. */
	if (!n && !queue)
		device_gone(tunnel, error);
	if (!n)
		return;
	vswitch_input(tunnel->vswitch, &tunnel->device, packets, n,
		      lw_loop_now_ns(crew_loop(tunnel->crew, crew_self())));
	if (lw_packet_flow_read(flow, queue, 0, device_packets, user) < 0)
		log_error("the tunnel's interface cannot be read");
}

void client_read_device(struct lw_tunnel *tunnel)
{
	if (device_queues_open(tunnel->flow, tunnel->crew, device_packets, tunnel) < 0)
		log_error("the tunnel's interface cannot be read");
}
