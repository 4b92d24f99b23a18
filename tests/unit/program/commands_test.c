/* SPDX-License-Identifier: MIT */
/* The commands as a shell sees them: exit statuses, a hub that runs, answers, refuses a second one,
 * and is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <longwire/error.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/tree.h"
#include "program/command.h"
#include "program/control_client.h"
#include "program/instance.h"

enum { PATIENCE_MS = 20000 };

static char folder[64], name[64], notify_path[96];
static int notify_fd;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

static int make_folder(void **state)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)state;
	snprintf(folder, sizeof(folder), "/tmp/longwire-commands-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(name, sizeof(name), "unit-%d", (int)getpid());
	snprintf(notify_path, sizeof(notify_path), "%s/notify", folder);
	memcpy(address.sun_path, notify_path, strlen(notify_path));
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	setenv("XDG_RUNTIME_DIR", folder, 1);
	return bind(notify_fd, (struct sockaddr *)&address, sizeof(address));
}

static int remove_folder(void **state)
{
	(void)state;
	close(notify_fd);
	return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static const char *in_folder(const char *file)
{
	static char paths[4][160];
	static unsigned turn;

	turn = (turn + 1) % ARRAY_SIZE(paths);
	snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", folder, file);
	return paths[turn];
}

/* Where a child's standard output and error go. */
static void redirect_output(void)
{
	int fd = open(in_folder("output"), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
}

static const char *output(void)
{
	static char text[8192];
	int fd = open(in_folder("output"), O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	close(fd);
	return text;
}

/* A command in a process of its own, which has a network of its own where that is allowed. */
static pid_t start(const char *const *words)
{
	char *argv[20] = { (char *)(uintptr_t) "longwire" };
	pid_t child;
	int argc = 1;

	for (; *words; words++)
		argv[argc++] = (char *)(uintptr_t)*words;
	fflush(NULL);
	child = fork();
	if (child != 0)
		return child;
	setenv("NOTIFY_SOCKET", notify_path, 1);
	redirect_output();
	(void)unshare(CLONE_NEWNET);
	argc = command_main(argc, argv);
	fflush(NULL);
	_exit(argc);
}

static int wait_for(pid_t child)
{
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

#define START(...)  start((const char *const[]){ __VA_ARGS__, NULL })
#define STATUS(...) wait_for(START(__VA_ARGS__))

/* Wait until the service manager was told something that has text in it. */
static void wait_notified(const char *text)
{
	struct pollfd item = { .fd = notify_fd, .events = POLLIN };
	char said[512];

	for (;;) {
		ssize_t n;

		if (poll(&item, 1, PATIENCE_MS) != 1)
			fail_msg("never told %s: %s", text, output());
		n = recv(notify_fd, said, sizeof(said) - 1, 0);
		said[n > 0 ? n : 0] = '\0';
		if (strstr(said, text))
			return;
	}
}

static void write_file(const char *file, const char *text)
{
	FILE *stream = fopen(in_folder(file), "w");

	assert_non_null(stream);
	fputs(text, stream);
	fclose(stream);
	assert_int_equal(chmod(in_folder(file), 0600), 0);
}

/* The files of a hub that needs no privilege, made by the program itself. */
static void make_files(void)
{
	assert_int_equal(STATUS("new", in_folder("conf"), "--hub", "127.0.0.1:1"), PROGRAM_DONE);
	write_file("conf/bare.yaml",
		   "layer: ethernet\nlisten: [\"[::]:58443\"]\nidentity: hub.pem\n");
}

static void commands__wrong_use__two_and_one_line_with_a_hint(void **state)
{
	static const struct {
		const char *words[4], *said;
	} cases[] = {
		{ { NULL }, "no command; try 'longwire --help'" },
		{ { "hup" }, "did you mean \"hub\"?" },
		{ { "frobnicate" }, "unknown command \"frobnicate\"; try 'longwire --help'" },
		{ { "hub" }, "try 'longwire hub --help'" },
		{ { "hub", "a", "b" }, "unexpected argument \"b\"" },
		{ { "version", "x" }, "unexpected argument \"x\"" },
		{ {
			  "up",
			  "f",
			  "--wait",
		  },
		  "--wait needs a value: SECONDS" },
		{ {
			  "up",
			  "f",
			  "--wait=86401",
		  },
		  "from 0 to 86400" },
		{ { "hub", "f", "--once" }, "unknown option --once" },
		{ { "status", "--jason" }, "did you mean --json?" },
		{ { "message" }, "too few arguments: it takes [NAME] TEXT" },
		{ { "up", "f", "--origin=me" }, "takes user, on-demand, boot or api, not \"me\"" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *said;

		assert_int_equal(wait_for(start(cases[i].words)), PROGRAM_USAGE);
		said = output();
		if (!strstr(said, cases[i].said))
			fail_msg("case %zu: %s", i, said);
		assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
	}
}

static void commands__help_and_version__done(void **state)
{
	static const char *const words[] = { "--help", "-h", "help", "--version" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		assert_int_equal(STATUS(words[i]), PROGRAM_DONE);
	for (size_t i = 0; i < command_table_size; i++) {
		assert_int_equal(STATUS(command_table[i].name, "--help"), PROGRAM_DONE);
		assert_non_null(strstr(output(), command_table[i].help));
	}
}

static void commands__bad_configuration__two_with_every_error(void **state)
{
	static const char *const commands[] = { "check", "hub", "up" };

	(void)state;
	write_file("bad.yaml", "layer: carrier-pigeon\nlisten: [\"nowhere\"]\nidentity: x.pem\n");
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		assert_int_equal(STATUS(commands[i], in_folder("bad.yaml")), PROGRAM_USAGE);
		assert_non_null(strstr(output(), "bad.yaml:1:8: layer: "));
		assert_non_null(strstr(output(), "bad.yaml:2:10: listen"));
		assert_int_equal(STATUS(commands[i], in_folder("missing.yaml")), PROGRAM_USAGE);
	}
}

static void commands__file_of_the_other_kind__two_and_the_right_command(void **state)
{
	(void)state;
	make_files();
	assert_int_equal(STATUS("hub", in_folder("conf/client.yaml")), PROGRAM_USAGE);
	assert_non_null(strstr(output(), "use 'longwire up "));
	assert_int_equal(STATUS("up", in_folder("conf/bare.yaml")), PROGRAM_USAGE);
	assert_non_null(strstr(output(), "use 'longwire hub "));
}

static void commands__key_that_others_read__two_before_anything(void **state)
{
	(void)state;
	make_files();
	assert_int_equal(STATUS("check", in_folder("conf/hub.yaml"), in_folder("conf/bare.yaml"),
				in_folder("conf/client.yaml")),
			 PROGRAM_DONE);
	assert_int_equal(chmod(in_folder("conf/hub.pem"), 0640), 0);
	assert_int_equal(STATUS("hub", in_folder("conf/hub.yaml"), "--name", name), PROGRAM_USAGE);
	assert_non_null(strstr(output(), "hub.pem"));
	assert_int_equal(STATUS("check", in_folder("conf/client.yaml"), in_folder("conf/hub.yaml")),
			 PROGRAM_USAGE);
}

/* Ask the running hub for its status. */
static struct tree *ask_status(void)
{
	struct instance_found found[INSTANCE_LIST_MAX];
	struct instance_roots roots;
	struct tree *reply = NULL;
	struct lw_error error;
	size_t hidden, n;

	instance_roots_default(&roots);
	n = instance_list(&roots, found, INSTANCE_LIST_MAX, &hidden);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(found[i].name, name) &&
		    control_request(found[i].socket, control_ask("status"), PATIENCE_MS, &reply,
				    &error) < 0)
			fail_msg("%s", error.text);
	return reply;
}

static void hub__runs__answers_refuses_a_second_and_is_gone(void **state)
{
	struct tree *reply;
	pid_t hub;

	(void)state;
	make_files();
	hub = START("hub", in_folder("conf/bare.yaml"), "--name", name);
	wait_notified("READY=1\nSTATUS=0 of 1 clients connected");
	assert_non_null(strstr(output(), "listening on [::]:58443"));
	reply = ask_status();
	assert_non_null(reply);
	assert_string_equal(tree_get_text(tree_get(reply, "status"), "kind"), "hub");
	assert_string_equal(tree_get_text(tree_get(reply, "status"), "name"), name);
	tree_free(reply);

	assert_int_equal(STATUS("status", name), PROGRAM_DONE);
	assert_non_null(strstr(output(), ": ethernet hub, running"));
	assert_int_equal(STATUS("status", name, "--json"), PROGRAM_DONE);
	assert_non_null(strstr(output(), "\"kind\": \"hub\""));

	assert_int_equal(STATUS("hub", in_folder("conf/bare.yaml"), "--name", name),
			 PROGRAM_FAILED);
	assert_non_null(strstr(output(), "runs already"));

	kill(hub, SIGHUP);
	kill(hub, SIGTERM);
	wait_notified("STOPPING=1");
	assert_int_equal(wait_for(hub), PROGRAM_DONE);
	assert_null(ask_status());
	assert_int_equal(STATUS("status", name), PROGRAM_FAILED);
}

static void hub__second_signal__ends_at_once(void **state)
{
	pid_t hub;

	(void)state;
	make_files();
	hub = START("hub", in_folder("conf/bare.yaml"), "--name", name);
	wait_notified("READY=1");
	kill(hub, SIGINT);
	kill(hub, SIGTERM);
	assert_int_equal(wait_for(hub), PROGRAM_DONE);
	assert_null(ask_status());
}

static void hub__stop_verb__ends(void **state)
{
	char socket_path[256];
	struct tree *reply;
	pid_t hub;

	(void)state;
	make_files();
	hub = START("hub", in_folder("conf/bare.yaml"), "--name", name);
	wait_notified("READY=1");
	snprintf(socket_path, sizeof(socket_path), "/run/longwire/%s/control", name);
	if (access(socket_path, F_OK) < 0)
		snprintf(socket_path, sizeof(socket_path), "%s/longwire/%s/control", folder, name);
	assert_int_equal(
		control_request(socket_path, control_ask("stop"), PATIENCE_MS, &reply, NULL), 0);
	tree_free(reply);
	assert_int_equal(wait_for(hub), PROGRAM_DONE);
}

static const char *control_path(void)
{
	static char path[256];

	snprintf(path, sizeof(path), "/run/longwire/%s/control", name);
	if (access(path, F_OK) < 0)
		snprintf(path, sizeof(path), "%s/longwire/%s/control", folder, name);
	return path;
}

static void wait_output(const char *text)
{
	for (int i = 0; i < PATIENCE_MS / 10 && !strstr(output(), text); i++)
		poll(NULL, 0, 10);
	assert_non_null(strstr(output(), text));
}

static void watch__a_hub__begins_with_the_present_and_ends_with_it(void **state)
{
	static const char *const words[][4] = { { "watch", name }, { "watch", name, "--json" } };
	struct tree *reply;
	pid_t hub, watcher;

	(void)state;
	make_files();
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		hub = START("hub", in_folder("conf/bare.yaml"), "--name", name);
		wait_notified("READY=1");
		assert_int_equal(STATUS("message", name, "hello"), PROGRAM_FAILED);
		assert_non_null(strstr(output(), "unknown verb; known are status, observe"));
		watcher = start(words[i]);
		wait_output(i == 0 ? "running, 0 of 1 clients connected\n" : "{\"name\":\"");
		assert_int_equal(control_request(control_path(), control_ask("stop"), PATIENCE_MS,
						 &reply, NULL),
				 0);
		tree_free(reply);
		assert_int_equal(wait_for(watcher), PROGRAM_DONE);
		if (i == 0)
			assert_non_null(strstr(output(), "the instance has ended"));
		assert_int_equal(wait_for(hub), PROGRAM_DONE);
	}
	assert_int_equal(STATUS("watch", name), PROGRAM_FAILED);
}

/* A request with one more word. Return: the reply, or NULL with the error. */
static struct tree *request_with(const char *verb, const char *key, const char *text,
				 struct lw_error *error)
{
	struct tree *request = control_ask(verb), *reply = NULL;

	tree_add_text(request, key, text);
	return control_request(control_path(), request, PATIENCE_MS, &reply, error) < 0 ? NULL
											: reply;
}

static bool has_libseccomp(void)
{
#ifdef LW_HAVE_SECCOMP
	return true;
#else
	return false;
#endif
}

/* A number of /proc/PID/status. */
static long process_number(pid_t pid, const char *key)
{
	char path[64], line[256];
	long number = -1;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "r");
	assert_non_null(file);
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, key, strlen(key)))
			number = strtol(line + strlen(key), NULL, 10);
	fclose(file);
	return number;
}

/* Of the instance that runs: it lists its verbs to who asks for another one. */
static void assert_verbs_in_manual(void)
{
	char *page, *list, text[32];
	struct lw_error error;
	size_t length, n = 0;

	assert_int_equal(file_read(LW_SOURCE_DIR "/src/program/longwire.8", 1 << 20, FILE_ANY,
				   &page, &length, NULL),
			 0);
	assert_null(request_with("nothing", "text", "", &error));
	list = strstr(error.text, "known are ");
	assert_non_null(list);
	list += strlen("known are ");
	for (char *verb; (verb = strsep(&list, ", ")); n += *verb != '\0') {
		snprintf(text, sizeof(text), "{\"verb\":\"%s\"", verb);
		if (*verb && !strstr(page, text))
			fail_msg("the manual page lacks the verb %s", verb);
	}
	assert_true(n > 8);
	free(page);
}

/* To a hub that is not there: the link comes and goes between connecting and waiting. */
static void up__hub_away__origin_told_messages_answered_reason_taken(void **state)
{
	const struct tree *connection;
	struct lw_error error;
	struct tree *reply;
	pid_t tunnel;

	(void)state;
	if (geteuid() != 0)
		skip(); /* it makes an interface */
	make_files();
	tunnel = START("up", in_folder("conf/client.yaml"), "--name", name, "--origin", "boot");
	wait_notified("STATUS=connecting");
	reply = ask_status();
	assert_non_null(reply);
	connection = tree_get(tree_get(reply, "status"), "connection");
	assert_string_equal(tree_get_text(connection, "origin"), "boot");
	assert_int_equal(tree_get(connection, "stop-reason")->scalar, TREE_NULL);
	tree_free(reply);
	if (has_libseccomp())
		assert_int_equal(process_number(tunnel, "Seccomp:"), 2);
	assert_int_equal(STATUS("message", name, "no such word"), PROGRAM_DONE);
	assert_string_equal(output(), "unknown message; known is reconnect\n");
	assert_int_equal(STATUS("message", name, "reconnect"), PROGRAM_DONE);
	assert_non_null(strstr(output(), "connecting"));
	assert_null(request_with("message", "word", "reconnect", &error));
	assert_non_null(strstr(error.text, "a message has a"));
	assert_null(request_with("stop", "reason", "boredom", &error));
	assert_non_null(strstr(error.text, "no such reason; known are none, user-initiated, "));
	assert_non_null(strstr(error.text, ", internal-error"));
	assert_verbs_in_manual();
	reply = request_with("stop", "reason", "idle-timeout", &error);
	assert_non_null(reply);
	tree_free(reply);
	assert_int_equal(wait_for(tunnel), PROGRAM_DONE);
}

static void up__start_timeout__ends_with_one_and_why(void **state)
{
	FILE *file;

	(void)state;
	if (geteuid() != 0)
		skip();
	make_files();
	file = fopen(in_folder("conf/client.yaml"), "a");
	assert_non_null(file);
	fputs("start-timeout: 1\n", file);
	fclose(file);
	assert_int_equal(STATUS("up", in_folder("conf/client.yaml"), "--name", name),
			 PROGRAM_FAILED);
	if (!strstr(output(), "start was not finished within 1.000 s: 127.0.0.1:1"))
		fail_msg("%s", output());
}

static void hub__address_not_ours__one_and_nothing_left(void **state)
{
	(void)state;
	make_files();
	write_file("conf/bare.yaml",
		   "layer: ethernet\nlisten: [\"[2001:db8::77]:8443\"]\nidentity: hub.pem\n");
	assert_int_equal(STATUS("hub", in_folder("conf/bare.yaml"), "--name", name),
			 PROGRAM_FAILED);
	assert_non_null(strstr(output(), "[2001:db8::77]:8443"));
	assert_null(ask_status());
}

static void up__nobody_there__one(void **state)
{
	(void)state;
	if (geteuid() != 0 || access("/dev/net/tun", W_OK) < 0)
		skip();
	make_files();
	assert_int_equal(STATUS("up", in_folder("conf/client.yaml"), "--name", name, "--once"),
			 PROGRAM_FAILED);
	assert_int_equal(STATUS("up", in_folder("conf/client.yaml"), "--name", name, "--wait", "1"),
			 PROGRAM_FAILED);
	assert_non_null(strstr(output(), "--wait"));
	assert_null(ask_status());
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commands__wrong_use__two_and_one_line_with_a_hint),
		TEST(commands__help_and_version__done),
		TEST(commands__bad_configuration__two_with_every_error),
		TEST(commands__file_of_the_other_kind__two_and_the_right_command),
		TEST(commands__key_that_others_read__two_before_anything),
		TEST(hub__runs__answers_refuses_a_second_and_is_gone),
		TEST(hub__second_signal__ends_at_once),
		TEST(hub__stop_verb__ends),
		TEST(watch__a_hub__begins_with_the_present_and_ends_with_it),
		TEST(up__hub_away__origin_told_messages_answered_reason_taken),
		TEST(up__start_timeout__ends_with_one_and_why),
		TEST(hub__address_not_ours__one_and_nothing_left),
		TEST(up__nobody_there__one),
	};

	return cmocka_run_group_tests_name("program/commands", tests, NULL, NULL);
}
