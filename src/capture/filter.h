/* SPDX-License-Identifier: MIT */
/*
 * Capture filters: libpcap expressions within limits.
 *
 * Theory of operation. libpcap asks the resolver for every word of an expression that it does not
 * know, so a filter could send packets, wait for seconds and mean another thing tomorrow. There is
 * no switch to turn that off. filter_check() therefore admits only expressions in which libpcap can
 * find no name: every word is one of the keywords in filter.c, a number, a dotted number or (after
 * "portrange") two numbers with a dash; every run of characters with a colon in it is a MAC address
 * of six groups, an IPv6 address without a dotted part, or the colon of a slice ("ip[6:2]").
 * Backslash and dollar, which make names of keywords, are refused, as are names of ports and
 * protocols ("port 67" instead of "port bootps").
 *
 * What libpcap does with 4 KiB may still take seconds: time grows with the square of the program,
 * and an operand ("port 1") makes up to 60 instructions. So the words of an expression are counted
 * before libpcap sees it, such that the most take some 100 ms; what is refused by that would be too
 * long as a program. Its optimiser, which is worse than quadratic, sees only programs that are short
 * before it; the rest are refused when they were slow to make (100 ms of this thread) or are too
 * long to run for each packet.
 *
 * An error quotes the expression. libpcap names the word that it does not like ("port 70000"), but of
 * an error of syntax it says no more than that: then what is an expression by itself, from the
 * beginning, is found by trying, and what follows it is quoted.
 *
 * What a filter judges is the packet as the path carries it, a super-frame as one: len is what the
 * kernel gave, and its headers are those of all its segments. To judge each segment, as the file
 * shows it, would mean to cut every super-frame on the path, whether or not it is wanted (a segment
 * may be `less 200` where the whole is not): 64 KiB copied to find out that it is no ARP. And what
 * was matched could not be counted against what was seen.
 */
#ifndef CAPTURE_FILTER_H
#define CAPTURE_FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <longwire/api.h>

struct filter;
struct lw_error;

enum {
	FILTER_INSTRUCTIONS_MAX = 4096,       /* of the program that runs for each packet */
	FILTER_OPTIMISED_INSTRUCTIONS = 2048, /* longer programs run as they are */
	FILTER_COMPILE_MS_MAX = 100,
	FILTER_OPERANDS_MAX = 128, /* numbers and addresses */
	FILTER_KEYWORDS_MAX = 512,
};

/* Whether libpcap can find no name in text. 0, or -EINVAL with a sentence that says what is not
 * allowed. */
int filter_check(const char *text, struct lw_error *ret_error);

/* 0, -EINVAL (names, syntax), -E2BIG (too long, too slow, too large), -ENOMEM. */
int filter_new(enum lw_layer layer, const char *text, struct filter **ret_filter,
	       struct lw_error *ret_error);
void filter_free(struct filter *filter);

bool filter_matches(const struct filter *filter, const uint8_t *data, size_t length);

#endif
