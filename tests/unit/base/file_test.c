/* SPDX-License-Identifier: MIT */
/* Files: what is refused, how it is said, and that a failed creation leaves nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"

static char folder[64];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "%s", "/tmp/longwire-file-XXXXXX");
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink("f");
	unlink("g");
	return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void put(const char *path, mode_t mode, const char *text)
{
	assert_int_equal(file_create(path, mode, text, strlen(text), NULL), 0);
}

static int get(size_t max, enum file_trust trust, struct lw_error *error)
{
	char *data = NULL;
	size_t length = 0;
	int r = file_read("f", max, trust, &data, &length, error);

	if (r == 0)
		assert_int_equal(strlen(data), length);
	free(data);
	return r;
}

static void file__created__read_back_with_exact_mode_and_terminated(void **state)
{
	mode_t old = umask(0077);
	char *data = NULL;
	size_t length = 0;
	struct stat st;

	(void)state;
	put("f", 0644, "hello");
	umask(old);
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0644);
	assert_int_equal(file_read("f", 5, FILE_CONFIG, &data, &length, NULL), 0);
	assert_int_equal(length, 5);
	assert_string_equal(data, "hello");
	free(data);
}

static void file_read__empty__empty_string(void **state)
{
	(void)state;
	put("f", 0600, "");
	assert_int_equal(get(0, FILE_SECRET, NULL), 0);
}

static void file_read__one_byte_above_the_limit__refused(void **state)
{
	struct lw_error error;

	(void)state;
	put("f", 0600, "hello");
	assert_int_equal(get(5, FILE_ANY, NULL), 0);
	assert_int_equal(get(4, FILE_ANY, &error), -EFBIG);
	assert_string_equal(error.text, "f: is larger than the 4 bytes allowed");
}

static void file_read__modes__judged_by_trust(void **state)
{
	static const struct {
		mode_t mode;
		int any, config, secret;
	} rows[] = {
		{ 0600, 0, 0, 0 },           { 0400, 0, 0, 0 },
		{ 0640, 0, 0, -EPERM },      { 0604, 0, 0, -EPERM },
		{ 0644, 0, 0, -EPERM },      { 0610, 0, 0, -EPERM },
		{ 0620, 0, -EPERM, -EPERM }, { 0602, 0, -EPERM, -EPERM },
		{ 0666, 0, -EPERM, -EPERM },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lw_error error;

		put("f", rows[i].mode, "key");
		assert_int_equal(get(9, FILE_ANY, NULL), rows[i].any);
		assert_int_equal(get(9, FILE_CONFIG, &error), rows[i].config);
		assert_int_equal(get(9, FILE_SECRET, &error), rows[i].secret);
		if (rows[i].secret < 0)
			assert_memory_equal(error.text, "f: ", 3);
		unlink("f");
	}
}

static void file_read__owned_by_another__refused_unless_any(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	put("f", 0600, "key");
	assert_int_equal(chown("f", 12345, 12345), 0);
	assert_int_equal(get(9, FILE_ANY, NULL), 0);
	assert_int_equal(get(9, FILE_CONFIG, NULL), -EPERM);
	assert_int_equal(get(9, FILE_SECRET, NULL), -EPERM);
}

static void file_read__symbolic_link__refused_for_a_secret_only(void **state)
{
	struct lw_error error;

	(void)state;
	put("g", 0600, "key");
	assert_int_equal(symlink("g", "f"), 0);
	assert_int_equal(get(9, FILE_ANY, NULL), 0);
	assert_int_equal(get(9, FILE_CONFIG, NULL), 0);
	assert_int_equal(get(9, FILE_SECRET, &error), -ELOOP);
	assert_string_equal(error.text, "f: is a symbolic link; a secret must be the file itself");
}

static void file_read__fifo_folder_and_nothing__refused_at_once(void **state)
{
	struct lw_error error;

	(void)state;
	assert_int_equal(get(9, FILE_ANY, &error), -ENOENT);
	assert_string_equal(error.text, "f: No such file or directory");
	assert_int_equal(mkfifo("f", 0600), 0);
	assert_int_equal(get(9, FILE_ANY, &error), -EINVAL);
	assert_string_equal(error.text, "f: is not a regular file");
	unlink("f");
	assert_int_equal(mkdir("f", 0700), 0);
	assert_int_equal(get(9, FILE_SECRET, &error), -EINVAL);
	rmdir("f");
}

static void file_read__failure__outputs_untouched(void **state)
{
	char *data = folder;
	size_t length = 77;

	(void)state;
	assert_int_equal(file_read("f", 9, FILE_ANY, &data, &length, NULL), -ENOENT);
	assert_ptr_equal(data, folder);
	assert_int_equal(length, 77);
}

static void file_create__existing_file_or_link__left_alone(void **state)
{
	struct stat st;

	(void)state;
	put("f", 0600, "old");
	assert_int_equal(file_create("f", 0600, "newer", 5, NULL), -EEXIST);
	assert_int_equal(stat("f", &st), 0);
	assert_int_equal(st.st_size, 3);
	unlink("f");
	assert_int_equal(symlink("g", "f"), 0);
	assert_int_equal(file_create("f", 0600, "x", 1, NULL), -EEXIST);
	assert_int_equal(access("g", F_OK), -1);
}

static void file_create__write_that_fails__nothing_left(void **state)
{
	struct rlimit old, tiny;
	struct lw_error error;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	tiny = old;
	tiny.rlim_cur = 2;
	setrlimit(RLIMIT_FSIZE, &tiny);
	assert_int_equal(file_create("f", 0600, "hello", 5, &error), -EFBIG);
	setrlimit(RLIMIT_FSIZE, &old);
	assert_int_equal(access("f", F_OK), -1);
}

int main(void)
{
#define FILE_TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
	static const struct CMUnitTest tests[] = {
		FILE_TEST(file__created__read_back_with_exact_mode_and_terminated),
		FILE_TEST(file_read__empty__empty_string),
		FILE_TEST(file_read__one_byte_above_the_limit__refused),
		FILE_TEST(file_read__modes__judged_by_trust),
		FILE_TEST(file_read__owned_by_another__refused_unless_any),
		FILE_TEST(file_read__symbolic_link__refused_for_a_secret_only),
		FILE_TEST(file_read__fifo_folder_and_nothing__refused_at_once),
		FILE_TEST(file_read__failure__outputs_untouched),
		FILE_TEST(file_create__existing_file_or_link__left_alone),
		FILE_TEST(file_create__write_that_fails__nothing_left),
	};

	return cmocka_run_group_tests_name("base/file", tests, NULL, NULL);
}
