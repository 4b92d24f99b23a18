/* SPDX-License-Identifier: MIT */
/*
 * The key log: a file from which a dissector learns the keys of recorded connections.
 *
 * Theory of operation. RFC 9850 (SSLKEYLOGFILE): a line of label, client random and secret for each
 * secret, as the library exports it, also for handshakes that fail later. TLS 1.2 has one line,
 * CLIENT_RANDOM with the master secret; TLS 1.3 has four, the traffic secrets of the handshake and
 * the first ones of application data. There is no line for a KeyUpdate: the format has no label
 * for one, because every later secret follows from the first, and a dissector that sees the
 * KeyUpdate derives it.
 *
 * Who reads the file can decrypt everything, so it is asked for explicitly, never by the
 * environment, and it is a secret: a regular file of mode 0600 of our own (or root's), made if it is
 * not there, never through a symbolic link. Lines are appended, each with one write, so that
 * several instances, and both ends of a test, may share one. A line that cannot be written, or would
 * make the file larger than KEY_LOG_SIZE_MAX, is counted and lost, and the next is tried; what a
 * full disk cut short is ended by a line break, and readers skip it. No connection ever suffers.
 *
 * Written by the handshake role's thread, counters read from any.
 */
#ifndef TLS_KEY_LOG_H
#define TLS_KEY_LOG_H

#include <stddef.h>
#include <stdint.h>

struct key_log;
struct lw_error;

/* About 100 000 handshakes: whoever may connect, admitted or not, can make it grow. */
enum { KEY_LOG_SIZE_MAX = 64 * 1024 * 1024, KEY_LOG_RANDOM_SIZE = 32, KEY_LOG_SECRET_MAX = 64 };

struct key_log_counters {
	uint64_t lines, failed;
	int error; /* errno of the last that failed; 0: none has */
};

/* 0, or a negative errno with a sentence that names the file. */
int key_log_open(const char *file, struct key_log **ret_log, struct lw_error *ret_error);
void key_log_close(struct key_log *log);

/* log NULL: nothing. label is one of RFC 9850. */
void key_log_write(struct key_log *log, const char *label,
		   const uint8_t client_random[KEY_LOG_RANDOM_SIZE], const uint8_t *secret,
		   size_t length);
/* log NULL: zeros. */
void key_log_counters(const struct key_log *log, struct key_log_counters *ret_counters);

#endif
