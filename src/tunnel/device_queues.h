/* SPDX-License-Identifier: MIT */
/*
 * The queues of a flow among the workers of a crew: queue i is read and written on worker
 * i mod workers, each by one. Where there are fewer queues than workers, the packets of the others
 * are sent by those who have one.
 */
#ifndef TUNNEL_DEVICE_QUEUES_H
#define TUNNEL_DEVICE_QUEUES_H

#include <longwire/flow.h>

#include "loop/crew.h"

/* Control code: read every queue, on its worker; received arms the next read itself. 0 or a negative
 * errno, with nothing read. */
int device_queues_open(struct lw_packet_flow *flow, struct crew *crew, lw_packets_fn *received,
		       void *user);
/* Control code: no more reads, and the flow is its own loop's again. Accepts NULL. */
void device_queues_close(struct lw_packet_flow *flow, struct crew *crew);

/* The worker that has to write what this one has; it then writes to the queue of its number. */
static inline unsigned device_queues_worker(const struct lw_packet_flow *flow)
{
	return crew_self() % lw_packet_flow_queues(flow);
}

#endif
