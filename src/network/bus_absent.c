/* SPDX-License-Identifier: MIT */
/* Without libsystemd there is no system bus. */
#include <errno.h>

#include "base/dns_settings.h"
#include "network/logind.h"
#include "network/managers.h"
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

void resolved_tell(int index, const struct dns_settings *dns, bool is_full)
{
	(void)index;
	(void)dns;
	(void)is_full;
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

int logind_new(struct lw_loop *loop, const struct logind_ops *ops, void *user,
	       struct logind **ret_logind)
{
	(void)loop;
	(void)ops;
	(void)user;
	(void)ret_logind;
	return -EOPNOTSUPP;
}

void logind_may_sleep(struct logind *logind)
{
	(void)logind;
}

void logind_free(struct logind *logind)
{
	(void)logind;
}

void managers_ask(const char *interface, struct managers *ret_managers)
{
	(void)interface;
	*ret_managers = (struct managers){ 0 };
}
