/* SPDX-License-Identifier: MIT */
/* Facts about this machine. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
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

/* ---- the bridge */

static bool has_lro(const char *name)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GFLAGS };
	struct ifreq request = { .ifr_data = (char *)&value };
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", name);
	return fd >= 0 && ioctl(fd, SIOCETHTOOL, &request) == 0 && value.data & ETH_FLAG_LRO;
}

static void look_port(const char *name, const struct doctor_bridge *bridge, bool may_send,
		      struct findings *findings)
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
	struct network_link link;
	struct doctor_macs macs = { 0 };
	char gateway[16];

	facts.is_up = network_link_get(name, &link, NULL) == 0 && link.is_up;
	doctor_judge_bridge_port(&facts, findings);
	if (may_send && facts.has_carrier && doctor_ask_macs(bridge->name, name, gateway, &macs))
		doctor_judge_macs(&macs, findings);
}

/* Return: how many ports there are but the interface; each is judged. */
static unsigned look_ports(const struct doctor_bridge *bridge, bool may_send,
			   struct findings *findings)
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
		/* Other tunnels' interfaces are no way to a LAN. */
		if (entry->d_name[0] == '.' || !strcmp(entry->d_name, bridge->interface) ||
		    link_has(entry->d_name, "tun_flags"))
			continue;
		n++;
		look_port(entry->d_name, bridge, may_send, findings);
	}
	closedir(folder);
	return n;
}

void doctor_look_bridge(const char *bridge, const char *interface, uint32_t mtu, bool may_send,
			struct findings *findings)
{
	struct doctor_bridge facts = { .name = bridge, .interface = interface, .network_mtu = mtu };
	struct network_link link;

	facts.is_there = network_link_get(bridge, &link, NULL) == 0;
	if (facts.is_there) {
		facts.is_bridge = link.is_bridge;
		facts.is_up = link.is_up;
		facts.mtu = link.mtu;
		facts.has_stp = link_number(bridge, "bridge/stp_state") != 0;
		facts.forward_delay = (unsigned)(link_number(bridge, "bridge/forward_delay") / 100);
		facts.filters_vlans = link_number(bridge, "bridge/vlan_filtering") != 0;
		facts.has_fixed_mac = link_number(bridge, "addr_assign_type") == ADDRESS_FIXED;
		facts.ports = look_ports(&facts, may_send, findings);
	}
	doctor_judge_bridge(&facts, findings);
}

/* ---- managers */

/* NetworkManager: what stands behind interface-name: up to , or ; is a pattern. */
static bool is_unmanaged_by(const char *path, const char *interface)
{
	char line[LINE], pattern[64];
	bool is_found = false;
	FILE *file = fopen(path, "re");

	while (file && !is_found && fgets(line, sizeof(line), file)) {
		const char *at = strstr(line, "unmanaged-devices");

		while (at && !is_found && (at = strstr(at, "interface-name:"))) {
			at += strlen("interface-name:");
			snprintf(pattern, sizeof(pattern), "%.*s", (int)strcspn(at, ",;\n"), at);
			is_found = fnmatch(pattern, interface, 0) == 0;
		}
	}
	if (file)
		fclose(file);
	return is_found;
}

static bool is_matched_by(const char *path, const char *interface)
{
	char line[LINE], pattern[64];
	bool is_match = false, is_found = false, is_unmanaged = false;
	FILE *file = fopen(path, "re");

	while (file && fgets(line, sizeof(line), file)) {
		const char *names = line + strlen("Name=");

		if (line[0] == '[')
			is_match = !strncmp(line, "[Match]", 7);
		if (!strncmp(line, "Unmanaged=yes", 13))
			is_unmanaged = true;
		if (!is_match || strncmp(line, "Name=", 5) != 0)
			continue;
		while (*(names += strspn(names, " \n"))) {
			size_t length = strcspn(names, " \n");

			snprintf(pattern, sizeof(pattern), "%.*s", (int)length, names);
			is_found |= fnmatch(pattern, interface, 0) == 0;
			names += length;
		}
	}
	if (file)
		fclose(file);
	return is_found && !is_unmanaged;
}

/* The first file of a folder for which test says yes, into path. */
static bool find_file(const char *folder, const char *suffix,
		      bool (*test)(const char *path, const char *interface), const char *interface,
		      char *path, size_t size)
{
	const struct dirent *entry;
	bool is_found = false;
	DIR *opened = opendir(folder);

	while (opened && !is_found && (entry = readdir(opened))) {
		size_t length = strlen(entry->d_name), end = strlen(suffix);

		if (length < end || strcmp(entry->d_name + length - end, suffix) != 0)
			continue;
		is_found = (size_t)snprintf(path, size, "%s/%s", folder, entry->d_name) < size &&
			   test(path, interface);
	}
	if (opened)
		closedir(opened);
	if (!is_found)
		path[0] = '\0';
	return is_found;
}

void doctor_look_managers(const char *interface, struct doctor_managers *ret_facts)
{
	static const char *const managed[] = { "/etc/systemd/network", "/run/systemd/network" };
	static const char *const told[] = { "/etc/NetworkManager/conf.d",
					    "/run/NetworkManager/conf.d",
					    "/usr/lib/NetworkManager/conf.d" };
	char path[LINE];

	*ret_facts = (struct doctor_managers){
		.interface = interface,
		.has_network_manager = access("/run/NetworkManager/devices", F_OK) == 0,
		.is_unmanaged =
			is_unmanaged_by("/etc/NetworkManager/NetworkManager.conf", interface),
	};
	for (size_t i = 0; i < ARRAY_SIZE(told) && !ret_facts->is_unmanaged; i++)
		ret_facts->is_unmanaged =
			find_file(told[i], ".conf", is_unmanaged_by, interface, path, sizeof(path));
	if (access("/run/systemd/netif", F_OK) < 0)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(managed) && !ret_facts->networkd_file[0]; i++)
		(void)find_file(managed[i], ".network", is_matched_by, interface,
				ret_facts->networkd_file, sizeof(ret_facts->networkd_file));
}
