/* SPDX-License-Identifier: MIT */
/* DHCP by udhcpc. */
#include "network/lease.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "base/parse.h"
#include "loop/child.h"
#include "loop/loop.h"

enum { MTU_MIN = 576, MTU_MAX = 65535, LENGTH_MIN = 8, HELPER_SIZE = 256 };

static const char *const programs[] = { "/usr/sbin/udhcpc", "/sbin/udhcpc", "/usr/bin/udhcpc" };
static char helper[HELPER_SIZE] = LW_LIBEXEC_DIR "/longwire-lease";

static const char *find_program(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (access(programs[i], X_OK) == 0)
			return programs[i];
	return NULL;
}

const char *lease_refusal(void)
{
	if (!find_program())
		return "ipv4: automatic is done by udhcpc, and this machine has none: install it "
		       "(Debian: udhcpc), or give addresses by hand";
	if (access(helper, X_OK) < 0)
		return "ipv4: automatic needs longwire-lease, which is not where it was installed";
	return NULL;
}

void lease_set_helper(const char *path)
{
	snprintf(helper, sizeof(helper), "%s", path);
}

/* ---- what was learned */

/* The value of a field, "" without one. Fields are KEY=VALUE with tabs between. */
static void get_field(const char *line, const char *key, char *value, size_t size)
{
	size_t length = strlen(key);

	value[0] = '\0';
	while ((line = strchr(line, '\t'))) {
		line++;
		if (strncmp(line, key, length) != 0 || line[length] != '=')
			continue;
		snprintf(value, size, "%.*s", (int)strcspn(line + length + 1, "\t"),
			 line + length + 1);
		return;
	}
}

static uint32_t get_number(const char *line, const char *key, uint64_t min, uint64_t max)
{
	char text[16];
	uint64_t value;

	get_field(line, key, text, sizeof(text));
	return parse_uint(text, min, max, &value) == 0 ? (uint32_t)value : 0;
}

static bool parse_host(const char *text, struct ip_address *ret_address)
{
	return ip_address_parse(text, ret_address) == 0 && ret_address->family == AF_INET &&
	       !ip_address_is_special(ret_address);
}

static void parse_servers(const char *line, struct lease *lease)
{
	char text[256], *rest = text, *word;

	get_field(line, "dns", text, sizeof(text));
	while ((word = strsep(&rest, " ")) && lease->n_servers < LEASE_SERVERS_MAX)
		if (parse_host(word, &lease->servers[lease->n_servers]))
			lease->n_servers++;
}

static int parse_bound(const char *line, struct lease *lease)
{
	char text[64], domain[DOMAIN_TEXT_SIZE];
	struct ip_address router;
	struct ip_prefix network;

	get_field(line, "ip", text, sizeof(text));
	lease->address.length = (uint8_t)get_number(line, "mask", LENGTH_MIN, 32);
	if (!parse_host(text, &lease->address.address) || !lease->address.length)
		return -EBADMSG;
	network = ip_prefix_network(&lease->address);
	get_field(line, "router", text, sizeof(text));
	text[strcspn(text, " ")] = '\0';
	if (parse_host(text, &router) && ip_prefix_contains(&network, &router) &&
	    !ip_address_equal(&router, &lease->address.address))
		lease->router = router;
	parse_servers(line, lease);
	get_field(line, "domain", domain, sizeof(domain));
	(void)domain_parse(domain, lease->domain);
	lease->mtu = get_number(line, "mtu", MTU_MIN, MTU_MAX);
	lease->seconds = get_number(line, "lease", 1, UINT32_MAX);
	return 1;
}

int lease_parse(const char *line, struct lease *ret_lease)
{
	static const char mark[] = "lease\t";
	struct lease lease = { 0 };
	const char *event = line + sizeof(mark) - 1;
	size_t length;
	int r;

	/* udhcpc talks, too. */
	if (strncmp(line, mark, sizeof(mark) - 1) != 0)
		return -EAGAIN;
	length = strcspn(event, "\t");
	if (!strncmp(event, "deconfig", length) && length == strlen("deconfig"))
		return 0;
	if ((strncmp(event, "bound", length) != 0 || length != strlen("bound")) &&
	    (strncmp(event, "renew", length) != 0 || length != strlen("renew")))
		return -EAGAIN;
	r = parse_bound(line, &lease);
	if (r > 0)
		*ret_lease = lease;
	return r;
}

/* ---- the client */

struct lease_client {
	struct lw_loop *loop;
	char interface[16];
	const struct lease_ops *ops;
	void *user;
	struct child *child;
	struct loop_timer again;
};

static void take_line(struct child *child, const char *line, void *user)
{
	struct lease_client *client = user;
	struct lease lease;
	int r = lease_parse(line, &lease);

	(void)child;
	if (r > 0)
		client->ops->bound(&lease, client->user);
	else if (r == 0)
		client->ops->lost(client->user);
	else if (r == -EAGAIN)
		log_debug("%s", line);
	else
		log_warning("%s: a DHCP server gave what cannot be used", client->interface);
}

static void ended(struct child *child, int status, void *user)
{
	struct lease_client *client = user;

	(void)child;
	log_warning("%s: the DHCP client ended (status %d) and is started again in %d s",
		    client->interface, status, LEASE_AGAIN_MS / 1000);
	loop_timer_set_in_ms(client->loop, &client->again, LEASE_AGAIN_MS);
}

static const struct child_ops child_ops = { .line = take_line, .ended = ended };

static int run(struct lease_client *client)
{
	/* Prompt at first, then a burst every five seconds for as long as it takes. */
	const char *argv[] = { find_program(), "-f",   "-i", client->interface,
			       "-s",           helper, "-t", "4",
			       "-T",           "1",    "-A", "5",
			       "-O",           "mtu",  NULL };

	if (!argv[0])
		return -ENOENT;
	return child_start(client->loop, argv, &child_ops, client, &client->child);
}

static void start_again(struct loop_timer *timer)
{
	struct lease_client *client = container_of(timer, struct lease_client, again);
	int r;

	child_free(take_pointer(client->child));
	r = run(client);
	if (r < 0) {
		log_warning("%s: the DHCP client cannot be started: %s", client->interface,
			    strerror(-r));
		loop_timer_set_in_ms(client->loop, &client->again, LEASE_AGAIN_MS);
	}
}

int lease_client_new(struct lw_loop *loop, const char *interface, const struct lease_ops *ops,
		     void *user, struct lease_client **ret_client)
{
	struct lease_client *client = calloc(1, sizeof(*client));
	int r;

	if (!client)
		return -ENOMEM;
	client->loop = loop;
	client->ops = ops;
	client->user = user;
	snprintf(client->interface, sizeof(client->interface), "%s", interface);
	r = loop_timer_init(loop, &client->again, start_again);
	if (r == 0)
		r = run(client);
	if (r < 0) {
		lease_client_free(client);
		return r;
	}
	*ret_client = client;
	return 0;
}

void lease_client_renew(struct lease_client *client)
{
	if (client->child && child_pid(client->child))
		(void)kill(child_pid(client->child), SIGUSR1);
}

void lease_client_free(struct lease_client *client)
{
	if (!client)
		return;
	child_free(client->child);
	loop_timer_done(client->loop, &client->again);
	free(client);
}
