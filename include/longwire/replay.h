/* SPDX-License-Identifier: MIT */
/* Replay: the packets of a savefile, sent through a port as if they happened again. */
#ifndef LONGWIRE_REPLAY_H
#define LONGWIRE_REPLAY_H

#include <longwire/api.h>
#include <longwire/impairment.h>

LW_BEGIN

struct lw_error;
struct lw_port;
struct lw_replay;
struct lw_tunnel;

enum {
	LW_REPLAY_SPEED_AS_IT_WAS = 1000,
	LW_REPLAY_SPEED_MAX = 1000000, /* a thousand times */
	LW_REPLAY_LOOPS_MAX = 1000000,
};

struct lw_replay_counters {
	size_t size;
	uint64_t packets, bytes; /* given to the port */
	uint64_t skipped; /* not whole in the file, or longer than any packet here: not given */
	uint32_t loops;   /* times that the file was read to its end */
};

struct lw_replay_options {
	size_t size;
	/*
	 * A regular file, pcap or pcapng, of Ethernet frames or IP packets as the layer is. Owned by
	 * the replay from success on.
	 */
	int descriptor;
	enum lw_port_way way; /* in: as if they came from the port; out: as if they were for it */
	uint32_t speed;       /* thousandths of the speed at which they were captured; 0: 1000 */
	bool fast;            /* without waiting between packets */
	uint32_t loops;       /* 0: 1 */
	/* The end, once, not from within the start: error NULL, or why it ended before the file.
	 * Not after lw_replay_free(), which may be called from it. May be NULL. */
	void (*done)(const struct lw_error *error, void *user);
	void *user;
};

/*
 * Packets are checked, counted, captured, impaired and forwarded as those of the port are (in pcapng
 * with a comment that says that they are of a replay): in, with the rights of the port's peer and no
 * more. -EBUSY: the port has a replay already. It ends with the port.
 */
LW_API LW_MUST_CHECK int lw_port_replay(struct lw_port *port,
					const struct lw_replay_options *options,
					struct lw_replay **ret_replay, struct lw_error *ret_error);
/* The same at a port of a client that is started (-ENOTCONN). port: enum lw_tunnel_port. */
LW_API LW_MUST_CHECK int lw_tunnel_replay(struct lw_tunnel *tunnel, int port,
					  const struct lw_replay_options *options,
					  struct lw_replay **ret_replay,
					  struct lw_error *ret_error);
LW_API void lw_replay_counters(const struct lw_replay *replay,
			       struct lw_replay_counters *ret_counters);
/* Ends it, if it has not ended. */
LW_API void lw_replay_free(struct lw_replay *replay);

LW_END

#endif
