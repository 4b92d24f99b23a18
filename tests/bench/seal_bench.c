/* SPDX-License-Identifier: MIT */
/* What sealing and opening cost on one core: each suite and version, a packet's worth and a full
 * record, by each backend. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "tls/record.h"

enum { RUN_MS = 300, BATCH_BYTES = 128 * 1024, SEALED_MAX = 2 * BATCH_BYTES };

static const uint16_t versions[] = { 0x0303, 0x0304 };
static const enum aead_algorithm algorithms[] = { AEAD_AES_128_GCM, AEAD_AES_256_GCM,
						  AEAD_CHACHA20_POLY1305 };
static const size_t sizes[] = { 1400, RECORD_PLAIN_MAX };

struct run {
	struct record_secrets secrets;
	const struct aead_backend *backend;
	size_t size; /* plaintext of each record */
	uint8_t *plain, *sealed, *opened;
};

/* Nanoseconds for each record, of each direction. */
struct cost {
	double seal, open;
};

static double now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static void fail(const char *what)
{
	fprintf(stderr, "seal_bench: %s\n", what);
	exit(1);
}

static size_t seal_batch(const struct run *run, struct record_sealer *sealer, size_t records)
{
	size_t length = 0;

	for (size_t i = 0; i < records; i++) {
		size_t taken = 0;
		ssize_t n = record_seal(sealer, run->plain, run->size, run->sealed + length,
					SEALED_MAX - length, &taken);

		if (n <= 0 || taken != run->size)
			fail("a record was not sealed whole");
		length += (size_t)n;
	}
	return length;
}

static void open_batch(const struct run *run, struct record_opener *opener, size_t length,
		       size_t records)
{
	size_t offset = 0, plain = 0;

	while (offset < length) {
		struct record_opened opened = { 0 };
		enum record_status status =
			record_open(opener, run->sealed + offset, length - offset,
				    run->opened + plain, SEALED_MAX - plain, &opened);

		if (status != RECORD_MORE || opened.taken == 0)
			fail("a record was not opened");
		offset += opened.taken;
		plain += opened.plain;
	}
	if (plain != records * run->size || memcmp(run->opened, run->plain, run->size) != 0)
		fail("what was opened is not what was sealed");
}

static struct cost measure(const struct run *run)
{
	size_t records = BATCH_BYTES / run->size, done = 0;
	struct record_sealer *sealer;
	struct record_opener *opener;
	double sealing = 0, opening = 0;

	if (record_sealer_new(&run->secrets, run->backend, &sealer) < 0 ||
	    record_opener_new(&run->secrets, run->backend, &opener) < 0)
		fail("no keys");
	while (sealing + opening < RUN_MS * 1e6) {
		double start = now_ns(), middle;
		size_t length = seal_batch(run, sealer, records);

		middle = now_ns();
		open_batch(run, opener, length, records);
		opening += now_ns() - middle;
		sealing += middle - start;
		done += records;
	}
	record_sealer_free(sealer);
	record_opener_free(opener);
	return (struct cost){ sealing / (double)done, opening / (double)done };
}

static struct record_secrets make_secrets(uint16_t version, enum aead_algorithm algorithm)
{
	struct record_secrets secrets = {
		.version = version,
		.algorithm = algorithm,
		.sequence = version == 0x0303 ? 1 : 0,
		.max_plain = RECORD_PLAIN_MAX,
	};

	memset(secrets.secret, 7, sizeof(secrets.secret));
	if (version == 0x0303) {
		memset(secrets.key, 7, sizeof(secrets.key));
		memset(secrets.iv, 9, sizeof(secrets.iv));
		return secrets;
	}
	secrets.secret_length = algorithm == AEAD_AES_256_GCM ? 48 : 32;
	if (record_secrets_derive(&secrets) < 0)
		fail("no TLS 1.3 keys");
	return secrets;
}

static void print_row(const struct run *run, struct cost cost)
{
	printf("%-8s %-18s TLS 1.%c %6zu B  seal %8.0f ns %6.2f GB/s   open %8.0f ns %6.2f GB/s\n",
	       run->backend->name, aead_name(run->secrets.algorithm),
	       run->secrets.version == 0x0303 ? '2' : '3', run->size, cost.seal,
	       (double)run->size / cost.seal, cost.open, (double)run->size / cost.open);
	fflush(stdout);
}

static void measure_backend(struct run *run)
{
	for (size_t a = 0; a < ARRAY_SIZE(algorithms); a++) {
		if (!run->backend->supports(algorithms[a]))
			continue;
		for (size_t v = 0; v < ARRAY_SIZE(versions); v++) {
			run->secrets = make_secrets(versions[v], algorithms[a]);
			for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
				run->size = sizes[s];
				print_row(run, measure(run));
			}
		}
	}
}

int main(void)
{
	struct run run = {
		.backend = aead_backend(),
		.plain = calloc(1, BATCH_BYTES),
		.sealed = calloc(1, SEALED_MAX),
		.opened = calloc(1, SEALED_MAX),
	};

	if (!run.plain || !run.sealed || !run.opened)
		fail("no memory");
	measure_backend(&run);
	if (run.backend != &aead_mbedtls) {
		run.backend = &aead_mbedtls;
		measure_backend(&run);
	}
	free(run.plain);
	free(run.sealed);
	free(run.opened);
	return 0;
}
