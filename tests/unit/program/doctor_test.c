/* SPDX-License-Identifier: MIT */
/* Facts and what is found in them: each fault once, with its command, and nothing in good facts. */
#include <errno.h>
#include <linux/if_tun.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "program/doctor.h"

static struct findings found;

/* The only finding says this and is mended by that (NULL: by nothing). */
static void assert_only(bool is_fault, const char *said, const char *mend)
{
	assert_int_equal(found.n, 1);
	assert_int_equal(found.items[0].is_fault, is_fault);
	assert_int_equal(found.faults, is_fault);
	if (!strstr(found.items[0].text, said))
		fail_msg("\"%s\" lacks \"%s\"", found.items[0].text, said);
	if (mend ? !strstr(found.items[0].mend, mend) : found.items[0].mend[0] != '\0')
		fail_msg("mended by \"%s\"", found.items[0].mend);
	memset(&found, 0, sizeof(found));
}

static void assert_nothing(void)
{
	if (found.n)
		fail_msg("found: %s", found.items[0].text);
}

static void device__each_fault__found(void **state)
{
	static const struct doctor_device good = {
		.features = IFF_VNET_HDR | IFF_MULTI_QUEUE,
		.may_make = true,
		.has_tso = true,
		.has_uso = true,
	};
	struct doctor_device facts = good;

	(void)state;
	doctor_judge_device(&facts, &found);
	assert_nothing();
	facts.error = ENOENT;
	doctor_judge_device(&facts, &found);
	assert_only(true, "not there", "modprobe tun");
	facts.error = EACCES;
	doctor_judge_device(&facts, &found);
	assert_only(true, "Permission denied", "chmod");
	facts = good;
	facts.features = IFF_MULTI_QUEUE;
	doctor_judge_device(&facts, &found);
	assert_only(false, "virtio header", NULL);
	facts.features = IFF_VNET_HDR;
	doctor_judge_device(&facts, &found);
	assert_only(false, "one queue", NULL);
	facts = good;
	facts.may_make = false;
	doctor_judge_device(&facts, &found);
	assert_only(false, "CAP_NET_ADMIN", "sudo");
	facts = good;
	facts.make_error = EPERM;
	doctor_judge_device(&facts, &found);
	assert_only(true, "cannot be made", NULL);
	facts = good;
	facts.has_tso = facts.has_uso = false;
	doctor_judge_device(&facts, &found);
	assert_only(false, "TCP super-frames", NULL);
	facts = good;
	facts.has_uso = false;
	doctor_judge_device(&facts, &found);
	assert_only(false, "UDP super-frames", NULL);
}

static void machine__each_fault__found(void **state)
{
	static const struct doctor_machine good = {
		.now = 1800000000,
		.is_synchronised = true,
		.files_max = 1024,
		.files_needed = 1024,
		.has_aes = true,
		.is_x86 = true,
		.backend = "ipsec-mb",
	};
	struct doctor_machine facts = good;

	(void)state;
	doctor_judge_machine(&facts, &found);
	assert_nothing();
	facts.now = 86400;
	doctor_judge_machine(&facts, &found);
	assert_only(true, "years behind", "timedatectl");
	facts = good;
	facts.is_synchronised = false;
	doctor_judge_machine(&facts, &found);
	assert_only(false, "not synchronised", "timedatectl");
	facts = good;
	facts.files_needed = 1025;
	doctor_judge_machine(&facts, &found);
	assert_only(true, "1024 open files", "ulimit -n 1025");
	facts = good;
	facts.has_aes = false;
	doctor_judge_machine(&facts, &found);
	assert_only(false, "AES", NULL);
	facts = good;
	facts.backend = "mbedTLS";
	doctor_judge_machine(&facts, &found);
	assert_only(false, "mbedTLS", "libipsec-mb");
	facts.is_x86 = false;
	doctor_judge_machine(&facts, &found);
	assert_nothing();
}

static void bridge__each_fault__found(void **state)
{
	static const struct doctor_bridge good = {
		.name = "br0",
		.interface = "lw0",
		.is_there = true,
		.is_bridge = true,
		.is_up = true,
		.has_fixed_mac = true,
		.forward_delay = 15,
		.mtu = 1500,
		.network_mtu = 1500,
		.ports = 1,
	};
	struct doctor_bridge facts = good;

	(void)state;
	doctor_judge_bridge(&facts, &found);
	assert_nothing();
	facts.is_there = facts.is_bridge = false;
	doctor_judge_bridge(&facts, &found);
	assert_only(true, "not there", "ip link add br0 type bridge");
	facts.is_there = true;
	doctor_judge_bridge(&facts, &found);
	assert_only(true, "no bridge", NULL);
	facts = good;
	facts.is_up = false;
	doctor_judge_bridge(&facts, &found);
	assert_only(true, "is down", "ip link set br0 up");
	facts = good;
	facts.ports = 0;
	doctor_judge_bridge(&facts, &found);
	assert_only(true, "no port", "master br0");
	facts = good;
	facts.mtu = 1400;
	doctor_judge_bridge(&facts, &found);
	assert_only(true, "MTU of 1400", "mtu 1500");
	facts = good;
	facts.has_stp = true;
	doctor_judge_bridge(&facts, &found);
	assert_only(false, "30 s", "forward_delay");
	facts.forward_delay = 2;
	doctor_judge_bridge(&facts, &found);
	assert_nothing();
	facts = good;
	facts.filters_vlans = true;
	doctor_judge_bridge(&facts, &found);
	assert_only(false, "filters VLANs", NULL);
	facts = good;
	facts.has_fixed_mac = false;
	doctor_judge_bridge(&facts, &found);
	assert_only(false, "MAC address of br0", "ip link set br0 address");
}

static void bridge_port__each_fault__found(void **state)
{
	static const struct doctor_bridge_port good = {
		.name = "eth1",
		.bridge = "br0",
		.is_up = true,
		.has_carrier = true,
		.mtu = 1500,
		.bridge_mtu = 1500,
	};
	struct doctor_bridge_port facts = good;

	(void)state;
	doctor_judge_bridge_port(&facts, &found);
	assert_nothing();
	facts.is_up = facts.has_carrier = false;
	doctor_judge_bridge_port(&facts, &found);
	assert_only(true, "is down", "ip link set eth1 up");
	facts.is_up = true;
	doctor_judge_bridge_port(&facts, &found);
	assert_only(true, "no carrier", NULL);
	facts = good;
	facts.is_wireless = true;
	doctor_judge_bridge_port(&facts, &found);
	assert_only(true, "Wi-Fi", NULL);
	facts = good;
	facts.has_lro = true;
	doctor_judge_bridge_port(&facts, &found);
	assert_only(true, "LRO", "ethtool -K eth1 lro off");
	facts = good;
	facts.mtu = 1400;
	doctor_judge_bridge_port(&facts, &found);
	assert_only(true, "MTU of 1400", "ip link set eth1 mtu 1500");
}

static void macs__only_own_answered__is_a_fault(void **state)
{
	struct doctor_macs facts = { .port = "eth1", .gateway = "192.0.2.1" };

	(void)state;
	doctor_judge_macs(&facts, &found);
	assert_only(false, "not known", NULL);
	facts.own_is_answered = true;
	doctor_judge_macs(&facts, &found);
	assert_only(true, "hypervisor", NULL);
	facts.foreign_is_answered = true;
	doctor_judge_macs(&facts, &found);
	assert_nothing();
}

static void managers__that_take_the_interface__found(void **state)
{
	struct doctor_managers facts = { .interface = "lw0" };

	(void)state;
	doctor_judge_managers(&facts, &found);
	assert_nothing();
	facts.has_network_manager = true;
	doctor_judge_managers(&facts, &found);
	assert_only(true, "NetworkManager", "unmanaged-devices=interface-name:lw0");
	facts.is_unmanaged = true;
	snprintf(facts.networkd_file, sizeof(facts.networkd_file), "%s",
		 "/etc/systemd/network/all.network");
	doctor_judge_managers(&facts, &found);
	assert_only(true, "all.network", "Unmanaged=yes");
}

static void hub__each_fault__found(void **state)
{
	static const struct doctor_hub good = {
		.address = "hub:8443",
		.speaks_tls = true,
		.shown_pin = "SHA256:a",
		.pins = { "SHA256:b", "SHA256:a" },
		.n_pins = 2,
		.path_mtu = 1500,
		.was_pinged = true,
		.small_came = true,
		.large_came = true,
	};
	struct doctor_hub facts = good;

	(void)state;
	doctor_judge_hub(&facts, &found);
	assert_nothing();
	facts.resolve_error = "no such name";
	doctor_judge_hub(&facts, &found);
	assert_only(true, "no such name", NULL);
	facts = good;
	facts.connect_error = ECONNREFUSED;
	doctor_judge_hub(&facts, &found);
	assert_only(true, "the machine is there", NULL);
	facts.connect_error = ETIMEDOUT;
	doctor_judge_hub(&facts, &found);
	assert_only(true, "firewall", NULL);
	facts = good;
	facts.speaks_tls = false;
	snprintf(facts.said, sizeof(facts.said), "not TLS");
	doctor_judge_hub(&facts, &found);
	assert_only(true, "no longwire hub: not TLS", NULL);
	facts = good;
	facts.n_pins = 1;
	doctor_judge_hub(&facts, &found);
	assert_only(true, "not the one that is pinned", "SHA256:a");
	facts = good;
	facts.path_mtu = 1000;
	doctor_judge_hub(&facts, &found);
	assert_only(false, "1000 bytes", NULL);
	facts = good;
	facts.large_came = false;
	doctor_judge_hub(&facts, &found);
	assert_only(true, "vanish", "tcp_mtu_probing");
	facts.small_came = false;
	doctor_judge_hub(&facts, &found);
	assert_nothing();
}

static void findings__more_than_fit__are_counted(void **state)
{
	(void)state;
	for (int i = 0; i < DOCTOR_FINDINGS_MAX + 5; i++)
		doctor_find(&found, true, "topic", NULL, "number %d", i);
	assert_int_equal(found.n, DOCTOR_FINDINGS_MAX);
	assert_int_equal(found.faults, DOCTOR_FINDINGS_MAX + 5);
	memset(&found, 0, sizeof(found));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(device__each_fault__found),
		cmocka_unit_test(machine__each_fault__found),
		cmocka_unit_test(bridge__each_fault__found),
		cmocka_unit_test(bridge_port__each_fault__found),
		cmocka_unit_test(macs__only_own_answered__is_a_fault),
		cmocka_unit_test(managers__that_take_the_interface__found),
		cmocka_unit_test(hub__each_fault__found),
		cmocka_unit_test(findings__more_than_fit__are_counted),
	};

	return cmocka_run_group_tests_name("program/doctor", tests, NULL, NULL);
}
