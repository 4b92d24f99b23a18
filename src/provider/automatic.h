/* SPDX-License-Identifier: MIT */
/*
 * IPv4 addresses that come by themselves: leased from the network behind the interface, or chosen
 * on its link.
 *
 * A client for either runs from the first time that packets could flow until the settings want
 * something else, and tells of one address at a time; whoever owns this puts it on the interface.
 * When packets flow again after a pause the client is told, because the network may be another.
 */
#ifndef PROVIDER_AUTOMATIC_H
#define PROVIDER_AUTOMATIC_H

#include <stdbool.h>

#include <longwire/settings.h>

#include "network/lease.h"

struct link_local_client;
struct lw_loop;
struct lw_network_status;

/* Embedded in its owner, zeroed but for these three. */
struct automatic {
	struct lw_loop *loop;
	void (*changed)(void *user); /* has_lease or lease */
	void *user;

	const char *interface; /* of the client that runs; borrowed */
	enum lw_addressing way;
	struct lease_client *lease_client;    /* AUTOMATIC */
	struct link_local_client *link_local; /* LINK_LOCAL */
	struct lease lease;
	bool has_lease;
};

/* Whether addresses of this kind come by themselves. */
bool automatic_is(enum lw_addressing way);
/* The settings want way on this interface, whose name must stay valid; is_running: packets can flow. */
void automatic_update(struct automatic *automatic, const char *interface, enum lw_addressing way,
		      bool is_running);
/* Packets flow again: the network may be another. */
void automatic_again(struct automatic *automatic);
/* End the client and forget what it told; changed is not called. Idempotent. */
void automatic_end(struct automatic *automatic);
void automatic_status(const struct automatic *automatic, struct lw_network_status *ret_status);

#endif
