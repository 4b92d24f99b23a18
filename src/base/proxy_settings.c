/* SPDX-License-Identifier: MIT */
/* Proxy settings as a value: parsing with every rule, comparing, and back to the borrowed form. */
#include "base/proxy_settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/value.h"

static int refuse(struct lw_error *ret_error, const char *field, const char *item,
		  const char *reason)
{
	return error_set(ret_error, -EINVAL, LW_DOMAIN_TUNNEL, LW_TUNNEL_ERROR_SETTINGS_INVALID,
			 "proxy.%s: \"%.64s\" %s", field, item, reason);
}

static int parse_server(const char *field, const char *text, char server[PROXY_SERVER_SIZE],
			struct lw_error *ret_error)
{
	char host[ENDPOINT_HOST_SIZE], name[DOMAIN_TEXT_SIZE];
	struct ip_address address;
	uint16_t port;

	if (!text)
		return 0;
	if (endpoint_parse(text, false, host, &port) < 0 ||
	    (ip_address_parse(host, &address) < 0 && domain_parse(host, name) < 0))
		return refuse(ret_error, field, text,
			      "is no host and port such as "
			      "proxy.example.net:3128");
	snprintf(server, PROXY_SERVER_SIZE, "%s", text);
	return 0;
}

/* It goes into files that others read: no byte that could mean anything there. */
static bool is_url(const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "-._~:/?#[]@!&()*+,;=%";
	const char *rest = NULL;

	if (strncmp(text, "http://", 7) == 0)
		rest = text + 7;
	else if (strncmp(text, "https://", 8) == 0)
		rest = text + 8;
	return rest && *rest && *rest != '/' && strlen(text) < PROXY_URL_SIZE &&
	       text[strspn(text, plain)] == '\0';
}

/* "corp.example", "*.corp.example", ".corp.example", an address, a network. */
static bool is_exception(const char *text, char ret_name[DOMAIN_TEXT_SIZE])
{
	struct ip_prefix prefix;
	const char *rest = text;

	if (strlen(text) >= DOMAIN_TEXT_SIZE)
		return false;
	if (ip_prefix_parse(text, &prefix) < 0) {
		rest += rest[0] == '*';
		rest += rest[0] == '.';
		if (domain_parse(rest, ret_name) < 0)
			return false;
	}
	snprintf(ret_name, DOMAIN_TEXT_SIZE, "%s", text);
	return true;
}

static int parse_names(const char *field, const char *const *texts, size_t n, bool may_be_pattern,
		       struct domain_list *list, struct lw_error *ret_error)
{
	if (n > LW_SETTINGS_DOMAINS_MAX)
		return refuse(ret_error, field, texts[LW_SETTINGS_DOMAINS_MAX],
			      "is one more than the 32 that are allowed");
	for (size_t i = 0; i < n; i++) {
		const char *text = texts[i] ? texts[i] : "";

		if (may_be_pattern ? !is_exception(text, list->items[i])
				   : domain_parse(text, list->items[i]) < 0)
			return refuse(ret_error, field, text,
				      may_be_pattern ? "is no domain, *.domain or network"
						     : "is no domain such as corp.example");
		list->n++;
	}
	return 0;
}

static int parse(const struct lw_proxy_settings *from, struct proxy_settings *proxy,
		 struct lw_error *ret_error)
{
	const char *url = from->auto_configuration_url;
	int r = parse_server("http-server", from->http_server, proxy->http_server, ret_error);

	if (r == 0)
		r = parse_server("https-server", from->https_server, proxy->https_server,
				 ret_error);
	if (r == 0 && url && !is_url(url))
		r = refuse(ret_error, "auto-configuration-url", url,
			   "is no http:// or https:// address of at most 1023 characters");
	if (r == 0 && url)
		snprintf(proxy->auto_configuration_url, PROXY_URL_SIZE, "%s", url);
	if (r == 0 && !from->http_server && !from->https_server && !url)
		r = refuse(ret_error, "http-server", "",
			   "is nothing: http-server, https-server or auto-configuration-url is "
			   "needed");
	proxy->exclude_simple_hostnames = from->exclude_simple_hostnames;
	if (r == 0)
		r = parse_names("exception-list", from->exception_list, from->n_exceptions, true,
				&proxy->exceptions, ret_error);
	if (r == 0)
		r = parse_names("match-domains", from->match_domains, from->n_match_domains, false,
				&proxy->match, ret_error);
	return r;
}

int proxy_settings_parse(const struct lw_proxy_settings *given, struct proxy_settings **ret_proxy,
			 struct lw_error *ret_error)
{
	struct proxy_settings *proxy;
	struct lw_proxy_settings from;
	int r;

	if (!value_take(&from, sizeof(from), given))
		return refuse(ret_error, "size", "",
			      "must be the size of struct lw_proxy_settings");
	proxy = calloc(1, sizeof(*proxy));
	if (!proxy)
		return -ENOMEM;
	r = parse(&from, proxy, ret_error);
	if (r < 0)
		free(proxy);
	else
		*ret_proxy = proxy;
	return r;
}

bool proxy_settings_equal(const struct proxy_settings *a, const struct proxy_settings *b)
{
	if (!a || !b)
		return a == b;
	return strcmp(a->http_server, b->http_server) == 0 &&
	       strcmp(a->https_server, b->https_server) == 0 &&
	       strcmp(a->auto_configuration_url, b->auto_configuration_url) == 0 &&
	       a->exclude_simple_hostnames == b->exclude_simple_hostnames &&
	       domain_list_equal(&a->exceptions, &b->exceptions) &&
	       domain_list_equal(&a->match, &b->match);
}

int proxy_settings_copy(const struct proxy_settings *from, struct proxy_settings **ret_copy)
{
	struct proxy_settings *copy = NULL;

	if (from) {
		copy = malloc(sizeof(*copy));
		if (!copy)
			return -ENOMEM;
		*copy = *from;
	}
	*ret_copy = copy;
	return 0;
}

static const char *text_or_null(const char *text)
{
	return text[0] ? text : NULL;
}

const struct lw_proxy_settings *proxy_settings_view(const struct proxy_settings *proxy,
						    struct proxy_view *view)
{
	view->settings = (struct lw_proxy_settings){
		.size = sizeof(view->settings),
		.http_server = text_or_null(proxy->http_server),
		.https_server = text_or_null(proxy->https_server),
		.auto_configuration_url = text_or_null(proxy->auto_configuration_url),
		.exclude_simple_hostnames = proxy->exclude_simple_hostnames,
		.exception_list = view->exceptions,
		.n_exceptions = domain_list_view(&proxy->exceptions, view->exceptions),
		.match_domains = view->match,
		.n_match_domains = domain_list_view(&proxy->match, view->match),
	};
	return &view->settings;
}
