/* SPDX-License-Identifier: MIT */
/* Waiting: as fine as the kernel can, coarser where it may not, and nothing left of it behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/memory.h"
#include "loop/loop.h"
#include "loop/wait.h"

enum { SHORT_NS = 200000, MS = 1000000, TRIES = 100 };

/* A timer that sets itself again, and how late it was at best. */
struct alarm {
	struct loop_timer timer;
	struct lw_loop *loop;
	uint64_t least_late_ns;
	int left, slack_ns;
};

static void rang(struct loop_timer *timer)
{
	struct alarm *alarm = container_of(timer, struct alarm, timer);
	uint64_t now_ns = lw_loop_now_ns(alarm->loop);

	assert_true(now_ns >= timer->due_ns);
	alarm->least_late_ns = MIN(alarm->least_late_ns, now_ns - timer->due_ns);
	alarm->slack_ns = prctl(PR_GET_TIMERSLACK);
	if (--alarm->left == 0)
		lw_loop_stop(alarm->loop);
	else
		loop_timer_set(alarm->loop, timer, now_ns + SHORT_NS);
}

/* Return: by how much the most punctual of them was late. */
static uint64_t run_alarms(struct alarm *alarm)
{
	*alarm = (struct alarm){ .left = TRIES, .least_late_ns = UINT64_MAX };
	assert_int_equal(lw_loop_new(NULL, &alarm->loop), 0);
	assert_int_equal(loop_timer_init(alarm->loop, &alarm->timer, rang), 0);
	loop_timer_set(alarm->loop, &alarm->timer, lw_loop_now_ns(alarm->loop) + SHORT_NS);
	assert_int_equal(lw_loop_run(alarm->loop), 0);
	loop_timer_done(alarm->loop, &alarm->timer);
	lw_loop_free(alarm->loop);
	return alarm->least_late_ns;
}

static void run__short_timers__are_not_rounded_to_milliseconds(void **state)
{
	struct alarm alarm;

	(void)state;
	/* The best of a hundred, so that a busy machine does not matter: rounded up, none could be. */
	assert_true(run_alarms(&alarm) < SHORT_NS);
}

static void run__timer_slack__is_less_meanwhile_and_then_as_before(void **state)
{
	int before_ns = prctl(PR_GET_TIMERSLACK);
	struct alarm alarm;

	(void)state;
	assert_int_equal(prctl(PR_SET_TIMERSLACK, 70000), 0);
	(void)run_alarms(&alarm);
	assert_int_equal(alarm.slack_ns, WAIT_SLACK_NS);
	assert_int_equal(prctl(PR_GET_TIMERSLACK), 70000);
	assert_int_equal(prctl(PR_SET_TIMERSLACK, before_ns), 0);
}

/* From here on this process has a kernel that refuses epoll_pwait2(). */
static int refuse_fine_waits(unsigned code)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_epoll_pwait2, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | code),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = { .len = ARRAY_SIZE(rules), .filter = rules };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0 ? -errno : 0;
}

/* Return: the exit status of a process in which waits are refused so: 0, 1 or 77 (no filters here). */
static int run_refused(unsigned code)
{
	struct alarm alarm;
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (refuse_fine_waits(code) < 0)
			_exit(77);
		/* A whole millisecond is waited for what is due after a part of it. */
		_exit(run_alarms(&alarm) >= MS - SHORT_NS ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void run__kernel_without_fine_waits__waits_in_milliseconds(void **state)
{
	static const unsigned codes[] = { ENOSYS, EPERM };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
		int status = run_refused(codes[i]);

		if (status == 77) {
			print_message("SKIP: no filter of system calls here\n");
			skip();
		}
		assert_int_equal(status, 0);
	}
}

static void wait_in_ms__any_time__is_rounded_up_and_bounded(void **state)
{
	(void)state;
	assert_int_equal(wait_in_ms(-1), -1);
	assert_int_equal(wait_in_ms(0), 0);
	assert_int_equal(wait_in_ms(1), 1);
	assert_int_equal(wait_in_ms(MS), 1);
	assert_int_equal(wait_in_ms(MS + 1), 2);
	assert_int_equal(wait_in_ms(INT64_MAX), INT_MAX);
}

static void timeout_ns__next_timer__is_exact(void **state)
{
	struct loop_timer timer;
	struct lw_loop *loop;
	int64_t left_ns;

	(void)state;
	assert_int_equal(lw_loop_new(NULL, &loop), 0);
	assert_int_equal(loop_timer_init(loop, &timer, rang), 0);
	assert_true(lw_loop_timeout_ns(loop) == -1);
	loop_timer_set(loop, &timer, lw_loop_now_ns(loop) + UINT64_C(3600000000000));
	left_ns = lw_loop_timeout_ns(loop);
	assert_true(left_ns > 0 && left_ns <= INT64_C(3600000000000));
	loop_timer_set(loop, &timer, UINT64_MAX);
	assert_true(lw_loop_timeout_ns(loop) > INT64_MAX / 2);
	loop_timer_set(loop, &timer, 0);
	assert_true(lw_loop_timeout_ns(loop) == 0);
	loop_timer_done(loop, &timer);
	lw_loop_free(loop);
}

static void wait__bad_descriptor__is_an_error(void **state)
{
	struct epoll_event event;

	(void)state;
	assert_int_equal(wait_for_events(-1, &event, 1, 0), -EBADF);
	assert_int_equal(wait_for_events(-1, &event, 1, MS), -EBADF);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(run__short_timers__are_not_rounded_to_milliseconds),
		cmocka_unit_test(run__timer_slack__is_less_meanwhile_and_then_as_before),
		cmocka_unit_test(run__kernel_without_fine_waits__waits_in_milliseconds),
		cmocka_unit_test(wait_in_ms__any_time__is_rounded_up_and_bounded),
		cmocka_unit_test(timeout_ns__next_timer__is_exact),
		cmocka_unit_test(wait__bad_descriptor__is_an_error),
	};

	return cmocka_run_group_tests_name("loop/wait", tests, NULL, NULL);
}
