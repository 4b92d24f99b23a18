/* SPDX-License-Identifier: MIT */
/* The captures that a configuration asks for: opened while there are privileges, looked after once
 * a second, closed at the end. */
#ifndef PROGRAM_CAPTURES_H
#define PROGRAM_CAPTURES_H

#include <stdbool.h>
#include <stddef.h>

#include <longwire/capture.h>

struct item_list;
struct lw_error;

enum { CAPTURES_MAX = 16 };

struct captures {
	struct {
		struct lw_capture *capture;
		const char *file; /* the configuration's */
		bool is_told;     /* that it stopped */
	} items[CAPTURES_MAX];
	size_t n;
};

/* configured: of struct capture_config, which must outlive the captures. On failure none is
 * open. */
int captures_open(struct captures *captures, enum lw_layer layer,
		  const struct item_list *configured, struct lw_error *ret_error);
void captures_close(struct captures *captures);
/* Tell in the log, once, of one that stopped. */
void captures_check(struct captures *captures);
/* Wait until what was seen is in the files, for each at most a second. Return: 0 or the first
 * negative errno. */
int captures_flush(struct captures *captures);

#endif
