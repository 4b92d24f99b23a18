/* SPDX-License-Identifier: MIT */
/*
 * How much of what the peer has sent the kernel may hold for us.
 *
 * Theory of operation. The kernel lets the receive buffer of a connection grow to megabytes, so that
 * a long path can be full. Between two ends that are next to each other (one machine, one cable) a
 * path holds nothing: there the buffer fills only when this process is late, and then every frame,
 * also a ping, waits behind all of it, while the same bytes waiting before the peer's seal would be
 * scheduled fairly. So the window of a near path is bounded; that of any other is the kernel's to
 * choose, as is that of a path which turns out not to be near. Near is what TCP's own minimum of the
 * round-trip time says (TCP_INFO), which no queue can make look long once it was seen.
 */
#ifndef TUNNEL_RECEIVE_WINDOW_H
#define TUNNEL_RECEIVE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

enum {
	RECEIVE_WINDOW_NEAR_US = 100,           /* 128 KiB in that time are 10 Gbit/s */
	RECEIVE_WINDOW_NEAR_BYTES = 128 * 1024, /* about; the kernel counts its own overhead too */
	RECEIVE_WINDOW_LOOK_MS = 1000,
};

/* All zero: unbounded, and to be looked at. */
struct receive_window {
	uint64_t next_look_ns;
	bool is_bounded;
};

/* Look at the path of fd again, if it is time. What is no TCP socket stays as it is. */
void receive_window_look(struct receive_window *window, int fd, uint64_t now_ns);
/* The same, of a path whose least round-trip time is known; 0: unknown. */
void receive_window_judge(struct receive_window *window, int fd, uint32_t rtt_us);

#endif
