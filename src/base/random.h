/* SPDX-License-Identifier: MIT */
/* The kernel's random bytes. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* getrandom(2); aborts the program if the kernel has none to give, which it always has after
 * boot. */
void random_bytes(void *data, size_t length);
/* Return: uniform in [0, below), below ≥ 1. */
uint32_t random_below(uint32_t below);

#endif
