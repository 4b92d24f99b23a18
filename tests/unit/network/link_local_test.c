/* SPDX-License-Identifier: MIT */
/* RFC 3927 by a clock of our own: its figures, and each conflict that it knows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "network/link_local.h"

enum { ANSWER = 2, REQUEST = 1 };
#define MS UINT64_C(1000000)

static const uint8_t ours[6] = { 2, 0, 0, 0, 0, 1 }, theirs[6] = { 2, 0, 0, 0, 0, 2 };

struct scene {
	struct link_local claim;
	struct link_local_step step;
	uint64_t now_ns;
};

static void begin(struct scene *scene, const uint8_t mac[6])
{
	*scene = (struct scene){ .now_ns = 5000 * MS };
	link_local_init(&scene->claim, mac, scene->now_ns);
}

/* Move to what is due next. Return: milliseconds until then. */
static uint64_t next(struct scene *scene)
{
	uint64_t waited_ns = scene->claim.due_ns - scene->now_ns;

	assert_true(scene->claim.due_ns >= scene->now_ns);
	/* A moment before, nothing. */
	if (waited_ns) {
		link_local_tick(&scene->claim, scene->claim.due_ns - 1, &scene->step);
		assert_false(scene->step.has_packet);
	}
	scene->now_ns = scene->claim.due_ns;
	link_local_tick(&scene->claim, scene->now_ns, &scene->step);
	return waited_ns / MS;
}

static void begin_held(struct scene *scene)
{
	begin(scene, ours);
	for (int i = 0; i < LINK_LOCAL_PROBES + LINK_LOCAL_ANNOUNCEMENTS; i++)
		next(scene);
	assert_int_equal(scene->claim.state, LINK_LOCAL_HELD);
}

static void put_number(uint32_t value, uint8_t bytes[4])
{
	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void write_arp(uint8_t packet[LINK_LOCAL_PACKET_SIZE], int operation, const uint8_t mac[6],
		      uint32_t sender, uint32_t target)
{
	static const uint8_t head[] = { 0, 1, 8, 0, 6, 4, 0 };

	memset(packet, 0, LINK_LOCAL_PACKET_SIZE);
	memcpy(packet, head, sizeof(head));
	packet[7] = (uint8_t)operation;
	memcpy(packet + 8, mac, 6);
	put_number(sender, packet + 14);
	put_number(target, packet + 24);
}

static void hear(struct scene *scene, int operation, const uint8_t mac[6], uint32_t sender,
		 uint32_t target)
{
	uint8_t packet[LINK_LOCAL_PACKET_SIZE];

	write_arp(packet, operation, mac, sender, target);
	link_local_receive(&scene->claim, packet, sizeof(packet), scene->now_ns, &scene->step);
}

/* Somebody uses the address. */
static void hear_conflict(struct scene *scene)
{
	hear(scene, ANSWER, theirs, scene->claim.address, 0x01020304);
}

static void expect_packet(const struct scene *scene, bool is_probe)
{
	const uint8_t *packet = scene->step.packet;
	uint8_t wanted[LINK_LOCAL_PACKET_SIZE];

	assert_true(scene->step.has_packet);
	write_arp(wanted, REQUEST, ours, is_probe ? 0 : scene->claim.address, scene->claim.address);
	assert_memory_equal(packet, wanted, sizeof(wanted));
}

static void expect_between(uint64_t value, uint64_t min, uint64_t max)
{
	if (value < min || value > max)
		fail_msg("%llu is not between %llu and %llu", (unsigned long long)value,
			 (unsigned long long)min, (unsigned long long)max);
}

static void claim__alone__probes_announces_and_holds(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, ours);
	expect_between(next(&scene), 0, LINK_LOCAL_PROBE_WAIT_MS);
	expect_packet(&scene, true);
	for (int i = 1; i < LINK_LOCAL_PROBES; i++) {
		expect_between(next(&scene), LINK_LOCAL_PROBE_MIN_MS, LINK_LOCAL_PROBE_MAX_MS);
		expect_packet(&scene, true);
		assert_int_equal(scene.step.news, LINK_LOCAL_NOTHING);
		assert_false(scene.claim.is_held);
	}
	assert_int_equal(next(&scene), LINK_LOCAL_ANNOUNCE_WAIT_MS);
	expect_packet(&scene, false);
	assert_int_equal(scene.step.news, LINK_LOCAL_TAKEN);
	assert_string_equal(link_local_state_name(&scene.claim), "announcing");
	assert_int_equal(next(&scene), LINK_LOCAL_ANNOUNCE_INTERVAL_MS);
	expect_packet(&scene, false);
	assert_int_equal(scene.step.news, LINK_LOCAL_NOTHING);
	assert_string_equal(link_local_state_name(&scene.claim), "held");
	/* After a minute of peace there is nothing more to do. */
	next(&scene);
	assert_false(scene.step.has_packet);
	assert_int_equal(scene.claim.due_ns, 0);
}

static void claim__the_figures__are_those_of_section_9(void **state)
{
	(void)state;
	assert_int_equal(LINK_LOCAL_PROBE_WAIT_MS, 1000);
	assert_int_equal(LINK_LOCAL_PROBES, 3);
	assert_int_equal(LINK_LOCAL_PROBE_MIN_MS, 1000);
	assert_int_equal(LINK_LOCAL_PROBE_MAX_MS, 2000);
	assert_int_equal(LINK_LOCAL_ANNOUNCE_WAIT_MS, 2000);
	assert_int_equal(LINK_LOCAL_ANNOUNCEMENTS, 2);
	assert_int_equal(LINK_LOCAL_ANNOUNCE_INTERVAL_MS, 2000);
	assert_int_equal(LINK_LOCAL_CONFLICTS_MAX, 10);
	assert_int_equal(LINK_LOCAL_RATE_LIMIT_MS, 60000);
	assert_int_equal(LINK_LOCAL_DEFEND_INTERVAL_MS, 10000);
}

static void claim__addresses__same_for_the_same_mac_and_within_the_range(void **state)
{
	struct scene a, b;
	unsigned n_same = 0;

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		uint8_t mac[6] = { 2, 0, 0, 1, (uint8_t)(i >> 8), (uint8_t)i };

		begin(&a, mac);
		begin(&b, mac);
		assert_int_equal(a.claim.address, b.claim.address);
		expect_between(a.claim.address, 0xa9fe0100, 0xa9fefeff);
		begin(&b, ours);
		n_same += a.claim.address == b.claim.address;
	}
	assert_true(n_same < 5);
}

static void claim__while_probing__whoever_has_or_wants_it_gets_it(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++)
		for (int n_sent = 0; n_sent <= LINK_LOCAL_PROBES; n_sent++) {
			struct scene scene;
			uint32_t before;

			begin(&scene, ours);
			for (int i = 0; i < n_sent; i++)
				next(&scene);
			before = scene.claim.address;
			if (how == 0)
				hear(&scene, ANSWER, theirs, before, 0x01020304);
			else if (how == 1)
				hear(&scene, REQUEST, theirs, before, 0x01020304);
			else
				hear(&scene, REQUEST, theirs, 0, before);
			assert_int_not_equal(scene.claim.address, before);
			assert_false(scene.step.has_packet);
			assert_int_equal(scene.step.news, LINK_LOCAL_NOTHING);
			assert_int_equal(scene.claim.conflicts, 1);
			assert_int_equal(scene.claim.n_sent, 0);
			expect_between(next(&scene), 0, LINK_LOCAL_PROBE_WAIT_MS);
			expect_packet(&scene, true);
		}
}

static void claim__what_is_no_conflict__changes_nothing(void **state)
{
	struct scene scene;
	struct link_local before;
	uint8_t packet[LINK_LOCAL_PACKET_SIZE + 1];

	(void)state;
	begin(&scene, ours);
	next(&scene);
	before = scene.claim;
	hear(&scene, ANSWER, ours, before.address, before.address);   /* our own, come back */
	hear(&scene, REQUEST, ours, 0, before.address);               /* the same */
	hear(&scene, ANSWER, theirs, before.address + 1, 0x01020304); /* another address */
	hear(&scene, REQUEST, theirs, 0x01020304, before.address);    /* asks for it, has another */
	hear(&scene, ANSWER, theirs, 0, before.address);              /* no probe: an answer */
	hear(&scene, 3, theirs, before.address, before.address);      /* RARP */
	write_arp(packet, ANSWER, theirs, before.address, before.address);
	link_local_receive(&scene.claim, packet, LINK_LOCAL_PACKET_SIZE - 1, scene.now_ns,
			   &scene.step);
	for (unsigned i = 0; i < 6; i++) {
		packet[i] ^= 1; /* another hardware, protocol or size */
		link_local_receive(&scene.claim, packet, LINK_LOCAL_PACKET_SIZE, scene.now_ns,
				   &scene.step);
		packet[i] ^= 1;
	}
	assert_memory_equal(&scene.claim, &before, sizeof(before));
	/* With the padding of the smallest frame it is one. */
	link_local_receive(&scene.claim, packet, sizeof(packet), scene.now_ns, &scene.step);
	assert_int_equal(scene.claim.conflicts, 1);
}

static void claim__held__one_defence_in_ten_seconds(void **state)
{
	struct scene scene;
	uint32_t address;

	(void)state;
	begin_held(&scene);
	address = scene.claim.address;
	hear_conflict(&scene);
	expect_packet(&scene, false);
	assert_int_equal(scene.step.news, LINK_LOCAL_NOTHING);
	/* After the interval: a first one again. */
	scene.now_ns += LINK_LOCAL_DEFEND_INTERVAL_MS * MS;
	hear_conflict(&scene);
	expect_packet(&scene, false);
	assert_int_equal(scene.claim.address, address);
	assert_true(scene.claim.is_held);
	/* Just within it: given up, and another one is sought. */
	scene.now_ns += LINK_LOCAL_DEFEND_INTERVAL_MS * MS - 1;
	hear_conflict(&scene);
	assert_false(scene.step.has_packet);
	assert_int_equal(scene.step.news, LINK_LOCAL_LOST);
	assert_false(scene.claim.is_held);
	assert_int_not_equal(scene.claim.address, address);
	assert_int_equal(scene.claim.conflicts, 3);
	assert_int_equal(scene.claim.defences, 2);
	for (int i = 0; i < LINK_LOCAL_PROBES; i++)
		next(&scene);
	next(&scene);
	assert_int_equal(scene.step.news, LINK_LOCAL_TAKEN);
	/* Of the new one the first is a first one. */
	hear_conflict(&scene);
	expect_packet(&scene, false);
}

static void claim__held__probes_of_others_are_the_kernels_to_answer(void **state)
{
	struct scene scene;

	(void)state;
	begin_held(&scene);
	hear(&scene, REQUEST, theirs, 0, scene.claim.address);
	assert_false(scene.step.has_packet);
	assert_int_equal(scene.claim.conflicts, 0);
}

/* Give the whole sequence of conflicts; return the milliseconds until the next first probe. */
static uint64_t wait_after_conflicts(struct scene *scene, unsigned n)
{
	uint64_t waited = 0;

	for (unsigned i = 0; i < n; i++) {
		hear_conflict(scene);
		waited = next(scene);
		expect_packet(scene, true);
	}
	return waited;
}

static void claim__ten_conflicts__one_address_a_minute(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, ours);
	next(&scene);
	expect_between(wait_after_conflicts(&scene, 9), 0, LINK_LOCAL_PROBE_WAIT_MS);
	assert_int_equal(wait_after_conflicts(&scene, 1), LINK_LOCAL_RATE_LIMIT_MS);
	assert_int_equal(wait_after_conflicts(&scene, 5), LINK_LOCAL_RATE_LIMIT_MS);
	/* A link that comes and goes does not shorten it. */
	hear_conflict(&scene);
	link_local_again(&scene.claim, scene.now_ns);
	assert_int_equal(next(&scene), LINK_LOCAL_RATE_LIMIT_MS);
	/* Nor does it help to let an address be held for a moment. */
	for (int i = 0; i < LINK_LOCAL_PROBES; i++)
		next(&scene);
	assert_true(scene.claim.is_held);
	hear_conflict(&scene);
	hear_conflict(&scene);
	assert_int_equal(scene.step.news, LINK_LOCAL_LOST);
	assert_int_equal(next(&scene), LINK_LOCAL_RATE_LIMIT_MS);
	/* A minute of peace does. */
	for (int i = 0; i < LINK_LOCAL_PROBES + LINK_LOCAL_ANNOUNCEMENTS; i++)
		next(&scene);
	assert_int_equal(scene.claim.due_ns, 0);
	hear_conflict(&scene);
	hear_conflict(&scene);
	expect_between(next(&scene), 0, LINK_LOCAL_PROBE_WAIT_MS);
}

static void again__held__probed_while_it_stays_in_use(void **state)
{
	struct scene scene;
	uint32_t address;

	(void)state;
	begin_held(&scene);
	address = scene.claim.address;
	link_local_again(&scene.claim, scene.now_ns);
	assert_true(scene.claim.is_held);
	expect_between(next(&scene), 0, LINK_LOCAL_PROBE_WAIT_MS);
	for (int i = 1; i < LINK_LOCAL_PROBES + LINK_LOCAL_ANNOUNCEMENTS; i++) {
		next(&scene);
		assert_int_equal(scene.step.news, LINK_LOCAL_NOTHING);
	}
	assert_int_equal(scene.claim.address, address);
	assert_int_equal(scene.claim.state, LINK_LOCAL_HELD);
}

static void again__somebody_took_it_meanwhile__given_up_without_a_defence(void **state)
{
	struct scene scene;

	(void)state;
	begin_held(&scene);
	link_local_again(&scene.claim, scene.now_ns);
	next(&scene);
	hear_conflict(&scene);
	assert_false(scene.step.has_packet);
	assert_int_equal(scene.step.news, LINK_LOCAL_LOST);
	assert_int_equal(scene.claim.defences, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(claim__alone__probes_announces_and_holds),
		cmocka_unit_test(claim__the_figures__are_those_of_section_9),
		cmocka_unit_test(claim__addresses__same_for_the_same_mac_and_within_the_range),
		cmocka_unit_test(claim__while_probing__whoever_has_or_wants_it_gets_it),
		cmocka_unit_test(claim__what_is_no_conflict__changes_nothing),
		cmocka_unit_test(claim__held__one_defence_in_ten_seconds),
		cmocka_unit_test(claim__held__probes_of_others_are_the_kernels_to_answer),
		cmocka_unit_test(claim__ten_conflicts__one_address_a_minute),
		cmocka_unit_test(again__held__probed_while_it_stays_in_use),
		cmocka_unit_test(again__somebody_took_it_meanwhile__given_up_without_a_defence),
	};

	return cmocka_run_group_tests_name("network/link_local", tests, NULL, NULL);
}
