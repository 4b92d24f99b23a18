/* SPDX-License-Identifier: MIT */
/* The wire form of what is left to do on a frame. */
#include "wire/offload.h"

#include <errno.h>

#include <longwire/packet.h>

#include "base/bytes.h"
#include "wire/message.h"

enum { FLAG_NEEDS_CHECKSUM = 1 };

enum { FLAGS = 0, GSO_TYPE = 1, HEADER_LENGTH = 2, GSO_SIZE = 4, START = 6, OFFSET = 8 };

void wire_offload_encode(const struct lw_offload *offload, uint8_t data[UNIT_OFFLOAD_SIZE])
{
	bool has_checksum = offload->needs_checksum;
	bool is_super = offload->gso != LW_GSO_NONE;

	data[FLAGS] = has_checksum ? FLAG_NEEDS_CHECKSUM : 0;
	data[GSO_TYPE] = (uint8_t)offload->gso;
	store_le16(data + HEADER_LENGTH, 0);
	store_le16(data + GSO_SIZE, is_super ? offload->gso_size : 0);
	store_le16(data + START, has_checksum ? offload->checksum_start : 0);
	store_le16(data + OFFSET, has_checksum ? offload->checksum_offset : 0);
}

static bool is_known_type(uint8_t type)
{
	return type == LW_GSO_NONE || type == LW_GSO_TCPV4 || type == LW_GSO_TCPV6 ||
	       type == LW_GSO_UDP;
}

int wire_offload_decode(const uint8_t data[UNIT_OFFLOAD_SIZE], struct lw_offload *ret_offload)
{
	struct lw_offload offload = {
		.needs_checksum = data[FLAGS] & FLAG_NEEDS_CHECKSUM,
		.checksum_start = load_le16(data + START),
		.checksum_offset = load_le16(data + OFFSET),
		.gso = (enum lw_gso)data[GSO_TYPE],
		.gso_size = load_le16(data + GSO_SIZE),
	};

	/* Any other flag, and the ECN bit of the type, is a claim that nobody checks. */
	if (data[FLAGS] & ~FLAG_NEEDS_CHECKSUM || !is_known_type(data[GSO_TYPE]))
		return -EBADMSG;
	if (load_le16(data + HEADER_LENGTH) != 0)
		return -EBADMSG;
	if ((offload.gso != LW_GSO_NONE) != (offload.gso_size != 0))
		return -EBADMSG;
	if (!offload.needs_checksum &&
	    (offload.checksum_start || offload.checksum_offset || offload.gso != LW_GSO_NONE))
		return -EBADMSG;
	*ret_offload = offload;
	return 0;
}

uint32_t wire_offload_needs(const struct lw_offload *offload)
{
	uint32_t checksum = offload->needs_checksum ? WIRE_OFFLOAD_CHECKSUM : 0;

	switch (offload->gso) {
	case LW_GSO_NONE:
		return checksum;
	case LW_GSO_TCPV4:
		return checksum | WIRE_OFFLOAD_TSO4;
	case LW_GSO_TCPV6:
		return checksum | WIRE_OFFLOAD_TSO6;
	case LW_GSO_UDP:
		return checksum | WIRE_OFFLOAD_USO;
	}
	return UINT32_MAX;
}
