/* SPDX-License-Identifier: MIT */
/* The captures that a configuration asks for. */
#include "program/captures.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "config/config.h"

enum { MIB = 1024 * 1024 };

static uint64_t reasons_of(const struct string_list *names)
{
	uint64_t reasons = 0;

	for (size_t i = 0; i < names->n; i++)
		reasons |= UINT64_C(1) << lw_drop_find(names->items[i]);
	return reasons;
}

static int open_one(struct captures *captures, enum lw_layer layer,
		    const struct capture_config *config, struct lw_error *error)
{
	const struct lw_capture_options options = {
		.size = sizeof(options),
		.file = config->file,
		.points = config->points,
		.layer = layer,
		.filter = config->filter,
		.snap_length = config->snap_length,
		.format = (enum lw_capture_format)config->format,
		.whole_super_frames = config->super_frames == SUPER_FRAMES_WHOLE,
		.ports = (const char *const *)config->ports.items,
		.n_ports = config->ports.n,
		.peers = (const char *const *)config->peers.items,
		.n_peers = config->peers.n,
		.reasons = reasons_of(&config->reasons),
		.buffer_size = (size_t)config->buffer * MIB,
		.file_bytes = (uint64_t)config->rotate.size * MIB,
		.file_packets = config->rotate.packets,
		.file_seconds = config->rotate.seconds,
		.files = config->rotate.count,
		.recorder_bytes = (size_t)config->recorder.size * MIB,
		.trigger = config->recorder.trigger,
		.events = config->recorder.events,
		.after_ms = config->recorder.after,
	};
	int r;

	if (captures->n == CAPTURES_MAX)
		return error_set(error, -ENOSPC, LW_DOMAIN_CONFIGURATION, ENOSPC,
				 "capture: more than %d", CAPTURES_MAX);
	r = lw_capture_open(&options, &captures->items[captures->n].capture, error);
	if (r < 0)
		return r;
	captures->items[captures->n].file = config->file;
	captures->items[captures->n++].is_told = false;
	return 0;
}

int captures_open(struct captures *captures, enum lw_layer layer,
		  const struct item_list *configured, struct lw_error *ret_error)
{
	captures->n = 0;
	for (size_t i = 0; i < configured->n; i++) {
		int r = open_one(captures, layer, configured->items[i], ret_error);

		if (r < 0) {
			captures_close(captures);
			return r;
		}
	}
	return 0;
}

void captures_close(struct captures *captures)
{
	while (captures->n > 0)
		lw_capture_close(captures->items[--captures->n].capture);
}

void captures_check(struct captures *captures)
{
	for (size_t i = 0; i < captures->n; i++) {
		struct lw_capture_counters counters = { .size = sizeof(counters) };

		lw_capture_counters(captures->items[i].capture, &counters);
		if (!counters.error || captures->items[i].is_told)
			continue;
		captures->items[i].is_told = true;
		log_warning("capture %s%s: %s", captures->items[i].file,
			    counters.stopped ? " stopped" : "", strerror(counters.error));
	}
}

int captures_flush(struct captures *captures)
{
	int first = 0;

	for (size_t i = 0; i < captures->n; i++) {
		int r = lw_capture_flush(captures->items[i].capture);

		if (r < 0 && first == 0)
			first = r;
	}
	captures_check(captures);
	return first;
}
