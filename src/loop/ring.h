/* SPDX-License-Identifier: MIT */
/*
 * A bounded single-producer, single-consumer ring of pointers between two threads (acquire/release,
 * no lock). The bridge between workers: overflow is the producer's counted drop.
 */
#ifndef LOOP_RING_H
#define LOOP_RING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring;

int ring_new(uint32_t capacity,
	     struct ring **ret_ring); /* a power of two, 2 … 65536; else -EINVAL */
void ring_free(struct ring *ring);
bool ring_push(struct ring *ring, void *item); /* producer; false: full */
void *ring_pop(struct ring *ring);             /* consumer; NULL: empty */

#endif
