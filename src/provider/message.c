/* SPDX-License-Identifier: MIT */
/* Messages to a provider and their answers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/connection.h>

#include "provider/provider.h"

struct message {
	struct lw_provider *provider;
	struct lw_completion *completion;
	void (*reply)(const void *data, size_t length, void *user);
	void *user;
	void *data;
	size_t length;
	bool is_answered;
};

static void message_answered(void *owner, const struct lw_error *error, const void *data,
			     size_t length)
{
	struct message *message = owner;

	(void)error;
	message->is_answered = true;
	/* Without memory for it the answer is none. */
	if (data && length && (message->data = malloc(length))) {
		memcpy(message->data, data, length);
		message->length = length;
	}
	loop_defer(message->provider->loop, &message->provider->pass);
}

/* Take the oldest message that has an answer, or any; NULL when there is none. */
static struct message *take_message(struct lw_provider *provider, bool even_unanswered)
{
	for (unsigned i = 0; i < provider->n_messages; i++) {
		struct message *message = provider->messages[i];

		if (!message->is_answered && !even_unanswered)
			continue;
		provider->n_messages--;
		memmove(&provider->messages[i], &provider->messages[i + 1],
			(provider->n_messages - i) * sizeof(struct message *));
		return message;
	}
	return NULL;
}

void messages_deliver(struct lw_provider *provider, bool even_unanswered)
{
	struct message *message;

	/* Looked for anew each time, because a reply may send, and may end everything. */
	while ((message = take_message(provider, even_unanswered))) {
		completion_retire(&provider->drawer, message->completion);
		if (message->reply)
			message->reply(message->data, message->length, message->user);
		free(message->data);
		free(message);
	}
}

int provider_send(struct lw_provider *provider, const void *data, size_t length,
		  void (*reply)(const void *data, size_t length, void *user), void *user)
{
	struct message *message;
	int r;

	if (!provider_has_run(provider))
		return -ENOTCONN;
	if (length > LW_MESSAGE_MAX)
		return -EMSGSIZE;
	if (provider->n_messages == LW_MESSAGES_MAX)
		return -EAGAIN;
	message = calloc(1, sizeof(*message));
	if (!message)
		return -ENOMEM;
	r = completion_new(provider->loop, "message", message_answered, message,
			   &message->completion);
	if (r < 0) {
		free(message);
		return r;
	}
	message->provider = provider;
	message->reply = reply;
	message->user = user;
	provider->messages[provider->n_messages++] = message;
	if (provider->ops.message) {
		completion_issue(message->completion, UINT32_MAX);
		provider->ops.message(provider, data, length, message->completion, provider->user);
	} else {
		message_answered(message, NULL, NULL, 0);
	}
	return 0;
}
