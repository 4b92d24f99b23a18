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
	assert_only(true, "not there", "mknod /dev/net/tun c 10 200");
	facts.error = ENODEV;
	doctor_judge_device(&facts, &found);
	assert_only(true, "no driver", "modprobe tun");
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
	facts.is_root = true;
	doctor_judge_device(&facts, &found);
	assert_only(true, "container", "--cap-add NET_ADMIN");
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
	facts.written = facts.now + 86400;
	doctor_judge_machine(&facts, &found);
	assert_nothing();
	facts.written += 2 * 86400 + 1;
	doctor_judge_machine(&facts, &found);
	assert_only(true, "written 3 days from now", "timedatectl");
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
	snprintf(facts.candidate, sizeof(facts.candidate), "enp3s0");
	doctor_judge_bridge(&facts, &found);
	assert_only(true, "no port", "ip link set enp3s0 master br0 up");
	facts = good;
	facts.is_filtered = true;
	doctor_judge_bridge(&facts, &found);
	assert_only(true, "br_netfilter", "bridge-nf-call-iptables=0");
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

static void interface__each_fault__found(void **state)
{
	static const struct doctor_interface good = {
		.name = "lw0",
		.file = "hub.yaml",
		.bridge = "br0",
		.wants_tap = true,
		.is_set_up = true,
		.may_make = true,
	};
	struct doctor_interface facts = good;

	(void)state;
	doctor_judge_interface(&facts, &found);
	assert_nothing();
	facts.is_there = facts.is_tap = true; /* and free: it was made for us */
	doctor_judge_interface(&facts, &found);
	assert_nothing();
	facts.is_tap = false;
	doctor_judge_interface(&facts, &found);
	assert_only(true, "neither a TAP nor a TUN", "sed -i");
	facts.is_tun = true;
	doctor_judge_interface(&facts, &found);
	assert_only(true, "as a tun, and a tap is needed", "ip link delete lw0");
	facts.wants_tap = facts.is_tun = false;
	facts.is_tap = true;
	doctor_judge_interface(&facts, &found);
	assert_only(true, "as a tap, and a tun is needed", "ip link delete lw0");
	facts.wants_tap = true;
	facts.holder = (struct doctor_holder){ .pid = 17, .name = "qemu" };
	doctor_judge_interface(&facts, &found);
	assert_only(true, "process 17, qemu", "kill 17");
	facts = good;
	facts.may_make = false;
	doctor_judge_interface(&facts, &found);
	assert_only(true, "made and set up without CAP_NET_ADMIN", "sudo longwire doctor hub.yaml");
	facts.is_set_up = false;
	doctor_judge_interface(&facts, &found);
	assert_only(true, "cannot be made", "ip tuntap add dev lw0 mode tap");
	facts.is_there = facts.is_tap = true;
	doctor_judge_interface(&facts, &found);
	assert_only(true, "belongs to another user", "ip tuntap add");
	facts.is_ours = true;
	doctor_judge_interface(&facts, &found);
	assert_nothing();
}

/* One that runs already: that is said, and what is wrong with it. */
static void interface__that_runs__judged(void **state)
{
	struct doctor_interface facts = {
		.name = "lw0",
		.file = "hub.yaml",
		.bridge = "br0",
		.wants_tap = true,
		.may_make = true,
		.is_there = true,
		.is_tap = true,
		.is_up = true,
		.master = "br0",
		.holder = { .pid = 17, .name = "longwire", .runs_file = true },
	};

	(void)state;
	doctor_judge_interface(&facts, &found);
	assert_only(false, "as process 17", NULL);
	facts.is_up = false;
	doctor_judge_interface(&facts, &found);
	assert_int_equal(found.n, 2);
	assert_string_equal(found.items[1].text, "lw0 is down");
	memset(&found, 0, sizeof(found));
	facts.is_up = true;
	facts.master[0] = '\0';
	doctor_judge_interface(&facts, &found);
	assert_string_equal(found.items[1].text, "lw0 is in no bridge, and should be in br0");
	memset(&found, 0, sizeof(found));
	snprintf(facts.master, sizeof(facts.master), "br1");
	doctor_judge_interface(&facts, &found);
	assert_string_equal(found.items[1].text, "lw0 is in br1, and should be in br0");
	assert_string_equal(found.items[1].mend, "ip link set lw0 master br0");
	memset(&found, 0, sizeof(found));
}

static void listen__each_fault__found(void **state)
{
	struct doctor_listen facts = { .address = "[::]:443", .port = 443 };

	(void)state;
	doctor_judge_listen(&facts, &found);
	assert_nothing();
	facts.error = EADDRINUSE;
	doctor_judge_listen(&facts, &found);
	assert_only(false, "may not see", "ss -ltnp 'sport = :443'");
	facts.holder = (struct doctor_holder){ .pid = 17, .name = "nginx" };
	doctor_judge_listen(&facts, &found);
	assert_only(true, "process 17, nginx", "kill 17");
	facts.holder.runs_file = true;
	doctor_judge_listen(&facts, &found);
	assert_nothing();
	facts.error = EADDRNOTAVAIL;
	doctor_judge_listen(&facts, &found);
	assert_only(true, "no interface of this machine has this address", NULL);
	facts.error = EACCES;
	doctor_judge_listen(&facts, &found);
	assert_only(true, "only root", "ip_unprivileged_port_start=443");
}

static void filter__each_fault__found(void **state)
{
	struct doctor_filter facts = { .error = "not supported" };

	(void)state;
	doctor_judge_filter(&facts, &found);
	assert_nothing();
	facts.is_needed = true;
	doctor_judge_filter(&facts, &found);
	assert_only(true, "not supported", "modprobe nf_tables");
	facts = (struct doctor_filter){ .is_needed = true, .fence = "lw0" };
	doctor_judge_filter(&facts, &found);
	assert_only(true, "nothing leaves this machine", "longwire unlock lw0");
}

static void macs__not_all_answered__is_a_fault(void **state)
{
	struct doctor_macs facts = { .bridge = "br0", .port = "eth1" };

	(void)state;
	doctor_judge_macs(&facts, &found);
	assert_only(false, "nobody to ask at eth1", NULL);
	snprintf(facts.host, sizeof(facts.host), "192.0.2.1");
	doctor_judge_macs(&facts, &found);
	assert_only(false, "not known", NULL);
	facts.own_is_answered = true;
	doctor_judge_macs(&facts, &found);
	assert_only(true, "hypervisor", NULL);
	facts.foreign_answered = 2;
	doctor_judge_macs(&facts, &found);
	assert_only(true, "2 of 3", NULL);
	facts.foreign_answered = DOCTOR_FOREIGN_MACS;
	doctor_judge_macs(&facts, &found);
	assert_nothing();
}

static void managers__that_take_the_interface__found(void **state)
{
	struct doctor_managers facts = { .interface = "lw0" };
	struct manager_view *nm = &facts.say.network_manager, *networkd = &facts.say.networkd;

	(void)state;
	doctor_judge_managers(&facts, &found);
	assert_nothing();
	nm->runs = nm->manages = true;
	doctor_judge_managers(&facts, &found);
	assert_only(false, "NetworkManager manages lw0", "unmanaged-devices+=interface-name:lw0");
	facts.bridge = "br0";
	doctor_judge_managers(&facts, &found);
	assert_only(true, "takes it out of br0", "unmanaged-devices+=interface-name:lw0");
	nm->manages = false;
	networkd->runs = networkd->manages = true;
	doctor_judge_managers(&facts, &found);
	assert_only(true, "by a file of its own", "Unmanaged=yes");
	snprintf(networkd->by, sizeof(networkd->by), "/etc/systemd/network/all.network");
	doctor_judge_managers(&facts, &found);
	assert_only(true, "all.network", ">/etc/systemd/network/05-longwire-lw0.network");
	networkd->enslaves = true;
	doctor_judge_managers(&facts, &found);
	assert_nothing();
}

static void managers__of_a_port__found(void **state)
{
	struct doctor_managers facts = { .interface = "eth1", .bridge = "br0", .is_port = true };
	struct manager_view *nm = &facts.say.network_manager;

	(void)state;
	*nm = (struct manager_view){ .runs = true, .knows = true, .manages = true };
	doctor_judge_managers(&facts, &found); /* by no profile: it does nothing */
	assert_nothing();
	snprintf(nm->by, sizeof(nm->by), "Wired connection 1");
	doctor_judge_managers(&facts, &found);
	assert_only(true, "Wired connection 1", "interface-name:eth1");
	nm->enslaves = true;
	doctor_judge_managers(&facts, &found);
	assert_nothing();
	nm->enslaves = false;
	nm->watches = true;
	doctor_judge_managers(&facts, &found);
	assert_nothing();
}

static const struct doctor_hub good_hub = {
	.file = "branch.yaml",
	.address = "hub:8443",
	.speaks_tls = true,
	.shown_pin = "SHA256:a",
	.pins = { "SHA256:b", "SHA256:a" },
	.n_pins = 2,
	.path = {
		.to = { .family = AF_INET, .bytes = { 192, 0, 2, 1 } },
		.route = { .is_reachable = true, .interface = "eth0" },
		.link_mtu = 1500,
		.was_asked = true,
		.answers = true,
		.takes = 1500,
	},
};

static void hub__not_reached__told_why(void **state)
{
	struct doctor_hub facts = good_hub;

	(void)state;
	facts.resolve_error = "no such name";
	doctor_judge_hub(&facts, &found);
	assert_only(true, "no such name", NULL);
	facts = good_hub;
	facts.connect_error = ECONNREFUSED;
	doctor_judge_hub(&facts, &found);
	assert_only(true, "no hub listens there", "longwire hub");
	facts.connect_error = ETIMEDOUT;
	doctor_judge_hub(&facts, &found);
	assert_only(true, "firewall is in the way", "tcp dport 8443 accept");
	facts.path.answers = false;
	doctor_judge_hub(&facts, &found);
	assert_only(true, "no machine answers", NULL);
	facts.connect_error = EPERM;
	doctor_judge_hub(&facts, &found);
	assert_only(true, "of this machine", "nft list ruleset");
	facts.path.route.is_reachable = false;
	facts.connect_error = ENETUNREACH;
	doctor_judge_hub(&facts, &found);
	assert_only(true, "no route", NULL);
}

static void hub__that_is_another__told(void **state)
{
	struct doctor_hub facts = good_hub;

	(void)state;
	doctor_judge_hub(&facts, &found);
	assert_nothing();
	facts.n_pins = 1;
	doctor_judge_hub(&facts, &found);
	assert_only(true, "not the one that is pinned",
		    "sed -i 's|SHA256:b|SHA256:a|' branch.yaml");
	facts.speaks_tls = false;
	snprintf(facts.said, sizeof(facts.said), "not TLS");
	doctor_judge_hub(&facts, &found);
	assert_only(true, "no longwire hub: not TLS", NULL);
}

static void path__that_takes_less__told(void **state)
{
	struct doctor_hub facts = good_hub;

	(void)state;
	facts.path.takes = 1400;
	doctor_judge_hub(&facts, &found);
	assert_only(false, "takes packets of 1400 bytes (eth0: 1500), which TCP finds", NULL);
	facts.path.takes = 1000;
	doctor_judge_hub(&facts, &found);
	assert_only(false, "expect less speed", NULL);
	facts.path.loses_large = true;
	doctor_judge_hub(&facts, &found);
	assert_only(true, "more than 1000 bytes vanish",
		    "ip route replace 192.0.2.1 scope link dev eth0 mtu 1000");
	facts.path.route.gateway =
		(struct ip_address){ .family = AF_INET, .bytes = { 192, 0, 2, 254 } };
	doctor_judge_hub(&facts, &found);
	assert_only(true, "vanish", "ip route replace 192.0.2.1 via 192.0.2.254 dev eth0 mtu 1000");
	facts.path.takes = 0;
	doctor_judge_hub(&facts, &found);
	assert_only(true, "vanish", NULL);
	facts.path.answers = false;
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
		cmocka_unit_test(interface__each_fault__found),
		cmocka_unit_test(interface__that_runs__judged),
		cmocka_unit_test(listen__each_fault__found),
		cmocka_unit_test(filter__each_fault__found),
		cmocka_unit_test(macs__not_all_answered__is_a_fault),
		cmocka_unit_test(managers__that_take_the_interface__found),
		cmocka_unit_test(managers__of_a_port__found),
		cmocka_unit_test(hub__not_reached__told_why),
		cmocka_unit_test(hub__that_is_another__told),
		cmocka_unit_test(path__that_takes_less__told),
		cmocka_unit_test(findings__more_than_fit__are_counted),
	};

	return cmocka_run_group_tests_name("program/doctor", tests, NULL, NULL);
}
