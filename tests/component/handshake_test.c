/* SPDX-License-Identifier: MIT */
/* Connections that are never admitted: what they cost, and that a good client gets in among them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "support/hostile.h"
#include "tunnel/handshaker.h"

enum { CROWD = 1000 };

struct crowd {
	struct rig *rig;
	int fds[CROWD];
	size_t n;
	uint8_t hello[2048];
	size_t hello_length;
	uint16_t port; /* of the hub's listener */
};

static void add_good(struct rig *rig, struct lw_hub *hub)
{
	char text[PIN_TEXT_SIZE];
	const char *pins[] = { text };
	const struct lw_peer_options options = {
		.size = sizeof(options), .name = "good", .pins = pins, .n_pins = 1
	};
	struct credentials *credentials;
	char path[128];

	assert_int_equal(credentials_load(rig_identity(rig, "good", path), &credentials, NULL), 0);
	pin_format(credentials_pin(credentials), text);
	credentials_free(credentials);
	assert_int_equal(lw_hub_add_peer(hub, &options, NULL, NULL), 0);
}

static struct crowd *crowd_new(void)
{
	struct crowd *crowd = calloc(1, sizeof(*crowd));
	struct hostile *model;
	struct rlimit limit;
	struct pin pin;

	assert_non_null(crowd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	crowd->rig = rig_new(LW_LAYER_ETHERNET, false);
	rig_make_identity(crowd->rig, "good", &pin);
	add_good(crowd->rig, crowd->rig->hub);
	model = hostile_call_on(crowd->rig, "good", -1);
	crowd->hello_length = hostile_client_hello(model, crowd->hello, sizeof(crowd->hello));
	hostile_free(model);
	assert_int_equal(lw_hub_listen(crowd->rig->hub, "127.0.0.1:0", &crowd->port, NULL), 0);
	return crowd;
}

static void crowd_free(struct crowd *crowd)
{
	for (size_t i = 0; i < crowd->n; i++)
		close(crowd->fds[i]);
	rig_free(crowd->rig);
	free(crowd);
}

/* From nowhere: no address that could be limited. */
static int join(struct crowd *crowd)
{
	int ends[2];

	assert_true(crowd->n < CROWD);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
			 0);
	assert_int_equal(lw_hub_adopt(crowd->rig->hub, ends[1]), 0);
	crowd->fds[crowd->n++] = ends[0];
	return ends[0];
}

/* From 127.0.0.x, by TCP. */
static int dial_from(const struct crowd *crowd, uint8_t x)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(0x7f000000u | x) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons(crowd->port);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

static int join_from(struct crowd *crowd, uint8_t x)
{
	assert_true(crowd->n < CROWD);
	return crowd->fds[crowd->n++] = dial_from(crowd, x);
}

static void say(int fd, const void *data, size_t length)
{
	/* It may have been thrown out already. */
	(void)send(fd, data, length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static bool is_closed(int fd)
{
	uint8_t byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK);

	return n == 0 || (n < 0 && errno != EAGAIN);
}

static bool has_answer(int fd)
{
	uint8_t byte;

	return recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
}

static size_t count(const struct crowd *crowd, bool (*is_so)(int fd))
{
	size_t n = 0;

	for (size_t i = 0; i < crowd->n; i++)
		n += is_so(crowd->fds[i]);
	return n;
}

static struct lw_hub_status status_of(const struct crowd *crowd)
{
	struct lw_hub_status status = { .size = sizeof(status) };

	lw_hub_status(crowd->rig->hub, &status);
	return status;
}

/* As rig_settle, with what the kernel's TCP still has to bring. */
static void settle_tcp(const struct crowd *crowd)
{
	struct pollfd fd = { .fd = lw_loop_fd(crowd->rig->loop), .events = POLLIN };

	do
		rig_settle(crowd->rig);
	while (poll(&fd, 1, 50) > 0);
}

static void assert_good_gets_in(struct hostile *good, uint64_t ms)
{
	hostile_begin(good);
	if (!hostile_until(good, hostile_is_up, good, ms))
		hostile_wait(good, hostile_is_up, good); /* by TCP: no more time of the clock */
	hostile_hello(good, LW_LAYER_ETHERNET, 1500);
	hostile_wait(good, hostile_has_hello, good);
	hostile_free(good);
}

/* ---- crowds */

static void silent__thousand__are_bounded_and_ended_at_ten_seconds(void **state)
{
	struct crowd *crowd = crowd_new();

	(void)state;
	while (crowd->n < CROWD)
		join(crowd);
	rig_settle(crowd->rig);
	assert_int_equal(status_of(crowd).handshakes_pending, HANDSHAKE_WAITING_MAX);
	/* The oldest went, in order. */
	for (size_t i = 0; i < CROWD; i++)
		assert_int_equal(is_closed(crowd->fds[i]), i < CROWD - HANDSHAKE_WAITING_MAX);
	assert_good_gets_in(hostile_call(crowd->rig, "good"), 0);
	rig_pass(crowd->rig, 9900);
	assert_int_equal(count(crowd, is_closed), CROWD - HANDSHAKE_WAITING_MAX + 1);
	rig_pass(crowd->rig, 200);
	assert_int_equal(count(crowd, is_closed), CROWD);
	assert_int_equal(status_of(crowd).handshakes_pending, 0);
	assert_int_equal(status_of(crowd).handshakes_expired, CROWD);
	crowd_free(crowd);
}

static void dripping__byte_a_second__good_gets_in_and_all_end(void **state)
{
	struct crowd *crowd = crowd_new();

	(void)state;
	while (crowd->n < 200)
		join(crowd);
	for (size_t second = 0; second < 10; second++) {
		for (size_t i = 0; i < crowd->n; i++)
			say(crowd->fds[i], crowd->hello + second, 1);
		/* With 64 that drip in the places, and without. */
		if (second == 2 || second == 8)
			assert_good_gets_in(hostile_call(crowd->rig, "good"), 1000);
		rig_pass(crowd->rig, 1000);
	}
	rig_pass(crowd->rig, 1200);
	assert_int_equal(count(crowd, is_closed), crowd->n);
	assert_int_equal(status_of(crowd).handshakes_pending, 0);
	crowd_free(crowd);
}

static void hello__then_silence__gives_way_within_a_second(void **state)
{
	struct crowd *crowd = crowd_new();

	(void)state;
	while (crowd->n < 400)
		say(join(crowd), crowd->hello, crowd->hello_length);
	rig_settle(crowd->rig);
	assert_int_equal(count(crowd, has_answer), HANDSHAKE_ACTIVE_MAX);
	assert_good_gets_in(hostile_call(crowd->rig, "good"), 1250);
	rig_pass(crowd->rig, 100);
	assert_true(status_of(crowd).handshakes_pending <=
		    HANDSHAKE_ACTIVE_MAX + HANDSHAKE_WAITING_MAX);
	crowd_free(crowd);
}

static void nonsense__any__is_ended_at_once(void **state)
{
	static const struct {
		const char *bytes;
		size_t length;
	} cases[] = {
		{ "GET / HTTP/1.1\r\nHost: hub\r\n\r\n", 27 },
		{ "SSH-2.0-OpenSSH_9.2\r\n", 21 },
		{ "\0\0\0\0\0\0\0\0", 8 },
		{ "\xff", 1 },
		{ "\x16\x03\x01\xff\xff\x01", 6 },
		{ "\x15\x03\x01\x00\x02\x02\x28", 7 },
		{ "\x80\x2e\x01\x03\x01\x00\x15", 7 },
	};
	struct crowd *crowd = crowd_new();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		int fd = join(crowd);

		say(fd, cases[i].bytes, cases[i].length);
		rig_settle(crowd->rig);
		assert_true(is_closed(fd));
		assert_int_equal(status_of(crowd).handshakes_pending, 0);
	}
	assert_int_equal(status_of(crowd).handshakes_expired, sizeof(cases) / sizeof(*cases));
	assert_good_gets_in(hostile_call(crowd->rig, "good"), 0);
	crowd_free(crowd);
}

static size_t count_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	size_t n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void broken_hellos__that_linger__are_bounded(void **state)
{
	struct crowd *crowd = crowd_new();
	size_t before = count_descriptors();
	uint8_t broken[64];

	(void)state;
	/* A record of a ClientHello whose inside is nonsense: it costs the sender nothing. */
	memcpy(broken, crowd->hello, 11);
	memset(broken + 11, 0xee, sizeof(broken) - 11);
	broken[3] = 0;
	broken[4] = sizeof(broken) - 5;
	broken[8] = sizeof(broken) - 9;
	while (crowd->n < 500) {
		say(join(crowd), broken, sizeof(broken));
		rig_settle(crowd->rig);
	}
	assert_int_equal(status_of(crowd).handshakes_pending, 0);
	assert_int_equal(status_of(crowd).handshakes_refused, 500);
	assert_true(count_descriptors() <= before + crowd->n + HANDSHAKE_LINGERING_MAX);
	assert_good_gets_in(hostile_call(crowd->rig, "good"), 0);
	rig_pass(crowd->rig, 1100);
	assert_int_equal(count_descriptors(), before + crowd->n);
	crowd_free(crowd);
}

/* ---- addresses */

static void address__with_many_hellos__has_eight_places(void **state)
{
	struct crowd *crowd = crowd_new();
	struct hostile *good;

	(void)state;
	for (size_t i = 0; i < 40; i++)
		say(join_from(crowd, 2), crowd->hello, crowd->hello_length);
	settle_tcp(crowd);
	assert_int_equal(count(crowd, has_answer), HANDSHAKE_PER_ADDRESS_MAX);
	good = hostile_call_on(crowd->rig, "good", dial_from(crowd, 3));
	assert_good_gets_in(good, 0); /* another address is not touched */
	good = hostile_call_on(crowd->rig, "good", dial_from(crowd, 2));
	assert_good_gets_in(good, 1250); /* nor for long the same */
	crowd_free(crowd);
}

static void address__with_many_silent__evicts_only_its_own(void **state)
{
	struct crowd *crowd = crowd_new();
	size_t others = 20;

	(void)state;
	while (crowd->n < others)
		join_from(crowd, 5);
	settle_tcp(crowd);
	while (crowd->n < others + 600) {
		join_from(crowd, 2);
		if (crowd->n % 100 == 0)
			settle_tcp(crowd);
	}
	settle_tcp(crowd);
	assert_int_equal(status_of(crowd).handshakes_pending,
			 others + HANDSHAKE_WAITING_PER_ADDRESS_MAX);
	for (size_t i = 0; i < others; i++)
		assert_false(is_closed(crowd->fds[i]));
	assert_int_equal(count(crowd, is_closed), 600 - HANDSHAKE_WAITING_PER_ADDRESS_MAX);
	crowd_free(crowd);
}

/* ---- changes meanwhile */

static void clients__as_many_as_may_be__come_in_and_no_more(void **state)
{
	struct crowd *crowd = crowd_new();
	char name[LW_PORT_NAME_SIZE], text[PIN_TEXT_SIZE];
	const char *pins[] = { text };
	const struct lw_peer_options options = {
		.size = sizeof(options), .name = name, .pins = pins, .n_pins = 1
	};
	struct hostile *peer;
	struct lw_error error;
	struct pin pin = { { 0 } };

	(void)state;
	for (unsigned i = 1; i <= LW_HUB_CLIENTS_MAX; i++) { /* and the good one */
		bool is_one_too_many = i == LW_HUB_CLIENTS_MAX;

		store_be32(pin.sha256, i);
		pin_format(&pin, text);
		snprintf(name, sizeof(name), "client%u", i);
		assert_int_equal(lw_hub_add_peer(crowd->rig->hub, &options, NULL, &error),
				 is_one_too_many ? -ENOSPC : 0);
	}
	assert_non_null(strstr(error.text, "clients: at most 4096"));
	peer = hostile_call(crowd->rig, "good");
	hostile_shake(peer);
	hostile_free(peer);
	crowd_free(crowd);
}

static void book__changed_during_a_handshake__is_begun_anew(void **state)
{
	struct crowd *crowd = crowd_new();
	struct hostile *peer = hostile_call(crowd->rig, "good");
	struct lw_port *port = lw_hub_next_port(crowd->rig->hub, NULL);

	(void)state;
	hostile_begin(peer);
	hostile_pump(peer);
	rig_settle(crowd->rig); /* the hub has answered the ClientHello */
	lw_hub_remove_peer(crowd->rig->hub, port);
	hostile_settle(peer);
	assert_true(peer->is_cut);
	assert_int_equal(status_of(crowd).handshakes_accepted, 0);
	hostile_free(peer);
	/* Nobody knows it now. */
	peer = hostile_call(crowd->rig, "good");
	hostile_begin(peer);
	hostile_settle(peer);
	rig_pass(crowd->rig, 1100);
	hostile_settle(peer);
	assert_true(peer->is_failed || hostile_is_over(peer));
	assert_int_equal(status_of(crowd).handshakes_accepted, 0);
	hostile_free(peer);
	crowd_free(crowd);
}

static void hub__freed_with_handshakes_in_every_state__leaves_nothing(void **state)
{
	struct crowd *crowd = crowd_new();
	struct hostile *peer = hostile_call(crowd->rig, "good");

	(void)state;
	for (size_t i = 0; i < 100; i++) {
		int fd = join(crowd);

		if (i % 3)
			say(fd, crowd->hello, i % 3 == 1 ? 3 : crowd->hello_length);
	}
	hostile_begin(peer);
	hostile_pump(peer);
	rig_settle(crowd->rig);
	join(crowd); /* not even read by the role yet */
	rig_hub_kill(crowd->rig);
	hostile_settle(peer);
	assert_true(peer->is_cut);
	for (size_t i = 0; i < crowd->n; i++) {
		uint8_t data[4096];

		while (recv(crowd->fds[i], data, sizeof(data), MSG_DONTWAIT) > 0)
			;
		assert_true(is_closed(crowd->fds[i]));
	}
	hostile_free(peer);
	crowd_free(crowd);
}

/* ---- on a thread of its own */

static void start_threaded_hub(struct rig *rig)
{
	char path[128];
	const struct lw_hub_options options = {
		.size = sizeof(options),
		.layer = LW_LAYER_ETHERNET,
		.identity_file = rig_identity(rig, "hub", path),
	};

	rig_hub_kill(rig);
	assert_int_equal(lw_hub_new(rig->loop, &options, &rig->hub, NULL), 0);
	add_good(rig, rig->hub);
}

static bool are_accepted(void *user)
{
	return status_of(user).handshakes_accepted + status_of(user).handshakes_refused >= 3;
}

static void thread__good_client_among_nonsense__gets_in(void **state)
{
	struct crowd *crowd = crowd_new();
	struct hostile *peer;

	(void)state;
	start_threaded_hub(crowd->rig);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 30; i++)
			say(join(crowd), i % 2 ? "nonsense" : (const char *)crowd->hello,
			    i % 2 ? 8 : crowd->hello_length);
		peer = hostile_call(crowd->rig, "good");
		hostile_begin(peer);
		hostile_wait(peer, hostile_is_up, peer);
		hostile_hello(peer, LW_LAYER_ETHERNET, 1500);
		hostile_wait(peer, hostile_has_hello, peer);
		hostile_free(peer);
	}
	crowd_free(crowd);
}

static void thread__hub_freed_and_book_changed_meanwhile__is_orderly(void **state)
{
	(void)state;
	for (int round = 0; round < 12; round++) {
		struct crowd *crowd = crowd_new();
		struct hostile *peers[4];

		start_threaded_hub(crowd->rig);
		for (size_t i = 0; i < 4; i++) {
			peers[i] = hostile_call(crowd->rig, "good");
			hostile_begin(peers[i]);
		}
		for (int i = 0; i < 20; i++)
			say(join(crowd), crowd->hello, crowd->hello_length);
		if (round % 3 == 1)
			lw_hub_remove_peer(crowd->rig->hub,
					   lw_hub_next_port(crowd->rig->hub, NULL));
		for (size_t i = 0; i < 4; i++)
			hostile_settle(peers[i]);
		if (round % 3 == 2)
			for (int i = 0; i < 6000 && !are_accepted(crowd); i++) {
				struct pollfd fd = { .fd = lw_loop_fd(crowd->rig->loop),
						     .events = POLLIN };

				poll(&fd, 1, 10);
				for (size_t k = 0; k < 4; k++)
					hostile_settle(peers[k]);
			}
		rig_hub_kill(crowd->rig);
		for (size_t i = 0; i < 4; i++)
			hostile_free(peers[i]);
		crowd_free(crowd);
	}
}

/* ---- descriptors */

static void descriptors__exhausted__accept_pauses_and_recovers(void **state)
{
	struct crowd *crowd = crowd_new();
	struct rlimit old, low;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	while (crowd->n < 20)
		join_from(crowd, 4);
	low = old;
	/* All that are below the highest are in use, or as good as. */
	low.rlim_cur = (rlim_t)crowd->fds[crowd->n - 1] + 1;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	rig_settle(crowd->rig); /* it would never settle if it spun */
	assert_true(status_of(crowd).handshakes_pending < 20);
	rig_pass(crowd->rig, 1000);
	assert_true(status_of(crowd).handshakes_pending < 20);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	rig_pass(crowd->rig, 150);
	settle_tcp(crowd);
	assert_int_equal(status_of(crowd).handshakes_pending, 20);
	assert_good_gets_in(hostile_call_on(crowd->rig, "good", dial_from(crowd, 6)), 0);
	crowd_free(crowd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(silent__thousand__are_bounded_and_ended_at_ten_seconds),
		cmocka_unit_test(dripping__byte_a_second__good_gets_in_and_all_end),
		cmocka_unit_test(hello__then_silence__gives_way_within_a_second),
		cmocka_unit_test(nonsense__any__is_ended_at_once),
		cmocka_unit_test(broken_hellos__that_linger__are_bounded),
		cmocka_unit_test(address__with_many_hellos__has_eight_places),
		cmocka_unit_test(address__with_many_silent__evicts_only_its_own),
		cmocka_unit_test(clients__as_many_as_may_be__come_in_and_no_more),
		cmocka_unit_test(book__changed_during_a_handshake__is_begun_anew),
		cmocka_unit_test(hub__freed_with_handshakes_in_every_state__leaves_nothing),
		cmocka_unit_test(thread__good_client_among_nonsense__gets_in),
		cmocka_unit_test(thread__hub_freed_and_book_changed_meanwhile__is_orderly),
		cmocka_unit_test(descriptors__exhausted__accept_pauses_and_recovers),
	};

	return cmocka_run_group_tests_name("component/handshake", tests, NULL, NULL);
}
