/* SPDX-License-Identifier: MIT */
/* Impaired links at every port and in both ways: what is asked for happens there, is counted there,
 * and nothing is left behind. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "device/device.h"
#include "device/segment.h"
#include "flow/flow.h"
#include "support/packet_builder.h"
#include "support/rig.h"

/* The ports that a frame passes between the host behind a client and the one behind the hub. */
enum place { CLIENT_DEVICE, CLIENT_HUB, HUB_CLIENT, HUB_DEVICE, PLACES };

static struct lw_port *hub_device(struct rig *rig)
{
	return lw_hub_next_port(rig->hub, NULL);
}

static int impair(struct rig_client *a, enum place place, unsigned ways,
		  const struct lw_impairment *impairment, struct lw_error *error)
{
	switch (place) {
	case CLIENT_DEVICE:
		return lw_tunnel_impair(a->tunnel, LW_TUNNEL_DEVICE, ways, impairment, error);
	case CLIENT_HUB:
		return lw_tunnel_impair(a->tunnel, LW_TUNNEL_HUB, ways, impairment, error);
	case HUB_CLIENT:
		return lw_port_impair(a->port, ways, impairment, error);
	default:
		return lw_port_impair(hub_device(a->rig), ways, impairment, error);
	}
}

static void must_impair(struct rig_client *a, enum place place, unsigned ways,
			struct lw_impairment impairment)
{
	struct lw_error error;

	impairment.size = sizeof(impairment);
	if (impair(a, place, ways, &impairment, &error) < 0)
		fail_msg("%s", error.text);
}

static struct lw_impairment_counters counters_at(struct rig_client *a, enum place place,
						 enum lw_port_way way)
{
	struct lw_impairment_counters counters = { .size = sizeof(counters) };
	bool is_set;

	if (place == CLIENT_DEVICE || place == CLIENT_HUB)
		is_set =
			lw_tunnel_impairment(a->tunnel,
					     place == CLIENT_HUB ? LW_TUNNEL_HUB : LW_TUNNEL_DEVICE,
					     way, NULL, &counters);
	else
		is_set = lw_port_impairment(place == HUB_CLIENT ? a->port : hub_device(a->rig), way,
					    NULL, &counters);
	assert_true(is_set);
	return counters;
}

static uint64_t drops_at(struct rig_client *a, enum place place, enum lw_drop reason)
{
	struct lw_tunnel_status tunnel = { .size = sizeof(tunnel) };
	struct lw_port_status port = { .size = sizeof(port) };

	if (place == CLIENT_DEVICE || place == CLIENT_HUB) {
		lw_tunnel_status(a->tunnel, &tunnel);
		return tunnel.drops[reason];
	}
	lw_port_status(place == HUB_CLIENT ? a->port : hub_device(a->rig), &port);
	return port.drops[reason];
}

/* Of a frame that is on its way up to the hub's host. */
static enum lw_port_way way_up(enum place place)
{
	return place == CLIENT_DEVICE || place == HUB_CLIENT ? LW_PORT_IN : LW_PORT_OUT;
}

static enum lw_port_way way_of(enum place place, bool is_up)
{
	return is_up ? way_up(place) : way_up(place) == LW_PORT_IN ? LW_PORT_OUT : LW_PORT_IN;
}

static struct rig_client *connect(void)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	const struct lw_peer_options peer = { .size = sizeof(peer), .behind = LW_BEHIND_LAN };
	struct rig_client *a = rig_add(rig, "a", &peer, NULL);

	rig_connect(a);
	return a;
}

static size_t send_frame(struct rig_client *a, bool is_up, uint8_t *frame)
{
	size_t length = rig_frame(frame, is_up ? 9 : 1, is_up ? 1 : 9, 0x88b5, 100);

	rig_write(is_up ? &a->host : &a->rig->host, frame, length);
	return length;
}

static void learn(struct rig_client *a)
{
	uint8_t frame[128];

	(void)send_frame(a, true, frame);
	(void)send_frame(a, false, frame);
	rig_pass(a->rig, 10);
	rig_forget(&a->host);
	rig_forget(&a->rig->host);
}

static void delay__at_every_port_and_way__is_there_and_only_there(void **state)
{
	struct rig_client *a = connect();
	uint8_t frame[128];

	(void)state;
	learn(a);
	for (int place = 0; place < PLACES; place++)
		for (int way = LW_PORT_IN; way <= LW_PORT_OUT; way++)
			for (int is_up = 0; is_up < 2; is_up++) {
				struct rig_host *to = is_up ? &a->rig->host : &a->host;
				bool is_slow = way == (int)way_of((enum place)place, is_up);

				must_impair(a, (enum place)place, (unsigned)way,
					    (struct lw_impairment){ .delay_us = 100000 });
				(void)send_frame(a, is_up, frame);
				rig_pass(a->rig, 95);
				assert_int_equal(to->n, is_slow ? 0 : 1);
				rig_pass(a->rig, 10);
				assert_int_equal(to->n, 1);
				assert_int_equal(counters_at(a, (enum place)place,
							     (enum lw_port_way)way)
							 .passed_packets,
						 is_slow);
				rig_forget(to);
				assert_int_equal(impair(a, (enum place)place,
							LW_PORT_IN | LW_PORT_OUT, NULL, NULL),
						 0);
			}
	rig_free(a->rig);
}

/* Let ns pass at once. */
static void pass_ns(struct rig *rig, uint64_t ns)
{
	rig->now_ns += ns;
	rig_settle(rig);
}

static void delay__below_a_millisecond__is_exact(void **state)
{
	struct rig_client *a = connect();
	uint8_t frame[128];

	(void)state;
	learn(a);
	for (int place = 0; place < PLACES; place++) {
		must_impair(a, (enum place)place, way_up((enum place)place),
			    (struct lw_impairment){ .delay_us = 300 });
		(void)send_frame(a, true, frame);
		rig_settle(a->rig);
		pass_ns(a->rig, 299999);
		assert_int_equal(a->rig->host.n, 0);
		pass_ns(a->rig, 1);
		assert_int_equal(a->rig->host.n, 1);
		rig_forget(&a->rig->host);
		assert_int_equal(
			impair(a, (enum place)place, way_up((enum place)place), NULL, NULL), 0);
	}
	rig_free(a->rig);
}

/* Frames of 1000 bytes that came together leave 8 µs apart. */
static void rate__of_a_gigabit__paces_each_frame(void **state)
{
	struct rig_client *a = connect();
	struct rig *rig = a->rig;
	uint8_t frame[1000];
	size_t length = rig_frame(frame, 9, 1, 0x88b5, sizeof(frame) - 14);

	(void)state;
	learn(a);
	must_impair(a, HUB_CLIENT, LW_PORT_IN, (struct lw_impairment){ .rate = 1000000000 });
	for (int i = 0; i < 50; i++)
		rig_write(&a->host, frame, length);
	rig_settle(rig);
	assert_int_equal(rig->host.n, 0);
	for (size_t i = 0; i < 50; i++) {
		pass_ns(rig, 7999);
		assert_int_equal(rig->host.n, i);
		pass_ns(rig, 1);
		assert_int_equal(rig->host.n, i + 1);
	}
	rig_free(rig);
}

static void loss__at_every_port_and_way__is_counted_there(void **state)
{
	struct rig_client *a = connect();
	uint8_t frame[128];

	(void)state;
	learn(a);
	for (int place = 0; place < PLACES; place++)
		for (int is_up = 0; is_up < 2; is_up++) {
			uint64_t before = drops_at(a, (enum place)place, LW_DROP_LINK_LOST);
			enum lw_port_way way = way_of((enum place)place, is_up);

			must_impair(a, (enum place)place, way,
				    (struct lw_impairment){ .loss = LW_PPM_ALL });
			(void)send_frame(a, is_up, frame);
			rig_pass(a->rig, 20);
			assert_int_equal(a->host.n + a->rig->host.n, 0);
			assert_int_equal(drops_at(a, (enum place)place, LW_DROP_LINK_LOST),
					 before + 1);
			assert_int_equal(counters_at(a, (enum place)place, way).lost, 1);
			assert_int_equal(impair(a, (enum place)place, way, NULL, NULL), 0);
		}
	rig_free(a->rig);
}

/* Far more than the rate: what arrives, arrives at the rate, and what does not is counted. Received
 * at the port is what came, sent what left. */
static void rate__overloaded__is_kept_and_counted(void **state)
{
	struct rig_client *a = connect();
	struct rig *rig = a->rig;
	struct lw_port_status before = { .size = sizeof(before) }, after = before;
	uint8_t frame[1014];
	size_t length = rig_frame(frame, 1, 9, 0x88b5, 1000);
	uint64_t begin_ns;
	double expected;

	(void)state;
	learn(a);
	lw_port_status(a->port, &before);
	must_impair(a, HUB_CLIENT, LW_PORT_OUT,
		    (struct lw_impairment){ .rate = 1014 * 8 * 100, .queue_bytes = 10140 });
	begin_ns = rig->now_ns;
	for (int i = 0; i < 1500; i++) {
		rig_write(&rig->host, frame, length);
		rig_pass(rig, 3);
	}
	expected = (double)(rig->now_ns - begin_ns) / 1e7;
	assert_in_range(a->host.n, (size_t)(expected * 0.99), (size_t)(expected * 1.01));
	rig_pass(rig, 200);
	lw_port_status(a->port, &after);
	assert_int_equal(after.sent_packets - before.sent_packets, a->host.n);
	assert_int_equal(a->host.n, 1500 - drops_at(a, HUB_CLIENT, LW_DROP_LINK_FULL));
	assert_true(drops_at(a, HUB_CLIENT, LW_DROP_LINK_FULL) > 300);
	rig_free(rig);
}

static void super_frame__impaired_port__is_cut_before(void **state)
{
	static const struct shape shape = { .payload = 40 * 1448 + 100,
					    .flags = 0x10,
					    .is_partial = true };
	static const struct lw_offload tcp4 = {
		.needs_checksum = true,
		.checksum_start = 34,
		.checksum_offset = 16,
		.gso = LW_GSO_TCPV4,
		.gso_size = 1448,
	};
	static struct built frame;

	(void)state;
	for (int place = 0; place < PLACES; place++) {
		struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
		struct rig_client *a = rig_add(rig, "a", NULL, NULL);
		struct lw_packet packet = { .layer = LW_LAYER_ETHERNET, .offload = &tcp4 };
		struct segmenter segmenter;
		uint8_t segment[2048];
		size_t length, n = 0;

		packet_flow_device(a->host.far)->offloads = DEVICE_OFFLOAD_ALL;
		packet_flow_device(a->host.near)->offloads = DEVICE_OFFLOAD_ALL;
		packet_flow_device(rig->host.far)->offloads = DEVICE_OFFLOAD_ALL;
		packet_flow_device(rig->host.near)->offloads = DEVICE_OFFLOAD_ALL;
		rig_connect(a);
		must_impair(a, (enum place)place, way_up((enum place)place),
			    (struct lw_impairment){ .delay_us = 10000 });
		build(&shape, &frame);
		packet.data = frame.data;
		packet.length = frame.length;
		packet.ether_type = load_be16(frame.data + 12);
		assert_int_equal(lw_packet_flow_write(a->host.far, 0, &packet, 1), 1);
		rig_pass(rig, 50);
		assert_int_equal(
			counters_at(a, (enum place)place, way_up((enum place)place)).passed_packets,
			41);
		assert_int_equal(segmenter_init(&segmenter, &packet), 0);
		for (; (length = segmenter_next(&segmenter, segment)); n++) {
			assert_int_equal(rig->host.lengths[n], length);
			assert_memory_equal(rig->host.frames[n], segment, length);
		}
		assert_int_equal(rig->host.n, n);
		rig_free(rig);
	}
}

/* Everything at once, both ways. */
static const struct lw_impairment everything = {
	.rate = 850000,
	.queue_packets = 5,
	.delay_us = 5000,
	.jitter_us = 4000,
	.distribution = LW_DISTRIBUTION_PARETO,
	.loss = 50000,
	.burst = 10000,
	.burst_end = 200000,
	.duplicate = 100000,
	.corrupt = 100000,
	.reorder = 100000,
};

/* What a host got in this millisecond, byte for byte. */
static uint64_t add_arrived(uint64_t hash, struct rig_host *host, uint64_t *ret_arrived)
{
	for (size_t i = 0; i < host->n; i++)
		for (size_t k = 0; k < host->lengths[i]; k++)
			hash = (hash ^ host->frames[i][k]) * 1099511628211u;
	*ret_arrived += host->n;
	hash = (hash ^ host->n) * 1099511628211u;
	rig_forget(host);
	return hash;
}

/* Every frame that entered passed, was lost, or found no room; what passed arrived, but for those
 * with a flipped bit that the switch refused. */
static void assert_balanced(struct rig_client *a, enum lw_port_way way, uint64_t sent,
			    uint64_t arrived, uint64_t refused)
{
	struct lw_impairment_counters counters = counters_at(a, HUB_CLIENT, way);

	assert_int_equal(counters.waiting_packets, 0);
	assert_int_equal(counters.passed_packets + counters.lost + counters.full,
			 sent + counters.duplicated);
	assert_int_equal(counters.passed_packets, arrived + refused);
	assert_true(counters.lost && counters.full && counters.duplicated && counters.corrupted &&
		    counters.reordered);
}

/* 3000 frames each way: returns what arrived, when and how, as a hash. */
static uint64_t play(uint64_t seed)
{
	struct rig_client *a = connect();
	struct lw_impairment settings = everything;
	struct lw_port_status before = { .size = sizeof(before) }, after = before;
	uint64_t hash = 1469598103934665603u, up = 0, down = 0, refused = 0;

	learn(a);
	settings.seed = seed;
	must_impair(a, HUB_CLIENT, LW_PORT_IN | LW_PORT_OUT, settings);
	lw_port_status(a->port, &before);
	for (uint32_t i = 0; i < 3100; i++) {
		uint8_t frame[128];

		if (i < 3000) {
			(void)send_frame(a, true, frame);
			(void)send_frame(a, false, frame);
		}
		pass_ns(a->rig, 1000000);
		hash = add_arrived(hash, &a->rig->host, &up);
		hash = add_arrived(hash, &a->host, &down);
	}
	lw_port_status(a->port, &after);
	for (int i = 0; i < LW_DROP_COUNT; i++)
		if (i != LW_DROP_LINK_LOST && i != LW_DROP_LINK_FULL)
			refused += after.drops[i] - before.drops[i];
	assert_int_equal(after.received_packets - before.received_packets, 3000);
	assert_int_equal(after.drops[LW_DROP_LINK_LOST],
			 counters_at(a, HUB_CLIENT, LW_PORT_IN).lost +
				 counters_at(a, HUB_CLIENT, LW_PORT_OUT).lost);
	assert_int_equal(after.drops[LW_DROP_LINK_FULL],
			 counters_at(a, HUB_CLIENT, LW_PORT_IN).full +
				 counters_at(a, HUB_CLIENT, LW_PORT_OUT).full);
	assert_balanced(a, LW_PORT_IN, 3000, up, refused);
	assert_balanced(a, LW_PORT_OUT, 3000, down, 0);
	assert_int_equal(after.sent_packets - before.sent_packets, down);
	rig_free(a->rig);
	return hash;
}

static void seed__same__the_run_is_the_same_to_the_byte(void **state)
{
	uint64_t hash = play(5);

	(void)state;
	assert_int_equal(play(5), hash);
	assert_int_not_equal(play(6), hash);
}

static void clear__packets_waiting__come_out_in_order(void **state)
{
	struct rig_client *a = connect();
	struct rig *rig = a->rig;
	uint8_t frame[64];

	(void)state;
	learn(a);
	must_impair(a, HUB_CLIENT, LW_PORT_IN | LW_PORT_OUT,
		    (struct lw_impairment){ .delay_us = 10000000 });
	for (uint32_t i = 0; i < 10; i++) {
		size_t length = rig_frame(frame, 9, 1, 0x88b5, 46);

		store_be32(frame + 20, i);
		rig_write(&a->host, frame, length);
		rig_pass(rig, 3);
	}
	assert_int_equal(rig->host.n, 0);
	assert_int_equal(counters_at(a, HUB_CLIENT, LW_PORT_IN).waiting_packets, 10);
	assert_int_equal(counters_at(a, HUB_CLIENT, LW_PORT_IN).waiting_bytes, 600);
	assert_int_equal(impair(a, HUB_CLIENT, LW_PORT_IN, NULL, NULL), 0);
	rig_pass(rig, 5);
	assert_int_equal(rig->host.n, 10);
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(load_be32(rig->host.frames[i] + 20), i);
	assert_false(lw_port_impairment(a->port, LW_PORT_IN, NULL, NULL));
	assert_true(lw_port_impairment(a->port, LW_PORT_OUT, NULL, NULL));
	rig_free(rig);
}

/* One bit anywhere: whatever it makes of the packet is judged as if a peer had sent it so. */
static void corrupt__ip__is_checked_like_any_other(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_IP, true);
	const char *addresses[] = { "10.9.0.2" };
	const struct lw_peer_options peer = { .size = sizeof(peer),
					      .addresses = addresses,
					      .n_addresses = 1 };
	struct rig_client *a = rig_add(rig, "a", &peer, NULL);
	struct lw_port_status status = { .size = sizeof(status) };
	struct lw_flow_counters flow = { .size = sizeof(flow) };
	uint64_t dropped = 0;
	uint8_t packet[128];
	size_t length = rig_packet(packet, "10.9.0.2", "192.0.2.7", 8);

	(void)state;
	rig_connect(a);
	must_impair(a, HUB_CLIENT, LW_PORT_IN,
		    (struct lw_impairment){ .corrupt = LW_PPM_ALL, .seed = 3 });
	for (int i = 0; i < 2000; i++) {
		rig_write(&a->host, packet, length);
		rig_pass(rig, 1);
	}
	rig_pass(rig, 10);
	lw_port_status(a->port, &status);
	for (int i = 0; i < LW_DROP_COUNT; i++)
		dropped += status.drops[i];
	lw_packet_flow_counters(rig->host.near, &flow);
	assert_int_equal(counters_at(a, HUB_CLIENT, LW_PORT_IN).corrupted, 2000);
	assert_int_equal(rig_count(&rig->host, packet, length), 0);
	assert_true(status.drops[LW_DROP_MALFORMED] > 0);
	assert_true(status.drops[LW_DROP_SOURCE_ADDRESS] > 0);
	assert_int_equal(flow.written_packets + dropped, 2000);
	rig_free(rig);
}

static void session__lost_meanwhile__drops_what_arrives_late(void **state)
{
	struct rig_client *a = connect();
	uint8_t frame[128];

	(void)state;
	learn(a);
	must_impair(a, HUB_CLIENT, LW_PORT_OUT, (struct lw_impairment){ .delay_us = 500000 });
	(void)send_frame(a, false, frame);
	rig_pass(a->rig, 5);
	a->is_unreachable = true;
	rig_cut(a);
	rig_pass(a->rig, 600);
	assert_int_equal(drops_at(a, HUB_CLIENT, LW_DROP_PORT_DOWN), 1);
	rig_free(a->rig);
}

static void tunnel__stopped_and_started__keeps_its_impairment(void **state)
{
	struct rig_client *a = connect();
	struct rig *rig = a->rig;
	struct lw_impairment settings = { .size = sizeof(settings) };
	uint8_t frame[128];

	(void)state;
	learn(a);
	must_impair(a, CLIENT_HUB, LW_PORT_IN | LW_PORT_OUT,
		    (struct lw_impairment){ .delay_us = 300000, .seed = 11 });
	must_impair(a, CLIENT_DEVICE, LW_PORT_IN | LW_PORT_OUT,
		    (struct lw_impairment){ .delay_us = 100000 });
	(void)send_frame(a, true, frame);
	(void)send_frame(a, false, frame);
	rig_pass(rig, 150);
	assert_int_equal(counters_at(a, CLIENT_HUB, LW_PORT_OUT).waiting_packets, 1);
	lw_connection_stop(a->connection, LW_STOP_USER_INITIATED);
	assert_true(rig_until(rig, rig_is_down, a, 2000));
	assert_int_equal(counters_at(a, CLIENT_HUB, LW_PORT_OUT).waiting_packets, 0);
	assert_true(lw_tunnel_impairment(a->tunnel, LW_TUNNEL_HUB, LW_PORT_OUT, &settings, NULL));
	assert_int_equal(settings.delay_us, 300000);
	assert_int_equal(settings.seed, 11);
	rig_forget(&a->host);
	rig_forget(&rig->host);
	rig_connect(a);
	(void)send_frame(a, true, frame);
	rig_pass(rig, 380);
	assert_int_equal(rig->host.n, 0);
	rig_pass(rig, 40);
	assert_int_equal(rig->host.n, 1);
	rig_free(rig);
}

static void port__removed_with_packets_waiting__leaves_nothing(void **state)
{
	struct rig_client *a = connect();
	struct rig *rig = a->rig;
	uint8_t frame[128];

	(void)state;
	learn(a);
	for (int place = 0; place < PLACES; place++)
		must_impair(a, (enum place)place, LW_PORT_IN | LW_PORT_OUT,
			    (struct lw_impairment){ .delay_us = 20000, .duplicate = 500000 });
	for (int i = 0; i < 20; i++) {
		(void)send_frame(a, true, frame);
		(void)send_frame(a, false, frame);
		rig_pass(rig, 4);
	}
	lw_hub_remove_peer(rig->hub, a->port);
	a->port = NULL;
	rig_pass(rig, 100);
	rig_free(rig);
}

static void settings__refused__change_nothing(void **state)
{
	struct rig_client *a = connect();
	struct lw_impairment bad = { .size = sizeof(bad), .loss = 2000000 }, now = bad;
	struct lw_error error;

	(void)state;
	must_impair(a, HUB_CLIENT, LW_PORT_IN, (struct lw_impairment){ .loss = 5 });
	assert_int_equal(lw_port_impair(a->port, LW_PORT_IN, &bad, &error), -EINVAL);
	assert_non_null(strstr(error.text, "loss"));
	assert_int_equal(lw_port_impair(a->port, 0, NULL, &error), -EINVAL);
	assert_int_equal(lw_port_impair(a->port, 4, NULL, &error), -EINVAL);
	bad.size = 0;
	assert_int_equal(lw_port_impair(a->port, LW_PORT_IN, &bad, &error), -EINVAL);
	assert_int_equal(lw_tunnel_impair(a->tunnel, 0, LW_PORT_IN, NULL, &error), -EINVAL);
	assert_true(lw_port_impairment(a->port, LW_PORT_IN, &now, NULL));
	assert_int_equal(now.loss, 5);
	assert_false(lw_port_impairment(a->port, LW_PORT_OUT, &now, NULL));
	rig_free(a->rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delay__at_every_port_and_way__is_there_and_only_there),
		cmocka_unit_test(delay__below_a_millisecond__is_exact),
		cmocka_unit_test(rate__of_a_gigabit__paces_each_frame),
		cmocka_unit_test(loss__at_every_port_and_way__is_counted_there),
		cmocka_unit_test(rate__overloaded__is_kept_and_counted),
		cmocka_unit_test(super_frame__impaired_port__is_cut_before),
		cmocka_unit_test(seed__same__the_run_is_the_same_to_the_byte),
		cmocka_unit_test(clear__packets_waiting__come_out_in_order),
		cmocka_unit_test(corrupt__ip__is_checked_like_any_other),
		cmocka_unit_test(session__lost_meanwhile__drops_what_arrives_late),
		cmocka_unit_test(tunnel__stopped_and_started__keeps_its_impairment),
		cmocka_unit_test(port__removed_with_packets_waiting__leaves_nothing),
		cmocka_unit_test(settings__refused__change_nothing),
	};

	return cmocka_run_group_tests_name("component/impairment", tests, NULL, NULL);
}
