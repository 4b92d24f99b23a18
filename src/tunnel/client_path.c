/* SPDX-License-Identifier: MIT */
/* The path outside the tunnel has changed: a new one is taken. */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "tunnel/client.h"

/* The path to the hub that is in use; false where it is not known. */
static bool find_path(struct lw_tunnel *tunnel, struct lw_path *ret_path)
{
	struct ip_address hub;
	char text[IP_TEXT_SIZE];

	*ret_path = (struct lw_path){ .size = sizeof(*ret_path) };
	if (tunnel->dial ||
	    ip_address_of_sockaddr((const struct sockaddr *)&tunnel->peer, &hub) < 0)
		return false;
	return lw_provider_path(tunnel->provider, ip_address_format(&hub, text), ret_path) == 0;
}

void client_remember_path(struct lw_tunnel *tunnel)
{
	(void)find_path(tunnel, &tunnel->path);
}

static bool is_same(const struct lw_path *a, const struct lw_path *b)
{
	return a->index == b->index && !strcmp(a->source, b->source) &&
	       !strcmp(a->gateway, b->gateway);
}

/* Whether the interface that this path leaves by carries anything. */
static bool is_link_up(const struct lw_path *path)
{
	struct ifreq request = { 0 };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", path->interface);
	return fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0 && request.ifr_flags & IFF_RUNNING;
}

/* Whether this machine still has the address that the connection began with. */
static bool has_own_address(const struct session *session)
{
	struct sockaddr_storage own = { 0 };
	socklen_t length = sizeof(own);
	_cleanup_close_ int fd = -1;

	if (getsockname(session->stream.source.fd, (struct sockaddr *)&own, &length) < 0)
		return false;
	fd = socket(own.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return fd < 0 || bind(fd, (struct sockaddr *)&own, length) == 0 || errno != EADDRNOTAVAIL;
}

static void move(struct lw_tunnel *tunnel, const struct lw_path *path)
{
	const struct lw_path former = tunnel->path;

	tunnel->path = *path;
	log_info("the path to %s has changed: now by %s from %s", tunnel->address, path->interface,
		 path->source);
	if (!has_own_address(tunnel->session) || (former.index && !is_link_up(&former))) {
		session_finish(tunnel->session, GOODBYE_NONE, "the path outside is gone");
		return;
	}
	client_succeed(tunnel->session);
	for (uint32_t i = 1; i < tunnel->bundle.n; i++)
		if (tunnel->bundle.members[i])
			client_stream_worn(tunnel->bundle.members[i]);
}

void client_path_changed(struct lw_provider *provider, void *user)
{
	struct lw_tunnel *tunnel = user;
	struct lw_path path;

	(void)provider;
	if (tunnel->stopping || !tunnel->provider)
		return;
	if (tunnel->link == LW_LINK_WAITING) {
		/* Who was refused or replaced was reached: no other path makes that better. */
		if (tunnel->backoff.class == BACKOFF_LOST)
			client_try_soon(tunnel);
		return;
	}
	if (tunnel->link != LW_LINK_UP || !tunnel->session || !find_path(tunnel, &path) ||
	    !path.is_reachable || is_same(&path, &tunnel->path))
		return;
	move(tunnel, &path);
}
