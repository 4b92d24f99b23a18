/* SPDX-License-Identifier: MIT */
/* The clients of a hub that stand in files of their own, and what holds for every client's
 * entry. */
#ifndef CONFIG_CLIENTS_H
#define CONFIG_CLIENTS_H

#include <stdbool.h>

struct claims;
struct item_list;
struct schema_errors;
struct tree;

/* Append an error for each key of an entry that the layer has no use for, and for an IP client that
 * can get no address. */
void clients_check(int layer, bool has_pool, const struct tree *entry,
		   struct schema_errors *errors);

/* Where the clients of a folder go, and what holds for them. */
struct clients_loading {
	int layer;
	bool has_pool;
	struct item_list *clients;
	struct claims *claims;
	struct schema_errors *errors;
};

/*
 * Add FOLDER/clients.d/NAME.yaml in the order of their names; nothing if there is no such folder.
 * Each file holds the keys of one client. 0, -EINVAL with errors appended (each with the file that
 * it is in), -ENOMEM.
 */
int clients_load(const char *folder, const struct clients_loading *loading);

#endif
