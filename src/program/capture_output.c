/* SPDX-License-Identifier: MIT */
/* Where a command's capture goes. */
#include "program/capture_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/memory.h"

bool capture_output_is_standard(const struct capture_output *output)
{
	return strcmp(output->path, "-") == 0;
}

static int open_standard(struct capture_output *output, struct lw_error *error)
{
	if (isatty(STDOUT_FILENO))
		return error_set(
			error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
			"capture: -w - writes to a terminal; pipe it, as into tshark -r -");
	output->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	return output->fd < 0 ? error_errno(error, errno, "standard output") : 0;
}

int capture_output_open(struct capture_output *output, const char *path, struct lw_error *error)
{
	struct stat st;

	*output = (struct capture_output){ .path = path, .fd = -1 };
	if (capture_output_is_standard(output))
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

int capture_output_keep(struct capture_output *output, struct lw_error *ret_error)
{
	if (output->made && rename(output->made, output->path) < 0)
		return error_errno(ret_error, errno, "%s", output->path);
	free(take_pointer(output->made));
	return 0;
}

void capture_output_close(struct capture_output *output)
{
	if (output->made)
		unlink(output->made);
	free(take_pointer(output->made));
	close_fd(&output->fd);
}
