/* SPDX-License-Identifier: MIT */
/* Memory, random bytes, hashes, names: the small things. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <string.h>

#include <longwire/packet.h>

#include "base/hash.h"
#include "base/list.h"
#include "base/memory.h"
#include "base/random.h"

static void memory_map__large__zeroed_and_zeroed_again_when_untouched(void **state)
{
	size_t length = (size_t)1 << 32;
	uint8_t *data = memory_map(length);

	(void)state;
	assert_non_null(data);
	assert_int_equal((uintptr_t)data % 4096, 0);
	assert_int_equal(data[length - 1], 0);
	data[length - 1] = data[0] = 1;
	memory_untouch(data, length);
	assert_int_equal(data[length - 1] | data[0], 0);
	memory_unmap(data, length);
	memory_unmap(NULL, 1);
	memory_untouch(NULL, 1);
}

static void memory_map__nothing_or_too_much__null(void **state)
{
	(void)state;
	assert_null(memory_map(0));
	assert_null(memory_map(SIZE_MAX - 4096));
}

static void memory_erase__part__only_that(void **state)
{
	char data[] = "secret!";

	(void)state;
	memory_erase(data, 6);
	assert_memory_equal(data, "\0\0\0\0\0\0!", 8);
	memory_erase(NULL, 0);
}

static void close_fd__twice__second_does_nothing(void **state)
{
	int descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int number = descriptor;

	(void)state;
	close_fd(&descriptor);
	assert_int_equal(descriptor, -1);
	assert_int_equal(fcntl(number, F_GETFD), -1);
	close_fd(&descriptor);
}

static void hash_sip__authors_vectors__match(void **state)
{
	/* Key 00 … 0f, message 00 … n-1: the table of the reference implementation. */
	static const struct {
		size_t length;
		uint64_t hash;
	} rows[] = {
		{ 0, 0x726fdb47dd0e0e31 }, { 1, 0x74f839c593dc67fd },  { 7, 0xab0200f58b01d137 },
		{ 8, 0x93f5f5799a932462 }, { 15, 0xa129ca6149be45e5 }, { 63, 0x958a324ceb064572 },
	};
	static const struct hash_key key = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
	uint8_t message[64];

	(void)state;
	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)i;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		assert_true(hash_sip(&key, message, rows[i].length) == rows[i].hash);
}

static void random_below__small_bound__every_value_and_no_other(void **state)
{
	unsigned seen = 0;

	(void)state;
	assert_int_equal(random_below(1), 0);
	/* A value is missed with probability 3 × (2/3)^400: never. */
	for (int i = 0; i < 400; i++) {
		uint32_t value = random_below(3);

		assert_true(value < 3);
		seen |= 1U << value;
	}
	assert_int_equal(seen, 7);
}

static void random_bytes__two_calls__differ(void **state)
{
	uint8_t a[16] = { 0 }, b[16] = { 0 };

	(void)state;
	random_bytes(a, sizeof(a));
	random_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
}

static void names__every_drop_reason__unique_and_told(void **state)
{
	(void)state;
	for (int i = 0; i < LW_DROP_COUNT; i++) {
		assert_true(strlen(lw_drop_name((enum lw_drop)i)) > 0);
		assert_true(strlen(lw_drop_text((enum lw_drop)i)) > 0);
		for (int j = 0; j < i; j++)
			assert_string_not_equal(lw_drop_name((enum lw_drop)i),
						lw_drop_name((enum lw_drop)j));
	}
	assert_string_equal(lw_drop_name(LW_DROP_QUEUE_FULL), "queue-full");
	assert_string_equal(lw_drop_name(LW_DROP_COUNT), "?");
	assert_string_equal(lw_drop_text((enum lw_drop)(-1)), "?");
	assert_string_equal(lw_version(), LW_VERSION);
}

static void list__removal_while_walking__rest_in_order(void **state)
{
	struct item {
		int value;
		struct list link;
	} items[4] = { { .value = 0 }, { .value = 1 }, { .value = 2 }, { .value = 3 } };
	struct list head;
	int sum = 0;

	(void)state;
	list_init(&head);
	assert_true(list_is_empty(&head));
	for (int i = 0; i < 4; i++)
		list_append(&head, &items[i].link);
	list_for_each_safe(node, &head)
		if (list_entry(node, struct item, link)->value % 2)
			list_remove(node);
	list_remove(&items[1].link);
	list_for_each(node, &head)
		sum = sum * 10 + list_entry(node, struct item, link)->value + 1;
	assert_int_equal(sum, 13);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_map__large__zeroed_and_zeroed_again_when_untouched),
		cmocka_unit_test(memory_map__nothing_or_too_much__null),
		cmocka_unit_test(memory_erase__part__only_that),
		cmocka_unit_test(close_fd__twice__second_does_nothing),
		cmocka_unit_test(hash_sip__authors_vectors__match),
		cmocka_unit_test(random_below__small_bound__every_value_and_no_other),
		cmocka_unit_test(random_bytes__two_calls__differ),
		cmocka_unit_test(names__every_drop_reason__unique_and_told),
		cmocka_unit_test(list__removal_while_walking__rest_in_order),
	};

	return cmocka_run_group_tests_name("base/memory", tests, NULL, NULL);
}
