/* SPDX-License-Identifier: MIT */
/* A hub's flight recorder: whatever happens, what came before it is in the file, and why. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "capture/reader.h"
#include "support/rig.h"

enum { BEFORE = 20, TRIGGER = 0x88b6, FRAME_MAX = 200, LIMIT = 30 };

struct flight {
	struct rig *rig;
	struct rig_client *a;
	struct lw_capture *capture;
	char folder[32];
};

/* options: what is the reason to write. */
static struct flight fly(struct lw_capture_options options)
{
	const struct lw_peer_options peer = { .size = sizeof(peer), .broadcast_per_second = LIMIT };
	struct flight flight = { .folder = "/tmp/lw-flight-XXXXXX" };
	char file[64];
	struct lw_error error;

	assert_non_null(mkdtemp(flight.folder));
	snprintf(file, sizeof(file), "%s/r.pcapng", flight.folder);
	options.size = sizeof(options);
	options.layer = LW_LAYER_ETHERNET;
	options.file = file;
	options.points = LW_CAPTURE_SESSION_IN;
	options.recorder_bytes = LW_CAPTURE_RECORDER_MIN;
	flight.rig = rig_new(LW_LAYER_ETHERNET, true);
	flight.a = rig_add(flight.rig, "a", &peer, NULL);
	if (lw_capture_open(&options, &flight.capture, &error) < 0)
		fail_msg("%s", error.text);
	assert_int_equal(lw_hub_attach_capture(flight.rig->hub, flight.capture), 0);
	rig_connect(flight.a);
	return flight;
}

static void land(struct flight *flight)
{
	char command[64];

	lw_capture_close(flight->capture);
	rig_free(flight->rig);
	snprintf(command, sizeof(command), "rm -r %s", flight->folder);
	assert_int_equal(system(command), 0);
}

static void send_numbered(struct flight *flight, uint8_t to, uint16_t type, uint32_t number)
{
	uint8_t frame[FRAME_MAX];
	size_t length = rig_frame(frame, to, 1, type, 100);

	store_be32(frame + 14, number);
	rig_write(&flight->a->host, frame, length);
	rig_settle(flight->rig);
}

static size_t count_files(const struct flight *flight, char ret_path[128])
{
	char pattern[64];
	glob_t found;
	size_t n;

	assert_int_equal(lw_capture_flush(flight->capture), 0);
	snprintf(pattern, sizeof(pattern), "%s/*", flight->folder);
	n = glob(pattern, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
	if (n)
		snprintf(ret_path, 128, "%s", found.gl_pathv[n - 1]);
	globfree(&found);
	return n;
}

static void assert_says(const char *path, const char *why)
{
	uint8_t data[1024];
	FILE *file = fopen(path, "re");
	size_t n;

	assert_non_null(file);
	n = fread(data, 1, sizeof(data), file);
	fclose(file);
	assert_non_null(memmem(data, n, why, strlen(why)));
}

/* The one file there is has this reason, and packets of these numbers, from 0. */
static void assert_recorded(const struct flight *flight, const char *why, uint32_t n)
{
	struct reader_packet packet;
	struct reader *reader;
	struct lw_error error;
	uint32_t number = 0;
	uint64_t before = 0;
	char path[128];
	int fd, r;

	assert_int_equal(count_files(flight, path), 1);
	assert_says(path, why);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(reader_new(fd, LW_LAYER_ETHERNET, &reader, &error), 0);
	while ((r = reader_next(reader, &packet, &error)) == 1) {
		assert_int_equal(packet.length, 114);
		assert_int_equal(load_be32(packet.data + 14), number++);
		assert_true(packet.at_ns >= before);
		before = packet.at_ns;
	}
	assert_int_equal(r, 0);
	assert_int_equal(number, n);
	reader_free(reader);
	close(fd);
}

static void send_before(struct flight *flight)
{
	char path[128];

	for (uint32_t i = 0; i < BEFORE; i++)
		send_numbered(flight, i ? 100 : 0xff, 0x88b5, i);
	assert_int_equal(count_files(flight, path), 0);
}

static void trigger__what_came_before_and_it(void **state)
{
	struct flight flight = fly((struct lw_capture_options){ .trigger = "ether proto 0x88b6" });

	(void)state;
	send_before(&flight);
	send_numbered(&flight, 100, TRIGGER, BEFORE);
	assert_recorded(&flight, "flight recorder: trigger", BEFORE + 1);
	land(&flight);
}

static void peer_lost__what_it_sent_before(void **state)
{
	struct flight flight = fly((struct lw_capture_options){ .events = LW_CAPTURE_PEER_LOST });

	(void)state;
	send_before(&flight);
	flight.a->is_unreachable = true;
	rig_cut(flight.a);
	rig_pass(flight.rig, 1000);
	assert_recorded(&flight, "flight recorder: peer lost", BEFORE);
	land(&flight);
}

/* It does not answer any more: that is noticed later, and is the same. */
static void peer_silent__what_it_sent_before(void **state)
{
	struct flight flight = fly((struct lw_capture_options){ .events = LW_CAPTURE_PEER_LOST });

	(void)state;
	send_before(&flight);
	flight.a->is_unreachable = true;
	flight.a->is_black_hole_up = flight.a->is_black_hole_down = true;
	rig_pass(flight.rig, 20000);
	assert_recorded(&flight, "flight recorder: peer lost", BEFORE);
	land(&flight);
}

static void peer_leaves_in_order__is_no_event(void **state)
{
	struct flight flight = fly((struct lw_capture_options){ .events = LW_CAPTURE_PEER_LOST });
	char path[128];

	(void)state;
	send_before(&flight);
	assert_int_equal(lw_connection_stop(flight.a->connection, LW_STOP_USER_INITIATED), 1);
	assert_true(rig_until(flight.rig, rig_is_down, flight.a, 5000));
	rig_pass(flight.rig, 1000);
	assert_int_equal(count_files(&flight, path), 0);
	land(&flight);
}

/* One broadcast more than a second may have: it came, too. */
static void limit_hit__what_came_before_and_it(void **state)
{
	struct flight flight = fly((struct lw_capture_options){ .events = LW_CAPTURE_LIMIT_HIT });
	uint32_t number = BEFORE;
	char path[128];

	(void)state;
	send_before(&flight);
	while (rig_drops(flight.a, LW_DROP_LIMIT_BROADCAST) == 0) {
		assert_int_equal(count_files(&flight, path), 0);
		assert_true(number < BEFORE + 10 * LIMIT);
		send_numbered(&flight, 0xff, 0x88b5, number++);
	}
	assert_recorded(&flight, "flight recorder: limit hit", number);
	land(&flight);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trigger__what_came_before_and_it),
		cmocka_unit_test(peer_lost__what_it_sent_before),
		cmocka_unit_test(peer_silent__what_it_sent_before),
		cmocka_unit_test(peer_leaves_in_order__is_no_event),
		cmocka_unit_test(limit_hit__what_came_before_and_it),
	};

	return cmocka_run_group_tests_name("recorder", tests, NULL, NULL);
}
