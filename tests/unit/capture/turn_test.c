/* SPDX-License-Identifier: MIT */
/* Files in turn, and the flight recorder: which files there are, and what libpcap reads in them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <longwire/capture.h>
#include <longwire/error.h>

#include "base/memory.h"
#include "capture/point.h"
#include "support/captures.h"

enum { FILES_MAX = 32, SECOND_MS = 1000, FRAME = 1000 };

struct fixture {
	char folder[64];
	char path[96];
	struct lw_capture_set set;
	char names[FILES_MAX][64]; /* sorted */
	size_t n;
};

/* Numbers that are in the frames of a file, in order. */
struct content {
	unsigned packets;
	uint32_t first, last;
	bool is_in_order;
};

static int make_fixture(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/lw-turn-XXXXXX");
	if (!mkdtemp(fixture->folder))
		return -1;
	snprintf(fixture->path, sizeof(fixture->path), "%s/c.pcapng", fixture->folder);
	*state = fixture;
	return 0;
}

static const char *path_of(const struct fixture *fixture, const char *name)
{
	static char path[160];

	snprintf(path, sizeof(path), "%s/%s", fixture->folder, name);
	return path;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void list(struct fixture *fixture)
{
	DIR *folder = opendir(fixture->folder);
	const struct dirent *entry;

	fixture->n = 0;
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.' && fixture->n < FILES_MAX)
			snprintf(fixture->names[fixture->n++], sizeof(fixture->names[0]), "%.63s",
				 entry->d_name);
	closedir(folder);
	qsort(fixture->names, fixture->n, sizeof(fixture->names[0]), by_name);
}

static int drop_fixture(void **state)
{
	struct fixture *fixture = *state;

	list(fixture);
	for (size_t i = 0; i < fixture->n; i++)
		unlink(path_of(fixture, fixture->names[i]));
	rmdir(fixture->folder);
	free(fixture);
	return 0;
}

static struct lw_capture *open_capture(struct fixture *fixture, struct lw_capture_options options)
{
	if (!options.file)
		options.file = fixture->path;
	return captures_open(&fixture->set, options);
}

static void see(struct fixture *fixture, enum lw_capture_point point, uint32_t number,
		enum lw_drop reason)
{
	uint8_t frame[FRAME] = { [12] = 0x88, [13] = 0xb5 };
	const struct lw_packet packet = { .data = frame,
					  .length = sizeof(frame),
					  .layer = LW_LAYER_ETHERNET };
	const struct capture_context context = { .port = "branch", .reason = reason };

	memcpy(frame + 14, &number, sizeof(number));
	capture_see(&fixture->set, point, &packet, &context);
}

static void see_many(struct fixture *fixture, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++)
		see(fixture, LW_CAPTURE_DEVICE_IN, i, LW_DROP_NONE);
}

static struct content read_back(const char *path)
{
	char error[PCAP_ERRBUF_SIZE];
	struct content content = { .is_in_order = true };
	struct pcap_pkthdr *header;
	const u_char *data;
	pcap_t *pcap = pcap_open_offline(path, error);
	int end;

	if (!pcap)
		fail_msg("%s: %s", path, error);
	while ((end = pcap_next_ex(pcap, &header, &data)) == 1) {
		uint32_t number;

		memcpy(&number, data + 14, sizeof(number));
		if (content.packets++ == 0)
			content.first = number;
		else
			content.is_in_order &= number == content.last + 1;
		content.last = number;
	}
	assert_int_equal(end, PCAP_ERROR_BREAK);
	pcap_close(pcap);
	return content;
}

static struct content content_of(const struct fixture *fixture, size_t i)
{
	return read_back(path_of(fixture, fixture->names[i]));
}

static void turn__by_packets__oldest_removed_and_counting_on(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture *capture = open_capture(
		fixture, (struct lw_capture_options){ .file_packets = 10, .files = 3 });
	struct lw_capture_counters counters;

	see_many(fixture, 0, 45);
	counters = captures_count(capture);
	assert_int_equal(counters.files, 5);
	assert_int_equal(counters.written, 45);
	list(fixture);
	assert_int_equal(fixture->n, 3);
	lw_capture_close(capture);
	list(fixture);
	assert_int_equal(fixture->n, 3);
	for (size_t i = 0; i < 3; i++) {
		struct content content = content_of(fixture, i);

		assert_int_equal(content.first, 20 + 10 * i);
		assert_int_equal(content.packets, i == 2 ? 5 : 10);
		assert_true(content.is_in_order);
	}
	assert_int_equal(strncmp(fixture->names[0], "c_00003_", 8), 0);
	assert_int_equal(strlen(fixture->names[0]), strlen("c_00003_20261122T010203.pcapng"));
}

static void turn__by_bytes__never_more_than_said(void **state)
{
	static const char *const names[] = { "c.pcapng", "c.pcap" };

	for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
		struct fixture *fixture = *state;
		struct lw_capture *capture;
		unsigned packets = 0;
		struct stat status;

		capture = open_capture(fixture, (struct lw_capture_options){
							.file = path_of(fixture, names[k]),
							.file_bytes = LW_CAPTURE_FILE_BYTES_MIN,
							.files = 3 });
		for (uint32_t i = 0; i < 6; i++) {
			see_many(fixture, 1000 * i, 1000 * (i + 1));
			assert_int_equal(captures_count(capture).dropped, 0);
			list(fixture);
			assert_true(fixture->n <= 3);
		}
		lw_capture_close(capture);
		list(fixture);
		assert_int_equal(fixture->n, 3);
		for (size_t i = 0; i < fixture->n; i++) {
			const char *path = path_of(fixture, fixture->names[i]);

			assert_int_equal(stat(path, &status), 0);
			assert_true(status.st_size <= LW_CAPTURE_FILE_BYTES_MIN);
			if (i < 2)
				assert_true(status.st_size > LW_CAPTURE_FILE_BYTES_MIN - 16384);
			packets += content_of(fixture, i).packets;
		}
		assert_int_equal(content_of(fixture, 2).last, 5999);
		assert_true(packets > 2000);
		for (size_t i = 0; i < fixture->n; i++)
			unlink(path_of(fixture, fixture->names[i]));
	}
}

static void write_all(const char *path, const void *data, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, n), n);
	close(fd);
}

/* Files that an earlier run left are counted, the newest is mended, and nothing else is touched. */
static void turn__after_a_crash__old_ones_adopted_and_mended(void **state)
{
	static const char *const others[] = { "c.pcapng", "c_1_20261122T010203.pcapng",
					      "c_00009_20261122.pcapng",
					      "d_00001_20261122T010203.pcapng",
					      "c_00007_20261122T010203.pcap" };
	static const struct lw_capture_options options = { .file_packets = 10, .files = 4 };
	struct fixture *fixture = *state;
	struct lw_capture *capture = open_capture(fixture, options);
	char newest[160];
	struct stat status;

	see_many(fixture, 0, 40);
	lw_capture_close(capture);
	list(fixture);
	assert_int_equal(fixture->n, 4);
	/* As if it had been killed within its last write. */
	snprintf(newest, sizeof(newest), "%s", path_of(fixture, fixture->names[3]));
	assert_int_equal(stat(newest, &status), 0);
	assert_int_equal(truncate(newest, status.st_size - 200), 0);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		write_all(path_of(fixture, others[i]), "mine", 4);
	capture = open_capture(fixture, options);
	assert_true(read_back(newest).packets >= 9);
	assert_int_equal(access(newest, F_OK), 0);
	see_many(fixture, 40, 65);
	lw_capture_close(capture);
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		assert_int_equal(stat(path_of(fixture, others[i]), &status), 0);
		assert_int_equal(status.st_size, 4);
		unlink(path_of(fixture, others[i]));
	}
	list(fixture);
	assert_int_equal(fixture->n, 4);
	assert_int_equal(content_of(fixture, 0).first, 30);
	assert_int_equal(strncmp(fixture->names[3], "c_00007_", 8), 0);
	assert_int_equal(content_of(fixture, 3).last, 64);
}

/* Wherever a file of either format is cut, what is left after mending is whole. */
static void turn__cut_anywhere__mended_to_whole_records(void **state)
{
	static const char *const names[] = { "c.pcapng", "c.pcap" };
	struct fixture *fixture = *state;
	static uint8_t data[65536];

	for (size_t k = 0; k < ARRAY_SIZE(names); k++) {
		const struct lw_capture_options options = {
			.file = names[k], .file_packets = 1000, .files = 2, .snap_length = 40
		};
		struct lw_capture_options used = options;
		struct lw_capture *capture;
		char path[160], first[160];
		ssize_t length;
		int fd;

		snprintf(path, sizeof(path), "%s/%s", fixture->folder, names[k]);
		used.file = path;
		capture = open_capture(fixture, used);
		see_many(fixture, 0, 4);
		lw_capture_close(capture);
		list(fixture);
		snprintf(first, sizeof(first), "%s", path_of(fixture, fixture->names[0]));
		fd = open(first, O_RDONLY);
		length = read(fd, data, sizeof(data));
		close(fd);
		for (ssize_t cut = 24 + (k == 0 ? 120 : 0); cut < length; cut++) {
			write_all(first, data, (size_t)cut);
			capture = open_capture(fixture, used);
			lw_capture_close(capture);
			assert_true(read_back(first).packets <= 4);
			list(fixture);
			for (size_t i = 1; i < fixture->n; i++)
				unlink(path_of(fixture, fixture->names[i]));
		}
		unlink(first);
	}
}

static void turn__folder_deleted__stopped_and_said(void **state)
{
	struct fixture *fixture = *state;
	char folder[96], path[128];
	struct lw_capture *capture;

	snprintf(folder, sizeof(folder), "%s/sub", fixture->folder);
	snprintf(path, sizeof(path), "%s/c.pcapng", folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	capture = open_capture(fixture,
			       (struct lw_capture_options){ .file = path, .file_packets = 5 });
	see_many(fixture, 0, 5);
	assert_int_equal(lw_capture_flush(capture), 0);
	fixture->n = 0;
	{
		struct fixture inner = { .n = 0 };

		snprintf(inner.folder, sizeof(inner.folder), "%.60s", folder);
		list(&inner);
		assert_int_equal(inner.n, 1);
		unlink(path_of(&inner, inner.names[0]));
	}
	assert_int_equal(rmdir(folder), 0);
	see_many(fixture, 5, 12);
	assert_int_equal(lw_capture_flush(capture), -ENOENT);
	assert_int_equal(captures_count(capture).written, 5);
	assert_int_equal(captures_count(capture).dropped, 7);
	assert_true(captures_count(capture).stopped);
	lw_capture_close(capture);
}

/* Files of this process may have so many bytes. */
static void limit_files(rlim_t most)
{
	struct rlimit limit;

	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = most;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void turn__first_file_refused__nothing_of_it_and_earlier_ones_stay(void **state)
{
	struct fixture *fixture = *state;
	const struct lw_capture_options options = { .size = sizeof(options),
						    .layer = LW_LAYER_ETHERNET,
						    .file = fixture->path,
						    .file_packets = 10,
						    .files = 3 };

	for (size_t earlier = 0; earlier < 2; earlier++) {
		struct lw_capture *capture = NULL;
		struct lw_error error;
		int r;

		limit_files(0);
		r = lw_capture_open(&options, &capture, &error);
		limit_files(RLIM_INFINITY);
		assert_int_equal(r, -EFBIG);
		assert_null(capture);
		list(fixture);
		assert_int_equal(fixture->n, earlier);
		lw_capture_close(open_capture(fixture, options));
	}
}

static void recorder__trigger__what_came_before_is_there(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture *capture = open_capture(
		fixture, (struct lw_capture_options){ .recorder_bytes = LW_CAPTURE_RECORDER_MIN,
						      .files = 2,
						      .trigger = "ether[14:2] == 0x2211" });
	struct lw_capture_counters counters;
	struct content content;

	/* 1 040 bytes a record: 252 of them. Slow enough for every one to be taken. */
	for (uint32_t i = 0; i < 1000; i += 100) {
		see_many(fixture, i, i + 100);
		(void)lw_capture_flush(capture);
	}
	list(fixture);
	assert_int_equal(fixture->n, 0);
	counters = captures_count(capture);
	assert_true(counters.is_recorder);
	assert_int_equal(counters.written, 0);
	assert_int_equal(counters.held, 252);
	assert_int_equal(counters.forgotten, 748);
	see(fixture, LW_CAPTURE_DEVICE_IN, 0x1122, LW_DROP_NONE); /* the number in this order */
	counters = captures_count(capture);
	list(fixture);
	assert_int_equal(fixture->n, 1);
	assert_int_equal(counters.held, 0);
	assert_int_equal(counters.written, 252);
	content = content_of(fixture, 0);
	assert_int_equal(content.packets, 252);
	assert_int_equal(content.first, 749);
	assert_int_equal(content.last, 0x1122);
	/* The next begins from nothing. */
	see_many(fixture, 2000, 2003);
	assert_int_equal(lw_capture_trigger(capture), 0);
	assert_int_equal(captures_count(capture).files, 2);
	list(fixture);
	content = content_of(fixture, 1);
	assert_int_equal(content.packets, 3);
	assert_int_equal(content.first, 2000);
	lw_capture_close(capture);
}

static void recorder__events__written_for_those_that_were_chosen(void **state)
{
	static const char *const peers[] = { "branch" };
	struct fixture *fixture = *state;
	struct lw_capture *capture = open_capture(
		fixture, (struct lw_capture_options){ .recorder_bytes = LW_CAPTURE_RECORDER_MIN,
						      .peers = peers,
						      .n_peers = 1,
						      .events = LW_CAPTURE_PEER_LOST |
								LW_CAPTURE_LIMIT_HIT });
	struct lw_capture *other = open_capture(
		fixture, (struct lw_capture_options){ .file = path_of(fixture, "other.pcapng"),
						      .recorder_bytes = LW_CAPTURE_RECORDER_MIN });

	see_many(fixture, 0, 5);
	lw_capture_event(&fixture->set, LW_CAPTURE_PEER_LOST, "another");
	assert_int_equal(captures_count(capture).files, 0);
	lw_capture_event(&fixture->set, LW_CAPTURE_PEER_LOST, "branch");
	assert_int_equal(captures_count(capture).files, 1);
	list(fixture);
	assert_int_equal(content_of(fixture, 0).packets, 5);
	/* Drops are not captured, but a limit is seen. */
	see_many(fixture, 5, 8);
	see(fixture, LW_CAPTURE_DROP, 9, LW_DROP_QUEUE_FULL);
	assert_int_equal(captures_count(capture).files, 1);
	see(fixture, LW_CAPTURE_DROP, 9, LW_DROP_LIMIT_BROADCAST);
	assert_int_equal(captures_count(capture).files, 2);
	list(fixture);
	assert_int_equal(content_of(fixture, 1).packets, 3);
	assert_int_equal(captures_count(other).files, 0);
	assert_int_equal(captures_count(other).held, 8);
	lw_capture_event(NULL, LW_CAPTURE_PEER_LOST, "branch");
	lw_capture_close(other);
	lw_capture_close(capture);
}

static void recorder__after__goes_on_until_then(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture *capture = open_capture(
		fixture, (struct lw_capture_options){ .recorder_bytes = LW_CAPTURE_RECORDER_MIN,
						      .trigger = "ether[14:1] == 2",
						      .after_ms = LW_CAPTURE_AFTER_MAX });

	see_many(fixture, 0, 3);
	assert_int_equal(captures_count(capture).files, 0);
	see_many(fixture, 3, 6);
	assert_int_equal(captures_count(capture).held, 6);
	/* Closing does not wait, and loses nothing. */
	lw_capture_close(capture);
	list(fixture);
	assert_int_equal(fixture->n, 1);
	assert_int_equal(content_of(fixture, 0).packets, 6);
}

static void recorder__dump__a_copy_and_nothing_forgotten(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture_options options = { .size = sizeof(options),
					      .layer = LW_LAYER_ETHERNET,
					      .recorder_bytes = LW_CAPTURE_RECORDER_MIN };
	struct lw_capture *capture;
	int fd = open(path_of(fixture, "dump"), O_RDWR | O_CREAT, 0600);

	assert_int_equal(lw_capture_open(&options, &capture, NULL), 0);
	assert_int_equal(capture_attach(&fixture->set, capture), 0);
	see_many(fixture, 0, 7);
	assert_int_equal(lw_capture_trigger(capture), -EINVAL);
	assert_int_equal(lw_capture_dump(capture, -1), -EBADF);
	assert_int_equal(lw_capture_dump(capture, fd), 0);
	assert_int_equal(captures_count(capture).held, 7);
	assert_int_equal(captures_count(capture).written, 0);
	assert_int_equal(read_back(path_of(fixture, "dump")).packets, 7);
	lw_capture_close(capture);
	close(fd);
}

/* Where it cannot be written it is kept, and said. */
static void recorder__folder_gone__kept_and_said(void **state)
{
	struct fixture *fixture = *state;
	char folder[96], path[128];
	struct lw_capture *capture;

	snprintf(folder, sizeof(folder), "%s/sub", fixture->folder);
	snprintf(path, sizeof(path), "%s/c.pcapng", folder);
	assert_int_equal(mkdir(folder, 0700), 0);
	capture = open_capture(fixture,
			       (struct lw_capture_options){
				       .file = path, .recorder_bytes = LW_CAPTURE_RECORDER_MIN });
	assert_int_equal(rmdir(folder), 0);
	see_many(fixture, 0, 4);
	assert_int_equal(lw_capture_trigger(capture), 0);
	assert_int_equal(lw_capture_flush(capture), -ENOENT);
	assert_false(captures_count(capture).stopped);
	assert_int_equal(captures_count(capture).error, ENOENT);
	assert_int_equal(captures_count(capture).held, 4);
	lw_capture_close(capture);
}

static void options__impossible__refused_with_a_sentence(void **state)
{
	static const struct {
		struct lw_capture_options options;
		const char *said;
	} wrong[] = {
		{ { .file_bytes = 1 }, "1048576" },
		{ { .file_seconds = 1, .files = LW_CAPTURE_FILES_MAX + 1 }, "1000 files" },
		{ { .files = 3 }, "bytes, packets or seconds" },
		{ { .trigger = "arp" }, "belong to a recorder" },
		{ { .events = LW_CAPTURE_PEER_LOST }, "belong to a recorder" },
		{ { .after_ms = 1 }, "belong to a recorder" },
		{ { .recorder_bytes = 1 }, "262144" },
		{ { .recorder_bytes = LW_CAPTURE_RECORDER_MIN, .trigger = "host x" }, "filter" },
		{ { .recorder_bytes = LW_CAPTURE_RECORDER_MIN, .events = 4 }, "unknown events" },
		{ { .recorder_bytes = LW_CAPTURE_RECORDER_MIN, .after_ms = 60001 }, "60000" },
		{ { .recorder_bytes = LW_CAPTURE_RECORDER_MIN, .packets = 1 }, "all that it has" },
		{ { .recorder_bytes = LW_CAPTURE_RECORDER_MIN, .file = "", .events = 1 },
		  "needs a file" },
		{ { .file_seconds = 1, .file = "", .descriptor = 1 }, "named after" },
		{ { .recorder_bytes = LW_CAPTURE_RECORDER_MIN, .file = "", .descriptor = 1 },
		  "when asked" },
		{ { .file_seconds = 1, .file = "/nonexistent/c.pcap" }, "/nonexistent/c.pcap" },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct lw_capture_options options = wrong[i].options;
		struct lw_capture *capture = NULL;
		struct lw_error error;

		options.size = sizeof(options);
		options.layer = LW_LAYER_ETHERNET;
		if (!options.file)
			options.file = fixture->path;
		assert_true(lw_capture_open(&options, &capture, &error) < 0);
		assert_null(capture);
		if (!strstr(error.text, wrong[i].said))
			fail_msg("%zu: %s", i, error.text);
	}
	list(fixture);
	assert_int_equal(fixture->n, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_fixture, drop_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(turn__by_packets__oldest_removed_and_counting_on),
		TEST(turn__by_bytes__never_more_than_said),
		TEST(turn__after_a_crash__old_ones_adopted_and_mended),
		TEST(turn__cut_anywhere__mended_to_whole_records),
		TEST(turn__folder_deleted__stopped_and_said),
		TEST(turn__first_file_refused__nothing_of_it_and_earlier_ones_stay),
		TEST(recorder__trigger__what_came_before_is_there),
		TEST(recorder__events__written_for_those_that_were_chosen),
		TEST(recorder__after__goes_on_until_then),
		TEST(recorder__dump__a_copy_and_nothing_forgotten),
		TEST(recorder__folder_gone__kept_and_said),
		TEST(options__impossible__refused_with_a_sentence),
	};

	return cmocka_run_group_tests_name("capture/turn", tests, NULL, NULL);
}
