/* SPDX-License-Identifier: MIT */
/*
 * Reaching a hub: names to addresses to one connected socket.
 *
 * Theory of operation. Each attempt resolves every name anew, on a thread of its own (unless told to
 * keep the addresses of the last time), and tries all
 * addresses of all hubs, the families taking turns, one more every 250 ms while none has answered
 * (RFC 8305). The first to connect wins and the others are closed. The order begins one further
 * with each attempt, so that an address that connects but is no good does not stand in the way of
 * the next. At most DIAL_ADDRESSES_MAX addresses; an attempt ends after DIAL_DEADLINE_MS.
 */
#ifndef TUNNEL_DIALER_H
#define TUNNEL_DIALER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <longwire/error.h>

struct dialer;
struct lw_loop;

enum {
	DIAL_HUBS_MAX = 8,
	DIAL_ADDRESSES_MAX = 32,
	DIAL_STAGGER_MS = 250,
	DIAL_DEADLINE_MS = 10000,
};

/*
 * fd ≥ 0: connected, non-blocking, the taker's; peer says to whom. -1: error says why (resolution
 * failed, refused, no answer). Runs once for each start, from the loop.
 */
typedef void dialer_done_fn(int fd, const struct sockaddr_storage *peer,
			    const struct lw_error *error, void *user);

/* hubs: "host:port" each, copied. -EINVAL with ret_error naming the one that cannot be read. */
int dialer_new(struct lw_loop *loop, const char *const *hubs, size_t n, dialer_done_fn *done,
	       void *user, struct dialer **ret_dialer, struct lw_error *ret_error);
void dialer_free(struct dialer *dialer);
void dialer_start(struct dialer *dialer);
void dialer_stop(struct dialer *dialer); /* idempotent; done will not run */
/*
 * While keep is true, names are not looked up: the addresses that they had last are used, if they
 * were ever looked up. That is for as long as a look-up would go through the tunnel itself.
 */
void dialer_keep_addresses(struct dialer *dialer, bool keep);
/* The addresses that a look-up gave last, or dialer_set_known(). Return: how many. */
size_t dialer_known(const struct dialer *dialer, const struct sockaddr_storage **ret_addresses);
/* As if a look-up had given these, at most DIAL_ADDRESSES_MAX. */
void dialer_set_known(struct dialer *dialer, const struct sockaddr_storage *addresses, size_t n);
/* Be told when a look-up has given addresses, before the first of them is tried. */
void dialer_observe_known(struct dialer *dialer, void (*known)(void *user));
/* Whether names are known and an answer is awaited. Accepts NULL. */
bool dialer_is_connecting(const struct dialer *dialer);

/* LW_OUTER_MARK: before it connects or listens, so that not even its first packet goes into a
 * tunnel. */
void socket_mark(int fd);
/* That, TCP_NODELAY, TCP_USER_TIMEOUT, TCP_NOTSENT_LOWAT: what every stream's socket gets, at both
 * ends. */
void socket_prepare(int fd);

#endif
