/* SPDX-License-Identifier: MIT */
/* longwire watch: the state of an instance now, and each change of it, line by line. */
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

enum { LINE_SIZE = 1024 };

/* Events may come without a change that is shown: a line is not said twice. */
static int show_line(const struct tree *status, char shown[LINE_SIZE])
{
	char line[LINE_SIZE], clock[16] = "";
	time_t now = time(NULL);
	struct tm parts;

	report_line(status, line, sizeof(line));
	if (!strcmp(line, shown))
		return 0;
	memcpy(shown, line, sizeof(line));
	if (localtime_r(&now, &parts))
		strftime(clock, sizeof(clock), "%H:%M:%S ", &parts);
	return printf("%s%s\n", clock, line) < 0 ? -EIO : 0;
}

static int show_event(const struct tree *event, bool is_json, char shown[LINE_SIZE])
{
	const struct tree *status = tree_get(event, "status");
	int r = 0;

	if (!status) /* the reply to the request */
		return 0;
	r = is_json ? ask_print_json(status, 0) : show_line(status, shown);
	return r == 0 && fflush(stdout) ? -EIO : r;
}

static int watch(struct control_peer *peer, bool is_json)
{
	struct tree *request = control_ask("observe"), *event;
	char shown[LINE_SIZE] = "";
	struct lw_error error = { 0 };
	int r = request ? control_say(peer, request, -1, &error) : -ENOMEM;

	tree_free(request);
	while (r == 0) {
		r = control_hear(peer, -1, &event, &error);
		if (r < 0)
			break;
		r = show_event(event, is_json, shown);
		tree_free(event);
	}
	if (r == -ECONNRESET) {
		if (!is_json)
			puts("the instance has ended");
		return fflush(stdout) ? PROGRAM_FAILED : PROGRAM_DONE;
	}
	return command_fail(PROGRAM_FAILED, "%s", *error.text ? error.text : strerror(-r));
}

int command_watch(const struct arguments *arguments)
{
	struct control_peer *peer = NULL;
	struct instance_found instance;
	struct lw_error error;
	int status = ask_choose(arguments->n_words ? arguments->words[0] : NULL, &instance);

	if (status != PROGRAM_DONE)
		return status;
	if (control_dial(instance.socket, &peer, &error) < 0)
		return command_fail(PROGRAM_FAILED, "%s", error.text);
	status = watch(peer, arguments->json);
	control_hang_up(peer);
	return status;
}
