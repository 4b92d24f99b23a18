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

/* Where the addresses of a family come from. Other than manual is for Ethernet alone. */
enum lw_addressing {
	LW_ADDRESSING_DEFAULT = 0, /* manual */
	LW_ADDRESSING_MANUAL = 1,
	LW_ADDRESSING_AUTOMATIC = 2,  /* DHCP; in IPv6 what routers of that network advertise */
	LW_ADDRESSING_LINK_LOCAL = 3, /* 169.254/16 or fe80::/64, chosen by this machine */
	LW_ADDRESSING_OFF = 4,        /* the same as manual without addresses */
};

/* Apple's numbers: NEDNSProtocol. */
enum lw_dns_protocol {
	LW_DNS_CLEARTEXT = 1,
	LW_DNS_TLS = 2,
	LW_DNS_HTTPS = 3, /* refused: no resolver of this system does it for a link */
};

enum {
	LW_SETTINGS_ADDRESSES_MAX = 32,
	LW_SETTINGS_ROUTES_MAX = 512,
	LW_SETTINGS_ROUTERS_MAX = 2,
	LW_SETTINGS_DNS_SERVERS_MAX = 8,
	LW_SETTINGS_DOMAINS_MAX = 32,
};

/*
 * Who is asked for names (Apple: NEDNSSettings). In a full tunnel (the default route of a family is
 * included, or everything is by the connection's include_all_networks) the servers are asked for
 * every name. In a split tunnel they are asked for the match domains and what is below them; ""
 * would be every name, and is refused there, because it takes what the tunnel does not carry.
 */
struct lw_dns_settings {
	size_t size;
	enum lw_dns_protocol protocol; /* 0: cleartext */
	const char *const *servers;    /* "10.0.0.53", "fd86::53"; at least one */
	size_t n_servers;
	const char *const *search_domains; /* tried behind names of one label, and matched */
	size_t n_search_domains;
	const char *const *match_domains;
	size_t n_match_domains;
	bool match_domains_no_search; /* match domains are not searched */
	const char *server_name;      /* TLS: of the servers' certificate; NULL: their addresses */
};

/*
 * Proxies that programs should use (Apple: NEProxySettings). Linux has nobody who would enforce
 * them: they are validated, told in the status and written to a file of environment variables.
 */
struct lw_proxy_settings {
	size_t size;
	const char *http_server, *https_server; /* "proxy.example.net:3128" */
	const char *auto_configuration_url;     /* of a PAC file; wins over the servers */
	bool exclude_simple_hostnames;
	const char *const *exception_list; /* "corp.example", "*.corp.example", "10.0.0.0/8" */
	size_t n_exceptions;
	const char *const *match_domains; /* none: all that the tunnel carries */
	size_t n_match_domains;
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
	enum lw_addressing ipv4, ipv6;
	const struct lw_dns_settings *dns;     /* NULL: the machine's resolver is left alone */
	const struct lw_proxy_settings *proxy; /* NULL: none */
};

LW_END

#endif
