/* SPDX-License-Identifier: MIT */
/* Answers of the kernel, whole and broken. */
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/fib_rules.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "network/rtnetlink.h"

static _Alignas(8) char buffer[2048];

/* Return: what stands behind the message's header. */
static void *begin(uint16_t type, size_t size)
{
	struct nlmsghdr *message;

	memset(buffer, 0, sizeof(buffer));
	message = mnl_nlmsg_put_header(buffer);
	message->nlmsg_type = type;
	return mnl_nlmsg_put_extra_header(message, size);
}

static struct nlmsghdr *begin_link(int index)
{
	struct ifinfomsg *body = begin(RTM_NEWLINK, sizeof(*body));

	body->ifi_index = index;
	body->ifi_type = 1;
	return (struct nlmsghdr *)buffer;
}

static struct nlmsghdr *begin_route(uint8_t family, uint8_t length)
{
	struct rtmsg *body = begin(RTM_NEWROUTE, sizeof(*body));

	body->rtm_family = family;
	body->rtm_dst_len = length;
	body->rtm_table = RT_TABLE_MAIN;
	body->rtm_type = RTN_UNICAST;
	return (struct nlmsghdr *)buffer;
}

static void link__whole__is_read(void **state)
{
	struct nlmsghdr *message = begin_link(5);
	struct nlattr *outer, *inner;
	struct link link;

	(void)state;
	mnl_attr_put_strz(message, IFLA_IFNAME, "lw0");
	mnl_attr_put(message, IFLA_ADDRESS, 6, "\x02\x00\x00\x00\x00\x09");
	mnl_attr_put_u32(message, IFLA_MTU, 1400);
	mnl_attr_put_u32(message, IFLA_MASTER, 3);
	mnl_attr_put_u32(message, IFLA_TXQLEN, 500);
	outer = mnl_attr_nest_start(message, IFLA_LINKINFO);
	mnl_attr_put_strz(message, IFLA_INFO_KIND, "bridge");
	mnl_attr_nest_end(message, outer);
	outer = mnl_attr_nest_start(message, IFLA_AF_SPEC);
	inner = mnl_attr_nest_start(message, AF_INET6);
	mnl_attr_put_u8(message, IFLA_INET6_ADDR_GEN_MODE, 1);
	mnl_attr_nest_end(message, inner);
	mnl_attr_nest_end(message, outer);
	assert_int_equal(rtnetlink_parse_link(message, &link), 0);
	assert_int_equal(link.index, 5);
	assert_string_equal(link.name, "lw0");
	assert_string_equal(link.kind, "bridge");
	assert_int_equal(link.mac[5], 9);
	assert_int_equal(link.mtu, 1400);
	assert_int_equal(link.master, 3);
	assert_int_equal(link.queue_length, 500);
	assert_int_equal(link.address_generation, 1);
}

static void link__broken__is_refused_and_nothing_is_written(void **state)
{
	struct link link = { .index = 77 };
	struct nlmsghdr *message = begin_link(5);

	(void)state;
	assert_int_equal(rtnetlink_parse_link(message, &link), -EBADMSG);
	message = begin_link(0);
	mnl_attr_put_strz(message, IFLA_IFNAME, "lw0");
	assert_int_equal(rtnetlink_parse_link(message, &link), -EBADMSG);
	message = begin_link(5);
	mnl_attr_put(message, IFLA_IFNAME, 3, "lw0"); /* not terminated */
	assert_int_equal(rtnetlink_parse_link(message, &link), -EBADMSG);
	message = begin_link(5);
	mnl_attr_put_strz(message, IFLA_IFNAME, "lw0");
	message->nlmsg_type = RTM_DELLINK;
	assert_int_equal(rtnetlink_parse_link(message, &link), -EBADMSG);
	message->nlmsg_type = RTM_NEWLINK;
	message->nlmsg_len = NLMSG_HDRLEN + sizeof(struct ifinfomsg) - 1;
	assert_int_equal(rtnetlink_parse_link(message, &link), -EBADMSG);
	assert_int_equal(link.index, 77);
}

static void route__whole__is_read(void **state)
{
	struct nlmsghdr *message = begin_route(AF_INET, 8);
	struct route route;

	(void)state;
	mnl_attr_put(message, RTA_DST, 4, "\x0a\x00\x00\x00");
	mnl_attr_put(message, RTA_GATEWAY, 4, "\xc0\x00\x02\x01");
	mnl_attr_put_u32(message, RTA_OIF, 4);
	mnl_attr_put_u32(message, RTA_PRIORITY, 100);
	assert_int_equal(rtnetlink_parse_route(message, &route), 0);
	assert_int_equal(route.destination.length, 8);
	assert_int_equal(route.destination.address.bytes[0], 10);
	assert_int_equal(route.via.family, AF_INET);
	assert_int_equal(route.via.bytes[3], 1);
	assert_int_equal(route.index, 4);
	assert_int_equal(route.metric, 100);
}

static void route__via_the_other_family__is_read(void **state)
{
	struct nlmsghdr *message = begin_route(AF_INET, 0);
	struct {
		uint16_t family;
		uint8_t bytes[16];
	} via = { .family = AF_INET6, .bytes = { 0xfe, 0x80 } };
	struct route route;

	(void)state;
	mnl_attr_put(message, RTA_VIA, sizeof(via), &via);
	assert_int_equal(rtnetlink_parse_route(message, &route), 0);
	assert_int_equal(route.via.family, AF_INET6);
	assert_int_equal(route.via.bytes[0], 0xfe);
	message = begin_route(AF_INET, 0);
	mnl_attr_put(message, RTA_VIA, 1, &via);
	assert_int_equal(rtnetlink_parse_route(message, &route), -EBADMSG);
	message = begin_route(AF_INET, 0);
	mnl_attr_put(message, RTA_VIA, sizeof(via) - 1, &via);
	assert_int_equal(rtnetlink_parse_route(message, &route), -EBADMSG);
}

/* One next hop through interface 9, by 192.0.2.9, whose length is told as hop_length. */
static int parse_multipath(uint16_t hop_length, struct route *ret_route)
{
	struct nlmsghdr *message = begin_route(AF_INET, 0);
	struct {
		struct rtnexthop hop;
		struct nlattr header;
		uint8_t gateway[4];
	} hops = { .hop = { .rtnh_len = hop_length, .rtnh_ifindex = 9 },
		   .header = { .nla_len = 8, .nla_type = RTA_GATEWAY },
		   .gateway = { 192, 0, 2, 9 } };

	mnl_attr_put(message, RTA_MULTIPATH, sizeof(hops), &hops);
	return rtnetlink_parse_route(message, ret_route);
}

static void route__multipath__first_hop_stands_for_all(void **state)
{
	struct route route;

	(void)state;
	assert_int_equal(parse_multipath(16, &route), 0);
	assert_int_equal(route.index, 9);
	assert_int_equal(route.via.bytes[3], 9);
	assert_int_equal(parse_multipath(8, &route), 0);
	assert_int_equal(route.via.family, 0);
	assert_int_equal(parse_multipath(7, &route), -EBADMSG);
	assert_int_equal(parse_multipath(17, &route), -EBADMSG);
}

static void route__broken_or_of_another_table__is_refused(void **state)
{
	struct route route = { .index = 77 };
	struct nlmsghdr *message = begin_route(AF_INET, 33);
	struct rtmsg *body;

	(void)state;
	assert_int_equal(rtnetlink_parse_route(message, &route), -EBADMSG);
	message = begin_route(AF_INET6, 129);
	assert_int_equal(rtnetlink_parse_route(message, &route), -EBADMSG);
	message = begin_route(AF_UNIX, 0);
	assert_int_equal(rtnetlink_parse_route(message, &route), -EBADMSG);
	message = begin_route(AF_INET, 8);
	mnl_attr_put(message, RTA_DST, 3, "\x0a\x00\x00");
	assert_int_equal(rtnetlink_parse_route(message, &route), -EBADMSG);
	message = begin_route(AF_INET, 8);
	mnl_attr_put(message, RTA_GATEWAY, 16, buffer + 1024);
	assert_int_equal(rtnetlink_parse_route(message, &route), -EBADMSG);
	message = begin_route(AF_INET, 0);
	mnl_attr_put_u32(message, RTA_TABLE, RT_TABLE_LOCAL);
	assert_int_equal(rtnetlink_parse_route(message, &route), -ENOENT);
	message = begin_route(AF_INET6, 0);
	body = mnl_nlmsg_get_payload(message);
	body->rtm_flags = RTM_F_CLONED;
	assert_int_equal(rtnetlink_parse_route(message, &route), -ENOENT);
	message->nlmsg_len = NLMSG_HDRLEN + sizeof(struct rtmsg) - 1;
	assert_int_equal(rtnetlink_parse_route(message, &route), -EBADMSG);
	assert_int_equal(route.index, 77);
}

static void route__of_a_table_of_ours__is_read(void **state)
{
	struct nlmsghdr *message = begin_route(AF_INET, 0);
	struct route route;

	(void)state;
	mnl_attr_put_u32(message, RTA_TABLE, RTNETLINK_OWN_TABLES + 5);
	assert_int_equal(rtnetlink_parse_route(message, &route), 0);
	assert_int_equal(route.table, RTNETLINK_OWN_TABLES + 5);
	message = begin_route(AF_INET, 0);
	assert_int_equal(rtnetlink_parse_route(message, &route), 0);
	assert_int_equal(route.table, 0);
}

static struct nlmsghdr *begin_rule(uint8_t family)
{
	struct fib_rule_hdr *body = begin(RTM_NEWRULE, sizeof(*body));

	body->family = family;
	body->table = RT_TABLE_MAIN;
	return (struct nlmsghdr *)buffer;
}

static void rule__whole__is_read(void **state)
{
	struct nlmsghdr *message = begin_rule(AF_INET);
	struct rule rule;

	(void)state;
	assert_int_equal(rtnetlink_parse_rule(message, &rule), 0);
	assert_int_equal(rule.table, 0);
	assert_int_equal(rule.suppress, -1);
	mnl_attr_put_u32(message, FRA_TABLE, 7000);
	mnl_attr_put_u32(message, FRA_PRIORITY, 20100);
	mnl_attr_put_u32(message, FRA_FWMARK, 0x6c770000);
	mnl_attr_put_u32(message, FRA_FWMASK, 0x7fff0000);
	mnl_attr_put_u32(message, FRA_SUPPRESS_PREFIXLEN, 7);
	mnl_attr_put_u8(message, FRA_PROTOCOL, 108);
	assert_int_equal(rtnetlink_parse_rule(message, &rule), 0);
	assert_int_equal(rule.table, 7000);
	assert_int_equal(rule.priority, 20100);
	assert_int_equal(rule.not_mark, 0x6c770000);
	assert_int_equal(rule.not_mask, 0x7fff0000);
	assert_int_equal(rule.suppress, 7);
	assert_int_equal(rule.protocol, 108);
}

static void rule__broken__is_refused_and_nothing_is_written(void **state)
{
	struct rule rule = { .priority = 77 };
	struct nlmsghdr *message = begin_rule(AF_UNIX);

	(void)state;
	assert_int_equal(rtnetlink_parse_rule(message, &rule), -EBADMSG);
	message = begin_rule(AF_INET);
	message->nlmsg_type = RTM_DELRULE;
	assert_int_equal(rtnetlink_parse_rule(message, &rule), -EBADMSG);
	message = begin_rule(AF_INET);
	message->nlmsg_len = NLMSG_HDRLEN + sizeof(struct fib_rule_hdr) - 1;
	assert_int_equal(rtnetlink_parse_rule(message, &rule), -EBADMSG);
	assert_int_equal(rule.priority, 77);
}

static void answer__whole_or_broken__is_read_or_refused(void **state)
{
	struct nlmsghdr *message = begin_route(AF_INET, 32);
	struct route_answer answer;
	struct nlattr *metrics;

	(void)state;
	mnl_attr_put_u32(message, RTA_OIF, 4);
	mnl_attr_put(message, RTA_PREFSRC, 4, "\xc0\x00\x02\x01");
	mnl_attr_put(message, RTA_GATEWAY, 4, "\xc0\x00\x02\xfe");
	metrics = mnl_attr_nest_start(message, RTA_METRICS);
	mnl_attr_put_u32(message, RTAX_MTU, 1280);
	mnl_attr_nest_end(message, metrics);
	assert_int_equal(rtnetlink_parse_answer(message, &answer), 0);
	assert_int_equal(answer.type, RTN_UNICAST);
	assert_int_equal(answer.index, 4);
	assert_int_equal(answer.source.bytes[3], 1);
	assert_int_equal(answer.gateway.bytes[3], 254);
	assert_int_equal(answer.mtu, 1280);
	answer.index = 77;
	message = begin_route(AF_INET, 32);
	mnl_attr_put(message, RTA_PREFSRC, 3, "\xc0\x00\x02");
	assert_int_equal(rtnetlink_parse_answer(message, &answer), -EBADMSG);
	message->nlmsg_type = RTM_DELROUTE;
	assert_int_equal(rtnetlink_parse_answer(message, &answer), -EBADMSG);
	message = begin_route(AF_UNIX, 0);
	assert_int_equal(rtnetlink_parse_answer(message, &answer), -EBADMSG);
	assert_int_equal(answer.index, 77);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(link__whole__is_read),
		cmocka_unit_test(link__broken__is_refused_and_nothing_is_written),
		cmocka_unit_test(route__whole__is_read),
		cmocka_unit_test(route__via_the_other_family__is_read),
		cmocka_unit_test(route__multipath__first_hop_stands_for_all),
		cmocka_unit_test(route__broken_or_of_another_table__is_refused),
		cmocka_unit_test(route__of_a_table_of_ours__is_read),
		cmocka_unit_test(rule__whole__is_read),
		cmocka_unit_test(rule__broken__is_refused_and_nothing_is_written),
		cmocka_unit_test(answer__whole_or_broken__is_read_or_refused),
	};

	return cmocka_run_group_tests_name("network/rtnetlink", tests, NULL, NULL);
}
