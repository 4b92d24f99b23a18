/* SPDX-License-Identifier: MIT */
/* Memory that is erased, memory that costs nothing until touched, descriptors that are closed
 * once. */
#include "base/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

void close_fd(int *descriptor)
{
	int saved_errno = errno;

	if (*descriptor >= 0)
		close(take_fd(descriptor));
	errno = saved_errno;
}

void memory_erase(void *data, size_t length)
{
	if (length)
		explicit_bzero(data, length);
}

void *memory_map(size_t length)
{
	void *data;

	if (length == 0)
		return NULL;
	data = mmap(NULL, length, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return data == MAP_FAILED ? NULL : data;
}

void memory_unmap(void *data, size_t length)
{
	if (data)
		munmap(data, length);
}

void memory_untouch(void *data, size_t length)
{
	/* The kernel takes whole pages only; what it would not take (locked memory) is zeroed by
	 * hand. */
	if (data && madvise(data, length, MADV_DONTNEED) < 0)
		memset(data, 0, length);
}
