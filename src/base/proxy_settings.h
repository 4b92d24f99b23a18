/* SPDX-License-Identifier: MIT */
/* Proxy settings as a value without pointers: parse, view, compare. The borrowed form is struct
 * lw_proxy_settings. */
#ifndef BASE_PROXY_SETTINGS_H
#define BASE_PROXY_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include <longwire/settings.h>

#include "base/address.h"
#include "base/dns_settings.h"

struct lw_error;

enum { PROXY_SERVER_SIZE = ENDPOINT_HOST_SIZE + 8, PROXY_URL_SIZE = 1024 };

struct proxy_settings {
	char http_server[PROXY_SERVER_SIZE], https_server[PROXY_SERVER_SIZE]; /* "": none */
	char auto_configuration_url[PROXY_URL_SIZE];
	bool exclude_simple_hostnames;
	struct domain_list exceptions, match; /* exceptions are patterns and networks, too */
};

struct proxy_view {
	struct lw_proxy_settings settings;
	const char *exceptions[LW_SETTINGS_DOMAINS_MAX], *match[LW_SETTINGS_DOMAINS_MAX];
};

/* *ret_proxy is malloc'd. 0, -ENOMEM, or -EINVAL with ret_error naming the field. */
int proxy_settings_parse(const struct lw_proxy_settings *from, struct proxy_settings **ret_proxy,
			 struct lw_error *ret_error);
bool proxy_settings_equal(const struct proxy_settings *a, const struct proxy_settings *b);
int proxy_settings_copy(const struct proxy_settings *from, struct proxy_settings **ret_copy);
const struct lw_proxy_settings *proxy_settings_view(const struct proxy_settings *proxy,
						    struct proxy_view *view);

#endif
