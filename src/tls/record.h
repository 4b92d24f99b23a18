/* SPDX-License-Identifier: MIT */
/*
 * The record engine: TLS records after the take-over, sealed and opened on buffers.
 *
 * Theory of operation. RFC 5246 6.2.3.3 with RFC 5288 / RFC 7905 nonces (TLS 1.2), RFC 8446 5.2
 * (TLS 1.3). TLS 1.2 begins at sequence 1 both ways (Finished was record 0) and its explicit nonce
 * is the sequence number; TLS 1.3 begins at 0. Sealing cuts plaintext into records of at most
 * max_plain; opening gives contiguous plaintext, so that a unit may span records.
 *
 * After the take-over a peer may still send: application data; close_notify (RECORD_CLOSED); in
 * TLS 1.3 KeyUpdate (keys are renewed, and answered if asked) and NewSessionTicket (ignored, at
 * most 8). Everything else is fatal with the right alert: HelloRequest and other handshake
 * messages, ChangeCipherSpec, warnings other than close_notify, an all-zero TLS 1.3 record, a
 * record too long or too short, five empty records in a row, a wrong tag. A handshake message may
 * not be split or joined around a key change.
 *
 * How long a key lasts. What wears an AES-GCM key out is the blocks that went through it: the
 * 2^24.5 full-size records of RFC 8446 5.5 are 2^34.5 blocks, and many small records may stand for
 * few large ones. So blocks are counted, for each key and direction: those of what is encrypted,
 * and one for the tag. A sender is told to renew at RECORD_RENEW_AT and neither side goes beyond
 * RECORD_LIMIT; data ends a little earlier (record_sealer_is_spent), so that the last words of a
 * key, a KeyUpdate or an alert, still find room. ChaCha20-Poly1305 has no such bound.
 *
 * No I/O, no clock, no allocation but in _new. One thread at a time.
 */
#ifndef TLS_RECORD_H
#define TLS_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tls/aead.h"

enum { RECORD_VERSION_TLS12 = 0x0303, RECORD_VERSION_TLS13 = 0x0304 };

enum {
	RECORD_PLAIN_MAX = 16384,
	RECORD_HEADER_SIZE = 5,
	/* header, explicit nonce (1.2) or content type (1.3), tag */
	RECORD_OVERHEAD_MAX = 5 + 8 + 16,
	/* the most that a peer's record may have (RFC 8446 5.2) */
	RECORD_SIZE_MAX = RECORD_PLAIN_MAX + 256 + 5,
	RECORD_SECRET_MAX = 48,
	RECORD_TICKETS_MAX = 8,
	RECORD_TICKET_SIZE_MAX = 65536, /* they are skipped, not stored */
	RECORD_EMPTY_MAX = 4,
	/* KeyUpdates in a row, without data between them: each costs us a key schedule */
	RECORD_UPDATES_MAX = 32,
};

/* AES blocks on one key. */
#define RECORD_RENEW_AT (UINT64_C(1) << 33)     /* well before the limit */
#define RECORD_LIMIT    (UINT64_C(24296003999)) /* 2^34.5: nothing is sealed or opened beyond */

/* One direction. TLS 1.3: secret is the traffic secret, from which key
 * and iv come. */
struct record_secrets {
	uint16_t version;
	enum aead_algorithm algorithm;
	uint8_t key[AEAD_KEY_MAX];
	uint8_t iv[AEAD_NONCE_SIZE]; /* TLS 1.2 GCM: the first 4 are the salt */
	uint8_t secret[RECORD_SECRET_MAX];
	uint8_t secret_length; /* 0 in TLS 1.2; 32 or 48 */
	uint64_t sequence;     /* of the next record */
	uint64_t blocks;       /* that went through the key so far */
	uint16_t max_plain;    /* negotiated, ≤ RECORD_PLAIN_MAX */
};

/* Derive key and iv of a TLS 1.3 traffic secret (RFC 8446 7.3) into secrets. 0 or -EINVAL. */
int record_secrets_derive(struct record_secrets *secrets);
/* The next generation (RFC 8446 7.2): secret, key, iv; sequence and blocks 0. */
int record_secrets_update(struct record_secrets *secrets);
void record_secrets_erase(struct record_secrets *secrets);

struct record_sealer;
struct record_opener;

/* Both copy the secrets. backend NULL: aead_backend(). 0, -ENOMEM, -EINVAL. */
int record_sealer_new(const struct record_secrets *secrets, const struct aead_backend *backend,
		      struct record_sealer **ret_sealer);
void record_sealer_free(struct record_sealer *sealer);
int record_opener_new(const struct record_secrets *secrets, const struct aead_backend *backend,
		      struct record_opener **ret_opener);
void record_opener_free(struct record_opener *opener);

/* The size of length bytes of plaintext once sealed. */
size_t record_sealed_size(const struct record_sealer *sealer, size_t length);
/*
 * Seal as much of plain as fits into out, whole records only. Return: bytes written (0: not even
 * one record fits, or the limit is reached: record_sealer_is_spent), with *ret_taken bytes of plain
 * used; or -EIO. plain and out do not overlap.
 */
ssize_t record_seal(struct record_sealer *sealer, const uint8_t *plain, size_t length, uint8_t *out,
		    size_t size, size_t *ret_taken);
bool record_sealer_wants_renewal(const struct record_sealer *sealer); /* beyond RECORD_RENEW_AT */
/* Another record of data, of full size and with the reserve behind it, might exceed the limit. */
bool record_sealer_is_spent(const struct record_sealer *sealer);
/* The peer's key has come as far. */
bool record_opener_wants_renewal(const struct record_opener *opener);
/* TLS 1.3: seal a KeyUpdate (request or not) and renew our own key. Return: bytes written, -ENOSPC,
 * -EOPNOTSUPP (TLS 1.2), -EIO. */
ssize_t record_seal_key_update(struct record_sealer *sealer, bool request, uint8_t *out,
			       size_t size);

enum record_alert {
	RECORD_ALERT_CLOSE_NOTIFY = 0,
	RECORD_ALERT_UNEXPECTED_MESSAGE = 10,
	RECORD_ALERT_BAD_RECORD_MAC = 20,
	RECORD_ALERT_RECORD_OVERFLOW = 22,
	RECORD_ALERT_ILLEGAL_PARAMETER = 47,
	RECORD_ALERT_DECODE_ERROR = 50,
	RECORD_ALERT_PROTOCOL_VERSION = 70,
	RECORD_ALERT_INTERNAL_ERROR = 80,
};

/* Seal an alert (level warning for close_notify, else fatal). Return: bytes written, -ENOSPC, or
 * -EIO. */
ssize_t record_seal_alert(struct record_sealer *sealer, enum record_alert alert, uint8_t *out,
			  size_t size);

enum record_status {
	RECORD_MORE = 0, /* everything whole was opened; the rest of data is part of a record */
	/* plain cannot take the next record (RECORD_PLAIN_MAX free is always enough); call again */
	RECORD_FULL = 1,
	RECORD_CLOSED = 2,  /* close_notify */
	RECORD_BROKEN = 3,  /* fatal: send ret->alert and close */
	RECORD_ALERTED = 4, /* the peer sent a fatal alert: its number is ret->alert */
};

struct record_opened {
	size_t taken; /* bytes of data used: whole records only */
	size_t plain; /* bytes written to plain, contiguous */
	int alert;
	const char *reason; /* of RECORD_BROKEN, a static sentence */
	bool answer_update; /* a KeyUpdate with update_requested came: seal one (not requesting)
			       before the next data */
};

/*
 * Open every whole record of data into plain (size bytes; no overlap). What was opened before the
 * record that ended it is in plain and authentic. After any end (CLOSED, BROKEN, ALERTED) nothing
 * more is read: the same end is told again.
 */
enum record_status record_open(struct record_opener *opener, const uint8_t *data, size_t length,
			       uint8_t *plain, size_t size, struct record_opened *ret_opened);

/* For tests and T33: lower the limits of a sealer, in blocks. */
void record_sealer_set_limits(struct record_sealer *sealer, uint64_t renew_at, uint64_t limit);

#endif
