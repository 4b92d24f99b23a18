/* SPDX-License-Identifier: MIT */
/* The guard: what a host may not send, however it is wrapped, and that everything else passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "switch/guard.h"

enum { FRAME_SIZE = 512 };

struct frame {
	uint8_t data[FRAME_SIZE];
	size_t length;
};

static void put(struct frame *f, const void *data, size_t length)
{
	assert_true(f->length + length <= sizeof(f->data));
	memcpy(f->data + f->length, data, length);
	f->length += length;
}

static void put16(struct frame *f, uint16_t value)
{
	uint8_t bytes[2];

	store_be16(bytes, value);
	put(f, bytes, sizeof(bytes));
}

static void begin(struct frame *f)
{
	static const uint8_t macs[12] = { 0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2 };

	f->length = 0;
	put(f, macs, sizeof(macs));
}

static void put_snap(struct frame *f, uint8_t last)
{
	uint8_t llc[] = { 0xaa, 0xaa, 0x03, 0, 0, last };

	put16(f, 100);
	put(f, llc, sizeof(llc));
}

static void put_ipv4(struct frame *f, uint8_t words, uint8_t protocol, uint16_t fragment)
{
	uint8_t header[60] = { 0 };

	header[0] = (uint8_t)(0x40 | words);
	header[9] = protocol;
	store_be16(header + 6, fragment);
	put(f, header, words * 4u);
}

static void put_ipv6(struct frame *f, uint8_t next)
{
	uint8_t header[40] = { 0x60 };

	header[6] = next;
	put(f, header, sizeof(header));
}

static void put_extension(struct frame *f, uint8_t next, uint8_t words)
{
	uint8_t header[8 * 256] = { next, words };

	put(f, header, (words + 1u) * 8);
}

static void put_fragment(struct frame *f, uint8_t next, uint16_t offset, bool more)
{
	uint8_t header[8] = { next };

	store_be16(header + 2, (uint16_t)(offset << 3 | more));
	put(f, header, sizeof(header));
}

static void put_ports(struct frame *f, uint16_t source, uint16_t target)
{
	put16(f, source);
	put16(f, target);
	put16(f, 8);
	put16(f, 0);
}

static enum lw_drop classify(const struct frame *f)
{
	return guard_classify(f->data, f->length);
}

static void dhcp__ports__decide(void **state)
{
	static const struct {
		bool is_ipv6;
		uint8_t protocol;
		uint16_t source, target;
		enum lw_drop expected;
	} rows[] = {
		{ false, 17, 67, 68, LW_DROP_GUARD_DHCP },
		{ false, 17, 67, 67, LW_DROP_GUARD_DHCP },
		{ false, 17, 9999, 68, LW_DROP_GUARD_DHCP },
		{ false, 17, 68, 67, LW_DROP_NONE },
		{ false, 17, 66, 69, LW_DROP_NONE },
		{ false, 17, 547, 546, LW_DROP_NONE },
		{ false, 6, 67, 68, LW_DROP_NONE },
		{ true, 17, 547, 546, LW_DROP_GUARD_DHCP },
		{ true, 17, 547, 547, LW_DROP_GUARD_DHCP },
		{ true, 17, 9999, 546, LW_DROP_GUARD_DHCP },
		{ true, 17, 546, 547, LW_DROP_NONE },
		{ true, 17, 67, 68, LW_DROP_NONE },
		{ true, 6, 547, 546, LW_DROP_NONE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct frame f;

		begin(&f);
		put16(&f, rows[i].is_ipv6 ? 0x86dd : 0x0800);
		if (rows[i].is_ipv6)
			put_ipv6(&f, rows[i].protocol);
		else
			put_ipv4(&f, 5 + i % 3, rows[i].protocol, 0x4000);
		put_ports(&f, rows[i].source, rows[i].target);
		assert_int_equal(classify(&f), rows[i].expected);
	}
}

static void dhcp__in_fragments__only_the_first_matters(void **state)
{
	struct frame f;

	(void)state;
	begin(&f);
	put16(&f, 0x0800);
	put_ipv4(&f, 5, 17, 0x2000);
	put_ports(&f, 67, 68);
	assert_int_equal(classify(&f), LW_DROP_GUARD_DHCP);
	/* Harmless ports pass, but not where they cannot be seen whole. */
	store_be16(f.data + f.length - 8, 1000);
	store_be16(f.data + f.length - 6, 1001);
	assert_int_equal(classify(&f), LW_DROP_NONE);
	f.length -= 4;
	assert_int_equal(classify(&f), LW_DROP_NONE);
	f.length -= 1;
	assert_int_equal(classify(&f), LW_DROP_GUARD_DHCP);
	begin(&f);
	put16(&f, 0x0800);
	put_ipv4(&f, 5, 17, 0x2001);
	put_ports(&f, 67, 68);
	assert_int_equal(classify(&f), LW_DROP_NONE);
}

/* What stands between the addresses and a router advertisement, and whether that is seen
 * through. */
static void ra__behind_tags_and_snap__is_seen(void **state)
{
	static const struct {
		uint16_t tags[6]; /* 1: SNAP, 2: SNAP of 802.1H, 0: end */
		enum lw_drop expected;
	} rows[] = {
		{ { 0 }, LW_DROP_GUARD_RA },
		{ { 0x8100 }, LW_DROP_GUARD_RA },
		{ { 0x88a8, 0x8100 }, LW_DROP_GUARD_RA },
		{ { 0x9100, 0x9200 }, LW_DROP_GUARD_RA },
		{ { 0x8100, 0x8100, 0x8100, 0x8100 }, LW_DROP_GUARD_RA },
		{ { 0x8100, 0x8100, 0x8100, 0x8100, 0x8100 }, LW_DROP_MALFORMED },
		{ { 1 }, LW_DROP_GUARD_RA },
		{ { 2 }, LW_DROP_GUARD_RA },
		{ { 0x8100, 1 }, LW_DROP_GUARD_RA },
		{ { 1, 0x8100, 2, 0x8100 }, LW_DROP_GUARD_RA },
		{ { 1, 1, 1, 1, 1 }, LW_DROP_MALFORMED },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct frame f;

		begin(&f);
		for (const uint16_t *tag = rows[i].tags; *tag; tag++) {
			if (*tag > 2)
				put16(&f, *tag);
			if (*tag > 2)
				put16(&f, 0);
			else
				put_snap(&f, *tag == 2 ? 0xf8 : 0);
		}
		put16(&f, 0x86dd);
		put_ipv6(&f, 58);
		put16(&f, 134 << 8);
		assert_int_equal(classify(&f), rows[i].expected);
		f.data[f.length - 2] = 135;
		assert_int_equal(classify(&f), rows[i].expected == LW_DROP_GUARD_RA
						       ? LW_DROP_NONE
						       : rows[i].expected);
	}
}

static void ra__behind_extension_headers__is_seen(void **state)
{
	static const uint8_t kinds[] = { 0, 43, 60, 135, 139, 140 };
	struct frame f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		begin(&f);
		put16(&f, 0x86dd);
		put_ipv6(&f, kinds[i]);
		put_extension(&f, 44, (uint8_t)i);
		put_fragment(&f, 51, 0, true);
		put_extension(&f, 60, 0); /* AH counts words of four: 8 bytes here */
		put_extension(&f, 58, 1);
		put16(&f, 134 << 8);
		assert_int_equal(classify(&f), LW_DROP_GUARD_RA);
		f.data[f.length - 2] = 128;
		assert_int_equal(classify(&f), LW_DROP_NONE);
	}
}

static void ipv6__incomplete_chain__is_dropped(void **state)
{
	struct frame f;
	size_t whole, first = 14 + 40;

	(void)state;
	begin(&f);
	put16(&f, 0x86dd);
	put_ipv6(&f, 0);
	put_extension(&f, 60, 3);
	put_extension(&f, 44, 0);
	put_fragment(&f, 58, 0, true);
	put16(&f, 128 << 8);
	whole = f.length;
	assert_int_equal(classify(&f), LW_DROP_NONE);
	for (f.length = first; f.length < whole - 1; f.length++)
		assert_int_equal(classify(&f), LW_DROP_GUARD_RA);
	assert_int_equal(classify(&f), LW_DROP_NONE);
	for (f.length = 14; f.length < first; f.length++)
		assert_int_equal(classify(&f), LW_DROP_MALFORMED);
}

static void ipv6__later_fragments_and_other_protocols__pass(void **state)
{
	struct frame f;

	(void)state;
	begin(&f);
	put16(&f, 0x86dd);
	put_ipv6(&f, 44);
	put_fragment(&f, 58, 1, false);
	put16(&f, 134 << 8);
	assert_int_equal(classify(&f), LW_DROP_NONE);
	begin(&f);
	put16(&f, 0x86dd);
	put_ipv6(&f, 59);
	assert_int_equal(classify(&f), LW_DROP_NONE);
	begin(&f);
	put16(&f, 0x86dd);
	put_ipv6(&f, 50);
	put16(&f, 134 << 8);
	assert_int_equal(classify(&f), LW_DROP_NONE);
}

static void ipv6__more_headers_than_the_limit__is_dropped(void **state)
{
	struct frame f;

	(void)state;
	for (unsigned n = 30; n < 40; n++) {
		begin(&f);
		put16(&f, 0x86dd);
		put_ipv6(&f, 60);
		for (unsigned i = 0; i < n; i++)
			put_extension(&f, i + 1 < n ? 60 : 6, 0);
		assert_int_equal(classify(&f), n <= 32 ? LW_DROP_NONE : LW_DROP_GUARD_RA);
	}
}

static void bpdu__addresses_and_llc__are_seen(void **state)
{
	static const struct {
		uint8_t target[6];
		uint16_t type;
		uint8_t llc[3];
		enum lw_drop expected;
	} rows[] = {
		{ { 1, 0x80, 0xc2, 0, 0, 0 }, 38, { 0x42, 0x42, 3 }, LW_DROP_GUARD_BPDU },
		{ { 1, 0x80, 0xc2, 0, 0, 8 }, 38, { 0x42, 0x42, 3 }, LW_DROP_GUARD_BPDU },
		{ { 1, 0x80, 0xc2, 0, 0, 0 }, 0x88cc, { 0 }, LW_DROP_GUARD_BPDU },
		{ { 1, 0, 0x0c, 0xcc, 0xcc, 0xcd }, 50, { 0xaa, 0xaa, 3 }, LW_DROP_GUARD_BPDU },
		{ { 1, 0, 0x0c, 0xcc, 0xcc, 0xcc }, 50, { 0xaa, 0xaa, 3 }, LW_DROP_NONE },
		{ { 1, 0x80, 0xc2, 0, 0, 0x0e }, 0x88cc, { 0 }, LW_DROP_NONE },
		{ { 2, 0, 0, 0, 0, 1 }, 38, { 0x42, 0x42, 3 }, LW_DROP_GUARD_BPDU },
		{ { 2, 0, 0, 0, 0, 1 }, 38, { 0xe0, 0xe0, 3 }, LW_DROP_NONE },
		{ { 2, 0, 0, 0, 0, 1 }, 0x600, { 0x42, 0x42, 3 }, LW_DROP_NONE },
		{ { 2, 0, 0, 0, 0, 1 }, 0x5ff, { 0x42, 0x42, 3 }, LW_DROP_GUARD_BPDU },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct frame f;

		begin(&f);
		memcpy(f.data, rows[i].target, 6);
		put16(&f, rows[i].type);
		put(&f, rows[i].llc, 3);
		assert_int_equal(classify(&f), rows[i].expected);
	}
}

static void other_frames__of_any_length__pass(void **state)
{
	static const uint16_t types[] = { 0x0806, 0x8100, 0x88a8, 0x8863, 0x88cc, 0x0000, 0xffff };
	struct frame f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		begin(&f);
		put16(&f, types[i]);
		for (; f.length < 40; f.length++) {
			f.data[f.length] = 0;
			assert_int_equal(classify(&f), LW_DROP_NONE);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dhcp__ports__decide),
		cmocka_unit_test(dhcp__in_fragments__only_the_first_matters),
		cmocka_unit_test(ra__behind_tags_and_snap__is_seen),
		cmocka_unit_test(ra__behind_extension_headers__is_seen),
		cmocka_unit_test(ipv6__incomplete_chain__is_dropped),
		cmocka_unit_test(ipv6__later_fragments_and_other_protocols__pass),
		cmocka_unit_test(ipv6__more_headers_than_the_limit__is_dropped),
		cmocka_unit_test(bpdu__addresses_and_llc__are_seen),
		cmocka_unit_test(other_frames__of_any_length__pass),
	};

	return cmocka_run_group_tests_name("switch/guard", tests, NULL, NULL);
}
