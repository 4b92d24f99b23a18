/* SPDX-License-Identifier: MIT */
/* An instance's state for people. */
#include "program/report_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/memory.h"
#include "base/parse.h"
#include "base/tree.h"
#include "program/report.h"

enum { CELL_SIZE = 80, COLUMNS = 8 };

/* Text that an instance sent is shown, never obeyed: no control characters reach the terminal. */
void put_text(const char *text, FILE *output)
{
	for (; *text; text++)
		fputc((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text, output);
}

uint64_t read_number(const struct tree *node)
{
	uint64_t value;

	return node && node->text && parse_uint(node->text, 0, UINT64_MAX, &value) == 0 ? value : 0;
}

uint64_t get_number(const struct tree *map, const char *key)
{
	return read_number(tree_get(map, key));
}

bool get_bool(const struct tree *map, const char *key)
{
	const char *text = tree_get_text(map, key);

	return text && !strcmp(text, "true");
}

/* NULL for null, too. */
const char *get_text(const struct tree *map, const char *key)
{
	const struct tree *node = tree_get(map, key);

	return node && node->kind == TREE_SCALAR && node->scalar != TREE_NULL ? node->text : NULL;
}

/* "3 d 4 h", "2 h 5 min", "12 s" */
static void format_span(int64_t seconds, char *text, size_t size)
{
	if (seconds < 0)
		seconds = 0;
	if (seconds >= 86400)
		snprintf(text, size, "%" PRId64 " d %" PRId64 " h", seconds / 86400,
			 seconds % 86400 / 3600);
	else if (seconds >= 3600)
		snprintf(text, size, "%" PRId64 " h %" PRId64 " min", seconds / 3600,
			 seconds % 3600 / 60);
	else if (seconds >= 60)
		snprintf(text, size, "%" PRId64 " min %" PRId64 " s", seconds / 60, seconds % 60);
	else
		snprintf(text, size, "%" PRId64 " s", seconds);
}

void format_quantity(uint64_t value, const char *unit, char *text, size_t size)
{
	static const char *const prefixes[] = { "", "k", "M", "G", "T", "P", "E" };
	double scaled = (double)value;
	size_t i = 0;

	while (scaled >= 1000 && i + 1 < ARRAY_SIZE(prefixes)) {
		scaled /= 1000;
		i++;
	}
	snprintf(text, size, "%.*f %s%s", i && scaled < 99.95 ? 1 : 0, scaled, prefixes[i], unit);
}

void format_rtt(uint64_t rtt_us, char *text, size_t size)
{
	if (!rtt_us)
		snprintf(text, size, "-");
	else if (rtt_us < 10000)
		snprintf(text, size, "%.2f ms", (double)rtt_us / 1000);
	else
		snprintf(text, size, "%" PRIu64 " ms", rtt_us / 1000);
}

/* "1.2 MB, 300 kbit/s" */
static void format_traffic(const struct tree *traffic, char *text, size_t size)
{
	uint64_t rate = get_number(traffic, "bytes-per-second");
	char bytes[32], bits[32];

	format_quantity(get_number(traffic, "bytes"), "B", bytes, sizeof(bytes));
	format_quantity(rate * 8, "bit/s", bits, sizeof(bits));
	if (rate)
		snprintf(text, size, "%s, %s", bytes, bits);
	else
		snprintf(text, size, "%s", bytes);
}

uint64_t sum_drops(const struct tree *map)
{
	const struct tree *drops = tree_get(map, "drops");
	uint64_t sum = 0;

	if (!drops)
		return 0;
	for_each_child(drop, drops)
		sum += read_number(drop);
	return sum;
}

static void print_line(const char *label, const char *text, FILE *output)
{
	if (!text)
		return;
	fprintf(output, "%-12s ", label);
	put_text(text, output);
	fputc('\n', output);
}

static void print_drops(const char *label, const struct tree *map, FILE *output)
{
	const struct tree *drops = tree_get(map, "drops");
	const char *separator = "";

	if (!drops || !drops->n)
		return;
	fprintf(output, "%-12s ", label);
	for_each_child(drop, drops) {
		fputs(separator, output);
		put_text(drop->key, output);
		fprintf(output, " %" PRIu64, read_number(drop));
		separator = ", ";
	}
	fputc('\n', output);
}

/* The address itself is among the interface's. */
static void print_link_local(const struct tree *facts, FILE *output)
{
	uint64_t conflicts = get_number(facts, "conflicts");

	if (!get_text(facts, "state"))
		return;
	fprintf(output, "%-12s ", "link-local");
	put_text(get_text(facts, "state"), output);
	if (conflicts)
		fprintf(output, ", %" PRIu64 " conflicts, %" PRIu64 " of them answered", conflicts,
			get_number(facts, "defences"));
	fputc('\n', output);
}

static void print_lock(const struct tree *lock, int64_t now, FILE *output)
{
	uint64_t since = get_number(lock, "since");
	const char *reason = get_text(lock, "reason");
	char span[32];

	if (!get_text(lock, "state"))
		return;
	fprintf(output, "%-12s ", "kill switch");
	put_text(get_text(lock, "state"), output);
	if (since) {
		format_span(now - (int64_t)since, span, sizeof(span));
		fprintf(output, " for %s", span);
	}
	if (reason) {
		fputs(": ", output);
		put_text(reason, output);
	}
	fputc('\n', output);
}

static void print_words(const struct tree *list, const char *separator, FILE *output)
{
	if (!list)
		return;
	for_each_child(word, list)
		if (word->text) {
			fputs(separator, output);
			put_text(word->text, output);
		}
}

static void print_interface(const struct tree *interface, FILE *output)
{
	const char *bridge = get_text(interface, "bridge"), *name = get_text(interface, "name");
	const char *mac = get_text(interface, "ethernet-address");

	if (!name)
		return;
	fprintf(output, "%-12s ", "interface");
	put_text(name, output);
	if (bridge) {
		fputs(" in bridge ", output);
		put_text(bridge, output);
	}
	if (mac)
		fprintf(output, ", %s", mac);
	if (get_number(interface, "mtu"))
		fprintf(output, ", mtu %" PRIu64 ", %s", get_number(interface, "mtu"),
			!get_bool(interface, "up")       ? "down"
			: get_bool(interface, "carrier") ? "up"
							 : "no carrier");
	print_words(tree_get(interface, "addresses"), ", ", output);
	fputc('\n', output);
}

static void print_link(const struct tree *link, FILE *output)
{
	const char *hub = get_text(link, "hub"), *tls = get_text(link, "tls");
	char cell[CELL_SIZE];

	if (!link)
		return;
	fprintf(output, "%-12s ", "hub");
	put_text(hub ? hub : "-", output);
	if (tls) {
		fputs(", ", output);
		put_text(tls, output);
	}
	if (get_number(link, "rtt-us")) {
		format_rtt(get_number(link, "rtt-us"), cell, sizeof(cell));
		fprintf(output, ", round trip %s", cell);
	}
	fputc('\n', output);
	print_line("link", get_text(link, "state"), output);
	if (get_number(link, "workers") > 1 || get_number(link, "streams") > 1)
		fprintf(output, "%-12s %" PRIu64 " of %" PRIu64 ", workers %" PRIu64 "\n",
			"streams", get_number(link, "streams-up"), get_number(link, "streams"),
			get_number(link, "workers"));
	if (get_number(link, "retry-ms"))
		fprintf(output, "%-12s in %.1f s\n", "next attempt",
			(double)get_number(link, "retry-ms") / 1000);
	format_traffic(tree_get(link, "received"), cell, sizeof(cell));
	print_line("received", cell, output);
	format_traffic(tree_get(link, "sent"), cell, sizeof(cell));
	print_line("sent", cell, output);
	print_drops("drops", link, output);
	print_line("last failure", get_text(link, "last-failure"), output);
	print_line("not accepted", get_text(link, "refused-offers"), output);
}

static void print_dns(const struct tree *dns, FILE *output)
{
	const char *resolver = get_text(dns, "resolver");

	if (!tree_get(dns, "servers"))
		return;
	fprintf(output, "%-12s", "names");
	print_words(tree_get(dns, "servers"), " ", output);
	fputs(get_bool(dns, "all-names") ? " for all" : " for", output);
	if (!get_bool(dns, "all-names")) {
		print_words(tree_get(dns, "match-domains"), " ", output);
		print_words(tree_get(dns, "search-domains"), " ", output);
	}
	if (resolver) {
		fputs(", by ", output);
		put_text(resolver, output);
	}
	fputc('\n', output);
}

static void print_proxy(const struct tree *proxy, FILE *output)
{
	static const char *const keys[] = { "http-server", "https-server",
					    "auto-configuration-url" };
	const char *separator = " ";

	if (!tree_get(proxy, "enforced"))
		return;
	fprintf(output, "%-12s", "proxy");
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		const char *value = get_text(proxy, keys[i]);

		if (!value)
			continue;
		fprintf(output, "%s%s ", separator, keys[i]);
		put_text(value, output);
		separator = ", ";
	}
	fputs("; not enforced\n", output);
}

static void print_hub(const struct tree *tree, FILE *output)
{
	const struct tree *hub = tree_get(tree, "hub"), *made = tree_get(tree, "handshakes");
	const char *layer = get_text(tree, "layer");

	if (!hub)
		return;
	fprintf(output, "%-12s %" PRIu64 " of %" PRIu64 " connected", "clients",
		get_number(hub, "connected"), get_number(hub, "clients"));
	if (layer && !strcmp(layer, "ethernet"))
		fprintf(output, ", %" PRIu64 " MACs learned", get_number(hub, "macs"));
	if (get_number(hub, "workers") > 1)
		fprintf(output, ", %" PRIu64 " workers", get_number(hub, "workers"));
	fputc('\n', output);
	fprintf(output,
		"%-12s %" PRIu64 " accepted, %" PRIu64 " refused, %" PRIu64 " expired, %" PRIu64
		" pending\n",
		"handshakes", get_number(made, "accepted"), get_number(made, "refused"),
		get_number(made, "expired"), get_number(made, "pending"));
	print_line("last refusal", get_text(made, "last-refusal"), output);
}

struct row {
	char cells[COLUMNS][CELL_SIZE];
};

static void put_cell(struct row *row, size_t column, const char *text)
{
	snprintf(row->cells[column], CELL_SIZE, "%s", text ? text : "-");
}

static void fill_row(const struct tree *port, int64_t now, struct row *row)
{
	bool is_device = get_bool(port, "device"), is_connected = get_bool(port, "connected");
	int64_t since = (int64_t)get_number(port, "since");

	put_cell(row, 0, get_text(port, "name"));
	put_cell(row, 1, is_device ? "device" : is_connected ? "connected" : "down");
	put_cell(row, 2, NULL);
	if (since && !is_device)
		format_span(now - since, row->cells[2], CELL_SIZE);
	put_cell(row, 3, is_device ? NULL : get_text(port, "address"));
	format_rtt(is_connected ? get_number(port, "rtt-us") : 0, row->cells[4], CELL_SIZE);
	format_traffic(tree_get(port, "received"), row->cells[5], CELL_SIZE);
	format_traffic(tree_get(port, "sent"), row->cells[6], CELL_SIZE);
	snprintf(row->cells[7], CELL_SIZE, "%" PRIu64, sum_drops(port));
}

static void print_row(const struct row *row, const size_t widths[COLUMNS], FILE *output)
{
	for (size_t i = 0; i < COLUMNS; i++) {
		int padding = (int)(widths[i] - MIN(strlen(row->cells[i]), widths[i]));

		put_text(row->cells[i], output);
		if (i + 1 < COLUMNS)
			fprintf(output, "%*s", padding + 2, "");
	}
	fputc('\n', output);
}

static void print_port_notes(const struct tree *port, FILE *output)
{
	const struct tree *addresses = tree_get(port, "addresses");

	print_drops("  drops", port, output);
	if (get_number(port, "streams") > 1)
		fprintf(output, "%-12s %" PRIu64 " of %" PRIu64 "\n", "  streams",
			get_number(port, "streams-up"), get_number(port, "streams"));
	if (!get_bool(port, "connected"))
		print_line("  last end", get_text(port, "last-end"), output);
	if (!addresses || !addresses->n)
		return;
	fprintf(output, "%-12s", "  addresses");
	print_words(addresses, " ", output);
	fputc('\n', output);
}

static void print_ports(const struct tree *ports, int64_t now, FILE *output)
{
	struct row row = { { "PORT", "STATE", "SINCE", "ADDRESS", "RTT", "RECEIVED", "SENT",
			     "DROPS" } };
	size_t widths[COLUMNS];

	if (!ports || !ports->n)
		return;
	for (size_t i = 0; i < COLUMNS; i++)
		widths[i] = strlen(row.cells[i]);
	for_each_child(port, ports) {
		struct row measured;

		fill_row(port, now, &measured);
		for (size_t i = 0; i < COLUMNS; i++)
			widths[i] = MAX(widths[i], strlen(measured.cells[i]));
	}
	fputc('\n', output);
	print_row(&row, widths, output);
	for_each_child(port, ports) {
		fill_row(port, now, &row);
		print_row(&row, widths, output);
		print_port_notes(port, output);
	}
}

static void print_captures(const struct tree *captures, FILE *output)
{
	if (!captures)
		return;
	for_each_child(capture, captures) {
		const char *error = get_text(capture, "error"), *file = get_text(capture, "file");

		fprintf(output, "%-12s ", "capture");
		put_text(file ? file : "?", output);
		fprintf(output, ": %" PRIu64 " written, %" PRIu64 " dropped",
			get_number(capture, "written"), get_number(capture, "dropped"));
		if (tree_get(capture, "held"))
			fprintf(output, ", %" PRIu64 " held in memory",
				get_number(capture, "held"));
		if (error && !get_bool(capture, "stopped")) {
			fputs(", not written out: ", output);
			put_text(error, output);
		}
		if (get_bool(capture, "stopped")) {
			fputs(error ? ", stopped: " : ", complete", output);
			put_text(error ? error : "", output);
		}
		fputc('\n', output);
	}
}

static void print_key_log(const struct tree *log, FILE *output)
{
	const char *file = get_text(log, "file"), *error = get_text(log, "error");

	if (!file)
		return;
	fprintf(output, "%-12s ", "key log");
	put_text(file, output);
	fprintf(output, ": %" PRIu64 " lines", get_number(log, "lines"));
	if (get_number(log, "failed")) {
		fprintf(output, ", %" PRIu64 " lost: ", get_number(log, "failed"));
		put_text(error ? error : "?", output);
	}
	fputs("; who reads it can decrypt every connection\n", output);
}

/* As it would be typed: "delay=50ms loss=1%". */
static void print_settings(const struct tree *settings, FILE *output)
{
	if (!settings)
		return;
	for_each_child(setting, settings) {
		fputc(' ', output);
		put_text(setting->key, output);
		fputc('=', output);
		put_text(setting->text ? setting->text : "?", output);
	}
}

static void print_impairment(const struct tree *impairment, FILE *output)
{
	static const char *const counters[] = { "lost", "full", "duplicated", "corrupted",
						"reordered" };
	const char *port = get_text(impairment, "port"), *way = get_text(impairment, "direction");

	fprintf(output, "%-12s ", "impaired");
	put_text(port ? port : "?", output);
	fputc(' ', output);
	put_text(way ? way : "?", output);
	fputc(':', output);
	print_settings(tree_get(impairment, "settings"), output);
	fprintf(output, "\n%-12s %" PRIu64 " passed", "",
		get_number(tree_get(impairment, "passed"), "packets"));
	for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
		if (get_number(impairment, counters[i]))
			fprintf(output, ", %" PRIu64 " %s", get_number(impairment, counters[i]),
				counters[i]);
	if (get_number(tree_get(impairment, "waiting"), "packets"))
		fprintf(output, ", %" PRIu64 " waiting",
			get_number(tree_get(impairment, "waiting"), "packets"));
	fputc('\n', output);
}

void report_print_impairments(const struct tree *impairments, FILE *output)
{
	if (!impairments)
		return;
	for_each_child(impairment, impairments)
		print_impairment(impairment, output);
}

static void print_head(const struct tree *tree, int64_t now, FILE *output)
{
	const struct tree *connection = tree_get(tree, "connection");
	const char *name = get_text(tree, "name"), *kind = get_text(tree, "kind");
	const char *layer = get_text(tree, "layer"), *state = get_text(tree, "state");
	uint64_t since = get_number(connection, "connected-date");
	char span[32];

	if (!since)
		since = connection ? 0 : get_number(tree, "started");
	put_text(name ? name : "?", output);
	fputs(": ", output);
	put_text(layer ? layer : "?", output);
	fputc(' ', output);
	put_text(kind ? kind : "?", output);
	fputs(", ", output);
	put_text(state ? state : "?", output);
	if (since) {
		format_span(now - (int64_t)since, span, sizeof(span));
		fprintf(output, " for %s", span);
	}
	fprintf(output, ", process %" PRIu64 "\n", get_number(tree, "pid"));
}

void report_print(const struct tree *tree, int64_t now, FILE *output)
{
	const struct tree *connection = tree_get(tree, "connection");

	print_head(tree, now, output);
	print_interface(tree_get(tree, "interface"), output);
	print_link(tree_get(tree, "link"), output);
	print_lock(tree_get(tree, "kill-switch"), now, output);
	print_link_local(tree_get(tree, "link-local"), output);
	print_dns(tree_get(tree, "dns"), output);
	print_proxy(tree_get(tree, "proxy"), output);
	print_hub(tree, output);
	print_line("last error", get_text(tree_get(connection, "last-error"), "text"), output);
	print_ports(tree_get(tree, "ports"), now, output);
	report_print_impairments(tree_get(tree, "impairments"), output);
	print_captures(tree_get(tree, "captures"), output);
	print_key_log(tree_get(tree, "key-log"), output);
}

/* What went wrong, unless it is connected: why it is not, or was the last time. */
static const char *trouble_of(const struct tree *tree, const char *state)
{
	const char *failure = get_text(tree_get(tree, "link"), "last-failure");
	const struct tree *error = tree_get(tree_get(tree, "connection"), "last-error");

	if (!state || !strcmp(state, "connected"))
		return NULL;
	return failure ? failure : get_text(error, "text");
}

void report_line(const struct tree *tree, char *line, size_t size)
{
	const char *name = get_text(tree, "name"), *state = get_text(tree, "state");
	const char *link = get_text(tree_get(tree, "link"), "state");
	const char *trouble = trouble_of(tree, state);
	const struct tree *hub = tree_get(tree, "hub");
	size_t n;

	snprintf(line, size, "%s %s", name ? name : "?", state ? state : "?");
	n = strlen(line);
	if (hub)
		snprintf(line + n, size - n, ", %" PRIu64 " of %" PRIu64 " clients connected",
			 get_number(hub, "connected"), get_number(hub, "clients"));
	else if (link && state && strcmp(state, "connected") != 0)
		snprintf(line + n, size - n, " (%s)%s%s", link, trouble ? ": " : "",
			 trouble ? trouble : "");
	for (char *c = line; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
}
