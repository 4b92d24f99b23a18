/* SPDX-License-Identifier: MIT */
/*
 * Being told that something in the machine's network may have changed, whoever did it.
 *
 * Theory of operation. The observer listens to the kernel's notifications (groups of rtnetlink, RFC
 * 3549, or of nfnetlink). The kernel tells of each change in many messages, and of changes that
 * concern nobody, our own among them: the observer does not look into them beyond their type, and
 * calls once when none has come for a while, at the latest a longer while after the first. It says
 * only that something changed: whoever is called asks the kernel and compares. Messages that were
 * lost (the socket's buffer overran) count as a change.
 *
 *   OBSERVE_PATHS     links, addresses, routes and rules; 50 and 250 ms, since one change of a network
 *                     is a dozen of the kernel's
 *   OBSERVE_NFTABLES  tables that go; 2 and 20 ms, since one that is gone leaves something open. Needs
 *                     CAP_NET_ADMIN
 *
 * Ownership: an observer belongs to its loop's thread; the callback may free it.
 */
#ifndef NETWORK_OBSERVER_H
#define NETWORK_OBSERVER_H

struct lw_loop;
struct observer;

enum observed { OBSERVE_PATHS, OBSERVE_NFTABLES };

typedef void observer_fn(void *user);

/* 0 or a negative errno. changed runs from the loop. */
int observer_new(struct lw_loop *loop, enum observed observed, observer_fn *changed, void *user,
		 struct observer **ret_observer);
void observer_free(struct observer *observer);

#endif
