/* SPDX-License-Identifier: MIT */
/*
 * Example: a provider of one's own. Two of them, twins, carry Ethernet frames to each other over a
 * socketpair, one frame a datagram.
 *
 * Everything a provider does is here: start, read packets, write packets, show them to captures,
 * settings, a message, sleep and wake, errors that it gets over, an end of its own wish. The
 * interfaces are memory flows, so it runs anywhere, without privileges; give the connection a device
 * instead of a flow and the same provider drives a TAP. (device_provider.c has one.)
 *
 *	cc twin_provider.c $(pkg-config --cflags --libs longwire)
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <longwire/longwire.h>

struct twin {
	const char *name;
	int socket; /* to the other twin */
	struct lw_provider *provider;
	struct lw_packet_flow *flow;
	struct lw_completion *starting;
	struct lw_timer *poll; /* an example's way to wait for a socket: look every millisecond */
	unsigned carried;
};

static void read_more(struct twin *twin);

/* The device's side of a packet is shown to captures by the flow, the other side by the provider. */
static void carry_out(struct twin *twin, const struct lw_packet *packet)
{
	struct lw_capture_set *captures = lw_packet_flow_captures(twin->flow);

	if (send(twin->socket, packet->data, packet->length, MSG_DONTWAIT) < 0) {
		lw_capture_show(captures, LW_CAPTURE_DROP, packet, "twin", LW_DROP_QUEUE_FULL);
		return;
	}
	lw_capture_show(captures, LW_CAPTURE_SESSION_OUT, packet, "twin", LW_DROP_NONE);
	twin->carried++;
}

static void packets_read(struct lw_packet_flow *flow, uint16_t queue,
			 const struct lw_packet *packets, size_t n, int error, void *user)
{
	struct twin *twin = user;

	(void)flow;
	(void)queue;
	if (!n) {
		struct lw_error gone = { LW_DOMAIN_PROVIDER, -error, "the interface is gone" };

		lw_provider_cancel(twin->provider, LW_STOP_PROVIDER_FAILED, &gone);
		return;
	}
	for (size_t i = 0; i < n; i++)
		carry_out(twin, &packets[i]);
	read_more(twin);
}

static void read_more(struct twin *twin)
{
	if (lw_packet_flow_read(twin->flow, 0, 0, packets_read, twin) < 0)
		fprintf(stderr, "%s: cannot read\n", twin->name);
}

static void socket_polled(void *user)
{
	struct twin *twin = user;
	uint8_t frame[2048];
	ssize_t n;

	while ((n = recv(twin->socket, frame, sizeof(frame), MSG_DONTWAIT)) > 0) {
		const struct lw_packet packet = {
			.data = frame,
			.length = (size_t)n,
			.layer = LW_LAYER_ETHERNET,
			.ether_type = n >= 14 ? (uint16_t)(frame[12] << 8 | frame[13]) : 0,
			.direction = LW_DIRECTION_INBOUND,
		};

		lw_capture_show(lw_packet_flow_captures(twin->flow), LW_CAPTURE_SESSION_IN, &packet,
				"twin", LW_DROP_NONE);
		(void)lw_packet_flow_write(twin->flow, 0, &packet, 1);
	}
	lw_timer_set_ms(twin->poll, 1);
}

static void settings_set(const struct lw_error *error, void *user)
{
	struct twin *twin = user;
	struct lw_completion *starting = twin->starting;

	twin->starting = NULL;
	if (!error) {
		read_more(twin);
		lw_timer_set_ms(twin->poll, 1);
	}
	if (starting)
		lw_completion_finish(starting, error);
}

static void twin_start(struct lw_provider *provider, const struct lw_start_options *options,
		       struct lw_completion *done, void *user)
{
	struct twin *twin = user;
	const struct lw_network_settings settings = {
		.size = sizeof(settings),
		.ethernet_address = "02:00:5e:00:53:01",
		.mtu = 1500,
	};

	printf("%s: start, asked by %s\n", twin->name, lw_start_origin_name(options->origin));
	twin->provider = provider;
	twin->flow = lw_provider_packet_flow(provider);
	twin->starting = done;
	if (lw_timer_new(lw_provider_loop(provider), socket_polled, twin, &twin->poll) < 0) {
		const struct lw_error error = { LW_DOMAIN_PROVIDER, ENOMEM, "no timer" };

		twin->starting = NULL;
		lw_completion_finish(done, &error);
		return;
	}
	lw_provider_set_network_settings(provider, &settings, settings_set, twin);
}

static void twin_stop(struct lw_provider *provider, enum lw_stop_reason reason,
		      struct lw_completion *done, void *user)
{
	struct twin *twin = user;

	(void)provider;
	printf("%s: stop, %s\n", twin->name, lw_stop_reason_name(reason));
	lw_packet_flow_cancel_read(twin->flow, 0);
	lw_timer_free(twin->poll);
	twin->poll = NULL;
	lw_completion_finish(done, NULL);
}

static void twin_message(struct lw_provider *provider, const void *data, size_t length,
			 struct lw_completion *done, void *user)
{
	const struct twin *twin = user;
	char text[64];
	int n;

	(void)provider;
	n = snprintf(text, sizeof(text), "%s carried %u, asked '%.*s'", twin->name, twin->carried,
		     (int)length, (const char *)data);
	lw_completion_reply(done, text, (size_t)n);
}

/* Nothing is carried while the machine sleeps; the status says so. */
static void twin_sleep(struct lw_provider *provider, struct lw_completion *done, void *user)
{
	const struct lw_error error = { LW_DOMAIN_PROVIDER, 1, "asleep" };
	struct twin *twin = user;

	lw_timer_cancel(twin->poll);
	lw_provider_note_error(provider, &error);
	lw_provider_set_reasserting(provider, true);
	lw_completion_finish(done, NULL);
}

static void twin_wake(struct lw_provider *provider, void *user)
{
	struct twin *twin = user;

	lw_timer_set_ms(twin->poll, 1);
	lw_provider_set_reasserting(provider, false);
}

static const struct lw_provider_ops twin_ops = {
	.size = sizeof(twin_ops),
	.name = "twin",
	.layer = LW_LAYER_ETHERNET,
	.start = twin_start,
	.stop = twin_stop,
	.message = twin_message,
	.sleep = twin_sleep,
	.wake = twin_wake,
};

/* ---- the controller */

struct side {
	struct twin twin;
	struct lw_packet_flow *near, *far;
	struct lw_connection *connection;
	enum lw_status status;
	uint8_t received[2048];
	size_t received_length;
};

static void status_changed(struct lw_connection *connection, enum lw_status status, void *user)
{
	struct side *side = user;

	(void)connection;
	side->status = status;
	printf("%s: %s\n", side->twin.name, lw_status_name(status));
}

static void host_received(struct lw_packet_flow *flow, uint16_t queue,
			  const struct lw_packet *packets, size_t n, int error, void *user)
{
	struct side *side = user;

	(void)flow;
	(void)queue;
	(void)error;
	if (n && packets[0].length <= sizeof(side->received)) {
		memcpy(side->received, packets[0].data, packets[0].length);
		side->received_length = packets[0].length;
	}
}

static void answered(const void *data, size_t length, void *user)
{
	printf("%.*s\n", (int)length, (const char *)data);
	*(size_t *)user = length;
}

/* Turn the loop as a host program would, at most two seconds. */
static int turn_until(struct lw_loop *loop, const volatile void *what, size_t wanted, size_t size)
{
	for (int i = 0; i < 2000; i++) {
		struct pollfd ready = { .fd = lw_loop_fd(loop), .events = POLLIN };
		int wait = lw_loop_timeout_ms(loop);
		size_t value = size == sizeof(enum lw_status)
				       ? *(const volatile enum lw_status *)what
				       : *(const volatile size_t *)what;

		if (value == wanted)
			return 0;
		if (poll(&ready, 1, wait < 0 || wait > 10 ? 10 : wait) < 0 && errno != EINTR)
			return -errno;
		if (lw_loop_dispatch(loop) < 0)
			return -EIO;
	}
	return -ETIMEDOUT;
}

static int side_open(struct lw_loop *loop, struct side *side, const char *name, int socket)
{
	struct lw_connection_options options = { .size = sizeof(options) };
	struct lw_error error;

	side->twin.name = name;
	side->twin.socket = socket;
	if (lw_packet_flow_pair(loop, LW_LAYER_ETHERNET, 0, &side->near, &side->far) < 0)
		return -1;
	options.ops = &twin_ops;
	options.user = &side->twin;
	options.flow = side->near;
	if (lw_connection_new(loop, &options, &side->connection, &error) < 0 ||
	    lw_connection_start(side->connection, NULL, &error) < 0) {
		fprintf(stderr, "%s: %s\n", name, error.text);
		return -1;
	}
	lw_connection_observe(side->connection, status_changed, side);
	return turn_until(loop, &side->status, LW_STATUS_CONNECTED, sizeof(side->status));
}

static int side_close(struct lw_loop *loop, struct side *side)
{
	int result;

	lw_connection_stop(side->connection, LW_STOP_USER_INITIATED);
	result = turn_until(loop, &side->status, LW_STATUS_DISCONNECTED, sizeof(side->status));
	lw_connection_free(side->connection);
	lw_packet_flow_free(side->near);
	lw_packet_flow_free(side->far);
	close(side->twin.socket);
	return result;
}

static int carry(struct lw_loop *loop, struct side *from, struct side *to)
{
	uint8_t frame[60] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 0x88, 0xb5 };
	const struct lw_packet packet = { .data = frame,
					  .length = sizeof(frame),
					  .layer = LW_LAYER_ETHERNET,
					  .ether_type = 0x88b5 };

	snprintf((char *)frame + 14, sizeof(frame) - 14, "a frame from %s", from->twin.name);
	if (lw_packet_flow_read(to->far, 0, 0, host_received, to) < 0 ||
	    lw_packet_flow_write(from->far, 0, &packet, 1) != 1 ||
	    turn_until(loop, &to->received_length, sizeof(frame), sizeof(size_t)) < 0)
		return -1;
	return memcmp(to->received, frame, sizeof(frame)) ? -1 : 0;
}

/* A capture of what passes between the twins as one of them sees it, for who reads the pipe: pcapng,
 * as a descriptor gets it unless told otherwise. */
static struct lw_capture *watch(const struct side *side, int *ret_reader)
{
	struct lw_capture_options options = { .size = sizeof(options),
					      .layer = LW_LAYER_ETHERNET,
					      .points = LW_CAPTURE_SESSION_IN |
							LW_CAPTURE_SESSION_OUT };
	struct lw_capture *capture = NULL;
	int ends[2];

	if (pipe(ends) < 0)
		return NULL;
	*ret_reader = ends[0];
	options.descriptor = ends[1];
	if (lw_capture_open(&options, &capture, NULL) == 0 &&
	    lw_connection_attach_capture(side->connection, capture) < 0) {
		lw_capture_close(capture);
		capture = NULL;
	}
	close(ends[1]);
	return capture;
}

/* Both frames, and a savefile that begins as pcapng does. */
static int check_capture(struct lw_capture *capture, int reader)
{
	struct lw_capture_counters counters = { .size = sizeof(counters) };
	uint32_t magic = 0;
	bool is_whole;

	if (lw_capture_flush(capture) < 0)
		return -1;
	lw_capture_counters(capture, &counters);
	lw_capture_close(capture);
	is_whole = counters.written == 2 && counters.dropped == 0 &&
		   read(reader, &magic, sizeof(magic)) == sizeof(magic) && magic == 0x0a0d0d0a;
	close(reader);
	return is_whole ? 0 : -1;
}

static void slept(void *user)
{
	*(size_t *)user = 1;
}

/* A night: the controller hears when the provider is quiet, and what it went through. */
static int sleep_and_wake(struct lw_loop *loop, struct side *side)
{
	struct lw_connection_incident incident = { .size = sizeof(incident) };
	size_t is_quiet = 0;

	if (lw_connection_sleep(side->connection, false, slept, &is_quiet) < 0 ||
	    turn_until(loop, &is_quiet, 1, sizeof(is_quiet)) < 0 ||
	    turn_until(loop, &side->status, LW_STATUS_REASSERTING, sizeof(side->status)) < 0)
		return -1;
	lw_connection_wake(side->connection);
	if (turn_until(loop, &side->status, LW_STATUS_CONNECTED, sizeof(side->status)) < 0 ||
	    !lw_connection_incident(side->connection, 0, &incident))
		return -1;
	printf("%s: was %s\n", side->twin.name, incident.error.text);
	return 0;
}

int main(void)
{
	struct side a = { .status = LW_STATUS_INVALID }, b = { .status = LW_STATUS_INVALID };
	struct lw_loop *loop;
	struct lw_capture *capture;
	size_t answer = 0;
	int sockets[2], reader;

	if (lw_loop_new(NULL, &loop) < 0 || socketpair(AF_UNIX, SOCK_DGRAM, 0, sockets) < 0)
		return 1;
	if (side_open(loop, &a, "castor", sockets[0]) < 0 ||
	    side_open(loop, &b, "pollux", sockets[1]) < 0)
		return 1;
	capture = watch(&a, &reader);
	if (!capture || carry(loop, &a, &b) < 0 || carry(loop, &b, &a) < 0 ||
	    check_capture(capture, reader) < 0)
		return 1;
	if (lw_connection_send_message(a.connection, "how many?", 9, answered, &answer) < 0 ||
	    turn_until(loop, &answer, strlen("castor carried 1, asked 'how many?'"),
		       sizeof(answer)) < 0)
		return 1;
	if (sleep_and_wake(loop, &a) < 0)
		return 1;
	if (side_close(loop, &a) < 0 || side_close(loop, &b) < 0)
		return 1;
	lw_loop_free(loop);
	printf("two frames carried\n");
	return 0;
}
