/* SPDX-License-Identifier: MIT */
/* The connection: the controller's handle of one tunnel (Apple: NEVPNConnection). */
#ifndef LONGWIRE_CONNECTION_H
#define LONGWIRE_CONNECTION_H

#include <longwire/api.h>
#include <longwire/error.h>
#include <longwire/flow.h>
#include <longwire/provider.h>

LW_BEGIN

struct lw_capture;
struct lw_connection;

/* Apple's numbers: NEVPNStatus. */
enum lw_status {
	LW_STATUS_INVALID = 0,
	LW_STATUS_DISCONNECTED = 1,
	LW_STATUS_CONNECTING = 2,
	LW_STATUS_CONNECTED = 3,
	LW_STATUS_REASSERTING = 4,
	LW_STATUS_DISCONNECTING = 5,
};

/* Return: "connected" and so on; "?" outside the enumeration. */
LW_API const char *lw_status_name(enum lw_status status);

struct lw_connection_options {
	size_t size;
	const struct lw_provider_ops *ops; /* its strings and functions must stay valid */
	void *user;                        /* given to every op */
	/* Opened at each start, unless flow is given. An adopted descriptor is the connection's,
	 * for all starts. */
	const struct lw_device_options *device;
	struct lw_packet_flow *flow; /* borrowed; memory or opened by the caller */
	uint32_t start_timeout_ms;   /* 0: 60 000; UINT32_MAX: none, try for ever */
	uint32_t stop_timeout_ms;    /* 0: 20 000 */
	uint32_t sleep_timeout_ms;   /* 0: 4 000; the system itself waits little longer */
	/*
	 * Which packets go into the tunnel is decided here, by who made the connection, and neither by
	 * the provider nor by who is at its other end (Apple: NEVPNProtocol).
	 */
	bool enforce_routes; /* included routes win over every route of the machine */
	/*
	 * The kill switch: everything goes into the tunnel or nowhere. It is closed before ops->start
	 * is called, and stays closed when the connection ends, however it ends, also with the
	 * program, until lw_connection_unlock(); while the loop runs, it is closed again if another
	 * program opens it. Implies enforce_routes; needs an interface of the kernel.
	 */
	bool include_all_networks;
	/* Of either: but for the networks of private addresses that other interfaces are connected
	 * to. */
	bool exclude_local_networks;
};

LW_API LW_MUST_CHECK int lw_connection_new(struct lw_loop *loop,
					   const struct lw_connection_options *options,
					   struct lw_connection **ret_connection,
					   struct lw_error *ret_error);
/*
 * Only when disconnected. Else it stops without waiting: ops->stop is called and settings are
 * undone before this returns, messages are answered with NULL, and nothing is called after it; a
 * flow of its own is closed when the provider has stopped.
 */
LW_API void lw_connection_free(struct lw_connection *connection);

/*
 * Begin; the outcome is told by the status. options may be NULL (origin LW_START_API).
 * Return: 0; -EALREADY unless disconnected; -EBUSY from lw_connection_sleep to lw_connection_wake;
 * -EINVAL for options that cannot be; or why the device could not be opened.
 */
LW_API LW_MUST_CHECK int lw_connection_start(struct lw_connection *connection,
					     const struct lw_start_options *options,
					     struct lw_error *ret_error);
/* Begin to end. Idempotent. Return: 1 if it does, 0 if it was disconnected or disconnecting
 * already; -EINVAL for a reason outside the enumeration. */
LW_API int lw_connection_stop(struct lw_connection *connection, enum lw_stop_reason reason);

/*
 * The machine is about to sleep. Until lw_connection_wake() starts are refused, so that nothing
 * that is stopped for it comes up again before. The provider is told and asked to be quick, or, with
 * disconnect, stopped with LW_STOP_SLEEP; it is not started again by lw_connection_wake(). done runs
 * once: from the loop when the provider has quiesced or stopped, when his watchdog barks, or soon
 * where there is nothing to do; else from within lw_connection_wake() or lw_connection_free().
 * Return: 0; -EALREADY until lw_connection_wake().
 */
LW_API LW_MUST_CHECK int lw_connection_sleep(struct lw_connection *connection, bool disconnect,
					     void (*done)(void *user), void *user);
/* Awake again, or the sleep was given up. Without lw_connection_sleep() before: nothing. */
LW_API void lw_connection_wake(struct lw_connection *connection);

/* Open the kill switch. 0, also when there is none; -EBUSY unless disconnected. */
LW_API LW_MUST_CHECK int lw_connection_unlock(struct lw_connection *connection,
					      struct lw_error *ret_error);
/* Whether this connection has closed it. */
LW_API bool lw_connection_is_locked(const struct lw_connection *connection);

struct lw_lock_status {
	size_t size;
	bool is_wanted; /* the connection has a kill switch */
	bool is_closed; /* it is, as far as this connection did: somebody else may have opened it */
	bool asks_names; /* closed but for questions to name servers: the peer's name is not known */
	int64_t since;   /* wall-clock seconds; also from before this connection; 0: not closed */
	char interface[16];
	size_t n_peers; /* noted: see lw_provider_found_peer() */
	char peers[LW_PEERS_MAX][LW_PEER_TEXT_SIZE];
};

LW_API void lw_connection_lock_status(const struct lw_connection *connection,
				      struct lw_lock_status *ret_status);

LW_API enum lw_status lw_connection_status(const struct lw_connection *connection);
/* Wall-clock seconds since the epoch of the last disconnected → connected; 0 unless up. Survives
 * reasserting. */
LW_API int64_t lw_connection_connected_date(const struct lw_connection *connection);
/* The last error that caused a disconnect or a failed start; domain LW_DOMAIN_NONE: the last run
 * ended without one, or there was none yet. */
LW_API void lw_connection_last_error(const struct lw_connection *connection,
				     struct lw_error *ret_error);
/* Who asked for the present or last start; 0: none yet. */
LW_API enum lw_start_origin lw_connection_origin(const struct lw_connection *connection);
/* Why the last run ended, or ends; LW_STOP_NONE: none did yet. */
LW_API enum lw_stop_reason lw_connection_stop_reason(const struct lw_connection *connection);

enum { LW_CONNECTION_ERRORS_MAX = 16 };

struct lw_connection_incident {
	size_t size;
	int64_t date;   /* wall-clock seconds, of the last time */
	uint64_t times; /* in a row */
	bool was_ending; /* a run ended with it or did not begin; else the provider told it and went on
			  */
	struct lw_error error;
};

/*
 * What went wrong lately, newest first, at most LW_CONNECTION_ERRORS_MAX, kept from run to run: what
 * ended a run, and what a provider told by lw_provider_note_error(). index 0 … Return: false: there
 * are no so many.
 */
LW_API bool lw_connection_incident(const struct lw_connection *connection, size_t index,
				   struct lw_connection_incident *ret_incident);

/* What of the present settings is not the interface's own. Lists are words with a space between;
 * what does not fit is left out. */
struct lw_network_status {
	size_t size;
	char resolver[24];      /* who was told of the servers: "systemd-resolved", "resolvconf";
				   empty: nobody */
	char name_servers[400]; /* "10.0.0.53 fd86::53" */
	char match_domains[1024], search_domains[1024];
	bool all_names;                   /* the servers are asked for every name */
	char lease[64], lease_router[64]; /* by DHCP: "10.1.0.5/24"; empty: none */
	bool awaits_lease; /* there shall be one, or a link-local address, and is none yet */
	/* Proxies, which nobody enforces: "proxy.example.net:3128"; empty: none. */
	char http_proxy[280], https_proxy[280], proxy_configuration_url[1024];
	char proxy_exceptions[1024], proxy_domains[1024]; /* no domains: for all */
	bool proxy_excludes_simple_hostnames;
	/* Where IPv4 addresses are link-local: "probing", "announcing", "held", or "waiting" until
	 * packets can flow; empty: they are not. The address, "169.254.7.9/16", if there is one. */
	char link_local_state[16], link_local[64];
	uint64_t link_local_conflicts; /* somebody else had the address, or wanted it, too */
	uint64_t link_local_defences;  /* of these, those that were answered */
};

LW_API void lw_connection_network(const struct lw_connection *connection,
				  struct lw_network_status *ret_status);

/*
 * Observe the status; one observer. It is told the present status at once (from the loop), then
 * each change.
 */
LW_API void lw_connection_observe(struct lw_connection *connection,
				  void (*observer)(struct lw_connection *connection,
						   enum lw_status status, void *user),
				  void *user);

enum { LW_MESSAGE_MAX = 65536, LW_MESSAGES_MAX = 64 };

/*
 * Send a message to the provider; reply runs exactly once, with the answer or with NULL (length 0)
 * when there is none, at the latest when the run ends. Return: 0; -ENOTCONN when no provider runs;
 * -EAGAIN while LW_MESSAGES_MAX messages wait for their answers; -EMSGSIZE above LW_MESSAGE_MAX
 * bytes.
 */
LW_API LW_MUST_CHECK int
lw_connection_send_message(struct lw_connection *connection, const void *data, size_t length,
			   void (*reply)(const void *data, size_t length, void *user), void *user);

/* Attach a capture to this tunnel's points until it is detached or either is freed. -ENOSPC: too
 * many. */
LW_API LW_MUST_CHECK int lw_connection_attach_capture(struct lw_connection *connection,
						      struct lw_capture *capture);

LW_END

#endif
