/* SPDX-License-Identifier: MIT */
/* Reading and writing bytes within bounds. */
#include "base/bytes.h"

const uint8_t *reader_take(struct reader *r, size_t n)
{
	static const uint8_t nothing[1];
	const uint8_t *view;

	if (r->failed || n > r->length - r->offset) {
		r->failed = true;
		return NULL;
	}
	view = r->data ? r->data + r->offset : nothing;
	r->offset += n;
	return view;
}

uint8_t reader_u8(struct reader *r)
{
	const uint8_t *p = reader_take(r, 1);

	return p ? p[0] : 0;
}

uint16_t reader_be16(struct reader *r)
{
	const uint8_t *p = reader_take(r, 2);

	return p ? load_be16(p) : 0;
}

uint32_t reader_be24(struct reader *r)
{
	const uint8_t *p = reader_take(r, 3);

	return p ? load_be24(p) : 0;
}

uint32_t reader_be32(struct reader *r)
{
	const uint8_t *p = reader_take(r, 4);

	return p ? load_be32(p) : 0;
}

uint64_t reader_be64(struct reader *r)
{
	const uint8_t *p = reader_take(r, 8);

	return p ? load_be64(p) : 0;
}

uint8_t *writer_room(struct writer *w, size_t n)
{
	uint8_t *room;

	if (w->failed || !w->data || n > w->size - w->length) {
		w->failed = true;
		return NULL;
	}
	room = w->data + w->length;
	w->length += n;
	return room;
}

void writer_bytes(struct writer *w, const void *data, size_t n)
{
	uint8_t *room = n ? writer_room(w, n) : NULL;

	if (room)
		memcpy(room, data, n);
}

void writer_u8(struct writer *w, uint8_t v)
{
	uint8_t *room = writer_room(w, 1);

	if (room)
		room[0] = v;
}

void writer_be16(struct writer *w, uint16_t v)
{
	uint8_t *room = writer_room(w, 2);

	if (room)
		store_be16(room, v);
}

void writer_be24(struct writer *w, uint32_t v)
{
	uint8_t *room = writer_room(w, 3);

	if (room)
		store_be24(room, v);
}

void writer_be32(struct writer *w, uint32_t v)
{
	uint8_t *room = writer_room(w, 4);

	if (room)
		store_be32(room, v);
}

void writer_be64(struct writer *w, uint64_t v)
{
	uint8_t *room = writer_room(w, 8);

	if (room)
		store_be64(room, v);
}
