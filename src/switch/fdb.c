/* SPDX-License-Identifier: MIT */
/*
 * The forwarding database.
 *
 * Theory of operation. Entries stand densely in one array, so that ageing looks at what is there
 * and not at the whole table. Slots are an open-addressed index into it, twice as many as entries
 * or more: each holds the upper half of the key's SipHash and the entry's number plus one, so that
 * a probe rarely touches a wrong entry, and closing a gap (backward shift, no tombstones) touches
 * none. The last entry takes the place of a removed one.
 *
 * Readers load slots and entries word by word while a writer may change them (a seqlock). What is
 * inserted is whole before its slot names it. The version is odd while a removal is under way, and
 * another after it: what was read in between is not believed. Readers load with acquire and writers
 * store with release, so that no load of a reader can come after its last look at the version, and
 * no store of a writer before it was made odd.
 */
#include "switch/fdb.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

#include "base/hash.h"
#include "base/memory.h"
#include "base/random.h"

enum { LOOKS_MAX = 8 };

struct slot {
	uint32_t hash;
	uint32_t entry; /* its number plus one; 0: empty */
};

struct fdb {
	struct hash_key key;
	pthread_mutex_t lock; /* the writers' */
	uint32_t version;
	uint32_t capacity, count, mask;
	struct fdb_entry *entries;
	uint64_t *slots;
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
	pthread_mutex_init(&fdb->lock, NULL);
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
	pthread_mutex_destroy(&fdb->lock);
	free(fdb);
}

static uint64_t key_of(const struct mac_address *mac, uint16_t vlan)
{
	uint64_t key = 0;

	memcpy(&key, mac, sizeof(*mac));
	memcpy((uint8_t *)&key + sizeof(*mac), &vlan, sizeof(vlan));
	return key;
}

static uint32_t hash_of(const struct fdb *fdb, uint64_t key)
{
	return (uint32_t)(hash_sip(&fdb->key, &key, sizeof(key)) >> 32);
}

/* ---- words that readers load while a writer stores them */

static struct slot load_slot(const struct fdb *fdb, uint32_t i)
{
	uint64_t word = __atomic_load_n(&fdb->slots[i], __ATOMIC_ACQUIRE);

	return (struct slot){ .hash = (uint32_t)(word >> 32), .entry = (uint32_t)word };
}

static void store_slot(struct fdb *fdb, uint32_t i, struct slot slot)
{
	__atomic_store_n(&fdb->slots[i], (uint64_t)slot.hash << 32 | slot.entry, __ATOMIC_RELEASE);
}

static uint64_t load_key(const struct fdb_entry *entry)
{
	return __atomic_load_n(&entry->key, __ATOMIC_ACQUIRE);
}

static void store_entry(struct fdb_entry *entry, const struct fdb_entry *value)
{
	__atomic_store_n(&entry->key, value->key, __ATOMIC_RELEASE);
	fdb_set(entry, value->port, value->seen_ns);
	entry->moves_ns = value->moves_ns;
}

void fdb_set(struct fdb_entry *entry, struct vport *port, uint64_t seen_ns)
{
	__atomic_store_n(&entry->seen_ns, seen_ns, __ATOMIC_RELEASE);
	__atomic_store_n(&entry->port, port, __ATOMIC_RELEASE);
}

void fdb_lock(struct fdb *fdb)
{
	pthread_mutex_lock(&fdb->lock);
}

void fdb_unlock(struct fdb *fdb)
{
	pthread_mutex_unlock(&fdb->lock);
}

/* ---- looking */

/* Return: the slot of the key, or the empty one where it would stand. While a writer removes, it may
 * be any, but it is found: more than half of the slots are empty at all times. */
static uint32_t probe(const struct fdb *fdb, uint64_t key, uint32_t hash, struct slot *ret_slot)
{
	for (uint32_t i = hash & fdb->mask;; i = (i + 1) & fdb->mask) {
		*ret_slot = load_slot(fdb, i);
		if (!ret_slot->entry ||
		    (ret_slot->hash == hash && load_key(&fdb->entries[ret_slot->entry - 1]) == key))
			return i;
	}
}

static bool look(const struct fdb *fdb, uint64_t key, uint32_t hash, struct fdb_view *ret_view)
{
	const struct fdb_entry *entry;
	struct slot slot;

	(void)probe(fdb, key, hash, &slot);
	if (!slot.entry)
		return false;
	entry = &fdb->entries[slot.entry - 1];
	ret_view->port = __atomic_load_n(&entry->port, __ATOMIC_ACQUIRE);
	ret_view->seen_ns = __atomic_load_n(&entry->seen_ns, __ATOMIC_ACQUIRE);
	return ret_view->port;
}

bool fdb_look(struct fdb *fdb, const struct mac_address *mac, uint16_t vlan,
	      struct fdb_view *ret_view)
{
	uint64_t key = key_of(mac, vlan);
	uint32_t hash = hash_of(fdb, key);
	struct fdb_view view = { 0 };
	bool is_there;

	for (unsigned i = 0; i < LOOKS_MAX; i++) {
		uint32_t version = __atomic_load_n(&fdb->version, __ATOMIC_ACQUIRE);

		is_there = look(fdb, key, hash, &view);
		if (likely(!(version & 1) &&
			   __atomic_load_n(&fdb->version, __ATOMIC_RELAXED) == version))
			goto seen;
	}
	fdb_lock(fdb);
	is_there = look(fdb, key, hash, &view);
	fdb_unlock(fdb);
seen:
	if (is_there)
		*ret_view = view;
	return is_there;
}

/* ---- writing */

struct fdb_entry *fdb_find(struct fdb *fdb, const struct mac_address *mac, uint16_t vlan)
{
	uint64_t key = key_of(mac, vlan);
	struct slot slot;

	(void)probe(fdb, key, hash_of(fdb, key), &slot);
	return slot.entry ? &fdb->entries[slot.entry - 1] : NULL;
}

struct fdb_entry *fdb_insert(struct fdb *fdb, const struct mac_address *mac, uint16_t vlan)
{
	uint64_t key = key_of(mac, vlan);
	struct fdb_entry *entry;
	struct slot slot;
	uint32_t hash, i;

	if (fdb->count == fdb->capacity)
		return NULL;
	hash = hash_of(fdb, key);
	i = probe(fdb, key, hash, &slot);
	entry = &fdb->entries[fdb->count];
	store_entry(entry, &(const struct fdb_entry){ .key = key });
	__atomic_store_n(&fdb->count, fdb->count + 1, __ATOMIC_RELAXED);
	store_slot(fdb, i, (struct slot){ .hash = hash, .entry = fdb->count });
	return entry;
}

/* Empty a slot and bring back what had been pushed past it, so that no probe ends too early. */
static void close_gap(struct fdb *fdb, uint32_t gap)
{
	struct slot slot;

	for (uint32_t i = (gap + 1) & fdb->mask; (slot = load_slot(fdb, i)).entry;
	     i = (i + 1) & fdb->mask) {
		uint32_t home = slot.hash & fdb->mask;

		if (((i - home) & fdb->mask) < ((i - gap) & fdb->mask))
			continue;
		store_slot(fdb, gap, slot);
		gap = i;
	}
	store_slot(fdb, gap, (struct slot){ 0 });
}

static uint32_t slot_of(const struct fdb *fdb, uint32_t number, struct slot *ret_slot)
{
	uint64_t key = fdb->entries[number].key;

	return probe(fdb, key, hash_of(fdb, key), ret_slot);
}

static void remove_number(struct fdb *fdb, uint32_t number)
{
	uint32_t last = fdb->count - 1, i;
	struct slot slot;

	close_gap(fdb, slot_of(fdb, number, &slot));
	if (number != last) {
		i = slot_of(fdb, last, &slot);
		slot.entry = number + 1;
		store_slot(fdb, i, slot);
		store_entry(&fdb->entries[number], &fdb->entries[last]);
	}
	__atomic_store_n(&fdb->count, last, __ATOMIC_RELAXED);
}

uint32_t fdb_remove_if(struct fdb *fdb,
		       bool (*condition)(const struct fdb_entry *entry, void *user), void *user)
{
	uint32_t removed = 0;

	/* Backwards: what takes a removed entry's place has been asked already. */
	for (uint32_t i = fdb->count; i-- > 0;) {
		if (condition(&fdb->entries[i], user)) {
			__atomic_store_n(&fdb->version, fdb->version + 1, __ATOMIC_RELAXED);
			remove_number(fdb, i);
			__atomic_store_n(&fdb->version, fdb->version + 1, __ATOMIC_RELEASE);
			removed++;
		}
	}
	return removed;
}

uint32_t fdb_count(const struct fdb *fdb)
{
	return __atomic_load_n(&fdb->count, __ATOMIC_RELAXED);
}
