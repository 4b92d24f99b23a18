/* SPDX-License-Identifier: MIT */
/* One thing that we change in the machine's network: made, replaced by another value, and
 * undone. */
#include "network/change.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/dns_settings.h"
#include "base/memory.h"
#include "network/guard.h"
#include "network/nftables.h"

/* ---- Lists */

int changes_append(struct changes *changes, const struct change *change)
{
	if (changes->n == CHANGES_MAX)
		return -E2BIG;
	if (changes->n == changes->size) {
		size_t size = changes->size ? 2 * changes->size : 16;
		struct change *items = realloc(changes->items, size * sizeof(*items));

		if (!items)
			return -ENOMEM;
		changes->items = items;
		changes->size = size;
	}
	changes->items[changes->n++] = *change;
	return 0;
}

static bool has_script(enum change_kind kind)
{
	return kind == CHANGE_FIREWALL || kind == CHANGE_GUARD;
}

void change_done(struct change *change)
{
	if (has_script(change->kind))
		free(take_pointer(change->value.script));
	else if (change->kind == CHANGE_DNS)
		free(take_pointer(change->value.dns.settings));
}

void changes_done(struct changes *changes)
{
	for (size_t i = 0; i < changes->n; i++)
		change_done(&changes->items[i]);
	free(changes->items);
	*changes = (struct changes){ 0 };
}

static bool is_same_rule(const struct rule *a, const struct rule *b)
{
	return a->family == b->family && a->priority == b->priority && a->table == b->table &&
	       a->not_mark == b->not_mark && a->not_mask == b->not_mask &&
	       a->suppress == b->suppress;
}

static bool is_same_key(const struct change *a, const struct change *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case CHANGE_ADDRESS:
		return ip_prefix_equal(&a->value.address, &b->value.address);
	case CHANGE_ROUTE:
		return ip_prefix_equal(&a->value.route.destination, &b->value.route.destination) &&
		       a->value.route.metric == b->value.route.metric &&
		       a->value.route.table == b->value.route.table;
	case CHANGE_RULE:
		return is_same_rule(&a->value.rule, &b->value.rule);
	case CHANGE_SYSCTL:
		return strcmp(a->path, b->path) == 0;
	default:
		return true;
	}
}

struct change *changes_find(const struct changes *changes, const struct change *change)
{
	for (size_t i = 0; i < changes->n; i++)
		if (is_same_key(&changes->items[i], change))
			return &changes->items[i];
	return NULL;
}

static bool is_same_route(const struct route *a, const struct route *b)
{
	return a->type == b->type && a->index == b->index && a->is_onlink == b->is_onlink &&
	       ip_address_equal(&a->via, &b->via);
}

bool change_same_value(const struct change *a, const struct change *b)
{
	switch (a->kind) {
	case CHANGE_MTU:
	case CHANGE_QUEUE_LENGTH:
	case CHANGE_ADDRESS_GENERATION:
	case CHANGE_MASTER:
	case CHANGE_UP:
		return a->value.number == b->value.number;
	case CHANGE_MAC:
		return memcmp(a->value.mac, b->value.mac, sizeof(a->value.mac)) == 0;
	case CHANGE_SYSCTL:
		return strcmp(a->value.text, b->value.text) == 0;
	case CHANGE_ADDRESS:
	case CHANGE_RULE:
		return true;
	case CHANGE_ROUTE:
		return is_same_route(&a->value.route, &b->value.route);
	case CHANGE_FIREWALL:
	case CHANGE_GUARD:
		return strcmp(a->value.script, b->value.script) == 0;
	case CHANGE_DNS:
		return a->value.dns.way == b->value.dns.way &&
		       a->value.dns.is_full == b->value.dns.is_full &&
		       dns_settings_equal(a->value.dns.settings, b->value.dns.settings);
	}
	return false;
}

static bool is_of_routing(const struct change *change)
{
	return change->kind == CHANGE_ROUTE || change->kind == CHANGE_RULE;
}

static size_t diff_unwanted(const struct changes *old, const struct changes *next, bool of_routing,
			    struct step *steps)
{
	size_t n = 0;

	for (size_t i = old->n; i-- > 0;)
		if (is_of_routing(&old->items[i]) == of_routing &&
		    !changes_find(next, &old->items[i]))
			steps[n++] = (struct step){ .old = &old->items[i] };
	return n;
}

size_t change_diff(const struct changes *old, const struct changes *next, struct step *steps)
{
	size_t n = diff_unwanted(old, next, false, steps);

	for (size_t i = 0; i < next->n; i++) {
		struct change *present = changes_find(old, &next->items[i]);

		if (!present || !change_same_value(present, &next->items[i]))
			steps[n++] = (struct step){ .old = present, .next = &next->items[i] };
	}
	return n + diff_unwanted(old, next, true, steps + n);
}

/* ---- Words */

static const char *describe_text(const struct change *change, char text[CHANGE_TEXT_SIZE])
{
	char inner[IP_PREFIX_TEXT_SIZE];

	switch (change->kind) {
	case CHANGE_ADDRESS:
		snprintf(text, CHANGE_TEXT_SIZE, "add the address %s",
			 ip_prefix_format(&change->value.address, inner));
		break;
	case CHANGE_ROUTE:
		snprintf(text, CHANGE_TEXT_SIZE, "add the route to %s",
			 ip_prefix_format(&change->value.route.destination, inner));
		break;
	case CHANGE_RULE:
		snprintf(text, CHANGE_TEXT_SIZE, "add the routing rule %u",
			 change->value.rule.priority);
		break;
	case CHANGE_SYSCTL:
		snprintf(text, CHANGE_TEXT_SIZE, "set /proc/sys/%s to %s", change->path,
			 change->value.text);
		break;
	default:
		break;
	}
	return text;
}

const char *change_describe(const struct change *change, char text[CHANGE_TEXT_SIZE])
{
	switch (change->kind) {
	case CHANGE_MTU:
		snprintf(text, CHANGE_TEXT_SIZE, "set the MTU to %u", change->value.number);
		return text;
	case CHANGE_QUEUE_LENGTH:
		return "set the length of the queue";
	case CHANGE_ADDRESS_GENERATION:
		return "set how IPv6 addresses are made";
	case CHANGE_MAC:
		return "set the MAC address";
	case CHANGE_MASTER:
		return "join the bridge";
	case CHANGE_UP:
		return "bring the interface up";
	case CHANGE_FIREWALL:
		return "install the gateway's nftables table";
	case CHANGE_GUARD:
		return "guard the tunnel's addresses by nftables";
	case CHANGE_DNS:
		return "set the name servers";
	default:
		return describe_text(change, text);
	}
}

bool change_is_of_link(const struct change *change)
{
	switch (change->kind) {
	case CHANGE_MTU:
	case CHANGE_QUEUE_LENGTH:
	case CHANGE_ADDRESS_GENERATION:
	case CHANGE_MAC:
	case CHANGE_UP:
		return true;
	default:
		return false;
	}
}

bool change_is_gone(int result)
{
	return result == -ENODEV || result == -ENOENT || result == -ESRCH || result == -ENXIO ||
	       result == -EADDRNOTAVAIL;
}

/* ---- Doing */

/* Set an attribute that always has some value to this one. */
static int set_value(struct change_target *target, const struct change *change,
		     const union change_value *value)
{
	struct rtnetlink *rtnetlink = target->rtnetlink;

	switch (change->kind) {
	case CHANGE_MTU:
		return rtnetlink_set_mtu(rtnetlink, target->index, value->number);
	case CHANGE_QUEUE_LENGTH:
		return rtnetlink_set_queue_length(rtnetlink, target->index, value->number);
	case CHANGE_ADDRESS_GENERATION:
		return rtnetlink_set_address_generation(rtnetlink, target->index,
							(uint8_t)value->number);
	case CHANGE_MAC:
		return rtnetlink_set_mac(rtnetlink, target->index, value->mac);
	case CHANGE_MASTER:
		return rtnetlink_set_master(rtnetlink, target->index, value->number);
	case CHANGE_UP:
		return rtnetlink_set_up(rtnetlink, target->index, value->number);
	case CHANGE_SYSCTL:
		return sysctl_write(change->path, value->text);
	default:
		return -EINVAL;
	}
}

/* What is there already, exactly so, was not made by us and stays; a route of our protocol cannot
 * but be ours. */
static int make(struct change_target *target, struct change *change)
{
	int r;

	switch (change->kind) {
	case CHANGE_ADDRESS:
		r = rtnetlink_add_address(target->rtnetlink, target->index, &change->value.address);
		change->is_found = r == -EEXIST;
		return r == -EEXIST ? 0 : r;
	case CHANGE_ROUTE:
		r = rtnetlink_add_route(target->rtnetlink, &change->value.route);
		return r == -EEXIST ? 0 : r;
	case CHANGE_RULE:
		return rtnetlink_add_rule(target->rtnetlink, &change->value.rule);
	case CHANGE_FIREWALL:
	case CHANGE_GUARD:
		return nftables_run(change->value.script, target->detail, sizeof(target->detail));
	case CHANGE_DNS:
		return dns_apply(change->value.dns.way, target->name, target->index,
				 change->value.dns.settings, change->value.dns.is_full,
				 target->detail);
	default:
		return set_value(target, change, &change->value);
	}
}

static int revert(struct change_target *target, const struct change *change)
{
	switch (change->kind) {
	case CHANGE_ADDRESS:
		return rtnetlink_remove_address(target->rtnetlink, target->index,
						&change->value.address);
	case CHANGE_ROUTE:
		return rtnetlink_remove_route(target->rtnetlink, &change->value.route);
	case CHANGE_RULE:
		return rtnetlink_remove_rule(target->rtnetlink, &change->value.rule);
	case CHANGE_FIREWALL:
		return nftables_remove(target->name, target->detail, sizeof(target->detail));
	case CHANGE_GUARD:
		return guard_remove(target->name, target->detail, sizeof(target->detail));
	case CHANGE_DNS:
		return dns_revert(change->value.dns.way, target->name, target->index,
				  target->detail);
	default:
		return set_value(target, change, &change->before);
	}
}

/* The new route comes before the old one goes, so that there is always one. */
static int replace_route(struct change_target *target, const struct change *old,
			 struct change *next)
{
	int r = make(target, next);

	if (r < 0)
		return r;
	r = revert(target, old);
	if (r == 0 || change_is_gone(r))
		return 0;
	revert(target, next);
	return r;
}

/* Another resolver is told after the one that had them; the same one takes the new for the old. */
static int replace_dns(struct change_target *target, const struct change *old, struct change *next)
{
	int r = 0;

	if (old->value.dns.way != next->value.dns.way)
		r = revert(target, old);
	if (r == 0 || change_is_gone(r))
		r = make(target, next);
	/* What failed left none of either. */
	if (r < 0)
		dns_restore(old->value.dns.way, target->name, target->index,
			    old->value.dns.settings, old->value.dns.is_full, r);
	return r;
}

int change_run(struct change_target *target, const struct step *step)
{
	int r = 0;

	target->detail[0] = '\0';
	if (step->old && step->next && step->next->kind == CHANGE_ROUTE)
		r = replace_route(target, step->old, step->next);
	else if (step->old && step->next && step->next->kind == CHANGE_DNS)
		r = replace_dns(target, step->old, step->next);
	else if (step->next && (step->old || !step->next->is_found))
		r = make(target, step->next);
	else if (!step->next && step->old && !step->old->is_found)
		r = revert(target, step->old);
	if (r < 0 && !target->detail[0] && target->rtnetlink)
		snprintf(target->detail, sizeof(target->detail), "%s",
			 rtnetlink_message(target->rtnetlink));
	return r;
}
