/* SPDX-License-Identifier: MIT */
/* The client's further streams: opened when the first is up, opened again when one is lost, and
 * succeeded when its key is used up. Each is one connection more to the address of the first. */
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "tunnel/client.h"
#include "tunnel/dialer.h"

enum { RETRY_MS = 1000, FEWER_MS = 3600 * 1000 };

static void open_stream(struct further_stream *further);

static struct session *member_of(const struct further_stream *further)
{
	return further->tunnel->bundle.members[further->index];
}

/* Forget what is under way; a session of it is freed when its end is told. */
static void give_up(struct further_stream *further)
{
	struct session *session = take_pointer(further->session);

	dialer_free(take_pointer(further->dialer));
	handshaker_cancel(take_pointer(further->request));
	further->is_under_way = false;
	if (session)
		session_finish(session, GOODBYE_NONE, "this stream is not wanted any more");
}

/* Return: whether this stream is still wanted at all. */
static bool is_wanted(const struct further_stream *further)
{
	const struct lw_tunnel *tunnel = further->tunnel;

	return tunnel->session && !tunnel->stopping && tunnel->provider &&
	       further->index < tunnel->bundle.n;
}

static void retry_later(struct further_stream *further, const char *text)
{
	struct lw_tunnel *tunnel = further->tunnel;

	log_line(further->was_told ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
		 "%s: stream %u of %u cannot be opened: %s", tunnel->address, further->index + 1,
		 tunnel->bundle.n, text);
	further->was_told = true;
	further->is_under_way = false;
	further->session = NULL;
	if (is_wanted(further))
		loop_timer_set_in_ms(tunnel->loop, &further->timer, RETRY_MS);
}

static void handshake_done(struct handshake_result *result, void *user)
{
	struct further_stream *further = user;
	struct session *present = member_of(further);

	further->request = NULL;
	if (result->outcome != HANDSHAKE_ADMITTED)
		retry_later(further, result->error.text);
	else if (!is_wanted(further) || (present && !session_may_be_succeeded(present)))
		retry_later(further, "the session has changed meanwhile");
	else if (client_session_new(further->tunnel, result, present, further->index,
				    &further->session) < 0)
		retry_later(further, "no memory for a session");
}

static void submit(struct further_stream *further, int fd, const struct sockaddr_storage *peer)
{
	if (handshaker_submit(further->tunnel->handshaker, fd, peer, handshake_done, further,
			      &further->request) >= 0)
		return;
	close(fd);
	retry_later(further, "no memory for a handshake");
}

static void dialed(int fd, const struct sockaddr_storage *peer, const struct lw_error *error,
		   void *user)
{
	struct further_stream *further = user;

	if (fd < 0)
		retry_later(further, error->text);
	else
		submit(further, fd, peer);
}

static void dial(struct further_stream *further)
{
	struct lw_tunnel *tunnel = further->tunnel;
	const char *address = tunnel->address;
	struct sockaddr_storage peer;
	struct lw_error error;
	int fd, result;

	if (!tunnel->dial) {
		dialer_free(take_pointer(further->dialer));
		result = dialer_new(tunnel->loop, &address, 1, dialed, further, &further->dialer,
				    &error);
		if (result < 0)
			retry_later(further, error.text);
		else
			dialer_start(further->dialer);
		return;
	}
	result = client_ask_dial(tunnel, &fd, &peer);
	if (result < 0)
		retry_later(further, strerror(-result));
	else
		submit(further, fd, &peer);
}

static void open_stream(struct further_stream *further)
{
	if (further->is_under_way || !is_wanted(further))
		return;
	further->is_under_way = true;
	loop_timer_cancel(&further->timer);
	dial(further);
}

static void retry_due(struct loop_timer *timer)
{
	open_stream(container_of(timer, struct further_stream, timer));
}

/* Too long without one of them: what the first connection could do, more of them cannot, and a
 * tunnel that drops some flows is worse than one that carries all of them by fewer streams. */
static void away_too_long(struct loop_timer *timer)
{
	struct lw_tunnel *tunnel = container_of(timer, struct lw_tunnel, streams_away);
	uint32_t there = bundle_count(&tunnel->bundle);

	if (!tunnel->session)
		return;
	log_warning("%s: only %u of %u streams could be opened within %d s; going on with so many",
		    tunnel->address, there, tunnel->bundle.n, BUNDLE_AWAY_MS / 1000);
	tunnel->fewer_streams = there;
	tunnel->fewer_until_ns = lw_loop_now_ns(tunnel->loop) + FEWER_MS * UINT64_C(1000000);
	session_finish(tunnel->session, GOODBYE_NONE, "a stream could not be opened");
}

uint32_t client_streams_wanted(const struct lw_tunnel *tunnel)
{
	if (tunnel->fewer_streams && lw_loop_now_ns(tunnel->loop) < tunnel->fewer_until_ns)
		return tunnel->fewer_streams;
	return tunnel->streams;
}

int client_streams_init(struct lw_tunnel *tunnel)
{
	int result = loop_timer_init(tunnel->loop, &tunnel->streams_away, away_too_long);

	for (uint32_t i = 0; i < tunnel->streams && result >= 0; i++) {
		tunnel->further[i] = (struct further_stream){ .tunnel = tunnel, .index = i };
		result = loop_timer_init(tunnel->loop, &tunnel->further[i].timer, retry_due);
	}
	return result;
}

void client_streams_cancel(struct lw_tunnel *tunnel)
{
	loop_timer_cancel(&tunnel->streams_away);
	for (uint32_t i = 0; i < tunnel->streams; i++) {
		struct further_stream *further = &tunnel->further[i];

		if (!further->tunnel)
			continue;
		loop_timer_cancel(&further->timer);
		further->was_told = false;
		give_up(further);
	}
}

void client_streams_done(struct lw_tunnel *tunnel)
{
	client_streams_cancel(tunnel);
	for (uint32_t i = 0; i < tunnel->streams; i++)
		loop_timer_done(tunnel->loop, &tunnel->further[i].timer);
	loop_timer_done(tunnel->loop, &tunnel->streams_away);
}

void client_streams_open(struct lw_tunnel *tunnel)
{
	if (tunnel->bundle.n > 1)
		loop_timer_set_in_ms(tunnel->loop, &tunnel->streams_away, BUNDLE_AWAY_MS);
	for (uint32_t i = 1; i < tunnel->bundle.n; i++)
		open_stream(&tunnel->further[i]);
}

void client_stream_up(struct session *session)
{
	struct lw_tunnel *tunnel = session->user;
	struct further_stream *further = &tunnel->further[session->index];

	further->session = NULL;
	further->was_told = false;
	give_up(further);
	if (bundle_count(&tunnel->bundle) < tunnel->bundle.n)
		return;
	loop_timer_cancel(&tunnel->streams_away);
	client_come_up(tunnel);
}

void client_stream_ended(struct lw_tunnel *tunnel, const struct session *session, const char *text)
{
	struct further_stream *further = &tunnel->further[session->index];

	if (further->session == session)
		retry_later(further, text);
	if (!is_wanted(further) || member_of(further))
		return;
	if (!tunnel->streams_away.loop)
		loop_timer_set_in_ms(tunnel->loop, &tunnel->streams_away, BUNDLE_AWAY_MS);
	if (!further->timer.loop)
		open_stream(further);
}

void client_stream_worn(struct session *session)
{
	struct lw_tunnel *tunnel = session->user;
	struct further_stream *further = &tunnel->further[session->index];

	if (member_of(further) == session && session_may_be_succeeded(session) &&
	    !further->timer.loop)
		open_stream(further);
}
