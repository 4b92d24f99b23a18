/* SPDX-License-Identifier: MIT */
/* A link-local address on a real interface, by a clock of our own: what is on the link, and what is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <endian.h>
#include <linux/capability.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <longwire/loop.h>

#include "base/memory.h"
#include "network/link_local_client.h"
#include "support/namespace.h"

enum { FRAME_SIZE = 42, ETHERTYPE = 0x0806, SECOND_MS = 1000 };

struct scene {
	struct lw_loop *loop;
	struct link_local_client *client;
	uint64_t now_ns;
	int far; /* the other end of the link: whole frames */
	struct lease lease;
	unsigned n_bound, n_lost, n_seen;
	uint8_t seen[FRAME_SIZE]; /* the last frame of ours */
};

static uint64_t now(void *user)
{
	return ((struct scene *)user)->now_ns;
}

static void bound(const struct lease *lease, void *user)
{
	struct scene *scene = user;

	scene->lease = *lease;
	scene->n_bound++;
}

static void lost(void *user)
{
	((struct scene *)user)->n_lost++;
}

static const struct lease_ops ops = { .bound = bound, .lost = lost };

static int open_far(void)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET,
				  .sll_protocol = htobe16(ETHERTYPE),
				  .sll_ifindex = (int)if_nametoindex("e1") };
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htobe16(ETHERTYPE));

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void scene_begin(struct scene *scene)
{
	const struct lw_loop_options options = { .size = sizeof(options),
						 .now_ns = now,
						 .user = scene };

	*scene = (struct scene){ .now_ns = 1000000000 };
	run("ip link add e0 type veth peer name e1 && ip link set e0 up && ip link set e1 up");
	scene->far = open_far();
	assert_int_equal(lw_loop_new(&options, &scene->loop), 0);
	assert_int_equal(link_local_client_new(scene->loop, "e0", &ops, scene, &scene->client), 0);
}

static void scene_end(struct scene *scene)
{
	link_local_client_free(scene->client);
	lw_loop_free(scene->loop);
	close(scene->far);
}

static void look(struct scene *scene)
{
	struct sockaddr_ll from;
	socklen_t size = sizeof(from);
	uint8_t frame[128];

	while (recvfrom(scene->far, frame, sizeof(frame), 0, (struct sockaddr *)&from, &size) >=
	       FRAME_SIZE) {
		if (from.sll_pkttype == PACKET_OUTGOING)
			continue;
		memcpy(scene->seen, frame, FRAME_SIZE);
		scene->n_seen++;
	}
}

/* Let so much time pass, in small steps. */
static void pass(struct scene *scene, unsigned ms)
{
	for (unsigned passed = 0; passed <= ms; passed += 100) {
		assert_true(lw_loop_dispatch(scene->loop) >= 0);
		scene->now_ns += 100000000;
	}
	look(scene);
}

/* The far end uses the address; tag: in a VLAN. */
static void conflict(struct scene *scene, bool tag)
{
	uint8_t frame[FRAME_SIZE + 4], *arp = frame + 14;

	memcpy(frame, scene->seen, FRAME_SIZE);
	memset(frame + 6, 0x0a, 6);
	if (tag) {
		memmove(frame + 16, frame + 12, FRAME_SIZE - 12);
		memcpy(frame + 12, "\x81\x00\x00\x07", 4);
		arp += 4;
	}
	memset(arp + 8, 0x0a, 6);
	memcpy(arp + 14, scene->lease.address.address.bytes, 4);
	assert_int_equal(send(scene->far, frame, (size_t)(arp + 28 - frame), 0), arp + 28 - frame);
	pass(scene, 0);
	pass(scene, 0);
}

static void client__alone__told_after_three_probes(void **state)
{
	static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	struct link_local_facts facts;
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	pass(&scene, SECOND_MS);
	assert_int_equal(scene.n_bound, 0);
	assert_true(scene.n_seen >= 1);
	assert_memory_equal(scene.seen, everybody, 6);
	pass(&scene, 10 * SECOND_MS);
	assert_int_equal(scene.n_bound, 1);
	assert_int_equal(scene.n_seen, 5);
	assert_int_equal(scene.lease.address.length, 16);
	assert_int_equal(scene.lease.address.address.bytes[0], 169);
	assert_int_equal(scene.lease.router.family, 0);
	link_local_client_facts(scene.client, &facts);
	assert_string_equal(facts.state, "held");
	scene_end(&scene);
}

static void client__conflicts__one_answered_the_next_moves(void **state)
{
	struct link_local_facts facts;
	struct scene scene;
	struct ip_prefix first;

	(void)state;
	scene_begin(&scene);
	pass(&scene, 10 * SECOND_MS);
	first = scene.lease.address;
	conflict(&scene, true);
	assert_int_equal(scene.n_seen, 5); /* in another network */
	conflict(&scene, false);
	assert_int_equal(scene.n_seen, 6);
	assert_int_equal(scene.n_lost, 0);
	conflict(&scene, false);
	assert_int_equal(scene.n_lost, 1);
	pass(&scene, 10 * SECOND_MS);
	assert_int_equal(scene.n_bound, 2);
	assert_false(ip_prefix_equal(&first, &scene.lease.address));
	link_local_client_facts(scene.client, &facts);
	assert_int_equal(facts.conflicts, 2);
	assert_int_equal(facts.defences, 1);
	scene_end(&scene);
}

/* A probe that could not be sent proves nothing. */
static void client__link_is_down__no_address_until_it_is_up(void **state)
{
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	run("ip link set e0 down");
	pass(&scene, 30 * SECOND_MS);
	assert_int_equal(scene.n_bound, 0);
	run("ip link set e0 up");
	pass(&scene, 10 * SECOND_MS);
	assert_int_equal(scene.n_bound, 1);
	scene_end(&scene);
}

static void drop_raw(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	assert_int_equal(syscall(SYS_capget, &head, data), 0);
	data[0].effective &= ~(UINT32_C(1) << CAP_NET_RAW);
	assert_int_equal(syscall(SYS_capset, &head, data), 0);
}

static void client__without_cap_net_raw__refused_unless_it_was_prepared(void **state)
{
	struct scene scene;
	struct link_local_client *second;

	(void)state;
	/* The socket is of this test's namespace. */
	assert_int_equal(link_local_prepare(), 0);
	scene_begin(&scene);
	drop_raw();
	/* The one that there is, is in use: settings with it can be applied again. */
	assert_null(link_local_refusal());
	assert_int_equal(link_local_client_new(scene.loop, "e1", &ops, &scene, &second), -EPERM);
	/* Its socket goes from client to client. */
	link_local_client_free(scene.client);
	assert_int_equal(link_local_client_new(scene.loop, "e0", &ops, &scene, &scene.client), 0);
	assert_null(link_local_refusal());
	pass(&scene, 10 * SECOND_MS);
	assert_int_equal(scene.n_bound, 1);
	scene_end(&scene);
}

static void client__no_such_interface__says_so(void **state)
{
	struct link_local_client *client = NULL;
	struct scene scene;

	(void)state;
	scene_begin(&scene);
	assert_int_equal(link_local_client_new(scene.loop, "e9", &ops, &scene, &client), -ENODEV);
	assert_null(client);
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(client__alone__told_after_three_probes, namespace_setup),
		cmocka_unit_test_setup(client__conflicts__one_answered_the_next_moves,
				       namespace_setup),
		cmocka_unit_test_setup(client__link_is_down__no_address_until_it_is_up,
				       namespace_setup),
		cmocka_unit_test_setup(client__no_such_interface__says_so, namespace_setup),
		cmocka_unit_test_setup(client__without_cap_net_raw__refused_unless_it_was_prepared,
				       namespace_setup), /* the last: it does not come back */
	};

	if (!namespace_is_possible())
		return 0;
	return cmocka_run_group_tests_name("network/link_local_client", tests, NULL, NULL);
}
