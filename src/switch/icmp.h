/* SPDX-License-Identifier: MIT */
/* ICMP errors about a packet that could not go on (RFC 792, 1191, 1812; RFC 4443), and when there
 * must be none. */
#ifndef SWITCH_ICMP_H
#define SWITCH_ICMP_H

#include <stddef.h>
#include <stdint.h>

#include "base/address.h"

enum icmp_error { ICMP_ERROR_TOO_BIG = 1, ICMP_ERROR_UNREACHABLE };

/* What is sent is never longer: as much of the packet as fits is quoted. */
enum { ICMP_IPV4_MAX = 576, ICMP_IPV6_MAX = 1280 };

/*
 * Write the error about packet (an IP packet, any bytes) into ret_data. from: who says so, of the
 * packet's family; NULL: the packet's own destination. mtu: told with TOO_BIG. limit: of what is
 * written, ≥ 576. Return: its length, or 0 with nothing written: never about ICMP errors, fragments
 * but the first, what came from or goes to a multicast, broadcast, loopback or unspecified address,
 * or what cannot be understood.
 */
size_t icmp_build(enum icmp_error error, const uint8_t *packet, size_t length, uint32_t mtu,
		  const struct ip_address *from, size_t limit, uint8_t ret_data[ICMP_IPV6_MAX]);

#endif
