/* SPDX-License-Identifier: MIT */
/*
 * The symmetric flow hash: both directions of a flow have the same, at both ends, in every version.
 * It chooses the stream of a frame (hash mod streams) and the queue of a scheduler. Part of the
 * protocol: changing it reorders packets of old peers. Ethernet: skips up to two tags; IPv4/IPv6 by
 * addresses, and ports of TCP/UDP/SCTP in unfragmented packets; other frames by MAC addresses and
 * EtherType. Never reads beyond length; short packets hash what they have.
 */
#ifndef WIRE_FLOW_HASH_H
#define WIRE_FLOW_HASH_H

#include <stddef.h>
#include <stdint.h>

#include <longwire/api.h>

uint32_t flow_hash(enum lw_layer layer, const uint8_t *data, size_t length);

#endif
