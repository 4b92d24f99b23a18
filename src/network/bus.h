/* SPDX-License-Identifier: MIT */
/*
 * The system bus (D-Bus), by libsystemd.
 *
 * Theory of operation. Two kinds of use. A call that must have its answer before anything goes on
 * (settings) opens a connection for itself, with a deadline for all of it, and closes it. Who
 * wants to hear signals has a struct bus: a connection that lives on the loop, is opened again
 * BUS_AGAIN_MS after it was lost or could not be had (there may be no bus at all, which is no
 * error), and tells its owner each time that it is there. Everything of it runs on the loop's
 * thread.
 */
#ifndef NETWORK_BUS_H
#define NETWORK_BUS_H

#include <stddef.h>
#include <stdint.h>

struct bus;
struct lw_loop;
struct sd_bus;

enum { BUS_AGAIN_MS = 5000 };

struct bus_ops {
	/* The connection is there: add matches, make calls. A negative return closes it again. */
	int (*opened)(struct sd_bus *bus, void *user);
	/* It was lost; what belonged to it is gone. */
	void (*lost)(void *user);
};

int bus_new(struct lw_loop *loop, const struct bus_ops *ops, void *user, struct bus **ret_bus);
void bus_free(struct bus *bus);

/* A connection that is ready, or a negative errno after at most timeout_ms. */
int bus_open_now(uint32_t timeout_ms, struct sd_bus **ret_bus);

#endif
