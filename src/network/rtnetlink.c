/* SPDX-License-Identifier: MIT */
/* Requests to rtnetlink, one at a time, and its answers as plain values. */
#include "network/rtnetlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "network/fault.h"

enum { REQUEST_SIZE = 1024, ANSWER_SIZE = 65536, DUMP_ATTEMPTS = 5, MESSAGE_SIZE = 128 };

struct rtnetlink {
	struct mnl_socket *socket;
	uint32_t sequence;
	bool is_interrupted; /* a change overtook the dump */
	char message[MESSAGE_SIZE];
	_Alignas(NLMSG_ALIGNTO) char request[REQUEST_SIZE], answer[ANSWER_SIZE];
};

typedef void answer_fn(const struct nlmsghdr *message, void *user);

int rtnetlink_open(struct rtnetlink **ret_rtnetlink)
{
	struct rtnetlink *rtnetlink;
	int on = 1, r = fault_check();

	if (r < 0)
		return r;
	rtnetlink = calloc(1, sizeof(*rtnetlink));
	if (!rtnetlink)
		return -ENOMEM;
	rtnetlink->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!rtnetlink->socket || mnl_socket_bind(rtnetlink->socket, 0, MNL_SOCKET_AUTOPID) < 0) {
		r = -errno;
		rtnetlink_close(rtnetlink);
		return r;
	}
	/* Words beside the errno, and acknowledgements that do not repeat the request; both are
	 * only comfort. */
	mnl_socket_setsockopt(rtnetlink->socket, NETLINK_EXT_ACK, &on, sizeof(on));
	mnl_socket_setsockopt(rtnetlink->socket, NETLINK_CAP_ACK, &on, sizeof(on));
	*ret_rtnetlink = rtnetlink;
	return 0;
}

void rtnetlink_close(struct rtnetlink *rtnetlink)
{
	if (!rtnetlink)
		return;
	if (rtnetlink->socket)
		mnl_socket_close(rtnetlink->socket);
	free(rtnetlink);
}

const char *rtnetlink_message(const struct rtnetlink *rtnetlink)
{
	return rtnetlink->message;
}

/* ---- Exchanging messages */

static int read_acknowledgement(struct rtnetlink *rtnetlink, const struct nlmsghdr *message)
{
	const struct nlmsgerr *body = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;

	if (mnl_nlmsg_get_payload_len(message) < sizeof(*body))
		return -EBADMSG;
	if (body->error && message->nlmsg_flags & NLM_F_ACK_TLVS &&
	    message->nlmsg_flags & NLM_F_CAPPED)
		mnl_attr_for_each(
			attribute, message,
			sizeof(*body)) if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG &&
					   mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
			snprintf(rtnetlink->message, MESSAGE_SIZE, "%s",
				 mnl_attr_get_str(attribute));
	return body->error;
}

/* Return: 1 more is to come; else the end of this exchange, 0 or a negative errno. */
static int read_answers(struct rtnetlink *rtnetlink, size_t length, answer_fn *function, void *user)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)rtnetlink->answer;
	int left = (int)length;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		if (message->nlmsg_seq != rtnetlink->sequence)
			continue;
		if (message->nlmsg_flags & NLM_F_DUMP_INTR)
			rtnetlink->is_interrupted = true;
		if (message->nlmsg_type == NLMSG_ERROR)
			return read_acknowledgement(rtnetlink, message);
		if (message->nlmsg_type == NLMSG_DONE)
			return rtnetlink->is_interrupted ? -EINTR : 0;
		if (message->nlmsg_type >= NLMSG_MIN_TYPE && function)
			function(message, user);
	}
	return 1;
}

static int exchange(struct rtnetlink *rtnetlink, answer_fn *function, void *user)
{
	struct nlmsghdr *request = (struct nlmsghdr *)rtnetlink->request;
	int r = fault_check();

	rtnetlink->message[0] = '\0';
	rtnetlink->is_interrupted = false;
	if (r < 0)
		return r;
	request->nlmsg_seq = ++rtnetlink->sequence;
	if (mnl_socket_sendto(rtnetlink->socket, request, request->nlmsg_len) < 0)
		return -errno;
	do {
		ssize_t n = mnl_socket_recvfrom(rtnetlink->socket, rtnetlink->answer, ANSWER_SIZE);

		if (n < 0 && errno != EINTR)
			return -errno;
		r = n < 0 ? 1 : read_answers(rtnetlink, (size_t)n, function, user);
	} while (r > 0);
	return r;
}

static struct nlmsghdr *begin(struct rtnetlink *rtnetlink, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(rtnetlink->request);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	return request;
}

static void put_address(struct nlmsghdr *request, uint16_t type, const struct ip_address *address)
{
	mnl_attr_put(request, type, ip_address_bits(address) / 8, address->bytes);
}

/* ---- Links */

static void copy_string(const struct nlattr *attribute, char text[IFNAMSIZ])
{
	if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
		snprintf(text, IFNAMSIZ, "%s", mnl_attr_get_str(attribute));
}

static void copy_u32(const struct nlattr *attribute, uint32_t *number)
{
	if (mnl_attr_validate(attribute, MNL_TYPE_U32) == 0)
		*number = mnl_attr_get_u32(attribute);
}

static void parse_kind(const struct nlattr *information, struct link *link)
{
	const struct nlattr *attribute;

	mnl_attr_for_each_nested(attribute,
				 information) if (mnl_attr_get_type(attribute) == IFLA_INFO_KIND)
		copy_string(attribute, link->kind);
}

static void parse_families(const struct nlattr *families, struct link *link)
{
	const struct nlattr *family, *attribute;

	mnl_attr_for_each_nested(family, families)
	{
		if (mnl_attr_get_type(family) != AF_INET6)
			continue;
		mnl_attr_for_each_nested(attribute,
					 family) if (mnl_attr_get_type(attribute) ==
							     IFLA_INET6_ADDR_GEN_MODE &&
						     mnl_attr_validate(attribute, MNL_TYPE_U8) == 0)
			link->address_generation = mnl_attr_get_u8(attribute);
	}
}

static void parse_link_attribute(const struct nlattr *attribute, struct link *link)
{
	uint32_t master = 0;

	switch (mnl_attr_get_type(attribute)) {
	case IFLA_IFNAME:
		copy_string(attribute, link->name);
		break;
	case IFLA_ADDRESS:
		if (mnl_attr_get_payload_len(attribute) == sizeof(link->mac))
			memcpy(link->mac, mnl_attr_get_payload(attribute), sizeof(link->mac));
		break;
	case IFLA_MTU:
		copy_u32(attribute, &link->mtu);
		break;
	case IFLA_MIN_MTU:
		copy_u32(attribute, &link->mtu_min);
		break;
	case IFLA_MAX_MTU:
		copy_u32(attribute, &link->mtu_max);
		break;
	case IFLA_TXQLEN:
		copy_u32(attribute, &link->queue_length);
		break;
	case IFLA_MASTER:
		copy_u32(attribute, &master);
		link->master = (int)master;
		break;
	case IFLA_LINKINFO:
		parse_kind(attribute, link);
		break;
	case IFLA_AF_SPEC:
		parse_families(attribute, link);
		break;
	default:
		break;
	}
}

int rtnetlink_parse_link(const struct nlmsghdr *message, struct link *ret_link)
{
	const struct ifinfomsg *body = mnl_nlmsg_get_payload(message);
	const struct nlattr *attribute;
	struct link link = { 0 };

	if (message->nlmsg_type != RTM_NEWLINK ||
	    mnl_nlmsg_get_payload_len(message) < sizeof(*body))
		return -EBADMSG;
	link.index = body->ifi_index;
	link.type = body->ifi_type;
	link.flags = body->ifi_flags;
	mnl_attr_for_each(attribute, message, sizeof(*body)) parse_link_attribute(attribute, &link);
	if (link.index <= 0 || !link.name[0])
		return -EBADMSG;
	*ret_link = link;
	return 0;
}

static void take_link(const struct nlmsghdr *message, void *user)
{
	rtnetlink_parse_link(message, user);
}

int rtnetlink_get_link(struct rtnetlink *rtnetlink, const char *name, struct link *ret_link)
{
	struct nlmsghdr *request = begin(rtnetlink, RTM_GETLINK, NLM_F_ACK);
	struct link link = { 0 };
	int r;

	mnl_nlmsg_put_extra_header(request, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(request, IFLA_IFNAME, name);
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	r = exchange(rtnetlink, take_link, &link);
	if (r < 0)
		return r;
	if (!link.index)
		return -EBADMSG;
	*ret_link = link;
	return 0;
}

static struct nlmsghdr *begin_link(struct rtnetlink *rtnetlink, int index,
				   struct ifinfomsg **ret_body)
{
	struct nlmsghdr *request = begin(rtnetlink, RTM_NEWLINK, NLM_F_ACK);
	struct ifinfomsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));

	body->ifi_index = index;
	if (ret_body)
		*ret_body = body;
	return request;
}

int rtnetlink_set_mac(struct rtnetlink *rtnetlink, int index, const uint8_t mac[6])
{
	mnl_attr_put(begin_link(rtnetlink, index, NULL), IFLA_ADDRESS, 6, mac);
	return exchange(rtnetlink, NULL, NULL);
}

int rtnetlink_set_mtu(struct rtnetlink *rtnetlink, int index, uint32_t mtu)
{
	mnl_attr_put_u32(begin_link(rtnetlink, index, NULL), IFLA_MTU, mtu);
	return exchange(rtnetlink, NULL, NULL);
}

int rtnetlink_set_queue_length(struct rtnetlink *rtnetlink, int index, uint32_t length)
{
	mnl_attr_put_u32(begin_link(rtnetlink, index, NULL), IFLA_TXQLEN, length);
	return exchange(rtnetlink, NULL, NULL);
}

int rtnetlink_set_master(struct rtnetlink *rtnetlink, int index, uint32_t master)
{
	mnl_attr_put_u32(begin_link(rtnetlink, index, NULL), IFLA_MASTER, master);
	return exchange(rtnetlink, NULL, NULL);
}

int rtnetlink_set_up(struct rtnetlink *rtnetlink, int index, bool up)
{
	struct ifinfomsg *body;

	begin_link(rtnetlink, index, &body);
	body->ifi_flags = up ? IFF_UP : 0;
	body->ifi_change = IFF_UP;
	return exchange(rtnetlink, NULL, NULL);
}

int rtnetlink_set_address_generation(struct rtnetlink *rtnetlink, int index, uint8_t mode)
{
	struct nlmsghdr *request = begin_link(rtnetlink, index, NULL);
	struct nlattr *families = mnl_attr_nest_start(request, IFLA_AF_SPEC);
	struct nlattr *family = mnl_attr_nest_start(request, AF_INET6);

	mnl_attr_put_u8(request, IFLA_INET6_ADDR_GEN_MODE, mode);
	mnl_attr_nest_end(request, family);
	mnl_attr_nest_end(request, families);
	return exchange(rtnetlink, NULL, NULL);
}

/* ---- Addresses */

static struct nlmsghdr *begin_address(struct rtnetlink *rtnetlink, uint16_t type, uint16_t flags,
				      int index, const struct ip_prefix *address)
{
	struct nlmsghdr *request = begin(rtnetlink, type, flags);
	struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));

	body->ifa_family = address->address.family;
	body->ifa_prefixlen = address->length;
	body->ifa_index = (uint32_t)index;
	if (address->address.family == AF_INET6 && type == RTM_NEWADDR)
		body->ifa_flags = IFA_F_NODAD;
	put_address(request, IFA_LOCAL, &address->address);
	put_address(request, IFA_ADDRESS, &address->address);
	return request;
}

static struct ip_address broadcast_of(const struct ip_prefix *prefix)
{
	struct ip_address address = prefix->address;

	for (unsigned bit = prefix->length; bit < 32; bit++)
		address.bytes[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	return address;
}

int rtnetlink_add_address(struct rtnetlink *rtnetlink, int index, const struct ip_prefix *address)
{
	struct nlmsghdr *request = begin_address(
		rtnetlink, RTM_NEWADDR, NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, index, address);

	if (address->address.family == AF_INET && address->length < 31) {
		struct ip_address broadcast = broadcast_of(address);

		put_address(request, IFA_BROADCAST, &broadcast);
	}
	return exchange(rtnetlink, NULL, NULL);
}

int rtnetlink_remove_address(struct rtnetlink *rtnetlink, int index,
			     const struct ip_prefix *address)
{
	begin_address(rtnetlink, RTM_DELADDR, NLM_F_ACK, index, address);
	return exchange(rtnetlink, NULL, NULL);
}

/* ---- Routes */

static void put_via(struct nlmsghdr *request, const struct route *route)
{
	struct {
		uint16_t family;
		uint8_t bytes[16];
	} via = { .family = route->via.family };

	if (route->via.family == route->destination.address.family) {
		put_address(request, RTA_GATEWAY, &route->via);
		return;
	}
	memcpy(via.bytes, route->via.bytes, sizeof(via.bytes));
	mnl_attr_put(request, RTA_VIA, 2u + ip_address_bits(&route->via) / 8, &via);
}

static void put_route(struct rtnetlink *rtnetlink, uint16_t type, uint16_t flags,
		      const struct route *route)
{
	struct nlmsghdr *request = begin(rtnetlink, type, flags);
	struct rtmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
	bool is_direct = route->type == RTN_UNICAST && !route->via.family;

	body->rtm_family = route->destination.address.family;
	body->rtm_dst_len = route->destination.length;
	body->rtm_table = RT_TABLE_MAIN;
	body->rtm_protocol = route->protocol;
	body->rtm_type = route->type;
	body->rtm_scope = is_direct ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
	body->rtm_flags = route->is_onlink ? RTNH_F_ONLINK : 0;
	put_address(request, RTA_DST, &route->destination.address);
	if (route->via.family)
		put_via(request, route);
	if (route->index)
		mnl_attr_put_u32(request, RTA_OIF, (uint32_t)route->index);
	if (route->metric)
		mnl_attr_put_u32(request, RTA_PRIORITY, route->metric);
}

int rtnetlink_add_route(struct rtnetlink *rtnetlink, const struct route *route)
{
	put_route(rtnetlink, RTM_NEWROUTE, NLM_F_ACK | NLM_F_CREATE, route);
	return exchange(rtnetlink, NULL, NULL);
}

int rtnetlink_remove_route(struct rtnetlink *rtnetlink, const struct route *route)
{
	put_route(rtnetlink, RTM_DELROUTE, NLM_F_ACK, route);
	return exchange(rtnetlink, NULL, NULL);
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
		copy_u32(attribute, &index);
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
		copy_u32(attribute, table);
		return 0;
	case RTA_PRIORITY:
		copy_u32(attribute, &route->metric);
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
	if (table != RT_TABLE_MAIN || body->rtm_flags & (RTM_F_CLONED | RTNH_F_DEAD))
		return -ENOENT;
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
		struct nlmsghdr *request = begin(rtnetlink, RTM_GETROUTE, NLM_F_DUMP);
		struct rtmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));

		body->rtm_family = family;
		r = exchange(rtnetlink, take_route, &visit);
	}
	return r;
}
