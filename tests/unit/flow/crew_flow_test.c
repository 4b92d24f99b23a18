/* SPDX-License-Identifier: MIT */
/* Queues of a flow on the workers of a crew. Worth most under TSan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "flow/flow.h"
#include "loop/crew.h"

enum { QUEUES = 3, PACKETS = 500, PACKET_SIZE = 64 };

struct scene {
	struct lw_loop *loop;
	struct crew *crew;
	struct lw_packet_flow *flow, *far;
	unsigned wrong[QUEUES], echoed[QUEUES];
	uint64_t back[QUEUES];
};

static void echo(struct lw_packet_flow *flow, uint16_t queue, const struct lw_packet *packets,
		 size_t n, int error, void *user)
{
	struct scene *scene = user;
	uint8_t data[PACKET_SIZE];

	(void)error;
	for (size_t i = 0; i < n; i++) {
		/* A copy, as a flow does not take back what was read from it. */
		struct lw_packet packet = packets[i];

		memcpy(data, packet.data, sizeof(data));
		packet.data = data;
		scene->wrong[queue] += crew_self() != queue || data[14] != queue;
		scene->wrong[queue] += lw_packet_flow_write(flow, queue, &packet, 1) != 1;
		scene->echoed[queue]++;
	}
	if (n && lw_packet_flow_read(flow, queue, 0, echo, user) < 0)
		scene->wrong[queue]++;
}

static void count_back(struct lw_packet_flow *flow, uint16_t queue, const struct lw_packet *packets,
		       size_t n, int error, void *user)
{
	struct scene *scene = user;

	(void)packets;
	(void)error;
	scene->back[queue] += n;
	if (n)
		assert_int_equal(lw_packet_flow_read(flow, queue, 0, count_back, user), 0);
}

static void set_up(struct scene *scene)
{
	*scene = (struct scene){ 0 };
	assert_int_equal(lw_loop_new(NULL, &scene->loop), 0);
	assert_int_equal(crew_new(scene->loop, QUEUES, &scene->crew), 0);
	assert_int_equal(packet_flow_pair(scene->loop, LW_LAYER_ETHERNET, 0, QUEUES, &scene->flow,
					  &scene->far),
			 0);
	crew_hold(scene->crew);
	for (uint16_t i = 0; i < QUEUES; i++) {
		assert_int_equal(packet_flow_move_queue(scene->flow, i, crew_loop(scene->crew, i)),
				 0);
		assert_int_equal(lw_packet_flow_read(scene->flow, i, 0, echo, scene), 0);
		assert_int_equal(lw_packet_flow_read(scene->far, i, 0, count_back, scene), 0);
	}
	crew_release(scene->crew);
}

static void tear_down(struct scene *scene)
{
	crew_hold(scene->crew);
	for (uint16_t i = 0; i < QUEUES; i++)
		assert_int_equal(packet_flow_move_queue(scene->flow, i, scene->loop), 0);
	crew_release(scene->crew);
	lw_packet_flow_free(scene->flow);
	lw_packet_flow_free(scene->far);
	crew_free(scene->crew);
	lw_loop_free(scene->loop);
}

static void queues__on_workers__are_read_and_written_there(void **state)
{
	struct lw_flow_counters counters = { .size = sizeof(counters) };
	uint8_t data[PACKET_SIZE] = { 0x02, 0, 0, 0, 0, 1, 0x02, 0, 0, 0, 0, 2, 0x88, 0xb5 };
	const struct lw_packet packet = { .data = data,
					  .length = sizeof(data),
					  .layer = LW_LAYER_ETHERNET };
	struct scene scene;

	(void)state;
	set_up(&scene);
	for (unsigned n = 1; n <= PACKETS; n++) {
		for (uint16_t i = 0; i < QUEUES; i++) {
			data[14] = (uint8_t)i;
			assert_int_equal(lw_packet_flow_write(scene.far, i, &packet, 1), 1);
		}
		for (uint16_t i = 0; i < QUEUES;)
			if (scene.back[i] == n)
				i++;
			else
				assert_true(lw_loop_dispatch(scene.loop) >= 0);
	}
	/* While they may be busy. */
	lw_packet_flow_counters(scene.flow, &counters);
	assert_int_equal(counters.written_packets, PACKETS * QUEUES);
	assert_int_equal(counters.read_bytes, PACKETS * QUEUES * sizeof(data));
	crew_hold(scene.crew);
	for (uint16_t i = 0; i < QUEUES; i++) {
		assert_int_equal(scene.wrong[i], 0);
		assert_int_equal(scene.echoed[i], PACKETS);
	}
	crew_release(scene.crew);
	tear_down(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queues__on_workers__are_read_and_written_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
