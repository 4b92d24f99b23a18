/* SPDX-License-Identifier: MIT */
/* Probes, and for how long a peer that is silent counts as there. */
#include "base/memory.h"
#include "flow/scheduler.h"
#include "tunnel/session.h"

static const uint64_t ns_per_ms = 1000000;

static uint64_t now_us(const struct session *session)
{
	return lw_loop_now_ns(session->loop) / 1000;
}

void session_got_probe(struct session *session, const struct unit *unit)
{
	struct probe probe;
	uint64_t rtt;

	probe_decode(unit->body, &probe);
	session->got_probe_us = probe.sent_us;
	session->got_probe_at_us = now_us(session);
	rtt = probe_rtt_us(&probe, now_us(session));
	if (rtt) /* RFC 6298's smoothing */
		session->rtt_us = session->rtt_us ? (session->rtt_us * 7 + rtt) / 8 : rtt;
}

static void send_probe(struct session *session)
{
	struct probe probe = { .sent_us = now_us(session), .echo_us = session->got_probe_us };
	uint8_t body[PROBE_SIZE];

	if (probe.echo_us)
		probe.held_us = now_us(session) - session->got_probe_at_us;
	probe_encode(&probe, body);
	/* A queue that is full of control units is not drained either: STALLED or death ends that.
	 */
	(void)stream_send(&session->stream, UNIT_PROBE, body, sizeof(body));
	stream_flush(&session->stream);
}

/* Whether this end's key or the peer's nears its end, and cannot be renewed in place. */
static bool is_worn(const struct session *session)
{
	const struct stream *stream = &session->stream;

	return !stream->may_update && (record_sealer_wants_renewal(stream->sealer) ||
				       record_opener_wants_renewal(stream->opener));
}

static void probe_due(struct session *session)
{
	send_probe(session);
	if (session->ops->worn && session->state == SESSION_UP && is_worn(session))
		session->ops->worn(session);
}

/* When the peer counts as dead, unless something is heard before. */
static uint64_t death_ns(const struct session *session)
{
	uint64_t heard = session->stream.last_received_ns;
	uint64_t dead = heard + (session->state == SESSION_DRAINING ? SESSION_DRAIN_DEAD_MS
								    : SESSION_DEAD_MS) *
					ns_per_ms;

	if (session->checked_ns && heard <= session->checked_ns)
		dead = MIN(dead, session->checked_ns + SESSION_CHECK_MS * ns_per_ms);
	return dead;
}

void session_look_after(struct session *session)
{
	uint64_t now = lw_loop_now_ns(session->loop), dead;
	bool is_late = session->state == SESSION_HELLO && now >= session->hello_due_ns;
	bool is_draining = session->state == SESSION_DRAINING;

	/* One that is not read, or has been told that nothing comes, hears nothing. */
	if (session->stream.is_paused || session->got_last)
		session->stream.last_received_ns = now;
	dead = death_ns(session);
	if (now >= dead || is_late) {
		session_finish(session, GOODBYE_DEAD,
			       now < dead    ? "no hello within 10 s"
			       : is_draining ? "its successor is up, and it was silent for 1 s"
			       : session->checked_ns ? "nothing heard since it was asked"
						     : "nothing heard for 10 s");
		return;
	}
	if (session->state == SESSION_HELLO)
		dead = MIN(dead, session->hello_due_ns);
	if (now >= session->next_probe_ns) {
		session->next_probe_ns = now + SESSION_PROBE_MS * ns_per_ms;
		if (session->state == SESSION_UP)
			probe_due(session);
		if (session->scheduler)
			scheduler_trim(session->scheduler);
	}
	if (session->state != SESSION_ENDED)
		loop_timer_set(session->loop, &session->timer, MIN(dead, session->next_probe_ns));
}

void session_check(struct session *session)
{
	if (session->state != SESSION_UP)
		return;
	session->checked_ns = lw_loop_now_ns(session->loop);
	session->next_probe_ns = session->checked_ns;
	loop_timer_set(session->loop, &session->timer, session->checked_ns);
}
