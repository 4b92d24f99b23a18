/* SPDX-License-Identifier: MIT */
/*
 * longwire capture: attach a capture to a running instance.
 *
 * The file is made here, with the rights of whoever asks, and its descriptor passed on. A regular
 * file is made under a name of its own and takes the name that was asked for only when the instance
 * has agreed, so that a refusal leaves an old file as it was. Everything else that can be written to
 * (a FIFO, a device) is opened as it is.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/tree.h"
#include "program/ask.h"
#include "program/capture_client.h"
#include "program/command.h"

enum { NAME_SIZE = 1000 };

struct output {
	const char *path; /* "-": standard output */
	const char *instance;
	char *made; /* the name that it has until it may have its own; NULL: it has */
	int fd;
};

static bool is_standard(const struct output *output)
{
	return strcmp(output->path, "-") == 0;
}

static int open_standard(struct output *output, struct lw_error *error)
{
	if (isatty(STDOUT_FILENO))
		return error_set(
			error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
			"capture: -w - writes to a terminal; pipe it, as into tshark -r -");
	output->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	return output->fd < 0 ? error_errno(error, errno, "standard output") : 0;
}

static int open_output(struct output *output, struct lw_error *error)
{
	struct stat st;

	if (is_standard(output))
		return open_standard(output, error);
	if (stat(output->path, &st) == 0 && !S_ISREG(st.st_mode)) {
		output->fd = open(output->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
		return output->fd < 0 ? error_errno(error, errno, "%s", output->path) : 0;
	}
	if (asprintf(&output->made, "%s.XXXXXX", output->path) < 0) {
		output->made = NULL;
		return error_errno(error, ENOMEM, "%s", output->path);
	}
	output->fd = mkostemp(output->made, O_CLOEXEC); /* 0600 */
	if (output->fd >= 0)
		return 0;
	free(take_pointer(output->made));
	return error_errno(error, errno, "%s", output->path);
}

static void close_output(struct output *output)
{
	if (output->made)
		unlink(output->made);
	free(take_pointer(output->made));
	close_fd(&output->fd);
}

static int begun(void *user, struct lw_error *ret_error)
{
	struct output *output = user;

	if (output->made && rename(output->made, output->path) < 0)
		return error_errno(ret_error, errno, "%s", output->path);
	free(take_pointer(output->made));
	fprintf(stderr, "longwire: capturing at %s%s%s; Ctrl-C ends it\n", output->instance,
		is_standard(output) ? "" : " to ", is_standard(output) ? "" : output->path);
	return 0;
}

static int show(const struct output *output, const struct capture_result *result)
{
	fprintf(stderr,
		"longwire: %" PRIu64 " packets captured, %" PRIu64 " lost, %" PRIu64
		" seen, %" PRIu64 " matched\n",
		result->written, result->dropped, result->seen, result->matched);
	/* A reader that has seen enough is an end like any other. */
	if (!result->error || (result->error == EPIPE && is_standard(output)))
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

	if (strcmp(path, "-") != 0 && path[0] != '/' && getcwd(folder, sizeof(folder)) &&
	    strlen(folder) + strlen(path) + 2 <= size)
		snprintf(name, size, "%s/%s", folder, path);
	else
		snprintf(name, size, "%s", path);
}

static int capture(const struct instance_found *instance, const struct arguments *arguments)
{
	uint64_t duration_ms = (uint64_t)arguments->duration.value * 1000;
	struct output output = { .path = arguments->write, .instance = instance->name, .fd = -1 };
	struct lw_error error = { 0 };
	struct capture_result result = { 0 };
	struct tree *request;
	char name[NAME_SIZE];
	int r;

	whole_path(arguments->write, name, sizeof(name));
	r = capture_client_prepare(instance, arguments, name, &request, &error);
	if (r < 0)
		return fail(&error);
	r = open_output(&output, &error);
	if (r == 0)
		r = capture_client_run(instance, request, output.fd, duration_ms, begun, &output,
				       &result, &error);
	tree_free(request);
	close_output(&output);
	return r < 0 ? fail(&error) : show(&output, &result);
}

int command_capture(const struct arguments *arguments)
{
	struct instance_found instance;
	int status;

	if (!arguments->write)
		return command_fail(PROGRAM_USAGE, "capture: -w FILE says where to; - is standard "
						   "output");
	if (arguments->duration.is_set && !arguments->duration.value)
		return command_fail(PROGRAM_USAGE, "capture: --duration takes 1 or more seconds");
	status = ask_choose(arguments->n_words ? arguments->words[0] : NULL, &instance);
	return status == PROGRAM_DONE ? capture(&instance, arguments) : status;
}
