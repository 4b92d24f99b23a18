/* SPDX-License-Identifier: MIT */
/*
 * Example: a link-layer test in one process. A hub, two clients, memory devices and a capture; no
 * root, no devices, no network but loopback. A frame goes from one host to the other, a third client
 * does not see it, the counters say so exactly, and the capture holds what passed.
 *
 *	cc link_test.c $(pkg-config --cflags --libs longwire) && ./a.out EMPTY-FOLDER
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/longwire.h>

enum { CLIENTS = 3 };

struct host {
	struct lw_packet_flow *near, *far;
	struct lw_tunnel *tunnel;
	struct lw_connection *connection;
	struct lw_port *port;
	unsigned frames;
};

struct lab {
	struct lw_loop *loop;
	struct lw_hub *hub;
	struct lw_capture *capture;
	struct host hosts[CLIENTS];
	const char *folder;
	char address[32], hub_pin[LW_PIN_SIZE];
};

#define CHECK(condition)                                                        \
	do {                                                                    \
		if (!(condition)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
			exit(1);                                                \
		}                                                               \
	} while (0)

static void turn(struct lw_loop *loop)
{
	struct pollfd ready = { .fd = lw_loop_fd(loop), .events = POLLIN };
	int wait = lw_loop_timeout_ms(loop);

	CHECK(poll(&ready, 1, wait < 0 || wait > 20 ? 20 : wait) >= 0);
	CHECK(lw_loop_dispatch(loop) >= 0);
}

static void host_read(struct host *host);

static void frames_came(struct lw_packet_flow *flow, uint16_t queue,
			const struct lw_packet *packets, size_t n, int error, void *user)
{
	struct host *host = user;

	(void)flow;
	(void)queue;
	(void)packets;
	(void)error;
	host->frames += (unsigned)n;
	host_read(host);
}

static void host_read(struct host *host)
{
	CHECK(lw_packet_flow_read(host->far, 0, 0, frames_came, host) == 0);
}

/* A new identity in the laboratory's folder, and its pin. */
static void make_identity(const struct lab *lab, const char *name, char path[256],
			  char pin[LW_PIN_SIZE])
{
	struct lw_error error;

	snprintf(path, 256, "%s/%s.pem", lab->folder, name);
	if (lw_identity_create(path, pin, &error) < 0) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
}

static void open_hub(struct lab *lab)
{
	char identity[256], file[256];
	struct lw_hub_options options = { .size = sizeof(options) };
	struct lw_capture_options capture = { .size = sizeof(capture) };
	struct lw_error error;
	uint16_t port;

	make_identity(lab, "hub", identity, lab->hub_pin);
	snprintf(file, sizeof(file), "%s/lab.pcap", lab->folder);
	options.layer = LW_LAYER_ETHERNET;
	options.identity_file = identity;
	if (lw_hub_new(lab->loop, &options, &lab->hub, &error) < 0 ||
	    lw_hub_listen(lab->hub, "127.0.0.1:0", &port, &error) < 0) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
	snprintf(lab->address, sizeof(lab->address), "127.0.0.1:%u", port);
	capture.file = file;
	capture.points = LW_CAPTURE_SESSION_IN;
	capture.layer = LW_LAYER_ETHERNET;
	CHECK(lw_capture_open(&capture, &lab->capture, &error) == 0);
	CHECK(lw_hub_attach_capture(lab->hub, lab->capture) == 0);
}

static void add_client(struct lab *lab, struct host *host, const char *name)
{
	char pin[LW_PIN_SIZE], identity[256];
	const char *pins[] = { pin }, *hub_pins[] = { lab->hub_pin }, *hubs[] = { lab->address };
	struct lw_peer_options peer = { .size = sizeof(peer) };
	struct lw_tunnel_options tunnel = { .size = sizeof(tunnel) };
	struct lw_connection_options connection = { .size = sizeof(connection) };
	struct lw_error error;

	make_identity(lab, name, identity, pin);
	peer.name = name;
	peer.pins = pins;
	peer.n_pins = 1;
	CHECK(lw_hub_add_peer(lab->hub, &peer, &host->port, &error) == 0);
	CHECK(lw_packet_flow_pair(lab->loop, LW_LAYER_ETHERNET, 0, &host->near, &host->far) == 0);
	host_read(host);
	tunnel.layer = LW_LAYER_ETHERNET;
	tunnel.hubs = hubs;
	tunnel.n_hubs = 1;
	tunnel.pins = hub_pins;
	tunnel.n_pins = 1;
	tunnel.identity_file = identity;
	CHECK(lw_tunnel_new(&tunnel, &host->tunnel, &error) == 0);
	connection.ops = lw_tunnel_provider_ops(host->tunnel);
	connection.user = host->tunnel;
	connection.flow = host->near;
	CHECK(lw_connection_new(lab->loop, &connection, &host->connection, &error) == 0);
	CHECK(lw_connection_start(host->connection, NULL, &error) == 0);
	for (int i = 0; i < 500; i++) {
		if (lw_connection_status(host->connection) == LW_STATUS_CONNECTED)
			return;
		turn(lab->loop);
	}
	lw_connection_last_error(host->connection, &error);
	fprintf(stderr, "%s: not connected: %s\n", name, error.text);
	exit(1);
}

/* The last byte of the MACs is enough for a laboratory; 0xff is everybody. */
static void send_frame(const struct host *from, uint8_t to, uint8_t source)
{
	uint8_t frame[60] = { 2, 0, 0, 0, 0, to, 2, 0, 0, 0, 0, source, 0x88, 0xb5 };
	const struct lw_packet packet = { .data = frame,
					  .length = sizeof(frame),
					  .layer = LW_LAYER_ETHERNET,
					  .ether_type = 0x88b5 };

	if (to == 0xff)
		memset(frame, 0xff, 6);
	CHECK(lw_packet_flow_write(from->far, 0, &packet, 1) == 1);
}

static void wait_for_frames(struct lab *lab, unsigned one, unsigned two, unsigned three)
{
	const struct host *hosts = lab->hosts;

	for (int i = 0; i < 100; i++)
		if (hosts[0].frames < one || hosts[1].frames < two || hosts[2].frames < three)
			turn(lab->loop);
	for (int i = 0; i < 5; i++) /* nothing more may come */
		turn(lab->loop);
	CHECK(hosts[0].frames == one && hosts[1].frames == two && hosts[2].frames == three);
}

static void check_counters(struct lab *lab)
{
	struct lw_port_status status = { .size = sizeof(status) };
	struct lw_capture_counters counters = { .size = sizeof(counters) };

	lw_port_status(lab->hosts[1].port, &status);
	CHECK(status.received_packets == 1 && status.sent_packets == 1);
	CHECK(status.macs == 1);
	CHECK(lw_capture_flush(lab->capture) == 0);
	lw_capture_counters(lab->capture, &counters);
	CHECK(counters.written == 2 && counters.dropped == 0);
}

static void close_lab(struct lab *lab)
{
	for (int i = 0; i < CLIENTS; i++) {
		struct host *host = &lab->hosts[i];

		lw_connection_free(host->connection);
		lw_tunnel_free(host->tunnel);
		lw_packet_flow_free(host->near);
		lw_packet_flow_free(host->far);
	}
	lw_capture_close(lab->capture);
	lw_hub_free(lab->hub);
	lw_loop_free(lab->loop);
}

int main(int argc, char **argv)
{
	static const char *const names[CLIENTS] = { "one", "two", "three" };
	struct lab lab = { .folder = argc > 1 ? argv[1] : "." };

	CHECK(lw_loop_new(NULL, &lab.loop) == 0);
	open_hub(&lab);
	for (int i = 0; i < CLIENTS; i++)
		add_client(&lab, &lab.hosts[i], names[i]);
	send_frame(&lab.hosts[1], 0xff, 2); /* two says hello to everybody */
	wait_for_frames(&lab, 1, 0, 1);
	send_frame(&lab.hosts[0], 2, 1); /* one answers two, and three sees nothing of it */
	wait_for_frames(&lab, 1, 1, 1);
	check_counters(&lab);
	close_lab(&lab);
	printf("the frame went where it belongs\n");
	return 0;
}
