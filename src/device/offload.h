/* SPDX-License-Identifier: MIT */
/*
 * What is left to do on a packet: whether that agrees with the packet, and doing it.
 *
 * Theory of operation. A peer's offload metadata goes to the kernel's virtio-net parser and from
 * there to network cards, so none of it is believed: offload_check() parses the frame by itself
 * (at most two tags, IPv4 or IPv6 without extension headers, no fragments, TCP or UDP, every length
 * inside the frame and equal to what is there) and says no to a claim that differs. What it gives
 * back is made from the frame alone. Our own kernel's packets go through it too before they are
 * sent on: what it may say beyond these rules (a small segment size, an extension header) is no
 * error of its, and is segmented or completed by segment.h instead.
 *
 * A sender: when the peer's hello has all of wire_offload_needs(), and offload_check() accepts,
 * the wire form of ret_rebuilt goes before the frame; otherwise each packet of segment.h goes as
 * a plain frame. A receiver: wire_offload_decode(), that its own hello had
 * wire_offload_needs(), offload_check() with the network's MTU; the packet is dropped
 * (LW_DROP_OFFLOAD) where one says no, else it goes on with ret_rebuilt.
 */
#ifndef DEVICE_OFFLOAD_H
#define DEVICE_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <longwire/packet.h>

enum { OFFLOAD_SEGMENTS_MAX = 64, OFFLOAD_SIZE_MIN = 536, OFFLOAD_MTU_MAX = 65535 };
enum { OFFLOAD_TCP_CHECKSUM = 16, OFFLOAD_UDP_CHECKSUM = 6 };

/* Where the headers of a TCP or UDP packet are: bytes from the first of the packet. */
struct offload_layout {
	size_t network;   /* the IP header */
	size_t transport; /* the TCP or UDP header */
	size_t payload;   /* what follows it, to the end of the packet */
	bool is_ipv6, is_tcp;
};

/* 0 or -EBADMSG: not TCP or UDP over IP as above, or a length that is not the packet's. */
int offload_parse(enum lw_layer layer, const uint8_t *data, size_t length,
		  struct offload_layout *ret_layout);

/*
 * mtu: of an IP packet; a segment's headers and payload stay within it. 0 or -EBADMSG.
 * ret_rebuilt: nothing, a checksum, or a checksum and a GSO of ≥ 2 segments (of one: its checksum).
 * ret_header_length: for virtio-net's hdr_len; 0 when there is nothing to do.
 */
int offload_check(enum lw_layer layer, const uint8_t *data, size_t length, uint32_t mtu,
		  const struct lw_offload *claimed, struct lw_offload *ret_rebuilt,
		  uint16_t *ret_header_length);

static inline bool offload_is_work(const struct lw_offload *offload)
{
	return offload && (offload->needs_checksum || offload->gso != LW_GSO_NONE);
}

/*
 * Finish the checksum of a packet that needs no segmentation, in place. The field holds the sum of
 * the pseudo-header, as the kernel leaves it. 0, or -EBADMSG, untouched, when it lies outside.
 */
int offload_complete_checksum(uint8_t *data, size_t length, const struct lw_offload *offload);

#endif
