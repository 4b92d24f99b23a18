/* SPDX-License-Identifier: MIT */
/* The bound of a near path's receive buffer, on real TCP sockets over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tunnel/receive_window.h"

enum { SO_BUF_LOCK_VALUE = 72, LOCKED = 2 };

struct pair {
	int fds[2];
	struct receive_window window;
};

static int option(int fd, int name)
{
	socklen_t size = sizeof(int);
	int value = -1;

	assert_int_equal(getsockopt(fd, SOL_SOCKET, name, &value, &size), 0);
	return value;
}

static int set_up(void **state)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t size = sizeof(address);
	static struct pair pair;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	pair = (struct pair){ .fds = { socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), -1 } };
	if (bind(listener, (struct sockaddr *)&address, size) < 0 || listen(listener, 1) < 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &size) < 0 ||
	    connect(pair.fds[0], (struct sockaddr *)&address, size) < 0)
		return -1;
	pair.fds[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	close(listener);
	*state = &pair;
	return pair.fds[1] < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
	struct pair *pair = *state;

	close(pair->fds[0]);
	close(pair->fds[1]);
	return 0;
}

static void path__near__is_bounded(void **state)
{
	struct pair *pair = *state;

	receive_window_judge(&pair->window, pair->fds[0], RECEIVE_WINDOW_NEAR_US);
	assert_true(pair->window.is_bounded);
	assert_int_equal(option(pair->fds[0], SO_RCVBUF), 2 * RECEIVE_WINDOW_NEAR_BYTES);
	assert_int_equal(option(pair->fds[0], SO_BUF_LOCK_VALUE) & LOCKED, LOCKED);
}

static void path__far_or_unknown__is_left_to_the_kernel(void **state)
{
	struct pair *pair = *state;
	int size = option(pair->fds[0], SO_RCVBUF);

	receive_window_judge(&pair->window, pair->fds[0], RECEIVE_WINDOW_NEAR_US + 1);
	receive_window_judge(&pair->window, pair->fds[0], 0);
	assert_false(pair->window.is_bounded);
	assert_int_equal(option(pair->fds[0], SO_RCVBUF), size);
	assert_int_equal(option(pair->fds[0], SO_BUF_LOCK_VALUE) & LOCKED, 0);
}

static void path__near_no_more__is_given_back(void **state)
{
	struct pair *pair = *state;

	receive_window_judge(&pair->window, pair->fds[0], 1);
	receive_window_judge(&pair->window, pair->fds[0], RECEIVE_WINDOW_NEAR_US + 1);
	assert_false(pair->window.is_bounded);
	assert_int_equal(option(pair->fds[0], SO_BUF_LOCK_VALUE) & LOCKED, 0);
}

static void path__looked_at__not_again_for_a_second(void **state)
{
	struct pair *pair = *state;

	receive_window_look(&pair->window, pair->fds[0], 5);
	assert_int_equal(pair->window.next_look_ns, 5 + RECEIVE_WINDOW_LOOK_MS * 1000000ULL);
	receive_window_look(&pair->window, pair->fds[0], 6);
	assert_int_equal(pair->window.next_look_ns, 5 + RECEIVE_WINDOW_LOOK_MS * 1000000ULL);
}

static void socket__not_tcp__stays_as_it_is(void **state)
{
	struct receive_window window = { 0 };
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	receive_window_look(&window, fds[0], 1);
	assert_false(window.is_bounded);
	assert_int_equal(option(fds[0], SO_BUF_LOCK_VALUE) & LOCKED, 0);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(path__near__is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(path__far_or_unknown__is_left_to_the_kernel, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(path__near_no_more__is_given_back, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(path__looked_at__not_again_for_a_second, set_up,
						tear_down),
		cmocka_unit_test(socket__not_tcp__stays_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
