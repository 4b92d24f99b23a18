/* SPDX-License-Identifier: MIT */
/* The packet flow over memory pairs and over a device that does what each test wants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <longwire/capture.h>
#include <longwire/flow.h>
#include <longwire/loop.h>

#include "base/memory.h"
#include "capture/point.h"
#include "device/device.h"
#include "flow/flow.h"
#include "support/packet_builder.h"

/* ---- Fixture: a loop with a clock that the test moves, a pair, and what callbacks saw */

struct seen {
	unsigned calls;
	size_t n, bytes; /* of the last call */
	size_t total;    /* packets of all calls */
	int error;
	uint16_t queue;
	struct lw_packet first; /* its data is gone after the callback */
	uint8_t first_data[64];
	unsigned rearm; /* times that the callback reads again */
	size_t budget;  /* of those reads */
	bool frees;     /* the callback frees the flow */
	int rearm_result;
};

struct fixture {
	uint64_t now_ns;
	struct lw_loop *loop;
	struct lw_packet_flow *a, *b;
	struct seen seen;
};

static uint64_t read_clock(void *user)
{
	return ((struct fixture *)user)->now_ns;
}

static int make(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct lw_loop_options options = { .size = sizeof(options),
					   .now_ns = read_clock,
					   .user = fixture };

	fixture->now_ns = 1000000000;
	if (lw_loop_new(&options, &fixture->loop) < 0)
		return -1;
	*state = fixture;
	return lw_packet_flow_pair(fixture->loop, LW_LAYER_ETHERNET, 0, &fixture->a, &fixture->b);
}

static int drop(void **state)
{
	struct fixture *fixture = *state;

	lw_packet_flow_free(fixture->a);
	lw_packet_flow_free(fixture->b);
	lw_loop_free(fixture->loop);
	free(fixture);
	return 0;
}

static void on_packets(struct lw_packet_flow *flow, uint16_t queue, const struct lw_packet *packets,
		       size_t n, int error, void *user)
{
	struct seen *seen = user;

	seen->calls++;
	seen->n = n;
	seen->total += n;
	seen->error = error;
	seen->queue = queue;
	seen->bytes = 0;
	for (size_t i = 0; i < n; i++)
		seen->bytes += packets[i].length;
	if (n > 0) {
		seen->first = packets[0];
		memcpy(seen->first_data, packets[0].data, MIN(packets[0].length, (size_t)64));
	}
	if (seen->rearm > 0) {
		seen->rearm--;
		seen->rearm_result =
			lw_packet_flow_read(flow, queue, seen->budget, on_packets, seen);
	}
	if (seen->frees)
		lw_packet_flow_free(flow);
}

static int dispatch(struct fixture *fixture)
{
	int r = lw_loop_dispatch(fixture->loop);

	assert_true(r >= 0);
	return r;
}

static uint8_t frame_bytes[LW_PACKET_MAX + 1] = { [12] = 0x86, [13] = 0xdd };

static struct lw_packet frame(size_t length)
{
	return (struct lw_packet){ .data = frame_bytes,
				   .length = length,
				   .layer = LW_LAYER_ETHERNET };
}

static void write_frames(struct lw_packet_flow *flow, size_t n, size_t length)
{
	struct lw_packet packet = frame(length);

	for (size_t i = 0; i < n; i++)
		assert_int_equal(lw_packet_flow_write(flow, 0, &packet, 1), 1);
}

static struct lw_flow_counters counters_of(const struct lw_packet_flow *flow)
{
	struct lw_flow_counters counters = { .size = sizeof(counters) };

	lw_packet_flow_counters(flow, &counters);
	return counters;
}

/* ---- Reading */

static void flow_read__one_packet__delivered_once_as_it_was_written(void **state)
{
	struct fixture *fixture = *state;
	struct seen *seen = &fixture->seen;

	assert_int_equal(lw_packet_flow_read(fixture->b, 0, 0, on_packets, seen), 0);
	dispatch(fixture);
	assert_int_equal(seen->calls, 0);
	write_frames(fixture->a, 1, 60);
	dispatch(fixture);
	assert_int_equal(seen->calls, 1);
	assert_int_equal(seen->n, 1);
	assert_int_equal(seen->first.length, 60);
	assert_int_equal(seen->first.ether_type, 0x86dd);
	assert_int_equal(seen->first.layer, LW_LAYER_ETHERNET);
	assert_int_equal(seen->first.direction, LW_DIRECTION_OUTBOUND);
	assert_null(seen->first.offload);
	assert_memory_equal(seen->first_data, frame_bytes, 60);
	/* One-shot: what comes now waits for the next read. */
	write_frames(fixture->a, 1, 60);
	dispatch(fixture);
	assert_int_equal(seen->calls, 1);
	assert_int_equal(lw_packet_flow_read(fixture->b, 0, 0, on_packets, seen), 0);
	dispatch(fixture);
	assert_int_equal(seen->calls, 2);
}

static const struct lw_offload super_offload = { true, 34, 16, LW_GSO_TCPV4, 1448 };
static struct built built;

/* 4000 bytes of TCP: three segments. */
static struct lw_packet super_frame(const struct lw_offload *offload)
{
	const struct shape shape = { .is_partial = true, .flags = 0x10, .payload = 4000 };

	build(&shape, &built);
	return (struct lw_packet){ .data = built.data,
				   .length = built.length,
				   .layer = LW_LAYER_ETHERNET,
				   .offload = offload };
}

static void flow_read__offload__passed_when_there_is_work(void **state)
{
	struct fixture *fixture = *state;
	struct lw_offload offload = super_offload;
	struct lw_packet packet = super_frame(&offload);

	packet_flow_device(fixture->a)->offloads = DEVICE_OFFLOAD_ALL;
	assert_int_equal(packet_flow_offloads(fixture->a), DEVICE_OFFLOAD_ALL);
	assert_int_equal(lw_packet_flow_write(fixture->a, 0, &packet, 1), 1);
	assert_int_equal(lw_packet_flow_read(fixture->b, 0, 0, on_packets, &fixture->seen), 0);
	dispatch(fixture);
	assert_non_null(fixture->seen.first.offload);
	assert_int_equal(fixture->seen.bytes, packet.length);
	assert_int_equal(counters_of(fixture->a).written_packets, 1);
}

static void flow_write__offload_the_device_lacks__finished_in_software(void **state)
{
	static const uint32_t lacking[] = { 0, DEVICE_OFFLOAD_CHECKSUM, DEVICE_OFFLOAD_TSO4,
					    DEVICE_OFFLOAD_ALL & ~DEVICE_OFFLOAD_TSO4 };
	struct fixture *fixture = *state;
	struct lw_offload offload = super_offload;
	struct lw_packet packet = super_frame(&offload);

	for (size_t i = 0; i < ARRAY_SIZE(lacking); i++) {
		packet_flow_device(fixture->a)->offloads = lacking[i];
		assert_int_equal(lw_packet_flow_write(fixture->a, 0, &packet, 1), 1);
		assert_int_equal(lw_packet_flow_read(fixture->b, 0, 0, on_packets, &fixture->seen),
				 0);
		dispatch(fixture);
		assert_int_equal(fixture->seen.n, 3);
		assert_int_equal(fixture->seen.bytes, 4000 + 3 * 54);
		assert_null(fixture->seen.first.offload);
		assert_int_equal(fixture->seen.first.length, 54 + 1448);
		assert_int_equal(counters_of(fixture->a).written_packets, 3 * (i + 1));
	}
}

static void flow_write__checksum_only__completed_in_software(void **state)
{
	struct fixture *fixture = *state;
	struct lw_offload offload = super_offload;
	const struct shape shape = { .is_partial = true, .flags = 0x10, .payload = 6 };
	struct lw_packet packet;

	build(&shape, &built);
	packet = (struct lw_packet){ .data = built.data,
				     .length = built.length,
				     .layer = LW_LAYER_ETHERNET,
				     .offload = &offload };
	offload.gso = LW_GSO_NONE;
	assert_false(is_complete(built.data, built.length, 14, 34));
	assert_int_equal(lw_packet_flow_write(fixture->a, 0, &packet, 1), 1);
	assert_int_equal(lw_packet_flow_read(fixture->b, 0, 0, on_packets, &fixture->seen), 0);
	dispatch(fixture);
	assert_null(fixture->seen.first.offload);
	assert_int_equal(fixture->seen.bytes, 60);
	assert_true(is_complete(fixture->seen.first_data, 60, 14, 34));
}

/* Whatever the device can do: a claim that contradicts its packet goes nowhere, the next does. */
static void flow_write__offload_that_contradicts__dropped_singly(void **state)
{
	struct fixture *fixture = *state;
	struct lw_offload right = super_offload, wrong = right;
	struct lw_packet packets[2] = { super_frame(&wrong), frame(60) };
	struct lw_offload nothing = { 0 };

	packets[1].offload = &nothing;
	wrong.gso_size = 1;
	for (unsigned i = 0; i < 2; i++) {
		packet_flow_device(fixture->a)->offloads = i ? DEVICE_OFFLOAD_ALL : 0;
		assert_int_equal(lw_packet_flow_write(fixture->a, 0, packets, 2), 1);
		assert_int_equal(counters_of(fixture->a).drops[LW_DROP_OFFLOAD], i + 1);
		assert_int_equal(counters_of(fixture->a).written_packets, i + 1);
	}
}

static void flow_write__full_in_a_super_frame__the_rest_is_busy(void **state)
{
	struct fixture *fixture = *state;
	struct lw_offload offload = super_offload;
	struct lw_packet packets[3] = { frame(60), super_frame(&offload), frame(60) };
	struct lw_packet_flow *c, *d;

	assert_int_equal(lw_packet_flow_pair(fixture->loop, LW_LAYER_ETHERNET, 3, &c, &d), 0);
	assert_int_equal(lw_packet_flow_write(c, 0, packets, 3), 1);
	assert_int_equal(counters_of(c).drops[LW_DROP_DEVICE_BUSY], 2);
	assert_int_equal(counters_of(c).written_packets, 3);
	lw_packet_flow_free(c);
	lw_packet_flow_free(d);
}

static void flow_read__batch__at_most_64_packets(void **state)
{
	struct fixture *fixture = *state;

	write_frames(fixture->a, FLOW_BATCH_MAX + 1, 60);
	fixture->seen.rearm = 1;
	assert_int_equal(lw_packet_flow_read(fixture->b, 0, 0, on_packets, &fixture->seen), 0);
	dispatch(fixture);
	assert_int_equal(fixture->seen.n, FLOW_BATCH_MAX);
	assert_int_equal(fixture->seen.rearm_result, 0);
	dispatch(fixture);
	assert_int_equal(fixture->seen.calls, 2);
	assert_int_equal(fixture->seen.n, 1);
}

static void flow_read__budget__reading_stops_when_it_is_reached(void **state)
{
	static const struct {
		size_t budget, expected;
	} rows[] = { { 1, 1 },    { 999, 1 }, { 1000, 1 },     { 1001, 2 },
		     { 5000, 5 }, { 0, 50 },  { SIZE_MAX, 50 } };
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct seen seen = { .calls = 0 };

		write_frames(fixture->a, 50, 1000);
		assert_int_equal(
			lw_packet_flow_read(fixture->b, 0, rows[i].budget, on_packets, &seen), 0);
		dispatch(fixture);
		assert_int_equal(seen.n, rows[i].expected);
		for (unsigned more = 0; more < 60 && seen.total < 50; more++) {
			assert_int_equal(lw_packet_flow_read(fixture->b, 0, 0, on_packets, &seen),
					 0);
			dispatch(fixture);
		}
		assert_int_equal(seen.total, 50);
	}
}

static void flow_read__super_frames__as_many_as_the_buffer_holds(void **state)
{
	struct fixture *fixture = *state;

	write_frames(fixture->a, 10, LW_PACKET_MAX);
	assert_int_equal(lw_packet_flow_read(fixture->b, 0, 0, on_packets, &fixture->seen), 0);
	dispatch(fixture);
	assert_int_equal(fixture->seen.n, FLOW_BUDGET_DEFAULT / LW_PACKET_MAX + 1);
	assert_int_equal(counters_of(fixture->b).read_bytes, fixture->seen.bytes);
}

static void flow_read__pending__busy_until_cancelled(void **state)
{
	struct fixture *fixture = *state;
	struct seen *seen = &fixture->seen;

	assert_int_equal(lw_packet_flow_read(fixture->b, 0, 0, on_packets, seen), 0);
	assert_int_equal(lw_packet_flow_read(fixture->b, 0, 0, on_packets, seen), -EBUSY);
	lw_packet_flow_cancel_read(fixture->b, 0);
	lw_packet_flow_cancel_read(fixture->b, 0);
	write_frames(fixture->a, 1, 60);
	dispatch(fixture);
	assert_int_equal(seen->calls, 0);
	assert_int_equal(lw_packet_flow_read(fixture->b, 0, 0, on_packets, seen), 0);
	dispatch(fixture);
	assert_int_equal(seen->calls, 1);
}

static void flow_read__queue_that_is_not_there__refused(void **state)
{
	struct fixture *fixture = *state;
	struct lw_packet packet = frame(60);
	struct lw_descriptor descriptor = { .size = sizeof(descriptor) };

	assert_int_equal(lw_packet_flow_queues(fixture->a), 1);
	assert_int_equal(lw_packet_flow_read(fixture->a, 1, 0, on_packets, NULL), -EINVAL);
	assert_int_equal(lw_packet_flow_read(fixture->a, 0, 0, NULL, NULL), -EINVAL);
	assert_int_equal(lw_packet_flow_write(fixture->a, 1, &packet, 1), -EINVAL);
	assert_int_equal(lw_packet_flow_take(fixture->a, 1, &descriptor), -EINVAL);
	lw_packet_flow_cancel_read(fixture->a, 1);
}

static void flow_read__peer_freed__rest_then_gone_once(void **state)
{
	struct fixture *fixture = *state;
	struct seen *seen = &fixture->seen;

	write_frames(fixture->a, 1, 60);
	lw_packet_flow_free(fixture->a);
	fixture->a = NULL;
	seen->rearm = 1;
	assert_int_equal(lw_packet_flow_read(fixture->b, 0, 0, on_packets, seen), 0);
	dispatch(fixture);
	assert_int_equal(seen->n, 1);
	dispatch(fixture);
	assert_int_equal(seen->calls, 2);
	assert_int_equal(seen->n, 0);
	assert_int_equal(seen->error, -ENODEV);
	dispatch(fixture);
	assert_int_equal(seen->calls, 2);
	assert_int_equal(lw_packet_flow_read(fixture->b, 0, 0, on_packets, seen), -ENODEV);
}

static void flow_free__in_its_callback__nothing_more_comes(void **state)
{
	struct fixture *fixture = *state;

	write_frames(fixture->a, FLOW_BATCH_MAX * 2, 60);
	fixture->seen.frees = true;
	fixture->seen.rearm = 1;
	assert_int_equal(lw_packet_flow_read(fixture->b, 0, 0, on_packets, &fixture->seen), 0);
	fixture->b = NULL;
	dispatch(fixture);
	dispatch(fixture);
	assert_int_equal(fixture->seen.calls, 1);
}

/* ---- Writing */

static void flow_write__full_pair__rest_dropped_as_busy(void **state)
{
	struct fixture *fixture = *state;
	struct lw_packet packets[5];
	struct lw_packet_flow *c, *d;

	for (size_t i = 0; i < 5; i++)
		packets[i] = frame(60 + i);
	assert_int_equal(lw_packet_flow_pair(fixture->loop, LW_LAYER_ETHERNET, 3, &c, &d), 0);
	assert_int_equal(lw_packet_flow_write(c, 0, packets, 5), 3);
	assert_int_equal(counters_of(c).drops[LW_DROP_DEVICE_BUSY], 2);
	assert_int_equal(counters_of(c).written_packets, 3);
	assert_int_equal(counters_of(c).written_bytes, 60 + 61 + 62);
	lw_packet_flow_free(d);
	assert_int_equal(lw_packet_flow_write(c, 0, packets, 2), 0);
	assert_int_equal(counters_of(c).drops[LW_DROP_DEVICE_DOWN], 2);
	lw_packet_flow_free(c);
}

static void flow_write__wrong_packet__nothing_written(void **state)
{
	struct fixture *fixture = *state;
	struct lw_packet packets[2] = { frame(60), frame(LW_PACKET_MAX + 1) };

	assert_int_equal(lw_packet_flow_write(fixture->a, 0, packets, 2), -EINVAL);
	packets[1] = frame(60);
	packets[1].layer = LW_LAYER_IP;
	assert_int_equal(lw_packet_flow_write(fixture->a, 0, packets, 2), -EINVAL);
	assert_int_equal(counters_of(fixture->a).written_packets, 0);
	packets[1] = frame(LW_PACKET_MAX);
	assert_int_equal(lw_packet_flow_write(fixture->a, 0, packets, 2), 2);
	assert_int_equal(lw_packet_flow_write(fixture->a, 0, NULL, 0), 0);
}

static void flow_write__short_packets__dropped_singly(void **state)
{
	struct fixture *fixture = *state;
	struct lw_packet packets[4] = { frame(13), frame(14), frame(0), frame(15) };

	assert_int_equal(lw_packet_flow_write(fixture->a, 0, packets, 4), 2);
	assert_int_equal(counters_of(fixture->a).drops[LW_DROP_SHORT], 2);
	assert_int_equal(counters_of(fixture->a).written_packets, 2);
}

static void flow__ip_layer__version_decides_ether_type(void **state)
{
	static const uint8_t v4[20] = { 0x45 }, v6[40] = { 0x60 }, v5[20] = { 0x50 };
	struct fixture *fixture = *state;
	struct lw_packet packets[4] = {
		{ .data = v5, .length = 20, .layer = LW_LAYER_IP },
		{ .data = v4, .length = 19, .layer = LW_LAYER_IP },
		{ .data = v6, .length = 40, .layer = LW_LAYER_IP },
		{ .data = v4, .length = 20, .layer = LW_LAYER_IP },
	};
	struct lw_packet_flow *c, *d;

	assert_int_equal(lw_packet_flow_pair(fixture->loop, LW_LAYER_IP, 0, &c, &d), 0);
	assert_int_equal(lw_packet_flow_layer(c), LW_LAYER_IP);
	assert_string_equal(lw_packet_flow_name(c), "");
	assert_int_equal(lw_packet_flow_write(c, 0, packets, 4), 2);
	assert_int_equal(counters_of(c).drops[LW_DROP_MALFORMED], 1);
	assert_int_equal(counters_of(c).drops[LW_DROP_SHORT], 1);
	assert_int_equal(lw_packet_flow_read(d, 0, 1, on_packets, &fixture->seen), 0);
	dispatch(fixture);
	assert_int_equal(fixture->seen.first.ether_type, 0x86dd);
	assert_int_equal(lw_packet_flow_read(d, 0, 1, on_packets, &fixture->seen), 0);
	dispatch(fixture);
	assert_int_equal(fixture->seen.first.ether_type, 0x0800);
	lw_packet_flow_free(c);
	lw_packet_flow_free(d);
}

/* ---- A device that does what the test wants */

struct fake {
	struct device device;
	int results[256]; /* of reads, in order: a length or an errno; then -EAGAIN */
	unsigned reads, n_results;
	int write_result;
	unsigned writes, refuse_at; /* 1-based; 0: never */
};

static ssize_t fake_read(struct device *device, uint16_t queue, uint8_t *data, size_t size,
			 struct lw_offload *ret_offload)
{
	struct fake *fake = container_of(device, struct fake, device);
	int result;

	(void)queue;
	assert_true(size >= LW_PACKET_MAX);
	if (fake->reads == fake->n_results)
		return -EAGAIN;
	result = fake->results[fake->reads++];
	if (result > 0) {
		memset(data, 0, (size_t)result);
		*ret_offload = (struct lw_offload){ 0 };
	}
	return result;
}

static int fake_write(struct device *device, uint16_t queue, const struct lw_packet *packet)
{
	struct fake *fake = container_of(device, struct fake, device);

	(void)queue, (void)packet;
	if (++fake->writes == fake->refuse_at)
		return -EINVAL;
	return fake->write_result;
}

static void fake_free(struct device *device)
{
	for (uint16_t i = 0; i < device->queues; i++)
		close(device->descriptors[i]);
	free(container_of(device, struct fake, device));
}

static const struct device_ops fake_ops = { "fake", fake_read, fake_write, fake_free };

/* Its descriptors are readable from the start. */
static struct fake *fake_new(struct fixture *fixture, uint16_t queues, struct lw_packet_flow **ret)
{
	struct fake *fake = calloc(1, sizeof(*fake));

	fake->device.ops = &fake_ops;
	fake->device.layer = LW_LAYER_ETHERNET;
	fake->device.queues = queues;
	for (uint16_t i = 0; i < queues; i++)
		fake->device.descriptors[i] = eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC);
	assert_int_equal(packet_flow_new(fixture->loop, &fake->device, ret), 0);
	assert_ptr_equal(packet_flow_device(*ret), &fake->device);
	assert_ptr_equal(packet_flow_loop(*ret), fixture->loop);
	return fake;
}

static void will_read(struct fake *fake, int result)
{
	fake->results[fake->n_results++] = result;
}

static void flow_read__nonsense_from_the_device__counted_and_bounded(void **state)
{
	struct fixture *fixture = *state;
	struct lw_packet_flow *flow;
	struct fake *fake = fake_new(fixture, 1, &flow);

	for (unsigned i = 0; i < 50; i++) {
		will_read(fake, 13);
		will_read(fake, i % 2 ? -EMSGSIZE : -EBADMSG);
	}
	will_read(fake, 14);
	assert_int_equal(lw_packet_flow_read(flow, 0, 0, on_packets, &fixture->seen), 0);
	dispatch(fixture);
	assert_int_equal(fake->reads, FLOW_BATCH_MAX);
	assert_int_equal(fixture->seen.calls, 0);
	dispatch(fixture);
	assert_int_equal(fixture->seen.n, 1);
	assert_int_equal(counters_of(flow).drops[LW_DROP_SHORT], 50);
	assert_int_equal(counters_of(flow).drops[LW_DROP_TOO_BIG], 25);
	assert_int_equal(counters_of(flow).drops[LW_DROP_OFFLOAD], 25);
	assert_int_equal(counters_of(flow).read_packets, 1);
	lw_packet_flow_free(flow);
}

static void flow_read__device_down__polled_four_times_a_second(void **state)
{
	struct fixture *fixture = *state;
	struct lw_packet_flow *flow;
	struct fake *fake = fake_new(fixture, 1, &flow);

	will_read(fake, 60);
	will_read(fake, -EIO);
	will_read(fake, -EIO);
	will_read(fake, -EIO);
	will_read(fake, 60);
	fixture->seen.rearm = 1;
	assert_int_equal(lw_packet_flow_read(flow, 0, 0, on_packets, &fixture->seen), 0);
	dispatch(fixture);
	assert_int_equal(fixture->seen.n, 1);
	dispatch(fixture);
	assert_int_equal(fake->reads, 3);
	/* It is readable and is not read: nothing spins. */
	assert_int_equal(dispatch(fixture), 0);
	fixture->now_ns += 249 * 1000000;
	assert_int_equal(dispatch(fixture), 0);
	fixture->now_ns += 1000000;
	dispatch(fixture);
	assert_int_equal(fake->reads, 4);
	assert_int_equal(dispatch(fixture), 0);
	fixture->now_ns += 250 * 1000000;
	dispatch(fixture);
	assert_int_equal(fixture->seen.calls, 2);
	assert_int_equal(fixture->seen.n, 1);
	lw_packet_flow_free(flow);
}

static void flow_cancel__while_down__poll_stops(void **state)
{
	struct fixture *fixture = *state;
	struct lw_packet_flow *flow;
	struct fake *fake = fake_new(fixture, 1, &flow);

	will_read(fake, -EIO);
	will_read(fake, 60);
	assert_int_equal(lw_packet_flow_read(flow, 0, 0, on_packets, &fixture->seen), 0);
	dispatch(fixture);
	assert_int_equal(lw_packet_flow_read(flow, 0, 0, on_packets, &fixture->seen), -EBUSY);
	lw_packet_flow_cancel_read(flow, 0);
	fixture->now_ns += 1000000000;
	assert_int_equal(dispatch(fixture), 0);
	assert_int_equal(fake->reads, 1);
	assert_int_equal(lw_packet_flow_read(flow, 0, 0, on_packets, &fixture->seen), 0);
	dispatch(fixture);
	assert_int_equal(fixture->seen.n, 1);
	lw_packet_flow_free(flow);
}

static void flow_read__device_gone__each_pending_read_told_once(void **state)
{
	struct fixture *fixture = *state;
	struct seen others = { .calls = 0 };
	struct lw_packet_flow *flow;
	struct fake *fake = fake_new(fixture, 2, &flow);

	will_read(fake, -ENODEV);
	will_read(fake, -EBADFD);
	assert_int_equal(lw_packet_flow_queues(flow), 2);
	assert_int_equal(lw_packet_flow_read(flow, 0, 0, on_packets, &fixture->seen), 0);
	assert_int_equal(lw_packet_flow_read(flow, 1, 0, on_packets, &others), 0);
	dispatch(fixture);
	assert_int_equal(fixture->seen.calls, 1);
	assert_int_equal(fixture->seen.error, -ENODEV);
	assert_int_equal(others.calls, 1);
	assert_int_equal(others.queue, 1);
	assert_int_equal(others.error, -ENODEV);
	assert_int_equal(dispatch(fixture), 0);
	assert_int_equal(lw_packet_flow_read(flow, 0, 0, on_packets, &others), -ENODEV);
	lw_packet_flow_free(flow);
}

static void flow_read__not_rearmed__source_is_out_of_the_loop(void **state)
{
	struct fixture *fixture = *state;
	struct lw_packet_flow *flow;
	struct fake *fake = fake_new(fixture, 1, &flow);

	will_read(fake, 60);
	assert_int_equal(lw_packet_flow_read(flow, 0, 0, on_packets, &fixture->seen), 0);
	dispatch(fixture);
	assert_int_equal(dispatch(fixture), 0);
	assert_int_equal(fake->reads, 1);
	lw_packet_flow_free(flow);
}

static void flow_write__device_says_no__reason_by_errno(void **state)
{
	static const struct {
		int result;
		enum lw_drop reason;
	} rows[] = { { -EAGAIN, LW_DROP_DEVICE_BUSY },
		     { -ENOBUFS, LW_DROP_DEVICE_BUSY },
		     { -EIO, LW_DROP_DEVICE_DOWN },
		     { -ENODEV, LW_DROP_DEVICE_DOWN },
		     { -EINVAL, LW_DROP_DEVICE_REFUSED } };
	struct fixture *fixture = *state;
	struct lw_packet packets[3] = { frame(60), frame(60), frame(60) };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lw_packet_flow *flow;
		struct fake *fake = fake_new(fixture, 1, &flow);

		fake->write_result = rows[i].result;
		assert_int_equal(lw_packet_flow_write(flow, 0, packets, 3), 0);
		assert_int_equal(counters_of(flow).drops[rows[i].reason], 3);
		assert_int_equal(fake->writes, rows[i].result == -EINVAL ? 3 : 1);
		lw_packet_flow_free(flow);
	}
}

static void flow_write__one_refused__others_go_on(void **state)
{
	struct fixture *fixture = *state;
	struct lw_packet packets[3] = { frame(60), frame(60), frame(60) };
	struct lw_packet_flow *flow;
	struct fake *fake = fake_new(fixture, 1, &flow);

	fake->refuse_at = 2;
	assert_int_equal(lw_packet_flow_write(flow, 0, packets, 3), 2);
	assert_int_equal(counters_of(flow).drops[LW_DROP_DEVICE_REFUSED], 1);
	lw_packet_flow_free(flow);
}

/* ---- Taking, counting, capturing */

static void flow_take__memory__refused(void **state)
{
	struct fixture *fixture = *state;
	struct lw_descriptor descriptor = { .size = sizeof(descriptor), .descriptor = -7 };

	assert_int_equal(lw_packet_flow_take(fixture->a, 0, &descriptor), -ENOTSUP);
	assert_int_equal(lw_packet_flow_read(fixture->a, 0, 0, on_packets, NULL), 0);
	assert_int_equal(lw_packet_flow_take(fixture->a, 0, &descriptor), -EBUSY);
	assert_int_equal(descriptor.descriptor, -7);
}

static void flow_take__kernel_device__described_and_given_up(void **state)
{
	struct fixture *fixture = *state;
	struct lw_descriptor descriptor = { .size = sizeof(descriptor) };
	struct lw_packet packet = frame(60);
	struct lw_packet_flow *flow;
	struct fake *fake = fake_new(fixture, 2, &flow);

	snprintf(fake->device.name, sizeof(fake->device.name), "lwtest%d", 0);
	fake->device.header_length = 10;
	assert_int_equal(lw_packet_flow_take(flow, 1, &descriptor), 0);
	assert_int_equal(descriptor.descriptor, fake->device.descriptors[1]);
	assert_int_equal(descriptor.layer, LW_LAYER_ETHERNET);
	assert_int_equal(descriptor.header_length, 10);
	assert_string_equal(descriptor.name, "lwtest0");
	assert_int_equal(descriptor.size, sizeof(descriptor));
	assert_int_equal(lw_packet_flow_take(flow, 1, &descriptor), -ENODEV);
	assert_int_equal(lw_packet_flow_read(flow, 1, 0, on_packets, NULL), -ENODEV);
	assert_int_equal(lw_packet_flow_write(flow, 1, &packet, 1), -ENODEV);
	assert_int_equal(lw_packet_flow_write(flow, 0, &packet, 1), 1);
	lw_packet_flow_free(flow);
}

static void flow_counters__older_caller__gets_what_it_knows(void **state)
{
	struct fixture *fixture = *state;
	struct lw_flow_counters counters;

	memset(&counters, 0xee, sizeof(counters));
	counters.size = offsetof(struct lw_flow_counters, written_packets);
	lw_packet_flow_counters(fixture->a, &counters);
	assert_int_equal(counters.size, offsetof(struct lw_flow_counters, written_packets));
	assert_int_equal(counters.read_packets, 0);
	assert_int_equal(counters.written_packets, UINT64_C(0xeeeeeeeeeeeeeeee));
}

static void flow_captures__read_and_accepted_packets__seen(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture_set set = { 0 };
	struct lw_capture *capture;
	struct lw_capture_counters counters = { .size = sizeof(counters) };
	char path[] = "/tmp/lw-flow-XXXXXX";
	struct lw_packet packets[2] = { frame(13), frame(60) };

	close(mkstemp(path));
	assert_int_equal(
		lw_capture_open(
			&(struct lw_capture_options){ .size = sizeof(struct lw_capture_options),
						      .file = path,
						      .layer = LW_LAYER_ETHERNET },
			&capture, NULL),
		0);
	assert_int_equal(capture_attach(&set, capture), 0);
	packet_flow_set_captures(fixture->a, &set);
	assert_ptr_equal(lw_packet_flow_captures(fixture->a), &set);
	/* One of two is accepted: device-out sees that one. */
	assert_int_equal(lw_packet_flow_write(fixture->a, 0, packets, 2), 1);
	lw_capture_counters(capture, &counters);
	assert_int_equal(counters.matched, 1);
	write_frames(fixture->b, 3, 60);
	assert_int_equal(lw_packet_flow_read(fixture->a, 0, 0, on_packets, &fixture->seen), 0);
	dispatch(fixture);
	lw_capture_counters(capture, &counters);
	assert_int_equal(counters.matched, 4);
	packet_flow_set_captures(fixture->a, NULL);
	write_frames(fixture->a, 1, 60);
	lw_capture_counters(capture, &counters);
	assert_int_equal(counters.matched, 4);
	lw_capture_close(capture);
	unlink(path);
}

static void flow_pair__wrong_options__refused(void **state)
{
	struct fixture *fixture = *state;
	struct lw_packet_flow *c = NULL, *d = NULL;

	assert_int_equal(lw_packet_flow_pair(fixture->loop, 0, 0, &c, &d), -EINVAL);
	assert_null(c);
	assert_null(d);
	lw_packet_flow_free(NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make, drop)

/* ---- Putting back what was read: TN3120 */

struct filter {
	struct lw_packet_flow *other;
	ssize_t same, mixed, crossed, copied;
};

static void put_back(struct lw_packet_flow *flow, uint16_t queue, const struct lw_packet *packets,
		     size_t n, int error, void *user)
{
	struct filter *filter = user;
	uint8_t copy[64];
	struct lw_packet copied = packets[0], mixed[2] = { packets[0], packets[0] };

	(void)queue;
	(void)error;
	assert_int_equal(n, 2);
	memcpy(copy, packets[0].data, packets[0].length);
	copied.data = copy;
	mixed[0] = copied;
	filter->same = lw_packet_flow_write(flow, 0, packets, n);
	filter->mixed = lw_packet_flow_write(flow, 0, mixed, 2);
	filter->crossed = lw_packet_flow_write(filter->other, 0, packets, n);
	filter->copied = lw_packet_flow_write(flow, 0, &copied, 1);
}

static void flow_write__what_was_read_from_it__refused_and_counted(void **state)
{
	static const uint8_t frame[60] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb6 };
	const struct lw_packet packets[2] = {
		{ .data = frame, .length = 60, .layer = LW_LAYER_ETHERNET },
		{ .data = frame, .length = 60, .layer = LW_LAYER_ETHERNET },
	};
	struct fixture *fixture = *state;
	struct filter filter = { 0 };
	struct lw_packet_flow *c, *d;

	assert_int_equal(lw_packet_flow_pair(fixture->loop, LW_LAYER_ETHERNET, 0, &c, &d), 0);
	filter.other = c;
	assert_int_equal(lw_packet_flow_read(fixture->b, 0, 0, put_back, &filter), 0);
	assert_int_equal(lw_packet_flow_write(fixture->a, 0, packets, 2), 2);
	while (lw_loop_dispatch(fixture->loop) > 0)
		;
	assert_int_equal(filter.same, -EPERM);
	assert_int_equal(filter.mixed, -EPERM);
	assert_int_equal(filter.crossed, 2);
	assert_int_equal(filter.copied, 1);
	assert_int_equal(counters_of(fixture->b).drops[LW_DROP_REINJECTED], 4);
	assert_int_equal(counters_of(fixture->b).written_packets, 1);
	assert_int_equal(counters_of(c).drops[LW_DROP_REINJECTED], 0);
	lw_packet_flow_free(c);
	lw_packet_flow_free(d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(flow_read__one_packet__delivered_once_as_it_was_written),
		TEST(flow_write__what_was_read_from_it__refused_and_counted),
		TEST(flow_read__offload__passed_when_there_is_work),
		TEST(flow_write__offload_the_device_lacks__finished_in_software),
		TEST(flow_write__checksum_only__completed_in_software),
		TEST(flow_write__offload_that_contradicts__dropped_singly),
		TEST(flow_write__full_in_a_super_frame__the_rest_is_busy),
		TEST(flow_read__batch__at_most_64_packets),
		TEST(flow_read__budget__reading_stops_when_it_is_reached),
		TEST(flow_read__super_frames__as_many_as_the_buffer_holds),
		TEST(flow_read__pending__busy_until_cancelled),
		TEST(flow_read__queue_that_is_not_there__refused),
		TEST(flow_read__peer_freed__rest_then_gone_once),
		TEST(flow_free__in_its_callback__nothing_more_comes),
		TEST(flow_write__full_pair__rest_dropped_as_busy),
		TEST(flow_write__wrong_packet__nothing_written),
		TEST(flow_write__short_packets__dropped_singly),
		TEST(flow__ip_layer__version_decides_ether_type),
		TEST(flow_read__nonsense_from_the_device__counted_and_bounded),
		TEST(flow_read__device_down__polled_four_times_a_second),
		TEST(flow_cancel__while_down__poll_stops),
		TEST(flow_read__device_gone__each_pending_read_told_once),
		TEST(flow_read__not_rearmed__source_is_out_of_the_loop),
		TEST(flow_write__device_says_no__reason_by_errno),
		TEST(flow_write__one_refused__others_go_on),
		TEST(flow_take__memory__refused),
		TEST(flow_take__kernel_device__described_and_given_up),
		TEST(flow_counters__older_caller__gets_what_it_knows),
		TEST(flow_captures__read_and_accepted_packets__seen),
		TEST(flow_pair__wrong_options__refused),
	};

	return cmocka_run_group_tests_name("flow/packet_flow", tests, NULL, NULL);
}
