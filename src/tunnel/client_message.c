/* SPDX-License-Identifier: MIT */
/*
 * Messages to the tunnel from programs of this machine.
 *
 * A message is a word for the tunnel itself and never leaves the machine: what the hub is to be
 * told belongs into its own configuration. Whoever asks for something unknown is told what there
 * is.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "tunnel/client.h"

/* Without waiting for the next attempt, or with another connection than the present one. */
static const char *reconnect(struct lw_tunnel *tunnel)
{
	if (tunnel->stopping || !tunnel->loop)
		return "it is ending";
	if (tunnel->once)
		return "it connects once only (--once)";
	if (tunnel->session) {
		log_info("connecting anew: asked to by a message");
		session_finish(tunnel->session, GOODBYE_NONE, "this end connects anew");
		return "connecting anew";
	}
	if (tunnel->link != LW_LINK_WAITING)
		return "it is connecting";
	log_info("connecting now: asked to by a message");
	loop_timer_set(tunnel->loop, &tunnel->timer, lw_loop_now_ns(tunnel->loop));
	return "connecting now";
}

static const struct {
	const char *word;
	const char *(*run)(struct lw_tunnel *tunnel);
} words[] = {
	{ "reconnect", reconnect },
};

void client_message(struct lw_provider *provider, const void *data, size_t length,
		    struct lw_completion *done, void *user)
{
	const char *answer = "unknown message; known is reconnect";

	(void)provider;
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strlen(words[i].word) == length && !memcmp(words[i].word, data, length))
			answer = words[i].run(user);
	lw_completion_reply(done, answer, strlen(answer));
}
