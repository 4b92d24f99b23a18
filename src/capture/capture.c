/* SPDX-License-Identifier: MIT */
/* A capture: made of its options, attached, asked, closed. */
#include "capture/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/value.h"
#include "capture/files.h"
#include "capture/filter.h"
#include "capture/point.h"
#include "capture/thread.h"

static const unsigned all_points = LW_CAPTURE_DEVICE_IN | LW_CAPTURE_DEVICE_OUT |
				   LW_CAPTURE_SESSION_IN | LW_CAPTURE_SESSION_OUT | LW_CAPTURE_DROP;

static int refuse(struct lw_error *ret_error, const char *text)
{
	return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL, "capture: %s", text);
}

static int check(const struct lw_capture_options *options, struct lw_error *ret_error)
{
	if (!options->file && options->descriptor <= 0 && !options->recorder_bytes)
		return refuse(ret_error, "a file or a descriptor is required");
	if (options->file && options->descriptor > 0)
		return refuse(ret_error, "a file and a descriptor exclude each other");
	if (options->layer != LW_LAYER_ETHERNET && options->layer != LW_LAYER_IP)
		return refuse(ret_error, "the layer is ethernet or ip");
	if (options->points & ~all_points)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "capture: unknown points 0x%x", options->points & ~all_points);
	if (options->snap_length > LW_CAPTURE_SNAP_MAX)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "capture: the snap length is 1 … %d bytes", LW_CAPTURE_SNAP_MAX);
	if (options->format < LW_CAPTURE_FORMAT_AUTO || options->format > LW_CAPTURE_PCAPNG)
		return refuse(ret_error, "the format is pcap or pcapng");
	if (options->buffer_size && (options->buffer_size < LW_CAPTURE_BUFFER_MIN ||
				     options->buffer_size > LW_CAPTURE_BUFFER_MAX))
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "capture: the buffer has %d … %d bytes", LW_CAPTURE_BUFFER_MIN,
				 LW_CAPTURE_BUFFER_MAX);
	return 0;
}

static bool is_turn(const struct lw_capture_options *options)
{
	return options->file_bytes || options->file_packets || options->file_seconds ||
	       options->files || (options->recorder_bytes && options->file);
}

static int check_files(const struct lw_capture_options *options, struct lw_error *ret_error)
{
	if (!is_turn(options))
		return 0;
	if (!options->file)
		return refuse(ret_error, "files in turn need a file to be named after");
	if (options->file_bytes && options->file_bytes < LW_CAPTURE_FILE_BYTES_MIN)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "capture: files in turn have %d bytes or more",
				 LW_CAPTURE_FILE_BYTES_MIN);
	if (options->files > LW_CAPTURE_FILES_MAX)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "capture: 1 … %d files in turn", LW_CAPTURE_FILES_MAX);
	if (options->files && !options->recorder_bytes && !options->file_bytes &&
	    !options->file_packets && !options->file_seconds)
		return refuse(ret_error,
			      "files in turn need bytes, packets or seconds that end one");
	return 0;
}

static int check_recorder(const struct lw_capture_options *options, struct lw_error *ret_error)
{
	if (!options->recorder_bytes) {
		if (options->trigger || options->events || options->after_ms)
			return refuse(ret_error, "trigger, events and after belong to a recorder");
		return 0;
	}
	if (options->recorder_bytes < LW_CAPTURE_RECORDER_MIN ||
	    options->recorder_bytes > LW_CAPTURE_RECORDER_MAX)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "capture: a recorder has %d … %d bytes", LW_CAPTURE_RECORDER_MIN,
				 LW_CAPTURE_RECORDER_MAX);
	if (options->descriptor > 0)
		return refuse(ret_error, "a recorder writes files, or to a descriptor when asked");
	if (!options->file && (options->trigger || options->events))
		return refuse(ret_error, "a recorder with trigger or events needs a file");
	if (options->events & ~(unsigned)(LW_CAPTURE_PEER_LOST | LW_CAPTURE_LIMIT_HIT))
		return refuse(ret_error, "unknown events");
	if (options->after_ms > LW_CAPTURE_AFTER_MAX)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "capture: a recorder goes on for at most %d ms",
				 LW_CAPTURE_AFTER_MAX);
	if (options->packets || options->file_bytes || options->file_packets ||
	    options->file_seconds)
		return refuse(ret_error, "a recorder's files have all that it has, one each time");
	return 0;
}

static size_t buffer_size(size_t wanted)
{
	size_t size = LW_CAPTURE_BUFFER_MIN;

	if (wanted == 0)
		wanted = LW_CAPTURE_BUFFER_DEFAULT;
	while (size < wanted)
		size *= 2;
	return size;
}

/* Everything but the file: a capture that is refused leaves the old file as it was. */
static int prepare(struct lw_capture *capture, const struct lw_capture_options *options,
		   struct lw_error *ret_error)
{
	int r;

	capture->points =
		options->points ? options->points : LW_CAPTURE_DEVICE_IN | LW_CAPTURE_DEVICE_OUT;
	capture->layer = options->layer;
	capture->format = format_choose(options->format, options->file);
	capture->snap_length = options->snap_length ? options->snap_length : LW_CAPTURE_SNAP_MAX;
	capture->has_whole_super_frames = options->whole_super_frames;
	capture->packets_max = options->packets;
	capture->file_bytes = options->file_bytes;
	capture->file_packets = options->file_packets;
	capture->file_ns = (uint64_t)options->file_seconds * 1000000000;
	capture->events = options->events;
	capture->after_ns = (uint64_t)options->after_ms * 1000000;
	capture->attention = capture->points;
	if (options->events & LW_CAPTURE_LIMIT_HIT)
		capture->attention |= LW_CAPTURE_DROP;
	r = selector_init(&capture->selector, options, ret_error);
	if (r == 0 && options->filter) {
		r = filter_new(options->layer, options->filter, &capture->filter, ret_error);
		capture->filter_text = strdup(options->filter);
		if (r == 0 && !capture->filter_text)
			r = error_errno(ret_error, ENOMEM, "capture");
	}
	if (r == 0 && options->trigger)
		r = filter_new(options->layer, options->trigger, &capture->trigger, ret_error);
	if (r == 0 && lanes_init(&capture->lanes, buffer_size(options->buffer_size)) < 0)
		r = error_errno(ret_error, ENOMEM, "capture");
	return r;
}

static int take_descriptor(int descriptor, int *ret_fd, struct lw_error *ret_error)
{
	int flags = fcntl(descriptor, F_GETFL);

	if (flags >= 0 && (flags & O_ACCMODE) == O_RDONLY)
		return error_set(ret_error, -EBADF, LW_DOMAIN_SYSTEM, EBADF,
				 "capture: descriptor %d is not open for writing", descriptor);
	/* One that is ready may still make a write wait, for as long as nobody reads. */
	if (isatty(descriptor))
		return error_set(ret_error, -EOPNOTSUPP, LW_DOMAIN_SYSTEM, EOPNOTSUPP,
				 "capture: descriptor %d is a terminal; use a file or a pipe",
				 descriptor);
	*ret_fd = fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
	return *ret_fd < 0 ? error_errno(ret_error, errno, "capture: descriptor %d", descriptor)
			   : 0;
}

/* Where it is to be written. */
static int open_target(const struct lw_capture_options *options, struct thread_options *target,
		       struct lw_error *ret_error)
{
	if (!options->file && options->recorder_bytes)
		return 0;
	if (is_turn(options))
		return files_open(options->file,
				  options->files ? options->files : LW_CAPTURE_FILES_DEFAULT,
				  &target->files, ret_error);
	if (options->descriptor > 0)
		return take_descriptor(options->descriptor, &target->fd, ret_error);
	return files_create(options->file, &target->fd, ret_error);
}

static int start(struct lw_capture *capture, const struct lw_capture_options *options,
		 struct lw_error *ret_error)
{
	struct thread_options target = {
		.fd = -1,
		.recorder_bytes = options->recorder_bytes & ~(size_t)7,
	};
	int r;

	r = open_target(options, &target, ret_error);
	if (r < 0)
		return r;
	r = thread_new(capture, &target, &capture->thread);
	if (r == 0)
		return 0;
	if (target.fd >= 0 && options->file)
		unlink(options->file);
	close_fd(&target.fd);
	files_close(target.files);
	return error_errno(ret_error, -r, "capture: %s",
			   options->file ? options->file : "descriptor");
}

int lw_capture_open(const struct lw_capture_options *given, struct lw_capture **ret_capture,
		    struct lw_error *ret_error)
{
	struct lw_capture_options options;
	struct lw_capture *capture;
	int r;

	if (!given || !value_take(&options, sizeof(options), given))
		return refuse(ret_error, "options without their size");
	if (options.file && !*options.file)
		options.file = NULL;
	r = check(&options, ret_error);
	if (r == 0)
		r = check_files(&options, ret_error);
	if (r == 0)
		r = check_recorder(&options, ret_error);
	if (r < 0)
		return r;
	capture = aligned_alloc(_Alignof(struct lw_capture), sizeof(*capture));
	if (!capture)
		return error_errno(ret_error, ENOMEM, "capture");
	memset(capture, 0, sizeof(*capture));
	r = prepare(capture, &options, ret_error);
	if (r == 0)
		r = start(capture, &options, ret_error);
	if (r < 0) {
		lw_capture_close(capture);
		return r;
	}
	*ret_capture = capture;
	return 0;
}

void capture_end(struct lw_capture *capture)
{
	lw_capture_detach(capture);
	thread_end(capture->thread);
}

void lw_capture_close(struct lw_capture *capture)
{
	if (!capture)
		return;
	lw_capture_detach(capture);
	thread_free(capture->thread);
	lanes_done(&capture->lanes);
	filter_free(capture->filter);
	filter_free(capture->trigger);
	selector_done(&capture->selector);
	free(capture->filter_text);
	free(capture);
}

int lw_capture_flush(struct lw_capture *capture)
{
	return thread_flush(capture->thread);
}

int lw_capture_trigger(struct lw_capture *capture)
{
	if (!capture->thread->files || !capture->thread->is_recorder)
		return -EINVAL;
	thread_trigger(capture->thread, THREAD_ASKED);
	return 0;
}

int lw_capture_dump(struct lw_capture *capture, int descriptor)
{
	int fd = -1, r;

	if (!capture->thread->is_recorder)
		return -EINVAL;
	r = take_descriptor(descriptor, &fd, NULL);
	if (r == 0)
		r = thread_dump(capture->thread, fd);
	if (r < 0)
		close_fd(&fd);
	return r;
}

static void add_lane(const struct lane *lane, struct lw_capture_counters *counters)
{
	unsigned n = atomic_load_explicit(&lane->n_ports, memory_order_acquire);

	for (unsigned i = 0; i < n; i++) {
		counters->seen += atomic_load(&lane->ports[i].seen);
		counters->matched += atomic_load(&lane->ports[i].matched);
		counters->dropped += atomic_load(&lane->ports[i].dropped);
	}
}

void lw_capture_counters(const struct lw_capture *capture, struct lw_capture_counters *ret_counters)
{
	const struct capture_thread *thread = capture->thread;
	uint64_t homeless = atomic_load(&capture->homeless);
	unsigned phase = atomic_load(&capture->phase);
	struct lw_capture_counters counters = {
		.written = atomic_load(&thread->written),
		.records = atomic_load(&thread->records),
		.bytes = atomic_load(&thread->bytes),
		.stopped = phase != CAPTURE_RUNNING,
		.error = -atomic_load(&thread->error),
		.seen = homeless,
		.matched = homeless,
		.dropped = homeless + atomic_load(&thread->lost),
		.format = capture->format,
		.is_recorder = thread->is_recorder,
		.held = atomic_load(&thread->held),
		.forgotten = atomic_load(&thread->forgotten),
		.files = atomic_load(&thread->n_files),
	};

	for (size_t i = 0; i < LANES; i++)
		add_lane(&capture->lanes.lane[i], &counters);
	value_give(ret_counters, &counters, sizeof(counters));
}
