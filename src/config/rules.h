/* SPDX-License-Identifier: MIT */
/* What single values of a configuration may be, and which keys go with which layer. */
#ifndef CONFIG_RULES_H
#define CONFIG_RULES_H

#include <stddef.h>

struct lw_error;
struct schema_errors;
struct tree;

/* Checks of schema rows: NULL for what is allowed, else what would be. */
const char *rules_file(const char *text);
const char *rules_filter(const char *text);
const char *rules_drop(const char *text);      /* a reason of drops */
const char *rules_port_name(const char *text); /* of a client or an interface */
const char *rules_name(const char *text);      /* of a client */
const char *rules_interface_name(const char *text);
const char *rules_listen(const char *text);
const char *rules_hub_address(const char *text);
const char *rules_pin(const char *text);
const char *rules_ethernet_address(const char *text);
const char *rules_own_address(const char *text);    /* of an interface, with a length or without */
const char *rules_client_address(const char *text); /* without a length */
const char *rules_domain(const char *text);
const char *rules_network(const char *text); /* no bits set beyond its length */

/* A key, or one within a section, that makes no sense in one of the layers. */
struct layer_rule {
	int refused_in;            /* enum lw_layer */
	const char *section, *key; /* section NULL: top level */
	const char *reason;
};

/* Append an error for each key of tree that layer has no use for. rules are ended by key NULL. */
void rules_check_layer(const struct layer_rule *rules, int layer, const struct tree *tree,
		       struct schema_errors *errors);

/* The child of a section, or NULL; section NULL: of the map itself. */
const struct tree *rules_find(const struct tree *map, const char *section, const char *key);

/* An error where at stands; nothing if at is NULL. path may be NULL. */
void rules_refuse(struct schema_errors *errors, const struct tree *at, const char *path,
		  const char *reason);

/* Why a document could not be read, which names the document already. */
void rules_refuse_file(struct schema_errors *errors, const char *path,
		       const struct lw_error *error);

#endif
