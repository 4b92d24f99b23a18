/* SPDX-License-Identifier: MIT */
/* Requests to rtnetlink, one at a time, and its answers as plain values. */
#ifndef NETWORK_RTNETLINK_H
#define NETWORK_RTNETLINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

struct nlmsghdr;
struct rtnetlink;

/* A link as the kernel describes it. */
struct link {
	int index;
	char name[IFNAMSIZ];
	char kind[IFNAMSIZ]; /* "bridge", "tun", …; "": a physical one */
	uint8_t mac[6];      /* zero: it has none */
	uint16_t type;       /* ARPHRD_… */
	uint32_t flags;      /* IFF_… */
	uint32_t mtu, mtu_min, mtu_max;
	uint32_t queue_length; /* packets that wait for a reader of a TAP or TUN */
	int master;            /* 0: none */
	uint8_t address_generation;
};

/* Tables of our own: this, and the interface's index in the other bits. */
enum { RTNETLINK_OWN_TABLES = 0x6c000000, RTNETLINK_OWN_INDEX = 0xffffff };

static inline bool rtnetlink_is_own_table(uint32_t table)
{
	return table >> 24 == RTNETLINK_OWN_TABLES >> 24;
}

/* A route of the main table, or of one of ours. */
struct route {
	uint32_t table; /* 0: main */
	struct ip_prefix destination;
	struct ip_address via; /* family 0: none */
	int index;             /* interface; 0: none */
	uint32_t metric;
	uint8_t type, protocol; /* RTN_…, RTPROT_… */
	bool is_onlink;
};

/* A rule of policy routing, as far as we make such. */
struct rule {
	uint8_t family, protocol;
	uint32_t priority, table;    /* table 0: main */
	uint32_t not_mark, not_mask; /* it is for packets that are not marked so; 0: for all */
	int suppress;                /* routes of at most this length do not count; -1: all do */
};

/* Where a packet would go. */
struct route_answer {
	uint8_t type; /* RTN_… */
	int index;
	struct ip_address source, gateway; /* family 0: none */
	uint32_t mtu;                      /* of this path, where the kernel knows a special one */
};

int rtnetlink_open(struct rtnetlink **ret_rtnetlink);
void rtnetlink_close(struct rtnetlink *rtnetlink);
/* Return: the kernel's own words for the last failure, or "". */
const char *rtnetlink_message(const struct rtnetlink *rtnetlink);

/* All of the following: 0, or the kernel's negative errno. */
int rtnetlink_get_link(struct rtnetlink *rtnetlink, const char *name, struct link *ret_link);
int rtnetlink_get_link_of(struct rtnetlink *rtnetlink, int index, struct link *ret_link);
int rtnetlink_set_mac(struct rtnetlink *rtnetlink, int index, const uint8_t mac[6]);
int rtnetlink_set_mtu(struct rtnetlink *rtnetlink, int index, uint32_t mtu);
int rtnetlink_set_queue_length(struct rtnetlink *rtnetlink, int index, uint32_t length);
int rtnetlink_set_master(struct rtnetlink *rtnetlink, int index, uint32_t master);
int rtnetlink_set_up(struct rtnetlink *rtnetlink, int index, bool up);
/* IN6_ADDR_GEN_MODE_…; -EAFNOSUPPORT where the link has no IPv6. */
int rtnetlink_set_address_generation(struct rtnetlink *rtnetlink, int index, uint8_t mode);
/* IPv6 addresses come without duplicate detection; IPv4 with a broadcast address where there can be
 * one. -EEXIST: is there. */
int rtnetlink_add_address(struct rtnetlink *rtnetlink, int index, const struct ip_prefix *address);
int rtnetlink_remove_address(struct rtnetlink *rtnetlink, int index,
			     const struct ip_prefix *address);
/* Before others to the same destination with the same metric, none of which is touched. -EEXIST:
 * exactly this one is there. */
int rtnetlink_add_route(struct rtnetlink *rtnetlink, const struct route *route);
int rtnetlink_remove_route(struct rtnetlink *rtnetlink, const struct route *route);

/* Several of the same may be there: add makes one more, remove takes one away. */
int rtnetlink_add_rule(struct rtnetlink *rtnetlink, const struct rule *rule);
int rtnetlink_remove_rule(struct rtnetlink *rtnetlink, const struct rule *rule);
/* For a packet with this mark. -ENETUNREACH and its like: nowhere. */
int rtnetlink_ask_route(struct rtnetlink *rtnetlink, const struct ip_address *to, uint32_t mark,
			struct route_answer *ret_answer);

typedef void rtnetlink_rule_fn(const struct rule *rule, void *user);
/* Call function for each rule of a family that is of this protocol. */
int rtnetlink_each_rule(struct rtnetlink *rtnetlink, uint8_t family, uint8_t protocol,
			rtnetlink_rule_fn *function, void *user);
typedef void rtnetlink_route_fn(const struct route *route, void *user);
/* Call function for each route of a family, of the main table and of ours. */
int rtnetlink_each_route(struct rtnetlink *rtnetlink, uint8_t family, rtnetlink_route_fn *function,
			 void *user);

/* Parsers of whole messages, whose length was checked. 0, or -EBADMSG; -ENOENT: a route, but not
 * one of the main table or of ours. */
int rtnetlink_parse_link(const struct nlmsghdr *message, struct link *ret_link);
int rtnetlink_parse_route(const struct nlmsghdr *message, struct route *ret_route);
int rtnetlink_parse_rule(const struct nlmsghdr *message, struct rule *ret_rule);
int rtnetlink_parse_answer(const struct nlmsghdr *message, struct route_answer *ret_answer);

#endif
