/* SPDX-License-Identifier: MIT */
/* The controller's view of Longwire's own tunnel: its errors, its history, its messages, sleep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/rig.h"

static struct lw_connection_incident incident_of(struct rig_client *client, size_t index)
{
	struct lw_connection_incident incident = { .size = sizeof(incident) };

	assert_true(lw_connection_incident(client->connection, index, &incident));
	return incident;
}

static struct lw_tunnel_status status_of(struct rig_client *client)
{
	struct lw_tunnel_status status = { .size = sizeof(status) };

	lw_tunnel_status(client->tunnel, &status);
	return status;
}

static bool is_reasserting(void *user)
{
	struct rig_client *client = user;

	return lw_connection_status(client->connection) == LW_STATUS_REASSERTING;
}

static void lost__and_back__date_stays_and_the_history_says_why(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	struct lw_connection_incident incident = { .size = sizeof(incident) };
	struct lw_error error;
	int64_t date;

	(void)state;
	rig_connect(a);
	date = lw_connection_connected_date(a->connection);
	assert_true(date > 0);
	assert_false(lw_connection_incident(a->connection, 0, &incident));
	rig_cut(a);
	assert_true(rig_until(rig, is_reasserting, a, 1000));
	assert_int_equal(lw_connection_connected_date(a->connection), date);
	assert_true(rig_until(rig, rig_is_up, a, 3000));
	assert_int_equal(lw_connection_connected_date(a->connection), date);
	incident = incident_of(a, 0);
	assert_false(incident.was_ending);
	assert_int_equal(incident.error.domain, LW_DOMAIN_CONNECTION);
	assert_int_equal(incident.error.code, LW_CONNECTION_ERROR_SERVER_DISCONNECTED);
	lw_connection_last_error(a->connection, &error);
	assert_int_equal(error.domain, LW_DOMAIN_NONE); /* nothing was disconnected */
	rig_free(rig);
}

static void refused__not_admitted__authentication_failed(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);

	(void)state;
	lw_hub_remove_peer(rig->hub, a->port);
	a->port = NULL;
	rig_start(a);
	rig_pass(rig, 2000);
	assert_int_equal(incident_of(a, 0).error.code, LW_CONNECTION_ERROR_AUTHENTICATION_FAILED);
	rig_free(rig);
}

static void slept__longer_than_the_hub_waits__overslept_and_back(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);

	(void)state;
	rig_connect(a);
	rig_pass(rig, 1000);
	rig->now_ns += UINT64_C(3600) * 1000000000;
	assert_true(rig_until(rig, is_reasserting, a, 1000));
	assert_int_equal(incident_of(a, 0).error.code, LW_CONNECTION_ERROR_OVERSLEPT);
	assert_true(rig_until(rig, rig_is_up, a, 3000));
	rig_free(rig);
}

/* A hub that admits and at once ends: each attempt comes later than the last, up to 2 s apart. */
static void flapping__sessions_that_do_not_last__are_not_redialled_at_once(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	unsigned dials;

	(void)state;
	rig_connect(a);
	dials = a->dials;
	for (uint64_t end = rig->now_ns + UINT64_C(30000000000); rig->now_ns < end;) {
		if (rig_is_up(a))
			rig_cut(a);
		rig_pass(rig, 10);
	}
	assert_in_range(a->dials - dials, 15, 40);
	/* One that lasts is forgiven. */
	assert_true(rig_until(rig, rig_is_up, a, 3000));
	rig_pass(rig, 10500);
	rig_cut(a);
	assert_true(rig_until(rig, is_reasserting, a, 1000));
	assert_true(status_of(a).retry_ms <= 200);
	rig_free(rig);
}

/* ---- messages */

static char answer[80];
static int n_answers;

static void answered(const void *data, size_t length, void *user)
{
	(void)user;
	assert_true(length < sizeof(answer));
	memcpy(answer, data, length);
	answer[length] = '\0';
	n_answers++;
}

static const char *ask(struct rig_client *client, const char *text)
{
	n_answers = 0;
	assert_int_equal(lw_connection_send_message(client->connection, text, strlen(text),
						    answered, NULL),
			 0);
	rig_settle(client->rig);
	assert_int_equal(n_answers, 1);
	return answer;
}

static void message__reconnect__by_state_of_the_link(void **state)
{
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);
	unsigned dials;

	(void)state;
	rig_connect(a);
	assert_int_equal(status_of(a).connects, 1);
	assert_string_equal(ask(a, "reconnect"), "connecting anew");
	assert_true(rig_until(rig, is_reasserting, a, 100));
	assert_true(rig_until(rig, rig_is_up, a, 3000));
	assert_int_equal(status_of(a).connects, 2);
	a->is_unreachable = true;
	rig_cut(a);
	rig_pass(rig, 20000);
	while (status_of(a).retry_ms < 500)
		rig_pass(rig, 10);
	dials = a->dials;
	a->is_unreachable = false;
	assert_string_equal(ask(a, "reconnect"), "connecting now");
	rig_pass(rig, 10);
	assert_int_equal(a->dials, dials + 1);
	assert_true(rig_until(rig, rig_is_up, a, 200));
	rig_free(rig);
}

static void message__unknown__told_what_there_is(void **state)
{
	static const char *const texts[] = { "", "reconnec", "reconnectt", "status" };
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, NULL);

	(void)state;
	rig_connect(a);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_string_equal(ask(a, texts[i]), "unknown message; known is reconnect");
	assert_true(rig_is_up(a));
	rig_free(rig);
}

static void message__tunnel_that_connects_once__stays(void **state)
{
	const struct lw_tunnel_options once = { .size = sizeof(once), .once = true };
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, true);
	struct rig_client *a = rig_add(rig, "a", NULL, &once);

	(void)state;
	rig_connect(a);
	assert_non_null(strstr(ask(a, "reconnect"), "once"));
	assert_true(rig_is_up(a));
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lost__and_back__date_stays_and_the_history_says_why),
		cmocka_unit_test(refused__not_admitted__authentication_failed),
		cmocka_unit_test(slept__longer_than_the_hub_waits__overslept_and_back),
		cmocka_unit_test(flapping__sessions_that_do_not_last__are_not_redialled_at_once),
		cmocka_unit_test(message__reconnect__by_state_of_the_link),
		cmocka_unit_test(message__unknown__told_what_there_is),
		cmocka_unit_test(message__tunnel_that_connects_once__stays),
	};

	return cmocka_run_group_tests_name("component/connection", tests, NULL, NULL);
}
