/* SPDX-License-Identifier: MIT */
/* Help, written from the table of commands. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program/command.h"

enum { COLUMN = 29 };

/* A stream into memory, closed: its text, or NULL if anything failed. */
static char *finish(FILE *stream, char **text)
{
	int failed = ferror(stream);

	if (fclose(stream) || failed) {
		free(*text);
		return NULL;
	}
	return *text;
}

char *help_program(const struct command *commands, size_t n)
{
	char *text = NULL, left[64];
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (!stream)
		return NULL;
	fprintf(stream, "longwire: one Ethernet segment over any distance, through TLS\n\n"
			"usage: longwire COMMAND [ARGUMENT]...\n\n");
	for (size_t i = 0; i < n; i++) {
		if (commands[i].is_hidden)
			continue;
		snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].arguments);
		fprintf(stream, "  %-*s %s\n", COLUMN, left, commands[i].help);
	}
	fprintf(stream, "\n'longwire COMMAND --help' says more of each; longwire(8) says all.\n"
			"Exit status: 0 done, 1 the system failed it, 2 configuration or use.\n");
	return finish(stream, &text);
}

static void write_option(FILE *stream, char letter, const char *name, const char *argument,
			 const char *help)
{
	char left[64], brief[8] = "";

	if (letter)
		snprintf(brief, sizeof(brief), "-%c, ", letter);
	snprintf(left, sizeof(left), "%s--%s%s%s", brief, name, argument ? " " : "",
		 argument ? argument : "");
	fprintf(stream, "  %-*s %s\n", COLUMN, left, help);
}

char *help_command(const struct command *command)
{
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	if (!stream)
		return NULL;
	fprintf(stream, "usage: longwire %s%s%s [OPTION]...\n\n%s\n", command->name,
		*command->arguments ? " " : "", command->arguments, command->help);
	if (command->details)
		fprintf(stream, "%s\n", command->details);
	fputc('\n', stream);
	/* The letter is the first one's. */
	for (const struct option_row *row = command->options; row && row->name; row++)
		write_option(stream, row == command->options ? command->letter : 0, row->name,
			     row->argument, row->help);
	write_option(stream, 0, "help", NULL, "this text");
	return finish(stream, &text);
}
