/* SPDX-License-Identifier: MIT */
/* Impairments: a port's link made as bad as a test wants it, one direction at a time. */
#ifndef LONGWIRE_IMPAIRMENT_H
#define LONGWIRE_IMPAIRMENT_H

#include <longwire/api.h>

LW_BEGIN

/* Which way at a port: from it into the switch (received), or from the switch to it (sent). */
enum lw_port_way {
	LW_PORT_IN = 1 << 0,
	LW_PORT_OUT = 1 << 1,
};

/* How delays spread around their mean. */
enum lw_distribution {
	LW_DISTRIBUTION_UNIFORM = 1, /* jitter is the largest deviation */
	LW_DISTRIBUTION_NORMAL = 2,  /* jitter is the standard deviation; none beyond six of it */
	LW_DISTRIBUTION_PARETO = 3,  /* jitter is the standard deviation; few, but late ones */
};

enum {
	LW_PPM_ALL = 1000000, /* shares are in millionths: 10000 is 1 % */
	LW_IMPAIRMENT_DELAY_US_MAX = 60000000,
	LW_IMPAIRMENT_QUEUE_BYTES_MAX = 32 * 1024 * 1024,
	LW_IMPAIRMENT_QUEUE_PACKETS_MAX = 65536,
	LW_IMPAIRMENT_QUEUE_PACKETS = 1000, /* where there is a rate and no bound */
};

#define LW_IMPAIRMENT_RATE_MIN UINT64_C(1000)         /* bits a second */
#define LW_IMPAIRMENT_RATE_MAX UINT64_C(100000000000) /* 100 Gbit/s */

/*
 * What a link does, in the order in which it does it: packets wait in a queue for their turn at the
 * rate; on the way some are lost, doubled or damaged; each takes its delay. Super-frames are cut
 * and checksums completed before, so that all of it happens to packets as a wire would see them.
 * Zero is "does not": a struct of zeroes is refused.
 *
 * Packets keep their order, also where the delay of one is shorter than what is left of the one
 * before it: a link is a line. Only reorder lets some overtake.
 */
struct lw_impairment {
	size_t size;
	uint64_t rate;          /* bits a second of whole frames, without preamble and FCS */
	uint32_t queue_bytes;   /* most that may wait for the rate; what comes then is dropped */
	uint32_t queue_packets; /* the same in packets; neither: LW_IMPAIRMENT_QUEUE_PACKETS */
	uint32_t delay_us, jitter_us;      /* jitter ≤ delay */
	enum lw_distribution distribution; /* of jitter; 0: uniform */
	uint32_t correlation;              /* millionths of a delay's deviation that stay; < all */
	uint32_t loss;                     /* share of packets that are lost */
	/*
	 * Gilbert-Elliott: burst is the chance at each packet that a burst begins with it,
	 * burst_end that it ends before the next, burst_loss the share lost within (0: all).
	 * loss then holds outside.
	 */
	uint32_t burst, burst_end, burst_loss;
	uint32_t duplicate;   /* share that arrives twice */
	uint32_t corrupt;     /* share in which one bit is flipped, anywhere */
	uint32_t reorder;     /* share that does not wait for the delay, and so overtakes */
	uint32_t reorder_gap; /* only each gap-th packet may; 0: 1 */
	uint64_t seed;        /* the same seed and the same packets: the same faults; 0: any */
};

struct lw_impairment_counters {
	size_t size;
	uint64_t passed_packets, passed_bytes; /* that left it, duplicates too */
	uint64_t lost;                         /* the port counts them as LW_DROP_LINK_LOST */
	uint64_t full;                         /* and as LW_DROP_LINK_FULL */
	uint64_t duplicated, corrupted;
	uint64_t reordered; /* that overtook another */
	uint32_t waiting_packets, waiting_bytes;
};

LW_END

#endif
