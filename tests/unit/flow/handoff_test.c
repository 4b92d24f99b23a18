/* SPDX-License-Identifier: MIT */
/* Packets from worker to worker: whole, in order, bounded. Worth most under TSan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "flow/handoff.h"
#include "loop/crew.h"

enum { SENT = 20000, TARGETS = 2 };

struct target {
	struct scene *scene;
	uint32_t next; /* that must come */
	unsigned wrong;
};

/* Worker 0 puts; worker 1 hands on what it gets to worker 0. */
struct scene {
	struct lw_loop *loop;
	struct crew *crew;
	struct handoff *handoff;
	struct target here, there;
	unsigned batches;
	uint8_t data[LW_PACKET_MAX];
};

static size_t length_of(uint32_t number)
{
	return number % 100 == 99 ? LW_PACKET_MAX : 64 + number * 7919 % 1436;
}

static uint64_t mark_of(uint32_t number)
{
	return UINT64_C(0x123456789) * number;
}

static bool is_right(const struct lw_packet *packet, uint32_t number)
{
	uint32_t stamp;

	memcpy(&stamp, packet->data, sizeof(stamp));
	return stamp == number && packet->length == length_of(number) &&
	       packet->layer == LW_LAYER_ETHERNET && packet->ether_type == 0x88b5 &&
	       packet->direction == LW_DIRECTION_INBOUND &&
	       packet->data[packet->length - 1] == (uint8_t)number &&
	       !packet->offload == !(number & 1) &&
	       (!packet->offload || packet->offload->gso_size == number % 1000);
}

static void give(void *user_target, const struct lw_packet *packet, uint64_t mark, void *user)
{
	struct target *target = user_target;
	struct scene *scene = user;

	target->wrong += !is_right(packet, target->next) || mark != mark_of(target->next);
	target->next++;
	if (target == &scene->there)
		target->wrong += crew_self() != 1 ||
				 !handoff_put(scene->handoff, 0, &scene->here, packet, mark);
	else
		target->wrong += crew_self() != 0;
}

static void given(void *user)
{
	struct scene *scene = user;

	if (crew_self() == 0)
		scene->batches++;
	handoff_flush(scene->handoff);
}

static const struct handoff_ops ops = { .give = give, .given = given };

static struct scene *set_up(void)
{
	struct scene *scene = calloc(1, sizeof(*scene));

	assert_non_null(scene);
	assert_int_equal(lw_loop_new(NULL, &scene->loop), 0);
	assert_int_equal(crew_new(scene->loop, 2, &scene->crew), 0);
	assert_int_equal(handoff_new(scene->crew, &ops, scene, &scene->handoff), 0);
	return scene;
}

static void tear_down(struct scene *scene)
{
	handoff_free(scene->handoff);
	handoff_free(NULL);
	crew_free(scene->crew);
	lw_loop_free(scene->loop);
	free(scene);
}

static bool put(struct scene *scene, uint32_t number)
{
	const struct lw_offload offload = { .gso_size = (uint16_t)(number % 1000) };
	const struct lw_packet packet = {
		.data = scene->data,
		.length = length_of(number),
		.layer = LW_LAYER_ETHERNET,
		.ether_type = 0x88b5,
		.direction = LW_DIRECTION_INBOUND,
		.offload = number & 1 ? &offload : NULL,
	};

	memcpy(scene->data, &number, sizeof(number));
	scene->data[packet.length - 1] = (uint8_t)number;
	return handoff_put(scene->handoff, 1, &scene->there, &packet, mark_of(number));
}

static void put__there_and_back__comes_whole_and_in_order(void **state)
{
	struct scene *scene = set_up();

	(void)state;
	for (uint32_t n = 0; n < SENT || scene->here.next < SENT;) {
		/* At most half a ring is on its way, so that none is refused on the way back. */
		while (n < SENT && n < scene->here.next + 100 && put(scene, n))
			n++;
		handoff_flush(scene->handoff);
		assert_true(lw_loop_dispatch(scene->loop) >= 0);
	}
	assert_int_equal(scene->here.wrong, 0);
	assert_int_equal(scene->there.next, SENT);
	assert_int_equal(scene->there.wrong, 0);
	assert_true(scene->batches > 0);
	tear_down(scene);
}

static void put__consumer_held__is_refused_when_the_ring_is_full(void **state)
{
	struct scene *scene = set_up();
	uint32_t n = 0;

	(void)state;
	crew_hold(scene->crew);
	while (put(scene, n))
		n++;
	handoff_flush(scene->handoff);
	/* What is sent between is short: at the end of the ring one of the long ones may be lost. */
	assert_in_range(n, HANDOFF_BYTES / 2200, HANDOFF_BYTES / 1000);
	assert_int_equal(scene->there.next, 0);
	crew_release(scene->crew);
	while (scene->here.next < n)
		assert_true(lw_loop_dispatch(scene->loop) >= 0);
	assert_int_equal(scene->there.wrong, 0);
	assert_int_equal(scene->here.wrong, 0);
	assert_true(put(scene, n));
	tear_down(scene);
}

static void put__longer_than_any_packet__is_refused(void **state)
{
	struct scene *scene = set_up();
	const struct lw_packet packet = { .data = scene->data, .length = LW_PACKET_MAX + 1 };

	(void)state;
	assert_false(handoff_put(scene->handoff, 1, &scene->there, &packet, 0));
	tear_down(scene);
}

static void forget__target__gets_nothing_of_what_waits(void **state)
{
	struct scene *scene = set_up();

	(void)state;
	crew_hold(scene->crew);
	for (uint32_t n = 0; n < 10; n++)
		assert_true(put(scene, n));
	handoff_forget(scene->handoff, &scene->there);
	handoff_forget(NULL, &scene->there);
	handoff_flush(scene->handoff);
	crew_release(scene->crew);
	assert_true(put(scene, 0));
	handoff_flush(scene->handoff);
	while (!scene->here.next)
		assert_true(lw_loop_dispatch(scene->loop) >= 0);
	crew_hold(scene->crew);
	assert_int_equal(scene->there.next, 1);
	assert_int_equal(scene->there.wrong, 0);
	crew_release(scene->crew);
	tear_down(scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(put__there_and_back__comes_whole_and_in_order),
		cmocka_unit_test(put__consumer_held__is_refused_when_the_ring_is_full),
		cmocka_unit_test(put__longer_than_any_packet__is_refused),
		cmocka_unit_test(forget__target__gets_nothing_of_what_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
