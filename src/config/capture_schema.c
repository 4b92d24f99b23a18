/* SPDX-License-Identifier: MIT */
/* The schema of an item of capture:. */
#include <longwire/capture.h>

#include "config/config.h"
#include "config/schemas.h"

#define OFFSET(member) offsetof(struct capture_config, member)

static const struct schema_word point_words[] = {
	{ "device-in", LW_CAPTURE_DEVICE_IN },
	{ "device-out", LW_CAPTURE_DEVICE_OUT },
	{ "session-in", LW_CAPTURE_SESSION_IN },
	{ "session-out", LW_CAPTURE_SESSION_OUT },
	{ "drop", LW_CAPTURE_DROP },
	{ NULL, 0 },
};

static const struct schema_row rows[] = {
	{ .path = "file",
	  .kind = SCHEMA_TEXT,
	  .offset = OFFSET(file),
	  .required = true,
	  .check = rules_file,
	  .help = "a savefile, made anew at each start: pcapng if it ends in .pcapng, else pcap; "
		  "relative to this file" },
	{ .path = "points",
	  .kind = SCHEMA_WORDS,
	  .offset = OFFSET(points),
	  .min = 1,
	  .standard = "device-in, device-out",
	  .words = point_words,
	  .help = "where packets are seen: read from or written to the interface, from or to a "
		  "peer, dropped" },
	{ .path = "filter",
	  .kind = SCHEMA_TEXT,
	  .offset = OFFSET(filter),
	  .min = 1,
	  .max = LW_CAPTURE_FILTER_MAX,
	  .check = rules_filter,
	  .help = "a libpcap expression without host names; all packets without it" },
	{ .path = "snap-length",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(snap_length),
	  .min = 1,
	  .max = 262144,
	  .standard = "262144",
	  .help = "bytes kept of each packet" },
	{ .path = NULL },
};

const struct schema capture_schema = { .rows = rows, .size = sizeof(struct capture_config) };
