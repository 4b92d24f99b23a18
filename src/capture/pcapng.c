/* SPDX-License-Identifier: MIT */
/* pcapng, as draft-ietf-opsawg-pcapng has it: little of it, but that in order. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/memory.h"
#include "capture/format.h"
#include "capture/output.h"

enum block_type {
	SECTION_HEADER = 0x0a0d0d0a,
	INTERFACE_DESCRIPTION = 1,
	INTERFACE_STATISTICS = 5,
	ENHANCED_PACKET = 6,
};

enum option {
	OPT_END = 0,
	OPT_COMMENT = 1,
	SHB_OS = 3,
	SHB_USERAPPL = 4,
	IF_NAME = 2,
	IF_DESCRIPTION = 3,
	IF_TSRESOL = 9,
	IF_FILTER = 11,
	EPB_FLAGS = 2,
	ISB_STARTTIME = 2,
	ISB_ENDTIME = 3,
	ISB_IFRECV = 4,
	ISB_IFDROP = 5,
	ISB_FILTERACCEPT = 6,
	ISB_OSDROP = 7,
	ISB_USRDELIV = 8,
};

/* Of a block that is no packet's; of what stands behind a packet. */
enum { PLAIN_SIZE = 2 * LW_CAPTURE_FILTER_MAX, ENDING_SIZE = 256, ROOM_BEHIND = ENDING_SIZE + 8 };
enum { LINKTYPE_ETHERNET = 1, LINKTYPE_RAW = 101 };
enum { DIRECTION_UNKNOWN = 0, DIRECTION_INBOUND = 1, DIRECTION_OUTBOUND = 2 };

/* A packet's block, as it stands in the file before its data. */
struct packet_head {
	uint32_t type, block_length, port, time_upper, time_lower, kept, length;
};

/* What stands behind a packet's data but for the block's length: options. Much the same ones follow
 * each other at a point, and making them takes longer than all the rest of the block. */
struct ending {
	enum lw_capture_point point;
	enum lw_drop reason;
	const char *from;
	bool is_flooded, is_replayed;
	uint32_t length; /* 0: not made yet */
	uint8_t data[ENDING_SIZE];
};

enum { POINTS = 5 };

struct pcapng {
	struct ending endings[POINTS]; /* by the number of the point's bit */
};

/* In the byte order of this machine, which the section's header tells. */
struct block {
	uint8_t *data;
	size_t length;
};

static void put(struct block *block, const void *data, size_t n)
{
	static const uint8_t padding[4];

	memcpy(block->data + block->length, data, n);
	block->length += n;
	memcpy(block->data + block->length, padding, -n & 3);
	block->length += -n & 3;
}

static void put_16(struct block *block, uint16_t a, uint16_t b)
{
	put(block, (const uint16_t[]){ a, b }, 4);
}

static void put_32(struct block *block, uint32_t value)
{
	put(block, &value, sizeof(value));
}

/* Times are two words, the upper first, whatever the byte order. */
static void put_time(struct block *block, uint64_t time_ns)
{
	put_32(block, (uint32_t)(time_ns >> 32));
	put_32(block, (uint32_t)time_ns);
}

static void put_option(struct block *block, enum option option, const void *data, size_t n)
{
	put_16(block, (uint16_t)option, (uint16_t)n);
	put(block, data, n);
}

static void put_text(struct block *block, enum option option, const char *text)
{
	put_option(block, option, text, strlen(text));
}

static void put_count(struct block *block, enum option option, uint64_t count)
{
	put_option(block, option, &count, sizeof(count));
}

static void put_time_option(struct block *block, enum option option, uint64_t time_ns)
{
	put_16(block, (uint16_t)option, 8);
	put_time(block, time_ns);
}

/* Return: whether there is room for a block of size bytes. */
static bool begin_block(struct format_file *file, struct block *block, enum block_type type,
			size_t size)
{
	*block = (struct block){ .data = output_room(file->output, size) };
	if (!block->data)
		return false;
	put_32(block, (uint32_t)type);
	put_32(block, 0); /* its length: later */
	return true;
}

static void end_block(struct format_file *file, struct block *block, bool is_record, bool is_last)
{
	uint32_t length = (uint32_t)block->length + 4;

	put_32(block, length);
	memcpy(block->data + 4, &length, sizeof(length));
	output_commit(file->output, length, is_record, is_last);
}

static int begin(struct format_file *file)
{
	const int64_t unknown_length = -1;
	struct utsname system;
	char text[160];
	struct block block;

	file->state = calloc(1, sizeof(struct pcapng));
	if (!file->state)
		return -ENOMEM;
	if (!begin_block(file, &block, SECTION_HEADER, PLAIN_SIZE))
		return file->output->error;
	put_32(&block, 0x1a2b3c4d);
	put_16(&block, 1, 0);
	put(&block, &unknown_length, sizeof(unknown_length));
	if (uname(&system) == 0) {
		snprintf(text, sizeof(text), "%.60s %.60s", system.sysname, system.release);
		put_text(&block, SHB_OS, text);
	}
	snprintf(text, sizeof(text), "Longwire %.40s", lw_version());
	put_text(&block, SHB_USERAPPL, text);
	if (file->why)
		put_text(&block, OPT_COMMENT, file->why);
	put_16(&block, OPT_END, 0);
	end_block(file, &block, false, false);
	return 0;
}

static void port(struct format_file *file, const struct format_port *port)
{
	const uint8_t nanoseconds = 9;
	struct block block;
	char text[LW_CAPTURE_FILTER_MAX + 2];

	if (!begin_block(file, &block, INTERFACE_DESCRIPTION, PLAIN_SIZE))
		return;
	put_16(&block, file->layer == LW_LAYER_IP ? LINKTYPE_RAW : LINKTYPE_ETHERNET, 0);
	put_32(&block, file->snap_length);
	if (*port->name) {
		put_text(&block, IF_NAME, port->name);
		snprintf(text, sizeof(text), "%s %.64s", port->is_device ? "interface" : "peer",
			 port->name);
		put_text(&block, IF_DESCRIPTION, text);
	}
	put_option(&block, IF_TSRESOL, &nanoseconds, 1);
	if (file->filter) { /* 0: an expression of libpcap's */
		int n = snprintf(text, sizeof(text), "%c%s", '\0', file->filter);

		put_option(&block, IF_FILTER, text, MIN((size_t)n, sizeof(text) - 1));
	}
	put_16(&block, OPT_END, 0);
	end_block(file, &block, false, false);
}

/* Seen from the port: what comes in there is inbound. */
static uint32_t direction_of(enum lw_capture_point point)
{
	switch (point) {
	case LW_CAPTURE_DEVICE_IN:
	case LW_CAPTURE_SESSION_IN:
		return DIRECTION_INBOUND;
	case LW_CAPTURE_DEVICE_OUT:
	case LW_CAPTURE_SESSION_OUT:
		return DIRECTION_OUTBOUND;
	default:
		return DIRECTION_UNKNOWN;
	}
}

static void put_comment(struct block *block, const struct format_packet *packet)
{
	const char *replayed = packet->is_replayed ? ", replayed" : "";
	char text[170];

	if (packet->point == LW_CAPTURE_DROP)
		snprintf(text, sizeof(text), "dropped: %.40s: %.100s%s",
			 lw_drop_name(packet->reason), lw_drop_text(packet->reason), replayed);
	else if (packet->from)
		snprintf(text, sizeof(text), "from %.64s, %s%s", packet->from,
			 packet->is_flooded ? "flooded" : "known", replayed);
	else if (packet->is_replayed)
		snprintf(text, sizeof(text), "replayed");
	else
		return;
	put_text(block, OPT_COMMENT, text);
}

static void make_ending(struct ending *ending, const struct format_packet *packet)
{
	uint32_t direction = direction_of(packet->point);
	struct block block = { .data = ending->data };

	put_option(&block, EPB_FLAGS, &direction, sizeof(direction));
	put_comment(&block, packet);
	put_16(&block, OPT_END, 0);
	ending->point = packet->point;
	ending->reason = packet->reason;
	ending->from = packet->from;
	ending->is_flooded = packet->is_flooded;
	ending->is_replayed = packet->is_replayed;
	ending->length = (uint32_t)block.length;
}

static bool is_same(const struct ending *ending, const struct format_packet *packet)
{
	return ending->length && ending->point == packet->point &&
	       ending->reason == packet->reason && ending->from == packet->from &&
	       ending->is_flooded == packet->is_flooded &&
	       ending->is_replayed == packet->is_replayed;
}

static const struct ending *find_ending(struct pcapng *pcapng, const struct format_packet *packet)
{
	struct ending *ending = &pcapng->endings[__builtin_ctz(packet->point) % POINTS];

	if (unlikely(!is_same(ending, packet)))
		make_ending(ending, packet);
	return ending;
}

static uint8_t *room(struct format_file *file, size_t kept)
{
	uint8_t *data = output_room(file->output, sizeof(struct packet_head) + kept + ROOM_BEHIND);

	return data ? data + sizeof(struct packet_head) : NULL;
}

static void packet(struct format_file *file, const struct format_packet *packet)
{
	const struct ending *ending = find_ending(file->state, packet);
	size_t padded = (packet->kept + 3) & ~(size_t)3;
	const struct packet_head head = {
		.type = ENHANCED_PACKET,
		.block_length = (uint32_t)(sizeof(head) + padded + ending->length + 4),
		.port = packet->port,
		.time_upper = (uint32_t)(packet->time_ns >> 32),
		.time_lower = (uint32_t)packet->time_ns,
		.kept = packet->kept,
		.length = packet->length,
	};
	uint8_t *block = output_room(file->output, head.block_length), *data;

	if (!block)
		return;
	data = block + sizeof(head);
	memcpy(block, &head, sizeof(head));
	if (packet->data != data)
		memcpy(data, packet->data, packet->kept);
	memset(data + packet->kept, 0, padded - packet->kept);
	memcpy(data + padded, ending->data, ending->length);
	memcpy(block + head.block_length - 4, &head.block_length, 4);
	output_commit(file->output, head.block_length, true, packet->is_last);
}

static void statistics(struct format_file *file, uint32_t port, uint64_t now_ns,
		       const struct format_statistics *statistics)
{
	struct block block;

	if (!begin_block(file, &block, INTERFACE_STATISTICS, PLAIN_SIZE))
		return;
	put_32(&block, port);
	put_time(&block, now_ns);
	put_time_option(&block, ISB_STARTTIME, file->begin_ns);
	put_time_option(&block, ISB_ENDTIME, now_ns);
	put_count(&block, ISB_IFRECV, statistics->seen);
	put_count(&block, ISB_IFDROP, 0);
	put_count(&block, ISB_FILTERACCEPT, statistics->matched);
	put_count(&block, ISB_OSDROP, statistics->dropped);
	put_count(&block, ISB_USRDELIV, statistics->written);
	put_16(&block, OPT_END, 0);
	end_block(file, &block, false, false);
}

static void end(struct format_file *file)
{
	free(file->state); /* a section needs no end */
	file->state = NULL;
}

const struct format pcapng_format = {
	.begin = begin,
	.port = port,
	.room = room,
	.packet = packet,
	.statistics = statistics,
	.end = end,
};
