/* SPDX-License-Identifier: MIT */
/* A hub with the right key that means no good: what it can do to a client. Little. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <poll.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "support/hostile.h"

/* A client whose every attempt ends at a hub that the test plays. */
struct victim {
	struct rig *rig;
	struct rig_host host;
	struct pin pin;
	struct lw_tunnel *tunnel;
	struct lw_connection *connection;
	struct hostile *hub; /* of the present attempt */
	unsigned dials;
	bool is_mute; /* the hub does not even shake hands */
};

static int dial(void *user, int *ret_descriptor)
{
	struct victim *victim = user;
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
			 0);
	hostile_free(victim->hub);
	victim->hub = hostile_answer(victim->rig, "hub", &victim->pin, ends[1]);
	victim->hub->is_deaf = victim->is_mute;
	victim->dials++;
	*ret_descriptor = ends[0];
	return 0;
}

static struct victim *make(enum lw_layer layer, unsigned accept, bool is_threaded)
{
	struct victim *victim = calloc(1, sizeof(*victim));
	char pin[PIN_TEXT_SIZE], path[128];
	const char *pins[] = { pin };
	struct lw_tunnel_options options = {
		.size = sizeof(options),
		.layer = layer,
		.pins = pins,
		.n_pins = 1,
		.accept = accept,
		.inline_handshakes = !is_threaded,
		.dial = dial,
		.dial_user = victim,
	};
	struct lw_connection_options connection = { .size = sizeof(connection) };

	assert_non_null(victim);
	victim->rig = rig_new(layer, false);
	rig_make_identity(victim->rig, "victim", &victim->pin);
	pin_format(&victim->rig->hub_pin, pin);
	options.identity_file = rig_identity(victim->rig, "victim", path);
	assert_int_equal(lw_tunnel_new(&options, &victim->tunnel, NULL), 0);
	rig_open_host(victim->rig, &victim->host);
	connection.ops = lw_tunnel_provider_ops(victim->tunnel);
	connection.user = victim->tunnel;
	connection.flow = victim->host.near;
	connection.start_timeout_ms = UINT32_MAX;
	assert_int_equal(
		lw_connection_new(victim->rig->loop, &connection, &victim->connection, NULL), 0);
	return victim;
}

static struct victim *victim_new(enum lw_layer layer, unsigned accept)
{
	return make(layer, accept, false);
}

static void victim_free(struct victim *victim)
{
	lw_connection_free(victim->connection);
	lw_tunnel_free(victim->tunnel);
	hostile_free(victim->hub);
	rig_close_host(&victim->host);
	rig_free(victim->rig);
	free(victim);
}

static struct lw_tunnel_status status_of(const struct victim *victim)
{
	struct lw_tunnel_status status = { .size = sizeof(status) };

	lw_tunnel_status(victim->tunnel, &status);
	return status;
}

static enum lw_status connection_of(const struct victim *victim)
{
	return lw_connection_status(victim->connection);
}

static void victim_start(struct victim *victim)
{
	assert_int_equal(lw_connection_start(victim->connection, NULL, NULL), 0);
	rig_settle(victim->rig);
	assert_non_null(victim->hub);
}

/* TLS and hellos are done; settings are awaited. */
static void victim_hello(struct victim *victim)
{
	hostile_shake(victim->hub);
	assert_int_equal(status_of(victim).link, LW_LINK_HELLO);
	hostile_hello(victim->hub, victim->rig->layer, 1500);
	hostile_settle(victim->hub);
	assert_int_equal(victim->hub->units[UNIT_HELLO], 1);
}

static void settings(struct victim *victim, const char *json)
{
	hostile_unit(victim->hub, UNIT_SETTINGS, json, strlen(json));
	hostile_settle(victim->hub);
}

static void victim_up(struct victim *victim, const char *json)
{
	victim_start(victim);
	victim_hello(victim);
	settings(victim, json);
	assert_int_equal(status_of(victim).link, LW_LINK_UP);
	assert_int_equal(connection_of(victim), LW_STATUS_CONNECTED);
}

/* ---- offers */

#define ROUTES "{\"included-routes\":"

static void offer__absurd__is_refused_and_shown(void **state)
{
	static const struct {
		const char *json, *refused;
	} cases[] = {
		{ "{\"mtu\":67}", "mtu 67" },
		{ "{\"mtu\":65536}", "mtu 65536" },
		{ "{\"mtu\":4294967295}", "mtu 4294967295" },
		{ "{\"addresses\":[\"0.0.0.0/0\"]}", "0.0.0.0/0" },
		{ "{\"addresses\":[\"10.0.0.1/0\"]}", "10.0.0.1/0" },
		{ "{\"addresses\":[\"10.0.0.1/7\"]}", "absurdly large" },
		{ "{\"addresses\":[\"127.0.0.1/8\"]}", "127.0.0.1/8" },
		{ "{\"addresses\":[\"224.0.0.1/24\"]}", "224.0.0.1/24" },
		{ "{\"addresses\":[\"255.255.255.255/32\"]}", "255.255.255.255/32" },
		{ "{\"addresses\":[\"::1/128\"]}", "::1/128" },
		{ "{\"addresses\":[\"ff02::1/64\"]}", "ff02::1/64" },
		{ "{\"addresses\":[\"fd00::1/15\"]}", "absurdly large" },
		{ "{\"addresses\":[\"::ffff:10.0.0.1/120\"]}", "ffff" },
		{ "{\"addresses\":[\"\"]}", "not an address" },
		{ "{\"addresses\":[\"$(reboot)\"]}", "not an address" },
		{ "{\"addresses\":[\"\\u001b[2J\"]}", "not an address" },
		{ ROUTES "[\"127.0.0.0/8\"]}", "127.0.0.0/8" },
		{ ROUTES "[\"224.0.0.0/4\"]}", "224.0.0.0/4" },
		{ ROUTES "[\"-j ACCEPT\"]}", "not a prefix" },
		{ "{\"dns\":{\"servers\":[\"6.6.6.6\"]}}", "dns" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct victim *victim =
			victim_new(LW_LAYER_IP, LW_ACCEPT_ADDRESSES | LW_ACCEPT_MTU |
							LW_ACCEPT_INCLUDED_ROUTES | LW_ACCEPT_DNS);

		victim_up(victim, cases[i].json);
		if (!strstr(status_of(victim).refused_offers, cases[i].refused))
			fail_msg("%s: %s", cases[i].json, status_of(victim).refused_offers);
		victim_free(victim);
	}
}

static void offer__not_asked_for__is_refused(void **state)
{
	struct victim *victim = victim_new(LW_LAYER_IP, LW_ACCEPT_NOTHING);

	(void)state;
	victim_up(victim, "{\"mtu\":1400,\"addresses\":[\"10.9.0.2/24\"],"
			  "\"included-routes\":[\"0.0.0.0/0\"]}");
	assert_non_null(strstr(status_of(victim).refused_offers, "10.9.0.2/24 (not in accept)"));
	assert_non_null(strstr(status_of(victim).refused_offers, "0.0.0.0/0 (not in accept)"));
	victim_free(victim);
}

static char *many_routes(size_t n)
{
	char *json = malloc(64 + n * 24), *p = json;

	assert_non_null(json);
	p += sprintf(p, ROUTES "[");
	for (size_t i = 0; i < n; i++)
		p += sprintf(p, "%s\"10.%zu.%zu.0/24\"", i ? "," : "", i / 250, i % 250);
	sprintf(p, "]}");
	return json;
}

static void offer__broken__ends_the_session_with_the_reason(void **state)
{
	char *thousands = many_routes(3000), *one_too_many = many_routes(OFFER_ROUTES_MAX + 1);
	const struct {
		const char *json, *text;
	} cases[] = {
		{ "", "JSON" },
		{ "[]", "object" },
		{ "{\"mtu\":-1}", "mtu" },
		{ "{\"mtu\":\"1500\"}", "mtu" },
		{ "{\"mtu\":1500,\"mtu\":1400}", "duplicate" },
		{ "{\"addresses\":\"10.0.0.1/24\"}", "addresses" },
		{ "{\"addresses\":[1]}", "addresses" },
		{ "{\"addresses\":[\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\",\"a\"]}",
		  "addresses has 9 items" },
		{ "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "deep" },
		{ one_too_many, "513 items" },
		{ thousands, "3000 items" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct victim *victim = victim_new(LW_LAYER_IP, LW_ACCEPT_INCLUDED_ROUTES);

		victim_start(victim);
		victim_hello(victim);
		settings(victim, cases[i].json);
		assert_int_equal(victim->hub->goodbye.code, GOODBYE_PROTOCOL);
		if (!strstr(victim->hub->goodbye.text, cases[i].text))
			fail_msg("%.60s: %s", cases[i].json, victim->hub->goodbye.text);
		assert_int_equal(status_of(victim).link, LW_LINK_WAITING);
		assert_int_equal(connection_of(victim), LW_STATUS_CONNECTING);
		victim_free(victim);
	}
	free(thousands);
	free(one_too_many);
}

static void settings__thousand_at_once__are_limited_and_harmless(void **state)
{
	struct victim *victim = victim_new(LW_LAYER_IP, LW_ACCEPT_MTU);
	char json[64];

	(void)state;
	victim_start(victim);
	victim_hello(victim);
	for (int i = 0; i < 1000; i++) {
		snprintf(json, sizeof(json), "{\"mtu\":%d}", 1000 + i);
		hostile_unit(victim->hub, UNIT_SETTINGS, json, strlen(json));
	}
	hostile_settle(victim->hub);
	assert_int_equal(connection_of(victim), LW_STATUS_CONNECTED);
	assert_non_null(strstr(status_of(victim).refused_offers, "more than 20 settings in 10 s"));
	/* And one after the other. */
	for (int i = 0; i < 200; i++) {
		settings(victim, json);
		(void)hostile_until(victim->hub, NULL, NULL, 5);
	}
	assert_int_equal(connection_of(victim), LW_STATUS_CONNECTED);
	victim_free(victim);
}

static void settings__in_one_burst__the_newest_counts(void **state)
{
	struct victim *victim = victim_new(LW_LAYER_IP, LW_ACCEPT_ADDRESSES);
	const char *const offers[] = { "{\"addresses\":[\"10.9.0.2/24\"]}",
				       "{\"addresses\":[\"10.9.0.3/24\"]}",
				       "{\"addresses\":[\"10.9.0.4/24\"]}" };
	uint8_t bytes[256], packet[256];
	size_t length = 0;

	(void)state;
	victim_start(victim);
	victim_hello(victim);
	for (size_t i = 0; i < 3; i++) {
		unit_encode_header(bytes + length, UNIT_SETTINGS, (uint32_t)strlen(offers[i]));
		memcpy(bytes + length + 4, offers[i], strlen(offers[i]));
		length += 4 + strlen(offers[i]);
	}
	hostile_send(victim->hub, bytes, length);
	hostile_settle(victim->hub);
	assert_int_equal(connection_of(victim), LW_STATUS_CONNECTED);
	length = rig_packet(packet, "10.1.1.1", "10.9.0.4", 10);
	hostile_unit(victim->hub, UNIT_FRAME, packet, length);
	hostile_settle(victim->hub);
	assert_int_equal(victim->host.n, 1);
	length = rig_packet(packet, "10.1.1.1", "10.9.0.2", 10);
	hostile_unit(victim->hub, UNIT_FRAME, packet, length);
	hostile_settle(victim->hub);
	assert_int_equal(victim->host.n, 1);
	victim_free(victim);
}

/* ---- packets */

static void packet__before_settings__reaches_nobody(void **state)
{
	struct victim *victim = victim_new(LW_LAYER_IP, 0);
	uint8_t packet[256];
	size_t length = rig_packet(packet, "10.1.1.1", "192.168.1.1", 10);

	(void)state;
	victim_start(victim);
	victim_hello(victim);
	hostile_unit(victim->hub, UNIT_FRAME, packet, length);
	hostile_settle(victim->hub);
	assert_int_equal(victim->host.n, 0);
	assert_int_equal(status_of(victim).drops[LW_DROP_PORT_DOWN], 1);
	victim_free(victim);
}

static void packet__for_another__is_dropped_and_counted(void **state)
{
	struct victim *victim = victim_new(LW_LAYER_IP, 0);
	uint8_t packet[256];
	size_t length;

	(void)state;
	victim_up(victim, "{\"addresses\":[\"10.9.0.2/24\"]}");
	length = rig_packet(packet, "10.1.1.1", "192.168.1.1", 10);
	hostile_unit(victim->hub, UNIT_FRAME, packet, length);
	length = rig_packet(packet, "10.1.1.1", "10.9.0.3", 10);
	hostile_unit(victim->hub, UNIT_FRAME, packet, length);
	hostile_unit(victim->hub, UNIT_FRAME, packet, 19);
	hostile_unit(victim->hub, UNIT_FRAME, packet, 0);
	hostile_settle(victim->hub);
	assert_int_equal(victim->host.n, 0);
	assert_int_equal(status_of(victim).drops[LW_DROP_DESTINATION_ADDRESS], 2);
	assert_int_equal(status_of(victim).drops[LW_DROP_SHORT] +
				 status_of(victim).drops[LW_DROP_MALFORMED],
			 2);
	length = rig_packet(packet, "10.1.1.1", "10.9.0.2", 10);
	hostile_unit(victim->hub, UNIT_FRAME, packet, length);
	hostile_settle(victim->hub);
	assert_int_equal(rig_count(&victim->host, packet, length), 1);
	victim_free(victim);
}

/* ---- units */

static void unit__against_the_rules__is_told_and_tried_again(void **state)
{
	static const struct {
		bool after_hello;
		uint8_t type;
		uint32_t declared;
		const char *text;
	} cases[] = {
		{ false, UNIT_SETTINGS, 0, "may not set" },
		{ false, UNIT_FRAME, 0, "before hello" },
		{ false, 0x0a, 0, "unknown unit type" },
		{ true, 0x0a, 0, "unknown unit type" },
		{ true, UNIT_HELLO, 0, "second hello" },
		{ true, UNIT_SETTINGS, 0xffffff, "longer" },
		{ true, UNIT_SETTINGS, 65537, "longer" },
		{ true, UNIT_OFFLOAD_FRAME, 9, "wrong length" },
		{ true, UNIT_JOIN, 0, "join" },
		{ true, UNIT_PROBE, 25, "wrong length" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct victim *victim = victim_new(LW_LAYER_ETHERNET, 0);
		uint8_t header[UNIT_HEADER_SIZE];

		victim_start(victim);
		if (cases[i].after_hello)
			victim_hello(victim);
		else
			hostile_shake(victim->hub);
		unit_encode_header(header, cases[i].type, cases[i].declared);
		hostile_send(victim->hub, header, sizeof(header));
		hostile_settle(victim->hub);
		assert_int_equal(victim->hub->goodbye.code, GOODBYE_PROTOCOL);
		assert_non_null(strstr(victim->hub->goodbye.text, cases[i].text));
		assert_int_equal(status_of(victim).link, LW_LINK_WAITING);
		assert_true(status_of(victim).retry_ms <= 300);
		victim_free(victim);
	}
}

static void hub__says_nothing_more__is_left_after_ten_seconds(void **state)
{
	(void)state;
	for (int stage = 0; stage < 3; stage++) {
		struct victim *victim = victim_new(LW_LAYER_ETHERNET, 0);

		victim->is_mute = stage == 0;
		victim_start(victim);
		if (stage == 1)
			hostile_shake(victim->hub); /* no hello */
		if (stage == 2)
			victim_hello(victim); /* no settings */
		for (int i = 0; i < 10; i++) {
			assert_int_equal(victim->dials, 1);
			/* Probes are no excuse. */
			if (stage)
				hostile_unit(victim->hub, UNIT_PROBE, "0123456789abcdef01234567",
					     24);
			rig_pass(victim->rig, 990);
		}
		rig_pass(victim->rig, 450);
		assert_int_equal(victim->dials, 2);
		assert_true(status_of(victim).last_failure[0]);
		victim_free(victim);
	}
}

/* ---- goodbyes */

static void goodbye__each_code__has_its_class_and_error(void **state)
{
	static const struct {
		unsigned code;
		unsigned least_ms, most_ms;
		const char *name;
	} cases[] = {
		{ GOODBYE_NONE, 0, 400, "none" },
		{ GOODBYE_REFUSED, 30000, 45000, "refused" },
		{ GOODBYE_REPLACED, 30000, 45000, "replaced" },
		{ GOODBYE_PROTOCOL, 0, 400, "protocol" },
		{ GOODBYE_VERSION, 30000, 45000, "version" },
		{ GOODBYE_LAYER, 30000, 45000, "layer" },
		{ GOODBYE_DEAD, 0, 400, "dead" },
		{ GOODBYE_SHUTDOWN, 0, 400, "shutdown" },
		{ GOODBYE_REMOVED, 30000, 45000, "removed" },
		{ GOODBYE_RESOURCES, 0, 400, "resources" },
		{ GOODBYE_STALLED, 0, 400, "stalled" },
		{ 11, 0, 400, "?" },
		{ 1000, 0, 400, "?" },
	};

	(void)state;
	for (int up = 0; up < 2; up++)
		for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
			struct victim *victim = victim_new(LW_LAYER_ETHERNET, 0);
			char json[64], expected[64];

			victim_start(victim);
			victim_hello(victim);
			if (up)
				settings(victim, "{}");
			snprintf(json, sizeof(json), "{\"code\":%u,\"text\":\"so it is\"}",
				 cases[i].code);
			hostile_unit(victim->hub, UNIT_GOODBYE, json, strlen(json));
			hostile_settle(victim->hub);
			snprintf(expected, sizeof(expected), "said goodbye (%s): so it is",
				 cases[i].name);
			assert_non_null(strstr(status_of(victim).last_failure, expected));
			assert_in_range(status_of(victim).retry_ms, cases[i].least_ms,
					cases[i].most_ms);
			assert_int_equal(connection_of(victim),
					 up ? LW_STATUS_REASSERTING : LW_STATUS_CONNECTING);
			victim_free(victim);
		}
}

/* ---- stops at every stage */

static bool is_disconnected(void *user)
{
	return connection_of(user) == LW_STATUS_DISCONNECTED;
}

static void reach(struct victim *victim, int stage)
{
	victim_start(victim);
	switch (stage) {
	case 0: /* its ClientHello is out */
		break;
	case 1: /* the handshake is half done */
		hostile_pump(victim->hub);
		break;
	case 2:
		hostile_shake(victim->hub);
		break;
	case 3:
		victim_hello(victim);
		break;
	case 4:
		victim_hello(victim);
		settings(victim, "{}");
		break;
	case 5: /* lost, and waiting */
		victim_hello(victim);
		settings(victim, "{}");
		hostile_fin(victim->hub);
		hostile_settle(victim->hub);
		assert_int_equal(status_of(victim).link, LW_LINK_WAITING);
		break;
	case 6: /* the goodbye has come but is not yet told */
		victim_hello(victim);
		hostile_unit(victim->hub, UNIT_GOODBYE, "{\"code\":7}", 10);
		break;
	case 7: /* settings have come but are not yet applied */
		victim_hello(victim);
		hostile_unit(victim->hub, UNIT_SETTINGS, "{}", 2);
		break;
	}
}

enum { STAGES = 8 };

static void stop__at_every_stage__ends_once_and_starts_again(void **state)
{
	(void)state;
	for (int stage = 0; stage < STAGES; stage++) {
		struct victim *victim = victim_new(LW_LAYER_ETHERNET, 0);

		for (int round = 0; round < 2; round++) {
			reach(victim, stage);
			assert_int_equal(
				lw_connection_stop(victim->connection, LW_STOP_USER_INITIATED), 1);
			assert_int_equal(
				lw_connection_stop(victim->connection, LW_STOP_USER_INITIATED), 0);
			assert_true(rig_until(victim->rig, is_disconnected, victim, 200));
			assert_int_equal(status_of(victim).link, LW_LINK_IDLE);
			rig_pass(victim->rig, 50);
		}
		victim_up(victim, "{}");
		victim_free(victim);
	}
}

static void everything__freed_at_every_stage__leaves_nothing(void **state)
{
	(void)state;
	for (int stage = 0; stage < STAGES; stage++)
		for (int is_flow_first = 0; is_flow_first < 2; is_flow_first++) {
			struct victim *victim = victim_new(LW_LAYER_ETHERNET, 0);

			reach(victim, stage);
			lw_connection_free(victim->connection);
			victim->connection = NULL;
			/* The flow was lent to the connection alone. */
			if (is_flow_first)
				rig_close_host(&victim->host);
			if (stage % 2)
				rig_pass(victim->rig, 20);
			victim_free(victim);
		}
}

static bool is_cut(void *user)
{
	return ((struct hostile *)user)->is_cut;
}

static void handshake__cancelled__closes_at_once(void **state)
{
	struct victim *victim = victim_new(LW_LAYER_ETHERNET, 0);

	(void)state;
	victim->is_mute = true;
	victim_start(victim);
	assert_int_equal(status_of(victim).link, LW_LINK_HANDSHAKE);
	lw_connection_stop(victim->connection, LW_STOP_USER_INITIATED);
	victim->hub->is_deaf = false;
	assert_true(hostile_until(victim->hub, is_cut, victim->hub, 10));
	victim_free(victim);
}

static void thread__stopped_and_freed_meanwhile__is_orderly(void **state)
{
	(void)state;
	for (int round = 0; round < 8; round++) {
		struct victim *victim = make(LW_LAYER_ETHERNET, 0, true);

		for (int i = 0; i < 3; i++) {
			victim_start(victim);
			for (int k = 0; k < 100 * (round % 4) && !victim->hub->is_up; k++) {
				struct pollfd fds[] = { { .fd = victim->hub->fd, .events = POLLIN },
							{ .fd = lw_loop_fd(victim->rig->loop),
							  .events = POLLIN } };

				poll(fds, 2, 10);
				hostile_settle(victim->hub);
			}
			lw_connection_stop(victim->connection, LW_STOP_USER_INITIATED);
			assert_true(rig_until(victim->rig, is_disconnected, victim, 200));
		}
		victim_start(victim);
		victim_free(victim);
	}
}

static size_t allocated(void);

static void connecting__again_and_again__does_not_grow(void **state)
{
	struct victim *victim = victim_new(LW_LAYER_ETHERNET, 0);
	const char *wanted = getenv("HOSTILE_CYCLES");
	int cycles = wanted ? atoi(wanted) : 150;
	size_t before = 0;

	(void)state;
	for (int i = 0; i < 50 + cycles; i++) {
		if (i == 50)
			before = allocated();
		victim_up(victim, "{}");
		if (i % 2)
			hostile_unit(victim->hub, UNIT_GOODBYE, "{\"code\":7}", 10);
		hostile_fin(victim->hub);
		hostile_settle(victim->hub);
		assert_int_equal(connection_of(victim), LW_STATUS_REASSERTING);
		lw_connection_stop(victim->connection, LW_STOP_USER_INITIATED);
		assert_true(rig_until(victim->rig, is_disconnected, victim, 200));
		hostile_free(victim->hub);
		victim->hub = NULL;
	}
	assert_true(allocated() <= before + 1024);
	victim_free(victim);
}

#if defined(__SANITIZE_ADDRESS__)
size_t __sanitizer_get_current_allocated_bytes(void);

static size_t allocated(void)
{
	return __sanitizer_get_current_allocated_bytes();
}
#else
#include <malloc.h>

static size_t allocated(void)
{
	return mallinfo2().uordblks;
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(offer__absurd__is_refused_and_shown),
		cmocka_unit_test(offer__not_asked_for__is_refused),
		cmocka_unit_test(offer__broken__ends_the_session_with_the_reason),
		cmocka_unit_test(settings__thousand_at_once__are_limited_and_harmless),
		cmocka_unit_test(settings__in_one_burst__the_newest_counts),
		cmocka_unit_test(packet__before_settings__reaches_nobody),
		cmocka_unit_test(packet__for_another__is_dropped_and_counted),
		cmocka_unit_test(unit__against_the_rules__is_told_and_tried_again),
		cmocka_unit_test(hub__says_nothing_more__is_left_after_ten_seconds),
		cmocka_unit_test(goodbye__each_code__has_its_class_and_error),
		cmocka_unit_test(stop__at_every_stage__ends_once_and_starts_again),
		cmocka_unit_test(everything__freed_at_every_stage__leaves_nothing),
		cmocka_unit_test(handshake__cancelled__closes_at_once),
		cmocka_unit_test(thread__stopped_and_freed_meanwhile__is_orderly),
		cmocka_unit_test(connecting__again_and_again__does_not_grow),
	};

	return cmocka_run_group_tests_name("component/hostile-hub", tests, NULL, NULL);
}
