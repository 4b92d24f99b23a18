/* SPDX-License-Identifier: MIT */
/* The provider: code that carries the packets of one tunnel (Apple: NEPacketTunnelProvider). */
#ifndef LONGWIRE_PROVIDER_H
#define LONGWIRE_PROVIDER_H

#include <longwire/api.h>
#include <longwire/error.h>

LW_BEGIN

struct lw_completion;
struct lw_loop;
struct lw_network_settings;
struct lw_packet_flow;
struct lw_provider;

/* Apple's numbers: NEProviderStopReason. */
enum lw_stop_reason {
	LW_STOP_NONE = 0,
	LW_STOP_USER_INITIATED = 1,
	LW_STOP_PROVIDER_FAILED = 2,
	LW_STOP_NO_NETWORK_AVAILABLE = 3,
	LW_STOP_UNRECOVERABLE_NETWORK_CHANGE = 4,
	LW_STOP_PROVIDER_DISABLED = 5,
	LW_STOP_AUTHENTICATION_CANCELED = 6,
	LW_STOP_CONFIGURATION_FAILED = 7,
	LW_STOP_IDLE_TIMEOUT = 8,
	LW_STOP_CONFIGURATION_DISABLED = 9,
	LW_STOP_CONFIGURATION_REMOVED = 10,
	LW_STOP_SUPERSEDED = 11,
	LW_STOP_USER_LOGOUT = 12,
	LW_STOP_USER_SWITCH = 13,
	LW_STOP_CONNECTION_FAILED = 14,
	LW_STOP_SLEEP = 15,
	LW_STOP_APP_UPDATE = 16,
	LW_STOP_INTERNAL_ERROR = 17,
};

/* Return: "user-initiated" and so on; "?" outside the enumeration. */
LW_API const char *lw_stop_reason_name(enum lw_stop_reason reason);

/* Who asked for a start. Apple hides this; providers need it. */
enum lw_start_origin {
	LW_START_USER = 1,
	LW_START_ON_DEMAND = 2,
	LW_START_BOOT = 3,
	LW_START_API = 4,
};

/*
 * The mark (SO_MARK) of a provider's connections outside the tunnel. No tunnel on this machine
 * draws packets that bear it into itself, whatever its routes say, and the kill switch lets them
 * out: so a provider marks the sockets that carry the tunnel, before they connect, and no others.
 * Needs CAP_NET_ADMIN.
 */
enum { LW_OUTER_MARK = 0x6c770000 };

/* Return: "user", "on-demand", "boot", "api"; "?" outside the enumeration. */
LW_API const char *lw_start_origin_name(enum lw_start_origin origin);

enum { LW_START_OPTIONS_MAX = 64 };

/* Never NULL when a provider gets it. */
struct lw_start_options {
	size_t size;
	enum lw_start_origin origin;
	/* n pairs, at most LW_START_OPTIONS_MAX, none NULL, opaque to the library; borrowed during
	 * ops->start */
	const char *const *keys;
	const char *const *values;
	size_t n;
};

/*
 * A completion is finished exactly once: a second time aborts the program, never is found out by a
 * watchdog (start 60 s, stop 20 s, sleep 4 s, unless the connection's options say otherwise) that finishes it
 * with ETIMEDOUT and drops the provider's later call. It can be finished until its loop is freed,
 * also after the tunnel ended.
 */
LW_API void lw_completion_finish(struct lw_completion *completion, const struct lw_error *error);
/* The same with an answer, for a message's completion; bytes are copied. */
LW_API void lw_completion_reply(struct lw_completion *completion, const void *data, size_t length);

/*
 * What a provider implements: C's subclassing. start and stop are required; an absent message means
 * that messages are answered with nothing; absent sleep and wake, that it has nothing to do then.
 * Every call comes on the loop's thread.
 *
 *   start    connect, learn, set the network settings, then finish. Packets flow once it is
 *            finished without error. Finishing with an error ends the tunnel without a call of
 *            stop: the flow is no longer used then.
 *   stop     tear down, then finish. Called at most once for each start, also when start is
 *            pending; then the pending start must still be finished (with an error), before or
 *            after.
 *   message  finish with a reply or NULL.
 *   path_changed
 *            links, addresses or routes of the machine have changed, and have settled: ask
 *            lw_provider_path() whether that means something. Only where the flow has an interface
 *            of the kernel.
 *   sleep    the machine is about to sleep, within seconds: quiesce, set reasserting, finish. At
 *            most once before each wake, and only between start and stop; not called where the
 *            connection is told to disconnect for it (then stop comes, with LW_STOP_SLEEP).
 *   wake     the machine is awake, also when it never slept after all: reconnect, set reasserting
 *            back, or cancel if that cannot be. Comes only after sleep, and also when that has not
 *            been finished yet; there may be no network yet.
 */
struct lw_provider_ops {
	size_t size;
	const char *name;
	enum lw_layer layer;
	void (*start)(struct lw_provider *provider, const struct lw_start_options *options,
		      struct lw_completion *done, void *user);
	void (*stop)(struct lw_provider *provider, enum lw_stop_reason reason,
		     struct lw_completion *done, void *user);
	void (*message)(struct lw_provider *provider, const void *data, size_t length,
			struct lw_completion *done, void *user);
	void (*sleep)(struct lw_provider *provider, struct lw_completion *done, void *user);
	void (*wake)(struct lw_provider *provider, void *user);
	void (*path_changed)(struct lw_provider *provider, void *user);
};

/* Where a connection outside the tunnel would go. */
struct lw_path {
	size_t size;
	bool is_reachable; /* false: nowhere, and the rest is empty */
	int index;         /* of the interface */
	char interface[16];
	char source[48];  /* the address that the kernel would choose */
	char gateway[48]; /* "": the address is a neighbour's */
	uint32_t mtu;
};

/* 0; -EINVAL: not an address; or why the kernel did not answer. */
LW_API LW_MUST_CHECK int lw_provider_path(struct lw_provider *provider, const char *address,
					  struct lw_path *ret_path);

/* Whether everything goes into the tunnel, whatever its routes: the connection's
 * include_all_networks. */
LW_API bool lw_provider_includes_all_networks(const struct lw_provider *provider);

/*
 * For a provider that knows its peer by a name, when there is a kill switch, which keeps questions
 * to name servers in, too. Before it looks the name up it calls lw_provider_seek_peer(). Return: 0:
 * look it up; questions get out from now on, until the peer is found; n: the kill switch was closed
 * before, and notes these n endpoints ("192.0.2.1:8443", "[2001:db8::1]:8443", at most max of them):
 * nothing else can be known; or a negative errno. When it knows, it calls lw_provider_found_peer(),
 * before it connects: the endpoints are noted for as long as the kill switch is closed, also for
 * another process, and no more question gets out. 0 or a negative errno: then questions still do.
 * Without a kill switch both do nothing.
 */
enum { LW_PEERS_MAX = 32, LW_PEER_TEXT_SIZE = 64 };
LW_API LW_MUST_CHECK int lw_provider_seek_peer(struct lw_provider *provider,
					       char (*ret_peers)[LW_PEER_TEXT_SIZE], size_t max);
LW_API LW_MUST_CHECK int lw_provider_found_peer(struct lw_provider *provider,
						const char *const *peers, size_t n);

/* The flow of this start: fresh each time, borrowed, valid until stop is finished. */
LW_API struct lw_packet_flow *lw_provider_packet_flow(struct lw_provider *provider);
LW_API struct lw_loop *lw_provider_loop(struct lw_provider *provider);
/* Return: the interface's name; known already when start is called, for both layers. */
LW_API const char *lw_provider_interface(struct lw_provider *provider);

/*
 * Apply settings as one transaction, replacing what was set before; NULL clears. Setting what is
 * already set does nothing. Everything is validated first; on failure the machine is as it was.
 * done runs exactly once, from the loop, with NULL or an error of LW_DOMAIN_TUNNEL whose text names
 * the field at fault.
 */
LW_API void lw_provider_set_network_settings(struct lw_provider *provider,
					     const struct lw_network_settings *settings,
					     void (*done)(const struct lw_error *error, void *user),
					     void *user);

/* true: the status becomes reasserting; false: connected again. Ignored unless connected or
 * reasserting. */
LW_API void lw_provider_set_reasserting(struct lw_provider *provider, bool reasserting);

/*
 * The provider's own wish to end. error becomes the connection's last error; stop is then called
 * with LW_STOP_PROVIDER_FAILED (or reason, where it is not LW_STOP_NONE; one outside the enumeration
 * becomes LW_STOP_INTERNAL_ERROR). Before start is finished: the start fails. When it ends already:
 * nothing.
 */
LW_API void lw_provider_cancel(struct lw_provider *provider, enum lw_stop_reason reason,
			       const struct lw_error *error);

/* Remember an error that the provider goes on after (it reconnects), in the connection's history:
 * see lw_connection_incident(). */
LW_API void lw_provider_note_error(struct lw_provider *provider, const struct lw_error *error);

LW_END

#endif
