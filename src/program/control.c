/* SPDX-License-Identifier: MIT */
/* The control socket: its clients, their requests, and what is told to observers. */
#include "program/control.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/tree.h"
#include "loop/loop.h"

enum { BACKLOG = 16 };

/* A slot; fd -1: free. */
struct client {
	struct loop_source source;
	struct loop_timer patience;
	struct control *control;
	char input[CONTROL_REQUEST_MAX];
	size_t input_length;
	char *output; /* what the socket would not take yet; NULL: nothing */
	size_t output_length;
	bool is_observer, is_ending;
};

struct control {
	struct lw_loop *loop;
	struct loop_source listener;
	const struct control_ops *ops;
	void *user;
	struct client clients[CONTROL_CLIENTS_MAX];
};

static void end_client(struct client *client)
{
	loop_remove(&client->source);
	loop_timer_cancel(&client->patience);
	close_fd(&client->source.fd);
	free(take_pointer(client->output));
	client->output_length = client->input_length = 0;
	client->is_observer = client->is_ending = false;
}

/* Poll interest and the deadline follow from what is pending: nothing is read while an answer is
 * not taken. */
static void settle(struct client *client)
{
	if (client->source.fd < 0)
		return;
	if (client->is_ending && !client->output) {
		end_client(client);
		return;
	}
	loop_modify(&client->source, client->output ? EPOLLOUT : EPOLLIN);
}

static void renew_patience(struct client *client)
{
	if (client->is_observer)
		loop_timer_cancel(&client->patience);
	else
		loop_timer_set_in_ms(client->control->loop, &client->patience, CONTROL_PATIENCE_MS);
}

/* Return: bytes that the socket took, or -1: the client is gone. */
static ssize_t try_send(struct client *client, const char *data, size_t length)
{
	size_t sent = 0;

	while (sent < length) {
		ssize_t n = send(client->source.fd, data + sent, length - sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -1;
		sent += (size_t)n;
	}
	return (ssize_t)sent;
}

static int keep_output(struct client *client, const char *data, size_t length)
{
	char *output;

	if (!length)
		return 0;
	if (length > CONTROL_OUTPUT_MAX - client->output_length)
		return -ENOBUFS;
	output = realloc(client->output, client->output_length + length);
	if (!output)
		return -ENOMEM;
	memcpy(output + client->output_length, data, length);
	client->output = output;
	client->output_length += length;
	return 0;
}

/* Send a line, behind what is pending; a client that cannot be told is ended. */
static void send_text(struct client *client, const char *data, size_t length)
{
	ssize_t sent = client->output ? 0 : try_send(client, data, length);

	if (sent < 0 || keep_output(client, data + sent, length - (size_t)sent) < 0)
		end_client(client);
}

static void send_tree(struct client *client, const struct tree *tree)
{
	_cleanup_free_ char *text = NULL;
	size_t length;

	if (client->source.fd < 0)
		return;
	if (json_write(tree, 0, &text, &length) < 0) {
		end_client(client);
		return;
	}
	text[length] = '\n'; /* in the place of the terminator */
	send_text(client, text, length + 1);
}

static void send_ok(struct client *client, const char *verb)
{
	struct tree *reply = tree_new(TREE_MAP);

	if (!reply || tree_add_bool(reply, "ok", true) < 0 ||
	    tree_add_text(reply, "verb", verb) < 0)
		end_client(client);
	else
		send_tree(client, reply);
	tree_free(reply);
}

static void send_error(struct client *client, const char *text)
{
	struct tree *reply = tree_new(TREE_MAP);

	if (!reply || tree_add_bool(reply, "ok", false) < 0 ||
	    tree_add_text(reply, "error", text) < 0)
		end_client(client);
	else
		send_tree(client, reply);
	tree_free(reply);
}

/* {KEY: value, "status": {…}}: NULL without memory. */
static struct tree *status_message(struct control *control, const char *key, const char *value)
{
	struct tree *message = tree_new(TREE_MAP), *status = NULL;
	int r = message ? 0 : -ENOMEM;

	if (r == 0 && !strcmp(key, "verb"))
		r = tree_add_bool(message, "ok", true);
	if (r == 0)
		r = tree_add_text(message, key, value);
	if (r == 0)
		r = control->ops->status(control->user, &status);
	if (r == 0)
		r = tree_append(message, "status", status);
	if (r < 0) {
		tree_free(message);
		return NULL;
	}
	return message;
}

static void send_status(struct client *client, const char *key, const char *value)
{
	struct tree *message = status_message(client->control, key, value);

	if (message)
		send_tree(client, message);
	else
		end_client(client);
	tree_free(message);
}

static void do_status(struct client *client)
{
	send_status(client, "verb", "status");
}

static void do_observe(struct client *client)
{
	client->is_observer = true;
	send_ok(client, "observe");
	if (client->source.fd >= 0)
		send_status(client, "event", "status");
}

static void do_flush(struct client *client)
{
	int r = client->control->ops->capture_flush(client->control->user);

	if (r < 0)
		send_error(client, strerror(-r));
	else
		send_ok(client, "capture-flush");
}

static void do_stop(struct client *client)
{
	send_ok(client, "stop");
	client->control->ops->stop(client->control->user);
}

static const struct {
	const char *name;
	void (*function)(struct client *client);
} verbs[] = {
	{ "status", do_status },
	{ "observe", do_observe },
	{ "capture-flush", do_flush },
	{ "stop", do_stop },
};

static void do_verb(struct client *client, const char *verb)
{
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		if (verb && !strcmp(verbs[i].name, verb)) {
			verbs[i].function(client);
			return;
		}
	}
	send_error(client, verb ? "unknown verb; known are status, observe, capture-flush, stop"
				: "a request says its \"verb\"");
}

static void do_request(struct client *client, const char *line, size_t length)
{
	struct tree *request;
	struct lw_error error;

	if (json_parse(line, length, &request, &error) < 0) {
		client->is_ending = true;
		send_error(client, error.text);
		return;
	}
	do_verb(client, tree_get_text(request, "verb"));
	tree_free(request);
}

/* One request, if a whole one is there and the last answer was taken. Return: whether there was
 * one. */
static bool take_request(struct client *client)
{
	char line[CONTROL_REQUEST_MAX];
	const char *end = memchr(client->input, '\n', client->input_length);
	size_t length = end ? (size_t)(end - client->input) : 0;

	if (!end || client->output || client->is_ending)
		return false;
	memcpy(line, client->input, length);
	client->input_length -= length + 1;
	memmove(client->input, end + 1, client->input_length);
	do_request(client, line, length);
	if (client->source.fd >= 0)
		renew_patience(client);
	return client->source.fd >= 0;
}

static void serve(struct client *client)
{
	while (take_request(client))
		;
	if (client->source.fd >= 0 && client->input_length == sizeof(client->input) &&
	    !client->output && !client->is_ending) {
		client->is_ending = true;
		send_error(client, "the request is longer than 4096 bytes");
	}
	settle(client);
}

static void read_client(struct client *client)
{
	size_t room = sizeof(client->input) - client->input_length;
	ssize_t n =
		recv(client->source.fd, client->input + client->input_length, room, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_client(client);
		return;
	}
	client->input_length += (size_t)n;
	serve(client);
}

static void write_client(struct client *client)
{
	ssize_t sent = try_send(client, client->output, client->output_length);

	if (sent < 0) {
		end_client(client);
		return;
	}
	client->output_length -= (size_t)sent;
	if (client->output_length) {
		memmove(client->output, client->output + sent, client->output_length);
		return;
	}
	free(take_pointer(client->output));
	renew_patience(client);
	serve(client);
}

static void client_ready(struct loop_source *source, uint32_t events)
{
	struct client *client = container_of(source, struct client, source);

	if (client->output && (events & EPOLLOUT))
		write_client(client);
	else if (!client->output && (events & (EPOLLIN | EPOLLHUP)))
		read_client(client);
	else if (events & (EPOLLHUP | EPOLLERR))
		end_client(client);
}

static void patience_ended(struct loop_timer *timer)
{
	end_client(container_of(timer, struct client, patience));
}

static bool may_control(int fd)
{
	struct ucred peer;
	socklen_t length = sizeof(peer);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

/* Tell somebody who is turned away why, if it can be told at once. */
static void turn_away(int fd, const char *why)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "{\"ok\":false,\"error\":\"%s\"}\n", why);

	(void)send(fd, line, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static struct client *find_slot(struct control *control)
{
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (control->clients[i].source.fd < 0)
			return &control->clients[i];
	return NULL;
}

static void listener_ready(struct loop_source *source, uint32_t events)
{
	struct control *control = container_of(source, struct control, listener);
	int fd = accept4(source->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct client *client;

	(void)events;
	if (fd < 0)
		return;
	client = find_slot(control);
	if (!may_control(fd)) {
		turn_away(fd, "only root and the instance's own user may ask");
		return;
	}
	if (!client) {
		turn_away(fd, "too many are connected");
		return;
	}
	client->source.fd = fd;
	if (loop_add(control->loop, &client->source, EPOLLIN) < 0)
		close_fd(&client->source.fd);
	else
		renew_patience(client);
}

static int listen_at(struct control *control, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	control->listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (control->listener.fd < 0)
		return -errno;
	/* Nobody can connect before listen(), and by then the mode is right whatever the umask. */
	if (bind(control->listener.fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ||
	    chmod(path, 0600) < 0 || listen(control->listener.fd, BACKLOG) < 0)
		return -errno;
	return loop_add(control->loop, &control->listener, EPOLLIN);
}

static int init_clients(struct control *control)
{
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct client *client = &control->clients[i];
		int r = loop_timer_init(control->loop, &client->patience, patience_ended);

		if (r < 0)
			return r;
		client->control = control;
		client->source.function = client_ready;
	}
	return 0;
}

int control_new(struct lw_loop *loop, const char *path, const struct control_ops *ops, void *user,
		struct control **ret_control, struct lw_error *ret_error)
{
	struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return error_errno(ret_error, ENOMEM, "%s", path);
	control->loop = loop;
	control->ops = ops;
	control->user = user;
	control->listener.fd = -1;
	control->listener.function = listener_ready;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		control->clients[i].source.fd = -1;
	r = init_clients(control);
	if (r == 0)
		r = listen_at(control, path);
	if (r < 0) {
		control_free(control);
		return error_errno(ret_error, -r, "cannot listen on %s", path);
	}
	*ret_control = control;
	return 0;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		end_client(&control->clients[i]);
		loop_timer_done(control->loop, &control->clients[i].patience);
	}
	loop_remove(&control->listener);
	close_fd(&control->listener.fd);
	free(control);
}

void control_publish(struct control *control)
{
	struct tree *event = NULL;

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct client *client = &control->clients[i];

		if (!client->is_observer)
			continue;
		if (!event)
			event = status_message(control, "event", "status");
		if (event)
			send_tree(client, event);
		settle(client);
	}
	tree_free(event);
}
