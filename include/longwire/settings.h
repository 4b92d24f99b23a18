/* SPDX-License-Identifier: MIT */
/* Network settings of a tunnel's interface (Apple: NEPacketTunnelNetworkSettings and its Ethernet
 * kind). */
#ifndef LONGWIRE_SETTINGS_H
#define LONGWIRE_SETTINGS_H

#include <longwire/api.h>

LW_BEGIN

/* What the interface's carrier does while the tunnel reconnects. */
enum lw_carrier {
	LW_CARRIER_DEFAULT = 0, /* hold in a bridge, else follow */
	LW_CARRIER_HOLD = 1,   /* stays on: a bridge with STP would block for 31 s at each change */
	LW_CARRIER_FOLLOW = 2, /* on while connected: a DHCP client sees the change and renews */
};

enum {
	LW_SETTINGS_ADDRESSES_MAX = 32,
	LW_SETTINGS_ROUTES_MAX = 512,
	LW_SETTINGS_ROUTERS_MAX = 2,
};

/*
 * One struct for both layers. Zero and NULL mean "leave alone". Strings are copied at the call.
 *
 * The kernel adds the connected route of each address itself. A route's next hop is the interface,
 * or (Ethernet) the router of its family. How included routes and the machine's own get along is
 * decided by the connection's options (longwire/connection.h), not by who sets them.
 */
struct lw_network_settings {
	size_t size;
	const char *remote_address;   /* "192.0.2.1" of the hub; informative */
	const char *ethernet_address; /* "02:…", unicast, Ethernet only; set before it is up */
	uint32_t mtu;                 /* bytes of an IP packet, 576 … 65535; 0: leave alone */
	const char *bridge; /* join this existing bridge; Ethernet only; excludes addresses */
	enum lw_carrier carrier;
	const char *const *addresses; /* "10.86.0.2/24", "fd86::2/64" */
	size_t n_addresses;
	const char *const *included_routes; /* "10.0.0.0/8", "::/0" */
	size_t n_included_routes;
	const char *const *excluded_routes; /* carved out of the included ones: they go where the
					       machine would send them without the tunnel */
	size_t n_excluded_routes;
	const char *const *routers; /* Ethernet: "10.20.0.1", "fd20::1"; one of each family, in the
				       network of an address */
	size_t n_routers;
	uint32_t tunnel_overhead; /* the MTU is that of the path to remote_address less this, and
				     follows it; 0: no. Not together with mtu */
};

LW_END

#endif
