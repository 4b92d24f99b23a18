/* SPDX-License-Identifier: MIT */
/*
 * The machine sleeps and wakes. The session is kept over it: a short sleep passes unnoticed by the
 * hub, and after a long one both ends know by their clocks, which count meanwhile, that nothing was
 * heard for too long. What lies between is found out by asking at once.
 */
#include <longwire/provider.h>

#include "base/log.h"
#include "tunnel/client.h"

void client_sleep(struct lw_provider *provider, struct lw_completion *done, void *user)
{
	(void)provider;
	(void)user;
	lw_completion_finish(done, NULL);
}

void client_wake(struct lw_provider *provider, void *user)
{
	struct lw_tunnel *tunnel = user;

	(void)provider;
	if (tunnel->stopping)
		return;
	if (!tunnel->session || tunnel->link != LW_LINK_UP) {
		client_attempt_now(tunnel);
		return;
	}
	for (uint32_t i = 0; i < tunnel->bundle.n; i++)
		if (tunnel->bundle.members[i])
			session_check(tunnel->bundle.members[i]);
}
