/* SPDX-License-Identifier: MIT */
/*
 * The path to a hub: how large a packet it takes, by echoes that may not be fragmented.
 *
 * A router that cannot pass a packet says so, with the size that it would pass (RFC 1191, RFC 8201):
 * then it is asked again with that. Where none says anything and large ones do not come back, many
 * sizes are sent at once, and the largest that came is what the path takes.
 */
/* <linux/errqueue.h> wants struct timespec. */
#include <time.h>

#include <errno.h>
#include <linux/errqueue.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/memory.h"
#include "device/checksum.h"
#include "network/network.h"
#include "program/doctor.h"

enum {
	ECHO_MS = 700,
	ECHO_HEAD = 8,
	SMALL = 84,
	LARGEST = 9216,
	ROUNDS = 8, /* routers on one path that take less than the one before */
	IPV4_HEAD = 20,
	IPV6_HEAD = 40,
};

/* What paths take: Ethernet, PPPoE, tunnels of all kinds, IPv6's least, IPv4's. */
static const uint32_t usual[] = { 1492, 1480, 1472, 1460, 1450, 1440, 1420, 1400, 1380,
				  1350, 1320, 1300, 1280, 1200, 1000, 800,  576 };

struct pinger {
	int fd;
	bool is_ipv6;
	uint16_t number; /* of the next echo */
	uint32_t told;   /* the size that a router told of; 0: none */
	uint8_t message[LARGEST];
};

static int open_pinger(const struct sockaddr *to, socklen_t size)
{
	bool is_ipv6 = to->sa_family == AF_INET6;
	_cleanup_close_ int fd = socket(to->sa_family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
					is_ipv6 ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_ICMP);
	const int one = 1, probe = is_ipv6 ? IPV6_PMTUDISC_PROBE : IP_PMTUDISC_PROBE;
	const int level = is_ipv6 ? (int)IPPROTO_IPV6 : (int)IPPROTO_IP;

	doctor_mark(fd);
	if (fd < 0 || connect(fd, to, size) < 0 ||
	    setsockopt(fd, level, is_ipv6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &probe,
		       sizeof(probe)) < 0 ||
	    setsockopt(fd, level, is_ipv6 ? IPV6_RECVERR : IP_RECVERR, &one, sizeof(one)) < 0)
		return -1;
	return take_fd(&fd);
}

/* An echo in a packet of so many bytes. */
static void send_echo(struct pinger *pinger, uint32_t packet, uint16_t number)
{
	size_t length = packet - (pinger->is_ipv6 ? IPV6_HEAD : IPV4_HEAD);
	uint8_t *message = pinger->message;

	memset(message, 0, length);
	message[0] = pinger->is_ipv6 ? ICMPV6_ECHO_REQUEST : ICMP_ECHO;
	store_be16(message + 4, (uint16_t)getpid());
	store_be16(message + 6, number);
	if (!pinger->is_ipv6) /* there the kernel does it */
		store_be16(message + 2, (uint16_t)~checksum_add(0, message, length));
	(void)send(pinger->fd, message, length, 0);
}

/* The queue of errors, and what is in it of packets that were too large. */
static void read_errors(struct pinger *pinger)
{
	union {
		struct cmsghdr head;
		uint8_t bytes[512];
	} control;
	struct msghdr message = { .msg_control = &control, .msg_controllen = sizeof(control) };

	while (recvmsg(pinger->fd, &message, MSG_ERRQUEUE) >= 0) {
		for (struct cmsghdr *one = CMSG_FIRSTHDR(&message); one;
		     one = CMSG_NXTHDR(&message, one)) {
			const struct sock_extended_err *error = (const void *)CMSG_DATA(one);

			if (one->cmsg_len >= CMSG_LEN(sizeof(*error)) &&
			    error->ee_errno == EMSGSIZE)
				pinger->told = error->ee_info;
		}
		message = (struct msghdr){ .msg_control = &control,
					   .msg_controllen = sizeof(control) };
	}
}

/* Return: which of the n echoes from number on this is the answer to; n: none. */
static size_t read_answer(struct pinger *pinger, uint16_t number, size_t n)
{
	const uint8_t *answer = pinger->message;
	ssize_t length = recv(pinger->fd, pinger->message, LARGEST, 0);
	size_t head = 0;

	if (!pinger->is_ipv6 && length > 0) /* a raw socket gives the header, too */
		head = (size_t)(answer[0] & 0xf) * 4;
	if (length < 0 || (size_t)length < head + ECHO_HEAD)
		return n;
	answer += head;
	if (answer[0] != (pinger->is_ipv6 ? ICMPV6_ECHO_REPLY : ICMP_ECHOREPLY) ||
	    load_be16(answer + 4) != (uint16_t)getpid())
		return n;
	return MIN((size_t)(uint16_t)(load_be16(answer + 6) - number), n);
}

/* Echoes of n sizes, at most 32, at once. Return: a bit for each that came back. */
static uint32_t echo(struct pinger *pinger, const uint32_t *sizes, size_t n)
{
	int64_t until_ms = doctor_now_ms() + ECHO_MS;
	uint32_t came = 0, all = (uint32_t)((UINT64_C(1) << n) - 1);
	uint16_t number = pinger->number;

	pinger->number = (uint16_t)(pinger->number + n);
	pinger->told = 0;
	for (size_t i = 0; i < n; i++)
		send_echo(pinger, sizes[i], (uint16_t)(number + i));
	while (came != all && !pinger->told && doctor_wait(pinger->fd, POLLIN, until_ms)) {
		size_t which = read_answer(pinger, number, n);

		if (which < n)
			came |= UINT32_C(1) << which;
		read_errors(pinger);
	}
	return came;
}

/* One size, twice if need be: a packet may be lost for other reasons. */
static bool passes(struct pinger *pinger, uint32_t size)
{
	return echo(pinger, &size, 1) || (!pinger->told && echo(pinger, &size, 1));
}

/* The largest of the usual sizes that comes back; 0: none. */
static uint32_t find_size(struct pinger *pinger)
{
	uint32_t came = echo(pinger, usual, ARRAY_SIZE(usual));

	came |= echo(pinger, usual, ARRAY_SIZE(usual));
	for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
		if (came & UINT32_C(1) << i)
			return usual[i];
	return 0;
}

static void measure(struct pinger *pinger, struct doctor_path *facts)
{
	facts->answers = passes(pinger, SMALL);
	facts->takes = MIN(facts->known, (uint32_t)LARGEST);
	for (unsigned i = 0; facts->answers && i < ROUNDS; i++) {
		if (passes(pinger, facts->takes))
			return;
		if (pinger->told <= SMALL || pinger->told >= facts->takes) {
			facts->loses_large = true;
			facts->takes = find_size(pinger);
			return;
		}
		facts->takes = pinger->told;
	}
}

static void look_up_route(const struct sockaddr *to, struct doctor_path *facts)
{
	struct network_link link;

	if (ip_address_of_sockaddr(to, &facts->to) < 0 || path_get(&facts->to, &facts->route) < 0 ||
	    !facts->route.is_reachable)
		return;
	facts->known = facts->route.mtu;
	if (network_link_get(facts->route.interface, &link, NULL) == 0)
		facts->link_mtu = link.mtu;
}

void doctor_look_path(const struct sockaddr *to, socklen_t size, struct doctor_path *ret_facts)
{
	struct pinger pinger = { .is_ipv6 = to->sa_family == AF_INET6 };
	_cleanup_close_ int fd = open_pinger(to, size);

	*ret_facts = (struct doctor_path){ 0 };
	look_up_route(to, ret_facts);
	pinger.fd = fd;
	if (fd < 0 || ret_facts->known < SMALL)
		return;
	ret_facts->was_asked = true;
	measure(&pinger, ret_facts);
}
