/* SPDX-License-Identifier: MIT */
/*
 * Value structs that begin with their size, across versions of the interface: a caller built
 * against an older header gives and takes fewer bytes, and what he does not know of is zero. One
 * built against a newer header gives more; that is fine as long as he asks for nothing that this
 * version does not know: the rest is zero (as the kernel's copy_struct_from_user has it).
 */
#ifndef BASE_VALUE_H
#define BASE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/memory.h"

/* No struct of any version comes near: a larger size was never set. */
enum { VALUE_SIZE_MAX = 4096 };

/* Copy from into to, which has size bytes. Return: false, and to untouched, when from's size was
 * never set, or when it asks for what is not known here. */
static inline bool value_take(void *to, size_t size, const void *from)
{
	const unsigned char *bytes = from;
	size_t given;

	memcpy(&given, from, sizeof(given));
	if (given < sizeof(given) || given > VALUE_SIZE_MAX)
		return false;
	for (size_t i = size; i < given; i++)
		if (bytes[i])
			return false;
	memset(to, 0, size);
	memcpy(to, from, MIN(size, given));
	return true;
}

/* Copy value (size bytes) into to as far as its own size says; its size stays. One that was never
 * set takes everything. */
static inline void value_give(void *to, const void *value, size_t size)
{
	size_t room;

	memcpy(&room, to, sizeof(room));
	if (room < sizeof(room) || room > size)
		room = size;
	memcpy(to, value, room);
	memcpy(to, &room, sizeof(room));
}

#endif
