/* SPDX-License-Identifier: MIT */
/* What a lease adds to settings. */
#include "provider/lease_settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/dns_settings.h"
#include "base/settings.h"
#include "network/lease.h"

enum { MTU_USUAL = 1500 };

static int add_address(struct network_settings *sum, const struct ip_prefix *address)
{
	struct ip_prefix *addresses =
		reallocarray(sum->addresses, sum->n_addresses + 1, sizeof(*addresses));

	if (!addresses)
		return -ENOMEM;
	addresses[sum->n_addresses++] = *address;
	sum->addresses = addresses;
	return 0;
}

static bool has_all_of_ipv4(const struct network_settings *settings)
{
	for (size_t i = 0; i < settings->n_included_routes; i++)
		if (settings->included_routes[i].length == 0 &&
		    settings->included_routes[i].address.family == AF_INET)
			return true;
	return false;
}

static int add_servers(struct network_settings *sum, const struct lease *lease)
{
	struct dns_settings *dns;

	if (sum->dns || !lease->n_servers)
		return 0;
	dns = calloc(1, sizeof(*dns));
	if (!dns)
		return -ENOMEM;
	dns->protocol = LW_DNS_CLEARTEXT;
	memcpy(dns->servers, lease->servers, lease->n_servers * sizeof(*dns->servers));
	dns->n_servers = lease->n_servers;
	if (lease->domain[0])
		memcpy(dns->search.items[dns->search.n++], lease->domain, sizeof(lease->domain));
	sum->dns = dns;
	return 0;
}

int lease_settings(const struct network_settings *settings, const struct lease *lease,
		   bool includes_all, struct network_settings *ret_sum)
{
	struct network_settings sum;
	uint32_t mtu = settings->mtu ? settings->mtu : MTU_USUAL;
	int r = network_settings_copy(settings, &sum);

	if (r < 0)
		return r;
	r = add_address(&sum, &lease->address);
	/* Where addresses are automatic no router of IPv4 is given by hand. */
	if (lease->router.family && sum.n_routers < LW_SETTINGS_ROUTERS_MAX)
		sum.routers[sum.n_routers++] = lease->router;
	if (lease->mtu && lease->mtu < mtu)
		sum.mtu = lease->mtu;
	if (r == 0 && (includes_all || has_all_of_ipv4(&sum)))
		r = add_servers(&sum, lease);
	if (r < 0) {
		network_settings_done(&sum);
		return r;
	}
	*ret_sum = sum;
	return 0;
}
