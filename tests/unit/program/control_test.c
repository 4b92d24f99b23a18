/* SPDX-License-Identifier: MIT */
/* The control socket: every verb, and clients that talk too much, too little, too many at once, or
 * should not be there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
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
#include "program/control_client.h"

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

static void do_flush(struct control_call *call, const struct tree *request, void *user)
{
	(void)request;
	(void)user;
	if (flush_result < 0)
		control_refuse(call, "%s", strerror(-flush_result));
	else
		control_reply(call, NULL, NULL);
}

static void do_stop(struct control_call *call, const struct tree *request, void *user)
{
	(void)request;
	(void)user;
	n_stops++;
	control_reply(call, NULL, NULL);
}

/* Verbs that answer when the test wants it, take descriptors, and tell events. */
static struct control_call *waiting;
static struct control_stream *stream;
static int n_gone, taken = -1;

static void do_wait(struct control_call *call, const struct tree *request, void *user)
{
	(void)user;
	assert_string_equal(tree_get_text(request, "verb"), "wait");
	assert_null(waiting);
	waiting = call;
}

static void do_take(struct control_call *call, const struct tree *request, void *user)
{
	(void)request;
	(void)user;
	taken = control_take_descriptor(call);
	assert_int_equal(control_take_descriptor(call), -1);
	control_reply(call, NULL, NULL);
}

static void do_leave(struct control_call *call, const struct tree *request, void *user)
{
	(void)request;
	(void)user;
	control_reply(call, NULL, NULL);
}

static void count_gone(void *user)
{
	assert_ptr_equal(user, &n_gone);
	n_gone++;
	stream = NULL;
}

static void do_stream(struct control_call *call, const struct tree *request, void *user)
{
	struct control_stream *opened = control_stream(call, count_gone, &n_gone);

	(void)request;
	(void)user;
	if (opened)
		stream = opened;
}

static const struct control_verb verbs[] = {
	{ .name = "capture-flush", .run = do_flush },
	{ .name = "stop", .run = do_stop },
};

static const struct control_verb more_verbs[] = {
	{ .name = "wait", .run = do_wait },
	{ .name = "take", .run = do_take, .takes_descriptor = true },
	{ .name = "leave", .run = do_leave, .takes_descriptor = true },
	{ .name = "stream", .run = do_stream },
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
	waiting = NULL;
	stream = NULL;
	n_gone = 0;
	if (control_new(loop, path, give_status, NULL, &control, NULL) < 0)
		return -1;
	return control_add_verbs(control, verbs, ARRAY_SIZE(verbs), NULL);
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
	assert_int_equal(control_new(loop, path, give_status, NULL, &second, &error), -EADDRINUSE);
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
		int r = control_request(path, control_ask(verb), 5000, &reply, &error);

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
	assert_int_equal(control_request(path, control_ask("status"), 20, &reply, &error),
			 -ETIMEDOUT);
	assert_null(reply);
	assert_int_equal(control_request("/tmp/longwire-no-such-socket", control_ask("status"), 20,
					 &reply, &error),
			 -ENOENT);
}

/* ---- answers that come later */

static void add_more(void)
{
	assert_int_equal(control_add_verbs(control, more_verbs, ARRAY_SIZE(more_verbs), NULL), 0);
}

static void call__answered_later__client_waits_and_so_does_its_next_request(void **state)
{
	struct tree *value = tree_new(TREE_MAP);
	int fd = dial();

	(void)state;
	add_more();
	say(fd, "{\"verb\":\"wait\"}\n{\"verb\":\"capture-flush\"}\n");
	assert_non_null(waiting);
	advance_ms(10 * CONTROL_PATIENCE_MS);
	assert_silent(fd);
	tree_add_text(value, "said", "so");
	control_reply(take_pointer(waiting), "more", value);
	pump();
	assert_heard(fd, "{\"ok\":true,\"verb\":\"wait\",\"more\":{\"said\":\"so\"}}\n"
			 "{\"ok\":true,\"verb\":\"capture-flush\"}\n");
	say(fd, "{\"verb\":\"wait\"}\n");
	control_refuse(take_pointer(waiting), "it is %d too %s", 1, "late");
	assert_heard(fd, "{\"ok\":false,\"error\":\"it is 1 too late\"}\n");
	advance_ms(CONTROL_PATIENCE_MS);
	assert_ended(fd);
}

static void call__client_gone__answer_goes_nowhere(void **state)
{
	int fd = dial();

	(void)state;
	add_more();
	say(fd, "{\"verb\":\"wait\"}\n");
	close(fd);
	pump();
	control_reply(take_pointer(waiting), "more", tree_new(TREE_MAP));
	fd = dial();
	say(fd, "{\"verb\":\"wait\"}\n");
	close(fd);
	pump();
	assert_null(control_stream(take_pointer(waiting), count_gone, &n_gone));
	assert_int_equal(n_gone, 0);
}

static void call__control_freed__answer_goes_nowhere(void **state)
{
	int fd = dial();

	(void)state;
	add_more();
	say(fd, "{\"verb\":\"wait\"}\n");
	control_free(take_pointer(control));
	control_refuse(take_pointer(waiting), "nobody hears it");
	assert_ended(fd);
}

static void verbs__too_many_tables__refused(void **state)
{
	(void)state;
	for (int i = 2; i < CONTROL_TABLES_MAX; i++)
		add_more();
	assert_int_equal(control_add_verbs(control, more_verbs, 1, NULL), -ENOSPC);
}

/* ---- descriptors */

static void say_with(int fd, const char *text, const int *fds, size_t n)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(4 * sizeof(int))];
	} control_data = { 0 };
	struct iovec data = { .iov_base = (char *)(uintptr_t)text, .iov_len = strlen(text) };
	struct msghdr message = {
		.msg_iov = &data,
		.msg_iovlen = 1,
		.msg_control = &control_data,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};

	control_data.header.cmsg_len = CMSG_LEN(n * sizeof(int));
	control_data.header.cmsg_level = SOL_SOCKET;
	control_data.header.cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(&control_data.header), fds, n * sizeof(int));
	assert_int_equal(sendmsg(fd, &message, MSG_NOSIGNAL), strlen(text));
	pump();
}

/* Whether nobody but the test holds the write end whose read end this is. */
static bool is_hung_up(int read_end)
{
	char byte;

	return read(read_end, &byte, 1) == 0;
}

static void descriptor__with_a_request__given_to_its_verb(void **state)
{
	int fd = dial(), ends[2];

	(void)state;
	add_more();
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	say_with(fd, "{\"verb\":", &ends[1], 1);
	say(fd, "\"take\"}\n{\"verb\":\"take\"}\n");
	assert_heard(fd, "\"ok\":true");
	assert_int_equal(taken, -1); /* the second request brought none */
	say_with(fd, "{\"verb\":\"take\"}\n", &ends[1], 1);
	close(ends[1]);
	assert_true(taken >= 0);
	assert_int_equal(write(taken, "x", 1), 1);
	close(taken);
	close(ends[0]);
	close(fd);
}

static void descriptor__not_taken__closed(void **state)
{
	static const char *const texts[] = { "{\"verb\":\"leave\"}\n",
					     "{\"verb\":\"wait\"}\n",
					     "{\"verb\":\"no\"}\n",
					     "{}\n",
					     "[\n",
					     "{" };
	static const char *const answers[] = { "\"ok\":true", "takes no descriptor", "unknown verb",
					       "says its",    "\"ok\":false",        NULL };

	(void)state;
	add_more();
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		int fd = dial(), ends[2];

		assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
		say_with(fd, texts[i], &ends[1], 1);
		close(ends[1]);
		if (answers[i])
			assert_heard(fd, answers[i]);
		close(fd);
		pump();
		assert_true(is_hung_up(ends[0]));
		close(ends[0]);
	}
	assert_null(waiting);
}

static void descriptor__several__told_ended_and_closed(void **state)
{
	(void)state;
	add_more();
	for (size_t i = 0; i < 2; i++) {
		int fd = dial(), ends[2];

		assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
		if (i == 0) {
			say_with(fd, "{\"verb\":\"take\"}\n", (int[]){ ends[1], ends[1] }, 2);
		} else {
			say_with(fd, "{\"verb\":", &ends[1], 1);
			say_with(fd, "\"take\"}\n", &ends[1], 1);
		}
		close(ends[1]);
		assert_heard(fd, "one descriptor at most");
		assert_ended(fd);
		assert_true(is_hung_up(ends[0]));
		close(ends[0]);
	}
}

/* ---- streams */

static void tell(const char *text)
{
	struct tree *event = tree_new(TREE_MAP);

	tree_add_text(event, "event", text);
	control_tell(stream, event);
	tree_free(event);
}

static void stream__told__heard_until_the_client_goes(void **state)
{
	int fd = dial();

	(void)state;
	add_more();
	say(fd, "{\"verb\":\"stream\"}\n");
	assert_heard(fd, "{\"ok\":true,\"verb\":\"stream\"}\n");
	tell("one");
	assert_heard(fd, "{\"event\":\"one\"}\n");
	advance_ms(10 * CONTROL_PATIENCE_MS);
	say(fd, "{\"verb\":\"stream\"}\n");
	assert_heard(fd, "has its events already");
	say(fd, "{\"verb\":\"capture-flush\"}\n");
	assert_heard(fd, "\"ok\":true");
	control_publish(control); /* of the state: it did not ask for that */
	assert_silent(fd);
	assert_int_equal(n_gone, 0);
	close(fd);
	tell("to nobody");
	assert_int_equal(n_gone, 0);
	pump();
	assert_int_equal(n_gone, 1);
}

static void stream__ended_by_us__client_hears_all_and_the_end(void **state)
{
	int fd = dial();

	(void)state;
	add_more();
	say(fd, "{\"verb\":\"stream\"}\n");
	tell("last");
	control_stream_end(stream);
	assert_heard(fd, "{\"event\":\"last\"}\n");
	assert_ended(fd);
	assert_int_equal(n_gone, 0);
}

static void stream__control_freed__gone(void **state)
{
	int fd = dial();

	(void)state;
	add_more();
	say(fd, "{\"verb\":\"stream\"}\n");
	control_free(take_pointer(control));
	assert_int_equal(n_gone, 1);
	close(fd);
}

static void stream__unread__gone_from_the_loop(void **state)
{
	char *padding = calloc(1, 1000001);
	int fd = dial();

	(void)state;
	add_more();
	assert_non_null(padding);
	memset(padding, 'x', 1000000);
	say(fd, "{\"verb\":\"stream\"}\n");
	for (int i = 0; i < 8; i++)
		tell(padding);
	assert_int_equal(n_gone, 0);
	pump();
	assert_int_equal(n_gone, 1);
	free(padding);
	close(fd);
}

/* ---- the asking side */

static void control_peer__stream__reply_then_events(void **state)
{
	struct control_peer *peer = NULL;
	struct tree *request = control_ask("stream"), *line = NULL;
	struct lw_error error;

	(void)state;
	add_more();
	assert_int_equal(control_dial(path, &peer, &error), 0);
	assert_int_equal(control_say(peer, request, -1, &error), 0);
	assert_int_equal(control_hear(peer, 0, &line, &error), -ETIMEDOUT);
	pump();
	tell("one");
	tell("two");
	assert_false(control_has_heard(peer));
	assert_int_equal(control_hear(peer, 0, &line, &error), 0);
	assert_string_equal(tree_get_text(line, "verb"), "stream");
	tree_free(line);
	assert_true(control_has_heard(peer));
	assert_int_equal(control_hear(peer, 0, &line, &error), 0);
	assert_string_equal(tree_get_text(line, "event"), "one");
	tree_free(line);
	assert_int_equal(control_hear(peer, -1, &line, &error), 0);
	assert_string_equal(tree_get_text(line, "event"), "two");
	tree_free(line);
	assert_int_equal(control_say(peer, request, -1, &error), 0);
	pump();
	assert_int_equal(control_hear(peer, 0, &line, &error), -EPERM);
	assert_non_null(strstr(error.text, "has its events already"));
	control_stream_end(stream);
	pump();
	assert_int_equal(control_hear(peer, -1, &line, &error), -ECONNRESET);
	control_hang_up(peer);
	tree_free(request);
}

static void control_peer__descriptor__sent_along(void **state)
{
	struct control_peer *peer = NULL;
	struct tree *request = control_ask("take");
	int ends[2];

	(void)state;
	add_more();
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_int_equal(control_dial(path, &peer, NULL), 0);
	assert_int_equal(control_say(peer, request, ends[1], NULL), 0);
	pump();
	assert_true(taken >= 0);
	close(taken);
	close(ends[0]);
	close(ends[1]);
	control_hang_up(peer);
	tree_free(request);
}

static void control_peer__request_too_long__refused(void **state)
{
	struct control_peer *peer = NULL;
	struct tree *request = control_ask("status");
	char text[CONTROL_REQUEST_MAX];
	struct lw_error error;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	tree_add_text(request, "text", text);
	assert_int_equal(control_dial(path, &peer, NULL), 0);
	assert_int_equal(control_say(peer, request, -1, &error), -EMSGSIZE);
	assert_non_null(strstr(error.text, "4095 are allowed"));
	control_hang_up(peer);
	tree_free(request);
	pump();
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
		TEST(call__answered_later__client_waits_and_so_does_its_next_request),
		TEST(call__client_gone__answer_goes_nowhere),
		TEST(call__control_freed__answer_goes_nowhere),
		TEST(verbs__too_many_tables__refused),
		TEST(descriptor__with_a_request__given_to_its_verb),
		TEST(descriptor__not_taken__closed),
		TEST(descriptor__several__told_ended_and_closed),
		TEST(stream__told__heard_until_the_client_goes),
		TEST(stream__ended_by_us__client_hears_all_and_the_end),
		TEST(stream__control_freed__gone),
		TEST(stream__unread__gone_from_the_loop),
		TEST(control_peer__stream__reply_then_events),
		TEST(control_peer__descriptor__sent_along),
		TEST(control_peer__request_too_long__refused),
		TEST(control_request__served__reply_or_reason),
		TEST(control_request__nobody_answers__gives_up),
	};

	return cmocka_run_group_tests_name("program/control", tests, NULL, NULL);
}
