/* SPDX-License-Identifier: MIT */
/*
 * TCP of the running kernel through two TAPs in two network namespaces, with this process between
 * them: whichever end has offloads, tagged or bridged, the same bytes arrive.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <linux/udp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <longwire/error.h>
#include <longwire/flow.h>
#include <longwire/loop.h>

#include "base/memory.h"
#include "device/device.h"
#include "device/offload.h"
#include "device/segment.h"
#include "flow/flow.h"
#include "support/namespace.h"

enum { TOTAL = 3 << 20, PIECE = 65536, WAIT_MS = 5000, PORT = 5001, MTU = 1500, JUMBO_ROOM = 22 };

enum { DATAGRAM = 1200, DATAGRAMS = 20 };

/* Tagged: by the kernel. Path tagged: by this process, as a switch that pushes tags and one that pops
 * them; what is between is whole where the far end has offloads, and segmented where not. */
enum mode {
	MODE_PLAIN,
	MODE_BRIDGED,
	MODE_PATH_TAGGED,
	MODE_PATH_TWICE_TAGGED,
	MODE_IP,
	MODE_TAGGED,
	MODE_TWICE_TAGGED,
	MODE_COUNT
};

struct end {
	struct lw_packet_flow *flow;
	struct end *other;
	unsigned supers, partial, plain; /* of what was read */
	bool joins;                      /* what it reads is joined before it is written */
	unsigned tags;                   /* that it gets on the path */
};

struct lab {
	struct lw_loop *loop;
	struct end a, b;
	int listener, sender, receiver;
	int datagrams; /* of b */
	size_t sent, received;
};

static uint8_t pattern(size_t at)
{
	return (uint8_t)(at * 31 + (at >> 8) * 17 + (at >> 16));
}

/* ---- The path between */

static void count(struct end *end, const struct lw_packet *packet)
{
	struct lw_offload rebuilt;
	uint16_t header_length;

	if (!packet->offload) {
		end->plain++;
		assert_true(packet->length <= MTU + JUMBO_ROOM);
		return;
	}
	if (packet->offload->gso != LW_GSO_NONE)
		end->supers++;
	else
		end->partial++;
	/* What our kernel makes of TCP and UDP is what a peer accepts. */
	assert_int_equal(offload_check(packet->layer, packet->data, packet->length, MTU,
				       packet->offload, &rebuilt, &header_length),
			 0);
}

static void write_to(struct end *end, const struct lw_packet *packet)
{
	assert_int_equal(lw_packet_flow_write(end->flow, 0, packet, 1), 1);
}

/* Tags off, and on with what is left. */
static void pop_tags(struct end *end, struct lw_packet packet, unsigned tags)
{
	static uint8_t bare[LW_PACKET_MAX];
	struct lw_offload offload = packet.offload ? *packet.offload : (struct lw_offload){ 0 };

	memcpy(bare, packet.data, 12);
	memcpy(bare + 12, packet.data + 12 + tags * 4, packet.length - 12 - tags * 4);
	packet.data = bare;
	packet.length -= tags * 4;
	if (offload_is_work(&offload))
		offload.checksum_start = (uint16_t)(offload.checksum_start - tags * 4);
	packet.offload = &offload;
	write_to(end, &packet);
}

static void push_tags(struct end *end, struct lw_packet packet, unsigned tags)
{
	static uint8_t tagged[LW_PACKET_MAX], segment[LW_PACKET_MAX];
	struct lw_offload offload = packet.offload ? *packet.offload : (struct lw_offload){ 0 };
	struct segmenter segmenter;

	memcpy(tagged, packet.data, 12);
	for (unsigned i = 0; i < tags; i++)
		memcpy(tagged + 12 + i * 4, i ? "\x81\0\0\7" : "\x88\xa8\0\5", 4);
	memcpy(tagged + 12 + tags * 4, packet.data + 12, packet.length - 12);
	packet.data = tagged;
	packet.length += tags * 4;
	packet.offload = offload_is_work(&offload) ? &offload : NULL;
	if (packet.offload)
		offload.checksum_start = (uint16_t)(offload.checksum_start + tags * 4);
	if (!packet.offload || packet_flow_offloads(end->flow)) {
		pop_tags(end, packet, tags);
		return;
	}
	assert_int_equal(segmenter_init(&segmenter, &packet), 0);
	packet.data = segment;
	packet.offload = NULL;
	while ((packet.length = segmenter_next(&segmenter, segment)) > 0)
		pop_tags(end, packet, tags);
}

static void on_packets(struct lw_packet_flow *flow, uint16_t queue, const struct lw_packet *packets,
		       size_t n, int error, void *user)
{
	static uint8_t buffer[LW_PACKET_MAX];
	struct end *end = user;

	(void)queue;
	assert_int_equal(error, 0);
	for (size_t i = 0; i < n; i++)
		count(end, &packets[i]);
	for (size_t i = 0; i < n;) {
		struct lw_packet packet = packets[i];
		struct lw_offload offload;

		i += end->joins ? coalesce(packets + i, n - i, buffer, &packet, &offload) : 1;
		if (end->tags > 0)
			push_tags(end->other, packet, end->tags);
		else
			write_to(end->other, &packet);
	}
	assert_int_equal(lw_packet_flow_read(flow, 0, 0, on_packets, end), 0);
}

/* ---- Making the two ends */

static void open_end(struct lab *lab, struct end *end, enum mode mode, bool offloads)
{
	struct lw_device_options options = { .size = sizeof(options),
					     .kind = LW_DEVICE_KERNEL,
					     .layer = mode == MODE_IP ? LW_LAYER_IP
								      : LW_LAYER_ETHERNET,
					     .name = "lw0",
					     .offloads = offloads };
	struct lw_error error;

	assert_int_equal(namespace_setup(NULL), 0);
	if (lw_packet_flow_open(lab->loop, &options, &end->flow, &error) < 0)
		fail_msg("%s", error.text);
	assert_int_equal(packet_flow_offloads(end->flow) != 0, offloads);
}

static void set_up_end(enum mode mode, unsigned host)
{
	static const char *const names[] = {
		"lw0", "br0", "lw0", "lw0", "lw0", "lw0.5", "lw0.5.7"
	};

	run("ip link set lo up; ip link set lw0 up");
	if (mode == MODE_TAGGED)
		run("ip link add link lw0 name lw0.5 type vlan id 5 && ip link set lw0.5 up");
	if (mode == MODE_TWICE_TAGGED) {
		run("ip link add link lw0 name lw0.5 type vlan proto 802.1ad id 5");
		run("ip link add link lw0.5 name lw0.5.7 type vlan id 7 && ip link set lw0.5 up");
		run("ip link set lw0.5.7 up");
	}
	if (mode == MODE_BRIDGED)
		run("ip link add br0 type bridge && ip link set lw0 master br0 && "
		    "ip link set br0 up");
	run("ip address add 10.86.0.%u/24 dev %s", host, names[mode]);
	run("ip address add fd86::%u/64 dev %s nodad", host, names[mode]);
}

static struct sockaddr_storage address_of(bool is_ipv6, unsigned host, socklen_t *ret_length)
{
	struct sockaddr_storage storage = { 0 };
	struct sockaddr_in6 *six = (struct sockaddr_in6 *)&storage;
	struct sockaddr_in *four = (struct sockaddr_in *)&storage;
	char text[32];

	if (is_ipv6) {
		snprintf(text, sizeof(text), "fd86::%u", host);
		six->sin6_family = AF_INET6;
		six->sin6_port = htons(PORT);
		inet_pton(AF_INET6, text, &six->sin6_addr);
		*ret_length = sizeof(*six);
	} else {
		snprintf(text, sizeof(text), "10.86.0.%u", host);
		four->sin_family = AF_INET;
		four->sin_port = htons(PORT);
		inet_pton(AF_INET, text, &four->sin_addr);
		*ret_length = sizeof(*four);
	}
	return storage;
}

static int open_socket(bool is_ipv6, int type)
{
	int fd = socket(is_ipv6 ? AF_INET6 : AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	return fd;
}

static void open_lab(struct lab *lab, enum mode mode, bool is_ipv6, bool a, bool b)
{
	struct sockaddr_storage address;
	socklen_t length;

	*lab = (struct lab){ .listener = -1, .sender = -1, .receiver = -1, .datagrams = -1 };
	lab->a.other = &lab->b;
	lab->b.other = &lab->a;
	if (mode == MODE_PATH_TAGGED || mode == MODE_PATH_TWICE_TAGGED)
		lab->a.tags = lab->b.tags = mode == MODE_PATH_TAGGED ? 1 : 2;
	assert_int_equal(lw_loop_new(NULL, &lab->loop), 0);
	open_end(lab, &lab->b, mode, b);
	set_up_end(mode, 2);
	lab->listener = open_socket(is_ipv6, SOCK_STREAM);
	address = address_of(is_ipv6, 2, &length);
	assert_int_equal(bind(lab->listener, (struct sockaddr *)&address, length), 0);
	assert_int_equal(listen(lab->listener, 1), 0);
	lab->datagrams = open_socket(is_ipv6, SOCK_DGRAM);
	assert_int_equal(bind(lab->datagrams, (struct sockaddr *)&address, length), 0);
	open_end(lab, &lab->a, mode, a);
	set_up_end(mode, 1);
	lab->sender = open_socket(is_ipv6, SOCK_STREAM);
	(void)connect(lab->sender, (struct sockaddr *)&address, length);
	assert_int_equal(lw_packet_flow_read(lab->a.flow, 0, 0, on_packets, &lab->a), 0);
	assert_int_equal(lw_packet_flow_read(lab->b.flow, 0, 0, on_packets, &lab->b), 0);
}

static void close_lab(struct lab *lab)
{
	lw_packet_flow_free(lab->a.flow);
	lw_packet_flow_free(lab->b.flow);
	lw_loop_free(lab->loop);
	close_fd(&lab->listener);
	close_fd(&lab->sender);
	close_fd(&lab->receiver);
	close_fd(&lab->datagrams);
}

/* ---- The transfer */

static void send_some(struct lab *lab)
{
	uint8_t piece[PIECE];
	size_t n = MIN(sizeof(piece), TOTAL - lab->sent);
	ssize_t done;

	for (size_t i = 0; i < n; i++)
		piece[i] = pattern(lab->sent + i);
	done = n > 0 ? send(lab->sender, piece, n, MSG_NOSIGNAL) : 0;
	if (done > 0)
		lab->sent += (size_t)done;
}

static void receive_some(struct lab *lab)
{
	uint8_t piece[PIECE];
	ssize_t n;

	if (lab->receiver < 0)
		lab->receiver = accept4(lab->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	n = lab->receiver < 0 ? 0 : recv(lab->receiver, piece, sizeof(piece), 0);
	for (ssize_t i = 0; i < n; i++)
		if (piece[i] != pattern(lab->received + (size_t)i))
			fail_msg("byte %zu is another", lab->received + (size_t)i);
	if (n > 0)
		lab->received += (size_t)n;
}

static void transfer(struct lab *lab)
{
	while (lab->received < TOTAL) {
		struct pollfd waiting[4] = {
			{ .fd = lw_loop_fd(lab->loop), .events = POLLIN },
			{ .fd = lab->receiver < 0 ? lab->listener : lab->receiver,
			  .events = POLLIN },
			{ .fd = lab->sent < TOTAL ? lab->sender : -1, .events = POLLOUT },
		};

		if (poll(waiting, 3, WAIT_MS) == 0)
			fail_msg("stuck after %zu bytes", lab->received);
		assert_true(lw_loop_dispatch(lab->loop) >= 0);
		send_some(lab);
		receive_some(lab);
	}
}

static void expect_no_drops(struct lw_packet_flow *flow)
{
	struct lw_flow_counters counters = { .size = sizeof(counters) };

	lw_packet_flow_counters(flow, &counters);
	for (size_t i = 0; i < LW_DROP_COUNT; i++)
		assert_int_equal(counters.drops[i], 0);
}

/* Not every kernel can make an interface of a VLAN. */
static unsigned n_modes(void)
{
	assert_int_equal(namespace_setup(NULL), 0);
	if (system("exec 2>/dev/null; ip link add d0 type dummy && "
		   "ip link add link d0 name d0.5 type vlan id 5") == 0)
		return MODE_COUNT;
	printf("SKIP: no VLAN interfaces here: tags are those of the path\n");
	return MODE_TAGGED;
}

static void tcp__offloads_at_either_end_in_every_mode__same_bytes(void **state)
{
	unsigned n = n_modes() * 8;

	(void)state;
	for (unsigned i = 0; i < n; i++) {
		enum mode mode = (enum mode)(i / 8);
		bool is_ipv6 = i & 4, a = i & 2, b = i & 1;
		struct lab lab;

		open_lab(&lab, mode, is_ipv6, a, b);
		transfer(&lab);
		expect_no_drops(lab.a.flow);
		expect_no_drops(lab.b.flow);
		/* The kernel cuts what is tagged twice by itself. */
		assert_int_equal(lab.a.supers > 0, a && mode != MODE_TWICE_TAGGED);
		assert_int_equal(lab.a.supers + lab.a.partial > 0, a);
		assert_true(a || lab.a.plain > TOTAL / MTU);
		close_lab(&lab);
	}
}

/* As a bridged card without receive offload: segments of 1500 bytes joined before the other end. */
static void tcp__joined_segments__same_bytes_in_fewer_packets(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct lw_flow_counters counters = { .size = sizeof(counters) };
		struct lab lab;

		open_lab(&lab, MODE_PLAIN, i & 1, false, i & 2);
		lab.a.joins = true;
		transfer(&lab);
		lw_packet_flow_counters(lab.b.flow, &counters);
		if (i & 2)
			assert_true(counters.written_packets < lab.a.plain * 3 / 4);
		else
			assert_int_equal(counters.written_packets, lab.a.plain);
		expect_no_drops(lab.b.flow);
		close_lab(&lab);
	}
}

/* Datagrams that a program gave to the kernel as one. */
static void send_datagrams(bool is_ipv6)
{
	int fd = open_socket(is_ipv6, SOCK_DGRAM), size = DATAGRAM;
	uint8_t data[DATAGRAM * DATAGRAMS - 1];
	struct sockaddr_storage address;
	socklen_t length;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = pattern(i);
	address = address_of(is_ipv6, 2, &length);
	assert_int_equal(setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof(size)), 0);
	assert_int_equal(sendto(fd, data, sizeof(data), 0, (struct sockaddr *)&address, length),
			 sizeof(data));
	close_fd(&fd);
}

static void receive_datagram(struct lab *lab, size_t at, size_t expected)
{
	uint8_t data[2 * DATAGRAM];
	ssize_t n;

	while ((n = recv(lab->datagrams, data, sizeof(data), 0)) < 0) {
		struct pollfd waiting[2] = {
			{ .fd = lw_loop_fd(lab->loop), .events = POLLIN },
			{ .fd = lab->datagrams, .events = POLLIN },
		};

		if (poll(waiting, 2, WAIT_MS) == 0)
			fail_msg("no datagram at %zu", at);
		assert_true(lw_loop_dispatch(lab->loop) >= 0);
	}
	assert_int_equal(n, expected);
	for (size_t i = 0; i < expected; i++)
		assert_int_equal(data[i], pattern(at + i));
}

static void udp__segmented_by_the_kernel_or_by_us__same_datagrams(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		bool is_ipv6 = i & 4, a = i & 2, b = i & 1, has_uso;
		struct lab lab;

		open_lab(&lab, MODE_PLAIN, is_ipv6, a, b);
		transfer(&lab); /* the neighbours know each other now */
		lab.a.supers = 0;
		send_datagrams(is_ipv6);
		for (size_t k = 0; k < DATAGRAMS; k++)
			receive_datagram(&lab, k * DATAGRAM,
					 DATAGRAM - (k == DATAGRAMS - 1 ? 1 : 0));
		has_uso = packet_flow_offloads(lab.a.flow) & DEVICE_OFFLOAD_USO;
		assert_int_equal(lab.a.supers, has_uso ? 1 : 0);
		expect_no_drops(lab.b.flow);
		close_lab(&lab);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tcp__offloads_at_either_end_in_every_mode__same_bytes),
		cmocka_unit_test(tcp__joined_segments__same_bytes_in_fewer_packets),
		cmocka_unit_test(udp__segmented_by_the_kernel_or_by_us__same_datagrams),
	};

	if (!namespace_is_possible())
		return 0;
	return cmocka_run_group_tests_name("flow/offload_flow", tests, NULL, NULL);
}
