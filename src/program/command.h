/* SPDX-License-Identifier: MIT */
/*
 * The commands of the program: one table that dispatch, usage errors and help are read from.
 *
 * A command is a row: its name, its arguments, one line of help, its options, and the function that
 * does it. Everything that the user can get wrong in a command line is found before that function
 * runs, told in one line with a hint, and ends with PROGRAM_USAGE.
 */
#ifndef PROGRAM_COMMAND_H
#define PROGRAM_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <longwire/api.h>

struct lw_error;

/* Exit statuses, fixed for scripts. */
enum program_exit {
	PROGRAM_DONE = 0,
	PROGRAM_FAILED = 1, /* the system failed it */
	PROGRAM_USAGE = 2,  /* configuration or use */
};

enum { COMMAND_WORDS_MAX = 256, COMMAND_LIST_MAX = 64, COMMAND_WAIT_MAX = 86400 };

struct option_list {
	const char *items[COMMAND_LIST_MAX];
	size_t n;
};

struct option_number {
	bool is_set;
	uint32_t value;
};

/* Everything that a command line can say; a command sees only what its own options set. Borrows
 * argv. */
struct arguments {
	const char *words[COMMAND_WORDS_MAX]; /* what is not an option */
	size_t n_words;
	const char *hub, *layer, *name, *origin, *key_log;
	const char *write, *filter, *format, *recorder, *ring;
	const char *extcap_interface, *extcap_filter, *extcap_version, *fifo;
	int log_level; /* enum log_level */
	struct option_list clients, points, ports, peers, reasons;
	struct option_number wait, snaplen, count, duration, loop;
	const char *port, *speed, *host;
	bool once, json, help, super_frames, in, out, fast, probe;
	bool dump_recorder, trigger_recorder;
	bool extcap_interfaces, extcap_dlts, extcap_config, capture;
};

enum option_kind {
	OPTION_FLAG = 1, /* bool */
	OPTION_TEXT,     /* const char * */
	OPTION_NUMBER,   /* struct option_number, 0 … max */
	OPTION_LIST,     /* struct option_list: given again, it adds */
	OPTION_LOG,      /* int: enum log_level */
};

struct option_row {
	const char *name;     /* "wait" for --wait */
	const char *argument; /* "SECONDS"; NULL for a flag */
	enum option_kind kind;
	size_t offset; /* in struct arguments */
	uint32_t max;
	const char *help;
};

struct command {
	const char *name;
	const char *arguments; /* "FILE…" as the usage line shows them */
	const char *help;      /* one line */
	const char *details;   /* further lines of its own help; NULL: none */
	size_t words_min, words_max;
	const struct option_row *options; /* ended by name NULL; NULL: none but --help */
	char letter;                      /* 'w': the first option may be given as -w; 0: none */
	int (*run)(const struct arguments *arguments);
	bool is_hidden;
};

/* Parse what follows the command's name. 0, or -EINVAL with the one line to tell. */
int options_parse(const struct command *command, int argc, char *const *argv,
		  struct arguments *ret_arguments, struct lw_error *ret_error);

/* Help as text, malloc'd; NULL: no memory. */
char *help_program(const struct command *commands, size_t n);
char *help_command(const struct command *command);

extern const struct command command_table[];
extern const size_t command_table_size;

/* The whole program but its process: what main returns. */
int command_main(int argc, char **argv);

/* "longwire: …" to the error output. Return: status. */
int command_fail(int status, const char *format, ...) LW_PRINTF(2, 3);

int command_new(const struct arguments *arguments);
int command_hub(const struct arguments *arguments);
int command_up(const struct arguments *arguments);
int command_capture(const struct arguments *arguments);
int command_extcap(const struct arguments *arguments);
int command_check(const struct arguments *arguments);
int command_link(const struct arguments *arguments);
int command_doctor(const struct arguments *arguments);
int command_replay(const struct arguments *arguments);
int command_top(const struct arguments *arguments);
int command_unlock(const struct arguments *arguments);
int command_status(const struct arguments *arguments);
int command_watch(const struct arguments *arguments);
int command_message(const struct arguments *arguments);
int command_version(const struct arguments *arguments);
int command_reference(const struct arguments *arguments);

#endif
