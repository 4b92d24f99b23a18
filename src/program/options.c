/* SPDX-License-Identifier: MIT */
/* Command lines against the rows of a command. */
#include "program/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/parse.h"

enum { OPTIONS_MAX = 24 };

static const struct option_row help_row = {
	.name = "help",
	.kind = OPTION_FLAG,
	.offset = offsetof(struct arguments, help),
};

static int refuse(struct lw_error *error, const char *format, ...) LW_PRINTF(2, 3);

static int refuse(struct lw_error *error, const char *format, ...)
{
	char text[LW_ERROR_TEXT_SIZE];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	return error_set(error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL, "%s", text);
}

static const struct option_row *find_row(const struct command *command, const char *name,
					 size_t length)
{
	if (strlen(help_row.name) == length && !strncmp(help_row.name, name, length))
		return &help_row;
	for (const struct option_row *row = command->options; row && row->name; row++)
		if (strlen(row->name) == length && !strncmp(row->name, name, length))
			return row;
	return NULL;
}

static int refuse_unknown(const struct command *command, const char *word, struct lw_error *error)
{
	const char *names[OPTIONS_MAX] = { help_row.name };
	const char *nearest;
	char name[64];
	size_t n = 1;

	for (const struct option_row *row = command->options; row && row->name; row++)
		if (n < OPTIONS_MAX)
			names[n++] = row->name;
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + 2, "="), word + 2);
	nearest = parse_nearest(name, names, n);
	if (nearest)
		return refuse(error, "unknown option --%s; did you mean --%s?", name, nearest);
	return refuse(error, "unknown option --%s", name);
}

static int store_number(const struct option_row *row, const char *value,
			struct option_number *number, struct lw_error *error)
{
	uint64_t parsed;

	if (parse_uint(value, 0, row->max, &parsed) < 0)
		return refuse(error, "--%s takes a number from 0 to %u, not \"%s\"", row->name,
			      row->max, value);
	number->is_set = true;
	number->value = (uint32_t)parsed;
	return 0;
}

static int store_item(const struct option_row *row, const char *value, struct option_list *list,
		      struct lw_error *error)
{
	if (list->n == COMMAND_LIST_MAX)
		return refuse(error, "--%s may be given %d times at most", row->name,
			      COMMAND_LIST_MAX);
	list->items[list->n++] = value;
	return 0;
}

static int store_level(const char *value, int *level, struct lw_error *error)
{
	int parsed = log_level_parse(value);

	if (parsed < 0)
		return refuse(error, "--log takes error, warning, info or debug, not \"%s\"",
			      value);
	*level = parsed;
	return 0;
}

static int store(const struct option_row *row, const char *value, struct arguments *arguments,
		 struct lw_error *error)
{
	void *target = (char *)arguments + row->offset;

	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)target = true;
		return 0;
	case OPTION_TEXT:
		if (*(const char **)target)
			return refuse(error, "--%s may be given once", row->name);
		*(const char **)target = value;
		return 0;
	case OPTION_NUMBER:
		return store_number(row, value, target, error);
	case OPTION_LIST:
		return store_item(row, value, target, error);
	case OPTION_LOG:
		return store_level(value, target, error);
	}
	return -EINVAL;
}

/* The value of a row: after the equals sign, or the next word. Return: how many words of argv the
 * option took, or -EINVAL. */
static int take_value(const struct option_row *row, const char *value, int argc, char *const *argv,
		      struct arguments *arguments, struct lw_error *error)
{
	int taken = 1, r;

	if (row->kind == OPTION_FLAG && value)
		return refuse(error, "--%s takes no value", row->name);
	if (row->kind != OPTION_FLAG && !value) {
		if (argc < 2)
			return refuse(error, "--%s needs a value: %s", row->name, row->argument);
		value = argv[1];
		taken = 2;
	}
	if (value && !*value)
		return refuse(error, "--%s needs a value: %s", row->name, row->argument);
	r = store(row, value, arguments, error);
	return r < 0 ? r : taken;
}

/* --name, --name=value or --name value. */
static int parse_option(const struct command *command, int argc, char *const *argv,
			struct arguments *arguments, struct lw_error *error)
{
	const char *word = argv[0], *equals = strchr(word, '=');
	size_t length = equals ? (size_t)(equals - word - 2) : strlen(word) - 2;
	const struct option_row *row = find_row(command, word + 2, length);

	if (!row)
		return refuse_unknown(command, word, error);
	return take_value(row, equals ? equals + 1 : NULL, argc, argv, arguments, error);
}

/* -w value */
static int parse_letter(const struct command *command, int argc, char *const *argv,
			struct arguments *arguments, struct lw_error *error)
{
	if (!command->letter || argv[0][1] != command->letter || argv[0][2])
		return refuse(error, "unknown option %s", argv[0]);
	return take_value(&command->options[0], NULL, argc, argv, arguments, error);
}

static int check_words(const struct command *command, const struct arguments *arguments,
		       struct lw_error *error)
{
	if (arguments->help)
		return 0;
	if (arguments->n_words < command->words_min)
		return refuse(error, "too few arguments: it takes %s", command->arguments);
	if (arguments->n_words <= command->words_max)
		return 0;
	if (!command->words_max)
		return refuse(error, "unexpected argument \"%s\"", arguments->words[0]);
	return refuse(error, "unexpected argument \"%s\": it takes %s",
		      arguments->words[command->words_max], command->arguments);
}

int options_parse(const struct command *command, int argc, char *const *argv,
		  struct arguments *ret_arguments, struct lw_error *ret_error)
{
	struct arguments arguments = { .log_level = LOG_LEVEL_INFO };
	bool only_words = false;
	int r;

	for (int i = 0; i < argc;) {
		const char *word = argv[i];

		if (!only_words && !strcmp(word, "--")) {
			only_words = true;
			i++;
			continue;
		}
		if (!only_words && !strcmp(word, "-h")) {
			arguments.help = true;
			i++;
			continue;
		}
		if (!only_words && !strncmp(word, "--", 2)) {
			r = parse_option(command, argc - i, argv + i, &arguments, ret_error);
			if (r < 0)
				return r;
			i += r;
			continue;
		}
		if (!only_words && word[0] == '-' && word[1]) {
			r = parse_letter(command, argc - i, argv + i, &arguments, ret_error);
			if (r < 0)
				return r;
			i += r;
			continue;
		}
		if (arguments.n_words == COMMAND_WORDS_MAX)
			return refuse(ret_error, "more than %d arguments", COMMAND_WORDS_MAX);
		arguments.words[arguments.n_words++] = word;
		i++;
	}
	r = check_words(command, &arguments, ret_error);
	if (r < 0)
		return r;
	*ret_arguments = arguments;
	return 0;
}
