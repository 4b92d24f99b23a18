/* SPDX-License-Identifier: MIT */
/* A link-local address on an interface. */
#include "network/link_local_client.h"

#include <endian.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/log.h"
#include "base/memory.h"
#include "loop/loop.h"
#include "network/link_local.h"
#include "network/network.h"

/* STALE_MAX: more small packets than a socket's usual buffer holds. */
enum { DATA_SIZE = 128, STALE_MAX = 1024 };

/*
 * Of a program that asked for it, on its main thread: the socket while no client has it (-1: one has
 * it, or none was asked for). Others make theirs when they need it, in whatever network namespace
 * they are in then.
 */
static int prepared = -1;
static bool is_prepared;

struct link_local_client {
	struct lw_loop *loop;
	char interface[16];
	int index;
	const struct lease_ops *ops;
	void *user;
	struct loop_source source;
	struct loop_timer timer;
	struct link_local claim;
};

/* ---- the socket */

/* Without a protocol it hears nothing until it is bound. */
static int make_socket(void)
{
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd < 0 ? -errno : fd;
}

int link_local_prepare(void)
{
	int fd;

	if (is_prepared)
		return 0;
	fd = make_socket();
	if (fd < 0)
		return fd;
	prepared = fd;
	is_prepared = true;
	return 0;
}

const char *link_local_refusal(void)
{
	int fd;

	if (is_prepared)
		return NULL;
	fd = make_socket();
	if (fd < 0)
		return "ipv4: link-local listens to ARP, which needs CAP_NET_RAW: start as root, "
		       "or give an address of 169.254.0.0/16 by hand";
	close_fd(&fd);
	return NULL;
}

/* What the former client's interface said since is nothing to this one. */
static int take_prepared(void)
{
	char scrap[DATA_SIZE];

	for (unsigned i = 0; i < STALE_MAX; i++)
		if (recv(prepared, scrap, sizeof(scrap), MSG_DONTWAIT) < 0 && errno != ENETDOWN)
			break;
	return take_fd(&prepared);
}

static int bind_to(int fd, int index)
{
	const struct sockaddr_ll address = {
		.sll_family = AF_PACKET,
		.sll_protocol = htobe16(ETHERTYPE_ARP),
		.sll_ifindex = index,
	};

	return bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

static void give_back(int fd)
{
	if (is_prepared && prepared < 0)
		prepared = fd;
	else
		close_fd(&fd);
}

/* ---- what comes of a step */

static void send_packet(struct link_local_client *client, const struct link_local_step *step)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htobe16(ETHERTYPE_ARP),
				  .sll_ifindex = client->index,
				  .sll_halen = ETH_ALEN };
	ssize_t n;

	memset(to.sll_addr, 0xff, ETH_ALEN);
	n = sendto(client->source.fd, step->packet, sizeof(step->packet), MSG_DONTWAIT,
		   (const struct sockaddr *)&to, sizeof(to));
	if (n >= 0)
		return;
	log_debug("%s: ARP could not be sent: %s", client->interface, strerror(errno));
	/* A probe that nobody heard proves nothing. */
	if (client->claim.state == LINK_LOCAL_PROBING)
		link_local_again(&client->claim, lw_loop_now_ns(client->loop));
}

static void tell(struct link_local_client *client, enum link_local_news news)
{
	struct lease lease = { .address = { .address.family = AF_INET,
					    .length = LINK_LOCAL_LENGTH } };
	uint32_t address = htobe32(client->claim.address);

	if (news == LINK_LOCAL_LOST) {
		client->ops->lost(client->user);
	} else if (news == LINK_LOCAL_TAKEN) {
		memcpy(lease.address.address.bytes, &address, sizeof(address));
		client->ops->bound(&lease, client->user);
	}
}

static void take_step(struct link_local_client *client, const struct link_local_step *step)
{
	if (step->has_packet)
		send_packet(client, step);
	if (client->claim.due_ns)
		loop_timer_set(client->loop, &client->timer, client->claim.due_ns);
	else
		loop_timer_cancel(&client->timer);
	tell(client, step->news);
}

static void due(struct loop_timer *timer)
{
	struct link_local_client *client = container_of(timer, struct link_local_client, timer);
	struct link_local_step step;

	link_local_tick(&client->claim, lw_loop_now_ns(client->loop), &step);
	take_step(client, &step);
}

/* Ours are not heard, and those with a VLAN tag are another network's. */
static bool is_for_us(const struct sockaddr_ll *from)
{
	return from->sll_pkttype == PACKET_HOST || from->sll_pkttype == PACKET_BROADCAST ||
	       from->sll_pkttype == PACKET_MULTICAST;
}

static void came(struct loop_source *source, uint32_t events)
{
	struct link_local_client *client = container_of(source, struct link_local_client, source);
	uint8_t data[DATA_SIZE];
	struct link_local_step step;

	(void)events;
	for (unsigned i = 0; i < LINK_LOCAL_READS_PER_WAKEUP; i++) {
		struct sockaddr_ll from = { 0 };
		socklen_t size = sizeof(from);
		ssize_t n = recvfrom(source->fd, data, sizeof(data), MSG_DONTWAIT,
				     (struct sockaddr *)&from, &size);

		/* Down is told once, as an error. */
		if (n < 0)
			return;
		if (!is_for_us(&from))
			continue;
		link_local_receive(&client->claim, data, (size_t)n, lw_loop_now_ns(client->loop),
				   &step);
		take_step(client, &step);
	}
}

/* ---- its life */

static int begin(struct link_local_client *client)
{
	struct network_link link;
	int r = network_link_get(client->interface, &link, NULL);

	if (r < 0)
		return r;
	client->index = link.index;
	client->source.fd = prepared >= 0 ? take_prepared() : make_socket();
	r = client->source.fd < 0 ? client->source.fd : bind_to(client->source.fd, client->index);
	if (r == 0)
		r = loop_add(client->loop, &client->source, EPOLLIN);
	if (r < 0)
		return r;
	link_local_init(&client->claim, link.mac, lw_loop_now_ns(client->loop));
	loop_timer_set(client->loop, &client->timer, client->claim.due_ns);
	return 0;
}

int link_local_client_new(struct lw_loop *loop, const char *interface, const struct lease_ops *ops,
			  void *user, struct link_local_client **ret_client)
{
	struct link_local_client *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return -ENOMEM;
	client->loop = loop;
	client->ops = ops;
	client->user = user;
	client->source = (struct loop_source){ .fd = -1, .function = came };
	snprintf(client->interface, sizeof(client->interface), "%s", interface);
	r = loop_timer_init(loop, &client->timer, due);
	if (r == 0)
		r = begin(client);
	if (r < 0) {
		link_local_client_free(client);
		return r;
	}
	*ret_client = client;
	return 0;
}

void link_local_client_again(struct link_local_client *client)
{
	link_local_again(&client->claim, lw_loop_now_ns(client->loop));
	loop_timer_set(client->loop, &client->timer, client->claim.due_ns);
}

void link_local_client_facts(const struct link_local_client *client,
			     struct link_local_facts *ret_facts)
{
	*ret_facts = (struct link_local_facts){
		.state = link_local_state_name(&client->claim),
		.conflicts = client->claim.conflicts,
		.defences = client->claim.defences,
	};
}

void link_local_client_free(struct link_local_client *client)
{
	if (!client)
		return;
	loop_remove(&client->source);
	loop_timer_done(client->loop, &client->timer);
	if (client->source.fd >= 0)
		give_back(client->source.fd);
	free(client);
}
