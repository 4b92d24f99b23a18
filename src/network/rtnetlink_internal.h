/* SPDX-License-Identifier: MIT */
/* What the files of rtnetlink share: one request, built in place, and the walk through its answers. */
#ifndef NETWORK_RTNETLINK_INTERNAL_H
#define NETWORK_RTNETLINK_INTERNAL_H

#include <libmnl/libmnl.h>
#include <stdbool.h>
#include <stdint.h>

#include "network/rtnetlink.h"

enum { REQUEST_SIZE = 1024, ANSWER_SIZE = 65536, DUMP_ATTEMPTS = 5, MESSAGE_SIZE = 128 };

struct rtnetlink {
	struct mnl_socket *socket;
	uint32_t sequence;
	bool is_interrupted; /* a change overtook the dump */
	char message[MESSAGE_SIZE];
	_Alignas(NLMSG_ALIGNTO) char request[REQUEST_SIZE], answer[ANSWER_SIZE];
};

typedef void rtnetlink_answer_fn(const struct nlmsghdr *message, void *user);

/* The request of this socket, begun anew: what was in it is lost. */
struct nlmsghdr *rtnetlink_begin(struct rtnetlink *rtnetlink, uint16_t type, uint16_t flags);
/* Send it and show function (or nobody) each answer. 0 or the kernel's negative errno. */
int rtnetlink_exchange(struct rtnetlink *rtnetlink, rtnetlink_answer_fn *function, void *user);

void rtnetlink_put_address(struct nlmsghdr *request, uint16_t type,
			   const struct ip_address *address);
/* Leave the number alone where the attribute is none. */
void rtnetlink_copy_u32(const struct nlattr *attribute, uint32_t *number);

#endif
