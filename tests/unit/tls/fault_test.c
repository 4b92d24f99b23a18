/* SPDX-License-Identifier: MIT */
/*
 * A handshake in which an allocation fails, ours or the library's: it fails with a reason, or the
 * peer ends it, or it is as good as any other. The peer may be the one because 2.28 can miscompute
 * its own Finished without noticing (CVE-2025-27810).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <longwire/error.h>

#include "base/memory.h"
#include "support/tls_identities.h"
#include "support/tls_reference.h"

/* The allocator behind ours: a sanitizer's if there is one. */
void *__interceptor_calloc(size_t n, size_t size) __attribute__((weak));
void *__interceptor_malloc(size_t size) __attribute__((weak));
void *__libc_calloc(size_t n, size_t size);
void *__libc_malloc(size_t size);

static long allocations, fail_at; /* fail_at 0: never; counted only while is_armed */
static bool is_armed;

/* The thread sanitizer cannot bear allocators beside its own; there is one thread here anyway. */
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define HAS_THREAD_SANITIZER 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(HAS_THREAD_SANITIZER)
enum { CAN_FAIL = 0 };
#else
enum { CAN_FAIL = 1 };

/* These run before the address sanitizer is ready. */
#define PLAIN    __attribute__((no_sanitize("address"), no_sanitize("undefined")))
/* Visible, so that the libraries take them too. */
#define EXPORTED __attribute__((visibility("default")))

PLAIN static bool fails_now(void)
{
	return is_armed && ++allocations == fail_at;
}

PLAIN EXPORTED void *calloc(size_t n, size_t size)
{
	if (fails_now())
		return NULL;
	return __interceptor_calloc ? __interceptor_calloc(n, size) : __libc_calloc(n, size);
}

PLAIN EXPORTED void *malloc(size_t size)
{
	if (fails_now())
		return NULL;
	return __interceptor_malloc ? __interceptor_malloc(size) : __libc_malloc(size);
}

#if COMPAT_MBEDTLS_3
/*
 * 3.6 frees a TLS 1.3 transform that it could not finish without the cipher contexts in it
 * (mbedtls_ssl_tls13_compute_*_transform). What was allocated there can be told apart by the
 * library's name only: it has no frame pointers, and to unwind without them takes half a minute.
 * The same test with 2.28 forgives nothing.
 */
const char *__lsan_default_suppressions(void);

EXPORTED const char *__lsan_default_suppressions(void)
{
	return "leak:libmbedcrypto\n";
}
#endif
#endif

struct outcome {
	int made;
	enum tls_progress progress;
	int taken;
	struct lw_error error;
	struct tls_session session;
};

#if COMPAT_MBEDTLS_3
enum { BAD_FINISHED = 1 }; /* never */
#else
enum { BAD_FINISHED = MBEDTLS_ERR_SSL_BAD_HS_FINISHED };
#endif

static struct credentials *own, *theirs;
static struct tls_config *configs[3];
static struct admission_book *book;

/* Everything of ours between arming and disarming; the reference's memory is safe. */
static void step(struct tls_handshake *handshake, const uint8_t *data, size_t length,
		 struct outcome *outcome)
{
	is_armed = true;
	outcome->progress = tls_handshake_step(handshake, data, length);
	is_armed = false;
}

static void talk(struct tls_handshake *handshake, struct tls_reference *reference,
		 struct outcome *outcome)
{
	uint8_t out[20000];
	const uint8_t *data;
	size_t length;

	step(handshake, NULL, 0, outcome);
	do {
		tls_handshake_output(handshake, &data, &length);
		tls_reference_feed(reference, data, length);
		tls_handshake_sent(handshake, length);
		tls_reference_step(reference);
		length = 0;
		if (outcome->progress == TLS_WANT_INPUT)
			length = tls_reference_collect(reference, out, sizeof(out));
		if (length)
			step(handshake, out, length, outcome);
	} while (length);
}

static void run(enum admission_side side, struct outcome *outcome, struct tls_reference **ret_peer)
{
	struct tls_reference *reference = tls_reference_new(3 - side, theirs, NULL);
	struct tls_handshake *handshake = NULL;

	memset(outcome, 0, sizeof(*outcome));
	is_armed = true;
	outcome->made = tls_handshake_new(configs[side], book, 0, &handshake);
	is_armed = false;
	outcome->taken = -EPROTO;
	if (!outcome->made) {
		talk(handshake, reference, outcome);
		tls_handshake_error(handshake, &outcome->error);
		is_armed = true;
		outcome->taken = tls_handshake_take(handshake, &outcome->session, &outcome->error);
		is_armed = false;
	}
	tls_handshake_free(handshake);
	*ret_peer = reference;
}

/* The peer understands what is sealed with the keys that were taken over. */
static void check_keys(struct outcome *outcome, struct tls_reference *reference)
{
	struct record_sealer *sealer;
	uint8_t wire[200], heard[8];
	size_t taken;
	ssize_t n;

	if (reference->result == BAD_FINISHED)
		return;
	assert_int_equal(reference->result, 0);
	assert_int_equal(record_sealer_new(&outcome->session.seal, NULL, &sealer), 0);
	n = record_seal(sealer, (const uint8_t *)"is it you", 8, wire, sizeof(wire), &taken);
	tls_reference_feed(reference, wire, (size_t)n);
	assert_int_equal(tls_reference_hear(reference, heard, sizeof(heard)), sizeof(heard));
	assert_memory_equal(heard, "is it yo", sizeof(heard));
	record_sealer_free(sealer);
}

static long check_one(enum admission_side side, long which)
{
	struct tls_reference *reference;
	struct outcome outcome;

	allocations = 0;
	fail_at = which;
	run(side, &outcome, &reference);
	if (outcome.made) {
		assert_int_equal(outcome.made, -ENOMEM);
	} else if (!outcome.taken) {
		check_keys(&outcome, reference);
		tls_session_done(&outcome.session);
	} else {
		assert_true(outcome.progress == TLS_FAILED || outcome.progress == TLS_ADMITTED ||
			    outcome.progress == TLS_WANT_INPUT);
		assert_true(outcome.error.text[0] != '\0');
	}
	tls_reference_free(reference);
	return allocations;
}

/* Every one of the first, then a sample of the thousands that the arithmetic makes. */
static void handshake__allocation_fails__fails_or_is_sound(void **state)
{
	enum { EACH = 40, STRIDE = 127 };

	(void)state;
	if (!CAN_FAIL)
		skip();
	for (int side = ADMISSION_HUB; side <= ADMISSION_CLIENT; side++) {
		long total = check_one(side, 0);

		assert_true(total > 100);
		for (long i = 1; i <= total; i += i < EACH || i > total - EACH ? 1 : STRIDE)
			check_one(side, i);
	}
}

static int setup(void **state)
{
	struct admission_entry entry = { .name = "peer" };

	(void)state;
	own = tls_reference_identity(IDENTITY_P256);
	theirs = tls_reference_identity(IDENTITY_EXPIRED);
	entry.pin = *credentials_pin(theirs);
	assert_int_equal(admission_book_new(&entry, 1, &book), 0);
	for (int side = ADMISSION_HUB; side <= ADMISSION_CLIENT; side++)
		assert_int_equal(tls_config_new(side, own, &configs[side], NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	tls_config_free(configs[ADMISSION_HUB]);
	tls_config_free(configs[ADMISSION_CLIENT]);
	admission_book_free(book);
	credentials_free(own);
	credentials_free(theirs);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(handshake__allocation_fails__fails_or_is_sound),
	};

	return cmocka_run_group_tests_name("tls/fault", tests, setup, teardown);
}
