/* SPDX-License-Identifier: MIT */
/* The switch: against a naive model over long random sequences, and rule by rule. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <longwire/capture.h>

#include "capture/point.h"
#include "support/switch_model.h"
#include "switch/vswitch.h"

static const uint64_t second = 1000000000;

enum { PORTS = 4, DEVICE = 0, LAN = 3, LAST_SIZE = 2048 };

struct port {
	struct vport vport;
	unsigned outputs, flushes;
	uint8_t last[LAST_SIZE];
	size_t last_length;
	enum lw_direction last_direction;
	struct capture_origin last_origin;
	struct vport *removes; /* in its flush */
};

/* A hub with a device, two hosts and a LAN. */
struct fixture {
	struct vswitch *vswitch;
	struct port ports[PORTS];
	uint64_t now;
};

static void output(struct vport *vport, const struct lw_packet *packet)
{
	struct port *port = container_of(vport, struct port, vport);

	port->outputs++;
	port->last_length = packet->length;
	port->last_direction = packet->direction;
	port->last_origin = capture_origin;
	memcpy(port->last, packet->data, MIN(packet->length, sizeof(port->last)));
}

static void flush(struct vport *vport)
{
	struct port *port = container_of(vport, struct port, vport);

	port->flushes++;
	if (port->removes)
		vswitch_remove(port->removes->vswitch, port->removes);
}

static const struct vport_ops ops = { .output = output, .flush = flush };

static void begin(struct fixture *f, enum lw_layer layer, enum lw_between between)
{
	static const char *const names[] = { "device", "anna", "bob", "lan" };
	struct vswitch_options options = { .layer = layer, .between = between };

	*f = (struct fixture){ .now = 1000 * second };
	assert_int_equal(vswitch_new(&options, &f->vswitch), 0);
	for (int i = 0; i < PORTS; i++) {
		f->ports[i].vport.ops = &ops;
		f->ports[i].vport.name = names[i];
		f->ports[i].vport.mtu = 1500;
		f->ports[i].vport.is_device = i == DEVICE;
		if (i == LAN)
			f->ports[i].vport.policy.behind = LW_BEHIND_LAN;
		assert_int_equal(vswitch_add(f->vswitch, &f->ports[i].vport), 0);
	}
}

static void end(struct fixture *f)
{
	for (int i = 0; i < PORTS; i++)
		vswitch_remove(f->vswitch, &f->ports[i].vport);
	vswitch_free(f->vswitch);
}

static void input(struct fixture *f, int from, const uint8_t *data, size_t length)
{
	struct lw_packet packet = {
		.data = data,
		.length = length,
		.layer = data[0] >> 4 == 4 || data[0] >> 4 == 6 ? LW_LAYER_IP : LW_LAYER_ETHERNET,
	};

	vswitch_input(f->vswitch, &f->ports[from].vport, &packet, 1, f->now);
}

static uint64_t drops(const struct fixture *f, int port, enum lw_drop reason)
{
	return f->ports[port].vport.lane.drops[reason];
}

static unsigned outputs(const struct fixture *f)
{
	unsigned n = 0;

	for (int i = 0; i < PORTS; i++)
		n += f->ports[i].outputs;
	return n;
}

static void put_mac(uint8_t *p, uint32_t number)
{
	p[0] = number == UINT32_MAX ? 0xff : 0x02;
	p[1] = number == UINT32_MAX ? 0xff : 0x00;
	store_be32(p + 2, number);
}

/* UINT32_MAX: broadcast. */
static void send_frame(struct fixture *f, int from, uint32_t source, uint32_t target, size_t length)
{
	static uint8_t data[10000];

	put_mac(data, target);
	put_mac(data + 6, source);
	store_be16(data + 12, 0x88b5);
	input(f, from, data, length);
}

static struct ip_address address(const char *text)
{
	struct ip_address a;

	assert_int_equal(ip_address_parse(text, &a), 0);
	return a;
}

static int add_prefix(struct fixture *f, int port, const char *text)
{
	struct ip_prefix prefix;

	assert_int_equal(ip_prefix_parse(text, &prefix), 0);
	return vswitch_add_prefix(f->vswitch, &f->ports[port].vport, &prefix);
}

static void send_packet(struct fixture *f, int from, const char *source, const char *target,
			size_t length)
{
	struct ip_address a = address(source), b = address(target);
	uint8_t data[10000] = { 0 };
	bool is_ipv6 = a.family == AF_INET6;

	data[0] = is_ipv6 ? 0x60 : 0x45;
	store_be16(data + (is_ipv6 ? 4 : 2), (uint16_t)(is_ipv6 ? length - 40 : length));
	data[is_ipv6 ? 6 : 9] = 17;
	memcpy(data + (is_ipv6 ? 8 : 12), a.bytes, is_ipv6 ? 16 : 4);
	memcpy(data + (is_ipv6 ? 24 : 16), b.bytes, is_ipv6 ? 16 : 4);
	input(f, from, data, length);
}

static void random_operations__compared_with_the_model__agree(void **state)
{
	static uint8_t data[20001];
	unsigned seed = (unsigned)getpid();

	(void)state;
	print_message("seed %u\n", seed);
	for (int round = 0; round < 96; round++) {
		for (size_t i = 0; i < sizeof(data); i++) {
			seed = seed * 1103515245 + 12345;
			data[i] = (uint8_t)(seed >> 16);
		}
		data[0] = (uint8_t)(round | (round >= 64 ? 6 : 0));
		model_run(data, sizeof(data));
	}
}

static void new__what_cannot_be__is_refused(void **state)
{
	static const struct {
		struct vswitch_options options;
		int expected;
	} rows[] = {
		{ { .layer = LW_LAYER_ETHERNET, .between = LW_BETWEEN_KERNEL }, -EINVAL },
		{ { .layer = LW_LAYER_ETHERNET }, -EINVAL },
		{ { .layer = LW_LAYER_IP }, -EINVAL },
		{ { .between = LW_BETWEEN_DIRECT }, -EINVAL },
		{ { .layer = LW_LAYER_ETHERNET, .between = LW_BETWEEN_DIRECT }, 0 },
		{ { .layer = LW_LAYER_ETHERNET, .between = LW_BETWEEN_ISOLATED }, 0 },
		{ { .layer = LW_LAYER_IP, .between = LW_BETWEEN_KERNEL }, 0 },
		{ { .layer = LW_LAYER_IP, .is_pipe = true }, 0 },
		{ { .layer = LW_LAYER_ETHERNET, .is_pipe = true }, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct vswitch *vswitch = NULL;

		assert_int_equal(vswitch_new(&rows[i].options, &vswitch), rows[i].expected);
		assert_int_equal(vswitch != NULL, rows[i].expected == 0);
		vswitch_free(vswitch);
	}
}

static void policy__zeros__become_the_defaults(void **state)
{
	struct vport_policy host = { 0 },
			    lan = { .behind = LW_BEHIND_LAN, .unknown_per_second = 7 };
	struct vport_policy greedy = { .macs_max = UINT32_MAX };

	(void)state;
	vport_policy_complete(&host);
	assert_int_equal(host.behind, LW_BEHIND_HOST);
	assert_int_equal(host.macs_max, 16);
	assert_int_equal(host.broadcast_per_second, 100);
	assert_int_equal(host.multicast_per_second, 500);
	assert_int_equal(host.unknown_per_second, 100);
	vport_policy_complete(&lan);
	assert_int_equal(lan.macs_max, 4096);
	assert_int_equal(lan.broadcast_per_second, 1000);
	assert_int_equal(lan.multicast_per_second, 5000);
	assert_int_equal(lan.unknown_per_second, 7);
	vport_policy_complete(&greedy);
	assert_int_equal(greedy.macs_max, VSWITCH_MACS_MAX);
}

static void add__more_ports_than_the_maximum__is_refused(void **state)
{
	struct vswitch_options options = { .layer = LW_LAYER_ETHERNET,
					   .between = LW_BETWEEN_DIRECT };
	struct port *ports = calloc(VSWITCH_PORTS_MAX + 1, sizeof(*ports));
	struct port device = { .vport = { .ops = &ops, .is_device = true } };
	struct vswitch *vswitch;

	(void)state;
	assert_non_null(ports);
	assert_int_equal(vswitch_new(&options, &vswitch), 0);
	ports[0].vport.is_device = true;
	for (int i = 0; i < VSWITCH_PORTS_MAX; i++) {
		ports[i].vport.ops = &ops;
		assert_int_equal(vswitch_add(vswitch, &ports[i].vport), 0);
		if (i == 0)
			assert_int_equal(vswitch_add(vswitch, &device.vport), -ENOSPC);
	}
	ports[VSWITCH_PORTS_MAX].vport.ops = &ops;
	assert_int_equal(vswitch_add(vswitch, &ports[VSWITCH_PORTS_MAX].vport), -ENOSPC);
	vswitch_remove(vswitch, &ports[5].vport);
	vswitch_remove(vswitch, &ports[5].vport);
	assert_int_equal(vswitch_add(vswitch, &ports[VSWITCH_PORTS_MAX].vport), 0);
	for (int i = 0; i <= VSWITCH_PORTS_MAX; i++)
		vswitch_remove(vswitch, &ports[i].vport);
	vswitch_free(vswitch);
	free(ports);
}

static void remove__then_add__keeps_counters_and_forgets_macs(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	send_frame(&f, 1, 11, 12, 60);
	send_frame(&f, 1, 11, 12, 5);
	assert_int_equal(f.ports[1].vport.macs, 1);
	vswitch_remove(f.vswitch, &f.ports[1].vport);
	assert_int_equal(vswitch_macs(f.vswitch), 0);
	assert_int_equal(vswitch_add(f.vswitch, &f.ports[1].vport), 0);
	assert_int_equal(f.ports[1].vport.lane.received_packets, 2);
	assert_int_equal(f.ports[1].vport.lane.received_bytes, 65);
	assert_int_equal(drops(&f, 1, LW_DROP_SHORT), 1);
	assert_int_equal(f.ports[1].vport.macs, 0);
	end(&f);
}

static void input__batch__flushes_each_port_once(void **state)
{
	struct lw_packet packets[3];
	uint8_t data[3][60] = { { 0 } };
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	for (int i = 0; i < 3; i++) {
		put_mac(data[i], 50);
		put_mac(data[i] + 6, 11);
		packets[i] = (struct lw_packet){
			.data = data[i],
			.length = sizeof(data[i]),
			.layer = LW_LAYER_ETHERNET,
		};
	}
	vswitch_input(f.vswitch, &f.ports[1].vport, packets, 3, f.now);
	assert_int_equal(f.ports[1].flushes, 0);
	assert_int_equal(f.ports[2].outputs, 3);
	assert_int_equal(f.ports[2].flushes, 1);
	assert_int_equal(f.ports[DEVICE].flushes, 1);
	vswitch_input(f.vswitch, &f.ports[1].vport, packets, 0, f.now);
	assert_int_equal(f.ports[2].flushes, 1);
	end(&f);
}

static void flush__that_removes_ports__goes_on(void **state)
{
	static uint8_t data[2][60];
	struct lw_packet packets[2];
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	/* The device's flush removes a port that was to be flushed later, then a port removes
	 * itself. All have got something by then: a known destination came last. */
	for (unsigned i = 0; i < 2; i++) {
		put_mac(data[i], i ? 50 : UINT32_MAX);
		put_mac(data[i] + 6, 11);
		packets[i] = (struct lw_packet){ .data = data[i],
						 .length = sizeof(data[i]),
						 .layer = LW_LAYER_ETHERNET };
	}
	send_frame(&f, DEVICE, 50, 11, 60);
	f.ports[2].outputs = f.ports[LAN].outputs = f.ports[2].flushes = f.ports[LAN].flushes = 0;
	f.ports[DEVICE].removes = &f.ports[2].vport;
	f.ports[LAN].removes = &f.ports[LAN].vport;
	vswitch_input(f.vswitch, &f.ports[1].vport, packets, 2, f.now);
	assert_int_equal(f.ports[2].flushes, 0);
	assert_int_equal(f.ports[LAN].flushes, 1);
	f.ports[DEVICE].removes = NULL;
	send_frame(&f, 1, 11, UINT32_MAX, 60);
	assert_int_equal(f.ports[DEVICE].outputs, 3);
	assert_int_equal(f.ports[2].outputs, 1);
	assert_int_equal(f.ports[LAN].outputs, 1);
	end(&f);
}

static void ethernet__sizes__both_sides_of_each_bound(void **state)
{
	static const struct {
		size_t length;
		bool passes;
	} rows[] = {
		{ 0, false },   { 1, false },   { 13, false },  { 14, true },    { 60, true },
		{ 1514, true }, { 1518, true }, { 1522, true }, { 1523, false }, { 9014, false },
	};
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	send_frame(&f, 2, 12, UINT32_MAX, 60);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		unsigned before = f.ports[2].outputs;
		uint64_t dropped = drops(&f, 1, LW_DROP_SHORT) + drops(&f, 2, LW_DROP_TOO_BIG);

		send_frame(&f, 1, 11, 12, rows[i].length);
		assert_int_equal(f.ports[2].outputs - before, rows[i].passes);
		assert_int_equal(drops(&f, 1, LW_DROP_SHORT) + drops(&f, 2, LW_DROP_TOO_BIG) -
					 dropped,
				 !rows[i].passes);
	}
	f.ports[2].vport.mtu = 9000;
	send_frame(&f, 1, 11, 12, 9014);
	assert_int_equal(f.ports[2].last_length, 9014);
	f.ports[2].vport.mtu = 0;
	send_frame(&f, 1, 11, 12, 10000);
	assert_int_equal(f.ports[2].last_length, 10000);
	end(&f);
}

/* What one port got, by the last byte of each frame. */
static struct {
	uint8_t order[2 * 100 + 3];
	unsigned n;
} got;

static void note_order(struct vport *vport, const struct lw_packet *packet)
{
	got.order[got.n++] = packet->data[packet->length - 1];
	output(vport, packet);
}

static void ethernet__floods_in_a_batch__keep_their_order_and_one_flush(void **state)
{
	static const struct vport_ops noting = { .output = note_order, .flush = flush };
	enum { FRAMES = 2 * 100 + 3 };
	static uint8_t data[FRAMES][60];
	struct lw_packet packets[FRAMES];
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	f.ports[2].vport.ops = &noting;
	send_frame(&f, 2, 12, 11, 60); /* bob is known */
	memset(&got, 0, sizeof(got));
	for (int i = 0; i < PORTS; i++)
		f.ports[i].outputs = f.ports[i].flushes = 0;
	/* More than wait at once, then bob's own among the others', then more. */
	for (unsigned i = 0; i < FRAMES; i++) {
		bool is_bobs = i >= 100 && i < 103;

		put_mac(data[i], is_bobs ? 12 : UINT32_MAX);
		put_mac(data[i] + 6, 13);
		store_be16(data[i] + 12, 0x88b5);
		data[i][59] = (uint8_t)i;
		packets[i] = (struct lw_packet){ .data = data[i],
						 .length = sizeof(data[i]),
						 .layer = LW_LAYER_ETHERNET };
	}
	vswitch_input(f.vswitch, &f.ports[LAN].vport, packets, FRAMES, f.now);
	assert_int_equal(got.n, FRAMES);
	for (unsigned i = 0; i < FRAMES; i++)
		assert_int_equal(got.order[i], (uint8_t)i);
	assert_int_equal(f.ports[2].flushes, 1);
	assert_int_equal(f.ports[1].outputs, FRAMES - 3);
	assert_int_equal(f.ports[1].flushes, 1);
	assert_int_equal(f.ports[DEVICE].outputs, FRAMES - 3);
	assert_int_equal(f.ports[LAN].outputs, 0);
	end(&f);
}

static void ethernet__flood__whose_flush_removes_a_port__goes_on(void **state)
{
	struct fixture f;

	(void)state;
	for (int removed = 1; removed < PORTS; removed++) {
		begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
		f.ports[1].removes = &f.ports[removed].vport;
		send_frame(&f, DEVICE, 10, UINT32_MAX, 60);
		assert_int_equal(f.ports[1].flushes, 1);
		for (int i = 2; i < PORTS; i++)
			assert_int_equal(f.ports[i].flushes, i != removed);
		end(&f);
	}
}

static void ethernet__super_frame__is_measured_by_its_segments(void **state)
{
	/* 34 bytes of headers, 20 of TCP's: the room is that of a frame with two tags. */
	struct lw_offload offload = { .needs_checksum = true,
				      .checksum_start = 34,
				      .checksum_offset = 16,
				      .gso = LW_GSO_TCPV4,
				      .gso_size = 1500 + 22 - 54 };
	static uint8_t data[60000];
	struct lw_packet packet = { .data = data,
				    .length = sizeof(data),
				    .layer = LW_LAYER_ETHERNET,
				    .offload = &offload };
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	put_mac(data, 50);
	put_mac(data + 6, 11);
	data[34 + 12] = 5 << 4;
	vswitch_input(f.vswitch, &f.ports[1].vport, &packet, 1, f.now);
	assert_int_equal(f.ports[2].outputs, 1);
	offload.gso_size++;
	vswitch_input(f.vswitch, &f.ports[1].vport, &packet, 1, f.now);
	offload.gso = LW_GSO_NONE;
	vswitch_input(f.vswitch, &f.ports[1].vport, &packet, 1, f.now);
	assert_int_equal(f.ports[2].outputs, 1);
	assert_int_equal(drops(&f, 2, LW_DROP_TOO_BIG), 2);
	end(&f);
}

static void ethernet__known_unicast__is_seen_by_nobody_else(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	send_frame(&f, 1, 11, 12, 60);
	assert_int_equal(outputs(&f), 3);
	send_frame(&f, 2, 12, 11, 60);
	assert_int_equal(f.ports[1].outputs, 1);
	assert_int_equal(outputs(&f), 4);
	send_frame(&f, 1, 11, 11, 60);
	assert_int_equal(drops(&f, 1, LW_DROP_SAME_PORT), 1);
	assert_int_equal(outputs(&f), 4);
	end(&f);
}

/* One million sources from a LAN: the table keeps its bound and those known before are never
 * flooded. */
static void ethernet__flood_of_sources__fills_only_its_share(void **state)
{
	struct vport_policy all = { .behind = LW_BEHIND_LAN,
				    .macs_max = VSWITCH_MACS_MAX,
				    .unknown_per_second = 1 };
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	vswitch_remove(f.vswitch, &f.ports[LAN].vport);
	f.ports[LAN].vport.policy = all;
	assert_int_equal(vswitch_add(f.vswitch, &f.ports[LAN].vport), 0);
	send_frame(&f, 1, 11, UINT32_MAX, 60);
	send_frame(&f, 2, 12, UINT32_MAX, 60);
	for (uint32_t i = 0; i < 1000000; i++)
		send_frame(&f, LAN, 1000 + i, 11, 60);
	assert_int_equal(vswitch_macs(f.vswitch), VSWITCH_MACS_MAX);
	assert_int_equal(f.ports[LAN].vport.macs, VSWITCH_MACS_MAX - 2);
	/* Not learned, but forwarded. */
	assert_int_equal(f.ports[1].outputs, 1000001);
	for (int i = 0; i < 100; i++) {
		unsigned device = f.ports[DEVICE].outputs, lan = f.ports[LAN].outputs;

		send_frame(&f, 1, 11, 12, 60);
		send_frame(&f, 2, 12, 11, 60);
		assert_int_equal(f.ports[DEVICE].outputs, device);
		assert_int_equal(f.ports[LAN].outputs, lan);
	}
	assert_int_equal(f.ports[2].outputs, 101);
	/* Unknown destinations still flood, and back to normal when they have aged. */
	send_frame(&f, 1, 11, 777, 60);
	assert_int_equal(f.ports[2].outputs, 102);
	f.now += VSWITCH_AGE_SECONDS * second;
	vswitch_age(f.vswitch, f.now - 1);
	assert_int_equal(vswitch_macs(f.vswitch), VSWITCH_MACS_MAX);
	vswitch_age(f.vswitch, f.now);
	assert_int_equal(vswitch_macs(f.vswitch), 0);
	end(&f);
}

static void ethernet__a_host_above_its_share__is_forwarded_unlearned(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	send_frame(&f, 2, 12, UINT32_MAX, 60);
	for (uint32_t i = 0; i < 50; i++)
		send_frame(&f, 1, 100 + i, 12, 60);
	assert_int_equal(f.ports[1].vport.macs, 16);
	assert_int_equal(vswitch_macs(f.vswitch), 17);
	assert_int_equal(f.ports[2].outputs, 50);
	vswitch_flush_port(f.vswitch, &f.ports[1].vport);
	assert_int_equal(f.ports[1].vport.macs, 0);
	assert_int_equal(vswitch_macs(f.vswitch), 1);
	end(&f);
}

static void ethernet__storm__is_held_and_own_unicast_flows(void **state)
{
	struct fixture f;
	unsigned before;

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	send_frame(&f, 2, 12, UINT32_MAX, 60);
	for (int i = 0; i < 200000; i++)
		send_frame(&f, 1, 11, UINT32_MAX, 60);
	assert_int_equal(f.ports[2].outputs, 200);
	assert_int_equal(drops(&f, 1, LW_DROP_LIMIT_BROADCAST), 200000 - 200);
	for (int i = 0; i < 1000; i++)
		send_frame(&f, 1, 11, 12, 60);
	assert_int_equal(f.ports[2].outputs, 1200);
	f.now += second;
	before = f.ports[2].outputs;
	for (int i = 0; i < 1000; i++)
		send_frame(&f, 1, 11, UINT32_MAX, 60);
	assert_int_equal(f.ports[2].outputs - before, 100);
	end(&f);
}

static void ethernet__a_mac_of_another__is_held(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	send_frame(&f, 1, 11, UINT32_MAX, 60);
	/* Neither another host nor the LAN takes it within the hold time of its last frame. */
	f.now += VSWITCH_HOLD_SECONDS * second - 1;
	send_frame(&f, 2, 11, 50, 60);
	send_frame(&f, LAN, 11, 50, 60);
	send_frame(&f, DEVICE, 11, 50, 60);
	assert_int_equal(drops(&f, 2, LW_DROP_SOURCE_CONFLICT), 1);
	assert_int_equal(drops(&f, LAN, LW_DROP_SOURCE_CONFLICT), 1);
	assert_int_equal(drops(&f, DEVICE, LW_DROP_SOURCE_CONFLICT), 1);
	f.now += 1;
	send_frame(&f, 2, 11, 50, 60);
	assert_int_equal(drops(&f, 2, LW_DROP_SOURCE_CONFLICT), 1);
	assert_int_equal(f.ports[1].vport.macs, 0);
	assert_int_equal(f.ports[2].vport.macs, 1);
	end(&f);
}

static void ethernet__moves_between_lans__are_at_once_but_few(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	send_frame(&f, LAN, 11, UINT32_MAX, 60);
	for (int i = 0; i < 20; i++)
		send_frame(&f, i % 2 ? LAN : DEVICE, 11, UINT32_MAX, 60);
	/* Five moves, to the device at last; from then on the LAN's are refused. */
	assert_int_equal(f.ports[DEVICE].vport.macs, 1);
	assert_int_equal(drops(&f, LAN, LW_DROP_SOURCE_CONFLICT), 8);
	f.now += 2 * second;
	send_frame(&f, LAN, 11, UINT32_MAX, 60);
	assert_int_equal(f.ports[LAN].vport.macs, 1);
	end(&f);
}

static void ethernet__own_mac__is_behind_the_device_only(void **state)
{
	struct mac_address own;
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	for (uint32_t i = 0; i < 8; i++) {
		put_mac(own.bytes, 99 - i);
		assert_int_equal(vswitch_add_own_mac(f.vswitch, &own), 0);
	}
	assert_int_equal(vswitch_add_own_mac(f.vswitch, &own), 0);
	put_mac(own.bytes, 200);
	assert_int_equal(vswitch_add_own_mac(f.vswitch, &own), -ENOSPC);
	send_frame(&f, 1, 99, 50, 60);
	send_frame(&f, LAN, 99, 50, 60);
	assert_int_equal(drops(&f, 1, LW_DROP_SOURCE_OWN), 1);
	assert_int_equal(drops(&f, LAN, LW_DROP_SOURCE_OWN), 1);
	assert_int_equal(outputs(&f), 0);
	send_frame(&f, DEVICE, 99, UINT32_MAX, 60);
	assert_int_equal(outputs(&f), 3);
	assert_int_equal(vswitch_macs(f.vswitch), 0);
	send_frame(&f, 1, 11, 99, 60);
	assert_int_equal(f.ports[DEVICE].outputs, 1);
	assert_int_equal(outputs(&f), 4);
	end(&f);
}

static void ethernet__isolated__clients_never_meet(void **state)
{
	static const uint32_t targets[] = { UINT32_MAX, 10, 11, 12, 13, 77 };
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_ISOLATED);
	for (int i = 0; i < PORTS; i++)
		send_frame(&f, i, 10u + (uint32_t)i, UINT32_MAX, 60);
	for (int from = 1; from < PORTS; from++) {
		for (size_t t = 0; t < ARRAY_SIZE(targets); t++) {
			unsigned device = f.ports[DEVICE].outputs, all = outputs(&f);

			send_frame(&f, from, 10u + (uint32_t)from, targets[t], 60);
			assert_int_equal(outputs(&f) - all, f.ports[DEVICE].outputs - device);
		}
	}
	assert_int_equal(drops(&f, 1, LW_DROP_ISOLATED), 2);
	for (int to = 1; to < PORTS; to++) {
		unsigned before = f.ports[to].outputs;

		send_frame(&f, DEVICE, 10, 10u + (uint32_t)to, 60);
		assert_int_equal(f.ports[to].outputs, before + 1);
	}
	/* Without a device nobody is left to hear a broadcast. */
	vswitch_remove(f.vswitch, &f.ports[DEVICE].vport);
	send_frame(&f, 2, 12, UINT32_MAX, 60);
	assert_int_equal(drops(&f, 2, LW_DROP_ISOLATED), 3);
	end(&f);
}

static void ethernet__guarded_frames__pass_from_lan_and_device_only(void **state)
{
	struct fixture f;
	uint8_t data[64] = { 0 };

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	put_mac(data, UINT32_MAX);
	store_be16(data + 12, 0x0800);
	data[14] = 0x45;
	data[23] = 17;
	store_be16(data + 34, 67);
	store_be16(data + 36, 68);
	for (int i = 0; i < PORTS; i++) {
		put_mac(data + 6, 10u + (uint32_t)i);
		input(&f, i, data, sizeof(data));
		assert_int_equal(drops(&f, i, LW_DROP_GUARD_DHCP), i == 1 || i == 2);
	}
	assert_int_equal(outputs(&f), 6);
	/* What is refused is not learned. */
	assert_int_equal(vswitch_macs(f.vswitch), 2);
	end(&f);
}

static void ethernet__pipe__is_a_wire(void **state)
{
	struct vswitch_options options = { .layer = LW_LAYER_ETHERNET, .is_pipe = true };
	struct fixture f = { .now = second };
	uint8_t bpdu[60] = { 0x01, 0x80, 0xc2, 0, 0, 0, 0x01 };

	(void)state;
	assert_int_equal(vswitch_new(&options, &f.vswitch), 0);
	for (int i = 0; i < 3; i++)
		f.ports[i].vport =
			(struct vport){ .ops = &ops, .mtu = 1500, .is_device = i == DEVICE };
	assert_int_equal(vswitch_add(f.vswitch, &f.ports[DEVICE].vport), 0);
	input(&f, DEVICE, bpdu, sizeof(bpdu));
	assert_int_equal(drops(&f, DEVICE, LW_DROP_PORT_DOWN), 1);
	assert_int_equal(vswitch_add(f.vswitch, &f.ports[1].vport), 0);
	assert_int_equal(vswitch_add(f.vswitch, &f.ports[2].vport), -ENOSPC);
	for (int i = 0; i < 100000; i++)
		input(&f, DEVICE, bpdu, sizeof(bpdu));
	assert_int_equal(f.ports[1].outputs, 100000);
	input(&f, 1, bpdu, sizeof(bpdu));
	assert_int_equal(f.ports[DEVICE].outputs, 1);
	input(&f, 1, bpdu, 13);
	assert_int_equal(drops(&f, 1, LW_DROP_SHORT), 1);
	assert_int_equal(vswitch_macs(f.vswitch), 0);
	vswitch_age(f.vswitch, f.now);
	end(&f);
}

static void begin_ip(struct fixture *f, enum lw_between between)
{
	struct ip_address own4 = address("10.86.0.1"), own6 = address("fd86::1");

	begin(f, LW_LAYER_IP, between);
	assert_int_equal(vswitch_add_own_address(f->vswitch, &own4), 0);
	assert_int_equal(vswitch_add_own_address(f->vswitch, &own6), 0);
	assert_int_equal(add_prefix(f, 1, "10.86.0.2"), 0);
	assert_int_equal(add_prefix(f, 1, "fd86::2"), 0);
	assert_int_equal(add_prefix(f, 2, "10.86.0.3"), 0);
	assert_int_equal(add_prefix(f, 3, "10.86.0.4"), 0);
	assert_int_equal(add_prefix(f, 3, "192.168.7.9/24"), 0);
}

static void ip__where_packets_go__table(void **state)
{
	enum { NOWHERE = -1 };
	static const struct {
		enum lw_between between;
		int from;
		const char *source, *target;
		int to;
		enum lw_drop reason;
	} rows[] = {
		{ LW_BETWEEN_DIRECT, 1, "10.86.0.2", "10.86.0.3", 2, 0 },
		{ LW_BETWEEN_ISOLATED, 1, "10.86.0.2", "10.86.0.3", NOWHERE, LW_DROP_ISOLATED },
		{ LW_BETWEEN_KERNEL, 1, "10.86.0.2", "10.86.0.3", DEVICE, 0 },
		{ LW_BETWEEN_KERNEL, DEVICE, "10.86.0.2", "10.86.0.3", 2, 0 },
		{ LW_BETWEEN_ISOLATED, 1, "10.86.0.2", "10.86.0.1", DEVICE, 0 },
		{ LW_BETWEEN_ISOLATED, 1, "fd86::2", "fd86::1", DEVICE, 0 },
		{ LW_BETWEEN_ISOLATED, 1, "10.86.0.2", "8.8.8.8", DEVICE, 0 },
		{ LW_BETWEEN_ISOLATED, DEVICE, "8.8.8.8", "10.86.0.2", 1, 0 },
		{ LW_BETWEEN_DIRECT, 1, "10.86.0.2", "192.168.7.200", 3, 0 },
		{ LW_BETWEEN_DIRECT, 3, "192.168.7.200", "10.86.0.2", 1, 0 },
		{ LW_BETWEEN_DIRECT, 1, "10.86.0.2", "10.86.0.2", NOWHERE, LW_DROP_SAME_PORT },
		{ LW_BETWEEN_DIRECT, 3, "10.86.0.4", "192.168.7.1", NOWHERE, LW_DROP_SAME_PORT },
		{ LW_BETWEEN_DIRECT, DEVICE, "8.8.8.8", "10.86.0.1", NOWHERE, LW_DROP_SAME_PORT },
		{ LW_BETWEEN_DIRECT, 1, "10.86.0.3", "10.86.0.1", NOWHERE, LW_DROP_SOURCE_ADDRESS },
		{ LW_BETWEEN_DIRECT, 1, "10.86.0.1", "10.86.0.3", NOWHERE, LW_DROP_SOURCE_ADDRESS },
		{ LW_BETWEEN_DIRECT, 1, "192.168.7.1", "10.86.0.3", NOWHERE,
		  LW_DROP_SOURCE_ADDRESS },
		{ LW_BETWEEN_DIRECT, 1, "8.8.8.8", "10.86.0.3", NOWHERE, LW_DROP_SOURCE_ADDRESS },
		{ LW_BETWEEN_DIRECT, 1, "0.0.0.0", "10.86.0.3", NOWHERE, LW_DROP_SOURCE_ADDRESS },
		{ LW_BETWEEN_DIRECT, 1, "fe80::2", "fd86::1", NOWHERE, LW_DROP_SOURCE_ADDRESS },
		{ LW_BETWEEN_DIRECT, 1, "fe80::2", "ff02::2", NOWHERE, LW_DROP_SOURCE_ADDRESS },
		{ LW_BETWEEN_DIRECT, 1, "10.86.0.2", "224.0.0.251", NOWHERE, LW_DROP_NO_ROUTE },
		{ LW_BETWEEN_DIRECT, 1, "10.86.0.2", "255.255.255.255", NOWHERE, LW_DROP_NO_ROUTE },
		{ LW_BETWEEN_DIRECT, 1, "10.86.0.2", "127.0.0.1", NOWHERE, LW_DROP_NO_ROUTE },
		{ LW_BETWEEN_DIRECT, 1, "10.86.0.2", "169.254.1.1", NOWHERE, LW_DROP_NO_ROUTE },
		{ LW_BETWEEN_DIRECT, 1, "fd86::2", "ff02::fb", NOWHERE, LW_DROP_NO_ROUTE },
		{ LW_BETWEEN_DIRECT, 1, "fd86::2", "fe80::1", NOWHERE, LW_DROP_NO_ROUTE },
		{ LW_BETWEEN_DIRECT, DEVICE, "8.8.8.8", "224.0.0.1", NOWHERE, LW_DROP_NO_ROUTE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct fixture f;

		begin_ip(&f, rows[i].between);
		send_packet(&f, rows[i].from, rows[i].source, rows[i].target, 100);
		assert_int_equal(outputs(&f), rows[i].to != NOWHERE);
		if (rows[i].to != NOWHERE)
			assert_int_equal(f.ports[rows[i].to].outputs, 1);
		else
			assert_int_equal(drops(&f, rows[i].from, rows[i].reason), 1);
		end(&f);
	}
}

static void ip__special_source_within_a_wide_network__is_still_refused(void **state)
{
	static const char *const sources[] = { "127.0.0.1", "224.0.0.1", "0.0.0.0",
					       "255.255.255.255", "169.254.0.1" };
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_IP, LW_BETWEEN_DIRECT);
	assert_int_equal(add_prefix(&f, 1, "0.0.0.0/0"), 0);
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		send_packet(&f, 1, sources[i], "10.1.1.1", 100);
	assert_int_equal(drops(&f, 1, LW_DROP_SOURCE_ADDRESS), ARRAY_SIZE(sources));
	assert_int_equal(outputs(&f), 0);
	end(&f);
}

static void ip__malformed__is_dropped(void **state)
{
	static const struct {
		uint8_t first;
		uint16_t total;
		size_t length;
		enum lw_drop reason;
	} rows[] = {
		{ 0x45, 20, 19, LW_DROP_SHORT },       { 0x60, 0, 39, LW_DROP_SHORT },
		{ 0x45, 101, 100, LW_DROP_MALFORMED }, { 0x45, 19, 100, LW_DROP_MALFORMED },
		{ 0x44, 100, 100, LW_DROP_MALFORMED }, { 0x4f, 59, 100, LW_DROP_MALFORMED },
		{ 0x60, 61, 100, LW_DROP_MALFORMED },  { 0x35, 100, 100, LW_DROP_MALFORMED },
		{ 0x00, 100, 100, LW_DROP_MALFORMED },
	};
	struct fixture f;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		uint8_t data[100] = { rows[i].first };
		struct lw_packet packet = { .data = data,
					    .length = rows[i].length,
					    .layer = LW_LAYER_IP };

		begin_ip(&f, LW_BETWEEN_DIRECT);
		store_be16(data + (rows[i].first == 0x60 ? 4 : 2), rows[i].total);
		vswitch_input(f.vswitch, &f.ports[1].vport, &packet, 1, f.now);
		assert_int_equal(drops(&f, 1, rows[i].reason), 1);
		assert_int_equal(outputs(&f), 0);
		end(&f);
	}
}

static void ip__prefixes__belong_to_one_port(void **state)
{
	struct ip_address own = address("10.86.0.2"), a = address("192.168.7.5");
	struct ip_address hub = address("10.86.0.1"), nobody = address("9.9.9.9");
	struct fixture f;

	(void)state;
	begin_ip(&f, LW_BETWEEN_DIRECT);
	assert_int_equal(add_prefix(&f, 1, "10.86.0.2"), 0);
	assert_int_equal(add_prefix(&f, 2, "10.86.0.2"), -EEXIST);
	assert_int_equal(add_prefix(&f, 2, "192.168.7.0/24"), -EEXIST);
	assert_int_equal(add_prefix(&f, 2, "10.86.0.1"), -EEXIST);
	assert_int_equal(vswitch_add_own_address(f.vswitch, &own), -EEXIST);
	assert_int_equal(vswitch_add_own_address(f.vswitch, &hub), 0);
	assert_ptr_equal(vswitch_find_address(f.vswitch, &a), &f.ports[3].vport);
	assert_ptr_equal(vswitch_find_address(f.vswitch, &hub), &f.ports[DEVICE].vport);
	assert_null(vswitch_find_address(f.vswitch, &nobody));
	vswitch_clear_prefixes(f.vswitch, &f.ports[3].vport);
	assert_null(vswitch_find_address(f.vswitch, &a));
	assert_int_equal(add_prefix(&f, 2, "192.168.7.0/24"), 0);
	vswitch_remove(f.vswitch, &f.ports[2].vport);
	assert_null(vswitch_find_address(f.vswitch, &a));
	vswitch_flush_port(f.vswitch, &f.ports[1].vport);
	assert_ptr_equal(vswitch_find_address(f.vswitch, &own), &f.ports[1].vport);
	end(&f);
}

static void ip__too_big__is_answered_by_the_hub(void **state)
{
	struct ip_address own = address("10.86.0.1"), anna = address("10.86.0.2");
	struct fixture f;

	(void)state;
	begin_ip(&f, LW_BETWEEN_DIRECT);
	f.ports[2].vport.mtu = 1400;
	send_packet(&f, 1, "10.86.0.2", "10.86.0.3", 1400);
	assert_int_equal(f.ports[2].outputs, 1);
	send_packet(&f, 1, "10.86.0.2", "10.86.0.3", 1401);
	assert_int_equal(f.ports[2].outputs, 1);
	assert_int_equal(drops(&f, 2, LW_DROP_TOO_BIG), 1);
	assert_int_equal(f.ports[1].outputs, 1);
	assert_int_equal(f.ports[1].flushes, 1);
	assert_int_equal(f.ports[1].last_direction, LW_DIRECTION_OUTBOUND);
	assert_int_equal(f.ports[1].last[20], 3);
	assert_int_equal(f.ports[1].last[21], 4);
	assert_int_equal(load_be16(f.ports[1].last + 26), 1400);
	assert_memory_equal(f.ports[1].last + 12, own.bytes, 4);
	assert_memory_equal(f.ports[1].last + 16, anna.bytes, 4);
	/* To the device from where the packet was going: the kernel takes nothing from its own
	 * address. */
	f.ports[1].vport.mtu = 1300;
	send_packet(&f, DEVICE, "8.8.8.8", "10.86.0.2", 1301);
	assert_int_equal(f.ports[DEVICE].outputs, 1);
	assert_int_equal(f.ports[DEVICE].last_direction, LW_DIRECTION_INBOUND);
	assert_memory_equal(f.ports[DEVICE].last + 12, anna.bytes, 4);
	end(&f);
}

static void ip__unreachable__is_answered_within_the_limit(void **state)
{
	struct fixture f;

	(void)state;
	begin_ip(&f, LW_BETWEEN_DIRECT);
	send_packet(&f, DEVICE, "8.8.8.8", "10.86.0.77", 100);
	assert_int_equal(f.ports[DEVICE].outputs, 1);
	assert_int_equal(f.ports[DEVICE].last[20], 3);
	assert_int_equal(f.ports[DEVICE].last[21], 1);
	send_packet(&f, DEVICE, "2001:db8::1", "fd86::77", 100);
	assert_int_equal(f.ports[DEVICE].outputs, 2);
	assert_int_equal(f.ports[DEVICE].last[40], 1);
	assert_int_equal(f.ports[DEVICE].last[41], 3);
	for (int i = 0; i < 1000; i++)
		send_packet(&f, DEVICE, "8.8.8.8", "10.86.0.77", 100);
	assert_int_equal(f.ports[DEVICE].outputs, VSWITCH_ICMP_PER_SECOND);
	assert_int_equal(drops(&f, DEVICE, LW_DROP_NO_ROUTE), 1002);
	/* One port's packets do not use up the answers of another. */
	vswitch_remove(f.vswitch, &f.ports[DEVICE].vport);
	send_packet(&f, 1, "10.86.0.2", "8.8.8.8", 100);
	assert_int_equal(f.ports[1].outputs, 1);
	assert_int_equal(drops(&f, 1, LW_DROP_NO_ROUTE), 1);
	send_packet(&f, 1, "10.86.0.2", "10.86.0.1", 100);
	assert_int_equal(drops(&f, 1, LW_DROP_NO_ROUTE), 2);
	end(&f);
}

static void begin_pipe(struct fixture *f)
{
	struct vswitch_options options = { .layer = LW_LAYER_IP, .is_pipe = true };

	*f = (struct fixture){ .now = second };
	assert_int_equal(vswitch_new(&options, &f->vswitch), 0);
	for (int i = 0; i < 2; i++) {
		f->ports[i].vport =
			(struct vport){ .ops = &ops, .mtu = 1400, .is_device = i == DEVICE };
		assert_int_equal(vswitch_add(f->vswitch, &f->ports[i].vport), 0);
	}
}

static void ip__pipe__drops_what_is_not_its_own_once_it_knows(void **state)
{
	struct fixture f;

	(void)state;
	begin_pipe(&f);
	send_packet(&f, 1, "8.8.8.8", "10.86.0.9", 100);
	send_packet(&f, DEVICE, "10.0.0.5", "8.8.8.8", 100);
	assert_int_equal(outputs(&f), 2);
	assert_int_equal(add_prefix(&f, DEVICE, "10.86.0.2"), 0);
	assert_int_equal(add_prefix(&f, DEVICE, "192.168.7.0/24"), 0);
	send_packet(&f, 1, "8.8.8.8", "10.86.0.9", 100);
	send_packet(&f, 1, "2001:db8::1", "fd86::2", 100);
	assert_int_equal(drops(&f, 1, LW_DROP_DESTINATION_ADDRESS), 2);
	send_packet(&f, DEVICE, "10.0.0.5", "8.8.8.8", 100);
	send_packet(&f, DEVICE, "fe80::1", "ff02::2", 100);
	assert_int_equal(drops(&f, DEVICE, LW_DROP_SOURCE_ADDRESS), 2);
	assert_int_equal(outputs(&f), 2);
	send_packet(&f, 1, "8.8.8.8", "10.86.0.2", 100);
	send_packet(&f, 1, "8.8.8.8", "192.168.7.77", 100);
	assert_int_equal(f.ports[DEVICE].outputs, 3);
	send_packet(&f, DEVICE, "10.86.0.2", "8.8.8.8", 100);
	send_packet(&f, DEVICE, "192.168.7.3", "10.86.0.3", 100);
	assert_int_equal(f.ports[1].outputs, 3);
	vswitch_clear_prefixes(f.vswitch, &f.ports[DEVICE].vport);
	send_packet(&f, 1, "8.8.8.8", "10.86.0.9", 100);
	assert_int_equal(f.ports[DEVICE].outputs, 4);
	end(&f);
}

static void ip__pipe__answers_too_big_and_drops_groups(void **state)
{
	struct fixture f;

	(void)state;
	begin_pipe(&f);
	send_packet(&f, DEVICE, "10.86.0.2", "224.0.0.251", 100);
	send_packet(&f, DEVICE, "fd86::2", "ff02::fb", 100);
	assert_int_equal(drops(&f, DEVICE, LW_DROP_NO_ROUTE), 2);
	assert_int_equal(outputs(&f), 0);
	send_packet(&f, DEVICE, "10.86.0.2", "8.8.8.8", 1401);
	assert_int_equal(drops(&f, 1, LW_DROP_TOO_BIG), 1);
	assert_int_equal(f.ports[DEVICE].outputs, 1);
	assert_int_equal(load_be16(f.ports[DEVICE].last + 26), 1400);
	vswitch_remove(f.vswitch, &f.ports[1].vport);
	send_packet(&f, DEVICE, "10.86.0.2", "8.8.8.8", 100);
	assert_int_equal(drops(&f, DEVICE, LW_DROP_PORT_DOWN), 1);
	end(&f);
}

static void assert_origin(const struct fixture *f, int port, const char *from, bool is_flooded)
{
	const struct capture_origin *origin = &f->ports[port].last_origin;

	if (from)
		assert_string_equal(origin->port, from);
	else
		assert_null(origin->port);
	assert_int_equal(origin->is_device, from && strcmp(from, "device") == 0);
	assert_int_equal(origin->is_flooded, is_flooded);
}

static void origin__ethernet__noted_while_it_goes_out(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	send_frame(&f, 1, 11, 50, 60);
	for (int port = 0; port < PORTS; port++)
		if (port != 1)
			assert_origin(&f, port, "anna", true);
	send_frame(&f, DEVICE, 50, 11, 60);
	assert_origin(&f, 1, "device", false);
	send_frame(&f, DEVICE, 50, UINT32_MAX, 60);
	assert_origin(&f, 1, "device", true);
	send_frame(&f, 2, 12, 11, 60);
	assert_origin(&f, 1, "bob", false);
	assert_null(capture_origin.port);
	/* Nobody's. */
	vswitch_output(f.vswitch, &f.ports[1].vport,
		       &(struct lw_packet){
			       .data = f.ports[1].last, .length = 60, .layer = LW_LAYER_ETHERNET });
	assert_origin(&f, 1, NULL, false);
	end(&f);
}

/* What floods waits for what comes behind it: each is told as it is. */
static void origin__batch__flooded_and_known(void **state)
{
	uint8_t frames[3][60] = { 0 };
	struct lw_packet packets[3];
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	send_frame(&f, 1, 11, 50, 60);
	for (unsigned i = 0; i < 3; i++) {
		put_mac(frames[i], i == 1 ? 11 : 77);
		put_mac(frames[i] + 6, 12);
		packets[i] = (struct lw_packet){ .data = frames[i],
						 .length = sizeof(frames[i]),
						 .layer = LW_LAYER_ETHERNET };
	}
	vswitch_input(f.vswitch, &f.ports[2].vport, packets, 2, f.now);
	assert_origin(&f, 1, "bob", false);
	assert_origin(&f, LAN, "bob", true);
	vswitch_input(f.vswitch, &f.ports[2].vport, packets + 1, 2, f.now);
	assert_origin(&f, 1, "bob", true);
	end(&f);
}

static void origin__ip__routed_is_known_and_answers_have_none(void **state)
{
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_IP, LW_BETWEEN_DIRECT);
	assert_int_equal(add_prefix(&f, 1, "10.86.0.2/32"), 0);
	send_packet(&f, DEVICE, "10.86.0.1", "10.86.0.2", 100);
	assert_origin(&f, 1, "device", false);
	send_packet(&f, DEVICE, "10.86.0.1", "10.86.0.9", 100);
	assert_int_equal(f.ports[DEVICE].outputs, 1); /* unreachable */
	assert_origin(&f, DEVICE, NULL, false);
	send_packet(&f, 1, "10.86.0.2", "10.86.0.1", 100);
	assert_origin(&f, DEVICE, "anna", false);
	end(&f);
}

/* A link that keeps what goes to a port, or comes from it, with its mark. */
struct keeper {
	struct vport_link link;
	uint64_t marks[8];
	unsigned n;
};

static void keep_out(struct vport_link *link, const struct lw_packet *packet)
{
	struct keeper *keeper = container_of(link, struct keeper, link);

	(void)packet;
	keeper->marks[keeper->n++] = vswitch_mark();
}

static void keep_in(struct vport_link *link, const struct lw_packet *packets, size_t n)
{
	assert_int_equal(n, 1);
	keep_out(link, packets);
}

static void flush_keeper(struct vport_link *link)
{
	(void)link;
}

static struct keeper new_keeper(void)
{
	return (struct keeper){
		.link = { .output = keep_out, .flush = flush_keeper, .input = keep_in }
	};
}

static void mark__of_what_waits__notes_where_it_came_in(void **state)
{
	struct keeper keeper = new_keeper();
	struct lw_packet packet = { .length = 60, .layer = LW_LAYER_ETHERNET };
	struct fixture f;

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	packet.data = f.ports[1].last;
	send_frame(&f, 1, 11, 50, 60);
	vswitch_set_link(&f.ports[1].vport, &keeper.link, false, true);
	send_frame(&f, DEVICE, 50, 11, 60);
	send_frame(&f, 2, 12, UINT32_MAX, 60);
	(void)capture_set_origin((struct capture_origin){ .is_replayed = true });
	send_frame(&f, LAN, 13, 11, 60);
	vswitch_output(f.vswitch, &f.ports[1].vport, &packet);
	(void)capture_set_origin((struct capture_origin){ .port = NULL });
	assert_int_equal(keeper.n, 4);

	vswitch_emit(&f.ports[1].vport, &packet, keeper.marks[0]);
	assert_origin(&f, 1, "device", false);
	vswitch_emit(&f.ports[1].vport, &packet, keeper.marks[1]);
	assert_origin(&f, 1, "bob", true);
	assert_false(f.ports[1].last_origin.is_replayed);
	vswitch_emit(&f.ports[1].vport, &packet, keeper.marks[2]);
	assert_origin(&f, 1, "lan", false);
	assert_true(f.ports[1].last_origin.is_replayed);
	vswitch_emit(&f.ports[1].vport, &packet, keeper.marks[3]);
	assert_origin(&f, 1, NULL, false);
	assert_true(f.ports[1].last_origin.is_replayed);
	assert_int_equal(vswitch_mark(), 0);

	/* Of a port that is gone nothing is said, and nothing of the next in its place. */
	vswitch_remove(f.vswitch, &f.ports[2].vport);
	vswitch_emit(&f.ports[1].vport, &packet, keeper.marks[1]);
	assert_origin(&f, 1, NULL, false);
	for (int i = 0; i < 3 * PORTS; i++) {
		assert_int_equal(vswitch_add(f.vswitch, &f.ports[2].vport), 0);
		vswitch_emit(&f.ports[1].vport, &packet, keeper.marks[1]);
		assert_origin(&f, 1, NULL, false);
		vswitch_remove(f.vswitch, &f.ports[2].vport);
	}
	vswitch_set_link(&f.ports[1].vport, NULL, false, false);
	end(&f);
}

static void mark__of_what_comes_in__is_of_its_replay(void **state)
{
	struct keeper keeper = new_keeper();
	struct lw_packet packet = { .length = 60, .layer = LW_LAYER_ETHERNET };
	struct fixture f;
	uint8_t frame[60] = { 0 };

	(void)state;
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	put_mac(frame, 50);
	put_mac(frame + 6, 11);
	packet.data = frame;
	vswitch_set_link(&f.ports[1].vport, &keeper.link, true, false);
	(void)capture_set_origin((struct capture_origin){ .is_replayed = true });
	vswitch_input(f.vswitch, &f.ports[1].vport, &packet, 1, f.now);
	(void)capture_set_origin((struct capture_origin){ .port = NULL });
	vswitch_input(f.vswitch, &f.ports[1].vport, &packet, 1, f.now);
	vswitch_forward(f.vswitch, &f.ports[1].vport, &packet, keeper.marks[0], f.now);
	assert_origin(&f, DEVICE, "anna", true);
	assert_true(f.ports[DEVICE].last_origin.is_replayed);
	vswitch_forward(f.vswitch, &f.ports[1].vport, &packet, keeper.marks[1], f.now);
	assert_origin(&f, DEVICE, "anna", true);
	assert_false(f.ports[DEVICE].last_origin.is_replayed);
	vswitch_set_link(&f.ports[1].vport, NULL, false, false);
	end(&f);
}

static void drop__with_a_capture__is_shown_to_it(void **state)
{
	char path[] = "/tmp/longwire-drop-XXXXXX";
	struct lw_capture_options options = { .size = sizeof(options),
					      .points = LW_CAPTURE_DROP,
					      .layer = LW_LAYER_ETHERNET };
	struct lw_capture_counters counters = { .size = sizeof(counters) };
	struct lw_capture_set set = { 0 };
	struct lw_capture *capture;
	struct fixture f;

	(void)state;
	close(mkstemp(path));
	options.file = path;
	assert_int_equal(lw_capture_open(&options, &capture, NULL), 0);
	assert_int_equal(capture_attach(&set, capture), 0);
	begin(&f, LW_LAYER_ETHERNET, LW_BETWEEN_DIRECT);
	vswitch_set_captures(f.vswitch, &set);
	send_frame(&f, 1, 11, 50, 60);
	send_frame(&f, 1, 11, 11, 60);
	send_frame(&f, 1, 11, 50, 5000);
	lw_capture_counters(capture, &counters);
	/* One for the port it came from, and one for each of three that found it too big. */
	assert_int_equal(counters.matched, 4);
	end(&f);
	capture_set_clear(&set);
	lw_capture_close(capture);
	unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_operations__compared_with_the_model__agree),
		cmocka_unit_test(new__what_cannot_be__is_refused),
		cmocka_unit_test(policy__zeros__become_the_defaults),
		cmocka_unit_test(add__more_ports_than_the_maximum__is_refused),
		cmocka_unit_test(remove__then_add__keeps_counters_and_forgets_macs),
		cmocka_unit_test(input__batch__flushes_each_port_once),
		cmocka_unit_test(flush__that_removes_ports__goes_on),
		cmocka_unit_test(ethernet__sizes__both_sides_of_each_bound),
		cmocka_unit_test(ethernet__floods_in_a_batch__keep_their_order_and_one_flush),
		cmocka_unit_test(ethernet__flood__whose_flush_removes_a_port__goes_on),
		cmocka_unit_test(ethernet__super_frame__is_measured_by_its_segments),
		cmocka_unit_test(ethernet__known_unicast__is_seen_by_nobody_else),
		cmocka_unit_test(ethernet__flood_of_sources__fills_only_its_share),
		cmocka_unit_test(ethernet__a_host_above_its_share__is_forwarded_unlearned),
		cmocka_unit_test(ethernet__storm__is_held_and_own_unicast_flows),
		cmocka_unit_test(ethernet__a_mac_of_another__is_held),
		cmocka_unit_test(ethernet__moves_between_lans__are_at_once_but_few),
		cmocka_unit_test(ethernet__own_mac__is_behind_the_device_only),
		cmocka_unit_test(ethernet__isolated__clients_never_meet),
		cmocka_unit_test(ethernet__guarded_frames__pass_from_lan_and_device_only),
		cmocka_unit_test(ethernet__pipe__is_a_wire),
		cmocka_unit_test(ip__where_packets_go__table),
		cmocka_unit_test(ip__special_source_within_a_wide_network__is_still_refused),
		cmocka_unit_test(ip__malformed__is_dropped),
		cmocka_unit_test(ip__prefixes__belong_to_one_port),
		cmocka_unit_test(ip__too_big__is_answered_by_the_hub),
		cmocka_unit_test(ip__unreachable__is_answered_within_the_limit),
		cmocka_unit_test(ip__pipe__drops_what_is_not_its_own_once_it_knows),
		cmocka_unit_test(ip__pipe__answers_too_big_and_drops_groups),
		cmocka_unit_test(origin__ethernet__noted_while_it_goes_out),
		cmocka_unit_test(origin__batch__flooded_and_known),
		cmocka_unit_test(origin__ip__routed_is_known_and_answers_have_none),
		cmocka_unit_test(mark__of_what_waits__notes_where_it_came_in),
		cmocka_unit_test(mark__of_what_comes_in__is_of_its_replay),
		cmocka_unit_test(drop__with_a_capture__is_shown_to_it),
	};

	return cmocka_run_group_tests_name("switch/vswitch", tests, NULL, NULL);
}
