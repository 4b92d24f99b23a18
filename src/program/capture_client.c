/* SPDX-License-Identifier: MIT */
/* The asking side of an attached capture. */
#include "program/capture_client.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include <longwire/error.h>
#include <longwire/loop.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/tree.h"
#include "capture/filter.h"
#include "loop/loop.h"
#include "loop/signals.h"
#include "program/ask.h"
#include "program/capture_request.h"
#include "program/control_client.h"
#include "program/report_text.h"

/* ---- before */

static bool has_port(const struct tree *ports, const char *name)
{
	for_each_child(port, ports) {
		const char *known = tree_get_text(port, "name");

		if (known && strcmp(known, name) == 0)
			return true;
	}
	return false;
}

/* A name that nobody has would capture nothing, for ever. Instances without a list of ports are not
 * asked. */
static int check_names(const struct tree *status, const char *key, const struct string_list *names,
		       struct lw_error *error)
{
	const struct tree *ports = tree_get(status, "ports");
	const char *instance = tree_get_text(status, "name");

	for (size_t i = 0; i < names->n && ports; i++)
		if (!has_port(ports, names->items[i]))
			return error_set(error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
					 "capture: %s: %s has no port called \"%.80s\"; its status "
					 "lists them",
					 key, instance ? instance : "the instance",
					 names->items[i]);
	return 0;
}

static int check_filter(const struct tree *status, const char *text, struct lw_error *error)
{
	const char *layer = tree_get_text(status, "layer");
	struct filter *filter;
	int r;

	if (!text)
		return 0;
	r = filter_new(layer && strcmp(layer, "ip") == 0 ? LW_LAYER_IP : LW_LAYER_ETHERNET, text,
		       &filter, error);
	if (r < 0)
		return r == -ENOMEM ? r : -EINVAL;
	filter_free(filter);
	return 0;
}

static int check(const struct instance_found *instance, const struct capture_request *request,
		 struct lw_error *error)
{
	const struct tree *status;
	struct tree *reply;
	int r = control_request(instance->socket, control_ask("status"), ASK_TIMEOUT_MS, &reply,
				error);

	if (r < 0)
		return r == -EINVAL ? -EPROTO : r;
	status = tree_get(reply, "status");
	r = check_names(status, "port", &request->ports, error);
	if (r == 0)
		r = check_names(status, "peer", &request->peers, error);
	if (r == 0)
		r = check_filter(status, request->filter, error);
	tree_free(reply);
	return r;
}

int capture_client_prepare(const struct instance_found *instance, const struct arguments *arguments,
			   const char *name, struct tree **ret_request, struct lw_error *ret_error)
{
	struct tree *request = control_ask("capture"), *what = NULL;
	struct capture_request read = { 0 };
	int r = request ? capture_request_build(arguments, name, &what) : -ENOMEM;

	if (r == 0)
		r = tree_append(request, "capture", what);
	if (r < 0)
		r = error_errno(ret_error, -r, "capture");
	else
		r = capture_request_read(what, &read, ret_error);
	if (r == 0) {
		r = check(instance, &read, ret_error);
		capture_request_done(&read);
	}
	if (r < 0)
		tree_free(request);
	else
		*ret_request = request;
	return r;
}

/* ---- while it runs */

struct running {
	struct lw_loop *loop;
	struct signals *signals;
	struct control_peer *peer;
	struct loop_source control, output;
	struct loop_timer timer; /* the duration, then the patience with the end */
	uint64_t id;
	bool is_begun, is_stopping, is_over;
	struct capture_result result;
	struct lw_error error; /* of what was lost */
	int lost;              /* negative errno; 0: nothing */
};

static void lose(struct running *running, int code)
{
	running->lost = code;
	lw_loop_stop(running->loop);
}

static int say_stop(struct running *running)
{
	struct tree *request = control_ask("capture-stop");
	int r = request ? tree_add_uint(request, "id", running->id) : -ENOMEM;

	r = r == 0 ? control_say(running->peer, request, -1, &running->error)
		   : error_errno(&running->error, ENOMEM, "capture");
	tree_free(request);
	return r;
}

/* End in order; asked twice, at once: the instance ends it when we have gone. */
static void stop(struct running *running)
{
	int r;

	if (running->is_stopping || !running->id) {
		lose(running, error_errno(&running->error, EINTR, "the capture was left"));
		return;
	}
	running->is_stopping = true;
	loop_timer_set_in_ms(running->loop, &running->timer, CAPTURE_END_MS);
	r = say_stop(running);
	if (r < 0)
		lose(running, r);
}

static void on_signal(int signal, void *user)
{
	(void)signal;
	stop(user);
}

static void on_timer(struct loop_timer *timer)
{
	struct running *running = container_of(timer, struct running, timer);

	if (running->is_stopping)
		lose(running, error_errno(&running->error, ETIMEDOUT, "the end of the capture"));
	else
		stop(running);
}

/* Whoever read what we capture has gone. */
static void on_output(struct loop_source *source, uint32_t events)
{
	struct running *running = container_of(source, struct running, output);

	(void)events;
	loop_remove(source);
	if (!running->is_stopping)
		stop(running);
}

static void take_line(struct running *running, const struct tree *line)
{
	const char *event = tree_get_text(line, "event");
	const struct tree *counters = tree_get(line, "counters");

	if (!event)
		return; /* the answer to stop */
	if (strcmp(event, "capture") == 0)
		running->id = get_number(line, "id");
	if (strcmp(event, "capture-ended") != 0)
		return;
	running->result = (struct capture_result){
		.seen = get_number(counters, "seen"),
		.matched = get_number(counters, "matched"),
		.written = get_number(counters, "written"),
		.dropped = get_number(counters, "dropped"),
		.error = (int)get_number(line, "errno"),
	};
	running->is_over = true;
	lw_loop_stop(running->loop);
}

static void on_control(struct loop_source *source, uint32_t events)
{
	struct running *running = container_of(source, struct running, control);

	(void)events;
	do {
		struct tree *line;
		int r = control_hear(running->peer, ASK_TIMEOUT_MS, &line, &running->error);

		/* Refused: it has just ended by itself, which the next event says. */
		if (r == -EPERM && running->is_stopping)
			continue;
		if (r < 0) {
			lose(running, r);
			return;
		}
		take_line(running, line);
		tree_free(line);
	} while (!running->is_over && control_has_heard(running->peer));
}

static int ask(struct running *running, const struct instance_found *instance,
	       const struct tree *request, int descriptor, struct lw_error *error)
{
	struct tree *reply;
	int r = control_dial(instance->socket, &running->peer, error);

	if (r == 0)
		r = control_say(running->peer, request, descriptor, error);
	if (r == 0)
		r = control_hear(running->peer, ASK_TIMEOUT_MS, &reply, error);
	if (r == 0)
		tree_free(reply);
	return r;
}

static int open_loop(struct running *running)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, 0 };
	int r = lw_loop_new(NULL, &running->loop);

	if (r == 0)
		r = signals_new(running->loop, numbers, on_signal, running, &running->signals);
	if (r == 0)
		r = loop_timer_init(running->loop, &running->timer, on_timer);
	return r;
}

static int watch(struct running *running, int descriptor, uint64_t duration_ms)
{
	int r;

	running->control = (struct loop_source){
		.fd = control_peer_fd(running->peer),
		.function = on_control,
	};
	running->output = (struct loop_source){ .fd = descriptor, .function = on_output };
	r = loop_add(running->loop, &running->control, EPOLLIN);
	/* Of a file nothing is heard. */
	(void)loop_add(running->loop, &running->output, 0);
	if (duration_ms)
		loop_timer_set_in_ms(running->loop, &running->timer, duration_ms);
	if (r == 0 && control_has_heard(running->peer))
		on_control(&running->control, EPOLLIN);
	return r;
}

static void close_all(struct running *running)
{
	loop_remove(&running->control);
	loop_remove(&running->output);
	control_hang_up(running->peer);
	if (running->loop)
		loop_timer_done(running->loop, &running->timer);
	signals_free(running->signals);
	lw_loop_free(running->loop);
}

static int run(struct running *running, int descriptor, uint64_t duration_ms,
	       struct lw_error *error)
{
	int r = watch(running, descriptor, duration_ms);

	if (r == 0 && !running->is_over && !running->lost)
		r = lw_loop_run(running->loop);
	if (r < 0)
		return error_errno(error, -r, "capture");
	if (running->lost)
		*error = running->error;
	return running->lost;
}

int capture_client_run(const struct instance_found *instance, const struct tree *request,
		       int descriptor, uint64_t duration_ms, capture_begun_fn *begun, void *user,
		       struct capture_result *ret_result, struct lw_error *ret_error)
{
	struct running running = { 0 };
	int r = open_loop(&running);

	if (r < 0)
		r = error_errno(ret_error, -r, "event loop");
	else
		r = ask(&running, instance, request, descriptor, ret_error);
	if (r == 0)
		r = begun(user, ret_error);
	if (r == 0)
		r = run(&running, descriptor, duration_ms, ret_error);
	close_all(&running);
	if (r == 0)
		*ret_result = running.result;
	return r;
}
