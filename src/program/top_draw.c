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

enum {
	CELL = 64,
	LINE = 512,
	HISTORY = 60,
	LEVELS = 8,
	WIDE = 100, /* columns from which on drops have a rate */
	LOW = 8,    /* rows below which nothing is left empty */
	WIDE_CELLS = 86,
	NARROW_CELLS = 67, /* columns before the last minute */
};

struct canvas {
	const struct top_view *view;
	bool is_wide;
	unsigned rows; /* drawn */
	FILE *output;
};

/* The cells of a port's line, or of the line above them. */
struct cells {
	const char *name, *state, *received, *sent, *drops, *rate, *rtt, *history;
};

/* One line, cut at the edge by characters, not bytes. */
static void put_line(struct canvas *canvas, const char *line)
{
	unsigned column = 0;

	if (canvas->view->rows && canvas->rows >= canvas->view->rows)
		return;
	canvas->rows++;
	for (; *line; line++) {
		bool begins = ((unsigned char)*line & 0xc0) != 0x80;

		if (begins && canvas->view->columns && column++ >= canvas->view->columns)
			break;
		fputc((unsigned char)*line < ' ' || *line == 0x7f ? '?' : *line, canvas->output);
	}
	fputs(canvas->view->end, canvas->output);
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

/* The newest of the last minute that fit into so many columns, from nothing to the largest. */
static void draw_history(const struct tree *history, bool has_utf8, size_t columns, char *text,
			 size_t size)
{
	static const char *const blocks[LEVELS] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const marks[LEVELS] = { "_", ".", ":", "-", "=", "+", "*", "#" };
	uint64_t most = history ? largest(history) : 0;
	size_t used = 0, i = 0;

	text[0] = '\0';
	if (most == 0)
		return;
	for_each_child(one, history) {
		uint64_t level = read_number(one) * (LEVELS - 1) / most;

		if (i++ + columns < history->n)
			continue;
		used += (size_t)snprintf(text + used, size - used, "%s",
					 read_number(one) == 0 ? " "
					 : has_utf8            ? blocks[level]
							       : marks[level]);
		if (used >= size)
			return;
	}
}

static void put_cells(struct canvas *canvas, const struct cells *cells)
{
	char line[LINE];

	if (canvas->is_wide)
		snprintf(line, sizeof(line), "%-16.16s %-10.10s %13s %13s %10s %8s %9s %s",
			 cells->name, cells->state, cells->received, cells->sent, cells->drops,
			 cells->rate, cells->rtt, cells->history);
	else
		snprintf(line, sizeof(line), "%-12.12s %-9.9s %12s %12s %8s %8s %s", cells->name,
			 cells->state, cells->received, cells->sent, cells->drops, cells->rtt,
			 cells->history);
	put_line(canvas, line);
}

static void format_rate(const struct tree *port, const char *way, char cell[CELL])
{
	format_quantity(get_number(tree_get(port, way), "bytes-per-second") * 8, "bit/s", cell,
			CELL);
}

static void draw_port(struct canvas *canvas, const char *name, const char *state,
		      const struct tree *port, const struct tree *before)
{
	char in[CELL], out[CELL], rtt[CELL], history[HISTORY * 3 + 1], sum[CELL], rate[CELL] = "-";
	uint64_t now = sum_drops(port), then = before ? sum_drops(before) : now;
	const struct cells cells = { name, state, in, out, sum, rate, rtt, history };
	unsigned columns = canvas->view->columns,
		 used = canvas->is_wide ? WIDE_CELLS : NARROW_CELLS;

	format_rate(port, "received", in);
	format_rate(port, "sent", out);
	format_rtt(get_number(port, "rtt-us"), rtt, sizeof(rtt));
	snprintf(sum, sizeof(sum), "%" PRIu64, now);
	if (before)
		snprintf(rate, sizeof(rate), "%" PRIu64 "/s", now > then ? now - then : 0);
	draw_history(tree_get(port, "rtt-history-us"), canvas->view->has_utf8,
		     !columns         ? HISTORY
		     : columns > used ? columns - used
				      : 0,
		     history, sizeof(history));
	put_cells(canvas, &cells);
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

static unsigned count_ports(const struct tree *status)
{
	const struct tree *ports = tree_get(status, "ports");

	return (unsigned)(ports ? ports->n : 0) + (tree_get(status, "link") != NULL);
}

static void draw_ports(struct canvas *canvas, const struct tree *status, const struct tree *before,
		       const struct top_drawn *drawn)
{
	const struct tree *ports = tree_get(status, "ports"), *link = tree_get(status, "link");
	const char *state = get_text(link, "state");
	unsigned i = 0, last = drawn->first + drawn->shown;

	if (link && i++ >= drawn->first)
		draw_port(canvas, "hub", state ? state : "?", link, tree_get(before, "link"));
	if (!ports)
		return;
	for_each_child(port, ports) {
		const char *name = get_text(port, "name");

		if (i >= last)
			return;
		if (i++ >= drawn->first)
			draw_port(canvas, name ? name : "?",
				  get_bool(port, "device")      ? "device"
				  : get_bool(port, "connected") ? "connected"
								: "down",
				  port, name ? find_port(before, name) : NULL);
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

static unsigned count_reasons(const struct tree *status)
{
	unsigned n = 0;

	for (unsigned i = LW_DROP_NONE + 1; i < LW_DROP_COUNT; i++)
		n += count_drops(status, lw_drop_name(i)) != 0;
	return n;
}

static void draw_drops(struct canvas *canvas, const struct tree *status, const struct tree *before)
{
	int width = canvas->is_wide ? 16 : 8;
	bool is_first = true;
	char line[LINE];

	for (unsigned i = LW_DROP_NONE + 1; i < LW_DROP_COUNT; i++) {
		const char *reason = lw_drop_name(i);
		uint64_t now = count_drops(status, reason);
		uint64_t then = before ? count_drops(before, reason) : now;

		if (!now)
			continue;
		if (is_first)
			put_line(canvas, "");
		snprintf(line, sizeof(line), "%-*s %-24s %13" PRIu64 " %8" PRIu64 "/s  %s", width,
			 is_first ? "DROPPED" : "", reason, now, now > then ? now - then : 0,
			 lw_drop_text(i));
		put_line(canvas, line);
		is_first = false;
	}
}

static void draw_head(struct canvas *canvas, const struct tree *status)
{
	static const struct cells heads = { "PORT",  "STATE", "RECEIVED", "SENT",
					    "DROPS", "",      "RTT",      "LAST MINUTE" };
	const char *name = get_text(status, "name"), *kind = get_text(status, "kind");
	const char *layer = get_text(status, "layer"), *state = get_text(status, "state");
	const struct tree *hub = tree_get(status, "hub"), *made = tree_get(status, "impairments");
	char line[LINE], clients[CELL] = "", impaired[CELL] = "";

	if (hub)
		snprintf(clients, sizeof(clients), ", %" PRIu64 " of %" PRIu64 " connected",
			 get_number(hub, "connected"), get_number(hub, "clients"));
	if (made && made->n)
		snprintf(impaired, sizeof(impaired), ", %zu impaired", made->n);
	snprintf(line, sizeof(line), "%s: %s %s, %s%s%s", name ? name : "?", layer ? layer : "?",
		 kind ? kind : "?", state ? state : "?", clients, impaired);
	put_line(canvas, line);
	if (!canvas->view->rows || canvas->view->rows >= LOW)
		put_line(canvas, "");
	put_cells(canvas, &heads);
}

/* Which ports have room, beside the head and at most a third of the rows for reasons. */
static struct top_drawn place_ports(const struct tree *status, const struct canvas *canvas)
{
	struct top_drawn drawn = { .ports = count_ports(status) };
	unsigned rows = canvas->view->rows, reasons = count_reasons(status), room;

	if (!rows) {
		drawn.shown = drawn.ports;
		return drawn;
	}
	reasons += reasons ? 1 : 0; /* the empty line */
	room = rows - MIN(rows, canvas->rows);
	room -= MIN(MIN(reasons, rows / 3), room ? room - 1 : 0);
	drawn.shown = MIN(drawn.ports, room);
	drawn.first = MIN(canvas->view->first, drawn.ports - drawn.shown);
	return drawn;
}

struct top_drawn top_draw(const struct tree *status, const struct tree *before,
			  const struct top_view *view, FILE *output)
{
	struct canvas canvas = {
		.view = view,
		.is_wide = !view->columns || view->columns >= WIDE,
		.output = output,
	};
	struct top_drawn drawn;

	draw_head(&canvas, status);
	drawn = place_ports(status, &canvas);
	draw_ports(&canvas, status, before, &drawn);
	draw_drops(&canvas, status, before);
	return drawn;
}
