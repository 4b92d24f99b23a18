/* SPDX-License-Identifier: MIT */
/* What the kernel says of an interface, for those who only ask. */
#include "network/network.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>

#include "base/error.h"
#include "network/rtnetlink.h"

int network_link_get(const char *name, struct network_link *ret_link, struct lw_error *ret_error)
{
	struct network_link result = { 0 };
	struct rtnetlink *rtnetlink;
	struct link link = { 0 };
	int r = rtnetlink_open(&rtnetlink);

	if (r == 0) {
		r = rtnetlink_get_link(rtnetlink, name, &link);
		rtnetlink_close(rtnetlink);
	}
	if (r == -ENODEV)
		return error_set(ret_error, -ENODEV, LW_DOMAIN_SYSTEM, ENODEV,
				 "%s: there is no such interface", name);
	if (r < 0)
		return error_errno(ret_error, -r, "%s: cannot ask for the interface", name);
	result.index = link.index;
	result.mtu = link.mtu;
	memcpy(result.mac, link.mac, sizeof(result.mac));
	result.is_up = link.flags & IFF_UP;
	result.has_carrier = link.flags & IFF_RUNNING;
	result.is_bridge = strcmp(link.kind, "bridge") == 0;
	result.master = link.master;
	if (link.master)
		if_indextoname((unsigned)link.master, result.master_name);
	*ret_link = result;
	return 0;
}
