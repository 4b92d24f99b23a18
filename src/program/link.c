/* SPDX-License-Identifier: MIT */
/* longwire link: makes the link of a port of a running instance as bad as it is told. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/error.h>

#include "base/error.h"
#include "base/tree.h"
#include "config/config.h"
#include "config/schemas.h"
#include "flow/impairment.h"
#include "program/ask.h"
#include "program/command.h"
#include "program/control_client.h"
#include "program/report.h"

/* [NAME] PORT [in|out|both] [KEY=VALUE… | clear], or [NAME] alone for all ports. */
struct order {
	const char *instance, *port, *direction;
	struct tree *settings; /* NULL: none are given */
	bool clears;
};

static int refuse(struct lw_error *error, const char *word, const char *why)
{
	return error_set(error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL, "\"%s\" %s", word, why);
}

static bool is_direction(const char *word)
{
	return !strcmp(word, "in") || !strcmp(word, "out") || !strcmp(word, "both");
}

static int take_setting(struct order *order, const char *word, struct lw_error *error)
{
	const char *equals = strchr(word, '=');
	char key[32];

	if (equals == word || (size_t)(equals - word) >= sizeof(key))
		return refuse(error, word, "is not KEY=VALUE");
	memcpy(key, word, (size_t)(equals - word));
	key[equals - word] = '\0';
	if (!order->settings)
		order->settings = tree_new(TREE_MAP);
	if (!order->settings)
		return error_errno(error, ENOMEM, "link");
	if (tree_get(order->settings, key))
		return refuse(error, key, "is given twice");
	if (tree_add_text(order->settings, key, equals + 1) < 0)
		return error_errno(error, ENOMEM, "link");
	return 0;
}

static int take_word(struct order *order, const char *word, struct lw_error *error)
{
	bool is_named = order->direction || order->settings || order->clears;

	if (strchr(word, '='))
		return order->clears ? refuse(error, word, "goes without clear")
				     : take_setting(order, word, error);
	if (order->port && !order->clears && !strcmp(word, "clear")) {
		if (order->settings)
			return refuse(error, word, "goes without settings");
		order->clears = true;
	} else if (order->port && !is_named && is_direction(word)) {
		order->direction = word;
	} else if (!order->port) {
		order->port = word;
	} else if (!order->instance && !is_named) {
		order->instance = order->port;
		order->port = word;
	} else {
		return refuse(error, word, "is not KEY=VALUE, nor clear");
	}
	return 0;
}

/* The instance checks this as well; told here it is an error of use. */
static int check_settings(const struct tree *settings)
{
	struct schema_errors errors = { .file = "link" };
	struct impairment_config config = { 0 };
	struct lw_error error;
	int r = schema_read(&impairment_settings_schema, settings, &config, &errors);

	if (r < 0)
		fputs(errors.text ? errors.text : "no memory\n", stderr);
	else if ((r = impairment_check(&config.settings, &error)) < 0)
		command_fail(PROGRAM_USAGE, "link: %s", error.text);
	schema_done(&impairment_settings_schema, &config);
	schema_errors_done(&errors);
	return r;
}

static int add_words(struct tree *request, const struct order *order)
{
	int r = order->port ? tree_add_text(request, "port", order->port) : 0;

	return r == 0 && order->direction ? tree_add_text(request, "direction", order->direction)
					  : r;
}

static struct tree *build_request(struct order *order)
{
	struct tree *request = control_ask("link");
	int r = request ? add_words(request, order) : -ENOMEM;

	if (r == 0 && order->settings) {
		r = tree_append(request, "settings", order->settings);
		order->settings = NULL;
	}
	if (r == 0 && !order->clears && !tree_get(request, "settings"))
		r = tree_add_bool(request, "show", true);
	if (r < 0) {
		tree_free(request);
		return NULL;
	}
	return request;
}

/* The ports that have none. */
static void print_plain(const struct tree *link)
{
	const struct tree *impairments = tree_get(link, "impairments");

	for_each_child(port, tree_get(link, "ports")) {
		bool is_impaired = false;

		for_each_child(impairment, impairments)
			is_impaired |= !strcmp(tree_get_text(impairment, "port"), port->text);
		if (!is_impaired)
			printf("%-12s %s\n", "not impaired", port->text);
	}
}

/* A word alone is a port, unless an instance is called so. */
static void settle_words(struct order *order)
{
	bool is_alone = order->port && !order->instance && !order->direction && !order->settings &&
			!order->clears;

	if (!is_alone || !ask_is_running(order->port))
		return;
	order->instance = order->port;
	order->port = NULL;
}

static int send_order(struct order *order, bool is_json)
{
	struct instance_found instance;
	struct lw_error error;
	struct tree *reply;
	const struct tree *link;
	int status, r;

	settle_words(order);
	status = ask_choose(order->instance, &instance);
	if (status != PROGRAM_DONE)
		return status;
	r = control_request(instance.socket, build_request(order), ASK_TIMEOUT_MS, &reply, &error);
	if (r < 0)
		return command_fail(PROGRAM_FAILED, "%s", error.text);
	link = tree_get(reply, "link");
	if (link && is_json) {
		r = ask_print_json(link, 2);
	} else {
		report_print_impairments(tree_get(link, "impairments"), stdout);
		print_plain(link);
	}
	tree_free(reply);
	return r < 0 || fflush(stdout) ? PROGRAM_FAILED : PROGRAM_DONE;
}

int command_link(const struct arguments *arguments)
{
	struct order order = { 0 };
	struct lw_error error;
	int status = PROGRAM_USAGE, r = 0;

	for (size_t i = 0; i < arguments->n_words && r == 0; i++)
		r = take_word(&order, arguments->words[i], &error);
	if (r == 0 && !order.port && order.settings)
		r = refuse(&error, arguments->words[0], "is no port: say whose link");
	if (r < 0)
		status = command_fail(PROGRAM_USAGE, "link: %s; try 'longwire link --help'",
				      error.text);
	else if (!order.settings || check_settings(order.settings) == 0)
		status = send_order(&order, arguments->json);
	tree_free(order.settings);
	return status;
}
