/* SPDX-License-Identifier: MIT */
/* The picture of top: what is in it at each size, what gives way, and that ports scroll. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/tree.h"
#include "program/top.h"

enum { PORTS_MAX = 40, TEXT = 65536, HISTORY = 60 };

/* A hub with this many clients; of the last minute only the newest second had a round-trip time. */
static struct tree *make_status(unsigned clients, unsigned lost)
{
	struct tree *status;
	char *text;
	size_t length;
	FILE *json = open_memstream(&text, &length);

	fputs("{\"name\":\"office\",\"kind\":\"hub\",\"layer\":\"ethernet\",\"state\":\"running\",",
	      json);
	fprintf(json, "\"hub\":{\"connected\":%u,\"clients\":%u},\"ports\":[", clients, clients);
	for (unsigned i = 0; i < clients; i++) {
		fprintf(json, "%s{\"name\":\"client-%u\",\"connected\":true,\"device\":false,",
			i ? "," : "", i);
		fputs("\"received\":{\"bytes-per-second\":1250000},\"sent\":{\"bytes-per-second\":"
		      "0},\"rtt-us\":1500,\"rtt-history-us\":[",
		      json);
		for (int k = 1; k < HISTORY; k++)
			fputs("10,", json);
		fprintf(json, "1500],\"drops\":{\"link-lost\":%u,\"queue-full\":7}}", lost);
	}
	fputs("]}", json);
	assert_int_equal(fclose(json), 0);
	assert_int_equal(json_parse(text, length, &status, NULL), 0);
	free(text);
	return status;
}

static struct top_drawn drawn;

static void draw(const struct tree *status, const struct tree *before, struct top_view view,
		 char picture[TEXT])
{
	FILE *output = fmemopen(picture, TEXT, "w");

	view.end = "\n";
	drawn = top_draw(status, before, &view, output);
	assert_int_equal(fclose(output), 0);
}

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	while ((text = strstr(text, what))) {
		text += strlen(what);
		n++;
	}
	return n;
}

/* Columns, not bytes. */
static size_t longest_line(const char *text)
{
	size_t longest = 0, columns = 0;

	for (; *text; text++) {
		if (*text == '\n')
			columns = 0;
		else if (((unsigned char)*text & 0xc0) != 0x80)
			columns++;
		longest = columns > longest ? columns : longest;
	}
	return longest;
}

static void picture__of_80_columns__has_round_trips_and_the_newest_seconds(void **state)
{
	struct tree *status = make_status(2, 5), *before = make_status(2, 3);
	static char picture[TEXT];

	(void)state;
	draw(status, before, (struct top_view){ .columns = 80, .rows = 23, .has_utf8 = true },
	     picture);
	assert_true(longest_line(picture) <= 80);
	assert_int_equal(count(picture, "10.0 Mbit/s"), 2);
	assert_int_equal(count(picture, "1.50 ms ▁▁▁▁▁▁▁▁▁▁▁▁█\n"), 2);
	assert_non_null(strstr(picture, "link-lost"));
	assert_non_null(strstr(picture, " 4/s"));
	draw(status, before, (struct top_view){ .columns = 80, .rows = 23 }, picture);
	assert_int_equal(count(picture, "1.50 ms ____________#\n"), 2);
	for (const char *at = picture; *at; at++)
		assert_true((unsigned char)*at < 0x80);
	tree_free(before);
	tree_free(status);
}

static void picture__wide__has_rates_of_drops_and_the_whole_minute(void **state)
{
	struct tree *status = make_status(1, 5), *before = make_status(1, 3);
	static char picture[TEXT];

	(void)state;
	draw(status, before, (struct top_view){ .columns = 200, .rows = 49, .has_utf8 = true },
	     picture);
	assert_non_null(strstr(picture, "12      2/s"));
	assert_int_equal(count(picture, "▁"), HISTORY - 1);
	draw(status, NULL, (struct top_view){ .has_utf8 = true }, picture);
	assert_int_equal(count(picture, "▁"), HISTORY - 1);
	tree_free(before);
	tree_free(status);
}

static void picture__of_any_size__stays_within(void **state)
{
	struct tree *status = make_status(PORTS_MAX, 5);
	static char picture[TEXT];

	(void)state;
	for (unsigned rows = 1; rows < 50; rows++)
		for (unsigned columns = 1; columns < 120; columns += 7) {
			struct top_view view = { .columns = columns, .rows = rows, .has_utf8 = 1 };

			draw(status, NULL, view, picture);
			assert_true(count(picture, "\n") <= rows);
			assert_true(longest_line(picture) <= columns);
			assert_true(drawn.shown > 0 || rows < 3);
		}
	tree_free(status);
}

static void picture__tiny__has_a_port(void **state)
{
	struct tree *status = make_status(1, 5);
	static char picture[TEXT];

	(void)state;
	draw(status, NULL, (struct top_view){ .columns = 20, .rows = 4 }, picture);
	assert_string_equal(picture, "office: ethernet hub\n"
				     "PORT         STATE  \n"
				     "client-0     connect\n"
				     "\n");
	tree_free(status);
}

static void ports__more_than_rows__scroll_and_leave_room_for_drops(void **state)
{
	struct tree *status = make_status(PORTS_MAX, 5);
	struct top_view view = { .columns = 80, .rows = 23 };
	static char picture[TEXT];

	(void)state;
	draw(status, NULL, view, picture);
	assert_int_equal(drawn.ports, PORTS_MAX);
	assert_int_equal(drawn.first, 0);
	assert_int_equal(drawn.shown, 23 - 3 - 3); /* the head; an empty line, two reasons */
	assert_int_equal(count(picture, "client-"), drawn.shown);
	assert_non_null(strstr(picture, "queue-full"));
	view.first = 5;
	draw(status, NULL, view, picture);
	assert_int_equal(drawn.first, 5);
	assert_null(strstr(picture, "client-4 "));
	assert_non_null(strstr(picture, "client-5 "));
	view.first = PORTS_MAX;
	draw(status, NULL, view, picture);
	assert_int_equal(drawn.first, PORTS_MAX - drawn.shown);
	assert_non_null(strstr(picture, "client-39 "));
	tree_free(status);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(picture__of_80_columns__has_round_trips_and_the_newest_seconds),
		cmocka_unit_test(picture__wide__has_rates_of_drops_and_the_whole_minute),
		cmocka_unit_test(picture__of_any_size__stays_within),
		cmocka_unit_test(picture__tiny__has_a_port),
		cmocka_unit_test(ports__more_than_rows__scroll_and_leave_room_for_drops),
	};

	return cmocka_run_group_tests_name("program/top", tests, NULL, NULL);
}
