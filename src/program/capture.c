/* SPDX-License-Identifier: MIT */
/*
 * longwire capture: attach a capture to a running instance, or ask for its flight recorder. The file
 * is made here, with the rights of whoever asks, and its descriptor passed on.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/tree.h"
#include "capture/format.h"
#include "program/ask.h"
#include "program/capture_client.h"
#include "program/capture_output.h"
#include "program/capture_ring.h"
#include "program/command.h"
#include "program/control_client.h"

enum { NAME_SIZE = 1000, COPY_SIZE = 65536 };

/* What is told of it while it runs. */
struct capturing {
	struct capture_output output;
	struct capture_ring *ring; /* NULL: one file */
	const char *instance;
};

static int begun(void *user, struct lw_error *ret_error)
{
	struct capturing *capturing = user;
	bool is_standard = capture_output_is_standard(&capturing->output);
	int r = capture_output_keep(&capturing->output, ret_error);

	if (r == 0)
		fprintf(stderr, "longwire: capturing at %s%s%s; Ctrl-C ends it\n",
			capturing->instance, is_standard ? "" : " to ",
			is_standard ? "" : capturing->output.path);
	return r;
}

static int show(const struct capture_output *output, const struct capture_result *result)
{
	fprintf(stderr,
		"longwire: %" PRIu64 " packets captured, %" PRIu64 " lost, %" PRIu64
		" seen, %" PRIu64 " matched\n",
		result->written, result->dropped, result->seen, result->matched);
	/* A reader that has seen enough is an end like any other. */
	if (!result->error || (result->error == EPIPE && capture_output_is_standard(output)))
		return PROGRAM_DONE;
	return command_fail(PROGRAM_FAILED, "%s: %s", output->path, strerror(result->error));
}

static int fail(const struct lw_error *error)
{
	return command_fail(error->domain == LW_DOMAIN_CONFIGURATION ? PROGRAM_USAGE
								     : PROGRAM_FAILED,
			    "%s", error->text);
}

/* The name by which the status knows it: whole where it fits, because the instance is elsewhere. */
static void whole_path(const char *path, char *name, size_t size)
{
	char folder[PATH_MAX];

	if (strcmp(path, "-") == 0 || path[0] == '/' || !getcwd(folder, sizeof(folder)) ||
	    (size_t)snprintf(name, size, "%s/%s", folder, path) >= size)
		snprintf(name, size, "%s", path);
}

static int open_output(struct capturing *capturing, const struct arguments *arguments,
		       struct lw_error *error)
{
	struct capture_ring_limits limits;
	int r;

	if (!arguments->ring)
		return capture_output_open(&capturing->output, arguments->write, error);
	capturing->output.path = arguments->write;
	r = capture_ring_parse(arguments->ring, &limits, error);
	if (r == 0)
		r = capture_ring_new(arguments->write, &limits, &capturing->ring,
				     &capturing->output.fd, error);
	return r;
}

/* Of an instance that was killed the file may end within a block. */
static void mend(const struct capturing *capturing)
{
	if (!capturing->ring && !capturing->output.made)
		(void)format_mend(capturing->output.fd);
}

static int capture(const struct instance_found *instance, const struct arguments *arguments)
{
	uint64_t duration_ms = (uint64_t)arguments->duration.value * 1000;
	struct capturing capturing = { .output.fd = -1, .instance = instance->name };
	struct lw_error error = { 0 };
	struct capture_result result = { 0 };
	struct tree *request;
	char name[NAME_SIZE];
	int r, ring_error;

	whole_path(arguments->write, name, sizeof(name));
	r = capture_client_prepare(instance, arguments, name, &request, &error);
	if (r < 0)
		return fail(&error);
	r = open_output(&capturing, arguments, &error);
	if (r == 0)
		r = capture_client_run(instance, request, capturing.output.fd, duration_ms, begun,
				       &capturing, &result, &error);
	tree_free(request);
	if (r < 0 && capturing.output.fd >= 0)
		mend(&capturing);
	capture_output_close(&capturing.output);
	ring_error = -capture_ring_end(capturing.ring);
	if (ring_error)
		result.error = ring_error;
	return r < 0 ? fail(&error) : show(&capturing.output, &result);
}

/* ---- the flight recorder */

static struct tree *ask_recorder(const char *verb, const struct arguments *arguments)
{
	struct tree *request = control_ask(verb);

	if (request && arguments->recorder &&
	    tree_add_text(request, "recorder", arguments->recorder) < 0) {
		tree_free(request);
		return NULL;
	}
	return request;
}

static int trigger(const struct instance_found *instance, const struct arguments *arguments)
{
	struct lw_error error;
	struct tree *reply;

	if (control_request(instance->socket, ask_recorder("recorder-trigger", arguments),
			    ASK_TIMEOUT_MS, &reply, &error) < 0)
		return fail(&error);
	tree_free(reply);
	return PROGRAM_DONE;
}

/* Ask for a copy into pipe, whose end is then the instance's alone. */
static int ask_dump(const struct instance_found *instance, const struct arguments *arguments,
		    int *pipe, struct lw_error *error)
{
	struct tree *request = ask_recorder("recorder-dump", arguments), *reply = NULL;
	struct control_peer *peer = NULL;
	int r = request ? control_dial(instance->socket, &peer, error)
			: error_errno(error, ENOMEM, "capture");

	if (r == 0)
		r = control_say(peer, request, *pipe, error);
	close_fd(pipe);
	if (r == 0)
		r = control_hear(peer, ASK_TIMEOUT_MS, &reply, error);
	control_hang_up(peer);
	tree_free(request);
	tree_free(reply);
	return r;
}

/* Until the other end is closed. Return: bytes, or a negative errno. */
static int64_t copy(int from, int to)
{
	char data[COPY_SIZE];
	int64_t sum = 0;

	for (;;) {
		ssize_t n = read(from, data, sizeof(data)), written = 0;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : sum;
		while (written < n) {
			ssize_t m = write(to, data + written, (size_t)(n - written));

			if (m < 0 && errno != EINTR)
				return -errno;
			written += m < 0 ? 0 : m;
		}
		sum += n;
	}
}

static int dump_into(const struct instance_found *instance, const struct arguments *arguments,
		     struct capture_output *output, struct lw_error *error)
{
	_cleanup_close_ int from = -1, to = -1;
	int ends[2], r;
	int64_t bytes;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return error_errno(error, errno, "pipe");
	from = ends[0];
	to = ends[1];
	r = ask_dump(instance, arguments, &to, error);
	if (r < 0)
		return r;
	bytes = copy(from, output->fd);
	if (bytes < 0)
		return error_errno(error, (int)-bytes, "%s", output->path);
	if (format_mend(output->fd) > 0)
		return error_set(error, -EPIPE, LW_DOMAIN_SYSTEM, EPIPE,
				 "%s: %s ended while its flight recorder was copied", output->path,
				 instance->name);
	r = capture_output_keep(output, error);
	if (r == 0)
		fprintf(stderr, "longwire: the flight recorder of %s, %" PRId64 " bytes\n",
			instance->name, bytes);
	return r;
}

static int dump(const struct instance_found *instance, const struct arguments *arguments)
{
	struct capture_output output;
	struct lw_error error;
	int r = capture_output_open(&output, arguments->write, &error);

	if (r == 0)
		r = dump_into(instance, arguments, &output, &error);
	capture_output_close(&output);
	return r < 0 ? fail(&error) : PROGRAM_DONE;
}

static int do_capture(const struct instance_found *instance, const struct arguments *arguments)
{
	if (arguments->trigger_recorder)
		return trigger(instance, arguments);
	return arguments->dump_recorder ? dump(instance, arguments) : capture(instance, arguments);
}

/* NULL, or what does not go together. */
static const char *find_fault(const struct arguments *arguments)
{
	if (arguments->trigger_recorder)
		return arguments->write || arguments->dump_recorder
			       ? "--trigger-recorder writes the recorder's own file, so nothing "
				 "else is said"
			       : NULL;
	if (!arguments->write)
		return "-w FILE says where to; - is standard output";
	if (arguments->ring && (arguments->dump_recorder || strcmp(arguments->write, "-") == 0 ||
				(arguments->format && strcmp(arguments->format, "pcapng") != 0)))
		return "--ring writes files in turn, of pcapng";
	if (arguments->duration.is_set && !arguments->duration.value)
		return "--duration takes 1 or more seconds";
	if (arguments->recorder && !arguments->dump_recorder)
		return "--recorder goes with --dump-recorder or --trigger-recorder";
	return NULL;
}

int command_capture(const struct arguments *arguments)
{
	const char *fault = find_fault(arguments);
	struct instance_found instance;
	int status;

	if (fault)
		return command_fail(PROGRAM_USAGE, "capture: %s", fault);
	status = ask_choose(arguments->n_words ? arguments->words[0] : NULL, &instance);
	return status == PROGRAM_DONE ? do_capture(&instance, arguments) : status;
}
