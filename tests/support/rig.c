/* SPDX-License-Identifier: MIT */
/* Hub, clients, wires and a clock, all in one test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "support/rig.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/address.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "flow/flow.h"

static const uint64_t step_ns = 5000000;

static uint64_t rig_now(void *user)
{
	const struct rig *rig = user;
	struct timespec now;

	if (!rig->has_real_clock)
		return rig->now_ns;
	clock_gettime(CLOCK_BOOTTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* ---- hosts behind devices */

static void read_far(struct rig_host *host, uint16_t queue);

static void far_packets(struct lw_packet_flow *flow, uint16_t queue,
			const struct lw_packet *packets, size_t n, int error, void *user)
{
	struct rig_host *host = user;

	(void)flow;
	assert_int_equal(error, 0);
	if (host->only_counts)
		host->n += n;
	for (size_t i = 0; i < n && !host->only_counts; i++) {
		assert_true(host->n < RIG_FRAMES_MAX);
		host->frames[host->n] = malloc(packets[i].length);
		assert_non_null(host->frames[host->n]);
		memcpy(host->frames[host->n], packets[i].data, packets[i].length);
		host->lengths[host->n++] = packets[i].length;
	}
	read_far(host, queue);
}

static void read_far(struct rig_host *host, uint16_t queue)
{
	assert_int_equal(lw_packet_flow_read(host->far, queue, 0, far_packets, host), 0);
}

void rig_open_host(struct rig *rig, struct rig_host *host)
{
	host->rig = rig;
	assert_int_equal(packet_flow_pair(rig->loop, rig->layer, 2048, (uint16_t)rig->workers,
					  &host->near, &host->far),
			 0);
	for (uint16_t i = 0; i < rig->workers; i++)
		read_far(host, i);
}

void rig_forget(struct rig_host *host)
{
	for (size_t i = 0; i < host->n && !host->only_counts; i++)
		free(host->frames[i]);
	host->n = 0;
}

void rig_close_host(struct rig_host *host)
{
	rig_forget(host);
	for (uint16_t i = 0; host->far && i < host->rig->workers; i++)
		lw_packet_flow_cancel_read(host->far, i);
	lw_packet_flow_free(host->near);
	lw_packet_flow_free(host->far);
	host->near = host->far = NULL;
}

bool rig_write_queue(struct rig_host *host, uint16_t queue, const void *data, size_t length)
{
	const uint8_t *bytes = data;
	const struct lw_packet packet = {
		.data = data,
		.length = length,
		.layer = host->rig->layer,
		.ether_type = host->rig->layer == LW_LAYER_ETHERNET && length >= 14
				      ? load_be16(bytes + 12)
				      : (bytes[0] >> 4 == 6 ? 0x86dd : 0x0800),
	};

	return lw_packet_flow_write(host->far, queue, &packet, 1) == 1;
}

void rig_write(struct rig_host *host, const void *data, size_t length)
{
	assert_true(rig_write_queue(host, 0, data, length));
}

size_t rig_count(const struct rig_host *host, const void *data, size_t length)
{
	size_t count = 0;

	for (size_t i = 0; i < host->n; i++)
		count += host->lengths[i] == length && !memcmp(host->frames[i], data, length);
	return count;
}

size_t rig_frame(uint8_t *frame, uint8_t to, uint8_t from, uint16_t ether_type, size_t payload)
{
	memset(frame, 0, 14);
	if (to == 0xff)
		memset(frame, 0xff, 6);
	else
		memcpy(frame, (const uint8_t[]){ 2, 0, 0, 0, 0, to }, 6);
	memcpy(frame + 6, (const uint8_t[]){ 2, 0, 0, 0, 0, from }, 6);
	store_be16(frame + 12, ether_type);
	for (size_t i = 0; i < payload; i++)
		frame[14 + i] = (uint8_t)(i * 7 + to + from);
	return 14 + payload;
}

static uint16_t ones_sum(const uint8_t *data, size_t length, uint32_t sum)
{
	for (size_t i = 0; i + 1 < length; i += 2)
		sum += load_be16(data + i);
	if (length & 1)
		sum += (uint32_t)data[length - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

size_t rig_packet(uint8_t *packet, const char *from, const char *to, size_t payload)
{
	struct ip_address source, destination;
	size_t length = 28 + payload;

	assert_int_equal(ip_address_parse(from, &source), 0);
	assert_int_equal(ip_address_parse(to, &destination), 0);
	memset(packet, 0, 28);
	packet[0] = 0x45;
	store_be16(packet + 2, (uint16_t)length);
	packet[6] = 0x40; /* do not fragment */
	packet[8] = 64;
	packet[9] = 17;
	memcpy(packet + 12, source.bytes, 4);
	memcpy(packet + 16, destination.bytes, 4);
	store_be16(packet + 10, (uint16_t)~ones_sum(packet, 20, 0));
	store_be16(packet + 20, 4000);
	store_be16(packet + 22, 4001);
	store_be16(packet + 24, (uint16_t)(8 + payload));
	for (size_t i = 0; i < payload; i++)
		packet[28 + i] = (uint8_t)i;
	return length;
}

/* ---- wires */

void rig_cut_wire(struct rig_wire *wire)
{
	if (!wire->is_live)
		return;
	wire->is_live = false;
	loop_remove(&wire->a);
	loop_remove(&wire->b);
	close_fd(&wire->a.fd);
	close_fd(&wire->b.fd);
	wire->up.length = wire->down.length = 0;
}

void rig_cut(struct rig_client *client)
{
	for (size_t i = 0; i < ARRAY_SIZE(client->wires); i++)
		rig_cut_wire(&client->wires[i]);
}

/* A FIN arrives behind what was sent before it, as on a real wire. */
static void wire_half_close(struct rig_wire *wire, struct loop_source *from,
			    struct wire_buffer *buffer)
{
	bool is_a = from == &wire->a;
	int to = is_a ? wire->b.fd : wire->a.fd;
	bool is_hole = is_a ? wire->client->is_black_hole_up : wire->client->is_black_hole_down;

	while (buffer->length && !is_hole) {
		ssize_t n = send(to, buffer->data, buffer->length, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n <= 0)
			break;
		buffer->length -= (size_t)n;
		memmove(buffer->data, buffer->data + n, buffer->length);
	}
	if (!is_hole)
		shutdown(to, SHUT_WR);
	loop_remove(from);
	*(is_a ? &wire->is_a_ended : &wire->is_b_ended) = true;
	if (wire->is_a_ended && wire->is_b_ended)
		rig_cut_wire(wire);
}

static void wire_take(struct rig_wire *wire, struct loop_source *from, struct wire_buffer *buffer)
{
	ssize_t n;

	if (buffer->length == sizeof(buffer->data))
		return;
	n = recv(from->fd, buffer->data + buffer->length, sizeof(buffer->data) - buffer->length,
		 MSG_DONTWAIT);
	if (n > 0)
		buffer->length += (size_t)n;
	else if (n == 0)
		wire_half_close(wire, from, buffer);
	else if (errno != EAGAIN)
		rig_cut_wire(wire);
}

static void wire_give(struct rig_wire *wire, int fd, struct wire_buffer *buffer, bool is_black_hole)
{
	size_t chunk = wire->client->chunk ? wire->client->chunk : sizeof(buffer->data);
	ssize_t n;

	if (!wire->is_live || !buffer->length)
		return;
	if (is_black_hole) {
		buffer->length = 0;
		return;
	}
	n = send(fd, buffer->data, MIN(chunk, buffer->length), MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n <= 0)
		return;
	buffer->length -= (size_t)n;
	memmove(buffer->data, buffer->data + n, buffer->length);
}

static void wire_events(struct rig_wire *wire)
{
	uint32_t up_room = wire->up.length < sizeof(wire->up.data) ? EPOLLIN : 0;
	uint32_t down_room = wire->down.length < sizeof(wire->down.data) ? EPOLLIN : 0;

	if (!wire->is_live)
		return;
	if (!wire->is_a_ended)
		loop_modify(&wire->a, up_room | (wire->down.length ? EPOLLOUT : 0u));
	if (!wire->is_b_ended)
		loop_modify(&wire->b, down_room | (wire->up.length ? EPOLLOUT : 0u));
}

static void corrupt(struct rig_client *client, struct wire_buffer *up, size_t before)
{
	uint64_t offset = client->flip_at - client->passed_up;

	if (client->flip_at && client->flip_at >= client->passed_up &&
	    offset < up->length - before) {
		up->data[before + offset] ^= 0x20;
		client->flip_at = 0;
	}
	client->passed_up += up->length - before;
}

static void tap(const struct rig_wire *wire, bool is_up, const struct wire_buffer *buffer,
		size_t before)
{
	if (wire->is_live && wire->client->tap && buffer->length > before)
		wire->client->tap(wire, is_up, buffer->data + before, buffer->length - before);
}

static void wire_a_event(struct loop_source *source, uint32_t events)
{
	struct rig_wire *wire = container_of(source, struct rig_wire, a);
	size_t before = wire->up.length;

	if (events & ~(uint32_t)EPOLLOUT)
		wire_take(wire, source, &wire->up);
	if (wire->is_live)
		corrupt(wire->client, &wire->up, before);
	tap(wire, true, &wire->up, before);
	wire_give(wire, source->fd, &wire->down, wire->client->is_black_hole_down);
	wire_events(wire);
}

static void wire_b_event(struct loop_source *source, uint32_t events)
{
	struct rig_wire *wire = container_of(source, struct rig_wire, b);
	size_t before = wire->down.length;

	if (events & ~(uint32_t)EPOLLOUT)
		wire_take(wire, source, &wire->down);
	if (wire->is_live)
		wire->client->passed_down += wire->down.length - before;
	tap(wire, false, &wire->down, before);
	wire_give(wire, source->fd, &wire->up, wire->client->is_black_hole_up);
	wire_events(wire);
}

static int dial(void *user, int *ret_descriptor)
{
	struct rig_client *client = user;
	struct rig_wire *wire = client->wires;
	int ends[2], hub_ends[2];

	while (wire->is_live && wire < &client->wires[client->n_wires - 1])
		wire++;

	client->dials++;
	if (client->is_unreachable || !client->rig->hub)
		return -ECONNREFUSED;
	rig_cut_wire(wire);
	if (!client->keeps_wires)
		rig_cut(client);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends),
			 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, hub_ends), 0);
	if (lw_hub_adopt(client->rig->hub, hub_ends[1]) < 0) {
		for (int i = 0; i < 2; i++) {
			close(ends[i]);
			close(hub_ends[i]);
		}
		return -ENOMEM;
	}
	client->wire = wire;
	wire->client = client;
	wire->number = client->dials;
	wire->a = (struct loop_source){ .fd = ends[1], .function = wire_a_event };
	wire->b = (struct loop_source){ .fd = hub_ends[0], .function = wire_b_event };
	wire->is_live = true;
	wire->is_a_ended = wire->is_b_ended = false;
	assert_int_equal(loop_add(client->rig->loop, &wire->a, EPOLLIN), 0);
	assert_int_equal(loop_add(client->rig->loop, &wire->b, EPOLLIN), 0);
	*ret_descriptor = ends[0];
	return 0;
}

/* ---- identities */

const char *rig_identity(struct rig *rig, const char *name, char path[128])
{
	snprintf(path, 128, "%s/%s.pem", rig->folder, name);
	return path;
}

void rig_make_identity(struct rig *rig, const char *name, struct pin *ret_pin)
{
	char path[128], *pem;
	size_t length;

	assert_int_equal(credentials_generate(&pem, &length, ret_pin, NULL), 0);
	assert_int_equal(file_create(rig_identity(rig, name, path), 0600, pem, length, NULL), 0);
	memory_erase(pem, length);
	free(pem);
}

static void remove_folder(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(folder);
}

/* ---- the hub */

static void add_port(struct rig *rig, struct rig_client *client, const struct lw_peer_options *peer)
{
	char pin[PIN_TEXT_SIZE];
	const char *pins[] = { pin_format(&client->pin, pin) };
	struct lw_peer_options options = peer ? *peer : (struct lw_peer_options){ 0 };
	struct lw_error error = { 0 };

	options.size = sizeof(options);
	options.name = client->name;
	options.pins = pins;
	options.n_pins = 1;
	if (lw_hub_add_peer(rig->hub, &options, &client->port, &error) < 0)
		fail_msg("%s", error.text);
}

void rig_hub_start(struct rig *rig)
{
	static const char *const own[] = { "10.86.0.1/24", "fd86::1/64" };
	static const char *const routes[] = { "10.0.0.0/8" };
	bool is_ip = rig->layer == LW_LAYER_IP;
	char path[128];
	const struct lw_hub_options options = {
		.size = sizeof(options),
		.layer = rig->layer,
		.identity_file = rig_identity(rig, "hub", path),
		.flow = rig->host.near,
		.pool = own,
		.n_pool = is_ip ? 2 : 0,
		.own_addresses = own,
		.n_own_addresses = is_ip ? 2 : 0,
		.included_routes = routes,
		.n_included_routes = is_ip ? 1 : 0,
		.inline_handshakes = true,
		.workers = rig->workers,
		.streams = rig->streams,
	};
	struct lw_error error = { 0 };

	if (lw_hub_new(rig->loop, &options, &rig->hub, &error) < 0)
		fail_msg("%s", error.text);
	for (size_t i = 0; i < rig->n; i++)
		add_port(rig, &rig->clients[i], NULL);
}

void rig_hub_kill(struct rig *rig)
{
	for (size_t i = 0; i < rig->n; i++)
		rig_cut(&rig->clients[i]);
	lw_hub_free(rig->hub);
	rig->hub = NULL;
}

static struct rig *make_rig(enum lw_layer layer, bool with_device, uint32_t workers,
			    uint32_t streams)
{
	struct rig *rig = calloc(1, sizeof(*rig));
	const struct lw_loop_options options = { .size = sizeof(options),
						 .now_ns = rig_now,
						 .user = rig };

	assert_non_null(rig);
	if (getenv("RIG_LOG"))
		log_set_sink(log_to_stderr, LOG_LEVEL_DEBUG, NULL);
	rig->layer = layer;
	rig->workers = workers;
	rig->streams = streams;
	rig->has_real_clock = workers > 1;
	rig->now_ns = UINT64_C(1000000000000);
	snprintf(rig->folder, sizeof(rig->folder), "/tmp/lw-rig-XXXXXX");
	assert_non_null(mkdtemp(rig->folder));
	assert_int_equal(lw_loop_new(&options, &rig->loop), 0);
	rig_make_identity(rig, "hub", &rig->hub_pin);
	if (with_device)
		rig_open_host(rig, &rig->host);
	rig_hub_start(rig);
	return rig;
}

struct rig *rig_new(enum lw_layer layer, bool with_device)
{
	return make_rig(layer, with_device, 1, 1);
}

struct rig *rig_new_wide(enum lw_layer layer, uint32_t workers, uint32_t streams)
{
	return make_rig(layer, true, workers, streams);
}

/* ---- clients */

static void observe(struct lw_connection *connection, enum lw_status status, void *user)
{
	struct rig_client *client = user;

	(void)connection;
	if (client->n_statuses < ARRAY_SIZE(client->statuses))
		client->statuses[client->n_statuses++] = status;
}

struct rig_client *rig_add(struct rig *rig, const char *name, const struct lw_peer_options *peer,
			   const struct lw_tunnel_options *tunnel)
{
	struct rig_client *client = &rig->clients[rig->n++];
	char pin[PIN_TEXT_SIZE], path[128];
	const char *pins[] = { pin_format(&rig->hub_pin, pin) };
	struct lw_tunnel_options options = tunnel ? *tunnel : (struct lw_tunnel_options){ 0 };
	struct lw_connection_options connection = { .size = sizeof(connection) };
	struct lw_error error = { 0 };

	assert_true(rig->n <= RIG_CLIENTS_MAX);
	client->rig = rig;
	client->n_wires = client->n_wires ? client->n_wires : 2;
	snprintf(client->name, sizeof(client->name), "%s", name);
	rig_make_identity(rig, name, &client->pin);
	add_port(rig, client, peer);
	rig_open_host(rig, &client->host);
	options.size = sizeof(options);
	options.layer = options.layer ? options.layer : rig->layer;
	if (!options.n_pins) {
		options.pins = pins;
		options.n_pins = 1;
	}
	options.identity_file = rig_identity(rig, name, path);
	options.inline_handshakes = true;
	options.dial = dial;
	options.dial_user = client;
	if (lw_tunnel_new(&options, &client->tunnel, &error) < 0)
		fail_msg("%s", error.text);
	connection.ops = lw_tunnel_provider_ops(client->tunnel);
	connection.user = client->tunnel;
	connection.flow = client->host.near;
	connection.start_timeout_ms = UINT32_MAX;
	if (lw_connection_new(rig->loop, &connection, &client->connection, &error) < 0)
		fail_msg("%s", error.text);
	lw_connection_observe(client->connection, observe, client);
	return client;
}

void rig_start(struct rig_client *client)
{
	struct lw_error error = { 0 };

	if (lw_connection_start(client->connection, NULL, &error) < 0)
		fail_msg("%s", error.text);
}

bool rig_is_up(void *client)
{
	return lw_connection_status(((struct rig_client *)client)->connection) ==
	       LW_STATUS_CONNECTED;
}

bool rig_is_down(void *client)
{
	return lw_connection_status(((struct rig_client *)client)->connection) ==
	       LW_STATUS_DISCONNECTED;
}

void rig_connect(struct rig_client *client)
{
	struct lw_tunnel_status status = { .size = sizeof(status) };

	rig_start(client);
	if (rig_until(client->rig, rig_is_up, client, 5000))
		return;
	lw_tunnel_status(client->tunnel, &status);
	fail_msg("%s did not come up: %s, %s", client->name, lw_link_state_name(status.link),
		 status.last_failure);
}

void rig_free(struct rig *rig)
{
	for (size_t i = 0; i < rig->n; i++) {
		struct rig_client *client = &rig->clients[i];

		lw_connection_free(client->connection);
		lw_tunnel_free(client->tunnel);
		rig_cut(client);
		rig_close_host(&client->host);
	}
	lw_hub_free(rig->hub);
	rig_close_host(&rig->host);
	lw_loop_free(rig->loop);
	remove_folder(rig->folder);
	free(rig);
}

/* ---- time */

void rig_settle(struct rig *rig)
{
	int n, rounds = 0;

	/* Where others work, it may never be over. */
	if (rig->has_real_clock) {
		assert_true(lw_loop_dispatch(rig->loop) >= 0);
		return;
	}
	while ((n = lw_loop_dispatch(rig->loop)) > 0)
		assert_true(++rounds < 1000000);
	assert_int_equal(n, 0);
}

bool rig_until(struct rig *rig, bool (*condition)(void *user), void *user, uint64_t ms)
{
	uint64_t end = rig_now(rig) + ms * 1000000;

	for (;;) {
		rig_settle(rig);
		if (condition && condition(user))
			return true;
		if (rig_now(rig) >= end)
			return false;
		if (rig->has_real_clock)
			usleep(100);
		else
			rig->now_ns += step_ns;
	}
}

void rig_pass(struct rig *rig, uint64_t ms)
{
	(void)rig_until(rig, NULL, NULL, ms);
}

uint64_t rig_drops(const struct rig_client *client, enum lw_drop reason)
{
	struct lw_port_status status = { .size = sizeof(status) };

	lw_port_status(client->port, &status);
	return status.drops[reason];
}
