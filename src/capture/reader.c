/* SPDX-License-Identifier: MIT */
/* Savefiles read by libpcap. */
#include "capture/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memory.h"

struct reader {
	pcap_t *pcap;
};

static bool is_of_layer(int link_type, enum lw_layer layer)
{
	if (layer == LW_LAYER_ETHERNET)
		return link_type == DLT_EN10MB;
	return link_type == DLT_RAW || link_type == DLT_IPV4 || link_type == DLT_IPV6;
}

static int check_link_type(pcap_t *pcap, enum lw_layer layer, struct lw_error *error)
{
	int link_type = pcap_datalink(pcap);
	const char *name = pcap_datalink_val_to_name(link_type);

	if (is_of_layer(link_type, layer))
		return 0;
	return error_set(error, -EMEDIUMTYPE, LW_DOMAIN_CONFIGURATION, EMEDIUMTYPE,
			 "the file has packets of the link type %s (%d); layer: %s",
			 name ? name : "?", link_type,
			 layer == LW_LAYER_ETHERNET ? "ethernet needs EN10MB" : "ip needs RAW");
}

/* Return: a stream of its own over the file, at its beginning, or NULL with a sentence. */
static FILE *open_stream(int fd, struct lw_error *error)
{
	_cleanup_close_ int copy = -1;
	struct stat status;
	FILE *stream;

	if (fstat(fd, &status) < 0) {
		error_errno(error, errno, "the savefile");
		return NULL;
	}
	if (!S_ISREG(status.st_mode)) {
		error_set(error, 0, LW_DOMAIN_CONFIGURATION, EINVAL,
			  "the savefile is not a regular file");
		return NULL;
	}
	copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (copy < 0 || lseek(copy, 0, SEEK_SET) < 0 || !(stream = fdopen(copy, "rb"))) {
		error_errno(error, errno, "the savefile");
		return NULL;
	}
	take_fd(&copy);
	return stream;
}

int reader_new(int fd, enum lw_layer layer, struct reader **ret_reader, struct lw_error *ret_error)
{
	struct reader *reader;
	char text[PCAP_ERRBUF_SIZE];
	FILE *stream = open_stream(fd, ret_error);
	int r;

	if (!stream)
		return -EINVAL;
	reader = calloc(1, sizeof(*reader));
	if (reader)
		reader->pcap = pcap_fopen_offline_with_tstamp_precision(
			stream, PCAP_TSTAMP_PRECISION_NANO, text);
	if (!reader || !reader->pcap) {
		fclose(stream);
		free(reader);
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "the savefile cannot be read: %s", reader ? text : "no memory");
	}
	r = check_link_type(reader->pcap, layer, ret_error);
	if (r < 0) {
		reader_free(reader);
		return r;
	}
	*ret_reader = reader;
	return 0;
}

void reader_free(struct reader *reader)
{
	if (!reader)
		return;
	pcap_close(reader->pcap); /* and the stream */
	free(reader);
}

int reader_next(struct reader *reader, struct reader_packet *ret_packet, struct lw_error *ret_error)
{
	struct pcap_pkthdr *header;
	const u_char *data;
	int r = pcap_next_ex(reader->pcap, &header, &data);

	if (r == PCAP_ERROR_BREAK)
		return 0;
	if (r != 1)
		return error_set(ret_error, -EIO, LW_DOMAIN_SYSTEM, EIO,
				 "the savefile is damaged: %s", pcap_geterr(reader->pcap));
	*ret_packet = (struct reader_packet){
		.data = data,
		.length = header->caplen,
		.whole = header->len,
		/* The precision that was asked for: tv_usec is nanoseconds. */
		.at_ns = (uint64_t)header->ts.tv_sec * 1000000000u + (uint64_t)header->ts.tv_usec,
	};
	return 1;
}
