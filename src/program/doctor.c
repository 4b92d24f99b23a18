/* SPDX-License-Identifier: MIT */
/* longwire doctor: looks, judges, tells. */
#include "program/doctor.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <longwire/error.h>

#include "base/address.h"
#include "base/memory.h"
#include "base/tree.h"
#include "config/config.h"
#include "network/fence.h"
#include "program/ask.h"
#include "program/command.h"
#include "program/plan.h"
#include "program/privileges.h"
#include "tls/credentials.h"

enum { FILES_OF_A_PROGRAM = 64, FILES_OF_A_CLIENT = 4 };

/* ---- a configuration */

/* Whether an identity's own pin is among those of its peers. */
static void judge_identity(const char *file, const struct string_list *pins, const char *whose,
			   struct findings *findings)
{
	struct credentials *credentials;
	struct lw_error error;
	struct pin pin;

	if (credentials_load(file, &credentials, &error) < 0)
		return; /* that is told as an error of the configuration */
	for (size_t i = 0; i < pins->n; i++)
		if (pin_parse(pins->items[i], &pin) == 0 &&
		    pin_equal(&pin, credentials_pin(credentials)))
			doctor_find(findings, true, "identity", NULL,
				    "%s has the key that %s is pinned to: each end needs a key of "
				    "its own (longwire new makes them)",
				    file, whose);
	credentials_free(credentials);
}

/* A client's private key has no business on the hub's machine. */
static void look_for_copies(const char *identity, const char *client, struct findings *findings)
{
	const char *slash = strrchr(identity, '/');
	char path[300], mend[DOCTOR_TEXT];

	snprintf(path, sizeof(path), "%.*s%.64s.pem", slash ? (int)(slash - identity + 1) : 0,
		 identity, client);
	snprintf(mend, sizeof(mend), "rm %s", path);
	if (strcmp(path, identity) != 0 && access(path, F_OK) == 0)
		doctor_find(findings, false, "identity", mend,
			    "%s, the client's private key, is still on the hub's machine", path);
}

static void look_interface(const struct interface_config *interface, enum lw_layer layer,
			   uint32_t mtu, const struct doctor_question *question,
			   struct findings *findings)
{
	struct doctor_managers managers = { .interface = interface->name,
					    .bridge = interface->bridge };
	struct doctor_interface facts;

	if (!interface->name)
		return;
	doctor_look_interface(interface->name, question->file, &facts);
	facts.bridge = interface->bridge;
	facts.wants_tap = layer == LW_LAYER_ETHERNET;
	facts.is_set_up = interface->bridge || interface->addresses.n || layer == LW_LAYER_IP;
	doctor_judge_interface(&facts, findings);
	doctor_look_managers(&managers);
	doctor_judge_managers(&managers, findings);
	if (interface->bridge)
		doctor_look_bridge(interface->bridge, interface->name, mtu, question, findings);
}

/* A kill switch that is closed is none's who has a tunnel of it. */
static void look_filter(bool is_needed, const char *file, struct findings *findings)
{
	struct doctor_filter facts = { .is_needed = is_needed };
	char interfaces[FENCES_MAX][IFNAMSIZ];
	struct doctor_holder holder;
	struct lw_error error;
	int n;

	if (!privileges_has_net_admin())
		return;
	n = fence_list(interfaces, &error);
	if (n < 0)
		facts.error = error.text;
	for (int i = 0; i < n && !facts.fence; i++) {
		doctor_find_interface_holder(interfaces[i], file, &holder);
		if (!holder.pid)
			facts.fence = interfaces[i];
	}
	doctor_judge_filter(&facts, findings);
}

static void look_hub(const struct hub_config *config, const struct doctor_question *question,
		     struct findings *findings)
{
	struct doctor_listen listen;

	for (size_t i = 0; i < config->clients.n; i++) {
		const struct client_config *client = config->clients.items[i];

		judge_identity(config->identity, &client->pin, client->name, findings);
		look_for_copies(config->identity, client->name, findings);
	}
	look_interface(&config->interface, config->layer, config->mtu, question, findings);
	for (size_t i = 0; i < config->listen.n; i++) {
		doctor_look_listen(config->listen.items[i], question->file, &listen);
		doctor_judge_listen(&listen, findings);
	}
	look_filter(config->gateway.is_set, question->file, findings);
}

static void look_tunnel(const struct tunnel_config *config, const struct doctor_question *question,
			struct findings *findings)
{
	judge_identity(config->identity, &config->hub_pin, "its hub", findings);
	look_interface(&config->interface, config->layer, config->mtu, question, findings);
	look_filter(config->include_all_networks, question->file, findings);
	for (size_t i = 0; i < config->hub_address.n; i++) {
		struct doctor_hub hub = { .file = question->file,
					  .n_pins = MIN(config->hub_pin.n, DOCTOR_PINS_MAX) };

		for (size_t k = 0; k < hub.n_pins; k++)
			hub.pins[k] = config->hub_pin.items[k];
		doctor_reach(config->hub_address.items[i], &hub);
		doctor_judge_hub(&hub, findings);
	}
}

static int64_t written(const char *file)
{
	struct stat facts;

	return file && stat(file, &facts) == 0 ? facts.st_mtime : 0;
}

static void look_machine(uint64_t clients, const char *file, struct findings *findings)
{
	struct doctor_machine machine;
	struct doctor_device device;

	doctor_look_device(&device);
	doctor_judge_device(&device, findings);
	doctor_look_machine(FILES_OF_A_PROGRAM + clients * FILES_OF_A_CLIENT, &machine);
	machine.written = written(file);
	doctor_judge_machine(&machine, findings);
}

/* The file and what it names. Return: PROGRAM_DONE, or PROGRAM_USAGE if it cannot be used at all. */
static int look_file(const struct doctor_question *question, struct findings *findings)
{
	struct schema_errors errors = { .file = question->file };
	struct config config;
	int r;

	if (plan_load(question->file, 0, &config) < 0)
		return PROGRAM_USAGE;
	if (config.kind == CONFIG_HUB) {
		struct hub_plan plan;

		r = plan_hub(&config.hub, &plan, &errors);
		plan_hub_done(&plan);
		look_machine(config.hub.clients.n, question->file, findings);
		look_hub(&config.hub, question, findings);
	} else {
		struct tunnel_plan plan;

		r = plan_tunnel(&config.tunnel, &plan, &errors);
		plan_tunnel_done(&plan);
		look_machine(0, question->file, findings);
		look_tunnel(&config.tunnel, question, findings);
	}
	config_done(&config);
	return plan_tell(&errors) < 0 || r < 0 ? PROGRAM_USAGE : PROGRAM_DONE;
}

/* ---- telling */

static int add_finding(struct tree *list, const struct finding *finding)
{
	struct tree *map;
	int r = tree_add_map(list, NULL, &map);

	if (r == 0)
		r = tree_add_text(map, "topic", finding->topic);
	if (r == 0)
		r = tree_add_bool(map, "fault", finding->is_fault);
	if (r == 0)
		r = tree_add_text(map, "text", finding->text);
	if (r == 0)
		r = finding->mend[0] ? tree_add_text(map, "mend", finding->mend)
				     : tree_add_null(map, "mend");
	return r;
}

static int tell_json(const struct findings *findings)
{
	struct tree *tree = tree_new(TREE_MAP), *list;
	int r = tree ? tree_add_uint(tree, "faults", findings->faults) : -ENOMEM;

	if (r == 0)
		r = tree_add_list(tree, "findings", &list);
	for (int fault = 1; fault >= 0; fault--)
		for (size_t i = 0; i < findings->n && r == 0; i++)
			if (findings->items[i].is_fault == fault)
				r = add_finding(list, &findings->items[i]);
	if (r == 0)
		r = ask_print_json(tree, 2);
	tree_free(tree);
	return r;
}

static void tell_those(const struct findings *findings, bool is_fault)
{
	for (size_t i = 0; i < findings->n; i++) {
		const struct finding *finding = &findings->items[i];

		if (finding->is_fault != is_fault)
			continue;
		printf("%-7s %s: %s\n", is_fault ? "FAULT" : "remark", finding->topic,
		       finding->text);
		if (finding->mend[0])
			printf("        %s\n", finding->mend);
	}
}

static void tell(const struct findings *findings)
{
	tell_those(findings, true);
	tell_those(findings, false);
	if (!findings->faults)
		puts("nothing is in the way");
}

/* Return: whether the options go together; told if not. */
static bool is_asked_well(const struct arguments *arguments)
{
	struct ip_address host;

	if (arguments->probe && !arguments->n_words)
		command_fail(PROGRAM_USAGE, "doctor: --probe needs a FILE that names a bridge");
	else if (arguments->host && !arguments->probe)
		command_fail(PROGRAM_USAGE, "doctor: --host is for --probe");
	else if (arguments->host &&
		 (ip_address_parse(arguments->host, &host) < 0 || host.family != AF_INET))
		command_fail(PROGRAM_USAGE,
			     "doctor: --host: \"%s\" is no IPv4 address, such as 192.168.1.10",
			     arguments->host);
	else
		return true;
	return false;
}

int command_doctor(const struct arguments *arguments)
{
	struct doctor_question question = {
		.file = arguments->n_words ? arguments->words[0] : NULL,
		.may_probe = arguments->probe,
		.host = arguments->host,
	};
	struct findings *findings;
	int status = PROGRAM_DONE, r = 0;

	if (!is_asked_well(arguments))
		return PROGRAM_USAGE;
	findings = calloc(1, sizeof(*findings));
	if (!findings)
		return command_fail(PROGRAM_FAILED, "no memory");
	if (question.file)
		status = look_file(&question, findings);
	else
		look_machine(0, NULL, findings);
	if (status == PROGRAM_DONE) {
		if (arguments->json)
			r = tell_json(findings);
		else
			tell(findings);
		status =
			findings->faults || r < 0 || fflush(stdout) ? PROGRAM_FAILED : PROGRAM_DONE;
	}
	free(findings);
	return status;
}
