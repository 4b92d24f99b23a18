/* SPDX-License-Identifier: MIT */
/* Offload metadata against frames: the layout, the rules, and the checksum that it asks for. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "device/checksum.h"
#include "device/offload.h"
#include "support/packet_builder.h"

enum { MTU = 1500 };

static struct built built;

static enum lw_layer layer_of(const struct shape *shape)
{
	return shape->is_ip_layer ? LW_LAYER_IP : LW_LAYER_ETHERNET;
}

static struct lw_offload claim_of(const struct shape *shape, uint16_t gso_size)
{
	return (struct lw_offload){
		.needs_checksum = true,
		.checksum_start = (uint16_t)built.transport,
		.checksum_offset = shape->is_udp ? 6 : 16,
		.gso = gso_size == 0    ? LW_GSO_NONE
		       : shape->is_udp  ? LW_GSO_UDP
		       : shape->is_ipv6 ? LW_GSO_TCPV6
					: LW_GSO_TCPV4,
		.gso_size = gso_size,
	};
}

static int check(const struct shape *shape, const struct lw_offload *claimed)
{
	struct lw_offload rebuilt;
	uint16_t header_length;

	return offload_check(layer_of(shape), built.data, built.length, MTU, claimed, &rebuilt,
			     &header_length);
}

static const struct shape usual = { .payload = 5000, .tcp_options = 12, .is_partial = true };

/* ---- Layout */

static void parse__every_shape__finds_its_headers(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 96; i++) {
		struct shape shape = { .is_ip_layer = i % 4 == 3,
				       .tags = i % 4 == 3 ? 0 : i % 4,
				       .is_ipv6 = i / 4 % 2,
				       .is_udp = i / 8 % 2,
				       .tcp_options = i / 16 % 2 * 40,
				       .ip_options = i / 32 * 20,
				       .payload = i % 5 };
		struct offload_layout layout;

		build(&shape, &built);
		assert_int_equal(offload_parse(layer_of(&shape), built.data, built.length, &layout),
				 0);
		assert_int_equal(layout.network, built.network);
		assert_int_equal(layout.transport, built.transport);
		assert_int_equal(layout.payload, built.payload);
		assert_int_equal(layout.is_ipv6, shape.is_ipv6);
		assert_int_equal(layout.is_tcp, !shape.is_udp);
		/* Cut or grown by a byte, its lengths are wrong. */
		for (size_t length = 0; length <= built.length + 1; length++)
			assert_int_equal(offload_parse(layer_of(&shape), built.data, length,
						       &layout),
					 length == built.length ? 0 : -EBADMSG);
	}
}

static void parse__three_tags_or_unknown_tag__is_refused(void **state)
{
	struct shape shape = { .tags = 3, .payload = 100 };
	struct offload_layout layout;

	(void)state;
	build(&shape, &built);
	assert_int_equal(offload_parse(LW_LAYER_ETHERNET, built.data, built.length, &layout),
			 -EBADMSG);
	shape.tags = 1;
	build(&shape, &built);
	store_be16(built.data + 12, 0x9100);
	assert_int_equal(offload_parse(LW_LAYER_ETHERNET, built.data, built.length, &layout),
			 -EBADMSG);
}

/* One 16-bit field of a good packet set to another value: refused. */
static void parse__one_field_wrong__is_refused(void **state)
{
	static const struct {
		bool is_ipv6, is_udp;
		unsigned at;
		uint16_t value;
	} rows[] = {
		{ 0, 0, 12, 0x0806 },                       /* ARP */
		{ 0, 0, 12, 0x86dd },                       /* IPv6, it says */
		{ 1, 0, 12, 0x0800 }, { 0, 0, 14, 0x4400 }, /* a header of 16 bytes */
		{ 0, 0, 14, 0x6500 }, { 0, 0, 14, 0x4f00 }, /* options that make its TCP another */
		{ 0, 0, 20, 0x2000 },                       /* more fragments */
		{ 0, 0, 20, 0x0001 },                       /* a later fragment */
		{ 0, 0, 22, 0x4001 },                       /* ICMP */
		{ 1, 0, 20, 0x3a40 },                       /* ICMPv6 */
		{ 1, 0, 20, 0x0040 },                       /* hop-by-hop */
		{ 1, 0, 20, 0x2c40 },                       /* fragment */
		{ 1, 0, 20, 0x3c40 },                       /* destination options */
		{ 0, 0, 46, 0x4010 },                       /* a TCP header of 16 bytes */
		{ 0, 0, 46, 0xf010 },                       /* of 60, beyond the end */
		{ 0, 1, 38, 7 },                            /* a UDP length below its header */
		{ 0, 1, 38, 19 },                           /* one more than there is */
		{ 0, 1, 38, 17 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct shape shape = { .is_ipv6 = rows[i].is_ipv6,
				       .is_udp = rows[i].is_udp,
				       .flags = 0x10,
				       .payload = 10 };
		struct offload_layout layout = { .network = 77 };

		build(&shape, &built);
		assert_int_equal(
			offload_parse(LW_LAYER_ETHERNET, built.data, built.length, &layout), 0);
		layout.network = 77;
		store_be16(built.data + rows[i].at, rows[i].value);
		if (offload_parse(LW_LAYER_ETHERNET, built.data, built.length, &layout) == 0)
			fail_msg("row %zu is accepted", i);
		assert_int_equal(layout.network, 77);
	}
}

/* ---- Rules */

static void check__nothing_to_do__is_rebuilt_as_nothing(void **state)
{
	struct lw_offload claimed = { .checksum_start = 9, .gso_size = 9 };
	struct lw_offload rebuilt = claimed;
	uint16_t header_length = 9;

	(void)state;
	build(&usual, &built);
	assert_int_equal(offload_check(LW_LAYER_ETHERNET, built.data, built.length, MTU, &claimed,
				       &rebuilt, &header_length),
			 0);
	assert_false(offload_is_work(&rebuilt));
	assert_int_equal(rebuilt.checksum_start, 0);
	assert_int_equal(rebuilt.gso_size, 0);
	assert_int_equal(header_length, 0);
	assert_false(offload_is_work(NULL));
}

static void check__every_shape__is_rebuilt_from_the_frame(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 32; i++) {
		struct shape shape = { .is_ip_layer = i % 4 == 3,
				       .tags = i % 4 == 3 ? 0 : i % 4,
				       .is_ipv6 = i / 4 % 2,
				       .is_udp = i / 8 % 2,
				       .payload = 10000 };
		uint16_t size = i / 16 ? 1200 : 0;
		struct lw_offload claimed, rebuilt;
		uint16_t header_length;

		build(&shape, &built);
		claimed = claim_of(&shape, size);
		assert_int_equal(offload_check(layer_of(&shape), built.data, built.length, MTU,
					       &claimed, &rebuilt, &header_length),
				 0);
		assert_true(rebuilt.needs_checksum);
		assert_int_equal(rebuilt.checksum_start, built.transport);
		assert_int_equal(rebuilt.checksum_offset, shape.is_udp ? 6 : 16);
		assert_int_equal(rebuilt.gso, claimed.gso);
		assert_int_equal(rebuilt.gso_size, size);
		assert_int_equal(header_length, built.payload);
	}
}

static void check__bounds_of_size_and_segments__from_both_sides(void **state)
{
	static const struct {
		size_t payload;
		uint16_t size;
		int result;
	} rows[] = {
		{ 5000, 535, -EBADMSG },
		{ 5000, 536, 0 },
		{ 5000, 1448, 0 },
		{ 5000, 1449, -EBADMSG }, /* 20 + 32 + 1448 = 1500 */
		{ 5000, 0, -EBADMSG },
		{ 5000, 1, -EBADMSG },
		{ 5000, 65535, -EBADMSG },
		{ 1000, 1001, -EBADMSG },
		{ 1000, 1000, 0 },
		{ 1001, 1000, 0 },
		{ 0, 536, -EBADMSG },
		{ 64 * 536, 536, 0 },
		{ 64 * 536 + 1, 536, -EBADMSG },
		{ 64 * 1000, 1000, 0 },
		{ 64 * 1000 + 1, 1000, -EBADMSG },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct shape shape = usual;
		struct lw_offload claimed;

		shape.payload = rows[i].payload;
		build(&shape, &built);
		claimed = claim_of(&shape, 1);
		claimed.gso_size = rows[i].size;
		if (check(&shape, &claimed) != rows[i].result)
			fail_msg("%zu bytes by %u", rows[i].payload, rows[i].size);
	}
}

static void check__longest_of_all__is_accepted(void **state)
{
	struct shape shape = { .tags = 2, .is_ipv6 = true, .payload = 65535 - 20 - 40 };
	struct lw_offload claimed;

	(void)state;
	build(&shape, &built);
	claimed = claim_of(&shape, 1440);
	assert_int_equal(check(&shape, &claimed), 0);
}

static void check__one_segment__is_only_a_checksum(void **state)
{
	struct shape shape = { .is_udp = true, .payload = 1000 };
	struct lw_offload claimed, rebuilt;
	uint16_t header_length;

	(void)state;
	build(&shape, &built);
	claimed = claim_of(&shape, 1000);
	assert_int_equal(offload_check(LW_LAYER_ETHERNET, built.data, built.length, MTU, &claimed,
				       &rebuilt, &header_length),
			 0);
	assert_true(rebuilt.needs_checksum);
	assert_int_equal(rebuilt.gso, LW_GSO_NONE);
	assert_int_equal(rebuilt.gso_size, 0);
}

static void check__type_of_another_packet__is_refused(void **state)
{
	static const enum lw_gso types[] = { LW_GSO_TCPV4, LW_GSO_TCPV6, LW_GSO_UDP, (enum lw_gso)3,
					     (enum lw_gso)0x81 };

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct shape shape = { .is_ipv6 = i % 2, .is_udp = i / 2, .payload = 5000 };
		struct lw_offload right;

		build(&shape, &built);
		right = claim_of(&shape, 1200);
		for (size_t k = 0; k < ARRAY_SIZE(types); k++) {
			struct lw_offload claimed = right;

			claimed.gso = types[k];
			assert_int_equal(check(&shape, &claimed),
					 types[k] == right.gso ? 0 : -EBADMSG);
		}
	}
}

static void check__any_other_checksum_place__is_refused(void **state)
{
	struct lw_offload claimed;

	(void)state;
	build(&usual, &built);
	for (unsigned at = 0; at < 65536; at++) {
		claimed = claim_of(&usual, 0);
		claimed.checksum_start = (uint16_t)at;
		assert_int_equal(check(&usual, &claimed), at == built.transport ? 0 : -EBADMSG);
		claimed = claim_of(&usual, 1448);
		claimed.checksum_offset = (uint16_t)at;
		assert_int_equal(check(&usual, &claimed), at == 16 ? 0 : -EBADMSG);
	}
}

static void check__gso_without_checksum__is_refused(void **state)
{
	struct lw_offload claimed;

	(void)state;
	build(&usual, &built);
	claimed = claim_of(&usual, 1448);
	claimed.needs_checksum = false;
	assert_int_equal(check(&usual, &claimed), -EBADMSG);
}

/* ---- 10 000 random claims over random frames */

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* The rules again, read from the packet in the most direct way. */
static bool is_by_the_rules(const uint8_t *p, size_t length, const struct lw_offload *o)
{
	size_t ip = 14, transport, header, payload;
	bool is_v6;
	uint8_t protocol;

	while (ip < 22 && (load_be16(p + ip - 2) == 0x8100 || load_be16(p + ip - 2) == 0x88a8))
		ip += 4;
	is_v6 = load_be16(p + ip - 2) == 0x86dd;
	if (!is_v6 && load_be16(p + ip - 2) != 0x0800)
		return false;
	if (p[ip] >> 4 != (is_v6 ? 6 : 4))
		return false;
	protocol = p[ip + (is_v6 ? 6 : 9)];
	transport = ip + (is_v6 ? 40 : (p[ip] & 15u) * 4u);
	if (length != ip + load_be16(p + ip + (is_v6 ? 4 : 2)) + (is_v6 ? 40 : 0))
		return false;
	if (!is_v6 && (load_be16(p + ip + 6) & 0x3fff))
		return false;
	header = protocol == 6 ? (p[transport + 12] >> 4) * 4u : 8;
	if ((protocol != 6 && protocol != 17) || transport + header > length || header < 8)
		return false;
	if (!is_v6 && transport < ip + 20)
		return false;
	if (protocol == 6 ? header < 20 : load_be16(p + transport + 4) != length - transport)
		return false;
	if (o->checksum_start != transport || o->checksum_offset != (protocol == 6 ? 16 : 6))
		return false;
	if (o->gso == LW_GSO_NONE)
		return true;
	payload = length - transport - header;
	if (o->gso != (protocol == 17 ? LW_GSO_UDP : is_v6 ? LW_GSO_TCPV6 : LW_GSO_TCPV4))
		return false;
	return o->gso_size >= 536 && transport + header + o->gso_size - ip <= MTU &&
	       payload >= o->gso_size && (payload + o->gso_size - 1) / o->gso_size <= 64;
}

static struct lw_offload random_claim(const struct shape *shape, uint32_t *seed)
{
	struct lw_offload claimed = claim_of(shape, (uint16_t)(400 + next_random(seed) % 1200));

	if (next_random(seed) % 4 == 0)
		claimed.needs_checksum = false;
	if (next_random(seed) % 4 == 0)
		claimed.gso = (enum lw_gso)(next_random(seed) % 8);
	if (next_random(seed) % 8 == 0)
		claimed.gso_size = (uint16_t)next_random(seed);
	if (next_random(seed) % 8 == 0)
		claimed.checksum_start = (uint16_t)(next_random(seed) % 128);
	if (next_random(seed) % 8 == 0)
		claimed.checksum_offset = (uint16_t)(next_random(seed) % 32);
	return claimed;
}

static void check__random_claims_over_random_frames__only_by_the_rules(void **state)
{
	uint32_t seed = 4711;
	unsigned accepted = 0, with_work = 0;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		struct shape shape = { .tags = next_random(&seed) % 4,
				       .is_ipv6 = next_random(&seed) % 2,
				       .is_udp = next_random(&seed) % 3 == 0,
				       .tcp_options = next_random(&seed) % 4 * 4,
				       .payload = next_random(&seed) % (i % 64 ? 4000 : 65000) };
		struct lw_offload claimed, rebuilt;
		uint16_t header_length;

		build(&shape, &built);
		claimed = random_claim(&shape, &seed);
		if (next_random(&seed) % 2)
			built.data[12 + next_random(&seed) % 60] ^= 1 << next_random(&seed) % 8;
		if (offload_check(LW_LAYER_ETHERNET, built.data, built.length, MTU, &claimed,
				  &rebuilt, &header_length) < 0) {
			assert_false(claimed.needs_checksum &&
				     is_by_the_rules(built.data, built.length, &claimed));
			continue;
		}
		accepted++;
		if (!offload_is_work(&rebuilt))
			continue;
		with_work++;
		assert_true(is_by_the_rules(built.data, built.length, &claimed));
		assert_true(is_by_the_rules(built.data, built.length, &rebuilt));
		assert_true(header_length <= built.length);
	}
	/* The generator must reach both sides. */
	assert_true(with_work > 500 && accepted < 9000);
}

/* ---- Checksums */

static void checksum_add__every_length__as_the_slow_one(void **state)
{
	uint8_t data[300];
	uint32_t seed = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)next_random(&seed);
	for (size_t length = 0; length < 256; length++)
		for (size_t from = 0; from < 16; from++)
			assert_int_equal(checksum_add(0x1fffe, data + from, length),
					 slow_sum(0x1fffe, data + from, length));
}

static void checksum_add__all_ones__carries_to_the_end(void **state)
{
	static uint8_t ones[LW_PACKET_MAX];

	(void)state;
	memset(ones, 0xff, sizeof(ones));
	assert_int_equal(checksum_add(0, ones, sizeof(ones) - 1), 0xffff);
	assert_int_equal(checksum_add(0, ones, sizeof(ones)), slow_sum(0, ones, sizeof(ones)));
	memset(ones, 0, sizeof(ones));
	assert_int_equal(checksum_add(0, ones, sizeof(ones)), 0);
}

static void complete__every_shape__is_right(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		struct shape shape = { .tags = i % 3,
				       .is_ipv6 = i / 3 % 2,
				       .is_udp = i / 6 % 2,
				       .payload = i * 5,
				       .is_partial = true };
		struct lw_offload offload;

		build(&shape, &built);
		offload = claim_of(&shape, 0);
		assert_int_equal(offload_complete_checksum(built.data, built.length, &offload), 0);
		assert_true(is_complete(built.data, built.length, built.network, built.transport));
	}
}

static void complete__udp_of_zero__is_written_as_ones(void **state)
{
	uint8_t data[8] = { 0xff, 0xff };
	struct lw_offload offload = { .needs_checksum = true, .checksum_offset = 6 };

	(void)state;
	assert_int_equal(offload_complete_checksum(data, sizeof(data), &offload), 0);
	assert_int_equal(load_be16(data + 6), 0xffff);
}

static void complete__outside__is_refused_and_untouched(void **state)
{
	uint8_t data[60] = { 0 };
	const uint8_t zeros[60] = { 0 };
	struct lw_offload offload = { .needs_checksum = true, .checksum_start = 42 };

	(void)state;
	offload.checksum_offset = 17;
	assert_int_equal(offload_complete_checksum(data, 60, &offload), -EBADMSG);
	offload.checksum_offset = 65535;
	offload.checksum_start = 65535;
	assert_int_equal(offload_complete_checksum(data, 60, &offload), -EBADMSG);
	assert_memory_equal(data, zeros, 60);
	offload.checksum_start = 42;
	offload.checksum_offset = 16;
	assert_int_equal(offload_complete_checksum(data, 60, &offload), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__every_shape__finds_its_headers),
		cmocka_unit_test(parse__three_tags_or_unknown_tag__is_refused),
		cmocka_unit_test(parse__one_field_wrong__is_refused),
		cmocka_unit_test(check__nothing_to_do__is_rebuilt_as_nothing),
		cmocka_unit_test(check__every_shape__is_rebuilt_from_the_frame),
		cmocka_unit_test(check__bounds_of_size_and_segments__from_both_sides),
		cmocka_unit_test(check__longest_of_all__is_accepted),
		cmocka_unit_test(check__one_segment__is_only_a_checksum),
		cmocka_unit_test(check__type_of_another_packet__is_refused),
		cmocka_unit_test(check__any_other_checksum_place__is_refused),
		cmocka_unit_test(check__gso_without_checksum__is_refused),
		cmocka_unit_test(check__random_claims_over_random_frames__only_by_the_rules),
		cmocka_unit_test(checksum_add__every_length__as_the_slow_one),
		cmocka_unit_test(checksum_add__all_ones__carries_to_the_end),
		cmocka_unit_test(complete__every_shape__is_right),
		cmocka_unit_test(complete__udp_of_zero__is_written_as_ones),
		cmocka_unit_test(complete__outside__is_refused_and_untouched),
	};

	return cmocka_run_group_tests_name("device/offload", tests, NULL, NULL);
}
