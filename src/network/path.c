/* SPDX-License-Identifier: MIT */
/* The path outside the tunnel. */
#include "network/path.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "network/rtnetlink.h"

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
