/* SPDX-License-Identifier: MIT */
/* Longwire's own tunnel: a provider that carries a flow to a hub over TLS. */
#ifndef LONGWIRE_TUNNEL_H
#define LONGWIRE_TUNNEL_H

#include <longwire/api.h>
#include <longwire/impairment.h>
#include <longwire/packet.h>
#include <longwire/provider.h>

LW_BEGIN

struct lw_network_settings;
struct lw_tunnel;

/* What a hub may set on this machine: the accept: list. A bit each. */
enum lw_accept {
	LW_ACCEPT_ADDRESSES = 1 << 0,
	LW_ACCEPT_MTU = 1 << 1,
	LW_ACCEPT_INCLUDED_ROUTES = 1 << 2,
	LW_ACCEPT_DNS = 1 << 3,
	LW_ACCEPT_PROXY = 1 << 4,
	LW_ACCEPT_NOTHING = 1 << 30,
};

struct lw_tunnel_options {
	size_t size;
	enum lw_layer layer;
	const char *const *hubs; /* "host:port", tried in turn, every address of each */
	size_t n_hubs;
	const char *const *pins; /* "SHA256:…" of the hub's public key; any of them */
	size_t n_pins;
	const char *identity_file; /* PEM, private key and certificate; nobody else may read it */
	uint32_t mtu;              /* largest IP packet; 0: what the hub says, else 1500 */
	unsigned accept; /* enum lw_accept; 0: addresses and mtu in IP mode, nothing in Ethernet */
	const char *const
		*networks; /* IP: prefixes behind this machine that the hub may reach through it */
	size_t n_networks;
	const struct lw_network_settings *settings; /* win over what the hub offers; NULL: none */
	bool inline_handshakes; /* on the loop's own thread: for tests with a clock of their own */
	bool once; /* a first connection that fails fails the start instead of being tried again */
	/*
	 * How to reach the hub, instead of the addresses: make a connected, non-blocking stream
	 * socket, which the tunnel then owns. NULL: resolve and connect.
	 */
	int (*dial)(void *user, int *ret_descriptor);
	void *dial_user;
	/*
	 * NULL: none. Secrets of every handshake are appended here in the NSS format (RFC 9850), for
	 * Wireshark: who reads this file can decrypt every connection. Made 0600; refused if others can
	 * read it. No error of the file ever hurts a connection; they are counted.
	 */
	const char *key_log_file;
	/*
	 * Threads that forward packets, the loop's own among them; 0: 1, at most LW_WORKERS_MAX. The
	 * flow should have as many queues.
	 */
	uint32_t workers;
	uint32_t streams; /* connections to the hub at once; 0: 1, at most LW_STREAMS_MAX */
};

LW_API LW_MUST_CHECK int lw_tunnel_new(const struct lw_tunnel_options *options,
				       struct lw_tunnel **ret_tunnel, struct lw_error *ret_error);
/* After the connection that used it is disconnected or freed. */
LW_API void lw_tunnel_free(struct lw_tunnel *tunnel);

/* The ops to give to a connection together with the tunnel as user. One tunnel, one connection. */
LW_API const struct lw_provider_ops *lw_tunnel_provider_ops(const struct lw_tunnel *tunnel);

enum lw_link_state {
	LW_LINK_IDLE = 0,
	LW_LINK_RESOLVING = 1,
	LW_LINK_CONNECTING = 2,
	LW_LINK_HANDSHAKE = 3,
	LW_LINK_HELLO = 4,
	LW_LINK_UP = 5,
	LW_LINK_WAITING = 6, /* until the next attempt */
};

LW_API const char *lw_link_state_name(enum lw_link_state state);

struct lw_tunnel_status {
	size_t size;
	enum lw_link_state link;
	char hub[80]; /* address in use or last tried: "192.0.2.1:8443" */
	char tls[64]; /* "TLSv1.3, AES-128-GCM"; empty while down */
	uint32_t mtu;
	uint64_t rtt_us; /* smoothed; 0: not measured */
	uint32_t workers;
	uint32_t streams, streams_up; /* agreed on, and there now; 0: not connected */
	uint64_t connects;            /* sessions that came up since the start */
	char last_failure[240];       /* of the last attempt or session that ended; empty: none */
	uint64_t retry_ms;            /* until the next attempt; 0: none planned */
	uint64_t received_packets, received_bytes, sent_packets, sent_bytes;
	uint64_t drops[LW_DROP_COUNT];
	char refused_offers[240]; /* what the hub offered and was not accepted, and why; empty:
				     nothing */
	/* Lines of key_log_file, those that could not be written, and the last errno of these. */
	uint64_t key_log_lines, key_log_failed;
	int key_log_error;
};

LW_API void lw_tunnel_status(const struct lw_tunnel *tunnel, struct lw_tunnel_status *ret_status);

/* A client is a switch of two ports. */
enum lw_tunnel_port {
	LW_TUNNEL_DEVICE = 1, /* this machine's side: in is what it sends */
	LW_TUNNEL_HUB = 2,    /* the hub's side: in is what comes from the hub */
};

/* As lw_port_impair() and lw_port_impairment() of a hub. At any time, also before a start: the
 * impairment stays with the tunnel. */
LW_API LW_MUST_CHECK int lw_tunnel_impair(struct lw_tunnel *tunnel, enum lw_tunnel_port port,
					  unsigned ways, const struct lw_impairment *impairment,
					  struct lw_error *ret_error);
LW_API bool lw_tunnel_impairment(const struct lw_tunnel *tunnel, enum lw_tunnel_port port,
				 enum lw_port_way way, struct lw_impairment *ret_impairment,
				 struct lw_impairment_counters *ret_counters);

LW_END

#endif
