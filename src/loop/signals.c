/* SPDX-License-Identifier: MIT */
/* Signals as events. */
#include "loop/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "base/memory.h"
#include "loop/loop.h"

struct signals {
	struct loop_source source;
	sigset_t old_mask;
	struct sigaction old_pipe;
	void (*function)(int number, void *user);
	void *user;
};

/* One signal a wake-up: the function may free us, and the rest is still readable. */
static void on_readable(struct loop_source *source, uint32_t events)
{
	struct signals *signals = container_of(source, struct signals, source);
	struct signalfd_siginfo info;

	(void)events;
	if (read(source->fd, &info, sizeof(info)) == sizeof(info))
		signals->function((int)info.ssi_signo, signals->user);
}

int signals_new(struct lw_loop *loop, const int *numbers, void (*function)(int number, void *user),
		void *user, struct signals **ret_signals)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct signals *signals = calloc(1, sizeof(*signals));
	sigset_t set;
	int r;

	if (!signals)
		return -ENOMEM;
	sigemptyset(&set);
	for (; *numbers; numbers++)
		sigaddset(&set, *numbers);
	signals->function = function;
	signals->user = user;
	signals->source.function = on_readable;
	signals->source.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	r = signals->source.fd < 0 ? -errno : loop_add(loop, &signals->source, EPOLLIN);
	if (r < 0) {
		close_fd(&signals->source.fd);
		free(signals);
		return r;
	}
	pthread_sigmask(SIG_BLOCK, &set, &signals->old_mask);
	sigaction(SIGPIPE, &ignore, &signals->old_pipe);
	*ret_signals = signals;
	return 0;
}

void signals_free(struct signals *signals)
{
	struct signalfd_siginfo info;

	if (!signals)
		return;
	loop_remove(&signals->source);
	/* A second SIGTERM that waits would end the process as soon as the mask allows it. */
	while (read(signals->source.fd, &info, sizeof(info)) == sizeof(info))
		;
	close_fd(&signals->source.fd);
	pthread_sigmask(SIG_SETMASK, &signals->old_mask, NULL);
	sigaction(SIGPIPE, &signals->old_pipe, NULL);
	free(signals);
}
