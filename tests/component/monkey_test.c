/* SPDX-License-Identifier: MIT */
/*
 * Anything, in any order: honest clients, hostile ones, cut wires, ports that go and come, hubs that
 * die. Whatever happened, afterwards everybody is back and frames pass. MONKEY_ROUNDS and
 * MONKEY_SEED ask for more than the few that are always played.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/hostile.h"

enum { CLIENTS = 2, EVILS = 3, STEPS = 150 };

struct zoo {
	struct rig *rig;
	struct rig_client *clients[CLIENTS];
	struct hostile *evils[EVILS];
	struct pin pins[EVILS];
	struct lw_port *ports[EVILS];
	uint64_t random;
};

static uint32_t choose(struct zoo *zoo, uint32_t n)
{
	zoo->random = zoo->random * UINT64_C(6364136223846793005) + 1442695040888963407;
	return (uint32_t)(zoo->random >> 33) % n;
}

static const char *name_of(size_t i)
{
	static const char *const names[EVILS] = { "evil0", "evil1", "evil2" };

	return names[i];
}

static void add_evil(struct zoo *zoo, size_t i)
{
	char text[PIN_TEXT_SIZE];
	const char *pins[] = { pin_format(&zoo->pins[i], text) };
	const struct lw_peer_options options = {
		.size = sizeof(options), .name = name_of(i), .pins = pins, .n_pins = 1
	};

	assert_int_equal(lw_hub_add_peer(zoo->rig->hub, &options, &zoo->ports[i], NULL), 0);
}

static void let_go(struct zoo *zoo, size_t i)
{
	hostile_free(zoo->evils[i]);
	zoo->evils[i] = NULL;
}

static void move_time(struct zoo *zoo, uint64_t ms)
{
	uint64_t end = zoo->rig->now_ns + ms * 1000000;

	for (;;) {
		rig_settle(zoo->rig);
		for (size_t i = 0; i < EVILS; i++)
			if (zoo->evils[i])
				hostile_pump(zoo->evils[i]);
		if (zoo->rig->now_ns >= end)
			return;
		zoo->rig->now_ns += 20000000;
	}
}

static void say_something(struct zoo *zoo, struct hostile *evil)
{
	uint8_t bytes[2000];
	size_t length = choose(zoo, sizeof(bytes));

	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)choose(zoo, 256);
	switch (choose(zoo, 6)) {
	case 0:
		hostile_hello(evil, LW_LAYER_ETHERNET, 1500);
		break;
	case 1:
		hostile_unit(evil, (uint8_t)choose(zoo, 16), bytes, length);
		break;
	case 2:
		hostile_send(evil, bytes, length);
		break;
	case 3:
		hostile_send_raw(evil, bytes, length);
		break;
	default:
		length = rig_frame(bytes, (uint8_t)(choose(zoo, 2) ? 0xff : choose(zoo, 4)),
				   (uint8_t)choose(zoo, 30), 0x88b5, choose(zoo, 1500));
		hostile_unit(evil, UNIT_FRAME, bytes, length);
		break;
	}
}

static void play_evil(struct zoo *zoo)
{
	size_t i = choose(zoo, EVILS);
	struct hostile *evil = zoo->evils[i];

	if (!evil) {
		zoo->evils[i] = hostile_call(zoo->rig, name_of(i));
		if (choose(zoo, 4))
			hostile_begin(zoo->evils[i]);
		return;
	}
	if (!evil->is_up) {
		if (choose(zoo, 3))
			hostile_settle(evil);
		else if (choose(zoo, 2))
			let_go(zoo, i);
		return;
	}
	if (choose(zoo, 8) == 0) {
		evil->is_deaf = !evil->is_deaf;
	} else if (choose(zoo, 12) == 0) {
		hostile_alert(evil, choose(zoo, 2) ? RECORD_ALERT_CLOSE_NOTIFY
						   : RECORD_ALERT_INTERNAL_ERROR);
		let_go(zoo, i);
	} else if (choose(zoo, 12) == 0) {
		let_go(zoo, i);
	} else {
		say_something(zoo, evil);
	}
}

static void start_hub(struct zoo *zoo)
{
	rig_hub_start(zoo->rig);
	for (size_t i = 0; i < EVILS; i++)
		add_evil(zoo, i);
}

static void start_unless_it_runs(struct rig_client *client)
{
	int result = lw_connection_start(client->connection, NULL, NULL);

	assert_true(result == 0 || result == -EALREADY);
}

static void play_client(struct zoo *zoo)
{
	struct rig_client *client = zoo->clients[choose(zoo, CLIENTS)];

	switch (choose(zoo, 6)) {
	case 0:
		lw_connection_stop(client->connection, LW_STOP_USER_INITIATED);
		break;
	case 1:
	case 2:
		start_unless_it_runs(client);
		break;
	case 3:
		rig_cut(client);
		break;
	case 4:
		client->is_black_hole_up = choose(zoo, 3) == 0;
		client->is_black_hole_down = choose(zoo, 3) == 0;
		break;
	default:
		client->chunk = choose(zoo, 2) ? 0 : 1 + choose(zoo, 500);
		break;
	}
}

static void play_hub(struct zoo *zoo)
{
	size_t i = choose(zoo, EVILS);

	switch (choose(zoo, 8)) {
	case 0:
		rig_hub_kill(zoo->rig);
		start_hub(zoo);
		break;
	case 1:
		lw_hub_stop(zoo->rig->hub, NULL, NULL);
		move_time(zoo, choose(zoo, 2) ? 0 : 400);
		rig_hub_kill(zoo->rig);
		start_hub(zoo);
		break;
	default:
		lw_hub_remove_peer(zoo->rig->hub, zoo->ports[i]);
		if (choose(zoo, 2))
			move_time(zoo, 10);
		add_evil(zoo, i);
		break;
	}
}

static void write_frames(struct zoo *zoo)
{
	uint8_t frame[1514];
	struct rig_host *host =
		choose(zoo, 3) ? &zoo->clients[choose(zoo, CLIENTS)]->host : &zoo->rig->host;

	for (uint32_t n = choose(zoo, 40); n > 0; n--)
		rig_write(host, frame,
			  rig_frame(frame, (uint8_t)(choose(zoo, 2) ? 0xff : choose(zoo, 30)),
				    (uint8_t)choose(zoo, 30), 0x88b5, choose(zoo, 1500)));
}

static void play(struct zoo *zoo)
{
	switch (choose(zoo, 16)) {
	case 0:
		play_hub(zoo);
		break;
	case 1:
	case 2:
		play_client(zoo);
		break;
	case 3:
	case 4:
		write_frames(zoo);
		break;
	case 5:
		move_time(zoo, choose(zoo, choose(zoo, 8) ? 300 : 12000));
		break;
	case 6:
	case 7:
		rig_settle(zoo->rig);
		break;
	default:
		play_evil(zoo);
		break;
	}
	rig_forget(&zoo->rig->host);
	for (size_t i = 0; i < CLIENTS; i++)
		rig_forget(&zoo->clients[i]->host);
}

static bool are_all_up(void *user)
{
	struct zoo *zoo = user;

	for (size_t i = 0; i < CLIENTS; i++) {
		if (lw_connection_status(zoo->clients[i]->connection) == LW_STATUS_DISCONNECTED)
			start_unless_it_runs(zoo->clients[i]);
		if (!rig_is_up(zoo->clients[i]))
			return false;
	}
	return true;
}

static void make_peace(struct zoo *zoo)
{
	struct lw_hub_status status = { .size = sizeof(status) };
	uint8_t frame[100];
	size_t length = rig_frame(frame, 0xff, 200, 0x88b6, 80);

	for (size_t i = 0; i < EVILS; i++)
		let_go(zoo, i);
	for (size_t i = 0; i < CLIENTS; i++) {
		zoo->clients[i]->is_black_hole_up = zoo->clients[i]->is_black_hole_down = false;
		zoo->clients[i]->chunk = 0;
	}
	/* What was swallowed is noticed within ten seconds; a hub that refused is asked again after
	 * 45. */
	rig_pass(zoo->rig, 11000);
	assert_true(rig_until(zoo->rig, are_all_up, zoo, 60000));
	rig_pass(zoo->rig, 12000);
	lw_hub_status(zoo->rig->hub, &status);
	assert_int_equal(status.connected, CLIENTS);
	assert_int_equal(status.handshakes_pending, 0);
	rig_write(&zoo->clients[0]->host, frame, length);
	rig_pass(zoo->rig, 50);
	assert_int_equal(rig_count(&zoo->rig->host, frame, length), 1);
	assert_int_equal(rig_count(&zoo->clients[1]->host, frame, length), 1);
}

static void play_round(uint64_t seed)
{
	struct zoo zoo = { .rig = rig_new(LW_LAYER_ETHERNET, true), .random = seed };

	zoo.clients[0] = rig_add(zoo.rig, "a", NULL, NULL);
	zoo.clients[1] = rig_add(zoo.rig, "b", NULL, NULL);
	for (size_t i = 0; i < EVILS; i++) {
		rig_make_identity(zoo.rig, name_of(i), &zoo.pins[i]);
		add_evil(&zoo, i);
	}
	for (int i = 0; i < STEPS; i++)
		play(&zoo);
	make_peace(&zoo);
	rig_free(zoo.rig);
}

static void anything__in_any_order__leaves_everybody_well(void **state)
{
	const char *rounds = getenv("MONKEY_ROUNDS"), *first = getenv("MONKEY_SEED");
	uint64_t seed = first ? strtoull(first, NULL, 10) : 1;

	(void)state;
	for (int n = rounds ? atoi(rounds) : 6; n > 0; n--) {
		if (rounds)
			print_message("seed %llu\n", (unsigned long long)seed);
		play_round(seed++);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(anything__in_any_order__leaves_everybody_well),
	};

	return cmocka_run_group_tests_name("component/monkey", tests, NULL, NULL);
}
