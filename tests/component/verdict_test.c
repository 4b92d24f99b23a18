/* SPDX-License-Identifier: MIT */
/* What captures say of each packet, whichever way it went: at once, through a link with faults, by
 * another worker, or out of a savefile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "base/memory.h"
#include "support/captures.h"
#include "support/rig.h"
#include "support/savefile.h"

enum { FLOWS = 40, ROUNDS = 20, ALL_POINTS = LW_CAPTURE_DROP * 2 - 1 };

/* Hosts 1 and 2 behind clients a and b, host 9 behind the hub. */
struct scene {
	struct rig *rig;
	struct rig_client *a, *b;
	char path[128];
	const char *filter; /* of captures; NULL: none */
	struct lw_capture *capture;
};

static void open_capture(struct scene *scene, unsigned points)
{
	snprintf(scene->path, sizeof(scene->path), "%s/c.pcapng", scene->rig->folder);
	scene->capture =
		captures_open(NULL, (struct lw_capture_options){ .file = scene->path,
								 .points = points,
								 .filter = scene->filter });
}

/* At the hub. */
static void attach(struct scene *scene, unsigned points)
{
	open_capture(scene, points);
	assert_int_equal(lw_hub_attach_capture(scene->rig->hub, scene->capture), 0);
}

static void attach_to_client(struct scene *scene, unsigned points)
{
	open_capture(scene, points);
	assert_int_equal(lw_connection_attach_capture(scene->a->connection, scene->capture), 0);
}

/* Return: how many packets it had. */
static uint64_t detach(struct scene *scene)
{
	struct lw_capture_counters counters = captures_count(scene->capture);

	assert_int_equal(counters.dropped, 0);
	lw_capture_close(scene->capture);
	return counters.written;
}

static size_t said(const struct scene *scene, const char *comment)
{
	return captures_comments(scene->path, comment);
}

static void send_frame(struct rig_host *host, uint8_t to, uint8_t from)
{
	uint8_t frame[128];

	rig_write(host, frame, rig_frame(frame, to, from, 0x88b5, 100));
}

static struct scene set_up(void)
{
	const struct lw_peer_options peer = { .size = sizeof(peer), .behind = LW_BEHIND_LAN };
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct scene scene = { .rig = rig };

	scene.a = rig_add(rig, "a", &peer, NULL);
	scene.b = rig_add(rig, "b", &peer, NULL);
	rig_connect(scene.a);
	rig_connect(scene.b);
	send_frame(&scene.a->host, 0xff, 1);
	send_frame(&scene.b->host, 0xff, 2);
	send_frame(&rig->host, 0xff, 9);
	rig_pass(rig, 20);
	return scene;
}

static void tear_down(struct scene *scene)
{
	unlink(scene->path);
	rig_free(scene->rig);
}

static void impair(struct lw_port *port, unsigned ways)
{
	const struct lw_impairment slow = { .size = sizeof(slow), .delay_us = 20000 };

	assert_int_equal(lw_port_impair(port, ways, &slow, NULL), 0);
}

/* From both sides known and flooded, in one batch each: on its way out of every port. */
static void send_each(struct scene *scene)
{
	send_frame(&scene->a->host, 9, 1);
	send_frame(&scene->a->host, 0xff, 1);
	send_frame(&scene->rig->host, 1, 9);
	send_frame(&scene->rig->host, 77, 9);
	rig_pass(scene->rig, 60);
}

static void assert_each_said(const struct scene *scene)
{
	assert_int_equal(said(scene, "from a, known"), 1);
	/* To b and to the device; from there to a and to b. */
	assert_int_equal(said(scene, "from a, flooded"), 2);
	assert_int_equal(said(scene, "from device, known"), 1);
	assert_int_equal(said(scene, "from device, flooded"), 2);
}

static void link__delayed__says_where_it_came_in(void **state)
{
	static const unsigned ways[] = { 0, LW_PORT_OUT, LW_PORT_IN, LW_PORT_IN | LW_PORT_OUT };
	struct scene scene = set_up();

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		attach(&scene, LW_CAPTURE_DEVICE_OUT | LW_CAPTURE_SESSION_OUT);
		for (struct lw_port *port = NULL;
		     ways[i] && (port = lw_hub_next_port(scene.rig->hub, port));)
			impair(port, ways[i]);
		send_each(&scene);
		assert_int_equal(detach(&scene), 6);
		assert_each_said(&scene);
	}
	tear_down(&scene);
}

static void link__peer_removed_meanwhile__says_nothing_of_it(void **state)
{
	struct scene scene = set_up();

	(void)state;
	impair(lw_hub_next_port(scene.rig->hub, NULL), LW_PORT_OUT);
	attach(&scene, LW_CAPTURE_DEVICE_OUT);
	send_frame(&scene.a->host, 9, 1);
	send_frame(&scene.b->host, 9, 2);
	rig_pass(scene.rig, 5);
	lw_hub_remove_peer(scene.rig->hub, scene.a->port);
	scene.a->port = NULL;
	rig_pass(scene.rig, 40);
	assert_int_equal(detach(&scene), 2);
	assert_int_equal(said(&scene, "from a, known"), 0);
	assert_int_equal(said(&scene, "from b, known"), 1);
	tear_down(&scene);
}

/* ---- workers */

static bool is_introduced(void *user)
{
	struct scene *scene = user;
	struct lw_port_status status = { .size = sizeof(status) };

	lw_port_status(scene->a->port, &status);
	if (status.streams_up == 2 && status.macs && scene->a->host.n && scene->rig->host.n)
		return true;
	send_frame(&scene->a->host, 0xff, 1);
	send_frame(&scene->rig->host, 0xff, 9);
	return false;
}

static bool has_all_come(void *user)
{
	struct scene *scene = user;

	return captures_count(scene->capture).matched >= 2 * FLOWS * ROUNDS;
}

/* Flows from both queues to the streams of both workers: half of them are handed over. */
static void send_flows(struct scene *scene)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		for (unsigned flow = 0; flow < FLOWS; flow++) {
			uint8_t frame[128];
			size_t length = rig_frame(frame, 1, 9, (uint16_t)(0x6000 + flow), 100);

			assert_true(rig_write_queue(&scene->rig->host, flow % 2, frame, length));
			length = rig_frame(frame, 9, 1, (uint16_t)(0x6000 + flow), 100);
			assert_true(rig_write_queue(&scene->a->host, flow % 2, frame, length));
		}
		rig_pass(scene->rig, 2);
	}
}

static void workers__handed_over__says_where_it_came_in(void **state)
{
	const struct lw_peer_options peer = { .size = sizeof(peer), .behind = LW_BEHIND_LAN };
	const struct lw_tunnel_options tunnel = { .size = sizeof(tunnel),
						  .workers = 2,
						  .streams = 2 };
	/* Not what introduces the hosts. */
	struct scene scene = { .rig = rig_new_wide(LW_LAYER_ETHERNET, 2, 2),
			       .filter = "ether[12:2] < 0x8000" };

	(void)state;
	scene.a = rig_add(scene.rig, "a", &peer, &tunnel);
	scene.a->keeps_wires = true;
	scene.a->n_wires = RIG_WIRES_MAX;
	rig_connect(scene.a);
	assert_true(rig_until(scene.rig, is_introduced, &scene, 5000));
	for (int is_impaired = 0; is_impaired < 2; is_impaired++) {
		if (is_impaired)
			impair(scene.a->port, LW_PORT_IN | LW_PORT_OUT);
		attach(&scene, LW_CAPTURE_DEVICE_OUT | LW_CAPTURE_SESSION_OUT);
		send_flows(&scene);
		assert_true(rig_until(scene.rig, has_all_come, &scene, 5000));
		assert_int_equal(detach(&scene), 2 * FLOWS * ROUNDS);
		assert_int_equal(said(&scene, "from a, known"), FLOWS * ROUNDS);
		assert_int_equal(said(&scene, "from device, known"), FLOWS * ROUNDS);
	}
	tear_down(&scene);
}

/* ---- replays */

static uint64_t received(struct lw_port *port)
{
	struct lw_port_status status = { .size = sizeof(status) };

	lw_port_status(port, &status);
	return status.received_packets;
}

static struct lw_replay_options replay_of(uint8_t to, uint8_t from, enum lw_port_way way)
{
	struct lw_replay_options options = { .size = sizeof(options),
					     .descriptor = savefile_make(SAVEFILE_ETHERNET),
					     .way = way,
					     .fast = true };
	uint8_t frame[64];
	size_t length = rig_frame(frame, to, from, 0x88b5, 46);

	for (uint64_t i = 0; i < 10; i++)
		savefile_put(options.descriptor, i, frame, length, length);
	savefile_put(options.descriptor, 10, frame, 5, 5); /* no frame */
	return options;
}

static void replay_at(struct scene *scene, struct lw_port *port, struct lw_replay_options options)
{
	struct lw_replay *replay;

	assert_int_equal(lw_port_replay(port, &options, &replay, NULL), 0);
	rig_pass(scene->rig, 60);
	lw_replay_free(replay);
}

static void replay__in__is_seen_where_the_port_is(void **state)
{
	struct scene scene = set_up();
	struct lw_port *ports[] = { scene.a->port, lw_hub_next_port(scene.rig->hub, NULL) };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(ports); i++) {
		bool is_device = i == 1;

		for (int is_impaired = 0; is_impaired < 2; is_impaired++) {
			uint64_t before = received(ports[i]);
			unsigned in = is_device ? LW_CAPTURE_DEVICE_IN : LW_CAPTURE_SESSION_IN;

			if (is_impaired)
				impair(ports[i], LW_PORT_IN);
			attach(&scene, ALL_POINTS);
			replay_at(&scene, ports[i],
				  is_device ? replay_of(1, 9, LW_PORT_IN)
					    : replay_of(9, 1, LW_PORT_IN));
			assert_int_equal(received(ports[i]) - before, 10);
			/* In, out, and a drop; the port's own are not said to be of it. */
			assert_int_equal(detach(&scene), 21);
			assert_int_equal(said(&scene, "replayed"), 10);
			assert_int_equal(said(&scene, is_device ? "from device, known, replayed"
								: "from a, known, replayed"),
					 10);
			assert_int_equal(
				said(&scene,
				     "dropped: short: shorter than its own header, replayed"),
				1);
			attach(&scene, in);
			send_frame(is_device ? &scene.rig->host : &scene.a->host, is_device ? 1 : 9,
				   is_device ? 9 : 1);
			rig_pass(scene.rig, 60);
			assert_int_equal(detach(&scene), 1);
			assert_int_equal(said(&scene, "replayed"), 0);
		}
	}
	tear_down(&scene);
}

static void replay__out__is_seen_where_it_leaves(void **state)
{
	struct scene scene = set_up();

	(void)state;
	for (int is_impaired = 0; is_impaired < 2; is_impaired++) {
		if (is_impaired)
			impair(scene.a->port, LW_PORT_OUT);
		attach(&scene, LW_CAPTURE_SESSION_IN | LW_CAPTURE_SESSION_OUT);
		replay_at(&scene, scene.a->port, replay_of(1, 9, LW_PORT_OUT));
		assert_int_equal(detach(&scene), 10);
		assert_int_equal(said(&scene, "replayed"), 10);
	}
	tear_down(&scene);
}

static void replay__at_a_client__is_seen_at_its_ports(void **state)
{
	struct scene scene = set_up();

	(void)state;
	for (int port = LW_TUNNEL_DEVICE; port <= LW_TUNNEL_HUB; port++) {
		bool is_device = port == LW_TUNNEL_DEVICE;
		struct lw_replay_options options =
			is_device ? replay_of(9, 1, LW_PORT_IN) : replay_of(1, 9, LW_PORT_IN);
		struct lw_replay *replay;

		attach_to_client(&scene, is_device ? LW_CAPTURE_DEVICE_IN | LW_CAPTURE_SESSION_OUT
						   : LW_CAPTURE_SESSION_IN | LW_CAPTURE_DEVICE_OUT);
		assert_int_equal(lw_tunnel_replay(scene.a->tunnel, port, &options, &replay, NULL),
				 0);
		rig_pass(scene.rig, 60);
		lw_replay_free(replay);
		assert_int_equal(detach(&scene), 20);
		assert_int_equal(said(&scene, "replayed"), 10);
		assert_int_equal(said(&scene, is_device ? "from device, known, replayed"
							: "from hub, known, replayed"),
				 10);
	}
	tear_down(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(link__delayed__says_where_it_came_in),
		cmocka_unit_test(link__peer_removed_meanwhile__says_nothing_of_it),
		cmocka_unit_test(workers__handed_over__says_where_it_came_in),
		cmocka_unit_test(replay__in__is_seen_where_the_port_is),
		cmocka_unit_test(replay__out__is_seen_where_it_leaves),
		cmocka_unit_test(replay__at_a_client__is_seen_at_its_ports),
	};

	return cmocka_run_group_tests_name("component/verdict", tests, NULL, NULL);
}
