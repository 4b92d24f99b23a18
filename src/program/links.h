/* SPDX-License-Identifier: MIT */
/*
 * The links of a running instance's ports: what impairs them, by the names of the ports.
 *
 * A hub's ports are its clients' names and its interface's, which is also called device; a
 * client's are device and hub. Impairments come from the configuration at the start and by the
 * control verb "link" later, in the same words:
 *
 *   {"verb":"link","port":NAME,"direction":"in"|"out"|"both","settings":{"delay":"50ms",…}}
 *
 * Settings take the place of those before; none at all (no key) takes them away, unless there is
 * "show", which changes nothing, and needs no port. The answer lists the port's impairments, or all,
 * as the status does, and in "ports" the names that it is about.
 */
#ifndef PROGRAM_LINKS_H
#define PROGRAM_LINKS_H

#include <stddef.h>

#include <longwire/hub.h>
#include <longwire/replay.h>
#include <longwire/tunnel.h>

#include "base/schema.h"
#include "program/control.h"

struct tree;

/* One of both, once it is made; neither: nothing has links. */
struct links {
	struct lw_hub *hub;
	struct lw_tunnel *tunnel;
};

/* 0, -ENOENT with the names that are, or as lw_port_impair(). */
int links_set(const struct links *links, const char *port, unsigned ways,
	      const struct lw_impairment *settings, struct lw_error *ret_error);
/* All of a configuration's (struct impairment_config). */
int links_apply(const struct links *links, const struct item_list *impairments,
		struct lw_error *ret_error);
/* As lw_port_replay(); -ENOENT. */
int links_replay(const struct links *links, const char *port,
		 const struct lw_replay_options *options, struct lw_replay **ret_replay,
		 struct lw_error *ret_error);
/* Add a list "impairments" to map: of all ports, or of one. 0 or -ENOMEM. */
int links_report(const struct links *links, const char *port, struct tree *map);

extern const struct control_verb link_verbs[]; /* user: struct links */
extern const size_t n_link_verbs;

#endif
