/* SPDX-License-Identifier: MIT */
/*
 * Captures that somebody attaches to a running instance, by its control socket.
 *
 * Theory of operation. The verb capture brings what to capture (capture_request.h) and an open
 * descriptor: the instance opens no file on anybody's behalf, so nobody writes by it where he may
 * not write himself. The connection becomes a stream of two events:
 *
 *   → {"verb":"capture","capture":{…}}	← {"ok":true,"verb":"capture"}
 *					← {"event":"capture","id":3}
 *   → {"verb":"capture-stop","id":3}	← {"ok":true,"verb":"capture-stop"}
 *					← {"event":"capture-ended","id":3,"counters":{…},
 *					   "error":null}, and the connection ends
 *
 * A capture ends when it is told to, when it has its packets, when nothing more can be written, when
 * its client hangs up, and with the instance. However it ends, what it saw is written first, and the
 * file is ended in order. That can take as long as a reader of a pipe pleases (at most a second),
 * so it happens in a job, beside the loop; only at the instance's end it is waited for.
 */
#ifndef PROGRAM_ATTACHMENTS_H
#define PROGRAM_ATTACHMENTS_H

#include <longwire/capture.h>

#include "base/list.h"
#include "loop/loop.h"

struct control;
struct report_capture;

/* One costs what it captures on the path, a thread, and a place at the control socket, where others
 * must find one, too. */
enum { ATTACHMENTS_MAX = 16, ATTACHMENTS_POLL_MS = 50 };

struct attachments_ops {
	/* To the hub or connection. 0 or a negative errno. */
	int (*attach)(void *user, struct lw_capture *capture);
};

struct attachments {
	struct lw_loop *loop;
	const struct attachments_ops *ops;
	void *user;
	enum lw_layer layer;
	struct list list;
	size_t n;
	uint64_t last_id;
	struct loop_timer poll; /* looks for those that have ended by themselves */
};

/* Adds its verbs to control, which must end later. 0 or a negative errno. */
int attachments_init(struct attachments *attachments, struct lw_loop *loop, struct control *control,
		     enum lw_layer layer, const struct attachments_ops *ops, void *user);
/* End all; clients are told. Idempotent; accepts zeroes. */
void attachments_done(struct attachments *attachments);
/* Those that are running, at most max. Names are good until the next wake-up. Return: how many. */
size_t attachments_report(const struct attachments *attachments, struct report_capture *ret_reports,
			  size_t max);

#endif
