/* SPDX-License-Identifier: MIT */
/* Writing records as a file. */
#include "capture/writing.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "capture/book.h"
#include "capture/capture.h"
#include "device/segment.h"

/* What a file has beside packets, at most: to describe a port, to count it at the end, and around a
 * record. */
enum { DESCRIPTION = 256 + LW_CAPTURE_FILTER_MAX, STATISTICS = 128, AROUND_RECORD = 320 };

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int writing_init(struct writing *writing, const struct lw_capture *capture, struct book *book,
		 int interrupt)
{
	*writing = (struct writing){ .capture = capture,
				     .book = book,
				     .format = format_get(capture->format) };
	writing->segment = memory_map(LW_PACKET_MAX);
	if (output_init(&writing->output, interrupt) == 0 && writing->segment)
		return 0;
	return -ENOMEM;
}

void writing_done(struct writing *writing)
{
	writing_end(writing);
	output_done(&writing->output);
	memory_unmap(writing->segment, LW_PACKET_MAX);
	free(writing->indices);
	writing->segment = NULL;
	writing->indices = NULL;
}

int writing_begin(struct writing *writing, int fd, const char *why)
{
	const struct lw_capture *capture = writing->capture;
	int r;

	writing->begun_ns = clock_ns(CLOCK_BOOTTIME);
	writing->offset_ns = clock_ns(CLOCK_REALTIME) - writing->begun_ns;
	writing->last_ns = 0;
	writing->file_records = 0;
	writing->n_in_file = 0;
	if (writing->indices)
		memset(writing->indices, 0, writing->n_indices * sizeof(*writing->indices));
	writing->file = (struct format_file){
		.output = &writing->output,
		.layer = capture->layer,
		.snap_length = capture->snap_length,
		.filter = capture->filter_text,
		.why = why,
		.begin_ns = writing->begun_ns + writing->offset_ns,
	};
	output_open(&writing->output, fd);
	r = writing->format->begin(&writing->file);
	if (r < 0 && writing->output.error == 0)
		writing->output.error = r;
	writing->is_open = true;
	return r == -ENOMEM ? r : 0;
}

/* ---- Ports */

static bool make_room(struct writing *writing, uint32_t port)
{
	uint32_t n = writing->book->size;
	uint32_t *indices;

	if (port < writing->n_indices)
		return true;
	indices = realloc(writing->indices, n * sizeof(*indices));
	if (!indices)
		return false;
	memset(indices + writing->n_indices, 0, (n - writing->n_indices) * sizeof(*indices));
	writing->indices = indices;
	writing->n_indices = n;
	return true;
}

/* Return: whether the port is described in the file. */
static bool describe(struct writing *writing, uint32_t port)
{
	const struct lane_port *met = writing->book->ports[port].met;
	const struct format_port described = { .index = writing->n_in_file,
					       .name = met->name,
					       .is_device = met->is_device };

	if (!make_room(writing, port))
		return false;
	if (writing->indices[port])
		return true;
	writing->format->port(&writing->file, &described);
	writing->indices[port] = ++writing->n_in_file;
	return true;
}

/* ---- Packets */

bool writing_is_complete(const struct writing *writing)
{
	uint64_t most = writing->capture->packets_max;

	return most && writing->records == most;
}

static void write_record(struct writing *writing, struct format_packet *packet)
{
	if (writing_is_complete(writing))
		return;
	writing->records++;
	writing->file_records++;
	packet->kept = MIN(packet->kept, writing->capture->snap_length);
	packet->is_last |= writing_is_complete(writing);
	writing->format->packet(&writing->file, packet);
}

static int begin_segments(struct segmenter *segmenter, const struct lane_record *record,
			  const struct lw_packet *packet)
{
	if (record->flags & LANE_IS_GATHERED)
		return segmenter_init_cut(segmenter, packet, record->per_segment);
	return record->kept == record->length ? segmenter_init(segmenter, packet) : -EBADMSG;
}

/* For a packet to be written, best where it is to stand in the file. */
static uint8_t *find_room(struct writing *writing, size_t size)
{
	uint8_t *room = NULL;

	if (writing->format->room)
		room = writing->format->room(&writing->file, size);
	return room ? room : writing->segment;
}

/* As a wire would see it. Return: false if that cannot be. */
static bool write_segments(struct writing *writing, const struct lane_record *record,
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
					  .layer = writing->capture->layer,
					  .offload = &offload };
	struct segmenter segmenter;

	if (begin_segments(&segmenter, record, &packet) < 0)
		return false;
	do {
		uint8_t *room = find_room(writing, segmenter_room(&segmenter));

		written->data = room;
		written->kept = (uint32_t)segmenter_next(&segmenter, room);
		written->length = (uint32_t)segmenter_whole(&segmenter);
		written->is_last = segmenter_left(&segmenter) == 0;
		write_record(writing, written);
	} while (!written->is_last);
	return true;
}

void writing_packet(struct writing *writing, const struct lane_record *record, uint32_t port,
		    uint16_t from)
{
	uint64_t time_ns = record->stamp_ns + writing->offset_ns;
	struct format_packet packet = {
		.point = (enum lw_capture_point)record->point,
		.reason = (enum lw_drop)record->reason,
		.from = from ? writing->book->ports[from - 1].met->name : NULL,
		.is_flooded = record->flags & LANE_IS_FLOODED,
		.is_replayed = record->flags & LANE_IS_REPLAYED,
		.data = record->data,
		.kept = record->kept,
		.length = record->length,
		.is_last = true,
	};

	if (writing_is_complete(writing))
		return;
	writing->packets++;
	if (!writing->is_open || !describe(writing, port))
		return;
	writing->last_ns = MAX(writing->last_ns, time_ns);
	packet.time_ns = writing->last_ns;
	packet.port = writing->indices[port] - 1;
	writing->book->ports[port].written++;
	if ((record->flags & LANE_HAS_OFFLOAD) && !writing->capture->has_whole_super_frames &&
	    write_segments(writing, record, &packet))
		return;
	write_record(writing, &packet);
}

uint64_t writing_size_with(const struct writing *writing, const struct lane_record *record)
{
	uint64_t segments = 1;

	if (record->gso_size && (record->flags & LANE_HAS_OFFLOAD))
		segments += record->length / record->gso_size;
	return (uint64_t)writing->output.whole + writing->output.used + DESCRIPTION +
	       segments * AROUND_RECORD + record->kept +
	       (writing->n_in_file + UINT64_C(1)) * STATISTICS;
}

/* ---- The end */

static void write_statistics(struct writing *writing)
{
	uint64_t now_ns = clock_ns(CLOCK_BOOTTIME) + writing->offset_ns;

	for (uint32_t i = 0; i < writing->n_indices && i < writing->book->n; i++) {
		struct format_statistics statistics;

		if (!writing->indices[i])
			continue;
		statistics = book_count(writing->book, i);
		writing->format->statistics(&writing->file, writing->indices[i] - 1, now_ns,
					    &statistics);
	}
}

void writing_abandon(struct writing *writing)
{
	writing->is_open = false;
	writing->format->end(&writing->file);
	output_close(&writing->output);
}

void writing_end(struct writing *writing)
{
	if (!writing->is_open)
		return;
	writing->is_open = false;
	/* Ports that were seen and gave nothing are described too, where there is room for all; those
	 * that are only where something came in are not. */
	if (!writing->capture->file_bytes) {
		book_find_all(writing->book);
		for (uint32_t i = 0; i < writing->book->n; i++)
			if (book_count(writing->book, i).seen)
				(void)describe(writing, i);
	}
	write_statistics(writing);
	writing->format->end(&writing->file);
	output_close(&writing->output);
}
