/* SPDX-License-Identifier: MIT */
/* A capture: points, filter and savefile together. */
#include "capture/capture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/error.h>
#include <longwire/packet.h>

#include "base/error.h"
#include "base/memory.h"
#include "capture/filter.h"
#include "capture/point.h"
#include "capture/savefile.h"

static const unsigned all_points = LW_CAPTURE_DEVICE_IN | LW_CAPTURE_DEVICE_OUT |
				   LW_CAPTURE_SESSION_IN | LW_CAPTURE_SESSION_OUT | LW_CAPTURE_DROP;

static int complete(const struct lw_capture_options *given, struct lw_capture_options *ret_options,
		    struct lw_error *ret_error)
{
	struct lw_capture_options options = { 0 };

	memcpy(&options, given, MIN(given->size, sizeof(options)));
	if (!options.file || !*options.file)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "capture: a file is required");
	if (options.layer != LW_LAYER_ETHERNET && options.layer != LW_LAYER_IP)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "capture: the layer is ethernet or ip");
	if (options.points & ~all_points)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "capture: unknown points 0x%x", options.points & ~all_points);
	if (options.snap_length > SAVEFILE_SNAP_MAX)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "capture: the snap length is 1 … %d bytes", SAVEFILE_SNAP_MAX);
	if (options.points == 0)
		options.points = LW_CAPTURE_DEVICE_IN | LW_CAPTURE_DEVICE_OUT;
	if (options.snap_length == 0)
		options.snap_length = SAVEFILE_SNAP_MAX;
	*ret_options = options;
	return 0;
}

int lw_capture_open(const struct lw_capture_options *given, struct lw_capture **ret_capture,
		    struct lw_error *ret_error)
{
	struct lw_capture_options options = { 0 };
	struct lw_capture *capture;
	int r;

	r = complete(given, &options, ret_error);
	if (r < 0)
		return r;
	capture = calloc(1, sizeof(*capture));
	if (!capture)
		return error_errno(ret_error, ENOMEM, "capture: %s", options.file);
	capture->points = options.points;
	capture->layer = options.layer;
	/* The filter first: a capture that is refused leaves the old file as it was. */
	if (options.filter)
		r = filter_new(options.layer, options.filter, &capture->filter, ret_error);
	if (r == 0)
		r = savefile_new(options.file, options.layer, options.snap_length,
				 &capture->savefile, ret_error);
	if (r < 0) {
		lw_capture_close(capture);
		return r;
	}
	*ret_capture = capture;
	return 0;
}

void lw_capture_close(struct lw_capture *capture)
{
	if (!capture)
		return;
	capture_detach(capture);
	savefile_free(capture->savefile);
	filter_free(capture->filter);
	free(capture);
}

void capture_take(struct lw_capture *capture, const struct lw_packet *packet)
{
	if (packet->layer != capture->layer)
		return;
	if (capture->filter && !filter_matches(capture->filter, packet->data, packet->length))
		return;
	capture->matched++;
	savefile_write(capture->savefile, packet->data, packet->length);
}

int lw_capture_flush(struct lw_capture *capture)
{
	return savefile_flush(capture->savefile);
}

void lw_capture_counters(const struct lw_capture *capture, struct lw_capture_counters *ret_counters)
{
	int error = savefile_error(capture->savefile);
	struct lw_capture_counters counters = {
		.size = ret_counters->size,
		.matched = capture->matched,
		.written = savefile_written(capture->savefile),
		.dropped = savefile_dropped(capture->savefile),
		.stopped = error < 0,
		.error = -error,
	};

	memcpy(ret_counters, &counters, MIN(counters.size, sizeof(counters)));
}
