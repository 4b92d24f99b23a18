/* SPDX-License-Identifier: MIT */
/*
 * The flight recorders of the configuration, by the control socket.
 *
 *   → {"verb":"recorder-dump"} with a descriptor	a copy of its memory goes there, and the
 *							descriptor is closed behind it
 *   → {"verb":"recorder-trigger"}			its memory goes to its own next file
 *
 * "recorder" says whose, by its file, where there are several. Both are answered when they have
 * begun; the recorder's thread does the rest, so that nobody's disk holds up the path. Who dumps
 * gives a pipe and knows by its end that everything has come.
 */
#ifndef PROGRAM_RECORDERS_H
#define PROGRAM_RECORDERS_H

#include "program/control.h"

extern const struct control_verb recorder_verbs[]; /* user: struct captures */
extern const size_t n_recorder_verbs;

#endif
