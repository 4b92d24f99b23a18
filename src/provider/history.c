/* SPDX-License-Identifier: MIT */
/* What went wrong lately. */
#include "provider/history.h"

#include <string.h>

static bool is_same(const struct lw_connection_incident *incident, const struct lw_error *error,
		    bool was_ending)
{
	return incident->was_ending == was_ending && incident->error.domain == error->domain &&
	       incident->error.code == error->code && !strcmp(incident->error.text, error->text);
}

void history_add(struct history *history, const struct lw_error *error, bool was_ending,
		 int64_t date)
{
	struct lw_connection_incident *incident = &history->incidents[history->newest];

	if (history->n && is_same(incident, error, was_ending)) {
		incident->times++;
		incident->date = date;
		return;
	}
	if (history->n)
		history->newest = (history->newest + 1) % LW_CONNECTION_ERRORS_MAX;
	if (history->n < LW_CONNECTION_ERRORS_MAX)
		history->n++;
	history->incidents[history->newest] = (struct lw_connection_incident){
		.size = sizeof(*incident),
		.date = date,
		.times = 1,
		.was_ending = was_ending,
		.error = *error,
	};
}

const struct lw_connection_incident *history_get(const struct history *history, size_t index)
{
	if (index >= history->n)
		return NULL;
	index = (history->newest + LW_CONNECTION_ERRORS_MAX - index) % LW_CONNECTION_ERRORS_MAX;
	return &history->incidents[index];
}
