/* SPDX-License-Identifier: MIT */
/*
 * An IPv4 address from the network behind an interface: DHCP, by udhcpc.
 *
 * Theory of operation. BusyBox's client, which Debian packages as udhcpc, is run as a child on the
 * interface; it keeps the lease, renews it and looks for another. Instead of a script it calls
 * longwire-lease, a program of ours that does nothing but hand on what was learned, one line for
 * each event, through the pipe that it inherits: no shell, no file. (dhclient is no longer
 * maintained, and dhcpcd configures the machine itself, routes of option 121 included.) What a
 * server says is believed as far as it is sane, see lease_parse(): an address of a host with the
 * length of its network, a router within that network, name servers, a domain, an MTU. Routes are
 * not asked for: where packets go is for the settings to say. A client that ends is started again
 * after LEASE_AGAIN_MS.
 */
#ifndef NETWORK_LEASE_H
#define NETWORK_LEASE_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"
#include "base/dns_settings.h"

struct lease_client;
struct lw_error;
struct lw_loop;

enum { LEASE_SERVERS_MAX = 4, LEASE_AGAIN_MS = 5000 };

struct lease {
	struct ip_prefix address;
	struct ip_address router; /* family 0: none */
	struct ip_address servers[LEASE_SERVERS_MAX];
	size_t n_servers;
	char domain[DOMAIN_TEXT_SIZE]; /* "": none */
	uint32_t mtu, seconds;         /* 0: not said */
};

struct lease_ops {
	/* A lease, or the same again. */
	void (*bound)(const struct lease *lease, void *user);
	/* There is none, or no more. */
	void (*lost)(void *user);
};

/* NULL, or why this machine cannot do it. */
const char *lease_refusal(void);
/* Where longwire-lease is, when it is not where it was built to be installed. Copied; before any
 * client is made. */
void lease_set_helper(const char *path);

int lease_client_new(struct lw_loop *loop, const char *interface, const struct lease_ops *ops,
		     void *user, struct lease_client **ret_client);
/* The network may be another now: ask for the address again. */
void lease_client_renew(struct lease_client *client);
/* Accepts NULL. No call comes any more. */
void lease_client_free(struct lease_client *client);

/* A line of longwire-lease. 1: a lease in *ret_lease; 0: there is none; -EAGAIN: nothing new;
 * -EBADMSG: what no honest server says. */
int lease_parse(const char *line, struct lease *ret_lease);

#endif
