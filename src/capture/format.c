/* SPDX-License-Identifier: MIT */
/* Which format a capture file has. */
#include "capture/format.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum lw_capture_format format_choose(enum lw_capture_format format, const char *file)
{
	static const char ending[] = ".pcapng";
	size_t length = file ? strlen(file) : 0;

	if (format != LW_CAPTURE_FORMAT_AUTO)
		return format;
	if (!file)
		return LW_CAPTURE_PCAPNG;
	if (length < sizeof(ending) || strcmp(file + length - strlen(ending), ending) != 0)
		return LW_CAPTURE_PCAP;
	return LW_CAPTURE_PCAPNG;
}

const struct format *format_get(enum lw_capture_format format)
{
	return format == LW_CAPTURE_PCAPNG ? &pcapng_format : &pcap_format;
}

/* ---- Where a file ends */

enum {
	PCAPNG_SECTION = 0x0a0d0d0a,
	PCAP_NANO = (int)0xa1b23c4d,
	PCAP_MICRO = (int)0xa1b2c3d4,
	PCAP_HEADER = 24,
	PCAP_RECORD = 16,
	PCAPNG_BLOCK_MAX = LW_CAPTURE_SNAP_MAX + 65536,
};

/* In the order of this machine, which wrote them. */
static uint32_t word_at(const uint8_t *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

/* Return: the length of the block that begins at offset, 0 if none is whole there. */
static uint32_t pcapng_length(int fd, int64_t offset)
{
	uint8_t head[8], tail[4];
	uint32_t length;

	if (pread(fd, head, sizeof(head), offset) != sizeof(head))
		return 0;
	length = word_at(head + 4);
	if (length < 12 || length % 4 != 0 || length > PCAPNG_BLOCK_MAX ||
	    pread(fd, tail, sizeof(tail), offset + length - 4) != sizeof(tail) ||
	    word_at(tail) != length)
		return 0;
	return length;
}

static uint32_t pcap_length(int fd, int64_t offset)
{
	uint8_t head[PCAP_RECORD], last;
	uint32_t kept;

	if (pread(fd, head, sizeof(head), offset) != sizeof(head))
		return 0;
	kept = word_at(head + 8);
	if (kept > LW_CAPTURE_SNAP_MAX)
		return 0;
	if (kept && pread(fd, &last, 1, offset + PCAP_RECORD + kept - 1) != 1)
		return 0;
	return PCAP_RECORD + kept;
}

int64_t format_find_end(int fd)
{
	uint8_t magic[4];
	int64_t end = 0;
	uint32_t length;

	if (pread(fd, magic, sizeof(magic), 0) != sizeof(magic))
		return 0;
	switch ((int)word_at(magic)) {
	case PCAPNG_SECTION:
		while ((length = pcapng_length(fd, end)) > 0)
			end += length;
		return end;
	case PCAP_NANO:
	case PCAP_MICRO:
		end = PCAP_HEADER;
		while ((length = pcap_length(fd, end)) > 0)
			end += length;
		return lseek(fd, 0, SEEK_END) < PCAP_HEADER ? 0 : end;
	default:
		return -EINVAL;
	}
}

int64_t format_mend(int fd)
{
	struct stat status;
	int64_t end;

	if (fstat(fd, &status) < 0)
		return -errno;
	if (!S_ISREG(status.st_mode))
		return -EINVAL;
	end = format_find_end(fd);
	if (end <= 0)
		return end < 0 ? end : -EINVAL;
	if (end < status.st_size && ftruncate(fd, end) < 0)
		return -errno;
	return status.st_size - end;
}
