/* SPDX-License-Identifier: MIT */
/* TAP and TUN of the running kernel, in a network namespace of the test's own. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <longwire/error.h>
#include <longwire/flow.h>

#include "device/device.h"
#include "support/namespace.h"
#include "support/packet_builder.h"

enum { WAIT_MS = 5000, NOBODY = 65534 };
enum { TCP_OFFLOADS = DEVICE_OFFLOAD_CHECKSUM | DEVICE_OFFLOAD_TSO4 | DEVICE_OFFLOAD_TSO6 };

static uint8_t buffer[LW_PACKET_MAX];

static struct lw_device_options tap(const char *name)
{
	return (struct lw_device_options){ .size = sizeof(struct lw_device_options),
					   .kind = LW_DEVICE_KERNEL,
					   .layer = LW_LAYER_ETHERNET,
					   .name = name };
}

static struct lw_device_options adopted(int fd)
{
	return (struct lw_device_options){ .size = sizeof(struct lw_device_options),
					   .kind = LW_DEVICE_ADOPTED,
					   .layer = LW_LAYER_ETHERNET,
					   .descriptor = fd };
}

static struct device *open_tap(const char *name)
{
	struct lw_device_options options = tap(name);
	struct device *device = NULL;
	struct lw_error error = { 0 };

	if (device_open(&options, &device, &error) < 0)
		fail_msg("%s", error.text);
	return device;
}

static void expect_refusal(const struct lw_device_options *options, int result, const char *words)
{
	struct device *device = NULL;
	struct lw_error error = { 0 };

	assert_int_equal(device_open(options, &device, &error), result);
	assert_null(device);
	if (!strstr(error.text, words))
		fail_msg("\"%s\" does not say \"%s\"", error.text, words);
}

static int put(struct device *device, const void *data, size_t length)
{
	struct lw_packet packet = { .data = data, .length = length, .layer = device->layer };

	return device->ops->write(device, 0, &packet);
}

static ssize_t get(struct device *device, uint16_t queue, size_t size)
{
	struct lw_offload offload = { .gso = LW_GSO_UDP, .needs_checksum = true };
	ssize_t n = device->ops->read(device, queue, buffer, size, &offload);

	if (n >= 0)
		assert_true(!offload.needs_checksum && offload.gso == LW_GSO_NONE);
	return n;
}

static void wait_readable(const struct device *device)
{
	struct pollfd poller = { .fd = device->descriptors[0], .events = POLLIN };

	assert_int_equal(poll(&poller, 1, WAIT_MS), 1);
}

/* Read until a packet of this length comes; others (the kernel's own) pass. */
static bool find_length(struct device *device, ssize_t length)
{
	ssize_t n;

	do {
		wait_readable(device);
		n = get(device, 0, sizeof(buffer));
	} while (n > 0 && n != length);
	return n == length;
}

static const uint8_t arp_request[42] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0,  0,  0, 0, 9, 8, 6, 0, 1, 8, 0,  6,  4, 0,
	1,    2,    0,    0,    0,    0,    9, 10, 86, 0, 9, 0, 0, 0, 0, 0, 0, 10, 86, 0, 1,
};

static void tap__new__is_described_and_disappears(void **state)
{
	struct device *device = open_tap("lw0");

	(void)state;
	assert_string_equal(device->ops->kind, "tap");
	assert_string_equal(device->name, "lw0");
	assert_int_equal(device->index, if_nametoindex("lw0"));
	assert_int_equal(device->queues, 1);
	assert_int_equal(device->header_length, 0);
	assert_false(device->is_persistent);
	assert_int_equal(fcntl(device->descriptors[0], F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(fcntl(device->descriptors[0], F_GETFD), FD_CLOEXEC);
	device_free(device);
	assert_int_equal(if_nametoindex("lw0"), 0);
}

static void tap__without_name__is_named_by_the_kernel(void **state)
{
	struct device *a = open_tap(NULL), *b = open_tap(NULL);

	(void)state;
	assert_string_equal(a->name, "lw0");
	assert_string_equal(b->name, "lw1");
	device_free(a);
	device_free(b);
}

static void tap__arp_request__is_answered(void **state)
{
	struct device *device = open_tap("lw0");

	(void)state;
	run("sysctl -qw net.ipv6.conf.lw0.disable_ipv6=1");
	run("ip link set lw0 up && ip address add 10.86.0.1/24 dev lw0");
	assert_int_equal(get(device, 0, sizeof(buffer)), -EAGAIN);
	assert_int_equal(put(device, arp_request, sizeof(arp_request)), 0);
	wait_readable(device);
	assert_int_equal(get(device, 0, sizeof(buffer)), 42);
	assert_memory_equal(buffer, arp_request + 6, 6);
	assert_int_equal(buffer[21], 2);
	assert_int_equal(get(device, 0, sizeof(buffer)), -EAGAIN);
	device_free(device);
}

static void tap__longer_than_the_buffer__is_skipped_not_cut(void **state)
{
	struct device *device = open_tap("lw0");

	(void)state;
	run("sysctl -qw net.ipv6.conf.lw0.disable_ipv6=1");
	run("ip link set lw0 up && ip address add 10.86.0.1/24 dev lw0");
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(put(device, arp_request, sizeof(arp_request)), 0);
	wait_readable(device);
	assert_int_equal(get(device, 0, 41), -EMSGSIZE);
	wait_readable(device);
	assert_int_equal(get(device, 0, 42), 42);
	device_free(device);
}

static void tap__frame_bounds__are_refused(void **state)
{
	static uint8_t frame[LW_PACKET_MAX + 1];
	struct lw_offload work = { .needs_checksum = true }, none = { .gso = LW_GSO_NONE };
	struct lw_packet packet = { .data = frame, .length = 60, .layer = LW_LAYER_ETHERNET };
	struct device *device = open_tap("lw0");

	(void)state;
	run("ip link set lw0 up");
	assert_int_equal(put(device, frame, 0), -EINVAL);
	assert_int_equal(put(device, frame, 13), -EINVAL);
	assert_int_equal(put(device, frame, 14), 0);
	assert_int_equal(put(device, frame, LW_PACKET_MAX), 0);
	assert_int_equal(put(device, frame, LW_PACKET_MAX + 1), -EINVAL);
	packet.offload = &none;
	assert_int_equal(device->ops->write(device, 0, &packet), 0);
	packet.offload = &work;
	assert_int_equal(device->ops->write(device, 0, &packet), -EINVAL);
	work = (struct lw_offload){ .gso = LW_GSO_TCPV4 };
	assert_int_equal(device->ops->write(device, 0, &packet), -EINVAL);
	packet.offload = NULL;
	packet.layer = LW_LAYER_IP;
	assert_int_equal(device->ops->write(device, 0, &packet), -EINVAL);
	device_free(device);
}

static void tap__down__is_said(void **state)
{
	struct device *device = open_tap("lw0");

	(void)state;
	assert_int_equal(put(device, arp_request, sizeof(arp_request)), -EIO);
	run("ip link set lw0 up");
	assert_int_equal(put(device, arp_request, sizeof(arp_request)), 0);
	run("ip link set lw0 down");
	assert_int_equal(put(device, arp_request, sizeof(arp_request)), -EIO);
	device_free(device);
}

static void tap__deleted__is_gone_for_ever(void **state)
{
	struct device *device = open_tap("lw0");

	(void)state;
	run("ip link set lw0 up && ip link del lw0");
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(get(device, 0, sizeof(buffer)), -ENODEV);
		assert_int_equal(put(device, arp_request, sizeof(arp_request)), -ENODEV);
	}
	assert_int_equal(device_refresh_name(device), -ENODEV);
	assert_true(device_set_carrier(device, true) < 0);
	device_free(device);
}

static void tap__renamed__is_followed(void **state)
{
	struct device *device = open_tap("lw0");
	int index = device->index;

	(void)state;
	run("ip link set lw0 name wire7");
	assert_int_equal(device_refresh_name(device), 0);
	assert_string_equal(device->name, "wire7");
	assert_int_equal(device->index, index);
	device_free(device);
}

static void tap__carrier__follows(void **state)
{
	struct device *device = open_tap("lw0");

	(void)state;
	run("ip link set lw0 up");
	assert_int_equal(device_set_carrier(device, false), 0);
	run("ip -o link show lw0 | grep -q NO-CARRIER");
	assert_int_equal(device_set_carrier(device, true), 0);
	run("ip -o link show lw0 | grep -q LOWER_UP");
	device_free(device);
}

static void tun__packets__are_checked_by_version(void **state)
{
	struct lw_device_options options = tap("lw0");
	static const uint8_t echo[28] = { 0x45, 0,  0, 28, 0,  0,  0, 0, 64, 1, 0x66, 0x33,
					  10,   86, 0, 2,  10, 86, 0, 1, 8,  0, 0xf7, 0xff };
	static const uint8_t other[28] = { 0x55 };
	struct device *device = NULL;

	(void)state;
	options.layer = LW_LAYER_IP;
	assert_int_equal(device_open(&options, &device, NULL), 0);
	assert_string_equal(device->ops->kind, "tun");
	run("ip link set lw0 up && ip address add 10.86.0.1/24 dev lw0");
	assert_int_equal(put(device, other, sizeof(other)), -EINVAL);
	assert_int_equal(put(device, echo, sizeof(echo)), 0);
	assert_true(find_length(device, 28));
	assert_memory_equal(buffer + 16, echo + 12, 4);
	device_free(device);
}

static void tap__of_two_queues__has_two_descriptors(void **state)
{
	struct lw_device_options options = tap("lw0");
	struct device *device = NULL;

	(void)state;
	options.queues = 2;
	assert_int_equal(device_open(&options, &device, NULL), 0);
	assert_int_equal(device->queues, 2);
	assert_true(device->descriptors[0] >= 0 && device->descriptors[1] >= 0);
	assert_int_equal(device->descriptors[2], -1);
	run("ip link set lw0 up");
	assert_int_equal(put(device, arp_request, sizeof(arp_request)), 0);
	device_free(device);
	assert_int_equal(if_nametoindex("lw0"), 0);
}

static void open__busy_or_wrong__says_what_to_do(void **state)
{
	struct lw_device_options options = tap("lw0");
	struct device *first = open_tap("lw0");

	(void)state;
	expect_refusal(&options, -EBUSY, "in use by another program");
	device_free(first);

	run("ip tuntap add dev lw0 mode tun");
	expect_refusal(&options, -EINVAL,
		       "lw0 is a tun and a tap is needed: ip link del lw0 && ip tuntap add dev lw0 "
		       "mode tap user root");
	run("ip link del lw0 && ip tuntap add dev lw0 mode tap multi_queue");
	expect_refusal(&options, -EINVAL, "made with multi_queue and 1 queue is asked for");
	run("ip link del lw0 && ip tuntap add dev lw0 mode tap");
	options.queues = 2;
	expect_refusal(&options, -EINVAL, "mode tap user root multi_queue");
	run("ip link del lw0 && ip link add lw0 type bridge");
	expect_refusal(&options, -EINVAL, "neither a TAP nor a TUN");
}

static void open__wrong_options__are_refused(void **state)
{
	struct lw_device_options options = tap("0123456789abcdef");

	(void)state;
	expect_refusal(&options, -EINVAL, "1 to 15");
	options.name = "lw%d";
	expect_refusal(&options, -EINVAL, "1 to 15");
	options.name = "lw0";
	options.queues = DEVICE_QUEUES_MAX + 1;
	expect_refusal(&options, -EINVAL, "1 to 16");
	options.queues = 1;
	options.layer = (enum lw_layer)3;
	expect_refusal(&options, -EINVAL, "Ethernet or IP");
	options.layer = LW_LAYER_IP;
	options.coalesce = true;
	expect_refusal(&options, -EINVAL, "needs offloads");
	options.offloads = true;
	options.kind = (enum lw_device_kind)9;
	expect_refusal(&options, -EINVAL, "opened from the kernel or adopted");
	options.size = 0;
	expect_refusal(&options, -EINVAL, "unknown size");
}

/* A persistent device whose last user had switched offloads on must not give us half-made
 * checksums. */
static void open__persistent_with_offloads__has_none(void **state)
{
	struct device *device;
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR,
				 .ifr_name = "lw0" };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	(void)state;
	run("ip tuntap add dev lw0 mode tap");
	assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
	assert_int_equal(ioctl(fd, TUNSETOFFLOAD, (unsigned long)(TUN_F_CSUM | TUN_F_TSO4)), 0);
	close(fd);
	device = open_tap("lw0");
	assert_true(device->is_persistent);
	run("ip -d link show lw0 | grep -q 'vnet_hdr off'");
	run("! command -v ethtool >/dev/null || "
	    "ethtool -k lw0 | grep -q 'tcp-segmentation-offload: off'");
	device_free(device);
	assert_true(if_nametoindex("lw0") != 0);
}

/* As an ordinary user, with a /dev/net/tun that he may open. Return: what device_open said, from a
 * child. */
static int open_as_nobody(const char *name, const char *words, bool may_open_node)
{
	pid_t child = fork();
	int status = 0;

	if (child == 0) {
		struct lw_device_options options = tap(name);
		struct device *device = NULL;
		struct lw_error error = { 0 };
		int r;

		if (unshare(CLONE_NEWNS) < 0 ||
		    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		    mount("none", "/dev/net", "tmpfs", 0, NULL) ||
		    mknod("/dev/net/tun", S_IFCHR, makedev(10, 200)) ||
		    chmod("/dev/net/tun", may_open_node ? 0666 : 0600) || setgroups(0, NULL) ||
		    setgid(NOBODY) || setuid(NOBODY))
			_exit(200);
		r = device_open(&options, &device, &error);
		if (r < 0 && !strstr(error.text, words))
			fprintf(stderr, "unexpected: %s\n", error.text);
		_exit(r == 0 ? device->is_persistent : strstr(error.text, words) ? -r : 201);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void open__as_nobody__needs_a_device_of_his_own(void **state)
{
	int r;

	(void)state;
	if (system("ip tuntap add dev mine mode tap user 65534 2>/dev/null") != 0) {
		printf("SKIP: this user has no other user to give a device to\n");
		skip();
	}
	run("ip tuntap add dev other mode tap user 1234");
	r = open_as_nobody("mine", "", true);
	if (r == 200) {
		printf("SKIP: no device node can be made here\n");
		skip();
	}
	assert_int_equal(r, 1);
	assert_int_equal(open_as_nobody("other", "belongs to another user", true), EPERM);
	assert_int_equal(open_as_nobody("fresh", "CAP_NET_ADMIN", true), EPERM);
	assert_int_equal(open_as_nobody("mine", "may not open it", false), EACCES);
}

static int attach(short flags)
{
	struct ifreq request = { .ifr_flags = flags, .ifr_name = "lw0" };
	int fd = open("/dev/net/tun", O_RDWR);

	assert_true(fd >= 0);
	assert_int_equal(ioctl(fd, TUNSETIFF, &request), 0);
	return fd;
}

static struct device *open_with_offloads(bool offloads)
{
	struct lw_device_options options = tap("lw0");
	struct device *device = NULL;
	struct lw_error error = { 0 };

	options.offloads = offloads;
	if (device_open(&options, &device, &error) < 0)
		fail_msg("%s", error.text);
	return device;
}

/* Whether the kernel would hand out super-frames now. */
static bool has_segmentation(void)
{
	struct ethtool_value value = { .cmd = ETHTOOL_GTSO };
	struct ifreq request = { .ifr_name = "lw0", .ifr_data = (char *)&value };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_int_equal(ioctl(fd, SIOCETHTOOL, &request), 0);
	close(fd);
	return value.data;
}

static void open__offloads__are_set_anew_on_every_attach(void **state)
{
	(void)state;
	run("ip tuntap add dev lw0 mode tap vnet_hdr");
	for (unsigned i = 0; i < 6; i++) {
		struct device *device = open_with_offloads(i % 2);
		int length = 12;

		assert_int_equal(device->header_length, i % 2 ? 10 : 0);
		assert_int_equal(device->offloads & TCP_OFFLOADS, i % 2 ? TCP_OFFLOADS : 0);
		assert_int_equal(has_segmentation(), i % 2);
		if (i % 2) {
			/* Left behind for the next. */
			assert_int_equal(ioctl(device->descriptors[0], TUNSETVNETHDRSZ, &length),
					 0);
		}
		device_free(device);
	}
}

static void offloads__plain_frames__go_both_ways(void **state)
{
	struct device *device = open_with_offloads(true);

	(void)state;
	run("sysctl -qw net.ipv6.conf.lw0.disable_ipv6=1");
	run("ip link set lw0 up && ip address add 10.86.0.1/24 dev lw0");
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(put(device, arp_request, sizeof(arp_request)), 0);
	wait_readable(device);
	assert_int_equal(get(device, 0, 41), -EMSGSIZE);
	assert_int_equal(get(device, 0, 42), 42);
	assert_memory_equal(buffer, arp_request + 6, 6);
	assert_int_equal(get(device, 0, sizeof(buffer)), -EAGAIN);
	assert_int_equal(put(device, arp_request, 13), -EINVAL);
	assert_int_equal(put(device, buffer, LW_PACKET_MAX), 0);
	assert_int_equal(put(device, buffer, LW_PACKET_MAX + 1), -EINVAL);
	device_free(device);
}

static void offloads__claims_that_contradict__never_reach_the_kernel(void **state)
{
	struct device *device = open_with_offloads(true);
	const struct shape shape = { .payload = 4000, .flags = 0x10, .is_partial = true };
	static struct built built;
	struct lw_offload right = { true, 34, 16, LW_GSO_TCPV4, 1460 }, wrong[7];
	struct lw_packet packet = { .layer = LW_LAYER_ETHERNET };
	char *text;

	(void)state;
	run("ip link set lw0 up");
	build(&shape, &built);
	packet.data = built.data;
	packet.length = built.length;
	for (size_t i = 0; i < 7; i++)
		wrong[i] = right;
	wrong[0].gso_size = 1;
	wrong[1].needs_checksum = false;
	wrong[2].gso = LW_GSO_UDP;
	wrong[3].gso_size = 4001;
	wrong[4].checksum_start = 9;
	wrong[5].checksum_offset = 6;
	wrong[6].gso = LW_GSO_TCPV6;
	for (size_t i = 0; i < 7; i++) {
		packet.offload = &wrong[i];
		assert_int_equal(device->ops->write(device, 0, &packet), -EBADMSG);
	}
	packet.offload = &right;
	assert_int_equal(device->ops->write(device, 0, &packet), 0);
	/* Bytes, packets, errors, drops, fifo, frame errors. */
	text = run_and_read("sed -n 's/^ *lw0: *[0-9]* *//; T; s/  */ /gp' /proc/net/dev");
	assert_memory_equal(text, "1 0 0 0 0 ", 10);
	free(text);
	device_free(device);
}

static void adopt__tap__is_learnt_from_it(void **state)
{
	struct lw_device_options options = adopted(attach(IFF_TAP | IFF_NO_PI));
	struct device *device = NULL;

	(void)state;
	assert_int_equal(device_open(&options, &device, NULL), 0);
	assert_string_equal(device->name, "lw0");
	assert_int_equal(device->index, if_nametoindex("lw0"));
	assert_int_equal(device->descriptors[0], options.descriptor);
	assert_int_equal(fcntl(options.descriptor, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
	assert_int_equal(fcntl(options.descriptor, F_GETFD), FD_CLOEXEC);
	device_free(device);
	assert_int_equal(fcntl(options.descriptor, F_GETFD), -1);
}

static void adopt__tun__is_learnt_from_it(void **state)
{
	struct lw_device_options options = adopted(attach(IFF_TUN | IFF_NO_PI));
	struct device *device = NULL;

	(void)state;
	options.layer = LW_LAYER_IP;
	assert_int_equal(device_open(&options, &device, NULL), 0);
	assert_string_equal(device->ops->kind, "tun");
	assert_true(device->is_persistent);
	device_free(device);
}

static void adopt__with_header__has_offloads_if_wanted(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		short kind = i % 2 ? IFF_TUN : IFF_TAP;
		struct lw_device_options options =
			adopted(attach((short)(kind | IFF_NO_PI | IFF_VNET_HDR)));
		struct device *device = NULL;
		int length = 12;

		assert_int_equal(ioctl(options.descriptor, TUNSETVNETHDRSZ, &length), 0);
		options.layer = i % 2 ? LW_LAYER_IP : LW_LAYER_ETHERNET;
		options.offloads = i / 2;
		run("ip link set lw0 up");
		assert_int_equal(device_open(&options, &device, NULL), 0);
		assert_int_equal(device->header_length, 10);
		assert_int_equal(ioctl(options.descriptor, TUNGETVNETHDRSZ, &length), 0);
		assert_int_equal(length, 10);
		assert_int_equal(device->offloads & TCP_OFFLOADS, i / 2 ? TCP_OFFLOADS : 0);
		device_free(device);
	}
}

static void adopt__without_header__has_no_offloads(void **state)
{
	struct lw_device_options options = adopted(attach(IFF_TAP | IFF_NO_PI));
	struct device *device = NULL;

	(void)state;
	options.offloads = true;
	assert_int_equal(device_open(&options, &device, NULL), 0);
	assert_int_equal(device->header_length, 0);
	assert_int_equal(device->offloads, 0);
	device_free(device);
}

static void adopt__what_is_not_usable__stays_the_callers(void **state)
{
	static const struct {
		short flags;
		const char *words;
	} cases[] = {
		{ IFF_TUN | IFF_NO_PI, "is a TUN and a TAP (IFF_TAP) is needed" },
		{ IFF_TAP | IFF_VNET_HDR, "without IFF_NO_PI" },
		{ IFF_TAP, "without IFF_NO_PI" },
	};
	struct lw_device_options options;
	int fd;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fd = attach(cases[i].flags);
		options = adopted(fd);
		expect_refusal(&options, -EINVAL, cases[i].words);
		assert_int_equal(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
		close(fd);
	}
	fd = attach(IFF_TUN);
	options = adopted(fd);
	options.layer = LW_LAYER_IP;
	expect_refusal(&options, -EINVAL, "without IFF_NO_PI");
	run("ip link set lw0 up");
	expect_refusal(&options, -EINVAL, "without IFF_NO_PI");
	close(fd);
	fd = attach(IFF_TUN | IFF_VNET_HDR);
	options = adopted(fd);
	options.layer = LW_LAYER_IP;
	run("ip link set lw0 up");
	expect_refusal(&options, -EINVAL, "without IFF_NO_PI");
	close(fd);
	fd = attach(IFF_TAP | IFF_NO_PI);
	options = adopted(fd);
	options.queues = 2;
	expect_refusal(&options, -EINVAL, "one queue");
	options.queues = 1;
	options.name = "lw1";
	expect_refusal(&options, -EINVAL, "another interface");
	close(fd);
	fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	options = adopted(fd);
	expect_refusal(&options, -EINVAL, "not an attached TAP or TUN");
	close(fd);
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	options = adopted(fd);
	expect_refusal(&options, -EINVAL, "not an attached TAP or TUN");
	close(fd);
	options = adopted(-1);
	expect_refusal(&options, -EINVAL, "not an attached TAP or TUN");
}

#define in_namespace(test) cmocka_unit_test_setup(test, namespace_setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		in_namespace(tap__new__is_described_and_disappears),
		in_namespace(tap__without_name__is_named_by_the_kernel),
		in_namespace(tap__arp_request__is_answered),
		in_namespace(tap__longer_than_the_buffer__is_skipped_not_cut),
		in_namespace(tap__frame_bounds__are_refused),
		in_namespace(tap__down__is_said),
		in_namespace(tap__deleted__is_gone_for_ever),
		in_namespace(tap__renamed__is_followed),
		in_namespace(tap__carrier__follows),
		in_namespace(tun__packets__are_checked_by_version),
		in_namespace(tap__of_two_queues__has_two_descriptors),
		in_namespace(open__busy_or_wrong__says_what_to_do),
		in_namespace(open__wrong_options__are_refused),
		in_namespace(open__persistent_with_offloads__has_none),
		in_namespace(open__as_nobody__needs_a_device_of_his_own),
		in_namespace(adopt__tap__is_learnt_from_it),
		in_namespace(adopt__tun__is_learnt_from_it),
		in_namespace(open__offloads__are_set_anew_on_every_attach),
		in_namespace(offloads__plain_frames__go_both_ways),
		in_namespace(offloads__claims_that_contradict__never_reach_the_kernel),
		in_namespace(adopt__with_header__has_offloads_if_wanted),
		in_namespace(adopt__without_header__has_no_offloads),
		in_namespace(adopt__what_is_not_usable__stays_the_callers),
	};

	if (!namespace_is_possible())
		return 0;
	return cmocka_run_group_tests_name("device/kernel", tests, NULL, NULL);
}
