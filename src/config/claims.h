/* SPDX-License-Identifier: MIT */
/*
 * What no two clients of a hub may have: a name, a pin, an address, a network.
 *
 * Claims are collected from the trees of all files, so that each keeps its place, and compared at
 * the end by sorting: a thousand clients with dozens of networks each must not cost the square of
 * them.
 */
#ifndef CONFIG_CLAIMS_H
#define CONFIG_CLAIMS_H

#include <stddef.h>
#include <stdint.h>

struct claim;
struct schema_errors;
struct tree;

struct claims {
	struct claim *items;
	size_t n, size;
	char **files; /* names of the documents that items stand in */
	size_t n_files;
};

/* Claims from now on stand in this file. 0 or -ENOMEM. */
int claims_begin_file(struct claims *claims, const char *file);
/* Everything that a client's entry claims; what is not valid is left out. 0 or -ENOMEM. */
int claims_add_client(struct claims *claims, const char *name, const struct tree *entry);
/* The addresses (a list or one) of the hub's own interface. 0 or -ENOMEM. */
int claims_add_interface(struct claims *claims, const struct tree *addresses);
/* An error for each claim that was made before. */
void claims_check(struct claims *claims, struct schema_errors *errors);
void claims_done(struct claims *claims);

#endif
