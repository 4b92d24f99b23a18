/* SPDX-License-Identifier: MIT */
/* A capture's own thread. */
#include "capture/thread.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "capture/capture.h"
#include "capture/files.h"
#include "capture/gate.h"
#include "loop/worker.h"

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- Giving way */

static bool is_waited_for(struct capture_thread *thread)
{
	bool is_wanted;

	pthread_mutex_lock(&thread->lock);
	is_wanted = thread->wanted != thread->done || thread->dump >= 0;
	pthread_mutex_unlock(&thread->lock);
	return is_wanted || atomic_load(&thread->is_ending);
}

static void take_rest(struct capture_thread *thread, uint64_t ns)
{
	uint64_t now = now_ns(), end = now + ns;

	while (now < end && !is_waited_for(thread)) {
		gate_wait_for(thread->gate, end - now);
		now = now_ns();
	}
}

/* By the square: thread.h says why. */
static uint64_t rest_after(uint64_t waited_ns)
{
	uint64_t us = MIN(waited_ns / 1000, (uint64_t)THREAD_REST_MAX_US);

	return MIN(us * us / THREAD_REST_SCALE_US, (uint64_t)THREAD_REST_MAX_US) * 1000;
}

static void begin_piece(struct capture_thread *thread)
{
	uint64_t asked_ns = now_ns();

	gate_ask(thread->gate);
	while (!gate_pass(thread->gate) && !is_waited_for(thread))
		gate_wait(thread->gate);
	thread->waited_ns -= thread->waited_ns / THREAD_WAITS;
	thread->waited_ns += (now_ns() - asked_ns) / THREAD_WAITS;
	take_rest(thread, rest_after(thread->waited_ns));
	thread->piece_end_ns = now_ns() + THREAD_PIECE_US * UINT64_C(1000);
	thread->piece_records = 0;
}

/* After each record. */
static void give_way(struct capture_thread *thread)
{
	if (++thread->piece_records < THREAD_PIECE_RECORDS)
		return;
	thread->piece_records = 0;
	if (now_ns() >= thread->piece_end_ns)
		begin_piece(thread);
}

/* ---- Files in turn */

static void fail(struct capture_thread *thread, int error)
{
	atomic_store(&thread->error, error);
	if (!thread->is_recorder)
		atomic_store(&thread->capture->phase, CAPTURE_FAILED);
}

static int begin_next(struct capture_thread *thread, const char *why)
{
	int fd = files_next(thread->files), r;

	if (fd < 0)
		return fd;
	atomic_fetch_add(&thread->n_files, 1);
	r = writing_begin(&thread->writing, fd, why);
	if (r == 0)
		r = output_flush(&thread->writing.output);
	/* No header: no file. */
	if (r < 0) {
		writing_abandon(&thread->writing);
		files_undo(thread->files);
	}
	return r;
}

static bool is_full(const struct capture_thread *thread, const struct lane_record *record)
{
	const struct lw_capture *capture = thread->capture;
	const struct writing *writing = &thread->writing;

	if (writing->file_records == 0)
		return false;
	return (capture->file_bytes && writing_size_with(writing, record) > capture->file_bytes) ||
	       (capture->file_packets && writing->file_records >= capture->file_packets) ||
	       (capture->file_ns && record->stamp_ns >= writing->begun_ns + capture->file_ns);
}

static void turn(struct capture_thread *thread)
{
	int r;

	writing_end(&thread->writing);
	if (thread->writing.output.error < 0)
		return;
	r = begin_next(thread, NULL);
	if (r < 0)
		fail(thread, r);
}

/* ---- Lanes */

struct head {
	size_t lane;
	const struct lane_record *record;
};

static bool peek(struct capture_thread *thread, size_t lane, uint64_t horizon_ns, struct head *head)
{
	head->lane = lane;
	head->record = lane_peek(&thread->capture->lanes.lane[lane]);
	return head->record && head->record->stamp_ns <= horizon_ns;
}

static size_t oldest(const struct head *heads, size_t n)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++)
		if (heads[i].record->stamp_ns < heads[best].record->stamp_ns)
			best = i;
	return best;
}

/* As a record says it, but of the book. */
static uint16_t find_origin(struct capture_thread *thread, const struct head *head)
{
	uint16_t from = head->record->from;
	int32_t port = from ? book_find(&thread->book, head->lane, from - 1) : -ENOENT;

	return port < 0 ? 0 : (uint16_t)(port + 1);
}

static void take(struct capture_thread *thread, const struct head *head)
{
	int32_t port = book_find(&thread->book, head->lane, head->record->port);
	uint16_t from = find_origin(thread, head);

	if (port < 0)
		port = 0; /* no memory for another name: the first that was met */
	if (thread->is_recorder) {
		recorder_keep(&thread->recorder, head->record, (uint16_t)port, from);
		return;
	}
	if (thread->files && is_full(thread, head->record))
		turn(thread);
	writing_packet(&thread->writing, head->record, (uint32_t)port, from);
}

/* Everything that was there when it was called. Return: whether that was anything. */
static bool drain(struct capture_thread *thread)
{
	uint64_t horizon_ns = now_ns();
	struct head heads[LANES];
	bool is_any;
	size_t n = 0;

	for (size_t lane = 0; lane < LANES; lane++)
		n += peek(thread, lane, horizon_ns, &heads[n]);
	is_any = n > 0;
	if (is_any)
		begin_piece(thread);
	while (n > 0) {
		size_t i = oldest(heads, n);
		struct lane *lane = &thread->capture->lanes.lane[heads[i].lane];

		take(thread, &heads[i]);
		lane_release(lane, heads[i].record);
		if (!peek(thread, heads[i].lane, horizon_ns, &heads[i]))
			heads[i] = heads[--n];
		give_way(thread);
	}
	return is_any;
}

/* ---- The recorder */

static void write_memory(struct capture_thread *thread, struct writing *writing)
{
	const struct lane_record *record;
	uint64_t position = thread->recorder.head;

	while ((record = recorder_read(&thread->recorder, &position))) {
		writing_packet(writing, record, record->port, record->from);
		give_way(thread);
	}
	writing_end(writing);
}

static const char *describe_cause(unsigned cause, char text[128])
{
	snprintf(text, 128, "flight recorder:%s%s%s%s", cause & THREAD_ASKED ? " asked for" : "",
		 cause & THREAD_TRIGGER ? " trigger" : "",
		 cause & LW_CAPTURE_PEER_LOST ? " peer lost" : "",
		 cause & LW_CAPTURE_LIMIT_HIT ? " limit hit" : "");
	return text;
}

/* Without a file to put it into, what was recorded stays. */
static void write_recorder(struct capture_thread *thread, unsigned cause)
{
	char text[128];
	int r = begin_next(thread, describe_cause(cause, text));

	if (r == 0) {
		write_memory(thread, &thread->writing);
		recorder_clear(&thread->recorder);
		r = thread->writing.output.error;
	}
	atomic_store(&thread->error, r);
}

/* causes were taken before the lanes were emptied. */
static void serve_causes(struct capture_thread *thread, unsigned causes)
{
	if (!thread->files)
		return;
	if (causes && !thread->due_cause)
		thread->due_ns = now_ns() + (causes & THREAD_ASKED ? 0 : thread->capture->after_ns);
	if (causes & THREAD_ASKED)
		thread->due_ns = 0;
	thread->due_cause |= causes;
	if (!thread->due_cause || now_ns() < thread->due_ns)
		return;
	causes = thread->due_cause;
	thread->due_cause = 0;
	write_recorder(thread, causes);
}

/* fd was taken before the lanes were emptied. */
static void serve_dump(struct capture_thread *thread, int fd)
{
	if (fd < 0)
		return;
	thread->dumping.output.patience_ms = THREAD_DUMP_PATIENCE_MS;
	if (writing_begin(&thread->dumping, fd, "flight recorder: a copy") == 0)
		write_memory(thread, &thread->dumping);
	else
		writing_abandon(&thread->dumping);
	pthread_mutex_lock(&thread->lock);
	thread->dump = -1;
	pthread_mutex_unlock(&thread->lock);
}

/* ---- The thread */

static void publish(struct capture_thread *thread)
{
	const struct writing *writing = &thread->writing;
	const struct output_counters *counters = &writing->output.counters;

	atomic_store(&thread->lost, writing->packets - counters->packets);
	atomic_store(&thread->written, counters->packets);
	atomic_store(&thread->records, counters->records);
	atomic_store(&thread->bytes, counters->bytes);
	atomic_store(&thread->held, thread->recorder.held);
	atomic_store(&thread->forgotten, thread->recorder.forgotten);
	if (writing->output.error < 0)
		fail(thread, writing->output.error);
}

static void write_out(struct capture_thread *thread)
{
	struct lw_capture *capture = thread->capture;

	(void)output_flush(&thread->writing.output);
	if (!thread->is_recorder && writing_is_complete(&thread->writing) &&
	    atomic_load(&capture->phase) == CAPTURE_RUNNING) {
		writing_end(&thread->writing);
		atomic_store(&capture->phase, CAPTURE_FINISHED);
	}
	publish(thread);
}

static unsigned read_orders(struct capture_thread *thread, int *ret_dump)
{
	unsigned wanted;

	pthread_mutex_lock(&thread->lock);
	wanted = thread->wanted;
	*ret_dump = thread->dump;
	pthread_mutex_unlock(&thread->lock);
	return wanted;
}

static void serve_tickets(struct capture_thread *thread, unsigned served)
{
	pthread_mutex_lock(&thread->lock);
	thread->done = served;
	pthread_cond_broadcast(&thread->flushed);
	pthread_mutex_unlock(&thread->lock);
}

/* Return: milliseconds until there is something to do, whether or not packets come; -1: never. */
static int time_left(const struct capture_thread *thread)
{
	uint64_t now, ms;

	if (!thread->due_cause)
		return -1;
	now = now_ns();
	ms = thread->due_ns > now ? (thread->due_ns - now) / 1000000 + 1 : 0;
	return (int)MIN(ms, (uint64_t)LW_CAPTURE_AFTER_MAX);
}

/* Return: false when the capture ends. */
static bool rest(struct capture_thread *thread, bool is_busy)
{
	struct pollfd polls[2] = { { .fd = thread->wake, .events = POLLIN },
				   { .fd = thread->end, .events = POLLIN } };
	eventfd_t count;

	atomic_store(&thread->rest, is_busy ? THREAD_NAPPING : THREAD_ASLEEP);
	/* What came before it slept did not wake it. */
	if (is_busy ||
	    (lanes_are_empty(&thread->capture->lanes) && atomic_load(&thread->cause) == 0))
		(void)poll(polls, 2, is_busy ? THREAD_NAP_MS : time_left(thread));
	atomic_store(&thread->rest, THREAD_AWAKE);
	if (polls[0].revents)
		(void)eventfd_read(thread->wake, &count);
	return !polls[1].revents;
}

static void *run(void *user)
{
	struct capture_thread *thread = user;
	bool is_busy;
	int dump;

	do {
		unsigned tickets = read_orders(thread, &dump);
		unsigned causes = atomic_exchange(&thread->cause, 0);

		is_busy = drain(thread);
		if (thread->is_recorder) {
			serve_causes(thread, causes);
			serve_dump(thread, dump);
		}
		write_out(thread);
		serve_tickets(thread, tickets);
	} while (rest(thread, is_busy));
	(void)drain(thread);
	if (thread->is_recorder) /* what was asked for is not waited for any longer */
		serve_causes(thread, atomic_exchange(&thread->cause, 0) |
					     (thread->due_cause ? THREAD_ASKED : 0));
	write_out(thread);
	writing_end(&thread->writing);
	publish(thread);
	return NULL;
}

void thread_wake_sleeper(struct capture_thread *thread)
{
	if (atomic_exchange(&thread->rest, THREAD_AWAKE) != THREAD_AWAKE)
		thread_alert(thread);
}

void thread_alert(struct capture_thread *thread)
{
	(void)eventfd_write(thread->wake, 1);
}

int thread_flush(struct capture_thread *thread)
{
	struct timespec until;
	unsigned ticket;
	int r = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += THREAD_FLUSH_MS / 1000;
	pthread_mutex_lock(&thread->lock);
	ticket = ++thread->wanted;
	thread_alert(thread);
	gate_wake(thread->gate);
	while (r == 0 && (int)(thread->done - ticket) < 0)
		r = pthread_cond_timedwait(&thread->flushed, &thread->lock, &until);
	pthread_mutex_unlock(&thread->lock);
	return atomic_load(&thread->error) ? atomic_load(&thread->error) : -r;
}

int thread_dump(struct capture_thread *thread, int fd)
{
	int r = 0;

	pthread_mutex_lock(&thread->lock);
	if (thread->dump >= 0)
		r = -EBUSY;
	else
		thread->dump = fd;
	pthread_mutex_unlock(&thread->lock);
	thread_alert(thread);
	gate_wake(thread->gate);
	return r;
}

/* ---- Making and ending */

static int make_descriptors(struct capture_thread *thread)
{
	thread->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (thread->wake < 0)
		return -errno;
	thread->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	return thread->end < 0 ? -errno : 0;
}

static int init(struct capture_thread *thread, size_t recorder_bytes)
{
	pthread_condattr_t attributes;
	int r;

	pthread_mutex_init(&thread->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&thread->flushed, &attributes);
	pthread_condattr_destroy(&attributes);
	thread->is_recorder = recorder_bytes > 0;
	r = make_descriptors(thread);
	if (r == 0)
		r = gate_new(&thread->gate);
	if (r == 0)
		r = book_init(&thread->book, &thread->capture->lanes);
	if (r == 0)
		r = writing_init(&thread->writing, thread->capture, &thread->book, thread->end);
	if (r == 0 && thread->is_recorder)
		r = recorder_init(&thread->recorder, recorder_bytes);
	if (r == 0 && thread->is_recorder)
		r = writing_init(&thread->dumping, thread->capture, &thread->book, thread->end);
	return r;
}

/* The first file. A pipe's reader may not be there yet: its header goes with the thread. */
static int begin(struct capture_thread *thread, const struct thread_options *options)
{
	int r;

	thread->files = options->files;
	if (thread->is_recorder)
		return 0;
	if (thread->files)
		return begin_next(thread, NULL);
	atomic_store(&thread->n_files, 1);
	r = writing_begin(&thread->writing, options->fd, NULL);
	if (r == 0 && thread->writing.output.is_regular)
		r = output_flush(&thread->writing.output);
	return r;
}

/* As if it had never been given what it was given. */
static void let_go(struct capture_thread *thread, const struct thread_options *options)
{
	if (options->fd >= 0)
		thread->writing.output.fd = -1;
	else if (thread->writing.is_open && thread->files)
		files_undo(thread->files);
	thread->files = NULL;
}

int thread_new(struct lw_capture *capture, const struct thread_options *options,
	       struct capture_thread **ret_thread)
{
	struct capture_thread *thread = calloc(1, sizeof(*thread));
	int r;

	if (!thread)
		return -ENOMEM;
	thread->capture = capture;
	thread->wake = thread->end = thread->dump = -1;
	thread->writing.output.fd = thread->dumping.output.fd = -1;
	r = init(thread, options->recorder_bytes);
	if (r == 0)
		r = begin(thread, options);
	if (r == 0) {
		publish(thread);
		r = thread_start("lw-capture", run, thread, &thread->thread);
	}
	thread->is_started = r == 0;
	if (r < 0) {
		let_go(thread, options);
		thread_free(thread);
		return r;
	}
	*ret_thread = thread;
	return 0;
}

void thread_end(struct capture_thread *thread)
{
	if (!thread->is_started)
		return;
	atomic_store(&thread->is_ending, true);
	(void)eventfd_write(thread->end, 1);
	gate_wake(thread->gate);
	pthread_join(thread->thread, NULL);
	thread->is_started = false;
}

void thread_free(struct capture_thread *thread)
{
	if (!thread)
		return;
	thread_end(thread);
	writing_done(&thread->writing);
	if (thread->is_recorder)
		writing_done(&thread->dumping);
	recorder_done(&thread->recorder);
	files_close(thread->files);
	book_done(&thread->book);
	gate_free(thread->gate);
	close_fd(&thread->dump);
	close_fd(&thread->wake);
	close_fd(&thread->end);
	pthread_cond_destroy(&thread->flushed);
	pthread_mutex_destroy(&thread->lock);
	free(thread);
}
