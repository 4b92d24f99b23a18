/* SPDX-License-Identifier: MIT */
/* longwire unlock: open the kill switch that a tunnel left closed, and remove what else killed ones
 * left behind. */
#include <stdio.h>
#include <string.h>

#include <longwire/error.h>
#include <longwire/loop.h>

#include "base/memory.h"
#include "loop/loop.h"
#include "network/fence.h"
#include "network/network.h"
#include "program/command.h"

enum { CLOSED_AGAIN_MS = 100 };

struct patience {
	struct lw_loop *loop;
	struct loop_timer timer;
};

static void waited(struct loop_timer *timer)
{
	lw_loop_stop(container_of(timer, struct patience, timer)->loop);
}

/* Who runs with it keeps it closed. */
static bool is_closed_again(const char *interface)
{
	struct patience patience = { 0 };
	int r = lw_loop_new(NULL, &patience.loop);

	if (r < 0)
		return false;
	r = loop_timer_init(patience.loop, &patience.timer, waited);
	if (r == 0) {
		loop_timer_set_in_ms(patience.loop, &patience.timer, CLOSED_AGAIN_MS);
		r = lw_loop_run(patience.loop);
		loop_timer_done(patience.loop, &patience.timer);
	}
	lw_loop_free(patience.loop);
	return r == 0 && fence_is_closed(interface, NULL) > 0;
}

static int open_one(const char *interface)
{
	struct lw_error error;

	if (fence_open(interface, &error) < 0)
		return command_fail(PROGRAM_FAILED, "%s", error.text);
	if (is_closed_again(interface))
		return command_fail(PROGRAM_FAILED,
				    "%s: its tunnel runs, and has closed the kill switch again: "
				    "end it by Ctrl-C",
				    interface);
	printf("%s: the kill switch is open\n", interface);
	return PROGRAM_DONE;
}

int command_unlock(const struct arguments *arguments)
{
	const char *wanted = arguments->n_words ? arguments->words[0] : NULL;
	char interfaces[FENCES_MAX][IFNAMSIZ];
	struct lw_error error;
	int status = PROGRAM_DONE, opened = 0, n = fence_list(interfaces, &error);

	if (n < 0)
		return command_fail(PROGRAM_FAILED, "%s", error.text);
	for (int i = 0; i < n && status == PROGRAM_DONE; i++) {
		if (wanted && strcmp(interfaces[i], wanted) != 0)
			continue;
		status = open_one(interfaces[i]);
		opened++;
	}
	if (status == PROGRAM_DONE && network_clean(&error) < 0)
		return command_fail(PROGRAM_FAILED, "%s", error.text);
	if (wanted && !opened)
		return command_fail(PROGRAM_FAILED,
				    "%s: no kill switch of this interface is closed", wanted);
	if (!opened)
		puts("no kill switch is closed");
	return status;
}
