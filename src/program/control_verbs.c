/* SPDX-License-Identifier: MIT */
/* What is asked on the control socket: verbs, their calls, and streams of events. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/error.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/tree.h"
#include "program/control_internal.h"

/* ---- messages */

/* {"ok":…}; NULL: no memory */
static struct tree *new_reply(bool is_ok)
{
	struct tree *reply = tree_new(TREE_MAP);

	if (reply && tree_add_bool(reply, "ok", is_ok) < 0) {
		tree_free(reply);
		return NULL;
	}
	return reply;
}

void control_send_error(struct control_client *client, const char *text)
{
	struct tree *reply = new_reply(false);

	if (!reply || tree_add_text(reply, "error", text) < 0)
		control_client_break(client);
	else
		control_client_send(client, reply);
	tree_free(reply);
}

static void send_ok(struct control_client *client, const char *verb, const char *key,
		    struct tree *value)
{
	struct tree *reply = new_reply(true);
	int r = reply ? tree_add_text(reply, "verb", verb) : -ENOMEM;

	if (r == 0 && key)
		r = value ? tree_append(reply, key, take_pointer(value)) : -ENOMEM;
	if (r < 0)
		control_client_break(client);
	else
		control_client_send(client, reply);
	tree_free(value);
	tree_free(reply);
}

/* {"event":"status","status":{…}}; NULL: no memory */
static struct tree *status_event(struct control *control)
{
	struct tree *event = tree_new(TREE_MAP), *status = NULL;
	int r = event ? tree_add_text(event, "event", "status") : -ENOMEM;

	if (r == 0)
		r = control->status(control->user, &status);
	if (r == 0)
		r = tree_append(event, "status", status);
	if (r == 0)
		return event;
	tree_free(event);
	return NULL;
}

/* ---- calls */

/* The end of a call: its client, or NULL when there is nobody to tell. */
static struct control_client *end_call(struct control_call *call)
{
	struct control_client *client = call->client;

	close_fd(&call->descriptor);
	free(call);
	if (!client)
		return NULL;
	client->call = NULL;
	control_client_settle(client);
	return client->is_broken ? NULL : client;
}

void control_reply(struct control_call *call, const char *key, struct tree *value)
{
	const char *verb = call->verb;
	struct control_client *client = end_call(call);

	if (client)
		send_ok(client, verb, key, value);
	else
		tree_free(value);
}

void control_refuse(struct control_call *call, const char *format, ...)
{
	struct control_client *client = end_call(call);
	char text[2 * LW_ERROR_TEXT_SIZE];
	va_list list;

	if (!client)
		return;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	control_send_error(client, text);
}

int control_take_descriptor(struct control_call *call)
{
	return take_fd(&call->descriptor);
}

/* ---- streams */

struct control_stream *control_stream(struct control_call *call, void (*gone)(void *user),
				      void *user)
{
	struct control_client *client = call->client;

	if (client && client->stream.client) {
		control_refuse(call, "this connection has its events already; use another one");
		return NULL;
	}
	if (client)
		client->stream = (struct control_stream){ client, gone, user, false };
	control_reply(call, NULL, NULL);
	return client ? &client->stream : NULL;
}

void control_tell(struct control_stream *stream, const struct tree *event)
{
	if (!stream->client->is_broken)
		control_client_send(stream->client, event);
}

void control_stream_end(struct control_stream *stream)
{
	struct control_client *client = stream->client;

	*stream = (struct control_stream){ 0 };
	client->is_ending = true;
	control_client_settle(client);
}

void control_publish(struct control *control)
{
	struct tree *event = NULL;

	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct control_stream *stream = &control->clients[i].stream;

		if (!stream->client || !stream->is_status)
			continue;
		if (!event)
			event = status_event(control);
		if (event)
			control_tell(stream, event);
	}
	tree_free(event);
}

/* ---- verbs */

static void do_status(struct control_call *call, const struct tree *request, void *user)
{
	struct control *control = user;
	struct tree *status = NULL;

	(void)request;
	(void)control->status(control->user, &status);
	control_reply(call, "status", status);
}

static void do_observe(struct control_call *call, const struct tree *request, void *user)
{
	struct control_stream *stream = control_stream(call, NULL, NULL);
	struct tree *event;

	(void)request;
	if (!stream)
		return;
	stream->is_status = true;
	event = status_event(user);
	if (event)
		control_tell(stream, event);
	else
		control_client_break(stream->client);
	tree_free(event);
}

static const struct control_verb own_verbs[] = {
	{ .name = "status", .run = do_status },
	{ .name = "observe", .run = do_observe },
};

int control_add_own_verbs(struct control *control)
{
	return control_add_verbs(control, own_verbs, ARRAY_SIZE(own_verbs), control);
}

int control_add_verbs(struct control *control, const struct control_verb *verbs, size_t n,
		      void *user)
{
	if (control->n_tables == CONTROL_TABLES_MAX)
		return -ENOSPC;
	control->tables[control->n_tables].verbs = verbs;
	control->tables[control->n_tables].n = n;
	control->tables[control->n_tables].user = user;
	control->n_tables++;
	return 0;
}

static const struct control_verb *find_verb(const struct control *control, const char *name,
					    void **ret_user)
{
	for (size_t i = 0; i < control->n_tables; i++) {
		for (size_t j = 0; j < control->tables[i].n; j++) {
			if (strcmp(control->tables[i].verbs[j].name, name) != 0)
				continue;
			*ret_user = control->tables[i].user;
			return &control->tables[i].verbs[j];
		}
	}
	return NULL;
}

static void refuse_unknown(struct control_client *client)
{
	const struct control *control = client->control;
	char text[LW_ERROR_TEXT_SIZE] = "unknown verb; known are ";
	size_t length = strlen(text);
	const char *separator = "";

	for (size_t i = 0; i < control->n_tables; i++) {
		for (size_t j = 0; j < control->tables[i].n && length < sizeof(text); j++) {
			length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s",
						   separator, control->tables[i].verbs[j].name);
			separator = ", ";
		}
	}
	control_send_error(client, text);
}

static void run_verb(struct control_client *client, const struct control_verb *verb,
		     const struct tree *request, void *user, int descriptor)
{
	struct control_call *call = calloc(1, sizeof(*call));

	if (!call) {
		close_fd(&descriptor);
		control_client_break(client);
		return;
	}
	call->client = client;
	call->verb = verb->name;
	call->descriptor = descriptor;
	client->call = call;
	verb->run(call, request, user);
}

static void do_verb(struct control_client *client, const struct tree *request)
{
	const char *name = tree_get_text(request, "verb");
	_cleanup_close_ int descriptor = take_fd(&client->descriptor);
	const struct control_verb *verb = NULL;
	void *user = NULL;

	if (name)
		verb = find_verb(client->control, name, &user);
	if (!name)
		control_send_error(client, "a request says its \"verb\"");
	else if (!verb)
		refuse_unknown(client);
	else if (descriptor >= 0 && !verb->takes_descriptor)
		control_send_error(client, "that verb takes no descriptor");
	else
		run_verb(client, verb, request, user, take_fd(&descriptor));
}

void control_do_request(struct control_client *client, const char *line, size_t length)
{
	struct tree *request;
	struct lw_error error = { 0 };

	if (json_parse(line, length, &request, &error) < 0) {
		client->is_ending = true;
		control_send_error(client, *error.text ? error.text : "no memory");
		return;
	}
	do_verb(client, request);
	tree_free(request);
}
