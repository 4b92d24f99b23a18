/* SPDX-License-Identifier: MIT */
/* Programs of the system, run as children. */
#include "loop/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "loop/loop.h"

static char path_variable[] = "PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin";
static char *const environment[] = { path_variable, NULL };

/* What a child is made of; -1 for a descriptor is /dev/null. */
struct recipe {
	const char *const *argv;
	int input, output, errors;
	pid_t parent;
};

static void set_descriptor(int from, int null, int to)
{
	(void)dup2(from < 0 ? null : from, to);
}

/* After fork in a program of many threads: system calls and nothing else. */
static void become(const struct recipe *recipe)
{
	int null = open("/dev/null", O_RDWR);
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t none;

	(void)setpgid(0, 0);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Gone between fork and prctl: nobody would ever end us. */
	if (getppid() != recipe->parent)
		_exit(127);
	set_descriptor(recipe->input, null, STDIN_FILENO);
	set_descriptor(recipe->output, null, STDOUT_FILENO);
	set_descriptor(recipe->errors, null, STDERR_FILENO);
	(void)close_range(3, ~0U, 0);
	umask(022);
	sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	(void)sigaction(SIGPIPE, &standard, NULL);
	execve(recipe->argv[0], (char *const *)(uintptr_t)recipe->argv, environment);
	_exit(127);
}

/* Its number, or a negative errno. */
static pid_t spawn(struct recipe *recipe)
{
	pid_t pid;

	if (access(recipe->argv[0], X_OK) < 0)
		return -errno;
	recipe->parent = getpid();
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		become(recipe);
	(void)setpgid(pid, pid);
	return pid;
}

static void kill_group(pid_t pid)
{
	if (kill(-pid, SIGKILL) < 0)
		(void)kill(pid, SIGKILL);
}

static int wait_for(pid_t pid)
{
	int status = 0;

	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -1;
	return status;
}

/* ---- to its end */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The last line of what was said. */
static void keep_last_line(char *text, size_t length, char *detail, size_t size)
{
	const char *line;

	while (length && (text[length - 1] == '\n' || text[length - 1] == ' '))
		length--;
	text[length] = '\0';
	line = strrchr(text, '\n');
	snprintf(detail, size, "%s", line ? line + 1 : text);
}

/* Read what it says until it is gone. 0 or -ETIMEDOUT. */
static int listen_until(int output, int64_t deadline, char *text, size_t size, size_t *ret_length)
{
	struct pollfd wait = { .fd = output, .events = POLLIN };
	char scrap[256];

	for (;;) {
		int64_t left = deadline - now_ms();
		bool has_room = *ret_length + 1 < size;
		ssize_t n;

		if (left <= 0)
			return -ETIMEDOUT;
		if (poll(&wait, 1, (int)left) <= 0)
			continue;
		n = read(output, has_room ? text + *ret_length : scrap,
			 has_room ? size - 1 - *ret_length : sizeof(scrap));
		if (n == 0 || (n < 0 && errno != EINTR))
			return 0;
		if (n > 0 && has_room)
			*ret_length += (size_t)n;
	}
}

/* The end of the output is not yet the end of the process, and may come before it. */
static int wait_until(pid_t pid, int64_t deadline, int *ret_status)
{
	_cleanup_close_ int fd = pidfd_open(pid, 0);
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	int64_t left;

	while ((left = deadline - now_ms()) > 0 && poll(&wait, 1, (int)left) <= 0)
		;
	if (left <= 0)
		return -ETIMEDOUT;
	*ret_status = wait_for(pid);
	return 0;
}

static int run_to_end(struct recipe *recipe, int64_t deadline, int output, char *detail,
		      size_t size)
{
	char text[1024];
	size_t length = 0;
	int status = 0, r;
	pid_t pid = spawn(recipe);

	close_fd(&recipe->input);
	close_fd(&recipe->errors);
	if (pid < 0)
		return pid;
	r = listen_until(output, deadline, text, sizeof(text), &length);
	if (r == 0)
		r = wait_until(pid, deadline, &status);
	if (r < 0) {
		kill_group(pid);
		wait_for(pid);
		snprintf(detail, size, "no end of it in time");
		return r;
	}
	keep_last_line(text, length, detail, size);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EIO;
}

int child_run(const char *const *argv, const char *input, uint32_t timeout_ms, char *detail,
	      size_t size)
{
	int64_t deadline = now_ms() + timeout_ms;
	struct recipe recipe = { .argv = argv, .output = -1 };
	_cleanup_close_ int output = -1, feed = -1;
	size_t length = input ? strlen(input) : 0;
	int in[2], out[2], r;

	detail[0] = '\0';
	/* What fits into an empty pipe is written before anybody reads. */
	if (length > CHILD_LINE_MAX)
		return -E2BIG;
	if (pipe2(in, O_CLOEXEC) < 0)
		return -errno;
	recipe.input = in[0];
	feed = in[1];
	if (pipe2(out, O_CLOEXEC) < 0) {
		r = -errno;
		close_fd(&recipe.input);
		return r;
	}
	output = out[0];
	recipe.output = recipe.errors = out[1];
	r = length && write(feed, input, length) != (ssize_t)length ? -EIO : 0;
	close_fd(&feed);
	if (r == 0)
		return run_to_end(&recipe, deadline, output, detail, size);
	close_fd(&recipe.input);
	close_fd(&recipe.errors);
	return r;
}

/* ---- beside the loop */

enum { READ_SIZE = 1024, PIPE_SIZE = 65536 }; /* pipe(7) */

struct child {
	struct lw_loop *loop;
	const struct child_ops *ops;
	void *user;
	pid_t pid; /* 0: it was waited for */
	struct loop_source output, process;
	char line[CHILD_LINE_MAX];
	size_t length;
};

pid_t child_pid(const struct child *child)
{
	return child->pid;
}

static void take_byte(struct child *child, char c)
{
	if (c != '\n') {
		if (child->length + 1 < sizeof(child->line))
			child->line[child->length++] = c;
		return;
	}
	child->line[child->length] = '\0';
	child->length = 0;
	child->ops->line(child, child->line, child->user);
}

/* Return: how much it was; 0 at the end of the output, negative when there is nothing now. */
static ssize_t read_some(struct child *child)
{
	char bytes[READ_SIZE];
	ssize_t n = read(child->output.fd, bytes, sizeof(bytes));

	for (ssize_t i = 0; i < n; i++)
		take_byte(child, bytes[i]);
	return n;
}

static void read_output(struct loop_source *source, uint32_t events)
{
	(void)events;
	if (read_some(container_of(source, struct child, output)) == 0)
		loop_remove(source);
}

static void process_ended(struct loop_source *source, uint32_t events)
{
	struct child *child = container_of(source, struct child, process);
	int status;

	(void)events;
	loop_remove(source);
	status = wait_for(child->pid);
	/* What it started shall not outlive it. */
	(void)kill(-child->pid, SIGKILL);
	child->pid = 0;
	/* One that left the group may still hold the pipe, and fill it: no more than it holds. */
	for (unsigned i = 0; i < PIPE_SIZE / READ_SIZE && read_some(child) > 0; i++)
		;
	loop_remove(&child->output);
	child->ops->ended(child, status, child->user);
}

static int watch(struct child *child, int output)
{
	int r;

	child->output = (struct loop_source){ .fd = output, .function = read_output };
	child->process =
		(struct loop_source){ .fd = pidfd_open(child->pid, 0), .function = process_ended };
	if (child->process.fd < 0)
		return -errno;
	r = loop_add(child->loop, &child->output, EPOLLIN);
	return r < 0 ? r : loop_add(child->loop, &child->process, EPOLLIN);
}

static int start(struct child *child, struct recipe *recipe)
{
	int out[2];
	pid_t pid;

	if (pipe2(out, O_CLOEXEC) < 0)
		return -errno;
	(void)fcntl(out[0], F_SETFL, O_NONBLOCK);
	recipe->input = -1;
	recipe->output = recipe->errors = out[1];
	pid = spawn(recipe);
	close_fd(&out[1]);
	if (pid < 0) {
		close_fd(&out[0]);
		return pid;
	}
	child->pid = pid;
	return watch(child, out[0]);
}

int child_start(struct lw_loop *loop, const char *const *argv, const struct child_ops *ops,
		void *user, struct child **ret_child)
{
	struct child *child = calloc(1, sizeof(*child));
	struct recipe recipe = { .argv = argv };
	int r;

	if (!child)
		return -ENOMEM;
	child->loop = loop;
	child->ops = ops;
	child->user = user;
	child->output.fd = child->process.fd = -1;
	r = start(child, &recipe);
	if (r < 0) {
		child_free(child);
		return r;
	}
	*ret_child = child;
	return 0;
}

void child_free(struct child *child)
{
	if (!child)
		return;
	loop_remove(&child->output);
	loop_remove(&child->process);
	if (child->pid) {
		kill_group(child->pid);
		wait_for(child->pid);
	}
	close_fd(&child->output.fd);
	close_fd(&child->process.fd);
	free(child);
}
