/* SPDX-License-Identifier: MIT */
/*
 * What a failure is called: everything that can go wrong between a client and its hub, in Apple's
 * 19 words for it (enum lw_connection_error). Tables, nothing else.
 *
 *   1 overslept                    the machine slept longer than the hub waited
 *   2 no network available         no route to any address of the hub, or the network is down
 *   3 unrecoverable network change the address that a connection left from has gone
 *   4 configuration failed         settings could not be applied; a local rule forbids the packets
 *   5 address resolution failed    the hub's name
 *   6 server not responding        nothing listens there, or nothing answers
 *   7 server dead                  a session that fell silent, or does not take what it is sent
 *   8 authentication failed        the hub does not know this key, or no longer
 *   9 … 11 client certificate      what the hub said of ours in TLS (invalid, not yet valid, expired)
 *   12 plugin failed               want of memory or descriptors here; a provider that gave up
 *   13 configuration not found     told of a file, in its own domain
 *   14 plugin disabled             has no counterpart
 *   15 negotiation failed          TLS, versions, layers, broken rules
 *   16 server disconnected         said goodbye, or closed the connection
 *   17 … 19 server certificate     another key than the pinned one, or what TLS says of it
 */
#ifndef TUNNEL_FAILURE_H
#define TUNNEL_FAILURE_H

#include <longwire/error.h>

#include "tunnel/backoff.h"
#include "tunnel/session.h"

/* Of an errno (positive) from connecting or from a connection. */
enum lw_connection_error failure_of_errno(int error);
/* Of the end of a session. silence_ms: how long nothing had been heard, by a clock that counts
 * sleep. */
enum lw_connection_error failure_of_end(const struct session_end *end, uint64_t silence_ms);
enum backoff_class failure_class(const struct session_end *end);

#endif
