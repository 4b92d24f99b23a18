/* SPDX-License-Identifier: MIT */
/* Control messages: round trips, every bound from both sides, and what is told about a wrong
 * one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <longwire/error.h>

#include "base/dns_settings.h"
#include "base/memory.h"
#include "base/proxy_settings.h"
#include "wire/message.h"
#include "wire/unit.h"

static const struct hello sample = {
	.version = 1,
	.layer = LW_LAYER_IP,
	.mtu = 1400,
	.max_unit = UNIT_SIZE_MAX,
	.offloads = WIRE_OFFLOAD_CHECKSUM | WIRE_OFFLOAD_TSO6,
	.rekey = WIRE_REKEY_UPDATE,
	.streams = STREAMS_MAX,
	.has_session = true,
	.session = { 0, 1, 0x7f, 0x80, 0xff, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 },
	.stream = 2,
	.succeeds = 3,
};

static int decode_hello(const char *text, struct hello *ret_hello, struct lw_error *error)
{
	return hello_decode((const uint8_t *)text, strlen(text), ret_hello, error);
}

static void assert_hello_equal(const struct hello *a, const struct hello *b)
{
	assert_int_equal(a->version, b->version);
	assert_int_equal(a->layer, b->layer);
	assert_int_equal(a->mtu, b->mtu);
	assert_int_equal(a->max_unit, b->max_unit);
	assert_int_equal(a->offloads, b->offloads);
	assert_int_equal(a->rekey, b->rekey);
	assert_int_equal(a->streams, b->streams);
	assert_int_equal(a->has_session, b->has_session);
	assert_memory_equal(a->session, b->session, SESSION_ID_SIZE);
	assert_int_equal(a->stream, b->stream);
	assert_int_equal(a->succeeds, b->succeeds);
}

static void hello__round_trip__is_equal(void **state)
{
	uint8_t data[UNIT_HELLO_MAX];
	struct hello hello;
	int n;

	(void)state;
	n = hello_encode(&sample, data, sizeof(data));
	assert_true(n > 0);
	assert_int_equal(hello_decode(data, (size_t)n, &hello, NULL), 0);
	assert_hello_equal(&hello, &sample);
}

static void hello__without_session__has_none(void **state)
{
	struct hello in = sample, out = sample;
	uint8_t data[UNIT_HELLO_MAX];
	int n;

	(void)state;
	in.has_session = false;
	in.succeeds = 0;
	n = hello_encode(&in, data, sizeof(data));
	assert_true(n > 0);
	assert_int_equal(hello_decode(data, (size_t)n, &out, NULL), 0);
	assert_false(out.has_session);
	assert_int_equal(out.succeeds, 0);
}

static void hello__room__is_enough_or_not(void **state)
{
	uint8_t data[UNIT_HELLO_MAX];
	int n = hello_encode(&sample, data, sizeof(data));

	(void)state;
	assert_int_equal(hello_encode(&sample, data, (size_t)n), n);
	assert_int_equal(hello_encode(&sample, data, (size_t)n - 1), -ENOSPC);
	assert_int_equal(hello_encode(&sample, data, 0), -ENOSPC);
}

#define HELLO(version, layer, mtu, unit, offloads, rekey, streams, more)                  \
	"{\"version\":" version ",\"layer\":" layer ",\"mtu\":" mtu ",\"max-unit\":" unit \
	",\"offloads\":" offloads ",\"rekey\":" rekey ",\"streams\":" streams more "}"
#define GOOD_SESSION "\"000102030405060708090a0b0c0d0eff\""

static void hello__accepted__table(void **state)
{
	static const char *const rows[] = {
		HELLO("1", "\"ip\"", "576", "2048", "[]", "\"stream\"", "1", ""),
		HELLO("1", "\"ethernet\"", "65535", "65571", "[]", "\"update\"", "8", ""),
		HELLO("1", "\"ip\"", "1500", "4096", "[\"later\",\"uso\"]", "\"stream\"", "1", ""),
		HELLO("1", "\"ip\"", "1500", "4096", "[]", "\"stream\"", "1",
		      ",\"session\":" GOOD_SESSION),
		HELLO("1", "\"ip\"", "1500", "4096", "[]", "\"stream\"", "1", ",\"succeeds\":8"),
		HELLO("1", "\"ip\"", "1500", "4096", "[]", "\"stream\"", "1",
		      ",\"unheard-of\":{\"a\":[1,null]}"),
		("{\"version\":1,\"layer\":\"ip\",\"mtu\":1500,\"max-unit\":4096,"
		 "\"rekey\":\"stream\",\"streams\":1}"),
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lw_error error = { 0 };
		struct hello hello;

		if (decode_hello(rows[i], &hello, &error) != 0)
			fail_msg("%s: %s", rows[i], error.text);
	}
}

static void hello__refused__table(void **state)
{
	static const struct {
		const char *text, *names;
	} rows[] = {
		{ "", "JSON" },
		{ "[]", "JSON" },
		{ "{\"version\":1", "JSON" },
		{ "{}", "version" },
		{ "{\"version\":0}", "version" },
		{ "{\"version\":1001}", "version" },
		{ "{\"version\":\"1\"}", "version" },
		{ "{\"version\":1.5}", "version" },
		{ "{\"version\":-1}", "version" },
		{ "{\"version\":1,\"version\":1}", "JSON" },
		{ HELLO("1", "\"ipv4\"", "1500", "4096", "[]", "\"stream\"", "1", ""), "layer" },
		{ HELLO("1", "2", "1500", "4096", "[]", "\"stream\"", "1", ""), "layer" },
		{ HELLO("1", "\"ip\"", "575", "4096", "[]", "\"stream\"", "1", ""), "mtu" },
		{ HELLO("1", "\"ip\"", "65536", "4096", "[]", "\"stream\"", "1", ""), "mtu" },
		{ HELLO("1", "\"ip\"", "4294968796", "4096", "[]", "\"stream\"", "1", ""), "mtu" },
		{ HELLO("1", "\"ip\"", "1500", "2047", "[]", "\"stream\"", "1", ""), "max-unit" },
		{ HELLO("1", "\"ip\"", "1500", "65572", "[]", "\"stream\"", "1", ""), "max-unit" },
		{ HELLO("1", "\"ip\"", "1500", "4096", "1", "\"stream\"", "1", ""), "offloads" },
		{ HELLO("1", "\"ip\"", "1500", "4096", "[1]", "\"stream\"", "1", ""), "offloads" },
		{ HELLO("1", "\"ip\"", "1500", "4096", "[]", "\"never\"", "1", ""), "rekey" },
		{ HELLO("1", "\"ip\"", "1500", "4096", "[]", "null", "1", ""), "rekey" },
		{ HELLO("1", "\"ip\"", "1500", "4096", "[]", "\"stream\"", "0", ""), "streams" },
		{ HELLO("1", "\"ip\"", "1500", "4096", "[]", "\"stream\"", "9", ""), "streams" },
		{ HELLO("1", "\"ip\"", "1500", "4096", "[]", "\"stream\"", "1", ",\"succeeds\":9"),
		  "succeeds" },
		{ HELLO("1", "\"ip\"", "1500", "4096", "[]", "\"stream\"", "1",
			",\"session\":\"\""),
		  "session" },
		{ HELLO("1", "\"ip\"", "1500", "4096", "[]", "\"stream\"", "1",
			",\"session\":\"000102030405060708090a0b0c0d0ef\""),
		  "session" },
		{ HELLO("1", "\"ip\"", "1500", "4096", "[]", "\"stream\"", "1",
			",\"session\":\"000102030405060708090a0b0c0d0eff0\""),
		  "session" },
		{ HELLO("1", "\"ip\"", "1500", "4096", "[]", "\"stream\"", "1",
			",\"session\":\"000102030405060708090a0b0c0d0efg\""),
		  "session" },
		{ HELLO("1", "\"ip\"", "1500", "4096", "[]", "\"stream\"", "1", ",\"session\":5"),
		  "session" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lw_error error = { 0 };
		struct hello hello = { .mtu = 77 };

		assert_int_equal(decode_hello(rows[i].text, &hello, &error), -EBADMSG);
		if (!strstr(error.text, rows[i].names))
			fail_msg("%s: told \"%s\", not %s", rows[i].text, error.text,
				 rows[i].names);
		assert_int_equal(hello.mtu, 77);
		assert_int_equal(decode_hello(rows[i].text, &hello, NULL), -EBADMSG);
	}
}

static void hello__of_another_version__tells_it_whatever_else_it_says(void **state)
{
	struct hello hello;

	(void)state;
	assert_int_equal(decode_hello("{\"version\":2,\"layer\":7}", &hello, NULL), 0);
	assert_int_equal(hello.version, 2);
	assert_int_equal(decode_hello("{\"version\":1000}", &hello, NULL), 0);
	assert_int_equal(hello.version, 1000);
}

static void hello__over_its_limit__is_not_read(void **state)
{
	uint8_t data[UNIT_HELLO_MAX + 1];
	struct hello hello;
	int n;

	(void)state;
	memset(data, ' ', sizeof(data));
	n = hello_encode(&sample, data, sizeof(data));
	memset(data + n, ' ', sizeof(data) - (size_t)n);
	assert_int_equal(hello_decode(data, UNIT_HELLO_MAX, &hello, NULL), 0);
	assert_int_equal(hello_decode(data, UNIT_HELLO_MAX + 1, &hello, NULL), -EBADMSG);
}

static void fill_offer(struct offer *offer, size_t addresses, size_t routes)
{
	*offer = (struct offer){ .mtu = 1420, .n_addresses = addresses };
	offer->n_included_routes = routes;
	offer->addresses = calloc(addresses + 1, sizeof(*offer->addresses));
	offer->included_routes = calloc(routes + 1, sizeof(*offer->included_routes));
	for (size_t i = 0; i < addresses; i++)
		snprintf(offer->addresses[i], OFFER_TEXT, "10.86.0.%zu/24", i);
	for (size_t i = 0; i < routes; i++)
		snprintf(offer->included_routes[i], OFFER_TEXT,
			 "2001:0db8:ffff:ffff:ffff:ffff:ffff:%04x/128", (unsigned)(i & 0xffff));
}

/* As many and as long as they can be. */
static void fill_services(struct offer *offer)
{
	offer->dns = calloc(1, sizeof(*offer->dns));
	offer->proxy = calloc(1, sizeof(*offer->proxy));
	offer->dns->protocol = LW_DNS_TLS;
	offer->dns->match_no_search = offer->dns->matches_all = true;
	snprintf(offer->dns->server_name, DOMAIN_TEXT_SIZE, "dns.example.net");
	for (uint8_t i = 0; i < LW_SETTINGS_DNS_SERVERS_MAX; i++)
		offer->dns->servers[offer->dns->n_servers++] =
			(struct ip_address){ AF_INET6, { 0xfd, i, [15] = 1 } };
	for (int i = 0; i < LW_SETTINGS_DOMAINS_MAX; i++) {
		snprintf(offer->dns->match.items[offer->dns->match.n++], DOMAIN_TEXT_SIZE,
			 "%063d.%063d.%063d.%061d", i, i, i, i);
		snprintf(offer->dns->search.items[offer->dns->search.n++], DOMAIN_TEXT_SIZE,
			 "d%d.example", i);
		snprintf(offer->proxy->exceptions.items[offer->proxy->exceptions.n++],
			 DOMAIN_TEXT_SIZE, "*.d%d.example", i);
	}
	snprintf(offer->proxy->http_server, PROXY_SERVER_SIZE, "proxy.example:3128");
	snprintf(offer->proxy->auto_configuration_url, PROXY_URL_SIZE, "http://h.example/%0900d",
		 0);
	offer->proxy->exclude_simple_hostnames = true;
}

static void offer__largest__fits_and_comes_back_equal(void **state)
{
	static uint8_t data[UNIT_SETTINGS_MAX];
	struct offer in, out;
	int n;

	(void)state;
	fill_offer(&in, OFFER_ADDRESSES_MAX, OFFER_ROUTES_MAX);
	fill_services(&in);
	n = offer_encode(&in, data, sizeof(data));
	assert_true(n > 0);
	assert_int_equal(offer_decode(data, (size_t)n, &out, NULL), 0);
	assert_int_equal(out.mtu, in.mtu);
	assert_string_equal(out.dns_fault, "");
	assert_string_equal(out.proxy_fault, "");
	assert_true(dns_settings_equal(in.dns, out.dns));
	assert_true(proxy_settings_equal(in.proxy, out.proxy));
	assert_int_equal(out.n_addresses, in.n_addresses);
	assert_int_equal(out.n_included_routes, in.n_included_routes);
	for (size_t i = 0; i < in.n_addresses; i++)
		assert_string_equal(out.addresses[i], in.addresses[i]);
	for (size_t i = 0; i < in.n_included_routes; i++)
		assert_string_equal(out.included_routes[i], in.included_routes[i]);
	assert_int_equal(offer_encode(&in, data, (size_t)n - 1), -ENOSPC);
	offer_done(&in);
	offer_done(&out);
}

static void offer__one_more_than_the_maximum__is_refused(void **state)
{
	static uint8_t data[UNIT_SETTINGS_MAX];
	struct offer in, out = { .mtu = 9 };
	int n;

	(void)state;
	fill_offer(&in, OFFER_ADDRESSES_MAX + 1, 0);
	n = offer_encode(&in, data, sizeof(data));
	assert_int_equal(offer_decode(data, (size_t)n, &out, NULL), -EBADMSG);
	offer_done(&in);
	fill_offer(&in, 0, OFFER_ROUTES_MAX + 1);
	n = offer_encode(&in, data, sizeof(data));
	assert_int_equal(offer_decode(data, (size_t)n, &out, NULL), -EBADMSG);
	assert_int_equal(out.mtu, 9);
	offer_done(&in);
}

static int decode_offer(const char *text, struct offer *ret_offer, struct lw_error *error)
{
	return offer_decode((const uint8_t *)text, strlen(text), ret_offer, error);
}

static void offer__empty__offers_nothing(void **state)
{
	struct offer offer;

	(void)state;
	assert_int_equal(decode_offer("{}", &offer, NULL), 0);
	assert_int_equal(offer.mtu, 0);
	assert_int_equal(offer.n_addresses, 0);
	assert_int_equal(offer.n_included_routes, 0);
	assert_null(offer.addresses);
	assert_null(offer.dns);
	assert_null(offer.proxy);
	assert_false(offer.has_unknown);
	offer_done(&offer);
	assert_int_equal(decode_offer("{\"excluded-routes\":null,\"new\":1}", &offer, NULL), 0);
	assert_true(offer.has_unknown);
	offer_done(&offer);
}

static void offer__refused__table(void **state)
{
	static const struct {
		const char *text, *names;
	} rows[] = {
		{ "{\"mtu\":\"1500\"}", "mtu" },
		{ "{\"mtu\":4294967296}", "mtu" },
		{ "{\"mtu\":-1}", "mtu" },
		{ "{\"addresses\":\"10.0.0.1\"}", "addresses" },
		{ "{\"addresses\":[10]}", "addresses" },
		{ "{\"addresses\":[\"10.0.0.1\"],\"included-routes\":{}}", "included-routes" },
		/* One byte more than the longest text. */
		{ "{\"addresses\":[\"01234567890123456789012345678901234567890123456789\"]}",
		  "addresses" },
		{ "{\"addresses\":[\"a\\u0000b\"]}", "JSON" },
		{ "{\"dns\":null}", "dns" },
		{ "{\"dns\":{\"servers\":\"10.0.0.1\"}}", "servers" },
		{ "{\"dns\":{\"match-domains-no-search\":\"true\"}}", "match-domains-no-search" },
		{ "{\"dns\":{\"protocol\":2}}", "protocol" },
		{ "{\"proxy\":[]}", "proxy" },
		{ "{\"proxy\":{\"http-server\":1}}", "http-server" },
		{ "{\"proxy\":{\"exception-list\":{}}}", "exception-list" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct offer offer = { .mtu = 77 };
		struct lw_error error = { 0 };

		assert_int_equal(decode_offer(rows[i].text, &offer, &error), -EBADMSG);
		if (!strstr(error.text, rows[i].names))
			fail_msg("%s: told \"%s\"", rows[i].text, error.text);
		assert_int_equal(offer.mtu, 77);
	}
}

/* What is well-formed and makes no sense is the client's to refuse; the session goes on. */
static void offer__senseless_services__told(void **state)
{
	static const struct {
		const char *text, *dns, *proxy;
	} rows[] = {
		{ "{\"dns\":{}}", "dns.servers", "" },
		{ "{\"dns\":{\"servers\":[\"127.0.0.53\"]}}", "127.0.0.53", "" },
		{ "{\"dns\":{\"servers\":[\"10.0.0.1\"],\"protocol\":\"https\"}}", "dns.protocol",
		  "" },
		{ "{\"dns\":{\"servers\":[\"10.0.0.1\"],\"match-domains\":[\"a b\"]}}", "a b", "" },
		{ "{\"proxy\":{}}", "", "proxy.http-server" },
		{ "{\"proxy\":{\"auto-configuration-url\":\"http://a/$(b)\"}}", "",
		  "proxy.auto-configuration-url" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct offer offer;

		assert_int_equal(decode_offer(rows[i].text, &offer, NULL), 0);
		assert_null(offer.dns);
		assert_null(offer.proxy);
		if (!strstr(offer.dns_fault, rows[i].dns) ||
		    !strstr(offer.proxy_fault, rows[i].proxy))
			fail_msg("%s: \"%s\", \"%s\"", rows[i].text, offer.dns_fault,
				 offer.proxy_fault);
		offer_done(&offer);
	}
}

static void offer__longest_text__is_taken(void **state)
{
	struct offer offer;

	(void)state;
	assert_int_equal(
		decode_offer(
			"{\"addresses\":[\"0123456789012345678901234567890123456789012345678\"]}",
			&offer, NULL),
		0);
	assert_int_equal(strlen(offer.addresses[0]), OFFER_TEXT - 1);
	offer_done(&offer);
}

static int decode_goodbye(const char *text, struct goodbye *ret_goodbye)
{
	return goodbye_decode((const uint8_t *)text, strlen(text), ret_goodbye, NULL);
}

static void goodbye__round_trip__is_equal(void **state)
{
	struct goodbye in = { .code = GOODBYE_STALLED, .text = "it lives but does not read" };
	uint8_t data[UNIT_GOODBYE_MAX];
	struct goodbye out;
	int n;

	(void)state;
	n = goodbye_encode(&in, data, sizeof(data));
	assert_true(n > 0);
	assert_int_equal(goodbye_decode(data, (size_t)n, &out, NULL), 0);
	assert_int_equal(out.code, in.code);
	assert_string_equal(out.text, in.text);
}

static void goodbye__longest_text_of_quotes__still_fits_its_unit(void **state)
{
	struct goodbye in = { .code = GOODBYE_CODE_MAX }, out;
	uint8_t data[UNIT_GOODBYE_MAX];
	int n;

	(void)state;
	memset(in.text, '"', sizeof(in.text) - 1);
	n = goodbye_encode(&in, data, sizeof(data));
	assert_true(n > 0);
	assert_int_equal(goodbye_decode(data, (size_t)n, &out, NULL), 0);
	assert_string_equal(out.text, in.text);
}

static void goodbye__what_cannot_be_printed__becomes_a_question_mark(void **state)
{
	struct goodbye out, in = { .text = "a\x1b[2Jb\n\xc3\x28" };
	uint8_t data[UNIT_GOODBYE_MAX];
	int n;

	(void)state;
	assert_int_equal(
		decode_goodbye("{\"code\":1,\"text\":\"\\u001b[1m\\n\\u007f\\u009b~ \"}", &out), 0);
	assert_string_equal(out.text, "?[1m????~ ");
	n = goodbye_encode(&in, data, sizeof(data));
	assert_true(n > 0);
	assert_int_equal(goodbye_decode(data, (size_t)n, &out, NULL), 0);
	assert_string_equal(out.text, "a?[2Jb?\?(");
}

static void goodbye__long_text__is_cut(void **state)
{
	char text[UNIT_GOODBYE_MAX + 1];
	struct goodbye out;

	(void)state;
	snprintf(text, sizeof(text), "{\"code\":7,\"text\":\"%0300d\"}", 5);
	assert_int_equal(decode_goodbye(text, &out), 0);
	assert_int_equal(strlen(out.text), GOODBYE_TEXT_SIZE - 1);
}

static void goodbye__codes__are_bounded_and_named(void **state)
{
	struct goodbye out = { .code = 55 };

	(void)state;
	assert_int_equal(decode_goodbye("{\"code\":1001}", &out), -EBADMSG);
	assert_int_equal(decode_goodbye("{\"text\":\"\"}", &out), -EBADMSG);
	assert_int_equal(decode_goodbye("{\"code\":1,\"text\":1}", &out), -EBADMSG);
	assert_int_equal(out.code, 55);
	assert_int_equal(decode_goodbye("{\"code\":1000}", &out), 0);
	assert_int_equal(out.code, 1000);
	assert_string_equal(out.text, "");
	assert_string_equal(goodbye_name(GOODBYE_REFUSED), "refused");
	assert_string_equal(goodbye_name(GOODBYE_STALLED), "stalled");
	assert_string_equal(goodbye_name(GOODBYE_STALLED + 1), "?");
	assert_string_equal(goodbye_name(UINT32_MAX), "?");
	for (uint32_t code = 0; code <= GOODBYE_STALLED; code++)
		assert_non_null(goodbye_name(code));
}

static void probe__bytes__are_big_endian(void **state)
{
	static const uint8_t expected[PROBE_SIZE] = {
		1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 1, 0,
	};
	struct probe in = { 0x0102030405060708, 9, 256 }, out;
	uint8_t data[PROBE_SIZE];

	(void)state;
	probe_encode(&in, data);
	assert_memory_equal(data, expected, sizeof(data));
	probe_decode(data, &out);
	assert_int_equal(out.sent_us, in.sent_us);
	assert_int_equal(out.echo_us, in.echo_us);
	assert_int_equal(out.held_us, in.held_us);
}

static void probe__round_trip_time__table(void **state)
{
	static const struct {
		uint64_t echo, held, now, rtt;
	} rows[] = {
		{ 0, 0, 1000, 0 },          { 1000, 0, 1000, 0 },
		{ 1000, 0, 1500, 500 },     { 1000, 400, 1500, 100 },
		{ 1000, 500, 1500, 0 },     { 1000, 501, 1500, 0 },
		{ 1501, 0, 1500, 0 },       { UINT64_MAX, UINT64_MAX, 1500, 0 },
		{ 1, UINT64_MAX, 1500, 0 }, { 1, 0, 60000001, 60000000 },
		{ 1, 0, 60000002, 0 },      { 1, 2, UINT64_MAX, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct probe probe = { .echo_us = rows[i].echo, .held_us = rows[i].held };

		assert_int_equal(probe_rtt_us(&probe, rows[i].now), rows[i].rtt);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hello__round_trip__is_equal),
		cmocka_unit_test(hello__without_session__has_none),
		cmocka_unit_test(hello__room__is_enough_or_not),
		cmocka_unit_test(hello__accepted__table),
		cmocka_unit_test(hello__refused__table),
		cmocka_unit_test(hello__of_another_version__tells_it_whatever_else_it_says),
		cmocka_unit_test(hello__over_its_limit__is_not_read),
		cmocka_unit_test(offer__largest__fits_and_comes_back_equal),
		cmocka_unit_test(offer__one_more_than_the_maximum__is_refused),
		cmocka_unit_test(offer__empty__offers_nothing),
		cmocka_unit_test(offer__refused__table),
		cmocka_unit_test(offer__senseless_services__told),
		cmocka_unit_test(offer__longest_text__is_taken),
		cmocka_unit_test(goodbye__round_trip__is_equal),
		cmocka_unit_test(goodbye__longest_text_of_quotes__still_fits_its_unit),
		cmocka_unit_test(goodbye__what_cannot_be_printed__becomes_a_question_mark),
		cmocka_unit_test(goodbye__long_text__is_cut),
		cmocka_unit_test(goodbye__codes__are_bounded_and_named),
		cmocka_unit_test(probe__bytes__are_big_endian),
		cmocka_unit_test(probe__round_trip_time__table),
	};

	return cmocka_run_group_tests_name("wire/message", tests, NULL, NULL);
}
