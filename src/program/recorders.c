/* SPDX-License-Identifier: MIT */
/* Flight recorders, asked by the control socket. */
#include "program/recorders.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <longwire/error.h>

#include "base/memory.h"
#include "base/tree.h"
#include "program/captures.h"

static bool is_recorder(const struct lw_capture *capture)
{
	struct lw_capture_counters counters = { .size = sizeof(counters) };

	lw_capture_counters(capture, &counters);
	return counters.is_recorder;
}

static void refuse_choice(struct control_call *call, const struct captures *captures,
			  const char *wanted)
{
	char text[LW_ERROR_TEXT_SIZE];
	size_t length, begin;

	length = begin = (size_t)snprintf(text, sizeof(text), "%s%.200s%s",
					  wanted ? "no flight recorder is called "
						 : "several flight "
						   "recorders",
					  wanted ? wanted : "", "; these are");
	for (size_t i = 0; i < captures->n && length < sizeof(text); i++)
		if (is_recorder(captures->items[i].capture))
			length += (size_t)snprintf(text + length, sizeof(text) - length, "%s %s",
						   length == begin ? ":" : ",",
						   captures->items[i].file);
	if (length == begin)
		control_refuse(call, "no flight recorder is configured");
	else
		control_refuse(call, "%s", text);
}

/* The one that is meant, or NULL after a refusal. */
static struct lw_capture *choose(struct control_call *call, const struct tree *request,
				 const struct captures *captures)
{
	const char *wanted = tree_get_text(request, "recorder");
	struct lw_capture *chosen = NULL;
	size_t n = 0;

	for (size_t i = 0; i < captures->n; i++) {
		if (!is_recorder(captures->items[i].capture) ||
		    (wanted && strcmp(wanted, captures->items[i].file) != 0))
			continue;
		chosen = captures->items[i].capture;
		n++;
	}
	if (n == 1)
		return chosen;
	refuse_choice(call, captures, wanted);
	return NULL;
}

static void answer(struct control_call *call, int result)
{
	if (result == -EBUSY)
		control_refuse(call, "another copy of that flight recorder is being written");
	else if (result < 0)
		control_refuse(call, "flight recorder: %s", strerror(-result));
	else
		control_reply(call, NULL, NULL);
}

static void do_dump(struct control_call *call, const struct tree *request, void *user)
{
	_cleanup_close_ int descriptor = control_take_descriptor(call);
	struct lw_capture *capture;

	if (descriptor < 0) {
		control_refuse(call, "a copy needs a descriptor to write to");
		return;
	}
	capture = choose(call, request, user);
	if (capture)
		answer(call, lw_capture_dump(capture, descriptor));
}

static void do_trigger(struct control_call *call, const struct tree *request, void *user)
{
	struct lw_capture *capture = choose(call, request, user);

	if (capture)
		answer(call, lw_capture_trigger(capture));
}

const struct control_verb recorder_verbs[] = {
	{ .name = "recorder-dump", .run = do_dump, .takes_descriptor = true },
	{ .name = "recorder-trigger", .run = do_trigger },
};

const size_t n_recorder_verbs = ARRAY_SIZE(recorder_verbs);
