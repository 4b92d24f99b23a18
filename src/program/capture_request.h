/* SPDX-License-Identifier: MIT */
/*
 * What to capture: as a command line says it, as it goes over the control socket, and as the library
 * wants it.
 *
 * Theory of operation. A request is a map whose keys are a schema's rows, like the configuration's:
 * the command reads its own request by the same table as the instance does later, so that whatever
 * is wrong is told before anything is opened or asked.
 */
#ifndef PROGRAM_CAPTURE_REQUEST_H
#define PROGRAM_CAPTURE_REQUEST_H

#include <longwire/capture.h>

#include "base/schema.h"

struct arguments;
struct lw_error;
struct tree;

struct capture_request {
	char *name; /* of the file, for the status */
	unsigned points;
	struct string_list ports, peers, reasons;
	char *filter;
	uint32_t snap_length, packets;
	int format; /* enum lw_capture_format */
	bool super_frames;
};

/* Of the options of a command line. 0 with a tree, or -ENOMEM. */
int capture_request_build(const struct arguments *arguments, const char *name,
			  struct tree **ret_tree);
/* 0, or a negative errno with one sentence for everything that is wrong. */
int capture_request_read(const struct tree *tree, struct capture_request *ret_request,
			 struct lw_error *ret_error);
void capture_request_done(struct capture_request *request);
/* Options that borrow from the request. */
void capture_request_options(const struct capture_request *request, enum lw_layer layer,
			     int descriptor, struct lw_capture_options *ret_options);

#endif
