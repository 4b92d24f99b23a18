/* SPDX-License-Identifier: MIT */
/* Capture filters: which expressions are admitted, and their compilation by libpcap. */
#include "capture/filter.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pcap/pcap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <longwire/capture.h>
#include <longwire/error.h>

#include "base/error.h"
#include "base/memory.h"

/*
 * Words that libpcap 1.10 and later know and never look up. Left out on purpose: gateway and the
 * names of WLAN, pf and ATM, which take names; inbound, outbound and ifindex, which a packet in
 * memory does not have; protochain, which loops.
 */
static const char keywords[] =
	"aarp ah and arp atalk broadcast carp clnp csnp decnet dst es-is esis esp "
	"ether geneve greater host icmp icmp-echo icmp-echoreply icmp-ireq "
	"icmp-ireqreply icmp-maskreply icmp-maskreq icmp-paramprob icmp-redirect "
	"icmp-routeradvert icmp-routersolicit icmp-sourcequench icmp-timxceed "
	"icmp-tstamp icmp-tstampreply icmp-unreach icmp6 icmp6-echo icmp6-echoreply "
	"icmp6-neighboradvert icmp6-neighborsolicit icmp6-redirect icmp6-routeradvert "
	"icmp6-routersolicit icmp6code icmp6type icmpcode icmptype igmp igrp iih ip "
	"ip6 ipx is-is isis iso l1 l2 lat len length less link llc lsp mask mopdl "
	"moprc mpls multicast net netbeui not or pim port portrange pppoed pppoes "
	"proto psnp rarp sca sctp snp src stp tcp tcp-ack tcp-cwr tcp-ece tcp-fin "
	"tcp-push tcp-rst tcp-syn tcp-urg tcpflags udp vlan vrrp ";

struct filter {
	struct bpf_program program;
};

/* One run of characters of the expression. */
struct word {
	const char *text;
	size_t length;
};

/* Of an expression in an error. */
enum { QUOTED_MAX = 100 };

static const char digits[] = "0123456789";
static const char hex_digits[] = "0123456789abcdefABCDEF";
static const char word_characters[] =
	"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-:";
static const char operators[] = " \r\n\t+-*/%[]!<>()&|^=";

static bool word_is(struct word word, const char *text)
{
	return strlen(text) == word.length && memcmp(text, word.text, word.length) == 0;
}

static bool is_keyword(struct word word)
{
	const char *keyword = keywords;

	while (*keyword) {
		size_t length = strcspn(keyword, " ");

		if (length == word.length && memcmp(keyword, word.text, length) == 0)
			return true;
		keyword += length + 1;
	}
	return false;
}

/* Return: the bytes of a decimal or hexadecimal number at text, at most length; 0: none. */
static size_t number_length(const char *text, size_t length)
{
	bool is_hex = length > 2 && text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *allowed = is_hex ? hex_digits : digits;
	size_t begin = is_hex ? 2 : 0;
	size_t n = begin;

	while (n < length && strchr(allowed, text[n]))
		n++;
	return n > begin ? n : 0;
}

/* N, N.N, N.N.N or N.N.N.N: numbers and (parts of) IPv4 addresses. A fifth number would make a name
 * of it. */
static bool is_dotted_number(struct word word)
{
	size_t offset = 0;

	for (unsigned parts = 1; parts <= 4; parts++) {
		size_t n = number_length(word.text + offset, word.length - offset);

		if (n == 0)
			return false;
		offset += n;
		if (offset == word.length)
			return true;
		if (word.text[offset++] != '.')
			return false;
	}
	return false;
}

static bool is_decimal(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
	}
	return true;
}

static bool is_number_range(struct word word)
{
	const char *dash = memchr(word.text, '-', word.length);
	size_t first = dash ? (size_t)(dash - word.text) : 0;

	return first > 0 && first + 1 < word.length && is_decimal(word.text, first) &&
	       is_decimal(dash + 1, word.length - first - 1);
}

static bool is_mac(struct word word)
{
	size_t offset = 0;

	for (unsigned group = 0; group < 6; group++) {
		size_t n = 0;

		if (group > 0 && (offset >= word.length || word.text[offset++] != ':'))
			return false;
		while (offset < word.length && n < 2 && strchr(hex_digits, word.text[offset])) {
			offset++;
			n++;
		}
		if (n == 0)
			return false;
	}
	return offset == word.length;
}

/* Without a dotted part, so that no two scanners differ about where it ends. */
static bool is_ipv6(struct word word)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (word.length >= sizeof(text) || memchr(word.text, '.', word.length))
		return false;
	memcpy(text, word.text, word.length);
	text[word.length] = '\0';
	return inet_pton(AF_INET6, text, &address) == 1;
}

static bool is_slice(struct word word)
{
	const char *colon = memchr(word.text, ':', word.length);
	size_t before = (size_t)(colon - word.text);

	return is_decimal(word.text, before) && is_decimal(colon + 1, word.length - before - 1);
}

static bool is_admitted(struct word word, struct word previous)
{
	if (memchr(word.text, ':', word.length))
		return is_slice(word) || is_mac(word) || is_ipv6(word);
	if (is_keyword(word) || is_dotted_number(word))
		return true;
	return word_is(previous, "portrange") && is_number_range(word);
}

/* The expression that an error is about, of which one line is enough. */
struct quoted {
	char text[QUOTED_MAX + 6];
};

static struct quoted quote(const char *text, size_t length)
{
	bool is_long = length > QUOTED_MAX;
	struct quoted quoted;

	snprintf(quoted.text, sizeof(quoted.text), "\"%.*s%s\"",
		 (int)(is_long ? QUOTED_MAX : length), text, is_long ? "..." : "");
	return quoted;
}

static int refuse_word(const char *text, struct word word, struct lw_error *ret_error)
{
	return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
			 "capture filter: %s: %s: names are not looked up; allowed are keywords of "
			 "pcap-filter(7), numbers and addresses",
			 quote(text, strlen(text)).text, quote(word.text, word.length).text);
}

static int refuse_character(const char *text, char character, struct lw_error *ret_error)
{
	return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
			 "capture filter: %s: character 0x%02x is not allowed",
			 quote(text, strlen(text)).text, (unsigned char)character);
}

/* Return: the run of characters at text; of no length: an operator, or what is none. */
static struct word word_at(const char *text)
{
	/* A dash at the beginning of a word is the operator. */
	return (struct word){ text, *text == '-' ? 0 : strspn(text, word_characters) };
}

static int refuse_many(const char *text, struct lw_error *ret_error)
{
	return error_set(ret_error, -E2BIG, LW_DOMAIN_CONFIGURATION, E2BIG,
			 "capture filter: %s: too complex; allowed are %d numbers and addresses "
			 "and %d words",
			 quote(text, strlen(text)).text, FILTER_OPERANDS_MAX, FILTER_KEYWORDS_MAX);
}

int filter_check(const char *text, struct lw_error *ret_error)
{
	struct word previous = { "", 0 };
	unsigned operands = 0, keywords_seen = 0;
	const char *at = text;

	if (strlen(text) > LW_CAPTURE_FILTER_MAX)
		return error_set(ret_error, -E2BIG, LW_DOMAIN_CONFIGURATION, E2BIG,
				 "capture filter: longer than %d bytes", LW_CAPTURE_FILTER_MAX);
	while (*at) {
		struct word word = word_at(at);

		if (word.length == 0) {
			if (!strchr(operators, *at))
				return refuse_character(text, *at, ret_error);
			at++;
			continue;
		}
		if (!is_admitted(word, previous))
			return refuse_word(text, word, ret_error);
		++*(is_keyword(word) ? &keywords_seen : &operands);
		previous = word;
		at += word.length;
	}
	if (operands > FILTER_OPERANDS_MAX || keywords_seen > FILTER_KEYWORDS_MAX)
		return refuse_many(text, ret_error);
	return 0;
}

static uint64_t thread_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Return: how many bytes at the beginning of text are an expression by themselves; 0: none. */
static size_t understood(pcap_t *pcap, const char *text)
{
	uint64_t start_ns = thread_ns();
	char begin[QUOTED_MAX + 1];
	size_t end = 0, best = 0;

	while (text[end]) {
		struct bpf_program program;

		end += MAX(word_at(text + end).length, (size_t)1);
		if (end > QUOTED_MAX ||
		    thread_ns() - start_ns > FILTER_COMPILE_MS_MAX * UINT64_C(1000000))
			break;
		memcpy(begin, text, end);
		begin[end] = '\0';
		if (pcap_compile(pcap, &program, begin, false, PCAP_NETMASK_UNKNOWN) < 0)
			continue;
		pcap_freecode(&program);
		best = begin[end - 1] == ' ' ? best : end;
	}
	return best;
}

/* libpcap names what it does not like but for errors of syntax: of these it does not even say where. */
static int refuse_expression(pcap_t *pcap, const char *text, struct lw_error *ret_error)
{
	struct quoted whole = quote(text, strlen(text)), begin;
	char why[PCAP_ERRBUF_SIZE];
	size_t end;

	snprintf(why, sizeof(why), "%s", pcap_geterr(pcap));
	if (!strstr(why, "syntax error"))
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "capture filter: %s: %.200s", whole.text, why);
	end = understood(pcap, text);
	begin = quote(text, end);
	text += end;
	text += strspn(text, " ");
	return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
			 "capture filter: %s: syntax error%s%s%s%s; see pcap-filter(7)", whole.text,
			 end ? " after " : "", end ? begin.text : "", *text ? ", at " : "",
			 *text ? quote(text, strlen(text)).text : "");
}

static int compile(pcap_t *pcap, const char *text, bool optimise, struct bpf_program *ret_program,
		   struct lw_error *ret_error)
{
	if (pcap_compile(pcap, ret_program, text, optimise, PCAP_NETMASK_UNKNOWN) < 0)
		return refuse_expression(pcap, text, ret_error);
	return 0;
}

static int compile_within_limits(pcap_t *pcap, const char *text, struct bpf_program *ret_program,
				 struct lw_error *ret_error)
{
	uint64_t start_ns = thread_ns();
	struct bpf_program program;
	int r;

	r = compile(pcap, text, false, &program, ret_error);
	if (r < 0)
		return r;
	if (program.bf_len <= FILTER_OPTIMISED_INSTRUCTIONS) {
		pcap_freecode(&program);
		r = compile(pcap, text, true, &program, ret_error);
		if (r < 0)
			return r;
	}
	if (program.bf_len > FILTER_INSTRUCTIONS_MAX ||
	    thread_ns() - start_ns > FILTER_COMPILE_MS_MAX * UINT64_C(1000000)) {
		pcap_freecode(&program);
		return error_set(ret_error, -E2BIG, LW_DOMAIN_CONFIGURATION, E2BIG,
				 "capture filter: %s: too complex; allowed are %d instructions and "
				 "%d ms to compile",
				 quote(text, strlen(text)).text, FILTER_INSTRUCTIONS_MAX,
				 FILTER_COMPILE_MS_MAX);
	}
	*ret_program = program;
	return 0;
}

int filter_new(enum lw_layer layer, const char *text, struct filter **ret_filter,
	       struct lw_error *ret_error)
{
	struct filter *filter;
	pcap_t *pcap;
	int r;

	r = filter_check(text, ret_error);
	if (r < 0)
		return r;
	filter = calloc(1, sizeof(*filter));
	pcap = pcap_open_dead(layer == LW_LAYER_IP ? DLT_RAW : DLT_EN10MB, 262144);
	if (filter && pcap)
		r = compile_within_limits(pcap, text, &filter->program, ret_error);
	else
		r = error_errno(ret_error, ENOMEM, "capture filter");
	if (pcap)
		pcap_close(pcap);
	if (r < 0) {
		free(filter);
		return r;
	}
	*ret_filter = filter;
	return 0;
}

void filter_free(struct filter *filter)
{
	if (!filter)
		return;
	pcap_freecode(&filter->program);
	free(filter);
}

bool filter_matches(const struct filter *filter, const uint8_t *data, size_t length)
{
	return bpf_filter(filter->program.bf_insns, data, (u_int)length, (u_int)length) != 0;
}
