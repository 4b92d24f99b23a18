/* SPDX-License-Identifier: MIT */
/*
 * In place of the C library's look-ups: every name that anybody in this program asks for is counted
 * and refused. Include in one source file of the program.
 */
#ifndef SUPPORT_RESOLVER_SPY_H
#define SUPPORT_RESOLVER_SPY_H

#include <arpa/inet.h>
#include <dlfcn.h>
#include <net/ethernet.h>
#include <netdb.h>
#include <netinet/ether.h>
#include <stddef.h>

/* The executable's own symbol is what shared libraries find, if it is visible. */
#define RESOLVER_SPY __attribute__((visibility("default")))

static unsigned resolver_spy_lookups;

static int resolver_spy_is_numeric(const char *node)
{
	unsigned char address[16];

	return inet_pton(AF_INET, node, address) == 1 || inet_pton(AF_INET6, node, address) == 1;
}

RESOLVER_SPY int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
			     struct addrinfo **ret_list)
{
	int (*original)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
		(__typeof__(original))dlsym(RTLD_NEXT, "getaddrinfo");

	if (node && !(hints && hints->ai_flags & AI_NUMERICHOST) &&
	    !resolver_spy_is_numeric(node)) {
		resolver_spy_lookups++;
		return EAI_NONAME;
	}
	return original(node, service, hints, ret_list);
}

RESOLVER_SPY struct hostent *gethostbyname(const char *name)
{
	(void)name;
	resolver_spy_lookups++;
	return NULL;
}

RESOLVER_SPY int getnetbyname_r(const char *name, struct netent *buffer, char *data, size_t size,
				struct netent **ret_net, int *ret_error)
{
	(void)name, (void)buffer, (void)data, (void)size;
	resolver_spy_lookups++;
	*ret_net = NULL;
	*ret_error = HOST_NOT_FOUND;
	return 0;
}

RESOLVER_SPY int getprotobyname_r(const char *name, struct protoent *buffer, char *data,
				  size_t size, struct protoent **ret_protocol)
{
	(void)name, (void)buffer, (void)data, (void)size;
	resolver_spy_lookups++;
	*ret_protocol = NULL;
	return 0;
}

RESOLVER_SPY int ether_hostton(const char *name, struct ether_addr *ret_address)
{
	(void)name, (void)ret_address;
	resolver_spy_lookups++;
	return -1;
}

#endif
