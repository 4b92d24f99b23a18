/* SPDX-License-Identifier: MIT */
/* longwire unlock: open the kill switch that a tunnel left closed, and remove what else killed ones
 * left behind. */
#include <stdio.h>
#include <string.h>

#include <longwire/error.h>

#include "network/fence.h"
#include "network/network.h"
#include "program/command.h"

static int open_one(const char *interface)
{
	struct lw_error error;

	if (fence_open(interface, &error) < 0)
		return command_fail(PROGRAM_FAILED, "%s", error.text);
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
