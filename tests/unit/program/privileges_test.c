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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(privileges_harden__any_user__done),
		cmocka_unit_test(privileges_drop__root__only_what_is_kept),
		cmocka_unit_test(privileges_drop__no_capabilities__fine),
	};

	return cmocka_run_group_tests_name("program/privileges", tests, NULL, NULL);
}
