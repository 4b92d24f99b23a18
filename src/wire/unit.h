/* SPDX-License-Identifier: MIT */
/*
 * Units: what a stream carries inside TLS. type:8 length:24, then the body.
 *
 * Theory of operation. A stream of plaintext bytes comes in pieces of any size. The decoder looks
 * at a contiguous buffer and says: here is a whole unit, or how many bytes are needed, or the rule
 * that was broken. It holds no bytes itself and allocates nothing. A length is checked against the
 * limit of its type as soon as four bytes are there, before a byte of the body is waited for. Types
 * 0x80 … 0xff may be unknown and are then skipped by the caller; others may not.
 */
#ifndef WIRE_UNIT_H
#define WIRE_UNIT_H

#include <stddef.h>
#include <stdint.h>

enum unit_type {
	UNIT_FRAME = 0x01, /* an Ethernet frame or IP packet */
	UNIT_OFFLOAD_FRAME =
		0x02, /* 10 bytes of offload, then the frame; only after both said so */
	UNIT_HELLO = 0x03,
	UNIT_SETTINGS = 0x04,
	UNIT_MESSAGE = 0x05,
	UNIT_JOIN = 0x06,
	UNIT_GOODBYE = 0x07,
	UNIT_PROBE = 0x08,
	UNIT_LAST = 0x09,
	UNIT_OPTIONAL = 0x80, /* from here on unknown types are ignored */
};

enum {
	UNIT_HEADER_SIZE = 4,
	UNIT_OFFLOAD_SIZE = 10,
	UNIT_HELLO_MAX = 1024,
	UNIT_SETTINGS_MAX = 65536,
	UNIT_MESSAGE_MAX = 4096,
	UNIT_JOIN_MAX = 1024,
	UNIT_GOODBYE_MAX = 512,
	UNIT_OPTIONAL_MAX = 4096,
	/* the largest unit of all, header included: a 64 KiB super-frame with two tags and its
	   offload header */
	UNIT_SIZE_MAX = UNIT_HEADER_SIZE + UNIT_OFFLOAD_SIZE + 65535 + 22,
};

struct unit {
	uint8_t type;
	const uint8_t *body; /* within the caller's buffer */
	uint32_t length;     /* of the body */
};

enum unit_result {
	UNIT_OK = 0,
	UNIT_NEED_MORE = 1,     /* *ret_needed: the size in bytes of the whole unit, or 4 while even
				   that is unknown */
	UNIT_UNKNOWN_TYPE = -1, /* below 0x80 and not one of ours */
	UNIT_TOO_LONG = -2,     /* over the limit of its type */
	UNIT_TOO_SHORT =
		-3, /* a probe or last of another length, an offload frame without its header */
};

/* frame_max: the largest body of a frame that was agreed on (without offload header). ret_unit and
 * ret_needed are untouched otherwise. */
enum unit_result unit_decode(const uint8_t *data, size_t length, uint32_t frame_max,
			     struct unit *ret_unit, size_t *ret_needed);
/* "unknown unit type", …: for the goodbye. */
const char *unit_result_text(enum unit_result result);

/* Write the four bytes of a header. */
static inline void unit_encode_header(uint8_t *p, uint8_t type, uint32_t length)
{
	p[0] = type;
	p[1] = (uint8_t)(length >> 16);
	p[2] = (uint8_t)(length >> 8);
	p[3] = (uint8_t)length;
}

#endif
