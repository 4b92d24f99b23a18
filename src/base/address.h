/* SPDX-License-Identifier: MIT */
/* IP addresses, prefixes, MAC addresses and endpoints as values; parsing refuses what is
 * ambiguous. */
#ifndef BASE_ADDRESS_H
#define BASE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

/* family AF_INET uses bytes[0 … 4); unused bytes are zero, so memcmp compares. */
struct ip_address {
	uint8_t family; /* AF_INET or AF_INET6 */
	uint8_t bytes[16];
};

struct ip_prefix {
	struct ip_address address; /* ip_prefix_parse keeps host bits: "10.86.0.1/24" */
	uint8_t length;            /* 0 … 32 or 128 */
};

struct mac_address {
	uint8_t bytes[6];
};

enum { IP_TEXT_SIZE = 46, IP_PREFIX_TEXT_SIZE = 50, MAC_TEXT_SIZE = 18, ENDPOINT_HOST_SIZE = 256 };

/* All parsers: 0 or -EINVAL; the whole string must match; dotted quads only, no zone, no leading
 * zeros beyond libc's inet_pton. */
int ip_address_parse(const char *text, struct ip_address *ret_address);
/* Without "/n" the length is the whole address. */
int ip_prefix_parse(const char *text, struct ip_prefix *ret_prefix);
/* "xx:xx:xx:xx:xx:xx", each one or two hexadecimal digits. */
int mac_address_parse(const char *text, struct mac_address *ret_mac);
/* "host:port", "1.2.3.4:port", "[v6]:port"; port 1 … 65535 (0 too with allow_zero). ret_host
 * without brackets. */
int endpoint_parse(const char *text, bool allow_zero, char ret_host[ENDPOINT_HOST_SIZE],
		   uint16_t *ret_port);

const char *ip_address_format(const struct ip_address *address, char text[IP_TEXT_SIZE]);
const char *ip_prefix_format(const struct ip_prefix *prefix, char text[IP_PREFIX_TEXT_SIZE]);
const char *mac_address_format(const struct mac_address *mac, char text[MAC_TEXT_SIZE]);
/* "192.0.2.1:8443", "[2001:db8::1]:8443", "unix" for other families. */
void sockaddr_format(const struct sockaddr *address, char *text, size_t size);
/* Return: 0, or -EAFNOSUPPORT. */
int ip_address_of_sockaddr(const struct sockaddr *address, struct ip_address *ret_address);

/* The other way round. */
void sockaddr_of_ip_address(const struct ip_address *address, uint16_t port,
			    struct sockaddr_storage *ret_sockaddr);

bool ip_address_equal(const struct ip_address *a, const struct ip_address *b);
/* Whether the first length bits of prefix and address agree (and the families do). */
bool ip_prefix_contains(const struct ip_prefix *prefix, const struct ip_address *address);
/* The prefix with host bits cleared. */
struct ip_prefix ip_prefix_network(const struct ip_prefix *prefix);
bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b);
/* 32 or 128. */
uint8_t ip_address_bits(const struct ip_address *address);
/* Unspecified, loopback, multicast, limited broadcast or v4-mapped: nothing that a host on a tunnel
 * can have. */
bool ip_address_is_special(const struct ip_address *address);
bool mac_address_is_group(const struct mac_address *mac); /* also true for broadcast */
bool mac_address_is_zero(const struct mac_address *mac);

#endif
