/* SPDX-License-Identifier: MIT */
/* Captures end to end: points, savefiles that libpcap reads again, and disks that fill up. */
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
#include "support/captures.h"

struct fixture {
	char folder[64];
	char path[80];
};

/* What libpcap reads from a savefile. */
struct content {
	int link_type, snap_length, precise; /* precise: the file has nanoseconds */
	unsigned packets;
	struct pcap_pkthdr first;
	uint8_t first_data[64];
	int end; /* of pcap_next_ex: PCAP_ERROR_BREAK is a clean end */
};

static int make_fixture(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/lw-capture-XXXXXX");
	if (!mkdtemp(fixture->folder))
		return -1;
	snprintf(fixture->path, sizeof(fixture->path), "%s/c.pcap", fixture->folder);
	*state = fixture;
	return 0;
}

static int drop_fixture(void **state)
{
	struct fixture *fixture = *state;

	unlink(fixture->path);
	rmdir(fixture->folder);
	free(fixture);
	return 0;
}

static struct content read_back(const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	struct content content = { .packets = 0 };
	struct pcap_pkthdr *header;
	const u_char *data;
	pcap_t *pcap;

	pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);
	if (!pcap)
		fail_msg("%s: %s", path, error);
	content.link_type = pcap_datalink(pcap);
	content.snap_length = pcap_snapshot(pcap);
	while ((content.end = pcap_next_ex(pcap, &header, &data)) == 1) {
		if (content.packets++ == 0) {
			content.first = *header;
			memcpy(content.first_data, data, MIN(header->caplen, (bpf_u_int32)64));
		}
	}
	pcap_close(pcap);
	return content;
}

static struct lw_packet frame_of(const uint8_t *data, size_t length)
{
	return (struct lw_packet){ .data = data, .length = length, .layer = LW_LAYER_ETHERNET };
}

static void see(struct lw_capture_set *set, enum lw_capture_point point, const uint8_t *data,
		size_t length)
{
	struct lw_packet packet = frame_of(data, length);

	capture_see(set, point, &packet, NULL);
}

static void capture__packets__read_again_by_libpcap_exactly(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture *capture =
		captures_open(NULL, (struct lw_capture_options){ .file = fixture->path });
	struct lw_capture_set set = { 0 };
	uint8_t frame[60];
	struct content content;
	struct stat status;

	for (size_t i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)i;
	assert_int_equal(capture_attach(&set, capture), 0);
	for (unsigned i = 0; i < 1000; i++)
		see(&set, i & 1 ? LW_CAPTURE_DEVICE_IN : LW_CAPTURE_DEVICE_OUT, frame,
		    sizeof(frame));
	assert_int_equal(captures_count(capture).matched, 1000);
	assert_int_equal(lw_capture_flush(capture), 0);
	assert_int_equal(captures_count(capture).written, 1000);
	assert_int_equal(captures_count(capture).dropped, 0);
	assert_false(captures_count(capture).stopped);
	content = read_back(fixture->path);
	assert_int_equal(content.packets, 1000);
	assert_int_equal(content.end, PCAP_ERROR_BREAK);
	assert_int_equal(content.link_type, DLT_EN10MB);
	assert_int_equal(content.snap_length, 262144);
	assert_int_equal(content.first.caplen, sizeof(frame));
	assert_memory_equal(content.first_data, frame, sizeof(frame));
	assert_int_equal(stat(fixture->path, &status), 0);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(status.st_size, 24 + 1000 * (16 + 60));
	lw_capture_close(capture);
	assert_int_equal(set.points, 0);
}

static void capture__close_without_flush__nothing_lost(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture *capture =
		captures_open(NULL, (struct lw_capture_options){ .file = fixture->path });
	struct lw_capture_set set = { 0 };
	const uint8_t frame[14] = { 0 };

	assert_int_equal(capture_attach(&set, capture), 0);
	see(&set, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame));
	lw_capture_close(capture);
	assert_int_equal(read_back(fixture->path).packets, 1);
}

static void capture__snap_length__cut_and_true_length_kept(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture *capture = captures_open(
		NULL, (struct lw_capture_options){ .file = fixture->path, .snap_length = 20 });
	struct lw_capture_set set = { 0 };
	static const uint8_t frame[1500] = { 1, 2, 3 };
	struct content content;

	assert_int_equal(capture_attach(&set, capture), 0);
	see(&set, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame));
	lw_capture_close(capture);
	content = read_back(fixture->path);
	assert_int_equal(content.packets, 1);
	assert_int_equal(content.first.caplen, 20);
	assert_int_equal(content.first.len, 1500);
	assert_int_equal(content.snap_length, 20);
}

static void capture__super_frames__larger_than_what_is_buffered(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture *capture =
		captures_open(NULL, (struct lw_capture_options){ .file = fixture->path });
	struct lw_capture_set set = { 0 };
	static const uint8_t frame[LW_PACKET_MAX] = { 9 };
	struct content content;

	assert_int_equal(capture_attach(&set, capture), 0);
	for (unsigned i = 0; i < 10; i++)
		see(&set, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame));
	assert_true(captures_count(capture).written >= 8);
	lw_capture_close(capture);
	content = read_back(fixture->path);
	assert_int_equal(content.packets, 10);
	assert_int_equal(content.first.caplen, LW_PACKET_MAX);
}

static void capture__ip_layer__link_type_raw_and_other_layer_unseen(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture *capture = captures_open(
		NULL, (struct lw_capture_options){ .file = fixture->path, .layer = LW_LAYER_IP });
	struct lw_capture_set set = { 0 };
	const uint8_t data[20] = { 0x45 };
	struct lw_packet packet = frame_of(data, sizeof(data));
	struct content content;

	assert_int_equal(capture_attach(&set, capture), 0);
	capture_see(&set, LW_CAPTURE_DEVICE_IN, &packet, NULL);
	packet.layer = LW_LAYER_IP;
	capture_see(&set, LW_CAPTURE_DEVICE_IN, &packet, NULL);
	assert_int_equal(captures_count(capture).matched, 1);
	lw_capture_close(capture);
	content = read_back(fixture->path);
	assert_int_equal(content.packets, 1);
	assert_int_equal(content.link_type, DLT_RAW);
}

static void capture__filter__only_what_matches_is_counted(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture *capture = captures_open(
		NULL, (struct lw_capture_options){ .file = fixture->path, .filter = "arp" });
	struct lw_capture_set set = { 0 };
	const uint8_t arp[42] = { [12] = 0x08, [13] = 0x06 };
	const uint8_t other[60] = { [12] = 0x88, [13] = 0xcc };

	assert_int_equal(capture_attach(&set, capture), 0);
	see(&set, LW_CAPTURE_DEVICE_IN, arp, sizeof(arp));
	see(&set, LW_CAPTURE_DEVICE_IN, other, sizeof(other));
	assert_int_equal(captures_count(capture).matched, 1);
	lw_capture_close(capture);
	assert_int_equal(read_back(fixture->path).packets, 1);
}

static void capture__points__each_sees_its_own(void **state)
{
	static const enum lw_capture_point points[] = { LW_CAPTURE_DEVICE_IN, LW_CAPTURE_DEVICE_OUT,
							LW_CAPTURE_SESSION_IN,
							LW_CAPTURE_SESSION_OUT, LW_CAPTURE_DROP };
	struct fixture *fixture = *state;
	const uint8_t frame[14] = { 0 };

	for (size_t chosen = 0; chosen < ARRAY_SIZE(points); chosen++) {
		struct lw_capture *capture = captures_open(
			NULL, (struct lw_capture_options){ .file = fixture->path,
							   .points = points[chosen] });
		struct lw_capture_set set = { 0 };

		assert_int_equal(capture_attach(&set, capture), 0);
		assert_int_equal(set.points, points[chosen]);
		for (size_t i = 0; i < ARRAY_SIZE(points); i++)
			see(&set, points[i], frame, sizeof(frame));
		assert_int_equal(captures_count(capture).matched, 1);
		lw_capture_close(capture);
	}
}

static void capture_attach__limits__refused(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture *captures[CAPTURE_SET_MAX + 1];
	struct lw_capture_set set = { 0 }, other = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(captures); i++)
		captures[i] = captures_open(
			NULL, (struct lw_capture_options){ .file = fixture->path,
							   .points = i ? LW_CAPTURE_DROP
								       : LW_CAPTURE_SESSION_IN });
	for (size_t i = 0; i < CAPTURE_SET_MAX; i++)
		assert_int_equal(capture_attach(&set, captures[i]), 0);
	assert_int_equal(capture_attach(&set, captures[CAPTURE_SET_MAX]), -ENOSPC);
	assert_int_equal(capture_attach(&other, captures[0]), -EBUSY);
	assert_int_equal(set.points, LW_CAPTURE_DROP | LW_CAPTURE_SESSION_IN);
	lw_capture_detach(captures[0]);
	lw_capture_detach(captures[0]);
	assert_int_equal(set.points, LW_CAPTURE_DROP);
	assert_int_equal(capture_attach(&other, captures[0]), 0);
	capture_set_clear(&set);
	assert_int_equal(set.points, 0);
	for (size_t i = 0; i < ARRAY_SIZE(captures); i++)
		lw_capture_close(captures[i]);
	lw_capture_close(NULL);
	capture_see(NULL, LW_CAPTURE_DROP, NULL, NULL);
}

static void lw_capture_open__wrong_options__refused_with_a_sentence(void **state)
{
	struct fixture *fixture = *state;
	const struct lw_capture_options wrong[] = {
		{ .file = NULL, .layer = LW_LAYER_ETHERNET },
		{ .file = "", .layer = LW_LAYER_ETHERNET },
		{ .file = fixture->path },
		{ .file = fixture->path, .layer = 3 },
		{ .file = fixture->path, .layer = LW_LAYER_IP, .points = 1 << 5 },
		{ .file = fixture->path, .layer = LW_LAYER_IP, .snap_length = 262145 },
		{ .file = fixture->path, .layer = LW_LAYER_IP, .filter = "host example.com" },
		{ .file = "/nonexistent/c.pcap", .layer = LW_LAYER_IP },
		{ .file = "/dev/null", .layer = LW_LAYER_IP },
		{ .file = fixture->folder, .layer = LW_LAYER_IP },
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct lw_capture_options options = wrong[i];
		struct lw_capture *capture = NULL;
		struct lw_error error = { .domain = LW_DOMAIN_NONE };

		options.size = sizeof(options);
		assert_true(lw_capture_open(&options, &capture, &error) < 0);
		assert_null(capture);
		assert_int_not_equal(error.domain, LW_DOMAIN_NONE);
		assert_int_equal(strncmp(error.text, "capture", 7), 0);
	}
	assert_int_equal(access(fixture->path, F_OK), -1);
}

static void lw_capture_open__symbolic_link__refused_and_target_untouched(void **state)
{
	struct fixture *fixture = *state;
	char target[96];
	struct stat status;
	struct lw_capture *capture = NULL;
	struct lw_error error;
	int descriptor;

	snprintf(target, sizeof(target), "%s/target", fixture->folder);
	for (unsigned dangling = 0; dangling < 2; dangling++) {
		if (!dangling) {
			descriptor = open(target, O_WRONLY | O_CREAT, 0644);
			assert_int_equal(write(descriptor, "keep", 4), 4);
			close(descriptor);
		}
		assert_int_equal(symlink(target, fixture->path), 0);
		assert_int_equal(lw_capture_open(
					 &(struct lw_capture_options){
						 .size = sizeof(struct lw_capture_options),
						 .file = fixture->path,
						 .layer = LW_LAYER_ETHERNET },
					 &capture, &error),
				 -ELOOP);
		assert_null(capture);
		assert_non_null(strstr(error.text, "symbolic link"));
		assert_int_equal(lstat(fixture->path, &status), 0);
		assert_true(S_ISLNK(status.st_mode));
		assert_int_equal(stat(target, &status), dangling ? -1 : 0);
		if (!dangling)
			assert_int_equal(status.st_size, 4);
		unlink(fixture->path);
		unlink(target);
	}
}

static void lw_capture_open__old_file__replaced_and_its_other_name_kept(void **state)
{
	struct fixture *fixture = *state;
	char other[96];
	struct stat status;
	int descriptor = open(fixture->path, O_WRONLY | O_CREAT, 0666);

	snprintf(other, sizeof(other), "%s/other", fixture->folder);
	assert_int_equal(write(descriptor, "old", 3), 3);
	close(descriptor);
	assert_int_equal(link(fixture->path, other), 0);
	lw_capture_close(captures_open(NULL, (struct lw_capture_options){ .file = fixture->path }));
	assert_int_equal(stat(fixture->path, &status), 0);
	assert_int_equal(status.st_size, 24);
	assert_int_equal(status.st_mode & 07777, 0600);
	assert_int_equal(stat(other, &status), 0);
	assert_int_equal(status.st_size, 3);
	unlink(other);
}

static void lw_capture_open__refused_filter__old_file_kept(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture *capture = NULL;
	struct stat status;
	int descriptor = open(fixture->path, O_WRONLY | O_CREAT, 0666);

	assert_int_equal(write(descriptor, "old", 3), 3);
	close(descriptor);
	assert_int_equal(
		lw_capture_open(
			&(struct lw_capture_options){ .size = sizeof(struct lw_capture_options),
						      .file = fixture->path,
						      .layer = LW_LAYER_ETHERNET,
						      .filter = "host example.com" },
			&capture, NULL),
		-EINVAL);
	assert_int_equal(stat(fixture->path, &status), 0);
	assert_int_equal(status.st_size, 3);
}

/* A mount namespace of our own with a file system of 64 KiB on the fixture's folder; it ends with
 * this process. */
static void mount_small_disk(const char *folder)
{
	if (geteuid() != 0) {
		print_message("skipped: mounting a small file system needs root\n");
		skip();
	}
	if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", folder, "tmpfs", 0, "size=64k") < 0) {
		print_message("skipped: no mount namespace here: %s\n", strerror(errno));
		skip();
	}
}

static void capture__disk_full__stops_with_whole_packets_and_exact_counters(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture_counters counters;
	struct lw_capture_set set = { 0 };
	static const uint8_t frame[1000] = { 5 };
	struct lw_capture *capture;
	struct content content;
	struct stat status;

	mount_small_disk(fixture->folder);
	capture = captures_open(NULL, (struct lw_capture_options){ .file = fixture->path });
	assert_int_equal(capture_attach(&set, capture), 0);
	for (unsigned i = 0; i < 100; i++)
		see(&set, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame));
	assert_int_equal(lw_capture_flush(capture), -ENOSPC);
	assert_int_equal(lw_capture_flush(capture), -ENOSPC);
	see(&set, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame));
	counters = captures_count(capture);
	assert_int_equal(counters.matched, 101);
	assert_int_equal(counters.written, (65536 - 24) / 1016);
	assert_int_equal(counters.dropped, counters.matched - counters.written);
	assert_true(counters.stopped);
	assert_int_equal(counters.error, ENOSPC);
	lw_capture_close(capture);
	content = read_back(fixture->path);
	assert_int_equal(content.packets, counters.written);
	assert_int_equal(content.end, PCAP_ERROR_BREAK);
	assert_int_equal(stat(fixture->path, &status), 0);
	assert_int_equal(status.st_size, 24 + (off_t)counters.written * 1016);
	unlink(fixture->path);
	umount(fixture->folder);
}

static void capture__disk_full_then_room_again__nothing_stale_is_written(void **state)
{
	struct fixture *fixture = *state;
	char ballast[96];
	static const uint8_t block[60000];
	struct lw_capture_set set = { 0 };
	static const uint8_t frame[3000] = { 5 };
	struct lw_capture *capture;
	uint64_t written;
	int descriptor;

	mount_small_disk(fixture->folder);
	snprintf(ballast, sizeof(ballast), "%s/ballast", fixture->folder);
	capture = captures_open(NULL, (struct lw_capture_options){ .file = fixture->path });
	descriptor = open(ballast, O_WRONLY | O_CREAT, 0600);
	assert_true(write(descriptor, block, sizeof(block)) > 0);
	close(descriptor);
	assert_int_equal(capture_attach(&set, capture), 0);
	/* More than is buffered: the failure happens on the path, and the path goes on. */
	for (unsigned i = 0; i < 100; i++)
		see(&set, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame));
	assert_true(captures_count(capture).stopped);
	written = captures_count(capture).written;
	assert_int_equal(captures_count(capture).dropped, 100 - written);
	unlink(ballast);
	see(&set, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame));
	lw_capture_close(capture);
	assert_int_equal(read_back(fixture->path).packets, written);
	assert_int_equal(read_back(fixture->path).end, PCAP_ERROR_BREAK);
	unlink(fixture->path);
	umount(fixture->folder);
}

static void lw_capture_open__no_room_for_a_header__refused_and_nothing_left(void **state)
{
	struct fixture *fixture = *state;
	char ballast[96];
	static const uint8_t block[65536];
	struct lw_capture *capture = NULL;
	struct lw_error error;
	int descriptor;

	mount_small_disk(fixture->folder);
	snprintf(ballast, sizeof(ballast), "%s/ballast", fixture->folder);
	descriptor = open(ballast, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write(descriptor, block, sizeof(block)), sizeof(block));
	close(descriptor);
	assert_int_equal(
		lw_capture_open(
			&(struct lw_capture_options){ .size = sizeof(struct lw_capture_options),
						      .file = fixture->path,
						      .layer = LW_LAYER_ETHERNET },
			&capture, &error),
		-ENOSPC);
	assert_null(capture);
	assert_int_equal(access(fixture->path, F_OK), -1);
	unlink(ballast);
	umount(fixture->folder);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_fixture, drop_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(capture__packets__read_again_by_libpcap_exactly),
		TEST(capture__close_without_flush__nothing_lost),
		TEST(capture__snap_length__cut_and_true_length_kept),
		TEST(capture__super_frames__larger_than_what_is_buffered),
		TEST(capture__ip_layer__link_type_raw_and_other_layer_unseen),
		TEST(capture__filter__only_what_matches_is_counted),
		TEST(capture__points__each_sees_its_own),
		TEST(capture_attach__limits__refused),
		TEST(lw_capture_open__wrong_options__refused_with_a_sentence),
		TEST(lw_capture_open__symbolic_link__refused_and_target_untouched),
		TEST(lw_capture_open__old_file__replaced_and_its_other_name_kept),
		TEST(lw_capture_open__refused_filter__old_file_kept),
		TEST(capture__disk_full__stops_with_whole_packets_and_exact_counters),
		TEST(capture__disk_full_then_room_again__nothing_stale_is_written),
		TEST(lw_capture_open__no_room_for_a_header__refused_and_nothing_left),
	};

	return cmocka_run_group_tests_name("capture/capture", tests, NULL, NULL);
}
