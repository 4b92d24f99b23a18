/* SPDX-License-Identifier: MIT */
/*
 * longwire extcap: Wireshark's external captures, so that each running instance is an interface.
 *
 * Theory of operation. Wireshark runs every program of its extcap folder and asks it in turn for
 * interfaces, link types and options (sentences on standard output, see extcap(4)); to capture it
 * gives the program a FIFO. A link to this program in that folder is all that has to be installed:
 * it is recognised by the options. An interface is called longwire-NAME; what is captured goes from
 * the instance straight into the FIFO, as with longwire capture.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <longwire/error.h>
#include <longwire/packet.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/tree.h"
#include "program/ask.h"
#include "program/capture_client.h"
#include "program/command.h"
#include "program/control_client.h"

#define PREFIX "longwire-"

enum { DLT_ETHERNET = 1, DLT_RAW_IP = 101 };

/* ---- sentences */

static int list_interfaces(void)
{
	struct instance_found *found = calloc(INSTANCE_LIST_MAX, sizeof(*found));
	struct instance_roots roots;
	size_t n, hidden;

	if (!found)
		return command_fail(PROGRAM_FAILED, "no memory");
	instance_roots_default(&roots);
	n = instance_list(&roots, found, INSTANCE_LIST_MAX, &hidden);
	printf("extcap {version=%s}{display=Longwire}\n", lw_version());
	for (size_t i = 0; i < n; i++)
		printf("interface {value=" PREFIX "%s}{display=Longwire: %s}\n", found[i].name,
		       found[i].name);
	free(found);
	return PROGRAM_DONE;
}

static void list_link_type(const struct tree *status)
{
	const char *layer = tree_get_text(status, "layer");

	if (layer && strcmp(layer, "ip") == 0)
		printf("dlt {number=%d}{name=RAW}{display=Raw IP}\n", DLT_RAW_IP);
	else
		printf("dlt {number=%d}{name=EN10MB}{display=Ethernet}\n", DLT_ETHERNET);
}

static void list_points(unsigned number)
{
	static const struct {
		const char *value, *display;
		bool is_standard;
	} points[] = {
		{ "device-in", "Read from the interface", true },
		{ "device-out", "Given to the interface", true },
		{ "session-in", "From a peer, after opening", false },
		{ "session-out", "To a peer, before sealing", false },
		{ "drop", "Dropped, anywhere", false },
	};

	printf("arg {number=%u}{call=--point}{display=Points}{type=multicheck}"
	       "{tooltip=Where on the path packets are seen}\n",
	       number);
	for (size_t i = 0; i < ARRAY_SIZE(points); i++)
		printf("value {arg=%u}{value=%s}{display=%s}{enabled=true}{default=%s}\n", number,
		       points[i].value, points[i].display,
		       points[i].is_standard ? "true" : "false");
}

/* Names are letters, digits, dots and dashes: nothing that a sentence would have to escape. */
static void list_ports(unsigned number, const char *call, const char *display, const char *tooltip,
		       const struct tree *ports, bool has_device)
{
	printf("arg {number=%u}{call=--%s}{display=%s}{type=multicheck}{tooltip=%s}\n", number,
	       call, display, tooltip);
	for_each_child(port, ports) {
		const char *name = tree_get_text(port, "name");
		const char *device = tree_get_text(port, "device");

		if (name && (has_device || !device || strcmp(device, "true") != 0))
			printf("value {arg=%u}{value=%s}{display=%s}{enabled=true}{default=false}\n",
			       number, name, name);
	}
}

static void list_reasons(unsigned number)
{
	printf("arg {number=%u}{call=--reason}{display=Reasons of drops}{type=multicheck}"
	       "{tooltip=Of what is dropped only this; all if none is chosen}\n",
	       number);
	for (unsigned i = LW_DROP_NONE + 1; i < LW_DROP_COUNT; i++)
		printf("value {arg=%u}{value=%s}{display=%s}{enabled=true}{default=false}\n",
		       number, lw_drop_name(i), lw_drop_name(i));
}

static void list_options(const struct tree *status)
{
	const struct tree *ports = tree_get(status, "ports");
	unsigned number = 0;

	list_points(number++);
	if (ports) {
		list_ports(number++, "port", "Ports", "Only at these ports; all if none is chosen",
			   ports, true);
		list_ports(number++, "peer", "Peers", "Only of these peers; all if none is chosen",
			   ports, false);
	}
	list_reasons(number++);
	printf("arg {number=%u}{call=--snaplen}{display=Snap length}{type=unsigned}"
	       "{range=1,262144}{default=262144}{tooltip=Bytes kept of each packet}\n",
	       number++);
	printf("arg {number=%u}{call=--super-frames}{display=Whole super-frames}{type=boolflag}"
	       "{default=false}{tooltip=Large frames as they are carried, not as segments}\n",
	       number);
}

/* ---- what is asked */

static int describe(const struct instance_found *instance, void (*list)(const struct tree *status))
{
	struct lw_error error;
	struct tree *reply;
	int r = control_request(instance->socket, control_ask("status"), ASK_TIMEOUT_MS, &reply,
				&error);

	if (r < 0)
		return ask_fail(&error);
	list(tree_get(reply, "status"));
	tree_free(reply);
	return PROGRAM_DONE;
}

/* Whatever is said is shown beside the filter, which is then known to be wrong. */
static int check_filter(const struct instance_found *instance, const struct arguments *arguments)
{
	struct lw_error error;
	struct tree *request;

	if (capture_client_prepare(instance, arguments, "Wireshark", &request, &error) < 0)
		puts(error.text);
	else
		tree_free(request);
	return PROGRAM_DONE;
}

static int say_nothing(void *user, struct lw_error *ret_error)
{
	(void)user;
	(void)ret_error;
	return 0;
}

static int capture(const struct instance_found *instance, const struct arguments *arguments)
{
	struct capture_result result = { 0 };
	struct lw_error error = { 0 };
	_cleanup_close_ int fifo = -1;
	struct tree *request;
	int r = capture_client_prepare(instance, arguments, "Wireshark", &request, &error);

	if (r < 0)
		return ask_fail(&error);
	fifo = open(arguments->fifo, O_WRONLY | O_CLOEXEC | O_NOCTTY);
	if (fifo < 0)
		r = error_errno(&error, errno, "%s", arguments->fifo);
	else
		r = capture_client_run(instance, request, fifo, 0, say_nothing, NULL, &result,
				       &error);
	tree_free(request);
	if (r < 0)
		return ask_fail(&error);
	if (result.error && result.error != EPIPE)
		return command_fail(PROGRAM_FAILED, "%s: %s", arguments->fifo,
				    strerror(result.error));
	return PROGRAM_DONE;
}

static int find_instance(const char *interface, struct instance_found *ret_instance)
{
	if (!interface || strncmp(interface, PREFIX, strlen(PREFIX)) != 0)
		return command_fail(PROGRAM_USAGE,
				    "extcap: --extcap-interface is " PREFIX "NAME, not \"%s\"",
				    interface ? interface : "");
	return ask_choose(interface + strlen(PREFIX), ret_instance);
}

int command_extcap(const struct arguments *arguments)
{
	struct arguments asked = *arguments;
	struct instance_found instance;
	int status;

	if (arguments->extcap_interfaces)
		return list_interfaces();
	status = find_instance(arguments->extcap_interface, &instance);
	if (status != PROGRAM_DONE)
		return status;
	asked.filter = arguments->extcap_filter;
	if (arguments->extcap_dlts)
		return describe(&instance, list_link_type);
	if (arguments->extcap_config)
		return describe(&instance, list_options);
	if (arguments->capture && arguments->fifo)
		return capture(&instance, &asked);
	if (!arguments->capture && asked.filter)
		return check_filter(&instance, &asked);
	return command_fail(PROGRAM_USAGE, "extcap: what to do is one of --extcap-interfaces, "
					   "--extcap-dlts, --extcap-config, --capture with --fifo");
}
