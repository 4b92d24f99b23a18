/* SPDX-License-Identifier: MIT */
/*
 * The gateway's firewall table, named longwire_<interface>; and how to speak to nftables.
 *
 * Calls wait for the kernel, which has no deadline to give. How long is bounded by what is asked:
 * scripts change and list tables of ours alone, by name, and take 7 to 22 ms here, also beside
 * 200 000 elements and 5 000 rules of others, and while another program loads these again and again
 * (what lasts so long is the library; the kernel's part is below 1 ms). A list of all tables reads
 * everything that there is, 1.2 s in that case: only "longwire unlock" wants one.
 */
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
/* Run it, whole or not at all; -ENOENT: it names what there is none of. On failure detail has what nftables says first. */
int nftables_run(const char *script, char *detail, size_t size);
/* The same, with what it prints: *ret_text is malloc'd. */
int nftables_ask(const char *script, char **ret_text, char *detail, size_t size);
/* Whether there is a table of this family and name, e.g. "inet longwire_lw0": 1, 0, or a negative
 * errno. */
int nftables_has(const char *table);
/* 0 also when there is no table. */
int nftables_remove(const char *name, char *detail, size_t size);

#endif
