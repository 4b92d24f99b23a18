/* SPDX-License-Identifier: MIT */
/* Death, return, refusal and replacement, told to those whom they concern. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "support/rig.h"

static bool is_reasserting(void *user)
{
	struct rig_client *client = user;

	return lw_connection_status(client->connection) == LW_STATUS_REASSERTING;
}

static bool is_port_down(void *user)
{
	struct lw_port_status status = { .size = sizeof(status) };

	lw_port_status(((struct rig_client *)user)->port, &status);
	return !status.connected;
}

static void assert_carries(struct rig_client *client)
{
	uint8_t frame[80];
	size_t length = rig_frame(frame, 0xff, 1, 0x88b6, 60);

	rig_forget(&client->rig->host);
	rig_write(&client->host, frame, length);
	rig_pass(client->rig, 50);
	assert_int_equal(rig_count(&client->rig->host, frame, length), 1);
}

static void black_hole(bool up, bool down)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	uint64_t begin;

	rig_connect(a);
	rig_pass(rig, 5000);
	assert_true(rig_is_up(a));
	a->is_black_hole_up = up;
	a->is_black_hole_down = down;
	begin = rig->now_ns;
	assert_true(rig_until(rig, is_reasserting, a, 11500));
	assert_true(rig_until(rig, is_port_down, a, 1000));
	assert_in_range((rig->now_ns - begin) / 1000000, 6000, 13500);
	a->is_black_hole_up = a->is_black_hole_down = false;
	assert_true(rig_until(rig, rig_is_up, a, 13000));
	assert_carries(a);
	rig_free(rig);
}

static void black_hole__both_ways__is_noticed_within_ten_seconds(void **state)
{
	(void)state;
	black_hole(true, true);
}

static void black_hole__towards_hub__is_noticed_by_both(void **state)
{
	(void)state;
	black_hole(true, false);
}

static void black_hole__towards_client__is_noticed_by_both(void **state)
{
	(void)state;
	black_hole(false, true);
}

static void idle__for_an_hour__stays_one_session(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	struct lw_tunnel_status status = { .size = sizeof(status) };

	(void)state;
	rig_connect(a);
	rig_pass(rig, 3600 * 1000);
	lw_tunnel_status(a->tunnel, &status);
	assert_int_equal(status.connects, 1);
	assert_int_equal(status.link, LW_LINK_UP);
	assert_carries(a);
	rig_free(rig);
}

static void connection__cut__comes_back_and_keeps_its_date(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	struct lw_tunnel_status status = { .size = sizeof(status) };
	int64_t date;

	(void)state;
	rig_connect(a);
	date = lw_connection_connected_date(a->connection);
	assert_true(date > 0);
	rig_cut(a);
	assert_true(rig_until(rig, is_reasserting, a, 100));
	assert_int_equal(lw_connection_connected_date(a->connection), date);
	assert_true(rig_until(rig, rig_is_up, a, 1000));
	lw_tunnel_status(a->tunnel, &status);
	assert_int_equal(status.connects, 2);
	assert_int_equal(lw_connection_connected_date(a->connection), date);
	assert_carries(a);
	rig_free(rig);
}

static void hub__restarted_after_three_seconds__has_a_hundred_back_in_three(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	char name[16];
	uint64_t back;

	(void)state;
	for (int i = 0; i < 100; i++) {
		snprintf(name, sizeof(name), "client-%d", i);
		rig_start(rig_add(rig, name, NULL, NULL));
	}
	for (size_t i = 0; i < rig->n; i++)
		assert_true(rig_until(rig, rig_is_up, &rig->clients[i], 5000));
	rig_hub_kill(rig);
	rig_pass(rig, 3000);
	for (size_t i = 0; i < rig->n; i++)
		assert_true(is_reasserting(&rig->clients[i]));
	rig_hub_start(rig);
	back = rig->now_ns;
	for (size_t i = 0; i < rig->n; i++)
		assert_true(rig_until(rig, rig_is_up, &rig->clients[i], 3000));
	assert_true(rig->now_ns - back < UINT64_C(3000000000));
	assert_carries(&rig->clients[42]);
	rig_free(rig);
}

static void hub__stops__says_goodbye(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	struct lw_tunnel_status status = { .size = sizeof(status) };

	(void)state;
	rig_connect(a);
	lw_hub_stop(rig->hub, NULL, NULL);
	assert_true(rig_until(rig, is_reasserting, a, 200));
	lw_tunnel_status(a->tunnel, &status);
	assert_non_null(strstr(status.last_failure, "the hub is shutting down"));
	rig_free(rig);
}

static void hub__other_key__is_refused_before_anything_is_sent(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	static const char *const wrong[] = { "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };
	const struct lw_tunnel_options options = { .pins = wrong, .n_pins = 1 };
	struct rig_client *a = rig_add(rig, "a", NULL, &options);
	struct lw_tunnel_status status = { .size = sizeof(status) };
	char pin[PIN_TEXT_SIZE];

	(void)state;
	rig_start(a);
	rig_pass(rig, 29000);
	assert_int_equal(a->dials, 1); /* refused: thirty seconds at least */
	assert_false(rig_is_up(a));
	lw_tunnel_status(a->tunnel, &status);
	assert_non_null(strstr(status.last_failure, pin_format(&rig->hub_pin, pin)));
	rig_pass(rig, 17000);
	assert_int_equal(a->dials, 2);
	rig_free(rig);
}

static void client__unknown_key__is_told_and_backs_off(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	struct lw_tunnel_status status = { .size = sizeof(status) };
	struct lw_hub_status hub = { .size = sizeof(hub) };
	char pin[PIN_TEXT_SIZE];

	(void)state;
	lw_hub_remove_peer(rig->hub, a->port);
	rig_start(a);
	rig_pass(rig, 29000);
	assert_int_equal(a->dials, 1);
	assert_int_equal(a->n_statuses >= 2 ? a->statuses[1] : 0, LW_STATUS_CONNECTING);
	assert_false(rig_is_up(a));
	lw_tunnel_status(a->tunnel, &status);
	assert_non_null(strstr(status.last_failure, "refused"));
	lw_hub_status(rig->hub, &hub);
	assert_int_equal(hub.handshakes_refused, 1);
	assert_int_equal(hub.handshakes_accepted, 0);
	assert_non_null(strstr(hub.last_refusal, pin_format(&a->pin, pin)));
	rig_free(rig);
}

static void client__removed_while_connected__is_told(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	struct lw_tunnel_status status = { .size = sizeof(status) };

	(void)state;
	rig_connect(a);
	lw_hub_remove_peer(rig->hub, a->port);
	assert_true(rig_until(rig, is_reasserting, a, 200));
	lw_tunnel_status(a->tunnel, &status);
	assert_non_null(strstr(status.last_failure, "no longer configured"));
	assert_true(status.retry_ms >= 29000);
	rig_free(rig);
}

static void identity__connects_again__newest_wins(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	struct rig_wire old;
	struct lw_port_status status = { .size = sizeof(status) };

	(void)state;
	rig_connect(a);
	/* The client's end dies; the hub's stays open, as after a change of address. */
	loop_remove(&a->wire->a);
	loop_remove(&a->wire->b);
	old = *a->wire;
	a->wire->is_live = false;
	close(old.a.fd);
	assert_true(rig_until(rig, is_reasserting, a, 200));
	assert_true(rig_until(rig, rig_is_up, a, 2000));
	lw_port_status(a->port, &status);
	assert_int_equal(status.sessions, 2);
	assert_non_null(strstr(status.address, "unix"));
	assert_carries(a);
	close(old.b.fd);
	rig_free(rig);
}

static void layer__differs__is_said_with_both(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	const struct lw_tunnel_options options = { .layer = LW_LAYER_IP };
	struct lw_tunnel_status status = { .size = sizeof(status) };
	struct rig_client *b;

	(void)state;
	rig->layer = LW_LAYER_IP;
	b = rig_add(rig, "b", NULL, &options);
	rig_start(b);
	rig_pass(rig, 2000);
	lw_tunnel_status(b->tunnel, &status);
	assert_non_null(strstr(status.last_failure, "IP packets"));
	assert_non_null(strstr(status.last_failure, "Ethernet frames"));
	rig->layer = LW_LAYER_ETHERNET;
	rig_connect(a);
	rig_free(rig);
}

static void start__hub_unreachable__goes_on_until_it_is_there(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);

	(void)state;
	a->is_unreachable = true;
	rig_start(a);
	rig_pass(rig, 60000);
	assert_true(a->dials >= 30);
	assert_int_equal(lw_connection_status(a->connection), LW_STATUS_CONNECTING);
	a->is_unreachable = false;
	assert_true(rig_until(rig, rig_is_up, a, 2500));
	rig_free(rig);
}

static void start__once__fails_with_the_reason(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	const struct lw_tunnel_options options = { .once = true };
	struct rig_client *a = rig_add(rig, "a", NULL, &options);
	struct lw_error error;

	(void)state;
	a->is_unreachable = true;
	rig_start(a);
	assert_true(rig_until(rig, rig_is_down, a, 100));
	lw_connection_last_error(a->connection, &error);
	assert_int_equal(error.domain, LW_DOMAIN_CONNECTION);
	assert_int_equal(error.code, LW_CONNECTION_ERROR_SERVER_NOT_RESPONDING);
	assert_non_null(strstr(error.text, "no connection to the hub"));
	rig_free(rig);
}

static void stop__while_connecting__ends_at_once(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);

	(void)state;
	a->is_unreachable = true;
	rig_start(a);
	rig_pass(rig, 500);
	assert_int_equal(lw_connection_stop(a->connection, LW_STOP_USER_INITIATED), 1);
	assert_true(rig_until(rig, rig_is_down, a, 500));
	assert_int_equal(lw_connection_stop(a->connection, LW_STOP_USER_INITIATED), 0);
	a->is_unreachable = false;
	rig_connect(a); /* and again from the beginning */
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(black_hole__both_ways__is_noticed_within_ten_seconds),
		cmocka_unit_test(black_hole__towards_hub__is_noticed_by_both),
		cmocka_unit_test(black_hole__towards_client__is_noticed_by_both),
		cmocka_unit_test(idle__for_an_hour__stays_one_session),
		cmocka_unit_test(connection__cut__comes_back_and_keeps_its_date),
		cmocka_unit_test(hub__restarted_after_three_seconds__has_a_hundred_back_in_three),
		cmocka_unit_test(hub__stops__says_goodbye),
		cmocka_unit_test(hub__other_key__is_refused_before_anything_is_sent),
		cmocka_unit_test(client__unknown_key__is_told_and_backs_off),
		cmocka_unit_test(client__removed_while_connected__is_told),
		cmocka_unit_test(identity__connects_again__newest_wins),
		cmocka_unit_test(layer__differs__is_said_with_both),
		cmocka_unit_test(start__hub_unreachable__goes_on_until_it_is_there),
		cmocka_unit_test(start__once__fails_with_the_reason),
		cmocka_unit_test(stop__while_connecting__ends_at_once),
	};

	return cmocka_run_group_tests_name("component/liveness", tests, NULL, NULL);
}
