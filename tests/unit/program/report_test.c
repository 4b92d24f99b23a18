/* SPDX-License-Identifier: MIT */
/* Reports: the keys that programs rely on, and what people see of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/tree.h"
#include "network/network.h"
#include "program/report.h"

static const struct network_link link_up = {
	.index = 7,
	.mtu = 1500,
	.mac = { 2, 0, 0, 0, 0, 1 },
	.is_up = true,
	.has_carrier = true,
	.master_name = "br0",
};

static const struct lw_hub_status hub_status = {
	.clients = 2,
	.connected = 1,
	.macs = 3,
	.workers = 4,
	.handshakes_accepted = 5,
	.handshakes_refused = 1,
	.last_refusal = "unknown key SHA256:x",
};

static void fill_ports(struct report_port ports[3])
{
	memset(ports, 0, 3 * sizeof(*ports));
	ports[0].status = (struct lw_port_status){
		.name = "lw0", .is_device = true, .connected = true, .behind = LW_BEHIND_LAN
	};
	ports[1].status = (struct lw_port_status){
		.name = "laptop",
		.connected = true,
		.behind = LW_BEHIND_HOST,
		.address = "192.0.2.7:4711",
		.tls = "TLSv1.2, AES-128-GCM",
		.since = 1000,
		.sessions = 2,
		.rtt_us = 1234,
		.streams = 4,
		.streams_up = 3,
		.macs = 3,
		.received_packets = 10,
		.received_bytes = 2500000,
		.sent_packets = 1,
		.sent_bytes = 60,
		.addresses = "10.86.0.2/32 fd86::2/128",
	};
	ports[1].status.drops[LW_DROP_QUEUE_FULL] = 12;
	ports[1].status.drops[LW_DROP_TOO_BIG] = 5;
	ports[1].received_rate = 125000;
	ports[2].status = (struct lw_port_status){ .name = "branch",
						   .behind = LW_BEHIND_LAN,
						   .last_end = "nothing heard" };
}

static struct tree *build_hub(struct report_port ports[3])
{
	static const struct report_capture captures[] = {
		{ "/a.pcap",
		  { .matched = 9, .written = 8, .dropped = 1, .stopped = true, .error = ENOSPC } },
	};
	const struct report report = {
		.name = "office",
		.kind = "hub",
		.state = "running",
		.layer = LW_LAYER_ETHERNET,
		.pid = 42,
		.started = 900,
		.interface_name = "lw0",
		.interface = &link_up,
		.hub = &hub_status,
		.ports = ports,
		.n_ports = 3,
		.captures = captures,
		.n_captures = 1,
		.key_log = { "/keys", 4, 2, ENOSPC },
	};
	struct tree *tree;

	fill_ports(ports);
	assert_int_equal(report_build(&report, &tree), 0);
	return tree;
}

static struct tree *build_tunnel(enum lw_error_domain domain)
{
	static struct lw_tunnel_status link = {
		.link = LW_LINK_WAITING,
		.hub = "192.0.2.1:8443",
		.retry_ms = 1500,
		.connects = 3,
		.workers = 2,
		.streams = 8,
		.streams_up = 7,
		.last_failure = "the same identity connected again",
		.refused_offers = "mtu 1400: not accepted",
	};
	const struct report_connection connection = {
		.status = LW_STATUS_REASSERTING,
		.connected_date = 950,
		.origin = LW_START_ON_DEMAND,
		.stop_reason = LW_STOP_SLEEP,
		.incidents = { { .date = 940,
				 .times = 3,
				 .error = { LW_DOMAIN_CONNECTION, 16, "goodbye" } },
			       { .date = 930,
				 .times = 1,
				 .was_ending = true,
				 .error = { LW_DOMAIN_SYSTEM, 2, "gone" } } },
		.n_incidents = 2,
		.last_error = { domain, 7, "the hub does not answer" },
	};
	static const char *const addresses[] = { "10.86.0.2/24" };
	const struct report report = {
		.name = "laptop",
		.kind = "tunnel",
		.state = "reasserting",
		.layer = LW_LAYER_IP,
		.pid = 43,
		.started = 900,
		.interface_name = "lw0",
		.addresses = addresses,
		.n_addresses = 1,
		.connection = &connection,
		.link = &link,
	};
	struct tree *tree;

	assert_int_equal(report_build(&report, &tree), 0);
	return tree;
}

/* The node at "ports.1.received.bytes". */
static const struct tree *at(const struct tree *tree, const char *path)
{
	char key[64];

	while (tree && *path) {
		size_t length = strcspn(path, ".");

		snprintf(key, sizeof(key), "%.*s", (int)length, path);
		if (tree->kind == TREE_LIST) {
			const struct tree *child = tree->first;

			for (int i = atoi(key); child && i > 0; i--)
				child = child->next;
			tree = child;
		} else {
			tree = tree_get(tree, key);
		}
		path += length + (path[length] == '.');
	}
	return tree;
}

struct expected {
	const char *path;
	enum tree_scalar scalar;
	const char *text;
};

static void assert_all(const struct tree *tree, const struct expected *expected, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct tree *node = at(tree, expected[i].path);

		if (!node)
			fail_msg("no %s", expected[i].path);
		if (node->scalar != expected[i].scalar)
			fail_msg("%s: another kind", expected[i].path);
		if (expected[i].text && strcmp(node->text, expected[i].text) != 0)
			fail_msg("%s: %s, not %s", expected[i].path, node->text, expected[i].text);
	}
}

static void report_build__hub__every_key(void **state)
{
	static const struct expected expected[] = {
		{ "name", TREE_TEXT, "office" },
		{ "kind", TREE_TEXT, "hub" },
		{ "layer", TREE_TEXT, "ethernet" },
		{ "version", TREE_TEXT, NULL },
		{ "pid", TREE_NUMBER, "42" },
		{ "state", TREE_TEXT, "running" },
		{ "started", TREE_NUMBER, "900" },
		{ "interface.name", TREE_TEXT, "lw0" },
		{ "interface.ethernet-address", TREE_TEXT, "02:00:00:00:00:01" },
		{ "interface.mtu", TREE_NUMBER, "1500" },
		{ "interface.up", TREE_BOOL, "true" },
		{ "interface.carrier", TREE_BOOL, "true" },
		{ "interface.bridge", TREE_TEXT, "br0" },
		{ "hub.clients", TREE_NUMBER, "2" },
		{ "hub.connected", TREE_NUMBER, "1" },
		{ "hub.macs", TREE_NUMBER, "3" },
		{ "hub.workers", TREE_NUMBER, "4" },
		{ "ports.1.streams", TREE_NUMBER, "4" },
		{ "ports.1.streams-up", TREE_NUMBER, "3" },
		{ "handshakes.accepted", TREE_NUMBER, "5" },
		{ "handshakes.refused", TREE_NUMBER, "1" },
		{ "handshakes.expired", TREE_NUMBER, "0" },
		{ "handshakes.pending", TREE_NUMBER, "0" },
		{ "handshakes.last-refusal", TREE_TEXT, "unknown key SHA256:x" },
		{ "ports.0.device", TREE_BOOL, "true" },
		{ "ports.1.name", TREE_TEXT, "laptop" },
		{ "ports.1.connected", TREE_BOOL, "true" },
		{ "ports.1.behind", TREE_TEXT, "host" },
		{ "ports.1.address", TREE_TEXT, "192.0.2.7:4711" },
		{ "ports.1.tls", TREE_TEXT, "TLSv1.2, AES-128-GCM" },
		{ "ports.1.since", TREE_NUMBER, "1000" },
		{ "ports.1.rtt-us", TREE_NUMBER, "1234" },
		{ "ports.1.macs", TREE_NUMBER, "3" },
		{ "ports.1.received.packets", TREE_NUMBER, "10" },
		{ "ports.1.received.bytes", TREE_NUMBER, "2500000" },
		{ "ports.1.received.bytes-per-second", TREE_NUMBER, "125000" },
		{ "ports.1.sent.bytes", TREE_NUMBER, "60" },
		{ "ports.1.drops.queue-full", TREE_NUMBER, "12" },
		{ "ports.1.drops.too-big", TREE_NUMBER, "5" },
		{ "ports.1.addresses.0", TREE_TEXT, "10.86.0.2/32" },
		{ "ports.1.addresses.1", TREE_TEXT, "fd86::2/128" },
		{ "ports.1.last-end", TREE_NULL, NULL },
		{ "ports.2.connected", TREE_BOOL, "false" },
		{ "ports.2.since", TREE_NULL, NULL },
		{ "ports.2.rtt-us", TREE_NULL, NULL },
		{ "ports.2.last-end", TREE_TEXT, "nothing heard" },
		{ "captures.0.file", TREE_TEXT, "/a.pcap" },
		{ "captures.0.matched", TREE_NUMBER, "9" },
		{ "captures.0.written", TREE_NUMBER, "8" },
		{ "captures.0.dropped", TREE_NUMBER, "1" },
		{ "captures.0.stopped", TREE_BOOL, "true" },
		{ "captures.0.error", TREE_TEXT, "No space left on device" },
		{ "key-log.file", TREE_TEXT, "/keys" },
		{ "key-log.lines", TREE_NUMBER, "4" },
		{ "key-log.failed", TREE_NUMBER, "2" },
		{ "key-log.error", TREE_TEXT, "No space left on device" },
	};
	struct report_port ports[3];
	struct tree *tree = build_hub(ports);

	(void)state;
	assert_all(tree, expected, ARRAY_SIZE(expected));
	assert_int_equal(at(tree, "ports")->n, 3);
	assert_int_equal(at(tree, "ports.1.drops")->n, 2);
	assert_null(at(tree, "connection"));
	assert_null(at(tree, "link"));
	tree_free(tree);
}

static void report_build__tunnel__every_key(void **state)
{
	static const struct expected expected[] = {
		{ "kind", TREE_TEXT, "tunnel" },
		{ "layer", TREE_TEXT, "ip" },
		{ "interface.name", TREE_TEXT, "lw0" },
		{ "interface.addresses.0", TREE_TEXT, "10.86.0.2/24" },
		{ "connection.status", TREE_TEXT, "reasserting" },
		{ "connection.connected-date", TREE_NUMBER, "950" },
		{ "connection.origin", TREE_TEXT, "on-demand" },
		{ "connection.stop-reason", TREE_TEXT, "sleep" },
		{ "connection.errors.0.date", TREE_NUMBER, "940" },
		{ "connection.errors.0.times", TREE_NUMBER, "3" },
		{ "connection.errors.0.ended", TREE_BOOL, "false" },
		{ "connection.errors.0.domain", TREE_TEXT, "connection" },
		{ "connection.errors.0.code", TREE_NUMBER, "16" },
		{ "connection.errors.0.text", TREE_TEXT, "goodbye" },
		{ "connection.errors.1.ended", TREE_BOOL, "true" },
		{ "connection.last-error.domain", TREE_TEXT, "connection" },
		{ "connection.last-error.code", TREE_NUMBER, "7" },
		{ "connection.last-error.text", TREE_TEXT, "the hub does not answer" },
		{ "link.state", TREE_TEXT, "waiting" },
		{ "link.hub", TREE_TEXT, "192.0.2.1:8443" },
		{ "link.tls", TREE_NULL, NULL },
		{ "link.mtu", TREE_NULL, NULL },
		{ "link.rtt-us", TREE_NULL, NULL },
		{ "link.workers", TREE_NUMBER, "2" },
		{ "link.streams", TREE_NUMBER, "8" },
		{ "link.streams-up", TREE_NUMBER, "7" },
		{ "link.connects", TREE_NUMBER, "3" },
		{ "link.retry-ms", TREE_NUMBER, "1500" },
		{ "link.received.bytes", TREE_NUMBER, "0" },
		{ "link.sent.packets", TREE_NUMBER, "0" },
		{ "link.last-failure", TREE_TEXT, "the same identity connected again" },
		{ "link.refused-offers", TREE_TEXT, "mtu 1400: not accepted" },
		{ "key-log", TREE_NULL, NULL },
	};
	struct tree *tree = build_tunnel(LW_DOMAIN_CONNECTION);

	(void)state;
	assert_all(tree, expected, ARRAY_SIZE(expected));
	assert_int_equal(at(tree, "link.drops")->n, 0);
	assert_int_equal(at(tree, "captures")->n, 0);
	assert_null(at(tree, "hub"));
	assert_null(at(tree, "ports"));
	tree_free(tree);
	tree = build_tunnel(LW_DOMAIN_NONE);
	assert_int_equal(at(tree, "connection.last-error")->scalar, TREE_NULL);
	tree_free(tree);
}

static void report_build__through_json__the_same(void **state)
{
	struct report_port ports[3];
	struct tree *tree = build_hub(ports), *read;
	char *text, *again;
	size_t length;

	(void)state;
	assert_int_equal(json_write(tree, 0, &text, &length), 0);
	assert_int_equal(json_parse(text, length, &read, NULL), 0);
	assert_int_equal(json_write(read, 0, &again, &length), 0);
	assert_string_equal(text, again);
	free(text);
	free(again);
	tree_free(read);
	tree_free(tree);
}

static char *print(const struct tree *tree)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	assert_non_null(stream);
	report_print(tree, 4660, stream);
	fclose(stream);
	return text;
}

static void assert_shown(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("no \"%s\" in:\n%s", part, text);
}

static void report_lock__states__table(void **state)
{
	static const struct {
		struct report_lock lock;
		const char *json, *text;
	} rows[] = {
		{ { .status.is_wanted = false }, NULL, NULL },
		{ { .status.is_wanted = true },
		  "open",
		  "kill switch  open: the tunnel was not started" },
		{ { .status = { .is_wanted = true, .is_closed = true, .since = 940 } },
		  "locked",
		  "kill switch  locked for 1 h 2 min: include-all-networks\n" },
		{ { .status = { .is_wanted = true,
				.is_closed = true,
				.since = 940,
				.asks_names = true } },
		  "locked",
		  "questions to name servers get out until" },
		{ { .status = { .is_wanted = true, .is_closed = true, .since = 940 },
		    .is_opened = true },
		  "open",
		  "kill switch  open: somebody else opened it" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct report report = { .name = "a",
					       .kind = "tunnel",
					       .lock = &rows[i].lock };
		struct tree *tree;
		char *text;

		assert_int_equal(report_build(&report, &tree), 0);
		text = print(tree);
		if (rows[i].json) {
			assert_string_equal(at(tree, "kill-switch.state")->text, rows[i].json);
			assert_shown(text, rows[i].text);
		} else {
			assert_int_equal(at(tree, "kill-switch")->scalar, TREE_NULL);
			assert_null(strstr(text, "kill switch"));
		}
		free(text);
		tree_free(tree);
	}
}

static void report_print__hub__what_people_ask(void **state)
{
	struct report_port ports[3];
	struct tree *tree = build_hub(ports);
	char *text = print(tree);

	(void)state;
	assert_shown(text, "office: ethernet hub, running for 1 h 2 min, process 42\n");
	assert_shown(text, "lw0 in bridge br0, 02:00:00:00:00:01, mtu 1500, up\n");
	assert_shown(text, "1 of 2 connected, 3 MACs learned, 4 workers\n");
	assert_shown(text, "5 accepted, 1 refused, 0 expired, 0 pending\n");
	assert_shown(text, "unknown key SHA256:x\n");
	assert_shown(text, "laptop  connected  1 h 1 min  192.0.2.7:4711  1.23 ms  2.5 MB, 1.0 "
			   "Mbit/s  60 B  17\n");
	assert_shown(text, "too-big 5, queue-full 12\n");
	assert_shown(text, "branch  down");
	assert_shown(text, "nothing heard\n");
	assert_shown(text, "/a.pcap: 8 written, 1 dropped, stopped: No space left on device\n");
	assert_shown(text, "/keys: 4 lines, 2 lost: No space left on device; who reads it can "
			   "decrypt every connection\n");
	free(text);
	tree_free(tree);
}

static void report_print__tunnel__what_people_ask(void **state)
{
	struct tree *tree = build_tunnel(LW_DOMAIN_CONNECTION);
	char *text = print(tree);

	(void)state;
	assert_shown(text, "laptop: ip tunnel, reasserting for 1 h 1 min, process 43\n");
	assert_shown(text, "192.0.2.1:8443\n");
	assert_shown(text, "waiting\n");
	assert_shown(text, "in 1.5 s\n");
	assert_shown(text, "mtu 1400: not accepted\n");
	assert_shown(text, "the same identity connected again\n");
	assert_shown(text, "the hub does not answer\n");
	free(text);
	tree_free(tree);
}

static void report_print__strange_trees__shown_without_harm(void **state)
{
	static const char *const documents[] = {
		"{}",
		"{\"name\":\"a\\u001b[31m\",\"state\":\"\\u0007\"}",
		"{\"name\":[],\"ports\":{},\"hub\":1,\"link\":[],\"captures\":\"x\"}",
		"{\"ports\":[1,[],{}],\"captures\":[1,{}],\"link\":{},\"hub\":{}}",
		"{\"interface\":{\"name\":\"x\",\"addresses\":[[],{\"a\":1}]},"
		"\"ports\":[{\"drops\":"
		"{\"a\":-1,\"b\":[]},\"addresses\":{\"x\":null}}]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(documents); i++) {
		struct tree *tree;
		char *text;

		assert_int_equal(json_parse(documents[i], strlen(documents[i]), &tree, NULL), 0);
		text = print(tree);
		assert_null(strpbrk(text, "\033\007"));
		free(text);
		tree_free(tree);
	}
}

static void report_line__states__what_and_why(void **state)
{
	struct report_port ports[3];
	struct tree *hub = build_hub(ports), *tunnel = build_tunnel(LW_DOMAIN_CONNECTION);
	char line[256];

	(void)state;
	report_line(hub, line, sizeof(line));
	assert_string_equal(line, "office running, 1 of 2 clients connected");
	report_line(tunnel, line, sizeof(line));
	assert_non_null(strstr(line, "(waiting): the same identity connected again"));
	report_line(tunnel, line, 8); /* cut, and ended */
	assert_int_equal(strlen(line), 7);
	tree_free(hub);
	tree_free(tunnel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(report_build__hub__every_key),
		cmocka_unit_test(report_build__tunnel__every_key),
		cmocka_unit_test(report_line__states__what_and_why),
		cmocka_unit_test(report_build__through_json__the_same),
		cmocka_unit_test(report_lock__states__table),
		cmocka_unit_test(report_print__hub__what_people_ask),
		cmocka_unit_test(report_print__tunnel__what_people_ask),
		cmocka_unit_test(report_print__strange_trees__shown_without_harm),
	};

	return cmocka_run_group_tests_name("program/report", tests, NULL, NULL);
}
