/* SPDX-License-Identifier: MIT */
/* resolvconf, run as a program. See network/dns.h. */
#ifndef NETWORK_RESOLVCONF_H
#define NETWORK_RESOLVCONF_H

#include <stdbool.h>

#include "network/dns.h"

/* The name of that kind which systemd-resolved brings does not count. */
bool resolvconf_is_there(void);
int resolvconf_apply(const char *name, const struct dns_settings *dns,
		     char detail[DNS_DETAIL_SIZE]);
int resolvconf_revert(const char *name, char detail[DNS_DETAIL_SIZE]);
void resolvconf_clean(const char *name);

#endif
