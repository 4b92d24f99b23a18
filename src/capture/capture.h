/* SPDX-License-Identifier: MIT */
/*
 * A capture from within.
 *
 * Theory of operation. Three sides meet here. The path (take.c), on any thread that carries packets,
 * selects by port and reason, filters, and copies what it keeps into a lane (lane.h): some tens of
 * nanoseconds and the copy. The filter runs there and not behind the lane because it has to see the
 * whole packet, of which the lane keeps only the snap length, and because copying what nobody wants
 * costs more than a filter does: see tests/bench/capture_bench. The capture's own thread (thread.c)
 * merges the lanes by time, cuts super-frames into segments, encodes (format.h) and writes
 * (output.h). The owner's thread opens, attaches, asks for counters, flushes and closes.
 *
 * Where packets keep all processors busy, whatever the capture's thread does is taken from them, even
 * what it does while a processor would be idle: on two, a mere loop of the same kind that takes a
 * tenth of one costs a tenth of a tunnel's throughput. So the thread rests the longer the busier they
 * are (thread.h), and has little to do: options of packets are made once for many (pcapng.c), a
 * segment is made where it is to stand in the output's buffer, and what is left is mostly the
 * kernel's copy into the file.
 *
 * Time. A packet is stamped with CLOCK_BOOTTIME while its lane is held; a file adds the difference
 * to the wall clock as it was when the file began. So the times of a file never run backwards,
 * whatever happens to the wall clock. A thread that loses the processor between stamp and commit
 * may come late: then its packet gets the time of the one before it.
 *
 * A flight recorder differs behind the lanes only: its thread moves records into a ring in memory
 * (recorder.h) and writes that out when the path, the owner or an event has asked it to. What made
 * the path ask is in its lane before it does, so that it is in the file.
 *
 * Counters live where they are written: seen, matched and dropped with the port in the lane, what
 * was written with the output, published after each flush.
 */
#ifndef CAPTURE_CAPTURE_H
#define CAPTURE_CAPTURE_H

#include <stdatomic.h>
#include <stdint.h>

#include <longwire/capture.h>

#include "capture/lane.h"
#include "capture/selector.h"

struct capture_context;
struct capture_thread;
struct filter;
struct lw_packet;

enum capture_phase {
	CAPTURE_RUNNING = 0,
	CAPTURE_FAILED,   /* what matches is dropped */
	CAPTURE_FINISHED, /* it has all it was to have: nothing is seen */
};

struct lw_capture {
	struct lw_capture_set *set; /* NULL: attached nowhere */
	unsigned slot;              /* in it */
	unsigned points;            /* where it captures */
	unsigned attention;         /* where it is shown packets: also for its events */
	enum lw_layer layer;
	enum lw_capture_format format;
	uint32_t snap_length;
	bool has_whole_super_frames;
	uint64_t packets_max; /* records; 0: no end */
	/* Files in turn; all 0: one. */
	uint64_t file_bytes, file_packets, file_ns;
	/* A recorder. */
	struct filter *trigger; /* NULL: none */
	unsigned events;        /* enum lw_capture_event */
	uint64_t after_ns;
	char *filter_text;
	struct selector selector;
	struct filter *filter;         /* NULL: everything */
	atomic_uint phase;             /* enum capture_phase; the thread's to set */
	atomic_uint_fast64_t homeless; /* packets that came while every lane was held */
	struct lanes lanes;
	struct capture_thread *thread;
};

/* The path: take the packet or leave it. A packet of the other layer, for which the file has no link
 * type, is not seen. */
void capture_take(struct lw_capture *capture, enum lw_capture_point point,
		  const struct lw_packet *packet, const struct capture_context *context);

/* Detach, write what waits, end the file: all but lw_capture_close(), so that the counters are final.
 * Nothing else may follow. */
void capture_end(struct lw_capture *capture);

#endif
