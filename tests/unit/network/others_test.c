/* SPDX-License-Identifier: MIT */
/* What other programs do to what is ours, each test in a network namespace of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <longwire/error.h>
#include <longwire/loop.h>

#include "base/address.h"
#include "base/memory.h"
#include "base/settings.h"
#include "loop/loop.h"
#include "network/fence.h"
#include "network/network.h"
#include "support/namespace.h"

enum { PATIENCE_MS = 2000, QUIET_MS = 100 };

/* lw0, a tunnel's interface. */
struct machine {
	struct lw_loop *loop;
	struct loop_timer enough;
	struct fence *fence;
	struct network *network;
	struct ip_prefix address, to;
	struct network_settings settings;
	struct network_routing routing;
	struct network_gateway gateway;
	struct network_plan plan;
};

static void stop_loop(struct loop_timer *timer)
{
	lw_loop_stop(container_of(timer, struct machine, enough)->loop);
}

static int setup(void **state)
{
	struct machine *machine = calloc(1, sizeof(*machine));

	namespace_setup(state);
	assert_non_null(machine);
	run("ip link set lo up && ip link add lw0 type veth peer name lw1");
	assert_int_equal(lw_loop_new(NULL, &machine->loop), 0);
	assert_int_equal(loop_timer_init(machine->loop, &machine->enough, stop_loop), 0);
	assert_int_equal(fence_new(machine->loop, &machine->fence), 0);
	assert_int_equal(network_new("lw0", &machine->network), 0);
	assert_int_equal(ip_prefix_parse("10.86.0.2/24", &machine->address), 0);
	assert_int_equal(ip_prefix_parse("10.0.0.0/8", &machine->to), 0);
	machine->settings.addresses = &machine->address;
	machine->settings.n_addresses = 1;
	machine->gateway = (struct network_gateway){ .to = &machine->to,
						     .n_to = 1,
						     .masquerade = true,
						     .from = &machine->address,
						     .n_from = 1 };
	machine->plan = (struct network_plan){ .layer = LW_LAYER_ETHERNET,
					       .settings = &machine->settings,
					       .up = true,
					       .routing = &machine->routing,
					       .loop = machine->loop };
	*state = machine;
	return 0;
}

static int teardown(void **state)
{
	struct machine *machine = *state;

	network_free(machine->network);
	fence_free(machine->fence);
	loop_timer_done(machine->loop, &machine->enough);
	lw_loop_free(machine->loop);
	free(machine);
	return 0;
}

static void pass(struct machine *machine, unsigned ms)
{
	loop_timer_set_in_ms(machine->loop, &machine->enough, ms);
	assert_int_equal(lw_loop_run(machine->loop), 0);
}

/* Until the command succeeds. */
static void expect_soon(struct machine *machine, const char *command)
{
	for (unsigned ms = 0; ms < PATIENCE_MS && system(command) != 0; ms += 10)
		pass(machine, 10);
	run("%s", command);
}

static void apply(struct machine *machine)
{
	struct lw_error error = { 0 };

	if (network_apply(machine->network, &machine->plan, &error) < 0)
		fail_msg("%s", error.text);
}

static void close_for(struct machine *machine, const char *interface)
{
	const struct fence_policy policy = { .interface = interface };
	struct lw_error error = { 0 };

	if (fence_close(machine->fence, &policy, &error) < 0)
		fail_msg("%s", error.text);
}

static void fence__opened_by_others__is_closed_again(void **state)
{
	static const char *const commands[] = { "nft flush ruleset",
						"nft delete table inet longwire_lock_lw0" };
	struct machine *machine = *state;
	char *before, *after;

	close_for(machine, "lw0");
	before = run_and_read("nft list ruleset");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		run("%s", commands[i]);
		expect_soon(machine, "nft list table inet longwire_lock_lw0 >/dev/null 2>&1");
		after = run_and_read("nft list ruleset");
		assert_string_equal(after, before);
		free(after);
	}
	free(before);
}

static void fence__released__stays_open(void **state)
{
	struct machine *machine = *state;

	close_for(machine, "lw0");
	assert_string_equal(fence_interface(machine->fence), "lw0");
	assert_int_equal(fence_release(machine->fence, NULL), 0);
	assert_null(fence_interface(machine->fence));
	assert_int_equal(fence_release(machine->fence, NULL), 0);
	run("nft add table inet other && nft flush ruleset");
	pass(machine, QUIET_MS);
	run("[ -z \"$(nft list ruleset)\" ]");
}

static void fence__interface_renamed__goes_with_it(void **state)
{
	struct machine *machine = *state;
	char interfaces[FENCES_MAX][IFNAMSIZ];

	close_for(machine, "lw0");
	close_for(machine, "other0");
	assert_int_equal(fence_list(interfaces, NULL), 1);
	assert_string_equal(interfaces[0], "other0");
	assert_string_equal(fence_interface(machine->fence), "other0");
}

static void tables__removed_by_others__are_made_again(void **state)
{
	struct machine *machine = *state;
	char *before, *after;

	for (int is_gateway = 0; is_gateway < 2; is_gateway++) {
		machine->plan.gateway = is_gateway ? &machine->gateway : NULL;
		machine->plan.routing = is_gateway ? NULL : &machine->routing;
		apply(machine);
		before = run_and_read("nft list ruleset");
		run("nft flush ruleset");
		expect_soon(machine, is_gateway ? "nft list table inet longwire_lw0 >/dev/null 2>&1"
						: "nft list table arp longwire_guard_lw0 "
						  ">/dev/null 2>&1");
		after = run_and_read("nft list ruleset");
		assert_string_equal(after, before);
		free(before);
		free(after);
	}
	assert_int_equal(network_undo(machine->network), 0);
	pass(machine, QUIET_MS);
	run("[ -z \"$(nft list ruleset)\" ]");
}

static void interface__taken_down__has_everything_again(void **state)
{
	static const char look[] = "ip -o address show dev lw0 scope global; "
				   "ip route show table all proto 108; "
				   "ip -6 route show table all proto 108";
	struct machine *machine = *state;
	char *before, *after;

	assert_int_equal(ip_prefix_parse("fd86::2/64", &machine->address), 0);
	assert_int_equal(ip_prefix_parse("fd00::/8", &machine->to), 0);
	machine->settings.included_routes = &machine->to;
	machine->settings.n_included_routes = 1;
	run("ip link set lw1 up && ip address add fd99::1/64 dev lw1 nodad");
	apply(machine);
	before = run_and_read(look);
	run("ip link set lw0 down && ip link set lw0 up");
	run("! ip -o address show dev lw0 | grep -q fd86::2");
	network_restore(machine->network);
	after = run_and_read(look);
	assert_string_equal(after, before);
	free(after);
	free(before);
	assert_int_equal(network_undo(machine->network), 0);
	network_restore(machine->network);
	run("! ip -o address show dev lw0 | grep -q fd86::2");
}

static void interface__renamed__is_followed_and_left_as_it_was_found(void **state)
{
	static const char look[] = "nft list tables; ip -o address show dev other0 scope global; "
				   "cat /proc/sys/net/ipv6/conf/other0/accept_ra; ip rule";
	struct machine *machine = *state;
	char *before, *after;

	run("ip link set lw0 name other0 && ip link set other0 up && echo 1 > "
	    "/proc/sys/net/ipv6/conf/other0/accept_ra");
	before = run_and_read(look);
	run("ip link set other0 down && ip link set other0 name lw0");
	machine->settings.included_routes = &machine->to;
	machine->settings.n_included_routes = 1;
	apply(machine);
	run("ip link set lw0 down && ip link set lw0 name other0 && ip link set other0 up");
	network_restore(machine->network);
	apply(machine);
	run("nft list table inet longwire_guard_other0 >/dev/null");
	run("! nft list tables | grep -q lw0");
	run("ip route show table all proto 108 | grep -q '10.0.0.0/8.*other0'");
	run("grep -qx 0 /proc/sys/net/ipv6/conf/other0/accept_ra");
	machine->plan.is_persistent = true;
	apply(machine);
	/* And back, without being told before it ends. */
	run("ip link set other0 down && ip link set other0 name lw0");
	assert_int_equal(network_undo(machine->network), 0);
	run("ip link set lw0 down && ip link set lw0 name other0 && ip link set other0 up");
	after = run_and_read(look);
	assert_string_equal(after, before);
	free(after);
	free(before);
}

#define others_test(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		others_test(fence__opened_by_others__is_closed_again),
		others_test(fence__released__stays_open),
		others_test(fence__interface_renamed__goes_with_it),
		others_test(tables__removed_by_others__are_made_again),
		others_test(interface__taken_down__has_everything_again),
		others_test(interface__renamed__is_followed_and_left_as_it_was_found),
	};

	if (!namespace_is_possible())
		return 0;
	return cmocka_run_group_tests_name("network/others", tests, NULL, NULL);
}
