/* SPDX-License-Identifier: MIT */
/* systemd-resolved over D-Bus (org.freedesktop.resolve1(5)). See network/dns.h. Built without
 * libsystemd it is never there. */
#ifndef NETWORK_RESOLVED_H
#define NETWORK_RESOLVED_H

#include <stdbool.h>

#include "network/dns.h"

struct lw_loop;
struct resolved_watch;

/* All calls of one of these functions together. */
enum { RESOLVED_BUDGET_MS = 1500 };

bool resolved_is_there(void);
int resolved_apply(int index, const struct dns_settings *dns, bool is_full,
		   char detail[DNS_DETAIL_SIZE]);
/* The same without an answer, and without waiting for one. */
void resolved_tell(int index, const struct dns_settings *dns, bool is_full);
int resolved_revert(int index, char detail[DNS_DETAIL_SIZE]);

/* Be told, from the loop, each time when it begins to run anew. 0 or a negative errno. */
int resolved_watch_new(struct lw_loop *loop, void (*restarted)(void *user), void *user,
		       struct resolved_watch **ret_watch);
void resolved_watch_free(struct resolved_watch *watch);

#endif
