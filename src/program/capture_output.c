/* SPDX-License-Identifier: MIT */
/* Where a command's capture goes. */
#include "program/capture_output.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
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

/* ---- a signal that ends the command */

static char *volatile unkept; /* a command has one output */

static void remove_unkept(int number)
{
	if (unkept)
		unlink(unkept);
	(void)raise(number); /* by default now: it ends the command, as it would have */
}

static void remove_when_ended(char *made)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP };
	const struct sigaction action = { .sa_handler = remove_unkept, .sa_flags = SA_RESETHAND };
	struct sigaction before;

	unkept = made;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		if (sigaction(numbers[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
			(void)sigaction(numbers[i], &action, NULL);
}

/* ---- */

static int make(struct capture_output *output, struct lw_error *error)
{
	enum { LETTERS = 6 }; /* at the end, which mkostemp(3) chooses and wants to find as X */
	int length = asprintf(&output->made, "%s.%*s", output->path, LETTERS, "");

	if (length < 0) {
		output->made = NULL;
		return error_errno(error, ENOMEM, "%s", output->path);
	}
	memset(output->made + length - LETTERS, 'X', LETTERS);
	output->fd = mkostemp(output->made, O_CLOEXEC); /* 0600 */
	if (output->fd >= 0) {
		remove_when_ended(output->made);
		return 0;
	}
	free(take_pointer(output->made));
	return error_errno(error, errno, "%s", output->path);
}

static void forget_made(struct capture_output *output)
{
	unkept = NULL;
	free(take_pointer(output->made));
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
	return make(output, error);
}

int capture_output_keep(struct capture_output *output, struct lw_error *ret_error)
{
	if (output->made && rename(output->made, output->path) < 0)
		return error_errno(ret_error, errno, "%s", output->path);
	forget_made(output);
	return 0;
}

void capture_output_close(struct capture_output *output)
{
	if (output->made)
		unlink(output->made);
	forget_made(output);
	close_fd(&output->fd);
}
