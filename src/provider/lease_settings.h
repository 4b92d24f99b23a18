/* SPDX-License-Identifier: MIT */
/* What a lease adds to settings. Pure. */
#ifndef PROVIDER_LEASE_SETTINGS_H
#define PROVIDER_LEASE_SETTINGS_H

#include <stdbool.h>

struct lease;
struct network_settings;

/*
 * The settings with the lease's address and router; its MTU where that is smaller; and its name
 * servers only where all of IPv4 goes there anyway (by its routes, or by includes_all, the kill
 * switch) and none were given: else a stranger in that network could answer for any name. 0 or
 * -ENOMEM.
 */
int lease_settings(const struct network_settings *settings, const struct lease *lease,
		   bool includes_all, struct network_settings *ret_sum);

#endif
