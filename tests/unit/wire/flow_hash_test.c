/* SPDX-License-Identifier: MIT */
/* The flow hash: the same in both directions, and the same numbers for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "wire/flow_hash.h"

enum { FRAME_SIZE = 128, PAYLOAD = 8 };

struct sample {
	uint8_t data[FRAME_SIZE];
	size_t length;
};

static void put_macs(struct sample *s, uint8_t source, uint8_t target)
{
	static const uint8_t mac[6] = { 0x02, 0, 0x5e, 0x10, 0, 0 };

	memcpy(s->data, mac, 6);
	memcpy(s->data + 6, mac, 6);
	s->data[5] = target;
	s->data[11] = source;
	s->length = 12;
}

static void put_type(struct sample *s, uint16_t type)
{
	store_be16(s->data + s->length, type);
	s->length += 2;
}

static void put_tag(struct sample *s, uint16_t tpid, uint16_t tci)
{
	put_type(s, tpid);
	put_type(s, tci);
}

static void put_ports(struct sample *s, uint16_t source, uint16_t target)
{
	store_be16(s->data + s->length, source);
	store_be16(s->data + s->length + 2, target);
	s->length += PAYLOAD;
}

static void put_ipv4(struct sample *s, uint8_t protocol, uint8_t source, uint8_t target,
		     uint16_t fragment)
{
	uint8_t *p = s->data + s->length;

	p[0] = 0x45;
	store_be16(p + 2, 20 + PAYLOAD);
	store_be16(p + 6, fragment);
	p[8] = 64;
	p[9] = protocol;
	store_be32(p + 12, 0x0a560000 | source);
	store_be32(p + 16, 0x0a560000 | target);
	s->length += 20;
}

static void put_ipv6(struct sample *s, uint8_t protocol, uint8_t source, uint8_t target)
{
	uint8_t *p = s->data + s->length;

	p[0] = 0x60;
	store_be16(p + 4, PAYLOAD);
	p[6] = protocol;
	p[8] = p[24] = 0xfd;
	p[23] = source;
	p[39] = target;
	s->length += 40;
}

static uint32_t ethernet_hash(const struct sample *s)
{
	return flow_hash(LW_LAYER_ETHERNET, s->data, s->length);
}

static uint32_t ip_hash(const struct sample *s)
{
	return flow_hash(LW_LAYER_IP, s->data, s->length);
}

static struct sample udp4(uint8_t a, uint8_t b, uint16_t port_a, uint16_t port_b, uint16_t fragment)
{
	struct sample s = { .length = 0 };

	put_ipv4(&s, 17, a, b, fragment);
	put_ports(&s, port_a, port_b);
	return s;
}

static struct sample tcp6(uint8_t a, uint8_t b, uint16_t port_a, uint16_t port_b)
{
	struct sample s = { .length = 0 };

	put_ipv6(&s, 6, a, b);
	put_ports(&s, port_a, port_b);
	return s;
}

static struct sample framed(uint8_t from, uint8_t to, int tags, uint16_t type,
			    const struct sample *packet)
{
	struct sample s = { .length = 0 };

	put_macs(&s, from, to);
	for (int i = 0; i < tags; i++)
		put_tag(&s, i + 1 < tags ? 0x88a8 : 0x8100, (uint16_t)(100 + i));
	put_type(&s, type);
	memcpy(s.data + s.length, packet->data, packet->length);
	s.length += packet->length;
	return s;
}

static void hash__both_directions__are_equal(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 50; i++) {
		uint8_t a = (uint8_t)(i + 1), b = (uint8_t)(200 - i);
		uint16_t from = (uint16_t)(1024 + i * 7), to = 443;
		struct sample there = udp4(a, b, from, to, 0), back = udp4(b, a, to, from, 0);

		assert_int_equal(ip_hash(&there), ip_hash(&back));
		there = tcp6(a, b, from, to);
		back = tcp6(b, a, to, from);
		assert_int_equal(ip_hash(&there), ip_hash(&back));
		for (int tags = 0; tags <= 2; tags++) {
			struct sample x = framed(1, 2, tags, 0x86dd, &there);
			struct sample y = framed(2, 1, tags, 0x86dd, &back);

			assert_int_equal(ethernet_hash(&x), ethernet_hash(&y));
			assert_int_equal(ethernet_hash(&x), ip_hash(&there));
			x = framed(1, 2, tags, 0x88b5, &there);
			y = framed(2, 1, tags, 0x88b5, &there);
			assert_int_equal(ethernet_hash(&x), ethernet_hash(&y));
		}
	}
}

static void hash__what_tells_flows_apart__changes_it(void **state)
{
	struct sample base = udp4(1, 2, 1000, 53, 0), other;
	struct sample base6 = tcp6(1, 2, 1000, 443);

	(void)state;
	other = udp4(1, 3, 1000, 53, 0);
	assert_int_not_equal(ip_hash(&base), ip_hash(&other));
	other = udp4(1, 2, 1001, 53, 0);
	assert_int_not_equal(ip_hash(&base), ip_hash(&other));
	other = udp4(1, 2, 53, 1000, 0);
	assert_int_not_equal(ip_hash(&base), ip_hash(&other));
	other = base;
	other.data[9] = 6;
	assert_int_not_equal(ip_hash(&base), ip_hash(&other));
	other = tcp6(1, 2, 1001, 443);
	assert_int_not_equal(ip_hash(&base6), ip_hash(&other));
	other = tcp6(2, 2, 1000, 443);
	assert_int_not_equal(ip_hash(&base6), ip_hash(&other));
}

static void hash__fragments__leave_ports_out(void **state)
{
	static const uint16_t fragments[] = { 0x2000, 0x0001, 0x1fff, 0x3fff };
	struct sample whole = udp4(1, 2, 1000, 53, 0),
		      unfragmentable = udp4(1, 2, 1000, 53, 0x4000);

	(void)state;
	assert_int_equal(ip_hash(&whole), ip_hash(&unfragmentable));
	for (size_t i = 0; i < ARRAY_SIZE(fragments); i++) {
		struct sample a = udp4(1, 2, 1000, 53, fragments[i]);
		struct sample b = udp4(1, 2, 7, 9, 0x2000);

		assert_int_equal(ip_hash(&a), ip_hash(&b));
		assert_int_not_equal(ip_hash(&a), ip_hash(&whole));
	}
}

static void hash__icmp__is_of_addresses_only(void **state)
{
	struct sample request = { .length = 0 }, reply = { .length = 0 };

	(void)state;
	put_ipv4(&request, 1, 1, 2, 0);
	put_ports(&request, 0x0800, 0x1234);
	put_ipv4(&reply, 1, 2, 1, 0);
	put_ports(&reply, 0x0000, 0x9999);
	assert_int_equal(ip_hash(&request), ip_hash(&reply));
}

static void hash__third_tag__is_not_looked_through(void **state)
{
	struct sample packet = udp4(1, 2, 1000, 53, 0), other = udp4(1, 2, 1001, 53, 0);
	struct sample x = framed(1, 2, 3, 0x0800, &packet), y = framed(1, 2, 3, 0x0800, &other);

	(void)state;
	assert_int_equal(ethernet_hash(&x), ethernet_hash(&y));
}

/* Every length, in memory of exactly that size: a read beyond it is the sanitizer's to see. */
static void hash__every_length__stays_within(void **state)
{
	struct sample packet = tcp6(1, 2, 1000, 443), frame = framed(1, 2, 2, 0x86dd, &packet);

	(void)state;
	for (size_t n = 0; n <= frame.length; n++) {
		uint8_t *copy = malloc(n ? n : 1);

		assert_non_null(copy);
		memcpy(copy, frame.data, n);
		assert_int_equal(flow_hash(LW_LAYER_ETHERNET, copy, n),
				 flow_hash(LW_LAYER_ETHERNET, frame.data, n));
		memcpy(copy, packet.data, MIN(n, packet.length));
		flow_hash(LW_LAYER_IP, copy, MIN(n, packet.length));
		free(copy);
	}
}

static void hash__many_flows__spread_over_streams(void **state)
{
	unsigned counts[8] = { 0 };

	(void)state;
	for (uint16_t port = 1024; port < 1024 + 8000; port++) {
		struct sample s = udp4(1, 2, port, 443, 0);

		counts[ip_hash(&s) % 8]++;
	}
	for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
		assert_in_range(counts[i], 850, 1150);
}

/* These numbers are protocol: a change here reorders the packets of every older peer. */
static void hash__fixed_vectors__never_change(void **state)
{
	static const uint8_t bytes[] = { 1, 2, 3 };
	struct sample v4 = udp4(1, 2, 1000, 53, 0), v6 = tcp6(1, 2, 1000, 443);
	struct sample fragment = udp4(1, 2, 1000, 53, 0x2000), other = framed(1, 2, 1, 0x0806, &v4);

	(void)state;
	assert_int_equal(ip_hash(&v4), 0x12811a8f);
	assert_int_equal(ip_hash(&v6), 0x8382f043);
	assert_int_equal(ip_hash(&fragment), 0x1f3904fb);
	assert_int_equal(ethernet_hash(&other), 0x943e337b);
	assert_int_equal(flow_hash(LW_LAYER_ETHERNET, bytes, 3), 0xfc0cbb2b);
	assert_int_equal(flow_hash(LW_LAYER_IP, bytes, 0), 0x00000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash__both_directions__are_equal),
		cmocka_unit_test(hash__what_tells_flows_apart__changes_it),
		cmocka_unit_test(hash__fragments__leave_ports_out),
		cmocka_unit_test(hash__icmp__is_of_addresses_only),
		cmocka_unit_test(hash__third_tag__is_not_looked_through),
		cmocka_unit_test(hash__every_length__stays_within),
		cmocka_unit_test(hash__many_flows__spread_over_streams),
		cmocka_unit_test(hash__fixed_vectors__never_change),
	};

	return cmocka_run_group_tests_name("wire/flow_hash", tests, NULL, NULL);
}
