/* SPDX-License-Identifier: MIT */
/* The path outside the tunnel. */
#include "network/path.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "loop/loop.h"
#include "network/rtnetlink.h"

enum { MESSAGES_PER_WAKEUP = 64, MESSAGE_SIZE = 32768 };

struct path_observer {
	struct lw_loop *loop;
	struct mnl_socket *socket;
	struct loop_source source;
	struct loop_timer settle;
	uint64_t latest_ns; /* 0: nothing is to be told */
	path_changed_fn *changed;
	void *user;
	char message[MESSAGE_SIZE];
};

/* ---- Asking */

static bool leads_on(const struct route_answer *answer)
{
	return answer->type == RTN_UNICAST || answer->type == RTN_LOCAL;
}

static bool is_nowhere(int result)
{
	return result == -ENETUNREACH || result == -EHOSTUNREACH || result == -EACCES ||
	       result == -EINVAL || result == -ENETDOWN || result == -ENODEV;
}

static int ask(struct rtnetlink *rtnetlink, const struct ip_address *to, struct path *path)
{
	struct route_answer answer;
	struct link link;
	int r = rtnetlink_ask_route(rtnetlink, to, PATH_MARK, &answer);

	if (r < 0)
		return is_nowhere(r) ? 0 : r;
	if (!leads_on(&answer))
		return 0;
	r = rtnetlink_get_link_of(rtnetlink, answer.index, &link);
	if (r < 0)
		return is_nowhere(r) ? 0 : r;
	path->is_reachable = true;
	path->index = answer.index;
	memcpy(path->interface, link.name, sizeof(path->interface));
	path->source = answer.source;
	path->gateway = answer.gateway;
	path->mtu = answer.mtu ? answer.mtu : link.mtu;
	return 0;
}

int path_get(const struct ip_address *to, struct path *ret_path)
{
	struct rtnetlink *rtnetlink;
	struct path path = { 0 };
	int r = rtnetlink_open(&rtnetlink);

	if (r < 0)
		return r;
	r = ask(rtnetlink, to, &path);
	rtnetlink_close(rtnetlink);
	if (r == 0)
		*ret_path = path;
	return r;
}

bool path_equal(const struct path *a, const struct path *b)
{
	return a->is_reachable == b->is_reachable && a->index == b->index && a->mtu == b->mtu &&
	       ip_address_equal(&a->source, &b->source) &&
	       ip_address_equal(&a->gateway, &b->gateway);
}

/* ---- Observing */

static void settled(struct loop_timer *timer)
{
	struct path_observer *observer = container_of(timer, struct path_observer, settle);

	observer->latest_ns = 0;
	observer->changed(observer->user);
}

static void came(struct loop_source *source, uint32_t events)
{
	struct path_observer *observer = container_of(source, struct path_observer, source);
	uint64_t now = lw_loop_now_ns(observer->loop);
	uint64_t due = now + PATH_SETTLE_MS * UINT64_C(1000000);

	(void)events;
	for (unsigned i = 0; i < MESSAGES_PER_WAKEUP; i++)
		if (recv(source->fd, observer->message, sizeof(observer->message), MSG_DONTWAIT) <
			    0 &&
		    errno != ENOBUFS)
			break;
	if (!observer->latest_ns)
		observer->latest_ns = now + PATH_SETTLE_MAX_MS * UINT64_C(1000000);
	loop_timer_set(observer->loop, &observer->settle, MIN(due, observer->latest_ns));
}

int path_observer_new(struct lw_loop *loop, path_changed_fn *changed, void *user,
		      struct path_observer **ret_observer)
{
	static const unsigned groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR |
				       RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE;
	struct path_observer *observer = calloc(1, sizeof(*observer));
	int r = -ENOMEM;

	if (!observer)
		return r;
	observer->loop = loop;
	observer->changed = changed;
	observer->user = user;
	observer->source = (struct loop_source){ .fd = -1, .function = came };
	observer->socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!observer->socket || mnl_socket_bind(observer->socket, groups, MNL_SOCKET_AUTOPID) < 0)
		r = -errno;
	else
		r = loop_timer_init(loop, &observer->settle, settled);
	if (r == 0) {
		observer->source.fd = mnl_socket_get_fd(observer->socket);
		r = loop_add(loop, &observer->source, EPOLLIN);
	}
	if (r < 0) {
		path_observer_free(observer);
		return r;
	}
	*ret_observer = observer;
	return 0;
}

void path_observer_free(struct path_observer *observer)
{
	if (!observer)
		return;
	loop_remove(&observer->source);
	loop_timer_done(observer->loop, &observer->settle);
	if (observer->socket)
		mnl_socket_close(observer->socket);
	free(observer);
}
