/* SPDX-License-Identifier: MIT */
/* Value structs of other versions: smaller ones are taken, larger ones where they ask for nothing
 * unknown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/value.h"

struct known {
	size_t size;
	uint32_t one, two;
};

struct later {
	struct known known;
	unsigned char more[16];
};

static void value_take__sizes__taken_or_refused_untouched(void **state)
{
	static const struct {
		size_t size;
		unsigned char more; /* in the last byte that is given */
		bool is_taken;
		uint32_t one, two;
	} rows[] = {
		{ 0, 0, false, 9, 9 },
		{ sizeof(size_t) - 1, 0, false, 9, 9 },
		{ sizeof(size_t), 0, true, 0, 0 },
		{ offsetof(struct known, two), 0, true, 1, 0 },
		{ sizeof(struct known), 0, true, 1, 2 },
		{ sizeof(struct later), 0, true, 1, 2 },
		{ sizeof(struct later), 1, false, 9, 9 },
		{ VALUE_SIZE_MAX + 1, 0, false, 9, 9 },
		{ SIZE_MAX, 0, false, 9, 9 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct later from = { .known = { rows[i].size, 1, 2 } };
		struct known to = { 9, 9, 9 };

		from.more[15] = rows[i].more;
		assert_int_equal(value_take(&to, sizeof(to), &from), rows[i].is_taken);
		assert_int_equal(to.one, rows[i].one);
		assert_int_equal(to.two, rows[i].two);
	}
}

static void value_give__sizes__as_much_as_the_taker_has_room_for(void **state)
{
	const struct known value = { sizeof(value), 1, 2 };
	struct known old = { offsetof(struct known, two), 9, 9 }, unset = { 0, 9, 9 };
	struct later later = { .known = { sizeof(later), 9, 9 }, .more = { 7 } };

	(void)state;
	value_give(&old, &value, sizeof(value));
	assert_int_equal(old.size, offsetof(struct known, two));
	assert_int_equal(old.one, 1);
	assert_int_equal(old.two, 9);
	value_give(&unset, &value, sizeof(value));
	assert_int_equal(unset.size, sizeof(value));
	assert_int_equal(unset.two, 2);
	value_give(&later, &value, sizeof(value));
	assert_int_equal(later.known.two, 2);
	assert_int_equal(later.more[0], 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(value_take__sizes__taken_or_refused_untouched),
		cmocka_unit_test(value_give__sizes__as_much_as_the_taker_has_room_for),
	};

	return cmocka_run_group_tests_name("base/value", tests, NULL, NULL);
}
