/* SPDX-License-Identifier: MIT */
/* Which instance is meant. */
#include "program/ask.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/json.h"
#include "base/memory.h"
#include "program/command.h"

enum { NAMES_SIZE = 400 };

static void join_names(const struct instance_found *found, size_t n, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < n && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%s", i ? ", " : "",
					 found[i].name);
}

/* The one that is meant, or NULL with a sentence. */
static const struct instance_found *choose(const char *name, const struct instance_found *found,
					   size_t n, size_t hidden, struct lw_error *error)
{
	const char *others = hidden ? " that this user may see" : "";
	char names[NAMES_SIZE];

	for (size_t i = 0; i < n && name; i++)
		if (!strcmp(found[i].name, name))
			return &found[i];
	if (!name && n == 1)
		return &found[0];
	join_names(found, n, names, sizeof(names));
	if (!n)
		error_set(error, -ENOENT, LW_DOMAIN_SYSTEM, ENOENT, "no instance is running%s",
			  others);
	else if (name)
		error_set(error, -ENOENT, LW_DOMAIN_SYSTEM, ENOENT,
			  "no instance called \"%s\" is running%s; these are: %s", name, others,
			  names);
	else
		error_set(error, -ENOTUNIQ, LW_DOMAIN_CONFIGURATION, ENOTUNIQ,
			  "several instances are running, say which: %s", names);
	return NULL;
}

/* Return: those that run, for the caller to free, or NULL. */
static struct instance_found *list(size_t *ret_n, size_t *ret_hidden)
{
	struct instance_found *found = calloc(INSTANCE_LIST_MAX, sizeof(*found));
	struct instance_roots roots;

	if (!found)
		return NULL;
	instance_roots_default(&roots);
	*ret_n = instance_list(&roots, found, INSTANCE_LIST_MAX, ret_hidden);
	return found;
}

int ask_choose(const char *name, struct instance_found *ret_instance)
{
	size_t n, hidden;
	_cleanup_free_ struct instance_found *found = list(&n, &hidden);
	const struct instance_found *chosen;
	struct lw_error error;

	if (!found)
		return command_fail(PROGRAM_FAILED, "no memory");
	chosen = choose(name, found, n, hidden, &error);
	if (!chosen)
		return ask_fail(&error);
	*ret_instance = *chosen;
	return PROGRAM_DONE;
}

bool ask_is_running(const char *name)
{
	size_t n, hidden;
	_cleanup_free_ struct instance_found *found = list(&n, &hidden);

	for (size_t i = 0; found && i < n; i++)
		if (!strcmp(found[i].name, name))
			return true;
	return false;
}

int ask_fail(const struct lw_error *error)
{
	return command_fail(error->domain == LW_DOMAIN_CONFIGURATION ? PROGRAM_USAGE
								     : PROGRAM_FAILED,
			    "%s", error->text);
}

int ask_print_json(const struct tree *tree, unsigned indent)
{
	_cleanup_free_ char *text = NULL;
	size_t length;

	if (json_write(tree, indent, &text, &length) < 0)
		return -ENOMEM;
	return puts(text) < 0 ? -EIO : 0;
}
