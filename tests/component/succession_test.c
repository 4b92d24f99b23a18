/* SPDX-License-Identifier: MIT */
/*
 * Another connection takes the place of one whose key is used up: nothing is lost, repeated or out
 * of order, whatever the moment and whatever goes wrong in it.
 *
 * The clock stands still while a succession is under way, and the loop is turned one wake-up at a
 * time, so that "the middle" can be any of them.
 */
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

enum { FRAME_MAX = 1514, TURNS_MAX = 2000000 };

struct line {
	struct rig *rig;
	struct rig_client *a;
	uint32_t up, down; /* numbers of the next frames */
};

static void send_numbered(struct rig_host *from, uint8_t to, uint8_t source, uint32_t number)
{
	uint8_t frame[FRAME_MAX];
	size_t length = rig_frame(frame, to, source, 0x88b5, 50 + number % 1400);

	store_be32(frame + 14, number);
	rig_write(from, frame, length);
}

/* Each host is known by a broadcast, as ARP makes it. */
static void introduce(struct line *line)
{
	send_numbered(&line->a->host, 0xff, 1, 0);
	send_numbered(&line->rig->host, 0xff, 100, 0);
	rig_settle(line->rig);
	rig_forget(&line->a->host);
	rig_forget(&line->rig->host);
	line->up = line->down = 0;
}

static struct line line_new(void)
{
	struct line line = { .rig = rig_new(LW_LAYER_ETHERNET, true) };

	line.a = rig_add(line.rig, "a", NULL, NULL);
	line.a->keeps_wires = true;
	rig_connect(line.a);
	rig_pass(line.rig, 500);
	introduce(&line);
	return line;
}

/* The client's key is as if it had sealed much, and the next probe, at which that is seen, is due. */
static void wear(struct line *line)
{
	struct session *here = line->a->tunnel->session, *there = line->a->port->session;

	here->stream.may_update = there->stream.may_update = false;
	record_sealer_set_limits(here->stream.sealer, 1, UINT32_MAX);
	if (line->rig->now_ns < here->next_probe_ns)
		line->rig->now_ns = here->next_probe_ns;
}

static void send_both_ways(struct line *line)
{
	send_numbered(&line->a->host, 100, 1, line->up++);
	send_numbered(&line->rig->host, 1, 100, line->down++);
}

/* Return: whether there is one session at each end again, and it is not this one. */
static bool is_succeeded(const struct line *line, const struct session *worn)
{
	const struct session *here = line->a->tunnel->session, *there = line->a->port->session;

	return here && there && here != worn && here->state == SESSION_UP &&
	       there->state == SESSION_UP && !here->predecessor && !there->predecessor;
}

/* Turns of the loop, with a frame each way every so many of them. */
static void turn(struct line *line, size_t turns, size_t every)
{
	for (size_t i = 0; i < turns; i++) {
		if (every && i % every == 0)
			send_both_ways(line);
		assert_true(lw_loop_dispatch(line->rig->loop) >= 0);
	}
}

static void succeed(struct line *line, size_t every)
{
	const struct session *worn = line->a->tunnel->session;
	size_t turns = 0;

	wear(line);
	while (!is_succeeded(line, worn)) {
		turn(line, 8, every);
		assert_true((turns += 8) < TURNS_MAX);
		if (line->up > 400) /* the wire has enough to carry */
			every = 0;
	}
	turn(line, 64, every ? every : 8);
	rig_settle(line->rig);
}

static void assert_numbered(const struct rig_host *host, uint32_t frames)
{
	assert_int_equal(host->n, frames);
	for (uint32_t i = 0; i < frames; i++) {
		assert_int_equal(load_be32(host->frames[i] + 14), i);
		assert_int_equal(host->lengths[i], 14 + 50 + i % 1400);
	}
}

/* What was cut may be lost. Nothing comes twice or out of order. */
static void assert_ascending(const struct rig_host *host, uint32_t frames)
{
	int64_t last = -1;

	for (size_t i = 0; i < host->n; i++) {
		int64_t number = load_be32(host->frames[i] + 14);

		assert_true(number > last && number < frames);
		last = number;
	}
}

static void assert_all_came(struct line *line)
{
	assert_numbered(&line->rig->host, line->up);
	assert_numbered(&line->a->host, line->down);
}

/* All is as after a connect: frames go both ways, each once. */
static void assert_carries(struct line *line)
{
	introduce(line);
	turn(line, 400, 8);
	rig_settle(line->rig);
	assert_all_came(line);
}

static void succession__under_traffic__nothing_lost_and_nobody_told(void **state)
{
	static const size_t chunks[] = { 0, 1, 33 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(chunks); i++) {
		struct line line = line_new();
		struct session *worn = line.a->tunnel->session;
		size_t statuses = line.a->n_statuses;
		struct lw_port_status before = { .size = sizeof(before) }, after = before;

		lw_port_status(line.a->port, &before);
		line.a->chunk = chunks[i];
		succeed(&line, 5);
		assert_all_came(&line);
		lw_port_status(line.a->port, &after);
		assert_int_equal(after.sessions, before.sessions);
		assert_int_equal(after.since, before.since);
		assert_string_equal(after.last_end, before.last_end);
		assert_int_equal(line.a->n_statuses, statuses);
		assert_int_equal(line.a->tunnel->connects, 1);
		assert_int_equal(line.a->dials, 2);
		assert_ptr_not_equal(line.a->tunnel->session, worn);
		assert_memory_equal(line.a->tunnel->session->id, line.a->port->session->id,
				    SESSION_ID_SIZE);
		assert_carries(&line);
		rig_free(line.rig);
	}
}

static void succession__three_in_a_row__nothing_lost(void **state)
{
	struct line line = line_new();

	(void)state;
	for (int i = 0; i < 3; i++) {
		succeed(&line, 3);
		rig_pass(line.rig, 100);
	}
	assert_all_came(&line);
	assert_int_equal(line.a->dials, 4);
	assert_int_equal(line.a->tunnel->connects, 1);
	rig_free(line.rig);
}

/* As the program does it: by its own dialer, which goes to the address it has. */
static void succession__by_tcp__to_the_same_address(void **state)
{
	struct line line = { .rig = rig_new(LW_LAYER_ETHERNET, true) };
	struct lw_tunnel *tunnel;
	char address[sizeof(tunnel->address)];
	uint16_t port;

	(void)state;
	line.a = rig_add(line.rig, "a", NULL, NULL);
	tunnel = line.a->tunnel;
	assert_int_equal(lw_hub_listen(line.rig->hub, "127.0.0.1:0", &port, NULL), 0);
	snprintf(address, sizeof(address), "127.0.0.1:%u", port);
	tunnel->dial = NULL;
	tunnel->hubs[0] = strdup(address);
	assert_non_null(tunnel->hubs[0]);
	tunnel->n_hubs = 1;
	rig_connect(line.a);
	rig_pass(line.rig, 500);
	introduce(&line);
	for (int i = 0; i < 2; i++) {
		succeed(&line, 50);
		rig_pass(line.rig, 100);
	}
	assert_all_came(&line);
	assert_string_equal(tunnel->address, address);
	assert_int_equal(tunnel->connects, 1);
	assert_null(tunnel->succession.dialer);
	rig_free(line.rig);
}

static void succession__key_not_worn__none(void **state)
{
	struct line line = line_new();
	struct session *here = line.a->tunnel->session;

	(void)state;
	here->stream.may_update = false;
	rig_pass(line.rig, 20000);
	assert_ptr_equal(line.a->tunnel->session, here);
	assert_int_equal(line.a->dials, 1);
	/* Worn, but renewed in place. */
	here->stream.may_update = true;
	record_sealer_set_limits(here->stream.sealer, UINT32_MAX, UINT32_MAX);
	rig_pass(line.rig, 7000);
	assert_int_equal(line.a->dials, 1);
	rig_free(line.rig);
}

/* ---- the middle: something happens after so many turns */

enum { MOMENTS = 40 };

static bool carries_again(void *user)
{
	struct rig_client *a = user;
	const struct session *here = a->tunnel->session;

	return here && here->state == SESSION_UP && a->tunnel->link == LW_LINK_UP &&
	       a->port->session && a->port->session->state == SESSION_UP &&
	       !memcmp(here->id, a->port->session->id, SESSION_ID_SIZE);
}

static void in_the_middle(void (*happen)(struct line *line), size_t chunk, size_t stride)
{
	struct line line = line_new();

	for (size_t moment = 0; moment < MOMENTS; moment++) {
		line.a->tunnel->succession.not_before_ns = 0;
		line.a->chunk = 0;
		introduce(&line);
		wear(&line);
		line.a->chunk = chunk;
		turn(&line, moment * stride, 2);
		happen(&line);
		turn(&line, 20, 2);
		rig_settle(line.rig);
		assert_true(rig_until(line.rig, carries_again, line.a, 60000));
		rig_settle(line.rig);
		assert_ascending(&line.rig->host, line.up);
		assert_ascending(&line.a->host, line.down);
		assert_carries(&line);
	}
	rig_free(line.rig);
}

static struct rig_wire *older(struct rig_client *a)
{
	return a->wire == &a->wires[0] ? &a->wires[1] : &a->wires[0];
}

static void cut_predecessor(struct line *line)
{
	rig_cut_wire(older(line->a));
}

static void cut_successor(struct line *line)
{
	rig_cut_wire(line->a->wire);
}

static void restart_hub(struct line *line)
{
	rig_hub_kill(line->rig);
	rig_hub_start(line->rig);
}

static void stop_and_start(struct line *line)
{
	lw_connection_stop(line->a->connection, LW_STOP_USER_INITIATED);
	turn(line, 10, 0);
	assert_true(rig_until(line->rig, rig_is_down, line->a, 2000));
	rig_start(line->a);
}

static void stop_hub(struct line *line)
{
	lw_hub_stop(line->rig->hub, NULL, NULL);
	turn(line, 10, 0);
	restart_hub(line);
}

static void wires_fail__at_any_moment__nothing_twice_or_out_of_order(void **state)
{
	(void)state;
	in_the_middle(cut_predecessor, 0, 1);
	in_the_middle(cut_successor, 0, 1);
	in_the_middle(cut_predecessor, 100, 4);
	in_the_middle(cut_successor, 100, 4);
}

static void hub_restarts__at_any_moment__nothing_twice_or_out_of_order(void **state)
{
	(void)state;
	in_the_middle(restart_hub, 0, 1);
	in_the_middle(stop_hub, 0, 1);
}

static void tunnel_stops__at_any_moment__ends_in_order(void **state)
{
	(void)state;
	in_the_middle(stop_and_start, 0, 1);
	in_the_middle(stop_and_start, 100, 4);
}

/* Freed in the middle: the address sanitizer watches. */
static void everything_freed__at_any_moment__nothing_left(void **state)
{
	(void)state;
	for (size_t moment = 0; moment < 40; moment++) {
		struct line line = line_new();

		wear(&line);
		turn(&line, moment, 2);
		rig_free(line.rig);
	}
}

/* ---- a wire that goes silent while its stream drains */

static bool is_draining(const struct line *line)
{
	const struct session *here = line->a->tunnel->session, *there = line->a->port->session;

	return here->predecessor && there->predecessor;
}

static void predecessor__silent_while_it_drains__dies_and_the_successor_lives(void **state)
{
	struct line line = line_new();
	struct session *worn = line.a->tunnel->session;

	(void)state;
	wear(&line);
	line.a->chunk = 1;
	for (size_t turns = 0; !is_draining(&line); turns++) {
		turn(&line, 1, turns < 500 ? 1 : 0);
		assert_true(turns < TURNS_MAX);
	}
	loop_remove(&older(line.a)->a);
	loop_remove(&older(line.a)->b);
	line.a->chunk = 0;
	rig_pass(line.rig, 500);
	assert_non_null(line.a->tunnel->session->predecessor);
	rig_pass(line.rig, 1500);
	assert_true(is_succeeded(&line, worn));
	assert_int_equal(line.a->tunnel->connects, 1);
	assert_ascending(&line.rig->host, line.up);
	assert_ascending(&line.a->host, line.down);
	assert_carries(&line);
	rig_free(line.rig);
}

/* ---- refusals */

static void expect_refusal(struct line *line)
{
	struct session *here = line->a->tunnel->session, *there = line->a->port->session;
	struct lw_port_status status = { .size = sizeof(status) };
	unsigned dials = line->a->dials;

	wear(line);
	turn(line, 400, 8);
	rig_settle(line->rig);
	assert_int_equal(line->a->dials, dials + 1);
	lw_port_status(line->a->port, &status);
	assert_non_null(strstr(status.last_end, "only a successor of the present session"));
	/* The present session goes on as if nothing had been. */
	assert_ptr_equal(line->a->tunnel->session, here);
	assert_ptr_equal(line->a->port->session, there);
	assert_int_equal(here->state, SESSION_UP);
	assert_int_equal(there->state, SESSION_UP);
	assert_null(here->successor);
	assert_null(there->successor);
	assert_all_came(line);
	/* Again, but not at once. */
	rig_pass(line->rig, 2900);
	assert_int_equal(line->a->dials, dials + 1);
	rig_pass(line->rig, 4000);
	assert_int_equal(line->a->dials, dials + 2);
}

static void hello__of_no_session__refused_and_tried_again(void **state)
{
	struct line line = line_new();
	struct session *here = line.a->tunnel->session;
	uint8_t id[SESSION_ID_SIZE];

	(void)state;
	memcpy(id, here->id, sizeof(id));
	here->id[15] ^= 1;
	expect_refusal(&line);
	memcpy(here->id, id, sizeof(id));
	rig_pass(line.rig, 7000);
	assert_true(is_succeeded(&line, here));
	assert_carries(&line);
	rig_free(line.rig);
}

static void hello__of_another_peers_session__refused(void **state)
{
	struct line line = line_new();
	struct rig_client *b = rig_add(line.rig, "b", NULL, NULL);
	struct session *of_b;

	(void)state;
	rig_connect(b);
	introduce(&line);
	of_b = b->port->session;
	memcpy(line.a->tunnel->session->id, b->tunnel->session->id, SESSION_ID_SIZE);
	expect_refusal(&line);
	assert_ptr_equal(b->port->session, of_b);
	assert_null(of_b->successor);
	rig_free(line.rig);
}

static void hello__while_the_predecessor_has_one__refused(void **state)
{
	struct line line = line_new();
	struct session *worn = line.a->port->session, pretended = { 0 };

	(void)state;
	worn->predecessor = &pretended;
	pretended.state = SESSION_UP;
	expect_refusal(&line);
	worn->predecessor = NULL;
	rig_free(line.rig);
}

static void dial__fails__present_session_goes_on(void **state)
{
	struct line line = line_new();
	struct session *here = line.a->tunnel->session;

	(void)state;
	line.a->is_unreachable = true;
	wear(&line);
	rig_pass(line.rig, 15000);
	assert_int_equal(line.a->dials, 1 + 3);
	assert_ptr_equal(line.a->tunnel->session, here);
	line.a->is_unreachable = false;
	rig_pass(line.rig, 7000);
	assert_true(is_succeeded(&line, here));
	assert_carries(&line);
	rig_free(line.rig);
}

/* The hub has moved on, and the client never hears of it: both meet again. */
static void hub__has_moved_and_the_client_has_not__connects_again(void **state)
{
	struct line line = line_new();
	struct session *worn = line.a->port->session;

	(void)state;
	wear(&line);
	for (size_t turns = 0; line.a->port->session == worn; turns++) {
		turn(&line, 1, 2);
		assert_true(turns < TURNS_MAX);
	}
	rig_cut_wire(line.a->wire);
	assert_true(rig_until(line.rig, carries_again, line.a, 5000));
	assert_int_equal(line.a->tunnel->connects, 2);
	assert_ascending(&line.rig->host, line.up);
	assert_ascending(&line.a->host, line.down);
	assert_carries(&line);
	rig_free(line.rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(succession__under_traffic__nothing_lost_and_nobody_told),
		cmocka_unit_test(succession__three_in_a_row__nothing_lost),
		cmocka_unit_test(succession__by_tcp__to_the_same_address),
		cmocka_unit_test(succession__key_not_worn__none),
		cmocka_unit_test(wires_fail__at_any_moment__nothing_twice_or_out_of_order),
		cmocka_unit_test(hub_restarts__at_any_moment__nothing_twice_or_out_of_order),
		cmocka_unit_test(tunnel_stops__at_any_moment__ends_in_order),
		cmocka_unit_test(everything_freed__at_any_moment__nothing_left),
		cmocka_unit_test(predecessor__silent_while_it_drains__dies_and_the_successor_lives),
		cmocka_unit_test(hello__of_no_session__refused_and_tried_again),
		cmocka_unit_test(hello__of_another_peers_session__refused),
		cmocka_unit_test(hello__while_the_predecessor_has_one__refused),
		cmocka_unit_test(dial__fails__present_session_goes_on),
		cmocka_unit_test(hub__has_moved_and_the_client_has_not__connects_again),
	};

	return cmocka_run_group_tests_name("succession", tests, NULL, NULL);
}
