/* SPDX-License-Identifier: MIT */
/* Addresses, prefixes and endpoints: what is read, what is refused, what is special. */
#include "base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

#include "base/memory.h"

static void ip_prefix__valid__round_trips(void **state)
{
	static const char *const same[] = { "0.0.0.0/0", "10.86.0.1/24", "255.255.255.255/32",
					    "::/0",      "fd86::1/64",   "2001:db8::/128" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		char text[IP_PREFIX_TEXT_SIZE];
		struct ip_prefix prefix;

		assert_int_equal(ip_prefix_parse(same[i], &prefix), 0);
		assert_string_equal(ip_prefix_format(&prefix, text), same[i]);
	}
}

static void ip_prefix__without_length__is_whole_address(void **state)
{
	struct ip_prefix prefix;

	(void)state;
	assert_int_equal(ip_prefix_parse("10.0.0.1", &prefix), 0);
	assert_int_equal(prefix.length, 32);
	assert_int_equal(ip_prefix_parse("fd86::1", &prefix), 0);
	assert_int_equal(prefix.length, 128);
}

static void ip_prefix__invalid__refused_untouched(void **state)
{
	static const char *const bad[] = {
		"",
		"/",
		"/8",
		"10.0.0.0/",
		"10.0.0.0/33",
		"10.0.0.0/-1",
		"10.0.0.0/08",
		"10.0.0.0/8 ",
		" 10.0.0.0/8",
		"10.0.0/8",
		"10",
		"010.0.0.1",
		"0x0a.0.0.1",
		"256.0.0.1",
		"1.2.3.4.5",
		"10.0.0.0/8/8",
		"::1/129",
		"::1%lo",
		"[::1]",
		":::",
		"12345::",
		"1:2:3:4:5:6:7:8:9",
		"host",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa:",
	};
	struct ip_prefix prefix = { .length = 77 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (ip_prefix_parse(bad[i], &prefix) != -EINVAL)
			fail_msg("\"%s\" was read", bad[i]);
	assert_int_equal(prefix.length, 77);
}

static void ip_address__length_in_text__refused(void **state)
{
	struct ip_address address;

	(void)state;
	assert_int_equal(ip_address_parse("10.0.0.1/32", &address), -EINVAL);
	assert_int_equal(ip_address_parse("fd86::1/128", &address), -EINVAL);
}

static void mac_address__table__read_or_refused(void **state)
{
	static const char *const bad[] = { "",
					   ":",
					   "02:5e:1c:12:34",
					   "02:5e:1c:12:34:",
					   "02:5e:1c:12:34:56:78",
					   "02-5e-1c-12-34-56",
					   "025e1c123456",
					   "02:5e:1c:12:34:5g",
					   "002:5e:1c:12:34:56",
					   "02:5e:1c:12:34:56 ",
					   "02::1c:12:34:56" };
	char text[MAC_TEXT_SIZE];
	struct mac_address mac;

	(void)state;
	assert_int_equal(mac_address_parse("02:5E:1c:2:0:56", &mac), 0);
	assert_string_equal(mac_address_format(&mac, text), "02:5e:1c:02:00:56");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (mac_address_parse(bad[i], &mac) != -EINVAL)
			fail_msg("\"%s\" was read", bad[i]);
}

static void mac_address__kinds__told_apart(void **state)
{
	struct mac_address zero = { { 0 } }, broadcast, multicast, unicast;

	(void)state;
	memset(&broadcast, 0xff, sizeof(broadcast));
	mac_address_parse("33:33:0:0:0:1", &multicast);
	mac_address_parse("02:0:0:0:0:0", &unicast);
	assert_true(mac_address_is_zero(&zero));
	assert_false(mac_address_is_zero(&unicast));
	assert_true(mac_address_is_group(&broadcast));
	assert_true(mac_address_is_group(&multicast));
	assert_false(mac_address_is_group(&unicast));
}

static void endpoint__valid__split(void **state)
{
	static const struct {
		const char *text, *host;
		unsigned port;
	} rows[] = {
		{ "hub.example.net:8443", "hub.example.net", 8443 },
		{ "hub:1", "hub", 1 },
		{ "192.0.2.1:65535", "192.0.2.1", 65535 },
		{ "[::]:8443", "::", 8443 },
		{ "[2001:db8::1]:443", "2001:db8::1", 443 },
		{ "xn--bcher-kva.example:8443", "xn--bcher-kva.example", 8443 },
		{ "h_0.example:8443", "h_0.example", 8443 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		char host[ENDPOINT_HOST_SIZE];
		uint16_t port;

		assert_int_equal(endpoint_parse(rows[i].text, false, host, &port), 0);
		assert_string_equal(host, rows[i].host);
		assert_int_equal(port, rows[i].port);
	}
}

static void endpoint__invalid__refused(void **state)
{
	static const char *const bad[] = { "",
					   ":",
					   ":8443",
					   "hub",
					   "hub:",
					   "hub:0",
					   "hub:65536",
					   "hub:08443",
					   "hub:-1",
					   "hub:+1",
					   "hub: 1",
					   "hub:1 ",
					   " hub:1",
					   "::1:8443",
					   "[::1]",
					   "[::1]8443",
					   "[::1:8443",
					   "::1]:8443",
					   "[hub]:8443",
					   "[1.2.3.4]:8443",
					   "[fe80::1%eth0]:1",
					   "[]:1",
					   "127.1:80",
					   "1:80",
					   "0x7f000001:80",
					   "host.0x1:80",
					   "host.12:80",
					   "256.1.1.1:80",
					   "a..b:80",
					   "-a:80",
					   ".a:80",
					   "a/b:80",
					   "a b:80",
					   "a\nb:80",
					   ("b\xc3\xbc"
					    "cher:80") };
	char host[ENDPOINT_HOST_SIZE] = "untouched";
	uint16_t port = 77;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (endpoint_parse(bad[i], false, host, &port) != -EINVAL)
			fail_msg("\"%s\" was read", bad[i]);
	assert_string_equal(host, "untouched");
	assert_int_equal(port, 77);
}

static void endpoint__port_zero__only_if_allowed(void **state)
{
	char host[ENDPOINT_HOST_SIZE];
	uint16_t port;

	(void)state;
	assert_int_equal(endpoint_parse("127.0.0.1:0", true, host, &port), 0);
	assert_int_equal(port, 0);
	assert_int_equal(endpoint_parse("127.0.0.1:0", false, host, &port), -EINVAL);
}

static void endpoint__host_length__bounded(void **state)
{
	char text[ENDPOINT_HOST_SIZE + 8], host[ENDPOINT_HOST_SIZE];
	uint16_t port;

	(void)state;
	memset(text, 'a', sizeof(text));
	memcpy(text + ENDPOINT_HOST_SIZE - 1, ":1", 3);
	assert_int_equal(endpoint_parse(text, false, host, &port), 0);
	assert_int_equal(strlen(host), ENDPOINT_HOST_SIZE - 1);
	text[ENDPOINT_HOST_SIZE - 1] = 'a';
	memcpy(text + ENDPOINT_HOST_SIZE, ":1", 3);
	assert_int_equal(endpoint_parse(text, false, host, &port), -EINVAL);
}

static void ip_prefix_contains__table__agrees(void **state)
{
	static const struct {
		const char *prefix, *address;
		bool contains;
	} rows[] = {
		{ "10.86.0.0/24", "10.86.0.255", true },
		{ "10.86.0.0/24", "10.86.1.0", false },
		{ "10.86.0.77/24", "10.86.0.1", true },
		{ "0.0.0.0/0", "255.255.255.255", true },
		{ "0.0.0.0/0", "::", false },
		{ "::/0", "0.0.0.0", false },
		{ "10.0.0.1/32", "10.0.0.1", true },
		{ "10.0.0.1/32", "10.0.0.0", false },
		{ "10.0.0.0/31", "10.0.0.1", true },
		{ "128.0.0.0/1", "127.255.255.255", false },
		{ "fd86::/65", "fd86::7fff:0:0:0", true },
		{ "fd86::/65", "fd86::8000:0:0:0", false },
		{ "fd86::1/128", "fd86::1", true },
		{ "fd86::1/128", "fd86::", false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct ip_address address;
		struct ip_prefix prefix;

		assert_int_equal(ip_prefix_parse(rows[i].prefix, &prefix), 0);
		assert_int_equal(ip_address_parse(rows[i].address, &address), 0);
		if (ip_prefix_contains(&prefix, &address) != rows[i].contains)
			fail_msg("%s in %s", rows[i].address, rows[i].prefix);
	}
}

static void ip_prefix_network__every_length__clears_host_bits(void **state)
{
	struct ip_prefix all = { .address = { .family = AF_INET6 } };

	(void)state;
	memset(all.address.bytes, 0xff, 16);
	for (unsigned length = 0; length <= 128; length++) {
		struct ip_prefix network;
		unsigned bits = 0;

		all.length = (uint8_t)length;
		network = ip_prefix_network(&all);
		for (unsigned i = 0; i < 16; i++)
			bits += (unsigned)__builtin_popcount(network.address.bytes[i]);
		assert_int_equal(bits, length);
		assert_true(ip_prefix_contains(&network, &all.address));
		assert_int_equal(ip_prefix_equal(&network, &all), length == 128);
	}
}

static void ip_address_is_special__table__agrees(void **state)
{
	static const char *const special[] = {
		"0.0.0.0",   "0.1.2.3",         "127.0.0.1",       "127.255.255.255",
		"224.0.0.1", "239.255.255.255", "255.255.255.255", "::",
		"::1",       "ff02::1",         "::ffff:10.0.0.1"
	};
	static const char *const normal[] = { "1.0.0.0",    "10.86.0.2",       "126.255.255.255",
					      "128.0.0.1",  "223.255.255.255", "255.255.255.254",
					      "::2",        "fe80::1",         "fd86::1",
					      "2001:db8::1" };
	struct ip_address address;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(special); i++) {
		assert_int_equal(ip_address_parse(special[i], &address), 0);
		if (!ip_address_is_special(&address))
			fail_msg("%s", special[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(normal); i++) {
		assert_int_equal(ip_address_parse(normal[i], &address), 0);
		if (ip_address_is_special(&address))
			fail_msg("%s", normal[i]);
	}
}

static void sockaddr__families__formatted(void **state)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(8443) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(443) };
	struct sockaddr_un local = { .sun_family = AF_UNIX };
	struct ip_address address;
	char text[80];

	(void)state;
	inet_pton(AF_INET, "192.0.2.1", &v4.sin_addr);
	sockaddr_format((struct sockaddr *)&v4, text, sizeof(text));
	assert_string_equal(text, "192.0.2.1:8443");
	inet_pton(AF_INET6, "2001:db8::1", &v6.sin6_addr);
	sockaddr_format((struct sockaddr *)&v6, text, sizeof(text));
	assert_string_equal(text, "[2001:db8::1]:443");
	inet_pton(AF_INET6, "::ffff:192.0.2.7", &v6.sin6_addr);
	sockaddr_format((struct sockaddr *)&v6, text, sizeof(text));
	assert_string_equal(text, "192.0.2.7:443");
	assert_int_equal(ip_address_of_sockaddr((struct sockaddr *)&v6, &address), 0);
	assert_int_equal(address.family, AF_INET);
	sockaddr_format((struct sockaddr *)&local, text, sizeof(text));
	assert_string_equal(text, "unix");
	assert_int_equal(ip_address_of_sockaddr((struct sockaddr *)&local, &address),
			 -EAFNOSUPPORT);
	sockaddr_format((struct sockaddr *)&v4, text, 8);
	assert_string_equal(text, "192.0.2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ip_prefix__valid__round_trips),
		cmocka_unit_test(ip_prefix__without_length__is_whole_address),
		cmocka_unit_test(ip_prefix__invalid__refused_untouched),
		cmocka_unit_test(ip_address__length_in_text__refused),
		cmocka_unit_test(mac_address__table__read_or_refused),
		cmocka_unit_test(mac_address__kinds__told_apart),
		cmocka_unit_test(endpoint__valid__split),
		cmocka_unit_test(endpoint__invalid__refused),
		cmocka_unit_test(endpoint__port_zero__only_if_allowed),
		cmocka_unit_test(endpoint__host_length__bounded),
		cmocka_unit_test(ip_prefix_contains__table__agrees),
		cmocka_unit_test(ip_prefix_network__every_length__clears_host_bits),
		cmocka_unit_test(ip_address_is_special__table__agrees),
		cmocka_unit_test(sockaddr__families__formatted),
	};

	return cmocka_run_group_tests_name("base/address", tests, NULL, NULL);
}
