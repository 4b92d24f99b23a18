/* SPDX-License-Identifier: MIT */
/* Completions. */
#include "provider/completion.h"

#include <errno.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "loop/loop.h"

struct lw_completion {
	struct lw_loop *loop;
	const char *what;
	completion_fn *answered; /* NULL: the owner knows the answer, or does not want it */
	void *owner;
	struct loop_timer watchdog;
	uint32_t timeout_ms;
	struct loop_deferred at_end; /* queued: only the provider holds it */
	bool is_issued, is_finished;
};

static void free_completion(struct lw_completion *completion)
{
	loop_undefer(completion->loop, &completion->at_end);
	loop_timer_done(completion->loop, &completion->watchdog);
	free(completion);
}

static void never_finished(struct loop_deferred *at_end)
{
	free_completion(container_of(at_end, struct lw_completion, at_end));
}

static void answer(struct lw_completion *completion, const struct lw_error *error, const void *data,
		   size_t length)
{
	completion_fn *answered = completion->answered;

	if (!answered)
		return;
	completion->answered = NULL;
	loop_timer_cancel(&completion->watchdog);
	answered(completion->owner, error, data, length);
}

static void watchdog_barked(struct loop_timer *timer)
{
	struct lw_completion *completion = container_of(timer, struct lw_completion, watchdog);
	struct lw_error error;

	error_set(&error, 0, LW_DOMAIN_SYSTEM, ETIMEDOUT, "%s was not finished within %u.%03u s",
		  completion->what, completion->timeout_ms / 1000, completion->timeout_ms % 1000);
	log_warning("%s", error.text);
	answer(completion, &error, NULL, 0);
}

int completion_new(struct lw_loop *loop, const char *what, completion_fn *answered, void *owner,
		   struct lw_completion **ret_completion)
{
	struct lw_completion *completion = calloc(1, sizeof(*completion));
	int r;

	if (!completion)
		return -ENOMEM;
	r = loop_timer_init(loop, &completion->watchdog, watchdog_barked);
	if (r < 0) {
		free(completion);
		return r;
	}
	completion->loop = loop;
	completion->what = what;
	completion->answered = answered;
	completion->owner = owner;
	completion->at_end.function = never_finished;
	*ret_completion = completion;
	return 0;
}

void completion_issue(struct lw_completion *completion, uint32_t timeout_ms)
{
	completion->is_issued = true;
	completion->timeout_ms = timeout_ms;
	if (timeout_ms != UINT32_MAX)
		loop_timer_set_in_ms(completion->loop, &completion->watchdog, timeout_ms);
}

void completion_disarm(struct lw_completion *completion)
{
	loop_timer_cancel(&completion->watchdog);
}

bool completion_is_finished(const struct lw_completion *completion)
{
	return completion->is_finished;
}

void completion_let_go(struct lw_completion *completion)
{
	if (!completion)
		return;
	completion->answered = NULL;
	loop_timer_cancel(&completion->watchdog);
	if (completion->is_finished || !completion->is_issued)
		free_completion(completion);
	else
		loop_at_end(completion->loop, &completion->at_end);
}

void completion_retire(struct completion_drawer *drawer, struct lw_completion *completion)
{
	struct lw_completion **place = &drawer->completions[drawer->next];

	if (!completion)
		return;
	if (!completion->is_finished) {
		completion_let_go(completion);
		return;
	}
	completion->answered = NULL;
	completion_let_go(*place);
	*place = completion;
	drawer->next = (drawer->next + 1) % COMPLETION_DRAWER_SIZE;
}

void completion_drawer_empty(struct completion_drawer *drawer)
{
	for (unsigned i = 0; i < COMPLETION_DRAWER_SIZE; i++) {
		completion_let_go(drawer->completions[i]);
		drawer->completions[i] = NULL;
	}
}

static void finish(struct lw_completion *completion, const struct lw_error *error, const void *data,
		   size_t length)
{
	if (completion->is_finished) {
		log_error("bug: the completion of %s was finished twice", completion->what);
		abort();
	}
	completion->is_finished = true;
	if (completion->at_end.is_queued)
		free_completion(completion);
	else
		answer(completion, error, data, length);
}

void lw_completion_finish(struct lw_completion *completion, const struct lw_error *error)
{
	/* No error, said in either way. */
	finish(completion, error && error->domain != LW_DOMAIN_NONE ? error : NULL, NULL, 0);
}

void lw_completion_reply(struct lw_completion *completion, const void *data, size_t length)
{
	finish(completion, NULL, data, length);
}
