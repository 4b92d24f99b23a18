/* SPDX-License-Identifier: MIT */
/* Waiting by epoll_pwait2(), or without it. */
#include "loop/wait.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/memory.h"

enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

int wait_in_ms(int64_t timeout_ns)
{
	if (timeout_ns <= 0)
		return timeout_ns < 0 ? -1 : 0;
	/* Rounded up: to wake up a little before the time would mean to spin until it. */
	return (int)MIN((timeout_ns - 1) / NS_PER_MS + 1, (int64_t)INT_MAX);
}

int wait_for_events(int epoll, struct epoll_event *events, int n_max, int64_t timeout_ns)
{
	static atomic_bool is_coarse;
	const struct timespec timeout = { .tv_sec = timeout_ns / NS_PER_S,
					  .tv_nsec = timeout_ns % NS_PER_S };
	int n;

	if (timeout_ns > 0 && !atomic_load_explicit(&is_coarse, memory_order_relaxed)) {
		n = epoll_pwait2(epoll, events, n_max, &timeout, NULL);
		if (n >= 0 || (errno != ENOSYS && errno != EPERM))
			return n < 0 ? -errno : n;
		atomic_store_explicit(&is_coarse, true, memory_order_relaxed);
	}
	n = epoll_wait(epoll, events, n_max, wait_in_ms(timeout_ns));
	return n < 0 ? -errno : n;
}

int wait_set_slack(int slack_ns)
{
	int before_ns = prctl(PR_GET_TIMERSLACK);

	if (before_ns < 0 || prctl(PR_SET_TIMERSLACK, slack_ns) < 0)
		return -errno;
	return before_ns;
}
