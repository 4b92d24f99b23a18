/* SPDX-License-Identifier: MIT */
/* The schema of an item of capture:. */
#include <longwire/capture.h>

#include "base/memory.h"
#include "base/tree.h"
#include "config/config.h"
#include "config/schemas.h"

enum { MIB = 1024 * 1024 };

#define OFFSET(member) offsetof(struct capture_config, member)

const struct schema_word capture_point_words[] = {
	{ "device-in", LW_CAPTURE_DEVICE_IN },
	{ "device-out", LW_CAPTURE_DEVICE_OUT },
	{ "session-in", LW_CAPTURE_SESSION_IN },
	{ "session-out", LW_CAPTURE_SESSION_OUT },
	{ "drop", LW_CAPTURE_DROP },
	{ NULL, 0 },
};

const struct schema_word capture_format_words[] = {
	{ "pcap", LW_CAPTURE_PCAP },
	{ "pcapng", LW_CAPTURE_PCAPNG },
	{ NULL, 0 },
};

static const struct schema_word super_frame_words[] = {
	{ "segments", SUPER_FRAMES_SEGMENTS },
	{ "whole", SUPER_FRAMES_WHOLE },
	{ NULL, 0 },
};

static const struct schema_word event_words[] = {
	{ "peer-lost", LW_CAPTURE_PEER_LOST },
	{ "limit-hit", LW_CAPTURE_LIMIT_HIT },
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
	  .words = capture_point_words,
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
	{ .path = "format",
	  .kind = SCHEMA_WORD,
	  .offset = OFFSET(format),
	  .words = capture_format_words,
	  .help = "pcapng tells ports, directions and reasons of drops; unless said, by the file's "
		  "ending" },
	{ .path = "ports",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(ports),
	  .max = LW_CAPTURE_NAMES_MAX,
	  .check = rules_port_name,
	  .help = "only at these ports" },
	{ .path = "peers",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(peers),
	  .max = LW_CAPTURE_NAMES_MAX,
	  .check = rules_port_name,
	  .help = "only at the ports of these peers" },
	{ .path = "reasons",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(reasons),
	  .check = rules_drop,
	  .help = "of what is dropped, only for these reasons" },
	{ .path = "super-frames",
	  .kind = SCHEMA_WORD,
	  .offset = OFFSET(super_frames),
	  .standard = "segments",
	  .words = super_frame_words,
	  .help = "how large frames of the kernel are shown: as a wire would see them, or as they "
		  "are" },
	{ .path = "buffer",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(buffer),
	  .min = 1,
	  .max = LW_CAPTURE_BUFFER_MAX / MIB,
	  .standard = "4",
	  .help = "MiB that wait to be written, for each thread that carries packets; what comes "
		  "beyond is dropped from the capture" },
	{ .path = "rotate",
	  .kind = SCHEMA_MAP,
	  .help = "several files in turn; the oldest is removed" },
	{ .path = "rotate.size",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(rotate.size),
	  .min = 1,
	  .max = 1048576,
	  .help = "MiB that a file grows to" },
	{ .path = "rotate.packets",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(rotate.packets),
	  .min = 1,
	  .max = UINT32_MAX,
	  .help = "packets that a file gets" },
	{ .path = "rotate.seconds",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(rotate.seconds),
	  .min = 1,
	  .max = 2592000,
	  .help = "how old a file gets" },
	{ .path = "rotate.count",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(rotate.count),
	  .min = 1,
	  .max = LW_CAPTURE_FILES_MAX,
	  .help = "how many there are at most; 10 unless said" },
	{ .path = "recorder",
	  .kind = SCHEMA_MAP,
	  .help = "a flight recorder: kept in memory until there is a reason to write it" },
	{ .path = "recorder.size",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(recorder.size),
	  .min = 1,
	  .max = LW_CAPTURE_RECORDER_MAX / MIB,
	  .help = "MiB of memory" },
	{ .path = "recorder.trigger",
	  .kind = SCHEMA_TEXT,
	  .offset = OFFSET(recorder.trigger),
	  .min = 1,
	  .max = LW_CAPTURE_FILTER_MAX,
	  .check = rules_filter,
	  .help = "an expression like filter: a packet that matches is the reason" },
	{ .path = "recorder.events",
	  .kind = SCHEMA_WORDS,
	  .offset = OFFSET(recorder.events),
	  .words = event_words,
	  .help = "what else is a reason: a peer that is lost, a limit that drops a packet" },
	{ .path = "recorder.after",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(recorder.after),
	  .max = LW_CAPTURE_AFTER_MAX,
	  .standard = "0",
	  .help = "milliseconds that it goes on before it is written" },
	{ .path = NULL },
};

/* What belongs to what. */
static void validate(void *output, const struct tree *tree, struct schema_errors *errors)
{
	const struct capture_config *capture = output;
	bool has_end = capture->rotate.size || capture->rotate.packets || capture->rotate.seconds;

	if (!capture->recorder.size) {
		static const char *const keys[] = { "trigger", "events", "after" };

		for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
			rules_refuse(errors, rules_find(tree, "recorder", keys[i]), NULL,
				     "a recorder needs recorder.size, the MiB that it keeps");
		if (capture->rotate.count && !has_end)
			rules_refuse(
				errors, rules_find(tree, "rotate", "count"), NULL,
				"files in turn need rotate.size, packets or seconds, which end one");
	} else if (has_end) {
		rules_refuse(errors, tree_get(tree, "rotate"), NULL,
			     "a recorder writes a file each time: only rotate.count is allowed");
	}
}

const struct schema capture_schema = { .rows = rows,
				       .size = sizeof(struct capture_config),
				       .validate = validate };
