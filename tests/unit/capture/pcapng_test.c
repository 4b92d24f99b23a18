/* SPDX-License-Identifier: MIT */
/* pcapng end to end: what a reader of ours and libpcap's find in the blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pcap/pcap.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <longwire/capture.h>
#include <longwire/error.h>

#include "base/memory.h"
#include "capture/point.h"
#include "support/captures.h"

enum {
	FILE_MAX = 8 * 1024 * 1024,
	SECTION = 0x0a0d0d0a,
	INTERFACE = 1,
	STATISTICS = 5,
	PACKET = 6
};

struct fixture {
	char folder[64];
	char path[96];
	struct lw_capture_set set;
	uint8_t *data;
	size_t length;
};

/* One block of the file, as it stands there. */
struct found {
	uint32_t type, length;
	const uint8_t *body;
	size_t body_length;
};

struct walk {
	const struct fixture *fixture;
	size_t offset;
};

static int make_fixture(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/lw-pcapng-XXXXXX");
	if (!mkdtemp(fixture->folder))
		return -1;
	snprintf(fixture->path, sizeof(fixture->path), "%s/c.pcapng", fixture->folder);
	fixture->data = malloc(FILE_MAX);
	*state = fixture;
	return 0;
}

static int drop_fixture(void **state)
{
	struct fixture *fixture = *state;

	unlink(fixture->path);
	rmdir(fixture->folder);
	free(fixture->data);
	free(fixture);
	return 0;
}

static void load(struct fixture *fixture)
{
	FILE *file = fopen(fixture->path, "r");

	assert_non_null(file);
	fixture->length = fread(fixture->data, 1, FILE_MAX, file);
	fclose(file);
}

static uint32_t word_at(const uint8_t *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static uint16_t half_at(const uint8_t *p)
{
	uint16_t half;

	memcpy(&half, p, sizeof(half));
	return half;
}

/* Every block is whole, padded, and says its length twice. */
static bool next(struct walk *walk, struct found *ret_found)
{
	const uint8_t *p = walk->fixture->data + walk->offset;
	size_t left = walk->fixture->length - walk->offset;

	if (left == 0)
		return false;
	assert_true(left >= 12);
	ret_found->type = word_at(p);
	ret_found->length = word_at(p + 4);
	assert_true(ret_found->length >= 12 && ret_found->length <= left);
	assert_int_equal(ret_found->length % 4, 0);
	assert_int_equal(word_at(p + ret_found->length - 4), ret_found->length);
	ret_found->body = p + 8;
	ret_found->body_length = ret_found->length - 12;
	walk->offset += ret_found->length;
	return true;
}

/* The value of an option among those that begin at offset of the body, or NULL. */
static const uint8_t *option_of(const struct found *found, size_t offset, uint16_t code,
				uint16_t *ret_length)
{
	while (offset + 4 <= found->body_length) {
		const uint8_t *p = found->body + offset;
		uint16_t length = half_at(p + 2);

		if (half_at(p) == 0)
			break;
		assert_true(offset + 4 + length <= found->body_length);
		if (half_at(p) == code) {
			*ret_length = length;
			return p + 4;
		}
		offset += 4 + (length + 3u) / 4 * 4;
	}
	return NULL;
}

static void assert_text(const struct found *found, size_t offset, uint16_t code, const char *text)
{
	uint16_t length = 0;
	const uint8_t *value = option_of(found, offset, code, &length);

	assert_non_null(value);
	assert_int_equal(length, strlen(text));
	assert_memory_equal(value, text, length);
}

static uint64_t count_of(const struct found *found, size_t offset, uint16_t code)
{
	uint16_t length = 0;
	const uint8_t *value = option_of(found, offset, code, &length);
	uint64_t count;

	assert_non_null(value);
	assert_int_equal(length, sizeof(count));
	memcpy(&count, value, sizeof(count));
	return count;
}

static size_t packet_options(const struct found *found)
{
	return 20 + (word_at(found->body + 12) + 3u) / 4 * 4;
}

static struct lw_capture *open_capture(struct fixture *fixture, struct lw_capture_options options)
{
	if (!options.descriptor)
		options.file = fixture->path;
	return captures_open(&fixture->set, options);
}

static void see(struct fixture *fixture, enum lw_capture_point point, const void *data,
		size_t length, const char *port, bool is_device, enum lw_drop reason)
{
	const struct lw_packet packet = { .data = data,
					  .length = length,
					  .layer = LW_LAYER_ETHERNET };
	const struct capture_context context = { .port = port,
						 .reason = reason,
						 .is_device = is_device };

	capture_see(&fixture->set, point, &packet, &context);
}

enum { ALL_POINTS = 31 };

static void pcapng__ports_directions_reasons__in_their_blocks(void **state)
{
	static const struct {
		enum lw_capture_point point;
		const char *port;
		bool is_device;
		uint32_t interface, direction;
	} shown[] = {
		{ LW_CAPTURE_DEVICE_IN, "lw0", true, 0, 1 },
		{ LW_CAPTURE_SESSION_OUT, "branch", false, 1, 2 },
		{ LW_CAPTURE_SESSION_IN, "branch", false, 1, 1 },
		{ LW_CAPTURE_DEVICE_OUT, "lw0", true, 0, 2 },
		{ LW_CAPTURE_DROP, "lw0", false, 2, 0 }, /* a peer of the device's name */
	};
	struct fixture *fixture = *state;
	struct lw_capture *capture = open_capture(
		fixture, (struct lw_capture_options){ .points = ALL_POINTS, .filter = "len > 14" });
	struct walk walk = { fixture, 0 };
	size_t packets = 0, interfaces = 0, statistics = 0;
	uint64_t last = 0;
	struct found found;
	uint8_t frame[61] = { 0 };

	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		frame[14] = (uint8_t)i;
		see(fixture, shown[i].point, frame, sizeof(frame) - i, shown[i].port,
		    shown[i].is_device, i == 4 ? LW_DROP_GUARD_RA : LW_DROP_NONE);
	}
	see(fixture, LW_CAPTURE_SESSION_IN, frame, 14, "branch", false, LW_DROP_NONE);
	see(fixture, LW_CAPTURE_SESSION_IN, frame, 14, "quiet", false, LW_DROP_NONE);
	assert_int_equal(captures_count(capture).seen, 7);
	assert_int_equal(captures_count(capture).matched, 5);
	assert_int_equal(captures_count(capture).records, 5);
	lw_capture_close(capture);
	load(fixture);
	assert_true(next(&walk, &found));
	assert_int_equal(found.type, SECTION);
	assert_int_equal(word_at(found.body), 0x1a2b3c4d);
	while (next(&walk, &found)) {
		uint16_t length;
		uint64_t stamp;

		switch (found.type) {
		case INTERFACE:
			assert_int_equal(half_at(found.body), 1);
			assert_int_equal(word_at(found.body + 4), LW_CAPTURE_SNAP_MAX);
			assert_text(
				&found, 8, 2,
				((const char *[]){ "lw0", "branch", "lw0", "quiet" })[interfaces]);
			assert_text(&found, 8, 3,
				    ((const char *[]){ "interface lw0", "peer branch", "peer lw0",
						       "peer quiet" })[interfaces]);
			assert_int_equal(*option_of(&found, 8, 9, &length), 9);
			assert_memory_equal(option_of(&found, 8, 11, &length), "\0len > 14", 9);
			assert_int_equal(length, 9);
			interfaces++;
			break;
		case PACKET:
			assert_true(packets < ARRAY_SIZE(shown));
			assert_int_equal(word_at(found.body), shown[packets].interface);
			stamp = (uint64_t)word_at(found.body + 4) << 32 | word_at(found.body + 8);
			assert_true(stamp >= last);
			last = stamp;
			assert_int_equal(word_at(found.body + 12), 61 - packets);
			assert_int_equal(word_at(found.body + 16), 61 - packets);
			assert_int_equal(found.body[20 + 14], packets);
			assert_int_equal(
				word_at(option_of(&found, packet_options(&found), 2, &length)),
				shown[packets].direction);
			if (packets == 4)
				assert_text(&found, packet_options(&found), 1,
					    "dropped: guard-ra: a router advertisement from one "
					    "that may not route");
			else
				assert_null(option_of(&found, packet_options(&found), 1, &length));
			packets++;
			break;
		case STATISTICS:
			if (word_at(found.body) == 1) {
				assert_int_equal(count_of(&found, 12, 4), 3);
				assert_int_equal(count_of(&found, 12, 6), 2);
				assert_int_equal(count_of(&found, 12, 7), 0);
				assert_int_equal(count_of(&found, 12, 8), 2);
			}
			statistics++;
			break;
		default:
			fail_msg("block of type %u", found.type);
		}
	}
	assert_int_equal(packets, 5);
	assert_int_equal(interfaces, 4);
	assert_int_equal(statistics, 4);
}

static void selectors__ports_peers_reasons__only_those_are_seen(void **state)
{
	static const char *const ports[] = { "lw0" }, *const peers[] = { "a" };
	struct fixture *fixture = *state;
	const uint8_t frame[60] = { 0 };
	struct lw_capture *capture = open_capture(
		fixture, (struct lw_capture_options){ .points = ALL_POINTS,
						      .ports = ports,
						      .n_ports = 1,
						      .peers = peers,
						      .n_peers = 1,
						      .reasons = 1 << LW_DROP_QUEUE_FULL |
								 1 << LW_DROP_QUEUE_LATE });

	see(fixture, LW_CAPTURE_DEVICE_IN, frame, 60, "lw0", true, LW_DROP_NONE);   /* + */
	see(fixture, LW_CAPTURE_SESSION_IN, frame, 60, "lw0", false, LW_DROP_NONE); /* + */
	see(fixture, LW_CAPTURE_SESSION_IN, frame, 60, "a", false, LW_DROP_NONE);   /* + */
	see(fixture, LW_CAPTURE_DEVICE_IN, frame, 60, "a", true, LW_DROP_NONE);
	see(fixture, LW_CAPTURE_SESSION_IN, frame, 60, "b", false, LW_DROP_NONE);
	see(fixture, LW_CAPTURE_SESSION_IN, frame, 60, NULL, false, LW_DROP_NONE);
	see(fixture, LW_CAPTURE_DROP, frame, 60, "a", false, LW_DROP_QUEUE_FULL); /* + */
	see(fixture, LW_CAPTURE_DROP, frame, 60, "a", false, LW_DROP_TOO_BIG);
	assert_int_equal(captures_count(capture).seen, 4);
	assert_int_equal(captures_count(capture).written, 4);
	lw_capture_close(capture);
}

static void options__impossible__refused_with_a_sentence(void **state)
{
	static const char *const empty[] = { "" };
	static const struct {
		struct lw_capture_options options;
		const char *said;
	} wrong[] = {
		{ { .format = (enum lw_capture_format)3 }, "pcap or pcapng" },
		{ { .descriptor = 1, .file = "/tmp/x" }, "exclude each other" },
		{ { .descriptor = 9999, .file = NULL }, "9999" },
		{ { .buffer_size = 1 }, "262144" },
		{ { .buffer_size = (size_t)LW_CAPTURE_BUFFER_MAX + 1 }, "268435456" },
		{ { .reasons = 1 }, "unknown reasons" },
		{ { .reasons = UINT64_C(1) << LW_DROP_COUNT }, "unknown reasons" },
		{ { .n_ports = LW_CAPTURE_NAMES_MAX + 1, .ports = empty }, "at most 64" },
		{ { .n_peers = 1, .peers = empty }, "not empty" },
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct lw_capture_options options = wrong[i].options;
		struct lw_capture *capture = NULL;
		struct lw_error error;

		options.size = sizeof(options);
		options.layer = LW_LAYER_ETHERNET;
		if (options.descriptor == 0)
			options.file = fixture->path;
		assert_true(lw_capture_open(&options, &capture, &error) < 0);
		assert_null(capture);
		assert_non_null(strstr(error.text, wrong[i].said));
	}
	assert_int_equal(access(fixture->path, F_OK), -1);
}

static void descriptor__read_only__refused(void **state)
{
	struct lw_capture_options options = { .size = sizeof(options), .layer = LW_LAYER_IP };
	struct lw_capture *capture = NULL;
	struct lw_error error;

	(void)state;
	options.descriptor = open("/dev/null", O_RDONLY);
	assert_int_equal(lw_capture_open(&options, &capture, &error), -EBADF);
	assert_non_null(strstr(error.text, "not open for writing"));
	close(options.descriptor);
}

static void descriptor__terminal__refused(void **state)
{
	struct lw_capture_options options = { .size = sizeof(options), .layer = LW_LAYER_IP };
	const struct lw_capture_options recorder = { .size = sizeof(recorder),
						     .layer = LW_LAYER_IP,
						     .recorder_bytes = LW_CAPTURE_RECORDER_MIN };
	int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct lw_capture *capture = NULL;
	struct lw_error error;

	(void)state;
	assert_true(terminal >= 0);
	options.descriptor = terminal;
	assert_int_equal(lw_capture_open(&options, &capture, &error), -EOPNOTSUPP);
	assert_non_null(strstr(error.text, "is a terminal; use a file or a pipe"));
	assert_int_equal(lw_capture_open(&recorder, &capture, &error), 0);
	assert_int_equal(lw_capture_dump(capture, terminal), -EOPNOTSUPP);
	lw_capture_close(capture);
	close(terminal);
}

static unsigned packets_in(const char *path, int *ret_end)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	unsigned packets = 0;
	const u_char *data;
	pcap_t *pcap =
		pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);

	if (!pcap)
		fail_msg("%s: %s", path, error);
	while ((*ret_end = pcap_next_ex(pcap, &header, &data)) == 1)
		packets++;
	pcap_close(pcap);
	return packets;
}

static void pipe__reader_there__gets_everything(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture *capture;
	uint8_t frame[1000] = { 7 };
	int ends[2], kept, end;
	ssize_t n;
	FILE *file;

	assert_int_equal(pipe(ends), 0);
	capture = open_capture(fixture, (struct lw_capture_options){ .descriptor = ends[1] });
	kept = fcntl(ends[1], F_GETFD); /* the caller's is still the caller's */
	assert_true(kept >= 0);
	close(ends[1]);
	for (unsigned i = 0; i < 40; i++)
		see(fixture, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame), "lw0", true, LW_DROP_NONE);
	assert_int_equal(captures_count(capture).written, 40);
	lw_capture_close(capture);
	file = fopen(fixture->path, "w");
	while ((n = read(ends[0], fixture->data, FILE_MAX)) > 0)
		fwrite(fixture->data, 1, (size_t)n, file);
	fclose(file);
	close(ends[0]);
	assert_int_equal(packets_in(fixture->path, &end), 40);
	assert_int_equal(end, PCAP_ERROR_BREAK);
}

/* The path goes on, the capture's thread waits, what has no room is counted; closing does not
 * hang. */
static void pipe__reader_asleep__path_goes_on_and_close_returns(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture *capture;
	struct lw_capture_counters counters;
	uint8_t frame[1400] = { 7 };
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	capture = open_capture(fixture,
			       (struct lw_capture_options){ .descriptor = ends[1],
							    .buffer_size = LW_CAPTURE_BUFFER_MIN });
	close(ends[1]);
	for (unsigned i = 0; i < 2000; i++)
		see(fixture, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame), "lw0", true, LW_DROP_NONE);
	assert_int_equal(lw_capture_flush(capture), -ETIMEDOUT);
	for (unsigned i = 0; i < 2000; i++)
		see(fixture, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame), "lw0", true, LW_DROP_NONE);
	lw_capture_counters(capture, &(struct lw_capture_counters){ .size = 8 });
	counters = (struct lw_capture_counters){ .size = sizeof(counters) };
	lw_capture_counters(capture, &counters);
	assert_int_equal(counters.matched, 4000);
	assert_true(counters.dropped > 2000);
	assert_false(counters.stopped);
	lw_capture_close(capture);
	close(ends[0]);
}

static void pipe__reader_gone__stopped_and_said(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture_counters counters;
	struct lw_capture *capture;
	uint8_t frame[60] = { 7 };
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	capture = open_capture(fixture, (struct lw_capture_options){ .descriptor = ends[1] });
	close(ends[1]);
	assert_int_equal(lw_capture_flush(capture), 0);
	close(ends[0]);
	see(fixture, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame), "lw0", true, LW_DROP_NONE);
	assert_int_equal(lw_capture_flush(capture), -EPIPE);
	see(fixture, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame), "lw0", true, LW_DROP_NONE);
	counters = captures_count(capture);
	assert_true(counters.stopped);
	assert_int_equal(counters.error, EPIPE);
	assert_int_equal(counters.matched, 2);
	assert_int_equal(counters.dropped, 2);
	lw_capture_close(capture);
}

static void packets__as_many_as_asked__then_ended_in_order(void **state)
{
	struct fixture *fixture = *state;
	struct lw_capture *capture =
		open_capture(fixture, (struct lw_capture_options){ .packets = 10 });
	struct lw_capture_counters counters;
	uint8_t frame[60] = { 7 };
	struct found found;
	struct walk walk = { fixture, 0 };
	uint32_t last = 0;
	int end;

	for (unsigned i = 0; i < 25; i++)
		see(fixture, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame), "lw0", true, LW_DROP_NONE);
	counters = captures_count(capture);
	assert_int_equal(counters.records, 10);
	assert_true(counters.stopped);
	assert_int_equal(counters.error, 0);
	/* Nothing is seen any more, and the file is complete before it is closed. */
	see(fixture, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame), "lw0", true, LW_DROP_NONE);
	assert_int_equal(captures_count(capture).seen, counters.seen);
	load(fixture);
	while (next(&walk, &found))
		last = found.type;
	assert_int_equal(last, STATISTICS);
	lw_capture_close(capture);
	assert_int_equal(packets_in(fixture->path, &end), 10);
}

static void file__unlinked_or_cut_by_somebody__stopped_and_said(void **state)
{
	struct fixture *fixture = *state;
	uint8_t frame[60] = { 7 };

	for (unsigned is_cut = 0; is_cut < 2; is_cut++) {
		struct lw_capture *capture =
			open_capture(fixture, (struct lw_capture_options){ .points = 0 });

		see(fixture, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame), "lw0", true, LW_DROP_NONE);
		assert_int_equal(lw_capture_flush(capture), 0);
		assert_int_equal(is_cut ? truncate(fixture->path, 30) : unlink(fixture->path), 0);
		see(fixture, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame), "lw0", true, LW_DROP_NONE);
		assert_int_equal(lw_capture_flush(capture), is_cut ? -ESTALE : -ENOENT);
		assert_int_equal(captures_count(capture).written, 1);
		assert_int_equal(captures_count(capture).dropped, 1);
		lw_capture_close(capture);
	}
}

static int open_at_end(const struct fixture *fixture)
{
	int fd = open(fixture->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	return fd;
}

/* As the shell's >> does: a section behind what is there, and of a failure only that is cut. */
static void descriptor__that_appends__written_and_cut_behind_what_is_there(void **state)
{
	struct fixture *fixture = *state;
	struct rlimit limit, before;
	struct stat status;
	uint8_t frame[1000] = { 7 };
	int end;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	for (unsigned round = 0; round < 3; round++) {
		int fd = open_at_end(fixture);
		struct lw_capture *capture =
			open_capture(fixture, (struct lw_capture_options){ .descriptor = fd });

		close(fd);
		see(fixture, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame), "lw0", true, LW_DROP_NONE);
		if (round == 2) { /* in the middle of the packet */
			assert_int_equal(stat(fixture->path, &status), 0);
			limit = (struct rlimit){ (rlim_t)status.st_size + 500, before.rlim_max };
			signal(SIGXFSZ, SIG_IGN);
			assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
			assert_int_equal(lw_capture_flush(capture), -EFBIG);
		} else {
			assert_int_equal(lw_capture_flush(capture), 0);
		}
		lw_capture_close(capture);
	}
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(packets_in(fixture->path, &end), 2);
	assert_int_equal(end, PCAP_ERROR_BREAK);
}

static void descriptor__of_a_file_without_a_name__is_written(void **state)
{
	struct fixture *fixture = *state;
	int fd = memfd_create("capture", MFD_CLOEXEC);
	struct lw_capture *capture =
		open_capture(fixture, (struct lw_capture_options){ .descriptor = fd });
	uint8_t frame[60] = { 7 };

	see(fixture, LW_CAPTURE_DEVICE_IN, frame, sizeof(frame), "lw0", true, LW_DROP_NONE);
	assert_int_equal(lw_capture_flush(capture), 0);
	assert_int_equal(captures_count(capture).written, 1);
	assert_true(lseek(fd, 0, SEEK_END) > (off_t)sizeof(frame));
	lw_capture_close(capture);
	close(fd);
}

static void dump(struct fixture *fixture, struct lw_capture *capture)
{
	int fd = open(fixture->path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(lw_capture_dump(capture, fd), 0);
	assert_int_equal(lw_capture_flush(capture), 0);
	close(fd);
}

/* Comments follow what changes from packet to packet, and nothing else. Where they came in gave the
 * file nothing: those ports are not described there. */
static void pcapng__origins_and_reasons__in_comments_of_each_packet(void **state)
{
	static const struct {
		struct capture_origin origin;
		enum lw_capture_point point;
		const char *comment;
		enum lw_drop reason;
	} shown[] = {
		{ { .port = "laptop" },
		  LW_CAPTURE_SESSION_OUT,
		  "from laptop, known",
		  LW_DROP_NONE },
		{ { .port = "laptop" },
		  LW_CAPTURE_SESSION_OUT,
		  "from laptop, known",
		  LW_DROP_NONE },
		{ { .port = "laptop", .is_flooded = true },
		  LW_CAPTURE_SESSION_OUT,
		  "from laptop, flooded",
		  LW_DROP_NONE },
		{ { .port = "lw0", .is_device = true, .is_flooded = true },
		  LW_CAPTURE_SESSION_OUT,
		  "from lw0, flooded",
		  LW_DROP_NONE },
		{ { .port = "laptop", .is_flooded = true },
		  LW_CAPTURE_DEVICE_OUT,
		  "from laptop, flooded",
		  LW_DROP_NONE },
		{ { .port = NULL }, LW_CAPTURE_SESSION_OUT, NULL, LW_DROP_NONE },
		{ { .port = "laptop" },
		  LW_CAPTURE_SESSION_OUT,
		  "from laptop, known",
		  LW_DROP_NONE },
		{ { .port = "laptop" }, LW_CAPTURE_SESSION_IN, NULL, LW_DROP_NONE },
		{ { .port = "laptop", .is_replayed = true },
		  LW_CAPTURE_DEVICE_OUT,
		  "from laptop, known, replayed",
		  LW_DROP_NONE },
		{ { .port = "laptop" }, LW_CAPTURE_DEVICE_OUT, "from laptop, known", LW_DROP_NONE },
		{ { .is_replayed = true }, LW_CAPTURE_SESSION_OUT, "replayed", LW_DROP_NONE },
		{ { .is_replayed = true }, LW_CAPTURE_SESSION_IN, "replayed", LW_DROP_NONE },
		{ { .is_replayed = true },
		  LW_CAPTURE_DROP,
		  "dropped: short: shorter than its own header, replayed",
		  LW_DROP_SHORT },
		{ { .port = NULL },
		  LW_CAPTURE_DROP,
		  "dropped: short: shorter than its own header",
		  LW_DROP_SHORT },
		{ { .port = NULL },
		  LW_CAPTURE_DROP,
		  "dropped: port-down: the port has no session",
		  LW_DROP_PORT_DOWN },
	};
	struct fixture *fixture = *state;

	for (unsigned is_recorder = 0; is_recorder < 2; is_recorder++) {
		struct lw_capture *capture = open_capture(
			fixture,
			(struct lw_capture_options){
				.points = ALL_POINTS,
				.recorder_bytes = is_recorder ? LW_CAPTURE_RECORDER_MIN : 0 });
		struct walk walk = { fixture, 0 };
		size_t packets = 0, interfaces = 0;
		uint8_t frame[60] = { 7 };
		struct found found;

		for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
			(void)capture_set_origin(shown[i].origin);
			see(fixture, shown[i].point, frame, sizeof(frame), "branch", false,
			    shown[i].reason);
		}
		(void)capture_set_origin((struct capture_origin){ .port = NULL });
		assert_int_equal(captures_count(capture).seen, ARRAY_SIZE(shown));
		if (is_recorder)
			dump(fixture, capture);
		lw_capture_close(capture);
		load(fixture);
		while (next(&walk, &found)) {
			uint16_t length;

			interfaces += found.type == INTERFACE;
			if (found.type != PACKET)
				continue;
			if (shown[packets].comment)
				assert_text(&found, packet_options(&found), 1,
					    shown[packets].comment);
			else
				assert_null(option_of(&found, packet_options(&found), 1, &length));
			packets++;
		}
		assert_int_equal(packets, ARRAY_SIZE(shown));
		assert_int_equal(interfaces, 1);
	}
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_fixture, drop_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(pcapng__ports_directions_reasons__in_their_blocks),
		TEST(pcapng__origins_and_reasons__in_comments_of_each_packet),
		TEST(selectors__ports_peers_reasons__only_those_are_seen),
		TEST(options__impossible__refused_with_a_sentence),
		TEST(descriptor__read_only__refused),
		TEST(descriptor__terminal__refused),
		TEST(pipe__reader_there__gets_everything),
		TEST(pipe__reader_asleep__path_goes_on_and_close_returns),
		TEST(pipe__reader_gone__stopped_and_said),
		TEST(packets__as_many_as_asked__then_ended_in_order),
		TEST(descriptor__that_appends__written_and_cut_behind_what_is_there),
		TEST(descriptor__of_a_file_without_a_name__is_written),
		TEST(file__unlinked_or_cut_by_somebody__stopped_and_said),
	};

	return cmocka_run_group_tests_name("capture/pcapng", tests, NULL, NULL);
}
