/* SPDX-License-Identifier: MIT */
/*
 * The Internet checksum, eight bytes at a time.
 *
 * Words are added in the machine's own byte order and the sum is turned round once at the end: a
 * ones' complement sum does not mind (RFC 1071, 2 (B)).
 */
#include "device/checksum.h"

#include <endian.h>
#include <string.h>

#include "base/bytes.h"

enum { STRIDE = 32 };

static uint64_t load_word(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static uint64_t add_word(uint64_t sum, uint64_t word)
{
	sum += word;
	return sum + (sum < word);
}

static uint16_t fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

uint16_t checksum_add(uint32_t sum, const uint8_t *data, size_t length)
{
	/* Two chains of carries, so that an addition need not wait for the one before. */
	uint64_t a = 0, b = 0;

	while (length >= STRIDE) {
		a = add_word(a, load_word(data));
		b = add_word(b, load_word(data + 8));
		a = add_word(a, load_word(data + 16));
		b = add_word(b, load_word(data + 24));
		data += STRIDE;
		length -= STRIDE;
	}
	while (length >= sizeof(uint64_t)) {
		a = add_word(a, load_word(data));
		data += sizeof(uint64_t);
		length -= sizeof(uint64_t);
	}
	if (length > 0) {
		uint64_t rest = 0;

		memcpy(&rest, data, length);
		a = add_word(a, rest);
	}
	return fold((uint64_t)sum + be16toh(fold(add_word(a, b))));
}

uint16_t checksum_pseudo_header(const uint8_t *network, uint8_t protocol, uint32_t length)
{
	uint32_t sum = (length >> 16) + (length & 0xffff) + protocol;

	if (network[0] >> 4 == 6)
		return checksum_add(sum, network + 8, 32);
	return checksum_add(sum, network + 12, 8);
}
