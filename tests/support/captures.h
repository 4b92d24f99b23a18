/* SPDX-License-Identifier: MIT */
/* Captures of tests: made or the test fails, and counted when all that was seen is in them. */
#ifndef SUPPORT_CAPTURES_H
#define SUPPORT_CAPTURES_H

#include <stdio.h>
#include <string.h>

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

/* How many packets in a file of pcapng have this comment and no other. */
static inline size_t captures_comments(const char *path, const char *comment)
{
	static uint8_t data[1 << 22];
	FILE *file = fopen(path, "r");
	size_t length, n = 0, size = 4 + strlen(comment);
	char option[200];

	assert_non_null(file);
	length = fread(data, 1, sizeof(data), file);
	fclose(file);
	assert_true(length < sizeof(data) && size < sizeof(option));
	/* Its code, its length, its text: as this machine writes two bytes each. */
	memcpy(option, (const uint16_t[]){ 1, (uint16_t)(size - 4) }, 4);
	memcpy(option + 4, comment, size - 4);
	for (const uint8_t *at = data;
	     (at = memmem(at, length - (size_t)(at - data), option, size)); at += size)
		n++;
	return n;
}

#endif
