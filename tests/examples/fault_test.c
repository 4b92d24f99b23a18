/* SPDX-License-Identifier: MIT */
/*
 * Example: a fault, made, recorded and played again, in one process and without root. A client is
 * joined to a hub by a socket pair, without any network. Its link is made to lose every packet; a
 * flight recorder at the hub and a capture at the client tell what became of them; then the recording
 * is sent once more through the mended link, by the hub and by the client.
 *
 *	cc fault_test.c $(pkg-config --cflags --libs longwire) -pthread && ./a.out EMPTY-FOLDER
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <longwire/longwire.h>

#define CHECK(condition)                                                        \
	do {                                                                    \
		if (!(condition)) {                                             \
			fprintf(stderr, "line %d: %s\n", __LINE__, #condition); \
			exit(1);                                                \
		}                                                               \
	} while (0)

enum { WAIT_MS = 10000, FRAMES = 3, TYPE = 0x88b5 };

/* The hub's machine and the client's: each has a near end that the tunnel carries, and a far one that
 * stands for the machine's network stack. */
struct end {
	struct lw_packet_flow *near, *far;
	size_t frames;
};

struct lab {
	struct lw_loop *loop;
	struct lw_timer *tick;
	const size_t *what; /* that is waited for */
	size_t wanted;
	uint64_t deadline_ns;
	const char *folder;
	char hub_pin[LW_PIN_SIZE], client_pin[LW_PIN_SIZE];
	struct end hub_end, client_end;
	struct lw_hub *hub;
	struct lw_port *port;
	struct lw_tunnel *tunnel;
	struct lw_connection *connection;
	struct lw_capture *recorder, *capture;
	size_t status, is_over, is_stopped, is_posted;
};

/* ---- waiting: the loop runs until a number is what it should be */

static void ticked(void *user)
{
	struct lab *lab = user;

	if (*lab->what == lab->wanted || lw_loop_now_ns(lab->loop) > lab->deadline_ns)
		lw_loop_stop(lab->loop);
	else
		lw_timer_set_ms(lab->tick, 1);
}

static void wait_for(struct lab *lab, const size_t *what, size_t wanted)
{
	lab->what = what;
	lab->wanted = wanted;
	lab->deadline_ns = lw_loop_now_ns(lab->loop) + WAIT_MS * UINT64_C(1000000);
	lw_timer_set_ms(lab->tick, 0);
	CHECK(lw_loop_run(lab->loop) == 0);
	CHECK(*what == wanted);
}

static void count_one(void *user)
{
	++*(size_t *)user;
}

/* ---- the ends */

static void frames_came(struct lw_packet_flow *flow, uint16_t queue,
			const struct lw_packet *packets, size_t n, int error, void *user)
{
	struct end *end = user;

	(void)error;
	for (size_t i = 0; i < n; i++)
		if (packets[i].ether_type == TYPE)
			end->frames++;
	if (n)
		CHECK(lw_packet_flow_read(flow, queue, 0, frames_came, end) == 0);
}

static void open_end(struct lab *lab, struct end *end)
{
	CHECK(lw_packet_flow_pair(lab->loop, LW_LAYER_ETHERNET, 0, &end->near, &end->far) == 0);
	CHECK(lw_packet_flow_read(end->far, 0, 0, frames_came, end) == 0);
}

static void send_frames(const struct end *from)
{
	uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,      2,
			      0,    0,    0,    0,    7,    TYPE >> 8, TYPE & 0xff };
	const struct lw_packet packet = { .data = frame,
					  .length = sizeof(frame),
					  .layer = LW_LAYER_ETHERNET,
					  .ether_type = TYPE };

	for (int i = 0; i < FRAMES; i++)
		CHECK(lw_packet_flow_write(from->far, 0, &packet, 1) == 1);
}

/* ---- the tunnel */

static void path_in(const struct lab *lab, const char *name, char path[256])
{
	snprintf(path, 256, "%s/%s", lab->folder, name);
}

static void make_identity(const struct lab *lab, const char *name, char path[256],
			  char pin[LW_PIN_SIZE])
{
	char again[LW_PIN_SIZE];

	path_in(lab, name, path);
	CHECK(lw_identity_create(path, pin, NULL) == 0);
	CHECK(lw_identity_create(path, again, NULL) == -EEXIST);
	CHECK(lw_identity_pin(path, again, NULL) == 0 && strcmp(pin, again) == 0);
}

static void open_hub(struct lab *lab)
{
	const char *pins[] = { lab->client_pin };
	char identity[256];
	struct lw_hub_options options = { .size = sizeof(options),
					  .layer = LW_LAYER_ETHERNET,
					  .identity_file = identity,
					  .flow = lab->hub_end.near,
					  .streams = 2,
					  .workers = 1 };
	const struct lw_peer_options peer = {
		.size = sizeof(peer), .name = "client", .pins = pins, .n_pins = 1
	};

	make_identity(lab, "hub.pem", identity, lab->hub_pin);
	CHECK(lw_hub_new(lab->loop, &options, &lab->hub, NULL) == 0);
	CHECK(lw_hub_add_peer(lab->hub, &peer, &lab->port, NULL) == 0);
}

/* The client's way to the hub: one end of a socket pair, of which the hub gets the other. */
static int dial(void *user, int *ret_descriptor)
{
	struct lab *lab = user;
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return -errno;
	CHECK(lw_hub_adopt(lab->hub, ends[0]) == 0);
	*ret_descriptor = ends[1];
	return 0;
}

static void status_changed(struct lw_connection *connection, enum lw_status status, void *user)
{
	struct lab *lab = user;

	(void)connection;
	lab->status = status;
}

static void open_client(struct lab *lab, const char *identity)
{
	static const char *const hubs[] = { "hub.example:1" }; /* a name, which dial() replaces */
	const char *pins[] = { lab->hub_pin };
	const struct lw_tunnel_options options = { .size = sizeof(options),
						   .layer = LW_LAYER_ETHERNET,
						   .hubs = hubs,
						   .n_hubs = 1,
						   .pins = pins,
						   .n_pins = 1,
						   .identity_file = identity,
						   .dial = dial,
						   .dial_user = lab,
						   .streams = 2 };
	struct lw_connection_options connection = { .size = sizeof(connection) };

	CHECK(lw_tunnel_new(&options, &lab->tunnel, NULL) == 0);
	connection.ops = lw_tunnel_provider_ops(lab->tunnel);
	connection.user = lab->tunnel;
	connection.flow = lab->client_end.near;
	CHECK(lw_connection_new(lab->loop, &connection, &lab->connection, NULL) == 0);
	lw_connection_observe(lab->connection, status_changed, lab);
	CHECK(lw_connection_start(lab->connection, NULL, NULL) == 0);
	wait_for(lab, &lab->status, LW_STATUS_CONNECTED);
}

/* ---- captures */

/* The hub remembers, in memory, what of this client the link lost, until it is asked for it. */
static void open_recorder(struct lab *lab)
{
	static const char *const peers[] = { "client" };
	char path[256];
	const struct lw_capture_options options = { .size = sizeof(options),
						    .layer = LW_LAYER_ETHERNET,
						    .file = path,
						    .points = LW_CAPTURE_DROP,
						    .filter = "ether proto 0x88b5",
						    .peers = peers,
						    .n_peers = 1,
						    .reasons = UINT64_C(1) << LW_DROP_LINK_LOST,
						    .recorder_bytes = LW_CAPTURE_RECORDER_MIN };

	path_in(lab, "lost.pcapng", path);
	CHECK(lw_capture_open(&options, &lab->recorder, NULL) == 0);
	CHECK(lw_hub_attach_capture(lab->hub, lab->recorder) == 0);
}

/* The client writes what its machine sends, as pcapng, to a descriptor. */
static void open_capture(struct lab *lab)
{
	char path[256];
	struct lw_capture_options options = { .size = sizeof(options),
					      .layer = LW_LAYER_ETHERNET,
					      .points = LW_CAPTURE_DEVICE_IN,
					      .filter = "ether proto 0x88b5",
					      .format = LW_CAPTURE_PCAPNG };

	path_in(lab, "client.pcapng", path);
	options.descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(options.descriptor >= 0);
	CHECK(lw_capture_open(&options, &lab->capture, NULL) == 0);
	close(options.descriptor);
	CHECK(lw_connection_attach_capture(lab->connection, lab->capture) == 0);
}

static struct lw_capture_counters counters_of(struct lw_capture *capture)
{
	struct lw_capture_counters counters = { .size = sizeof(counters) };

	CHECK(lw_capture_flush(capture) == 0);
	lw_capture_counters(capture, &counters);
	return counters;
}

/* ---- what is shown */

static void show_status(struct lab *lab)
{
	struct lw_tunnel_status tunnel = { .size = sizeof(tunnel) };
	struct lw_hub_status hub = { .size = sizeof(hub) };
	struct lw_port_status device = { .size = sizeof(device) };
	struct lw_port *first = lw_hub_next_port(lab->hub, NULL);

	lw_tunnel_status(lab->tunnel, &tunnel);
	CHECK(tunnel.link == LW_LINK_UP && tunnel.streams == 2 && tunnel.workers == 1);
	lw_hub_status(lab->hub, &hub);
	CHECK(hub.clients == 1 && hub.connected == 1 && hub.handshakes_refused == 0);
	lw_port_status(first, &device);
	CHECK(device.is_device && lw_hub_next_port(lab->hub, first) == lab->port);
	CHECK(!lw_hub_next_port(lab->hub, lab->port));
	printf("longwire %s: the link is %s, %s\n", lw_version(), lw_link_state_name(tunnel.link),
	       tunnel.tls);
}

/* Every frame of the client is lost at the hub's port, and everybody says so. */
static void show_loss(struct lab *lab)
{
	struct lw_impairment loss = { .size = sizeof(loss), .loss = LW_PPM_ALL + 1 };
	struct lw_impairment now = { .size = sizeof(now) };
	struct lw_impairment_counters counters = { .size = sizeof(counters) };
	struct lw_port_status status = { .size = sizeof(status) };
	struct lw_error error;

	CHECK(lw_port_impair(lab->port, LW_PORT_IN, &loss, &error) == -EINVAL);
	printf("refused: %s\n", error.text);
	loss.loss = LW_PPM_ALL;
	loss.seed = 1;
	CHECK(lw_port_impair(lab->port, LW_PORT_IN, &loss, &error) == 0);
	send_frames(&lab->client_end);
	for (int i = 0; i < WAIT_MS && status.drops[LW_DROP_LINK_LOST] < FRAMES; i++) {
		CHECK(lw_loop_dispatch(lab->loop) >= 0 && usleep(1000) == 0);
		lw_port_status(lab->port, &status);
	}
	CHECK(status.drops[LW_DROP_LINK_LOST] == FRAMES && lab->hub_end.frames == 0);
	CHECK(lw_port_impairment(lab->port, LW_PORT_IN, &now, &counters));
	CHECK(now.loss == LW_PPM_ALL && now.seed == 1 && counters.lost == FRAMES);
	CHECK(lw_port_impair(lab->port, LW_PORT_IN, NULL, &error) == 0);
	CHECK(!lw_port_impairment(lab->port, LW_PORT_IN, NULL, NULL));
	CHECK(lw_drop_find(lw_drop_name(LW_DROP_LINK_LOST)) == LW_DROP_LINK_LOST);
	printf("%d frames %s: %s\n", FRAMES, lw_drop_name(LW_DROP_LINK_LOST),
	       lw_drop_text(LW_DROP_LINK_LOST));
}

/* A client has the same at its own two ports: here everything from its machine comes twice. */
static void show_duplicates(struct lab *lab)
{
	const struct lw_impairment twice = { .size = sizeof(twice), .duplicate = LW_PPM_ALL };
	struct lw_impairment_counters counters = { .size = sizeof(counters) };
	struct lw_tunnel *tunnel = lab->tunnel;

	CHECK(lw_tunnel_impair(tunnel, LW_TUNNEL_DEVICE, LW_PORT_IN, &twice, NULL) == 0);
	send_frames(&lab->client_end);
	wait_for(lab, &lab->hub_end.frames, 2 * FRAMES);
	CHECK(lw_tunnel_impairment(tunnel, LW_TUNNEL_DEVICE, LW_PORT_IN, NULL, &counters));
	CHECK(counters.duplicated == FRAMES && counters.passed_packets == 2 * FRAMES);
	CHECK(lw_tunnel_impair(tunnel, LW_TUNNEL_DEVICE, LW_PORT_IN, NULL, NULL) == 0);
}

/* The recorder's memory: a copy of it to a descriptor, then all of it to its own next file. */
static int dump(struct lab *lab)
{
	char path[256];
	struct lw_capture_counters counters = counters_of(lab->recorder);
	int fd;

	CHECK(counters.is_recorder && counters.held == FRAMES && counters.files == 0);
	path_in(lab, "recorded.pcapng", path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	CHECK(fd >= 0 && lw_capture_dump(lab->recorder, fd) == 0);
	CHECK(counters_of(lab->recorder).held == FRAMES);
	CHECK(lw_capture_trigger(lab->recorder) == 0);
	counters = counters_of(lab->recorder);
	CHECK(counters.held == 0 && counters.files == 1 && counters.written == FRAMES);
	CHECK(lseek(fd, 0, SEEK_SET) == 0);
	lw_capture_detach(lab->recorder); /* it has seen enough */
	return fd;
}

static void replayed(const struct lw_error *error, void *user)
{
	CHECK(!error);
	count_one(user);
}

/* What was lost is sent again: by the hub as if it came from the client, with the client's rights. */
static void show_replay(struct lab *lab, int recording)
{
	struct lw_replay_options options = { .size = sizeof(options),
					     .descriptor = recording,
					     .way = LW_PORT_IN,
					     .fast = true,
					     .loops = 2,
					     .done = replayed,
					     .user = &lab->is_over };
	struct lw_replay_counters counters = { .size = sizeof(counters) };
	struct lw_replay *replay;
	size_t before = lab->hub_end.frames;

	CHECK(lw_port_replay(lab->port, &options, &replay, NULL) == 0);
	wait_for(lab, &lab->is_over, 1);
	lw_replay_counters(replay, &counters);
	CHECK(counters.loops == 2 && counters.skipped == 0 && counters.packets == 2 * FRAMES);
	lw_replay_free(replay);
	wait_for(lab, &lab->hub_end.frames, before + 2 * FRAMES);
	printf("%zu frames played again\n", (size_t)counters.packets);
}

/* And by the client as if its own machine sent what it sent before. */
static void show_tunnel_replay(struct lab *lab)
{
	char path[256];
	struct lw_replay_options options = { .size = sizeof(options),
					     .way = LW_PORT_IN,
					     .fast = true,
					     .done = replayed,
					     .user = &lab->is_over };
	struct lw_replay *replay;
	size_t before = lab->hub_end.frames;

	CHECK(counters_of(lab->capture).records == 2 * FRAMES);
	lw_capture_close(lab->capture);
	path_in(lab, "client.pcapng", path);
	options.descriptor = open(path, O_RDONLY | O_CLOEXEC);
	CHECK(options.descriptor >= 0);
	CHECK(lw_tunnel_replay(lab->tunnel, LW_TUNNEL_DEVICE, &options, &replay, NULL) == 0);
	wait_for(lab, &lab->is_over, 2);
	wait_for(lab, &lab->hub_end.frames, before + 2 * FRAMES);
	lw_replay_free(replay);
}

/* The one call that another thread may make. */
static void *post_from_thread(void *user)
{
	struct lab *lab = user;

	CHECK(lw_loop_post(lab->loop, count_one, &lab->is_posted) == 0);
	return NULL;
}

static void show_post(struct lab *lab)
{
	pthread_t thread;

	CHECK(pthread_create(&thread, NULL, post_from_thread, lab) == 0);
	wait_for(lab, &lab->is_posted, 1);
	CHECK(pthread_join(thread, NULL) == 0);
}

static void close_end(struct end *end)
{
	lw_packet_flow_free(end->near);
	lw_packet_flow_free(end->far);
}

static void close_lab(struct lab *lab)
{
	CHECK(lw_connection_stop(lab->connection, LW_STOP_USER_INITIATED) == 1);
	wait_for(lab, &lab->status, LW_STATUS_DISCONNECTED);
	lw_connection_free(lab->connection);
	lw_tunnel_free(lab->tunnel);
	lw_hub_remove_peer(lab->hub, lab->port);
	lw_hub_stop(lab->hub, count_one, &lab->is_stopped);
	wait_for(lab, &lab->is_stopped, 1);
	lw_hub_free(lab->hub);
	lw_capture_close(lab->recorder);
	close_end(&lab->hub_end);
	close_end(&lab->client_end);
	lw_timer_free(lab->tick);
	lw_loop_free(lab->loop);
}

int main(int argc, char **argv)
{
	struct lab lab = { .folder = argc > 1 ? argv[1] : "." };
	char identity[256];

	CHECK(lw_loop_new(NULL, &lab.loop) == 0);
	CHECK(lw_timer_new(lab.loop, ticked, &lab, &lab.tick) == 0);
	make_identity(&lab, "client.pem", identity, lab.client_pin);
	open_end(&lab, &lab.hub_end);
	open_end(&lab, &lab.client_end);
	open_hub(&lab);
	open_client(&lab, identity);
	show_status(&lab);
	open_recorder(&lab);
	open_capture(&lab);
	show_loss(&lab);
	show_duplicates(&lab);
	show_replay(&lab, dump(&lab));
	show_tunnel_replay(&lab);
	show_post(&lab);
	close_lab(&lab);
	printf("what was lost has arrived\n");
	return 0;
}
