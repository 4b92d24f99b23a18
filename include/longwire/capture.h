/* SPDX-License-Identifier: MIT */
/* Capture: packets at chosen points of the path, filtered, into a savefile. */
#ifndef LONGWIRE_CAPTURE_H
#define LONGWIRE_CAPTURE_H

#include <longwire/api.h>
#include <longwire/packet.h>

LW_BEGIN

struct lw_capture;
struct lw_capture_set; /* the captures that are attached to one tunnel or hub */
struct lw_error;

/* Where on the path a packet is seen. A bit each. */
enum lw_capture_point {
	LW_CAPTURE_DEVICE_IN = 1 << 0,   /* read from the device */
	LW_CAPTURE_DEVICE_OUT = 1 << 1,  /* accepted by the device */
	LW_CAPTURE_SESSION_IN = 1 << 2,  /* from a peer, after opening */
	LW_CAPTURE_SESSION_OUT = 1 << 3, /* to a peer, before sealing */
	LW_CAPTURE_DROP = 1 << 4,        /* dropped, anywhere */
};

enum { LW_CAPTURE_FILTER_MAX = 4096 };

struct lw_capture_options {
	size_t size;
	const char *file;    /* made 0600, never through a symbolic link; an old one is replaced */
	unsigned points;     /* enum lw_capture_point, or-ed; 0: DEVICE_IN | DEVICE_OUT */
	enum lw_layer layer; /* decides the link type: EN10MB or RAW */
	/* libpcap expression of keywords, numbers and addresses, no names (also not of ports);
	 * ≤ LW_CAPTURE_FILTER_MAX bytes; NULL: all */
	const char *filter;
	uint32_t snap_length; /* bytes kept of each packet, 1 … 262144; 0: 262144 */
};

struct lw_capture_counters {
	size_t size;
	uint64_t matched; /* packets that passed the filter */
	uint64_t written; /* packets in the file; buffered ones count when they are flushed */
	uint64_t dropped; /* matched but not written: full disk, failed write, capture stopped */
	bool stopped;     /* a write failed: no more is written, and the file holds whole packets */
	int error;        /* errno of that failure */
};

LW_API LW_MUST_CHECK int lw_capture_open(const struct lw_capture_options *options,
					 struct lw_capture **ret_capture,
					 struct lw_error *ret_error);
/* Flush, detach from wherever it is attached, close. */
LW_API void lw_capture_close(struct lw_capture *capture);
/* Bring what is buffered to the file. Return: 0, or the negative errno that stopped the capture. */
LW_API int lw_capture_flush(struct lw_capture *capture);
LW_API void lw_capture_counters(const struct lw_capture *capture,
				struct lw_capture_counters *ret_counters);

/*
 * Show a packet at a point of a provider's own: LW_CAPTURE_SESSION_IN and _OUT as it comes from and
 * goes to the peer, LW_CAPTURE_DROP with the reason. port names where (NULL: unknown). Costs one
 * branch while nothing is attached. The device's points are the flow's and are shown by it.
 */
LW_API void lw_capture_show(struct lw_capture_set *set, enum lw_capture_point point,
			    const struct lw_packet *packet, const char *port, enum lw_drop reason);

LW_END

#endif
