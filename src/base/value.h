/* SPDX-License-Identifier: MIT */
/*
 * Value structs that begin with their size, across versions of the interface: a caller built
 * against an older header gives and takes fewer bytes, and what he does not know of is zero.
 */
#ifndef BASE_VALUE_H
#define BASE_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "base/memory.h"

/* Copy from into to, which has size bytes. Return: false when from's size was never set. */
static inline bool value_take(void *to, size_t size, const void *from)
{
	size_t given;

	memcpy(&given, from, sizeof(given));
	if (given < sizeof(given))
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
