/* SPDX-License-Identifier: MIT */
/* The system bus on the loop, and for one call. */
#include "network/bus.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "base/log.h"
#include "base/memory.h"
#include "loop/loop.h"

struct bus {
	struct lw_loop *loop;
	const struct bus_ops *ops;
	void *user;
	sd_bus *connection; /* NULL: none now */
	struct loop_source source;
	struct loop_timer timer; /* without a connection: open it again; with one: its own */
};

static uint64_t monotonic_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- for one call */

int bus_open_now(uint32_t timeout_ms, sd_bus **ret_bus)
{
	uint64_t deadline = monotonic_us() + timeout_ms * UINT64_C(1000), now;
	sd_bus *bus = NULL;
	int r = sd_bus_open_system(&bus);

	/* A call would wait for the bus to say hello for as long as it likes. */
	while (r >= 0 && (r = sd_bus_is_ready(bus)) == 0) {
		r = sd_bus_process(bus, NULL);
		now = monotonic_us();
		if (r == 0 && now >= deadline)
			r = -ETIMEDOUT;
		else if (r == 0)
			r = sd_bus_wait(bus, deadline - now);
	}
	if (r < 0) {
		sd_bus_close_unref(bus);
		return r;
	}
	*ret_bus = bus;
	return 0;
}

/* ---- on the loop */

static void close_connection(struct bus *bus)
{
	loop_remove(&bus->source);
	loop_timer_cancel(&bus->timer);
	sd_bus_close_unref(take_pointer(bus->connection));
}

static void lost(struct bus *bus, int error)
{
	log_debug("the system bus was lost: %s", strerror(-error));
	close_connection(bus);
	loop_timer_set_in_ms(bus->loop, &bus->timer, BUS_AGAIN_MS);
	bus->ops->lost(bus->user);
}

static void await(struct bus *bus)
{
	uint64_t due_us, now_us = monotonic_us();
	int events = sd_bus_get_events(bus->connection); /* POLLIN and POLLOUT are EPOLLIN and … */

	loop_modify(&bus->source, (uint32_t)MAX(events, 0) | EPOLLIN);
	if (sd_bus_get_timeout(bus->connection, &due_us) < 0 || due_us == UINT64_MAX)
		loop_timer_cancel(&bus->timer);
	else
		loop_timer_set_in_ms(bus->loop, &bus->timer,
				     due_us > now_us ? (due_us - now_us) / 1000 + 1 : 0);
}

static void process(struct bus *bus)
{
	sd_bus *connection = bus->connection;
	int r;

	do
		r = sd_bus_process(connection, NULL);
	while (r > 0 && bus->connection == connection);
	if (bus->connection != connection)
		return;
	if (r < 0)
		lost(bus, r);
	else
		await(bus);
}

static void bus_event(struct loop_source *source, uint32_t events)
{
	(void)events;
	process(container_of(source, struct bus, source));
}

static void open_connection(struct bus *bus)
{
	int r = sd_bus_open_system(&bus->connection);

	if (r >= 0) {
		bus->source.fd = sd_bus_get_fd(bus->connection);
		r = bus->source.fd < 0 ? bus->source.fd
				       : loop_add(bus->loop, &bus->source, EPOLLIN);
	}
	/* What is asked before the bus has said hello is sent behind it. */
	if (r >= 0)
		r = bus->ops->opened(bus->connection, bus->user);
	if (r >= 0) {
		process(bus);
		return;
	}
	close_connection(bus);
	loop_timer_set_in_ms(bus->loop, &bus->timer, BUS_AGAIN_MS);
}

static void timer_due(struct loop_timer *timer)
{
	struct bus *bus = container_of(timer, struct bus, timer);

	if (bus->connection)
		process(bus);
	else
		open_connection(bus);
}

int bus_new(struct lw_loop *loop, const struct bus_ops *ops, void *user, struct bus **ret_bus)
{
	struct bus *bus = calloc(1, sizeof(*bus));
	int r;

	if (!bus)
		return -ENOMEM;
	bus->loop = loop;
	bus->ops = ops;
	bus->user = user;
	bus->source.function = bus_event;
	r = loop_timer_init(loop, &bus->timer, timer_due);
	if (r < 0) {
		free(bus);
		return r;
	}
	open_connection(bus);
	*ret_bus = bus;
	return 0;
}

void bus_free(struct bus *bus)
{
	if (!bus)
		return;
	close_connection(bus);
	loop_timer_done(bus->loop, &bus->timer);
	free(bus);
}
