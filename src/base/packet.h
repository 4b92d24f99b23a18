/* SPDX-License-Identifier: MIT */
/* What a packet is by its bytes alone: asked wherever bytes come in and become a packet. */
#ifndef BASE_PACKET_H
#define BASE_PACKET_H

#include <longwire/packet.h>

#include "base/bytes.h"

/* The shortest that has its own header. */
static inline size_t packet_shortest(enum lw_layer layer)
{
	return layer == LW_LAYER_ETHERNET ? 14 : 20;
}

/* NONE, SHORT or MALFORMED (neither IPv4 nor IPv6). */
static inline enum lw_drop packet_check(enum lw_layer layer, const uint8_t *data, size_t length)
{
	if (length < packet_shortest(layer))
		return LW_DROP_SHORT;
	if (layer == LW_LAYER_IP && data[0] >> 4 != 4 && data[0] >> 4 != 6)
		return LW_DROP_MALFORMED;
	return LW_DROP_NONE;
}

/* struct lw_packet's ether_type; 0: too short to have one. */
static inline uint16_t packet_ether_type(enum lw_layer layer, const uint8_t *data, size_t length)
{
	if (length < packet_shortest(layer))
		return 0;
	if (layer == LW_LAYER_ETHERNET)
		return load_be16(data + 12);
	return data[0] >> 4 == 6 ? 0x86dd : 0x0800;
}

/* Borrowed from data, with no work left to do on it. */
static inline struct lw_packet packet_view(enum lw_layer layer, const uint8_t *data, size_t length,
					   enum lw_direction direction)
{
	return (struct lw_packet){
		.data = data,
		.length = length,
		.layer = layer,
		.ether_type = packet_ether_type(layer, data, length),
		.direction = direction,
	};
}

#endif
