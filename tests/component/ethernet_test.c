/* SPDX-License-Identifier: MIT */
/* Frames between clients and hub: whole, once, and only where they belong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "support/rig.h"

static void frame__any_size__arrives_byte_identical(void **state)
{
	static const size_t payloads[] = { 0, 1, 31, 46, 50, 1499, 1500 };
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	uint8_t frame[2048];

	(void)state;
	rig_connect(a);
	for (size_t i = 0; i < sizeof(payloads) / sizeof(*payloads); i++) {
		size_t length = rig_frame(frame, 0xff, 1, 0x88b5, payloads[i]);

		rig_write(&a->host, frame, length);
		rig_pass(rig, 20);
		assert_int_equal(rig_count(&rig->host, frame, length), 1);
		length = rig_frame(frame, 1, 9, 0x88b5, payloads[i]);
		rig_write(&rig->host, frame, length);
		rig_pass(rig, 20);
		assert_int_equal(rig_count(&a->host, frame, length), 1);
	}
	rig_free(rig);
}

static void tags_and_802_3__pass_as_they_are(void **state)
{
	static const uint8_t single[] = { 0x81, 0x00, 0x60, 0x0a, 0x08, 0x00 };
	static const uint8_t twice[] = {
		0x88, 0xa8, 0x00, 0x14, 0x81, 0x00, 0x00, 0x0a, 0x08, 0x06
	};
	static const uint8_t length_field[] = { 0x00, 0x05, 0xaa, 0xaa, 0x03 };
	static const struct {
		const uint8_t *header;
		size_t size;
	} cases[] = { { single, sizeof(single) },
		      { twice, sizeof(twice) },
		      { length_field, sizeof(length_field) } };
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	uint8_t frame[2048];

	(void)state;
	rig_connect(a);
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t length = rig_frame(frame, 9, 1, 0, 1500) + cases[i].size - 2;

		memcpy(frame + 12, cases[i].header, cases[i].size);
		if (length > 1514 + (cases[i].size > 6 ? 8u : 4u))
			length = 1514;
		rig_write(&a->host, frame, length);
		rig_pass(rig, 20);
		assert_int_equal(rig_count(&rig->host, frame, length), 1);
	}
	rig_free(rig);
}

static void jumbo__network_of_1500__is_a_counted_drop(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, false);
	struct rig_client *a, *b;
	struct lw_tunnel_status status = { .size = sizeof(status) };
	static uint8_t frame[9100];
	size_t length = rig_frame(frame, 0xff, 1, 0x88b5, 9000);

	(void)state;
	a = rig_add(rig, "a", NULL, NULL);
	b = rig_add(rig, "b", NULL, NULL);
	rig_connect(a);
	rig_connect(b);
	rig_write(&a->host, frame, length);
	rig_pass(rig, 50);
	assert_int_equal(b->host.n, 0); /* this network's MTU is 1500 */
	lw_tunnel_status(a->tunnel, &status);
	assert_int_equal(status.drops[LW_DROP_TOO_BIG], 1);
	rig_free(rig);
}

static void unicast__learned__is_not_seen_by_others(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL), *b = rig_add(rig, "b", NULL, NULL);
	struct rig_client *c = rig_add(rig, "c", NULL, NULL);
	uint8_t hello[64], frame[256];
	size_t hello_length = rig_frame(hello, 0xff, 2, 0x88b5, 46), length;

	(void)state;
	rig_connect(a);
	rig_connect(b);
	rig_connect(c);
	rig_write(&b->host, hello, hello_length);
	rig_pass(rig, 20);
	assert_int_equal(rig_count(&a->host, hello, hello_length), 1);
	assert_int_equal(rig_count(&c->host, hello, hello_length), 1);
	assert_int_equal(rig_count(&rig->host, hello, hello_length), 1);
	assert_int_equal(rig_count(&b->host, hello, hello_length), 0);
	length = rig_frame(frame, 2, 1, 0x88b5, 100);
	rig_write(&a->host, frame, length);
	rig_pass(rig, 20);
	assert_int_equal(rig_count(&b->host, frame, length), 1);
	assert_int_equal(rig_count(&c->host, frame, length), 0);
	assert_int_equal(rig_count(&rig->host, frame, length), 0);
	rig_free(rig);
}

static void session__ends__its_learned_addresses_go(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	struct lw_port_status status = { .size = sizeof(status) };
	uint8_t frame[64];
	size_t length = rig_frame(frame, 0xff, 1, 0x88b5, 46);

	(void)state;
	rig_connect(a);
	rig_write(&a->host, frame, length);
	rig_pass(rig, 20);
	lw_port_status(a->port, &status);
	assert_int_equal(status.macs, 1);
	assert_true(status.connected);
	assert_int_equal(status.received_packets, 1);
	lw_connection_stop(a->connection, LW_STOP_USER_INITIATED);
	assert_true(rig_until(rig, rig_is_down, a, 2000));
	rig_pass(rig, 100);
	lw_port_status(a->port, &status);
	assert_int_equal(status.macs, 0);
	assert_false(status.connected);
	assert_string_equal(status.last_end, "this end was stopped");
	rig_free(rig);
}

static void peer__stops_reading__loses_its_own_queue_only(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *slow = rig_add(rig, "slow", NULL, NULL);
	struct rig_client *good = rig_add(rig, "good", NULL, NULL);
	static uint8_t to_slow[1514], to_good[1514];
	size_t slow_length, good_length, sent = 0;

	(void)state;
	rig_connect(slow);
	rig_connect(good);
	slow_length = rig_frame(to_slow, 0xff, 5, 0x88b5, 46);
	rig_write(&slow->host, to_slow, slow_length);
	slow_length = rig_frame(to_good, 0xff, 6, 0x88b5, 46);
	rig_write(&good->host, to_good, slow_length);
	rig_pass(rig, 20);
	rig_forget(&good->host);
	slow_length = rig_frame(to_slow, 5, 9, 0x88b5, 1500);
	good_length = rig_frame(to_good, 6, 9, 0x88b5, 1500);
	/* Nothing is taken from the wire towards the slow one any more. */
	loop_modify(&slow->wire->b, 0);
	for (int i = 0; i < 3000; i++) {
		rig_write(&rig->host, to_slow, slow_length);
		if (i % 10 == 0) {
			rig_write(&rig->host, to_good, good_length);
			sent++;
		}
		rig_settle(rig);
	}
	assert_true(rig_drops(slow, LW_DROP_QUEUE_FULL) > 0);
	assert_int_equal(rig_drops(good, LW_DROP_QUEUE_FULL), 0);
	assert_int_equal(rig_count(&good->host, to_good, good_length), sent);
	rig_free(rig);
}

static void session__ends__what_waited_is_counted(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *slow = rig_add(rig, "slow", NULL, NULL);
	uint8_t frame[1514];
	size_t length;

	(void)state;
	rig_connect(slow);
	length = rig_frame(frame, 0xff, 5, 0x88b5, 46);
	rig_write(&slow->host, frame, length);
	rig_pass(rig, 20);
	loop_modify(&slow->wire->b, 0);
	length = rig_frame(frame, 5, 9, 0x88b5, 1500);
	for (int i = 0; i < 400; i++) {
		rig_write(&rig->host, frame, length);
		rig_settle(rig);
	}
	assert_int_equal(rig_drops(slow, LW_DROP_PORT_DOWN), 0);
	rig_cut(slow);
	rig_settle(rig);
	assert_int_equal(rig_drops(slow, LW_DROP_QUEUE_FULL), 0);
	assert_in_range(rig_drops(slow, LW_DROP_PORT_DOWN), 1, 400);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame__any_size__arrives_byte_identical),
		cmocka_unit_test(tags_and_802_3__pass_as_they_are),
		cmocka_unit_test(jumbo__network_of_1500__is_a_counted_drop),
		cmocka_unit_test(unicast__learned__is_not_seen_by_others),
		cmocka_unit_test(session__ends__its_learned_addresses_go),
		cmocka_unit_test(peer__stops_reading__loses_its_own_queue_only),
		cmocka_unit_test(session__ends__what_waited_is_counted),
	};

	return cmocka_run_group_tests_name("component/ethernet", tests, NULL, NULL);
}
