/* SPDX-License-Identifier: MIT */
/* The hub's door: listening, accepting, and giving sockets to the handshake role. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/address.h"
#include "base/error.h"
#include "tunnel/dialer.h"
#include "tunnel/hub_internal.h"

enum { ACCEPTS_PER_WAKEUP = 16, ACCEPT_PAUSE_MS = 100, BACKLOG = 1024 };

static struct lw_port *find_port(struct lw_hub *hub, const char *name, const struct pin *pin)
{
	list_for_each(node, &hub->ports) {
		struct lw_port *port = list_entry(node, struct lw_port, list);

		if (strcmp(port->name, name))
			continue;
		/* The book may have changed while it shook hands. */
		for (size_t i = 0; i < port->n_pins; i++)
			if (pin_equal(&port->pins[i], pin))
				return port;
	}
	return NULL;
}

static void count_refusal(struct lw_hub *hub, const struct handshake_result *result,
			  const char *address)
{
	if (result->outcome == HANDSHAKE_EXPIRED)
		hub->expired++;
	else
		hub->refused++;
	snprintf(hub->last_refusal, sizeof(hub->last_refusal), "%s: %.150s", address,
		 result->error.text);
	log_limited(&hub->refusals, lw_loop_now_ns(hub->loop),
		    result->outcome == HANDSHAKE_REFUSED ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO,
		    "%s: refused: %s", address, result->error.text);
}

static void handshake_done(struct handshake_result *result, void *user)
{
	struct lw_hub *hub = user;
	struct lw_port *port;
	char address[80];

	sockaddr_format((const struct sockaddr *)&result->peer, address, sizeof(address));
	if (result->outcome != HANDSHAKE_ADMITTED) {
		count_refusal(hub, result, address);
		return;
	}
	hub->accepted++;
	port = find_port(hub, result->session.admission.name, &result->session.peer_pin);
	if (!port || hub->is_stopping)
		return; /* what is left in the result is closed by its owner */
	port_accept(port, take_fd(&result->fd), &result->session, address);
}

int lw_hub_adopt(struct lw_hub *hub, int descriptor)
{
	struct sockaddr_storage peer = { 0 };
	int result;

	if (!hub || descriptor < 0)
		return -EINVAL;
	result = hub_update_book(hub);
	if (result < 0)
		return result;
	(void)getpeername(descriptor, (struct sockaddr *)&peer, &(socklen_t){ sizeof(peer) });
	socket_prepare(descriptor);
	return handshaker_submit(hub->handshaker, descriptor, &peer, handshake_done, hub, NULL);
}

/* Out of descriptors, memory or places: epoll would wake us for ever, so look away for a while. */
static void pause_accepting(struct lw_hub *hub, const char *why)
{
	log_limited(&hub->refusals, lw_loop_now_ns(hub->loop), LOG_LEVEL_WARNING,
		    "cannot accept connections for now: %s", why);
	for (size_t i = 0; i < hub->n_listeners; i++)
		if (hub->listeners[i].source.loop)
			loop_modify(&hub->listeners[i].source, 0);
	loop_timer_set_in_ms(hub->loop, &hub->accept_pause, ACCEPT_PAUSE_MS);
}

static void pause_over(struct loop_timer *timer)
{
	struct lw_hub *hub = container_of(timer, struct lw_hub, accept_pause);

	for (size_t i = 0; i < hub->n_listeners; i++)
		if (hub->listeners[i].source.loop)
			loop_modify(&hub->listeners[i].source, EPOLLIN);
}

static void connections_arrived(struct loop_source *source, uint32_t events)
{
	struct lw_hub *hub = container_of(source, struct hub_listener, source)->hub;

	(void)events;
	for (int i = 0; i < ACCEPTS_PER_WAKEUP; i++) {
		int fd;

		if (handshaker_pending(hub->handshaker) >= HANDSHAKE_OUTSTANDING_MAX) {
			pause_accepting(hub, "too many wait for their handshake");
			return;
		}
		fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (fd < 0 && errno != EMFILE && errno != ENFILE && errno != ENOMEM &&
		    errno != ENOBUFS)
			continue; /* that connection was gone already */
		if (fd < 0) {
			pause_accepting(hub, strerror(errno));
			return;
		}
		if (lw_hub_adopt(hub, fd) < 0)
			close(fd);
	}
}

static int bind_socket(const struct addrinfo *info, uint16_t port)
{
	_cleanup_close_ int fd =
		socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct sockaddr_storage address = { 0 };

	if (fd < 0)
		return -errno;
	memcpy(&address, info->ai_addr, info->ai_addrlen);
	if (info->ai_family == AF_INET6)
		((struct sockaddr_in6 *)&address)->sin6_port = htons(port);
	else
		((struct sockaddr_in *)&address)->sin_port = htons(port);
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){ 1 }, sizeof(int));
	/* "[::]" means everybody, whatever the machine's default is. */
	if (info->ai_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 0 }, sizeof(int));
	socket_mark(fd);
	if (bind(fd, (struct sockaddr *)&address, info->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
		return -errno;
	return take_fd(&fd);
}

static uint16_t bound_port(int fd)
{
	struct sockaddr_storage address = { 0 };

	(void)getsockname(fd, (struct sockaddr *)&address, &(socklen_t){ sizeof(address) });
	/* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): all of address is set */
	return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
						   : ((struct sockaddr_in *)&address)->sin_port);
}

static int open_listener(const char *address, int *ret_fd, struct lw_error *ret_error)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
					.ai_flags = AI_NUMERICHOST | AI_PASSIVE };
	char host[ENDPOINT_HOST_SIZE];
	struct addrinfo *info;
	uint16_t port;
	int fd;

	if (endpoint_parse(address, true, host, &port) < 0 ||
	    getaddrinfo(host, NULL, &hints, &info) != 0)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "listen: '%s' is not an address: 1.2.3.4:port or [v6]:port",
				 address);
	fd = bind_socket(info, port);
	/* A machine without IPv6 still has everybody on IPv4. */
	if (fd == -EAFNOSUPPORT && !strcmp(host, "::")) {
		char four[24];

		freeaddrinfo(info);
		snprintf(four, sizeof(four), "0.0.0.0:%u", port);
		return open_listener(four, ret_fd, ret_error);
	}
	freeaddrinfo(info);
	if (fd < 0)
		return error_errno(ret_error, -fd, "cannot listen on %s", address);
	*ret_fd = fd;
	return 0;
}

int lw_hub_listen(struct lw_hub *hub, const char *address, uint16_t *ret_port,
		  struct lw_error *ret_error)
{
	struct hub_listener *listener = &hub->listeners[hub->n_listeners];
	int fd = -1, result;

	if (hub->n_listeners == LW_HUB_LISTEN_MAX)
		return error_set(ret_error, -ENOSPC, LW_DOMAIN_CONFIGURATION, ENOSPC,
				 "listen: at most %d addresses", LW_HUB_LISTEN_MAX);
	result = open_listener(address, &fd, ret_error);
	if (result < 0)
		return result;
	*listener = (struct hub_listener){ .source = { .fd = fd, .function = connections_arrived },
					   .hub = hub };
	result = loop_add(hub->loop, &listener->source, EPOLLIN);
	if (result < 0) {
		close(fd);
		return error_errno(ret_error, -result, "cannot listen on %s", address);
	}
	hub->n_listeners++;
	if (ret_port)
		*ret_port = bound_port(fd);
	return 0;
}

int hub_listen_init(struct lw_hub *hub)
{
	return loop_timer_init(hub->loop, &hub->accept_pause, pause_over);
}

void hub_listen_close(struct lw_hub *hub)
{
	loop_timer_cancel(&hub->accept_pause);
	for (size_t i = 0; i < hub->n_listeners; i++) {
		loop_remove(&hub->listeners[i].source);
		close_fd(&hub->listeners[i].source.fd);
	}
	hub->n_listeners = 0;
}

void hub_listen_done(struct lw_hub *hub)
{
	hub_listen_close(hub);
	loop_timer_done(hub->loop, &hub->accept_pause);
}
