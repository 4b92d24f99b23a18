/* SPDX-License-Identifier: MIT */
/* A name's address in a prefix. */
#include "tunnel/pool.h"

#include <errno.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/memory.h"

enum { POOL_LOOKS_MAX = 65536, POOL_HOST_BITS_MAX = 24 };

/* The address at index within the prefix; index has at most 32 host bits. */
static struct ip_address address_at(const struct ip_prefix *prefix, uint32_t index)
{
	struct ip_prefix network = ip_prefix_network(prefix);
	uint8_t *low = network.address.bytes + ip_address_bits(&network.address) / 8 - 4;

	store_be32(low, load_be32(low) | index);
	return network.address;
}

int pool_choose(const struct ip_prefix *prefix, const char *name, pool_is_taken_fn *is_taken,
		void *user, struct ip_address *ret_address)
{
	/* Not a secret: the same name must land on the same address after a restart. */
	static const struct hash_key key = { 0x6c6f6e6777697265, 0x706f6f6c };
	unsigned bits = MIN(ip_address_bits(&prefix->address) - prefix->length, POOL_HOST_BITS_MAX);
	uint32_t size = UINT32_C(1) << bits;
	uint32_t start, looks = MIN(size, (uint32_t)POOL_LOOKS_MAX);

	if (size < 4) /* nothing between network and broadcast */
		return -ENOSPC;
	start = (uint32_t)(hash_sip(&key, name, strlen(name)) % size);
	for (uint32_t i = 0; i < looks; i++) {
		uint32_t index = (start + i) % size;
		struct ip_address address;

		if (index == 0 || index == size - 1)
			continue;
		address = address_at(prefix, index);
		if (is_taken(&address, user))
			continue;
		*ret_address = address;
		return 0;
	}
	return -ENOSPC;
}
