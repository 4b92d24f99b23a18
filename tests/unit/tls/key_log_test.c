/* SPDX-License-Identifier: MIT */
/* The key log: what is in it, what is refused, and what a full disk does. */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <longwire/error.h>

#include "base/file.h"
#include "tls/key_log.h"

enum { TEXT_MAX = 4096 };

#define RANDOM_HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
#define LINE       "CLIENT_RANDOM " RANDOM_HEX " a0ff\n"

static char folder[40], path[80];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/longwire-keys-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/keys", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(folder);
}

static struct key_log *open_log(void)
{
	struct lw_error error = { 0 };
	struct key_log *log;

	if (key_log_open(path, &log, &error))
		fail_msg("%s", error.text);
	return log;
}

static void write_line(struct key_log *log)
{
	static const uint8_t secret[] = { 0xa0, 0xff };
	uint8_t random[KEY_LOG_RANDOM_SIZE];

	for (size_t i = 0; i < sizeof(random); i++)
		random[i] = (uint8_t)i;
	key_log_write(log, "CLIENT_RANDOM", random, secret, sizeof(secret));
}

static void put_file(const char *text, mode_t mode)
{
	assert_int_equal(file_create(path, mode, text, strlen(text), NULL), 0);
}

static void expect_file(const char *expected)
{
	size_t length;
	char *text;

	assert_int_equal(file_read(path, TEXT_MAX, FILE_ANY, &text, &length, NULL), 0);
	assert_string_equal(text, expected);
	free(text);
}

static void expect_counters(const struct key_log *log, uint64_t lines, uint64_t failed, int code)
{
	struct key_log_counters counters;

	key_log_counters(log, &counters);
	assert_int_equal(counters.lines, lines);
	assert_int_equal(counters.failed, failed);
	assert_int_equal(counters.error, code);
}

static void write__new_file__private_and_a_line_each(void **state)
{
	mode_t before = umask(0);
	struct key_log *log = open_log();
	struct stat st;

	(void)state;
	umask(before);
	write_line(log);
	write_line(log);
	expect_counters(log, 2, 0, 0);
	key_log_close(log);
	expect_file(LINE LINE);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void write__old_file__appended(void **state)
{
	struct key_log *log;

	(void)state;
	put_file("# mine\n", 0600);
	log = open_log();
	write_line(log);
	key_log_close(log);
	expect_file("# mine\n" LINE);
}

static void write__file_that_was_cut_short__its_line_is_ended(void **state)
{
	struct key_log *log;

	(void)state;
	put_file("CLIENT_RAN", 0600);
	log = open_log();
	write_line(log);
	key_log_close(log);
	expect_file("CLIENT_RAN\n" LINE);
}

static void write__two_logs_of_one_file__lines_of_both(void **state)
{
	struct key_log *a = open_log(), *b = open_log();

	(void)state;
	write_line(a);
	write_line(b);
	write_line(a);
	key_log_close(a);
	key_log_close(b);
	expect_file(LINE LINE LINE);
}

static void limit_files(rlim_t size)
{
	struct rlimit limit;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void write__no_room__counted_and_later_lines_are_whole(void **state)
{
	struct key_log *log = open_log();

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	write_line(log);
	limit_files(strlen(LINE) + 13);
	write_line(log); /* cut short */
	expect_counters(log, 1, 1, ENOSPC);
	write_line(log); /* nothing of it */
	expect_counters(log, 1, 2, EFBIG);
	limit_files(strlen(LINE) + 14);
	write_line(log); /* the end of the first one alone */
	expect_counters(log, 1, 3, ENOSPC);
	limit_files(RLIM_INFINITY);
	write_line(log);
	expect_counters(log, 2, 3, ENOSPC);
	key_log_close(log);
	expect_file(LINE "CLIENT_RANDOM\n" LINE);
}

static void write__largest_size__nothing_more(void **state)
{
	struct key_log *log = open_log();
	struct stat st;

	(void)state;
	assert_int_equal(truncate(path, KEY_LOG_SIZE_MAX - (off_t)strlen(LINE)), 0);
	write_line(log);
	expect_counters(log, 1, 0, 0);
	write_line(log);
	expect_counters(log, 1, 1, EFBIG);
	key_log_close(log);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, KEY_LOG_SIZE_MAX);
}

static void write__no_log__nothing(void **state)
{
	(void)state;
	write_line(NULL);
	expect_counters(NULL, 0, 0, 0);
	key_log_close(NULL);
}

static void expect_refused(int code, const char *why)
{
	struct lw_error error = { 0 };
	struct key_log *log = NULL;

	assert_int_equal(key_log_open(path, &log, &error), -code);
	assert_null(log);
	assert_non_null(strstr(error.text, path));
	if (!strstr(error.text, why))
		fail_msg("%s", error.text);
}

static void open__open_to_others__refused(void **state)
{
	(void)state;
	put_file("", 0640);
	expect_refused(EPERM, "chmod 600");
	expect_file("");
}

static void open__symbolic_link__refused(void **state)
{
	(void)state;
	assert_int_equal(symlink("elsewhere", path), 0);
	expect_refused(ELOOP, "symbolic link");
}

static void open__fifo_and_folder__refused(void **state)
{
	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_refused(EINVAL, "not a regular file");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	expect_refused(EISDIR, "directory");
	assert_int_equal(rmdir(path), 0);
}

static void open__somebody_elses__refused(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	put_file("", 0600);
	assert_int_equal(chown(path, 12345, 12345), 0);
	expect_refused(EPERM, "belongs to somebody else");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(write__new_file__private_and_a_line_each),
		TEST(write__old_file__appended),
		TEST(write__file_that_was_cut_short__its_line_is_ended),
		TEST(write__two_logs_of_one_file__lines_of_both),
		TEST(write__no_room__counted_and_later_lines_are_whole),
		TEST(write__largest_size__nothing_more),
		TEST(write__no_log__nothing),
		TEST(open__open_to_others__refused),
		TEST(open__symbolic_link__refused),
		TEST(open__fifo_and_folder__refused),
		TEST(open__somebody_elses__refused),
	};

	return cmocka_run_group_tests_name("tls/key_log", tests, NULL, NULL);
}
