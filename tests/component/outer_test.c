/* SPDX-License-Identifier: MIT */
/*
 * The outer view: a session's own bytes as a savefile of the TCP connections that they were in, read
 * by tshark with the key log and our dissector. Every inner frame is there, exactly, through renewed
 * keys and succeeding connections.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "support/rig.h"
#include "tunnel/client.h"
#include "tunnel/hub_internal.h"

enum {
	SEGMENT = 1448,
	CONNECTIONS_MAX = 4,
	FRAMES = 300,
	FRAME_MAX = 1514,
	HUB = 100, /* the hosts' last bytes of MAC address */
	CLIENT = 1,
	HUB_PORT = 8443,
	CLIENT_PORT = 40000, /* and the number of the connection */
	TCP_SYN = 0x02,
	TCP_ACK = 0x10,
	KEY_UPDATE = 24,
	RENEW_AT = 3000, /* AES blocks */
	LIMIT = 15000,
};

/* The connections of a client, as a tap on the line would have them. */
struct outer {
	char folder[32], file[64], keys[64];
	FILE *savefile;
	uint32_t next[CONNECTIONS_MAX]
		     [2]; /* sequence numbers: towards the client, towards the hub */
	uint32_t packets;
	struct rig *rig;
	struct rig_client *client;
	uint32_t sent; /* numbers of frames, each way */
};

/* ---- the savefile */

static void write_segment(struct outer *outer, unsigned stream, bool is_up, uint8_t flags,
			  const uint8_t *data, size_t length)
{
	uint16_t ports[] = { HUB_PORT, (uint16_t)(CLIENT_PORT + stream) };
	uint8_t heads[40] = {
		0x45, [6] = 0x40, [8] = 64, [9] = 6, [12] = 192, 0, 2, 0, 192, 0, 2, 0
	};
	const uint32_t kept = (uint32_t)(sizeof(heads) + length);
	const uint32_t record[] = { outer->packets / 1000, outer->packets % 1000, kept, kept };

	assert_true(stream < CONNECTIONS_MAX);
	store_be16(heads + 2, (uint16_t)kept);
	heads[15] = is_up ? CLIENT : HUB;
	heads[19] = is_up ? HUB : CLIENT;
	store_be16(heads + 20, ports[is_up]);
	store_be16(heads + 22, ports[!is_up]);
	store_be32(heads + 24, outer->next[stream][is_up]);
	store_be32(heads + 28, outer->next[stream][!is_up]);
	heads[32] = 0x50;
	heads[33] = flags;
	store_be16(heads + 34, 65535);
	assert_int_equal(fwrite(record, sizeof(record), 1, outer->savefile), 1);
	assert_int_equal(fwrite(heads, sizeof(heads), 1, outer->savefile), 1);
	assert_int_equal(fwrite(data, 1, length, outer->savefile), length);
	outer->next[stream][is_up] += (uint32_t)length + (flags & TCP_SYN ? 1 : 0);
	outer->packets++;
}

static void tap(const struct rig_wire *wire, bool is_up, const uint8_t *data, size_t length)
{
	struct outer *outer = wire->client->tap_user;
	unsigned stream = wire->number - 1;

	if (outer->next[stream][1] == 0) {
		write_segment(outer, stream, true, TCP_SYN, data, 0);
		write_segment(outer, stream, false, TCP_SYN | TCP_ACK, data, 0);
		write_segment(outer, stream, true, TCP_ACK, data, 0);
	}
	while (length > 0) {
		size_t n = MIN(length, (size_t)SEGMENT);

		write_segment(outer, stream, is_up, TCP_ACK, data, n);
		data += n;
		length -= n;
	}
}

/* ---- the session */

static void make_outer(struct outer *outer)
{
	/* pcap with microseconds, link type RAW */
	const uint32_t head[] = { 0xa1b2c3d4, 0x00040002, 0, 0, 262144, 101 };
	struct lw_tunnel_options options = { .key_log_file = outer->keys };

	*outer = (struct outer){ .folder = "/tmp/lw-outer-XXXXXX" };
	assert_non_null(mkdtemp(outer->folder));
	snprintf(outer->file, sizeof(outer->file), "%s/outer.pcap", outer->folder);
	snprintf(outer->keys, sizeof(outer->keys), "%s/keys", outer->folder);
	outer->savefile = fopen(outer->file, "we");
	assert_non_null(outer->savefile);
	assert_int_equal(fwrite(head, sizeof(head), 1, outer->savefile), 1);
	outer->rig = rig_new(LW_LAYER_ETHERNET, true);
	outer->client = rig_add(outer->rig, "a", NULL, &options);
	outer->client->keeps_wires = true;
	outer->client->tap = tap;
	outer->client->tap_user = outer;
	rig_connect(outer->client);
	rig_pass(outer->rig, 500);
}

static void drop_outer(struct outer *outer)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", outer->folder);
	assert_int_equal(system(command), 0);
}

static size_t make_frame(uint8_t *frame, bool is_up, uint32_t number)
{
	size_t length = rig_frame(frame,
				  number == 0 ? 0xff
				  : is_up     ? HUB
					      : CLIENT,
				  is_up ? CLIENT : HUB, 0x88b5, 50 + number * 37 % 1400);

	store_be32(frame + 14, number);
	return length;
}

static void send_frames(struct outer *outer, uint32_t n)
{
	uint8_t frame[FRAME_MAX];

	for (; n > 0; n--, outer->sent++) {
		rig_write(&outer->client->host, frame, make_frame(frame, true, outer->sent));
		rig_write(&outer->rig->host, frame, make_frame(frame, false, outer->sent));
		if (n % 3 == 0) /* so that records have several */
			rig_settle(outer->rig);
	}
	rig_settle(outer->rig);
}

/* ---- tshark */

static void has_tshark(void)
{
	if (system("tshark --version >/dev/null 2>&1") == 0)
		return;
	print_message("SKIP: there is no tshark\n");
	skip();
}

/* Since 4.4 it loads no scripts for root; and nobody may read what is root's. */
static const char as_nobody[] = "setpriv --reuid 65534 --regid 65534 --clear-groups";

static void let_be_read(const struct outer *outer)
{
	char command[512];

	snprintf(command, sizeof(command), "cp %s/configs/longwire.lua %s && chmod -R a+rX %s",
		 LW_SOURCE_DIR, outer->folder, outer->folder);
	assert_int_equal(system(command), 0);
}

/* End the session in order. */
static void finish(struct outer *outer)
{
	rig_pass(outer->rig, 100);
	assert_int_equal(outer->rig->host.n, outer->sent);
	assert_int_equal(outer->client->host.n, outer->sent);
	rig_free(outer->rig);
	assert_int_equal(fclose(outer->savefile), 0);
	let_be_read(outer);
}

/* What it says of the packets that Longwire is in: a line each, its fields with tabs, values of one
 * with commas. */
static FILE *run_tshark(const struct outer *outer, const char *fields)
{
	char command[1024];
	FILE *lines;

	snprintf(command, sizeof(command),
		 "HOME=%s %s tshark -n -r %s -o tls.keylog_file:%s "
		 "-X lua_script:%s/longwire.lua -Y longwire -T fields -E occurrence=a %s "
		 "2>%s/said",
		 outer->folder, geteuid() == 0 ? as_nobody : "", outer->file, outer->keys,
		 outer->folder, fields, outer->folder);
	lines = popen(command, "re");
	assert_non_null(lines);
	return lines;
}

static void end_tshark(const struct outer *outer, FILE *lines)
{
	char path[64], said[1024] = "";
	FILE *file;

	assert_int_equal(pclose(lines), 0);
	snprintf(path, sizeof(path), "%s/said", outer->folder);
	file = fopen(path, "re");
	assert_non_null(file);
	said[fread(said, 1, sizeof(said) - 1, file)] = '\0';
	fclose(file);
	if (strcasestr(said, "lua") || strstr(said, "cut short"))
		fail_msg("%s", said);
}

/* The next value of a field, or NULL. */
static char *next_value(char **field)
{
	return *field && **field ? strsep(field, ",") : NULL;
}

static void assert_frame(const char *destination, const char *data, bool is_up, uint32_t number)
{
	uint8_t frame[FRAME_MAX];
	size_t length = make_frame(frame, is_up, number);
	char mac[18], hex[2 * FRAME_MAX + 1];

	snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", frame[0], frame[1], frame[2],
		 frame[3], frame[4], frame[5]);
	assert_string_equal(destination, mac);
	for (size_t i = 14; i < length; i++)
		snprintf(hex + 2 * (i - 14), 3, "%02x", frame[i]);
	assert_string_equal(data, hex);
}

struct seen {
	uint32_t next[2]; /* numbers of frames */
	unsigned connections;
};

/* Every frame of each direction, byte for byte and in order, in these connections. */
static struct seen read_frames(const struct outer *outer)
{
	static char line[1 << 20];
	FILE *lines = run_tshark(outer, "-e ip.src -e tcp.stream -e eth.dst -e eth.src -e eth.type "
					"-e data.data -e longwire.malformed");
	struct seen seen = { .connections = 0 };

	while (fgets(line, sizeof(line), lines)) {
		char *at = line, *fields[7], *destination;

		line[strcspn(line, "\n")] = '\0';
		for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
			fields[i] = strsep(&at, "\t");
			assert_non_null(fields[i]);
		}
		assert_string_equal(fields[6], "");
		seen.connections = MAX(seen.connections, (unsigned)atoi(fields[1]) + 1);
		while ((destination = next_value(&fields[2]))) {
			bool is_up = strcmp(fields[0], "192.0.2.1") == 0;
			const char *source = next_value(&fields[3]), *type = next_value(&fields[4]);

			assert_string_equal(source,
					    is_up ? "02:00:00:00:00:01" : "02:00:00:00:00:64");
			assert_string_equal(type, "0x88b5");
			assert_frame(destination, next_value(&fields[5]), is_up,
				     seen.next[is_up]++);
		}
	}
	end_tshark(outer, lines);
	return seen;
}

/* How many of its values a field has. */
static unsigned count_values(const struct outer *outer, const char *field, unsigned value)
{
	static char line[1 << 20];
	char fields[64], *at, *text;
	unsigned n = 0;
	FILE *lines;

	snprintf(fields, sizeof(fields), "-e %s", field);
	lines = run_tshark(outer, fields);
	while (fgets(line, sizeof(line), lines)) {
		at = line;
		while ((text = next_value(&at)))
			n += strtoul(text, NULL, 0) == value;
	}
	end_tshark(outer, lines);
	return n;
}

/* ---- tests */

static void key_updates__both_ways__every_frame_decrypted(void **state)
{
	struct session *here, *there;
	struct outer outer;
	struct seen seen;
	unsigned updates;

	(void)state;
	has_tshark();
	make_outer(&outer);
	here = outer.client->tunnel->session;
	there = outer.client->port->session;
	if (here->is_tls13) {
		record_sealer_set_limits(here->stream.sealer, RENEW_AT, LIMIT);
		record_sealer_set_limits(there->stream.sealer, RENEW_AT, LIMIT);
	}
	send_frames(&outer, FRAMES);
	updates = (unsigned)(here->stream.renewals + there->stream.renewals);
	assert_true(here->is_tls13 ? here->stream.renewals >= 2 && there->stream.renewals >= 2
				   : updates == 0);
	finish(&outer);
	seen = read_frames(&outer);
	assert_int_equal(seen.next[0], FRAMES);
	assert_int_equal(seen.next[1], FRAMES);
	assert_int_equal(seen.connections, 1);
	assert_int_equal(count_values(&outer, "tls.handshake.type", KEY_UPDATE), updates);
	drop_outer(&outer);
}

static bool is_succeeded(void *user)
{
	const struct outer *outer = user;
	const struct session *here = outer->client->tunnel->session;
	const struct session *there = outer->client->port->session;

	return outer->client->dials == 2 && here && there && here->state == SESSION_UP &&
	       there->state == SESSION_UP && !here->predecessor && !there->predecessor;
}

static void succession__frames_in_two_connections__each_decrypted(void **state)
{
	struct session *here, *there;
	struct outer outer;
	struct seen seen;

	(void)state;
	has_tshark();
	make_outer(&outer);
	send_frames(&outer, FRAMES);
	here = outer.client->tunnel->session;
	there = outer.client->port->session;
	here->stream.may_update = there->stream.may_update = false;
	record_sealer_set_limits(here->stream.sealer, 1, UINT32_MAX);
	assert_true(rig_until(outer.rig, is_succeeded, &outer, 10000));
	send_frames(&outer, FRAMES);
	finish(&outer);
	seen = read_frames(&outer);
	assert_int_equal(seen.next[0], 2 * FRAMES);
	assert_int_equal(seen.next[1], 2 * FRAMES);
	assert_int_equal(seen.connections, 2);
	drop_outer(&outer);
}

static void without_keys__nothing_is_decrypted(void **state)
{
	struct outer outer;
	struct seen seen;

	(void)state;
	has_tshark();
	make_outer(&outer);
	send_frames(&outer, 10);
	finish(&outer);
	snprintf(outer.keys, sizeof(outer.keys), "/dev/null");
	seen = read_frames(&outer);
	assert_int_equal(seen.next[0] + seen.next[1], 0);
	drop_outer(&outer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(key_updates__both_ways__every_frame_decrypted),
		cmocka_unit_test(succession__frames_in_two_connections__each_decrypted),
		cmocka_unit_test(without_keys__nothing_is_decrypted),
	};

	return cmocka_run_group_tests_name("outer", tests, NULL, NULL);
}
