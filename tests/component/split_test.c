/* SPDX-License-Identifier: MIT */
/* A stream cut at every byte, and one that is not what was sent. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/rig.h"

static void exchange(struct rig_client *a)
{
	struct rig *rig = a->rig;
	uint8_t frame[1514];

	rig_forget(&rig->host);
	rig_forget(&a->host);
	for (uint8_t i = 1; i <= 3; i++) {
		size_t length = rig_frame(frame, 0xff, i, 0x88b5, (size_t)i * 500);

		rig_write(&a->host, frame, length);
		rig_pass(rig, 30);
		assert_int_equal(rig_count(&rig->host, frame, length), 1);
		length = rig_frame(frame, i, 100, 0x88b5, (size_t)i * 499);
		rig_write(&rig->host, frame, length);
		rig_pass(rig, 30);
		assert_int_equal(rig_count(&a->host, frame, length), 1);
	}
}

static void stream__in_pieces_of_any_size__is_the_same(void **state)
{
	static const size_t chunks[] = { 1,  2,  3,  4,  5,   6,    7,    13,
					 16, 17, 31, 64, 255, 1000, 1448, 4096 };

	(void)state;
	for (size_t i = 0; i < sizeof(chunks) / sizeof(*chunks); i++) {
		struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
		struct rig_client *a = rig_add(rig, "a", NULL, NULL);

		a->chunk = chunks[i];
		rig_connect(a);
		exchange(a);
		rig_free(rig);
	}
}

static bool is_back(void *user)
{
	struct rig_client *client = user;
	struct lw_tunnel_status status = { .size = sizeof(status) };

	lw_tunnel_status(client->tunnel, &status);
	return client->dials >= 2 && rig_is_up(client);
}

/*
 * One bit differs, somewhere in the handshake or behind it: nothing that was not sent is ever
 * delivered, the client comes back by itself, and what it then carries is right.
 */
static void byte__corrupted_anywhere__delivers_nothing_false(void **state)
{
	(void)state;
	for (uint64_t at = 1; at < 2600; at += at < 40 ? 1 : 61) {
		struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
		struct rig_client *a = rig_add(rig, "a", NULL, NULL);
		uint8_t frame[600];
		size_t length = rig_frame(frame, 0xff, 1, 0x88b5, 500);

		a->flip_at = at;
		rig_start(a);
		(void)rig_until(rig, rig_is_up, a, 2000);
		for (int i = 0; i < 4; i++) {
			rig_write(&a->host, frame, length);
			rig_pass(rig, 20);
		}
		assert_int_equal(rig_count(&rig->host, frame, length), rig->host.n);
		/* A refused handshake waits its thirty seconds; a corrupted length may wait for the
		 * deadline. */
		if (!a->flip_at)
			assert_true(rig_until(rig, is_back, a, 60000));
		exchange(a);
		rig_free(rig);
	}
}

static void wire__cut_after_every_byte__is_survived(void **state)
{
	(void)state;
	for (uint64_t at = 0; at < 2600; at += at < 20 ? 1 : 97) {
		struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
		struct rig_client *a = rig_add(rig, "a", NULL, NULL);

		a->chunk = 16;
		rig_start(a);
		while (a->passed_up <= at && !rig_is_up(a)) {
			rig->now_ns += 1000000;
			if (lw_loop_dispatch(rig->loop) < 0)
				fail();
		}
		rig_cut(a);
		a->chunk = 0;
		rig_pass(rig, 20);
		assert_true(rig_until(rig, rig_is_up, a, 5000));
		exchange(a);
		rig_free(rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stream__in_pieces_of_any_size__is_the_same),
		cmocka_unit_test(byte__corrupted_anywhere__delivers_nothing_false),
		cmocka_unit_test(wire__cut_after_every_byte__is_survived),
	};

	return cmocka_run_group_tests_name("component/split", tests, NULL, NULL);
}
