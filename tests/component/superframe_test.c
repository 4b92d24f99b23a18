/* SPDX-License-Identifier: MIT */
/* Super-frames through the whole path: whole where both ends can, finished in software where not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device/device.h"
#include "device/segment.h"
#include "flow/flow.h"
#include "support/packet_builder.h"
#include "support/rig.h"

enum { GSO_SIZE = 1448, PAYLOAD = 40 * GSO_SIZE + 100 };

static struct built frame;

static const struct lw_offload tcp4 = {
	.needs_checksum = true,
	.checksum_start = 34,
	.checksum_offset = 16,
	.gso = LW_GSO_TCPV4,
	.gso_size = GSO_SIZE,
};

static void let_device_have(struct lw_packet_flow *flow, uint32_t offloads)
{
	packet_flow_device(flow)->offloads = offloads;
}

static void build_frame(unsigned tags)
{
	const struct shape shape = {
		.payload = PAYLOAD, .flags = 0x10, .is_partial = true, .tags = tags
	};

	build(&shape, &frame);
}

static void write_frame(struct rig_host *host, const struct lw_offload *offload)
{
	const struct lw_packet packet = { .data = frame.data,
					  .length = frame.length,
					  .layer = LW_LAYER_ETHERNET,
					  .ether_type = load_be16(frame.data + 12),
					  .offload = offload };

	assert_int_equal(lw_packet_flow_write(host->far, 0, &packet, 1), 1);
	rig_pass(host->rig, 50);
}

/* The segments are, to the last bit, those of the frame. */
static void assert_segments(const struct rig_host *host, const struct lw_offload *offload)
{
	const struct lw_packet packet = { .data = frame.data,
					  .length = frame.length,
					  .layer = LW_LAYER_ETHERNET,
					  .ether_type = load_be16(frame.data + 12),
					  .offload = offload };
	struct segmenter segmenter;
	uint8_t segment[2048];
	size_t length, n = 0;

	assert_int_equal(segmenter_init(&segmenter, &packet), 0);
	while ((length = segmenter_next(&segmenter, segment))) {
		assert_true(n < host->n);
		assert_int_equal(host->lengths[n], length);
		assert_memory_equal(host->frames[n], segment, length);
		n++;
	}
	assert_int_equal(host->n, n);
	assert_int_equal(n, 41);
}

static struct rig_client *connect(struct rig *rig, bool client_has, bool hub_has)
{
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);

	/* The far ends have them always: they are the test's. */
	let_device_have(a->host.far, DEVICE_OFFLOAD_ALL);
	let_device_have(rig->host.far, DEVICE_OFFLOAD_ALL);
	let_device_have(a->host.near, client_has ? DEVICE_OFFLOAD_ALL : 0);
	let_device_have(rig->host.near, hub_has ? DEVICE_OFFLOAD_ALL : 0);
	rig_connect(a);
	return a;
}

static void both_have_offloads__it_crosses_whole(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = connect(rig, true, true);

	(void)state;
	build_frame(0);
	write_frame(&a->host, &tcp4);
	assert_int_equal(rig->host.n, 1);
	assert_int_equal(rig_count(&rig->host, frame.data, frame.length), 1);
	frame.data[11] = 9; /* from another, to the first */
	frame.data[5] = 2;
	write_frame(&rig->host, &tcp4);
	assert_int_equal(rig_count(&a->host, frame.data, frame.length), 1);
	rig_free(rig);
}

static void egress_has_none__it_is_segmented_there(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = connect(rig, true, false);

	(void)state;
	build_frame(0);
	write_frame(&a->host, &tcp4);
	assert_segments(&rig->host, &tcp4);
	rig_free(rig);
}

static void tagged__it_is_segmented_with_its_tags(void **state)
{
	struct lw_offload tagged = tcp4;
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = connect(rig, true, false);

	(void)state;
	build_frame(2);
	tagged.checksum_start += 8;
	write_frame(&a->host, &tagged);
	assert_segments(&rig->host, &tagged);
	rig_free(rig);
}

/* Our own kernel says what a peer may not be told (segments of 300 bytes): finished before it is sent. */
static void claim_no_peer_may_make__is_finished_at_home(void **state)
{
	struct lw_offload small = tcp4;
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = connect(rig, true, true);
	struct device *device;
	struct lw_packet packet = { .data = frame.data,
				    .length = 54 + PAYLOAD,
				    .layer = LW_LAYER_ETHERNET,
				    .ether_type = 0x0800 };

	(void)state;
	build_frame(0);
	small.gso_size = 300;
	packet.offload = &small;
	/* Past the far flow, which holds what is written to it to a peer's rules. */
	device = packet_flow_device(a->host.far);
	assert_int_equal(device->ops->write(device, 0, &packet), 0);
	rig_pass(rig, 50);
	assert_int_equal(rig->host.n, (PAYLOAD + 299) / 300);
	rig_free(rig);
}

/* Larger than the network when it is cut: nobody may send it, in one piece or in many. */
static void segments_above_the_mtu__are_a_counted_drop(void **state)
{
	struct lw_offload big = tcp4;
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = connect(rig, true, true);
	struct lw_tunnel_status status = { .size = sizeof(status) };

	(void)state;
	build_frame(0);
	big.gso_size = 4000;
	write_frame(&a->host, &big);
	assert_int_equal(rig->host.n, 0);
	lw_tunnel_status(a->tunnel, &status);
	assert_int_equal(status.drops[LW_DROP_TOO_BIG], 1);
	rig_free(rig);
}

static void flood__to_many__is_the_same_for_all(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = connect(rig, true, true), *b = rig_add(rig, "b", NULL, NULL);
	struct rig_client *c = rig_add(rig, "c", NULL, NULL);

	(void)state;
	let_device_have(b->host.near, DEVICE_OFFLOAD_ALL);
	let_device_have(b->host.far, DEVICE_OFFLOAD_ALL);
	let_device_have(c->host.near, 0);
	rig_connect(b);
	rig_connect(c);
	build_frame(0);
	write_frame(&a->host, &tcp4);
	assert_int_equal(rig_count(&b->host, frame.data, frame.length), 1);
	assert_segments(&c->host, &tcp4);
	assert_int_equal(rig_count(&rig->host, frame.data, frame.length), 1);
	rig_free(rig);
}

/* As a card without offloads gives them: one by one. */
static void write_segments(struct rig_host *host)
{
	const struct lw_packet whole = { .data = frame.data,
					 .length = frame.length,
					 .layer = LW_LAYER_ETHERNET,
					 .ether_type = load_be16(frame.data + 12),
					 .offload = &tcp4 };
	struct segmenter segmenter;
	uint8_t segment[2048];
	size_t length;

	assert_int_equal(segmenter_init(&segmenter, &whole), 0);
	while ((length = segmenter_next(&segmenter, segment)))
		rig_write(host, segment, length);
	rig_pass(host->rig, 50);
}

static void device_coalesces__segments_cross_as_one(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	struct lw_port_status status = { .size = sizeof(status) };

	(void)state;
	packet_flow_device(a->host.near)->coalesces = true;
	let_device_have(rig->host.far, DEVICE_OFFLOAD_ALL);
	let_device_have(rig->host.near, DEVICE_OFFLOAD_ALL);
	rig_connect(a);
	build_frame(0);
	write_segments(&a->host);
	assert_int_equal(rig->host.n, 1);
	assert_int_equal(rig_count(&rig->host, frame.data, frame.length), 1);
	/* Cut at the other end, they are what they were. */
	rig_forget(&rig->host);
	let_device_have(rig->host.near, 0);
	write_segments(&a->host);
	assert_segments(&rig->host, &tcp4);
	lw_port_status(a->port, &status);
	assert_int_equal(status.received_packets, 2);
	rig_free(rig);
}

static void device_does_not_coalesce__segments_cross_alone(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = connect(rig, true, true);

	(void)state;
	build_frame(0);
	write_segments(&a->host);
	assert_segments(&rig->host, &tcp4);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_have_offloads__it_crosses_whole),
		cmocka_unit_test(egress_has_none__it_is_segmented_there),
		cmocka_unit_test(tagged__it_is_segmented_with_its_tags),
		cmocka_unit_test(claim_no_peer_may_make__is_finished_at_home),
		cmocka_unit_test(segments_above_the_mtu__are_a_counted_drop),
		cmocka_unit_test(flood__to_many__is_the_same_for_all),
		cmocka_unit_test(device_coalesces__segments_cross_as_one),
		cmocka_unit_test(device_does_not_coalesce__segments_cross_alone),
	};

	return cmocka_run_group_tests_name("component/superframe", tests, NULL, NULL);
}
