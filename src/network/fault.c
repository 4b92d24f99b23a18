/* SPDX-License-Identifier: MIT */
/* Requests to the kernel that fail when a test says so. */
#include "network/fault.h"

#include "network/network.h"

static unsigned countdown;
static int injected;

void network_inject_failure(unsigned nth, int error)
{
	countdown = nth;
	injected = error;
}

int fault_check(void)
{
	if (!countdown || --countdown)
		return 0;
	return injected < 0 ? injected : -injected;
}
