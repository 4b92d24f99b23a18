/* SPDX-License-Identifier: MIT */
/* What went wrong lately with a connection: a bounded list, the newest first. The same error again
 * in a row is counted, not listed twice, so that a hub that is away for a day does not push out
 * why. */
#ifndef PROVIDER_HISTORY_H
#define PROVIDER_HISTORY_H

#include <longwire/connection.h>

struct history {
	struct lw_connection_incident incidents[LW_CONNECTION_ERRORS_MAX]; /* a ring */
	size_t n, newest;
};

/* date: wall clock, seconds. */
void history_add(struct history *history, const struct lw_error *error, bool was_ending,
		 int64_t date);
/* The index-th, 0 the newest; NULL: there are no so many. */
const struct lw_connection_incident *history_get(const struct history *history, size_t index);

#endif
