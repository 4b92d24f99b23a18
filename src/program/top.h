/* SPDX-License-Identifier: MIT */
/*
 * longwire top: an instance as a picture that moves.
 *
 * Theory of operation. Once a second the status is asked for and drawn: a line for each port with
 * its rates, its drops in that second and its round-trip time with the last minute of it, then what
 * was dropped, by reason. Drawing is a function of two status trees and a view, without a terminal,
 * which is what --once prints and tests read. What does not fit gives way in this order: of the last
 * minute the oldest seconds, the drops of the second (below 100 columns), reasons beyond a third of
 * the rows, then ports, which scroll. The terminal is an alternate screen without line discipline,
 * so that every key comes as a byte and every way out (q, Ctrl-C, a signal, the end of the instance)
 * is one way, which puts back what it was.
 */
#ifndef PROGRAM_TOP_H
#define PROGRAM_TOP_H

#include <stdbool.h>
#include <stdio.h>

struct tree;

struct top_view {
	unsigned columns, rows; /* 0: as many as there are */
	unsigned first;         /* of the ports that are shown, from 0 */
	bool has_utf8;
	const char *end; /* of a line */
};

/* What of the ports was drawn: shown ones from first on. */
struct top_drawn {
	unsigned first, shown, ports;
};

/* before: the status a second ago; NULL: unknown. A first beyond the last ports is taken back. */
struct top_drawn top_draw(const struct tree *status, const struct tree *before,
			  const struct top_view *view, FILE *output);

#endif
