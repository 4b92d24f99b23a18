/* SPDX-License-Identifier: MIT */
/* longwire message: a word to a running tunnel, and its answer. */
#include <stdio.h>

#include <longwire/error.h>

#include "base/tree.h"
#include "program/ask.h"
#include "program/command.h"
#include "program/control_client.h"

static int send_message(const struct instance_found *instance, const char *text)
{
	struct tree *request = control_ask("message"), *reply;
	struct lw_error error;
	const char *answer;
	int r;

	if (request && tree_add_text(request, "text", text) < 0) {
		tree_free(request);
		request = NULL;
	}
	r = control_request(instance->socket, request, ASK_TIMEOUT_MS, &reply, &error);
	if (r < 0)
		return ask_fail(&error);
	answer = tree_get_text(reply, "answer");
	if (answer)
		puts(answer);
	tree_free(reply);
	return fflush(stdout) ? PROGRAM_FAILED : PROGRAM_DONE;
}

int command_message(const struct arguments *arguments)
{
	const char *name = arguments->n_words > 1 ? arguments->words[0] : NULL;
	struct instance_found instance;
	int status = ask_choose(name, &instance);

	if (status != PROGRAM_DONE)
		return status;
	return send_message(&instance, arguments->words[arguments->n_words - 1]);
}
