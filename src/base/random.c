/* SPDX-License-Identifier: MIT */
/* The kernel's random bytes. */
#include "base/random.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *data, size_t length)
{
	uint8_t *p = data;

	while (length > 0) {
		ssize_t n = getrandom(p, length, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			abort();
		p += n;
		length -= (size_t)n;
	}
}

uint32_t random_below(uint32_t below)
{
	uint32_t skewed; /* values under this would make the first remainders likelier */
	uint32_t value;

	assert(below >= 1);
	skewed = -below % below;
	do
		random_bytes(&value, sizeof(value));
	while (value < skewed);
	return value % below;
}
