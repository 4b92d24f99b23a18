/* SPDX-License-Identifier: MIT */
/* Replays on behalf of those who ask at the control socket. */
#include "program/replays.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/error.h>
#include <longwire/replay.h>

#include "base/memory.h"
#include "base/parse.h"
#include "base/tree.h"

/* One that somebody waits for. */
struct run {
	struct control_stream *stream;
	struct lw_replay *replay;
};

static struct tree *describe_end(const struct lw_replay_counters *counters,
				 const struct lw_error *error)
{
	struct tree *event = tree_new(TREE_MAP);
	int r = event ? tree_add_text(event, "event", "replay") : -ENOMEM;

	if (r == 0)
		r = tree_add_uint(event, "packets", counters->packets);
	if (r == 0)
		r = tree_add_uint(event, "bytes", counters->bytes);
	if (r == 0)
		r = tree_add_uint(event, "skipped", counters->skipped);
	if (r == 0)
		r = tree_add_uint(event, "loops", counters->loops);
	if (r == 0)
		r = error ? tree_add_text(event, "error", error->text)
			  : tree_add_null(event, "error");
	if (r == 0)
		return event;
	tree_free(event);
	return NULL;
}

static void run_done(const struct lw_error *error, void *user)
{
	struct lw_replay_counters counters = { .size = sizeof(counters) };
	struct run *run = user;
	struct tree *event;

	lw_replay_counters(run->replay, &counters);
	event = describe_end(&counters, error);
	if (event)
		control_tell(run->stream, event);
	control_stream_end(run->stream);
	tree_free(event);
	lw_replay_free(run->replay);
	free(run);
}

static void run_gone(void *user)
{
	struct run *run = user;

	lw_replay_free(run->replay);
	free(run);
}

/* A number that may be missing. */
static int read_number(const struct tree *request, const char *key, uint64_t max, uint32_t *number)
{
	const char *text = tree_get_text(request, key);
	uint64_t value;

	if (!text)
		return 0;
	if (parse_uint(text, 1, max, &value) < 0)
		return -EINVAL;
	*number = (uint32_t)value;
	return 0;
}

static int read_request(const struct tree *request, struct lw_replay_options *options)
{
	const char *direction = tree_get_text(request, "direction");
	const char *fast = tree_get_text(request, "fast");

	options->way = direction && !strcmp(direction, "out") ? LW_PORT_OUT : LW_PORT_IN;
	options->fast = fast && !strcmp(fast, "true");
	if ((direction && options->way == LW_PORT_IN && strcmp(direction, "in") != 0) ||
	    read_number(request, "speed", LW_REPLAY_SPEED_MAX, &options->speed) < 0 ||
	    read_number(request, "loop", LW_REPLAY_LOOPS_MAX, &options->loops) < 0)
		return -EINVAL;
	return 0;
}

static void start(struct control_call *call, const struct replays *replays, const char *port,
		  struct lw_replay_options *options)
{
	struct run *run = calloc(1, sizeof(*run));
	struct lw_error error;

	options->done = run_done;
	options->user = run;
	if (!run || links_replay(replays->links, port, options, &run->replay, &error) < 0) {
		close_fd(&options->descriptor);
		control_refuse(call, "%s", run ? error.text : "no memory");
		free(run);
		return;
	}
	run->stream = control_stream(call, run_gone, run);
	if (!run->stream)
		run_gone(run);
}

static void do_replay(struct control_call *call, const struct tree *request, void *user)
{
	const char *port = tree_get_text(request, "port");
	struct lw_replay_options options = { .size = sizeof(options) };
	const struct replays *replays = user;

	if (!replays->is_allowed) {
		control_refuse(call, "nothing may be injected here: say inject: true in the "
				     "configuration of this instance, if it is a laboratory's");
		return;
	}
	if (!port || read_request(request, &options) < 0) {
		control_refuse(call, "replay wants a port, a direction (in or out), a speed up to "
				     "1000000 thousandths, and a loop up to 1000000 times");
		return;
	}
	options.descriptor = control_take_descriptor(call);
	if (options.descriptor < 0)
		control_refuse(call, "replay wants the descriptor of a savefile");
	else
		start(call, replays, port, &options);
}

const struct control_verb replay_verbs[] = {
	{ .name = "replay", .run = do_replay, .takes_descriptor = true },
};
const size_t n_replay_verbs = ARRAY_SIZE(replay_verbs);
