/* SPDX-License-Identifier: MIT */
/* A connection over a real TAP in a network namespace of its own: settings, carrier, undo. Needs
 * root; else skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <longwire/longwire.h>

#include "base/memory.h"
#include "network/network.h"

static struct lw_loop *loop;
static struct lw_connection *connection;
static bool is_possible;

static struct lw_provider *provider;
static struct lw_completion *starting, *stopping;
static struct lw_error settled_error;
static bool is_settled;

static void start(struct lw_provider *of, const struct lw_start_options *options,
		  struct lw_completion *done, void *user)
{
	(void)options;
	(void)user;
	provider = of;
	starting = done;
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
	.name = "actor",
	.layer = LW_LAYER_ETHERNET,
	.start = start,
	.stop = stop,
};

static void dispatch(void)
{
	int n;

	do {
		n = lw_loop_dispatch(loop);
		assert_true(n >= 0);
	} while (n > 0 || lw_loop_timeout_ms(loop) == 0);
}

static void make_connection(enum lw_device_kind kind, const char *name, int descriptor)
{
	const struct lw_device_options device = {
		.size = sizeof(device),
		.kind = kind,
		.layer = LW_LAYER_ETHERNET,
		.name = name,
		.descriptor = descriptor,
	};
	const struct lw_connection_options options = {
		.size = sizeof(options),
		.ops = &ops,
		.device = &device,
	};

	assert_int_equal(lw_connection_new(loop, &options, &connection, NULL), 0);
}

static int set_up(void **state)
{
	(void)state;
	connection = NULL;
	return lw_loop_new(NULL, &loop);
}

static int tear_down(void **state)
{
	(void)state;
	lw_connection_free(connection);
	lw_loop_free(loop);
	return 0;
}

static void begin(void)
{
	struct lw_error error = { 0 };

	if (lw_connection_start(connection, NULL, &error) < 0)
		fail_msg("%s", error.text);
	dispatch();
}

static void end(void)
{
	lw_connection_stop(connection, LW_STOP_USER_INITIATED);
	dispatch();
	lw_completion_finish(take_pointer(stopping), NULL);
	dispatch();
	assert_int_equal(lw_connection_status(connection), LW_STATUS_DISCONNECTED);
}

static void settled(const struct lw_error *error, void *user)
{
	(void)user;
	is_settled = true;
	memset(&settled_error, 0, sizeof(settled_error));
	if (error)
		settled_error = *error;
}

static int set_settings(const struct lw_network_settings *settings)
{
	is_settled = false;
	lw_provider_set_network_settings(provider, settings, settled, NULL);
	dispatch();
	assert_true(is_settled);
	return settled_error.domain == LW_DOMAIN_NONE ? 0 : settled_error.code;
}

static struct network_link link_of(const char *name)
{
	struct network_link found = { 0 };
	struct lw_error error = { 0 };

	if (network_link_get(name, &found, &error) < 0)
		fail_msg("%s", error.text);
	return found;
}

static bool is_there(const char *name)
{
	return if_nametoindex(name) != 0;
}

#define NEEDS_A_NAMESPACE()       \
	do {                      \
		(void)state;      \
		if (!is_possible) \
			skip();   \
	} while (0)

/* ---- the kill switch, and the path outside */

static unsigned path_changes;

static void path_changed(struct lw_provider *of, void *user)
{
	struct lw_path path = { .size = sizeof(path) };

	(void)user;
	assert_int_equal(lw_provider_path(of, "127.0.0.9", &path), 0);
	path_changes++;
}

static bool is_locked(void)
{
	return system("nft list table inet longwire_lock_lwp0 >/dev/null 2>&1") == 0;
}

static bool was_locked_at_start;

static void start_and_look(struct lw_provider *of, const struct lw_start_options *options,
			   struct lw_completion *done, void *user)
{
	was_locked_at_start = is_locked();
	start(of, options, done, user);
}

static const struct lw_provider_ops looking_ops = {
	.size = sizeof(looking_ops),
	.name = "looker",
	.layer = LW_LAYER_ETHERNET,
	.start = start_and_look,
	.stop = stop,
	.path_changed = path_changed,
};

static void make_locked_connection(struct lw_packet_flow *flow)
{
	const struct lw_device_options device = { .size = sizeof(device),
						  .kind = LW_DEVICE_KERNEL,
						  .layer = LW_LAYER_ETHERNET,
						  .name = "lwp0" };
	const struct lw_connection_options options = { .size = sizeof(options),
						       .ops = &looking_ops,
						       .device = &device,
						       .flow = flow,
						       .include_all_networks = true };

	assert_int_equal(lw_connection_new(loop, &options, &connection, NULL), 0);
}

static void kill_switch__closed_before_start_and_until_unlocked(void **state)
{
	static const char *const excluded[] = { "198.51.100.0/24" };
	static const struct lw_network_settings settings = { .size = sizeof(settings),
							     .excluded_routes = excluded,
							     .n_excluded_routes = 1 };
	struct lw_error error;

	NEEDS_A_NAMESPACE();
	make_locked_connection(NULL);
	assert_false(lw_connection_is_locked(connection));
	assert_int_equal(lw_connection_unlock(connection, NULL), 0);
	was_locked_at_start = false;
	begin();
	assert_true(was_locked_at_start);
	assert_true(lw_connection_is_locked(connection));
	assert_int_equal(lw_connection_unlock(connection, &error), -EBUSY);
	assert_non_null(strstr(error.text, "cannot be opened while the connection is connecting"));
	assert_int_equal(set_settings(&settings), 0);
	assert_int_equal(system("nft list table inet longwire_lock_lwp0 | grep -q 198.51.100"), 0);
	assert_int_equal(set_settings(NULL), 0);
	assert_int_not_equal(system("nft list table inet longwire_lock_lwp0 | grep -q 198.51.100"),
			     0);
	lw_completion_finish(take_pointer(starting), NULL);
	end();
	assert_true(is_locked());
	assert_true(lw_connection_is_locked(connection));
	assert_int_equal(lw_connection_unlock(connection, NULL), 0);
	assert_false(is_locked());
	assert_false(lw_connection_is_locked(connection));
	/* Again, and freed: that does not open it. */
	begin();
	lw_completion_finish(take_pointer(starting), NULL);
	end();
	lw_connection_free(take_pointer(connection));
	assert_true(is_locked());
	assert_int_equal(system("nft delete table inet longwire_lock_lwp0"), 0);
}

static void kill_switch__peer_of_a_name__asked_for_once(void **state)
{
	static const char *const found[] = { "192.0.2.9:8443", "[2001:db8::9]:443" };
	static const char *const wrong[] = { "hub.example.net:8443" };
	struct lw_lock_status status = { .size = sizeof(status) };
	char peers[LW_PEERS_MAX][LW_PEER_TEXT_SIZE];

	NEEDS_A_NAMESPACE();
	make_locked_connection(NULL);
	lw_connection_lock_status(connection, &status);
	assert_true(status.is_wanted && !status.is_closed && !status.since);
	for (int run = 0; run < 2; run++) {
		begin();
		if (run == 0) {
			assert_int_equal(lw_provider_seek_peer(provider, peers, LW_PEERS_MAX), 0);
			lw_connection_lock_status(connection, &status);
			assert_true(status.is_closed && status.asks_names && status.since);
			assert_int_equal(system("nft list table inet longwire_lock_lwp0 | "
						"grep -q 'dport 53 accept'"),
					 0);
			assert_int_equal(lw_provider_found_peer(provider, wrong, 1), -EINVAL);
			assert_int_equal(lw_provider_found_peer(provider, found, 0), -EINVAL);
			network_inject_failure(1, ENOBUFS);
			assert_int_equal(lw_provider_found_peer(provider, found, 2), -ENOBUFS);
			network_inject_failure(0, 0);
			assert_int_equal(lw_provider_found_peer(provider, found, 2), 0);
		}
		assert_int_equal(lw_provider_seek_peer(provider, peers, 1), 1);
		assert_int_equal(lw_provider_seek_peer(provider, peers, LW_PEERS_MAX), 2);
		assert_string_equal(peers[0], found[0]);
		assert_string_equal(peers[1], found[1]);
		assert_int_not_equal(system("nft list table inet longwire_lock_lwp0 | "
					    "grep -q 'dport 53'"),
				     0);
		lw_connection_lock_status(connection, &status);
		assert_true(status.is_closed && !status.asks_names);
		assert_int_equal(status.n_peers, 2);
		assert_string_equal(status.peers[1], found[1]);
		lw_completion_finish(take_pointer(starting), NULL);
		end();
	}
	assert_int_equal(lw_provider_seek_peer(provider, peers, 1), -ENOTCONN);
	assert_int_equal(lw_connection_unlock(connection, NULL), 0);
	lw_connection_lock_status(connection, &status);
	assert_true(!status.is_closed && !status.n_peers);
	lw_connection_free(take_pointer(connection));
}

static void kill_switch__cannot_be_closed__start_fails(void **state)
{
	struct lw_packet_flow *flow, *other;
	struct lw_error error;

	NEEDS_A_NAMESPACE();
	make_locked_connection(NULL);
	/* Asked for what is closed already, then closed. */
	network_inject_failure(1, ENOBUFS);
	assert_int_equal(lw_connection_start(connection, NULL, &error), -ENOBUFS);
	assert_non_null(strstr(error.text, "lwp0: cannot look at the kill switch"));
	network_inject_failure(2, ENOBUFS);
	assert_int_equal(lw_connection_start(connection, NULL, &error), -ENOBUFS);
	network_inject_failure(0, 0);
	assert_non_null(strstr(error.text, "lwp0: cannot close the kill switch"));
	assert_int_equal(lw_connection_status(connection), LW_STATUS_DISCONNECTED);
	assert_false(is_there("lwp0"));
	lw_connection_free(take_pointer(connection));
	assert_int_equal(lw_packet_flow_pair(loop, LW_LAYER_ETHERNET, 0, &flow, &other), 0);
	make_locked_connection(flow);
	assert_int_equal(lw_connection_start(connection, NULL, &error), -EOPNOTSUPP);
	assert_non_null(strstr(error.text, "needs an interface of the kernel"));
	lw_connection_free(take_pointer(connection));
	lw_packet_flow_free(flow);
	lw_packet_flow_free(other);
}

static void path__changes__are_told_while_a_run_lasts(void **state)
{
	struct lw_path path = { .size = sizeof(path) };

	NEEDS_A_NAMESPACE();
	make_locked_connection(NULL);
	begin();
	assert_int_equal(lw_provider_path(provider, "nonsense", &path), -EINVAL);
	assert_int_equal(lw_provider_path(provider, "198.51.100.1", &path), 0);
	assert_false(path.is_reachable);
	path_changes = 0;
	assert_int_equal(system("ip link set lo up; ip address add 127.0.0.9/8 dev lo"), 0);
	for (unsigned i = 0; !path_changes && i < 300; i++) {
		dispatch();
		usleep(10000);
	}
	assert_int_equal(path_changes, 1);
	lw_completion_finish(take_pointer(starting), NULL);
	end();
	assert_int_equal(lw_connection_unlock(connection, NULL), 0);
}

static void carrier__follow__on_only_while_connected(void **state)
{
	static const struct lw_network_settings settings = {
		.size = sizeof(settings), .mtu = 1400, .ethernet_address = "02:5e:1c:12:34:56"
	};

	NEEDS_A_NAMESPACE();
	make_connection(LW_DEVICE_KERNEL, "lwp0", -1);
	/* Twice: the second run has a device of its own. */
	for (int run = 0; run < 2; run++) {
		begin();
		assert_string_equal(lw_provider_interface(provider), "lwp0");
		assert_false(link_of("lwp0").is_up);
		assert_int_equal(set_settings(&settings), 0);
		assert_true(link_of("lwp0").is_up);
		assert_false(link_of("lwp0").has_carrier);
		assert_int_equal(link_of("lwp0").mtu, 1400);
		assert_memory_equal(link_of("lwp0").mac, "\x02\x5e\x1c\x12\x34\x56", 6);
		lw_completion_finish(take_pointer(starting), NULL);
		assert_true(link_of("lwp0").has_carrier);
		lw_provider_set_reasserting(provider, true);
		assert_false(link_of("lwp0").has_carrier);
		lw_provider_set_reasserting(provider, false);
		assert_true(link_of("lwp0").has_carrier);
		end();
		assert_false(is_there("lwp0"));
	}
}

static void carrier__hold__never_goes(void **state)
{
	static const struct lw_network_settings settings = { .size = sizeof(settings),
							     .carrier = LW_CARRIER_HOLD };

	NEEDS_A_NAMESPACE();
	make_connection(LW_DEVICE_KERNEL, "lwp0", -1);
	begin();
	assert_int_equal(set_settings(&settings), 0);
	assert_true(link_of("lwp0").has_carrier);
	lw_completion_finish(take_pointer(starting), NULL);
	lw_provider_set_reasserting(provider, true);
	assert_true(link_of("lwp0").has_carrier);
	end();
}

static void make_bridge(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(ioctl(fd, SIOCBRADDBR, name), 0);
	close(fd);
}

static void remove_bridge(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(ioctl(fd, SIOCBRDELBR, name), 0);
	close(fd);
}

static void carrier__default_in_a_bridge__held_and_out_of_it__followed(void **state)
{
	static const struct lw_network_settings bridged = { .size = sizeof(bridged),
							    .bridge = "lwbr0" };
	static const struct lw_network_settings alone = { .size = sizeof(alone) };

	NEEDS_A_NAMESPACE();
	make_bridge("lwbr0");
	make_connection(LW_DEVICE_KERNEL, "lwp0", -1);
	begin();
	assert_int_equal(set_settings(&bridged), 0);
	assert_string_equal(link_of("lwp0").master_name, "lwbr0");
	assert_true(link_of("lwp0").has_carrier);
	assert_int_equal(set_settings(&alone), 0);
	assert_int_equal(link_of("lwp0").master, 0);
	assert_false(link_of("lwp0").has_carrier);
	assert_int_equal(set_settings(&bridged), 0);
	assert_true(link_of("lwp0").has_carrier);
	end();
	remove_bridge("lwbr0");
}

static void settings__refused_by_the_machine__told_and_as_before(void **state)
{
	static const struct lw_network_settings first = { .size = sizeof(first), .mtu = 1400 };
	static const struct lw_network_settings second = { .size = sizeof(second),
							   .mtu = 1300,
							   .carrier = LW_CARRIER_HOLD };
	static const struct lw_network_settings nowhere = { .size = sizeof(nowhere),
							    .bridge = "lwbr9" };

	NEEDS_A_NAMESPACE();
	make_connection(LW_DEVICE_KERNEL, "lwp0", -1);
	begin();
	assert_int_equal(set_settings(&first), 0);
	network_inject_failure(1, EPERM);
	assert_int_equal(set_settings(&second), LW_TUNNEL_ERROR_SETTINGS_FAILED);
	network_inject_failure(0, 0);
	assert_int_equal(settled_error.domain, LW_DOMAIN_TUNNEL);
	assert_int_equal(link_of("lwp0").mtu, 1400);
	assert_false(link_of("lwp0").has_carrier);
	assert_true(set_settings(&nowhere) != 0);
	assert_int_equal(settled_error.domain, LW_DOMAIN_TUNNEL);
	assert_non_null(strstr(settled_error.text, "lwbr9"));
	assert_int_equal(set_settings(&second), 0);
	assert_int_equal(link_of("lwp0").mtu, 1300);
	assert_true(link_of("lwp0").has_carrier);
	end();
}

static void settings__none__interface_left_alone(void **state)
{
	NEEDS_A_NAMESPACE();
	make_connection(LW_DEVICE_KERNEL, "lwp0", -1);
	begin();
	lw_completion_finish(take_pointer(starting), NULL);
	lw_provider_set_reasserting(provider, true);
	assert_false(link_of("lwp0").is_up);
	end();
}

static int open_tap(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
	return fd;
}

static void set_up_or_down(const char *name, bool up)
{
	struct ifreq request = { .ifr_flags = up ? IFF_UP : 0 };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

static void adopted__two_runs__given_descriptor_kept_and_interface_as_found(void **state)
{
	static const struct lw_network_settings settings = { .size = sizeof(settings),
							     .mtu = 1400 };

	NEEDS_A_NAMESPACE();
	make_connection(LW_DEVICE_ADOPTED, NULL, open_tap("lwa0"));
	for (int run = 0; run < 2; run++) {
		begin();
		assert_int_equal(set_settings(&settings), 0);
		assert_int_equal(link_of("lwa0").mtu, 1400);
		assert_false(link_of("lwa0").has_carrier);
		end();
		assert_true(is_there("lwa0"));
		assert_int_equal(link_of("lwa0").mtu, 1500);
		assert_false(link_of("lwa0").is_up);
		set_up_or_down("lwa0", true);
		assert_true(link_of("lwa0").has_carrier);
		set_up_or_down("lwa0", false);
	}
	lw_connection_free(connection);
	connection = NULL;
	dispatch();
	assert_false(is_there("lwa0"));
}

static void lw_connection_free__connected__settings_undone_at_once(void **state)
{
	static const struct lw_network_settings settings = { .size = sizeof(settings),
							     .bridge = "lwbr0" };

	NEEDS_A_NAMESPACE();
	make_bridge("lwbr0");
	make_connection(LW_DEVICE_KERNEL, "lwp0", -1);
	begin();
	assert_int_equal(set_settings(&settings), 0);
	lw_completion_finish(take_pointer(starting), NULL);
	lw_connection_free(connection);
	connection = NULL;
	assert_int_equal(link_of("lwp0").master, 0);
	lw_completion_finish(take_pointer(stopping), NULL);
	dispatch();
	assert_false(is_there("lwp0"));
	remove_bridge("lwbr0");
}

int main(void)
{
#define RUN(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	static const struct CMUnitTest tests[] = {
		RUN(kill_switch__closed_before_start_and_until_unlocked),
		RUN(kill_switch__peer_of_a_name__asked_for_once),
		RUN(kill_switch__cannot_be_closed__start_fails),
		RUN(path__changes__are_told_while_a_run_lasts),
		RUN(carrier__follow__on_only_while_connected),
		RUN(carrier__hold__never_goes),
		RUN(carrier__default_in_a_bridge__held_and_out_of_it__followed),
		RUN(settings__refused_by_the_machine__told_and_as_before),
		RUN(settings__none__interface_left_alone),
		RUN(adopted__two_runs__given_descriptor_kept_and_interface_as_found),
		RUN(lw_connection_free__connected__settings_undone_at_once),
	};

	is_possible = access("/dev/net/tun", W_OK) == 0 && unshare(CLONE_NEWNET) == 0;
	return cmocka_run_group_tests_name("provider/interface", tests, NULL, NULL);
}
