/* SPDX-License-Identifier: MIT */
/*
 * The guard: what a single host has no business to send (RFC 6105, 7113, 7610).
 *
 * It looks through up to GUARD_LAYERS_MAX tags and LLC/SNAP headers in any order, because receivers
 * do (a priority tag, or IPv6 in SNAP, once passed every guard that looked at the EtherType alone);
 * a frame with more of them is MALFORMED. A first fragment, or a whole packet, in which the chain
 * of IPv6 headers or the ports cannot be seen to their end is dropped too: a later fragment is
 * harmless without it.
 */
#ifndef SWITCH_GUARD_H
#define SWITCH_GUARD_H

#include <stddef.h>
#include <stdint.h>

#include <longwire/packet.h>

enum { GUARD_LAYERS_MAX = 4 };

/* Return: LW_DROP_NONE, GUARD_DHCP, GUARD_RA, GUARD_BPDU or MALFORMED. frame: any bytes, length
 * ≥ 14. */
enum lw_drop guard_classify(const uint8_t *frame, size_t length);

#endif
