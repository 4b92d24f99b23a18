/* SPDX-License-Identifier: MIT */
/* Records in, units out, and back. */
#include "tunnel/stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "flow/scheduler.h"

bool stream_is_open(const struct stream *stream)
{
	return !stream->end;
}

/* Whether what is no packet can be handled here; who can do so is asked otherwise. */
static bool is_control(struct stream *stream)
{
	if (likely(!crew_self()))
		return true;
	crew_ask(stream->crew, &stream->ask);
	return false;
}

static void tell_end(struct loop_deferred *deferred)
{
	struct stream *stream = container_of(deferred, struct stream, ending);
	struct crew *crew = stream->crew;

	if (!stream->end || !is_control(stream))
		return;
	crew_hold(crew);
	stream->ops->ended(stream, stream->end, stream->end_text);
	crew_release(crew);
}

/* Nothing is read or delivered. */
static bool is_stopped(const struct stream *stream)
{
	return stream->end || stream->is_paused || stream->is_asking;
}

/* Bytes of sealed records that still wait to be sent. */
static size_t unsent(const struct stream *stream)
{
	return stream->send_length - stream->send_offset;
}

static bool take_inward(struct stream *stream)
{
	if (!stream->inward)
		stream->inward = scratch_take_inward(stream->scratch);
	return stream->inward;
}

static bool take_outward(struct stream *stream)
{
	if (!stream->outward)
		stream->outward = scratch_take_outward(stream->scratch);
	return stream->outward;
}

/* Back to where others find them, unless something is in them. */
static void give_inward(struct stream *stream)
{
	if (!stream->receive_length && !stream->plain_length)
		scratch_give_inward(stream->scratch, take_pointer(stream->inward));
}

static void give_outward(struct stream *stream)
{
	if (!unsent(stream) && !stream->staged && !stream->control_length)
		scratch_give_outward(stream->scratch, take_pointer(stream->outward));
}

/* Sealed bytes that still wait go to the front of the buffer. */
static void make_room(struct stream *stream)
{
	if (!stream->send_offset)
		return;
	memmove(stream->outward->send, stream->outward->send + stream->send_offset, unsent(stream));
	stream->send_length -= stream->send_offset;
	stream->send_offset = 0;
}

static void watch_socket(struct stream *stream)
{
	loop_modify(&stream->source, (is_stopped(stream) ? 0u : (uint32_t)EPOLLIN) |
					     (stream->is_blocked ? (uint32_t)EPOLLOUT : 0u));
}

static void set_blocked(struct stream *stream, bool is_blocked)
{
	if (stream->is_blocked == is_blocked)
		return;
	stream->is_blocked = is_blocked;
	watch_socket(stream);
	if (is_blocked)
		loop_timer_set_in_ms(stream->loop, &stream->stall, STREAM_STALL_MS);
	else
		loop_timer_cancel(&stream->stall);
}

/* Return: whether everything is sent. A broken socket is found out by reading. */
static bool send_sealed(struct stream *stream)
{
	while (unsent(stream)) {
		ssize_t n = send(stream->source.fd, stream->outward->send + stream->send_offset,
				 unsent(stream), MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN && !stream->end) {
			stream_finish(stream, STREAM_END_LOST, strerror(errno));
			return false;
		}
		if (n < 0)
			break;
		stream->send_offset += (size_t)n;
		stream->sent_bytes += (uint64_t)n;
		if (stream->is_blocked) /* it drains */
			loop_timer_set_in_ms(stream->loop, &stream->stall, STREAM_STALL_MS);
	}
	if (!unsent(stream)) {
		stream->send_offset = stream->send_length = 0;
		return true;
	}
	if (!stream->end)
		set_blocked(stream, true);
	return false;
}

/* Seal all of data, for which there is room by construction. Return: false when the key may seal no
 * more. */
static bool seal(struct stream *stream, const uint8_t *data, size_t length)
{
	size_t taken = 0;
	ssize_t n = record_seal(stream->sealer, data, length,
				stream->outward->send + stream->send_length,
				SCRATCH_SEND_SIZE - stream->send_length, &taken);

	if (n > 0)
		stream->send_length += (size_t)n;
	return n > 0 && taken == length;
}

/*
 * A new key of ours: because many records were sealed with the old one, or because the peer asked;
 * however often it has asked meanwhile, one is the answer (RFC 8446 4.6.3).
 */
static bool renew_key(struct stream *stream)
{
	ssize_t n;

	if (likely(!stream->owes_update &&
		   !(stream->may_update && record_sealer_wants_renewal(stream->sealer))))
		return true;
	n = record_seal_key_update(stream->sealer, false,
				   stream->outward->send + stream->send_length,
				   SCRATCH_SEND_SIZE - stream->send_length);
	if (n <= 0)
		return false;
	stream->send_length += (size_t)n;
	stream->owes_update = false;
	stream->renewals++;
	return true;
}

static bool has_room(const struct stream *stream, size_t length)
{
	/* Beyond the sum: each of three pieces may begin a record, and a KeyUpdate go before. */
	enum { SLACK = 4 * (RECORD_OVERHEAD_MAX + 8) };

	return record_sealed_size(stream->sealer, length) + SLACK <=
	       SCRATCH_SEND_SIZE - stream->send_length;
}

static bool seal_staging(struct stream *stream)
{
	size_t length = stream->staged;

	stream->staged = 0;
	return !length || seal(stream, stream->outward->staging, length);
}

static bool seal_control(struct stream *stream)
{
	size_t length = MIN(stream->control_length, (size_t)STREAM_CHUNK);

	if (!length)
		return true;
	if (!seal(stream, stream->outward->control, length))
		return false;
	stream->control_length -= length;
	memmove(stream->outward->control, stream->outward->control + length,
		stream->control_length);
	return true;
}

static void stage(struct stream *stream, const uint8_t *data, size_t length)
{
	if (length)
		memcpy(stream->outward->staging + stream->staged, data, length);
	stream->staged += length;
}

/*
 * A unit of two parts into records. Of a large one only the beginning is copied, to fill the first
 * record; the rest is sealed where it lies. Return: false when the key may seal no more.
 */
static bool put_unit(struct stream *stream, const uint8_t *header, size_t header_length,
		     const uint8_t *data, size_t length)
{
	size_t begin = length;

	if (header_length + length >= STREAM_DIRECT_MIN) {
		if (!seal_staging(stream))
			return false;
		begin = header_length ? MIN(length, RECORD_PLAIN_MAX - header_length) : 0;
	} else if (stream->staged + header_length + length > SCRATCH_STAGING_SIZE &&
		   !seal_staging(stream)) {
		return false;
	}
	stage(stream, header, header_length);
	stage(stream, data, begin);
	return begin == length ||
	       (seal_staging(stream) && seal(stream, data + begin, length - begin));
}

bool stream_offer(struct stream *stream, const uint8_t *header, size_t header_length,
		  const uint8_t *data, size_t length)
{
	if (stream->end || stream->last || stream->is_blocked ||
	    !scheduler_is_empty(stream->scheduler) ||
	    !has_room(stream, stream->staged + header_length + length) || !take_outward(stream))
		return false;
	if (!renew_key(stream) || !put_unit(stream, header, header_length, data, length)) {
		stream_finish(stream, STREAM_END_LOST, "no more records may be sealed");
		return true;
	}
	if (unlikely(scratch_is_crowded(stream->scratch)))
		stream_flush(stream);
	else if (stream->send_length >= STREAM_CHUNK)
		(void)send_sealed(stream);
	return true;
}

/* Whose turn it is, a chunk at a time. */
static bool seal_frames(struct stream *stream)
{
	uint64_t now = lw_loop_now_ns(stream->loop);
	const uint8_t *unit;
	size_t length;

	/* A control unit that is half sealed must be finished before a frame begins. */
	if (!stream->scheduler || stream->control_length)
		return true;
	while (stream->send_length + stream->staged < STREAM_CHUNK &&
	       (unit = scheduler_next(stream->scheduler, now, &length)) &&
	       has_room(stream, stream->staged + length)) {
		if (!put_unit(stream, NULL, 0, unit, length))
			return false;
		scheduler_pop(stream->scheduler);
	}
	return seal_staging(stream);
}

/* Behind everything else. */
static bool seal_last(struct stream *stream)
{
	uint8_t header[UNIT_HEADER_SIZE];

	if (likely(stream->last != STREAM_LAST_WANTED) || stream->control_length ||
	    (stream->scheduler && !scheduler_is_empty(stream->scheduler)) ||
	    !has_room(stream, sizeof(header)))
		return true;
	unit_encode_header(header, UNIT_LAST, 0);
	stream->last = STREAM_LAST_SEALED;
	return seal(stream, header, sizeof(header));
}

static void tell_drained(struct stream *stream)
{
	if (likely(stream->last != STREAM_LAST_SEALED) || !is_control(stream))
		return;
	stream->last = STREAM_LAST_SENT;
	crew_hold(stream->crew);
	stream->ops->drained(stream);
	crew_release(stream->crew);
}

static bool has_to_say(const struct stream *stream)
{
	return stream->outward || stream->owes_update || stream->last == STREAM_LAST_WANTED ||
	       stream->last == STREAM_LAST_SEALED ||
	       (stream->scheduler && !scheduler_is_empty(stream->scheduler));
}

void stream_flush(struct stream *stream)
{
	while (!stream->end && !stream->is_blocked && has_to_say(stream)) {
		if (!take_outward(stream)) {
			stream_finish(stream, STREAM_END_LOST, "no memory for what is sent");
			return;
		}
		if (!renew_key(stream) || !seal_staging(stream) || !seal_control(stream) ||
		    !seal_frames(stream) || !seal_last(stream)) {
			stream_finish(stream, STREAM_END_LOST, "no more records may be sealed");
			return;
		}
		if (!unsent(stream)) {
			tell_drained(stream);
			break;
		}
		if (!send_sealed(stream))
			break;
	}
	give_outward(stream);
}

void stream_say_last(struct stream *stream)
{
	if (!stream->last)
		stream->last = STREAM_LAST_WANTED;
}

int stream_send(struct stream *stream, enum unit_type type, const void *body, size_t length)
{
	uint8_t *p;

	if (stream->end || stream->last)
		return -EPIPE;
	if (length + UNIT_HEADER_SIZE > SCRATCH_CONTROL_SIZE - stream->control_length ||
	    !take_outward(stream))
		return -ENOBUFS;
	p = stream->outward->control + stream->control_length;
	unit_encode_header(p, (uint8_t)type, (uint32_t)length);
	if (length)
		memcpy(p + UNIT_HEADER_SIZE, body, length);
	stream->control_length += UNIT_HEADER_SIZE + length;
	return 0;
}

/* The last records: what waits in the control queue, then the alert. As far as there is room. */
static void seal_ending(struct stream *stream, enum record_alert alert)
{
	ssize_t n;

	if (!take_outward(stream))
		return;
	make_room(stream);
	if (record_sealed_size(stream->sealer, stream->control_length) +
		    (size_t)RECORD_OVERHEAD_MAX * 2 <=
	    SCRATCH_SEND_SIZE - stream->send_length)
		(void)(seal_staging(stream) && seal_control(stream));
	n = record_seal_alert(stream->sealer, alert, stream->outward->send + stream->send_length,
			      SCRATCH_SEND_SIZE - stream->send_length);
	if (n > 0)
		stream->send_length += (size_t)n;
}

static void finish_with_alert(struct stream *stream, enum stream_end end, const char *text,
			      enum record_alert alert)
{
	if (stream->end)
		return;
	snprintf(stream->end_text, sizeof(stream->end_text), "%s", text);
	stream->end = end;
	if (end != STREAM_END_LOST) {
		seal_ending(stream, alert);
		(void)send_sealed(stream);
		give_outward(stream);
	}
	loop_timer_cancel(&stream->stall);
	loop_remove(&stream->source);
	loop_defer(stream->loop, &stream->ending);
}

void stream_finish(struct stream *stream, enum stream_end end, const char *text)
{
	finish_with_alert(stream, end, text, RECORD_ALERT_CLOSE_NOTIFY);
}

/* Packets are handled where the stream lives, everything else on worker 0. Return: false when it
 * is the other's turn. */
static bool is_ours(struct stream *stream, bool is_packet)
{
	if (is_packet ? crew_self() == stream->worker : is_control(stream))
		return true;
	if (is_packet)
		loop_defer(stream->loop, &stream->reading);
	else
		stream->is_asking = true;
	return false;
}

static void deliver(struct stream *stream, enum unit_result result, const struct unit *unit)
{
	if (result != UNIT_OK)
		stream->ops->broken(stream, unit_result_text(result));
	else
		stream->ops->unit(stream, unit);
}

/* Give every whole unit to the owner; keep the beginning of the next. */
static void deliver_units(struct stream *stream)
{
	size_t offset = 0, needed;
	struct unit unit;

	while (!is_stopped(stream)) {
		enum unit_result result =
			unit_decode(stream->inward->plain + offset, stream->plain_length - offset,
				    stream->frame_max, &unit, &needed);

		bool is_packet = result == UNIT_OK &&
				 (unit.type == UNIT_FRAME || unit.type == UNIT_OFFLOAD_FRAME);

		if (result == UNIT_NEED_MORE || !is_ours(stream, is_packet))
			break;
		if (likely(is_packet)) {
			stream->ops->unit(stream, &unit);
		} else {
			crew_hold(stream->crew);
			deliver(stream, result, &unit);
			crew_release(stream->crew);
		}
		if (result != UNIT_OK)
			break;
		offset += UNIT_HEADER_SIZE + unit.length;
	}
	stream->ops->batch_end(stream);
	stream->plain_length -= offset;
	if (offset && stream->plain_length)
		memmove(stream->inward->plain, stream->inward->plain + offset,
			stream->plain_length);
}

/* Open what has been received and deliver it. */
static void open_records(struct stream *stream)
{
	enum record_status status;
	struct record_opened opened;
	size_t offset = 0;

	do {
		opened = (struct record_opened){ 0 };
		status = record_open(stream->opener, stream->inward->receive + offset,
				     stream->receive_length - offset,
				     stream->inward->plain + stream->plain_length,
				     SCRATCH_PLAIN_SIZE - stream->plain_length, &opened);
		offset += opened.taken;
		stream->plain_length += opened.plain;
		stream->opened_bytes += opened.plain;
		stream->owes_update |= opened.answer_update;
		deliver_units(stream);
	} while (status == RECORD_FULL && !is_stopped(stream));

	stream->receive_length -= offset;
	if (offset && stream->receive_length)
		memmove(stream->inward->receive, stream->inward->receive + offset,
			stream->receive_length);
	if (stream->owes_update)
		stream_flush(stream);
	if (stream->is_asking && !stream->end)
		watch_socket(stream);
	if (is_stopped(stream)) /* how it ends is told again, behind what waits */
		return;
	if (status == RECORD_CLOSED)
		stream_finish(stream, STREAM_END_CLOSED, "closed by the peer");
	else if (status == RECORD_BROKEN)
		finish_with_alert(stream, STREAM_END_BROKEN, opened.reason,
				  (enum record_alert)opened.alert);
	else if (status == RECORD_ALERTED)
		stream_finish(stream, STREAM_END_BROKEN, "the peer ended TLS with an alert");
}

static void receive(struct stream *stream)
{
	ssize_t n;

	if (!take_inward(stream)) {
		stream_finish(stream, STREAM_END_LOST, "no memory for what is received");
		return;
	}
	n = recv(stream->source.fd, stream->inward->receive + stream->receive_length,
		 SCRATCH_RECEIVE_SIZE - stream->receive_length, 0);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		stream_finish(stream, STREAM_END_LOST, strerror(errno));
		return;
	}
	if (n == 0) {
		stream_finish(stream, STREAM_END_LOST, "the connection was cut without a goodbye");
		return;
	}
	stream->last_received_ns = lw_loop_now_ns(stream->loop);
	stream->received_bytes += (uint64_t)n;
	receive_window_look(&stream->window, stream->source.fd, stream->last_received_ns);
	stream->receive_length += (size_t)n;
	open_records(stream);
}

static void socket_event(struct loop_source *source, uint32_t events)
{
	struct stream *stream = container_of(source, struct stream, source);

	if (!is_stopped(stream) && events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		receive(stream);
		give_inward(stream);
	} else if (events & (EPOLLHUP | EPOLLERR)) {
		stream_finish(stream, STREAM_END_LOST, "the connection was cut while it waited");
	}
	if (events & EPOLLOUT && !stream->end) {
		set_blocked(stream, false);
		if (send_sealed(stream))
			stream_flush(stream);
	}
}

static void stalled(struct loop_timer *timer)
{
	struct stream *stream = container_of(timer, struct stream, stall);

	stream_finish(stream, STREAM_END_STALLED, "the peer has taken nothing for 30 s");
}

static int allocate(struct stream *stream, const struct tls_session *session)
{
	int result;

	stream->scratch = scratch_use(stream->loop);
	if (!stream->scratch)
		return -ENOMEM;
	result = record_sealer_new(&session->seal, NULL, &stream->sealer);
	if (result < 0)
		return result;
	result = record_opener_new(&session->open, NULL, &stream->opener);
	if (result < 0)
		return result;
	if (session->early_length > SCRATCH_RECEIVE_SIZE / 2)
		return -EPROTO;
	if (session->early_length && !take_inward(stream))
		return -ENOMEM;
	if (session->early_length)
		memcpy(stream->inward->receive, session->early, session->early_length);
	stream->receive_length = session->early_length;
	return 0;
}

/* What came with the handshake, or waited while the stream was paused. */
static void read_waiting(struct loop_deferred *deferred)
{
	struct stream *stream = container_of(deferred, struct stream, reading);

	if (is_stopped(stream))
		return;
	if (!take_inward(stream)) {
		stream_finish(stream, STREAM_END_LOST, "no memory for what is received");
		return;
	}
	open_records(stream);
	give_inward(stream);
}

/* Control code, for a stream of another worker, which found what is not for it. */
static void serve(struct crew_ask *ask)
{
	struct stream *stream = container_of(ask, struct stream, ask);

	stream->is_asking = false;
	if (stream->end) {
		stream->ops->ended(stream, stream->end, stream->end_text);
		return;
	}
	if (stream->broken)
		stream->ops->broken(stream, stream->broken);
	if (!unsent(stream))
		tell_drained(stream);
	if (stream->plain_length && !is_stopped(stream))
		deliver_units(stream);
	if (stream->end)
		return;
	watch_socket(stream);
	loop_defer(stream->loop, &stream->reading);
}

void stream_break(struct stream *stream, const char *text)
{
	if (!is_control(stream)) {
		stream->broken = text;
		stream->is_asking = true;
		return;
	}
	crew_hold(stream->crew);
	stream->ops->broken(stream, text);
	crew_release(stream->crew);
}

void stream_pause(struct stream *stream)
{
	stream->is_paused = true;
	if (!stream->end)
		watch_socket(stream);
}

void stream_resume(struct stream *stream)
{
	if (!stream->is_paused)
		return;
	stream->is_paused = false;
	if (stream->end)
		return;
	stream->last_received_ns = lw_loop_now_ns(stream->loop);
	watch_socket(stream);
	loop_defer(stream->loop, &stream->reading);
}

int stream_init(struct stream *stream, struct lw_loop *loop, int fd, struct tls_session *session,
		const struct stream_ops *ops)
{
	int result;

	*stream = (struct stream){
		.ops = ops,
		.loop = loop,
		.frame_max = UNIT_SIZE_MAX - UNIT_HEADER_SIZE - UNIT_OFFLOAD_SIZE,
		.last_received_ns = lw_loop_now_ns(loop),
		.source = { .fd = fd, .function = socket_event },
		.reading = { .function = read_waiting },
		.ending = { .function = tell_end },
		.ask = { .function = serve },
	};
	result = allocate(stream, session);
	if (result >= 0)
		result = loop_timer_init(loop, &stream->stall, stalled);
	if (result >= 0)
		result = loop_add(loop, &stream->source, EPOLLIN);
	if (result < 0) {
		stream->source.fd = -1;
		stream_done(stream);
		return result;
	}
	loop_defer(loop, &stream->reading);
	return 0;
}

int stream_move(struct stream *stream, struct lw_loop *loop, unsigned worker)
{
	struct scratch *scratch = scratch_use(loop);
	uint32_t events = stream->source.events;
	struct loop_timer stall;
	int result;

	if (!scratch)
		return -ENOMEM;
	result = loop_timer_init(loop, &stall, stalled);
	loop_remove(&stream->source);
	if (result >= 0)
		result = loop_add(loop, &stream->source, events);
	if (result < 0) {
		loop_timer_done(loop, &stall);
		scratch_leave(scratch);
		return result;
	}
	loop_undefer(stream->loop, &stream->reading);
	loop_timer_done(stream->loop, &stream->stall);
	scratch_move(stream->scratch, scratch, stream->inward, stream->outward);
	scratch_leave(stream->scratch);
	stream->stall = stall;
	stream->scratch = scratch;
	stream->loop = loop;
	stream->worker = worker;
	if (stream->is_blocked)
		loop_timer_set_in_ms(loop, &stream->stall, STREAM_STALL_MS);
	loop_defer(loop, &stream->reading);
	return 0;
}

static void release(struct stream *stream)
{
	crew_withdraw(stream->crew, &stream->ask);
	loop_undefer(stream->loop, &stream->reading);
	loop_undefer(stream->loop, &stream->ending);
	loop_timer_done(stream->loop, &stream->stall);
	loop_remove(&stream->source);
	record_sealer_free(stream->sealer);
	record_opener_free(stream->opener);
	scratch_give_inward(stream->scratch, stream->inward);
	scratch_give_outward(stream->scratch, stream->outward);
	scratch_leave(stream->scratch);
}

void stream_done(struct stream *stream)
{
	if (!stream->ops)
		return;
	release(stream);
	close_fd(&stream->source.fd);
	*stream = (struct stream){ 0 };
}
