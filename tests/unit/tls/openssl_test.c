/* SPDX-License-Identifier: MIT */
/* The take-over and the record engine with OpenSSL at the other end: its s_server and s_client, over
 * a local socket, and their KeyUpdates. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <longwire/error.h>

#include "base/file.h"
#include "base/memory.h"
#include "support/tls_identities.h"
#include "support/tls_reference.h"
#include "tls/key_log.h"

enum { PATIENCE_MS = 20000, TEXT_MAX = 65536 };

/* A program of OpenSSL's, what it printed, and our end of its connection. */
struct talk {
	char folder[32], identity[64], path[64];
	char our_keys[64], their_keys[64]; /* key logs */
	struct key_log *key_log;
	pid_t pid;
	int in, out, fd; /* its standard input and output, the socket */
	char printed[TEXT_MAX];
	size_t n_printed;
	struct credentials *ours, *theirs;
	struct tls_config *config;
	struct admission_book *book;
	struct tls_session session;
	struct record_sealer *sealer;
	struct record_opener *opener;
	uint8_t received[TEXT_MAX], plain[TEXT_MAX];
	size_t n_received, n_plain, taken; /* taken: bytes of all records opened */
	unsigned updates;
};

static void await(int fd)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&poller, 1, PATIENCE_MS), 1);
}

static void write_whole(int fd, const void *data, size_t length)
{
	assert_int_equal(write(fd, data, length), length);
}

static void read_printed(struct talk *talk)
{
	size_t room = TEXT_MAX - 1 - talk->n_printed;
	ssize_t n;

	await(talk->out);
	n = read(talk->out, talk->printed + talk->n_printed, room);
	if (n <= 0)
		fail_msg("it ended: %s", talk->printed);
	talk->n_printed += (size_t)n;
}

/* Wait until it has printed text. */
static void expect_printed(struct talk *talk, const char *text)
{
	while (!strstr(talk->printed, text))
		read_printed(talk);
}

static void start(struct talk *talk, const char *const *arguments)
{
	int in[2], out[2];

	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	talk->pid = fork();
	assert_true(talk->pid >= 0);
	if (!talk->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		dup2(out[1], 2);
		close(in[1]);
		close(out[0]);
		execvp(arguments[0], (char *const *)arguments);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	talk->in = in[1];
	talk->out = out[0];
}

static struct sockaddr_un address_of(const struct talk *talk)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", talk->path);
	return address;
}

/* We are the client of its s_server. */
static void join_server(struct talk *talk, const char *version)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	const char *const arguments[] = {
		"openssl", "s_server",     "-accept",        "127.0.0.1:0", "-cert", talk->identity,
		"-key",    talk->identity, "-Verify",        "5",           "-alpn", TLS_ALPN,
		version,   "-keylogfile",  talk->their_keys, NULL
	};

	start(talk, arguments);
	/* It listens, and says on which port. */
	expect_printed(talk, "ACCEPT 127.0.0.1:");
	while (!strchr(strstr(talk->printed, "ACCEPT 127.0.0.1:"), '\n'))
		read_printed(talk);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	address.sin_port = htons((uint16_t)atoi(strstr(talk->printed, "127.0.0.1:") + 10));
	talk->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(talk->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

/* It is the client, we are the hub. */
static void admit_client(struct talk *talk, const char *version)
{
	struct sockaddr_un address = address_of(talk);
	const char *const arguments[] = {
		"openssl",      "s_client",    "-unix",          talk->path, "-cert",
		talk->identity, "-key",        talk->identity,   "-alpn",    TLS_ALPN,
		version,        "-keylogfile", talk->their_keys, NULL
	};
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(listening, 1), 0);
	start(talk, arguments);
	await(listening);
	talk->fd = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	close(listening);
}

static void send_output(struct talk *talk, struct tls_handshake *handshake)
{
	const uint8_t *data;
	size_t length;

	tls_handshake_output(handshake, &data, &length);
	if (length)
		write_whole(talk->fd, data, length);
	tls_handshake_sent(handshake, length);
}

static void shake_hands(struct talk *talk)
{
	struct tls_handshake *handshake;
	struct lw_error error = { 0 };
	enum tls_progress progress;
	uint8_t data[8192];

	assert_int_equal(tls_handshake_new(talk->config, talk->book, 0, &handshake), 0);
	progress = tls_handshake_step(handshake, NULL, 0);
	while (progress == TLS_WANT_INPUT) {
		ssize_t n;

		send_output(talk, handshake);
		await(talk->fd);
		n = read(talk->fd, data, sizeof(data));
		if (n <= 0)
			expect_printed(talk, "nothing of this"); /* shows what it said */
		progress = tls_handshake_step(handshake, data, (size_t)n);
	}
	send_output(talk, handshake);
	if (progress != TLS_ADMITTED) {
		tls_handshake_error(handshake, &error);
		print_error("%s\n", error.text);
	}
	assert_int_equal(progress, TLS_ADMITTED);
	if (tls_handshake_take(handshake, &talk->session, &error))
		fail_msg("%s", error.text);
	tls_handshake_free(handshake);
	assert_int_equal(record_sealer_new(&talk->session.seal, NULL, &talk->sealer), 0);
	assert_int_equal(record_opener_new(&talk->session.open, NULL, &talk->opener), 0);
	if (talk->session.early_length)
		memcpy(talk->received, talk->session.early, talk->session.early_length);
	talk->n_received = talk->session.early_length;
}

static void begin(struct talk *talk, enum admission_side side, const char *version)
{
	struct admission_entry entry = { .name = "other" };
	FILE *file;

	memset(talk, 0, sizeof(*talk));
	snprintf(talk->folder, sizeof(talk->folder), "/tmp/longwire-openssl-XXXXXX");
	assert_non_null(mkdtemp(talk->folder));
	snprintf(talk->identity, sizeof(talk->identity), "%s/identity", talk->folder);
	snprintf(talk->path, sizeof(talk->path), "%s/socket", talk->folder);
	snprintf(talk->our_keys, sizeof(talk->our_keys), "%s/ours", talk->folder);
	snprintf(talk->their_keys, sizeof(talk->their_keys), "%s/theirs", talk->folder);
	assert_int_equal(key_log_open(talk->our_keys, &talk->key_log, NULL), 0);
	file = fopen(talk->identity, "w");
	assert_non_null(file);
	assert_true(fputs(IDENTITY_P384, file) >= 0);
	assert_int_equal(fclose(file), 0);
	talk->ours = tls_reference_identity(IDENTITY_P256);
	talk->theirs = tls_reference_identity(IDENTITY_P384);
	entry.pin = *credentials_pin(talk->theirs);
	assert_int_equal(admission_book_new(&entry, 1, &talk->book), 0);
	assert_int_equal(tls_config_new(side, talk->ours, &talk->config, NULL), 0);
	tls_config_log_keys(talk->config, talk->key_log);
	if (side == ADMISSION_CLIENT)
		join_server(talk, version);
	else
		admit_client(talk, version);
	shake_hands(talk);
}

static void end(struct talk *talk)
{
	close(talk->fd);
	close(talk->in);
	close(talk->out);
	kill(talk->pid, SIGKILL);
	waitpid(talk->pid, NULL, 0);
	unlink(talk->path);
	unlink(talk->identity);
	unlink(talk->our_keys);
	unlink(talk->their_keys);
	rmdir(talk->folder);
	record_sealer_free(talk->sealer);
	record_opener_free(talk->opener);
	tls_session_done(&talk->session);
	tls_config_free(talk->config);
	key_log_close(talk->key_log);
	admission_book_free(talk->book);
	credentials_free(talk->ours);
	credentials_free(talk->theirs);
}

static void answer_update(struct talk *talk)
{
	uint8_t record[100];
	ssize_t n = record_seal_key_update(talk->sealer, false, record, sizeof(record));

	assert_true(n > 0);
	write_whole(talk->fd, record, (size_t)n);
}

/* Open what has come, and answer. */
static void open_received(struct talk *talk)
{
	struct record_opened opened;

	assert_int_equal(record_open(talk->opener, talk->received, talk->n_received,
				     talk->plain + talk->n_plain, TEXT_MAX - talk->n_plain,
				     &opened),
			 RECORD_MORE);
	talk->n_plain += opened.plain;
	talk->taken += opened.taken;
	talk->n_received -= opened.taken;
	memmove(talk->received, talk->received + opened.taken, talk->n_received);
	if (opened.answer_update) {
		talk->updates++;
		answer_update(talk);
	}
}

static void receive(struct talk *talk)
{
	ssize_t n;

	await(talk->fd);
	n = read(talk->fd, talk->received + talk->n_received, TEXT_MAX - talk->n_received);
	assert_true(n > 0);
	talk->n_received += (size_t)n;
	open_received(talk);
}

/* What is typed there comes out here. */
static void hear(struct talk *talk, const char *text)
{
	write_whole(talk->in, text, strlen(text));
	open_received(talk);
	while (talk->n_plain < strlen(text))
		receive(talk);
	assert_int_equal(talk->n_plain, strlen(text));
	assert_memory_equal(talk->plain, text, strlen(text));
	talk->n_plain = 0;
}

/* What is sealed here is printed there. */
static void say(struct talk *talk, const char *text)
{
	uint8_t sealed[TEXT_MAX];
	size_t taken;
	ssize_t n = record_seal(talk->sealer, (const uint8_t *)text, strlen(text), sealed,
				sizeof(sealed), &taken);

	assert_true(n > 0);
	assert_int_equal(taken, strlen(text));
	write_whole(talk->fd, sealed, (size_t)n);
	expect_printed(talk, text);
}

static void update_both_ways(struct talk *talk)
{
	uint8_t record[100];
	size_t before;
	ssize_t n;

	write_whole(talk->in, "K\n", 2); /* it updates its key, and asks us to */
	while (!talk->updates)
		receive(talk);
	hear(talk, "on its second key\n");
	say(talk, "on our second key\n");
	before = talk->taken;
	write_whole(talk->in, "k\n", 2); /* only its own */
	while (talk->taken == before)    /* what is typed too soon belongs to the command */
		receive(talk);
	hear(talk, "on its third key\n");
	assert_int_equal(talk->updates, 1);
	n = record_seal_key_update(talk->sealer, true, record, sizeof(record));
	assert_true(n > 0);
	write_whole(talk->fd, record, (size_t)n);
	say(talk, "on our third key\n");
	hear(talk, "on its fourth key\n");
	assert_int_equal(talk->updates, 1);
}

static char *read_file(const char *path)
{
	size_t length;
	char *text;

	assert_int_equal(file_read(path, TEXT_MAX, FILE_ANY, &text, &length, NULL), 0);
	return text;
}

/* Every line of our key log is one of OpenSSL's, and none that a dissector needs is missing. */
static void compare_key_logs(const struct talk *talk)
{
	bool is_tls13 = talk->session.seal.version == RECORD_VERSION_TLS13;
	char *ours = read_file(talk->our_keys), *theirs = read_file(talk->their_keys);
	struct key_log_counters counters;
	unsigned n = 0;

	for (char *line = strtok(ours, "\n"); line; line = strtok(NULL, "\n"), n++)
		if (!strstr(theirs, line))
			fail_msg("not a line of theirs: %s", line);
	key_log_counters(talk->key_log, &counters);
	assert_int_equal(n, is_tls13 ? 4 : 1);
	assert_int_equal(counters.lines, n);
	assert_int_equal(counters.failed, 0);
	free(ours);
	free(theirs);
}

static void converse(enum admission_side side, const char *version)
{
	struct talk *talk = malloc(sizeof(*talk));

	assert_non_null(talk);
	if (system("openssl version >/dev/null 2>&1") != 0) {
		free(talk);
		skip();
	}
	signal(SIGPIPE, SIG_IGN);
	begin(talk, side, version);
	hear(talk, "typed there\n");
	say(talk, "sealed here\n");
	if (talk->session.seal.version == RECORD_VERSION_TLS13)
		update_both_ways(talk);
	compare_key_logs(talk);
	end(talk);
	free(talk);
}

static void openssl_server__tls_1_2__understood(void **state)
{
	(void)state;
	converse(ADMISSION_CLIENT, "-tls1_2");
}

static void openssl_client__tls_1_2__understood(void **state)
{
	(void)state;
	converse(ADMISSION_HUB, "-tls1_2");
}

#if TLS_REFERENCE_HAS_TLS13
static void openssl_server__tls_1_3_and_key_updates__understood(void **state)
{
	(void)state;
	converse(ADMISSION_CLIENT, "-tls1_3");
}

static void openssl_client__tls_1_3_and_key_updates__understood(void **state)
{
	(void)state;
	converse(ADMISSION_HUB, "-tls1_3");
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openssl_server__tls_1_2__understood),
		cmocka_unit_test(openssl_client__tls_1_2__understood),
#if TLS_REFERENCE_HAS_TLS13
		cmocka_unit_test(openssl_server__tls_1_3_and_key_updates__understood),
		cmocka_unit_test(openssl_client__tls_1_3_and_key_updates__understood),
#endif
	};

	return cmocka_run_group_tests_name("tls/openssl", tests, NULL, NULL);
}
