/* SPDX-License-Identifier: MIT */
/* In-provider networking: how a provider reaches the world outside its tunnel, and hosts inside. What
 * the way outside is, and that it has changed: lw_provider_path() and path_changed of the ops. */
#ifndef LONGWIRE_NETWORKING_H
#define LONGWIRE_NETWORKING_H

#include <longwire/api.h>

LW_BEGIN

struct lw_error;
struct lw_provider;

enum lw_way {
	/*
	 * Past the tunnel, to the server that it leads to: the socket has LW_OUTER_MARK, so that no
	 * tunnel of this machine draws it into itself, whatever its routes say. Apple's providers get
	 * this without asking; here it is asked for.
	 */
	LW_WAY_OUTSIDE = 1,
	/* To a host behind the tunnel: the socket is bound to the tunnel's interface. It carries once
	 * the settings are applied. */
	LW_WAY_THROUGH = 2,
};

struct lw_socket_options {
	size_t size;
	enum lw_way way;
	int domain, type;      /* as for socket(2); it is non-blocking and closed on exec */
	const char *interface; /* OUTSIDE: leave by this one only, e.g. lw_path.interface; NULL: as
				  the routes say */
};

/*
 * A socket of the provider's own, which it closes. Return: 0; -ENOTCONN unless it runs; -EINVAL;
 * -ENODEV through a tunnel without an interface (memory) or outside by one that is not there;
 * -EPERM without CAP_NET_ADMIN for the mark, which a tunnel without an interface does not need.
 */
LW_API LW_MUST_CHECK int lw_provider_socket(struct lw_provider *provider,
					    const struct lw_socket_options *options,
					    int *ret_descriptor, struct lw_error *ret_error);

LW_END

#endif
