/* SPDX-License-Identifier: MIT */
/* TAP and TUN descriptors of the kernel: opened by name or adopted. What device.h says is kept by
 * device.c. */
#ifndef DEVICE_KERNEL_H
#define DEVICE_KERNEL_H

#include <stdbool.h>

struct device;
struct lw_device_options;
struct lw_error;

/* options are whole, checked and have queues ≥ 1. */
int kernel_open(const struct lw_device_options *options, struct device **ret_device,
		struct lw_error *ret_error);
/* The descriptor stays the caller's, and is as it was, on failure. */
int kernel_adopt(const struct lw_device_options *options, struct device **ret_device,
		 struct lw_error *ret_error);
int kernel_set_carrier(struct device *device, bool on);
int kernel_refresh_name(struct device *device);

#endif
