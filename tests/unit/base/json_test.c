/* SPDX-License-Identifier: MIT */
/* JSON and trees: what is read, what is refused, and that what is written is read again. */
#include "base/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <longwire/error.h>

#include "base/memory.h"
#include "base/tree.h"

static int parse(const char *text, struct tree **ret_tree, struct lw_error *error)
{
	/* A copy of its exact size, so that a byte too many is seen. */
	size_t length = strlen(text);
	char *copy = malloc(length ? length : 1);
	int r;

	memcpy(copy, text, length);
	r = json_parse(copy, length, ret_tree, error);
	free(copy);
	return r;
}

static void json_parse__all_kinds__become_text(void **state)
{
	struct tree *tree;

	(void)state;
	assert_int_equal(parse("{\"t\":\"x\\u00e9\",\"n\":1500,\"r\":1.5,\"b\":true,\"z\":null,"
			       "\"l\":[1,[]],\"m\":{\"k\":\"v\"}}",
			       &tree, NULL),
			 0);
	assert_int_equal(tree->kind, TREE_MAP);
	assert_int_equal(tree->n, 7);
	assert_string_equal(tree->first->key, "t");
	assert_string_equal(tree_get_text(tree, "t"), "x\xc3\xa9");
	assert_string_equal(tree_get_text(tree, "n"), "1500");
	assert_int_equal(tree_get(tree, "n")->scalar, TREE_NUMBER);
	assert_string_equal(tree_get_text(tree, "r"), "1.5");
	assert_string_equal(tree_get_text(tree, "b"), "true");
	assert_int_equal(tree_get(tree, "b")->scalar, TREE_BOOL);
	assert_int_equal(tree_get(tree, "z")->scalar, TREE_NULL);
	assert_int_equal(tree_get(tree, "l")->n, 2);
	assert_null(tree_get_text(tree, "l"));
	assert_string_equal(tree_get_text(tree_get(tree, "m"), "k"), "v");
	assert_null(tree_get(tree, "k"));
	assert_null(tree_get(tree_get(tree, "l"), "k"));
	tree_free(tree);
}

static void json_parse__invalid__refused_with_reason(void **state)
{
	static const char *const bad[] = {
		"",
		" ",
		"{",
		"}",
		"{}x",
		"{}{}",
		"[]",
		"[1]",
		"1",
		"\"x\"",
		"null",
		"{\"a\":1,\"a\":2}",
		"{\"a\":{\"b\":1,\"b\":1}}",
		"{\"a\":\"\\u0000\"}",
		"{\"\\u0000\":1}",
		"{\"a\":\"\xff\"}",
		"{\"a\":\"\xed\xa0\x80\"}",
		"{\"a\":\"\\ud800\"}",
		"{\"a\":'x'}",
		"{a:1}",
		"{\"a\":1,}",
		"{\"a\":01}",
		"{\"a\":+1}",
		"{\"a\":1e999}",
		"{\"a\":NaN}",
		"{\"a\":99999999999999999999}",
		"{\"a\":tru}",
		"{\"a\":\"\n\"}",
		"/* */{}",
		"\xef\xbb\xbf{}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct lw_error error = { 0 };
		struct tree *tree = NULL;

		if (parse(bad[i], &tree, &error) != -EBADMSG || tree)
			fail_msg("%s was read", bad[i]);
		assert_string_not_equal(error.text, "");
	}
}

static void json_parse__nul_escape__told_in_our_words(void **state)
{
	struct lw_error error = { 0 };
	struct tree *tree = NULL;

	(void)state;
	assert_int_equal(parse("{\"a\":\"\\u0000\"}", &tree, &error), -EBADMSG);
	assert_non_null(strstr(error.text, "a NUL character"));
	assert_null(strstr(error.text, "JSON_ALLOW_NUL"));
}

static void json_parse__nul_byte__refused(void **state)
{
	struct tree *tree;

	(void)state;
	assert_int_equal(json_parse("{}\0", 3, &tree, NULL), -EBADMSG);
	assert_int_equal(json_parse("{\"a\0\":1}", 8, &tree, NULL), -EBADMSG);
}

static void json_parse__depth__bounded_at_eight(void **state)
{
	struct tree *tree;
	char *deep = malloc(200001);

	(void)state;
	assert_int_equal(parse("{\"a\":[[[[[[[]]]]]]]}", &tree, NULL), 0);
	tree_free(tree);
	assert_int_equal(parse("{\"a\":[[[[[[[[]]]]]]]]}", &tree, NULL), -EBADMSG);
	assert_int_equal(parse("{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":{\"a\":1}}}}}}}}",
			       &tree, NULL),
			 0);
	tree_free(tree);
	/* Brackets within strings are no depth. */
	assert_int_equal(parse("{\"a\":\"[[[[[[[[[[\\\"[[[[[[[[\"}", &tree, NULL), 0);
	tree_free(tree);
	memset(deep, '[', 200000);
	deep[200000] = '\0';
	assert_int_equal(parse(deep, &tree, NULL), -EBADMSG);
	free(deep);
}

static void json_write__builders__compact(void **state)
{
	struct tree *tree = tree_new(TREE_MAP), *list, *map;
	size_t length;
	char *text;

	(void)state;
	assert_int_equal(tree_add_text(tree, "t", "a\"\\\n\x01\xc3\xa9"), 0);
	assert_int_equal(tree_add_uint(tree, "u", 9223372036854775807U), 0);
	assert_int_equal(tree_add_int(tree, "i", INT64_MIN), 0);
	assert_int_equal(tree_add_bool(tree, "b", false), 0);
	assert_int_equal(tree_add_null(tree, "z"), 0);
	assert_int_equal(tree_add_list(tree, "l", &list), 0);
	assert_int_equal(tree_add_text(list, NULL, ""), 0);
	assert_int_equal(tree_add_map(list, NULL, &map), 0);
	assert_int_equal(json_write(tree, 0, &text, &length), 0);
	assert_string_equal(text,
			    "{\"t\":\"a\\\"\\\\\\n\\u0001\xc3\xa9\",\"u\":9223372036854775807,"
			    "\"i\":-9223372036854775808,\"b\":false,\"z\":null,"
			    "\"l\":[\"\",{}]}");
	assert_int_equal(length, strlen(text));
	free(text);
	assert_int_equal(json_write(tree, 2, &text, &length), 0);
	assert_non_null(strstr(text, "\n  \"b\": false"));
	free(text);
	tree_free(tree);
}

static void json_write__number_beyond_json__kept_as_text(void **state)
{
	struct tree *tree = tree_new(TREE_MAP);
	size_t length;
	char *text;

	(void)state;
	assert_int_equal(tree_add_uint(tree, "u", UINT64_MAX), 0);
	assert_int_equal(json_write(tree, 0, &text, &length), 0);
	assert_string_equal(text, "{\"u\":\"18446744073709551615\"}");
	free(text);
	tree_free(tree);
}

static void json_write__broken_utf8__replaced_and_readable(void **state)
{
	static const char *const broken[] = { "\xff",
					      "a\xc3",
					      "\xe2\x82",
					      "\xf0\x9f\x98",
					      "\xc0\xaf",
					      "\xed\xa0\x80",
					      "\xf5\x80\x80\x80",
					      "\x80",
					      "\xe0\x80\x80",
					      "\xf4\x90\x80\x80",
					      "x\xc3(" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
		struct tree *tree = tree_new(TREE_MAP), *again;
		size_t length;
		char *text;

		assert_int_equal(tree_add_text(tree, "t", broken[i]), 0);
		assert_int_equal(json_write(tree, 0, &text, &length), 0);
		assert_non_null(strstr(text, "\xef\xbf\xbd"));
		assert_int_equal(json_parse(text, length, &again, NULL), 0);
		tree_free(again);
		free(text);
		tree_free(tree);
	}
}

static void tree_free__deep_and_null__no_recursion(void **state)
{
	struct tree *root = tree_new(TREE_LIST), *at = root;

	(void)state;
	tree_free(NULL);
	for (int i = 0; i < 200000; i++)
		assert_int_equal(tree_add_list(at, NULL, &at), 0);
	assert_int_equal(tree_add_text(at, NULL, "x"), 0);
	tree_free(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_parse__all_kinds__become_text),
		cmocka_unit_test(json_parse__invalid__refused_with_reason),
		cmocka_unit_test(json_parse__nul_escape__told_in_our_words),
		cmocka_unit_test(json_parse__nul_byte__refused),
		cmocka_unit_test(json_parse__depth__bounded_at_eight),
		cmocka_unit_test(json_write__builders__compact),
		cmocka_unit_test(json_write__number_beyond_json__kept_as_text),
		cmocka_unit_test(json_write__broken_utf8__replaced_and_readable),
		cmocka_unit_test(tree_free__deep_and_null__no_recursion),
	};

	return cmocka_run_group_tests_name("base/json", tests, NULL, NULL);
}
