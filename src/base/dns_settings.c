/* SPDX-License-Identifier: MIT */
/* DNS settings as a value: parsing with every rule, comparing, and back to the borrowed form. */
#include "base/dns_settings.h"

#include <errno.h>
#include <string.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/value.h"

enum { LABEL_MAX = 63 };

static int refuse(struct lw_error *ret_error, const char *field, const char *item,
		  const char *reason)
{
	return error_set(ret_error, -EINVAL, LW_DOMAIN_TUNNEL, LW_TUNNEL_ERROR_SETTINGS_INVALID,
			 item ? "dns.%s: \"%.64s\" %s" : "dns.%s: %s%s", field, item ? item : "",
			 reason);
}

static bool is_label_character(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

int domain_parse(const char *text, char ret_name[DOMAIN_TEXT_SIZE])
{
	size_t length = strlen(text), label = 0;
	char name[DOMAIN_TEXT_SIZE];

	if (length && text[length - 1] == '.')
		length--;
	if (!length || length >= sizeof(name))
		return -EINVAL;
	for (size_t i = 0; i < length; i++) {
		char c = text[i];

		if (c >= 'A' && c <= 'Z')
			c = (char)(c - 'A' + 'a');
		if (c == '.' ? !label || name[i - 1] == '-' : !is_label_character(c))
			return -EINVAL;
		if (c == '-' && !label)
			return -EINVAL;
		label = c == '.' ? 0 : label + 1;
		if (label > LABEL_MAX)
			return -EINVAL;
		name[i] = c;
	}
	if (!label || name[length - 1] == '-')
		return -EINVAL;
	name[length] = '\0';
	memcpy(ret_name, name, length + 1);
	return 0;
}

bool domain_contains(const char *domain, const char *name)
{
	size_t below = strlen(domain), whole = strlen(name);

	if (whole < below || strcmp(name + whole - below, domain) != 0)
		return false;
	return whole == below || name[whole - below - 1] == '.';
}

static bool has_domain(const struct domain_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->items[i], name) == 0)
			return true;
	return false;
}

static int parse_servers(const struct lw_dns_settings *from, struct dns_settings *dns,
			 struct lw_error *ret_error)
{
	if (!from->n_servers)
		return refuse(ret_error, "servers", NULL, "at least one address is needed");
	if (from->n_servers > LW_SETTINGS_DNS_SERVERS_MAX)
		return refuse(ret_error, "servers", NULL, "at most 8 are allowed");
	for (size_t i = 0; i < from->n_servers; i++) {
		const char *text = from->servers[i] ? from->servers[i] : "";
		struct ip_address *address = &dns->servers[i];

		if (ip_address_parse(text, address) < 0)
			return refuse(ret_error, "servers", text,
				      "is no address such as 10.0.0.53 or fd86::53");
		if (ip_address_is_special(address))
			return refuse(ret_error, "servers", text,
				      "is unspecified, loopback, multicast, broadcast or "
				      "IPv4-mapped: nobody beyond the tunnel");
		for (size_t k = 0; k < i; k++)
			if (ip_address_equal(&dns->servers[k], address))
				return refuse(ret_error, "servers", text, "is there twice");
		dns->n_servers++;
	}
	return 0;
}

/* may_all NULL: "" is not allowed. */
static int parse_domains(const char *field, const char *const *texts, size_t n,
			 struct domain_list *list, bool *may_all, struct lw_error *ret_error)
{
	if (n > LW_SETTINGS_DOMAINS_MAX + (may_all ? 1U : 0U))
		return refuse(ret_error, field, NULL, "at most 32 are allowed");
	for (size_t i = 0; i < n; i++) {
		const char *text = texts[i] ? texts[i] : "";
		char name[DOMAIN_TEXT_SIZE];

		if (!*text && may_all && !*may_all) {
			*may_all = true;
			continue;
		}
		if (*text && domain_parse(text, name) < 0)
			return refuse(ret_error, field, text,
				      "is no domain such as corp.example: labels of letters, "
				      "digits, - and _");
		if (!*text && !may_all)
			return refuse(ret_error, field, text,
				      "is not allowed here: only match-domains may say \"all\"");
		if (!*text || has_domain(list, name))
			return refuse(ret_error, field, text, "is there twice");
		if (list->n == LW_SETTINGS_DOMAINS_MAX)
			return refuse(ret_error, field, NULL, "at most 32 are allowed");
		memcpy(list->items[list->n++], name, strlen(name) + 1);
	}
	return 0;
}

static int parse_protocol(const struct lw_dns_settings *from, struct dns_settings *dns,
			  struct lw_error *ret_error)
{
	dns->protocol = from->protocol ? from->protocol : LW_DNS_CLEARTEXT;
	if (dns->protocol == LW_DNS_HTTPS)
		return refuse(ret_error, "protocol", NULL,
			      "https is done by no resolver of this system for a link; tls is");
	if (dns->protocol != LW_DNS_CLEARTEXT && dns->protocol != LW_DNS_TLS)
		return refuse(ret_error, "protocol", NULL, "must be cleartext or tls");
	if (!from->server_name)
		return 0;
	if (dns->protocol != LW_DNS_TLS)
		return refuse(ret_error, "server-name", NULL,
			      "goes with protocol: tls, whose certificate has it");
	if (domain_parse(from->server_name, dns->server_name) < 0)
		return refuse(ret_error, "server-name", from->server_name,
			      "is no name such as dns.example.net");
	return 0;
}

static int parse(const struct lw_dns_settings *from, struct dns_settings *dns,
		 struct lw_error *ret_error)
{
	int r = parse_servers(from, dns, ret_error);

	if (r == 0)
		r = parse_domains("search-domains", from->search_domains, from->n_search_domains,
				  &dns->search, NULL, ret_error);
	if (r == 0)
		r = parse_domains("match-domains", from->match_domains, from->n_match_domains,
				  &dns->match, &dns->matches_all, ret_error);
	dns->match_no_search = from->match_domains_no_search;
	return r < 0 ? r : parse_protocol(from, dns, ret_error);
}

int dns_settings_parse(const struct lw_dns_settings *given, struct dns_settings **ret_dns,
		       struct lw_error *ret_error)
{
	struct dns_settings *dns;
	struct lw_dns_settings from;
	int r;

	if (!value_take(&from, sizeof(from), given))
		return refuse(ret_error, "size", NULL,
			      "must be the size of struct lw_dns_settings");
	dns = calloc(1, sizeof(*dns));
	if (!dns)
		return -ENOMEM;
	r = parse(&from, dns, ret_error);
	if (r < 0)
		free(dns);
	else
		*ret_dns = dns;
	return r;
}

bool domain_list_equal(const struct domain_list *a, const struct domain_list *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->items[i], b->items[i]) != 0)
			return false;
	return true;
}

bool dns_settings_equal(const struct dns_settings *a, const struct dns_settings *b)
{
	if (!a || !b)
		return a == b;
	if (a->n_servers != b->n_servers || a->protocol != b->protocol ||
	    a->matches_all != b->matches_all || a->match_no_search != b->match_no_search ||
	    strcmp(a->server_name, b->server_name) != 0)
		return false;
	for (size_t i = 0; i < a->n_servers; i++)
		if (!ip_address_equal(&a->servers[i], &b->servers[i]))
			return false;
	return domain_list_equal(&a->search, &b->search) && domain_list_equal(&a->match, &b->match);
}

int dns_settings_copy(const struct dns_settings *from, struct dns_settings **ret_copy)
{
	struct dns_settings *copy = NULL;

	if (from) {
		copy = malloc(sizeof(*copy));
		if (!copy)
			return -ENOMEM;
		*copy = *from;
	}
	*ret_copy = copy;
	return 0;
}

size_t domain_list_view(const struct domain_list *list, const char **items)
{
	for (size_t i = 0; i < list->n; i++)
		items[i] = list->items[i];
	return list->n;
}

const struct lw_dns_settings *dns_settings_view(const struct dns_settings *dns,
						struct dns_view *view)
{
	struct lw_dns_settings *settings = &view->settings;

	*settings = (struct lw_dns_settings){
		.size = sizeof(*settings),
		.protocol = dns->protocol,
		.servers = view->servers,
		.n_servers = dns->n_servers,
		.search_domains = view->search,
		.n_search_domains = domain_list_view(&dns->search, view->search),
		.match_domains = view->match,
		.n_match_domains = domain_list_view(&dns->match, view->match),
		.match_domains_no_search = dns->match_no_search,
		.server_name = dns->server_name[0] ? dns->server_name : NULL,
	};
	if (dns->matches_all)
		view->match[settings->n_match_domains++] = "";
	for (size_t i = 0; i < dns->n_servers; i++)
		view->servers[i] = ip_address_format(&dns->servers[i], view->texts[i]);
	return settings;
}

static bool list_contains(const struct domain_list *list, const char *name)
{
	for (size_t i = 0; i < list->n; i++)
		if (domain_contains(list->items[i], name))
			return true;
	return false;
}

bool dns_settings_take(const struct dns_settings *dns, bool is_full, const char *name)
{
	char parsed[DOMAIN_TEXT_SIZE];

	if (!dns || domain_parse(name, parsed) < 0)
		return false;
	/* A name of one label is searched in every domain. */
	if (is_full || dns->matches_all || !strchr(parsed, '.'))
		return true;
	return list_contains(&dns->match, parsed) || list_contains(&dns->search, parsed);
}
