/* SPDX-License-Identifier: MIT */
/*
 * A link-local address on an interface: network/link_local.h with a packet socket, on the loop.
 *
 * It tells of its address as a DHCP client does of its lease (network/lease.h), and puts nothing on
 * the interface itself. ARP goes through a packet socket, which only CAP_NET_RAW can make, but
 * anybody can bind: a program that lays its privileges down makes one before with
 * link_local_prepare(), which each of its clients takes and gives back at its end, one at a time.
 * Belongs to the loop's thread.
 */
#ifndef NETWORK_LINK_LOCAL_CLIENT_H
#define NETWORK_LINK_LOCAL_CLIENT_H

#include <stdint.h>

#include "network/lease.h"

struct link_local_client;
struct lw_loop;

enum { LINK_LOCAL_LENGTH = 16, LINK_LOCAL_READS_PER_WAKEUP = 32 };

struct link_local_facts {
	const char *state;
	uint64_t conflicts, defences;
};

/* Make a socket for all clients to come. 0; -EPERM without CAP_NET_RAW, or another negative errno. */
int link_local_prepare(void);
/* NULL, or why this machine cannot do it. */
const char *link_local_refusal(void);

/* ops: bound with the address and nothing else, lost when it was given up. */
int link_local_client_new(struct lw_loop *loop, const char *interface, const struct lease_ops *ops,
			  void *user, struct link_local_client **ret_client);
/* The link was away: see link_local_again(). */
void link_local_client_again(struct link_local_client *client);
void link_local_client_facts(const struct link_local_client *client,
			     struct link_local_facts *ret_facts);
/* Accepts NULL. No call comes any more. */
void link_local_client_free(struct link_local_client *client);

#endif
