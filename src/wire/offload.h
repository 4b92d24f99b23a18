/* SPDX-License-Identifier: MIT */
/*
 * The ten bytes before the frame of a UNIT_OFFLOAD_FRAME: little-endian, the fields of virtio-net's
 * header (flags:8 gso_type:8 hdr_len:16 gso_size:16 csum_start:16 csum_offset:16).
 *
 * Only what cannot be found in the frame is told: hdr_len is always 0, and so are all fields that
 * do not apply. What decodes is well-formed, not true: whether it agrees with the frame is for
 * offload_check() to say, before the frame goes anywhere.
 */
#ifndef WIRE_OFFLOAD_H
#define WIRE_OFFLOAD_H

#include <stdint.h>

#include "wire/unit.h"

struct lw_offload;

/* offload is what offload_check() rebuilt. */
void wire_offload_encode(const struct lw_offload *offload, uint8_t data[UNIT_OFFLOAD_SIZE]);
/* 0 or -EBADMSG: a flag, a type or a length that no sender of ours says. */
int wire_offload_decode(const uint8_t data[UNIT_OFFLOAD_SIZE], struct lw_offload *ret_offload);
/* Return: the bits of enum wire_offload that a receiver must have said in its hello. */
uint32_t wire_offload_needs(const struct lw_offload *offload);

#endif
