/* SPDX-License-Identifier: MIT */
/* A provider's own sockets each test in a network namespace of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <longwire/longwire.h>

#include "loop/loop.h"
#include "support/namespace.h"

static struct lw_loop *loop;
static struct lw_packet_flow *flow, *far_end;
static struct lw_connection *connection;
static struct lw_provider *provider;
static struct lw_completion *stopping;

static void start(struct lw_provider *of, const struct lw_start_options *options,
		  struct lw_completion *done, void *user)
{
	(void)options;
	(void)user;
	provider = of;
	lw_completion_finish(done, NULL);
}

static void stop(struct lw_provider *of, enum lw_stop_reason reason, struct lw_completion *done,
		 void *user)
{
	(void)of;
	(void)reason;
	(void)user;
	stopping = done;
}

static const struct lw_provider_ops ops = {
	.size = sizeof(ops),
	.name = "sockets",
	.layer = LW_LAYER_IP,
	.start = start,
	.stop = stop,
};

static void settle(void)
{
	while (lw_loop_dispatch(loop) > 0 || lw_loop_timeout_ms(loop) == 0)
		;
}

static void begin(bool is_kernel)
{
	const struct lw_device_options device = { .size = sizeof(device),
						  .kind = LW_DEVICE_KERNEL,
						  .layer = LW_LAYER_IP,
						  .name = "lw0" };
	struct lw_connection_options options = { .size = sizeof(options),
						 .ops = &ops,
						 .device = &device };

	assert_int_equal(lw_loop_new(NULL, &loop), 0);
	assert_int_equal(lw_packet_flow_pair(loop, LW_LAYER_IP, 0, &flow, &far_end), 0);
	if (!is_kernel)
		options.flow = flow;
	assert_int_equal(lw_connection_new(loop, &options, &connection, NULL), 0);
	assert_int_equal(lw_connection_start(connection, NULL, NULL), 0);
	settle();
}

static void end(void)
{
	lw_connection_stop(connection, LW_STOP_USER_INITIATED);
	settle();
	lw_completion_finish(stopping, NULL);
	settle();
	lw_connection_free(connection);
	lw_packet_flow_free(flow);
	lw_packet_flow_free(far_end);
	lw_loop_free(loop);
}

static struct lw_socket_options way(enum lw_way to)
{
	return (struct lw_socket_options){
		.size = sizeof(struct lw_socket_options),
		.way = to,
		.domain = AF_INET,
		.type = SOCK_STREAM,
	};
}

static uint32_t mark_of(int fd)
{
	uint32_t mark = 0;
	socklen_t length = sizeof(mark);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &length), 0);
	return mark;
}

static void assert_bound(int fd, const char *interface)
{
	char name[16] = "";
	socklen_t length = sizeof(name);

	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &length), 0);
	assert_string_equal(name, interface);
}

static void socket__each_way__marked_or_bound(void **state)
{
	struct lw_socket_options options = way(LW_WAY_OUTSIDE);
	int fd = -1;

	(void)state;
	begin(true);
	assert_int_equal(lw_provider_socket(provider, &options, &fd, NULL), 0);
	assert_int_equal(mark_of(fd), LW_OUTER_MARK);
	assert_bound(fd, "");
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	close(fd);
	options.interface = "lo";
	assert_int_equal(lw_provider_socket(provider, &options, &fd, NULL), 0);
	assert_int_equal(mark_of(fd), LW_OUTER_MARK);
	assert_bound(fd, "lo");
	close(fd);
	options = way(LW_WAY_THROUGH);
	options.type = SOCK_DGRAM;
	assert_int_equal(lw_provider_socket(provider, &options, &fd, NULL), 0);
	assert_int_equal(mark_of(fd), 0);
	assert_bound(fd, "lw0");
	close(fd);
	end();
}

static void socket__what_cannot_be__refused_with_a_sentence(void **state)
{
	struct lw_socket_options none = { 0 }, nowhere = way(0), both = way(LW_WAY_THROUGH),
				 family = way(LW_WAY_OUTSIDE), absent = way(LW_WAY_OUTSIDE);
	const struct {
		const struct lw_socket_options *options;
		int result;
	} rows[] = {
		{ &none, -EINVAL },         { &nowhere, -EINVAL }, { &both, -EINVAL },
		{ &family, -EAFNOSUPPORT }, { &absent, -ENODEV },
	};

	(void)state;
	both.interface = "lo";
	family.domain = 250;
	absent.interface = "nowhere0";
	begin(true);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct lw_error error = { 0 };
		int fd = -7;

		assert_int_equal(lw_provider_socket(provider, rows[i].options, &fd, &error),
				 rows[i].result);
		assert_string_not_equal(error.text, "");
		assert_int_equal(fd, -7);
	}
	end();
}

static void socket__memory__outside_only_and_while_it_runs(void **state)
{
	struct lw_socket_options options = way(LW_WAY_THROUGH);
	struct lw_error error;
	int fd = -1;

	(void)state;
	begin(false);
	assert_int_equal(lw_provider_socket(provider, &options, &fd, &error), -ENODEV);
	options.way = LW_WAY_OUTSIDE;
	assert_int_equal(lw_provider_socket(provider, &options, &fd, &error), 0);
	close(fd);
	lw_connection_stop(connection, LW_STOP_USER_INITIATED);
	assert_int_equal(lw_provider_socket(provider, &options, &fd, &error), -ENOTCONN);
	end();
}

#define TEST(function) cmocka_unit_test_setup(function, namespace_setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(socket__each_way__marked_or_bound),
		TEST(socket__what_cannot_be__refused_with_a_sentence),
		TEST(socket__memory__outside_only_and_while_it_runs),
	};

	if (!namespace_is_possible())
		return 0;
	return cmocka_run_group_tests_name("provider/networking", tests, NULL, NULL);
}
