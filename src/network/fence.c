/* SPDX-License-Identifier: MIT */
/* The kill switch. */
#include "network/fence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <longwire/error.h>
#include <longwire/provider.h>

#include "base/address.h"
#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/parse.h"
#include "network/nftables.h"
#include "network/observer.h"
#include "network/routing.h"
#include "network/rtnetlink.h"

#define TABLE "longwire_lock_"

enum { SCRIPT_SIZE = 128, DETAIL_SIZE = 160 };

struct fence {
	char *script;             /* NULL: others may have opened it */
	char interface[IFNAMSIZ]; /* empty: not closed by us */
	struct lw_loop *loop;
	struct observer *observer; /* while it is closed by us */
	int64_t since;             /* 0: it was open when we looked */
	bool asks_names;
	struct fence_peer peers[FENCE_PEERS_MAX];
	size_t n_peers;
};

/* Where packets may go outside. */
struct exits {
	struct ip_prefix locals[ROUTING_LOCALS_MAX];
	size_t n_locals;
};

static const uint8_t families[] = { AF_INET, AF_INET6 };

/* ---- What it says */

static void print_prefixes(FILE *out, const struct ip_prefix *prefixes, size_t n)
{
	char text[IP_PREFIX_TEXT_SIZE];

	for (size_t i = 0; i < n; i++)
		fprintf(out, "\t\t%s daddr %s accept\n",
			prefixes[i].address.family == AF_INET ? "ip" : "ip6",
			ip_prefix_format(&prefixes[i], text));
}

static void print_exits(FILE *out, const struct fence_policy *policy, const struct exits *exits)
{
	print_prefixes(out, policy->excluded, policy->n_excluded);
	print_prefixes(out, exits->locals, exits->n_locals);
}

static void print_names(FILE *out)
{
	fprintf(out, "\tchain names {\n\t\tudp dport 53 accept\n"
		     "\t\ttcp dport { 53, 853 } accept\n\t}\n");
}

/* What the next one needs to know, as elements of sets that no rule uses. */
static void print_peers(FILE *out, const struct fence *fence, uint8_t family)
{
	const char *separator = "\t\telements = {";
	char text[IP_TEXT_SIZE];

	fprintf(out, "\tset peers%c {\n\t\ttype %s . inet_service\n", family == AF_INET ? '4' : '6',
		family == AF_INET ? "ipv4_addr" : "ipv6_addr");
	for (size_t i = 0; i < fence->n_peers; i++) {
		if (fence->peers[i].address.family != family)
			continue;
		fprintf(out, "%s %s . %u", separator,
			ip_address_format(&fence->peers[i].address, text), fence->peers[i].port);
		separator = ",";
	}
	fprintf(out, "%s\t}\n", *separator == ',' ? " }\n" : "");
}

static void print_memory(FILE *out, const struct fence *fence)
{
	fprintf(out, "\tcomment \"since %lld\"\n", (long long)fence->since);
	print_peers(out, fence, AF_INET);
	print_peers(out, fence, AF_INET6);
	if (fence->asks_names)
		print_names(out);
}

static void print_output(FILE *out, const struct fence *fence, const struct fence_policy *policy,
			 const struct exits *exits)
{
	fprintf(out,
		"\tchain output {\n"
		"\t\ttype filter hook output priority filter; policy drop;\n"
		"\t\toifname { \"lo\", \"%s\" } accept\n"
		"\t\tmeta mark 0x%x accept\n"
		"\t\tudp sport 68 udp dport 67 accept\n"
		"\t\tudp sport 546 udp dport 547 accept\n"
		"\t\ticmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert, "
		"mld-listener-report, mld-listener-done, mld2-listener-report } accept\n",
		policy->interface, LW_OUTER_MARK);
	print_exits(out, policy, exits);
	if (policy->exclude_local)
		fprintf(out, "\t\tip daddr { 224.0.0.0/24, 255.255.255.255 } accept\n"
			     "\t\tip6 daddr ff02::/16 accept\n");
	if (fence->asks_names)
		fprintf(out, "\t\tjump names\n");
	fprintf(out, "\t\tcounter drop\n\t}\n");
}

static void print_forward(FILE *out, const struct fence_policy *policy, const struct exits *exits)
{
	fprintf(out,
		"\tchain forward {\n"
		"\t\ttype filter hook forward priority filter; policy drop;\n"
		"\t\tiifname \"%s\" accept\n\t\toifname \"%s\" accept\n",
		policy->interface, policy->interface);
	print_exits(out, policy, exits);
	fprintf(out, "\t\tcounter drop\n\t}\n");
}

/* Deleting what may not be there fails, adding what is there does not. */
static void print_removal(FILE *out, const char *interface)
{
	fprintf(out, "add table inet " TABLE "%s\ndelete table inet " TABLE "%s\n", interface,
		interface);
}

static int write_script(const struct fence *fence, const struct fence_policy *policy,
			const struct exits *exits, char **ret_script)
{
	char *script = NULL;
	size_t length;
	FILE *out = open_memstream(&script, &length);

	if (!out)
		return -ENOMEM;
	if (*fence->interface && strcmp(fence->interface, policy->interface) != 0)
		print_removal(out, fence->interface);
	print_removal(out, policy->interface);
	fprintf(out, "table inet " TABLE "%s {\n", policy->interface);
	print_memory(out, fence);
	print_output(out, fence, policy, exits);
	print_forward(out, policy, exits);
	fprintf(out, "}\n");
	if (ferror(out) | fclose(out)) {
		free(script);
		return -ENOMEM;
	}
	*ret_script = script;
	return 0;
}

/* ---- Local networks */

struct search {
	struct exits *exits;
	int own; /* index of the tunnel's interface; 0: not there */
};

static void visit_route(const struct route *route, void *user)
{
	struct search *search = user;
	struct exits *exits = search->exits;

	if (route->index != search->own && exits->n_locals < ROUTING_LOCALS_MAX &&
	    routing_is_local(route))
		exits->locals[exits->n_locals++] = route->destination;
}

static int find_locals(const struct fence_policy *policy, struct exits *exits)
{
	struct search search = { exits, (int)if_nametoindex(policy->interface) };
	struct rtnetlink *rtnetlink;
	int r = rtnetlink_open(&rtnetlink);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(families); i++)
		r = rtnetlink_each_route(rtnetlink, families[i], visit_route, &search);
	rtnetlink_close(rtnetlink);
	return r;
}

/* ---- Closing and opening */

static int keep_closed(struct fence *fence)
{
	char table[sizeof("inet " TABLE) + IFNAMSIZ], detail[DETAIL_SIZE];
	int r;

	snprintf(table, sizeof(table), "inet " TABLE "%s", fence->interface);
	r = nftables_has(table);
	if (r == 0)
		r = nftables_run(fence->script, detail, sizeof(detail));
	else
		return MIN(r, 0);
	if (r == 0)
		log_warning(
			"%s: the kill switch was opened by another program, and is closed again",
			fence->interface);
	return r;
}

static void tables_changed(void *user)
{
	struct fence *fence = user;
	int r = fence->script ? keep_closed(fence) : 0;

	if (r < 0)
		log_error("%s: the kill switch may be open: %s", fence->interface, strerror(-r));
}

static void watch(struct fence *fence)
{
	int r = 0;

	if (fence->loop && !fence->observer)
		r = observer_new(fence->loop, OBSERVE_NFTABLES, tables_changed, fence,
				 &fence->observer);
	if (r < 0)
		log_warning("%s: who opens the kill switch is not noticed: %s", fence->interface,
			    strerror(-r));
}

int fence_new(struct lw_loop *loop, struct fence **ret_fence)
{
	struct fence *fence = calloc(1, sizeof(*fence));

	if (!fence)
		return -ENOMEM;
	fence->loop = loop;
	*ret_fence = fence;
	return 0;
}

/* From now on it is as if it had never been closed. */
static void forget(struct fence *fence)
{
	free(take_pointer(fence->script));
	fence->since = 0;
	fence->asks_names = false;
	fence->n_peers = 0;
}

const char *fence_interface(const struct fence *fence)
{
	return fence->interface[0] ? fence->interface : NULL;
}

int fence_release(struct fence *fence, struct lw_error *ret_error)
{
	int r = fence->interface[0] ? fence_open(fence->interface, ret_error) : 0;

	if (r < 0)
		return r;
	fence->interface[0] = '\0';
	forget(fence);
	observer_free(take_pointer(fence->observer));
	return 0;
}

void fence_free(struct fence *fence)
{
	if (!fence)
		return;
	observer_free(fence->observer);
	free(fence->script);
	free(fence);
}

static int failed(int result, const char *interface, const char *what, const char *detail,
		  struct lw_error *ret_error)
{
	return error_set(ret_error, result, LW_DOMAIN_SYSTEM, -result,
			 "%s: cannot %s the kill switch: %s%s%s%s", interface, what,
			 strerror(-result), detail[0] ? " (" : "", detail, detail[0] ? ")" : "");
}

int fence_close(struct fence *fence, const struct fence_policy *policy, struct lw_error *ret_error)
{
	_cleanup_free_ char *script = NULL;
	char detail[DETAIL_SIZE] = "";
	struct exits exits = { 0 };
	int r = policy->exclude_local ? find_locals(policy, &exits) : 0;

	if (!fence->since)
		fence->since = time(NULL);
	if (r == 0)
		r = write_script(fence, policy, &exits, &script);
	if (r == 0 && fence->script && strcmp(fence->script, script) == 0)
		return 0;
	if (r == 0)
		r = nftables_run(script, detail, sizeof(detail));
	if (r < 0)
		return failed(r, policy->interface, "close", detail, ret_error);
	free(fence->script);
	fence->script = take_pointer(script);
	snprintf(fence->interface, sizeof(fence->interface), "%s", policy->interface);
	watch(fence);
	return 0;
}

int fence_open(const char *interface, struct lw_error *ret_error)
{
	char script[SCRIPT_SIZE], detail[DETAIL_SIZE] = "";
	FILE *out;
	int r = -EINVAL;

	if (!parse_is_interface_name(interface))
		return failed(r, interface, "open", "no interface can be called so", ret_error);
	out = fmemopen(script, sizeof(script), "w");
	if (!out)
		return failed(-ENOMEM, interface, "open", "", ret_error);
	print_removal(out, interface);
	fclose(out);
	r = nftables_run(script, detail, sizeof(detail));
	return r < 0 ? failed(r, interface, "open", detail, ret_error) : 0;
}

int fence_list(char ret_interfaces[FENCES_MAX][IFNAMSIZ], struct lw_error *ret_error)
{
	static const char start[] = "table inet " TABLE;
	_cleanup_free_ char *tables = NULL;
	char detail[DETAIL_SIZE] = "", *rest, *line;
	int n = 0, r = nftables_ask("list tables inet\n", &tables, detail, sizeof(detail));

	if (r < 0)
		return failed(r, "nftables", "look for", detail, ret_error);
	rest = tables;
	while ((line = strsep(&rest, "\n")))
		if (n < FENCES_MAX && strncmp(line, start, sizeof(start) - 1) == 0 &&
		    parse_is_interface_name(line + sizeof(start) - 1))
			snprintf(ret_interfaces[n++], IFNAMSIZ, "%.15s", line + sizeof(start) - 1);
	return n;
}

/* ---- What the table knows */

/* "192.0.2.1 . 8443" */
static void read_peer(struct fence *fence, char *text)
{
	struct fence_peer *peer = &fence->peers[fence->n_peers];
	char *end = strstr(text, " . ");
	uint64_t port;

	if (!end || fence->n_peers == FENCE_PEERS_MAX)
		return;
	*end = '\0';
	end += strlen(" . ");
	end[strcspn(end, " \t\n")] = '\0';
	if (ip_address_parse(text + strspn(text, " \t\n"), &peer->address) == 0 &&
	    parse_uint(end, 1, UINT16_MAX, &port) == 0) {
		peer->port = (uint16_t)port;
		fence->n_peers++;
	}
}

static void read_peers(struct fence *fence, char *table)
{
	static const char start[] = "elements = {";

	while ((table = strstr(table, start))) {
		char *list = table + sizeof(start) - 1, *text;

		table = list + strcspn(list, "}");
		if (*table)
			*table++ = '\0';
		while ((text = strsep(&list, ",")))
			read_peer(fence, text);
	}
}

static void read_memory(struct fence *fence, char *table)
{
	static const char start[] = "comment \"since ";
	const char *comment = strstr(table, start);
	char text[24] = "";
	uint64_t since;

	if (comment) {
		comment += sizeof(start) - 1;
		snprintf(text, sizeof(text), "%.*s", (int)strcspn(comment, "\""), comment);
	}
	/* Whoever closed it did so at some time. */
	fence->since = parse_uint(text, 1, INT64_MAX, &since) == 0 ? (int64_t)since : time(NULL);
	read_peers(fence, table);
}

/* *ret_table is malloc'd, NULL where there is none. */
static int read_table(const char *interface, char **ret_table, struct lw_error *ret_error)
{
	char script[SCRIPT_SIZE], detail[DETAIL_SIZE] = "";
	int r;

	*ret_table = NULL;
	snprintf(script, sizeof(script), "list table inet " TABLE "%.15s\n", interface);
	r = nftables_ask(script, ret_table, detail, sizeof(detail));
	if (r == 0 || r == -ENOENT)
		return 0;
	return failed(r, interface, "look at", detail, ret_error);
}

int fence_is_closed(const char *interface, struct lw_error *ret_error)
{
	_cleanup_free_ char *table = NULL;
	int r = read_table(interface, &table, ret_error);

	return r < 0 ? r : table != NULL;
}

int fence_recall(struct fence *fence, const char *interface, struct lw_error *ret_error)
{
	_cleanup_free_ char *table = NULL;
	int r = read_table(interface, &table, ret_error);

	if (r < 0)
		return r;
	forget(fence);
	if (table)
		read_memory(fence, table);
	return 0;
}

void fence_ask_names(struct fence *fence)
{
	fence->asks_names = !fence->n_peers;
}

void fence_set_peers(struct fence *fence, const struct fence_peer *peers, size_t n)
{
	fence->n_peers = MIN(n, (size_t)FENCE_PEERS_MAX);
	memcpy(fence->peers, peers, fence->n_peers * sizeof(*peers));
	fence->asks_names = false;
}

size_t fence_peers(const struct fence *fence, const struct fence_peer **ret_peers)
{
	*ret_peers = fence->peers;
	return fence->n_peers;
}

const char *fence_peer_format(const struct fence_peer *peer, char text[LW_PEER_TEXT_SIZE])
{
	char address[IP_TEXT_SIZE];

	snprintf(text, LW_PEER_TEXT_SIZE, peer->address.family == AF_INET6 ? "[%s]:%u" : "%s:%u",
		 ip_address_format(&peer->address, address), peer->port);
	return text;
}

bool fence_asks_names(const struct fence *fence)
{
	return fence->asks_names;
}

int64_t fence_since(const struct fence *fence)
{
	return fence->interface[0] ? fence->since : 0;
}
