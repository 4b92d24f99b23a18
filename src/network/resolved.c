/* SPDX-License-Identifier: MIT */
/* systemd-resolved over D-Bus. */
#include "network/resolved.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>

#include "base/dns_settings.h"
#include "base/log.h"
#include "base/memory.h"
#include "network/bus.h"
#include "network/fault.h"

#define RESOLVED_NAME      "org.freedesktop.resolve1"
#define RESOLVED_PATH      "/org/freedesktop/resolve1"
#define RESOLVED_INTERFACE "org.freedesktop.resolve1.Manager"
#define MATCH_RESTART                                                               \
	"type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus'," \
	"interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" RESOLVED_NAME "'"

/* A conversation: all its calls together have RESOLVED_BUDGET_MS. */
struct talk {
	sd_bus *bus;
	uint64_t deadline_us;
};

static uint64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int talk_begin(struct talk *talk)
{
	talk->deadline_us = now_us() + RESOLVED_BUDGET_MS * UINT64_C(1000);
	return bus_open_now(RESOLVED_BUDGET_MS, &talk->bus);
}

static void talk_end(struct talk *talk)
{
	sd_bus_close_unref(talk->bus);
}

/*
 * What was said without waiting is done later, and only for who is there then: resolved asks the bus
 * who it was. So the last such connection stays until there is another.
 */
static void talk_leave(struct talk *talk)
{
	static sd_bus *left;

	sd_bus_close_unref(left);
	left = talk->bus;
}

static int talk_call(struct talk *talk, sd_bus_message *call, sd_bus_error *error,
		     sd_bus_message **ret_reply)
{
	uint64_t now = now_us();

	/* 0 would mean the library's own limit. */
	return now < talk->deadline_us
		       ? sd_bus_call(talk->bus, call, talk->deadline_us - now, error, ret_reply)
		       : -ETIMEDOUT;
}

static bool has_name(struct talk *talk, const char *method)
{
	sd_bus_message *call = NULL, *reply = NULL;
	const char *name;
	bool is_there = false;

	if (sd_bus_message_new_method_call(talk->bus, &call, "org.freedesktop.DBus",
					   "/org/freedesktop/DBus", "org.freedesktop.DBus",
					   method) >= 0 &&
	    talk_call(talk, call, NULL, &reply) >= 0 &&
	    sd_bus_message_enter_container(reply, 'a', "s") > 0)
		while (!is_there && sd_bus_message_read(reply, "s", &name) > 0)
			is_there = strcmp(name, RESOLVED_NAME) == 0;
	sd_bus_message_unref(call);
	sd_bus_message_unref(reply);
	return is_there;
}

bool resolved_is_there(void)
{
	struct talk talk;
	bool is_there;

	if (talk_begin(&talk) < 0)
		return false;
	/* One that is only just starting, or is started when it is asked, is there as well. */
	is_there = has_name(&talk, "ListNames") || has_name(&talk, "ListActivatableNames");
	talk_end(&talk);
	return is_there;
}

static int add_servers(sd_bus_message *call, const struct dns_settings *dns)
{
	int r = sd_bus_message_open_container(call, 'a', "(iayqs)");

	for (size_t i = 0; r >= 0 && i < dns->n_servers; i++) {
		const struct ip_address *server = &dns->servers[i];

		r = sd_bus_message_open_container(call, 'r', "iayqs");
		if (r >= 0)
			r = sd_bus_message_append(call, "i", (int)server->family);
		if (r >= 0)
			r = sd_bus_message_append_array(call, 'y', server->bytes,
							ip_address_bits(server) / 8U);
		/* Port 0: that of the protocol. */
		if (r >= 0)
			r = sd_bus_message_append(call, "qs", 0, dns->server_name);
		if (r >= 0)
			r = sd_bus_message_close_container(call);
	}
	return r < 0 ? r : sd_bus_message_close_container(call);
}

static int add_domain_list(sd_bus_message *call, const struct domain_list *list, bool is_route_only,
			   const struct domain_list *but)
{
	int r = 0;

	for (size_t i = 0; r >= 0 && i < list->n; i++) {
		bool is_there_already = false;

		for (size_t k = 0; but && k < but->n; k++)
			is_there_already |= strcmp(but->items[k], list->items[i]) == 0;
		if (!is_there_already)
			r = sd_bus_message_append(call, "(sb)", list->items[i], is_route_only);
	}
	return r;
}

static int add_domains(sd_bus_message *call, const struct dns_settings *dns, bool is_full)
{
	int r = sd_bus_message_open_container(call, 'a', "(sb)");

	if (r >= 0)
		r = add_domain_list(call, &dns->search, false, NULL);
	/* In a full tunnel every name is theirs; what may be searched still is. */
	if (r >= 0 && !(is_full && dns->match_no_search))
		r = add_domain_list(call, &dns->match, dns->match_no_search, &dns->search);
	if (r >= 0 && is_full)
		r = sd_bus_message_append(call, "(sb)", ".", true);
	return r < 0 ? r : sd_bus_message_close_container(call);
}

/* What is to be said of the link: what a method takes after its index. */
struct wish {
	const struct dns_settings *dns;
	bool is_full;
};

static int add_wish(sd_bus_message *call, const char *method, const struct wish *wish)
{
	if (!strcmp(method, "SetLinkDNSEx"))
		return add_servers(call, wish->dns);
	if (!strcmp(method, "SetLinkDomains"))
		return add_domains(call, wish->dns, wish->is_full);
	if (!strcmp(method, "SetLinkDefaultRoute"))
		return sd_bus_message_append(call, "b", wish->is_full);
	if (!strcmp(method, "SetLinkDNSOverTLS"))
		return sd_bus_message_append(call, "s",
					     wish->dns->protocol == LW_DNS_TLS ? "yes" : "");
	return 0;
}

static int errno_of(const sd_bus_error *error, int result)
{
	if (sd_bus_error_has_name(error, "org.freedesktop.resolve1.NoSuchLink") ||
	    sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
	    sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
		return -ENODEV;
	if (sd_bus_error_has_name(error, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED) ||
	    sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED))
		return -EACCES;
	return result;
}

/* wish NULL: the method takes nothing but the index. */
static int make_call(sd_bus *bus, const char *method, int index, const struct wish *wish,
		     sd_bus_message **ret_call)
{
	sd_bus_message *call = NULL;
	int r = sd_bus_message_new_method_call(bus, &call, RESOLVED_NAME, RESOLVED_PATH,
					       RESOLVED_INTERFACE, method);

	if (r >= 0)
		r = sd_bus_message_append(call, "i", index);
	if (r >= 0 && wish)
		r = add_wish(call, method, wish);
	if (r < 0)
		sd_bus_message_unref(call);
	else
		*ret_call = call;
	return r;
}

static int call_resolved(struct talk *talk, const char *method, int index, const struct wish *wish,
			 char detail[DNS_DETAIL_SIZE])
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *call = NULL;
	int r = fault_check();

	if (r == 0)
		r = make_call(talk->bus, method, index, wish, &call);
	if (r >= 0)
		r = talk_call(talk, call, &error, NULL);
	if (r < 0) {
		r = errno_of(&error, r);
		snprintf(detail, DNS_DETAIL_SIZE, "systemd-resolved, %s: %s", method,
			 error.message ? error.message : strerror(-r));
	}
	sd_bus_error_free(&error);
	sd_bus_message_unref(call);
	return r < 0 ? r : 0;
}

/* Said, not asked: it does so when it gets to it. */
static void tell_resolved(struct talk *talk, const char *method, int index, const struct wish *wish)
{
	sd_bus_message *call = NULL;

	if (fault_check() < 0 || make_call(talk->bus, method, index, wish, &call) < 0)
		return;
	if (sd_bus_message_set_expect_reply(call, false) >= 0)
		(void)sd_bus_send(talk->bus, call, NULL);
	sd_bus_message_unref(call);
}

/* Domains and the default route first would send names to servers that are not there. */
static const char *const methods[] = { "SetLinkDNSOverTLS", "SetLinkDNSEx", "SetLinkDefaultRoute",
				       "SetLinkDomains" };

int resolved_apply(int index, const struct dns_settings *dns, bool is_full,
		   char detail[DNS_DETAIL_SIZE])
{
	const struct wish wish = { dns, is_full };
	struct talk talk;
	int r = talk_begin(&talk);

	if (r < 0) {
		snprintf(detail, DNS_DETAIL_SIZE, "the system bus: %s", strerror(-r));
		return r;
	}
	for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(methods); i++)
		r = call_resolved(&talk, methods[i], index, &wish, detail);
	if (r >= 0) {
		talk_end(&talk);
		return 0;
	}
	/* Not waited for: who does not answer still has the calls before this one to do. */
	tell_resolved(&talk, "RevertLink", index, NULL);
	talk_leave(&talk);
	return r;
}

void resolved_tell(int index, const struct dns_settings *dns, bool is_full)
{
	const struct wish wish = { dns, is_full };
	struct talk talk;

	if (talk_begin(&talk) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		tell_resolved(&talk, methods[i], index, &wish);
	talk_leave(&talk);
}

int resolved_revert(int index, char detail[DNS_DETAIL_SIZE])
{
	struct talk talk;
	int r = talk_begin(&talk);

	if (r < 0) {
		snprintf(detail, DNS_DETAIL_SIZE, "the system bus: %s", strerror(-r));
		return r;
	}
	r = call_resolved(&talk, "RevertLink", index, NULL, detail);
	talk_end(&talk);
	return r;
}

/* ---- restarts */

struct resolved_watch {
	struct bus *bus;
	void (*restarted)(void *user);
	void *user;
	bool was_lost; /* the bus, and with it perhaps a signal */
};

static int owner_changed(sd_bus_message *signal, void *user, sd_bus_error *error)
{
	struct resolved_watch *watch = user;
	const char *name, *old, *present;

	(void)error;
	if (sd_bus_message_read(signal, "sss", &name, &old, &present) > 0 && present[0])
		watch->restarted(watch->user);
	return 0;
}

static int bus_opened(sd_bus *bus, void *user)
{
	struct resolved_watch *watch = user;
	int r = sd_bus_add_match_async(bus, NULL, MATCH_RESTART, owner_changed, NULL, watch);

	if (r >= 0 && watch->was_lost)
		watch->restarted(watch->user);
	watch->was_lost = false;
	return r;
}

static void bus_lost(void *user)
{
	struct resolved_watch *watch = user;

	watch->was_lost = true;
}

static const struct bus_ops watch_ops = { .opened = bus_opened, .lost = bus_lost };

int resolved_watch_new(struct lw_loop *loop, void (*restarted)(void *user), void *user,
		       struct resolved_watch **ret_watch)
{
	struct resolved_watch *watch = calloc(1, sizeof(*watch));
	int r;

	if (!watch)
		return -ENOMEM;
	watch->restarted = restarted;
	watch->user = user;
	r = bus_new(loop, &watch_ops, watch, &watch->bus);
	if (r < 0) {
		free(watch);
		return r;
	}
	*ret_watch = watch;
	return 0;
}

void resolved_watch_free(struct resolved_watch *watch)
{
	if (!watch)
		return;
	bus_free(watch->bus);
	free(watch);
}
