/* SPDX-License-Identifier: MIT */
/*
 * The forwarding database of an Ethernet switch: (VLAN, MAC) → port (IEEE 802.1Q, 8.8). SipHash,
 * fixed size, no allocation after _new.
 *
 * Any thread may look without a lock, at any time. Everything else is a writer's, between fdb_lock()
 * and fdb_unlock(). A reader sees an entry as it was at some moment of its look: a removal, which
 * moves entries about, makes it look again, and after a few times it waits for the writer instead.
 */
#ifndef SWITCH_FDB_H
#define SWITCH_FDB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/address.h"

struct fdb;
struct vport;

enum { FDB_CAPACITY_MAX = 1 << 20 };

struct fdb_entry {
	union {
		struct {
			struct mac_address mac;
			uint16_t vlan; /* 0: untagged; the switch passes tags unread, so always 0 */
		};
		uint64_t key; /* both: what readers compare */
	};
	struct vport *port; /* change by fdb_set() */
	uint64_t seen_ns;   /* likewise */
	uint64_t moves_ns;  /* when all moves to other ports so far are paid for (GCRA) */
};

struct fdb_view {
	struct vport *port;
	uint64_t seen_ns;
};

/* capacity: 1 … FDB_CAPACITY_MAX. 0, -EINVAL or -ENOMEM. */
int fdb_new(uint32_t capacity, struct fdb **ret_fdb);
void fdb_free(struct fdb *fdb);
/* Whether it is there, with a port. From any thread. */
bool fdb_look(struct fdb *fdb, const struct mac_address *mac, uint16_t vlan,
	      struct fdb_view *ret_view);

void fdb_lock(struct fdb *fdb);
void fdb_unlock(struct fdb *fdb);
/* NULL: not there. The entry may be changed but not its key. Valid until the next removal. */
struct fdb_entry *fdb_find(struct fdb *fdb, const struct mac_address *mac, uint16_t vlan);
/* Return: the new entry (its key was not there), which nobody sees before it has a port; or NULL:
 * full. */
struct fdb_entry *fdb_insert(struct fdb *fdb, const struct mac_address *mac, uint16_t vlan);
void fdb_set(struct fdb_entry *entry, struct vport *port, uint64_t seen_ns);
/* Remove what condition says; used for flush and ageing. O(entries). Return: how many. */
uint32_t fdb_remove_if(struct fdb *fdb,
		       bool (*condition)(const struct fdb_entry *entry, void *user), void *user);
uint32_t fdb_count(const struct fdb *fdb); /* from any thread */

#endif
