/* SPDX-License-Identifier: MIT */
/* The manual page has every key of the configuration and no other, every command, and every
 * option. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/memory.h"
#include "config/config.h"
#include "program/command.h"

enum { KEY_SIZE = 80 };

static char *page, *reference;

/* The page with dashes as they are read. */
static int read_page(void **state)
{
	size_t length;
	char *to;

	(void)state;
	if (file_read(LW_SOURCE_DIR "/src/program/longwire.8", 1 << 20, FILE_ANY, &page, &length,
		      NULL) < 0)
		return -1;
	to = page;
	for (const char *from = page; *from; from++)
		if (from[0] != '\\' || from[1] != '-')
			*to++ = *from;
	*to = '\0';
	reference = config_reference();
	return reference ? 0 : -1;
}

static int free_page(void **state)
{
	(void)state;
	free(page);
	free(reference);
	return 0;
}

static bool has(const char *text, const char *before, const char *key, const char *after)
{
	char line[KEY_SIZE + 16];

	snprintf(line, sizeof(line), "%s%s%s", before, key, after);
	return strstr(text, line);
}

/* Copy what stands between a place and an end. */
static const char *word(const char *from, char end, char key[KEY_SIZE])
{
	const char *to = strchr(from, end);

	assert_non_null(to);
	assert_true(to - from < KEY_SIZE);
	memcpy(key, from, (size_t)(to - from));
	key[to - from] = '\0';
	return to;
}

static void manual__every_key__described(void **state)
{
	const char *at = reference;
	size_t n = 0;
	char key[KEY_SIZE];

	(void)state;
	while ((at = strstr(at, "\n| `"))) {
		at = word(at + 4, '`', key);
		if (!has(page, "\n.B ", key, "\n"))
			fail_msg("the manual page lacks the key %s", key);
		n++;
	}
	assert_true(n > 30);
}

static void manual__tags_of_the_configuration__known_keys(void **state)
{
	const char *at = strstr(page, "\n.SS A hub's file"), *end = strstr(page, "\n.SH INSTANCES");
	char key[KEY_SIZE];

	(void)state;
	assert_non_null(at);
	while ((at = strstr(at, "\n.T")) && at < end) {
		at = strstr(at, "\n.B ");
		assert_non_null(at);
		word(at + 4, '\n', key);
		if (!has(reference, "\n| `", key, "` |"))
			fail_msg("the manual page has %s, which is no key", key);
	}
}

static void manual__every_command_and_option__described(void **state)
{
	(void)state;
	for (size_t i = 0; i < command_table_size; i++) {
		const struct command *command = &command_table[i];

		if (command->is_hidden)
			continue;
		if (!has(page, "\n\\fBlongwire ", command->name, "\\fR"))
			fail_msg("the synopsis lacks the command %s", command->name);
		if (!has(page, "longwire ", command->name, ""))
			fail_msg("the manual page lacks the command %s", command->name);
		for (const struct option_row *row = command->options; row && row->name; row++)
			if (!has(page, "--", row->name, ""))
				fail_msg("the manual page lacks --%s", row->name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(manual__every_key__described),
		cmocka_unit_test(manual__tags_of_the_configuration__known_keys),
		cmocka_unit_test(manual__every_command_and_option__described),
	};

	return cmocka_run_group_tests_name("program/manual", tests, read_page, free_page);
}
