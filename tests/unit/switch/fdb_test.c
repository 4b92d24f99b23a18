/* SPDX-License-Identifier: MIT */
/* The forwarding database against a plain list, and at its capacity. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "switch/fdb.h"
#include "switch/vswitch.h"

static struct mac_address mac_of(uint32_t number)
{
	struct mac_address mac = { .bytes = { 0x02, 0 } };

	store_be32(mac.bytes + 2, number);
	return mac;
}

static bool is_any(const struct fdb_entry *entry, void *user)
{
	(void)entry;
	(void)user;
	return true;
}

static void new__capacity__has_bounds(void **state)
{
	struct fdb *fdb = NULL;

	(void)state;
	assert_int_equal(fdb_new(0, &fdb), -EINVAL);
	assert_int_equal(fdb_new(FDB_CAPACITY_MAX + 1, &fdb), -EINVAL);
	assert_null(fdb);
	fdb_free(NULL);
}

static void insert__beyond_capacity__is_refused_and_keeps_all(void **state)
{
	static const uint32_t capacities[] = { 1, 2, 15, 16, 17, 1000 };
	struct mac_address mac;
	struct fdb *fdb;

	(void)state;
	for (size_t c = 0; c < sizeof(capacities) / sizeof(*capacities); c++) {
		uint32_t capacity = capacities[c];

		assert_int_equal(fdb_new(capacity, &fdb), 0);
		for (uint32_t i = 0; i < capacity; i++) {
			mac = mac_of(i);
			assert_non_null(fdb_insert(fdb, &mac, 0));
		}
		mac = mac_of(capacity);
		assert_null(fdb_insert(fdb, &mac, 0));
		assert_null(fdb_find(fdb, &mac, 0));
		assert_int_equal(fdb_count(fdb), capacity);
		for (uint32_t i = 0; i < capacity; i++) {
			mac = mac_of(i);
			assert_non_null(fdb_find(fdb, &mac, 0));
		}
		assert_int_equal(fdb_remove_if(fdb, is_any, NULL), capacity);
		assert_int_equal(fdb_count(fdb), 0);
		assert_null(fdb_find(fdb, &mac, 0));
		assert_non_null(fdb_insert(fdb, &mac, 0));
		fdb_free(fdb);
	}
}

static void find__other_vlan__is_another_key(void **state)
{
	struct mac_address mac = mac_of(7);
	struct vport port = { .mtu = 0 };
	struct fdb *fdb;

	(void)state;
	assert_int_equal(fdb_new(4, &fdb), 0);
	fdb_set(fdb_insert(fdb, &mac, 10), &port, 0);
	assert_null(fdb_find(fdb, &mac, 0));
	assert_null(fdb_find(fdb, &mac, 11));
	assert_ptr_equal(fdb_find(fdb, &mac, 10)->port, &port);
	assert_int_equal(fdb_find(fdb, &mac, 10)->vlan, 10);
	fdb_free(fdb);
}

enum { NUMBERS = 300, CAPACITY = 200, STEPS = 200000 };

struct model {
	uint64_t seen[NUMBERS]; /* 0: not there */
	uint32_t count;
};

static bool is_before(const struct fdb_entry *entry, void *user)
{
	const uint64_t *limit = user;

	return entry->seen_ns < *limit;
}

static void remove_before(struct fdb *fdb, struct model *model, uint64_t limit)
{
	uint32_t removed = 0;

	for (uint32_t i = 0; i < NUMBERS; i++) {
		if (model->seen[i] == 0 || model->seen[i] >= limit)
			continue;
		model->seen[i] = 0;
		removed++;
	}
	model->count -= removed;
	assert_int_equal(fdb_remove_if(fdb, is_before, &limit), removed);
}

static void put(struct fdb *fdb, struct model *model, uint32_t number, uint64_t now)
{
	struct mac_address mac = mac_of(number);
	struct fdb_entry *entry = fdb_find(fdb, &mac, 0);

	if (model->seen[number]) {
		assert_non_null(entry);
		assert_int_equal(entry->seen_ns, model->seen[number]);
		assert_memory_equal(&entry->mac, &mac, sizeof(mac));
	} else {
		assert_null(entry);
		entry = fdb_insert(fdb, &mac, 0);
		if (model->count == CAPACITY) {
			assert_null(entry);
			return;
		}
		assert_non_null(entry);
		assert_null(entry->port);
		model->count++;
	}
	entry->seen_ns = model->seen[number] = now;
}

static void random_operations__compared_with_a_list__agree(void **state)
{
	unsigned seed = (unsigned)getpid();
	struct model model = { .count = 0 };
	struct fdb *fdb;

	(void)state;
	print_message("seed %u\n", seed);
	assert_int_equal(fdb_new(CAPACITY, &fdb), 0);
	for (uint64_t now = 1; now <= STEPS; now++) {
		seed = seed * 1103515245 + 12345;
		put(fdb, &model, (seed >> 8) % NUMBERS, now);
		if ((seed >> 20) % 97 == 0)
			remove_before(fdb, &model, now > 150 ? now - (seed >> 8) % 300 : 1);
		assert_int_equal(fdb_count(fdb), model.count);
	}
	fdb_free(fdb);
}

/* ---- readers beside a writer. Worth most under TSan. */

enum { READERS = 2, SHARED_MACS = 64, SHARED_PORTS = 4, SHARED_STEPS = 3000 };

struct shared {
	struct fdb *fdb;
	struct vport ports[SHARED_PORTS];
	atomic_bool is_over;
	atomic_uint wrong, missed, looks;
};

/* MAC i belongs to port i % SHARED_PORTS, whenever it is there; MAC 0 always is. */
static void *keep_looking(void *user)
{
	struct shared *shared = user;

	for (uint32_t i = 0; !atomic_load(&shared->is_over); i = (i + 1) % SHARED_MACS) {
		struct mac_address mac = mac_of(i);
		struct fdb_view view = { 0 };
		bool is_there = fdb_look(shared->fdb, &mac, 0, &view);

		if (is_there && view.port != &shared->ports[i % SHARED_PORTS])
			atomic_fetch_add(&shared->wrong, 1);
		if (!is_there && i == 0)
			atomic_fetch_add(&shared->missed, 1);
		atomic_fetch_add(&shared->looks, 1);
	}
	return NULL;
}

static bool is_of_victim(const struct fdb_entry *entry, void *user)
{
	const uint8_t *victim = user;

	return entry->mac.bytes[5] != 0 && entry->mac.bytes[5] % 3 == *victim;
}

static void learn(struct shared *shared, uint32_t number, uint64_t now)
{
	struct mac_address mac = mac_of(number);
	struct fdb_entry *entry = fdb_find(shared->fdb, &mac, 0);

	if (!entry)
		entry = fdb_insert(shared->fdb, &mac, 0);
	if (entry)
		fdb_set(entry, &shared->ports[number % SHARED_PORTS], now);
}

static void look__while_a_writer_inserts_and_removes__is_right_or_nothing(void **state)
{
	struct shared shared = { .wrong = 0 };
	pthread_t readers[READERS];

	(void)state;
	assert_int_equal(fdb_new(SHARED_MACS, &shared.fdb), 0);
	learn(&shared, 0, 1);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i], NULL, keep_looking, &shared), 0);
	for (uint32_t now = 2; now < SHARED_STEPS || atomic_load(&shared.looks) < SHARED_STEPS;
	     now++) {
		uint8_t victim = now % 3;

		fdb_lock(shared.fdb);
		for (uint32_t i = 0; i < SHARED_MACS; i += 1 + now % 5)
			learn(&shared, i, now);
		fdb_remove_if(shared.fdb, is_of_victim, &victim);
		fdb_unlock(shared.fdb);
	}
	atomic_store(&shared.is_over, true);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	assert_int_equal(atomic_load(&shared.wrong), 0);
	assert_int_equal(atomic_load(&shared.missed), 0);
	fdb_free(shared.fdb);
}

static void look__without_a_port__sees_nothing(void **state)
{
	struct mac_address mac = mac_of(1);
	struct vport port = { .mtu = 0 };
	struct fdb_view view = { .seen_ns = 7 };
	struct fdb *fdb;

	(void)state;
	assert_int_equal(fdb_new(4, &fdb), 0);
	assert_non_null(fdb_insert(fdb, &mac, 0));
	assert_false(fdb_look(fdb, &mac, 0, &view));
	assert_int_equal(view.seen_ns, 7);
	fdb_set(fdb_find(fdb, &mac, 0), &port, 9);
	assert_true(fdb_look(fdb, &mac, 0, &view));
	assert_ptr_equal(view.port, &port);
	assert_int_equal(view.seen_ns, 9);
	fdb_free(fdb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new__capacity__has_bounds),
		cmocka_unit_test(insert__beyond_capacity__is_refused_and_keeps_all),
		cmocka_unit_test(find__other_vlan__is_another_key),
		cmocka_unit_test(look__while_a_writer_inserts_and_removes__is_right_or_nothing),
		cmocka_unit_test(look__without_a_port__sees_nothing),
		cmocka_unit_test(random_operations__compared_with_a_list__agree),
	};

	return cmocka_run_group_tests_name("switch/fdb", tests, NULL, NULL);
}
