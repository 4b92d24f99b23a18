/* SPDX-License-Identifier: MIT */
/*
 * DNS settings as a value without pointers: parse, view, compare. The borrowed form is struct
 * lw_dns_settings.
 *
 * Domain names are kept in lower case and without a dot at their end; international ones are
 * written in their ASCII form. What "" among the match domains says is kept apart from them.
 */
#ifndef BASE_DNS_SETTINGS_H
#define BASE_DNS_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include <longwire/settings.h>

#include "base/address.h"

struct lw_error;

enum { DOMAIN_TEXT_SIZE = 254 }; /* RFC 1035: 253 and the end */

struct domain_list {
	size_t n;
	char items[LW_SETTINGS_DOMAINS_MAX][DOMAIN_TEXT_SIZE];
};

struct dns_settings {
	enum lw_dns_protocol protocol;
	size_t n_servers;
	struct ip_address servers[LW_SETTINGS_DNS_SERVERS_MAX];
	struct domain_list search, match;
	bool matches_all; /* "" is among the match domains */
	bool match_no_search;
	char server_name[DOMAIN_TEXT_SIZE];
};

/* The borrowed form of a value, with what it points to. */
struct dns_view {
	struct lw_dns_settings settings;
	char texts[LW_SETTINGS_DNS_SERVERS_MAX][IP_TEXT_SIZE];
	const char *servers[LW_SETTINGS_DNS_SERVERS_MAX];
	const char *search[LW_SETTINGS_DOMAINS_MAX], *match[LW_SETTINGS_DOMAINS_MAX + 1];
};

/* A domain name in the form above. 0 or -EINVAL. */
int domain_parse(const char *text, char ret_name[DOMAIN_TEXT_SIZE]);
/* Whether name, as domain_parse writes it, is domain or below it. */
bool domain_contains(const char *domain, const char *name);
bool domain_list_equal(const struct domain_list *a, const struct domain_list *b);
/* Point items, with room for all, to the names. Return: their number. */
size_t domain_list_view(const struct domain_list *list, const char **items);

/* *ret_dns is malloc'd. 0, -ENOMEM, or -EINVAL with ret_error naming the field ("dns.servers: …").
 */
int dns_settings_parse(const struct lw_dns_settings *from, struct dns_settings **ret_dns,
		       struct lw_error *ret_error);
/* Both may be NULL, which equals NULL alone. */
bool dns_settings_equal(const struct dns_settings *a, const struct dns_settings *b);
/* The copy of NULL is NULL. 0 or -ENOMEM. */
int dns_settings_copy(const struct dns_settings *from, struct dns_settings **ret_copy);
/* Return: &view->settings, valid as long as both are. */
const struct lw_dns_settings *dns_settings_view(const struct dns_settings *dns,
						struct dns_view *view);
/* Whether a name (as it was written) would be asked of these servers; is_full: of a full tunnel. */
bool dns_settings_take(const struct dns_settings *dns, bool is_full, const char *name);

#endif
