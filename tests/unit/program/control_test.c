/* SPDX-License-Identifier: MIT */
/* The control socket: every verb, and clients that talk too much, too little, too many at once, or
 * should not be there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <longwire/error.h>
#include <longwire/loop.h>

#include "base/memory.h"
#include "base/tree.h"
#include "program/control.h"

static char folder[64], path[96];
static uint64_t fake_ns;
static struct lw_loop *loop;
static struct control *control;
static int n_stops, flush_result;
static size_t status_padding;

static uint64_t fake_clock(void *user)
{
	(void)user;
	return fake_ns;
}

static int give_status(void *user, struct tree **ret_status)
{
	struct tree *status = tree_new(TREE_MAP);
	char *padding = calloc(1, status_padding + 1);

	(void)user;
	assert_non_null(padding);
	memset(padding, 'x', status_padding);
	tree_add_text(status, "name", "office");
	tree_add_text(status, "padding", padding);
	free(padding);
	*ret_status = status;
	return 0;
}

static int give_flush(void *user)
{
	(void)user;
	return flush_result;
}

static void count_stop(void *user)
{
	(void)user;
	n_stops++;
}

static const struct control_ops ops = {
	.status = give_status,
	.capture_flush = give_flush,
	.stop = count_stop,
};

static int make_control(void **state)
{
	static const struct lw_loop_options options = { .size = sizeof(options),
							.now_ns = fake_clock };

	(void)state;
	fake_ns = 1;
	n_stops = flush_result = 0;
	status_padding = 0;
	snprintf(folder, sizeof(folder), "/tmp/longwire-control-XXXXXX");
	if (!mkdtemp(folder) || lw_loop_new(&options, &loop) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/control", folder);
	return control_new(loop, path, &ops, NULL, &control, NULL);
}

static int free_control(void **state)
{
	(void)state;
	control_free(control);
	lw_loop_free(loop);
	unlink(path);
	return rmdir(folder);
}

static void pump(void)
{
	while (lw_loop_dispatch(loop) > 0)
		;
}

static int dial(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	memcpy(address.sun_path, path, strlen(path));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	pump();
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	pump();
}

/* What has come, as text. Return: bytes; 0 at the end; -1: nothing yet. */
static ssize_t hear(int fd, char text[1024])
{
	ssize_t n;

	pump();
	n = recv(fd, text, 1023, MSG_DONTWAIT);
	text[n > 0 ? n : 0] = '\0';
	return n;
}

static void assert_heard(int fd, const char *expected)
{
	char text[1024];

	assert_true(hear(fd, text) > 0);
	if (!strstr(text, expected))
		fail_msg("heard %s, not %s", text, expected);
}

static void assert_silent(int fd)
{
	char text[1024];

	assert_int_equal(hear(fd, text), -1);
	assert_int_equal(errno, EAGAIN);
}

static void assert_ended(int fd)
{
	char text[1024];

	assert_true(hear(fd, text) == 0 || errno == ECONNRESET);
	close(fd);
}

static void control_new__socket__ours_alone(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void control_new__path_taken__refused(void **state)
{
	struct control *second = NULL;
	struct lw_error error;

	(void)state;
	assert_int_equal(control_new(loop, path, &ops, NULL, &second, &error), -EADDRINUSE);
	assert_null(second);
}

static void request__verbs__answered(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"verb\":\"status\"}\n");
	assert_heard(fd, "{\"ok\":true,\"verb\":\"status\",\"status\":{\"name\":\"office\","
			 "\"padding\":\"\"}}\n");
	say(fd, "{\"verb\":\"capture-flush\"}\n");
	assert_heard(fd, "{\"ok\":true,\"verb\":\"capture-flush\"}\n");
	flush_result = -ENOSPC;
	say(fd, "{\"verb\":\"capture-flush\"}\n");
	assert_heard(fd, "{\"ok\":false,\"error\":\"No space left on device\"}\n");
	assert_int_equal(n_stops, 0);
	say(fd, "{\"verb\":\"stop\"}\n");
	assert_heard(fd, "{\"ok\":true,\"verb\":\"stop\"}\n");
	assert_int_equal(n_stops, 1);
	close(fd);
}

static void request__unknown_or_missing_verb__told_and_kept(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"verb\":\"explode\"}\n");
	assert_heard(fd, "\"ok\":false,\"error\":\"unknown verb");
	say(fd, "{}\n");
	assert_heard(fd, "a request says its");
	say(fd, "{\"verb\":[\"status\"]}\n");
	assert_heard(fd, "a request says its");
	say(fd, "{\"verb\":\"status\"}\n");
	assert_heard(fd, "\"ok\":true");
	close(fd);
}

static void request__no_json__told_and_ended(void **state)
{
	static const char *const lines[] = { "\n", "status\n", "[1]\n", "{\"verb\":\"status\"\n",
					     "{\"verb\":\"stop\",\"verb\":\"stop\"}\n" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
		int fd = dial();

		say(fd, lines[i]);
		assert_heard(fd, "\"ok\":false");
		assert_ended(fd);
	}
	assert_int_equal(n_stops, 0);
}

static void request__byte_by_byte__answered_once(void **state)
{
	static const char request[] = "{\"verb\":\"capture-flush\"}\n";
	int fd = dial();

	(void)state;
	for (size_t i = 0; request[i]; i++) {
		assert_silent(fd);
		say(fd, (char[]){ request[i], '\0' });
	}
	assert_heard(fd, "\"ok\":true");
	assert_silent(fd);
	close(fd);
}

static void request__several_at_once__each_answered_in_order(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"verb\":\"capture-flush\"}\n{\"verb\":\"no\"}\n{\"verb\":\"capture-flush\"}\n");
	assert_heard(fd, "{\"ok\":true,\"verb\":\"capture-flush\"}\n{\"ok\":false,\"error\":"
			 "\"unknown verb; known are status, observe, capture-flush, stop\"}\n"
			 "{\"ok\":true,\"verb\":\"capture-flush\"}\n");
	close(fd);
}

/* A line of length bytes, its end included, that is a request with much blank in it. */
static char *long_line(size_t length)
{
	static const char request[] = "{\"verb\":\"capture-flush\"}";
	char *line = malloc(length + 1);

	assert_non_null(line);
	memset(line, ' ', length);
	memcpy(line, request, sizeof(request) - 1);
	line[length - 1] = '\n';
	line[length] = '\0';
	return line;
}

static void request__longest__answered(void **state)
{
	char *line = long_line(CONTROL_REQUEST_MAX);
	int fd = dial();

	(void)state;
	say(fd, line);
	assert_heard(fd, "\"ok\":true");
	free(line);
	close(fd);
}

static void request__too_long__told_and_ended(void **state)
{
	char *line = long_line(CONTROL_REQUEST_MAX + 1);
	int fd = dial();

	(void)state;
	say(fd, line);
	assert_heard(fd, "longer than 4096 bytes");
	assert_ended(fd);
	free(line);
}

static void clients__one_too_many__turned_away(void **state)
{
	int fds[CONTROL_CLIENTS_MAX], extra;

	(void)state;
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		fds[i] = dial();
	extra = dial();
	assert_heard(extra, "too many are connected");
	assert_ended(extra);
	close(fds[3]);
	pump();
	extra = dial();
	say(extra, "{\"verb\":\"status\"}\n");
	assert_heard(extra, "\"ok\":true");
	close(extra);
	for (size_t i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (i != 3)
			close(fds[i]);
}

static void advance_ms(uint64_t ms)
{
	fake_ns += ms * 1000000;
	pump();
}

static void client__says_nothing__dropped_after_patience(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"verb\":");
	advance_ms(CONTROL_PATIENCE_MS - 1);
	assert_silent(fd);
	advance_ms(1);
	assert_ended(fd);
}

static void client__asks_again_in_time__kept(void **state)
{
	int fd = dial();

	(void)state;
	for (int i = 0; i < 3; i++) {
		advance_ms(CONTROL_PATIENCE_MS - 1);
		say(fd, "{\"verb\":\"capture-flush\"}\n");
		assert_heard(fd, "\"ok\":true");
	}
	close(fd);
}

/* Read to the end of what comes. Return: bytes. */
static size_t drain(int fd)
{
	static char buffer[65536];
	size_t total = 0;
	ssize_t n;

	for (;;) {
		pump();
		n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
		if (n <= 0)
			return total;
		total += (size_t)n;
	}
}

static void client__large_answer__arrives_whole(void **state)
{
	int fd = dial();

	(void)state;
	status_padding = 2000000;
	say(fd, "{\"verb\":\"status\"}\n{\"verb\":\"capture-flush\"}\n");
	assert_int_equal(drain(fd),
			 status_padding + strlen("{\"ok\":true,\"verb\":\"status\",\"status\":{"
						 "\"name\":\"office\",\"padding\":\"\"}}\n"
						 "{\"ok\":true,\"verb\":\"capture-flush\"}\n"));
	close(fd);
}

static void client__does_not_take_its_answer__dropped(void **state)
{
	int fd = dial();

	(void)state;
	status_padding = 2000000;
	say(fd, "{\"verb\":\"status\"}\n");
	advance_ms(CONTROL_PATIENCE_MS);
	assert_true(drain(fd) < status_padding);
	close(fd);
}

static void client__answer_above_limit__dropped(void **state)
{
	int fd = dial();

	(void)state;
	status_padding = CONTROL_OUTPUT_MAX + 1000000;
	say(fd, "{\"verb\":\"status\"}\n");
	assert_true(drain(fd) < status_padding);
	assert_ended(fd);
}

static void observe__begins_with_present_state__then_changes(void **state)
{
	int fd = dial(), other = dial();

	(void)state;
	say(fd, "{\"verb\":\"observe\"}\n");
	assert_heard(fd, "{\"ok\":true,\"verb\":\"observe\"}\n{\"event\":\"status\",\"status\":{");
	advance_ms(CONTROL_PATIENCE_MS - 1);
	control_publish(control);
	assert_heard(fd, "{\"event\":\"status\",\"status\":{\"name\":\"office\"");
	assert_silent(other);
	advance_ms(CONTROL_PATIENCE_MS);
	assert_silent(fd);
	assert_ended(other);
	say(fd, "{\"verb\":\"capture-flush\"}\n");
	assert_heard(fd, "\"ok\":true");
	close(fd);
}

static void observe__never_reads__dropped_others_kept(void **state)
{
	int slow = dial(), fast = dial();

	(void)state;
	status_padding = 500000;
	say(slow, "{\"verb\":\"observe\"}\n");
	say(fast, "{\"verb\":\"observe\"}\n");
	for (int i = 0; i < 12; i++) {
		assert_true(drain(fast) > status_padding);
		control_publish(control);
	}
	assert_true(drain(fast) > status_padding);
	assert_true(drain(slow) < 12 * status_padding);
	assert_ended(slow);
	close(fast);
}

static void client__another_user__turned_away(void **state)
{
	pid_t child;
	int status;

	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(path, 0666), 0);
	assert_int_equal(chmod(folder, 0755), 0);
	child = fork();
	if (child == 0) {
		struct sockaddr_un address = { .sun_family = AF_UNIX };
		char text[256];
		ssize_t n;
		int fd = socket(AF_UNIX, SOCK_STREAM, 0);

		memcpy(address.sun_path, path, strlen(path));
		if (setuid(65534) < 0 ||
		    connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
			_exit(2);
		n = recv(fd, text, sizeof(text) - 1, 0);
		text[n > 0 ? n : 0] = '\0';
		_exit(strstr(text, "only root and the instance's own user") ? 0 : 1);
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		pump();
	assert_int_equal(status, 0);
}

/* control_request blocks, so the socket is served by this process and asked by another. */
static int ask_from_child(const char *verb, const char *expected)
{
	pid_t child = fork();
	int status;

	if (child == 0) {
		struct tree *reply;
		struct lw_error error;
		int r = control_request(path, verb, 5000, &reply, &error);

		if (expected)
			_exit(r == 0 && tree_get(reply, expected) ? 0 : 1);
		_exit(r < 0 && strstr(error.text, "unknown verb") ? 0 : 1);
	}
	while (waitpid(child, &status, WNOHANG) == 0)
		pump();
	return status;
}

static void control_request__served__reply_or_reason(void **state)
{
	(void)state;
	status_padding = 300000;
	assert_int_equal(ask_from_child("status", "status"), 0);
	assert_int_equal(ask_from_child("nonsense", NULL), 0);
}

static void control_request__nobody_answers__gives_up(void **state)
{
	struct tree *reply = NULL;
	struct lw_error error;

	(void)state;
	assert_int_equal(control_request(path, "status", 20, &reply, &error), -ETIMEDOUT);
	assert_null(reply);
	assert_int_equal(control_request("/tmp/longwire-no-such-socket", "status", 20, &reply,
					 &error),
			 -ENOENT);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_control, free_control)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(control_new__socket__ours_alone),
		TEST(control_new__path_taken__refused),
		TEST(request__verbs__answered),
		TEST(request__unknown_or_missing_verb__told_and_kept),
		TEST(request__no_json__told_and_ended),
		TEST(request__byte_by_byte__answered_once),
		TEST(request__several_at_once__each_answered_in_order),
		TEST(request__longest__answered),
		TEST(request__too_long__told_and_ended),
		TEST(clients__one_too_many__turned_away),
		TEST(client__says_nothing__dropped_after_patience),
		TEST(client__asks_again_in_time__kept),
		TEST(client__large_answer__arrives_whole),
		TEST(client__does_not_take_its_answer__dropped),
		TEST(client__answer_above_limit__dropped),
		TEST(observe__begins_with_present_state__then_changes),
		TEST(observe__never_reads__dropped_others_kept),
		TEST(client__another_user__turned_away),
		TEST(control_request__served__reply_or_reason),
		TEST(control_request__nobody_answers__gives_up),
	};

	return cmocka_run_group_tests_name("program/control", tests, NULL, NULL);
}
