/* SPDX-License-Identifier: MIT */
/* ICMP errors: their bytes, their checksums, and when there must be none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "switch/icmp.h"

static void fill_ipv4(uint8_t *p, size_t length, const char *from, const char *to, uint8_t protocol)
{
	struct ip_address a;

	memset(p, 0x5a, length);
	memset(p, 0, 20);
	p[0] = 0x45;
	store_be16(p + 2, (uint16_t)length);
	p[8] = 64;
	p[9] = protocol;
	assert_int_equal(ip_address_parse(from, &a), 0);
	memcpy(p + 12, a.bytes, 4);
	assert_int_equal(ip_address_parse(to, &a), 0);
	memcpy(p + 16, a.bytes, 4);
}

static void fill_ipv6(uint8_t *p, size_t length, const char *from, const char *to, uint8_t next)
{
	struct ip_address a;

	memset(p, 0x5a, length);
	memset(p, 0, 40);
	p[0] = 0x60;
	store_be16(p + 4, (uint16_t)(length - 40));
	p[6] = next;
	assert_int_equal(ip_address_parse(from, &a), 0);
	memcpy(p + 8, a.bytes, 16);
	assert_int_equal(ip_address_parse(to, &a), 0);
	memcpy(p + 24, a.bytes, 16);
}

/* The sum over data with its checksum in place must be all ones. */
static uint32_t ones_sum(uint32_t sum, const uint8_t *data, size_t length)
{
	for (size_t i = 0; i < length; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static size_t build(enum icmp_error error, const uint8_t *packet, size_t length, uint8_t *reply)
{
	return icmp_build(error, packet, length, 1400, NULL, ICMP_IPV6_MAX, reply);
}

static void too_big_ipv4__every_byte__is_right(void **state)
{
	uint8_t packet[1500], reply[ICMP_IPV6_MAX];
	struct ip_address own;
	size_t n;

	(void)state;
	fill_ipv4(packet, sizeof(packet), "10.86.0.2", "10.1.2.3", 17);
	assert_int_equal(ip_address_parse("10.86.0.1", &own), 0);
	n = icmp_build(ICMP_ERROR_TOO_BIG, packet, sizeof(packet), 1400, &own, 1500, reply);
	assert_int_equal(n, ICMP_IPV4_MAX);
	assert_int_equal(reply[0], 0x45);
	assert_int_equal(load_be16(reply + 2), n);
	assert_int_equal(reply[9], 1);
	assert_memory_equal(reply + 12, own.bytes, 4);
	assert_memory_equal(reply + 16, packet + 12, 4);
	assert_int_equal(ones_sum(0, reply, 20), 0xffff);
	assert_int_equal(reply[20], 3);
	assert_int_equal(reply[21], 4);
	assert_int_equal(load_be16(reply + 24), 0);
	assert_int_equal(load_be16(reply + 26), 1400);
	assert_int_equal(ones_sum(0, reply + 20, n - 20), 0xffff);
	assert_memory_equal(reply + 28, packet, n - 28);
}

static void too_big_ipv6__every_byte__is_right(void **state)
{
	uint8_t packet[1501], reply[ICMP_IPV6_MAX], pseudo[4] = { 0, 0, 0, 58 };
	size_t n;

	(void)state;
	fill_ipv6(packet, sizeof(packet), "fd86::2", "2001:db8::1", 6);
	n = build(ICMP_ERROR_TOO_BIG, packet, sizeof(packet), reply);
	assert_int_equal(n, ICMP_IPV6_MAX);
	assert_int_equal(reply[0], 0x60);
	assert_int_equal(load_be16(reply + 4), n - 40);
	assert_int_equal(reply[6], 58);
	assert_memory_equal(reply + 8, packet + 24, 16);
	assert_memory_equal(reply + 24, packet + 8, 16);
	assert_int_equal(reply[40], 2);
	assert_int_equal(reply[41], 0);
	assert_int_equal(load_be32(reply + 44), 1400);
	store_be16(pseudo, (uint16_t)(n - 40));
	assert_int_equal(ones_sum(ones_sum(ones_sum(0, reply + 8, 32), pseudo, 4), reply + 40,
				  n - 40),
			 0xffff);
	assert_memory_equal(reply + 48, packet, n - 48);
}

static void unreachable__odd_lengths__sum_up(void **state)
{
	uint8_t packet[200], reply[ICMP_IPV6_MAX];

	(void)state;
	for (size_t length = 21; length < 60; length++) {
		fill_ipv4(packet, length, "10.86.0.2", "10.1.2.3", 17);
		assert_int_equal(build(ICMP_ERROR_UNREACHABLE, packet, length, reply), length + 28);
		assert_int_equal(ones_sum(0, reply + 20, length + 8), 0xffff);
		assert_int_equal(reply[20], 3);
		assert_int_equal(reply[21], 1);
		assert_int_equal(load_be32(reply + 24), 0);
	}
	fill_ipv6(packet, 77, "fd86::2", "2001:db8::1", 17);
	assert_int_equal(build(ICMP_ERROR_UNREACHABLE, packet, 77, reply), 77 + 48);
	assert_int_equal(reply[40], 1);
	assert_int_equal(reply[41], 3);
	assert_int_equal(load_be32(reply + 44), 0);
}

static void build__limit_below_1280__quotes_less(void **state)
{
	uint8_t packet[1500], reply[ICMP_IPV6_MAX];

	(void)state;
	fill_ipv6(packet, sizeof(packet), "fd86::2", "2001:db8::1", 6);
	assert_int_equal(
		icmp_build(ICMP_ERROR_TOO_BIG, packet, sizeof(packet), 600, NULL, 600, reply), 600);
	assert_int_equal(load_be16(reply + 4), 560);
	fill_ipv4(packet, sizeof(packet), "10.86.0.2", "10.1.2.3", 17);
	assert_int_equal(icmp_build(ICMP_ERROR_TOO_BIG, packet, sizeof(packet), 70000, NULL, 576,
				    reply),
			 576);
	assert_int_equal(load_be16(reply + 26), 0xffff);
}

static void build__ipv4_that_must_not_be_answered__is_silent(void **state)
{
	static const struct {
		const char *from, *to;
		uint8_t protocol, type;
		uint16_t fragment;
		bool is_answered;
	} rows[] = {
		{ "10.0.0.1", "10.0.0.2", 17, 0, 0, true },
		{ "10.0.0.1", "10.0.0.2", 17, 0, 0x4000, true },
		{ "10.0.0.1", "10.0.0.2", 17, 0, 0x2000, true },
		{ "10.0.0.1", "10.0.0.2", 17, 0, 0x0001, false },
		{ "10.0.0.1", "10.0.0.2", 17, 0, 0x3fff, false },
		{ "10.0.0.1", "10.0.0.2", 1, 8, 0, true },
		{ "10.0.0.1", "10.0.0.2", 1, 0, 0, true },
		{ "10.0.0.1", "10.0.0.2", 1, 13, 0, true },
		{ "10.0.0.1", "10.0.0.2", 1, 3, 0, false },
		{ "10.0.0.1", "10.0.0.2", 1, 4, 0, false },
		{ "10.0.0.1", "10.0.0.2", 1, 5, 0, false },
		{ "10.0.0.1", "10.0.0.2", 1, 11, 0, false },
		{ "10.0.0.1", "10.0.0.2", 1, 12, 0, false },
		{ "10.0.0.1", "10.0.0.2", 1, 200, 0, false },
		{ "10.0.0.1", "224.0.0.1", 17, 0, 0, false },
		{ "10.0.0.1", "255.255.255.255", 17, 0, 0, false },
		{ "10.0.0.1", "127.0.0.1", 17, 0, 0, false },
		{ "0.0.0.0", "10.0.0.2", 17, 0, 0, false },
		{ "127.0.0.1", "10.0.0.2", 17, 0, 0, false },
		{ "239.1.1.1", "10.0.0.2", 17, 0, 0, false },
		{ "255.255.255.255", "10.0.0.2", 17, 0, 0, false },
	};
	uint8_t packet[28], reply[ICMP_IPV6_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fill_ipv4(packet, sizeof(packet), rows[i].from, rows[i].to, rows[i].protocol);
		packet[20] = rows[i].type;
		store_be16(packet + 6, rows[i].fragment);
		assert_int_equal(build(ICMP_ERROR_UNREACHABLE, packet, sizeof(packet), reply) > 0,
				 rows[i].is_answered);
	}
}

static void build__ipv6_that_must_not_be_answered__is_silent(void **state)
{
	static const struct {
		const char *from, *to;
		uint8_t next, type;
		bool is_answered;
	} rows[] = {
		{ "fd86::1", "fd86::2", 17, 0, true },
		{ "fd86::1", "fd86::2", 58, 128, true },
		{ "fd86::1", "fd86::2", 58, 129, true },
		{ "fd86::1", "fd86::2", 58, 127, false },
		{ "fd86::1", "fd86::2", 58, 1, false },
		{ "fd86::1", "fd86::2", 58, 2, false },
		{ "fd86::1", "fd86::2", 58, 137, false },
		{ "fd86::1", "ff02::1", 17, 0, false },
		{ "fd86::1", "::1", 17, 0, false },
		{ "fd86::1", "::2", 17, 0, true },
		{ "::", "fd86::2", 17, 0, false },
		{ "ff02::1", "fd86::2", 17, 0, false },
		/* A destination-options header that does not end. */
		{ "fd86::1", "fd86::2", 60, 0, false },
	};
	uint8_t packet[48], reply[ICMP_IPV6_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		fill_ipv6(packet, sizeof(packet), rows[i].from, rows[i].to, rows[i].next);
		packet[40] = rows[i].type;
		assert_int_equal(build(ICMP_ERROR_TOO_BIG, packet, sizeof(packet), reply) > 0,
				 rows[i].is_answered);
	}
	fill_ipv6(packet, 48, "fd86::1", "fd86::2", 44);
	store_be16(packet + 42, 8);
	assert_int_equal(build(ICMP_ERROR_TOO_BIG, packet, 48, reply), 0);
	store_be16(packet + 42, 1);
	packet[40] = 17;
	assert_true(build(ICMP_ERROR_TOO_BIG, packet, 48, reply) > 0);
	fill_ipv6(packet, 40, "fd86::1", "fd86::2", 58);
	assert_int_equal(build(ICMP_ERROR_TOO_BIG, packet, 40, reply), 0);
}

static void build__what_is_no_packet__is_silent(void **state)
{
	uint8_t packet[60], reply[ICMP_IPV6_MAX];

	(void)state;
	fill_ipv4(packet, sizeof(packet), "10.0.0.1", "10.0.0.2", 17);
	for (size_t n = 0; n < 20; n++)
		assert_int_equal(build(ICMP_ERROR_UNREACHABLE, packet, n, reply), 0);
	assert_int_equal(build(ICMP_ERROR_UNREACHABLE, packet, 20, reply), 48);
	packet[0] = 0x44;
	assert_int_equal(build(ICMP_ERROR_UNREACHABLE, packet, 60, reply), 0);
	packet[0] = 0x4f;
	assert_int_equal(build(ICMP_ERROR_UNREACHABLE, packet, 59, reply), 0);
	packet[0] = 0x55;
	assert_int_equal(build(ICMP_ERROR_UNREACHABLE, packet, 60, reply), 0);
	fill_ipv6(packet, sizeof(packet), "fd86::1", "fd86::2", 17);
	assert_int_equal(build(ICMP_ERROR_UNREACHABLE, packet, 39, reply), 0);
	assert_int_equal(build(ICMP_ERROR_UNREACHABLE, packet, 40, reply), 88);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_big_ipv4__every_byte__is_right),
		cmocka_unit_test(too_big_ipv6__every_byte__is_right),
		cmocka_unit_test(unreachable__odd_lengths__sum_up),
		cmocka_unit_test(build__limit_below_1280__quotes_less),
		cmocka_unit_test(build__ipv4_that_must_not_be_answered__is_silent),
		cmocka_unit_test(build__ipv6_that_must_not_be_answered__is_silent),
		cmocka_unit_test(build__what_is_no_packet__is_silent),
	};

	return cmocka_run_group_tests_name("switch/icmp", tests, NULL, NULL);
}
