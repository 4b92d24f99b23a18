/* SPDX-License-Identifier: MIT */
/* Keys are renewed under traffic, with the limits lowered to where a test gets: nothing is lost,
 * repeated or out of order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "support/rig.h"
#include "tunnel/client.h"
#include "tunnel/hub_internal.h"

/*
 * Limits in AES blocks: between two looks at them a stream seals some 10 000 at most, so that a key
 * is renewed well before its end.
 */
enum { RENEW_AT = 3000, LIMIT = 15000, FRAMES = 3000, FRAME_MIN = 64, FRAME_MAX = 1514 };

/* ---- two sessions on a socketpair, of secrets made up: TLS 1.3 whatever the library speaks */

struct end {
	struct session *session;
	uint32_t sent, received;
	uint64_t blocks; /* of what was received, at least */
	unsigned ended;
};

struct pair {
	struct lw_loop *loop;
	uint64_t now_ns;
	struct end hub, client;
};

static uint64_t pair_now(void *user)
{
	return ((struct pair *)user)->now_ns;
}

static void ignore_up(struct session *session)
{
	(void)session;
}

/* The next frame is the one whose number comes next, with every byte as it must be. */
static void check_packets(struct session *session, const struct lw_packet *packets, size_t n)
{
	struct end *end = session->user;

	for (size_t i = 0; i < n; i++) {
		const uint8_t *data = packets[i].data;

		assert_int_equal(load_be32(data + 14), end->received);
		for (size_t at = 18; at < packets[i].length; at++)
			assert_int_equal(data[at], (uint8_t)(end->received + at));
		end->received++;
		end->blocks += packets[i].length / 16;
	}
}

static void ignore_settings(struct session *session, const uint8_t *data, size_t length)
{
	(void)session;
	(void)data;
	(void)length;
}

static void note_end(struct session *session, const struct session_end *why)
{
	(void)why;
	((struct end *)session->user)->ended++;
}

static const struct session_ops ops = {
	.up = ignore_up,
	.packets = check_packets,
	.settings = ignore_settings,
	.ended = note_end,
};

static struct record_secrets secrets_of(uint16_t version, uint8_t fill)
{
	struct record_secrets secrets = { .version = version,
					  .algorithm = AEAD_AES_128_GCM,
					  .sequence = version == RECORD_VERSION_TLS12,
					  .max_plain = RECORD_PLAIN_MAX };

	memset(secrets.key, fill, sizeof(secrets.key));
	memset(secrets.iv, fill, sizeof(secrets.iv));
	if (version == RECORD_VERSION_TLS13) {
		memset(secrets.secret, fill, sizeof(secrets.secret));
		secrets.secret_length = 32;
		assert_int_equal(record_secrets_derive(&secrets), 0);
	}
	return secrets;
}

static void end_open(struct pair *pair, struct end *end, int fd, uint16_t version,
		     enum admission_side side)
{
	struct tls_session tls = {
		.seal = secrets_of(version, side == ADMISSION_HUB ? 1 : 2),
		.open = secrets_of(version, side == ADMISSION_HUB ? 2 : 1),
		.description = "made up",
	};
	const struct session_options options = {
		.side = side, .layer = LW_LAYER_ETHERNET, .mtu = 1500, .ops = &ops, .user = end
	};
	int size = 8192; /* so that the socket is full now and then */

	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size)), 0);
	assert_int_equal(session_new(pair->loop, fd, &tls, &options, &end->session), 0);
	record_sealer_set_limits(end->session->stream.sealer, RENEW_AT, LIMIT);
}

static void pair_dispatch(struct pair *pair)
{
	for (int i = 0; i < 4; i++)
		assert_true(lw_loop_dispatch(pair->loop) >= 0);
}

static struct pair *pair_new(uint16_t version)
{
	struct pair *pair = calloc(1, sizeof(*pair));
	const struct lw_loop_options options = { .size = sizeof(options),
						 .now_ns = pair_now,
						 .user = pair };
	int fds[2];

	assert_non_null(pair);
	pair->now_ns = UINT64_C(1000000000000);
	assert_int_equal(lw_loop_new(&options, &pair->loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	end_open(pair, &pair->hub, fds[0], version, ADMISSION_HUB);
	end_open(pair, &pair->client, fds[1], version, ADMISSION_CLIENT);
	pair_dispatch(pair);
	assert_int_equal(pair->hub.session->state, SESSION_UP);
	assert_int_equal(pair->client.session->state, SESSION_UP);
	return pair;
}

static void pair_free(struct pair *pair)
{
	session_free(pair->hub.session, NULL);
	session_free(pair->client.session, NULL);
	lw_loop_free(pair->loop);
	free(pair);
}

/* Return: whether the session took it. */
static bool send_next(struct end *end)
{
	uint8_t frame[FRAME_MAX];
	struct lw_packet packet = { .data = frame,
				    .length = FRAME_MIN +
					      end->sent * 37 % (FRAME_MAX - FRAME_MIN + 1),
				    .layer = LW_LAYER_ETHERNET };

	memset(frame, 2, 14);
	store_be32(frame + 14, end->sent);
	for (size_t at = 18; at < packet.length; at++)
		frame[at] = (uint8_t)(end->sent + at);
	if (session_output(end->session, &packet) != LW_DROP_NONE)
		return false;
	end->sent++;
	return true;
}

static void exchange(struct pair *pair, uint32_t frames)
{
	struct end *ends[] = { &pair->hub, &pair->client };

	for (uint32_t round = 0; round < frames; round++) {
		for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
			if (ends[i]->sent < frames)
				(void)send_next(ends[i]);
			session_flush(ends[i]->session);
		}
		/* Mostly one side runs behind, so that records wait on the way. */
		if (round % 7 == 0)
			pair_dispatch(pair);
	}
	for (int i = 0; i < 2000; i++)
		pair_dispatch(pair);
}

static void key_update__by_both_ends_under_traffic__nothing_lost_or_out_of_order(void **state)
{
	struct pair *pair = pair_new(RECORD_VERSION_TLS13);

	(void)state;
	assert_int_equal(pair->hub.session->peer_hello.rekey, WIRE_REKEY_UPDATE);
	assert_int_equal(pair->client.session->peer_hello.rekey, WIRE_REKEY_UPDATE);
	exchange(pair, FRAMES);
	assert_true(pair->hub.sent > FRAMES / 2 && pair->client.sent > FRAMES / 2);
	assert_int_equal(pair->client.received, pair->hub.sent);
	assert_int_equal(pair->hub.received, pair->client.sent);
	assert_true(pair->hub.session->stream.renewals >= 20);
	assert_true(pair->client.session->stream.renewals >= 20);
	assert_int_equal(pair->hub.ended + pair->client.ended, 0);
	pair_free(pair);
}

/* One that does not say `update` gets none, and the key is not used beyond its end. */
static void without_update(uint16_t version, enum wire_rekey client_says)
{
	struct pair *pair = pair_new(version);
	struct end *hub = &pair->hub;

	hub->session->stream.may_update =
		hub->session->stream.may_update && client_says == WIRE_REKEY_UPDATE;
	for (uint32_t i = 0; i < LIMIT && !hub->ended; i++) {
		(void)send_next(hub);
		session_flush(hub->session);
		pair_dispatch(pair);
	}
	assert_int_equal(hub->session->stream.renewals, 0);
	assert_int_equal(hub->ended, 1);
	assert_int_equal(hub->session->state, SESSION_ENDED);
	session_free(hub->session, NULL);
	hub->session = NULL;
	pair_dispatch(pair);
	/* What was sealed before that has come, as it was; the rest was never sealed. */
	assert_in_range(pair->client.blocks, LIMIT * 3 / 4, LIMIT);
	assert_true(pair->client.received <= hub->sent);
	assert_int_equal(pair->client.ended, 1);
	pair_free(pair);
}

static void no_update__tls_1_2__ends_at_the_limit(void **state)
{
	(void)state;
	without_update(RECORD_VERSION_TLS12, WIRE_REKEY_STREAM);
}

static void no_update__peer_that_does_not_follow__ends_at_the_limit(void **state)
{
	(void)state;
	without_update(RECORD_VERSION_TLS13, WIRE_REKEY_STREAM);
}

/* ---- the whole program's way: handshake, hello, devices */

static void send_numbered(struct rig_host *from, uint8_t to, uint8_t source, uint32_t number)
{
	uint8_t frame[FRAME_MAX];
	size_t length = rig_frame(frame, to, source, 0x88b5, 50 + number % 1400);

	store_be32(frame + 14, number);
	rig_write(from, frame, length);
}

static void assert_numbered(const struct rig_host *host, uint32_t frames)
{
	assert_int_equal(host->n, frames);
	for (uint32_t i = 0; i < frames; i++) {
		assert_int_equal(load_be32(host->frames[i] + 14), i);
		assert_int_equal(host->lengths[i], 14 + 50 + i % 1400);
	}
}

static void rig__limits_lowered__carries_on_as_its_tls_allows(void **state)
{
	enum { NUMBERED = 400 };
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	struct session *here, *there;

	(void)state;
	rig_connect(a);
	rig_pass(rig, 500);
	here = a->tunnel->session;
	there = a->port->session;
	assert_int_equal(here->peer_hello.rekey, there->peer_hello.rekey);
	assert_int_equal(here->is_tls13, here->peer_hello.rekey == WIRE_REKEY_UPDATE);
	if (here->is_tls13) {
		record_sealer_set_limits(here->stream.sealer, RENEW_AT, LIMIT);
		record_sealer_set_limits(there->stream.sealer, RENEW_AT, LIMIT);
	}
	/* Each host is known by a broadcast, as ARP makes it; then they speak to each other. */
	send_numbered(&a->host, 0xff, 1, 0);
	send_numbered(&rig->host, 0xff, 100, 0);
	rig_pass(rig, 100);
	rig_forget(&a->host);
	rig_forget(&rig->host);
	for (uint32_t i = 0; i < NUMBERED; i++) {
		send_numbered(&a->host, 100, 1, i);
		send_numbered(&rig->host, 1, 100, i);
		rig_settle(rig);
	}
	rig_pass(rig, 100);
	assert_numbered(&rig->host, NUMBERED);
	assert_numbered(&a->host, NUMBERED);
	assert_ptr_equal(a->tunnel->session, here);
	assert_ptr_equal(a->port->session, there);
	if (here->is_tls13) {
		assert_true(here->stream.renewals >= 2);
		assert_true(there->stream.renewals >= 2);
	} else {
		assert_int_equal(here->stream.renewals + there->stream.renewals, 0);
	}
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			key_update__by_both_ends_under_traffic__nothing_lost_or_out_of_order),
		cmocka_unit_test(no_update__tls_1_2__ends_at_the_limit),
		cmocka_unit_test(no_update__peer_that_does_not_follow__ends_at_the_limit),
		cmocka_unit_test(rig__limits_lowered__carries_on_as_its_tls_allows),
	};

	return cmocka_run_group_tests_name("renewal", tests, NULL, NULL);
}
