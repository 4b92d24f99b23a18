/* SPDX-License-Identifier: MIT */
/* In-provider networking: sockets outside the tunnel, and through it. */
#include <longwire/networking.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <longwire/flow.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/value.h"
#include "provider/provider.h"

static int bind_to(int fd, const char *interface, struct lw_error *ret_error)
{
	if (setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, interface, (socklen_t)strlen(interface)) ==
	    0)
		return 0;
	return error_errno(ret_error, errno, "a socket bound to %s", interface);
}

/* Without an interface in the kernel there is no tunnel that it could run into. */
static int mark(const struct lw_provider *provider, int fd, struct lw_error *ret_error)
{
	const uint32_t value = LW_OUTER_MARK;

	if (setsockopt(fd, SOL_SOCKET, SO_MARK, &value, sizeof(value)) == 0)
		return 0;
	if (errno == EPERM && !lw_packet_flow_name(provider->flow)[0])
		return 0;
	return error_errno(ret_error, errno,
			   "a socket outside the tunnel needs CAP_NET_ADMIN for its mark");
}

static int check_socket(const struct lw_provider *provider, const struct lw_socket_options *options,
			struct lw_error *ret_error)
{
	if (!provider_has_run(provider))
		return error_set(ret_error, -ENOTCONN, LW_DOMAIN_TUNNEL,
				 LW_TUNNEL_ERROR_SETTINGS_CANCELED,
				 "a socket is for a provider that was started and not stopped");
	if (options->way != LW_WAY_OUTSIDE && options->way != LW_WAY_THROUGH)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_SYSTEM, EINVAL,
				 "a socket goes outside or through the tunnel, not %d",
				 (int)options->way);
	if (options->way == LW_WAY_THROUGH && options->interface)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_SYSTEM, EINVAL,
				 "a socket through the tunnel has the tunnel's interface");
	if (options->way == LW_WAY_THROUGH && !lw_packet_flow_name(provider->flow)[0])
		return error_set(ret_error, -ENODEV, LW_DOMAIN_SYSTEM, ENODEV,
				 "this tunnel has no interface in the kernel to go through");
	return 0;
}

int lw_provider_socket(struct lw_provider *provider, const struct lw_socket_options *given,
		       int *ret_descriptor, struct lw_error *ret_error)
{
	struct lw_socket_options options;
	_cleanup_close_ int fd = -1;
	int r;

	if (!given || !value_take(&options, sizeof(options), given))
		return error_set(ret_error, -EINVAL, LW_DOMAIN_SYSTEM, EINVAL,
				 "socket options of an unknown size");
	r = check_socket(provider, &options, ret_error);
	if (r < 0)
		return r;
	fd = socket(options.domain, options.type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return error_errno(ret_error, errno, "a provider's socket");
	if (options.way == LW_WAY_THROUGH)
		r = bind_to(fd, lw_packet_flow_name(provider->flow), ret_error);
	else
		r = mark(provider, fd, ret_error);
	if (r == 0 && options.interface)
		r = bind_to(fd, options.interface, ret_error);
	if (r < 0)
		return r;
	*ret_descriptor = take_fd(&fd);
	return 0;
}
