/* SPDX-License-Identifier: MIT */
/* Answers of rtnetlink: whatever is believed is within bounds and read the same twice; what is
 * refused writes nothing. */
#include <linux/netlink.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "network/rtnetlink.h"

static void require(int truth)
{
	if (!truth)
		abort();
}

static void check_link(const struct nlmsghdr *message)
{
	struct link first, second;

	memset(&first, 0xa5, sizeof(first));
	memset(&second, 0xa5, sizeof(second));
	if (rtnetlink_parse_link(message, &first) < 0) {
		require(memcmp(&first, &second, sizeof(first)) == 0);
		return;
	}
	require(rtnetlink_parse_link(message, &second) == 0);
	require(first.index > 0 && first.index == second.index && first.mtu == second.mtu);
	require(first.name[0] && memchr(first.name, '\0', sizeof(first.name)));
	require(memchr(first.kind, '\0', sizeof(first.kind)) != NULL);
	require(strcmp(first.name, second.name) == 0);
}

static void check_route(const struct nlmsghdr *message)
{
	struct route first, second;
	uint8_t family;

	memset(&first, 0xa5, sizeof(first));
	memset(&second, 0xa5, sizeof(second));
	if (rtnetlink_parse_route(message, &first) < 0) {
		require(memcmp(&first, &second, sizeof(first)) == 0);
		return;
	}
	require(rtnetlink_parse_route(message, &second) == 0);
	family = first.destination.address.family;
	require(family == AF_INET || family == AF_INET6);
	require(first.destination.length <= ip_address_bits(&first.destination.address));
	require(!first.via.family || first.via.family == AF_INET || first.via.family == AF_INET6);
	require(ip_prefix_equal(&first.destination, &second.destination));
	require(first.index == second.index && first.metric == second.metric);
}

static void check_rule(const struct nlmsghdr *message)
{
	struct rule first, second;

	memset(&first, 0xa5, sizeof(first));
	memset(&second, 0xa5, sizeof(second));
	if (rtnetlink_parse_rule(message, &first) < 0) {
		require(memcmp(&first, &second, sizeof(first)) == 0);
		return;
	}
	require(rtnetlink_parse_rule(message, &second) == 0);
	require(first.family == AF_INET || first.family == AF_INET6);
	require(first.table == second.table && first.priority == second.priority);
}

static void check_answer(const struct nlmsghdr *message)
{
	struct route_answer first, second;

	memset(&first, 0xa5, sizeof(first));
	memset(&second, 0xa5, sizeof(second));
	if (rtnetlink_parse_answer(message, &first) < 0) {
		require(memcmp(&first, &second, sizeof(first)) == 0);
		return;
	}
	require(rtnetlink_parse_answer(message, &second) == 0);
	require(first.index == second.index && first.mtu == second.mtu);
	require(!first.source.family || first.source.family == AF_INET ||
		first.source.family == AF_INET6);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* The kernel pads its messages; no more than that lets a sanitizer see a byte read too
	 * many. */
	char *copy = calloc(1, size ? NLMSG_ALIGN(size) : 1);
	const struct nlmsghdr *message = (const struct nlmsghdr *)copy;
	size_t left = size;

	if (!copy)
		return 0;
	memcpy(copy, data, size);
	while (left >= sizeof(*message) && message->nlmsg_len >= sizeof(*message) &&
	       message->nlmsg_len <= left) {
		size_t step = NLMSG_ALIGN(message->nlmsg_len);

		check_link(message);
		check_route(message);
		check_rule(message);
		check_answer(message);
		if (step >= left)
			break;
		left -= step;
		message = (const struct nlmsghdr *)((const char *)message + step);
	}
	free(copy);
	return 0;
}
