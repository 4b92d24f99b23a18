/* SPDX-License-Identifier: MIT */
/*
 * A capture's own thread: lanes in, file out.
 *
 * Theory of operation. The thread takes what the lanes have, oldest first, encodes it and writes it
 * out, then naps for NAP_MS, so that one waking serves many packets, and sleeps when nothing came
 * meanwhile. The path wakes a sleeper with the first packet, and who naps only when a lane is half
 * full. So a packet is in its file after some 10 ms, and an idle capture costs nothing.
 */
#ifndef CAPTURE_THREAD_H
#define CAPTURE_THREAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "capture/format.h"
#include "capture/output.h"

struct lw_capture;
struct lw_error;

enum { THREAD_NAP_MS = 10, THREAD_FLUSH_MS = 1000 };

enum thread_rest { THREAD_AWAKE = 0, THREAD_NAPPING, THREAD_ASLEEP };

/* A port that was met, in any lane. */
struct book_port {
	char name[64];
	bool is_device, is_in_file;
	uint32_t index; /* in the file */
	uint64_t written;
};

struct capture_thread {
	struct lw_capture *capture;
	pthread_t thread;
	bool is_started;
	int wake, end;    /* eventfds: to wake it; readable when it shall end */
	atomic_uint rest; /* enum thread_rest */
	/* Flushing: tickets, under the lock. */
	pthread_mutex_t lock;
	pthread_cond_t flushed;
	unsigned wanted, done;
	/* Published by the thread. */
	atomic_int error;
	atomic_uint_fast64_t taken, written, records, bytes;

	/* The thread's own from here on. */
	struct output output;
	const struct format *format;
	struct format_file file;
	bool is_begun;
	uint64_t offset_ns, last_ns; /* wall clock minus CLOCK_BOOTTIME; the last time written */
	uint64_t n_taken, n_records;
	struct book_port *ports;
	size_t n_ports, size_ports;
	uint32_t n_in_file;
	uint16_t *map; /* of each lane and its ports: number in ports, from 1 */
	uint8_t *segment;
};

/* fd is taken on success, and what is a regular file has its header then. */
int thread_new(struct lw_capture *capture, int fd, struct capture_thread **ret_thread);
/* Write what waits, end the file, join. */
void thread_free(struct capture_thread *thread);

/* Return: 0, the negative errno that stopped it, or -ETIMEDOUT. */
int thread_flush(struct capture_thread *thread);
void thread_wake_up(struct capture_thread *thread);

static inline void thread_wake(struct capture_thread *thread, bool is_crowded)
{
	unsigned rest = atomic_load(&thread->rest);

	if (rest == THREAD_ASLEEP || (is_crowded && rest == THREAD_NAPPING))
		thread_wake_up(thread);
}

#endif
