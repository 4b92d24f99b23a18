/* SPDX-License-Identifier: MIT */
/*
 * The interface of a run: its network settings and its carrier.
 *
 * Theory of operation. Settings replace each other as a whole; those that are set already do
 * nothing. Where the flow has an interface in the kernel they are applied by the network layer,
 * which undoes what it did; where it has none (memory) they are validated and remembered. The
 * carrier is derived, never told: hold keeps it on, follow has it on only while the tunnel runs.
 * Without settings the interface is left alone altogether. Where IPv4 addresses come by themselves
 * (automatic.h) what comes is added to the settings, and the sum is applied as one.
 *
 * Where the flow has an interface in the kernel, changes of the machine's links, addresses and
 * routes are followed: what of the plan depends on them (local networks, the path's MTU) is applied
 * anew, and the provider is told. The kill switch is the connection's, which closes it before a run
 * begins; here it is told which routes are excluded, and kept when everything else is undone.
 */
#ifndef PROVIDER_INTERFACE_H
#define PROVIDER_INTERFACE_H

#include <stdbool.h>

#include <longwire/provider.h>
#include <longwire/settings.h>

#include "base/settings.h"
#include "network/network.h"
#include "provider/automatic.h"

struct fence;
struct lw_error;
struct lw_loop;
struct lw_network_status;
struct lw_packet_flow;
struct network;
struct observer;

/* Of a connection, the same for all its runs. */
struct interface_options {
	struct network_routing routing;
	struct fence *fence;              /* borrowed; NULL: there is no kill switch */
	void (*path_changed)(void *user); /* NULL: nobody wants to know */
	void *user;
};

struct interface {
	struct lw_packet_flow *flow; /* NULL: no run */
	struct network *network;     /* made with the first settings of a run; NULL: memory */
	struct lw_loop *loop;
	struct interface_options options;
	struct observer *observer; /* NULL: memory */
	struct automatic automatic;
	struct network_settings settings;
	bool has_settings;
	bool is_running;     /* the tunnel is */
	bool is_carrier_off; /* by us */
};

void interface_open(struct interface *interface, struct lw_loop *loop, struct lw_packet_flow *flow,
		    const struct interface_options *options);
/* Close the kill switch, if there is one, before anything else of a run. 0 or a negative errno. */
int interface_lock(const struct interface_options *options, const struct lw_packet_flow *flow,
		   struct lw_error *ret_error);
/* The peer's name is to be looked up: see lw_provider_seek_peer(). */
int interface_seek_peer(struct interface *interface, char (*ret_peers)[LW_PEER_TEXT_SIZE],
			size_t max);
int interface_found_peer(struct interface *interface, const char *const *peers, size_t n);
/* settings NULL clears. Errors are of LW_DOMAIN_TUNNEL; on failure everything is as before. */
int interface_apply(struct interface *interface, const struct lw_network_settings *settings,
		    struct lw_error *ret_error);
/* Tell whether packets can flow: the carrier follows where it shall. */
void interface_set_running(struct interface *interface, bool is_running);
/* Tell what is set beside the interface's own. */
void interface_network_status(const struct interface *interface,
			      struct lw_network_status *ret_status);
/* Undo everything. The flow is not used after this. Idempotent. */
void interface_close(struct interface *interface);

#endif
