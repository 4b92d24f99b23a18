/* SPDX-License-Identifier: MIT */
/*
 * The client: Longwire's own tunnel provider, written against the public provider interface alone.
 *
 * Theory of operation. A client is a pipe: a switch of two ports, the device's flow and the hub.
 * The link to the hub is a small machine:
 *
 *   IDLE        not started
 *   RESOLVING   the dialer is at work, or the caller's dial function was asked; told as CONNECTING
 *               when every name has been looked up
 *   HANDSHAKE   the handshake role has the socket
 *   HELLO       a session exists; the hub's hello, then its settings, are awaited (10 s)
 *   UP          settings are applied; packets flow
 *   WAITING     for the next attempt
 *
 * link_set() is its only writer. A start is finished when UP is first reached; a session that ends
 * later makes the provider reassert, with device, addresses and routes in place, until UP is
 * reached again. How long to wait is backoff's to say; what of an offer is applied, acceptance's.
 * While UP, a session whose key nears its end is succeeded: another connection is made beside it,
 * to the same address, and takes over (client_succession.c). The link stays UP, and what fails of it
 * is tried again; nobody else is told. Further streams (bundle.h) are opened when the first has its
 * hello (client_streams.c), and UP waits for them too.
 *
 * When the path outside changes (the provider is told by the interface), a connection whose address
 * and link are still there is succeeded as well, so that nothing is lost; one whose are gone is
 * ended and made anew at once. An attempt that is awaited is made when there may be a path again.
 *
 * Only an unusable identity or settings that cannot be applied end the tunnel by itself, or any end
 * when it was told to try once.
 */
#ifndef TUNNEL_CLIENT_H
#define TUNNEL_CLIENT_H

#include <longwire/provider.h>
#include <longwire/tunnel.h>

#include "base/address.h"
#include "base/settings.h"
#include "loop/crew.h"
#include "switch/vswitch.h"
#include "tls/credentials.h"
#include "tunnel/acceptance.h"
#include "tunnel/backoff.h"
#include "tunnel/handshaker.h"
#include "tunnel/port_link.h"
#include "tunnel/session.h"

enum { TUNNEL_PINS_MAX = 8, TUNNEL_NETWORKS_MAX = 64, TUNNEL_SETTINGS_PER_10S = 20 };

/* A successor on its way, by one of the three. */
struct succession {
	bool is_under_way, was_told; /* was_told: that it fails */
	uint64_t not_before_ns;      /* the next attempt */
	struct dialer *dialer;
	struct handshake_request *request;
	struct session *session; /* its hello is awaited */
};

/* A further stream, and a connection for it that is on its way, by one of the three. */
struct further_stream {
	struct lw_tunnel *tunnel;
	uint32_t index;
	bool is_under_way, was_told; /* was_told: that it fails */
	struct loop_timer timer;     /* the next attempt */
	struct dialer *dialer;
	struct handshake_request *request;
	struct session *session; /* its hello is awaited */
};

struct lw_tunnel {
	/* Configuration, fixed. */
	enum lw_layer layer;
	char *hubs[8];
	size_t n_hubs;
	struct pin pins[TUNNEL_PINS_MAX];
	size_t n_pins;
	struct ip_prefix networks[TUNNEL_NETWORKS_MAX];
	size_t n_networks;
	uint32_t mtu;
	unsigned accept;
	struct network_settings local;
	bool once, inline_handshakes;
	uint32_t workers, streams;
	int (*dial)(void *user, int *ret_descriptor);
	void *dial_user;
	struct pin identity;
	struct key_log *key_log;                /* NULL: none */
	struct credentials *credentials;        /* until the handshake role takes them */
	struct port_link device_link, hub_link; /* attached while started */

	/* While started. */
	struct lw_provider *provider; /* NULL: not started */
	struct lw_loop *loop;
	struct lw_completion *starting, *stopping;
	struct lw_packet_flow *flow;
	struct vswitch *vswitch;
	struct vport device, hub;
	struct dialer *dialer;
	struct handshaker *handshaker;
	struct handshake_request *request;
	struct crew *crew;
	struct bundle bundle;
	struct session *session; /* the bundle's first, or the one whose hello is awaited */
	struct succession succession;
	struct further_stream further[STREAMS_MAX]; /* the first is not used */
	struct loop_timer streams_away;             /* not all of them have been there */
	uint32_t fewer_streams;                     /* what could be had lately; 0: all */
	uint64_t fewer_until_ns;
	bool is_configured;   /* the settings of this session are in force */
	struct list sessions; /* all of them, also those that are ending */
	struct list lingers;
	struct backoff backoff;
	struct loop_timer timer; /* next attempt, awaited settings, or parting */
	enum lw_link_state link;
	bool was_up;          /* since the start */
	uint64_t up_since_ns; /* of the last UP */
	struct sockaddr_storage peer;
	struct lw_path path; /* to it, when it was reached */
	uint64_t hurried_ns; /* when an attempt was last brought forward */
	uint64_t settings_window_ns;
	uint32_t settings_seen;
	bool is_applying;
	struct offer next_offer; /* that came while the last was being applied */
	bool has_next_offer;

	/* Told. */
	char address[80];
	char refused[ACCEPTANCE_TEXT_SIZE];
	char last_failure[240];
	uint64_t connects, retry_due_ns;
};

/* client_settings.c: a settings unit came. client.c: its settings are applied, or cannot be. */
void client_take_offer(struct session *session, const uint8_t *data, size_t length);
/* client_name.c */
/* Whether the hub has a name that a kill switch keeps from being asked for. */
bool client_hub_is_named_inside(const struct lw_tunnel *tunnel);
/* Before an attempt: what may be looked up, or what is known instead. 0 or a negative errno. */
int client_seek_hub(struct lw_tunnel *tunnel);
void client_hub_found(void *user); /* the dialer's: a look-up gave addresses */
/* Return: error, or in memory the same with what to do if the hub has moved. */
const struct lw_error *client_explain_unreached(const struct lw_tunnel *tunnel,
						const struct lw_error *error,
						struct lw_error *memory);
void client_apply_next(struct lw_tunnel *tunnel);  /* the offer that waited, if there is one */
void client_forget_next(struct lw_tunnel *tunnel); /* its session has ended */
void client_settings_applied(const struct lw_error *error, void *user);
/* client.c: ask the caller's dial function; 0 with a prepared socket, or a negative errno. */
int client_ask_dial(struct lw_tunnel *tunnel, int *ret_fd, struct sockaddr_storage *ret_peer);
/* client.c: a session on what a handshake gave; it takes the socket on success. */
int client_session_new(struct lw_tunnel *tunnel, struct handshake_result *result,
		       struct session *predecessor, uint32_t index, struct session **ret_session);
/* client.c: settings or streams have come: up, if nothing is missing. */
void client_come_up(struct lw_tunnel *tunnel);
/* client_succession.c: the present session wants a successor; one that was on its way is up, or has
 * ended; whatever is under way is given up. */
void client_succeed(struct session *session);
void client_succeeded(struct lw_tunnel *tunnel);
void client_succession_ended(struct lw_tunnel *tunnel, const char *text);
void client_succession_cancel(struct lw_tunnel *tunnel);
/* client_pipe.c: the switch, its two ports, and their links; whatever comes from the device. */
int client_make_pipe(struct lw_tunnel *tunnel);
void client_read_device(struct lw_tunnel *tunnel);
/* client_message.c: the provider's message. */
void client_message(struct lw_provider *provider, const void *data, size_t length,
		    struct lw_completion *done, void *user);
/* client.c: what waits for its time is tried now. */
void client_attempt_now(struct lw_tunnel *tunnel);
/* client_sleep.c: the provider's operations. */
void client_sleep(struct lw_provider *provider, struct lw_completion *done, void *user);
void client_wake(struct lw_provider *provider, void *user);
/* client_streams.c: with the start and what follows; while the first stream is up, open the others;
 * one of them is up, has ended (or came no further), wants a successor. */
int client_streams_init(struct lw_tunnel *tunnel);
void client_streams_done(struct lw_tunnel *tunnel);
uint32_t client_streams_wanted(const struct lw_tunnel *tunnel);
void client_streams_open(struct lw_tunnel *tunnel);
void client_streams_cancel(struct lw_tunnel *tunnel);
void client_stream_up(struct session *session);
void client_stream_ended(struct lw_tunnel *tunnel, const struct session *session, const char *text);
void client_stream_worn(struct session *session);
/* client_path.c: the session is up: this is the path it uses; links, addresses or routes have
 * changed. */
void client_remember_path(struct lw_tunnel *tunnel);
void client_path_changed(struct lw_provider *provider, void *user);
/* client.c: the next attempt, if one is awaited, is worth making now. */
void client_try_soon(struct lw_tunnel *tunnel);
/* The end of a stop that waits for its goodbye to go: at once. */
void client_end_parting(struct lw_tunnel *tunnel);
/* Forget everything of a start; completions are the caller's. */
void client_dismantle(struct lw_tunnel *tunnel);

#endif
