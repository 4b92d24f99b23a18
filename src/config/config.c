/* SPDX-License-Identifier: MIT */
/* Configuration files: whose a file is, reading it whole, resolving its paths. */
#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <longwire/error.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/parse.h"
#include "base/tree.h"
#include "config/claims.h"
#include "config/clients.h"
#include "config/rules.h"
#include "config/schemas.h"
#include "config/yaml.h"

enum { KEYS_MAX = 128 };

static const struct schema *schema_of(enum config_kind kind)
{
	return kind == CONFIG_HUB ? &hub_schema : &tunnel_schema;
}

static size_t add_keys(const struct schema *schema, const char *keys[KEYS_MAX], size_t n)
{
	for (const struct schema_row *row = schema->rows; row->path && n < KEYS_MAX; row++)
		if (row->kind != SCHEMA_REFUSED && !strchr(row->path, '.'))
			keys[n++] = row->path;
	return n;
}

static bool is_among(const char *word, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(words[i], word) == 0)
			return true;
	return false;
}

/* Whose keys a file without listen and hub has, judged by the nearest known ones; 0: nobody's. */
static int guess_kind(const struct tree *tree)
{
	static const char *const hub_keys[] = { "listen", "clients", "between-clients", "gateway" };
	static const char *const tunnel_keys[] = { "hub", "accept" };
	const char *keys[KEYS_MAX];
	size_t n = add_keys(&tunnel_schema, keys, add_keys(&hub_schema, keys, 0));

	for_each_child(child, tree) {
		const char *key = parse_nearest(child->key, keys, n);

		if (key && is_among(key, hub_keys, ARRAY_SIZE(hub_keys)))
			return CONFIG_HUB;
		if (key && is_among(key, tunnel_keys, ARRAY_SIZE(tunnel_keys)))
			return CONFIG_TUNNEL;
	}
	return 0;
}

static int kind_of(const struct tree *tree)
{
	if (tree_get(tree, "listen"))
		return CONFIG_HUB;
	if (tree_get(tree, "hub"))
		return CONFIG_TUNNEL;
	return guess_kind(tree);
}

/* Relative paths begin at the file's own folder, wherever the program was started. */
static int resolve(const char *folder, char **path)
{
	char *resolved;

	if (!*path || (*path)[0] == '/')
		return 0;
	if (asprintf(&resolved, "%s/%s", folder, *path) < 0)
		return -ENOMEM;
	free(*path);
	*path = resolved;
	return 0;
}

static int resolve_all(const char *folder, struct config *config)
{
	bool is_hub = config->kind == CONFIG_HUB;
	struct item_list *captures = is_hub ? &config->hub.captures : &config->tunnel.captures;
	char **identity = is_hub ? &config->hub.identity : &config->tunnel.identity;
	char **key_log = is_hub ? &config->hub.key_log : &config->tunnel.key_log;
	int r = resolve(folder, identity);

	if (r == 0)
		r = resolve(folder, key_log);
	for (size_t i = 0; i < captures->n && r == 0; i++) {
		struct capture_config *capture = captures->items[i];

		r = resolve(folder, &capture->file);
	}
	return r;
}

/* Two captures would write over each other. */
static void check_captures(const struct tree *captures, struct schema_errors *errors)
{
	if (!captures || captures->kind != TREE_LIST)
		return;
	for_each_child(later, captures)
		for (const struct tree *t = captures->first; t != later; t = t->next) {
			const char *file = tree_get_text(t, "file");
			const char *later_file = tree_get_text(later, "file");

			if (file && later_file && strcmp(file, later_file) == 0)
				schema_error(errors, tree_get(later, "file"), "capture.file",
					     "\"%.64s\" is another capture's file already", file);
		}
}

/* What the clients of all files claim, and with a folder those of its clients.d. */
static int read_clients(const struct tree *tree, const char *folder, struct hub_config *hub,
			struct claims *claims, struct schema_errors *errors)
{
	const struct tree *clients = tree_get(tree, "clients");
	struct clients_loading loading = {
		.layer = hub->layer,
		.has_pool = rules_find(tree, "interface", "addresses"),
		.clients = &hub->clients,
		.claims = claims,
		.errors = errors,
	};

	if (claims_begin_file(claims, errors->file ? errors->file : "?") < 0 ||
	    claims_add_interface(claims, rules_find(tree, "interface", "addresses")) < 0)
		return -ENOMEM;
	if (clients && clients->kind == TREE_MAP)
		for_each_child(client, clients)
			if (claims_add_client(claims, client->key, client) < 0)
				return -ENOMEM;
	return folder ? clients_load(folder, &loading) : 0;
}

static int read_hub(const struct tree *tree, const char *clients_folder, struct config *config,
		    struct schema_errors *errors)
{
	struct claims claims = { 0 };
	int r, r_clients;

	config->kind = CONFIG_HUB;
	r = schema_read(&hub_schema, tree, &config->hub, errors);
	if (r == -ENOMEM)
		return r;
	r_clients = read_clients(tree, clients_folder, &config->hub, &claims, errors);
	claims_check(&claims, errors);
	claims_done(&claims);
	return r < 0 ? r : r_clients;
}

static int read_tunnel(const struct tree *tree, struct config *config, struct schema_errors *errors)
{
	config->kind = CONFIG_TUNNEL;
	return schema_read(&tunnel_schema, tree, &config->tunnel, errors);
}

/* clients_folder NULL: there is none, as for text in memory. */
static int read_tree(const struct tree *tree, const char *folder, const char *clients_folder,
		     struct config *ret_config, struct schema_errors *errors)
{
	struct config config = { 0 };
	size_t before = errors->n;
	int kind = kind_of(tree), r;

	if (!kind) {
		schema_error(errors, tree, NULL,
			     "neither listen nor hub is here; a hub's file has listen, a client's "
			     "has hub");
		return -EINVAL;
	}
	r = kind == CONFIG_HUB ? read_hub(tree, clients_folder, &config, errors)
			       : read_tunnel(tree, &config, errors);
	check_captures(tree_get(tree, "capture"), errors);
	if (r == 0 && errors->n != before)
		r = -EINVAL;
	if (r == 0 && folder)
		r = resolve_all(folder, &config);
	if (r == 0 && errors->no_memory)
		r = -ENOMEM;
	if (r < 0) {
		config_done(&config);
		return r;
	}
	*ret_config = config;
	return 0;
}

static int parse(const char *folder, const char *clients_folder, const char *text, size_t length,
		 struct config *ret_config, struct schema_errors *errors)
{
	struct tree *tree;
	int r;

	if (length > CONFIG_FILE_MAX) {
		schema_error(errors, NULL, NULL, "is larger than the %d bytes allowed",
			     CONFIG_FILE_MAX);
		return -EINVAL;
	}
	r = yaml_parse(text, length, &tree, errors);
	if (r < 0)
		return r;
	r = read_tree(tree, folder, clients_folder, ret_config, errors);
	tree_free(tree);
	return r;
}

int config_parse(const char *name, const char *folder, const char *text, size_t length,
		 struct config *ret_config, struct schema_errors *errors)
{
	const char *file = errors->file;
	int r;

	errors->file = name;
	r = parse(folder, NULL, text, length, ret_config, errors);
	errors->file = file;
	return r;
}

static int load(const char *file, const char *folder, struct config *ret_config,
		struct schema_errors *errors)
{
	_cleanup_free_ char *text = NULL;
	struct lw_error error;
	size_t length;
	int r;

	r = file_read(file, CONFIG_FILE_MAX, FILE_CONFIG, &text, &length, &error);
	if (r < 0) {
		rules_refuse_file(errors, file, &error);
		return r == -ENOMEM ? r : -EINVAL;
	}
	return parse(folder, folder, text, length, ret_config, errors);
}

int config_load(const char *file, struct config *ret_config, struct schema_errors *errors)
{
	const char *slash = strrchr(file, '/'), *outer = errors->file;
	char *folder;
	int r;

	if (!slash)
		folder = strdup(".");
	else
		folder = strndup(file, slash == file ? 1 : (size_t)(slash - file));
	if (!folder)
		return -ENOMEM;
	errors->file = file;
	r = load(file, folder, ret_config, errors);
	errors->file = outer;
	free(folder);
	return r;
}

void config_done(struct config *config)
{
	if (!config || !config->kind)
		return;
	schema_done(schema_of(config->kind),
		    config->kind == CONFIG_HUB ? (void *)&config->hub : (void *)&config->tunnel);
	config->kind = 0;
}

char *config_reference(void)
{
	_cleanup_free_ char *hub = schema_reference(&hub_schema);
	_cleanup_free_ char *tunnel = schema_reference(&tunnel_schema);
	char *text;

	if (!hub || !tunnel ||
	    asprintf(&text, "### A hub's file\n\n%s\n### A client's file\n\n%s", hub, tunnel) < 0)
		return NULL;
	return text;
}
