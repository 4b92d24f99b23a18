/* SPDX-License-Identifier: MIT */
/*
 * Sessions: what an authenticated peer says inside TLS, sealed with keys that both know, to a hub's
 * or a client's session on a socket. However the bytes are cut into records, the same comes of
 * them; it ends at most once, with a goodbye of ours or of the peer, and nothing comes after.
 *
 * The first byte: side, layer, and whether a good hello goes first. The second: the size of pieces.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <longwire/loop.h>

#include "base/memory.h"
#include "loop/loop.h"
#include "tunnel/session.h"

enum { BUFFER = 2 * 1024 * 1024, SIDE_CLIENT = 1, LAYER_IP = 2, HELLO_FIRST = 4 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
	unsigned ups, ends, settings;
	size_t packets;
	uint64_t hash; /* of all packets and settings, in order */
	struct session_end end;
	unsigned told_hellos, told_goodbyes; /* what the peer got */
	struct goodbye goodbye;
};

struct run {
	struct outcome outcome;
	struct lw_loop *loop;
	struct session *session;
	struct record_sealer *sealer;
	struct record_opener *opener;
	int fd;
	size_t plain_length;
};

static uint8_t sealed[BUFFER], opened[BUFFER];

static void fail(const char *what)
{
	fprintf(stderr, "session: %s\n", what);
	abort();
}

static uint64_t no_time(void *user)
{
	(void)user;
	return UINT64_C(1000000000000);
}

static void add(struct outcome *outcome, const void *data, size_t length)
{
	const uint8_t *bytes = data;

	outcome->hash = (outcome->hash ^ length) * UINT64_C(0x100000001b3);
	for (size_t i = 0; i < length; i++)
		outcome->hash = (outcome->hash ^ bytes[i]) * UINT64_C(0x100000001b3);
}

/* ---- the session's owner */

static void up(struct session *session)
{
	struct run *run = session->user;

	if (run->outcome.ups++ || run->outcome.ends)
		fail("it came up twice, or after its end");
}

static void packets(struct session *session, const struct lw_packet *given, size_t n)
{
	struct run *run = session->user;

	if (!run->outcome.ups || run->outcome.ends || !n || n > SCRATCH_PACKETS)
		fail("packets at a wrong time, or a wrong number");
	for (size_t i = 0; i < n; i++)
		add(&run->outcome, given[i].data, given[i].length);
	run->outcome.packets += n;
}

static void settings(struct session *session, const uint8_t *data, size_t length)
{
	struct run *run = session->user;

	if (!run->outcome.ups || run->outcome.ends || session->side == ADMISSION_HUB)
		fail("settings at a wrong time, or to a hub");
	run->outcome.settings++;
	add(&run->outcome, data, length);
}

static void ended(struct session *session, const struct session_end *end)
{
	struct run *run = session->user;

	if (run->outcome.ends++)
		fail("it ended twice");
	run->outcome.end = *end;
	run->session = NULL;
	session_free(session, NULL);
}

static const struct session_ops ops = {
	.up = up,
	.packets = packets,
	.settings = settings,
	.ended = ended,
};

/* ---- the peer */

static void begin(struct run *run, unsigned flags)
{
	const struct lw_loop_options options = { .size = sizeof(options), .now_ns = no_time };
	struct session_options how = {
		.side = flags & SIDE_CLIENT ? ADMISSION_CLIENT : ADMISSION_HUB,
		.layer = flags & LAYER_IP ? LW_LAYER_IP : LW_LAYER_ETHERNET,
		.mtu = 1500,
		.ops = &ops,
		.user = run,
	};
	struct record_secrets secrets = {
		.version = 0x0303,
		.algorithm = AEAD_AES_128_GCM,
		.key = { 1, 2, 3 },
		.iv = { 4, 5, 6 },
		.sequence = 1,
		.max_plain = RECORD_PLAIN_MAX,
	};
	struct tls_session tls = { .seal = secrets, .open = secrets };
	int ends[2];

	*run = (struct run){ 0 };
	if (lw_loop_new(&options, &run->loop) < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0 ||
	    record_sealer_new(&secrets, NULL, &run->sealer) < 0 ||
	    record_opener_new(&secrets, NULL, &run->opener) < 0 ||
	    session_new(run->loop, ends[1], &tls, &how, &run->session) < 0)
		fail("cannot begin");
	run->fd = ends[0];
}

static void see(struct outcome *outcome, const struct unit *unit)
{
	if (unit->type == UNIT_HELLO)
		outcome->told_hellos++;
	if (unit->type != UNIT_GOODBYE)
		return;
	outcome->told_goodbyes++;
	if (goodbye_decode(unit->body, unit->length, &outcome->goodbye, NULL) < 0)
		fail("a goodbye that cannot be read");
}

static void listen_to(struct run *run)
{
	static uint8_t received[BUFFER];
	struct record_opened result = { 0 };
	size_t offset = 0, needed;
	struct unit unit;
	ssize_t n = recv(run->fd, received, sizeof(received), MSG_DONTWAIT);

	if (n <= 0)
		return;
	if (record_open(run->opener, received, (size_t)n, opened, sizeof(opened), &result) ==
		    RECORD_BROKEN ||
	    result.taken != (size_t)n)
		fail("it sent a record that is none");
	while (unit_decode(opened + offset, result.plain - offset, 65557, &unit, &needed) ==
	       UNIT_OK) {
		see(&run->outcome, &unit);
		offset += UNIT_HEADER_SIZE + unit.length;
	}
	if (offset != result.plain)
		fail("it sent a unit that is none");
}

static void settle(struct run *run)
{
	while (lw_loop_dispatch(run->loop) > 0)
		;
	listen_to(run);
}

static void say(struct run *run, const uint8_t *data, size_t length)
{
	size_t taken = 0, sent = 0;
	ssize_t n = record_seal(run->sealer, data, length, sealed, sizeof(sealed), &taken);

	if (n < 0 || taken != length)
		fail("cannot seal");
	while (run->session && sent < (size_t)n) {
		ssize_t more =
			send(run->fd, sealed + sent, (size_t)n - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		sent += more > 0 ? (size_t)more : 0;
		settle(run);
	}
}

static void say_hello(struct run *run, unsigned flags)
{
	const struct hello hello = {
		.version = WIRE_VERSION,
		.layer = flags & LAYER_IP ? LW_LAYER_IP : LW_LAYER_ETHERNET,
		.mtu = 1500,
		.max_unit = UNIT_SIZE_MAX,
		.rekey = WIRE_REKEY_STREAM,
		.streams = 1,
		.has_session = flags & SIDE_CLIENT,
	};
	uint8_t unit[UNIT_HEADER_SIZE + UNIT_HELLO_MAX];
	int length = hello_encode(&hello, unit + UNIT_HEADER_SIZE, UNIT_HELLO_MAX);

	if (length < 0)
		fail("cannot say hello");
	unit_encode_header(unit, UNIT_HELLO, (uint32_t)length);
	say(run, unit, UNIT_HEADER_SIZE + (size_t)length);
}

static void check(const struct outcome *outcome, unsigned flags)
{
	unsigned hellos = flags & SIDE_CLIENT ? 1 : outcome->ups;

	if (outcome->told_hellos != hellos)
		fail("a wrong number of hellos");
	if (!outcome->ends && outcome->told_goodbyes)
		fail("a goodbye without an end");
	if (outcome->ends && outcome->told_goodbyes != !outcome->end.by_peer)
		fail("an end without a goodbye, or the wrong way round");
	if (outcome->told_goodbyes && (outcome->goodbye.code != outcome->end.code ||
				       strcmp(outcome->goodbye.text, outcome->end.text) != 0))
		fail("the peer was told something else");
	if (flags & HELLO_FIRST && !outcome->ups)
		fail("a good hello was not taken");
}

static struct outcome play(const uint8_t *data, size_t size, unsigned flags, size_t piece)
{
	struct run run;

	begin(&run, flags);
	settle(&run);
	if (flags & HELLO_FIRST)
		say_hello(&run, flags);
	for (size_t at = 0; at < size && run.session; at += piece)
		say(&run, data + at, MIN(piece, size - at));
	settle(&run);
	check(&run.outcome, flags);
	session_free(run.session, NULL);
	record_sealer_free(run.sealer);
	record_opener_free(run.opener);
	close(run.fd);
	lw_loop_free(run.loop);
	return run.outcome;
}

static bool is_same(const struct outcome *a, const struct outcome *b)
{
	return a->ups == b->ups && a->ends == b->ends && a->settings == b->settings &&
	       a->packets == b->packets && a->hash == b->hash && a->end.code == b->end.code &&
	       a->end.by_peer == b->end.by_peer && strcmp(a->end.text, b->end.text) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outcome whole, cut;
	size_t piece;

	if (size < 2)
		return 0;
	piece = MAX(data[1] + (size_t)1, size / 256);
	whole = play(data + 2, size - 2, data[0], SIZE_MAX / 2);
	cut = play(data + 2, size - 2, data[0], piece);
	if (!is_same(&whole, &cut))
		fail("something else came of other pieces");
	return 0;
}
