/* SPDX-License-Identifier: MIT */
/*
 * One tunnel by several connections, and by several workers: whatever happens, a flow keeps its
 * order, and nothing comes twice.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "support/hostile.h"
#include "support/rig.h"
#include "tunnel/client.h"
#include "tunnel/hub_internal.h"

enum { FLOWS = 32, TYPE = 0x6000, UP = 0, DOWN = 1, WAYS = 2 };

struct line {
	struct rig *rig;
	struct rig_client *a;
	uint32_t sent[WAYS][FLOWS];
	unsigned dials;
};

static struct lw_tunnel_status status_of(const struct line *line)
{
	struct lw_tunnel_status status = { .size = sizeof(status) };

	lw_tunnel_status(line->a->tunnel, &status);
	return status;
}

static struct lw_port_status port_of(const struct line *line)
{
	struct lw_port_status status = { .size = sizeof(status) };

	lw_port_status(line->a->port, &status);
	return status;
}

static struct rig_host *far_end(const struct line *line, int way)
{
	return way == UP ? &line->rig->host : &line->a->host;
}

/* Frame number so and so of a flow, which has an EtherType and a queue of its own. */
static void send_one(struct line *line, int way, unsigned flow)
{
	struct rig_host *from = far_end(line, !way);
	uint32_t number = line->sent[way][flow];
	uint8_t frame[1514];
	size_t length = rig_frame(frame, way == UP ? 100 : 1, way == UP ? 1 : 100,
				  (uint16_t)(TYPE + flow), 50 + number % 1400);

	store_be32(frame + 14, number);
	if (rig_write_queue(from, (uint16_t)(flow % line->rig->workers), frame, length))
		line->sent[way][flow]++;
}

static void send_all(struct line *line, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++)
		for (unsigned flow = 0; flow < FLOWS; flow++)
			for (int way = 0; way < WAYS; way++)
				send_one(line, way, flow);
}

/* Return: how many came; each flow in its order, none twice. */
static size_t check_order(const struct line *line, int way)
{
	const struct rig_host *host = far_end(line, way);
	int64_t last[FLOWS];
	size_t n = 0;

	memset(last, 0xff, sizeof(last));
	for (size_t i = 0; i < host->n; i++) {
		unsigned flow = load_be16(host->frames[i] + 12) - TYPE;
		int64_t number = load_be32(host->frames[i] + 14);

		if (flow >= FLOWS)
			continue;
		if (number <= last[flow] || number >= line->sent[way][flow])
			fail_msg("flow %u: %lld after %lld", flow, (long long)number,
				 (long long)last[flow]);
		last[flow] = number;
		n++;
	}
	return n;
}

static size_t sent(const struct line *line, int way)
{
	size_t n = 0;

	for (unsigned flow = 0; flow < FLOWS; flow++)
		n += line->sent[way][flow];
	return n;
}

static bool has_all_come(void *user)
{
	const struct line *line = user;

	for (int way = 0; way < WAYS; way++) {
		const struct rig_host *host = far_end(line, way);
		size_t n = 0;

		for (size_t i = 0; i < host->n; i++)
			n += load_be16(host->frames[i] + 12) - TYPE < FLOWS;
		if (n < sent(line, way))
			return false;
	}
	return true;
}

static void forget(struct line *line)
{
	rig_forget(&line->a->host);
	rig_forget(&line->rig->host);
	memset(line->sent, 0, sizeof(line->sent));
}

/* Both hosts are known, as ARP makes it. */
static bool is_introduced(void *user)
{
	struct line *line = user;
	uint8_t frame[64];

	if (port_of(line).macs && line->rig->host.n && line->a->host.n)
		return true;
	rig_write(&line->a->host, frame, rig_frame(frame, 0xff, 1, 0x88b5, 46));
	rig_write(&line->rig->host, frame, rig_frame(frame, 0xff, 100, 0x88b5, 46));
	return false;
}

static bool has_all_streams(void *user)
{
	const struct line *line = user;
	struct lw_tunnel_status here = status_of(line);
	struct lw_port_status there = port_of(line);

	return here.link == LW_LINK_UP && here.streams_up == here.streams && here.streams &&
	       there.streams_up == here.streams;
}

static struct line line_new(uint32_t workers, uint32_t streams, uint32_t granted)
{
	const struct lw_tunnel_options options = { .workers = workers, .streams = streams };
	const struct lw_peer_options peer = { .behind = LW_BEHIND_LAN };
	struct line line = { .rig = rig_new_wide(LW_LAYER_ETHERNET, workers, granted) };

	line.a = rig_add(line.rig, "a", &peer, &options);
	line.a->keeps_wires = true;
	line.a->n_wires = RIG_WIRES_MAX;
	rig_connect(line.a);
	assert_true(rig_until(line.rig, has_all_streams, &line, 5000));
	assert_true(rig_until(line.rig, is_introduced, &line, 5000));
	rig_pass(line.rig, workers > 1 ? 20 : 500);
	forget(&line);
	return line;
}

static void line_free(struct line *line)
{
	rig_free(line->rig);
}

static uint64_t drops_of(const struct line *line, enum lw_drop reason)
{
	return port_of(line).drops[reason] + status_of(line).drops[reason];
}

/* ---- one worker, a clock that stands still */

static void streams__numbers__are_agreed_on_and_all_are_used(void **state)
{
	static const struct {
		uint32_t wanted, granted, streams;
	} rows[] = { { 1, 1, 1 }, { 1, 8, 1 }, { 8, 1, 1 }, { 2, 2, 2 },
		     { 4, 8, 4 }, { 8, 4, 4 }, { 8, 8, 8 } };

	uint64_t here[STREAMS_MAX], there[STREAMS_MAX];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct line line = line_new(1, rows[i].wanted, rows[i].granted);

		assert_int_equal(status_of(&line).streams, rows[i].streams);
		assert_int_equal(port_of(&line).streams, rows[i].streams);
		assert_int_equal(line.a->dials, rows[i].streams);
		assert_int_equal(status_of(&line).connects, 1);
		assert_int_equal(port_of(&line).sessions, 1);
		for (uint32_t k = 0; k < rows[i].streams; k++) {
			here[k] = line.a->tunnel->bundle.members[k]->stream.sent_bytes;
			there[k] = line.a->port->bundle.members[k]->stream.sent_bytes;
		}
		send_all(&line, 10);
		assert_true(rig_until(line.rig, has_all_come, &line, 1000));
		assert_int_equal(check_order(&line, UP), sent(&line, UP));
		assert_int_equal(check_order(&line, DOWN), sent(&line, DOWN));
		for (uint32_t k = 0; k < rows[i].streams; k++) {
			here[k] = line.a->tunnel->bundle.members[k]->stream.sent_bytes - here[k];
			there[k] = line.a->port->bundle.members[k]->stream.sent_bytes - there[k];
			/* A flow at least, and the same flows both ways. */
			assert_true(here[k] > 10 * 60);
			assert_in_range(there[k], here[k] * 9 / 10, here[k] * 11 / 10);
		}
		line_free(&line);
	}
}

static bool has_dialed_again(void *user)
{
	const struct line *line = user;

	return line->a->dials > line->dials && has_all_streams(user);
}

static struct rig_wire *wire_of(struct line *line, uint32_t index)
{
	/* They were dialed in this order. */
	return &line->a->wires[index];
}

static void stream__cut__is_opened_again_and_its_flows_wait(void **state)
{
	struct line line = line_new(1, 4, 4);
	size_t came;

	(void)state;
	for (uint32_t index = 1; index < 4; index++) {
		forget(&line);
		send_all(&line, 3);
		rig_cut_wire(wire_of(&line, index));
		send_all(&line, 3);
		line.dials = line.a->dials;
		assert_true(rig_until(line.rig, has_dialed_again, &line, 3000));
		came = check_order(&line, UP);
		assert_in_range(came, 1, sent(&line, UP) - 1);
		assert_in_range(check_order(&line, DOWN), 1, sent(&line, DOWN) - 1);
		forget(&line);
		send_all(&line, 3);
		assert_true(rig_until(line.rig, has_all_come, &line, 1000));
		check_order(&line, UP);
		check_order(&line, DOWN);
	}
	assert_int_equal(status_of(&line).connects, 1);
	assert_int_equal(port_of(&line).sessions, 1);
	assert_int_equal(line.a->dials, 7);
	line_free(&line);
}

static bool has_connected_again(void *user)
{
	return status_of(user).connects == 2 && has_all_streams(user);
}

static void stream__first_cut__begins_all_of_them_anew(void **state)
{
	struct line line = line_new(1, 4, 4);

	(void)state;
	send_all(&line, 3);
	rig_cut_wire(wire_of(&line, 0));
	send_all(&line, 3);
	assert_true(rig_until(line.rig, has_connected_again, &line, 5000));
	check_order(&line, UP);
	check_order(&line, DOWN);
	assert_int_equal(port_of(&line).sessions, 2);
	forget(&line);
	assert_true(rig_until(line.rig, is_introduced, &line, 1000));
	forget(&line);
	send_all(&line, 5);
	assert_true(rig_until(line.rig, has_all_come, &line, 1000));
	line_free(&line);
}

static void stream__cannot_be_opened_again__fewer_carry_everything(void **state)
{
	struct line line = line_new(1, 4, 4);
	uint64_t dropped;

	(void)state;
	line.a->is_unreachable = true;
	rig_cut_wire(wire_of(&line, 2));
	rig_pass(line.rig, BUNDLE_AWAY_MS - 1000);
	assert_int_equal(status_of(&line).streams_up, 3);
	assert_true(rig_is_up(line.a));
	send_all(&line, 4);
	rig_pass(line.rig, 100);
	/* Each is counted, and the others came. */
	dropped = drops_of(&line, LW_DROP_PORT_DOWN);
	assert_true(dropped > 0);
	assert_int_equal(check_order(&line, UP) + check_order(&line, DOWN) + dropped,
			 sent(&line, UP) + sent(&line, DOWN));
	rig_pass(line.rig, 2000);
	assert_int_equal(status_of(&line).streams, 0);
	line.a->is_unreachable = false;
	assert_true(rig_until(line.rig, has_connected_again, &line, 10000));
	assert_int_equal(status_of(&line).streams, 3);
	assert_true(rig_until(line.rig, is_introduced, &line, 1000));
	forget(&line);
	send_all(&line, 5);
	assert_true(rig_until(line.rig, has_all_come, &line, 1000));
	line_free(&line);
}

static bool is_away(void *user)
{
	return !rig_is_up(user);
}

static void hub__killed__all_come_back(void **state)
{
	struct line line = line_new(1, 3, 3);

	(void)state;
	rig_hub_kill(line.rig);
	assert_true(rig_until(line.rig, is_away, line.a, 1000));
	rig_hub_start(line.rig);
	assert_true(rig_until(line.rig, has_connected_again, &line, 10000));
	line_free(&line);
}

static bool is_down(void *user)
{
	return rig_is_down(user);
}

static void client__stopped__leaves_nothing(void **state)
{
	struct line line = line_new(1, 4, 4);

	(void)state;
	lw_connection_stop(line.a->connection, LW_STOP_USER_INITIATED);
	assert_true(rig_until(line.rig, is_down, line.a, 2000));
	rig_pass(line.rig, 2000);
	assert_int_equal(port_of(&line).streams, 0);
	assert_false(port_of(&line).connected);
	assert_true(list_is_empty(&line.rig->hub->sessions));
	rig_connect(line.a);
	assert_true(rig_until(line.rig, has_all_streams, &line, 1000));
	line_free(&line);
}

/* A further stream whose key cannot be renewed in place: all numbers come, in order. */
static void stream__worn__is_succeeded_without_loss(void **state)
{
	struct line line = line_new(1, 3, 3);
	struct session *here = line.a->tunnel->bundle.members[2];
	struct session *there = line.a->port->bundle.members[2];

	(void)state;
	here->stream.may_update = there->stream.may_update = false;
	record_sealer_set_limits(here->stream.sealer, 1, UINT32_MAX);
	for (unsigned i = 0; i < 100; i++) {
		send_all(&line, 1);
		rig_pass(line.rig, 40);
	}
	assert_true(rig_until(line.rig, has_all_come, &line, 1000));
	assert_int_equal(check_order(&line, UP), sent(&line, UP));
	assert_int_equal(check_order(&line, DOWN), sent(&line, DOWN));
	assert_ptr_not_equal(line.a->tunnel->bundle.members[2], here);
	assert_ptr_not_equal(line.a->port->bundle.members[2], there);
	assert_null(line.a->tunnel->bundle.members[2]->predecessor);
	assert_int_equal(status_of(&line).connects, 1);
	assert_int_equal(drops_of(&line, LW_DROP_PORT_DOWN), 0);
	line_free(&line);
}

/* id: of the session that it names; NULL: none. */
static void say_hello(struct hostile *peer, const uint8_t *id, uint32_t stream, uint32_t succeeds)
{
	struct hello hello = { .version = WIRE_VERSION,
			       .layer = LW_LAYER_ETHERNET,
			       .mtu = 1500,
			       .max_unit = UNIT_SIZE_MAX,
			       .rekey = WIRE_REKEY_STREAM,
			       .streams = 2,
			       .stream = stream,
			       .succeeds = succeeds,
			       .has_session = id != NULL };
	uint8_t body[UNIT_HELLO_MAX];

	if (id)
		memcpy(hello.session, id, sizeof(hello.session));
	hostile_unit(peer, UNIT_HELLO, body, (size_t)hello_encode(&hello, body, sizeof(body)));
}

/* With TLS 1.3 a client is done before the hub is. */
static bool is_admitted(void *user)
{
	const struct hostile *peer = user;
	struct lw_hub_status status = { .size = sizeof(status) };

	lw_hub_status(peer->rig->hub, &status);
	return peer->is_up && !status.handshakes_pending;
}

static struct hostile *connect_evil(struct rig *rig)
{
	struct hostile *peer = hostile_call(rig, "evil");

	hostile_begin(peer);
	hostile_wait(peer, is_admitted, peer);
	return peer;
}

/* With TLS 1.3 a client is done before the hub has its last message. */
static bool has_hub_accepted_three(void *user)
{
	struct lw_hub_status status = { .size = sizeof(status) };

	lw_hub_status(((struct rig *)user)->hub, &status);
	return status.handshakes_accepted == 3;
}

/* A further stream moves to its worker when its hello was read; in the same moment the first one's
 * goodbye, or another first one's hello, is read. */
static void stream__on_its_way_when_its_session_ends__belongs_to_nobody(void **state)
{
	static const uint8_t goodbye[] = "{\"code\":1,\"text\":\"\"}";

	(void)state;
	for (int is_replaced = 0; is_replaced < 2; is_replaced++) {
		struct rig *rig = rig_new_wide(LW_LAYER_ETHERNET, 2, 2);
		struct rig_client *evil = rig_add(rig, "evil", NULL, NULL);
		struct hostile *first = connect_evil(rig), *further, *other;
		struct lw_port_status status = { .size = sizeof(status) };
		uint8_t frame[64];

		say_hello(first, NULL, 0, 0);
		hostile_wait(first, hostile_has_hello, first);
		further = connect_evil(rig);
		other = connect_evil(rig);
		hostile_wait(other, has_hub_accepted_three, rig);
		say_hello(further, first->hello.session, 2, 0);
		if (is_replaced)
			say_hello(other, NULL, 0, 0);
		else
			hostile_unit(first, UNIT_GOODBYE, goodbye, sizeof(goodbye) - 1);
		hostile_wait(further, hostile_is_over, further);
		assert_int_equal(further->units[UNIT_HELLO], 0);
		assert_true(further->has_goodbye);
		rig_write(&rig->host, frame, rig_frame(frame, 0xff, 1, 0x88b5, 46));
		rig_pass(rig, 20);
		lw_port_status(evil->port, &status);
		assert_int_equal(status.streams, is_replaced ? 2 : 0);
		assert_int_equal(status.streams_up, is_replaced);
		assert_int_equal(status.drops[LW_DROP_PORT_DOWN], 1);
		hostile_free(first);
		hostile_free(further);
		hostile_free(other);
		rig_free(rig);
	}
}

static void bundle__hello_that_lies__is_refused_and_harms_nobody(void **state)
{
	struct line line = line_new(1, 2, 3);
	struct rig_client *b = rig_add(line.rig, "b", NULL, NULL);
	uint8_t id[SESSION_ID_SIZE], wrong[SESSION_ID_SIZE];
	const struct {
		const char *identity;
		const uint8_t *id;
		uint32_t stream, succeeds;
	} rows[] = {
		{ "a", id, 3, 0 },    /* two were agreed on */
		{ "a", id, 8, 0 },    /* beyond what is ever granted */
		{ "a", id, 1, 0 },    /* the first is there, and never opened again */
		{ "a", id, 0, 0 },    /* which one? */
		{ "a", id, 1, 2 },    /* succeeds another than it is */
		{ "a", id, 0, 3 },    /* succeeds one that is not there */
		{ "a", wrong, 2, 0 }, /* no such session */
		{ "a", wrong, 0, 1 }, { "a", NULL, 2, 0 }, /* no session named */
		{ "a", NULL, 0, 1 },  { "b", id, 2, 0 },   /* another peer's */
		{ "b", id, 0, 2 },
	};

	(void)state;
	rig_connect(b);
	memcpy(id, line.a->tunnel->bundle.id, sizeof(id));
	memcpy(wrong, id, sizeof(id));
	wrong[15] ^= 1;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct hostile *peer = hostile_call(line.rig, rows[i].identity);

		hostile_shake(peer);
		say_hello(peer, rows[i].id, rows[i].stream, rows[i].succeeds);
		hostile_settle(peer);
		if (!peer->has_goodbye || peer->goodbye.code != GOODBYE_PROTOCOL)
			fail_msg("row %zu is not refused", i);
		assert_int_equal(peer->units[UNIT_HELLO], 0);
		hostile_free(peer);
		rig_pass(line.rig, 100);
	}
	assert_true(has_all_streams(&line));
	assert_int_equal(status_of(&line).connects, 1);
	send_all(&line, 3);
	assert_true(rig_until(line.rig, has_all_come, &line, 1000));
	line_free(&line);
}

static void options__too_many__are_refused(void **state)
{
	char path[128], pin[PIN_TEXT_SIZE];
	struct rig *rig = rig_new(LW_LAYER_ETHERNET, false);
	const char *pins[] = { pin_format(&rig->hub_pin, pin) };
	struct lw_hub_options hub = { .size = sizeof(hub),
				      .layer = LW_LAYER_ETHERNET,
				      .identity_file = rig_identity(rig, "hub", path) };
	struct lw_tunnel_options tunnel = { .size = sizeof(tunnel),
					    .layer = LW_LAYER_ETHERNET,
					    .pins = pins,
					    .n_pins = 1,
					    .identity_file = rig_identity(rig, "hub", path) };
	struct lw_tunnel *made_tunnel;
	struct lw_hub *made_hub;
	struct lw_error error;

	(void)state;
	for (int i = 0; i < 2; i++) {
		hub.workers = tunnel.workers = i == 0 ? LW_WORKERS_MAX + 1 : 0;
		hub.streams = tunnel.streams = i == 1 ? LW_STREAMS_MAX + 1 : 0;
		assert_int_equal(lw_hub_new(rig->loop, &hub, &made_hub, &error), -EINVAL);
		assert_non_null(strstr(error.text, i ? "streams: 9" : "workers: 9"));
		assert_int_equal(lw_tunnel_new(&tunnel, &made_tunnel, &error), -EINVAL);
		assert_non_null(strstr(error.text, i ? "streams: 9" : "workers: 9"));
	}
	rig_free(rig);
}

/* ---- workers, on the real clock. Worth most under TSan. */

static void workers__under_load__no_flow_loses_its_order(void **state)
{
	static const uint32_t workers[] = { 2, 4 }, streams[] = { 1, 2, 4 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(workers) * ARRAY_SIZE(streams); i++) {
		struct line line = line_new(workers[i % 2], streams[i / 2], 4);

		for (unsigned k = 0; k < 20; k++) {
			send_all(&line, 5);
			rig_pass(line.rig, 1);
			assert_true(status_of(&line).rtt_us < 60000000);
		}
		assert_true(rig_until(line.rig, has_all_come, &line, 20000));
		assert_int_equal(check_order(&line, UP), sent(&line, UP));
		assert_int_equal(check_order(&line, DOWN), sent(&line, DOWN));
		line_free(&line);
	}
}

static void workers__streams_cut_under_load__order_and_no_repetition(void **state)
{
	struct line line = line_new(3, 3, 3);

	(void)state;
	for (unsigned round = 0; round < 12; round++) {
		send_all(&line, 4);
		rig_pass(line.rig, round % 3);
		rig_cut_wire(wire_of(&line, 1 + round % 2));
		send_all(&line, 4);
		assert_true(rig_until(line.rig, has_all_streams, &line, 10000));
	}
	check_order(&line, UP);
	check_order(&line, DOWN);
	assert_int_equal(status_of(&line).connects, 1);
	rig_cut(line.a);
	send_all(&line, 4);
	assert_true(rig_until(line.rig, has_connected_again, &line, 10000));
	check_order(&line, UP);
	check_order(&line, DOWN);
	line_free(&line);
}

static void workers__one_queue__is_enough(void **state)
{
	const struct lw_tunnel_options options = { .workers = 3, .streams = 3 };
	struct line line = { .rig = rig_new_wide(LW_LAYER_ETHERNET, 3, 3) };
	const struct lw_peer_options peer = { .behind = LW_BEHIND_LAN };

	(void)state;
	/* The client's device has one; the hub's three. */
	line.rig->workers = 1;
	line.a = rig_add(line.rig, "a", &peer, &options);
	line.a->keeps_wires = true;
	line.a->n_wires = RIG_WIRES_MAX;
	rig_connect(line.a);
	assert_true(rig_until(line.rig, is_introduced, &line, 5000));
	rig_pass(line.rig, 20);
	forget(&line);
	for (unsigned k = 0; k < 10; k++) {
		send_all(&line, 5);
		rig_pass(line.rig, 1);
	}
	assert_true(rig_until(line.rig, has_all_come, &line, 20000));
	check_order(&line, UP);
	check_order(&line, DOWN);
	line_free(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams__numbers__are_agreed_on_and_all_are_used),
		cmocka_unit_test(stream__cut__is_opened_again_and_its_flows_wait),
		cmocka_unit_test(stream__first_cut__begins_all_of_them_anew),
		cmocka_unit_test(stream__cannot_be_opened_again__fewer_carry_everything),
		cmocka_unit_test(hub__killed__all_come_back),
		cmocka_unit_test(client__stopped__leaves_nothing),
		cmocka_unit_test(stream__worn__is_succeeded_without_loss),
		cmocka_unit_test(stream__on_its_way_when_its_session_ends__belongs_to_nobody),
		cmocka_unit_test(bundle__hello_that_lies__is_refused_and_harms_nobody),
		cmocka_unit_test(options__too_many__are_refused),
		cmocka_unit_test(workers__under_load__no_flow_loses_its_order),
		cmocka_unit_test(workers__streams_cut_under_load__order_and_no_repetition),
		cmocka_unit_test(workers__one_queue__is_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
