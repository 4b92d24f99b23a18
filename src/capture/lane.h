/* SPDX-License-Identifier: MIT */
/*
 * Lanes: how packets get from the path to a capture's thread without anybody waiting.
 *
 * Theory of operation. A capture has LANES lanes, each a ring of bytes with one producer and one
 * consumer. A thread of the path takes the lane of its own number with one exchange, or another
 * that is free if two threads meet; while it holds the lane it is its only producer, so counters
 * and the table of ports in it are written without further ado. The consumer is the capture's
 * thread. Whoever finds no room drops. Nothing is allocated after lanes_init(): the memory is mapped
 * then and becomes real where it is first touched, so that lanes of threads that do not exist cost
 * nothing.
 *
 * A record is a header and what is kept of the packet. A super-frame that is to be seen as segments,
 * of which the snap length leaves little, is gathered: its headers, then of each segment the first
 * per_segment bytes of payload. So capturing 128 bytes of each packet copies some 3 KB of 64.
 */
#ifndef CAPTURE_LANE_H
#define CAPTURE_LANE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <longwire/packet.h>

enum {
	LANES = 16,
	LANE_PORTS = 2048, /* names that a capture tells apart: a hub's clients and its device */
	LANE_NAME_SIZE = 64,
};

/* Times are CLOCK_BOOTTIME. size: of the record with its header, a multiple of 8. */
struct lane_record {
	uint64_t stamp_ns;
	uint32_t size;
	uint32_t length;      /* of the packet, as it was carried */
	uint32_t kept;        /* bytes of it that follow */
	uint16_t port;        /* in the lane's table; later in the capture's */
	uint16_t per_segment; /* gathered: payload bytes of each segment */
	uint16_t point;       /* enum lw_capture_point */
	uint8_t reason;       /* enum lw_drop */
	uint8_t flags;        /* enum lane_flag */
	uint16_t checksum_start, checksum_offset, gso, gso_size;
	uint16_t from; /* as port, and 1 more: where it came in; 0: unknown */
	uint8_t data[];
};

enum lane_flag {
	LANE_HAS_OFFLOAD = 1,
	LANE_NEEDS_CHECKSUM = 2,
	LANE_IS_GATHERED = 4,
	LANE_IS_SKIP = 8, /* not a record: go on at the ring's beginning */
	LANE_IS_FLOODED = 16,
	LANE_IS_REPLAYED = 32,
};

struct lane_port {
	char name[LANE_NAME_SIZE];
	bool is_device, is_wanted;
	atomic_uint_fast64_t seen, matched, dropped; /* written by who holds the lane */
};

struct lane {
	_Alignas(64) atomic_bool is_held;
	atomic_uint_fast64_t tail; /* bytes ever put in */
	uint8_t *data;
	size_t size; /* a power of two */
	struct lane_port *ports;
	uint16_t *slots; /* open addressing over names: index into ports */
	atomic_uint n_ports;
	_Alignas(64) atomic_uint_fast64_t head; /* bytes ever taken out */
};

struct lanes {
	struct lane lane[LANES];
	void *memory;
	size_t memory_size;
};

/* 0 or -ENOMEM. size: a power of two, of each lane. */
int lanes_init(struct lanes *lanes, size_t size);
void lanes_done(struct lanes *lanes);

/* ---- The path */

/* Return: a lane that is the caller's until lane_leave(); NULL: all are held. */
struct lane *lanes_enter(struct lanes *lanes);
void lane_leave(struct lane *lane);
/*
 * The port of that name; port 0, of no name, if there is no room for another. A new one is shown to
 * choose, which sets is_wanted.
 */
struct lane_port *lane_port(struct lane *lane, const char *name, bool is_device,
			    void (*choose)(struct lane_port *port, const void *user),
			    const void *user);
/* Return: room for a record that keeps so many bytes, its size set; NULL: full. */
struct lane_record *lane_reserve(struct lane *lane, uint32_t kept);
void lane_commit(struct lane *lane, const struct lane_record *record);
/* Whether more than half of it waits. */
bool lane_is_crowded(const struct lane *lane);

/* By who holds the lane: adding needs no bus lock. */
static inline void lane_count(atomic_uint_fast64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

/* ---- The consumer */

/* Return: the oldest record, or NULL. It stays until lane_release(). */
const struct lane_record *lane_peek(struct lane *lane);
void lane_release(struct lane *lane, const struct lane_record *record);
bool lanes_are_empty(struct lanes *lanes);

#endif
