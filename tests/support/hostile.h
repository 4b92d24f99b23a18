/* SPDX-License-Identifier: MIT */
/*
 * A hostile peer: it makes a real TLS handshake with a real identity over a socketpair, and then
 * sends whatever bytes the test likes inside it (or around it).
 *
 * It plays a client against a rig's hub (hostile_call), or a hub against a client's dial function
 * (hostile_answer). It moves only when the test lets it: hostile_settle and hostile_until run the
 * rig's loop and the peer in turns.
 */
#ifndef SUPPORT_HOSTILE_H
#define SUPPORT_HOSTILE_H

#include "support/rig.h"
#include "tls/handshake.h"
#include "tls/record.h"
#include "wire/message.h"
#include "wire/unit.h"

struct hostile {
	struct rig *rig;
	enum admission_side side; /* as whom it judges: HUB when it plays the hub */
	int fd;
	struct credentials *credentials;
	struct tls_config *config;
	struct admission_book *book;
	struct tls_handshake *tls;
	struct record_sealer *sealer;
	struct record_opener *opener;
	uint8_t *sealed, *received, *plain; /* HOSTILE_BUFFER bytes each */
	size_t sealed_length, received_length, plain_length;

	/* What has become of it. */
	bool is_up;     /* the handshake is over, both agree */
	bool is_failed; /* the handshake failed */
	bool is_closed; /* close_notify came */
	bool is_cut;    /* a FIN or a reset came */
	int alert;      /* a fatal one came; 0: none */
	unsigned units[256];
	struct hello hello;
	struct goodbye goodbye;
	bool has_goodbye;
	uint8_t frame[70000]; /* the last that came */
	size_t frame_length;

	bool is_deaf; /* it reads nothing any more */
};

enum { HOSTILE_BUFFER = 4 * 1024 * 1024 };

/* A client with the identity of that name calls the rig's hub. Connected, nothing said yet. */
struct hostile *hostile_call(struct rig *rig, const char *identity);
/* The same on a socket that is connected to it already. */
struct hostile *hostile_call_on(struct rig *rig, const char *identity, int fd);
/* Its ClientHello, instead of a handshake. Return: the length. */
size_t hostile_client_hello(struct hostile *peer, uint8_t *data, size_t size);
/* A hub with the identity of that name, which expects a client's pin, on a connected socket. */
struct hostile *hostile_answer(struct rig *rig, const char *identity, const struct pin *client,
			       int fd);
void hostile_free(struct hostile *peer);

/* Read and write what is there, without waiting. Return: whether anything moved. */
bool hostile_pump(struct hostile *peer);
/* Run the rig and the peer until neither moves; the clock stands still. */
void hostile_settle(struct hostile *peer);
/* As rig_until, with the peer taking its turns; condition may be NULL. */
bool hostile_until(struct hostile *peer, bool (*condition)(void *user), void *user, uint64_t ms);
/*
 * What a thread or the kernel's TCP does needs real time: settle until condition, which is asserted.
 * The rig's clock stands still.
 */
void hostile_wait(struct hostile *peer, bool (*condition)(void *user), void *user);
/* A client's first flight. */
void hostile_begin(struct hostile *peer);
/* Settle until the handshake is over, and assert that it went well. */
void hostile_shake(struct hostile *peer);

/* Plaintext, sealed as records. */
void hostile_send(struct hostile *peer, const void *data, size_t length);
/* Bytes on the socket, as they are. Return: how many it took. */
size_t hostile_send_raw(struct hostile *peer, const void *data, size_t length);
void hostile_unit(struct hostile *peer, uint8_t type, const void *body, size_t length);
/* A client's or hub's hello without fault. */
void hostile_hello(struct hostile *peer, enum lw_layer layer, uint32_t mtu);
/* close_notify or a fatal alert. */
void hostile_alert(struct hostile *peer, enum record_alert alert);
void hostile_fin(struct hostile *peer);

bool hostile_is_up(void *peer);
bool hostile_has_hello(void *peer);
bool hostile_is_over(void *peer); /* closed, cut or alerted */

#endif
