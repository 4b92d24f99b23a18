/* SPDX-License-Identifier: MIT */
/*
 * The kill switch: a table of nftables, longwire_lock_<interface>, that lets nothing out but by the
 * tunnel.
 *
 * Theory of operation. The fence is closed before the first attempt to connect, and opened only when
 * somebody says so: not by the end of the tunnel, whether in order, by an error or by kill -9, since
 * that is what it is for. The table belongs to nobody in the kernel, so it stays until it is removed
 * or the machine starts anew. Closing it again replaces it in one transaction: there is no moment
 * without it. Who removes it otherwise, as the service that loads a firewall does when it begins anew
 * ("flush ruleset"), has it back milliseconds later, for as long as the fence's loop runs. What it says
 * does not depend on the tunnel's being up, nor on the interface's being
 * there, so reconnecting changes nothing of it.
 *
 * Let out are: the loopback; the tunnel's interface; packets of connections that bear LW_OUTER_MARK,
 * which only CAP_NET_ADMIN can set; what a link needs to have addresses and neighbours at all (DHCP,
 * DHCPv6, neighbour discovery, multicast listener reports: none of them is routed further); excluded
 * routes; with exclude_local the networks of private addresses that this machine is connected to, and
 * link-local multicast and broadcast. Everything else is dropped and counted, silently, so that
 * connections survive until the tunnel is back. What this machine forwards is judged alike. What
 * comes in is not judged: without an answer it is nothing.
 *
 * A peer that is known by a name has to be looked up before it can be reached, and no name server
 * can be asked from within. So until the name is known, questions to name servers (port 53, and 853
 * of TCP) get out, too; then the fence is closed to them for good and notes in its table what the
 * name meant. The table outlives us, so who
 * starts anew after a crash finds the peer there, and asks nobody. Names are never asked again: if
 * the peer has moved meanwhile, somebody has to open the fence. Until the name is known anything
 * may leave that looks like such a question; with the peer in numbers nothing does.
 *
 * Packets that are not IP, and those that a privileged process writes to a link itself (AF_PACKET),
 * do not pass here.
 */
#ifndef NETWORK_FENCE_H
#define NETWORK_FENCE_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <longwire/provider.h>

#include "base/address.h"

struct lw_error;
struct lw_loop;

enum {
	FENCES_MAX = 64,
	FENCE_PEERS_MAX = LW_PEERS_MAX,
};

struct fence_peer {
	struct ip_address address;
	uint16_t port;
};

struct fence_policy {
	const char *interface;
	bool exclude_local;
	const struct ip_prefix *excluded; /* routes */
	size_t n_excluded;
};

struct fence; /* what was closed last, so that closing it so again does nothing */

/* loop: where others' changes are heard of, and its thread's from then on; NULL: nowhere. */
int fence_new(struct lw_loop *loop, struct fence **ret_fence);
/* Close it, or let it be as policy says; where it was closed for another interface (ours has another
 * name now), that one opens in the same moment. 0, or a negative errno with a sentence: then it is as
 * it was. */
int fence_close(struct fence *fence, const struct fence_policy *policy, struct lw_error *ret_error);
/* Open what was closed last, and let it be. 0 also when there is nothing. */
int fence_release(struct fence *fence, struct lw_error *ret_error);
/* The interface that it is closed for; NULL: it is not. */
const char *fence_interface(const struct fence *fence);
/*
 * Look what is closed for this interface now, by us or by others, and go on from there: the next
 * closing is one whatever was closed last. 0 or a negative errno with a sentence.
 */
int fence_recall(struct fence *fence, const char *interface, struct lw_error *ret_error);
/* A name is to be asked for: the next fence_close() lets questions out, unless peers are noted. */
void fence_ask_names(struct fence *fence);
/* The peers are known; the next fence_close() notes them, and lets no more questions out. */
void fence_set_peers(struct fence *fence, const struct fence_peer *peers, size_t n);
/* Those that are noted. Return: their number. */
size_t fence_peers(const struct fence *fence, const struct fence_peer **ret_peers);
/* "192.0.2.1:8443", "[2001:db8::1]:8443" */
const char *fence_peer_format(const struct fence_peer *peer, char text[LW_PEER_TEXT_SIZE]);
bool fence_asks_names(const struct fence *fence);
/* Wall-clock seconds of the first closing since it was open; 0: it is not closed by us. */
int64_t fence_since(const struct fence *fence);
/* The fence stays as it is. */
void fence_free(struct fence *fence);

/* Open that of an interface: 0 also when there is none. */
int fence_open(const char *interface, struct lw_error *ret_error);
/* 1: it is closed; 0: it is open; or a negative errno with a sentence. */
int fence_is_closed(const char *interface, struct lw_error *ret_error);
/* Slow, see nftables.h: the interfaces whose fences are closed, at most FENCES_MAX. Return: how many, or a negative
 * errno. */
int fence_list(char ret_interfaces[FENCES_MAX][IFNAMSIZ], struct lw_error *ret_error);

#endif
