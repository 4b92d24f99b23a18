/* SPDX-License-Identifier: MIT */
/*
 * longwire top: an instance as a picture that moves.
 *
 * Theory of operation. Once a second the status is asked for and drawn: a line for each port with
 * its rates, its drops in that second and its round-trip time with the last minute of it, then what
 * was dropped, by reason. Drawing is a function of two status trees and a size, without a terminal,
 * which is what --once prints and tests read. The terminal is an alternate screen without line
 * discipline, so that every key comes as a byte and every way out (q, Ctrl-C, a signal, the end of
 * the instance) is one way, which puts back what it was.
 */
#ifndef PROGRAM_TOP_H
#define PROGRAM_TOP_H

#include <stdbool.h>
#include <stdio.h>

struct tree;

struct top_size {
	unsigned columns, rows; /* 0: as many as there are */
};

/* before: the status a second ago; NULL: unknown. Lines are cut to size and ended by end. */
void top_draw(const struct tree *status, const struct tree *before, struct top_size size,
	      bool has_utf8, const char *end, FILE *output);

#endif
