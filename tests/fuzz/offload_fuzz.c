/* SPDX-License-Identifier: MIT */
/*
 * An offload header and a packet of any bytes: what is accepted agrees with the packet by a naive
 * reading; what it is cut into is complete and no longer than the MTU; joining is undone by cutting.
 *
 * Input: a byte of choices, ten of header, the packet.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/packet_builder.h"
#include "base/memory.h"
#include "device/offload.h"
#include "device/segment.h"
#include "wire/offload.h"

enum { MTU = 1500, PARTS_MAX = OFFLOAD_SEGMENTS_MAX + 1 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_right, const char *what)
{
	if (is_right)
		return;
	fprintf(stderr, "offload: %s\n", what);
	abort();
}

/* Cut a packet into parts, one behind the other in memory. Return: how many; the checks are those
 * that hold for each. */
static size_t cut(const struct lw_packet *packet, const struct lw_offload *offload,
		  uint8_t **ret_bytes, struct lw_packet *parts)
{
	struct lw_packet work = *packet;
	struct offload_layout layout;
	struct segmenter segmenter;
	size_t n = 0, room, total = 0;

	work.offload = offload;
	expect(offload_parse(packet->layer, packet->data, packet->length, &layout) == 0 &&
		       segmenter_init(&segmenter, &work) == 0,
	       "accepted and cannot be cut");
	room = segmenter_room(&segmenter);
	*ret_bytes = malloc(room * PARTS_MAX);
	expect(*ret_bytes != NULL, "no memory");
	for (;;) {
		uint8_t *to = *ret_bytes + n * room;
		size_t length = segmenter_next(&segmenter, to);

		if (length == 0)
			break;
		expect(n < PARTS_MAX && length <= room, "too many, or too long");
		expect(is_complete(to, length, layout.network, layout.transport), "its checksums");
		expect(memcmp(to + layout.payload, packet->data + layout.payload + total,
			      length - layout.payload) == 0,
		       "its payload");
		total += length - layout.payload;
		parts[n] = work;
		parts[n].data = to;
		parts[n].length = length;
		parts[n].offload = NULL;
		n++;
	}
	expect(total == packet->length - layout.payload, "all of the payload");
	return n;
}

/* Join the head of a batch; what comes of it is accepted by a peer and cut into the same again. */
static void try_join(const struct lw_packet *parts, size_t n)
{
	static struct lw_packet again[PARTS_MAX];
	static uint8_t buffer[LW_PACKET_MAX];
	struct lw_offload offload, rebuilt;
	struct lw_packet joined;
	uint16_t header_length;
	uint8_t *bytes;
	size_t used = coalesce(parts, n, buffer, &joined, &offload);

	expect(used >= 1 && used <= n, "more than there are");
	if (used == 1) {
		expect(joined.data == parts[0].data, "one is left as it is");
		return;
	}
	expect(offload_check(joined.layer, joined.data, joined.length, OFFLOAD_MTU_MAX,
			     joined.offload, &rebuilt, &header_length) == 0,
	       "joined to what no peer takes");
	expect(cut(&joined, &offload, &bytes, again) == used, "cut into another number");
	for (size_t i = 0; i < used; i++)
		expect(again[i].length == parts[i].length &&
			       memcmp(again[i].data, parts[i].data, parts[i].length) == 0,
		       "joined and cut is another");
	free(bytes);
}

static void check_accepted(const struct lw_packet *packet, const struct lw_offload *claimed,
			   const struct lw_offload *rebuilt, uint16_t header_length)
{
	static struct lw_packet parts[PARTS_MAX];
	struct offload_layout layout;
	uint8_t *bytes;
	size_t n;

	if (!claimed->needs_checksum) {
		expect(!offload_is_work(rebuilt) && header_length == 0, "work from nothing");
		return;
	}
	expect(offload_parse(packet->layer, packet->data, packet->length, &layout) == 0 &&
		       rebuilt->checksum_start == layout.transport &&
		       rebuilt->checksum_offset == (layout.is_tcp ? 16 : 6) &&
		       header_length == layout.payload && layout.payload <= packet->length,
	       "rebuilt as another");
	if (rebuilt->gso == LW_GSO_NONE)
		return;
	expect(rebuilt->gso == claimed->gso && rebuilt->gso_size >= 536, "its kind and size");
	n = cut(packet, rebuilt, &bytes, parts);
	expect(n >= 2 && n <= 64, "its number of segments");
	for (size_t i = 0; i < n; i++)
		expect(parts[i].length - layout.network <= MTU, "longer than the MTU");
	try_join(parts, n);
	free(bytes);
}

static void try_header(const struct lw_packet *packet, const uint8_t header[UNIT_OFFLOAD_SIZE])
{
	struct lw_offload claimed, rebuilt;
	uint8_t again[UNIT_OFFLOAD_SIZE];
	uint16_t header_length;

	if (wire_offload_decode(header, &claimed) < 0)
		return;
	expect(header[0] <= 1 && header[2] == 0 && header[3] == 0, "a field that is not ours");
	wire_offload_encode(&claimed, again);
	expect(memcmp(again, header, sizeof(again)) == 0, "another header for the same");
	if (offload_check(packet->layer, packet->data, packet->length, MTU, &claimed, &rebuilt,
			  &header_length) == 0)
		check_accepted(packet, &claimed, &rebuilt, header_length);
}

/* Make a copy of a TCP packet its number-th successor, as far as choice allows. */
static void succeed(uint8_t *p, size_t length, const struct offload_layout *layout, size_t number,
		    unsigned choice)
{
	uint8_t *ip = p + layout->network, *tcp = p + layout->transport;
	size_t covered = length - layout->transport;
	uint16_t sum;

	store_be32(tcp + 4, load_be32(tcp + 4) + (uint32_t)(number * (length - layout->payload)));
	if (!layout->is_ipv6 && !(choice & 1)) {
		store_be16(ip + 4, (uint16_t)(load_be16(ip + 4) + number));
		store_be16(ip + 10, 0);
		sum = slow_sum(0, ip, layout->transport - layout->network);
		store_be16(ip + 10, (uint16_t)~sum);
	}
	if (choice & 2)
		return;
	store_be16(tcp + 16, 0);
	sum = slow_sum(slow_pseudo(ip, 6, covered), tcp, covered);
	store_be16(tcp + 16, (uint16_t)~sum);
}

/* The packet and copies of it with the next sequence numbers, as far as it is TCP. */
static void try_batch(const struct lw_packet *packet, unsigned choice)
{
	enum { COPIES = 4, COPY_MAX = 4096 };
	struct lw_packet batch[COPIES];
	struct offload_layout layout;
	uint8_t *copies;

	if (packet->length > COPY_MAX ||
	    offload_parse(packet->layer, packet->data, packet->length, &layout) < 0 ||
	    !layout.is_tcp)
		return;
	copies = malloc(packet->length * COPIES);
	expect(copies != NULL, "no memory");
	for (size_t i = 0; i < COPIES; i++) {
		batch[i] = *packet;
		batch[i].data = copies + i * packet->length;
		memcpy(copies + i * packet->length, packet->data, packet->length);
		succeed(copies + i * packet->length, packet->length, &layout, i, choice);
	}
	try_join(batch, COPIES);
	free(copies);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lw_packet packet = { .layer = LW_LAYER_ETHERNET };

	if (size < 1 + UNIT_OFFLOAD_SIZE || size > LW_PACKET_MAX)
		return 0;
	if (data[0] & 4)
		packet.layer = LW_LAYER_IP;
	packet.data = data + 1 + UNIT_OFFLOAD_SIZE;
	packet.length = size - 1 - UNIT_OFFLOAD_SIZE;
	try_header(&packet, data + 1);
	try_batch(&packet, data[0]);
	return 0;
}
