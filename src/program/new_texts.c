/* SPDX-License-Identifier: MIT */
/* The texts of new files, and the addresses in them. */
#include "program/new_texts.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/memory.h"

enum { HOSTS_MAX = 65534 };

static const char hub_ethernet[] =
	"# A Longwire hub. Every key is explained in longwire(8); after a change:\n"
	"# longwire check hub.yaml\n"
	"\n"
	"layer: ethernet              # one switch; every client is a port of it\n"
	"listen: [\"[::]:%u\"]      # IPv4 comes in here as well\n"
	"identity: hub.pem            # the hub's private key: it stays here, mode 0600\n"
	"mtu: 1500                    # of the whole network; every client is told\n"
	"\n"
	"# The hub's own port. A hub that only connects its clients needs none, and no privilege.\n"
	"interface:\n"
	"  name: lw0\n"
	"  # bridge: br0              # join this existing bridge: the LAN behind the hub\n"
	"\n"
	"# Clients are in clients.d/NAME.yaml, one file each; 'longwire new' adds more.\n"
	"\n"
	"# Packets into a file, for Wireshark:\n"
	"# capture:\n"
	"#   - {file: hub.pcap, points: [device-in, device-out], filter: arp or port 67}\n";

static const char hub_ip[] =
	"# A Longwire hub. Every key is explained in longwire(8); after a change:\n"
	"# longwire check hub.yaml\n"
	"\n"
	"layer: ip\n"
	"listen: [\"[::]:%u\"]      # IPv4 comes in here as well\n"
	"identity: hub.pem            # the hub's private key: it stays here, mode 0600\n"
	"mtu: 1500                    # of the whole network; every client is told\n"
	"\n"
	"interface:\n"
	"  name: lw0\n"
	"  addresses: [" NEW_ADDRESS4 ", \"" NEW_ADDRESS6
	"\"]   # the hub's, with the tunnel's network\n"
	"\n"
	"# Clients reach the hub, and with a gateway what is behind it:\n"
	"# gateway: {to: [10.0.0.0/8], masquerade: true}\n"
	"# settings: {included-routes: [10.0.0.0/8]}   # offered to clients, who decide\n"
	"\n"
	"# between-clients: isolated  # direct: inside the hub; kernel: its firewall decides\n"
	"\n"
	"# Clients are in clients.d/NAME.yaml, one file each; 'longwire new' adds more.\n"
	"\n"
	"# Packets into a file, for Wireshark:\n"
	"# capture:\n"
	"#   - {file: hub.pcap, points: [device-in, device-out], filter: icmp or icmp6}\n";

static const char client_ethernet[] =
	"interface:\n"
	"  name: lw0\n"
	"  # Be one host of the network there: with an address of your own, or by its DHCP server\n"
	"  # and routers (settings: {ipv4: automatic, ipv6: automatic}).\n"
	"  # addresses: [192.168.1.50/24]\n"
	"  # Or bridge the LAN behind this machine: name its bridge, which must exist, and say\n"
	"  # 'behind: lan' in the hub's clients.d/%s.yaml.\n"
	"  # bridge: br0\n";

static const char client_ip[] =
	"interface:\n"
	"  name: lw0                  # its addresses come from the hub\n"
	"\n"
	"# networks: [192.168.7.0/24]  # behind this machine, for the hub; it names them as well\n"
	"\n"
	"# What the hub may set on this machine. Add included-routes to reach what is behind it.\n"
	"accept: [addresses, mtu]\n";

static char *format(const char *pattern, ...) LW_PRINTF(1, 2);

static char *format(const char *pattern, ...)
{
	va_list list;
	char *text;
	int n;

	va_start(list, pattern);
	n = vasprintf(&text, pattern, list);
	va_end(list);
	return n < 0 ? NULL : text;
}

char *new_hub_text(enum lw_layer layer, uint16_t port)
{
	return layer == LW_LAYER_IP ? format(hub_ip, port) : format(hub_ethernet, port);
}

char *new_client_text(const struct new_client *client)
{
	bool is_ip = client->layer == LW_LAYER_IP;
	_cleanup_free_ char *interface =
		is_ip ? strdup(client_ip) : format(client_ethernet, client->name);
	char pin[PIN_TEXT_SIZE];

	if (!interface)
		return NULL;
	return format("# Longwire client \"%s\". Every key is explained in longwire(8); after a\n"
		      "# change: longwire check %s.yaml\n"
		      "\n"
		      "layer: %s\n"
		      "hub:\n"
		      "  address: \"%s\"  # or a list, tried in turn\n"
		      "  pin: \"%s\"  # of the hub's public key\n"
		      "identity: %s.pem  # this machine's private key, mode 0600\n"
		      "\n"
		      "%s",
		      client->name, client->name, is_ip ? "ip" : "ethernet", client->hub,
		      pin_format(&client->hub_pin, pin), client->name, interface);
}

/* "10.86.0.2, fd86::2" in quotes that keep colons apart from YAML's own. */
static void join_addresses(const struct new_client *client, char *text, size_t size)
{
	size_t used = 0;

	text[0] = '\0';
	for (size_t i = 0; i < client->n_addresses && used < size; i++)
		used += (size_t)snprintf(text + used, size - used, "%s\"%s\"", i ? ", " : "",
					 client->addresses[i]);
}

char *new_entry_text(const struct new_client *client)
{
	char addresses[NEW_ADDRESSES_MAX * (IP_TEXT_SIZE + 4)], pin[PIN_TEXT_SIZE];

	pin_format(&client->pin, pin);
	if (client->layer == LW_LAYER_ETHERNET)
		return format(
			"# What the hub knows of its client \"%s\".\n"
			"\n"
			"pin: \"%s\"  # of the client's public key\n"
			"behind: host  # one machine; lan: a bridge with a whole LAN behind it\n",
			client->name, pin);
	join_addresses(client, addresses, sizeof(addresses));
	return format("# What the hub knows of its client \"%s\".\n"
		      "\n"
		      "pin: \"%s\"  # of the client's public key\n"
		      "%saddresses: [%s]  # the client is given these\n"
		      "# networks: [192.168.7.0/24]  # behind the client, who names them as well\n",
		      client->name, pin, client->n_addresses ? "" : "# ", addresses);
}

/* The address that is number in the prefix; false: the prefix has no such host. */
static bool number_host(const struct ip_prefix *prefix, uint32_t number, struct ip_address *ret)
{
	struct ip_prefix network = ip_prefix_network(prefix);
	uint8_t bits = ip_address_bits(&prefix->address);
	uint8_t *last = network.address.bytes + bits / 8 - 4;
	uint8_t host_bits = (uint8_t)(bits - prefix->length);

	/* All ones is a broadcast address in IPv4, and of no more use in IPv6. */
	if (host_bits < 2 || (host_bits < 32 && number >= (UINT32_C(1) << host_bits) - 1))
		return false;
	store_be32(last, load_be32(last) | number);
	*ret = network.address;
	return true;
}

static bool is_used(const struct ip_address *address, const struct ip_address *used, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (ip_address_equal(address, &used[i]))
			return true;
	return false;
}

size_t new_pick_addresses(const struct ip_prefix *prefixes, size_t n_prefixes,
			  const struct ip_address *used, size_t n_used,
			  struct ip_address ret_addresses[NEW_ADDRESSES_MAX])
{
	struct ip_address chosen[NEW_ADDRESSES_MAX];

	if (!n_prefixes || n_prefixes > NEW_ADDRESSES_MAX)
		return 0;
	for (uint32_t number = 2; number <= HOSTS_MAX; number++) {
		size_t n = 0;

		while (n < n_prefixes && number_host(&prefixes[n], number, &chosen[n]) &&
		       !is_used(&chosen[n], used, n_used))
			n++;
		if (n < n_prefixes)
			continue;
		memcpy(ret_addresses, chosen, n * sizeof(*chosen));
		return n;
	}
	return 0;
}
