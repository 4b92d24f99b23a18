/* SPDX-License-Identifier: MIT */
/* Savefiles for tests to replay: classic pcap with nanosecond stamps, in memory. */
#ifndef SUPPORT_SAVEFILE_H
#define SUPPORT_SAVEFILE_H

#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SAVEFILE_ETHERNET = 1, SAVEFILE_RAW = 101 };

static inline void savefile_word(int fd, uint32_t value)
{
	assert_int_equal(write(fd, &value, sizeof(value)), sizeof(value));
}

static inline int savefile_make(uint32_t link_type)
{
	int fd = memfd_create("savefile", MFD_CLOEXEC);

	assert_true(fd >= 0);
	savefile_word(fd, 0xa1b23c4d);
	savefile_word(fd, 4 << 16 | 2);
	savefile_word(fd, 0);
	savefile_word(fd, 0);
	savefile_word(fd, 262144);
	savefile_word(fd, link_type);
	return fd;
}

static inline void savefile_put(int fd, uint64_t at_ns, const void *data, size_t length,
				size_t whole)
{
	savefile_word(fd, (uint32_t)(at_ns / 1000000000));
	savefile_word(fd, (uint32_t)(at_ns % 1000000000));
	savefile_word(fd, (uint32_t)length);
	savefile_word(fd, (uint32_t)whole);
	assert_int_equal(write(fd, data, length), length);
}

#endif
