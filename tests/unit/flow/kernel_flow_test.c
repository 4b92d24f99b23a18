/* SPDX-License-Identifier: MIT */
/* The packet flow over a TAP of the running kernel, in a network namespace of the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <net/if.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <longwire/error.h>
#include <longwire/flow.h>
#include <longwire/loop.h>

#include "support/namespace.h"

struct fixture {
	struct lw_loop *loop;
	struct lw_packet_flow *flow;
	unsigned calls;
	size_t packets;
	int error;
};

static int make(void **state)
{
	struct lw_device_options options = { .size = sizeof(options),
					     .kind = LW_DEVICE_KERNEL,
					     .layer = LW_LAYER_ETHERNET,
					     .name = "flow0" };
	struct fixture *fixture;
	struct lw_error error;

	namespace_setup(state);
	fixture = calloc(1, sizeof(*fixture));
	assert_int_equal(lw_loop_new(NULL, &fixture->loop), 0);
	if (lw_packet_flow_open(fixture->loop, &options, &fixture->flow, &error) < 0) {
		printf("SKIP: no TAP here: %s\n", error.text);
		lw_loop_free(fixture->loop);
		free(fixture);
		skip();
	}
	*state = fixture;
	return 0;
}

static int drop(void **state)
{
	struct fixture *fixture = *state;

	lw_packet_flow_free(fixture->flow);
	lw_loop_free(fixture->loop);
	free(fixture);
	return 0;
}

static void on_packets(struct lw_packet_flow *flow, uint16_t queue, const struct lw_packet *packets,
		       size_t n, int error, void *user)
{
	struct fixture *fixture = user;

	(void)flow, (void)queue, (void)packets;
	fixture->calls++;
	fixture->packets += n;
	fixture->error = error;
}

static void arm(struct fixture *fixture)
{
	assert_int_equal(lw_packet_flow_read(fixture->flow, 0, 0, on_packets, fixture), 0);
}

static bool is_ready(struct fixture *fixture, int timeout_ms)
{
	struct pollfd waiting = { .fd = lw_loop_fd(fixture->loop), .events = POLLIN };

	return poll(&waiting, 1, timeout_ms) > 0;
}

/* Until the callback has run, woken by descriptors and timers only. */
static void dispatch_until_called(struct fixture *fixture)
{
	for (unsigned wakeups = 0; fixture->calls == 0 && wakeups < 100; wakeups++) {
		int timeout_ms = lw_loop_timeout_ms(fixture->loop);

		is_ready(fixture, timeout_ms < 0 ? 5000 : timeout_ms);
		assert_true(lw_loop_dispatch(fixture->loop) >= 0);
	}
	assert_int_equal(fixture->calls, 1);
}

/* No command: an interface is set up and down by a request on a socket. */
static void set_up(const char *name, bool is_up)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq request = { .ifr_flags = (short)(is_up ? IFF_UP : 0) };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

static void flow_read__tap_down__waits_and_then_reads(void **state)
{
	struct fixture *fixture = *state;

	arm(fixture);
	for (unsigned i = 0; i < 3; i++)
		assert_true(lw_loop_dispatch(fixture->loop) >= 0);
	assert_int_equal(fixture->calls, 0);
	assert_false(is_ready(fixture, 0));
	/* The kernel greets its new link: a report of its multicast groups, at the least. */
	set_up("flow0", true);
	dispatch_until_called(fixture);
	assert_true(fixture->packets >= 1);
	assert_int_equal(fixture->error, 0);
}

static void flow_read__tap_deleted__gone_once(void **state)
{
	struct fixture *fixture = *state;

	arm(fixture);
	run("ip link del flow0");
	dispatch_until_called(fixture);
	assert_int_equal(fixture->packets, 0);
	assert_int_equal(fixture->error, -ENODEV);
	assert_false(is_ready(fixture, 0));
	assert_int_equal(lw_packet_flow_read(fixture->flow, 0, 0, on_packets, fixture), -ENODEV);
}

static void flow_write__tap_down__dropped_as_down(void **state)
{
	struct fixture *fixture = *state;
	const uint8_t data[60] = { [0] = 0xff, [12] = 0x88, [13] = 0xb5 };
	const struct lw_packet packet = { .data = data,
					  .length = sizeof(data),
					  .layer = LW_LAYER_ETHERNET };
	struct lw_flow_counters counters = { .size = sizeof(counters) };

	assert_int_equal(lw_packet_flow_write(fixture->flow, 0, &packet, 1), 0);
	set_up("flow0", true);
	assert_int_equal(lw_packet_flow_write(fixture->flow, 0, &packet, 1), 1);
	lw_packet_flow_counters(fixture->flow, &counters);
	assert_int_equal(counters.drops[LW_DROP_DEVICE_DOWN], 1);
	assert_int_equal(counters.written_packets, 1);
}

static void flow_name__renamed__followed(void **state)
{
	struct fixture *fixture = *state;

	assert_string_equal(lw_packet_flow_name(fixture->flow), "flow0");
	run("ip link set flow0 name other7");
	assert_string_equal(lw_packet_flow_name(fixture->flow), "other7");
}

static void flow_take__tap__readable_by_the_taker(void **state)
{
	struct fixture *fixture = *state;
	struct lw_descriptor descriptor = { .size = sizeof(descriptor) };
	struct pollfd waiting = { .events = POLLIN };
	uint8_t data[2048];

	assert_int_equal(lw_packet_flow_take(fixture->flow, 0, &descriptor), 0);
	assert_string_equal(descriptor.name, "flow0");
	set_up("flow0", true);
	waiting.fd = descriptor.descriptor;
	assert_int_equal(poll(&waiting, 1, 5000), 1);
	assert_true(read(descriptor.descriptor, data, sizeof(data)) >=
		    14 + (ssize_t)descriptor.header_length);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(flow_read__tap_down__waits_and_then_reads),
		TEST(flow_read__tap_deleted__gone_once),
		TEST(flow_write__tap_down__dropped_as_down),
		TEST(flow_name__renamed__followed),
		TEST(flow_take__tap__readable_by_the_taker),
	};

	return cmocka_run_group_tests_name("flow/kernel_flow", tests, NULL, NULL);
}
