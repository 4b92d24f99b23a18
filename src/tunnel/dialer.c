/* SPDX-License-Identifier: MIT */
/* Resolving and connecting, without waiting on the loop's thread. */
#include "tunnel/dialer.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include <longwire/provider.h>

#include "base/address.h"
#include "base/error.h"
#include "base/memory.h"
#include "loop/loop.h"
#include "loop/worker.h"
#include "tunnel/failure.h"

enum { USER_TIMEOUT_MS = 10000, NOTSENT_LOWAT = 128 * 1024 };

struct hub_name {
	char host[ENDPOINT_HOST_SIZE];
	uint16_t port;
};

/* What goes to the resolving thread and comes back: nothing is shared meanwhile. */
struct lookup {
	struct dialer *dialer;
	struct hub_name hubs[DIAL_HUBS_MAX];
	size_t n_hubs;
	struct sockaddr_storage addresses[DIAL_ADDRESSES_MAX];
	size_t n;
	char failure[200]; /* of the last name that gave nothing */
};

struct dialer_try {
	struct dialer *dialer;
	struct loop_source source; /* fd -1: not begun or failed */
};

struct dialer {
	struct lw_loop *loop;
	struct hub_name hubs[DIAL_HUBS_MAX];
	size_t n_hubs;
	dialer_done_fn *done;
	void (*known_came)(void *user); /* NULL: nobody wants to know */
	void *user;
	struct job *job;
	struct sockaddr_storage addresses[DIAL_ADDRESSES_MAX];
	struct dialer_try tries[DIAL_ADDRESSES_MAX];
	size_t n, n_begun, n_failed;
	struct sockaddr_storage known[DIAL_ADDRESSES_MAX]; /* of the last look-up that gave any */
	size_t n_known;
	bool keeps;       /* uses them */
	uint32_t attempt; /* where the order begins */
	struct loop_timer stagger, deadline;
	struct lw_error last_error;
	struct loop_deferred failing; /* done never runs within dialer_start */
};

void socket_mark(int fd)
{
	/* Without CAP_NET_ADMIN there are no routes of ours either. */
	const uint32_t mark = LW_OUTER_MARK;

	(void)setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

void socket_prepare(int fd)
{
	socket_mark(fd);
	/* Each fails on what is not TCP (a test's socketpair), which loses nothing. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &(int){ USER_TIMEOUT_MS }, sizeof(int));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &(int){ NOTSENT_LOWAT }, sizeof(int));
}

static void lookup_add(struct lookup *lookup, const struct addrinfo *info, uint16_t port)
{
	struct sockaddr_storage *to = &lookup->addresses[lookup->n];

	if (lookup->n == DIAL_ADDRESSES_MAX || info->ai_addrlen > sizeof(*to))
		return;
	memset(to, 0, sizeof(*to));
	memcpy(to, info->ai_addr, info->ai_addrlen);
	if (info->ai_family == AF_INET)
		((struct sockaddr_in *)to)->sin_port = htons(port);
	else if (info->ai_family == AF_INET6)
		((struct sockaddr_in6 *)to)->sin6_port = htons(port);
	else
		return;
	lookup->n++;
}

static const struct addrinfo *next_of_family(const struct addrinfo *info, int family)
{
	while (info && info->ai_family != family)
		info = info->ai_next;
	return info;
}

static void lookup_add_interleaved(struct lookup *lookup, const struct addrinfo *list,
				   uint16_t port)
{
	const struct addrinfo *six = next_of_family(list, AF_INET6);
	const struct addrinfo *four = next_of_family(list, AF_INET);

	while (six || four) {
		if (six) {
			lookup_add(lookup, six, port);
			six = next_of_family(six->ai_next, AF_INET6);
		}
		if (four) {
			lookup_add(lookup, four, port);
			four = next_of_family(four->ai_next, AF_INET);
		}
	}
}

static int lookup_name(struct lookup *lookup, const struct hub_name *hub, int flags)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };
	struct addrinfo *list = NULL;
	int result = getaddrinfo(hub->host, NULL, &hints, &list);

	if (result == 0)
		lookup_add_interleaved(lookup, list, hub->port);
	else
		snprintf(lookup->failure, sizeof(lookup->failure), "%.120s: %s", hub->host,
			 gai_strerror(result));
	if (list)
		freeaddrinfo(list);
	return result;
}

static void lookup_work(void *data)
{
	struct lookup *lookup = data;

	for (size_t i = 0; i < lookup->n_hubs; i++)
		(void)lookup_name(lookup, &lookup->hubs[i], 0);
}

static void forget_try(struct dialer_try *try)
{
	loop_remove(&try->source);
	close_fd(&try->source.fd);
}

void dialer_stop(struct dialer *dialer)
{
	job_abandon(dialer->job);
	dialer->job = NULL;
	loop_undefer(dialer->loop, &dialer->failing);
	loop_timer_cancel(&dialer->stagger);
	loop_timer_cancel(&dialer->deadline);
	for (size_t i = 0; i < dialer->n_begun; i++)
		forget_try(&dialer->tries[i]);
	dialer->n = dialer->n_begun = dialer->n_failed = 0;
}

bool dialer_is_connecting(const struct dialer *dialer)
{
	return dialer && dialer->n_begun;
}

static void fail(struct loop_deferred *deferred)
{
	struct dialer *dialer = container_of(deferred, struct dialer, failing);

	dialer_stop(dialer);
	dialer->done(-1, NULL, &dialer->last_error, dialer->user);
}

static void succeed(struct dialer_try *try, size_t index)
{
	struct dialer *dialer = try->dialer;
	struct sockaddr_storage peer = dialer->addresses[index];
	int fd;

	loop_remove(&try->source);
	fd = take_fd(&try->source.fd);
	dialer_stop(dialer);
	socket_prepare(fd);
	dialer->done(fd, &peer, NULL, dialer->user);
}

static void try_next(struct dialer *dialer);

static void try_failed(struct dialer *dialer, struct dialer_try *try, size_t index, int error)
{
	char text[80];

	forget_try(try);
	sockaddr_format((const struct sockaddr *)&dialer->addresses[index], text, sizeof(text));
	error_set(&dialer->last_error, 0, LW_DOMAIN_CONNECTION, failure_of_errno(error), "%s: %s",
		  text, strerror(error));
	dialer->n_failed++;
	if (dialer->n_failed == dialer->n)
		loop_defer(dialer->loop, &dialer->failing);
	else if (dialer->n_begun < dialer->n)
		try_next(dialer);
}

static void try_event(struct loop_source *source, uint32_t events)
{
	struct dialer_try *try = container_of(source, struct dialer_try, source);
	size_t index = (size_t)(try - try->dialer->tries);
	int error = 0;

	(void)events;
	(void)getsockopt(source->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){ sizeof(error) });
	if (error)
		try_failed(try->dialer, try, index, error);
	else
		succeed(try, index);
}

static int begin(struct dialer *dialer, struct dialer_try *try, size_t index)
{
	const struct sockaddr_storage *to = &dialer->addresses[index];
	socklen_t length =
		to->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	int fd = socket(to->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	try->source.fd = fd;
	if (fd >= 0)
		socket_mark(fd);
	if (fd < 0 ||
	    (connect(fd, (const struct sockaddr *)to, length) < 0 && errno != EINPROGRESS))
		return -errno;
	/* Also for one that connected at once: writability says so, and done runs from the loop. */
	return loop_add(dialer->loop, &try->source, EPOLLOUT);
}

static void try_next(struct dialer *dialer)
{
	size_t index = dialer->n_begun++;
	struct dialer_try *try = &dialer->tries[index];
	int result;

	*try = (struct dialer_try){ .dialer = dialer,
				    .source = { .fd = -1, .function = try_event } };
	if (dialer->n_begun < dialer->n)
		loop_timer_set_in_ms(dialer->loop, &dialer->stagger, DIAL_STAGGER_MS);
	else
		loop_timer_cancel(&dialer->stagger);
	result = begin(dialer, try, index);
	if (result < 0)
		try_failed(dialer, try, index, -result);
}

static void stagger_due(struct loop_timer *timer)
{
	try_next(container_of(timer, struct dialer, stagger));
}

static void deadline_due(struct loop_timer *timer)
{
	struct dialer *dialer = container_of(timer, struct dialer, deadline);

	if (!dialer->n_failed)
		error_set(&dialer->last_error, 0, LW_DOMAIN_CONNECTION,
			  dialer->job ? LW_CONNECTION_ERROR_SERVER_ADDRESS_RESOLUTION_FAILED
				      : LW_CONNECTION_ERROR_SERVER_NOT_RESPONDING,
			  dialer->job ? "%s: no answer from the name service within 10 s"
				      : "%s: no answer within 10 s",
			  dialer->hubs[0].host);
	loop_defer(dialer->loop, &dialer->failing);
}

static void use_addresses(struct dialer *dialer, const struct lookup *lookup)
{
	if (!lookup->n) {
		error_set(&dialer->last_error, 0, LW_DOMAIN_CONNECTION,
			  LW_CONNECTION_ERROR_SERVER_ADDRESS_RESOLUTION_FAILED, "%s",
			  lookup->failure);
		loop_defer(dialer->loop, &dialer->failing);
		return;
	}
	for (size_t i = 0; i < lookup->n; i++)
		dialer->addresses[i] = lookup->addresses[(i + dialer->attempt) % lookup->n];
	dialer->n = lookup->n;
	try_next(dialer);
}

void dialer_set_known(struct dialer *dialer, const struct sockaddr_storage *addresses, size_t n)
{
	dialer->n_known = MIN(n, (size_t)DIAL_ADDRESSES_MAX);
	memcpy(dialer->known, addresses, dialer->n_known * sizeof(*addresses));
}

size_t dialer_known(const struct dialer *dialer, const struct sockaddr_storage **ret_addresses)
{
	*ret_addresses = dialer->known;
	return dialer->n_known;
}

void dialer_observe_known(struct dialer *dialer, void (*known)(void *user))
{
	dialer->known_came = known;
}

static void lookup_done(void *data)
{
	struct lookup *lookup = data;
	struct dialer *dialer = lookup->dialer;

	dialer->job = NULL;
	if (lookup->n) {
		dialer_set_known(dialer, lookup->addresses, lookup->n);
		if (dialer->known_came)
			dialer->known_came(dialer->user);
	}
	use_addresses(lookup->dialer, lookup);
	free(lookup);
}

/* Return: whether every name is an address already, so that nobody needs to be asked. */
static bool lookup_numeric(struct lookup *lookup)
{
	for (size_t i = 0; i < lookup->n_hubs; i++)
		if (lookup_name(lookup, &lookup->hubs[i], AI_NUMERICHOST) != 0) {
			lookup->n = 0;
			return false;
		}
	return true;
}

/* Return: whether what is needed is known already, so that nobody needs to be asked. */
static bool lookup_known(struct lookup *lookup)
{
	const struct dialer *dialer = lookup->dialer;

	if (lookup_numeric(lookup))
		return true;
	if (!dialer->keeps || !dialer->n_known)
		return false;
	memcpy(lookup->addresses, dialer->known, sizeof(lookup->addresses));
	lookup->n = dialer->n_known;
	return true;
}

void dialer_keep_addresses(struct dialer *dialer, bool keep)
{
	dialer->keeps = keep;
}

void dialer_start(struct dialer *dialer)
{
	struct lookup *lookup;

	dialer_stop(dialer);
	dialer->attempt++;
	loop_timer_set_in_ms(dialer->loop, &dialer->deadline, DIAL_DEADLINE_MS);
	lookup = calloc(1, sizeof(*lookup));
	if (lookup) {
		lookup->dialer = dialer;
		memcpy(lookup->hubs, dialer->hubs, sizeof(lookup->hubs));
		lookup->n_hubs = dialer->n_hubs;
		if (lookup_known(lookup)) {
			use_addresses(dialer, lookup);
			free(lookup);
			return;
		}
		if (job_start(dialer->loop, lookup_work, lookup_done, free, lookup, &dialer->job) >=
		    0)
			return;
		free(lookup);
	}
	error_set(&dialer->last_error, 0, LW_DOMAIN_CONNECTION,
		  LW_CONNECTION_ERROR_SERVER_ADDRESS_RESOLUTION_FAILED,
		  "%s: cannot be looked up now", dialer->hubs[0].host);
	loop_defer(dialer->loop, &dialer->failing);
}

int dialer_new(struct lw_loop *loop, const char *const *hubs, size_t n, dialer_done_fn *done,
	       void *user, struct dialer **ret_dialer, struct lw_error *ret_error)
{
	struct dialer *dialer;

	if (!n || n > DIAL_HUBS_MAX)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "hub: 1 to %d addresses are allowed, not %zu", DIAL_HUBS_MAX, n);
	dialer = calloc(1, sizeof(*dialer));
	if (!dialer)
		return error_errno(ret_error, ENOMEM, "hub");
	dialer->loop = loop;
	dialer->done = done;
	dialer->user = user;
	dialer->n_hubs = n;
	dialer->failing.function = fail;
	for (size_t i = 0; i < n; i++)
		if (endpoint_parse(hubs[i], false, dialer->hubs[i].host, &dialer->hubs[i].port) <
		    0) {
			error_set(ret_error, 0, LW_DOMAIN_CONFIGURATION, EINVAL,
				  "hub: '%s' is not an address: host:port or [v6]:port", hubs[i]);
			dialer_free(dialer);
			return -EINVAL;
		}
	if (loop_timer_init(loop, &dialer->stagger, stagger_due) < 0 ||
	    loop_timer_init(loop, &dialer->deadline, deadline_due) < 0) {
		dialer_free(dialer);
		return error_errno(ret_error, ENOMEM, "hub");
	}
	*ret_dialer = dialer;
	return 0;
}

void dialer_free(struct dialer *dialer)
{
	if (!dialer)
		return;
	dialer_stop(dialer);
	loop_timer_done(dialer->loop, &dialer->stagger);
	loop_timer_done(dialer->loop, &dialer->deadline);
	free(dialer);
}
