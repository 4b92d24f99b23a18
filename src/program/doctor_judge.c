/* SPDX-License-Identifier: MIT */
/* Facts about a machine, judged. */
#include <errno.h>
#include <linux/if_tun.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "program/doctor.h"

enum { YEAR_2025 = 1735689600, A_DAY = 86400, FORWARD_DELAY_LONG = 4 };

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

	if (facts->error == ENOENT) {
		doctor_find(findings, true, topic,
			    "mkdir -p /dev/net && mknod /dev/net/tun c 10 200",
			    "/dev/net/tun is not there: no interface can be made (a container has "
			    "to be given it)");
		return;
	}
	if (facts->error == ENODEV || facts->error == ENXIO) {
		doctor_find(findings, true, topic, "modprobe tun",
			    "/dev/net/tun has no driver: no interface can be made");
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
	if (!facts->may_make && facts->is_root) {
		doctor_find(findings, true, topic,
			    "docker run --cap-add NET_ADMIN --device /dev/net/tun …  # its host",
			    "root without CAP_NET_ADMIN, as in a container: no interface can be "
			    "made or set up");
		return;
	}
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
	int64_t behind = facts->written - facts->now;
	char mend[80];

	if (facts->now < YEAR_2025 || behind > A_DAY)
		doctor_find(findings, true, "clock", "timedatectl set-ntp true",
			    behind > A_DAY ? "the clock is behind: the configuration was written "
					     "%lld days from now"
					   : "the clock is years behind",
			    (long long)behind / A_DAY);
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

/* ---- the interface, and who has it */

static void judge_holder(const struct doctor_interface *facts, struct findings *findings)
{
	const struct doctor_holder *holder = &facts->holder;
	char mend[DOCTOR_TEXT];

	if (holder->pid && !holder->runs_file) {
		snprintf(mend, sizeof(mend), "kill %d", holder->pid);
		doctor_find(findings, true, "interface", mend,
			    "%s is taken by process %d, %s, which was not started with %s",
			    facts->name, holder->pid, holder->name, facts->file);
		return;
	}
	if (!holder->pid)
		return;
	doctor_find(findings, false, "instance", NULL,
		    "it runs already, as process %d: longwire status shows it, and a second one is "
		    "refused",
		    holder->pid);
	snprintf(mend, sizeof(mend), "ip link set %s up", facts->name);
	if (!facts->is_up)
		doctor_find(findings, true, "interface", mend, "%s is down", facts->name);
	if (!facts->bridge || !strcmp(facts->master, facts->bridge))
		return;
	snprintf(mend, sizeof(mend), "ip link set %s master %s", facts->name, facts->bridge);
	doctor_find(findings, true, "interface", mend, "%s is %s%s, and should be in %s",
		    facts->name, facts->master[0] ? "in " : "in no bridge", facts->master,
		    facts->bridge);
}

void doctor_judge_interface(const struct doctor_interface *facts, struct findings *findings)
{
	const char *kind = facts->wants_tap ? "tap" : "tun";
	char mend[DOCTOR_TEXT];

	if (facts->is_there && !facts->is_tap && !facts->is_tun) {
		snprintf(mend, sizeof(mend), "sed -i 's/name: %s\\b/name: longwire0/' %s",
			 facts->name, facts->file);
		doctor_find(findings, true, "interface", mend,
			    "%s is there and is neither a TAP nor a TUN: choose another name",
			    facts->name);
	} else if (facts->is_there && (facts->wants_tap ? !facts->is_tap : !facts->is_tun)) {
		snprintf(mend, sizeof(mend), "ip link delete %s", facts->name);
		doctor_find(findings, true, "interface", mend,
			    "%s is there as a %s, and a %s is needed", facts->name,
			    facts->is_tap ? "tap" : "tun", kind);
	} else if (facts->is_there && facts->holder.pid) {
		judge_holder(facts, findings);
	} else if (!facts->may_make && facts->is_set_up) {
		snprintf(mend, sizeof(mend), "sudo longwire doctor %s", facts->file);
		doctor_find(findings, true, "interface", mend,
			    "%s cannot be made and set up without CAP_NET_ADMIN: run longwire as "
			    "root",
			    facts->name);
	} else if (!facts->may_make && !facts->is_ours) {
		snprintf(mend, sizeof(mend),
			 "ip tuntap add dev %s mode %s user $(id -un)  # as root", facts->name,
			 kind);
		doctor_find(findings, true, "interface", mend,
			    "%s %s: run longwire as root, or once this", facts->name,
			    facts->is_there ? "belongs to another user"
					    : "cannot be made without CAP_NET_ADMIN");
	}
}

void doctor_judge_listen(const struct doctor_listen *facts, struct findings *findings)
{
	const struct doctor_holder *holder = &facts->holder;
	char mend[DOCTOR_TEXT];

	if (facts->error == EADDRINUSE && !holder->runs_file) {
		snprintf(mend, sizeof(mend), holder->pid ? "kill %d" : "ss -ltnp 'sport = :%d'",
			 holder->pid ? holder->pid : facts->port);
		doctor_find(findings, holder->pid, "listen", mend,
			    holder->pid ? "%s is taken by process %d, %s"
					: "%s is taken, by a process that this user may not see",
			    facts->address, holder->pid, holder->name);
	} else if (facts->error == EADDRNOTAVAIL) {
		doctor_find(
			findings, true, "listen", NULL,
			"%s: no interface of this machine has this address; [::]:%u is all that "
			"it has",
			facts->address, facts->port);
	} else if (facts->error == EACCES) {
		snprintf(mend, sizeof(mend), "sysctl -w net.ipv4.ip_unprivileged_port_start=%u",
			 facts->port);
		doctor_find(findings, true, "listen", mend,
			    "%s: only root may listen on a port as low as this", facts->address);
	}
}

void doctor_judge_filter(const struct doctor_filter *facts, struct findings *findings)
{
	char mend[64];

	if (facts->is_needed && facts->error)
		doctor_find(findings, true, "nftables", "modprobe nf_tables",
			    "the kernel's packet filter, which this configuration needs: %s",
			    facts->error);
	snprintf(mend, sizeof(mend), "longwire unlock %s", facts->fence ? facts->fence : "");
	if (facts->fence)
		doctor_find(
			findings, true, "kill switch", mend,
			"the kill switch of %s is closed and no tunnel is there: nothing leaves "
			"this machine",
			facts->fence);
}

/* ---- the bridge */

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
	snprintf(mend, sizeof(mend), "ip link set %s master %s up  # the port to your LAN",
		 facts->candidate[0] ? facts->candidate : "eth1", facts->name);
	if (facts->ports == 0)
		doctor_find(findings, true, topic, mend, "%s has no port to a LAN", facts->name);
	snprintf(mend, sizeof(mend), "ip link set %s mtu %u", facts->name, facts->network_mtu);
	if (facts->network_mtu && facts->mtu < facts->network_mtu)
		doctor_find(findings, true, topic, mend,
			    "%s has an MTU of %u, the tunnel's network %u: larger packets are lost",
			    facts->name, facts->mtu, facts->network_mtu);
	if (facts->is_filtered)
		doctor_find(findings, true, topic,
			    "sysctl -w net.bridge.bridge-nf-call-iptables=0 "
			    "net.bridge.bridge-nf-call-ip6tables=0",
			    "what %s carries passes this machine's firewall for routed packets "
			    "(br_netfilter), which drops it",
			    facts->name);
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
	static const char topic[] = "foreign MACs";

	if (!facts->host[0])
		doctor_find(findings, false, topic, NULL,
			    "there is nobody to ask at %s, since %s has no gateway: name a host of "
			    "its LAN by --host ADDRESS",
			    facts->port, facts->bridge);
	else if (!facts->own_is_answered)
		doctor_find(findings, false, topic, NULL,
			    "%s answers nobody at %s: whether foreign MAC addresses pass is not "
			    "known; name another host by --host ADDRESS",
			    facts->host, facts->port);
	else if (facts->foreign_answered == 0)
		doctor_find(
			findings, true, topic, NULL,
			"%s answers this machine's own MAC address at %s and no foreign one: a "
			"hypervisor or switch drops those. Allow promiscuous mode and forged "
			"transmits (VMware), MAC spoofing (Hyper-V), or turn off port security and "
			"the MAC filter of this machine's interface (clouds: use IP instead)",
			facts->host, facts->port);
	else if (facts->foreign_answered < DOCTOR_FOREIGN_MACS)
		doctor_find(
			findings, true, topic, NULL,
			"%s answers %u of %u foreign MAC addresses at %s: a switch or hypervisor "
			"limits how many this port may have (port security); raise the limit",
			facts->host, facts->foreign_answered, DOCTOR_FOREIGN_MACS, facts->port);
}
