/* SPDX-License-Identifier: MIT */
/*
 * What sealing and opening cost on one core: each suite and version, a packet's worth and a full
 * record, by each backend; and beside it the bare call of libipsec-mb over the same bytes, the least
 * that it can cost.
 *
 * Engine and bare call take turns, so that both see the same machine; what is told is the median of
 * the turns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#ifdef LW_HAVE_IPSEC_MB
#include <intel-ipsec-mb.h>
#endif

#include "base/memory.h"
#include "tls/record.h"

enum { TURNS = 41, TURN_MS = 2, BATCH_BYTES = 128 * 1024, SEALED_MAX = 2 * BATCH_BYTES };

static const uint16_t versions[] = { 0x0303, 0x0304 };
static const enum aead_algorithm algorithms[] = { AEAD_AES_128_GCM, AEAD_AES_256_GCM,
						  AEAD_CHACHA20_POLY1305 };
static const size_t sizes[] = { 1400, RECORD_PLAIN_MAX };

struct run {
	struct record_secrets secrets;
	const struct aead_backend *backend;
	size_t size; /* plaintext of each record */
	uint8_t *plain, *sealed, *opened;
	struct record_sealer *sealer;
	struct record_opener *opener;
};

/* Nanoseconds for each record, of each direction. */
struct cost {
	double seal, open;
};

struct measured {
	struct cost engine[TURNS], bare[TURNS];
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

static struct cost turn(const struct run *run)
{
	size_t records = BATCH_BYTES / run->size, done = 0;
	double sealing = 0, opening = 0;

	while (sealing + opening < TURN_MS * 1e6) {
		double start = now_ns(), middle;
		size_t length = seal_batch(run, run->sealer, records);

		middle = now_ns();
		open_batch(run, run->opener, length, records);
		opening += now_ns() - middle;
		sealing += middle - start;
		done += records;
	}
	return (struct cost){ sealing / (double)done, opening / (double)done };
}

#ifdef LW_HAVE_IPSEC_MB
/* libipsec-mb alone, as its manual says. */
static struct bare {
	IMB_MGR *manager;
	struct gcm_key_data gcm __attribute__((aligned(64)));
	struct gcm_context_data gcm_context;
	struct chacha20_poly1305_context_data chacha_context;
	uint8_t key[AEAD_KEY_MAX], nonce[AEAD_NONCE_SIZE], ad[13];
} bare;

static void bare_begin(const struct run *run)
{
	if (!bare.manager) {
		bare.manager = alloc_mb_mgr(0);
		if (!bare.manager)
			fail("no manager");
		init_mb_mgr_auto(bare.manager, NULL);
	}
	if (run->secrets.algorithm == AEAD_AES_128_GCM)
		IMB_AES128_GCM_PRE(bare.manager, bare.key, &bare.gcm);
	else if (run->secrets.algorithm == AEAD_AES_256_GCM)
		IMB_AES256_GCM_PRE(bare.manager, bare.key, &bare.gcm);
}

static void bare_chacha(size_t size, const uint8_t *in, uint8_t *out, uint8_t *tag, bool is_seal)
{
	IMB_CHACHA20_POLY1305_INIT(bare.manager, bare.key, &bare.chacha_context, bare.nonce,
				   bare.ad, sizeof(bare.ad));
	if (is_seal)
		IMB_CHACHA20_POLY1305_ENC_UPDATE(bare.manager, bare.key, &bare.chacha_context, out,
						 in, size);
	else
		IMB_CHACHA20_POLY1305_DEC_UPDATE(bare.manager, bare.key, &bare.chacha_context, out,
						 in, size);
	IMB_CHACHA20_POLY1305_ENC_FINALIZE(bare.manager, &bare.chacha_context, tag, AEAD_TAG_SIZE);
}

static void bare_seal(const struct run *run, const uint8_t *in, uint8_t *out)
{
	if (run->secrets.algorithm == AEAD_AES_128_GCM)
		IMB_AES128_GCM_ENC(bare.manager, &bare.gcm, &bare.gcm_context, out, in, run->size,
				   bare.nonce, bare.ad, sizeof(bare.ad), out + run->size,
				   AEAD_TAG_SIZE);
	else if (run->secrets.algorithm == AEAD_AES_256_GCM)
		IMB_AES256_GCM_ENC(bare.manager, &bare.gcm, &bare.gcm_context, out, in, run->size,
				   bare.nonce, bare.ad, sizeof(bare.ad), out + run->size,
				   AEAD_TAG_SIZE);
	else
		bare_chacha(run->size, in, out, out + run->size, true);
}

static void bare_open(const struct run *run, const uint8_t *in, uint8_t *out)
{
	uint8_t tag[AEAD_TAG_SIZE];

	if (run->secrets.algorithm == AEAD_AES_128_GCM)
		IMB_AES128_GCM_DEC(bare.manager, &bare.gcm, &bare.gcm_context, out, in, run->size,
				   bare.nonce, bare.ad, sizeof(bare.ad), tag, AEAD_TAG_SIZE);
	else if (run->secrets.algorithm == AEAD_AES_256_GCM)
		IMB_AES256_GCM_DEC(bare.manager, &bare.gcm, &bare.gcm_context, out, in, run->size,
				   bare.nonce, bare.ad, sizeof(bare.ad), tag, AEAD_TAG_SIZE);
	else
		bare_chacha(run->size, in, out, tag, false);
}

static struct cost bare_turn(const struct run *run)
{
	size_t records = BATCH_BYTES / run->size, stride = run->size + RECORD_OVERHEAD_MAX;
	size_t done = 0;
	double sealing = 0, opening = 0;

	while (sealing + opening < TURN_MS * 1e6) {
		double start = now_ns(), middle;

		for (size_t i = 0; i < records; i++)
			bare_seal(run, run->plain, run->sealed + i * stride + 13);
		middle = now_ns();
		for (size_t i = 0; i < records; i++)
			bare_open(run, run->sealed + i * stride + 13, run->opened + i * run->size);
		opening += now_ns() - middle;
		sealing += middle - start;
		done += records;
	}
	return (struct cost){ sealing / (double)done, opening / (double)done };
}
#else
static void bare_begin(const struct run *run)
{
	(void)run;
}

static struct cost bare_turn(const struct run *run)
{
	(void)run;
	return (struct cost){ 0, 0 };
}
#endif

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct cost median(const struct cost *costs)
{
	double seal[TURNS], open[TURNS];

	for (size_t i = 0; i < TURNS; i++) {
		seal[i] = costs[i].seal;
		open[i] = costs[i].open;
	}
	qsort(seal, TURNS, sizeof(seal[0]), compare);
	qsort(open, TURNS, sizeof(open[0]), compare);
	return (struct cost){ seal[TURNS / 2], open[TURNS / 2] };
}

static void measure(struct run *run, struct measured *ret_measured)
{
	if (record_sealer_new(&run->secrets, run->backend, &run->sealer) < 0 ||
	    record_opener_new(&run->secrets, run->backend, &run->opener) < 0)
		fail("no keys");
	bare_begin(run);
	for (size_t i = 0; i < TURNS; i++) {
		ret_measured->engine[i] = turn(run);
		if (run->backend != &aead_mbedtls)
			ret_measured->bare[i] = bare_turn(run);
	}
	record_sealer_free(run->sealer);
	record_opener_free(run->opener);
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

static void print_row(const struct run *run, const struct measured *measured)
{
	struct cost cost = median(measured->engine), least = median(measured->bare);

	printf("%-8s %-17s TLS 1.%c %5zu B  seal %6.0f ns %5.2f GB/s   open %6.0f ns %5.2f GB/s",
	       run->backend->name, aead_name(run->secrets.algorithm),
	       run->secrets.version == 0x0303 ? '2' : '3', run->size, cost.seal,
	       (double)run->size / cost.seal, cost.open, (double)run->size / cost.open);
	if (least.seal > 0)
		printf("   bare call %5.0f %+3.0f %%, %5.0f %+3.0f %%", least.seal,
		       100 * (cost.seal / least.seal - 1), least.open,
		       100 * (cost.open / least.open - 1));
	putchar('\n');
	fflush(stdout);
}

static void measure_backend(struct run *run)
{
	struct measured measured = { 0 };

	for (size_t a = 0; a < ARRAY_SIZE(algorithms); a++) {
		for (size_t v = 0; v < ARRAY_SIZE(versions); v++) {
			run->secrets = make_secrets(versions[v], algorithms[a]);
			for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
				run->size = sizes[s];
				measure(run, &measured);
				print_row(run, &measured);
			}
		}
	}
}

int main(void)
{
	const struct aead_backend *backends[AEAD_BACKENDS_MAX];
	size_t n = aead_backends(backends);
	struct run run = {
		.plain = calloc(1, BATCH_BYTES),
		.sealed = calloc(1, SEALED_MAX),
		.opened = calloc(1, SEALED_MAX),
	};

	if (!run.plain || !run.sealed || !run.opened)
		fail("no memory");
	for (size_t i = 0; i < n; i++) {
		run.backend = backends[i];
		measure_backend(&run);
	}
	free(run.plain);
	free(run.sealed);
	free(run.opened);
	return 0;
}
