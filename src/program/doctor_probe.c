/* SPDX-License-Identifier: MIT */
/*
 * Whether frames of foreign MAC addresses come through, by ARP probes for a host of the LAN: sent
 * from a port of the bridge as what stands behind a bridge sends, and answered or not.
 */
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "base/random.h"
#include "network/network.h"
#include "program/doctor.h"

enum { ATTEMPTS = 3, ATTEMPT_MS = 300, ARP_LENGTH = 42, MAC = 6 };

/* A socket on a port of the bridge, and who asks. */
struct prober {
	int fd;
	uint32_t target; /* as in a packet */
	uint8_t macs[DOCTOR_FOREIGN_MACS][MAC];
	size_t n;
	bool is_answered[DOCTOR_FOREIGN_MACS];
};

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
static void build_probe(const uint8_t mac[MAC], uint32_t target, uint8_t frame[ARP_LENGTH])
{
	static const uint8_t head[] = { 0, 1, 8, 0, 6, 4, 0, 1 };

	memset(frame, 0, ARP_LENGTH);
	memset(frame, 0xff, MAC);
	memcpy(frame + 6, mac, MAC);
	store_be16(frame + 12, ETHERTYPE_ARP);
	memcpy(frame + 14, head, sizeof(head));
	memcpy(frame + 22, mac, MAC);
	memcpy(frame + 38, &target, 4);
}

static void take_answer(struct prober *prober, const uint8_t *frame, ssize_t length)
{
	if (length < ARP_LENGTH || load_be16(frame + 12) != ETHERTYPE_ARP ||
	    load_be16(frame + 20) != 2 || memcmp(frame + 28, &prober->target, 4) != 0)
		return;
	for (size_t i = 0; i < prober->n; i++)
		if (!memcmp(frame, prober->macs[i], MAC))
			prober->is_answered[i] = true;
}

static unsigned count_answers(const struct prober *prober)
{
	unsigned n = 0;

	for (size_t i = 0; i < prober->n; i++)
		n += prober->is_answered[i];
	return n;
}

static void listen_for_answers(struct prober *prober)
{
	int64_t until_ms = doctor_now_ms() + ATTEMPT_MS;
	uint8_t frame[256];

	while (count_answers(prober) < prober->n && doctor_wait(prober->fd, POLLIN, until_ms))
		take_answer(prober, frame, recv(prober->fd, frame, sizeof(frame), 0));
}

/* All of them at once. Return: how many were answered. */
static unsigned probe(struct prober *prober)
{
	uint8_t frame[ARP_LENGTH];

	for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
		for (size_t i = 0; i < prober->n; i++) {
			if (prober->is_answered[i])
				continue;
			build_probe(prober->macs[i], prober->target, frame);
			if (send(prober->fd, frame, sizeof(frame), 0) < 0)
				return count_answers(prober);
		}
		listen_for_answers(prober);
		if (count_answers(prober) == prober->n)
			break;
	}
	return count_answers(prober);
}

/*
 * A socket for everything, since a bridge takes what comes in at its port before a socket for one
 * protocol is asked; and a filter on it, so that a busy LAN does not drown the answers.
 */
static int open_port(const char *port)
{
	static struct sock_filter only_arp[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_ARP, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog filter = { .len = ARRAY_SIZE(only_arp), .filter = only_arp };
	struct sockaddr_ll place = { .sll_family = AF_PACKET,
				     .sll_protocol = htons(ETH_P_ALL),
				     .sll_ifindex = (int)if_nametoindex(port) };
	_cleanup_close_ int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ||
	    bind(fd, (const struct sockaddr *)&place, sizeof(place)) < 0)
		return -1;
	return take_fd(&fd);
}

void doctor_ask_macs(const char *bridge, const char *port, const char *host,
		     struct doctor_macs *ret_facts)
{
	struct prober own = { .n = 1 }, foreign = { .n = DOCTOR_FOREIGN_MACS };
	_cleanup_close_ int fd = open_port(port);
	struct network_link link;

	*ret_facts = (struct doctor_macs){ .bridge = bridge, .port = port };
	if (fd < 0 || network_link_get(port, &link, NULL) < 0)
		return;
	if (host ? inet_pton(AF_INET, host, &own.target) != 1 : !find_gateway(bridge, &own.target))
		return;
	(void)inet_ntop(AF_INET, &own.target, ret_facts->host, sizeof(ret_facts->host));
	own.fd = foreign.fd = fd;
	foreign.target = own.target;
	/* That of the port, which is what a hypervisor has given to this machine. */
	memcpy(own.macs[0], link.mac, MAC);
	for (size_t i = 0; i < foreign.n; i++) {
		foreign.macs[i][0] = 0x02;
		random_bytes(foreign.macs[i] + 1, MAC - 1);
	}
	ret_facts->own_is_answered = probe(&own) == 1;
	if (ret_facts->own_is_answered)
		ret_facts->foreign_answered = probe(&foreign);
}
