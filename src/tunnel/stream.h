/* SPDX-License-Identifier: MIT */
/*
 * A stream: one TLS connection of a session after the take-over, as units.
 *
 * Theory of operation. Inward: one receive a wake-up into a buffer, every whole record opened into
 * contiguous plaintext, every whole unit of it given to the owner as a view, then batch_end.
 * Outward: control units wait in a small queue of the stream, frames in the session's scheduler,
 * whence they are pulled only when the socket takes bytes; a flush seals everything that waits
 * (control first, never inside another unit) and sends it with one call for a batch. Nothing is
 * sealed while sealed bytes are still unsent, so that what waits stays where it can be scheduled.
 * The buffers are the loop's (scratch.h), and the stream's while something is in them.
 *
 * A stream ends once: OPEN → ENDED. ended() is told from the deferred pass, with who broke what.
 * What is in flight then (goodbye, alert) is sent as far as the socket takes it; stream_linger()
 * lets it linger for a second so that the peer can read it.
 *
 * Keys. A peer's KeyUpdate is always answered. Our own key is renewed between two batches once
 * as much was sealed on it as RECORD_RENEW_AT says, if the session knows that the peer follows
 * (may_update); else another stream succeeds this one, or it ends when the key may seal no more.
 *
 * Workers. A stream lives on one worker of a crew (loop/crew.h), in whose loop it reads, sends, and
 * delivers packets. Its owner is told of everything else on worker 0, with the crew held: until it
 * has been, the stream reads no further. What others do with it is control code, but offer and flush.
 *
 * Succession. One that is told stream_say_last() takes no more, seals what waits and then UNIT_LAST,
 * and says when that has gone to the socket (drained). A stream can be paused: nothing is read from
 * its socket, and what has been read stays where it is, until it is resumed.
 */
#ifndef TUNNEL_STREAM_H
#define TUNNEL_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "loop/crew.h"
#include "tls/handshake.h"
#include "tunnel/receive_window.h"
#include "tunnel/scratch.h"
#include "wire/unit.h"

struct scheduler;
struct stream;

enum {
	STREAM_DIRECT_MIN = 4096, /* larger units are sealed where they lie */
	STREAM_CHUNK = 64 * 1024, /* sealed before it is sent: it stays in the cache */
	STREAM_STALL_MS = 30000,  /* alive but not draining */
	STREAM_LINGER_MS = 1000,
};

enum stream_end {
	STREAM_END_CLOSED = 1, /* the peer's close_notify */
	STREAM_END_LOST = 2,   /* reset, FIN without close_notify, or a time-out of TCP */
	STREAM_END_BROKEN = 3, /* the peer broke a rule; text says which */
	STREAM_END_STALLED = 4,
	STREAM_END_LOCAL = 5, /* stream_finish() */
};

struct stream_ops {
	/* One unit; the view is good until batch_end has returned. Those that carry a packet, and
	 * batch_end, on the stream's worker; everything else on worker 0, held. */
	void (*unit)(struct stream *stream, const struct unit *unit);
	void (*batch_end)(struct stream *stream);
	/* What came is no unit; the owner ends the stream, with the reason told to the peer. */
	void (*broken)(struct stream *stream, const char *text);
	/* UNIT_LAST has been sent, and everything before it. */
	void (*drained)(struct stream *stream);
	/* Once, from the deferred pass. */
	void (*ended)(struct stream *stream, enum stream_end end, const char *text);
};

/* How far the way to UNIT_LAST has been gone. */
enum stream_last { STREAM_LAST_NO = 0, STREAM_LAST_WANTED, STREAM_LAST_SEALED, STREAM_LAST_SENT };

struct stream {
	const struct stream_ops *ops;
	struct lw_loop *loop; /* the worker's */
	struct crew *crew;    /* the owner's to set; NULL: one worker */
	unsigned worker;
	struct scheduler *scheduler; /* the session's; NULL until it is up */
	uint32_t frame_max;          /* largest frame that may come */
	uint64_t last_received_ns;
	uint64_t received_bytes, sent_bytes; /* on the socket */
	uint64_t opened_bytes;               /* of plaintext */

	/* The stream's own. */
	struct loop_source source;
	struct loop_timer stall;
	struct receive_window window;
	struct loop_deferred reading, ending;
	struct record_sealer *sealer;
	struct record_opener *opener;
	struct scratch *scratch;
	struct scratch_inward *inward;   /* NULL: nothing has come that waits for its rest */
	struct scratch_outward *outward; /* NULL: nothing waits */
	size_t receive_length, plain_length, send_offset, send_length, control_length, staged;
	enum stream_end end; /* 0: open */
	char end_text[160];
	bool owes_update;   /* the peer asked for a new key of ours */
	bool may_update;    /* the peer said `update`, in TLS 1.3 */
	uint64_t renewals;  /* of our own key */
	bool is_blocked;    /* the socket took no more; writability is awaited */
	bool is_paused;     /* nothing is read */
	bool is_asking;     /* likewise, until worker 0 has handled what is next */
	const char *broken; /* what stream_break() was told there */
	struct crew_ask ask;
	enum stream_last last;
};

/*
 * Go on with fd (owned from success on) from session, whose early bytes are read first (from the
 * deferred pass). 0 or a negative errno.
 */
int stream_init(struct stream *stream, struct lw_loop *loop, int fd, struct tls_session *session,
		const struct stream_ops *ops);
/* Closes the socket; ended() will not run. Accepts one that is all zero. */
void stream_done(struct stream *stream);

/* Queue a control unit; it goes with the next flush. 0, -ENOBUFS when SCRATCH_CONTROL_SIZE
 * wait, -EPIPE after the end or stream_say_last(). */
int stream_send(struct stream *stream, enum unit_type type, const void *body, size_t length);
/*
 * Take a unit of header and data now, if nothing waits before it: no queue, and no copy of what is
 * large. It goes with the next flush at the latest. Return: false if it has to be scheduled.
 */
bool stream_offer(struct stream *stream, const uint8_t *header, size_t header_length,
		  const uint8_t *data, size_t length);
/* Seal and send what waits. */
void stream_flush(struct stream *stream);
/* Take no more, and say so behind what waits; it goes with the next flushes. */
void stream_say_last(struct stream *stream);
/* Within unit(): it broke a rule. text is the owner's for ever, unless on worker 0. */
void stream_break(struct stream *stream, const char *text);
/* Control code, not within a callback of the stream's: it lives there from now on. 0 or a negative
 * errno: then all that is left to do is to end it. */
int stream_move(struct stream *stream, struct lw_loop *loop, unsigned worker);
/* Also within unit(): the units behind that one wait, too. */
void stream_pause(struct stream *stream);
void stream_resume(struct stream *stream); /* from the deferred pass; idempotent */
/* End it: close_notify (or the alert) goes out behind what waits in the control queue. Idempotent.
 */
void stream_finish(struct stream *stream, enum stream_end end, const char *text);
bool stream_is_open(const struct stream *stream);

/*
 * Give the socket of an ended stream away to linger: its last bytes are sent and what comes is
 * thrown away until the peer's FIN, at most STREAM_LINGER_MS. It stays in lingers (a list of the
 * owner's) until then, and on loop.
 */
void stream_linger(struct stream *stream, struct lw_loop *loop, struct list *lingers);
/* Close all of them now. */
void lingers_free(struct list *lingers);

#endif
