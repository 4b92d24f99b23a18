/* SPDX-License-Identifier: MIT */
/* Admission: every fact that refuses, the only one that admits, and what people are told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <longwire/error.h>

#include "base/memory.h"
#include "tls/admission.h"

static struct pin pin_of(uint8_t byte)
{
	struct pin pin;

	memset(pin.sha256, byte, sizeof(pin.sha256));
	return pin;
}

static struct admission_book *book_of(size_t n)
{
	struct admission_entry entries[300];
	struct admission_book *book;

	/* Not in the order of the pins. */
	for (size_t i = 0; i < n; i++) {
		memset(&entries[i], 0, sizeof(entries[i]));
		entries[i].pin = pin_of((uint8_t)(7 * i + 1));
		snprintf(entries[i].name, sizeof(entries[i].name), "peer-%zu", i);
	}
	assert_int_equal(admission_book_new(entries, n, &book), 0);
	return book;
}

static void judge__pin_in_the_book__admitted_under_its_name(void **state)
{
	struct admission_book *book = book_of(200);
	struct admission admission;
	char name[32];

	(void)state;
	for (int side = ADMISSION_HUB; side <= ADMISSION_CLIENT; side++) {
		for (size_t i = 0; i < 200; i++) {
			struct admission_facts facts = { .side = side,
							 .pin = pin_of((uint8_t)(7 * i + 1)) };

			admission_judge(&facts, book, &admission);
			assert_int_equal(admission.verdict, ADMISSION_ADMITTED);
			snprintf(name, sizeof(name), "peer-%zu", i);
			assert_string_equal(admission.name, name);
			assert_int_equal(admission.connection_error, 0);
			assert_string_equal(admission.text, "");
		}
	}
	admission_book_free(book);
}

static void judge__a_pin_that_differs_in_one_bit__refused(void **state)
{
	struct admission_book *book = book_of(1);
	struct admission admission;

	(void)state;
	for (size_t bit = 0; bit < 256; bit++) {
		struct admission_facts facts = { .side = ADMISSION_HUB, .pin = pin_of(1) };

		facts.pin.sha256[bit / 8] ^= (uint8_t)(1 << bit % 8);
		admission_judge(&facts, book, &admission);
		assert_int_equal(admission.verdict, ADMISSION_REFUSED);
		assert_string_equal(admission.name, "");
	}
	admission_book_free(book);
}

static void judge__empty_or_no_book__refused(void **state)
{
	struct admission_book *book = book_of(0);
	struct admission_facts facts = { .side = ADMISSION_HUB };
	struct admission admission;

	(void)state;
	admission_judge(&facts, book, &admission);
	assert_int_equal(admission.verdict, ADMISSION_REFUSED);
	admission_judge(&facts, NULL, &admission);
	assert_int_equal(admission.verdict, ADMISSION_REFUSED);
	facts.side = ADMISSION_CLIENT;
	admission_judge(&facts, NULL, &admission);
	assert_int_equal(admission.verdict, ADMISSION_REFUSED);
	assert_non_null(strstr(admission.text, "none of the 0 pinned keys"));
	admission_book_free(book);
}

/* Each alone, with a pin that would be admitted. */
static void judge__any_flag__refused_with_its_reason(void **state)
{
	static const struct {
		unsigned flag;
		int hub_error, client_error;
		const char *text, *peer_text;
	} rows[] = {
		{ ADMISSION_NO_CERTIFICATE, 9, 17, "showed no certificate",
		  "showed no certificate" },
		{ ADMISSION_WEAK_KEY, 9, 17, "weak key", "your key is weak" },
		{ ADMISSION_WEAK_SIGNATURE, 9, 17, "SHA-1", "SHA-1" },
		{ ADMISSION_WRONG_ALPN, 15, 15, "not longwire/1", "longwire/1" },
		{ ADMISSION_OLD_PROTOCOL, 15, 15, "older than 1.2", "older than 1.2" },
		{ ADMISSION_WRONG_SUITE, 15, 15, "cipher suite", "cipher suite" },
		{ 1u << 30, 15, 15, "not acceptable", "not agreed" },
	};
	struct admission_book *book = book_of(3);
	struct admission admission;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		for (int side = ADMISSION_HUB; side <= ADMISSION_CLIENT; side++) {
			struct admission_facts facts = { .side = side,
							 .flags = rows[i].flag,
							 .pin = pin_of(1) };

			admission_judge(&facts, book, &admission);
			assert_int_equal(admission.verdict, ADMISSION_REFUSED);
			assert_int_equal(admission.connection_error,
					 side == ADMISSION_HUB ? rows[i].hub_error
							       : rows[i].client_error);
			assert_non_null(strstr(admission.text, rows[i].text));
			assert_non_null(strstr(admission.text,
					       side == ADMISSION_HUB ? "the client" : "the hub"));
			assert_non_null(strstr(admission.peer_text, rows[i].peer_text));
			assert_string_equal(admission.name, "");
		}
	}
	admission_book_free(book);
}

static void judge__unknown_key__says_which_and_what_to_do(void **state)
{
	struct admission_book *one = book_of(1), *two = book_of(2);
	struct admission_facts facts = { .side = ADMISSION_CLIENT, .pin = pin_of(0xee) };
	char shown[PIN_TEXT_SIZE], pinned[PIN_TEXT_SIZE], wanted[200];
	struct pin known = pin_of(1);
	struct admission admission;

	(void)state;
	pin_format(&facts.pin, shown);
	pin_format(&known, pinned);
	admission_judge(&facts, one, &admission);
	assert_int_equal(admission.connection_error,
			 LW_CONNECTION_ERROR_SERVER_CERTIFICATE_INVALID);
	snprintf(wanted, sizeof(wanted), "the hub showed %s, which is not the pinned key %s", shown,
		 pinned);
	assert_non_null(strstr(admission.text, wanted));
	assert_non_null(strstr(admission.text, "hub.pin is old")); /* the end is not cut off */
	/* The hub learns nothing of what we have pinned. */
	assert_null(strstr(admission.peer_text, pinned));
	admission_judge(&facts, two, &admission);
	assert_non_null(strstr(admission.text, "none of the 2 pinned keys"));
	facts.side = ADMISSION_HUB;
	admission_judge(&facts, two, &admission);
	assert_int_equal(admission.connection_error, LW_CONNECTION_ERROR_AUTHENTICATION_FAILED);
	assert_non_null(strstr(admission.text, shown));
	assert_non_null(strstr(admission.text, "under clients:"));
	assert_non_null(strstr(admission.peer_text, shown));
	assert_null(strstr(admission.peer_text, pinned));
	admission_book_free(one);
	admission_book_free(two);
}

static void book__one_pin_with_two_names__refused(void **state)
{
	struct admission_entry entries[3] = { { .name = "a" }, { .name = "b" }, { .name = "c" } };
	struct admission_book *book = NULL;

	(void)state;
	entries[0].pin = entries[2].pin = pin_of(5);
	entries[1].pin = pin_of(9);
	assert_int_equal(admission_book_new(entries, 3, &book), -EEXIST);
	assert_null(book);
	/* Twice the same is not a contradiction. */
	memcpy(entries[2].name, "a", 2);
	assert_int_equal(admission_book_new(entries, 3, &book), 0);
	admission_book_free(book);
	admission_book_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(judge__pin_in_the_book__admitted_under_its_name),
		cmocka_unit_test(judge__a_pin_that_differs_in_one_bit__refused),
		cmocka_unit_test(judge__empty_or_no_book__refused),
		cmocka_unit_test(judge__any_flag__refused_with_its_reason),
		cmocka_unit_test(judge__unknown_key__says_which_and_what_to_do),
		cmocka_unit_test(book__one_pin_with_two_names__refused),
	};

	return cmocka_run_group_tests_name("tls/admission", tests, NULL, NULL);
}
