/* SPDX-License-Identifier: MIT */
/* Sockets of ended streams, until their last bytes have gone and the peer has read them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/memory.h"
#include "tunnel/stream.h"

/* A socket whose last bytes are on their way. It frees itself. */
struct lingering {
	struct list list;
	struct lw_loop *loop;
	struct loop_source source;
	struct loop_timer deadline;
	uint8_t *data;
	size_t offset, length;
};

static void linger_free(struct lingering *linger)
{
	list_remove(&linger->list);
	loop_remove(&linger->source);
	loop_timer_done(linger->loop, &linger->deadline);
	close_fd(&linger->source.fd);
	free(linger->data);
	free(linger);
}

static void linger_due(struct loop_timer *timer)
{
	linger_free(container_of(timer, struct lingering, deadline));
}

static void linger_send(struct lingering *linger)
{
	ssize_t n = send(linger->source.fd, linger->data + linger->offset,
			 linger->length - linger->offset, MSG_NOSIGNAL);

	if (n > 0)
		linger->offset += (size_t)n;
	if (linger->offset == linger->length || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		shutdown(linger->source.fd, SHUT_WR);
		loop_modify(&linger->source, EPOLLIN);
	}
}

static void linger_event(struct loop_source *source, uint32_t events)
{
	struct lingering *linger = container_of(source, struct lingering, source);
	uint8_t ignored[4096];
	ssize_t n;

	if (events & EPOLLOUT)
		linger_send(linger);
	if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
		return;
	n = recv(source->fd, ignored, sizeof(ignored), 0);
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		linger_free(linger);
}

void lingers_free(struct list *lingers)
{
	list_for_each_safe(node, lingers)
		linger_free(list_entry(node, struct lingering, list));
}

void stream_linger(struct stream *stream, struct lw_loop *loop, struct list *lingers)
{
	struct lingering *linger;

	if (!stream->ops || stream->source.fd < 0)
		return;
	linger = calloc(1, sizeof(*linger));
	if (!linger)
		return; /* the socket is closed at once: the goodbye may be lost, nothing else */
	linger->loop = loop;
	list_append(lingers, &linger->list);
	loop_remove(&stream->source);
	linger->source =
		(struct loop_source){ .fd = take_fd(&stream->source.fd), .function = linger_event };
	if (loop_timer_init(linger->loop, &linger->deadline, linger_due) < 0) {
		linger_free(linger);
		return;
	}
	linger->length = stream->send_length - stream->send_offset;
	if (linger->length)
		linger->data = malloc(linger->length);
	if (linger->data)
		memcpy(linger->data, stream->outward->send + stream->send_offset, linger->length);
	else
		linger->length = 0; /* no memory: the goodbye is lost, nothing else */
	if (loop_add(linger->loop, &linger->source, EPOLLIN | EPOLLOUT) < 0) {
		linger_free(linger);
		return;
	}
	loop_timer_set_in_ms(linger->loop, &linger->deadline, STREAM_LINGER_MS);
}
