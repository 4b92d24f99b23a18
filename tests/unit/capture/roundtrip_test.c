/* SPDX-License-Identifier: MIT */
/* What goes into a capture comes out of libpcap's reader: any packets, cuts and super-frames, from
 * one thread or several, while captures come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pcap/pcap.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include <longwire/capture.h>
#include <longwire/error.h>

#include "base/memory.h"
#include "capture/point.h"
#include "device/segment.h"
#include "support/packet_builder.h"

enum { RECORDS_MAX = 20000, THREADS = 4, ROUNDS = 12 };

struct expected {
	uint8_t *data;
	uint32_t kept, length;
};

struct fixture {
	char path[64];
	struct lw_capture_set set;
	unsigned seed;
	struct expected expected[RECORDS_MAX];
	size_t n;
	uint64_t packets;
};

static struct built built;

static int make_fixture(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	snprintf(fixture->path, sizeof(fixture->path), "/tmp/lw-roundtrip-%d", (int)getpid());
	fixture->seed = (unsigned)getpid();
	*state = fixture;
	return 0;
}

static void forget(struct fixture *fixture)
{
	while (fixture->n > 0)
		free(fixture->expected[--fixture->n].data);
	fixture->packets = 0;
}

static int drop_fixture(void **state)
{
	struct fixture *fixture = *state;

	forget(fixture);
	unlink(fixture->path);
	free(fixture);
	return 0;
}

static unsigned draw(struct fixture *fixture, unsigned n)
{
	fixture->seed = fixture->seed * 1103515245 + 12345;
	return (fixture->seed >> 12) % n;
}

static void expect(struct fixture *fixture, const uint8_t *data, size_t length, uint32_t snap)
{
	struct expected *expected = &fixture->expected[fixture->n++];

	assert_true(fixture->n < RECORDS_MAX);
	expected->kept = (uint32_t)MIN(length, (size_t)snap);
	expected->length = (uint32_t)length;
	expected->data = malloc(expected->kept + 1);
	memcpy(expected->data, data, expected->kept);
}

/* By the segmenter over all of it; one that the snap length cuts keeps the first checksum. */
static void expect_segments(struct fixture *fixture, const struct lw_packet *packet, uint32_t snap)
{
	static uint8_t segment[LW_PACKET_MAX];
	struct segmenter segmenter;
	size_t length;

	assert_int_equal(segmenter_init(&segmenter, packet), 0);
	while ((length = segmenter_next(&segmenter, segment)) > 0) {
		size_t field = packet->offload->checksum_start + packet->offload->checksum_offset;

		if (packet->offload->gso != LW_GSO_NONE && length > snap)
			memcpy(segment + field, packet->data + field, 2);
		expect(fixture, segment, length, snap);
	}
}

static struct shape draw_shape(struct fixture *fixture)
{
	struct shape shape = {
		.tags = draw(fixture, 3),
		.is_ipv6 = draw(fixture, 2),
		.is_udp = draw(fixture, 4) == 0,
		.tcp_options = 4 * draw(fixture, 4),
		.payload = 1 + draw(fixture, 20000),
		.sequence = draw(fixture, 1u << 20),
		.flags = 0x18,
		.is_partial = true,
	};

	return shape;
}

static struct lw_offload draw_offload(struct fixture *fixture, const struct shape *shape)
{
	enum lw_gso tcp = shape->is_ipv6 ? LW_GSO_TCPV6 : LW_GSO_TCPV4;
	bool is_super = draw(fixture, 3) > 0;

	return (struct lw_offload){
		.needs_checksum = true,
		.checksum_start = (uint16_t)built.transport,
		.checksum_offset = shape->is_udp ? 6 : 16,
		.gso = !is_super       ? LW_GSO_NONE
		       : shape->is_udp ? LW_GSO_UDP
				       : tcp,
		.gso_size = is_super ? (uint16_t)(300 + draw(fixture, 1200)) : 0,
	};
}

static void show(struct fixture *fixture, const struct lw_packet *packet)
{
	static const char *const ports[] = { "lw0", "branch", "laptop", NULL };
	enum lw_capture_point point = (enum lw_capture_point)(1 << draw(fixture, 5));
	const struct capture_context context = {
		.port = ports[draw(fixture, ARRAY_SIZE(ports))],
		.reason = (enum lw_drop)(1 + draw(fixture, LW_DROP_COUNT - 1)),
	};

	capture_see(&fixture->set, point, packet, &context);
	fixture->packets++;
}

static void show_any(struct fixture *fixture, uint32_t snap, bool is_whole)
{
	struct shape shape = draw_shape(fixture);
	struct lw_offload offload;
	struct lw_packet packet = { .layer = LW_LAYER_ETHERNET };

	build(&shape, &built);
	offload = draw_offload(fixture, &shape);
	packet.data = built.data;
	packet.length = built.length;
	if (draw(fixture, 2))
		packet.offload = &offload;
	else
		packet.length = draw(fixture, (unsigned)built.length); /* of any length, also 0 */
	show(fixture, &packet);
	/* A checksum alone is finished when all of the packet is there. */
	if (packet.offload && !is_whole && (offload.gso != LW_GSO_NONE || packet.length <= snap))
		expect_segments(fixture, &packet, snap);
	else
		expect(fixture, packet.data, packet.length, snap);
}

static void compare(struct fixture *fixture)
{
	char error[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *header;
	struct timeval last = { 0 };
	const u_char *data;
	size_t n = 0;
	pcap_t *pcap;
	int end;

	pcap = pcap_open_offline_with_tstamp_precision(fixture->path, PCAP_TSTAMP_PRECISION_NANO,
						       error);
	if (!pcap)
		fail_msg("%s", error);
	while ((end = pcap_next_ex(pcap, &header, &data)) == 1) {
		const struct expected *expected = &fixture->expected[n++];

		assert_true(n <= fixture->n);
		assert_int_equal(header->len, expected->length);
		assert_int_equal(header->caplen, expected->kept);
		assert_memory_equal(data, expected->data, expected->kept);
		assert_false(timercmp(&header->ts, &last, <));
		last = header->ts;
	}
	assert_int_equal(end, PCAP_ERROR_BREAK);
	assert_int_equal(n, fixture->n);
	pcap_close(pcap);
}

static void roundtrip__any_packets__come_out_as_they_went_in(void **state)
{
	static const uint32_t snaps[] = { 1, 40, 54, 66, 128, 600, 1500, LW_CAPTURE_SNAP_MAX };
	struct fixture *fixture = *state;

	print_message("seed %u\n", fixture->seed);
	for (unsigned round = 0; round < 4 * ARRAY_SIZE(snaps); round++) {
		const struct lw_capture_options options = {
			.size = sizeof(options),
			.layer = LW_LAYER_ETHERNET,
			.file = fixture->path,
			.format = round & 1 ? LW_CAPTURE_PCAP : LW_CAPTURE_PCAPNG,
			.points = 31,
			.snap_length = snaps[round / 4],
			.whole_super_frames = round & 2,
		};
		struct lw_capture_counters counters = { .size = sizeof(counters) };
		struct lw_capture *capture;

		assert_int_equal(lw_capture_open(&options, &capture, NULL), 0);
		assert_int_equal(capture_attach(&fixture->set, capture), 0);
		for (unsigned i = 0; i < 60; i++)
			show_any(fixture, options.snap_length, options.whole_super_frames);
		assert_int_equal(lw_capture_flush(capture), 0);
		lw_capture_counters(capture, &counters);
		assert_int_equal(counters.written, fixture->packets);
		assert_int_equal(counters.records, fixture->n);
		assert_int_equal(counters.dropped, 0);
		lw_capture_close(capture);
		compare(fixture);
		forget(fixture);
	}
}

/* ---- Filters */

/* What a filter judges is one packet, as the path has it; what the file shows is its segments. */
static void filter__super_frame__judged_as_one_and_written_as_segments(void **state)
{
	static const struct {
		const char *filter;
		bool is_matched;
	} cases[] = {
		{ "greater 1515", true },    { "less 1514", false },
		{ "len == 4054", true },     { "ip[2:2] == 1488", false },
		{ "ip[2:2] == 4040", true }, { "tcp[tcpflags] & tcp-fin != 0", true },
	};
	struct fixture *fixture = *state;
	const struct shape shape = { .payload = 4000, .flags = 0x11, .is_partial = true };
	struct lw_offload offload;
	struct lw_packet packet = { .layer = LW_LAYER_ETHERNET, .offload = &offload };

	build(&shape, &built);
	packet.data = built.data;
	packet.length = built.length;
	offload = (struct lw_offload){ .needs_checksum = true,
				       .checksum_start = (uint16_t)built.transport,
				       .checksum_offset = 16,
				       .gso = LW_GSO_TCPV4,
				       .gso_size = 1448 };
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct lw_capture_options options = { .size = sizeof(options),
							    .layer = LW_LAYER_ETHERNET,
							    .file = fixture->path,
							    .points = 31,
							    .filter = cases[i].filter };
		struct lw_capture_counters counters = { .size = sizeof(counters) };
		struct lw_capture *capture;

		assert_int_equal(lw_capture_open(&options, &capture, NULL), 0);
		assert_int_equal(capture_attach(&fixture->set, capture), 0);
		show(fixture, &packet);
		assert_int_equal(lw_capture_flush(capture), 0);
		lw_capture_counters(capture, &counters);
		assert_int_equal(counters.matched, cases[i].is_matched);
		assert_int_equal(counters.records, 3 * counters.matched);
		lw_capture_close(capture);
		if (cases[i].is_matched)
			expect_segments(fixture, &packet, LW_CAPTURE_SNAP_MAX);
		compare(fixture);
		forget(fixture);
	}
}

/* ---- Several threads */

struct shower {
	struct fixture *fixture;
	atomic_bool *end;
	uint32_t number, shown;
};

static void *show_until_end(void *user)
{
	struct shower *shower = user;
	const struct capture_context context = { .port = "lw0", .is_device = true };
	uint8_t frame[100] = { 0 };
	const struct lw_packet packet = { .data = frame,
					  .length = sizeof(frame),
					  .layer = LW_LAYER_ETHERNET };

	memcpy(frame + 14, &shower->number, 4);
	while (!atomic_load_explicit(shower->end, memory_order_relaxed)) {
		shower->shown++;
		memcpy(frame + 18, &shower->shown, 4);
		capture_see(&shower->fixture->set, LW_CAPTURE_DEVICE_IN, &packet, &context);
		if (shower->shown % 64 == 0)
			lw_capture_event(&shower->fixture->set, LW_CAPTURE_PEER_LOST, "lw0");
	}
	return NULL;
}

/* Each thread's packets are in its order, all of them in that of time, and as many as were counted.
 */
static void check_order(const char *path, uint64_t records)
{
	uint32_t last[THREADS] = { 0 }, number, count;
	char error[PCAP_ERRBUF_SIZE];
	pcap_t *pcap =
		pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, error);
	struct timeval before = { 0 };
	struct pcap_pkthdr *header;
	const u_char *data;
	uint64_t n = 0;

	if (!pcap)
		fail_msg("%s", error);
	while (pcap_next_ex(pcap, &header, &data) == 1) {
		memcpy(&number, data + 14, 4);
		memcpy(&count, data + 18, 4);
		assert_true(number < THREADS);
		assert_true(count > last[number]);
		assert_false(timercmp(&header->ts, &before, <));
		before = header->ts;
		last[number] = count;
		n++;
	}
	assert_int_equal(n, records);
	pcap_close(pcap);
}

static void threads__captures_come_and_go__order_and_counters_hold(void **state)
{
	struct fixture *fixture = *state;
	atomic_bool end = false;
	struct shower showers[THREADS];
	pthread_t threads[THREADS];

	for (uint32_t i = 0; i < THREADS; i++) {
		showers[i] = (struct shower){ .fixture = fixture, .end = &end, .number = i };
		assert_int_equal(pthread_create(&threads[i], NULL, show_until_end, &showers[i]), 0);
	}
	for (unsigned round = 0; round < ROUNDS; round++) {
		const struct lw_capture_options options = { .size = sizeof(options),
							    .layer = LW_LAYER_ETHERNET,
							    .file = fixture->path,
							    .format = LW_CAPTURE_PCAPNG,
							    .buffer_size = LW_CAPTURE_BUFFER_MIN };
		struct lw_capture_counters counters = { .size = sizeof(counters) };
		struct lw_capture *capture;

		assert_int_equal(lw_capture_open(&options, &capture, NULL), 0);
		assert_int_equal(capture_attach(&fixture->set, capture), 0);
		do {
			assert_int_equal(lw_capture_flush(capture), 0);
			lw_capture_counters(capture, &counters);
		} while (counters.written < 2000);
		lw_capture_detach(capture);
		assert_int_equal(lw_capture_flush(capture), 0);
		lw_capture_counters(capture, &counters);
		assert_int_equal(counters.seen, counters.matched);
		assert_int_equal(counters.matched, counters.written + counters.dropped);
		lw_capture_close(capture);
		check_order(fixture->path, counters.records);
	}
	atomic_store(&end, true);
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_fixture, drop_fixture)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(roundtrip__any_packets__come_out_as_they_went_in),
		TEST(filter__super_frame__judged_as_one_and_written_as_segments),
		TEST(threads__captures_come_and_go__order_and_counters_hold),
	};

	return cmocka_run_group_tests_name("capture/roundtrip", tests, NULL, NULL);
}
