/* SPDX-License-Identifier: MIT */
/* The gateway's firewall table, named longwire_<interface>. */
#ifndef NETWORK_NFTABLES_H
#define NETWORK_NFTABLES_H

#include <stddef.h>
#include <stdint.h>

struct network_gateway;

/* Whether the gateway forwards anything of this family. */
int nftables_has_family(const struct network_gateway *gateway, uint8_t family);
/* The script that makes the table anew, whatever was there of it. *ret_script is malloc'd. 0 or
 * -ENOMEM. */
int nftables_script(const char *name, const struct network_gateway *gateway, char **ret_script);
/* Run it, whole or not at all. On failure detail has what nftables says first. */
int nftables_run(const char *script, char *detail, size_t size);
/* The same, with what it prints: *ret_text is malloc'd. */
int nftables_ask(const char *script, char **ret_text, char *detail, size_t size);
/* Whether there is a table of this family and name, e.g. "inet longwire_lw0": 1, 0, or a negative
 * errno. */
int nftables_has(const char *table);
/* 0 also when there is no table. */
int nftables_remove(const char *name, char *detail, size_t size);

#endif
