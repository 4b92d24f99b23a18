/* SPDX-License-Identifier: MIT */
/*
 * Anything, in any order, between several workers under load: streams cut, captures and impaired
 * links switched on and off, clients that stop and start, ports that go and come, peers that lie
 * about streams and stop reading. Whatever happened, afterwards everybody is back and frames pass.
 * Worth most under TSan. STORM_ROUNDS and STORM_SEED ask for more than what is always played.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "support/hostile.h"
#include "tunnel/client.h"

enum {
	CLIENTS = 3,
	EVILS = 2,
	CAPTURES = 3,
	STEPS = 120,
	FLOWS = 16,
	TYPE = 0x6000,
	CAPTURE_NAME = 90
};

struct storm {
	struct rig *rig;
	struct rig_client *clients[CLIENTS];
	struct hostile *evils[EVILS];
	struct lw_capture *captures[CAPTURES];
	struct lw_port *evil;
	struct pin pin;
	uint64_t random;
};

static uint32_t choose(struct storm *storm, uint32_t n)
{
	storm->random = storm->random * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(storm->random >> 33) % n;
}

static struct lw_port *add_port(struct storm *storm, const char *name, const struct pin *pin)
{
	char text[PIN_TEXT_SIZE];
	const char *pins[] = { pin_format(pin, text) };
	const struct lw_peer_options options = { .size = sizeof(options),
						 .name = name,
						 .pins = pins,
						 .n_pins = 1,
						 .behind = LW_BEHIND_LAN };
	struct lw_port *port;

	assert_int_equal(lw_hub_add_peer(storm->rig->hub, &options, &port, NULL), 0);
	return port;
}

static void send_frames(struct storm *storm)
{
	struct rig_host *hub = &storm->rig->host;

	for (uint32_t n = choose(storm, 200); n > 0; n--) {
		uint32_t from = choose(storm, CLIENTS + 1), to = choose(storm, CLIENTS + 2);
		uint16_t flow = (uint16_t)choose(storm, FLOWS);
		uint8_t frame[1514];
		size_t length = rig_frame(frame, (uint8_t)(to > CLIENTS ? 0xff : to), (uint8_t)from,
					  (uint16_t)(TYPE + flow), choose(storm, 1500));

		rig_write_queue(from == CLIENTS ? hub : &storm->clients[from]->host,
				(uint16_t)(flow % storm->rig->workers), frame, length);
	}
}

static void start_unless_it_runs(struct rig_client *client)
{
	int result = lw_connection_start(client->connection, NULL, NULL);

	assert_true(result == 0 || result == -EALREADY);
}

static void play_client(struct storm *storm)
{
	uint32_t i = choose(storm, CLIENTS);
	struct rig_client *client = storm->clients[i];

	switch (choose(storm, 8)) {
	case 0:
		lw_connection_stop(client->connection, LW_STOP_USER_INITIATED);
		break;
	case 1:
		rig_cut(client);
		break;
	case 2:
		client->chunk = choose(storm, 2) ? 0 : 1000 + choose(storm, 20000);
		break;
	case 3:
		lw_hub_remove_peer(storm->rig->hub, client->port);
		client->port = add_port(storm, client->name, &client->pin);
		break;
	case 4:
	case 5:
		rig_cut_wire(&client->wires[choose(storm, RIG_WIRES_MAX)]);
		break;
	default:
		start_unless_it_runs(client);
		break;
	}
}

static void name_capture(const struct storm *storm, uint32_t i, char file[CAPTURE_NAME])
{
	snprintf(file, CAPTURE_NAME, "%s/capture%u", storm->rig->folder, i);
}

static void close_capture(struct storm *storm, uint32_t i)
{
	char file[CAPTURE_NAME];

	name_capture(storm, i, file);
	lw_capture_close(take_pointer(storm->captures[i]));
	unlink(file);
}

static void play_capture(struct storm *storm)
{
	static const char *const ports[] = { "a", "b" };
	uint32_t i = choose(storm, CAPTURES);
	struct lw_capture **capture = &storm->captures[i];
	char file[CAPTURE_NAME];
	const struct lw_capture_options options = {
		.size = sizeof(options),
		.layer = LW_LAYER_ETHERNET,
		.file = file,
		.points = 1 + choose(storm, (LW_CAPTURE_DROP << 1) - 1),
		.ports = ports,
		.n_ports = choose(storm, 3),
	};
	struct lw_error error;
	int result;

	name_capture(storm, i, file);
	if (*capture) {
		if (choose(storm, 3) == 0)
			lw_capture_detach(*capture);
		close_capture(storm, i);
		return;
	}
	if (lw_capture_open(&options, capture, &error) < 0)
		fail_msg("%s", error.text);
	result = choose(storm, 2)
			 ? lw_hub_attach_capture(storm->rig->hub, *capture)
			 : lw_connection_attach_capture(
				   storm->clients[choose(storm, CLIENTS)]->connection, *capture);
	assert_int_equal(result, 0);
}

static void impair(struct storm *storm, uint32_t place, const struct lw_impairment *impairment)
{
	struct rig_client *client = storm->clients[choose(storm, CLIENTS)];
	unsigned ways = 1 + choose(storm, 3);
	struct lw_error error;
	int result;

	if (place < 2)
		result = lw_tunnel_impair(client->tunnel, place ? LW_TUNNEL_HUB : LW_TUNNEL_DEVICE,
					  ways, impairment, &error);
	else
		result = lw_port_impair(place == 2 ? client->port
						   : lw_hub_next_port(storm->rig->hub, NULL),
					ways, impairment, &error);
	if (result < 0)
		fail_msg("%s", error.text);
}

static void play_impairment(struct storm *storm)
{
	const struct lw_impairment impairment = {
		.size = sizeof(impairment),
		.rate = choose(storm, 2) ? 0 : 1000000 + choose(storm, 1000000000),
		.delay_us = choose(storm, 3000),
		.loss = choose(storm, 100000),
		.duplicate = choose(storm, 100000),
		.corrupt = choose(storm, 100000),
	};

	impair(storm, choose(storm, 4), choose(storm, 2) ? &impairment : NULL);
}

static void lie(struct storm *storm, struct hostile *evil)
{
	struct rig_client *client = storm->clients[choose(storm, CLIENTS)];
	struct hello hello = { .version = WIRE_VERSION,
			       .layer = LW_LAYER_ETHERNET,
			       .mtu = 1500,
			       .max_unit = UNIT_SIZE_MAX,
			       .rekey = WIRE_REKEY_STREAM,
			       .streams = 1 + choose(storm, LW_STREAMS_MAX),
			       .stream = choose(storm, LW_STREAMS_MAX + 1),
			       .succeeds = choose(storm, LW_STREAMS_MAX + 1),
			       .has_session = choose(storm, 2) };
	uint8_t body[UNIT_HELLO_MAX], frame[1514];
	int length;

	memcpy(hello.session, client->tunnel->bundle.id, sizeof(hello.session));
	length = hello_encode(&hello, body, sizeof(body));
	if (length > 0)
		hostile_unit(evil, UNIT_HELLO, body,
			     choose(storm, 3) ? (size_t)length : choose(storm, (uint32_t)length));
	for (uint32_t n = choose(storm, 50); n > 0; n--)
		hostile_unit(evil, UNIT_FRAME, frame,
			     rig_frame(frame, 0xff, 77, (uint16_t)(TYPE + n), 1000));
}

static void let_go(struct hostile **evil)
{
	hostile_free(*evil);
	*evil = NULL;
}

/* Of its own identity, or of one of the clients'. */
static void play_evil(struct storm *storm)
{
	struct hostile **evil = &storm->evils[choose(storm, EVILS)];

	if (!*evil) {
		*evil = hostile_call(storm->rig, choose(storm, 3) ? "evil" : "a");
		hostile_begin(*evil);
		return;
	}
	if ((*evil)->is_up && choose(storm, 3))
		lie(storm, *evil);
	else if (choose(storm, 6) == 0)
		let_go(evil);
	else if (choose(storm, 4) == 0)
		(*evil)->is_deaf = !(*evil)->is_deaf;
}

static void play(struct storm *storm)
{
	send_frames(storm);
	switch (choose(storm, 10)) {
	case 0:
	case 1:
	case 2:
		play_client(storm);
		break;
	case 3:
	case 4:
		play_capture(storm);
		break;
	case 5:
	case 6:
		play_impairment(storm);
		break;
	case 7:
	case 8:
		play_evil(storm);
		break;
	default:
		rig_pass(storm->rig, choose(storm, 20));
		break;
	}
	send_frames(storm);
	rig_pass(storm->rig, choose(storm, 3));
	for (int i = 0; i < EVILS; i++)
		if (storm->evils[i])
			hostile_pump(storm->evils[i]);
	for (int i = 0; i < CLIENTS; i++)
		rig_forget(&storm->clients[i]->host);
	rig_forget(&storm->rig->host);
}

static void ignore_reply(const void *data, size_t length, void *user)
{
	(void)data;
	(void)length;
	(void)user;
}

/* Who was refused or replaced comes back after half a minute: nobody waits for that here. */
static void hurry(struct rig_client *client, const struct lw_tunnel_status *status)
{
	static const char word[] = "reconnect";

	if (status->link != LW_LINK_WAITING || status->retry_ms < 1000)
		return;
	assert_true(status->retry_ms <= 3 * BACKOFF_REFUSED_MS / 2);
	assert_int_equal(lw_connection_send_message(client->connection, word, strlen(word),
						    ignore_reply, NULL),
			 0);
}

static bool are_all_up(void *user)
{
	struct storm *storm = user;

	for (int i = 0; i < CLIENTS; i++) {
		struct lw_tunnel_status status = { .size = sizeof(status) };

		if (lw_connection_status(storm->clients[i]->connection) == LW_STATUS_DISCONNECTED)
			start_unless_it_runs(storm->clients[i]);
		lw_tunnel_status(storm->clients[i]->tunnel, &status);
		hurry(storm->clients[i], &status);
		if (status.link != LW_LINK_UP || !status.streams ||
		    status.streams_up != status.streams)
			return false;
	}
	return true;
}

static bool has_arrived(void *user)
{
	struct storm *storm = user;
	uint8_t frame[200];
	size_t length = rig_frame(frame, 0xff, 0, 0x88b6, 80);
	bool is_everywhere = rig_count(&storm->rig->host, frame, length) > 0;

	for (int i = 1; i < CLIENTS; i++)
		is_everywhere &= rig_count(&storm->clients[i]->host, frame, length) > 0;
	if (!is_everywhere)
		rig_write_queue(&storm->clients[0]->host, 0, frame, length);
	return is_everywhere;
}

static void make_peace(struct storm *storm)
{
	struct lw_hub_status status = { .size = sizeof(status) };

	for (int i = 0; i < EVILS; i++)
		let_go(&storm->evils[i]);
	for (uint32_t i = 0; i < CAPTURES; i++)
		if (storm->captures[i])
			close_capture(storm, i);
	for (int i = 0; i < CLIENTS; i++) {
		struct rig_client *client = storm->clients[i];

		client->chunk = 0;
		for (int k = 0; k < 2; k++)
			assert_int_equal(lw_tunnel_impair(client->tunnel,
							  k ? LW_TUNNEL_HUB : LW_TUNNEL_DEVICE,
							  LW_PORT_IN | LW_PORT_OUT, NULL, NULL),
					 0);
		assert_int_equal(lw_port_impair(client->port, LW_PORT_IN | LW_PORT_OUT, NULL, NULL),
				 0);
	}
	assert_int_equal(lw_port_impair(lw_hub_next_port(storm->rig->hub, NULL),
					LW_PORT_IN | LW_PORT_OUT, NULL, NULL),
			 0);
	assert_true(rig_until(storm->rig, are_all_up, storm, 30000));
	assert_true(rig_until(storm->rig, has_arrived, storm, 10000));
	lw_hub_status(storm->rig->hub, &status);
	assert_int_equal(status.connected, CLIENTS);
}

static void play_round(uint64_t seed)
{
	static const char *const names[CLIENTS] = { "a", "b", "c" };
	struct storm storm = { .random = seed };
	const struct lw_peer_options peer = { .size = sizeof(peer), .behind = LW_BEHIND_LAN };

	storm.rig = rig_new_wide(LW_LAYER_ETHERNET, 2 + choose(&storm, 3), 4);
	for (int i = 0; i < CLIENTS; i++) {
		const struct lw_tunnel_options options = { .size = sizeof(options),
							   .workers = 2 + choose(&storm, 3),
							   .streams = 1 + choose(&storm, 4) };

		storm.clients[i] = rig_add(storm.rig, names[i], &peer, &options);
		storm.clients[i]->keeps_wires = true;
		storm.clients[i]->n_wires = RIG_WIRES_MAX;
		rig_start(storm.clients[i]);
	}
	rig_make_identity(storm.rig, "evil", &storm.pin);
	storm.evil = add_port(&storm, "evil", &storm.pin);
	for (int i = 0; i < STEPS; i++)
		play(&storm);
	make_peace(&storm);
	rig_free(storm.rig);
}

static void anything__between_workers_under_load__leaves_everybody_well(void **state)
{
	const char *rounds = getenv("STORM_ROUNDS"), *first = getenv("STORM_SEED");
	uint64_t seed = first ? strtoull(first, NULL, 10) : 1;

	(void)state;
	for (int n = rounds ? atoi(rounds) : 2; n > 0; n--) {
		if (rounds)
			print_error("seed %llu\n", (unsigned long long)seed);
		play_round(seed++);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anything__between_workers_under_load__leaves_everybody_well),
	};

	return cmocka_run_group_tests_name("component/storm", tests, NULL, NULL);
}
