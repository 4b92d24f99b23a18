/* SPDX-License-Identifier: MIT */
/* Another connection takes the place of one whose key is used up, while both are up. */
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "tunnel/client.h"
#include "tunnel/dialer.h"

enum { RETRY_MS = 5000 };

void client_succession_cancel(struct lw_tunnel *tunnel)
{
	const struct succession given_up = tunnel->succession;

	tunnel->succession = (struct succession){ 0 };
	dialer_free(given_up.dialer);
	handshaker_cancel(given_up.request);
	if (given_up.session) /* it is freed when its end is told */
		session_finish(given_up.session, GOODBYE_NONE, "no successor is wanted any more");
}

void client_succession_ended(struct lw_tunnel *tunnel, const char *text)
{
	struct succession *succession = &tunnel->succession;

	log_line(succession->was_told ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING,
		 "%s: a new key needs a new connection, which fails: %s", tunnel->address, text);
	succession->was_told = true;
	succession->is_under_way = false;
	succession->session = NULL;
	succession->not_before_ns = lw_loop_now_ns(tunnel->loop) + RETRY_MS * UINT64_C(1000000);
}

void client_succeeded(struct lw_tunnel *tunnel)
{
	log_info("another connection to %s carries on, under a new key", tunnel->address);
	tunnel->succession.session = NULL;
	client_succession_cancel(tunnel);
}

static void handshake_done(struct handshake_result *result, void *user)
{
	struct lw_tunnel *tunnel = user;
	struct succession *succession = &tunnel->succession;

	succession->request = NULL;
	if (result->outcome != HANDSHAKE_ADMITTED)
		client_succession_ended(tunnel, result->error.text);
	else if (!tunnel->session || !session_may_be_succeeded(tunnel->session))
		client_succession_ended(tunnel, "the present one is at its end");
	else if (client_session_new(tunnel, result, tunnel->session, 0, &succession->session) < 0)
		client_succession_ended(tunnel, "no memory for a session");
}

static void submit(struct lw_tunnel *tunnel, int fd, const struct sockaddr_storage *peer)
{
	if (handshaker_submit(tunnel->handshaker, fd, peer, handshake_done, tunnel,
			      &tunnel->succession.request) >= 0)
		return;
	close(fd);
	client_succession_ended(tunnel, "no memory for a handshake");
}

static void dialed(int fd, const struct sockaddr_storage *peer, const struct lw_error *error,
		   void *user)
{
	struct lw_tunnel *tunnel = user;

	if (fd < 0)
		client_succession_ended(tunnel, error->text);
	else
		submit(tunnel, fd, peer);
}

static void ask_dial(struct lw_tunnel *tunnel)
{
	struct sockaddr_storage peer;
	int fd, result = client_ask_dial(tunnel, &fd, &peer);

	if (result < 0)
		client_succession_ended(tunnel, strerror(-result));
	else
		submit(tunnel, fd, &peer);
}

/* To the address of the present connection: it is the one that routes leave outside the tunnel. */
static void dial_again(struct lw_tunnel *tunnel)
{
	const char *address = tunnel->address;
	struct succession *succession = &tunnel->succession;
	struct lw_error error;

	dialer_free(take_pointer(succession->dialer));
	if (dialer_new(tunnel->loop, &address, 1, dialed, tunnel, &succession->dialer, &error) < 0)
		client_succession_ended(tunnel, error.text);
	else
		dialer_start(succession->dialer);
}

void client_succeed(struct session *session)
{
	struct lw_tunnel *tunnel = session->user;
	struct succession *succession = &tunnel->succession;
	uint64_t now = lw_loop_now_ns(tunnel->loop);

	if (tunnel->session != session || tunnel->link != LW_LINK_UP || tunnel->stopping ||
	    !session_may_be_succeeded(session) || succession->is_under_way ||
	    now < succession->not_before_ns)
		return;
	succession->is_under_way = true;
	if (tunnel->dial)
		ask_dial(tunnel);
	else
		dial_again(tunnel);
}
