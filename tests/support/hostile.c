/* SPDX-License-Identifier: MIT */
/* A peer that is who it says it is, and means no good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/hostile.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"

static struct hostile *make(struct rig *rig, enum admission_side side, const char *identity,
			    const struct pin *expected, int fd)
{
	struct hostile *peer = calloc(1, sizeof(*peer));
	struct admission_entry entry = { .name = "peer" };
	char path[128];

	assert_non_null(peer);
	entry.pin = *expected;
	peer->rig = rig;
	peer->side = side;
	peer->fd = fd;
	peer->sealed = malloc(HOSTILE_BUFFER);
	peer->received = malloc(HOSTILE_BUFFER);
	peer->plain = malloc(HOSTILE_BUFFER);
	assert_true(peer->sealed && peer->received && peer->plain);
	assert_int_equal(
		credentials_load(rig_identity(rig, identity, path), &peer->credentials, NULL), 0);
	assert_int_equal(tls_config_new(side, peer->credentials, &peer->config, NULL), 0);
	assert_int_equal(admission_book_new(&entry, 1, &peer->book), 0);
	assert_int_equal(tls_handshake_new(peer->config, peer->book, time(NULL), &peer->tls), 0);
	return peer;
}

struct hostile *hostile_call(struct rig *rig, const char *identity)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
			 0);
	assert_int_equal(lw_hub_adopt(rig->hub, ends[1]), 0);
	return hostile_call_on(rig, identity, ends[0]);
}

struct hostile *hostile_call_on(struct rig *rig, const char *identity, int fd)
{
	return make(rig, ADMISSION_CLIENT, identity, &rig->hub_pin, fd);
}

size_t hostile_client_hello(struct hostile *peer, uint8_t *data, size_t size)
{
	const uint8_t *output;
	size_t length;

	assert_int_equal(tls_handshake_step(peer->tls, NULL, 0), TLS_WANT_INPUT);
	tls_handshake_output(peer->tls, &output, &length);
	assert_true(length > 6 && length <= size);
	memcpy(data, output, length);
	return length;
}

struct hostile *hostile_answer(struct rig *rig, const char *identity, const struct pin *client,
			       int fd)
{
	return make(rig, ADMISSION_HUB, identity, client, fd);
}

void hostile_free(struct hostile *peer)
{
	if (!peer)
		return;
	tls_handshake_free(peer->tls);
	tls_config_free(peer->config);
	credentials_free(peer->credentials);
	admission_book_free(peer->book);
	record_sealer_free(peer->sealer);
	record_opener_free(peer->opener);
	close_fd(&peer->fd);
	free(peer->sealed);
	free(peer->received);
	free(peer->plain);
	free(peer);
}

/* ---- what it sends */

static bool push(struct hostile *peer)
{
	ssize_t n = 0;

	if (peer->fd >= 0 && peer->sealed_length)
		n = send(peer->fd, peer->sealed, peer->sealed_length, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n <= 0)
		return false;
	peer->sealed_length -= (size_t)n;
	memmove(peer->sealed, peer->sealed + n, peer->sealed_length);
	return true;
}

void hostile_send(struct hostile *peer, const void *data, size_t length)
{
	size_t taken = 0;
	ssize_t n;

	assert_true(peer->is_up);
	if (!length)
		return;
	n = record_seal(peer->sealer, data, length, peer->sealed + peer->sealed_length,
			HOSTILE_BUFFER - peer->sealed_length, &taken);
	assert_true(n > 0 && taken == length);
	peer->sealed_length += (size_t)n;
	push(peer);
}

size_t hostile_send_raw(struct hostile *peer, const void *data, size_t length)
{
	ssize_t n = send(peer->fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);

	return n > 0 ? (size_t)n : 0;
}

void hostile_unit(struct hostile *peer, uint8_t type, const void *body, size_t length)
{
	uint8_t *unit = malloc(UNIT_HEADER_SIZE + length);

	assert_non_null(unit);
	unit_encode_header(unit, type, (uint32_t)length);
	if (length)
		memcpy(unit + UNIT_HEADER_SIZE, body, length);
	hostile_send(peer, unit, UNIT_HEADER_SIZE + length);
	free(unit);
}

void hostile_hello(struct hostile *peer, enum lw_layer layer, uint32_t mtu)
{
	const struct hello hello = {
		.version = WIRE_VERSION,
		.layer = layer,
		.mtu = mtu,
		.max_unit = UNIT_SIZE_MAX,
		.rekey = WIRE_REKEY_STREAM,
		.streams = 1,
		.has_session = peer->side == ADMISSION_HUB,
		.session = { 1, 2, 3 },
	};
	uint8_t body[UNIT_HELLO_MAX];
	int length = hello_encode(&hello, body, sizeof(body));

	assert_true(length > 0);
	hostile_unit(peer, UNIT_HELLO, body, (size_t)length);
}

void hostile_alert(struct hostile *peer, enum record_alert alert)
{
	ssize_t n = record_seal_alert(peer->sealer, alert, peer->sealed + peer->sealed_length,
				      HOSTILE_BUFFER - peer->sealed_length);

	assert_true(n > 0);
	peer->sealed_length += (size_t)n;
	push(peer);
}

void hostile_fin(struct hostile *peer)
{
	push(peer);
	shutdown(peer->fd, SHUT_WR);
}

/* ---- what it hears */

static void see_unit(struct hostile *peer, const struct unit *unit)
{
	peer->units[unit->type]++;
	if (unit->type == UNIT_GOODBYE) {
		assert_int_equal(goodbye_decode(unit->body, unit->length, &peer->goodbye, NULL), 0);
		peer->has_goodbye = true;
	} else if (unit->type == UNIT_HELLO) {
		assert_int_equal(hello_decode(unit->body, unit->length, &peer->hello, NULL), 0);
	} else if (unit->type == UNIT_FRAME) {
		memcpy(peer->frame, unit->body, unit->length);
		peer->frame_length = unit->length;
	}
}

static void see_units(struct hostile *peer)
{
	size_t offset = 0, needed;
	struct unit unit;

	while (unit_decode(peer->plain + offset, peer->plain_length - offset, sizeof(peer->frame),
			   &unit, &needed) == UNIT_OK) {
		see_unit(peer, &unit);
		offset += UNIT_HEADER_SIZE + unit.length;
	}
	peer->plain_length -= offset;
	memmove(peer->plain, peer->plain + offset, peer->plain_length);
}

static void open_records(struct hostile *peer)
{
	struct record_opened opened = { 0 };
	enum record_status status = record_open(peer->opener, peer->received, peer->received_length,
						peer->plain + peer->plain_length,
						HOSTILE_BUFFER - peer->plain_length, &opened);

	peer->plain_length += opened.plain;
	peer->received_length -= opened.taken;
	memmove(peer->received, peer->received + opened.taken, peer->received_length);
	see_units(peer);
	/* Whatever the product sends is well formed. */
	assert_int_not_equal(status, RECORD_BROKEN);
	if (status == RECORD_CLOSED)
		peer->is_closed = true;
	else if (status == RECORD_ALERTED)
		peer->alert = opened.alert;
}

static void take_over(struct hostile *peer)
{
	struct tls_session session = { 0 };

	assert_int_equal(tls_handshake_take(peer->tls, &session, NULL), 0);
	assert_int_equal(record_sealer_new(&session.seal, NULL, &peer->sealer), 0);
	assert_int_equal(record_opener_new(&session.open, NULL, &peer->opener), 0);
	if (session.early_length)
		memcpy(peer->received, session.early, session.early_length);
	peer->received_length = session.early_length;
	tls_session_done(&session);
	tls_handshake_free(take_pointer(peer->tls));
	peer->is_up = true;
	open_records(peer);
}

static void shake(struct hostile *peer, const uint8_t *data, size_t length)
{
	enum tls_progress progress = tls_handshake_step(peer->tls, data, length);
	const uint8_t *output;
	size_t n;

	tls_handshake_output(peer->tls, &output, &n);
	if (n)
		memcpy(peer->sealed + peer->sealed_length, output, n);
	peer->sealed_length += n;
	tls_handshake_sent(peer->tls, n);
	if (progress == TLS_ADMITTED)
		take_over(peer);
	else if (progress != TLS_WANT_INPUT)
		peer->is_failed = true;
}

static bool hear(struct hostile *peer)
{
	uint8_t *to = peer->received + peer->received_length;
	ssize_t n;

	if (peer->fd < 0 || peer->is_deaf || peer->is_cut || peer->is_failed)
		return false;
	n = recv(peer->fd, to, HOSTILE_BUFFER - peer->received_length, MSG_DONTWAIT);
	if (n < 0 && errno == EAGAIN)
		return false;
	if (n <= 0) {
		peer->is_cut = true;
		return true;
	}
	if (!peer->is_up) {
		shake(peer, to, (size_t)n);
		return true;
	}
	peer->received_length += (size_t)n;
	open_records(peer);
	return true;
}

bool hostile_pump(struct hostile *peer)
{
	bool has_heard = hear(peer);

	return push(peer) || has_heard;
}

void hostile_settle(struct hostile *peer)
{
	int rounds = 0;

	do {
		rig_settle(peer->rig);
		assert_true(++rounds < 100000);
	} while (hostile_pump(peer));
}

bool hostile_until(struct hostile *peer, bool (*condition)(void *user), void *user, uint64_t ms)
{
	uint64_t end = peer->rig->now_ns + ms * 1000000;

	for (;;) {
		hostile_settle(peer);
		if (condition && condition(user))
			return true;
		if (peer->rig->now_ns >= end)
			return false;
		peer->rig->now_ns += 5000000;
	}
}

void hostile_wait(struct hostile *peer, bool (*condition)(void *user), void *user)
{
	hostile_settle(peer);
	for (int i = 0; i < 6000 && !condition(user); i++) {
		struct pollfd fds[] = { { .fd = lw_loop_fd(peer->rig->loop), .events = POLLIN },
					{ .fd = peer->fd, .events = POLLIN } };

		poll(fds, 2, 10);
		hostile_settle(peer);
	}
	assert_true(condition(user));
}

void hostile_begin(struct hostile *peer)
{
	if (peer->side == ADMISSION_CLIENT)
		shake(peer, NULL, 0);
}

void hostile_shake(struct hostile *peer)
{
	hostile_begin(peer);
	hostile_settle(peer);
	assert_true(peer->is_up);
}

bool hostile_is_up(void *user)
{
	return ((const struct hostile *)user)->is_up;
}

bool hostile_has_hello(void *user)
{
	return ((const struct hostile *)user)->units[UNIT_HELLO] > 0;
}

bool hostile_is_over(void *user)
{
	const struct hostile *peer = user;

	return peer->is_closed || peer->is_cut || peer->alert;
}
