/* SPDX-License-Identifier: MIT */
/* Segmentation of super-frames. */
#include "device/segment.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "device/checksum.h"

enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_CWR = 0x80 };
enum { TCP_SEQUENCE = 4, TCP_FLAGS = 13, UDP_LENGTH = 4 };

static bool is_super(const struct segmenter *segmenter)
{
	return segmenter->offload.gso != LW_GSO_NONE;
}

static bool is_its_type(const struct offload_layout *layout, enum lw_gso gso)
{
	if (!layout->is_tcp)
		return gso == LW_GSO_UDP;
	return gso == (layout->is_ipv6 ? LW_GSO_TCPV6 : LW_GSO_TCPV4);
}

/* Of an IPv4 header without what differs in each segment, and without its checksum. */
static uint32_t sum_network(const uint8_t *p)
{
	uint32_t sum = checksum_add(0, p, 2);

	sum = checksum_add(sum, p + 6, 4);
	return checksum_add(sum, p + 12, (size_t)(p[0] & 15) * 4 - 12);
}

static int init_super(struct segmenter *segmenter)
{
	const struct lw_packet *packet = &segmenter->packet;
	struct offload_layout *layout = &segmenter->layout;
	size_t size = segmenter->offload.gso_size;

	if (offload_parse(packet->layer, packet->data, packet->length, layout) < 0 ||
	    !is_its_type(layout, segmenter->offload.gso))
		return -EBADMSG;
	if (size == 0 || packet->length == layout->payload ||
	    packet->length - layout->payload > size * SEGMENTS_MAX)
		return -EBADMSG;
	if (!layout->is_ipv6)
		segmenter->network_sum = sum_network(packet->data + layout->network);
	return 0;
}

int segmenter_init(struct segmenter *segmenter, const struct lw_packet *packet)
{
	struct segmenter begun = { .packet = *packet, .offload = *packet->offload };
	size_t field = (size_t)begun.offload.checksum_start + begun.offload.checksum_offset;

	if (packet->length > LW_PACKET_MAX)
		return -EBADMSG;
	if (is_super(&begun)) {
		if (init_super(&begun) < 0)
			return -EBADMSG;
	} else if (begun.offload.needs_checksum && field + 2 > packet->length) {
		return -EBADMSG;
	}
	begun.stride = begun.offload.gso_size;
	*segmenter = begun;
	return 0;
}

int segmenter_init_cut(struct segmenter *segmenter, const struct lw_packet *packet,
		       size_t per_segment)
{
	if (packet->offload->gso == LW_GSO_NONE || segmenter_init(segmenter, packet) < 0)
		return -EBADMSG;
	segmenter->stride = MIN(per_segment, segmenter->stride);
	return 0;
}

size_t segmenter_whole(const struct segmenter *segmenter)
{
	size_t size = segmenter->offload.gso_size;

	if (!is_super(segmenter))
		return segmenter->packet.length;
	return segmenter->layout.payload + segmenter->done - (segmenter->index - 1) * size;
}

size_t segmenter_left(const struct segmenter *segmenter)
{
	return segmenter->packet.length - segmenter->done -
	       (is_super(segmenter) ? segmenter->layout.payload : 0);
}

size_t segmenter_room(const struct segmenter *segmenter)
{
	if (!is_super(segmenter))
		return segmenter->packet.length;
	return MIN(segmenter->packet.length,
		   segmenter->layout.payload + segmenter->offload.gso_size);
}

static size_t write_whole(struct segmenter *segmenter, uint8_t *data)
{
	size_t length = segmenter->packet.length;

	if (segmenter->done == length)
		return 0;
	segmenter->done = length;
	memcpy(data, segmenter->packet.data, length);
	if (segmenter->offload.needs_checksum)
		(void)offload_complete_checksum(data, length, &segmenter->offload);
	return length;
}

/* p: the IP header with length bytes from it to the end. */
static void set_network(const struct segmenter *segmenter, uint8_t *p, size_t length)
{
	uint32_t id;

	if (segmenter->layout.is_ipv6) {
		store_be16(p + 4, (uint16_t)(length - 40));
		return;
	}
	id = (uint16_t)(load_be16(p + 4) + segmenter->index);
	store_be16(p + 2, (uint16_t)length);
	store_be16(p + 4, (uint16_t)id);
	store_be16(p + 10,
		   (uint16_t)~checksum_fold(segmenter->network_sum + (uint32_t)length + id));
}

static void set_tcp(uint8_t *p, uint32_t done, bool is_first, bool is_last)
{
	store_be32(p + TCP_SEQUENCE, load_be32(p + TCP_SEQUENCE) + done);
	if (!is_first)
		p[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	if (!is_last)
		p[TCP_FLAGS] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
}

static void set_checksum(const uint8_t *network, uint8_t *transport, size_t length, bool is_tcp)
{
	uint8_t *field = transport + (is_tcp ? OFFLOAD_TCP_CHECKSUM : OFFLOAD_UDP_CHECKSUM);
	uint8_t protocol = is_tcp ? IPPROTO_TCP : IPPROTO_UDP;
	uint16_t checksum;

	store_be16(field, 0);
	checksum = checksum_pseudo_header(network, protocol, (uint32_t)length);
	checksum = (uint16_t)~checksum_add(checksum, transport, length);
	store_be16(field, checksum == 0 && !is_tcp ? 0xffff : checksum);
}

size_t segmenter_next(struct segmenter *segmenter, uint8_t *data)
{
	const struct offload_layout *layout = &segmenter->layout;
	const struct lw_packet *packet = &segmenter->packet;
	uint8_t *network = data + layout->network, *transport = data + layout->transport;
	size_t left, n, there, length;

	if (!is_super(segmenter))
		return write_whole(segmenter, data);
	left = segmenter_left(segmenter);
	if (left == 0)
		return 0;
	n = MIN(left, (size_t)segmenter->offload.gso_size);
	there = MIN(n, segmenter->stride);
	length = layout->payload + n;
	memcpy(data, packet->data, layout->payload);
	memcpy(data + layout->payload,
	       packet->data + layout->payload + segmenter->index * segmenter->stride, there);
	set_network(segmenter, network, length - layout->network);
	if (layout->is_tcp)
		set_tcp(transport, (uint32_t)segmenter->done, segmenter->index == 0, n == left);
	else
		store_be16(transport + UDP_LENGTH, (uint16_t)(length - layout->transport));
	if (there == n)
		set_checksum(network, transport, length - layout->transport, layout->is_tcp);
	segmenter->done += n;
	segmenter->index++;
	return layout->payload + there;
}
