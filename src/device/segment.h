/* SPDX-License-Identifier: MIT */
/*
 * Super-frames in software: one cut into packets that need nothing more, and packets joined to one.
 *
 * Theory of operation. A segmenter walks over a packet with work left and writes one complete
 * packet a call into the caller's buffer, where it is wanted (a device's scratch, a record that is
 * about to be sealed): headers copied, lengths, IPv4 identification, TCP sequence number and flags
 * set, checksums computed from nothing but what is there. It takes what our own kernel may say,
 * which is more than a peer may (see offload.h).
 *
 * A segmenter may also walk over what a capture kept of a super-frame: its headers, and of each
 * segment the first bytes of payload, in a row. It then writes the segments as far as they are there.
 *
 * coalesce() is its inverse and never changes what the ends see: it joins only consecutive packets
 * of a batch whose headers and checksums are, to the last bit, those that segmenting will make
 * again. Packets of other flows between them end the run: order is never changed.
 */
#ifndef DEVICE_SEGMENT_H
#define DEVICE_SEGMENT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <longwire/packet.h>

#include "device/offload.h"

/* As many as 64 KiB make at the smallest segment that the kernel's TCP agrees to (48 bytes). */
enum { SEGMENTS_MAX = 1365, COALESCED_MAX = 65535 };

struct segmenter {
	struct lw_packet packet; /* its data and offload are borrowed */
	struct lw_offload offload;
	struct offload_layout layout; /* of a super-frame */
	uint32_t network_sum;         /* of its IPv4 header, without length, id and checksum */
	size_t done;                  /* bytes of payload, or the whole packet */
	size_t stride;                /* payload bytes of each segment that are there */
	uint32_t index;               /* of the next segment */
};

/* packet has work left to do. 0, or -EBADMSG: it cannot be done, it contradicts the packet. */
int segmenter_init(struct segmenter *segmenter, const struct lw_packet *packet);
/*
 * The same over a cut super-frame: packet->length is the whole's, but its data has the headers and
 * of each segment's payload only the first per_segment bytes. What segmenter_next() then writes is
 * so much shorter than its headers say; a segment that is not whole keeps the transport checksum
 * that the super-frame had.
 */
int segmenter_init_cut(struct segmenter *segmenter, const struct lw_packet *packet,
		       size_t per_segment);
/* Return: how long the segment that was written last is when it is whole. */
size_t segmenter_whole(const struct segmenter *segmenter);
/* Return: payload bytes of the segments to come; 0: the one written last was the last. */
size_t segmenter_left(const struct segmenter *segmenter);
/* Return: the room that the longest segment needs. */
size_t segmenter_room(const struct segmenter *segmenter);
/* Write the next. Return: its length, 0 after the last. data has room for segmenter_room(). */
size_t segmenter_next(struct segmenter *segmenter, uint8_t *data);

/*
 * Join the TCP segments that a batch begins with. Return: how many packets (≥ 1) *ret_packet stands
 * for. 1: it is packets[0] as it was. More: its data is buffer (LW_PACKET_MAX bytes) and its
 * offload is ret_offload. n ≥ 1.
 */
size_t coalesce(const struct lw_packet *packets, size_t n, uint8_t *buffer,
		struct lw_packet *ret_packet, struct lw_offload *ret_offload);

#endif
