/* SPDX-License-Identifier: MIT */
/* The control socket: its connections, the lines that come and go on them. */
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
#include "base/memory.h"
#include "program/control_internal.h"

enum { BACKLOG = 16 };

static void end_client(struct control_client *client)
{
	struct control_stream stream = client->stream;

	loop_remove(&client->source);
	loop_timer_cancel(&client->patience);
	loop_undefer(client->control->loop, &client->serving);
	close_fd(&client->source.fd);
	close_fd(&client->descriptor);
	free(take_pointer(client->output));
	client->output_length = client->input_length = 0;
	client->is_ending = client->is_broken = false;
	if (client->call)
		take_pointer(client->call)->client = NULL;
	client->stream = (struct control_stream){ 0 };
	if (stream.client && stream.gone)
		stream.gone(stream.user);
}

/* Nothing ends under whoever is telling it something: the loop hears of the shutdown. */
void control_client_break(struct control_client *client)
{
	client->is_broken = true;
	free(take_pointer(client->output));
	client->output_length = 0;
	(void)shutdown(client->source.fd, SHUT_RDWR);
}

static bool is_waited_for(const struct control_client *client)
{
	return !client->stream.client && (client->output || !client->call);
}

/* Poll interest and the deadline follow from what is pending: nothing is read while an answer is
 * not given or not taken. */
void control_client_settle(struct control_client *client)
{
	if (client->is_ending && !client->output && !client->is_broken)
		control_client_break(client);
	loop_modify(&client->source, client->output ? EPOLLOUT : client->call ? 0 : EPOLLIN);
	if (is_waited_for(client))
		loop_timer_set_in_ms(client->control->loop, &client->patience, CONTROL_PATIENCE_MS);
	else
		loop_timer_cancel(&client->patience);
	loop_defer(client->control->loop, &client->serving);
}

/* Return: bytes that the socket took, or -1: the client is gone. */
static ssize_t try_send(struct control_client *client, const char *data, size_t length)
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

static int keep_output(struct control_client *client, const char *data, size_t length)
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

void control_client_send(struct control_client *client, const struct tree *tree)
{
	_cleanup_free_ char *text = NULL;
	size_t length;
	ssize_t sent;

	if (json_write(tree, 0, &text, &length) < 0) {
		control_client_break(client);
		return;
	}
	text[length++] = '\n'; /* in the place of the terminator */
	sent = client->output ? 0 : try_send(client, text, length);
	if (sent < 0 || keep_output(client, text + sent, length - (size_t)sent) < 0)
		control_client_break(client);
	else if ((size_t)sent < length)
		control_client_settle(client);
}

/* One request, if a whole one is there and the last was answered and the answer taken. Return:
 * whether there was one. */
static bool take_request(struct control_client *client)
{
	char line[CONTROL_REQUEST_MAX];
	const char *end = memchr(client->input, '\n', client->input_length);
	size_t length = end ? (size_t)(end - client->input) : 0;

	if (!end || client->output || client->call || client->is_ending || client->is_broken)
		return false;
	memcpy(line, client->input, length);
	client->input_length -= length + 1;
	memmove(client->input, end + 1, client->input_length);
	control_do_request(client, line, length);
	return true;
}

static void serve(struct control_client *client)
{
	bool was_served = false;

	while (take_request(client))
		was_served = true;
	if (client->input_length == sizeof(client->input) && !client->output && !client->call &&
	    !client->is_ending && !client->is_broken) {
		client->is_ending = was_served = true;
		control_send_error(client, "the request is longer than 4096 bytes");
	}
	if (was_served)
		control_client_settle(client);
}

static void serving_came(struct loop_deferred *serving)
{
	serve(container_of(serving, struct control_client, serving));
}

/* Take over the descriptor that came with bytes. Return: false when there were several: nobody
 * knows to which request they belong. */
static bool keep_descriptor(struct control_client *client, struct msghdr *message)
{
	struct cmsghdr *header = CMSG_FIRSTHDR(message);
	bool is_one = client->descriptor < 0 && !(message->msg_flags & MSG_CTRUNC);
	int fd;

	if (!header || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
		return !(message->msg_flags & MSG_CTRUNC);
	memcpy(&fd, CMSG_DATA(header), sizeof(fd));
	if (is_one)
		client->descriptor = fd;
	else
		close(fd);
	return is_one;
}

static void read_client(struct control_client *client)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec room = {
		.iov_base = client->input + client->input_length,
		.iov_len = sizeof(client->input) - client->input_length,
	};
	struct msghdr message = {
		.msg_iov = &room,
		.msg_iovlen = 1,
		.msg_control = &control,
		/* Not the padding: room for one, so that the kernel drops what is more. */
		.msg_controllen = CMSG_LEN(sizeof(int)),
	};
	ssize_t n = recvmsg(client->source.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_client(client);
		return;
	}
	if (!keep_descriptor(client, &message)) {
		client->is_ending = true;
		control_send_error(client, "a request brings one descriptor at most");
		control_client_settle(client);
		return;
	}
	client->input_length += (size_t)n;
	serve(client);
}

static void write_client(struct control_client *client)
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
	control_client_settle(client);
}

static void client_ready(struct loop_source *source, uint32_t events)
{
	struct control_client *client = container_of(source, struct control_client, source);

	if (client->is_broken)
		end_client(client);
	else if (client->output && (events & EPOLLOUT))
		write_client(client);
	else if (!client->output && !client->call && (events & (EPOLLIN | EPOLLHUP)))
		read_client(client);
	else if (events & (EPOLLHUP | EPOLLERR))
		end_client(client);
}

static void patience_ended(struct loop_timer *timer)
{
	end_client(container_of(timer, struct control_client, patience));
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

static struct control_client *find_slot(struct control *control)
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
	struct control_client *client;

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
		control_client_settle(client);
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
		struct control_client *client = &control->clients[i];
		int r = loop_timer_init(control->loop, &client->patience, patience_ended);

		if (r < 0)
			return r;
		client->source.function = client_ready;
		client->serving.function = serving_came;
	}
	return 0;
}

int control_new(struct lw_loop *loop, const char *path, control_status_fn *status, void *user,
		struct control **ret_control, struct lw_error *ret_error)
{
	struct control *control = calloc(1, sizeof(*control));
	int r;

	if (!control)
		return error_errno(ret_error, ENOMEM, "%s", path);
	control->loop = loop;
	control->status = status;
	control->user = user;
	control->listener.fd = -1;
	control->listener.function = listener_ready;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		control->clients[i].control = control;
		control->clients[i].source.fd = control->clients[i].descriptor = -1;
	}
	r = control_add_own_verbs(control);
	if (r == 0)
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

int control_listener(const struct control *control)
{
	return control->listener.fd;
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
