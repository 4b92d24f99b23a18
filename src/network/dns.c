/* SPDX-License-Identifier: MIT */
/* The machine's resolver: which way there is, and what it can do. */
#include "network/dns.h"

#include <errno.h>

#include "base/dns_settings.h"
#include "network/resolvconf.h"
#include "network/resolved.h"

enum dns_way dns_find(void)
{
	if (resolved_is_there())
		return DNS_RESOLVED;
	return resolvconf_is_there() ? DNS_RESOLVCONF : DNS_NONE;
}

const char *dns_way_name(enum dns_way way)
{
	static const char *const names[] = { "", "systemd-resolved", "resolvconf" };

	return names[way];
}

const char *dns_refusal(enum dns_way way, const struct dns_settings *dns, bool is_full)
{
	switch (way) {
	case DNS_RESOLVED:
		return NULL;
	case DNS_RESOLVCONF:
		if (dns->protocol == LW_DNS_TLS)
			return "dns.protocol: tls needs systemd-resolved, and this machine has "
			       "only resolvconf";
		if (!is_full)
			return "dns.match-domains: a part of the names needs systemd-resolved; "
			       "this machine has only resolvconf, which can send all of them";
		return NULL;
	case DNS_NONE:
		break;
	}
	return "dns: there is neither systemd-resolved nor resolvconf on this machine: install one "
	       "of them, or leave dns out";
}

int dns_apply(enum dns_way way, const char *name, int index, const struct dns_settings *dns,
	      bool is_full, char detail[DNS_DETAIL_SIZE])
{
	if (way == DNS_RESOLVED)
		return resolved_apply(index, dns, is_full, detail);
	return resolvconf_apply(name, dns, detail);
}

void dns_restore(enum dns_way way, const char *name, int index, const struct dns_settings *dns,
		 bool is_full, int failure)
{
	char detail[DNS_DETAIL_SIZE];

	if (way == DNS_RESOLVED && failure == -ETIMEDOUT)
		resolved_tell(index, dns, is_full);
	else
		(void)dns_apply(way, name, index, dns, is_full, detail);
}

int dns_revert(enum dns_way way, const char *name, int index, char detail[DNS_DETAIL_SIZE])
{
	if (way == DNS_RESOLVED)
		return resolved_revert(index, detail);
	return resolvconf_revert(name, detail);
}

void dns_clean(const char *name)
{
	resolvconf_clean(name);
}
