/* SPDX-License-Identifier: MIT */
/* Cleanup attributes, container_of, and memory that is erased. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define container_of(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))
#define ARRAY_SIZE(a)                       (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)                           ((a) < (b) ? (a) : (b))
#define MAX(a, b)                           ((a) > (b) ? (a) : (b))
#define likely(x)                           __builtin_expect(!!(x), 1)
#define unlikely(x)                         __builtin_expect(!!(x), 0)

static inline void cleanup_free(void *pointer_to_pointer)
{
	free(*(void **)pointer_to_pointer);
}

static inline void cleanup_close(const int *descriptor)
{
	if (*descriptor >= 0)
		close(*descriptor);
}

#define _cleanup_free_  __attribute__((cleanup(cleanup_free)))
#define _cleanup_close_ __attribute__((cleanup(cleanup_close)))

/* Give the descriptor away: returns it and leaves -1, so that _cleanup_close_ does nothing. */
static inline int take_fd(int *descriptor)
{
	int taken = *descriptor;

	*descriptor = -1;
	return taken;
}

/* Give the pointer away. */
#define take_pointer(p)               \
	({                            \
		__typeof__(p) t_ = p; \
		(p) = NULL;           \
		t_;                   \
	})

/* Close and set to -1; accepts -1. */
void close_fd(int *descriptor);

/* Overwrite in a way that no compiler removes. */
void memory_erase(void *data, size_t length);

/*
 * Large, zeroed, page-aligned memory that costs nothing until it is touched (anonymous mmap); NULL
 * when there is none. memory_unmap accepts NULL. memory_untouch gives the pages back and leaves the
 * mapping (zeroed).
 */
void *memory_map(size_t length);
void memory_unmap(void *data, size_t length);
void memory_untouch(void *data, size_t length);

#endif
