/* SPDX-License-Identifier: MIT */
/* Super-frames cut and joined: every segment complete, and each the inverse of the other. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "device/segment.h"
#include "support/packet_builder.h"

enum { ACK = 0x10, PSH = 0x08, FIN = 0x01, CWR = 0x80, ECE = 0x40, URG = 0x20, SYN = 0x02 };
enum { RUN_MAX = 66 };

static struct built whole;
static struct built parts[RUN_MAX];
static struct lw_packet packets[RUN_MAX];
static struct lw_offload offloads[RUN_MAX];
static uint8_t buffer[LW_PACKET_MAX], segment[LW_PACKET_MAX];

static struct lw_packet packet_of(const struct built *from, const struct shape *shape,
				  const struct lw_offload *offload)
{
	return (struct lw_packet){
		.data = from->data,
		.length = from->length,
		.layer = shape->is_ip_layer ? LW_LAYER_IP : LW_LAYER_ETHERNET,
		.offload = offload,
	};
}

static struct lw_offload work_of(const struct built *of, const struct shape *shape,
				 uint16_t gso_size)
{
	enum lw_gso tcp = shape->is_ipv6 ? LW_GSO_TCPV6 : LW_GSO_TCPV4;

	return (struct lw_offload){
		.needs_checksum = true,
		.checksum_start = (uint16_t)of->transport,
		.checksum_offset = shape->is_udp ? 6 : 16,
		.gso = gso_size == 0   ? LW_GSO_NONE
		       : shape->is_udp ? LW_GSO_UDP
				       : tcp,
		.gso_size = gso_size,
	};
}

/* A run of packets as a sender without offloads would send it: the last is of last bytes. */
static void build_run(const struct shape *shape, size_t n, size_t size, size_t last)
{
	for (size_t i = 0; i < n; i++) {
		struct shape one = *shape;

		one.payload = i == n - 1 ? last : size;
		one.sequence += (uint32_t)(i * size);
		one.id = (uint16_t)(shape->id + i);
		if (i != n - 1)
			one.flags &= (uint8_t) ~(FIN | PSH);
		if (i != 0)
			one.flags &= (uint8_t)~CWR;
		build(&one, &parts[i]);
		offloads[i] = work_of(&parts[i], &one, 0);
		packets[i] = packet_of(&parts[i], &one, shape->is_partial ? &offloads[i] : NULL);
	}
}

static void expect_segments(const struct lw_packet *super, size_t n)
{
	struct segmenter segmenter;
	size_t room;

	assert_int_equal(segmenter_init(&segmenter, super), 0);
	room = segmenter_room(&segmenter);
	for (size_t i = 0; i < n; i++) {
		size_t length = segmenter_next(&segmenter, segment);

		assert_int_equal(length, parts[i].length);
		assert_true(length <= room);
		assert_memory_equal(segment, parts[i].data, length);
	}
	assert_int_equal(segmenter_next(&segmenter, segment), 0);
	assert_int_equal(segmenter_next(&segmenter, segment), 0);
}

static struct shape shape_number(unsigned i)
{
	return (struct shape){
		.is_ip_layer = i % 4 == 3,
		.tags = i % 4 == 3 ? 0 : i % 4,
		.is_ipv6 = i / 4 % 2,
		.tcp_options = i / 8 % 2 * 12,
		.ip_options = i / 16 % 2 * 8,
		.sequence = i % 2 ? UINT32_MAX - 3000 : 1000,
		.id = i % 2 ? 65534 : 7,
		.flags = (uint8_t)(ACK | (i % 3 ? PSH : 0) | (i % 5 ? 0 : FIN) | (i % 7 ? 0 : ECE)),
	};
}

static void segment__every_shape_of_tcp__as_a_sender_without_offloads(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 32; i++) {
		struct shape shape = shape_number(i);
		struct lw_offload offload;
		struct lw_packet super;

		shape.flags |= i % 2 ? CWR : 0;
		build_run(&shape, 7, 1400, 1 + i);
		shape.payload = 6 * 1400 + 1 + i;
		shape.is_partial = true;
		build(&shape, &whole);
		offload = work_of(&whole, &shape, 1400);
		super = packet_of(&whole, &shape, &offload);
		expect_segments(&super, 7);
	}
}

static void segment__udp__each_is_a_datagram(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 16; i++) {
		struct shape shape = shape_number(i);
		struct lw_offload offload;
		struct lw_packet super;

		shape.is_udp = true;
		shape.tcp_options = 0;
		build_run(&shape, 5, 1200, 1200);
		shape.payload = 5 * 1200;
		shape.is_partial = true;
		build(&shape, &whole);
		offload = work_of(&whole, &shape, 1200);
		super = packet_of(&whole, &shape, &offload);
		expect_segments(&super, 5);
	}
}

static void segment__checksum_only__one_complete_packet(void **state)
{
	struct shape shape = { .payload = 700, .flags = ACK | PSH | CWR, .sequence = 5 };
	struct lw_offload offload;
	struct lw_packet packet;

	(void)state;
	build_run(&shape, 1, 700, 700);
	shape.is_partial = true;
	build(&shape, &whole);
	offload = work_of(&whole, &shape, 0);
	packet = packet_of(&whole, &shape, &offload);
	expect_segments(&packet, 1);
}

/* What our own kernel may say, though no peer: a segment that is longer or smaller than allowed. */
static void segment__beyond_the_peers_rules__is_done(void **state)
{
	static const uint16_t sizes[] = { 48, 100, 535, 9000 };
	struct shape shape = { .flags = ACK, .is_partial = true };
	struct segmenter segmenter;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		size_t n = 0, length, total = 0;
		struct lw_offload offload;
		struct lw_packet packet;

		shape.payload = 65000;
		build(&shape, &whole);
		offload = work_of(&whole, &shape, sizes[i]);
		packet = packet_of(&whole, &shape, &offload);
		assert_int_equal(segmenter_init(&segmenter, &packet), 0);
		while ((length = segmenter_next(&segmenter, segment)) > 0) {
			assert_true(is_complete(segment, length, whole.network, whole.transport));
			assert_memory_equal(segment + whole.payload,
					    whole.data + whole.payload + total,
					    length - whole.payload);
			total += length - whole.payload;
			n++;
		}
		assert_int_equal(total, 65000);
		assert_int_equal(n, (65000 + sizes[i] - 1) / sizes[i]);
	}
}

static void segment__contradictions__are_refused(void **state)
{
	struct shape shape = { .payload = 5000, .flags = ACK, .is_partial = true };
	struct lw_offload right, wrong;
	struct segmenter segmenter = { .index = 77 };
	struct lw_packet packet;

	(void)state;
	build(&shape, &whole);
	right = work_of(&whole, &shape, 1400);
	packet = packet_of(&whole, &shape, &wrong);
	wrong = right;
	wrong.gso_size = 0;
	assert_int_equal(segmenter_init(&segmenter, &packet), -EBADMSG);
	wrong = right;
	wrong.gso_size = 3; /* 1667 segments */
	assert_int_equal(segmenter_init(&segmenter, &packet), -EBADMSG);
	wrong.gso_size = 4; /* 1250 */
	assert_int_equal(segmenter_init(&segmenter, &packet), 0);
	segmenter.index = 77;
	wrong = right;
	wrong.gso = LW_GSO_TCPV6;
	assert_int_equal(segmenter_init(&segmenter, &packet), -EBADMSG);
	wrong.gso = LW_GSO_UDP;
	assert_int_equal(segmenter_init(&segmenter, &packet), -EBADMSG);
	wrong.gso = (enum lw_gso)3;
	assert_int_equal(segmenter_init(&segmenter, &packet), -EBADMSG);
	wrong = right;
	packet.length--;
	assert_int_equal(segmenter_init(&segmenter, &packet), -EBADMSG);
	wrong.gso = LW_GSO_NONE;
	wrong.checksum_start = (uint16_t)(packet.length - 17);
	assert_int_equal(segmenter_init(&segmenter, &packet), -EBADMSG);
	packet.length = LW_PACKET_MAX + 1;
	assert_int_equal(segmenter_init(&segmenter, &packet), -EBADMSG);
	assert_int_equal(segmenter.index, 77);
}

/* ---- Joining */

static size_t join(size_t n, struct lw_packet *ret_packet, struct lw_offload *ret_offload)
{
	return coalesce(packets, n, buffer, ret_packet, ret_offload);
}

static void coalesce__every_shape__segments_to_the_same_bytes(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		struct shape shape = shape_number(i % 32);
		struct lw_offload offload, rebuilt;
		struct lw_packet super;
		uint16_t header_length;

		shape.is_partial = i >= 32;
		build_run(&shape, 20, 1400, 1 + i * 20);
		assert_int_equal(join(20, &super, &offload), 20);
		/* A peer takes it, and it is what our kernel would have given. */
		assert_int_equal(offload_check(super.layer, super.data, super.length, 1500,
					       super.offload, &rebuilt, &header_length),
				 0);
		assert_int_equal(rebuilt.gso_size, 1400);
		shape.payload = 19 * 1400 + 1 + i * 20;
		shape.is_partial = true;
		build(&shape, &whole);
		assert_int_equal(super.length, whole.length);
		assert_memory_equal(super.data, whole.data, whole.length);
		shape.is_partial = false;
		build_run(&shape, 20, 1400, 1 + i * 20);
		expect_segments(&super, 20);
	}
}

static void coalesce__one_or_no_neighbour__is_left_as_it_is(void **state)
{
	struct shape shape = { .flags = ACK };
	struct lw_offload offload;
	struct lw_packet packet;

	(void)state;
	build_run(&shape, 2, 1400, 1400);
	assert_int_equal(join(1, &packet, &offload), 1);
	assert_ptr_equal(packet.data, packets[0].data);
	assert_null(packet.offload);
	assert_int_equal(join(2, &packet, &offload), 2);
	assert_ptr_equal(packet.data, buffer);
	assert_ptr_equal(packet.offload, &offload);
}

static void coalesce__limits__end_the_run(void **state)
{
	struct shape shape = { .flags = ACK };
	struct lw_offload offload;
	struct lw_packet packet;

	(void)state;
	build_run(&shape, 66, 600, 600);
	assert_int_equal(join(66, &packet, &offload), 64);
	build_run(&shape, 66, 1400, 1400); /* 54 + 46 × 1400 ≤ 65535 */
	assert_int_equal(join(66, &packet, &offload), 46);
	build_run(&shape, 3, 535, 535);
	assert_int_equal(join(3, &packet, &offload), 1);
	build_run(&shape, 3, 536, 536);
	assert_int_equal(join(3, &packet, &offload), 3);
}

/* The third of five is a packet that no segmenter would make again there. */
static void expect_end_before(const char *what, size_t expected)
{
	struct lw_offload offload;
	struct lw_packet packet;

	if (join(5, &packet, &offload) != expected)
		fail_msg("%s", what);
}

static void coalesce__packet_of_other_size__ends_the_run(void **state)
{
	struct shape shape = { .flags = ACK }, other;

	(void)state;
	build_run(&shape, 5, 1400, 1400);
	other = (struct shape){ .flags = ACK, .sequence = 2800, .id = 2, .payload = 1399 };
	build(&other, &parts[2]);
	packets[2] = packet_of(&parts[2], &other, NULL);
	expect_end_before("a shorter one is the last", 3);
	other.payload = 1401;
	build(&other, &parts[2]);
	packets[2] = packet_of(&parts[2], &other, NULL);
	expect_end_before("a longer one is not in it", 2);
	other.payload = 0;
	build(&other, &parts[2]);
	packets[2] = packet_of(&parts[2], &other, NULL);
	expect_end_before("an acknowledgement is not in it", 2);
}

static void coalesce__flags__end_the_run(void **state)
{
	static const struct {
		uint8_t flags;
		size_t expected;
	} rows[] = {
		{ ACK, 5 },       { ACK | PSH, 3 }, { ACK | FIN, 3 },
		{ ACK | ECE, 2 }, { ACK | CWR, 2 }, { ACK | URG, 2 },
		{ ACK | SYN, 2 }, { PSH, 2 },       { ACK | 4, 2 },
	};
	struct shape shape = { .flags = ACK };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct shape other = {
			.flags = rows[i].flags, .sequence = 2800, .id = 2, .payload = 1400
		};

		build_run(&shape, 5, 1400, 1400);
		build(&other, &parts[2]);
		expect_end_before("by its flags", rows[i].expected);
	}
}

/* Each byte of the headers changed, with its checksums made right again: only what follows from the
 * position may differ, and it may not differ from that. */
static void coalesce__any_header_byte_that_differs__ends_the_run(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct shape shape = { .is_ipv6 = v6, .tags = 1, .flags = ACK, .tcp_options = 12 };
		size_t headers = 18 + (v6 ? 40 : 20) + 32;

		for (size_t at = 0; at < headers; at++) {
			uint8_t *p = parts[2].data;

			build_run(&shape, 5, 1400, 1400);
			p[at] ^= 0x04;
			if (!v6) {
				store_be16(p + 28, 0);
				store_be16(p + 28, (uint16_t)~slow_sum(0, p + 18, 20));
			}
			if (at < parts[2].transport + 16 || at > parts[2].transport + 17) {
				size_t length = parts[2].length - parts[2].transport;
				uint8_t *tcp = p + parts[2].transport;

				store_be16(tcp + 16, 0);
				store_be16(tcp + 16,
					   (uint16_t)~slow_sum(slow_pseudo(p + 18, 6, length), tcp,
							       length));
			}
			/* The IPv4 checksum alone was repaired: that one is joined. */
			if (!v6 && (at == 28 || at == 29))
				expect_end_before("repaired", 5);
			else
				expect_end_before("a changed header", 2);
		}
	}
}

static void coalesce__wrong_checksum__is_not_laundered(void **state)
{
	struct shape shape = { .flags = ACK };

	(void)state;
	for (size_t which = 0; which < 3; which += 2) {
		size_t expected = which == 0 ? 1 : 2;

		build_run(&shape, 5, 1400, 1400);
		parts[which].data[900] ^= 1;
		expect_end_before("a payload that was damaged", expected);
		build_run(&shape, 5, 1400, 1400);
		parts[which].data[24] ^= 1;
		expect_end_before("an IPv4 header that was damaged", expected);
	}
}

static void coalesce__offload_of_another_kind__is_left(void **state)
{
	struct shape shape = { .flags = ACK, .is_partial = true };

	(void)state;
	build_run(&shape, 5, 1400, 1400);
	offloads[2].checksum_start++;
	expect_end_before("a checksum elsewhere", 2);
	build_run(&shape, 5, 1400, 1400);
	offloads[2].gso = LW_GSO_TCPV4;
	offloads[2].gso_size = 700;
	expect_end_before("a super-frame", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segment__every_shape_of_tcp__as_a_sender_without_offloads),
		cmocka_unit_test(segment__udp__each_is_a_datagram),
		cmocka_unit_test(segment__checksum_only__one_complete_packet),
		cmocka_unit_test(segment__beyond_the_peers_rules__is_done),
		cmocka_unit_test(segment__contradictions__are_refused),
		cmocka_unit_test(coalesce__every_shape__segments_to_the_same_bytes),
		cmocka_unit_test(coalesce__one_or_no_neighbour__is_left_as_it_is),
		cmocka_unit_test(coalesce__limits__end_the_run),
		cmocka_unit_test(coalesce__packet_of_other_size__ends_the_run),
		cmocka_unit_test(coalesce__flags__end_the_run),
		cmocka_unit_test(coalesce__any_header_byte_that_differs__ends_the_run),
		cmocka_unit_test(coalesce__wrong_checksum__is_not_laundered),
		cmocka_unit_test(coalesce__offload_of_another_kind__is_left),
	};

	return cmocka_run_group_tests_name("device/segment", tests, NULL, NULL);
}
