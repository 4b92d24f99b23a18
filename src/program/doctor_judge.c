/* SPDX-License-Identifier: MIT */
/* Facts about a machine, judged. */
#include <errno.h>
#include <linux/if_tun.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "program/doctor.h"

enum { YEAR_2025 = 1735689600, PATH_MTU_SMALL = 1280, FORWARD_DELAY_LONG = 4 };

void doctor_find(struct findings *findings, bool is_fault, const char *topic, const char *mend,
		 const char *format, ...)
{
	struct finding *finding;
	va_list list;

	findings->faults += is_fault;
	if (findings->n == DOCTOR_FINDINGS_MAX)
		return;
	finding = &findings->items[findings->n++];
	*finding = (struct finding){ .is_fault = is_fault, .topic = topic };
	snprintf(finding->mend, sizeof(finding->mend), "%s", mend ? mend : "");
	va_start(list, format);
	vsnprintf(finding->text, sizeof(finding->text), format, list);
	va_end(list);
}

void doctor_judge_device(const struct doctor_device *facts, struct findings *findings)
{
	static const char topic[] = "device";

	if (facts->error == ENOENT || facts->error == ENODEV || facts->error == ENXIO) {
		doctor_find(findings, true, topic,
			    "modprobe tun && mkdir -p /dev/net && "
			    "{ [ -e /dev/net/tun ] || mknod /dev/net/tun c 10 200; }",
			    "/dev/net/tun is not there: no interface can be made");
		return;
	}
	if (facts->error) {
		doctor_find(findings, true, topic, "chmod 666 /dev/net/tun",
			    "/dev/net/tun cannot be opened: %s", strerror(facts->error));
		return;
	}
	if (!(facts->features & IFF_VNET_HDR))
		doctor_find(
			findings, false, topic, NULL,
			"the kernel's tun has no virtio header: large frames are cut before they "
			"reach the tunnel, which costs most of its speed");
	if (!(facts->features & IFF_MULTI_QUEUE))
		doctor_find(findings, false, topic, NULL,
			    "the kernel's tun has one queue: several workers cannot share it");
	if (!facts->may_make) {
		doctor_find(
			findings, false, topic, "sudo longwire doctor",
			"without CAP_NET_ADMIN it is not known whether an interface can be made");
		return;
	}
	if (facts->make_error)
		doctor_find(findings, true, topic, NULL, "an interface cannot be made: %s",
			    strerror(facts->make_error));
	else if (!facts->has_tso)
		doctor_find(findings, false, topic, NULL,
			    "the kernel's tun gives no TCP super-frames: expect a quarter of the "
			    "speed");
	else if (!facts->has_uso)
		doctor_find(findings, false, topic, NULL,
			    "the kernel's tun gives no UDP super-frames (Linux 6.2 and later do)");
}

void doctor_judge_machine(const struct doctor_machine *facts, struct findings *findings)
{
	char mend[80];

	if (facts->now < YEAR_2025)
		doctor_find(
			findings, true, "clock", "timedatectl set-ntp true",
			"the clock is years behind: certificates of an authority are judged by it "
			"(pins are not)");
	else if (!facts->is_synchronised)
		doctor_find(findings, false, "clock", "timedatectl set-ntp true",
			    "the clock is not synchronised, as far as the kernel knows");
	snprintf(mend, sizeof(mend), "ulimit -n %llu", (unsigned long long)facts->files_needed);
	if (facts->files_max < facts->files_needed)
		doctor_find(findings, true, "limits", mend,
			    "%llu open files are allowed, and what is configured may need %llu",
			    (unsigned long long)facts->files_max,
			    (unsigned long long)facts->files_needed);
	if (!facts->has_aes)
		doctor_find(findings, false, "ciphers", NULL,
			    "the processor has no AES instructions that are used: expect about "
			    "1 Gbit/s from each core at most");
	else if (facts->is_x86 && strcmp(facts->backend, "ipsec-mb") != 0)
		doctor_find(findings, false, "ciphers",
			    "apt install libipsec-mb-dev, and build longwire again",
			    "libipsec-mb is not used (%s is), which is many times as fast here",
			    facts->backend);
}

static void judge_spanning_tree(const struct doctor_bridge *facts, struct findings *findings)
{
	char mend[120];

	snprintf(mend, sizeof(mend), "ip link set %s type bridge forward_delay 200", facts->name);
	if (facts->has_stp && facts->forward_delay > FORWARD_DELAY_LONG)
		doctor_find(
			findings, false, "bridge", mend,
			"%s runs spanning tree: a port carries nothing for %u s after it comes up",
			facts->name, 2 * facts->forward_delay);
}

void doctor_judge_bridge(const struct doctor_bridge *facts, struct findings *findings)
{
	static const char topic[] = "bridge";
	char mend[160];

	snprintf(mend, sizeof(mend), "ip link add %s type bridge && ip link set %s up", facts->name,
		 facts->name);
	if (!facts->is_there || !facts->is_bridge) {
		doctor_find(findings, true, topic, facts->is_there ? NULL : mend,
			    facts->is_there ? "%s is no bridge" : "%s, the bridge, is not there",
			    facts->name);
		return;
	}
	snprintf(mend, sizeof(mend), "ip link set %s up", facts->name);
	if (!facts->is_up)
		doctor_find(findings, true, topic, mend, "%s is down", facts->name);
	snprintf(mend, sizeof(mend), "ip link set eth1 master %s  # the port to your LAN",
		 facts->name);
	if (facts->ports == 0)
		doctor_find(findings, true, topic, mend, "%s has no port to a LAN", facts->name);
	snprintf(mend, sizeof(mend), "ip link set %s mtu %u", facts->name, facts->network_mtu);
	if (facts->network_mtu && facts->mtu < facts->network_mtu)
		doctor_find(findings, true, topic, mend,
			    "%s has an MTU of %u, the tunnel's network %u: larger packets are lost",
			    facts->name, facts->mtu, facts->network_mtu);
	judge_spanning_tree(facts, findings);
	if (facts->filters_vlans)
		doctor_find(
			findings, false, topic, NULL,
			"%s filters VLANs: tags that %s is no member of do not pass (bridge vlan "
			"show)",
			facts->name, facts->interface);
	snprintf(mend, sizeof(mend), "ip link set %s address $(cat /sys/class/net/%s/address)",
		 facts->name, facts->name);
	if (!facts->has_fixed_mac)
		doctor_find(findings, false, topic, mend,
			    "the MAC address of %s is that of a port: it changes, and whoever is "
			    "logged in is cut off, when a port comes or goes (longwire's never "
			    "decides it)",
			    facts->name);
}

void doctor_judge_bridge_port(const struct doctor_bridge_port *facts, struct findings *findings)
{
	static const char topic[] = "bridge port";
	char mend[120];

	snprintf(mend, sizeof(mend), "ip link set %s up", facts->name);
	if (!facts->is_up)
		doctor_find(findings, true, topic, mend, "%s in %s is down", facts->name,
			    facts->bridge);
	else if (!facts->has_carrier)
		doctor_find(findings, true, topic, NULL,
			    "%s in %s has no carrier: is it plugged in?", facts->name,
			    facts->bridge);
	if (facts->is_wireless)
		doctor_find(
			findings, true, topic, NULL,
			"%s is a Wi-Fi station: access points drop frames of other MAC addresses, "
			"so a bridge behind it cannot work; be one machine of the far LAN instead "
			"(without bridge:), or use IP",
			facts->name);
	snprintf(mend, sizeof(mend), "ethtool -K %s lro off", facts->name);
	if (facts->has_lro)
		doctor_find(
			findings, true, topic, mend,
			"%s joins received packets for good (LRO): what is bridged arrives broken",
			facts->name);
	snprintf(mend, sizeof(mend), "ip link set %s mtu %u", facts->name, facts->bridge_mtu);
	if (facts->mtu < facts->bridge_mtu)
		doctor_find(findings, true, topic, mend, "%s has an MTU of %u, its bridge %s %u",
			    facts->name, facts->mtu, facts->bridge, facts->bridge_mtu);
}

void doctor_judge_macs(const struct doctor_macs *facts, struct findings *findings)
{
	if (!facts->own_is_answered)
		doctor_find(
			findings, false, "foreign MACs", NULL,
			"%s answers nobody at %s: whether foreign MAC addresses pass is not known",
			facts->gateway, facts->port);
	else if (!facts->foreign_is_answered)
		doctor_find(
			findings, true, "foreign MACs", NULL,
			"%s answers this machine's own MAC address at %s and not a foreign one: a "
			"hypervisor or switch drops those. Allow promiscuous mode and forged "
			"transmits (VMware), MAC spoofing (Hyper-V), or turn off port security and "
			"the MAC filter of this machine's interface (clouds: use IP instead)",
			facts->gateway, facts->port);
}

void doctor_judge_managers(const struct doctor_managers *facts, struct findings *findings)
{
	static const char topic[] = "managers";
	char mend[DOCTOR_TEXT];

	snprintf(mend, sizeof(mend),
		 "printf '[keyfile]\\nunmanaged-devices=interface-name:%s\\n' > "
		 "/etc/NetworkManager/conf.d/longwire.conf && nmcli general reload",
		 facts->interface);
	if (facts->has_network_manager && !facts->is_unmanaged)
		doctor_find(findings, true, topic, mend,
			    "NetworkManager runs and has not been told to leave %s alone",
			    facts->interface);
	snprintf(mend, sizeof(mend),
		 "printf '[Match]\\nName=%s\\n[Link]\\nUnmanaged=yes\\n' > "
		 "/etc/systemd/network/05-longwire.network && networkctl reload",
		 facts->interface);
	if (facts->networkd_file[0])
		doctor_find(findings, true, topic, mend, "systemd-networkd manages %s by %s",
			    facts->interface, facts->networkd_file);
}

static bool is_pinned(const struct doctor_hub *facts)
{
	for (size_t i = 0; i < facts->n_pins; i++)
		if (!strcmp(facts->pins[i], facts->shown_pin))
			return true;
	return false;
}

static void judge_path(const struct doctor_hub *facts, struct findings *findings)
{
	if (facts->path_mtu && facts->path_mtu < PATH_MTU_SMALL)
		doctor_find(findings, false, "path", NULL,
			    "the path to %s takes packets of %u bytes only: expect less speed",
			    facts->address, facts->path_mtu);
	if (facts->was_pinged && facts->small_came && !facts->large_came)
		doctor_find(
			findings, true, "path", "sysctl -w net.ipv4.tcp_mtu_probing=1",
			"small packets reach %s and large ones vanish without a word: connections "
			"will hang after they were made",
			facts->address);
}

void doctor_judge_hub(const struct doctor_hub *facts, struct findings *findings)
{
	static const char topic[] = "hub";
	char mend[DOCTOR_TEXT] = "";

	if (facts->resolve_error) {
		doctor_find(findings, true, topic, NULL, "%s: %s", facts->address,
			    facts->resolve_error);
		return;
	}
	if (facts->connect_error) {
		doctor_find(findings, true, topic, NULL, "%s: no connection: %s%s", facts->address,
			    strerror(facts->connect_error),
			    facts->connect_error == ECONNREFUSED
				    ? "; the machine is there, a hub at this port is not"
			    : facts->connect_error == ETIMEDOUT
				    ? "; a firewall drops it, or the machine is away"
				    : "");
		return;
	}
	judge_path(facts, findings);
	if (!facts->speaks_tls) {
		doctor_find(findings, true, topic, NULL,
			    "%s: somebody listens who is no longwire hub: %s", facts->address,
			    facts->said);
		return;
	}
	if (facts->shown_pin[0] && !is_pinned(facts)) {
		snprintf(mend, sizeof(mend), "pin: \"%s\"  # under hub:, if its owner says so",
			 facts->shown_pin);
		doctor_find(findings, true, topic, mend,
			    "%s: its key is not the one that is pinned: another hub, a new key, or "
			    "somebody in between",
			    facts->address);
	}
}
