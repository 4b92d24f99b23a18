/* SPDX-License-Identifier: MIT */
/*
 * The asking side of a capture that is attached to a running instance: what `longwire capture` and
 * `longwire extcap` have in common.
 */
#ifndef PROGRAM_CAPTURE_CLIENT_H
#define PROGRAM_CAPTURE_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include <longwire/api.h>

struct arguments;
struct instance_found;
struct lw_error;
struct tree;

enum { CAPTURE_END_MS = 5000 };

struct capture_result {
	uint64_t seen, matched, written, dropped;
	int error; /* errno that ended it; 0: in order */
};

/*
 * What to capture by these arguments, checked as far as can be without beginning: the layer's filter
 * language, and the names of ports and peers that the instance has. name is what the status calls
 * the file. 0 with the request to make; -EINVAL: the arguments are wrong; other negative errnos.
 */
int capture_client_prepare(const struct instance_found *instance, const struct arguments *arguments,
			   const char *name, struct tree **ret_request, struct lw_error *ret_error);

/* What is to be done once it has begun. 0 or a negative errno, which ends it. */
typedef int capture_begun_fn(void *user, struct lw_error *ret_error);

/*
 * Capture into descriptor (the caller's, passed on to the instance) until a signal comes (INT, TERM,
 * HUP), the duration is over (ms, 0: never), the reader of a pipe has gone, or the instance ends it.
 * The end is in order: the file is whole when this returns. 0, or a negative errno with a sentence
 * when it could not begin or the instance was lost.
 */
int capture_client_run(const struct instance_found *instance, const struct tree *request,
		       int descriptor, uint64_t duration_ms, capture_begun_fn *begun, void *user,
		       struct capture_result *ret_result, struct lw_error *ret_error);

#endif
