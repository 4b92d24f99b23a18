/* SPDX-License-Identifier: MIT */
/* longwire status: asks an instance and shows the answer. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <longwire/error.h>

#include "base/tree.h"
#include "program/ask.h"
#include "program/command.h"
#include "program/control_client.h"
#include "program/report.h"

static int show(const struct instance_found *instance, bool is_json)
{
	struct lw_error error;
	const struct tree *status;
	struct tree *reply;
	int r = control_request(instance->socket, control_ask("status"), ASK_TIMEOUT_MS, &reply,
				&error);

	if (r < 0)
		return command_fail(PROGRAM_FAILED, "%s", error.text);
	status = tree_get(reply, "status");
	if (!status)
		r = -EPROTO;
	else if (is_json)
		r = ask_print_json(status, 2);
	else
		report_print(status, (int64_t)time(NULL), stdout);
	tree_free(reply);
	if (r < 0)
		return command_fail(PROGRAM_FAILED, "%s: %s", instance->name, strerror(-r));
	return fflush(stdout) ? PROGRAM_FAILED : PROGRAM_DONE;
}

int command_status(const struct arguments *arguments)
{
	struct instance_found instance;
	int status = ask_choose(arguments->n_words ? arguments->words[0] : NULL, &instance);

	return status == PROGRAM_DONE ? show(&instance, arguments->json) : status;
}
