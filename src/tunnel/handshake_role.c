/* SPDX-License-Identifier: MIT */
/* The handshake role's own side: sockets that wait, sockets that shake hands, sockets that
 * linger. */
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include "base/address.h"
#include "base/error.h"
#include "tunnel/roles.h"

/*
 *   SILENT      nothing that decides has come   → READY on a plausible beginning, else gone
 *   READY       a ClientHello waits for a place → ACTIVE when there is one
 *   ACTIVE      has a TLS context               → gone (result given), LINGERING after a refusal or
 *                                                 failure
 *   LINGERING   the result is given; our last bytes are on their way
 */
enum pending_state { PENDING_SILENT = 1, PENDING_READY, PENDING_ACTIVE, PENDING_LINGERING };

enum { HELLO_PREFIX_SIZE = 6, READ_SIZE = 8192 };

struct pending {
	struct list list; /* of its state */
	enum pending_state state;
	struct handshake_role *role;
	struct handshake_request *request; /* NULL once the result is given */
	int fd;
	struct ip_address key; /* the address that limits count */
	struct loop_source source;
	struct loop_timer deadline;
	struct tls_handshake *tls; /* while active */
	uint8_t prefix[HELLO_PREFIX_SIZE];
	size_t prefix_length;
	uint64_t since_ns;         /* of its accept */
	uint64_t progress_ns;      /* of its last whole flight */
	enum tls_progress outcome; /* TLS_WANT_INPUT while it goes on */
	bool is_peer_done;         /* it sent its FIN */
};

struct handshake_role {
	struct lw_loop *loop;
	struct mailbox requests;
	struct mailbox *results;
	enum admission_side side;
	struct tls_config *config;
	struct admission_book *book;
	struct list silent, ready, active, lingering;
	uint32_t n_waiting, n_active, n_lingering;
	struct loop_timer contention; /* looks for stalled places while somebody is ready */
	bool is_open;
};

static void admit_ready(struct handshake_role *role);

static void give_result(struct pending *pending, enum handshake_outcome outcome)
{
	struct handshake_request *request = pending->request;

	if (!request)
		return;
	pending->request = NULL;
	request->result.outcome = outcome;
	request->result.peer = request->peer;
	mailbox_put(pending->role->results, &request->message.letter);
}

static void leave_state(struct pending *pending)
{
	struct handshake_role *role = pending->role;

	list_remove(&pending->list);
	if (pending->state == PENDING_ACTIVE)
		role->n_active--;
	else if (pending->state == PENDING_LINGERING)
		role->n_lingering--;
	else
		role->n_waiting--;
}

static void pending_free(struct pending *pending)
{
	leave_state(pending);
	loop_remove(&pending->source);
	loop_timer_done(pending->role->loop, &pending->deadline);
	tls_handshake_free(pending->tls);
	close_fd(&pending->fd);
	free(pending);
}

/* End one whose peer gets nothing more. */
static void pending_fail(struct pending *pending, enum handshake_outcome outcome,
			 enum lw_connection_error code, const char *text)
{
	if (pending->request)
		error_set(&pending->request->result.error, 0, LW_DOMAIN_CONNECTION, (int)code, "%s",
			  text);
	give_result(pending, outcome);
	pending_free(pending);
}

/* Whoever fails on purpose, and often, makes the others wait less: a descriptor is all that one
 * costs. */
static void linger(struct pending *pending)
{
	struct handshake_role *role = pending->role;

	if (role->n_lingering == HANDSHAKE_LINGERING_MAX)
		pending_free(list_entry(role->lingering.next, struct pending, list));
	leave_state(pending);
	pending->state = PENDING_LINGERING;
	list_append(&role->lingering, &pending->list);
	role->n_lingering++;
	tls_handshake_free(take_pointer(pending->tls));
	shutdown(pending->fd, SHUT_WR);
	loop_modify(&pending->source, EPOLLIN);
	loop_timer_set_in_ms(pending->role->loop, &pending->deadline, HANDSHAKE_LINGER_MS);
}

/* Return: whether everything is sent; -1 when the connection is gone. */
static int send_output(struct pending *pending)
{
	const uint8_t *data;
	size_t length;
	ssize_t n;

	for (;;) {
		tls_handshake_output(pending->tls, &data, &length);
		if (!length)
			return 1;
		n = send(pending->fd, data, length, MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -1;
		tls_handshake_sent(pending->tls, (size_t)n);
	}
}

static void finish_admitted(struct pending *pending)
{
	struct handshake_result *result = &pending->request->result;

	if (tls_handshake_take(pending->tls, &result->session, &result->error) < 0) {
		give_result(pending, HANDSHAKE_FAILED);
		pending_free(pending);
		return;
	}
	loop_remove(&pending->source);
	result->fd = take_fd(&pending->fd);
	pending->request->fd = -1;
	give_result(pending, HANDSHAKE_ADMITTED);
	pending_free(pending);
}

/* The handshake is over and its last bytes are sent. */
static void finish(struct pending *pending)
{
	const struct admission *admission;

	if (pending->outcome == TLS_ADMITTED) {
		finish_admitted(pending);
		return;
	}
	tls_handshake_error(pending->tls, &pending->request->result.error);
	admission = tls_handshake_admission(pending->tls);
	give_result(pending,
		    pending->outcome == TLS_REFUSED || (admission && admission->connection_error)
			    ? HANDSHAKE_REFUSED
			    : HANDSHAKE_FAILED);
	linger(pending);
}

static void push_output(struct pending *pending)
{
	int sent = send_output(pending);

	if (sent < 0) {
		if (pending->outcome == TLS_WANT_INPUT || pending->outcome == TLS_ADMITTED)
			pending_fail(pending, HANDSHAKE_FAILED,
				     LW_CONNECTION_ERROR_SERVER_DISCONNECTED,
				     "the connection was closed during the TLS handshake");
		else
			finish(pending);
	} else if (!sent) {
		loop_modify(&pending->source,
			    EPOLLOUT | (pending->outcome == TLS_WANT_INPUT ? EPOLLIN : 0));
	} else if (pending->outcome == TLS_WANT_INPUT) {
		loop_modify(&pending->source, EPOLLIN);
	} else {
		finish(pending);
	}
}

static void step(struct pending *pending, const uint8_t *data, size_t length)
{
	const uint8_t *output;
	size_t n;

	pending->outcome = tls_handshake_step(pending->tls, data, length);
	tls_handshake_output(pending->tls, &output, &n);
	/* A byte a second is no progress; a flight that we answer is. */
	if (n)
		pending->progress_ns = lw_loop_now_ns(pending->role->loop);
	push_output(pending);
}

static void read_active(struct pending *pending)
{
	struct handshake_role *role = pending->role;
	uint8_t data[READ_SIZE];
	ssize_t n = recv(pending->fd, data, sizeof(data), 0);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		pending_fail(pending, HANDSHAKE_FAILED, LW_CONNECTION_ERROR_SERVER_DISCONNECTED,
			     "the peer closed the connection during the TLS handshake");
	} else {
		step(pending, data, (size_t)n);
	}
	admit_ready(role);
}

static uint32_t active_of(const struct handshake_role *role, const struct ip_address *key)
{
	uint32_t n = 0;

	if (!key->family)
		return 0;
	list_for_each(node, &role->active)
		n += ip_address_equal(&list_entry(node, struct pending, list)->key, key);
	return n;
}

static void activate(struct pending *pending)
{
	struct handshake_role *role = pending->role;

	leave_state(pending);
	pending->state = PENDING_ACTIVE;
	list_append(&role->active, &pending->list);
	role->n_active++;
	pending->progress_ns = lw_loop_now_ns(role->loop);
	if (tls_handshake_new(role->config, role->book, time(NULL), &pending->tls) < 0) {
		pending_fail(pending, HANDSHAKE_FAILED, LW_CONNECTION_ERROR_NEGOTIATION_FAILED,
			     "out of memory");
		return;
	}
	step(pending, pending->prefix, pending->prefix_length);
}

/* Who has made no progress for the longest, if that is long enough. key: of that address; NULL: of
 * all. */
static struct pending *most_stalled(const struct handshake_role *role, const struct ip_address *key)
{
	uint64_t now = lw_loop_now_ns(role->loop);
	struct pending *found = NULL;

	list_for_each(node, &role->active) {
		struct pending *pending = list_entry(node, struct pending, list);

		/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): who is freed has left the list */
		if (now - pending->progress_ns < HANDSHAKE_STALL_MS * UINT64_C(1000000) ||
		    (key && !ip_address_equal(&pending->key, key)))
			continue;
		if (!found || pending->progress_ns < found->progress_ns)
			found = pending;
	}
	return found;
}

/* A place for one more of that address: a free one, or that of one who has stalled. */
static bool make_place(struct handshake_role *role, const struct ip_address *key)
{
	bool is_address_full = active_of(role, key) >= HANDSHAKE_PER_ADDRESS_MAX;
	struct pending *stalled;

	if (!is_address_full && role->n_active < HANDSHAKE_ACTIVE_MAX)
		return true;
	stalled = most_stalled(role, is_address_full ? key : NULL);
	if (!stalled)
		return false;
	pending_fail(stalled, HANDSHAKE_EXPIRED, LW_CONNECTION_ERROR_SERVER_NOT_RESPONDING,
		     "stalled in the TLS handshake while others waited");
	return true;
}

/* The newest first: where there are more than can be served, the oldest have waited in vain. */
static struct pending *next_ready(struct handshake_role *role)
{
	if (role->n_active == HANDSHAKE_ACTIVE_MAX && !most_stalled(role, NULL))
		return NULL;
	for (struct list *node = role->ready.previous; node != &role->ready;
	     node = node->previous) {
		struct pending *pending = list_entry(node, struct pending, list);

		if (make_place(role, &pending->key))
			return pending;
	}
	return NULL;
}

static void admit_ready(struct handshake_role *role)
{
	struct pending *pending;

	while ((pending = next_ready(role)))
		activate(pending);
	if (!list_is_empty(&role->ready) && !role->contention.loop)
		loop_timer_set_in_ms(role->loop, &role->contention, HANDSHAKE_STALL_MS / 4);
}

static void contention_due(struct loop_timer *timer)
{
	admit_ready(container_of(timer, struct handshake_role, contention));
}

static void become_ready(struct pending *pending)
{
	list_remove(&pending->list);
	pending->state = PENDING_READY;
	list_append(&pending->role->ready, &pending->list);
	loop_modify(&pending->source, 0);
	admit_ready(pending->role);
}

static void read_silent(struct pending *pending)
{
	ssize_t n = recv(pending->fd, pending->prefix + pending->prefix_length,
			 sizeof(pending->prefix) - pending->prefix_length, 0);
	int verdict;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		pending->prefix_length += (size_t)n;
	verdict =
		n <= 0 ? -1 : tls_looks_like_client_hello(pending->prefix, pending->prefix_length);
	if (verdict > 0)
		become_ready(pending);
	else if (verdict < 0)
		pending_fail(pending, HANDSHAKE_EXPIRED, LW_CONNECTION_ERROR_NEGOTIATION_FAILED,
			     n <= 0 ? "closed before it said anything"
				    : "what it sent is not the beginning of a TLS handshake");
}

static void read_lingering(struct pending *pending)
{
	uint8_t data[READ_SIZE];
	ssize_t n = recv(pending->fd, data, sizeof(data), 0);

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		pending_free(pending);
}

static void socket_event(struct loop_source *source, uint32_t events)
{
	struct pending *pending = container_of(source, struct pending, source);

	if (pending->request && atomic_load(&pending->request->is_cancelled)) {
		pending_fail(pending, HANDSHAKE_FAILED, LW_CONNECTION_ERROR_NEGOTIATION_FAILED,
			     "cancelled");
		return;
	}
	switch (pending->state) {
	case PENDING_SILENT:
		read_silent(pending);
		break;
	case PENDING_READY: /* only errors are reported without interest */
		pending_fail(pending, HANDSHAKE_EXPIRED, LW_CONNECTION_ERROR_NEGOTIATION_FAILED,
			     "closed while it waited for its handshake");
		break;
	case PENDING_ACTIVE:
		if (pending->outcome == TLS_WANT_INPUT && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			read_active(pending);
		else
			push_output(pending);
		break;
	case PENDING_LINGERING:
		read_lingering(pending);
		break;
	}
}

static void deadline_due(struct loop_timer *timer)
{
	struct pending *pending = container_of(timer, struct pending, deadline);
	struct handshake_role *role = pending->role;

	if (pending->state == PENDING_LINGERING)
		pending_free(pending);
	else
		pending_fail(pending, HANDSHAKE_EXPIRED, LW_CONNECTION_ERROR_SERVER_NOT_RESPONDING,
			     "no TLS handshake within 10 s");
	admit_ready(role);
}

/* IPv6 peers are counted by their /64, which one machine has to itself. */
static struct ip_address limit_key(const struct sockaddr_storage *peer)
{
	struct ip_address key = { 0 };

	if (ip_address_of_sockaddr((const struct sockaddr *)peer, &key) < 0)
		return (struct ip_address){ 0 };
	if (key.family == AF_INET6)
		memset(key.bytes + 8, 0, 8);
	return key;
}

/* The oldest of a list, of that address (NULL: of all), and how many there are. */
static uint32_t find_oldest(struct list *list, const struct ip_address *key,
			    struct pending **ret_oldest)
{
	uint32_t n = 0;

	list_for_each(node, list) {
		struct pending *pending = list_entry(node, struct pending, list);

		if (key && !ip_address_equal(&pending->key, key))
			continue;
		n++;
		if (!*ret_oldest || pending->since_ns < (*ret_oldest)->since_ns)
			*ret_oldest = pending;
	}
	return n;
}

/* Room for one more that waits: one address cannot take it from all others. */
static void make_room(struct handshake_role *role, const struct ip_address *key)
{
	struct pending *oldest = NULL;
	uint32_t n = 0;

	if (key->family) {
		n = find_oldest(&role->silent, key, &oldest);
		n += find_oldest(&role->ready, key, &oldest);
	}
	if (n < HANDSHAKE_WAITING_PER_ADDRESS_MAX) {
		if (role->n_waiting < HANDSHAKE_WAITING_MAX)
			return;
		oldest = NULL;
		find_oldest(&role->silent, NULL, &oldest);
		find_oldest(&role->ready, NULL, &oldest);
	}
	if (oldest)
		pending_fail(oldest, HANDSHAKE_EXPIRED, LW_CONNECTION_ERROR_SERVER_NOT_RESPONDING,
			     "evicted: too many connections wait for their handshake");
}

static int pending_new(struct handshake_role *role, struct handshake_request *request)
{
	struct pending *pending = calloc(1, sizeof(*pending));

	if (!pending)
		return -ENOMEM;
	pending->role = role;
	pending->state = PENDING_SILENT;
	pending->outcome = TLS_WANT_INPUT;
	pending->key = limit_key(&request->peer);
	pending->since_ns = lw_loop_now_ns(role->loop);
	pending->source = (struct loop_source){ .fd = request->fd, .function = socket_event };
	list_append(&role->silent, &pending->list);
	role->n_waiting++;
	pending->fd = -1;
	if (loop_timer_init(role->loop, &pending->deadline, deadline_due) < 0 ||
	    loop_add(role->loop, &pending->source, EPOLLIN) < 0) {
		pending_free(pending);
		return -ENOMEM;
	}
	pending->fd = take_fd(&request->fd);
	pending->request = request;
	loop_timer_set_in_ms(role->loop, &pending->deadline, HANDSHAKE_DEADLINE_MS);
	if (role->side == ADMISSION_CLIENT) /* it speaks first */
		activate(pending);
	return 0;
}

static void take_request(struct handshake_role *role, struct handshake_request *request)
{
	struct ip_address key = limit_key(&request->peer);

	make_room(role, &key);
	if (!role->book || pending_new(role, request) < 0) {
		error_set(&request->result.error, 0, LW_DOMAIN_CONNECTION,
			  LW_CONNECTION_ERROR_NEGOTIATION_FAILED, "no room for another handshake");
		request->result.outcome = HANDSHAKE_FAILED;
		request->result.peer = request->peer;
		mailbox_put(role->results, &request->message.letter);
	}
}

/*
 * Handshakes under way borrow the old book. They are few and short: they start again with the new
 * one at the peer's next attempt, so that nobody comes in by a book that was replaced.
 */
static void take_book(struct handshake_role *role, struct role_book *message)
{
	list_for_each_safe(node, &role->active)
		pending_fail(list_entry(node, struct pending, list), HANDSHAKE_FAILED,
			     LW_CONNECTION_ERROR_NEGOTIATION_FAILED,
			     "the list of clients changed during the TLS handshake");
	admission_book_free(role->book);
	role->book = message->book;
	free(message);
	admit_ready(role);
}

static void cancel_of_list(struct list *list, const struct handshake_request *request)
{
	list_for_each_safe(node, list) {
		struct pending *pending = list_entry(node, struct pending, list);

		if (pending->request == request)
			pending_fail(pending, HANDSHAKE_FAILED,
				     LW_CONNECTION_ERROR_NEGOTIATION_FAILED, "cancelled");
	}
}

static void take_cancel(struct handshake_role *role, struct role_cancel *message)
{
	cancel_of_list(&role->silent, message->request);
	cancel_of_list(&role->ready, message->request);
	cancel_of_list(&role->active, message->request);
	free(message);
	admit_ready(role);
}

static void close_all(struct handshake_role *role)
{
	struct list *const lists[] = { &role->silent, &role->ready, &role->active,
				       &role->lingering };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		list_for_each_safe(node, lists[i])
			pending_fail(list_entry(node, struct pending, list), HANDSHAKE_FAILED,
				     LW_CONNECTION_ERROR_NEGOTIATION_FAILED, "closing");
	loop_timer_done(role->loop, &role->contention);
	mailbox_close(&role->requests);
	role->is_open = false;
}

static void message_arrived(struct mailbox *mailbox, struct list *letter)
{
	struct handshake_role *role = container_of(mailbox, struct handshake_role, requests);
	struct role_message *message = container_of(letter, struct role_message, letter);

	switch (message->type) {
	case ROLE_REQUEST:
		take_request(role, container_of(message, struct handshake_request, message));
		break;
	case ROLE_BOOK:
		take_book(role, container_of(message, struct role_book, message));
		break;
	case ROLE_CANCEL:
		take_cancel(role, container_of(message, struct role_cancel, message));
		break;
	case ROLE_CLOSE:
		close_all(role);
		sem_post(&container_of(message, struct role_close, message)->closed);
		break;
	}
}

int handshake_role_new(struct mailbox *results, enum admission_side side, struct tls_config *config,
		       struct handshake_role **ret_role)
{
	struct handshake_role *role = calloc(1, sizeof(*role));
	int result;

	if (!role)
		return -ENOMEM;
	role->results = results;
	role->side = side;
	role->config = config;
	list_init(&role->silent);
	list_init(&role->ready);
	list_init(&role->active);
	list_init(&role->lingering);
	result = mailbox_init(&role->requests, message_arrived);
	if (result < 0) {
		free(role);
		return result;
	}
	*ret_role = role;
	return 0;
}

int handshake_role_open(struct handshake_role *role, struct lw_loop *loop)
{
	int result;

	role->loop = loop;
	result = loop_timer_init(loop, &role->contention, contention_due);
	if (result < 0)
		return result;
	result = mailbox_open(&role->requests, loop);
	if (result < 0)
		loop_timer_done(loop, &role->contention);
	else
		role->is_open = true;
	return result;
}

struct mailbox *handshake_role_requests(struct handshake_role *role)
{
	return &role->requests;
}

static void forget_message(struct handshake_role *role, struct role_message *message)
{
	if (message->type == ROLE_REQUEST) {
		mailbox_put(role->results, &message->letter);
	} else if (message->type == ROLE_BOOK) {
		admission_book_free(container_of(message, struct role_book, message)->book);
		free(container_of(message, struct role_book, message));
	} else if (message->type == ROLE_CANCEL) {
		free(container_of(message, struct role_cancel, message));
	}
}

void handshake_role_free(struct handshake_role *role)
{
	struct list *letter;

	if (!role)
		return;
	while ((letter = mailbox_take(&role->requests)))
		forget_message(role, container_of(letter, struct role_message, letter));
	mailbox_done(&role->requests);
	admission_book_free(role->book);
	free(role);
}
