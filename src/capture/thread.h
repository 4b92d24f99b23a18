/* SPDX-License-Identifier: MIT */
/*
 * A capture's own thread: lanes in, files out.
 *
 * Theory of operation. The thread takes what the lanes have, oldest first, writes it as files
 * (writing.h) or keeps it in a recorder's memory, then naps for THREAD_NAP_MS, so that one waking
 * serves many packets, and sleeps when nothing came meanwhile. The path wakes a sleeper with the
 * first packet, and one that naps only when a lane is half full. So a packet is in its file after
 * some 10 ms, and an idle capture costs nothing. It works in pieces of THREAD_PIECE_US. Before each
 * it asks whether a processor has nothing better to do (gate.h), and rests the longer, the longer the
 * answers take: by the square, waited² / THREAD_REST_SCALE_US. Where processors are idle an answer
 * takes some 20 us, and half busy 100: after 1 ms of rest that is a sixth of a processor for the
 * capture. Where packets keep all of them busy there still are moments between one thread and the
 * next, but no time, and what is done in them is taken from the packets: 200 us, and 5 ms. Packets
 * come first, and the capture drops. Only while somebody waits for it, to flush, dump or close, it
 * works as others do.
 *
 * What a recorder is to be written for is a set of bits that anybody sets; the thread takes them
 * before it empties the lanes, and writes when after_ms have passed. One dump to a descriptor can
 * wait beside it, and is taken likewise: what was captured before it was asked for is in it.
 */
#ifndef CAPTURE_THREAD_H
#define CAPTURE_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "capture/book.h"
#include "capture/recorder.h"
#include "capture/writing.h"

struct files;
struct gate;
struct lw_capture;

enum {
	THREAD_NAP_MS = 10,
	THREAD_FLUSH_MS = 1000,
	THREAD_DUMP_PATIENCE_MS = 5000,
	THREAD_PIECE_US = 250,
	THREAD_WAITS = 16, /* for the gate, in the mean */
	THREAD_REST_SCALE_US = 8,
	THREAD_REST_MAX_US = 20000,
	THREAD_PIECE_RECORDS = 8, /* between looks at the clock */
};

enum thread_rest { THREAD_AWAKE = 0, THREAD_NAPPING, THREAD_ASLEEP };

/* Why a recorder is written out: enum lw_capture_event, or one of these. */
enum { THREAD_TRIGGER = 1 << 8, THREAD_ASKED = 1 << 9 };

struct thread_options {
	int fd;                /* where to write; taken on success. -1: see files */
	struct files *files;   /* in turn; taken on success. NULL: one file, or only dumps */
	size_t recorder_bytes; /* 0: none */
};

struct capture_thread {
	struct lw_capture *capture;
	pthread_t thread;
	bool is_started;
	int wake, end;     /* eventfds: to wake it; readable when it shall end */
	atomic_uint rest;  /* enum thread_rest */
	atomic_uint cause; /* to write the recorder for: bits */
	struct gate *gate;
	atomic_bool is_ending;
	/* Under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t flushed;
	unsigned wanted, done; /* tickets of who waits for a flush */
	int dump;              /* a descriptor for the recorder's memory, or -1 */
	/* Published by the thread. */
	atomic_int error;
	atomic_uint_fast64_t lost, written, records, bytes, held, forgotten, n_files;

	/* The thread's own from here on. */
	struct book book;
	struct writing writing;
	struct files *files;
	struct recorder recorder;
	bool is_recorder;
	struct writing dumping; /* of a recorder */
	uint64_t piece_end_ns;  /* of work, until it asks the gate again */
	uint64_t waited_ns;     /* for the gate, in the mean */
	unsigned piece_records; /* in a row, without a look at the clock */
	unsigned due_cause;     /* what is waited for to be written at due_ns; 0: nothing */
	uint64_t due_ns;
};

/* A regular file has its header when this returns. 0 or a negative errno. */
int thread_new(struct lw_capture *capture, const struct thread_options *options,
	       struct capture_thread **ret_thread);
/* Write what waits, end the file, join. Counters stay. Idempotent. */
void thread_end(struct capture_thread *thread);
/* The same before, where it was not done; accepts NULL. */
void thread_free(struct capture_thread *thread);

/* Return: 0, the negative errno that stopped it, or -ETIMEDOUT. */
int thread_flush(struct capture_thread *thread);
/* Take a descriptor for the recorder's memory. 0 or -EBUSY. */
int thread_dump(struct capture_thread *thread, int fd);
/* Wake it where it rests; whatever it does. */
void thread_wake_sleeper(struct capture_thread *thread);
void thread_alert(struct capture_thread *thread);

static inline void thread_wake(struct capture_thread *thread, bool is_crowded)
{
	unsigned rest = atomic_load(&thread->rest);

	if (rest == THREAD_ASLEEP || (is_crowded && rest == THREAD_NAPPING))
		thread_wake_sleeper(thread);
}

/* From the path, too. */
static inline void thread_trigger(struct capture_thread *thread, unsigned cause)
{
	if (!(atomic_load(&thread->cause) & cause))
		atomic_fetch_or(&thread->cause, cause);
	thread_wake(thread, false);
}

#endif
