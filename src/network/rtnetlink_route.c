/* SPDX-License-Identifier: MIT */
/* Routes, rules, and the kernel's answer to where a packet would go. */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "base/memory.h"
#include "network/rtnetlink_internal.h"

/* ---- Routes */

static void put_via(struct nlmsghdr *request, const struct route *route)
{
	struct {
		uint16_t family;
		uint8_t bytes[16];
	} via = { .family = route->via.family };

	if (route->via.family == route->destination.address.family) {
		rtnetlink_put_address(request, RTA_GATEWAY, &route->via);
		return;
	}
	memcpy(via.bytes, route->via.bytes, sizeof(via.bytes));
	mnl_attr_put(request, RTA_VIA, 2u + ip_address_bits(&route->via) / 8, &via);
}

static void put_route(struct rtnetlink *rtnetlink, uint16_t type, uint16_t flags,
		      const struct route *route)
{
	struct nlmsghdr *request = rtnetlink_begin(rtnetlink, type, flags);
	struct rtmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
	bool is_direct = route->type == RTN_UNICAST && !route->via.family;

	body->rtm_family = route->destination.address.family;
	body->rtm_dst_len = route->destination.length;
	body->rtm_table = route->table ? RT_TABLE_UNSPEC : RT_TABLE_MAIN;
	body->rtm_protocol = route->protocol;
	body->rtm_type = route->type;
	body->rtm_scope = is_direct ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	body->rtm_flags = route->is_onlink ? RTNH_F_ONLINK : 0;
	rtnetlink_put_address(request, RTA_DST, &route->destination.address);
	if (route->via.family)
		put_via(request, route);
	if (route->index)
		mnl_attr_put_u32(request, RTA_OIF, (uint32_t)route->index);
	if (route->metric)
		mnl_attr_put_u32(request, RTA_PRIORITY, route->metric);
	if (route->table)
		mnl_attr_put_u32(request, RTA_TABLE, route->table);
}

int rtnetlink_add_route(struct rtnetlink *rtnetlink, const struct route *route)
{
	put_route(rtnetlink, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE, route);
	return rtnetlink_exchange(rtnetlink, NULL, NULL);
}

int rtnetlink_remove_route(struct rtnetlink *rtnetlink, const struct route *route)
{
	put_route(rtnetlink, RTM_DELROUTE, NLM_F_ACK, route);
	return rtnetlink_exchange(rtnetlink, NULL, NULL);
}

static int copy_address(const void *bytes, size_t length, uint8_t family,
			struct ip_address *address)
{
	struct ip_address copy = { .family = family };

	if ((family != AF_INET && family != AF_INET6) || length != ip_address_bits(&copy) / 8u)
		return -EBADMSG;
	memcpy(copy.bytes, bytes, length);
	*address = copy;
	return 0;
}

static int copy_via(const struct nlattr *attribute, struct ip_address *via)
{
	const uint8_t *payload = mnl_attr_get_payload(attribute);
	size_t length = mnl_attr_get_payload_len(attribute);
	uint16_t family;

	if (length < sizeof(family))
		return -EBADMSG;
	memcpy(&family, payload, sizeof(family));
	return copy_address(payload + sizeof(family), length - sizeof(family), (uint8_t)family,
			    via);
}

static int parse_hop_attribute(const struct nlattr *attribute, struct route *route)
{
	uint32_t index = 0;

	switch (mnl_attr_get_type(attribute)) {
	case RTA_GATEWAY:
		return copy_address(mnl_attr_get_payload(attribute),
				    mnl_attr_get_payload_len(attribute),
				    route->destination.address.family, &route->via);
	case RTA_VIA:
		return copy_via(attribute, &route->via);
	case RTA_OIF:
		rtnetlink_copy_u32(attribute, &index);
		route->index = (int)index;
		return 0;
	default:
		return 0;
	}
}

/* Of several next hops the first stands for all. */
static int parse_multipath(const struct nlattr *attribute, struct route *route)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(attribute);
	size_t length = mnl_attr_get_payload_len(attribute);
	const struct nlattr *attr;
	int r = 0;

	if (length < sizeof(*hop) || hop->rtnh_len < sizeof(*hop) || hop->rtnh_len > length)
		return -EBADMSG;
	route->index = hop->rtnh_ifindex;
	route->is_onlink = hop->rtnh_flags & RTNH_F_ONLINK;
	mnl_attr_for_each_payload((const void *)(hop + 1), hop->rtnh_len - (int)sizeof(*hop))
	{
		r = parse_hop_attribute(attr, route);
		if (r < 0)
			break;
	}
	return r;
}

static int parse_route_attribute(const struct nlattr *attribute, struct route *route,
				 uint32_t *table)
{
	switch (mnl_attr_get_type(attribute)) {
	case RTA_DST:
		return copy_address(mnl_attr_get_payload(attribute),
				    mnl_attr_get_payload_len(attribute),
				    route->destination.address.family, &route->destination.address);
	case RTA_TABLE:
		rtnetlink_copy_u32(attribute, table);
		return 0;
	case RTA_PRIORITY:
		rtnetlink_copy_u32(attribute, &route->metric);
		return 0;
	case RTA_MULTIPATH:
		return parse_multipath(attribute, route);
	default:
		return parse_hop_attribute(attribute, route);
	}
}

int rtnetlink_parse_route(const struct nlmsghdr *message, struct route *ret_route)
{
	const struct rtmsg *body = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	struct route route = { 0 };
	uint32_t table;
	int r = 0;

	if (message->nlmsg_type != RTM_NEWROUTE ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*body) ||
	    (body->rtm_family != AF_INET && body->rtm_family != AF_INET6))
		return -EBADMSG;
	table = body->rtm_table;
	route.destination.address.family = body->rtm_family;
	route.destination.length = body->rtm_dst_len;
	route.type = body->rtm_type;
	route.protocol = body->rtm_protocol;
	route.is_onlink = body->rtm_flags & RTNH_F_ONLINK;
	mnl_attr_for_each(attribute, message, sizeof(*body))
	{
		r = parse_route_attribute(attribute, &route, &table);
		if (r < 0)
			return r;
	}
	if (route.destination.length > ip_address_bits(&route.destination.address))
		return -EBADMSG;
	if ((table != RT_TABLE_MAIN && !rtnetlink_is_own_table(table)) ||
	    body->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD))
		return -ENOENT;
	route.table = table == RT_TABLE_MAIN ? 0 : table;
	*ret_route = route;
	return 0;
}

struct route_visit {
	rtnetlink_route_fn *function;
	void *user;
};

static void take_route(const struct nlmsghdr *message, void *user)
{
	const struct route_visit *visit = user;
	struct route route;

	if (rtnetlink_parse_route(message, &route) == 0)
		visit->function(&route, visit->user);
}

int rtnetlink_each_route(struct rtnetlink *rtnetlink, uint8_t family, rtnetlink_route_fn *function,
			 void *user)
{
	struct route_visit visit = { function, user };
	int r = -EINTR;

	/* A dump that was overtaken by a change is begun anew: visitors keep the best, so seeing
	 * one twice does no harm. */
	for (unsigned i = 0; i < DUMP_ATTEMPTS && r == -EINTR; i++) {
		struct nlmsghdr *request = rtnetlink_begin(rtnetlink, RTM_GETROUTE, NLM_F_DUMP);
		struct rtmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));

		body->rtm_family = family;
		r = rtnetlink_exchange(rtnetlink, take_route, &visit);
	}
	return r;
}

/* ---- Rules */

static void put_rule(struct rtnetlink *rtnetlink, uint16_t type, uint16_t flags,
		     const struct rule *rule)
{
	struct nlmsghdr *request = rtnetlink_begin(rtnetlink, type, flags);
	struct fib_rule_hdr *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));

	body->family = rule->family;
	body->action = FR_ACT_TO_TBL;
	body->table = rule->table ? RT_TABLE_UNSPEC : RT_TABLE_MAIN;
	if (rule->table)
		mnl_attr_put_u32(request, FRA_TABLE, rule->table);
	mnl_attr_put_u32(request, FRA_PRIORITY, rule->priority);
	mnl_attr_put_u8(request, FRA_PROTOCOL, rule->protocol);
	if (rule->not_mask) {
		body->flags = FIB_RULE_INVERT;
		mnl_attr_put_u32(request, FRA_FWMARK, rule->not_mark);
		mnl_attr_put_u32(request, FRA_FWMASK, rule->not_mask);
	}
	if (rule->suppress >= 0)
		mnl_attr_put_u32(request, FRA_SUPPRESS_PREFIXLEN, (uint32_t)rule->suppress);
}

int rtnetlink_add_rule(struct rtnetlink *rtnetlink, const struct rule *rule)
{
	put_rule(rtnetlink, RTM_NEWRULE, NLM_F_ACK | NLM_F_CREATE, rule);
	return rtnetlink_exchange(rtnetlink, NULL, NULL);
}

int rtnetlink_remove_rule(struct rtnetlink *rtnetlink, const struct rule *rule)
{
	put_rule(rtnetlink, RTM_DELRULE, NLM_F_ACK, rule);
	return rtnetlink_exchange(rtnetlink, NULL, NULL);
}

static void parse_rule_attribute(const struct nlattr *attribute, struct rule *rule)
{
	uint32_t number = 0;

	switch (mnl_attr_get_type(attribute)) {
	case FRA_TABLE:
		rtnetlink_copy_u32(attribute, &rule->table);
		break;
	case FRA_PRIORITY:
		rtnetlink_copy_u32(attribute, &rule->priority);
		break;
	case FRA_FWMARK:
		rtnetlink_copy_u32(attribute, &rule->not_mark);
		break;
	case FRA_FWMASK:
		rtnetlink_copy_u32(attribute, &rule->not_mask);
		break;
	case FRA_SUPPRESS_PREFIXLEN:
		rtnetlink_copy_u32(attribute, &number);
		rule->suppress = (int)number;
		break;
	case FRA_PROTOCOL:
		if (mnl_attr_validate(attribute, MNL_TYPE_U8) == 0)
			rule->protocol = mnl_attr_get_u8(attribute);
		break;
	default:
		break;
	}
}

int rtnetlink_parse_rule(const struct nlmsghdr *message, struct rule *ret_rule)
{
	const struct fib_rule_hdr *body = mnl_nlmsg_get_payload(message);
	struct rule rule = { .suppress = -1 };
	const struct nlattr *attribute;

	if (message->nlmsg_type != RTM_NEWRULE ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*body) ||
	    (body->family != AF_INET && body->family != AF_INET6))
		return -EBADMSG;
	rule.family = body->family;
	rule.table = body->table;
	mnl_attr_for_each(attribute, message, sizeof(*body)) parse_rule_attribute(attribute, &rule);
	if (rule.table == RT_TABLE_MAIN)
		rule.table = 0;
	*ret_rule = rule;
	return 0;
}

struct rule_visit {
	uint8_t protocol;
	rtnetlink_rule_fn *function;
	void *user;
};

static void take_rule(const struct nlmsghdr *message, void *user)
{
	const struct rule_visit *visit = user;
	struct rule rule;

	if (rtnetlink_parse_rule(message, &rule) == 0 && rule.protocol == visit->protocol)
		visit->function(&rule, visit->user);
}

int rtnetlink_each_rule(struct rtnetlink *rtnetlink, uint8_t family, uint8_t protocol,
			rtnetlink_rule_fn *function, void *user)
{
	struct rule_visit visit = { protocol, function, user };
	struct nlmsghdr *request = rtnetlink_begin(rtnetlink, RTM_GETRULE, NLM_F_DUMP);
	struct fib_rule_hdr *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));

	body->family = family;
	return rtnetlink_exchange(rtnetlink, take_rule, &visit);
}

/* ---- Where a packet would go */

static void parse_metrics(const struct nlattr *metrics, struct route_answer *answer)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute, metrics) if (mnl_attr_get_type(attribute) == RTAX_MTU)
		rtnetlink_copy_u32(attribute, &answer->mtu);
}

int rtnetlink_parse_answer(const struct nlmsghdr *message, struct route_answer *ret_answer)
{
	const struct rtmsg *body = mnl_nlmsg_get_payload(message);
	struct route_answer answer = { 0 };
	const struct nlattr *attribute;
	struct route hop = { 0 };
	int r = 0;

	if (message->nlmsg_type != RTM_NEWROUTE ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*body) ||
	    (body->rtm_family != AF_INET && body->rtm_family != AF_INET6))
		return -EBADMSG;
	hop.destination.address.family = body->rtm_family;
	mnl_attr_for_each(attribute, message, sizeof(*body))
	{
		if (mnl_attr_get_type(attribute) == RTA_METRICS)
			parse_metrics(attribute, &answer);
		else if (mnl_attr_get_type(attribute) == RTA_PREFSRC)
			r = copy_address(mnl_attr_get_payload(attribute),
					 mnl_attr_get_payload_len(attribute), body->rtm_family,
					 &answer.source);
		else
			r = parse_hop_attribute(attribute, &hop);
		if (r < 0)
			return r;
	}
	answer.type = body->rtm_type;
	answer.index = hop.index;
	answer.gateway = hop.via;
	*ret_answer = answer;
	return 0;
}

static void take_answer(const struct nlmsghdr *message, void *user)
{
	rtnetlink_parse_answer(message, user);
}

int rtnetlink_ask_route(struct rtnetlink *rtnetlink, const struct ip_address *to, uint32_t mark,
			struct route_answer *ret_answer)
{
	struct nlmsghdr *request = rtnetlink_begin(rtnetlink, RTM_GETROUTE, NLM_F_ACK);
	struct rtmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
	struct route_answer answer = { 0 };
	int r;

	body->rtm_family = to->family;
	body->rtm_dst_len = ip_address_bits(to);
	rtnetlink_put_address(request, RTA_DST, to);
	mnl_attr_put_u32(request, RTA_MARK, mark);
	r = rtnetlink_exchange(rtnetlink, take_answer, &answer);
	if (r < 0)
		return r;
	if (!answer.type)
		return -EBADMSG;
	*ret_answer = answer;
	return 0;
}
