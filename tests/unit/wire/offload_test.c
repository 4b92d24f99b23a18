/* SPDX-License-Identifier: MIT */
/* The wire form of offloads: each field from both sides of what it may say. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <longwire/packet.h>

#include "base/memory.h"
#include "wire/message.h"
#include "wire/offload.h"

static void encode__super_frame__is_little_endian_virtio(void **state)
{
	const struct lw_offload offload = { .needs_checksum = true,
					    .checksum_start = 0x0122,
					    .checksum_offset = 16,
					    .gso = LW_GSO_TCPV6,
					    .gso_size = 0x05a8 };
	static const uint8_t expected[] = { 1, 4, 0, 0, 0xa8, 5, 0x22, 1, 16, 0 };
	uint8_t data[UNIT_OFFLOAD_SIZE];

	(void)state;
	wire_offload_encode(&offload, data);
	assert_memory_equal(data, expected, sizeof(expected));
}

static void encode__fields_that_do_not_apply__are_zero(void **state)
{
	struct lw_offload offload = {
		.needs_checksum = true, .checksum_start = 34, .checksum_offset = 6, .gso_size = 1400
	};
	static const uint8_t checksum[] = { 1, 0, 0, 0, 0, 0, 34, 0, 6, 0 }, nothing[10] = { 0 };
	uint8_t data[UNIT_OFFLOAD_SIZE];

	(void)state;
	wire_offload_encode(&offload, data);
	assert_memory_equal(data, checksum, sizeof(checksum));
	offload.needs_checksum = false;
	wire_offload_encode(&offload, data);
	assert_memory_equal(data, nothing, sizeof(nothing));
}

static void decode__what_was_encoded__is_the_same(void **state)
{
	static const struct lw_offload rows[] = {
		{ .needs_checksum = false },
		{ .needs_checksum = true, .checksum_start = 34, .checksum_offset = 16 },
		{ true, 65535, 6, LW_GSO_UDP, 65535 },
		{ true, 42, 16, LW_GSO_TCPV4, 1 },
		{ true, 62, 16, LW_GSO_TCPV6, 1440 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t data[UNIT_OFFLOAD_SIZE];
		struct lw_offload again;

		wire_offload_encode(&rows[i], data);
		assert_int_equal(wire_offload_decode(data, &again), 0);
		assert_int_equal(again.needs_checksum, rows[i].needs_checksum);
		assert_int_equal(again.checksum_start, rows[i].checksum_start);
		assert_int_equal(again.checksum_offset, rows[i].checksum_offset);
		assert_int_equal(again.gso, rows[i].gso);
		assert_int_equal(again.gso_size, rows[i].gso_size);
	}
}

/* Every value of the two bytes of bits: exactly these pass, the others leave the output alone. */
static void decode__flags_and_types__only_ours(void **state)
{
	(void)state;
	for (unsigned flags = 0; flags < 256; flags++) {
		for (unsigned type = 0; type < 256; type++) {
			uint8_t data[UNIT_OFFLOAD_SIZE] = {
				[0] = (uint8_t)flags, [1] = (uint8_t)type, [4] = type ? 88 : 0
			};
			bool is_plain = flags <= 1 && type == 0;
			bool is_super = flags == 1 && (type == 1 || type == 4 || type == 5);
			struct lw_offload offload = { .gso_size = 7777 };
			int r = wire_offload_decode(data, &offload);

			assert_int_equal(r, is_plain || is_super ? 0 : -EBADMSG);
			if (r < 0)
				assert_int_equal(offload.gso_size, 7777);
		}
	}
}

static void decode__fields_that_contradict__are_refused(void **state)
{
	static const uint8_t rows[][UNIT_OFFLOAD_SIZE] = {
		{ 1, 1, 1, 0, 0xa8, 5, 34, 0, 16, 0 }, /* a header length */
		{ 1, 1, 0, 1, 0xa8, 5, 34, 0, 16, 0 },
		{ 1, 1, 0, 0, 0, 0, 34, 0, 16, 0 },    /* a GSO without a size */
		{ 1, 0, 0, 0, 1, 0, 34, 0, 16, 0 },    /* a size without a GSO */
		{ 0, 1, 0, 0, 0xa8, 5, 34, 0, 16, 0 }, /* a GSO without a checksum */
		{ 0, 0, 0, 0, 0, 0, 34, 0, 0, 0 },     /* a place without a checksum */
		{ 0, 0, 0, 0, 0, 0, 0, 0, 0, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lw_offload offload;

		assert_int_equal(wire_offload_decode(rows[i], &offload), -EBADMSG);
	}
}

static void needs__each_kind__what_a_hello_must_have_said(void **state)
{
	(void)state;
	assert_int_equal(wire_offload_needs(&(struct lw_offload){ 0 }), 0);
	assert_int_equal(wire_offload_needs(&(struct lw_offload){ .needs_checksum = true }),
			 WIRE_OFFLOAD_CHECKSUM);
	assert_int_equal(wire_offload_needs(&(struct lw_offload){ true, 0, 0, LW_GSO_TCPV4, 1 }),
			 WIRE_OFFLOAD_CHECKSUM | WIRE_OFFLOAD_TSO4);
	assert_int_equal(wire_offload_needs(&(struct lw_offload){ true, 0, 0, LW_GSO_TCPV6, 1 }),
			 WIRE_OFFLOAD_CHECKSUM | WIRE_OFFLOAD_TSO6);
	assert_int_equal(wire_offload_needs(&(struct lw_offload){ true, 0, 0, LW_GSO_UDP, 1 }),
			 WIRE_OFFLOAD_CHECKSUM | WIRE_OFFLOAD_USO);
	assert_int_equal(wire_offload_needs(&(struct lw_offload){ .gso = (enum lw_gso)3 }),
			 UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(encode__super_frame__is_little_endian_virtio),
		cmocka_unit_test(encode__fields_that_do_not_apply__are_zero),
		cmocka_unit_test(decode__what_was_encoded__is_the_same),
		cmocka_unit_test(decode__flags_and_types__only_ours),
		cmocka_unit_test(decode__fields_that_contradict__are_refused),
		cmocka_unit_test(needs__each_kind__what_a_hello_must_have_said),
	};

	return cmocka_run_group_tests_name("wire/offload", tests, NULL, NULL);
}
