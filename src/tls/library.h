/* SPDX-License-Identifier: MIT */
/* The library as a whole: what must happen once, and its random numbers. */
#ifndef TLS_LIBRARY_H
#define TLS_LIBRARY_H

#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>

/*
 * Once in a process, before the first key; later calls do nothing. Any thread. 0 or -EIO.
 */
int library_start(void);

/*
 * A generator of its own, seeded from the kernel. It belongs to one thread and must be made after
 * the last fork, or two processes would draw the same nonces.
 */
struct library_random {
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context drbg;
};

/* _done also after a failed or absent _init of a zeroed struct. 0 or -EIO. */
int library_random_init(struct library_random *random);
void library_random_done(struct library_random *random);

#endif
