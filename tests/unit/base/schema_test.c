/* SPDX-License-Identifier: MIT */
/* Schema tables over trees read from JSON: values, defaults, errors, memory. */
#include "base/schema.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/tree.h"

struct item {
	char *name;
	uint32_t size;
	struct string_list tags;
};

struct output {
	char *text;
	uint32_t number, any;
	bool flag;
	int word;
	unsigned words;
	struct string_list strings;
	struct item_list map, list;
	char *inner;
};

static const char *check_short(const char *text)
{
	return strlen(text) <= 3 && text[0] ? NULL : "1 to 3 letters";
}

static const struct schema_word words[] = {
	{ "red", 1 }, { "green", 2 }, { "blue", 4 }, { NULL, 0 }
};

static const struct schema_row item_rows[] = {
	{ .path = "size",
	  .kind = SCHEMA_UINT,
	  .offset = offsetof(struct item, size),
	  .min = 1,
	  .max = 9,
	  .standard = "5" },
	{ .path = "tags", .kind = SCHEMA_STRINGS, .offset = offsetof(struct item, tags) },
	{ .path = NULL },
};

static const struct schema item_schema = { .rows = item_rows, .size = sizeof(struct item) };

#define AT(member) .offset = offsetof(struct output, member)

static const struct schema_row rows[] = {
	{ .path = "text", .kind = SCHEMA_TEXT, AT(text), .min = 1, .max = 5, .help = "a|b" },
	{ .path = "number",
	  .kind = SCHEMA_UINT,
	  AT(number),
	  .min = 10,
	  .max = 20,
	  .standard = "15" },
	{ .path = "any", .kind = SCHEMA_UINT, AT(any) },
	{ .path = "flag", .kind = SCHEMA_BOOL, AT(flag), .standard = "true" },
	{ .path = "word", .kind = SCHEMA_WORD, AT(word), .words = words, .standard = "green" },
	{ .path = "words",
	  .kind = SCHEMA_WORDS,
	  AT(words),
	  .words = words,
	  .standard = "red, blue" },
	{ .path = "strings",
	  .kind = SCHEMA_STRINGS,
	  AT(strings),
	  .min = 1,
	  .max = 3,
	  .check = check_short },
	{ .path = "map",
	  .kind = SCHEMA_MAP_OF,
	  AT(map),
	  .max = 2,
	  .item = &item_schema,
	  .check = check_short },
	{ .path = "list", .kind = SCHEMA_LIST_OF, AT(list), .item = &item_schema },
	{ .path = "section", .kind = SCHEMA_MAP },
	{ .path = "section.inner", .kind = SCHEMA_TEXT, AT(inner), .required = true },
	{ .path = "old", .kind = SCHEMA_REFUSED, .help = "is gone" },
	{ .path = NULL },
};

static void validate(void *output, const struct tree *tree, struct schema_errors *errors)
{
	const struct output *o = output;

	if (o->number == 13)
		schema_error(errors, tree_get(tree, "number"), "number", "brings bad luck");
}

static const struct schema schema = { rows, sizeof(struct output), validate };

static int read_json(const char *json, struct output *output, struct schema_errors *errors)
{
	struct tree *tree;
	int r;

	errors->file = "f";
	assert_int_equal(json_parse(json, strlen(json), &tree, NULL), 0);
	r = schema_read(&schema, tree, output, errors);
	tree_free(tree);
	return r;
}

static void read__empty__defaults(void **state)
{
	struct schema_errors errors = { 0 };
	struct output output;

	(void)state;
	assert_int_equal(read_json("{}", &output, &errors), 0);
	assert_null(output.text);
	assert_int_equal(output.number, 15);
	assert_true(output.flag);
	assert_int_equal(output.word, 2);
	assert_int_equal(output.words, 5);
	assert_int_equal(output.strings.n, 0);
	schema_done(&schema, &output);
	schema_done(&schema, &output);
}

static void read__everything__stored(void **state)
{
	struct schema_errors errors = { 0 };
	struct output output;
	struct item *item;

	(void)state;
	assert_int_equal(
		read_json("{\"text\":\"hello\",\"number\":20,\"any\":4294967295,\"flag\":false,"
			  "\"word\":\"red\",\"words\":[\"green\"],\"strings\":[\"a\",\"b\"],"
			  "\"map\":{\"x\":{\"size\":9},\"y\":{}},"
			  "\"list\":[{\"tags\":\"one\"}],\"section\":{\"inner\":\"\"}}",
			  &output, &errors),
		0);
	assert_string_equal(output.text, "hello");
	assert_int_equal(output.number, 20);
	assert_int_equal(output.any, UINT32_MAX);
	assert_false(output.flag);
	assert_int_equal(output.word, 1);
	assert_int_equal(output.words, 2);
	assert_int_equal(output.strings.n, 2);
	assert_string_equal(output.strings.items[1], "b");
	assert_int_equal(output.map.n, 2);
	item = output.map.items[0];
	assert_string_equal(item->name, "x");
	assert_int_equal(item->size, 9);
	item = output.map.items[1];
	assert_int_equal(item->size, 5);
	item = output.list.items[0];
	assert_null(item->name);
	assert_string_equal(item->tags.items[0], "one");
	assert_string_equal(output.inner, "");
	schema_done(&schema, &output);
}

static void read__wrong__one_exact_line(void **state)
{
	static const struct {
		const char *json, *line;
	} cases[] = {
		{ "{\"number\":9}",
		  "f: number: \"9\" is not allowed, must be a number from 10 to 20\n" },
		{ "{\"number\":21}",
		  "f: number: \"21\" is not allowed, must be a number from 10 to 20\n" },
		{ "{\"any\":4294967296}",
		  "f: any: \"4294967296\" is not allowed, must be a number from 0 to 4294967295\n" },
		{ "{\"number\":[]}",
		  "f: number: must be a single value: a number from 10 to 20\n" },
		{ "{\"number\":null}",
		  "f: number: must be a single value: a number from 10 to 20\n" },
		{ "{\"number\":13}", "f: number: brings bad luck\n" },
		{ "{\"flag\":\"yes\"}",
		  "f: flag: \"yes\" is not allowed, must be true or false\n" },
		{ "{\"text\":\"\"}",
		  "f: text: \"\" is not allowed, must be text of 1 to 5 bytes\n" },
		{ "{\"text\":\"123456\"}",
		  "f: text: \"123456\" is not allowed, must be text of 1 to 5 bytes\n" },
		{ "{\"word\":\"gren\"}",
		  "f: word: \"gren\" is not allowed (did you mean \"green\"?), "
		  "must be red, green or blue\n" },
		{ "{\"words\":[\"red\",\"red\"]}", "f: words: \"red\" is in the list twice\n" },
		{ "{\"words\":{}}", "f: words: must be a value or a list of them\n" },
		{ "{\"strings\":[]}", "f: strings: has 0 items, must have 1 to 3\n" },
		{ "{\"strings\":[\"a\",\"b\",\"c\",\"d\"]}",
		  "f: strings: has 4 items, must have 1 to 3\n" },
		{ "{\"strings\":\"long\"}",
		  "f: strings: \"long\" is not allowed, must be 1 to 3 letters\n" },
		{ "{\"map\":[]}", "f: map: must be a map: a name, then its keys\n" },
		{ "{\"map\":{\"x\":1}}", "f: map.x: must be a map of keys\n" },
		{ "{\"map\":{\"long\":{}}}",
		  "f: map: \"long\" is not allowed as a name, must be 1 to 3 letters\n" },
		{ "{\"map\":{\"x\":{\"size\":0}}}",
		  "f: map.x.size: \"0\" is not allowed, must be a number from 1 to 9\n" },
		{ "{\"map\":{\"x\":{\"sise\":1}}}",
		  "f: map.x.sise: unknown key, did you mean \"size\"? allowed here: size, tags\n" },
		{ "{\"map\":{\"a\":{},\"b\":{},\"c\":{}}}",
		  "f: map: has 3 items, must have 0 to 2\n" },
		{ "{\"list\":{}}", "f: list: must be a list of maps\n" },
		{ "{\"list\":[{},{\"size\":10}]}",
		  "f: list[1].size: \"10\" is not allowed, must be a number from 1 to 9\n" },
		{ "{\"section\":1}", "f: section: must be a map of keys\n" },
		{ "{\"section\":{}}",
		  "f: section.inner: is missing, must be text of 0 to 1024 bytes\n" },
		{ "{\"section\":{\"inner\":\"\",\"zzzzzz\":1}}",
		  "f: section.zzzzzz: unknown key, allowed here: inner\n" },
		{ "{\"section.inner\":\"x\"}",
		  "f: section.inner: unknown key, allowed here: text, number, any, flag, word, words, "
		  "strings, map, list, section\n" },
		{ "{\"old\":1}", "f: old: is gone\n" },
		{ "{\"t\\nx\\u001b\":1}",
		  "f: t?x?: unknown key, did you mean \"text\"? allowed here: "
		  "text, number, any, flag, word, words, strings, map, list, "
		  "section\n" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct schema_errors errors = { 0 };
		struct output output;

		if (read_json(cases[i].json, &output, &errors) != -EINVAL)
			fail_msg("%s was read", cases[i].json);
		assert_string_equal(errors.text, cases[i].line);
		assert_int_equal(errors.n, 1);
		assert_null(output.text);
		assert_int_equal(output.number, 0);
		schema_errors_done(&errors);
	}
}

static void read__several_wrong__all_told(void **state)
{
	struct schema_errors errors = { 0 };
	struct output output;

	(void)state;
	assert_int_equal(read_json("{\"number\":1,\"flag\":1,\"zzzzzzz\":1,\"text\":\"ok\"}",
				   &output, &errors),
			 -EINVAL);
	assert_int_equal(errors.n, 3);
	schema_errors_done(&errors);
	assert_null(errors.text);
	assert_int_equal(errors.n, 0);
}

static void errors__flood__bounded_and_counted(void **state)
{
	struct schema_errors errors = { .file = "f" };
	size_t lines = 0;

	(void)state;
	for (int i = 0; i < 3 * SCHEMA_ERRORS_MAX; i++)
		schema_error(&errors, NULL, NULL, "%d", i);
	for (const char *p = errors.text; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, SCHEMA_ERRORS_MAX);
	assert_int_equal(errors.n, 3 * SCHEMA_ERRORS_MAX);
	schema_errors_done(&errors);
}

static void errors__long_values__cut_between_characters(void **state)
{
	struct schema_errors errors = { 0 };
	struct output output;
	char json[5000] = "{\"word\":\"";

	(void)state;
	for (int i = 0; i < 1000; i++)
		strcat(json, "\xe2\x82\xac");
	strcat(json, "\"}");
	assert_int_equal(read_json(json, &output, &errors), -EINVAL);
	assert_true(strlen(errors.text) < 200);
	assert_non_null(strstr(errors.text, "\xe2\x82\xac...\" is not allowed"));
	schema_errors_done(&errors);
}

static void errors__place__line_and_column(void **state)
{
	struct schema_errors errors = { .file = "a.yaml", .within = "clients.x" };
	struct tree at = { .line = 3, .column = 9 };

	(void)state;
	schema_error(&errors, &at, "pin", "is %s", "odd");
	schema_error(&errors, &at, NULL, "is odd");
	assert_string_equal(errors.text, "a.yaml:3:9: clients.x.pin: is odd\n"
					 "a.yaml:3:9: clients.x: is odd\n");
	schema_errors_done(&errors);
}

static void reference__every_row__is_a_table_row(void **state)
{
	char *text = schema_reference(&schema);

	(void)state;
	assert_non_null(strstr(text, "| `number` | a number from 10 to 20 | 15 |  |\n"));
	assert_non_null(strstr(text, "| `text` | text of 1 to 5 bytes |  | a\\|b |\n"));
	assert_non_null(strstr(text, "| `map.NAME.size` | a number from 1 to 9 | 5 |  |\n"));
	assert_non_null(strstr(text, "| `list[].tags` |"));
	assert_non_null(strstr(text, "| `strings` | 1 to 3 letters |"));
	assert_non_null(strstr(text, "| `section.inner` | text of 0 to 1024 bytes | required |"));
	assert_null(strstr(text, "`old`"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(read__empty__defaults),
		cmocka_unit_test(read__everything__stored),
		cmocka_unit_test(read__wrong__one_exact_line),
		cmocka_unit_test(read__several_wrong__all_told),
		cmocka_unit_test(errors__flood__bounded_and_counted),
		cmocka_unit_test(errors__long_values__cut_between_characters),
		cmocka_unit_test(errors__place__line_and_column),
		cmocka_unit_test(reference__every_row__is_a_table_row),
	};

	return cmocka_run_group_tests_name("base/schema", tests, NULL, NULL);
}
