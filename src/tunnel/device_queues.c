/* SPDX-License-Identifier: MIT */
/* Queues of a flow on workers. */
#include "tunnel/device_queues.h"

#include "flow/flow.h"

int device_queues_open(struct lw_packet_flow *flow, struct crew *crew, lw_packets_fn *received,
		       void *user)
{
	int r = 0;

	crew_hold(crew);
	for (uint16_t i = 0; i < lw_packet_flow_queues(flow) && r == 0; i++) {
		r = packet_flow_move_queue(flow, i, crew_loop(crew, i % crew_size(crew)));
		if (r == 0)
			r = lw_packet_flow_read(flow, i, 0, received, user);
	}
	if (r < 0)
		device_queues_close(flow, crew);
	crew_release(crew);
	return r;
}

void device_queues_close(struct lw_packet_flow *flow, struct crew *crew)
{
	if (!flow)
		return;
	crew_hold(crew);
	for (uint16_t i = 0; i < lw_packet_flow_queues(flow); i++) {
		lw_packet_flow_cancel_read(flow, i);
		/* There was room for its timer, and is again as soon as it leaves the other loop. */
		(void)packet_flow_move_queue(flow, i, packet_flow_loop(flow));
	}
	crew_release(crew);
}
