/* SPDX-License-Identifier: MIT */
/*
 * The hub's name, where a kill switch keeps questions to name servers in, too: it is looked up once,
 * before the kill switch is closed to them, and what it meant then holds for as long as that is
 * closed (lw_provider_seek_peer). An attempt that fails says what to do if the hub has moved since.
 */
#include <stddef.h>

#include <longwire/provider.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memory.h"
#include "tunnel/client.h"
#include "tunnel/dialer.h"

_Static_assert((int)DIAL_ADDRESSES_MAX == (int)LW_PEERS_MAX, "whatever is known can be noted");

bool client_hub_is_named_inside(const struct lw_tunnel *tunnel)
{
	char host[ENDPOINT_HOST_SIZE];
	struct ip_address address;
	uint16_t port;

	if (!tunnel->dialer || !lw_provider_includes_all_networks(tunnel->provider))
		return false;
	for (size_t i = 0; i < tunnel->n_hubs; i++)
		if (endpoint_parse(tunnel->hubs[i], false, host, &port) == 0 &&
		    ip_address_parse(host, &address) < 0)
			return true;
	return false;
}

static bool parse_peer(const char *text, struct sockaddr_storage *ret_address)
{
	char host[ENDPOINT_HOST_SIZE];
	struct ip_address address;
	uint16_t port;

	if (endpoint_parse(text, false, host, &port) < 0 || ip_address_parse(host, &address) < 0)
		return false;
	sockaddr_of_ip_address(&address, port, ret_address);
	return true;
}

int client_seek_hub(struct lw_tunnel *tunnel)
{
	struct sockaddr_storage addresses[DIAL_ADDRESSES_MAX];
	const struct sockaddr_storage *known;
	char peers[LW_PEERS_MAX][LW_PEER_TEXT_SIZE];
	size_t n = 0;
	int r;

	if (!client_hub_is_named_inside(tunnel))
		return 0;
	dialer_keep_addresses(tunnel->dialer, true);
	if (dialer_known(tunnel->dialer, &known))
		return 0;
	r = lw_provider_seek_peer(tunnel->provider, peers, LW_PEERS_MAX);
	for (int i = 0; i < r; i++)
		n += parse_peer(peers[i], &addresses[n]);
	dialer_set_known(tunnel->dialer, addresses, n);
	return MIN(r, 0);
}

void client_hub_found(void *user)
{
	struct lw_tunnel *tunnel = user;
	char texts[DIAL_ADDRESSES_MAX][LW_PEER_TEXT_SIZE];
	const struct sockaddr_storage *known;
	const char *peers[DIAL_ADDRESSES_MAX];
	size_t n;

	if (!client_hub_is_named_inside(tunnel))
		return;
	n = dialer_known(tunnel->dialer, &known);
	for (size_t i = 0; i < n; i++) {
		sockaddr_format((const struct sockaddr *)&known[i], texts[i], sizeof(texts[i]));
		peers[i] = texts[i];
	}
	/* By who closes it has been told already; we ask for names no more in any case. */
	if (lw_provider_found_peer(tunnel->provider, peers, n) < 0)
		log_warning("questions to name servers still get out");
}

const struct lw_error *client_explain_unreached(const struct lw_tunnel *tunnel,
						const struct lw_error *error,
						struct lw_error *memory)
{
	const struct sockaddr_storage *known;

	if (!client_hub_is_named_inside(tunnel) || !dialer_known(tunnel->dialer, &known))
		return error;
	error_set(memory, 0, error->domain, error->code,
		  "%.100s; the hub's name is not looked up again while the kill switch is "
		  "closed: if it has moved, end this, 'longwire unlock %s', start anew",
		  error->text, lw_provider_interface(tunnel->provider));
	return memory;
}
