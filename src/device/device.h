/* SPDX-License-Identifier: MIT */
/*
 * Devices: where packets of this machine come from and go to. One object for TAP, TUN, adopted
 * descriptors and memory.
 *
 * Theory of operation. A device gives and takes one packet a call, never blocks, and says with an
 * errno what happened; batches, counters and captures are the flow's. Kernel devices are
 * /dev/net/tun descriptors, one for each queue. Each queue may be used by a thread of its own. Nothing of the interface (MAC, MTU, up, bridge,
 * addresses) is set here: that is src/network/, in one transaction with its undo.
 */
#ifndef DEVICE_DEVICE_H
#define DEVICE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <longwire/packet.h>

struct device;
struct lw_device_options;
struct lw_error;

enum { DEVICE_QUEUES_MAX = 16, DEVICE_NAME_SIZE = 16 };

/* What a device takes and gives unfinished: the numbers of a hello's offloads. */
enum device_offload {
	DEVICE_OFFLOAD_CHECKSUM = 1,
	DEVICE_OFFLOAD_TSO4 = 2,
	DEVICE_OFFLOAD_TSO6 = 4,
	DEVICE_OFFLOAD_USO = 8,
	DEVICE_OFFLOAD_ALL = 15,
};

struct device_ops {
	const char *kind; /* "tap", "tun", "memory" */
	/*
	 * Read one packet into data (size ≥ LW_PACKET_MAX). Return: its length; -EAGAIN: none now;
	 * -EIO: interface down; -ENODEV: gone for ever. A packet longer than size is never
	 * delivered cut: it is skipped (-EMSGSIZE), and so is one with an offload that we do not
	 * know (-EBADMSG). ret_offload is set when it returns a length; gso none and no checksum
	 * when there is nothing to do.
	 */
	ssize_t (*read)(struct device *device, uint16_t queue, uint8_t *data, size_t size,
			struct lw_offload *ret_offload);
	/*
	 * Write one packet, whose offload is one that the device has. 0; -EAGAIN or -ENOBUFS: not
	 * now; -EIO: down; -EINVAL: refused; -EBADMSG: its offload contradicts it; -ENODEV: gone.
	 */
	int (*write)(struct device *device, uint16_t queue, const struct lw_packet *packet);
	void (*free)(struct device *device);
};

struct device {
	const struct device_ops *ops;
	enum lw_layer layer;
	uint16_t queues;
	/*
	 * Descriptor of each queue, to wait for readability; for memory an eventfd-like descriptor
	 * that is readable while packets wait. Owned by the device.
	 */
	int descriptors[DEVICE_QUEUES_MAX];
	char name[DEVICE_NAME_SIZE]; /* "" : not a kernel interface */
	int index;                   /* interface index; 0: none */
	uint16_t header_length;      /* virtio-net header on the descriptor; 0: none */
	uint32_t offloads;           /* bits of enum device_offload */
	bool is_persistent;          /* it was there before us and stays */
	bool coalesces;              /* TCP segments that are read together are joined */
};

/*
 * Open or adopt. Existing persistent devices are attached without capability; errors name the
 * interface and, where a device was made with the wrong flags (tun for tap, multi_queue, another
 * owner), the command that makes it right
 * ("ip tuntap add dev lw0 mode tap user alice"). No /dev/net/tun, no CAP_NET_ADMIN, and a busy
 * device have a sentence each (T52).
 */
int device_open(const struct lw_device_options *options, struct device **ret_device,
		struct lw_error *ret_error);
/*
 * A pair in memory; each queue holds at most depth packets (0: 1024) and 4 MiB that the other wrote.
 * Neither has an offload until its offloads are set; what it has crosses as it is.
 */
int device_memory_pair(enum lw_layer layer, uint32_t depth, uint16_t queues, struct device **ret_a,
		       struct device **ret_b);
void device_free(
	struct device *device); /* a device that we made disappears with its last descriptor */

/* Return: bits of enum device_offload that the device lacks to take a packet with this offload
 * (NULL: none). */
uint32_t device_missing_offloads(const struct device *device, const struct lw_offload *offload);

/* Carrier of a kernel device (TUNSETCARRIER); -ENOTSUP for memory. */
int device_set_carrier(struct device *device, bool on);
/* Ask the kernel for the present name (it may have been renamed) and index. 0 or -ENODEV. */
int device_refresh_name(struct device *device);

#endif
