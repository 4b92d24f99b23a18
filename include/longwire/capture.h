/* SPDX-License-Identifier: MIT */
/*
 * Capture: packets at chosen points of the path, selected, filtered, and written by a thread of the
 * capture's own.
 *
 * The path never waits for a capture: it copies what is wanted into a buffer of fixed size, and
 * what finds no room there is counted as dropped from the capture. Everything else (files, pipes, a
 * full disk) happens on the capture's thread, and its failure ends the capture, nothing else.
 */
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

enum lw_capture_format {
	LW_CAPTURE_FORMAT_AUTO = 0, /* a file: by its name, pcapng if it ends in .pcapng, else pcap;
				       a descriptor: pcapng */
	LW_CAPTURE_PCAP = 1,        /* the classic savefile, with nanoseconds */
	/* A block for each port with its name, direction of each packet, the reason of each drop,
	 * statistics at the end. */
	LW_CAPTURE_PCAPNG = 2,
};

/* What a flight recorder may be written out for. A bit each. */
enum lw_capture_event {
	LW_CAPTURE_PEER_LOST = 1 << 0, /* a peer's session was lost, or it fell silent */
	LW_CAPTURE_LIMIT_HIT = 1 << 1, /* a packet was dropped for a limit-… reason */
};

enum {
	LW_CAPTURE_FILTER_MAX = 4096,
	LW_CAPTURE_SNAP_MAX = 262144,
	LW_CAPTURE_NAMES_MAX = 64, /* ports or peers that one capture selects */
	LW_CAPTURE_BUFFER_MIN = 256 * 1024,
	LW_CAPTURE_BUFFER_DEFAULT = 4 * 1024 * 1024,
	LW_CAPTURE_BUFFER_MAX = 256 * 1024 * 1024,
	LW_CAPTURE_FILE_BYTES_MIN = 1024 * 1024,
	LW_CAPTURE_FILES_MAX = 1000,
	LW_CAPTURE_FILES_DEFAULT = 10,
	LW_CAPTURE_RECORDER_MIN = 256 * 1024,
	LW_CAPTURE_RECORDER_MAX = 1024 * 1024 * 1024,
	LW_CAPTURE_AFTER_MAX = 60000,
};

struct lw_capture_options {
	size_t size;
	const char *file;    /* made 0600, never through a symbolic link; an old one is replaced */
	unsigned points;     /* enum lw_capture_point, or-ed; 0: DEVICE_IN | DEVICE_OUT */
	enum lw_layer layer; /* decides the link type: EN10MB or RAW */
	/* libpcap expression of keywords, numbers and addresses, no names (also not of ports);
	 * ≤ LW_CAPTURE_FILTER_MAX bytes; NULL: all. It judges a packet as the path carries it:
	 * whole, and a super-frame as one. */
	const char *filter;
	uint32_t snap_length; /* bytes kept of each packet, 1 … LW_CAPTURE_SNAP_MAX; 0: the most */

	/* Instead of file (NULL): an open file, pipe or socket, duplicated by the call. 0: none. */
	int descriptor;
	enum lw_capture_format format;
	/* A super-frame as it is carried; else as the segments that a wire would see. A segment that
	 * the snap length cuts keeps the checksum that the super-frame had. */
	bool whole_super_frames;
	/* Only at these ports, whether device or peer; only at these peers (their sessions and
	 * drops). By name. None of both: everywhere. */
	const char *const *ports, *const *peers;
	size_t n_ports, n_peers;
	uint64_t reasons; /* of drops: 1 << enum lw_drop, or-ed; 0: all */
	/* Bytes that wait for the capture's thread, for each thread that carries packets;
	 * LW_CAPTURE_BUFFER_MIN … _MAX, rounded up to a power of two; 0: _DEFAULT */
	size_t buffer_size;
	uint64_t packets; /* end in order after so many records; 0: never */

	/*
	 * Files in turn: a file begins when the one before it would grow beyond file_bytes
	 * (≥ LW_CAPTURE_FILE_BYTES_MIN), has file_packets records, or is file_seconds old; each may
	 * be 0. There are never more than files (1 … LW_CAPTURE_FILES_MAX; 0: _DEFAULT): the oldest
	 * is removed first, also those that an earlier capture of the same file left. "c.pcapng"
	 * becomes c_00001_20261122T010203.pcapng, in UTC, counting on.
	 */
	uint64_t file_bytes, file_packets;
	uint32_t file_seconds, files;

	/*
	 * A flight recorder: what is captured stays in so many bytes of memory, the newest of it,
	 * and is written out when a packet matches trigger (an expression like filter, which it
	 * has to pass as well), at one of events, or by lw_capture_trigger(): each time all that is
	 * there, then from nothing again. It writes files in turn, one each time; without a file,
	 * only lw_capture_dump() reads it. 0: no recorder.
	 */
	size_t recorder_bytes; /* LW_CAPTURE_RECORDER_MIN … _MAX */
	const char *trigger;
	unsigned events;   /* enum lw_capture_event, or-ed */
	uint32_t after_ms; /* go on recording so long before it is written; ≤ _AFTER_MAX */
};

/* Packets are counted as the path carries them; only records are counted as a reader of the file
 * does. matched = written + dropped + held + forgotten + those that wait. */
struct lw_capture_counters {
	size_t size;
	uint64_t matched; /* packets that passed the filter */
	uint64_t written; /* of them: whole in the file */
	uint64_t
		dropped; /* of them: lost, because the buffer or the disk was full, or it stopped */
	bool stopped;    /* no more is written, and the file holds whole records */
	/* errno that stopped it; 0: none, its packets were reached. A recorder goes on: of the last
	 * time that it could not be written out. */
	int error;
	uint64_t seen;    /* packets at its points, ports and peers, before the filter */
	uint64_t records; /* written, with each segment of a super-frame as one */
	uint64_t bytes;   /* written, with everything that is not a packet */
	enum lw_capture_format format; /* never AUTO */
	bool is_recorder;
	uint64_t held, forgotten; /* packets in a recorder's memory; pushed out of it */
	uint64_t files;           /* begun */
};

LW_API LW_MUST_CHECK int lw_capture_open(const struct lw_capture_options *options,
					 struct lw_capture **ret_capture,
					 struct lw_error *ret_error);
/* Detach from wherever it is attached, write what waits, end the file, close. Waits at most a second
 * for a pipe that nobody reads. */
LW_API void lw_capture_close(struct lw_capture *capture);
/* See nothing more; the file stays open. Idempotent. */
LW_API void lw_capture_detach(struct lw_capture *capture);
/* Wait until what was seen so far is in the file. Return: 0, the negative errno that stopped the
 * capture, or -ETIMEDOUT after a second. */
LW_API int lw_capture_flush(struct lw_capture *capture);
LW_API void lw_capture_counters(const struct lw_capture *capture,
				struct lw_capture_counters *ret_counters);

/* Write a recorder's memory to its next file. -EINVAL: it is no recorder, or has no file. Done by its
 * thread: lw_capture_flush() waits for that. */
LW_API LW_MUST_CHECK int lw_capture_trigger(struct lw_capture *capture);
/* Write a copy of a recorder's memory to an open file, pipe or socket, which is duplicated; likewise.
 * -EBUSY while another is being written. */
LW_API LW_MUST_CHECK int lw_capture_dump(struct lw_capture *capture, int descriptor);
/* Tell an event to the recorders that select the port (NULL: unknown). From any thread. */
LW_API void lw_capture_event(struct lw_capture_set *set, enum lw_capture_event event,
			     const char *port);

/*
 * Show a packet at a point of a provider's own: LW_CAPTURE_SESSION_IN and _OUT as it comes from and
 * goes to the peer, LW_CAPTURE_DROP with the reason. port names where (NULL: unknown). Costs one
 * branch while nothing is attached; from any thread. The device's points are the flow's and are
 * shown by it.
 */
LW_API void lw_capture_show(struct lw_capture_set *set, enum lw_capture_point point,
			    const struct lw_packet *packet, const char *port, enum lw_drop reason);

LW_END

#endif
