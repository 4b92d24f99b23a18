/* SPDX-License-Identifier: MIT */
/* Being told that something has changed. */
#include "network/observer.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "loop/loop.h"

enum { MESSAGES_PER_WAKEUP = 64, MESSAGE_SIZE = 32768 };

static const struct {
	int bus;
	unsigned groups;
	uint16_t type; /* of messages that count; 0: all do */
	uint32_t settle_ms, settle_max_ms;
} kinds[] = {
	[OBSERVE_PATHS] = { NETLINK_ROUTE,
			    RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
				    RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE,
			    0, 50, 250 },
	[OBSERVE_NFTABLES] = { NETLINK_NETFILTER, 1u << (NFNLGRP_NFTABLES - 1),
			       NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_DELTABLE, 2, 20 },
};

struct observer {
	struct lw_loop *loop;
	enum observed observed;
	struct mnl_socket *socket;
	struct loop_source source;
	struct loop_timer settle;
	uint64_t latest_ns; /* 0: nothing is to be told */
	observer_fn *changed;
	void *user;
	_Alignas(8) char message[MESSAGE_SIZE];
};

static void settled(struct loop_timer *timer)
{
	struct observer *observer = container_of(timer, struct observer, settle);

	observer->latest_ns = 0;
	observer->changed(observer->user);
}

/* What the kernel cut is a change, too. */
static bool counts(const struct observer *observer, ssize_t n)
{
	const struct nlmsghdr *message = (const struct nlmsghdr *)observer->message;
	uint16_t type = kinds[observer->observed].type;
	int length = (int)n;

	if (n < 0 || !type)
		return true;
	for (; mnl_nlmsg_ok(message, length); message = mnl_nlmsg_next(message, &length))
		if (message->nlmsg_type == type)
			return true;
	return false;
}

/* Return: whether anything that counts came. */
static bool read_messages(struct observer *observer)
{
	bool has_changed = false;

	for (unsigned i = 0; i < MESSAGES_PER_WAKEUP; i++) {
		ssize_t n = recv(observer->source.fd, observer->message, sizeof(observer->message),
				 MSG_DONTWAIT);

		if (n < 0 && errno != ENOBUFS)
			break;
		has_changed |= counts(observer, n);
	}
	return has_changed;
}

static void came(struct loop_source *source, uint32_t events)
{
	struct observer *observer = container_of(source, struct observer, source);
	uint64_t now = lw_loop_now_ns(observer->loop);
	uint64_t due = now + kinds[observer->observed].settle_ms * UINT64_C(1000000);

	(void)events;
	if (!read_messages(observer))
		return;
	if (!observer->latest_ns)
		observer->latest_ns =
			now + kinds[observer->observed].settle_max_ms * UINT64_C(1000000);
	loop_timer_set(observer->loop, &observer->settle, MIN(due, observer->latest_ns));
}

int observer_new(struct lw_loop *loop, enum observed observed, observer_fn *changed, void *user,
		 struct observer **ret_observer)
{
	struct observer *observer = calloc(1, sizeof(*observer));
	int r = -ENOMEM;

	if (!observer)
		return r;
	observer->loop = loop;
	observer->observed = observed;
	observer->changed = changed;
	observer->user = user;
	observer->source = (struct loop_source){ .fd = -1, .function = came };
	observer->socket = mnl_socket_open2(kinds[observed].bus, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!observer->socket ||
	    mnl_socket_bind(observer->socket, kinds[observed].groups, MNL_SOCKET_AUTOPID) < 0)
		r = -errno;
	else
		r = loop_timer_init(loop, &observer->settle, settled);
	if (r == 0) {
		observer->source.fd = mnl_socket_get_fd(observer->socket);
		r = loop_add(loop, &observer->source, EPOLLIN);
	}
	if (r < 0) {
		observer_free(observer);
		return r;
	}
	*ret_observer = observer;
	return 0;
}

void observer_free(struct observer *observer)
{
	if (!observer)
		return;
	loop_remove(&observer->source);
	loop_timer_done(observer->loop, &observer->settle);
	if (observer->socket)
		mnl_socket_close(observer->socket);
	free(observer);
}
