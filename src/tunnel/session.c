/* SPDX-License-Identifier: MIT */
/* Hello, goodbye, and the units in between. */
#include "tunnel/session.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <longwire/error.h>

#include "base/log.h"
#include "base/packet.h"
#include "base/random.h"
#include "device/offload.h"
#include "flow/scheduler.h"
#include "wire/offload.h"

static const uint64_t ns_per_ms = 1000000;

const char *session_state_name(enum session_state state)
{
	static const char *const names[] = { "?", "hello", "up", "draining", "ended" };

	return (size_t)state < ARRAY_SIZE(names) ? names[state] : names[0];
}

static void session_set_state(struct session *session, enum session_state next)
{
	static const unsigned allowed[] = {
		[SESSION_HELLO] = 1u << SESSION_UP | 1u << SESSION_ENDED,
		[SESSION_UP] = 1u << SESSION_DRAINING | 1u << SESSION_ENDED,
		[SESSION_DRAINING] = 1u << SESSION_ENDED,
		[SESSION_ENDED] = 0,
	};

	(void)allowed; /* where assert is nothing */
	assert(allowed[session->state] & 1u << next);
	log_debug("session: %s -> %s", session_state_name(session->state),
		  session_state_name(next));
	session->state = next;
}

static void hold(const struct session *session)
{
	if (session->bundle)
		crew_hold(session->bundle->crew);
}

static void release(const struct session *session)
{
	if (session->bundle)
		crew_release(session->bundle->crew);
}

static bool is_live(const struct session *session)
{
	return session->state == SESSION_UP || session->state == SESSION_DRAINING;
}

/* ---- succession */

bool session_may_be_succeeded(const struct session *session)
{
	return session->state == SESSION_UP && !session->predecessor && !session->successor;
}

static void link_sessions(struct session *predecessor, struct session *successor)
{
	predecessor->successor = successor;
	successor->predecessor = predecessor;
}

/* One of two ends, or goes: each is on its own from now on. */
static void unlink_sessions(struct session *session)
{
	struct session *predecessor = take_pointer(session->predecessor);
	struct session *successor = take_pointer(session->successor);

	if (predecessor) {
		predecessor->successor = NULL;
		if (predecessor->got_last || predecessor->state == SESSION_DRAINING)
			session_finish(predecessor, GOODBYE_NONE, "its successor has ended");
	}
	if (successor) {
		successor->predecessor = NULL;
		if (successor->state == SESSION_HELLO)
			session_finish(successor, GOODBYE_NONE, "what it was to succeed has ended");
		stream_resume(&successor->stream);
	}
}

/* Everything has been said on it, by both. */
static void end_drained(struct session *session)
{
	if (session->state == SESSION_DRAINING && session->got_last &&
	    session->stream.last == STREAM_LAST_SENT)
		session_finish(session, GOODBYE_NONE, "its successor carries on");
}

static void hand_over(struct session *session)
{
	struct session *predecessor = session->predecessor;

	session->rtt_us = predecessor->rtt_us;
	session_set_state(predecessor, SESSION_DRAINING);
	predecessor->stream.last_received_ns = lw_loop_now_ns(session->loop);
	loop_timer_set_in_ms(session->loop, &predecessor->timer, SESSION_DRAIN_DEAD_MS);
	if (!predecessor->got_last)
		stream_pause(&session->stream);
	stream_say_last(&predecessor->stream);
	stream_flush(&predecessor->stream);
}

static void got_last(struct session *session)
{
	if (!session->successor) {
		session_finish(session, GOODBYE_NONE, "the stream has ended");
		return;
	}
	session->got_last = true;
	stream_resume(&session->successor->stream);
	end_drained(session);
}

/* The end is decided here; the stream tells it. */
static void end(struct session *session, const struct session_end *why)
{
	if (session->state == SESSION_ENDED)
		return;
	session->end = *why;
	session_set_state(session, SESSION_ENDED);
	loop_timer_cancel(&session->timer);
	session->stream.scheduler = NULL;
	session_drop_waiting(session);
	loop_undefer(session->loop, &session->moving);
	unlink_sessions(session);
	if (session->bundle)
		bundle_leave(session->bundle, session);
}

static void finish(struct session *session, enum goodbye_code code, const char *text)
{
	struct session_end why = { .code = code };
	struct goodbye goodbye = { .code = (uint32_t)code };
	uint8_t body[UNIT_GOODBYE_MAX];
	int length;

	/* It may quote what the peer sent: what we show and what it is told are the same. */
	goodbye_copy_text(why.text, text);
	goodbye_copy_text(goodbye.text, text);
	length = goodbye_encode(&goodbye, body, sizeof(body));
	if (length > 0)
		(void)stream_send(&session->stream, UNIT_GOODBYE, body, (size_t)length);
	end(session, &why);
	stream_finish(&session->stream, STREAM_END_LOCAL, text);
}

void session_finish(struct session *session, enum goodbye_code code, const char *text)
{
	if (session->state == SESSION_ENDED)
		return;
	hold(session);
	finish(session, code, text);
	release(session);
}

/* Also by a frame, on any worker. */
static void break_rules(struct session *session, const char *what)
{
	stream_break(&session->stream, what);
}

static void send_hello(struct session *session)
{
	struct hello hello = {
		.version = WIRE_VERSION,
		.layer = session->layer,
		.mtu = session->mtu,
		.max_unit = UNIT_SIZE_MAX,
		.offloads = WIRE_OFFLOAD_CHECKSUM | WIRE_OFFLOAD_TSO4 | WIRE_OFFLOAD_TSO6 |
			    WIRE_OFFLOAD_USO,
		.rekey = session->is_tls13 ? WIRE_REKEY_UPDATE : WIRE_REKEY_STREAM,
		.streams = 1,
		.stream = session->index ? session->index + 1 : 0,
		.has_session = session->side == ADMISSION_HUB || session->predecessor ||
			       session->index > 0,
	};
	uint8_t body[UNIT_HELLO_MAX];
	int length;

	if (hello.has_session)
		memcpy(hello.session, session->id, sizeof(hello.session));
	if (session->side == ADMISSION_HUB)
		hello.streams = bundle_agree(session->bundle, &session->peer_hello);
	else if (session->bundle)
		hello.streams = session->bundle->wanted;
	if (session->side == ADMISSION_CLIENT && session->predecessor)
		hello.succeeds = session->index + 1;
	length = hello_encode(&hello, body, sizeof(body));
	if (length > 0)
		(void)stream_send(&session->stream, UNIT_HELLO, body, (size_t)length);
}

static bool hello_is_good(struct session *session, const struct hello *hello)
{
	char text[GOODBYE_TEXT_SIZE];

	if (hello->version != WIRE_VERSION) {
		snprintf(text, sizeof(text),
			 "protocol version %u is not understood here: this is %d", hello->version,
			 WIRE_VERSION);
		session_finish(session, GOODBYE_VERSION, text);
		return false;
	}
	if (hello->layer != session->layer) {
		snprintf(text, sizeof(text), "this end carries %s, the other %s: layer: must agree",
			 session->layer == LW_LAYER_IP ? "IP packets" : "Ethernet frames",
			 hello->layer == LW_LAYER_IP ? "IP packets" : "Ethernet frames");
		session_finish(session, GOODBYE_LAYER, text);
		return false;
	}
	if (session->side == ADMISSION_HUB && !bundle_admits(session->bundle, hello)) {
		session_finish(session, GOODBYE_PROTOCOL,
			       "further streams are not offered here but those that were granted, "
			       "and only a successor of the present session");
		return false;
	}
	return true;
}

/* Hub: which stream of the present session it is, as its hello says and bundle_admits() checked. */
static void take_place(struct session *session, const struct hello *hello)
{
	if (!hello->has_session)
		return;
	memcpy(session->id, hello->session, sizeof(session->id));
	session->index = (hello->succeeds ? hello->succeeds : hello->stream) - 1;
	if (hello->succeeds)
		link_sessions(session->bundle->members[session->index], session);
}

/* On the worker where it stays. */
static void come_up(struct session *session)
{
	/* On its way here, and while a hello was on its way, the first stream may have ended. */
	if (session->bundle && !bundle_awaits(session->bundle, session)) {
		session_finish(session, GOODBYE_NONE, "the session that it is of has ended");
		return;
	}
	if (session->side == ADMISSION_HUB)
		send_hello(session);
	session_set_state(session, SESSION_UP);
	session->stream.scheduler = session->scheduler;
	if (session->bundle)
		bundle_join(session->bundle, session);
	session->ops->up(session);
	if (session->predecessor && session->state == SESSION_UP)
		hand_over(session);
	session_flush(session);
}

static void move_and_come_up(struct loop_deferred *deferred)
{
	struct session *session = container_of(deferred, struct session, moving);
	unsigned worker = bundle_worker(session->bundle, session->index);

	hold(session);
	if (stream_move(&session->stream, crew_loop(session->bundle->crew, worker), worker) < 0) {
		session_finish(session, GOODBYE_RESOURCES, "out of memory");
	} else {
		session->worker = worker;
		stream_resume(&session->stream);
		come_up(session);
	}
	release(session);
}

static void got_hello(struct session *session, const struct unit *unit)
{
	struct lw_error error;
	struct hello hello;

	if (session->state != SESSION_HELLO) {
		break_rules(session, "a second hello");
		return;
	}
	if (hello_decode(unit->body, unit->length, &hello, &error) < 0) {
		break_rules(session, error.text);
		return;
	}
	if (!hello_is_good(session, &hello))
		return;
	if (scheduler_new(SCHEDULER_BYTES_DEFAULT, session_unit_dropped, session,
			  &session->scheduler) < 0) {
		session_finish(session, GOODBYE_RESOURCES, "out of memory");
		return;
	}
	session->peer_hello = hello;
	if (session->side == ADMISSION_CLIENT) {
		session->network_mtu = hello.mtu;
		memcpy(session->id, hello.session, sizeof(session->id));
	} else {
		take_place(session, &hello);
	}
	session->stream.may_update = session->is_tls13 && hello.rekey == WIRE_REKEY_UPDATE;
	if (bundle_worker(session->bundle, session->index) == session->worker) {
		come_up(session);
		return;
	}
	/* Not under the feet of who reads it. */
	stream_pause(&session->stream);
	loop_defer(session->loop, &session->moving);
}

static void got_goodbye(struct session *session, const struct unit *unit)
{
	struct session_end why = { .by_peer = true };
	struct goodbye goodbye = { 0 };

	if (goodbye_decode(unit->body, unit->length, &goodbye, NULL) < 0)
		snprintf(goodbye.text, sizeof(goodbye.text), "a goodbye that cannot be read");
	why.code = (enum goodbye_code)goodbye.code;
	snprintf(why.text, sizeof(why.text), "%s", goodbye.text);
	end(session, &why);
	stream_finish(&session->stream, STREAM_END_LOCAL, "the peer said goodbye");
}

static void flush_packets(struct session *session)
{
	struct scratch *scratch = session->stream.scratch;
	size_t n = scratch->n_packets;

	scratch->n_packets = 0;
	if (n && is_live(session))
		session->ops->packets(session, scratch->packets, n);
}

static void got_packet(struct session *session, const struct lw_packet *packet)
{
	struct scratch *scratch = session->stream.scratch;

	scratch->packets[scratch->n_packets++] = *packet;
	if (scratch->n_packets == SCRATCH_PACKETS)
		flush_packets(session);
}

static void got_frame(struct session *session, const struct unit *unit)
{
	struct lw_packet packet;

	if (!is_live(session)) {
		break_rules(session, "a frame before hello");
		return;
	}
	packet = packet_view(session->layer, unit->body, unit->length, LW_DIRECTION_INBOUND);
	got_packet(session, &packet);
}

/* What the peer claims of the frame is true, and rebuilt from the frame, or the frame is dropped. */
static void got_offload_frame(struct session *session, const struct unit *unit)
{
	struct scratch *scratch = session->stream.scratch;
	struct lw_offload *rebuilt = &scratch->offloads[scratch->n_packets], claimed;
	struct lw_packet packet;
	uint16_t header_length;

	if (!is_live(session)) {
		break_rules(session, "a frame before hello");
		return;
	}
	if (!session->peer_hello.offloads) {
		break_rules(session, "an offload frame that was not agreed on");
		return;
	}
	packet = packet_view(session->layer, unit->body + UNIT_OFFLOAD_SIZE,
			     unit->length - UNIT_OFFLOAD_SIZE, LW_DIRECTION_INBOUND);
	if (wire_offload_decode(unit->body, &claimed) < 0 ||
	    offload_check(session->layer, packet.data, packet.length, session->network_mtu,
			  &claimed, rebuilt, &header_length) < 0) {
		session->ops->dropped(session, &packet, LW_DROP_OFFLOAD);
		return;
	}
	if (offload_is_work(rebuilt))
		packet.offload = rebuilt;
	got_packet(session, &packet);
}

static void got_settings(struct session *session, const struct unit *unit)
{
	if (session->side == ADMISSION_HUB || !is_live(session))
		break_rules(session, "settings from one that may not set");
	else
		session->ops->settings(session, unit->body, unit->length);
}

static void got_unit(struct stream *stream, const struct unit *unit)
{
	struct session *session = container_of(stream, struct session, stream);

	if (session->state == SESSION_ENDED)
		return;
	if (session->got_last && unit->type != UNIT_GOODBYE) {
		break_rules(session, "a unit behind the last");
		return;
	}
	/* What was in order before this unit counts, whatever this one is. */
	if (unit->type != UNIT_FRAME && unit->type != UNIT_OFFLOAD_FRAME)
		flush_packets(session);
	switch (unit->type) {
	case UNIT_FRAME:
		got_frame(session, unit);
		break;
	case UNIT_HELLO:
		got_hello(session, unit);
		break;
	case UNIT_SETTINGS:
		got_settings(session, unit);
		break;
	case UNIT_PROBE:
		session_got_probe(session, unit);
		break;
	case UNIT_GOODBYE:
		got_goodbye(session, unit);
		break;
	case UNIT_OFFLOAD_FRAME:
		got_offload_frame(session, unit);
		break;
	case UNIT_JOIN:
		break_rules(session, "a join from one that has joined");
		break;
	case UNIT_LAST:
		got_last(session);
		break;
	case UNIT_MESSAGE: /* nobody is there to be told yet: like an optional unit */
	default:
		break;
	}
}

static void batch_ended(struct stream *stream)
{
	flush_packets(container_of(stream, struct session, stream));
}

static void stream_ended(struct stream *stream, enum stream_end how, const char *text)
{
	struct session *session = container_of(stream, struct session, stream);
	struct session_end why = { .by_peer = how == STREAM_END_CLOSED,
				   .is_lost = how == STREAM_END_LOST };

	/*
	 * A TLS 1.3 client is done with its handshake before the hub has judged it, and the library's
	 * refusal then comes under keys that nobody here has, or as an alert: what ends a client's
	 * stream before its first unit is a refusal, not a fault that is tried again at once.
	 */
	if (how == STREAM_END_BROKEN && session->side == ADMISSION_CLIENT && session->is_tls13 &&
	    session->state == SESSION_HELLO && !stream->opened_bytes)
		why.code = GOODBYE_REFUSED;
	else if (how == STREAM_END_BROKEN)
		why.code = GOODBYE_PROTOCOL;
	else if (how == STREAM_END_STALLED)
		why.code = GOODBYE_STALLED;
	snprintf(why.text, sizeof(why.text), "%s", text);
	end(session, &why);
	session->ops->ended(session, &session->end);
}

static void stream_drained(struct stream *stream)
{
	end_drained(container_of(stream, struct session, stream));
}

static void stream_broken(struct stream *stream, const char *text)
{
	struct session *session = container_of(stream, struct session, stream);

	flush_packets(session);
	session_finish(session, GOODBYE_PROTOCOL, text);
}

static const struct stream_ops stream_ops = {
	.unit = got_unit,
	.batch_end = batch_ended,
	.broken = stream_broken,
	.drained = stream_drained,
	.ended = stream_ended,
};

static void timer_due(struct loop_timer *timer)
{
	struct session *session = container_of(timer, struct session, timer);

	hold(session);
	session_look_after(session);
	release(session);
}

int session_new(struct lw_loop *loop, int fd, struct tls_session *tls,
		const struct session_options *options, struct session **ret_session)
{
	struct session *session = calloc(1, sizeof(*session));
	int result;

	if (!session)
		return -ENOMEM;
	session->ops = options->ops;
	session->user = options->user;
	session->loop = loop;
	session->state = SESSION_HELLO;
	session->side = options->side;
	session->layer = options->layer;
	session->mtu = session->network_mtu = options->mtu;
	session->bundle = options->bundle;
	session->index = options->index;
	session->moving.function = move_and_come_up;
	session->is_tls13 = tls->open.version >= 0x0304;
	snprintf(session->tls, sizeof(session->tls), "%s", tls->description);
	result = loop_timer_init(loop, &session->timer, timer_due);
	if (result >= 0)
		result = stream_init(&session->stream, loop, fd, tls, &stream_ops);
	if (result < 0) {
		session_free(session, NULL);
		return result;
	}
	session->stream.crew = session->bundle ? session->bundle->crew : NULL;
	hold(session);
	if (session->index && session->bundle)
		memcpy(session->id, session->bundle->id, sizeof(session->id));
	if (options->predecessor) {
		memcpy(session->id, options->predecessor->id, sizeof(session->id));
		link_sessions(options->predecessor, session);
	}
	if (session->side == ADMISSION_HUB)
		random_bytes(session->id, sizeof(session->id));
	else
		send_hello(session);
	/* The first probe at once after hello: a round-trip time soon. */
	session->next_probe_ns = lw_loop_now_ns(loop) + 200 * ns_per_ms;
	session->hello_due_ns = lw_loop_now_ns(loop) + SESSION_DEAD_MS * ns_per_ms;
	loop_timer_set(loop, &session->timer, session->next_probe_ns);
	stream_flush(&session->stream);
	release(session);
	*ret_session = session;
	return 0;
}

void session_free(struct session *session, struct list *lingers)
{
	if (!session)
		return;
	hold(session);
	list_remove(&session->list);
	loop_undefer(session->loop, &session->moving);
	unlink_sessions(session);
	if (session->bundle)
		bundle_leave(session->bundle, session);
	loop_timer_done(session->loop, &session->timer);
	if (lingers && session->state == SESSION_ENDED)
		stream_linger(&session->stream, session->loop, lingers);
	stream_done(&session->stream);
	scheduler_free(session->scheduler);
	release(session);
	free(session);
}

void session_flush(struct session *session)
{
	if (session->state != SESSION_ENDED)
		stream_flush(&session->stream);
}

int session_send_settings(struct session *session, const struct offer *offer)
{
	uint8_t *body = malloc(UNIT_SETTINGS_MAX);
	int result;

	if (!body)
		return -ENOMEM;
	hold(session);
	result = offer_encode(offer, body, UNIT_SETTINGS_MAX);
	if (result >= 0)
		result = stream_send(&session->stream, UNIT_SETTINGS, body, (size_t)result);
	release(session);
	free(body);
	return result;
}
