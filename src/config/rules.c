/* SPDX-License-Identifier: MIT */
/* What single values of a configuration may be, and which keys go with which layer. */
#include "config/rules.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <longwire/error.h>
#include <longwire/packet.h>

#include "base/address.h"
#include "base/dns_settings.h"
#include "base/parse.h"
#include "base/schema.h"
#include "base/tree.h"

static bool has_control_characters(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return true;
	return false;
}

const char *rules_file(const char *text)
{
	if (text[0] == '\0' || has_control_characters(text) || text[strlen(text) - 1] == '/')
		return "the path of a file";
	return NULL;
}

const char *rules_filter(const char *text)
{
	if (text[strspn(text, " ")] == '\0' || has_control_characters(text))
		return "a capture filter such as arp or port 67, on one line";
	return NULL;
}

const char *rules_drop(const char *text)
{
	return lw_drop_find(text) == LW_DROP_NONE
		       ? "a reason of drops as the status names it, like queue-full"
		       : NULL;
}

const char *rules_port_name(const char *text)
{
	return rules_name(text) && rules_interface_name(text)
		       ? "names of clients, of the hub (hub), or of the interface"
		       : NULL;
}

const char *rules_name(const char *text)
{
	return parse_is_name(text) ? NULL
				   : "1 to 63 of letters, digits, . _ - and begin with none of . -";
}

const char *rules_interface_name(const char *text)
{
	return parse_is_interface_name(text)
		       ? NULL
		       : "an interface name: 1 to 15 of letters, digits, . _ -";
}

const char *rules_listen(const char *text)
{
	char host[ENDPOINT_HOST_SIZE];
	struct ip_address address;
	uint16_t port;

	if (endpoint_parse(text, false, host, &port) < 0 || ip_address_parse(host, &address) < 0)
		return "an address of this machine and a port, such as [::]:8443 or 0.0.0.0:8443";
	return NULL;
}

const char *rules_hub_address(const char *text)
{
	char host[ENDPOINT_HOST_SIZE];
	uint16_t port;

	if (endpoint_parse(text, false, host, &port) < 0)
		return "host:port, such as hub.example.net:8443, 192.0.2.1:8443 or "
		       "[2001:db8::1]:8443";
	return NULL;
}

/* SHA-256 is 256 bits: 42 characters of six bits and one of four, whose last two bits must be
 * zero. */
const char *rules_pin(const char *text)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	static const char prefix[] = "SHA256:";
	static const char allowed[] = "SHA256: and the 43 characters of the key's pin";
	size_t length;

	if (strncmp(text, prefix, sizeof(prefix) - 1) != 0)
		return allowed;
	text += sizeof(prefix) - 1;
	length = strspn(text, digits);
	if (length != 43 || strcmp(text + length, text[length] ? "=" : "") != 0)
		return allowed;
	if ((strchr(digits, text[42]) - digits) % 4 != 0)
		return "a whole pin: the last character of this one cannot be right";
	return NULL;
}

const char *rules_ethernet_address(const char *text)
{
	struct mac_address mac;

	if (mac_address_parse(text, &mac) < 0 || mac_address_is_group(&mac) ||
	    mac_address_is_zero(&mac))
		return "a unicast MAC address such as \"02:5e:1c:12:34:56\"";
	return NULL;
}

const char *rules_own_address(const char *text)
{
	struct ip_prefix prefix;

	if (ip_prefix_parse(text, &prefix) < 0)
		return "an address with the length of its network, such as 10.86.0.1/24 or "
		       "fd86::1/64";
	if (prefix.length == 0 || ip_address_is_special(&prefix.address))
		return "an address of a host: not unspecified, loopback, multicast, broadcast or "
		       "IPv4-mapped, and no length of 0";
	return NULL;
}

const char *rules_client_address(const char *text)
{
	struct ip_address address;

	if (ip_address_parse(text, &address) < 0)
		return "an address without a length, such as 10.86.0.2 or fd86::2";
	if (ip_address_is_special(&address))
		return "an address of a host: not unspecified, loopback, multicast, broadcast or "
		       "IPv4-mapped";
	return NULL;
}

const char *rules_domain(const char *text)
{
	char name[DOMAIN_TEXT_SIZE];

	return domain_parse(text, name) < 0 ? "a domain name such as corp.example" : NULL;
}

const char *rules_network(const char *text)
{
	struct ip_prefix prefix, network;

	if (ip_prefix_parse(text, &prefix) < 0)
		return "a network such as 10.0.0.0/8 or fd86::/64";
	network = ip_prefix_network(&prefix);
	if (!ip_prefix_equal(&prefix, &network))
		return "the network's own address, without bits beyond its length";
	return NULL;
}

const struct tree *rules_find(const struct tree *map, const char *section, const char *key)
{
	return tree_get(section ? tree_get(map, section) : map, key);
}

void rules_refuse(struct schema_errors *errors, const struct tree *at, const char *path,
		  const char *reason)
{
	struct tree key;

	if (!at)
		return;
	key = (struct tree){ .line = at->key ? at->key_line : at->line,
			     .column = at->key ? at->key_column : at->column };
	schema_error(errors, &key, path, "%s", reason);
}

void rules_check_layer(const struct layer_rule *rules, int layer, const struct tree *tree,
		       struct schema_errors *errors)
{
	char path[80];

	for (; rules->key; rules++) {
		if (rules->refused_in != layer)
			continue;
		snprintf(path, sizeof(path), "%s%s%s", rules->section ? rules->section : "",
			 rules->section ? "." : "", rules->key);
		rules_refuse(errors, rules_find(tree, rules->section, rules->key), path,
			     rules->reason);
	}
}

void rules_refuse_file(struct schema_errors *errors, const char *path, const struct lw_error *error)
{
	size_t length = strlen(path);
	bool is_named = strncmp(error->text, path, length) == 0 &&
			strncmp(error->text + length, ": ", 2) == 0;

	schema_error(errors, NULL, NULL, "%s", error->text + (is_named ? length + 2 : 0));
}
