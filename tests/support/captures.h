/* SPDX-License-Identifier: MIT */
/* Captures of tests: made or the test fails, and counted when all that was seen is in them. */
#ifndef SUPPORT_CAPTURES_H
#define SUPPORT_CAPTURES_H

#include <longwire/capture.h>
#include <longwire/error.h>

#include "capture/point.h"

/* Of Ethernet if options do not say. set: attached to it; NULL: to none. */
static inline struct lw_capture *captures_open(struct lw_capture_set *set,
					       struct lw_capture_options options)
{
	struct lw_capture *capture = NULL;
	struct lw_error error;

	options.size = sizeof(options);
	if (!options.layer)
		options.layer = LW_LAYER_ETHERNET;
	if (lw_capture_open(&options, &capture, &error) < 0)
		fail_msg("%s", error.text);
	if (set)
		assert_int_equal(capture_attach(set, capture), 0);
	return capture;
}

/* The capture may have stopped: that is in its counters. */
static inline struct lw_capture_counters captures_count(struct lw_capture *capture)
{
	struct lw_capture_counters counters = { .size = sizeof(counters) };

	(void)lw_capture_flush(capture);
	lw_capture_counters(capture, &counters);
	return counters;
}

#endif
