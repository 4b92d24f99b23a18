/* SPDX-License-Identifier: MIT */
/*
 * Many clients of one hub in one process, without devices: what a hub costs for each, and how fast
 * it fans frames out.
 *
 *   crowd HOST PORT PIN IDENTITY…
 *
 * Each identity file becomes one session. "up N" is printed when all are; then each line of standard
 * input is a command:
 *
 *   flood SECONDS SIZE   the first client sends multicast frames of SIZE bytes as fast as the hub
 *                        takes them; printed is how many were sent, how many the others got in all,
 *                        and the fewest and most that one of them got
 *
 * The end of the input ends it.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include <longwire/error.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "flow/scheduler.h"
#include "tls/credentials.h"
#include "tunnel/session.h"

enum { BURST = 64, READY_MS = 30000 };

struct member {
	struct session *session;
	uint64_t frames;
};

static struct crowd {
	struct lw_loop *loop;
	struct addrinfo *hub;
	struct admission_book *book;
	struct member *members;
	size_t n, n_up;
	struct loop_source input;
	/* The flood under way. */
	struct loop_deferred sending;
	struct loop_timer flood_end;
	uint8_t frame[1514];
	size_t frame_length;
	uint64_t sent;
} crowd;

_Noreturn static void fail(const char *what, const char *why)
{
	fprintf(stderr, "crowd: %s: %s\n", what, why);
	exit(1);
}

static void check(int result, const char *what)
{
	if (result < 0)
		fail(what, strerror(-result));
}

/* ---- sessions */

static void session_up(struct session *session)
{
	(void)session;
	crowd.n_up++;
}

static void session_packets(struct session *session, const struct lw_packet *packets, size_t n)
{
	struct member *member = session->user;

	(void)packets;
	member->frames += n;
}

static void session_settings(struct session *session, const uint8_t *data, size_t length)
{
	(void)session;
	(void)data;
	(void)length;
}

static void session_dropped(struct session *session, const struct lw_packet *packet,
			    enum lw_drop reason)
{
	(void)session;
	(void)packet;
	(void)reason;
}

static void session_ended(struct session *session, const struct session_end *end)
{
	(void)session;
	fail("a session ended", end->text);
}

static const struct session_ops session_ops = {
	.up = session_up,
	.packets = session_packets,
	.settings = session_settings,
	.dropped = session_dropped,
	.ended = session_ended,
};

static void send_all(int fd, struct tls_handshake *tls)
{
	const uint8_t *data;
	size_t length;
	ssize_t n;

	for (tls_handshake_output(tls, &data, &length); length;
	     tls_handshake_output(tls, &data, &length)) {
		n = send(fd, data, length, MSG_NOSIGNAL);
		if (n < 0)
			fail("send", strerror(errno));
		tls_handshake_sent(tls, (size_t)n);
	}
}

/* A whole handshake, waiting for each answer. */
static void shake_hands(int fd, struct tls_handshake *tls, struct tls_session *ret_session)
{
	uint8_t buffer[16384];
	enum tls_progress progress = tls_handshake_step(tls, NULL, 0);
	struct lw_error error = { 0 };
	ssize_t n;

	for (;;) {
		send_all(fd, tls);
		if (progress != TLS_WANT_INPUT)
			break;
		n = recv(fd, buffer, sizeof(buffer), 0);
		if (n <= 0)
			fail("handshake", n ? strerror(errno) : "closed by the hub");
		progress = tls_handshake_step(tls, buffer, (size_t)n);
	}
	if (progress != TLS_ADMITTED || tls_handshake_take(tls, ret_session, &error) < 0) {
		if (progress != TLS_ADMITTED)
			tls_handshake_error(tls, &error);
		fail("handshake", error.text);
	}
}

static int connect_to_hub(void)
{
	int one = 1, fd = socket(crowd.hub->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect(fd, crowd.hub->ai_addr, crowd.hub->ai_addrlen) < 0 ||
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		fail("connect", strerror(errno));
	return fd;
}

static void join(struct member *member, const char *identity)
{
	const struct session_options options = {
		.side = ADMISSION_CLIENT,
		.layer = LW_LAYER_ETHERNET,
		.mtu = 1500,
		.ops = &session_ops,
		.user = member,
	};
	struct tls_session session = { 0 };
	struct credentials *credentials;
	struct tls_handshake *tls;
	struct tls_config *config;
	struct lw_error error;
	int fd = connect_to_hub();

	if (credentials_load(identity, &credentials, &error) < 0 ||
	    tls_config_new(ADMISSION_CLIENT, credentials, &config, &error) < 0)
		fail(identity, error.text);
	check(tls_handshake_new(config, crowd.book, time(NULL), &tls), identity);
	shake_hands(fd, tls, &session);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		fail("fcntl", strerror(errno));
	check(session_new(crowd.loop, fd, &session, &options, &member->session), identity);
	tls_session_done(&session);
	tls_handshake_free(tls);
	tls_config_free(config);
	credentials_free(credentials);
}

static void join_all(char **identities, size_t n)
{
	uint64_t end;

	crowd.members = calloc(n, sizeof(*crowd.members));
	if (!crowd.members)
		fail("members", strerror(ENOMEM));
	for (crowd.n = 0; crowd.n < n; crowd.n++) {
		join(&crowd.members[crowd.n], identities[crowd.n]);
		check(lw_loop_dispatch(crowd.loop), "dispatch");
	}
	for (end = loop_now_ms(crowd.loop) + READY_MS; crowd.n_up < n;) {
		check(lw_loop_dispatch(crowd.loop), "dispatch");
		if (loop_now_ms(crowd.loop) > end)
			fail("the sessions", "not all came up");
	}
	printf("up %zu\n", n);
	fflush(stdout);
}

/* ---- commands */

static void send_burst(struct loop_deferred *deferred)
{
	const struct lw_packet packet = {
		.data = crowd.frame,
		.length = crowd.frame_length,
		.layer = LW_LAYER_ETHERNET,
		.ether_type = 0x88b5,
		.direction = LW_DIRECTION_OUTBOUND,
	};
	struct session *session = crowd.members[0].session;

	for (int i = 0;
	     i < BURST && !session->stream.is_blocked && scheduler_is_empty(session->scheduler);
	     i++)
		crowd.sent += session_output(session, &packet) == LW_DROP_NONE;
	session_flush(session);
	loop_defer(crowd.loop, deferred);
}

static void flood_over(struct loop_timer *timer)
{
	uint64_t all = 0, least = UINT64_MAX, most = 0;

	(void)timer;
	loop_undefer(crowd.loop, &crowd.sending);
	for (size_t i = 1; i < crowd.n; i++) {
		uint64_t frames = crowd.members[i].frames;

		all += frames;
		least = MIN(least, frames);
		most = MAX(most, frames);
	}
	printf("flood %llu %llu %llu %llu\n", (unsigned long long)crowd.sent,
	       (unsigned long long)all, (unsigned long long)least, (unsigned long long)most);
	fflush(stdout);
}

static void flood(unsigned seconds, size_t size)
{
	static const uint8_t head[14] = {
		0x01, 0x00, 0x5e, 0x7f, 0, 1, 2, 0, 0, 0, 0, 1, 0x88, 0xb5
	};

	memcpy(crowd.frame, head, sizeof(head));
	crowd.frame_length = MAX(MIN(size, sizeof(crowd.frame)), sizeof(head));
	crowd.sent = 0;
	for (size_t i = 0; i < crowd.n; i++)
		crowd.members[i].frames = 0;
	loop_timer_set_in_ms(crowd.loop, &crowd.flood_end, seconds * 1000);
	loop_defer(crowd.loop, &crowd.sending);
}

static void command(struct loop_source *source, uint32_t events)
{
	char line[128];
	ssize_t n = read(source->fd, line, sizeof(line) - 1);
	unsigned seconds;
	size_t size;

	(void)events;
	if (n <= 0) {
		lw_loop_stop(crowd.loop);
		return;
	}
	line[n] = '\0';
	if (sscanf(line, "flood %u %zu", &seconds, &size) != 2)
		fail("not a command", line);
	flood(seconds, size);
}

static void find_hub(const char *host, const char *port, const char *pin)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct admission_entry entry = { .name = "hub" };
	int result = getaddrinfo(host, port, &hints, &crowd.hub);

	if (result)
		fail(host, gai_strerror(result));
	check(pin_parse(pin, &entry.pin), pin);
	check(admission_book_new(&entry, 1, &crowd.book), "book");
}

int main(int argc, char **argv)
{
	struct rlimit files;

	if (argc < 6)
		fail("usage", "crowd HOST PORT PIN IDENTITY IDENTITY...");
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	find_hub(argv[1], argv[2], argv[3]);
	check(lw_loop_new(NULL, &crowd.loop), "loop");
	check(loop_timer_init(crowd.loop, &crowd.flood_end, flood_over), "timer");
	crowd.sending.function = send_burst;
	join_all(argv + 4, (size_t)argc - 4);
	crowd.input = (struct loop_source){ .fd = STDIN_FILENO, .function = command };
	check(loop_add(crowd.loop, &crowd.input, EPOLLIN), "standard input");
	check(lw_loop_run(crowd.loop), "loop");
	return 0;
}
