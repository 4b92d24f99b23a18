/* SPDX-License-Identifier: MIT */
/* IPv4 addresses that come by themselves. */
#include "provider/automatic.h"

#include <stdio.h>
#include <string.h>

#include <longwire/connection.h>

#include "base/address.h"
#include "base/log.h"
#include "base/memory.h"
#include "network/link_local_client.h"

bool automatic_is(enum lw_addressing way)
{
	return way == LW_ADDRESSING_AUTOMATIC || way == LW_ADDRESSING_LINK_LOCAL;
}

static void bound(const struct lease *lease, void *user)
{
	struct automatic *automatic = user;
	char text[IP_PREFIX_TEXT_SIZE];

	ip_prefix_format(&lease->address, text);
	if (automatic->way == LW_ADDRESSING_LINK_LOCAL)
		log_info("%s: nobody on the link has %s", automatic->interface, text);
	else
		log_info("%s: leased %s for %u s", automatic->interface, text, lease->seconds);
	automatic->lease = *lease;
	automatic->has_lease = true;
	automatic->changed(automatic->user);
}

static void lost(void *user)
{
	struct automatic *automatic = user;

	if (!automatic->has_lease)
		return;
	log_warning("%s: %s", automatic->interface,
		    automatic->way == LW_ADDRESSING_LINK_LOCAL
			    ? "somebody else on the link uses our address: another one is sought"
			    : "the lease is lost");
	automatic->has_lease = false;
	automatic->changed(automatic->user);
}

static const struct lease_ops ops = { .bound = bound, .lost = lost };

static bool has_client(const struct automatic *automatic)
{
	return automatic->lease_client || automatic->link_local;
}

void automatic_end(struct automatic *automatic)
{
	lease_client_free(take_pointer(automatic->lease_client));
	link_local_client_free(take_pointer(automatic->link_local));
	automatic->way = LW_ADDRESSING_DEFAULT;
	automatic->has_lease = false;
}

static int begin(struct automatic *automatic)
{
	if (automatic->way == LW_ADDRESSING_LINK_LOCAL)
		return link_local_client_new(automatic->loop, automatic->interface, &ops, automatic,
					     &automatic->link_local);
	return lease_client_new(automatic->loop, automatic->interface, &ops, automatic,
				&automatic->lease_client);
}

void automatic_update(struct automatic *automatic, const char *interface, enum lw_addressing way,
		      bool is_running)
{
	int r;

	if (way != automatic->way)
		automatic_end(automatic);
	automatic->way = way;
	automatic->interface = interface;
	if (!automatic_is(way) || !is_running || has_client(automatic))
		return;
	r = begin(automatic);
	if (r < 0)
		log_error("%s: %s cannot be started: %s", interface,
			  way == LW_ADDRESSING_LINK_LOCAL ? "the choice of a link-local address"
							  : "the DHCP client",
			  strerror(-r));
}

void automatic_again(struct automatic *automatic)
{
	if (automatic->lease_client)
		lease_client_renew(automatic->lease_client);
	if (automatic->link_local)
		link_local_client_again(automatic->link_local);
}

static void tell_link_local(const struct automatic *automatic, struct lw_network_status *status)
{
	struct link_local_facts facts = { .state = "waiting" };

	if (automatic->link_local)
		link_local_client_facts(automatic->link_local, &facts);
	snprintf(status->link_local_state, sizeof(status->link_local_state), "%s", facts.state);
	status->link_local_conflicts = facts.conflicts;
	status->link_local_defences = facts.defences;
	if (automatic->has_lease)
		ip_prefix_format(&automatic->lease.address, status->link_local);
}

void automatic_status(const struct automatic *automatic, struct lw_network_status *ret_status)
{
	struct lw_network_status *status = ret_status;
	const struct lease *lease = &automatic->lease;

	status->awaits_lease = automatic_is(automatic->way) && !automatic->has_lease;
	if (automatic->way == LW_ADDRESSING_LINK_LOCAL) {
		tell_link_local(automatic, status);
		return;
	}
	if (!automatic->has_lease)
		return;
	ip_prefix_format(&lease->address, status->lease);
	if (lease->router.family)
		ip_address_format(&lease->router, status->lease_router);
}
