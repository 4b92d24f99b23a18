/* SPDX-License-Identifier: MIT */
/* Captures that are attached by the control socket. */
#include "program/attachments.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/parse.h"
#include "base/tree.h"
#include "capture/capture.h"
#include "capture/point.h"
#include "loop/worker.h"
#include "program/capture_request.h"
#include "program/captures.h"
#include "program/control.h"
#include "program/report.h"

_Static_assert(CAPTURES_MAX + ATTACHMENTS_MAX <= CAPTURE_SET_MAX, "each has a slot");
_Static_assert(ATTACHMENTS_MAX <= CONTROL_CLIENTS_MAX - 8, "others are heard, too");

struct attachment {
	struct list list;
	struct attachments *owner;
	struct capture_request request;
	struct lw_capture *capture;    /* the job's once it ends */
	struct control_stream *stream; /* NULL: nobody is told */
	uint64_t id;
	bool is_ending;
	struct job *job;
	sem_t closed;
	struct lw_capture_counters counters;
};

/* ---- events */

static struct tree *event_new(const char *name, uint64_t id)
{
	struct tree *event = tree_new(TREE_MAP);

	if (event &&
	    (tree_add_text(event, "event", name) < 0 || tree_add_uint(event, "id", id) < 0)) {
		tree_free(event);
		return NULL;
	}
	return event;
}

static void add_counters(struct tree *event, const struct lw_capture_counters *counters)
{
	struct tree *map;

	if (tree_add_map(event, "counters", &map) < 0)
		return;
	/* Whoever misses one of them for want of memory has other worries. */
	(void)tree_add_uint(map, "seen", counters->seen);
	(void)tree_add_uint(map, "matched", counters->matched);
	(void)tree_add_uint(map, "written", counters->written);
	(void)tree_add_uint(map, "dropped", counters->dropped);
	(void)tree_add_uint(map, "records", counters->records);
	(void)tree_add_uint(map, "bytes", counters->bytes);
	if (counters->error)
		(void)tree_add_text(event, "error", strerror(counters->error));
	else
		(void)tree_add_null(event, "error");
	(void)tree_add_int(event, "errno", counters->error);
}

static void tell_end(struct attachment *attachment)
{
	struct control_stream *stream = take_pointer(attachment->stream);
	struct tree *event = stream ? event_new("capture-ended", attachment->id) : NULL;

	if (!stream)
		return;
	if (event) {
		add_counters(event, &attachment->counters);
		control_tell(stream, event);
	}
	control_stream_end(stream);
	tree_free(event);
}

/* ---- the end */

static void attachment_free(struct attachment *attachment)
{
	log_info("capture %s: ended, %llu packets written, %llu dropped%s%s",
		 attachment->request.name, (unsigned long long)attachment->counters.written,
		 (unsigned long long)attachment->counters.dropped,
		 attachment->counters.error ? ": " : "",
		 attachment->counters.error ? strerror(attachment->counters.error) : "");
	list_remove(&attachment->list);
	attachment->owner->n--;
	sem_destroy(&attachment->closed);
	capture_request_done(&attachment->request);
	free(attachment);
}

/* On the job's thread: all that may wait for a reader. */
static void close_capture(void *data)
{
	struct attachment *attachment = data;

	capture_end(attachment->capture);
	lw_capture_counters(attachment->capture, &attachment->counters);
	lw_capture_close(attachment->capture);
	sem_post(&attachment->closed);
}

static void capture_closed(void *data)
{
	struct attachment *attachment = data;

	attachment->job = NULL;
	tell_end(attachment);
	attachment_free(attachment);
}

static void keep(void *data)
{
	(void)data; /* who abandons the job frees the attachment */
}

static void end(struct attachment *attachment)
{
	if (attachment->is_ending)
		return;
	attachment->is_ending = true;
	lw_capture_detach(attachment->capture);
	if (job_start(attachment->owner->loop, close_capture, capture_closed, keep, attachment,
		      &attachment->job) == 0)
		return;
	close_capture(attachment);
	capture_closed(attachment);
}

/* The client has gone. */
static void hung_up(void *user)
{
	struct attachment *attachment = user;

	attachment->stream = NULL;
	end(attachment);
}

static void look(struct loop_timer *timer)
{
	struct attachments *attachments = container_of(timer, struct attachments, poll);

	list_for_each_safe(node, &attachments->list) {
		struct attachment *attachment = list_entry(node, struct attachment, list);
		struct lw_capture_counters counters = { .size = sizeof(counters) };

		if (attachment->is_ending)
			continue;
		lw_capture_counters(attachment->capture, &counters);
		if (counters.stopped)
			end(attachment);
	}
	if (attachments->n)
		loop_timer_set_in_ms(attachments->loop, timer, ATTACHMENTS_POLL_MS);
}

/* ---- verbs */

static int open_capture(struct attachment *attachment, int descriptor, struct lw_error *error)
{
	struct attachments *attachments = attachment->owner;
	struct lw_capture_options options;
	int r;

	capture_request_options(&attachment->request, attachments->layer, descriptor, &options);
	r = lw_capture_open(&options, &attachment->capture, error);
	if (r < 0)
		return r;
	r = attachments->ops->attach(attachments->user, attachment->capture);
	if (r == 0)
		return 0;
	lw_capture_close(attachment->capture);
	return error_errno(error, -r, "capture: cannot be attached");
}

/* NULL with a sentence. */
static struct attachment *attachment_new(struct attachments *attachments, const struct tree *what,
					 int descriptor, struct lw_error *error)
{
	struct attachment *attachment = calloc(1, sizeof(*attachment));
	int r;

	if (!attachment) {
		error_errno(error, ENOMEM, "capture");
		return NULL;
	}
	attachment->owner = attachments;
	attachment->counters.size = sizeof(attachment->counters);
	r = capture_request_read(what, &attachment->request, error);
	if (r == 0)
		r = open_capture(attachment, descriptor, error);
	if (r < 0) {
		capture_request_done(&attachment->request);
		free(attachment);
		return NULL;
	}
	sem_init(&attachment->closed, 0, 0);
	attachment->id = ++attachments->last_id;
	list_append(&attachments->list, &attachment->list);
	attachments->n++;
	return attachment;
}

static void tell_begin(struct attachment *attachment)
{
	struct tree *event = event_new("capture", attachment->id);

	if (event)
		control_tell(attachment->stream, event);
	tree_free(event);
	log_info("capture %s: attached", attachment->request.name);
}

static void do_capture(struct control_call *call, const struct tree *request, void *user)
{
	_cleanup_close_ int descriptor = control_take_descriptor(call);
	struct attachments *attachments = user;
	struct attachment *attachment;
	struct lw_error error = { 0 };

	if (descriptor < 0) {
		control_refuse(call, "a capture needs a descriptor to write to");
		return;
	}
	if (attachments->n == ATTACHMENTS_MAX) {
		control_refuse(call, "%d captures are attached already, which is the most; end one",
			       ATTACHMENTS_MAX);
		return;
	}
	attachment = attachment_new(attachments, tree_get(request, "capture"), descriptor, &error);
	if (!attachment) {
		control_refuse(call, "%s", error.text);
		return;
	}
	loop_timer_set_in_ms(attachments->loop, &attachments->poll, ATTACHMENTS_POLL_MS);
	attachment->stream = control_stream(call, hung_up, attachment);
	if (attachment->stream)
		tell_begin(attachment);
	else
		end(attachment);
}

static void do_stop(struct control_call *call, const struct tree *request, void *user)
{
	const char *text = tree_get_text(request, "id");
	struct attachments *attachments = user;
	uint64_t id;

	if (!text || parse_uint(text, 1, UINT64_MAX, &id) < 0) {
		control_refuse(call, "which capture to stop is said by its \"id\"");
		return;
	}
	list_for_each_safe(node, &attachments->list) {
		struct attachment *attachment = list_entry(node, struct attachment, list);

		if (attachment->id != id)
			continue;
		control_reply(call, NULL, NULL);
		end(attachment);
		return;
	}
	control_refuse(call, "no capture %s is attached", text);
}

static const struct control_verb verbs[] = {
	{ .name = "capture", .run = do_capture, .takes_descriptor = true },
	{ .name = "capture-stop", .run = do_stop },
};

/* ---- all of them */

int attachments_init(struct attachments *attachments, struct lw_loop *loop, struct control *control,
		     enum lw_layer layer, const struct attachments_ops *ops, void *user)
{
	int r;

	*attachments = (struct attachments){
		.loop = loop,
		.layer = layer,
		.ops = ops,
		.user = user,
	};
	list_init(&attachments->list);
	r = loop_timer_init(loop, &attachments->poll, look);
	if (r == 0)
		r = control_add_verbs(control, verbs, ARRAY_SIZE(verbs), attachments);
	return r;
}

/* One whose job is under way is closed by it, soon; the others here and now. */
static void end_now(struct attachment *attachment)
{
	if (attachment->is_ending) {
		while (sem_wait(&attachment->closed) < 0 && errno == EINTR)
			;
		job_abandon(attachment->job);
	} else {
		close_capture(attachment);
	}
	tell_end(attachment);
	attachment_free(attachment);
}

void attachments_done(struct attachments *attachments)
{
	if (!attachments->loop)
		return;
	list_for_each_safe(node, &attachments->list)
		end_now(list_entry(node, struct attachment, list));
	loop_timer_done(attachments->loop, &attachments->poll);
	attachments->loop = NULL;
}

size_t attachments_report(const struct attachments *attachments, struct report_capture *ret_reports,
			  size_t max)
{
	size_t n = 0;

	if (!attachments->loop)
		return 0;
	list_for_each(node, (struct list *)&attachments->list) {
		const struct attachment *attachment = list_entry(node, struct attachment, list);

		if (n == max || attachment->is_ending)
			continue;
		ret_reports[n].file = attachment->request.name;
		ret_reports[n].counters.size = sizeof(ret_reports[n].counters);
		lw_capture_counters(attachment->capture, &ret_reports[n].counters);
		n++;
	}
	return n;
}
