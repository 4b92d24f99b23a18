/* SPDX-License-Identifier: MIT */
/* The classic savefile, encoded by libpcap. */
#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "capture/format.h"
#include "capture/output.h"

enum { FILE_HEADER_SIZE = 24, PACKET_HEADER_SIZE = 16 };

/* libpcap writes to a stream without a buffer, which is the room for the block under way. */
struct savefile {
	pcap_t *pcap; /* link type, snap length and precision, for the file header */
	pcap_dumper_t *dumper;
	uint8_t *room;
	size_t used, size;
};

static ssize_t take(void *cookie, const char *data, size_t n)
{
	struct savefile *savefile = cookie;

	if (!savefile->room || n > savefile->size - savefile->used)
		return 0; /* an error, to stdio */
	memcpy(savefile->room + savefile->used, data, n);
	savefile->used += n;
	return (ssize_t)n;
}

static int open_dumper(struct savefile *savefile)
{
	FILE *stream = fopencookie(savefile, "w", (cookie_io_functions_t){ .write = take });

	if (!stream)
		return -ENOMEM;
	setvbuf(stream, NULL, _IONBF, 0);
	savefile->dumper = pcap_dump_fopen(savefile->pcap, stream);
	if (savefile->dumper)
		return 0;
	fclose(stream);
	return -EIO;
}

static int begin(struct format_file *file)
{
	struct savefile *savefile = calloc(1, sizeof(*savefile));
	int link_type = file->layer == LW_LAYER_IP ? DLT_RAW : DLT_EN10MB;
	int r;

	if (!savefile)
		return -ENOMEM;
	file->state = savefile;
	savefile->pcap = pcap_open_dead_with_tstamp_precision(link_type, (int)file->snap_length,
							      PCAP_TSTAMP_PRECISION_NANO);
	if (!savefile->pcap)
		return -ENOMEM;
	savefile->room = output_room(file->output, FILE_HEADER_SIZE);
	if (!savefile->room)
		return file->output->error;
	savefile->size = FILE_HEADER_SIZE;
	r = open_dumper(savefile);
	if (r == 0)
		output_commit(file->output, savefile->used, false, false);
	savefile->room = NULL;
	return r;
}

static void port(struct format_file *file, const struct format_port *port)
{
	(void)file;
	(void)port;
}

static void packet(struct format_file *file, const struct format_packet *packet)
{
	struct savefile *savefile = file->state;
	struct pcap_pkthdr header = { .caplen = packet->kept, .len = packet->length };

	header.ts.tv_sec = (time_t)(packet->time_ns / 1000000000);
	header.ts.tv_usec = (suseconds_t)(packet->time_ns % 1000000000); /* as the header says */
	savefile->size = PACKET_HEADER_SIZE + packet->kept;
	savefile->room = output_room(file->output, savefile->size);
	savefile->used = 0;
	if (!savefile->room)
		return;
	pcap_dump((u_char *)savefile->dumper, &header, packet->data);
	output_commit(file->output, savefile->used, true, packet->is_last);
	savefile->room = NULL;
}

static void statistics(struct format_file *file, uint32_t port, uint64_t now_ns,
		       const struct format_statistics *statistics)
{
	(void)file;
	(void)port;
	(void)now_ns;
	(void)statistics;
}

static void end(struct format_file *file)
{
	struct savefile *savefile = file->state;

	if (!savefile)
		return;
	if (savefile->dumper)
		pcap_dump_close(savefile->dumper);
	if (savefile->pcap)
		pcap_close(savefile->pcap);
	free(savefile);
	file->state = NULL;
}

const struct format pcap_format = {
	.begin = begin,
	.port = port,
	.packet = packet,
	.statistics = statistics,
	.end = end,
};
