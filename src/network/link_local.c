/* SPDX-License-Identifier: MIT */
/* RFC 3927. */
#include "network/link_local.h"

#include <endian.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <string.h>

#include "base/hash.h"

/* 169.254.1.0 to 169.254.254.255: the first and last 256 are kept for later use (section 2.1). */
enum { CHOICES = 0xfe00 };
#define FIRST_CHOICE UINT32_C(0xa9fe0100)

/* On the wire. */
struct arp {
	uint16_t hardware, protocol;
	uint8_t hardware_size, protocol_size;
	uint16_t operation;
	uint8_t sender_mac[6], sender[4], target_mac[6], target[4];
} __attribute__((packed));

_Static_assert(sizeof(struct arp) == LINK_LOCAL_PACKET_SIZE, "ARP for IPv4 over Ethernet");

/* ---- chance, the same for the same MAC */

static uint64_t draw(uint64_t *state)
{
	static const struct hash_key key = { 0x3927, 0x169254 };

	*state = hash_sip(&key, state, sizeof(*state));
	return *state;
}

static void choose_next(struct link_local *link_local)
{
	link_local->address = FIRST_CHOICE + (uint32_t)(draw(&link_local->addresses) % CHOICES);
}

static uint64_t after(struct link_local *link_local, uint64_t now_ns, uint32_t min_ms,
		      uint32_t max_ms)
{
	uint64_t range_us = (uint64_t)(max_ms - min_ms) * 1000 + 1;

	return now_ns + min_ms * UINT64_C(1000000) + draw(&link_local->delays) % range_us * 1000;
}

/* ---- packets */

/* A probe has no sender's address, so that nobody's cache learns what may be another's. */
static void write_packet(const struct link_local *link_local, bool is_probe,
			 struct link_local_step *step)
{
	uint32_t address = htobe32(link_local->address);
	struct arp arp = {
		.hardware = htobe16(ARPHRD_ETHER),
		.protocol = htobe16(ETHERTYPE_IP),
		.hardware_size = 6,
		.protocol_size = 4,
		.operation = htobe16(ARPOP_REQUEST),
	};

	memcpy(arp.sender_mac, link_local->mac, sizeof(arp.sender_mac));
	if (!is_probe)
		memcpy(arp.sender, &address, sizeof(arp.sender));
	memcpy(arp.target, &address, sizeof(arp.target));
	memcpy(step->packet, &arp, sizeof(arp));
	step->has_packet = true;
}

static bool read_packet(const uint8_t *data, size_t length, struct arp *ret_arp)
{
	uint16_t operation;

	/* Behind it may be what fills the smallest frame. */
	if (length < sizeof(*ret_arp))
		return false;
	memcpy(ret_arp, data, sizeof(*ret_arp));
	operation = be16toh(ret_arp->operation);
	return ret_arp->hardware == htobe16(ARPHRD_ETHER) &&
	       ret_arp->protocol == htobe16(ETHERTYPE_IP) && ret_arp->hardware_size == 6 &&
	       ret_arp->protocol_size == 4 &&
	       (operation == ARPOP_REQUEST || operation == ARPOP_REPLY);
}

/* ---- states */

static void begin(struct link_local *link_local, uint64_t due_ns)
{
	link_local->state = LINK_LOCAL_PROBING;
	link_local->n_sent = 0;
	link_local->due_ns = due_ns;
	link_local->has_defended = false;
}

void link_local_init(struct link_local *link_local, const uint8_t mac[6], uint64_t now_ns)
{
	*link_local = (struct link_local){ 0 };
	memcpy(link_local->mac, mac, sizeof(link_local->mac));
	memcpy(&link_local->addresses, mac, sizeof(link_local->mac));
	link_local->delays = ~link_local->addresses;
	choose_next(link_local);
	begin(link_local, after(link_local, now_ns, 0, LINK_LOCAL_PROBE_WAIT_MS));
}

void link_local_again(struct link_local *link_local, uint64_t now_ns)
{
	uint64_t due_ns = after(link_local, now_ns, 0, LINK_LOCAL_PROBE_WAIT_MS);

	/* Nor does a link that comes and goes shorten the minute of one who had many conflicts. */
	if (link_local->state == LINK_LOCAL_PROBING && link_local->n_sent == 0 &&
	    link_local->due_ns > due_ns)
		return;
	begin(link_local, due_ns);
}

static void give_up(struct link_local *link_local, uint64_t now_ns, struct link_local_step *step)
{
	if (link_local->is_held)
		step->news = LINK_LOCAL_LOST;
	link_local->is_held = false;
	choose_next(link_local);
	begin(link_local, link_local->n_recent >= LINK_LOCAL_CONFLICTS_MAX
				  ? now_ns + LINK_LOCAL_RATE_LIMIT_MS * UINT64_C(1000000)
				  : after(link_local, now_ns, 0, LINK_LOCAL_PROBE_WAIT_MS));
}

static void probe(struct link_local *link_local, uint64_t now_ns, struct link_local_step *step)
{
	write_packet(link_local, true, step);
	if (++link_local->n_sent < LINK_LOCAL_PROBES)
		link_local->due_ns =
			after(link_local, now_ns, LINK_LOCAL_PROBE_MIN_MS, LINK_LOCAL_PROBE_MAX_MS);
	else
		link_local->due_ns = now_ns + LINK_LOCAL_ANNOUNCE_WAIT_MS * UINT64_C(1000000);
}

static void announce(struct link_local *link_local, uint64_t now_ns, struct link_local_step *step)
{
	write_packet(link_local, false, step);
	if (++link_local->n_sent < LINK_LOCAL_ANNOUNCEMENTS) {
		link_local->due_ns = now_ns + LINK_LOCAL_ANNOUNCE_INTERVAL_MS * UINT64_C(1000000);
		return;
	}
	link_local->state = LINK_LOCAL_HELD;
	link_local->due_ns = now_ns + LINK_LOCAL_RATE_LIMIT_MS * UINT64_C(1000000);
}

static void take(struct link_local *link_local, struct link_local_step *step)
{
	if (!link_local->is_held)
		step->news = LINK_LOCAL_TAKEN;
	link_local->is_held = true;
	link_local->state = LINK_LOCAL_ANNOUNCING;
	link_local->n_sent = 0;
}

void link_local_tick(struct link_local *link_local, uint64_t now_ns,
		     struct link_local_step *ret_step)
{
	*ret_step = (struct link_local_step){ 0 };
	if (!link_local->due_ns || now_ns < link_local->due_ns)
		return;
	switch (link_local->state) {
	case LINK_LOCAL_PROBING:
		if (link_local->n_sent < LINK_LOCAL_PROBES) {
			probe(link_local, now_ns, ret_step);
			break;
		}
		take(link_local, ret_step);
		announce(link_local, now_ns, ret_step);
		break;
	case LINK_LOCAL_ANNOUNCING:
		announce(link_local, now_ns, ret_step);
		break;
	case LINK_LOCAL_HELD:
		link_local->n_recent = 0;
		link_local->due_ns = 0;
		break;
	}
}

/* Whether this says that somebody else has the address; or, while it is tried, wants it, too. */
static bool is_conflict(const struct link_local *link_local, const struct arp *arp)
{
	static const uint8_t nobody[4];
	uint32_t address = htobe32(link_local->address);

	if (memcmp(arp->sender_mac, link_local->mac, sizeof(arp->sender_mac)) == 0)
		return false;
	if (memcmp(arp->sender, &address, sizeof(arp->sender)) == 0)
		return true;
	return link_local->state == LINK_LOCAL_PROBING &&
	       arp->operation == htobe16(ARPOP_REQUEST) &&
	       memcmp(arp->sender, nobody, sizeof(nobody)) == 0 &&
	       memcmp(arp->target, &address, sizeof(arp->target)) == 0;
}

static bool may_defend(const struct link_local *link_local, uint64_t now_ns)
{
	return link_local->state != LINK_LOCAL_PROBING &&
	       (!link_local->has_defended ||
		now_ns - link_local->defended_ns >=
			LINK_LOCAL_DEFEND_INTERVAL_MS * UINT64_C(1000000));
}

void link_local_receive(struct link_local *link_local, const uint8_t *data, size_t length,
			uint64_t now_ns, struct link_local_step *ret_step)
{
	struct arp arp;

	*ret_step = (struct link_local_step){ 0 };
	if (!read_packet(data, length, &arp) || !is_conflict(link_local, &arp))
		return;
	link_local->conflicts++;
	link_local->n_recent++;
	if (!may_defend(link_local, now_ns)) {
		give_up(link_local, now_ns, ret_step);
		return;
	}
	link_local->defences++;
	link_local->has_defended = true;
	link_local->defended_ns = now_ns;
	write_packet(link_local, false, ret_step);
	/* The minute of peace begins anew. */
	if (link_local->state == LINK_LOCAL_HELD)
		link_local->due_ns = now_ns + LINK_LOCAL_RATE_LIMIT_MS * UINT64_C(1000000);
}

const char *link_local_state_name(const struct link_local *link_local)
{
	static const char *const names[] = { "probing", "announcing", "held" };

	return names[link_local->state];
}
