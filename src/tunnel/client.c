/* SPDX-License-Identifier: MIT */
/* The client's link to its hub, and the provider's operations. */
#include "tunnel/client.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <longwire/capture.h>
#include <longwire/flow.h>
#include <longwire/provider.h>

#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "tunnel/device_queues.h"
#include "tunnel/dialer.h"
#include "tunnel/failure.h"

enum { SETTINGS_WAIT_MS = 10000, PARTING_MS = 100, HURRY_MS = 2000 };

static void attempt(struct lw_tunnel *tunnel);

const char *lw_link_state_name(enum lw_link_state state)
{
	static const char *const names[] = { "idle",  "resolving", "connecting", "handshake",
					     "hello", "up",        "waiting" };

	return (size_t)state < ARRAY_SIZE(names) ? names[state] : "?";
}

static void link_set(struct lw_tunnel *tunnel, enum lw_link_state next)
{
	/* Every state may fall back to waiting or idle; forward they come one after the other. */
	static const unsigned forward[] = {
		[LW_LINK_IDLE] = 1u << LW_LINK_RESOLVING,
		[LW_LINK_RESOLVING] = 1u << LW_LINK_HANDSHAKE,
		[LW_LINK_HANDSHAKE] = 1u << LW_LINK_HELLO,
		[LW_LINK_HELLO] = 1u << LW_LINK_UP,
		[LW_LINK_UP] = 0,
		[LW_LINK_WAITING] = 1u << LW_LINK_RESOLVING,
	};

	if (tunnel->link == next)
		return;
	(void)forward; /* where assert is nothing */
	assert(next == LW_LINK_IDLE || next == LW_LINK_WAITING ||
	       forward[tunnel->link] & 1u << next);
	log_debug("link: %s -> %s", lw_link_state_name(tunnel->link), lw_link_state_name(next));
	tunnel->link = next;
}

/* ---- the end of an attempt or session */

static void finish_start(struct lw_tunnel *tunnel, const struct lw_error *error)
{
	struct lw_completion *starting = take_pointer(tunnel->starting);

	if (starting)
		lw_completion_finish(starting, error);
}

static void wait_for_next(struct lw_tunnel *tunnel, enum backoff_class class)
{
	uint64_t now = lw_loop_now_ns(tunnel->loop);
	uint32_t random, wait_ms;

	random_bytes(&random, sizeof(random));
	wait_ms = backoff_next_ms(&tunnel->backoff, class, now, random);
	tunnel->retry_due_ns = now + wait_ms * UINT64_C(1000000);
	loop_timer_set(tunnel->loop, &tunnel->timer, tunnel->retry_due_ns);
	log_info("next attempt in %u.%u s", wait_ms / 1000, wait_ms % 1000 / 100);
}

static void link_failed(struct lw_tunnel *tunnel, enum backoff_class class,
			const struct lw_error *error)
{
	bool was_told = !strcmp(tunnel->last_failure, error->text);

	snprintf(tunnel->last_failure, sizeof(tunnel->last_failure), "%.230s", error->text);
	log_line(was_told ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, "%s", error->text);
	link_set(tunnel, LW_LINK_WAITING);
	lw_provider_note_error(tunnel->provider, error);
	if (tunnel->was_up)
		lw_provider_set_reasserting(tunnel->provider, true);
	if (!tunnel->once) {
		wait_for_next(tunnel, class);
		return;
	}
	/* Also while starting: then the start fails with this, and stop() dismantles. */
	lw_provider_cancel(tunnel->provider, LW_STOP_CONNECTION_FAILED, error);
}

static void session_ended(struct session *session, const struct session_end *ended)
{
	struct lw_tunnel *tunnel = session->user;
	const struct session_end end = *ended; /* it is the session's */
	bool was_ours = tunnel->session == session;
	uint64_t now = lw_loop_now_ns(tunnel->loop);
	enum lw_connection_error code =
		failure_of_end(&end, (now - session->stream.last_received_ns) / 1000000);
	struct lw_error error;

	if (session->index > 0)
		client_stream_ended(tunnel, session, end.text);
	session_free(session, &tunnel->lingers);
	if (tunnel->succession.session == session)
		client_succession_ended(tunnel, end.text);
	if (!was_ours)
		return;
	tunnel->session = NULL;
	if (session_end_is_loss(&end))
		lw_capture_event(lw_packet_flow_captures(tunnel->flow), LW_CAPTURE_PEER_LOST,
				 tunnel->hub.name);
	client_succession_cancel(tunnel);
	client_streams_cancel(tunnel);
	client_forget_next(tunnel);
	if (tunnel->link == LW_LINK_UP)
		backoff_lasted(&tunnel->backoff, now - tunnel->up_since_ns);
	if (end.by_peer)
		error_set(&error, 0, LW_DOMAIN_CONNECTION, code, "%s said goodbye (%s): %s",
			  tunnel->address, goodbye_name(end.code), end.text);
	else
		error_set(&error, 0, LW_DOMAIN_CONNECTION, code, "%s: %s", tunnel->address,
			  end.text);
	if (tunnel->stopping || !tunnel->provider)
		return;
	link_failed(tunnel, failure_class(&end), &error);
}

/* ---- settings */

void client_settings_applied(const struct lw_error *error, void *user)
{
	struct lw_tunnel *tunnel = user;

	tunnel->is_applying = false;
	if (!tunnel->provider || tunnel->stopping)
		return;
	if (error) {
		log_error("settings: %s", error->text);
		lw_provider_cancel(tunnel->provider, LW_STOP_CONFIGURATION_FAILED, error);
		return;
	}
	client_apply_next(tunnel);
	/* Without a session: lost meanwhile; the next one applies them again, which does nothing. */
	tunnel->is_configured = tunnel->session != NULL;
	client_come_up(tunnel);
}

void client_come_up(struct lw_tunnel *tunnel)
{
	if (!tunnel->session || tunnel->link != LW_LINK_HELLO || !tunnel->is_configured ||
	    !tunnel->bundle.is_complete)
		return;
	loop_timer_cancel(&tunnel->timer);
	link_set(tunnel, LW_LINK_UP);
	tunnel->up_since_ns = lw_loop_now_ns(tunnel->loop);
	client_remember_path(tunnel);
	tunnel->last_failure[0] = '\0';
	tunnel->connects++;
	log_info("connected to %s (%s)", tunnel->address, tunnel->session->tls);
	if (tunnel->was_up)
		lw_provider_set_reasserting(tunnel->provider, false);
	crew_hold(tunnel->crew);
	tunnel->was_up = true;
	crew_release(tunnel->crew);
	finish_start(tunnel, NULL);
}

/* ---- what the session tells */

static void session_up(struct session *session)
{
	struct lw_tunnel *tunnel = session->user;

	if (session->index > 0) {
		client_stream_up(session);
		return;
	}
	if (session->predecessor) {
		tunnel->session = session;
		client_remember_path(tunnel);
		client_succeeded(tunnel);
	}
	if (session->peer_hello.mtu < session->mtu && tunnel->mtu)
		log_warning("the network's MTU is %u: larger packets will be dropped",
			    session->peer_hello.mtu);
	tunnel->hub.mtu = session->peer_hello.mtu;
	client_streams_open(tunnel);
}

static void session_worn(struct session *session)
{
	if (session->index > 0)
		client_stream_worn(session);
	else
		client_succeed(session);
}

static void session_packets(struct session *session, const struct lw_packet *packets, size_t n)
{
	struct lw_tunnel *tunnel = session->user;
	struct lw_capture_set *captures = lw_packet_flow_captures(tunnel->flow);
	bool is_ours = bundle_has(&tunnel->bundle, session);

	for (size_t i = 0; i < n && is_ours; i++)
		lw_capture_show(captures, LW_CAPTURE_SESSION_IN, &packets[i], tunnel->hub.name,
				LW_DROP_NONE);
	if (is_ours && tunnel->was_up)
		vswitch_input(tunnel->vswitch, &tunnel->hub, packets, n,
			      lw_loop_now_ns(session->stream.loop));
	else /* left behind, or who this client is has not been settled: addressed to nobody */
		for (size_t i = 0; i < n; i++)
			vswitch_drop(tunnel->vswitch, &tunnel->hub, &packets[i], LW_DROP_PORT_DOWN);
}

static void session_dropped(struct session *session, const struct lw_packet *packet,
			    enum lw_drop reason)
{
	struct lw_tunnel *tunnel = session->user;

	vswitch_drop(tunnel->vswitch, &tunnel->hub, packet, reason);
}

static const struct session_ops client_session_ops = {
	.dropped = session_dropped,
	.up = session_up,
	.worn = session_worn,
	.packets = session_packets,
	.settings = client_take_offer,
	.ended = session_ended,
};

/* ---- attempts */

int client_session_new(struct lw_tunnel *tunnel, struct handshake_result *result,
		       struct session *predecessor, uint32_t index, struct session **ret_session)
{
	const struct session_options options = {
		.side = ADMISSION_CLIENT,
		.layer = tunnel->layer,
		.mtu = tunnel->mtu ? tunnel->mtu : 1500,
		.bundle = &tunnel->bundle,
		.index = index,
		.predecessor = predecessor,
		.ops = &client_session_ops,
		.user = tunnel,
	};
	int outcome =
		session_new(tunnel->loop, result->fd, &result->session, &options, ret_session);

	if (outcome < 0)
		return outcome;
	result->fd = -1;
	list_append(&tunnel->sessions, &(*ret_session)->list);
	return 0;
}

static void handshake_done(struct handshake_result *result, void *user)
{
	struct lw_tunnel *tunnel = user;
	struct lw_error error;
	int outcome;

	tunnel->request = NULL;
	if (result->outcome != HANDSHAKE_ADMITTED) {
		error_set(&error, 0, LW_DOMAIN_CONNECTION, result->error.code, "%s: %s",
			  tunnel->address, result->error.text);
		link_failed(tunnel,
			    result->outcome == HANDSHAKE_REFUSED ? BACKOFF_REFUSED : BACKOFF_LOST,
			    &error);
		return;
	}
	tunnel->is_configured = false;
	tunnel->bundle.wanted = client_streams_wanted(tunnel);
	outcome = client_session_new(tunnel, result, NULL, 0, &tunnel->session);
	if (outcome < 0) {
		error_errno(&error, -outcome, "%s", tunnel->address);
		link_failed(tunnel, BACKOFF_LOST, &error);
		return;
	}
	link_set(tunnel, LW_LINK_HELLO);
	loop_timer_set_in_ms(tunnel->loop, &tunnel->timer, SETTINGS_WAIT_MS);
}

static void dialed(int fd, const struct sockaddr_storage *peer, const struct lw_error *error,
		   void *user)
{
	struct lw_tunnel *tunnel = user;
	struct lw_error memory;

	if (fd < 0) {
		link_failed(tunnel, BACKOFF_LOST, client_explain_unreached(tunnel, error, &memory));
		return;
	}
	tunnel->peer = *peer;
	sockaddr_format((const struct sockaddr *)peer, tunnel->address, sizeof(tunnel->address));
	if (handshaker_submit(tunnel->handshaker, fd, peer, handshake_done, tunnel,
			      &tunnel->request) < 0) {
		close(fd);
		error_errno(&memory, ENOMEM, "%s", tunnel->address);
		link_failed(tunnel, BACKOFF_LOST, &memory);
		return;
	}
	link_set(tunnel, LW_LINK_HANDSHAKE);
}

int client_ask_dial(struct lw_tunnel *tunnel, int *ret_fd, struct sockaddr_storage *ret_peer)
{
	struct sockaddr_storage peer = { 0 };
	int fd = -1, result = tunnel->dial(tunnel->dial_user, &fd);

	if (result < 0)
		return result;
	/* Whoever says that it worked and gives nothing is not believed. */
	if (fd < 0)
		return -EBADF;
	(void)getpeername(fd, (struct sockaddr *)&peer, &(socklen_t){ sizeof(peer) });
	socket_prepare(fd);
	*ret_fd = fd;
	*ret_peer = peer;
	return 0;
}

static void ask_dial(struct lw_tunnel *tunnel)
{
	struct sockaddr_storage peer;
	struct lw_error error;
	int fd, result = client_ask_dial(tunnel, &fd, &peer);

	if (result < 0) {
		error_set(&error, 0, LW_DOMAIN_CONNECTION, failure_of_errno(-result),
			  "no connection to the hub: %s", strerror(-result));
		dialed(-1, NULL, &error, tunnel);
		return;
	}
	dialed(fd, &peer, NULL, tunnel);
}

static void attempt(struct lw_tunnel *tunnel)
{
	struct lw_error error;
	int result;

	tunnel->retry_due_ns = 0;
	link_set(tunnel, LW_LINK_RESOLVING);
	if (tunnel->dial) {
		ask_dial(tunnel);
		return;
	}
	result = client_seek_hub(tunnel);
	if (result < 0) {
		error_errno(&error, -result, "the kill switch, for the hub's name");
		link_failed(tunnel, BACKOFF_LOST, &error);
		return;
	}
	dialer_start(tunnel->dialer);
}

void client_attempt_now(struct lw_tunnel *tunnel)
{
	if (tunnel->link != LW_LINK_WAITING)
		return;
	loop_timer_cancel(&tunnel->timer);
	attempt(tunnel);
}

/* Not more often than attempts are made anyway, where addresses come and go all the time. */
void client_try_soon(struct lw_tunnel *tunnel)
{
	uint64_t now = lw_loop_now_ns(tunnel->loop);

	if (tunnel->hurried_ns && now - tunnel->hurried_ns < HURRY_MS * UINT64_C(1000000))
		return;
	tunnel->hurried_ns = now;
	client_attempt_now(tunnel);
}

static void timer_due(struct loop_timer *timer)
{
	struct lw_tunnel *tunnel = container_of(timer, struct lw_tunnel, timer);

	if (tunnel->stopping)
		client_end_parting(tunnel);
	else if (tunnel->link == LW_LINK_WAITING)
		attempt(tunnel);
	else if (tunnel->link == LW_LINK_HELLO && tunnel->session && !tunnel->is_applying &&
		 !tunnel->is_configured)
		session_finish(tunnel->session, GOODBYE_PROTOCOL, "no settings within 10 s");
}

/* ---- starting and stopping */

static int make_book(struct lw_tunnel *tunnel)
{
	struct admission_entry entries[TUNNEL_PINS_MAX] = { 0 };
	struct admission_book *book;
	int result;

	for (size_t i = 0; i < tunnel->n_pins; i++) {
		entries[i].pin = tunnel->pins[i];
		snprintf(entries[i].name, sizeof(entries[i].name), "hub");
	}
	result = admission_book_new(entries, tunnel->n_pins, &book);
	return result < 0 ? result : handshaker_set_book(tunnel->handshaker, book);
}

static int make_handshaker(struct lw_tunnel *tunnel, struct lw_error *ret_error)
{
	int result = 0;

	if (!tunnel->handshaker) {
		result = handshaker_new(tunnel->loop, ADMISSION_CLIENT, tunnel->inline_handshakes,
					tunnel->credentials, &tunnel->handshaker, ret_error);
		if (result < 0)
			return result;
		tunnel->credentials = NULL;
		handshaker_log_keys(tunnel->handshaker, tunnel->key_log);
	}
	result = make_book(tunnel);
	return result < 0 ? error_errno(ret_error, -result, "hub.pin") : 0;
}

void client_dismantle(struct lw_tunnel *tunnel)
{
	if (!tunnel->loop)
		return;
	handshaker_cancel(take_pointer(tunnel->request));
	tunnel->session = NULL;
	client_succession_cancel(tunnel);
	client_streams_done(tunnel);
	list_for_each_safe(node, &tunnel->sessions)
		session_free(list_entry(node, struct session, list), &tunnel->lingers);
	client_forget_next(tunnel);
	lingers_free(&tunnel->lingers);
	dialer_free(take_pointer(tunnel->dialer));
	loop_timer_done(tunnel->loop, &tunnel->timer);
	if (tunnel->crew)
		device_queues_close(tunnel->flow, tunnel->crew);
	port_link_detach(&tunnel->device_link);
	port_link_detach(&tunnel->hub_link);
	if (tunnel->vswitch) {
		vswitch_remove(tunnel->vswitch, &tunnel->device);
		vswitch_remove(tunnel->vswitch, &tunnel->hub);
	}
	vswitch_free(take_pointer(tunnel->vswitch));
	crew_free(take_pointer(tunnel->crew));
	link_set(tunnel, LW_LINK_IDLE);
	tunnel->flow = NULL;
	tunnel->provider = NULL;
}

static int set_up(struct lw_tunnel *tunnel, struct lw_error *ret_error)
{
	int result = make_handshaker(tunnel, ret_error);

	if (result < 0)
		return result;
	result = loop_timer_init(tunnel->loop, &tunnel->timer, timer_due);
	if (result >= 0)
		result = client_streams_init(tunnel);
	if (result >= 0)
		result = crew_new(tunnel->loop, tunnel->workers, &tunnel->crew);
	bundle_init(&tunnel->bundle, tunnel->crew, 0, tunnel->streams);
	if (result >= 0)
		result = client_make_pipe(tunnel);
	if (result < 0)
		return error_errno(ret_error, -result, "cannot start");
	if (tunnel->dial)
		return 0;
	result = dialer_new(tunnel->loop, (const char *const *)tunnel->hubs, tunnel->n_hubs, dialed,
			    tunnel, &tunnel->dialer, ret_error);
	if (result == 0)
		dialer_observe_known(tunnel->dialer, client_hub_found);
	return result;
}

static void start(struct lw_provider *provider, const struct lw_start_options *options,
		  struct lw_completion *done, void *user)
{
	struct lw_tunnel *tunnel = user;
	struct lw_error error;

	(void)options;
	tunnel->provider = provider;
	tunnel->loop = lw_provider_loop(provider);
	tunnel->flow = lw_provider_packet_flow(provider);
	tunnel->was_up = tunnel->is_applying = false;
	tunnel->settings_seen = 0;
	list_init(&tunnel->sessions);
	list_init(&tunnel->lingers);
	backoff_reset(&tunnel->backoff);
	if (set_up(tunnel, &error) < 0) {
		client_dismantle(tunnel);
		lw_completion_finish(done, &error);
		return;
	}
	tunnel->starting = done;
	client_read_device(tunnel);
	attempt(tunnel);
}

void client_end_parting(struct lw_tunnel *tunnel)
{
	struct lw_completion *stopping = take_pointer(tunnel->stopping);

	client_dismantle(tunnel);
	lw_completion_finish(stopping, NULL);
}

static void stop(struct lw_provider *provider, enum lw_stop_reason reason,
		 struct lw_completion *done, void *user)
{
	struct lw_tunnel *tunnel = user;
	struct lw_error error;

	(void)provider;
	log_debug("stopping, reason %d", (int)reason);
	error_set(&error, 0, LW_DOMAIN_CONNECTION, LW_CONNECTION_ERROR_SERVER_NOT_RESPONDING, "%s",
		  tunnel->last_failure[0] ? tunnel->last_failure
					  : "stopped before it was connected");
	tunnel->stopping = done;
	finish_start(tunnel, &error);
	loop_timer_cancel(&tunnel->timer);
	/* A borrowed flow may be freed as soon as this returns. */
	port_link_detach(&tunnel->device_link);
	port_link_detach(&tunnel->hub_link);
	crew_hold(tunnel->crew);
	device_queues_close(take_pointer(tunnel->flow), tunnel->crew);
	vswitch_set_captures(tunnel->vswitch, NULL);
	crew_release(tunnel->crew);
	client_succession_cancel(tunnel);
	client_streams_cancel(tunnel);
	if (tunnel->session) {
		session_finish(tunnel->session, GOODBYE_NONE, "this end was stopped");
		loop_timer_set_in_ms(tunnel->loop, &tunnel->timer, PARTING_MS);
	} else {
		client_end_parting(tunnel);
	}
}

static const struct lw_provider_ops ethernet_ops = {
	.size = sizeof(ethernet_ops),
	.name = "longwire",
	.layer = LW_LAYER_ETHERNET,
	.start = start,
	.stop = stop,
	.message = client_message,
	.sleep = client_sleep,
	.wake = client_wake,
	.path_changed = client_path_changed,
};

static const struct lw_provider_ops ip_ops = {
	.size = sizeof(ip_ops),
	.name = "longwire",
	.layer = LW_LAYER_IP,
	.start = start,
	.stop = stop,
	.message = client_message,
	.sleep = client_sleep,
	.wake = client_wake,
	.path_changed = client_path_changed,
};

const struct lw_provider_ops *lw_tunnel_provider_ops(const struct lw_tunnel *tunnel)
{
	return tunnel->layer == LW_LAYER_IP ? &ip_ops : &ethernet_ops;
}
