/* SPDX-License-Identifier: MIT */
/*
 * What is reached from here: a hub, without being admitted to it, the path to it, and whether frames
 * of foreign MAC addresses come through.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <longwire/error.h>

#include "base/address.h"
#include "base/bytes.h"
#include "base/memory.h"
#include "base/random.h"
#include "device/checksum.h"
#include "network/network.h"
#include "program/doctor.h"
#include "tls/credentials.h"
#include "tls/handshake.h"

enum { PATIENCE_MS = 3000, ECHO_MS = 1000, ARP_MS = 1000, ARP_LENGTH = 42, BUFFER = 16384 };

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Return: whether fd got ready before until_ms. */
static bool wait_for(int fd, short events, int64_t until_ms)
{
	struct pollfd item = { .fd = fd, .events = events };
	int64_t left = until_ms - now_ms();

	return left > 0 && poll(&item, 1, (int)left) == 1;
}

/* ---- the connection */

static int connect_to(const struct addrinfo *address, int *ret_error)
{
	_cleanup_close_ int fd =
		socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof(*ret_error);

	if (fd < 0 ||
	    (connect(fd, address->ai_addr, address->ai_addrlen) < 0 && errno != EINPROGRESS)) {
		*ret_error = errno;
		return -1;
	}
	if (!wait_for(fd, POLLOUT, now_ms() + PATIENCE_MS)) {
		*ret_error = ETIMEDOUT;
		return -1;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, ret_error, &size) < 0)
		*ret_error = errno;
	return *ret_error ? -1 : take_fd(&fd);
}

static uint32_t path_mtu(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_pmtu : 0;
}

/* ---- TLS, up to the hub's key */

static bool flush(int fd, struct tls_handshake *handshake, int64_t until_ms)
{
	for (;;) {
		const uint8_t *data;
		size_t length;
		ssize_t n;

		tls_handshake_output(handshake, &data, &length);
		if (!length)
			return true;
		n = send(fd, data, length, MSG_NOSIGNAL);
		if (n > 0)
			tls_handshake_sent(handshake, (size_t)n);
		else if (errno != EAGAIN || !wait_for(fd, POLLOUT, until_ms))
			return false;
	}
}

static enum tls_progress exchange(int fd, struct tls_handshake *handshake)
{
	enum tls_progress progress = tls_handshake_step(handshake, NULL, 0);
	int64_t until_ms = now_ms() + PATIENCE_MS;
	uint8_t buffer[BUFFER];

	while (flush(fd, handshake, until_ms) && progress == TLS_WANT_INPUT) {
		ssize_t n;

		if (!wait_for(fd, POLLIN, until_ms))
			break;
		n = recv(fd, buffer, sizeof(buffer), 0);
		if (n <= 0)
			break;
		progress = tls_handshake_step(handshake, buffer, (size_t)n);
	}
	return progress;
}

/* The refusal names the key that was shown. */
static void take_pin(const struct admission *admission, struct doctor_hub *facts)
{
	const char *at = strstr(admission->text, "SHA256:");
	struct pin pin;
	char text[PIN_TEXT_SIZE];

	if (!at)
		return;
	snprintf(text, sizeof(text), "%.*s", PIN_TEXT_SIZE - 1, at);
	if (pin_parse(text, &pin) == 0)
		snprintf(facts->shown_pin, sizeof(facts->shown_pin), "%s", text);
}

/* Nobody is in the book, so the hub is refused as soon as it has shown its key: it does not see one
 * of ours. */
static void see_key(int fd, const struct tls_config *config, const struct admission_book *book,
		    struct doctor_hub *facts)
{
	struct tls_handshake *handshake;
	const struct admission *admission;
	enum tls_progress progress;
	struct lw_error error;

	if (tls_handshake_new(config, book, (int64_t)time(NULL), &handshake) < 0)
		return;
	progress = exchange(fd, handshake);
	admission = tls_handshake_admission(handshake);
	if (progress == TLS_WANT_INPUT) {
		snprintf(facts->said, sizeof(facts->said), "it does not answer a TLS handshake");
	} else {
		take_pin(admission, facts);
		tls_handshake_error(handshake, &error);
		snprintf(facts->said, sizeof(facts->said), "%.190s", error.text);
	}
	facts->speaks_tls = facts->shown_pin[0];
	tls_handshake_free(handshake);
}

static void ask_hub(int fd, struct doctor_hub *facts)
{
	struct credentials *credentials = NULL;
	struct admission_book *book = NULL;
	struct tls_config *config = NULL;
	struct lw_error error;
	struct pin pin;
	char *pem = NULL;
	size_t length = 0;

	if (credentials_generate(&pem, &length, &pin, &error) == 0 &&
	    credentials_parse("doctor", pem, length, &credentials, &error) == 0 &&
	    tls_config_new(ADMISSION_CLIENT, credentials, &config, &error) == 0 &&
	    admission_book_new(NULL, 0, &book) == 0)
		see_key(fd, config, book, facts);
	admission_book_free(book);
	tls_config_free(config);
	credentials_free(credentials);
	if (pem)
		memory_erase(pem, length);
	free(pem);
}

/* ---- echoes that may not be fragmented */

/* Return: whether an echo of so many bytes of IP came back. */
static bool echo(int fd, const struct sockaddr *to, socklen_t size, size_t packet_length,
		 uint16_t number)
{
	uint8_t data[1500] = { ICMP_ECHO }, answer[1600];
	int64_t until_ms = now_ms() + ECHO_MS;
	size_t length = packet_length - 20;

	store_be16(data + 4, 0x4c57);
	store_be16(data + 6, number);
	store_be16(data + 2, (uint16_t)~checksum_add(0, data, length));
	if (sendto(fd, data, length, 0, to, size) < 0)
		return errno == EMSGSIZE; /* the kernel knows better: nothing vanishes */
	while (wait_for(fd, POLLIN, until_ms)) {
		ssize_t n = recv(fd, answer, sizeof(answer), 0);

		/* With the IP header, as a raw socket gives it. */
		if (n >= 28 && answer[20] == ICMP_ECHOREPLY && load_be16(answer + 24) == 0x4c57 &&
		    load_be16(answer + 26) == number)
			return true;
	}
	return false;
}

/* IPv4 alone: an IPv6 path without packet-too-big is as bad and much rarer. */
static void ping(const struct addrinfo *address, struct doctor_hub *facts)
{
	_cleanup_close_ int fd = -1;
	int discover = IP_PMTUDISC_PROBE;

	if (address->ai_family != AF_INET || facts->path_mtu < 1000)
		return;
	fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
	if (fd < 0 || setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &discover, sizeof(discover)) < 0)
		return;
	facts->was_pinged = true;
	facts->small_came = echo(fd, address->ai_addr, address->ai_addrlen, 84, 1);
	facts->large_came =
		facts->small_came &&
		(echo(fd, address->ai_addr, address->ai_addrlen, MIN(facts->path_mtu, 1500u), 2) ||
		 echo(fd, address->ai_addr, address->ai_addrlen, MIN(facts->path_mtu, 1500u), 3));
}

void doctor_reach(const char *address, struct doctor_hub *facts)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *found = NULL;
	char host[ENDPOINT_HOST_SIZE], service[8];
	_cleanup_close_ int fd = -1;
	uint16_t port;
	int r;

	facts->address = address;
	if (endpoint_parse(address, false, host, &port) < 0)
		return;
	snprintf(service, sizeof(service), "%u", port);
	r = getaddrinfo(host, service, &hints, &found);
	if (r != 0) {
		facts->resolve_error = gai_strerror(r);
		return;
	}
	for (const struct addrinfo *one = found; one && fd < 0; one = one->ai_next) {
		fd = connect_to(one, &facts->connect_error);
		if (fd < 0)
			continue;
		facts->path_mtu = path_mtu(fd);
		ping(one, facts);
		ask_hub(fd, facts);
	}
	freeaddrinfo(found);
}

/* ---- foreign MAC addresses */

/* The default gateway behind a bridge, from the kernel's own table. */
static bool find_gateway(const char *bridge, uint32_t *ret_gateway)
{
	FILE *routes = fopen("/proc/net/route", "re");
	bool is_found = false;
	char line[256], name[16], *end;

	while (routes && !is_found && fgets(line, sizeof(line), routes)) {
		const char *at = line + strcspn(line, "\t");

		snprintf(name, sizeof(name), "%.*s", (int)MIN(at - line, 15), line);
		if (strcmp(name, bridge) != 0 || strtoul(at, &end, 16) != 0)
			continue;
		*ret_gateway = (uint32_t)strtoul(end, NULL, 16);
		is_found = *ret_gateway != 0;
	}
	if (routes)
		fclose(routes);
	return is_found;
}

/* An ARP probe (RFC 5227): it says nothing that anybody would remember. */
static void build_probe(const uint8_t mac[6], uint32_t target, uint8_t frame[ARP_LENGTH])
{
	static const uint8_t head[] = { 0, 1, 8, 0, 6, 4, 0, 1 };

	memset(frame, 0, ARP_LENGTH);
	memset(frame, 0xff, 6);
	memcpy(frame + 6, mac, 6);
	store_be16(frame + 12, ETHERTYPE_ARP);
	memcpy(frame + 14, head, sizeof(head));
	memcpy(frame + 22, mac, 6);
	memcpy(frame + 38, &target, 4);
}

static bool is_answer(const uint8_t *frame, ssize_t length, const uint8_t mac[6], uint32_t target)
{
	return length >= ARP_LENGTH && !memcmp(frame, mac, 6) &&
	       load_be16(frame + 12) == ETHERTYPE_ARP && load_be16(frame + 20) == 2 &&
	       !memcmp(frame + 28, &target, 4);
}

static bool ask_arp(int fd, const uint8_t mac[6], uint32_t target)
{
	uint8_t frame[ARP_LENGTH], answer[256];

	build_probe(mac, target, frame);
	for (int attempt = 0; attempt < 3; attempt++) {
		int64_t until_ms = now_ms() + ARP_MS / 2;

		if (send(fd, frame, sizeof(frame), 0) < 0)
			return false;
		while (wait_for(fd, POLLIN, until_ms)) {
			ssize_t n = recv(fd, answer, sizeof(answer), 0);

			if (is_answer(answer, n, mac, target))
				return true;
		}
	}
	return false;
}

bool doctor_ask_macs(const char *bridge, const char *port, char gateway[16],
		     struct doctor_macs *facts)
{
	struct sockaddr_ll place = { .sll_family = AF_PACKET,
				     .sll_protocol = htons(ETHERTYPE_ARP),
				     .sll_ifindex = (int)if_nametoindex(port) };
	uint8_t foreign[6] = { 0x02 };
	_cleanup_close_ int fd = -1;
	struct network_link link;
	uint32_t target;

	if (!find_gateway(bridge, &target) || network_link_get(bridge, &link, NULL) < 0)
		return false;
	fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, htons(ETHERTYPE_ARP));
	if (fd < 0 || bind(fd, (const struct sockaddr *)&place, sizeof(place)) < 0)
		return false;
	random_bytes(foreign + 1, sizeof(foreign) - 1);
	(void)inet_ntop(AF_INET, &target, gateway, 16);
	*facts = (struct doctor_macs){ .port = port, .gateway = gateway };
	facts->own_is_answered = ask_arp(fd, link.mac, target);
	facts->foreign_is_answered = facts->own_is_answered && ask_arp(fd, foreign, target);
	return true;
}
