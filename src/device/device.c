/* SPDX-License-Identifier: MIT */
/* Devices: the front that chooses a kind. */
#include "device/device.h"

#include <errno.h>
#include <string.h>

#include <longwire/error.h>
#include <longwire/flow.h>

#include "base/error.h"
#include "base/memory.h"
#include "base/parse.h"
#include "base/value.h"
#include "device/kernel.h"

static int check_options(const struct lw_device_options *options, struct lw_error *ret_error)
{
	if (options->layer != LW_LAYER_ETHERNET && options->layer != LW_LAYER_IP)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "a device carries Ethernet or IP");
	if (options->queues > DEVICE_QUEUES_MAX)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "%u queues: a device has 1 to %d", options->queues,
				 DEVICE_QUEUES_MAX);
	if (options->coalesce && !options->offloads)
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "coalescing makes super-frames: it needs offloads");
	if (options->name && !parse_is_interface_name(options->name))
		return error_set(
			ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
			"%s: an interface name is 1 to 15 letters, digits, '.', '_' or '-'",
			options->name);
	return 0;
}

static int open_kind(const struct lw_device_options *options, struct device **ret_device,
		     struct lw_error *ret_error)
{
	switch (options->kind) {
	case LW_DEVICE_KERNEL:
		return kernel_open(options, ret_device, ret_error);
	case LW_DEVICE_ADOPTED:
		return kernel_adopt(options, ret_device, ret_error);
	}
	return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
			 "a device is opened from the kernel or adopted");
}

int device_open(const struct lw_device_options *options, struct device **ret_device,
		struct lw_error *ret_error)
{
	struct lw_device_options whole;
	int r;

	if (!value_take(&whole, sizeof(whole), options))
		return error_set(ret_error, -EINVAL, LW_DOMAIN_CONFIGURATION, EINVAL,
				 "device options of an unknown size");
	r = check_options(&whole, ret_error);
	if (r < 0)
		return r;
	if (!whole.queues)
		whole.queues = 1;
	r = open_kind(&whole, ret_device, ret_error);
	if (r >= 0)
		(*ret_device)->coalesces = whole.coalesce;
	return r;
}

void device_free(struct device *device)
{
	if (device)
		device->ops->free(device);
}

uint32_t device_missing_offloads(const struct device *device, const struct lw_offload *offload)
{
	uint32_t needed;

	if (!offload)
		return 0;
	needed = offload->needs_checksum ? DEVICE_OFFLOAD_CHECKSUM : 0;
	switch (offload->gso) {
	case LW_GSO_NONE:
		break;
	case LW_GSO_TCPV4:
		needed |= DEVICE_OFFLOAD_TSO4;
		break;
	case LW_GSO_TCPV6:
		needed |= DEVICE_OFFLOAD_TSO6;
		break;
	case LW_GSO_UDP:
		needed |= DEVICE_OFFLOAD_USO;
		break;
	}
	return needed & ~device->offloads;
}

int device_set_carrier(struct device *device, bool on)
{
	return device->name[0] ? kernel_set_carrier(device, on) : -ENOTSUP;
}

int device_refresh_name(struct device *device)
{
	return device->name[0] ? kernel_refresh_name(device) : 0;
}
