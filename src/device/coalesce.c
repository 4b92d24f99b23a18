/* SPDX-License-Identifier: MIT */
/* Joining TCP segments: the inverse of segmentation. */
#include <netinet/in.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "device/checksum.h"
#include "device/segment.h"

enum { TCP_FIN = 0x01, TCP_PSH = 0x08, TCP_ACK = 0x10, TCP_ECE = 0x40 };
enum { TCP_SEQUENCE = 4, TCP_FLAGS = 13, TCP_URGENT = 18 };

/* The run so far: what each further segment is compared with. */
struct run {
	const struct lw_packet *first, *last;
	struct offload_layout layout; /* of all */
	size_t size;                  /* payload of each but the last */
	size_t length;                /* of what they make together */
	uint32_t n;
};

static size_t payload_of(const struct run *run, const struct lw_packet *packet)
{
	return packet->length - run->layout.payload;
}

static uint8_t flags_of(const struct run *run, const struct lw_packet *packet)
{
	return packet->data[run->layout.transport + TCP_FLAGS];
}

/* A packet may need its checksum, as one of our kernel's does, but nothing else. */
static bool is_alone(const struct lw_packet *packet, const struct offload_layout *layout)
{
	const struct lw_offload *offload = packet->offload;

	if (!offload_is_work(offload))
		return true;
	return offload->gso == LW_GSO_NONE && offload->checksum_start == layout->transport &&
	       offload->checksum_offset == OFFLOAD_TCP_CHECKSUM;
}

/* Flags that a segmenter makes again: ECN's echo is in every segment, FIN and PSH in the last. */
static bool is_segment(const struct lw_packet *packet, const struct offload_layout *layout)
{
	uint8_t flags;

	if (!layout->is_tcp || !is_alone(packet, layout))
		return false;
	flags = packet->data[layout->transport + TCP_FLAGS];
	return (flags & TCP_ACK) && (flags & ~(TCP_ACK | TCP_ECE | TCP_PSH | TCP_FIN)) == 0 &&
	       packet->length > layout->payload;
}

static bool has_right_checksums(const struct lw_packet *packet, const struct offload_layout *layout)
{
	const uint8_t *network = packet->data + layout->network;
	const uint8_t *transport = packet->data + layout->transport;
	size_t length = packet->length - layout->transport;
	uint16_t found = load_be16(transport + OFFLOAD_TCP_CHECKSUM), sum;

	/* There are two ways to write zero: a header's is judged as it would be written again. */
	if (!layout->is_ipv6 &&
	    (load_be16(network + 10) == 0xffff ||
	     checksum_add(0, network, layout->transport - layout->network) != 0xffff))
		return false;
	if (offload_is_work(packet->offload))
		return true;
	sum = checksum_pseudo_header(network, IPPROTO_TCP, (uint32_t)length);
	return found != 0xffff && checksum_add(sum, transport, length) == 0xffff;
}

static bool is_same(const uint8_t *a, const uint8_t *b, size_t from, size_t to)
{
	return memcmp(a + from, b + from, to - from) == 0;
}

/* All but lengths, identification, sequence number, FIN, PSH and checksums. */
static bool has_same_headers(const struct run *run, const struct lw_packet *packet)
{
	const uint8_t *a = run->first->data, *b = packet->data;
	size_t ip = run->layout.network, tcp = run->layout.transport;
	uint8_t varying = TCP_FIN | TCP_PSH;

	if (!is_same(a, b, 0, ip) ||
	    ((flags_of(run, run->first) ^ flags_of(run, packet)) & ~varying))
		return false;
	if (run->layout.is_ipv6) {
		if (!is_same(a, b, ip, ip + 4) || !is_same(a, b, ip + 6, tcp))
			return false;
	} else if (!is_same(a, b, ip, ip + 2) || !is_same(a, b, ip + 6, ip + 10) ||
		   !is_same(a, b, ip + 12, tcp)) {
		return false;
	}
	return is_same(a, b, tcp, tcp + TCP_SEQUENCE) && is_same(a, b, tcp + 8, tcp + TCP_FLAGS) &&
	       is_same(a, b, tcp + 14, tcp + OFFLOAD_TCP_CHECKSUM) &&
	       is_same(a, b, tcp + TCP_URGENT, run->layout.payload);
}

static bool is_numbered_next(const struct run *run, const struct lw_packet *packet)
{
	const uint8_t *a = run->last->data, *b = packet->data;
	size_t tcp = run->layout.transport + TCP_SEQUENCE, id = run->layout.network + 4;

	if (load_be32(b + tcp) != load_be32(a + tcp) + (uint32_t)payload_of(run, run->last))
		return false;
	return run->layout.is_ipv6 || load_be16(b + id) == (uint16_t)(load_be16(a + id) + 1);
}

static bool is_same_layout(const struct offload_layout *a, const struct offload_layout *b)
{
	return a->network == b->network && a->transport == b->transport &&
	       a->payload == b->payload && a->is_ipv6 == b->is_ipv6 && a->is_tcp == b->is_tcp;
}

static bool begin(struct run *run, const struct lw_packet *packet)
{
	struct offload_layout layout;

	if (packet->length > COALESCED_MAX ||
	    offload_parse(packet->layer, packet->data, packet->length, &layout) < 0 ||
	    !is_segment(packet, &layout) || packet->length - layout.payload < OFFLOAD_SIZE_MIN)
		return false;
	*run = (struct run){ packet,         packet, layout, packet->length - layout.payload,
			     packet->length, 1 };
	return true;
}

static bool can_follow(const struct run *run, const struct lw_packet *packet)
{
	struct offload_layout layout;

	if (payload_of(run, run->last) != run->size ||
	    (flags_of(run, run->last) & (TCP_FIN | TCP_PSH)))
		return false;
	if (packet->layer != run->first->layer ||
	    offload_parse(packet->layer, packet->data, packet->length, &layout) < 0 ||
	    !is_same_layout(&layout, &run->layout) || !is_segment(packet, &layout))
		return false;
	if (payload_of(run, packet) > run->size || run->n == OFFLOAD_SEGMENTS_MAX ||
	    run->length + payload_of(run, packet) > COALESCED_MAX)
		return false;
	if (!has_same_headers(run, packet) || !is_numbered_next(run, packet))
		return false;
	return (run->n > 1 || has_right_checksums(run->first, &layout)) &&
	       has_right_checksums(packet, &layout);
}

static void finish_headers(const struct run *run, uint8_t *data)
{
	uint8_t *network = data + run->layout.network, *transport = data + run->layout.transport;
	size_t length = run->length - run->layout.transport;

	if (run->layout.is_ipv6) {
		store_be16(network + 4, (uint16_t)length);
	} else {
		store_be16(network + 2, (uint16_t)(run->length - run->layout.network));
		store_be16(network + 10, 0);
		store_be16(network + 10,
			   (uint16_t)~checksum_add(0, network,
						   run->layout.transport - run->layout.network));
	}
	transport[TCP_FLAGS] |= flags_of(run, run->last);
	store_be16(transport + OFFLOAD_TCP_CHECKSUM,
		   checksum_pseudo_header(network, IPPROTO_TCP, (uint32_t)length));
}

static void append(struct run *run, const struct lw_packet *packet, uint8_t *buffer)
{
	if (run->n == 1)
		memcpy(buffer, run->first->data, run->length);
	memcpy(buffer + run->length, packet->data + run->layout.payload, payload_of(run, packet));
	run->length += payload_of(run, packet);
	run->last = packet;
	run->n++;
}

size_t coalesce(const struct lw_packet *packets, size_t n, uint8_t *buffer,
		struct lw_packet *ret_packet, struct lw_offload *ret_offload)
{
	struct run run;

	*ret_packet = packets[0];
	if (n < 2 || !begin(&run, &packets[0]))
		return 1;
	while (run.n < n && can_follow(&run, &packets[run.n]))
		append(&run, &packets[run.n], buffer);
	if (run.n == 1)
		return 1;
	finish_headers(&run, buffer);
	*ret_offload = (struct lw_offload){
		.needs_checksum = true,
		.checksum_start = (uint16_t)run.layout.transport,
		.checksum_offset = OFFLOAD_TCP_CHECKSUM,
		.gso = run.layout.is_ipv6 ? LW_GSO_TCPV6 : LW_GSO_TCPV4,
		.gso_size = (uint16_t)run.size,
	};
	ret_packet->data = buffer;
	ret_packet->length = run.length;
	ret_packet->offload = ret_offload;
	return run.n;
}
