/* SPDX-License-Identifier: MIT */
/* The settings message: what the hub offers to a client. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <longwire/error.h>

#include "base/dns_settings.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/proxy_settings.h"
#include "base/tree.h"
#include "wire/field.h"
#include "wire/message.h"
#include "wire/unit.h"

/* Keys that mean something to other versions: their presence is told, so that status can show them
 * as not accepted. */
static const char *const known_by_name[] = { "excluded-routes" };

static int add_texts(struct tree *map, const char *key, char (*items)[OFFER_TEXT], size_t n)
{
	struct tree *list;
	int r = 0;

	if (n == 0)
		return 0;
	r = tree_add_list(map, key, &list);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = tree_add_text(list, NULL, items[i]);
	return r;
}

static int add_names(struct tree *map, const char *key, const char *const *items, size_t n)
{
	struct tree *list;
	int r = n ? tree_add_list(map, key, &list) : 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = tree_add_text(list, NULL, items[i]);
	return r;
}

static int add_text(struct tree *map, const char *key, const char *text)
{
	return text ? tree_add_text(map, key, text) : 0;
}

static int add_dns(struct tree *map, const struct dns_settings *settings)
{
	const struct lw_dns_settings *dns;
	struct dns_view view;
	struct tree *child;

	if (!settings)
		return 0;
	dns = dns_settings_view(settings, &view);
	if (tree_add_map(map, "dns", &child) < 0 ||
	    tree_add_text(child, "protocol", dns->protocol == LW_DNS_TLS ? "tls" : "cleartext") <
		    0 ||
	    add_names(child, "servers", dns->servers, dns->n_servers) < 0 ||
	    add_names(child, "search-domains", dns->search_domains, dns->n_search_domains) < 0 ||
	    add_names(child, "match-domains", dns->match_domains, dns->n_match_domains) < 0 ||
	    add_text(child, "server-name", dns->server_name) < 0)
		return -ENOMEM;
	return tree_add_bool(child, "match-domains-no-search", dns->match_domains_no_search);
}

static int add_proxy(struct tree *map, const struct proxy_settings *settings)
{
	const struct lw_proxy_settings *proxy;
	struct proxy_view view;
	struct tree *child;

	if (!settings)
		return 0;
	proxy = proxy_settings_view(settings, &view);
	if (tree_add_map(map, "proxy", &child) < 0 ||
	    add_text(child, "http-server", proxy->http_server) < 0 ||
	    add_text(child, "https-server", proxy->https_server) < 0 ||
	    add_text(child, "auto-configuration-url", proxy->auto_configuration_url) < 0 ||
	    add_names(child, "exception-list", proxy->exception_list, proxy->n_exceptions) < 0 ||
	    add_names(child, "match-domains", proxy->match_domains, proxy->n_match_domains) < 0)
		return -ENOMEM;
	return tree_add_bool(child, "exclude-simple-hostnames", proxy->exclude_simple_hostnames);
}

static int fill(struct tree *map, const struct offer *offer)
{
	if (offer->mtu && tree_add_uint(map, "mtu", offer->mtu) < 0)
		return -ENOMEM;
	if (add_texts(map, "addresses", offer->addresses, offer->n_addresses) < 0 ||
	    add_texts(map, "included-routes", offer->included_routes, offer->n_included_routes) < 0)
		return -ENOMEM;
	if (add_dns(map, offer->dns) < 0)
		return -ENOMEM;
	return add_proxy(map, offer->proxy);
}

int offer_encode(const struct offer *offer, uint8_t *data, size_t size)
{
	struct tree *map = tree_new(TREE_MAP);

	if (map && fill(map, offer) < 0) {
		tree_free(map);
		return -ENOMEM;
	}
	return field_finish(map, data, size);
}

static int read_texts(const struct tree *map, const char *key, size_t max,
		      char (**ret_items)[OFFER_TEXT], size_t *ret_n, struct lw_error *error)
{
	char(*items)[OFFER_TEXT];
	const struct tree *list;
	size_t n = 0;
	int r;

	r = field_texts(map, key, max, &list, error);
	if (r < 0 || !list || list->n == 0)
		return r;
	for_each_child(child, list)
		if (strlen(child->text) >= OFFER_TEXT)
			return field_error(error, "%s has an item of more than %d bytes", key,
					   OFFER_TEXT - 1);
	items = calloc(list->n, sizeof(*items));
	if (!items)
		return -ENOMEM;
	for_each_child(child, list)
		memcpy(items[n++], child->text, strlen(child->text) + 1);
	*ret_items = items;
	*ret_n = n;
	return 0;
}

/* A list of texts whose owner is the tree. */
struct names {
	const char *items[OFFER_NAMES_MAX];
	size_t n;
};

static int read_names(const struct tree *map, const char *key, struct names *names,
		      struct lw_error *error)
{
	const struct tree *list;
	int r = field_texts(map, key, OFFER_NAMES_MAX, &list, error);

	if (r < 0 || !list)
		return r;
	for_each_child(child, list)
		names->items[names->n++] = child->text;
	return 0;
}

static int read_section(const struct tree *map, const char *key, const struct tree **ret_section,
			struct lw_error *error)
{
	*ret_section = tree_get(map, key);
	if (*ret_section && (*ret_section)->kind != TREE_MAP)
		return field_error(error, "%s is not a map", key);
	return 0;
}

/* A fault is the client's to tell, no reason to end the session. */
static int keep_fault(int result, const struct lw_error *fault, char text[OFFER_FAULT_SIZE])
{
	if (result != -EINVAL)
		return result;
	snprintf(text, OFFER_FAULT_SIZE, "%.*s", OFFER_FAULT_SIZE - 1, fault->text);
	return 0;
}

static int read_dns(const struct tree *map, struct offer *offer, struct lw_error *error)
{
	struct names servers = { 0 }, search = { 0 }, match = { 0 };
	struct lw_dns_settings dns = { .size = sizeof(dns) };
	const char *protocol = NULL;
	const struct tree *section;
	struct lw_error fault;
	int r = read_section(map, "dns", &section, error);

	if (r < 0 || !section)
		return r;
	r = read_names(section, "servers", &servers, error);
	if (r == 0)
		r = read_names(section, "search-domains", &search, error);
	if (r == 0)
		r = read_names(section, "match-domains", &match, error);
	if (r == 0)
		r = field_bool(section, "match-domains-no-search", &dns.match_domains_no_search,
			       error);
	if (r == 0)
		r = field_text(section, "protocol", FIELD_OPTIONAL, &protocol, error);
	if (r == 0)
		r = field_text(section, "server-name", FIELD_OPTIONAL, &dns.server_name, error);
	if (r < 0)
		return r;
	if (protocol && strcmp(protocol, "cleartext") != 0)
		dns.protocol = strcmp(protocol, "tls") == 0 ? LW_DNS_TLS : LW_DNS_HTTPS;
	dns.servers = servers.items;
	dns.n_servers = servers.n;
	dns.search_domains = search.items;
	dns.n_search_domains = search.n;
	dns.match_domains = match.items;
	dns.n_match_domains = match.n;
	r = dns_settings_parse(&dns, &offer->dns, &fault);
	return keep_fault(r, &fault, offer->dns_fault);
}

static int read_proxy(const struct tree *map, struct offer *offer, struct lw_error *error)
{
	struct lw_proxy_settings proxy = { .size = sizeof(proxy) };
	struct names exceptions = { 0 }, match = { 0 };
	const struct tree *section;
	struct lw_error fault;
	int r = read_section(map, "proxy", &section, error);

	if (r < 0 || !section)
		return r;
	r = field_text(section, "http-server", FIELD_OPTIONAL, &proxy.http_server, error);
	if (r == 0)
		r = field_text(section, "https-server", FIELD_OPTIONAL, &proxy.https_server, error);
	if (r == 0)
		r = field_text(section, "auto-configuration-url", FIELD_OPTIONAL,
			       &proxy.auto_configuration_url, error);
	if (r == 0)
		r = field_bool(section, "exclude-simple-hostnames", &proxy.exclude_simple_hostnames,
			       error);
	if (r == 0)
		r = read_names(section, "exception-list", &exceptions, error);
	if (r == 0)
		r = read_names(section, "match-domains", &match, error);
	if (r < 0)
		return r;
	proxy.exception_list = exceptions.items;
	proxy.n_exceptions = exceptions.n;
	proxy.match_domains = match.items;
	proxy.n_match_domains = match.n;
	r = proxy_settings_parse(&proxy, &offer->proxy, &fault);
	return keep_fault(r, &fault, offer->proxy_fault);
}

static int read_offer(const struct tree *map, struct offer *offer, struct lw_error *error)
{
	int r;

	r = field_uint(map, "mtu", FIELD_OPTIONAL, 0, UINT32_MAX, &offer->mtu, error);
	if (r < 0)
		return r;
	r = read_texts(map, "addresses", OFFER_ADDRESSES_MAX, &offer->addresses,
		       &offer->n_addresses, error);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(known_by_name); i++)
		if (tree_get(map, known_by_name[i]))
			offer->has_unknown = true;
	r = read_dns(map, offer, error);
	if (r == 0)
		r = read_proxy(map, offer, error);
	return r < 0 ? r
		     : read_texts(map, "included-routes", OFFER_ROUTES_MAX, &offer->included_routes,
				  &offer->n_included_routes, error);
}

int offer_decode(const uint8_t *data, size_t length, struct offer *ret_offer,
		 struct lw_error *ret_error)
{
	struct offer offer = { 0 };
	struct tree *map;
	int r;

	if (length > UNIT_SETTINGS_MAX)
		return field_error(ret_error, "settings longer than %d bytes", UNIT_SETTINGS_MAX);
	r = json_parse(data, length, &map, ret_error);
	if (r < 0)
		return r;
	r = read_offer(map, &offer, ret_error);
	tree_free(map);
	if (r < 0)
		offer_done(&offer);
	else
		*ret_offer = offer;
	return r;
}

void offer_done(struct offer *offer)
{
	free(offer->addresses);
	free(offer->included_routes);
	free(offer->dns);
	free(offer->proxy);
	*offer = (struct offer){ 0 };
}
