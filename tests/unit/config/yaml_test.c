/* SPDX-License-Identifier: MIT */
/* YAML to trees: what is refused, where, and with which words. */
#include "config/yaml.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/schema.h"
#include "base/tree.h"

static int parse_bytes(const char *text, size_t length, struct tree **ret_tree,
		       struct schema_errors *errors)
{
	/* A copy of its exact size, so that a byte too many is seen. */
	char *copy = malloc(length ? length : 1);
	int r;

	memcpy(copy, text, length);
	errors->file = "f";
	r = yaml_parse(copy, length, ret_tree, errors);
	free(copy);
	return r;
}

static void parse__places__one_based(void **state)
{
	static const char text[] = "a: 1\nb:\n  - x\n  - {c: 'y'}\n";
	struct schema_errors errors = { 0 };
	const struct tree *b, *c;
	struct tree *tree;

	(void)state;
	assert_int_equal(parse_bytes(text, sizeof(text) - 1, &tree, &errors), 0);
	assert_string_equal(tree_get_text(tree, "a"), "1");
	assert_int_equal(tree->first->line, 1);
	assert_int_equal(tree->first->column, 4);
	b = tree_get(tree, "b");
	assert_int_equal(b->kind, TREE_LIST);
	assert_int_equal(b->key_line, 2);
	assert_int_equal(b->key_column, 1);
	assert_int_equal(b->n, 2);
	c = tree_get(b->first->next, "c");
	assert_string_equal(c->text, "y");
	assert_int_equal(c->line, 4);
	assert_int_equal(c->key_column, 6);
	assert_int_equal(c->column, 9);
	tree_free(tree);
}

static void parse__scalars__stay_text(void **state)
{
	static const char text[] =
		"a: 010\nb: no\nc: ~\nd:\ne: 0x10\nf: 1e9\ng: \"\"\nh: |\n  x\n  y\n";
	static const char *const values[] = { "010", "no", "~", "", "0x10", "1e9", "", "x\ny\n" };
	struct schema_errors errors = { 0 };
	struct tree *tree;
	size_t i = 0;

	(void)state;
	assert_int_equal(parse_bytes(text, sizeof(text) - 1, &tree, &errors), 0);
	for_each_child(child, tree) {
		assert_string_equal(child->text, values[i++]);
		assert_int_equal(child->scalar, TREE_TEXT);
	}
	assert_int_equal(i, ARRAY_SIZE(values));
	tree_free(tree);
}

static void parse__accepted_forms__read(void **state)
{
	static const char *const good[] = {
		"a: 1",
		"a: 1\r\nb: 2\r\n",
		("\xef\xbb\xbf"
		 "a: 1\nb: 2\n"),
		"---\na: 1\n",
		"---\na: 1\n...\n",
		"# comment\n\na: 1 # more\n",
		"{a: 1, b: [2, 3]}",
		"{\"a\": \"1\"}",
		"? a\n: 1\n",
		"a: \xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n",
		"{}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct schema_errors errors = { 0 };
		struct tree *tree;

		if (parse_bytes(good[i], strlen(good[i]), &tree, &errors) != 0)
			fail_msg("%s: %s", good[i], errors.text);
		tree_free(tree);
	}
}

static void parse__refused_forms__named(void **state)
{
	static const struct {
		const char *text, *line;
	} rows[] = {
		{ "", "f: the file is empty\n" },
		{ "\n \n# only a comment\n", "f: the file is empty\n" },
		{ "...\n", NULL },
		{ "---\n", "f:2:1: the top level must be a map: lines of \"key: value\"\n" },
		{ "word", "f:1:1: the top level must be a map: lines of \"key: value\"\n" },
		{ "- a\n", "f:1:1: the top level must be a map: lines of \"key: value\"\n" },
		{ "a: 1\nb: &x 2\n", "f:2:4: anchors (&) are not supported, write it out\n" },
		{ "a: &x [1]\n", "f:1:4: anchors (&) are not supported, write it out\n" },
		{ "a: &x {b: 1}\n", "f:1:4: anchors (&) are not supported, write it out\n" },
		{ "&x a: 1\n", "f:1:1: anchors (&) are not supported, write it out\n" },
		{ "a: *x\n", "f:1:4: aliases (*) are not supported, write it out\n" },
		{ "<<: *x\n", "f:1:5: aliases (*) are not supported, write it out\n" },
		{ "a: !!str 1\n", "f:1:4: tags (!) are not supported, leave it out\n" },
		{ "a: !x 1\n", "f:1:4: tags (!) are not supported, leave it out\n" },
		{ "a: ! 1\n", "f:1:4: tags (!) are not supported, leave it out\n" },
		{ "a: !!map {}\n", "f:1:4: tags (!) are not supported, leave it out\n" },
		{ "!!map {a: 1}\n", "f:1:1: tags (!) are not supported, leave it out\n" },
		{ "%YAML 1.1\n---\na: 1\n", "f:1:1: directives (%) are not supported\n" },
		{ "%TAG ! tag:x,2000:\n---\na: 1\n", "f:1:1: directives (%) are not supported\n" },
		{ "a: 1\n---\nb: 2\n",
		  "f:2:1: a second document begins here, only one is allowed\n" },
		{ "a: 1\n...\nb: 2\n", NULL },
		{ "a: 1\nb: 2\na: 3\n",
		  "f:3:1: a: this key is already on line 1, only one is allowed\n" },
		{ "x: {a: 1, 'a': 3}\n",
		  "f:1:11: a: this key is already on line 1, only one is allowed\n" },
		{ "{[a]: 1}\n", "f:1:2: a key must be a word, not a map or a list\n" },
		{ "? {a: 1}\n: 1\n", "f:1:3: a key must be a word, not a map or a list\n" },
		{ "a: \"\\0\"\n", "f:1:4: NUL is not allowed\n" },
		{ "\"a\\0b\": 1\n", "f:1:1: NUL is not allowed\n" },
		{ "a: 1\n\tb: 2\n", NULL },
		{ "a: [1\n", NULL },
		{ "a: \"1\n", NULL },
		{ "a: }\n", NULL },
		{ "a: b: c\n", NULL },
		{ "a: 1\n b: 2\n", NULL },
		{ "a: @x\n", NULL },
		{ "a: \x01\n", NULL },
		{ "a: \x7f\n", NULL },
		{ "a: \xff\n", NULL },
		{ "a: \xc3\n", NULL },
		{ "a: \xe9t\xe9\n", NULL },
		{ "a: \xed\xa0\x80\n", NULL },
		{ "a: \xc0\x80\n", NULL },
		{ "\xff\xfe"
		  "a\n",
		  NULL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct schema_errors errors = { 0 };
		struct tree *tree = NULL;
		int r = parse_bytes(rows[i].text, strlen(rows[i].text), &tree, &errors);

		if (r != -EINVAL || tree)
			fail_msg("%s was read", rows[i].text);
		if (rows[i].line)
			assert_string_equal(errors.text, rows[i].line);
		assert_memory_equal(errors.text, "f:", 2);
		schema_errors_done(&errors);
	}
}

static void parse__syntax_error__names_place_and_tab(void **state)
{
	static const char tab[] = "# \xc3\xa9\xc3\xa9\na:\n\tb: 2\n", latin[] = "a: 1\nb: x\xe9\n";
	struct schema_errors errors = { 0 };
	struct tree *tree;

	(void)state;
	assert_int_equal(parse_bytes(tab, sizeof(tab) - 1, &tree, &errors), -EINVAL);
	assert_non_null(strstr(errors.text, "f:3:1: not valid YAML: "));
	assert_non_null(strstr(errors.text, "a tab cannot indent, use blanks"));
	schema_errors_done(&errors);
	assert_int_equal(parse_bytes(latin, sizeof(latin) - 1, &tree, &errors), -EINVAL);
	assert_non_null(strstr(errors.text, "f:2:5: not valid YAML: "));
	schema_errors_done(&errors);
}

static void parse__utf16_and_nul__told_as_such(void **state)
{
	static const char le[] = "\xff\xfe"
				 "a\0:\0 \0001\0",
			  be[] = "\xfe\xff\0a\0:\0 \0001", nul[] = "a: 1\nb\0: 2\n";
	struct schema_errors errors = { 0 };
	struct tree *tree;

	(void)state;
	assert_int_equal(parse_bytes(le, sizeof(le) - 1, &tree, &errors), -EINVAL);
	assert_non_null(strstr(errors.text, "a NUL byte: the file must be UTF-8 text"));
	schema_errors_done(&errors);
	assert_int_equal(parse_bytes(be, sizeof(be) - 1, &tree, &errors), -EINVAL);
	schema_errors_done(&errors);
	assert_int_equal(parse_bytes(nul, sizeof(nul) - 1, &tree, &errors), -EINVAL);
	assert_string_equal(errors.text, "f:2:2: a NUL byte: the file must be UTF-8 text\n");
	schema_errors_done(&errors);
}

/* A map whose only value is lists within lists, depth branches in all. */
static char *nested(size_t depth, bool is_closed)
{
	char *text = malloc(2 * depth + 8), *p = text;

	p += sprintf(p, "a: ");
	memset(p, '[', depth - 1);
	p += depth - 1;
	if (is_closed) {
		memset(p, ']', depth - 1);
		p += depth - 1;
	}
	*p = '\0';
	return text;
}

static void parse__depth__sixteen_and_no_more(void **state)
{
	static const size_t deep[] = { TREE_DEPTH_MAX + 1, 1000, 100000 };
	struct schema_errors errors = { 0 };
	struct tree *tree;
	char *text = nested(TREE_DEPTH_MAX, true);

	(void)state;
	assert_int_equal(parse_bytes(text, strlen(text), &tree, &errors), 0);
	tree_free(tree);
	free(text);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(deep); i++) {
		text = nested(deep[i / 2], i % 2);
		assert_int_equal(parse_bytes(text, strlen(text), &tree, &errors), -EINVAL);
		assert_string_equal(errors.text, "f:1:19: nested too deeply\n");
		schema_errors_done(&errors);
		free(text);
	}
}

static void parse__block_depth__bounded(void **state)
{
	struct schema_errors errors = { 0 };
	char *text = malloc(2000 * 2100), *p = text;
	struct tree *tree;

	(void)state;
	for (int i = 0; i < 2000; i++)
		p += sprintf(p, "%*sa:\n", i, "");
	assert_int_equal(parse_bytes(text, (size_t)(p - text), &tree, &errors), -EINVAL);
	assert_non_null(strstr(errors.text, "nested too deeply"));
	schema_errors_done(&errors);
	free(text);
}

static void parse__nodes__bounded(void **state)
{
	struct schema_errors errors = { 0 };
	char *text = malloc(3 * TREE_NODES_MAX + 16), *p = text;
	struct tree *tree;
	size_t items;

	(void)state;
	p += sprintf(p, "a: [");
	/* The map and the list are nodes, too. */
	for (items = 0; items < TREE_NODES_MAX - 2; items++)
		p += sprintf(p, "x,");
	memcpy(p, "]", 2);
	assert_int_equal(parse_bytes(text, strlen(text), &tree, &errors), 0);
	assert_int_equal(tree->first->n, items);
	tree_free(tree);
	memcpy(p, "x]", 3);
	assert_int_equal(parse_bytes(text, strlen(text), &tree, &errors), -EINVAL);
	assert_non_null(strstr(errors.text, "too many values for one file"));
	schema_errors_done(&errors);
	free(text);
}

static void parse__many_equal_keys__told_up_to_the_bound(void **state)
{
	struct schema_errors errors = { 0 };
	char *text = malloc(50000 * 8), *p = text;
	struct tree *tree;

	(void)state;
	for (int i = 0; i < 50000; i++)
		p += sprintf(p, "a: 1\n");
	assert_int_equal(parse_bytes(text, (size_t)(p - text), &tree, &errors), -EINVAL);
	assert_int_equal(errors.n, 49999);
	schema_errors_done(&errors);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__places__one_based),
		cmocka_unit_test(parse__scalars__stay_text),
		cmocka_unit_test(parse__accepted_forms__read),
		cmocka_unit_test(parse__refused_forms__named),
		cmocka_unit_test(parse__syntax_error__names_place_and_tab),
		cmocka_unit_test(parse__utf16_and_nul__told_as_such),
		cmocka_unit_test(parse__depth__sixteen_and_no_more),
		cmocka_unit_test(parse__block_depth__bounded),
		cmocka_unit_test(parse__nodes__bounded),
		cmocka_unit_test(parse__many_equal_keys__told_up_to_the_bound),
	};

	return cmocka_run_group_tests_name("config/yaml", tests, NULL, NULL);
}
