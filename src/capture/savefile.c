/* SPDX-License-Identifier: MIT */
/* A savefile that holds whole packets only, whatever the disk does. */
#include "capture/savefile.h"

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/memory.h"

/* As in the file: struct pcap_file_header, and the 16 bytes before each packet. */
enum { FILE_HEADER_SIZE = 24, PACKET_HEADER_SIZE = 16, PACKET_CAPLEN_OFFSET = 8 };

struct savefile {
	pcap_t *pcap; /* link type, snap length and precision, for the file header */
	pcap_dumper_t *dumper;
	FILE *file;                /* the dumper's */
	size_t buffered;           /* bytes in the stdio buffer */
	uint64_t buffered_packets; /* and the packets that they are */
	off_t whole;               /* length of the file up to the last flush */
	uint32_t snap_length;
	int error; /* negative errno; 0: going on */
	uint64_t written, dropped;
	char buffer[SAVEFILE_BUFFER_SIZE];
};

static int remove_old(const char *path, struct lw_error *ret_error)
{
	struct stat status;

	if (lstat(path, &status) < 0)
		return errno == ENOENT ? 0 : error_errno(ret_error, errno, "capture: %s", path);
	if (S_ISLNK(status.st_mode))
		return error_set(ret_error, -ELOOP, LW_DOMAIN_SYSTEM, ELOOP,
				 "capture: %s is a symbolic link; allowed is a regular file", path);
	if (!S_ISREG(status.st_mode))
		return error_set(ret_error, -EEXIST, LW_DOMAIN_SYSTEM, EEXIST,
				 "capture: %s exists and is not a regular file", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_errno(ret_error, errno, "capture: %s", path);
	return 0;
}

/* Readable too: after a failed write the file itself tells where its last whole packet ends. */
static int create_file(const char *path, FILE **ret_file, struct lw_error *ret_error)
{
	_cleanup_close_ int descriptor = -1;
	FILE *file;
	int r;

	r = remove_old(path, ret_error);
	if (r < 0)
		return r;
	descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (descriptor < 0)
		return error_errno(ret_error, errno, "capture: %s", path);
	file = fdopen(descriptor, "w+");
	if (!file)
		return error_errno(ret_error, errno, "capture: %s", path);
	take_fd(&descriptor);
	*ret_file = file;
	return 0;
}

static int begin(struct savefile *savefile, const char *path, enum lw_layer layer,
		 struct lw_error *ret_error)
{
	FILE *file = NULL;
	int r;

	savefile->pcap =
		pcap_open_dead_with_tstamp_precision(layer == LW_LAYER_IP ? DLT_RAW : DLT_EN10MB,
						     (int)savefile->snap_length,
						     PCAP_TSTAMP_PRECISION_NANO);
	if (!savefile->pcap)
		return error_errno(ret_error, ENOMEM, "capture: %s", path);
	r = create_file(path, &file, ret_error);
	if (!file)
		return r;
	setvbuf(file, savefile->buffer, _IOFBF, sizeof(savefile->buffer));
	savefile->dumper = pcap_dump_fopen(savefile->pcap, file);
	if (!savefile->dumper) {
		fclose(file);
		unlink(path);
		return error_errno(ret_error, EIO, "capture: %s", path);
	}
	savefile->file = file;
	savefile->buffered = FILE_HEADER_SIZE;
	r = savefile_flush(savefile);
	if (r < 0) {
		unlink(path);
		return error_errno(ret_error, -r, "capture: %s", path);
	}
	return 0;
}

int savefile_new(const char *path, enum lw_layer layer, uint32_t snap_length,
		 struct savefile **ret_savefile, struct lw_error *ret_error)
{
	struct savefile *savefile = calloc(1, sizeof(*savefile));
	int r;

	if (!savefile)
		return error_errno(ret_error, ENOMEM, "capture: %s", path);
	savefile->snap_length = snap_length;
	r = begin(savefile, path, layer, ret_error);
	if (r < 0) {
		savefile_free(savefile);
		return r;
	}
	*ret_savefile = savefile;
	return 0;
}

void savefile_free(struct savefile *savefile)
{
	if (!savefile)
		return;
	if (savefile->dumper) {
		savefile_flush(savefile);
		pcap_dump_close(savefile->dumper);
	}
	if (savefile->pcap)
		pcap_close(savefile->pcap);
	free(savefile);
}

/* Walk the packets from the last flushed one on. Return: how many are whole; *end is behind the
 * last of them. */
static uint64_t find_whole(int descriptor, off_t size, off_t *end)
{
	uint8_t header[PACKET_HEADER_SIZE];
	uint64_t packets = 0;

	while (pread(descriptor, header, sizeof(header), *end) == sizeof(header)) {
		uint32_t kept; /* savefiles are in host byte order */
		off_t next;

		memcpy(&kept, header + PACKET_CAPLEN_OFFSET, sizeof(kept));
		next = *end + PACKET_HEADER_SIZE + (off_t)kept;
		if (next > size)
			break;
		*end = next;
		packets++;
	}
	return packets;
}

static void stop(struct savefile *savefile, int error)
{
	int descriptor = fileno(savefile->file);
	struct stat status;

	savefile->error = error;
	/* What stdio still holds must not come out at fclose, when the disk may have room again. */
	__fpurge(savefile->file);
	if (savefile->whole >= FILE_HEADER_SIZE && fstat(descriptor, &status) == 0) {
		uint64_t packets = find_whole(descriptor, status.st_size, &savefile->whole);

		savefile->written += packets;
		savefile->buffered_packets -= MIN(packets, savefile->buffered_packets);
	}
	if (ftruncate(descriptor, savefile->whole) < 0)
		savefile->error = -errno;
	savefile->dropped += savefile->buffered_packets;
	savefile->buffered_packets = 0;
	savefile->buffered = 0;
}

int savefile_flush(struct savefile *savefile)
{
	if (savefile->error < 0)
		return savefile->error;
	errno = EIO;
	if (fflush(savefile->file) != 0 || ferror(savefile->file)) {
		stop(savefile, -errno);
		return savefile->error;
	}
	savefile->whole += (off_t)savefile->buffered;
	savefile->written += savefile->buffered_packets;
	savefile->buffered = 0;
	savefile->buffered_packets = 0;
	return 0;
}

void savefile_write(struct savefile *savefile, const uint8_t *data, size_t length)
{
	struct pcap_pkthdr header = { .len = (bpf_u_int32)length };
	struct timespec now;

	header.caplen = (bpf_u_int32)MIN(length, (size_t)savefile->snap_length);
	header.caplen = MIN(header.caplen, SAVEFILE_BUFFER_SIZE - PACKET_HEADER_SIZE);
	if (savefile->buffered + PACKET_HEADER_SIZE + header.caplen > SAVEFILE_BUFFER_SIZE)
		savefile_flush(savefile);
	if (savefile->error < 0) {
		savefile->dropped++;
		return;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	header.ts.tv_sec = now.tv_sec;
	header.ts.tv_usec = now.tv_nsec; /* nanoseconds, as the file's header says */
	pcap_dump((u_char *)savefile->dumper, &header, data);
	savefile->buffered += PACKET_HEADER_SIZE + header.caplen;
	savefile->buffered_packets++;
	if (ferror(savefile->file))
		stop(savefile, -EIO);
}

int savefile_error(const struct savefile *savefile)
{
	return savefile->error;
}

uint64_t savefile_written(const struct savefile *savefile)
{
	return savefile->written;
}

uint64_t savefile_dropped(const struct savefile *savefile)
{
	return savefile->dropped;
}
