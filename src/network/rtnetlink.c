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
#include "network/rtnetlink_internal.h"

enum { TIMEOUT_S = 5 };

int rtnetlink_open(struct rtnetlink **ret_rtnetlink)
{
	const struct timeval patience = { .tv_sec = TIMEOUT_S };
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
	/* The kernel answers at once; whoever waits for settings is not left waiting if it does not. */
	setsockopt(mnl_socket_get_fd(rtnetlink->socket), SOL_SOCKET, SO_RCVTIMEO, &patience,
		   sizeof(patience));
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
static int read_answers(struct rtnetlink *rtnetlink, size_t length, rtnetlink_answer_fn *function,
			void *user)
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

int rtnetlink_exchange(struct rtnetlink *rtnetlink, rtnetlink_answer_fn *function, void *user)
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
			return errno == EAGAIN ? -ETIMEDOUT : -errno;
		r = n < 0 ? 1 : read_answers(rtnetlink, (size_t)n, function, user);
	} while (r > 0);
	return r;
}

struct nlmsghdr *rtnetlink_begin(struct rtnetlink *rtnetlink, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *request = mnl_nlmsg_put_header(rtnetlink->request);

	request->nlmsg_type = type;
	request->nlmsg_flags = NLM_F_REQUEST | flags;
	return request;
}

void rtnetlink_put_address(struct nlmsghdr *request, uint16_t type,
			   const struct ip_address *address)
{
	mnl_attr_put(request, type, ip_address_bits(address) / 8, address->bytes);
}

/* ---- Links */

static void copy_string(const struct nlattr *attribute, char text[IFNAMSIZ])
{
	if (mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0)
		snprintf(text, IFNAMSIZ, "%s", mnl_attr_get_str(attribute));
}

void rtnetlink_copy_u32(const struct nlattr *attribute, uint32_t *number)
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
		rtnetlink_copy_u32(attribute, &link->mtu);
		break;
	case IFLA_MIN_MTU:
		rtnetlink_copy_u32(attribute, &link->mtu_min);
		break;
	case IFLA_MAX_MTU:
		rtnetlink_copy_u32(attribute, &link->mtu_max);
		break;
	case IFLA_TXQLEN:
		rtnetlink_copy_u32(attribute, &link->queue_length);
		break;
	case IFLA_MASTER:
		rtnetlink_copy_u32(attribute, &master);
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

/* By its name, or by its index where that is NULL. */
static int get_link(struct rtnetlink *rtnetlink, const char *name, int index, struct link *ret_link)
{
	struct nlmsghdr *request = rtnetlink_begin(rtnetlink, RTM_GETLINK, NLM_F_ACK);
	struct ifinfomsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));
	struct link link = { 0 };
	int r;

	body->ifi_index = index;
	if (name)
		mnl_attr_put_strz(request, IFLA_IFNAME, name);
	mnl_attr_put_u32(request, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	r = rtnetlink_exchange(rtnetlink, take_link, &link);
	if (r < 0)
		return r;
	if (!link.index)
		return -EBADMSG;
	*ret_link = link;
	return 0;
}

int rtnetlink_get_link(struct rtnetlink *rtnetlink, const char *name, struct link *ret_link)
{
	return get_link(rtnetlink, name, 0, ret_link);
}

int rtnetlink_get_link_of(struct rtnetlink *rtnetlink, int index, struct link *ret_link)
{
	return get_link(rtnetlink, NULL, index, ret_link);
}

static struct nlmsghdr *begin_link(struct rtnetlink *rtnetlink, int index,
				   struct ifinfomsg **ret_body)
{
	struct nlmsghdr *request = rtnetlink_begin(rtnetlink, RTM_NEWLINK, NLM_F_ACK);
	struct ifinfomsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));

	body->ifi_index = index;
	if (ret_body)
		*ret_body = body;
	return request;
}

int rtnetlink_set_mac(struct rtnetlink *rtnetlink, int index, const uint8_t mac[6])
{
	mnl_attr_put(begin_link(rtnetlink, index, NULL), IFLA_ADDRESS, 6, mac);
	return rtnetlink_exchange(rtnetlink, NULL, NULL);
}

int rtnetlink_set_mtu(struct rtnetlink *rtnetlink, int index, uint32_t mtu)
{
	mnl_attr_put_u32(begin_link(rtnetlink, index, NULL), IFLA_MTU, mtu);
	return rtnetlink_exchange(rtnetlink, NULL, NULL);
}

int rtnetlink_set_queue_length(struct rtnetlink *rtnetlink, int index, uint32_t length)
{
	mnl_attr_put_u32(begin_link(rtnetlink, index, NULL), IFLA_TXQLEN, length);
	return rtnetlink_exchange(rtnetlink, NULL, NULL);
}

int rtnetlink_set_master(struct rtnetlink *rtnetlink, int index, uint32_t master)
{
	mnl_attr_put_u32(begin_link(rtnetlink, index, NULL), IFLA_MASTER, master);
	return rtnetlink_exchange(rtnetlink, NULL, NULL);
}

int rtnetlink_set_up(struct rtnetlink *rtnetlink, int index, bool up)
{
	struct ifinfomsg *body;

	begin_link(rtnetlink, index, &body);
	body->ifi_flags = up ? IFF_UP : 0;
	body->ifi_change = IFF_UP;
	return rtnetlink_exchange(rtnetlink, NULL, NULL);
}

int rtnetlink_set_address_generation(struct rtnetlink *rtnetlink, int index, uint8_t mode)
{
	struct nlmsghdr *request = begin_link(rtnetlink, index, NULL);
	struct nlattr *families = mnl_attr_nest_start(request, IFLA_AF_SPEC);
	struct nlattr *family = mnl_attr_nest_start(request, AF_INET6);

	mnl_attr_put_u8(request, IFLA_INET6_ADDR_GEN_MODE, mode);
	mnl_attr_nest_end(request, family);
	mnl_attr_nest_end(request, families);
	return rtnetlink_exchange(rtnetlink, NULL, NULL);
}

/* ---- Addresses */

static struct nlmsghdr *begin_address(struct rtnetlink *rtnetlink, uint16_t type, uint16_t flags,
				      int index, const struct ip_prefix *address)
{
	struct nlmsghdr *request = rtnetlink_begin(rtnetlink, type, flags);
	struct ifaddrmsg *body = mnl_nlmsg_put_extra_header(request, sizeof(*body));

	body->ifa_family = address->address.family;
	body->ifa_prefixlen = address->length;
	body->ifa_index = (uint32_t)index;
	if (address->address.family == AF_INET6 && type == RTM_NEWADDR)
		body->ifa_flags = IFA_F_NODAD;
	/* RFC 3927, 2.6.1: never the source towards anybody beyond the link. */
	if (address->address.family == AF_INET && address->address.bytes[0] == 169 &&
	    address->address.bytes[1] == 254)
		body->ifa_scope = RT_SCOPE_LINK;
	rtnetlink_put_address(request, IFA_LOCAL, &address->address);
	rtnetlink_put_address(request, IFA_ADDRESS, &address->address);
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

		rtnetlink_put_address(request, IFA_BROADCAST, &broadcast);
	}
	return rtnetlink_exchange(rtnetlink, NULL, NULL);
}

int rtnetlink_remove_address(struct rtnetlink *rtnetlink, int index,
			     const struct ip_prefix *address)
{
	begin_address(rtnetlink, RTM_DELADDR, NLM_F_ACK, index, address);
	return rtnetlink_exchange(rtnetlink, NULL, NULL);
}
