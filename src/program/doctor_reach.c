/* SPDX-License-Identifier: MIT */
/* What is reached from here: a hub, without being admitted to it. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <longwire/error.h>

#include "base/address.h"
#include "base/memory.h"
#include "program/doctor.h"
#include "tls/credentials.h"
#include "tls/handshake.h"

enum { PATIENCE_MS = 3000, BUFFER = 16384 };

int64_t doctor_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool doctor_wait(int fd, short events, int64_t until_ms)
{
	struct pollfd item = { .fd = fd, .events = events };
	int64_t left = until_ms - doctor_now_ms();

	return left > 0 && poll(&item, 1, (int)left) == 1;
}

void doctor_mark(int fd)
{
	const uint32_t mark = PATH_MARK;

	(void)setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark));
}

/* ---- the connection */

static int connect_to(const struct addrinfo *address, int *ret_error)
{
	_cleanup_close_ int fd =
		socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof(*ret_error);

	doctor_mark(fd);
	if (fd < 0 ||
	    (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS)) {
		*ret_error = errno;
		return -1;
	}
	if (!doctor_wait(fd, POLLOUT, doctor_now_ms() + PATIENCE_MS)) {
		*ret_error = ETIMEDOUT;
		return -1;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, ret_error, &size) < 0)
		*ret_error = errno;
	return *ret_error ? -1 : take_fd(&fd);
}

/* ---- TLS, up to the hub's key */

static bool flush(int fd, struct tls_handshake *handshake, int64_t until_ms)
{
	for (;;) {
		const uint8_t *data;
		size_t length;
		ssize_t n;

		tls_handshake_output(handshake, &data, &length);
		if (!length)
			return true;
		n = send(fd, data, length, MSG_NOSIGNAL);
		if (n > 0)
			tls_handshake_sent(handshake, (size_t)n);
		else if (errno != EAGAIN || !doctor_wait(fd, POLLOUT, until_ms))
			return false;
	}
}

static enum tls_progress exchange(int fd, struct tls_handshake *handshake)
{
	enum tls_progress progress = tls_handshake_step(handshake, NULL, 0);
	int64_t until_ms = doctor_now_ms() + PATIENCE_MS;
	uint8_t buffer[BUFFER];

	while (flush(fd, handshake, until_ms) && progress == TLS_WANT_INPUT) {
		ssize_t n;

		if (!doctor_wait(fd, POLLIN, until_ms))
			break;
		n = recv(fd, buffer, sizeof(buffer), 0);
		if (n <= 0)
			break;
		progress = tls_handshake_step(handshake, buffer, (size_t)n);
	}
	return progress;
}

/* The refusal names the key that was shown. */
static void take_pin(const struct admission *admission, struct doctor_hub *facts)
{
	const char *at = strstr(admission->text, "SHA256:");
	struct pin pin;
	char text[PIN_TEXT_SIZE];

	if (!at)
		return;
	snprintf(text, sizeof(text), "%.*s", PIN_TEXT_SIZE - 1, at);
	if (pin_parse(text, &pin) == 0)
		snprintf(facts->shown_pin, sizeof(facts->shown_pin), "%s", text);
}

/* Nobody is in the book, so the hub is refused as soon as it has shown its key: it does not see one
 * of ours. */
static void see_key(int fd, const struct tls_config *config, const struct admission_book *book,
		    struct doctor_hub *facts)
{
	struct tls_handshake *handshake;
	const struct admission *admission;
	enum tls_progress progress;
	struct lw_error error;

	if (tls_handshake_new(config, book, (int64_t)time(NULL), &handshake) < 0)
		return;
	progress = exchange(fd, handshake);
	admission = tls_handshake_admission(handshake);
	if (progress == TLS_WANT_INPUT) {
		snprintf(facts->said, sizeof(facts->said), "it does not answer a TLS handshake");
	} else {
		take_pin(admission, facts);
		tls_handshake_error(handshake, &error);
		snprintf(facts->said, sizeof(facts->said), "%.190s", error.text);
	}
	facts->speaks_tls = facts->shown_pin[0];
	tls_handshake_free(handshake);
}

static void ask_hub(int fd, struct doctor_hub *facts)
{
	struct credentials *credentials = NULL;
	struct admission_book *book = NULL;
	struct tls_config *config = NULL;
	struct lw_error error;
	struct pin pin;
	char *pem = NULL;
	size_t length = 0;

	if (credentials_generate(&pem, &length, &pin, &error) == 0 &&
	    credentials_parse("doctor", pem, length, &credentials, &error) == 0 &&
	    tls_config_new(ADMISSION_CLIENT, credentials, &config, &error) == 0 &&
	    admission_book_new(NULL, 0, &book) == 0)
		see_key(fd, config, book, facts);
	admission_book_free(book);
	tls_config_free(config);
	credentials_free(credentials);
	if (pem)
		memory_erase(pem, length);
	free(pem);
}

void doctor_reach(const char *address, struct doctor_hub *facts)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	char host[ENDPOINT_HOST_SIZE], service[8];
	_cleanup_close_ int fd = -1;
	uint16_t port;
	int r;

	facts->address = address;
	if (endpoint_parse(address, false, host, &port) < 0)
		return;
	snprintf(service, sizeof(service), "%u", port);
	r = getaddrinfo(host, service, &hints, &found);
	if (r != 0) {
		facts->resolve_error = r == EAI_SYSTEM ? strerror(errno) : gai_strerror(r);
		return;
	}
	for (const struct addrinfo *one = found; one && fd < 0; one = one->ai_next) {
		fd = connect_to(one, &facts->connect_error);
		doctor_look_path(one->ai_addr, one->ai_addrlen, &facts->path);
		if (fd >= 0)
			ask_hub(fd, facts);
	}
	freeaddrinfo(found);
}
