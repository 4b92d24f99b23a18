/* SPDX-License-Identifier: MIT */
/* The hub's own: shared by hub.c, hub_port.c and hub_listen.c, included by nobody else. */
#ifndef TUNNEL_HUB_INTERNAL_H
#define TUNNEL_HUB_INTERNAL_H

#include <longwire/hub.h>

#include "base/log.h"
#include "capture/point.h"
#include "loop/crew.h"
#include "switch/vswitch.h"
#include "tls/credentials.h"
#include "tunnel/handshaker.h"
#include "tunnel/port_link.h"
#include "tunnel/session.h"

enum { PORT_ADDRESSES_MAX = 8, PORT_NETWORKS_MAX = 64, HUB_POOLS_MAX = 4, HUB_OWN_MAX = 8 };

/*
 * A port belongs to a peer's name and lives as long as it is configured. Its sessions come and go, in
 * a bundle, whose first is the one that is shown; joining are those whose hello has not come yet, the
 * oldest first: as many as may have streams.
 */
struct port_joining {
	struct session *session;
	char address[80];
};

struct lw_port {
	struct vport vport;
	struct port_link link;
	struct lw_hub *hub;
	struct list list;
	char name[LW_PORT_NAME_SIZE];
	struct pin pins[LW_PORT_PINS_MAX];
	size_t n_pins;
	struct ip_prefix
		addresses[PORT_ADDRESSES_MAX]; /* host addresses, from configuration or pool */
	size_t n_addresses;
	struct ip_prefix *networks; /* PORT_NETWORKS_MAX or fewer */
	size_t n_networks;
	struct bundle bundle;
	struct session *session; /* the bundle's first, until its end is told */
	struct port_joining joining[STREAMS_MAX];
	size_t n_joining;
	char address[80];
	int64_t since;
	uint64_t sessions;
	struct session_end last_end;
};

struct hub_listener {
	struct loop_source source;
	struct lw_hub *hub;
};

struct lw_hub {
	struct lw_loop *loop;
	struct crew *crew;
	uint32_t streams; /* granted to each client */
	unsigned homes;   /* given to ports so far */
	enum lw_layer layer;
	uint32_t mtu;
	enum lw_between between;
	struct lw_packet_flow *flow;
	struct vswitch *vswitch;
	struct lw_capture_set captures;
	struct handshaker *handshaker;
	struct key_log *key_log; /* NULL: none */
	struct lw_port device;   /* when flow is not NULL */
	struct list ports;
	uint32_t n_ports;
	bool is_book_stale; /* ports came or went since the handshake role was told who may come in */
	struct list lingers;
	struct list sessions; /* all of them, also those that are ending */
	struct hub_listener listeners[LW_HUB_LISTEN_MAX];
	size_t n_listeners;
	struct loop_timer accept_pause, second;
	struct loop_timer stopping;
	void (*stopped)(void *user);
	void *stopped_user;
	bool is_stopping;
	struct ip_prefix pools[HUB_POOLS_MAX];
	size_t n_pools;
	struct ip_prefix own[HUB_OWN_MAX];
	size_t n_own;
	char (*routes)[OFFER_TEXT];
	size_t n_routes;
	struct dns_settings *dns;     /* offered; NULL: none */
	struct proxy_settings *proxy; /* the same */
	struct log_limit refusals;
	uint64_t accepted, refused, expired;
	char last_refusal[240];
};

/* hub.c: tell it, if it is stale: before the next handshake begins, since thousands of ports are
 * added at once. */
int hub_update_book(struct lw_hub *hub);
/* hub_listen.c */
int hub_listen_init(struct lw_hub *hub);
void hub_listen_close(struct lw_hub *hub);
void hub_listen_done(struct lw_hub *hub);

/* hub_port.c */
/* Parse options into a port that is not yet anywhere. */
int port_parse(struct lw_hub *hub, const struct lw_peer_options *options, struct lw_port *port,
	       struct lw_error *ret_error);
/* Join the switch with its prefixes. */
int port_attach(struct lw_port *port, struct lw_error *ret_error);
/* An admitted connection of this port's peer; fd and tls are taken in any case. */
void port_accept(struct lw_port *port, int fd, struct tls_session *tls, const char *address);
void port_end_sessions(struct lw_port *port, enum goodbye_code code, const char *text);
/* End and free every session of the port; their sockets linger. Not within a callback of theirs. */
void port_drop_sessions(struct lw_port *port, enum goodbye_code code, const char *text);
extern const struct vport_ops port_vport_ops;

#endif
