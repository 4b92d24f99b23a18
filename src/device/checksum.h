/* SPDX-License-Identifier: MIT */
/* The Internet checksum (RFC 1071) over long runs of bytes. */
#ifndef DEVICE_CHECKSUM_H
#define DEVICE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/*
 * Add bytes, from an even offset of what is summed, to a sum (0, or what this returned; a 16-bit
 * number in host order may be added to it, but not often enough to overflow 32 bits). Return: the
 * folded sum in host order, not complemented.
 */
uint16_t checksum_add(uint32_t sum, const uint8_t *data, size_t length);
/* A sum of such numbers, folded. */
static inline uint16_t checksum_fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)(sum + (sum >> 16));
}

/* The sum of what TCP and UDP have their checksum cover besides themselves. network: an IP header. */
uint16_t checksum_pseudo_header(const uint8_t *network, uint8_t protocol, uint32_t length);

#endif
