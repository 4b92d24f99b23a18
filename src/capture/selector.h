/* SPDX-License-Identifier: MIT */
/* What a capture wants, before its filter: points, ports, peers, reasons of drops. */
#ifndef CAPTURE_SELECTOR_H
#define CAPTURE_SELECTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lw_capture_options;
struct lw_error;

struct selector {
	char **ports, **peers; /* by name; both empty: everywhere */
	size_t n_ports, n_peers;
	uint64_t reasons; /* 1 << enum lw_drop */
};

/* Copy from options. 0, -EINVAL (a reason that is none, too many or empty names), -ENOMEM. */
int selector_init(struct selector *selector, const struct lw_capture_options *options,
		  struct lw_error *ret_error);
void selector_done(struct selector *selector);

bool selector_wants_port(const struct selector *selector, const char *name, bool is_device);
static inline bool selector_wants_reason(const struct selector *selector, unsigned reason)
{
	return selector->reasons >> reason & 1;
}

#endif
