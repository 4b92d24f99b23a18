/* SPDX-License-Identifier: MIT */
/* NetworkManager and systemd-networkd over D-Bus. */
#include "network/managers.h"

#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/tree.h"
#include "network/bus.h"

#define NM              "org.freedesktop.NetworkManager"
#define NM_PATH         "/org/freedesktop/NetworkManager"
#define NETWORKD        "org.freedesktop.network1"
#define NETWORKD_PATH   "/org/freedesktop/network1"
#define NM_ACTIVE       NM ".Connection.Active"
#define NETWORKD_OBJECT NETWORKD ".Manager"

enum { PATH_SIZE = 256, NM_STATE_EXTERNAL = 0x80 }; /* NMActivationStateFlags */

static bool runs(sd_bus *bus, const char *name)
{
	sd_bus_message *reply = NULL;
	int has_owner = 0;

	if (sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
			       "org.freedesktop.DBus", "NameHasOwner", NULL, &reply, "s",
			       name) >= 0)
		(void)sd_bus_message_read(reply, "b", &has_owner);
	sd_bus_message_unref(reply);
	return has_owner > 0;
}

/* A text or object path; empty: there is none. */
static void get_text(sd_bus *bus, const char *service, const char *path, const char *interface,
		     const char *property, const char *type, char *text, size_t size)
{
	sd_bus_message *reply = NULL;
	const char *value = NULL;

	text[0] = '\0';
	if (sd_bus_get_property(bus, service, path, interface, property, NULL, &reply, type) >= 0 &&
	    sd_bus_message_read(reply, type, &value) > 0)
		snprintf(text, size, "%s", value);
	sd_bus_message_unref(reply);
}

/* ---- NetworkManager */

static void ask_active(sd_bus *bus, const char *active, struct manager_view *view)
{
	char master[PATH_SIZE];
	uint32_t flags = 0;

	get_text(bus, NM, active, NM_ACTIVE, "Id", "s", view->by, sizeof(view->by));
	(void)sd_bus_get_property_trivial(bus, NM, active, NM_ACTIVE, "StateFlags", NULL, 'u',
					  &flags);
	view->watches = flags & NM_STATE_EXTERNAL;
	get_text(bus, NM, active, NM_ACTIVE, "Master", "o", master, sizeof(master));
	view->enslaves = master[0] && strcmp(master, "/") != 0;
}

static void ask_network_manager(sd_bus *bus, const char *interface, struct manager_view *view)
{
	char active[PATH_SIZE];
	sd_bus_message *reply = NULL;
	const char *device;
	int is_managed = 0;

	view->runs = runs(bus, NM);
	if (view->runs &&
	    sd_bus_call_method(bus, NM, NM_PATH, NM, "GetDeviceByIpIface", NULL, &reply, "s",
			       interface) >= 0 &&
	    sd_bus_message_read(reply, "o", &device) > 0 &&
	    sd_bus_get_property_trivial(bus, NM, device, NM ".Device", "Managed", NULL, 'b',
					&is_managed) >= 0) {
		view->knows = true;
		view->manages = is_managed;
		get_text(bus, NM, device, NM ".Device", "ActiveConnection", "o", active,
			 sizeof(active));
		if (is_managed && active[0] && strcmp(active, "/") != 0)
			ask_active(bus, active, view);
	}
	sd_bus_message_unref(reply);
}

/* ---- systemd-networkd */

/* What networkd tells of a link as JSON, the only place where it names the file. */
static void read_description(const char *text, struct manager_view *view)
{
	const struct tree *file;
	struct tree *tree;

	if (json_parse(text, strlen(text), &tree, NULL) < 0)
		return;
	file = tree_get(tree, "NetworkFile");
	snprintf(view->by, sizeof(view->by), "%s", file && file->text ? file->text : "");
	tree_free(tree);
}

static void ask_networkd(sd_bus *bus, const char *interface, struct manager_view *view)
{
	sd_bus_message *reply = NULL, *described = NULL;
	const char *link, *text;
	char state[32];

	view->runs = runs(bus, NETWORKD);
	if (view->runs &&
	    sd_bus_call_method(bus, NETWORKD, NETWORKD_PATH, NETWORKD_OBJECT, "GetLinkByName", NULL,
			       &reply, "s", interface) >= 0 &&
	    sd_bus_message_read(reply, "io", NULL, &link) > 0) {
		get_text(bus, NETWORKD, link, NETWORKD ".Link", "AdministrativeState", "s", state,
			 sizeof(state));
		view->knows = state[0] != '\0';
		view->manages = state[0] && strcmp(state, "unmanaged") != 0;
		if (view->manages &&
		    sd_bus_call_method(bus, NETWORKD, link, NETWORKD ".Link", "Describe", NULL,
				       &described, "") >= 0 &&
		    sd_bus_message_read(described, "s", &text) > 0)
			read_description(text, view);
	}
	sd_bus_message_unref(described);
	sd_bus_message_unref(reply);
}

void managers_ask(const char *interface, struct managers *ret_managers)
{
	sd_bus *bus;

	*ret_managers = (struct managers){ 0 };
	if (bus_open_now(MANAGERS_TIMEOUT_MS, &bus) < 0)
		return;
	(void)sd_bus_set_method_call_timeout(bus, MANAGERS_TIMEOUT_MS * UINT64_C(1000));
	ask_network_manager(bus, interface, &ret_managers->network_manager);
	ask_networkd(bus, interface, &ret_managers->networkd);
	sd_bus_flush_close_unref(bus);
}
