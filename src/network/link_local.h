/* SPDX-License-Identifier: MIT */
/*
 * An IPv4 address of 169.254.0.0/16 that nobody else on the link has: RFC 3927. Pure: packets and
 * the time come in, packets and news go out.
 *
 * Theory of operation. A candidate is tried by three ARP probes; if nobody has or wants it, it is
 * announced twice and may be used from the first announcement on. The candidates are a sequence
 * that the MAC address alone decides (section 2.1), so a machine has the same address after every
 * start unless somebody took it.
 *
 *   state        means                                  leaves it                      to
 *   PROBING      three probes, 1 to 2 s apart           2 s after the last             ANNOUNCING
 *                                                       somebody has it or probes it   PROBING, next
 *   ANNOUNCING   held; two announcements, 2 s apart     after the second               HELD
 *   HELD         held                                   link_local_again()             PROBING, same
 *
 * Whoever uses an address that is held is answered by one announcement (a defence), and if that
 * happens again within 10 s the address is given up (section 2.5). After ten conflicts only one
 * address a minute is tried (2.2.1), whether they came while it was tried or while it was held, until
 * one was held for a minute in peace: nobody on the link can make this a storm.
 *
 * link_local_again() is for a link that was away: the address stays in use meanwhile, because the
 * link behind a tunnel that reconnected is nearly always the same, and connections inside shall
 * survive; it is probed nevertheless, and given up at the first sign of somebody else's (no defence,
 * who came later is unknown).
 *
 * Not done: the kernel answers ARP requests for a held address by unicast, where the RFC asks for
 * broadcast (2.5, last paragraph).
 *
 * Times are nanoseconds of the loop's clock. Packets are the 28 bytes of ARP for IPv4 over Ethernet
 * (RFC 826), always sent to everybody.
 */
#ifndef NETWORK_LINK_LOCAL_H
#define NETWORK_LINK_LOCAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* RFC 3927, section 9. */
enum {
	LINK_LOCAL_PROBE_WAIT_MS = 1000,
	LINK_LOCAL_PROBES = 3,
	LINK_LOCAL_PROBE_MIN_MS = 1000,
	LINK_LOCAL_PROBE_MAX_MS = 2000,
	LINK_LOCAL_ANNOUNCE_WAIT_MS = 2000,
	LINK_LOCAL_ANNOUNCEMENTS = 2,
	LINK_LOCAL_ANNOUNCE_INTERVAL_MS = 2000,
	LINK_LOCAL_CONFLICTS_MAX = 10,
	LINK_LOCAL_RATE_LIMIT_MS = 60000,
	LINK_LOCAL_DEFEND_INTERVAL_MS = 10000,
};

enum { LINK_LOCAL_PACKET_SIZE = 28 };

enum link_local_state { LINK_LOCAL_PROBING, LINK_LOCAL_ANNOUNCING, LINK_LOCAL_HELD };

struct link_local {
	uint8_t mac[6];
	uint32_t address; /* the candidate, or what is held; as a number */
	enum link_local_state state;
	bool is_held;      /* may be used */
	unsigned n_sent;   /* in this state */
	uint64_t due_ns;   /* 0: nothing is due */
	unsigned n_recent; /* conflicts since one was held for a minute in peace */
	bool has_defended;
	uint64_t defended_ns;
	uint64_t conflicts, defences; /* counted since the beginning */
	uint64_t addresses, delays;   /* states of the generators */
};

enum link_local_news {
	LINK_LOCAL_NOTHING,
	LINK_LOCAL_TAKEN, /* the address may be used from now on */
	LINK_LOCAL_LOST,  /* it may not any more */
};

struct link_local_step {
	enum link_local_news news;
	bool has_packet;
	uint8_t packet[LINK_LOCAL_PACKET_SIZE]; /* to everybody */
};

void link_local_init(struct link_local *link_local, const uint8_t mac[6], uint64_t now_ns);
/* What is due now, if anything. due_ns says when to come again. */
void link_local_tick(struct link_local *link_local, uint64_t now_ns,
		     struct link_local_step *ret_step);
/* A packet of somebody else; whatever is no such ARP is ignored. */
void link_local_receive(struct link_local *link_local, const uint8_t *data, size_t length,
			uint64_t now_ns, struct link_local_step *ret_step);
/* The link was away, or a probe could not be sent: begin to probe again, for the same address. */
void link_local_again(struct link_local *link_local, uint64_t now_ns);
const char *link_local_state_name(const struct link_local *link_local);

#endif
