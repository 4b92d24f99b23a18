/* SPDX-License-Identifier: MIT */
/*
 * The machine's resolver, as far as it is about our interface.
 *
 * Theory of operation. Two ways are known, and chosen between when settings are applied:
 *
 *   systemd-resolved   over D-Bus, where it runs or can be started. It keeps name servers for each
 *                      link, so nobody else's are touched, and forgets them when the link goes,
 *                      also when we were killed. Split DNS, DNS over TLS. Match domains are routing
 *                      domains ("~corp.example"), searched ones plain; a full tunnel gets "~." and
 *                      is the default route for names, and its match domains are ignored, as
 *                      everything is asked of its servers. Should it restart, it is told again.
 *   resolvconf         the program (openresolv, or Debian's own), where resolved is not. It writes
 *                      one resolv.conf for everything, so it can do a full tunnel only: "-x" asks
 *                      for our servers alone (openresolv does so; Debian's own resolvconf puts ours
 *                      first). The record is called IF.longwire; what a killed instance left is
 *                      taken away, or replaced, by the next one with the same interface.
 *
 * Where neither is there, or the way cannot do what is asked for, settings are refused. All calls
 * wait for the answer: this is part of the transaction of settings, which must know whether it
 * succeeded. dns_apply() does all of it or nothing.
 *
 * Nothing else happens on the loop meanwhile, so the wait is bounded far below the 10 s after which
 * a peer is given up. A call has DNS_BUDGET_MS at most, with resolved 1.5 s for all that it is told
 * together; a resolver that did not answer is told what to take back, and what to set again instead,
 * without being waited for once more. The worst is a resolvconf that hangs at each of the three calls
 * of an exchange that fails: 6 s.
 */
#ifndef NETWORK_DNS_H
#define NETWORK_DNS_H

#include <stdbool.h>
#include <stddef.h>

struct dns_settings;
struct lw_error;

enum dns_way { DNS_NONE, DNS_RESOLVED, DNS_RESOLVCONF };

enum { DNS_BUDGET_MS = 2000, DNS_DETAIL_SIZE = 160 };

/* Return: what is there. */
enum dns_way dns_find(void);
const char *dns_way_name(enum dns_way way); /* "systemd-resolved"; "" for none */
/* Whether this way can do it: NULL, or why not and what could be done. */
const char *dns_refusal(enum dns_way way, const struct dns_settings *dns, bool is_full);

/* 0 or a negative errno with detail. On failure the link has no name servers of ours. */
int dns_apply(enum dns_way way, const char *name, int index, const struct dns_settings *dns,
	      bool is_full, char detail[DNS_DETAIL_SIZE]);
/* After dns_apply() of something else failed with this: what was there before, as far as it can be. */
void dns_restore(enum dns_way way, const char *name, int index, const struct dns_settings *dns,
		 bool is_full, int failure);
int dns_revert(enum dns_way way, const char *name, int index, char detail[DNS_DETAIL_SIZE]);
/* Take away what an instance that was killed left of this interface, where the kernel does not. */
void dns_clean(const char *name);

#endif
