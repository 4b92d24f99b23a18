/* SPDX-License-Identifier: MIT */
/* The schema of a client's entry, and the folder of such entries. */
#include "config/clients.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <longwire/error.h>

#include "base/file.h"
#include "base/memory.h"
#include "base/tree.h"
#include "config/claims.h"
#include "config/config.h"
#include "config/schemas.h"
#include "config/yaml.h"

enum {
	RATE_MAX = 1000000, /* packets a second: more than any port forwards */
	MACS_MAX = 65536,
	ADDRESSES_MAX = 8,
	NETWORKS_MAX = 64,
};

#define OFFSET(member) offsetof(struct client_config, member)
#define RATE_ROW(key, member, defaults, text)                                                   \
	{                                                                                       \
		.path = "limits." key, .kind = SCHEMA_UINT, .offset = OFFSET(member), .min = 1, \
		.max = RATE_MAX,                                                                \
		.help = text " frames a second from this client; by default " defaults          \
			     " by what is behind it (host, lan)"                                \
	}

static const struct schema_word behind_words[] = {
	{ "host", LW_BEHIND_HOST },
	{ "lan", LW_BEHIND_LAN },
	{ NULL, 0 },
};

static const struct schema_row rows[] = {
	{ .path = "pin",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(pin),
	  .required = true,
	  .min = 1,
	  .max = LW_PORT_PINS_MAX,
	  .check = rules_pin,
	  .help = "of the client's public key; a list while a key is being replaced" },
	{ .path = "behind",
	  .kind = SCHEMA_WORD,
	  .offset = OFFSET(behind),
	  .standard = "host",
	  .words = behind_words,
	  .help = "Ethernet: what is behind the client: one machine, or a bridged LAN with its own "
		  "DHCP server, routers and bridges" },
	{ .path = "addresses",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(addresses),
	  .max = ADDRESSES_MAX,
	  .check = rules_client_address,
	  .help = "IP: the client's addresses in the tunnel; without them it gets one of the "
		  "interface's network" },
	{ .path = "networks",
	  .kind = SCHEMA_STRINGS,
	  .offset = OFFSET(networks),
	  .max = NETWORKS_MAX,
	  .check = rules_network,
	  .help = "IP: networks behind the client" },
	{ .path = "limits", .kind = SCHEMA_MAP, .help = "Ethernet: what the client may cost" },
	{ .path = "limits.macs",
	  .kind = SCHEMA_UINT,
	  .offset = OFFSET(macs_max),
	  .min = 1,
	  .max = MACS_MAX,
	  .help = "MAC addresses behind the client; by default 16 or 4096 by what is behind it "
		  "(host, lan)" },
	RATE_ROW("broadcast", broadcast, "100 or 1000", "broadcast"),
	RATE_ROW("multicast", multicast, "500 or 5000", "multicast"),
	RATE_ROW("unknown-unicast", unknown_unicast, "100 or 2000", "unknown unicast"),
	{ .path = "vlans", .kind = SCHEMA_REFUSED, .help = LATER },
	{ .path = NULL },
};

const struct schema clients_schema = { .rows = rows, .size = sizeof(struct client_config) };

static const struct layer_rule layer_rules[] = {
	{ LW_LAYER_IP, NULL, "behind",
	  "is a key of layer: ethernet; with layer: ip say which networks: are behind the client" },
	{ LW_LAYER_IP, NULL, "limits", "is a key of layer: ethernet; IP packets are not flooded" },
	{ LW_LAYER_ETHERNET, NULL, "addresses",
	  "is a key of layer: ip; an Ethernet hub hands out no addresses" },
	{ LW_LAYER_ETHERNET, NULL, "networks",
	  "is a key of layer: ip; an Ethernet hub learns what is behind a client" },
	{ 0, NULL, NULL, NULL },
};

void clients_check(int layer, bool has_pool, const struct tree *entry, struct schema_errors *errors)
{
	rules_check_layer(layer_rules, layer, entry, errors);
	if (layer == LW_LAYER_IP && !has_pool && !tree_get(entry, "addresses"))
		rules_refuse(errors, entry, "addresses",
			     "is missing: without interface.addresses the hub has none to give");
}

/* ---- clients.d ---- */

static bool has_suffix(const char *name, const char *suffix)
{
	size_t length = strlen(name), suffix_length = strlen(suffix);

	return length > suffix_length && strcmp(name + length - suffix_length, suffix) == 0;
}

/* A file that nearly has the right name is told about, not passed over: its client would wait for
 * ever. */
static int is_client_file(const struct dirent *entry)
{
	return entry->d_name[0] != '.' &&
	       (has_suffix(entry->d_name, ".yaml") || has_suffix(entry->d_name, ".yml"));
}

static int add_client(struct item_list *clients, struct client_config *client)
{
	void **items = reallocarray(clients->items, clients->n + 1, sizeof(*items));

	if (!items)
		return -ENOMEM;
	clients->items = items;
	items[clients->n++] = client;
	return 0;
}

static int read_client(const struct clients_loading *loading, const char *name,
		       const struct tree *tree)
{
	struct client_config *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return -ENOMEM;
	r = schema_read(&clients_schema, tree, client, loading->errors);
	if (r == 0) {
		client->name = strdup(name);
		r = client->name ? add_client(loading->clients, client) : -ENOMEM;
		if (r == 0)
			return 0;
		free(client->name);
		schema_done(&clients_schema, client);
	}
	free(client);
	return r;
}

static int load_file(const struct clients_loading *loading, const char *path, const char *name)
{
	struct schema_errors *errors = loading->errors;
	_cleanup_free_ char *data = NULL;
	struct lw_error error;
	struct tree *tree;
	size_t length;
	int r;

	r = file_read(path, CONFIG_FILE_MAX, FILE_CONFIG, &data, &length, &error);
	if (r < 0) {
		rules_refuse_file(errors, path, &error);
		return -EINVAL;
	}
	r = yaml_parse(data, length, &tree, errors);
	if (r < 0)
		return r;
	r = read_client(loading, name, tree);
	clients_check(loading->layer, loading->has_pool, tree, errors);
	if (r != -ENOMEM && claims_add_client(loading->claims, name, tree) < 0)
		r = -ENOMEM;
	tree_free(tree);
	return r;
}

static int load_named(const struct clients_loading *loading, const char *path, const char *name)
{
	if (rules_name(name)) {
		schema_error(loading->errors, NULL, NULL, "the file is named after its client: %s",
			     rules_name(name));
		return -EINVAL;
	}
	return load_file(loading, path, name);
}

static int load_path(const struct clients_loading *loading, const char *path, const char *entry)
{
	char *name;
	int r;

	if (claims_begin_file(loading->claims, path) < 0)
		return -ENOMEM;
	if (!has_suffix(entry, ".yaml")) {
		schema_error(loading->errors, NULL, NULL, "the file's name must end with .yaml");
		return -EINVAL;
	}
	name = strndup(entry, strlen(entry) - strlen(".yaml"));
	if (!name)
		return -ENOMEM;
	r = load_named(loading, path, name);
	free(name);
	return r;
}

/* One entry of the folder: its name is the client's. */
static int load_entry(const struct clients_loading *loading, const char *folder, const char *entry)
{
	const char *file = loading->errors->file;
	char *path;
	int r;

	if (asprintf(&path, "%s/%s", folder, entry) < 0)
		return -ENOMEM;
	loading->errors->file = path;
	r = load_path(loading, path, entry);
	loading->errors->file = file;
	free(path);
	return r;
}

/* Whoever can write in the folder decides who is admitted. */
static bool is_trusted(const struct stat *st)
{
	return (st->st_uid == 0 || st->st_uid == geteuid()) && !(st->st_mode & 022);
}

static int load_entries(const struct clients_loading *loading, const char *folder,
			struct dirent **entries, size_t n)
{
	struct schema_errors *errors = loading->errors;
	size_t before = errors->n, all = n + loading->clients->n;
	int r = 0;

	if (all > LW_HUB_CLIENTS_MAX) {
		schema_error(errors, NULL, NULL,
			     "%s: there are %zu clients with it, at most %d are allowed", folder,
			     all, LW_HUB_CLIENTS_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < n && r != -ENOMEM; i++)
		r = load_entry(loading, folder, entries[i]->d_name);
	if (r == -ENOMEM)
		return r;
	return errors->n == before ? 0 : -EINVAL;
}

/* 0 and the number of entries, which the caller frees; 0 and none where there is no folder. */
static int list_folder(const char *folder, struct dirent ***ret_entries, size_t *ret_n,
		       struct schema_errors *errors)
{
	struct stat st;
	int n = -1;

	if (stat(folder, &st) == 0) {
		if (!is_trusted(&st)) {
			schema_error(errors, NULL, NULL,
				     "%s: must belong to root or this user and be writable by its "
				     "owner only (chmod go-w)",
				     folder);
			return -EINVAL;
		}
		n = scandir(folder, ret_entries, is_client_file, alphasort);
	}
	if (n < 0 && errno == ENOENT)
		return 0;
	if (n < 0) {
		schema_error(errors, NULL, NULL, "%s: %s", folder, strerror(errno));
		return -EINVAL;
	}
	*ret_n = (size_t)n;
	return 0;
}

int clients_load(const char *folder, const struct clients_loading *loading)
{
	_cleanup_free_ char *path = NULL;
	struct dirent **entries = NULL;
	size_t n = 0;
	int r;

	if (asprintf(&path, "%s/clients.d", folder) < 0) {
		path = NULL;
		return -ENOMEM;
	}
	r = list_folder(path, &entries, &n, loading->errors);
	if (r == 0)
		r = load_entries(loading, path, entries, n);
	for (size_t i = 0; i < n; i++)
		free(entries[i]);
	free(entries);
	return r;
}
