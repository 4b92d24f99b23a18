/* SPDX-License-Identifier: MIT */
/*
 * TLS handshakes without I/O: bytes in, bytes out, and at the end the secrets for the record
 * engine.
 *
 * Theory of operation. A tls_config is one side's policy: protocol versions (1.2 and, with
 * mbedTLS 3.6, 1.3), suites (ECDHE with AEAD, ordered by what the AEAD backends are fast at),
 * curves, signature algorithms, ALPN, no tickets, no renegotiation, no compression, certificates
 * required both ways. It is made by the one policy function. A tls_handshake is one connection in
 * progress. The caller feeds what it read and sends what comes out, also after a failure (that is
 * the alert).
 *
 * Take-over. When the handshake has returned success and admission has said yes,
 * tls_handshake_take() hands out the record secrets and everything read beyond the handshake, and
 * the mbedTLS objects can be freed. It refuses (and the connection ends) if the library still holds
 * input, wrote a record of its own after its Finished (a ticket would have spent a nonce), or
 * agreed on anything that the record engine does not do. A refused peer gets a goodbye through the
 * library itself.
 *
 * Threads: every function here, and every object, belongs to the handshake role's thread.
 */
#ifndef TLS_HANDSHAKE_H
#define TLS_HANDSHAKE_H

#include <stddef.h>
#include <stdint.h>

#include "tls/admission.h"
#include "tls/record.h"

struct lw_error;
struct credentials;
struct key_log;
struct tls_config;
struct tls_handshake;

#define TLS_ALPN "longwire/1"

enum { TLS_PREAUTH_INPUT_MAX = 65536 };

/* credentials are borrowed and must outlive the config. 0 or a negative errno. */
int tls_config_new(enum admission_side side, const struct credentials *credentials,
		   struct tls_config **ret_config, struct lw_error *ret_error);
void tls_config_free(struct tls_config *config);
/*
 * What a refused client is told: refusal writes the unit (a goodbye) to data and returns its length
 * ≤ size, 0 for none. This layer knows no units, so the hub says how. Without it, and for who does
 * not speak our protocol, there is only a close_notify.
 */
enum { TLS_REFUSAL_MAX = 1024 };
typedef size_t tls_refusal_fn(const struct admission *admission, uint8_t *data, size_t size);
void tls_config_set_refusal(struct tls_config *config, tls_refusal_fn *refusal);

/* Tell the secrets of every handshake from now on; borrowed until the config is freed. NULL: nobody. */
void tls_config_log_keys(struct tls_config *config, struct key_log *key_log);

enum tls_progress {
	TLS_WANT_INPUT = 1, /* feed more; send what is in the output */
	TLS_ADMITTED = 2,   /* finished; take it over. The output may still hold our last flight */
	/* finished, not admitted; a goodbye and close_notify are in the output (hub side) */
	TLS_REFUSED = 3,
	TLS_FAILED = 4, /* the alert is in the output */
};

/*
 * Begin. book: who may come in (borrowed until the handshake is freed). unix_now: wall clock,
 * seconds. A client's first flight is in the output after the first tls_handshake_step.
 */
int tls_handshake_new(const struct tls_config *config, const struct admission_book *book,
		      int64_t unix_now, struct tls_handshake **ret_handshake);
void tls_handshake_free(struct tls_handshake *handshake);

/*
 * Feed length bytes (0 … ) and go as far as they reach. All are taken, unless the sum before the
 * end exceeds TLS_PREAUTH_INPUT_MAX: then TLS_FAILED. After anything but TLS_WANT_INPUT it must not
 * be called again.
 */
enum tls_progress tls_handshake_step(struct tls_handshake *handshake, const uint8_t *data,
				     size_t length);

/* What must be sent, always, also after failure. Sent bytes are dropped from the front. */
void tls_handshake_output(const struct tls_handshake *handshake, const uint8_t **ret_data,
			  size_t *ret_length);
void tls_handshake_sent(struct tls_handshake *handshake, size_t length);

/* What admission said; valid after TLS_ADMITTED or TLS_REFUSED, and after TLS_FAILED if it was
 * judged within the handshake. */
const struct admission *tls_handshake_admission(const struct tls_handshake *handshake);
/* Why, after TLS_FAILED or TLS_REFUSED: domain CONNECTION, with Apple's code and whose fault it is
 * in the sentence. */
void tls_handshake_error(const struct tls_handshake *handshake, struct lw_error *ret_error);

/* What a taken-over connection goes on with. Erase with tls_session_done. */
struct tls_session {
	struct record_secrets seal, open; /* sending, receiving */
	struct admission admission;
	struct pin peer_pin;
	char description[64]; /* "TLSv1.2, AES-128-GCM" */
	/* malloc'd: bytes read beyond the handshake, for record_open; may be NULL */
	uint8_t *early;
	size_t early_length;
};

/* Only after TLS_ADMITTED. 0, or -EPROTO when the take-over contract is not met (ret_error says
 * which line of it). */
int tls_handshake_take(struct tls_handshake *handshake, struct tls_session *ret_session,
		       struct lw_error *ret_error);
void tls_session_done(struct tls_session *session);

/* Whether 6 bytes can be the beginning of a TLS ClientHello: the test before a context is
 * allocated. */
/* Return: 1 yes, 0 needs more, -1 no. */
int tls_looks_like_client_hello(const uint8_t *data, size_t length);

/* "mbedTLS 2.28.3" of the library in use. */
const char *tls_library_version(void);

#endif
