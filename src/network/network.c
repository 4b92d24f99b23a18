/* SPDX-License-Identifier: MIT */
/* The machine's network, changed in transactions: facts, plan, difference, steps, and back
 * again. */
#include "network/network.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/parse.h"
#include "network/facts.h"
#include "network/nftables.h"
#include "network/observer.h"
#include "network/plan.h"
#include "network/resolved.h"

struct network {
	char name[IFNAMSIZ];
	int index;                    /* of the interface that applied is about; 0: none yet */
	bool is_persistent, is_known; /* is_known: what others left of it was looked at */
	struct changes applied;
	struct resolved_watch *watch; /* while systemd-resolved has name servers of ours */
	struct observer *tables;      /* while nftables has tables of ours */
};

int network_new(const char *name, struct network **ret_network)
{
	struct network *network;

	if (!parse_is_interface_name(name))
		return -EINVAL;
	network = calloc(1, sizeof(*network));
	if (!network)
		return -ENOMEM;
	snprintf(network->name, sizeof(network->name), "%s", name);
	*ret_network = network;
	return 0;
}

void network_free(struct network *network)
{
	if (!network)
		return;
	network_undo(network);
	free(network);
}

/* ---- Applying */

static int explain(const struct change_target *target, const struct step *step, int result,
		   struct lw_error *ret_error)
{
	char text[CHANGE_TEXT_SIZE], words[sizeof(target->detail) + 4] = "";

	if (target->detail[0])
		snprintf(words, sizeof(words), " (%s)", target->detail);
	return error_set(ret_error, result, LW_DOMAIN_SYSTEM, -result, "%s: cannot %s%s%s: %s%s",
			 target->name, step->next ? "" : "take back: ",
			 change_describe(step->next ? step->next : step->old, text), words,
			 strerror(-result), result == -EPERM ? "; it needs CAP_NET_ADMIN" : "");
}

static void roll_back(struct change_target *target, const struct step *steps, size_t n)
{
	char text[CHANGE_TEXT_SIZE];

	while (n-- > 0) {
		struct step inverse = { .old = steps[n].next, .next = steps[n].old };
		int r = change_run(target, &inverse);

		if (r < 0 && !change_is_gone(r))
			log_warning("%s: not undone: %s: %s", target->name,
				    change_describe(inverse.old ? inverse.old : inverse.next, text),
				    strerror(-r));
	}
}

/* Everything that can be known to fail does so before the first change. */
static int check_steps(const struct step *steps, size_t n, struct lw_error *ret_error)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		const struct change *next = steps[i].next;

		if (next && next->kind == CHANGE_SYSCTL && !next->is_found)
			r = sysctl_check_writable(next->path, next->value.text, ret_error);
	}
	return r;
}

static int run_steps(struct change_target *target, const struct step *steps, size_t n,
		     struct lw_error *ret_error)
{
	int r = check_steps(steps, n, ret_error);

	for (size_t i = 0; r == 0 && i < n; i++) {
		r = change_run(target, &steps[i]);
		if (r == 0 || (!steps[i].next && change_is_gone(r))) {
			r = 0;
			continue;
		}
		explain(target, &steps[i], r, ret_error);
		roll_back(target, steps, i);
	}
	return r;
}

/* What is kept was made with what was before it, and whether it was found is known of it only. */
static void keep_unchanged(struct changes *applied, struct changes *next)
{
	for (size_t i = 0; i < next->n; i++) {
		const struct change *present = changes_find(applied, &next->items[i]);

		if (present && change_same_value(present, &next->items[i]))
			next->items[i].is_found = present->is_found;
	}
}

static int transit(struct network *network, struct change_target *target, struct changes *next,
		   struct lw_error *ret_error)
{
	_cleanup_free_ struct step *steps =
		calloc(network->applied.n + next->n + 1, sizeof(*steps));
	int r;

	if (!steps)
		return error_errno(ret_error, ENOMEM, "%s: its network", network->name);
	r = run_steps(target, steps, change_diff(&network->applied, next, steps), ret_error);
	if (r < 0)
		return r;
	keep_unchanged(&network->applied, next);
	changes_done(&network->applied);
	network->applied = *next;
	*next = (struct changes){ 0 };
	return 0;
}

static bool is_on_link(const struct change *change, int index)
{
	switch (change->kind) {
	case CHANGE_FIREWALL:
	case CHANGE_GUARD:
	case CHANGE_SYSCTL:
	case CHANGE_RULE:
		return false;
	case CHANGE_ROUTE:
		return change->value.route.index == index;
	case CHANGE_DNS:
		return change->value.dns.way == DNS_RESOLVED;
	default:
		return true;
	}
}

/* Another interface has our name: what was on the former went with it. What is not on the link
 * stays ours. */
static void forget_former_link(struct network *network, int index)
{
	size_t n = 0;

	if (network->index && network->index != index) {
		for (size_t i = 0; i < network->applied.n; i++)
			if (!is_on_link(&network->applied.items[i], network->index))
				network->applied.items[n++] = network->applied.items[i];
			else
				change_done(&network->applied.items[i]);
		network->applied.n = n;
	}
	network->index = index;
}

/* What bears the interface's former name: "net/ipv4/conf/lw0/rp_filter". */
static void rename_sysctl(struct change *change, const char *former, const char *name)
{
	char part[IFNAMSIZ + sizeof("/conf//")], path[SYSCTL_PATH_SIZE];
	const char *found;

	snprintf(part, sizeof(part), "/conf/%s/", former);
	found = strstr(change->path, part);
	if (!found)
		return;
	snprintf(path, sizeof(path), "%.*s/conf/%s/%s", (int)(found - change->path), change->path,
		 name, found + strlen(part));
	memcpy(change->path, path, sizeof(path));
}

/* Our interface may have another name now. Return: whether this change stays as it is. */
static bool rename_change(struct change_target *former, struct change *change, const char *name)
{
	struct step step = { .old = change };

	if (change->kind == CHANGE_SYSCTL)
		rename_sysctl(change, former->name, name);
	if (change->kind != CHANGE_FIREWALL && change->kind != CHANGE_GUARD &&
	    change->kind != CHANGE_DNS)
		return true;
	(void)change_run(former, &step); /* and made again by what is applied next */
	change_done(change);
	return false;
}

static void follow_name(struct network *network)
{
	struct change_target former = { .name = network->name, .index = network->index };
	char name[IFNAMSIZ];
	size_t n = 0;

	if (!network->index || !if_indextoname((unsigned)network->index, name) ||
	    strcmp(name, network->name) == 0)
		return;
	log_info("%s is called %s now", network->name, name);
	for (size_t i = 0; i < network->applied.n; i++)
		if (rename_change(&former, &network->applied.items[i], name))
			network->applied.items[n++] = network->applied.items[i];
	network->applied.n = n;
	memcpy(network->name, name, sizeof(network->name));
}

/* Ours, but nobody's any more. */
static void remove_stale(struct rtnetlink *rtnetlink, const struct facts *facts)
{
	for (size_t i = 0; i < facts->stale.n; i++) {
		const struct change *change = &facts->stale.items[i];

		if (change->kind == CHANGE_RULE)
			rtnetlink_remove_rule(rtnetlink, &change->value.rule);
		else
			rtnetlink_remove_route(rtnetlink, &change->value.route);
	}
}

/* ---- The resolver */

static struct change *find_dns(const struct network *network)
{
	const struct change key = { .kind = CHANGE_DNS };

	return changes_find(&network->applied, &key);
}

const char *network_resolver(const struct network *network)
{
	const struct change *dns = find_dns(network);

	return dns_way_name(dns ? dns->value.dns.way : DNS_NONE);
}

static void resolver_restarted(void *user)
{
	struct network *network = user;
	const struct change *dns = find_dns(network);
	char detail[DNS_DETAIL_SIZE];

	if (!dns || dns->value.dns.way != DNS_RESOLVED)
		return;
	log_info("%s: systemd-resolved was started anew and is told its name servers again",
		 network->name);
	if (dns_apply(DNS_RESOLVED, network->name, network->index, dns->value.dns.settings,
		      dns->value.dns.is_full, detail) < 0)
		log_warning("%s: its name servers cannot be set again: %s", network->name, detail);
}

/* Without it they are set nevertheless; only a restart goes unheard. */
static void watch_resolver(struct network *network, struct lw_loop *loop)
{
	const struct change *dns = find_dns(network);
	int r = 0;

	if (!dns || dns->value.dns.way != DNS_RESOLVED)
		resolved_watch_free(take_pointer(network->watch));
	else if (loop && !network->watch)
		r = resolved_watch_new(loop, resolver_restarted, network, &network->watch);
	if (r < 0)
		log_warning("%s: restarts of systemd-resolved cannot be followed: %s",
			    network->name, strerror(-r));
}

/* ---- What others remove */

static bool set_again(struct change_target *target, const struct change *change)
{
	if (change->is_found)
		return false;
	if (change->kind == CHANGE_ADDRESS)
		return rtnetlink_add_address(target->rtnetlink, target->index,
					     &change->value.address) == 0;
	return change->kind == CHANGE_ROUTE &&
	       rtnetlink_add_route(target->rtnetlink, &change->value.route) == 0;
}

void network_restore(struct network *network)
{
	struct change_target target = { .index = network->index };
	unsigned n = 0;

	if (!network->applied.n || rtnetlink_open(&target.rtnetlink) < 0)
		return;
	follow_name(network);
	for (size_t i = 0; i < network->applied.n; i++)
		n += set_again(&target, &network->applied.items[i]);
	if (n)
		log_info("%s: %u addresses and routes that others removed are set again",
			 network->name, n);
	rtnetlink_close(target.rtnetlink);
}

static int restore_table(struct network *network, struct change *change)
{
	struct change_target target = { .name = network->name, .index = network->index };
	const struct step step = { .next = change };
	char table[64];
	int r;

	snprintf(table, sizeof(table), "inet longwire_%s%s",
		 change->kind == CHANGE_GUARD ? "guard_" : "", network->name);
	r = nftables_has(table);
	if (r == 0)
		r = change_run(&target, &step);
	else
		return MIN(r, 0);
	if (r == 0)
		log_warning("%s: another program removed the table %s, which is made again",
			    network->name, table);
	return r;
}

static bool is_table(const struct change *change)
{
	return change->kind == CHANGE_FIREWALL || change->kind == CHANGE_GUARD;
}

static void tables_changed(void *user)
{
	struct network *network = user;
	char text[CHANGE_TEXT_SIZE];

	for (size_t i = 0; i < network->applied.n; i++) {
		struct change *change = &network->applied.items[i];
		int r = is_table(change) ? restore_table(network, change) : 0;

		if (r < 0)
			log_warning("%s: cannot %s again: %s", network->name,
				    change_describe(change, text), strerror(-r));
	}
}

static void watch_tables(struct network *network, struct lw_loop *loop)
{
	bool has_any = false;
	int r = 0;

	for (size_t i = 0; i < network->applied.n; i++)
		has_any |= is_table(&network->applied.items[i]);
	if (!has_any)
		observer_free(take_pointer(network->tables));
	else if (loop && !network->tables)
		r = observer_new(loop, OBSERVE_NFTABLES, tables_changed, network, &network->tables);
	if (r < 0)
		log_warning("%s: who removes its tables of nftables is not noticed: %s",
			    network->name, strerror(-r));
}

static void clean_once(struct network *network)
{
	if (!network->is_known)
		dns_clean(network->name);
	network->is_known = true;
}

int network_apply(struct network *network, const struct network_plan *plan,
		  struct lw_error *ret_error)
{
	struct change_target target = { .name = network->name };
	struct changes next = { 0 };
	struct facts facts = { 0 };
	int r = rtnetlink_open(&target.rtnetlink);

	if (r < 0)
		return error_errno(ret_error, -r, "%s: cannot talk to the kernel", network->name);
	follow_name(network);
	target.index = (int)if_nametoindex(network->name);
	if (target.index)
		forget_former_link(network, target.index);
	r = facts_collect(target.rtnetlink, network->name, plan, &network->applied, &facts,
			  ret_error);
	if (r == 0)
		r = plan_build(network->name, plan, &facts, &next, ret_error);
	if (r == 0)
		remove_stale(target.rtnetlink, &facts);
	if (r == 0)
		clean_once(network);
	if (r == 0)
		r = transit(network, &target, &next, ret_error);
	if (r == 0)
		network->is_persistent = plan->is_persistent;
	watch_resolver(network, plan->loop);
	watch_tables(network, plan->loop);
	changes_done(&next);
	facts_done(&facts);
	rtnetlink_close(target.rtnetlink);
	return r;
}

int network_clean(struct lw_error *ret_error)
{
	struct rtnetlink *rtnetlink;
	struct facts facts;
	int r = rtnetlink_open(&rtnetlink);

	if (r < 0)
		return error_errno(ret_error, -r, "cannot talk to the kernel");
	r = facts_collect_stale(rtnetlink, &facts, ret_error);
	if (r == 0) {
		remove_stale(rtnetlink, &facts);
		facts_done(&facts);
	}
	rtnetlink_close(rtnetlink);
	return r;
}

/* ---- Undoing */

static int undo_change(struct network *network, struct change_target *target, struct change *change)
{
	struct step step = { .old = change };
	char text[CHANGE_TEXT_SIZE];
	int r;

	/* The link was made for us and goes with us; its attributes need not be put back. */
	if (!network->is_persistent && change_is_of_link(change))
		return 0;
	r = change_run(target, &step);
	if (r == 0 || change_is_gone(r))
		return 0;
	log_warning("%s: not undone: %s: %s", network->name, change_describe(change, text),
		    target->detail[0] ? target->detail : strerror(-r));
	return r;
}

int network_undo(struct network *network)
{
	struct change_target target = { .name = network->name };
	int result = 0;

	resolved_watch_free(take_pointer(network->watch));
	observer_free(take_pointer(network->tables));
	follow_name(network);
	target.index = network->index;
	if (!network->applied.n)
		return 0;
	result = rtnetlink_open(&target.rtnetlink);
	if (result < 0) {
		log_warning("%s: cannot undo its network: %s", network->name, strerror(-result));
		return result;
	}
	for (size_t i = network->applied.n; i-- > 0;) {
		int r = undo_change(network, &target, &network->applied.items[i]);

		if (result == 0)
			result = r;
	}
	changes_done(&network->applied);
	rtnetlink_close(target.rtnetlink);
	return result;
}
