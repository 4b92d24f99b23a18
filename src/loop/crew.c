/* SPDX-License-Identifier: MIT */
/* Worker threads that are held while what they share changes. */
#include "loop/crew.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "loop/mailbox.h"
#include "loop/worker.h"

struct crew {
	struct lw_loop *main;
	unsigned n;
	struct worker *others[CREW_MAX - 1];
	unsigned holds;
	bool is_leaving; /* freed while it was held */
	struct mailbox asks;
};

static void serve(struct mailbox *mailbox, struct list *letter)
{
	struct crew *crew = container_of(mailbox, struct crew, asks);
	struct crew_ask *ask = container_of(letter, struct crew_ask, letter);

	crew_hold(crew);
	/* First, so that it may ask again for what it finds left to do. */
	ask->is_asked = false;
	ask->function(ask);
	crew_release(crew);
}

static int start_workers(struct crew *crew, unsigned n)
{
	char name[16];
	int r = mailbox_init(&crew->asks, serve);

	if (r == 0)
		r = mailbox_open(&crew->asks, crew->main);
	while (r == 0 && crew->n < n) {
		snprintf(name, sizeof(name), "packets-%u", crew->n % CREW_MAX);
		r = worker_new_holdable(name, crew->main, crew->n, &crew->others[crew->n - 1]);
		if (r == 0)
			crew->n++;
	}
	return r;
}

int crew_new(struct lw_loop *main, unsigned n, struct crew **ret_crew)
{
	struct crew *crew;
	int r;

	if (n < 1 || n > CREW_MAX)
		return -EINVAL;
	crew = calloc(1, sizeof(*crew));
	if (!crew)
		return -ENOMEM;
	crew->main = main;
	crew->n = 1;
	r = n > 1 ? start_workers(crew, n) : 0;
	if (r < 0) {
		crew_free(crew);
		return r;
	}
	*ret_crew = crew;
	return 0;
}

void crew_free(struct crew *crew)
{
	if (!crew)
		return;
	if (crew->holds) {
		crew->is_leaving = true;
		return;
	}
	for (unsigned i = 1; i < crew->n; i++)
		worker_free(crew->others[i - 1]);
	while (crew->asks.receive && mailbox_take(&crew->asks))
		;
	mailbox_done(&crew->asks);
	free(crew);
}

unsigned crew_size(const struct crew *crew)
{
	return crew ? crew->n : 1;
}

struct lw_loop *crew_loop(struct crew *crew, unsigned worker)
{
	assert(worker < crew->n);
	return worker ? worker_loop(crew->others[worker - 1]) : crew->main;
}

void crew_hold(struct crew *crew)
{
	if (!crew || crew->n == 1)
		return;
	loop_assert_thread(crew->main);
	if (crew->holds++)
		return;
	for (unsigned i = 1; i < crew->n; i++)
		loop_hold(crew_loop(crew, i));
}

void crew_release(struct crew *crew)
{
	if (!crew || crew->n == 1)
		return;
	assert(crew->holds);
	if (--crew->holds)
		return;
	for (unsigned i = crew->n; i-- > 1;)
		loop_release(crew_loop(crew, i));
	if (crew->is_leaving)
		crew_free(crew);
}

void crew_ask(struct crew *crew, struct crew_ask *ask)
{
	if (ask->is_asked)
		return;
	ask->is_asked = true;
	mailbox_put(&crew->asks, &ask->letter);
}

void crew_withdraw(struct crew *crew, struct crew_ask *ask)
{
	if (!crew || !ask->is_asked)
		return;
	mailbox_withdraw(&crew->asks, &ask->letter);
	ask->is_asked = false;
}
