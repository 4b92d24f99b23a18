/* SPDX-License-Identifier: MIT */
/* Transactions on a real kernel, each test in a network namespace of its own. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <longwire/error.h>

#include "base/address.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/settings.h"
#include "network/network.h"
#include "support/namespace.h"

enum { REQUESTS_MAX = 200 };

/* Everything that we could change, as text. Counters and time are left out. */
static const char look[] =
	"ip -o link show | sed 's/ qdisc [a-z_]* / /; s/ state [A-Z]* / /'; ip -d -o link show lw0 2>&1 | grep -o 'addrgenmode [a-z0-9]*';"
	"ip -o address show | sort; ip route show table all | sort; ip -6 route show table all | sort;"
	"ip rule show; ip -6 rule show; nft list tables | sort | while read t; do nft list $t; done;"
	"for f in /proc/sys/net/ipv4/ip_forward"
	" /proc/sys/net/ipv4/conf/all/src_valid_mark /proc/sys/net/ipv6/conf/*/accept_ra"
	" /proc/sys/net/ipv6/conf/*/forwarding; do echo $f $(cat $f); done";

/* Both texts are freed. */
static void expect_same(char *after, char *before)
{
	char *a = after, *b = before;

	while (*a && *a == *b) {
		a++;
		b++;
	}
	if (*a || *b) {
		while (a > after && a[-1] != '\n') {
			a--;
			b--;
		}
		fail_msg("differs: \"%.*s\", before: \"%.*s\"", (int)strcspn(a, "\n"), a,
			 (int)strcspn(b, "\n"), b);
	}
	free(after);
	free(before);
}

static char warned[256];

static void keep_warning(enum log_level level, const char *line, void *user)
{
	(void)level;
	(void)user;
	snprintf(warned, sizeof(warned), "%s", line);
}

struct lan {
	int fd; /* of lw0 */
	struct network *network;
};

/* lw0, and a neighbour outside: e0 (192.0.2.1/24, 2001:db8::1/64) with a default route, its peer
 * e1. */
static int make_lan(void **state, int flags)
{
	struct lan *lan;
	struct ifreq request = { .ifr_flags = (short)(flags | IFF_NO_PI), .ifr_name = "lw0" };

	namespace_setup(state);
	lan = calloc(1, sizeof(*lan));
	assert_non_null(lan);
	warned[0] = '\0';
	log_set_sink(keep_warning, LOG_LEVEL_WARNING, NULL);
	run("for i in all default; do echo 0 > /proc/sys/net/ipv6/conf/$i/accept_dad; done");
	run("ip link set lo up && ip link add e0 type veth peer name e1");
	run("ip link set e1 addrgenmode none up && ip link set e0 addrgenmode none up");
	run("ip address add 192.0.2.1/24 dev e0 && ip address add 2001:db8::1/64 dev e0");
	run("ip route add default via 192.0.2.254 && ip route add default via 2001:db8::fe");
	lan->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	assert_true(lan->fd >= 0);
	assert_int_equal(ioctl(lan->fd, TUNSETIFF, &request), 0);
	assert_int_equal(network_new("lw0", &lan->network), 0);
	*state = lan;
	return 0;
}

static int make_tap(void **state)
{
	return make_lan(state, IFF_TAP);
}

static int make_tun(void **state)
{
	return make_lan(state, IFF_TUN);
}

static int free_lan(void **state)
{
	struct lan *lan = *state;

	network_inject_failure(0, 0);
	network_free(lan->network);
	close_fd(&lan->fd);
	free(lan);
	return 0;
}

static int open_tap(const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	assert_true(fd >= 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
	return fd;
}

/* A router, fe80::77, advertises itself and 2001:db8:66::/64 to all nodes (RFC 4861, 4.2
 * and 4.6.2). */
static void advertise_router(int fd)
{
	static uint8_t frame[14 + 40 + 16 + 32] = {
		0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x77, 0x86, 0xdd,
		/* IPv6: 48 bytes of ICMPv6, hop limit 255 */
		0x60, 0, 0, 0, 0, 48, 58, 255, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0x77, 0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
		/* router advertisement, lifetime 1800 s */
		134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0,
		/* prefix information: on link, autonomous */
		3, 4, 64, 0xc0, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0x20, 1, 0x0d, 0xb8,
		0, 0x66
	};
	uint32_t sum = 48 + 58;

	frame[56] = frame[57] = 0;
	for (size_t i = 22; i < sizeof(frame); i += 2)
		sum += (uint32_t)(frame[i] << 8 | frame[i + 1]);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~(sum + (sum >> 16)) & 0xffff;
	frame[56] = (uint8_t)(sum >> 8);
	frame[57] = (uint8_t)sum;
	assert_int_equal(write(fd, frame, sizeof(frame)), sizeof(frame));
}

/* ---- Plans */

struct wish {
	struct network_plan plan;
	struct network_settings settings;
	struct ip_prefix addresses[4], included[4], excluded[4], to[4], from[4];
	struct network_routing routing;
	struct network_gateway gateway;
};

static size_t parse_all(const char *list, struct ip_prefix *prefixes)
{
	char copy[160], *rest = copy, *word;
	size_t n = 0;

	snprintf(copy, sizeof(copy), "%s", list ? list : "");
	while ((word = strsep(&rest, " ")))
		if (*word)
			assert_int_equal(ip_prefix_parse(word, &prefixes[n++]), 0);
	return n;
}

static void wish_init(struct wish *wish, enum lw_layer layer, const char *addresses,
		      const char *included, const char *excluded)
{
	*wish = (struct wish){ 0 };
	wish->settings.addresses = wish->addresses;
	wish->settings.n_addresses = parse_all(addresses, wish->addresses);
	wish->settings.included_routes = wish->included;
	wish->settings.n_included_routes = parse_all(included, wish->included);
	wish->settings.excluded_routes = wish->excluded;
	wish->settings.n_excluded_routes = parse_all(excluded, wish->excluded);
	wish->plan = (struct network_plan){
		.layer = layer, .settings = &wish->settings, .up = true, .routing = &wish->routing
	};
}

static void wish_gateway(struct wish *wish, const char *to, const char *from, bool masquerade)
{
	wish->gateway = (struct network_gateway){ .to = wish->to,
						  .n_to = parse_all(to, wish->to),
						  .masquerade = masquerade,
						  .from = wish->from,
						  .n_from = parse_all(from, wish->from) };
	wish->plan.gateway = &wish->gateway;
	wish->plan.routing = NULL;
}

static void apply(struct lan *lan, const struct wish *wish)
{
	struct lw_error error = { 0 };

	if (network_apply(lan->network, &wish->plan, &error) < 0)
		fail_msg("%s", error.text);
}

static void expect_refusal(struct lan *lan, const struct wish *wish, int result, const char *words)
{
	char *before = run_and_read(look), *after;
	struct lw_error error = { 0 };

	assert_int_equal(network_apply(lan->network, &wish->plan, &error), result);
	if (!strstr(error.text, words))
		fail_msg("\"%s\" does not say \"%s\"", error.text, words);
	after = run_and_read(look);
	expect_same(after, before);
}

static void expect_undone(struct lan *lan, char *before)
{
	char *after;

	assert_int_equal(network_undo(lan->network), 0);
	after = run_and_read(look);
	expect_same(after, before);
	assert_string_equal(warned, "");
	assert_int_equal(network_undo(lan->network), 0);
}

/* Fail the first request, the second, … until one call gets through: after each failure nothing may
 * have changed. */
static void expect_atomic(struct lan *lan, const struct wish *wish)
{
	char *before = run_and_read(look);
	unsigned n = 1;
	int r;

	do {
		struct lw_error error = { 0 };
		char *after;

		network_inject_failure(n, ENOBUFS);
		r = network_apply(lan->network, &wish->plan, &error);
		network_inject_failure(0, 0);
		if (r == 0)
			break;
		assert_int_equal(r, -ENOBUFS);
		assert_true(strstr(error.text, "lw0") || strstr(error.text, "br0"));
		after = run_and_read(look);
		if (strcmp(after, before) != 0)
			printf("request %u: %s\n", n, error.text);
		expect_same(after, strdup(before));
	} while (++n < REQUESTS_MAX);
	assert_int_equal(r, 0);
	assert_true(n > 3);
	assert_string_equal(warned, "");
	free(before);
}

/* ---- A host's interface */

static void tap__nothing_but_up__stays_silent_in_ipv6(void **state)
{
	struct lan *lan = *state;
	struct wish wish;
	char *text;

	wish_init(&wish, LW_LAYER_ETHERNET, NULL, NULL, NULL);
	wish.plan.settings = NULL;
	apply(lan, &wish);
	run("ip -o link show lw0 | grep -q '[<,]UP[,>]'");
	run("grep -qx 0 /proc/sys/net/ipv6/conf/lw0/accept_ra");
	text = run_and_read("ip address show dev lw0 | grep inet; ip -6 route show dev lw0");
	assert_string_equal(text, "");
	free(text);
	run("ip -d link show lw0 | grep -q 'addrgenmode none'");
	/* Who is at the other end cannot give itself routes, nor us addresses. */
	advertise_router(lan->fd);
	text = run_and_read("ip address show dev lw0 | grep inet6; ip -6 route show dev lw0");
	assert_string_equal(text, "");
	free(text);
}

static void tap__addresses_and_mac__are_as_asked(void **state)
{
	struct lan *lan = *state;
	struct wish wish;

	wish_init(&wish, LW_LAYER_ETHERNET, "10.86.0.2/24 fd86::2/64", NULL, NULL);
	wish.settings.mtu = 1400;
	memcpy(wish.settings.ethernet_address, "\x02\x5e\x1c\x12\x34\x56", 6);
	wish.settings.has_ethernet_address = true;
	apply(lan, &wish);
	run("ip link show lw0 | grep -q 'mtu 1400'");
	run("ip link show lw0 | grep -q 'link/ether 02:5e:1c:12:34:56'");
	run("ip -o address show lw0 | grep -q 'inet 10.86.0.2/24 brd 10.86.0.255'");
	run("ip -o address show lw0 | grep -q 'inet6 fd86::2/64'");
	run("ip -o address show lw0 | grep -q 'inet6 fe80::5e:1cff:fe12:3456/64'");
	run("! ip -o address show lw0 | grep -q tentative");
}

static void apply__every_request_failing__leaves_no_trace(void **state)
{
	struct lan *lan = *state;
	struct wish wish;

	wish_init(&wish, LW_LAYER_ETHERNET, "10.86.0.2/24 fd86::2/64",
		  "10.0.0.0/8 fd00::/8 0.0.0.0/0", "10.9.0.0/16 fd09::/16");
	wish_gateway(&wish, "10.0.0.0/8 fd00::/8", "10.86.0.0/24 fd86::/64", true);
	wish.plan.routing = &wish.routing;
	wish.routing = (struct network_routing){ .enforce = true, .exclude_local = true };
	run("echo 1 > /proc/sys/net/ipv4/conf/e0/rp_filter");
	run("ip address add 192.168.7.1/24 dev e0");
	wish.settings.mtu = 1400;
	memcpy(wish.settings.ethernet_address, "\x02\x5e\x1c\x12\x34\x56", 6);
	wish.settings.has_ethernet_address = true;
	wish.plan.is_persistent = true;
	expect_atomic(lan, &wish);
}

static void apply__every_request_of_a_change_failing__keeps_the_former_plan(void **state)
{
	struct lan *lan = *state;
	struct wish first, second;
	char *before = run_and_read(look);

	wish_init(&first, LW_LAYER_ETHERNET, "10.86.0.2/24 10.87.0.2/24", "10.0.0.0/8 10.88.0.0/16",
		  "10.9.0.0/16");
	wish_gateway(&first, "10.0.0.0/8", "10.86.0.0/24", true);
	first.plan.routing = &first.routing;
	first.settings.mtu = 1400;
	first.plan.is_persistent = true;
	wish_init(&second, LW_LAYER_ETHERNET, "10.86.0.3/24 10.87.0.2/24 fd86::2/64",
		  "10.0.0.0/8 172.16.0.0/12", "10.10.0.0/16");
	wish_gateway(&second, "172.16.0.0/12 fd00::/8", "10.86.0.0/24 fd86::/64", false);
	second.plan.routing = &second.routing;
	second.routing.include_all = true;
	second.settings.mtu = 1300;
	second.plan.is_persistent = true;
	apply(lan, &first);
	expect_atomic(lan, &second);
	run("ip route show table all | grep -q '^172.16.0.0/12 dev lw0 table .* proto 108 scope link'");
	run("! ip route show table all | grep -q 10.88.0.0");
	run("! nft list ruleset | grep -q masquerade");
	expect_undone(lan, before);
}

static void apply__equal_plan__sends_nothing_that_changes(void **state)
{
	struct lan *lan = *state;
	struct wish wish;
	char *before, *after;

	wish_init(&wish, LW_LAYER_IP, "10.86.0.2/24", "10.0.0.0/8", "10.9.0.0/16");
	wish_gateway(&wish, "10.0.0.0/8", "10.86.0.0/24", true);
	apply(lan, &wish);
	/* Anything that was set anew would undo these. */
	run("ip rule del pref 20541 && ip address del 10.86.0.2/24 dev lw0");
	run("echo 0 > /proc/sys/net/ipv4/ip_forward && nft delete table inet longwire_lw0");
	before = run_and_read(look);
	apply(lan, &wish);
	after = run_and_read(look);
	expect_same(after, before);
}

static void undo__all_of_it__leaves_what_was_found(void **state)
{
	struct lan *lan = *state;
	char *before = run_and_read(look);
	struct wish wish;

	wish_init(&wish, LW_LAYER_IP, "10.86.0.2/24 fd86::2/64", "0.0.0.0/0 ::/0", "10.9.0.0/16");
	wish_gateway(&wish, "10.0.0.0/8 fd00::/8", "10.86.0.0/24 fd86::/64", true);
	wish.plan.is_persistent = true;
	apply(lan, &wish);
	expect_undone(lan, before);
}

static void undo__interface_gone__is_quiet(void **state)
{
	struct lan *lan = *state;
	struct wish wish;
	char *text;

	wish_init(&wish, LW_LAYER_ETHERNET, "10.86.0.2/24 fd86::2/64", "10.0.0.0/8", "10.9.0.0/16");
	wish_gateway(&wish, "10.0.0.0/8", "10.86.0.0/24", true);
	wish.plan.is_persistent = true;
	apply(lan, &wish);
	close_fd(&lan->fd);
	assert_int_equal(if_nametoindex("lw0"), 0);
	assert_int_equal(network_undo(lan->network), 0);
	assert_string_equal(warned, "");
	text = run_and_read(
		"nft list ruleset; ip route show table all proto 108; ip rule | grep 'proto 108'; cat /proc/sys/net/ipv4/ip_forward");
	assert_string_equal(text, "0\n");
	free(text);
}

static void apply__interface_made_anew__begins_anew(void **state)
{
	struct lan *lan = *state;
	struct wish wish;
	char *text;

	wish_init(&wish, LW_LAYER_ETHERNET, "10.86.0.2/24", "10.0.0.0/8", "10.9.0.0/16");
	apply(lan, &wish);
	run("ip link del lw0 && ip tuntap add dev lw0 mode tap");
	apply(lan, &wish);
	run("ip -o address show lw0 | grep -q 10.86.0.2/24");
	text = run_and_read("ip route show table all proto 108 | grep -c 10.9.0.0/16");
	assert_string_equal(text, "1\n");
	free(text);
	run("[ $(ip rule | grep -c 'proto 108') = 2 ]");
	assert_int_equal(network_undo(lan->network), 0);
	text = run_and_read("ip route show table all proto 108; ip rule | grep 'proto 108'");
	assert_string_equal(text, "");
	free(text);
}

static void apply__address_found__is_left_on_undo(void **state)
{
	struct lan *lan = *state;
	struct wish wish;

	run("ip link set lw0 up && ip address add 10.86.0.2/24 dev lw0");
	wish_init(&wish, LW_LAYER_ETHERNET, "10.86.0.2/24 10.86.0.3/24", NULL, NULL);
	wish.plan.is_persistent = true;
	apply(lan, &wish);
	apply(lan, &wish);
	assert_int_equal(network_undo(lan->network), 0);
	run("ip -o address show lw0 | grep -q 10.86.0.2/24");
	run("! ip -o address show lw0 | grep -q 10.86.0.3/24");
	run("ip -o link show lw0 | grep -q '[<,]UP[,>]'");
}

/* ---- Routes */

/* Fails unless a packet to this address leaves so, as "ip route get" says. */
static void expect_way(const char *to, const char *way)
{
	char command[200], *text;

	snprintf(command, sizeof(command), "ip route get %s 2>&1", to);
	text = run_and_read(command);
	if (!strstr(text, way))
		fail_msg("%s: not \"%s\" but %s", to, way, text);
	free(text);
}

static void routes__plain__lose_to_equally_long_and_longer_ones_of_the_machine(void **state)
{
	struct lan *lan = *state;
	struct wish wish;

	run("ip route add 10.0.0.0/8 via 192.0.2.8 && ip route add 10.5.5.0/24 via 192.0.2.9");
	run("ip route add 172.16.0.0/12 via 192.0.2.9");
	wish_init(&wish, LW_LAYER_IP, "10.86.0.2/24 fd86::2/64",
		  "10.5.0.0/16 172.16.0.0/12 0.0.0.0/0 ::/0", NULL);
	apply(lan, &wish);
	expect_way("10.5.1.1", "dev lw0");
	expect_way("10.5.5.5", "via 192.0.2.9");
	expect_way("10.6.1.1", "via 192.0.2.8");
	expect_way("172.16.1.1", "via 192.0.2.9");
	expect_way("203.0.113.9", "dev lw0");
	expect_way("2001:db8:77::1", "dev lw0");
	expect_way("2001:db8::77", "dev e0");
	expect_way("192.0.2.77", "dev e0");
	assert_int_equal(network_undo(lan->network), 0);
	expect_way("10.5.1.1", "via 192.0.2.8");
	expect_way("203.0.113.9", "via 192.0.2.254");
}

static void routes__connection_outside__never_enters(void **state)
{
	struct lan *lan = *state;
	struct wish wish;

	wish_init(&wish, LW_LAYER_IP, "10.86.0.2/24 fd86::2/64", "198.51.100.0/24", NULL);
	for (int mode = 0; mode < 3; mode++) {
		wish.routing.enforce = mode == 1;
		wish.routing.include_all = mode == 2;
		apply(lan, &wish);
		expect_way("198.51.100.7", "dev lw0");
		expect_way("198.51.100.7 mark 0x6c770000", "via 192.0.2.254 dev e0");
		expect_way("2001:db8:1::7 mark 0x6c770000", "via 2001:db8::fe dev e0");
	}
	/* Also when that changes. */
	run("ip link add e2 type veth peer name e3 && ip link set e3 up && ip link set e2 up");
	run("ip address add 203.0.113.1/24 dev e2 && "
	    "ip route replace default via 203.0.113.254 dev e2");
	expect_way("198.51.100.7", "dev lw0");
	expect_way("198.51.100.7 mark 0x6c770000", "via 203.0.113.254 dev e2");
}

static void routes__excluded__go_wherever_the_machine_says_now(void **state)
{
	struct lan *lan = *state;
	struct wish wish;

	run("ip route add 10.9.0.0/17 via 192.0.2.9");
	wish_init(&wish, LW_LAYER_IP, "10.86.0.2/24 fd86::2/64", "10.0.0.0/8 10.9.7.0/24 fd00::/8",
		  "10.9.0.0/16 fd09::/16 172.16.0.0/12");
	for (int mode = 0; mode < 3; mode++) {
		wish.routing.enforce = mode == 1;
		wish.routing.include_all = mode == 2;
		apply(lan, &wish);
		expect_way("10.1.1.1", "dev lw0");
		expect_way("10.9.0.1", "via 192.0.2.9");
		expect_way("10.9.200.1", "via 192.0.2.254");
		expect_way("10.9.7.1", "dev lw0");
		expect_way("fd09::1", "via 2001:db8::fe");
		expect_way("fd0a::1", "dev lw0");
	}
	run("ip route replace 10.9.128.0/17 via 192.0.2.10 dev e0");
	expect_way("10.9.200.1", "via 192.0.2.10");
	run("ip route del default && ip route del 10.9.128.0/17");
	expect_way("10.9.200.1", "unreachable");
}

/* CVE-2024-3661: what a DHCP server of the outer link can make of the main table. */
static void routes__enforced__cannot_be_pulled_out_by_the_outer_link(void **state)
{
	struct lan *lan = *state;
	struct wish wish;

	wish_init(&wish, LW_LAYER_IP, "10.86.0.2/24 fd86::2/64", "0.0.0.0/0 ::/0", NULL);
	wish.routing.enforce = true;
	apply(lan, &wish);
	run("ip route add 0.0.0.0/1 via 192.0.2.66 dev e0 && ip route add 128.0.0.0/1 via 192.0.2.66 "
	    "dev e0 && ip route add 203.0.113.9/32 via 192.0.2.66 dev e0");
	run("ip route add 10.86.0.1/32 via 192.0.2.66 dev e0");
	run("ip -6 route add 2001:db8:9::/48 via 2001:db8::66 dev e0");
	expect_way("203.0.113.9", "dev lw0");
	expect_way("198.51.100.9", "dev lw0");
	expect_way("10.86.0.1", "dev lw0");
	expect_way("2001:db8:9::1", "dev lw0");
	expect_way("192.0.2.77", "dev lw0");
	wish.routing.enforce = false;
	apply(lan, &wish);
	expect_way("203.0.113.9", "via 192.0.2.66");
}

static void routes__local_networks__are_left_out_if_private_and_connected(void **state)
{
	struct lan *lan = *state;
	struct wish wish;

	run("ip address add 192.168.7.1/24 dev e0 && ip address add fd77::1/64 dev e0");
	run("ip route add 192.168.9.0/24 via 192.168.7.9 && ip route add 192.168.7.128/25 via 192.0.2.9");
	wish_init(&wish, LW_LAYER_IP, "10.86.0.2/24 fd86::2/64", "0.0.0.0/0 ::/0", NULL);
	wish.routing = (struct network_routing){ .enforce = true, .exclude_local = true };
	apply(lan, &wish);
	expect_way("192.168.7.77", "dev e0");
	expect_way("fd77::77", "dev e0");
	expect_way("192.168.9.1", "dev lw0"); /* only routed */
	expect_way("192.0.2.77", "dev lw0");  /* TunnelCrack: not of private addresses */
	expect_way("2001:db8::77", "dev lw0");
	/* Another LAN. */
	run("ip address del 192.168.7.1/24 dev e0 && ip address add 192.168.8.1/24 dev e0");
	apply(lan, &wish);
	expect_way("192.168.8.77", "dev e0");
	expect_way("192.168.7.77", "dev lw0");
}

static void routes__family_that_a_full_tunnel_lacks__is_unreachable(void **state)
{
	struct lan *lan = *state;
	struct wish wish;

	wish_init(&wish, LW_LAYER_IP, "10.86.0.2/24", "0.0.0.0/0", NULL);
	apply(lan, &wish);
	expect_way("2001:db8:77::1", "No route to host");
	expect_way("2001:db8:77::1 mark 0x6c770000", "dev e0");
	wish_init(&wish, LW_LAYER_IP, "fd86::2/64", "::/0", NULL);
	apply(lan, &wish);
	expect_way("203.0.113.9", "No route to host");
	expect_way("2001:db8:77::1", "dev lw0");
	wish_init(&wish, LW_LAYER_IP, "10.86.0.2/24", "10.0.0.0/8", NULL);
	apply(lan, &wish);
	expect_way("2001:db8:77::1", "dev e0");
	wish.routing.include_all = true;
	apply(lan, &wish);
	expect_way("2001:db8:77::1", "No route to host");
	expect_way("203.0.113.9", "dev lw0");
}

static void routes__several_tunnels__the_longest_has_it(void **state)
{
	struct lan *lan = *state;
	struct network *other;
	struct wish wish;

	run("ip tuntap add dev lw1 mode tun");
	assert_int_equal(network_new("lw1", &other), 0);
	wish_init(&wish, LW_LAYER_IP, "10.86.0.2/24", "0.0.0.0/0 10.1.0.0/16", NULL);
	apply(lan, &wish);
	wish_init(&wish, LW_LAYER_IP, "10.87.0.2/24", "10.0.0.0/8", NULL);
	for (int mode = 0; mode < 2; mode++) {
		wish.routing.enforce = mode == 1;
		assert_int_equal(network_apply(other, &wish.plan, NULL), 0);
		expect_way("10.2.0.1", "dev lw1");
		expect_way("203.0.113.9", "dev lw0");
	}
	expect_way("10.1.0.1", "dev lw1"); /* enforced before plain */
	network_free(other);
	expect_way("10.1.0.1", "dev lw0");
	expect_way("10.2.0.1", "dev lw0");
	assert_int_equal(network_undo(lan->network), 0);
	run("! ip rule | grep -q 'proto 108'");
}

static void routes__of_a_killed_tunnel__are_removed(void **state)
{
	struct lan *lan = *state;
	struct wish wish;

	/* Interface 9999 is no more; ours is there still, but nobody has told us of these rules. */
	run("ip rule add not fwmark 0x6c770000 table $((0x6c00270f)) pref 20228 protocol 108");
	run("ip -6 rule add not fwmark 0x6c00270f lookup main pref 20300 protocol 108");
	run("ip route add unreachable default table $((0x6c00270f)) proto 108");
	run("ip -6 route add throw fd09::/16 metric 1 table $((0x6c00270f)) proto 108");
	run("ip rule add not fwmark 0x6c770000 table %u pref 20228 protocol 108",
	    0x6c000000 + if_nametoindex("lw0"));
	run("ip rule add to 10.0.0.0/8 table 99 pref 20228 protocol 107");
	wish_init(&wish, LW_LAYER_IP, "10.86.0.2/24", "198.51.0.0/16", NULL);
	apply(lan, &wish);
	run("[ $(ip rule | grep -c 'proto 108') = 2 ] && [ $(ip -6 rule | grep -c 'proto 108') = 0 ]");
	run("[ $(ip rule | grep -c 'proto 107') = 1 ]");
	run("! ip route show table all | grep -q unreachable && ! ip -6 route show table all | grep -q fd09");
	expect_way("203.0.113.9", "via 192.0.2.254");
}

static void clean__removes_what_killed_tunnels_left_and_nothing_else(void **state)
{
	struct lan *lan = *state;
	struct lw_error error;
	char *before, *after;
	struct wish wish;

	wish_init(&wish, LW_LAYER_IP, "10.86.0.2/24", "0.0.0.0/0", "10.9.0.0/16");
	apply(lan, &wish);
	before = run_and_read(look);
	run("ip rule add not fwmark 0x6c770000 table $((0x6c00270f)) pref 20228 protocol 108");
	run("ip -6 route add unreachable default metric 1 table $((0x6c00270f)) proto 108");
	for (unsigned n = 1; n <= 5; n++) {
		network_inject_failure(n, ENOBUFS);
		assert_int_equal(network_clean(&error), -ENOBUFS);
	}
	network_inject_failure(0, 0);
	assert_int_equal(network_clean(&error), 0);
	after = run_and_read(look);
	expect_same(after, before);
}

static void routes__by_a_router__are_so(void **state)
{
	struct lan *lan = *state;
	struct wish wish;

	wish_init(&wish, LW_LAYER_ETHERNET, "10.20.0.2/24 fd20::2/64",
		  "0.0.0.0/0 ::/0 10.20.0.0/24", NULL);
	wish.settings.n_routers = 2;
	assert_int_equal(ip_address_parse("10.20.0.1", &wish.settings.routers[0]), 0);
	assert_int_equal(ip_address_parse("fd20::1", &wish.settings.routers[1]), 0);
	for (int mode = 0; mode < 2; mode++) {
		wish.routing.enforce = mode == 1;
		apply(lan, &wish);
		expect_way("203.0.113.9", "via 10.20.0.1 dev lw0");
		expect_way("2001:db8:77::1", "via fd20::1 dev lw0");
		run("ip route get 10.20.0.77 | grep -q '^10.20.0.77 dev lw0'");
	}
}

static void overhead__mtu__is_the_paths_less_it(void **state)
{
	struct lan *lan = *state;
	struct wish wish;

	wish_init(&wish, LW_LAYER_IP, "10.86.0.2/24", NULL, NULL);
	snprintf(wish.settings.remote_address, sizeof(wish.settings.remote_address),
		 "198.51.100.7");
	wish.settings.tunnel_overhead = 100;
	apply(lan, &wish);
	run("ip link show lw0 | grep -q 'mtu 1400'");
	run("ip link set e0 mtu 1400");
	apply(lan, &wish);
	run("ip link show lw0 | grep -q 'mtu 1300'");
	run("ip route replace default via 192.0.2.254 dev e0 mtu 650");
	expect_refusal(lan, &wish, -EINVAL, "tunnel-overhead: 100 of the 650 bytes");
	/* Nobody knows: it stays. */
	run("ip route del default");
	apply(lan, &wish);
	run("ip link show lw0 | grep -q 'mtu 1500'");
}

static void strict_filter__is_told_whose_the_answers_are(void **state)
{
	struct lan *lan = *state;
	struct wish wish;

	wish_init(&wish, LW_LAYER_IP, "10.86.0.2/24", "0.0.0.0/0", NULL);
	apply(lan, &wish);
	run("grep -qx 0 /proc/sys/net/ipv4/conf/all/src_valid_mark");
	run("echo 1 > /proc/sys/net/ipv4/conf/e0/rp_filter");
	apply(lan, &wish);
	run("grep -qx 1 /proc/sys/net/ipv4/conf/all/src_valid_mark");
	run("nft list table inet longwire_guard_lw0 | grep -q 'ct mark 0x6c770000'");
	run("echo 2 > /proc/sys/net/ipv4/conf/all/rp_filter");
	apply(lan, &wish);
	run("grep -qx 0 /proc/sys/net/ipv4/conf/all/src_valid_mark");
}

/* ---- Bridges */

static void bridge__joined__keeps_its_mac_mtu_and_carrier(void **state)
{
	struct lan *lan = *state;
	char *before, *after;
	struct network_link link;
	struct wish wish;

	run("ip link add br0 type bridge && ip link set e0 master br0 && ip link set br0 mtu 1480 up");
	before = run_and_read("ip -o link show br0");
	wish_init(&wish, LW_LAYER_ETHERNET, NULL, NULL, NULL);
	snprintf(wish.settings.bridge, sizeof(wish.settings.bridge), "br0");
	wish.settings.mtu = 1400;
	expect_atomic(lan, &wish);
	after = run_and_read("ip -o link show br0");
	expect_same(after, before);
	assert_int_equal(network_link_get("lw0", &link, NULL), 0);
	assert_int_equal(link.mac[0], 0xfe);
	assert_int_equal(link.mtu, 1480);
	assert_string_equal(link.master_name, "br0");
	assert_true(link.is_up);
	assert_false(link.is_bridge);
	run("! ip -o address show lw0 | grep -q inet");

	/* The place in the bridge and the MAC are the same after the same plan; another MTU of the
	 * bridge is followed. */
	before = run_and_read("ip -o link show lw0");
	apply(lan, &wish);
	after = run_and_read("ip -o link show lw0");
	expect_same(after, before);
	assert_int_equal(network_undo(lan->network), 0);
	run("! ip -o link show lw0 | grep -q master");
}

static void bridge__of_such_ports_only__keeps_its_mac(void **state)
{
	struct wish wish;
	char *before, *after;

	for (unsigned i = 0; i < 4; i++) {
		struct lan *lan = *state;

		run("ip link add br%u type bridge && ip link add p%u type veth peer name q%u", i, i,
		    i);
		run("ip link set p%u address fe:ee:00:00:00:0%u master br%u", i, i, i);
		before = run_and_read("ip -o link show type bridge");
		wish_init(&wish, LW_LAYER_ETHERNET, NULL, NULL, NULL);
		snprintf(wish.settings.bridge, sizeof(wish.settings.bridge), "br%u", i);
		apply(lan, &wish);
		after = run_and_read("ip -o link show type bridge");
		expect_same(after, before);
		assert_int_equal(network_undo(lan->network), 0);
	}
}

static void bridge__persistent_port__is_as_found_after_undo(void **state)
{
	struct lan *lan = *state;
	char *before;
	struct wish wish;

	run("ip link add br0 type bridge && ip link set br0 mtu 1300 && ip link set e0 master br0");
	before = run_and_read(look);
	wish_init(&wish, LW_LAYER_ETHERNET, NULL, NULL, NULL);
	snprintf(wish.settings.bridge, sizeof(wish.settings.bridge), "br0");
	wish.plan.is_persistent = true;
	apply(lan, &wish);
	expect_undone(lan, before);
}

/* An administrator's own TAP in a bridge, up: there is nothing to do, so there is nothing to be
 * allowed. */
static void bridge__persistent_port_of_it_already__is_left_alone(void **state)
{
	struct lan *lan = *state;
	char *before, *after;
	struct wish wish;

	run("ip link add br0 type bridge && ip link set lw0 master br0 && ip link set lw0 up");
	before = run_and_read(look);
	wish_init(&wish, LW_LAYER_ETHERNET, NULL, NULL, NULL);
	snprintf(wish.settings.bridge, sizeof(wish.settings.bridge), "br0");
	wish.plan.is_persistent = true;
	apply(lan, &wish);
	after = run_and_read(look);
	expect_same(after, strdup(before));
	wish.plan.settings = NULL;
	apply(lan, &wish);
	expect_undone(lan, before);
}

static void bridge__wrong__is_refused(void **state)
{
	struct lan *lan = *state;
	struct wish wish;

	run("ip link add br0 type bridge && ip link add br1 type bridge");
	wish_init(&wish, LW_LAYER_ETHERNET, NULL, NULL, NULL);
	snprintf(wish.settings.bridge, sizeof(wish.settings.bridge), "br9");
	expect_refusal(lan, &wish, -ENODEV, "there is no bridge br9: ip link add br9 type bridge");
	snprintf(wish.settings.bridge, sizeof(wish.settings.bridge), "e0");
	expect_refusal(lan, &wish, -EINVAL, "e0 is not a bridge but of kind veth");
	snprintf(wish.settings.bridge, sizeof(wish.settings.bridge), "br0");
	run("ip link set lw0 master br1");
	expect_refusal(lan, &wish, -EBUSY, "already a port of br1");
	wish.settings.bridge[0] = '\0';
	wish.settings.n_addresses = parse_all("10.86.0.2/24", wish.addresses);
	expect_refusal(lan, &wish, -EBUSY, "already a port of br1");
	run("ip link set lw0 nomaster");
	snprintf(wish.settings.bridge, sizeof(wish.settings.bridge), "br0");
	expect_refusal(lan, &wish, -EINVAL, "no addresses and routes of its own");
}

/* ---- Refusals of the rest */

static void apply__impossible_here__is_refused(void **state)
{
	struct lan *lan = *state;
	struct lw_error error = { 0 };
	struct network_link link;
	struct wish wish;

	wish_init(&wish, LW_LAYER_IP, NULL, NULL, NULL);
	expect_refusal(lan, &wish, -EINVAL, "an Ethernet interface and the tunnel carries IP");
	wish_init(&wish, LW_LAYER_ETHERNET, "fd86::2/64", NULL, NULL);
	wish.settings.mtu = 1279;
	expect_refusal(lan, &wish, -EINVAL, "at least 1280");
	wish.settings.mtu = 65535;
	expect_refusal(lan, &wish, -EINVAL, "68 to 65521 are");
	wish.settings.mtu = 0;
	run("echo 1 > /proc/sys/net/ipv6/conf/lw0/disable_ipv6");
	expect_refusal(lan, &wish, -EAFNOSUPPORT, "IPv6 is off on this machine");
	wish_init(&wish, LW_LAYER_ETHERNET, NULL, "10.0.0.0/8", "10.0.0.0/8");
	expect_refusal(lan, &wish, -EINVAL, "both included and excluded");
	wish_init(&wish, LW_LAYER_ETHERNET, NULL, NULL, NULL);
	wish_gateway(&wish, "fd00::/8", "10.86.0.0/24", true);
	expect_refusal(lan, &wish, -EINVAL, "a gateway needs networks");
	close_fd(&lan->fd);
	wish.plan.gateway = NULL;
	expect_refusal(lan, &wish, -ENODEV, "lw0: there is no such interface");
	assert_int_equal(network_link_get("lw0", &link, &error), -ENODEV);
	assert_non_null(strstr(error.text, "no such interface"));
	assert_int_equal(network_link_get("lo", &link, NULL), 0);
	assert_int_equal(link.master, 0);
}

static void apply__mtu_below_ipv6__is_done_without_it(void **state)
{
	struct lan *lan = *state;
	char *before = run_and_read(look);
	struct wish wish;

	wish_init(&wish, LW_LAYER_ETHERNET, "10.86.0.2/24", NULL, NULL);
	wish.plan.is_persistent = true;
	wish.settings.mtu = 1000;
	apply(lan, &wish);
	run("ip link show lw0 | grep -q 'mtu 1000'");
	wish.settings.mtu = 1400;
	apply(lan, &wish);
	run("ip -d link show lw0 | grep -q 'addrgenmode none'");
	run("grep -qx 0 /proc/sys/net/ipv6/conf/lw0/accept_ra");
	expect_undone(lan, before);
}

static void new__bad_name__is_refused(void **state)
{
	struct network *network = NULL;

	(void)state;
	assert_int_equal(network_new("", &network), -EINVAL);
	assert_int_equal(network_new("a/b", &network), -EINVAL);
	assert_int_equal(network_new("0123456789abcdef", &network), -EINVAL);
	assert_int_equal(network_new("lw0\" accept", &network), -EINVAL);
	assert_null(network);
	network_free(NULL);
}

/* ---- Gateway */

static void gateway__applied__forwards_and_filters(void **state)
{
	struct lan *lan = *state;
	char *before = run_and_read(look);
	struct wish wish;

	wish_init(&wish, LW_LAYER_IP, "10.86.0.1/24 fd86::1/64", NULL, NULL);
	wish_gateway(&wish, "192.0.2.0/24 2001:db8::/64 10.1.0.0/16 10.0.0.0/8",
		     "10.86.0.0/24 fd86::/64", true);
	wish.plan.is_persistent = true;
	apply(lan, &wish);
	run("grep -qx 1 /proc/sys/net/ipv4/ip_forward");
	run("grep -qx 1 /proc/sys/net/ipv6/conf/all/forwarding");
	run("grep -qx 2 /proc/sys/net/ipv6/conf/e0/accept_ra");
	run("nft list table inet longwire_lw0 | grep -q 'ip saddr 10.86.0.0/24.*masquerade'");
	apply(lan, &wish);
	run("grep -qx 2 /proc/sys/net/ipv6/conf/e0/accept_ra");
	expect_undone(lan, before);
}

static void gateway__already_forwarding__goes_on_after_undo(void **state)
{
	struct lan *lan = *state;
	struct wish wish;

	run("echo 1 > /proc/sys/net/ipv4/ip_forward && echo 1 > /proc/sys/net/ipv6/conf/all/forwarding");
	wish_init(&wish, LW_LAYER_IP, "10.86.0.1/24 fd86::1/64", NULL, NULL);
	wish_gateway(&wish, "0.0.0.0/0 ::/0", "10.86.0.0/24 fd86::/64", false);
	apply(lan, &wish);
	run("grep -qx 1 /proc/sys/net/ipv6/conf/e0/accept_ra");
	assert_int_equal(network_undo(lan->network), 0);
	run("grep -qx 1 /proc/sys/net/ipv4/ip_forward");
	run("grep -qx 1 /proc/sys/net/ipv6/conf/all/forwarding");
}

static void gateway__ipv4_only__leaves_ipv6_alone(void **state)
{
	struct lan *lan = *state;
	struct wish wish;

	wish_init(&wish, LW_LAYER_IP, "10.86.0.1/24", NULL, NULL);
	wish_gateway(&wish, "192.0.2.0/24 2001:db8::/64", "10.86.0.0/24", true);
	apply(lan, &wish);
	run("grep -qx 0 /proc/sys/net/ipv6/conf/all/forwarding");
	run("grep -qx 1 /proc/sys/net/ipv6/conf/e0/accept_ra");
}

static void gateway__routers_default_route__is_kept(void **state)
{
	struct lan *lan = *state;
	struct wish wish;
	int fd = open_tap("ra0");

	run("ip link set ra0 up");
	advertise_router(fd);
	run("ip -6 route show default dev ra0 | grep -q 'via fe80::77 proto ra'");
	wish_init(&wish, LW_LAYER_IP, "fd86::1/64", NULL, NULL);
	wish_gateway(&wish, "2001:db8::/64", "fd86::/64", true);
	apply(lan, &wish);
	run("ip -6 route show default dev ra0 | grep -q 'via fe80::77 proto ra'");
	assert_int_equal(network_undo(lan->network), 0);
	run("ip -6 route show default dev ra0 | grep -q 'via fe80::77 proto ra'");
	run("grep -qx 1 /proc/sys/net/ipv6/conf/ra0/accept_ra");
	close_fd(&fd);
}

/* What the table lets through, with packets: an outer host beyond e1 and a client inside the
 * TUN. */
static void send_udp(int fd, const char *from, const char *to)
{
	uint8_t packet[28] = { 0x45, 0, 0, 28, 0, 1, 0, 0, 64, 17 };
	struct ip_address address;
	uint32_t sum = 0;

	assert_int_equal(ip_address_parse(from, &address), 0);
	memcpy(packet + 12, address.bytes, 4);
	assert_int_equal(ip_address_parse(to, &address), 0);
	memcpy(packet + 16, address.bytes, 4);
	packet[20] = 0x30;
	packet[23] = 9;
	packet[25] = 8;
	for (size_t i = 0; i < 20; i += 2)
		sum += (uint32_t)(packet[i] << 8 | packet[i + 1]);
	sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
	packet[10] = (uint8_t)(sum >> 8);
	packet[11] = (uint8_t)sum;
	assert_int_equal(write(fd, packet, sizeof(packet)), sizeof(packet));
}

/* Return: whether the kernel has answered on the TUN that this is prohibited (ICMP 3, 13). */
static bool is_prohibited(int fd)
{
	uint8_t packet[2048];
	bool result = false;

	while (read(fd, packet, sizeof(packet)) > 0)
		if (packet[0] == 0x45 && packet[9] == 1 && packet[20] == 3)
			result = packet[21] == 13;
	return result;
}

static void gateway__packets__go_only_where_they_may(void **state)
{
	struct lan *lan = *state;
	struct wish wish;

	run("ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev e0");
	run("ip neigh add 192.0.2.254 lladdr 02:00:00:00:00:fe dev e0");
	run("nft add table ip seen && nft 'add chain ip seen c { type filter hook postrouting priority "
	    "300; }' && nft add rule ip seen c oifname e0 ip saddr 192.0.2.1 ip daddr 192.0.2.9 counter");
	wish_init(&wish, LW_LAYER_IP, "10.86.0.1/24", NULL, NULL);
	wish_gateway(&wish, "192.0.2.0/24", "10.86.0.0/24", true);
	apply(lan, &wish);
	send_udp(lan->fd, "10.86.0.2", "192.0.2.9");
	assert_false(is_prohibited(lan->fd));
	run("nft list table ip seen | grep -q 'packets 1 '");
	send_udp(lan->fd, "10.86.0.2", "203.0.113.9");
	assert_true(is_prohibited(lan->fd));
	send_udp(lan->fd, "10.99.0.2", "192.0.2.9");
	run("nft list table ip seen | grep -q 'packets 1 '");
	send_udp(lan->fd, "10.86.0.2", "10.86.0.3");
	assert_false(is_prohibited(lan->fd));
}

/* ---- Where settings cannot be written */

static void gateway__read_only_settings__is_refused_clearly(void **state)
{
	struct lan *lan = *state;
	struct lw_error error = { 0 };
	struct wish wish;
	pid_t child;
	int status = 0;

	wish_init(&wish, LW_LAYER_IP, "10.86.0.1/24", NULL, NULL);
	wish_gateway(&wish, "192.0.2.0/24", "10.86.0.0/24", true);
	child = fork();
	if (child == 0) {
		if (unshare(CLONE_NEWNS) < 0 ||
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("/proc/sys", "/proc/sys", NULL, MS_BIND, NULL) ||
		    mount("none", "/proc/sys", NULL, MS_BIND | MS_REMOUNT | MS_RDONLY, NULL))
			_exit(200);
		if (network_apply(lan->network, &wish.plan, &error) != -EROFS)
			_exit(1);
		_exit(strstr(error.text, "/proc/sys is read-only") &&
				      strstr(error.text, "set it to 1 beforehand")
			      ? 0
			      : 2);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 200) {
		printf("SKIP: /proc/sys cannot be made read-only here\n");
		skip();
	}
	assert_int_equal(status, 0);
	run("! ip -o address show lw0 | grep -q inet");
}

#define tap_test(test) cmocka_unit_test_setup_teardown(test, make_tap, free_lan)
#define tun_test(test) cmocka_unit_test_setup_teardown(test, make_tun, free_lan)

int main(void)
{
	const struct CMUnitTest tests[] = {
		tap_test(tap__nothing_but_up__stays_silent_in_ipv6),
		tap_test(tap__addresses_and_mac__are_as_asked),
		tap_test(apply__every_request_failing__leaves_no_trace),
		tap_test(apply__every_request_of_a_change_failing__keeps_the_former_plan),
		tun_test(apply__equal_plan__sends_nothing_that_changes),
		tun_test(undo__all_of_it__leaves_what_was_found),
		tap_test(undo__interface_gone__is_quiet),
		tap_test(apply__interface_made_anew__begins_anew),
		tap_test(apply__address_found__is_left_on_undo),
		tun_test(routes__plain__lose_to_equally_long_and_longer_ones_of_the_machine),
		tun_test(routes__connection_outside__never_enters),
		tun_test(routes__excluded__go_wherever_the_machine_says_now),
		tun_test(routes__enforced__cannot_be_pulled_out_by_the_outer_link),
		tun_test(routes__local_networks__are_left_out_if_private_and_connected),
		tun_test(routes__family_that_a_full_tunnel_lacks__is_unreachable),
		tun_test(routes__several_tunnels__the_longest_has_it),
		tun_test(routes__of_a_killed_tunnel__are_removed),
		tun_test(clean__removes_what_killed_tunnels_left_and_nothing_else),
		tap_test(routes__by_a_router__are_so),
		tun_test(overhead__mtu__is_the_paths_less_it),
		tun_test(strict_filter__is_told_whose_the_answers_are),
		tap_test(bridge__joined__keeps_its_mac_mtu_and_carrier),
		tap_test(bridge__of_such_ports_only__keeps_its_mac),
		tap_test(bridge__persistent_port__is_as_found_after_undo),
		tap_test(bridge__persistent_port_of_it_already__is_left_alone),
		tap_test(bridge__wrong__is_refused),
		tap_test(apply__impossible_here__is_refused),
		tap_test(apply__mtu_below_ipv6__is_done_without_it),
		cmocka_unit_test(new__bad_name__is_refused),
		tun_test(gateway__applied__forwards_and_filters),
		tun_test(gateway__already_forwarding__goes_on_after_undo),
		tun_test(gateway__ipv4_only__leaves_ipv6_alone),
		tun_test(gateway__routers_default_route__is_kept),
		tun_test(gateway__packets__go_only_where_they_may),
		tun_test(gateway__read_only_settings__is_refused_clearly),
	};

	if (!namespace_is_possible())
		return 0;
	return cmocka_run_group_tests_name("network/network", tests, NULL, NULL);
}
