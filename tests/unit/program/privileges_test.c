/* SPDX-License-Identifier: MIT */
/* Privileges: what the kernel says that is left, each case in a process of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <netinet/in.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <longwire/error.h>

#include "program/privileges.h"

/* A set of /proc/self/status, or all ones when it cannot be read. */
static uint64_t capability_set(const char *name)
{
	FILE *file = fopen("/proc/self/status", "r");
	uint64_t set = UINT64_MAX;
	char line[256];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, strlen(name)))
			set = strtoull(line + strlen(name) + 1, NULL, 16);
	if (file)
		fclose(file);
	return set;
}

static int in_child(int (*function)(void))
{
	pid_t child = fork();
	int status;

	if (child == 0)
		_exit(function());
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static int harden(void)
{
	struct rlimit core;

	privileges_harden();
	if (getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_cur || core.rlim_max)
		return 1;
	if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
		return 2;
	return umask(0) == 077 ? 0 : 3;
}

static void privileges_harden__any_user__done(void **state)
{
	(void)state;
	assert_int_equal(in_child(harden), 0);
}

static int drop_to_net_admin(void)
{
	uint64_t expected = UINT64_C(1) << CAP_NET_ADMIN;
	struct lw_error error;

	if (privileges_drop(PRIVILEGE_NET_ADMIN | PRIVILEGE_LOW_PORTS, &error) < 0)
		return 1;
	if (capability_set("CapPrm") != (expected | UINT64_C(1) << CAP_NET_BIND_SERVICE))
		return 2;
	if (privileges_drop(PRIVILEGE_NET_ADMIN, &error) < 0)
		return 3;
	if (capability_set("CapPrm") != expected || capability_set("CapEff") != expected)
		return 4;
	if (capability_set("CapBnd") || capability_set("CapInh") || capability_set("CapAmb"))
		return 5;
	return privileges_has_net_admin() ? 0 : 6;
}

static int drop_all(void)
{
	if (privileges_drop(0, NULL) < 0)
		return 1;
	if (capability_set("CapPrm") || capability_set("CapEff") || capability_set("CapBnd"))
		return 2;
	if (privileges_has_net_admin())
		return 3;
	/* What is gone does not come back, and asking for it is no failure. */
	if (privileges_drop(PRIVILEGE_NET_ADMIN, NULL) < 0)
		return 4;
	return capability_set("CapPrm") ? 5 : 0;
}

static void privileges_drop__root__only_what_is_kept(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(in_child(drop_to_net_admin), 0);
	assert_int_equal(in_child(drop_all), 0);
}

static int drop_as_nobody(void)
{
	if (geteuid() == 0 && setuid(65534) < 0)
		return 1;
	if (privileges_has_net_admin())
		return 2;
	return privileges_drop(PRIVILEGE_NET_ADMIN, NULL) == 0 ? 0 : 3;
}

static void privileges_drop__no_capabilities__fine(void **state)
{
	(void)state;
	assert_int_equal(in_child(drop_as_nobody), 0);
}

/* ---- no listeners */

static int make_listener(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	/* In the abstract namespace: nothing is left on disk. */
	snprintf(address.sun_path + 1, sizeof(address.sun_path) - 1, "longwire-%d-%s",
		 (int)getpid(), name);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(fd, 4) < 0)
		return -1;
	return fd;
}

static bool has_client(int listener)
{
	struct sockaddr_un address;
	socklen_t length = sizeof(address);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	return getsockname(listener, (struct sockaddr *)&address, &length) == 0 &&
	       connect(fd, (struct sockaddr *)&address, length) == 0;
}

static bool cannot_listen(int type)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	return fd >= 0 && bind(fd, (struct sockaddr *)&any, sizeof(any)) == 0 &&
	       listen(fd, 1) < 0 && errno == EPERM;
}

static sem_t filtered;
static bool thread_is_refused;

static void *try_in_thread(void *user)
{
	(void)user;
	sem_wait(&filtered);
	thread_is_refused = cannot_listen(SOCK_STREAM);
	return NULL;
}

static int forbid(void)
{
	int control = make_listener("control"), other = make_listener("other");
	struct lw_error error;
	pthread_t thread;
	int r;

	sem_init(&filtered, 0, 0);
	if (control < 0 || other < 0 || !has_client(control) || !has_client(other) ||
	    pthread_create(&thread, NULL, try_in_thread, NULL) != 0)
		return 1;
	r = privileges_forbid_listening(control, &error);
	if (r == -ENOTSUP)
		return 77;
	if (r < 0)
		return 2;
	sem_post(&filtered);
	pthread_join(thread, NULL);
	if (!thread_is_refused)
		return 3;
	if (!cannot_listen(SOCK_STREAM))
		return 4;
	if (accept4(other, NULL, NULL, SOCK_CLOEXEC) >= 0 || errno != EPERM)
		return 5;
	if (accept4(control, NULL, NULL, SOCK_CLOEXEC) < 0)
		return 6;
	if (syscall(SYS_io_uring_setup, 1, NULL) >= 0 || errno != EPERM)
		return 7;
	/* What a tunnel does goes on: it dials, and starts programs, which cannot listen either. */
	if (!has_client(other))
		return 8;
	if (in_child(harden) != 0)
		return 9;
	if (fork() == 0)
		_exit(cannot_listen(SOCK_STREAM) ? 0 : 1);
	return wait(&r) > 0 && WIFEXITED(r) && !WEXITSTATUS(r) ? 0 : 10;
}

static void privileges_forbid_listening__every_way__refused_but_the_control_socket(void **state)
{
	int result = in_child(forbid);

	(void)state;
	if (result == 77)
		skip();
	assert_int_equal(result, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(privileges_harden__any_user__done),
		cmocka_unit_test(privileges_drop__root__only_what_is_kept),
		cmocka_unit_test(privileges_drop__no_capabilities__fine),
		cmocka_unit_test(
			privileges_forbid_listening__every_way__refused_but_the_control_socket),
	};

	return cmocka_run_group_tests_name("program/privileges", tests, NULL, NULL);
}
