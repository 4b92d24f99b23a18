/* SPDX-License-Identifier: MIT */
/*
 * The forwarding database.
 *
 * Theory of operation. Entries stand densely in one array, so that ageing looks at what is there
 * and not at the whole table. Slots are an open-addressed index into it, twice as many as entries
 * or more: each holds the upper half of the key's SipHash and the entry's number plus one, so that
 * a probe rarely touches a wrong entry, and closing a gap (backward shift, no tombstones) touches
 * none. The last entry takes the place of a removed one.
 */
#include "switch/fdb.h"

#include <errno.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"

struct slot {
	uint32_t hash;
	uint32_t entry; /* its number plus one; 0: empty */
};

struct fdb {
	struct hash_key key;
	uint32_t capacity, count, mask;
	struct fdb_entry *entries;
	struct slot *slots;
};

_Static_assert(offsetof(struct fdb_entry, vlan) == sizeof(struct mac_address),
	       "MAC and VLAN are compared and hashed as eight bytes");

static uint32_t slots_for(uint32_t capacity)
{
	uint32_t n = 16;

	while (n < 2 * capacity)
		n *= 2;
	return n;
}

int fdb_new(uint32_t capacity, struct fdb **ret_fdb)
{
	struct fdb *fdb;

	if (capacity < 1 || capacity > FDB_CAPACITY_MAX)
		return -EINVAL;
	fdb = calloc(1, sizeof(*fdb));
	if (!fdb)
		return -ENOMEM;
	random_bytes(&fdb->key, sizeof(fdb->key));
	fdb->capacity = capacity;
	fdb->mask = slots_for(capacity) - 1;
	fdb->entries = memory_map(capacity * sizeof(*fdb->entries));
	fdb->slots = memory_map((fdb->mask + 1) * sizeof(*fdb->slots));
	if (!fdb->entries || !fdb->slots) {
		fdb_free(fdb);
		return -ENOMEM;
	}
	*ret_fdb = fdb;
	return 0;
}

void fdb_free(struct fdb *fdb)
{
	if (!fdb)
		return;
	memory_unmap(fdb->entries, fdb->capacity * sizeof(*fdb->entries));
	memory_unmap(fdb->slots, (fdb->mask + 1) * sizeof(*fdb->slots));
	free(fdb);
}

static uint64_t key_of(const struct mac_address *mac, uint16_t vlan)
{
	uint64_t key = 0;

	memcpy(&key, mac, sizeof(*mac));
	memcpy((uint8_t *)&key + sizeof(*mac), &vlan, sizeof(vlan));
	return key;
}

static uint64_t key_of_entry(const struct fdb_entry *entry)
{
	uint64_t key;

	memcpy(&key, entry, sizeof(key));
	return key;
}

static uint32_t hash_of(const struct fdb *fdb, uint64_t key)
{
	return (uint32_t)(hash_sip(&fdb->key, &key, sizeof(key)) >> 32);
}

/* Return: the slot of the key, or the empty one where it would stand. */
static struct slot *probe(const struct fdb *fdb, uint64_t key, uint32_t hash)
{
	for (uint32_t i = hash & fdb->mask;; i = (i + 1) & fdb->mask) {
		struct slot *slot = &fdb->slots[i];

		if (!slot->entry ||
		    (slot->hash == hash && key_of_entry(&fdb->entries[slot->entry - 1]) == key))
			return slot;
	}
}

struct fdb_entry *fdb_find(struct fdb *fdb, const struct mac_address *mac, uint16_t vlan)
{
	uint64_t key = key_of(mac, vlan);
	struct slot *slot = probe(fdb, key, hash_of(fdb, key));

	return slot->entry ? &fdb->entries[slot->entry - 1] : NULL;
}

struct fdb_entry *fdb_insert(struct fdb *fdb, const struct mac_address *mac, uint16_t vlan)
{
	uint64_t key = key_of(mac, vlan);
	struct fdb_entry *entry;
	struct slot *slot;
	uint32_t hash;

	if (fdb->count == fdb->capacity)
		return NULL;
	hash = hash_of(fdb, key);
	slot = probe(fdb, key, hash);
	entry = &fdb->entries[fdb->count++];
	*entry = (struct fdb_entry){ .mac = *mac, .vlan = vlan };
	*slot = (struct slot){ .hash = hash, .entry = fdb->count };
	return entry;
}

/* Empty a slot and bring back what had been pushed past it, so that no probe ends too early. */
static void close_gap(struct fdb *fdb, uint32_t gap)
{
	for (uint32_t i = (gap + 1) & fdb->mask; fdb->slots[i].entry; i = (i + 1) & fdb->mask) {
		uint32_t home = fdb->slots[i].hash & fdb->mask;

		if (((i - home) & fdb->mask) < ((i - gap) & fdb->mask))
			continue;
		fdb->slots[gap] = fdb->slots[i];
		gap = i;
	}
	fdb->slots[gap] = (struct slot){ 0 };
}

static struct slot *slot_of(const struct fdb *fdb, uint32_t number)
{
	uint64_t key = key_of_entry(&fdb->entries[number]);

	return probe(fdb, key, hash_of(fdb, key));
}

static void remove_number(struct fdb *fdb, uint32_t number)
{
	uint32_t last = fdb->count - 1;

	close_gap(fdb, (uint32_t)(slot_of(fdb, number) - fdb->slots));
	if (number != last) {
		slot_of(fdb, last)->entry = number + 1;
		fdb->entries[number] = fdb->entries[last];
	}
	fdb->count = last;
}

uint32_t fdb_remove_if(struct fdb *fdb,
		       bool (*condition)(const struct fdb_entry *entry, void *user), void *user)
{
	uint32_t removed = 0;

	/* Backwards: what takes a removed entry's place has been asked already. */
	for (uint32_t i = fdb->count; i-- > 0;) {
		if (condition(&fdb->entries[i], user)) {
			remove_number(fdb, i);
			removed++;
		}
	}
	return removed;
}

uint32_t fdb_count(const struct fdb *fdb)
{
	return fdb->count;
}
