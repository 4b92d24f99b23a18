/* SPDX-License-Identifier: MIT */
/* longwire version, and the hidden longwire reference. */
#include <stdio.h>
#include <stdlib.h>

#include <longwire/api.h>

#include "config/config.h"
#include "program/command.h"
#include "tls/handshake.h"

int command_version(const struct arguments *arguments)
{
	(void)arguments;
	printf("longwire %s (%s)\n", lw_version(), tls_library_version());
	return fflush(stdout) ? PROGRAM_FAILED : PROGRAM_DONE;
}

int command_reference(const struct arguments *arguments)
{
	char *reference = config_reference();
	int status;

	(void)arguments;
	if (!reference)
		return command_fail(PROGRAM_FAILED, "no memory");
	status = fputs(reference, stdout) < 0 || fflush(stdout) ? PROGRAM_FAILED : PROGRAM_DONE;
	free(reference);
	return status;
}
