/* SPDX-License-Identifier: MIT */
/* Without libsystemd there is no system bus. */
#include <errno.h>

#include "base/dns_settings.h"
#include "network/resolved.h"

bool resolved_is_there(void)
{
	return false;
}

int resolved_apply(int index, const struct dns_settings *dns, bool is_full,
		   char detail[DNS_DETAIL_SIZE])
{
	(void)index;
	(void)dns;
	(void)is_full;
	detail[0] = '\0';
	return -EOPNOTSUPP;
}

int resolved_revert(int index, char detail[DNS_DETAIL_SIZE])
{
	(void)index;
	detail[0] = '\0';
	return -EOPNOTSUPP;
}

int resolved_watch_new(struct lw_loop *loop, void (*restarted)(void *user), void *user,
		       struct resolved_watch **ret_watch)
{
	(void)loop;
	(void)restarted;
	(void)user;
	(void)ret_watch;
	return -EOPNOTSUPP;
}

void resolved_watch_free(struct resolved_watch *watch)
{
	(void)watch;
}
