/* SPDX-License-Identifier: MIT */
/*
 * Proxies of a running tunnel as a file of environment variables beside its control socket:
 * proxy.env, for a shell, or EnvironmentFile= of a unit. It is there while the settings that have
 * them are, and is all that anybody does with them.
 */
#ifndef PROGRAM_PROXIES_H
#define PROGRAM_PROXIES_H

#include <stdbool.h>

struct instance;
struct lw_network_status;

/* Zero-initialised: nothing written yet. */
struct proxies {
	char path[128];
	char *written; /* what the file has; NULL: there is none */
	bool is_open;
};

/* Begin: what a killed instance left is removed. */
void proxies_open(struct proxies *proxies, const struct instance *instance);
/* Bring the file to what the status says; nothing happens where it says the same as before. */
void proxies_update(struct proxies *proxies, const struct lw_network_status *status);
/* Remove the file. Idempotent. */
void proxies_close(struct proxies *proxies);

#endif
