/* SPDX-License-Identifier: MIT */
/* The picture of top. */
#include "program/top.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/packet.h>

#include "base/memory.h"
#include "base/tree.h"
#include "program/report_text.h"

enum { CELL = 64, NAME_WIDTH = 16, HISTORY = 60, LEVELS = 8 };

struct canvas {
	struct top_size size;
	const char *end;
	unsigned rows; /* drawn */
	FILE *output;
};

/* One line, cut at the edge by characters, not bytes. */
static void put_line(struct canvas *canvas, const char *line)
{
	unsigned column = 0;

	if (canvas->size.rows && canvas->rows >= canvas->size.rows)
		return;
	canvas->rows++;
	for (; *line; line++) {
		bool begins = ((unsigned char)*line & 0xc0) != 0x80;

		if (begins && canvas->size.columns && column++ >= canvas->size.columns)
			break;
		fputc((unsigned char)*line < ' ' || *line == 0x7f ? '?' : *line, canvas->output);
	}
	fputs(canvas->end, canvas->output);
}

static uint64_t largest(const struct tree *numbers)
{
	uint64_t most = 0;

	for_each_child(one, numbers) {
		uint64_t value = read_number(one);

		if (value > most)
			most = value;
	}
	return most;
}

/* From nothing to the largest of the last minute. */
static void draw_history(const struct tree *history, bool has_utf8, char *text, size_t size)
{
	static const char *const blocks[LEVELS] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const marks[LEVELS] = { "_", ".", ":", "-", "=", "+", "*", "#" };
	uint64_t most;
	size_t used = 0;

	text[0] = '\0';
	if (!history)
		return;
	most = largest(history);
	if (most == 0)
		return;
	for_each_child(one, history) {
		uint64_t level = read_number(one) * (LEVELS - 1) / most;

		used += (size_t)snprintf(text + used, size - used, "%s",
					 read_number(one) == 0 ? " "
					 : has_utf8            ? blocks[level]
							       : marks[level]);
		if (used >= size)
			return;
	}
}

static void format_rate(const struct tree *port, const char *way, char cell[CELL])
{
	format_quantity(get_number(tree_get(port, way), "bytes-per-second") * 8, "bit/s", cell,
			CELL);
}

static void draw_port(struct canvas *canvas, const char *name, const char *state,
		      const struct tree *port, const struct tree *before, bool has_utf8)
{
	char in[CELL], out[CELL], rtt[CELL], history[HISTORY * 3 + 1], drops[CELL] = "-";
	uint64_t now = sum_drops(port), then = before ? sum_drops(before) : now;
	char line[512];

	format_rate(port, "received", in);
	format_rate(port, "sent", out);
	format_rtt(get_number(port, "rtt-us"), rtt, sizeof(rtt));
	if (before)
		snprintf(drops, sizeof(drops), "%" PRIu64 "/s", now > then ? now - then : 0);
	draw_history(tree_get(port, "rtt-history-us"), has_utf8, history, sizeof(history));
	snprintf(line, sizeof(line), "%-*.*s %-10.10s %13s %13s %10" PRIu64 " %8s %9s %s",
		 NAME_WIDTH, NAME_WIDTH, name, state, in, out, now, drops, rtt, history);
	put_line(canvas, line);
}

static const struct tree *find_port(const struct tree *status, const char *name)
{
	const struct tree *ports = tree_get(status, "ports");

	if (!ports)
		return NULL;
	for_each_child(port, ports) {
		const char *other = get_text(port, "name");

		if (other && !strcmp(other, name))
			return port;
	}
	return NULL;
}

static void draw_ports(struct canvas *canvas, const struct tree *status, const struct tree *before,
		       bool has_utf8)
{
	const struct tree *ports = tree_get(status, "ports"), *link = tree_get(status, "link");
	const char *state = get_text(link, "state");

	if (link)
		draw_port(canvas, "hub", state ? state : "?", link, tree_get(before, "link"),
			  has_utf8);
	if (!ports)
		return;
	for_each_child(port, ports) {
		const char *name = get_text(port, "name");

		draw_port(canvas, name ? name : "?",
			  get_bool(port, "device")      ? "device"
			  : get_bool(port, "connected") ? "connected"
							: "down",
			  port, name ? find_port(before, name) : NULL, has_utf8);
	}
}

/* Of all ports, or of the link. */
static uint64_t count_drops(const struct tree *status, const char *reason)
{
	const struct tree *ports = tree_get(status, "ports");
	uint64_t sum = get_number(tree_get(tree_get(status, "link"), "drops"), reason);

	if (ports)
		for_each_child(port, ports)
			sum += get_number(tree_get(port, "drops"), reason);
	return sum;
}

static void draw_drops(struct canvas *canvas, const struct tree *status, const struct tree *before)
{
	char line[256];
	bool is_first = true;

	for (unsigned i = LW_DROP_NONE + 1; i < LW_DROP_COUNT; i++) {
		const char *reason = lw_drop_name(i);
		uint64_t now = count_drops(status, reason);
		uint64_t then = before ? count_drops(before, reason) : now;

		if (!now)
			continue;
		if (is_first)
			put_line(canvas, "");
		snprintf(line, sizeof(line), "%-*s %-24s %13" PRIu64 " %8" PRIu64 "/s  %s",
			 NAME_WIDTH, is_first ? "DROPPED" : "", reason, now,
			 now > then ? now - then : 0, lw_drop_text(i));
		put_line(canvas, line);
		is_first = false;
	}
}

static void draw_head(struct canvas *canvas, const struct tree *status)
{
	const char *name = get_text(status, "name"), *kind = get_text(status, "kind");
	const char *layer = get_text(status, "layer"), *state = get_text(status, "state");
	const struct tree *hub = tree_get(status, "hub"), *made = tree_get(status, "impairments");
	char line[256], clients[CELL] = "", impaired[CELL] = "";

	if (hub)
		snprintf(clients, sizeof(clients), ", %" PRIu64 " of %" PRIu64 " connected",
			 get_number(hub, "connected"), get_number(hub, "clients"));
	if (made && made->n)
		snprintf(impaired, sizeof(impaired), ", %zu impaired", made->n);
	snprintf(line, sizeof(line), "%s: %s %s, %s%s%s", name ? name : "?", layer ? layer : "?",
		 kind ? kind : "?", state ? state : "?", clients, impaired);
	put_line(canvas, line);
	put_line(canvas, "");
	snprintf(line, sizeof(line), "%-*s %-10s %13s %13s %10s %8s %9s %s", NAME_WIDTH, "PORT",
		 "STATE", "RECEIVED", "SENT", "DROPS", "", "RTT", "LAST MINUTE");
	put_line(canvas, line);
}

void top_draw(const struct tree *status, const struct tree *before, struct top_size size,
	      bool has_utf8, const char *end, FILE *output)
{
	struct canvas canvas = { .size = size, .end = end, .output = output };

	draw_head(&canvas, status);
	draw_ports(&canvas, status, before, has_utf8);
	draw_drops(&canvas, status, before);
}
