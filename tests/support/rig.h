/* SPDX-License-Identifier: MIT */
/*
 * A rig: a hub and clients in one process, over memory devices and socketpairs, on one loop with a
 * clock that the test moves.
 *
 * Between each client and the hub sits a wire that the test can cut, slow to a few bytes at a time,
 * or corrupt.
 */
#ifndef SUPPORT_RIG_H
#define SUPPORT_RIG_H

#include <longwire/longwire.h>

#include "loop/loop.h"
#include "tls/credentials.h"

enum { RIG_CLIENTS_MAX = 128, RIG_FRAMES_MAX = 4096, RIG_WIRES_MAX = 12 };

/* What came out of a memory device. */
struct rig_host {
	struct rig *rig;
	struct lw_packet_flow *near, *far; /* near belongs to the product, far to the test */
	uint8_t *frames[RIG_FRAMES_MAX];
	size_t lengths[RIG_FRAMES_MAX];
	size_t n;
	bool only_counts; /* keeps no frames: n says how many came */
};

struct rig_wire {
	struct rig_client *client;
	unsigned number;         /* of the client's dials, from 1 */
	struct loop_source a, b; /* towards client, towards hub */
	struct wire_buffer {
		uint8_t data[65536];
		size_t length;
	} up, down;                           /* read but not yet passed on */
	bool is_live, is_a_ended, is_b_ended; /* by a FIN */
};

struct rig_client {
	struct rig *rig;
	char name[16];
	struct pin pin;
	struct lw_port *port;
	struct lw_tunnel *tunnel;
	struct lw_connection *connection;
	struct rig_host host;
	struct rig_wire wires[RIG_WIRES_MAX], *wire; /* the newest */
	size_t n_wires;                              /* at once; 2 */
	bool keeps_wires;                            /* a new one does not cut the one before it */
	bool is_unreachable;                         /* dialing fails */
	bool is_black_hole_up, is_black_hole_down;
	size_t chunk;     /* bytes passed on at a time; 0: all */
	uint64_t flip_at; /* corrupt the byte at this offset towards the hub; 0: none */
	uint64_t passed_up, passed_down;
	/* Sees what passes, as it comes. */
	void (*tap)(const struct rig_wire *wire, bool is_up, const uint8_t *data, size_t length);
	void *tap_user;
	unsigned dials;
	enum lw_status statuses[64];
	size_t n_statuses;
};

struct rig {
	enum lw_layer layer;
	struct lw_loop *loop;
	uint64_t now_ns;
	bool has_real_clock;       /* needed where there are threads: time passes by itself */
	uint32_t workers, streams; /* of the hub; devices have a queue for each worker */
	char folder[64];
	struct pin hub_pin;
	struct lw_hub *hub;
	struct rig_host host; /* behind the hub's device */
	struct rig_client clients[RIG_CLIENTS_MAX];
	size_t n;
};

/* with_device: the hub has a memory device. Asserts on failure. */
struct rig *rig_new(enum lw_layer layer, bool with_device);
/* The same with that many workers, granting that many streams; with more than one worker on the real
 * clock. */
struct rig *rig_new_wide(enum lw_layer layer, uint32_t workers, uint32_t streams);
void rig_free(struct rig *rig);
/* The hub again, from nothing (all its ports with it): after rig_hub_kill. */
void rig_hub_start(struct rig *rig);
void rig_hub_kill(struct rig *rig); /* no goodbye */

/* options may be NULL; name and pins are filled in. Not connected yet. */
struct rig_client *rig_add(struct rig *rig, const char *name, const struct lw_peer_options *peer,
			   const struct lw_tunnel_options *tunnel);
void rig_connect(struct rig_client *
			 client); /* starts, and asserts that it comes up within 5 s of the clock */
void rig_start(struct rig_client *client);

/* Dispatch and move the clock until condition says yes. Return: whether it did within ms of the
 * clock. */
bool rig_until(struct rig *rig, bool (*condition)(void *user), void *user, uint64_t ms);
/* Let ms pass. */
void rig_pass(struct rig *rig, uint64_t ms);
/* Dispatch until nothing happens; the clock stands still. */
void rig_settle(struct rig *rig);
bool rig_is_up(void *client);
bool rig_is_down(void *client); /* disconnected */

/* Cut the wires under a client without a word; one of them. */
void rig_cut(struct rig_client *client);
void rig_cut_wire(struct rig_wire *wire);

/* A host behind a memory device of its own; host->near is for the product. */
void rig_open_host(struct rig *rig, struct rig_host *host);
void rig_close_host(struct rig_host *host);
/* As the host behind a device; into which of its queues. Return: whether there was room. */
bool rig_write_queue(struct rig_host *host, uint16_t queue, const void *data, size_t length);
void rig_write(struct rig_host *host, const void *data, size_t length);
void rig_forget(struct rig_host *host);
/* How many frames equal to data came. */
size_t rig_count(const struct rig_host *host, const void *data, size_t length);

/* An Ethernet frame: destination and source end in these bytes (0xff: broadcast). Return: its
 * length. */
size_t rig_frame(uint8_t *frame, uint8_t to, uint8_t from, uint16_t ether_type, size_t payload);
/* An IPv4 UDP packet with good checksums. Return: its length. */
size_t rig_packet(uint8_t *packet, const char *from, const char *to, size_t payload);

/* The file of an identity ("hub" or a client's name). */
const char *rig_identity(struct rig *rig, const char *name, char path[128]);
/* Make an identity file. */
void rig_make_identity(struct rig *rig, const char *name, struct pin *ret_pin);
uint64_t rig_drops(const struct rig_client *client, enum lw_drop reason); /* at the hub's port */

#endif
