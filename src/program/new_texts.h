/* SPDX-License-Identifier: MIT */
/* The files that `longwire new` writes, as text that people like to go on with. */
#ifndef PROGRAM_NEW_TEXTS_H
#define PROGRAM_NEW_TEXTS_H

#include <stddef.h>
#include <stdint.h>

#include <longwire/api.h>

#include "base/address.h"
#include "tls/credentials.h"

enum { NEW_ADDRESSES_MAX = 8 };

/* The networks of a new hub in IP mode. */
#define NEW_ADDRESS4 "10.86.0.1/24"
#define NEW_ADDRESS6 "fd86::1/64"

struct new_client {
	const char *name;
	enum lw_layer layer;
	const char *hub; /* "hub.example.net:8443" */
	struct pin hub_pin, pin;
	char addresses[NEW_ADDRESSES_MAX][IP_TEXT_SIZE];
	size_t n_addresses;
};

/* Each: malloc'd, NULL without memory. */
char *new_hub_text(enum lw_layer layer, uint16_t port);
char *new_client_text(const struct new_client *client); /* NAME.yaml, for the client's machine */
char *new_entry_text(const struct new_client *client);  /* clients.d/NAME.yaml, for the hub */

/*
 * Choose a host's addresses: one in each of the prefixes, with the same, lowest number that none of
 * used has. Return: their number; 0 when there is none left (or no prefix).
 */
size_t new_pick_addresses(const struct ip_prefix *prefixes, size_t n_prefixes,
			  const struct ip_address *used, size_t n_used,
			  struct ip_address ret_addresses[NEW_ADDRESSES_MAX]);

#endif
