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
	const struct lw_provider_ops *ops; /* must stay valid */
	void *user;                        /* given to every op */
	/* Opened at each start, unless flow is given. An adopted descriptor is the connection's,
	 * for all starts. */
	struct lw_device_options device;
	struct lw_packet_flow *flow; /* borrowed; memory or opened by the caller */
	uint32_t start_timeout_ms;   /* 0: 60 000; UINT32_MAX: none, try for ever */
	uint32_t stop_timeout_ms;    /* 0: 20 000 */
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
 * Return: 0; -EALREADY unless disconnected; or why the device could not be opened.
 */
LW_API LW_MUST_CHECK int lw_connection_start(struct lw_connection *connection,
					     const struct lw_start_options *options,
					     struct lw_error *ret_error);
/* Begin to end. Idempotent. Return: 1 if it does, 0 if it was disconnected or disconnecting
 * already. */
LW_API int lw_connection_stop(struct lw_connection *connection, enum lw_stop_reason reason);

LW_API enum lw_status lw_connection_status(const struct lw_connection *connection);
/* Wall-clock seconds since the epoch of the last disconnected → connected; 0 unless up. Survives
 * reasserting. */
LW_API int64_t lw_connection_connected_date(const struct lw_connection *connection);
/* The last error that caused a disconnect or a failed start; domain LW_DOMAIN_NONE: none. */
LW_API void lw_connection_last_error(const struct lw_connection *connection,
				     struct lw_error *ret_error);

/*
 * Observe the status; one observer. It is told the present status at once (from the loop), then
 * each change.
 */
LW_API void lw_connection_observe(struct lw_connection *connection,
				  void (*observer)(struct lw_connection *connection,
						   enum lw_status status, void *user),
				  void *user);

/*
 * Send a message to the provider; reply runs exactly once, with the answer or with NULL (length 0)
 * when there is none. Return: 0; -ENOTCONN when no provider runs; -EAGAIN while 64 messages wait
 * for their answers.
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
