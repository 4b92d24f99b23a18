/* SPDX-License-Identifier: MIT */
/* A client that is admitted and means no good: what it costs the hub and the others. Nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "support/hostile.h"
#include "tunnel/session.h"

/* The hub, one honest client, and the port of the hostile one. */
struct scene {
	struct rig *rig;
	struct rig_client *bystander;
	struct pin pin;
	struct lw_port *port;
};

static struct scene scene_new(void)
{
	struct scene scene = { .rig = rig_new(LW_LAYER_ETHERNET, true) };
	char text[PIN_TEXT_SIZE];
	const char *pins[] = { text };
	const struct lw_peer_options options = {
		.size = sizeof(options), .name = "evil", .pins = pins, .n_pins = 1
	};

	scene.bystander = rig_add(scene.rig, "a", NULL, NULL);
	rig_make_identity(scene.rig, "evil", &scene.pin);
	pin_format(&scene.pin, text);
	assert_int_equal(lw_hub_add_peer(scene.rig->hub, &options, &scene.port, NULL), 0);
	rig_connect(scene.bystander);
	return scene;
}

static struct lw_port_status status_of(const struct lw_port *port)
{
	struct lw_port_status status = { .size = sizeof(status) };

	lw_port_status(port, &status);
	return status;
}

/* The bystander is still in his first session, and frames pass both ways. */
static void scene_check(struct scene *scene)
{
	struct lw_tunnel_status tunnel = { .size = sizeof(tunnel) };
	uint8_t frame[256];
	size_t length = rig_frame(frame, 0xff, 1, 0x88b5, 200);

	rig_forget(&scene->rig->host);
	rig_forget(&scene->bystander->host);
	rig_write(&scene->bystander->host, frame, length);
	rig_pass(scene->rig, 20);
	assert_int_equal(rig_count(&scene->rig->host, frame, length), 1);
	length = rig_frame(frame, 1, 9, 0x88b5, 200);
	rig_write(&scene->rig->host, frame, length);
	rig_pass(scene->rig, 20);
	assert_int_equal(rig_count(&scene->bystander->host, frame, length), 1);
	lw_tunnel_status(scene->bystander->tunnel, &tunnel);
	assert_int_equal(tunnel.connects, 1);
	assert_int_equal(status_of(scene->bystander->port).sessions, 1);
}

static void scene_free(struct scene *scene)
{
	scene_check(scene);
	rig_free(scene->rig);
}

static struct hostile *call(struct scene *scene)
{
	struct hostile *peer = hostile_call(scene->rig, "evil");

	hostile_shake(peer);
	return peer;
}

static struct hostile *call_up(struct scene *scene)
{
	struct hostile *peer = call(scene);

	hostile_hello(peer, LW_LAYER_ETHERNET, 1500);
	hostile_settle(peer);
	assert_int_equal(peer->units[UNIT_HELLO], 1);
	assert_true(status_of(scene->port).connected);
	return peer;
}

/* ---- units that are wrong */

enum { IGNORED = -1, WAITS = -2, NORMAL = 0x10000 };

struct attack {
	const char *name;
	bool after_hello;
	uint8_t type;
	long declared; /* NORMAL: as long as body */
	const char *body;
	int code;         /* of the goodbye; IGNORED: it goes on; WAITS: for the rest of the unit */
	const char *text; /* of the sentence */
};

#define HELLO(version, layer, mtu, max_unit, rekey, streams, more)                            \
	"{\"version\":" version ",\"layer\":" layer ",\"mtu\":" mtu ",\"max-unit\":" max_unit \
	",\"offloads\":[],\"rekey\":" rekey ",\"streams\":" streams more "}"
#define ZEROS_24 "0123456789abcdef01234567"
#define PROTOCOL GOODBYE_PROTOCOL

static const struct attack attacks[] = {
	/* Framing, before hello. */
	{ "type 0", false, 0x00, 0, "", PROTOCOL, "unknown unit type" },
	{ "type 0x0a", false, 0x0a, 0, "", PROTOCOL, "unknown unit type" },
	{ "type 0x7f", false, 0x7f, 5, "", PROTOCOL, "unknown unit type" },
	{ "type 0x80", false, 0x80, NORMAL, "", IGNORED, NULL },
	{ "type 0x80, huge", false, 0x80, 4097, "", PROTOCOL, "longer than its type allows" },
	{ "type 0xff, 16 MiB", false, 0xff, 0xffffff, "", PROTOCOL, "longer" },
	{ "frame before hello", false, UNIT_FRAME, NORMAL, "abcdefghijklmnop", PROTOCOL,
	  "a frame before hello" },
	{ "empty frame before hello", false, UNIT_FRAME, 0, "", PROTOCOL, "a frame before hello" },
	{ "settings before hello", false, UNIT_SETTINGS, NORMAL, "{}", PROTOCOL, "may not set" },
	{ "probe before hello", false, UNIT_PROBE, NORMAL, ZEROS_24, IGNORED, NULL },
	{ "goodbye before hello", false, UNIT_GOODBYE, NORMAL, "{\"code\":0}", -3, NULL },
	{ "last before hello", false, UNIT_LAST, 0, "", GOODBYE_NONE, "ended" },
	/* Hellos. */
	{ "hello, empty", false, UNIT_HELLO, 0, "", PROTOCOL, "JSON" },
	{ "hello, 1 025 bytes", false, UNIT_HELLO, 1025, "", PROTOCOL, "longer" },
	{ "hello, no JSON", false, UNIT_HELLO, NORMAL, "hello", PROTOCOL, "JSON" },
	{ "hello, a list", false, UNIT_HELLO, NORMAL, "[]", PROTOCOL, "object" },
	{ "hello, NUL", false, UNIT_HELLO, 1, "", PROTOCOL, "JSON" },
	{ "hello, controls", false, UNIT_HELLO, NORMAL, "\033[2J\033]0;x\007", PROTOCOL, "JSON" },
	{ "hello, empty object", false, UNIT_HELLO, NORMAL, "{}", PROTOCOL, "version is missing" },
	{ "hello, twice the same", false, UNIT_HELLO, NORMAL, "{\"version\":1,\"version\":1}",
	  PROTOCOL, "duplicate" },
	{ "hello, deep", false, UNIT_HELLO, NORMAL,
	  "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", PROTOCOL, "deep" },
	{ "hello, version 0", false, UNIT_HELLO, NORMAL, "{\"version\":0}", PROTOCOL, "version" },
	{ "hello, version 2", false, UNIT_HELLO, NORMAL, "{\"version\":2}", GOODBYE_VERSION,
	  "version 2 is not understood here: this is 1" },
	{ "hello, version 1e0", false, UNIT_HELLO, NORMAL, "{\"version\":1e0}", PROTOCOL,
	  "version" },
	{ "hello, version text", false, UNIT_HELLO, NORMAL, "{\"version\":\"1\"}", PROTOCOL,
	  "version" },
	{ "hello, layer ip", false, UNIT_HELLO, NORMAL,
	  HELLO("1", "\"ip\"", "1500", "65571", "\"stream\"", "1", ""), GOODBYE_LAYER,
	  "this end carries Ethernet frames, the other IP packets" },
	{ "hello, layer token-ring", false, UNIT_HELLO, NORMAL,
	  HELLO("1", "\"token-ring\"", "1500", "65571", "\"stream\"", "1", ""), PROTOCOL, "layer" },
	{ "hello, mtu 575", false, UNIT_HELLO, NORMAL,
	  HELLO("1", "\"ethernet\"", "575", "65571", "\"stream\"", "1", ""), PROTOCOL, "mtu" },
	{ "hello, mtu 65536", false, UNIT_HELLO, NORMAL,
	  HELLO("1", "\"ethernet\"", "65536", "65571", "\"stream\"", "1", ""), PROTOCOL, "mtu" },
	{ "hello, mtu -1", false, UNIT_HELLO, NORMAL,
	  HELLO("1", "\"ethernet\"", "-1", "65571", "\"stream\"", "1", ""), PROTOCOL, "mtu" },
	{ "hello, max-unit 2047", false, UNIT_HELLO, NORMAL,
	  HELLO("1", "\"ethernet\"", "1500", "2047", "\"stream\"", "1", ""), PROTOCOL, "max-unit" },
	{ "hello, max-unit 2^32", false, UNIT_HELLO, NORMAL,
	  HELLO("1", "\"ethernet\"", "1500", "4294967296", "\"stream\"", "1", ""), PROTOCOL,
	  "max-unit" },
	{ "hello, rekey never", false, UNIT_HELLO, NORMAL,
	  HELLO("1", "\"ethernet\"", "1500", "65571", "\"never\"", "1", ""), PROTOCOL, "rekey" },
	{ "hello, 0 streams", false, UNIT_HELLO, NORMAL,
	  HELLO("1", "\"ethernet\"", "1500", "65571", "\"stream\"", "0", ""), PROTOCOL, "streams" },
	{ "hello, 9 streams", false, UNIT_HELLO, NORMAL,
	  HELLO("1", "\"ethernet\"", "1500", "65571", "\"stream\"", "9", ""), PROTOCOL, "streams" },
	{ "hello, of a session", false, UNIT_HELLO, NORMAL,
	  HELLO("1", "\"ethernet\"", "1500", "65571", "\"stream\"", "1",
		",\"session\":\"00112233445566778899aabbccddeeff\""),
	  PROTOCOL, "further streams" },
	{ "hello, session short", false, UNIT_HELLO, NORMAL,
	  HELLO("1", "\"ethernet\"", "1500", "65571", "\"stream\"", "1", ",\"session\":\"00\""),
	  PROTOCOL, "session" },
	{ "hello, succeeds 1", false, UNIT_HELLO, NORMAL,
	  HELLO("1", "\"ethernet\"", "1500", "65571", "\"stream\"", "1", ",\"succeeds\":1"),
	  PROTOCOL, "further streams" },
	/* After a good hello. */
	{ "second hello", true, UNIT_HELLO, NORMAL,
	  HELLO("1", "\"ethernet\"", "1500", "65571", "\"stream\"", "1", ""), PROTOCOL,
	  "a second hello" },
	{ "type 0x0a", true, 0x0a, 0, "", PROTOCOL, "unknown unit type" },
	{ "type 0x40, 16 MiB", true, 0x40, 0xffffff, "", PROTOCOL, "unknown unit type" },
	{ "type 0x81", true, 0x81, NORMAL, "whatever", IGNORED, NULL },
	{ "settings", true, UNIT_SETTINGS, NORMAL, "{\"mtu\":9000}", PROTOCOL, "may not set" },
	{ "settings, 65 537 bytes", true, UNIT_SETTINGS, 65537, "", PROTOCOL, "longer" },
	{ "settings, 16 MiB", true, UNIT_SETTINGS, 0xffffff, "", PROTOCOL, "longer" },
	{ "frame, 65 572 bytes", true, UNIT_FRAME, 65535 + 23, "", PROTOCOL, "longer" },
	{ "frame, 16 MiB", true, UNIT_FRAME, 0xffffff, "", PROTOCOL, "longer" },
	{ "frame, truncated", true, UNIT_FRAME, 1000, "abcdef", WAITS, NULL },
	{ "offload frame", true, UNIT_OFFLOAD_FRAME, NORMAL, ZEROS_24, PROTOCOL, "not agreed on" },
	{ "offload frame, 9 bytes", true, UNIT_OFFLOAD_FRAME, NORMAL, "123456789", PROTOCOL,
	  "wrong length" },
	{ "message", true, UNIT_MESSAGE, NORMAL, "hi", IGNORED, NULL },
	{ "message, 4 097 bytes", true, UNIT_MESSAGE, 4097, "", PROTOCOL, "longer" },
	{ "join", true, UNIT_JOIN, NORMAL, "longwire:x", PROTOCOL, "join" },
	{ "join, 1 025 bytes", true, UNIT_JOIN, 1025, "", PROTOCOL, "longer" },
	{ "probe, empty", true, UNIT_PROBE, 0, "", PROTOCOL, "wrong length" },
	{ "probe, 23 bytes", true, UNIT_PROBE, 23, "", PROTOCOL, "wrong length" },
	{ "probe, 25 bytes", true, UNIT_PROBE, 25, "", PROTOCOL, "wrong length" },
	{ "probe, absurd times", true, UNIT_PROBE, NORMAL, ZEROS_24, IGNORED, NULL },
	{ "last", true, UNIT_LAST, 0, "", GOODBYE_NONE, "ended" },
	{ "last, 1 byte", true, UNIT_LAST, 1, "x", PROTOCOL, "wrong length" },
	{ "goodbye, empty", true, UNIT_GOODBYE, 0, "", -3, "cannot be read" },
	{ "goodbye, 513 bytes", true, UNIT_GOODBYE, 513, "", PROTOCOL, "longer" },
	{ "goodbye, code 1001", true, UNIT_GOODBYE, NORMAL, "{\"code\":1001}", -3,
	  "cannot be read" },
	{ "goodbye, controls", true, UNIT_GOODBYE, NORMAL,
	  "{\"code\":0,\"text\":\"\\u001b[2Jbye\\n\"}", -3, "?[2Jbye?" },
};

static size_t build(const struct attack *attack, uint8_t *bytes)
{
	size_t length = strlen(attack->body);
	size_t declared = attack->declared == NORMAL ? length : (size_t)attack->declared;

	memset(bytes, 0, 64);
	unit_encode_header(bytes, attack->type, (uint32_t)declared);
	memcpy(bytes + UNIT_HEADER_SIZE, attack->body, length);
	if (declared > length && attack->code != WAITS && declared < 16)
		length = declared; /* zeros */
	return UNIT_HEADER_SIZE + length;
}

static void check_outcome(struct scene *scene, struct hostile *peer, const struct attack *attack)
{
	struct lw_port_status status = status_of(scene->port);

	if (attack->code == IGNORED || attack->code == WAITS) {
		assert_false(hostile_is_over(peer));
		if (attack->after_hello)
			assert_true(status.connected);
		return;
	}
	assert_true(peer->is_closed);
	assert_false(status.connected);
	assert_int_equal(peer->has_goodbye, attack->code >= 0);
	if (attack->text)
		assert_non_null(strstr(status.last_end, attack->text));
	if (attack->code < 0)
		return;
	assert_int_equal(peer->goodbye.code, attack->code);
	assert_non_null(strstr(peer->goodbye.text, attack->text));
}

static void try_attack(struct scene *scene, const struct attack *attack, size_t split)
{
	struct hostile *peer = attack->after_hello ? call_up(scene) : call(scene);
	uint8_t bytes[2048];
	size_t length = build(attack, bytes);

	split = split < length ? split : length;
	hostile_send(peer, bytes, split);
	hostile_settle(peer);
	if (split < length && !hostile_is_over(peer))
		hostile_send(peer, bytes + split, length - split);
	hostile_settle(peer);
	check_outcome(scene, peer, attack);
	hostile_free(peer);
	rig_pass(scene->rig, 10);
	assert_false(status_of(scene->port).connected);
}

static void unit__against_the_rules__ends_that_session_with_the_reason(void **state)
{
	static const size_t splits[] = { SIZE_MAX, 1, 4, 5 };
	struct scene scene = scene_new();

	(void)state;
	for (size_t i = 0; i < sizeof(attacks) / sizeof(*attacks); i++)
		for (size_t k = 0; k < sizeof(splits) / sizeof(*splits); k++) {
			if (getenv("RIG_LOG"))
				print_message("%s, cut at %zu\n", attacks[i].name, splits[k]);
			try_attack(&scene, &attacks[i], splits[k]);
		}
	scene_free(&scene);
}

static void frames__before_the_breach__are_delivered(void **state)
{
	struct scene scene = scene_new();
	struct hostile *peer = call_up(&scene);
	uint8_t bytes[512];
	size_t length = rig_frame(bytes + 4, 0xff, 7, 0x88b5, 100);

	(void)state;
	/* In one record with a breach behind it: what was in order counts. */
	unit_encode_header(bytes, UNIT_FRAME, (uint32_t)length);
	unit_encode_header(bytes + 4 + length, UNIT_JOIN, 0);
	hostile_send(peer, bytes, 4 + length + 4);
	hostile_settle(peer);
	rig_pass(scene.rig, 10);
	assert_int_equal(rig_count(&scene.rig->host, bytes + 4, length), 1);
	assert_int_equal(peer->goodbye.code, GOODBYE_PROTOCOL);
	hostile_free(peer);
	scene_free(&scene);
}

/* ---- frames of every size */

static void frame__any_length__arrives_identical_or_is_counted(void **state)
{
	static const struct {
		size_t length;
		enum lw_drop drop;
	} cases[] = {
		{ 0, LW_DROP_SHORT },       { 1, LW_DROP_SHORT },       { 13, LW_DROP_SHORT },
		{ 14, LW_DROP_NONE },       { 1514, LW_DROP_NONE },     { 1518, LW_DROP_NONE },
		{ 1522, LW_DROP_NONE },     { 1523, LW_DROP_TOO_BIG },  { 9014, LW_DROP_TOO_BIG },
		{ 65535, LW_DROP_TOO_BIG }, { 65557, LW_DROP_TOO_BIG },
	};
	struct scene scene = scene_new();
	static uint8_t frame[65600];
	struct hostile *peer = call_up(&scene);

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct lw_port *device = lw_hub_next_port(scene.rig->hub, NULL);
		uint64_t before = status_of(scene.port).drops[cases[i].drop] +
				  status_of(device).drops[cases[i].drop];

		rig_frame(frame, 9, 7, 0x88b5, sizeof(frame) - 14);
		rig_forget(&scene.rig->host);
		hostile_unit(peer, UNIT_FRAME, frame, cases[i].length);
		hostile_settle(peer);
		rig_pass(scene.rig, 10);
		if (cases[i].drop == LW_DROP_NONE) {
			assert_int_equal(scene.rig->host.n, 1);
			assert_int_equal(rig_count(&scene.rig->host, frame, cases[i].length), 1);
		} else {
			assert_int_equal(scene.rig->host.n, 0);
			assert_true(status_of(scene.port).drops[cases[i].drop] +
					    status_of(device).drops[cases[i].drop] >
				    before);
		}
		assert_false(hostile_is_over(peer));
	}
	hostile_free(peer);
	scene_free(&scene);
}

/* ---- peers that do not behave in time */

static void hello__never_comes__ended_at_ten_seconds(void **state)
{
	struct scene scene = scene_new();
	struct hostile *peer = call(&scene);

	(void)state;
	assert_false(hostile_until(peer, hostile_is_over, peer, 9900));
	assert_true(hostile_until(peer, hostile_is_over, peer, 200));
	assert_int_equal(peer->goodbye.code, GOODBYE_DEAD);
	hostile_free(peer);
	scene_free(&scene);
}

static void hello__never_comes_but_probes_do__ended_at_ten_seconds(void **state)
{
	struct scene scene = scene_new();
	struct hostile *peer = call(&scene);

	(void)state;
	for (int i = 0; i < 9; i++) {
		hostile_unit(peer, UNIT_PROBE, ZEROS_24, 24);
		assert_false(hostile_until(peer, hostile_is_over, peer, 1000));
	}
	hostile_unit(peer, 0x99, "life", 4);
	assert_true(hostile_until(peer, hostile_is_over, peer, 1100));
	assert_true(peer->has_goodbye);
	assert_non_null(strstr(peer->goodbye.text, "hello"));
	hostile_free(peer);
	scene_free(&scene);
}

static void goodbye__and_it_goes_on__nobody_listens(void **state)
{
	struct scene scene = scene_new();
	struct hostile *peer = call_up(&scene);
	uint8_t frame[128];
	size_t length = rig_frame(frame, 0xff, 7, 0x88b5, 100);

	(void)state;
	hostile_unit(peer, UNIT_GOODBYE, "{\"code\":0,\"text\":\"done\"}", 24);
	for (int i = 0; i < 50; i++)
		hostile_unit(peer, UNIT_FRAME, frame, length);
	hostile_settle(peer);
	rig_pass(scene.rig, 20);
	assert_int_equal(rig_count(&scene.rig->host, frame, length), 0);
	assert_string_equal(status_of(scene.port).last_end, "done");
	for (int i = 0; i < 2000; i++) { /* within the linger, too */
		hostile_unit(peer, UNIT_FRAME, frame, length);
		hostile_pump(peer);
	}
	assert_true(hostile_until(peer, hostile_is_over, peer, 1100));
	hostile_free(peer);
	scene_free(&scene);
}

static void fin__without_close_notify__is_a_loss(void **state)
{
	struct scene scene = scene_new();
	struct hostile *peer = call_up(&scene);

	(void)state;
	hostile_fin(peer);
	assert_true(hostile_until(peer, hostile_is_over, peer, 100));
	assert_false(status_of(scene.port).connected);
	assert_non_null(strstr(status_of(scene.port).last_end, "cut without a goodbye"));
	hostile_free(peer);
	scene_free(&scene);
}

static void tls__alerts_and_garbage__end_the_session(void **state)
{
	static const enum record_alert alerts[] = { RECORD_ALERT_CLOSE_NOTIFY,
						    RECORD_ALERT_UNEXPECTED_MESSAGE,
						    RECORD_ALERT_BAD_RECORD_MAC,
						    RECORD_ALERT_INTERNAL_ERROR };
	struct scene scene = scene_new();
	struct hostile *peer;
	uint8_t garbage[300];

	(void)state;
	for (size_t i = 0; i < sizeof(alerts) / sizeof(*alerts); i++) {
		peer = call_up(&scene);
		hostile_alert(peer, alerts[i]);
		assert_true(hostile_until(peer, hostile_is_over, peer, 1100));
		assert_false(status_of(scene.port).connected);
		assert_non_null(strstr(status_of(scene.port).last_end,
				       alerts[i] ? "alert" : "closed by the peer"));
		hostile_free(peer);
	}
	peer = call_up(&scene);
	memset(garbage, 0x17, sizeof(garbage));
	memcpy(garbage, (const uint8_t[]){ 0x17, 3, 3, 1, 0 }, 5);
	assert_int_equal(hostile_send_raw(peer, garbage, sizeof(garbage)), sizeof(garbage));
	assert_true(hostile_until(peer, hostile_is_over, peer, 1100));
	assert_int_equal(peer->alert, RECORD_ALERT_BAD_RECORD_MAC);
	assert_false(status_of(scene.port).connected);
	hostile_free(peer);
	scene_free(&scene);
}

static bool send_key_update(struct hostile *peer)
{
	ssize_t n = record_seal_key_update(peer->sealer, true, peer->sealed + peer->sealed_length,
					   HOSTILE_BUFFER - peer->sealed_length);

	if (n > 0)
		peer->sealed_length += (size_t)n;
	return n > 0;
}

static void key_updates__without_end__are_answered_until_they_are_nothing_else(void **state)
{
	struct scene scene = scene_new();
	struct hostile *peer = call_up(&scene);
	uint8_t frame[128], answer[128];
	size_t length = rig_frame(frame, 0xff, 7, 0x88b5, 100);

	(void)state;
	if (!send_key_update(peer)) { /* TLS 1.2 has none */
		hostile_free(peer);
		scene_free(&scene);
		return;
	}
	/* With data each way between them, as it would be. */
	for (int i = 0; i < 100; i++) {
		assert_true(send_key_update(peer));
		hostile_unit(peer, UNIT_FRAME, frame, length);
		hostile_settle(peer);
		rig_write(&scene.rig->host, answer, rig_frame(answer, 7, 9, 0x88b5, 100));
		hostile_settle(peer);
	}
	assert_int_equal(rig_count(&scene.rig->host, frame, length), 100);
	assert_int_equal(peer->units[UNIT_FRAME], 100);
	for (int i = 0; i < RECORD_UPDATES_MAX + 1; i++)
		assert_true(send_key_update(peer));
	assert_true(hostile_until(peer, hostile_is_over, peer, 1100));
	assert_int_equal(peer->alert, RECORD_ALERT_UNEXPECTED_MESSAGE);
	hostile_free(peer);
	/* Asked for again and again by one that does not read the answers. */
	peer = call_up(&scene);
	peer->is_deaf = true;
	for (int i = 0; i < 20000; i++) {
		assert_true(send_key_update(peer));
		hostile_unit(peer, 0x90, "x", 1);
		if (i % 16 == 0)
			hostile_settle(peer);
	}
	hostile_settle(peer);
	scene_check(&scene);
	assert_true(status_of(scene.port).connected);
	hostile_free(peer);
	rig_pass(scene.rig, 3000);
	scene_free(&scene);
}

static void flood__of_units_that_are_ignored__is_survived(void **state)
{
	struct scene scene = scene_new();
	struct hostile *peer = call_up(&scene);
	static uint8_t units[60000];

	(void)state;
	for (size_t at = 0; at + 5 <= sizeof(units); at += 5) {
		unit_encode_header(units + at, 0x90, 1);
		units[at + 4] = 'x';
	}
	for (int i = 0; i < 20; i++) {
		hostile_send(peer, units, sizeof(units));
		scene_check(&scene);
		hostile_settle(peer);
	}
	assert_false(hostile_is_over(peer));
	for (int i = 0; i < 3000; i++) /* and of its own probes, all at once */
		hostile_unit(peer, UNIT_PROBE, ZEROS_24, 24);
	hostile_settle(peer);
	assert_false(hostile_is_over(peer));
	hostile_free(peer);
	scene_free(&scene);
}

static void flood__of_frames__costs_the_flooder_alone(void **state)
{
	struct scene scene = scene_new();
	struct hostile *peer = call_up(&scene);
	uint8_t frame[1514];
	size_t length = rig_frame(frame, 0xff, 7, 0x88b5, 1500);

	(void)state;
	for (int i = 0; i < 2000; i++) {
		hostile_unit(peer, UNIT_FRAME, frame, length);
		hostile_settle(peer);
	}
	/* Broadcasts of one machine are limited, and every one that did not pass is counted. */
	assert_int_equal(rig_count(&scene.rig->host, frame, length) +
				 status_of(scene.port).drops[LW_DROP_LIMIT_BROADCAST],
			 2000);
	assert_true(status_of(scene.port).drops[LW_DROP_LIMIT_BROADCAST] >= 1500);
	hostile_free(peer);
	rig_pass(scene.rig, 3000);
	scene_free(&scene);
}

static void reader__stops__is_ended_and_costs_only_its_queue(void **state)
{
	struct scene scene = scene_new();
	struct hostile *peer = call_up(&scene);
	uint8_t frame[1514];
	size_t length = rig_frame(frame, 7, 9, 0x88b5, 1500), hello;
	uint8_t mine[64];

	(void)state;
	hello = rig_frame(mine, 0xff, 7, 0x88b5, 46);
	hostile_unit(peer, UNIT_FRAME, mine, hello);
	hostile_settle(peer);
	peer->is_deaf = true;
	for (int i = 0; i < 1500; i++) {
		rig_write(&scene.rig->host, frame, length);
		rig_settle(scene.rig);
	}
	assert_true(status_of(scene.port).drops[LW_DROP_QUEUE_FULL] > 0);
	scene_check(&scene);
	/* It lives, in its way: it answers, but takes nothing. */
	for (int i = 0; i < 31 && status_of(scene.port).connected; i++) {
		hostile_unit(peer, UNIT_PROBE, ZEROS_24, 24);
		rig_pass(scene.rig, 1000);
	}
	assert_false(status_of(scene.port).connected);
	assert_non_null(strstr(status_of(scene.port).last_end, "taken nothing for 30 s"));
	hostile_free(peer);
	scene_free(&scene);
}

/* ---- goodbyes that must arrive */

static bool has_goodbye(void *user)
{
	return ((struct hostile *)user)->has_goodbye;
}

static void goodbye__behind_a_full_socket__still_arrives(void **state)
{
	struct scene scene = scene_new();
	struct hostile *peer = call_up(&scene), *other;
	uint8_t frame[1514], mine[64];
	size_t length = rig_frame(frame, 7, 9, 0x88b5, 1500);

	(void)state;
	hostile_unit(peer, UNIT_FRAME, mine, rig_frame(mine, 0xff, 7, 0x88b5, 46));
	hostile_settle(peer);
	peer->is_deaf = true;
	for (int i = 0; i < 600; i++) {
		rig_write(&scene.rig->host, frame, length);
		rig_settle(scene.rig);
	}
	other = call_up(&scene); /* replaces it */
	peer->is_deaf = false;
	assert_true(hostile_until(peer, has_goodbye, peer, 900));
	assert_int_equal(peer->goodbye.code, GOODBYE_REPLACED);
	hostile_settle(peer);
	assert_true(peer->is_closed);
	assert_true(status_of(scene.port).connected);
	assert_false(hostile_is_over(other));
	hostile_free(peer);
	hostile_free(other);
	scene_free(&scene);
}

static void joining__again_and_again__newest_wins(void **state)
{
	struct scene scene = scene_new();
	struct hostile *peers[6];

	(void)state;
	for (size_t i = 0; i < 6; i++)
		peers[i] = call(&scene); /* and no hello */
	for (size_t i = 0; i < 5; i++) {
		hostile_settle(peers[i]);
		assert_int_equal(peers[i]->goodbye.code, GOODBYE_REPLACED);
	}
	hostile_hello(peers[5], LW_LAYER_ETHERNET, 1500);
	hostile_settle(peers[5]);
	assert_true(status_of(scene.port).connected);
	assert_int_equal(status_of(scene.port).sessions, 1);
	for (size_t i = 0; i < 6; i++)
		hostile_free(peers[i]);
	scene_free(&scene);
}

static void joining__without_hello__leaves_the_sessions_address(void **state)
{
	struct scene scene = scene_new();
	struct hostile *peer = call_up(&scene), *other;
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint16_t port;

	(void)state;
	assert_int_equal(lw_hub_listen(scene.rig->hub, "127.0.0.1:0", &port, NULL), 0);
	address.sin_port = htons(port);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	other = hostile_call_on(scene.rig, "evil", fd);
	hostile_begin(other);
	hostile_wait(other, hostile_is_up, other);
	hostile_settle(other);
	assert_string_equal(status_of(scene.port).address, "unix");
	assert_false(hostile_is_over(peer));
	hostile_hello(other, LW_LAYER_ETHERNET, 1500);
	hostile_wait(other, hostile_has_hello, other);
	assert_non_null(strstr(status_of(scene.port).address, "127.0.0.1:"));
	hostile_settle(peer);
	assert_int_equal(peer->goodbye.code, GOODBYE_REPLACED);
	hostile_free(peer);
	hostile_free(other);
	scene_free(&scene);
}

/* ---- the hub's own calls, at any time */

static void stopped(void *user)
{
	++*(int *)user;
}

static void port__removed_at_any_stage__is_told_or_closed(void **state)
{
	(void)state;
	for (int stage = 0; stage < 5; stage++) {
		struct scene scene = scene_new();
		struct hostile *peer = hostile_call(scene.rig, "evil");

		if (stage == 1)
			for (int i = 0; i < 2; i++)
				hostile_pump(peer);
		if (stage >= 2)
			hostile_shake(peer);
		if (stage >= 3) {
			hostile_hello(peer, LW_LAYER_ETHERNET, 1500);
			if (stage == 4)
				hostile_settle(peer);
		}
		lw_hub_remove_peer(scene.rig->hub, scene.port);
		if (stage < 2)
			peer->is_up = false;
		assert_true(stage < 2 || hostile_until(peer, hostile_is_over, peer, 1100));
		assert_true(stage < 2 || peer->goodbye.code == GOODBYE_REMOVED);
		hostile_free(peer);
		rig_pass(scene.rig, 11000);
		scene_free(&scene);
	}
}

static void hub__stopped_twice_with_hostile_sessions__stops_once(void **state)
{
	struct scene scene = scene_new();
	struct hostile *up = call_up(&scene), *joining = call(&scene);
	int n = 0;

	(void)state;
	scene_check(&scene);
	lw_hub_stop(scene.rig->hub, stopped, &n);
	lw_hub_stop(scene.rig->hub, stopped, &n);
	assert_true(hostile_until(up, hostile_is_over, up, 100));
	hostile_settle(joining);
	assert_int_equal(up->goodbye.code, GOODBYE_SHUTDOWN);
	assert_int_equal(joining->goodbye.code, GOODBYE_SHUTDOWN);
	rig_pass(scene.rig, 1000);
	assert_int_equal(n, 1);
	lw_hub_stop(scene.rig->hub, stopped, &n);
	rig_pass(scene.rig, 1000);
	assert_int_equal(n, 1);
	hostile_free(up);
	hostile_free(joining);
	rig_free(scene.rig);
}

static void free_hub(void *user)
{
	struct rig *rig = user;

	lw_hub_free(rig->hub);
	rig->hub = NULL;
}

static void hub__freed_when_it_says_it_has_stopped__is_orderly(void **state)
{
	(void)state;
	for (int stage = 0; stage < 3; stage++) {
		struct scene scene = scene_new();
		struct hostile *peer = stage == 0   ? hostile_call(scene.rig, "evil")
				       : stage == 1 ? call(&scene)
						    : call_up(&scene);

		peer->is_deaf = true;
		if (stage == 0)
			hostile_begin(peer);
		lw_hub_stop(scene.rig->hub, free_hub, scene.rig);
		if (stage) /* a port may go while the hub stops */
			lw_hub_remove_peer(scene.rig->hub, scene.port);
		rig_pass(scene.rig, 1000);
		assert_null(scene.rig->hub);
		hostile_free(peer);
		rig_free(scene.rig);
	}
}

static void port__removed_and_added_again__has_nothing_of_the_old(void **state)
{
	struct scene scene = scene_new();
	char text[PIN_TEXT_SIZE];
	const char *pins[] = { pin_format(&scene.pin, text) };
	const struct lw_peer_options options = {
		.size = sizeof(options), .name = "evil", .pins = pins, .n_pins = 1
	};
	struct hostile *peer;

	(void)state;
	for (int i = 0; i < 20; i++) {
		peer = i % 2 ? call_up(&scene) : call(&scene);
		lw_hub_remove_peer(scene.rig->hub, scene.port);
		assert_int_equal(lw_hub_add_peer(scene.rig->hub, &options, &scene.port, NULL), 0);
		assert_false(status_of(scene.port).connected);
		hostile_settle(peer);
		assert_int_equal(peer->goodbye.code, GOODBYE_REMOVED);
		hostile_free(peer);
	}
	peer = call_up(&scene);
	assert_int_equal(status_of(scene.port).sessions, 1);
	hostile_free(peer);
	scene_free(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unit__against_the_rules__ends_that_session_with_the_reason),
		cmocka_unit_test(frames__before_the_breach__are_delivered),
		cmocka_unit_test(frame__any_length__arrives_identical_or_is_counted),
		cmocka_unit_test(hello__never_comes__ended_at_ten_seconds),
		cmocka_unit_test(hello__never_comes_but_probes_do__ended_at_ten_seconds),
		cmocka_unit_test(goodbye__and_it_goes_on__nobody_listens),
		cmocka_unit_test(fin__without_close_notify__is_a_loss),
		cmocka_unit_test(tls__alerts_and_garbage__end_the_session),
		cmocka_unit_test(
			key_updates__without_end__are_answered_until_they_are_nothing_else),
		cmocka_unit_test(flood__of_units_that_are_ignored__is_survived),
		cmocka_unit_test(flood__of_frames__costs_the_flooder_alone),
		cmocka_unit_test(reader__stops__is_ended_and_costs_only_its_queue),
		cmocka_unit_test(goodbye__behind_a_full_socket__still_arrives),
		cmocka_unit_test(joining__again_and_again__newest_wins),
		cmocka_unit_test(joining__without_hello__leaves_the_sessions_address),
		cmocka_unit_test(port__removed_at_any_stage__is_told_or_closed),
		cmocka_unit_test(hub__freed_when_it_says_it_has_stopped__is_orderly),
		cmocka_unit_test(port__removed_and_added_again__has_nothing_of_the_old),
		cmocka_unit_test(hub__stopped_twice_with_hostile_sessions__stops_once),
	};

	return cmocka_run_group_tests_name("component/hostile", tests, NULL, NULL);
}
