/* SPDX-License-Identifier: MIT */
/* Captures on disks that are read-only, become so, or fail: real mounts, in a namespace of the
 * test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <longwire/capture.h>
#include <longwire/error.h>

#include "base/memory.h"
#include "capture/point.h"

struct fixture {
	char folder[32], disk[48], file[64];
	struct lw_capture_set set;
};

static int make_fixture(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/lw-disk-XXXXXX");
	if (!mkdtemp(fixture->folder))
		return -1;
	snprintf(fixture->disk, sizeof(fixture->disk), "%s/disk", fixture->folder);
	snprintf(fixture->file, sizeof(fixture->file), "%s/c.pcapng", fixture->disk);
	*state = fixture;
	return mkdir(fixture->disk, 0700);
}

static int drop_fixture(void **state)
{
	struct fixture *fixture = *state;
	char command[64];

	(void)umount(fixture->disk);
	snprintf(command, sizeof(command), "rm -r %s", fixture->folder);
	free(fixture);
	return system(command);
}

static void mount_memory(const struct fixture *fixture)
{
	assert_int_equal(mount("tmpfs", fixture->disk, "tmpfs", 0, "size=1m"), 0);
}

static int remount(const struct fixture *fixture, bool is_read_only)
{
	return mount(NULL, fixture->disk, NULL, MS_REMOUNT | (is_read_only ? MS_RDONLY : 0), NULL);
}

static struct lw_capture *open_capture(struct fixture *fixture, struct lw_capture_options options)
{
	struct lw_capture *capture = NULL;
	struct lw_error error;

	options.size = sizeof(options);
	options.layer = LW_LAYER_ETHERNET;
	options.file = fixture->file;
	if (lw_capture_open(&options, &capture, &error) < 0)
		fail_msg("%s", error.text);
	assert_int_equal(capture_attach(&fixture->set, capture), 0);
	return capture;
}

static void see(struct fixture *fixture, unsigned n)
{
	static const uint8_t frame[1000] = { 7 };
	const struct lw_packet packet = { .data = frame,
					  .length = sizeof(frame),
					  .layer = LW_LAYER_ETHERNET };

	for (unsigned i = 0; i < n; i++)
		capture_see(&fixture->set, LW_CAPTURE_DEVICE_IN, &packet, NULL);
}

static struct lw_capture_counters counters_of(const struct lw_capture *capture)
{
	struct lw_capture_counters counters = { .size = sizeof(counters) };

	lw_capture_counters(capture, &counters);
	return counters;
}

static unsigned packets_in(const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	unsigned packets = 0;
	const u_char *data;
	pcap_t *pcap = pcap_open_offline(path, error);
	int end;

	if (!pcap)
		fail_msg("%s: %s", path, error);
	while ((end = pcap_next_ex(pcap, &header, &data)) == 1)
		packets++;
	assert_int_equal(end, PCAP_ERROR_BREAK);
	pcap_close(pcap);
	return packets;
}

static void open__read_only_disk__refused_whatever_it_is(void **state)
{
	static const struct lw_capture_options wanted[] = {
		{ .packets = 0 },
		{ .file_packets = 5 },
		{ .recorder_bytes = LW_CAPTURE_RECORDER_MIN },
	};
	struct fixture *fixture = *state;
	struct lw_capture *old;

	mount_memory(fixture);
	old = open_capture(fixture, wanted[0]);
	see(fixture, 3);
	lw_capture_close(old);
	assert_int_equal(remount(fixture, true), 0);
	for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
		struct lw_capture_options options = wanted[i];
		struct lw_capture *capture = NULL;
		struct lw_error error;

		options.size = sizeof(options);
		options.layer = LW_LAYER_ETHERNET;
		options.file = fixture->file;
		assert_int_equal(lw_capture_open(&options, &capture, &error), -EROFS);
		assert_null(capture);
		assert_int_equal(error.code, EROFS);
		assert_non_null(strstr(error.text, fixture->file));
		assert_non_null(strstr(error.text, "Read-only file system"));
	}
	assert_int_equal(packets_in(fixture->file), 3);
}

/* While a file is written the kernel lets nobody make its disk read-only. */
static void capture__disk_remounted_under_it__goes_on(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture *capture;

	mount_memory(fixture);
	capture = open_capture(fixture, (struct lw_capture_options){ .packets = 0 });
	see(fixture, 3);
	assert_int_equal(remount(fixture, true), -1);
	assert_int_equal(errno, EBUSY);
	see(fixture, 3);
	assert_int_equal(lw_capture_flush(capture), 0);
	lw_capture_close(capture);
	assert_int_equal(packets_in(fixture->file), 6);
}

/* Between two of its files a recorder keeps nobody from that. */
static void recorder__disk_read_only_for_a_while__kept_said_and_written_later(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture *capture;

	mount_memory(fixture);
	capture = open_capture(
		fixture, (struct lw_capture_options){ .recorder_bytes = LW_CAPTURE_RECORDER_MIN });
	see(fixture, 3);
	assert_int_equal(lw_capture_flush(capture), 0);
	assert_int_equal(remount(fixture, true), 0);
	assert_int_equal(lw_capture_trigger(capture), 0);
	assert_int_equal(lw_capture_flush(capture), -EROFS);
	assert_int_equal(counters_of(capture).error, EROFS);
	assert_int_equal(counters_of(capture).held, 3);
	assert_false(counters_of(capture).stopped);
	see(fixture, 2);
	assert_int_equal(remount(fixture, false), 0);
	assert_int_equal(lw_capture_trigger(capture), 0);
	assert_int_equal(lw_capture_flush(capture), 0);
	assert_int_equal(counters_of(capture).error, 0);
	assert_int_equal(counters_of(capture).written, 5);
	assert_int_equal(counters_of(capture).files, 1);
	lw_capture_close(capture);
}

/* Shell commands, in the folder; $(errors) is where the disk is told of some. */
static bool run(const struct fixture *fixture, const char *commands)
{
	char command[512];

	snprintf(command, sizeof(command),
		 "cd %s && errors() { echo /sys/fs/ext4/$(basename $(findmnt -no SOURCE disk))/"
		 "trigger_fs_error; } && exec 2>&1 && %s",
		 fixture->folder, commands);
	return system(command) == 0;
}

/* As a disk that breaks: ext4 is told that it found an error, and lets nothing more be written. */
static void capture__disk_breaks__stopped_with_whole_packets(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture_counters counters;
	struct lw_capture *capture;

	if (!run(fixture, "truncate -s 4M image && mkfs.ext4 -q image && "
			  "mount -o loop,errors=remount-ro image disk && test -e $(errors)")) {
		print_message("SKIP: no ext4, loop device or /sys here\n");
		skip();
	}
	capture = open_capture(fixture, (struct lw_capture_options){ .packets = 0 });
	see(fixture, 3);
	assert_int_equal(lw_capture_flush(capture), 0);
	assert_true(run(fixture, "echo broken >$(errors)"));
	see(fixture, 4);
	assert_int_equal(lw_capture_flush(capture), -EROFS);
	see(fixture, 1);
	counters = counters_of(capture);
	assert_true(counters.stopped);
	assert_int_equal(counters.error, EROFS);
	assert_int_equal(counters.matched, 8);
	assert_int_equal(counters.written, 3);
	assert_int_equal(counters.dropped, 5);
	lw_capture_close(capture);
	assert_int_equal(packets_in(fixture->file), 3);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_fixture, drop_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(open__read_only_disk__refused_whatever_it_is),
		TEST(capture__disk_remounted_under_it__goes_on),
		TEST(recorder__disk_read_only_for_a_while__kept_said_and_written_later),
		TEST(capture__disk_breaks__stopped_with_whole_packets),
	};

	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0 ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
		printf("SKIP: no mount namespace for this user\n");
		return 0;
	}
	return cmocka_run_group_tests_name("capture/disk", tests, NULL, NULL);
}
