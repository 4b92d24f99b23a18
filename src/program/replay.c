/* SPDX-License-Identifier: MIT */
/* longwire replay: sends a savefile through a port of a running instance. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <longwire/error.h>
#include <longwire/replay.h>

#include "base/memory.h"
#include "base/quantity.h"
#include "base/tree.h"
#include "program/ask.h"
#include "program/command.h"
#include "program/control_client.h"
#include "program/report_text.h"

static const struct quantity_unit times[] = { { "", LW_REPLAY_SPEED_AS_IT_WAS }, { NULL, 0 } };

static int add_speed(struct tree *request, const char *text)
{
	uint64_t speed;

	if (!text)
		return 0;
	if (quantity_parse(text, times, LW_REPLAY_SPEED_MAX, &speed) < 0 || speed == 0)
		return -EINVAL;
	return tree_add_uint(request, "speed", speed);
}

static struct tree *build_request(const struct arguments *arguments)
{
	struct tree *request = control_ask("replay");
	int r = request ? tree_add_text(request, "port", arguments->port) : -ENOMEM;

	if (r == 0)
		r = tree_add_text(request, "direction", arguments->out ? "out" : "in");
	if (r == 0)
		r = add_speed(request, arguments->speed);
	if (r == 0 && arguments->fast)
		r = tree_add_bool(request, "fast", true);
	if (r == 0 && arguments->loop.is_set && arguments->loop.value)
		r = tree_add_uint(request, "loop", arguments->loop.value);
	if (r == 0)
		return request;
	tree_free(request);
	return NULL;
}

static int tell_end(const struct tree *event, bool is_json)
{
	const char *error = get_text(event, "error");

	if (is_json)
		(void)ask_print_json(event, 2);
	else
		printf("%" PRIu64 " packets, %" PRIu64 " bytes, %" PRIu64 " skipped\n",
		       get_number(event, "packets"), get_number(event, "bytes"),
		       get_number(event, "skipped"));
	if (error)
		return command_fail(PROGRAM_FAILED, "%s", error);
	return fflush(stdout) ? PROGRAM_FAILED : PROGRAM_DONE;
}

/* Say, hear that it began, and hear the end, however long that takes. */
static int follow(struct control_peer *peer, const struct tree *request, int fd, bool is_json)
{
	struct tree *line = NULL;
	struct lw_error error;
	int status, r = control_say(peer, request, fd, &error);

	if (r == 0)
		r = control_hear(peer, ASK_TIMEOUT_MS, &line, &error);
	if (r == 0) {
		tree_free(line);
		r = control_hear(peer, -1, &line, &error);
	}
	if (r < 0)
		return command_fail(PROGRAM_FAILED, "%s", error.text);
	status = tell_end(line, is_json);
	tree_free(line);
	return status;
}

static int check(const struct arguments *arguments)
{
	uint64_t speed;

	if (!arguments->port)
		return command_fail(PROGRAM_USAGE, "replay: --port says where; try 'longwire "
						   "replay --help'");
	if (arguments->in && arguments->out)
		return command_fail(PROGRAM_USAGE, "replay: --in or --out, not both");
	if (arguments->fast && arguments->speed)
		return command_fail(PROGRAM_USAGE, "replay: --fast or --speed, not both");
	if (arguments->speed &&
	    (quantity_parse(arguments->speed, times, LW_REPLAY_SPEED_MAX, &speed) < 0 || !speed))
		return command_fail(PROGRAM_USAGE,
				    "replay: --speed takes a number from 0.001 to 1000, not \"%s\"",
				    arguments->speed);
	return PROGRAM_DONE;
}

int command_replay(const struct arguments *arguments)
{
	const char *file = arguments->words[arguments->n_words - 1];
	struct control_peer *peer = NULL;
	struct instance_found instance;
	_cleanup_close_ int fd = -1;
	struct lw_error error;
	struct tree *request;
	int status = check(arguments);

	if (status != PROGRAM_DONE)
		return status;
	fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return command_fail(PROGRAM_USAGE, "%s: %s", file, strerror(errno));
	status = ask_choose(arguments->n_words > 1 ? arguments->words[0] : NULL, &instance);
	if (status != PROGRAM_DONE)
		return status;
	request = build_request(arguments);
	if (!request)
		status = command_fail(PROGRAM_FAILED, "no memory");
	else if (control_dial(instance.socket, &peer, &error) < 0)
		status = command_fail(PROGRAM_FAILED, "%s", error.text);
	else
		status = follow(peer, request, fd, arguments->json);
	control_hang_up(peer);
	tree_free(request);
	return status;
}
