/* SPDX-License-Identifier: MIT */
/* What the commands that talk to a running instance have in common: which one is meant, how errors
 * end, and JSON on the output. */
#ifndef PROGRAM_ASK_H
#define PROGRAM_ASK_H

#include "program/instance.h"

struct lw_error;
struct tree;

enum { ASK_TIMEOUT_MS = 5000 };

/* The instance called name; NULL: the only one. Return: PROGRAM_DONE, or another exit status after
 * saying why. */
int ask_choose(const char *name, struct instance_found *ret_instance);
/* Whether an instance of that name runs, as far as this user may see. */
bool ask_is_running(const char *name);
/* Say an error. Return: the exit status, by whose fault it is. */
int ask_fail(const struct lw_error *error);
/* 0 or a negative errno. indent 0: one line. */
int ask_print_json(const struct tree *tree, unsigned indent);

#endif
