/* SPDX-License-Identifier: MIT */
/* Opening: records into plaintext, and the few things besides data that a peer may still say. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "tls/record_cipher.h"

enum {
	HANDSHAKE_HEADER_SIZE = 4,
	KEY_UPDATE_SIZE = 1,
	TLS13_EXPANSION_MAX = 256, /* RFC 8446 5.2 */
	ALERT_WARNING = 1,
	ALERT_FATAL = 2,
};

/* A post-handshake message that may come in pieces: its header and first byte, the rest is
 * skipped. */
struct message {
	uint8_t head[HANDSHAKE_HEADER_SIZE + KEY_UPDATE_SIZE];
	size_t have;
	size_t left; /* of its body, once the header is there */
};

struct record_opener {
	struct record_cipher cipher;
	struct message message;
	enum record_status end; /* RECORD_MORE: goes on */
	bool has_opened;        /* any record at all */
	int alert;
	const char *reason;
	unsigned empty, tickets, updates;
};

/* For content that is not data, and where plain has room for the content but not for the type
 * behind it. The thread's, since thousands of idle openers need none; erased after each use. */
static _Thread_local uint8_t scratch[RECORD_PLAIN_MAX + 1];

/* One record on its way: where it is opened to, what was in it. */
struct arrival {
	const uint8_t *record;
	size_t length; /* with its header */
	size_t inner;  /* bytes that come out of the AEAD */
	uint8_t *content;
	size_t content_length;
	uint8_t type;
};

int record_opener_new(const struct record_secrets *secrets, const struct aead_backend *backend,
		      struct record_opener **ret_opener)
{
	struct record_opener *opener = calloc(1, sizeof(*opener));
	int r;

	if (!opener)
		return -ENOMEM;
	r = record_cipher_init(&opener->cipher, secrets, backend);
	if (r) {
		record_opener_free(opener);
		return r;
	}
	*ret_opener = opener;
	return 0;
}

void record_opener_free(struct record_opener *opener)
{
	if (!opener)
		return;
	record_cipher_done(&opener->cipher);
	memory_erase(opener, sizeof(*opener));
	free(opener);
}

bool record_opener_wants_renewal(const struct record_opener *opener)
{
	return record_cipher_is_gcm(&opener->cipher) &&
	       opener->cipher.secrets.blocks >= RECORD_RENEW_AT;
}

static enum record_status finish(struct record_opener *opener, enum record_status end, int alert,
				 const char *reason)
{
	opener->end = end;
	opener->alert = alert;
	opener->reason = reason;
	return end;
}

static enum record_status broken(struct record_opener *opener, enum record_alert alert,
				 const char *reason)
{
	return finish(opener, RECORD_BROKEN, alert, reason);
}

/* What can be refused by its header alone, before the rest has come. */
static enum record_status check_header(struct record_opener *opener, const uint8_t *header)
{
	bool is_tls13 = record_cipher_is_tls13(&opener->cipher);
	size_t overhead = record_cipher_overhead(&opener->cipher) - RECORD_HEADER_SIZE;
	size_t length = load_be16(header + 3);
	size_t max = RECORD_PLAIN_MAX + (is_tls13 ? TLS13_EXPANSION_MAX : overhead);

	if (header[0] != RECORD_TYPE_DATA && (is_tls13 || header[0] != RECORD_TYPE_ALERT))
		return broken(opener, RECORD_ALERT_UNEXPECTED_MESSAGE,
			      "a record that has no place after the handshake");
	/* TLS 1.3 says to ignore the version; it is under the authentication tag. */
	if (!is_tls13 && load_be16(header + 1) != RECORD_VERSION_TLS12)
		return broken(opener, RECORD_ALERT_PROTOCOL_VERSION,
			      "a record of another protocol version");
	if (length > max)
		return broken(opener, RECORD_ALERT_RECORD_OVERFLOW,
			      "a record longer than TLS allows");
	if (length < overhead)
		return broken(opener, RECORD_ALERT_DECODE_ERROR,
			      "a record too short to be authentic");
	return RECORD_MORE;
}

/* Where the record can be opened to: straight into plain if it fits there. Return: whether there is
 * a place. */
static bool find_room(const struct record_opener *opener, uint8_t *plain, size_t room,
		      struct arrival *arrival)
{
	bool is_tls13 = record_cipher_is_tls13(&opener->cipher);
	bool is_data = is_tls13 || arrival->record[0] == RECORD_TYPE_DATA;

	arrival->content = plain;
	if (is_data && arrival->inner <= room)
		return true;
	arrival->content = scratch;
	if (arrival->inner > sizeof(scratch))
		return is_data; /* padded beyond what TLS allows; decrypt refuses it */
	return !is_data || (is_tls13 && arrival->inner - 1 <= room);
}

static enum record_status decrypt(struct record_opener *opener, struct arrival *arrival)
{
	struct record_cipher *cipher = &opener->cipher;
	size_t prefix = record_cipher_prefix(cipher);
	const uint8_t *header = arrival->record;
	uint8_t nonce[RECORD_NONCE_ROOM], ad[RECORD_AD_ROOM];
	uint64_t explicit_part = 0;
	size_t ad_length;

	if (arrival->inner > sizeof(scratch))
		return broken(opener, RECORD_ALERT_RECORD_OVERFLOW,
			      "a record with more padding than TLS allows");
	if (record_cipher_is_gcm(cipher) &&
	    cipher->secrets.blocks + record_cipher_blocks(arrival->inner) > RECORD_LIMIT)
		return broken(opener, RECORD_ALERT_UNEXPECTED_MESSAGE,
			      "more on one key than AES-GCM may carry");
	if (prefix > RECORD_HEADER_SIZE)
		explicit_part = load_be64(header + RECORD_HEADER_SIZE);
	record_cipher_nonce(cipher, explicit_part, nonce);
	ad_length = record_cipher_ad(cipher, header[0], load_be16(header + 1),
				     record_cipher_is_tls13(cipher)
					     ? arrival->length - RECORD_HEADER_SIZE
					     : arrival->inner,
				     ad);
	if (cipher->backend->open(cipher->aead, nonce, ad, ad_length, arrival->record + prefix,
				  arrival->inner, arrival->content))
		return broken(
			opener, RECORD_ALERT_BAD_RECORD_MAC,
			opener->has_opened || !record_cipher_is_tls13(cipher)
				? "a record that is not authentic"
				: "the first record is not authentic: altered on its way, or a "
				  "refusal that TLS 1.3 hides from us");
	record_cipher_count(cipher, arrival->inner);
	opener->has_opened = true;
	return RECORD_MORE;
}

/* The content and its type: in TLS 1.3 the last byte that is not zero. */
static enum record_status unwrap(struct record_opener *opener, struct arrival *arrival)
{
	size_t length = arrival->inner;

	arrival->type = arrival->record[0];
	if (record_cipher_is_tls13(&opener->cipher)) {
		while (length > 0 && arrival->content[length - 1] == 0)
			length--;
		if (length == 0)
			return broken(opener, RECORD_ALERT_UNEXPECTED_MESSAGE,
				      "a record of nothing but padding");
		arrival->type = arrival->content[--length];
	}
	arrival->content_length = length;
	if (length > opener->cipher.secrets.max_plain)
		return broken(opener, RECORD_ALERT_RECORD_OVERFLOW,
			      "a record longer than was agreed");
	return RECORD_MORE;
}

static enum record_status take_data(struct record_opener *opener, const struct arrival *arrival,
				    uint8_t *plain, size_t *used)
{
	if (opener->message.have)
		return broken(opener, RECORD_ALERT_UNEXPECTED_MESSAGE,
			      "data in the middle of a handshake message");
	if (arrival->content_length == 0) {
		if (++opener->empty > RECORD_EMPTY_MAX)
			return broken(opener, RECORD_ALERT_UNEXPECTED_MESSAGE,
				      "too many empty records");
		return RECORD_MORE;
	}
	opener->empty = 0;
	opener->updates = 0;
	if (arrival->content == scratch)
		memcpy(plain + *used, arrival->content, arrival->content_length);
	*used += arrival->content_length;
	return RECORD_MORE;
}

static enum record_status take_alert(struct record_opener *opener, const struct arrival *arrival)
{
	enum { CLOSE_NOTIFY = 0 };
	uint8_t level, number;

	if (arrival->content_length != 2)
		return broken(opener, RECORD_ALERT_DECODE_ERROR, "an alert of the wrong size");
	level = arrival->content[0];
	number = arrival->content[1];
	if (level != ALERT_WARNING && level != ALERT_FATAL)
		return broken(opener, RECORD_ALERT_ILLEGAL_PARAMETER, "an alert of unknown level");
	if (number == CLOSE_NOTIFY)
		return finish(opener, RECORD_CLOSED, CLOSE_NOTIFY, NULL);
	/* RFC 8446 6: the level says nothing any more, every other alert ends the connection. */
	if (level == ALERT_FATAL || record_cipher_is_tls13(&opener->cipher))
		return finish(opener, RECORD_ALERTED, number, NULL);
	return broken(opener, RECORD_ALERT_UNEXPECTED_MESSAGE,
		      "a warning that has no place after the handshake");
}

/* The header of a message is complete: may there be such a one? */
static enum record_status begin_message(struct record_opener *opener)
{
	struct message *message = &opener->message;

	message->left = load_be24(message->head + 1);
	switch (message->head[0]) {
	case RECORD_KEY_UPDATE:
		if (message->left != KEY_UPDATE_SIZE)
			return broken(opener, RECORD_ALERT_DECODE_ERROR,
				      "a KeyUpdate of the wrong size");
		return RECORD_MORE;
	case RECORD_NEW_SESSION_TICKET:
		if (++opener->tickets > RECORD_TICKETS_MAX ||
		    message->left > RECORD_TICKET_SIZE_MAX)
			return broken(opener, RECORD_ALERT_UNEXPECTED_MESSAGE,
				      "too many or too long session tickets");
		return RECORD_MORE;
	default:
		return broken(opener, RECORD_ALERT_UNEXPECTED_MESSAGE,
			      "a handshake message that has no place after the handshake");
	}
}

static enum record_status key_update(struct record_opener *opener, bool is_last, bool *ret_answer)
{
	uint8_t request = opener->message.head[HANDSHAKE_HEADER_SIZE];

	if (!is_last)
		return broken(opener, RECORD_ALERT_UNEXPECTED_MESSAGE,
			      "a handshake message that continues across a key change");
	if (request > 1)
		return broken(opener, RECORD_ALERT_ILLEGAL_PARAMETER,
			      "a KeyUpdate with an unknown request");
	if (++opener->updates > RECORD_UPDATES_MAX)
		return broken(opener, RECORD_ALERT_UNEXPECTED_MESSAGE, "too many key updates");
	if (record_cipher_renew(&opener->cipher))
		return broken(opener, RECORD_ALERT_INTERNAL_ERROR, "the key could not be renewed");
	if (request)
		*ret_answer = true;
	return RECORD_MORE;
}

/* Feed the message in progress from the content. Return: how many bytes it took. */
static size_t feed_message(struct message *message, const uint8_t *data, size_t length)
{
	size_t want = HANDSHAKE_HEADER_SIZE, n;

	if (message->have >= HANDSHAKE_HEADER_SIZE && message->head[0] == RECORD_KEY_UPDATE)
		want += KEY_UPDATE_SIZE;
	if (message->have < want) {
		n = MIN(length, want - message->have);
		memcpy(message->head + message->have, data, n);
		message->have += n;
		if (want > HANDSHAKE_HEADER_SIZE)
			message->left -= n;
		return n;
	}
	n = MIN(length, message->left);
	message->left -= n;
	return n;
}

static enum record_status take_handshake(struct record_opener *opener,
					 const struct arrival *arrival, bool *ret_answer)
{
	struct message *message = &opener->message;
	size_t offset = 0;

	if (arrival->content_length == 0)
		return broken(opener, RECORD_ALERT_UNEXPECTED_MESSAGE, "an empty handshake record");
	while (offset < arrival->content_length) {
		bool had_header = message->have >= HANDSHAKE_HEADER_SIZE;
		enum record_status status = RECORD_MORE;

		offset += feed_message(message, arrival->content + offset,
				       arrival->content_length - offset);
		if (message->have < HANDSHAKE_HEADER_SIZE)
			continue;
		if (!had_header)
			status = begin_message(opener);
		if (status == RECORD_MORE && message->left > 0)
			continue;
		if (status == RECORD_MORE && message->head[0] == RECORD_KEY_UPDATE)
			status = key_update(opener, offset == arrival->content_length, ret_answer);
		if (status != RECORD_MORE)
			return status;
		message->have = 0;
	}
	return RECORD_MORE;
}

static enum record_status dispatch(struct record_opener *opener, const struct arrival *arrival,
				   uint8_t *plain, struct record_opened *opened)
{
	switch (arrival->type) {
	case RECORD_TYPE_DATA:
		return take_data(opener, arrival, plain, &opened->plain);
	case RECORD_TYPE_ALERT:
		return take_alert(opener, arrival);
	case RECORD_TYPE_HANDSHAKE:
		return take_handshake(opener, arrival, &opened->answer_update);
	default:
		return broken(opener, RECORD_ALERT_UNEXPECTED_MESSAGE, "a record of unknown type");
	}
}

/* One record at data. RECORD_MORE with *ret_length 0: it is not whole yet. */
static enum record_status open_one(struct record_opener *opener, const uint8_t *data, size_t length,
				   uint8_t *plain, size_t size, struct record_opened *opened,
				   size_t *ret_length)
{
	struct arrival arrival = { .record = data };
	enum record_status status;

	*ret_length = 0;
	if (length < RECORD_HEADER_SIZE)
		return RECORD_MORE;
	status = check_header(opener, data);
	if (status != RECORD_MORE)
		return status;
	arrival.length = RECORD_HEADER_SIZE + load_be16(data + 3);
	if (length < arrival.length)
		return RECORD_MORE;
	arrival.inner = arrival.length - record_cipher_prefix(&opener->cipher) - AEAD_TAG_SIZE;
	if (!find_room(opener, plain + opened->plain, size - opened->plain, &arrival))
		return RECORD_FULL;
	status = decrypt(opener, &arrival);
	if (status != RECORD_MORE)
		return status;
	status = unwrap(opener, &arrival);
	if (status == RECORD_MORE)
		status = dispatch(opener, &arrival, plain, opened);
	if (status == RECORD_BROKEN || arrival.content == scratch)
		memory_erase(arrival.content, arrival.inner);
	*ret_length = arrival.length;
	return status;
}

enum record_status record_open(struct record_opener *opener, const uint8_t *data, size_t length,
			       uint8_t *plain, size_t size, struct record_opened *ret_opened)
{
	struct record_opened opened = { 0 };
	enum record_status status = opener->end;

	while (status == RECORD_MORE) {
		size_t taken;

		status = open_one(opener, data + opened.taken, length - opened.taken, plain, size,
				  &opened, &taken);
		opened.taken += taken;
		if (!taken)
			break;
	}
	if (status != RECORD_FULL) {
		opened.alert = opener->alert;
		opened.reason = opener->reason;
	}
	*ret_opened = opened;
	return status;
}
