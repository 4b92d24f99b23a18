/* SPDX-License-Identifier: MIT */
/*
 * Each allocation of a configuration's reading fails once: the answer is then "no memory", nothing is handed out and
 * nothing is lost. The allocator is glibc's, wrapped here; under a sanitizer, which brings its own, there is nothing
 * to wrap and the test is skipped.
 */
#include "config/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <longwire/error.h>

#include "base/json.h"
#include "base/tree.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#endif

#ifndef IS_SANITIZED

static size_t calls, failing; /* failing 0: none */
static ptrdiff_t living;

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *data, size_t size);
void __libc_free(void *data);

static void *count(void *data)
{
	living += data != NULL;
	return data;
}

static int fails(void)
{
	return ++calls == failing;
}

void *malloc(size_t size)
{
	return fails() ? (errno = ENOMEM, NULL) : count(__libc_malloc(size));
}

void *calloc(size_t n, size_t size)
{
	return fails() ? (errno = ENOMEM, NULL) : count(__libc_calloc(n, size));
}

void *realloc(void *data, size_t size)
{
	void *result = fails() ? NULL : __libc_realloc(data, size);

	living += result && !data;
	return result;
}

void free(void *data)
{
	living -= data != NULL;
	__libc_free(data);
}

static const char *const texts[] = {
	"layer: ip\nlisten: ['[::]:1', '0.0.0.0:2']\nidentity: a\n"
	"interface: {name: lw0, addresses: [10.0.0.1/24, 'fd86::1/64']}\n"
	"gateway: {to: 10.0.0.0/8, masquerade: true}\nsettings: {included-routes: 10.0.0.0/8}\n"
	"clients:\n"
	"  a: {pin: SHA256:XuwNxBmqgze/cl8Cb9qceMHLHGQu6v+dbhES83eD6UI, addresses: 10.0.0.2}\n"
	"  b: {pin: SHA256:84x2TIqgC2V49CVKTcbZtQ+I+pJuJw6nhZvRtwfNhmI, networks: [10.1.0.0/16]}\n"
	"capture: [{file: x, filter: arp}, {file: y, points: drop}]\n",
	"layer: ethernet\nhub: {address: 'h:1', pin: "
	"SHA256:XuwNxBmqgze/cl8Cb9qceMHLHGQu6v+dbhES83eD6UI}\n"
	"identity: a\ninterface: {name: lw0, bridge: br0}\naccept: [mtu]\n",
	"layr: ip\nlisten: 3\nclients: {a: {pin: x}, 'b c': 1}\ncapture: 3\n",
	"a: &x 1\n",
};

static int run(const char *text, size_t fail)
{
	struct schema_errors errors = { 0 };
	struct config config = { .kind = 77 };
	int r;

	calls = 0;
	failing = fail;
	r = config_parse("f", "/etc/lw", text, strlen(text), &config, &errors);
	failing = 0;
	if (r == 0)
		config_done(&config);
	else
		assert_int_equal(config.kind, 77);
	schema_errors_done(&errors);
	return r;
}

static void parse__each_allocation_fails_once__no_memory_and_nothing_lost(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int whole = run(texts[i], 0);
		size_t n = calls, before = (size_t)living, survived = 0;

		assert_true(n > 10);
		for (size_t fail = 1; fail <= n; fail++) {
			int r = run(texts[i], fail);

			if (r != -ENOMEM && r != whole)
				fail_msg("text %zu, call %zu of %zu: %d", i, fail, n, r);
			survived += r == whole;
			assert_int_equal(living, before);
		}
		/* libc lives without memory where it only wanted to give some back (asprintf). */
		assert_true(survived <= 4);
	}
}

static void reference__each_allocation_fails_once__nothing_lost(void **state)
{
	size_t n, before;
	char *text;

	(void)state;
	calls = 0;
	text = config_reference();
	n = calls;
	free(text);
	before = (size_t)living;
	for (size_t fail = 1; fail <= n; fail++) {
		calls = 0;
		failing = fail;
		text = config_reference();
		failing = 0;
		free(text);
		assert_int_equal(living, before);
	}
}

static void json__each_allocation_fails_once__no_memory_and_nothing_lost(void **state)
{
	static const char json[] = "{\"a\":[1,\"x\",{\"b\":null,\"c\":1.5}],\"d\":true}";
	size_t reads, before = (size_t)living;
	struct tree *tree;
	size_t length;
	char *text;

	(void)state;
	calls = 0;
	assert_int_equal(json_parse(json, sizeof(json) - 1, &tree, NULL), 0);
	reads = calls;
	tree_free(tree);
	for (size_t fail = 1; fail <= reads; fail++) {
		int r;

		calls = 0;
		failing = fail;
		r = json_parse(json, sizeof(json) - 1, &tree, NULL);
		failing = 0;
		if (r == 0)
			tree_free(tree);
		assert_true(r == -ENOMEM || r == -EBADMSG);
		assert_int_equal(living, before);
	}
	assert_int_equal(json_parse(json, sizeof(json) - 1, &tree, NULL), 0);
	before = (size_t)living;
	for (size_t fail = 1; fail <= 20; fail++) {
		int r;

		calls = 0;
		failing = fail;
		r = json_write(tree, 0, &text, &length);
		failing = 0;
		if (r == 0)
			free(text);
		assert_int_equal(living, before);
	}
	tree_free(tree);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parse__each_allocation_fails_once__no_memory_and_nothing_lost),
		cmocka_unit_test(reference__each_allocation_fails_once__nothing_lost),
		cmocka_unit_test(json__each_allocation_fails_once__no_memory_and_nothing_lost),
	};

	return cmocka_run_group_tests_name("config/memory", tests, NULL, NULL);
}

#else

static void memory__sanitizer_owns_the_allocator__skipped(void **state)
{
	(void)state;
	skip();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory__sanitizer_owns_the_allocator__skipped),
	};

	return cmocka_run_group_tests_name("config/memory", tests, NULL, NULL);
}

#endif
