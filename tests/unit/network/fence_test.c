/* SPDX-License-Identifier: MIT */
/* The kill switch: what it lets out, with real packets, each test in a network namespace of its own. */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include <longwire/error.h>
#include <longwire/provider.h>

#include "base/address.h"
#include "base/memory.h"
#include "network/fence.h"
#include "network/network.h"
#include "support/namespace.h"

/* e0, with a private network and one that is not, and a default route; lw0, the tunnel. Counted is what
 * leaves by e0, after everything else. */
static int setup(void **state)
{
	struct fence *fence;

	namespace_setup(state);
	run("ip link set lo up && ip link add e0 type veth peer name e1 && ip link add lw0 type veth peer name lw1 && ip link set lw1 up");
	run("for i in all default e0; do echo 0 > /proc/sys/net/ipv6/conf/$i/accept_dad; done");
	run("ip link set e0 addrgenmode none up && ip link set e1 addrgenmode none up && "
	    "ip link set lw0 addrgenmode none arp off up");
	run("ip address add 192.0.2.1/24 dev e0 && ip address add 192.168.7.1/24 dev e0 && "
	    "ip address add 2001:db8::1/64 dev e0 && ip address add fd77::1/64 dev e0 && "
	    "ip address add 10.86.0.2/24 dev lw0");
	run("ip route add default via 192.0.2.254 && ip -6 route add default via 2001:db8::fe");
	run("for a in 192.0.2.254 192.168.7.9 192.168.7.255 2001:db8::fe fd77::9; do "
	    "ip neigh add $a lladdr 02:00:00:00:00:fe dev e0 2>/dev/null || true; done");
	run("nft add table inet seen && nft 'add chain inet seen c { type filter hook postrouting priority "
	    "300; }' && nft add rule inet seen c oifname e0 meta l4proto udp counter");
	assert_int_equal(fence_new(NULL, &fence), 0);
	*state = fence;
	return 0;
}

static int teardown(void **state)
{
	network_inject_failure(0, 0);
	fence_free(*state);
	return 0;
}

static void close_it(struct fence *fence, const struct fence_policy *policy)
{
	struct lw_error error = { 0 };

	if (fence_close(fence, policy, &error) < 0)
		fail_msg("%s", error.text);
}

enum how { PLAIN, MARKED, BOUND };

/* Send an UDP packet; return whether it left by e0. from: the source port; 0: any. */
static bool leaks(const char *text, uint16_t from, uint16_t to, enum how how)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(from) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(from) };
	const uint32_t mark = LW_OUTER_MARK;
	bool is_four = !strchr(text, ':'), result;
	int fd = socket(is_four ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char *count;

	run("nft reset counters table inet seen >/dev/null; nft flush chain inet seen c && "
	    "nft add rule inet seen c oifname e0 meta l4proto udp counter");
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &(int){ 1 }, sizeof(int)), 0);
	assert_int_equal(bind(fd, is_four ? (struct sockaddr *)&four : (struct sockaddr *)&six,
			      is_four ? sizeof(four) : sizeof(six)),
			 0);
	if (how == MARKED)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)), 0);
	if (how == BOUND)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "e0", 2), 0);
	four.sin_port = six.sin6_port = htons(to);
	assert_int_equal(inet_pton(is_four ? AF_INET : AF_INET6, text,
				   is_four ? (void *)&four.sin_addr : (void *)&six.sin6_addr),
			 1);
	(void)sendto(fd, "inner", 5, 0,
		     is_four ? (struct sockaddr *)&four : (struct sockaddr *)&six,
		     is_four ? sizeof(four) : sizeof(six));
	close_fd(&fd);
	count = run_and_read("nft list table inet seen");
	result = !strstr(count, "packets 0 ");
	free(count);
	return result;
}

static void closed__lets_out_what_links_need_and_nothing_else(void **state)
{
	const struct fence_policy policy = { .interface = "lw0" };

	assert_true(leaks("203.0.113.9", 0, 9, PLAIN));
	close_it(*state, &policy);
	assert_false(leaks("203.0.113.9", 0, 9, PLAIN));
	assert_false(leaks("203.0.113.9", 0, 9, BOUND));
	assert_false(leaks("192.0.2.77", 0, 9, PLAIN));
	assert_false(leaks("192.0.2.254", 0, 53, PLAIN));
	assert_false(leaks("192.168.7.9", 0, 9, PLAIN));
	assert_false(leaks("255.255.255.255", 0, 9, BOUND));
	assert_false(leaks("2001:db8:1::9", 0, 9, PLAIN));
	assert_false(leaks("2001:db8:1::9", 0, 9, BOUND));
	assert_false(leaks("fd77::9", 0, 9, PLAIN));
	assert_true(leaks("203.0.113.9", 0, 9, MARKED));
	assert_true(leaks("2001:db8:1::9", 0, 9, MARKED));
	assert_true(leaks("192.0.2.254", 68, 67, PLAIN));
	assert_true(leaks("2001:db8::fe", 546, 547, PLAIN));
	assert_false(leaks("192.0.2.254", 67, 68, PLAIN));
	/* Neighbours can be found, hosts cannot be pinged. */
	run("ip neigh del 192.168.7.9 dev e0; ping -c 1 -W 1 127.0.0.1 >/dev/null");
	run("! ping -c 1 -W 1 192.168.7.9 >/dev/null 2>&1");
	run("nft list table inet longwire_lock_lw0 | grep -q 'counter packets [1-9]'");
}

/* That something went into the tunnel. */
static void expect_in_tunnel(void)
{
	run("ip -s -o link show lw0 | grep -Eq 'TX: .*\\\\ +[0-9]+ +[1-9]'");
}

static void closed__loopback_and_tunnel__are_free(void **state)
{
	const struct fence_policy policy = { .interface = "lw0" };

	close_it(*state, &policy);
	run("ping -c 1 -W 1 192.0.2.1 >/dev/null && ping -c 1 -W 1 ::1 >/dev/null");
	run("ip route add 203.0.113.0/24 dev lw0");
	run("bash -c 'echo x > /dev/udp/203.0.113.9/9'");
	expect_in_tunnel();
	/* Nor does it matter whether the tunnel is there. */
	run("ip link del lw0");
	assert_false(leaks("203.0.113.9", 0, 9, PLAIN));
}

static void closed__exceptions__are_let_out(void **state)
{
	struct ip_prefix excluded[2];
	struct fence_policy policy = {
		.interface = "lw0", .excluded = excluded, .n_excluded = 2, .exclude_local = true
	};

	assert_int_equal(ip_prefix_parse("203.0.113.0/24", &excluded[0]), 0);
	assert_int_equal(ip_prefix_parse("2001:db8:9::/48", &excluded[1]), 0);
	close_it(*state, &policy);
	assert_true(leaks("203.0.113.9", 0, 9, PLAIN));
	assert_true(leaks("2001:db8:9::9", 0, 9, PLAIN));
	assert_true(leaks("192.168.7.9", 0, 9, PLAIN));
	assert_true(leaks("fd77::9", 0, 9, PLAIN));
	assert_true(leaks("255.255.255.255", 0, 9, BOUND));
	/* Connected, but of addresses that are somebody's elsewhere. */
	assert_false(leaks("192.0.2.77", 0, 9, PLAIN));
	assert_false(leaks("2001:db8::77", 0, 9, PLAIN));
	assert_false(leaks("198.51.100.9", 0, 9, PLAIN));
	/* Another LAN: the former one is no more. */
	run("ip address del 192.168.7.1/24 dev e0 && ip address add 192.168.8.1/24 dev e0");
	close_it(*state, &policy);
	run("ip neigh add 192.168.8.9 lladdr 02:00:00:00:00:fe dev e0");
	assert_true(leaks("192.168.8.9", 0, 9, PLAIN));
	assert_false(leaks("192.168.7.9", 0, 9, PLAIN));
	policy.exclude_local = false;
	policy.n_excluded = 0;
	close_it(*state, &policy);
	assert_false(leaks("203.0.113.9", 0, 9, PLAIN));
	assert_false(leaks("fd77::9", 0, 9, PLAIN));
}

static void closed__again__does_nothing_where_nothing_changed(void **state)
{
	const struct fence_policy policy = { .interface = "lw0" };

	close_it(*state, &policy);
	run("nft delete table inet longwire_lock_lw0");
	close_it(*state, &policy);
	run("! nft list table inet longwire_lock_lw0 2>/dev/null");
}

static struct fence_peer peer(const char *address, uint16_t port)
{
	struct fence_peer made = { .port = port };

	assert_int_equal(ip_address_parse(address, &made.address), 0);
	return made;
}

static void names__until_the_peer_is_known__questions_alone_get_out(void **state)
{
	const struct fence_policy policy = { .interface = "lw0" };
	const struct fence_peer peers[] = { peer("192.0.2.9", 8443), peer("2001:db8::9", 443),
					    peer("192.0.2.10", 1) };
	const struct fence_peer *noted;
	char text[LW_PEER_TEXT_SIZE];
	struct fence *fence = *state, *next;
	int64_t since;

	assert_int_equal(fence_since(fence), 0);
	close_it(fence, &policy);
	since = fence_since(fence);
	assert_true(since > 0);
	assert_false(leaks("192.0.2.254", 0, 53, PLAIN));
	fence_ask_names(fence);
	close_it(fence, &policy);
	assert_true(fence_asks_names(fence));
	assert_true(leaks("192.0.2.254", 0, 53, PLAIN));
	assert_true(leaks("2001:db8::fe", 0, 53, PLAIN));
	assert_false(leaks("192.0.2.254", 0, 9, PLAIN));
	assert_false(leaks("192.0.2.254", 53, 5353, PLAIN));
	fence_set_peers(fence, peers, ARRAY_SIZE(peers));
	close_it(fence, &policy);
	assert_false(leaks("192.0.2.254", 0, 53, PLAIN));
	assert_false(leaks("192.0.2.9", 0, 8443, PLAIN));
	/* Known for good, and to the next one. */
	fence_ask_names(fence);
	assert_false(fence_asks_names(fence));
	assert_int_equal(fence_new(NULL, &next), 0);
	assert_int_equal(fence_recall(next, "lw0", NULL), 0);
	assert_int_equal(fence_peers(next, &noted), 3);
	/* Of each family in the kernel's order. */
	for (size_t i = 0; i < 2; i++)
		assert_string_equal(fence_peer_format(&noted[i], text),
				    noted[i].port == 1 ? "192.0.2.10:1" : "192.0.2.9:8443");
	assert_int_not_equal(noted[0].port, noted[1].port);
	assert_string_equal(fence_peer_format(&noted[2], text), "[2001:db8::9]:443");
	close_it(next, &policy);
	assert_int_equal(fence_since(next), since);
	fence_ask_names(next);
	close_it(next, &policy);
	assert_false(leaks("192.0.2.254", 0, 53, PLAIN));
	/* Another interface's is another's; one that was opened is forgotten. */
	assert_int_equal(fence_recall(next, "lw1", NULL), 0);
	assert_int_equal(fence_peers(next, &noted), 0);
	assert_int_equal(fence_open("lw0", NULL), 0);
	assert_int_equal(fence_recall(next, "lw0", NULL), 0);
	assert_int_equal(fence_peers(next, &noted), 0);
	fence_free(next);
}

/* The most that can be noted; and one that another program has touched. */
static void names__table_of_any_size__recalled(void **state)
{
	const struct fence_policy policy = { .interface = "lw0" };
	struct fence_peer peers[FENCE_PEERS_MAX + 1];
	const struct fence_peer *noted;
	struct fence *fence = *state;
	uint32_t all = 0;

	for (size_t i = 0; i < ARRAY_SIZE(peers); i++) {
		peers[i] = peer("2001:db8:1234:5678:9abc:def0:1234:0", 8443);
		peers[i].address.bytes[15] = (uint8_t)i;
	}
	fence_set_peers(fence, peers, ARRAY_SIZE(peers));
	close_it(fence, &policy);
	assert_int_equal(fence_recall(fence, "lw0", NULL), 0);
	assert_int_equal(fence_peers(fence, &noted), FENCE_PEERS_MAX);
	for (size_t i = 0; i < FENCE_PEERS_MAX; i++)
		all |= UINT32_C(1) << noted[i].address.bytes[15];
	assert_int_equal(all, UINT32_MAX);
	run("nft flush set inet longwire_lock_lw0 peers6");
	assert_int_equal(fence_recall(fence, "lw0", NULL), 0);
	assert_int_equal(fence_peers(fence, &noted), 0);
	assert_int_equal(fence_open("lw0", NULL), 0);
	run("nft add table inet longwire_lock_lw0");
	assert_int_equal(fence_recall(fence, "lw0", NULL), 0);
	close_it(fence, &policy);
	assert_true(fence_since(fence) > 0);
}

static void closed__stays_until_it_is_opened(void **state)
{
	const struct fence_policy policy = { .interface = "lw0" };
	const struct fence_policy other = { .interface = "lw-1.x" };
	char interfaces[FENCES_MAX][IFNAMSIZ];
	struct fence *second;

	assert_int_equal(fence_list(interfaces, NULL), 0);
	assert_int_equal(fence_open("lw0", NULL), 0);
	assert_int_equal(fence_new(NULL, &second), 0);
	close_it(*state, &policy);
	close_it(second, &other);
	fence_free(second);
	assert_int_equal(fence_list(interfaces, NULL), 2);
	assert_string_equal(interfaces[0], "lw0");
	assert_string_equal(interfaces[1], "lw-1.x");
	assert_int_equal(fence_open("lw0", NULL), 0);
	assert_false(leaks("203.0.113.9", 0, 9, PLAIN));
	assert_int_equal(fence_open("lw-1.x", NULL), 0);
	assert_true(leaks("203.0.113.9", 0, 9, PLAIN));
	assert_int_equal(fence_list(interfaces, NULL), 0);
}

static void failures__leave_it_as_it_was(void **state)
{
	struct fence_policy policy = { .interface = "lw0", .exclude_local = true };
	char interfaces[FENCES_MAX][IFNAMSIZ];
	char *before, *after;
	struct lw_error error;

	close_it(*state, &policy);
	run("ip address add 192.168.9.1/24 dev e0");
	before = run_and_read("nft list ruleset");
	for (unsigned n = 1; n <= 4; n++) {
		network_inject_failure(n, ENOBUFS);
		assert_int_equal(fence_close(*state, &policy, &error), -ENOBUFS);
		assert_non_null(strstr(error.text, "lw0: cannot close the kill switch"));
		after = run_and_read("nft list ruleset");
		assert_string_equal(after, before);
		free(after);
	}
	network_inject_failure(1, ENOBUFS);
	assert_int_equal(fence_open("lw0", &error), -ENOBUFS);
	assert_non_null(strstr(error.text, "lw0: cannot open the kill switch"));
	network_inject_failure(1, ENOBUFS);
	assert_int_equal(fence_list(interfaces, &error), -ENOBUFS);
	network_inject_failure(0, 0);
	assert_int_equal(fence_open("a b", &error), -EINVAL);
	assert_non_null(strstr(error.text, "no interface can be called so"));
	after = run_and_read("nft list ruleset");
	assert_string_equal(after, before);
	free(after);
	free(before);
}

/* An UDP packet of a host behind c0, 172.17.0.2, as it comes in there. */
static void send_from_behind(const char *to)
{
	uint8_t frame[14 + 28] = {
		[12] = 8, [14] = 0x45, [17] = 28, [19] = 1, [22] = 64, [23] = 17
	};
	uint8_t *packet = frame + 14;
	struct sockaddr_ll link = { .sll_family = AF_PACKET,
				    .sll_ifindex = (int)if_nametoindex("c1") };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	struct network_link c0;
	uint32_t sum = 0;

	assert_true(fd >= 0);
	assert_int_equal(network_link_get("c0", &c0, NULL), 0);
	memcpy(frame, c0.mac, sizeof(c0.mac));
	memcpy(packet + 12, "\xac\x11\x00\x02", 4);
	assert_int_equal(inet_pton(AF_INET, to, packet + 16), 1);
	packet[21] = packet[23] = 9;
	packet[25] = 8;
	for (size_t i = 0; i < 20; i += 2)
		sum += (uint32_t)(packet[i] << 8 | packet[i + 1]);
	sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
	packet[10] = (uint8_t)(sum >> 8);
	packet[11] = (uint8_t)sum;
	assert_int_equal(sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&link,
				sizeof(link)),
			 sizeof(frame));
	close_fd(&fd);
}

static void forwarding__is_judged_alike(void **state)
{
	const struct fence_policy policy = { .interface = "lw0" };

	run("echo 1 > /proc/sys/net/ipv4/ip_forward");
	run("ip link add c0 type veth peer name c1 && ip link set c0 up && ip link set c1 up");
	run("ip address add 172.17.0.1/16 dev c0");
	close_it(*state, &policy);
	run("ip route add 203.0.113.0/24 dev lw0");
	/* From inside e0's counter nothing may be seen of a packet that comes in at c0. */
	run("ip route get 198.51.100.9 from 172.17.0.2 iif c0 | grep -q 'dev e0'");
	send_from_behind("198.51.100.9");
	send_from_behind("203.0.113.9");
	run("nft list table inet seen | grep -q 'packets 0 '");
	run("nft list chain inet longwire_lock_lw0 forward | grep -q 'counter packets 1 '");
	expect_in_tunnel();
}

#define fence_unit(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		fence_unit(closed__lets_out_what_links_need_and_nothing_else),
		fence_unit(closed__loopback_and_tunnel__are_free),
		fence_unit(closed__exceptions__are_let_out),
		fence_unit(closed__again__does_nothing_where_nothing_changed),
		fence_unit(names__until_the_peer_is_known__questions_alone_get_out),
		fence_unit(names__table_of_any_size__recalled),
		fence_unit(closed__stays_until_it_is_opened),
		fence_unit(failures__leave_it_as_it_was),
		fence_unit(forwarding__is_judged_alike),
	};

	if (!namespace_is_possible())
		return 0;
	return cmocka_run_group_tests_name("network/fence", tests, NULL, NULL);
}
