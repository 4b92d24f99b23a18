/* SPDX-License-Identifier: MIT */
/* DNS and proxy settings: every rule from both sides, copies, comparison, and what they mean for a
 * name. */
#include "base/dns_settings.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <longwire/error.h>

#include "base/memory.h"
#include "base/proxy_settings.h"
#include "base/settings.h"

enum { NAMES_MAX = 40 };

static void domain__table(void **state)
{
	static const struct {
		const char *text, *name; /* NULL: refused */
	} rows[] = {
		{ "corp.example", "corp.example" },
		{ "Corp.EXAMPLE.", "corp.example" },
		{ "a", "a" },
		{ "_tcp.xn--bcher-kva.example", "_tcp.xn--bcher-kva.example" },
		{ "1.2.3.4", "1.2.3.4" },
		{ "", NULL },
		{ ".", NULL },
		{ ".a", NULL },
		{ "a..b", NULL },
		{ "a..", NULL },
		{ "-a", NULL },
		{ "a-", NULL },
		{ "a-.b", NULL },
		{ "a b", NULL },
		{ "a\nb", NULL },
		{ "*.a", NULL },
		{ "b\xc3\xbc"
		  "cher",
		  NULL },
		{ "012345678901234567890123456789012345678901234567890123456789012.a",
		  "012345678901234567890123456789012345678901234567890123456789012.a" },
		{ "0123456789012345678901234567890123456789012345678901234567890123.a", NULL },
	};
	char name[DOMAIN_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		int r = domain_parse(rows[i].text, name);

		if (r != (rows[i].name ? 0 : -EINVAL) ||
		    (rows[i].name && strcmp(name, rows[i].name) != 0))
			fail_msg("\"%s\": %d \"%s\"", rows[i].text, r, name);
	}
}

static void domain__length__253_at_most(void **state)
{
	char text[300], name[DOMAIN_TEXT_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = i % 2 ? '.' : 'a';
	text[253] = '\0';
	assert_int_equal(domain_parse(text, name), 0);
	text[253] = '.';
	text[254] = '\0';
	assert_int_equal(domain_parse(text, name), 0);
	text[254] = 'a';
	text[255] = '\0';
	assert_int_equal(domain_parse(text, name), -EINVAL);
}

static void domain__contains__whole_labels(void **state)
{
	(void)state;
	assert_true(domain_contains("corp.example", "corp.example"));
	assert_true(domain_contains("corp.example", "a.b.corp.example"));
	assert_false(domain_contains("corp.example", "acorp.example"));
	assert_false(domain_contains("corp.example", "example"));
	assert_false(domain_contains("corp.example", "corp.example.net"));
}

static struct lw_dns_settings full_dns(void)
{
	static const char *const servers[] = { "10.0.0.53", "fd86::53" };
	static const char *const search[] = { "Lab.example" };
	static const char *const match[] = { "corp.example.", "" };

	return (struct lw_dns_settings){
		.size = sizeof(struct lw_dns_settings),
		.protocol = LW_DNS_TLS,
		.servers = servers,
		.n_servers = 2,
		.search_domains = search,
		.n_search_domains = 1,
		.match_domains = match,
		.n_match_domains = 2,
		.match_domains_no_search = true,
		.server_name = "dns.example.net",
	};
}

static void dns__full__owned_and_viewed(void **state)
{
	struct lw_dns_settings from = full_dns();
	const struct lw_dns_settings *seen;
	struct dns_settings *dns, *again;
	struct dns_view view;

	(void)state;
	assert_int_equal(dns_settings_parse(&from, &dns, NULL), 0);
	assert_true(dns->matches_all);
	assert_int_equal(dns->match.n, 1);
	assert_string_equal(dns->match.items[0], "corp.example");
	assert_string_equal(dns->search.items[0], "lab.example");
	seen = dns_settings_view(dns, &view);
	assert_string_equal(seen->servers[1], "fd86::53");
	assert_int_equal(seen->n_match_domains, 2);
	assert_int_equal(dns_settings_parse(seen, &again, NULL), 0);
	assert_true(dns_settings_equal(dns, again));
	free(again);
	free(dns);
}

static void dns__older_struct__rest_is_zero(void **state)
{
	struct lw_dns_settings from = full_dns();
	struct dns_settings *dns;

	(void)state;
	from.size = offsetof(struct lw_dns_settings, search_domains);
	assert_int_equal(dns_settings_parse(&from, &dns, NULL), 0);
	assert_int_equal(dns->search.n + dns->match.n, 0);
	assert_string_equal(dns->server_name, "");
	free(dns);
	from.size = 0;
	assert_int_equal(dns_settings_parse(&from, &dns, NULL), -EINVAL);
}

static void assert_refused(const struct lw_dns_settings *from, const char *words)
{
	struct dns_settings *dns = NULL;
	struct lw_error error = { 0 };

	assert_int_equal(dns_settings_parse(from, &dns, &error), -EINVAL);
	assert_null(dns);
	assert_int_equal(error.domain, LW_DOMAIN_TUNNEL);
	assert_int_equal(error.code, LW_TUNNEL_ERROR_SETTINGS_INVALID);
	if (!strstr(error.text, words))
		fail_msg("\"%s\" does not say \"%s\"", error.text, words);
}

static void dns__refused__table(void **state)
{
	static const struct {
		const char *field, *item, *words;
	} rows[] = {
		{ "server", "10.0.0.53:53", "dns.servers: \"10.0.0.53:53\" is no address" },
		{ "server", "127.0.0.53", "loopback" },
		{ "server", "0.0.0.0", "unspecified" },
		{ "server", "ff02::fb", "multicast" },
		{ "server", "10.0.0.53", "is there twice" },
		{ "match", "a b", "dns.match-domains: \"a b\" is no domain" },
		{ "match", "CORP.example", "is there twice" },
		{ "match", "", "is there twice" },
		{ "search", "", "dns.search-domains: \"\" is not allowed here" },
		{ "search", "lab.example", "is there twice" },
		{ "name", "a b", "dns.server-name" },
		{ "name", "", "dns.server-name" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lw_dns_settings from = full_dns();
		const char *servers[] = { "10.0.0.53", rows[i].item };
		const char *search[] = { "lab.example", rows[i].item };
		const char *match[] = { "corp.example", "", rows[i].item };

		if (!strcmp(rows[i].field, "server"))
			from.servers = servers;
		if (!strcmp(rows[i].field, "search"))
			from.search_domains = search, from.n_search_domains = 2;
		if (!strcmp(rows[i].field, "match"))
			from.match_domains = match, from.n_match_domains = 3;
		if (!strcmp(rows[i].field, "name"))
			from.server_name = rows[i].item;
		assert_refused(&from, rows[i].words);
	}
}

static void dns__bounds_and_protocols__refused(void **state)
{
	const char *names[NAMES_MAX];
	struct lw_dns_settings from = full_dns();

	(void)state;
	for (size_t i = 0; i < NAMES_MAX; i++)
		names[i] = "x.example";
	from.n_servers = 0;
	assert_refused(&from, "dns.servers: at least one");
	from.servers = names;
	from.n_servers = LW_SETTINGS_DNS_SERVERS_MAX + 1;
	assert_refused(&from, "dns.servers: at most 8");
	from = full_dns();
	from.match_domains = names;
	from.n_match_domains = LW_SETTINGS_DOMAINS_MAX + 2;
	assert_refused(&from, "dns.match-domains: at most 32");
	from = full_dns();
	from.protocol = LW_DNS_CLEARTEXT;
	assert_refused(&from, "dns.server-name: goes with protocol: tls");
	from.protocol = LW_DNS_HTTPS;
	assert_refused(&from, "dns.protocol: https");
	from.protocol = (enum lw_dns_protocol)4;
	assert_refused(&from, "dns.protocol: must be");
}

static void dns__equal__every_field_counts(void **state)
{
	struct lw_dns_settings from = full_dns();
	struct dns_settings *dns, *copy;

	(void)state;
	assert_int_equal(dns_settings_parse(&from, &dns, NULL), 0);
	assert_true(dns_settings_equal(NULL, NULL));
	assert_false(dns_settings_equal(dns, NULL));
	assert_int_equal(dns_settings_copy(NULL, &copy), 0);
	assert_null(copy);
	for (int i = 0; i < 8; i++) {
		assert_int_equal(dns_settings_copy(dns, &copy), 0);
		assert_true(dns_settings_equal(dns, copy));
		copy->protocol += i == 0;
		copy->n_servers -= i == 1;
		copy->servers[1].bytes[15] ^= i == 2;
		copy->search.items[0][0] ^= i == 3;
		copy->match.n -= i == 4;
		copy->matches_all ^= i == 5;
		copy->match_no_search ^= i == 6;
		copy->server_name[0] ^= i == 7;
		assert_false(dns_settings_equal(dns, copy));
		free(copy);
	}
	free(dns);
}

static void dns__names_that_are_asked_of_it(void **state)
{
	struct lw_dns_settings from = full_dns();
	struct dns_settings *dns;

	(void)state;
	from.n_match_domains = 1;
	assert_int_equal(dns_settings_parse(&from, &dns, NULL), 0);
	assert_true(dns_settings_take(dns, false, "hub.CORP.example"));
	assert_true(dns_settings_take(dns, false, "hub.lab.example."));
	assert_true(dns_settings_take(dns, false, "hub"));
	assert_false(dns_settings_take(dns, false, "hub.example.net"));
	assert_true(dns_settings_take(dns, true, "hub.example.net"));
	assert_false(dns_settings_take(dns, true, "2001:db8::1"));
	assert_false(dns_settings_take(NULL, true, "hub.example.net"));
	dns->matches_all = true;
	assert_true(dns_settings_take(dns, false, "hub.example.net"));
	free(dns);
}

/* ---- with the other settings */

static int check_with_routes(const char *const *routes, size_t n, const struct lw_dns_settings *dns,
			     struct lw_error *error)
{
	const struct lw_network_settings from = {
		.size = sizeof(from), .included_routes = routes, .n_included_routes = n, .dns = dns
	};
	struct network_settings settings;
	int r;

	assert_int_equal(network_settings_parse(LW_LAYER_IP, &from, &settings, error), 0);
	r = network_settings_check_dns(&settings, error);
	network_settings_done(&settings);
	return r;
}

static void dns__of_a_split_tunnel__names_its_domains(void **state)
{
	static const char *const split[] = { "10.0.0.0/8" }, *const full[] = { "::/0" };
	struct lw_dns_settings dns = full_dns();
	struct lw_error error;

	(void)state;
	assert_int_equal(check_with_routes(split, 1, NULL, &error), 0);
	assert_int_equal(check_with_routes(split, 1, &dns, &error), -EINVAL);
	assert_non_null(strstr(error.text, "dns.match-domains: \"\""));
	assert_non_null(strstr(error.text, "name the domains"));
	assert_int_equal(check_with_routes(full, 1, &dns, &error), 0);
	dns.n_match_domains = 1;
	assert_int_equal(check_with_routes(split, 1, &dns, &error), 0);
	dns.n_match_domains = dns.n_search_domains = 0;
	assert_int_equal(check_with_routes(split, 1, &dns, &error), -EINVAL);
	assert_non_null(strstr(error.text, "asked for nothing"));
	assert_int_equal(check_with_routes(full, 1, &dns, &error), 0);
}

static int parse_ethernet(struct lw_network_settings from, struct lw_error *error)
{
	struct network_settings settings;
	int r;

	from.size = sizeof(from);
	r = network_settings_parse(LW_LAYER_ETHERNET, &from, &settings, error);
	if (r == 0)
		network_settings_done(&settings);
	return r;
}

static void addressing__what_goes_with_what(void **state)
{
	static const char *const four[] = { "10.0.0.2/24" }, *const six[] = { "fd00::2/64" };
	struct lw_network_settings from = { .ipv4 = LW_ADDRESSING_AUTOMATIC };
	struct lw_error error;

	(void)state;
	assert_int_equal(parse_ethernet(from, &error), 0);
	from.addresses = six;
	from.n_addresses = 1;
	assert_int_equal(parse_ethernet(from, &error), 0);
	from.addresses = four;
	assert_int_equal(parse_ethernet(from, &error), -EINVAL);
	assert_non_null(strstr(error.text, "ipv4: \"10.0.0.2/24\" is given by hand"));
	from.ipv4 = LW_ADDRESSING_OFF;
	assert_int_equal(parse_ethernet(from, &error), -EINVAL);
	from.ipv4 = LW_ADDRESSING_MANUAL;
	from.ipv6 = LW_ADDRESSING_LINK_LOCAL;
	assert_int_equal(parse_ethernet(from, &error), 0);
	from = (struct lw_network_settings){ .ipv6 = LW_ADDRESSING_AUTOMATIC, .bridge = "br0" };
	assert_int_equal(parse_ethernet(from, &error), -EINVAL);
	assert_non_null(strstr(error.text, "ipv6: a bridge's port"));
	from = (struct lw_network_settings){ .ipv6 = (enum lw_addressing)9 };
	assert_int_equal(parse_ethernet(from, &error), -EINVAL);
	from = (struct lw_network_settings){ .size = sizeof(from),
					     .ipv4 = LW_ADDRESSING_AUTOMATIC };
	assert_int_equal(network_settings_parse(LW_LAYER_IP, &from, &(struct network_settings){ 0 },
						&error),
			 -EINVAL);
	assert_non_null(strstr(error.text, "ipv4: an IP tunnel"));
}

/* ---- proxies */

static struct lw_proxy_settings full_proxy(void)
{
	static const char *const exceptions[] = { "*.corp.example", ".lab.example", "10.0.0.0/8",
						  "fd86::1", "host" };
	static const char *const match[] = { "Corp.example" };

	return (struct lw_proxy_settings){
		.size = sizeof(struct lw_proxy_settings),
		.http_server = "proxy.example.net:3128",
		.https_server = "[fd86::1]:3128",
		.auto_configuration_url = "https://a.example/p.pac?x=1",
		.exclude_simple_hostnames = true,
		.exception_list = exceptions,
		.n_exceptions = 5,
		.match_domains = match,
		.n_match_domains = 1,
	};
}

static void proxy__full__owned_viewed_and_compared(void **state)
{
	struct lw_proxy_settings from = full_proxy();
	struct proxy_settings *proxy, *again;
	struct proxy_view view;

	(void)state;
	assert_int_equal(proxy_settings_parse(&from, &proxy, NULL), 0);
	assert_int_equal(proxy_settings_parse(proxy_settings_view(proxy, &view), &again, NULL), 0);
	assert_true(proxy_settings_equal(proxy, again));
	again->exclude_simple_hostnames = false;
	assert_false(proxy_settings_equal(proxy, again));
	assert_false(proxy_settings_equal(proxy, NULL));
	free(again);
	assert_int_equal(proxy_settings_copy(proxy, &again), 0);
	assert_true(proxy_settings_equal(proxy, again));
	again->match.n = 0;
	assert_false(proxy_settings_equal(proxy, again));
	free(again);
	free(proxy);
}

static void proxy__refused__table(void **state)
{
	static const struct {
		const char *field, *item;
	} rows[] = {
		{ "http-server", "proxy.example.net" },
		{ "http-server", "http://proxy:1" },
		{ "http-server", "a b:1" },
		{ "https-server", "proxy:0" },
		{ "https-server", "$(x):1" },
		{ "auto-configuration-url", "ftp://a/b" },
		{ "auto-configuration-url", "http://" },
		{ "auto-configuration-url", "http:///x" },
		{ "auto-configuration-url", "http://a/`b`" },
		{ "auto-configuration-url", "http://a/\"" },
		{ "auto-configuration-url", "http://a/\nEVIL=1" },
		{ "auto-configuration-url", "http://a/$HOME" },
		{ "exception-list", "a b" },
		{ "exception-list", "" },
		{ "exception-list", "**" },
		{ "match-domains", "*.a" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lw_proxy_settings from = full_proxy();
		const char *items[] = { rows[i].item };
		struct proxy_settings *proxy = NULL;
		struct lw_error error;

		if (!strcmp(rows[i].field, "http-server"))
			from.http_server = rows[i].item;
		if (!strcmp(rows[i].field, "https-server"))
			from.https_server = rows[i].item;
		if (!strcmp(rows[i].field, "auto-configuration-url"))
			from.auto_configuration_url = rows[i].item;
		if (!strcmp(rows[i].field, "exception-list"))
			from.exception_list = items, from.n_exceptions = 1;
		if (!strcmp(rows[i].field, "match-domains"))
			from.match_domains = items;
		if (proxy_settings_parse(&from, &proxy, &error) != -EINVAL ||
		    !strstr(error.text, rows[i].field))
			fail_msg("%s \"%s\": %s", rows[i].field, rows[i].item, error.text);
		assert_null(proxy);
	}
}

static void proxy__nothing__refused(void **state)
{
	struct lw_proxy_settings from = { .size = sizeof(from) };
	struct proxy_settings *proxy;
	const char *names[NAMES_MAX];
	struct lw_error error;

	(void)state;
	assert_int_equal(proxy_settings_parse(&from, &proxy, &error), -EINVAL);
	assert_non_null(strstr(error.text, "is needed"));
	from = full_proxy();
	for (size_t i = 0; i < NAMES_MAX; i++)
		names[i] = "x.example";
	from.exception_list = names;
	from.n_exceptions = LW_SETTINGS_DOMAINS_MAX + 1;
	assert_int_equal(proxy_settings_parse(&from, &proxy, &error), -EINVAL);
	from.size = 0;
	assert_int_equal(proxy_settings_parse(&from, &proxy, &error), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(domain__table),
		cmocka_unit_test(domain__length__253_at_most),
		cmocka_unit_test(domain__contains__whole_labels),
		cmocka_unit_test(dns__full__owned_and_viewed),
		cmocka_unit_test(dns__older_struct__rest_is_zero),
		cmocka_unit_test(dns__refused__table),
		cmocka_unit_test(dns__bounds_and_protocols__refused),
		cmocka_unit_test(dns__equal__every_field_counts),
		cmocka_unit_test(dns__names_that_are_asked_of_it),
		cmocka_unit_test(dns__of_a_split_tunnel__names_its_domains),
		cmocka_unit_test(addressing__what_goes_with_what),
		cmocka_unit_test(proxy__full__owned_viewed_and_compared),
		cmocka_unit_test(proxy__refused__table),
		cmocka_unit_test(proxy__nothing__refused),
	};

	return cmocka_run_group_tests_name("base/services", tests, NULL, NULL);
}
