/* SPDX-License-Identifier: MIT */
/* IP addresses, prefixes, MAC addresses and endpoints: parsing, printing, comparing. */
#include "base/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

int ip_address_parse(const char *text, struct ip_address *ret_address)
{
	struct ip_address address = { 0 };

	address.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(address.family, text, address.bytes) != 1)
		return -EINVAL;
	*ret_address = address;
	return 0;
}

int ip_prefix_parse(const char *text, struct ip_prefix *ret_prefix)
{
	const char *slash = strchr(text, '/');
	size_t length = slash ? (size_t)(slash - text) : strlen(text);
	char host[IP_TEXT_SIZE];
	struct ip_prefix prefix;
	uint64_t bits;

	if (length >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, length);
	host[length] = '\0';
	if (ip_address_parse(host, &prefix.address) < 0)
		return -EINVAL;
	bits = ip_address_bits(&prefix.address);
	if (slash && parse_uint(slash + 1, 0, bits, &bits) < 0)
		return -EINVAL;
	prefix.length = (uint8_t)bits;
	*ret_prefix = prefix;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int mac_address_parse(const char *text, struct mac_address *ret_mac)
{
	struct mac_address mac;

	for (size_t i = 0; i < sizeof(mac.bytes); i++) {
		int value = hex_digit(*text);

		if (value < 0)
			return -EINVAL;
		text++;
		if (hex_digit(*text) >= 0)
			value = value * 16 + hex_digit(*text++);
		if (*text != (i + 1 < sizeof(mac.bytes) ? ':' : '\0'))
			return -EINVAL;
		text++;
		mac.bytes[i] = (uint8_t)value;
	}
	*ret_mac = mac;
	return 0;
}

/*
 * Whether libc would take the name for an IPv4 address in one of its old forms ("127.1",
 * "0x7f000001"): such a name means one thing to a reader and another to the resolver.
 */
static bool looks_numeric(const char *host)
{
	const char *dot = strrchr(host, '.');
	const char *label = dot ? dot + 1 : host;

	if (label[0] == '0' && (label[1] == 'x' || label[1] == 'X'))
		return label[strspn(label + 2, "0123456789abcdefABCDEF") + 2] == '\0';
	return label[strspn(label, "0123456789")] == '\0';
}

static bool is_host(const char *host)
{
	struct ip_address address;

	if (strchr(host, ':'))
		return false;
	if (ip_address_parse(host, &address) == 0)
		return true;
	if (!isalnum((unsigned char)host[0]) || looks_numeric(host) || strstr(host, ".."))
		return false;
	for (const char *p = host; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("-._", *p))
			return false;
	return true;
}

int endpoint_parse(const char *text, bool allow_zero, char ret_host[ENDPOINT_HOST_SIZE],
		   uint16_t *ret_port)
{
	const char *colon = strrchr(text, ':');
	char host[ENDPOINT_HOST_SIZE];
	struct ip_address address;
	uint64_t port;
	size_t length;

	if (!colon || parse_uint(colon + 1, allow_zero ? 0 : 1, 65535, &port) < 0)
		return -EINVAL;
	length = (size_t)(colon - text);
	if (length >= 2 && text[0] == '[' && text[length - 1] == ']') {
		length -= 2;
		text++;
		if (length >= sizeof(host))
			return -EINVAL;
		memcpy(host, text, length);
		host[length] = '\0';
		if (ip_address_parse(host, &address) < 0 || address.family != AF_INET6)
			return -EINVAL;
	} else {
		if (length >= sizeof(host))
			return -EINVAL;
		memcpy(host, text, length);
		host[length] = '\0';
		if (!is_host(host))
			return -EINVAL;
	}
	memcpy(ret_host, host, length + 1);
	*ret_port = (uint16_t)port;
	return 0;
}

const char *ip_address_format(const struct ip_address *address, char text[IP_TEXT_SIZE])
{
	if (!inet_ntop(address->family, address->bytes, text, IP_TEXT_SIZE))
		memcpy(text, "?", 2);
	return text;
}

const char *ip_prefix_format(const struct ip_prefix *prefix, char text[IP_PREFIX_TEXT_SIZE])
{
	char address[IP_TEXT_SIZE];

	snprintf(text, IP_PREFIX_TEXT_SIZE, "%s/%u", ip_address_format(&prefix->address, address),
		 prefix->length);
	return text;
}

const char *mac_address_format(const struct mac_address *mac, char text[MAC_TEXT_SIZE])
{
	const uint8_t *b = mac->bytes;

	snprintf(text, MAC_TEXT_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", b[0], b[1], b[2], b[3], b[4],
		 b[5]);
	return text;
}

int ip_address_of_sockaddr(const struct sockaddr *address, struct ip_address *ret_address)
{
	struct ip_address result = { 0 };

	if (address->sa_family == AF_INET) {
		struct sockaddr_in v4;

		memcpy(&v4, address, sizeof(v4));
		result.family = AF_INET;
		memcpy(result.bytes, &v4.sin_addr, 4);
	} else if (address->sa_family == AF_INET6) {
		struct sockaddr_in6 v6;

		memcpy(&v6, address, sizeof(v6));
		/* A dual-stack listener tells IPv4 peers in this form; limits and logs want the
		 * peer. */
		if (memcmp(&v6.sin6_addr, mapped_prefix, sizeof(mapped_prefix)) == 0) {
			result.family = AF_INET;
			memcpy(result.bytes, v6.sin6_addr.s6_addr + 12, 4);
		} else {
			result.family = AF_INET6;
			memcpy(result.bytes, &v6.sin6_addr, 16);
		}
	} else {
		return -EAFNOSUPPORT;
	}
	*ret_address = result;
	return 0;
}

void sockaddr_format(const struct sockaddr *address, char *text, size_t size)
{
	char host[IP_TEXT_SIZE];
	struct ip_address ip;
	in_port_t port;

	if (ip_address_of_sockaddr(address, &ip) < 0) {
		snprintf(text, size, "unix");
		return;
	}
	/* sin_port and sin6_port are at the same place. */
	memcpy(&port, (const char *)address + offsetof(struct sockaddr_in, sin_port), sizeof(port));
	snprintf(text, size, ip.family == AF_INET6 ? "[%s]:%u" : "%s:%u",
		 ip_address_format(&ip, host), ntohs(port));
}

void sockaddr_of_ip_address(const struct ip_address *address, uint16_t port,
			    struct sockaddr_storage *ret_sockaddr)
{
	struct sockaddr_in v4 = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	memcpy(&v4.sin_addr, address->bytes, sizeof(v4.sin_addr));
	memcpy(&v6.sin6_addr, address->bytes, sizeof(v6.sin6_addr));
	memset(ret_sockaddr, 0, sizeof(*ret_sockaddr));
	if (address->family == AF_INET)
		memcpy(ret_sockaddr, &v4, sizeof(v4));
	else
		memcpy(ret_sockaddr, &v6, sizeof(v6));
}

bool ip_address_equal(const struct ip_address *a, const struct ip_address *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

/* The bits of byte i that belong to a prefix of this length. */
static uint8_t byte_mask(uint8_t length, size_t i)
{
	if (length >= 8 * (i + 1))
		return 0xff;
	if (length <= 8 * i)
		return 0;
	return (uint8_t)(0xff << (8 * (i + 1) - length));
}

bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip_address *address)
{
	if (prefix->address.family != address->family)
		return false;
	for (size_t i = 0; i < sizeof(address->bytes); i++)
		if ((prefix->address.bytes[i] ^ address->bytes[i]) & byte_mask(prefix->length, i))
			return false;
	return true;
}

struct ip_prefix ip_prefix_network(const struct ip_prefix *prefix)
{
	struct ip_prefix network = *prefix;

	for (size_t i = 0; i < sizeof(network.address.bytes); i++)
		network.address.bytes[i] &= byte_mask(prefix->length, i);
	return network;
}

bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->length == b->length && ip_address_equal(&a->address, &b->address);
}

uint8_t ip_address_bits(const struct ip_address *address)
{
	return address->family == AF_INET6 ? 128 : 32;
}

bool ip_address_is_special(const struct ip_address *address)
{
	static const uint8_t zero[16];
	const uint8_t *b = address->bytes;

	if (address->family == AF_INET)
		return b[0] == 0 || b[0] == 127 || (b[0] & 0xf0) == 0xe0 ||
		       memcmp(b, "\xff\xff\xff\xff", 4) == 0;
	if (memcmp(b, zero, 15) == 0 && b[15] <= 1)
		return true;
	return b[0] == 0xff || memcmp(b, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

bool mac_address_is_group(const struct mac_address *mac)
{
	return mac->bytes[0] & 1;
}

bool mac_address_is_zero(const struct mac_address *mac)
{
	static const uint8_t zero[6];

	return memcmp(mac->bytes, zero, sizeof(zero)) == 0;
}
