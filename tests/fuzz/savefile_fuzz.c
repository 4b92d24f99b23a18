/* SPDX-License-Identifier: MIT */
/*
 * A file that a killed process left → where its last whole record ends: within the file, and the same
 * again when it is cut there.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_right, const char *what)
{
	if (is_right)
		return;
	fprintf(stderr, "savefile: %s\n", what);
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("savefile", MFD_CLOEXEC);
	int64_t end;

	if (fd < 0 || size > 1 << 20)
		abort();
	expect(write(fd, data, size) == (ssize_t)size, "written");
	end = format_find_end(fd);
	if (end > 0) {
		expect((uint64_t)end <= size, "its end is within it");
		expect(format_mend(fd) == (int64_t)size - end, "cut");
		expect(format_find_end(fd) == end, "the same again");
		expect(format_mend(fd) == 0, "nothing more to cut");
	}
	close(fd);
	return 0;
}
