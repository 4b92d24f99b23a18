/* SPDX-License-Identifier: MIT */
/* The asker's side of the handshake role: requests out, results in. */
#include "tunnel/handshaker.h"

#include <errno.h>
#include <semaphore.h>
#include <stdio.h>

#include "base/error.h"
#include "loop/worker.h"
#include "tls/credentials.h"
#include "tunnel/roles.h"
#include "wire/message.h"
#include "wire/unit.h"

struct handshaker {
	struct lw_loop *asker;
	struct worker *worker; /* NULL: inline */
	struct handshake_role *role;
	struct mailbox results;
	struct list outstanding;
	uint32_t n_outstanding;
	struct credentials *credentials;
	struct tls_config *config;
	bool is_results_open, is_role_open;
};

/* The goodbye unit that a refused peer is sent through the library. */
static size_t refusal_unit(const struct admission *admission, uint8_t *data, size_t size)
{
	struct goodbye goodbye = { .code = GOODBYE_REFUSED };
	int length;

	if (size < UNIT_HEADER_SIZE)
		return 0;
	snprintf(goodbye.text, sizeof(goodbye.text), "%s", admission->peer_text);
	length = goodbye_encode(&goodbye, data + UNIT_HEADER_SIZE, size - UNIT_HEADER_SIZE);
	if (length < 0)
		return 0;
	unit_encode_header(data, UNIT_GOODBYE, (uint32_t)length);
	return UNIT_HEADER_SIZE + (size_t)length;
}

static void request_forget(struct handshake_request *request)
{
	list_remove(&request->outstanding);
	request->handshaker->n_outstanding--;
}

static void request_free(struct handshake_request *request)
{
	close_fd(&request->fd);
	close_fd(&request->result.fd);
	tls_session_done(&request->result.session);
	free(request);
}

static void result_arrived(struct mailbox *mailbox, struct list *letter)
{
	struct handshake_request *request =
		container_of(letter, struct handshake_request, message.letter);

	(void)mailbox;
	request_forget(request);
	if (request->done) {
		request->done(&request->result, request->user);
		/* The taker has what it wants; what it left is closed with the request. */
	}
	request_free(request);
}

struct role_start {
	struct handshake_role *role;
	struct lw_loop *loop;
	int result;
	sem_t opened;
};

static void open_role(void *user)
{
	struct role_start *start = user;

	start->result = handshake_role_open(start->role, start->loop);
	sem_post(&start->opened);
}

static int start_role(struct handshaker *handshaker, bool is_inline)
{
	struct role_start start = { .role = handshaker->role };
	int result;

	if (is_inline)
		return handshake_role_open(handshaker->role, handshaker->asker);
	result = worker_new("lw-handshake", &handshaker->worker);
	if (result < 0)
		return result;
	start.loop = worker_loop(handshaker->worker);
	sem_init(&start.opened, 0, 0);
	result = lw_loop_post(start.loop, open_role, &start);
	if (result >= 0) {
		while (sem_wait(&start.opened) < 0 && errno == EINTR)
			;
		result = start.result;
	}
	sem_destroy(&start.opened);
	return result;
}

int handshaker_new(struct lw_loop *asker, enum admission_side side, bool is_inline,
		   struct credentials *credentials, struct handshaker **ret_handshaker,
		   struct lw_error *ret_error)
{
	struct handshaker *handshaker = calloc(1, sizeof(*handshaker));
	int result;

	if (!handshaker)
		return error_errno(ret_error, ENOMEM, "handshakes");
	handshaker->asker = asker;
	list_init(&handshaker->outstanding);
	result = tls_config_new(side, credentials, &handshaker->config, ret_error);
	if (result < 0)
		goto fail;
	tls_config_set_refusal(handshaker->config, refusal_unit);
	result = mailbox_init(&handshaker->results, result_arrived);
	if (result >= 0) {
		result = mailbox_open(&handshaker->results, asker);
		handshaker->is_results_open = true;
	}
	if (result >= 0)
		result = handshake_role_new(&handshaker->results, side, handshaker->config,
					    &handshaker->role);
	if (result >= 0)
		result = start_role(handshaker, is_inline);
	if (result < 0) {
		error_errno(ret_error, -result, "cannot start the handshake role");
		goto fail;
	}
	handshaker->is_role_open = true;
	handshaker->credentials = credentials;
	*ret_handshaker = handshaker;
	return 0;
fail:
	handshaker_free(handshaker);
	return result;
}

static void close_role(struct handshaker *handshaker)
{
	struct role_close close = { .message.type = ROLE_CLOSE };
	struct mailbox *requests = handshake_role_requests(handshaker->role);
	struct list *letter;

	sem_init(&close.closed, 0, 0);
	mailbox_put(requests, &close.message.letter);
	if (!handshaker->worker) {
		/* Inline, nobody else will read it. */
		while ((letter = mailbox_take(requests)))
			requests->receive(requests, letter);
	}
	while (sem_wait(&close.closed) < 0 && errno == EINTR)
		;
	sem_destroy(&close.closed);
}

void handshaker_free(struct handshaker *handshaker)
{
	struct list *letter;

	if (!handshaker)
		return;
	if (handshaker->is_role_open)
		close_role(handshaker);
	worker_free(handshaker->worker);
	handshake_role_free(handshaker->role);
	if (handshaker->is_results_open) {
		while ((letter = mailbox_take(&handshaker->results)))
			request_free(
				container_of(letter, struct handshake_request, message.letter));
		mailbox_done(&handshaker->results);
	}
	tls_config_free(handshaker->config);
	credentials_free(handshaker->credentials);
	free(handshaker);
}

void handshaker_log_keys(struct handshaker *handshaker, struct key_log *key_log)
{
	tls_config_log_keys(handshaker->config, key_log);
}

int handshaker_set_book(struct handshaker *handshaker, struct admission_book *book)
{
	struct role_book *message = calloc(1, sizeof(*message));

	if (!message) {
		admission_book_free(book);
		return -ENOMEM;
	}
	message->message.type = ROLE_BOOK;
	message->book = book;
	mailbox_put(handshake_role_requests(handshaker->role), &message->message.letter);
	return 0;
}

int handshaker_submit(struct handshaker *handshaker, int fd, const struct sockaddr_storage *peer,
		      handshake_done_fn *done, void *user, struct handshake_request **ret_request)
{
	struct handshake_request *request = calloc(1, sizeof(*request));

	if (!request)
		return -ENOMEM;
	request->message.type = ROLE_REQUEST;
	request->fd = fd;
	request->result.fd = -1;
	request->peer = *peer;
	request->handshaker = handshaker;
	request->done = done;
	request->user = user;
	list_append(&handshaker->outstanding, &request->outstanding);
	handshaker->n_outstanding++;
	if (ret_request)
		*ret_request = request;
	mailbox_put(handshake_role_requests(handshaker->role), &request->message.letter);
	return 0;
}

void handshaker_cancel(struct handshake_request *request)
{
	struct role_cancel *cancel;

	if (!request)
		return;
	request->done = NULL;
	atomic_store(&request->is_cancelled, true);
	cancel = calloc(1, sizeof(*cancel));
	if (!cancel)
		return; /* the role finds out at the socket's next event, or its deadline */
	cancel->message.type = ROLE_CANCEL;
	cancel->request = request;
	mailbox_put(handshake_role_requests(request->handshaker->role), &cancel->message.letter);
}

uint32_t handshaker_pending(const struct handshaker *handshaker)
{
	return handshaker->n_outstanding;
}
