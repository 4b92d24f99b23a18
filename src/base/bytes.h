/* SPDX-License-Identifier: MIT */
/*
 * Reading and writing bytes within bounds.
 *
 * A reader is sticky: the first read beyond the end makes it failed, every later read returns 0 or
 * NULL, and one check at the end decides. It is the only way in which lengths from the wire are
 * believed. A writer is sticky alike.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
	const uint8_t *data;
	size_t length, offset;
	bool failed;
};

struct writer {
	uint8_t *data;
	size_t size, length;
	bool failed;
};

static inline uint16_t load_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t load_be24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline uint32_t load_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t load_be64(const uint8_t *p)
{
	return (uint64_t)load_be32(p) << 32 | load_be32(p + 4);
}

static inline uint16_t load_le16(const uint8_t *p)
{
	return (uint16_t)(p[1] << 8 | p[0]);
}

static inline void store_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void store_be24(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 16);
	p[1] = (uint8_t)(v >> 8);
	p[2] = (uint8_t)v;
}

static inline void store_be32(uint8_t *p, uint32_t v)
{
	store_be16(p, (uint16_t)(v >> 16));
	store_be16(p + 2, (uint16_t)v);
}

static inline void store_be64(uint8_t *p, uint64_t v)
{
	store_be32(p, (uint32_t)(v >> 32));
	store_be32(p + 4, (uint32_t)v);
}

static inline void store_le16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline struct reader reader_over(const void *data, size_t length)
{
	return (struct reader){ .data = data, .length = length };
}

static inline size_t reader_left(const struct reader *r)
{
	return r->failed ? 0 : r->length - r->offset;
}

/* Return: a view of the next n bytes, or NULL (and the reader has failed). */
const uint8_t *reader_take(struct reader *r, size_t n);
uint8_t reader_u8(struct reader *r);
uint16_t reader_be16(struct reader *r);
uint32_t reader_be24(struct reader *r);
uint32_t reader_be32(struct reader *r);
uint64_t reader_be64(struct reader *r);

static inline struct writer writer_over(void *data, size_t size)
{
	return (struct writer){ .data = data, .size = size };
}

/* Return: room for n bytes, counted as written, or NULL (and the writer has failed). */
uint8_t *writer_room(struct writer *w, size_t n);
void writer_bytes(struct writer *w, const void *data, size_t n);
void writer_u8(struct writer *w, uint8_t v);
void writer_be16(struct writer *w, uint16_t v);
void writer_be24(struct writer *w, uint32_t v);
void writer_be32(struct writer *w, uint32_t v);
void writer_be64(struct writer *w, uint64_t v);

#endif
