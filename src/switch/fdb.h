/* SPDX-License-Identifier: MIT */
/* The forwarding database of an Ethernet switch: (VLAN, MAC) → port (IEEE 802.1Q, 8.8). SipHash,
 * fixed size, no allocation after _new. */
#ifndef SWITCH_FDB_H
#define SWITCH_FDB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

struct fdb;
struct vport;

enum { FDB_CAPACITY_MAX = 1 << 20 };

struct fdb_entry {
	struct mac_address mac;
	uint16_t vlan; /* 0: untagged; the switch passes tags unread, so always 0 */
	struct vport *port;
	uint64_t seen_ns;
	uint64_t moves_ns; /* when all moves to other ports so far are paid for (GCRA) */
};

/* capacity: 1 … FDB_CAPACITY_MAX. 0, -EINVAL or -ENOMEM. */
int fdb_new(uint32_t capacity, struct fdb **ret_fdb);
void fdb_free(struct fdb *fdb);
/* NULL: not there. The entry may be changed (port, seen_ns, moves_ns) but not its key. Valid until
 * the next removal. */
struct fdb_entry *fdb_find(struct fdb *fdb, const struct mac_address *mac, uint16_t vlan);
/* Return: the new entry (its key was not there), or NULL: full. */
struct fdb_entry *fdb_insert(struct fdb *fdb, const struct mac_address *mac, uint16_t vlan);
/* Remove what condition says; used for flush and ageing. O(entries). Return: how many. */
uint32_t fdb_remove_if(struct fdb *fdb,
		       bool (*condition)(const struct fdb_entry *entry, void *user), void *user);
uint32_t fdb_count(const struct fdb *fdb);

#endif
