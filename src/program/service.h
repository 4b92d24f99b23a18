/* SPDX-License-Identifier: MIT */
/*
 * What a running hub and a running tunnel have in common: a loop, signals, a name with its lock and
 * control socket, captures, a tick once a second, and an orderly end.
 *
 * The verbs status, observe, capture-flush and stop of the control socket are answered here; a hub
 * and a tunnel add their own with control_add_verbs(service.control, …).
 *
 * service_open() comes before anything is changed on the machine and refuses a name that runs
 * already. SIGTERM, SIGINT and the control verb stop call ops->stop, which begins to end and calls
 * service_end() when that is done; a second signal ends at once. Either way service_run() returns
 * to its caller, who takes back everything he made.
 */
#ifndef PROGRAM_SERVICE_H
#define PROGRAM_SERVICE_H

#include <stdbool.h>
#include <stdint.h>

#include <longwire/loop.h>
#include <longwire/provider.h>

#include "base/address.h"
#include "loop/loop.h"
#include "network/network.h"
#include "program/attachments.h"
#include "program/captures.h"
#include "program/control.h"
#include "program/instance.h"
#include "program/links.h"
#include "program/replays.h"
#include "program/report.h"

struct arguments;
struct item_list;
struct lw_error;
struct signals;

struct service_ops {
	/* Fill in what only a hub or a tunnel knows; pointers must stay valid until the next call.
	 * 0 or -ENOMEM. */
	int (*report)(void *user, struct report *report);
	/* Begin to end in order. */
	void (*stop)(void *user);
	/* Once a second. */
	void (*tick)(void *user);
	/* A capture that somebody attaches. 0 or a negative errno. */
	int (*attach)(void *user, struct lw_capture *capture);
};

enum { SERVICE_ADDRESSES_MAX = 16 };

struct service {
	struct lw_loop *loop;
	struct signals *signals;
	struct instance *instance;
	struct control *control;
	struct captures captures;
	struct replays replays;
	struct links links; /* set by the hub or tunnel once it is made */
	struct attachments attachments;
	struct report_capture capture_reports[CAPTURES_MAX + ATTACHMENTS_MAX];
	struct network_link link; /* of the interface, as reported last */
	char address_texts[SERVICE_ADDRESSES_MAX][IP_PREFIX_TEXT_SIZE];
	const char *addresses[SERVICE_ADDRESSES_MAX];
	struct loop_timer tick;
	const struct service_ops *ops;
	void *user;
	enum lw_layer layer;
	const char *key_log; /* the file; NULL: none */
	char name[INSTANCE_NAME_SIZE];
	int64_t started;
	bool is_stopping;
	enum lw_stop_reason stop_reason; /* when stopping: who asks may say why */
	bool is_by_user; /* who ended it: somebody at the terminal or at the control socket, not a
			    service manager, which sends SIGTERM also to start it anew */
	int exit_status; /* enum program_exit */
};

/* The log to standard error, and privileges_harden. First of all. */
void service_prepare(const struct arguments *arguments);
/* words[0] is the file. Zeroed service, but for its layer. Return: 0, or a negative errno with a sentence;
 * service_close in both cases. */
int service_open(struct service *service, const struct arguments *arguments,
		 const struct service_ops *ops, void *user, struct lw_error *ret_error);
/* Return: the exit status. */
int service_run(struct service *service);
/* End the run with a status, unless a worse one was given before. */
void service_end(struct service *service, int exit_status);
/* Tell observers, and the service manager: text is "2 of 3 clients connected". */
void service_changed(struct service *service, const char *text);
void service_ready(const char *text);
/* End every stream of events, before what they tell of goes. Idempotent; service_close does it too. */
void service_hang_up(struct service *service);
void service_close(struct service *service);
/* After a failure, say where to look further, unless this was not to be started at all. */
void service_name_doctor(const struct service *service, const char *file);
/* What the kernel says of the interface called name (NULL: there is none), into the report. */
void service_report_interface(struct service *service, const char *name, struct report *report);

/* Where secrets go from now on (NULL: nowhere): said in the log, and in every report. */
void service_warn_key_log(struct service *service, const char *file);

/* Bytes a second, measured at the tick. */
struct service_rate {
	uint64_t last, per_second;
};

void service_measure(struct service_rate *rate, uint64_t total);

#endif
