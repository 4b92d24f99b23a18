/* SPDX-License-Identifier: MIT */
/* The kill switch. */
#include "network/fence.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

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

static void print_output(FILE *out, const struct fence_policy *policy, const struct exits *exits)
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

/* former: the interface that it was closed for; empty: none. */
static int write_script(const struct fence_policy *policy, const struct exits *exits,
			const char *former, char **ret_script)
{
	char *script = NULL;
	size_t length;
	FILE *out = open_memstream(&script, &length);

	if (!out)
		return -ENOMEM;
	if (*former && strcmp(former, policy->interface) != 0)
		print_removal(out, former);
	print_removal(out, policy->interface);
	fprintf(out, "table inet " TABLE "%s {\n", policy->interface);
	print_output(out, policy, exits);
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

void fence_forget(struct fence *fence)
{
	free(take_pointer(fence->script));
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
	fence_forget(fence);
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

	if (r == 0)
		r = write_script(policy, &exits, fence->interface, &script);
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
