/* SPDX-License-Identifier: MIT */
/* Letters from one thread's loop to another's. */
#include "loop/mailbox.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static void letters_arrived(struct loop_source *source, uint32_t events)
{
	struct mailbox *mailbox = container_of(source, struct mailbox, source);
	uint64_t count;
	struct list *letter;

	(void)events;
	if (read(source->fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		return;
	while ((letter = mailbox_take(mailbox)))
		mailbox->receive(mailbox, letter);
}

int mailbox_init(struct mailbox *mailbox, mailbox_fn *receive)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd < 0)
		return -errno;
	*mailbox = (struct mailbox){
		.source = { .fd = fd, .function = letters_arrived },
		.receive = receive,
	};
	list_init(&mailbox->letters);
	pthread_mutex_init(&mailbox->lock, NULL);
	return 0;
}

int mailbox_open(struct mailbox *mailbox, struct lw_loop *loop)
{
	return loop_add(loop, &mailbox->source, EPOLLIN);
}

void mailbox_close(struct mailbox *mailbox)
{
	loop_remove(&mailbox->source);
}

void mailbox_put(struct mailbox *mailbox, struct list *letter)
{
	static const uint64_t one = 1;

	pthread_mutex_lock(&mailbox->lock);
	list_append(&mailbox->letters, letter);
	pthread_mutex_unlock(&mailbox->lock);
	/* EAGAIN needs 2^64 unread letters; anything else means that the descriptor is not ours. */
	while (write(mailbox->source.fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

struct list *mailbox_take(struct mailbox *mailbox)
{
	struct list *letter = NULL;

	pthread_mutex_lock(&mailbox->lock);
	if (!list_is_empty(&mailbox->letters)) {
		letter = mailbox->letters.next;
		list_remove(letter);
	}
	pthread_mutex_unlock(&mailbox->lock);
	return letter;
}

void mailbox_withdraw(struct mailbox *mailbox, struct list *letter)
{
	pthread_mutex_lock(&mailbox->lock);
	list_remove(letter);
	pthread_mutex_unlock(&mailbox->lock);
}

void mailbox_done(struct mailbox *mailbox)
{
	if (!mailbox->receive)
		return;
	mailbox_close(mailbox);
	close_fd(&mailbox->source.fd);
	pthread_mutex_destroy(&mailbox->lock);
	mailbox->receive = NULL;
}
