/* SPDX-License-Identifier: MIT */
/* TAP and TUN descriptors of the kernel: opened by name or adopted, read and written one packet a
 * call. */
#include "device/kernel.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <longwire/error.h>
#include <longwire/flow.h>

#include "base/error.h"
#include "base/memory.h"
#include "device/device.h"
#include "device/offload.h"

static const char node[] = "/dev/net/tun";

enum { COMMAND_SIZE = 160, USER_SIZE = 33, HEADER = 10, HEADER_MAX = 64 };

/* Not in the headers of every build machine; the running kernel says whether it knows them. */
enum { FLAG_USO4 = 0x20, FLAG_USO6 = 0x40 };

_Static_assert(sizeof(struct virtio_net_hdr) == HEADER, "the header is the one asked for");
_Static_assert(LW_GSO_TCPV4 == VIRTIO_NET_HDR_GSO_TCPV4 && LW_GSO_TCPV6 == VIRTIO_NET_HDR_GSO_TCPV6,
	       "the numbers are virtio-net's");

/* What the kernel says after the interface was deleted, for ever. */
static int translate(int error)
{
	switch (error) {
	case EBADFD:
	case ENODEV:
		return -ENODEV;
	case EAGAIN:
	case EINTR:
		return -EAGAIN;
	case ENOBUFS:
	case ENOMEM:
		return -ENOBUFS;
	case EIO:
	case ENETDOWN:
		return -EIO;
	default:
		return -EINVAL;
	}
}

static ssize_t read_packet(struct device *device, uint16_t queue, uint8_t *data, size_t size,
			   struct lw_offload *ret_offload)
{
	uint8_t beyond;
	struct iovec parts[2] = { { .iov_base = data, .iov_len = size },
				  { .iov_base = &beyond, .iov_len = 1 } };
	/* The kernel cuts a packet to the room it is given and does not say so; the extra byte
	 * tells. */
	ssize_t n = readv(device->descriptors[queue], parts, 2);

	if (unlikely(n < 0))
		return translate(errno);
	if (unlikely(n == 0))
		return -EAGAIN;
	if (unlikely((size_t)n > size))
		return -EMSGSIZE;
	*ret_offload = (struct lw_offload){ .gso = LW_GSO_NONE };
	return n;
}

static int write_packet(struct device *device, uint16_t queue, const struct lw_packet *packet)
{
	const struct lw_offload *offload = packet->offload;

	/* The kernel takes a mebibyte for a frame: the upper bound is ours. */
	if (unlikely(packet->layer != device->layer || packet->length > LW_PACKET_MAX))
		return -EINVAL;
	/* Without a header there is no way to say that work is left to do. */
	if (unlikely(offload && (offload->needs_checksum || offload->gso != LW_GSO_NONE)))
		return -EINVAL;
	if (unlikely(write(device->descriptors[queue], packet->data, packet->length) < 0))
		return translate(errno);
	return 0;
}

/* DATA_VALID and the length of the headers are for who believes them. */
static int decode_header(const struct virtio_net_hdr *header, struct lw_offload *ret_offload)
{
	struct lw_offload offload = { .gso = (enum lw_gso)header->gso_type };

	switch (offload.gso) {
	case LW_GSO_NONE:
		break;
	case LW_GSO_TCPV4:
	case LW_GSO_TCPV6:
	case LW_GSO_UDP:
		offload.gso_size = le16toh(header->gso_size);
		break;
	default:
		return -EBADMSG;
	}
	if (header->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		offload.needs_checksum = true;
		offload.checksum_start = le16toh(header->csum_start);
		offload.checksum_offset = le16toh(header->csum_offset);
	}
	*ret_offload = offload;
	return 0;
}

static ssize_t read_with_header(struct device *device, uint16_t queue, uint8_t *data, size_t size,
				struct lw_offload *ret_offload)
{
	struct virtio_net_hdr header;
	uint8_t beyond;
	struct iovec parts[3] = { { .iov_base = &header, .iov_len = HEADER },
				  { .iov_base = data, .iov_len = size },
				  { .iov_base = &beyond, .iov_len = 1 } };
	ssize_t n = readv(device->descriptors[queue], parts, 3);

	if (unlikely(n < 0))
		return translate(errno);
	if (unlikely(n <= HEADER))
		return -EAGAIN;
	n -= HEADER;
	if (unlikely((size_t)n > size))
		return -EMSGSIZE;
	return decode_header(&header, ret_offload) < 0 ? -EBADMSG : n;
}

/* The last place before the kernel's parser: whoever wrote the packet, its claim is checked here. */
static int encode_header(const struct lw_packet *packet, struct virtio_net_hdr *ret_header)
{
	struct lw_offload rebuilt;
	uint16_t header_length;

	if (offload_check(packet->layer, packet->data, packet->length, OFFLOAD_MTU_MAX,
			  packet->offload, &rebuilt, &header_length) < 0)
		return -EBADMSG;
	*ret_header = (struct virtio_net_hdr){
		.flags = rebuilt.needs_checksum ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0,
		.gso_type = (uint8_t)rebuilt.gso,
		.hdr_len = htole16(header_length),
		.gso_size = htole16(rebuilt.gso_size),
		.csum_start = htole16(rebuilt.checksum_start),
		.csum_offset = htole16(rebuilt.checksum_offset),
	};
	return 0;
}

static int write_with_header(struct device *device, uint16_t queue, const struct lw_packet *packet)
{
	struct virtio_net_hdr header = { 0 };
	struct iovec parts[2] = { { .iov_base = &header, .iov_len = HEADER },
				  { .iov_base = (void *)(uintptr_t)packet->data,
				    .iov_len = packet->length } };

	if (unlikely(packet->layer != device->layer || packet->length > LW_PACKET_MAX ||
		     device_missing_offloads(device, packet->offload)))
		return -EINVAL;
	if (packet->offload && encode_header(packet, &header) < 0)
		return -EBADMSG;
	if (unlikely(writev(device->descriptors[queue], parts, 2) < 0))
		return translate(errno);
	return 0;
}

static void free_device(struct device *device)
{
	for (size_t i = 0; i < DEVICE_QUEUES_MAX; i++)
		close_fd(&device->descriptors[i]);
	free(device);
}

static const struct device_ops tap_ops = { "tap", read_packet, write_packet, free_device };
static const struct device_ops tun_ops = { "tun", read_packet, write_packet, free_device };
static const struct device_ops tap_header_ops = { "tap", read_with_header, write_with_header,
						  free_device };
static const struct device_ops tun_header_ops = { "tun", read_with_header, write_with_header,
						  free_device };

static struct device *make_device(enum lw_layer layer, uint16_t queues)
{
	struct device *device = calloc(1, sizeof(*device));

	if (!device)
		return NULL;
	device->ops = layer == LW_LAYER_ETHERNET ? &tap_ops : &tun_ops;
	device->layer = layer;
	device->queues = queues;
	for (size_t i = 0; i < DEVICE_QUEUES_MAX; i++)
		device->descriptors[i] = -1;
	return device;
}

/* The command that makes a device which this user can attach to. */
static void print_command(const struct lw_device_options *options, bool exists,
			  char command[COMMAND_SIZE])
{
	const char *mode = options->layer == LW_LAYER_ETHERNET ? "tap" : "tun";
	const char *name = options->name ? options->name : "lw0";
	char user[USER_SIZE], old[64] = "";
	struct passwd *entry = getpwuid(geteuid());

	if (entry)
		snprintf(user, sizeof(user), "%s", entry->pw_name);
	else
		snprintf(user, sizeof(user), "%u", (unsigned)geteuid());
	if (exists)
		snprintf(old, sizeof(old), "ip link del %s && ", name);
	snprintf(command, COMMAND_SIZE, "%sip tuntap add dev %s mode %s user %s%s", old, name, mode,
		 user, options->queues > 1 ? " multi_queue" : "");
}

/* Return: "tap" or "tun"; "" if the interface is none of ours; NULL if there is no such
 * interface. */
static const char *kind_of_interface(const char *name)
{
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq request = { .ifr_data = (char *)&info };
	_cleanup_close_ int fd = -1;

	if (!name || !if_nametoindex(name))
		return NULL;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, SIOCETHTOOL, &request) < 0 || strcmp(info.driver, "tun") != 0)
		return "";
	return strcmp(info.bus_info, "tap") == 0 ? "tap" : "tun";
}

/* Say what is wrong with an existing interface that the kernel would not attach us to. */
static int blame_existing(const struct lw_device_options *options, const char *kind, int code,
			  struct lw_error *ret_error)
{
	const char *wanted = options->layer == LW_LAYER_ETHERNET ? "tap" : "tun";
	char command[COMMAND_SIZE];

	print_command(options, true, command);
	if (!kind[0])
		return error_set(ret_error, -code, LW_DOMAIN_SYSTEM, code,
				 "%s is neither a TAP nor a TUN: choose another name",
				 options->name);
	if (strcmp(kind, wanted) != 0)
		return error_set(ret_error, -code, LW_DOMAIN_SYSTEM, code,
				 "%s is a %s and a %s is needed: %s", options->name, kind, wanted,
				 command);
	if (code == EPERM)
		return error_set(ret_error, -code, LW_DOMAIN_SYSTEM, code,
				 "%s belongs to another user: run as root, or: %s", options->name,
				 command);
	return error_set(ret_error, -code, LW_DOMAIN_SYSTEM, code,
			 "%s was made %s multi_queue and %u queue%s asked for: %s", options->name,
			 options->queues > 1 ? "without" : "with", options->queues,
			 options->queues > 1 ? "s are" : " is", command);
}

static int blame_attach(const struct lw_device_options *options, int code,
			struct lw_error *ret_error)
{
	const char *kind = kind_of_interface(options->name);
	const char *name = options->name ? options->name : "lw%d";
	char command[COMMAND_SIZE];

	if (code == EBUSY)
		return error_set(ret_error, -EBUSY, LW_DOMAIN_SYSTEM, EBUSY,
				 "%s is in use by another program", name);
	if (kind && (code == EINVAL || code == EPERM))
		return blame_existing(options, kind, code, ret_error);
	if (code != EPERM)
		return error_errno(ret_error, code, "%s: cannot attach", name);
	print_command(options, false, command);
	return error_set(ret_error, -EPERM, LW_DOMAIN_SYSTEM, EPERM,
			 "%s: making it needs CAP_NET_ADMIN: run as root, or once as root: %s",
			 name, command);
}

static int blame_node(int code, struct lw_error *ret_error)
{
	switch (code) {
	case ENOENT:
	case ENODEV:
	case ENXIO:
		return error_set(ret_error, -code, LW_DOMAIN_SYSTEM, code,
				 "%s is not there: modprobe tun, or give it to the container",
				 node);
	case EACCES:
	case EPERM:
		return error_set(ret_error, -code, LW_DOMAIN_SYSTEM, code,
				 "%s: this user may not open it: run as root, or: chmod 666 %s",
				 node, node);
	default:
		return error_errno(ret_error, code, "%s", node);
	}
}

/*
 * Set what packets that are read may leave undone. Always, and the header with it: whoever attached
 * before may have set them otherwise, and they outlive him. On failure errno is set.
 */
static int set_offloads(int fd, bool has_header, bool is_wanted, uint32_t *ret_offloads)
{
	unsigned long flags = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6;
	int length = HEADER, is_little_endian = 1;

	if (has_header && (ioctl(fd, TUNSETVNETHDRSZ, &length) < 0 ||
			   ioctl(fd, TUNSETVNETLE, &is_little_endian) < 0))
		return -errno;
	if (!has_header || !is_wanted) {
		*ret_offloads = 0;
		return ioctl(fd, TUNSETOFFLOAD, 0UL) < 0 ? -errno : 0;
	}
	if (ioctl(fd, TUNSETOFFLOAD, flags | FLAG_USO4 | FLAG_USO6) == 0) {
		*ret_offloads = DEVICE_OFFLOAD_ALL;
		return 0;
	}
	if (ioctl(fd, TUNSETOFFLOAD, flags) < 0)
		return -errno;
	*ret_offloads = DEVICE_OFFLOAD_ALL & ~(uint32_t)DEVICE_OFFLOAD_USO;
	return 0;
}

static void use_header(struct device *device)
{
	device->ops = device->layer == LW_LAYER_ETHERNET ? &tap_header_ops : &tun_header_ops;
	device->header_length = HEADER;
}

static int open_queue(const struct lw_device_options *options, char name[IFNAMSIZ], int *ret_fd,
		      uint32_t *ret_offloads, struct lw_error *ret_error)
{
	_cleanup_close_ int fd = open(node, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct ifreq request = { 0 };

	if (fd < 0)
		return blame_node(errno, ret_error);
	request.ifr_flags = options->layer == LW_LAYER_ETHERNET ? IFF_TAP : IFF_TUN;
	request.ifr_flags |= IFF_NO_PI;
	if (options->queues > 1)
		request.ifr_flags |= IFF_MULTI_QUEUE;
	if (options->offloads)
		request.ifr_flags |= IFF_VNET_HDR;
	memcpy(request.ifr_name, name, IFNAMSIZ);
	if (ioctl(fd, TUNSETIFF, &request) < 0)
		return blame_attach(options, errno, ret_error);
	if (set_offloads(fd, options->offloads, options->offloads, ret_offloads) < 0)
		return error_errno(ret_error, errno, "%s: cannot set its offloads", name);
	memcpy(name, request.ifr_name, IFNAMSIZ);
	*ret_fd = take_fd(&fd);
	return 0;
}

int kernel_open(const struct lw_device_options *options, struct device **ret_device,
		struct lw_error *ret_error)
{
	struct device *device = make_device(options->layer, options->queues);
	char name[IFNAMSIZ] = "lw%d";
	struct ifreq request = { 0 };
	int r;

	if (!device)
		return error_errno(ret_error, ENOMEM, "a device");
	if (options->name)
		snprintf(name, sizeof(name), "%s", options->name);
	for (uint16_t i = 0; i < options->queues; i++) {
		r = open_queue(options, name, &device->descriptors[i], &device->offloads,
			       ret_error);
		if (r < 0)
			goto fail;
	}
	if (options->offloads)
		use_header(device);
	r = kernel_refresh_name(device);
	if (r < 0 || ioctl(device->descriptors[0], TUNGETIFF, &request) < 0) {
		r = error_errno(ret_error, ENODEV, "%s: disappeared while it was opened", name);
		goto fail;
	}
	device->is_persistent = request.ifr_flags & IFF_PERSIST;
	*ret_device = device;
	return 0;
fail:
	free_device(device);
	return r;
}

/* A TUN's IP version alone, behind a header of nothing where it has one. */
static bool is_version_refused(int fd, bool has_header)
{
	uint8_t packet[HEADER_MAX + 1] = { 0 };
	int header = 0;

	if (has_header && (ioctl(fd, TUNGETVNETHDRSZ, &header) < 0 || header > HEADER_MAX))
		return true;
	packet[header] = 0x45;
	return write(fd, packet, (size_t)header + 1) < 0 && errno == EINVAL;
}

/*
 * Whether a descriptor lacks IFF_NO_PI. TUNGETIFF does not say: it reports IFF_NOFILTER by the same
 * bit. On a TAP with a filter attached the bit is honest; a TUN takes no filter, but calls less
 * than a packet information header invalid.
 */
static bool has_packet_information(int fd)
{
	struct sock_filter pass = BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	struct sock_fprog filter = { .len = 1, .filter = &pass };
	struct ifreq request = { 0 };

	if (ioctl(fd, TUNGETIFF, &request) < 0 || !(request.ifr_flags & IFF_NO_PI))
		return true;
	if (!(request.ifr_flags & IFF_TAP))
		return is_version_refused(fd, request.ifr_flags & IFF_VNET_HDR);
	if (ioctl(fd, TUNATTACHFILTER, &filter) < 0)
		return false;
	if (ioctl(fd, TUNGETIFF, &request) < 0)
		return true;
	ioctl(fd, TUNDETACHFILTER, &filter);
	return !(request.ifr_flags & IFF_NO_PI);
}

static int check_adopted(const struct lw_device_options *options, struct ifreq *ret_request,
			 struct lw_error *ret_error)
{
	int fd = options->descriptor;
	int wanted = options->layer == LW_LAYER_ETHERNET ? IFF_TAP : IFF_TUN;
	const char *wrong = NULL;

	if (options->queues != 1)
		wrong = "is one queue and cannot have more";
	else if (ioctl(fd, TUNGETIFF, ret_request) < 0)
		wrong = "is not an attached TAP or TUN";
	else if (!(ret_request->ifr_flags & wanted))
		wrong = wanted == IFF_TAP ? "is a TUN and a TAP (IFF_TAP) is needed"
					  : "is a TAP and a TUN (IFF_TUN) is needed";
	else if (options->name && strcmp(options->name, ret_request->ifr_name) != 0)
		wrong = "is another interface than the one named";
	else if (has_packet_information(fd))
		wrong = "was opened without IFF_NO_PI, which is needed";
	if (wrong)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "descriptor %d %s", fd, wrong);
	return 0;
}

static int set_descriptor_flags(int fd, bool has_header, bool is_wanted, uint32_t *ret_offloads)
{
	int status = fcntl(fd, F_GETFL), flags = fcntl(fd, F_GETFD);

	if (status < 0 || flags < 0 || set_offloads(fd, has_header, is_wanted, ret_offloads) < 0 ||
	    fcntl(fd, F_SETFD, flags | FD_CLOEXEC) < 0 ||
	    fcntl(fd, F_SETFL, status | O_NONBLOCK) < 0)
		return -errno;
	return 0;
}

int kernel_adopt(const struct lw_device_options *options, struct device **ret_device,
		 struct lw_error *ret_error)
{
	struct ifreq request = { 0 };
	struct device *device;
	bool has_header;
	int r = check_adopted(options, &request, ret_error);

	if (r < 0)
		return r;
	device = make_device(options->layer, 1);
	if (!device)
		return error_errno(ret_error, ENOMEM, "a device");
	has_header = request.ifr_flags & IFF_VNET_HDR;
	r = set_descriptor_flags(options->descriptor, has_header, options->offloads,
				 &device->offloads);
	if (r < 0) {
		free(device);
		return error_errno(ret_error, -r, "descriptor %d", options->descriptor);
	}
	if (has_header)
		use_header(device);
	device->descriptors[0] = options->descriptor;
	memcpy(device->name, request.ifr_name, sizeof(device->name));
	device->index = (int)if_nametoindex(device->name);
	/* Somebody else made it; whether it stays is his affair, but it was there before us. */
	device->is_persistent = true;
	*ret_device = device;
	return 0;
}

int kernel_set_carrier(struct device *device, bool on)
{
	int carrier = on;

	return ioctl(device->descriptors[0], TUNSETCARRIER, &carrier) < 0 ? -errno : 0;
}

int kernel_refresh_name(struct device *device)
{
	struct ifreq request = { 0 };

	_Static_assert(sizeof(device->name) == IFNAMSIZ, "the kernel's names fit");
	if (ioctl(device->descriptors[0], TUNGETIFF, &request) < 0)
		return -ENODEV;
	memcpy(device->name, request.ifr_name, sizeof(device->name));
	/* 0 when it was moved to another network namespace: it still carries packets. */
	device->index = (int)if_nametoindex(device->name);
	return 0;
}
