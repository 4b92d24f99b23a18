/* SPDX-License-Identifier: MIT */
/* Asking the machine for what a plan needs to know. */
#ifndef NETWORK_FACTS_H
#define NETWORK_FACTS_H

#include "network/plan.h"

/* applied is what we have changed ourselves: it is told as it was before us. 0 or a negative errno
 * with ret_error. */
int facts_collect(struct rtnetlink *rtnetlink, const char *name, const struct network_plan *plan,
		  const struct changes *applied, struct facts *ret_facts,
		  struct lw_error *ret_error);
/* Only what is stale, of whatever interfaces. */
int facts_collect_stale(struct rtnetlink *rtnetlink, struct facts *ret_facts,
			struct lw_error *ret_error);
void facts_done(struct facts *facts);

#endif
