/* SPDX-License-Identifier: MIT */
/* A capture's own thread. */
#include "capture/thread.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "capture/capture.h"
#include "device/segment.h"
#include "loop/worker.h"

enum { MAP_SIZE = sizeof(uint16_t) * LANES * LANE_PORTS, PORTS_STEP = 16 };

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- Ports */

static struct book_port *add_port(struct capture_thread *thread, const struct lane_port *met)
{
	struct book_port *port;

	if (thread->n_ports == thread->size_ports) {
		size_t size = thread->size_ports + PORTS_STEP;
		struct book_port *ports = realloc(thread->ports, size * sizeof(*ports));

		if (!ports)
			return NULL;
		thread->ports = ports;
		thread->size_ports = size;
	}
	port = &thread->ports[thread->n_ports++];
	*port = (struct book_port){ .is_device = met->is_device };
	memcpy(port->name, met->name, sizeof(port->name));
	return port;
}

static struct book_port *find_port(struct capture_thread *thread, const struct lane_port *met)
{
	for (size_t i = 0; i < thread->n_ports; i++)
		if (thread->ports[i].is_device == met->is_device &&
		    strcmp(thread->ports[i].name, met->name) == 0)
			return &thread->ports[i];
	return add_port(thread, met);
}

/* The port of a lane's, described in the file. NULL: no memory. */
static struct book_port *book_port(struct capture_thread *thread, size_t lane, uint16_t index)
{
	const struct lane_port *met = &thread->capture->lanes.lane[lane].ports[index];
	uint16_t *known = &thread->map[lane * LANE_PORTS + index];
	struct book_port *port = *known ? &thread->ports[*known - 1] : find_port(thread, met);

	if (!port)
		return NULL;
	*known = (uint16_t)(port - thread->ports + 1);
	if (!port->is_in_file) {
		const struct format_port described = { .index = thread->n_in_file++,
						       .name = port->name,
						       .is_device = port->is_device };

		port->is_in_file = true;
		port->index = described.index;
		thread->format->port(&thread->file, &described);
	}
	return port;
}

/* ---- Packets */

/* It has what it was asked for. */
static bool is_finished(const struct capture_thread *thread)
{
	uint64_t most = thread->capture->packets_max;

	return most && thread->n_records == most;
}

static void write_record(struct capture_thread *thread, struct format_packet *packet)
{
	if (is_finished(thread))
		return;
	thread->n_records++;
	packet->kept = MIN(packet->kept, thread->capture->snap_length);
	thread->format->packet(&thread->file, packet);
}

/* As a wire would see it. Return: false if that cannot be. */
static bool write_segments(struct capture_thread *thread, const struct lane_record *record,
			   struct format_packet *written)
{
	const struct lw_offload offload = {
		.needs_checksum = record->flags & LANE_NEEDS_CHECKSUM,
		.checksum_start = record->checksum_start,
		.checksum_offset = record->checksum_offset,
		.gso = (enum lw_gso)record->gso,
		.gso_size = record->gso_size,
	};
	const struct lw_packet packet = { .data = record->data,
					  .length = record->length,
					  .layer = thread->capture->layer,
					  .offload = &offload };
	struct segmenter segmenter;
	int r = -EBADMSG;

	if (record->flags & LANE_IS_GATHERED)
		r = segmenter_init_cut(&segmenter, &packet, record->per_segment);
	else if (record->kept == record->length)
		r = segmenter_init(&segmenter, &packet);
	if (r < 0)
		return false;
	written->data = thread->segment;
	do {
		written->kept = (uint32_t)segmenter_next(&segmenter, thread->segment);
		written->length = (uint32_t)segmenter_whole(&segmenter);
		written->is_last = segmenter_left(&segmenter) == 0;
		write_record(thread, written);
	} while (!written->is_last);
	return true;
}

static void write_packet(struct capture_thread *thread, size_t lane,
			 const struct lane_record *record)
{
	struct book_port *port = book_port(thread, lane, record->port);
	uint64_t time_ns = record->stamp_ns + thread->offset_ns;
	struct format_packet packet = {
		.point = (enum lw_capture_point)record->point,
		.reason = (enum lw_drop)record->reason,
		.data = record->data,
		.kept = record->kept,
		.length = record->length,
		.is_last = true,
	};

	if (is_finished(thread))
		return;
	thread->n_taken++;
	if (!port)
		return;
	thread->last_ns = MAX(thread->last_ns, time_ns);
	packet.time_ns = thread->last_ns;
	packet.port = port->index;
	port->written++;
	if ((record->flags & LANE_HAS_OFFLOAD) && !thread->capture->has_whole_super_frames &&
	    write_segments(thread, record, &packet))
		return;
	write_record(thread, &packet);
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

static bool is_running(const struct capture_thread *thread)
{
	return atomic_load(&thread->capture->phase) == CAPTURE_RUNNING;
}

/* Everything that was there when it was called. Return: whether that was anything. */
static bool drain(struct capture_thread *thread)
{
	uint64_t horizon_ns = clock_ns(CLOCK_BOOTTIME);
	struct head heads[LANES];
	bool is_any;
	size_t n = 0;

	for (size_t lane = 0; lane < LANES; lane++)
		n += peek(thread, lane, horizon_ns, &heads[n]);
	is_any = n > 0;
	while (n > 0) {
		size_t i = oldest(heads, n);
		struct lane *lane = &thread->capture->lanes.lane[heads[i].lane];

		write_packet(thread, heads[i].lane, heads[i].record);
		lane_release(lane, heads[i].record);
		if (!peek(thread, heads[i].lane, horizon_ns, &heads[i]))
			heads[i] = heads[--n];
	}
	return is_any;
}

/* ---- The file */

static int begin_file(struct capture_thread *thread)
{
	const struct lw_capture *capture = thread->capture;
	uint64_t boot_ns = clock_ns(CLOCK_BOOTTIME);
	int r;

	thread->offset_ns = clock_ns(CLOCK_REALTIME) - boot_ns;
	thread->file = (struct format_file){
		.output = &thread->output,
		.layer = capture->layer,
		.snap_length = capture->snap_length,
		.filter = capture->filter_text,
		.begin_ns = boot_ns + thread->offset_ns,
	};
	thread->is_begun = true;
	r = thread->format->begin(&thread->file);
	if (r < 0)
		thread->output.error = r;
	return r;
}

static struct format_statistics count_port(const struct capture_thread *thread, size_t number)
{
	struct format_statistics sum = { .written = thread->ports[number].written };

	for (size_t i = 0; i < LANES; i++) {
		const struct lane *lane = &thread->capture->lanes.lane[i];
		unsigned n = atomic_load_explicit(&lane->n_ports, memory_order_acquire);

		for (unsigned k = 0; k < n; k++) {
			if (thread->map[i * LANE_PORTS + k] != number + 1)
				continue;
			sum.seen += atomic_load(&lane->ports[k].seen);
			sum.matched += atomic_load(&lane->ports[k].matched);
			sum.dropped += atomic_load(&lane->ports[k].dropped);
		}
	}
	return sum;
}

/* Ports that were seen and gave nothing have their blocks, too. */
static void describe_all_ports(struct capture_thread *thread)
{
	for (size_t i = 0; i < LANES; i++) {
		const struct lane *lane = &thread->capture->lanes.lane[i];
		unsigned n = atomic_load_explicit(&lane->n_ports, memory_order_acquire);

		for (unsigned k = 0; k < n; k++)
			if (atomic_load(&lane->ports[k].seen))
				(void)book_port(thread, i, (uint16_t)k);
	}
}

static void end_file(struct capture_thread *thread)
{
	uint64_t now_ns = clock_ns(CLOCK_BOOTTIME) + thread->offset_ns;

	if (!thread->is_begun)
		return;
	describe_all_ports(thread);
	for (size_t i = 0; i < thread->n_ports; i++) {
		struct format_statistics statistics = count_port(thread, i);

		if (thread->ports[i].is_in_file)
			thread->format->statistics(&thread->file, thread->ports[i].index, now_ns,
						   &statistics);
	}
	thread->format->end(&thread->file);
	(void)output_flush(&thread->output);
	thread->is_begun = false;
}

/* ---- The thread */

static void publish(struct capture_thread *thread)
{
	const struct output_counters *counters = &thread->output.counters;

	atomic_store(&thread->taken, thread->n_taken);
	atomic_store(&thread->written, counters->packets);
	atomic_store(&thread->records, counters->records);
	atomic_store(&thread->bytes, counters->bytes);
	if (thread->output.error < 0) {
		atomic_store(&thread->error, thread->output.error);
		atomic_store(&thread->capture->phase, CAPTURE_FAILED);
	}
}

static void write_out(struct capture_thread *thread)
{
	(void)output_flush(&thread->output);
	if (is_finished(thread) && is_running(thread)) {
		end_file(thread);
		atomic_store(&thread->capture->phase, CAPTURE_FINISHED);
	}
	publish(thread);
}

static unsigned read_tickets(struct capture_thread *thread)
{
	unsigned wanted;

	pthread_mutex_lock(&thread->lock);
	wanted = thread->wanted;
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

/* Return: false when the capture ends. */
static bool rest(struct capture_thread *thread, bool is_busy)
{
	struct pollfd polls[2] = { { .fd = thread->wake, .events = POLLIN },
				   { .fd = thread->end, .events = POLLIN } };
	eventfd_t count;

	atomic_store(&thread->rest, is_busy ? THREAD_NAPPING : THREAD_ASLEEP);
	/* What came before it slept did not wake it. */
	if (is_busy || lanes_are_empty(&thread->capture->lanes))
		(void)poll(polls, 2, is_busy ? THREAD_NAP_MS : -1);
	atomic_store(&thread->rest, THREAD_AWAKE);
	if (polls[0].revents)
		(void)eventfd_read(thread->wake, &count);
	return !polls[1].revents;
}

static void *run(void *user)
{
	struct capture_thread *thread = user;
	bool is_busy;

	if (!thread->is_begun)
		(void)begin_file(thread);
	do {
		unsigned tickets = read_tickets(thread);

		is_busy = drain(thread);
		write_out(thread);
		serve_tickets(thread, tickets);
	} while (rest(thread, is_busy));
	(void)drain(thread);
	write_out(thread);
	end_file(thread);
	publish(thread);
	return NULL;
}

void thread_wake_up(struct capture_thread *thread)
{
	if (atomic_exchange(&thread->rest, THREAD_AWAKE) != THREAD_AWAKE)
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
	thread_wake_up(thread);
	while (r == 0 && (int)(thread->done - ticket) < 0)
		r = pthread_cond_timedwait(&thread->flushed, &thread->lock, &until);
	pthread_mutex_unlock(&thread->lock);
	return atomic_load(&thread->error) ? atomic_load(&thread->error) : -r;
}

static int init_thread(struct capture_thread *thread)
{
	pthread_condattr_t attributes;
	int r;

	pthread_mutex_init(&thread->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&thread->flushed, &attributes);
	pthread_condattr_destroy(&attributes);
	thread->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	thread->end = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r = thread->wake < 0 || thread->end < 0 ? -errno : 0;
	if (r == 0)
		r = output_init(&thread->output, thread->end);
	thread->map = memory_map(MAP_SIZE);
	thread->segment = memory_map(LW_PACKET_MAX);
	if (r == 0 && (!thread->map || !thread->segment))
		r = -ENOMEM;
	return r;
}

int thread_new(struct lw_capture *capture, int fd, struct capture_thread **ret_thread)
{
	struct capture_thread *thread = calloc(1, sizeof(*thread));
	int r;

	if (!thread)
		return -ENOMEM;
	thread->capture = capture;
	thread->format = format_get(capture->format);
	thread->output.fd = -1;
	r = init_thread(thread);
	if (r == 0) {
		output_open(&thread->output, fd);
		if (thread->output.is_regular) {
			r = begin_file(thread);
			if (r == 0)
				r = output_flush(&thread->output);
		}
	}
	if (r == 0) {
		publish(thread);
		r = thread_start("lw-capture", run, thread, &thread->thread);
	}
	thread->is_started = r == 0;
	if (r < 0) {
		thread->output.fd = -1; /* the caller's */
		thread_free(thread);
		return r;
	}
	*ret_thread = thread;
	return 0;
}

void thread_free(struct capture_thread *thread)
{
	if (!thread)
		return;
	if (thread->is_started) {
		(void)eventfd_write(thread->end, 1);
		pthread_join(thread->thread, NULL);
	} else if (thread->is_begun) {
		thread->format->end(&thread->file);
	}
	output_done(&thread->output);
	close_fd(&thread->wake);
	close_fd(&thread->end);
	memory_unmap(thread->map, MAP_SIZE);
	memory_unmap(thread->segment, LW_PACKET_MAX);
	free(thread->ports);
	pthread_cond_destroy(&thread->flushed);
	pthread_mutex_destroy(&thread->lock);
	free(thread);
}
