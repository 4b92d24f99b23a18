/* SPDX-License-Identifier: MIT */
/* Facts about this machine. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/parse.h"
#include "network/network.h"
#include "network/nftables.h"
#include "program/doctor.h"
#include "program/privileges.h"
#include "tls/aead.h"

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum { LINE = 256, ADDRESS_FIXED = 3 };

/* ---- files of one line */

static bool read_line(const char *path, char line[LINE])
{
	FILE *file = fopen(path, "re");
	bool is_read = file && fgets(line, LINE, file);

	if (file)
		fclose(file);
	if (is_read)
		line[strcspn(line, "\n")] = '\0';
	return is_read;
}

/* /sys/class/net/NAME/KEY as a number; 0: not there. */
static uint64_t link_number(const char *name, const char *key)
{
	char path[LINE], line[LINE];
	uint64_t number;

	snprintf(path, sizeof(path), "/sys/class/net/%.15s/%s", name, key);
	return read_line(path, line) && parse_uint(line, 0, UINT64_MAX, &number) == 0 ? number : 0;
}

static bool link_has(const char *name, const char *key)
{
	char path[LINE];

	snprintf(path, sizeof(path), "/sys/class/net/%.15s/%s", name, key);
	return access(path, F_OK) == 0;
}

/* ---- the device node */

/* An interface without a name of its own, which goes with its descriptor. */
static void try_to_make(int fd, struct doctor_device *facts)
{
	struct ifreq request = { .ifr_flags = IFF_TUN | IFF_NO_PI };

	if (facts->features & IFF_VNET_HDR)
		request.ifr_flags |= IFF_VNET_HDR;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "lwdoctor%%d");
	if (ioctl(fd, TUNSETIFF, &request) < 0) {
		facts->make_error = errno;
		return;
	}
	facts->has_tso = ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) == 0;
	facts->has_uso = ioctl(fd, TUNSETOFFLOAD,
			       TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_USO4 | TUN_F_USO6) == 0;
}

void doctor_look_device(struct doctor_device *ret_facts)
{
	_cleanup_close_ int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	*ret_facts = (struct doctor_device){ .error = fd < 0 ? errno : 0 };
	if (fd < 0 || ioctl(fd, TUNGETFEATURES, &ret_facts->features) < 0)
		return;
	ret_facts->is_root = geteuid() == 0;
	ret_facts->may_make = privileges_has_net_admin();
	if (ret_facts->may_make)
		try_to_make(fd, ret_facts);
}

/* ---- the machine */

void doctor_look_machine(uint64_t files_needed, struct doctor_machine *ret_facts)
{
	struct timex clock = { 0 };
	struct rlimit files = { 0 };

	(void)getrlimit(RLIMIT_NOFILE, &files);
	*ret_facts = (struct doctor_machine){
		.now = time(NULL),
		.is_synchronised = adjtimex(&clock) >= 0 && !(clock.status & STA_UNSYNC),
		.files_max = files.rlim_cur,
		.files_needed = files_needed,
		.backend = aead_backend()->name,
	};
#ifdef __x86_64__
	ret_facts->is_x86 = true;
	ret_facts->has_aes = __builtin_cpu_supports("aes");
#else
	ret_facts->has_aes = true; /* not known; nothing is said */
#endif
}

/* ---- the interface */

void doctor_look_interface(const char *name, const char *file, struct doctor_interface *ret_facts)
{
	char path[LINE], line[LINE] = "";
	struct network_link link;

	*ret_facts = (struct doctor_interface){
		.name = name,
		.file = file,
		/* For root without it that is said of the device. */
		.may_make = privileges_has_net_admin() || geteuid() == 0,
	};
	ret_facts->is_there = network_link_get(name, &link, NULL) == 0;
	if (!ret_facts->is_there)
		return;
	snprintf(path, sizeof(path), "/sys/class/net/%.15s/tun_flags", name);
	if (read_line(path, line)) {
		unsigned long flags = strtoul(line, NULL, 16);

		ret_facts->is_tap = flags & IFF_TAP;
		ret_facts->is_tun = flags & IFF_TUN;
	}
	snprintf(path, sizeof(path), "/sys/class/net/%.15s/owner", name);
	ret_facts->is_ours =
		ret_facts->may_make ||
		(read_line(path, line) && strtoll(line, NULL, 10) == (long long)geteuid());
	ret_facts->is_up = link.is_up;
	snprintf(ret_facts->master, sizeof(ret_facts->master), "%s", link.master_name);
	doctor_find_interface_holder(name, file, &ret_facts->holder);
}

/* ---- the bridge */

static bool has_lro(const char *name)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GFLAGS };
	struct ifreq request = { .ifr_data = (char *)&value };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", name);
	return fd >= 0 && ioctl(fd, SIOCETHTOOL, &request) == 0 && value.data & ETH_FLAG_LRO;
}

static void look_port(const char *name, const struct doctor_bridge *bridge,
		      const struct doctor_question *question, struct findings *findings)
{
	struct doctor_bridge_port facts = {
		.name = name,
		.bridge = bridge->name,
		.has_carrier = link_number(name, "carrier") == 1,
		.is_wireless = link_has(name, "phy80211") || link_has(name, "wireless"),
		.has_lro = has_lro(name),
		.mtu = (uint32_t)link_number(name, "mtu"),
		.bridge_mtu = bridge->mtu,
	};
	struct doctor_managers managers = {
		.interface = name,
		.bridge = bridge->name,
		.is_port = true,
	};
	struct network_link link;
	struct doctor_macs macs;

	facts.is_up = network_link_get(name, &link, NULL) == 0 && link.is_up;
	doctor_judge_bridge_port(&facts, findings);
	doctor_look_managers(&managers);
	doctor_judge_managers(&managers, findings);
	if (question->may_probe && facts.has_carrier) {
		doctor_ask_macs(bridge->name, name, question->host, &macs);
		doctor_judge_macs(&macs, findings);
	}
}

/*
 * Return: how many ports there are but the interface. Each is judged, unless it is a program's (a
 * virtual machine's, another tunnel's), which does as it likes.
 */
static unsigned look_ports(const struct doctor_bridge *bridge,
			   const struct doctor_question *question, struct findings *findings)
{
	const struct dirent *entry;
	unsigned n = 0;
	char path[LINE];
	DIR *folder;

	snprintf(path, sizeof(path), "/sys/class/net/%s/brif", bridge->name);
	folder = opendir(path);
	if (!folder)
		return 0;
	while ((entry = readdir(folder))) {
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, bridge->interface))
			continue;
		n++;
		if (!link_has(entry->d_name, "tun_flags"))
			look_port(entry->d_name, bridge, question, findings);
	}
	closedir(folder);
	return n;
}

static bool has_address(const struct ifaddrs *addresses, const char *name)
{
	for (; addresses; addresses = addresses->ifa_next)
		if (!strcmp(addresses->ifa_name, name) && addresses->ifa_addr &&
		    addresses->ifa_addr->sa_family == AF_INET)
			return true;
	return false;
}

/* An Ethernet interface that is nobody's: no port, no address that somebody may be logged in by. */
static void find_candidate(char candidate[16])
{
	struct ifaddrs *addresses;

	candidate[0] = '\0';
	if (getifaddrs(&addresses) < 0)
		return;
	for (const struct ifaddrs *one = addresses; one && !candidate[0]; one = one->ifa_next)
		if (one->ifa_addr && one->ifa_addr->sa_family == AF_PACKET &&
		    link_number(one->ifa_name, "type") == ARPHRD_ETHER &&
		    !link_has(one->ifa_name, "master") && !link_has(one->ifa_name, "bridge") &&
		    !link_has(one->ifa_name, "tun_flags") && !has_address(addresses, one->ifa_name))
			snprintf(candidate, 16, "%.15s", one->ifa_name);
	freeifaddrs(addresses);
}

/*
 * The kernel has bridged IPv4 judged as if it were routed (br_netfilter, which Docker turns on), and
 * what is routed is dropped unless a rule says otherwise (which Docker does).
 */
static bool is_filtered(void)
{
	_cleanup_free_ char *text = NULL;
	char line[LINE], detail[LINE];
	const char *at;

	if (!privileges_has_net_admin() ||
	    !read_line("/proc/sys/net/bridge/bridge-nf-call-iptables", line) ||
	    strcmp(line, "1") != 0 ||
	    nftables_ask("list chains ip; list chains inet", &text, detail, sizeof(detail)) < 0)
		return false;
	for (at = text; at && (at = strstr(at, "hook forward")); at++)
		if (memmem(at, strcspn(at, "\n"), "policy drop", strlen("policy drop")))
			return true;
	return false;
}

void doctor_look_bridge(const char *bridge, const char *interface, uint32_t mtu,
			const struct doctor_question *question, struct findings *findings)
{
	struct doctor_bridge facts = { .name = bridge, .interface = interface, .network_mtu = mtu };
	struct network_link link;

	facts.is_there = network_link_get(bridge, &link, NULL) == 0;
	find_candidate(facts.candidate);
	if (facts.is_there) {
		facts.is_bridge = link.is_bridge;
		facts.is_up = link.is_up;
		facts.mtu = link.mtu;
		facts.has_stp = link_number(bridge, "bridge/stp_state") != 0;
		facts.forward_delay = (unsigned)(link_number(bridge, "bridge/forward_delay") / 100);
		facts.filters_vlans = link_number(bridge, "bridge/vlan_filtering") != 0;
		facts.has_fixed_mac = link_number(bridge, "addr_assign_type") == ADDRESS_FIXED;
		facts.is_filtered = is_filtered();
		facts.ports = look_ports(&facts, question, findings);
	}
	doctor_judge_bridge(&facts, findings);
}
