/* SPDX-License-Identifier: MIT */
/* systemd-logind: a delay lock, and the signals around sleep. */
#include "network/logind.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <systemd/sd-bus.h>

#include "base/log.h"
#include "base/memory.h"
#include "network/bus.h"

#define LOGIND_NAME      "org.freedesktop.login1"
#define LOGIND_PATH      "/org/freedesktop/login1"
#define LOGIND_INTERFACE "org.freedesktop.login1.Manager"
#define MATCH_SLEEP                                                 \
	"type='signal',sender='" LOGIND_NAME "',path='" LOGIND_PATH \
	"',interface='" LOGIND_INTERFACE "',member='PrepareForSleep'"
#define MATCH_RESTART                                                               \
	"type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus'," \
	"interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" LOGIND_NAME "'"

struct logind {
	struct bus *bus;
	struct sd_bus *connection; /* NULL: none now */
	const struct logind_ops *ops;
	void *user;
	int lock; /* -1: none */
	bool is_asleep;
};

static int locked(sd_bus_message *reply, void *user, sd_bus_error *error)
{
	struct logind *logind = user;
	int fd;

	(void)error;
	if (sd_bus_message_is_method_error(reply, NULL)) {
		log_debug("logind grants no delay of sleep: %s",
			  sd_bus_message_get_error(reply)->message);
		return 0;
	}
	if (sd_bus_message_read(reply, "h", &fd) < 0)
		return 0;
	close_fd(&logind->lock);
	/* The message's own goes with it. One that came too late would delay a sleep for nothing. */
	if (!logind->is_asleep)
		logind->lock = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return 0;
}

static int ask_for_lock(struct logind *logind)
{
	return sd_bus_call_method_async(logind->connection, NULL, LOGIND_NAME, LOGIND_PATH,
					LOGIND_INTERFACE, "Inhibit", locked, logind, "ssss",
					"sleep", "Longwire", "The tunnel is told", "delay");
}

static void wake(struct logind *logind)
{
	if (!logind->is_asleep)
		return;
	logind->is_asleep = false;
	logind->ops->wake(logind->user);
}

static int sleep_signal(sd_bus_message *signal, void *user, sd_bus_error *error)
{
	struct logind *logind = user;
	int is_before;

	(void)error;
	if (sd_bus_message_read(signal, "b", &is_before) <= 0 || !!is_before == logind->is_asleep)
		return 0;
	if (!is_before) {
		wake(logind);
		return ask_for_lock(logind) < 0 ? -ENOMEM : 0;
	}
	logind->is_asleep = true;
	logind->ops->sleep(logind->user);
	return 0;
}

/* One that was started anew knows of no lock; and nobody will tell of the end of a sleep that the
 * former one began. */
static int owner_changed(sd_bus_message *signal, void *user, sd_bus_error *error)
{
	struct logind *logind = user;
	const char *name, *old, *present;

	(void)error;
	if (sd_bus_message_read(signal, "sss", &name, &old, &present) <= 0)
		return 0;
	close_fd(&logind->lock);
	wake(logind);
	return present[0] ? ask_for_lock(logind) : 0;
}

static int bus_opened(struct sd_bus *bus, void *user)
{
	struct logind *logind = user;
	int r = sd_bus_add_match_async(bus, NULL, MATCH_SLEEP, sleep_signal, NULL, logind);

	logind->connection = bus;
	if (r >= 0)
		r = sd_bus_add_match_async(bus, NULL, MATCH_RESTART, owner_changed, NULL, logind);
	return r < 0 ? r : ask_for_lock(logind);
}

static void bus_lost(void *user)
{
	struct logind *logind = user;

	logind->connection = NULL;
	close_fd(&logind->lock);
	wake(logind);
}

static const struct bus_ops bus_ops = { .opened = bus_opened, .lost = bus_lost };

int logind_new(struct lw_loop *loop, const struct logind_ops *ops, void *user,
	       struct logind **ret_logind)
{
	struct logind *logind = calloc(1, sizeof(*logind));
	int r;

	if (!logind)
		return -ENOMEM;
	logind->ops = ops;
	logind->user = user;
	logind->lock = -1;
	r = bus_new(loop, &bus_ops, logind, &logind->bus);
	if (r < 0) {
		free(logind);
		return r;
	}
	*ret_logind = logind;
	return 0;
}

void logind_may_sleep(struct logind *logind)
{
	if (logind->is_asleep)
		close_fd(&logind->lock);
}

void logind_free(struct logind *logind)
{
	if (!logind)
		return;
	bus_free(logind->bus);
	close_fd(&logind->lock);
	free(logind);
}
