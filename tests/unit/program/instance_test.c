/* SPDX-License-Identifier: MIT */
/* Instances: names, locks that two cannot have, and nothing left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <longwire/error.h>

#include "base/memory.h"
#include "program/instance.h"

static char folder[64];
static struct instance_roots roots;

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/longwire-instance-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	roots = (struct instance_roots){ .n = 1 };
	snprintf(roots.paths[0], INSTANCE_PATH_SIZE, "%s/run", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder); /* fails if a test left anything */
}

static const char *in_folder(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void touch(const char *name, mode_t mode)
{
	int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_EXCL, mode);

	assert_true(fd >= 0);
	close(fd);
}

static void instance_name__files__stems(void **state)
{
	static const struct {
		const char *file, *given, *name; /* name NULL: refused */
	} cases[] = {
		{ "office.yaml", NULL, "office" },
		{ "/etc/longwire/office.yaml", NULL, "office" },
		{ "./a.b.yaml", NULL, "a.b" },
		{ "plain", NULL, "plain" },
		{ "dir.d/plain", NULL, "plain" },
		{ "office.yaml", "other", "other" },
		{ ".yaml", NULL, NULL },
		{ "dir/", NULL, NULL },
		{ "with blank.yaml", NULL, NULL },
		{ "-x.yaml", NULL, NULL },
		{ "office.yaml", "", NULL },
		{ "office.yaml", "../x", NULL },
		{ "office.yaml", "..", NULL },
		{ "office.yaml", "a/b", NULL },
		{ "x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" },
		{ "x", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char name[INSTANCE_NAME_SIZE] = "untouched";
		int r = instance_name(cases[i].file, cases[i].given, name, NULL);

		assert_int_equal(r, cases[i].name ? 0 : -EINVAL);
		assert_string_equal(name, cases[i].name ? cases[i].name : "untouched");
	}
}

static void instance_open__twice__second_refused(void **state)
{
	struct instance *first, *second = NULL;
	struct lw_error error;
	char pid[32];

	(void)state;
	assert_int_equal(instance_open(&roots, "a", &first, &error), 0);
	assert_int_equal(instance_open(&roots, "a", &second, &error), -EBUSY);
	snprintf(pid, sizeof(pid), "process %d", (int)getpid());
	assert_non_null(strstr(error.text, pid));
	assert_null(second);
	instance_close(first);
	assert_int_equal(instance_open(&roots, "a", &second, &error), 0);
	instance_close(second);
}

static void instance_open__two_names__both(void **state)
{
	struct instance *first, *second;

	(void)state;
	assert_int_equal(instance_open(&roots, "a", &first, NULL), 0);
	assert_int_equal(instance_open(&roots, "b", &second, NULL), 0);
	instance_close(first);
	instance_close(second);
}

static void instance_open__modes__private_under_public(void **state)
{
	struct instance *instance;
	mode_t mask = umask(077);
	struct stat st;

	(void)state;
	assert_int_equal(instance_open(&roots, "a", &instance, NULL), 0);
	umask(mask);
	assert_int_equal(stat(in_folder("run"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0755);
	assert_int_equal(stat(in_folder("run/a"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);
	assert_int_equal(stat(in_folder("run/a/lock"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	instance_close(instance);
}

static void instance_open__stale_files__replaced(void **state)
{
	struct instance *instance;

	(void)state;
	assert_int_equal(mkdir(in_folder("run"), 0755), 0);
	assert_int_equal(mkdir(in_folder("run/a"), 0700), 0);
	touch("run/a/lock", 0600);
	touch("run/a/control", 0600);
	assert_int_equal(instance_open(&roots, "a", &instance, NULL), 0);
	assert_int_equal(access(in_folder("run/a/control"), F_OK), -1);
	instance_close(instance);
}

static void instance_open__killed_holder__lock_is_free(void **state)
{
	struct instance *instance;
	pid_t child = fork();
	int status;

	(void)state;
	if (child == 0)
		_exit(instance_open(&roots, "a", &instance, NULL) == 0 ? 0 : 1);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(access(in_folder("run/a/lock"), F_OK), 0);
	assert_int_equal(instance_open(&roots, "a", &instance, NULL), 0);
	instance_close(instance);
}

static void instance_open__first_root_missing__second_taken(void **state)
{
	struct instance *instance;

	(void)state;
	roots.n = 2;
	memcpy(roots.paths[1], roots.paths[0], INSTANCE_PATH_SIZE);
	snprintf(roots.paths[0], INSTANCE_PATH_SIZE, "%s/not/there", folder);
	assert_int_equal(instance_open(&roots, "a", &instance, NULL), 0);
	assert_int_equal(strncmp(instance_socket(instance), roots.paths[1], strlen(roots.paths[1])),
			 0);
	instance_close(instance);
}

static void instance_open__folder_of_others__refused(void **state)
{
	struct instance *instance = NULL;
	struct lw_error error;

	(void)state;
	assert_int_equal(mkdir(in_folder("run"), 0755), 0);
	assert_int_equal(chmod(in_folder("run"), 0777), 0);
	assert_true(instance_open(&roots, "a", &instance, &error) < 0);
	assert_non_null(strstr(error.text, "can be written by others"));
	assert_int_equal(chmod(in_folder("run"), 0755), 0);
	assert_int_equal(symlink("/tmp", in_folder("run/a")), 0);
	assert_true(instance_open(&roots, "a", &instance, &error) < 0);
	assert_null(instance);
	unlink(in_folder("run/a"));
	rmdir(in_folder("run"));
}

static void instance_list__running_and_stale__running_only(void **state)
{
	struct instance_found found[8];
	struct instance *a, *b;
	size_t hidden;

	(void)state;
	assert_int_equal(instance_list(&roots, found, 8, &hidden), 0);
	assert_int_equal(instance_open(&roots, "b", &b, NULL), 0);
	assert_int_equal(instance_open(&roots, "a", &a, NULL), 0);
	assert_int_equal(mkdir(in_folder("run/stale"), 0700), 0);
	touch("run/stale/lock", 0600);
	assert_int_equal(instance_list(&roots, found, 8, &hidden), 2);
	assert_string_equal(found[0].name, "a");
	assert_string_equal(found[1].name, "b");
	assert_string_equal(found[0].socket, instance_socket(a));
	assert_int_equal(hidden, 0);
	assert_int_equal(instance_list(&roots, found, 1, &hidden), 1);
	unlink(in_folder("run/stale/lock"));
	rmdir(in_folder("run/stale"));
	instance_close(a);
	instance_close(b);
}

enum { ROUNDS = 300 };

static atomic_int holders, opened;

/* Open and close as fast as it goes; at no time may two hold the name. */
static void *contend(void *user)
{
	(void)user;
	for (int i = 0; i < ROUNDS; i++) {
		struct instance *instance;
		int r = instance_open(&roots, "a", &instance, NULL);

		if (r < 0)
			continue;
		if (atomic_fetch_add(&holders, 1) != 0)
			return &holders;
		atomic_fetch_add(&opened, 1);
		atomic_fetch_sub(&holders, 1);
		instance_close(instance);
	}
	return NULL;
}

static void instance_open__contended__one_at_a_time(void **state)
{
	pthread_t threads[3];
	void *result;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
		assert_int_equal(pthread_create(&threads[i], NULL, contend, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
		pthread_join(threads[i], &result);
		assert_null(result);
	}
	assert_true(atomic_load(&opened) > 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instance_name__files__stems),
		TEST(instance_open__twice__second_refused),
		TEST(instance_open__two_names__both),
		TEST(instance_open__modes__private_under_public),
		TEST(instance_open__stale_files__replaced),
		TEST(instance_open__killed_holder__lock_is_free),
		TEST(instance_open__first_root_missing__second_taken),
		TEST(instance_open__folder_of_others__refused),
		TEST(instance_list__running_and_stale__running_only),
		TEST(instance_open__contended__one_at_a_time),
	};

	return cmocka_run_group_tests_name("program/instance", tests, NULL, NULL);
}
