/* SPDX-License-Identifier: MIT */
/* Whole blocks into a file, pipe or socket. */
#include "capture/output.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

int output_init(struct output *output, int interrupt)
{
	*output = (struct output){ .fd = -1, .interrupt = interrupt, .patience_ms = -1 };
	output->data = malloc(OUTPUT_BUFFER_SIZE);
	output->blocks = calloc(OUTPUT_BLOCKS, sizeof(*output->blocks));
	if (output->data && output->blocks)
		return 0;
	output_done(output);
	return -ENOMEM;
}

void output_done(struct output *output)
{
	output_close(output);
	free(output->data);
	free(output->blocks);
	output->data = NULL;
	output->blocks = NULL;
}

/* As the shell's >> opens it: writes go there, wherever the offset is. */
static bool begins_at_end(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_APPEND);
}

void output_open(struct output *output, int fd)
{
	struct stat status;

	output_close(output);
	output->error = 0;
	output->used = 0;
	output->n_blocks = 0;
	output->fd = fd;
	output->is_regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
	output->is_named = output->is_regular && status.st_nlink > 0;
	output->whole = 0;
	if (output->is_regular)
		output->whole = lseek(fd, 0, begins_at_end(fd) ? SEEK_END : SEEK_CUR);
}

void output_close(struct output *output)
{
	if (output->fd < 0)
		return;
	(void)output_flush(output);
	close_fd(&output->fd);
}

/* Everything that is whole before end has arrived. Return: where the last of it ends. */
static size_t count_blocks(struct output *output, size_t end)
{
	size_t whole = 0;

	for (size_t i = 0; i < output->n_blocks; i++) {
		const struct output_block *block = &output->blocks[i];

		if (block->end > end)
			break;
		whole = block->end;
		output->counters.records += block->is_record;
		output->counters.packets += block->is_last;
	}
	output->counters.bytes += whole;
	output->n_blocks = 0;
	output->used = 0;
	return whole;
}

/* Room is there, or the output is to fail. Return: 0 or a negative errno. */
static int wait_for_room(struct output *output)
{
	struct pollfd polls[2] = { { .fd = output->fd, .events = POLLOUT },
				   { .fd = output->interrupt, .events = POLLIN } };

	int r;

	while ((r = poll(polls, 2, output->patience_ms)) < 0)
		if (errno != EINTR)
			return -errno;
	if (r == 0)
		return -ETIMEDOUT;
	if (polls[0].revents)
		return 0;
	/* The capture ends: its reader has a moment. */
	return poll(polls, 1, OUTPUT_RELEASE_MS) > 0 ? 0 : -ETIMEDOUT;
}

/* A pipe that is ready takes PIPE_BUF bytes without waiting. */
static ssize_t write_some(struct output *output, const uint8_t *data, size_t n)
{
	ssize_t written;

	if (!output->is_regular) {
		int r = wait_for_room(output);

		if (r < 0)
			return r;
		n = MIN(n, (size_t)PIPE_BUF);
	}
	written = write(output->fd, data, n);
	if (written >= 0)
		return written;
	return errno == EINTR || errno == EAGAIN ? 0 : -errno;
}

static int check_file(const struct output *output)
{
	struct stat status;

	if (!output->is_regular)
		return 0;
	if (fstat(output->fd, &status) < 0)
		return -errno;
	if (output->is_named && status.st_nlink == 0)
		return -ENOENT;
	return status.st_size < output->whole ? -ESTALE : 0;
}

static int write_out(struct output *output, size_t *ret_arrived)
{
	size_t arrived = 0;
	int r = check_file(output);

	while (r == 0 && arrived < output->used) {
		ssize_t n = write_some(output, output->data + arrived, output->used - arrived);

		if (n < 0)
			r = (int)n;
		else
			arrived += (size_t)n;
	}
	*ret_arrived = arrived;
	return r;
}

int output_flush(struct output *output)
{
	size_t arrived, whole;
	int r;

	if (output->error < 0 || output->used == 0 || output->fd < 0)
		return output->error;
	r = write_out(output, &arrived);
	whole = count_blocks(output, arrived);
	output->whole += (off_t)whole;
	output->error = r;
	/* What somebody else made shorter is not ours to make longer. */
	if (r < 0 && r != -ESTALE && output->is_regular && ftruncate(output->fd, output->whole) < 0)
		output->error = -errno;
	return output->error;
}

uint8_t *output_room(struct output *output, size_t n)
{
	if (output->used + n > OUTPUT_BUFFER_SIZE || output->n_blocks == OUTPUT_BLOCKS)
		(void)output_flush(output);
	return output->error < 0 || output->fd < 0 ? NULL : output->data + output->used;
}

void output_commit(struct output *output, size_t n, bool is_record, bool is_last)
{
	output->used += n;
	output->blocks[output->n_blocks++] = (struct output_block){
		.end = (uint32_t)output->used,
		.is_record = is_record,
		.is_last = is_last,
	};
}
