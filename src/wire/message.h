/* SPDX-License-Identifier: MIT */
/* Control messages: the bodies of hello, settings, goodbye and probe, to and from structs. Pure. */
#ifndef WIRE_MESSAGE_H
#define WIRE_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <longwire/api.h>

struct dns_settings;
struct lw_error;
struct proxy_settings;
struct tree;

enum { WIRE_VERSION = 1, SESSION_ID_SIZE = 16, STREAMS_MAX = 8 };

enum wire_rekey { WIRE_REKEY_STREAM = 1, WIRE_REKEY_UPDATE = 2 };

/*
 * hello:
 * {"version":1,"layer":"ethernet","mtu":1500,"max-unit":65571,"offloads":[],"rekey":"stream","streams":1,
 *         "session":"<32 hex>","stream":1,"succeeds":0}. Unknown keys are ignored (they are how a later
 * version says more).
 */
struct hello {
	uint32_t version; /* 1 … 1000; anything but WIRE_VERSION is refused by the session, with
			     both numbers told */
	enum lw_layer layer;
	uint32_t mtu;      /* of an IP packet, 576 … 65535; the hub's is the network's */
	uint32_t max_unit; /* largest unit it takes, 2048 … UNIT_SIZE_MAX */
	uint32_t offloads; /* bits of enum wire_offload */
	enum wire_rekey rekey;
	uint32_t streams; /* client: the most it wants; hub: what it grants; 1 … STREAMS_MAX */
	uint32_t stream;  /* which of them this one is, 1-based; 0: not said, the first */
	bool has_session; /* hub: always; client: for a further stream */
	uint8_t session[SESSION_ID_SIZE];
	uint32_t succeeds; /* the stream that this one succeeds, 1-based; 0: none */
};

enum wire_offload {
	WIRE_OFFLOAD_CHECKSUM = 1,
	WIRE_OFFLOAD_TSO4 = 2,
	WIRE_OFFLOAD_TSO6 = 4,
	WIRE_OFFLOAD_USO = 8
};

/* Encoders write at most size bytes. Return: bytes written, -ENOSPC, or -ENOMEM. Decoders: 0,
 * -ENOMEM, or -EBADMSG with ret_error. */
int hello_encode(const struct hello *hello, uint8_t *data, size_t size);
int hello_decode(const uint8_t *data, size_t length, struct hello *ret_hello,
		 struct lw_error *ret_error);

/* settings: what the hub offers. Values are text and validated by the client like everything it is
 * offered. */
enum {
	OFFER_ADDRESSES_MAX = 8,
	OFFER_ROUTES_MAX = 512,
	OFFER_NAMES_MAX = 64, /* of each list of dns and proxy that is read at all */
	OFFER_TEXT = 50,
	OFFER_FAULT_SIZE = 160,
};

struct offer {
	uint32_t mtu; /* 0: none */
	char (*addresses)[OFFER_TEXT];
	size_t n_addresses;
	char (*included_routes)[OFFER_TEXT];
	size_t n_included_routes;
	/* Parsed by the rules of settings; what breaks them is not there but told in fault. */
	struct dns_settings *dns;
	struct proxy_settings *proxy;
	char dns_fault[OFFER_FAULT_SIZE], proxy_fault[OFFER_FAULT_SIZE];
	bool has_unknown; /* keys that this version knows by name only */
};

int offer_encode(const struct offer *offer, uint8_t *data, size_t size);
/* Over a maximum: -EBADMSG, "thousands of routes". */
int offer_decode(const uint8_t *data, size_t length, struct offer *ret_offer,
		 struct lw_error *ret_error);
void offer_done(struct offer *offer);

/* goodbye: a code and a sentence for the user. */
enum goodbye_code {
	GOODBYE_NONE = 0,     /* an orderly end */
	GOODBYE_REFUSED = 1,  /* not admitted: come back in 30 s at the earliest */
	GOODBYE_REPLACED = 2, /* a newer session of the same identity */
	GOODBYE_PROTOCOL = 3, /* a rule was broken */
	GOODBYE_VERSION = 4,
	GOODBYE_LAYER = 5,
	GOODBYE_DEAD = 6,     /* nothing heard */
	GOODBYE_SHUTDOWN = 7, /* the hub stops or restarts: come back soon */
	GOODBYE_REMOVED = 8,  /* no longer configured */
	GOODBYE_RESOURCES = 9,
	GOODBYE_STALLED = 10, /* alive but not draining */
	GOODBYE_CODE_MAX = 1000,
};

enum { GOODBYE_TEXT_SIZE = 240 };

struct goodbye {
	uint32_t code;                /* unknown codes are kept as numbers */
	char text[GOODBYE_TEXT_SIZE]; /* printable; longer ones are cut, control characters become
					 '?' */
};

/* At most GOODBYE_TEXT_SIZE - 1 characters; what is not printable ASCII becomes '?'. */
void goodbye_copy_text(char text[GOODBYE_TEXT_SIZE], const char *from);
int goodbye_encode(const struct goodbye *goodbye, uint8_t *data, size_t size);
int goodbye_decode(const uint8_t *data, size_t length, struct goodbye *ret_goodbye,
		   struct lw_error *ret_error);
const char *goodbye_name(uint32_t code); /* "refused"; "?" if unknown */

/* probe: 24 bytes, big-endian. Microseconds of each side's own clock, meaningful only to it. */
enum { PROBE_SIZE = 24 };

struct probe {
	uint64_t sent_us; /* now, at the sender */
	uint64_t echo_us; /* sent_us of the last probe it got; 0: none yet */
	uint64_t held_us; /* how long ago that was */
};

void probe_encode(const struct probe *probe, uint8_t data[PROBE_SIZE]);
void probe_decode(const uint8_t data[PROBE_SIZE], struct probe *ret_probe);
/* Round-trip time of a probe that came at now_us: now − echo − held, or 0 when it carries none or
 * is absurd (> 60 s). */
uint64_t probe_rtt_us(const struct probe *probe, uint64_t now_us);

#endif
