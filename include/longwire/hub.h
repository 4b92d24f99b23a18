/* SPDX-License-Identifier: MIT */
/* The hub: one switch (Ethernet) or router (IP) whose ports are its clients and, if it has one, its
 * device. */
#ifndef LONGWIRE_HUB_H
#define LONGWIRE_HUB_H

#include <longwire/api.h>
#include <longwire/impairment.h>
#include <longwire/packet.h>

LW_BEGIN

struct lw_capture;
struct lw_dns_settings;
struct lw_error;
struct lw_hub;
struct lw_loop;
struct lw_packet_flow;
struct lw_port;
struct lw_proxy_settings;

/* What is behind a port decides its limits. */
enum lw_behind {
	LW_BEHIND_HOST = 1, /* one machine: few MACs, no DHCP server, router or bridge of its own */
	LW_BEHIND_LAN = 2,  /* a bridged LAN: many MACs, and all of those pass */
};

/* Where packets from one client to another go. */
enum lw_between {
	LW_BETWEEN_ISOLATED = 1,
	LW_BETWEEN_DIRECT = 2, /* inside the hub */
	LW_BETWEEN_KERNEL = 3, /* IP: out of the device, where the machine's firewall decides */
};

enum {
	LW_HUB_CLIENTS_MAX = 4096,
	LW_HUB_LISTEN_MAX = 16,
	LW_PORT_PINS_MAX = 8,
	LW_PORT_NAME_SIZE = 64,
	LW_WORKERS_MAX = 8,
	LW_STREAMS_MAX = 8,
};

struct lw_hub_options {
	size_t size;
	enum lw_layer layer;
	const char *identity_file;   /* PEM, private key and certificate */
	uint32_t mtu;                /* of the whole network, 576 … 9216; 0: 1500 */
	struct lw_packet_flow *flow; /* the hub's own port, borrowed; NULL: none */
	enum lw_between between;     /* 0: direct in Ethernet, isolated in IP */
	const char *const *pool; /* IP: prefixes from which clients without addresses get theirs,
				    e.g. the interface's own; its addresses are never given away */
	size_t n_pool;
	const char *const *own_addresses; /* IP: "10.86.0.1/24", this machine's on the device */
	size_t n_own_addresses;
	const char *const *included_routes; /* offered to every client */
	size_t n_included_routes;
	const struct lw_dns_settings *dns;     /* IP: offered to every client; NULL: none */
	const struct lw_proxy_settings *proxy; /* the same */
	bool inline_handshakes; /* on the loop's own thread: for tests with a clock of their own */
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
	uint32_t streams; /* connections of one client at once; 0: 1, at most LW_STREAMS_MAX */
};

struct lw_peer_options {
	size_t size;
	const char *name; /* 1 … 63 of [A-Za-z0-9._-], not beginning with a dot or dash */
	const char *const *pins;
	size_t n_pins;                /* 1 … LW_PORT_PINS_MAX */
	enum lw_behind behind;        /* 0: host */
	const char *const *addresses; /* IP: "10.86.0.2"; none: from the pool */
	size_t n_addresses;
	const char *const *networks; /* IP: prefixes behind this client */
	size_t n_networks;
	/* Limits: 0 means the default of behind (host | lan). */
	uint32_t macs_max;             /* 16 | 4096; up to 65536 */
	uint32_t broadcast_per_second; /* 100 | 1000 */
	uint32_t multicast_per_second; /* 500 | 5000 */
	uint32_t unknown_per_second;   /* 100 | 2000 */
};

LW_API LW_MUST_CHECK int lw_hub_new(struct lw_loop *loop, const struct lw_hub_options *options,
				    struct lw_hub **ret_hub, struct lw_error *ret_error);
LW_API void lw_hub_free(struct lw_hub *hub);

/* Listen on "address:port" or "[v6]:port"; port 0: the kernel's choice. ret_port may be NULL. Up to
 * LW_HUB_LISTEN_MAX. */
LW_API LW_MUST_CHECK int lw_hub_listen(struct lw_hub *hub, const char *address, uint16_t *ret_port,
				       struct lw_error *ret_error);
/* Serve a connected, non-blocking stream socket as if it had been accepted; owned by the hub from
 * success on. */
LW_API LW_MUST_CHECK int lw_hub_adopt(struct lw_hub *hub, int descriptor);

/* Say goodbye to all and stop listening; stopped runs once, within a second. Idempotent. */
LW_API void lw_hub_stop(struct lw_hub *hub, void (*stopped)(void *user), void *user);

/* Admit a client: a port of its own, named by it, without a session yet. -EEXIST for a name or pin
 * in use. */
LW_API LW_MUST_CHECK int lw_hub_add_peer(struct lw_hub *hub, const struct lw_peer_options *options,
					 struct lw_port **ret_port, struct lw_error *ret_error);
/* End its session with a goodbye and forget it. */
LW_API void lw_hub_remove_peer(struct lw_hub *hub, struct lw_port *port);

struct lw_port_status {
	size_t size;
	char name[LW_PORT_NAME_SIZE];
	bool connected;
	bool is_device;
	enum lw_behind behind;
	char address[80]; /* of the peer's socket; of the last one while down */
	char tls[64];
	int64_t since; /* wall-clock seconds of the last change of connected; 0: never connected */
	uint64_t sessions; /* that came up */
	uint64_t rtt_us;
	uint32_t peer_mtu;
	uint32_t streams, streams_up; /* agreed on, and there now; 0: nobody is connected */
	uint32_t macs;                /* learned now */
	uint64_t received_packets, received_bytes; /* from the peer */
	uint64_t sent_packets, sent_bytes;
	uint64_t drops[LW_DROP_COUNT];
	char addresses[240]; /* IP: the peer's prefixes, separated by blanks */
	char last_end[240];  /* why the last session ended */
};

LW_API void lw_port_status(const struct lw_port *port, struct lw_port_status *ret_status);
/* The first port, or the one after port; NULL at the end. The device's port comes first. */
LW_API struct lw_port *lw_hub_next_port(struct lw_hub *hub, struct lw_port *port);

/*
 * Impair a port's link, in either way or both (enum lw_port_way, or-ed), in the place of what it was
 * given before; impairment NULL: take that away, and let out what still waits. -EINVAL names the key
 * and what is allowed. Costs nothing where it is not used.
 */
LW_API LW_MUST_CHECK int lw_port_impair(struct lw_port *port, unsigned ways,
					const struct lw_impairment *impairment,
					struct lw_error *ret_error);
/* Return: whether that way is impaired. Both outputs may be NULL and are filled in if it is, the
 * first with the seed in use. */
LW_API bool lw_port_impairment(const struct lw_port *port, enum lw_port_way way,
			       struct lw_impairment *ret_impairment,
			       struct lw_impairment_counters *ret_counters);

struct lw_hub_status {
	size_t size;
	uint32_t clients, connected;
	uint32_t workers;
	uint32_t macs; /* learned in all */
	uint64_t handshakes_accepted, handshakes_refused, handshakes_expired;
	uint32_t handshakes_pending;
	char last_refusal[240];
	/* Lines of key_log_file, those that could not be written, and the last errno of these. */
	uint64_t key_log_lines, key_log_failed;
	int key_log_error;
};

LW_API void lw_hub_status(const struct lw_hub *hub, struct lw_hub_status *ret_status);

/* Attach a capture to this hub's points until it is detached or either is freed. -ENOSPC: too
 * many. */
LW_API LW_MUST_CHECK int lw_hub_attach_capture(struct lw_hub *hub, struct lw_capture *capture);

LW_END

#endif
