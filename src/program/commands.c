/* SPDX-License-Identifier: MIT */
/* The table of commands, and the way from a command line to one of them. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/error.h>
#include <longwire/replay.h>

#include "base/memory.h"
#include "base/parse.h"
#include "program/command.h"

#define FIELD(member) offsetof(struct arguments, member)
#define LOG_ROW                                                   \
	{                                                         \
		"log", "LEVEL", OPTION_LOG, FIELD(log_level), 0,  \
			"error, warning, info (default) or debug" \
	}
#define NAME_ROW                                                                   \
	{                                                                          \
		"name", "NAME", OPTION_TEXT, FIELD(name), 0,                       \
			"the instance's name (default: the file's, without .yaml)" \
	}

#define KEY_LOG_ROW                                                             \
	{                                                                       \
		"key-log", "FILE", OPTION_TEXT, FIELD(key_log), 0,              \
			"append the secrets of every connection, for Wireshark" \
	}

/* What is captured, whoever writes it. */
#define CAPTURE_ROWS                                                                                  \
	{ "point",     "POINT",                                                                       \
	  OPTION_LIST, FIELD(points),                                                                 \
	  0,           "device-in, device-out (both by default), session-in, session-out, drop" },    \
		{ "port", "NAME", OPTION_LIST, FIELD(ports), 0, "only at this port of a hub" },       \
		{ "peer",       "NAME", OPTION_LIST,                                                  \
		  FIELD(peers), 0,      "only from, to and of this client of a hub" },                \
		{ "reason",       "REASON", OPTION_LIST,                                              \
		  FIELD(reasons), 0,        "only drops for this reason, as the status names it" },   \
		{ "snaplen", "BYTES", OPTION_NUMBER, FIELD(snaplen), 262144, "kept of each packet" }, \
	{                                                                                             \
		"super-frames", NULL, OPTION_FLAG, FIELD(super_frames), 0,                            \
			"large frames as they are carried, not as segments"                           \
	}

static const struct option_row new_options[] = {
	{ "hub", "ADDRESS:PORT", OPTION_TEXT, FIELD(hub), 0,
	  "where clients reach the hub; it listens on that port" },
	{ "layer", "LAYER", OPTION_TEXT, FIELD(layer), 0, "ethernet (default) or ip" },
	{ "client", "NAME", OPTION_LIST, FIELD(clients), 0,
	  "a client to make; may be given again (default: client)" },
	{ 0 },
};

static const struct option_row hub_options[] = { NAME_ROW, LOG_ROW, KEY_LOG_ROW, { 0 } };

static const struct option_row up_options[] = {
	NAME_ROW,
	LOG_ROW,
	KEY_LOG_ROW,
	{ "wait", "SECONDS", OPTION_NUMBER, FIELD(wait), COMMAND_WAIT_MAX,
	  "end with 1 unless connected within this time" },
	{ "once", NULL, OPTION_FLAG, FIELD(once), 0,
	  "end with 1 at the first failure or disconnection" },
	{ "origin", "WHO", OPTION_TEXT, FIELD(origin), 0,
	  "who starts it: user (default), on-demand, boot or api" },
	{ 0 },
};

static const struct option_row status_options[] = {
	{ "json", NULL, OPTION_FLAG, FIELD(json), 0, "as JSON, for programs" },
	{ 0 },
};

static const struct option_row capture_options[] = {
	{ "write", "FILE", OPTION_TEXT, FIELD(write), 0,
	  "where to; - is standard output, for a pipe" },
	CAPTURE_ROWS,
	{ "filter", "EXPRESSION", OPTION_TEXT, FIELD(filter), 0, "as of tcpdump, in numbers" },
	{ "format", "FORMAT", OPTION_TEXT, FIELD(format), 0, "pcapng (default) or pcap" },
	{ "count", "N", OPTION_NUMBER, FIELD(count), UINT32_MAX, "end after so many records" },
	{ "duration", "SECONDS", OPTION_NUMBER, FIELD(duration), COMMAND_WAIT_MAX,
	  "end after this time" },
	{ "ring", "LIMITS", OPTION_TEXT, FIELD(ring), 0,
	  "files in turn: size=MIB,seconds=N,packets=N,count=FILES" },
	{ "dump-recorder", NULL, OPTION_FLAG, FIELD(dump_recorder), 0,
	  "instead: a copy of the flight recorder's memory" },
	{ "trigger-recorder", NULL, OPTION_FLAG, FIELD(trigger_recorder), 0,
	  "instead: have it write its own next file" },
	{ "recorder", "FILE", OPTION_TEXT, FIELD(recorder), 0,
	  "which, by its configured file, where there are several" },
	{ 0 },
};

static const struct option_row watch_options[] = {
	{ "json", NULL, OPTION_FLAG, FIELD(json), 0,
	  "what status --json says, one line for each change" },
	{ 0 },
};

static const struct option_row top_options[] = {
	{ "once", NULL, OPTION_FLAG, FIELD(once), 0,
	  "print one picture and end; needs no terminal" },
	{ 0 },
};

static const struct option_row doctor_options[] = {
	{ "probe", NULL, OPTION_FLAG, FIELD(probe), 0,
	  "also ask a host behind the bridge, by ARP, from foreign MAC addresses" },
	{ "host", "ADDRESS", OPTION_TEXT, FIELD(host), 0,
	  "which one (default: the bridge's gateway)" },
	{ "json", NULL, OPTION_FLAG, FIELD(json), 0, "as JSON, for programs" },
	{ 0 },
};

static const struct option_row replay_options[] = {
	{ "port", "PORT", OPTION_TEXT, FIELD(port), 0,
	  "device, a client's name, or (at a client) hub" },
	{ "in", NULL, OPTION_FLAG, FIELD(in), 0, "as if they came from the port (default)" },
	{ "out", NULL, OPTION_FLAG, FIELD(out), 0, "as if they were for the port" },
	{ "speed", "X", OPTION_TEXT, FIELD(speed), 0,
	  "times as fast as it was captured, 0.001 to 1000 (default: 1)" },
	{ "fast", NULL, OPTION_FLAG, FIELD(fast), 0, "without waiting between packets" },
	{ "loop", "N", OPTION_NUMBER, FIELD(loop), LW_REPLAY_LOOPS_MAX, "so many times" },
	{ "json", NULL, OPTION_FLAG, FIELD(json), 0, "as JSON, for programs" },
	{ 0 },
};

static const struct option_row extcap_options[] = {
	{ "extcap-interfaces", NULL, OPTION_FLAG, FIELD(extcap_interfaces), 0,
	  "list running instances as interfaces" },
	{ "extcap-version", "VERSION", OPTION_TEXT, FIELD(extcap_version), 0, "Wireshark's own" },
	{ "extcap-interface", "NAME", OPTION_TEXT, FIELD(extcap_interface), 0, "longwire-NAME" },
	{ "extcap-dlts", NULL, OPTION_FLAG, FIELD(extcap_dlts), 0, "list its link types" },
	{ "extcap-config", NULL, OPTION_FLAG, FIELD(extcap_config), 0, "list its options" },
	{ "capture", NULL, OPTION_FLAG, FIELD(capture), 0, "capture from it" },
	{ "fifo", "FILE", OPTION_TEXT, FIELD(fifo), 0, "where to" },
	{ "extcap-capture-filter", "EXPRESSION", OPTION_TEXT, FIELD(extcap_filter), 0,
	  "as of tcpdump, in numbers; without --capture it is checked" },
	CAPTURE_ROWS,
	{ 0 },
};

const struct command command_table[] = {
	{
		.name = "new",
		.arguments = "DIR --hub ADDRESS:PORT",
		.help = "write the files of a hub and its clients, ready to run",
		.details = "\nDIR gets hub.yaml and hub.pem, and for each client NAME.yaml and\n"
			   "NAME.pem, which go to the client's machine, and clients.d/NAME.yaml,\n"
			   "by which the hub knows it. Where DIR has a hub already, clients are\n"
			   "added to it. Nothing is ever overwritten.",
		.words_min = 1,
		.words_max = 1,
		.options = new_options,
		.run = command_new,
	},
	{
		.name = "hub",
		.arguments = "FILE",
		.help = "run a hub in the foreground, until SIGTERM or SIGINT",
		.words_min = 1,
		.words_max = 1,
		.options = hub_options,
		.run = command_hub,
	},
	{
		.name = "up",
		.arguments = "FILE",
		.help = "run one tunnel in the foreground, until SIGTERM or SIGINT",
		.words_min = 1,
		.words_max = 1,
		.options = up_options,
		.run = command_up,
	},
	{
		.name = "check",
		.arguments = "FILE...",
		.help = "say everything that is wrong with files; changes nothing",
		.words_min = 1,
		.words_max = COMMAND_WORDS_MAX,
		.run = command_check,
	},
	{
		.name = "status",
		.arguments = "[NAME]",
		.help = "say what a running hub or tunnel is doing",
		.details = "\nNAME may be left out where one instance runs.",
		.words_max = 1,
		.options = status_options,
		.run = command_status,
	},
	{
		.name = "link",
		.arguments = "[NAME] [PORT]",
		.help = "impair the link of a port of a running instance, for tests",
		.details =
			"\n  longwire link [NAME] PORT [in|out|both] KEY=VALUE...\n"
			"  longwire link [NAME] PORT [in|out|both] clear\n"
			"  longwire link [NAME] PORT\n"
			"  longwire link [NAME]\n"
			"\nPORT is device, a client's name, or (at a client) hub; in is from the port,\n"
			"out to it. What is set takes the place of what was; without any it is shown,\n"
			"and without a port all are. NAME alone is one that runs, else a port.\n"
			"Keys: rate queue queue-packets delay jitter distribution correlation loss\n"
			"burst burst-end burst-loss duplicate corrupt reorder reorder-gap seed, as in\n"
			"impairments: of the configuration. For example\n"
			"  longwire link laptop out delay=50ms jitter=5ms loss=1% rate=10mbit",
		.words_max = 24,
		.options = status_options,
		.run = command_link,
	},
	{
		.name = "capture",
		.arguments = "[NAME] -w FILE",
		.help = "capture packets of a running hub or tunnel",
		.details =
			"\nNAME may be left out where one instance runs. Lists may be given with\n"
			"commas. Live into Wireshark's terminal: longwire capture -w - | tshark -r -",
		.words_max = 1,
		.options = capture_options,
		.letter = 'w',
		.run = command_capture,
	},
	{
		.name = "watch",
		.arguments = "[NAME]",
		.help = "say what state an instance is in, and each change of it",
		.details = "\nBegins with the present state and ends when the instance does, or\n"
			   "when it is interrupted. NAME may be left out where one instance runs.",
		.words_max = 1,
		.options = watch_options,
		.run = command_watch,
	},
	{
		.name = "message",
		.arguments = "[NAME] TEXT",
		.help = "say something to a running tunnel, and show its answer",
		.details = "\nTEXT is a word that the tunnel knows:\n"
			   "  reconnect  connect now, or anew where it is connected\n\n"
			   "NAME may be left out where one instance runs.",
		.words_min = 1,
		.words_max = 2,
		.run = command_message,
	},
	{
		.name = "replay",
		.arguments = "[NAME] FILE --port PORT",
		.help = "send the packets of a savefile through a port of a running instance",
		.details =
			"\nFILE is pcap or pcapng, of Ethernet frames or IP packets as the layer is.\n"
			"The instance must allow it, by inject: true. It ends with the file, or\n"
			"with this command.",
		.words_min = 1,
		.words_max = 2,
		.options = replay_options,
		.run = command_replay,
	},
	{
		.name = "extcap",
		.arguments = "",
		.help = "be an interface of Wireshark, which calls this",
		.details =
			"\nA link to this program in Wireshark's extcap folder (Help, About, Folders)\n"
			"makes running instances appear among its interfaces.",
		.options = extcap_options,
		.run = command_extcap,
	},
	{
		.name = "unlock",
		.arguments = "[INTERFACE]",
		.help = "open the kill switch that a tunnel left closed",
		.details =
			"\nA tunnel with include-all-networks leaves nothing out but by itself, also\n"
			"when it ended by an error, by SIGTERM or was killed. This lets everything\n"
			"out again: of INTERFACE, or of all. Routing rules of tunnels that were\n"
			"killed are removed, too.",
		.words_max = 1,
		.run = command_unlock,
	},
	{
		.name = "doctor",
		.arguments = "[FILE]",
		.help = "say what keeps a hub or tunnel from working, and what mends it",
		.details =
			"\nLooks at this machine; with FILE also at what that needs: keys, interface,\n"
			"ports, bridge, managers of interfaces, and from a client the hub and the path\n"
			"to it. Nothing is changed. Ends with 0 if nothing is in the way, 1 if something\n"
			"is, 2 if FILE itself is wrong.",
		.words_max = 1,
		.options = doctor_options,
		.run = command_doctor,
	},
	{
		.name = "top",
		.arguments = "[NAME]",
		.help = "show ports, rates, drops and round-trip times as they change",
		.details =
			"\nOnce a second, until q. NAME may be left out where one instance runs.",
		.words_max = 1,
		.options = top_options,
		.run = command_top,
	},
	{
		.name = "version",
		.arguments = "",
		.help = "say the version",
		.run = command_version,
	},
	{
		.name = "reference",
		.arguments = "",
		.help = "write every key of the configuration as Markdown",
		.run = command_reference,
		.is_hidden = true,
	},
};

const size_t command_table_size = ARRAY_SIZE(command_table);

int command_fail(int status, const char *format, ...)
{
	char text[2 * LW_ERROR_TEXT_SIZE];
	va_list list;

	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	fprintf(stderr, "longwire: %s\n", text);
	return status;
}

/* Print help, which is why the program was called: a failure to write it counts. */
static int print_help(char *text)
{
	bool is_done = text && fputs(text, stdout) >= 0 && !fflush(stdout);

	free(text);
	return is_done ? PROGRAM_DONE : PROGRAM_FAILED;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < command_table_size; i++)
		if (!strcmp(command_table[i].name, name))
			return &command_table[i];
	return NULL;
}

static int unknown_command(const char *name)
{
	const char *names[ARRAY_SIZE(command_table)];
	const char *nearest;

	for (size_t i = 0; i < command_table_size; i++)
		names[i] = command_table[i].name;
	nearest = parse_nearest(name, names, command_table_size);
	if (nearest)
		return command_fail(PROGRAM_USAGE, "unknown command \"%s\"; did you mean \"%s\"?",
				    name, nearest);
	return command_fail(PROGRAM_USAGE, "unknown command \"%s\"; try 'longwire --help'", name);
}

/* Wireshark does not say extcap: it calls whatever its folder has with these options. */
static bool is_extcap(const char *word)
{
	return !strncmp(word, "--extcap-", 9) || !strcmp(word, "--capture");
}

int command_main(int argc, char **argv)
{
	const struct command *command;
	struct arguments arguments;
	struct lw_error error;
	int words = 2; /* the program's name and the command's */

	if (argc < 2)
		return command_fail(PROGRAM_USAGE, "no command; try 'longwire --help'");
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
		return print_help(help_program(command_table, command_table_size));
	if (is_extcap(argv[1]))
		words = 1;
	command = find_command(words == 1                      ? "extcap"
			       : !strcmp(argv[1], "--version") ? "version"
							       : argv[1]);
	if (!command)
		return unknown_command(argv[1]);
	if (options_parse(command, argc - words, argv + words, &arguments, &error) < 0)
		return command_fail(PROGRAM_USAGE, "%s: %s; try 'longwire %s --help'",
				    command->name, error.text, command->name);
	if (arguments.help)
		return print_help(help_command(command));
	return command->run(&arguments);
}
