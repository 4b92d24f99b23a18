/* SPDX-License-Identifier: MIT */
/*
 * longwire new: the files of a hub and its clients, ready to run.
 *
 * Programs never write into a file that people edit: hub.yaml is made once, and each client is a
 * file of its own in clients.d. Everything is made, or what was made is removed again.
 */
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <longwire/error.h>

#include "base/address.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/parse.h"
#include "config/config.h"
#include "program/command.h"
#include "program/creation.h"
#include "program/new_texts.h"
#include "program/plan.h"

/* What is being made. */
struct making {
	const char *folder, *hub;
	uint16_t port;
	enum lw_layer layer;
	bool is_added; /* to a hub that was there */
	const char *const *clients;
	size_t n_clients;
	struct pin hub_pin;
	struct ip_prefix prefixes[NEW_ADDRESSES_MAX];
	size_t n_prefixes;
	struct ip_address *used;
	size_t n_used;
	struct creation creation;
};

static int join_path(const struct making *making, char path[PATH_MAX], struct lw_error *error,
		     const char *format, ...) LW_PRINTF(4, 5);

/* DIR/format. */
static int join_path(const struct making *making, char path[PATH_MAX], struct lw_error *error,
		     const char *format, ...)
{
	int n = snprintf(path, PATH_MAX, "%s/", making->folder);
	va_list list;

	if (n < PATH_MAX) {
		va_start(list, format);
		n += vsnprintf(path + n, (size_t)(PATH_MAX - n), format, list);
		va_end(list);
	}
	return n < PATH_MAX ? 0 : error_errno(error, ENAMETOOLONG, "%.200s", making->folder);
}

/* A text of which NULL says that there was no memory; it is freed. */
static int make_file(struct making *making, const char *path, char *text, struct lw_error *error)
{
	int r;

	if (!text)
		return error_errno(error, ENOMEM, "%s", path);
	r = creation_file(&making->creation, path, 0644, text, strlen(text), error);
	free(text);
	return r;
}

static int make_identity(struct making *making, const char *name, struct pin *ret_pin,
			 struct lw_error *error)
{
	char path[PATH_MAX], *pem = NULL;
	size_t length = 0;
	int r = join_path(making, path, error, "%s.pem", name);

	if (r == 0)
		r = credentials_generate(&pem, &length, ret_pin, error);
	if (r < 0)
		return r;
	r = creation_file(&making->creation, path, 0600, pem, length, error);
	memory_erase(pem, length);
	free(pem);
	return r;
}

static int make_hub(struct making *making, struct lw_error *error)
{
	char path[PATH_MAX];
	int r = creation_folder(&making->creation, making->folder, 0700, error);

	if (r == 0)
		r = make_identity(making, "hub", &making->hub_pin, error);
	if (r == 0)
		r = join_path(making, path, error, "hub.yaml");
	if (r == 0)
		r = make_file(making, path, new_hub_text(making->layer, making->port), error);
	return r;
}

/* Choose the client's addresses and remember them as used. Room for them is there. */
static int give_addresses(struct making *making, struct new_client *client, struct lw_error *error)
{
	struct ip_address chosen[NEW_ADDRESSES_MAX];

	if (!making->n_prefixes)
		return 0;
	client->n_addresses = new_pick_addresses(making->prefixes, making->n_prefixes, making->used,
						 making->n_used, chosen);
	if (!client->n_addresses)
		return error_set(error, -EADDRNOTAVAIL, LW_DOMAIN_CONFIGURATION, EADDRNOTAVAIL,
				 "%s: no address is left in the hub's networks", client->name);
	for (size_t i = 0; i < client->n_addresses; i++) {
		ip_address_format(&chosen[i], client->addresses[i]);
		making->used[making->n_used++] = chosen[i];
	}
	return 0;
}

static int make_client(struct making *making, const char *name, struct lw_error *error)
{
	struct new_client client = {
		.name = name,
		.layer = making->layer,
		.hub = making->hub,
		.hub_pin = making->hub_pin,
	};
	char path[PATH_MAX];
	int r = give_addresses(making, &client, error);

	if (r == 0)
		r = make_identity(making, name, &client.pin, error);
	if (r == 0)
		r = join_path(making, path, error, "%s.yaml", name);
	if (r == 0)
		r = make_file(making, path, new_client_text(&client), error);
	/* The hub's own part last: it is what lets the client in. */
	if (r == 0)
		r = join_path(making, path, error, "clients.d/%s.yaml", name);
	if (r == 0)
		r = make_file(making, path, new_entry_text(&client), error);
	return r;
}

static int make_all(struct making *making, struct lw_error *error)
{
	char path[PATH_MAX];
	int r = making->is_added ? 0 : make_hub(making, error);

	if (r == 0)
		r = join_path(making, path, error, "clients.d");
	if (r == 0)
		r = creation_folder(&making->creation, path, 0755, error);
	for (size_t i = 0; i < making->n_clients && r == 0; i++)
		r = make_client(making, making->clients[i], error);
	if (r < 0)
		creation_undo(&making->creation);
	creation_done(&making->creation);
	return r;
}

static int add_prefix(struct making *making, const char *text)
{
	struct ip_prefix prefix;

	if (making->n_prefixes == NEW_ADDRESSES_MAX || ip_prefix_parse(text, &prefix) < 0)
		return -EINVAL;
	/* A network of one has no room for clients. */
	if (prefix.length < ip_address_bits(&prefix.address))
		making->prefixes[making->n_prefixes++] = prefix;
	making->used[making->n_used++] = prefix.address;
	return 0;
}

/* Room for what is used and what will be. */
static int prepare_addresses(struct making *making, size_t n_used, struct lw_error *error)
{
	making->used =
		calloc(n_used + (making->n_clients + 1) * NEW_ADDRESSES_MAX, sizeof(*making->used));
	return making->used ? 0 : error_errno(error, ENOMEM, "addresses");
}

static int prepare_fresh(struct making *making, struct lw_error *error)
{
	int r = prepare_addresses(making, 0, error);

	if (r == 0 && making->layer == LW_LAYER_IP) {
		add_prefix(making, NEW_ADDRESS4);
		add_prefix(making, NEW_ADDRESS6);
	}
	return r;
}

static int learn_client(struct making *making, const struct client_config *client,
			struct lw_error *error)
{
	for (size_t i = 0; i < making->n_clients; i++)
		if (!strcmp(making->clients[i], client->name))
			return error_set(error, -EEXIST, LW_DOMAIN_SYSTEM, EEXIST,
					 "the hub has a client called %s already", client->name);
	for (size_t i = 0; i < client->addresses.n; i++)
		if (ip_address_parse(client->addresses.items[i], &making->used[making->n_used]) ==
		    0)
			making->n_used++;
	return 0;
}

static int learn_hub(struct making *making, const struct hub_config *config, struct lw_error *error)
{
	size_t n_used = config->interface.addresses.n;
	struct credentials *credentials;
	int r = credentials_load(config->identity, &credentials, error);

	if (r < 0)
		return r;
	making->hub_pin = *credentials_pin(credentials);
	credentials_free(credentials);
	for (size_t i = 0; i < config->clients.n; i++)
		n_used += ((const struct client_config *)config->clients.items[i])->addresses.n;
	r = prepare_addresses(making, n_used, error);
	for (size_t i = 0; i < config->clients.n && r == 0; i++)
		r = learn_client(making, config->clients.items[i], error);
	if (making->layer != LW_LAYER_IP)
		return r;
	for (size_t i = 0; i < config->interface.addresses.n && r == 0; i++)
		if (add_prefix(making, config->interface.addresses.items[i]) < 0)
			r = error_set(error, -E2BIG, LW_DOMAIN_CONFIGURATION, E2BIG,
				      "the hub has more than %d networks", NEW_ADDRESSES_MAX);
	return r;
}

/* Add to the hub of file. Return: an exit status, with everything told. */
static int prepare_added(struct making *making, const char *file, const char *layer)
{
	struct lw_error error;
	struct config config;
	int r;

	if (plan_load(file, CONFIG_HUB, &config) < 0)
		return PROGRAM_USAGE;
	r = config.hub.layer;
	if (layer && r != (int)making->layer) {
		config_done(&config);
		return command_fail(PROGRAM_USAGE, "%s: the hub's layer is %s", file,
				    r == LW_LAYER_IP ? "ip" : "ethernet");
	}
	making->layer = (enum lw_layer)r;
	making->is_added = true;
	r = learn_hub(making, &config.hub, &error);
	config_done(&config);
	return r < 0 ? command_fail(PROGRAM_FAILED, "%s", error.text) : PROGRAM_DONE;
}

static void tell_next(const struct making *making)
{
	const char *folder = making->folder;

	if (making->is_added)
		printf("Added to %s/hub.yaml; start the hub again to let them in.\n", folder);
	else
		printf("On this machine, the hub:\n  longwire hub %s/hub.yaml\n", folder);
	for (size_t i = 0; i < making->n_clients; i++) {
		const char *name = making->clients[i];

		printf("\nOn %s's machine, with %s/%s.yaml and %s/%s.pem copied there (and\n"
		       "removed here, since the key is nobody else's business):\n"
		       "  longwire up %s.yaml\n",
		       name, folder, name, folder, name, name);
	}
}

/* Characters that need no care in YAML's quotes. */
static bool is_plain(const char *text)
{
	return text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				 ".-_:[]")] == '\0';
}

static int check_hub(struct making *making, const struct arguments *arguments)
{
	char host[ENDPOINT_HOST_SIZE];

	if (!arguments->hub)
		return command_fail(PROGRAM_USAGE,
				    "new: --hub ADDRESS:PORT says where clients reach the hub; "
				    "try 'longwire new --help'");
	if (!is_plain(arguments->hub) ||
	    endpoint_parse(arguments->hub, false, host, &making->port) < 0)
		return command_fail(PROGRAM_USAGE,
				    "new: --hub takes ADDRESS:PORT like hub.example.net:8443 or "
				    "[2001:db8::1]:8443, not \"%s\"",
				    arguments->hub);
	making->hub = arguments->hub;
	return PROGRAM_DONE;
}

static int check_layer(struct making *making, const char *layer)
{
	making->layer = LW_LAYER_ETHERNET;
	if (!layer || !strcmp(layer, "ethernet"))
		return PROGRAM_DONE;
	making->layer = LW_LAYER_IP;
	if (!strcmp(layer, "ip"))
		return PROGRAM_DONE;
	return command_fail(PROGRAM_USAGE, "new: --layer takes ethernet or ip, not \"%s\"", layer);
}

static int check_clients(struct making *making, const struct option_list *clients)
{
	static const char *const standard[] = { "client" };

	making->clients = clients->n ? clients->items : standard;
	making->n_clients = clients->n ? clients->n : ARRAY_SIZE(standard);
	for (size_t i = 0; i < making->n_clients; i++) {
		const char *name = making->clients[i];

		if (!parse_is_name(name))
			return command_fail(PROGRAM_USAGE,
					    "new: \"%s\" cannot be a client's name: 1 to 63 "
					    "letters, digits, dots, dashes and underscores",
					    name);
		if (!strcmp(name, "hub"))
			return command_fail(PROGRAM_USAGE,
					    "new: a client cannot be called hub, as the hub is");
		for (size_t j = 0; j < i; j++)
			if (!strcmp(making->clients[j], name))
				return command_fail(PROGRAM_USAGE, "new: --client %s twice", name);
	}
	return PROGRAM_DONE;
}

static int check_arguments(struct making *making, const struct arguments *arguments)
{
	int status = check_hub(making, arguments);

	making->folder = arguments->words[0];
	if (status == PROGRAM_DONE)
		status = check_layer(making, arguments->layer);
	if (status == PROGRAM_DONE)
		status = check_clients(making, &arguments->clients);
	return status;
}

static int make(struct making *making, const struct arguments *arguments)
{
	char file[PATH_MAX];
	struct lw_error error;
	struct stat st;

	if (join_path(making, file, &error, "hub.yaml") < 0)
		return command_fail(PROGRAM_FAILED, "%s", error.text);
	if (lstat(file, &st) == 0) {
		int status = prepare_added(making, file, arguments->layer);

		if (status != PROGRAM_DONE)
			return status;
	} else if (prepare_fresh(making, &error) < 0) {
		return command_fail(PROGRAM_FAILED, "%s", error.text);
	}
	if (make_all(making, &error) < 0)
		return command_fail(PROGRAM_FAILED, "%s", error.text);
	tell_next(making);
	return fflush(stdout) ? PROGRAM_FAILED : PROGRAM_DONE;
}

int command_new(const struct arguments *arguments)
{
	struct making *making = calloc(1, sizeof(*making));
	int status;

	if (!making)
		return command_fail(PROGRAM_FAILED, "no memory");
	status = check_arguments(making, arguments);
	if (status == PROGRAM_DONE)
		status = make(making, arguments);
	free(making->used);
	free(making);
	return status;
}
