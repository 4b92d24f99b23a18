/* SPDX-License-Identifier: MIT */
/*
 * One thing that we change in the machine's network: made, replaced by another value, and undone.
 *
 * A change has a key (what it is about: the MTU, this address, this setting) and a value. It
 * remembers what was there before, so that reverting needs no memory but its own. A change that was
 * so already is found, not made, and never reverted.
 */
#ifndef NETWORK_CHANGE_H
#define NETWORK_CHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "network/dns.h"
#include "network/rtnetlink.h"
#include "network/sysctl.h"

struct lw_error;

enum change_kind {
	CHANGE_MTU = 1,
	CHANGE_QUEUE_LENGTH,
	CHANGE_ADDRESS_GENERATION,
	CHANGE_MAC,
	CHANGE_MASTER,
	CHANGE_UP,
	CHANGE_ADDRESS,
	CHANGE_ROUTE,
	CHANGE_FIREWALL,
	CHANGE_GUARD,
	CHANGE_RULE,
	CHANGE_SYSCTL,
	CHANGE_DNS,
};

union change_value {
	uint32_t number; /* MTU, QUEUE_LENGTH, ADDRESS_GENERATION, MASTER (index), UP */
	uint8_t mac[6];
	char text[SYSCTL_TEXT_SIZE];
	struct ip_prefix address;
	struct route route;
	struct rule rule;
	char *script; /* FIREWALL, GUARD; owned by the list */
	struct {
		enum dns_way way;
		bool is_full;
		struct dns_settings *settings; /* owned by the list */
	} dns;
};

struct change {
	enum change_kind kind;
	bool is_found;
	char path[SYSCTL_PATH_SIZE];      /* SYSCTL */
	union change_value value, before; /* before: of numbers, MAC and text */
};

/* Growing list, in the order in which changes are made. Zero-initialised is empty. */
struct changes {
	struct change *items;
	size_t n, size;
};

/* What is to be done to come from one list to another: old alone: revert; next alone: make; both:
 * replace. */
struct step {
	struct change *old, *next;
};

/* Where changes are made. detail: the kernel's words for the last failure. */
struct change_target {
	struct rtnetlink *rtnetlink;
	const char *name;
	int index;
	char detail[DNS_DETAIL_SIZE];
};

enum { CHANGE_TEXT_SIZE = 160, CHANGES_MAX = 2048 };

/* Append a copy. Return: 0, -ENOMEM, or -E2BIG beyond CHANGES_MAX. */
int changes_append(struct changes *changes, const struct change *change);
void changes_done(struct changes *changes);
/* Free what a change owns. */
void change_done(struct change *change);
/* Return: the change of the list with the same key, or NULL. */
struct change *changes_find(const struct changes *changes, const struct change *change);

bool change_same_value(const struct change *a, const struct change *b);
/* "set the MTU to 1400", "add the address 10.86.0.2/24" */
const char *change_describe(const struct change *change, char text[CHANGE_TEXT_SIZE]);
/* Whether it is an attribute of the link itself, which goes when the link goes. */
bool change_is_of_link(const struct change *change);
/* Whether this failure of a reversal means that what was to be undone is gone already. */
bool change_is_gone(int result);

/*
 * Compute what to do, in order: first what is no longer wanted, from last to first, then what is
 * new or other. Routes and rules that are no longer wanted go last of all, so that no packet that
 * both lists draw into the tunnel finds a moment to go elsewhere. Steps point into the lists. steps has room for old->n + next->n. Return: the number
 * of steps.
 */
size_t change_diff(const struct changes *old, const struct changes *next, struct step *steps);

/* Do a step (or, with old and next exchanged, undo it). 0 or a negative errno, and
 * target->detail. */
int change_run(struct change_target *target, const struct step *step);

#endif
