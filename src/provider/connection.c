/* SPDX-License-Identifier: MIT */
/*
 * The connection: the controller's handle, around the provider's life.
 *
 * It opens the flow of each run and closes it, keeps the captures from run to run, and tells the
 * observer. A connection that is freed while its provider is still stopping stays behind, unseen,
 * until the provider has finished: only he knows when he no longer uses the flow. His watchdog
 * bounds that, and the end of the loop.
 */
#include <longwire/connection.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/value.h"
#include "capture/point.h"
#include "flow/flow.h"
#include "loop/loop.h"
#include "network/fence.h"
#include "provider/provider.h"

/*
 * Changes that the observer has not been told: what a provider can go through between two passes of
 * the loop. Where that is more (he may change his mind about reasserting for ever), the last is
 * replaced: the present status is always told.
 */
enum { UNTOLD_MAX = 8, NAME_SIZE = 16 };
/* systemd waits 5 s for those who delay a sleep. */
enum { START_TIMEOUT_MS = 60000, STOP_TIMEOUT_MS = 20000, SLEEP_TIMEOUT_MS = 4000 };

struct lw_connection {
	struct lw_provider provider;
	struct lw_loop *loop;
	struct lw_device_options device; /* its name and descriptor are ours */
	char device_name[NAME_SIZE];
	struct lw_packet_flow *flow; /* of this run */
	struct lw_packet_flow *borrowed;
	struct fence *fence; /* NULL: no kill switch */
	struct lw_capture_set captures;
	int64_t connected_date;
	void (*observer)(struct lw_connection *connection, enum lw_status status, void *user);
	void *observer_user;
	enum lw_status untold[UNTOLD_MAX];
	unsigned n_untold;
	bool is_freed;
	struct loop_deferred freeing;
};

static const char *const status_names[] = {
	[LW_STATUS_INVALID] = "invalid",         [LW_STATUS_DISCONNECTED] = "disconnected",
	[LW_STATUS_CONNECTING] = "connecting",   [LW_STATUS_CONNECTED] = "connected",
	[LW_STATUS_REASSERTING] = "reasserting", [LW_STATUS_DISCONNECTING] = "disconnecting",
};

const char *lw_status_name(enum lw_status status)
{
	return (unsigned)status < ARRAY_SIZE(status_names) ? status_names[status] : "?";
}

enum lw_status lw_connection_status(const struct lw_connection *connection)
{
	static const enum lw_status statuses[] = {
		[PROVIDER_IDLE] = LW_STATUS_DISCONNECTED,
		[PROVIDER_STARTING] = LW_STATUS_CONNECTING,
		[PROVIDER_RUNNING] = LW_STATUS_CONNECTED,
		[PROVIDER_REASSERTING] = LW_STATUS_REASSERTING,
		[PROVIDER_STOPPING] = LW_STATUS_DISCONNECTING,
	};

	return statuses[connection->provider.state];
}

/* ---- the provider's owner */

static struct lw_connection *connection_of(struct lw_provider *provider)
{
	return container_of(provider, struct lw_connection, provider);
}

static void tell_later(struct lw_connection *connection)
{
	if (connection->n_untold == UNTOLD_MAX)
		connection->n_untold--;
	connection->untold[connection->n_untold++] = lw_connection_status(connection);
}

static void state_changed(struct lw_provider *provider, enum provider_state old)
{
	struct lw_connection *connection = connection_of(provider);

	if (old == PROVIDER_STARTING && provider->state == PROVIDER_RUNNING)
		connection->connected_date = (int64_t)time(NULL);
	else if (provider->state == PROVIDER_STOPPING)
		connection->connected_date = 0;
	tell_later(connection);
}

/* A borrowed flow outlives the run: nothing of the run may stay on it. */
static void leave_borrowed(struct lw_connection *connection)
{
	struct lw_packet_flow *flow = connection->borrowed;

	for (uint16_t queue = 0; queue < lw_packet_flow_queues(flow); queue++)
		lw_packet_flow_cancel_read(flow, queue);
	packet_flow_set_captures(flow, NULL);
}

static void close_flow(struct lw_connection *connection)
{
	struct lw_packet_flow *flow = take_pointer(connection->flow);

	if (!flow)
		return;
	if (flow == connection->borrowed) {
		leave_borrowed(connection);
		return;
	}
	packet_flow_set_captures(flow, NULL);
	lw_packet_flow_free(flow);
}

static void run_ended(struct lw_provider *provider)
{
	close_flow(connection_of(provider));
}

static void tell_observer(struct lw_provider *provider)
{
	struct lw_connection *connection = connection_of(provider);

	/* Each call may set another observer, start, stop, or free: everything is looked at
	 * again. */
	while (connection->n_untold > 0) {
		enum lw_status status = connection->untold[0];

		connection->n_untold--;
		memmove(&connection->untold[0], &connection->untold[1],
			connection->n_untold * sizeof(connection->untold[0]));
		if (connection->observer)
			connection->observer(connection, status, connection->observer_user);
	}
	if (connection->is_freed && provider->state == PROVIDER_IDLE) {
		loop_undefer(connection->loop, &connection->freeing);
		loop_defer(connection->loop, &connection->freeing);
	}
}

static const struct provider_owner owner = {
	.changed = state_changed,
	.ended = run_ended,
	.told = tell_observer,
};

/* ---- making and freeing */

static int refuse(struct lw_error *error, const char *why)
{
	return error_set(error, -EINVAL, LW_DOMAIN_SYSTEM, EINVAL, "a connection needs %s", why);
}

static int take_device(const struct lw_device_options *given, enum lw_layer layer,
		       struct lw_device_options *ret_device, struct lw_error *ret_error)
{
	if (!given || !value_take(ret_device, sizeof(*ret_device), given))
		return refuse(ret_error, "device options of a known size, or a flow");
	if (ret_device->layer != layer)
		return refuse(ret_error, "a device of its provider's layer");
	if (ret_device->name && strlen(ret_device->name) >= NAME_SIZE)
		return refuse(ret_error, "an interface name of 1 to 15 bytes");
	return 0;
}

static int take_ops(const struct lw_provider_ops *given, struct lw_provider_ops *ret_ops,
		    struct lw_error *ret_error)
{
	if (!given || !value_take(ret_ops, sizeof(*ret_ops), given) || !ret_ops->name ||
	    !ret_ops->start || !ret_ops->stop)
		return refuse(ret_error, "a provider with a name, start and stop");
	if (ret_ops->layer != LW_LAYER_ETHERNET && ret_ops->layer != LW_LAYER_IP)
		return refuse(ret_error, "a provider with a layer");
	return 0;
}

/* What is given, whole and by value. */
struct taken {
	struct lw_connection_options options;
	struct lw_provider_ops ops;
	struct lw_device_options device; /* zero where there is a flow */
};

static int take_options(const struct lw_connection_options *given, struct taken *taken,
			struct lw_error *ret_error)
{
	int r;

	memset(taken, 0, sizeof(*taken));
	if (!given || !value_take(&taken->options, sizeof(taken->options), given))
		return refuse(ret_error, "options of a known size");
	r = take_ops(taken->options.ops, &taken->ops, ret_error);
	if (r < 0)
		return r;
	if (!taken->options.flow)
		return take_device(taken->options.device, taken->ops.layer, &taken->device,
				   ret_error);
	if (lw_packet_flow_layer(taken->options.flow) != taken->ops.layer)
		return refuse(ret_error, "a flow of its provider's layer");
	return 0;
}

static void free_connection(struct lw_connection *connection)
{
	loop_undefer(connection->loop, &connection->freeing);
	capture_set_clear(&connection->captures);
	close_flow(connection);
	close_fd(&connection->device.descriptor);
	fence_free(connection->fence);
	free(connection);
}

/* From the loop: the provider has stopped, or it never will because the loop ends. */
static void freeing_came(struct loop_deferred *freeing)
{
	struct lw_connection *connection = container_of(freeing, struct lw_connection, freeing);
	struct lw_provider *provider = &connection->provider;

	provider_drop(provider);
	provider_done(provider);
	free_connection(connection);
}

/* The descriptor that was given is kept for all runs; each run has a duplicate, as it would open a
 * device anew. */
static void copy_device(struct lw_connection *connection, const struct lw_device_options *device)
{
	connection->device = *device;
	if (device->kind != LW_DEVICE_ADOPTED)
		connection->device.descriptor = -1;
	if (!device->name)
		return;
	snprintf(connection->device_name, sizeof(connection->device_name), "%s", device->name);
	connection->device.name = connection->device_name;
}

static uint32_t or_usual(uint32_t given, uint32_t usual)
{
	return given ? given : usual;
}

static int set_routing(struct lw_connection *connection,
		       const struct lw_connection_options *options)
{
	struct interface_options *interface = &connection->provider.options;
	int r = 0;

	interface->routing = (struct network_routing){
		.enforce = options->enforce_routes,
		.include_all = options->include_all_networks,
		.exclude_local = options->exclude_local_networks,
	};
	if (options->include_all_networks)
		r = fence_new(connection->loop, &connection->fence);
	interface->fence = connection->fence;
	return r;
}

int lw_connection_new(struct lw_loop *loop, const struct lw_connection_options *given,
		      struct lw_connection **ret_connection, struct lw_error *ret_error)
{
	struct provider_timeouts timeouts;
	struct lw_connection *connection;
	struct taken taken;
	int r = take_options(given, &taken, ret_error);

	if (r < 0)
		return r;
	connection = calloc(1, sizeof(*connection));
	if (!connection)
		return error_errno(ret_error, ENOMEM, "connection");
	timeouts.start_ms = or_usual(taken.options.start_timeout_ms, START_TIMEOUT_MS);
	timeouts.stop_ms = or_usual(taken.options.stop_timeout_ms, STOP_TIMEOUT_MS);
	timeouts.sleep_ms = or_usual(taken.options.sleep_timeout_ms, SLEEP_TIMEOUT_MS);
	connection->loop = loop;
	connection->borrowed = taken.options.flow;
	connection->device.descriptor = -1;
	if (!taken.options.flow)
		copy_device(connection, &taken.device);
	connection->freeing.function = freeing_came;
	provider_init(&connection->provider, loop, &taken.ops, taken.options.user, &owner,
		      &timeouts);
	r = set_routing(connection, &taken.options);
	if (r < 0) {
		free_connection(connection);
		return error_errno(ret_error, -r, "connection");
	}
	*ret_connection = connection;
	return 0;
}

void lw_connection_free(struct lw_connection *connection)
{
	if (!connection || connection->is_freed)
		return;
	connection->is_freed = true;
	connection->observer = NULL;
	provider_abandon(&connection->provider);
	capture_set_clear(&connection->captures);
	/* Its owner may free it as soon as we return. */
	if (connection->flow && connection->flow == connection->borrowed) {
		leave_borrowed(connection);
		connection->flow = NULL;
	}
	/* Later in any case: this may be a call from within one of ours. */
	if (connection->provider.state == PROVIDER_IDLE)
		loop_defer(connection->loop, &connection->freeing);
	else
		loop_at_end(connection->loop, &connection->freeing);
}

/* ---- starting and stopping */

static int open_flow(struct lw_connection *connection, struct lw_error *ret_error)
{
	struct lw_device_options device = connection->device;
	int r;

	if (connection->borrowed) {
		connection->flow = connection->borrowed;
		return 0;
	}
	if (device.kind == LW_DEVICE_ADOPTED) {
		device.descriptor = fcntl(device.descriptor, F_DUPFD_CLOEXEC, 0);
		if (device.descriptor < 0)
			return error_errno(ret_error, errno, "the adopted device");
	}
	r = lw_packet_flow_open(connection->loop, &device, &connection->flow, ret_error);
	if (r < 0 && device.kind == LW_DEVICE_ADOPTED)
		close_fd(&device.descriptor);
	return r;
}

static int start_failed(struct lw_connection *connection, int result, const struct lw_error *error,
			struct lw_error *ret_error)
{
	provider_set_error(&connection->provider, error);
	if (ret_error)
		*ret_error = *error;
	return result;
}

int lw_connection_unlock(struct lw_connection *connection, struct lw_error *ret_error)
{
	if (!lw_connection_is_locked(connection))
		return 0;
	if (connection->provider.state != PROVIDER_IDLE)
		return error_set(ret_error, -EBUSY, LW_DOMAIN_SYSTEM, EBUSY,
				 "%s: the kill switch cannot be opened while the connection is %s",
				 fence_interface(connection->fence),
				 lw_status_name(lw_connection_status(connection)));
	return fence_release(connection->fence, ret_error);
}

bool lw_connection_is_locked(const struct lw_connection *connection)
{
	return connection->fence && fence_interface(connection->fence);
}

void lw_connection_lock_status(const struct lw_connection *connection,
			       struct lw_lock_status *ret_status)
{
	struct lw_lock_status status = { .size = sizeof(status),
					 .is_wanted = connection->fence,
					 .is_closed = lw_connection_is_locked(connection) };
	const struct fence_peer *peers;

	if (status.is_closed) {
		snprintf(status.interface, sizeof(status.interface), "%s",
			 fence_interface(connection->fence));
		status.since = fence_since(connection->fence);
		status.asks_names = fence_asks_names(connection->fence);
		status.n_peers = fence_peers(connection->fence, &peers);
	}
	for (size_t i = 0; i < status.n_peers; i++)
		fence_peer_format(&peers[i], status.peers[i]);
	value_give(ret_status, &status, sizeof(status));
}

static int take_start(const struct lw_start_options *given, struct lw_start_options *ret_options,
		      struct lw_error *ret_error)
{
	struct lw_start_options *options = ret_options;

	*options = (struct lw_start_options){ .size = sizeof(*options) };
	if (given && !value_take(options, sizeof(*options), given))
		return error_set(ret_error, -EINVAL, LW_DOMAIN_SYSTEM, EINVAL,
				 "start options of an unknown size");
	if (!options->origin)
		options->origin = LW_START_API;
	if (options->origin > LW_START_API)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_SYSTEM, EINVAL,
				 "start options: origin %d is not one of 1 to %d",
				 (int)options->origin, LW_START_API);
	if (options->n > LW_START_OPTIONS_MAX)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_SYSTEM, EINVAL,
				 "start options: %zu pairs, %d are allowed", options->n,
				 LW_START_OPTIONS_MAX);
	for (size_t i = 0; i < options->n; i++)
		if (!options->keys || !options->values || !options->keys[i] || !options->values[i])
			return error_set(ret_error, -EINVAL, LW_DOMAIN_SYSTEM, EINVAL,
					 "start options: pair %zu is not whole", i);
	return 0;
}

int lw_connection_start(struct lw_connection *connection, const struct lw_start_options *options,
			struct lw_error *ret_error)
{
	struct lw_start_options start;
	struct lw_error error = { 0 };
	int r;

	if (connection->is_freed || connection->provider.state != PROVIDER_IDLE)
		return error_set(ret_error, -EALREADY, LW_DOMAIN_SYSTEM, EALREADY,
				 "the connection is %s already",
				 lw_status_name(lw_connection_status(connection)));
	if (connection->provider.is_asleep)
		return error_set(
			ret_error, -EBUSY, LW_DOMAIN_SYSTEM, EBUSY,
			"the machine is about to sleep: nothing is started until it wakes");
	r = take_start(options, &start, ret_error);
	if (r < 0)
		return r;
	r = open_flow(connection, &error);
	if (r < 0)
		return start_failed(connection, r, &error, ret_error);
	r = interface_lock(&connection->provider.options, connection->flow, &error);
	if (r < 0) {
		close_flow(connection);
		return start_failed(connection, r, &error, ret_error);
	}
	packet_flow_set_captures(connection->flow, &connection->captures);
	r = provider_start(&connection->provider, connection->flow, &start);
	if (r < 0) {
		close_flow(connection);
		error_errno(&error, -r, "start");
		return start_failed(connection, r, &error, ret_error);
	}
	return 0;
}

int lw_connection_stop(struct lw_connection *connection, enum lw_stop_reason reason)
{
	if (!provider_is_stop_reason(reason))
		return -EINVAL;
	return provider_stop(&connection->provider, reason, NULL);
}

int lw_connection_sleep(struct lw_connection *connection, bool disconnect, void (*done)(void *user),
			void *user)
{
	return provider_sleep(&connection->provider, disconnect, done, user);
}

void lw_connection_wake(struct lw_connection *connection)
{
	provider_wake(&connection->provider);
}

enum lw_start_origin lw_connection_origin(const struct lw_connection *connection)
{
	return connection->provider.origin;
}

enum lw_stop_reason lw_connection_stop_reason(const struct lw_connection *connection)
{
	return connection->provider.reason;
}

bool lw_connection_incident(const struct lw_connection *connection, size_t index,
			    struct lw_connection_incident *ret_incident)
{
	const struct lw_connection_incident *incident =
		history_get(&connection->provider.history, index);

	if (incident)
		value_give(ret_incident, incident, sizeof(*incident));
	return incident;
}

int64_t lw_connection_connected_date(const struct lw_connection *connection)
{
	return connection->connected_date;
}

void lw_connection_last_error(const struct lw_connection *connection, struct lw_error *ret_error)
{
	*ret_error = connection->provider.last_error;
}

void lw_connection_network(const struct lw_connection *connection,
			   struct lw_network_status *ret_status)
{
	struct lw_network_status status = { .size = sizeof(status) };

	interface_network_status(&connection->provider.interface, &status);
	value_give(ret_status, &status, sizeof(status));
}

void lw_connection_observe(struct lw_connection *connection,
			   void (*observer)(struct lw_connection *connection, enum lw_status status,
					    void *user),
			   void *user)
{
	connection->observer = observer;
	connection->observer_user = user;
	connection->n_untold = 0;
	tell_later(connection);
	loop_defer(connection->loop, &connection->provider.pass);
}

int lw_connection_send_message(struct lw_connection *connection, const void *data, size_t length,
			       void (*reply)(const void *data, size_t length, void *user),
			       void *user)
{
	return provider_send(&connection->provider, data, length, reply, user);
}

int lw_connection_attach_capture(struct lw_connection *connection, struct lw_capture *capture)
{
	return capture_attach(&connection->captures, capture);
}
