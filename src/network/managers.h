/* SPDX-License-Identifier: MIT */
/*
 * Programs that manage interfaces by themselves, NetworkManager and systemd-networkd, and what they
 * say of one: by D-Bus, as nmcli and networkctl are told. Nothing is started by asking.
 */
#ifndef NETWORK_MANAGERS_H
#define NETWORK_MANAGERS_H

#include <stdbool.h>

enum { MANAGER_BY_SIZE = 200, MANAGERS_TIMEOUT_MS = 1500 };

struct manager_view {
	bool runs;
	bool knows;               /* it has this interface; else the rest is nothing */
	bool manages;             /* it sets it up, or would */
	bool watches;             /* it manages it as it is: others set it up */
	bool enslaves;            /* it is what made the interface the port of a bridge */
	char by[MANAGER_BY_SIZE]; /* the profile or file by which it does; empty: unknown */
};

struct managers {
	struct manager_view network_manager, networkd;
};

/* Without a system bus nobody runs. */
void managers_ask(const char *interface, struct managers *ret_managers);

#endif
