/* SPDX-License-Identifier: MIT */
/*
 * Completions: one question, one answer, or a watchdog's.
 *
 * Theory of operation. A completion has two holders. The owner made it and learns the answer
 * exactly once: the provider's, or ETIMEDOUT when the watchdog was first. The provider holds it
 * until he finishes it, however late: it is his duty, also after the watchdog, after the end of the
 * tunnel and after lw_connection_free(), and until then the memory is there. It goes when the owner
 * has let go and the provider has finished; what a provider never finishes goes with the loop. So
 * that a second finish is found out while its memory still exists, owners do not let go of a
 * finished completion at once, but keep it in a small drawer until others push it out.
 */
#ifndef PROVIDER_COMPLETION_H
#define PROVIDER_COMPLETION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <longwire/provider.h>

/* error: NULL for success. Runs in the provider's call of finish, or in the watchdog. */
typedef void completion_fn(void *owner, const struct lw_error *error, const void *data,
			   size_t length);

/* what: for the watchdog's sentence and for the log ("start"); a literal. */
int completion_new(struct lw_loop *loop, const char *what, completion_fn *answered, void *owner,
		   struct lw_completion **ret_completion);
/* The provider gets it now. timeout_ms UINT32_MAX: no watchdog. */
void completion_issue(struct lw_completion *completion, uint32_t timeout_ms);
/* Nothing is waited for any more; the owner is still told of an answer. */
void completion_disarm(struct lw_completion *completion);
bool completion_is_finished(const struct lw_completion *completion);
/* The owner is never called again. Accepts NULL. */
void completion_let_go(struct lw_completion *completion);

enum { COMPLETION_DRAWER_SIZE = 16 };

struct completion_drawer {
	struct lw_completion *completions[COMPLETION_DRAWER_SIZE];
	unsigned next;
};

/* Keep a finished one for a while, let go of an unfinished one. The owner is not called again.
 * Accepts NULL. */
void completion_retire(struct completion_drawer *drawer, struct lw_completion *completion);
void completion_drawer_empty(struct completion_drawer *drawer);

#endif
