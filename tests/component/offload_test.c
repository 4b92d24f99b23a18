/* SPDX-License-Identifier: MIT */
/*
 * A peer's offload frame, from its ten bytes to what would be written: every header that the
 * kernel's virtio-net parser was seen to refuse, and every one that it should have.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "device/offload.h"
#include "support/packet_builder.h"
#include "wire/offload.h"

enum { MTU = 1500, PAYLOAD = 5000 };
enum frame { TCP4, TCP6, UDP4, ARP, TAGGED, FRAMES };

static struct built frames[FRAMES];

static int make_frames(void **state)
{
	static const struct shape shapes[FRAMES] = {
		[TCP4] = { .payload = PAYLOAD, .flags = 0x10, .is_partial = true },
		[TCP6] = { .payload = PAYLOAD, .flags = 0x10, .is_partial = true, .is_ipv6 = true },
		[UDP4] = { .payload = PAYLOAD, .is_udp = true, .is_partial = true },
		[ARP] = { .payload = PAYLOAD, .flags = 0x10, .is_partial = true },
		[TAGGED] = { .payload = PAYLOAD, .flags = 0x10, .is_partial = true, .tags = 2 },
	};

	(void)state;
	for (size_t i = 0; i < FRAMES; i++)
		build(&shapes[i], &frames[i]);
	store_be16(frames[ARP].data + 12, 0x0806);
	return 0;
}

struct header {
	uint8_t flags, type;
	uint16_t header_length, size, start, offset;
};

/* As the tunnel does: 0, or -EBADMSG and the frame goes nowhere. */
static int receive(const struct header *header, const struct built *frame, size_t length,
		   struct lw_offload *ret_rebuilt, uint16_t *ret_header_length)
{
	uint8_t data[UNIT_OFFLOAD_SIZE] = { header->flags, header->type };
	struct lw_offload claimed;

	store_le16(data + 2, header->header_length);
	store_le16(data + 4, header->size);
	store_le16(data + 6, header->start);
	store_le16(data + 8, header->offset);
	if (wire_offload_decode(data, &claimed) < 0)
		return -1;
	return offload_check(LW_LAYER_ETHERNET, frame->data, length, MTU, &claimed, ret_rebuilt,
			     ret_header_length) < 0
		       ? -1
		       : 0;
}

static void offload_frame__what_contradicts__is_refused(void **state)
{
	static const struct {
		const char *what;
		enum frame frame;
		size_t length; /* 0: the whole frame */
		struct header header;
	} rows[] = {
		{ "header only", TCP4, SIZE_MAX, { 1, 0, 0, 0, 34, 16 } },
		{ "5 bytes", TCP4, 5, { 1, 0, 0, 0, 34, 16 } },
		{ "13 bytes", TCP4, 13, { 1, 0, 0, 0, 34, 16 } },
		{ "checksum start beyond the frame", TCP4, 0, { 1, 0, 0, 0, 6000, 16 } },
		{ "checksum offset beyond the frame", TCP4, 0, { 1, 0, 0, 0, 34, 6000 } },
		{ "both at the end of the range", TCP4, 0, { 1, 0, 0, 0, 65535, 65535 } },
		{ "checksum start inside the Ethernet header", TCP4, 0, { 1, 0, 0, 0, 2, 16 } },
		{ "checksum offset inside the header before", TCP4, 0, { 1, 0, 0, 0, 14, 10 } },
		{ "GSO size 0", TCP4, 0, { 1, 1, 0, 0, 34, 16 } },
		{ "type 2", TCP4, 0, { 1, 2, 0, 1460, 34, 16 } },
		{ "type 0x7f", TCP4, 0, { 1, 0x7f, 0, 1460, 34, 16 } },
		{ "the ECN bit alone", TCP4, 0, { 1, 0x80, 0, 1460, 34, 16 } },
		{ "the ECN bit with a type", TCP4, 0, { 1, 0x81, 0, 1460, 34, 16 } },
		{ "TCPv6 on IPv4", TCP4, 0, { 1, 4, 0, 1460, 34, 16 } },
		{ "TCPv4 on IPv6", TCP6, 0, { 1, 1, 0, 1440, 54, 16 } },
		{ "another checksum offset of TCP", TCP4, 0, { 1, 1, 0, 1460, 34, 6 } },
		{ "another checksum offset of UDP", UDP4, 0, { 1, 0, 0, 0, 34, 16 } },
		{ "header length beyond the frame", TCP4, 0, { 1, 1, 6000, 1460, 34, 16 } },
		{ "any header length", TCP4, 0, { 1, 1, 54, 1460, 34, 16 } },
		{ "GSO size 1", TCP4, 0, { 1, 1, 0, 1, 34, 16 } },
		{ "GSO without a checksum", TCP4, 0, { 0, 1, 0, 1460, 0, 0 } },
		{ "GSO without a checksum, with its place", TCP4, 0, { 0, 1, 0, 1460, 34, 16 } },
		{ "GSO size beyond the frame", TCP4, 0, { 1, 1, 0, 5001, 34, 16 } },
		{ "GSO size beyond the MTU", TCP4, 0, { 1, 1, 0, 1461, 34, 16 } },
		{ "UDP fragmentation on TCP", TCP4, 0, { 1, 3, 0, 1460, 34, 16 } },
		{ "UDP fragmentation on UDP", UDP4, 0, { 1, 3, 0, 1460, 34, 6 } },
		{ "UDP segmentation on TCP", TCP4, 0, { 1, 5, 0, 1460, 34, 16 } },
		{ "TCP segmentation on UDP", UDP4, 0, { 1, 1, 0, 1460, 34, 6 } },
		{ "TCP segmentation on ARP", ARP, 0, { 1, 1, 0, 1460, 34, 16 } },
		{ "a checksum on ARP", ARP, 0, { 1, 0, 0, 0, 34, 16 } },
		{ "DATA_VALID", TCP4, 0, { 2, 0, 0, 0, 0, 0 } },
		{ "DATA_VALID with a checksum", TCP4, 0, { 3, 0, 0, 0, 34, 16 } },
		{ "RSC_INFO", TCP4, 0, { 4, 0, 0, 0, 0, 0 } },
		{ "RSC_INFO with a GSO", TCP4, 0, { 5, 1, 0, 1460, 34, 16 } },
		{ "flags 0xff", TCP4, 0, { 0xff, 1, 0, 1460, 34, 16 } },
		{ "a place that ignores the tags", TAGGED, 0, { 1, 1, 0, 1460, 34, 16 } },
		{ "a frame cut short", TCP4, 4000, { 1, 1, 0, 1460, 34, 16 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct built *frame = &frames[rows[i].frame];
		size_t length = rows[i].length == 0 ? frame->length : rows[i].length;
		struct lw_offload rebuilt = { .gso_size = 77 };
		uint16_t header_length = 77;

		if (length == SIZE_MAX)
			length = 0;
		if (receive(&rows[i].header, frame, length, &rebuilt, &header_length) == 0)
			fail_msg("%s: accepted", rows[i].what);
		assert_int_equal(rebuilt.gso_size, 77);
		assert_int_equal(header_length, 77);
	}
}

/* The same frames with the truth said of them: so that each row above is refused for what it names. */
static void offload_frame__what_agrees__is_rebuilt(void **state)
{
	static const struct {
		enum frame frame;
		struct header header;
		uint16_t header_length;
	} rows[] = {
		{ TCP4, { 0, 0, 0, 0, 0, 0 }, 0 },         { TCP4, { 1, 0, 0, 0, 34, 16 }, 54 },
		{ TCP4, { 1, 1, 0, 1460, 34, 16 }, 54 },   { TCP6, { 1, 4, 0, 1440, 54, 16 }, 74 },
		{ UDP4, { 1, 5, 0, 1400, 34, 6 }, 42 },    { UDP4, { 1, 0, 0, 0, 34, 6 }, 42 },
		{ TAGGED, { 1, 1, 0, 1460, 42, 16 }, 62 }, { ARP, { 0, 0, 0, 0, 0, 0 }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct built *frame = &frames[rows[i].frame];
		struct lw_offload rebuilt;
		uint8_t data[UNIT_OFFLOAD_SIZE];
		uint16_t header_length;

		assert_int_equal(receive(&rows[i].header, frame, frame->length, &rebuilt,
					 &header_length),
				 0);
		assert_int_equal(header_length, rows[i].header_length);
		assert_int_equal(rebuilt.gso, rows[i].header.type);
		assert_int_equal(rebuilt.gso_size, rows[i].header.size);
		/* What a hub sends on to the next is what it was told. */
		wire_offload_encode(&rebuilt, data);
		assert_int_equal(data[0], rows[i].header.flags);
		assert_int_equal(load_le16(data + 4), rows[i].header.size);
		assert_int_equal(load_le16(data + 6), rows[i].header.start);
		assert_int_equal(load_le16(data + 8), rows[i].header.offset);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offload_frame__what_contradicts__is_refused),
		cmocka_unit_test(offload_frame__what_agrees__is_rebuilt),
	};

	return cmocka_run_group_tests_name("component/offload", tests, make_frames, NULL);
}
