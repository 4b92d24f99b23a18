/* SPDX-License-Identifier: MIT */
/* Capture filters: what is admitted, what is refused, and that nothing is ever looked up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <string.h>

#include <longwire/capture.h>
#include <longwire/error.h>

#include "base/memory.h"
#include "capture/filter.h"
#include "support/resolver_spy.h"

static const char *const admitted[] = {
	"arp",
	"arp or port 67",
	"host 10.0.0.1",
	"net 10.0.0.0/8",
	"net 10",
	"net 192.168",
	"net 10.0.0.0 mask 255.0.0.0",
	"ip6 host fe80::1",
	"ip6 host 2001:db8:1:2:3:4:5:6",
	"ip6 net 2001:db8::/32",
	"host ::",
	"ether host 02:00:00:00:00:01",
	"ether src 0:1:2:3:4:ff",
	"ether proto 0x88cc",
	"ether[0] & 1 = 0 and ip[16] >= 224",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
	"ip[6:2] & 0x1fff = 0",
	"ip[6 : 2] & 0x1fff == 0",
	"icmp6[icmp6type] == icmp6-neighborsolicit",
	"icmp[icmptype] != icmp-echo",
	"vlan 10 and ip",
	"vlan and vlan and arp",
	"portrange 6000-6008",
	"tcp dst portrange 1-65535",
	"ip proto 6",
	"len > 100 && !arp || udp",
	"less 60 or greater 1500",
	"ether broadcast",
	"ip multicast",
	"len - 14 > 1500",
	"mpls 1024 and ip",
	"",
};

static const char *const refused[] = {
	"host example.com",
	"host localhost",
	"example",
	"host fe80",
	"host a.b",
	"host 10.0.0.1.5",
	"host 1.2.3.4x",
	"port http",
	"port bootps",
	"ip proto \\tcp",
	"host \\tcp",
	"gateway router",
	"net loopback",
	"ether host printer",
	"host 6000-6008",
	"portrange a-b",
	"portrange 1-2-3",
	"portrange -2",
	"portrange 1-",
	"portrange 6000-6008 or 7000-7008",
	"TCP",
	"tcp-",
	"tcp-sin",
	"ether host 1:2:3:4:5:abcdef",
	"ether host 1:2:3:4:5:6tcp",
	"host ::0x1f",
	"host ::ffff:1.2.3.4",
	"host fe80::1%eth0x",
	"host 1::2::3",
	"host 12345::",
	"0x",
	"0xg",
	"ip[0:x]",
	"ip[a:2]",
	"ether host 00-11-22-33-44-55",
	"ether host aabb.2233.4455",
	"$0a",
	"ip protochain 6",
	"inbound",
	"on eth0",
	"host _x",
	"host .x",
	"arp \"and\"",
	"host caf\xc3\xa9",
	"arp, ip",
	"arp;ip",
	"arp\vip",
};

static void filter_check__only_known_words__admitted(void **state)
{
	struct lw_error error;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(admitted); i++) {
		error.text[0] = '\0';
		if (filter_check(admitted[i], &error) != 0)
			fail_msg("'%s': %s", admitted[i], error.text);
	}
}

static void filter_new__only_known_words__compiled_without_lookup(void **state)
{
	struct lw_error error;

	(void)state;
	resolver_spy_lookups = 0;
	for (size_t i = 0; i < ARRAY_SIZE(admitted); i++) {
		struct filter *filter;

		error.text[0] = '\0';
		if (filter_new(LW_LAYER_ETHERNET, admitted[i], &filter, &error) != 0)
			fail_msg("'%s': %s", admitted[i], error.text);
		filter_free(filter);
	}
	assert_int_equal(resolver_spy_lookups, 0);
}

static void filter_new__anything_like_a_name__refused_without_lookup(void **state)
{
	(void)state;
	resolver_spy_lookups = 0;
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		struct filter *filter = NULL;
		struct lw_error error = { .domain = LW_DOMAIN_NONE };

		if (filter_new(LW_LAYER_ETHERNET, refused[i], &filter, &error) != -EINVAL)
			fail_msg("'%s' was admitted", refused[i]);
		assert_null(filter);
		assert_int_equal(error.domain, LW_DOMAIN_CONFIGURATION);
		assert_non_null(strstr(error.text, "capture filter: "));
	}
	assert_int_equal(resolver_spy_lookups, 0);
}

/* Without our check libpcap does look up: the spy sees what it is there to see. */
static void resolver_spy__libpcap_alone__sees_lookups(void **state)
{
	static const char *const names[] = { "host example.com", "net example",
					     "ip proto \\example", "ether host example" };
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		struct bpf_program program;

		resolver_spy_lookups = 0;
		assert_int_equal(pcap_compile(pcap, &program, names[i], 1, 0), -1);
		assert_true(resolver_spy_lookups > 0);
	}
	pcap_close(pcap);
}

static void filter_new__wrong_expression__quoted_with_the_place(void **state)
{
	static const struct {
		const char *text, *said;
	} wrong[] = {
		{ "arp or or", "\"arp or or\": syntax error after \"arp\", at \"or or\"; see" },
		{ "arp and", "\"arp and\": syntax error after \"arp\", at \"and\"; see" },
		{ "tcp port 80)", "syntax error after \"tcp port 80\", at \")\"; see" },
		{ "(((", "\"(((\": syntax error, at \"(((\"; see pcap-filter(7)" },
		{ "ip[", "syntax error after \"ip\", at \"[\"; see" },
		{ "-", "syntax error, at \"-\"; see" },
		{ "host example.net", "\"host example.net\": \"example.net\": names are not" },
		{ "arp or $x", "\"arp or $x\": character 0x24 is not allowed" },
		{ "arp or \n\xff", "character 0xff is not allowed" },
		{ "port 70000", "\"port 70000\": illegal port number 70000" },
		{ "host 300.1.1.1", "300.1.1.1" },
		{ "vlan 5000", "5000" },
		{ "host", "\"host\": " },
	};
	struct lw_error error;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct filter *filter = NULL;

		assert_int_equal(filter_new(LW_LAYER_ETHERNET, wrong[i].text, &filter, &error),
				 -EINVAL);
		assert_null(filter);
		assert_ptr_equal(strstr(error.text, "capture filter: \""), error.text);
		if (!strstr(error.text, wrong[i].said))
			fail_msg("%s: %s", wrong[i].text, error.text);
	}
}

/* However long: what is quoted is bounded, and where is searched near the beginning only. */
static void filter_new__long_wrong_expression__a_line_of_it_quoted(void **state)
{
	static char text[LW_CAPTURE_FILTER_MAX + 1];
	struct filter *filter = NULL;
	struct lw_error error;
	size_t length = 0;

	(void)state;
	while (length < 7 * 200)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "arp or ");
	assert_int_equal(filter_new(LW_LAYER_ETHERNET, text, &filter, &error), -EINVAL);
	assert_non_null(strstr(error.text, "...\": syntax error after \"arp or arp or "));
	assert_non_null(strstr(error.text, "...\"; see pcap-filter(7)"));
	assert_true(strlen(error.text) < LW_ERROR_TEXT_SIZE - 1);
}

static void filter_check__length__bounded_on_both_sides(void **state)
{
	static char text[LW_CAPTURE_FILTER_MAX + 2];
	struct lw_error error;

	(void)state;
	memset(text, ' ', LW_CAPTURE_FILTER_MAX);
	memcpy(text, "arp", 3);
	assert_int_equal(filter_check(text, &error), 0);
	text[LW_CAPTURE_FILTER_MAX] = ' ';
	assert_int_equal(filter_check(text, &error), -E2BIG);
	assert_non_null(strstr(error.text, "4096"));
}

/* first and so many of next, n in all. Return: what became of it. */
static int try_many(const char *first, const char *next, unsigned n, struct lw_error *error)
{
	static char text[LW_CAPTURE_FILTER_MAX + 1];
	size_t length = (size_t)snprintf(text, sizeof(text), "%s", first);
	struct filter *filter = NULL;
	int r;

	while (--n > 0)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s", next);
	assert_true(length < sizeof(text));
	r = filter_new(LW_LAYER_ETHERNET, text, &filter, error);
	assert_int_equal(r == 0, filter != NULL);
	filter_free(filter);
	return r;
}

static void filter_new__too_many_words__refused_before_libpcap(void **state)
{
	struct lw_error error;

	(void)state;
	/* Of any way to write it; by libpcap the longest would take seconds. */
	assert_int_equal(try_many("port 1", "||2", FILTER_OPERANDS_MAX + 1, &error), -E2BIG);
	assert_non_null(strstr(error.text, "allowed are 128 numbers and addresses and 512 words"));
	assert_int_equal(try_many("port 1", "||2", 1300, &error), -E2BIG);
	assert_int_equal(try_many("ip", "||ip", FILTER_KEYWORDS_MAX + 1, &error), -E2BIG);
	assert_non_null(strstr(error.text, "512 words"));
	assert_int_equal(try_many("ip", "||ip", 100, &error), 0);
	assert_int_equal(try_many("host 10.0.0.1", "||10.0.0.2", 20, &error), 0);
}

static void filter_new__program_too_long__refused(void **state)
{
	struct lw_error error;

	(void)state;
	assert_int_equal(try_many("port 1", " or port 2", FILTER_OPERANDS_MAX, &error), -E2BIG);
	assert_non_null(strstr(error.text, "too complex; allowed are 4096 instructions"));
}

static void filter_new__deep_parentheses__error_or_filter_but_no_crash(void **state)
{
	static char text[LW_CAPTURE_FILTER_MAX + 1];
	struct filter *filter = NULL;
	int r;

	(void)state;
	memset(text, '(', LW_CAPTURE_FILTER_MAX);
	r = filter_new(LW_LAYER_ETHERNET, text, &filter, NULL);
	assert_true(r == -EINVAL || r == -E2BIG);
	assert_null(filter);
}

static void filter_matches__frames__by_their_bytes(void **state)
{
	static const uint8_t arp[42] = { [0] = 0xff, [12] = 0x08, [13] = 0x06 };
	static const uint8_t ip[34] = { [12] = 0x08, [14] = 0x45 };
	struct filter *filter;

	(void)state;
	assert_int_equal(filter_new(LW_LAYER_ETHERNET, "arp", &filter, NULL), 0);
	assert_true(filter_matches(filter, arp, sizeof(arp)));
	assert_false(filter_matches(filter, ip, sizeof(ip)));
	assert_false(filter_matches(filter, arp, 13));
	assert_false(filter_matches(filter, arp, 0));
	filter_free(filter);
	assert_int_equal(filter_new(LW_LAYER_ETHERNET, "", &filter, NULL), 0);
	assert_true(filter_matches(filter, ip, sizeof(ip)));
	filter_free(filter);
	filter_free(NULL);
}

static void filter_new__ip_layer__sees_packets_without_frames(void **state)
{
	static const uint8_t udp[28] = { [0] = 0x45, [3] = 28, [9] = 17, [23] = 67 };
	struct filter *filter;

	(void)state;
	assert_int_equal(filter_new(LW_LAYER_IP, "udp dst port 67", &filter, NULL), 0);
	assert_true(filter_matches(filter, udp, sizeof(udp)));
	filter_free(filter);
	assert_int_equal(filter_new(LW_LAYER_IP, "udp dst port 68", &filter, NULL), 0);
	assert_false(filter_matches(filter, udp, sizeof(udp)));
	filter_free(filter);
	assert_int_equal(filter_new(LW_LAYER_IP, "ether host 1:2:3:4:5:6", &filter, NULL), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(filter_check__only_known_words__admitted),
		cmocka_unit_test(filter_new__only_known_words__compiled_without_lookup),
		cmocka_unit_test(filter_new__anything_like_a_name__refused_without_lookup),
		cmocka_unit_test(resolver_spy__libpcap_alone__sees_lookups),
		cmocka_unit_test(filter_new__wrong_expression__quoted_with_the_place),
		cmocka_unit_test(filter_new__long_wrong_expression__a_line_of_it_quoted),
		cmocka_unit_test(filter_check__length__bounded_on_both_sides),
		cmocka_unit_test(filter_new__too_many_words__refused_before_libpcap),
		cmocka_unit_test(filter_new__program_too_long__refused),
		cmocka_unit_test(filter_new__deep_parentheses__error_or_filter_but_no_crash),
		cmocka_unit_test(filter_matches__frames__by_their_bytes),
		cmocka_unit_test(filter_new__ip_layer__sees_packets_without_frames),
	};

	return cmocka_run_group_tests_name("capture/filter", tests, NULL, NULL);
}
