/* SPDX-License-Identifier: MIT */
/*
 * A mailbox: typed messages between two threads (roles), in order.
 *
 * The receiver's loop wakes for it; any thread may put. Letters are embedded in messages that
 * somebody owns: putting gives the message to the receiver. Unlike lw_loop_post() it allocates
 * nothing, and closing it hands back what was never read.
 */
#ifndef LOOP_MAILBOX_H
#define LOOP_MAILBOX_H

#include <pthread.h>

#include "base/list.h"
#include "loop/loop.h"

struct mailbox;
typedef void mailbox_fn(struct mailbox *mailbox, struct list *letter);

struct mailbox {
	pthread_mutex_t lock;
	struct list letters;
	struct loop_source source; /* an eventfd */
	mailbox_fn *receive;
};

/* Before the other side knows of it. receive runs on the loop that mailbox_open is given. */
int mailbox_init(struct mailbox *mailbox, mailbox_fn *receive);
/* On the receiver's thread. */
int mailbox_open(struct mailbox *mailbox, struct lw_loop *loop);
/* On the receiver's thread (or after it ended): no more wake-ups. Idempotent. */
void mailbox_close(struct mailbox *mailbox);
void mailbox_put(struct mailbox *mailbox, struct list *letter);
/* Return: the oldest unread letter, or NULL. For emptying a closed mailbox. */
struct list *mailbox_take(struct mailbox *mailbox);
/* On the receiver's thread: the letter will not be received, if it has not been. Idempotent. */
void mailbox_withdraw(struct mailbox *mailbox, struct list *letter);
void mailbox_done(struct mailbox *mailbox); /* must be empty */

#endif
