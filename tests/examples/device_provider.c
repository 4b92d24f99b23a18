/* SPDX-License-Identifier: MIT */
/*
 * Example: a provider with a device of the kernel, and its controller. Behind the tunnel is a network
 * in which every host echoes UDP; the provider itself plays those hosts.
 *
 * It shows what a provider does to the machine and hears from it: network settings as a transaction,
 * sockets outside and through the tunnel, the path and its changes, reasserting, giving up with an
 * error, the watchdog, the kill switch. All of it happens in a network namespace of its own and goes
 * with it; without root there is none, and the example says SKIP.
 *
 *	cc device_provider.c $(pkg-config --cflags --libs longwire) && sudo ./a.out
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
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

enum { WAIT_MS = 10000, MTU = 1400, OTHER_MTU = 1300, GAVE_UP = 7 };

/* The server is a neighbour outside that nobody asks: this provider plays what is behind it. */
#define SERVER "192.0.2.254"
#define INSIDE "10.99.0.1"
#define FAR    "10.99.0.2"

struct echo {
	struct lw_provider *provider;
	struct lw_packet_flow *flow;
	struct lw_completion *starting;
	char server[48];
	bool has_set; /* the last settings were applied or refused */
	struct lw_error refusal;
};

struct lab {
	struct lw_loop *loop;
	struct lw_timer *tick;
	bool (*is_so)(const struct lab *lab);
	int ticks;
	struct lw_connection *connection;
	enum lw_status status;
	bool is_answered;
	struct echo echo;
};

/* ---- the provider */

/* What the host at the far end answers: the same datagram with its ends swapped, which leaves every
 * checksum as it was. A packet that was read is never put back itself: that is refused. */
static void answer(const struct echo *echo, const struct lw_packet *asked)
{
	enum { HEADER = 20, PORTS = 4, UDP = 17 };
	uint8_t data[OTHER_MTU];
	struct lw_packet packet = *asked;

	if (asked->length > sizeof(data) || asked->length < HEADER + PORTS ||
	    asked->data[0] != 0x45 || asked->data[9] != UDP)
		return;
	memcpy(data, asked->data, asked->length);
	memcpy(data + 12, asked->data + 16, 4);
	memcpy(data + 16, asked->data + 12, 4);
	memcpy(data + HEADER, asked->data + HEADER + 2, 2);
	memcpy(data + HEADER + 2, asked->data + HEADER, 2);
	packet.data = data;
	packet.direction = LW_DIRECTION_INBOUND;
	(void)lw_packet_flow_write(echo->flow, 0, &packet, 1);
}

static void packets_read(struct lw_packet_flow *flow, uint16_t queue,
			 const struct lw_packet *packets, size_t n, int error, void *user)
{
	struct echo *echo = user;

	if (!n) {
		struct lw_error gone = { LW_DOMAIN_SYSTEM, -error, "the interface is gone" };

		lw_provider_cancel(echo->provider, LW_STOP_PROVIDER_FAILED, &gone);
		return;
	}
	for (size_t i = 0; i < n; i++)
		answer(echo, &packets[i]);
	CHECK(lw_packet_flow_read(flow, queue, 0, packets_read, echo) == 0);
}

static void settings_set(const struct lw_error *error, void *user)
{
	struct echo *echo = user;
	struct lw_completion *starting = echo->starting;

	echo->has_set = true;
	echo->refusal = error ? *error : (struct lw_error){ LW_DOMAIN_NONE, 0, "" };
	echo->starting = NULL;
	if (!starting)
		return;
	if (!error)
		CHECK(lw_packet_flow_read(echo->flow, 0, 0, packets_read, echo) == 0);
	lw_completion_finish(starting, error);
}

/* Addresses and routes, and the proxies that programs there should use. Name servers are left alone:
 * an example has no business with the resolver of the machine that it runs on. */
static void set_settings(struct echo *echo, uint32_t mtu, const struct lw_dns_settings *dns)
{
	static const char *const addresses[] = { INSIDE "/24" };
	static const char *const included[] = { "10.98.0.0/16" };
	static const char *const excluded[] = { "10.98.7.0/24" };
	static const char *const exceptions[] = { "*.corp.example", "10.0.0.0/8" };
	const struct lw_proxy_settings proxy = {
		.size = sizeof(proxy),
		.http_server = "proxy.example.net:3128",
		.exclude_simple_hostnames = true,
		.exception_list = exceptions,
		.n_exceptions = 2,
	};
	const struct lw_network_settings settings = {
		.size = sizeof(settings),
		.remote_address = SERVER,
		.mtu = mtu,
		.addresses = addresses,
		.n_addresses = 1,
		.included_routes = included,
		.n_included_routes = 1,
		.excluded_routes = excluded,
		.n_excluded_routes = 1,
		.dns = dns,
		.proxy = &proxy,
	};

	echo->has_set = false;
	lw_provider_set_network_settings(echo->provider, &settings, settings_set, echo);
}

/* A socket to the server, past the tunnel: no route of any tunnel draws it in. */
static void connect_outside(const struct echo *echo)
{
	struct lw_path path = { .size = sizeof(path) };
	struct lw_socket_options options = { .size = sizeof(options),
					     .way = LW_WAY_OUTSIDE,
					     .domain = AF_INET,
					     .type = SOCK_DGRAM };
	struct lw_error error;
	socklen_t size = sizeof(int);
	int fd, mark = 0;

	CHECK(lw_provider_path(echo->provider, echo->server, &path) == 0);
	CHECK(path.is_reachable && strcmp(path.source, "192.0.2.1") == 0);
	printf("the server is reached by %s, the tunnel is %s\n", path.interface,
	       lw_provider_interface(echo->provider));
	options.interface = path.interface;
	CHECK(lw_provider_socket(echo->provider, &options, &fd, &error) == 0);
	CHECK(getsockopt(fd, SOL_SOCKET, SO_MARK, &mark, &size) == 0 && mark == LW_OUTER_MARK);
	close(fd);
}

/* The options of a start are the controller's and the provider's own language. */
static void echo_start(struct lw_provider *provider, const struct lw_start_options *options,
		       struct lw_completion *done, void *user)
{
	struct echo *echo = user;

	echo->provider = provider;
	echo->flow = lw_provider_packet_flow(provider);
	echo->starting = done;
	echo->server[0] = '\0';
	for (size_t i = 0; i < options->n; i++)
		if (strcmp(options->keys[i], "server") == 0)
			snprintf(echo->server, sizeof(echo->server), "%s", options->values[i]);
	if (!echo->server[0])
		return; /* waits for ever, as a bad provider would: the watchdog's business */
	connect_outside(echo);
	set_settings(echo, MTU, NULL);
}

static void echo_stop(struct lw_provider *provider, enum lw_stop_reason reason,
		      struct lw_completion *done, void *user)
{
	struct echo *echo = user;

	(void)provider;
	printf("stop, %s\n", lw_stop_reason_name(reason));
	lw_packet_flow_cancel_read(echo->flow, 0);
	lw_completion_finish(done, NULL);
}

/* Asked to give up it ends by a wish of its own; any other message is answered with nothing. */
static void echo_message(struct lw_provider *provider, const void *data, size_t length,
			 struct lw_completion *done, void *user)
{
	const struct lw_error error = { LW_DOMAIN_PROVIDER, GAVE_UP, "the password has expired" };

	(void)user;
	if (length != 7 || memcmp(data, "give up", 7) != 0) {
		lw_completion_finish(done, NULL);
		return;
	}
	lw_completion_reply(done, "yes", 3);
	lw_provider_cancel(provider, LW_STOP_AUTHENTICATION_CANCELED, &error);
}

/* Links, addresses or routes have changed. While there is no way to the server the tunnel is not up,
 * and not down either: it reasserts. */
static void echo_path_changed(struct lw_provider *provider, void *user)
{
	const struct lw_error error = { LW_DOMAIN_PROVIDER, 1, "no way to the server" };
	struct echo *echo = user;
	struct lw_path path = { .size = sizeof(path) };

	if (lw_provider_path(provider, echo->server, &path) < 0)
		return;
	if (!path.is_reachable)
		lw_provider_note_error(provider, &error);
	lw_provider_set_reasserting(provider, !path.is_reachable);
}

static const struct lw_provider_ops echo_ops = {
	.size = sizeof(echo_ops),
	.name = "echo",
	.layer = LW_LAYER_IP,
	.start = echo_start,
	.stop = echo_stop,
	.message = echo_message,
	.path_changed = echo_path_changed,
};

/* ---- the controller */

static void ticked(void *user)
{
	struct lab *lab = user;

	if (lab->is_so(lab) || ++lab->ticks > WAIT_MS)
		lw_loop_stop(lab->loop);
	else
		lw_timer_set_ms(lab->tick, 1);
}

static void wait_until(struct lab *lab, bool (*is_so)(const struct lab *lab))
{
	lab->is_so = is_so;
	lab->ticks = 0;
	lw_timer_set_ms(lab->tick, 0);
	CHECK(lw_loop_run(lab->loop) == 0);
	CHECK(is_so(lab));
}

static bool is_connected(const struct lab *lab)
{
	return lab->status == LW_STATUS_CONNECTED;
}

static bool is_reasserting(const struct lab *lab)
{
	return lab->status == LW_STATUS_REASSERTING;
}

static bool is_disconnected(const struct lab *lab)
{
	return lab->status == LW_STATUS_DISCONNECTED;
}

static bool has_set(const struct lab *lab)
{
	return lab->echo.has_set;
}

static bool is_answered(const struct lab *lab)
{
	return lab->is_answered;
}

static void status_changed(struct lw_connection *connection, enum lw_status status, void *user)
{
	struct lab *lab = user;

	(void)connection;
	lab->status = status;
	printf("%s\n", lw_status_name(status));
}

static void open_connection(struct lab *lab, uint32_t start_timeout_ms, bool is_kill_switch)
{
	const struct lw_device_options device = { .size = sizeof(device),
						  .kind = LW_DEVICE_KERNEL,
						  .layer = LW_LAYER_IP,
						  .name = "echo0" };
	const struct lw_connection_options options = {
		.size = sizeof(options),
		.ops = &echo_ops,
		.user = &lab->echo,
		.device = &device,
		.start_timeout_ms = start_timeout_ms,
		.include_all_networks = is_kill_switch,
	};
	struct lw_error error;

	if (lw_connection_new(lab->loop, &options, &lab->connection, &error) < 0) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
	lw_connection_observe(lab->connection, status_changed, lab);
	wait_until(lab, is_disconnected); /* the observer is told the present status first */
}

static void start(struct lab *lab)
{
	static const char *const keys[] = { "server" }, *const values[] = { SERVER };
	const struct lw_start_options options = { .size = sizeof(options),
						  .origin = LW_START_USER,
						  .keys = keys,
						  .values = values,
						  .n = 1 };
	struct lw_error error;

	if (lw_connection_start(lab->connection, &options, &error) < 0) {
		fprintf(stderr, "%s\n", error.text);
		exit(1);
	}
	wait_until(lab, is_connected);
	CHECK(lw_connection_origin(lab->connection) == LW_START_USER);
}

static void stop(struct lab *lab)
{
	CHECK(lw_connection_stop(lab->connection, LW_STOP_USER_INITIATED) == 1);
	wait_until(lab, is_disconnected);
	CHECK(lw_connection_stop_reason(lab->connection) == LW_STOP_USER_INITIATED);
}

/* Whether this machine has the tunnel's address: only then can a socket be bound to it. */
static bool has_address(void)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	bool has;

	CHECK(fd >= 0 && inet_pton(AF_INET, INSIDE, &address.sin_addr) == 1);
	has = bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
	close(fd);
	return has;
}

/* ---- what is shown */

/* A datagram to a host behind the tunnel comes back, by a socket that cannot leave any other way. */
static void show_echo(struct lab *lab)
{
	const struct lw_socket_options options = { .size = sizeof(options),
						   .way = LW_WAY_THROUGH,
						   .domain = AF_INET,
						   .type = SOCK_DGRAM };
	struct sockaddr_in far = { .sin_family = AF_INET, .sin_port = htons(7) };
	struct lw_flow_counters counters = { .size = sizeof(counters) };
	char text[8] = "";
	int fd;

	CHECK(inet_pton(AF_INET, FAR, &far.sin_addr) == 1);
	CHECK(lw_provider_socket(lab->echo.provider, &options, &fd, NULL) == 0);
	CHECK(connect(fd, (const struct sockaddr *)&far, sizeof(far)) == 0);
	CHECK(send(fd, "hello", 5, 0) == 5);
	for (int i = 0; i < 1000 && recv(fd, text, sizeof(text), 0) < 0; i++) {
		CHECK(errno == EAGAIN && usleep(1000) == 0);
		CHECK(lw_loop_dispatch(lab->loop) >= 0);
	}
	CHECK(memcmp(text, "hello", 5) == 0);
	close(fd);
	lw_packet_flow_counters(lab->echo.flow, &counters);
	CHECK(counters.read_packets >= 1 && counters.written_packets >= 1);
	CHECK(lw_packet_flow_layer(lab->echo.flow) == LW_LAYER_IP);
	CHECK(lw_packet_flow_queues(lab->echo.flow) == 1);
	CHECK(strcmp(lw_packet_flow_name(lab->echo.flow), "echo0") == 0);
}

/* Settings are replaced as a whole or not at all; NULL takes them away. */
static void show_transaction(struct lab *lab)
{
	static const char *const servers[] = { "10.99.0.53" };
	const struct lw_dns_settings dns = {
		.size = sizeof(dns), .protocol = LW_DNS_HTTPS, .servers = servers, .n_servers = 1
	};
	struct lw_network_status network = { .size = sizeof(network) };
	struct echo *echo = &lab->echo;

	lw_connection_network(lab->connection, &network);
	CHECK(strcmp(network.http_proxy, "proxy.example.net:3128") == 0);
	set_settings(echo, OTHER_MTU, &dns); /* no resolver does that for a link */
	wait_until(lab, has_set);
	CHECK(echo->refusal.domain == LW_DOMAIN_TUNNEL);
	CHECK(echo->refusal.code == LW_TUNNEL_ERROR_SETTINGS_INVALID);
	printf("refused: %s\n", echo->refusal.text);
	CHECK(system("ip link show echo0 | grep -q 'mtu 1400'") == 0 && has_address());

	echo->has_set = false;
	lw_provider_set_network_settings(echo->provider, NULL, settings_set, echo);
	wait_until(lab, has_set);
	CHECK(echo->refusal.domain == LW_DOMAIN_NONE && !has_address());

	set_settings(echo, OTHER_MTU, NULL);
	wait_until(lab, has_set);
	CHECK(echo->refusal.domain == LW_DOMAIN_NONE && has_address());
	CHECK(system("ip link show echo0 | grep -q 'mtu 1300'") == 0);
}

/* The way outside goes and comes back; the connection outlives that, and remembers it. */
static void show_path_change(struct lab *lab)
{
	struct lw_connection_incident incident = { .size = sizeof(incident) };
	int64_t since = lw_connection_connected_date(lab->connection);

	CHECK(since > 0);
	CHECK(system("ip link set outer0 down") == 0);
	wait_until(lab, is_reasserting);
	CHECK(system("ip link set outer0 up") == 0);
	wait_until(lab, is_connected);
	CHECK(lw_connection_connected_date(lab->connection) == since);
	CHECK(lw_connection_incident(lab->connection, 0, &incident) && !incident.was_ending);
	CHECK(strcmp(incident.error.text, "no way to the server") == 0);
}

static void answered(const void *data, size_t length, void *user)
{
	struct lab *lab = user;

	CHECK(length == 3 && memcmp(data, "yes", 3) == 0);
	lab->is_answered = true;
}

/* The provider ends it, and the controller learns why. */
static void show_giving_up(struct lab *lab)
{
	struct lw_error error;

	CHECK(lw_connection_send_message(lab->connection, "give up", 7, answered, lab) == 0);
	wait_until(lab, is_answered);
	wait_until(lab, is_disconnected);
	lw_connection_last_error(lab->connection, &error);
	CHECK(error.domain == LW_DOMAIN_PROVIDER && error.code == GAVE_UP);
	CHECK(lw_connection_stop_reason(lab->connection) == LW_STOP_AUTHENTICATION_CANCELED);
	CHECK(!has_address());
	printf("ended: %s\n", error.text);
}

/* A provider that never finishes its start does not hold the controller. */
static void show_watchdog(struct lab *lab)
{
	struct lw_error error;

	open_connection(lab, 50, false);
	CHECK(lw_connection_start(lab->connection, NULL, &error) == 0); /* names no server */
	CHECK(lw_connection_origin(lab->connection) == LW_START_API);
	lab->status = LW_STATUS_CONNECTING;
	wait_until(lab, is_disconnected);
	lw_connection_last_error(lab->connection, &error);
	CHECK(error.domain == LW_DOMAIN_SYSTEM && error.code == ETIMEDOUT);
	printf("watchdog: %s\n", error.text);
	lw_completion_finish(lab->echo.starting, NULL); /* late, and dropped */
	lab->echo.starting = NULL;
	lw_connection_free(lab->connection);
}

/* Closed before the start, and still after the end, until it is opened on purpose. */
static void show_kill_switch(struct lab *lab)
{
	open_connection(lab, 0, true);
	CHECK(!lw_connection_is_locked(lab->connection));
	start(lab);
	CHECK(lw_connection_is_locked(lab->connection));
	CHECK(lw_connection_unlock(lab->connection, NULL) == -EBUSY);
	stop(lab);
	CHECK(lw_connection_is_locked(lab->connection));
	CHECK(lw_connection_unlock(lab->connection, NULL) == 0);
	CHECK(!lw_connection_is_locked(lab->connection));
	lw_connection_free(lab->connection);
}

/* A device can also be had without a connection, and its descriptor be taken by who would rather read
 * and write it himself; the flow then keeps out of it. */
static void show_descriptor(struct lab *lab)
{
	const struct lw_device_options options = { .size = sizeof(options),
						   .kind = LW_DEVICE_KERNEL,
						   .layer = LW_LAYER_ETHERNET,
						   .name = "own0" };
	struct lw_descriptor taken = { .size = sizeof(taken) };
	struct lw_packet_flow *flow;

	CHECK(lw_packet_flow_open(lab->loop, &options, &flow, NULL) == 0);
	CHECK(lw_packet_flow_take(flow, 0, &taken) == 0);
	CHECK(taken.layer == LW_LAYER_ETHERNET && strcmp(taken.name, "own0") == 0);
	CHECK(lw_packet_flow_read(flow, 0, 0, packets_read, NULL) == -ENODEV);
	lw_packet_flow_free(flow);
}

/* A machine of its own with one link outside. */
static bool make_namespace(void)
{
	if (unshare(CLONE_NEWNET) < 0 || access("/dev/net/tun", R_OK | W_OK) < 0) {
		printf("SKIP: a network namespace and /dev/net/tun: %s\n", strerror(errno));
		return false;
	}
	CHECK(system("ip link set lo up && ip link add outer0 type veth peer name outer1 && "
		     "ip link set outer1 up && ip address add 192.0.2.1/24 dev outer0 && "
		     "ip link set outer0 up") == 0);
	return true;
}

int main(void)
{
	struct lab lab = { .status = LW_STATUS_INVALID };

	if (!make_namespace())
		return 0;
	CHECK(lw_loop_new(NULL, &lab.loop) == 0);
	CHECK(lw_timer_new(lab.loop, ticked, &lab, &lab.tick) == 0);
	open_connection(&lab, 0, false);
	start(&lab);
	show_echo(&lab);
	show_transaction(&lab);
	show_path_change(&lab);
	show_giving_up(&lab);
	lw_connection_free(lab.connection);
	show_watchdog(&lab);
	show_kill_switch(&lab);
	show_descriptor(&lab);
	lw_timer_free(lab.tick);
	lw_loop_free(lab.loop);
	printf("the machine is as it was\n");
	return 0;
}
