/* SPDX-License-Identifier: MIT */
/* What a running hub and a running tunnel have in common. */
#include "program/service.h"

#include <errno.h>
#include <ifaddrs.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/tree.h"
#include "loop/signals.h"
#include "program/command.h"
#include "program/notify.h"
#include "program/privileges.h"
#include "program/recorders.h"

enum { TICK_MS = 1000 };

void service_prepare(const struct arguments *arguments)
{
	/* The journal reads priorities; a terminal shows words. */
	void *is_journal = getenv("JOURNAL_STREAM") ? &is_journal : NULL;

	log_set_sink(log_to_stderr, (enum log_level)arguments->log_level, is_journal);
	privileges_harden();
}

static void begin_stop(struct service *service)
{
	if (service->is_stopping)
		return;
	service->is_stopping = true;
	notify_state("STOPPING=1");
	service->ops->stop(service->user);
}

static void on_signal(int number, void *user)
{
	struct service *service = user;

	if (number == SIGHUP) {
		/* Often sent to mean that files changed, and by a terminal that went away: neither
		 * is a reason to end. */
		log_info("signal HUP: nothing is read again; start anew for that");
		return;
	}
	log_info("%s on signal %s", service->is_stopping ? "ending at once" : "ending",
		 sigabbrev_np(number));
	service->is_by_user |= number == SIGINT;
	if (service->is_stopping)
		lw_loop_stop(service->loop);
	else
		begin_stop(service);
}

static void on_tick(struct loop_timer *timer)
{
	struct service *service = container_of(timer, struct service, tick);

	loop_timer_set_in_ms(service->loop, timer, TICK_MS);
	captures_check(&service->captures);
	service->ops->tick(service->user);
}

static void report_captures(struct service *service, struct report *report)
{
	for (size_t i = 0; i < service->captures.n; i++) {
		struct report_capture *capture = &service->capture_reports[i];

		capture->file = service->captures.items[i].file;
		capture->counters.size = sizeof(capture->counters);
		lw_capture_counters(service->captures.items[i].capture, &capture->counters);
	}
	report->captures = service->capture_reports;
	report->n_captures = service->captures.n;
	report->n_captures +=
		attachments_report(&service->attachments,
				   service->capture_reports + report->n_captures, ATTACHMENTS_MAX);
}

/* The prefix of an interface's address, or a negative errno for other kinds of address. */
static int prefix_of(const struct ifaddrs *entry, struct ip_prefix *ret_prefix)
{
	struct ip_address mask = { 0 };
	int r;

	if (!entry->ifa_addr || !entry->ifa_netmask)
		return -EAFNOSUPPORT;
	r = ip_address_of_sockaddr(entry->ifa_addr, &ret_prefix->address);
	if (r == 0)
		r = ip_address_of_sockaddr(entry->ifa_netmask, &mask);
	if (r < 0)
		return r;
	ret_prefix->length = 0;
	for (unsigned i = 0; i < ip_address_bits(&mask) / 8u; i++)
		ret_prefix->length += (uint8_t)__builtin_popcount(mask.bytes[i]);
	return 0;
}

static size_t list_addresses(struct service *service, const char *name)
{
	struct ifaddrs *all, *entry;
	size_t n = 0;

	if (getifaddrs(&all) < 0)
		return 0;
	for (entry = all; entry && n < SERVICE_ADDRESSES_MAX; entry = entry->ifa_next) {
		struct ip_prefix prefix;

		if (strcmp(entry->ifa_name, name) != 0 || prefix_of(entry, &prefix) < 0)
			continue;
		service->addresses[n] = ip_prefix_format(&prefix, service->address_texts[n]);
		n++;
	}
	freeifaddrs(all);
	return n;
}

void service_report_interface(struct service *service, const char *name, struct report *report)
{
	report->interface_name = name;
	if (!name || network_link_get(name, &service->link, NULL) < 0)
		return;
	report->interface = &service->link;
	report->n_addresses = list_addresses(service, name);
	report->addresses = service->addresses;
}

void service_warn_key_log(struct service *service, const char *file)
{
	service->key_log = file;
	if (file)
		log_warning("key log: %s gets the secrets of every connection; who reads it can "
			    "decrypt them all",
			    file);
}

static int control_status(void *user, struct tree **ret_status)
{
	struct service *service = user;
	struct report report = {
		.name = service->name,
		.pid = getpid(),
		.started = service->started,
	};
	int r = service->ops->report(service->user, &report);
	struct tree *status = NULL;

	if (r < 0)
		return r;
	if (service->is_stopping)
		report.state = "stopping";
	report.key_log.file = service->key_log;
	report_captures(service, &report);
	r = report_build(&report, &status);
	if (r == 0)
		r = links_report(&service->links, NULL, status);
	if (r < 0) {
		tree_free(status);
		return r;
	}
	*ret_status = status;
	return 0;
}

static void do_flush(struct control_call *call, const struct tree *request, void *user)
{
	struct service *service = user;
	int r = captures_flush(&service->captures);

	(void)request;
	if (r < 0)
		control_refuse(call, "%s", strerror(-r));
	else
		control_reply(call, NULL, NULL);
}

/* {"verb":"stop"} or with a "reason", one of the model's. Return: false for another one. */
static bool read_reason(const struct tree *request, enum lw_stop_reason *ret_reason)
{
	const char *name = tree_get_text(request, "reason");

	if (!tree_get(request, "reason")) {
		*ret_reason = LW_STOP_USER_INITIATED;
		return true;
	}
	for (int reason = 0; name && reason <= LW_STOP_INTERNAL_ERROR; reason++) {
		if (strcmp(name, lw_stop_reason_name((enum lw_stop_reason)reason)) != 0)
			continue;
		*ret_reason = (enum lw_stop_reason)reason;
		return true;
	}
	return false;
}

static void refuse_reason(struct control_call *call)
{
	char text[LW_ERROR_TEXT_SIZE] = "no such reason; known are ";
	size_t length = strlen(text);

	for (int reason = 0; reason <= LW_STOP_INTERNAL_ERROR && length < sizeof(text); reason++)
		length += (size_t)snprintf(text + length, sizeof(text) - length, "%s%s",
					   reason ? ", " : "",
					   lw_stop_reason_name((enum lw_stop_reason)reason));
	control_refuse(call, "%s", text);
}

static void do_stop(struct control_call *call, const struct tree *request, void *user)
{
	struct service *service = user;
	enum lw_stop_reason reason;

	if (!read_reason(request, &reason)) {
		refuse_reason(call);
		return;
	}
	control_reply(call, NULL, NULL);
	log_info("ending: asked to by the control socket (%s)", lw_stop_reason_name(reason));
	if (!service->is_stopping)
		service->stop_reason = reason;
	service->is_by_user |= reason == LW_STOP_USER_INITIATED;
	begin_stop(service);
}

static int attach(void *user, struct lw_capture *capture)
{
	struct service *service = user;

	return service->ops->attach(service->user, capture);
}

static const struct attachments_ops attachments_ops = { .attach = attach };

static const struct control_verb service_verbs[] = {
	{ .name = "capture-flush", .run = do_flush },
	{ .name = "stop", .run = do_stop },
};

static int open_loop(struct service *service, struct lw_error *error)
{
	static const int numbers[] = { SIGTERM, SIGINT, SIGHUP, 0 };
	int r = lw_loop_new(NULL, &service->loop);

	if (r == 0)
		r = signals_new(service->loop, numbers, on_signal, service, &service->signals);
	if (r == 0)
		r = loop_timer_init(service->loop, &service->tick, on_tick);
	return r < 0 ? error_errno(error, -r, "event loop") : 0;
}

int service_open(struct service *service, const struct arguments *arguments,
		 const struct service_ops *ops, void *user, struct lw_error *ret_error)
{
	struct instance_roots roots;
	int r;

	service->ops = ops;
	service->user = user;
	service->started = time(NULL);
	service->stop_reason = LW_STOP_USER_INITIATED;
	r = instance_name(arguments->words[0], arguments->name, service->name, ret_error);
	if (r < 0)
		return r;
	r = open_loop(service, ret_error);
	if (r < 0)
		return r;
	instance_roots_default(&roots);
	r = instance_open(&roots, service->name, &service->instance, ret_error);
	if (r < 0)
		return r;
	r = control_new(service->loop, instance_socket(service->instance), control_status, service,
			&service->control, ret_error);
	if (r < 0)
		return r;
	r = control_add_verbs(service->control, service_verbs, ARRAY_SIZE(service_verbs), service);
	if (r == 0)
		r = control_add_verbs(service->control, link_verbs, n_link_verbs, &service->links);
	if (r == 0)
		r = control_add_verbs(service->control, recorder_verbs, n_recorder_verbs,
				      &service->captures);
	if (r == 0)
		r = attachments_init(&service->attachments, service->loop, service->control,
				     service->layer, &attachments_ops, service);
	service->replays.links = &service->links;
	if (r == 0)
		r = control_add_verbs(service->control, replay_verbs, n_replay_verbs,
				      &service->replays);
	return r < 0 ? error_errno(ret_error, -r, "control socket") : 0;
}

int service_run(struct service *service)
{
	int r;

	loop_timer_set_in_ms(service->loop, &service->tick, TICK_MS);
	r = lw_loop_run(service->loop);
	if (r < 0) {
		log_error("event loop: %s", strerror(-r));
		service->exit_status = PROGRAM_FAILED;
	}
	return service->exit_status;
}

void service_end(struct service *service, int exit_status)
{
	service->is_stopping = true;
	service->exit_status = MAX(service->exit_status, exit_status);
	lw_loop_stop(service->loop);
}

void service_changed(struct service *service, const char *text)
{
	char state[256];

	snprintf(state, sizeof(state), "STATUS=%s", text);
	notify_state(state);
	control_publish(service->control);
}

void service_ready(const char *text)
{
	char state[256];

	snprintf(state, sizeof(state), "READY=1\nSTATUS=%s", text);
	notify_state(state);
}

void service_hang_up(struct service *service)
{
	attachments_done(&service->attachments);
	control_free(take_pointer(service->control));
}

void service_close(struct service *service)
{
	service_hang_up(service);
	captures_close(&service->captures);
	instance_close(take_pointer(service->instance));
	if (service->loop)
		loop_timer_done(service->loop, &service->tick);
	signals_free(take_pointer(service->signals));
	lw_loop_free(take_pointer(service->loop));
}

void service_name_doctor(const struct service *service, const char *file)
{
	/* Of another instance of that name the error has said all. */
	if (service->instance)
		log_info("'longwire doctor %s' looks for what is in the way", file);
}

void service_measure(struct service_rate *rate, uint64_t total)
{
	rate->per_second = total > rate->last ? total - rate->last : 0;
	rate->last = total;
}
