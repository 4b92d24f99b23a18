/* SPDX-License-Identifier: MIT */
/* The path outside, and being told of its changes, each test in a network namespace of its own. */
#include <errno.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <longwire/loop.h>

#include "base/memory.h"
#include "loop/loop.h"
#include "network/network.h"
#include "network/observer.h"
#include "network/path.h"
#include "support/namespace.h"

struct watch {
	struct lw_loop *loop;
	struct observer *observer;
	struct loop_timer enough;
	unsigned changes;
};

static void changed(void *user)
{
	struct watch *watch = user;

	watch->changes++;
	lw_loop_stop(watch->loop);
}

static void waited_enough(struct loop_timer *timer)
{
	struct watch *watch = container_of(timer, struct watch, enough);

	lw_loop_stop(watch->loop);
}

static void make(void **state)
{
	namespace_setup(state);
	run("ip link set lo up && ip link add e0 type veth peer name e1 && ip link set e0 mtu 1400 up "
	    "&& ip link set e1 up");
	run("ip address add 192.0.2.1/24 dev e0 && ip -6 address add 2001:db8::1/64 dev e0 nodad");
}

static void watch_begin(struct watch *watch)
{
	*watch = (struct watch){ 0 };
	assert_int_equal(lw_loop_new(NULL, &watch->loop), 0);
	assert_int_equal(loop_timer_init(watch->loop, &watch->enough, waited_enough), 0);
	assert_int_equal(observer_new(watch->loop, OBSERVE_PATHS, changed, watch, &watch->observer),
			 0);
}

/* Return: how often it was called, within at most this time. */
static unsigned watch_for(struct watch *watch, unsigned ms)
{
	watch->changes = 0;
	loop_timer_set_in_ms(watch->loop, &watch->enough, ms);
	assert_int_equal(lw_loop_run(watch->loop), 0);
	return watch->changes;
}

static void watch_end(struct watch *watch)
{
	observer_free(watch->observer);
	loop_timer_done(watch->loop, &watch->enough);
	lw_loop_free(watch->loop);
}

static struct path path_to(const char *text)
{
	struct ip_address to;
	struct path path = { .index = 77 };

	assert_int_equal(ip_address_parse(text, &to), 0);
	assert_int_equal(path_get(&to, &path), 0);
	return path;
}

static void get__reachable__says_how(void **state)
{
	struct path path;
	char text[IP_TEXT_SIZE];

	make(state);
	path = path_to("192.0.2.9");
	assert_true(path.is_reachable);
	assert_string_equal(path.interface, "e0");
	assert_int_equal(path.mtu, 1400);
	assert_int_equal(path.gateway.family, 0);
	assert_string_equal(ip_address_format(&path.source, text), "192.0.2.1");
	run("ip route add default via 192.0.2.254 && ip -6 route add default via 2001:db8::fe");
	path = path_to("198.51.100.1");
	assert_string_equal(ip_address_format(&path.gateway, text), "192.0.2.254");
	path = path_to("2001:db8:1::1");
	assert_string_equal(ip_address_format(&path.gateway, text), "2001:db8::fe");
	assert_string_equal(ip_address_format(&path.source, text), "2001:db8::1");
	run("ip route add 203.0.113.1 via 192.0.2.254 mtu 1280");
	assert_int_equal(path_to("203.0.113.1").mtu, 1280);
}

static void get__nowhere__says_so(void **state)
{
	struct path none = { 0 };
	struct path path;

	make(state);
	path = path_to("198.51.100.1");
	assert_true(path_equal(&path, &none));
	path = path_to("2001:db8:1::1");
	assert_true(path_equal(&path, &none));
	run("ip route add unreachable 198.51.100.0/24 && ip route add blackhole 203.0.113.0/24");
	assert_false(path_to("198.51.100.1").is_reachable);
	assert_false(path_to("203.0.113.1").is_reachable);
}

static void get__kernel_does_not_answer__is_told_and_nothing_is_written(void **state)
{
	struct path path = { .index = 77 };
	struct ip_address to;

	make(state);
	assert_int_equal(ip_address_parse("192.0.2.9", &to), 0);
	for (unsigned n = 1; n <= 3; n++) {
		network_inject_failure(n, ENOBUFS);
		assert_int_equal(path_get(&to, &path), -ENOBUFS);
	}
	network_inject_failure(0, 0);
	assert_int_equal(path.index, 77);
}

/* What draws everything else into a tunnel. */
static void get__routes_of_a_tunnel__are_not_asked(void **state)
{
	make(state);
	run("ip link add lw0 type veth peer name lw1 && ip link set lw0 up");
	run("ip route add default dev lw0 table 99 && "
	    "ip rule add not fwmark 0x6c770000/0x7fff0000 table 99 pref 100");
	run("ip route add default via 192.0.2.254 dev e0");
	assert_string_equal(path_to("198.51.100.1").interface, "e0");
	run("ip route get 198.51.100.1 | grep -q 'dev lw0'");
}

static void observe__changes__are_told_once_when_they_have_settled(void **state)
{
	static const char *const changes[] = {
		"ip address add 192.0.2.2/24 dev e0",
		"ip route add default via 192.0.2.254 && ip route del default",
		"ip link set e0 mtu 1300",
		"ip link set e0 down",
		"ip -6 address add 2001:db8::2/64 dev lo",
		"ip rule add to 10.0.0.0/8 table 99",
	};
	struct watch watch;

	make(state);
	watch_begin(&watch);
	watch_for(&watch, 400); /* what the kernel itself still does to links that are new */
	for (size_t i = 0; i < sizeof(changes) / sizeof(*changes); i++) {
		run("%s", changes[i]);
		assert_int_equal(watch_for(&watch, 3000), 1);
		watch_for(&watch, 300);
	}
	assert_int_equal(watch_for(&watch, 300), 0);
	watch_end(&watch);
}

static void observe__flood__is_told_all_the_same(void **state)
{
	struct watch watch;

	make(state);
	watch_begin(&watch);
	/* More than the socket's buffer holds. */
	run("for i in $(seq 250); do for j in 1 2 3 4 5 6; do echo route add 10.$j.$i.0/24 dev e0;"
	    "done; done | ip -batch -");
	assert_int_equal(watch_for(&watch, 3000), 1);
	watch_end(&watch);
	observer_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(get__reachable__says_how),
		cmocka_unit_test(get__nowhere__says_so),
		cmocka_unit_test(get__kernel_does_not_answer__is_told_and_nothing_is_written),
		cmocka_unit_test(get__routes_of_a_tunnel__are_not_asked),
		cmocka_unit_test(observe__changes__are_told_once_when_they_have_settled),
		cmocka_unit_test(observe__flood__is_told_all_the_same),
	};

	if (!namespace_is_possible())
		return 0;
	return cmocka_run_group_tests_name("network/path", tests, NULL, NULL);
}
